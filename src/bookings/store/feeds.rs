//! All SQL of `booking_feed`, and the bookings that a calendar shows.

use crate::auth::WorkspaceScope;
use crate::bookings::BookingStatus;
use crate::bookings::feeds::{Feed, Shown, Span};
use crate::bookings::resources::ResourceKind;
use crate::kernel::{Instant, Phone, Timezone};
use skylight_db::{Db, Param, Read, Result, Tx, args, from_row};

from_row!(Feed { id, name, resource_id, created_at, updated_at, last_read_at });

pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<Feed>> {
    read.all(
        "SELECT id, name, resource_id, created_at, updated_at, last_read_at FROM booking_feed
         WHERE workspace_id = $1 ORDER BY id",
        args![scope],
    )
    .await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<Feed>> {
    read.opt(
        "SELECT id, name, resource_id, created_at, updated_at, last_read_at FROM booking_feed
         WHERE workspace_id = $1 AND id = $2",
        args![scope, id],
    )
    .await
}

pub async fn count(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    read.one("SELECT COUNT(*) FROM booking_feed WHERE workspace_id = $1", args![scope]).await
}

pub async fn insert(tx: &mut Tx, scope: WorkspaceScope, new: &Feed, hash: &[u8; 32]) -> Result<i64> {
    tx.one(
        "INSERT INTO booking_feed (workspace_id, resource_id, name, hash, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $5) RETURNING id",
        args![scope, new.resource_id, new.name, hash, new.created_at],
    )
    .await
}

/// Puts another address in the place of a feed's. Nobody has read the new one.
pub async fn replace(tx: &mut Tx, scope: WorkspaceScope, id: i64, hash: &[u8; 32], now: Instant) -> Result<bool> {
    let sql = "UPDATE booking_feed SET hash = $3, updated_at = $4, last_read_at = NULL
               WHERE workspace_id = $1 AND id = $2";
    Ok(tx.exec(sql, args![scope, id, hash, now]).await? == 1)
}

pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    Ok(tx.exec("DELETE FROM booking_feed WHERE workspace_id = $1 AND id = $2", args![scope, id]).await? == 1)
}

pub async fn delete_of_resource(tx: &mut Tx, scope: WorkspaceScope, resource: i64) -> Result<()> {
    let sql = "DELETE FROM booking_feed WHERE workspace_id = $1 AND resource_id = $2";
    tx.exec(sql, args![scope, resource]).await.map(|_| ())
}

/// A feed that opens now, with what its calendar says of itself.
pub struct OpenRow {
    pub id: i64,
    pub workspace_id: i64,
    pub resource_id: Option<i64>,
    pub name: Option<String>,
    pub last_read_at: Option<Instant>,
    pub resource_name: Option<String>,
    pub resource_zone: Option<Timezone>,
    pub public_id: String,
    pub company_name: String,
    pub timezone: Timezone,
    pub brand: String,
}

from_row!(OpenRow {
    id,
    workspace_id,
    resource_id,
    name,
    last_read_at,
    resource_name,
    resource_zone,
    public_id,
    company_name,
    timezone,
    brand
});

/// The feed behind an address, if its workspace may use it now.
pub async fn all_workspaces_open(db: &Db, hash: &[u8; 32]) -> Result<Option<OpenRow>> {
    db.opt(
        "SELECT feed.id, feed.workspace_id, feed.resource_id, feed.name, feed.last_read_at, resource.name,
                resource.timezone, workspace.public_id, workspace.company_name, workspace.timezone,
                partner.company_name
         FROM booking_feed AS feed
         JOIN workspace ON workspace.id = feed.workspace_id AND workspace.status = 'active'
         JOIN partner ON partner.id = workspace.partner_id AND partner.status = 'active'
         JOIN plan ON plan.id = workspace.plan_id AND plan.booking
         LEFT JOIN booking_resource AS resource
              ON resource.workspace_id = feed.workspace_id AND resource.id = feed.resource_id
         WHERE feed.hash = $1 AND (feed.resource_id IS NULL OR resource.deleted_at IS NULL)",
        args![hash],
    )
    .await
}

/// Writes when a feed was read, unless that was written since `unless_since`. What was read of an address that was
/// replaced meanwhile says nothing of the new one.
pub async fn set_read(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    hash: &[u8; 32],
    now: Instant,
    unless_since: Instant,
) -> Result<()> {
    tx.exec(
        "UPDATE booking_feed SET last_read_at = $4
         WHERE workspace_id = $1 AND id = $2 AND hash = $3 AND COALESCE(last_read_at, 0) < $5",
        args![scope, id, hash, now, unless_since],
    )
    .await
    .map(|_| ())
}

/// A booking as calendars show it.
pub struct EventRow {
    pub id: i64,
    pub title: String,
    pub starts_at: Instant,
    pub ends_at: Instant,
    pub status: BookingStatus,
    /// The beginning: a character more than calendars show.
    pub notes: Option<String>,
    pub revision: i64,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub contact_name: String,
    pub contact_phone: Option<Phone>,
    pub contact_updated_at: Instant,
    pub resource_name: String,
    pub resource_kind: ResourceKind,
    pub resource_updated_at: Instant,
    pub type_name: String,
    pub type_updated_at: Instant,
}

from_row!(EventRow {
    id,
    title,
    starts_at,
    ends_at,
    status,
    notes,
    revision,
    created_at,
    updated_at,
    contact_name,
    contact_phone,
    contact_updated_at,
    resource_name,
    resource_kind,
    resource_updated_at,
    type_name,
    type_updated_at
});

const EVENT: &str =
    "SELECT b.id, b.title, b.starts_at, b.ends_at, b.status, substr(b.notes, 1, 2001), b.revision, b.created_at,
        b.updated_at, c.name, c.phone, c.updated_at, r.name, r.type, r.updated_at, t.name, t.updated_at
    FROM booking AS b
    JOIN contact AS c ON c.workspace_id = b.workspace_id AND c.id = b.contact_id
    JOIN booking_resource AS r ON r.workspace_id = b.workspace_id AND r.id = b.resource_id
    JOIN booking_type AS t ON t.workspace_id = b.workspace_id AND t.id = b.booking_type_id
    WHERE b.workspace_id = $1 AND b.starts_at >= $2 AND b.starts_at < $3 AND b.ends_at > $4 AND b.ends_at <= $5
      AND b.status <> 'cancelled' AND (b.held_until IS NULL OR b.held_until > $6)";

/// Bookings of a span, by their start: the first of them, or the last. Only active ones are held for a while, so what is
/// held no longer has lapsed.
pub async fn events(db: &Db, scope: WorkspaceScope, shown: Shown, span: &Span) -> Result<Vec<EventRow>> {
    let (start_from, start_to) = span.starts;
    let (end_after, end_to) = span.ends;
    let mut values = vec![
        scope.value(),
        start_from.value(),
        start_to.value(),
        end_after.value(),
        end_to.value(),
        span.now.value(),
        span.most.value(),
    ];
    let narrow = match &shown.resource {
        Some(resource) => {
            values.push(resource.value());
            "AND b.resource_id = $8"
        }
        None => "",
    };
    let order = if span.latest { "b.starts_at DESC, b.id DESC" } else { "b.starts_at, b.id" };
    db.long().all(&format!("{EVENT} {narrow} ORDER BY {order} LIMIT $7"), &values).await
}
