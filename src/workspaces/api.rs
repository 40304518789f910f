//! `/api/v1/partner/clients`: provisioning, changing, suspending and deleting clients, and issuing their keys.

use super::clients::{self, Client, ClientChange, ClientFilter, NewClient, ProvisionedClient};
use super::{Standing, create, delete, of_partner, reactivate, suspend};
use crate::app::App;
use crate::auth::{self, IssuedKey, KeyChange, KeyInfo, NewKey};
use crate::http::extract::{Examined, TwoIds};
use crate::http::route::Shape;
use crate::http::{Answer, Id, PartnerCaller, Query, Reply, Route, Unread, Who};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Email, Error, Instant, Phone, Timezone};
use crate::team::Invitation;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

const CLIENTS: &str = "/api/v1/partner/clients";
const CLIENT: &str = "/api/v1/partner/clients/{id}";
const KEYS: &str = "/api/v1/partner/clients/{id}/api-keys";
const KEY: &str = "/api/v1/partner/clients/{id}/api-keys/{key_id}";
const REGENERATE: &str = "/api/v1/partner/clients/{id}/api-keys/{key_id}/regenerate";
const ISSUED: &str = "API key created. Store it securely — it won't be shown again.";
const REGENERATED: &str = "API key regenerated. Store it securely — it won't be shown again.";
const REACTIVATE: &str = "/api/v1/partner/clients/{id}/reactivate";
const TAG: &str = "Partners";

pub fn routes() -> Vec<Route> {
    client_routes().into_iter().chain(standing_routes()).chain(key_routes()).collect()
}

fn client_routes() -> [Route; 5] {
    [
        Route::new(Method::GET, CLIENTS, Who::Partner, "list_clients", list_handler)
            .doc(TAG, "List clients", "All client workspaces of your account, newest first.")
            .paged("Results per page (default 15, max 100).")
            .query("status", "active|suspended|pending_setup", "Filter by status.")
            .query("search", "string", "Search by company name, e-mail or slug.")
            .query("plan", "string", "Filter by plan slug.")
            .answers::<Client>(200, Shape::Page)
            .showing(al_madar()),
        Route::new(Method::POST, CLIENTS, Who::Partner, "create_client", create_handler)
            .doc(TAG, "Create a client", CREATE)
            .takes::<NewClientBody>(json!({
                "company_name": "Gulf Logistics", "plan": "pro",
                "admin": {"first_name": "Khalid", "last_name": "Nasser", "email": "khalid@gulflogistics.sa", "phone": "+966507654321"},
                "timezone": "Asia/Riyadh", "country_id": 194, "skip_invite": false,
            }))
            .answers::<ProvisionedClient>(201, Shape::One)
            .sometimes(&["invitation_url"])
            .showing(gulf_logistics())
            .saying("Client workspace created successfully."),
        Route::new(Method::GET, CLIENT, Who::Partner, "get_client", get_handler)
            .doc(TAG, "Get a client", "Full details of one client workspace.")
            .answers::<Client>(200, Shape::One)
            .showing(al_madar()),
        Route::new(Method::PATCH, CLIENT, Who::Partner, "update_client", update_handler)
            .doc(TAG, "Update a client", UPDATE)
            .takes::<ClientChange>(
                json!({"company_name": "Al-Madar Retail International", "plan": "business", "timezone": "Europe/London"}),
            )
            .answers::<Client>(200, Shape::One)
            .showing(al_madar())
            .showing(json!({"company_name": "Al-Madar Retail International"}))
            .saying("Client updated successfully."),
        Route::new(Method::DELETE, CLIENT, Who::Partner, "delete_client", delete_handler)
            .doc(TAG, "Delete a client", DELETE)
            .answers_nothing(),
    ]
}

const CREATE: &str = "Provisions a workspace together with its first admin, who is invited by mail to choose a password, \
unless `skip_invite` is true. Where the installation sends no mail, the answer carries `invitation_url` instead, once.";
const UPDATE: &str = "Plan changes take effect at the start of the next month (UTC) unless `immediate` is true.";
const DELETE: &str = "Irreversible: the workspace and all its data are removed, its keys and links are dead.";
const SUSPEND: &str =
    "API calls and logins of the workspace are refused; its data stay, and what customers write is stored.";

fn standing_routes() -> [Route; 2] {
    [
        Route::new(
            Method::POST,
            "/api/v1/partner/clients/{id}/suspend",
            Who::Partner,
            "suspend_client",
            suspend_handler,
        )
        .doc(TAG, "Suspend a client", SUSPEND)
        .takes::<Reason>(json!({"reason": "Non-payment"}))
        .answers::<Standing>(200, Shape::One)
        .saying("Client workspace suspended."),
        Route::new(Method::POST, REACTIVATE, Who::Partner, "reactivate_client", reactivate_handler)
            .doc(TAG, "Reactivate a client", "Lifts a suspension.")
            .answers::<Standing>(200, Shape::One)
            .showing(json!({"status": "active", "suspended_at": null}))
            .saying("Client workspace reactivated."),
    ]
}

fn key_routes() -> [Route; 5] {
    [
        Route::new(Method::GET, KEYS, Who::Partner, "list_client_keys", list_keys)
            .doc(TAG, "List a client's API keys", "Without the secrets.")
            .answers::<KeyInfo>(200, Shape::All),
        Route::new(Method::POST, KEYS, Who::Partner, "create_client_key", create_key)
            .doc(TAG, "Issue an API key for a client", "The key is shown once.")
            .takes::<NewKey>(json!({"name": "CRM", "allowed_domains": ["app.example.com"]}))
            .answers::<Issued>(201, Shape::One)
            .saying(ISSUED),
        Route::new(Method::PATCH, KEY, Who::Partner, "update_client_key", update_key)
            .doc(TAG, "Change a client's API key", "Its name, or where browsers may use it. What is not given stays.")
            .takes::<KeyChange>(json!({"name": "Shop", "allowed_domains": ["app.example.com", "*.shop.example"]}))
            .answers::<KeyInfo>(200, Shape::One)
            .saying("API key updated successfully."),
        Route::new(Method::POST, REGENERATE, Who::Partner, "regenerate_client_key", regenerate_key)
            .doc(
                TAG,
                "Regenerate a client's API key",
                "The new key is shown once; id, name and domains stay. The old one is refused at once on this server, \
                 within a second on others.",
            )
            .answers::<Issued>(200, Shape::One)
            .saying(REGENERATED),
        Route::new(Method::DELETE, KEY, Who::Partner, "delete_client_key", delete_key)
            .doc(TAG, "Revoke a client's API key", "Refused at once on this server, within a second on others.")
            .answers_nothing(),
    ]
}

/// The documented client, where its fields' own examples are other ones.
fn al_madar() -> Value {
    json!({"primary_user": {"phone": "+966501112233"}, "created_at": "2026-01-10T09:00:00.000000Z", "suspended_at": null})
}

fn gulf_logistics() -> Value {
    json!({
        "id": 115, "company_name": "Gulf Logistics", "slug": "gulf-logistics-9k2p", "plan": "pro",
        "primary_user": {
            "id": 230, "first_name": "Khalid", "last_name": "Nasser", "email": "khalid@gulflogistics.sa",
            "phone": "+966507654321",
        },
        "usage": {"contacts": 0, "messages_this_month": 0, "team_members": 1},
        "dashboard_url": "https://dashboard.skylightchat.com/login?workspace=gulf-logistics-9k2p",
        "created_at": "2026-03-14T11:00:00.000000Z", "suspended_at": null,
    })
}

/// The body of a creation, for the document.
#[derive(Debug, ToSchema)]
pub struct NewClientBody {
    #[schema(min_length = 1, max_length = 255)]
    pub company_name: String,
    /// Plan slug: `starter`, `pro`, `business`.
    #[schema(min_length = 1)]
    pub plan: String,
    pub admin: AdminBody,
    pub timezone: Option<Timezone>,
    pub country_id: Option<i64>,
    /// The first admin is not invited to choose a password.
    pub skip_invite: Option<bool>,
}

#[derive(Debug, ToSchema)]
pub struct AdminBody {
    #[schema(min_length = 1, max_length = 255)]
    pub first_name: String,
    #[schema(min_length = 1, max_length = 255)]
    pub last_name: String,
    pub email: Email,
    pub phone: Option<Phone>,
}

/// Why a client is suspended.
#[derive(Debug, ToSchema)]
pub struct Reason {
    /// An internal note.
    pub reason: Option<String>,
}

impl Input for Reason {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { reason: fields.at("reason").text(1000) })
    }
}

/// A key just issued.
#[derive(Debug, Serialize, ToSchema)]
pub struct Issued {
    #[schema(example = 31)]
    pub id: i64,
    #[schema(example = "CRM")]
    pub name: String,
    #[schema(example = "sk_live_…")]
    pub key: String,
    pub created_at: Instant,
}

impl From<IssuedKey> for Issued {
    fn from(issued: IssuedKey) -> Self {
        let IssuedKey { id, name, key, created_at } = issued;
        Self { id, name, key: key.reveal().to_owned(), created_at }
    }
}

fn dashboard_url(app: &App, slug: &str) -> String {
    app.config.public(&format!("/login?workspace={slug}"))
}

async fn list_handler(caller: PartnerCaller, Query(filter): Query<ClientFilter>) -> Answer {
    let app = &caller.app;
    Reply::page(&clients::clients(&app.db, caller.scope(), filter, app.now(), |slug| dashboard_url(app, slug)).await?)
}

async fn create_handler(caller: PartnerCaller, examined: Examined<NewClient>) -> Answer {
    clients::faults(&caller.app.db, &examined.body, examined.errors).await?;
    let new = examined.input.ok_or_else(Error::invalid)?;
    let (app, partner) = (caller.app.clone(), caller.scope());
    let mut unit = caller.begin().await?;
    let made = create(&mut unit, partner, &new).await?;
    let (id, now) = (made.scope.id(), unit.now());
    let client = clients::client(&mut unit.tx, partner, id, now, |slug| dashboard_url(&app, slug)).await?;
    let invitation_url = made.invitation.and_then(Invitation::shown);
    let reply =
        Reply::created(&ProvisionedClient { client, invitation_url }, "Client workspace created successfully.")?;
    caller.commit(unit, reply).await
}

async fn get_handler(caller: PartnerCaller, Id(id): Id) -> Answer {
    let app = &caller.app;
    Reply::data(&clients::client(&app.db, caller.scope(), id, app.now(), |slug| dashboard_url(app, slug)).await?)
}

async fn update_handler(caller: PartnerCaller, Id(id): Id, body: Unread) -> Answer {
    let (app, partner) = (caller.app.clone(), caller.scope());
    let change: ClientChange = body.read_about(of_partner(&app.db, partner, id)).await?;
    let mut unit = caller.begin().await?;
    clients::update(&mut unit, partner, id, change).await?;
    let now = unit.now();
    let client = clients::client(&mut unit.tx, partner, id, now, |slug| dashboard_url(&app, slug)).await?;
    let reply = Reply::done(&client, "Client updated successfully.")?;
    caller.commit(unit, reply).await
}

async fn delete_handler(caller: PartnerCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn suspend_handler(caller: PartnerCaller, Id(id): Id, body: Unread) -> Answer {
    let Reason { reason } = body.read_about(of_partner(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let standing = suspend(&mut unit, caller.scope(), id, reason.as_deref()).await?;
    let reply = Reply::done(&standing, "Client workspace suspended.")?;
    caller.commit(unit, reply).await
}

async fn reactivate_handler(caller: PartnerCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let standing = reactivate(&mut unit, caller.scope(), id).await?;
    let reply = Reply::done(&standing, "Client workspace reactivated.")?;
    caller.commit(unit, reply).await
}

async fn list_keys(caller: PartnerCaller, Id(id): Id) -> Answer {
    let scope = of_partner(&caller.app.db, caller.scope(), id).await?;
    Reply::data(&auth::list_keys(&caller.app.db, scope).await?)
}

async fn create_key(caller: PartnerCaller, Id(id): Id, body: Unread) -> Answer {
    let new: NewKey = body.read_about(of_partner(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let scope = of_partner(&mut unit.tx, caller.scope(), id).await?;
    let issued = auth::issue_workspace_key(&mut unit, scope, new).await?;
    let reply = Reply::created(&Issued::from(issued), ISSUED)?;
    caller.commit(unit, reply).await
}

async fn update_key(caller: PartnerCaller, TwoIds(id, key): TwoIds, body: Unread) -> Answer {
    let (db, partner) = (&caller.app.db, caller.scope());
    let found = async { auth::key_info(db, of_partner(db, partner, id).await?, key).await };
    let change: KeyChange = body.read_about(found).await?;
    let mut unit = caller.begin().await?;
    let scope = of_partner(&mut unit.tx, partner, id).await?;
    let info = auth::change_key(&mut unit, scope, key, change).await?;
    let reply = Reply::done(&info, "API key updated successfully.")?;
    caller.commit(unit, reply).await
}

async fn regenerate_key(caller: PartnerCaller, TwoIds(id, key): TwoIds) -> Answer {
    let mut unit = caller.begin().await?;
    let scope = of_partner(&mut unit.tx, caller.scope(), id).await?;
    let issued = auth::regenerate_key(&mut unit, scope, key).await?;
    let reply = Reply::done(&Issued::from(issued), REGENERATED)?;
    caller.commit(unit, reply).await
}

async fn delete_key(caller: PartnerCaller, TwoIds(id, key): TwoIds) -> Answer {
    let mut unit = caller.begin().await?;
    let scope = of_partner(&mut unit.tx, caller.scope(), id).await?;
    auth::revoke_key(&mut unit, scope, key).await?;
    caller.commit(unit, Reply::nothing()).await
}
