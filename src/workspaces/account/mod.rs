//! A workspace as its own key holder sees it: profile, what may be changed of it, and the subscription.

pub mod api;

use super::clients::{self, PrimaryUser};
use super::store;
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Country, Error, Instant, Result, Timezone};
use serde::Serialize;
use skylight_db::Read;
use utoipa::ToSchema;

/// A workspace's own profile. Its keys are never in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    #[schema(example = 12)]
    pub id: i64,
    #[schema(example = "Nakheel Trading")]
    pub company_name: String,
    #[schema(example = "nakheel-trading-4x8z")]
    pub slug: String,
    #[schema(example = "طريق الملك عبدالله، الرياض")]
    pub address: Option<String>,
    pub timezone: Timezone,
    pub country: Option<Country>,
    pub primary_user: PrimaryUser,
    /// 1 is active.
    #[schema(example = 1)]
    pub status: i64,
    /// In the workspace's own time zone, with its offset.
    #[schema(example = "2025-06-01T10:00:00+03:00")]
    pub created_at: String,
}

/// What a workspace changes of itself.
#[derive(Debug, ToSchema)]
pub struct AccountChange {
    #[schema(max_length = 255, example = "Nakheel Trading International", nullable = false)]
    pub company_name: Option<String>,
    /// `null` removes it.
    #[schema(value_type = Option<String>, max_length = 255)]
    pub address: Option<Option<String>>,
    #[schema(nullable = false)]
    pub timezone: Option<Timezone>,
    /// From the list of countries; `null` removes it.
    #[schema(value_type = Option<i64>, example = 194)]
    pub country_id: Option<Option<Country>>,
}

impl Input for AccountChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let company_name = fields.at("company_name").not_emptied().text(255);
        let address = fields.at("address");
        let address = address.is_present().then(|| address.text(255));
        let timezone = fields.at("timezone").not_emptied().timezone();
        let country = fields.at("country_id");
        let country_id = country.is_present().then(|| country.country());
        Some(Self { company_name, address, timezone, country_id })
    }
}

/// What a workspace's plan gives, and how much of it is used.
#[derive(Debug, Serialize, ToSchema)]
pub struct Subscription {
    pub plan: PlanName,
    #[schema(example = "active")]
    pub status: String,
    /// The end of the running billing cycle, which is the calendar month in UTC.
    pub expires_at: Instant,
    pub limits: SubscriptionLimits,
    pub features: SubscriptionFeatures,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PlanName {
    #[schema(example = 4)]
    pub id: i64,
    #[schema(example = "Business")]
    pub name: String,
    #[schema(example = "business")]
    pub slug: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionLimits {
    pub contacts: Limit,
    pub team_members: Limit,
    pub messages_per_month: Limit,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionLimit)]
pub struct Limit {
    /// -1 is unlimited.
    #[schema(example = 10000)]
    pub max: i64,
    #[schema(example = 4238)]
    pub used: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionFeatures {
    pub webhooks: bool,
    pub api_access: bool,
    pub booking: bool,
    pub omni_channel: bool,
    pub advanced_analytics: bool,
}

pub async fn get(read: impl Read, scope: WorkspaceScope) -> Result<Account> {
    Ok(store::account(read, scope).await?.ok_or_else(no_such)?.into())
}

/// Changes what was given; the partner is told if anything is different from before.
pub async fn update(unit: &mut Unit, scope: WorkspaceScope, change: AccountChange) -> Result<()> {
    let details = store::Details {
        company_name: change.company_name.as_deref(),
        timezone: change.timezone.as_ref(),
        address: change.address.as_ref().map(Option::as_deref),
        country: change.country_id.map(|country| country.map(Country::id)),
    };
    if !store::update(&mut unit.tx, scope, &details).await? {
        return Ok(());
    }
    let changes = Changes::none()
        .and_if_given("company_name", details.company_name)
        .and_if_given("timezone", details.timezone)
        .and_if_given("address", details.address)
        .and_if_given("country_id", details.country);
    audit::record(unit, scope, Action::AccountUpdated, scope.id(), changes).await?;
    let (partner, _) = store::partner_of(&mut unit.tx, scope).await?;
    clients::record_updated(unit, PartnerScope::of_workspace(partner), scope.id()).await.map(|_| ())
}

/// One look at the plan and the meters: nothing is counted for it.
pub async fn subscription(read: impl Read, scope: WorkspaceScope, now: Instant) -> Result<Subscription> {
    let month = now.month();
    let row = store::subscription(read, scope, month).await?.ok_or_else(no_such)?;
    Ok(row.subscription(month.next().start()))
}

/// A workspace's plan and meters as its home shows them.
#[derive(Debug)]
pub struct Figures {
    pub plan: String,
    pub contacts: Limit,
    pub messages: Limit,
    pub team_members: Limit,
    pub channels: Limit,
}

pub async fn figures(read: impl Read, scope: WorkspaceScope, now: Instant) -> Result<Figures> {
    Ok(store::subscription(read, scope, now.month()).await?.ok_or_else(no_such)?.figures())
}

fn no_such() -> Error {
    Error::no_such("Account")
}

impl From<store::AccountRow> for Account {
    fn from(row: store::AccountRow) -> Self {
        let created_at = row.created_at.to_local(&row.timezone);
        Self {
            id: row.id,
            company_name: row.company_name,
            slug: row.slug,
            address: row.address,
            timezone: row.timezone,
            country: row.country_id.and_then(Country::find),
            primary_user: PrimaryUser {
                id: row.user_id,
                first_name: row.first_name,
                last_name: row.last_name,
                email: row.email,
                phone: row.phone,
            },
            status: i64::from(row.status == "active"),
            created_at,
        }
    }
}

impl store::SubscriptionRow {
    fn figures(self) -> Figures {
        Figures {
            plan: self.plan_name,
            contacts: Limit { max: self.contacts_max, used: self.contacts },
            messages: Limit { max: self.messages_max, used: self.messages },
            team_members: Limit { max: self.team_members_max, used: self.team_members },
            channels: Limit { max: self.channels_max, used: self.channels },
        }
    }

    fn subscription(self, expires_at: Instant) -> Subscription {
        Subscription {
            plan: PlanName { id: self.plan_id, name: self.plan_name, slug: self.plan_slug },
            status: self.status,
            expires_at,
            limits: SubscriptionLimits {
                contacts: Limit { max: self.contacts_max, used: self.contacts },
                team_members: Limit { max: self.team_members_max, used: self.team_members },
                messages_per_month: Limit { max: self.messages_max, used: self.messages },
            },
            features: SubscriptionFeatures {
                webhooks: self.webhooks,
                api_access: self.api_access,
                booking: self.booking,
                omni_channel: self.omni_channel,
                advanced_analytics: self.advanced_analytics,
            },
        }
    }
}
