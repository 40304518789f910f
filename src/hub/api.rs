//! Routes of `/api/v2`. An id of the other API names nothing here.

use super::{ClientList, ClientQuery, Partner, PartnerChange, SharedAccount, under_its_name};
use crate::auth::PartnerScope;
use crate::http::extract::{Segment, TwoSegments};
use crate::http::route::Shape;
use crate::http::{Answer, PartnerCaller, Reply, Route, Unread, UnreadQuery, Who};
use crate::kernel::error::Asked;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Email, Error, Result};
use crate::team::Invitation;
use crate::webhooks::hub::HubEndpoint;
use crate::workspaces::hub::{Change, Client};
use crate::{partners, webhooks, workspaces};
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

const PARTNER: &str = "/api/v2/partners/{partner_id}";
const WEBHOOK: &str = "/api/v2/partners/{partner_id}/webhook_url";
const CLIENTS: &str = "/api/v2/partners/{partner_id}/clients";
const CLIENT: &str = "/api/v2/partners/{partner_id}/clients/{client_id}";
const SHARING: &str = "/api/v2/partners/{partner_id}/account_sharing/clients";
const BALANCE: &str = "/api/v2/partners/{partner_id}/balance";
pub(super) const TAG: &str = "Partner API v2";

const SETS: &str = "Sets or replaces the address that partner events go to. The first answer shows `platform_secret`, which signs \
them; with `regenerate_secret` there is a new one. `headers` are sent with every event.";
const LISTS: &str = "Without `sort` in the order they were made.";
const SHARES: &str = "Makes a client, on the partner's default plan, with a user who is invited by mail to choose a password. \
Where the installation sends no mail, the answer carries `invitation_url`, once.";

pub fn routes() -> Vec<Route> {
    partner_routes().into_iter().chain(super::token::routes()).collect()
}

fn partner_routes() -> Vec<Route> {
    let optional = &["webhook_url", "partner_redirect_url", "country"];
    vec![
        Route::new(Method::GET, PARTNER, Who::Hub, "hub_get_partner", get)
            .doc(TAG, "Retrieve partner", "Get partner account info.")
            .answers::<Partner>(200, Shape::Plain)
            .sometimes(optional),
        Route::new(Method::PATCH, PARTNER, Who::Hub, "hub_update_partner", update)
            .doc(TAG, "Update partner", "What is left out stays; an empty address removes it.")
            .takes::<PartnerBody>(json!({
                "webhook_url": "https://company.example/webhook",
                "partner_redirect_url": "https://company.example/onboarding-redirect",
                "allow_client_to_add_phone_no": true,
            }))
            .answers::<Partner>(200, Shape::Plain)
            .sometimes(optional),
        Route::new(Method::GET, WEBHOOK, Who::Hub, "hub_get_webhook_url", get_webhook)
            .doc(TAG, "Get the webhook URL", "Empty when there is none.")
            .answers::<WebhookUrl>(200, Shape::Plain),
        Route::new(Method::POST, WEBHOOK, Who::Hub, "hub_set_webhook_url", set_webhook)
            .doc(TAG, "Set the webhook URL", SETS)
            .takes::<WebhookBody>(json!({
                "webhook_url": "https://hooks.orbit.example/hub", "headers": {"Authorization": "Bearer of-the-receiver"},
            }))
            .answers::<SavedWebhook>(200, Shape::Plain)
            .sometimes(&["platform_secret"]),
        Route::new(Method::GET, CLIENTS, Who::Hub, "hub_list_clients", list)
            .doc(TAG, "List clients", LISTS)
            .query("filters", "filters", "A JSON object: keys with dots, and the value (or an array of values) of each.")
            .query("limit", "count", "Clients per answer (default 50, at most 1000).")
            .query("offset", "count", "Clients to skip.")
            .query("sort", "sort", "`created_at`, `name` …, several with commas; a minus makes one descending.")
            .answers::<ClientList>(200, Shape::Plain),
        Route::new(Method::PATCH, CLIENT, Who::Hub, "hub_update_client", update_client)
            .doc(TAG, "Update a client", "What is left out stays. `max_channels` may lower what the plan gives.")
            .takes::<ClientBody>(json!({"partner_payload": "crm:4711", "max_channels": 2}))
            .answers::<Client>(200, Shape::Plain),
        Route::new(Method::POST, SHARING, Who::Hub, "hub_share_account", share)
            .doc(TAG, "Create a client", SHARES)
            .takes::<SharedBody>(json!({"name": "Dune Bakery", "email": "owner@dune.example", "user_name": "Lina Aziz"}))
            .answers::<SharedClient>(200, Shape::Plain)
            .sometimes(&["invitation_url"]),
        Route::new(Method::GET, BALANCE, Who::Hub, "hub_get_balance", balance)
            .doc(TAG, "Get the partner's balance", "Nothing is paid in advance here, so it is zero.")
            .answers::<Balances>(200, Shape::Plain),
    ]
}

/// The body of a change, for the document.
#[derive(Debug, ToSchema)]
#[schema(as = HubPartnerChange)]
pub struct PartnerBody {
    /// Empty or null removes it.
    #[schema(max_length = 2048)]
    pub webhook_url: Option<String>,
    /// Empty or null removes it.
    #[schema(max_length = 2048)]
    pub partner_redirect_url: Option<String>,
    #[schema(nullable = false)]
    pub allow_client_to_add_phone_no: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HubWebhookUrl)]
pub struct WebhookUrl {
    #[schema(example = "https://hooks.orbit.example/hub")]
    pub webhook_url: String,
}

#[derive(Debug, ToSchema)]
#[schema(as = HubWebhookChange)]
pub struct WebhookBody {
    #[schema(max_length = 2048, pattern = "^https?://")]
    pub webhook_url: String,
    /// At most 20 names and values that are sent with every event. Left out, they stay.
    #[schema(value_type = Option<Object>)]
    pub headers: Option<Value>,
    /// Makes a new secret and shows it.
    #[schema(nullable = false)]
    pub regenerate_secret: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HubSavedWebhook)]
pub struct SavedWebhook {
    #[schema(example = "https://hooks.orbit.example/hub")]
    pub webhook_url: String,
    /// Only when the address is set for the first time, and when a new one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "whsec_…64 characters…")]
    pub platform_secret: Option<String>,
}

#[derive(Debug, ToSchema)]
#[schema(as = HubClientChange)]
pub struct ClientBody {
    /// What the partner keeps with the client; empty or null removes it.
    #[schema(max_length = 10000)]
    pub partner_payload: Option<String>,
    /// At most what the plan gives; null is that.
    #[schema(minimum = 1)]
    pub max_channels: Option<i64>,
}

#[derive(Debug, ToSchema)]
#[schema(as = HubNewClient)]
pub struct SharedBody {
    /// The organisation.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    pub email: Email,
    /// The person.
    #[schema(max_length = 255)]
    pub user_name: Option<String>,
}

/// A client just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HubSharedClient)]
pub struct SharedClient {
    #[serde(flatten)]
    pub client: Client,
    /// The same as `id`.
    #[schema(example = "vB4tR9xwCL")]
    pub client_id: String,
    /// Where the user chooses a password, if no mail carries it there. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://dashboard.skylightchat.com/invite?token=inv_…")]
    pub invitation_url: Option<String>,
}

/// One for each currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HubBalances)]
pub struct Balances(Vec<Balance>);

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HubBalance)]
pub struct Balance {
    #[schema(example = 0)]
    pub total: i64,
    #[schema(example = "eur")]
    pub currency: &'static str,
}

impl Input for Change {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let payload = fields.at("partner_payload");
        let partner_payload = match payload.is_given() {
            true => payload.text(10_000).map(Some),
            false => payload.is_present().then_some(None),
        };
        let most = fields.at("max_channels");
        let max_channels = match most.is_given() {
            true => most.integer_between(1, i64::from(i32::MAX)).map(Some),
            false => most.is_present().then_some(None),
        };
        Some(Self { partner_payload, max_channels })
    }
}

/// The partner in the path is the one who asks: everybody else's is not found.
async fn own(caller: &PartnerCaller, id: &str) -> Result<PartnerScope> {
    let own = partners::hub::public_id(&caller.app, caller.scope()).await?;
    if *own == *id {
        return Ok(caller.scope());
    }
    Err(Error::no_such("Partner").attempted(Asked::PartnerNamed(id.to_owned())))
}

async fn get(caller: PartnerCaller, Segment(id): Segment) -> Answer {
    let partner = own(&caller, &id).await?;
    Reply::bare(&super::partner(&caller.app, partner).await?)
}

async fn update(caller: PartnerCaller, Segment(id): Segment, body: Unread) -> Answer {
    let partner = own(&caller, &id).await?;
    let change = body.read_by(|fields| PartnerChange::read(fields, &caller.app))?;
    let key = partners::data_key(&caller.app, partner).await?;
    let mut unit = caller.begin().await?;
    let reply = Reply::bare(&super::update(&mut unit, partner, &key, &change).await?)?;
    caller.commit(unit, reply).await
}

async fn get_webhook(caller: PartnerCaller, Segment(id): Segment) -> Answer {
    let partner = own(&caller, &id).await?;
    let url = webhooks::hub::url(&caller.app.db, partner).await?;
    Reply::bare(&WebhookUrl { webhook_url: url.unwrap_or_default() })
}

async fn set_webhook(caller: PartnerCaller, Segment(id): Segment, body: Unread) -> Answer {
    let partner = own(&caller, &id).await?;
    let (endpoint, makes_secret) = body.read_by(|fields| {
        let mut endpoint = HubEndpoint::read(fields, &caller.app, true);
        endpoint.read_headers(fields);
        let makes_secret = fields.at("regenerate_secret").not_emptied().boolean();
        Some((endpoint, makes_secret == Some(true)))
    })?;
    let key = partners::data_key(&caller.app, partner).await?;
    let mut unit = caller.begin().await?;
    let mut secret = webhooks::hub::set(&mut unit, partner, &key, &endpoint).await?;
    if makes_secret && secret.is_none() {
        secret = Some(webhooks::hub::regenerate_secret(&mut unit, partner, &key).await?);
    }
    let webhook_url = webhooks::hub::url(&mut unit.tx, partner).await?.unwrap_or_default();
    let platform_secret = secret.map(|secret| secret.reveal().to_owned());
    let reply = Reply::bare(&SavedWebhook { webhook_url, platform_secret })?;
    caller.commit(unit, reply).await
}

async fn list(caller: PartnerCaller, Segment(id): Segment, query: UnreadQuery) -> Answer {
    let query: ClientQuery = query.read_about(own(&caller, &id)).await?;
    let partner = own(&caller, &id).await?;
    let found = workspaces::hub::clients(&caller.app.db, partner, &query.wanted).await?;
    Reply::bare(&ClientList::of(query, found))
}

async fn update_client(caller: PartnerCaller, TwoSegments(id, client): TwoSegments, body: Unread) -> Answer {
    let partner = own(&caller, &id).await?;
    let change: Change = body.read_about(workspaces::hub::of_partner(&caller.app.db, partner, &client)).await?;
    let mut unit = caller.begin().await?;
    let scope = workspaces::hub::of_partner(&mut unit.tx, partner, &client).await?;
    workspaces::hub::update(&mut unit, scope, &change).await?;
    let reply = Reply::bare(&workspaces::hub::client(&mut unit.tx, partner, scope).await?)?;
    caller.commit(unit, reply).await
}

async fn share(caller: PartnerCaller, Segment(id): Segment, body: Unread) -> Answer {
    let partner = own(&caller, &id).await?;
    let account: SharedAccount = body.read()?;
    let plan = partners::hub::client_plan(&caller.app.db, partner).await?;
    let mut unit = caller.begin().await?;
    let made = workspaces::create(&mut unit, partner, &account.on_plan(plan)).await.map_err(under_its_name)?;
    let client = workspaces::hub::client(&mut unit.tx, partner, made.scope).await?;
    let (client_id, invitation_url) = (client.id.clone(), made.invitation.and_then(Invitation::shown));
    let reply = Reply::bare(&SharedClient { client, client_id, invitation_url })?;
    caller.commit(unit, reply).await
}

async fn balance(caller: PartnerCaller, Segment(id): Segment) -> Answer {
    own(&caller, &id).await?;
    Reply::bare(&Balances(vec![Balance { total: 0, currency: "eur" }]))
}
