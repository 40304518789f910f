//! `/api/v1/contacts/lists`, `/api/v1/contacts/segments`, and the memberships of a contact. The routes of both kinds are
//! written once; [`Words`] holds what differs.

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

macro_rules! words {
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

static LISTS: Words = words!(List, "list", "List");
static SEGMENTS: Words = words!(Segment, "segment", "Segment");

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
    [
        Route::new(Method::GET, words.all, Who::Workspace, of.list.0, async move |caller| list(words, caller).await)
            .doc(TAG, of.list.1, "All of them with their number of contacts, the oldest first.")
            .answers::<Group>(200, Shape::All),
        Route::new(Method::POST, words.all, Who::Workspace, of.create.0, async move |caller, body| {
            create(words, caller, body).await
        })
        .doc(TAG, of.create.1, "Names are unique. At most 1000 per workspace.")
        .takes::<NewGroup>(json!({"name": "Newsletter"}))
        .answers::<Group>(201, Shape::One)
        .saying(words.created),
        Route::new(Method::GET, words.one, Who::Workspace, of.get.0, async move |caller, id| {
            get(words, caller, id).await
        })
        .doc(TAG, of.get.1, "")
        .answers::<Group>(200, Shape::One),
        Route::new(Method::PUT, words.one, Who::Workspace, of.update.0, async move |caller, id, body| {
            update(words, caller, id, body).await
        })
        .doc(TAG, of.update.1, "Only the given fields change.")
        .takes::<GroupChange>(json!({"name": "Monthly newsletter", "status": 1}))
        .answers::<Group>(200, Shape::One)
        .saying(words.updated),
        Route::new(Method::DELETE, words.one, Who::Workspace, of.delete.0, async move |caller, id| {
            delete(words, caller, id).await
        })
        .doc(TAG, of.delete.1, "Its contacts stay, without the membership.")
        .answers_nothing(),
    ]
}
