//! Whose endpoint it is: a workspace's, or a partner's. Everything behind an endpoint is the same for both.

use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::events::Stream;
use crate::kernel::Result;
use crate::kernel::seal::DataKey;
use crate::partners;
use crate::workspaces::{self, Activity};
use skylight_db::{Param, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// The one side that an endpoint and its deliveries belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    Workspace(WorkspaceScope),
    Partner(PartnerScope),
}

impl From<WorkspaceScope> for Owner {
    fn from(scope: WorkspaceScope) -> Self {
        Self::Workspace(scope)
    }
}

impl From<PartnerScope> for Owner {
    fn from(scope: PartnerScope) -> Self {
        Self::Partner(scope)
    }
}

impl Owner {
    /// Of a row that background work found: exactly one of its columns is filled.
    pub(super) fn of_row(workspace: Option<i64>, partner: Option<i64>) -> Option<Self> {
        let workspace = workspace.map(|id| Self::Workspace(WorkspaceScope::of_background_work(id)));
        workspace.or(partner.map(|id| Self::Partner(PartnerScope::of_background_work(id))))
    }

    /// A statement that names `workspace_id`, for the rows of this owner: the tables have one column for each kind, and
    /// exactly one of them is filled.
    pub(super) fn sql(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Workspace(_) => Cow::Borrowed(text),
            Self::Partner(_) => Cow::Owned(text.replace("workspace_id", "partner_id")),
        }
    }

    /// The log that its endpoint hears of.
    pub(super) fn stream(self) -> Stream {
        match self {
            Self::Workspace(scope) => Stream::Workspace(scope),
            Self::Partner(scope) => Stream::Partner(scope),
        }
    }

    pub(super) fn id(self) -> i64 {
        match self {
            Self::Workspace(scope) => scope.id(),
            Self::Partner(scope) => scope.id(),
        }
    }

    pub(super) fn workspace(self) -> Option<WorkspaceScope> {
        match self {
            Self::Workspace(scope) => Some(scope),
            Self::Partner(_) => None,
        }
    }

    pub(super) fn partner(self) -> Option<PartnerScope> {
        match self {
            Self::Workspace(_) => None,
            Self::Partner(scope) => Some(scope),
        }
    }

    /// The key that seals this owner's secrets.
    pub(super) async fn data_key(self, app: &App) -> Result<Arc<DataKey>> {
        match self {
            Self::Workspace(scope) => workspaces::data_key(app, scope).await,
            Self::Partner(scope) => partners::data_key(app, scope).await,
        }
    }

    /// Whether its deliveries may go out now.
    pub(super) async fn activity(self, app: &App) -> Result<Activity> {
        match self {
            Self::Workspace(scope) => workspaces::activity(app, scope.id()).await,
            Self::Partner(scope) if partners::is_active(app, scope).await? => Ok(Activity::Active),
            Self::Partner(_) => Ok(Activity::Suspended),
        }
    }

    /// Writes down what was done to one of its endpoints: in a workspace's log, or in its partner's own.
    pub(super) async fn note(
        self,
        unit: &mut Unit,
        done: (Action, Action),
        webhook: i64,
        changes: Changes,
    ) -> Result<()> {
        let (in_workspace, by_partner) = done;
        match self {
            Self::Workspace(scope) => audit::record(unit, scope, in_workspace, webhook, changes).await,
            Self::Partner(scope) => audit::record_for_partner(unit, scope, by_partner, webhook, changes).await,
        }
    }

    /// What its secrets are sealed for, beside the row (rule K3).
    pub(super) fn context(self) -> String {
        match self {
            Self::Workspace(scope) => scope.id().to_string(),
            Self::Partner(scope) => format!("partner {}", scope.id()),
        }
    }
}

impl Param for Owner {
    fn value(&self) -> Value<'_> {
        Value::Int(self.id())
    }
}
