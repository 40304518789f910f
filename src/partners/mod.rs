//! Resellers and agencies: their account, their seats. Made and managed by the operator; what they do with it is the
//! partner API. Table: `partner`.

pub mod api;
pub mod brand;
mod colour;
pub mod hub;
pub mod pages;
pub mod people;
mod store;

pub use colour::Colour;

use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, sessions};
use crate::kernel::seal::DataKey;
use crate::kernel::{Country, Email, Error, Instant, Result, slug};
use crate::plans;
use crate::workspaces::visits;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use serde::Serialize;
use skylight_db::Read;
use std::sync::Arc;
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
    #[schema(example = "https://dashboard.skylightchat.com/storage/logos/9f2c…e1.png")]
    pub logo_url: Option<String>,
    #[schema(example = "#1a73e8")]
    pub primary_color: Option<String>,
    #[schema(example = "chat.rawabidigital.sa")]
    pub custom_domain: Option<String>,
}

impl Partner {
    /// With the logo's whole address.
    pub fn shown_by(mut self, app: &App) -> Self {
        self.branding.logo_url = brand::address(app, self.branding.logo_url);
        self
    }

    /// As its own people see it.
    pub fn face(self) -> Face {
        let Branding { logo_url, primary_color, .. } = self.branding;
        let colour = primary_color.as_deref().and_then(Colour::parse);
        Face { brand: self.company_name.clone(), company_name: self.company_name, colour, logo: logo_url }
    }
}

/// Whose name and colours people see: the brand is a partner's.
#[derive(Debug)]
pub struct Face {
    /// Of the partner, or of its client.
    pub company_name: String,
    pub brand: String,
    pub colour: Option<Colour>,
    /// The path of the logo.
    pub logo: Option<String>,
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
            audit::record_for_partner(unit, scope, Action::PartnerCreated, id, Changes::of("plan", plan.word()))
                .await?;
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
    let row = store::find(read, scope).await?.ok_or_else(no_such)?;
    Ok(row.into())
}

/// Takes a seat for a client that becomes active; one conditional statement decides the race for the last one.
pub async fn take_seat(unit: &mut Unit, scope: PartnerScope) -> Result<()> {
    if store::take_seat(&mut unit.tx, scope).await? { Ok(()) } else { Err(Error::seat_limit_reached()) }
}

pub async fn give_back_seat(unit: &mut Unit, scope: PartnerScope) -> Result<()> {
    Ok(store::give_back_seat(&mut unit.tx, scope).await?)
}

/// The key that seals this partner's own secrets: made when the first of them is, and the same ever after.
pub async fn data_key(app: &App, scope: PartnerScope) -> Result<Arc<DataKey>> {
    let cache = app.caches.of::<PartnerScope, Arc<DataKey>>();
    if let Some(key) = cache.get(&scope) {
        return Ok(key);
    }
    let generation = cache.generation();
    let (public_id, stored) = store::data_key(&app.db, scope).await?.ok_or_else(no_such)?;
    let context = format!("partner.data_key:{public_id}");
    let sealed = match stored {
        Some(sealed) => sealed,
        None => make_data_key(app, scope, &context).await?,
    };
    let key = Arc::new(app.open_data_key(&context, &sealed)?);
    cache.put(scope, key.clone(), generation);
    Ok(key)
}

/// Of several who make it at once, the first one's is everybody's.
async fn make_data_key(app: &App, scope: PartnerScope, context: &str) -> Result<String> {
    let (_, sealed) = app.new_data_key(context)?;
    let mut unit = app.begin().await?;
    let sealed = store::set_data_key(&mut unit.tx, scope, &sealed).await?;
    unit.commit().await?;
    sealed.ok_or_else(no_such)
}

/// Whether a partner's background work may go on now; known for under a second.
pub async fn is_active(app: &App, scope: PartnerScope) -> Result<bool> {
    let cache = app.caches.of::<PartnerScope, Standing>();
    if let Some(Standing(active)) = cache.get(&scope) {
        return Ok(active);
    }
    let generation = cache.generation();
    let active = store::status(&app.db, scope).await?.is_some_and(|status| status == "active");
    cache.put(scope, Standing(active), generation);
    Ok(active)
}

#[derive(Clone, Copy)]
struct Standing(bool);

/// Suspends or reactivates a partner: its keys, and those of its clients, are refused within a second; who is signed in
/// is not any more.
pub async fn set_active(unit: &mut Unit, scope: PartnerScope, active: bool) -> Result<()> {
    let status = if active { "active" } else { "suspended" };
    found(store::set_status(&mut unit.tx, scope, status).await?)?;
    let action = if active { Action::PartnerReactivated } else { Action::PartnerSuspended };
    audit::record_for_partner(unit, scope, action, scope.id(), Changes::none()).await?;
    visits::void_links_of(unit, scope).await?;
    sessions::end_all_of(unit, scope).await
}

/// Changes what the operator may change.
pub async fn set(unit: &mut Unit, scope: PartnerScope, seats: Option<i64>, plan: Option<PartnerPlan>) -> Result<()> {
    let seats = seats.or(plan.map(PartnerPlan::seats));
    let plan = plan.map(PartnerPlan::word);
    found(store::set(&mut unit.tx, scope, seats, plan).await?)?;
    let changes = Changes::none().and_if_given("seats", seats).and_if_given("plan", plan);
    audit::record_for_partner(unit, scope, Action::PartnerUpdated, scope.id(), changes).await?;
    unit.changed();
    Ok(())
}

/// Says where a partner is, and which plan its clients get that are made without one.
pub async fn set_defaults(
    unit: &mut Unit,
    scope: PartnerScope,
    country: Option<Country>,
    client_plan: Option<&str>,
) -> Result<()> {
    let plan = match client_plan {
        Some(slug) => {
            let found = plans::id_of(&mut unit.tx, slug).await?;
            Some(found.ok_or_else(|| Error::field("plan", "The selected plan is invalid."))?)
        }
        None => None,
    };
    found(store::set_defaults(&mut unit.tx, scope, country.map(Country::code), plan).await?)?;
    let changes =
        Changes::none().and_if_given("country", country.map(Country::code)).and_if_given("client_plan", client_plan);
    audit::record_for_partner(unit, scope, Action::PartnerUpdated, scope.id(), changes).await
}

fn found(changed: bool) -> Result<()> {
    if changed { Ok(()) } else { Err(no_such()) }
}

fn no_such() -> Error {
    Error::no_such("Partner")
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
