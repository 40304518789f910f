//! `/api/v1/partner/webhook`.

use super::bodies::SetPartnerWebhook;
use super::catalogue::{PARTNER, WebhookEvent};
use super::{EVENT_LIST, GO_ON, LET_WAIT, PAUSED, RESUMED};
use crate::http::route::Shape;
use crate::http::{Answer, PartnerCaller, Reply, Route, Unread, Who};
use crate::partners;
use crate::webhooks::partner::{self, NewPartnerSecret, PartnerWebhook, PartnerWebhookBody, SavedPartnerWebhook};
use crate::webhooks::{self, QueuedTest};
use http::Method;
use serde_json::json;

const ENDPOINT: &str = "/api/v1/partner/webhook";
const SECRET: &str = "/api/v1/partner/webhook/regenerate-secret";
const TEST: &str = "/api/v1/partner/webhook/test";
const EVENTS: &str = "/api/v1/partner/webhook/events";
const PAUSE: &str = "/api/v1/partner/webhook/pause";
const RESUME: &str = "/api/v1/partner/webhook/resume";

const SAVED: &str = "Webhook saved successfully.";
const TESTED: &str = "Test event sent.";
const REGENERATED: &str = "Secret regenerated. Store it securely — it won't be shown again.";

const SET: &str = "One endpoint hears of everything that happens to your clients. The first answer, and no other, shows the \
secret that signs the deliveries; later changes keep it.";
const ROTATE: &str = "The new secret signs at once. For 24 hours the old one signs beside it in `webhook-signature`. 404 before the first `PUT`.";

pub fn routes() -> Vec<Route> {
    let tag = "Partners";
    vec![
        Route::new(Method::GET, ENDPOINT, Who::Partner, "get_partner_webhook", get)
            .doc(tag, "Get the partner webhook", "Without its secret. 404 before the first `PUT`.")
            .answers::<PartnerWebhook>(200, Shape::One)
            .may_fail(&[404]),
        Route::new(Method::PUT, ENDPOINT, Who::Partner, "set_partner_webhook", set)
            .doc(tag, "Set the partner webhook", SET)
            .takes::<SetPartnerWebhook>(json!({
                "url": "https://ops.rawabidigital.example/hooks",
                "events": ["partner.client.created", "partner.client.deleted"], "is_active": true,
            }))
            .answers::<SavedPartnerWebhook>(200, Shape::One)
            .sometimes(&["secret"])
            .saying(SAVED),
        Route::new(Method::POST, SECRET, Who::Partner, "regenerate_partner_webhook_secret", regenerate)
            .doc(tag, "Rotate the partner webhook's secret", ROTATE)
            .answers::<NewPartnerSecret>(200, Shape::One)
            .saying(REGENERATED)
            .may_fail(&[404]),
        Route::new(Method::POST, TEST, Who::Partner, "test_partner_webhook", test)
            .doc(
                tag,
                "Send a test event to the partner webhook",
                "Queues a `webhook.test` event, whatever it listens to.",
            )
            .answers::<QueuedTest>(200, Shape::One)
            .saying(TESTED)
            .may_fail(&[404]),
        Route::new(Method::GET, EVENTS, Who::Partner, "list_partner_webhook_events", events)
            .doc(tag, "List the partner webhook's events", EVENT_LIST)
            .answers::<WebhookEvent>(200, Shape::All)
            .showing(json!({
                "event": "partner.client.created", "description": "A client workspace was provisioned.",
                "schema": PARTNER[0].schema, "sample": PARTNER[0].sample,
            })),
        Route::new(Method::POST, PAUSE, Who::Partner, "pause_partner_webhook", pause)
            .doc(tag, "Pause the partner webhook", LET_WAIT)
            .answers::<PartnerWebhook>(200, Shape::One)
            .showing(json!({"paused_at": "2026-03-04T12:00:00.000000Z"}))
            .saying(PAUSED)
            .may_fail(&[404]),
        Route::new(Method::POST, RESUME, Who::Partner, "resume_partner_webhook", resume)
            .doc(tag, "Resume the partner webhook", GO_ON)
            .answers::<PartnerWebhook>(200, Shape::One)
            .saying(RESUMED)
            .may_fail(&[404]),
    ]
}

async fn get(caller: PartnerCaller) -> Answer {
    Reply::data(&partner::get(&caller.app.db, caller.scope()).await?)
}

async fn set(caller: PartnerCaller, body: Unread) -> Answer {
    let body = body.read_by(|fields| PartnerWebhookBody::read(fields, &caller.app))?;
    let key = partners::data_key(&caller.app, caller.scope()).await?;
    let mut unit = caller.begin().await?;
    let saved = partner::set(&mut unit, caller.scope(), &key, &body).await?;
    let reply = Reply::done(&saved, SAVED)?;
    caller.commit(unit, reply).await
}

async fn regenerate(caller: PartnerCaller) -> Answer {
    let key = partners::data_key(&caller.app, caller.scope()).await?;
    let mut unit = caller.begin().await?;
    let secret = partner::regenerate_secret(&mut unit, caller.scope(), &key).await?;
    let reply = Reply::done(&secret, REGENERATED)?;
    caller.commit(unit, reply).await
}

async fn test(caller: PartnerCaller) -> Answer {
    let mut unit = caller.begin().await?;
    let id = partner::id(&mut unit.tx, caller.scope()).await?;
    let queued = webhooks::send_test(&mut unit, caller.scope().into(), id).await?;
    let reply = Reply::done(&queued, TESTED)?;
    caller.commit(unit, reply).await
}

async fn events(_: PartnerCaller) -> Answer {
    Reply::data(&*PARTNER)
}

async fn pause(caller: PartnerCaller) -> Answer {
    let mut unit = caller.begin().await?;
    let id = partner::id(&mut unit.tx, caller.scope()).await?;
    let paused = PartnerWebhook::from(webhooks::pause(&mut unit, caller.scope().into(), id).await?);
    let reply = Reply::done(&paused, PAUSED)?;
    caller.commit(unit, reply).await
}

async fn resume(caller: PartnerCaller) -> Answer {
    let mut unit = caller.begin().await?;
    let id = partner::id(&mut unit.tx, caller.scope()).await?;
    let resumed = PartnerWebhook::from(webhooks::resume(&mut unit, caller.scope().into(), id).await?);
    let reply = Reply::done(&resumed, RESUMED)?;
    caller.commit(unit, reply).await
}
