//! What a receiver gets: the documented envelope around the event's own data.

use super::store::DueRow;
use super::{Owner, PayloadVersion, flat};
use crate::events;
use bytes::Bytes;
use serde::Serialize;

/// The kind of the event that `POST /webhooks/{id}/test` sends; nobody can subscribe to it.
pub const TEST: &str = events::TEST;

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Product,
    /// As the second partner API tells its partners.
    Hub,
}

impl Dialect {
    pub fn word(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Hub => "hub",
        }
    }

    pub fn of(word: &str) -> Self {
        if word == Self::Hub.word() { Self::Hub } else { Self::Product }
    }

    /// Whether an event is one of this dialect: a partner's log has those of both.
    pub fn has(self, kind: &str) -> bool {
        events::is_of_hub(kind) == (self == Self::Hub)
    }
}

/// The body of a delivery: made of stored values only, so that every attempt sends the same bytes.
pub fn body(dialect: Dialect, owner: Owner, due: &DueRow) -> Bytes {
    Bytes::from(text(dialect, owner, due))
}

pub fn text(dialect: Dialect, owner: Owner, due: &DueRow) -> String {
    let DueRow { delivery_id, event, created_at, data, .. } = due;
    let called = format!("\"event\":\"{event}\",\"delivery_id\":\"{delivery_id}\"");
    match (dialect, owner, due.payload_version) {
        (Dialect::Hub, ..) => format!("{{\"id\":\"{delivery_id}\",\"event\":\"{event}\",\"data\":{data}}}"),
        (_, Owner::Partner(partner), _) => {
            format!("{{{called},\"timestamp\":\"{created_at}\",\"partner_id\":{},\"data\":{data}}}", partner.id())
        }
        (_, _, Some(PayloadVersion::Flat)) => {
            let data = flat::data(event, *created_at, data);
            format!("{{{called},\"timestamp\":{},\"data\":{data}}}", created_at.seconds())
        }
        (_, _, None) => events::written(&called, *created_at, data),
    }
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
    use crate::auth::{PartnerScope, WorkspaceScope};
    use crate::kernel::Instant;

    fn due(event: &str, data: &str) -> DueRow {
        DueRow {
            id: 1,
            delivery_id: "0c9d7f0e-1111-4222-8333-abcdefabcdef".into(),
            event: event.into(),
            unfinished: true,
            attempts: 0,
            tried_before: 0,
            payload_version: None,
            queued_at: Instant::from_seconds(0),
            created_at: Instant::from_seconds(1_772_625_600),
            data: data.into(),
        }
    }

    #[test]
    fn the_body_is_the_documented_envelope() {
        let due = due("contact.created", "{\"contact\":{\"name\":\"ليلى 👋\"}}");
        let expected = "{\"event\":\"contact.created\",\"delivery_id\":\"0c9d7f0e-1111-4222-8333-abcdefabcdef\",\
                        \"timestamp\":\"2026-03-04T12:00:00.000000Z\",\"data\":{\"contact\":{\"name\":\"ليلى 👋\"}}}";
        assert_eq!(body(Dialect::Product, WorkspaceScope::of_background_work(1).into(), &due), expected);
    }

    #[test]
    fn partners_are_told_who_they_are_and_the_hub_tells_less() {
        let partner = Owner::from(PartnerScope::of_background_work(7));
        let expected = "{\"event\":\"partner.client.deleted\",\"delivery_id\":\"0c9d7f0e-1111-4222-8333-abcdefabcdef\",\
                        \"timestamp\":\"2026-03-04T12:00:00.000000Z\",\"partner_id\":7,\"data\":{\"client_id\":3}}";
        assert_eq!(body(Dialect::Product, partner, &due("partner.client.deleted", "{\"client_id\":3}")), expected);
        let expected =
            "{\"id\":\"0c9d7f0e-1111-4222-8333-abcdefabcdef\",\"event\":\"client_created\",\"data\":{\"id\":\"xCL\"}}";
        assert_eq!(body(Dialect::Hub, partner, &due("client_created", "{\"id\":\"xCL\"}")), expected);
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
