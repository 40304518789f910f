//! The documented examples of contacts and the account, pasted as they stand: only the host and the key are changed. Every
//! answer has every key of the documented one, with the same types and the same sentences. (Those of the partner API stand
//! in `partners.rs`.)

use crate::on_both_engines;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight_test_support::wait::until;
use std::collections::BTreeMap;
use std::process::Stdio;
use tokio::process::Command;

on_both_engines! {
    async fn the_examples_of_contacts_are_answered_as_documented(world: World) {
        let (_, nakheel) = world.partner("rawabi").await.client("Nakheel Trading", "business").await;
        let channel = nakheel.sandbox().await;
        // The documented contact is number 42.
        for number in 1..42 {
            nakheel.contact(&format!("Customer {number}"), &format!("+9665000000{number:02}")).await;
        }
        let examples = Examples::of(include_str!("data/examples/contacts.txt"));
        examples.hold(&nakheel, "Create a contact: request body").await;
        // Segment 3 and list 5 are numbered together.
        for (number, kind) in (1..).zip(["segments", "segments", "segments", "lists", "lists"]) {
            let body = json!({"name": format!("Group {number}")});
            let made = nakheel.post(&format!("/api/v1/contacts/{kind}"), body).await.expect(201);
            assert_eq!(made["data"]["id"], number, "{kind}");
        }
        has_written(&nakheel, channel, "+14155551234", 42).await;
        for name in [
            "The Contact object", "List contacts", "Get a contact", "Update a contact", "Blacklist a contact", "Add a note",
            "List notes", "Add to a list", "Add to a segment", "Delete a contact", "Create a contact",
        ] {
            examples.hold(&nakheel, name).await;
        }
        assert_eq!(examples.0.len(), 12, "every example is held");
    }

    async fn the_examples_of_the_account_are_answered_as_documented(world: World) {
        let (client, nakheel) = nakheel(&world).await;
        let examples = Examples::of(include_str!("data/examples/account.txt"));
        let changed = examples.hold(&nakheel, "Update account profile").await;
        assert_eq!(changed, examples.0["Update account profile"].answer, "to the letter");
        let before = json!({"company_name": "Nakheel Trading", "address": "طريق الملك عبدالله، الرياض", "timezone": "Asia/Riyadh"});
        nakheel.patch("/api/v1/account", before).await.expect(200);
        let profile = examples.hold(&nakheel, "Get account profile").await;
        let documented = &examples.0["Get account profile"].answer["data"];
        for key in ["company_name", "address", "timezone", "country", "status"] {
            assert_eq!(profile["data"][key], documented[key], "{key}");
        }
        assert_eq!(profile["data"]["id"], client["id"]);
        assert!(profile["data"]["created_at"].as_str().unwrap().ends_with("+03:00"), "{profile}");
        assert!(!profile.to_string().contains(nakheel.key()), "the key is never in it");
        examples.hold(&nakheel, "Get subscription details").await;

        let channels = examples.hold(&nakheel, "Get connected channels").await;
        let shown = |channel: &Value| ["type", "name", "username", "is_connected", "status"].map(|key| channel[key].clone());
        let shown = |answer: &Value| answer["data"].as_array().unwrap().iter().map(shown).collect::<Vec<_>>();
        assert_eq!(shown(&channels), shown(&examples.0["Get connected channels"].answer), "to the letter");
        assert_eq!(examples.0.len(), 4, "every example is held");
    }
}

/// The documented workspace, with its channels.
async fn nakheel(world: &World) -> (Value, Actor) {
    let rawabi = world.partner("rawabi").await;
    let admin =
        json!({"first_name": "Ahmad", "last_name": "Ali", "email": "ahmad@nakheel.sa", "phone": "+966501234567"});
    let body = json!({"company_name": "Nakheel Trading", "plan": "business", "admin": admin, "timezone": "Asia/Riyadh", "country_id": 194});
    let client = rawabi.post("/api/v1/partner/clients", body).await.expect(201)["data"].clone();
    let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
    let issued = rawabi.post(&keys, json!({})).await.expect(201);
    let nakheel = rawabi.with_key("X-Api-Key", issued["data"]["key"].as_str().unwrap());
    world.meta.add_number("208800000001", "330011223344", "+966512345678", "دعم نخيل", "EAAG-token", "app-secret");
    let whatsapp = json!({"phone_number_id": "208800000001", "access_token": "EAAG-token", "app_secret": "app-secret"});
    let bot = "8001:AAE_test-token-of-the-harbour-bot";
    world.telegram.add_bot(bot, "NakheelSupport");
    for body in [
        json!({"type": "whatsapp", "name": "دعم نخيل", "credentials": whatsapp}),
        json!({"type": "telegram", "name": "بوت نخيل", "credentials": {"bot_token": bot}}),
    ] {
        nakheel.post("/api/v1/channels", body).await.expect(201);
    }
    (client, nakheel)
}

/// A message from this number has been worked in.
async fn has_written(workspace: &Actor, channel: i64, from: &str, contact: i64) {
    let message = json!({"from": from, "name": "Sarah Johnson", "content": "Is the blue one back in stock?"});
    workspace.post(&format!("/api/v1/channels/{channel}/simulate"), message).await.expect(201);
    until("the contact has written", async || {
        let contact = workspace.get(&format!("/api/v1/contacts/{contact}")).await.expect(200);
        if contact["data"]["last_message_at"].is_string() { Ok(()) } else { Err(contact.to_string()) }
    })
    .await;
}

/// A request as documented, and what is documented to come back.
struct Example {
    request: String,
    status: u16,
    /// Null if there is no body.
    answer: Value,
}

/// The examples of one page, by name.
struct Examples(BTreeMap<String, Example>);

impl Examples {
    fn of(page: &str) -> Self {
        let read = |text: &str| {
            let (name, rest) = text.split_once('\n').unwrap();
            let (request, rest) = rest.split_once("\n--- ").unwrap_or_else(|| panic!("{name} has no answer"));
            let (status, answer) = rest.split_once('\n').unwrap_or((rest, ""));
            let answer = if answer.trim().is_empty() { Value::Null } else { serde_json::from_str(answer).unwrap() };
            (name.to_owned(), Example { request: request.to_owned(), status: status.trim().parse().unwrap(), answer })
        };
        Self(page.split("\n=== ").skip(1).map(read).collect())
    }

    /// Sends an example and holds the answer to it.
    async fn hold(&self, workspace: &Actor, name: &str) -> Value {
        let example = self.0.get(name).unwrap_or_else(|| panic!("no example {name}"));
        let (status, body) = example.send(workspace).await;
        assert_eq!(status, example.status, "{name}: {body}");
        let answer = if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() };
        let mut faults = Vec::new();
        compare(&example.answer, &answer, "answer", &mut faults);
        assert!(faults.is_empty(), "{name}: {}\n{body}", faults.join(", "));
        answer
    }
}

impl Example {
    /// A shell runs what is documented as a command; what is documented as a path and a body is sent as such.
    async fn send(&self, workspace: &Actor) -> (u16, String) {
        if !self.request.starts_with("curl ") {
            let (line, body) = self.request.split_once('\n').unwrap_or((&self.request, ""));
            let (method, path) = line.split_once(' ').unwrap();
            let body = (!body.trim().is_empty()).then(|| serde_json::from_str(body).unwrap());
            let answer = workspace.call(method, path, body).await;
            return (answer.status, answer.text());
        }
        let command = self.request.replace("https://dashboard.skylightchat.com", &workspace.base);
        let command = command.replace("sk_live_••••••••••••", workspace.key()).replace("YOUR_API_KEY", workspace.key());
        let script = format!("curl() {{ command curl -sS -w '\\n%{{http_code}}' \"$@\"; }}\n{command}");
        let output = Command::new("bash").args(["-eu", "-c", &script]).stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let (body, status) = said.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

/// Where an answer is not like the documented one: a key that is missing, another type, another sentence, a moment in
/// another form. Items of a list are held to the documented item in their place, or to the last one.
fn compare(documented: &Value, answer: &Value, place: &str, faults: &mut Vec<String>) {
    match (documented, answer) {
        (Value::Object(keys), Value::Object(answer)) => {
            for (key, documented) in keys {
                let place = format!("{place}.{key}");
                match answer.get(key) {
                    None => faults.push(format!("{place} is missing")),
                    Some(value) if matches!(key.as_str(), "message" | "success") && value != documented => {
                        faults.push(format!("{place} is {value}, documented as {documented}"));
                    }
                    Some(value) => compare(documented, value, &place, faults),
                }
            }
        }
        (Value::Array(documented), Value::Array(items)) => {
            if !documented.is_empty() && items.is_empty() {
                faults.push(format!("{place} is empty"));
            }
            for (at, item) in items.iter().enumerate() {
                if let Some(documented) = documented.get(at).or(documented.last()) {
                    compare(documented, item, &format!("{place}[{at}]"), faults);
                }
            }
        }
        (Value::String(documented), Value::String(text)) if is_moment(documented) => {
            if form(documented) != form(text) {
                faults.push(format!("{place} is {text}, documented like {documented}"));
            }
        }
        _ if kind(documented) == kind(answer) => {}
        _ => faults.push(format!("{place} is {answer}, documented like {documented}")),
    }
}

fn is_moment(text: &str) -> bool {
    form(text).starts_with("0000-00-00T00:00:00")
}

/// A moment without what differs from one to the next.
fn form(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn the_comparison_sees_what_is_missing_and_what_is_other() {
    let documented = json!({"success": true, "message": "Done.", "data": {"id": 1, "tags": ["a"], "at": "2026-03-04T12:00:00.000000Z", "gone": null}});
    let with = |path: &str, value: Value| {
        let mut answer = documented.clone();
        *answer.pointer_mut(path).unwrap() = value;
        let mut faults = Vec::new();
        compare(&documented, &answer, "answer", &mut faults);
        faults.len()
    };
    assert_eq!(with("/data/id", json!(7)) + with("/data/tags", json!(["x", "y"])), 0);
    for (path, wrong) in [
        ("/data", json!({"id": 1, "tags": ["a"], "at": "2026-03-04T12:00:00.000000Z"})),
        ("/message", json!("Done!")),
        ("/data/id", json!("1")),
        ("/data/id", json!(1.5)),
        ("/data/tags", json!([])),
        ("/data/tags", json!([1])),
        ("/data/at", json!("2026-03-04T12:00:00Z")),
        ("/data/gone", json!("")),
    ] {
        assert_eq!(with(path, wrong.clone()), 1, "{path} = {wrong}");
    }
}
