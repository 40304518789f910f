//! What a receiver gets: the documented envelope around the event's own data.

use super::store::DueRow;
use crate::events;
use bytes::Bytes;
use serde::Serialize;

/// The kind of the event that `POST /webhooks/{id}/test` sends; nobody can subscribe to it.
pub const TEST: &str = events::TEST;

/// The body of a delivery: made of stored values only, so that every attempt sends the same bytes.
pub fn body(due: &DueRow) -> Bytes {
    let called = format!("\"event\":\"{}\",\"delivery_id\":\"{}\"", due.event, due.delivery_id);
    Bytes::from(events::written(&called, due.created_at, &due.data))
}

/// The data of a test event.
#[derive(Debug, Serialize)]
pub struct TestData<'a> {
    pub webhook: TestedWebhook<'a>,
    pub message: &'static str,
}

#[derive(Debug, Serialize)]
pub struct TestedWebhook<'a> {
    pub id: i64,
    pub name: &'a str,
}

impl<'a> TestData<'a> {
    pub fn of(id: i64, name: &'a str) -> Self {
        Self { webhook: TestedWebhook { id, name }, message: "This is a test event." }
    }
}

/// The longest part of an answer that is kept.
const KEPT: usize = 1024;

/// The beginning of an answer as text that both databases can store.
pub fn excerpt(answer: &[u8]) -> String {
    let cut = answer.len() > KEPT;
    let mut text = String::new();
    let mut chunks = answer[..answer.len().min(KEPT)].utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.extend(chunk.valid().chars().filter(|c| *c != '\0'));
        // A character that the cut went through is left out; other bytes that are no text are marked.
        let cut_here = cut && chunks.peek().is_none();
        if !chunk.invalid().is_empty() && !cut_here {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text.truncate(text.floor_char_boundary(KEPT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Instant;

    #[test]
    fn the_body_is_the_documented_envelope() {
        let due = DueRow {
            id: 1,
            delivery_id: "0c9d7f0e-1111-4222-8333-abcdefabcdef".into(),
            event: "contact.created".into(),
            unfinished: true,
            attempts: 0,
            queued_at: Instant::from_seconds(0),
            created_at: Instant::from_seconds(1_772_625_600),
            data: "{\"contact\":{\"name\":\"ليلى 👋\"}}".into(),
        };
        let expected = "{\"event\":\"contact.created\",\"delivery_id\":\"0c9d7f0e-1111-4222-8333-abcdefabcdef\",\
                        \"timestamp\":\"2026-03-04T12:00:00.000000Z\",\"data\":{\"contact\":{\"name\":\"ليلى 👋\"}}}";
        assert_eq!(body(&due), expected);
    }

    #[test]
    fn answers_are_cut_to_text() {
        assert_eq!(excerpt(b"ok"), "ok");
        assert_eq!(excerpt(b"a\0b\xffc"), "ab\u{FFFD}c");
        assert_eq!(excerpt(&[b'x'; 5000]).len(), 1024);
        let arabic = "م".repeat(600);
        assert_eq!(excerpt(arabic.as_bytes()).chars().count(), 512);
        assert_eq!(excerpt(format!("x{arabic}").as_bytes()), format!("x{}", "م".repeat(511)));
        assert!(excerpt(&[0xff; 5000]).len() <= 1024);
        assert_eq!(excerpt(b"abc\xd9"), "abc\u{FFFD}");
    }
}
