//! `GET /api/v1/partner/plans`.

use super::Plan;
use crate::http::route::Shape;
use crate::http::{Answer, PartnerCaller, Reply, Route, Who};
use http::Method;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/partner/plans", Who::Partner, "list_plans", list)
            .doc("Partners", "List available plans", "The plans you may assign to client workspaces; -1 is unlimited.")
            .answers::<Plan>(200, Shape::All),
    ]
}

async fn list(caller: PartnerCaller) -> Answer {
    Reply::data(&super::all(&caller.app.db).await?)
}
