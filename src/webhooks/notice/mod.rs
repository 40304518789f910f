//! Tells the owner of an endpoint that it was switched off for them: in the audit log, and by mail where mail is sent.

mod words;

use super::Owner;
use super::store;
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Language, Result, Secret};
use crate::mail::{self, Between, Mail};
use crate::team;
use crate::workspaces::{self, Face};
use askama::Template;
use words::Words;

/// Why an endpoint was switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It answered 410.
    Gone,
    /// Nothing but failures came from it for days.
    Dead,
}

impl Why {
    /// As the API says it, in `disabled_reason`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Gone => "The endpoint answered 410 Gone.",
            Self::Dead => "Nothing but failures for five days.",
        }
    }
}

/// Names of tenants must not become the mail.
const LONGEST_NAME: usize = 80;

pub async fn send(unit: &mut Unit, owner: Owner, webhook: i64, why: Why) -> Result<()> {
    let changes = Changes::of("is_active", false).and("reason", why.text());
    match owner {
        Owner::Workspace(scope) => {
            audit::record(unit, scope, Action::WebhookDisabled, webhook, changes).await?;
            mail_admins(unit, scope, webhook, why).await
        }
        Owner::Partner(scope) => {
            audit::record_for_partner(unit, scope, Action::PartnerWebhookDisabled, webhook, changes).await
        }
    }
}

async fn mail_admins(unit: &mut Unit, scope: WorkspaceScope, webhook: i64, why: Why) -> Result<()> {
    if !mail::is_configured(unit.app()) {
        return Ok(());
    }
    let Some(row) = store::find(&mut unit.tx, scope.into(), webhook).await? else { return Ok(()) };
    let face = workspaces::face(&mut unit.tx, scope).await?;
    let page = unit.app().config.public("/dashboard");
    for admin in team::admins(&mut unit.tx, scope).await? {
        let facts = Facts { face: &face, hook: &row.name, host: super::host(&row.url), why, page: &page };
        mail::send(unit, scope, &letter(&facts, &admin)?).await?;
    }
    Ok(())
}

struct Facts<'a> {
    face: &'a Face,
    hook: &'a str,
    host: Option<&'a str>,
    why: Why,
    page: &'a str,
}

/// A part of the mail, in one language.
struct Part<'a> {
    w: &'static Words,
    language: Language,
    name: &'a str,
    hook: &'a str,
    host: &'a str,
    reason: &'static str,
    brand: &'a str,
}

#[derive(Template)]
#[template(path = "mail/webhook_off.txt")]
struct Text<'a> {
    parts: &'a [Part<'a>],
    page: &'a str,
}

#[derive(Template)]
#[template(path = "mail/webhook_off.html")]
struct Html<'a> {
    parts: &'a [Part<'a>],
    page: &'a str,
    colour: String,
    ink: &'static str,
}

fn letter(facts: &Facts<'_>, admin: &team::Admin) -> Result<Mail> {
    let short = |name: &str| mail::short_line(name, LONGEST_NAME);
    let [name, hook, brand] = [&admin.name, facts.hook, &facts.face.brand].map(short);
    let parts = Language::ALL.map(|language| {
        let w = Words::of(language);
        let reason = match facts.why {
            Why::Gone => w.because_gone,
            Why::Dead => w.because_dead,
        };
        Part { w, language, name: &name, hook: &hook, host: facts.host.unwrap_or_default(), reason, brand: &brand }
    });
    let (colour, ink) = facts.face.mail_colours();
    let page = facts.page;
    let text = Text { parts: &parts, page }.render().map_err(Error::internal)?;
    let html = Html { parts: &parts, page, colour, ink }.render().map_err(Error::internal)?;
    let subject = Language::ALL.map(|language| Words::of(language).subject).join(" · ");
    let between = Between { to: &admin.email, to_name: &name, from_name: &brand };
    Mail::new(between, &subject, Secret::new(text), Secret::new(html))
}
