//! `POST /api/v1/partner/clients/{id}/impersonate`.

use super::{LoginLink, issue};
use crate::http::route::Shape;
use crate::http::{Answer, Id, PartnerCaller, Reply, Route, Who};
use http::Method;

const IMPERSONATE: &str = "/api/v1/partner/clients/{id}/impersonate";
const ABOUT: &str = "A short-lived link into the client's dashboard, for support and onboarding. It opens once, within 15 \
minutes, and lets in for an hour at most; both sides see the visit and can end it. A visit cannot change keys, passwords or \
people. It ends with the key that issued the link.";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, IMPERSONATE, Who::Partner, "impersonate_client", impersonate)
            .doc("Partners", "Generate a client login link", ABOUT)
            .answers::<LoginLink>(200, Shape::One),
    ]
}

async fn impersonate(caller: PartnerCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let link = issue(&mut unit, caller.scope(), caller.key.key_id, id).await?;
    let reply = Reply::data(&link)?;
    caller.commit(unit, reply).await
}
