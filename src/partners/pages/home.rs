//! A partner's home: its seats, its clients with their figures, and where it visits now.

use crate::auth::sessions;
use crate::dashboard::{Figure, Place, Reader, Referrer, Shell, ShownVisit, TAG, Words, number};
use crate::http::{PartnerSignedIn, Route, Who};
use crate::kernel::{Page, Result, Timezone};
use crate::partners;
use crate::workspaces::{self, Client, ClientFilter};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use std::sync::Arc;

const PER_PAGE: i64 = 50;

pub fn routes() -> Vec<Route> {
    vec![Route::new(Method::GET, "/partner", Who::PartnerSession, "partner_home", home).doc(
        TAG,
        "A partner's home",
        "Its seats and clients.",
    )]
}

/// A client in the list.
struct Shown {
    name: String,
    plan: String,
    status: &'static str,
    contacts: String,
    messages: String,
    team: String,
}

impl Shown {
    fn of(client: Client, w: &'static Words) -> Self {
        let status = match client.status.as_str() {
            "active" => w.active,
            "suspended" => w.suspended,
            _ => w.pending_setup,
        };
        let usage = &client.usage;
        Self {
            contacts: number(usage.contacts),
            messages: number(usage.messages_this_month),
            team: number(usage.team_members),
            name: client.company_name,
            plan: client.plan,
            status,
        }
    }
}

#[derive(Template)]
#[template(path = "dashboard/partner_home.html")]
struct Home {
    shell: Shell,
    plan: String,
    /// What the second partner API calls the partner.
    public_id: Arc<str>,
    figures: [Figure; 1],
    about: &'static str,
    visits: Vec<ShownVisit>,
    clients: Vec<Shown>,
    newer: Option<i64>,
    older: Option<i64>,
}

async fn home(signed_in: PartnerSignedIn, reader: Reader) -> Result<Response> {
    let (db, scope, now) = (&signed_in.app.db, signed_in.scope(), signed_in.app.now());
    let w = reader.words();
    let profile = partners::profile(db, scope).await?;
    let asked = reader.asked_for("page").and_then(|page| page.parse().ok());
    let number = asked.filter(|page| (1..=100_000).contains(page)).unwrap_or(1);
    let page = Page::numbered(number, PER_PAGE);
    let filter = ClientFilter { page, status: None, search: None, plan: None };
    let clients = workspaces::clients(db, scope, filter, now, |_| String::new()).await?;
    let visits = sessions::visits_of(db, scope, now).await?;
    let shown = |visit| {
        ShownVisit::of(visit, &visit.company_name, &Timezone::utc(), format!("/partner/visits/{}/end", visit.id))
    };
    let page = Home {
        shell: Shell::of_partner(&reader, &signed_in.session, Place::PartnerHome),
        plan: profile.plan,
        public_id: partners::hub::public_id(&signed_in.app, scope).await?,
        figures: [Figure {
            id: "seats",
            label: w.seats,
            used: profile.client_seats.used,
            max: profile.client_seats.max,
            empty: "",
        }],
        about: w.visits_of,
        visits: visits.iter().map(shown).collect(),
        newer: (number > 1).then_some(number - 1),
        older: clients.has_more().then_some(number + 1),
        clients: clients.items.into_iter().map(|client| Shown::of(client, w)).collect(),
    };
    reader.page(StatusCode::OK, Referrer::SameOrigin, &page)
}
