//! `/api/v1/bookings`: appointments, and the times that are free for them.

mod feeds;
mod setup;

use super::availability::{self, Slot};
use super::history::{self, Entry};
use super::{Booking, BookingChange, Cancelling, Filter, NewBooking};
use crate::auth::Feature;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Query, Reply, Route, Unread, UnreadQuery, Valid, Who, WorkspaceCaller};
use http::Method;
use serde_json::json;

const TAG: &str = "Bookings";
const ALL: &str = "/api/v1/bookings";
const ONE: &str = "/api/v1/bookings/{id}";
const CANCEL: &str = "/api/v1/bookings/{id}/cancel";
const HISTORY: &str = "/api/v1/bookings/{id}/history";
const AVAILABILITY: &str = "/api/v1/bookings/availability";

const STATUSES: &str = "pending|confirmed|cancelled|completed|no_show";
const CREATED: &str = "Booking created successfully.";
const UPDATED: &str = "Booking updated successfully.";
const CANCELLED: &str = "Booking cancelled successfully.";

pub fn routes() -> Vec<Route> {
    let own = [list_route(), create_route(), availability_route(), get_route(), update_route(), cancel_route()];
    let all = own.into_iter().chain([history_route()]).chain(setup::routes()).chain(feeds::routes());
    all.map(|route| route.needs(Feature::Booking)).chain([feeds::calendar_route()]).collect()
}

fn list_route() -> Route {
    Route::new(Method::GET, ALL, Who::Workspace, "list_bookings", list)
        .doc(
            TAG,
            "List bookings",
            "The newest first; with `from`, `to` or `resource_id`, by their start instead, the latest first. Filters narrow \
             each other.",
        )
        .paged("Results per page (default 15, at most 100).")
        .query("status", STATUSES, "Only bookings with this status.")
        .query("contact_id", "integer", "Only bookings of this contact.")
        .query("from", "instant", "Only bookings that start at this moment or on this day (UTC), or later.")
        .query("to", "instant", "Only bookings that start at this moment or on this day (UTC), or earlier.")
        .query("resource_id", "integer", "Only bookings with this resource.")
        .query("booking_type_id", "integer", "Only bookings of this type.")
        .answers::<Booking>(200, Shape::Page)
        .showing(json!({"status": "confirmed"}))
}

fn create_route() -> Route {
    let example = json!({
        "contact_id": 42, "booking_type_id": 4, "starts_at": "2026-03-04T12:00:00Z", "resource_id": 2,
        "notes": "Comes with her sister."
    });
    Route::new(Method::POST, ALL, Who::Workspace, "create_booking", create)
        .doc(
            TAG,
            "Create a booking",
            "It ends when its type's duration is over. A time that cannot be booked (closed, past, between two slots) is 422 \
             on `starts_at`; one that somebody else has is 409 `slot_taken`. Emits `booking.created`.",
        )
        .takes::<NewBooking>(example)
        .answers::<Booking>(201, Shape::One)
        .showing(json!({"status": "confirmed"}))
        .saying(CREATED)
        .may_fail(&[409])
}

fn availability_route() -> Route {
    Route::new(Method::GET, AVAILABILITY, Who::Workspace, "booking_availability", available)
        .doc(
            TAG,
            "Check available slots",
            "Every free slot that starts on these days, by its start and then by its resource. `booking_type_id` and `date` \
             are required.",
        )
        .query_with("booking_type_id", "integer", "The type that is to be booked.")
        .query_with("date", "instant", "The first day, `YYYY-MM-DD`, in `timezone`.")
        .query("to", "instant", "The last day (default: the first one; at most 31 days).")
        .query("resource_id", "integer", "Only slots of this resource.")
        .query("booking_id", "integer", "A booking that is to be moved: its own time counts as free, and slots are as long as it is.")
        .query("timezone", "string", "Whose days are meant (default: the workspace's zone).")
        .answers::<Slot<'static>>(200, Shape::All)
}

fn get_route() -> Route {
    Route::new(Method::GET, ONE, Who::Workspace, "get_booking", get)
        .doc(TAG, "Get a booking", "")
        .answers::<Booking>(200, Shape::One)
        .showing(json!({"status": "confirmed"}))
}

fn update_route() -> Route {
    Route::new(Method::PUT, ONE, Who::Workspace, "update_booking", update)
        .doc(
            TAG,
            "Update a booking",
            "Changes what is given. Another time or resource is judged like a new booking's. `pending` becomes `confirmed` or \
             `cancelled`; `confirmed` becomes `cancelled`, `completed` or `no_show`; these two become each other; every other \
             change of the status is 409. Emits `booking.updated`, and besides `booking.cancelled` or `booking.completed` \
             when it becomes so.",
        )
        .takes::<BookingChange>(json!({"starts_at": "2026-03-05T09:00:00Z", "notes": "Comes alone."}))
        .answers::<Booking>(200, Shape::One)
        .showing(json!({"status": "confirmed", "notes": "Comes alone."}))
        .saying(UPDATED)
        .may_fail(&[409])
}

fn cancel_route() -> Route {
    Route::new(Method::POST, CANCEL, Who::Workspace, "cancel_booking", cancel)
        .doc(
            TAG,
            "Cancel a booking",
            "Its time is free again, for good. Cancelling twice, and what is over, is 409. Emits `booking.cancelled`.",
        )
        .takes::<Cancelling>(json!({"reason": "The customer is ill."}))
        .answers::<Booking>(200, Shape::One)
        .showing(json!({
            "status": "cancelled", "cancel_reason": "The customer is ill.", "cancelled_at": "2026-03-04T10:00:00.000000Z"
        }))
        .saying(CANCELLED)
        .may_fail(&[409])
}

fn history_route() -> Route {
    Route::new(Method::GET, HISTORY, Who::Workspace, "list_booking_history", past)
        .doc(
            TAG,
            "How a booking came to be",
            "What happened to its state, its time and its resource, the latest first.",
        )
        .paged("Entries per page (default 25, at most 100).")
        .answers::<Entry>(200, Shape::Page)
}

async fn list(caller: WorkspaceCaller, Query(filter): Query<Filter>) -> Answer {
    Reply::page(&super::list(&caller.app.db, caller.scope(), &filter).await?)
}

async fn create(caller: WorkspaceCaller, Valid(new): Valid<NewBooking>) -> Answer {
    let mut unit = caller.begin().await?;
    let booking = super::create(&mut unit, caller.scope(), new).await?;
    let reply = Reply::created(&booking, CREATED)?;
    caller.commit(unit, reply).await
}

async fn available(caller: WorkspaceCaller, Query(query): Query<availability::Query>) -> Answer {
    Reply::data(&availability::slots(&caller.app.db, caller.scope(), &query, caller.app.now()).await?)
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let change: BookingChange = body.read_about(super::get(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let booking = super::update(&mut unit, caller.scope(), id, &change).await?;
    let reply = Reply::done(&booking, UPDATED)?;
    caller.commit(unit, reply).await
}

async fn cancel(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let why: Cancelling = body.read_about(super::get(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let booking = super::cancel(&mut unit, caller.scope(), id, &why).await?;
    let reply = Reply::done(&booking, CANCELLED)?;
    caller.commit(unit, reply).await
}

async fn past(caller: WorkspaceCaller, Id(id): Id, query: UnreadQuery) -> Answer {
    let query: history::Query = query.read_about(super::get(&caller.app.db, caller.scope(), id)).await?;
    Reply::page(&history::of(&caller.app.db, caller.scope(), id, query).await?)
}
