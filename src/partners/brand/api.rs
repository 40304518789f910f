//! `PATCH /api/v1/partner/branding`, and where logos are served.

use super::BrandChange;
use crate::http::route::Shape;
use crate::http::{Answer, Http, PartnerCaller, Reply, Route, Segment, Unread, Who};
use crate::kernel::{Error, Result};
use crate::partners::{self, Partner};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::json;

const CHANGES: &str = "Your name, colour and logo, as your clients' people see them on pages and in mails. What is not named \
stays. Logos are decoded and encoded anew, so that nothing else that the file carries is kept; SVG and \
animations are refused.";
const SHOWN: &str = "The name follows from the content, so the answer may be kept for ever.";
const EXAMPLE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::PATCH, "/api/v1/partner/branding", Who::Partner, "update_branding", update)
            .doc("Partners", "Change your branding", CHANGES)
            .takes::<BrandChange>(
                json!({"company_name": "Rawabi Digital", "primary_color": "#1a73e8", "logo": EXAMPLE}),
            )
            .answers::<Partner>(200, Shape::One)
            .saying("Branding updated successfully."),
        Route::new(Method::GET, "/storage/logos/{file}", Who::Public, "logo_file", show)
            .doc("Pages", "A partner's logo", SHOWN)
            .answers_text("image/png", "the file's bytes")
            .may_fail(&[404]),
    ]
}

async fn update(caller: PartnerCaller, body: Unread) -> Answer {
    let (app, partner) = (caller.app.clone(), caller.scope());
    let change: BrandChange = super::drawn(&app, move || body.read()).await?;
    let mut unit = caller.begin().await?;
    super::set(&mut unit, partner, &change).await?;
    let shown = partners::profile(&mut unit.tx, partner).await?.shown_by(&app);
    let reply = Reply::done(&shown, "Branding updated successfully.")?;
    caller.commit(unit, reply).await
}

/// Nothing that a browser could take for a document of ours, even if it is opened by itself.
async fn show(State(http): State<Http>, Segment(name): Segment) -> Result<Response> {
    let file = super::file(&http.app.db, &name).await?.ok_or_else(Error::not_found)?;
    let headers = [
        (CONTENT_TYPE, file.media_type.as_str()),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (CONTENT_DISPOSITION, "attachment"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((headers, file.bytes.clone()).into_response())
}
