//! What a URL must look like before it is saved. Where it leads is judged again at every connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;
use url::{Host, Url};

use crate::guard::{Guard, port_is_fair};

/// The longest URL that is accepted, before and after normalisation.
pub const MAX_URL_LENGTH: usize = 2048;

/// What the operator's settings say about URLs.
#[derive(Clone, Copy, Debug, Default)]
pub struct UrlRules {
    /// Accept `http://` beside `https://`.
    pub allow_http: bool,
}

/// Why a URL is not accepted. The sentences are meant for the person who entered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    #[error("The URL is longer than 2048 characters.")]
    TooLong,
    #[error("This is not a valid URL.")]
    NotAUrl,
    #[error("The URL must start with https://.")]
    NotHttps,
    #[error("The URL must start with https:// or http://.")]
    NotHttp,
    #[error("The URL must name a host.")]
    NoHost,
    #[error("The URL must not contain a user name or a password.")]
    UserInfo,
    #[error("The URL's port must be 443, 80, or 1024 and above.")]
    Port,
    #[error("The URL's address is not allowed.")]
    Blocked,
}

/// Reads a URL that somebody entered and gives back its normal form, which is the form to store.
///
/// A fragment is dropped: it is never sent, so it can neither help nor harm. A host that parses to an IP address, in
/// whatever notation, is judged by `guard` here already; a name is judged by what it resolves to, at every connect.
pub fn check_url(raw: &str, rules: UrlRules, guard: &Guard) -> Result<Url, UrlError> {
    let raw = raw.trim();
    if raw.len() > MAX_URL_LENGTH {
        return Err(UrlError::TooLong);
    }
    // The parser would drop tabs and line breaks silently; inside a URL they are only ever a trick or a slip.
    if raw.contains(char::is_control) {
        return Err(UrlError::NotAUrl);
    }
    let mut url = Url::parse(raw).map_err(from_parser)?;
    url.set_fragment(None);
    check_scheme(&url, rules)?;
    check_authority(&url, guard)?;
    if url.as_str().len() > MAX_URL_LENGTH {
        return Err(UrlError::TooLong);
    }
    as_uri(&url).ok_or(UrlError::NotAUrl)?;
    Ok(url)
}

fn from_parser(error: url::ParseError) -> UrlError {
    match error {
        url::ParseError::EmptyHost => UrlError::NoHost,
        url::ParseError::InvalidPort => UrlError::Port,
        _ => UrlError::NotAUrl,
    }
}

fn check_scheme(url: &Url, rules: UrlRules) -> Result<(), UrlError> {
    match (url.scheme(), rules.allow_http) {
        ("https", _) | ("http", true) => Ok(()),
        (_, true) => Err(UrlError::NotHttp),
        (_, false) => Err(UrlError::NotHttps),
    }
}

fn check_authority(url: &Url, guard: &Guard) -> Result<(), UrlError> {
    if has_user_info(url) {
        return Err(UrlError::UserInfo);
    }
    let host = url.host().ok_or(UrlError::NoHost)?;
    let port = url.port_or_known_default().filter(|port| port_is_fair(*port)).ok_or(UrlError::Port)?;
    let may = |ip: IpAddr| guard.permits(SocketAddr::new(ip, port));
    let fine = match host {
        Host::Ipv4(ip) => may(ip.into()),
        Host::Ipv6(ip) => may(ip.into()),
        // Names under `localhost` mean this machine wherever they are asked, so there is no need to wait for the
        // answer.
        Host::Domain(name) if is_localhost(name) => may(Ipv4Addr::LOCALHOST.into()) || may(Ipv6Addr::LOCALHOST.into()),
        Host::Domain(name) if name.split('.').all(str::is_empty) => return Err(UrlError::NoHost),
        Host::Domain(name) if has_gap(name) => return Err(UrlError::NotAUrl),
        Host::Domain(_) => true,
    };
    if fine { Ok(()) } else { Err(UrlError::Blocked) }
}

/// Two dots in a row, or one at the beginning: no such name exists, but the parser, which takes numbers for addresses, takes
/// `127.0.0.1..` for a name. What a resolver makes of it is not worth knowing.
fn has_gap(name: &str) -> bool {
    name.strip_suffix('.').unwrap_or(name).split('.').any(str::is_empty)
}

pub(crate) fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The parser has lower-cased the name already.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// The same address in hyper's type. The two parsers must agree on where it leads, else it is no URL for us.
pub(crate) fn as_uri(url: &Url) -> Option<Uri> {
    let uri = Uri::try_from(url.as_str()).ok()?;
    let same = uri.host() == url.host_str() && uri.port_u16() == url.port() && uri.scheme_str() == Some(url.scheme());
    same.then_some(uri)
}
