//! Plans are data: four limits and seven features. What a workspace has used of them stands in its meter.
//! Tables: `plan`, `meter`, `meter_month`.

pub mod api;
pub mod meter;
mod store;

use crate::kernel::Result;
use serde::Serialize;
use skylight_db::Read;
use utoipa::ToSchema;

/// A plan as the partner API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Plan {
    #[schema(example = 3)]
    pub id: i64,
    #[schema(example = "Pro")]
    pub name: String,
    #[schema(example = "pro")]
    pub slug: String,
    pub limits: Limits,
    pub features: Features,
}

/// -1 is unlimited.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Limits {
    #[schema(example = 5000)]
    pub contacts: i64,
    #[schema(example = 25000)]
    pub messages_per_month: i64,
    #[schema(example = 10)]
    pub team_members: i64,
    #[schema(example = 3)]
    pub channels: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Features {
    pub webhooks: bool,
    pub api_access: bool,
    pub booking: bool,
    pub ai_agents: bool,
    pub campaigns: bool,
}

/// Every plan, in the order of the price list.
pub async fn all(read: impl Read) -> Result<Vec<Plan>> {
    Ok(store::all(read).await?.into_iter().map(Plan::from).collect())
}

/// The id behind a slug.
pub async fn id_of(read: impl Read, slug: &str) -> Result<Option<i64>> {
    Ok(store::id_of(read, slug).await?)
}

impl From<store::PlanRow> for Plan {
    fn from(row: store::PlanRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            slug: row.slug,
            limits: Limits {
                contacts: row.contacts,
                messages_per_month: row.messages_per_month,
                team_members: row.team_members,
                channels: row.channels,
            },
            features: Features {
                webhooks: row.webhooks,
                api_access: row.api_access,
                booking: row.booking,
                ai_agents: row.ai_agents,
                campaigns: row.campaigns,
            },
        }
    }
}
