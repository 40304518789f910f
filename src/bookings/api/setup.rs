//! `/api/v1/bookings/types` and `…/resources`: what can be booked, with whom, and when.

use crate::bookings::exceptions::{self, Exception, ExceptionInput};
use crate::bookings::resources::{self, NewResource, Resource, ResourceChange};
use crate::bookings::types::{self, BookingType, BookingTypeChange, NewBookingType};
use crate::http::extract::TwoIds;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, Unread, Valid, Who, WorkspaceCaller};
use http::Method;
use serde_json::{Value, json};

const TAG: &str = "Booking set-up";
const TYPES: &str = "/api/v1/bookings/types";
const TYPE: &str = "/api/v1/bookings/types/{id}";
const RESOURCES: &str = "/api/v1/bookings/resources";
const RESOURCE: &str = "/api/v1/bookings/resources/{id}";
const EXCEPTIONS: &str = "/api/v1/bookings/resources/{id}/exceptions";
const EXCEPTION: &str = "/api/v1/bookings/resources/{id}/exceptions/{exception_id}";

const TYPE_CREATED: &str = "Booking type created successfully.";
const TYPE_UPDATED: &str = "Booking type updated successfully.";
const RESOURCE_CREATED: &str = "Resource created successfully.";
const RESOURCE_UPDATED: &str = "Resource updated successfully.";
const EXCEPTION_CREATED: &str = "Exception created successfully.";
const EXCEPTION_UPDATED: &str = "Exception updated successfully.";

pub fn routes() -> Vec<Route> {
    type_routes().into_iter().chain(resource_routes()).chain(exception_routes()).collect()
}

fn type_routes() -> [Route; 5] {
    let example = json!({
        "name": "Consultation", "duration_minutes": 60, "description": "A first conversation about what you need.",
        "buffer_before_minutes": 0, "buffer_after_minutes": 15, "min_notice_minutes": 120, "max_days_ahead": 60,
        "slot_step_minutes": 30, "auto_complete": true, "is_active": true,
        "reminders": [{"minutes_before": 1440, "text": "See you on {{date}} at {{time}}, {{contact_name}}."}]
    });
    [
        Route::new(Method::GET, TYPES, Who::Workspace, "list_booking_types", list_types)
            .doc(TAG, "List booking types", "All of them, the oldest first.")
            .answers::<BookingType>(200, Shape::All),
        Route::new(Method::POST, TYPES, Who::Workspace, "create_booking_type", create_type)
            .doc(TAG, "Create a booking type", "At most 100 per workspace.")
            .takes::<NewBookingType>(example)
            .answers::<BookingType>(201, Shape::One)
            .saying(TYPE_CREATED),
        Route::new(Method::GET, TYPE, Who::Workspace, "get_booking_type", get_type)
            .doc(TAG, "Get a booking type", "")
            .answers::<BookingType>(200, Shape::One),
        Route::new(Method::PUT, TYPE, Who::Workspace, "update_booking_type", update_type)
            .doc(TAG, "Update a booking type", "Changes what is given. Bookings that are there keep their times.")
            .takes::<BookingTypeChange>(json!({"duration_minutes": 45, "slot_step_minutes": 15}))
            .answers::<BookingType>(200, Shape::One)
            .showing(json!({"duration_minutes": 45, "slot_step_minutes": 15}))
            .saying(TYPE_UPDATED),
        Route::new(Method::DELETE, TYPE, Who::Workspace, "delete_booking_type", delete_type)
            .doc(TAG, "Delete a booking type", "It can be booked no more; its bookings stay.")
            .answers_nothing(),
    ]
}

fn weekdays() -> Value {
    let part = |weekday: i64| json!({"weekday": weekday, "from": "09:00", "to": "17:00"});
    (1..=5).map(part).collect()
}

fn resource_routes() -> [Route; 5] {
    let example = json!({
        "name": "Dr. Huda Saleh", "type": "staff", "timezone": "Asia/Riyadh", "capacity": 1, "booking_type_ids": [4],
        "hours": weekdays(), "is_active": true
    });
    [
        Route::new(Method::GET, RESOURCES, Who::Workspace, "list_booking_resources", list_resources)
            .doc(TAG, "List resources", "All of them, the oldest first.")
            .answers::<Resource>(200, Shape::All),
        Route::new(Method::POST, RESOURCES, Who::Workspace, "create_booking_resource", create_resource)
            .doc(TAG, "Create a resource", "Somebody or something that takes bookings. At most 200 per workspace.")
            .takes::<NewResource>(example)
            .answers::<Resource>(201, Shape::One)
            .saying(RESOURCE_CREATED),
        Route::new(Method::GET, RESOURCE, Who::Workspace, "get_booking_resource", get_resource)
            .doc(TAG, "Get a resource", "")
            .answers::<Resource>(200, Shape::One),
        Route::new(Method::PUT, RESOURCE, Who::Workspace, "update_booking_resource", update_resource)
            .doc(TAG, "Update a resource", "Changes what is given. Bookings that are there stay.")
            .takes::<ResourceChange>(json!({"capacity": 2, "hours": weekdays()}))
            .answers::<Resource>(200, Shape::One)
            .showing(json!({"capacity": 2}))
            .saying(RESOURCE_UPDATED),
        Route::new(Method::DELETE, RESOURCE, Who::Workspace, "delete_booking_resource", delete_resource)
            .doc(TAG, "Delete a resource", "Past bookings stay. While there are bookings to come it is 409.")
            .answers_nothing()
            .may_fail(&[409]),
    ]
}

fn exception_routes() -> [Route; 5] {
    let example = || json!({"date": "2026-09-23", "from": "10:00", "to": "14:00"});
    [
        Route::new(Method::GET, EXCEPTIONS, Who::Workspace, "list_booking_exceptions", list_exceptions)
            .doc(TAG, "List a resource's exceptions", "Days with hours of their own, by date.")
            .answers::<Exception>(200, Shape::All)
            .showing(json!({"closed": false})),
        Route::new(Method::POST, EXCEPTIONS, Who::Workspace, "create_booking_exception", create_exception)
            .doc(
                TAG,
                "Add an exception",
                "A day on which the resource is closed, or open at other hours than in its week. Bookings that are there stay.",
            )
            .takes::<ExceptionInput>(example())
            .answers::<Exception>(201, Shape::One)
            .showing(json!({"closed": false}))
            .saying(EXCEPTION_CREATED),
        Route::new(Method::GET, EXCEPTION, Who::Workspace, "get_booking_exception", get_exception)
            .doc(TAG, "Get an exception", "")
            .answers::<Exception>(200, Shape::One)
            .showing(json!({"closed": false})),
        Route::new(Method::PUT, EXCEPTION, Who::Workspace, "update_booking_exception", update_exception)
            .doc(TAG, "Update an exception", "Says anew what the day is like.")
            .takes::<ExceptionInput>(example())
            .answers::<Exception>(200, Shape::One)
            .showing(json!({"closed": false}))
            .saying(EXCEPTION_UPDATED),
        Route::new(Method::DELETE, EXCEPTION, Who::Workspace, "delete_booking_exception", delete_exception)
            .doc(TAG, "Remove an exception", "The day is like its weekday again.")
            .answers_nothing(),
    ]
}

async fn list_types(caller: WorkspaceCaller) -> Answer {
    Reply::data(&types::list(&caller.app.db, caller.scope()).await?)
}

async fn create_type(caller: WorkspaceCaller, Valid(new): Valid<NewBookingType>) -> Answer {
    let mut unit = caller.begin().await?;
    let kind = types::create(&mut unit, caller.scope(), new).await?;
    let reply = Reply::created(&kind, TYPE_CREATED)?;
    caller.commit(unit, reply).await
}

async fn get_type(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&types::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update_type(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let change: BookingTypeChange = body.read_about(types::get(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let kind = types::update(&mut unit, caller.scope(), id, &change).await?;
    let reply = Reply::done(&kind, TYPE_UPDATED)?;
    caller.commit(unit, reply).await
}

async fn delete_type(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    types::delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn list_resources(caller: WorkspaceCaller) -> Answer {
    Reply::data(&resources::list(&caller.app.db, caller.scope()).await?)
}

async fn create_resource(caller: WorkspaceCaller, Valid(new): Valid<NewResource>) -> Answer {
    let mut unit = caller.begin().await?;
    let resource = resources::create(&mut unit, caller.scope(), new).await?;
    let reply = Reply::created(&resource, RESOURCE_CREATED)?;
    caller.commit(unit, reply).await
}

async fn get_resource(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&resources::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update_resource(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let change: ResourceChange = body.read_about(resources::get(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let resource = resources::update(&mut unit, caller.scope(), id, change).await?;
    let reply = Reply::done(&resource, RESOURCE_UPDATED)?;
    caller.commit(unit, reply).await
}

async fn delete_resource(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    resources::delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn list_exceptions(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&exceptions::list(&caller.app.db, caller.scope(), id).await?)
}

async fn create_exception(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let new: ExceptionInput = body.read_about(resources::get(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let exception = exceptions::create(&mut unit, caller.scope(), id, &new).await?;
    let reply = Reply::created(&exception, EXCEPTION_CREATED)?;
    caller.commit(unit, reply).await
}

async fn get_exception(caller: WorkspaceCaller, TwoIds(resource, id): TwoIds) -> Answer {
    Reply::data(&exceptions::get(&caller.app.db, caller.scope(), resource, id).await?)
}

async fn update_exception(caller: WorkspaceCaller, TwoIds(resource, id): TwoIds, body: Unread) -> Answer {
    let found = exceptions::get(&caller.app.db, caller.scope(), resource, id);
    let new: ExceptionInput = body.read_about(found).await?;
    let mut unit = caller.begin().await?;
    let exception = exceptions::update(&mut unit, caller.scope(), resource, id, &new).await?;
    let reply = Reply::done(&exception, EXCEPTION_UPDATED)?;
    caller.commit(unit, reply).await
}

async fn delete_exception(caller: WorkspaceCaller, TwoIds(resource, id): TwoIds) -> Answer {
    let mut unit = caller.begin().await?;
    exceptions::delete(&mut unit, caller.scope(), resource, id).await?;
    caller.commit(unit, Reply::nothing()).await
}
