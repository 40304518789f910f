//! `POST /api/v2/token`: an e-mail and a password become a bearer token.

use crate::app::{Origin, Trace};
use crate::auth::guesses;
use crate::auth::{Typed, tokens};
use crate::http::route::Shape;
use crate::http::{Answer, Http, Reply, Route, Unread, Who};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Email, Error};
use crate::partners::people;
use axum::extract::State;
use http::Method;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

const GIVES: &str = "Of somebody who signs in as a partner: `Authorization: Bearer` with it opens what the partner's key opens here. \
A new token voids the one before; another password and the partner's suspension void it too. Refusals say what OAuth says as well.";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v2/token", Who::Public, "hub_create_token", create)
            .doc(super::api::TAG, "Get a bearer token", GIVES)
            .takes::<TokenRequest>(
                json!({"username": "api@rawabidigital.example", "password": "seven palms, one well"}),
            )
            .answers::<Token>(200, Shape::Plain)
            .may_fail(&[401, 415])
            .guessable(),
    ]
}

/// Who asks for a token.
#[derive(Debug, ToSchema)]
#[schema(as = HubTokenRequest)]
pub struct TokenRequest {
    /// The e-mail.
    #[schema(min_length = 1)]
    pub username: String,
    #[schema(min_length = 1)]
    pub password: String,
}

impl Input for TokenRequest {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let username = fields.at("username").required().text(254);
        let password = fields.at("password").required().verbatim();
        Some(Self { username: username?, password: password? })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = HubToken)]
pub struct Token {
    #[schema(example = "ptk_…")]
    pub access_token: String,
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Seconds.
    #[schema(example = 86400)]
    pub expires_in: u64,
}

async fn create(State(http): State<Http>, trace: Trace, body: Unread) -> Answer {
    let TokenRequest { username, password } = body.read()?;
    let app = &http.app;
    let email = Email::parse(&username).ok_or_else(Error::wrong_login)?;
    let attempt = guesses::attempt(app, &people::account(&email), trace.address).await?;
    let attempt = attempt.map_err(|seconds| Error::rate_limited().retry_after(seconds))?;
    let proved = people::prove(app, &trace, &email, &Typed::new(&password)).await?.ok_or_else(Error::wrong_login)?;
    let mut unit = app.begin_by(Origin::anonymous(trace)).await?;
    let token = people::issue_token(&mut unit, &proved, attempt).await?.ok_or_else(Error::wrong_login)?;
    unit.commit().await?;
    let access_token = token.reveal().to_owned();
    Reply::bare(&Token { access_token, token_type: "bearer", expires_in: tokens::LIFE.as_secs() })
}
