//! `GET /api/v1/audit` and `GET /api/v1/partner/audit`.

use super::action::{ACTIONS, alternatives};
use super::{Entry, PartnerQuery, Query as Wanted};
use crate::app::ActorKind;
use crate::http::route::Shape;
use crate::http::{Answer, PartnerCaller, Query, Reply, Route, Who, WorkspaceCaller};
use http::Method;
use std::sync::LazyLock;

const OWN: &str = "Who changed keys, the team, webhooks, channels and the account, when and from where; and what your partner \
did to your workspace. Entries are never changed and never removed.";
const PARTNERS: &str = "What was done to your account and to all of your clients, by you and by themselves. Entries are never \
changed. When a client is deleted, its own entries go with it and yours stay.";

static ACTORS: LazyLock<String> = LazyLock::new(|| alternatives(ActorKind::WORDS));

pub fn routes() -> Vec<Route> {
    let own = Route::new(Method::GET, "/api/v1/audit", Who::Workspace, "list_audit", list).doc(
        "Account",
        "Read the audit log",
        OWN,
    );
    let partners = Route::new(Method::GET, "/api/v1/partner/audit", Who::Partner, "list_partner_audit", partner_list)
        .doc("Partners", "Read the audit log of your clients", PARTNERS)
        .query("client_id", "integer", "Only what concerns this client, which may be deleted by now.");
    vec![filtered(own), filtered(partners)]
}

fn filtered(route: Route) -> Route {
    route
        .query("action", &ACTIONS, "Only this action.")
        .query("actor", &ACTORS, "Only what somebody of this kind did.")
        .query("actor_id", "integer", "Only what this key or member did; with `actor`.")
        .query("from", "instant", "Not before this moment: `2026-03-04T12:00:00Z`, or a date (UTC).")
        .query("to", "instant", "Not after this moment; a date is its whole day.")
        .paged("Results per page (default 15, at most 100).")
        .answers::<Entry>(200, Shape::Page)
}

async fn list(caller: WorkspaceCaller, Query(query): Query<Wanted>) -> Answer {
    Reply::page(&super::of_workspace(&caller.app.db, caller.scope(), &query).await?)
}

async fn partner_list(caller: PartnerCaller, Query(query): Query<PartnerQuery>) -> Answer {
    Reply::page(&super::of_partner(&caller.app.db, caller.scope(), &query).await?)
}
