//! Credentials become callers: keys, their cache, scopes, and the rate limit.
//!
//! The hot path is a SHA-256, a look into a small in-process cache (under a second old, dropped at once when something
//! of its workspace or partner changes on this node), and only then the database.
//! Tables: `api_key`, `partner_key`, `rate_window`, `guess`; those of sessions in [`sessions`].

mod domains;
pub mod guesses;
mod keys;
pub mod limiter;
mod links;
pub mod pages;
mod password;
mod scope;
pub mod sessions;
mod store;
pub mod tokens;
mod uses;

pub use domains::{DomainRule, Domains};
pub use keys::{
    IssuedKey, KeyChange, KeyInfo, NewKey, PartnerKeyInfo, change_key, issue_partner_key, issue_workspace_key,
    key_info, key_name, list_keys, list_partner_keys, lock_partner_key, regenerate_key, revoke_key, revoke_partner_key,
};
pub use limiter::{Bucket, Decision, Limiter};
pub use links::{NewLink, Purpose};
pub use password::{Hashed, Password, Typed, Unfit};
pub use scope::{PartnerScope, WorkspaceScope};
pub use sessions::By;
pub use uses::{keep_uses, write_uses};

use crate::app::{Actor, ActorKind, App};
use crate::kernel::cache::Recent;
use crate::kernel::token::TokenKind;
use crate::kernel::{Country, Result, secret, token};
use std::sync::Arc;
use uses::{KeyId, Uses};

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
    /// One of a partner's people, who got a token.
    Token(Arc<PartnerKey>),
}

impl Holder {
    /// Of which it is noted when they were used.
    fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Workspace(key) => Some(KeyId::Workspace(key.key_id)),
            Self::Partner(key) => Some(KeyId::Partner(key.key_id)),
            Self::Token(_) => None,
        }
    }
}

/// A workspace's key, and what is true of its workspace.
#[derive(Debug)]
pub struct WorkspaceKey {
    pub key_id: i64,
    pub name: String,
    pub scope: WorkspaceScope,
    pub domains: Domains,
    pub is_active: bool,
    pub country: Option<Country>,
    api_access: bool,
    webhooks: bool,
    booking: bool,
}

/// A partner's key or token, and what is true of its partner.
#[derive(Debug)]
pub struct PartnerKey {
    pub key_id: i64,
    /// The key, or whose token it is.
    pub actor: Actor,
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
    uses: Arc<Uses>,
}

impl Authenticator {
    pub fn new(app: &App) -> Arc<Self> {
        Arc::new(Self { app: app.clone(), cache: app.caches.of(), uses: app.rooms.of() })
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
            TokenKind::Partner => store::partner_key(&self.app.db, &hash)
                .await?
                .map(|row| Holder::Partner(Arc::new(PartnerKey::of(row, ActorKind::PartnerKey)))),
            TokenKind::PartnerToken => {
                let found = store::partner_token(&self.app.db, &hash, self.app.now()).await?;
                found.map(|row| Holder::Token(Arc::new(PartnerKey::of(row, ActorKind::PartnerMember))))
            }
            // Links and sessions open pages, not the API.
            _ => None,
        };
        if let Some(holder) = &found {
            // The cache forgets a key within a second, so its use need not be noted anywhere else.
            if let Some(id) = holder.key_id() {
                self.uses.note(id, self.app.now());
            }
            self.cache.put(hash, holder.clone(), generation);
        }
        Ok(found)
    }
}

impl From<store::WorkspaceKeyRow> for WorkspaceKey {
    fn from(row: store::WorkspaceKeyRow) -> Self {
        Self {
            key_id: row.id,
            name: row.name,
            scope: WorkspaceScope::of_key(row.workspace_id),
            domains: Domains::from_json(&row.allowed_domains),
            is_active: row.status == "active" && row.partner_status == "active",
            country: row.country_id.and_then(Country::find),
            api_access: row.api_access,
            webhooks: row.webhooks,
            booking: row.booking,
        }
    }
}

impl PartnerKey {
    fn of(row: store::PartnerKeyRow, kind: ActorKind) -> Self {
        let (scope, actor) = (PartnerScope::of_key(row.partner_id), Actor::new(kind, row.actor_id, &row.name));
        Self { key_id: row.id, actor, scope, is_active: row.status == "active" }
    }
}
