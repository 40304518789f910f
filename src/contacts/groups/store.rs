//! All SQL of `contact_group` and `contact_group_member`.
//!
//! Who changes members holds the contacts first, in the order of their ids, then changes the members, then the groups'
//! counters, in the order of their ids: nobody waits in a circle.

use super::{Group, GroupKind, GroupStatus, Member};
use crate::auth::WorkspaceScope;
use crate::kernel::{Instant, Page};
use skylight_db::{Read, Result, Tx, Value, args, from_row, padded};

from_row!(Group { id, name, status, contacts_count, created_at, updated_at });
from_row!(Member { id, name, phone, channel_type });

const SHOWN: &str = "id, name, status, contacts_count, created_at, updated_at";

pub async fn list(read: impl Read, scope: WorkspaceScope, kind: GroupKind) -> Result<Vec<Group>> {
    let sql = format!(
        "SELECT {SHOWN} FROM contact_group WHERE workspace_id = $1 AND kind = $2 AND deleted_at IS NULL ORDER BY id"
    );
    read.all(&sql, args![scope, kind]).await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, kind: GroupKind, id: i64) -> Result<Option<Group>> {
    let sql = format!(
        "SELECT {SHOWN} FROM contact_group WHERE workspace_id = $1 AND kind = $2 AND id = $3 AND deleted_at IS NULL"
    );
    read.opt(&sql, args![scope, kind, id]).await
}

pub async fn find_by_name(read: impl Read, scope: WorkspaceScope, kind: GroupKind, name: &str) -> Result<Option<i64>> {
    read.opt(
        "SELECT id FROM contact_group WHERE workspace_id = $1 AND kind = $2 AND name = $3 AND deleted_at IS NULL",
        args![scope, kind, name],
    )
    .await
}

/// Adds an empty group, unless the workspace has `most` of its kind; whoever adds one has taken a turn.
pub async fn insert(
    tx: &mut Tx,
    scope: WorkspaceScope,
    kind: GroupKind,
    name: &str,
    status: GroupStatus,
    most: i64,
    now: Instant,
) -> Result<Option<Group>> {
    let sql = format!(
        "INSERT INTO contact_group (workspace_id, kind, name, status, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $5
         WHERE (SELECT COUNT(*) FROM contact_group WHERE workspace_id = $1 AND kind = $2 AND deleted_at IS NULL) < $6
         RETURNING {SHOWN}"
    );
    tx.opt(&sql, args![scope, kind, name, status, now, most]).await
}

pub async fn update(
    tx: &mut Tx,
    scope: WorkspaceScope,
    kind: GroupKind,
    id: i64,
    name: Option<&str>,
    status: Option<GroupStatus>,
    now: Instant,
) -> Result<Option<Group>> {
    let sql = format!(
        "UPDATE contact_group SET name = COALESCE($4, name), status = COALESCE($5, status), updated_at = $6
         WHERE workspace_id = $1 AND kind = $2 AND id = $3 AND deleted_at IS NULL
         RETURNING {SHOWN}"
    );
    tx.opt(&sql, args![scope, kind, id, name, status, now]).await
}

/// Makes a group disappear and its name free; its members follow in `clear`.
pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, kind: GroupKind, id: i64, now: Instant) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE contact_group SET deleted_at = $4
             WHERE workspace_id = $1 AND kind = $2 AND id = $3 AND deleted_at IS NULL",
            args![scope, kind, id, now],
        )
        .await?;
    Ok(changed == 1)
}

/// Removes some members of a deleted group, and in the end the group; true when nothing is left.
pub async fn clear(tx: &mut Tx, scope: WorkspaceScope, id: i64, limit: i64) -> Result<bool> {
    let removed = tx
        .exec(
            "DELETE FROM contact_group_member WHERE workspace_id = $1 AND group_id = $2 AND contact_id IN (
                 SELECT contact_id FROM contact_group_member
                 WHERE workspace_id = $1 AND group_id = $2 ORDER BY contact_id LIMIT $3)",
            args![scope, id, limit],
        )
        .await?;
    if removed > 0 {
        return Ok(false);
    }
    tx.exec(
        "DELETE FROM contact_group WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NOT NULL",
        args![scope, id],
    )
    .await?;
    Ok(true)
}

/// The part is cut out of the index first: only its members are looked up.
pub async fn members(read: impl Read, scope: WorkspaceScope, id: i64, page: Page) -> Result<Vec<Member>> {
    read.all(
        "SELECT contact.id, contact.name, contact.phone, contact.type
         FROM (SELECT contact_id FROM contact_group_member
               WHERE workspace_id = $1 AND group_id = $2 AND contact_id < $5
               ORDER BY contact_id DESC LIMIT $3 OFFSET $4) AS member
         JOIN contact ON contact.workspace_id = $1 AND contact.id = member.contact_id
         ORDER BY contact.id DESC",
        args![scope, id, page.limit(), page.offset(), page.before().id],
    )
    .await
}

/// Holds contacts to the end of the transaction, so that nobody removes them or changes their memberships; answers
/// those that are there.
pub async fn hold_contacts(tx: &mut Tx, scope: WorkspaceScope, contacts: &[i64]) -> Result<Vec<i64>> {
    let (names, values) = scoped(scope, contacts);
    let lock = tx.for_update();
    let sql = format!("SELECT id FROM contact WHERE workspace_id = $1 AND id IN ({names}) ORDER BY id {lock}");
    tx.all(&sql, &values).await
}

/// Those of some contacts that are there, in the order of their ids.
pub async fn known_contacts(read: impl Read, scope: WorkspaceScope, contacts: &[i64]) -> Result<Vec<i64>> {
    let (names, values) = scoped(scope, contacts);
    let sql = format!("SELECT id FROM contact WHERE workspace_id = $1 AND id IN ({names}) ORDER BY id");
    read.all(&sql, &values).await
}

/// Puts contacts into a group; answers how many were not in it.
pub async fn add(tx: &mut Tx, scope: WorkspaceScope, id: i64, contacts: &[i64]) -> Result<i64> {
    let (names, mut values) = padded(3, contacts);
    values.splice(0..0, [Value::Int(scope.id()), Value::Int(id)]);
    let sql = format!(
        "INSERT INTO contact_group_member (workspace_id, group_id, contact_id)
         SELECT workspace_id, CAST($2 AS BIGINT), id FROM contact WHERE workspace_id = $1 AND id IN ({names})
         ON CONFLICT (workspace_id, group_id, contact_id) DO NOTHING"
    );
    Ok(rows(tx.exec(&sql, &values).await?))
}

/// Takes contacts out of a group; answers how many were in it.
pub async fn remove(tx: &mut Tx, scope: WorkspaceScope, id: i64, contacts: &[i64]) -> Result<i64> {
    let (names, mut values) = padded(3, contacts);
    values.splice(0..0, [Value::Int(scope.id()), Value::Int(id)]);
    let sql = format!(
        "DELETE FROM contact_group_member WHERE workspace_id = $1 AND group_id = $2 AND contact_id IN ({names})"
    );
    Ok(rows(tx.exec(&sql, &values).await?))
}

/// Adds to a group's counter and answers the new one; nothing if the group is gone.
pub async fn count(tx: &mut Tx, scope: WorkspaceScope, kind: GroupKind, id: i64, by: i64) -> Result<Option<i64>> {
    tx.opt(
        "UPDATE contact_group SET contacts_count = contacts_count + $4
         WHERE workspace_id = $1 AND kind = $2 AND id = $3 AND deleted_at IS NULL
         RETURNING contacts_count",
        args![scope, kind, id, by],
    )
    .await
}

/// Takes a contact out of every group; answers the groups it was in.
pub async fn remove_everywhere(tx: &mut Tx, scope: WorkspaceScope, contact: i64) -> Result<Vec<i64>> {
    tx.all(
        "DELETE FROM contact_group_member WHERE workspace_id = $1 AND contact_id = $2 RETURNING group_id",
        args![scope, contact],
    )
    .await
}

/// Takes one off the counters of some groups.
pub async fn count_down(tx: &mut Tx, scope: WorkspaceScope, groups: &[i64]) -> Result<()> {
    let (names, values) = scoped(scope, groups);
    // An UPDATE alone would lock them in whatever order it meets them.
    let lock = tx.for_update();
    let locked = format!("SELECT id FROM contact_group WHERE workspace_id = $1 AND id IN ({names}) ORDER BY id {lock}");
    tx.all::<i64>(&locked, &values).await?;
    let sql = format!(
        "UPDATE contact_group SET contacts_count = contacts_count - 1 WHERE workspace_id = $1 AND id IN ({names})"
    );
    tx.exec(&sql, &values).await.map(|_| ())
}

/// Groups whose counter differs from their members, as `(workspace, kind, id, kept, counted)`.
pub async fn all_workspaces_differences(read: impl Read) -> Result<Vec<(i64, String, i64, i64, i64)>> {
    read.all(
        "SELECT kept.workspace_id, kept.kind, kept.id, kept.contacts_count, COALESCE(found.contacts, 0)
         FROM contact_group AS kept
         LEFT JOIN (SELECT workspace_id, group_id, COUNT(*) AS contacts FROM contact_group_member
                    GROUP BY workspace_id, group_id) AS found
              ON found.workspace_id = kept.workspace_id AND found.group_id = kept.id
         JOIN workspace ON workspace.id = kept.workspace_id
         WHERE kept.deleted_at IS NULL AND workspace.status <> 'deleted'
           AND kept.contacts_count <> COALESCE(found.contacts, 0)
         ORDER BY kept.workspace_id, kept.id",
        args![],
    )
    .await
}

/// `$1` is the workspace, the rest are ids.
fn scoped(scope: WorkspaceScope, ids: &[i64]) -> (String, Vec<Value<'_>>) {
    let (names, mut values) = padded(2, ids);
    values.insert(0, Value::Int(scope.id()));
    (names, values)
}

fn rows(changed: u64) -> i64 {
    i64::try_from(changed).unwrap_or(i64::MAX)
}
