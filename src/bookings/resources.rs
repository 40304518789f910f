//! Who or what serves bookings, when it is open, and how many at once.

use super::hours::{Calendar, DayHours, OpeningHours, TimeOfDay};
use super::{MOST_RESOURCES, MOST_TYPES, store};
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::WorkspaceScope;
use crate::kernel::error::FieldErrors;
use crate::kernel::{Error, Fields, Input, Instant, Result, Timezone};
use crate::{words, workspaces};
use jiff::civil::Date;
use serde::Serialize;
use skylight_db::Read;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const LONGEST_NAME: usize = 255;
const MOST_PLACES: i64 = 1_000;
/// Ten a day.
const MOST_HOURS: usize = 70;

words! {
    /// What a resource is.
    pub enum ResourceKind { Staff = "staff", Room = "room", Equipment = "equipment" }
}

/// Somebody or something that takes bookings.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = BookingResource)]
pub struct Resource {
    #[schema(example = 2)]
    pub id: i64,
    #[schema(example = "Dr. Huda Saleh")]
    pub name: String,
    #[serde(rename = "type")]
    pub kind: ResourceKind,
    /// The zone of its hours.
    pub timezone: Timezone,
    /// How many bookings it takes at once.
    #[schema(example = 1)]
    pub capacity: i64,
    /// The booking types it serves; null is all of them.
    #[schema(example = json!([4]))]
    pub booking_type_ids: Option<Vec<i64>>,
    pub hours: Vec<OpeningHours>,
    pub is_active: bool,
    pub created_at: Instant,
    pub updated_at: Instant,
}

impl Resource {
    pub fn calendar(&self, days: BTreeMap<Date, DayHours>) -> Calendar {
        Calendar::new(&self.timezone, self.hours.clone(), days)
    }
}

/// A resource to be.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = NewBookingResource)]
pub struct NewResource {
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    #[schema(rename = "type")]
    kind: ResourceKind,
    /// Default: the workspace's.
    timezone: Option<Timezone>,
    /// How many bookings it takes at once. Default: 1.
    #[schema(minimum = 1, maximum = 1000)]
    capacity: Option<i64>,
    /// The booking types it serves. Default: all, also those to come.
    #[schema(max_items = 100)]
    booking_type_ids: Option<Vec<i64>>,
    /// When it is open each week. Parts of a day must not overlap.
    #[schema(max_items = 70)]
    hours: Vec<OpeningHours>,
    /// Default: true.
    is_active: Option<bool>,
}

impl Input for NewResource {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").required().text(LONGEST_NAME);
        let kind = fields.at("type").required().one_of(ResourceKind::WORDS);
        let timezone = fields.at("timezone").timezone();
        let capacity = fields.at("capacity").integer_between(1, MOST_PLACES);
        let booking_type_ids = fields.at("booking_type_ids").ids(most_types());
        let _ = fields.at("hours").required();
        let hours = read_hours(fields);
        let is_active = fields.at("is_active").boolean();
        Some(Self { name: name?, kind: kind?, timezone, capacity, booking_type_ids, hours: hours?, is_active })
    }
}

fn most_types() -> usize {
    usize::try_from(MOST_TYPES).unwrap_or(usize::MAX)
}

/// A change of a resource. Bookings that are there stay.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = BookingResourceChange)]
pub struct ResourceChange {
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    name: Option<String>,
    #[schema(rename = "type", nullable = false)]
    kind: Option<ResourceKind>,
    #[schema(nullable = false)]
    timezone: Option<Timezone>,
    #[schema(minimum = 1, maximum = 1000, nullable = false)]
    capacity: Option<i64>,
    /// Replaces all; `null` is every type there is and will be.
    #[schema(value_type = Option<Vec<i64>>, max_items = 100)]
    booking_type_ids: Option<Option<Vec<i64>>>,
    /// Replaces all.
    #[schema(max_items = 70, nullable = false)]
    hours: Option<Vec<OpeningHours>>,
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

impl Input for ResourceChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").not_emptied().text(LONGEST_NAME);
        let kind = fields.at("type").not_emptied().one_of(ResourceKind::WORDS);
        let timezone = fields.at("timezone").not_emptied().timezone();
        let capacity = fields.at("capacity").not_emptied().integer_between(1, MOST_PLACES);
        let types = fields.at("booking_type_ids");
        let booking_type_ids = types.is_present().then(|| types.ids(most_types()));
        let _ = fields.at("hours").not_emptied();
        let hours = read_hours(fields);
        let is_active = fields.at("is_active").not_emptied().boolean();
        Some(Self { name, kind, timezone, capacity, booking_type_ids, hours, is_active })
    }
}

fn read_hours(fields: &Fields<'_>) -> Option<Vec<OpeningHours>> {
    let field = fields.at("hours");
    let mut hours: Vec<OpeningHours> = field.objects(MOST_HOURS)?.iter().filter_map(read_part).collect();
    hours.sort_by_key(|part| (part.weekday, part.from));
    if hours.windows(2).any(|pair| pair[0].weekday == pair[1].weekday && pair[0].to > pair[1].from) {
        return field.refused("The hours must not overlap.");
    }
    Some(hours)
}

fn read_part(part: &Fields<'_>) -> Option<OpeningHours> {
    let weekday = part.at("weekday").required().integer_between(1, 7);
    let (from, to) = read_times(part);
    Some(OpeningHours { weekday: weekday?, from: from?, to: to? })
}

/// `from` and `to`, each a time of the same day, in this order.
pub(super) fn read_times(fields: &Fields<'_>) -> (Option<TimeOfDay>, Option<TimeOfDay>) {
    let time = |name: &str| {
        let field = fields.at(name).required();
        let text = field.text(64)?;
        TimeOfDay::parse(&text).or_else(|| field.wrong("must be a time of day, as 09:30"))
    };
    let (from, to) = (time("from"), time("to"));
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        fields.fault("to", "The to must be after from.");
        return (from, None);
    }
    (from, to)
}

/// All of them, the oldest first.
pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<Resource>> {
    Ok(store::setup::resources(read, scope).await?)
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Resource> {
    store::setup::find_resource(read, scope, id).await?.ok_or_else(no_such)
}

pub async fn create(unit: &mut Unit, scope: WorkspaceScope, new: NewResource) -> Result<Resource> {
    workspaces::take_turn(unit, scope).await?;
    if store::setup::count_resources(&mut unit.tx, scope).await? >= MOST_RESOURCES {
        return Err(Error::field("name", format!("You can have at most {MOST_RESOURCES} resources.")));
    }
    let types = known_types(unit, scope, new.booking_type_ids).await?;
    let timezone = match new.timezone {
        Some(timezone) => timezone,
        None => workspaces::timezone(&mut unit.tx, scope).await?,
    };
    let now = unit.now();
    let mut resource = Resource {
        id: 0,
        name: new.name,
        kind: new.kind,
        timezone,
        capacity: new.capacity.unwrap_or(1),
        booking_type_ids: types,
        hours: new.hours,
        is_active: new.is_active.unwrap_or(true),
        created_at: now,
        updated_at: now,
    };
    resource.id = store::setup::insert_resource(&mut unit.tx, scope, &resource).await?;
    serve(unit, scope, &resource).await?;
    audit::record(unit, scope, Action::BookingResourceCreated, resource.id, noted(&resource)).await?;
    Ok(resource)
}

fn noted(resource: &Resource) -> Changes {
    Changes::of("name", &resource.name)
        .and("timezone", &resource.timezone)
        .and("capacity", resource.capacity)
        .and("booking_type_ids", &resource.booking_type_ids)
        .and("hours", &resource.hours)
        .and("is_active", resource.is_active)
}

/// In order, each once; 422 for those that are not there.
async fn known_types(unit: &mut Unit, scope: WorkspaceScope, types: Option<Vec<i64>>) -> Result<Option<Vec<i64>>> {
    let Some(mut types) = types else { return Ok(None) };
    let known = store::setup::type_ids(&mut unit.tx, scope).await?;
    let mut errors = FieldErrors::default();
    for (place, _) in types.iter().enumerate().filter(|(_, id)| !known.contains(id)) {
        errors.add(format!("booking_type_ids.{place}"), "The selected booking type ids is invalid.");
    }
    if !errors.is_empty() {
        return Err(Error::fields(errors));
    }
    types.sort_unstable();
    types.dedup();
    Ok(Some(types))
}

async fn serve(unit: &mut Unit, scope: WorkspaceScope, resource: &Resource) -> Result<()> {
    let types = resource.booking_type_ids.as_deref().unwrap_or_default();
    Ok(store::setup::serve(&mut unit.tx, scope, resource.id, types).await?)
}

/// Changes what is said; a change that changes nothing leaves no trace.
pub async fn update(unit: &mut Unit, scope: WorkspaceScope, id: i64, change: ResourceChange) -> Result<Resource> {
    if !store::seats::lock_resource(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    let before = get(&mut unit.tx, scope, id).await?;
    let mut resource = before.clone();
    resource.name = change.name.unwrap_or(resource.name);
    resource.kind = change.kind.unwrap_or(resource.kind);
    resource.timezone = change.timezone.unwrap_or(resource.timezone);
    resource.capacity = change.capacity.unwrap_or(resource.capacity);
    resource.hours = change.hours.unwrap_or(resource.hours);
    resource.is_active = change.is_active.unwrap_or(resource.is_active);
    if let Some(types) = change.booking_type_ids {
        resource.booking_type_ids = known_types(unit, scope, types).await?;
    }
    if resource == before {
        return Ok(before);
    }
    resource.updated_at = unit.now();
    store::setup::update_resource(&mut unit.tx, scope, &resource).await?;
    if resource.booking_type_ids != before.booking_type_ids {
        store::setup::serve_nothing(&mut unit.tx, scope, id).await?;
        serve(unit, scope, &resource).await?;
    }
    audit::record(unit, scope, Action::BookingResourceUpdated, id, noted(&resource)).await?;
    Ok(resource)
}

/// Takes a resource away that nobody has booked any more, with its calendars; its past bookings stay.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    if !store::seats::lock_resource(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    let now = unit.now();
    if store::seats::is_booked(&mut unit.tx, scope, id, now).await? {
        return Err(Error::conflict().saying("The resource has bookings to come. Move or cancel them first."));
    }
    store::feeds::delete_of_resource(&mut unit.tx, scope, id).await?;
    store::setup::delete_resource(&mut unit.tx, scope, id, now).await?;
    audit::record(unit, scope, Action::BookingResourceDeleted, id, Changes::none()).await
}

pub(super) fn no_such() -> Error {
    Error::no_such("Resource")
}
