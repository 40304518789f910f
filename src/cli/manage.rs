//! Commands that manage the installation.

use crate::app::{App, Origin};
use crate::auth::{self, DomainRule, Domains, NewKey, PartnerScope, WorkspaceScope};
use crate::config::Config;
use crate::contacts;
use crate::kernel::{Country, Email, Error, Result, Secret, Timezone};
use crate::partners::{self, PartnerPlan, people};
use crate::team::NewAdmin;
use crate::usage;

use crate::workspaces::{self, NewClient};
use serde_json::{Value, json};
use skylight_db::Db;
use std::path::Path;

/// Prints an answer: JSON for scripts, lines for people.
fn print(value: &Value, as_json: bool) {
    if as_json {
        println!("{value}");
        return;
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        println!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
}

pub fn migrated(app: &App) -> Result<()> {
    println!("The database ({:?}) is up to date.", app.db.engine());
    Ok(())
}

pub async fn create_partner(app: &App, name: &str, email: &str, plan: PartnerPlan, as_json: bool) -> Result<()> {
    let email = parse_email("email", email)?;
    let (made, key) = new_partner(app, name, &email, plan).await?;
    let key = key.reveal();
    // One kind of partner key opens both partner APIs.
    let mut answer = json!({"id": made.scope.id(), "partner_key": key, "hub_id": made.public_id, "hub_key": key});
    if let Some(url) = first_person(app, made.scope, &email).await? {
        answer["invitation_url"] = url.reveal().into();
    }
    print(&answer, as_json);
    Ok(())
}

/// The link of a new partner's first person; none where the e-mail is somebody's login already.
async fn first_person(app: &App, partner: PartnerScope, email: &Email) -> Result<Option<Secret>> {
    let mut unit = app.begin_by(Origin::operator()).await?;
    if people::is_taken(&mut unit, email).await? {
        return Ok(None);
    }
    let invitation = people::invite(&mut unit, partner, email).await?;
    unit.commit().await?;
    Ok(Some(invitation.url))
}

/// Invites one of a partner's people.
pub async fn invite_person(app: &App, partner: i64, email: &str) -> Result<people::Invitation> {
    let email = parse_email("email", email)?;
    let mut unit = app.begin_by(Origin::operator()).await?;
    let invitation = people::invite(&mut unit, PartnerScope::named_by_operator(partner), &email).await?;
    unit.commit().await?;
    Ok(invitation)
}

/// `skylight partner invite`.
pub async fn invite_partner(app: &App, id: i64, email: &str, as_json: bool) -> Result<()> {
    let invitation = invite_person(app, id, email).await?;
    print(&json!({"invitation_url": invitation.url.reveal(), "expires_at": invitation.expires_at}), as_json);
    Ok(())
}

/// Makes a partner with its first key.
pub async fn new_partner(
    app: &App,
    name: &str,
    email: &Email,
    plan: PartnerPlan,
) -> Result<(partners::NewPartner, Secret)> {
    let mut unit = app.begin_by(Origin::operator()).await?;
    let made = partners::create(&mut unit, name, email, plan).await?;
    let issued = auth::issue_partner_key(&mut unit, made.scope, "first key").await?;
    unit.commit().await?;
    Ok((made, issued.key))
}

pub async fn set_partner_active(app: &App, id: i64, active: bool) -> Result<()> {
    let mut unit = app.begin_by(Origin::operator()).await?;
    partners::set_active(&mut unit, PartnerScope::named_by_operator(id), active).await?;
    unit.commit().await?;
    println!("Partner {id} is {}.", if active { "active" } else { "suspended" });
    Ok(())
}

pub async fn set_partner(app: &App, id: i64, seats: Option<i64>, plan: Option<PartnerPlan>) -> Result<()> {
    if seats.is_none() && plan.is_none() {
        return Err(Error::invalid().saying("Say what to set: --seats, --plan or both."));
    }
    let mut unit = app.begin_by(Origin::operator()).await?;
    let scope = PartnerScope::named_by_operator(id);
    partners::set(&mut unit, scope, seats, plan).await?;
    let partner = partners::profile(&mut unit.tx, scope).await?;
    unit.commit().await?;
    println!(
        "Partner {id}: plan {}, {} of {} seats used.",
        partner.plan, partner.client_seats.used, partner.client_seats.max
    );
    Ok(())
}

/// What the second partner API shows of a partner, and gives its clients, by default.
pub async fn set_partner_defaults(app: &App, id: i64, country: Option<&str>, client_plan: Option<&str>) -> Result<()> {
    let by_code = |code: &str| {
        let found = Country::all().find(|country| country.code().eq_ignore_ascii_case(code));
        found.ok_or_else(|| Error::field("country", format!("{code} is not the code of a country.")))
    };
    let country = country.map(by_code).transpose()?;
    let mut unit = app.begin_by(Origin::operator()).await?;
    partners::set_defaults(&mut unit, PartnerScope::named_by_operator(id), country, client_plan).await?;
    unit.commit().await?;
    println!("Partner {id} is set.");
    Ok(())
}

pub async fn create_workspace(
    app: &App,
    partner: i64,
    name: &str,
    plan: &str,
    email: &str,
    as_json: bool,
) -> Result<()> {
    let email = parse_email("admin-email", email)?;
    let admin = NewAdmin { first_name: "Admin".into(), last_name: name.into(), email, phone: None };
    let new = NewClient {
        company_name: name.into(),
        plan: plan.into(),
        admin,
        timezone: Timezone::utc(),
        country: None,
        skip_invite: true,
    };
    let (scope, key) = new_workspace(app, PartnerScope::named_by_operator(partner), &new).await?;
    print(&json!({"id": scope.id(), "api_key": key.reveal()}), as_json);
    Ok(())
}

/// Makes a workspace with its first key.
pub async fn new_workspace(app: &App, partner: PartnerScope, new: &NewClient) -> Result<(WorkspaceScope, Secret)> {
    let mut unit = app.begin_by(Origin::operator()).await?;
    partners::profile(&mut unit.tx, partner).await?;
    let scope = workspaces::create(&mut unit, partner, new).await?.scope;
    let issued = auth::issue_workspace_key(&mut unit, scope, NewKey::default()).await?;
    unit.commit().await?;
    Ok((scope, issued.key))
}

pub async fn create_key(
    app: &App,
    workspace: i64,
    name: Option<String>,
    domains: Vec<String>,
    as_json: bool,
) -> Result<()> {
    let domains = domains.iter().map(|text| {
        let fault = || Error::field("domains", format!("{text} is not a host name, nor *. and a host name, nor *."));
        DomainRule::parse(text).ok_or_else(fault)
    });
    let new = NewKey { name, allowed_domains: Some(Domains::of(domains.collect::<Result<_>>()?)) };
    let scope = existing(app, workspace).await?;
    let mut unit = app.begin_by(Origin::operator()).await?;
    let issued = auth::issue_workspace_key(&mut unit, scope, new).await?;
    unit.commit().await?;
    print(&json!({"id": issued.id, "name": issued.name, "api_key": issued.key.reveal()}), as_json);
    Ok(())
}

/// Lists a workspace's keys, without the secrets.
pub async fn list_keys(app: &App, workspace: i64, as_json: bool) -> Result<()> {
    let keys = auth::list_keys(&app.db, existing(app, workspace).await?).await?;
    if as_json {
        println!("{}", serde_json::to_string(&keys).map_err(Error::internal)?);
        return Ok(());
    }
    for key in keys {
        let used = key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let domains = if key.allowed_domains.is_empty() { "*".to_owned() } else { key.allowed_domains.join(",") };
        println!("{}\t{}\t{}\tdomains {domains}\tlast used {used}", key.id, key.hint, key.name);
    }
    Ok(())
}

pub async fn revoke_key(app: &App, workspace: i64, id: i64) -> Result<()> {
    let scope = existing(app, workspace).await?;
    let mut unit = app.begin_by(Origin::operator()).await?;
    auth::revoke_key(&mut unit, scope, id).await?;
    unit.commit().await?;
    println!("Key {id} is void.");
    Ok(())
}

async fn existing(app: &App, workspace: i64) -> Result<WorkspaceScope> {
    let scope = WorkspaceScope::named_by_operator(workspace);
    // Asking for its key proves that the workspace is there.
    workspaces::data_key(app, scope).await?;
    Ok(scope)
}

pub fn backup(app: &App, file: &Path) -> Result<()> {
    if file.exists() {
        return Err(Error::internal(format!("{} exists already; name a new file", file.display())));
    }
    app.db.backup(file)?;
    println!("The database was copied to {}. Back up the master key apart.", file.display());
    Ok(())
}

pub fn restore(config: &Config, file: &Path) -> Result<()> {
    if config.database_url.is_some() {
        return Err(Error::internal("restore PostgreSQL with its own tools (pg_restore)"));
    }
    skylight_db::restore(file, &config.data_dir.join("skylight.db"))?;
    println!("{} is in place.", file.display());
    Ok(())
}

/// Everything that is counted as it happens, compared with the rows; a sentence for every counter that differs.
pub async fn recount(db: &Db) -> Result<Vec<String>> {
    let mut differences = usage::recount(db).await?;
    differences.extend(contacts::groups::recount(db).await?);
    differences.extend(contacts::indexing::recount(db).await?);
    Ok(differences)
}

pub async fn check(app: &App) -> Result<()> {
    let differences = recount(&app.db).await?;
    if differences.is_empty() {
        println!("Every counter agrees with the rows.");
        return Ok(());
    }
    differences.iter().for_each(|difference| println!("{difference}"));
    Err(Error::internal(format!("{} counters differ from the rows", differences.len())))
}

fn parse_email(name: &str, email: &str) -> Result<Email> {
    Email::parse(email).ok_or_else(|| Error::field(name, "This is not an e-mail address."))
}
