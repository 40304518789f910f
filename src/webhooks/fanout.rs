//! Makes deliveries of committed events: exactly one per event and subscribed webhook (rule D2).

use super::store::{self, NewDelivery, Subscriber};
use super::{Deliver, Dialect, EVERY, Owner, from_json, payload};
use crate::app::Unit;
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::events::{Event, Reader};
use crate::jobs::{self, NewJob};
use crate::kernel::{Random, Result};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The reader of the event log that webhooks live on. Suspended workspaces get their deliveries too; those sleep.
#[derive(Clone, Copy, Debug, Default)]
pub struct FanOut;

impl Reader for FanOut {
    fn read<'a>(&'a self, unit: &'a mut Unit, events: &'a [Event]) -> BoxFuture<'a, Result<()>> {
        Box::pin(fan_out(unit, events))
    }

    /// A delivery's payload stands in the log.
    fn needs<'a>(&'a self, unit: &'a mut Unit, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>>> {
        Box::pin(async move { Ok(store::all_workspaces_delivered(&mut unit.tx, ids).await?) })
    }
}

/// One query for each kind of owner when nobody listens; otherwise few statements per batch beside two rows per delivery.
async fn fan_out(unit: &mut Unit, events: &[Event]) -> Result<()> {
    let owners: BTreeSet<Owner> = events.iter().filter_map(concerned).collect();
    let workspaces: Vec<i64> = owners.iter().filter_map(|owner| owner.workspace()).map(WorkspaceScope::id).collect();
    let partners: Vec<i64> = owners.iter().filter_map(|owner| owner.partner()).map(PartnerScope::id).collect();
    let mut subscribers = Vec::new();
    if !workspaces.is_empty() {
        subscribers.extend(store::all_workspaces_subscribers(&mut unit.tx, &workspaces).await?);
    }
    if !partners.is_empty() {
        subscribers.extend(store::all_workspaces_partner_subscribers(&mut unit.tx, &partners).await?);
    }
    let deliveries = plan(events, subscribers, &*unit.app().random);
    if deliveries.is_empty() {
        return Ok(());
    }
    let now = unit.now();
    let added = store::all_workspaces_insert_deliveries(&mut unit.tx, &deliveries, now).await?;
    let owner_of = deliveries.iter().map(|delivery| (delivery.webhook_id, delivery.owner)).collect();
    queue(unit, events, &owner_of, added).await
}

/// Whose webhooks are to hear of an event. A test event has its delivery from birth.
fn concerned(event: &Event) -> Option<Owner> {
    Owner::of_row(event.workspace_id, event.partner_id).filter(|_| event.kind != payload::TEST)
}

fn plan<'a>(events: &'a [Event], subscribers: Vec<Subscriber>, random: &dyn Random) -> Vec<NewDelivery<'a>> {
    let mut by_owner: HashMap<Owner, Vec<(Subscriber, Vec<String>)>> = HashMap::new();
    for subscriber in subscribers {
        let wanted = from_json(&subscriber.events);
        let Some(owner) = Owner::of_row(subscriber.workspace_id, subscriber.partner_id) else { continue };
        by_owner.entry(owner).or_default().push((subscriber, wanted));
    }
    let mut deliveries = Vec::new();
    for event in events {
        let Some(owner) = concerned(event) else { continue };
        for (hook, wanted) in by_owner.get(&owner).into_iter().flatten() {
            if Dialect::of(&hook.dialect).has(&event.kind)
                && wanted.iter().any(|name| name == EVERY || *name == event.kind)
            {
                let (webhook_id, event_id, event) = (hook.id, event.id, event.kind.as_str());
                let (delivery_id, payload_version) = (String::new(), hook.payload_version);
                deliveries.push(NewDelivery { owner, webhook_id, event_id, event, delivery_id, payload_version });
            }
        }
    }
    name(&mut deliveries, random);
    deliveries
}

/// Gives every delivery its id, asking for randomness once.
pub(super) fn name(deliveries: &mut [NewDelivery<'_>], random: &dyn Random) {
    let mut bytes = vec![[0; 16]; deliveries.len()];
    random.fill(bytes.as_flattened_mut());
    for (delivery, bytes) in deliveries.iter_mut().zip(bytes) {
        delivery.delivery_id = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
    }
}

/// Queues a job per added delivery, in the lane of its webhook and the order of the events.
async fn queue(
    unit: &mut Unit,
    events: &[Event],
    owner_of: &HashMap<i64, Owner>,
    mut added: Vec<(i64, i64, i64)>,
) -> Result<()> {
    let subjects: HashMap<i64, i64> = events.iter().map(|event| (event.id, event.subject_id)).collect();
    added.sort_unstable_by_key(|(_, event, _)| *event);
    let mut lanes: BTreeMap<(Owner, i64), Vec<NewJob>> = BTreeMap::new();
    for (delivery, event, webhook) in added {
        let Some(owner) = owner_of.get(&webhook).copied() else { continue };
        let group = subjects.get(&event).copied().unwrap_or_default();
        lanes.entry((owner, webhook)).or_default().push(NewJob { subject: delivery, group });
    }
    let count = |jobs: &Vec<NewJob>| i64::try_from(jobs.len()).unwrap_or_default();
    let counts: Vec<_> = lanes.iter().map(|((owner, webhook), jobs)| (*owner, *webhook, count(jobs))).collect();
    // Lanes first, webhooks second: the deliveries' own transactions take their locks in this order.
    for ((owner, webhook), jobs) in &lanes {
        jobs::enqueue(unit, Deliver::lane(*owner, *webhook), jobs).await?;
    }
    Ok(store::add_to_counts(&mut unit.tx, &counts).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Instant, SystemRandom};

    fn event(id: i64, workspace_id: Option<i64>, partner_id: Option<i64>, kind: &str) -> Event {
        let created_at = Instant::from_seconds(0);
        Event { id, workspace_id, partner_id, kind: kind.to_owned(), subject_id: 1, created_at }
    }

    fn hook(id: i64, workspace_id: Option<i64>, partner_id: Option<i64>, events: &str) -> Subscriber {
        let dialect = Dialect::Product.word().to_owned();
        Subscriber { id, workspace_id, partner_id, dialect, events: events.to_owned(), payload_version: None }
    }

    #[test]
    fn every_subscribed_webhook_of_the_events_own_side_hears_of_it() {
        let events = [
            event(1, Some(7), None, "contact.created"),
            event(2, Some(7), None, "contact.deleted"),
            event(3, Some(8), None, "contact.created"),
            event(4, None, Some(7), "partner.client.created"),
            event(5, Some(7), None, payload::TEST),
            event(6, None, Some(7), payload::TEST),
            event(7, None, Some(8), "partner.client.deleted"),
            event(8, None, Some(7), "client_created"),
        ];
        let of_the_hub = Subscriber { dialect: "hub".to_owned(), ..hook(6, None, Some(7), "[\"*\"]") };
        let hooks = vec![
            of_the_hub,
            hook(1, Some(7), None, "[\"*\"]"),
            hook(2, Some(7), None, "[\"contact.deleted\",\"x\"]"),
            hook(3, Some(9), None, "[\"*\"]"),
            hook(4, None, Some(7), "[\"partner.client.created\"]"),
            hook(5, None, Some(8), "[\"partner.client.created\"]"),
        ];
        let planned = plan(&events, hooks, &SystemRandom);
        let pairs: Vec<_> = planned.iter().map(|d| (d.event_id, d.webhook_id)).collect();
        assert_eq!(pairs, [(1, 1), (2, 1), (2, 2), (4, 4), (8, 6)]);
        assert!(
            planned.iter().all(|d| uuid::Uuid::parse_str(&d.delivery_id).is_ok_and(|id| id.get_version_num() == 4))
        );
        assert_ne!(planned[0].delivery_id, planned[1].delivery_id);
    }
}
