//! A client as the second partner API shows it: the same workspace under its other id.

use super::store;
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::events;
use crate::kernel::error::Asked;
use crate::kernel::{Country, Error, Instant, Phone, Result, Timezone};
use serde::Serialize;
use serde_json::Value;
use skylight_db::{Db, Read};
use std::cmp::Ordering;
use utoipa::ToSchema;

/// A client of a partner.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HubClient)]
pub struct Client {
    #[schema(example = "vB4tR9xwCL")]
    pub id: String,
    #[schema(example = "Dune Bakery")]
    pub name: String,
    /// `active`, or `inactive` while it is suspended.
    #[schema(example = "active")]
    pub status: &'static str,
    #[schema(example = "Dune Bakery")]
    pub organisation: String,
    pub contact_info: ContactInfo,
    pub contact_user: ContactUser,
    pub meta_info: MetaInfo,
    /// What the partner keeps with it.
    #[schema(example = "crm:4711")]
    pub partner_payload: String,
    /// How many numbers it may have.
    #[schema(example = 3)]
    pub max_channels: i64,
    #[schema(example = "2026-02-03T10:15:00Z")]
    pub created_at: String,
    #[schema(example = "2026-02-03T10:15:00Z")]
    pub modified_at: String,
    pub created_by: Author,
    pub modified_by: Author,
    #[schema(example = false)]
    pub suspicious: bool,
}

/// Texts that nobody said are empty.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HubContactInfo)]
pub struct ContactInfo {
    #[schema(example = "")]
    pub webpage_url: &'static str,
    /// Without a plus.
    #[schema(example = "971500000001")]
    pub phone: String,
    #[schema(example = "")]
    pub language: &'static str,
    #[schema(example = "AE")]
    pub country: &'static str,
    #[schema(example = "")]
    pub street_name: String,
    #[schema(example = "")]
    pub city: &'static str,
    #[schema(example = "owner@dune.example")]
    pub email: String,
    #[schema(example = "Lina Aziz")]
    pub full_name: String,
    #[schema(example = "")]
    pub zip_code: &'static str,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HubContactUser)]
pub struct ContactUser {
    #[schema(example = "Lina Aziz")]
    pub name: String,
    #[schema(example = "owner@dune.example")]
    pub email: String,
    #[schema(example = "971500000001")]
    pub phone: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HubMetaInfo)]
pub struct MetaInfo {
    #[schema(example = "")]
    pub business_vertical: &'static str,
    #[schema(example = "Asia/Dubai")]
    pub timezone: Timezone,
    #[schema(example = "")]
    pub about: &'static str,
    #[schema(example = "")]
    pub business_description: &'static str,
    #[schema(example = "")]
    pub use_case: &'static str,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HubAuthor)]
pub struct Author {
    #[schema(example = "system")]
    pub user_id: &'static str,
    #[schema(example = "system")]
    pub user_name: &'static str,
}

const SYSTEM: Author = Author { user_id: "system", user_name: "system" };

/// Keys that a list can be filtered by: the documented ones, with dots for what is inside.
pub const FILTERS: &[&str] = &[
    "id",
    "name",
    "status",
    "organisation",
    "meta_info.business_vertical",
    "meta_info.timezone",
    "meta_info.about",
    "meta_info.business_description",
    "meta_info.use_case",
    "contact_info.webpage_url",
    "contact_info.phone",
    "contact_info.language",
    "contact_info.country",
    "contact_info.street_name",
    "contact_info.city",
    "contact_info.email",
    "contact_info.zip_code",
    "contact_user.phone",
    "contact_user.email",
    "contact_user.name",
];

/// Keys that a list can be sorted by.
pub const SORTS: &[&str] = &["created_at", "modified_at", "id", "name", "organisation", "status", "max_channels"];

/// Which clients are asked for, in which order.
#[derive(Debug)]
pub struct Wanted {
    /// Each key with the values of which one must match; null matches what is not said.
    pub filters: Vec<(&'static str, Vec<Value>)>,
    /// Keys, and whether each is descending.
    pub sort: Vec<(&'static str, bool)>,
    pub limit: i64,
    pub offset: i64,
}

/// One part of the list, and how many there are in all. What can be is cut out by the database; other orders and filters
/// are few words about the hundreds of clients that a partner has.
pub async fn clients(db: &Db, partner: PartnerScope, wanted: &Wanted) -> Result<(Vec<Client>, i64)> {
    let only_id = match &wanted.filters[..] {
        [("id", values)] => values.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    if let (true, [("created_at", descending)]) = (wanted.filters.is_empty(), &wanted.sort[..]) {
        let rows = store::hub_page(db, partner, *descending, wanted.limit, wanted.offset).await?;
        let total = store::hub_count(db, partner).await?;
        return Ok((rows.into_iter().map(Client::from).collect(), total));
    }
    let rows = match only_id {
        Some(ids) => store::hub_by_ids(db, partner, &ids).await?,
        None => store::hub_page(db, partner, false, i64::MAX, 0).await?,
    };
    let mut found = Vec::new();
    for client in rows.into_iter().map(Client::from) {
        let shown = serde_json::to_value(&client).map_err(Error::internal)?;
        if wanted.filters.iter().all(|(key, values)| values.iter().any(|value| matches(at(&shown, key), value))) {
            found.push((shown, client));
        }
    }
    found.sort_by(|(a, _), (b, _)| compare(a, b, &wanted.sort));
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let skip = usize::try_from(wanted.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    Ok((found.into_iter().skip(skip).take(take).map(|(_, client)| client).collect(), total))
}

/// What stands at a dotted key.
fn at<'a>(shown: &'a Value, key: &str) -> &'a Value {
    key.split('.').fold(shown, |value, part| &value[part])
}

/// E-mails are one whatever their case; `null` is what nobody said.
fn matches(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::String(text), Value::Null) => text.is_empty(),
        (Value::String(text), Value::String(wanted)) if text.contains('@') => {
            text.to_lowercase() == wanted.to_lowercase()
        }
        (value, wanted) => value == wanted,
    }
}

fn compare(a: &Value, b: &Value, sort: &[(&str, bool)]) -> Ordering {
    let by_key = |(key, descending): &(&str, bool)| {
        let order = match (at(a, key), at(b, key)) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (a, b) => a.as_i64().cmp(&b.as_i64()),
        };
        if *descending { order.reverse() } else { order }
    };
    sort.iter().map(by_key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn no_such() -> Error {
    Error::no_such("Client")
}

/// The client behind the other id, if it is this partner's (rule T2).
pub async fn of_partner(read: impl Read, partner: PartnerScope, public_id: &str) -> Result<WorkspaceScope> {
    if !public_id.ends_with("CL") {
        return Err(no_such());
    }
    let found = store::hub_id(read, partner, public_id).await?;
    let refusal = || no_such().attempted(Asked::ClientNamed(public_id.to_owned()));
    found.map(|id| WorkspaceScope::owned_by(partner, id)).ok_or_else(refusal)
}

pub async fn client(read: impl Read, partner: PartnerScope, scope: WorkspaceScope) -> Result<Client> {
    store::hub_find(read, partner, scope).await?.map(Client::from).ok_or_else(no_such)
}

/// What a partner changes of a client here; what is not said stays.
#[derive(Debug)]
pub struct Change {
    /// None inside removes it.
    pub partner_payload: Option<Option<String>>,
    /// Below what the plan gives; none inside is what the plan gives.
    pub max_channels: Option<Option<i64>>,
}

pub async fn update(unit: &mut Unit, scope: WorkspaceScope, change: &Change) -> Result<()> {
    if let Some(Some(most)) = change.max_channels {
        let plan = store::plan_channels(&mut unit.tx, scope).await?;
        if plan >= 0 && most > plan {
            return Err(Error::field("max_channels", format!("The max channels must not be greater than {plan}.")));
        }
    }
    let now = unit.now();
    store::set_hub(&mut unit.tx, scope, change, now).await?;
    let changes = Changes::none()
        .and_if_given("partner_payload_changed", change.partner_payload.as_ref().map(|_| true))
        .and_if_given("max_channels", change.max_channels);
    audit::record(unit, scope, Action::ClientUpdated, scope.id(), changes).await
}

/// Whether a client may connect numbers that it did not have before.
pub async fn may_add_numbers(read: impl Read, scope: WorkspaceScope) -> Result<()> {
    if store::may_add_numbers(read, scope).await? { Ok(()) } else { Err(Error::numbers_not_allowed()) }
}

/// Tells the partner's hub of a client just made.
pub(super) async fn record_created(unit: &mut Unit, partner: PartnerScope, scope: WorkspaceScope) -> Result<()> {
    let client = client(&mut unit.tx, partner, scope).await?;
    events::record_for_partner(unit, partner, "client_created", scope.id(), &client).await
}

/// A client with what its columns say.
pub struct HubRow {
    pub public_id: String,
    pub company_name: String,
    pub status: String,
    pub timezone: Timezone,
    pub country_id: Option<i64>,
    pub address: Option<String>,
    pub partner_payload: Option<String>,
    pub max_channels: Option<i64>,
    pub plan_channels: i64,
    pub created_at: Instant,
    pub modified_at: Option<Instant>,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: Option<Phone>,
}

/// Of a plan without a limit.
const UNLIMITED: i64 = i32::MAX as i64;

impl From<HubRow> for Client {
    fn from(row: HubRow) -> Self {
        let full_name = format!("{} {}", row.first_name, row.last_name).trim().to_owned();
        let phone = row.phone.map_or_else(String::new, |phone| phone.as_str().trim_start_matches('+').to_owned());
        let plan = if row.plan_channels < 0 { UNLIMITED } else { row.plan_channels };
        Self {
            id: row.public_id,
            name: row.company_name.clone(),
            status: if row.status == "suspended" { "inactive" } else { "active" },
            organisation: row.company_name,
            contact_info: ContactInfo {
                webpage_url: "",
                phone: phone.clone(),
                language: "",
                country: row.country_id.and_then(Country::find).map_or("", Country::code),
                street_name: row.address.unwrap_or_default(),
                city: "",
                email: row.email.clone(),
                full_name: full_name.clone(),
                zip_code: "",
            },
            contact_user: ContactUser { name: full_name, email: row.email, phone },
            meta_info: MetaInfo {
                business_vertical: "",
                timezone: row.timezone,
                about: "",
                business_description: "",
                use_case: "",
            },
            partner_payload: row.partner_payload.unwrap_or_default(),
            max_channels: row.max_channels.map_or(plan, |most| most.min(plan)),
            created_at: row.created_at.to_whole_seconds(),
            modified_at: row.modified_at.unwrap_or(row.created_at).to_whole_seconds(),
            created_by: SYSTEM,
            modified_by: SYSTEM,
            suspicious: false,
        }
    }
}
