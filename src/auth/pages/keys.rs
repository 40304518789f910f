//! Settings → API & Integrations: a workspace's keys.

use super::{Fault, name, shown};
use crate::auth::sessions::{By, Session};
use crate::auth::{DomainRule, Domains, KeyChange, KeyInfo, NewKey};
use crate::auth::{change_key, issue_workspace_key, key_info, list_keys, regenerate_key, revoke_key};
use crate::dashboard::{Place, Reader, Referrer, Shell, TAG, Words, day_and_time};
use crate::http::route::Permission;
use crate::http::{Form, Id, Route, SignedIn, Who};
use crate::kernel::{Result, Timezone};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

const KEYS: &str = "/settings/api/keys";
const KEY: &str = "/settings/api/keys/{id}";
const MOST_DOMAINS: usize = 100;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/settings/api", Who::Session, "keys_page", show)
            .doc(TAG, "A workspace's keys", "Without the secrets.")
            .only(Permission::Admins),
        Route::new(Method::POST, KEYS, Who::Session, "generate_key", generate)
            .doc(TAG, "Generate a key", "Shown once.")
            .only(Permission::AdminsInPerson),
        Route::new(Method::POST, KEY, Who::Session, "edit_key", edit)
            .doc(TAG, "Change a key's name and domains", "")
            .only(Permission::AdminsInPerson),
        Route::new(Method::POST, "/settings/api/keys/{id}/regenerate", Who::Session, "regenerate_key", regenerate)
            .doc(TAG, "Regenerate a key", "Shown once; the one before is void.")
            .only(Permission::AdminsInPerson),
        Route::new(Method::POST, "/settings/api/keys/{id}/revoke", Who::Session, "revoke_key", revoke)
            .doc(TAG, "Revoke a key", "")
            .only(Permission::AdminsInPerson),
    ]
}

/// A key in the list.
struct Shown {
    id: i64,
    name: String,
    hint: String,
    made: String,
    regenerated: Option<String>,
    used: Option<String>,
    domains: Vec<String>,
}

impl Shown {
    fn of(key: KeyInfo, zone: &Timezone) -> Self {
        let time = |at| day_and_time(at, zone);
        Self {
            id: key.id,
            name: key.name,
            hint: key.hint,
            made: time(key.created_at),
            regenerated: key.regenerated_at.map(time),
            used: key.last_used_at.map(time),
            domains: key.allowed_domains,
        }
    }
}

#[derive(Template)]
#[template(path = "dashboard/keys.html")]
struct Keys {
    shell: Shell,
    keys: Vec<Shown>,
    api_access: bool,
    may_change: bool,
    shown: Option<String>,
    said: Option<&'static str>,
    fault: Option<Fault>,
    typed_name: String,
    typed_domains: String,
}

/// What the page says beside its list.
#[derive(Default)]
struct Says {
    shown: Option<String>,
    said: Option<&'static str>,
    fault: Option<Fault>,
    typed: Option<Form>,
}

async fn keys_page(signed_in: &SignedIn, reader: &Reader, says: Says) -> Result<Response> {
    let session: &Session = &signed_in.session;
    let keys = list_keys(&signed_in.app.db, session.scope).await?;
    let typed = |field| says.typed.as_ref().map(|form| form.text(field).to_owned()).unwrap_or_default();
    let page = Keys {
        shell: Shell::of(reader, session, Place::Keys),
        keys: keys.into_iter().map(|key| Shown::of(key, &session.timezone)).collect(),
        api_access: session.api_access,
        may_change: matches!(session.by, By::Member { is_admin: true, .. }),
        typed_name: typed("name"),
        typed_domains: typed("domains"),
        shown: says.shown,
        said: says.said,
        fault: says.fault,
    };
    let status = if page.fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    reader.page(status, Referrer::SameOrigin, &page)
}

/// One host name per line, or with spaces or commas between them.
fn domains(form: &Form, w: &'static Words) -> Result<Domains, Fault> {
    let texts: Vec<&str> =
        form.text("domains").split([' ', '\t', '\r', '\n', ',', '،']).filter(|t| !t.is_empty()).collect();
    if texts.len() > MOST_DOMAINS {
        return Err(Fault::of(w.too_many_domains));
    }
    let (good, bad): (Vec<_>, Vec<_>) =
        texts.into_iter().map(|text| (text, DomainRule::parse(text))).partition(|(_, rule)| rule.is_some());
    if bad.is_empty() {
        return Ok(Domains::of(good.into_iter().filter_map(|(_, rule)| rule).collect()));
    }
    Err(Fault { what: w.bad_domains, which: bad.into_iter().map(|(text, _)| text.to_owned()).collect() })
}

/// What a form says of a key.
fn read(form: &Form, w: &'static Words) -> Result<(String, Domains), Fault> {
    let name = name(form).ok_or_else(|| Fault::of(w.bad_name))?;
    Ok((name, domains(form, w)?))
}

async fn show(signed_in: SignedIn, reader: Reader) -> Result<Response> {
    keys_page(&signed_in, &reader, Says::default()).await
}

async fn generate(signed_in: SignedIn, reader: Reader, form: Form) -> Result<Response> {
    let (name, domains) = match read(&form, reader.words()) {
        Ok(read) => read,
        Err(fault) => {
            let says = Says { fault: Some(fault), typed: Some(form), ..Says::default() };
            return keys_page(&signed_in, &reader, says).await;
        }
    };
    let mut unit = signed_in.begin().await?;
    let new = NewKey { name: Some(name), allowed_domains: Some(domains) };
    let issued = issue_workspace_key(&mut unit, signed_in.scope(), new).await?;
    unit.commit().await?;
    keys_page(&signed_in, &reader, Says { shown: shown(&issued), ..Says::default() }).await
}

async fn edit(signed_in: SignedIn, reader: Reader, Id(id): Id, form: Form) -> Result<Response> {
    key_info(&signed_in.app.db, signed_in.scope(), id).await?;
    let (name, domains) = match read(&form, reader.words()) {
        Ok(read) => read,
        Err(fault) => return keys_page(&signed_in, &reader, Says { fault: Some(fault), ..Says::default() }).await,
    };
    let mut unit = signed_in.begin().await?;
    let change = KeyChange { name: Some(name), allowed_domains: Some(domains) };
    change_key(&mut unit, signed_in.scope(), id, change).await?;
    unit.commit().await?;
    keys_page(&signed_in, &reader, Says { said: Some(reader.words().saved), ..Says::default() }).await
}

async fn regenerate(signed_in: SignedIn, reader: Reader, Id(id): Id) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    let issued = regenerate_key(&mut unit, signed_in.scope(), id).await?;
    unit.commit().await?;
    keys_page(&signed_in, &reader, Says { shown: shown(&issued), ..Says::default() }).await
}

async fn revoke(signed_in: SignedIn, reader: Reader, Id(id): Id) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    revoke_key(&mut unit, signed_in.scope(), id).await?;
    unit.commit().await?;
    keys_page(&signed_in, &reader, Says { said: Some(reader.words().revoked), ..Says::default() }).await
}
