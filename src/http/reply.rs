//! The documented envelope: `success`, `data`, `message`, `meta`.

use crate::kernel::{Error, Listing, Result};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

/// An answer, already written out, so that an idempotency record can keep exactly what the caller got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Empty for 204.
    pub body: String,
}

#[derive(Serialize)]
struct Envelope<'a, D: Serialize, M: Serialize> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a D>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<M>,
}

impl Reply {
    /// 200 with data.
    pub fn data(data: &impl Serialize) -> Result<Self> {
        Self::envelope(200, Some(data), None, None::<()>)
    }

    /// 200 with data and a sentence.
    pub fn done(data: &impl Serialize, message: &str) -> Result<Self> {
        Self::envelope(200, Some(data), Some(message), None::<()>)
    }

    /// 200 with a sentence and no data.
    pub fn said(message: &str) -> Result<Self> {
        Self::envelope(200, None::<&()>, Some(message), None::<()>)
    }

    /// 201.
    pub fn created(data: &impl Serialize, message: &str) -> Result<Self> {
        Self::envelope(201, Some(data), Some(message), None::<()>)
    }

    /// 202: it is done in the background.
    pub fn accepted(data: &impl Serialize, message: &str) -> Result<Self> {
        Self::envelope(202, Some(data), Some(message), None::<()>)
    }

    /// 200 with one page of a list.
    pub fn page<T: Serialize>(listing: &Listing<T>) -> Result<Self> {
        Self::envelope(200, Some(&listing.items), None, Some(&listing.meta))
    }

    /// 200 with one page of a list inside other data.
    pub fn page_in<T>(data: &impl Serialize, listing: &Listing<T>) -> Result<Self> {
        Self::envelope(200, Some(data), None, Some(&listing.meta))
    }

    /// 200 with all of a short list, a sentence and `meta`: `GET /webhooks` serves both generations of clients (C9).
    pub fn page_saying<T: Serialize>(listing: &Listing<T>, message: &str) -> Result<Self> {
        Self::envelope(200, Some(&listing.items), Some(message), Some(&listing.meta))
    }

    /// 200 with items that are written out already, and a `meta` of its own.
    pub fn written(items: &[String], meta: &impl Serialize) -> Result<Self> {
        let meta = serde_json::to_string(meta).map_err(Error::internal)?;
        let body = ["{\"success\":true,\"data\":[", &items.join(","), "],\"meta\":", &meta, "}"].concat();
        Ok(Self { status: 200, body })
    }

    /// 200 with an object and nothing around it, as the second partner API answers.
    pub fn bare(object: &impl Serialize) -> Result<Self> {
        Ok(Self { status: 200, body: serde_json::to_string(object).map_err(Error::internal)? })
    }

    /// 204.
    pub fn nothing() -> Self {
        Self { status: 204, body: String::new() }
    }

    fn envelope(
        status: u16,
        data: Option<&impl Serialize>,
        message: Option<&str>,
        meta: Option<impl Serialize>,
    ) -> Result<Self> {
        let envelope = Envelope { success: true, data, message, meta };
        let body = serde_json::to_string(&envelope).map_err(Error::internal)?;
        Ok(Self { status, body })
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        if self.body.is_empty() {
            return status.into_response();
        }
        (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], self.body).into_response()
    }
}
