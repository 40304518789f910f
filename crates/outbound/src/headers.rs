//! Which headers a user may add to requests we send on their behalf.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers that belong to the connection or to its framing. hyper writes them; a second opinion would be request
/// smuggling.
const FRAMING: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "expect",
];

/// Headers that carry somebody's authority or our signature.
const OURS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Whether users may not set this header: it frames the message, carries our credentials or signatures, or is no header
/// name at all. Underscores count as hyphens, because receivers behind CGI-like gateways cannot tell them apart.
#[must_use]
pub fn forbidden_custom_header(name: &str) -> bool {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return true;
    }
    let name = name.to_ascii_lowercase().replace('_', "-");
    FRAMING.contains(&name.as_str()) || OURS.contains(&name.as_str()) || name.starts_with("x-skylight-")
}

/// Why a header's value is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A header's value may contain printable ASCII characters only.")]
pub struct HeaderValueError;

/// A user's header value, trimmed. Control characters (tabs too) and anything beyond ASCII are refused: receivers
/// disagree about them.
pub fn clean_header_value(value: &str) -> Result<HeaderValue, HeaderValueError> {
    let value = value.trim_matches(' ');
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(HeaderValueError);
    }
    HeaderValue::from_str(value).map_err(|_| HeaderValueError)
}

/// Takes framing headers out of a request, whoever put them there.
pub(crate) fn strip_framing(headers: &mut HeaderMap) {
    if headers.is_empty() {
        return;
    }
    for name in FRAMING {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_users_may_not_set() {
        for name in [
            "Host",
            "HOST",
            "content-length",
            "Content_Length",
            "Transfer-Encoding",
            "connection",
            "Authorization",
            "X-SkyLight-Event",
            "x_skylight_signature",
            "webhook-id",
            "Webhook-Timestamp",
            "webhook-signature",
            "TE",
            "Upgrade",
            "Proxy-Authorization",
            "",
            "host ",
            "a:b",
            "a\r\nb",
            "é",
        ] {
            assert!(forbidden_custom_header(name), "{name:?}");
        }
        for name in ["X-Api-Key", "Content-Type", "User-Agent", "X-Sky", "Cookie", "Hosts"] {
            assert!(!forbidden_custom_header(name), "{name:?}");
        }
    }

    #[test]
    fn values_are_printable_ascii() {
        assert_eq!(clean_header_value("  a b~ ").as_ref().map(HeaderValue::as_bytes), Ok(&b"a b~"[..]));
        assert_eq!(clean_header_value("").as_ref().map(HeaderValue::as_bytes), Ok(&b""[..]));
        for value in ["a\r\nX: y", "a\nb", "a\tb", "a\0b", "a\u{7f}b", "naïve", "\u{85}"] {
            assert_eq!(clean_header_value(value), Err(HeaderValueError), "{value:?}");
        }
    }

    #[test]
    fn framing_headers_are_taken_out() {
        let mut headers = HeaderMap::new();
        for name in FRAMING {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        headers.insert("x-own", HeaderValue::from_static("kept"));
        strip_framing(&mut headers);
        assert_eq!(headers.len(), 1);
    }
}
