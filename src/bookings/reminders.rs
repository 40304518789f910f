//! Reminders: messages that a contact gets on their own channel before an appointment begins, each once. A booking that moves
//! has them planned anew, one that is cancelled has none.

use super::hours::timestamp;
use super::types::BookingType;
use super::{Booking, BookingStatus, history, store};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::contacts;
use crate::conversations::{self, NewMessage};
use crate::jobs::{self, Job, Kind, Lane, LaneKey, NewJob, Opened, Verdict};
use crate::kernel::{Fields, Instant, Result};
use crate::workspaces::{self, Activity};
use history::Action;
use serde::{Deserialize, Serialize};
use skylight_db::{Cell, Column};
use std::time::Duration;
use utoipa::ToSchema;

const MOST: usize = 5;
const LONGEST: usize = 2_000;
/// Thirty days.
const EARLIEST: i64 = 30 * 24 * 60;
/// A sleeping lane is woken by reactivation; this is the net for a waking that it slept through.
const SLEEP: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_secs(30);

const CONTACT: &str = "{{contact_name}}";
const TYPE: &str = "{{booking_type}}";
const RESOURCE: &str = "{{resource}}";
const DATE: &str = "{{date}}";
const TIME: &str = "{{time}}";

/// A message that goes out before a booking begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BookingReminder)]
pub struct Reminder {
    #[schema(example = 1440, minimum = 1, maximum = 43200)]
    pub minutes_before: i64,
    /// `{{contact_name}}`, `{{booking_type}}`, `{{resource}}`, `{{date}}` and `{{time}}` (by the resource's clock) are replaced.
    #[schema(example = "See you on {{date}} at {{time}}, {{contact_name}}.", min_length = 1, max_length = 2000)]
    pub text: String,
}

/// Those of a type, as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reminders(pub Vec<Reminder>);

impl Column for Reminders {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        serde_json::from_str(&String::from_cell(cell)?).map_err(|error| error.to_string())
    }
}

impl Reminders {
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let given = fields.at("reminders").objects(MOST)?;
        Some(Self(given.iter().filter_map(read_one).collect()))
    }

    pub(super) fn stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn read_one(fields: &Fields<'_>) -> Option<Reminder> {
    let minutes_before = fields.at("minutes_before").required().integer_between(1, EARLIEST);
    let field = fields.at("text").required();
    let text = field.text(LONGEST)?;
    let plain = [CONTACT, TYPE, RESOURCE, DATE, TIME].iter().fold(text.clone(), |text, known| text.replace(known, ""));
    if plain.contains("{{") || plain.contains("}}") {
        return field.wrong("names a variable that there is not");
    }
    Some(Reminder { minutes_before: minutes_before?, text })
}

/// When the reminders of a booking that begins then go out; those whose moment is past do not.
fn moments(kind: &BookingType, starts_at: Instant, now: Instant) -> impl Iterator<Item = (&Reminder, Instant)> {
    let due =
        move |reminder: &Reminder| starts_at.before(Duration::from_secs(reminder.minutes_before.unsigned_abs() * 60));
    kind.reminders.0.iter().map(move |reminder| (reminder, due(reminder))).filter(move |(_, due)| *due > now)
}

/// Makes sure that somebody sends them. Locks a lane, so it comes first.
pub(super) async fn wake(unit: &mut Unit, scope: WorkspaceScope, kind: &BookingType, starts_at: Instant) -> Result<()> {
    let lane = LaneKey { kind: Remind::NAME, key: scope.id(), workspace: Some(scope) };
    for (_, due) in moments(kind, starts_at, unit.now()) {
        jobs::enqueue_at(unit, lane, &[NewJob { subject: scope.id(), group: scope.id() }], due).await?;
    }
    Ok(())
}

/// Writes down what a booking is to be reminded of, in place of what was planned before.
pub(super) async fn plan(unit: &mut Unit, scope: WorkspaceScope, booking: &Booking, kind: &BookingType) -> Result<()> {
    let now = unit.now();
    store::reminders::forget(&mut unit.tx, scope, booking.id).await?;
    if booking.status != BookingStatus::Confirmed {
        return Ok(());
    }
    let planned: Vec<_> = moments(kind, booking.starts_at, now).collect();
    Ok(store::reminders::plan(&mut unit.tx, scope, booking.id, &planned).await?)
}

/// Sends a workspace's reminders.
#[derive(Debug)]
pub struct Remind;

impl Kind for Remind {
    const NAME: &'static str = "bookings.remind";
    const CONCURRENCY: usize = 1;
    const STRICT: bool = false;
    type Shared = WorkspaceScope;
    type Item = ();
    type Done = Result<()>;

    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<WorkspaceScope>> {
        let Some(workspace) = lane.workspace_id else { return Ok(Opened::Gone) };
        Ok(match workspaces::activity(app, workspace).await? {
            Activity::Gone => Opened::Gone,
            Activity::Active => Opened::Ready(WorkspaceScope::of_background_work(workspace)),
            Activity::Suspended => Opened::Later(app.now().after(SLEEP)),
        })
    }

    async fn load(&self, _: &App, _: &WorkspaceScope, jobs: &[Job]) -> Result<Vec<Option<()>>> {
        Ok(vec![Some(()); jobs.len()])
    }

    /// Whatever is due, one after the other: each is taken and its message written down in one transaction. One that fails
    /// holds up no other.
    async fn perform(&self, app: &App, scope: &WorkspaceScope, _: Job, (): ()) -> Result<()> {
        let (mut outcome, mut last) = (Ok(()), None);
        while let Some(next) = store::reminders::due(&app.db, *scope, app.now(), last).await? {
            last = Some((next.due_at, next.id));
            if let Err(error) = one(app, *scope, &next).await {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn settle(
        &self,
        unit: &mut Unit,
        _: &WorkspaceScope,
        done: &mut Vec<(Job, Result<()>)>,
    ) -> Result<Vec<Verdict>> {
        let again = unit.now().after(AGAIN);
        let verdict = |outcome: &Result<()>| match outcome {
            Ok(()) => Verdict::Done,
            Err(error) => {
                tracing::warn!(%error, "reminders go on shortly");
                Verdict::Retry(again)
            }
        };
        Ok(done.iter().map(|(_, outcome)| verdict(outcome)).collect())
    }
}

/// A reminder whose moment has come.
#[derive(Debug)]
pub struct DueReminder {
    pub id: i64,
    pub booking_id: i64,
    pub due_at: Instant,
    /// A later one of the booking is due as well: nobody is reminded twice at once.
    pub is_superseded: bool,
}

/// A reminder that cannot be sent (no channel, a blacklisted contact, the plan's limit) is not tried again. What passes by
/// itself is.
async fn one(app: &App, scope: WorkspaceScope, due: &DueReminder) -> Result<()> {
    match remind(app, scope, due).await {
        Err(refused) if !refused.is_ours() => {
            let problem = refused.public();
            let said = problem.errors.iter().next().and_then(|(_, said)| said.first());
            give_up(app, scope, due, said.map_or(problem.message.as_ref(), String::as_str)).await
        }
        outcome => outcome,
    }
}

async fn remind(app: &App, scope: WorkspaceScope, due: &DueReminder) -> Result<()> {
    let mut unit = app.begin().await?;
    let Some((text, booking)) = take(&mut unit, scope, due).await? else { return Ok(()) };
    if booking.status != BookingStatus::Confirmed {
        return unit.commit().await;
    }
    let (content, contact_id) = (written(&mut unit, scope, &booking, text).await?, booking.contact_id);
    let missed = match due.is_superseded {
        true => Some("A later reminder was due as well."),
        false => (booking.starts_at <= unit.now()).then_some("The booking had begun."),
    };
    let action = if missed.is_some() { Action::NotReminded } else { Action::Reminded };
    if missed.is_none() {
        let message = NewMessage { contact_id, content, channel: None, channel_id: None };
        conversations::send(&mut unit, scope, message).await?;
    }
    history::note(&mut unit, scope, &booking, action, missed).await?;
    unit.commit().await
}

async fn give_up(app: &App, scope: WorkspaceScope, due: &DueReminder, why: &str) -> Result<()> {
    let mut unit = app.begin().await?;
    if let Some((_, booking)) = take(&mut unit, scope, due).await? {
        history::note(&mut unit, scope, &booking, Action::NotReminded, Some(why)).await?;
    }
    unit.commit().await
}

/// A reminder's text and its booking, for whoever takes it first: who moves or cancels the booking comes before or after.
/// Nothing if it is gone, or its contact is about to go.
async fn take(unit: &mut Unit, scope: WorkspaceScope, due: &DueReminder) -> Result<Option<(String, Booking)>> {
    let Some(booking) = store::find(&mut unit.tx, scope, due.booking_id).await? else { return Ok(None) };
    if !contacts::keep(unit, scope, booking.contact_id).await? {
        return Ok(None);
    }
    let Some(text) = store::reminders::take(&mut unit.tx, scope, due.id).await? else { return Ok(None) };
    let booking = store::find(&mut unit.tx, scope, due.booking_id).await?;
    Ok(booking.map(|booking| (text, booking)))
}

async fn written(unit: &mut Unit, scope: WorkspaceScope, booking: &Booking, text: String) -> Result<String> {
    let contact = contacts::summary(&mut unit.tx, scope, booking.contact_id).await?;
    let kind = store::setup::type_of_booking(&mut unit.tx, scope, booking.booking_type_id).await?;
    let resource = store::setup::resource_name(&mut unit.tx, scope, booking.resource_id).await?;
    let local = timestamp(booking.starts_at).to_zoned(booking.timezone.rules());
    let (date, time) = (local.strftime("%Y-%m-%d").to_string(), local.strftime("%H:%M").to_string());
    let values = [(DATE, date), (TIME, time), (TYPE, kind.name), (RESOURCE, resource), (CONTACT, contact.name)];
    Ok(filled(&text, &values))
}

/// Each variable by its value, in one pass: what people are called is not looked through for variables again.
fn filled(text: &str, values: &[(&str, String)]) -> String {
    let (mut written, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("{{") {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        match values.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                written.push_str(value);
                rest = &rest[name.len()..];
            }
            None => {
                written.push_str("{{");
                rest = &rest[2..];
            }
        }
    }
    written + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_once() {
        let values = [(CONTACT, "{{time}}".to_owned()), (TIME, "09:30".to_owned())];
        assert_eq!(filled("{{contact_name}}: {{time}}, {{time}}!", &values), "{{time}}: 09:30, 09:30!");
        assert_eq!(filled("no {{ such }}", &values), "no {{ such }}");
    }
}
