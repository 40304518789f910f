//! Credentials become callers: keys, their cache, scopes, and the rate limit.
//!
//! The hot path is a SHA-256, a look into a small in-process cache (under a second old, dropped at once when something
//! of its workspace or partner changes on this node), and only then the database.
//! Tables: `api_key`, `partner_key`, `rate_window`.

mod keys;
pub mod limiter;
mod scope;
mod store;

pub use keys::{IssuedKey, KeyInfo, NewKey, issue_partner_key, issue_workspace_key, key_name, list_keys, revoke_key};
pub use limiter::{Bucket, Decision, Limiter};
pub use scope::{PartnerScope, WorkspaceScope};

use crate::app::App;
use crate::kernel::cache::Recent;
use crate::kernel::token::TokenKind;
use crate::kernel::{Country, Result, secret, token};
use std::sync::Arc;

/// What a plan lets a workspace use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    ApiAccess,
    Webhooks,
    Booking,
}

/// Who holds a valid key.
#[derive(Clone, Debug)]
pub enum Holder {
    Workspace(Arc<WorkspaceKey>),
    Partner(Arc<PartnerKey>),
}

/// A workspace's key, and what is true of its workspace.
#[derive(Debug)]
pub struct WorkspaceKey {
    pub key_id: i64,
    pub scope: WorkspaceScope,
    pub allowed_domains: Vec<String>,
    pub is_active: bool,
    pub country: Option<Country>,
    api_access: bool,
    webhooks: bool,
    booking: bool,
}

/// A partner's key, and what is true of its partner.
#[derive(Debug)]
pub struct PartnerKey {
    pub key_id: i64,
    pub scope: PartnerScope,
    pub is_active: bool,
}

impl WorkspaceKey {
    pub fn may_use(&self, feature: Feature) -> bool {
        match feature {
            Feature::ApiAccess => self.api_access,
            Feature::Webhooks => self.webhooks,
            Feature::Booking => self.booking,
        }
    }
}

/// Finds holders of keys.
#[derive(Debug)]
pub struct Authenticator {
    app: App,
    cache: Arc<Recent<[u8; 32], Holder>>,
}

impl Authenticator {
    pub fn new(app: &App) -> Arc<Self> {
        Arc::new(Self { app: app.clone(), cache: app.caches.of() })
    }

    /// The holder of a presented key; none if it is malformed, unknown or revoked.
    pub async fn holder(&self, presented: &str) -> Result<Option<Holder>> {
        let Some(kind) = token::kind_of(presented) else { return Ok(None) };
        let hash = secret::digest(presented);
        if let Some(holder) = self.cache.get(&hash) {
            return Ok(Some(holder));
        }
        let generation = self.cache.generation();
        let found = match kind {
            TokenKind::Workspace => {
                store::workspace_key(&self.app.db, &hash).await?.map(|row| Holder::Workspace(Arc::new(row.into())))
            }
            // A link opens a page, not the API.
            TokenKind::Invitation => None,
            TokenKind::Partner => {
                store::partner_key(&self.app.db, &hash).await?.map(|row| Holder::Partner(Arc::new(row.into())))
            }
        };
        if let Some(holder) = &found {
            self.cache.put(hash, holder.clone(), generation);
        }
        Ok(found)
    }
}

impl From<store::WorkspaceKeyRow> for WorkspaceKey {
    fn from(row: store::WorkspaceKeyRow) -> Self {
        Self {
            key_id: row.id,
            scope: WorkspaceScope::of_key(row.workspace_id),
            allowed_domains: serde_json::from_str(&row.allowed_domains).unwrap_or_default(),
            is_active: row.status == "active" && row.partner_status == "active",
            country: row.country_id.and_then(Country::find),
            api_access: row.api_access,
            webhooks: row.webhooks,
            booking: row.booking,
        }
    }
}

impl From<store::PartnerKeyRow> for PartnerKey {
    fn from(row: store::PartnerKeyRow) -> Self {
        Self { key_id: row.id, scope: PartnerScope::of_key(row.partner_id), is_active: row.status == "active" }
    }
}
