//! Sending because somebody asks for it: a test event, and deliveries once more.

use super::log::{self, DeliveryEntry};
use super::store::{self, Requeued, WebhookRow};
use super::{Deliver, Owner, PayloadVersion, payload, row};
use crate::app::Unit;
use crate::audit::{Action, Changes};
use crate::events;
use crate::jobs::{self, Kind, NewJob};
use crate::kernel::{Error, Result};
use serde::Serialize;
use utoipa::ToSchema;

/// A test event on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedTest {
    #[schema(example = "0c9d7f0e-1111-4222-8333-abcdefabcdef")]
    pub delivery_id: String,
}

/// Queues a `webhook.test` event for this webhook alone, also for one that is switched off: so can a repaired receiver
/// be tried before it is switched on again.
pub async fn send_test(unit: &mut Unit, owner: Owner, id: i64) -> Result<QueuedTest> {
    let webhook = row(&mut unit.tx, owner, id).await?;
    let data = payload::TestData::of(id, &webhook.name);
    let event_id = match owner {
        Owner::Workspace(scope) => events::record_returning_id(unit, scope, payload::TEST, id, &data).await?,
        Owner::Partner(scope) => events::record_for_partner_returning_id(unit, scope, payload::TEST, id, &data).await?,
    };
    let delivery_id = unit.app().random.uuid().to_string();
    let new = new_delivery(owner, &webhook, event_id, payload::TEST, delivery_id.clone());
    let now = unit.now();
    let added = store::all_workspaces_insert_deliveries(&mut unit.tx, &[new], now).await?;
    let jobs: Vec<_> = added.iter().map(|(delivery, ..)| NewJob { subject: *delivery, group: id }).collect();
    jobs::enqueue_first(unit, Deliver::lane(owner, id), &jobs).await?;
    store::add_to_counts(&mut unit.tx, &[(owner, id, 1)]).await?;
    Ok(QueuedTest { delivery_id })
}

/// The delivery of an event to a webhook, in the form that it asks for.
pub(super) fn new_delivery<'a>(
    owner: Owner,
    webhook: &WebhookRow,
    event_id: i64,
    event: &'a str,
    delivery_id: String,
) -> store::NewDelivery<'a> {
    let payload_version: Option<PayloadVersion> = webhook.payload_version;
    store::NewDelivery { owner, webhook_id: webhook.id, event_id, event, delivery_id, payload_version }
}

/// Sends a delivery again, whatever became of it: the same bytes under the same id, and the schedule begins anew. One that
/// is on its way already stays so.
pub async fn redeliver(unit: &mut Unit, owner: Owner, webhook: i64, id: i64) -> Result<DeliveryEntry> {
    let hook = row(&mut unit.tx, owner, webhook).await?;
    log::entry(&mut unit.tx, owner, &hook, id).await?;
    is_on(&hook)?;
    // Who asks has repaired the receiver, or wants to know: it is tried at once, and by this one. Lanes first: no worker records
    // an outcome until this is committed.
    jobs::wake(unit, Deliver::NAME, webhook).await?;
    let again = store::of_delivery(&mut unit.tx, owner, (webhook, hook.dropped_through), id).await?;
    queue_again(unit, owner, webhook, again.as_slice(), Vec::new()).await?;
    let jobs: Vec<_> = again.iter().map(job).collect();
    jobs::hasten_first(unit, Deliver::lane(owner, webhook), &jobs).await?;
    let done = (Action::WebhookDeliveryRepeated, Action::PartnerWebhookDeliveryRepeated);
    owner.note(unit, done, webhook, Changes::of("delivery", id)).await?;
    log::entry(&mut unit.tx, owner, &hook, id).await
}

/// What a webhook that is switched off would give up at once is not asked of it.
pub(super) fn is_on(webhook: &WebhookRow) -> Result<()> {
    if webhook.is_active {
        return Ok(());
    }
    Err(Error::conflict().saying("The webhook is switched off."))
}

/// Makes deliveries due, whose lane the caller has locked, beside others that were just made for their events: those that
/// had come to their end get a job again, in the order of the events; the others' jobs come forward.
pub(super) async fn queue_again(
    unit: &mut Unit,
    owner: Owner,
    webhook: i64,
    again: &[Requeued],
    mut made: Vec<(i64, NewJob)>,
) -> Result<()> {
    if again.is_empty() && made.is_empty() {
        return Ok(());
    }
    let now = unit.now();
    store::queue_again(&mut unit.tx, owner, again, now).await?;
    made.extend(again.iter().filter(|delivery| !delivery.has_job).map(|delivery| (delivery.event_id, job(delivery))));
    made.sort_by_key(|(event, _)| *event);
    let made: Vec<NewJob> = made.into_iter().map(|(_, job)| job).collect();
    let waiting: Vec<NewJob> = again.iter().filter(|delivery| delivery.has_job).map(job).collect();
    let lane = Deliver::lane(owner, webhook);
    jobs::enqueue(unit, lane, &made).await?;
    jobs::hasten(unit, lane, &waiting).await
}

fn job(delivery: &Requeued) -> NewJob {
    NewJob { subject: delivery.id, group: delivery.group }
}
