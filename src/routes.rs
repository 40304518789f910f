//! Every route of the server, gathered from the rooms, and the router made of them.

use crate::app::App;
use crate::http::docs::Document;
use crate::http::gate::{self, Gate};
use crate::http::openapi::Told;
use crate::http::pipeline::Pipeline;
use crate::http::{Http, Route, docs, health, metrics, openapi};
use crate::{audit, auth, dashboard, hub, partners, team, workspaces};
use crate::{bookings, channels, contacts, conversations, events, plans, tickets, usage, webhooks};
use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};

/// The route table of the API, with what belongs to its document.
pub fn all() -> Vec<Route> {
    let rooms = [
        bookings::api::routes(),
        channels::api::routes(),
        channels::api::hooks::routes(),
        contacts::api::routes(),
        contacts::groups::api::routes(),
        contacts::notes::api::routes(),
        contacts::tags::api::routes(),
        conversations::api::routes(),
        webhooks::api::routes(),
        events::api::routes(),
        audit::api::routes(),
        partners::api::routes(),
        partners::brand::api::routes(),
        plans::api::routes(),
        workspaces::account::api::routes(),
        workspaces::api::routes(),
        workspaces::visits::api::routes(),
        team::api::routes(),
        team::pages::password::invitation(),
        tickets::api::routes(),
        usage::api::routes(),
        hub::api::routes(),
        health::routes(),
        metrics::routes(),
        docs::routes(),
        dashboard::routes(),
    ];
    rooms.into_iter().flatten().collect()
}

/// The route table of the dashboard: pages for people, which are no part of the API and its document.
pub fn pages() -> Vec<Route> {
    let rooms = [
        team::pages::sign_in::routes(),
        team::pages::password::reset(),
        workspaces::pages::routes(),
        workspaces::visits::pages::routes(),
        auth::pages::keys::routes(),
        auth::pages::partner_keys::routes(),
        webhooks::pages::routes(),
        partners::pages::routes(),
    ];
    rooms.into_iter().flatten().collect()
}

/// What receivers of webhooks are told.
const TOLD: &[Told<'static>] = &[
    Told { events: events::WORKSPACE_EVENTS, payload: openapi::WORKSPACE_PAYLOAD, sample: webhooks::api::sample },
    Told { events: events::PARTNER_EVENTS, payload: openapi::PARTNER_PAYLOAD, sample: webhooks::api::sample },
    Told { events: events::HUB_EVENTS, payload: openapi::HUB_PAYLOAD, sample: |_| None },
];

/// The OpenAPI document of these routes.
pub fn document(routes: &[Route]) -> String {
    openapi::document(routes, TOLD).to_json().unwrap_or_default()
}

/// The same document, laid out for people: what `skylight openapi` prints and `docs/openapi.json` holds.
pub fn printed_document() -> String {
    openapi::document(&all(), TOLD).to_pretty_json().unwrap_or_default()
}

/// The router with everything around it.
pub fn pipeline(app: &App) -> Pipeline {
    let routes: Vec<Route> = all().into_iter().chain(pages()).collect();
    let http = Http::new(app, Document::new(|| document(&all()).into()));
    let gate = Gate::new(http.clone(), &routes, dashboard::problem_page);
    let mut router = Router::new();
    for route in routes {
        router = route.mount(router);
    }
    let router = router
        .route_layer(middleware::from_fn_with_state(gate.clone(), gate::pass))
        // The gate has its own limit for every route.
        .layer(DefaultBodyLimit::disable())
        .fallback(move |request| gate::unknown_path(gate, request))
        .with_state(http);
    Pipeline::new(app.clone(), router)
}
