//! `/api/v1/webhooks`.

pub mod bodies;
pub mod catalogue;
mod deliveries;
mod partner;
mod partner_log;
mod recoveries;

pub use catalogue::{PARTNER, WORKSPACE, WebhookEvent, sample};

use super::{CreatedWebhook, NewSecret, NewWebhook, QueuedTest, Webhook, WebhookChanges};
use crate::auth::Feature;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, Unread, Who, WorkspaceCaller};
use crate::workspaces;
use bodies::{CreateWebhook, UpdateWebhook};
use http::Method;
use serde_json::json;

const LISTED: &str = "Webhooks retrieved successfully.";
const CREATED: &str = "Webhook created. Store the secret securely — it won't be shown again.";
const UPDATED: &str = "Webhook updated successfully.";
const TESTED: &str = "Test event sent.";
const REGENERATED: &str = "Secret regenerated. Store it securely — it won't be shown again.";
const PAUSED: &str = "Webhook paused.";
const RESUMED: &str = "Webhook resumed.";

const ALL: &str = "/api/v1/webhooks";
const EVENTS: &str = "/api/v1/webhooks/events";
const ONE: &str = "/api/v1/webhooks/{id}";
const TEST: &str = "/api/v1/webhooks/{id}/test";
const PAUSE: &str = "/api/v1/webhooks/{id}/pause";
const RESUME: &str = "/api/v1/webhooks/{id}/resume";
const SECRET: &str = "/api/v1/webhooks/{id}/regenerate-secret";

const CREATE: &str = "The answer is the only one that shows the secret. At most 50 per workspace. `headers`, `rate_limit`, \
`payload_version` and `signing` are additions to the documented API.";
const UPDATE: &str =
    "Changes what is given. Switched off, a webhook gives up the deliveries that wait; `pause` keeps them.";
const LET_WAIT: &str = "Deliveries wait and nothing is given up: what happens meanwhile queues behind what waits. Requests under \
way come to their end. Test events wait too.";
const GO_ON: &str = "What waits goes out in its order.";
const ROTATE: &str = "The new secret signs at once. For 24 hours the old one signs beside it in `webhook-signature`. A webhook that \
has a key pair gets a new one likewise.";
const EVENT_LIST: &str = "Each with a JSON schema of the payload and a sample. `*` subscribes to all of them.";

pub fn routes() -> Vec<Route> {
    let routes = of_webhooks().into_iter().chain(deliveries::routes()).chain(recoveries::routes());
    routes.map(|route| route.needs(Feature::Webhooks)).chain(partner::routes()).chain(partner_log::routes()).collect()
}

fn of_webhooks() -> Vec<Route> {
    let tag = "Webhooks";
    vec![
        Route::new(Method::GET, ALL, Who::Workspace, "list_webhooks", list)
            .doc(tag, "List webhooks", "All of them, the newest first, on one page.")
            .answers::<Webhook>(200, Shape::Page)
            .saying(LISTED),
        Route::new(Method::POST, ALL, Who::Workspace, "create_webhook", create)
            .doc(tag, "Create a webhook", CREATE)
            .takes::<CreateWebhook>(json!({
                "name": "CRM sync", "url": "https://crm.example/hooks", "events": ["contact.created"],
                "headers": {"Authorization": "Bearer of-the-receiver"}, "rate_limit": 600, "signing": "ed25519",
            }))
            .answers::<CreatedWebhook>(201, Shape::One)
            .saying(CREATED),
        Route::new(Method::GET, EVENTS, Who::Workspace, "list_webhook_events", events)
            .doc(tag, "List available events", EVENT_LIST)
            .answers::<WebhookEvent>(200, Shape::All),
        Route::new(Method::GET, ONE, Who::Workspace, "get_webhook", get)
            .doc(tag, "Get a webhook", "Without its secret.")
            .answers::<Webhook>(200, Shape::One),
        Route::new(Method::PUT, ONE, Who::Workspace, "update_webhook", update)
            .doc(tag, "Update a webhook", UPDATE)
            .takes::<UpdateWebhook>(json!({"events": ["contact.created", "message.received"], "is_active": true}))
            .answers::<Webhook>(200, Shape::One)
            .saying(UPDATED),
        Route::new(Method::DELETE, ONE, Who::Workspace, "delete_webhook", delete)
            .doc(tag, "Delete a webhook", "Its delivery log goes with it.")
            .answers_nothing(),
        Route::new(Method::POST, TEST, Who::Workspace, "test_webhook", test)
            .doc(
                tag,
                "Send a test event",
                "Queues a `webhook.test` event for this webhook alone, whatever it subscribes to.",
            )
            .answers::<QueuedTest>(200, Shape::One)
            .saying(TESTED),
        Route::new(Method::POST, PAUSE, Who::Workspace, "pause_webhook", pause)
            .doc(tag, "Pause a webhook", LET_WAIT)
            .answers::<Webhook>(200, Shape::One)
            .showing(json!({"paused_at": "2026-03-04T12:00:00.000000Z"}))
            .saying(PAUSED),
        Route::new(Method::POST, RESUME, Who::Workspace, "resume_webhook", resume)
            .doc(tag, "Resume a webhook", GO_ON)
            .answers::<Webhook>(200, Shape::One)
            .saying(RESUMED),
        Route::new(Method::POST, SECRET, Who::Workspace, "regenerate_webhook_secret", regenerate)
            .doc(tag, "Rotate the secret", ROTATE)
            .answers::<NewSecret>(200, Shape::One)
            .saying(REGENERATED),
    ]
}

async fn list(caller: WorkspaceCaller) -> Answer {
    let listing = super::list(&caller.app.db, caller.scope()).await?;
    Reply::page_saying(&listing, LISTED)
}

async fn create(caller: WorkspaceCaller, body: Unread) -> Answer {
    let new = body.read_by(|fields| NewWebhook::read(fields, &caller.app))?;
    let key = workspaces::data_key(&caller.app, caller.scope()).await?;
    let mut unit = caller.begin().await?;
    let created = super::create(&mut unit, caller.scope(), &key, new).await?;
    let reply = Reply::created(&created, CREATED)?;
    caller.commit(unit, reply).await
}

async fn events(_: WorkspaceCaller) -> Answer {
    Reply::data(&*WORKSPACE)
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    super::get(&caller.app.db, caller.scope(), id).await?;
    let changes = body.read_by(|fields| WebhookChanges::read(fields, &caller.app))?;
    let key = workspaces::data_key(&caller.app, caller.scope()).await?;
    let mut unit = caller.begin().await?;
    let updated = super::update(&mut unit, caller.scope(), &key, id, changes).await?;
    let reply = Reply::done(&updated, UPDATED)?;
    caller.commit(unit, reply).await
}

async fn delete(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    super::delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn test(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let queued = super::send_test(&mut unit, caller.scope().into(), id).await?;
    let reply = Reply::done(&queued, TESTED)?;
    caller.commit(unit, reply).await
}

async fn pause(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let paused = Webhook::from(super::pause(&mut unit, caller.scope().into(), id).await?);
    let reply = Reply::done(&paused, PAUSED)?;
    caller.commit(unit, reply).await
}

async fn resume(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let resumed = Webhook::from(super::resume(&mut unit, caller.scope().into(), id).await?);
    let reply = Reply::done(&resumed, RESUMED)?;
    caller.commit(unit, reply).await
}

async fn regenerate(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let key = workspaces::data_key(&caller.app, caller.scope()).await?;
    let mut unit = caller.begin().await?;
    let secret = super::regenerate_secret(&mut unit, caller.scope().into(), &key, id).await?;
    let reply = Reply::done(&secret, REGENERATED)?;
    caller.commit(unit, reply).await
}
