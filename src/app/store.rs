//! The `setting` table.

use skylight_db::{Db, Read, Result, args};

/// The stored value, or `fresh` stored now.
pub async fn all_workspaces_setting_or(db: &Db, name: &str, fresh: &str) -> Result<String> {
    let find = "SELECT value FROM setting WHERE name = $1";
    if let Some(value) = db.opt::<String>(find, args![name]).await? {
        return Ok(value);
    }
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", args![name, fresh])
        .await?;
    let value = tx.one(find, args![name]).await?;
    tx.commit().await?;
    Ok(value)
}
