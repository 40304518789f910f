//! All SQL of `plan`, `meter` and `meter_month`.

use super::meter::{BookingCounts, Counts};
use crate::auth::WorkspaceScope;
use crate::kernel::Month;
use skylight_db::{Read, Result, Tx, args, from_row};

pub struct PlanRow {
    pub id: i64,
    pub name: String,
    pub slug: String,
    pub contacts: i64,
    pub messages_per_month: i64,
    pub team_members: i64,
    pub channels: i64,
    pub webhooks: bool,
    pub api_access: bool,
    pub booking: bool,
    pub ai_agents: bool,
    pub campaigns: bool,
}
from_row!(PlanRow {
    id,
    name,
    slug,
    contacts,
    messages_per_month,
    team_members,
    channels,
    webhooks,
    api_access,
    booking,
    ai_agents,
    campaigns
});

/// What a workspace has a number of now.
#[derive(Clone, Copy, Debug)]
pub enum Gauge {
    Contacts,
    Blacklisted,
    TeamMembers,
    Channels,
}

impl Gauge {
    pub fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Blacklisted => "blacklisted",
            Self::TeamMembers => "team members",
            Self::Channels => "channels",
        }
    }
}

pub async fn all(read: impl Read) -> Result<Vec<PlanRow>> {
    read.all(
        "SELECT id, name, slug, contacts, messages_per_month, team_members, channels,
                webhooks, api_access, plan.booking, ai_agents, campaigns
         FROM plan ORDER BY id",
        args![],
    )
    .await
}

pub async fn id_of(read: impl Read, slug: &str) -> Result<Option<i64>> {
    read.opt("SELECT id FROM plan WHERE slug = $1", args![slug]).await
}

pub async fn open_meter(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec("INSERT INTO meter (workspace_id) VALUES ($1)", args![scope]).await.map(|_| ())
}

/// Takes one place, if the plan has one left.
pub async fn take_gauge(tx: &mut Tx, scope: WorkspaceScope, gauge: Gauge) -> Result<bool> {
    let sql = match gauge {
        Gauge::Contacts => {
            "UPDATE meter SET contacts = contacts + 1 WHERE workspace_id = $1 AND EXISTS (
                 SELECT 1 FROM workspace JOIN plan ON plan.id = workspace.plan_id
                 WHERE workspace.id = $1 AND (plan.contacts < 0 OR meter.contacts < plan.contacts))"
        }
        Gauge::TeamMembers => {
            "UPDATE meter SET team_members = team_members + 1 WHERE workspace_id = $1 AND EXISTS (
                 SELECT 1 FROM workspace JOIN plan ON plan.id = workspace.plan_id
                 WHERE workspace.id = $1 AND (plan.team_members < 0 OR meter.team_members < plan.team_members))"
        }
        Gauge::Channels => {
            "UPDATE meter SET channels = channels + 1 WHERE workspace_id = $1 AND EXISTS (
                 SELECT 1 FROM workspace JOIN plan ON plan.id = workspace.plan_id
                 WHERE workspace.id = $1 AND (plan.channels < 0 OR meter.channels < plan.channels)
                   AND (workspace.max_channels IS NULL OR meter.channels < workspace.max_channels))"
        }
        Gauge::Blacklisted => return move_gauge(tx, scope, gauge, 1).await.map(|()| true),
    };
    Ok(tx.exec(sql, args![scope]).await? == 1)
}

/// Whether one more place would be given.
pub async fn has_room(read: impl Read, scope: WorkspaceScope, gauge: Gauge) -> Result<bool> {
    let sql = match gauge {
        Gauge::Channels => {
            "SELECT (plan.channels < 0 OR meter.channels < plan.channels)
                    AND (workspace.max_channels IS NULL OR meter.channels < workspace.max_channels)
             FROM meter JOIN workspace ON workspace.id = meter.workspace_id JOIN plan ON plan.id = workspace.plan_id
             WHERE meter.workspace_id = $1"
        }
        _ => {
            "SELECT plan.contacts < 0 OR meter.contacts < plan.contacts
             FROM meter JOIN workspace ON workspace.id = meter.workspace_id JOIN plan ON plan.id = workspace.plan_id
             WHERE meter.workspace_id = $1"
        }
    };
    Ok(read.opt(sql, args![scope]).await?.unwrap_or(false))
}

pub async fn move_gauge(tx: &mut Tx, scope: WorkspaceScope, gauge: Gauge, by: i64) -> Result<()> {
    let sql = match gauge {
        Gauge::Contacts => "UPDATE meter SET contacts = contacts + $2 WHERE workspace_id = $1",
        Gauge::Blacklisted => "UPDATE meter SET blacklisted = blacklisted + $2 WHERE workspace_id = $1",
        Gauge::TeamMembers => "UPDATE meter SET team_members = team_members + $2 WHERE workspace_id = $1",
        Gauge::Channels => "UPDATE meter SET channels = channels + $2 WHERE workspace_id = $1",
    };
    tx.exec(sql, args![scope, by]).await.map(|_| ())
}

pub async fn contacts(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    Ok(read.opt("SELECT contacts FROM meter WHERE workspace_id = $1", args![scope]).await?.unwrap_or(0))
}

/// Adds to the month's counters.
pub async fn count(tx: &mut Tx, scope: WorkspaceScope, month: Month, counts: Counts) -> Result<()> {
    let Counts { contacts_created, messages_sent, messages_received, messages_failed } = counts;
    tx.exec(
        "INSERT INTO meter_month (workspace_id, month, contacts, blacklisted, contacts_created,
                                  messages_sent, messages_received, messages_failed)
         SELECT workspace_id, CAST($2 AS BIGINT), contacts, blacklisted, CAST($3 AS BIGINT),
                CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT)
         FROM meter WHERE workspace_id = $1
         ON CONFLICT (workspace_id, month) DO UPDATE SET
             contacts_created = meter_month.contacts_created + excluded.contacts_created,
             messages_sent = meter_month.messages_sent + excluded.messages_sent,
             messages_received = meter_month.messages_received + excluded.messages_received,
             messages_failed = meter_month.messages_failed + excluded.messages_failed",
        args![scope, month, contacts_created, messages_sent, messages_received, messages_failed],
    )
    .await
    .map(|_| ())
}

/// Adds to the month's counters of bookings.
pub async fn count_bookings(tx: &mut Tx, scope: WorkspaceScope, month: Month, counts: BookingCounts) -> Result<()> {
    let BookingCounts { created, completed, cancelled } = counts;
    tx.exec(
        "INSERT INTO meter_month (workspace_id, month, contacts, blacklisted, bookings_created, bookings_completed,
                                  bookings_cancelled)
         SELECT workspace_id, CAST($2 AS BIGINT), contacts, blacklisted, CAST($3 AS BIGINT), CAST($4 AS BIGINT),
                CAST($5 AS BIGINT)
         FROM meter WHERE workspace_id = $1
         ON CONFLICT (workspace_id, month) DO UPDATE SET
             bookings_created = meter_month.bookings_created + excluded.bookings_created,
             bookings_completed = meter_month.bookings_completed + excluded.bookings_completed,
             bookings_cancelled = meter_month.bookings_cancelled + excluded.bookings_cancelled",
        args![scope, month, created, completed, cancelled],
    )
    .await
    .map(|_| ())
}

/// Likewise, and copies the gauges, so that a closed month keeps its last ones. Only for a transaction that holds the
/// meter's row, because it has just moved a gauge: anybody else could copy what is no longer true.
pub async fn count_with_gauges(tx: &mut Tx, scope: WorkspaceScope, month: Month, counts: Counts) -> Result<()> {
    let Counts { contacts_created, messages_sent, messages_received, messages_failed } = counts;
    tx.exec(
        "INSERT INTO meter_month (workspace_id, month, contacts, blacklisted, contacts_created,
                                  messages_sent, messages_received, messages_failed)
         SELECT workspace_id, CAST($2 AS BIGINT), contacts, blacklisted, CAST($3 AS BIGINT),
                CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT)
         FROM meter WHERE workspace_id = $1
         ON CONFLICT (workspace_id, month) DO UPDATE SET
             contacts = excluded.contacts,
             blacklisted = excluded.blacklisted,
             contacts_created = meter_month.contacts_created + excluded.contacts_created,
             messages_sent = meter_month.messages_sent + excluded.messages_sent,
             messages_received = meter_month.messages_received + excluded.messages_received,
             messages_failed = meter_month.messages_failed + excluded.messages_failed",
        args![scope, month, contacts_created, messages_sent, messages_received, messages_failed],
    )
    .await
    .map(|_| ())
}

/// Takes one message from the month's allowance, if there is one left.
pub async fn take_message(tx: &mut Tx, scope: WorkspaceScope, month: Month) -> Result<bool> {
    let changed = tx
        .exec(
            "INSERT INTO meter_month (workspace_id, month, contacts, blacklisted, messages_accepted)
             SELECT meter.workspace_id, CAST($2 AS BIGINT), meter.contacts, meter.blacklisted, 1
             FROM meter JOIN workspace ON workspace.id = meter.workspace_id JOIN plan ON plan.id = workspace.plan_id
             WHERE meter.workspace_id = $1 AND plan.messages_per_month <> 0
             ON CONFLICT (workspace_id, month) DO UPDATE SET messages_accepted = meter_month.messages_accepted + 1
             WHERE EXISTS (SELECT 1 FROM workspace JOIN plan ON plan.id = workspace.plan_id
                           WHERE workspace.id = $1
                             AND (plan.messages_per_month < 0 OR meter_month.messages_accepted < plan.messages_per_month))",
            args![scope, month],
        )
        .await?;
    Ok(changed == 1)
}
