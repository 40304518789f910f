//! A number as the second partner API tells of it: what a WhatsApp channel is, under its other id.

use super::store;
use crate::app::Unit;
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Instant, Result};
use crate::workspaces::hub::{Client, ContactInfo};
use crate::{events, workspaces};
use serde::Serialize;

/// A number of a client.
#[derive(Debug, Serialize)]
struct Channel {
    id: String,
    client_id: String,
    client: Whose,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    hub_status: &'static str,
    account_mode: &'static str,
    /// The provider's own id of it.
    external_id: Option<String>,
    current_limit: Option<&'static str>,
    current_quality_rating: Option<&'static str>,
    is_migrated: bool,
    billing_started_at: Option<String>,
    terminated_at: Option<String>,
    cancelled_at: Option<String>,
    created_at: String,
    modified_at: String,
    setup_info: SetupInfo,
    integration: Integration,
}

#[derive(Debug, Serialize)]
struct Whose {
    id: String,
    name: String,
    partner_payload: String,
    contact_info: ContactInfo,
}

#[derive(Debug, Serialize)]
struct SetupInfo {
    /// Without a plus.
    phone_number: String,
    phone_name: String,
}

#[derive(Debug, Serialize)]
struct Integration {
    enabled: bool,
    app_id: String,
    state: &'static str,
}

/// A channel with what its columns say.
#[derive(Debug)]
pub struct HubRow {
    pub public_id: Option<String>,
    pub kind: String,
    pub provider: Option<String>,
    pub name: Option<String>,
    pub username: Option<String>,
    pub identity: Option<String>,
    pub is_connected: bool,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// Tells the partner's hub that a number works: of one that is new, all its stages.
pub async fn record_connected(unit: &mut Unit, partner: PartnerScope, scope: WorkspaceScope, id: i64) -> Result<()> {
    let stages = ["channel_created", "channel_ready", "channel_running", "channel_live"];
    record(unit, partner, scope, id, &stages).await
}

/// Tells the partner's hub that a number does not work any more.
pub async fn record_lost(unit: &mut Unit, partner: PartnerScope, scope: WorkspaceScope, id: i64) -> Result<()> {
    record(unit, partner, scope, id, &["channel_status_changed"]).await
}

async fn record(
    unit: &mut Unit,
    partner: PartnerScope,
    scope: WorkspaceScope,
    id: i64,
    stages: &[&'static str],
) -> Result<()> {
    let Some(row) = store::hub(&mut unit.tx, scope, id).await?.filter(|row| row.kind == "whatsapp") else {
        return Ok(());
    };
    let is_new = row.public_id.is_none();
    let public_id = match &row.public_id {
        Some(known) => known.clone(),
        None => {
            let fresh = format!("{}CH", unit.app().random.alphanumeric(8));
            store::set_public_id(&mut unit.tx, scope, id, &fresh).await?;
            fresh
        }
    };
    let client = workspaces::hub::client(&mut unit.tx, partner, scope).await?;
    let channel = Channel::of(public_id, client, row);
    for stage in stages.iter().filter(|stage| is_new || **stage != "channel_created") {
        events::record_for_partner(unit, partner, stage, scope.id(), &channel).await?;
    }
    Ok(())
}

impl Channel {
    fn of(id: String, client: Client, row: HubRow) -> Self {
        let (hub_status, status) = if row.is_connected { ("running", "ready") } else { ("stopped", "error") };
        let phone = row.username.unwrap_or_default();
        let since = row.created_at.to_whole_seconds();
        Self {
            id,
            client_id: client.id.clone(),
            client: Whose {
                id: client.id,
                name: client.name,
                partner_payload: client.partner_payload,
                contact_info: client.contact_info,
            },
            kind: "whatsapp",
            status,
            hub_status,
            account_mode: if row.provider.as_deref() == Some("sandbox") { "sandbox" } else { "live" },
            integration: Integration {
                enabled: row.is_connected,
                app_id: row.identity.clone().unwrap_or_default(),
                state: hub_status,
            },
            external_id: row.identity,
            current_limit: None,
            current_quality_rating: None,
            is_migrated: false,
            billing_started_at: Some(since.clone()),
            terminated_at: None,
            cancelled_at: None,
            created_at: since,
            modified_at: row.updated_at.to_whole_seconds(),
            setup_info: SetupInfo {
                phone_number: phone.chars().filter(char::is_ascii_digit).collect(),
                phone_name: row.name.unwrap_or_default(),
            },
        }
    }
}
