//! A partner's page of its own endpoint: where it hears of its clients, whether that works, and what was delivered.

use super::partner::{self, PartnerWebhook, PartnerWebhookBody};
use super::{DeliveryEntry, DeliveryQuery, EVERY, HookUrl, Status, Wishes};
use crate::dashboard::{Place, Reader, Referrer, Shell, TAG, Words, day_and_time};
use crate::events::PARTNER_EVENTS;
use crate::http::{Form, PartnerSignedIn, Route, Who};
use crate::kernel::{Page, Result, Secret, Timezone};
use crate::partners;
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

const ALL: &str = "/partner/webhook";
const SECRET: &str = "/partner/webhook/secret";
const TEST: &str = "/partner/webhook/test";
/// Of the latest deliveries.
const SHOWN: i64 = 10;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, ALL, Who::PartnerSession, "partner_webhook_page", show).doc(
            TAG,
            "A partner's webhook",
            "With its latest deliveries.",
        ),
        Route::new(Method::POST, ALL, Who::PartnerSession, "save_partner_webhook", save).doc(
            TAG,
            "Set a partner's webhook",
            "A new one's secret is shown once.",
        ),
        Route::new(Method::POST, SECRET, Who::PartnerSession, "renew_partner_webhook_secret", renew).doc(
            TAG,
            "Rotate the secret of a partner's webhook",
            "Shown once; the old one signs beside it for a day.",
        ),
        Route::new(Method::POST, TEST, Who::PartnerSession, "send_partner_webhook_test", test).doc(
            TAG,
            "Send a test event to a partner's webhook",
            "",
        ),
    ]
}

/// An event in the form.
struct Choice {
    name: &'static str,
    is_chosen: bool,
}

/// A delivery in the list.
struct Delivery {
    event: String,
    at: String,
    status: &'static str,
    /// The class that colours it.
    state: &'static str,
    answer: Option<u16>,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/partner_webhook.html")]
struct Hook {
    shell: Shell,
    /// As it is, or as it was typed.
    url: String,
    is_set: bool,
    is_active: bool,
    disabled: Option<String>,
    events: Vec<Choice>,
    deliveries: Vec<Delivery>,
    secret: Option<String>,
    said: Option<&'static str>,
    fault: Option<&'static str>,
}

/// What the page says beside its form.
#[derive(Default)]
struct Says {
    typed: Option<String>,
    secret: Option<Secret>,
    said: Option<&'static str>,
    fault: Option<&'static str>,
}

async fn show(signed_in: PartnerSignedIn, reader: Reader) -> Result<Response> {
    hook_page(&signed_in, &reader, Says::default()).await
}

async fn save(signed_in: PartnerSignedIn, reader: Reader, form: Form) -> Result<Response> {
    let w = reader.words();
    let typed = form.text("url").trim().to_owned();
    let Ok(url) = HookUrl::parse(&signed_in.app, &typed) else {
        return hook_page(&signed_in, &reader, Says { typed: Some(typed), fault: Some(w.bad_url), ..Says::default() })
            .await;
    };
    let chosen = chosen_events(&form);
    if chosen.is_empty() {
        let says = Says { typed: Some(typed), fault: Some(w.no_events_chosen), ..Says::default() };
        return hook_page(&signed_in, &reader, says).await;
    }
    let is_active = Some(form.get("is_active").is_some());
    let body = PartnerWebhookBody { url, events: Some(chosen), is_active, wishes: Wishes::default() };
    let key = partners::data_key(&signed_in.app, signed_in.scope()).await?;
    let mut unit = signed_in.begin().await?;
    let saved = partner::set(&mut unit, signed_in.scope(), &key, &body).await?;
    unit.commit().await?;
    hook_page(&signed_in, &reader, Says { secret: saved.secret, said: Some(w.saved), ..Says::default() }).await
}

async fn renew(signed_in: PartnerSignedIn, reader: Reader) -> Result<Response> {
    let key = partners::data_key(&signed_in.app, signed_in.scope()).await?;
    let mut unit = signed_in.begin().await?;
    let renewed = partner::regenerate_secret(&mut unit, signed_in.scope(), &key).await?;
    unit.commit().await?;
    hook_page(&signed_in, &reader, Says { secret: Some(renewed.secret), ..Says::default() }).await
}

async fn test(signed_in: PartnerSignedIn, reader: Reader) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    let id = partner::id(&mut unit.tx, signed_in.scope()).await?;
    super::send_test(&mut unit, signed_in.scope().into(), id).await?;
    unit.commit().await?;
    hook_page(&signed_in, &reader, Says { said: Some(reader.words().test_sent), ..Says::default() }).await
}

/// Every event by one name when all are chosen, so that events of later releases are heard of too.
fn chosen_events(form: &Form) -> Vec<String> {
    let chosen: Vec<String> = PARTNER_EVENTS
        .iter()
        .filter(|(name, _)| form.get(name).is_some())
        .map(|(name, _)| (*name).to_owned())
        .collect();
    if chosen.len() == PARTNER_EVENTS.len() { vec![EVERY.to_owned()] } else { chosen }
}

async fn hook_page(signed_in: &PartnerSignedIn, reader: &Reader, says: Says) -> Result<Response> {
    let (db, scope) = (&signed_in.app.db, signed_in.scope());
    let known = match partner::get(db, scope).await {
        Err(error) if error.public().status == 404 => None,
        found => Some(found?),
    };
    let latest = DeliveryQuery { status: None, event: None, from: None, to: None, page: Page::first(SHOWN) };
    let deliveries = match &known {
        Some(_) => super::deliveries(db, scope.into(), partner::id(db, scope).await?, &latest).await?.items,
        None => Vec::new(),
    };
    let shell = Shell::of_partner(reader, &signed_in.session, Place::PartnerWebhook);
    let w = reader.words();
    let page = Hook {
        shell,
        url: says.typed.or_else(|| known.as_ref().map(|hook| hook.url.clone())).unwrap_or_default(),
        is_set: known.is_some(),
        is_active: known.as_ref().is_none_or(|hook| hook.is_active),
        disabled: known.as_ref().and_then(|hook| hook.disabled_reason.clone()),
        events: choices(known.as_ref()),
        deliveries: deliveries.into_iter().map(|delivery| shown(delivery, w)).collect(),
        secret: says.secret.map(|secret| secret.reveal().to_owned()),
        said: says.said,
        fault: says.fault,
    };
    let status = if page.fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    reader.page(status, Referrer::SameOrigin, &page)
}

fn choices(known: Option<&PartnerWebhook>) -> Vec<Choice> {
    let is_chosen =
        |name: &str| known.is_none_or(|hook| hook.events.iter().any(|event| event == name || event == EVERY));
    PARTNER_EVENTS.iter().map(|(name, _)| Choice { name, is_chosen: is_chosen(name) }).collect()
}

fn shown(delivery: DeliveryEntry, w: &'static Words) -> Delivery {
    let (status, state) = match (delivery.status, delivery.next_retry_at) {
        (Status::Delivered, _) => (w.delivered, "good"),
        (Status::Failed, None) => (w.not_delivered, "bad"),
        (Status::Failed, Some(_)) => (w.tried_again, "wait"),
        (Status::Pending, _) => (w.waiting, "wait"),
    };
    // A partner has no zone of its own.
    let at = day_and_time(delivery.created_at, &Timezone::utc()) + " UTC";
    Delivery { event: delivery.event, at, status, state, answer: delivery.response_status, error: delivery.error }
}
