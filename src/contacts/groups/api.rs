//! `/api/v1/contacts/lists`, `/api/v1/contacts/segments`, and the memberships of a contact. The routes of both kinds are
//! written once; `Words` holds what differs.

use super::{Group, GroupChange, GroupKind, ManyContacts, Member, Moved, Name, NewGroup};
use crate::contacts;
use crate::http::extract::TwoIds;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, Unread, UnreadQuery, Who, WorkspaceCaller};
use crate::kernel::{Error, Fields, Input, Page, Result};
use http::Method;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

const TAG: &str = "Lists and segments";

/// The paths, operations and sentences of one kind.
struct Words {
    kind: GroupKind,
    all: &'static str,
    one: &'static str,
    members: &'static str,
    of_contact: &'static str,
    membership: &'static str,
    /// By verb: what the operation is called, and its summary.
    operations: Operations,
    created: &'static str,
    updated: &'static str,
    joined: &'static str,
    added: &'static str,
    removed: &'static str,
}

type Operation = (&'static str, &'static str);

struct Operations {
    list: Operation,
    create: Operation,
    get: Operation,
    update: Operation,
    delete: Operation,
    members: Operation,
    add: Operation,
    remove: Operation,
    join: Operation,
    leave: Operation,
}

macro_rules! wording {
    ($kind:ident, $one:literal, $One:literal) => {
        Words {
            kind: GroupKind::$kind,
            all: concat!("/api/v1/contacts/", $one, "s"),
            one: concat!("/api/v1/contacts/", $one, "s/{id}"),
            members: concat!("/api/v1/contacts/", $one, "s/{id}/members"),
            of_contact: concat!("/api/v1/contacts/{id}/", $one, "s"),
            membership: concat!("/api/v1/contacts/{id}/", $one, "s/{", $one, "_id}"),
            operations: Operations {
                list: (concat!("list_contact_", $one, "s"), concat!("List ", $one, "s")),
                create: (concat!("create_contact_", $one), concat!("Create a ", $one)),
                get: (concat!("get_contact_", $one), concat!("Get a ", $one)),
                update: (concat!("update_contact_", $one), concat!("Update a ", $one)),
                delete: (concat!("delete_contact_", $one), concat!("Delete a ", $one)),
                members: (concat!("list_", $one, "_members"), concat!("List the members of a ", $one)),
                add: (concat!("add_", $one, "_members"), concat!("Add many contacts to a ", $one)),
                remove: (concat!("remove_", $one, "_members"), concat!("Remove many contacts from a ", $one)),
                join: (concat!("add_contact_to_", $one), concat!("Add a contact to a ", $one)),
                leave: (concat!("remove_contact_from_", $one), concat!("Remove a contact from a ", $one)),
            },
            created: concat!($One, " created successfully."),
            updated: concat!($One, " updated successfully."),
            joined: concat!("Contact added to ", $one, " successfully."),
            added: concat!("Contacts added to ", $one, " successfully."),
            removed: concat!("Contacts removed from ", $one, " successfully."),
        }
    };
}

static LISTS: Words = wording!(List, "list", "List");
static SEGMENTS: Words = wording!(Segment, "segment", "Segment");

pub fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    for words in [&LISTS, &SEGMENTS] {
        routes.extend(group_routes(words));
        routes.extend(member_routes(words));
        routes.extend(membership_routes(words));
    }
    routes
}

fn group_routes(words: &'static Words) -> [Route; 5] {
    let of = &words.operations;
    let list = move |caller| list(words, caller);
    let create = move |caller, body| create(words, caller, body);
    let get = move |caller, id| get(words, caller, id);
    let update = move |caller, id, body| update(words, caller, id, body);
    let delete = move |caller, id| delete(words, caller, id);
    [
        Route::new(Method::GET, words.all, Who::Workspace, of.list.0, list)
            .doc(TAG, of.list.1, "All of them with their number of contacts, the oldest first.")
            .answers::<Group>(200, Shape::All),
        Route::new(Method::POST, words.all, Who::Workspace, of.create.0, create)
            .doc(TAG, of.create.1, "Names are unique. At most 1000 per workspace.")
            .takes::<NewGroup>(json!({"name": "Newsletter"}))
            .answers::<Group>(201, Shape::One)
            .saying(words.created),
        Route::new(Method::GET, words.one, Who::Workspace, of.get.0, get)
            .doc(TAG, of.get.1, "")
            .answers::<Group>(200, Shape::One),
        Route::new(Method::PUT, words.one, Who::Workspace, of.update.0, update)
            .doc(TAG, of.update.1, "Only the given fields change.")
            .takes::<GroupChange>(json!({"name": "Monthly newsletter", "status": 1}))
            .answers::<Group>(200, Shape::One)
            .saying(words.updated),
        Route::new(Method::DELETE, words.one, Who::Workspace, of.delete.0, delete)
            .doc(TAG, of.delete.1, "Its contacts stay, but for this membership.")
            .answers_nothing(),
    ]
}

fn member_routes(words: &'static Words) -> [Route; 3] {
    let of = &words.operations;
    let members = move |caller, id, query| members(words, caller, id, query);
    let add = move |caller, id, body| add(words, caller, id, body);
    let remove = move |caller, id, body| remove(words, caller, id, body);
    [
        Route::new(Method::GET, words.members, Who::Workspace, of.members.0, members)
            .doc(TAG, of.members.1, "The newest contact first.")
            .paged("Results per page (default 25, at most 100).")
            .answers::<Member>(200, Shape::Page),
        Route::new(Method::POST, words.members, Who::Workspace, of.add.0, add)
            .doc(
                TAG,
                of.add.1,
                "At most 1000 at once, all or none. Those who are in it already stay and are not counted.",
            )
            .takes::<ManyContacts>(json!({"contact_ids": [42, 43]}))
            .answers::<MembersAdded>(200, Shape::One)
            .saying(words.added),
        Route::new(Method::DELETE, words.members, Who::Workspace, of.remove.0, remove)
            .doc(TAG, of.remove.1, "At most 1000 at once, all or none. Those who are not in it are not counted.")
            .takes::<ManyContacts>(json!({"contact_ids": [42, 43]}))
            .answers::<MembersRemoved>(200, Shape::One)
            .saying(words.removed),
    ]
}

fn membership_routes(words: &'static Words) -> [Route; 2] {
    let of = &words.operations;
    let join = move |caller, id, body| join(words, caller, id, body);
    let leave = move |caller, ids| leave(words, caller, ids);
    let joined = Route::new(Method::POST, words.of_contact, Who::Workspace, of.join.0, join)
        .doc(TAG, of.join.1, "A contact that is in it already stays.")
        .saying(words.joined);
    let joined = match words.kind {
        GroupKind::List => joined.takes::<ListToJoin>(json!({"list_id": 5})).answers::<InList>(200, Shape::One),
        GroupKind::Segment => {
            joined.takes::<SegmentToJoin>(json!({"segment_id": 3})).answers::<InSegment>(200, Shape::One)
        }
    };
    let left = Route::new(Method::DELETE, words.membership, Who::Workspace, of.leave.0, leave)
        .doc(TAG, of.leave.1, "404 also when the contact is not in it.")
        .answers_nothing();
    [joined, left]
}

/// How many contacts were added, and how many there are now.
#[derive(Debug, Serialize, ToSchema)]
struct MembersAdded {
    #[schema(example = 5)]
    id: i64,
    #[schema(example = 2)]
    added: i64,
    #[schema(example = 1206)]
    contacts_count: i64,
}

/// How many contacts were removed, and how many there are now.
#[derive(Debug, Serialize, ToSchema)]
struct MembersRemoved {
    #[schema(example = 5)]
    id: i64,
    #[schema(example = 2)]
    removed: i64,
    #[schema(example = 1204)]
    contacts_count: i64,
}

/// The list that a contact is put into.
#[derive(Debug, ToSchema)]
struct ListToJoin {
    #[expect(dead_code, reason = "only described: the field's name depends on the kind, so it is read by it")]
    list_id: i64,
}

/// The segment that a contact is put into.
#[derive(Debug, ToSchema)]
struct SegmentToJoin {
    #[expect(dead_code, reason = "only described: the field's name depends on the kind, so it is read by it")]
    segment_id: i64,
}

/// A contact's place in a list.
#[derive(Debug, Serialize, ToSchema)]
struct InList {
    /// The contact's.
    #[schema(example = 42)]
    id: i64,
    #[schema(example = 5)]
    list_id: i64,
}

/// A contact's place in a segment.
#[derive(Debug, Serialize, ToSchema)]
struct InSegment {
    /// The contact's.
    #[schema(example = 42)]
    id: i64,
    #[schema(example = 3)]
    segment_id: i64,
}

/// Which members of a group.
#[derive(Debug)]
struct MemberQuery(Page);

impl Input for MemberQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self(Page::read(fields, 25, 100)))
    }
}

async fn list(words: &Words, caller: WorkspaceCaller) -> Answer {
    Reply::data(&super::list(&caller.app.db, caller.scope(), words.kind).await?)
}

async fn create(words: &Words, caller: WorkspaceCaller, body: Unread) -> Answer {
    let new: NewGroup = match body.read() {
        Ok(new) => new,
        Err(faults) => return Err(with_taken_name(words, &caller, None, &body, faults).await?),
    };
    let mut unit = caller.begin().await?;
    let made = super::create(&mut unit, caller.scope(), words.kind, new).await?;
    let reply = Reply::created(&made, words.created)?;
    caller.commit(unit, reply).await
}

async fn get(words: &Words, caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope(), words.kind, id).await?)
}

async fn update(words: &Words, caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let change: GroupChange = match body.read_about(super::get(&caller.app.db, caller.scope(), words.kind, id)).await {
        Ok(change) => change,
        Err(faults) => return Err(with_taken_name(words, &caller, Some(id), &body, faults).await?),
    };
    let mut unit = caller.begin().await?;
    let updated = super::update(&mut unit, caller.scope(), words.kind, id, change).await?;
    let reply = Reply::done(&updated, words.updated)?;
    caller.commit(unit, reply).await
}

/// Beside its other faults, a body may name what is taken: callers see all of them at once.
async fn with_taken_name(
    words: &Words,
    caller: &WorkspaceCaller,
    own: Option<i64>,
    body: &Unread,
    faults: Error,
) -> Result<Error> {
    match body.read::<Name>() {
        Ok(name) if faults.public().status == 422 => {
            super::with_taken_name(&caller.app.db, caller.scope(), words.kind, own, &name, faults).await
        }
        _ => Ok(faults),
    }
}

async fn delete(words: &Words, caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    super::delete(&mut unit, caller.scope(), words.kind, id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn members(words: &Words, caller: WorkspaceCaller, Id(id): Id, query: UnreadQuery) -> Answer {
    let (db, scope) = (&caller.app.db, caller.scope());
    let MemberQuery(page) = query.read_about(super::get(db, scope, words.kind, id)).await?;
    Reply::page(&super::members(db, scope, words.kind, id, page).await?)
}

/// The contacts that a body names, or everything that is wrong of them.
async fn named_in(words: &Words, caller: &WorkspaceCaller, id: i64, body: &Unread) -> Result<ManyContacts> {
    let (db, scope) = (&caller.app.db, caller.scope());
    match body.read_about::<ManyContacts, _>(super::get(db, scope, words.kind, id)).await {
        Ok(many) => Ok(many),
        Err(fault) => {
            let placed = body.glimpse(ManyContacts::placed).unwrap_or_default();
            Err(fault.beside(super::check_contacts(db, scope, &placed)).await)
        }
    }
}

async fn add(words: &Words, caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let many = named_in(words, &caller, id, &body).await?;
    let mut unit = caller.begin().await?;
    let Moved { contacts, contacts_count } = super::add(&mut unit, caller.scope(), words.kind, id, &many).await?;
    let reply = Reply::done(&MembersAdded { id, added: contacts, contacts_count }, words.added)?;
    caller.commit(unit, reply).await
}

async fn remove(words: &Words, caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let many = named_in(words, &caller, id, &body).await?;
    let mut unit = caller.begin().await?;
    let Moved { contacts, contacts_count } = super::remove(&mut unit, caller.scope(), words.kind, id, &many).await?;
    let reply = Reply::done(&MembersRemoved { id, removed: contacts, contacts_count }, words.removed)?;
    caller.commit(unit, reply).await
}

async fn join(words: &Words, caller: WorkspaceCaller, Id(contact): Id, body: Unread) -> Answer {
    let named = body.read_by(|fields| fields.at(words.kind.id_field()).required().id());
    if named.is_err() {
        contacts::summary(&caller.app.db, caller.scope(), contact).await?;
    }
    let id = named?;
    let mut unit = caller.begin().await?;
    super::join(&mut unit, caller.scope(), words.kind, contact, id).await?;
    let reply = match words.kind {
        GroupKind::List => Reply::done(&InList { id: contact, list_id: id }, words.joined)?,
        GroupKind::Segment => Reply::done(&InSegment { id: contact, segment_id: id }, words.joined)?,
    };
    caller.commit(unit, reply).await
}

async fn leave(words: &Words, caller: WorkspaceCaller, TwoIds(contact, id): TwoIds) -> Answer {
    let mut unit = caller.begin().await?;
    super::leave(&mut unit, caller.scope(), words.kind, contact, id).await?;
    caller.commit(unit, Reply::nothing()).await
}
