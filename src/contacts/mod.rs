//! The people a workspace talks to: their names, addresses and tags, and whether they may be written to.
//!
//! A phone number is unique per workspace and channel type; the unique index decides. Every verb touches the contact's
//! row first and the workspace's meter last: writers then wait for each other in one order, and the meter, which all of
//! them share, is held for the shortest time.
//! Tables: `contact`, `tag`, `contact_tag`, `contact_block`, `contact_unindexed`, `contact_gram`. Lists and segments are the
//! room [`groups`], notes the room [`notes`].

pub mod api;
mod grams;
pub mod groups;
pub mod indexing;
mod input;
pub mod notes;
mod search;
mod store;
pub mod tags;

pub use input::{Blacklisting, ContactChange, ContactQuery, NewContact, PhoneOfType};
use input::{LONGEST_TAG, MOST_TAGS};
use search::Asked;
pub use search::{Filter, Search};

use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::events;
use crate::kernel::{Cursor, Email, Error, Instant, Listing, Page, Phone, Result};
use crate::plans::meter;
use crate::{words, workspaces};
use serde::Serialize;
use skylight_db::{Db, Read};
use store::listing::{self, Part, Wanted};
use utoipa::ToSchema;

words! {
    /// Where a contact is talked to.
    pub enum ChannelType { Whatsapp = "whatsapp", Telegram = "telegram", Instagram = "instagram" }
}

impl ChannelType {
    /// Whether people are reached there by their number, so that nobody can be added without one.
    pub fn needs_phone(self) -> bool {
        matches!(self, Self::Whatsapp | Self::Telegram)
    }
}

words! {
    pub enum ContactStatus { Active = "active", Inactive = "inactive" }
}

/// A person a workspace talks to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Contact {
    #[schema(example = 42)]
    pub id: i64,
    #[schema(example = "Sarah Johnson")]
    pub name: String,
    pub email: Option<Email>,
    pub phone: Option<Phone>,
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
    pub status: ContactStatus,
    /// A blacklisted contact is never written to.
    #[schema(example = false)]
    pub blacklisted: bool,
    #[schema(example = json!(["vip", "newsletter"]))]
    pub tags: Vec<String>,
    pub last_message_at: Option<Instant>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// As much of a contact as conversations show beside a message.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ContactSummary {
    #[schema(example = 42)]
    pub id: i64,
    #[schema(example = "Sarah Johnson")]
    pub name: String,
    pub phone: Option<Phone>,
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
    #[schema(example = false)]
    pub blacklisted: bool,
}

/// Somebody who wrote to the workspace, as the provider names them.
#[derive(Clone, Debug)]
pub struct Inbound {
    pub channel_type: ChannelType,
    pub phone: Option<Phone>,
    pub name: String,
}

/// Adds a contact, within the plan's limit.
pub async fn create(unit: &mut Unit, scope: WorkspaceScope, new: NewContact) -> Result<Contact> {
    let contact = add(unit, scope, new).await?.ok_or_else(phone_taken)?;
    meter::take_contact(unit, scope).await?;
    Ok(contact)
}

/// The contact who wrote; made if this is their first message (then true, and the caller counts them: beyond the plan's
/// limit, because no message may be lost).
pub async fn find_or_create(unit: &mut Unit, scope: WorkspaceScope, from: Inbound) -> Result<(ContactSummary, bool)> {
    // Between the look and the insert somebody else may have added the contact, or after that removed it again.
    for _ in 0..3 {
        if let Some(phone) = &from.phone
            && let Some(found) = store::find_by_phone(&mut unit.tx, scope, from.channel_type, phone).await?
        {
            return Ok((found, false));
        }
        if let Some(contact) = add(unit, scope, NewContact::inbound(&from)).await? {
            return Ok((contact.into(), true));
        }
    }
    Err(Error::internal("a contact with this phone number comes and goes"))
}

/// Holds contacts until the end of the unit, by their ids and by their numbers. Who works in many messages does so first:
/// a new contact's block is held from then on, and who holds a contact may be waiting for its block.
pub async fn hold(
    unit: &mut Unit,
    scope: WorkspaceScope,
    ids: &[i64],
    channel_type: ChannelType,
    phones: &[&Phone],
) -> Result<()> {
    Ok(store::hold(&mut unit.tx, scope, ids, channel_type, phones).await?)
}

/// Keeps a contact from being deleted until the end of the unit, for who refers to it; false if there is none.
pub async fn keep(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<bool> {
    Ok(store::keep(&mut unit.tx, scope, id).await?)
}

/// Nothing if the phone number is taken.
async fn add(unit: &mut Unit, scope: WorkspaceScope, new: NewContact) -> Result<Option<Contact>> {
    let now = unit.now();
    let found_by = search::text_of(&new.name, new.email.as_ref(), new.phone.as_ref());
    let tags = hold_tags(unit, scope, None, &new.tags).await?;
    let Some(id) = store::insert(&mut unit.tx, scope, &new, &found_by, now).await? else { return Ok(None) };
    store::tag(&mut unit.tx, scope, id, &tags).await?;
    let contact = new.into_contact(id, now);
    record(unit, scope, "contact.created", &contact).await?;
    Ok(Some(contact))
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Contact> {
    store::find(read, scope, id).await?.ok_or_else(no_such)
}

pub async fn summary(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<ContactSummary> {
    store::find_summary(read, scope, id).await?.ok_or_else(no_such)
}

/// One part of the list, newest first.
pub async fn list(db: &Db, scope: WorkspaceScope, filter: &Filter, page: Page) -> Result<Listing<Contact>> {
    let tag = match &filter.tag {
        Some(title) => match listing::tag_named(db, scope, title).await? {
            Some(tag) => Some(tag),
            None => return Listing::of(page, Vec::new(), place, async { Ok(0) }).await,
        },
        None => None,
    };
    let words = match &filter.search {
        Some(search) => Some(asked(db, scope, search, page).await?),
        None => None,
    };
    let wanted = Wanted { filter, tag: tag.as_ref().map(|tag| tag.id), words };
    let part = part(db, scope, &wanted, page).await?;
    let (items, known) = match &wanted.words {
        Some(words) if page.is_counted() => listing::page_and_total(db, scope, &wanted, words, part).await?,
        _ => (listing::page(db, scope, &wanted, part).await?, None),
    };
    let known = known.or(tag.as_ref().filter(|_| filter.is_only_a_tag()).map(|tag| tag.contacts_count));
    let total = async {
        match known {
            Some(total) => Ok(total),
            None => Ok(listing::count(db, scope, &wanted).await?),
        }
    };
    Listing::of(page, items, place, total).await
}

async fn asked(db: &Db, scope: WorkspaceScope, search: &Search, page: Page) -> Result<Asked> {
    match search.told(db.words(), scope, page.is_counted()) {
        Some(asked) => Ok(asked),
        None => Ok(search.looked_at(db.words(), scope, &listing::newest_texts(db, scope).await?)),
    }
}

fn place(contact: &Contact) -> Cursor {
    Cursor::id(contact.id)
}

/// Nearer rows are walked over: that is faster than looking for their block.
const WALKED: i64 = 8_192;

/// Where a page stands. Far down, whole blocks of contacts are skipped by their counts.
async fn part(db: &Db, scope: WorkspaceScope, wanted: &Wanted<'_>, page: Page) -> Result<Part> {
    let part = Part::from(page);
    if part.offset < WALKED || wanted.words.is_some() || wanted.tag.is_some() {
        return Ok(part);
    }
    let skipped = listing::skip_blocks(db, scope, wanted.filter, part.offset).await?;
    Ok(skipped.map_or(part, |(block, passed)| part.below_block(block, passed)))
}

/// Changes what is said and leaves the rest; a change that changes nothing is no event.
pub async fn update(unit: &mut Unit, scope: WorkspaceScope, id: i64, change: ContactChange) -> Result<Contact> {
    if !store::lock(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    let before = get(&mut unit.tx, scope, id).await?;
    let mut contact = change.applied_to(before.clone());
    if contact == before {
        return Ok(before);
    }
    contact.updated_at = unit.now();
    let found_by = search::text_of(&contact.name, contact.email.as_ref(), contact.phone.as_ref());
    store::update(&mut unit.tx, scope, &contact, &found_by).await.map_err(taken_or)?;
    if contact.tags != before.tags {
        let tags = hold_tags(unit, scope, Some(id), &contact.tags).await?;
        store::untag(&mut unit.tx, scope, id).await?;
        store::tag(&mut unit.tx, scope, id, &tags).await?;
    }
    record(unit, scope, "contact.updated", &contact).await?;
    Ok(contact)
}

/// Holds the tags of these titles, and what a contact has, so that their counts change in one order whoever writes: tags
/// before blocks, all of them after the contact. Answers the ids in the order of the titles.
async fn hold_tags(
    unit: &mut Unit,
    scope: WorkspaceScope,
    contact: Option<i64>,
    titles: &[String],
) -> Result<Vec<i64>> {
    if contact.is_none() && titles.is_empty() {
        return Ok(Vec::new());
    }
    // Between the two, somebody else may have renamed or deleted one.
    for _ in 0..3 {
        add_tags(unit, scope, titles).await?;
        let held = store::hold_tags(&mut unit.tx, scope, contact, None, titles).await?;
        let id_of = |title: &String| held.iter().find(|tag| tag.title == *title).map(|tag| tag.id);
        if let Some(ids) = titles.iter().map(id_of).collect() {
            return Ok(ids);
        }
        tags::refuse_one_more(unit, scope, "tags").await?;
    }
    Err(Error::internal("a tag with this title comes and goes"))
}

/// Those of some titles that are tags of the workspace.
async fn known_tags(db: &Db, scope: WorkspaceScope, titles: &[String]) -> Result<Vec<String>> {
    Ok(store::known_tags(db, scope, titles).await?)
}

/// Titles that are new to the workspace become tags, as far as it may have more; answers how many did.
async fn add_tags(unit: &mut Unit, scope: WorkspaceScope, titles: &[String]) -> Result<u64> {
    let known = store::known_tags(&mut unit.tx, scope, titles).await?;
    let new: Vec<&String> = titles.iter().filter(|title| !known.contains(title)).collect();
    if new.is_empty() {
        return Ok(0);
    }
    let now = unit.now();
    workspaces::take_turn(unit, scope).await?;
    Ok(store::add_tags(&mut unit.tx, scope, new, tags::MOST, now).await?)
}

/// Which tag of a contact is to change.
enum Which {
    Id(i64),
    Title(String),
}

/// Changes a contact's tags. What is read of them holds until the end: nobody renames or deletes one meanwhile.
async fn retag(
    unit: &mut Unit,
    scope: WorkspaceScope,
    id: i64,
    which: Which,
    change: impl FnOnce(&mut Vec<String>, Option<String>) -> Result<()>,
) -> Result<Contact> {
    if !store::lock(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    let title = match which {
        Which::Title(title) => {
            hold_tags(unit, scope, Some(id), std::slice::from_ref(&title)).await?;
            Some(title)
        }
        Which::Id(tag) => {
            let held = store::hold_tags(&mut unit.tx, scope, Some(id), Some(tag), &[]).await?;
            held.into_iter().find(|held| held.id == tag).map(|held| held.title)
        }
    };
    let mut tags = get(&mut unit.tx, scope, id).await?.tags;
    change(&mut tags, title)?;
    if tags.len() > MOST_TAGS {
        return Err(Error::field("tags", format!("The tags must not have more than {MOST_TAGS} items.")));
    }
    update(unit, scope, id, ContactChange::of_tags(tags)).await
}

/// Removes a contact with everything that was said to them.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    groups::leave_all(unit, scope, id).await?;
    hold_tags(unit, scope, Some(id), &[]).await?;
    let deleted_at = unit.now();
    let gone = store::delete(&mut unit.tx, scope, id).await?.ok_or_else(no_such)?;
    let was_blacklisted = gone.blacklisted;
    let contact = GoneContact {
        id,
        name: &gone.name,
        email: gone.email.as_ref(),
        phone: gone.phone.as_ref(),
        channel_type: gone.channel_type,
        deleted_at,
    };
    let gone = ContactGoneEvent { contact };
    events::record(unit, scope, "contact.deleted", id, &gone).await?;
    meter::give_back_contact(unit, scope, was_blacklisted).await
}

/// Puts a contact on the blacklist or takes it off; without a wish, to the other side.
pub async fn set_blacklisted(unit: &mut Unit, scope: WorkspaceScope, id: i64, wish: Option<bool>) -> Result<Contact> {
    let now = unit.now();
    let changed = store::set_blacklisted(&mut unit.tx, scope, id, wish, now).await?;
    let contact = get(&mut unit.tx, scope, id).await?;
    if changed {
        record(unit, scope, "contact.updated", &contact).await?;
        meter::count_blacklisted(unit, scope, if contact.blacklisted { 1 } else { -1 }).await?;
    }
    Ok(contact)
}

/// Remembers when the last message went to or came from a contact; an older one changes nothing.
pub async fn touch_last_message(unit: &mut Unit, scope: WorkspaceScope, id: i64, at: Instant) -> Result<()> {
    Ok(store::touch_last_message(&mut unit.tx, scope, id, at).await?)
}

/// Whether no contact, or none but this one, has the number.
pub async fn check_phone(
    read: impl Read,
    scope: WorkspaceScope,
    new: &PhoneOfType,
    of: Option<&Contact>,
) -> Result<()> {
    let found = store::find_by_phone(read, scope, new.channel_type, &new.phone).await?;
    let is_taken = found.is_some_and(|found| of.is_none_or(|contact| contact.id != found.id));
    if is_taken { Err(phone_taken()) } else { Ok(()) }
}

const TAKEN: &str = "The phone has already been taken.";

fn phone_taken() -> Error {
    Error::field("phone", TAKEN)
}

fn taken_or(error: skylight_db::Error) -> Error {
    if error.is_unique("contact_phone") { phone_taken() } else { error.into() }
}

fn no_such() -> Error {
    Error::no_such("Contact")
}

impl From<Contact> for ContactSummary {
    fn from(contact: Contact) -> Self {
        let Contact { id, name, phone, channel_type, blacklisted, .. } = contact;
        Self { id, name, phone, channel_type, blacklisted }
    }
}

/// What `contact.created` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactCreatedEvent<'a> {
    pub contact: ToldContact<'a>,
}

/// What `contact.updated` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactUpdatedEvent<'a> {
    pub contact: ChangedContact<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ToldContact<'a> {
    #[schema(example = 42)]
    pub id: i64,
    #[schema(example = "Sarah Johnson")]
    pub name: &'a str,
    #[schema(value_type = Option<Email>)]
    pub email: Option<&'a Email>,
    #[schema(value_type = Option<Phone>)]
    pub phone: Option<&'a Phone>,
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
    pub status: ContactStatus,
    #[schema(example = false)]
    pub blacklisted: bool,
    #[schema(value_type = Vec<String>, example = json!(["vip", "newsletter"]))]
    pub tags: &'a [String],
    pub created_at: Instant,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedContact<'a> {
    #[serde(flatten)]
    pub contact: ToldContact<'a>,
    pub updated_at: Instant,
}

/// What `contact.deleted` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactGoneEvent<'a> {
    pub contact: GoneContact<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct GoneContact<'a> {
    #[schema(example = 42)]
    pub id: i64,
    #[schema(example = "Sarah Johnson")]
    pub name: &'a str,
    #[schema(value_type = Option<Email>)]
    pub email: Option<&'a Email>,
    #[schema(value_type = Option<Phone>)]
    pub phone: Option<&'a Phone>,
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
    pub deleted_at: Instant,
}

async fn record(unit: &mut Unit, scope: WorkspaceScope, kind: &'static str, contact: &Contact) -> Result<()> {
    let told = ToldContact {
        id: contact.id,
        name: &contact.name,
        email: contact.email.as_ref(),
        phone: contact.phone.as_ref(),
        channel_type: contact.channel_type,
        status: contact.status,
        blacklisted: contact.blacklisted,
        tags: &contact.tags,
        created_at: contact.created_at,
    };
    if kind == "contact.created" {
        return events::record(unit, scope, kind, contact.id, &ContactCreatedEvent { contact: told }).await;
    }
    let told = ChangedContact { contact: told, updated_at: contact.updated_at };
    events::record(unit, scope, kind, contact.id, &ContactUpdatedEvent { contact: told }).await
}
