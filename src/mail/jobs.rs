//! Sends mails. A lane is a workspace's; refusals that will pass are tried again on a schedule, others are not.

use super::transport::{Exchange, Outcome};
use super::{Letter, Sender, Written, store};
use crate::app::{App, Unit};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::jobs::{Job, Kind, Lane, Opened, Verdict};
use crate::kernel::Result;
use crate::kernel::seal::DataKey;
use crate::partners;
use crate::workspaces::{self, Activity};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Sends the mails of one workspace.
#[derive(Debug)]
pub struct SendMail;

/// Sends the mails to one partner's people.
#[derive(Debug)]
pub struct SendPartnerMail;

/// What the mails of a lane share.
#[derive(Debug)]
pub struct Outbox {
    sender: Sender,
    key: Arc<DataKey>,
    /// None since the operator has taken the server out of the settings.
    exchange: Option<Arc<Exchange>>,
}

/// Waits between attempts: two days in all. A greylisting server wants minutes, a broken one gets its weekend.
const SCHEDULE: [Duration; 8] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// What a mail says is out of date by then, wherever the time went.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A suspended workspace's lane looks again; normally its reactivation wakes it.
const SLEEP: Duration = Duration::from_secs(30);

impl SendMail {
    pub const LANE: &'static str = "mail";
}

impl SendPartnerMail {
    pub const LANE: &'static str = "partner_mail";
}

impl Kind for SendMail {
    const NAME: &'static str = Self::LANE;
    const CONCURRENCY: usize = 4;
    const STRICT: bool = false;
    type Shared = Outbox;
    type Item = Sealed;
    type Done = Outcome;

    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<Outbox>> {
        let Some(workspace) = lane.workspace_id else { return Ok(Opened::Gone) };
        let scope = WorkspaceScope::of_background_work(workspace);
        match workspaces::activity(app, workspace).await? {
            Activity::Gone => return Ok(Opened::Gone),
            Activity::Suspended => return Ok(Opened::Later(app.now().after(SLEEP))),
            Activity::Active => {}
        }
        let key = workspaces::data_key(app, scope).await?;
        Ok(Opened::Ready(Outbox { sender: Sender::Workspace(scope), key, exchange: Exchange::of(app) }))
    }

    async fn load(&self, app: &App, outbox: &Outbox, jobs: &[Job]) -> Result<Vec<Option<Sealed>>> {
        outbox.load(app, jobs).await
    }

    async fn perform(&self, app: &App, outbox: &Outbox, _: Job, sealed: Sealed) -> Outcome {
        outbox.perform(app, sealed).await
    }

    async fn settle(&self, unit: &mut Unit, outbox: &Outbox, done: &mut Vec<(Job, Outcome)>) -> Result<Vec<Verdict>> {
        outbox.settle(unit, done).await
    }
}

impl Kind for SendPartnerMail {
    const NAME: &'static str = Self::LANE;
    const CONCURRENCY: usize = 4;
    const STRICT: bool = false;
    type Shared = Outbox;
    type Item = Sealed;
    type Done = Outcome;

    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<Outbox>> {
        let scope = PartnerScope::of_background_work(lane.key);
        if !partners::is_active(app, scope).await? {
            return Ok(Opened::Later(app.now().after(SLEEP)));
        }
        let key = partners::data_key(app, scope).await?;
        Ok(Opened::Ready(Outbox { sender: Sender::Partner(scope), key, exchange: Exchange::of(app) }))
    }

    async fn load(&self, app: &App, outbox: &Outbox, jobs: &[Job]) -> Result<Vec<Option<Sealed>>> {
        outbox.load(app, jobs).await
    }

    async fn perform(&self, app: &App, outbox: &Outbox, _: Job, sealed: Sealed) -> Outcome {
        outbox.perform(app, sealed).await
    }

    async fn settle(&self, unit: &mut Unit, outbox: &Outbox, done: &mut Vec<(Job, Outcome)>) -> Result<Vec<Verdict>> {
        outbox.settle(unit, done).await
    }
}

impl Outbox {
    async fn load(&self, app: &App, jobs: &[Job]) -> Result<Vec<Option<Sealed>>> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.subject).collect();
        let rows = store::due(&app.db, self.sender, &ids).await?;
        let mut found: HashMap<i64, store::MailRow> = rows.into_iter().map(|row| (row.id, row)).collect();
        Ok(ids.iter().map(|id| found.remove(id).map(Sealed)).collect())
    }

    async fn perform(&self, app: &App, sealed: Sealed) -> Outcome {
        if sealed.0.created_at.after(KEPT) < app.now() {
            return Outcome::Refused("it was not sent within a week".to_owned());
        }
        let Some(exchange) = &self.exchange else {
            return Outcome::Deferred("no mail server is configured".to_owned());
        };
        match sealed.opened(self) {
            Ok(letter) if letter.mail.until.is_some_and(|until| until < app.now()) => {
                Outcome::Refused("what it says is over".to_owned())
            }
            Ok(letter) => exchange.send(app, &letter).await,
            // A key that does not open it today will not open it tomorrow.
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    async fn settle(&self, unit: &mut Unit, done: &[(Job, Outcome)]) -> Result<Vec<Verdict>> {
        let now = unit.now();
        let mut finished = Vec::new();
        let verdicts = done.iter().map(|(job, outcome)| {
            let wait = usize::try_from(job.attempt).ok().and_then(|attempt| SCHEDULE.get(attempt));
            let why = match (outcome, wait) {
                (Outcome::Deferred(why), Some(wait)) => {
                    tracing::warn!(mail = job.subject, why, "a mail could not be sent yet");
                    return Verdict::Retry(now.after(*wait));
                }
                (Outcome::Sent, _) => None,
                (Outcome::Deferred(why) | Outcome::Refused(why), _) => Some(why),
            };
            if let Some(why) = why {
                tracing::warn!(mail = job.subject, sender = ?self.sender, why, "a mail was given up");
            }
            finished.push(job.subject);
            Verdict::Done
        });
        let verdicts = verdicts.collect();
        store::delete(&mut unit.tx, self.sender, &finished).await?;
        Ok(verdicts)
    }
}

/// A mail as it is stored; opened only to be sent.
pub struct Sealed(store::MailRow);

impl Sealed {
    fn opened(self, outbox: &Outbox) -> Result<Letter> {
        let store::MailRow { id, reference, body, created_at } = self.0;
        let opened = outbox.key.open(&outbox.sender.context(&reference), &body)?;
        Ok(Letter { id, reference, mail: Written::read(&opened)?, written_at: created_at })
    }
}
