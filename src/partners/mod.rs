//! Resellers and agencies: their account, their seats. Made and managed by the operator; what they do with it is the
//! partner API. Table: `partner`.

pub mod api;
mod colour;
pub mod pages;
pub mod people;
mod store;

pub use colour::Colour;

use crate::app::{App, Unit};
use crate::auth::{PartnerScope, sessions};
use crate::kernel::{Email, Error, Instant, Result, slug};
use crate::workspaces::visits;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use serde::Serialize;
use skylight_db::Read;
use utoipa::ToSchema;

/// What a partner may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartnerPlan {
    Agency,
    Enterprise,
}

impl PartnerPlan {
    pub const WORDS: &[(&str, Self)] = &[("agency", Self::Agency), ("enterprise", Self::Enterprise)];

    pub fn word(self) -> &'static str {
        match self {
            Self::Agency => "agency",
            Self::Enterprise => "enterprise",
        }
    }

    pub fn seats(self) -> i64 {
        match self {
            Self::Agency => 50,
            Self::Enterprise => 500,
        }
    }
}

/// A partner as its own profile shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Partner {
    #[schema(example = 7)]
    pub id: i64,
    #[schema(example = "Rawabi Digital")]
    pub company_name: String,
    #[schema(example = "rawabi-digital")]
    pub slug: String,
    #[schema(example = "api@rawabidigital.sa")]
    pub email: String,
    #[schema(example = "agency")]
    pub plan: String,
    #[schema(example = "active")]
    pub status: String,
    pub client_seats: Seats,
    pub branding: Branding,
    pub created_at: Instant,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Seats {
    /// Active client workspaces.
    #[schema(example = 14)]
    pub used: i64,
    #[schema(example = 50)]
    pub max: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Branding {
    #[schema(example = "https://dashboard.skylightchat.com/storage/partners/7/logo.png")]
    pub logo_url: Option<String>,
    #[schema(example = "#1a73e8")]
    pub primary_color: Option<String>,
    #[schema(example = "chat.rawabidigital.sa")]
    pub custom_domain: Option<String>,
}

/// A partner just made.
#[derive(Debug)]
pub struct NewPartner {
    pub scope: PartnerScope,
    /// Its id in the second partner API.
    pub public_id: String,
}

/// Makes a partner with what the rooms above give it (see [`on_birth`]). Only the operator does.
pub async fn create(unit: &mut Unit, company_name: &str, email: &Email, plan: PartnerPlan) -> Result<NewPartner> {
    let public_id = format!("{}PA", unit.app().random.alphanumeric(8));
    let base = slug::words(company_name, "partner");
    let now = unit.now();
    for attempt in 1..=20 {
        let slug = if attempt == 1 { base.clone() } else { slug::with_suffix(company_name, &*unit.app().random) };
        let id = store::insert(&mut unit.tx, &public_id, company_name, &slug, email, plan, now).await?;
        if let Some(id) = id {
            let scope = PartnerScope::named_by_operator(id);
            let births = unit.app().rooms.of::<Births>().0.read().clone();
            for birth in births {
                birth(unit, scope).await?;
            }
            return Ok(NewPartner { scope, public_id });
        }
    }
    Err(Error::internal("no free slug was found"))
}

/// What rooms above give every new partner, in the transaction that makes it.
pub type Birth = for<'a> fn(&'a mut Unit, PartnerScope) -> BoxFuture<'a, Result<()>>;

#[derive(Default)]
struct Births(RwLock<Vec<Birth>>);

/// Registers a gift; done once, at start.
pub fn on_birth(app: &App, birth: Birth) {
    app.rooms.of::<Births>().0.write().push(birth);
}

/// Whether there is any partner yet.
pub async fn any(read: impl Read) -> Result<bool> {
    Ok(store::any(read).await?)
}

pub async fn profile(read: impl Read, scope: PartnerScope) -> Result<Partner> {
    let row = store::find(read, scope).await?.ok_or_else(|| Error::no_such("Partner"))?;
    Ok(row.into())
}

/// Takes a seat for a client that becomes active; one conditional statement decides the race for the last one.
pub async fn take_seat(unit: &mut Unit, scope: PartnerScope) -> Result<()> {
    if store::take_seat(&mut unit.tx, scope).await? { Ok(()) } else { Err(Error::seat_limit_reached()) }
}

pub async fn give_back_seat(unit: &mut Unit, scope: PartnerScope) -> Result<()> {
    Ok(store::give_back_seat(&mut unit.tx, scope).await?)
}

/// Suspends or reactivates a partner: its keys, and those of its clients, are refused within a second; who is signed in
/// is not any more.
pub async fn set_active(unit: &mut Unit, scope: PartnerScope, active: bool) -> Result<()> {
    let status = if active { "active" } else { "suspended" };
    found(store::set_status(&mut unit.tx, scope, status).await?)?;
    visits::void_links_of(unit, scope).await?;
    sessions::end_all_of(unit, scope).await
}

/// Changes what the operator may change.
pub async fn set(unit: &mut Unit, scope: PartnerScope, seats: Option<i64>, plan: Option<PartnerPlan>) -> Result<()> {
    let seats = seats.or(plan.map(PartnerPlan::seats));
    found(store::set(&mut unit.tx, scope, seats, plan.map(PartnerPlan::word)).await?)?;
    unit.changed();
    Ok(())
}

fn found(changed: bool) -> Result<()> {
    if changed { Ok(()) } else { Err(Error::no_such("Partner")) }
}

impl From<store::PartnerRow> for Partner {
    fn from(row: store::PartnerRow) -> Self {
        Self {
            id: row.id,
            company_name: row.company_name,
            slug: row.slug,
            email: row.email,
            plan: row.plan,
            status: row.status,
            client_seats: Seats { used: row.seats_used, max: row.seats_max },
            branding: Branding {
                logo_url: row.logo_url,
                primary_color: row.primary_color,
                custom_domain: row.custom_domain,
            },
            created_at: row.created_at,
        }
    }
}
