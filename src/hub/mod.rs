//! The second partner API (`/api/v2`): the same partners and clients as `/api/v1/partner`, under other ids and in other
//! words. It holds nothing of its own; rules stand with the rooms they are about.

pub mod api;
mod list;
mod token;

pub use list::{ClientList, ClientQuery};

use crate::app::{App, Unit};
use crate::auth::PartnerScope;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::seal::DataKey;
use crate::kernel::{Email, Error, Result};
use crate::partners::hub::HubChange;
use crate::team::NewAdmin;
use crate::webhooks::hub::HubEndpoint;
use crate::workspaces::NewClient;
use crate::{partners, webhooks};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A partner. Attributes that the documentation calls deprecated or internal have neutral values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HubPartner)]
pub struct Partner {
    #[schema(example = "kQ7mZ2xwPA")]
    pub id: String,
    #[schema(example = "Rawabi Digital")]
    pub brand_name: String,
    #[schema(example = false)]
    pub payment_required: bool,
    #[schema(required, example = "https://dashboard.skylightchat.com/storage/logos/9f2c…e1.png")]
    pub logo_url: Option<String>,
    #[schema(example = false)]
    pub onboarding_deeplink_add_params: bool,
    /// Where partner events go; left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://yourwebsite.example/webhook")]
    pub webhook_url: Option<String>,
    /// Left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://yourwebsite.example/redirect")]
    pub partner_redirect_url: Option<String>,
    /// ISO 3166-1 alpha-2; left out when nobody said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "SA")]
    pub country: Option<String>,
    #[schema(example = false)]
    pub blocked_new_submission: bool,
    pub allow_client_to_add_phone_no: bool,
    #[schema(example = json!({}))]
    pub settings: Map<String, Value>,
    #[schema(example = "internal")]
    pub billing_system: &'static str,
    pub publishable_key: Option<String>,
}

/// The partner as it is now.
pub async fn partner(app: &App, scope: PartnerScope) -> Result<Partner> {
    let known = partners::hub::get(&app.db, scope).await?;
    let webhook_url = webhooks::hub::url(&app.db, scope).await?;
    Ok(Partner::of(app, known, webhook_url))
}

/// Likewise, with what the unit has just changed.
pub async fn partner_within(unit: &mut Unit, scope: PartnerScope) -> Result<Partner> {
    let known = partners::hub::get(&mut unit.tx, scope).await?;
    let webhook_url = webhooks::hub::url(&mut unit.tx, scope).await?;
    Ok(Partner::of(unit.app(), known, webhook_url))
}

impl Partner {
    fn of(app: &App, known: partners::hub::HubPartner, webhook_url: Option<String>) -> Self {
        Self {
            id: known.public_id,
            brand_name: known.company_name,
            payment_required: false,
            logo_url: partners::brand::address(app, known.logo_url),
            onboarding_deeplink_add_params: false,
            webhook_url,
            partner_redirect_url: known.redirect_url,
            country: known.country,
            blocked_new_submission: false,
            allow_client_to_add_phone_no: known.allow_client_to_add_phone_no,
            settings: Map::new(),
            billing_system: "internal",
            publishable_key: None,
        }
    }
}

/// What a partner changes of itself.
#[derive(Debug)]
pub struct PartnerChange {
    endpoint: HubEndpoint,
    partner: HubChange,
}

impl PartnerChange {
    pub fn read(fields: &Fields<'_>, app: &App) -> Option<Self> {
        let endpoint = HubEndpoint::read(fields, app, false);
        let redirect_url = optional(fields, "partner_redirect_url", |text| {
            let url =
                url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
            url.map(String::from).filter(|url| url.len() <= LONGEST_URL)
        });
        let allow_client_to_add_phone_no = fields.at("allow_client_to_add_phone_no").not_emptied().boolean();
        Some(Self { endpoint, partner: HubChange { redirect_url, allow_client_to_add_phone_no } })
    }
}

const LONGEST_URL: usize = 2048;

/// An address that may be removed by an empty text or null.
fn optional(fields: &Fields<'_>, name: &str, parse: impl Fn(&str) -> Option<String>) -> Option<Option<String>> {
    let field = fields.at(name);
    if !field.is_given() {
        return field.is_present().then_some(None);
    }
    let text = field.text(LONGEST_URL)?;
    parse(&text).or_else(|| field.wrong("must be a valid URL")).map(Some)
}

/// Changes what was given. `key` is the partner's data key.
pub async fn update(unit: &mut Unit, scope: PartnerScope, key: &DataKey, change: &PartnerChange) -> Result<Partner> {
    webhooks::hub::set(unit, scope, key, &change.endpoint).await?;
    partners::hub::update(unit, scope, &change.partner).await?;
    partner_within(unit, scope).await
}

/// A client as the self-hosted onboarding makes it, on the partner's default plan.
#[derive(Debug)]
pub struct SharedAccount {
    name: String,
    email: Email,
    user_name: Option<String>,
}

impl Input for SharedAccount {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").required().text(255);
        let email = fields.at("email").required().email();
        let user_name = fields.at("user_name").text(255);
        Some(Self { name: name?, email: email?, user_name })
    }
}

impl SharedAccount {
    /// The same client as `/api/v1/partner/clients` makes it. Who gives one name has one.
    pub fn on_plan(self, plan: String) -> NewClient {
        let called = self.user_name.unwrap_or_else(|| self.name.clone());
        let (first, last) = called.split_once(' ').unwrap_or((&called, ""));
        let (first_name, last_name) = (first.to_owned(), last.trim().to_owned());
        let admin = NewAdmin { first_name, last_name, email: self.email, phone: None };
        NewClient {
            company_name: self.name,
            plan,
            admin,
            timezone: crate::kernel::Timezone::utc(),
            country: None,
            skip_invite: false,
        }
    }
}

/// Under the name that the field has here.
fn under_its_name(error: Error) -> Error {
    if error.public().code == "email_taken" {
        return Error::field("email", "The email has already been taken.");
    }
    error
}
