//! All SQL of `event` and `event_head`.

use super::Event;
use super::feed::Numbered;
use super::span::{self, Stream};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::Instant;
use skylight_db::{Db, Param, Read, Result, Tx, Value, args, list, padded, placeholders};
use std::ops::Range;

pub async fn insert(
    tx: &mut Tx,
    scope: WorkspaceScope,
    kind: &str,
    subject: i64,
    data: &str,
    now: Instant,
) -> Result<i64> {
    tx.one(
        "INSERT INTO event (workspace_id, kind, subject_id, data, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        args![scope, kind, subject, data, now],
    )
    .await
}

pub async fn insert_for_partner(
    tx: &mut Tx,
    scope: PartnerScope,
    kind: &str,
    subject: i64,
    data: &str,
    now: Instant,
) -> Result<i64> {
    tx.one(
        "INSERT INTO event (workspace_id, partner_id, kind, subject_id, data, created_at)
         VALUES (NULL, $1, $2, $3, $4, $5) RETURNING id",
        args![scope, kind, subject, data, now],
    )
    .await
}

/// The last number of a workspace's log.
pub async fn head(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    let sql = "SELECT last_seq FROM event_head WHERE workspace_id = $1 AND partner_id = 0";
    Ok(read.opt(sql, args![scope]).await?.unwrap_or(0))
}

/// Likewise, of any log.
pub async fn head_of(read: impl Read, stream: Stream) -> Result<i64> {
    let sql = "SELECT last_seq FROM event_head WHERE workspace_id = $1 AND partner_id = $2";
    let (workspace, partner) = stream.ids();
    Ok(read.opt(sql, args![workspace, partner]).await?.unwrap_or(0))
}

/// The first events of a log with numbers behind the start, through the end.
pub async fn span(read: impl Read, stream: Stream, numbers: Range<i64>, limit: i64) -> Result<Vec<span::Numbered>> {
    let sql = stream.sql(
        "SELECT seq, id, kind, subject_id, created_at FROM event
         WHERE workspace_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
    );
    read.all(&sql, args![stream, numbers.start, numbers.end, limit]).await
}

/// The first events with numbers after one, through another.
pub async fn numbered(
    read: impl Read,
    scope: WorkspaceScope,
    after: i64,
    through: i64,
    kinds: Option<&[String]>,
    limit: i64,
) -> Result<Vec<Numbered>> {
    let fixed = [scope.value(), after.value(), through.value(), limit.value()];
    let values: Vec<Value<'_>> = fixed.into_iter().chain(kinds.into_iter().flatten().map(Param::value)).collect();
    let wanted = match kinds {
        Some(kinds) => format!("AND kind IN ({})", placeholders(5, kinds.len())),
        None => String::new(),
    };
    let sql = format!(
        "SELECT seq, kind, created_at, data FROM event
         WHERE workspace_id = $1 AND seq > $2 AND seq <= $3 {wanted} ORDER BY seq LIMIT $4"
    );
    read.all(&sql, &values).await
}

/// Whether anything waits to be numbered; read without the writer. The order, here and below, is that of `event_unnumbered`
/// and of no other index: none else is to be read for it, whatever the statistics say.
pub async fn all_workspaces_has_unnumbered(read: impl Read) -> Result<bool> {
    let sql = "SELECT id FROM event WHERE seq IS NULL ORDER BY id + 0 LIMIT 1";
    Ok(read.opt::<i64>(sql, args![]).await?.is_some())
}

/// How many wait for their number, up to a bound, and since when the oldest does.
pub async fn all_workspaces_unnumbered_count(db: &Db) -> Result<(i64, Option<Instant>)> {
    db.long()
        .one(
            "SELECT COUNT(*), MIN(created_at)
             FROM (SELECT created_at FROM event WHERE seq IS NULL ORDER BY id + 0 LIMIT 10000) AS waiting",
            args![],
        )
        .await
}

/// The oldest of these ids, without those of some streams.
pub async fn all_workspaces_unnumbered(
    tx: &mut Tx,
    ids: Range<i64>,
    without: &[(i64, i64)],
    limit: i64,
) -> Result<Vec<Event>> {
    // One number per stream: a workspace's id, or a partner's below zero.
    let mut streams: Vec<i64> = without.iter().map(|(workspace, partner)| workspace - partner).collect();
    // Few different texts are prepared.
    streams.resize(streams.len().next_multiple_of(8), 0);
    let names = placeholders(4, streams.len());
    let without = if streams.is_empty() {
        String::new()
    } else {
        format!("AND COALESCE(workspace_id, -partner_id) NOT IN ({names})")
    };
    let sql = format!(
        "SELECT id, workspace_id, partner_id, kind, subject_id, created_at FROM event
         WHERE seq IS NULL AND id + 0 >= $1 AND id + 0 < $2 {without} ORDER BY id + 0 LIMIT $3"
    );
    let fixed = [ids.start.value(), ids.end.value(), limit.value()];
    let values: Vec<_> = fixed.into_iter().chain(streams.iter().map(Param::value)).collect();
    tx.all(&sql, &values).await
}

/// The last numbers of these streams, as `(workspace_id, partner_id, last_seq)`, 0 for the id that does not apply.
pub async fn all_workspaces_heads(tx: &mut Tx, streams: &[(i64, i64)]) -> Result<Vec<(i64, i64, i64)>> {
    let names = placeholders(1, streams.len());
    let partners = placeholders(1 + streams.len(), streams.len());
    let sql = format!(
        "SELECT workspace_id, partner_id, last_seq FROM event_head WHERE workspace_id IN ({names}) AND partner_id IN ({partners})"
    );
    let ids = streams.iter().map(|(workspace, _)| workspace.value());
    let values: Vec<_> = ids.chain(streams.iter().map(|(_, partner)| partner.value())).collect();
    tx.all(&sql, &values).await
}

pub async fn all_workspaces_set_numbers(tx: &mut Tx, numbers: &[(i64, i64)]) -> Result<()> {
    let lists: Vec<_> = numbers.iter().map(|(id, seq)| list![id, seq]).collect();
    tx.exec_many("UPDATE event SET seq = $2 WHERE id = $1", &lists).await.map(|_| ())
}

pub async fn all_workspaces_set_heads(tx: &mut Tx, heads: &[((i64, i64), i64)]) -> Result<()> {
    let lists: Vec<_> = heads.iter().map(|((workspace, partner), seq)| list![workspace, partner, seq]).collect();
    tx.exec_many(
        "INSERT INTO event_head (workspace_id, partner_id, last_seq) VALUES ($1, $2, $3)
         ON CONFLICT (workspace_id, partner_id) DO UPDATE SET last_seq = excluded.last_seq",
        &lists,
    )
    .await
    .map(|_| ())
}

/// Numbered events recorded before a moment, in the order of their ids, which is nearly that of time.
pub async fn all_workspaces_past(read: impl Read, after: i64, before: Instant, most: i64) -> Result<Vec<i64>> {
    let rows: Vec<(i64, bool, Instant)> = read
        .all("SELECT id, seq IS NOT NULL, created_at FROM event WHERE id > $1 ORDER BY id LIMIT $2", args![after, most])
        .await?;
    Ok(rows.into_iter().take_while(|row| row.1 && row.2 < before).map(|row| row.0).collect())
}

pub async fn all_workspaces_remove(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    let (names, values) = padded(1, ids);
    tx.exec(&format!("DELETE FROM event WHERE id IN ({names})"), &values).await.map(|_| ())
}
