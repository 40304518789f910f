//! An imitation of the WhatsApp Cloud API: a real HTTP server that knows numbers and tokens, accepts sends,
//! records everything, and misbehaves on request. What it answers is decided in [`super::meta_api`]; inbound POSTs
//! are built by [`super::meta_webhook`].

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{
    http::{HttpClient, HttpResponse},
    meta_api::answer,
    meta_webhook::MetaWebhook,
    script::{Behaviour, Hold, Script},
    server::{Recorded, Rewrites, StandInServer},
    wait::Journal,
};

/// Kinds of request, as [`MetaStandIn::script`] knows them.
pub const SEND: &str = "send";
pub const MARK_READ: &str = "mark_read";
pub const PHONE_NUMBER: &str = "phone_number";
pub const PHONE_NUMBERS: &str = "phone_numbers";
pub const SUBSCRIBED_APPS: &str = "subscribed_apps";
pub const CONFIGURE_NUMBER: &str = "configure_number";
pub const DEBUG_TOKEN: &str = "debug_token";

/// One `POST /{v}/{phone_number_id}/messages` with a message in it.
#[derive(Clone, Debug)]
pub struct MetaSend {
    pub request: Recorded,
    pub phone_number_id: String,
    /// `to` as written, or `recipient` when there is no `to`.
    pub to: String,
    /// `biz_opaque_callback_data`.
    pub callback_data: Option<String>,
    /// The id it was accepted under; none when it was refused.
    pub wamid: Option<String>,
}

impl MetaSend {
    /// The id of an accepted send.
    #[track_caller]
    pub fn wamid(&self) -> &str {
        self.wamid.as_deref().unwrap_or_else(|| panic!("was not accepted: {self:?}"))
    }

    /// The body of the request.
    pub fn body(&self) -> &Value {
        &self.request.json
    }

    /// The canonical address: digits alone.
    pub fn wa_id(&self) -> String {
        digits(&self.to)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Number {
    pub(super) waba: String,
    pub(super) display: String,
    pub(super) verified_name: String,
    pub(super) token: String,
    pub(super) app_secret: String,
    pub(super) fields: Map<String, Value>,
    pub(super) callback: Option<Callback>,
}

#[derive(Clone, Debug)]
pub(super) struct Callback {
    pub(super) url: String,
    pub(super) verify_token: String,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) numbers: BTreeMap<String, Number>,
    pub(super) subscribed: BTreeMap<String, Option<Callback>>,
    pub(super) wa_ids: BTreeMap<String, String>,
    pub(super) check_callbacks: bool,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) script: Script,
    pub(super) rewrites: Rewrites,
    pub(super) requests: Journal<Recorded>,
    pub(super) attempts: Journal<MetaSend>,
    pub(super) client: HttpClient,
}

/// The imitated provider. Dropping it closes the port.
#[derive(Debug)]
pub struct MetaStandIn {
    shared: Arc<Shared>,
    server: StandInServer,
}

impl MetaStandIn {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        let server = StandInServer::start(move |request| answer(state.clone(), request)).await;
        Self { shared, server }
    }

    /// What `SKYLIGHT_WHATSAPP_API_URL` should be: no version, no slash at the end.
    pub fn base(&self) -> String {
        self.server.base()
    }

    /// Makes a number known, with the one token that may use it and the secret its webhooks are signed with.
    pub fn add_number(
        &self,
        phone_number_id: &str,
        waba_id: &str,
        display: &str,
        verified_name: &str,
        token: &str,
        app_secret: &str,
    ) {
        let number = Number {
            waba: waba_id.to_owned(),
            display: display.to_owned(),
            verified_name: verified_name.to_owned(),
            token: token.to_owned(),
            app_secret: app_secret.to_owned(),
            fields: Map::new(),
            callback: None,
        };
        self.shared.world.lock().numbers.insert(phone_number_id.to_owned(), number);
    }

    /// Changes a field of a number's answer, for example `status` to `BANNED`.
    pub fn set_field(&self, phone_number_id: &str, field: &str, value: Value) {
        self.with_number(phone_number_id, |number| {
            number.fields.insert(field.to_owned(), value);
        });
    }

    /// From now on only this token opens the number; the old one gets 401 with code 190.
    pub fn set_token(&self, phone_number_id: &str, token: &str) {
        self.with_number(phone_number_id, |number| token.clone_into(&mut number.token));
    }

    /// The address the provider canonicalises `digits` to (Brazil, Mexico), instead of the same digits.
    pub fn set_wa_id(&self, digits: &str, wa_id: &str) {
        self.shared.world.lock().wa_ids.insert(digits.to_owned(), wa_id.to_owned());
    }

    /// Callback URLs under `from` are really posted to under `to`.
    pub fn set_hook_rewrite(&self, from: &str, to: &str) {
        self.shared.rewrites.set(from, to);
    }

    /// When on, an overriding callback is accepted only after the GET verification challenge succeeds there,
    /// as at Meta. Off at first.
    pub fn check_callbacks(&self, on: bool) {
        self.shared.world.lock().check_callbacks = on;
    }

    /// The whole script, for kinds of request other than sends: `script().next(PHONE_NUMBER, …)`.
    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// What to do with the next send that has no behaviour yet; calls line up.
    pub fn next_send(&self, behaviour: Behaviour) {
        self.shared.script.next(SEND, behaviour);
    }

    /// What to do with every send that finds nothing in the line.
    pub fn every_send(&self, behaviour: Behaviour) {
        self.shared.script.always(SEND, behaviour);
    }

    /// The next send is accepted, but its answer waits for the handle.
    pub fn hold_next_send(&self) -> Hold {
        let (behaviour, hold) = Behaviour::normal().held();
        self.next_send(behaviour);
        hold
    }

    /// Every request of every kind.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.all()
    }

    /// Accepted messages: what a customer's phone would show.
    pub fn sends(&self) -> Vec<MetaSend> {
        self.shared.attempts.filtered(|send| send.wamid.is_some())
    }

    /// Messages, accepted or refused. (A wrong bearer or an unknown number is no attempt; see [`Self::requests`].)
    pub fn attempts(&self) -> Vec<MetaSend> {
        self.shared.attempts.all()
    }

    /// Waits for `count` accepted messages in all, and returns all.
    #[track_caller]
    pub fn wait_for_sends(&self, count: usize) -> impl Future<Output = Vec<MetaSend>> {
        self.shared.attempts.wait_for("accepted WhatsApp send", count, |send| send.wamid.is_some())
    }

    /// Waits for `count` messages in all, accepted or refused, and returns all.
    #[track_caller]
    pub fn wait_for_attempts(&self, count: usize) -> impl Future<Output = Vec<MetaSend>> {
        self.shared.attempts.wait_for("attempted WhatsApp send", count, |_| true)
    }

    /// Waits for `count` requests that `keep` wants, and returns those.
    #[track_caller]
    pub fn wait_for_requests(
        &self,
        what: impl Into<String>,
        count: usize,
        keep: impl Fn(&Recorded) -> bool,
    ) -> impl Future<Output = Vec<Recorded>> {
        self.shared.requests.wait_for(what, count, keep)
    }

    /// Panics if more than `count` messages have been tried by the end of the window.
    #[track_caller]
    pub fn no_more_attempts_than(&self, count: usize, window: Duration) -> impl Future<Output = ()> {
        self.shared.attempts.stays_at("attempted WhatsApp send", count, window, |_| true)
    }

    /// The accounts (WABA ids) that were subscribed to webhooks.
    pub fn subscribed(&self) -> Vec<String> {
        self.shared.world.lock().subscribed.keys().cloned().collect()
    }

    /// The overriding callback of a number, as registered: its own, else its account's. URL and verify token.
    pub fn callback(&self, phone_number_id: &str) -> Option<(String, String)> {
        let world = self.shared.world.lock();
        let number = world.numbers.get(phone_number_id)?;
        let account = || world.subscribed.get(&number.waba).cloned().flatten();
        number.callback.clone().or_else(account).map(|callback| (callback.url, callback.verify_token))
    }

    /// An inbound POST that begins with one change for this number.
    #[track_caller]
    pub fn webhook(&self, phone_number_id: &str) -> MetaWebhook {
        let (waba, display) = self.with_number(phone_number_id, |n| (n.waba.clone(), n.display.clone()));
        MetaWebhook::new().entry(&waba).change(phone_number_id, &display)
    }

    /// Posts to the number's registered callback (rewritten), signed with the number's secret.
    pub async fn deliver(&self, phone_number_id: &str, webhook: &MetaWebhook) -> HttpResponse {
        let (url, _) = self
            .callback(phone_number_id)
            .unwrap_or_else(|| panic!("nobody registered a callback for {phone_number_id}"));
        let secret = self.with_number(phone_number_id, |number| number.app_secret.clone());
        webhook.post(&self.shared.client, &self.shared.rewrites.apply(&url), &secret).await
    }

    #[track_caller]
    fn with_number<R>(&self, phone_number_id: &str, work: impl FnOnce(&mut Number) -> R) -> R {
        let mut world = self.shared.world.lock();
        let number = world.numbers.get_mut(phone_number_id);
        work(number.unwrap_or_else(|| panic!("no number {phone_number_id}; add_number first")))
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
