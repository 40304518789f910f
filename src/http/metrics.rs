//! `GET /metrics`: what this node counts, for the machine that watches it. Loopback peers may look; others need the
//! operator's token.

use super::Http;
use super::gate::ClientAddress;
use super::route::{Route, Who};
use crate::app::App;
use crate::app::metrics::{Gauge, Histogram, Sample};
use crate::kernel::{Error, Result};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Method};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const REQUESTS: Histogram = Histogram::new(
    "skylight_http_request_duration_seconds",
    "Requests by route pattern, method and class of status, from the head to the answer.",
    &["route", "method", "status"],
);
const IN_FLIGHT: Gauge = Gauge::new("skylight_http_requests_in_flight", "Requests that are being answered.", &[]);
const WAITING: Gauge = Gauge::new(
    "skylight_database_waiting",
    "Transactions that wait for the writer (SQLite), or for a connection (PostgreSQL).",
    &[],
);
const CONNECTIONS: Gauge = Gauge::new(
    "skylight_database_connections",
    "Connections of this node (SQLite: those that read), by whether somebody uses them.",
    &["state"],
);
const BUILD: Gauge =
    Gauge::new("skylight_build_info", "1; which version runs, on which database.", &["version", "engine"]);
const STARTED: Gauge = Gauge::new("skylight_start_time_seconds", "When this node started, in Unix seconds.", &[]);

const SAYS: &str = "The text format of Prometheus. Answers whoever asks from this machine itself; others present \
`metrics_token` as a bearer. No label names a tenant.";
/// Who comes from elsewhere through a proxy on this machine is not from this machine.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/metrics", Who::Public, "metrics", show)
            .doc("Operations", "What this node counts", SAYS)
            .answers_text("text/plain", "skylight_build_info{version=\"0.1.0\",engine=\"sqlite\"} 1")
            .may_fail(&[401])
            .guessable(),
    ]
}

async fn show(
    State(http): State<Http>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Result<Response> {
    let is_local = address.is_loopback() && !FORWARDED.iter().any(|name| headers.contains_key(*name));
    if !is_local && !has_token(&http.app, &headers) {
        return Err(Error::metrics_unauthenticated());
    }
    let text = http.app.metrics.written(&http.app).await;
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

fn has_token(app: &App, headers: &HeaderMap) -> bool {
    let Some(token) = &app.config.metrics_token else { return false };
    let presented = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = presented.and_then(|value| value.trim().split_once(' '));
    presented.is_some_and(|(scheme, text)| scheme.eq_ignore_ascii_case("bearer") && token.matches(text.trim()))
}

/// Registers what the face itself can tell.
pub fn measure(app: &App) {
    app.metrics.read_at_scrape(of_node);
    let started = app.now();
    app.rooms.of::<Started>().0.get_or_init(|| started.seconds());
}

#[derive(Default)]
struct Started(OnceLock<i64>);

fn of_node(app: &App) -> BoxFuture<'_, Result<Vec<Sample>>> {
    Box::pin(async move {
        let load = app.db.load();
        let engine = format!("{:?}", app.db.engine()).to_lowercase();
        let started = app.rooms.of::<Started>().0.get().copied().unwrap_or_default();
        Ok(vec![
            WAITING.is(&[], load.waiting as f64),
            CONNECTIONS.is(&["idle"], load.idle as f64),
            CONNECTIONS.is(&["in_use"], load.in_use as f64),
            BUILD.is(&[env!("CARGO_PKG_VERSION"), &engine], 1.0),
            STARTED.is(&[], started as f64),
        ])
    })
}

/// Where the gate says which route a request took: the pipeline around it counts by that, also if the handler panics.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken(Arc<OnceLock<&'static str>>);

impl Taken {
    pub(super) fn is(&self, pattern: &'static str) {
        let _ = self.0.set(pattern);
    }

    fn route(&self) -> &'static str {
        // Whatever strangers ask for that is not there has one name.
        self.0.get().copied().unwrap_or("none")
    }
}

/// A request in flight; counted until it is dropped.
pub(super) struct InFlight<'a>(&'a App);

impl<'a> InFlight<'a> {
    pub(super) fn begin(app: &'a App) -> Self {
        IN_FLIGHT.change(&app.metrics, [], 1);
        Self(app)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        IN_FLIGHT.change(&self.0.metrics, [], -1);
    }
}

pub(super) fn count(app: &App, taken: &Taken, method: &Method, status: u16, took: Duration) {
    REQUESTS.observe(&app.metrics, [taken.route(), method_word(method), class(status)], took);
}

fn method_word(method: &Method) -> &'static str {
    const WORDS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    WORDS.into_iter().find(|word| *word == method.as_str()).unwrap_or("other")
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
