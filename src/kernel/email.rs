//! E-mail addresses: kept as written, compared without case.

use serde::Serialize;
use skylight_db::{Cell, Column, Param, Value};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Email(String);

impl Email {
    /// A deliverable shape, not RFC 5322 in full: one `@`, a dotted or bare host, nothing that could break a mail header.
    pub fn parse(input: &str) -> Option<Self> {
        let (local, host) = input.rsplit_once('@')?;
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c));
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let host_ok = host.len() <= 253 && host.contains('.') && host.split('.').all(label_ok);
        (local_ok && host_ok && input.len() <= 254).then(|| Self(input.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness is decided on.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Param for Email {
    fn value(&self) -> Value<'_> {
        Value::Text(&self.0)
    }
}

impl Column for Email {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        String::from_cell(cell).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_cannot_be_delivered_are_refused() {
        for good in ["sara@almadar.sa", "a.b+c@x-y.example", "سارة@مثال.السعودية", "o'neil@example.com"]
        {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        for bad in
            ["", "a", "a@", "@b.c", "a@b", "a b@c.d", "a@b..c", "a\n@b.c", "a@-b.c", ".a@b.c", "a@@b.c", "<a@b.c>"]
        {
            assert!(Email::parse(bad).is_none(), "{bad}");
        }
    }
}
