//! Reads of the meters, for reports. The last month that was counted up to the asked one carries the gauges forward.

use super::{ClientLine, Summary};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Instant, Month, Page};
use skylight_db::{Db, Read, Result, args, from_row};

pub struct MonthRow {
    /// When the workspace was made.
    pub born: Instant,
    pub month: i64,
    pub contacts: i64,
    pub blacklisted: i64,
    pub contacts_created: i64,
    pub messages_sent: i64,
    pub messages_received: i64,
    pub messages_failed: i64,
    pub bookings_created: i64,
    pub bookings_completed: i64,
    pub bookings_cancelled: i64,
    pub team_members: i64,
}
from_row!(MonthRow {
    born,
    month,
    contacts,
    blacklisted,
    contacts_created,
    messages_sent,
    messages_received,
    messages_failed,
    bookings_created,
    bookings_completed,
    bookings_cancelled,
    team_members
});

pub async fn month(db: &Db, scope: WorkspaceScope, month: Month) -> Result<MonthRow> {
    db.one(
        "SELECT workspace.created_at, COALESCE(counted.month, 0), COALESCE(counted.contacts, 0), COALESCE(counted.blacklisted, 0),
                COALESCE(counted.contacts_created, 0), COALESCE(counted.messages_sent, 0),
                COALESCE(counted.messages_received, 0), COALESCE(counted.messages_failed, 0),
                COALESCE(counted.bookings_created, 0), COALESCE(counted.bookings_completed, 0),
                COALESCE(counted.bookings_cancelled, 0), meter.team_members
         FROM meter
         JOIN workspace ON workspace.id = meter.workspace_id
         LEFT JOIN meter_month AS counted ON counted.workspace_id = meter.workspace_id
              AND counted.month = (SELECT MAX(month) FROM meter_month WHERE workspace_id = $1 AND month <= $2)
         WHERE meter.workspace_id = $1",
        args![scope, month],
    )
    .await
}

pub async fn channels_connected(db: &Db, scope: WorkspaceScope) -> Result<Vec<String>> {
    db.all(
        "SELECT type FROM channel WHERE workspace_id = $1 AND is_connected GROUP BY type ORDER BY MIN(id)",
        args![scope],
    )
    .await
}

from_row!(Summary { total_clients, active_clients, total_messages_sent, total_contacts, total_ai_sessions });

/// One look into the index for each client: joined with its last month, PostgreSQL would read all months of all clients.
pub async fn summary(db: &Db, partner: PartnerScope, month: Month) -> Result<Summary> {
    db.one(
        "SELECT COUNT(*), COALESCE(CAST(SUM(CASE WHEN workspace.status = 'active' THEN 1 ELSE 0 END) AS BIGINT), 0),
                COALESCE(CAST(SUM(counted.messages_sent) AS BIGINT), 0),
                COALESCE(CAST(SUM((SELECT latest.contacts FROM meter_month AS latest
                                   WHERE latest.workspace_id = workspace.id AND latest.month <= $2
                                   ORDER BY latest.month DESC LIMIT 1)) AS BIGINT), 0),
                CAST(0 AS BIGINT)
         FROM workspace
         LEFT JOIN meter_month AS counted ON counted.workspace_id = workspace.id AND counted.month = $2
         WHERE workspace.partner_id = $1 AND workspace.status <> 'deleted'",
        args![partner, month],
    )
    .await
}

from_row!(ClientLine { client_id, company_name, plan, messages_sent, contacts, ai_agent_sessions });

pub async fn page(db: &Db, partner: PartnerScope, month: Month, page: Page) -> Result<Vec<ClientLine>> {
    db.all(
        "SELECT workspace.id, workspace.company_name, plan.slug,
                CASE WHEN counted.month = $2 THEN counted.messages_sent ELSE 0 END,
                COALESCE(counted.contacts, 0), CAST(0 AS BIGINT)
         FROM workspace
         JOIN plan ON plan.id = workspace.plan_id
         LEFT JOIN meter_month AS counted ON counted.workspace_id = workspace.id
              AND counted.month = (SELECT MAX(month) FROM meter_month AS latest
                                   WHERE latest.workspace_id = workspace.id AND latest.month <= $2)
         WHERE workspace.partner_id = $1 AND workspace.status <> 'deleted' AND workspace.id < $5
         ORDER BY workspace.id DESC LIMIT $3 OFFSET $4",
        args![partner, month, page.limit(), page.offset(), page.before().id],
    )
    .await
}

/// Gauges that differ from the rows they count, as `(workspace, what, kept, counted)`.
pub async fn all_workspaces_differences(db: &Db) -> Result<Vec<(i64, String, i64, i64)>> {
    db.all(
        "WITH counted AS (
             SELECT meter.workspace_id, 'contacts' AS what, meter.contacts AS kept,
                    (SELECT COUNT(*) FROM contact WHERE contact.workspace_id = meter.workspace_id) AS found FROM meter
             UNION ALL
             SELECT meter.workspace_id, 'blacklisted', meter.blacklisted,
                    (SELECT COUNT(*) FROM contact WHERE contact.workspace_id = meter.workspace_id AND blacklisted) FROM meter
             UNION ALL
             SELECT meter.workspace_id, 'team_members', meter.team_members,
                    (SELECT COUNT(*) FROM team_member WHERE team_member.workspace_id = meter.workspace_id) FROM meter
             UNION ALL
             SELECT meter.workspace_id, 'channels', meter.channels,
                    (SELECT COUNT(*) FROM channel WHERE channel.workspace_id = meter.workspace_id AND is_connected) FROM meter
             UNION ALL
             SELECT meter.workspace_id, 'conversations',
                    (SELECT COALESCE(CAST(SUM(conversations) AS BIGINT), 0) FROM conversation_count
                     WHERE conversation_count.workspace_id = meter.workspace_id),
                    (SELECT COUNT(*) FROM conversation WHERE conversation.workspace_id = meter.workspace_id) FROM meter
             UNION ALL
             SELECT meter.workspace_id, 'messages_sent',
                    (SELECT COALESCE(CAST(SUM(messages_sent) AS BIGINT), 0) FROM meter_month
                     WHERE meter_month.workspace_id = meter.workspace_id),
                    (SELECT COUNT(*) FROM message WHERE message.workspace_id = meter.workspace_id
                        AND direction = 'outbound' AND sent_at IS NOT NULL) FROM meter
             UNION ALL
             SELECT meter.workspace_id, 'bookings',
                    (SELECT COALESCE(CAST(SUM(bookings_created) AS BIGINT), 0) FROM meter_month
                     WHERE meter_month.workspace_id = meter.workspace_id),
                    (SELECT COUNT(*) FROM booking WHERE booking.workspace_id = meter.workspace_id) FROM meter
         )
         SELECT counted.workspace_id, what, kept, found FROM counted
         JOIN workspace ON workspace.id = counted.workspace_id
         WHERE workspace.status <> 'deleted'
           -- messages and bookings of deleted contacts are gone, but were there
           AND (kept < found OR (kept > found AND what NOT IN ('messages_sent', 'bookings')))
         ORDER BY counted.workspace_id, what",
        args![],
    )
    .await
}
