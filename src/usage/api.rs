//! `GET /api/v1/partner/clients/{id}/usage` and `GET /api/v1/partner/usage`.

use super::{ClientUsage, OfAll, OfOne, PartnerUsage};
use crate::http::route::Shape;
use crate::http::{Answer, Id, PartnerCaller, Query, Reply, Route, UnreadQuery, Who};
use crate::workspaces;
use http::Method;

pub fn routes() -> Vec<Route> {
    let period = "`current` (default) or `YYYY-MM` of a past month.";
    vec![
        Route::new(Method::GET, "/api/v1/partner/clients/{id}/usage", Who::Partner, "get_client_usage", of_one)
            .doc("Partners", "Get client usage", "What one client used in a billing period (a calendar month, UTC).")
            .query("period", "string", period)
            .answers::<ClientUsage>(200, Shape::One),
        Route::new(Method::GET, "/api/v1/partner/usage", Who::Partner, "get_partner_usage", of_all)
            .doc("Partners", "List usage across all clients", "A summary over all clients, and a page of clients.")
            .query("period", "string", period)
            .paged("Clients per page (default 50, max 200).")
            .answers::<PartnerUsage>(200, Shape::PageInside),
    ]
}

async fn of_one(caller: PartnerCaller, Id(id): Id, query: UnreadQuery) -> Answer {
    let app = &caller.app;
    let OfOne(period) = query.read_about(workspaces::of_partner(&app.db, caller.scope(), id)).await?;
    Reply::data(&super::of_client(&app.db, caller.scope(), id, &period, app.now()).await?)
}

async fn of_all(caller: PartnerCaller, Query(OfAll(period, page)): Query<OfAll>) -> Answer {
    let app = &caller.app;
    let (usage, listing) = super::of_all(&app.db, caller.scope(), &period, page, app.now()).await?;
    Reply::page_in(&usage, &listing)
}
