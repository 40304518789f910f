//! Signed inbound POSTs as Meta makes them: batches of entries, changes, messages and statuses, with everything
//! beyond ASCII escaped as `\uXXXX` before signing.

use std::fmt::Write;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    fresh,
    http::{HttpClient, HttpResponse, RequestBuilder},
    meta::MetaSend,
};

pub const SIGNATURE: &str = "x-hub-signature-256";

/// `sha256=` and the hex HMAC-SHA256 of the bytes, keyed with the text of the secret.
pub fn sign(secret: &str, bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(bytes);
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").expect("a string takes text");
    }
    text
}

/// The GET verification challenge. An error when nobody answers.
pub async fn challenge(
    client: &HttpClient,
    url: &str,
    verify_token: &str,
    challenge: &str,
) -> Result<HttpResponse, String> {
    let request = client.get(url).query("hub.mode", "subscribe");
    request.query("hub.verify_token", verify_token).query("hub.challenge", challenge).try_send().await
}

/// A body under construction. Each call adds to the newest change; `entry` and `change` begin new ones.
#[derive(Clone, Debug)]
pub struct MetaWebhook {
    entries: Vec<Value>,
    newest: &'static str,
    waba: String,
}

impl Default for MetaWebhook {
    fn default() -> Self {
        Self::new()
    }
}

impl MetaWebhook {
    pub fn new() -> Self {
        Self { entries: Vec::new(), newest: "messages", waba: "330011223344".to_owned() }
    }

    /// Begins an entry of this WhatsApp Business Account.
    pub fn entry(mut self, waba_id: &str) -> Self {
        waba_id.clone_into(&mut self.waba);
        self.entries.push(json!({"id": waba_id, "changes": []}));
        self
    }

    /// Begins a change of field `messages` for this number, in the newest entry.
    pub fn change(self, phone_number_id: &str, display: &str) -> Self {
        let display: String = display.chars().filter(char::is_ascii_digit).collect();
        let metadata = json!({"display_phone_number": display, "phone_number_id": phone_number_id});
        self.field("messages", json!({"messaging_product": "whatsapp", "metadata": metadata}))
    }

    /// Begins a change of any field with any value, for example `account_update`.
    pub fn field(mut self, field: &str, value: Value) -> Self {
        if self.entries.is_empty() {
            let waba = self.waba.clone();
            self = self.entry(&waba);
        }
        let change = json!({"field": field, "value": value});
        let last = self.entries.len() - 1;
        list(&mut self.entries[last]["changes"]).push(change);
        self
    }

    /// A text message and, once per sender and change, the contact with the profile name.
    pub fn text(self, from: &str, name: &str, body: &str) -> Self {
        self.contact(from, name).message(from, "text", json!({"body": body}))
    }

    /// A contact with a profile name, unless the change has one with this `wa_id`.
    pub fn contact(self, wa_id: &str, name: &str) -> Self {
        self.raw_contact(json!({"wa_id": wa_id, "profile": {"name": name}}))
    }

    /// A contact as it stands, unless the change has one with the same `wa_id`.
    pub fn raw_contact(mut self, contact: Value) -> Self {
        let contacts = list(&mut self.value()["contacts"]);
        if contact["wa_id"].is_null() || contacts.iter().all(|known| known["wa_id"] != contact["wa_id"]) {
            contacts.push(contact);
        }
        self
    }

    /// A message of any type, without a contact: `message("4477…", "image", json!({"id": "1"}))`.
    pub fn message(self, from: &str, kind: &str, content: Value) -> Self {
        let id = format!("wamid.{}", fresh::unique("IN"));
        let mut message = json!({"from": from, "id": id, "timestamp": fresh::unix_now().to_string(), "type": kind});
        message[kind] = content;
        self.raw_message(message)
    }

    /// A message as it stands.
    pub fn raw_message(mut self, message: Value) -> Self {
        list(&mut self.value()["messages"]).push(message);
        self.newest = "messages";
        self
    }

    /// What Meta sends for things the API cannot carry.
    pub fn unsupported(self, from: &str) -> Self {
        let error = json!({"code": 131_051, "title": "Message type unknown", "message": "Message type unknown",
            "error_data": {"details": "Message type is currently not supported."}});
        self.message(from, "unsupported", json!({"type": "poll"})).edit(|message| message["errors"] = json!([error]))
    }

    /// A message of a type nobody has heard of.
    pub fn unknown_type(self, from: &str) -> Self {
        self.message(from, "hologram", json!({"depth": 3, "frames": [1, 2, 3]}))
    }

    /// A delivery status: `sent`, `delivered`, `read`, or anything else.
    pub fn status(self, wamid: &str, status: &str, recipient: &str) -> Self {
        let now = fresh::unix_now().to_string();
        self.raw_status(json!({"id": wamid, "status": status, "timestamp": now, "recipient_id": recipient}))
    }

    /// A `failed` status with its error.
    pub fn failed(self, wamid: &str, recipient: &str, code: i64, details: &str) -> Self {
        let title = super::meta_errors::title(code);
        let error = json!({"code": code, "title": title, "message": title, "error_data": {"details": details},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"});
        self.status(wamid, "failed", recipient).edit(|status| status["errors"] = json!([error]))
    }

    /// The status of a message that the stand-in accepted, with its callback data when it had any.
    #[track_caller]
    pub fn status_of(self, send: &MetaSend, status: &str) -> Self {
        let with_status = self.status(send.wamid(), status, &send.wa_id());
        match &send.callback_data {
            Some(data) => with_status.callback_data(data),
            None => with_status,
        }
    }

    /// A status as it stands.
    pub fn raw_status(mut self, status: Value) -> Self {
        list(&mut self.value()["statuses"]).push(status);
        self.newest = "statuses";
        self
    }

    /// Sets `biz_opaque_callback_data` on the newest status.
    pub fn callback_data(self, data: &str) -> Self {
        self.edit(|status| status["biz_opaque_callback_data"] = json!(data))
    }

    /// Sets the id of the newest message or status.
    pub fn id(self, id: &str) -> Self {
        self.edit(|item| item["id"] = json!(id))
    }

    /// Sets the Unix second of the newest message or status.
    pub fn at(self, unix: i64) -> Self {
        self.edit(|item| item["timestamp"] = json!(unix.to_string()))
    }

    /// Changes the newest message or status.
    #[track_caller]
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let newest = self.newest;
        change(list(&mut self.value()[newest]).last_mut().expect("a message or status was added before"));
        self
    }

    /// Changes the newest contact.
    #[track_caller]
    pub fn edit_contact(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(list(&mut self.value()["contacts"]).last_mut().expect("a contact was added before"));
        self
    }

    /// Removes `contacts` from the newest change.
    pub fn without_contacts(mut self) -> Self {
        remove(self.value(), "contacts");
        self
    }

    /// The newest message names its sender by `from_user_id` alone.
    pub fn without_from(self, user_id: &str) -> Self {
        self.edit(|message| {
            remove(message, "from");
            message["from_user_id"] = json!(user_id);
        })
    }

    /// The newest contact has no `wa_id`, only a `user_id`.
    pub fn without_wa_id(self, user_id: &str) -> Self {
        self.edit_contact(|contact| {
            remove(contact, "wa_id");
            contact["user_id"] = json!(user_id);
        })
    }

    /// The ids of all messages, in order.
    pub fn message_ids(&self) -> Vec<String> {
        let changes = self.entries.iter().filter_map(|entry| entry["changes"].as_array()).flatten();
        let messages = changes.filter_map(|change| change["value"]["messages"].as_array()).flatten();
        messages.filter_map(|message| message["id"].as_str().map(str::to_owned)).collect()
    }

    /// The whole body as a value.
    pub fn json(&self) -> Value {
        json!({"object": "whatsapp_business_account", "entry": self.entries})
    }

    /// The body as Meta sends and signs it.
    pub fn bytes(&self) -> Bytes {
        escape(&self.json().to_string()).into()
    }

    /// Posts with the signature this secret gives.
    pub async fn post(&self, client: &HttpClient, url: &str, app_secret: &str) -> HttpResponse {
        let bytes = self.bytes();
        let signature = sign(app_secret, &bytes);
        request(client, url, bytes).header(SIGNATURE, signature).send().await
    }

    /// Posts without a signature.
    pub async fn post_unsigned(&self, client: &HttpClient, url: &str) -> HttpResponse {
        request(client, url, self.bytes()).send().await
    }

    /// Posts with this text as the signature header, whatever it is.
    pub async fn post_with_signature(&self, client: &HttpClient, url: &str, signature: &str) -> HttpResponse {
        request(client, url, self.bytes()).header(SIGNATURE, signature).send().await
    }

    /// Posts with a well-formed signature that another secret made.
    pub async fn post_wrongly_signed(&self, client: &HttpClient, url: &str) -> HttpResponse {
        let signature = sign("not the secret of this app", &self.bytes());
        self.post_with_signature(client, url, &signature).await
    }

    fn value(&mut self) -> &mut Value {
        let change = self.entries.last_mut().and_then(|entry| list(&mut entry["changes"]).last_mut());
        &mut change.expect("a change was begun before: MetaWebhook::new().change(…)")["value"]
    }
}

fn request(client: &HttpClient, url: &str, bytes: Bytes) -> RequestBuilder {
    client.post(url).header("content-type", "application/json").header("user-agent", "facebookexternalua").bytes(bytes)
}

/// The array at this place, made if there is none.
fn list(place: &mut Value) -> &mut Vec<Value> {
    if place.is_null() {
        *place = json!([]);
    }
    place.as_array_mut().expect("an array")
}

fn remove(object: &mut Value, key: &str) {
    object.as_object_mut().expect("an object").remove(key);
}

/// JSON text with everything beyond ASCII as lower-case `\uXXXX` (surrogate pairs above the BMP), and `/` as `\/`.
pub fn escape(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '/' => text.push_str("\\/"),
            letter if letter.is_ascii() => text.push(letter),
            letter => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(text, "\\u{unit:04x}").expect("a string takes text");
                }
            }
        }
    }
    text
}
