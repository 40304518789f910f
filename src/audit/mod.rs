//! The audit log: who did what, from where, by which request.
//!
//! A verb records an entry in its own transaction, so that there is neither an effect without its entry nor an entry
//! without its effect. The database itself refuses to change entries, and to remove them but with a deleted workspace;
//! what a partner did to a client, the partner keeps. There is no setting that makes the log shorter.
//! Tables: `audit_entry`.

mod action;
pub mod api;
mod attempts;
mod changes;
mod store;

pub use action::Action;
pub use attempts::{Whose, refused, sign_in_refused};
pub use changes::Changes;

use crate::app::{Actor, ActorKind, Unit};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::page::Cursor;
use crate::kernel::{Fields, Input, Instant, Listing, Page, Result};
use crate::words;
use serde::Serialize;
use serde_json::{Map, Value};
use skylight_db::Db;
use utoipa::ToSchema;

words! {
    /// How it ended.
    pub enum Outcome { Success = "success", Refused = "refused" }
}

/// One entry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    #[schema(example = 907)]
    pub id: i64,
    pub created_at: Instant,
    pub action: Action,
    pub result: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// Who really did it, if a partner acted inside of a client's workspace.
    pub real_actor: Option<Actor>,
    /// The workspace it concerns, if it is not the partner's own matter.
    pub client: Option<ClientName>,
    pub target: Target,
    /// By field: what it is from now on.
    #[schema(example = json!({"name": "CRM", "allowed_domains": ["app.example.com"]}))]
    pub changes: Map<String, Value>,
    /// The request that did it; none for background work and the command line.
    #[schema(example = "3f0c1d2e4b5a69788796a5b4c3d2e1f0")]
    pub request_id: Option<String>,
    /// Where it came from.
    #[schema(example = "203.0.113.7")]
    pub address: Option<String>,
}

/// A client as it was called then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditClient)]
pub struct ClientName {
    #[schema(example = 101)]
    pub id: i64,
    #[schema(example = "Al-Madar Retail")]
    pub company_name: String,
}

/// What it was done to; it may be gone by now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditTarget)]
pub struct Target {
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "api_key")]
    pub kind: String,
    #[schema(example = 12)]
    pub id: i64,
}

/// Records what was done in or to a workspace; `target` is the id of what the action names.
pub async fn record(
    unit: &mut Unit,
    scope: WorkspaceScope,
    action: Action,
    target: i64,
    changes: Changes,
) -> Result<()> {
    let origin = unit.origin().clone();
    // What became of a client is for its partner to know, also when the month did it.
    let of_partner = origin.is_outside() || action.target() == "client";
    let line = store::Line { origin: &origin, action, target, outcome: Outcome::Success, changes: &changes.written() };
    let now = unit.now();
    Ok(store::insert(&mut unit.tx, scope, of_partner, &line, now).await?)
}

/// Records what was done to a partner itself.
pub async fn record_for_partner(
    unit: &mut Unit,
    scope: PartnerScope,
    action: Action,
    target: i64,
    changes: Changes,
) -> Result<()> {
    let origin = unit.origin().clone();
    let line = store::Line { origin: &origin, action, target, outcome: Outcome::Success, changes: &changes.written() };
    let now = unit.now();
    Ok(store::insert_for_partner(&mut unit.tx, scope, &line, now).await?)
}

/// Which entries are asked for.
#[derive(Debug)]
pub struct Query {
    page: Page,
    action: Option<Action>,
    actor: Option<ActorKind>,
    actor_id: Option<i64>,
    from: Option<Instant>,
    /// Before this moment.
    until: Option<Instant>,
}

impl Input for Query {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            page: Page::read(fields, 15, 100),
            action: fields.at("action").one_of(Action::WORDS),
            actor: fields.at("actor").one_of(ActorKind::WORDS),
            actor_id: fields.at("actor_id").id(),
            from: fields.at("from").span().map(|(first, _)| first),
            until: fields.at("to").span().map(|(_, after)| after),
        })
    }
}

/// Likewise, of a partner's clients.
#[derive(Debug)]
pub struct PartnerQuery {
    query: Query,
    client_id: Option<i64>,
}

impl Input for PartnerQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let client_id = fields.at("client_id").id();
        Some(Self { query: Query::read(fields)?, client_id })
    }
}

/// What was done in and to a workspace, newest first.
pub async fn of_workspace(db: &Db, scope: WorkspaceScope, query: &Query) -> Result<Listing<Entry>> {
    let rows = store::page(db, scope, query).await?;
    let total = async { Ok(store::count(db, scope, query).await?) };
    shown(query.page, rows, total).await
}

/// What was done to a partner, and in and to its clients, also those that are gone.
pub async fn of_partner(db: &Db, scope: PartnerScope, query: &PartnerQuery) -> Result<Listing<Entry>> {
    let rows = store::all_workspaces_page(db, scope, query).await?;
    let total = async { Ok(store::all_workspaces_count(db, scope, query).await?) };
    shown(query.query.page, rows, total).await
}

async fn shown(page: Page, rows: Vec<store::Row>, total: impl Future<Output = Result<i64>>) -> Result<Listing<Entry>> {
    let place = |row: &store::Row| Cursor { key: row.created_at.micros(), id: row.id };
    Ok(Listing::of(page, rows, place, total).await?.map(Entry::from))
}

/// Removes a batch of a deleted workspace's own entries; answers how many there were.
pub async fn purge(unit: &mut Unit, scope: WorkspaceScope, batch: i64) -> Result<u64> {
    Ok(store::purge(&mut unit.tx, scope, batch).await?)
}

impl From<store::Row> for Entry {
    fn from(row: store::Row) -> Self {
        let actor = |kind, id, name: String| Actor { kind, id, name: name.into() };
        let real_actor = row.real_actor_type.zip(row.real_actor_name);
        let client = row.workspace_id.zip(row.company_name);
        Self {
            id: row.id,
            created_at: row.created_at,
            action: row.action,
            result: row.result,
            actor: actor(row.actor_type, row.actor_id, row.actor_name),
            real_actor: real_actor.map(|(kind, name)| actor(kind, row.real_actor_id, name)),
            client: client.map(|(id, company_name)| ClientName { id, company_name }),
            target: Target { kind: row.target_type, id: row.target_id },
            changes: serde_json::from_str(&row.changes).unwrap_or_default(),
            request_id: row.request_id,
            address: row.address,
        }
    }
}
