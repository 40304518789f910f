//! Letting deliveries wait. Unlike an endpoint that is switched off, one that is paused gives up nothing: what happens
//! meanwhile queues behind what waits, and all of it goes out in its order when it is resumed.

use super::store::{self, WebhookRow};
use super::{Deliver, Owner, no_such, row};
use crate::app::Unit;
use crate::audit::{Action, Changes as Noted};
use crate::jobs::{self, Kind};
use crate::kernel::Result;

/// Deliveries wait from now on; those under way come to their end. Pausing twice is pausing once.
pub async fn pause(unit: &mut Unit, owner: Owner, id: i64) -> Result<WebhookRow> {
    set(unit, owner, id, true).await
}

/// Deliveries go on.
pub async fn resume(unit: &mut Unit, owner: Owner, id: i64) -> Result<WebhookRow> {
    row(&mut unit.tx, owner, id).await?;
    // Lanes first: workers take their locks in this order. Also one that is empty or was never there is opened and so held
    // to the commit, or a worker could find the first job of it, and the webhook still paused, and let it sleep.
    jobs::enqueue(unit, Deliver::lane(owner, id), &[]).await?;
    jobs::forget_failures(unit, Deliver::NAME, id).await?;
    set(unit, owner, id, false).await
}

async fn set(unit: &mut Unit, owner: Owner, id: i64, paused: bool) -> Result<WebhookRow> {
    let was_paused = row(&mut unit.tx, owner, id).await?.paused_at.is_some();
    let now = unit.now();
    let row = store::set_paused(&mut unit.tx, owner, id, paused, now).await?.ok_or_else(no_such)?;
    if was_paused != paused {
        let noted = Noted::of("paused", paused);
        owner.note(unit, (Action::WebhookUpdated, Action::PartnerWebhookSet), id, noted).await?;
    }
    unit.changed();
    Ok(row)
}
