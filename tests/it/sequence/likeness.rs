//! What of an answer must be equal.

use crate::world::World;
use serde_json::{Map, Value};
use skylight::http::Route;
use skylight_test_support::http::HttpResponse;
use std::collections::BTreeMap;

/// Names of values that are random, or measured, or hold an id in a form of their own. Whether there is one must be equal.
const DIFFERENT: &[&str] = &[
    "request_id",
    "key",
    "hint",
    "secret",
    "public_key",
    "asked_for",
    "payload",
    "platform_secret",
    "slug",
    "dashboard_url",
    "delivery_id",
    "webhook_url",
    "verify_token",
    "invitation_url",
    "login_url",
    "ticket_id",
    "provider_message_id",
    "duration_ms",
    "next_retry_at",
    "next_cursor",
];

/// The ids that each world has shown, by what they name.
#[derive(Default)]
pub struct Likeness {
    shown: [BTreeMap<(String, i64), usize>; 2],
    kinds: [BTreeMap<String, usize>; 2],
}

impl Likeness {
    /// An answer without what differs from one world to the other.
    pub fn of(&mut self, side: usize, world: &World, route: &Route, answer: &HttpResponse) -> String {
        let kind = answer.header("content-type").unwrap_or_default();
        let replayed = answer.header("idempotent-replayed").is_some();
        let mut body = Value::Null;
        if !answer.body.is_empty() {
            // The audit log has the host alone.
            let receiver = world.receiver.url("");
            let host = receiver.trim_end_matches('/').trim_start_matches("http://");
            let text = answer.text().replace(host, "receiver");
            body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        }
        let of = route.response.map_or_else(String::new, |response| (response.name)().into_owned());
        self.walk(side, &of, &mut body);
        format!("{} {kind} replayed={replayed} {body}", answer.status)
    }

    fn walk(&mut self, side: usize, place: &str, value: &mut Value) {
        match value {
            Value::Object(fields) => self.walk_fields(side, place, fields),
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(side, place, item)),
            _ => {}
        }
    }

    fn walk_fields(&mut self, side: usize, place: &str, fields: &mut Map<String, Value>) {
        // What an id names is said beside it, where it may be several things.
        let of_type = fields.get("type").and_then(Value::as_str).map(|word| format!(" {word}")).unwrap_or_default();
        for (name, value) in fields {
            let is_id = name == "id" || name.ends_with("_id");
            // Ids that are words are random.
            // Of addresses that are called just so, a calendar's is a secret.
            let opens = name == "url" && value.as_str().is_some_and(|url| url.contains("/calendars/"));
            let is_random = opens || DIFFERENT.contains(&name.as_str()) && (value.is_string() || value.is_number());
            if is_random || (is_id && value.is_string()) {
                *value = Value::String(format!("some {name}"));
            } else if is_id && value.is_i64() {
                // `contact_id` means the same everywhere, `id` what the object is.
                let kind = if name == "id" { &format!("{place}{of_type}") } else { name };
                *value = Value::String(self.named(side, kind, value.as_i64().unwrap_or_default()));
            } else {
                self.walk(side, &format!("{place}.{name}"), value);
            }
        }
    }

    /// An id by its turn among those of its kind.
    fn named(&mut self, side: usize, kind: &str, id: i64) -> String {
        let known = self.shown[side].get(&(kind.to_owned(), id)).copied();
        let turn = known.unwrap_or_else(|| {
            let next = self.kinds[side].entry(kind.to_owned()).or_default();
            *next += 1;
            self.shown[side].insert((kind.to_owned(), id), *next);
            *next
        });
        format!("{kind} number {turn}")
    }
}
