//! Telephone numbers, always E.164 once inside.

use super::{Country, text};
use serde::Serialize;
use skylight_db::{Cell, Column, Param, Value};
use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Phone(String);

impl Phone {
    /// Reads a number as people write it: spaces, dashes, brackets, Arabic-Indic digits and a leading `00` are
    /// understood; a national number needs the workspace's country.
    pub fn parse(input: &str, country: Option<Country>) -> Option<Self> {
        let dialled = dialled(input)?;
        let international = match dialled.strip_prefix("00") {
            Some(rest) => format!("+{rest}"),
            None => dialled,
        };
        let parsed = if international.starts_with('+') {
            phonelib::PhoneNumber::parse(&international)
        } else {
            country.and_then(|c| phonelib::PhoneNumber::parse_with_country(&international, c.code()))
        };
        parsed.map(|number| Self(number.e164().to_owned())).filter(Self::is_e164)
    }

    /// The digits a provider gives, without `+`: WhatsApp's `wa_id`.
    pub fn from_provider_digits(digits: &str) -> Option<Self> {
        let phone = Self(format!("+{digits}"));
        phone.is_e164().then_some(phone)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the `+`.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    fn is_e164(&self) -> bool {
        let digits = self.digits();
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    }
}

/// Leaves out the `(0)` that some write behind a country's code: it is dialled inside of the country only.
pub fn without_trunk_zero(text: &str) -> Cow<'_, str> {
    let zero = ["(0)", "(٠)", "(۰)"].into_iter().find_map(|zero| Some((text.find(zero)?, zero.len())));
    match zero.map(|(at, length)| (&text[..at], &text[at + length..])) {
        Some((code, rest)) if code.contains(char::is_numeric) => format!("{code}{rest}").into(),
        _ => text.into(),
    }
}

/// Digits with an optional leading `+`; nothing if anything else than separators stands between them.
fn dialled(input: &str) -> Option<String> {
    let mut dialled = String::with_capacity(input.len());
    for c in without_trunk_zero(input).trim().chars() {
        match c {
            '0'..='9' => dialled.push(c),
            '+' | '\u{FF0B}' if dialled.is_empty() => dialled.push('+'),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{00A0}' | '\u{2010}'..='\u{2014}' => {}
            c if text::is_invisible(c) => {}
            c => dialled.push(text::digit(c)?),
        }
    }
    (dialled.len() <= 24).then_some(dialled)
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Param for Phone {
    fn value(&self) -> Value<'_> {
        Value::Text(&self.0)
    }
}

impl Column for Phone {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        String::from_cell(cell).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let saudi = Country::find(194);
        for (input, expected) in [
            ("+966 50 123 4567", "+966501234567"),
            ("00966501234567", "+966501234567"),
            ("0501234567", "+966501234567"),
            ("٠٥٠١٢٣٤٥٦٧", "+966501234567"),
            ("+٩٦٦٥٠١٢٣٤٥٦٧", "+966501234567"),
            ("\u{202A}+966501234567\u{202C}", "+966501234567"),
            ("+1 (415) 555-1234", "+14155551234"),
            ("+44 (0)20 7946 0958", "+442079460958"),
            ("0044 (0) 20 7946 0958", "+442079460958"),
            ("+٤٤ (٠)٢٠ ٧٩٤٦ ٠٩٥٨", "+442079460958"),
            ("(0)50 123 4567", "+966501234567"),
        ] {
            assert_eq!(Phone::parse(input, saudi).map(|p| p.to_string()).as_deref(), Some(expected), "{input}");
        }
        for bad in ["", "12", "hello", "+", "+0501234567", "+966 50x123", "++966501234567", "9999999999999999999999999"]
        {
            assert!(Phone::parse(bad, saudi).is_none(), "{bad}");
        }
        assert!(Phone::parse("0501234567", None).is_none(), "a national number needs a country");
    }
}
