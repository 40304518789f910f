//! SQL of `tag` as the API shows it. Which contact has which tags is the contacts' own; see their store.

use super::Tag;
use crate::auth::WorkspaceScope;
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args, from_row};

from_row!(Tag { id, title, contacts_count, created_at });

const SHOWN: &str = "id, title, contacts_count, created_at";

pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<Tag>> {
    let sql = format!("SELECT {SHOWN} FROM tag WHERE workspace_id = $1 AND deleted_at IS NULL ORDER BY id");
    read.all(&sql, args![scope]).await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<Tag>> {
    let sql = format!("SELECT {SHOWN} FROM tag WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL");
    read.opt(&sql, args![scope, id]).await
}

pub async fn count(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    read.one("SELECT COUNT(*) FROM tag WHERE workspace_id = $1 AND deleted_at IS NULL", args![scope]).await
}

pub async fn find_titled(read: impl Read, scope: WorkspaceScope, title: &str) -> Result<Option<Tag>> {
    let sql = format!("SELECT {SHOWN} FROM tag WHERE workspace_id = $1 AND title = $2 AND deleted_at IS NULL");
    read.opt(&sql, args![scope, title]).await
}

pub async fn rename(tx: &mut Tx, scope: WorkspaceScope, id: i64, title: &str) -> Result<Option<Tag>> {
    let sql = format!(
        "UPDATE tag SET title = $3 WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING {SHOWN}"
    );
    tx.opt(&sql, args![scope, id, title]).await
}

/// Makes a tag disappear and its title free; who has it follows in `clear`.
pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, id: i64, now: Instant) -> Result<bool> {
    let sql = "UPDATE tag SET deleted_at = $3 WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL";
    Ok(tx.exec(sql, args![scope, id, now]).await? == 1)
}

/// Takes a deleted tag from some contacts, and in the end removes it; true when nothing is left.
pub async fn clear(tx: &mut Tx, scope: WorkspaceScope, id: i64, limit: i64) -> Result<bool> {
    let taken = tx
        .exec(
            "DELETE FROM contact_tag WHERE workspace_id = $1 AND tag_id = $2 AND contact_id IN (
                 SELECT contact_id FROM contact_tag WHERE workspace_id = $1 AND tag_id = $2 LIMIT $3)",
            args![scope, id, limit],
        )
        .await?;
    if taken > 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM tag WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NOT NULL";
    tx.exec(sql, args![scope, id]).await?;
    Ok(true)
}
