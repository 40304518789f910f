//! What handlers take. A scope is reached only through a caller that the gate has admitted.

use super::idempotency::Claim;
use super::route::{Dialect, FORM};
use super::{Http, Reply};
use crate::app::{Actor, ActorKind, App, Origin, Trace, Unit};
use crate::auth::sessions::{By, PartnerSession, Session};
use crate::auth::{PartnerKey, PartnerScope, WorkspaceKey, WorkspaceScope};
use crate::kernel::error::FieldErrors;
use crate::kernel::fields::{self, Input, Source};
use crate::kernel::{Country, Error, Fields, Result, json};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use http::request::Parts;
use serde_json::{Map, Value};
use std::convert::Infallible;
use std::sync::Arc;

/// A workspace's key holder, admitted to this route.
#[derive(Clone, Debug)]
pub struct WorkspaceCaller {
    pub app: App,
    pub key: Arc<WorkspaceKey>,
    pub(super) trace: Trace,
    pub(super) claim: Option<Claim>,
}

/// A partner's key holder, admitted to this route.
#[derive(Clone, Debug)]
pub struct PartnerCaller {
    pub app: App,
    pub key: Arc<PartnerKey>,
    pub(super) trace: Trace,
    pub(super) claim: Option<Claim>,
}

/// Somebody who is signed in to a workspace, admitted to this route.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub app: App,
    pub session: Arc<Session>,
    pub(super) trace: Trace,
}

/// Somebody who is signed in as a partner, admitted to this route.
#[derive(Clone, Debug)]
pub struct PartnerSignedIn {
    pub app: App,
    pub session: Arc<PartnerSession>,
    pub(super) trace: Trace,
}

impl SignedIn {
    pub fn scope(&self) -> WorkspaceScope {
        self.session.scope
    }

    pub async fn begin(&self) -> Result<Unit> {
        let trace = self.trace.clone();
        let origin = match &self.session.by {
            By::Member { id, name, .. } => Origin::of_request(Actor::new(ActorKind::TeamMember, *id, name), trace),
            By::Visit(partner) => {
                let visit = Actor::new(ActorKind::Visit, self.session.id, &self.session.brand);
                let partner = Actor::new(ActorKind::Partner, partner.id(), &self.session.brand);
                Origin { real_actor: Some(partner), ..Origin::of_request(visit, trace) }
            }
        };
        self.app.begin_by(origin).await
    }
}

impl PartnerSignedIn {
    pub fn scope(&self) -> PartnerScope {
        self.session.scope
    }

    pub async fn begin(&self) -> Result<Unit> {
        let actor = Actor::new(ActorKind::PartnerMember, self.session.user, &self.session.email);
        self.app.begin_by(Origin::of_request(actor, self.trace.clone())).await
    }
}

impl WorkspaceCaller {
    pub fn scope(&self) -> WorkspaceScope {
        self.key.scope
    }

    pub fn origin(&self) -> Origin {
        Origin::of_request(Actor::new(ActorKind::WorkspaceKey, self.key.key_id, &self.key.name), self.trace.clone())
    }

    pub async fn begin(&self) -> Result<Unit> {
        self.app.begin_by(self.origin()).await
    }

    /// Commits the unit together with the answer that an idempotent repetition gets.
    pub async fn commit(self, unit: Unit, reply: Reply) -> Result<Reply> {
        commit(unit, self.claim, reply).await
    }
}

impl PartnerCaller {
    pub fn scope(&self) -> PartnerScope {
        self.key.scope
    }

    pub fn origin(&self) -> Origin {
        Origin::of_request(self.key.actor.clone(), self.trace.clone())
    }

    pub async fn begin(&self) -> Result<Unit> {
        self.app.begin_by(self.origin()).await
    }

    /// Commits the unit together with the answer that an idempotent repetition gets.
    pub async fn commit(self, unit: Unit, reply: Reply) -> Result<Reply> {
        commit(unit, self.claim, reply).await
    }
}

async fn commit(mut unit: Unit, claim: Option<Claim>, reply: Reply) -> Result<Reply> {
    if let Some(claim) = &claim {
        claim.record(&mut unit, &reply).await?;
    }
    unit.commit().await?;
    Ok(reply)
}

macro_rules! caller {
    ($caller:ident) => {
        impl FromRequestParts<Http> for $caller {
            type Rejection = Error;

            async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self> {
                // The gate admits a caller before any handler runs; without one the route table is wrong, and nobody
                // gets in.
                parts.extensions.remove::<Self>().ok_or_else(Error::unauthenticated)
            }
        }
    };
}
caller!(WorkspaceCaller);
caller!(PartnerCaller);
caller!(SignedIn);
caller!(PartnerSignedIn);

/// What the request is known by, on routes that need no key.
impl FromRequestParts<Http> for Trace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// A JSON body, read and checked: every fault at once.
#[derive(Debug)]
pub struct Valid<T>(pub T);

impl<T: Input> FromRequest<Http> for Valid<T> {
    type Rejection = Error;

    async fn from_request(request: Request, http: &Http) -> Result<Self> {
        Unread::from_request(request, http).await?.read().map(Self)
    }
}

/// A JSON body whose fields the handler reads itself, once it has found the object they concern: an unknown object is
/// 404 before any field is 422.
#[derive(Debug)]
pub struct Unread {
    body: Value,
    source: Source,
    country: Option<Country>,
}

impl Unread {
    pub fn read<T: Input>(&self) -> Result<T> {
        self.read_by(T::read)
    }

    /// What was read of an object; a fault is said only if the object is there.
    pub async fn read_about<T: Input, O>(&self, object: impl Future<Output = Result<O>>) -> Result<T> {
        about(self.read(), object).await
    }

    /// What can be read beside faults, for looking up what it names.
    pub fn glimpse<T>(&self, reader: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        fields::examine_by(&self.body, self.source, self.country, reader).ok()?.0
    }

    pub fn read_by<T>(&self, reader: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Result<T> {
        check_arrays(&self.body)?;
        match fields::examine_by(&self.body, self.source, self.country, reader)? {
            (Some(input), errors) if errors.is_empty() => Ok(input),
            (_, errors) => Err(Error::fields(errors)),
        }
    }
}

async fn about<T, O>(read: Result<T>, object: impl Future<Output = Result<O>>) -> Result<T> {
    if read.is_err() {
        object.await?;
    }
    read
}

impl FromRequest<Http> for Unread {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Http) -> Result<Self> {
        let country = request.extensions().get::<Option<Country>>().copied().flatten();
        let takes_forms = Dialect::of_path(request.uri().path()) != Dialect::Product;
        if takes_forms && media_type(&request).as_deref() == Some(FORM) {
            let bytes = bytes_of(request).await?;
            let text = std::str::from_utf8(&bytes).map_err(|_| Error::malformed_body())?;
            return Ok(Self { body: pairs(text), source: Source::Query, country });
        }
        Ok(Self { body: body_value(request).await?, source: Source::Body, country })
    }
}

/// A JSON body with the faults found in its form, for a verb that must name its own beside them.
#[derive(Debug)]
pub struct Examined<T> {
    pub body: Value,
    pub input: Option<T>,
    pub errors: FieldErrors,
}

impl<T: Input> FromRequest<Http> for Examined<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Http) -> Result<Self> {
        let body = body_value(request).await?;
        check_arrays(&body)?;
        let (input, errors) = fields::examine(&body, Source::Body)?;
        Ok(Self { body, input, errors })
    }
}

/// The JSON value of a body; no body at all reads as an empty object.
async fn body_value(request: Request) -> Result<Value> {
    let is_json = is_json(&request);
    let bytes = bytes_of(request).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    if !is_json {
        return Err(Error::unsupported_media_type());
    }
    json::parse(&bytes).ok_or_else(Error::malformed_body)
}

/// The gate has read it all and judged its length.
async fn bytes_of(request: Request) -> Result<Bytes> {
    axum::body::to_bytes(request.into_body(), usize::MAX).await.map_err(|_| Error::malformed_request())
}

/// Names and values of a query or a form.
fn pairs(text: &str) -> Value {
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    let map: Map<String, Value> = pairs.map(|(k, v)| (k.into_owned(), Value::String(v.into_owned()))).collect();
    Value::Object(map)
}

fn check_arrays(body: &Value) -> Result<()> {
    if json::has_long_array(body) {
        return Err(Error::field("body", "The body must not have arrays of more than 1000 items."));
    }
    Ok(())
}

/// Clients that send no type at all are understood; another type is refused.
fn is_json(request: &Request) -> bool {
    let Some(kind) = media_type(request) else { return true };
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn media_type(request: &Request) -> Option<String> {
    let given = request.headers().get(http::header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// A query string, read and checked.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: Input> FromRequestParts<Http> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self> {
        UnreadQuery::from_request_parts(parts, http).await?.read().map(Self)
    }
}

/// A query string about an object that the handler must find first.
#[derive(Debug)]
pub struct UnreadQuery(Value);

impl UnreadQuery {
    fn read<T: Input>(&self) -> Result<T> {
        fields::read(&self.0, Source::Query)
    }

    /// What was read of an object; a fault is said only if the object is there.
    pub async fn read_about<T: Input, O>(&self, object: impl Future<Output = Result<O>>) -> Result<T> {
        about(self.read(), object).await
    }
}

impl FromRequestParts<Http> for UnreadQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        // What is no text cannot have been meant: it would be read as something else.
        percent_encoding::percent_decode_str(query).decode_utf8().map_err(|_| Error::malformed_request())?;
        Ok(Self(pairs(query)))
    }
}

/// An id in the path. What is not a plain positive integer names nothing.
#[derive(Clone, Copy, Debug)]
pub struct Id(pub i64);

impl FromRequestParts<Http> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self> {
        ids(parts).first().copied().map(Self).ok_or_else(Error::not_found)
    }
}

/// A word in the path, as it is written: what we gave out needs no percent signs, so nothing else is found.
#[derive(Clone, Debug)]
pub struct Segment(pub String);

impl FromRequestParts<Http> for Segment {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self> {
        named(parts).next().map(|text| Self(text.to_owned())).ok_or_else(Error::not_found)
    }
}

/// Two words in the path, in their order.
#[derive(Clone, Debug)]
pub struct TwoSegments(pub String, pub String);

impl FromRequestParts<Http> for TwoSegments {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self> {
        let mut words = named(parts).map(str::to_owned);
        words.next().zip(words.next()).map(|(first, second)| Self(first, second)).ok_or_else(Error::not_found)
    }
}

/// Two ids in the path, in their order.
#[derive(Clone, Copy, Debug)]
pub struct TwoIds(pub i64, pub i64);

impl FromRequestParts<Http> for TwoIds {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self> {
        match ids(parts)[..] {
            [first, second] => Ok(Self(first, second)),
            _ => Err(Error::not_found()),
        }
    }
}

/// Ids as they are written: digits behind percent signs are not plain. One that cannot exist is 0, which no row has: the
/// verb answers with its own `… not found.`
fn ids(parts: &Parts) -> Vec<i64> {
    named(parts).map(|text| plain_id(text).unwrap_or_default()).collect()
}

/// What stands in the path for the names of its pattern, as it is written.
fn named(parts: &Parts) -> impl Iterator<Item = &str> {
    let pattern = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let segments = pattern.split('/').zip(parts.uri.path().split('/'));
    segments.filter(|(name, _)| name.starts_with('{')).map(|(_, text)| text)
}

fn plain_id(text: &str) -> Option<i64> {
    let plain = !text.starts_with('0') && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}
