//! Scopes: whose data a storage function may touch. Only this room makes them (rule T1), each way by a name that says
//! what was checked.

use skylight_db::{Param, Value};

/// One workspace. Comes first in every storage function of tenant data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceScope(i64);

/// One partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartnerScope(i64);

impl WorkspaceScope {
    pub fn id(self) -> i64 {
        self.0
    }

    /// The workspace of a key that was looked up by its hash.
    pub(super) fn of_key(workspace_id: i64) -> Self {
        Self(workspace_id)
    }

    /// The workspace of a session that was looked up by its hash.
    pub(super) fn of_session(workspace_id: i64) -> Self {
        Self(workspace_id)
    }

    /// The workspace stored with a job or an inbound hook's channel (rule T8).
    pub(crate) fn of_background_work(workspace_id: i64) -> Self {
        Self(workspace_id)
    }

    /// A workspace that the verb has just created, or found to belong to the partner that asks (rule T2).
    pub(crate) fn owned_by(_: PartnerScope, workspace_id: i64) -> Self {
        Self(workspace_id)
    }

    /// The workspace of somebody whose password was proved.
    pub(crate) fn of_person(workspace_id: i64) -> Self {
        Self(workspace_id)
    }

    /// The workspace of a one-time link that was looked up by its hash.
    pub(crate) fn of_link(workspace_id: i64) -> Self {
        Self(workspace_id)
    }

    /// A workspace that the operator named on the command line.
    pub(crate) fn named_by_operator(workspace_id: i64) -> Self {
        Self(workspace_id)
    }
}

impl PartnerScope {
    pub fn id(self) -> i64 {
        self.0
    }

    pub(super) fn of_key(partner_id: i64) -> Self {
        Self(partner_id)
    }

    /// The partner stored with a job's endpoint, or with an event (rule T8).
    pub(crate) fn of_background_work(partner_id: i64) -> Self {
        Self(partner_id)
    }

    pub(super) fn of_session(partner_id: i64) -> Self {
        Self(partner_id)
    }

    /// The partner of somebody whose login or link was looked up.
    pub(crate) fn of_person(partner_id: i64) -> Self {
        Self(partner_id)
    }

    /// The partner that owns a workspace, read with it, for its events.
    pub(crate) fn of_workspace(partner_id: i64) -> Self {
        Self(partner_id)
    }

    /// A partner that the operator created or named on the command line.
    pub(crate) fn named_by_operator(partner_id: i64) -> Self {
        Self(partner_id)
    }
}

impl Param for WorkspaceScope {
    fn value(&self) -> Value<'_> {
        Value::Int(self.0)
    }
}

impl Param for PartnerScope {
    fn value(&self) -> Value<'_> {
        Value::Int(self.0)
    }
}
