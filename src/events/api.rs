//! `GET /api/v1/events`: the log itself, for whoever wants to read it instead of being called.

use super::FeedQuery;
use crate::http::route::Shape;
use crate::http::{Answer, Query, Reply, Route, Who, WorkspaceCaller};
use crate::kernel::Instant;
use http::Method;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/events", Who::Workspace, "list_events", list)
            .doc("Events", "Read the event log", FEED)
            .query("after", "position", "The number that was read last: `meta.next_after` of the answer before.")
            .query("limit", "integer", "Events per answer (default 100, at most 1000).")
            .query("types", "string", "Only these events, separated by commas: `contact.created,contact.deleted`.")
            .answers::<FeedItem>(200, Shape::Feed),
    ]
}

const FEED: &str = "The workspace's events, numbered 1, 2, 3 … without gaps once their changes are committed. What was once \
read never changes, and nothing appears later before it. Begin without `after`; then ask again with `after` = `meta.next_after`, at once while \
`meta.has_more` is true, after a pause otherwise. An answer may hold fewer events than `limit`, or none, and still say that \
there is more: `types` leaves numbers out. The log is kept as long as the workspace, so no `after` is too old; one that the \
log has not reached is 422. `data` has the bytes that webhooks carry.";

/// An event of the log.
#[derive(Debug, ToSchema)]
pub struct FeedItem {
    /// Its number in the workspace's log.
    #[schema(example = 1041)]
    pub seq: i64,
    /// One of the documented events, or `webhook.test`.
    #[schema(example = "contact.created")]
    pub event: String,
    /// When it happened.
    pub timestamp: Instant,
    #[schema(example = json!({"contact": {"id": 42, "name": "Sarah Johnson"}}))]
    pub data: Map<String, Value>,
}

async fn list(caller: WorkspaceCaller, Query(query): Query<FeedQuery>) -> Answer {
    let feed = super::feed(&caller.app.db, caller.scope(), &query).await?;
    Reply::written(&feed.items, &feed.meta)
}
