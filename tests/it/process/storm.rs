//! Killed again and again under a storm of writes, at moments that a seed chooses: every committed event arrives, and
//! nothing arrives twice but what was under way when its server died.
//!
//! `SKYLIGHT_KILLS` and `SKYLIGHT_KILLS_SEED` choose fewer or more moments, and others.

use super::house::House;
use crate::on_both_houses;
use crate::sequence::setting;
use crate::world::{Actor, Engine};
use parking_lot::Mutex;
use serde_json::json;
use skylight_db::{Db, Read, SqliteSettings, args};
use skylight_test_support::process::ServerProcess;
use skylight_test_support::script::{Behaviour, Hold};
use skylight_test_support::tempdir::TempDir;
use skylight_test_support::wait::until_within;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

const SEED: u64 = 20_260_305;
const KILLS: usize = 50;
/// The latest moment of a kill after its servers are ready.
const LATEST: u64 = 400;
/// Together they write 200 contacts a second, if the machine can.
const WRITERS: usize = 8;
const EACH: Duration = Duration::from_millis(40);
/// Longer than a dead node's heartbeat counts, and time to deliver what it left.
const TAKEOVER: Duration = Duration::from_secs(60);

on_both_houses! {
    async fn killed_at_any_moment_every_event_arrives_and_only_what_was_under_way_arrives_twice(house: House) {
        let (seed, kills) = (setting("SKYLIGHT_KILLS_SEED", SEED), setting("SKYLIGHT_KILLS", KILLS));
        println!("SKYLIGHT_KILLS_SEED={seed} SKYLIGHT_KILLS={kills}");
        let mut dice = Dice(seed);
        let mut storm = Storm::over(house).await;
        let mut rounds = Vec::new();
        for round in 0..kills {
            rounds.push(storm.prepare(round).await);
        }
        let mut deaths = Vec::new();
        let began = Instant::now();
        for round in rounds {
            let after = Duration::from_millis(dice.below(LATEST + 1));
            deaths.push(storm.live_and_die(round, after, &mut dice).await);
        }
        let blown = began.elapsed();
        storm.settle().await;
        storm.judge(&deaths, blown).await;
        storm.house.cli(&["check"]).await.success();
    }
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

struct Storm {
    house: House,
    servers: Vec<ServerProcess>,
    reseller: Actor,
    told: Arc<Told>,
}

/// What the writers know.
#[derive(Default)]
struct Told {
    /// Names whose creation was acknowledged.
    acknowledged: Mutex<Vec<String>>,
    /// Requests that nobody answered: they may have happened.
    unanswered: AtomicUsize,
    /// Answers that nobody had a reason to give.
    refused: Mutex<Vec<String>>,
}

/// One life of the servers: endpoints that nobody has delivered to yet, so that no dead node holds their lanes.
struct Round {
    number: usize,
    /// The receiver answers the first one at once, and the second one when the kill is over.
    shops: [Actor; 2],
    hold: Hold,
}

/// What was certain once a server was dead.
struct Death {
    after: Duration,
    /// How many deliveries had arrived.
    arrived: usize,
    /// Deliveries recorded as done.
    recorded: HashSet<String>,
}

impl Storm {
    async fn over(mut house: House) -> Self {
        house.set("SKYLIGHT_WEBHOOK_RETRY_SCHEDULE", "1s,1s,1s,1s,1s,1s,1s,1s");
        let mut servers = vec![house.serve().await];
        if house.engine == Engine::Postgres {
            servers.push(house.serve().await);
        }
        let reseller = house.partner(&servers[0].base(), "rawabi").await;
        let id = reseller.id.to_string();
        house.cli(&["partner", "set", "--id", &id, "--seats", "1000"]).await.success();
        Self { house, servers, reseller, told: Arc::default() }
    }

    async fn prepare(&self, number: usize) -> Round {
        let (held, hold) = Behaviour::status(200).held();
        self.house.receiver.script().always(&format!("/held/{number}"), held);
        let mut shops = Vec::new();
        for path in ["prompt", "held"] {
            let (_, shop) = self.reseller.client(&format!("{path} {number}"), "business").await;
            shop.webhook(&self.house.receiver.url(&format!("/{path}/{number}")), &["*"]).await;
            shops.push(shop);
        }
        let shops = shops.try_into().unwrap_or_else(|_| panic!("two of them"));
        Round { number, shops, hold }
    }

    /// Everybody writes to every server; one of them is killed, and comes back.
    async fn live_and_die(&mut self, round: Round, after: Duration, dice: &mut Dice) -> Death {
        let mut writers = self.write(&round);
        tokio::time::sleep(after).await;
        let victim = usize::try_from(dice.below(self.servers.len() as u64)).unwrap();
        self.servers[victim].kill9();
        let recorded = self.recorded().await;
        let arrived = self.house.receiver.count(|_| true);
        self.servers[victim].restart().await;
        round.hold.release();
        writers.shutdown().await;
        Death { after, arrived, recorded }
    }

    fn write(&self, round: &Round) -> JoinSet<()> {
        let mut writers = JoinSet::new();
        let bases: Vec<_> = self.servers.iter().map(ServerProcess::base).collect();
        for writer in 0..WRITERS {
            let (shop, number) = (round.shops[writer % 2].clone(), round.number);
            let (told, bases) = (self.told.clone(), bases.clone());
            writers.spawn(async move {
                let mut ticks = tokio::time::interval(EACH);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for n in 0.. {
                    ticks.tick().await;
                    let name = format!("ليلى {number}/{writer}/{n}");
                    let body =
                        json!({"name": name, "phone": format!("+9665{number:02}{writer}{n:05}"), "type": "whatsapp"});
                    let base = &bases[(writer / 2 + n) % bases.len()];
                    let request = shop.http.post(format!("{base}/api/v1/contacts")).header("x-api-key", shop.key());
                    match request.json(&body).limit(Duration::from_secs(15)).try_send().await {
                        Ok(answer) if answer.status == 201 => told.acknowledged.lock().push(name),
                        Ok(answer) => told.refused.lock().push(format!("{name}: {answer:?}")),
                        Err(_) => drop(told.unanswered.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
        }
        writers
    }

    /// The deliveries that the database holds for done. SQLite's file is looked at as a copy: its recovery is the server's.
    async fn recorded(&self) -> HashSet<String> {
        let sql = "SELECT delivery_id FROM webhook_delivery WHERE status = 'delivered'";
        if self.house.engine == Engine::Postgres {
            return (&self.house.db()).all::<String>(sql, args![]).await.unwrap().into_iter().collect();
        }
        let copy = TempDir::new("storm");
        for name in ["skylight.db", "skylight.db-wal"] {
            std::fs::copy(self.house.folder.join(name), copy.path().join(name)).unwrap();
        }
        let db = Db::sqlite(SqliteSettings::at(copy.path().join("skylight.db"))).unwrap();
        (&db).all::<String>(sql, args![]).await.unwrap().into_iter().collect()
    }

    /// Waits until nothing is left to deliver.
    async fn settle(&self) {
        let db = self.house.db();
        until_within(TAKEOVER, "every event is delivered", async || {
            let open: i64 = (&db)
                .one(
                    "SELECT COUNT(*) FROM event WHERE workspace_id IS NOT NULL AND NOT EXISTS
                         (SELECT 1 FROM webhook_delivery AS d WHERE d.event_id = event.id AND d.status = 'delivered')",
                    args![],
                )
                .await
                .unwrap();
            let waiting: i64 = (&db).one("SELECT COUNT(*) FROM job", args![]).await.unwrap();
            if open == 0 && waiting == 0 { Ok(()) } else { Err(format!("{open} events, {waiting} jobs")) }
        })
        .await;
    }

    async fn judge(&self, deaths: &[Death], blown: Duration) {
        let arrived = self.house.receiver.deliveries();
        let sql = "SELECT d.delivery_id, d.event_id FROM webhook_delivery AS d ORDER BY d.id";
        let logged: Vec<(String, i64)> = (&self.house.db()).all(sql, args![]).await.unwrap();
        let ids: BTreeSet<_> = arrived.iter().map(|delivery| delivery.id()).collect();
        assert_eq!(ids, logged.iter().map(|(id, _)| id.as_str()).collect(), "what is logged arrived, and nothing else");
        let events = self.house.count("SELECT COUNT(*) FROM event WHERE workspace_id IS NOT NULL").await;
        assert_eq!(logged.len(), usize::try_from(events).unwrap(), "one delivery for each event");

        assert_eq!(*self.told.refused.lock(), Vec::<String>::new());

        // What was acknowledged was told, of every contact that there is, under one id.
        let mut names = BTreeMap::<&str, BTreeSet<&str>>::new();
        for delivery in &arrived {
            assert_eq!(delivery.event, "contact.created");
            names.entry(delivery.json["data"]["contact"]["name"].as_str().unwrap()).or_default().insert(delivery.id());
        }
        assert!(names.values().all(|ids| ids.len() == 1), "{names:?}");
        let lost: Vec<_> =
            self.told.acknowledged.lock().iter().filter(|name| !names.contains_key(name.as_str())).cloned().collect();
        assert_eq!(lost, Vec::<String>::new(), "acknowledged, and never told");
        let contacts = self.house.count("SELECT COUNT(*) FROM contact").await;
        assert_eq!(names.len(), usize::try_from(contacts).unwrap());

        // Twice: only across a death, and not when it was recorded before.
        let mut last = HashMap::<&str, usize>::new();
        let mut twice = 0;
        for (index, delivery) in arrived.iter().enumerate() {
            let Some(before) = last.insert(delivery.id(), index) else { continue };
            twice += 1;
            let between: Vec<_> =
                deaths.iter().filter(|death| before < death.arrived && death.arrived <= index).collect();
            assert!(!between.is_empty(), "{} arrived twice in one life: as {before} and {index}", delivery.id());
            let recorded = between.iter().any(|death| death.recorded.contains(delivery.id()));
            assert!(!recorded, "{} arrived again though its success was recorded", delivery.id());
        }
        assert!(twice > 0, "nothing was under way at any death: the storm was none");
        let moments: Vec<_> = deaths.iter().map(|death| death.after.as_millis()).collect();
        println!(
            "{:?}: {} kills at {moments:?} ms; {} events ({} acknowledged, {} requests unanswered) in {:.1} s; {} arrivals, {twice} of them again",
            self.house.engine,
            deaths.len(),
            logged.len(),
            self.told.acknowledged.lock().len(),
            self.told.unanswered.load(Ordering::Relaxed),
            blown.as_secs_f64(),
            arrived.len(),
        );
    }
}
