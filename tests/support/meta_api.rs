//! What the imitated Cloud API answers: routes, bearer check, envelope checks, acceptance.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    fresh,
    meta::{
        CONFIGURE_NUMBER, Callback, DEBUG_TOKEN, MARK_READ, MetaSend, PHONE_NUMBER, PHONE_NUMBERS, SEND,
        SUBSCRIBED_APPS, Shared, World,
    },
    meta_errors, meta_webhook,
    script::Outcome,
    server::{HangUp, Recorded, Reply},
};

pub(super) async fn answer(shared: Arc<Shared>, request: Recorded) -> Result<Reply, HangUp> {
    shared.requests.push(request.clone());
    let Some((kind, id)) = route(&request) else {
        return Ok(Reply::json(400, &meta_errors::body(2500, "Unknown path components")));
    };
    if kind == DEBUG_TOKEN {
        return Ok(debug_token(&shared, &request));
    }
    if let Some(refusal) = refuse(&shared.world.lock(), kind, &id, request.bearer()) {
        return Ok(refusal);
    }
    let behaviour = shared.script.take(kind);
    let reply = match behaviour.outcome() {
        Outcome::Normal | Outcome::LoseAnswer => match kind {
            SEND => accept(&shared, &request, &id),
            MARK_READ => success(),
            PHONE_NUMBER => Reply::json(200, &number_fields(&shared.world.lock(), &id, request.query.get("fields"))),
            PHONE_NUMBERS => phone_numbers(&shared.world.lock(), &id),
            _ => configure(&shared, &request, kind, &id).await,
        },
        Outcome::Reply(reply) => {
            refused(&shared, &request, kind, &id);
            reply.clone()
        }
        Outcome::HangUp => {
            refused(&shared, &request, kind, &id);
            Reply::default()
        }
    };
    behaviour.pass_gates().await;
    match behaviour.outcome() {
        Outcome::Normal | Outcome::Reply(_) => Ok(reply),
        Outcome::LoseAnswer | Outcome::HangUp => Err(HangUp),
    }
}

/// The kind of request and the id in its path.
fn route(request: &Recorded) -> Option<(&'static str, String)> {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let (version, rest) = parts.split_first()?;
    if !version.starts_with('v') || !version[1..].starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let read = request.json["status"] == "read";
    let (kind, id) = match (request.method.as_str(), rest) {
        ("GET", ["debug_token"]) => (DEBUG_TOKEN, ""),
        ("POST", [id, "messages"]) => (if read { MARK_READ } else { SEND }, *id),
        ("GET", [id]) => (PHONE_NUMBER, *id),
        ("POST", [id]) => (CONFIGURE_NUMBER, *id),
        ("GET", [id, "phone_numbers"]) => (PHONE_NUMBERS, *id),
        ("GET" | "POST" | "DELETE", [id, "subscribed_apps"]) => (SUBSCRIBED_APPS, *id),
        _ => return None,
    };
    Some((kind, id.to_owned()))
}

/// 401 for a bearer that opens nothing, 400 for an object the bearer cannot see.
fn refuse(world: &World, kind: &str, id: &str, bearer: Option<&str>) -> Option<Reply> {
    let token = bearer.unwrap_or_default();
    if !world.numbers.values().any(|number| number.token == token) {
        return Some(Reply::json(401, &meta_errors::body(190, "The access token is not valid.")));
    }
    let by_account = matches!(kind, PHONE_NUMBERS | SUBSCRIBED_APPS);
    let visible = world.numbers.iter().any(|(phone_number_id, number)| {
        number.token == token && id == if by_account { &number.waba } else { phone_number_id }
    });
    let details = format!("Object with ID '{id}' does not exist or cannot be loaded due to missing permissions");
    (!visible).then(|| Reply::json(400, &meta_errors::body(100, &details)))
}

fn success() -> Reply {
    Reply::json(200, &json!({"success": true}))
}

fn attempt(request: &Recorded, phone_number_id: &str, wamid: Option<String>) -> MetaSend {
    let text = |key: &str| request.json[key].as_str().map(str::to_owned);
    MetaSend {
        request: request.clone(),
        phone_number_id: phone_number_id.to_owned(),
        to: text("to").or_else(|| text("recipient")).unwrap_or_default(),
        callback_data: text("biz_opaque_callback_data"),
        wamid,
    }
}

fn refused(shared: &Shared, request: &Recorded, kind: &str, id: &str) {
    if kind == SEND {
        shared.attempts.push(attempt(request, id, None));
    }
}

fn accept(shared: &Shared, request: &Recorded, id: &str) -> Reply {
    if let Some((code, details)) = fault(&request.json) {
        shared.attempts.push(attempt(request, id, None));
        return Reply::json(meta_errors::http_status(code), &meta_errors::body(code, &details));
    }
    let mut send = attempt(request, id, None);
    let wamid = format!("wamid.{}", STANDARD.encode(fresh::unique(&send.to)));
    send.wamid = Some(wamid.clone());
    let wa_id = shared.world.lock().wa_ids.get(&send.wa_id()).cloned().unwrap_or_else(|| send.wa_id());
    let contact = match request.json["to"].as_str() {
        Some(to) => json!({"input": to, "wa_id": wa_id}),
        None => json!({"input": send.to, "user_id": send.to}),
    };
    let mut message = json!({"id": wamid});
    if request.json["type"] == "template" {
        message["message_status"] = json!("accepted");
    }
    shared.attempts.push(send);
    let body = json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]});
    Reply::json(200, &body)
}

/// What the provider would object to in the envelope.
fn fault(body: &Value) -> Option<(i64, String)> {
    if body["messaging_product"] != "whatsapp" {
        return Some((100, "The parameter messaging_product is required.".to_owned()));
    }
    if !body["to"].is_string() && !body["recipient"].is_string() {
        return Some((131_008, "Parameter 'to' is missing.".to_owned()));
    }
    let Some(kind) = body["type"].as_str() else {
        return Some((131_008, "Parameter 'type' is missing.".to_owned()));
    };
    if body[kind].is_null() {
        return Some((131_008, format!("Parameter '{kind}' is missing.")));
    }
    if kind == "text" {
        let length = body["text"]["body"].as_str().map_or(0, |text| text.chars().count());
        if length == 0 || length > 4_096 {
            return Some((100, format!("Param text['body'] has {length} characters, allowed are 1 to 4096.")));
        }
    }
    None
}

fn number_fields(world: &World, phone_number_id: &str, fields: Option<&String>) -> Value {
    let number = &world.numbers[phone_number_id];
    let mut all = json!({
        "id": phone_number_id, "display_phone_number": number.display, "verified_name": number.verified_name,
        "quality_rating": "GREEN", "status": "CONNECTED", "name_status": "APPROVED",
        "code_verification_status": "VERIFIED", "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"}, "whatsapp_business_manager_messaging_limit": "TIER_2K",
        "webhook_configuration": {"application": "https://app.example.net/hooks/wa"},
    });
    if let Some(callback) = &number.callback {
        all["webhook_configuration"]["phone_number"] = json!(callback.url);
    }
    if let Some(Some(callback)) = world.subscribed.get(&number.waba) {
        all["webhook_configuration"]["whatsapp_business_account"] = json!(callback.url);
    }
    for (field, value) in &number.fields {
        all[field] = value.clone();
    }
    let wanted = fields.map_or("id,display_phone_number,verified_name,quality_rating", String::as_str);
    let mut answer = Map::new();
    for field in wanted.split(',').map(str::trim).chain(["id"]) {
        if let Some(value) = all.get(field) {
            answer.insert(field.to_owned(), value.clone());
        }
    }
    Value::Object(answer)
}

fn phone_numbers(world: &World, waba: &str) -> Reply {
    let listed = world.numbers.iter().filter(|(_, number)| number.waba == waba);
    let listed: Vec<Value> = listed.map(|(id, _)| number_fields(world, id, None)).collect();
    let cursors = json!({"cursors": {"before": "QVFI", "after": "QVFJ"}});
    Reply::json(200, &json!({"data": listed, "paging": cursors}))
}

/// `subscribed_apps` of an account and `webhook_configuration` of a number.
async fn configure(shared: &Shared, request: &Recorded, kind: &str, id: &str) -> Reply {
    if request.method == "GET" {
        let subscribed = shared.world.lock().subscribed.contains_key(id);
        let app = json!({"whatsapp_business_api_data": {"id": "670000000001", "name": "Stand-in app"}});
        return Reply::json(200, &json!({"data": if subscribed { vec![app] } else { vec![] }}));
    }
    if request.method == "DELETE" {
        shared.world.lock().subscribed.remove(id);
        return success();
    }
    let part = if kind == SUBSCRIBED_APPS { &request.json } else { &request.json["webhook_configuration"] };
    let url = part["override_callback_uri"].as_str().unwrap_or_default().to_owned();
    let verify_token = part["verify_token"].as_str().unwrap_or_default().to_owned();
    let callback = (!url.is_empty()).then_some(Callback { url, verify_token });
    let check = shared.world.lock().check_callbacks;
    if let Some(callback) = callback.as_ref().filter(|_| check) {
        let url = shared.rewrites.apply(&callback.url);
        let challenge = fresh::random().to_string();
        let answer = meta_webhook::challenge(&shared.client, &url, &callback.verify_token, &challenge).await;
        if !answer.is_ok_and(|answer| answer.status == 200 && answer.body == challenge) {
            return Reply::json(400, &meta_errors::body(2200, "Callback verification failed."));
        }
    }
    let mut world = shared.world.lock();
    if kind == SUBSCRIBED_APPS {
        world.subscribed.insert(id.to_owned(), callback);
    } else if let Some(number) = world.numbers.get_mut(id) {
        number.callback = callback;
    }
    success()
}

fn debug_token(shared: &Shared, request: &Recorded) -> Reply {
    let token = request.query.get("input_token");
    let valid = shared.world.lock().numbers.values().any(|number| Some(&number.token) == token);
    let scopes = if valid { vec!["whatsapp_business_messaging", "whatsapp_business_management"] } else { vec![] };
    Reply::json(200, &json!({"data": {"is_valid": valid, "expires_at": 0, "scopes": scopes}}))
}
