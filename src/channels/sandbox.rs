//! A provider inside the binary: it takes sends, reports them sent, delivered and read, and takes simulated messages, so
//! that the whole journey works offline with no account anywhere. What it posts goes the way of every provider's posts.

use super::account::Account;
use super::provider::{
    Credentials, Hook, Incoming, IncomingMessage, IncomingStatus, Outgoing, Profile, Progress, Provider, Sent,
};
use crate::app::App;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Instant, Phone, Random, Result};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug)]
pub struct Sandbox;

/// What the sandbox posts to itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Posted {
    Message { id: String, from: String, name: String, text: String, at: i64 },
    Status { id: String, status: String, at: i64 },
}

/// A message a customer might have written.
#[derive(Debug, ToSchema)]
pub struct Simulated {
    /// A phone number, or any name of an account.
    #[schema(min_length = 1, max_length = 64, example = "+966501234567")]
    pub from: String,
    /// The customer's name. Default: `from`.
    pub name: Option<String>,
    #[schema(min_length = 1, max_length = 4096, example = "مرحبا، هل أنتم مفتوحون اليوم؟")]
    pub content: String,
}

impl Input for Simulated {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let from = fields.at("from").required().text(64);
        let name = fields.at("name").text(255);
        let content = fields.at("content").required().text(4096);
        Some(Self { from: from?, name, content: content? })
    }
}

impl Simulated {
    /// The body that the sandbox's network would post, and the message's id in it.
    pub fn posted(self, random: &dyn Random, now: Instant) -> (Vec<u8>, String) {
        let id = format!("sandbox.{}", random.alphanumeric(20));
        let from = Phone::parse(&self.from, None).map_or(self.from, |phone| phone.to_string());
        let name = self.name.unwrap_or_else(|| from.clone());
        let message = Posted::Message { id: id.clone(), from, name, text: self.content, at: now.micros() };
        (serde_json::to_vec(&message).unwrap_or_default(), id)
    }
}

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn read_credentials(&self, _: &Fields<'_>) -> Option<Credentials> {
        Some(Credentials::new())
    }

    fn examine<'a>(&'a self, _: &'a App, _: &'a Credentials) -> BoxFuture<'a, Result<Profile>> {
        let profile = Profile { identity: None, name: Some("Sandbox".into()), username: Some("sandbox".into()) };
        Box::pin(async move { Ok(profile) })
    }

    fn subscribe<'a>(&'a self, _: &'a App, _: &'a Credentials, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Nobody posts to it from outside.
    fn verify(&self, _: &Credentials, _: &HeaderMap, _: &[u8]) -> bool {
        false
    }

    fn parse(&self, _: &Account, body: &[u8], _: Instant) -> Vec<Incoming> {
        serde_json::from_slice(body).ok().and_then(read).into_iter().collect()
    }

    fn send<'a>(&'a self, app: &'a App, _: &'a Account, _: &'a Outgoing) -> BoxFuture<'a, Sent> {
        let provider_id = format!("sandbox.{}", app.random.alphanumeric(20));
        Box::pin(async move { Sent::Accepted { provider_id, address: None } })
    }

    fn accepted_is_sent(&self) -> bool {
        false
    }

    fn address_of(&self, phone: &Phone) -> Option<String> {
        Some(phone.to_string())
    }

    fn echoes(&self, provider_id: &str, now: Instant) -> Vec<Vec<u8>> {
        let status =
            |status: &str| Posted::Status { id: provider_id.to_owned(), status: status.to_owned(), at: now.micros() };
        ["sent", "delivered", "read"].map(|word| serde_json::to_vec(&status(word)).unwrap_or_default()).into()
    }

    fn hook(&self) -> Hook {
        Hook::None
    }
}

fn read(posted: Posted) -> Option<Incoming> {
    match posted {
        Posted::Message { id, from, name, text, at } => Some(Incoming::Message(Box::new(IncomingMessage {
            provider_id: id,
            phone: from.strip_prefix('+').and_then(Phone::from_provider_digits),
            address: from,
            name,
            kind: "text".into(),
            content: text,
            sent_at: Instant::from_micros(at),
            raw: None,
        }))),
        Posted::Status { id, status, at } => {
            let (_, progress) = Progress::WORDS.iter().find(|(word, _)| *word == status)?;
            let at = Instant::from_micros(at);
            Some(Incoming::Status(IncomingStatus {
                provider_id: id,
                message_id: None,
                status: *progress,
                at,
                failure: None,
            }))
        }
    }
}
