//! Calendars of bookings that people subscribe to with a program of their own, each behind an address that nobody guesses.
//! Table: `booking_feed`.

use super::calendar::{self, Calendar};
use super::{NO_RESOURCE, store};
use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::WorkspaceScope;
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Error, Fields, Input, Instant, Result, Secret, secret};
use crate::workspaces;
use serde::{Serialize, Serializer};
use skylight_db::Read;
use std::time::Duration;
use utoipa::ToSchema;

const MOST_FEEDS: i64 = 100;
const LONGEST_NAME: usize = 255;
/// How exactly it is kept when a feed was last read.
const COARSE: Duration = Duration::from_secs(60 * 60);

/// A calendar that can be subscribed to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = BookingFeed)]
pub struct Feed {
    #[schema(example = 7)]
    pub id: i64,
    /// What the calendar is called; null: like the resource, or else like the company.
    #[schema(example = "Consultations")]
    pub name: Option<String>,
    /// Whose bookings it shows; null is the whole workspace.
    #[schema(example = 2)]
    pub resource_id: Option<i64>,
    pub created_at: Instant,
    /// When its address was made.
    pub updated_at: Instant,
    /// When a program last asked for it, to the hour.
    pub last_read_at: Option<Instant>,
}

/// A feed whose address was just made: the only time it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IssuedBookingFeed)]
pub struct IssuedFeed {
    #[serde(flatten)]
    pub feed: Feed,
    /// Whoever has it reads the bookings. Shown once.
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, example = "https://dashboard.skylightchat.com/calendars/cal_….ics")]
    pub url: Secret,
}

fn reveal<S: Serializer>(url: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.reveal())
}

/// A feed to be.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = NewBookingFeed)]
pub struct NewFeed {
    /// Default: the resource's name, or else the company's.
    #[schema(max_length = 255)]
    name: Option<String>,
    /// Default: the whole workspace.
    resource_id: Option<i64>,
}

impl Input for NewFeed {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { name: fields.at("name").text(LONGEST_NAME), resource_id: fields.at("resource_id").id() })
    }
}

/// All of them, the oldest first.
pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<Feed>> {
    Ok(store::feeds::list(read, scope).await?)
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Feed> {
    store::feeds::find(read, scope, id).await?.ok_or_else(no_such)
}

pub async fn create(unit: &mut Unit, scope: WorkspaceScope, new: NewFeed) -> Result<IssuedFeed> {
    workspaces::take_turn(unit, scope).await?;
    // Held, so that the resource is not deleted meanwhile: its feeds go with it.
    if let Some(resource) = new.resource_id
        && !store::seats::lock_resource(&mut unit.tx, scope, resource).await?
    {
        return Err(Error::field("resource_id", NO_RESOURCE));
    }
    if store::feeds::count(&mut unit.tx, scope).await? >= MOST_FEEDS {
        return Err(Error::field("name", format!("You can have at most {MOST_FEEDS} calendar feeds.")));
    }
    let now = unit.now();
    let NewFeed { name, resource_id } = new;
    let mut feed = Feed { id: 0, name, resource_id, created_at: now, updated_at: now, last_read_at: None };
    let (url, hash) = address(unit);
    feed.id = store::feeds::insert(&mut unit.tx, scope, &feed, &hash).await?;
    let changes = Changes::of("name", &feed.name).and("resource_id", feed.resource_id);
    audit::record(unit, scope, Action::BookingFeedCreated, feed.id, changes).await?;
    Ok(IssuedFeed { feed, url })
}

/// Gives a feed another address; the one before is dead.
pub async fn regenerate(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<IssuedFeed> {
    let ((url, hash), now) = (address(unit), unit.now());
    if !store::feeds::replace(&mut unit.tx, scope, id, &hash, now).await? {
        return Err(no_such());
    }
    audit::record(unit, scope, Action::BookingFeedRegenerated, id, Changes::none()).await?;
    Ok(IssuedFeed { feed: get(&mut unit.tx, scope, id).await?, url })
}

pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    if !store::feeds::delete(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    audit::record(unit, scope, Action::BookingFeedDeleted, id, Changes::none()).await
}

fn no_such() -> Error {
    Error::no_such("Calendar feed")
}

/// An address that nobody has had, and what is kept of it.
fn address(unit: &Unit) -> (Secret, [u8; 32]) {
    let token = token::make(TokenKind::Calendar, &*unit.app().random);
    let url = unit.app().config.public(&format!("/calendars/{}.ics", token.reveal()));
    (Secret::new(url), secret::digest(token.reveal()))
}

/// What a calendar shows.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// None: the whole workspace.
    pub resource: Option<i64>,
}

/// Which bookings are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// From and before.
    pub starts: (Instant, Instant),
    /// After and until.
    pub ends: (Instant, Instant),
    pub now: Instant,
    /// The last of them rather than the first.
    pub latest: bool,
    pub most: i64,
}

/// A feed that somebody has opened by its address.
#[derive(Debug)]
pub struct Opened {
    pub id: i64,
    pub scope: WorkspaceScope,
    pub shown: Shown,
    pub face: calendar::Face,
    hash: [u8; 32],
    last_read_at: Option<Instant>,
}

/// The feed behind an address; none if that is malformed, unknown or replaced, its resource is gone, its workspace is
/// suspended, deleted or without bookings in its plan.
pub async fn open(app: &App, token: &str) -> Result<Option<Opened>> {
    if token::kind_of(token) != Some(TokenKind::Calendar) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let Some(row) = store::feeds::all_workspaces_open(&app.db, &hash).await? else { return Ok(None) };
    let face = calendar::Face {
        name: row.name.or(row.resource_name).unwrap_or(row.company_name),
        timezone: row.resource_zone.unwrap_or(row.timezone),
        brand: row.brand,
        workspace: row.public_id,
    };
    Ok(Some(Opened {
        id: row.id,
        scope: WorkspaceScope::of_link(row.workspace_id),
        shown: Shown { resource: row.resource_id },
        face,
        hash,
        last_read_at: row.last_read_at,
    }))
}

/// The calendar of a feed that was opened.
pub async fn read(app: &App, feed: Opened) -> Result<Calendar> {
    note_reading(app, &feed);
    let bookings = calendar::bookings(app, feed.scope, feed.shown).await?;
    // Thousands of bookings take milliseconds to write.
    let written = tokio::task::spawn_blocking(move || calendar::write(&feed.face, &bookings)).await;
    written.map_err(Error::internal)
}

/// Writes that a feed was read, behind the answer's back, and seldom.
fn note_reading(app: &App, feed: &Opened) {
    let (now, app) = (app.now(), app.clone());
    let since = now.before(COARSE);
    if feed.last_read_at.is_some_and(|at| at > since) {
        return;
    }
    let (scope, id, hash) = (feed.scope, feed.id, feed.hash);
    tokio::spawn(async move {
        let written = async {
            let mut unit = app.begin().await?;
            store::feeds::set_read(&mut unit.tx, scope, id, &hash, now, since).await?;
            unit.commit().await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "when a calendar was read could not be written");
        }
    });
}
