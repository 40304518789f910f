//! What a partner's listeners are told of its clients.

use crate::kernel::{Email, Instant, Timezone};
use serde::Serialize;
use utoipa::ToSchema;

/// What `partner.client.created` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientCreatedEvent<'a> {
    #[schema(example = 115)]
    pub client_id: i64,
    #[schema(example = "Gulf Logistics")]
    pub company_name: &'a str,
    #[schema(example = "pro")]
    pub plan: &'a str,
    #[schema(value_type = Email, example = "khalid@gulflogistics.sa")]
    pub primary_email: &'a Email,
}

/// What `partner.client.updated` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientUpdatedEvent<'a> {
    #[schema(example = 115)]
    pub client_id: i64,
    #[schema(example = "Gulf Logistics")]
    pub company_name: &'a str,
    #[schema(example = "pro")]
    pub plan: &'a str,
    /// The plan that begins with the next month.
    #[schema(example = "business")]
    pub pending_plan: Option<&'a str>,
    pub timezone: Option<Timezone>,
}

/// What `partner.client.suspended` and `partner.client.reactivated` say.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientStandingEvent<'a> {
    #[schema(example = 115)]
    pub client_id: i64,
    #[schema(example = "Gulf Logistics")]
    pub company_name: &'a str,
    /// `active` or `suspended`.
    #[schema(example = "active")]
    pub status: &'a str,
    #[schema(example = json!(null))]
    pub suspended_at: Option<Instant>,
}

/// What `partner.client.deleted` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientDeletedEvent<'a> {
    #[schema(example = 115)]
    pub client_id: i64,
    #[schema(example = "Gulf Logistics")]
    pub company_name: &'a str,
}
