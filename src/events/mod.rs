//! The event log. A verb that changes something records an event in the same transaction; webhooks and whatever else
//! wants to know are readers of the log. No capability knows who listens.
//!
//! After commit, events are numbered per stream (a workspace or a partner) without gaps, and every [`Reader`] sees them
//! in the transaction that numbers them: a crash at any point repeats the whole step or nothing of it. Others read the
//! log by these numbers ([`feed()`]). What is past its time is removed ([`forget_old`]), except what a reader still needs.
//! Tables: `event`, `event_head`.

pub mod api;
mod feed;
mod metrics;
mod numbering;
mod retention;
mod span;
mod store;

pub use feed::{Feed, FeedQuery, TEST, feed, written};
pub use metrics::measure;
pub use numbering::{Reader, run};
pub use retention::forget_old;
pub use span::{Numbered, Stream, head, is_past, number_before, span};

use crate::app::Unit;
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Error, Instant, Result};
use serde::Serialize;

/// The documented workspace events, and what each means.
pub const WORKSPACE_EVENTS: &[(&str, &str)] = &[
    ("contact.created", "A contact was created."),
    ("contact.updated", "A contact was changed."),
    ("contact.deleted", "A contact was deleted."),
    ("message.received", "A message arrived from a contact."),
    ("message.sent", "A message to a contact was sent."),
    ("booking.created", "A booking was made."),
    ("booking.updated", "A booking was changed."),
    ("booking.cancelled", "A booking was cancelled."),
    ("booking.completed", "A booking was completed."),
    ("ticket.created", "A support ticket was opened."),
];

/// The documented partner events, and what each means.
pub const PARTNER_EVENTS: &[(&str, &str)] = &[
    ("partner.client.created", "A client workspace was provisioned."),
    ("partner.client.updated", "A client's plan or details were changed."),
    ("partner.client.suspended", "A client workspace was suspended."),
    ("partner.client.reactivated", "A suspended client workspace was reactivated."),
    ("partner.client.deleted", "A client workspace was deleted."),
    ("partner.client.channel.connected", "A client connected a messaging channel."),
    ("partner.client.channel.disconnected", "A client's channel went offline."),
];

/// What the second partner API calls the same happenings: it has one word for each stage of a number.
pub const HUB_EVENTS: &[(&str, &str)] = &[
    ("client_created", "A client was made."),
    ("channel_created", "A client connected a number for the first time."),
    ("channel_ready", "A number can be used."),
    ("channel_running", "A number is running."),
    ("channel_live", "A number is live."),
    ("channel_status_changed", "A number is no longer connected."),
];

/// Whether an event of a partner's log is told by the second partner API.
pub fn is_of_hub(kind: &str) -> bool {
    HUB_EVENTS.iter().any(|(event, _)| *event == kind)
}

/// An event as its readers see it.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: i64,
    pub workspace_id: Option<i64>,
    pub partner_id: Option<i64>,
    pub kind: String,
    pub subject_id: i64,
    pub created_at: Instant,
}

skylight_db::from_row!(Event { id, workspace_id, partner_id, kind, subject_id, created_at });

/// Records that something happened in a workspace; answers the event's id. `subject` is the contact or booking it
/// concerns: its events reach receivers in order. `data` becomes the payload's `data`.
pub async fn record_returning_id(
    unit: &mut Unit,
    scope: WorkspaceScope,
    kind: &'static str,
    subject: i64,
    data: &impl Serialize,
) -> Result<i64> {
    let data = serde_json::to_string(data).map_err(Error::internal)?;
    let now = unit.now();
    let id = store::insert(&mut unit.tx, scope, kind, subject, &data, now).await?;
    unit.recorded_event();
    Ok(id)
}

/// Likewise, for the many who need no id.
pub async fn record(
    unit: &mut Unit,
    scope: WorkspaceScope,
    kind: &'static str,
    subject: i64,
    data: &impl Serialize,
) -> Result<()> {
    record_returning_id(unit, scope, kind, subject, data).await.map(|_| ())
}

/// Records that something happened to a partner's client; answers the event's id.
pub async fn record_for_partner_returning_id(
    unit: &mut Unit,
    scope: PartnerScope,
    kind: &'static str,
    subject: i64,
    data: &impl Serialize,
) -> Result<i64> {
    let data = serde_json::to_string(data).map_err(Error::internal)?;
    let now = unit.now();
    let id = store::insert_for_partner(&mut unit.tx, scope, kind, subject, &data, now).await?;
    unit.recorded_event();
    Ok(id)
}

/// Likewise, for the many who need no id.
pub async fn record_for_partner(
    unit: &mut Unit,
    scope: PartnerScope,
    kind: &'static str,
    subject: i64,
    data: &impl Serialize,
) -> Result<()> {
    record_for_partner_returning_id(unit, scope, kind, subject, data).await.map(|_| ())
}
