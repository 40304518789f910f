//! The face of the API: the server loop, the way of a request, extractors, the envelope, idempotency, the documents.
//!
//! socket → [`server`] → [`pipeline`] (request id, deadlines, panics, rendering) → router → [`gate`] (credentials, rate,
//! kind, plan, suspension, body) → extractors → a room's handler → verb → reply.

pub mod browser;
pub mod docs;
pub mod extract;
pub mod gate;
pub mod health;
pub mod idempotency;
pub mod metrics;
pub mod openapi;
mod people;
pub mod pipeline;
pub mod problem;
pub mod reply;
pub mod route;
pub mod server;
mod watch;

pub use browser::Form;
pub use extract::{
    Id, PartnerCaller, PartnerSignedIn, Query, Segment, SignedIn, TwoIds, Unread, UnreadQuery, Valid, WorkspaceCaller,
};
pub use reply::Reply;
pub use route::{Route, Who};

use crate::app::App;
use crate::auth::{Authenticator, Limiter};
use crate::kernel::Result;
use docs::Document;
use std::ops::Deref;
use std::sync::Arc;

/// What handlers and the gate share. One handle, because a request clones it several times on its way.
#[derive(Clone, Debug)]
pub struct Http(Arc<Shared>);

#[derive(Debug)]
pub struct Shared {
    pub app: App,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) limiter: Limiter,
    pub(crate) running: Arc<idempotency::Running>,
    document: Document,
}

impl Http {
    pub fn new(app: &App, document: Document) -> Self {
        Self(Arc::new(Shared {
            app: app.clone(),
            authenticator: Authenticator::new(app),
            limiter: Limiter::new(app),
            running: Arc::default(),
            document,
        }))
    }
}

impl Deref for Http {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What a handler answers.
pub type Answer = Result<Reply>;
