//! Calendars as a parser that others wrote reads them, and the form that their bytes must have.

use ical::parser::ical::component::{IcalCalendar, IcalEvent};
use ical::property::Property;
use serde_json::Value;
use skylight_test_support::http::HttpResponse;
use std::collections::BTreeSet;

/// The one calendar of an answer, as somebody else's parser reads it, once its bytes are in the form of RFC 5545.
pub fn parsed(answer: &HttpResponse) -> IcalCalendar {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/calendar; charset=utf-8")),
        "{answer:?}"
    );
    let whole = answer.body.strip_suffix(b"\r\n").expect("the last line ends, too");
    let text = std::str::from_utf8(whole).unwrap();
    for line in text.split("\r\n") {
        assert!(!line.is_empty() && line.len() <= 75, "{} octets: {line:?}", line.len());
        assert!(line.chars().all(|c| c == '\t' || !c.is_control()), "{line:?}");
        assert!(line.trim_end() == line || line.len() > 60, "who trims lines loses nothing: {line:?}");
    }
    let mut calendars: Vec<_> = ical::IcalParser::new(&*answer.body).collect();
    assert_eq!(calendars.len(), 1);
    let calendar = calendars.remove(0).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut uids = BTreeSet::new();
    assert!(calendar.events.iter().all(|event| uids.insert(value(event, "UID"))), "each has an id of its own");
    let others = [calendar.alarms.len(), calendar.todos.len(), calendar.journals.len(), calendar.timezones.len()];
    assert_eq!(others, [0; 4]);
    calendar
}

pub fn value(event: &IcalEvent, name: &str) -> String {
    one(&event.properties, name)
}

pub fn said_by(calendar: &IcalCalendar, name: &str) -> String {
    one(&calendar.properties, name)
}

fn one(properties: &[Property], name: &str) -> String {
    let named: Vec<_> = properties.iter().filter(|property| property.name == name).collect();
    assert_eq!(named.len(), 1, "{name} in {properties:?}");
    text(named[0])
}

/// A value as text: the parser leaves escapes as they are.
pub fn text(property: &Property) -> String {
    let mut read = String::new();
    let mut characters = property.value.as_deref().unwrap_or_default().chars();
    while let Some(c) = characters.next() {
        match (c, if c == '\\' { characters.next() } else { None }) {
            ('\\', Some('n' | 'N')) => read.push('\n'),
            ('\\', Some(escaped @ ('\\' | ';' | ','))) => read.push(escaped),
            ('\\', other) => panic!("\\{other:?} is no escape: {property:?}"),
            (',' | ';', _)
                if matches!(property.name.as_str(), "SUMMARY" | "DESCRIPTION" | "LOCATION" | "CATEGORIES" | "NAME") =>
            {
                panic!("not escaped: {property:?}")
            }
            _ => read.push(c),
        }
    }
    read
}

/// What a text becomes in a calendar: all that ends lines is one line break, and other control characters are gone.
pub fn as_shown(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let breaks = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    text.replace(breaks, "\n").chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

/// `2026-03-04T12:00:00.000000Z` as calendars write it.
pub fn compact(instant: &Value) -> String {
    let text = instant.as_str().unwrap();
    format!("{}Z", text[..19].replace(['-', ':'], ""))
}

pub fn tag(answer: &HttpResponse) -> String {
    let tag = answer.header("etag").unwrap_or_else(|| panic!("no ETag: {answer:?}"));
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34, "{tag}");
    tag.to_owned()
}
