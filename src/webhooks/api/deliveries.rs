//! `/api/v1/webhooks/{id}/deliveries`.

use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, TwoIds, UnreadQuery, Who, WorkspaceCaller};
use crate::webhooks::{self, DeliveryEntry, DeliveryQuery, DeliveryWithPayload};
use http::Method;
use serde_json::json;

const ALL: &str = "/api/v1/webhooks/{id}/deliveries";
const ONE: &str = "/api/v1/webhooks/{id}/deliveries/{delivery_id}";
const AGAIN: &str = "/api/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver";

pub(super) const REDELIVERED: &str = "Delivery queued again.";
pub(super) const LIST: &str = "The newest first, each with every attempt.";
pub(super) const REDELIVER: &str = "Also of one that was delivered. The same bytes are sent under the same `delivery_id`, the \
numbers of attempts go on, and the schedule of retries begins anew. One that is on its way stays so. 409 while the endpoint is \
switched off.";

/// The filters of the log.
pub(super) fn filtered(route: Route) -> Route {
    route
        .query("status", "pending | delivered | failed", "Only deliveries with this status.")
        .query("event", "string", "Only deliveries of this event.")
        .query("from", "instant", "Only deliveries made from then on: a moment with its offset, or a day in UTC.")
        .query("to", "instant", "Only deliveries made before then.")
        .paged("Items per page (default 15, at most 100).")
        .answers::<DeliveryEntry>(200, Shape::Page)
}

pub fn routes() -> Vec<Route> {
    let tag = "Webhooks";
    vec![
        filtered(Route::new(Method::GET, ALL, Who::Workspace, "list_webhook_deliveries", list))
            .doc(tag, "List delivery logs", LIST)
            .showing(json!({"status": "delivered", "next_retry_at": null})),
        Route::new(Method::GET, ONE, Who::Workspace, "get_webhook_delivery", get)
            .doc(tag, "Get a delivery", "With the body as it is sent.")
            .answers::<DeliveryWithPayload>(200, Shape::One)
            .showing(json!({"status": "delivered", "next_retry_at": null})),
        Route::new(Method::POST, AGAIN, Who::Workspace, "redeliver_webhook_delivery", redeliver)
            .doc(tag, "Send a delivery again", REDELIVER)
            .answers::<DeliveryEntry>(200, Shape::One)
            .showing(json!({"next_retry_at": null, "delivered_at": null}))
            .saying(REDELIVERED)
            .may_fail(&[409]),
    ]
}

async fn list(caller: WorkspaceCaller, Id(id): Id, query: UnreadQuery) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let query: DeliveryQuery = query.read_about(webhooks::get(db, scope, id)).await?;
    Reply::page(&webhooks::deliveries(db, scope.into(), id, &query).await?)
}

async fn get(caller: WorkspaceCaller, TwoIds(id, delivery): TwoIds) -> Answer {
    Reply::data(&webhooks::delivery(&caller.app.db, caller.scope().into(), id, delivery).await?)
}

async fn redeliver(caller: WorkspaceCaller, TwoIds(id, delivery): TwoIds) -> Answer {
    let mut unit = caller.begin().await?;
    let queued = webhooks::redeliver(&mut unit, caller.scope().into(), id, delivery).await?;
    let reply = Reply::done(&queued, REDELIVERED)?;
    caller.commit(unit, reply).await
}
