//! `/api/v1/contacts/{id}/notes`.

use super::{Note, NoteContent};
use crate::contacts;
use crate::http::extract::TwoIds;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, Unread, UnreadQuery, Who, WorkspaceCaller};
use crate::kernel::{Fields, Input, Page};
use http::Method;
use serde_json::json;

const TAG: &str = "Contacts";
const ALL: &str = "/api/v1/contacts/{id}/notes";
const ONE: &str = "/api/v1/contacts/{id}/notes/{note_id}";
const ADDED: &str = "Note added successfully.";
const UPDATED: &str = "Note updated successfully.";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, ALL, Who::Workspace, "list_contact_notes", list)
            .doc(TAG, "List notes", "What the workspace wrote down about a contact, the newest first.")
            .paged("Results per page (default 15, at most 100).")
            .answers::<Note>(200, Shape::Page),
        Route::new(Method::POST, ALL, Who::Workspace, "add_contact_note", add)
            .doc(TAG, "Add a note", "The contact never sees it.")
            .takes::<NoteContent>(json!({"content": "Called today — interested in Pro plan."}))
            .answers::<Note>(201, Shape::One)
            .saying(ADDED),
        Route::new(Method::PUT, ONE, Who::Workspace, "update_contact_note", update)
            .doc(TAG, "Update a note", "Its author stays.")
            .takes::<NoteContent>(json!({"content": "Called again — took the Pro plan."}))
            .answers::<Note>(200, Shape::One)
            .saying(UPDATED),
        Route::new(Method::DELETE, ONE, Who::Workspace, "delete_contact_note", delete)
            .doc(TAG, "Delete a note", "Notes also go with their contact.")
            .answers_nothing(),
    ]
}

/// Which notes of a contact.
#[derive(Debug)]
struct NoteQuery(Page);

impl Input for NoteQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self(Page::read(fields, 15, 100)))
    }
}

async fn list(caller: WorkspaceCaller, Id(contact): Id, query: UnreadQuery) -> Answer {
    let NoteQuery(page) = query.read_about(contacts::summary(&caller.app.db, caller.scope(), contact)).await?;
    Reply::page(&super::list(&caller.app.db, caller.scope(), contact, page).await?)
}

async fn add(caller: WorkspaceCaller, Id(contact): Id, body: Unread) -> Answer {
    let new = body.read_about(contacts::summary(&caller.app.db, caller.scope(), contact)).await?;
    let mut unit = caller.begin().await?;
    let note = super::add(&mut unit, caller.scope(), contact, new, caller.key.key_id).await?;
    let reply = Reply::created(&note, ADDED)?;
    caller.commit(unit, reply).await
}

async fn update(caller: WorkspaceCaller, TwoIds(contact, id): TwoIds, body: Unread) -> Answer {
    let change = body.read_about(super::get(&caller.app.db, caller.scope(), contact, id)).await?;
    let mut unit = caller.begin().await?;
    let note = super::update(&mut unit, caller.scope(), contact, id, change).await?;
    let reply = Reply::done(&note, UPDATED)?;
    caller.commit(unit, reply).await
}

async fn delete(caller: WorkspaceCaller, TwoIds(contact, id): TwoIds) -> Answer {
    let mut unit = caller.begin().await?;
    super::delete(&mut unit, caller.scope(), contact, id).await?;
    caller.commit(unit, Reply::nothing()).await
}
