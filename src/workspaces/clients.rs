//! A client as its partner sees it: input, rules of change, and the object.

use super::{ClientUpdatedEvent, not_found, of_partner, store};
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::jobs::{LaneKey, NewJob, Steps};
use crate::kernel::error::FieldErrors;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Country, Cursor, Email, Error, Instant, Listing, Page, Phone, Result, Timezone, text};
use crate::team::NewAdmin;
use crate::{events, plans, team};
use serde::Serialize;
use serde_json::Value;
use skylight_db::{Db, Read};
use utoipa::ToSchema;

/// What a partner says of a new client.
#[derive(Debug)]
pub struct NewClient {
    pub company_name: String,
    pub plan: String,
    pub admin: NewAdmin,
    pub timezone: Timezone,
    pub country: Option<Country>,
    /// The first admin is not asked to choose a password.
    pub skip_invite: bool,
}

impl Input for NewClient {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let company_name = fields.at("company_name").required().text(255);
        let plan = fields.at("plan").required().text(64);
        let timezone = fields.at("timezone").timezone();
        let country = fields.at("country_id").country();
        let skip_invite = fields.at("skip_invite").boolean().unwrap_or(false);
        let admin = match fields.at("admin").object() {
            Some(admin) => read_admin(&admin, country),
            None => {
                // Each missing member is named, as callers fill them in one by one.
                if !fields.at("admin").is_given() {
                    let needed = ["admin.first_name", "admin.last_name", "admin.email"];
                    needed.iter().for_each(|name| drop(fields.at(name).required()));
                }
                None
            }
        };
        let timezone = timezone.unwrap_or_else(Timezone::utc);
        Some(Self { company_name: company_name?, plan: plan?, admin: admin?, timezone, country, skip_invite })
    }
}

fn read_admin(admin: &Fields<'_>, country: Option<Country>) -> Option<NewAdmin> {
    let first_name = admin.at("first_name").required().text(255);
    let last_name = admin.at("last_name").required().text(255);
    let email = admin.at("email").required().email();
    let phone = admin.at("phone").phone(country);
    Some(NewAdmin { first_name: first_name?, last_name: last_name?, email: email?, phone })
}

/// Adds the faults that only the database knows to those found in the body's form. A taken e-mail alone is a conflict
/// (409), together with others it is one of them (422) (C3).
pub async fn faults(db: &Db, body: &Value, mut found: FieldErrors) -> Result<()> {
    if let Some(plan) = body.get("plan").and_then(Value::as_str).and_then(text::clean)
        && !found.has("plan")
        && plans::id_of(db, &plan).await?.is_none()
    {
        found.add("plan", "The selected plan is invalid.");
    }
    let email = body.pointer("/admin/email").and_then(Value::as_str).and_then(text::clean);
    if let Some(email) = email.as_deref().and_then(Email::parse)
        && team::is_taken(db, &email).await?
    {
        if found.is_empty() {
            return Err(email_taken());
        }
        found.add("admin.email", EMAIL_TAKEN);
    }
    if found.is_empty() { Ok(()) } else { Err(Error::fields(found)) }
}

const EMAIL_TAKEN: &str = "The email has already been taken.";

fn email_taken() -> Error {
    let mut errors = FieldErrors::default();
    errors.add("admin.email", EMAIL_TAKEN);
    Error::email_taken().with_errors(errors)
}

/// Of racing creations with one e-mail all but one find it taken only at the insert; they are told the same.
pub(super) fn under_its_name(error: Error) -> Error {
    if error.public().code == email_taken().public().code { email_taken() } else { error }
}

pub(super) async fn plan_id(read: impl Read, slug: &str) -> Result<i64> {
    plans::id_of(read, slug).await?.ok_or_else(|| Error::field("plan", "The selected plan is invalid."))
}

/// What a partner changes of a client.
#[derive(Debug, ToSchema)]
pub struct ClientChange {
    #[schema(nullable = false, max_length = 255)]
    pub company_name: Option<String>,
    /// Plan slug. Takes effect at the start of the next month, or at once with `immediate`.
    pub plan: Option<String>,
    pub timezone: Option<Timezone>,
    pub immediate: Option<bool>,
}

impl Input for ClientChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let company_name = fields.at("company_name").not_emptied().text(255);
        let plan = fields.at("plan").text(64);
        let timezone = fields.at("timezone").timezone();
        let immediate = fields.at("immediate").boolean();
        Some(Self { company_name, plan, timezone, immediate })
    }
}

/// A client workspace.
#[derive(Debug, Serialize, ToSchema)]
pub struct Client {
    #[schema(example = 101)]
    pub id: i64,
    #[schema(example = 7)]
    pub partner_id: i64,
    #[schema(example = "Al-Madar Retail")]
    pub company_name: String,
    #[schema(example = "al-madar-retail-4x8z")]
    pub slug: String,
    #[schema(example = "business")]
    pub plan: String,
    /// The plan of the next billing cycle, if it changes.
    pub pending_plan: Option<String>,
    #[schema(example = "active")]
    pub status: String,
    pub primary_user: PrimaryUser,
    pub usage: Usage,
    pub branding_inherited: bool,
    #[schema(example = "https://dashboard.skylightchat.com/login?workspace=al-madar-retail-4x8z")]
    pub dashboard_url: String,
    pub created_at: Instant,
    pub suspended_at: Option<Instant>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PrimaryUser {
    #[schema(example = 202)]
    pub id: i64,
    #[schema(example = "Sara")]
    pub first_name: String,
    #[schema(example = "Hassan")]
    pub last_name: String,
    #[schema(example = "sara@almadar.sa")]
    pub email: String,
    pub phone: Option<Phone>,
}

/// A client just provisioned.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvisionedClient {
    #[serde(flatten)]
    pub client: Client,
    /// Where the first admin chooses a password, if no mail carries it there. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://dashboard.skylightchat.com/invite?token=inv_…")]
    pub invitation_url: Option<String>,
}

/// Live counters of the running billing period.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    #[schema(example = 3820)]
    pub contacts: i64,
    #[schema(example = 9400)]
    pub messages_this_month: i64,
    #[schema(example = 5)]
    pub team_members: i64,
}

/// Which clients a partner asks for.
#[derive(Debug)]
pub struct ClientFilter {
    pub page: Page,
    pub status: Option<&'static str>,
    pub search: Option<String>,
    pub plan: Option<String>,
}

impl Input for ClientFilter {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let words = [("active", "active"), ("suspended", "suspended"), ("pending_setup", "pending_setup")];
        Some(Self {
            page: Page::read(fields, 15, 100),
            status: fields.at("status").one_of(&words),
            search: fields.at("search").text(255),
            plan: fields.at("plan").text(64),
        })
    }
}

pub async fn clients(
    db: &Db,
    partner: PartnerScope,
    filter: ClientFilter,
    now: Instant,
    link: impl Fn(&str) -> String,
) -> Result<Listing<Client>> {
    let found = store::Filter {
        status: filter.status,
        plan: filter.plan.as_deref(),
        search: filter.search.as_deref().map(text::fold),
        month: now.month(),
    };
    let rows = store::page(db, partner, &found, filter.page).await?;
    let total = async { Ok(store::count(db, partner, &found).await?) };
    let part = Listing::of(filter.page, rows, |row| Cursor::id(row.id), total).await?;
    Ok(part.map(|row| row.client(&link)))
}

pub async fn client(
    read: impl Read,
    partner: PartnerScope,
    id: i64,
    now: Instant,
    link: impl Fn(&str) -> String,
) -> Result<Client> {
    let row = store::find(read, partner, id, now.month()).await?.ok_or_else(|| not_found(id))?;
    Ok(row.client(&link))
}

/// Changes what was given. A plan change waits for the next billing cycle unless it is immediate.
pub async fn update(unit: &mut Unit, partner: PartnerScope, id: i64, change: ClientChange) -> Result<()> {
    let scope = of_partner(&mut unit.tx, partner, id).await?;
    let plan = match &change.plan {
        Some(slug) => Some(plan_id(&mut unit.tx, slug).await?),
        None => None,
    };
    let details = store::Details {
        company_name: change.company_name.as_deref(),
        timezone: change.timezone.as_ref(),
        ..store::Details::default()
    };
    let details = store::update(&mut unit.tx, scope, &details).await?;
    let plan = match plan {
        Some(plan) if change.immediate == Some(true) => store::set_plan(&mut unit.tx, scope, plan).await?,
        Some(plan) => wait_for_plan(unit, scope, plan).await?,
        None => false,
    };
    if details {
        let changes = Changes::none().and_if_given("company_name", change.company_name.as_ref());
        let changes = changes.and_if_given("timezone", change.timezone.as_ref());
        audit::record(unit, scope, Action::ClientUpdated, id, changes).await?;
    }
    if plan {
        let at_once = change.immediate == Some(true);
        let action = if at_once { Action::ClientPlanChanged } else { Action::ClientPlanScheduled };
        audit::record(unit, scope, action, id, Changes::none().and_if_given("plan", change.plan.as_ref())).await?;
    }
    // Saying what is so already is no change, and nobody is told of one.
    if details || plan {
        record_updated(unit, partner, id).await?;
    }
    Ok(())
}

/// Keeps a plan change for the start of the next month.
async fn wait_for_plan(unit: &mut Unit, scope: WorkspaceScope, plan: i64) -> Result<bool> {
    let changed = store::set_pending_plan(&mut unit.tx, scope, plan).await?;
    if changed {
        let lane = LaneKey { kind: super::PlanChange::NAME, key: scope.id(), workspace: Some(scope) };
        let due = unit.now().month().next().start();
        let job = NewJob { subject: scope.id(), group: scope.id() };
        crate::jobs::enqueue_at(unit, lane, &[job], due).await?;
    }
    Ok(changed)
}

/// Tells the partner's listeners what a client is now; answers it.
pub(super) async fn record_updated(unit: &mut Unit, partner: PartnerScope, id: i64) -> Result<Client> {
    let now = unit.now();
    let client = client(&mut unit.tx, partner, id, now, |_| String::new()).await?;
    let scope = of_partner(&mut unit.tx, partner, id).await?;
    store::touch(&mut unit.tx, scope, now).await?;
    let timezone = store::timezone(&mut unit.tx, scope).await?;
    let data = ClientUpdatedEvent {
        client_id: id,
        company_name: &client.company_name,
        plan: &client.plan,
        pending_plan: client.pending_plan.as_deref(),
        timezone,
    };
    events::record_for_partner(unit, partner, "partner.client.updated", id, &data).await?;
    unit.changed();
    Ok(client)
}
