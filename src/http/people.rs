//! The gate for people: who is signed in, by a cookie, may use a page; what changes something is a form of ours, from a page
//! of ours (rules W1, W2). Whoever is not signed in is shown the way.

use super::browser::{self, Form};
use super::extract::{PartnerSignedIn, SignedIn};
use super::gate::{self, Gate, Rule};
use super::route::{Permission, Who};
use crate::app::Trace;
use crate::auth::sessions::{self, PartnerSession, Session};
use crate::auth::{Bucket, By};
use crate::kernel::{Error, Result, Secret};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;

/// Who is behind a cookie.
enum Person {
    Workspace(Arc<Session>),
    Partner(Arc<PartnerSession>),
}

impl Person {
    fn form(&self) -> &Secret {
        match self {
            Self::Workspace(session) => &session.form,
            Self::Partner(session) => &session.form,
        }
    }

    fn bucket(&self) -> Bucket {
        match self {
            Self::Workspace(session) => Bucket::Session(session.id),
            Self::Partner(session) => Bucket::PartnerSession(session.id),
        }
    }
}

/// Lets somebody through to a page, or sends them to sign in. Checked in the order of the rules: frame, credentials, rate,
/// permission, media type, form.
pub async fn admit(gate: &Gate, rule: Rule, request: Request, next: Next) -> Result<Response> {
    gate::check_length(request.headers(), rule.body_limit)?;
    // A key is not a login, and two credentials on one request are refused (rule R2).
    if gate::presents_key(request.headers()) {
        return Err(Error::unauthenticated().saying("A key does not open pages."));
    }
    let person = person(gate, rule.who, request.headers()).await?;
    let Some(person) = person else { return Ok(to_login(gate, rule.who, &request)) };
    let counted = gate.http.limiter.take(person.bucket()).await;
    if let Some(spent) = counted.filter(|decision| !decision.allowed) {
        return Err(Error::rate_limited().retry_after(spent.retry_after));
    }
    if let Person::Workspace(session) = &person {
        check_permission(rule.permission, session)?;
    }
    let (mut request, body) = gate::buffered(request, rule.body_limit).await?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let form = checked_form(gate, request.headers(), &body, &person)?;
        request.extensions_mut().insert(form);
    }
    let app = gate.http.app.clone();
    let trace = request.extensions().get::<Trace>().cloned().unwrap_or_default();
    match person {
        Person::Workspace(session) => request.extensions_mut().insert(SignedIn { app, session, trace }).is_none(),
        Person::Partner(session) => request.extensions_mut().insert(PartnerSignedIn { app, session, trace }).is_none(),
    };
    Ok(gate::run(request, &body, next).await)
}

async fn person(gate: &Gate, who: Who, headers: &HeaderMap) -> Result<Option<Person>> {
    let app = &gate.http.app;
    let name = if who == Who::PartnerSession { browser::PARTNER_SESSION } else { browser::SESSION };
    let Some(token) = browser::cookie(app, headers, name) else { return Ok(None) };
    Ok(match who {
        Who::PartnerSession => sessions::of_partner(app, token).await?.map(Person::Partner),
        _ => sessions::of_workspace(app, token).await?.map(Person::Workspace),
    })
}

fn check_permission(permission: Permission, session: &Session) -> Result<()> {
    let may = match permission {
        Permission::Anybody => true,
        Permission::Admins => session.sees_as_admin(),
        Permission::AdminsInPerson => matches!(session.by, By::Member { is_admin: true, .. }),
    };
    if may { Ok(()) } else { Err(Error::not_permitted()) }
}

fn checked_form(gate: &Gate, headers: &HeaderMap, body: &[u8], person: &Person) -> Result<Form> {
    if !browser::is_from_here(&gate.http.app, headers, false) {
        return Err(Error::foreign_form());
    }
    browser::check_type(headers)?;
    let form = Form::parse(body);
    if form.proves(person.form().reveal()) { Ok(form) } else { Err(Error::foreign_form()) }
}

/// Where to sign in; who was looking at a page comes back to it.
fn to_login(gate: &Gate, who: Who, request: &Request) -> Response {
    let config = &gate.http.app.config;
    let login = if who == Who::PartnerSession { "/partner/login" } else { "/login" };
    let login = format!("{}{login}", config.public_url.path().trim_end_matches('/'));
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let location = if matches!(*request.method(), Method::GET | Method::HEAD) {
        let next = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish();
        format!("{login}?{next}")
    } else {
        login
    };
    (StatusCode::SEE_OTHER, [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())]).into_response()
}
