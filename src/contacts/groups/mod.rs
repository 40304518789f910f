//! Lists and segments: named groups of contacts, filled by the API and used as audiences.
//!
//! The two are one thing in two kinds. How many contacts a group has is a counter on its row, changed by as many rows as
//! really came or went, in the same transaction. Whoever changes members holds the contacts first, then the members, then
//! the counters; a group that is deleted disappears at once and is cleared in the background.
//! Tables: `contact_group`, `contact_group_member`.

pub mod api;
mod clear;
mod store;

pub use clear::Clear;

use super::ChannelType;
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::jobs::{self, LaneKey, NewJob, Steps};
use crate::kernel::error::FieldErrors;
use crate::kernel::{Cursor, Error, Fields, Input, Instant, Listing, Page, Phone, Result};
use crate::workspaces;
use serde::{Serialize, Serializer};
use skylight_db::{Cell, Column, Db, Param, Read, Value};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Groups of one kind in one workspace: they are listed on one page.
const MOST: i64 = 1_000;
const LONGEST_NAME: usize = 255;
/// Contacts that one request adds or takes out.
const MOST_AT_ONCE: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    List,
    Segment,
}

impl GroupKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Segment => "segment",
        }
    }

    fn no_such(self) -> Error {
        match self {
            Self::List => Error::no_such("List"),
            Self::Segment => Error::no_such("Segment"),
        }
    }

    /// The field of a body that names a group of this kind.
    fn id_field(self) -> &'static str {
        match self {
            Self::List => "list_id",
            Self::Segment => "segment_id",
        }
    }
}

impl Param for GroupKind {
    fn value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

/// Whether a group is in use; a number, as it is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupStatus {
    Inactive = 0,
    Active = 1,
}

impl GroupStatus {
    fn of(number: i64) -> Option<Self> {
        [Self::Inactive, Self::Active].into_iter().find(|status| status.number() == number)
    }

    fn number(self) -> i64 {
        self as i64
    }
}

impl Param for GroupStatus {
    fn value(&self) -> Value<'_> {
        Value::Int(self.number())
    }
}

impl Column for GroupStatus {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        Self::of(i64::from_cell(cell)?).ok_or_else(|| format!("not a status of a group: {cell:?}"))
    }
}

impl Serialize for GroupStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
    }
}

impl PartialSchema for GroupStatus {
    fn schema() -> RefOr<Schema> {
        let words = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([0, 1]));
        words.description(Some("1 is active, 0 is inactive")).examples([1]).into()
    }
}

impl ToSchema for GroupStatus {}

/// A list or a segment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ContactGroup)]
pub struct Group {
    #[schema(example = 5)]
    pub id: i64,
    #[schema(example = "Newsletter")]
    pub name: String,
    pub status: GroupStatus,
    #[schema(example = 1204)]
    pub contacts_count: i64,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// As much of a contact as its groups show.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GroupMember)]
pub struct Member {
    #[schema(example = 42)]
    pub id: i64,
    #[schema(example = "Sarah Johnson")]
    pub name: String,
    pub phone: Option<Phone>,
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
}

/// A group to be.
#[derive(Debug, ToSchema)]
pub struct NewGroup {
    /// Unique among the workspace's lists, or among its segments.
    #[schema(max_length = 255)]
    pub name: String,
    /// Default: 1.
    pub status: Option<GroupStatus>,
}

impl Input for NewGroup {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").required().text(LONGEST_NAME);
        let status = read_status(fields, false);
        Some(Self { name: name?, status })
    }
}

/// What is to change of a group; what is not named stays.
#[derive(Debug, ToSchema)]
pub struct GroupChange {
    /// Unique among the workspace's lists, or among its segments.
    #[schema(max_length = 255, nullable = false)]
    pub name: Option<String>,
    #[schema(nullable = false)]
    pub status: Option<GroupStatus>,
}

impl Input for GroupChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name");
        let has_name = name.is_present();
        let name = name.required_if(has_name).text(LONGEST_NAME);
        Some(Self { name, status: read_status(fields, true) })
    }
}

fn read_status(fields: &Fields<'_>, not_null: bool) -> Option<GroupStatus> {
    let field = fields.at("status");
    let needed = not_null && field.is_present();
    let field = field.required_if(needed);
    GroupStatus::of(field.integer()?).or_else(|| field.selected_is_invalid())
}

/// A name alone, for saying that it is taken beside other faults.
#[derive(Debug)]
pub struct Name(String);

impl Input for Name {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        fields.at("name").text(LONGEST_NAME).map(Self)
    }
}

/// Contacts to be put into a group, or taken out of it.
#[derive(Debug, ToSchema)]
pub struct ManyContacts {
    #[schema(min_items = 1, max_items = 1000)]
    pub contact_ids: Vec<i64>,
}

impl Input for ManyContacts {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let contact_ids = fields.at("contact_ids").required().ids(MOST_AT_ONCE)?;
        if contact_ids.is_empty() {
            fields.fault("contact_ids", "The contact ids field is required.");
        }
        Some(Self { contact_ids })
    }
}

impl ManyContacts {
    /// Those that can be read, each with its place.
    pub fn placed(fields: &mut Fields<'_>) -> Option<Vec<(usize, i64)>> {
        fields.at("contact_ids").placed_ids(MOST_AT_ONCE)
    }
}

/// What came of changing many members at once: how many, and how many members there are now.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub contacts: i64,
    pub contacts_count: i64,
}

/// All groups of a kind, the oldest first: they are few.
pub async fn list(read: impl Read, scope: WorkspaceScope, kind: GroupKind) -> Result<Vec<Group>> {
    Ok(store::list(read, scope, kind).await?)
}

pub async fn get(read: impl Read, scope: WorkspaceScope, kind: GroupKind, id: i64) -> Result<Group> {
    store::find(read, scope, kind, id).await?.ok_or_else(|| kind.no_such())
}

pub async fn create(unit: &mut Unit, scope: WorkspaceScope, kind: GroupKind, new: NewGroup) -> Result<Group> {
    let (now, status) = (unit.now(), new.status.unwrap_or(GroupStatus::Active));
    workspaces::take_turn(unit, scope).await?;
    let made = store::insert(&mut unit.tx, scope, kind, &new.name, status, MOST, now).await.map_err(taken_or)?;
    made.ok_or_else(|| Error::field("name", format!("You can have at most {MOST} {}s.", kind.as_str())))
}

pub async fn update(
    unit: &mut Unit,
    scope: WorkspaceScope,
    kind: GroupKind,
    id: i64,
    change: GroupChange,
) -> Result<Group> {
    let now = unit.now();
    let GroupChange { name, status } = change;
    let updated = store::update(&mut unit.tx, scope, kind, id, name.as_deref(), status, now).await;
    updated.map_err(taken_or)?.ok_or_else(|| kind.no_such())
}

/// Makes a group disappear at once. Its members may be a million, so they are removed in the background.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, kind: GroupKind, id: i64) -> Result<()> {
    let now = unit.now();
    if !store::delete(&mut unit.tx, scope, kind, id, now).await? {
        return Err(kind.no_such());
    }
    let lane = LaneKey { kind: Clear::NAME, key: id, workspace: Some(scope) };
    jobs::enqueue(unit, lane, &[NewJob { subject: id, group: id }]).await
}

/// One page of a group's members, the newest contact first.
pub async fn members(db: &Db, scope: WorkspaceScope, kind: GroupKind, id: i64, page: Page) -> Result<Listing<Member>> {
    let group = get(db, scope, kind, id).await?;
    let items = store::members(db, scope, id, page).await?;
    Listing::of(page, items, |member| Cursor::id(member.id), async { Ok(group.contacts_count) }).await
}

/// Puts contacts into a group; those who are in it already stay.
pub async fn add(
    unit: &mut Unit,
    scope: WorkspaceScope,
    kind: GroupKind,
    id: i64,
    many: &ManyContacts,
) -> Result<Moved> {
    get(&mut unit.tx, scope, kind, id).await?;
    hold_all(unit, scope, &many.contact_ids).await?;
    let contacts = store::add(&mut unit.tx, scope, id, &many.contact_ids).await?;
    count(unit, scope, kind, id, contacts, 1).await?.ok_or_else(|| kind.no_such())
}

/// Takes contacts out of a group; those who are not in it change nothing.
pub async fn remove(
    unit: &mut Unit,
    scope: WorkspaceScope,
    kind: GroupKind,
    id: i64,
    many: &ManyContacts,
) -> Result<Moved> {
    get(&mut unit.tx, scope, kind, id).await?;
    hold_all(unit, scope, &many.contact_ids).await?;
    let contacts = store::remove(&mut unit.tx, scope, id, &many.contact_ids).await?;
    count(unit, scope, kind, id, contacts, -1).await?.ok_or_else(|| kind.no_such())
}

/// Puts one contact into a group that a body names.
pub async fn join(unit: &mut Unit, scope: WorkspaceScope, kind: GroupKind, contact: i64, id: i64) -> Result<()> {
    hold(unit, scope, contact).await?;
    let unknown = || Error::field(kind.id_field(), format!("The selected {} id is invalid.", kind.as_str()));
    store::find(&mut unit.tx, scope, kind, id).await?.ok_or_else(unknown)?;
    let added = store::add(&mut unit.tx, scope, id, &[contact]).await?;
    count(unit, scope, kind, id, added, 1).await?.map(|_| ()).ok_or_else(unknown)
}

/// Takes one contact out of a group.
pub async fn leave(unit: &mut Unit, scope: WorkspaceScope, kind: GroupKind, contact: i64, id: i64) -> Result<()> {
    hold(unit, scope, contact).await?;
    get(&mut unit.tx, scope, kind, id).await?;
    if store::remove(&mut unit.tx, scope, id, &[contact]).await? == 0 {
        return Err(Error::no_such("Membership"));
    }
    count(unit, scope, kind, id, 1, -1).await?.map(|_| ()).ok_or_else(|| kind.no_such())
}

/// Takes a contact that is being removed out of all its groups. Holds the contact: from here on nobody adds it anywhere.
pub(super) async fn leave_all(unit: &mut Unit, scope: WorkspaceScope, contact: i64) -> Result<()> {
    store::hold_contacts(&mut unit.tx, scope, &[contact]).await?;
    let groups = store::remove_everywhere(&mut unit.tx, scope, contact).await?;
    if groups.is_empty() {
        return Ok(());
    }
    Ok(store::count_down(&mut unit.tx, scope, &groups).await?)
}

/// Adds to the faults of a body that its name is taken, by another group than `own`, so that the caller sees them all at
/// once.
pub async fn with_taken_name(
    read: impl Read,
    scope: WorkspaceScope,
    kind: GroupKind,
    own: Option<i64>,
    Name(name): &Name,
    faults: Error,
) -> Result<Error> {
    let taken = store::find_by_name(read, scope, kind, name).await?.is_some_and(|other| Some(other) != own);
    if !taken {
        return Ok(faults);
    }
    let mut errors = faults.public().errors.clone();
    errors.add("name", TAKEN);
    Ok(Error::fields(errors))
}

/// Counts the members of all groups; answers a sentence for every counter that differs.
pub async fn recount(read: impl Read) -> Result<Vec<String>> {
    let rows = store::all_workspaces_differences(read).await?;
    let sentence = |(workspace, kind, id, kept, counted): (i64, String, i64, i64, i64)| {
        format!("workspace {workspace}: the contacts of {kind} {id} are kept as {kept}, but there are {counted}")
    };
    Ok(rows.into_iter().map(sentence).collect())
}

/// Notes that members came or went. Nothing if the group is not there, be it that it was deleted meanwhile.
async fn count(
    unit: &mut Unit,
    scope: WorkspaceScope,
    kind: GroupKind,
    id: i64,
    contacts: i64,
    sign: i64,
) -> Result<Option<Moved>> {
    let contacts_count = match contacts {
        0 => store::find(&mut unit.tx, scope, kind, id).await?.map(|group| group.contacts_count),
        _ => store::count(&mut unit.tx, scope, kind, id, sign * contacts).await?,
    };
    Ok(contacts_count.map(|contacts_count| Moved { contacts, contacts_count }))
}

async fn hold(unit: &mut Unit, scope: WorkspaceScope, contact: i64) -> Result<()> {
    let held = store::hold_contacts(&mut unit.tx, scope, &[contact]).await?;
    if held.is_empty() { Err(super::no_such()) } else { Ok(()) }
}

/// Every contact that is not there is at fault under its place.
async fn hold_all(unit: &mut Unit, scope: WorkspaceScope, contacts: &[i64]) -> Result<()> {
    let held = store::hold_contacts(&mut unit.tx, scope, contacts).await?;
    all_known(&held, contacts.iter().copied().enumerate())
}

/// Whether contacts are there that a body names at these places.
pub async fn check_contacts(db: &Db, scope: WorkspaceScope, placed: &[(usize, i64)]) -> Result<()> {
    let ids: Vec<i64> = placed.iter().map(|(_, id)| *id).collect();
    let known = store::known_contacts(db, scope, &ids).await?;
    all_known(&known, placed.iter().copied())
}

fn all_known(known: &[i64], placed: impl Iterator<Item = (usize, i64)>) -> Result<()> {
    let mut errors = FieldErrors::default();
    for (place, _) in placed.filter(|(_, id)| known.binary_search(id).is_err()) {
        errors.add(format!("contact_ids.{place}"), "The selected contact ids is invalid.");
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::fields(errors)) }
}

const TAKEN: &str = "The name has already been taken.";

fn taken_or(error: skylight_db::Error) -> Error {
    if error.is_unique("contact_group_name") { Error::field("name", TAKEN) } else { error.into() }
}
