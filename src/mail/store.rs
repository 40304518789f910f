//! All SQL of `mail`.

use crate::auth::WorkspaceScope;
use crate::kernel::Instant;
use skylight_db::{Param, Read, Result, Tx, args, from_row, list, placeholders};

pub struct MailRow {
    pub id: i64,
    pub reference: String,
    pub body: String,
    pub created_at: Instant,
}
from_row!(MailRow { id, reference, body, created_at });

pub async fn insert(tx: &mut Tx, scope: WorkspaceScope, reference: &str, body: &str, now: Instant) -> Result<i64> {
    tx.one(
        "INSERT INTO mail (workspace_id, reference, body, created_at) VALUES ($1, $2, $3, $4) RETURNING id",
        args![scope, reference, body, now],
    )
    .await
}

pub async fn due(read: impl Read, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<MailRow>> {
    let names = placeholders(2, ids.len());
    let sql = format!("SELECT id, reference, body, created_at FROM mail WHERE workspace_id = $1 AND id IN ({names})");
    let values: Vec<_> = [scope.value()].into_iter().chain(ids.iter().map(Param::value)).collect();
    read.all(&sql, &values).await
}

pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, ids: &[i64]) -> Result<()> {
    let lists: Vec<_> = ids.iter().map(|id| list![&scope, id]).collect();
    tx.exec_many("DELETE FROM mail WHERE workspace_id = $1 AND id = $2", &lists).await.map(|_| ())
}
