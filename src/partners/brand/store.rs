//! All SQL of `partner_logo`, and of what a partner says of its brand.

use super::picture::Image;
use crate::auth::PartnerScope;
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args, from_row};

/// What is not said stays; answers whether anything is different from before.
pub async fn set(
    tx: &mut Tx,
    scope: PartnerScope,
    company_name: Option<&str>,
    colour: Option<Option<&str>>,
    logo: Option<Option<&str>>,
) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE partner SET company_name = COALESCE($2, company_name),
                 primary_color = CASE WHEN $3 THEN $4 ELSE primary_color END,
                 logo_url = CASE WHEN $5 THEN $6 ELSE logo_url END
             WHERE id = $1 AND (company_name <> COALESCE($2, company_name)
                 OR ($3 AND COALESCE(primary_color, '') <> COALESCE($4, ''))
                 OR ($5 AND COALESCE(logo_url, '') <> COALESCE($6, '')))",
            args![scope, company_name, colour.is_some(), colour.flatten(), logo.is_some(), logo.flatten()],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn put_logo(tx: &mut Tx, scope: PartnerScope, name: &str, image: &Image, now: Instant) -> Result<()> {
    tx.exec(
        "INSERT INTO partner_logo (partner_id, name, media_type, bytes, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (partner_id) DO UPDATE SET name = excluded.name, media_type = excluded.media_type,
             bytes = excluded.bytes, created_at = excluded.created_at",
        args![scope, name, image.format.media_type(), image.bytes, now],
    )
    .await
    .map(|_| ())
}

pub async fn remove_logo(tx: &mut Tx, scope: PartnerScope) -> Result<()> {
    tx.exec("DELETE FROM partner_logo WHERE partner_id = $1", args![scope]).await.map(|_| ())
}

pub struct LogoRow {
    pub media_type: String,
    pub bytes: Vec<u8>,
}
from_row!(LogoRow { media_type, bytes });

/// Names follow from the content, so it makes no difference whose it is.
pub async fn logo(read: impl Read, name: &str) -> Result<Option<LogoRow>> {
    read.opt("SELECT media_type, bytes FROM partner_logo WHERE name = $1 LIMIT 1", args![name]).await
}
