//! What happens to every request, around the router: a request id, limits of framing, a deadline, panics turned into one
//! 500, and errors written in the documented envelope.

use super::gate::ClientAddress;
use super::metrics::{self, InFlight, Taken};
use super::problem;
use super::route::Dialect;
use crate::app::{App, Trace};
use crate::kernel::error::Asked;
use crate::kernel::{Error, Problem};
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{ALLOW, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Request, StatusCode};
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceExt;

const HEADER_BYTES: usize = 16 * 1024;
const URL_BYTES: usize = 8 * 1024;
const HANDLER_DEADLINE: Duration = Duration::from_secs(30);
/// Requests in flight; more are turned away early and cheaply. Provider hooks have a share of their own.
const PLACES: usize = 2048;
const HOOK_PLACES: usize = 512;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything around the router.
#[derive(Clone, Debug)]
pub struct Pipeline {
    app: App,
    router: Router,
    places: Arc<Semaphore>,
    hook_places: Arc<Semaphore>,
}

impl Pipeline {
    pub fn new(app: App, router: Router) -> Self {
        let places = Arc::new(Semaphore::new(PLACES));
        Self { app, router, places, hook_places: Arc::new(Semaphore::new(HOOK_PLACES)) }
    }

    pub async fn handle(&self, mut request: Request<Body>, peer: SocketAddr) -> Response {
        let id = self.app.random.uuid().simple().to_string();
        let address = self.client_address(peer.ip(), &request);
        request.extensions_mut().insert(ClientAddress(address));
        request.extensions_mut().insert(Trace { request_id: id.as_str().into(), address });
        let head = (request.method().clone(), request.uri().path().to_owned());
        let began = std::time::Instant::now();
        let (_in_flight, taken) = (InFlight::begin(&self.app), Taken::default());
        request.extensions_mut().insert(taken.clone());
        let response = match self.refusal(&request) {
            Some(error) => error.into_response(),
            None => self.guarded(request, &head.1).await,
        };
        let response = finish(response, &id, Dialect::of_path(&head.1));
        metrics::count(&self.app, &taken, &head.0, response.status().as_u16(), began.elapsed());
        tracing::debug!(
            request_id = id, method = %head.0, path = shown(&head.1), status = response.status().as_u16(),
            micros = began.elapsed().as_micros() as u64, "request"
        );
        response
    }

    fn refusal(&self, request: &Request<Body>) -> Option<Error> {
        let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let url = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
        (headers > HEADER_BYTES || url > URL_BYTES).then(Error::headers_too_large)
    }

    /// Runs the router within its share of places, its deadline, and behind a net for panics.
    async fn guarded(&self, request: Request<Body>, path: &str) -> Response {
        let places = if path.starts_with("/hooks/") { &self.hook_places } else { &self.places };
        let is_health = path.starts_with("/health/");
        let place = places.try_acquire();
        if place.is_err() && !is_health {
            return Error::overloaded().retry_after(1).into_response();
        }
        let handled = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind();
        match tokio::time::timeout(HANDLER_DEADLINE, handled).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => Error::internal("a handler panicked").into_response(),
            Err(_) => Error::timeout().retry_after(5).into_response(),
        }
    }

    /// The socket's address, or the first untrusted hop from the right when the peer is a configured proxy (rule Q2).
    fn client_address(&self, peer: IpAddr, request: &Request<Body>) -> IpAddr {
        let proxies = &self.app.config.trusted_proxies;
        let trusted = |ip: &IpAddr| proxies.iter().any(|network| network.contains(ip));
        if !trusted(&peer) {
            return peer;
        }
        let hops = request.headers().get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
        let hops: Vec<&str> = hops.flat_map(|v| v.split(',')).collect();
        // From the right: what stands left of the first hop that is not ours was written by strangers.
        let hops = hops.into_iter().rev().map_while(|hop| hop.trim().parse().ok());
        let mut last = peer;
        for hop in hops {
            last = hop;
            if !trusted(&hop) {
                break;
            }
        }
        last
    }
}

/// A path as the log may show it. What is long in it was made by chance, and may open something.
fn shown(path: &str) -> String {
    const LONGEST: usize = 32;
    let part = |part: &str| match part.char_indices().nth(LONGEST) {
        Some(_) => part.chars().take(4).chain(['…']).collect(),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<String>>().join("/")
}

/// An error on its way out; written only when the request id is known.
#[derive(Clone, Debug)]
struct Pending(Problem);

/// Marks an answer whose unit of work gave way to another one (a deadlock, or it was overtaken): nothing of it was kept, and running it again
/// is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct GaveWay;

/// Marks the refusal of what is not the caller's.
#[derive(Clone, Debug)]
pub(super) struct Attempt(pub Asked);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if self.is_ours() {
            tracing::error!(error = %self, "request failed");
        }
        let problem = self.public().into_owned();
        let is_lock = matches!(&self, Self::Database(error) if *error.kind() == skylight_db::Kind::Retry);
        let gave_way = is_lock || problem.is_passing;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(asked) = problem.attempt.clone() {
            response.extensions_mut().insert(Attempt(asked));
        }
        response.extensions_mut().insert(Pending(problem));
        if gave_way {
            response.extensions_mut().insert(GaveWay);
        }
        response
    }
}

/// Takes the error out of an answer, so that a page can say it.
pub(super) fn take_problem(response: &mut Response) -> Option<Problem> {
    response.extensions_mut().remove::<Pending>().map(|Pending(problem)| problem)
}

fn finish(mut response: Response, id: &str, dialect: Dialect) -> Response {
    let pending = response.extensions_mut().remove::<Pending>();
    // The router answers a wrong method by itself, without a body.
    let pending = pending.or_else(|| {
        let bare = response.status() == StatusCode::METHOD_NOT_ALLOWED && response.headers().contains_key(ALLOW);
        bare.then(|| Pending(Error::method_not_allowed().public().into_owned()))
    });
    if let Some(Pending(problem)) = pending {
        problem::write(&mut response, &problem, id, dialect);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID.clone(), id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
