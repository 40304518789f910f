//! What can be booked: every free slot of some days.

use super::exceptions::Day;
use super::hours::{Calendar, DayHours, timestamp};
use super::offer::{Book, Busy, Rules};
use super::resources::Resource;
use super::store::seats::BusyRow;
use super::store::setup::DayRow;
use super::types::BookingType;
use super::{Booking, NO_RESOURCE, store};
use crate::auth::WorkspaceScope;
use crate::kernel::error::FieldErrors;
use crate::kernel::{Error, Fields, Input, Instant, Result, Timezone};
use crate::workspaces;
use jiff::civil::Date;
use jiff::{Span, tz::TimeZone};
use serde::ser::{Serialize, SerializeSeq, Serializer};
use skylight_db::Db;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

const MOST_DAYS: i64 = 31;
/// Of one answer.
const MOST_SLOTS: usize = 20_000;
/// Starts that are looked at for one answer, free or not.
const MOST_TRIES: i64 = 500_000;

/// A time that is free.
#[derive(Clone, Copy, Debug, serde::Serialize, ToSchema)]
#[schema(as = BookingSlot)]
pub struct Slot<'a> {
    #[schema(value_type = Instant)]
    starts_at: &'a str,
    #[schema(value_type = String, format = DateTime, example = "2026-03-04T13:00:00.000000Z")]
    ends_at: &'a str,
    #[schema(example = 2)]
    resource_id: i64,
}

/// Times, each with the resources that are free then. Shown as one list of slots, by start and then by resource.
#[derive(Debug, Default)]
pub struct Slots {
    duration: Duration,
    free: BTreeMap<Instant, Vec<i64>>,
}

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (start, resources) in &self.free {
            // Of thousands of slots most begin together.
            let (starts_at, ends_at) = (start.to_string(), start.after(self.duration).to_string());
            for resource_id in resources {
                list.serialize_element(&Slot { starts_at: &starts_at, ends_at: &ends_at, resource_id: *resource_id })?;
            }
        }
        list.end()
    }
}

/// Which days are asked for.
#[derive(Clone, Debug)]
pub struct Query {
    booking_type_id: i64,
    from: Date,
    /// The last one.
    to: Date,
    resource_id: Option<i64>,
    /// One that is to be moved.
    booking_id: Option<i64>,
    timezone: Option<Timezone>,
}

impl Input for Query {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let booking_type_id = fields.at("booking_type_id").required().id();
        let day = |name: &str, required: bool| {
            let field = fields.at(name).required_if(required);
            let text = field.text(64)?;
            let day = Day::parse(&text).and_then(|day| day.date());
            day.or_else(|| field.wrong("must be a valid date"))
        };
        let (from, last) = (day("date", true), day("to", false));
        let resource_id = fields.at("resource_id").id();
        let booking_id = fields.at("booking_id").id();
        let timezone = fields.at("timezone").timezone();
        let (from, to) = (from?, last.or(from)?);
        let days = from.until(to).map_or(0, |span| i64::from(span.get_days()));
        if days < 0 {
            fields.fault("to", "The to must be a date after or equal to date.");
        } else if days >= MOST_DAYS {
            fields.fault("to", format!("The to must be within {MOST_DAYS} days."));
        }
        Some(Self { booking_type_id: booking_type_id?, from, to, resource_id, booking_id, timezone })
    }
}

/// A resource with what is needed to judge times.
pub struct Opened {
    pub resource: Resource,
    pub calendar: Calendar,
    busy: Busy,
}

impl Opened {
    pub fn book(&self, rules: Rules, now: Instant, span: (Instant, Instant)) -> Book<'_> {
        Book::open(rules, &self.calendar, &self.busy, self.resource.capacity, now, span)
    }
}

/// What must be read to judge times of a span.
pub struct Reading {
    pub resources: Vec<i64>,
    /// Days that may have hours of their own.
    pub days: (Day, Day),
    /// Bookings that may stand in the way.
    pub span: (Instant, Instant),
}

impl Reading {
    pub fn of(rules: &Rules, resources: &[Resource], (from, to): (Instant, Instant)) -> Self {
        let day = |at: Instant, days: i64| {
            let date = timestamp(at).to_zoned(TimeZone::UTC).date();
            Day::of(date.saturating_add(Span::new().days(days)))
        };
        Self {
            resources: resources.iter().map(|resource| resource.id).collect(),
            days: (day(from, -3), day(rules.end(to), 4)),
            span: (rules.span(from).0, rules.span(to).1),
        }
    }
}

/// Puts together what was read.
pub fn open(resources: Vec<Resource>, days: Vec<DayRow>, busy: Vec<BusyRow>) -> Vec<Opened> {
    let mut special: BTreeMap<i64, BTreeMap<Date, DayHours>> = BTreeMap::new();
    for day in days {
        if let Some(date) = day.date.date() {
            special.entry(day.resource).or_default().insert(date, day.hours());
        }
    }
    let mut spans: BTreeMap<i64, Vec<(Instant, Instant)>> = BTreeMap::new();
    for row in busy {
        spans.entry(row.resource).or_default().push((row.from, row.to));
    }
    let opened = resources.into_iter().map(|resource| Opened {
        calendar: resource.calendar(special.remove(&resource.id).unwrap_or_default()),
        busy: Busy::of(spans.remove(&resource.id).unwrap_or_default().into_iter()),
        resource,
    });
    opened.collect()
}

/// What slots are looked for: of which type, how long, and beside what else.
struct Wanted {
    kind: BookingType,
    rules: Rules,
    moving: Option<Booking>,
}

/// Every free slot of the days that are asked for, by its start and then by its resource.
pub async fn slots(db: &Db, scope: WorkspaceScope, query: &Query, now: Instant) -> Result<Slots> {
    let Wanted { kind, rules, moving } = wanted(db, scope, query).await?;
    let zone = match &query.timezone {
        Some(zone) => zone.clone(),
        None => workspaces::timezone(db, scope).await?,
    };
    let span = moments(query, &zone)?;
    let (own, known) = moving.map(|booking| (booking.id, booking.resource_id)).unzip();
    let serving = match kind.is_active || own.is_some() {
        true => store::setup::serving(db, scope, kind.id, query.resource_id, known).await?,
        false => Vec::new(),
    };
    let reading = Reading::of(&rules, &serving, span);
    let (first, last) = &reading.days;
    let days = store::setup::days(db, scope, &reading.resources, first, last).await?;
    let busy = store::seats::busy(db, scope, &reading.resources, reading.span, own, now).await?;
    let opened = open(serving, days, busy);
    // A month of many resources takes longer than others may be kept waiting.
    let found = tokio::task::spawn_blocking(move || all(&opened, rules, now, span)).await;
    found
        .map_err(Error::internal)?
        .ok_or_else(|| Error::field("to", "There are too many slots. Ask for fewer days, or for one resource."))
}

/// What a query names, or everything of it that is not there. A booking is moved also when its type is not offered any more.
async fn wanted(db: &Db, scope: WorkspaceScope, query: &Query) -> Result<Wanted> {
    let moving = match query.booking_id {
        Some(id) => store::find(db, scope, id).await?.filter(|booking| booking.status.is_active()),
        None => None,
    };
    let moving = moving.filter(|booking| booking.booking_type_id == query.booking_type_id);
    let kind = match &moving {
        Some(booking) => Some(store::setup::type_of_booking(db, scope, booking.booking_type_id).await?),
        None => store::setup::find_type(db, scope, query.booking_type_id).await?,
    };
    let is_known = match query.resource_id {
        Some(id) => store::setup::find_resource(db, scope, id).await?.is_some(),
        None => true,
    };
    let mut errors = FieldErrors::default();
    if kind.is_none() {
        errors.add("booking_type_id", "The selected booking type id is invalid.");
    }
    if !is_known {
        errors.add("resource_id", NO_RESOURCE);
    }
    if query.booking_id.is_some() && moving.is_none() {
        errors.add("booking_id", "The selected booking id is invalid.");
    }
    match kind {
        Some(kind) if errors.is_empty() => {
            let rules = moving.as_ref().map_or_else(|| kind.rules(), |booking| booking.rules(&kind));
            Ok(Wanted { kind, rules, moving })
        }
        _ => Err(Error::fields(errors)),
    }
}

/// Nothing if there are too many, or too many times to be looked at.
fn all(opened: &[Opened], rules: Rules, now: Instant, span: (Instant, Instant)) -> Option<Slots> {
    let books: Vec<_> = opened.iter().map(|opened| (opened.resource.id, opened.book(rules, now, span))).collect();
    if books.iter().map(|(_, book)| book.tries(span)).sum::<i64>() > MOST_TRIES {
        return None;
    }
    let (mut free, mut found) = (BTreeMap::<Instant, Vec<i64>>::new(), 0);
    for (resource, book) in &books {
        for start in book.slots(span) {
            free.entry(start).or_default().push(*resource);
            found += 1;
            if found > MOST_SLOTS {
                return None;
            }
        }
    }
    let duration = Duration::from_secs(rules.duration.unsigned_abs() * 60);
    Some(Slots { duration, free })
}

/// From the first moment of the first day to the end of the last, in a zone.
fn moments(query: &Query, zone: &Timezone) -> Result<(Instant, Instant)> {
    let out_of_range = || Error::field("date", "The date must be a valid date.");
    let begin = |date: Date| {
        let at = date.to_zoned(zone.rules()).map_err(|_| out_of_range())?;
        Ok::<_, Error>(Instant::from_micros(at.timestamp().as_microsecond()))
    };
    let behind = query.to.tomorrow().map_err(|_| out_of_range())?;
    Ok((begin(query.from)?, begin(behind)?))
}
