//! A connected channel with its opened credentials, remembered for a moment.

use super::provider::{self, Credentials, Provider};
use super::store;
use crate::app::App;
use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Result, Secret};
use crate::workspaces;
use http::HeaderMap;
use skylight_db::Read;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What speaking for a channel needs.
pub struct Account {
    pub id: i64,
    pub scope: WorkspaceScope,
    pub kind: String,
    pub identity: String,
    pub is_connected: bool,
    pub provider: &'static dyn Provider,
    pub(super) credentials: Credentials,
    /// The sealed form, which names this very connection: reconnecting seals anew.
    pub(super) sealed: String,
    pub(super) hook_token: Option<String>,
}

impl Account {
    /// A credential by name; none is a fault of ours, since connecting checked them.
    pub(super) fn credential(&self, name: &str) -> &str {
        self.credentials.get(name).map_or("", Secret::reveal)
    }
}

impl Account {
    /// Whether a body that was posted for this account comes from its provider.
    pub fn proves(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        self.provider.verify(&self.credentials, headers, body)
    }

    /// Whether both are the same connection of the same account.
    pub fn is_same_connection(&self, other: &Self) -> bool {
        self.id == other.id && self.is_connected == other.is_connected && self.sealed == other.sealed
    }

    /// Whether this is the token that was to be entered at the provider.
    pub fn accepts_verify_token(&self, given: &str) -> bool {
        self.credentials.get("verify_token").is_some_and(|expected| expected.matches(given))
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("provider", &self.provider.name()).finish_non_exhaustive()
    }
}

/// What a channel's credentials are sealed for.
pub(super) fn context(scope: WorkspaceScope, channel: i64) -> String {
    format!("channel.credentials:{}:{channel}", scope.id())
}

/// The channel behind an inbound address; none if there is no such, or its workspace is deleted.
pub async fn by_hook(app: &App, token: &str) -> Result<Option<Arc<Account>>> {
    let cache = app.caches.of::<String, Arc<Account>>();
    if let Some(account) = cache.get(&token.to_owned()) {
        return Ok(Some(account));
    }
    let generation = cache.generation();
    let Some(row) = store::all_workspaces_by_hook(&app.db, token).await? else { return Ok(None) };
    let account = opened(app, row).await?;
    if let Some(account) = &account {
        cache.put(token.to_owned(), account.clone(), generation);
    }
    Ok(account)
}

/// The channel of background work.
pub async fn by_id(app: &App, scope: WorkspaceScope, id: i64) -> Result<Option<Arc<Account>>> {
    let cache = app.caches.of::<(WorkspaceScope, i64), Arc<Account>>();
    if let Some(account) = cache.get(&(scope, id)) {
        return Ok(Some(account));
    }
    let generation = cache.generation();
    let Some(row) = store::account(&app.db, scope, id).await? else { return Ok(None) };
    let account = opened(app, row).await?;
    if let Some(account) = &account {
        cache.put((scope, id), account.clone(), generation);
    }
    Ok(account)
}

async fn opened(app: &App, row: store::AccountRow) -> Result<Option<Arc<Account>>> {
    let scope = WorkspaceScope::of_background_work(row.workspace_id);
    let Some(provider) = row.provider.as_deref().and_then(provider::named) else { return Ok(None) };
    let credentials = match &row.credentials {
        Some(sealed) => {
            let key = workspaces::data_key(app, scope).await?;
            let opened = key.open(&context(scope, row.id), sealed)?;
            let texts: BTreeMap<String, String> = serde_json::from_str(opened.reveal()).map_err(Error::internal)?;
            texts.into_iter().map(|(name, text)| (name, Secret::new(text))).collect()
        }
        None => Credentials::new(),
    };
    Ok(Some(Arc::new(Account {
        id: row.id,
        scope,
        kind: row.kind,
        identity: row.identity.unwrap_or_default(),
        is_connected: row.is_connected,
        provider,
        credentials,
        sealed: row.credentials.unwrap_or_default(),
        hook_token: row.hook_token,
    })))
}

/// Whether there is such a channel.
pub async fn check(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<()> {
    store::find(read, scope, id).await?.map(|_| ()).ok_or_else(no_such_channel)
}

fn no_such_channel() -> Error {
    Error::field("channel_id", "The selected channel id is invalid.")
}

/// The connected channel a message of this type goes out on: the named one, else the preferred one, else the newest.
pub async fn for_sending(
    read: impl Read,
    scope: WorkspaceScope,
    kind: &str,
    named: Option<i64>,
    preferred: Option<i64>,
) -> Result<(i64, &'static dyn Provider)> {
    let mut channels = store::of_kind(read, scope, kind).await?;
    if let Some(named) = named {
        channels.retain(|(id, ..)| *id == named);
        if channels.is_empty() {
            return Err(no_such_channel());
        }
    }
    channels.retain(|(.., is_connected)| *is_connected);
    let chosen = channels.iter().find(|(id, ..)| Some(*id) == preferred).or(channels.first());
    let field = if named.is_some() { "channel_id" } else { "channel" };
    let (id, provider, _) = chosen.ok_or_else(|| Error::field(field, "The channel is not connected."))?;
    let provider = provider.as_deref().and_then(provider::named);
    let provider = provider.ok_or_else(|| Error::internal("a channel has an unknown provider"))?;
    Ok((*id, provider))
}
