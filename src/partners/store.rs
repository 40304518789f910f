//! All SQL of `partner`.

use super::PartnerPlan;
use super::hub::{HubChange, HubPartner};
use crate::auth::PartnerScope;
use crate::kernel::{Email, Instant};
use skylight_db::{Read, Result, Tx, args, from_row};

pub struct PartnerRow {
    pub id: i64,
    pub company_name: String,
    pub slug: String,
    pub email: String,
    pub plan: String,
    pub status: String,
    pub seats_used: i64,
    pub seats_max: i64,
    pub logo_url: Option<String>,
    pub primary_color: Option<String>,
    pub custom_domain: Option<String>,
    pub created_at: Instant,
}
from_row!(PartnerRow {
    id,
    company_name,
    slug,
    email,
    plan,
    status,
    seats_used,
    seats_max,
    logo_url,
    primary_color,
    custom_domain,
    created_at
});

/// None when the slug is taken.
pub async fn insert(
    tx: &mut Tx,
    public_id: &str,
    company_name: &str,
    slug: &str,
    email: &Email,
    plan: PartnerPlan,
    now: Instant,
) -> Result<Option<i64>> {
    tx.opt(
        "INSERT INTO partner (public_id, company_name, slug, email, plan, status, seats_max, created_at)
         VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)
         ON CONFLICT (slug) DO NOTHING RETURNING id",
        args![public_id, company_name, slug, email, plan.word(), plan.seats(), now],
    )
    .await
}

pub async fn find(read: impl Read, scope: PartnerScope) -> Result<Option<PartnerRow>> {
    read.opt(
        "SELECT id, company_name, slug, email, plan, status, seats_used, seats_max,
                logo_url, primary_color, custom_domain, created_at
         FROM partner WHERE id = $1",
        args![scope],
    )
    .await
}

pub async fn any(read: impl Read) -> Result<bool> {
    Ok(read.opt::<i64>("SELECT id FROM partner LIMIT 1", args![]).await?.is_some())
}

pub async fn take_seat(tx: &mut Tx, scope: PartnerScope) -> Result<bool> {
    let sql = "UPDATE partner SET seats_used = seats_used + 1 WHERE id = $1 AND seats_used < seats_max";
    Ok(tx.exec(sql, args![scope]).await? == 1)
}

pub async fn give_back_seat(tx: &mut Tx, scope: PartnerScope) -> Result<()> {
    tx.exec("UPDATE partner SET seats_used = seats_used - 1 WHERE id = $1", args![scope]).await.map(|_| ())
}

pub async fn set_status(tx: &mut Tx, scope: PartnerScope, status: &str) -> Result<bool> {
    Ok(tx.exec("UPDATE partner SET status = $2 WHERE id = $1", args![scope, status]).await? == 1)
}

pub async fn set(tx: &mut Tx, scope: PartnerScope, seats: Option<i64>, plan: Option<&str>) -> Result<bool> {
    let sql = "UPDATE partner SET seats_max = COALESCE($2, seats_max), plan = COALESCE($3, plan) WHERE id = $1";
    Ok(tx.exec(sql, args![scope, seats, plan]).await? == 1)
}

/// The public id, which never changes, and the sealed data key.
pub async fn data_key(read: impl Read, scope: PartnerScope) -> Result<Option<(String, Option<String>)>> {
    read.opt("SELECT public_id, data_key FROM partner WHERE id = $1", args![scope]).await
}

/// Keeps the key that is there already; answers the one that holds.
pub async fn set_data_key(tx: &mut Tx, scope: PartnerScope, sealed: &str) -> Result<Option<String>> {
    let sql = "UPDATE partner SET data_key = COALESCE(data_key, $2) WHERE id = $1 RETURNING data_key";
    tx.opt(sql, args![scope, sealed]).await
}

pub async fn status(read: impl Read, scope: PartnerScope) -> Result<Option<String>> {
    read.opt("SELECT status FROM partner WHERE id = $1", args![scope]).await
}

from_row!(HubPartner { public_id, company_name, logo_url, redirect_url, country, allow_client_to_add_phone_no });

pub async fn hub(read: impl Read, scope: PartnerScope) -> Result<Option<HubPartner>> {
    read.opt(
        "SELECT public_id, company_name, logo_url, redirect_url, country, allow_client_to_add_phone_no
         FROM partner WHERE id = $1",
        args![scope],
    )
    .await
}

/// Answers whether anything is different from before.
pub async fn set_hub(tx: &mut Tx, scope: PartnerScope, change: &HubChange) -> Result<bool> {
    let HubChange { redirect_url, allow_client_to_add_phone_no } = change;
    let changed = tx
        .exec(
            "UPDATE partner SET redirect_url = CASE WHEN $2 THEN $3 ELSE redirect_url END,
             allow_client_to_add_phone_no = COALESCE($4, allow_client_to_add_phone_no)
         WHERE id = $1 AND (($2 AND COALESCE(redirect_url, '') <> COALESCE($3, ''))
             OR allow_client_to_add_phone_no <> COALESCE($4, allow_client_to_add_phone_no))",
            args![
                scope,
                redirect_url.is_some(),
                redirect_url.as_ref().and_then(Option::as_deref),
                allow_client_to_add_phone_no
            ],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn client_plan(read: impl Read, scope: PartnerScope) -> Result<Option<String>> {
    read.opt(
        "SELECT plan.slug FROM partner
         JOIN plan ON plan.id = COALESCE(partner.client_plan_id, (SELECT MIN(id) FROM plan)) WHERE partner.id = $1",
        args![scope],
    )
    .await
}

/// What the operator says of a partner's clients; what is not said stays.
pub async fn set_defaults(
    tx: &mut Tx,
    scope: PartnerScope,
    country: Option<&str>,
    client_plan: Option<i64>,
) -> Result<bool> {
    let sql = "UPDATE partner SET country = COALESCE($2, country), client_plan_id = COALESCE($3, client_plan_id) WHERE id = $1";
    Ok(tx.exec(sql, args![scope, country, client_plan]).await? == 1)
}
