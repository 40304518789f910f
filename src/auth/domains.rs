//! Which browser pages may use a key: host names, compared exactly (rule R4). A list narrows what browsers do; it proves
//! nobody's identity, because anything but a browser writes any origin.

use crate::kernel::fields::Field;
use url::{Host, Url};

/// A host name, `*.` and a host name for its subdomains, or `*` for every host. Kept in lower case and in the ASCII form
/// that browsers send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRule(String);

impl DomainRule {
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self(text.to_owned()));
        }
        let (prefix, name) = match text.strip_prefix("*.") {
            Some(parent) => ("*.", parent),
            None => ("", text),
        };
        let host = match Host::parse(name).ok()? {
            Host::Domain(name) => name,
            // Addresses have no subdomains, and one way to be written.
            address if prefix.is_empty() && address.to_string() == name => address.to_string(),
            _ => return None,
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        let labels = host.split('.').all(|label| !label.is_empty());
        (!name.contains('%') && labels && host.chars().all(is_plain)).then(|| Self(format!("{prefix}{host}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_any(&self) -> bool {
        self.0 == "*"
    }

    fn allows(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1),
            None => self.is_any() || host == self.0,
        }
    }
}

/// The rules of one key; none of them allows every host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains(Vec<DomainRule>);

/// Rules that one key may have.
const MOST: usize = 100;
/// The longest name that the domain name system knows.
const LONGEST: usize = 253;

impl Domains {
    pub fn of(rules: Vec<DomainRule>) -> Self {
        let mut distinct: Vec<DomainRule> = Vec::with_capacity(rules.len());
        rules.into_iter().for_each(|rule| {
            if !distinct.contains(&rule) {
                distinct.push(rule);
            }
        });
        Self(distinct)
    }

    /// Reads a list; each name that is none is at fault under its place: `allowed_domains.2`.
    pub fn read(field: &Field<'_>) -> Option<Self> {
        let texts = field.matching(MOST, LONGEST, |text| DomainRule::parse(text).is_some())?;
        Some(Self::of(texts.iter().filter_map(|text| DomainRule::parse(text)).collect()))
    }

    /// As they are stored: a JSON array.
    pub fn to_json(&self) -> String {
        serde_json::Value::from(self.names()).to_string()
    }

    pub fn from_json(text: &str) -> Self {
        let names: Vec<String> = serde_json::from_str(text).unwrap_or_default();
        Self(names.into_iter().map(DomainRule).collect())
    }

    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|rule| rule.as_str().to_owned()).collect()
    }

    /// Whether pages of all these origins (or addresses of pages) may use the key. Scheme, port and path say nothing; what
    /// has no host, like `null`, is nobody's page.
    pub fn admit<'a>(&self, mut origins: impl Iterator<Item = Option<&'a str>>) -> bool {
        if self.0.is_empty() || self.0.iter().any(DomainRule::is_any) {
            return true;
        }
        origins.all(|origin| {
            let url = origin.and_then(|origin| Url::parse(origin).ok());
            let host = url.as_ref().and_then(Url::host_str);
            host.is_some_and(|host| self.0.iter().any(|rule| rule.allows(host)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_hosts_and_nothing_else() {
        for (text, stored) in [
            ("app.example.com", "app.example.com"),
            (" App.Example.COM ", "app.example.com"),
            ("*.example.com", "*.example.com"),
            ("*", "*"),
            ("localhost", "localhost"),
            ("my_shop.example", "my_shop.example"),
            ("متجر.السعودية", "xn--pgbep1f.xn--mgberp4a5d4ar"),
            ("*.Bücher.example", "*.xn--bcher-kva.example"),
            ("ｅｘａｍｐｌｅ.com", "example.com"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(DomainRule::parse(text).map(|rule| rule.0).as_deref(), Some(stored), "{text}");
        }
        for text in [
            "",
            "*.",
            "**",
            "*.*.example",
            "a.*.example",
            "*example.com",
            "https://app.example.com",
            "//app.example.com",
            "app.example.com/",
            "app.example.com/path",
            "app.example.com:443",
            "app.example.com?x",
            "app.example.com.",
            "user@app.example.com",
            "ex ample.com",
            "a..b",
            ".example.com",
            "%65xample.com",
            "exa!mple.com",
            "example.com,example.org",
            "127.1",
            "0x7f.0.0.1",
            "*.127.0.0.1",
            "[::1",
        ] {
            assert_eq!(DomainRule::parse(text), None, "{text}");
        }
    }

    #[test]
    fn origins_are_compared_by_exact_host() {
        let named = |names: &[&str]| Domains::of(names.iter().filter_map(|name| DomainRule::parse(name)).collect());
        let domains = named(&["example.com", "*.shop.example", "bücher.example", "[::1]"]);
        for (origin, allowed) in [
            ("https://example.com", true),
            ("https://EXAMPLE.com:8443", true),
            ("http://example.com/path?query#part", true),
            ("https://evil-example.com", false),
            ("https://example.com.evil.net", false),
            ("https://example.com.", false),
            ("https://example.com@evil.net", false),
            ("https://evil.net/example.com", false),
            ("https://evil.net?https://example.com", false),
            ("https://a.shop.example", true),
            ("https://a.b.shop.example", true),
            ("https://shop.example", false),
            ("https://.shop.example", false),
            ("https://eshop.example", false),
            ("https://xn--bcher-kva.example", true),
            ("https://bücher.example", true),
            ("http://[::1]:3000", true),
            ("null", false),
            ("", false),
            ("example.com", false),
            ("about:blank", false),
            ("data:text/html,example.com", false),
            ("https://", false),
        ] {
            assert_eq!(domains.admit([Some(origin)].into_iter()), allowed, "{origin}");
        }
        assert!(domains.admit(std::iter::empty()), "servers send no origin");
        assert!(!domains.admit([None].into_iter()), "what is no text has no host");
        assert!(!domains.admit([Some("https://example.com"), Some("https://evil.net")].into_iter()));
        for all in [named(&[]), named(&["example.com", "*"])] {
            assert!(all.admit([Some("https://anything.example")].into_iter()) && all.admit([Some("null")].into_iter()));
        }
    }
}
