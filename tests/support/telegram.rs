//! An imitation of the Telegram Bot API: a real HTTP server that knows bots, keeps their webhooks, accepts sends,
//! delivers updates with the secret header, records everything, and misbehaves on request. What it answers is decided in
//! [`super::telegram_api`].

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    fresh,
    http::{HttpClient, HttpResponse},
    script::{Behaviour, Hold, Script},
    server::{Recorded, Rewrites, StandInServer},
    telegram_api::answer,
    wait::Journal,
};

pub const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// One method call, whatever became of it.
#[derive(Clone, Debug)]
pub struct TelegramCall {
    pub request: Recorded,
    pub token: String,
    /// As written in the path.
    pub method: String,
    /// Query, form and JSON parameters in one object; from query and form all are strings.
    pub params: Value,
    pub accepted: bool,
    /// The `result` it was answered with (or would have been, when the answer was lost); null when refused.
    pub result: Value,
}

impl TelegramCall {
    pub fn is(&self, method: &str) -> bool {
        self.method.eq_ignore_ascii_case(method)
    }

    /// Whether it puts a message before a person.
    pub fn is_send(&self) -> bool {
        self.method.to_ascii_lowercase().starts_with("send") && !self.is("sendChatAction")
    }

    pub fn chat_id(&self) -> i64 {
        integer(&self.params["chat_id"]).unwrap_or_default()
    }

    pub fn text(&self) -> &str {
        self.params["text"].as_str().unwrap_or_default()
    }

    /// The id of the message that an accepted send made.
    pub fn message_id(&self) -> i64 {
        self.result["message_id"].as_i64().unwrap_or_default()
    }
}

/// A registered webhook.
#[derive(Clone, Debug)]
pub struct TelegramHook {
    pub url: String,
    pub secret_token: Option<String>,
    pub allowed_updates: Value,
    pub max_connections: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Bot {
    pub(super) id: i64,
    pub(super) username: String,
    pub(super) hook: Option<TelegramHook>,
    pub(super) waiting: Vec<Value>,
    pub(super) allowed_updates: Value,
}

impl Bot {
    pub(super) fn user(&self) -> Value {
        json!({"id": self.id, "is_bot": true, "first_name": "Shop", "username": self.username})
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) bots: BTreeMap<String, Bot>,
    pub(super) blocked: BTreeSet<i64>,
    pub(super) migrated: BTreeMap<i64, i64>,
    pub(super) http_allowed: bool,
    pub(super) update_id: i64,
    pub(super) message_id: i64,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) script: Script,
    pub(super) rewrites: Rewrites,
    pub(super) calls: Journal<TelegramCall>,
    pub(super) queued: Notify,
    pub(super) client: HttpClient,
}

/// The imitated provider. Dropping it closes the port.
#[derive(Debug)]
pub struct TelegramStandIn {
    shared: Arc<Shared>,
    server: StandInServer,
}

impl TelegramStandIn {
    pub async fn start() -> Self {
        let world = World {
            bots: BTreeMap::new(),
            blocked: BTreeSet::new(),
            migrated: BTreeMap::new(),
            http_allowed: false,
            update_id: 733_210_000,
            message_id: 800,
        };
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            script: Script::default(),
            rewrites: Rewrites::default(),
            calls: Journal::default(),
            queued: Notify::new(),
            client: HttpClient::new(),
        });
        let state = shared.clone();
        let server = StandInServer::start(move |request| answer(state.clone(), request)).await;
        Self { shared, server }
    }

    /// What `SKYLIGHT_TELEGRAM_API_URL` should be.
    pub fn base(&self) -> String {
        self.server.base()
    }

    /// Makes a bot known; the digits before the colon are its id. Other tokens get 401.
    #[track_caller]
    pub fn add_bot(&self, token: &str, username: &str) -> i64 {
        let id = token.split(':').next().and_then(|id| id.parse().ok());
        let id = id.unwrap_or_else(|| panic!("a bot token is digits, a colon, and 35 characters: {token}"));
        let username = username.to_owned();
        let bot = Bot { id, username, hook: None, waiting: Vec::new(), allowed_updates: Value::Null };
        self.shared.world.lock().bots.insert(token.to_owned(), bot);
        id
    }

    /// The token stops working: 401 from now on.
    pub fn revoke(&self, token: &str) {
        self.shared.world.lock().bots.remove(token);
    }

    /// Every send to this chat is refused as blocked by the person.
    pub fn block(&self, chat_id: i64) {
        self.shared.world.lock().blocked.insert(chat_id);
    }

    /// Every send to the old chat is refused with `migrate_to_chat_id`.
    pub fn migrate(&self, from: i64, to: i64) {
        self.shared.world.lock().migrated.insert(from, to);
    }

    /// Accepts webhook URLs that are not https or on an odd port, which Telegram does not.
    pub fn allow_any_hook_url(&self) {
        self.shared.world.lock().http_allowed = true;
    }

    /// Webhook URLs under `from` are really posted to under `to`.
    pub fn set_hook_rewrite(&self, from: &str, to: &str) {
        self.shared.rewrites.set(from, to);
    }

    /// Behaviours by method name: `script().next("sendMessage", too_many_requests(14))`, `"send*"`, `"*"`.
    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// The next call of the method is done, but its answer waits for the handle.
    pub fn hold_next(&self, method: &str) -> Hold {
        let (behaviour, hold) = Behaviour::normal().held();
        self.shared.script.next(method, behaviour);
        hold
    }

    /// Every call of every method.
    pub fn calls(&self) -> Vec<TelegramCall> {
        self.shared.calls.all()
    }

    pub fn calls_of(&self, method: &str) -> Vec<TelegramCall> {
        self.shared.calls.filtered(|call| call.is(method))
    }

    /// Accepted messages: what people's phones would show.
    pub fn sends(&self) -> Vec<TelegramCall> {
        self.shared.calls.filtered(|call| call.is_send() && call.accepted)
    }

    /// Messages, accepted or refused.
    pub fn attempts(&self) -> Vec<TelegramCall> {
        self.shared.calls.filtered(TelegramCall::is_send)
    }

    /// Waits for `count` accepted messages in all, and returns all.
    #[track_caller]
    pub fn wait_for_sends(&self, count: usize) -> impl Future<Output = Vec<TelegramCall>> {
        self.shared.calls.wait_for("accepted Telegram send", count, |call| call.is_send() && call.accepted)
    }

    /// Waits for `count` messages in all, accepted or refused, and returns all.
    #[track_caller]
    pub fn wait_for_attempts(&self, count: usize) -> impl Future<Output = Vec<TelegramCall>> {
        self.shared.calls.wait_for("attempted Telegram send", count, TelegramCall::is_send)
    }

    /// Waits for `count` calls of this method in all, and returns all.
    #[track_caller]
    pub fn wait_for_calls(&self, method: &str, count: usize) -> impl Future<Output = Vec<TelegramCall>> {
        let wanted = method.to_owned();
        self.shared.calls.wait_for(format!("call of {method}"), count, move |call| call.is(&wanted))
    }

    /// Panics if more than `count` messages have been tried by the end of the window.
    #[track_caller]
    pub fn no_more_attempts_than(&self, count: usize, window: Duration) -> impl Future<Output = ()> {
        self.shared.calls.stays_at("attempted Telegram send", count, window, TelegramCall::is_send)
    }

    /// The webhook registered for this bot.
    pub fn hook(&self, token: &str) -> Option<TelegramHook> {
        self.shared.world.lock().bots.get(token)?.hook.clone()
    }

    /// An update with a text message from a private chat; `update_id` and `message_id` grow with each.
    pub fn text_update(&self, chat_id: i64, first_name: &str, text: &str) -> Value {
        let person = json!({"id": chat_id, "is_bot": false, "first_name": first_name, "language_code": "ar"});
        let chat = json!({"id": chat_id, "type": "private", "first_name": first_name});
        let id = self.next_message_id();
        self.update(
            "message",
            json!({"message_id": id, "date": fresh::unix_now(), "from": person, "chat": chat, "text": text}),
        )
    }

    /// An update of any kind with the next `update_id`.
    pub fn update(&self, kind: &str, content: Value) -> Value {
        let mut world = self.shared.world.lock();
        world.update_id += 1;
        json!({"update_id": world.update_id, kind: content})
    }

    pub fn next_message_id(&self) -> i64 {
        self.shared.world.lock().next_message_id()
    }

    /// Posts an update to the one registered webhook, with the secret that was registered.
    pub async fn deliver(&self, update: &Value) -> HttpResponse {
        let hook = self.only_hook();
        self.post(&hook, update, hook.secret_token.as_deref()).await
    }

    /// Posts an update to the webhook of this bot.
    pub async fn deliver_to(&self, token: &str, update: &Value) -> HttpResponse {
        let hook = self.hook(token).unwrap_or_else(|| panic!("this bot has no webhook: {token}"));
        self.post(&hook, update, hook.secret_token.as_deref()).await
    }

    /// Posts an update to the one registered webhook with another secret, or with none.
    pub async fn deliver_with_secret(&self, update: &Value, secret: Option<&str>) -> HttpResponse {
        self.post(&self.only_hook(), update, secret).await
    }

    /// Puts an update where `getUpdates` finds it.
    #[track_caller]
    pub fn queue(&self, token: &str, update: Value) {
        let mut world = self.shared.world.lock();
        world.bots.get_mut(token).expect("add_bot first").waiting.push(update);
        self.shared.queued.notify_waiters();
    }

    #[track_caller]
    fn only_hook(&self) -> TelegramHook {
        let world = self.shared.world.lock();
        let mut hooks = world.bots.values().filter_map(|bot| bot.hook.clone());
        match (hooks.next(), hooks.next()) {
            (Some(hook), None) => hook,
            (None, _) => panic!("no bot has a webhook; these calls were made: {:#?}", self.shared.calls.all()),
            _ => panic!("several bots have webhooks: use deliver_to"),
        }
    }

    async fn post(&self, hook: &TelegramHook, update: &Value, secret: Option<&str>) -> HttpResponse {
        let mut request = self.shared.client.post(self.shared.rewrites.apply(&hook.url)).json(update);
        if let Some(secret) = secret {
            request = request.header(SECRET_HEADER, secret);
        }
        request.send().await
    }
}

impl World {
    pub(super) fn next_message_id(&mut self) -> i64 {
        self.message_id += 1;
        self.message_id
    }
}

/// A refusal in the documented envelope; `parameters` may be null.
pub fn error(code: u16, description: &str, parameters: Value) -> Behaviour {
    Behaviour::answer(code, &error_body(code, description, parameters))
}

/// 429 with `parameters.retry_after` and the same `Retry-After` header.
pub fn too_many_requests(retry_after_seconds: u32) -> Behaviour {
    let description = format!("Too Many Requests: retry after {retry_after_seconds}");
    error(429, &description, json!({"retry_after": retry_after_seconds}))
        .with_header("retry-after", retry_after_seconds)
}

pub fn blocked_by_user() -> Behaviour {
    error(403, "Forbidden: bot was blocked by the user", Value::Null)
}

pub fn unauthorized() -> Behaviour {
    error(401, "Unauthorized", Value::Null)
}

pub fn server_error() -> Behaviour {
    error(500, "Internal Server Error", Value::Null)
}

pub fn migrated_to(chat_id: i64) -> Behaviour {
    error(400, MIGRATED, json!({"migrate_to_chat_id": chat_id}))
}

pub(super) const MIGRATED: &str = "Bad Request: group chat was upgraded to a supergroup chat";

pub(super) fn error_body(code: u16, description: &str, parameters: Value) -> Value {
    let mut body = json!({"ok": false, "error_code": code, "description": description});
    if !parameters.is_null() {
        body["parameters"] = parameters;
    }
    body
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
