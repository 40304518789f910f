//! `/api/v1/account`, and the lists of what it accepts.

use super::{Account, AccountChange, Subscription};
use crate::http::route::Shape;
use crate::http::{Answer, Http, Reply, Route, Valid, Who, WorkspaceCaller};
use crate::kernel::timezone::{self, Zone};
use crate::kernel::{Country, Result};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{CACHE_CONTROL, HeaderName};
use serde_json::json;

const ACCOUNT: &str = "/api/v1/account";
const TAG: &str = "Account";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, ACCOUNT, Who::Workspace, "get_account", get)
            .doc(TAG, "Get account profile", "Your workspace. Its API keys are never included.")
            .answers::<Account>(200, Shape::One),
        Route::new(Method::PATCH, ACCOUNT, Who::Workspace, "update_account", update)
            .doc(TAG, "Update account profile", "Only the given fields change.")
            .takes::<AccountChange>(json!({
                "company_name": "Nakheel Trading International", "address": "طريق الأمير محمد بن سلمان، جدة",
                "timezone": "Europe/London", "country_id": 194,
            }))
            .says("Account updated successfully."),
        Route::new(Method::GET, "/api/v1/account/subscription", Who::Workspace, "get_subscription", subscription)
            .doc(TAG, "Get subscription details", "Plan, limits with what is used of them now, and features.")
            .answers::<Subscription>(200, Shape::One),
        Route::new(Method::GET, "/api/v1/countries", Who::Public, "list_countries", countries)
            .doc(TAG, "List countries", "What `country_id` stands for.")
            .answers::<Country>(200, Shape::All),
        Route::new(Method::GET, "/api/v1/timezones", Who::Public, "list_timezones", timezones)
            .doc(TAG, "List time zones", "Every accepted `timezone`, with its offset from UTC at this moment.")
            .answers::<Zone>(200, Shape::All),
    ]
}

async fn get(caller: WorkspaceCaller) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope()).await?)
}

async fn update(caller: WorkspaceCaller, Valid(change): Valid<AccountChange>) -> Answer {
    let mut unit = caller.begin().await?;
    super::update(&mut unit, caller.scope(), change).await?;
    caller.commit(unit, Reply::said("Account updated successfully.")?).await
}

async fn subscription(caller: WorkspaceCaller) -> Answer {
    Reply::data(&super::subscription(&caller.app.db, caller.scope(), caller.app.now()).await?)
}

/// Both lists are the same for everybody; offsets move by the hour at most.
const CACHED: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=3600");

async fn countries() -> Result<Response> {
    Ok(([CACHED], Reply::data(&Country::all().collect::<Vec<_>>())?).into_response())
}

async fn timezones(State(http): State<Http>) -> Result<Response> {
    Ok(([CACHED], Reply::data(&timezone::all(http.app.now()))?).into_response())
}
