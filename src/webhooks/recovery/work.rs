//! The steps of a recovery. Each is one transaction with the acknowledgement of its lease and the place that it came to,
//! so that one which is killed, or taken over by another node, goes on where it stands.

use super::super::delivery::Deliver;
use super::super::store::{self, NewDelivery, RecoveryRow, Requeued, WebhookRow};
use super::super::{Dialect, Owner, again, fanout, from_json, payload};
use super::{RecoveryKind, RecoveryStatus, has};
use crate::app::{App, Unit};
use crate::events::{self, Numbered};
use crate::jobs::{self, Job, Kind, Lane, NewJob, Opened, Verdict};
use crate::kernel::{Instant, Result};
use crate::workspaces::Activity;
use std::collections::HashMap;

/// The kind of work that sends much again; one job per recovery.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recover;

/// Rows of one step: on SQLite nobody else writes meanwhile.
const STEP: usize = 200;

impl Kind for Recover {
    const NAME: &'static str = "webhooks.recover";
    const CONCURRENCY: usize = 1;
    const STRICT: bool = false;
    type Shared = (Owner, i64);
    type Item = ();
    type Done = ();

    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<(Owner, i64)>> {
        let Some(owner) = Deliver::owner(app, lane).await? else { return Ok(Opened::Gone) };
        Ok(match owner.activity(app).await? {
            Activity::Gone => Opened::Gone,
            _ => Opened::Ready((owner, lane.key)),
        })
    }

    async fn load(&self, _: &App, _: &(Owner, i64), jobs: &[Job]) -> Result<Vec<Option<()>>> {
        Ok(vec![Some(()); jobs.len()])
    }

    async fn perform(&self, _: &App, _: &(Owner, i64), _: Job, (): ()) {}

    async fn settle(
        &self,
        unit: &mut Unit,
        (owner, webhook): &(Owner, i64),
        done: &mut Vec<(Job, ())>,
    ) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::with_capacity(done.len());
        for (job, ()) in done {
            let goes_on = step(unit, *owner, *webhook, job.subject).await?;
            verdicts.push(if goes_on { Verdict::Retry(unit.now()) } else { Verdict::Done });
        }
        Ok(verdicts)
    }
}

/// Does the next part of a recovery; false when there is nothing left to do.
async fn step(unit: &mut Unit, owner: Owner, webhook: i64, id: i64) -> Result<bool> {
    let Some(mut row) = store::find_recovery(&mut unit.tx, owner, webhook, id).await? else { return Ok(false) };
    let Some(hook) = store::find(&mut unit.tx, owner, webhook).await? else { return Ok(false) };
    if row.status != RecoveryStatus::Running {
        return Ok(false);
    }
    let now = unit.now();
    if hook.is_active {
        // Lanes first: no worker records an outcome until this is committed.
        jobs::lock(unit, Deliver::NAME, webhook).await?;
        let is_over = match row.kind {
            RecoveryKind::Recover => recover(unit, owner, &hook, &mut row).await?,
            RecoveryKind::Replay => replay(unit, owner, &hook, &mut row).await?,
        };
        if is_over {
            (row.status, row.finished_at) = (RecoveryStatus::Completed, Some(now));
        }
    } else {
        (row.status, row.finished_at) = (RecoveryStatus::Cancelled, Some(now));
    }
    store::advance(&mut unit.tx, owner, &row, now).await?;
    Ok(row.finished_at.is_none())
}

/// The next of the failed deliveries that there were when it was asked for; true when those were the last.
async fn recover(unit: &mut Unit, owner: Owner, hook: &WebhookRow, row: &mut RecoveryRow) -> Result<bool> {
    let place = (Instant::from_micros(row.place), row.place_id);
    let of = (hook.id, hook.dropped_through);
    let found = store::failed_since(&mut unit.tx, owner, of, place, row.created_at, size(STEP)).await?;
    if let Some(last) = found.last() {
        (row.place, row.place_id) = (last.created_at.micros(), last.again().id);
    }
    let again: Vec<Requeued> = found.iter().map(store::Failed::again).collect();
    (row.examined, row.queued) = (row.examined + size(found.len()), row.queued + size(again.len()));
    again::queue_again(unit, owner, hook.id, &again, Vec::new()).await?;
    Ok(found.len() < STEP)
}

/// The next events of the span; true when those were the last.
async fn replay(unit: &mut Unit, owner: Owner, hook: &WebhookRow, row: &mut RecoveryRow) -> Result<bool> {
    let through = row.through_seq.unwrap_or(row.place);
    let told = events::span(&mut unit.tx, owner.stream(), row.place..through, size(STEP)).await?;
    let Some(last) = told.last() else { return Ok(true) };
    row.place = last.seq;
    let is_over = told.len() < STEP || row.to_at.is_some_and(|to| events::is_past(last.created_at, to));
    let wanted = chosen(&told, hook, row);
    row.examined += size(told.len());
    row.queued += send(unit, owner, hook, &wanted).await?;
    Ok(is_over)
}

/// Of these events, those that the endpoint is to hear of.
fn chosen<'a>(told: &'a [Numbered], hook: &WebhookRow, row: &RecoveryRow) -> Vec<&'a Numbered> {
    let names = from_json(row.events.as_ref().unwrap_or(&hook.events));
    let in_time = |at: Instant| row.from_at.is_none_or(|from| at >= from) && row.to_at.is_none_or(|to| at < to);
    let is_chosen = |event: &&Numbered| {
        // A test is told once, to the endpoint that asked for it.
        let known = event.kind != payload::TEST && Dialect::Product.has(&event.kind);
        known && has(&names, &event.kind) && in_time(event.created_at)
    };
    told.iter().filter(is_chosen).collect()
}

/// Makes the deliveries that are missing and sends the others again; answers how many.
async fn send(unit: &mut Unit, owner: Owner, hook: &WebhookRow, wanted: &[&Numbered]) -> Result<i64> {
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut new: Vec<NewDelivery<'_>> = Vec::with_capacity(wanted.len());
    for event in wanted {
        new.push(again::new_delivery(owner, hook, event.id, &event.kind, String::new()));
    }
    fanout::name(&mut new, &*unit.app().random);
    let now = unit.now();
    let made = store::all_workspaces_insert_deliveries(&mut unit.tx, &new, now).await?;
    let groups: HashMap<i64, i64> = wanted.iter().map(|event| (event.id, event.subject_id)).collect();
    let job = |(delivery, event, _): &(i64, i64, i64)| {
        let group = groups.get(event).copied().unwrap_or_default();
        (*event, NewJob { subject: *delivery, group })
    };
    let made: Vec<(i64, NewJob)> = made.iter().map(job).collect();
    let is_made = |event: &i64| made.iter().any(|(made, _)| made == event);
    let known: Vec<i64> = wanted.iter().map(|event| event.id).filter(|event| !is_made(event)).collect();
    let again = match known.is_empty() {
        true => Vec::new(),
        false => store::of_events(&mut unit.tx, owner, (hook.id, hook.dropped_through), &known).await?,
    };
    let (count, added) = (size(made.len() + again.len()), size(made.len()));
    again::queue_again(unit, owner, hook.id, &again, made).await?;
    store::add_to_counts(&mut unit.tx, &[(owner, hook.id, added)]).await?;
    Ok(count)
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
