//! Removes the members of a deleted group, in small steps that stall nobody.

use super::store;
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::jobs::Steps;
use crate::kernel::Result;

/// The kind of work that clears; one job per deleted group.
#[derive(Debug)]
pub struct Clear;

/// Rows of one step: on SQLite nobody else writes meanwhile.
const STEP: i64 = 2_000;

impl Steps for Clear {
    const NAME: &'static str = "contacts.clear_group";

    async fn step(unit: &mut Unit, scope: WorkspaceScope, subject: i64) -> Result<bool> {
        Ok(store::clear(&mut unit.tx, scope, subject, STEP).await?)
    }
}
