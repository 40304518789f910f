//! The log of `/api/v1/partner/webhook`: its deliveries, and what is sent again.

use super::{deliveries as of_deliveries, recoveries as of_recoveries};
use crate::events::PARTNER_EVENTS;
use crate::http::route::Shape;
use crate::http::{Answer, Id, PartnerCaller, Reply, Route, Unread, UnreadQuery, Who};
use crate::webhooks::recovery::{self, RecoverBody, Recovery, RecoveryQuery, ReplayBody};
use crate::webhooks::{self, DeliveryEntry, DeliveryQuery, DeliveryWithPayload, partner};
use http::Method;
use serde_json::json;

const DELIVERIES: &str = "/api/v1/partner/webhook/deliveries";
const DELIVERY: &str = "/api/v1/partner/webhook/deliveries/{delivery_id}";
const AGAIN: &str = "/api/v1/partner/webhook/deliveries/{delivery_id}/redeliver";
const RECOVER: &str = "/api/v1/partner/webhook/recover";
const REPLAY: &str = "/api/v1/partner/webhook/replay";
const RECOVERIES: &str = "/api/v1/partner/webhook/recoveries";
const RECOVERY: &str = "/api/v1/partner/webhook/recoveries/{recovery_id}";

pub fn routes() -> Vec<Route> {
    let tag = "Partners";
    let shown = json!({"event": "partner.client.created", "status": "delivered", "next_retry_at": null});
    let queued = json!({"event": "partner.client.created", "next_retry_at": null, "delivered_at": null});
    let list = Route::new(Method::GET, DELIVERIES, Who::Partner, "list_partner_webhook_deliveries", deliveries);
    vec![
        of_deliveries::filtered(list)
            .doc(tag, "List the partner webhook's delivery logs", of_deliveries::LIST)
            .showing(shown.clone())
            .may_fail(&[404]),
        Route::new(Method::GET, DELIVERY, Who::Partner, "get_partner_webhook_delivery", delivery)
            .doc(tag, "Get a delivery of the partner webhook", "With the body as it is sent.")
            .answers::<DeliveryWithPayload>(200, Shape::One)
            .showing(shown),
        Route::new(Method::POST, AGAIN, Who::Partner, "redeliver_partner_webhook_delivery", redeliver)
            .doc(tag, "Send a delivery of the partner webhook again", of_deliveries::REDELIVER)
            .answers::<DeliveryEntry>(200, Shape::One)
            .showing(queued)
            .saying(of_deliveries::REDELIVERED)
            .may_fail(&[409]),
        of_recoveries::begins(Route::new(Method::POST, RECOVER, Who::Partner, "recover_partner_webhook", recover))
            .doc(tag, "Send again what failed at the partner webhook", of_recoveries::OF_RECOVER)
            .takes::<RecoverBody>(json!({"since": "2026-03-04T12:00:00Z"}))
            .saying(of_recoveries::RECOVERING),
        of_recoveries::begins(Route::new(Method::POST, REPLAY, Who::Partner, "replay_partner_webhook", replay))
            .doc(tag, "Send a span of the partner's event log", of_recoveries::OF_REPLAY)
            .takes::<ReplayBody>(json!({"from": "2026-03-04T12:00:00Z", "events": ["partner.client.created"]}))
            .showing(json!({"kind": "replay", "events": ["partner.client.created"]}))
            .saying(of_recoveries::REPLAYING),
        Route::new(Method::GET, RECOVERIES, Who::Partner, "list_partner_webhook_recoveries", recoveries)
            .doc(tag, "List the partner webhook's recoveries", of_recoveries::OF_LIST)
            .paged("Items per page (default 15, at most 100).")
            .answers::<Recovery>(200, Shape::Page)
            .showing(json!({"status": "completed"}))
            .may_fail(&[404]),
        Route::new(Method::GET, RECOVERY, Who::Partner, "get_partner_webhook_recovery", recovery)
            .doc(tag, "Get a recovery of the partner webhook", "How far it is.")
            .answers::<Recovery>(200, Shape::One)
            .showing(json!({"status": "completed"})),
    ]
}

async fn deliveries(caller: PartnerCaller, query: UnreadQuery) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let query: DeliveryQuery = query.read_about(partner::id(db, scope)).await?;
    let id = partner::id(db, scope).await?;
    Reply::page(&webhooks::deliveries(db, scope.into(), id, &query).await?)
}

async fn delivery(caller: PartnerCaller, Id(delivery): Id) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let id = partner::id(db, scope).await?;
    Reply::data(&webhooks::delivery(db, scope.into(), id, delivery).await?)
}

async fn redeliver(caller: PartnerCaller, Id(delivery): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let id = partner::id(&mut unit.tx, caller.scope()).await?;
    let queued = webhooks::redeliver(&mut unit, caller.scope().into(), id, delivery).await?;
    let reply = Reply::done(&queued, of_deliveries::REDELIVERED)?;
    caller.commit(unit, reply).await
}

async fn recover(caller: PartnerCaller, body: Unread) -> Answer {
    let id = partner::id(&caller.app.db, caller.scope()).await?;
    let body: RecoverBody = body.read()?;
    let mut unit = caller.begin().await?;
    let begun = recovery::recover(&mut unit, caller.scope().into(), id, &body).await?;
    let reply = Reply::accepted(&begun, of_recoveries::RECOVERING)?;
    caller.commit(unit, reply).await
}

async fn replay(caller: PartnerCaller, body: Unread) -> Answer {
    let id = partner::id(&caller.app.db, caller.scope()).await?;
    let body = body.read_by(|fields| ReplayBody::read(fields, PARTNER_EVENTS))?;
    let mut unit = caller.begin().await?;
    let begun = recovery::replay(&mut unit, caller.scope().into(), id, &body).await?;
    let reply = Reply::accepted(&begun, of_recoveries::REPLAYING)?;
    caller.commit(unit, reply).await
}

async fn recoveries(caller: PartnerCaller, query: UnreadQuery) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let RecoveryQuery(page) = query.read_about(partner::id(db, scope)).await?;
    let id = partner::id(db, scope).await?;
    Reply::page(&recovery::list(db, scope.into(), id, page).await?)
}

async fn recovery(caller: PartnerCaller, Id(recovery): Id) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let id = partner::id(db, scope).await?;
    Reply::data(&recovery::get(db, scope.into(), id, recovery).await?)
}
