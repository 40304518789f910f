//! Where providers post. The channel is found by its unguessable path, proved by signature or secret over the raw bytes.

use crate::channels::provider::Hook;
use crate::channels::{Account, accept, by_hook};
use crate::http::{Http, Route, Segment, Who};
use crate::kernel::{Error, Result};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Uri};
use std::sync::Arc;

/// WhatsApp bodies reach 3 MB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
const TAG: &str = "Provider hooks";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/hooks/whatsapp/{token}", Who::Provider, "verify_whatsapp_hook", challenge)
            .doc(TAG, "Verification challenge", "Answers the challenge if the verify token is right.")
            .query("hub.mode", "string", "`subscribe`.")
            .query("hub.verify_token", "string", "What was entered at Meta.")
            .query("hub.challenge", "string", "What to answer.")
            .answers_text("text/plain", "1158201444")
            .may_fail(&[403]),
        Route::new(Method::POST, "/hooks/whatsapp/{token}", Who::Provider, "whatsapp_hook", whatsapp)
            .doc(TAG, "WhatsApp Cloud API events", "Proved by `X-Hub-Signature-256` over the raw body.")
            .accepts()
            .body_limit(BODY_LIMIT),
        Route::new(Method::POST, "/hooks/telegram/{token}", Who::Provider, "telegram_hook", telegram)
            .doc(TAG, "Telegram updates", "Proved by `X-Telegram-Bot-Api-Secret-Token`.")
            .accepts()
            .body_limit(BODY_LIMIT),
    ]
}

async fn account(http: &Http, token: &str, hook: Hook) -> Result<Arc<Account>> {
    let found = by_hook(&http.app, token).await?;
    found.filter(|account| account.provider.hook() == hook).ok_or_else(Error::not_found)
}

async fn challenge(State(http): State<Http>, Segment(token): Segment, uri: Uri) -> Result<Response> {
    let account = account(&http, &token, Hook::Whatsapp).await?;
    let query: Vec<_> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let right = value("hub.verify_token").is_some_and(|given| account.accepts_verify_token(given));
    match value("hub.challenge") {
        Some(challenge) if right && value("hub.mode") == Some("subscribe") => {
            Ok(([(CONTENT_TYPE, "text/plain")], challenge.to_owned()).into_response())
        }
        _ => Err(Error::verification_failed()),
    }
}

async fn whatsapp(http: State<Http>, token: Segment, headers: HeaderMap, body: Bytes) -> Result<Response> {
    receive(http, token, Hook::Whatsapp, headers, body).await
}

async fn telegram(http: State<Http>, token: Segment, headers: HeaderMap, body: Bytes) -> Result<Response> {
    receive(http, token, Hook::Telegram, headers, body).await
}

async fn receive(
    State(http): State<Http>,
    Segment(token): Segment,
    hook: Hook,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let account = account(&http, &token, hook).await?;
    if !account.proves(&headers, &body) {
        return Err(Error::bad_signature());
    }
    let mut unit = http.app.begin().await?;
    accept(&mut unit, &account, &body).await?;
    unit.commit().await?;
    Ok(().into_response())
}
