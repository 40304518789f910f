//! A partner's keys.

use super::{Fault, name, shown};
use crate::auth::{PartnerKeyInfo, issue_partner_key, list_partner_keys, revoke_partner_key};
use crate::dashboard::{Place, Reader, Referrer, Shell, TAG, day_and_time};
use crate::http::{Form, Id, PartnerSignedIn, Route, Who};
use crate::kernel::{Result, Timezone};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/partner/api", Who::PartnerSession, "partner_keys_page", show).doc(
            TAG,
            "A partner's keys",
            "Without the secrets.",
        ),
        Route::new(Method::POST, "/partner/api/keys", Who::PartnerSession, "generate_partner_key", generate).doc(
            TAG,
            "Generate a partner key",
            "Shown once.",
        ),
        Route::new(Method::POST, "/partner/api/keys/{id}/revoke", Who::PartnerSession, "revoke_partner_key", revoke)
            .doc(TAG, "Revoke a partner key", "Visits by links that it issued end."),
    ]
}

/// A key in the list.
struct Shown {
    id: i64,
    name: String,
    hint: String,
    made: String,
    used: Option<String>,
}

impl Shown {
    fn of(key: PartnerKeyInfo) -> Self {
        // A partner has no zone of its own.
        let time = |at| day_and_time(at, &Timezone::utc()) + " UTC";
        let (made, used) = (time(key.created_at), key.last_used_at.map(time));
        Self { id: key.id, name: key.name, hint: key.hint, made, used }
    }
}

#[derive(Template)]
#[template(path = "dashboard/partner_keys.html")]
struct Keys {
    shell: Shell,
    keys: Vec<Shown>,
    shown: Option<String>,
    said: Option<&'static str>,
    fault: Option<Fault>,
}

/// What the page says beside its list.
#[derive(Default)]
struct Says {
    shown: Option<String>,
    said: Option<&'static str>,
    fault: Option<Fault>,
}

async fn keys_page(signed_in: &PartnerSignedIn, reader: &Reader, says: Says) -> Result<Response> {
    let keys = list_partner_keys(&signed_in.app.db, signed_in.scope()).await?;
    let Says { shown, said, fault } = says;
    let shell = Shell::of_partner(reader, &signed_in.session, Place::PartnerKeys);
    let page = Keys { shell, keys: keys.into_iter().map(Shown::of).collect(), shown, said, fault };
    let status = if page.fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    reader.page(status, Referrer::SameOrigin, &page)
}

async fn show(signed_in: PartnerSignedIn, reader: Reader) -> Result<Response> {
    keys_page(&signed_in, &reader, Says::default()).await
}

async fn generate(signed_in: PartnerSignedIn, reader: Reader, form: Form) -> Result<Response> {
    let Some(name) = name(&form) else {
        let fault = Some(Fault::of(reader.words().bad_name));
        return keys_page(&signed_in, &reader, Says { fault, ..Says::default() }).await;
    };
    let mut unit = signed_in.begin().await?;
    let issued = issue_partner_key(&mut unit, signed_in.scope(), &name).await?;
    unit.commit().await?;
    keys_page(&signed_in, &reader, Says { shown: shown(&issued), ..Says::default() }).await
}

async fn revoke(signed_in: PartnerSignedIn, reader: Reader, Id(id): Id) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    revoke_partner_key(&mut unit, signed_in.scope(), id).await?;
    unit.commit().await?;
    keys_page(&signed_in, &reader, Says { said: Some(reader.words().revoked), ..Says::default() }).await
}
