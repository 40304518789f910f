//! Makes deliveries of committed events: exactly one per event and subscribed webhook (rule D2).

use super::store::{self, NewDelivery, Subscriber};
use super::{Deliver, EVERY, from_json, payload};
use crate::app::Unit;
use crate::auth::WorkspaceScope;
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
}

/// One query when nobody listens; otherwise few statements per batch beside two rows per delivery.
async fn fan_out(unit: &mut Unit, events: &[Event]) -> Result<()> {
    let workspaces: Vec<i64> = events.iter().filter_map(concerned).collect::<BTreeSet<_>>().into_iter().collect();
    if workspaces.is_empty() {
        return Ok(());
    }
    let subscribers = store::all_workspaces_subscribers(&mut unit.tx, &workspaces).await?;
    let deliveries = plan(events, subscribers, &*unit.app().random);
    if deliveries.is_empty() {
        return Ok(());
    }
    let now = unit.now();
    let added = store::all_workspaces_insert_deliveries(&mut unit.tx, &deliveries, now).await?;
    let workspace_of = deliveries.iter().map(|delivery| (delivery.webhook_id, delivery.workspace_id)).collect();
    queue(unit, events, &workspace_of, added).await
}

/// The workspace whose webhooks are to hear of an event. A test event has its delivery from birth.
fn concerned(event: &Event) -> Option<i64> {
    event.workspace_id.filter(|_| event.kind != payload::TEST)
}

fn plan<'a>(events: &'a [Event], subscribers: Vec<Subscriber>, random: &dyn Random) -> Vec<NewDelivery<'a>> {
    let mut by_workspace: HashMap<i64, Vec<(i64, Vec<String>)>> = HashMap::new();
    for subscriber in subscribers {
        let wanted = from_json(&subscriber.events);
        by_workspace.entry(subscriber.workspace_id).or_default().push((subscriber.id, wanted));
    }
    let mut deliveries = Vec::new();
    for event in events {
        let Some(workspace_id) = concerned(event) else { continue };
        for (webhook_id, wanted) in by_workspace.get(&workspace_id).into_iter().flatten() {
            if wanted.iter().any(|name| name == EVERY || *name == event.kind) {
                let (webhook_id, event_id, event) = (*webhook_id, event.id, event.kind.as_str());
                deliveries.push(NewDelivery { workspace_id, webhook_id, event_id, event, delivery_id: String::new() });
            }
        }
    }
    name(&mut deliveries, random);
    deliveries
}

/// Gives every delivery its id, asking for randomness once.
fn name(deliveries: &mut [NewDelivery<'_>], random: &dyn Random) {
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
    workspace_of: &HashMap<i64, i64>,
    mut added: Vec<(i64, i64, i64)>,
) -> Result<()> {
    let subjects: HashMap<i64, i64> = events.iter().map(|event| (event.id, event.subject_id)).collect();
    added.sort_unstable_by_key(|(_, event, _)| *event);
    let mut lanes: BTreeMap<(i64, i64), Vec<NewJob>> = BTreeMap::new();
    for (delivery, event, webhook) in added {
        let workspace = workspace_of.get(&webhook).copied().unwrap_or_default();
        let group = subjects.get(&event).copied().unwrap_or_default();
        lanes.entry((workspace, webhook)).or_default().push(NewJob { subject: delivery, group });
    }
    let count = |jobs: &Vec<NewJob>| i64::try_from(jobs.len()).unwrap_or_default();
    let counts: Vec<_> = lanes.iter().map(|((workspace, webhook), jobs)| (*workspace, *webhook, count(jobs))).collect();
    // Lanes first, webhooks second: the deliveries' own transactions take their locks in this order.
    for ((workspace, webhook), jobs) in &lanes {
        let lane = Deliver::lane(WorkspaceScope::of_background_work(*workspace), *webhook);
        jobs::enqueue(unit, lane, jobs).await?;
    }
    Ok(store::add_to_counts(&mut unit.tx, &counts).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Instant, SystemRandom};

    fn event(id: i64, workspace_id: Option<i64>, kind: &str) -> Event {
        let created_at = Instant::from_seconds(0);
        Event { id, workspace_id, partner_id: None, kind: kind.to_owned(), subject_id: 1, created_at }
    }

    fn hook(id: i64, workspace_id: i64, events: &str) -> Subscriber {
        Subscriber { id, workspace_id, events: events.to_owned() }
    }

    #[test]
    fn every_subscribed_webhook_of_the_events_own_workspace_hears_of_it() {
        let events = [
            event(1, Some(7), "contact.created"),
            event(2, Some(7), "contact.deleted"),
            event(3, Some(8), "contact.created"),
            event(4, None, "contact.created"),
            event(5, Some(7), payload::TEST),
        ];
        let hooks = vec![hook(1, 7, "[\"*\"]"), hook(2, 7, "[\"contact.deleted\",\"x\"]"), hook(3, 9, "[\"*\"]")];
        let planned = plan(&events, hooks, &SystemRandom);
        let pairs: Vec<_> = planned.iter().map(|d| (d.event_id, d.webhook_id)).collect();
        assert_eq!(pairs, [(1, 1), (2, 1), (2, 2)]);
        assert!(
            planned.iter().all(|d| uuid::Uuid::parse_str(&d.delivery_id).is_ok_and(|id| id.get_version_num() == 4))
        );
        assert_ne!(planned[0].delivery_id, planned[1].delivery_id);
    }
}
