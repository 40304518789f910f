//! Lanes of work under several hands: woken while a worker holds them, locked by many, and chores that leave room for others.
//! On PostgreSQL, where these can meet.

use crate::world::{Engine, World};
use serde_json::json;
use skylight::app::{App, Unit};
use skylight::cli::serve::open;
use skylight::jobs::{self, Job, Kind, Lane, LaneKey, NewJob, Opened, Verdict, Workers};
use skylight::kernel::{Result, SystemClock, SystemRandom};
use skylight_db::{Read, args};
use skylight_test_support::wait::{eventually, until, until_within};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const DELIVERING: &str = "SELECT COUNT(*) FROM job_lane WHERE kind = 'webhooks.deliver'";
/// Longer than a worker needs to take on whatever it may.
const A_WHILE: Duration = Duration::from_millis(1500);

/// Work of a workspace that is found suspended, and takes its time to say so.
#[derive(Clone, Default)]
struct Sleepy {
    opened: Arc<AtomicUsize>,
    looked: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Kind for Sleepy {
    const NAME: &'static str = "test.sleepy";
    const CONCURRENCY: usize = 1;
    const STRICT: bool = false;
    type Shared = ();
    type Item = ();
    type Done = ();

    async fn open(&self, app: &App, _: &Lane) -> Result<Opened<()>> {
        if self.opened.fetch_add(1, Ordering::SeqCst) > 0 {
            return Ok(Opened::Ready(()));
        }
        self.looked.notify_one();
        self.go_on.notified().await;
        Ok(Opened::Later(app.now().after(Duration::from_secs(30))))
    }

    async fn load(&self, _: &App, (): &(), jobs: &[Job]) -> Result<Vec<Option<()>>> {
        Ok(vec![Some(()); jobs.len()])
    }

    async fn perform(&self, _: &App, (): &(), _: Job, (): ()) {}

    async fn settle(&self, _: &mut Unit, (): &(), done: &mut Vec<(Job, ())>) -> Result<Vec<Verdict>> {
        Ok(vec![Verdict::Done; done.len()])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reactivation_that_meets_a_worker_on_its_way_to_sleep_wakes_the_lane_all_the_same() {
    let world = World::start(Engine::Postgres).await;
    let rawabi = world.partner("rawabi").await;
    let (client, _) = rawabi.client("Nakheel", "business").await;
    let client_path = format!("/api/v1/partner/clients/{}", client["id"]);
    rawabi.post(&format!("{client_path}/suspend"), json!({})).await.expect(200);
    let sleepy = Sleepy::default();
    let workers = Workers::join(world.app.clone()).await.unwrap().with(sleepy.clone());
    let working = tokio::spawn(workers.run());

    let mut unit = world.app.begin().await.unwrap();
    let lane = LaneKey { kind: Sleepy::NAME, key: 1, workspace: None };
    jobs::enqueue(&mut unit, lane, &[NewJob { subject: 1, group: 1 }]).await.unwrap();
    let own = "UPDATE job_lane SET workspace_id = $1 WHERE kind = 'test.sleepy'";
    unit.tx.exec(own, args![client["id"].as_i64().unwrap()]).await.unwrap();
    unit.commit().await.unwrap();
    sleepy.looked.notified().await;
    rawabi.post(&format!("{client_path}/reactivate"), json!({})).await.expect(200);
    sleepy.go_on.notify_one();
    until_within(Duration::from_secs(15), "it is opened again", async || {
        let opened = sleepy.opened.load(Ordering::SeqCst);
        if opened > 1 { Ok(()) } else { Err(opened) }
    })
    .await;
    working.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_a_workspace_locks_its_lanes_in_the_order_of_those_who_queue() {
    let world = World::start(Engine::Postgres).await;
    let rawabi = world.partner("rawabi").await;
    let (client, nakheel) = rawabi.client("Nakheel", "business").await;
    let client_path = format!("/api/v1/partner/clients/{}", client["id"]);
    let mut hooks = Vec::new();
    for _ in 0..4 {
        hooks.push(nakheel.webhook(&world.receiver.url("/crm"), &["ticket.created"]).await["id"].as_i64().unwrap());
    }
    // The lanes come into being in another order than the one they are locked in.
    for (number, hook) in hooks.iter().rev().enumerate() {
        let one = format!("/api/v1/webhooks/{hook}");
        nakheel.put(&one, json!({"events": ["contact.created"]})).await.expect(200);
        // What is paused waits in its lane.
        nakheel.post(&format!("{one}/pause"), json!({})).await.expect(200);
        nakheel.contact("c", &format!("+96650000{number:04}")).await;
        eventually("its lane is there", async || {
            let lanes: i64 = (&world.app.db).one(DELIVERING, args![]).await.unwrap();
            (lanes == i64::try_from(number).unwrap() + 1).then_some(())
        })
        .await;
    }
    rawabi.post(&format!("{client_path}/suspend"), json!({})).await.expect(200);

    let mut holder = world.app.db.begin().await.unwrap();
    let first = "SELECT id FROM job_lane WHERE kind = 'webhooks.deliver' AND key = $1 FOR NO KEY UPDATE";
    holder.one::<i64>(first, args![hooks[0]]).await.unwrap();
    let asked = {
        let (rawabi, path) = (rawabi.clone(), format!("{client_path}/reactivate"));
        tokio::spawn(async move { rawabi.post(&path, json!({})).await })
    };
    eventually("it waits for the first lane", async || {
        let waiting =
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting: i64 = (&world.app.db).one(waiting, args![]).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    until_within(Duration::from_secs(3), "it holds no other lane meanwhile", async || {
        let mut tx = world.app.db.begin().await.unwrap();
        let free = "SELECT id FROM job_lane WHERE kind = 'webhooks.deliver' FOR NO KEY UPDATE SKIP LOCKED";
        let free: Vec<i64> = tx.all(free, args![]).await.unwrap();
        if free.len() == 3 { Ok(()) } else { Err(free.len()) }
    })
    .await;
    holder.commit().await.unwrap();
    asked.await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chores_leave_the_database_to_others() {
    const REMOVED: usize = 12;
    let world = World::start(Engine::Postgres).await;
    let nakheel = world.workspace("nakheel").await;
    let mut hooks = Vec::new();
    for _ in 0..REMOVED {
        hooks.push(nakheel.webhook(&world.receiver.url("/old"), &["*"]).await["id"].clone());
    }
    nakheel.contact("c", "+966500000001").await;
    world.receiver.wait_for(REMOVED).await;
    crate::stored::at_rest(&world).await;
    // Each removal takes as long as somebody holds these rows.
    let mut holder = world.app.db.begin().await.unwrap();
    let rows: Vec<i64> = holder.all("SELECT id FROM webhook_delivery FOR UPDATE", args![]).await.unwrap();
    assert_eq!(rows.len(), REMOVED);
    for hook in &hooks {
        nakheel.delete(&format!("/api/v1/webhooks/{hook}")).await.expect(204);
    }
    nakheel.webhook(&world.receiver.url("/new"), &["*"]).await;
    until("chores are under way", async || leased(&world).await.map(|_| ())).await;
    let began = Instant::now();
    let mut number = 2;
    while began.elapsed() < A_WHILE {
        nakheel.contact("c", &format!("+96650000{number:04}")).await;
        world.receiver.wait_for(REMOVED + number - 1).await;
        assert!(leased(&world).await.is_ok_and(|lanes| lanes <= 2), "{:?}", leased(&world).await);
        number += 1;
    }
    holder.commit().await.unwrap();
    until("all is removed", async || {
        let left = "SELECT COUNT(*) FROM job JOIN job_lane ON job_lane.id = job.lane_id WHERE kind = 'webhooks.purge'";
        let left: i64 = (&world.app.db).one(left, args![]).await.unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

/// How many lanes of a chore are leased; an error if none is.
async fn leased(world: &World) -> std::result::Result<i64, String> {
    let leased = "SELECT COUNT(*) FROM job_lane WHERE kind = 'webhooks.purge' AND leased_by IS NOT NULL";
    let leased: i64 = (&world.app.db).one(leased, args![]).await.unwrap();
    if leased > 0 { Ok(leased) } else { Err("none".into()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_nobody_waits_for_any_more_is_heard_of() {
    let world = World::start(Engine::Postgres).await;
    // Without workers: nobody else hears its bells.
    let app = open(world.app.config.clone(), Box::new(SystemClock), Box::new(SystemRandom)).await.unwrap();
    // As a caller who hangs up: the commit is begun, and let go. Now and then it is over before that.
    let mut let_go = false;
    while !let_go {
        let mut unit = app.begin().await.unwrap();
        let lane = LaneKey { kind: "test.nobody", key: 1, workspace: None };
        jobs::enqueue(&mut unit, lane, &[]).await.unwrap();
        let_go = futures_util::FutureExt::now_or_never(unit.commit()).is_none();
        if !let_go {
            app.jobs_queued.notified().await;
        }
    }
    let heard = tokio::time::timeout(Duration::from_secs(5), app.jobs_queued.notified()).await;
    assert!(heard.is_ok(), "no bell was rung");
    eventually("it is committed", async || {
        let lanes = "SELECT COUNT(*) FROM job_lane WHERE kind = 'test.nobody'";
        ((&app.db).one::<i64>(lanes, args![]).await.unwrap() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_its_number_is_found_without_reading_the_log() {
    const EVENTS: i64 = 20_000;
    let world = World::start(Engine::Postgres).await;
    let nakheel = world.workspace("nakheel").await;
    // Statistics as they are when taken at the worst moment: everything waits.
    let mut tx = world.app.db.begin().await.unwrap();
    let many = "INSERT INTO event (workspace_id, kind, subject_id, data, created_at)
         SELECT $1, 'contact.updated', n, '{}', 1000000 FROM generate_series(1, $2) AS n";
    tx.exec(many, args![nakheel.id, EVENTS]).await.unwrap();
    tx.exec("ANALYZE event", args![]).await.unwrap();
    tx.commit().await.unwrap();
    world.app.events_recorded.notify_one();
    eventually("they are numbered", async || {
        let last = "SELECT last_seq FROM event_head WHERE workspace_id = $1 AND partner_id = 0";
        let last: Option<i64> = (&world.app.db).opt(last, args![nakheel.id]).await.unwrap();
        last.is_some_and(|last| last >= EVENTS).then_some(())
    })
    .await;
    nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
    let before = read(&world).await;
    let began = Instant::now();
    let mut number = 0;
    // What a connection read is counted when it has been idle for a moment.
    while number < 20 || began.elapsed() < 2 * A_WHILE {
        nakheel.contact("c", &format!("+96650000{number:04}")).await;
        number += 1;
        world.receiver.wait_for(number).await;
    }
    let after = read(&world).await;
    // Some were counted late, of when they got their numbers.
    assert!(after - before < 5 * EVENTS, "{} rows were read for {number} events", after - before);
}

/// Rows of the event log that were read in full, or through the index of their ids.
async fn read(world: &World) -> i64 {
    let read =
        "SELECT CAST(seq_tup_read + (SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'event_pkey')
                    AS BIGINT) FROM pg_stat_user_tables WHERE relname = 'event'";
    (&world.app.db).one(read, args![]).await.unwrap()
}
