//! All SQL of `contact`, `tag`, `contact_tag`, `contact_block` and the search index.

pub mod index;
pub mod listing;

use super::{ChannelType, Contact, ContactSummary, NewContact};
use crate::auth::WorkspaceScope;
use crate::kernel::{Email, Instant, Phone};
use skylight_db::{Cell, Cells, Column, FromRow, Param, Read, Result, Row, Tx, args, from_row, list, padded};

/// A contact as [`FromRow`] reads it, and its tags' titles as one text; `$1` is the workspace, `$2` the separator.
const COLUMNS: &str = "id, name, email, phone, type, status, blacklisted, last_message_at, created_at, updated_at";
const TAGS: &str = "(SELECT string_agg(tag.title, $2 ORDER BY contact_tag.position) FROM contact_tag
    JOIN tag ON tag.workspace_id = contact_tag.workspace_id AND tag.id = contact_tag.tag_id
    WHERE contact_tag.workspace_id = $1 AND contact_tag.contact_id = contact.id AND tag.deleted_at IS NULL)";
const SEPARATOR: &str = "\u{1f}";

struct Tags(Vec<String>);

impl Column for Tags {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        let joined = Option::<String>::from_cell(cell)?;
        Ok(Self(joined.map(|text| text.split(SEPARATOR).map(str::to_owned).collect()).unwrap_or_default()))
    }
}

impl FromRow for Contact {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        contact(&mut row.cells())
    }
}

/// Reads [`COLUMNS`] and [`TAGS`].
fn contact(cells: &mut Cells<'_>) -> Result<Contact> {
    Ok(Contact {
        id: cells.next()?,
        name: cells.next()?,
        email: cells.next()?,
        phone: cells.next()?,
        channel_type: cells.next()?,
        status: cells.next()?,
        blacklisted: cells.next()?,
        last_message_at: cells.next()?,
        created_at: cells.next()?,
        updated_at: cells.next()?,
        tags: cells.next::<Tags>()?.0,
    })
}

from_row!(ContactSummary { id, name, phone, channel_type, blacklisted });

/// The new contact's id; nothing if its phone number is taken.
pub async fn insert(
    tx: &mut Tx,
    scope: WorkspaceScope,
    new: &NewContact,
    found_by: &str,
    now: Instant,
) -> Result<Option<i64>> {
    tx.opt(
        "INSERT INTO contact (workspace_id, name, email, phone, type, status, blacklisted, search_text, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, 'active', FALSE, $6, $7, $7)
         ON CONFLICT (workspace_id, type, phone) WHERE phone IS NOT NULL DO NOTHING
         RETURNING id",
        args![scope, new.name, new.email, new.phone, new.channel_type, found_by, now],
    )
    .await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<Contact>> {
    let sql = format!("SELECT {COLUMNS}, {TAGS} FROM contact WHERE workspace_id = $1 AND id = $3");
    read.opt(&sql, args![scope, SEPARATOR, id]).await
}

pub async fn find_summary(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<ContactSummary>> {
    read.opt(
        "SELECT id, name, phone, type, blacklisted FROM contact WHERE workspace_id = $1 AND id = $2",
        args![scope, id],
    )
    .await
}

pub async fn find_by_phone(
    read: impl Read,
    scope: WorkspaceScope,
    channel_type: ChannelType,
    phone: &Phone,
) -> Result<Option<ContactSummary>> {
    read.opt(
        "SELECT id, name, phone, type, blacklisted FROM contact WHERE workspace_id = $1 AND type = $2 AND phone = $3",
        args![scope, channel_type, phone],
    )
    .await
}

/// Holds a contact's row until the end of the transaction; false if there is none.
pub async fn lock(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    let held = "UPDATE contact SET updated_at = updated_at WHERE workspace_id = $1 AND id = $2";
    Ok(tx.exec(held, args![scope, id]).await? == 1)
}

/// Keeps a contact from being deleted until the end of the transaction; false if there is none.
pub async fn keep(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    let lock = tx.for_key_share();
    let sql = format!("SELECT id FROM contact WHERE workspace_id = $1 AND id = $2 {lock}");
    Ok(tx.opt::<i64>(&sql, args![scope, id]).await?.is_some())
}

/// Holds the contacts with these ids, and those of a type with these numbers, in the order of their ids.
pub async fn hold(
    tx: &mut Tx,
    scope: WorkspaceScope,
    ids: &[i64],
    channel_type: ChannelType,
    phones: &[&Phone],
) -> Result<()> {
    let (phone_names, mut values) = padded(3, phones);
    values.splice(0..0, [scope.value(), channel_type.value()]);
    let (id_names, id_values) = padded(values.len() + 1, ids);
    values.extend(id_values);
    let lock = tx.for_no_key_update();
    let sql = format!(
        "SELECT id FROM contact WHERE workspace_id = $1 AND id IN (
             SELECT id FROM contact WHERE workspace_id = $1 AND id IN ({id_names})
             UNION ALL SELECT id FROM contact WHERE workspace_id = $1 AND type = $2 AND phone IN ({phone_names}))
         ORDER BY id {lock}"
    );
    tx.all::<i64>(&sql, &values).await.map(|_| ())
}

pub async fn update(tx: &mut Tx, scope: WorkspaceScope, contact: &Contact, found_by: &str) -> Result<()> {
    let Contact { id, name, email, phone, status, updated_at, .. } = contact;
    tx.exec(
        "UPDATE contact SET name = $3, email = $4, phone = $5, status = $6, search_text = $7, updated_at = $8
         WHERE workspace_id = $1 AND id = $2",
        args![scope, id, name, email, phone, status, found_by, updated_at],
    )
    .await
    .map(|_| ())
}

/// The name of the contact that was removed, and whether it was blacklisted.
/// What is told of a contact that is gone.
#[derive(Debug)]
pub struct Deleted {
    pub name: String,
    pub email: Option<Email>,
    pub phone: Option<Phone>,
    pub channel_type: ChannelType,
    pub blacklisted: bool,
}

from_row!(Deleted { name, email, phone, channel_type, blacklisted });

pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<Option<Deleted>> {
    tx.opt(
        "DELETE FROM contact WHERE workspace_id = $1 AND id = $2 RETURNING name, email, phone, type, blacklisted",
        args![scope, id],
    )
    .await
}

/// Sets the mark, or turns it over without a wish; false if nothing changed.
pub async fn set_blacklisted(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    wish: Option<bool>,
    now: Instant,
) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE contact SET blacklisted = COALESCE($3, NOT blacklisted), updated_at = $4
             WHERE workspace_id = $1 AND id = $2 AND blacklisted <> COALESCE($3, NOT blacklisted)",
            args![scope, id, wish, now],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn touch_last_message(tx: &mut Tx, scope: WorkspaceScope, id: i64, at: Instant) -> Result<()> {
    tx.exec(
        "UPDATE contact SET last_message_at = $3
         WHERE workspace_id = $1 AND id = $2 AND (last_message_at IS NULL OR last_message_at < $3)",
        args![scope, id, at],
    )
    .await
    .map(|_| ())
}

/// Which of these titles are tags already.
pub async fn known_tags(read: impl Read, scope: WorkspaceScope, titles: &[String]) -> Result<Vec<String>> {
    let (names, mut values) = padded(2, titles);
    values.insert(0, scope.value());
    let sql = format!("SELECT title FROM tag WHERE workspace_id = $1 AND title IN ({names}) AND deleted_at IS NULL");
    read.all(&sql, &values).await
}

/// Titles become tags, until the workspace has `most`; whoever adds them has taken a turn. Answers how many are new.
pub async fn add_tags(
    tx: &mut Tx,
    scope: WorkspaceScope,
    mut titles: Vec<&String>,
    most: i64,
    now: Instant,
) -> Result<u64> {
    // In one order, whoever adds them.
    titles.sort_unstable();
    let new: Vec<_> = titles.iter().map(|title| list![&scope, *title, &now, &most]).collect();
    tx.exec_many(
        "INSERT INTO tag (workspace_id, title, created_at)
         SELECT $1, $2, $3 WHERE (SELECT COUNT(*) FROM tag WHERE workspace_id = $1 AND deleted_at IS NULL) < $4
         ON CONFLICT (workspace_id, title) WHERE deleted_at IS NULL DO NOTHING",
        &new,
    )
    .await
}

/// Holds tags until the end of the transaction, in the order of their ids: what a contact has, one by its id, and those of
/// some titles. Answers the ones that are not deleted, as they are now.
pub async fn hold_tags(
    tx: &mut Tx,
    scope: WorkspaceScope,
    contact: Option<i64>,
    tag: Option<i64>,
    titles: &[String],
) -> Result<Vec<HeldTag>> {
    let (names, mut values) = padded(4, titles);
    values.splice(0..0, [scope.value(), contact.value(), tag.value()]);
    let lock = tx.for_update();
    let sql = format!(
        "SELECT id, title, deleted_at IS NOT NULL FROM tag WHERE workspace_id = $1 AND id IN (
             SELECT tag_id FROM contact_tag WHERE workspace_id = $1 AND contact_id = $2
             UNION ALL SELECT CAST($3 AS BIGINT)
             UNION ALL SELECT id FROM tag WHERE workspace_id = $1 AND title IN ({names}) AND deleted_at IS NULL)
         ORDER BY id {lock}"
    );
    let held: Vec<HeldTag> = tx.all(&sql, &values).await?;
    Ok(held.into_iter().filter(|tag| !tag.is_deleted).collect())
}

/// A tag whose row is held: nobody renames or deletes it meanwhile.
#[derive(Debug)]
pub struct HeldTag {
    pub id: i64,
    pub title: String,
    is_deleted: bool,
}

from_row!(HeldTag { id, title, is_deleted });

/// Gives a contact tags that are held, in this order.
pub async fn tag(tx: &mut Tx, scope: WorkspaceScope, id: i64, tags: &[i64]) -> Result<()> {
    let positions: Vec<i64> = (0..).take(tags.len()).collect();
    let tagged: Vec<_> = tags.iter().zip(&positions).map(|(tag, position)| list![&scope, &id, tag, position]).collect();
    tx.exec_many(
        "INSERT INTO contact_tag (workspace_id, contact_id, tag_id, position) VALUES ($1, $2, $3, $4)",
        &tagged,
    )
    .await
    .map(|_| ())
}

pub async fn untag(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<()> {
    tx.exec("DELETE FROM contact_tag WHERE workspace_id = $1 AND contact_id = $2", args![scope, id]).await.map(|_| ())
}
