//! Accounts at messaging providers: connecting them, proving what they post, speaking to them. One file per provider
//! behind the [`Provider`](provider::Provider) trait. Tables: `channel`, `inbound`.

mod account;
pub mod api;
mod connect;
mod graph;
mod hub;
mod inbound;
pub mod provider;
mod sandbox;
mod store;
mod telegram;
mod whatsapp;

pub use account::{Account, by_hook, by_id, check, for_sending};
pub use connect::{ClientChannelEvent, Connected, NewChannel, connect, disconnect, open_settings, stop};
pub use inbound::{INBOUND_LANE, SENDING_LANE, StoredInbound, accept, bodies, forget, note_taken};
pub use sandbox::Simulated;

use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Instant, Result, Timezone};
use serde::Serialize;
use skylight_db::Read;
use utoipa::ToSchema;

/// A channel setting, connected or not.
#[derive(Debug, Serialize, ToSchema)]
pub struct Channel {
    #[schema(example = 2)]
    pub id: i64,
    #[serde(rename = "type")]
    #[schema(example = "telegram")]
    pub kind: String,
    /// Who carries it: `cloud`, `bot`, `sandbox`; null before the first connection.
    #[schema(example = "bot")]
    pub provider: Option<String>,
    #[schema(example = "بوت نخيل")]
    pub name: Option<String>,
    /// Account name or phone number.
    #[schema(example = "@NakheelSupport")]
    pub username: Option<String>,
    pub is_connected: bool,
    #[schema(example = "active")]
    pub status: &'static str,
    /// `OK`, or what keeps it from working: `CREDENTIALS`, `ERROR`, `STOPPED`.
    #[schema(example = "OK")]
    pub sync_status: String,
    pub sync_error: Option<String>,
    /// In the workspace's time zone, with its offset.
    #[schema(example = "2026-02-01T12:30:00+03:00")]
    pub last_synced_at: Option<String>,
    pub created_at: Instant,
}

/// A channel setting as `GET /account/channels` shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelStatus {
    #[schema(example = 2)]
    pub id: i64,
    #[serde(rename = "type")]
    #[schema(example = "telegram")]
    pub kind: String,
    #[schema(example = "بوت نخيل")]
    pub name: Option<String>,
    #[schema(example = "@NakheelSupport")]
    pub username: Option<String>,
    pub is_connected: bool,
    #[schema(example = "active")]
    pub status: &'static str,
    #[schema(example = "2026-02-01T09:30:00Z")]
    pub last_synced_at: Option<String>,
}

/// Every channel setting, in the order they were made.
pub async fn statuses(read: impl Read, scope: WorkspaceScope) -> Result<Vec<ChannelStatus>> {
    let rows = store::all(read, scope).await?;
    Ok(rows.into_iter().map(ChannelStatus::from).collect())
}

pub async fn list(read: impl Read, scope: WorkspaceScope, zone: &Timezone) -> Result<Vec<Channel>> {
    let rows = store::all(read, scope).await?;
    Ok(rows.into_iter().map(|row| row.channel(zone)).collect())
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64, zone: &Timezone) -> Result<Channel> {
    let row = store::find(read, scope, id).await?.ok_or_else(not_found)?;
    Ok(row.channel(zone))
}

fn not_found() -> Error {
    Error::no_such("Channel")
}

fn status(is_connected: bool) -> &'static str {
    if is_connected { "active" } else { "inactive" }
}

impl From<store::ChannelRow> for ChannelStatus {
    fn from(row: store::ChannelRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            name: row.name,
            username: row.username,
            is_connected: row.is_connected,
            status: status(row.is_connected),
            last_synced_at: row.last_synced_at.map(Instant::to_whole_seconds),
        }
    }
}

impl store::ChannelRow {
    fn channel(self, zone: &Timezone) -> Channel {
        Channel {
            id: self.id,
            kind: self.kind,
            provider: self.provider,
            name: self.name,
            username: self.username,
            is_connected: self.is_connected,
            status: status(self.is_connected),
            sync_status: self.sync_status,
            sync_error: self.sync_error,
            last_synced_at: self.last_synced_at.map(|at| at.to_local(zone)),
            created_at: self.created_at,
        }
    }
}
