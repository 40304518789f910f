//! Removes what a deleted webhook leaves behind, in small steps that stall nobody.

use super::store;
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::jobs::Steps;
use crate::kernel::Result;

/// The kind of work that removes; one job per deleted webhook.
#[derive(Debug)]
pub struct Purge;

/// Rows of one step: on SQLite nobody else writes meanwhile.
const STEP: i64 = 500;

impl Steps for Purge {
    const NAME: &'static str = "webhooks.purge";

    async fn step(unit: &mut Unit, scope: WorkspaceScope, subject: i64) -> Result<bool> {
        Ok(store::purge(&mut unit.tx, scope, subject, STEP).await?)
    }
}
