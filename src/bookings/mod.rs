//! Bookings: appointments of contacts with resources, at times that are free.
//!
//! Whether a time is free is decided by one function ([`offer`]), whoever asks: availability, a new booking, one that moves.
//! Every way onto a slot holds the resource's row (several in the order of their ids), so that nobody else gives or takes its
//! places meanwhile; and the database itself refuses two bookings on one place.
//! What is held comes in one order: lanes, the contact, the type, resources, bookings, the meter. What was read before it was
//! held is compared with what it is then; where it differs in what matters, the whole unit runs again.
//! Tables: `booking_type`, `booking_resource`, `booking_resource_type`, `booking_exception`, `booking`, `booking_history`,
//! `booking_seat`, `booking_reminder`, `booking_feed`, `booking_zone_data`.

pub mod api;
pub mod availability;
mod calendar;
mod due;
pub mod exceptions;
pub mod feeds;
pub mod history;
pub mod hours;
mod ics;
mod input;
mod moves;
pub mod offer;
mod place;
mod reminders;
pub mod resources;
mod seats;
mod store;
pub mod types;
mod walls;

#[cfg(test)]
mod oracle;

pub use due::Due;
pub use input::{BookingChange, Cancelling, Filter, NewBooking};
pub use moves::{cancel, update};
pub use reminders::Remind;
pub use walls::{Rehang, check as check_zones};

use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::contacts::{self, ContactSummary};
use crate::events;
use crate::kernel::error::FieldErrors;
use crate::kernel::{Cursor, Error, Instant, Listing, Result, Timezone};
use crate::plans::meter::{self, BookingCounts};
use crate::{words, workspaces};
use history::Action;
use offer::Rules;
use place::Wish;
use serde::Serialize;
use skylight_db::{Db, Read};
use std::time::Duration;
use types::BookingType;
use utoipa::ToSchema;

const MINUTE: i64 = 60_000_000;
const MOST_TYPES: i64 = 100;
const MOST_RESOURCES: i64 = 200;

words! {
    /// `pending` is held for somebody and not confirmed, `no_show` is one to which nobody came.
    pub enum BookingStatus {
        Pending = "pending",
        Confirmed = "confirmed",
        Cancelled = "cancelled",
        Completed = "completed",
        NoShow = "no_show",
    }
}

impl BookingStatus {
    /// Whether it takes a place.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }

    fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Confirmed | Self::Cancelled)
                | (Self::Confirmed, Self::Cancelled | Self::Completed | Self::NoShow)
                | (Self::Completed, Self::NoShow)
                | (Self::NoShow, Self::Completed)
        )
    }
}

/// An appointment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Booking {
    #[schema(example = 301)]
    pub id: i64,
    #[schema(example = 42)]
    pub contact_id: i64,
    #[schema(example = 4)]
    pub booking_type_id: i64,
    #[schema(example = 2)]
    pub resource_id: i64,
    #[schema(example = "Consultation – Sarah Johnson")]
    pub title: String,
    pub starts_at: Instant,
    #[schema(value_type = String, format = DateTime, example = "2026-03-04T13:00:00.000000Z")]
    pub ends_at: Instant,
    /// The resource's zone.
    pub timezone: Timezone,
    /// What the clock there shows when it begins.
    #[schema(example = "2026-03-04T15:00:00")]
    pub starts_at_local: String,
    pub status: BookingStatus,
    #[schema(example = "Comes with her sister.")]
    pub notes: Option<String>,
    #[schema(example = json!(null))]
    pub cancel_reason: Option<String>,
    /// Of a pending one that is held for a while: when it lapses.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub held_until: Option<Instant>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub cancelled_at: Option<Instant>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Instant>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

impl Booking {
    /// What its type asks for, with the length that the booking was given.
    fn rules(&self, kind: &BookingType) -> Rules {
        Rules { duration: (self.ends_at.micros() - self.starts_at.micros()) / MINUTE, ..kind.rules() }
    }

    /// Puts it at a time with a resource. A hold ends when the time that is held begins.
    fn stand(&mut self, resource: &resources::Resource, starts_at: Instant, ends_at: Instant) {
        (self.resource_id, self.starts_at, self.ends_at) = (resource.id, starts_at, ends_at);
        self.timezone = resource.timezone.clone();
        self.held_until = self.held_until.map(|until| until.min(starts_at));
        self.starts_at_local = self.local_start();
    }

    /// What the clock shows when it begins.
    fn local_start(&self) -> String {
        let local = hours::timestamp(self.starts_at).to_zoned(self.timezone.rules());
        local.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }

    /// Whether it was held for a while that is over.
    fn has_lapsed(&self, now: Instant) -> bool {
        self.status == BookingStatus::Pending && self.held_until.is_some_and(|until| until <= now)
    }

    /// When its status changes by itself.
    fn due_at(&self, kind: &BookingType) -> Option<Instant> {
        match self.status {
            BookingStatus::Pending => self.held_until,
            BookingStatus::Confirmed => kind.auto_complete.then_some(self.ends_at),
            _ => None,
        }
    }
}

/// One part of the list: the newest first, or by their start where a time or a resource is asked for.
pub async fn list(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<Listing<Booking>> {
    let rows = store::listing::page(db, scope, filter).await?;
    let place = |booking: &Booking| match filter.is_by_time() {
        true => Cursor { key: booking.starts_at.micros(), id: booking.id },
        false => Cursor::id(booking.id),
    };
    let total = async { Ok(store::listing::count(db, scope, filter).await?) };
    Listing::of(filter.page, rows, place, total).await
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Booking> {
    store::find(read, scope, id).await?.ok_or_else(|| Error::no_such("Booking"))
}

/// Books a time, with the resource that is named or with the one that has least to do that day.
pub async fn create(unit: &mut Unit, scope: WorkspaceScope, new: NewBooking) -> Result<Booking> {
    let zone = match &new.timezone {
        Some(zone) => zone.clone(),
        None => workspaces::timezone(&mut unit.tx, scope).await?,
    };
    let (contact, kind, starts_at) = referred(unit, scope, &new, &zone).await?;
    let (rules, now) = (kind.rules(), unit.now());
    let hold = |minutes: i64| now.after(Duration::from_secs(minutes.unsigned_abs() * 60)).min(starts_at);
    let held_until = new.hold_minutes.map(hold);
    let mut booking = Booking {
        id: 0,
        contact_id: contact.id,
        booking_type_id: kind.id,
        resource_id: 0,
        title: format!("{} – {}", kind.name, contact.name),
        starts_at,
        ends_at: rules.end(starts_at),
        timezone: zone,
        starts_at_local: String::new(),
        status: if held_until.is_some() { BookingStatus::Pending } else { BookingStatus::Confirmed },
        notes: new.notes,
        cancel_reason: None,
        held_until,
        cancelled_at: None,
        completed_at: None,
        created_at: now,
        updated_at: now,
    };
    let due = booking.due_at(&kind);
    due::wake_at(unit, scope, due).await?;
    if booking.status == BookingStatus::Confirmed {
        reminders::wake(unit, scope, &kind, starts_at).await?;
    }
    if !contacts::keep(unit, scope, booking.contact_id).await? {
        return Err(Error::field("contact_id", NO_CONTACT));
    }
    store::setup::keep_type(&mut unit.tx, scope, kind.id).await?;
    if store::setup::find_type(&mut unit.tx, scope, kind.id).await?.as_ref() != Some(&kind) {
        return Err(Error::overtaken().saying("The booking type was changed by another request."));
    }
    let mut counts = BookingCounts { created: 1, ..BookingCounts::default() };
    let wish = Wish { kind: kind.id, rules, starts_at, own: None };
    let resource = place::find(unit, scope, &wish, new.resource_id, &mut counts).await?;
    booking.stand(&resource, starts_at, rules.end(starts_at));
    booking.id = store::insert(&mut unit.tx, scope, &booking, due).await?;
    place::take(unit, scope, &booking, &rules, resource.capacity).await?;
    reminders::plan(unit, scope, &booking, &kind).await?;
    history::note(unit, scope, &booking, Action::Created, None).await?;
    tell(unit, scope, &["booking.created"], &booking).await?;
    meter::count_bookings(unit, scope, counts).await?;
    Ok(booking)
}

/// The contact, the type and the time that a new booking names. All that are not there are said at once.
async fn referred(
    unit: &mut Unit,
    scope: WorkspaceScope,
    new: &NewBooking,
    zone: &Timezone,
) -> Result<(ContactSummary, BookingType, Instant)> {
    let contact = match contacts::summary(&mut unit.tx, scope, new.contact_id).await {
        Err(error) if error.public().status == 404 => Err(NO_CONTACT),
        found => Ok(found?),
    };
    let kind = store::setup::find_type(&mut unit.tx, scope, new.booking_type_id).await?.filter(|kind| kind.is_active);
    let (contact, kind, starts_at) = match (contact, kind, new.starts_at.moment(zone)) {
        (Ok(contact), Some(kind), Ok(starts_at)) => return Ok((contact, kind, starts_at)),
        found => found,
    };
    let mut errors = FieldErrors::default();
    if let Err(fault) = contact {
        errors.add("contact_id", fault);
    }
    if kind.is_none() {
        errors.add("booking_type_id", "The selected booking type id is invalid.");
    }
    // Only beside another fault: who finds a place looks for the resource, too.
    if let Some(id) = new.resource_id
        && store::setup::find_resource(&mut unit.tx, scope, id).await?.is_none()
    {
        errors.add("resource_id", NO_RESOURCE);
    }
    if let Err(fault) = starts_at {
        errors.add("starts_at", fault);
    }
    Err(Error::fields(errors))
}

const NO_CONTACT: &str = "The selected contact id is invalid.";
const NO_RESOURCE: &str = "The selected resource id is invalid.";

/// What the events say: whole, so that nobody must ask again.
#[derive(Debug, Serialize, ToSchema)]
pub struct BookingEvent<'a> {
    pub booking: &'a Booking,
    pub contact: ContactSummary,
}

/// Records events that all say what the booking is now.
async fn tell(unit: &mut Unit, scope: WorkspaceScope, kinds: &[&'static str], booking: &Booking) -> Result<()> {
    let contact = contacts::summary(&mut unit.tx, scope, booking.contact_id).await?;
    let told = BookingEvent { booking, contact };
    for kind in kinds {
        events::record(unit, scope, kind, booking.id, &told).await?;
    }
    Ok(())
}
