//! The tables of addresses and URLs, as data.

use std::net::{IpAddr, SocketAddr};

use skylight_outbound::{Guard, MAX_URL_LENGTH, UrlError, UrlRules, check_url, is_public};

const HTTP: UrlRules = UrlRules { allow_http: true };
const HTTPS: UrlRules = UrlRules { allow_http: false };

fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).map(|line| {
        let mut words = line.split_whitespace();
        let pair = words.next().zip(words.next());
        pair.unwrap_or_else(|| panic!("a row has two columns: {line}"))
    })
}

fn strangers() -> Guard {
    Guard::strangers(vec![], vec![])
}

#[test]
fn the_guard_knows_public_addresses() {
    let guard = strangers();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (address, verdict) in rows(include_str!("addresses.txt")) {
        let ip: IpAddr = address.parse().unwrap_or_else(|_| panic!("an address: {address}"));
        let public = match verdict {
            "public" => true,
            "refused" => false,
            other => panic!("no verdict: {other}"),
        };
        if guard.permits(SocketAddr::new(ip, 443)) != public || is_public(ip) != public {
            wrong.push(address);
        }
        assert!(Guard::operator().permits(SocketAddr::new(ip, 443)), "{address} for an operator");
        count += 1;
    }
    assert!(wrong.is_empty(), "misjudged: {wrong:?}");
    assert!(count >= 90, "the table was read");
}

#[test]
fn urls_are_judged_by_what_they_parse_to() {
    let guard = strangers();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (raw, expected) in rows(include_str!("urls.txt")) {
        let got = match check_url(raw, HTTP, &guard) {
            Ok(url) => url.to_string(),
            Err(error) => format!("{error:?}"),
        };
        count += 1;
        if got != expected {
            wrong.push(format!("{raw} gave {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 80, "the table was read");
}

#[test]
fn plain_http_needs_the_operators_word() {
    assert_eq!(check_url("http://example.com/", HTTPS, &strangers()), Err(UrlError::NotHttps));
    assert_eq!(check_url("ftp://example.com/", HTTPS, &strangers()), Err(UrlError::NotHttps));
    assert!(check_url("https://example.com/", HTTPS, &strangers()).is_ok());
}

#[test]
fn length_is_judged_before_and_after_normalisation() {
    let of = |filler: &str, count: usize| format!("https://example.com/{}", filler.repeat(count));
    let room = MAX_URL_LENGTH - "https://example.com/".len();
    let judge = |raw: &str| check_url(raw, HTTPS, &strangers()).map(|url| url.as_str().len());
    assert_eq!(judge(&of("a", room)), Ok(MAX_URL_LENGTH));
    assert_eq!(judge(&of("a", room + 1)), Err(UrlError::TooLong));
    assert_eq!(judge(&of("ü", room / 2)), Err(UrlError::TooLong), "each becomes six characters");
}

#[test]
fn surrounding_space_is_forgiven_and_control_characters_are_not() {
    let judge = |raw: &str| check_url(raw, HTTPS, &strangers()).map(String::from);
    assert_eq!(judge("  https://example.com/a\r\n"), Ok("https://example.com/a".to_owned()));
    for raw in ["https://exa\tmple.com/", "https://example.com/\r\nX: y", "https://example.com/\0", "java\nscript:x"] {
        assert_eq!(judge(raw), Err(UrlError::NotAUrl), "{raw:?}");
    }
}

#[test]
fn a_named_range_lets_its_urls_through_but_not_our_own() {
    let allowed = vec!["127.0.0.0/8".parse().expect("a network")];
    let guard = Guard::strangers(allowed, vec!["127.0.0.1:8080".parse().expect("an address")]);
    let judge = |raw: &str| check_url(raw, HTTP, &guard).map(String::from);
    assert!(judge("http://127.0.0.1:9000/").is_ok());
    assert!(judge("http://localhost:9000/").is_ok());
    assert_eq!(judge("http://127.0.0.1:8080/"), Err(UrlError::Blocked));
    assert_eq!(judge("http://2130706433:8080/"), Err(UrlError::Blocked));
    assert_eq!(judge("http://localhost:8080/"), Err(UrlError::Blocked));
}

#[test]
fn every_error_is_a_sentence() {
    use UrlError::{Blocked, NoHost, NotAUrl, NotHttp, NotHttps, Port, TooLong, UserInfo};
    for error in [Blocked, NoHost, NotAUrl, NotHttp, NotHttps, Port, TooLong, UserInfo] {
        assert!(error.to_string().ends_with('.'), "{error:?}");
    }
}
