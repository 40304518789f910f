//! How a booking came to be what it is.

use super::{Booking, BookingStatus, store};
use crate::app::{Actor, Origin, Unit};
use crate::auth::WorkspaceScope;
use crate::kernel::{Cursor, Fields, Input, Instant, Listing, Page, Result};
use crate::words;
use serde::Serialize;
use skylight_db::Db;
use utoipa::ToSchema;

words! {
    /// What happened. `lapsed` is a hold that nobody confirmed in time, `not_reminded` a reminder that could not be
    /// sent.
    pub enum Action {
        Created = "created",
        Confirmed = "confirmed",
        Moved = "moved",
        Cancelled = "cancelled",
        Lapsed = "lapsed",
        Completed = "completed",
        NoShow = "no_show",
        Reminded = "reminded",
        NotReminded = "not_reminded",
    }
}

/// What happened once, and what the booking was from then on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingHistoryEntry)]
pub struct Entry {
    #[schema(example = 12)]
    pub id: i64,
    #[schema(inline)]
    pub action: Action,
    pub status: BookingStatus,
    #[schema(example = 2)]
    pub resource_id: i64,
    pub starts_at: Instant,
    #[schema(value_type = String, format = DateTime, example = "2026-03-04T13:00:00.000000Z")]
    pub ends_at: Instant,
    pub reason: Option<String>,
    /// Who did it.
    pub actor: Actor,
    pub created_at: Instant,
}

/// The query of a history.
#[derive(Clone, Copy, Debug)]
pub struct Query(Page);

impl Input for Query {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self(Page::read(fields, 25, 100)))
    }
}

/// What happened to a booking, the latest first.
pub async fn of(db: &Db, scope: WorkspaceScope, booking: i64, Query(page): Query) -> Result<Listing<Entry>> {
    super::get(db, scope, booking).await?;
    let rows = store::listing::history(db, scope, booking, page).await?;
    let total = async { Ok(store::listing::count_history(db, scope, booking).await?) };
    Listing::of(page, rows, |entry| Cursor::id(entry.id), total).await
}

/// Keeps what has just happened.
pub(super) async fn note(
    unit: &mut Unit,
    scope: WorkspaceScope,
    booking: &Booking,
    action: Action,
    reason: Option<&str>,
) -> Result<()> {
    // A hold ends by itself, whoever comes across it first.
    let actor = if action == Action::Lapsed { Origin::system().actor } else { unit.origin().actor.clone() };
    let now = unit.now();
    Ok(store::note(&mut unit.tx, scope, booking, action, reason, &actor, now).await?)
}
