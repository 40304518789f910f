//! Issuing, listing and revoking keys. A key is shown once; only its hash is stored.

use super::{Domains, PartnerScope, WorkspaceScope, store};
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Error, Instant, Result, Secret, secret};
use serde::Serialize;
use utoipa::ToSchema;

/// What a new workspace key is asked to be.
#[derive(Debug, Default, ToSchema)]
pub struct NewKey {
    /// What the key is for. Default: `API key`.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Host names of browser pages that may use it (`example.com`, `*.example.com`, `*`). Default: all.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    pub allowed_domains: Option<Domains>,
}

impl Input for NewKey {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").text(255);
        let allowed_domains = Domains::read(&fields.at("allowed_domains"));
        Some(Self { name, allowed_domains })
    }
}

/// What is to change of a key; what is not named stays.
#[derive(Debug, ToSchema)]
pub struct KeyChange {
    #[schema(max_length = 255, nullable = false)]
    pub name: Option<String>,
    /// Replaces the list; an empty one allows all.
    #[schema(value_type = Option<Vec<String>>, max_items = 100, nullable = false)]
    pub allowed_domains: Option<Domains>,
}

impl Input for KeyChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let given = |name| fields.at(name).is_present();
        let name = fields.at("name").required_if(given("name")).text(255);
        let domains = fields.at("allowed_domains").required_if(given("allowed_domains"));
        Some(Self { name, allowed_domains: Domains::read(&domains) })
    }
}

/// A key just issued: the only time it is shown.
#[derive(Debug)]
pub struct IssuedKey {
    pub id: i64,
    pub name: String,
    pub key: Secret,
    pub created_at: Instant,
}

/// A key as it is listed: without the secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyInfo {
    #[schema(example = 31)]
    pub id: i64,
    #[schema(example = "CRM")]
    pub name: String,
    /// Its prefix and last four characters.
    #[schema(example = "sk_live_…9fQ2")]
    pub hint: String,
    /// Host names of browser pages that may use it; none allows all.
    #[schema(example = json!(["app.example.com", "*.shop.example"]))]
    pub allowed_domains: Vec<String>,
    pub created_at: Instant,
    /// When the secret was made anew, if it ever was.
    pub regenerated_at: Option<Instant>,
    /// When it was last presented, to the minute.
    pub last_used_at: Option<Instant>,
}

const DEFAULT_NAME: &str = "API key";

pub async fn issue_workspace_key(unit: &mut Unit, scope: WorkspaceScope, new: NewKey) -> Result<IssuedKey> {
    let key = token::make(TokenKind::Workspace, &*unit.app().random);
    let name = new.name.unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let domains = new.allowed_domains.unwrap_or_default();
    let (domains, names) = (domains.to_json(), domains.names());
    let (hash, hint, now) = (secret::digest(key.reveal()), token::hint(key.reveal()), unit.now());
    let id = store::insert_workspace_key(&mut unit.tx, scope, &name, &hash, &hint, &domains, now).await?;
    audit::record(unit, scope, Action::ApiKeyCreated, id, Changes::of("name", &name).and("allowed_domains", names))
        .await?;
    unit.changed();
    Ok(IssuedKey { id, name, key, created_at: now })
}

pub async fn issue_partner_key(unit: &mut Unit, scope: PartnerScope, name: &str) -> Result<IssuedKey> {
    let key = token::make(TokenKind::Partner, &*unit.app().random);
    let (hash, hint, now) = (secret::digest(key.reveal()), token::hint(key.reveal()), unit.now());
    let id = store::insert_partner_key(&mut unit.tx, scope, name, &hash, &hint, now).await?;
    audit::record_for_partner(unit, scope, Action::PartnerKeyCreated, id, Changes::of("name", name)).await?;
    unit.changed();
    Ok(IssuedKey { id, name: name.to_owned(), key, created_at: now })
}

/// A partner's key as it is listed: without the secret.
#[derive(Debug)]
pub struct PartnerKeyInfo {
    pub id: i64,
    pub name: String,
    pub hint: String,
    pub created_at: Instant,
    pub last_used_at: Option<Instant>,
}

pub async fn list_partner_keys(read: impl skylight_db::Read, scope: PartnerScope) -> Result<Vec<PartnerKeyInfo>> {
    let rows = store::partner_keys(read, scope).await?;
    let info = |row: store::PartnerKeyInfoRow| PartnerKeyInfo {
        id: row.id,
        name: row.name,
        hint: row.hint,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
    };
    Ok(rows.into_iter().map(info).collect())
}

/// Voids a partner's key; links and visits that came of it end with it.
pub async fn revoke_partner_key(unit: &mut Unit, scope: PartnerScope, id: i64) -> Result<()> {
    if !store::delete_partner_key(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    audit::record_for_partner(unit, scope, Action::PartnerKeyRevoked, id, Changes::none()).await?;
    unit.changed();
    Ok(())
}

/// Holds a partner's key to the end of the unit; false if it was revoked.
pub async fn lock_partner_key(unit: &mut Unit, scope: PartnerScope, id: i64) -> Result<bool> {
    Ok(store::lock_partner_key(&mut unit.tx, scope, id).await?)
}

pub async fn list_keys(read: impl skylight_db::Read, scope: WorkspaceScope) -> Result<Vec<KeyInfo>> {
    let rows = store::workspace_keys(read, scope).await?;
    Ok(rows.into_iter().map(KeyInfo::from).collect())
}

pub async fn key_info(read: impl skylight_db::Read, scope: WorkspaceScope, id: i64) -> Result<KeyInfo> {
    store::find_workspace_key(read, scope, id).await?.map(KeyInfo::from).ok_or_else(no_such)
}

/// Changes what a key is called and where it may be used; holds from the next request on.
pub async fn change_key(unit: &mut Unit, scope: WorkspaceScope, id: i64, change: KeyChange) -> Result<KeyInfo> {
    let domains = change.allowed_domains.as_ref().map(Domains::to_json);
    let (name, domains) = (change.name.as_deref(), domains.as_deref());
    if !store::change_workspace_key(&mut unit.tx, scope, id, name, domains).await? {
        return Err(no_such());
    }
    let changes = Changes::none().and_if_given("name", name);
    let changes = changes.and_if_given("allowed_domains", change.allowed_domains.as_ref().map(Domains::names));
    audit::record(unit, scope, Action::ApiKeyUpdated, id, changes).await?;
    unit.changed();
    key_info(&mut unit.tx, scope, id).await
}

/// Makes a key's secret anew. The one before is void at once on this node, within a second on others; id, name and domains
/// stay.
pub async fn regenerate_key(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<IssuedKey> {
    let key = token::make(TokenKind::Workspace, &*unit.app().random);
    let (hash, hint, now) = (secret::digest(key.reveal()), token::hint(key.reveal()), unit.now());
    let replaced = store::replace_workspace_key(&mut unit.tx, scope, id, &hash, &hint, now).await?;
    let (name, created_at) = replaced.ok_or_else(no_such)?;
    audit::record(unit, scope, Action::ApiKeyRegenerated, id, Changes::none()).await?;
    unit.changed();
    Ok(IssuedKey { id, name, key, created_at })
}

fn no_such() -> Error {
    Error::no_such("API key")
}

/// What a key is called now; nothing if it was revoked.
pub async fn key_name(read: impl skylight_db::Read, scope: WorkspaceScope, id: i64) -> Result<Option<String>> {
    Ok(store::workspace_key_name(read, scope, id).await?)
}

/// Voids a key at once on this node, within a second on others.
pub async fn revoke_key(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    if !store::delete_workspace_key(&mut unit.tx, scope, id).await? {
        return Err(no_such());
    }
    audit::record(unit, scope, Action::ApiKeyRevoked, id, Changes::none()).await?;
    unit.changed();
    Ok(())
}

impl From<store::KeyInfoRow> for KeyInfo {
    fn from(row: store::KeyInfoRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            hint: row.hint,
            allowed_domains: Domains::from_json(&row.allowed_domains).names(),
            created_at: row.created_at,
            regenerated_at: row.regenerated_at,
            last_used_at: row.last_used_at,
        }
    }
}
