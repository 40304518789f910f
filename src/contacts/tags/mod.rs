//! Tags: titles that contacts carry. A contact's `tags` are their titles; here they are things with ids, that can be
//! renamed or taken from everybody at once.
//!
//! How many contacts have a tag is counted by the database itself, whatever path gives or takes it.
//! Table: `tag`.

pub mod api;
mod clear;
mod store;

pub use clear::Clear;

use super::{Contact, LONGEST_TAG, Which};
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::jobs::{self, LaneKey, NewJob, Steps};
use crate::kernel::fields::Field;
use crate::kernel::{Error, Fields, Input, Instant, Result};
use serde::Serialize;
use skylight_db::{Db, Read};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Tags of a workspace: they are listed on one page.
pub(super) const MOST: i64 = 1_000;

/// A tag of a workspace.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Tag {
    #[schema(example = 8)]
    pub id: i64,
    #[schema(example = "vip")]
    pub title: String,
    /// How many contacts have it.
    #[schema(example = 120)]
    pub contacts_count: i64,
    pub created_at: Instant,
}

/// A tag to be, or to be called otherwise.
#[derive(Clone, Debug, ToSchema)]
pub struct TagTitle {
    #[schema(max_length = 100)]
    pub title: String,
}

impl Input for TagTitle {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { title: title(&fields.at("title").required())? })
    }
}

/// A tag for a contact: one that is there, or a title.
#[derive(Clone, Debug, ToSchema)]
pub struct GivenTag {
    /// A tag that is there.
    pub tag_id: Option<i64>,
    /// Where no `tag_id` is given: the tag of this title, made if there is none.
    #[schema(max_length = 100)]
    pub title: Option<String>,
}

impl Input for GivenTag {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (id, named) = (fields.at("tag_id"), fields.at("title"));
        let id = id.required_if(!named.is_given());
        let given = Self { tag_id: id.id(), title: title(&named) };
        (given.tag_id.is_some() || given.title.is_some()).then_some(given)
    }
}

/// What stands between titles where they are stored must not stand inside.
fn title(field: &Field<'_>) -> Option<String> {
    let title = field.text(LONGEST_TAG)?;
    if title.contains(char::is_control) {
        return field.wrong("format is invalid");
    }
    Some(title)
}

/// All tags, the oldest first.
pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<Tag>> {
    Ok(store::list(read, scope).await?)
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Tag> {
    store::find(read, scope, id).await?.ok_or_else(no_such)
}

/// The tag of a title, and whether it is new.
pub async fn create(unit: &mut Unit, scope: WorkspaceScope, title: &str) -> Result<(Tag, bool)> {
    let titles = [title.to_owned()];
    // Between the two, somebody else may have renamed or deleted it.
    for _ in 0..3 {
        let is_new = super::add_tags(unit, scope, &titles).await? > 0;
        if let Some(tag) = store::find_titled(&mut unit.tx, scope, title).await? {
            return Ok((tag, is_new));
        }
        refuse_one_more(unit, scope, "title").await?;
    }
    Err(Error::internal("a tag with this title comes and goes"))
}

/// A fault of a field if the workspace has all the tags it may have.
pub(super) async fn refuse_one_more(unit: &mut Unit, scope: WorkspaceScope, field: &str) -> Result<()> {
    if store::count(&mut unit.tx, scope).await? >= MOST { Err(too_many(field)) } else { Ok(()) }
}

/// Whether the workspace may have those of these tags that it does not have.
pub async fn check_room(db: &Db, scope: WorkspaceScope, titles: &[String]) -> Result<()> {
    let known = super::known_tags(db, scope, titles).await?;
    let new: BTreeSet<&String> = titles.iter().filter(|title| !known.contains(title)).collect();
    let room = MOST - store::count(db, scope).await?;
    let fits = i64::try_from(new.len()).is_ok_and(|new| new == 0 || new <= room);
    if fits { Ok(()) } else { Err(too_many("tags")) }
}

fn too_many(field: &str) -> Error {
    Error::field(field, format!("You can have at most {MOST} tags."))
}

/// Calls a tag otherwise, on every contact that has it.
pub async fn rename(unit: &mut Unit, scope: WorkspaceScope, id: i64, title: &str) -> Result<Tag> {
    let renamed = store::rename(&mut unit.tx, scope, id, title).await;
    let taken = |error: skylight_db::Error| match error.is_unique("tag_title") {
        true => Error::field("title", "The title has already been taken."),
        false => error.into(),
    };
    renamed.map_err(taken)?.ok_or_else(no_such)
}

/// Makes a tag disappear at once. A million contacts may have it, so it is taken from them in the background.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    let now = unit.now();
    if !store::delete(&mut unit.tx, scope, id, now).await? {
        return Err(no_such());
    }
    let lane = LaneKey { kind: Clear::NAME, key: id, workspace: Some(scope) };
    jobs::enqueue(unit, lane, &[NewJob { subject: id, group: id }]).await
}

/// Gives a contact a tag, unless it has it.
pub async fn give(unit: &mut Unit, scope: WorkspaceScope, contact: i64, given: GivenTag) -> Result<Contact> {
    let which = match (given.tag_id, given.title) {
        (Some(id), _) => Which::Id(id),
        (None, title) => Which::Title(title.ok_or_else(no_such)?),
    };
    super::retag(unit, scope, contact, which, |tags, title| {
        let title = title.ok_or_else(|| Error::field("tag_id", "The selected tag id is invalid."))?;
        if !tags.contains(&title) {
            tags.push(title);
        }
        Ok(())
    })
    .await
}

/// Takes a tag from a contact that has it.
pub async fn take(unit: &mut Unit, scope: WorkspaceScope, contact: i64, id: i64) -> Result<()> {
    let taken = super::retag(unit, scope, contact, Which::Id(id), |tags, title| {
        let at = tags.iter().position(|tag| Some(tag) == title.as_ref()).ok_or_else(no_such)?;
        tags.remove(at);
        Ok(())
    });
    taken.await.map(|_| ())
}

fn no_such() -> Error {
    Error::no_such("Tag")
}
