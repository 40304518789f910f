//! What the imitated Bot API answers: tokens, parameters, one function per method.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::{
    fresh,
    script::Outcome,
    server::{HangUp, Recorded, Reply},
    telegram::{Bot, MIGRATED, Shared, TelegramCall, TelegramHook, World, error_body, integer},
};

/// A refusal that the imitation itself decides on.
struct Refusal(u16, &'static str, Value);

type Done = Result<Value, Refusal>;

fn bad(description: &'static str) -> Refusal {
    Refusal(400, description, Value::Null)
}

pub(super) async fn answer(shared: Arc<Shared>, request: Recorded) -> Result<Reply, HangUp> {
    let path = request.path.strip_prefix("/bot").and_then(|rest| rest.split_once('/'));
    let Some((token, method)) = path else {
        return Ok(Reply::json(404, &error_body(404, "Not Found", Value::Null)));
    };
    let (token, method) = (token.replace("%3A", ":").replace("%3a", ":"), method.to_owned());
    let params = parameters(&request);
    let mut call = TelegramCall { request, token, method, params, accepted: false, result: Value::Null };
    let behaviour = shared.script.take(&call.method);
    let works = matches!(behaviour.outcome(), Outcome::Normal | Outcome::LoseAnswer);
    let reply = if let Outcome::Reply(reply) = behaviour.outcome() {
        reply.clone()
    } else if works {
        let done = match poll(&shared, &call).await {
            Some(done) => done,
            None => perform(&mut shared.world.lock(), &call),
        };
        match done {
            Ok(result) => {
                call.accepted = true;
                call.result = result.clone();
                Reply::json(200, &json!({"ok": true, "result": result}))
            }
            Err(Refusal(code, description, parameters)) => {
                Reply::json(code, &error_body(code, description, parameters))
            }
        }
    } else {
        Reply::default()
    };
    shared.calls.push(call);
    behaviour.pass_gates().await;
    match behaviour.outcome() {
        Outcome::Normal | Outcome::Reply(_) => Ok(reply),
        Outcome::LoseAnswer | Outcome::HangUp => Err(HangUp),
    }
}

fn parameters(request: &Recorded) -> Value {
    let mut all = Map::new();
    all.extend(request.query.iter().map(|(key, value)| (key.clone(), json!(value))));
    if request.header("content-type").starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(&request.body).into_owned();
        all.extend(pairs.map(|(key, value)| (key, Value::String(value))));
    } else if let Some(json) = request.json.as_object() {
        all.extend(json.clone());
    }
    Value::Object(all)
}

/// `getUpdates` that has to wait for something to come; none when the call is not that.
async fn poll(shared: &Shared, call: &TelegramCall) -> Option<Done> {
    if !call.is("getUpdates") {
        return None;
    }
    let seconds = integer(&call.params["timeout"]).unwrap_or(0).clamp(0, 50);
    let look = async {
        loop {
            let queued = shared.queued.notified();
            let done = perform(&mut shared.world.lock(), call);
            if !matches!(&done, Ok(updates) if updates.as_array().is_some_and(Vec::is_empty)) {
                return done;
            }
            queued.await;
        }
    };
    let limit = Duration::from_secs(seconds.unsigned_abs());
    Some(tokio::time::timeout(limit, look).await.unwrap_or_else(|_| Ok(json!([]))))
}

fn perform(world: &mut World, call: &TelegramCall) -> Done {
    let World { http_allowed, .. } = *world;
    let Some(bot) = world.bots.get_mut(&call.token) else {
        let known_form = call.token.split_once(':').is_some_and(|(id, _)| id.parse::<i64>().is_ok());
        let (code, text) = if known_form { (401, "Unauthorized") } else { (404, "Not Found") };
        return Err(Refusal(code, text, Value::Null));
    };
    let params = &call.params;
    match call.method.to_ascii_lowercase().as_str() {
        "getme" => {
            let mut me = bot.user();
            me["can_join_groups"] = json!(true);
            me["can_read_all_group_messages"] = json!(false);
            me["supports_inline_queries"] = json!(false);
            Ok(me)
        }
        "setwebhook" => set_webhook(bot, params, http_allowed),
        "deletewebhook" => {
            bot.hook = None;
            Ok(json!(true))
        }
        "getwebhookinfo" => Ok(webhook_info(bot)),
        "getupdates" => get_updates(bot, params),
        "answercallbackquery" | "deletemessage" | "setmessagereaction" => Ok(json!(true)),
        method if method.starts_with("send") || method.starts_with("editmessage") => send(world, call, method),
        _ => Err(Refusal(404, "Not Found", Value::Null)),
    }
}

fn set_webhook(bot: &mut Bot, params: &Value, http_allowed: bool) -> Done {
    let url = params["url"].as_str().unwrap_or_default();
    if url.is_empty() {
        bot.hook = None;
        return Ok(json!(true));
    }
    let parsed = Url::parse(url).map_err(|_| bad("Bad Request: bad webhook: Invalid URL"))?;
    if !http_allowed && parsed.scheme() != "https" {
        return Err(bad("Bad Request: bad webhook: An HTTPS URL must be provided for webhook"));
    }
    if !http_allowed && !matches!(parsed.port_or_known_default(), Some(443 | 80 | 88 | 8443)) {
        return Err(bad("Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"));
    }
    let secret_token = params["secret_token"].as_str().map(str::to_owned);
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if secret_token.as_ref().is_some_and(|secret| secret.len() > 256 || !secret.chars().all(allowed)) {
        return Err(bad("Bad Request: secret token contains illegal characters"));
    }
    if !params["allowed_updates"].is_null() {
        bot.allowed_updates = structured(&params["allowed_updates"]);
    }
    bot.hook = Some(TelegramHook {
        url: url.to_owned(),
        secret_token,
        allowed_updates: bot.allowed_updates.clone(),
        max_connections: integer(&params["max_connections"]).unwrap_or(40),
    });
    Ok(json!(true))
}

fn webhook_info(bot: &Bot) -> Value {
    let pending = bot.waiting.len();
    match &bot.hook {
        None => json!({"url": "", "has_custom_certificate": false, "pending_update_count": pending}),
        Some(hook) => json!({
            "url": hook.url, "has_custom_certificate": false, "pending_update_count": pending,
            "max_connections": hook.max_connections, "ip_address": "192.0.2.10", "allowed_updates": hook.allowed_updates,
        }),
    }
}

fn get_updates(bot: &mut Bot, params: &Value) -> Done {
    if bot.hook.is_some() {
        let text = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
        return Err(Refusal(409, text, Value::Null));
    }
    let offset = integer(&params["offset"]).unwrap_or(0);
    let limit = integer(&params["limit"]).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100);
    bot.waiting.retain(|update| update["update_id"].as_i64().unwrap_or_default() >= offset);
    Ok(Value::Array(bot.waiting.iter().take(limit.clamp(1, 100)).cloned().collect()))
}

fn send(world: &mut World, call: &TelegramCall, method: &str) -> Done {
    let Some(chat_id) = integer(&call.params["chat_id"]) else {
        return Err(bad("Bad Request: chat_id is empty"));
    };
    if world.blocked.contains(&chat_id) {
        return Err(Refusal(403, "Forbidden: bot was blocked by the user", Value::Null));
    }
    if let Some(to) = world.migrated.get(&chat_id) {
        return Err(Refusal(400, MIGRATED, json!({"migrate_to_chat_id": to})));
    }
    if method == "sendchataction" {
        return Ok(json!(true));
    }
    let text = call.text();
    if method == "sendmessage" && text.trim().is_empty() {
        return Err(bad("Bad Request: message text is empty"));
    }
    if text.encode_utf16().count() > 4_096 {
        return Err(bad("Bad Request: message is too long"));
    }
    let from = world.bots[&call.token].user();
    let mut message = |content: &Value| {
        let kind = if chat_id < 0 { "supergroup" } else { "private" };
        let id = world.next_message_id();
        let mut message = json!({"message_id": id, "date": fresh::unix_now(), "from": from.clone(),
            "chat": {"id": chat_id, "type": kind}});
        for key in ["text", "caption"] {
            if content[key].is_string() {
                message[key] = content[key].clone();
            }
        }
        message
    };
    if method == "sendmediagroup" {
        let media = structured(&call.params["media"]);
        return Ok(Value::Array(media.as_array().unwrap_or(&Vec::new()).iter().map(message).collect()));
    }
    let mut sent = message(&call.params);
    if method.starts_with("editmessage") {
        sent["message_id"] = json!(integer(&call.params["message_id"]));
    }
    Ok(sent)
}

/// A structure that form and query parameters carry as JSON text.
fn structured(value: &Value) -> Value {
    value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}
