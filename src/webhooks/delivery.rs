//! Sends deliveries. A lane is one webhook; what its deliveries share is read at most once in a while and after every
//! change.

use super::log::DISABLED;
use super::sign::{Signer, Slot};
use super::store::{self, Attempted, DueRow};
use super::{payload, retry};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::jobs::{Job, Kind, Lane, LaneKey, Opened, Verdict};
use crate::kernel::cache::Recent;
use crate::kernel::{Error, Instant, Result};
use crate::workspaces::{self, Activity};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use skylight_outbound::{Limits, Request, Response};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The kind of work that delivers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deliver;

/// The webhook of a leased lane.
#[derive(Debug)]
pub struct Target {
    scope: WorkspaceScope,
    webhook: i64,
    /// As they were a moment ago, by id; none where one was deleted.
    known: Arc<Recent<i64, Option<Arc<Endpoint>>>>,
}

/// What a webhook's deliveries share.
#[derive(Debug)]
struct Endpoint {
    url: Url,
    is_active: bool,
    /// Plans apply at use: without webhooks in it, deliveries wait.
    in_plan: bool,
    dropped_through: Instant,
    signer: Signer,
    /// The secret before, and until when it signs too.
    previous: Option<(Signer, Instant)>,
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
    started_at: Instant,
    duration: Duration,
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
/// A suspended workspace's lanes look again after this long; normally its reactivation wakes them.
const WHILE_SUSPENDED: Duration = Duration::from_secs(30);
const AFTER_OUTAGE: Duration = Duration::from_secs(5);
const GONE: &str = "The endpoint answered 410 Gone.";

impl Deliver {
    /// Where the deliveries of a webhook stand.
    pub(super) fn lane(scope: WorkspaceScope, webhook: i64) -> LaneKey {
        LaneKey { kind: Self::NAME, key: webhook, workspace: Some(scope) }
    }
}

impl Target {
    /// The webhook as it is now; none once it is deleted.
    async fn endpoint(&self, app: &App) -> Result<Option<Arc<Endpoint>>> {
        if let Some(known) = self.known.get(&self.webhook) {
            return Ok(known);
        }
        let generation = self.known.generation();
        let fresh = Endpoint::read(app, self.scope, self.webhook).await?.map(Arc::new);
        self.known.put(self.webhook, fresh.clone(), generation);
        Ok(fresh)
    }

    async fn deliver(&self, app: &App, due: &DueRow) -> Result<Done> {
        let asleep = || Ok(Done::Asleep(app.now().after(WHILE_SUSPENDED)));
        if !workspaces::is_active(app, self.scope.id()).await? {
            return asleep();
        }
        match self.endpoint(app).await? {
            Some(endpoint) if !endpoint.in_plan => asleep(),
            Some(endpoint) if endpoint.wants(due) => Ok(Done::Tried(send(app, &endpoint, due).await)),
            _ => Ok(Done::Dropped),
        }
    }
}

impl Kind for Deliver {
    const NAME: &'static str = "webhooks.deliver";
    const CONCURRENCY: usize = 64;
    const STRICT: bool = false;
    type Shared = Target;
    type Item = DueRow;
    type Done = Done;

    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<Target>> {
        let Some(workspace_id) = lane.workspace_id else { return Ok(Opened::Gone) };
        let later = || Ok(Opened::Later(app.now().after(WHILE_SUSPENDED)));
        match workspaces::activity(app, workspace_id).await? {
            Activity::Active => {}
            Activity::Suspended => return later(),
            Activity::Gone => return Ok(Opened::Gone),
        }
        let scope = WorkspaceScope::of_background_work(workspace_id);
        let target = Target { scope, webhook: lane.key, known: app.caches.of() };
        match target.endpoint(app).await? {
            Some(endpoint) if endpoint.in_plan => Ok(Opened::Ready(target)),
            Some(_) => later(),
            None => Ok(Opened::Gone),
        }
    }

    async fn load(&self, app: &App, target: &Target, jobs: &[Job]) -> Result<Vec<Option<DueRow>>> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.subject).collect();
        let found = store::due(&app.db, target.scope, &ids).await?;
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
        let (scope, now) = (target.scope, unit.now());
        store::keep_last_attempts(&mut unit.tx, scope, &book.repeated).await?;
        store::record_attempts(&mut unit.tx, scope, &book.attempts).await?;
        store::drop_deliveries(&mut unit.tx, scope, &book.dropped, DISABLED).await?;
        if book.gone {
            store::disable(&mut unit.tx, scope, target.webhook, GONE, now).await?;
            unit.changed();
        }
        Ok(verdicts)
    }
}

impl Endpoint {
    async fn read(app: &App, scope: WorkspaceScope, webhook: i64) -> Result<Option<Self>> {
        let Some(row) = store::endpoint(&app.db, scope, webhook).await? else { return Ok(None) };
        let key = workspaces::data_key(app, scope).await?;
        let signer = Signer::new(Slot::Current.open(&key, scope, webhook, &row.secret)?)?;
        let previous = match (row.previous_secret, row.previous_until) {
            (Some(sealed), Some(until)) if until > app.now() => {
                Some((Signer::new(Slot::Previous.open(&key, scope, webhook, &sealed)?)?, until))
            }
            _ => None,
        };
        let url = Url::parse(&row.url).map_err(Error::internal)?;
        let (is_active, in_plan, dropped_through) = (row.is_active, row.in_plan, row.dropped_through);
        Ok(Some(Self { url, is_active, in_plan, dropped_through, signer, previous }))
    }

    /// Whether a delivery is still to be sent. A test is, even while the webhook is switched off.
    fn wants(&self, due: &DueRow) -> bool {
        due.queued_at > self.dropped_through && (self.is_active || due.event == payload::TEST)
    }

    /// The list of the Standard Webhooks: the new secret first.
    fn standard_signatures(&self, due: &DueRow, timestamp: &str, body: &[u8], now: Instant) -> String {
        let current = self.signer.standard(&due.delivery_id, timestamp, body);
        match &self.previous {
            Some((previous, until)) if *until > now => {
                format!("{current} {}", previous.standard(&due.delivery_id, timestamp, body))
            }
            _ => current,
        }
    }

    fn request(&self, due: &DueRow, number: i64, body: Bytes, now: Instant) -> Request {
        let timestamp = now.seconds().to_string();
        let texts = [
            ("x-skylight-event", due.event.clone()),
            ("x-skylight-delivery", due.delivery_id.clone()),
            ("x-skylight-timestamp", timestamp.clone()),
            ("x-skylight-signature", self.signer.documented(&body)),
            ("x-skylight-attempt", number.to_string()),
            ("webhook-id", due.delivery_id.clone()),
            ("webhook-signature", self.standard_signatures(due, &timestamp, &body, now)),
            ("webhook-timestamp", timestamp),
        ];
        let mut headers = HeaderMap::with_capacity(texts.len() + 2);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("Webhooks/1.0"));
        for (name, text) in texts {
            // All of them are names and numbers of ours.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Request { method: Method::POST, url: self.url.clone(), headers, body }
    }
}

async fn send(app: &App, endpoint: &Endpoint, due: &DueRow) -> Attempt {
    let (number, started_at) = (due.attempts + 1, app.now());
    let request = endpoint.request(due, number, payload::body(due), started_at);
    let clock = std::time::Instant::now();
    let sent = app.strangers.send(request, LIMITS).await;
    let answer = sent.map(|response| Answered::of(&response, app.now())).map_err(|error| error.to_string());
    Attempt { number, started_at, duration: clock.elapsed(), answer }
}

impl Answered {
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
            retry::next_attempt(schedule, attempt.number, asked, now, &*app.random)
        };
        self.gone |= gone;
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
