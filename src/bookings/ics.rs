//! Text in the form of iCalendar (RFC 5545): content lines that end with CRLF, folded at 75 octets, text escaped.
//!
//! Of our own, because the crate that writes calendars brings a second library of time with it, leaves the values of properties
//! that it does not know as they are (a line break in a calendar's name would begin another property), and lets control
//! characters through.

use super::hours;
use crate::kernel::Instant;

/// Octets of a line, without its end.
const WIDTH: usize = 75;
/// How far back a better place to fold is looked for.
const LOOK_BACK: usize = 20;

/// Content lines, one after the other.
#[derive(Debug, Default)]
pub struct Lines(String);

impl Lines {
    pub fn with_capacity(octets: usize) -> Self {
        Self(String::with_capacity(octets))
    }

    /// A value of our own, in its form already.
    pub fn line(&mut self, name: &str, value: &str) {
        self.fold(&[name, ":", value].concat());
    }

    /// Text that somebody wrote, whatever is in it.
    pub fn text(&mut self, name: &str, text: &str) {
        self.line(name, &escaped(text));
    }

    /// A moment, to the second, in UTC: so that nobody needs to know of our time zones.
    pub fn instant(&mut self, name: &str, at: Instant) {
        self.line(name, &hours::timestamp(at).strftime("%Y%m%dT%H%M%SZ").to_string());
    }

    pub fn finish(self) -> String {
        self.0
    }

    fn fold(&mut self, line: &str) {
        let (mut rest, mut width) = (line, WIDTH);
        while rest.len() > width {
            let (part, behind) = rest.split_at(cut(rest, width));
            self.0.push_str(part);
            self.0.push_str("\r\n ");
            // The space that begins the next line counts.
            (rest, width) = (behind, WIDTH - 1);
        }
        self.0.push_str(rest);
        self.0.push_str("\r\n");
    }
}

/// Where a line that is too long ends: between two characters, and if it can be helped not inside an escape, not behind a space
/// and not before one, because some readers trim lines.
fn cut(text: &str, width: usize) -> usize {
    let last = text.floor_char_boundary(width);
    let places = || (last - LOOK_BACK..=last).rev().filter(|at| text.is_char_boundary(*at));
    let ends_well = |at: &usize| !text[..*at].ends_with([' ', '\t', '\\']);
    let is_good = |at: &usize| ends_well(at) && !text[*at..].starts_with([' ', '\t']);
    places().find(is_good).or_else(|| places().find(ends_well)).unwrap_or(last)
}

/// Whatever ends a line for somebody is a line break of the text; other control characters are left out.
fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' | ';' | ',' => written.extend(['\\', c]),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => written.push_str("\\n"),
            '\t' => written.push(c),
            c if c.is_control() => {}
            c => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut lines = Lines::default();
        lines.text("SUMMARY", text);
        lines.finish()
    }

    #[test]
    fn what_means_something_is_escaped_and_what_ends_lines_begins_none() {
        assert_eq!(written("a, b; c\\d: \"e\""), "SUMMARY:a\\, b\\; c\\\\d: \"e\"\r\n");
        for end in ["\n", "\r\n", "\r", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"] {
            assert_eq!(written(&format!("a{end}END:VEVENT")), "SUMMARY:a\\nEND:VEVENT\r\n", "{end:?}");
        }
        assert_eq!(written("\0a\u{1b}\tb\u{7f}\u{9b}"), "SUMMARY:a\tb\r\n");
        assert_eq!(written("a\r\r\n\nb"), "SUMMARY:a\\n\\n\\nb\r\n");
    }

    #[test]
    fn moments_are_utc() {
        let mut lines = Lines::default();
        lines.instant("DTSTART", Instant::from_micros(1_772_625_600_999_999));
        assert_eq!(lines.finish(), "DTSTART:20260304T120000Z\r\n");
    }

    #[test]
    fn lines_are_folded_between_characters_and_unfold_to_what_they_were() {
        let texts = ["", "x", "سارة الأحمد – ", "👩🏽‍💻", "\\\\", " ", "a b", ",", "é\u{301} ", "\t"];
        for text in texts {
            for times in 0..120 {
                for before in ["", "a", "ab", "abc"] {
                    let whole = format!("{before}{}", text.repeat(times));
                    let folded = written(&whole);
                    let lines: Vec<&str> = folded.strip_suffix("\r\n").unwrap().split("\r\n").collect();
                    assert!(lines.iter().all(|line| line.len() <= WIDTH), "{folded}");
                    assert!(lines.iter().skip(1).all(|line| line.len() > 1 && line.starts_with(' ')), "{folded}");
                    assert_eq!(folded.replace("\r\n ", ""), format!("SUMMARY:{}\r\n", escaped(&whole)));
                }
            }
        }
    }

    #[test]
    fn lines_are_not_folded_beside_spaces_or_inside_escapes() {
        let folded = written(&"ab, cde ".repeat(60));
        for line in folded.split("\r\n ").skip(1) {
            assert!(!line.starts_with(' ') && !line.starts_with(','), "{folded}");
        }
        assert!(!folded.contains(" \r\n ") && !folded.contains("\\\r\n "), "{folded}");
        let only_spaces = written(&" ".repeat(400));
        assert!(only_spaces.lines().all(|line| line.len() <= WIDTH), "what has no better place is folded all the same");
    }
}
