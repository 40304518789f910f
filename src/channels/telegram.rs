//! Telegram Bot API. The token is part of the address, so addresses are never logged.

use super::account::Account;
use super::graph::{self, Answer};
use super::provider::{
    Credentials, Failure, FailureClass, Hook, Incoming, IncomingMessage, Outgoing, Profile, Provider, Sent, id,
    seconds, words,
};
use crate::app::App;
use crate::kernel::fields::Fields;
use crate::kernel::{Error, Instant, Phone, Result, Secret, text};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug)]
pub struct Bot;

/// Incoming texts are cut here; Telegram's own limit is 4,096.
const LONGEST_TEXT: usize = 16_384;

const UPDATES: [&str; 5] = ["message", "edited_message", "callback_query", "my_chat_member", "message_reaction"];

impl Provider for Bot {
    fn name(&self) -> &'static str {
        "bot"
    }

    fn read_credentials(&self, fields: &Fields<'_>) -> Option<Credentials> {
        let Some(credentials) = fields.at("credentials").object() else {
            fields.at("credentials.bot_token").required();
            return None;
        };
        let field = credentials.at("bot_token").required();
        let token = field.text(128)?;
        if !is_token(&token) {
            return field.wrong("format is invalid");
        }
        Some([("bot_token".to_owned(), Secret::new(token))].into())
    }

    fn examine<'a>(&'a self, app: &'a App, credentials: &'a Credentials) -> BoxFuture<'a, Result<Profile>> {
        Box::pin(async move {
            let answer = method(app, token(credentials), "getMe", &json!({})).await.map_err(graph::unreachable)?;
            if matches!(answer.status, 401 | 403 | 404) {
                return Err(Error::field("credentials.bot_token", "The bot token is invalid."));
            }
            let id = answer.body.pointer("/result/id").and_then(Value::as_i64);
            let id = id.ok_or_else(|| Error::provider_unavailable().retry_after(10))?;
            Ok(Profile {
                identity: Some(id.to_string()),
                name: answer.text("/result/first_name").and_then(text::clean),
                username: answer.text("/result/username").map(|name| format!("@{name}")),
            })
        })
    }

    fn subscribe<'a>(&'a self, app: &'a App, credentials: &'a Credentials, hook: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let secret = credentials.get("secret_token").map_or("", Secret::reveal);
            let body = json!({"url": hook, "secret_token": secret, "allowed_updates": UPDATES});
            let answer = method(app, token(credentials), "setWebhook", &body).await.map_err(graph::unreachable)?;
            if answer.body["ok"] == true {
                return Ok(());
            }
            let why = answer.text("/description").unwrap_or("no reason given").to_owned();
            Err(Error::field("credentials.bot_token", format!("Telegram refused the webhook address: {why}")))
        })
    }

    fn verify(&self, credentials: &Credentials, headers: &HeaderMap, _: &[u8]) -> bool {
        let given = headers.get("x-telegram-bot-api-secret-token").and_then(|value| value.to_str().ok());
        let secret = credentials.get("secret_token").filter(|secret| !secret.reveal().is_empty());
        secret.zip(given).is_some_and(|(secret, given)| secret.matches(given))
    }

    fn parse(&self, _: &Account, body: &[u8], received_at: Instant) -> Vec<Incoming> {
        let update: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = update.get("message").and_then(|message| read_message(message, received_at));
        let choice = || update.get("callback_query").and_then(|query| read_choice(query, received_at));
        message.or_else(choice).map(|message| Incoming::Message(Box::new(message))).into_iter().collect()
    }

    fn send<'a>(&'a self, app: &'a App, account: &'a Account, message: &'a Outgoing) -> BoxFuture<'a, Sent> {
        Box::pin(async move {
            let Ok(chat) = message.address.parse::<i64>() else {
                return Sent::Refused(failure(FailureClass::Invalid, "address", "not a chat id"));
            };
            let body = json!({"chat_id": chat, "text": message.text});
            match method(app, account.credential("bot_token"), "sendMessage", &body).await {
                Ok(answer) => outcome(chat, &answer),
                Err(no_answer) if no_answer.sent => Sent::Unclear(no_answer.why),
                Err(no_answer) => Sent::Refused(failure(FailureClass::Transient, "network", &no_answer.why)),
            }
        })
    }

    fn accepted_is_sent(&self) -> bool {
        true
    }

    /// A bot cannot open a conversation: the person must write first.
    fn address_of(&self, _: &Phone) -> Option<String> {
        None
    }

    fn hook(&self) -> Hook {
        Hook::Telegram
    }
}

fn token(credentials: &Credentials) -> &str {
    credentials.get("bot_token").map_or("", Secret::reveal)
}

/// `{digits}:{letters}`; nothing that could change the address it stands in.
fn is_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(id, key)| {
        let id_ok = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        id_ok && key.len() >= 8 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    })
}

async fn method(app: &App, token: &str, name: &str, body: &Value) -> Result<Answer, graph::NoAnswer> {
    let path = format!("/bot{token}/{name}");
    graph::call(app, Method::POST, &app.config.telegram_api_url, &path, None, Some(body)).await
}

fn read_message(message: &Value, received_at: Instant) -> Option<IncomingMessage> {
    let chat = &message["chat"];
    if chat["type"] != "private" {
        return None;
    }
    let chat_id = id(&chat["id"])?;
    let from = message.get("from").unwrap_or(chat);
    let (kind, content) = content(message)?;
    Some(IncomingMessage {
        provider_id: format!("{chat_id}:{}", id(&message["message_id"])?),
        phone: None,
        name: full_name(from, &chat_id),
        address: chat_id,
        raw: (kind != "text").then(|| message.to_string()),
        kind: kind.to_owned(),
        content,
        sent_at: seconds(&message["date"]).unwrap_or(received_at),
    })
}

/// A tap on a button is an answer in the button's words, given now: the message beside it is the bot's own, and may be a
/// stub.
fn read_choice(query: &Value, received_at: Instant) -> Option<IncomingMessage> {
    let chat_id = id(query.pointer("/message/chat/id").or_else(|| query.pointer("/from/id"))?)?;
    Some(IncomingMessage {
        provider_id: format!("{chat_id}:callback:{}", id(&query["id"])?),
        phone: None,
        name: full_name(&query["from"], &chat_id),
        address: chat_id,
        kind: "choice".to_owned(),
        content: words(query.get("data"), LONGEST_TEXT).unwrap_or_else(|| "[choice]".to_owned()),
        sent_at: received_at,
        raw: Some(query.to_string()),
    })
}

fn full_name(from: &Value, chat_id: &str) -> String {
    let parts = ["first_name", "last_name"].into_iter().filter_map(|part| from[part].as_str());
    let name = parts.collect::<Vec<_>>().join(" ").replace('\0', "");
    let handle = || words(from.get("username"), 64).map(|name| format!("@{name}"));
    let name = text::clean(&name).or_else(handle).unwrap_or_else(|| chat_id.to_owned());
    name.chars().take(255).collect()
}

/// Text, or a placeholder that says what came. Service messages are nobody's words.
fn content(message: &Value) -> Option<(&'static str, String)> {
    if let Some(text) = words(message.get("text"), LONGEST_TEXT) {
        return Some(("text", text));
    }
    const KINDS: [&str; 13] = [
        "photo",
        "voice",
        "audio",
        "video",
        "video_note",
        "animation",
        "document",
        "sticker",
        "venue",
        "location",
        "contact",
        "poll",
        "text",
    ];
    let kind = KINDS.into_iter().find(|kind| message.get(*kind).is_some())?;
    Some((kind, words(message.get("caption"), LONGEST_TEXT).unwrap_or_else(|| format!("[{kind}]"))))
}

fn outcome(chat: i64, answer: &Answer) -> Sent {
    if let Some(id) = answer.body.pointer("/result/message_id").and_then(Value::as_i64) {
        return Sent::Accepted { provider_id: format!("{chat}:{id}"), address: None };
    }
    if answer.body["ok"] != false {
        return Sent::Unclear(format!("Telegram answered {} without a result", answer.status));
    }
    let code = answer.body["error_code"].as_i64().unwrap_or(i64::from(answer.status));
    let description = answer.text("/description").unwrap_or_default();
    let seconds = answer.body.pointer("/parameters/retry_after").and_then(Value::as_u64);
    let mut failure = failure(class(code, description), &code.to_string(), description);
    failure.retry_after = seconds.map(Duration::from_secs).or(answer.retry_after);
    Sent::Refused(failure)
}

fn class(code: i64, description: &str) -> FailureClass {
    let description = description.to_lowercase();
    match code {
        401 | 404 => FailureClass::Auth,
        429 => FailureClass::RateChannel,
        403 => FailureClass::Unreachable,
        400 if description.contains("chat not found") => FailureClass::Unreachable,
        400 | 413 => FailureClass::Invalid,
        500..=599 => FailureClass::Transient,
        _ => FailureClass::Unknown,
    }
}

fn failure(class: FailureClass, code: &str, message: &str) -> Failure {
    let message = message.chars().take(500).collect();
    Failure { class, code: code.to_owned(), message, retry_after: None }
}
