//! All SQL of `audit_entry`. Lists are sorted by time, then by id, and their indexes serve every filter but the actor.

use super::{Action, Outcome, PartnerQuery, Query};
use crate::app::{ActorKind, Origin};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::Instant;
use skylight_db::{Db, Param, Read, Result, Tx, Value, args, from_row};

/// What an entry says.
pub struct Line<'a> {
    pub origin: &'a Origin,
    pub action: Action,
    pub target: i64,
    pub outcome: Outcome,
    pub changes: &'a str,
}

impl Line<'_> {
    fn request_id(&self) -> Option<&str> {
        self.origin.trace.as_ref().map(|trace| &*trace.request_id)
    }

    fn address(&self) -> Option<String> {
        self.origin.trace.as_ref().map(|trace| trace.address.to_string())
    }
}

/// An entry of a workspace, and of whoever's partner it is.
pub async fn insert(tx: &mut Tx, scope: WorkspaceScope, of_partner: bool, line: &Line<'_>, now: Instant) -> Result<()> {
    write(tx, (Some(scope), None), of_partner, line, now).await
}

/// An entry of a partner alone.
pub async fn insert_for_partner(tx: &mut Tx, scope: PartnerScope, line: &Line<'_>, now: Instant) -> Result<()> {
    write(tx, (None, Some(scope)), true, line, now).await
}

async fn write(
    tx: &mut Tx,
    (workspace, partner): (Option<WorkspaceScope>, Option<PartnerScope>),
    of_partner: bool,
    line: &Line<'_>,
    now: Instant,
) -> Result<()> {
    let (actor, real) = (&line.origin.actor, line.origin.real_actor.as_ref());
    tx.exec(
        "INSERT INTO audit_entry (workspace_id, partner_id, company_name, of_partner, created_at, actor_type, actor_id,
             actor_name, real_actor_type, real_actor_id, real_actor_name, action, target_type, target_id, request_id,
             address, result, changes)
         VALUES ($1, COALESCE($2, (SELECT partner_id FROM workspace WHERE id = $1)),
             (SELECT company_name FROM workspace WHERE id = $1), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
             $16, $17)",
        args![
            workspace,
            partner,
            of_partner,
            now,
            actor.kind,
            actor.id,
            &*actor.name,
            real.map(|real| real.kind),
            real.and_then(|real| real.id),
            real.map(|real| &*real.name),
            line.action,
            line.action.target(),
            line.target,
            line.request_id(),
            line.address(),
            line.outcome,
            line.changes
        ],
    )
    .await
    .map(|_| ())
}

pub struct Row {
    pub id: i64,
    pub workspace_id: Option<i64>,
    pub company_name: Option<String>,
    pub created_at: Instant,
    pub actor_type: ActorKind,
    pub actor_id: Option<i64>,
    pub actor_name: String,
    pub real_actor_type: Option<ActorKind>,
    pub real_actor_id: Option<i64>,
    pub real_actor_name: Option<String>,
    pub action: Action,
    pub target_type: String,
    pub target_id: i64,
    pub request_id: Option<String>,
    pub address: Option<String>,
    pub result: Outcome,
    pub changes: String,
}
from_row!(Row {
    id,
    workspace_id,
    company_name,
    created_at,
    actor_type,
    actor_id,
    actor_name,
    real_actor_type,
    real_actor_id,
    real_actor_name,
    action,
    target_type,
    target_id,
    request_id,
    address,
    result,
    changes
});

const COLUMNS: &str = "id, workspace_id, company_name, created_at, actor_type, actor_id, actor_name, real_actor_type,
    real_actor_id, real_actor_name, action, target_type, target_id, request_id, address, result, changes";

pub async fn page(db: &Db, scope: WorkspaceScope, query: &Query) -> Result<Vec<Row>> {
    let mut text = Text { values: vec![scope.value()] };
    let conditions = text.conditions(query);
    let cut = text.cut(query);
    db.long()
        .all(&format!("SELECT {COLUMNS} FROM audit_entry WHERE workspace_id = $1{conditions}{cut}"), &text.values)
        .await
}

pub async fn count(db: &Db, scope: WorkspaceScope, query: &Query) -> Result<i64> {
    let mut text = Text { values: vec![scope.value()] };
    let conditions = text.conditions(query);
    db.long().one(&format!("SELECT COUNT(*) FROM audit_entry WHERE workspace_id = $1{conditions}"), &text.values).await
}

pub async fn all_workspaces_page(db: &Db, scope: PartnerScope, query: &PartnerQuery) -> Result<Vec<Row>> {
    let mut text = Text { values: vec![scope.value()] };
    let conditions = text.of_client(query);
    let cut = text.cut(&query.query);
    db.long()
        .all(&format!("SELECT {COLUMNS} FROM audit_entry WHERE partner_id = $1{conditions}{cut}"), &text.values)
        .await
}

pub async fn all_workspaces_count(db: &Db, scope: PartnerScope, query: &PartnerQuery) -> Result<i64> {
    let mut text = Text { values: vec![scope.value()] };
    let conditions = text.of_client(query);
    db.long().one(&format!("SELECT COUNT(*) FROM audit_entry WHERE partner_id = $1{conditions}"), &text.values).await
}

/// Pieces of fixed SQL, and the values they compare with. `$1` is whose entries they are.
struct Text<'a> {
    values: Vec<Value<'a>>,
}

impl<'a> Text<'a> {
    fn compared(&mut self, what: &str, value: Option<Value<'a>>) -> String {
        let Some(value) = value else { return String::new() };
        self.values.push(value);
        format!(" AND {what} ${}", self.values.len())
    }

    fn of_client(&mut self, query: &'a PartnerQuery) -> String {
        self.compared("workspace_id =", query.client_id.map(Value::Int)) + &self.conditions(&query.query)
    }

    fn conditions(&mut self, query: &'a Query) -> String {
        [
            ("action =", query.action.as_ref().map(Param::value)),
            ("actor_type =", query.actor.as_ref().map(Param::value)),
            ("actor_id =", query.actor_id.map(Value::Int)),
            ("created_at >=", query.from.as_ref().map(Param::value)),
            ("created_at <", query.until.as_ref().map(Param::value)),
        ]
        .map(|(what, value)| self.compared(what, value))
        .concat()
    }

    /// Where the part begins and how long it is. The index is cut at the moment of the cursor; within one moment the id
    /// decides.
    fn cut(&mut self, query: &Query) -> String {
        let (place, size, skipped) = (query.page.before(), query.page.limit(), query.page.offset());
        self.values.extend([place.key, place.id, size, skipped].map(Value::Int));
        let last = self.values.len();
        let [key, id, size, skipped] = [last - 3, last - 2, last - 1, last].map(|at| format!("${at}"));
        format!(
            " AND created_at <= {key} AND (created_at < {key} OR id < {id})
             ORDER BY created_at DESC, id DESC LIMIT {size} OFFSET {skipped}"
        )
    }
}

pub async fn purge(tx: &mut Tx, scope: WorkspaceScope, batch: i64) -> Result<u64> {
    tx.exec(
        "DELETE FROM audit_entry WHERE workspace_id = $1 AND NOT of_partner AND id IN (
             SELECT id FROM audit_entry WHERE workspace_id = $1 AND NOT of_partner LIMIT $2)",
        args![scope, batch],
    )
    .await
}
