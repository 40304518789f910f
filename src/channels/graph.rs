//! Calls to providers' fixed hosts: what went out, what came back, and whether it may have arrived.

use crate::app::App;
use crate::kernel::{Error, Result};
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value;
use skylight_outbound::{Limits, Request};
use std::time::Duration;
use url::Url;

/// A provider's answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// Null when it was not JSON.
    pub body: Value,
}

/// No answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// Whether the call may have reached the provider: then it must not be made again.
    pub sent: bool,
    pub why: String,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }
}

/// Calls `base` + `path`. Errors never name the address: Telegram's holds the token.
pub async fn call(
    app: &App,
    method: Method,
    base: &Url,
    path: &str,
    bearer: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer, NoAnswer> {
    let refused = |why: &str| NoAnswer { sent: false, why: why.to_owned() };
    let url = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|_| refused("the provider's address cannot be built"))?;
    let mut headers = HeaderMap::new();
    if let Some(token) = bearer {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| refused("the token has odd characters"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let body = match body {
        Some(value) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Bytes::from(value.to_string())
        }
        None => Bytes::new(),
    };
    let sent = app.providers.send(Request { method, url, headers, body }, Limits::default()).await;
    let response = sent.map_err(|error| NoAnswer { sent: error.sent(), why: error.to_string() })?;
    let seconds = response.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
    Ok(Answer {
        status: response.status.as_u16(),
        retry_after: seconds.map(Duration::from_secs),
        body: serde_json::from_slice(&response.body).unwrap_or_default(),
    })
}

/// A provider that cannot be reached while connecting: nothing is stored, the caller may try again.
pub fn unreachable(no_answer: NoAnswer) -> Error {
    tracing::warn!(why = no_answer.why, "a provider did not answer");
    Error::provider_unavailable().retry_after(10)
}
