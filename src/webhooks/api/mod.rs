//! `/api/v1/webhooks`.

mod partner;

use super::{CreatedWebhook, DeliveryEntry, DeliveryQuery, NewSecret, NewWebhook, QueuedTest, Webhook, WebhookChanges};
use crate::auth::Feature;
use crate::events::WORKSPACE_EVENTS;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, Unread, UnreadQuery, Who, WorkspaceCaller};
use crate::workspaces;
use http::Method;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

const LISTED: &str = "Webhooks retrieved successfully.";
const CREATED: &str = "Webhook created. Store the secret securely — it won't be shown again.";
const UPDATED: &str = "Webhook updated successfully.";
const TESTED: &str = "Test event sent.";
const REGENERATED: &str = "Secret regenerated. Store it securely — it won't be shown again.";

const ALL: &str = "/api/v1/webhooks";
const EVENTS: &str = "/api/v1/webhooks/events";
const ONE: &str = "/api/v1/webhooks/{id}";
const TEST: &str = "/api/v1/webhooks/{id}/test";
const DELIVERIES: &str = "/api/v1/webhooks/{id}/deliveries";
const SECRET: &str = "/api/v1/webhooks/{id}/regenerate-secret";

/// An event that webhooks can subscribe to.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookEvent {
    #[schema(example = "contact.created")]
    pub event: &'static str,
    #[schema(example = "A contact was created.")]
    pub description: &'static str,
}

pub fn routes() -> Vec<Route> {
    let tag = "Webhooks";
    let routes = vec![
        Route::new(Method::GET, ALL, Who::Workspace, "list_webhooks", list)
            .doc(tag, "List webhooks", "All of them, the newest first, on one page.")
            .answers::<Webhook>(200, Shape::Page)
            .saying(LISTED),
        Route::new(Method::POST, ALL, Who::Workspace, "create_webhook", create)
            .doc(tag, "Create a webhook", "The answer is the only one that shows the secret. At most 50 per workspace.")
            .takes::<NewWebhook>(
                json!({"name": "CRM sync", "url": "https://crm.example/hooks", "events": ["contact.created"]}),
            )
            .answers::<CreatedWebhook>(201, Shape::One)
            .saying(CREATED),
        Route::new(Method::GET, EVENTS, Who::Workspace, "list_webhook_events", events)
            .doc(tag, "List available events", "`*` subscribes to all of them.")
            .answers::<WebhookEvent>(200, Shape::All),
        Route::new(Method::GET, ONE, Who::Workspace, "get_webhook", get)
            .doc(tag, "Get a webhook", "Without its secret.")
            .answers::<Webhook>(200, Shape::One),
        Route::new(Method::PUT, ONE, Who::Workspace, "update_webhook", update)
            .doc(
                tag,
                "Update a webhook",
                "Changes what is given. Switched off, a webhook gives up the deliveries that wait.",
            )
            .takes::<WebhookChanges>(json!({"events": ["contact.created", "message.received"], "is_active": true}))
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
        Route::new(Method::GET, DELIVERIES, Who::Workspace, "list_webhook_deliveries", deliveries)
            .doc(tag, "List delivery logs", "The newest first, each with every attempt.")
            .query("status", "pending | delivered | failed", "Only deliveries with this status.")
            .query("event", "string", "Only deliveries of this event.")
            .paged("Items per page (default 15, at most 100).")
            .answers::<DeliveryEntry>(200, Shape::Page)
            .showing(json!({"status": "delivered", "next_retry_at": null})),
        Route::new(Method::POST, SECRET, Who::Workspace, "regenerate_webhook_secret", regenerate)
            .doc(
                tag,
                "Rotate the secret",
                "The new secret signs at once. For 24 hours the old one signs beside it in `webhook-signature`.",
            )
            .answers::<NewSecret>(200, Shape::One)
            .saying(REGENERATED),
    ];
    routes.into_iter().map(|route| route.needs(Feature::Webhooks)).chain(partner::routes()).collect()
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
    let events = WORKSPACE_EVENTS.iter().map(|(event, description)| WebhookEvent { event, description });
    Reply::data(&events.collect::<Vec<_>>())
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    super::get(&caller.app.db, caller.scope(), id).await?;
    let changes = body.read_by(|fields| WebhookChanges::read(fields, &caller.app))?;
    let mut unit = caller.begin().await?;
    let updated = super::update(&mut unit, caller.scope(), id, changes).await?;
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

async fn deliveries(caller: WorkspaceCaller, Id(id): Id, query: UnreadQuery) -> Answer {
    let query: DeliveryQuery = query.read_about(super::get(&caller.app.db, caller.scope(), id)).await?;
    let listing = super::deliveries(&caller.app.db, caller.scope().into(), id, &query).await?;
    Reply::page(&listing)
}

async fn regenerate(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let key = workspaces::data_key(&caller.app, caller.scope()).await?;
    let mut unit = caller.begin().await?;
    let secret = super::regenerate_secret(&mut unit, caller.scope().into(), &key, id).await?;
    let reply = Reply::done(&secret, REGENERATED)?;
    caller.commit(unit, reply).await
}
