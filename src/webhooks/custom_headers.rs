//! Headers that the owner of an endpoint wants to see on its deliveries: a credential of its own receiver, for example.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use skylight_outbound::{clean_header_value, forbidden_custom_header};

const LONGEST: usize = 1024;

/// One header; none if we write it ourselves, or if it is none at all. Deliveries carry no credential of ours, so
/// `Authorization` is the receiver's.
pub fn parse(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let is_signature = name.as_str().replace('_', "-") == "x-360dialog-signature";
    if value.len() > LONGEST || is_signature || (name != AUTHORIZATION && forbidden_custom_header(name.as_str())) {
        return None;
    }
    let mut value = clean_header_value(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// What was stored: names and values that were parsed once.
pub fn of_json(text: &str) -> HeaderMap {
    let stored: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    stored.iter().filter_map(|(name, value)| parse(name, value.as_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receivers_own_headers_pass_and_ours_do_not() {
        assert!(parse("Authorization", "Bearer abc").is_some());
        assert!(parse("X-Team", "  blue ").is_some_and(|(_, value)| value == "blue"));
        for name in
            ["Host", "content-length", "X-360dialog-Signature", "x_360dialog_signature", "webhook-id", "a b", ""]
        {
            assert!(parse(name, "x").is_none(), "{name}");
        }
        assert!(parse("X-Team", "a\r\nb").is_none());
        assert_eq!(of_json("{\"X-Team\":\"blue\",\"Host\":\"evil\",\"X-Odd\":5}").len(), 1);
    }
}
