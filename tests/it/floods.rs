//! Very many events: none is lost or doubled, each contact's come in order, and a flood in one place leaves the others dry.
//!
//! `SKYLIGHT_EVENTS` chooses how many.

use crate::on_both_engines;
use crate::sequence::setting;
use crate::world::World;
use serde_json::json;
use skylight_db::{Read, args, list};
use skylight_test_support::process::free_port;
use skylight_test_support::script::Behaviour;
use skylight_test_support::wait::until_within;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const EVENTS: usize = 20_000;
const FLOOD: usize = 5_000;
/// For as many events as anybody asks for, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(180);
const A_WHILE: Duration = Duration::from_millis(700);
/// Writers of a flood, and contacts of each.
const WRITERS: usize = 10;
const CONTACTS: usize = 20;

on_both_engines! {
    async fn of_very_many_events_none_is_lost_or_doubled_and_contacts_keep_their_order(world: World) {
        let steps = setting("SKYLIGHT_EVENTS", EVENTS) / (WRITERS * CONTACTS);
        let (nakheel, dune) = (world.workspace("nakheel").await, world.workspace("dune").await);
        for (workspace, path) in [(&nakheel, "/nakheel"), (&dune, "/dune")] {
            workspace.webhook(&world.receiver.url(path), &["contact.updated"]).await;
        }
        let began = Instant::now();
        // Each contact has one writer, as its row's lock would have it; beyond that, commits come in any order.
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (app, workspace) = (world.app.clone(), [nakheel.id, dune.id][writer % 2]);
            writers.spawn(async move {
                for step in 0..steps {
                    let contacts = writer * CONTACTS..(writer + 1) * CONTACTS;
                    record(&app, workspace, "contact.updated", contacts.map(|contact| (contact, step))).await;
                }
            });
        }
        writers.join_all().await;
        let written = began.elapsed();
        let events = steps * WRITERS * CONTACTS;
        arrived(&world, events).await;
        let took = began.elapsed();
        world.receiver.no_more_than(events, A_WHILE).await;

        let (mut ids, mut order) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
        for delivery in world.receiver.deliveries() {
            assert!(ids.insert(delivery.id().to_owned()), "{} arrived twice", delivery.id());
            let contact = delivery.json["data"]["contact"].as_u64().unwrap();
            let writer = usize::try_from(contact).unwrap() / CONTACTS;
            assert_eq!(delivery.path, ["/nakheel", "/dune"][writer % 2]);
            order.entry(contact).or_default().push(delivery.json["data"]["step"].as_u64().unwrap());
        }
        assert_eq!(order.len(), WRITERS * CONTACTS);
        for (contact, found) in order {
            assert!(found.iter().copied().eq(0..steps as u64), "contact {contact}: {found:?}");
        }
        println!("{:?}: {events} events written in {written:?}, all there after {took:?}: 0 lost, 0 doubled, in order", world.engine);
    }

    async fn nobody_waits_for_those_who_hang_refuse_or_flood(world: World) {
        let events = setting("SKYLIGHT_EVENTS", FLOOD);
        // One hangs.
        let hanging = world.workspace("hanging").await;
        hanging.webhook(&world.receiver.url("/hang"), &["*"]).await;
        let (hang, hold) = Behaviour::status(200).held();
        world.receiver.script().always("/hang", hang);
        // Two hundred refuse: half of them by word, half because nobody is there.
        world.receiver.script().always("/refuse*", Behaviour::status(503));
        let nobody = format!("http://127.0.0.1:{}", free_port());
        let mut refusing = Vec::new();
        for number in 0..5 {
            let workspace = world.workspace(&format!("refusing-{number}")).await;
            for hook in 0..40 {
                let base = if hook % 2 == 0 { world.receiver.url("/refuse") } else { nobody.clone() };
                workspace.webhook(&format!("{base}/{number}/{hook}"), &["*"]).await;
            }
            refusing.push(workspace);
        }
        // One floods.
        let flooding = world.workspace("flooding").await;
        flooding.webhook(&world.receiver.url("/flood"), &["*"]).await;
        let healthy = world.workspace("healthy").await;
        healthy.webhook(&world.receiver.url("/healthy"), &["*"]).await;

        record(&world.app, hanging.id, "contact.created", (0..200).map(|contact| (contact, 0))).await;
        for workspace in &refusing {
            record(&world.app, workspace.id, "contact.created", (0..15).map(|contact| (contact, 0))).await;
        }
        hold.wait_for_held(1).await;
        let flood = (0..events).map(|event| (event % 500, event / 500));
        record(&world.app, flooding.id, "contact.created", flood).await;
        let began = Instant::now();
        let mut behind = Vec::new();
        for step in 0..5 {
            let before = count(&world, "/healthy");
            record(&world.app, healthy.id, "contact.created", (0..4).map(|contact| (contact, step))).await;
            until_within(PATIENCE, "the healthy one hears", async || {
                let arrived = count(&world, "/healthy");
                if arrived == before + 4 { Ok(()) } else { Err(arrived) }
            }).await;
            if step == 0 {
                let sql = "SELECT COUNT(*) FROM event WHERE workspace_id = $1 AND seq IS NULL";
                let unread: i64 = (&world.app.db).one(sql, args![flooding.id]).await.unwrap();
                assert!(unread > 0, "the first of them waited until the whole flood was read");
            }
            behind.push(count(&world, "/flood"));
        }
        let last = *behind.last().unwrap();
        println!("{:?}: the flood had delivered {behind:?} of {events} when the healthy one's events were there, after {:?}", world.engine, began.elapsed());
        assert!(last < events, "the healthy one waited until the flood was over: {behind:?}");
        hold.release();
        until_within(PATIENCE, "the flood arrives too", async || {
            let arrived = (count(&world, "/flood"), count(&world, "/hang"));
            if arrived == (events, 200) { Ok(()) } else { Err(format!("{arrived:?}")) }
        }).await;
        println!("{:?}: the flood was over after {:?}", world.engine, began.elapsed());
        // Who refuses is asked little.
        assert!(count_refused(&world) <= 100 * 25, "{}", count_refused(&world));
    }
}

/// Records events of contacts in one transaction, as their verbs would.
async fn record(app: &skylight::app::App, workspace: i64, kind: &str, of: impl Iterator<Item = (usize, usize)>) {
    let now = app.now();
    let rows: Vec<_> = of
        .map(|(contact, step)| {
            (i64::try_from(contact).unwrap(), json!({"contact": contact, "step": step, "name": "سارة"}).to_string())
        })
        .collect();
    let lists: Vec<_> = rows.iter().map(|(contact, data)| list![&workspace, &kind, contact, data, &now]).collect();
    let mut unit = app.begin().await.unwrap();
    let sql = "INSERT INTO event (workspace_id, kind, subject_id, data, created_at) VALUES ($1, $2, $3, $4, $5)";
    unit.tx.exec_many(sql, &lists).await.unwrap();
    unit.commit().await.unwrap();
    app.events_recorded.notify_one();
}

async fn arrived(world: &World, events: usize) {
    until_within(PATIENCE, "everything has arrived", async || {
        let arrived = world.receiver.count(|_| true);
        if arrived >= events { Ok(()) } else { Err(arrived) }
    })
    .await;
}

fn count(world: &World, path: &str) -> usize {
    world.receiver.count(|delivery| delivery.path == path)
}

fn count_refused(world: &World) -> usize {
    world.receiver.count(|delivery| delivery.path.starts_with("/refuse"))
}
