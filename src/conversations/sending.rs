//! Sending queued messages: record the intent, call the provider once, record the outcome (rule D9).
//!
//! A message found in `calling` was being sent when its worker died: nobody knows whether it went out, so it becomes
//! `unknown` and is never sent again by itself. One message of a conversation is in flight at a time.

use super::{progress, store};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::channels::provider::{Failure, FailureClass, IncomingStatus, Outgoing, Progress, Sent};
use crate::channels::{self, Account};
use crate::jobs::{self, Job, Kind, Lane, Opened, Verdict};
use crate::kernel::{Instant, Result};
use crate::plans::meter::{self, Counts};
use crate::workspaces::{self, Activity};
use std::sync::Arc;
use std::time::Duration;

/// The lane of a channel's outgoing messages.
pub(super) const LANE: &str = channels::SENDING_LANE;
/// A refusal that will pass is tried again this often.
const TRIES: i64 = 6;
/// A sleeping lane is woken by reactivation or reconnection; this is the net for a waking that it slept through.
const SLEEP: Duration = Duration::from_secs(30);
/// However long a provider asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
const UNKNOWN: &str = "The outcome of sending is unknown; it is not sent again by itself.";

/// Sends the messages of one channel.
#[derive(Debug)]
pub struct SendMessages;

/// What came of one message.
#[derive(Debug)]
pub struct Outcome {
    message: i64,
    sent_to: String,
    sent: Sent,
}

impl Kind for SendMessages {
    const NAME: &'static str = LANE;
    const CONCURRENCY: usize = 16;
    const STRICT: bool = true;
    type Shared = Arc<Account>;
    type Item = Outgoing;
    type Done = Outcome;

    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<Arc<Account>>> {
        let Some(workspace) = lane.workspace_id else { return Ok(Opened::Gone) };
        let scope = WorkspaceScope::of_background_work(workspace);
        let Some(account) = channels::by_id(app, scope, lane.key).await? else { return Ok(Opened::Gone) };
        Ok(match workspaces::activity(app, workspace).await? {
            Activity::Gone => Opened::Gone,
            Activity::Active if account.is_connected => Opened::Ready(account),
            _ => Opened::Later(app.now().after(SLEEP)),
        })
    }

    /// Reconnected, disconnected or suspended meanwhile: the lane looks again before it sends anything more.
    async fn is_current(&self, app: &App, account: &Arc<Account>) -> Result<bool> {
        let now = channels::by_id(app, account.scope, account.id).await?;
        let same = now.is_some_and(|now| now.is_same_connection(account));
        Ok(same && workspaces::is_active(app, account.scope.id()).await?)
    }

    /// Records the intent before any call. What another worker left in `calling` is unknown from now on.
    async fn load(&self, app: &App, account: &Arc<Account>, jobs: &[Job]) -> Result<Vec<Option<Outgoing>>> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.subject).collect();
        let mut unit = app.begin().await?;
        for id in &ids {
            store::set_unclear(&mut unit.tx, account.scope, *id, UNKNOWN).await?;
        }
        let queued = store::begin_calls(&mut unit.tx, account.scope, &ids).await?;
        unit.commit().await?;
        let outgoing = |id: &i64| {
            let row = queued.iter().find(|row| row.id == *id)?;
            Some(Outgoing { message_id: row.id, address: row.address.clone()?, text: row.content.clone() })
        };
        Ok(ids.iter().map(outgoing).collect())
    }

    async fn perform(&self, app: &App, account: &Arc<Account>, _: Job, message: Outgoing) -> Outcome {
        let sent = account.provider.send(app, account, &message).await;
        Outcome { message: message.message_id, sent_to: message.address, sent }
    }

    async fn settle(
        &self,
        unit: &mut Unit,
        account: &Arc<Account>,
        done: &mut Vec<(Job, Outcome)>,
    ) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::with_capacity(done.len());
        let mut counts = Counts::default();
        for (job, outcome) in done.iter() {
            let (verdict, counted) = record(unit, account, *job, outcome).await?;
            verdicts.push(verdict);
            counts += counted;
        }
        meter::count_arrivals(unit, account.scope, counts).await?;
        Ok(verdicts)
    }
}

async fn record(unit: &mut Unit, account: &Account, job: Job, outcome: &Outcome) -> Result<(Verdict, Counts)> {
    match &outcome.sent {
        Sent::Accepted { provider_id, address } => {
            if let Some(address) = address {
                let (channel, contact) = (account.id, job.group);
                let learned = store::NewAddress { channel, contact, sent_to: &outcome.sent_to, address };
                store::insert_address(&mut unit.tx, account.scope, &learned).await?;
            }
            let counts = accepted(unit, account, job, outcome.message, provider_id).await?;
            Ok((Verdict::Done, counts))
        }
        Sent::Unclear(why) => {
            tracing::warn!(message = outcome.message, why, "the outcome of a send is unclear");
            store::set_unclear(&mut unit.tx, account.scope, outcome.message, UNKNOWN).await?;
            Ok((Verdict::Done, Counts::default()))
        }
        Sent::Refused(failure) => refused(unit, account, job, outcome.message, failure).await,
    }
}

async fn accepted(unit: &mut Unit, account: &Account, job: Job, message: i64, provider_id: &str) -> Result<Counts> {
    let (scope, contact, now) = (account.scope, job.group, unit.now());
    let mut counts = Counts::default();
    // A status may be worked in at this very moment: whoever comes second sees what the first one wrote.
    jobs::lock(unit, channels::INBOUND_LANE, account.id).await?;
    store::set_accepted(&mut unit.tx, scope, message, provider_id).await?;
    if account.provider.accepted_is_sent() {
        let provider_id = provider_id.to_owned();
        let status = IncomingStatus { provider_id, message_id: None, status: Progress::Sent, at: now, failure: None };
        counts += progress::apply(unit, scope, message, contact, &status).await?;
    }
    counts += progress::catch_up(unit, scope, account.id, message, contact, provider_id).await?;
    for echo in account.provider.echoes(provider_id, now) {
        channels::accept(unit, account, &echo).await?;
    }
    Ok(counts)
}

async fn refused(
    unit: &mut Unit,
    account: &Account,
    job: Job,
    message: i64,
    failure: &Failure,
) -> Result<(Verdict, Counts)> {
    let (scope, now) = (account.scope, unit.now());
    let wait = wait(now, job.attempt, failure);
    let verdict = match failure.class {
        FailureClass::RateChannel => Verdict::Pause(wait),
        FailureClass::RatePair => Verdict::Retry(wait),
        FailureClass::Transient if job.attempt + 1 < TRIES => Verdict::Retry(wait),
        class => {
            let counts = progress::refuse(unit, scope, message, failure.clone(), now).await?;
            if class != FailureClass::Auth {
                return Ok((Verdict::Done, counts));
            }
            // What waits is kept; a reconnection wakes the lane.
            channels::stop(unit, account, &failure.message).await?;
            return Ok((Verdict::Stop(now.after(SLEEP)), counts));
        }
    };
    store::set_trouble(&mut unit.tx, scope, message, "queued", failure).await?;
    Ok((verdict, Counts::default()))
}

/// As long as the provider asks, else 1 s, 4 s, 16 s … up to five minutes.
fn wait(now: Instant, attempt: i64, failure: &Failure) -> Instant {
    let exponent = u32::try_from(attempt.clamp(0, 5)).unwrap_or_default();
    let backoff = Duration::from_secs(4u64.pow(exponent).min(300));
    now.after(failure.retry_after.unwrap_or(backoff).min(LONGEST_WAIT))
}
