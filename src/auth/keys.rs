//! Issuing, listing and revoking keys. A key is shown once; only its hash is stored.

use super::{PartnerScope, WorkspaceScope, store};
use crate::app::Unit;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Error, Instant, Result, Secret, secret};
use serde::Serialize;
use utoipa::ToSchema;

/// What a new workspace key is asked to be.
#[derive(Debug, ToSchema)]
pub struct NewKey {
    /// What the key is for. Default: `API key`.
    pub name: Option<String>,
    /// Host names of browser pages that may use it (`example.com`, `*.example.com`, `*`). Default: all.
    pub allowed_domains: Option<Vec<String>>,
}

impl Input for NewKey {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").text(255);
        let domains = fields.at("allowed_domains");
        let allowed_domains = domains.texts(100, 253);
        let all_hosts = allowed_domains.iter().flatten().all(|domain| is_domain_rule(domain));
        if !all_hosts {
            domains.wrong::<()>("format is invalid");
        }
        Some(Self { name, allowed_domains })
    }
}

/// `*`, a host name, or `*.` and a host name.
fn is_domain_rule(rule: &str) -> bool {
    let host = rule.strip_prefix("*.").unwrap_or(rule);
    rule == "*"
        || !host.contains('*') && url::Host::parse(host).is_ok_and(|parsed| parsed.to_string() == host.to_lowercase())
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
    #[schema(example = json!(["app.example.com"]))]
    pub allowed_domains: Vec<String>,
    pub created_at: Instant,
    pub last_used_at: Option<Instant>,
}

const DEFAULT_NAME: &str = "API key";

pub async fn issue_workspace_key(unit: &mut Unit, scope: WorkspaceScope, new: NewKey) -> Result<IssuedKey> {
    let key = token::make(TokenKind::Workspace, &*unit.app().random);
    let name = new.name.unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let domains: Vec<String> = new.allowed_domains.unwrap_or_default().iter().map(|d| d.to_lowercase()).collect();
    let domains = serde_json::to_string(&domains).map_err(Error::internal)?;
    let (hash, hint, now) = (secret::digest(key.reveal()), token::hint(key.reveal()), unit.now());
    let id = store::insert_workspace_key(&mut unit.tx, scope, &name, &hash, &hint, &domains, now).await?;
    unit.changed();
    Ok(IssuedKey { id, name, key, created_at: now })
}

pub async fn issue_partner_key(unit: &mut Unit, scope: PartnerScope, name: &str) -> Result<IssuedKey> {
    let key = token::make(TokenKind::Partner, &*unit.app().random);
    let (hash, hint, now) = (secret::digest(key.reveal()), token::hint(key.reveal()), unit.now());
    let id = store::insert_partner_key(&mut unit.tx, scope, name, &hash, &hint, now).await?;
    unit.changed();
    Ok(IssuedKey { id, name: name.to_owned(), key, created_at: now })
}

pub async fn list_keys(read: impl skylight_db::Read, scope: WorkspaceScope) -> Result<Vec<KeyInfo>> {
    let rows = store::workspace_keys(read, scope).await?;
    Ok(rows.into_iter().map(KeyInfo::from).collect())
}

/// What a key is called now; nothing if it was revoked.
pub async fn key_name(read: impl skylight_db::Read, scope: WorkspaceScope, id: i64) -> Result<Option<String>> {
    Ok(store::workspace_key_name(read, scope, id).await?)
}

/// Voids a key at once on this node, within a second on others.
pub async fn revoke_key(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    if !store::delete_workspace_key(&mut unit.tx, scope, id).await? {
        return Err(Error::no_such("API key"));
    }
    unit.changed();
    Ok(())
}

impl From<store::KeyInfoRow> for KeyInfo {
    fn from(row: store::KeyInfoRow) -> Self {
        let allowed_domains = serde_json::from_str(&row.allowed_domains).unwrap_or_default();
        Self {
            id: row.id,
            name: row.name,
            hint: row.hint,
            allowed_domains,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}
