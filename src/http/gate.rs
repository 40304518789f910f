//! The gate in front of every handler: credentials, rate, kind, plan, suspension, body — in the order of the rules
//! (`security.md` section 13), first failure answers.

use super::idempotency::{self, Outcome};
use super::metrics::Taken;
use super::people;
use super::pipeline::{self, Attempt, GaveWay};
use super::route::{Permission, Route, Who};
use super::{Http, PartnerCaller, WorkspaceCaller};
use crate::app::{App, Trace};
use crate::audit;
use crate::auth::{Bucket, Decision, Domains, Feature, Holder, WorkspaceKey};
use crate::kernel::{Error, Problem, Result};
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the gate must know of a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub who: Who,
    pub permission: Permission,
    pub body_limit: usize,
    feature: Option<Feature>,
    guessable: bool,
    is_page: bool,
}

/// How a refusal is written for people: as a page of the dashboard.
pub type ProblemPage = fn(&App, &HeaderMap, &Problem) -> Response;

/// The route table as the gate looks things up in it.
#[derive(Clone, Debug)]
pub struct Gate {
    pub(super) http: Http,
    problem_page: ProblemPage,
    rules: Arc<HashMap<&'static str, Vec<(Method, Rule)>>>,
}

/// The caller's network address, put there by the pipeline.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

const BODY_DEADLINE: Duration = Duration::from_secs(30);

impl Gate {
    pub fn new(http: Http, routes: &[Route], problem_page: ProblemPage) -> Self {
        let mut rules: HashMap<&'static str, Vec<(Method, Rule)>> = HashMap::new();
        for route in routes {
            let rule = Rule {
                who: route.who,
                permission: route.permission,
                body_limit: route.body_limit,
                feature: route.feature,
                guessable: route.guessable,
                is_page: route.is_page,
            };
            rules.entry(route.path).or_default().push((route.method.clone(), rule));
        }
        Self { http, problem_page, rules: Arc::new(rules) }
    }

    fn rule(&self, request: &Request) -> Option<Rule> {
        let path = request.extensions().get::<MatchedPath>()?;
        let (pattern, rules) = self.rules.get_key_value(path.as_str())?;
        if let Some(taken) = request.extensions().get::<Taken>() {
            taken.is(pattern);
        }
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        rules.iter().find(|(of, _)| of == method).map(|(_, rule)| *rule)
    }

    /// Who calls, and whether one more request fits the window. Requests without a valid key count against the address.
    async fn identify(&self, who: Who, headers: &HeaderMap, address: IpAddr) -> Result<Identified> {
        let holder = match presented(headers) {
            Presented::One(token) => self.http.authenticator.holder(token).await?,
            Presented::None | Presented::Several => None,
        };
        let bucket = match &holder {
            Some(Holder::Workspace(key)) => Bucket::WorkspaceKey(key.key_id),
            Some(Holder::Partner(key)) => Bucket::PartnerKey(key.key_id),
            Some(Holder::Token(token)) => Bucket::PartnerToken(token.key_id),
            None => Bucket::of_address(address),
        };
        let decision = self.http.limiter.take(bucket).await;
        let refusal = match (&holder, decision) {
            (_, Some(decision)) if !decision.allowed => Some(Error::rate_limited().retry_after(decision.retry_after)),
            (None, _) if who == Who::Partner => Some(Error::partner_unauthenticated()),
            (None, _) if who == Who::Hub => Some(Error::hub_unauthenticated()),
            (None, _) => Some(Error::unauthenticated()),
            _ => None,
        };
        Ok(Identified { holder, decision, refusal })
    }

    /// Counts a request that no route takes.
    async fn count(&self, headers: HeaderMap, from: IpAddr) -> Option<Decision> {
        self.identify(Who::Workspace, &headers, from).await.ok().and_then(|identified| identified.decision)
    }
}

struct Identified {
    holder: Option<Holder>,
    decision: Option<Decision>,
    refusal: Option<Error>,
}

/// Lets a request through to its handler, or answers for it.
pub async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Some(rule) = gate.rule(&request) else {
        // A method the path does not have: the router answers 405, for everybody, but it counts.
        let decision = gate.count(request.headers().clone(), address(&request)).await;
        let mut response = next.run(request).await;
        add_rate_headers(response.headers_mut(), decision);
        return response;
    };
    if rule.is_page {
        let headers = request.headers().clone();
        let mut answer = without_key(&gate, rule, request, next).await;
        let problem = pipeline::take_problem(&mut answer);
        return problem.map_or(answer, |problem| (gate.problem_page)(&gate.http.app, &headers, &problem));
    }
    if matches!(rule.who, Who::Provider | Who::Public) {
        return without_key(&gate, rule, request, next).await;
    }
    keyed(gate, rule, request, next).await
}

async fn without_key(gate: &Gate, rule: Rule, request: Request, next: Next) -> Response {
    if matches!(rule.who, Who::Session | Who::PartnerSession) {
        return people::admit(gate, rule, request, next).await.unwrap_or_else(IntoResponse::into_response);
    }
    if rule.guessable { guarded(gate, rule, request, next).await } else { unkeyed(rule, request, next).await }
}

async fn keyed(gate: Gate, rule: Rule, request: Request, next: Next) -> Response {
    let from = address(&request);
    let (parts, body) = request.into_parts();
    let identified = gate.identify(rule.who, &parts.headers, from).await;
    let request = Request::from_parts(parts, body);
    let identified = match identified {
        Ok(identified) => identified,
        Err(error) => return error.into_response(),
    };
    let decision = identified.decision;
    let mut response = match admit(&gate, rule, identified, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    add_rate_headers(response.headers_mut(), decision);
    response
}

async fn admit(gate: &Gate, rule: Rule, identified: Identified, request: Request, next: Next) -> Result<Response> {
    // What is wrong with the frame comes first, as far as it shows without reading the body.
    check_length(request.headers(), rule.body_limit)?;
    if let Some(refusal) = identified.refusal {
        return Err(refusal);
    }
    let owner = match (rule.who, &identified.holder) {
        _ if !in_its_header(rule.who, request.headers(), identified.holder.as_ref()) => {
            return Err(Error::wrong_credential());
        }
        (Who::Workspace, Some(Holder::Workspace(key))) => {
            check_workspace(key, rule.feature, request.headers())?;
            format!("w:{}", key.scope.id())
        }
        (Who::Partner | Who::Hub, Some(Holder::Partner(key))) | (Who::Hub, Some(Holder::Token(key))) => {
            if !key.is_active {
                return Err(Error::partner_suspended());
            }
            format!("p:{}", key.scope.id())
        }
        _ => return Err(Error::wrong_credential()),
    };
    let (mut request, body) = buffered(request, rule.body_limit).await?;
    let claim = if matches!(*request.method(), Method::GET | Method::HEAD) {
        None
    } else {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        match idempotency::check(&gate.http, owner, request.method(), path, request.headers(), &body).await? {
            Outcome::None => None,
            Outcome::Run(claim) => Some(claim),
            Outcome::Replay(reply) => {
                let replayed = (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
                return Ok(([replayed], reply).into_response());
            }
        }
    };
    let app = gate.http.app.clone();
    let trace = request.extensions().get::<Trace>().cloned().unwrap_or_default();
    match identified.holder {
        Some(Holder::Workspace(key)) => {
            // National phone numbers in a body are the workspace's country's.
            request.extensions_mut().insert(key.country);
            request.extensions_mut().insert(WorkspaceCaller { app, key, trace, claim });
            Ok(run(request, &body, next).await)
        }
        Some(Holder::Partner(key) | Holder::Token(key)) => {
            let caller = PartnerCaller { app, key, trace, claim };
            request.extensions_mut().insert(caller.clone());
            let response = run(request, &body, next).await;
            if let Some(Attempt(asked)) = response.extensions().get() {
                audit::refused(&caller.app, caller.scope(), caller.origin(), asked).await;
            }
            Ok(response)
        }
        None => Err(Error::unauthenticated()),
    }
}

/// Runs the handler; a few times if its unit of work must give way to others.
pub(super) async fn run(request: Request, body: &Bytes, next: Next) -> Response {
    const TRIES: usize = 3;
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (parts, _) = request.into_parts();
    for _ in 1..TRIES {
        let response = next.clone().run(Request::from_parts(parts.clone(), Body::from(body.clone()))).await;
        if response.extensions().get::<GaveWay>().is_none() {
            return response;
        }
    }
    next.run(Request::from_parts(parts, Body::from(body.clone()))).await
}

fn check_workspace(key: &WorkspaceKey, feature: Option<Feature>, headers: &HeaderMap) -> Result<()> {
    if !key.is_active {
        return Err(Error::account_suspended());
    }
    if !origin_allowed(&key.domains, headers) {
        return Err(Error::origin_not_allowed());
    }
    if !key.may_use(Feature::ApiAccess) || feature.is_some_and(|feature| !key.may_use(feature)) {
        return Err(Error::feature_not_in_plan());
    }
    Ok(())
}

pub(super) fn check_length(headers: &HeaderMap, limit: usize) -> Result<()> {
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) { Err(Error::body_too_large()) } else { Ok(()) }
}

/// A route that takes no key.
async fn unkeyed(rule: Rule, request: Request, next: Next) -> Response {
    match buffered(request, rule.body_limit).await {
        Ok((request, body)) => run(request, &body, next).await,
        Err(error) => error.into_response(),
    }
}

/// A provider's hook, or a page behind a link: what is proved is not limited, but who guesses addresses, signatures or
/// links is counted (rule Q2).
async fn guarded(gate: &Gate, rule: Rule, request: Request, next: Next) -> Response {
    let caller = Bucket::of_address(address(&request));
    if let Some(spent) = gate.http.limiter.is_spent(caller) {
        return Error::rate_limited().retry_after(spent.retry_after).into_response();
    }
    let response = unkeyed(rule, request, next).await;
    if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        gate.http.limiter.take(caller).await;
    }
    response
}

/// Reads the whole body, within its limit and deadline.
pub(super) async fn buffered(request: Request, limit: usize) -> Result<(Request, Bytes)> {
    let (parts, body) = request.into_parts();
    check_length(&parts.headers, limit)?;
    let collected = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, limit).collect()).await;
    let bytes = match collected {
        Err(_) => return Err(Error::malformed_request().saying("The request body did not arrive in time.")),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => return Err(Error::body_too_large()),
        Ok(Err(_)) => return Err(Error::malformed_request()),
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    Ok((Request::from_parts(parts, Body::from(bytes.clone())), bytes))
}

enum Presented<'a> {
    None,
    One(&'a str),
    /// Two different credentials on one request are refused.
    Several,
}

/// Whether a request presents a key, be it none of ours.
pub(super) fn presents_key(headers: &HeaderMap) -> bool {
    !matches!(presented(headers), Presented::None)
}

const API_KEY: &str = "x-api-key";
const PARTNER_KEY: &str = "x-partner-key";

/// The key a request presents, in whichever header. `Authorization: Bearer` and `X-Api-Key` are equal.
fn presented(headers: &HeaderMap) -> Presented<'_> {
    let bearer =
        headers.get_all(AUTHORIZATION).iter().map(|v| v.to_str().ok().and_then(bearer_token).unwrap_or_default());
    let named = [API_KEY, PARTNER_KEY].into_iter().flat_map(|name| headers.get_all(name).iter());
    let mut all = bearer.chain(named.map(|v| v.to_str().unwrap_or_default().trim()));
    match all.next() {
        None => Presented::None,
        Some(first) if all.all(|other| other == first) => Presented::One(first),
        Some(_) => Presented::Several,
    }
}

/// Partner keys stand in `X-Partner-Key` and nothing else does; but in the second partner API they stand in `X-API-Key`.
fn in_its_header(who: Who, headers: &HeaderMap, holder: Option<&Holder>) -> bool {
    let has = |name: &str| headers.contains_key(name);
    match holder {
        Some(Holder::Partner(_)) if who == Who::Hub => !has(PARTNER_KEY) && !has(AUTHORIZATION.as_str()),
        Some(Holder::Partner(_)) => !has(API_KEY) && !has(AUTHORIZATION.as_str()),
        // Where tokens open nothing, the header makes no difference.
        Some(Holder::Token(_)) => !has(PARTNER_KEY) && !has(API_KEY),
        Some(Holder::Workspace(_)) => !has(PARTNER_KEY),
        None => true,
    }
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the page a request comes from may use the key: by its origin, or else by its address. Servers send neither
/// and pass (rule R4).
fn origin_allowed(domains: &Domains, headers: &HeaderMap) -> bool {
    let header = if headers.contains_key(ORIGIN) { ORIGIN } else { REFERER };
    domains.admit(headers.get_all(header).iter().map(|value| value.to_str().ok()))
}

pub(super) fn address(request: &Request) -> IpAddr {
    let unknown = IpAddr::from([0, 0, 0, 0]);
    request.extensions().get::<ClientAddress>().map_or(unknown, |address| address.0)
}

fn add_rate_headers(headers: &mut HeaderMap, decision: Option<Decision>) {
    let Some(decision) = decision else { return };
    let numbers = [
        ("x-ratelimit-limit", i64::from(decision.limit)),
        ("x-ratelimit-remaining", i64::from(decision.remaining)),
        ("x-ratelimit-reset", decision.reset),
    ];
    for (name, number) in numbers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
    }
}

/// An unknown path of the API: 404 for everybody, but it counts like any other request.
pub async fn unknown_path(gate: Gate, request: Request) -> Response {
    let decision = gate.count(request.headers().clone(), address(&request)).await;
    let mut response = Error::not_found().into_response();
    add_rate_headers(response.headers_mut(), decision);
    response
}
