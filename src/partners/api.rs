//! `GET /api/v1/partner/profile`.

use super::Partner;
use crate::http::route::Shape;
use crate::http::{Answer, PartnerCaller, Reply, Route, Who};
use http::Method;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/partner/profile", Who::Partner, "get_partner_profile", profile)
            .doc("Partners", "Get partner profile", "Your account, its seats and its branding.")
            .answers::<Partner>(200, Shape::One),
    ]
}

async fn profile(caller: PartnerCaller) -> Answer {
    Reply::data(&super::profile(&caller.app.db, caller.scope()).await?.shown_by(&caller.app))
}
