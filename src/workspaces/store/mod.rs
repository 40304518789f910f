//! All SQL of `workspace`. A deleted workspace is found by nobody.

mod hub;

pub use hub::{hub_by_ids, hub_count, hub_find, hub_id, hub_page, may_add_numbers, plan_channels, set_hub, touch};

use super::Standing;
use super::clients::{Client, NewClient, PrimaryUser, Usage};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Instant, Month, Page, Phone, Timezone, text};
use skylight_db::{Db, Param, Read, Result, Tx, Value, args, from_row};

pub struct NewWorkspaceRow<'a> {
    pub public_id: &'a str,
    pub slug: &'a str,
    pub plan_id: i64,
    pub data_key: &'a str,
    pub new: &'a NewClient,
    pub now: Instant,
}

/// None when the slug is taken.
pub async fn insert(tx: &mut Tx, partner: PartnerScope, row: &NewWorkspaceRow<'_>) -> Result<Option<i64>> {
    let NewWorkspaceRow { public_id, slug, plan_id, data_key, new, now } = row;
    tx.opt(
        "INSERT INTO workspace (partner_id, public_id, company_name, slug, plan_id, status, timezone, country_id,
                                data_key, created_at)
         VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9)
         ON CONFLICT (slug) DO NOTHING RETURNING id",
        args![
            partner,
            public_id,
            new.company_name,
            slug,
            plan_id,
            new.timezone,
            new.country.map(|c| c.id()),
            data_key,
            now
        ],
    )
    .await
}

pub async fn of_partner(read: impl Read, partner: PartnerScope, id: i64) -> Result<Option<i64>> {
    read.opt("SELECT id FROM workspace WHERE partner_id = $1 AND id = $2 AND status <> 'deleted'", args![partner, id])
        .await
}

from_row!(Standing { id, status, suspended_at });

pub async fn standing(tx: &mut Tx, scope: WorkspaceScope) -> Result<Standing> {
    tx.one("SELECT id, status, suspended_at FROM workspace WHERE id = $1", args![scope]).await
}

/// Holds a workspace's row to the end of the transaction; those who only refer to it do not wait.
pub async fn take_turn(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec("UPDATE workspace SET status = status WHERE id = $1", args![scope]).await.map(|_| ())
}

pub async fn suspend(tx: &mut Tx, scope: WorkspaceScope, reason: Option<&str>, now: Instant) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE workspace SET status = 'suspended', suspended_at = $2, suspend_reason = $3
             WHERE id = $1 AND status = 'active'",
            args![scope, now, reason],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn reactivate(tx: &mut Tx, scope: WorkspaceScope) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE workspace SET status = 'active', suspended_at = NULL, suspend_reason = NULL
             WHERE id = $1 AND status = 'suspended'",
            args![scope],
        )
        .await?;
    Ok(changed == 1)
}

/// Destroys the data key with it: what it sealed cannot be read any more. Only from this status; true for who did it.
pub async fn mark_deleted(tx: &mut Tx, scope: WorkspaceScope, from: &str) -> Result<bool> {
    let sql = "UPDATE workspace SET status = 'deleted', data_key = NULL WHERE id = $1 AND status = $2";
    Ok(tx.exec(sql, args![scope, from]).await? == 1)
}

pub async fn company_name(tx: &mut Tx, scope: WorkspaceScope) -> Result<String> {
    tx.one("SELECT company_name FROM workspace WHERE id = $1", args![scope]).await
}

/// The workspace's status and its partner's.
pub async fn standings(read: impl Read, scope: WorkspaceScope) -> Result<Option<(String, String)>> {
    read.opt(
        "SELECT workspace.status, partner.status FROM workspace
         JOIN partner ON partner.id = workspace.partner_id WHERE workspace.id = $1",
        args![scope],
    )
    .await
}

pub async fn data_key(read: impl Read, scope: WorkspaceScope) -> Result<Option<(String, String)>> {
    read.opt("SELECT public_id, data_key FROM workspace WHERE id = $1 AND data_key IS NOT NULL", args![scope]).await
}

pub async fn timezone(read: impl Read, scope: WorkspaceScope) -> Result<Option<Timezone>> {
    read.opt::<(Timezone,)>("SELECT timezone FROM workspace WHERE id = $1", args![scope])
        .await
        .map(|row| row.map(|(zone,)| zone))
}

pub async fn partner_of(read: impl Read, scope: WorkspaceScope) -> Result<(i64, String)> {
    read.one("SELECT partner_id, company_name FROM workspace WHERE id = $1", args![scope]).await
}

/// A workspace's name, and its partner's name, colour and logo.
pub type FaceRow = (String, String, Option<String>, Option<String>);

pub async fn face(read: impl Read, scope: WorkspaceScope) -> Result<Option<FaceRow>> {
    read.opt(
        "SELECT workspace.company_name, partner.company_name, partner.primary_color, partner.logo_url
         FROM workspace JOIN partner ON partner.id = workspace.partner_id WHERE workspace.id = $1",
        args![scope],
    )
    .await
}

/// A workspace that is gone has no face any more.
pub async fn face_of_slug(read: impl Read, slug: &str) -> Result<Option<FaceRow>> {
    read.opt(
        "SELECT workspace.company_name, partner.company_name, partner.primary_color, partner.logo_url
         FROM workspace JOIN partner ON partner.id = workspace.partner_id
         WHERE workspace.slug = $1 AND workspace.status <> 'deleted'",
        args![slug],
    )
    .await
}

/// What is said of a workspace's profile; what is not said stays.
#[derive(Default)]
pub struct Details<'a> {
    pub company_name: Option<&'a str>,
    pub timezone: Option<&'a Timezone>,
    pub address: Option<Option<&'a str>>,
    pub country: Option<Option<i64>>,
}

/// True if anything is different from before.
pub async fn update(tx: &mut Tx, scope: WorkspaceScope, details: &Details<'_>) -> Result<bool> {
    let Details { company_name, timezone, address, country } = details;
    let changed = tx
        .exec(
            "UPDATE workspace SET company_name = COALESCE($2, company_name), timezone = COALESCE($3, timezone),
                 address = CASE WHEN $4 THEN $5 ELSE address END,
                 country_id = CASE WHEN $6 THEN $7 ELSE country_id END
             WHERE id = $1 AND (company_name <> COALESCE($2, company_name) OR timezone <> COALESCE($3, timezone)
                 OR ($4 AND address IS DISTINCT FROM $5) OR ($6 AND country_id IS DISTINCT FROM $7))",
            args![
                scope,
                company_name,
                timezone,
                address.is_some(),
                address.flatten(),
                country.is_some(),
                country.flatten()
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// A workspace with its primary user.
pub struct AccountRow {
    pub id: i64,
    pub company_name: String,
    pub slug: String,
    pub address: Option<String>,
    pub timezone: Timezone,
    pub country_id: Option<i64>,
    pub status: String,
    pub created_at: Instant,
    pub user_id: i64,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: Option<Phone>,
}
from_row!(AccountRow {
    id,
    company_name,
    slug,
    address,
    timezone,
    country_id,
    status,
    created_at,
    user_id,
    first_name,
    last_name,
    email,
    phone
});

pub async fn account(read: impl Read, scope: WorkspaceScope) -> Result<Option<AccountRow>> {
    read.opt(
        "SELECT workspace.id, workspace.company_name, workspace.slug, workspace.address, workspace.timezone,
                workspace.country_id, workspace.status, workspace.created_at,
                team_member.id, team_member.first_name, team_member.last_name, team_member.email, team_member.phone
         FROM workspace JOIN team_member ON team_member.workspace_id = workspace.id AND team_member.is_primary
         WHERE workspace.id = $1 AND workspace.status <> 'deleted'",
        args![scope],
    )
    .await
}

/// A workspace's plan beside its meters.
pub struct SubscriptionRow {
    pub status: String,
    pub plan_id: i64,
    pub plan_name: String,
    pub plan_slug: String,
    pub contacts_max: i64,
    pub team_members_max: i64,
    pub messages_max: i64,
    pub contacts: i64,
    pub team_members: i64,
    pub messages: i64,
    pub channels_max: i64,
    pub channels: i64,
    pub webhooks: bool,
    pub api_access: bool,
    pub booking: bool,
    pub omni_channel: bool,
    pub advanced_analytics: bool,
}
from_row!(SubscriptionRow {
    status,
    plan_id,
    plan_name,
    plan_slug,
    contacts_max,
    team_members_max,
    messages_max,
    contacts,
    team_members,
    messages,
    channels_max,
    channels,
    webhooks,
    api_access,
    booking,
    omni_channel,
    advanced_analytics
});

pub async fn subscription(read: impl Read, scope: WorkspaceScope, month: Month) -> Result<Option<SubscriptionRow>> {
    read.opt(
        "SELECT workspace.status, plan.id, plan.name, plan.slug,
                plan.contacts, plan.team_members, plan.messages_per_month,
                meter.contacts, meter.team_members, COALESCE(meter_month.messages_accepted, 0),
                plan.channels, meter.channels, plan.webhooks, plan.api_access, plan.booking, plan.omni_channel, plan.advanced_analytics
         FROM workspace
         JOIN plan ON plan.id = workspace.plan_id
         JOIN meter ON meter.workspace_id = workspace.id
         LEFT JOIN meter_month ON meter_month.workspace_id = workspace.id AND meter_month.month = $2
         WHERE workspace.id = $1 AND workspace.status <> 'deleted'",
        args![scope, month],
    )
    .await
}

/// True if it was another plan, or another was waiting.
pub async fn set_plan(tx: &mut Tx, scope: WorkspaceScope, plan: i64) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE workspace SET plan_id = $2, pending_plan_id = NULL
             WHERE id = $1 AND (plan_id <> $2 OR pending_plan_id IS NOT NULL)",
            args![scope, plan],
        )
        .await?;
    Ok(changed == 1)
}

/// Asking for the plan one has takes a waiting change back. True if anything is different from before.
pub async fn set_pending_plan(tx: &mut Tx, scope: WorkspaceScope, plan: i64) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE workspace SET pending_plan_id = CASE WHEN plan_id = $2 THEN NULL ELSE $2 END
             WHERE id = $1 AND COALESCE(pending_plan_id, plan_id) <> $2",
            args![scope, plan],
        )
        .await?;
    Ok(changed == 1)
}

/// Applies a waiting plan change; answers the partner to be told, if there was one.
pub async fn apply_pending_plan(tx: &mut Tx, scope: WorkspaceScope) -> Result<Option<i64>> {
    tx.opt(
        "UPDATE workspace SET plan_id = pending_plan_id, pending_plan_id = NULL
         WHERE id = $1 AND pending_plan_id IS NOT NULL AND status <> 'deleted' RETURNING partner_id",
        args![scope],
    )
    .await
}

/// Filters of a list of clients.
pub struct Filter<'a> {
    pub status: Option<&'static str>,
    pub plan: Option<&'a str>,
    /// Folded.
    pub search: Option<String>,
    pub month: Month,
}

/// A partner has hundreds of clients, not millions: names are compared here, folded as people write them.
impl Filter<'_> {
    fn matches(&self, row: &ClientRow) -> bool {
        let Some(search) = &self.search else { return true };
        [&row.company_name, &row.email, &row.slug].iter().any(|field| text::fold(field).contains(search.as_str()))
    }

    async fn rows(&self, db: &Db, partner: PartnerScope) -> Result<Vec<ClientRow>> {
        let sql = format!(
            "{CLIENT} WHERE workspace.partner_id = $1 AND workspace.status <> 'deleted'
                 AND (workspace.status = $3 OR $3 IS NULL) AND (plan.slug = $4 OR $4 IS NULL)
             ORDER BY workspace.id DESC"
        );
        let rows: Vec<ClientRow> = db.all(&sql, args![partner, self.month, self.status, self.plan]).await?;
        Ok(rows.into_iter().filter(|row| self.matches(row)).collect())
    }
}

pub async fn count(db: &Db, partner: PartnerScope, filter: &Filter<'_>) -> Result<i64> {
    if filter.search.is_some() {
        return Ok(i64::try_from(filter.rows(db, partner).await?.len()).unwrap_or(i64::MAX));
    }
    db.one(
        "SELECT COUNT(*) FROM workspace JOIN plan ON plan.id = workspace.plan_id
         WHERE workspace.partner_id = $1 AND workspace.status <> 'deleted'
           AND (workspace.status = $2 OR $2 IS NULL) AND (plan.slug = $3 OR $3 IS NULL)",
        args![partner, filter.status, filter.plan],
    )
    .await
}

pub async fn page(db: &Db, partner: PartnerScope, filter: &Filter<'_>, page: Page) -> Result<Vec<ClientRow>> {
    if filter.search.is_some() {
        let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let take = usize::try_from(page.limit()).unwrap_or(usize::MAX);
        let rows = filter.rows(db, partner).await?.into_iter().filter(|row| row.id < page.before().id);
        return Ok(rows.skip(skip).take(take).collect());
    }
    let sql = format!(
        "{CLIENT} WHERE workspace.partner_id = $1 AND workspace.status <> 'deleted'
             AND (workspace.status = $3 OR $3 IS NULL) AND (plan.slug = $4 OR $4 IS NULL) AND workspace.id < $7
         ORDER BY workspace.id DESC LIMIT $5 OFFSET $6"
    );
    let values: [Value<'_>; 7] = [
        partner.value(),
        filter.month.value(),
        filter.status.value(),
        filter.plan.value(),
        Value::Int(page.limit()),
        Value::Int(page.offset()),
        Value::Int(page.before().id),
    ];
    db.all(&sql, &values).await
}

pub async fn find(read: impl Read, partner: PartnerScope, id: i64, month: Month) -> Result<Option<ClientRow>> {
    let sql =
        format!("{CLIENT} WHERE workspace.partner_id = $1 AND workspace.id = $3 AND workspace.status <> 'deleted'");
    read.opt(&sql, args![partner, month, id]).await
}

const CLIENT: &str = "SELECT workspace.id, workspace.partner_id, workspace.company_name, workspace.slug, plan.slug,
        next_plan.slug, workspace.status, workspace.created_at, workspace.suspended_at,
        team_member.id, team_member.first_name, team_member.last_name, team_member.email, team_member.phone,
        meter.contacts, COALESCE(meter_month.messages_accepted, 0), meter.team_members
    FROM workspace
    JOIN plan ON plan.id = workspace.plan_id
    LEFT JOIN plan AS next_plan ON next_plan.id = workspace.pending_plan_id
    JOIN team_member ON team_member.workspace_id = workspace.id AND team_member.is_primary
    JOIN meter ON meter.workspace_id = workspace.id
    LEFT JOIN meter_month ON meter_month.workspace_id = workspace.id AND meter_month.month = $2";

pub struct ClientRow {
    pub id: i64,
    partner_id: i64,
    company_name: String,
    slug: String,
    plan: String,
    pending_plan: Option<String>,
    status: String,
    created_at: Instant,
    suspended_at: Option<Instant>,
    user_id: i64,
    first_name: String,
    last_name: String,
    email: String,
    phone: Option<Phone>,
    contacts: i64,
    messages: i64,
    team_members: i64,
}
from_row!(ClientRow {
    id,
    partner_id,
    company_name,
    slug,
    plan,
    pending_plan,
    status,
    created_at,
    suspended_at,
    user_id,
    first_name,
    last_name,
    email,
    phone,
    contacts,
    messages,
    team_members
});

impl ClientRow {
    pub fn client(self, link: impl Fn(&str) -> String) -> Client {
        Client {
            id: self.id,
            partner_id: self.partner_id,
            company_name: self.company_name,
            plan: self.plan,
            pending_plan: self.pending_plan,
            status: self.status,
            primary_user: PrimaryUser {
                id: self.user_id,
                first_name: self.first_name,
                last_name: self.last_name,
                email: self.email,
                phone: self.phone,
            },
            usage: Usage {
                contacts: self.contacts,
                messages_this_month: self.messages,
                team_members: self.team_members,
            },
            branding_inherited: true,
            dashboard_url: link(&self.slug),
            slug: self.slug,
            created_at: self.created_at,
            suspended_at: self.suspended_at,
        }
    }
}

/// Deletes a batch of a tenant table's rows; the names come from a fixed list.
pub async fn purge_batch(tx: &mut Tx, scope: WorkspaceScope, table: &str, key: &str, batch: i64) -> Result<u64> {
    let sql = format!(
        "DELETE FROM {table} WHERE workspace_id = $1 AND {key} IN (SELECT {key} FROM {table} WHERE workspace_id = $1 LIMIT $2)"
    );
    tx.exec(&sql, args![scope, batch]).await
}

pub async fn purge_owner(tx: &mut Tx, owner: &str) -> Result<u64> {
    tx.exec("DELETE FROM idempotency WHERE owner = $1", args![owner]).await
}

pub async fn remove(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec("DELETE FROM workspace WHERE id = $1 AND status = 'deleted'", args![scope]).await.map(|_| ())
}
