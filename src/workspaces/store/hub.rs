//! What the second partner API reads and writes of `workspace`.

use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::Instant;
use crate::workspaces::hub::{Change, HubRow};
use skylight_db::{Db, Param, Read, Result, Tx, Value, args, from_row, placeholders};

from_row!(HubRow {
    public_id,
    company_name,
    status,
    timezone,
    country_id,
    address,
    partner_payload,
    max_channels,
    plan_channels,
    created_at,
    modified_at,
    first_name,
    last_name,
    email,
    phone
});

const CLIENT: &str = "SELECT workspace.public_id, workspace.company_name, workspace.status, workspace.timezone,
        workspace.country_id, workspace.address, workspace.partner_payload, workspace.max_channels, plan.channels,
        workspace.created_at, workspace.modified_at,
        team_member.first_name, team_member.last_name, team_member.email, team_member.phone
    FROM workspace
    JOIN plan ON plan.id = workspace.plan_id
    JOIN team_member ON team_member.workspace_id = workspace.id AND team_member.is_primary";

/// In the order they were made.
pub async fn hub_page(
    db: &Db,
    partner: PartnerScope,
    descending: bool,
    limit: i64,
    offset: i64,
) -> Result<Vec<HubRow>> {
    let order = if descending { "DESC" } else { "ASC" };
    let sql = format!(
        "{CLIENT} WHERE workspace.partner_id = $1 AND workspace.status <> 'deleted'
         ORDER BY workspace.created_at {order}, workspace.id {order} LIMIT $2 OFFSET $3"
    );
    db.all(&sql, args![partner, limit, offset]).await
}

pub async fn hub_count(db: &Db, partner: PartnerScope) -> Result<i64> {
    db.one("SELECT COUNT(*) FROM workspace WHERE partner_id = $1 AND status <> 'deleted'", args![partner]).await
}

pub async fn hub_by_ids(db: &Db, partner: PartnerScope, ids: &[&str]) -> Result<Vec<HubRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "{CLIENT} WHERE workspace.partner_id = $1 AND workspace.status <> 'deleted' AND workspace.public_id IN ({})
         ORDER BY workspace.created_at, workspace.id",
        placeholders(2, ids.len())
    );
    let values: Vec<Value<'_>> = std::iter::once(partner.value()).chain(ids.iter().map(Param::value)).collect();
    db.all(&sql, &values).await
}

pub async fn hub_find(read: impl Read, partner: PartnerScope, scope: WorkspaceScope) -> Result<Option<HubRow>> {
    let sql =
        format!("{CLIENT} WHERE workspace.partner_id = $1 AND workspace.id = $2 AND workspace.status <> 'deleted'");
    read.opt(&sql, args![partner, scope]).await
}

pub async fn hub_id(read: impl Read, partner: PartnerScope, public_id: &str) -> Result<Option<i64>> {
    read.opt(
        "SELECT id FROM workspace WHERE partner_id = $1 AND public_id = $2 AND status <> 'deleted'",
        args![partner, public_id],
    )
    .await
}

pub async fn plan_channels(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    read.one(
        "SELECT plan.channels FROM workspace JOIN plan ON plan.id = workspace.plan_id WHERE workspace.id = $1",
        args![scope],
    )
    .await
}

pub async fn set_hub(tx: &mut Tx, scope: WorkspaceScope, change: &Change, now: Instant) -> Result<()> {
    let Change { partner_payload, max_channels } = change;
    tx.exec(
        "UPDATE workspace SET partner_payload = CASE WHEN $2 THEN $3 ELSE partner_payload END,
             max_channels = CASE WHEN $4 THEN $5 ELSE max_channels END, modified_at = $6
         WHERE id = $1",
        args![
            scope,
            partner_payload.is_some(),
            partner_payload.as_ref().and_then(Option::as_deref),
            max_channels.is_some(),
            max_channels.flatten(),
            now
        ],
    )
    .await
    .map(|_| ())
}

/// Notes that something of a client that partners see has changed.
pub async fn touch(tx: &mut Tx, scope: WorkspaceScope, now: Instant) -> Result<()> {
    tx.exec("UPDATE workspace SET modified_at = $2 WHERE id = $1", args![scope, now]).await.map(|_| ())
}

pub async fn may_add_numbers(read: impl Read, scope: WorkspaceScope) -> Result<bool> {
    let found = read
        .opt(
            "SELECT partner.allow_client_to_add_phone_no FROM workspace
             JOIN partner ON partner.id = workspace.partner_id WHERE workspace.id = $1",
            args![scope],
        )
        .await?;
    Ok(found.unwrap_or(false))
}
