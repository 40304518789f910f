//! All SQL of `partner_user` and `partner_link`.

use crate::auth::{NewLink, PartnerScope, Purpose};
use crate::kernel::{Email, Instant};
use skylight_db::{Read, Result, Tx, args, from_row};

/// The partner's person with this e-mail, made if need be and held to the end of the transaction; none if it is another
/// partner's.
pub async fn insert_or_find(tx: &mut Tx, partner: PartnerScope, email: &Email, now: Instant) -> Result<Option<i64>> {
    tx.exec(
        "INSERT INTO partner_user (partner_id, email, email_key, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4) ON CONFLICT (email_key) DO NOTHING",
        args![partner, email, email.key(), now],
    )
    .await?;
    let sql = format!("SELECT id FROM partner_user WHERE partner_id = $1 AND email_key = $2 {}", tx.for_update());
    tx.opt(&sql, args![partner, email.key()]).await
}

pub async fn is_taken(tx: &mut Tx, key: &str) -> Result<bool> {
    Ok(tx.opt::<i64>("SELECT id FROM partner_user WHERE email_key = $1", args![key]).await?.is_some())
}

/// Whatever links somebody has, of one purpose or of all, none opens any more.
pub async fn void_links(tx: &mut Tx, partner: PartnerScope, user: i64, purpose: Option<Purpose>) -> Result<()> {
    let sql = "DELETE FROM partner_link WHERE partner_id = $1 AND user_id = $2 AND purpose = COALESCE($3, purpose)";
    tx.exec(sql, args![partner, user, purpose]).await.map(|_| ())
}

pub async fn insert_link(tx: &mut Tx, partner: PartnerScope, user: i64, link: &NewLink, now: Instant) -> Result<()> {
    let NewLink { purpose, hash, expires_at, .. } = link;
    tx.exec(
        "INSERT INTO partner_link (partner_id, user_id, purpose, hash, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![partner, user, purpose, hash, expires_at, now],
    )
    .await
    .map(|_| ())
}

/// The holder of an open link.
pub struct LinkRow {
    pub partner_id: i64,
    pub user_id: i64,
    pub email: String,
}
from_row!(LinkRow { partner_id, user_id, email });

pub async fn open_link(read: impl Read, purpose: Purpose, hash: &[u8; 32], now: Instant) -> Result<Option<LinkRow>> {
    read.opt(
        "SELECT partner_link.partner_id, partner_link.user_id, partner_user.email
         FROM partner_link
         JOIN partner_user ON partner_user.partner_id = partner_link.partner_id AND partner_user.id = partner_link.user_id
         JOIN partner ON partner.id = partner_link.partner_id
         WHERE partner_link.hash = $1 AND partner_link.used_at IS NULL AND partner_link.expires_at > $2
           AND partner_link.purpose = $3 AND partner.status = 'active'",
        args![hash, now, purpose],
    )
    .await
}

/// Uses an open link up; true for one caller, ever.
pub async fn use_link(
    tx: &mut Tx,
    partner: PartnerScope,
    purpose: Purpose,
    hash: &[u8; 32],
    now: Instant,
) -> Result<bool> {
    let used = tx
        .exec(
            "UPDATE partner_link SET used_at = $3
             WHERE partner_id = $1 AND hash = $2 AND purpose = $4 AND used_at IS NULL AND expires_at > $3",
            args![partner, hash, now, purpose],
        )
        .await?;
    Ok(used == 1)
}

/// Holds a person's row to the end of the transaction; false if it is gone.
pub async fn lock(tx: &mut Tx, partner: PartnerScope, id: i64) -> Result<bool> {
    let sql = format!("SELECT id FROM partner_user WHERE partner_id = $1 AND id = $2 {}", tx.for_update());
    Ok(tx.opt::<i64>(&sql, args![partner, id]).await?.is_some())
}

/// Likewise; false if their password is another one by now, too.
pub async fn lock_with(tx: &mut Tx, partner: PartnerScope, id: i64, password: &str) -> Result<bool> {
    let sql =
        format!("SELECT id FROM partner_user WHERE partner_id = $1 AND id = $2 AND password = $3 {}", tx.for_update());
    Ok(tx.opt::<i64>(&sql, args![partner, id, password]).await?.is_some())
}

pub async fn set_password(tx: &mut Tx, partner: PartnerScope, id: i64, password: &str, now: Instant) -> Result<()> {
    tx.exec(
        "UPDATE partner_user SET password = $3, updated_at = $4 WHERE partner_id = $1 AND id = $2",
        args![partner, id, password, now],
    )
    .await
    .map(|_| ())
}

/// What a login leads to, if its partner is active.
pub struct LoginRow {
    pub id: i64,
    pub partner_id: i64,
    /// As it is stored: whatever was typed may be written in another way.
    pub email: Email,
    pub password: Option<String>,
}
from_row!(LoginRow { id, partner_id, email, password });

pub async fn login(read: impl Read, key: &str) -> Result<Option<LoginRow>> {
    read.opt(
        "SELECT partner_user.id, partner_user.partner_id, partner_user.email, partner_user.password
         FROM partner_user JOIN partner ON partner.id = partner_user.partner_id
         WHERE partner_user.email_key = $1 AND partner.status = 'active'",
        args![key],
    )
    .await
}
