//! Tells the owner of an endpoint that it was switched off for them: in the audit log, and by mail where mail is sent.

mod words;

use super::Owner;
use super::store;
use crate::app::Unit;
use crate::audit::{Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Email, Error, Language, Result, Secret};
use crate::mail::{self, Between, Mail};
use crate::partners::{self, Colour};
use crate::team;
use crate::workspaces;
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
    owner.note(unit, (Action::WebhookDisabled, Action::PartnerWebhookDisabled), webhook, changes).await?;
    let hook = store::find(&mut unit.tx, owner, webhook).await?;
    let Some(row) = hook.filter(|_| mail::is_configured(unit.app())) else { return Ok(()) };
    let page = unit.app().config.public(match owner {
        Owner::Workspace(_) => "/dashboard",
        Owner::Partner(_) => "/partner/webhook",
    });
    let facts = Facts { hook: &row.name, host: super::host(&row.url).unwrap_or_default(), why, page: &page };
    match owner {
        Owner::Workspace(scope) => mail_admins(unit, scope, &facts).await,
        Owner::Partner(scope) => mail_partner(unit, scope, &facts).await,
    }
}

async fn mail_admins(unit: &mut Unit, scope: WorkspaceScope, facts: &Facts<'_>) -> Result<()> {
    let face = workspaces::face(&mut unit.tx, scope).await?;
    for admin in team::admins(&mut unit.tx, scope).await? {
        let reader = Reader { name: &admin.name, email: &admin.email, brand: &face.brand, colour: face.colour };
        mail::send(unit, scope, &letter(facts, &reader)?).await?;
    }
    Ok(())
}

async fn mail_partner(unit: &mut Unit, scope: PartnerScope, facts: &Facts<'_>) -> Result<()> {
    let profile = partners::profile(&mut unit.tx, scope).await?;
    let Some(email) = Email::parse(&profile.email) else { return Ok(()) };
    let colour = profile.branding.primary_color.as_deref().and_then(Colour::parse);
    let (name, brand) = (&profile.company_name, &profile.company_name);
    let mail = letter(facts, &Reader { name, email: &email, brand, colour })?;
    let key = partners::data_key(unit.app(), scope).await?;
    mail::send_of_partner(unit, scope, &key, &mail).await
}

struct Facts<'a> {
    hook: &'a str,
    host: &'a str,
    why: Why,
    page: &'a str,
}

/// Who is told, and in whose name.
struct Reader<'a> {
    name: &'a str,
    email: &'a Email,
    brand: &'a str,
    colour: Option<Colour>,
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

fn letter(facts: &Facts<'_>, reader: &Reader<'_>) -> Result<Mail> {
    let short = |name: &str| mail::short_line(name, LONGEST_NAME);
    let [name, hook, brand] = [reader.name, facts.hook, reader.brand].map(short);
    let (host, page) = (facts.host, facts.page);
    let parts = Language::ALL.map(|language| {
        let w = Words::of(language);
        let reason = match facts.why {
            Why::Gone => w.because_gone,
            Why::Dead => w.because_dead,
        };
        Part { w, language, name: &name, hook: &hook, host, reason, brand: &brand }
    });
    let (colour, ink) = Colour::of_mail(reader.colour);
    let text = Text { parts: &parts, page }.render().map_err(Error::internal)?;
    let html = Html { parts: &parts, page, colour, ink }.render().map_err(Error::internal)?;
    let subject = Language::ALL.map(|language| Words::of(language).subject).join(" · ");
    let between = Between { to: reader.email, to_name: &name, from_name: &brand };
    Mail::new(between, &subject, Secret::new(text), Secret::new(html))
}
