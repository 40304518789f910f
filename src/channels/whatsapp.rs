//! WhatsApp Business Platform, Cloud API.

use super::account::Account;
use super::graph::{self, Answer};
use super::provider::{
    Credentials, Failure, FailureClass, Hook, Incoming, IncomingMessage, IncomingStatus, MOST_UPDATES, Outgoing,
    Profile, Progress, Provider, Sent, id, seconds, whole, words,
};
use crate::app::App;
use crate::kernel::fields::Fields;
use crate::kernel::{Error, Instant, Phone, Result, Secret, secret, text};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug)]
pub struct Cloud;

const PROFILE_FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,status";
/// Incoming texts are cut here; WhatsApp's own limit is 4,096.
const LONGEST_TEXT: usize = 16_384;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Provider for Cloud {
    fn name(&self) -> &'static str {
        "cloud"
    }

    fn read_credentials(&self, fields: &Fields<'_>) -> Option<Credentials> {
        const REQUIRED: [&str; 3] = ["phone_number_id", "access_token", "app_secret"];
        let Some(given) = fields.at("credentials").object() else {
            REQUIRED.iter().for_each(|name| drop(fields.at(&format!("credentials.{name}")).required()));
            return None;
        };
        let mut credentials = Credentials::new();
        let mut complete = true;
        for name in ["phone_number_id", "waba_id"] {
            let field = given.at(name).required_if(name == "phone_number_id");
            match field.text(64) {
                Some(id) if id.bytes().all(|b| b.is_ascii_digit()) => {
                    drop(credentials.insert(name.into(), Secret::new(id)))
                }
                Some(_) => complete = field.wrong::<()>("format is invalid").is_some(),
                None => {}
            }
        }
        for name in ["access_token", "app_secret"] {
            let field = given.at(name).required();
            match field.text(1024) {
                Some(word) if word.bytes().all(|b| b.is_ascii_graphic()) => {
                    drop(credentials.insert(name.into(), Secret::new(word)))
                }
                Some(_) => complete = field.wrong::<()>("format is invalid").is_some(),
                None => {}
            }
        }
        let has_all = REQUIRED.iter().all(|name| credentials.contains_key(*name));
        (complete && has_all).then_some(credentials)
    }

    fn examine<'a>(&'a self, app: &'a App, credentials: &'a Credentials) -> BoxFuture<'a, Result<Profile>> {
        Box::pin(async move {
            let number = word(credentials, "phone_number_id");
            let answer = get(app, credentials, &format!("/{number}?fields={PROFILE_FIELDS}")).await?;
            check_access(&answer)?;
            if let Some(waba) = credentials.get("waba_id") {
                let numbers = get(app, credentials, &format!("/{}/phone_numbers", waba.reveal())).await?;
                check_access(&numbers)?;
                let listed = numbers.body["data"].as_array().is_some_and(|all| all.iter().any(|n| n["id"] == number));
                if !listed {
                    return Err(Error::field("credentials.waba_id", "The waba id does not own this phone number."));
                }
            }
            Ok(Profile {
                identity: Some(number.to_owned()),
                name: answer.text("/verified_name").and_then(text::clean),
                username: answer.text("/display_phone_number").map(display_number),
            })
        })
    }

    fn subscribe<'a>(&'a self, app: &'a App, credentials: &'a Credentials, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // Without it no event arrives, even though the app's callback is verified.
            let Some(waba) = credentials.get("waba_id") else { return Ok(()) };
            let path = format!("/{}/subscribed_apps", waba.reveal());
            let answer = call(app, Method::POST, credentials, &path, None).await.map_err(graph::unreachable)?;
            check_access(&answer)
        })
    }

    fn verify(&self, credentials: &Credentials, headers: &HeaderMap, body: &[u8]) -> bool {
        let app_secret = word(credentials, "app_secret");
        let given = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
        let Some(given) = given.and_then(|value| value.strip_prefix("sha256=")).filter(|_| !app_secret.is_empty())
        else {
            return false;
        };
        let expected = secret::hex(&secret::hmac(app_secret.as_bytes(), body));
        secret::equal(expected.as_bytes(), given.to_ascii_lowercase().as_bytes())
    }

    fn parse(&self, account: &Account, body: &[u8], received_at: Instant) -> Vec<Incoming> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let entries = items(&body["entry"]);
        let changes = entries.flat_map(|entry| items(&entry["changes"]));
        let values = changes.filter(|change| change["field"] == "messages").map(|change| &change["value"]);
        // The path and the body must name the same number (rule P2); one POST may carry several numbers.
        let ours = values.filter(|value| id(&value["metadata"]["phone_number_id"]).as_ref() == Some(&account.identity));
        ours.flat_map(|value| read_value(value, received_at)).take(MOST_UPDATES).collect()
    }

    fn send<'a>(&'a self, app: &'a App, account: &'a Account, message: &'a Outgoing) -> BoxFuture<'a, Sent> {
        Box::pin(async move {
            let (to, address) = recipient(&message.address);
            let body = json!({
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                to: address,
                "type": "text",
                "text": {"body": message.text, "preview_url": false},
                "biz_opaque_callback_data": format!("m{}", message.message_id),
            });
            let path = format!("/{}/messages", account.identity);
            match call(app, Method::POST, &account.credentials, &path, Some(&body)).await {
                Ok(answer) => outcome(&answer),
                Err(no_answer) if no_answer.sent => Sent::Unclear(no_answer.why),
                Err(no_answer) => Sent::Refused(failure(FailureClass::Transient, "network", &no_answer.why)),
            }
        })
    }

    /// 200 means accepted, nothing more; `sent` comes as a status.
    fn accepted_is_sent(&self) -> bool {
        false
    }

    fn address_of(&self, phone: &Phone) -> Option<String> {
        Some(phone.to_string())
    }

    fn window(&self) -> Option<Duration> {
        Some(DAY)
    }

    fn hook(&self) -> Hook {
        Hook::Whatsapp
    }
}

/// A number always goes with its `+`: without one the business's own country code is put in front. A business-scoped user
/// id never goes into `to`: the call would succeed and the message vanish.
fn recipient(address: &str) -> (&'static str, String) {
    match address.strip_prefix('+').unwrap_or(address) {
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => ("to", format!("+{digits}")),
        _ => ("recipient", address.to_owned()),
    }
}

fn word<'a>(credentials: &'a Credentials, name: &str) -> &'a str {
    credentials.get(name).map_or("", Secret::reveal)
}

async fn get(app: &App, credentials: &Credentials, path: &str) -> Result<Answer> {
    call(app, Method::GET, credentials, path, None).await.map_err(graph::unreachable)
}

async fn call(
    app: &App,
    method: Method,
    credentials: &Credentials,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, graph::NoAnswer> {
    let path = format!("/{}{path}", app.config.whatsapp_api_version);
    let token = word(credentials, "access_token");
    graph::call(app, method, &app.config.whatsapp_api_url, &path, Some(token), body).await
}

/// While connecting: a refusal is the caller's to mend, anything else is the provider's trouble.
fn check_access(answer: &Answer) -> Result<()> {
    if answer.is_success() {
        return Ok(());
    }
    let code = answer.body.pointer("/error/code").and_then(whole);
    let message = answer.text("/error/message").unwrap_or_default();
    match code.map(|code| class(code, answer.status)) {
        Some(FailureClass::Auth) => Err(Error::field("credentials.access_token", "The access token is invalid.")),
        Some(FailureClass::Transient | FailureClass::RateChannel) | None if answer.status != 404 => {
            Err(Error::provider_unavailable().retry_after(30))
        }
        _ => Err(Error::field("credentials.phone_number_id", format!("WhatsApp refused the number: {message}"))),
    }
}

/// `+966512345678`, from whatever grouping the provider shows.
fn display_number(shown: &str) -> String {
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { shown.to_owned() } else { format!("+{digits}") }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn read_value(value: &Value, received_at: Instant) -> Vec<Incoming> {
    let messages = items(&value["messages"]).filter_map(|message| read_message(value, message, received_at));
    let messages = messages.map(|message| Incoming::Message(Box::new(message)));
    let statuses =
        items(&value["statuses"]).filter_map(|status| read_status(status, received_at)).map(Incoming::Status);
    messages.chain(statuses).collect()
}

fn read_message(value: &Value, message: &Value, received_at: Instant) -> Option<IncomingMessage> {
    let kind = id(&message["type"]).unwrap_or_else(|| "unknown".to_owned());
    // Nobody's words: a changed number, a removed message.
    if matches!(kind.as_str(), "system" | "revoke" | "edit" | "reaction" | "request_welcome") {
        return None;
    }
    let (wa_id, user_id) = (id(&message["from"]), id(&message["from_user_id"]));
    let address = wa_id.clone().or_else(|| user_id.clone())?;
    let profile = items(&value["contacts"]).find(|contact| {
        let same = |key: &str, wanted: &Option<String>| wanted.is_some() && id(&contact[key]) == *wanted;
        same("wa_id", &wa_id) || same("user_id", &user_id)
    });
    let name = profile.and_then(|contact| words(contact.pointer("/profile/name"), 255));
    let content = content(&kind, message);
    Some(IncomingMessage {
        provider_id: id(&message["id"])?,
        phone: wa_id.as_deref().and_then(Phone::from_provider_digits),
        name: name.unwrap_or_else(|| display_number(&address)),
        address,
        raw: (kind != "text").then(|| message.to_string()),
        kind,
        content,
        sent_at: seconds(&message["timestamp"]).unwrap_or(received_at),
    })
}

/// Text, the words of a choice, or a placeholder that says what came.
fn content(kind: &str, message: &Value) -> String {
    let said = |pointer: &str| words(message.pointer(pointer), LONGEST_TEXT);
    let words = match kind {
        "text" => said("/text/body"),
        "button" => said("/button/text"),
        "interactive" => said("/interactive/button_reply/title").or_else(|| said("/interactive/list_reply/title")),
        "order" => said("/order/text"),
        "location" => said("/location/name").or_else(|| said("/location/address")),
        media => said(&format!("/{media}/caption")),
    };
    words.unwrap_or_else(|| format!("[{kind}]"))
}

fn read_status(status: &Value, received_at: Instant) -> Option<IncomingStatus> {
    let progress = match status["status"].as_str()? {
        "sent" => Progress::Sent,
        "delivered" => Progress::Delivered,
        "read" | "played" => Progress::Read,
        "failed" => Progress::Failed,
        _ => return None,
    };
    let ours = status["biz_opaque_callback_data"].as_str().and_then(|data| data.strip_prefix('m')?.parse().ok());
    let error = items(&status["errors"]).next().filter(|_| progress == Progress::Failed);
    Some(IncomingStatus {
        provider_id: id(&status["id"])?,
        message_id: ours,
        status: progress,
        at: seconds(&status["timestamp"]).unwrap_or(received_at),
        failure: error.map(|error| read_error(error, 400)),
    })
}

fn outcome(answer: &Answer) -> Sent {
    if answer.is_success() {
        let Some(id) = answer.text("/messages/0/id") else {
            return Sent::Unclear(format!("WhatsApp answered {} without a message id", answer.status));
        };
        let address = answer.text("/contacts/0/wa_id").map(str::to_owned);
        return Sent::Accepted { provider_id: id.to_owned(), address };
    }
    let error = &answer.body["error"];
    if error["code"].is_null() {
        // A gateway's answer, not the provider's: whether the message was taken is anybody's guess.
        let clear = (400..500).contains(&answer.status);
        let why = format!("WhatsApp answered {}", answer.status);
        return if clear {
            Sent::Refused(failure(FailureClass::Unknown, &answer.status.to_string(), &why))
        } else {
            Sent::Unclear(why)
        };
    }
    let mut failure = read_error(error, answer.status);
    failure.retry_after = answer.retry_after;
    Sent::Refused(failure)
}

fn read_error(error: &Value, status: u16) -> Failure {
    // An unreadable code is no code of theirs; 0 is one.
    let code = whole(&error["code"]).unwrap_or(-1);
    let details = error.pointer("/error_data/details").or_else(|| error.get("error_data")).and_then(Value::as_str);
    let message =
        [details, error["message"].as_str(), error["title"].as_str()].into_iter().flatten().find(|m| !m.is_empty());
    failure(class(code, status), &code.to_string(), message.unwrap_or("no reason given"))
}

/// What a code means; decided on the code alone, except where a code is unknown and the status says `too many`.
fn class(code: i64, status: u16) -> FailureClass {
    match code {
        0 | 3 | 10 | 190 | 200..=299 | 131_005 | 131_037 | 131_045 | 133_010 => FailureClass::Auth,
        4 | 80_007 | 130_429 | 131_048 | 133_016 => FailureClass::RateChannel,
        131_056 => FailureClass::RatePair,
        131_047 => FailureClass::WindowClosed,
        131_026 | 137_000 => FailureClass::Unreachable,
        368 | 130_497 | 131_031 | 131_064 => FailureClass::Policy,
        1 | 2 | 131_000 | 131_016 | 131_057 | 133_004 => FailureClass::Transient,
        33 | 100 | 131_008 | 131_009 | 131_021 | 131_030 | 131_051 | 131_062 | 135_000 => FailureClass::Invalid,
        _ if status == 429 => FailureClass::RateChannel,
        _ => FailureClass::Unknown,
    }
}

fn failure(class: FailureClass, code: &str, message: &str) -> Failure {
    let message = message.replace('\0', "").chars().take(500).collect();
    Failure { class, code: code.to_owned(), message, retry_after: None }
}
