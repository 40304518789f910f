//! The events that endpoints can hear of: what each means, what its payload looks like, and a sample. Schemas are those of
//! the types that the rooms record, in the real envelope, so that they cannot say anything else than what is sent.

use crate::bookings::BookingEvent;
use crate::channels::ClientChannelEvent;
use crate::contacts::{ContactCreatedEvent, ContactGoneEvent, ContactUpdatedEvent};
use crate::conversations::MessageEvent;
use crate::events::{PARTNER_EVENTS, WORKSPACE_EVENTS};
use crate::http::openapi::{example_of, overlay};
use crate::kernel::Instant;
use crate::tickets::TicketEvent;
use crate::workspaces::{ClientCreatedEvent, ClientDeletedEvent, ClientStandingEvent, ClientUpdatedEvent};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::ToSchema;

/// An event that endpoints can subscribe to.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookEvent {
    #[schema(example = "contact.created")]
    pub event: &'static str,
    #[schema(example = "A contact was created.")]
    pub description: &'static str,
    /// A JSON schema (2020-12) of the body, in the documented form.
    #[schema(example = json!({"type": "object", "required": ["event", "delivery_id", "timestamp", "data"]}))]
    pub schema: Map<String, Value>,
    /// A body as it is sent, in the documented form.
    #[schema(example = json!({
        "event": "contact.created", "delivery_id": "0c9d7f0e-1111-4222-8333-abcdefabcdef",
        "timestamp": "2026-03-04T12:00:00.000000Z", "data": {"contact": {"id": 42, "name": "Sarah Johnson"}},
    }))]
    pub sample: Map<String, Value>,
}

/// Of workspaces, in the order of the documentation.
pub static WORKSPACE: LazyLock<Vec<WebhookEvent>> =
    LazyLock::new(|| WORKSPACE_EVENTS.iter().map(|(event, description)| told(event, description, false)).collect());

/// Of partners.
pub static PARTNER: LazyLock<Vec<WebhookEvent>> =
    LazyLock::new(|| PARTNER_EVENTS.iter().map(|(event, description)| told(event, description, true)).collect());

/// The sample of an event, for the document.
pub fn sample(event: &str) -> Option<Value> {
    let known = WORKSPACE.iter().chain(PARTNER.iter()).find(|known| known.event == event);
    known.map(|known| Value::Object(known.sample.clone()))
}

/// The schema of an event's data, and what its sample shows besides.
fn data(event: &str) -> (Value, Value) {
    let nothing = json!({});
    match event {
        "contact.created" => (schema::<ContactCreatedEvent<'_>>(), nothing),
        "contact.updated" => (schema::<ContactUpdatedEvent<'_>>(), nothing),
        "contact.deleted" => (schema::<ContactGoneEvent<'_>>(), nothing),
        "message.received" => (schema::<MessageEvent<'_>>(), nothing),
        "message.sent" => {
            let outbound = json!({"direction": "outbound", "content": "Your table is booked.", "status": "sent"});
            (schema::<MessageEvent<'_>>(), json!({"message": outbound}))
        }
        "ticket.created" => (schema::<TicketEvent<'_>>(), nothing),
        "booking.created" | "booking.updated" => {
            (schema::<BookingEvent<'_>>(), json!({"booking": {"status": "confirmed"}}))
        }
        "booking.cancelled" => {
            let cancelled = json!({"status": "cancelled", "cancelled_at": "2026-03-04T10:00:00.000000Z"});
            (schema::<BookingEvent<'_>>(), json!({"booking": cancelled}))
        }
        "booking.completed" => {
            let completed = json!({"status": "completed", "completed_at": "2026-03-04T13:00:00.000000Z"});
            (schema::<BookingEvent<'_>>(), json!({"booking": completed}))
        }
        "partner.client.created" => (schema::<ClientCreatedEvent<'_>>(), nothing),
        "partner.client.updated" => (schema::<ClientUpdatedEvent<'_>>(), nothing),
        "partner.client.suspended" => {
            let suspended = json!({"status": "suspended", "suspended_at": "2026-03-04T12:00:00.000000Z"});
            (schema::<ClientStandingEvent<'_>>(), suspended)
        }
        "partner.client.reactivated" => (schema::<ClientStandingEvent<'_>>(), nothing),
        "partner.client.deleted" => (schema::<ClientDeletedEvent<'_>>(), nothing),
        _ => (schema::<ClientChannelEvent<'_>>(), nothing),
    }
}

fn told(event: &'static str, description: &'static str, of_partner: bool) -> WebhookEvent {
    let (data, shown) = data(event);
    let mut properties = json!({
        "event": {"type": "string", "enum": [event]},
        "delivery_id": {
            "type": "string", "format": "uuid", "description": "The same on every attempt.",
            "examples": ["0c9d7f0e-1111-4222-8333-abcdefabcdef"],
        },
        "timestamp": with_references(schema_of::<Instant>(), &Map::new()),
    });
    if of_partner {
        properties["partner_id"] = json!({"type": "integer", "examples": [7]});
    }
    properties["data"] = data;
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event, "description": description, "type": "object", "required": required, "properties": properties,
    });
    let mut sample = example_of(&schema, &Map::new()).unwrap_or_default();
    overlay(&mut sample, &json!({"data": shown}));
    let [schema, sample] = [schema, sample].map(|value| value.as_object().cloned().unwrap_or_default());
    WebhookEvent { event, description, schema, sample }
}

/// A type's schema with everything that it refers to inside. No event leaves out a key: what is not there is null.
fn schema<T: ToSchema>() -> Value {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let named: Map<String, Value> =
        named.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default())).collect();
    with_references(schema_of::<T>(), &named)
}

fn schema_of<T: ToSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap_or_default()
}

fn with_references(schema: Value, named: &Map<String, Value>) -> Value {
    match schema {
        Value::Object(mut fields) => {
            if let Some(Value::String(at)) = fields.get("$ref") {
                let name = at.rsplit('/').next().unwrap_or_default();
                return with_references(named.get(name).cloned().unwrap_or_default(), named);
            }
            if let Some(example) = fields.shift_remove("example") {
                fields.insert("examples".to_owned(), json!([example]));
            }
            if let Some(Value::Object(properties)) = fields.get("properties") {
                let all: Vec<&String> = properties.keys().collect();
                fields.insert("required".to_owned(), json!(all));
            }
            Value::Object(fields.into_iter().map(|(name, value)| (name, with_references(value, named))).collect())
        }
        Value::Array(items) => items.into_iter().map(|item| with_references(item, named)).collect(),
        other => other,
    }
}
