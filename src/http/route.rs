//! The route table: what a route is called, who may call it, what it takes and answers. A route that is not in it is not
//! mounted; the OpenAPI document and the test that tries every route with every caller are made from it.

use super::Http;
use crate::auth::Feature;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use std::borrow::Cow;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A workspace key.
    Workspace,
    /// A partner key.
    Partner,
    /// Likewise, or a token that a partner's user got, in the second partner API.
    Hub,
    /// Somebody who is signed in to a workspace.
    Session,
    /// Somebody who is signed in as a partner.
    PartnerSession,
    /// A messaging provider, proved by its signature or secret.
    Provider,
    /// Anybody.
    Public,
}

impl Who {
    /// Whether callers present a key, so that they are limited and may repeat writes.
    pub fn has_key(self) -> bool {
        matches!(self, Self::Workspace | Self::Partner | Self::Hub)
    }
}

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The documented envelope.
    Product,
    /// As the second partner API does.
    Hub,
    /// Likewise, with what OAuth says beside it.
    Token,
}

impl Dialect {
    /// The path decides, also for paths that lead nowhere.
    pub fn of_path(path: &str) -> Self {
        match path.strip_prefix("/api/v2") {
            Some("/token") => Self::Token,
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Hub,
            _ => Self::Product,
        }
    }
}

/// Of those who are signed in to a workspace, who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Anybody,
    /// Admins, and the partner on a visit.
    Admins,
    /// Admins themselves: a visit changes neither keys nor people (rule L3).
    AdminsInPerson,
}

/// What comes back on success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `data` is one object.
    One,
    /// `data` is an array, without `meta`.
    All,
    /// `data` is an array, with `meta`.
    Page,
    /// Data with a page inside: `meta` beside it.
    PageInside,
    /// `data` is an array read by numbers, with a `meta` that says how to go on.
    Feed,
    /// `success` and `message` only.
    Message,
    /// No body: 204, or what a provider takes for an answer.
    Nothing,
    /// Not the envelope: the schema is the whole body.
    Plain,
}

/// One query parameter, for the document.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: &'static str,
    pub description: &'static str,
    pub is_required: bool,
}

pub type NamedSchema = (String, RefOr<Schema>);

/// A type as the document describes it. Only asked for when the document is written: the schemas of all routes take
/// megabytes.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub name: fn() -> Cow<'static, str>,
    /// Adds its schema and those it refers to.
    pub add_schemas: fn(&mut Vec<NamedSchema>),
}

impl Described {
    fn of<T: ToSchema>() -> Self {
        let add_schemas = |schemas: &mut Vec<NamedSchema>| {
            T::schemas(schemas);
            schemas.push((T::name().into_owned(), T::schema()));
        };
        Self { name: T::name, add_schemas }
    }
}

/// One row of the table.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub who: Who,
    pub feature: Option<Feature>,
    /// Largest body in bytes.
    pub body_limit: usize,
    pub operation: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub parameters: Vec<Parameter>,
    pub request: Option<Described>,
    pub request_example: Option<serde_json::Value>,
    /// The type of its request body.
    pub takes: &'static str,
    pub status: u16,
    pub shape: Shape,
    pub response: Option<Described>,
    pub message: Option<&'static str>,
    /// What the example of the answer's data shows in place of its fields' own examples.
    pub shown: Vec<serde_json::Value>,
    /// Keys of the answer that are not always there.
    pub sometimes: &'static [&'static str],
    /// A body that is no JSON: its media type and an example.
    pub text: Option<(&'static str, &'static str)>,
    /// Further problems it can answer, beside those that follow from the row itself.
    pub problems: Vec<u16>,
    /// It answers a page, and these problems with one, too.
    pub pages: Vec<u16>,
    /// Somebody may guess at what it opens: misses count against the caller's address.
    pub guessable: bool,
    pub permission: Permission,
    /// It is for people: whatever it refuses, it refuses with a page.
    pub is_page: bool,
    handler: MethodRouter<Http>,
}

pub(super) const JSON: &str = "application/json";
pub const FORM: &str = "application/x-www-form-urlencoded";
const MIB: usize = 1024 * 1024;
/// Of what a page's form sends.
pub const FORM_LIMIT: usize = 16 * 1024;

impl Route {
    /// `operation` is the handler's name, and the operation's id in the document.
    pub fn new<H, T>(method: Method, path: &'static str, who: Who, operation: &'static str, handler: H) -> Self
    where
        H: Handler<T, Http>,
        T: 'static,
    {
        let is_page = matches!(who, Who::Session | Who::PartnerSession);
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Self {
            method,
            path,
            who,
            feature: None,
            body_limit: if is_page { FORM_LIMIT } else { MIB },
            operation,
            tag: "",
            summary: "",
            description: "",
            parameters: Vec::new(),
            request: None,
            request_example: None,
            takes: JSON,
            status: 200,
            shape: Shape::Plain,
            response: None,
            message: None,
            shown: Vec::new(),
            sometimes: &[],
            text: None,
            problems: Vec::new(),
            pages: Vec::new(),
            guessable: who == Who::Provider,
            permission: Permission::Anybody,
            is_page,
            handler: on(filter, handler),
        }
    }

    pub fn needs(mut self, feature: Feature) -> Self {
        self.feature = Some(feature);
        self
    }

    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    pub fn doc(mut self, tag: &'static str, summary: &'static str, description: &'static str) -> Self {
        (self.tag, self.summary, self.description) = (tag, summary, description);
        self
    }

    pub fn query(mut self, name: &'static str, kind: &'static str, description: &'static str) -> Self {
        self.parameters.push(Parameter { name, kind, description, is_required: false });
        self
    }

    /// A parameter that cannot be left out.
    pub fn query_with(mut self, name: &'static str, kind: &'static str, description: &'static str) -> Self {
        self.parameters.push(Parameter { name, kind, description, is_required: true });
        self
    }

    /// The parameters of every list that comes in parts.
    pub fn paged(self, default: &'static str) -> Self {
        self.query("page", "integer", "Page number (default 1).").query("per_page", "integer", default).query(
            "cursor",
            "cursor",
            "Instead of `page`: walks the list. Empty for the beginning, then each answer's `meta.next_cursor`, which is null \
             at the end.",
        )
    }

    pub fn takes<T: ToSchema>(mut self, example: serde_json::Value) -> Self {
        self.request = Some(Described::of::<T>());
        self.request_example = Some(example);
        self
    }

    /// What a page's form sends.
    pub fn takes_form<T: ToSchema>(mut self, example: serde_json::Value) -> Self {
        self.takes = FORM;
        self.takes::<T>(example)
    }

    pub fn answers<T: ToSchema>(mut self, status: u16, shape: Shape) -> Self {
        (self.status, self.shape) = (status, shape);
        self.response = Some(Described::of::<T>());
        self
    }

    /// 200 with a sentence and no data.
    pub fn says(mut self, message: &'static str) -> Self {
        (self.status, self.shape) = (200, Shape::Message);
        self.saying(message)
    }

    pub fn answers_nothing(mut self) -> Self {
        (self.status, self.shape) = (204, Shape::Nothing);
        self
    }

    /// 200 without a body.
    pub fn accepts(mut self) -> Self {
        self.shape = Shape::Nothing;
        self
    }

    /// 200 with a text that is no JSON.
    pub fn answers_text(mut self, media_type: &'static str, example: &'static str) -> Self {
        self.text = Some((media_type, example));
        self
    }

    /// Values of the answer's example that differ from what its fields show by themselves.
    pub fn showing(mut self, values: serde_json::Value) -> Self {
        self.shown.push(values);
        self
    }

    /// Names keys of the answer that are left out where they say nothing.
    pub fn sometimes(mut self, keys: &'static [&'static str]) -> Self {
        self.sometimes = keys;
        self
    }

    pub fn saying(mut self, message: &'static str) -> Self {
        self.message = Some(message);
        self
    }

    pub fn may_fail(mut self, statuses: &[u16]) -> Self {
        self.problems.extend_from_slice(statuses);
        self
    }

    /// It answers a page, and these problems with one, too.
    pub fn shows(mut self, statuses: &[u16]) -> Self {
        self.pages.extend_from_slice(statuses);
        self.answers_text("text/html", "<!doctype html>…")
    }

    pub fn guessable(mut self) -> Self {
        self.guessable = true;
        self
    }

    /// How its errors are written.
    pub fn dialect(&self) -> Dialect {
        Dialect::of_path(self.path)
    }

    pub fn only(mut self, permission: Permission) -> Self {
        self.permission = permission;
        self
    }

    /// A page of its own, or what its form does.
    pub fn page(mut self) -> Self {
        self.is_page = true;
        self.body_limit(FORM_LIMIT)
    }

    /// Whether the path names something by id.
    pub fn has_id(&self) -> bool {
        self.path.contains('{')
    }

    pub fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Puts the route into a router. Without a row in the table there is no route.
    pub fn mount(self, router: axum::Router<Http>) -> axum::Router<Http> {
        router.route(self.path, self.handler)
    }
}
