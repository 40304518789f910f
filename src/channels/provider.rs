//! What every provider can do, in words that are common to all of them.

use super::account::Account;
use super::{sandbox, telegram, whatsapp};
use crate::app::App;
use crate::kernel::fields::Fields;
use crate::kernel::{Instant, Phone, Result, Secret, text};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Named secrets of a channel, as they are sealed.
pub type Credentials = BTreeMap<String, Secret>;

/// A way to a messaging network.
pub trait Provider: Send + Sync {
    /// Its word in `provider`.
    fn name(&self) -> &'static str;

    /// Reads the credentials of a request; faults are recorded under their names.
    fn read_credentials(&self, fields: &Fields<'_>) -> Option<Credentials>;

    /// Proves the credentials with the provider and learns who the account is. Changes nothing there.
    fn examine<'a>(&'a self, app: &'a App, credentials: &'a Credentials) -> BoxFuture<'a, Result<Profile>>;

    /// Tells the provider where to post, once it is clear that the account may be connected.
    fn subscribe<'a>(&'a self, app: &'a App, credentials: &'a Credentials, hook: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Proves that a body comes from the provider, over its raw bytes (rule P1).
    fn verify(&self, credentials: &Credentials, headers: &HeaderMap, body: &[u8]) -> bool;

    /// Reads a proved body. What is unknown is left out; one malformed element does not hold back its neighbours. Where
    /// the provider gives no usable time, it is when we received the body.
    fn parse(&self, account: &Account, body: &[u8], received_at: Instant) -> Vec<Incoming>;

    /// Sends a message once.
    fn send<'a>(&'a self, app: &'a App, account: &'a Account, message: &'a Outgoing) -> BoxFuture<'a, Sent>;

    /// Whether the provider has taken the message over when it accepts the call, rather than by a later status.
    fn accepted_is_sent(&self) -> bool;

    /// An address of a contact who never wrote, if the network has one.
    fn address_of(&self, phone: &Phone) -> Option<String>;

    /// How long after a contact's message free text may be sent; none: always.
    fn window(&self) -> Option<Duration> {
        None
    }

    /// Bodies that this provider posts to itself after a send; only the sandbox does.
    fn echoes(&self, _provider_id: &str, _now: Instant) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// The path segment of its inbound address, and whether it has a verify token to be entered at the provider.
    fn hook(&self) -> Hook;
}

/// How a provider's inbound address looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `/hooks/whatsapp/…`, entered at the provider by a person together with the verify token.
    Whatsapp,
    /// `/hooks/telegram/…`, registered by us.
    Telegram,
    /// Nobody posts from outside.
    None,
}

/// Who an account is, as the provider says.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The provider's own id of the account; none where there are no accounts (the sandbox).
    pub identity: Option<String>,
    pub name: Option<String>,
    pub username: Option<String>,
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub message_id: i64,
    pub address: String,
    pub text: String,
}

/// Something a provider posted.
#[derive(Debug, Clone)]
pub enum Incoming {
    Message(Box<IncomingMessage>),
    Status(IncomingStatus),
}

impl Incoming {
    pub fn message(&self) -> Option<&IncomingMessage> {
        match self {
            Self::Message(message) => Some(message),
            Self::Status(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct IncomingMessage {
    pub provider_id: String,
    pub address: String,
    pub phone: Option<Phone>,
    pub name: String,
    /// `text`, or what the content is a placeholder for.
    pub kind: String,
    pub content: String,
    pub sent_at: Instant,
    /// The provider's own JSON, where the content does not say it all.
    pub raw: Option<String>,
}

#[derive(Debug, Clone)]
pub struct IncomingStatus {
    pub provider_id: String,
    /// Our message's id, if the provider echoes it.
    pub message_id: Option<i64>,
    pub status: Progress,
    pub at: Instant,
    pub failure: Option<Failure>,
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    Sent,
    Delivered,
    Read,
    Failed,
}

impl Progress {
    pub const WORDS: &[(&str, Self)] =
        &[("sent", Self::Sent), ("delivered", Self::Delivered), ("read", Self::Read), ("failed", Self::Failed)];

    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// A provider's refusal.
#[derive(Debug, Clone)]
pub struct Failure {
    pub class: FailureClass,
    /// The provider's own code.
    pub code: String,
    pub message: String,
    pub retry_after: Option<Duration>,
}

/// What a refusal means for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The token is void or lacks a right: nothing can be sent until somebody reconnects.
    Auth,
    /// Too fast for the account: everything of it waits.
    RateChannel,
    /// Too fast for this contact: only they wait.
    RatePair,
    WindowClosed,
    Unreachable,
    Invalid,
    Policy,
    /// The provider says it will pass.
    Transient,
    Unknown,
}

impl FailureClass {
    const WORDS: &[(&str, Self)] = &[
        ("auth", Self::Auth),
        ("rate_channel", Self::RateChannel),
        ("rate_pair", Self::RatePair),
        ("window_closed", Self::WindowClosed),
        ("recipient_unreachable", Self::Unreachable),
        ("invalid_request", Self::Invalid),
        ("policy", Self::Policy),
        ("transient", Self::Transient),
        ("unknown", Self::Unknown),
    ];

    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, class)| *class == self).map_or("unknown", |(word, _)| word)
    }

    /// The class of a stored word.
    pub fn named(word: &str) -> Self {
        Self::WORDS.iter().find(|(of, _)| *of == word).map_or(Self::Unknown, |(_, class)| *class)
    }
}

/// What came of one call.
#[derive(Debug, Clone)]
pub enum Sent {
    /// The provider has it, under this id. A better address may have come back.
    Accepted { provider_id: String, address: Option<String> },
    /// The provider did not take it.
    Refused(Failure),
    /// Nobody knows; it must not be sent again by itself (rule D9).
    Unclear(String),
}

/// What one POST may carry at most; providers send up to 1,000 updates.
pub(super) const MOST_UPDATES: usize = 1_000;

/// An id as a provider writes it, be it text or a number. One that could not be stored or indexed is no id.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let storable = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    storable.then_some(text)
}

/// A whole number, also when it came as text.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let whole = |float: f64| (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole)).or_else(|| value.as_str()?.trim().parse().ok())
}

/// Unix seconds, if they are a moment somebody could mean.
pub(super) fn seconds(value: &Value) -> Option<Instant> {
    whole(value).filter(|seconds| (1..=4_102_444_800).contains(seconds)).map(Instant::from_seconds)
}

/// Words that may be stored: composed, trimmed, without NUL, of a bounded length.
pub(super) fn words(value: Option<&Value>, most: usize) -> Option<String> {
    let text = value?.as_str()?.replace('\0', "");
    text::clean(&text).map(|text| text.chars().take(most).collect())
}

/// The providers of a channel type, the default first.
pub fn of_type(kind: &str) -> &'static [&'static dyn Provider] {
    match kind {
        "whatsapp" => &[&whatsapp::Cloud, &sandbox::Sandbox],
        "telegram" => &[&telegram::Bot, &sandbox::Sandbox],
        "instagram" => &[&sandbox::Sandbox],
        _ => &[],
    }
}

/// The provider of this name.
pub fn named(name: &str) -> Option<&'static dyn Provider> {
    let all: [&'static dyn Provider; 3] = [&whatsapp::Cloud, &telegram::Bot, &sandbox::Sandbox];
    all.into_iter().find(|provider| provider.name() == name)
}
