//! Notes: what a workspace writes down about a contact, for its own eyes.
//!
//! A note keeps its author's name as it was, because keys are revoked and people leave.
//! Tables: `note`.

pub mod api;
mod store;

use crate::app::Unit;
use crate::auth::{self, WorkspaceScope};
use crate::kernel::{Cursor, Error, Fields, Input, Instant, Listing, Page, Result};
use serde::Serialize;
use skylight_db::{Cell, Column, Db, Kind, Param, Value};
use utoipa::ToSchema;

const LONGEST: usize = 65_535;

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Note {
    #[schema(example = 7)]
    pub id: i64,
    #[schema(example = "Called today — interested in Pro plan.")]
    pub content: String,
    /// Null when it is not known.
    pub author: Option<Author>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// Who wrote a note.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = NoteAuthor)]
pub struct Author {
    #[serde(rename = "type")]
    pub kind: AuthorKind,
    /// The name at that time: of a key, or of a member of the team.
    #[schema(example = "CRM")]
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NoteAuthorType)]
pub enum AuthorKind {
    ApiKey,
    TeamMember,
}

impl AuthorKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::TeamMember => "team_member",
        }
    }
}

impl Param for AuthorKind {
    fn value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

impl Column for AuthorKind {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        let found = [Self::ApiKey, Self::TeamMember].into_iter().find(|kind| cell == Cell::Text(kind.as_str()));
        found.ok_or_else(|| format!("not a kind of author: {cell:?}"))
    }
}

/// What a note says: all of a new one, and all that can be changed.
#[derive(Debug, ToSchema)]
pub struct NoteContent {
    #[schema(max_length = 65535)]
    pub content: String,
}

impl Input for NoteContent {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { content: fields.at("content").required().text(LONGEST)? })
    }
}

/// One page of a contact's notes, the newest first.
pub async fn list(db: &Db, scope: WorkspaceScope, contact: i64, page: Page) -> Result<Listing<Note>> {
    super::summary(db, scope, contact).await?;
    let items = store::page(db, scope, contact, page).await?;
    let total = async { Ok(store::count(db, scope, contact).await?) };
    Listing::of(page, items, |note| Cursor::id(note.id), total).await
}

pub async fn get(db: &Db, scope: WorkspaceScope, contact: i64, id: i64) -> Result<Note> {
    super::summary(db, scope, contact).await?;
    store::find(db, scope, contact, id).await?.ok_or_else(no_such)
}

/// Writes a note down, in the name of an API key.
pub async fn add(unit: &mut Unit, scope: WorkspaceScope, contact: i64, new: NoteContent, key: i64) -> Result<Note> {
    super::summary(&mut unit.tx, scope, contact).await?;
    let name = auth::key_name(&mut unit.tx, scope, key).await?;
    let author = name.map(|name| Author { kind: AuthorKind::ApiKey, name });
    let (content, now) = (new.content, unit.now());
    let by = author.as_ref().map(|author| (author, key));
    let id = store::insert(&mut unit.tx, scope, contact, &content, by, now).await.map_err(contact_gone_or)?;
    Ok(Note { id, content, author, created_at: now, updated_at: now })
}

pub async fn update(
    unit: &mut Unit,
    scope: WorkspaceScope,
    contact: i64,
    id: i64,
    change: NoteContent,
) -> Result<Note> {
    super::summary(&mut unit.tx, scope, contact).await?;
    let now = unit.now();
    store::update(&mut unit.tx, scope, contact, id, &change.content, now).await?.ok_or_else(no_such)
}

pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, contact: i64, id: i64) -> Result<()> {
    super::summary(&mut unit.tx, scope, contact).await?;
    if store::delete(&mut unit.tx, scope, contact, id).await? { Ok(()) } else { Err(no_such()) }
}

fn no_such() -> Error {
    Error::no_such("Note")
}

/// Between the look and the note somebody may have removed the contact.
fn contact_gone_or(error: skylight_db::Error) -> Error {
    if *error.kind() == Kind::ForeignKey { super::no_such() } else { error.into() }
}
