//! All SQL of `mail` and `partner_mail`.

use super::Sender;
use crate::kernel::Instant;
use skylight_db::{Param, Read, Result, Tx, Value, from_row, placeholders};

pub struct MailRow {
    pub id: i64,
    pub reference: String,
    pub body: String,
    pub created_at: Instant,
}
from_row!(MailRow { id, reference, body, created_at });

impl Sender {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Workspace(scope) => scope.value(),
            Self::Partner(scope) => scope.value(),
        }
    }

    /// A statement of workspaces' mails, or the same of partners'.
    fn sql(self, of_workspace: &str) -> String {
        match self {
            Self::Workspace(_) => of_workspace.to_owned(),
            Self::Partner(_) => {
                let own = of_workspace.replace("workspace_id", "partner_id");
                own.replace(" mail ", " partner_mail ")
            }
        }
    }
}

pub async fn insert(tx: &mut Tx, sender: Sender, reference: &str, body: &str, now: Instant) -> Result<i64> {
    let sql =
        sender.sql("INSERT INTO mail (workspace_id, reference, body, created_at) VALUES ($1, $2, $3, $4) RETURNING id");
    tx.one(&sql, &[sender.value(), reference.value(), body.value(), now.value()]).await
}

pub async fn due(read: impl Read, sender: Sender, ids: &[i64]) -> Result<Vec<MailRow>> {
    let names = placeholders(2, ids.len());
    let sql = format!("SELECT id, reference, body, created_at FROM mail WHERE workspace_id = $1 AND id IN ({names})");
    let values: Vec<_> = [sender.value()].into_iter().chain(ids.iter().map(Param::value)).collect();
    read.all(&sender.sql(&sql), &values).await
}

pub async fn delete(tx: &mut Tx, sender: Sender, ids: &[i64]) -> Result<()> {
    let lists: Vec<_> = ids.iter().map(|id| vec![sender.value(), id.value()]).collect();
    let sql = sender.sql("DELETE FROM mail WHERE workspace_id = $1 AND id = $2");
    tx.exec_many(&sql, &lists).await.map(|_| ())
}
