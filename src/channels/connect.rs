//! Connecting and disconnecting an account.
//!
//! The provider is asked before the transaction, never inside it. Who wins a race for one account is decided by the
//! unique index on (provider, identity) of connected channels.

use super::account::{Account, by_id, context};
use super::provider::{self, Credentials, Hook, Profile, Provider};
use super::{SENDING_LANE, hub, not_found, store};
use crate::app::{App, Origin, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::WorkspaceScope;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Result, Secret};
use crate::plans::meter;
use crate::{events, workspaces};
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const CONNECTED: &str = "partner.client.channel.connected";
const DISCONNECTED: &str = "partner.client.channel.disconnected";

/// What a caller says of an account to connect.
pub struct NewChannel {
    pub kind: &'static str,
    pub provider: &'static dyn Provider,
    pub name: Option<String>,
    pub credentials: Credentials,
}

const TYPES: &[(&str, &str)] = &[("whatsapp", "whatsapp"), ("telegram", "telegram"), ("instagram", "instagram")];

impl Input for NewChannel {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let kind = fields.at("type").required().one_of(TYPES);
        let name = fields.at("name").text(255);
        let wanted = fields.at("provider");
        let providers = provider::of_type(kind?);
        let provider = if wanted.is_given() {
            let words: Vec<_> = providers.iter().map(|provider| (provider.name(), *provider)).collect();
            wanted.one_of(&words)?
        } else {
            *providers.first()?
        };
        let credentials = provider.read_credentials(fields)?;
        Some(Self { kind: kind?, provider, name, credentials })
    }
}

/// A channel just connected, and what is to be entered at the provider.
#[derive(Debug)]
pub struct Connected {
    pub id: i64,
    pub webhook_url: Option<String>,
    pub verify_token: Option<Secret>,
}

/// An account the provider has vouched for, ready to be written down.
pub struct Examined {
    new: NewChannel,
    profile: Profile,
    hook_token: String,
    verify_token: Option<Secret>,
}

/// Gives a new workspace one unconnected setting per channel type.
pub fn open_settings(unit: &mut Unit, scope: WorkspaceScope) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        let now = unit.now();
        for (kind, _) in TYPES {
            store::open_setting(&mut unit.tx, scope, kind, now).await?;
        }
        Ok(())
    })
}

/// Proves the credentials, registers our address where the provider lets us, and connects the account.
pub async fn connect(app: &App, by: Origin, scope: WorkspaceScope, new: NewChannel) -> Result<(Unit, Connected)> {
    meter::has_room_for_channel(&app.db, scope).await?;
    let examined = examine(app, scope, new).await?;
    let key = workspaces::data_key(app, scope).await?;
    let mut unit = app.begin_by(by).await?;
    let connected = write_down(&mut unit, scope, &key, &examined).await?;
    Ok((unit, connected))
}

async fn examine(app: &App, scope: WorkspaceScope, mut new: NewChannel) -> Result<Examined> {
    let profile = new.provider.examine(app, &new.credentials).await?;
    let provider = new.provider.name();
    if let Some(identity) = &profile.identity
        && store::is_connected_anywhere_all_workspaces(&app.db, provider, identity).await?
    {
        return Err(Error::channel_already_connected());
    }
    // An account that comes back keeps its address and its verify token: somebody entered them at the provider.
    let known = store::setting_of(&app.db, scope, new.kind, provider, profile.identity.as_deref()).await?;
    if known.is_none() && new.kind == "whatsapp" {
        workspaces::hub::may_add_numbers(&app.db, scope).await?;
    }
    let before = match known {
        Some(id) => by_id(app, scope, id).await?,
        None => None,
    };
    let kept = before.as_ref().and_then(|account| account.hook_token.clone());
    let hook_token = kept.unwrap_or_else(|| app.random.alphanumeric(40));
    let verify_token = (new.provider.hook() == Hook::Whatsapp).then(|| {
        let kept = before.as_ref().and_then(|account| account.credentials.get("verify_token").cloned());
        kept.unwrap_or_else(|| Secret::new(app.random.alphanumeric(32)))
    });
    if let Some(token) = &verify_token {
        new.credentials.insert("verify_token".into(), token.clone());
    }
    if new.provider.hook() == Hook::Telegram {
        new.credentials.insert("secret_token".into(), Secret::new(app.random.alphanumeric(48)));
    }
    let hook = hook_url(app, new.provider, &hook_token).unwrap_or_default();
    new.provider.subscribe(app, &new.credentials, &hook).await?;
    Ok(Examined { new, profile, hook_token, verify_token })
}

fn hook_url(app: &App, provider: &dyn Provider, token: &str) -> Option<String> {
    let segment = match provider.hook() {
        Hook::Whatsapp => "whatsapp",
        Hook::Telegram => "telegram",
        Hook::None => return None,
    };
    Some(app.config.public(&format!("/hooks/{segment}/{token}")))
}

async fn write_down(unit: &mut Unit, scope: WorkspaceScope, key: &DataKey, examined: &Examined) -> Result<Connected> {
    let Examined { new, profile, hook_token, verify_token } = examined;
    // What was queued while the account was away goes out now. Workers take a lane first and the meter later: so here.
    let provider = new.provider.name();
    let known = store::setting_of(&mut unit.tx, scope, new.kind, provider, profile.identity.as_deref()).await?;
    if let Some(id) = known {
        crate::jobs::wake(unit, SENDING_LANE, id).await?;
    }
    // From here on nobody else connects for this workspace: the setting found free is ours.
    meter::take_channel(unit, scope).await?;
    let now = unit.now();
    let known = store::setting_of(&mut unit.tx, scope, new.kind, provider, profile.identity.as_deref()).await?;
    if known.is_none() && new.kind == "whatsapp" {
        workspaces::hub::may_add_numbers(&mut unit.tx, scope).await?;
    }
    let free = match known {
        Some(id) => Some(id),
        None => store::free_setting(&mut unit.tx, scope, new.kind).await?,
    };
    let id = match free {
        Some(id) => id,
        None => store::open_setting(&mut unit.tx, scope, new.kind, now).await?,
    };
    let app = unit.app().clone();
    let sealed = seal(&app, key, scope, id, &new.credentials)?;
    let connection = store::Connection {
        id,
        provider,
        name: new.name.as_deref().or(profile.name.as_deref()),
        username: profile.username.as_deref(),
        identity: profile.identity.as_deref(),
        credentials: &sealed,
        hook_token,
        now,
    };
    let written = store::connect(&mut unit.tx, scope, &connection).await;
    written.map_err(|error| {
        if error.is_unique("channel_identity") { Error::channel_already_connected() } else { error.into() }
    })?;
    tell_partner(unit, scope, CONNECTED, id).await?;
    let changes = Changes::of("type", new.kind).and("provider", provider).and("username", &profile.username);
    audit::record(unit, scope, Action::ChannelConnected, id, changes).await?;
    Ok(Connected { id, webhook_url: hook_url(&app, new.provider, hook_token), verify_token: verify_token.clone() })
}

fn seal(app: &App, key: &DataKey, scope: WorkspaceScope, id: i64, credentials: &Credentials) -> Result<String> {
    let texts: BTreeMap<&str, &str> =
        credentials.iter().map(|(name, secret)| (name.as_str(), secret.reveal())).collect();
    let text = Secret::new(serde_json::to_string(&texts).map_err(Error::internal)?);
    key.seal(&context(scope, id), text.reveal(), &*app.random)
}

/// Disconnects a channel; its contacts and conversations stay.
pub async fn disconnect(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    let now = unit.now();
    if !store::disconnect(&mut unit.tx, scope, id, now).await? {
        // Disconnecting what is not connected changes nothing; what does not exist is not found.
        return store::find(&mut unit.tx, scope, id).await?.map(|_| ()).ok_or_else(not_found);
    }
    audit::record(unit, scope, Action::ChannelDisconnected, id, Changes::none()).await?;
    lost(unit, scope, id).await
}

/// Stops a channel whose credentials the provider refuses. What waits in its queue is kept for a reconnection.
pub async fn stop(unit: &mut Unit, account: &Account, why: &str) -> Result<()> {
    let now = unit.now();
    if store::stop(&mut unit.tx, account.scope, account.id, &account.sealed, why, now).await? {
        audit::record(unit, account.scope, Action::ChannelStopped, account.id, Changes::of("sync_error", why)).await?;
        lost(unit, account.scope, account.id).await?;
    }
    Ok(())
}

async fn lost(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    meter::give_back_channel(unit, scope).await?;
    tell_partner(unit, scope, DISCONNECTED, id).await
}

/// What `partner.client.channel.connected` and `partner.client.channel.disconnected` say.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientChannelEvent<'a> {
    #[schema(example = 115)]
    pub client_id: i64,
    #[schema(example = "Gulf Logistics")]
    pub company_name: &'a str,
    pub channel: ToldChannel<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ToldChannel<'a> {
    #[schema(example = 4)]
    pub id: i64,
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "whatsapp")]
    pub kind: &'a str,
    /// Its number or name at the provider.
    #[schema(example = "+966501234567")]
    pub username: Option<&'a str>,
}

async fn tell_partner(unit: &mut Unit, scope: WorkspaceScope, event: &'static str, id: i64) -> Result<()> {
    let channel = store::find(&mut unit.tx, scope, id).await?.ok_or_else(not_found)?;
    let (partner, company_name) = workspaces::partner_of(&mut unit.tx, scope).await?;
    let (kind, username) = (channel.kind.as_str(), channel.username.as_deref());
    let data = ClientChannelEvent {
        client_id: scope.id(),
        company_name: &company_name,
        channel: ToldChannel { id, kind, username },
    };
    events::record_for_partner(unit, partner, event, scope.id(), &data).await?;
    match event {
        CONNECTED => hub::record_connected(unit, partner, scope, id).await?,
        _ => hub::record_lost(unit, partner, scope, id).await?,
    }
    unit.changed();
    Ok(())
}
