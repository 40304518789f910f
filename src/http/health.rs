//! For whoever watches the server: alive, and able to serve.

use super::Http;
use super::route::{Route, Shape, Who};
use crate::jobs;
use crate::kernel::{Error, Result};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

const PATIENCE: Duration = Duration::from_secs(3);

/// `{"status":"ok"}`
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

pub fn routes() -> Vec<Route> {
    let tag = "Operations";
    vec![
        Route::new(Method::GET, "/health/live", Who::Public, "health_live", live)
            .doc(tag, "Is the process alive", "Answers without touching the database.")
            .answers::<Health>(200, Shape::Plain),
        Route::new(Method::GET, "/health/ready", Who::Public, "health_ready", ready)
            .doc(tag, "Can the server serve", "503 while the database cannot be used, or while the server is stopping.")
            .answers::<Health>(200, Shape::Plain)
            .may_fail(&[503]),
    ]
}

async fn live() -> Response {
    axum::Json(Health { status: "ok" }).into_response()
}

async fn ready(State(http): State<Http>) -> Result<Response> {
    if http.app.is_stopping() {
        return Err(Error::overloaded().retry_after(5));
    }
    let away = || Error::storage_unavailable().retry_after(2);
    if !jobs::can_write(&http.app) {
        return Err(away());
    }
    // A database that does not answer at all is away, too.
    tokio::time::timeout(PATIENCE, http.app.db.ping()).await.map_err(|_| away())??;
    Ok(axum::Json(Health { status: "ok" }).into_response())
}
