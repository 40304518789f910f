//! What can be booked: how long it takes, what lies around it, and how early and late it is booked.

use super::offer::Rules;
use super::reminders::{Reminder, Reminders};
use super::{MOST_TYPES, store};
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Fields, Input, Instant, Result};
use crate::workspaces;
use serde::Serialize;
use skylight_db::Read;
use utoipa::ToSchema;

const LONGEST_NAME: usize = 255;
const LONGEST_DESCRIPTION: usize = 5_000;
const WEEK: i64 = 7 * 24 * 60;
const DAY: i64 = 24 * 60;
const YEAR: i64 = 366 * DAY;
const DEFAULT_DAYS_AHEAD: i64 = 365;
const MOST_DAYS_AHEAD: i64 = 1_095;

/// A kind of appointment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BookingType {
    #[schema(example = 4)]
    pub id: i64,
    #[schema(example = "Consultation")]
    pub name: String,
    #[schema(example = 60)]
    pub duration_minutes: i64,
    #[schema(example = "A first conversation about what you need.")]
    pub description: Option<String>,
    #[schema(example = 0)]
    pub buffer_before_minutes: i64,
    #[schema(example = 15)]
    pub buffer_after_minutes: i64,
    #[schema(example = 120)]
    pub min_notice_minutes: i64,
    #[schema(example = 60)]
    pub max_days_ahead: i64,
    #[schema(example = 30)]
    pub slot_step_minutes: i64,
    /// Whether its bookings are completed by themselves when they are over.
    pub auto_complete: bool,
    /// What its bookings' contacts are sent before they begin.
    #[schema(value_type = Vec<Reminder>)]
    pub reminders: Reminders,
    pub is_active: bool,
    pub created_at: Instant,
    pub updated_at: Instant,
}

impl BookingType {
    pub fn rules(&self) -> Rules {
        Rules {
            duration: self.duration_minutes,
            buffer_before: self.buffer_before_minutes,
            buffer_after: self.buffer_after_minutes,
            min_notice: self.min_notice_minutes,
            max_days_ahead: self.max_days_ahead,
            step: self.slot_step_minutes,
        }
    }
}

/// A kind of appointment to be.
#[derive(Clone, Debug, ToSchema)]
pub struct NewBookingType {
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    #[schema(minimum = 1, maximum = 10080)]
    pub duration_minutes: i64,
    #[schema(max_length = 5000)]
    pub description: Option<String>,
    /// Time before each booking in which its resource takes no other. Default: 0.
    #[schema(minimum = 0, maximum = 1440)]
    pub buffer_before_minutes: Option<i64>,
    /// Likewise behind it; it may reach past closing time. Default: 0.
    #[schema(minimum = 0, maximum = 1440)]
    pub buffer_after_minutes: Option<i64>,
    /// How long before its start a booking can be made at the latest. Default: 0.
    #[schema(minimum = 0, maximum = 527040)]
    pub min_notice_minutes: Option<i64>,
    /// How many days ahead a booking can be made, by the resource's calendar. Default: 365.
    #[schema(minimum = 0, maximum = 1095)]
    pub max_days_ahead: Option<i64>,
    /// Slots start at the opening time and step from there. Default: the duration.
    #[schema(minimum = 1, maximum = 10080)]
    pub slot_step_minutes: Option<i64>,
    /// Whether its bookings are completed by themselves when they are over. Default: true.
    pub auto_complete: Option<bool>,
    /// What its bookings' contacts are sent before they begin, on their own channel. Default: nothing.
    #[schema(value_type = Option<Vec<Reminder>>, max_items = 5)]
    pub reminders: Option<Reminders>,
    /// Default: true.
    pub is_active: Option<bool>,
}

impl Input for NewBookingType {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").required().text(LONGEST_NAME);
        let duration_minutes = fields.at("duration_minutes").required().integer_between(1, WEEK);
        let rest = BookingTypeChange::read_rest(fields);
        Some(Self {
            name: name?,
            duration_minutes: duration_minutes?,
            description: rest.description.flatten(),
            buffer_before_minutes: rest.buffer_before_minutes,
            buffer_after_minutes: rest.buffer_after_minutes,
            min_notice_minutes: rest.min_notice_minutes,
            max_days_ahead: rest.max_days_ahead,
            slot_step_minutes: rest.slot_step_minutes,
            auto_complete: rest.auto_complete,
            reminders: rest.reminders,
            is_active: rest.is_active,
        })
    }
}

/// A change of a kind of appointment. Bookings that are there keep their times.
#[derive(Clone, Debug, Default, ToSchema)]
pub struct BookingTypeChange {
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    name: Option<String>,
    #[schema(minimum = 1, maximum = 10080, nullable = false)]
    duration_minutes: Option<i64>,
    /// `null` removes it.
    #[schema(value_type = Option<String>, max_length = 5000)]
    description: Option<Option<String>>,
    #[schema(minimum = 0, maximum = 1440, nullable = false)]
    buffer_before_minutes: Option<i64>,
    #[schema(minimum = 0, maximum = 1440, nullable = false)]
    buffer_after_minutes: Option<i64>,
    #[schema(minimum = 0, maximum = 527040, nullable = false)]
    min_notice_minutes: Option<i64>,
    #[schema(minimum = 0, maximum = 1095, nullable = false)]
    max_days_ahead: Option<i64>,
    #[schema(minimum = 1, maximum = 10080, nullable = false)]
    slot_step_minutes: Option<i64>,
    #[schema(nullable = false)]
    auto_complete: Option<bool>,
    /// Replaces all, for bookings that are made, confirmed or moved from then on.
    #[schema(value_type = Option<Vec<Reminder>>, max_items = 5, nullable = false)]
    reminders: Option<Reminders>,
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

impl BookingTypeChange {
    /// What may be left out of a new one, too; there, null is nothing.
    fn read_rest(fields: &Fields<'_>) -> Self {
        let minutes = |name: &str, least: i64, most: i64| fields.at(name).integer_between(least, most);
        let description = fields.at("description");
        Self {
            name: None,
            duration_minutes: None,
            description: description.is_present().then(|| description.text(LONGEST_DESCRIPTION)),
            buffer_before_minutes: minutes("buffer_before_minutes", 0, DAY),
            buffer_after_minutes: minutes("buffer_after_minutes", 0, DAY),
            min_notice_minutes: minutes("min_notice_minutes", 0, YEAR),
            max_days_ahead: minutes("max_days_ahead", 0, MOST_DAYS_AHEAD),
            slot_step_minutes: minutes("slot_step_minutes", 1, WEEK),
            auto_complete: fields.at("auto_complete").boolean(),
            reminders: Reminders::read(fields),
            is_active: fields.at("is_active").boolean(),
        }
    }

    fn applied_to(&self, mut kind: BookingType) -> BookingType {
        let Self { name, description, reminders, .. } = self.clone();
        kind.reminders = reminders.unwrap_or(kind.reminders);
        kind.name = name.unwrap_or(kind.name);
        kind.description = description.unwrap_or(kind.description);
        kind.duration_minutes = self.duration_minutes.unwrap_or(kind.duration_minutes);
        kind.buffer_before_minutes = self.buffer_before_minutes.unwrap_or(kind.buffer_before_minutes);
        kind.buffer_after_minutes = self.buffer_after_minutes.unwrap_or(kind.buffer_after_minutes);
        kind.min_notice_minutes = self.min_notice_minutes.unwrap_or(kind.min_notice_minutes);
        kind.max_days_ahead = self.max_days_ahead.unwrap_or(kind.max_days_ahead);
        kind.slot_step_minutes = self.slot_step_minutes.unwrap_or(kind.slot_step_minutes);
        kind.auto_complete = self.auto_complete.unwrap_or(kind.auto_complete);
        kind.is_active = self.is_active.unwrap_or(kind.is_active);
        kind
    }
}

const OPTIONAL: &[&str] = &[
    "buffer_before_minutes",
    "buffer_after_minutes",
    "min_notice_minutes",
    "max_days_ahead",
    "slot_step_minutes",
    "auto_complete",
    "reminders",
    "is_active",
];

impl Input for BookingTypeChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").not_emptied().text(LONGEST_NAME);
        let duration_minutes = fields.at("duration_minutes").not_emptied().integer_between(1, WEEK);
        for name in OPTIONAL {
            fields.at(name).not_emptied();
        }
        Some(Self { name, duration_minutes, ..Self::read_rest(fields) })
    }
}

/// All of them, the oldest first.
pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<BookingType>> {
    Ok(store::setup::types(read, scope).await?)
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<BookingType> {
    store::setup::find_type(read, scope, id).await?.ok_or_else(no_such)
}

pub async fn create(unit: &mut Unit, scope: WorkspaceScope, new: NewBookingType) -> Result<BookingType> {
    workspaces::take_turn(unit, scope).await?;
    if store::setup::count_types(&mut unit.tx, scope).await? >= MOST_TYPES {
        return Err(Error::field("name", format!("You can have at most {MOST_TYPES} booking types.")));
    }
    let now = unit.now();
    let mut kind = BookingType {
        id: 0,
        name: new.name,
        duration_minutes: new.duration_minutes,
        description: new.description,
        buffer_before_minutes: new.buffer_before_minutes.unwrap_or(0),
        buffer_after_minutes: new.buffer_after_minutes.unwrap_or(0),
        min_notice_minutes: new.min_notice_minutes.unwrap_or(0),
        max_days_ahead: new.max_days_ahead.unwrap_or(DEFAULT_DAYS_AHEAD),
        slot_step_minutes: new.slot_step_minutes.unwrap_or(new.duration_minutes),
        auto_complete: new.auto_complete.unwrap_or(true),
        reminders: new.reminders.unwrap_or_default(),
        is_active: new.is_active.unwrap_or(true),
        created_at: now,
        updated_at: now,
    };
    kind.id = store::setup::insert_type(&mut unit.tx, scope, &kind).await?;
    audit::record(unit, scope, Action::BookingTypeCreated, kind.id, noted(&kind)).await?;
    Ok(kind)
}

/// What an entry says of it: everything but what people wrote.
fn noted(kind: &BookingType) -> Changes {
    Changes::of("name", &kind.name)
        .and("duration_minutes", kind.duration_minutes)
        .and("buffer_before_minutes", kind.buffer_before_minutes)
        .and("buffer_after_minutes", kind.buffer_after_minutes)
        .and("min_notice_minutes", kind.min_notice_minutes)
        .and("max_days_ahead", kind.max_days_ahead)
        .and("slot_step_minutes", kind.slot_step_minutes)
        .and("auto_complete", kind.auto_complete)
        .and("reminders", kind.reminders.0.len())
        .and("is_active", kind.is_active)
}

/// Changes what is said; a change that changes nothing leaves no trace.
pub async fn update(
    unit: &mut Unit,
    scope: WorkspaceScope,
    id: i64,
    change: &BookingTypeChange,
) -> Result<BookingType> {
    if !store::setup::lock_type(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    let before = get(&mut unit.tx, scope, id).await?;
    let mut kind = change.applied_to(before.clone());
    if kind == before {
        return Ok(before);
    }
    kind.updated_at = unit.now();
    store::setup::update_type(&mut unit.tx, scope, &kind).await?;
    audit::record(unit, scope, Action::BookingTypeUpdated, id, noted(&kind)).await?;
    Ok(kind)
}

/// Nobody books it any more; its bookings stay as they are.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    let now = unit.now();
    if !store::setup::delete_type(&mut unit.tx, scope, id, now).await? {
        return Err(no_such());
    }
    store::setup::serve_no_more(&mut unit.tx, scope, id).await?;
    audit::record(unit, scope, Action::BookingTypeDeleted, id, Changes::none()).await
}

fn no_such() -> Error {
    Error::no_such("Booking type")
}
