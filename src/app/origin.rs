//! Who acts in a unit of work, and by which request: what the audit log says of it.

use crate::words;
use serde::Serialize;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use utoipa::ToSchema;

words! {
    /// What somebody who acts is. `partner_member` is one of a partner's people, `visit` a partner inside of a client's
    /// workspace, `anonymous` somebody who is not signed in; `operator` runs the installation by its command line, `system` is
    /// background work.
    pub enum ActorKind {
        WorkspaceKey = "workspace_key",
        PartnerKey = "partner_key",
        TeamMember = "team_member",
        PartnerMember = "partner_member",
        Partner = "partner",
        Visit = "visit",
        Anonymous = "anonymous",
        Operator = "operator",
        System = "system",
    }
}

/// Somebody who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Actor {
    #[serde(rename = "type")]
    pub kind: ActorKind,
    /// Of a key or a member; it may be gone by now.
    #[schema(example = 31)]
    pub id: Option<i64>,
    /// As it was then.
    #[schema(value_type = String, example = "CRM")]
    pub name: Cow<'static, str>,
}

impl Actor {
    pub fn new(kind: ActorKind, id: i64, name: &str) -> Self {
        Self { kind, id: Some(id), name: Cow::Owned(name.to_owned()) }
    }

    fn nameless(kind: ActorKind, name: &'static str) -> Self {
        Self { kind, id: None, name: Cow::Borrowed(name) }
    }
}

/// What a request is known by.
#[derive(Clone, Debug)]
pub struct Trace {
    pub request_id: Arc<str>,
    pub address: IpAddr,
}

impl Default for Trace {
    fn default() -> Self {
        Self { request_id: "".into(), address: Ipv4Addr::UNSPECIFIED.into() }
    }
}

/// On whose behalf a unit of work runs.
#[derive(Clone, Debug)]
pub struct Origin {
    pub actor: Actor,
    /// Who really acts, if the actor is somebody whose place they took: a partner inside of a client's workspace.
    pub real_actor: Option<Actor>,
    /// None: nobody asked for it by a request.
    pub trace: Option<Trace>,
}

impl Origin {
    /// Somebody who asks by a request.
    pub fn of_request(actor: Actor, trace: Trace) -> Self {
        Self { actor, real_actor: None, trace: Some(trace) }
    }

    /// Somebody who has not said yet who they are.
    pub fn anonymous(trace: Trace) -> Self {
        Self::of_request(Actor::nameless(ActorKind::Anonymous, "nobody"), trace)
    }

    /// The command line.
    pub fn operator() -> Self {
        Self { actor: Actor::nameless(ActorKind::Operator, "command line"), real_actor: None, trace: None }
    }

    /// Background work.
    pub fn system() -> Self {
        Self { actor: Actor::nameless(ActorKind::System, "system"), real_actor: None, trace: None }
    }

    /// Whether the partner's side or the installation acts, rather than the workspace itself.
    pub fn is_outside(&self) -> bool {
        self.real_actor.is_some()
            || matches!(
                self.actor.kind,
                ActorKind::PartnerKey
                    | ActorKind::PartnerMember
                    | ActorKind::Partner
                    | ActorKind::Visit
                    | ActorKind::Operator
            )
    }
}
