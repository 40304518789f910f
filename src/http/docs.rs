//! The reference: `GET /api/openapi.json`, and a page that shows it. Everything the page needs is inside the binary.

use super::Http;
use super::extract::Segment;
use super::route::{Route, Shape, Who};
use crate::kernel::Error;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use utoipa::ToSchema;

/// The document, written when somebody first asks for it.
#[derive(Debug)]
pub struct Document(LazyLock<Bytes>);

impl Document {
    pub fn new(write: fn() -> Bytes) -> Self {
        Self(LazyLock::new(write))
    }
}

/// An OpenAPI document.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"openapi": "3.1.0", "info": {}, "paths": {}}))]
pub struct Printed {
    /// The version of OpenAPI that it is written in.
    pub openapi: String,
    pub info: serde_json::Value,
    pub paths: serde_json::Value,
    #[schema(additional_properties)]
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// The page speaks to nobody but this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub fn routes() -> Vec<Route> {
    let tag = "Reference";
    vec![
        Route::new(Method::GET, "/api/openapi.json", Who::Public, "openapi", openapi)
            .doc(tag, "This document", "OpenAPI 3.1, made from the routes of the running server.")
            .answers::<Printed>(200, Shape::Plain),
        Route::new(Method::GET, "/docs", Who::Public, "docs", page)
            .doc(tag, "The reference page", "")
            .answers_text("text/html", "<!doctype html>…"),
        Route::new(Method::GET, "/docs/{file}", Who::Public, "docs_file", file)
            .doc(tag, "The reference page's scripts", "")
            .answers_text("text/javascript", "\"use strict\";…")
            .may_fail(&[404]),
    ]
}

async fn openapi(State(http): State<Http>) -> Response {
    ([(CONTENT_TYPE, "application/json")], Bytes::clone(&http.document.0)).into_response()
}

async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
    ];
    (headers, include_str!("../../static/docs/index.html")).into_response()
}

async fn file(Segment(file): Segment) -> Response {
    const SCRIPT: (HeaderName, &str) = (CONTENT_TYPE, "text/javascript; charset=utf-8");
    const CACHED: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=3600");
    match file.as_str() {
        "boot.js" => ([SCRIPT, CACHED], include_str!("../../static/docs/boot.js")).into_response(),
        "scalar.js" => {
            let zipped: &[u8] = include_bytes!("../../static/docs/scalar.js.gz");
            ([SCRIPT, CACHED, (CONTENT_ENCODING, "gzip")], zipped).into_response()
        }
        _ => Error::not_found().into_response(),
    }
}
