//! `/api/v1/bookings/feeds`, and `/calendars`, where programs read them.

use crate::auth::Bucket;
use crate::bookings::feeds::{self, Feed, IssuedFeed, NewFeed};
use crate::http::route::Shape;
use crate::http::{Answer, Http, Id, Reply, Route, Segment, Valid, Who, WorkspaceCaller};
use crate::kernel::{Error, Result};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    REFERRER_POLICY,
};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

const TAG: &str = "Calendar feeds";
const ALL: &str = "/api/v1/bookings/feeds";
const ONE: &str = "/api/v1/bookings/feeds/{id}";
const REGENERATE: &str = "/api/v1/bookings/feeds/{id}/regenerate";
const CALENDAR: &str = "/calendars/{file}";

const CREATED: &str = "Calendar feed created. Store its address securely — it won't be shown again.";
const REGENERATED: &str = "Calendar feed regenerated. Store its address securely — it won't be shown again.";
const CREATES: &str = "A calendar of the bookings that programs subscribe to by its address: of one resource, or of the whole \
workspace. Whoever has the address reads them, with the contacts' names and numbers. At most 100 per workspace.";
const READS: &str = "An iCalendar file of the bookings: those to come, and those of the last 30 days; without the cancelled ones. \
Answers 304 to an `If-None-Match` that names what is there. An address that opens nothing (any more) is 404.";
const EXAMPLE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n…END:VCALENDAR\r\n";

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// What a workspace does with its feeds.
pub fn routes() -> [Route; 5] {
    let example = json!({"name": "Consultations", "resource_id": 2});
    [
        Route::new(Method::GET, ALL, Who::Workspace, "list_booking_feeds", list)
            .doc(TAG, "List calendar feeds", "All of them, the oldest first, without their addresses.")
            .answers::<Feed>(200, Shape::All),
        Route::new(Method::POST, ALL, Who::Workspace, "create_booking_feed", create)
            .doc(TAG, "Create a calendar feed", CREATES)
            .takes::<NewFeed>(example)
            .answers::<IssuedFeed>(201, Shape::One)
            .showing(json!({"last_read_at": null}))
            .saying(CREATED),
        Route::new(Method::GET, ONE, Who::Workspace, "get_booking_feed", get)
            .doc(TAG, "Get a calendar feed", "")
            .answers::<Feed>(200, Shape::One),
        Route::new(Method::POST, REGENERATE, Who::Workspace, "regenerate_booking_feed", regenerate)
            .doc(TAG, "Give a calendar feed another address", "The one before is dead at once.")
            .answers::<IssuedFeed>(200, Shape::One)
            .showing(json!({"last_read_at": null}))
            .saying(REGENERATED),
        Route::new(Method::DELETE, ONE, Who::Workspace, "delete_booking_feed", delete)
            .doc(TAG, "Delete a calendar feed", "Its address is dead at once.")
            .answers_nothing(),
    ]
}

/// What programs read.
pub fn calendar_route() -> Route {
    Route::new(Method::GET, CALENDAR, Who::Public, "booking_calendar", calendar)
        .doc(TAG, "A calendar", READS)
        .answers_text("text/calendar", EXAMPLE)
        .may_fail(&[404])
        .guessable()
}

async fn list(caller: WorkspaceCaller) -> Answer {
    Reply::data(&feeds::list(&caller.app.db, caller.scope()).await?)
}

async fn create(caller: WorkspaceCaller, Valid(new): Valid<NewFeed>) -> Answer {
    let mut unit = caller.begin().await?;
    let issued = feeds::create(&mut unit, caller.scope(), new).await?;
    let reply = Reply::created(&issued, CREATED)?;
    caller.commit(unit, reply).await
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&feeds::get(&caller.app.db, caller.scope(), id).await?)
}

async fn regenerate(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let issued = feeds::regenerate(&mut unit, caller.scope(), id).await?;
    let reply = Reply::done(&issued, REGENERATED)?;
    caller.commit(unit, reply).await
}

async fn delete(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    feeds::delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

/// Nothing of it is anybody's but who has the address: no shared cache keeps it, no search engine lists it, and nothing in it
/// is run.
async fn calendar(State(http): State<Http>, Segment(file): Segment, headers: HeaderMap) -> Result<Response> {
    let token = file.strip_suffix(".ics").unwrap_or_default();
    let feed = feeds::open(&http.app, token).await?.ok_or_else(Error::not_found)?;
    let counted = http.limiter.take(Bucket::BookingFeed(feed.id)).await;
    if let Some(spent) = counted.filter(|decision| !decision.allowed) {
        return Err(Error::rate_limited().retry_after(spent.retry_after));
    }
    let calendar = feeds::read(&http.app, feed).await?;
    let known = [
        (ETAG, calendar.etag.clone()),
        (CACHE_CONTROL, "private, max-age=300".to_owned()),
        (ROBOTS, "noindex, nofollow".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    if knows(&headers, &calendar.etag) {
        return Ok((StatusCode::NOT_MODIFIED, known).into_response());
    }
    let whole = [
        (CONTENT_TYPE, "text/calendar; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("inline; filename=\"{}\"", calendar.file)),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    Ok((known, whole, calendar.text).into_response())
}

/// Whether the one who asks has this already.
fn knows(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut named = lists.flat_map(|list| list.split(',')).map(str::trim);
    named.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
