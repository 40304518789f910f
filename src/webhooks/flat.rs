//! The flat form of an event's data (`payload_version` `2026-04`): the fields of the thing it concerns stand at the top,
//! some under other names, and other things are named by their ids. It is made of the stored data alone.

use crate::kernel::Instant;
use serde_json::{Map, Value, json};

/// Keys that the documentation of this form names, in its order, of the things whose fields have other names there.
const CONTACT: &[&str] = &[
    "id",
    "name",
    "email",
    "phone",
    "type",
    "status",
    "is_blacklist",
    "source",
    "company",
    "address",
    "country_id",
    "created_at",
    "updated_at",
];
const GONE: &[&str] = &["id", "name", "phone", "email", "type", "deleted_at"];
const MESSAGE: &[&str] = &[
    "id",
    "contact_id",
    "value",
    "message_type",
    "message_by",
    "status",
    "source",
    "header_image",
    "header_video",
    "header_document",
    "header_audio",
    "campaign_id",
    "created_at",
];

/// The data as they are sent. What is no object is sent as it is.
pub fn data(event: &str, at: Instant, stored: &str) -> String {
    let Ok(Value::Object(stored)) = serde_json::from_str(stored) else { return stored.to_owned() };
    let kind = event.split('.').next().unwrap_or_default();
    let flat = spread(kind, stored);
    let flat = match event {
        "contact.deleted" => in_order(GONE, flat),
        _ if kind == "contact" => in_order(CONTACT, contact(flat)),
        _ if kind == "message" => in_order(MESSAGE, message(flat, at)),
        _ => flat,
    };
    Value::Object(flat).to_string()
}

/// The fields of the thing itself at the top; of others the id, unless there is a field of this name.
fn spread(kind: &str, mut stored: Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Object(mut flat)) = stored.shift_remove(kind) else { return stored };
    for (name, value) in stored {
        let (name, value) = match value {
            Value::Object(other) => (format!("{name}_id"), other.get("id").cloned().unwrap_or_default()),
            value => (name, value),
        };
        flat.entry(name).or_insert(value);
    }
    flat
}

fn contact(mut flat: Map<String, Value>) -> Map<String, Value> {
    rename(&mut flat, "blacklisted", "is_blacklist");
    // One that was just made was never changed.
    if let Some(created_at) = flat.get("created_at").cloned() {
        flat.entry("updated_at").or_insert(created_at);
    }
    flat
}

fn message(mut flat: Map<String, Value>, at: Instant) -> Map<String, Value> {
    let from_contact = flat.shift_remove("direction").is_none_or(|direction| direction == "inbound");
    rename(&mut flat, "content", "value");
    rename(&mut flat, "channel", "source");
    rename(&mut flat, "kind", "message_type");
    flat.entry("message_type").or_insert(json!("text"));
    flat.insert("message_by".to_owned(), json!(if from_contact { "contact" } else { "user" }));
    flat.entry("created_at").or_insert(json!(at));
    flat
}

fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.shift_remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

/// The named keys first, null where nothing is known; then what else there is.
fn in_order(keys: &[&str], mut fields: Map<String, Value>) -> Map<String, Value> {
    let mut ordered = Map::new();
    for key in keys {
        ordered.insert((*key).to_owned(), fields.shift_remove(*key).unwrap_or_default());
    }
    ordered.extend(fields);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(event: &str, stored: Value) -> String {
        data(event, Instant::from_seconds(1_772_625_600), &stored.to_string())
    }

    #[test]
    fn contacts_stand_at_the_top_under_the_names_of_this_form() {
        let stored = json!({"contact": {
            "id": 42, "name": "ليلى 👋", "email": null, "phone": "+966501234567", "type": "whatsapp", "status": "active",
            "blacklisted": false, "tags": ["vip"], "created_at": "2026-03-04T12:00:00.000000Z",
        }});
        assert_eq!(
            flat("contact.created", stored),
            "{\"id\":42,\"name\":\"ليلى 👋\",\"email\":null,\"phone\":\"+966501234567\",\"type\":\"whatsapp\",\
             \"status\":\"active\",\"is_blacklist\":false,\"source\":null,\"company\":null,\"address\":null,\
             \"country_id\":null,\"created_at\":\"2026-03-04T12:00:00.000000Z\",\
             \"updated_at\":\"2026-03-04T12:00:00.000000Z\",\"tags\":[\"vip\"]}"
        );
        let gone = json!({"contact": {"id": 42, "name": "Sarah", "deleted_at": "2026-03-04T12:00:00.000000Z"}});
        assert_eq!(
            flat("contact.deleted", gone),
            "{\"id\":42,\"name\":\"Sarah\",\"phone\":null,\"email\":null,\"type\":null,\
             \"deleted_at\":\"2026-03-04T12:00:00.000000Z\"}"
        );
    }

    #[test]
    fn messages_name_their_contact_by_its_id() {
        let stored = json!({
            "message": {
                "id": 9001, "direction": "inbound", "channel": "whatsapp", "content": "مرحبا", "status": "received",
                "sent_at": "2026-03-04T12:00:00.000000Z",
            },
            "contact": {"id": 42, "name": "Sarah", "phone": null, "type": "whatsapp"},
        });
        assert_eq!(
            flat("message.received", stored),
            "{\"id\":9001,\"contact_id\":42,\"value\":\"مرحبا\",\"message_type\":\"text\",\"message_by\":\"contact\",\
             \"status\":\"received\",\"source\":\"whatsapp\",\"header_image\":null,\"header_video\":null,\
             \"header_document\":null,\"header_audio\":null,\"campaign_id\":null,\
             \"created_at\":\"2026-03-04T12:00:00.000000Z\",\"sent_at\":\"2026-03-04T12:00:00.000000Z\"}"
        );
    }

    #[test]
    fn everything_else_is_its_own_fields() {
        assert_eq!(
            flat("ticket.created", json!({"ticket": {"id": 31, "subject": "Invoice"}})),
            "{\"id\":31,\"subject\":\"Invoice\"}"
        );
        let test = json!({"webhook": {"id": 19, "name": "CRM"}, "message": "This is a test event."});
        assert_eq!(flat("webhook.test", test), "{\"id\":19,\"name\":\"CRM\",\"message\":\"This is a test event.\"}");
        assert_eq!(data("contact.created", Instant::from_seconds(0), "[1]"), "[1]");
    }
}
