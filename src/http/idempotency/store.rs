//! All SQL of `idempotency`.

use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args};

/// Keyed digest of the request, status and sealed body of the answer to a key.
pub async fn find(read: impl Read, owner: &str, key: &str) -> Result<Option<(Vec<u8>, i64, String)>> {
    read.opt("SELECT digest, status, body FROM idempotency WHERE owner = $1 AND key = $2", args![owner, key]).await
}

pub struct Answered<'a> {
    pub owner: &'a str,
    pub key: &'a str,
    /// Keyed.
    pub digest: &'a [u8; 32],
    pub status: u16,
    /// Sealed.
    pub body: String,
}

pub async fn insert(tx: &mut Tx, row: &Answered<'_>, now: Instant) -> Result<()> {
    tx.exec(
        "INSERT INTO idempotency (owner, key, digest, status, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        args![row.owner, row.key, row.digest, row.status, row.body, now],
    )
    .await
    .map(|_| ())
}

pub async fn delete_before(tx: &mut Tx, before: Instant) -> Result<u64> {
    tx.exec(
        "DELETE FROM idempotency WHERE (owner, key) IN
             (SELECT owner, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT 1000)",
        args![before],
    )
    .await
}
