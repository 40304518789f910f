//! All SQL of `job_lane`, `job` and `node`.

use super::{Health, Job, Lane, LaneKey, NewJob};
use crate::auth::WorkspaceScope;
use crate::kernel::Instant;
use skylight_db::{Db, Param, Read, Result, Tx, args, list, placeholders};

/// When a lane is due that gets a job.
const DUE: &str = "CASE WHEN job_lane.not_before > excluded.due_at THEN job_lane.not_before
                  WHEN job_lane.due_at IS NULL OR job_lane.due_at > excluded.due_at THEN excluded.due_at
                  ELSE job_lane.due_at END";

/// Finds or makes the lane and makes it due. The row stays locked until the caller's commit, so that a worker that is
/// releasing the lane sees the new jobs.
pub async fn open_lane(tx: &mut Tx, lane: &LaneKey, due: Instant) -> Result<i64> {
    let sql = format!(
        "INSERT INTO job_lane (workspace_id, kind, key, due_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, key) DO UPDATE SET due_at = {DUE} RETURNING id"
    );
    tx.one(&sql, args![lane.workspace, lane.kind, lane.key, due]).await
}

/// The clocks of nodes differ by less. A lane that a clock far ahead has touched does not wait for the others'.
const CLOCKS_DIFFER: i64 = 5_000_000;

/// Likewise for jobs that are due at once; answers also from when on: not before those that were queued here earlier, by a
/// node whose clock is ahead of this one's.
pub async fn open_lane_in_turn(tx: &mut Tx, lane: &LaneKey, now: Instant) -> Result<(i64, Instant)> {
    let sql = format!(
        "INSERT INTO job_lane (workspace_id, kind, key, due_at, queued_to) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (kind, key) DO UPDATE SET due_at = {DUE},
             queued_to = CASE WHEN job_lane.queued_to > excluded.queued_to
                               AND job_lane.queued_to <= excluded.queued_to + $5 THEN job_lane.queued_to
                              ELSE excluded.queued_to END
         RETURNING id, queued_to"
    );
    tx.one(&sql, args![lane.workspace, lane.kind, lane.key, now, CLOCKS_DIFFER]).await
}

pub async fn insert(
    tx: &mut Tx,
    lane_id: i64,
    scope: Option<WorkspaceScope>,
    jobs: &[NewJob],
    due: Instant,
) -> Result<()> {
    let shared = [lane_id.value(), scope.value(), due.value()];
    for chunk in in_chunks(jobs) {
        let row = |n: usize| format!("($1, $2, $3, {})", placeholders(4 + 2 * n, 2));
        let rows: Vec<String> = (0..chunk.len()).map(row).collect();
        let sql =
            format!("INSERT INTO job (lane_id, workspace_id, run_at, subject_id, group_id) VALUES {}", rows.join(", "));
        let cells = chunk.iter().flat_map(|job| [job.subject.value(), job.group.value()]);
        let values: Vec<_> = shared.into_iter().chain(cells).collect();
        tx.exec(&sql, &values).await?;
    }
    Ok(())
}

/// Cuts a list into pieces of few lengths: one statement does many rows, and few different texts are prepared.
fn in_chunks<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = [64, 8, 1].into_iter().find(|length| rest.len() >= *length)?;
        let (chunk, after) = rest.split_at(length);
        rest = after;
        Some(chunk)
    })
}

/// When the first job of a lane is due.
pub async fn all_workspaces_first(tx: &mut Tx, kind: &str, key: i64) -> Result<Option<Instant>> {
    let micros: Option<i64> = tx
        .opt(
            "SELECT job.run_at FROM job JOIN job_lane ON job_lane.id = job.lane_id
         WHERE job_lane.kind = $1 AND job_lane.key = $2 ORDER BY job.lane_id, job.run_at LIMIT 1",
            args![kind, key],
        )
        .await?;
    Ok(micros.map(Instant::from_micros))
}
/// A pause that is written on a lane which was woken meanwhile: whoever has leased it may not have seen why it was woken,
/// and must not let it sleep when it is given back.
const WOKEN: i64 = -1;

/// Also an empty lane is locked by it.
pub async fn all_workspaces_wake_lane(tx: &mut Tx, kind: &str, key: i64, now: Instant) -> Result<()> {
    tx.exec(
        "UPDATE job_lane SET not_before = $4,
             due_at = CASE WHEN due_at IS NULL THEN NULL ELSE CAST($3 AS BIGINT) END WHERE kind = $1 AND key = $2",
        args![kind, key, now, WOKEN],
    )
    .await
    .map(|_| ())
}

pub async fn all_workspaces_hasten(tx: &mut Tx, lane: &LaneKey, jobs: &[NewJob], due: Instant) -> Result<()> {
    let lists: Vec<_> = jobs.iter().map(|job| list![lane.kind, &lane.key, &job.group, &job.subject, &due]).collect();
    tx.exec_many(
        "UPDATE job SET run_at = $5 WHERE lane_id = (SELECT id FROM job_lane WHERE kind = $1 AND key = $2)
             AND group_id = $3 AND subject_id = $4 AND run_at > $5",
        &lists,
    )
    .await
    .map(|_| ())
}

/// Locks a lane's row to the commit; answers the lane and how it fares.
pub async fn all_workspaces_lock(tx: &mut Tx, kind: &str, key: i64) -> Result<Option<(i64, Health)>> {
    let sql = format!(
        "SELECT id, failures, failing_since FROM job_lane WHERE kind = $1 AND key = $2 {}",
        tx.for_no_key_update()
    );
    let found: Option<(i64, i64, Option<Instant>)> = tx.opt(&sql, args![kind, key]).await?;
    Ok(found.map(|(lane, failures, failing_since)| (lane, Health { failures, failing_since })))
}

/// Wakes the lanes of a workspace. They are locked in the order in which others lock several of one workspace.
pub async fn wake(tx: &mut Tx, scope: WorkspaceScope, due: Instant) -> Result<()> {
    let sql = format!("SELECT id FROM job_lane WHERE workspace_id = $1 ORDER BY kind, key {}", tx.for_no_key_update());
    tx.all::<i64>(&sql, args![scope]).await?;
    tx.exec(
        "UPDATE job_lane SET not_before = $3, due_at = $2 WHERE workspace_id = $1 AND due_at IS NOT NULL",
        args![scope, due, WOKEN],
    )
    .await
    .map(|_| ())
}

/// What a node has leased already it does not take again, however late its heartbeat is: it may be working there.
const CLAIMABLE: &str = "due_at IS NOT NULL AND due_at <= $1 AND not_before <= $1
     AND (leased_by IS NULL
          OR (leased_by <> $3 AND leased_by NOT IN (SELECT id FROM node WHERE seen_at > now_micros() - $2)))";

/// Whether a lane could be leased; read without the writer.
pub async fn all_workspaces_any_due(db: &Db, node: i64, now: Instant, fresh: i64, kinds: &[&str]) -> Result<bool> {
    let names = placeholders(4, kinds.len());
    let sql = format!("SELECT id FROM job_lane WHERE {CLAIMABLE} AND kind IN ({names}) LIMIT 1");
    let fixed = [now.value(), fresh.value(), node.value()];
    let values: Vec<_> = fixed.into_iter().chain(kinds.iter().map(|k| k.value())).collect();
    Ok(db.opt::<i64>(&sql, &values).await?.is_some())
}

/// Leases due lanes to a node, those that have waited longest first.
pub async fn all_workspaces_claim(
    tx: &mut Tx,
    skip_locked: &str,
    node: i64,
    now: Instant,
    fresh: i64,
    kinds: &[&str],
    limit: i64,
) -> Result<Vec<Lane>> {
    let names = placeholders(5, kinds.len());
    let sql = format!(
        "UPDATE job_lane SET leased_by = $3, fence = fence + 1, not_before = 0
         WHERE id IN (SELECT id FROM job_lane WHERE {CLAIMABLE} AND kind IN ({names})
                      ORDER BY due_at, id LIMIT $4 {skip_locked})
         RETURNING id, workspace_id, kind, key, fence, failures, failing_since"
    );
    let fixed = [now.value(), fresh.value(), node.value(), limit.value()];
    let values: Vec<_> = fixed.into_iter().chain(kinds.iter().map(|k| k.value())).collect();
    tx.all(&sql, &values).await
}

/// Due jobs of a leased lane, the longest waiting first.
pub async fn all_workspaces_due(db: &Db, lane: i64, now: Instant, limit: i64) -> Result<Vec<Job>> {
    db.all(
        "SELECT id, subject_id, group_id, attempt FROM job
         WHERE lane_id = $1 AND run_at <= $2 ORDER BY run_at, id LIMIT $3",
        args![lane, now, limit],
    )
    .await
}

/// Likewise, but only the first job of each group: a later one must wait until that is settled.
pub async fn all_workspaces_due_heads(db: &Db, lane: i64, now: Instant, limit: i64) -> Result<Vec<Job>> {
    db.all(
        "SELECT id, subject_id, group_id, attempt FROM job
         WHERE lane_id = $1 AND run_at <= $2
           AND NOT EXISTS (SELECT 1 FROM job AS earlier WHERE earlier.lane_id = job.lane_id
                           AND earlier.group_id = job.group_id AND earlier.id < job.id)
         ORDER BY run_at, id LIMIT $3",
        args![lane, now, limit],
    )
    .await
}

/// By kind: due jobs that wait, and since when the oldest does. Counted up to a bound, through the lanes that have waited
/// longest.
pub async fn all_workspaces_waiting(db: &Db, now: Instant) -> Result<Vec<(String, i64, Instant)>> {
    db.long()
        .all(
            "SELECT kind, COUNT(*), MIN(run_at) FROM (
                 SELECT lane.kind, job.run_at FROM (
                     SELECT id, kind FROM job_lane WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, id LIMIT 1000
                 ) AS lane JOIN job ON job.lane_id = lane.id AND job.run_at <= $1 LIMIT 10000
             ) AS waiting GROUP BY kind",
            args![now],
        )
        .await
}

/// How the lane fares; none if the lease was lost. Locks the lane's row until the commit.
pub async fn all_workspaces_hold(tx: &mut Tx, lane: &Lane, node: i64) -> Result<Option<Health>> {
    let sql = format!(
        "SELECT failures, failing_since FROM job_lane WHERE id = $1 AND fence = $2 AND leased_by = $3 {}",
        tx.for_no_key_update()
    );
    let held: Option<(i64, Option<Instant>)> = tx.opt(&sql, args![lane.id, lane.fence, node]).await?;
    Ok(held.map(|(failures, failing_since)| Health { failures, failing_since }))
}

/// Notes how a lane fares that is locked.
pub async fn all_workspaces_set_health(tx: &mut Tx, lane: i64, health: Health) -> Result<()> {
    tx.exec(
        "UPDATE job_lane SET failures = $2, failing_since = $3 WHERE id = $1",
        args![lane, health.failures, health.failing_since],
    )
    .await
    .map(|_| ())
}

/// Makes all that waits for another try due, in the place it had when the trouble began.
pub async fn all_workspaces_bring_forward(tx: &mut Tx, lane: i64, to: Instant, now: Instant) -> Result<()> {
    tx.exec("UPDATE job SET run_at = $2 WHERE lane_id = $1 AND run_at > $3", args![lane, to, now]).await.map(|_| ())
}

pub async fn all_workspaces_delete(tx: &mut Tx, jobs: &[i64]) -> Result<()> {
    for chunk in in_chunks(jobs) {
        let values: Vec<_> = chunk.iter().map(Param::value).collect();
        tx.exec(&format!("DELETE FROM job WHERE id IN ({})", placeholders(1, chunk.len())), &values).await?;
    }
    Ok(())
}

pub async fn all_workspaces_retry(tx: &mut Tx, jobs: &[(i64, Instant)]) -> Result<()> {
    let lists: Vec<_> = jobs.iter().map(|(id, at)| list![id, at]).collect();
    tx.exec_many("UPDATE job SET run_at = $2, attempt = attempt + 1 WHERE id = $1", &lists).await.map(|_| ())
}

/// Removes a lane together with its jobs.
pub async fn all_workspaces_remove_lane(tx: &mut Tx, lane: i64) -> Result<()> {
    tx.exec("DELETE FROM job_lane WHERE id = $1", args![lane]).await.map(|_| ())
}

/// Gives the lane back, due when its first job is due but never before those that wait already, nor before its pause
/// ends: lanes that sleep cost those who look for work nothing. One that was woken meanwhile is due when that said. Answers
/// when that is.
pub async fn all_workspaces_release(
    tx: &mut Tx,
    lane: i64,
    heads_only: bool,
    not_before: Instant,
    now: Instant,
) -> Result<Option<Instant>> {
    let first = if heads_only {
        "SELECT MIN(run_at) AS at FROM job WHERE lane_id = $1
           AND NOT EXISTS (SELECT 1 FROM job AS earlier WHERE earlier.lane_id = job.lane_id
                           AND earlier.group_id = job.group_id AND earlier.id < job.id)"
    } else {
        "SELECT MIN(run_at) AS at FROM job WHERE lane_id = $1"
    };
    let sql = format!(
        "UPDATE job_lane SET leased_by = NULL, not_before = CASE WHEN not_before = $5 THEN 0 ELSE CAST($2 AS BIGINT) END,
             due_at = (SELECT CASE WHEN job_lane.not_before = $5 AND due.at < job_lane.due_at AND job_lane.due_at > $4
                                       THEN job_lane.due_at
                                   WHEN job_lane.not_before = $5 AND due.at < $4 THEN $4
                                   WHEN job_lane.not_before <> $5 AND due.at < $3 THEN $3
                                   ELSE due.at END FROM ({first}) AS due)
         WHERE id = $1 RETURNING due_at"
    );
    let micros: Option<i64> = tx.one(&sql, args![lane, not_before, now.max(not_before), now, WOKEN]).await?;
    Ok(micros.map(Instant::from_micros))
}

pub async fn all_workspaces_new_node(tx: &mut Tx, alone: bool) -> Result<i64> {
    if alone {
        tx.exec("DELETE FROM node", args![]).await?;
    }
    tx.one("INSERT INTO node (seen_at) VALUES (now_micros()) RETURNING id", args![]).await
}

/// Says that the node lives, also when it was given up meanwhile (a machine that slept): its leases are void then, but
/// those it takes from now on must count.
pub async fn all_workspaces_beat(tx: &mut Tx, node: i64) -> Result<()> {
    tx.exec("DELETE FROM node WHERE seen_at < now_micros() - 3600000000 AND id <> $1", args![node]).await?;
    tx.exec(
        "INSERT INTO node (id, seen_at) VALUES ($1, now_micros())
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        args![node],
    )
    .await
    .map(|_| ())
}

/// The leases of a node: lane and fencing number.
pub async fn all_workspaces_leased(tx: &mut Tx, node: i64) -> Result<Vec<(i64, i64)>> {
    tx.all("SELECT id, fence FROM job_lane WHERE leased_by = $1", args![node]).await
}

/// Gives lanes back as they are.
pub async fn all_workspaces_give_back(tx: &mut Tx, node: i64, leases: &[(i64, i64)]) -> Result<()> {
    let lists: Vec<_> = leases.iter().map(|(lane, fence)| list![lane, fence, &node]).collect();
    tx.exec_many("UPDATE job_lane SET leased_by = NULL WHERE id = $1 AND fence = $2 AND leased_by = $3", &lists)
        .await
        .map(|_| ())
}

pub async fn all_workspaces_leave(tx: &mut Tx, node: i64) -> Result<()> {
    tx.exec("UPDATE job_lane SET leased_by = NULL WHERE leased_by = $1", args![node]).await?;
    tx.exec("DELETE FROM node WHERE id = $1", args![node]).await.map(|_| ())
}
