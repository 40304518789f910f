//! `/api/v1/partner/webhook`.

use crate::http::route::Shape;
use crate::http::{Answer, PartnerCaller, Reply, Route, Unread, UnreadQuery, Who};
use crate::partners;
use crate::webhooks::partner::{self, NewPartnerSecret, PartnerWebhook, PartnerWebhookBody, SavedPartnerWebhook};
use crate::webhooks::{DeliveryEntry, DeliveryQuery, QueuedTest};
use http::Method;
use serde_json::json;

const ENDPOINT: &str = "/api/v1/partner/webhook";
const SECRET: &str = "/api/v1/partner/webhook/regenerate-secret";
const TEST: &str = "/api/v1/partner/webhook/test";
const DELIVERIES: &str = "/api/v1/partner/webhook/deliveries";

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
            .takes::<PartnerWebhookBody>(json!({
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
        Route::new(Method::GET, DELIVERIES, Who::Partner, "list_partner_webhook_deliveries", deliveries)
            .doc(tag, "List the partner webhook's delivery logs", "The newest first, each with every attempt.")
            .query("status", "pending | delivered | failed", "Only deliveries with this status.")
            .query("event", "string", "Only deliveries of this event.")
            .paged("Items per page (default 15, at most 100).")
            .answers::<DeliveryEntry>(200, Shape::Page)
            .showing(json!({"event": "partner.client.created", "status": "delivered", "next_retry_at": null}))
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
    let queued = partner::send_test(&mut unit, caller.scope()).await?;
    let reply = Reply::done(&queued, TESTED)?;
    caller.commit(unit, reply).await
}

async fn deliveries(caller: PartnerCaller, query: UnreadQuery) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let query: DeliveryQuery = query.read_about(partner::get(db, scope)).await?;
    Reply::page(&partner::deliveries(db, scope, &query).await?)
}
