//! Client workspaces: provisioned, suspended, reactivated and deleted by their partner. Table: `workspace`.

pub mod account;
pub mod api;
mod clients;
pub mod hub;
mod jobs;
pub mod pages;
mod purge;
mod store;
mod told;
pub mod visits;

pub use clients::{Client, ClientChange, ClientFilter, NewClient, Usage, client, clients, faults, update};
pub use jobs::{PlanChange, Purge};
pub use purge::{FOLLOWING as FOLLOWING_TABLES, KEEPING as KEEPING_TABLES, TABLES as PURGED_TABLES};
pub use told::{ClientCreatedEvent, ClientDeletedEvent, ClientStandingEvent, ClientUpdatedEvent};

use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope, sessions};
use crate::jobs::{LaneKey, NewJob};
use crate::kernel::error::Asked;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Instant, Result, Timezone, slug};
use crate::partners::{Colour, Face};
use crate::plans::meter;
use crate::team::Invitation;
use crate::{events, partners, team};
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use serde::Serialize;
use skylight_db::Read;
use std::sync::Arc;

/// What a new workspace's key is sealed for.
fn key_context(public_id: &str) -> String {
    format!("workspace.data_key:{public_id}")
}

/// A workspace just made.
#[derive(Debug)]
pub struct Provisioned {
    pub scope: WorkspaceScope,
    /// Of its first admin, unless they are not to be invited.
    pub invitation: Option<Invitation>,
}

/// Provisions a workspace with its first admin, its meter, and what the rooms above give it (see [`on_birth`]). Takes a
/// seat.
pub async fn create(unit: &mut Unit, partner: PartnerScope, new: &NewClient) -> Result<Provisioned> {
    let plan_id = clients::plan_id(&mut unit.tx, &new.plan).await?;
    partners::take_seat(unit, partner).await?;
    let public_id = format!("{}CL", unit.app().random.alphanumeric(8));
    let (_, data_key) = unit.app().new_data_key(&key_context(&public_id))?;
    let id = insert_with_free_slug(unit, partner, new, plan_id, &public_id, &data_key).await?;
    let scope = WorkspaceScope::owned_by(partner, id);
    meter::open(unit, scope).await?;
    let admin = team::create_primary(unit, scope, &new.admin).await.map_err(clients::under_its_name)?;
    let data = ClientCreatedEvent {
        client_id: id,
        company_name: &new.company_name,
        plan: &new.plan,
        primary_email: &new.admin.email,
    };
    events::record_for_partner(unit, partner, "partner.client.created", id, &data).await?;
    hub::record_created(unit, partner, scope).await?;
    let changes = Changes::of("plan", &new.plan).and("timezone", &new.timezone);
    audit::record(unit, scope, Action::ClientCreated, id, changes).await?;
    let births = unit.app().rooms.of::<Births>().0.read().clone();
    for birth in births {
        birth(unit, scope).await?;
    }
    let invitation = match new.skip_invite {
        true => None,
        false => Some(team::invite(unit, scope, admin).await?),
    };
    Ok(Provisioned { scope, invitation })
}

/// What rooms above give every new workspace, in the transaction that makes it.
pub type Birth = for<'a> fn(&'a mut Unit, WorkspaceScope) -> BoxFuture<'a, Result<()>>;

#[derive(Default)]
struct Births(RwLock<Vec<Birth>>);

/// Registers a gift; done once, at start.
pub fn on_birth(app: &App, birth: Birth) {
    app.rooms.of::<Births>().0.write().push(birth);
}

/// A piece of what rooms above remove of a deleted workspace, after its rows.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub is_first: bool,
    /// How much of it, between 50 and 2,000: as much as stalls nobody.
    pub size: i64,
}

/// Removes a piece; false when nothing is left.
pub type Cleaning = for<'a> fn(&'a mut Unit, Piece) -> BoxFuture<'a, Result<bool>>;

#[derive(Default)]
struct Cleanings(RwLock<Vec<Cleaning>>);

/// Registers what is to be cleaned behind the rows of a deleted workspace, where the database cannot be asked for it; done
/// once, at start.
pub fn on_purge(app: &App, cleaning: Cleaning) {
    app.rooms.of::<Cleanings>().0.write().push(cleaning);
}

/// Makes units take turns that count what a workspace has before they add to it: the count holds until their end. A turn is
/// taken after contacts are held, and before tags are.
pub async fn take_turn(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    Ok(store::take_turn(&mut unit.tx, scope).await?)
}

async fn insert_with_free_slug(
    unit: &mut Unit,
    partner: PartnerScope,
    new: &NewClient,
    plan_id: i64,
    public_id: &str,
    data_key: &str,
) -> Result<i64> {
    for _ in 0..20 {
        let slug = slug::with_suffix(&new.company_name, &*unit.app().random);
        let now = unit.now();
        let row = store::NewWorkspaceRow { public_id, slug: &slug, plan_id, data_key, new, now };
        if let Some(id) = store::insert(&mut unit.tx, partner, &row).await? {
            return Ok(id);
        }
    }
    Err(Error::internal("no free slug was found"))
}

/// Turns a client's id into its workspace, if it is this partner's (rule T2). Everybody else's is not found.
pub async fn of_partner(read: impl Read, partner: PartnerScope, id: i64) -> Result<WorkspaceScope> {
    let found = store::of_partner(read, partner, id).await?;
    found.map(|id| WorkspaceScope::owned_by(partner, id)).ok_or_else(|| not_found(id))
}

/// Of an id that nobody has, or somebody else: the one who asks is told the same, and it is noted that they asked.
fn not_found(id: i64) -> Error {
    Error::no_such("Client").attempted(Asked::Client(id))
}

/// When a suspension was set, for the answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Standing {
    #[schema(example = 101)]
    pub id: i64,
    #[schema(example = "suspended")]
    pub status: String,
    pub suspended_at: Option<Instant>,
}

/// Refuses the workspace's keys and logins from now on; its data stay. Suspending twice keeps the first moment.
pub async fn suspend(unit: &mut Unit, partner: PartnerScope, id: i64, reason: Option<&str>) -> Result<Standing> {
    let scope = of_partner(&mut unit.tx, partner, id).await?;
    let now = unit.now();
    if store::suspend(&mut unit.tx, scope, reason, now).await? {
        partners::give_back_seat(unit, partner).await?;
        nobody_stays(unit, scope).await?;
        standing_changed(unit, partner, scope, "partner.client.suspended").await?;
        // The reason is the partner's own note; its client reads this log.
        audit::record(unit, scope, Action::ClientSuspended, id, Changes::none()).await?;
    }
    Ok(store::standing(&mut unit.tx, scope).await?)
}

/// Restores access. Takes a seat again.
pub async fn reactivate(unit: &mut Unit, partner: PartnerScope, id: i64) -> Result<Standing> {
    let scope = of_partner(&mut unit.tx, partner, id).await?;
    if store::reactivate(&mut unit.tx, scope).await? {
        partners::take_seat(unit, partner).await?;
        // Whoever signed in at the very moment of the suspension comes in anew, too.
        nobody_stays(unit, scope).await?;
        standing_changed(unit, partner, scope, "partner.client.reactivated").await?;
        audit::record(unit, scope, Action::ClientReactivated, id, Changes::none()).await?;
        crate::jobs::wake_workspace(unit, scope).await?;
    }
    Ok(store::standing(&mut unit.tx, scope).await?)
}

/// Ends whatever is open in a workspace, and the links that lead into it.
async fn nobody_stays(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    visits::void_links_to(unit, scope).await?;
    sessions::end_all_in(unit, scope).await
}

async fn standing_changed(
    unit: &mut Unit,
    partner: PartnerScope,
    scope: WorkspaceScope,
    event: &'static str,
) -> Result<()> {
    let now = unit.now();
    store::touch(&mut unit.tx, scope, now).await?;
    let name = store::company_name(&mut unit.tx, scope).await?;
    let standing = store::standing(&mut unit.tx, scope).await?;
    let data = ClientStandingEvent {
        client_id: standing.id,
        company_name: &name,
        status: &standing.status,
        suspended_at: standing.suspended_at,
    };
    events::record_for_partner(unit, partner, event, scope.id(), &data).await?;
    unit.changed();
    Ok(())
}

/// Ends a workspace: it is not found from now on, its keys are dead, its secrets cannot be opened, its e-mails and its
/// seat are free. The rows follow in the background, in small batches.
pub async fn delete(unit: &mut Unit, partner: PartnerScope, id: i64) -> Result<()> {
    let scope = of_partner(&mut unit.tx, partner, id).await?;
    let name = store::company_name(&mut unit.tx, scope).await?;
    // Each step is one conditional statement, so that a suspension at the same moment does not give the seat back twice.
    if store::mark_deleted(&mut unit.tx, scope, "active").await? {
        partners::give_back_seat(unit, partner).await?;
    } else if !store::mark_deleted(&mut unit.tx, scope, "suspended").await?
        && !store::mark_deleted(&mut unit.tx, scope, "pending_setup").await?
    {
        return Err(not_found(id));
    }
    nobody_stays(unit, scope).await?;
    team::remove_all(unit, scope).await?;
    let data = ClientDeletedEvent { client_id: id, company_name: &name };
    events::record_for_partner(unit, partner, "partner.client.deleted", id, &data).await?;
    audit::record(unit, scope, Action::ClientDeleted, id, Changes::none()).await?;
    let lane = LaneKey { kind: Purge::LANE, key: id, workspace: None };
    crate::jobs::enqueue(unit, lane, &[NewJob { subject: id, group: id }]).await?;
    unit.changed();
    Ok(())
}

/// What background work must know of its workspace (rule T8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Active,
    /// Its own or its partner's suspension: work sleeps.
    Suspended,
    /// Deleted: work is dropped.
    Gone,
}

/// How a workspace stands; known for under a second.
pub async fn activity(app: &App, workspace_id: i64) -> Result<Activity> {
    let cache = app.caches.of::<i64, Activity>();
    if let Some(activity) = cache.get(&workspace_id) {
        return Ok(activity);
    }
    let generation = cache.generation();
    let scope = WorkspaceScope::of_background_work(workspace_id);
    let activity = match store::standings(&app.db, scope).await? {
        Some((own, _)) if own == "deleted" => Activity::Gone,
        Some((own, partner)) if own == "active" && partner == "active" => Activity::Active,
        Some(_) => Activity::Suspended,
        None => Activity::Gone,
    };
    cache.put(workspace_id, activity, generation);
    Ok(activity)
}

/// Whether background work may go on now.
pub async fn is_active(app: &App, workspace_id: i64) -> Result<bool> {
    Ok(activity(app, workspace_id).await? == Activity::Active)
}

/// The key that seals this workspace's secrets.
pub async fn data_key(app: &App, scope: WorkspaceScope) -> Result<Arc<DataKey>> {
    let cache = app.caches.of::<WorkspaceScope, Arc<DataKey>>();
    if let Some(key) = cache.get(&scope) {
        return Ok(key);
    }
    let generation = cache.generation();
    let (public_id, sealed) = store::data_key(&app.db, scope).await?.ok_or_else(|| Error::no_such("Workspace"))?;
    let key = Arc::new(app.open_data_key(&key_context(&public_id), &sealed)?);
    cache.put(scope, key.clone(), generation);
    Ok(key)
}

/// Likewise, of a workspace that the unit itself may have made.
pub async fn data_key_within(unit: &mut Unit, scope: WorkspaceScope) -> Result<DataKey> {
    let found = store::data_key(&mut unit.tx, scope).await?;
    let (public_id, sealed) = found.ok_or_else(|| Error::no_such("Workspace"))?;
    unit.app().open_data_key(&key_context(&public_id), &sealed)
}

fn face_of((company_name, brand, colour, logo): store::FaceRow) -> Face {
    Face { company_name, brand, colour: colour.as_deref().and_then(Colour::parse), logo }
}

pub async fn face(read: impl Read, scope: WorkspaceScope) -> Result<Face> {
    store::face(read, scope).await?.map(face_of).ok_or_else(|| Error::no_such("Workspace"))
}

/// The face of a workspace that somebody named by its slug: where people sign in.
pub async fn face_of_slug(read: impl Read, slug: &str) -> Result<Option<Face>> {
    let is_slug = slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let found = if is_slug { store::face_of_slug(read, slug).await? } else { None };
    Ok(found.map(face_of))
}

/// The zone a workspace's local times are written in.
pub async fn timezone(read: impl Read, scope: WorkspaceScope) -> Result<Timezone> {
    Ok(store::timezone(read, scope).await?.unwrap_or_else(Timezone::utc))
}

/// The partner a workspace belongs to, and what the workspace is called, for the partner's events.
pub async fn partner_of(read: impl Read, scope: WorkspaceScope) -> Result<(PartnerScope, String)> {
    let (partner, name) = store::partner_of(read, scope).await?;
    Ok((PartnerScope::of_workspace(partner), name))
}
