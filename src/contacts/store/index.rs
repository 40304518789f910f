//! The search index, `contact_gram`, and the queue of contacts it does not know yet, `contact_unindexed`; and what the
//! database counts by itself, compared with the rows.

use super::super::grams::Indexed;
use skylight_db::{Db, Read, Result, Tx, Words, args, from_row, list, padded};

/// A contact that waits, its row held until the end of the transaction: nobody changes its text meanwhile.
#[derive(Debug)]
pub struct Waiting {
    pub workspace_id: i64,
    pub id: i64,
    pub search_text: String,
}

from_row!(Waiting { workspace_id, id, search_text });

pub async fn all_workspaces_any_waiting(db: &Db) -> Result<bool> {
    let found = db.opt::<i64>("SELECT contact_id FROM contact_unindexed LIMIT 1", args![]).await?;
    Ok(found.is_some())
}

/// The keys come first: the queue's length is never what it was when the engine last looked, and another way than from its
/// few rows to their contacts is much longer.
pub async fn all_workspaces_waiting(tx: &mut Tx, skip_locked: &str, most: i64) -> Result<Vec<Waiting>> {
    let sql =
        format!("SELECT contact_id FROM contact_unindexed ORDER BY workspace_id, contact_id LIMIT $1 {skip_locked}");
    let ids: Vec<i64> = tx.all(&sql, args![most]).await?;
    let (names, values) = padded(1, &ids);
    let sql =
        format!("SELECT workspace_id, id, search_text FROM contact WHERE id IN ({names}) ORDER BY id {skip_locked}");
    tx.all(&sql, &values).await
}

pub async fn all_workspaces_insert(tx: &mut Tx, words: Words, found: &[Indexed]) -> Result<()> {
    let queued: Vec<_> = found.iter().map(|contact| list![&contact.workspace_id, &contact.id]).collect();
    tx.exec_many("DELETE FROM contact_unindexed WHERE workspace_id = $1 AND contact_id = $2", &queued).await?;
    let rows: Vec<_> = found.iter().map(|contact| list![&contact.workspace_id, &contact.id, &contact.grams]).collect();
    let grams = words.stored(3);
    let sql = format!("INSERT INTO contact_gram (workspace_id, rowid, grams) VALUES ($1, $2, {grams})");
    tx.exec_many(&sql, &rows).await.map(|_| ())
}

/// Puts pieces of the index together; false when nothing is left to do.
pub async fn all_workspaces_join(tx: &mut Tx, pages: i64) -> Result<bool> {
    tx.join_words("contact_gram", pages).await
}

/// Rewrites a piece of the index without what was deleted; false when nothing is left to rewrite.
pub async fn all_workspaces_forget(tx: &mut Tx, pages: i64, is_first: bool) -> Result<bool> {
    tx.forget_words("contact_gram", pages, is_first).await
}

/// Blocks and tags whose counts differ from their rows, as `(workspace, what, kept, counted)`.
pub async fn all_workspaces_differences(db: &Db) -> Result<Vec<(i64, String, i64, i64)>> {
    db.all(
            "SELECT counted.workspace_id, counted.what, CAST(SUM(counted.kept) AS BIGINT), CAST(SUM(counted.found) AS BIGINT)
             FROM (SELECT workspace_id, 'contacts from id ' || (block * 8192) AS what, contacts AS kept, 0 AS found FROM contact_block
                   UNION ALL
                   SELECT workspace_id, 'contacts from id ' || (id / 8192 * 8192), 0, 1 FROM contact
                   UNION ALL
                   SELECT workspace_id, 'contacts with tag ' || id, contacts_count, 0 FROM tag WHERE deleted_at IS NULL
                   UNION ALL
                   SELECT contact_tag.workspace_id, 'contacts with tag ' || tag_id, 0, 1 FROM contact_tag
                   JOIN tag ON tag.workspace_id = contact_tag.workspace_id AND tag.id = contact_tag.tag_id AND tag.deleted_at IS NULL
             ) AS counted
             JOIN workspace ON workspace.id = counted.workspace_id AND workspace.status <> 'deleted'
             GROUP BY counted.workspace_id, counted.what
             HAVING SUM(counted.kept) <> SUM(counted.found) ORDER BY 1, 2",
            args![],
        )
    .await
}
