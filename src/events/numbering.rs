//! Numbers committed events and shows them to the readers, one node at a time.

use super::{Event, store};
use crate::app::{App, Unit};
use crate::kernel::Result;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Somebody who wants to know. Runs in the transaction that numbers the events: it writes rows, it never waits for the
/// network.
pub trait Reader: Send + Sync {
    fn read<'a>(&'a self, unit: &'a mut Unit, events: &'a [Event]) -> BoxFuture<'a, Result<()>>;

    /// Which of these old events it still needs.
    fn needs<'a>(&'a self, unit: &'a mut Unit, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>>>;
}

/// Events of one step: fewer when each means much work (many webhooks), because on SQLite everybody else waits meanwhile.
const MOST: i64 = 500;
const LEAST: i64 = 50;
const LONG: Duration = Duration::from_millis(100);
/// The net under lost wake-ups and other nodes' events.
const POLL: Duration = Duration::from_millis(500);
/// Another node is numbering: its snapshot may have missed ours.
const LOCKED: Duration = Duration::from_millis(20);
/// Any number, the same on every node.
const LOCK: i64 = 0x6576_656e;

enum Step {
    Idle,
    /// So long took the work, without waiting for the writer or the disk.
    More(Duration),
    Locked,
}

/// Runs until the server stops.
pub async fn run(app: App, readers: Vec<Arc<dyn Reader>>) {
    let mut batch = MOST;
    while !app.is_stopping() {
        let wait = match step(&app, &readers, batch).await {
            Ok(Step::More(took)) => {
                batch = if took > LONG { batch / 2 } else { batch * 2 }.clamp(LEAST, MOST);
                continue;
            }
            Ok(Step::Locked) => LOCKED,
            Ok(Step::Idle) => POLL,
            Err(error) => {
                tracing::error!(%error, "numbering events failed; trying again");
                POLL
            }
        };
        tokio::select! {
            () = app.events_recorded.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = app.stopped() => {}
        }
    }
}

async fn step(app: &App, readers: &[Arc<dyn Reader>], batch: i64) -> Result<Step> {
    if !store::all_workspaces_has_unnumbered(&app.db).await? {
        return Ok(Step::Idle);
    }
    let mut unit = app.begin().await?;
    let began = std::time::Instant::now();
    if !unit.tx.try_lock(LOCK).await? {
        return Ok(Step::Locked);
    }
    let events = next(&mut unit, batch).await?;
    if events.is_empty() {
        return Ok(Step::Idle);
    }
    number(&mut unit, &events).await?;
    for reader in readers {
        reader.read(&mut unit, &events).await?;
    }
    let took = began.elapsed();
    unit.commit().await?;
    Ok(Step::More(took))
}

/// How far behind a stream's crowd others are looked for.
const HORIZON: i64 = 50_000;
const CROWDS: usize = 16;

/// The oldest events; but streams with crowds of them make way for others that stand behind (rule Q6).
async fn next(unit: &mut Unit, batch: i64) -> Result<Vec<Event>> {
    let mut events = store::all_workspaces_unnumbered(&mut unit.tx, 0..i64::MAX, &[], batch).await?;
    let wanted = usize::try_from(batch).unwrap_or_default();
    let mut crowds = crowds(&events);
    if events.len() < wanted || crowds.is_empty() {
        return Ok(events);
    }
    let crowded = crowds.clone();
    let first = events.last().map_or(0, |event| event.id) + 1;
    let (mut from, mut behind) = (first, Vec::new());
    while behind.len() < wanted / 2 && crowds.len() <= CROWDS {
        let range = from..first.saturating_add(HORIZON);
        let round = store::all_workspaces_unnumbered(&mut unit.tx, range, &crowds, batch / 4).await?;
        let Some(last) = round.last() else { break };
        from = last.id + 1;
        crowds.extend(self::crowds(&round));
        behind.extend(round);
    }
    make_way(&mut events, &crowded, behind.len());
    events.extend(behind);
    Ok(events)
}

/// The streams that take an eighth or more of these places.
fn crowds(events: &[Event]) -> Vec<(i64, i64)> {
    let mut sizes: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    events.iter().for_each(|event| *sizes.entry(stream(event)).or_default() += 1);
    sizes.into_iter().filter(|(_, size)| size * 8 >= events.len()).map(|(stream, _)| stream).collect()
}

/// Takes out the newest events of these streams.
fn make_way(events: &mut Vec<Event>, crowds: &[(i64, i64)], mut places: usize) {
    for index in (0..events.len()).rev() {
        if places > 0 && crowds.contains(&stream(&events[index])) {
            events.remove(index);
            places -= 1;
        }
    }
}

async fn number(unit: &mut Unit, events: &[Event]) -> Result<()> {
    let mut heads: BTreeMap<(i64, i64), i64> = events.iter().map(|event| (stream(event), 0)).collect();
    let streams: Vec<_> = heads.keys().copied().collect();
    for (workspace, partner, last) in store::all_workspaces_heads(&mut unit.tx, &streams).await? {
        heads.entry((workspace, partner)).and_modify(|head| *head = last);
    }
    let mut numbers = Vec::with_capacity(events.len());
    for event in events {
        let head = heads.entry(stream(event)).or_default();
        *head += 1;
        numbers.push((event.id, *head));
    }
    store::all_workspaces_set_numbers(&mut unit.tx, &numbers).await?;
    let heads: Vec<_> = heads.into_iter().collect();
    Ok(store::all_workspaces_set_heads(&mut unit.tx, &heads).await?)
}

fn stream(event: &Event) -> (i64, i64) {
    (event.workspace_id.unwrap_or_default(), event.partner_id.unwrap_or_default())
}
