//! Sends deliveries. A lane is one webhook; what its deliveries share is read at most once in a while and after every
//! change.

use super::endpoint::Endpoint;
use super::log::DISABLED;
use super::notice::{self, Why};
use super::sockets::Sockets;
use super::store::{self, Attempted, DueRow};
use super::{Owner, metrics, payload, retry};
use crate::app::{App, Unit};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::jobs::{Fared, Job, Kind, Lane, LaneKey, Opened, Verdict};
use crate::kernel::cache::Recent;
use crate::kernel::{Instant, Result};
use crate::workspaces::Activity;
use http::StatusCode;
use skylight_outbound::{Limits, Response};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The kind of work that delivers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deliver;

/// The webhook of a leased lane.
#[derive(Debug)]
pub struct Target {
    owner: Owner,
    webhook: i64,
    /// As they were a moment ago, by id; none where one was deleted.
    known: Arc<Recent<i64, Option<Arc<Endpoint>>>>,
}

/// What became of a delivery for now.
#[derive(Debug)]
pub enum Done {
    Tried(Attempt),
    /// Its webhook is switched off.
    Dropped,
    /// Nothing was tried, and nothing of this lane shall be before then.
    Asleep(Instant),
}

/// One request to a receiver.
#[derive(Debug)]
pub struct Attempt {
    number: i64,
    /// Its place in the schedule: which begins anew when somebody asks for a delivery again.
    step: i64,
    started_at: Instant,
    pub(super) duration: Duration,
    answer: Result<Answered, String>,
}

#[derive(Debug)]
struct Answered {
    status: StatusCode,
    beginning: String,
    asks_for: Option<Duration>,
}

const LIMITS: Limits =
    Limits { connect: Duration::from_secs(5), total: Duration::from_secs(30), read: 64 * 1024, strict: false };
/// A suspended owner's lanes look again after this long; normally a workspace's reactivation wakes them.
const WHILE_SUSPENDED: Duration = Duration::from_secs(30);
/// A paused endpoint's lane looks again after this long; normally `resume` wakes it.
const WHILE_PAUSED: Duration = Duration::from_secs(60 * 60);
const AFTER_OUTAGE: Duration = Duration::from_secs(5);
/// An endpoint from which nothing but failures came for so long is switched off.
const PATIENCE: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// A receiver that says it is overloaded is left alone for so long, if it names no time; and at most so long if it does.
const BREATHER: Duration = Duration::from_secs(5);
const LONGEST_BREATHER: Duration = Duration::from_secs(240);

impl Deliver {
    /// Where the deliveries of a webhook stand.
    pub(super) fn lane(owner: Owner, webhook: i64) -> LaneKey {
        LaneKey { kind: Self::NAME, key: webhook, workspace: owner.workspace() }
    }

    /// Whose lane it is; none where its endpoint is gone.
    pub(super) async fn owner(app: &App, lane: &Lane) -> Result<Option<Owner>> {
        if let Some(workspace) = lane.workspace_id {
            return Ok(Some(WorkspaceScope::of_background_work(workspace).into()));
        }
        let partner = store::all_workspaces_partner_of(&app.db, lane.key).await?;
        Ok(partner.map(|id| PartnerScope::of_background_work(id).into()))
    }
}

impl Target {
    /// The webhook as it is now; none once it is deleted.
    async fn endpoint(&self, app: &App) -> Result<Option<Arc<Endpoint>>> {
        // That it is paused is not believed a moment longer: its lane would sleep on after it was resumed elsewhere.
        let is_paused = |known: &Option<Arc<Endpoint>>| known.as_ref().is_some_and(|endpoint| endpoint.is_paused);
        if let Some(known) = self.known.get(&self.webhook).filter(|known| !is_paused(known)) {
            return Ok(known);
        }
        let generation = self.known.generation();
        let fresh = Endpoint::read(app, self.owner, self.webhook).await?.map(Arc::new);
        self.known.put(self.webhook, fresh.clone(), generation);
        Ok(fresh)
    }

    async fn deliver(&self, app: &App, due: &DueRow) -> Result<Done> {
        let asleep = || Ok(Done::Asleep(app.now().after(WHILE_SUSPENDED)));
        if self.owner.activity(app).await? != Activity::Active {
            return asleep();
        }
        match self.endpoint(app).await? {
            Some(endpoint) if !endpoint.in_plan => asleep(),
            Some(endpoint) if endpoint.is_paused => Ok(Done::Asleep(app.now().after(WHILE_PAUSED))),
            Some(endpoint) if endpoint.wants(due) => {
                let _place = app.rooms.of::<Sockets>().place(self.owner).await;
                Ok(Done::Tried(send(app, &endpoint, due).await))
            }
            _ => Ok(Done::Dropped),
        }
    }
}

impl Kind for Deliver {
    const NAME: &'static str = "webhooks.deliver";
    const CONCURRENCY: usize = 64;
    const AT_FIRST: usize = 8;
    const STRICT: bool = false;
    type Shared = Target;
    type Item = DueRow;
    type Done = Done;

    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<Target>> {
        let Some(owner) = Self::owner(app, lane).await? else { return Ok(Opened::Gone) };
        let later = || Ok(Opened::Later(app.now().after(WHILE_SUSPENDED)));
        match owner.activity(app).await? {
            Activity::Active => {}
            Activity::Suspended => return later(),
            Activity::Gone => return Ok(Opened::Gone),
        }
        let target = Target { owner, webhook: lane.key, known: app.caches.of() };
        match target.endpoint(app).await? {
            Some(endpoint) if endpoint.is_paused => Ok(Opened::Later(app.now().after(WHILE_PAUSED))),
            Some(endpoint) if endpoint.in_plan => Ok(Opened::Ready(target)),
            Some(_) => later(),
            None => Ok(Opened::Gone),
        }
    }

    /// What its owner allows; of an endpoint that cannot be read now, nothing is known.
    async fn pace(&self, app: &App, target: &Target) -> Option<u32> {
        target.endpoint(app).await.ok().flatten()?.rate_limit
    }

    fn fared(&self, done: &[(Job, Done)]) -> Fared {
        let tried =
            done.iter().filter_map(|(_, done)| if let Done::Tried(attempt) = done { Some(attempt) } else { None });
        tried.fold(Fared::default(), |fared, attempt| attempt.adds_to(fared))
    }

    async fn ailing(&self, unit: &mut Unit, target: &Target, since: Instant) -> Result<()> {
        if since.after(PATIENCE) > unit.now() {
            return Ok(());
        }
        disable(unit, target.owner, target.webhook, Why::Dead).await
    }

    async fn load(&self, app: &App, target: &Target, jobs: &[Job]) -> Result<Vec<Option<DueRow>>> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.subject).collect();
        let found = store::due(&app.db, target.owner, &ids).await?;
        let mut found: HashMap<i64, DueRow> = found.into_iter().map(|due| (due.id, due)).collect();
        Ok(ids.iter().map(|id| found.remove(id).filter(|due| due.unfinished)).collect())
    }

    async fn perform(&self, app: &App, target: &Target, _: Job, due: DueRow) -> Done {
        target.deliver(app, &due).await.unwrap_or_else(|error| {
            tracing::warn!(%error, webhook = target.webhook, "a delivery could not be tried");
            Done::Asleep(app.now().after(AFTER_OUTAGE))
        })
    }

    async fn settle(&self, unit: &mut Unit, target: &Target, done: &mut Vec<(Job, Done)>) -> Result<Vec<Verdict>> {
        let mut book = Book::default();
        let verdicts = done.iter().map(|(job, done)| book.enter(unit, job, done)).collect();
        let owner = target.owner;
        store::keep_last_attempts(&mut unit.tx, owner, &book.repeated).await?;
        store::record_attempts(&mut unit.tx, owner, &book.attempts).await?;
        store::drop_deliveries(&mut unit.tx, owner, &book.dropped, DISABLED).await?;
        metrics::ended(unit.app(), book.delivered, book.given_up + book.dropped.len());
        if book.gone {
            disable(unit, owner, target.webhook, Why::Gone).await?;
        }
        Ok(verdicts)
    }
}

async fn send(app: &App, endpoint: &Endpoint, due: &DueRow) -> Attempt {
    let (number, started_at) = (due.attempts + 1, app.now());
    let request = endpoint.request(due, number, started_at);
    let in_flight = metrics::InFlight::begin(app);
    let clock = std::time::Instant::now();
    let sent = app.strangers.send(request, LIMITS).await;
    let answer = sent.map(|response| Answered::of(&response, app.now())).map_err(|error| error.to_string());
    let (step, duration) = (number - due.tried_before, clock.elapsed());
    let attempt = Attempt { number, step, started_at, duration, answer };
    drop(in_flight);
    metrics::attempted(app, &attempt);
    attempt
}

/// Switches an endpoint off without anybody having asked for it, and tells its owner.
async fn disable(unit: &mut Unit, owner: Owner, webhook: i64, why: Why) -> Result<()> {
    let now = unit.now();
    if store::disable(&mut unit.tx, owner, webhook, why.text(), now).await? {
        unit.changed();
        notice::send(unit, owner, webhook, why).await?;
    }
    Ok(())
}

impl Attempt {
    /// In a word.
    pub(super) fn outcome(&self) -> &'static str {
        match &self.answer {
            Ok(answered) if answered.status.is_success() => "delivered",
            Ok(_) => "refused",
            Err(_) => "unreachable",
        }
    }

    fn adds_to(&self, fared: Fared) -> Fared {
        let answered = self.answer.as_ref().ok();
        if answered.is_some_and(|answered| answered.status.is_success()) {
            return Fared { well: true, ..fared };
        }
        let ended = self.started_at.after(self.duration);
        Fared {
            failures: fared.failures + 1,
            first_failure: Some(fared.first_failure.map_or(self.started_at, |first| first.min(self.started_at))),
            rest: fared.rest.max(answered.and_then(Answered::breather).map(|rest| ended.after(rest))),
            ..fared
        }
    }
}

impl Answered {
    /// How long the whole endpoint is left alone: one that is overloaded is not helped by other deliveries.
    fn breather(&self) -> Option<Duration> {
        const SLOW: [StatusCode; 3] =
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT];
        SLOW.contains(&self.status).then(|| self.asks_for.unwrap_or(BREATHER).min(LONGEST_BREATHER))
    }

    fn of(response: &Response, now: Instant) -> Self {
        let asks_for = if response.status.is_success() { None } else { retry::asked_for(&response.headers, now) };
        Self { status: response.status, beginning: payload::excerpt(&response.body), asks_for }
    }

    fn fault(&self) -> Option<String> {
        match self.status {
            status if status.is_success() => None,
            status if status.is_redirection() => Some(format!("answered {status}; redirects are not followed")),
            status => Some(format!("answered {status}")),
        }
    }
}

/// What a batch of outcomes comes to, before it is written.
#[derive(Default)]
struct Book {
    attempts: Vec<Attempted>,
    /// Deliveries whose earlier attempt is to be set aside, with the number of the new one.
    repeated: Vec<(i64, i64)>,
    dropped: Vec<i64>,
    delivered: usize,
    /// Their schedule has ended.
    given_up: usize,
    /// The endpoint says that it will never be back.
    gone: bool,
}

impl Book {
    fn enter(&mut self, unit: &Unit, job: &Job, done: &Done) -> Verdict {
        match done {
            Done::Tried(attempt) => self.enter_attempt(unit, job.subject, attempt),
            Done::Dropped => {
                self.dropped.push(job.subject);
                Verdict::Done
            }
            Done::Asleep(then) => Verdict::Sleep(*then),
        }
    }

    fn enter_attempt(&mut self, unit: &Unit, id: i64, attempt: &Attempt) -> Verdict {
        let (app, now) = (unit.app(), unit.now());
        let answered = attempt.answer.as_ref().ok();
        let status = answered.map(|answered| answered.status);
        let delivered = status.is_some_and(|status| status.is_success());
        let gone = status == Some(StatusCode::GONE);
        let asked = answered.and_then(|answered| answered.asks_for);
        let schedule = &app.config.webhook_retry_schedule;
        let next = if delivered || gone {
            None
        } else {
            retry::next_attempt(schedule, attempt.step, asked, now, &*app.random)
        };
        self.gone |= gone;
        self.delivered += usize::from(delivered);
        self.given_up += usize::from(!delivered && next.is_none());
        if attempt.number > 1 {
            self.repeated.push((id, attempt.number));
        }
        self.attempts.push(Attempted {
            id,
            number: attempt.number,
            status: if delivered { "delivered" } else { "failed" },
            attempted_at: attempt.started_at,
            duration_ms: i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX),
            response_status: status.map(|status| status.as_u16()),
            response_body: answered.map(|answered| answered.beginning.clone()),
            error: attempt.answer.as_ref().map_or_else(|fault| Some(fault.clone()), Answered::fault),
            next_retry_at: next,
            delivered_at: delivered.then_some(now),
        });
        next.map_or(Verdict::Done, Verdict::Retry)
    }
}
