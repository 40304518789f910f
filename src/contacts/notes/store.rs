//! All SQL of `note`.

use super::{Author, AuthorKind, Note};
use crate::auth::WorkspaceScope;
use crate::kernel::{Instant, Page};
use skylight_db::{FromRow, Read, Result, Row, Tx, args};

const SHOWN: &str = "id, content, author_type, author_name, created_at, updated_at";

impl FromRow for Note {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let mut cells = row.cells();
        let (id, content) = (cells.next()?, cells.next()?);
        let (kind, name) = (cells.next::<Option<AuthorKind>>()?, cells.next::<Option<String>>()?);
        let author = kind.zip(name).map(|(kind, name)| Author { kind, name });
        Ok(Self { id, content, author, created_at: cells.next()?, updated_at: cells.next()? })
    }
}

pub async fn page(read: impl Read, scope: WorkspaceScope, contact: i64, page: Page) -> Result<Vec<Note>> {
    let sql = format!(
        "SELECT {SHOWN} FROM note WHERE workspace_id = $1 AND contact_id = $2 AND id < $5
         ORDER BY id DESC LIMIT $3 OFFSET $4"
    );
    read.all(&sql, args![scope, contact, page.limit(), page.offset(), page.before().id]).await
}

/// Read off the index alone.
pub async fn count(read: impl Read, scope: WorkspaceScope, contact: i64) -> Result<i64> {
    read.one("SELECT COUNT(*) FROM note WHERE workspace_id = $1 AND contact_id = $2", args![scope, contact]).await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, contact: i64, id: i64) -> Result<Option<Note>> {
    let sql = format!("SELECT {SHOWN} FROM note WHERE workspace_id = $1 AND contact_id = $2 AND id = $3");
    read.opt(&sql, args![scope, contact, id]).await
}

pub async fn insert(
    tx: &mut Tx,
    scope: WorkspaceScope,
    contact: i64,
    content: &str,
    author: Option<(&Author, i64)>,
    now: Instant,
) -> Result<i64> {
    let (kind, name) = (author.map(|(author, _)| author.kind), author.map(|(author, _)| &author.name));
    tx.one(
        "INSERT INTO note (workspace_id, contact_id, content, author_type, author_id, author_name, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id",
        args![scope, contact, content, kind, author.map(|(_, id)| id), name, now],
    )
    .await
}

pub async fn update(
    tx: &mut Tx,
    scope: WorkspaceScope,
    contact: i64,
    id: i64,
    content: &str,
    now: Instant,
) -> Result<Option<Note>> {
    let sql = format!(
        "UPDATE note SET content = $4, updated_at = $5 WHERE workspace_id = $1 AND contact_id = $2 AND id = $3
         RETURNING {SHOWN}"
    );
    tx.opt(&sql, args![scope, contact, id, content, now]).await
}

pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, contact: i64, id: i64) -> Result<bool> {
    let deleted = tx
        .exec("DELETE FROM note WHERE workspace_id = $1 AND contact_id = $2 AND id = $3", args![scope, contact, id])
        .await?;
    Ok(deleted == 1)
}
