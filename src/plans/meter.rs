//! What a workspace has and what it used this month, counted in the transaction of the change itself. Limits are decided
//! by one conditional statement (rule D8): of a hundred racing creations with five places left, five pass.

use super::store::{self, Gauge};
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Month, Result};
use skylight_db::Read;

/// How the counters of the running month change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub contacts_created: i64,
    pub messages_sent: i64,
    pub messages_received: i64,
    pub messages_failed: i64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.contacts_created += other.contacts_created;
        self.messages_sent += other.messages_sent;
        self.messages_received += other.messages_received;
        self.messages_failed += other.messages_failed;
    }
}

/// What happened to bookings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookingCounts {
    pub created: i64,
    pub completed: i64,
    pub cancelled: i64,
}

/// Counts bookings in the running month.
pub async fn count_bookings(unit: &mut Unit, scope: WorkspaceScope, counts: BookingCounts) -> Result<()> {
    let month = unit.now().month();
    count_bookings_of(unit, scope, month, counts).await
}

/// Likewise in another one, when what was counted there turns out otherwise.
pub async fn count_bookings_of(
    unit: &mut Unit,
    scope: WorkspaceScope,
    month: Month,
    counts: BookingCounts,
) -> Result<()> {
    if counts == BookingCounts::default() {
        return Ok(());
    }
    Ok(store::count_bookings(&mut unit.tx, scope, month, counts).await?)
}

/// Makes the meter of a new workspace.
pub async fn open(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    Ok(store::open_meter(&mut unit.tx, scope).await?)
}

/// Takes a place for a new contact.
pub async fn take_contact(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    take(unit, scope, Gauge::Contacts).await?;
    count_with_gauges(unit, scope, Counts { contacts_created: 1, ..Counts::default() }).await
}

/// Counts what a batch of provider events brought. Contacts who wrote in count beyond the plan's limit: a full plan must
/// not lose a customer's message.
pub async fn count_arrivals(unit: &mut Unit, scope: WorkspaceScope, counts: Counts) -> Result<()> {
    if counts == Counts::default() {
        return Ok(());
    }
    if counts.contacts_created > 0 {
        store::move_gauge(&mut unit.tx, scope, Gauge::Contacts, counts.contacts_created).await?;
        return count_with_gauges(unit, scope, counts).await;
    }
    let month = unit.now().month();
    Ok(store::count(&mut unit.tx, scope, month, counts).await?)
}

pub async fn give_back_contact(unit: &mut Unit, scope: WorkspaceScope, was_blacklisted: bool) -> Result<()> {
    store::move_gauge(&mut unit.tx, scope, Gauge::Contacts, -1).await?;
    if was_blacklisted {
        store::move_gauge(&mut unit.tx, scope, Gauge::Blacklisted, -1).await?;
    }
    count_with_gauges(unit, scope, Counts::default()).await
}

pub async fn count_blacklisted(unit: &mut Unit, scope: WorkspaceScope, by: i64) -> Result<()> {
    store::move_gauge(&mut unit.tx, scope, Gauge::Blacklisted, by).await?;
    count_with_gauges(unit, scope, Counts::default()).await
}

pub async fn take_team_member(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    take(unit, scope, Gauge::TeamMembers).await
}

pub async fn give_back_team_member(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    Ok(store::move_gauge(&mut unit.tx, scope, Gauge::TeamMembers, -1).await?)
}

pub async fn take_channel(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    take(unit, scope, Gauge::Channels).await
}

pub async fn give_back_channel(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    Ok(store::move_gauge(&mut unit.tx, scope, Gauge::Channels, -1).await?)
}

/// Takes one message from the month's allowance.
pub async fn take_message(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    let month = unit.now().month();
    if store::take_message(&mut unit.tx, scope, month).await? {
        return Ok(());
    }
    Err(limit_reached("messages per month"))
}

/// Adds to the counters of the running month, and notes the gauges that this unit has just moved.
async fn count_with_gauges(unit: &mut Unit, scope: WorkspaceScope, counts: Counts) -> Result<()> {
    let month = unit.now().month();
    Ok(store::count_with_gauges(&mut unit.tx, scope, month, counts).await?)
}

/// How many contacts there are now, without counting them.
pub async fn contacts(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    Ok(store::contacts(read, scope).await?)
}

/// Whether the plan has room for one more channel; the transaction that connects it decides.
pub async fn has_room_for_channel(read: impl Read, scope: WorkspaceScope) -> Result<()> {
    if store::has_room(read, scope, Gauge::Channels).await? {
        Ok(())
    } else {
        Err(limit_reached(Gauge::Channels.name()))
    }
}

async fn take(unit: &mut Unit, scope: WorkspaceScope, gauge: Gauge) -> Result<()> {
    if store::take_gauge(&mut unit.tx, scope, gauge).await? {
        return Ok(());
    }
    Err(limit_reached(gauge.name()))
}

fn limit_reached(what: &str) -> Error {
    Error::plan_limit_reached().saying(format!("You have reached the {what} limit of your plan."))
}
