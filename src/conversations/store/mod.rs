//! All SQL of `conversation` (in its own file), `message`, `contact_address` and `early_status`.

mod conversation;

pub use conversation::*;

use super::{Message, MessageError};
use crate::auth::WorkspaceScope;
use crate::channels::provider::{Failure, Progress};
use crate::kernel::{Instant, Page};
use skylight_db::{Db, Param, Read, Result, Tx, Value, args, from_row, padded, placeholders};

pub struct MessageRow {
    id: i64,
    contact_id: i64,
    direction: String,
    channel: String,
    channel_id: i64,
    kind: String,
    content: String,
    status: String,
    error_class: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
    sent_at: Option<Instant>,
    delivered_at: Option<Instant>,
    read_at: Option<Instant>,
    failed_at: Option<Instant>,
    created_at: Instant,
}
from_row!(MessageRow {
    id,
    contact_id,
    direction,
    channel,
    channel_id,
    kind,
    content,
    status,
    error_class,
    error_code,
    error_message,
    sent_at,
    delivered_at,
    read_at,
    failed_at,
    created_at
});

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        let error = row.error_class.map(|class| MessageError {
            class,
            code: row.error_code.unwrap_or_default(),
            message: row.error_message.unwrap_or_default(),
        });
        Self {
            id: row.id,
            contact_id: row.contact_id,
            direction: row.direction,
            channel: row.channel,
            channel_id: row.channel_id,
            kind: row.kind,
            content: row.content,
            status: row.status,
            error,
            sent_at: row.sent_at,
            delivered_at: row.delivered_at,
            read_at: row.read_at,
            failed_at: row.failed_at,
            created_at: row.created_at,
        }
    }
}

pub async fn messages(
    db: &Db,
    scope: WorkspaceScope,
    contact: i64,
    direction: Option<&str>,
    page: Page,
) -> Result<Vec<MessageRow>> {
    db.all(
        "SELECT id, contact_id, direction, channel, channel_id, kind, content, status, error_class, error_code,
                error_message, sent_at, delivered_at, read_at, failed_at, created_at
         FROM message WHERE workspace_id = $1 AND contact_id = $2 AND (direction = $3 OR $3 IS NULL)
           AND id < $6
         ORDER BY id DESC LIMIT $4 OFFSET $5",
        args![scope, contact, direction, page.limit(), page.offset(), page.before().id],
    )
    .await
}

pub async fn count_messages(db: &Db, scope: WorkspaceScope, contact: i64, direction: Option<&str>) -> Result<i64> {
    db.one(
        "SELECT COUNT(*) FROM message
         WHERE workspace_id = $1 AND contact_id = $2 AND (direction = $3 OR $3 IS NULL)",
        args![scope, contact, direction],
    )
    .await
}

pub async fn message(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<MessageRow>> {
    read.opt(
        "SELECT id, contact_id, direction, channel, channel_id, kind, content, status, error_class, error_code,
                error_message, sent_at, delivered_at, read_at, failed_at, created_at
         FROM message WHERE workspace_id = $1 AND id = $2",
        args![scope, id],
    )
    .await
}

pub async fn address(tx: &mut Tx, scope: WorkspaceScope, channel: i64, contact: i64) -> Result<Option<String>> {
    tx.opt(
        "SELECT contact_address.address FROM contact_address
         JOIN contact ON contact.workspace_id = contact_address.workspace_id AND contact.id = contact_address.contact_id
         WHERE contact_address.workspace_id = $1 AND contact_address.channel_id = $2 AND contact_address.contact_id = $3
           AND (contact_address.phone IS NULL OR contact_address.phone = contact.phone)
         ORDER BY contact_address.address LIMIT 1",
        args![scope, channel, contact],
    )
    .await
}

/// Whose address this is; nobody's once its contact has another number than when it was learned.
pub async fn contact_of_address(
    tx: &mut Tx,
    scope: WorkspaceScope,
    channel: i64,
    address: &str,
) -> Result<Option<i64>> {
    tx.opt(
        "SELECT contact_address.contact_id FROM contact_address
         JOIN contact ON contact.workspace_id = contact_address.workspace_id AND contact.id = contact_address.contact_id
         WHERE contact_address.workspace_id = $1 AND contact_address.channel_id = $2 AND contact_address.address = $3
           AND (contact_address.phone IS NULL OR contact_address.phone = contact.phone)",
        args![scope, channel, address],
    )
    .await
}

/// Whose some addresses are, or were until their contact's number changed.
pub async fn contacts_of_addresses(
    tx: &mut Tx,
    scope: WorkspaceScope,
    channel: i64,
    addresses: &[&str],
) -> Result<Vec<i64>> {
    let (names, mut values) = padded(3, addresses);
    values.splice(0..0, [scope.value(), Value::Int(channel)]);
    let sql = format!(
        "SELECT contact_id FROM contact_address WHERE workspace_id = $1 AND channel_id = $2 AND address IN ({names})"
    );
    tx.all(&sql, &values).await
}

/// Remembers how a provider knows the contact we sent to, if they still have the number it was sent to. The first to be
/// remembered stays.
pub async fn insert_address(tx: &mut Tx, scope: WorkspaceScope, a: &NewAddress<'_>) -> Result<()> {
    tx.exec(
        "INSERT INTO contact_address (workspace_id, channel_id, address, contact_id, phone)
         SELECT workspace_id, CAST($2 AS BIGINT), CAST($3 AS TEXT), id, phone FROM contact
         WHERE workspace_id = $1 AND id = $4 AND phone = $5
         ON CONFLICT (workspace_id, channel_id, address) DO NOTHING",
        args![scope, a.channel, a.address, a.contact, a.sent_to],
    )
    .await
    .map(|_| ())
}

/// What an accepted send taught us.
pub struct NewAddress<'a> {
    pub channel: i64,
    pub contact: i64,
    pub sent_to: &'a str,
    pub address: &'a str,
}

/// Remembers it for the contact who just wrote from there, in place of one it no longer belongs to.
pub async fn move_address(tx: &mut Tx, scope: WorkspaceScope, channel: i64, address: &str, contact: i64) -> Result<()> {
    tx.exec(
        "INSERT INTO contact_address (workspace_id, channel_id, address, contact_id, phone)
         SELECT workspace_id, CAST($2 AS BIGINT), CAST($3 AS TEXT), id, phone FROM contact
         WHERE workspace_id = $1 AND id = $4
         ON CONFLICT (workspace_id, channel_id, address) DO UPDATE SET
             contact_id = excluded.contact_id, phone = excluded.phone",
        args![scope, channel, address, contact],
    )
    .await
    .map(|_| ())
}

pub struct NewInbound<'a> {
    pub contact: i64,
    pub channel: i64,
    pub kind: &'a str,
    pub type_: &'a str,
    pub content: &'a str,
    pub address: &'a str,
    pub provider_id: &'a str,
    pub sent_at: Instant,
    pub raw: Option<&'a str>,
    pub now: Instant,
}

/// None when this message is there already.
pub async fn insert_inbound(tx: &mut Tx, scope: WorkspaceScope, m: &NewInbound<'_>) -> Result<Option<i64>> {
    tx.opt(
        "INSERT INTO message (workspace_id, contact_id, channel_id, direction, channel, kind, content, status, send_state,
                              address, provider_id, sent_at, raw, created_at)
         VALUES ($1, $2, $3, 'inbound', $4, $5, $6, 'received', 'none', $7, $8, $9, $10, $11)
         ON CONFLICT (workspace_id, channel_id, provider_id) WHERE provider_id IS NOT NULL DO NOTHING RETURNING id",
        args![scope, m.contact, m.channel, m.type_, m.kind, m.content, m.address, m.provider_id, m.sent_at, m.raw, m.now],
    )
    .await
}

pub async fn has_message(tx: &mut Tx, scope: WorkspaceScope, channel: i64, provider_id: &str) -> Result<bool> {
    let found: Option<i64> = tx
        .opt(
            "SELECT id FROM message WHERE workspace_id = $1 AND channel_id = $2 AND provider_id = $3",
            args![scope, channel, provider_id],
        )
        .await?;
    Ok(found.is_some())
}

pub struct NewOutbound<'a> {
    pub contact: i64,
    pub channel: i64,
    pub kind: &'a str,
    pub content: &'a str,
    pub address: &'a str,
    pub now: Instant,
}

pub async fn insert_outbound(tx: &mut Tx, scope: WorkspaceScope, m: &NewOutbound<'_>) -> Result<i64> {
    tx.one(
        "INSERT INTO message (workspace_id, contact_id, channel_id, direction, channel, kind, content, status, send_state,
                              address, created_at)
         VALUES ($1, $2, $3, 'outbound', $4, 'text', $5, 'pending', 'queued', $6, $7) RETURNING id",
        args![scope, m.contact, m.channel, m.kind, m.content, m.address, m.now],
    )
    .await
}

pub struct SendRow {
    pub id: i64,
    pub address: Option<String>,
    pub content: String,
}
from_row!(SendRow { id, address, content });

/// Takes queued messages for calling. Of two workers who want the same message one gets it: the statement decides.
pub async fn begin_calls(tx: &mut Tx, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<SendRow>> {
    let names = placeholders(2, ids.len());
    let sql = format!(
        "UPDATE message SET send_state = 'calling'
         WHERE workspace_id = $1 AND id IN ({names}) AND send_state = 'queued' RETURNING id, address, content"
    );
    let values: Vec<Value<'_>> = std::iter::once(scope.value()).chain(ids.iter().map(Param::value)).collect();
    tx.all(&sql, &values).await
}

/// The provider took the message. Its status may have told us the id already.
pub async fn set_accepted(tx: &mut Tx, scope: WorkspaceScope, id: i64, provider_id: &str) -> Result<()> {
    tx.exec(
        "UPDATE message SET provider_id = COALESCE(provider_id, $3), send_state = 'settled',
                error_class = CASE WHEN status = 'failed' THEN error_class END,
                error_code = CASE WHEN status = 'failed' THEN error_code END,
                error_message = CASE WHEN status = 'failed' THEN error_message END
         WHERE workspace_id = $1 AND id = $2",
        args![scope, id, provider_id],
    )
    .await
    .map(|_| ())
}

/// Shows a trouble on a message without deciding its fate.
pub async fn set_trouble(tx: &mut Tx, scope: WorkspaceScope, id: i64, state: &str, f: &Failure) -> Result<()> {
    tx.exec(
        "UPDATE message SET send_state = $3, error_class = $4, error_code = $5, error_message = $6
         WHERE workspace_id = $1 AND id = $2 AND send_state IN ('queued', 'calling') AND status = 'pending'",
        args![scope, id, state, f.class.word(), f.code, f.message],
    )
    .await
    .map(|_| ())
}

/// Nobody knows whether it went out: it is never sent again by itself, a status or a person settles it.
pub async fn set_unclear(tx: &mut Tx, scope: WorkspaceScope, id: i64, why: &str) -> Result<()> {
    tx.exec(
        "UPDATE message SET send_state = 'unknown', error_class = 'outcome_unknown', error_code = 'outcome_unknown',
                error_message = $3
         WHERE workspace_id = $1 AND id = $2 AND send_state = 'calling' AND status = 'pending'",
        args![scope, id, why],
    )
    .await
    .map(|_| ())
}

/// The message a status speaks of, by our own reference or the provider's id.
pub async fn find_outbound(
    tx: &mut Tx,
    scope: WorkspaceScope,
    channel: i64,
    id: Option<i64>,
    provider_id: &str,
) -> Result<Option<(i64, i64)>> {
    tx.opt(
        "SELECT id, contact_id FROM message
         WHERE workspace_id = $1 AND channel_id = $2 AND direction = 'outbound'
           AND (provider_id = $3 OR (id = $4 AND (provider_id IS NULL OR provider_id = $3)))
         ORDER BY id LIMIT 1",
        args![scope, channel, provider_id, id],
    )
    .await
}

/// Notes when the message left, once; true for the one who noted it.
pub async fn set_sent(tx: &mut Tx, scope: WorkspaceScope, id: i64, provider_id: &str, at: Instant) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE message SET sent_at = $4, provider_id = COALESCE(provider_id, $3)
             WHERE workspace_id = $1 AND id = $2 AND sent_at IS NULL",
            args![scope, id, provider_id, at],
        )
        .await?;
    Ok(changed == 1)
}

/// Moves a status forward, never back: a failure gives way to a proof of delivery. True if it moved.
pub async fn advance(tx: &mut Tx, scope: WorkspaceScope, id: i64, to: Progress, at: Instant) -> Result<bool> {
    let sql = match to {
        Progress::Sent => {
            "UPDATE message SET status = 'sent', send_state = 'settled', sent_at = COALESCE(sent_at, $3),
                    error_class = NULL, error_code = NULL, error_message = NULL
             WHERE workspace_id = $1 AND id = $2 AND status = 'pending'"
        }
        Progress::Delivered => {
            "UPDATE message SET status = 'delivered', send_state = 'settled', delivered_at = COALESCE(delivered_at, $3),
                    error_class = NULL, error_code = NULL, error_message = NULL
             WHERE workspace_id = $1 AND id = $2 AND status IN ('pending', 'sent', 'failed')"
        }
        Progress::Read => {
            "UPDATE message SET status = 'read', send_state = 'settled', delivered_at = COALESCE(delivered_at, $3),
                    read_at = COALESCE(read_at, $3), error_class = NULL, error_code = NULL, error_message = NULL
             WHERE workspace_id = $1 AND id = $2 AND status IN ('pending', 'sent', 'delivered', 'failed')"
        }
        Progress::Failed => {
            "UPDATE message SET status = 'failed', send_state = 'settled', failed_at = $3
             WHERE workspace_id = $1 AND id = $2 AND status IN ('pending', 'sent')"
        }
    };
    Ok(tx.exec(sql, args![scope, id, at]).await? == 1)
}

/// Fills in when a message was delivered, when that word comes after `read`.
pub async fn note_delivered(tx: &mut Tx, scope: WorkspaceScope, id: i64, at: Instant) -> Result<()> {
    tx.exec(
        "UPDATE message SET delivered_at = $3 WHERE workspace_id = $1 AND id = $2 AND delivered_at > $3",
        args![scope, id, at],
    )
    .await
    .map(|_| ())
}

pub async fn set_failure(tx: &mut Tx, scope: WorkspaceScope, id: i64, failure: &Failure) -> Result<()> {
    tx.exec(
        "UPDATE message SET error_class = $3, error_code = $4, error_message = $5 WHERE workspace_id = $1 AND id = $2",
        args![scope, id, failure.class.word(), failure.code, failure.message],
    )
    .await
    .map(|_| ())
}

pub struct EarlyStatus {
    pub status: String,
    pub error_class: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub happened_at: Instant,
}
from_row!(EarlyStatus { status, error_class, error_code, error_message, happened_at });

pub async fn park(
    tx: &mut Tx,
    scope: WorkspaceScope,
    channel: i64,
    provider_id: &str,
    status: &EarlyStatus,
) -> Result<()> {
    let EarlyStatus { status, error_class, error_code, error_message, happened_at } = status;
    tx.exec(
        "INSERT INTO early_status (workspace_id, channel_id, provider_id, status, error_class, error_code, error_message,
                                   happened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![scope, channel, provider_id, status, error_class, error_code, error_message, happened_at],
    )
    .await
    .map(|_| ())
}

/// Takes what was parked for a message.
pub async fn unpark(tx: &mut Tx, scope: WorkspaceScope, channel: i64, provider_id: &str) -> Result<Vec<EarlyStatus>> {
    tx.all(
        "DELETE FROM early_status WHERE workspace_id = $1 AND channel_id = $2 AND provider_id = $3
         RETURNING status, error_class, error_code, error_message, happened_at",
        args![scope, channel, provider_id],
    )
    .await
}

pub async fn all_workspaces_forget_early(tx: &mut Tx, before: Instant) -> Result<u64> {
    tx.exec(
        "DELETE FROM early_status WHERE id IN (SELECT id FROM early_status WHERE happened_at < $1 ORDER BY id LIMIT 1000)",
        args![before],
    )
    .await
}
