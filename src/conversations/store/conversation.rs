//! All SQL of `conversation` and `conversation_count`, which triggers keep.

use crate::auth::WorkspaceScope;
use crate::conversations::{Conversation, Filter, ReadState};
use crate::kernel::Instant;
use skylight_db::{Db, Param, Read, Result, Tx, Value, args, from_row};

from_row!(Conversation {
    contact_id,
    contact_name,
    channel,
    last_message,
    last_message_at,
    unread_count,
    window_expires_at
});
from_row!(ReadState { contact_id, unread_count, read_through });

/// The rows are cut out before their contacts are looked at, one by one: a join would tempt PostgreSQL to read them all.
pub async fn conversations(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<Vec<Conversation>> {
    let page = filter.page;
    let place = page.before();
    let numbers = [page.limit(), page.offset(), place.key, place.id].map(Value::Int);
    let mut args: Vec<Value<'_>> = [scope.value()].into_iter().chain(numbers).collect();
    let conditions = conditions(filter, &mut args);
    let sql = format!(
        "SELECT c.contact_id,
                (SELECT name FROM contact WHERE contact.workspace_id = $1 AND contact.id = c.contact_id),
                (SELECT type FROM contact WHERE contact.workspace_id = $1 AND contact.id = c.contact_id),
                c.last_message, c.last_message_at, c.unread_count, c.window_expires_at
         FROM (SELECT contact_id, last_message, last_message_at, unread_count, window_expires_at
               FROM conversation WHERE workspace_id = $1 AND (last_message_at, contact_id) < ($4, $5){conditions}
               ORDER BY last_message_at DESC, contact_id DESC LIMIT $2 OFFSET $3) AS c
         ORDER BY c.last_message_at DESC, c.contact_id DESC"
    );
    db.all(&sql, &args).await
}

/// How many there are is kept; unread ones are few and counted in an index of their own. The read ones are what those leave.
pub async fn count_conversations(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<i64> {
    if filter.unread != Some(false) {
        return count(db, scope, filter).await;
    }
    let all = count(db, scope, &Filter { unread: None, ..*filter }).await?;
    Ok(all - count(db, scope, &Filter { unread: Some(true), ..*filter }).await?)
}

async fn count(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<i64> {
    if filter.contact_id.is_none() && filter.unread.is_none() {
        let kept = "SELECT CAST(COALESCE(SUM(conversations), 0) AS BIGINT) FROM conversation_count
                    WHERE workspace_id = $1 AND (channel = $2 OR $2 IS NULL)";
        return db.one(kept, args![scope, filter.channel]).await;
    }
    let mut args = vec![scope.value()];
    let conditions = conditions(filter, &mut args);
    db.one(&format!("SELECT COUNT(*) FROM conversation WHERE workspace_id = $1{conditions}"), &args).await
}

/// The conditions of a filter, made of fixed pieces, so that each set of them finds its index.
fn conditions<'a>(filter: &'a Filter, args: &mut Vec<Value<'a>>) -> String {
    let mut sql = String::new();
    let mut bind = |sql: &mut String, column: &str, value: Value<'a>| {
        args.push(value);
        sql.push_str(&format!(" AND {column} = ${}", args.len()));
    };
    if let Some(channel) = &filter.channel {
        // Few are unread: their own index is the better one, so the channels' must not fit.
        let column = if filter.unread == Some(true) { "COALESCE(channel, '')" } else { "channel" };
        bind(&mut sql, column, channel.value());
    }
    if let Some(contact) = &filter.contact_id {
        bind(&mut sql, "contact_id", contact.value());
    }
    match filter.unread {
        Some(true) => sql.push_str(" AND unread_count > 0"),
        Some(false) => sql.push_str(" AND unread_count = 0"),
        None => {}
    }
    sql
}

pub async fn has_conversation(read: impl Read, scope: WorkspaceScope, contact: i64) -> Result<bool> {
    let sql = "SELECT id FROM conversation WHERE workspace_id = $1 AND contact_id = $2";
    Ok(read.opt::<i64>(sql, args![scope, contact]).await?.is_some())
}

/// The account a contact's conversation is held on.
pub async fn conversation_channel(tx: &mut Tx, scope: WorkspaceScope, contact: i64) -> Result<Option<i64>> {
    tx.opt("SELECT channel_id FROM conversation WHERE workspace_id = $1 AND contact_id = $2", args![scope, contact])
        .await
}

/// What a message changes of its conversation.
pub struct Touch<'a> {
    pub contact: i64,
    pub channel: i64,
    /// The channel's type.
    pub kind: &'a str,
    pub text: &'a str,
    pub at: Instant,
    /// The new end of the service window; none leaves it.
    pub window: Option<Instant>,
    pub unread: i64,
}

/// Makes the conversation or moves it on. An older message that comes late does not hide a newer one.
pub async fn touch_conversation(tx: &mut Tx, scope: WorkspaceScope, t: &Touch<'_>) -> Result<()> {
    tx.exec(
        "INSERT INTO conversation (workspace_id, contact_id, channel_id, last_message, last_message_at, unread_count,
                                   window_expires_at, channel)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (workspace_id, contact_id) DO UPDATE SET
             channel_id = CASE WHEN excluded.last_message_at >= conversation.last_message_at
                               THEN excluded.channel_id ELSE conversation.channel_id END,
             last_message = CASE WHEN excluded.last_message_at >= conversation.last_message_at
                                 THEN excluded.last_message ELSE conversation.last_message END,
             last_message_at = CASE WHEN excluded.last_message_at >= conversation.last_message_at
                                    THEN excluded.last_message_at ELSE conversation.last_message_at END,
             channel = excluded.channel,
             unread_count = conversation.unread_count + excluded.unread_count,
             window_expires_at = CASE WHEN excluded.window_expires_at > COALESCE(conversation.window_expires_at, 0)
                                      THEN excluded.window_expires_at ELSE conversation.window_expires_at END",
        args![scope, t.contact, t.channel, t.text, t.at, t.unread, t.window, t.kind],
    )
    .await
    .map(|_| ())
}

/// The newest message of a conversation, if anything was said.
pub async fn newest_message(tx: &mut Tx, scope: WorkspaceScope, contact: i64) -> Result<Option<i64>> {
    tx.one("SELECT MAX(id) FROM message WHERE workspace_id = $1 AND contact_id = $2", args![scope, contact]).await
}

/// Whether this message is one with this contact.
pub async fn has_message_with(tx: &mut Tx, scope: WorkspaceScope, contact: i64, id: i64) -> Result<bool> {
    let sql = "SELECT id FROM message WHERE workspace_id = $1 AND contact_id = $2 AND id = $3";
    Ok(tx.opt::<i64>(sql, args![scope, contact, id]).await?.is_some())
}

/// Holds a conversation's row until the end of the transaction: whoever brings a message counts it before or after.
pub async fn lock_conversation(tx: &mut Tx, scope: WorkspaceScope, contact: i64) -> Result<()> {
    let sql = format!("SELECT id FROM conversation WHERE workspace_id = $1 AND contact_id = $2 {}", tx.for_update());
    tx.opt::<i64>(&sql, args![scope, contact]).await.map(|_| ())
}

/// Leaves unread what came after a message; what was marked further than that stays so. The row must be held: the count is
/// of what is committed when this statement begins.
pub async fn mark_read(tx: &mut Tx, scope: WorkspaceScope, contact: i64, up_to: i64) -> Result<()> {
    tx.exec(
        "UPDATE conversation SET read_through = $3, unread_count = (
             SELECT COUNT(*) FROM message
             WHERE workspace_id = $1 AND contact_id = $2 AND direction = 'inbound' AND id > $3)
         WHERE workspace_id = $1 AND contact_id = $2 AND COALESCE(read_through, 0) <= $3",
        args![scope, contact, up_to],
    )
    .await
    .map(|_| ())
}

pub async fn read_state(tx: &mut Tx, scope: WorkspaceScope, contact: i64) -> Result<Option<ReadState>> {
    tx.opt(
        "SELECT contact_id, unread_count, read_through FROM conversation WHERE workspace_id = $1 AND contact_id = $2",
        args![scope, contact],
    )
    .await
}
