//! `/api/v1/webhooks/{id}/recover`, `…/replay` and what became of them.

use crate::events::WORKSPACE_EVENTS;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, TwoIds, Unread, UnreadQuery, Who, WorkspaceCaller};
use crate::webhooks;
use crate::webhooks::recovery::{self, RecoverBody, Recovery, RecoveryQuery, ReplayBody};
use http::Method;
use serde_json::json;

const RECOVER: &str = "/api/v1/webhooks/{id}/recover";
const REPLAY: &str = "/api/v1/webhooks/{id}/replay";
const ALL: &str = "/api/v1/webhooks/{id}/recoveries";
const ONE: &str = "/api/v1/webhooks/{id}/recoveries/{recovery_id}";

pub(super) const RECOVERING: &str = "Recovery started.";
pub(super) const REPLAYING: &str = "Replay started.";
pub(super) const OF_RECOVER: &str = "Every delivery made since then that failed is sent again: those that were given up, and those \
that wait for another attempt. It is done in steps in the background; `GET …/recoveries/{id}` shows how far it is. 409 while another \
one of this endpoint runs, or while it is switched off.";
pub(super) const OF_REPLAY: &str = "A span of the event log goes to this endpoint, in the order of the log: by time (`from`, `to`) or \
by the events' numbers (`after`, `through`). Events that it was told already are sent again, with the same `delivery_id` and bytes; \
events that it was never told are told now. It is done in steps in the background; `GET …/recoveries/{id}` shows how far it is. 409 \
while another one of this endpoint runs, or while it is switched off.";
pub(super) const OF_LIST: &str = "Of `recover` and `replay`, the newest first. They are kept for 30 days at least.";

/// What begins one.
pub(super) fn begins(route: Route) -> Route {
    route
        .answers::<Recovery>(202, Shape::One)
        .showing(json!({"status": "running", "examined": 0, "queued": 0, "finished_at": null}))
        .may_fail(&[404, 409])
}

pub fn routes() -> Vec<Route> {
    let tag = "Webhooks";
    vec![
        begins(Route::new(Method::POST, RECOVER, Who::Workspace, "recover_webhook", recover))
            .doc(tag, "Send again what failed", OF_RECOVER)
            .takes::<RecoverBody>(json!({"since": "2026-03-04T12:00:00Z"}))
            .saying(RECOVERING),
        begins(Route::new(Method::POST, REPLAY, Who::Workspace, "replay_webhook", replay))
            .doc(tag, "Send a span of the event log", OF_REPLAY)
            .takes::<ReplayBody>(json!({
                "from": "2026-03-04T12:00:00Z", "to": "2026-03-05T12:00:00Z", "events": ["contact.created"],
            }))
            .showing(json!({"kind": "replay", "to": "2026-03-05T12:00:00.000000Z", "events": ["contact.created"]}))
            .saying(REPLAYING),
        Route::new(Method::GET, ALL, Who::Workspace, "list_webhook_recoveries", list)
            .doc(tag, "List recoveries", OF_LIST)
            .paged("Items per page (default 15, at most 100).")
            .answers::<Recovery>(200, Shape::Page)
            .showing(json!({"status": "completed"})),
        Route::new(Method::GET, ONE, Who::Workspace, "get_webhook_recovery", get)
            .doc(tag, "Get a recovery", "How far it is.")
            .answers::<Recovery>(200, Shape::One)
            .showing(json!({"status": "completed"})),
    ]
}

async fn recover(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let body: RecoverBody = body.read_about(webhooks::get(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let begun = recovery::recover(&mut unit, caller.scope().into(), id, &body).await?;
    let reply = Reply::accepted(&begun, RECOVERING)?;
    caller.commit(unit, reply).await
}

async fn replay(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    webhooks::get(&caller.app.db, caller.scope(), id).await?;
    let body = body.read_by(|fields| ReplayBody::read(fields, WORKSPACE_EVENTS))?;
    let mut unit = caller.begin().await?;
    let begun = recovery::replay(&mut unit, caller.scope().into(), id, &body).await?;
    let reply = Reply::accepted(&begun, REPLAYING)?;
    caller.commit(unit, reply).await
}

async fn list(caller: WorkspaceCaller, Id(id): Id, query: UnreadQuery) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let RecoveryQuery(page) = query.read_about(webhooks::get(db, scope, id)).await?;
    webhooks::get(db, scope, id).await?;
    Reply::page(&recovery::list(db, scope.into(), id, page).await?)
}

async fn get(caller: WorkspaceCaller, TwoIds(id, recovery): TwoIds) -> Answer {
    Reply::data(&recovery::get(&caller.app.db, caller.scope().into(), id, recovery).await?)
}
