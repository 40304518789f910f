//! A workspace's home: what it is called, and its figures.

use super::account::{self, Figures};
use crate::auth::By;
use crate::auth::sessions::{self, Visit};
use crate::dashboard::{Figure, Place, Reader, Referrer, Shell, ShownVisit, TAG, Words, go_to};
use crate::http::{Http, Route, SignedIn, Who};
use crate::kernel::{Result, Timezone};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{Method, StatusCode};

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/", Who::Public, "entrance", entrance).page().doc(TAG, "The way to the dashboard", ""),
        Route::new(Method::GET, "/dashboard", Who::Session, "workspace_home", home).doc(
            TAG,
            "A workspace's home",
            "Its figures, and who visits it.",
        ),
    ]
}

#[derive(Template)]
#[template(path = "dashboard/home.html")]
struct Home {
    shell: Shell,
    plan: String,
    figures: [Figure; 4],
    about: &'static str,
    visits: Vec<ShownVisit>,
}

async fn entrance(State(http): State<Http>) -> Response {
    go_to(&http.app, Place::Home.path())
}

async fn home(signed_in: SignedIn, reader: Reader) -> Result<Response> {
    let (session, db, now) = (&signed_in.session, &signed_in.app.db, signed_in.app.now());
    let w = reader.words();
    let figures = account::figures(db, session.scope, now).await?;
    let is_admin = matches!(session.by, By::Member { is_admin: true, .. });
    let visits = if is_admin { sessions::visits_in(db, session.scope, now).await? } else { Vec::new() };
    let visits = visits.iter().map(|visit| shown(visit, &session.brand, &session.timezone)).collect();
    let page = Home {
        shell: Shell::of(&reader, session, Place::Home),
        plan: figures.plan.clone(),
        figures: in_words(&figures, w),
        about: w.visits_in,
        visits,
    };
    reader.page(StatusCode::OK, Referrer::SameOrigin, &page)
}

fn in_words(figures: &Figures, w: &'static Words) -> [Figure; 4] {
    let Figures { contacts, messages, team_members, channels, .. } = figures;
    [
        Figure { id: "contacts", label: w.contacts, used: contacts.used, max: contacts.max, empty: w.no_contacts },
        Figure { id: "messages", label: w.messages, used: messages.used, max: messages.max, empty: w.no_messages },
        Figure { id: "team", label: w.team, used: team_members.used, max: team_members.max, empty: "" },
        Figure { id: "channels", label: w.channels, used: channels.used, max: channels.max, empty: w.no_channels },
    ]
}

fn shown(visit: &Visit, brand: &str, zone: &Timezone) -> ShownVisit {
    ShownVisit::of(visit, brand, zone, format!("/visits/{}/end", visit.id))
}
