//! How fast webhooks are delivered, how long an event is on its way, and what other people's receivers change about that.
//!
//! `cargo bench --bench webhooks [-- --engine sqlite|postgres --events N --seconds N --only …]`
//!
//! Starts the built server on a temporary folder and drives it over real sockets; the receiver stands on the same machine.
//! Numbers of different machines do not compare, so deliveries are also shown as their share of the floor: a fixed JSON
//! answer of the same server in the same run. Informs; a target that is missed is no failure. PostgreSQL is the server that
//! `SKYLIGHT_TEST_POSTGRES` names.

#[expect(dead_code, reason = "no benchmark needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod outage;
mod receiver;
#[expect(dead_code, reason = "the other benchmark needs more of it")]
#[path = "../main_job/world.rs"]
mod world;

use common::given::{Given, Only};
use common::load::{Connection, Latencies, Load, floor, post};
use common::machine::{Cores, Server};
use common::place::Place;
use common::{Result, verdict};
use receiver::{Receiver, hanging, refusing};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use world::{Caller, WORKSPACES, Workspace, World};

/// Waiting for the dead receiver.
const EVENTS_IN_OUTAGE: usize = 10_000;
const BURST: usize = 20_000;
const REFUSING: usize = 200;
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
struct Options {
    postgres: bool,
    events: usize,
    /// Of the stages with a steady rate of events.
    steady: Duration,
    only: Only,
}

impl Options {
    fn read(given: &mut Given) -> Result<Self> {
        Ok(Self {
            postgres: given.postgres()?,
            events: given.one("--events", 40_000)?,
            steady: given.seconds(10)?,
            only: given.only(),
        })
    }

    /// Deliveries per second, of the floor.
    fn target(&self) -> f64 {
        if self.postgres { 0.025 } else { 0.04 }
    }
}

fn main() -> ExitCode {
    common::main(Builder::new_multi_thread().worker_threads(1), Options::read, run)
}

async fn run(options: Options) -> Result<()> {
    println!("{}", if options.postgres { "PostgreSQL" } else { "SQLite" });
    if options.only.wants("outage") {
        let outage::Outage { memory: (healthy, most), attempts, seconds } = outage::endured(options.postgres).await?;
        println!(
            "outage: 72 hours of a dead receiver, {EVENTS_IN_OUTAGE} events: {attempts} attempts, {seconds:.2} s of processor time, \
             memory {healthy:.1} MB before, {most:.1} MB at most ({}); all arrived afterwards, once",
            verdict(most - healthy < 64.0)
        );
    }
    if options.only.0 == "outage" {
        return Ok(());
    }
    let place = Place::make(options.postgres).await;
    let world = World::fill(&place, WORKSPACES).await?;
    let settings = [("SKYLIGHT_WEBHOOK_ALLOW_HTTP", "true"), ("SKYLIGHT_OUTBOUND_ALLOW", "127.0.0.0/8")];
    let server = Server::start(&place, &settings).await?;
    let receiver = Receiver::start().await?;
    let bench = Bench { options, server, world, receiver, caller: Caller::default() };
    bench.stages().await
}

struct Bench {
    options: Options,
    server: Server,
    world: World,
    receiver: Receiver,
    caller: Caller,
}

impl Bench {
    async fn stages(&self) -> Result<()> {
        let floor = self.floor().await?;
        for (name, workspaces) in [("sustained: one webhook", 1), ("sustained: 50 workspaces", WORKSPACES)] {
            if self.options.only.wants(name) {
                self.sustained(name, workspaces, floor).await?;
            }
        }
        for (name, rate) in [("steady: 100 events/s", 100), ("steady: 1,000 events/s", 1_000)] {
            if self.options.only.wants(name) {
                self.steady(name, rate).await?;
            }
        }
        if self.options.only.wants("troubled") {
            self.troubled().await?;
        }
        println!("{:.1} MB resident at the end", self.server.resident()?);
        Ok(())
    }

    async fn floor(&self) -> Result<f64> {
        let (warm_up, measured) = (Duration::from_secs(1), Duration::from_secs(4));
        let load = Load { address: self.server.address, connections: 64, warm_up, measured };
        let floor = load.run(200, floor).await?;
        println!("floor: GET /health/live, {:.0}/s, p99 {:.2} ms", floor.per_second, floor.latencies.percentile(99));
        Ok(floor.per_second)
    }

    /// Events of one moment, worked off as fast as it goes.
    async fn sustained(&self, name: &str, workspaces: usize, floor: f64) -> Result<()> {
        let chosen = &self.world.workspaces[..workspaces];
        let hooks = self.listen(chosen).await;
        let before = Cores::now(&self.server)?;
        let began = Instant::now();
        self.world.record_events(chosen, self.options.events).await?;
        let (took, _) = self.receiver.all_of(self.options.events, LIMIT).await?;
        let cores = Cores::now(&self.server)?.busy_since(before);
        let cost = cores.server * began.elapsed().as_secs_f64() / self.options.events as f64 * 1e6;
        let rate = self.options.events as f64 / took.as_secs_f64();
        println!(
            "{name}: {rate:.0}/s, {:.3} of the floor ({} {}), {cost:.0} µs of the server's processor time each (cores {cores})",
            rate / floor,
            self.options.target(),
            verdict(rate / floor >= self.options.target())
        );
        self.unlisten(chosen, hooks).await
    }

    /// Contacts made through the API at a steady rate: how long from the request until the receiver has the event.
    async fn steady(&self, name: &str, per_second: usize) -> Result<()> {
        let chosen = &self.world.workspaces[..1];
        let hooks = self.listen(chosen).await;
        let before = Cores::now(&self.server)?;
        let sent = self.contacts(&chosen[0], per_second, self.options.steady).await?;
        let (_, on_the_way) = self.receiver.all_of(sent, LIMIT).await?;
        let cores = Cores::now(&self.server)?.busy_since(before);
        println!("{name}: {} (cores {cores})", shown(&on_the_way));
        self.unlisten(chosen, hooks).await
    }

    /// The same at 100 per second, while others' receivers hang and refuse, and a neighbour bursts.
    async fn troubled(&self) -> Result<()> {
        let [healthy, hangs, bursting, refused @ ..] = &self.world.workspaces[..] else { return Ok(()) };
        let hooks = self.listen(std::slice::from_ref(healthy)).await;
        self.caller.add_webhook(&self.server, hangs, &hanging().await?).await;
        let refused = &refused[..REFUSING / 10];
        for workspace in refused {
            for _ in 0..10 {
                self.caller.add_webhook(&self.server, workspace, &refusing()?).await;
            }
        }
        let busy = Receiver::start().await?;
        self.caller.add_webhook(&self.server, bursting, &busy.url()).await;
        self.world.record_events(std::slice::from_ref(hangs), 1_000).await?;
        self.world.record_events(refused, 20 * refused.len()).await?;
        self.world.record_events(std::slice::from_ref(bursting), BURST).await?;
        let sent = self.contacts(healthy, 100, self.options.steady).await?;
        let (_, on_the_way) = self.receiver.all_of(sent, LIMIT).await?;
        let p99 = on_the_way.percentile(99);
        println!(
            "troubled: one receiver hangs, {REFUSING} refuse, a neighbour bursts {BURST}: {} ({})",
            shown(&on_the_way),
            verdict(p99 < 1_000.0)
        );
        busy.all_of(BURST, LIMIT).await?;
        self.unlisten(std::slice::from_ref(healthy), hooks).await
    }

    /// Makes contacts that say when, evenly; answers how many.
    async fn contacts(&self, workspace: &Workspace, per_second: usize, time: Duration) -> Result<usize> {
        const CONNECTIONS: usize = 16;
        let count = per_second * usize::try_from(time.as_secs())?;
        let began = Instant::now();
        let mut writers = JoinSet::new();
        for first in 0..CONNECTIONS {
            let (receiver, key) = (self.receiver.clone(), workspace.key.clone());
            let mut connection = Connection::open(self.server.address).await?;
            writers.spawn(async move {
                for n in (first..count).step_by(CONNECTIONS) {
                    let due = began + Duration::from_secs_f64(n as f64 / per_second as f64);
                    tokio::time::sleep_until(due.into()).await;
                    connection.request.clear();
                    write_contact(&mut connection.request, &key, &receiver.stamp());
                    match connection.exchange().await? {
                        201 => {}
                        status => return Err(format!("a contact was answered {status}").into()),
                    }
                }
                <Result<()>>::Ok(())
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended??;
        }
        Ok(count)
    }

    async fn listen(&self, workspaces: &[Workspace]) -> Vec<i64> {
        let mut hooks = Vec::new();
        for workspace in workspaces {
            hooks.push(self.caller.add_webhook(&self.server, workspace, &self.receiver.url()).await);
        }
        hooks
    }

    async fn unlisten(&self, workspaces: &[Workspace], hooks: Vec<i64>) -> Result<()> {
        for (workspace, hook) in workspaces.iter().zip(hooks) {
            self.caller.remove_webhook(&self.server, workspace, hook).await;
        }
        Ok(())
    }
}

fn write_contact(request: &mut Vec<u8>, key: &str, name: &str) {
    let body = format!("{{\"name\":\"{name}\",\"type\":\"instagram\"}}");
    post(request, "/api/v1/contacts", ["authorization: Bearer ", key], &body);
}

fn shown(latencies: &Latencies) -> String {
    let [p50, p99, most] = [50, 99, 100].map(|percent| latencies.percentile(percent));
    format!("event to arrival p50 {p50:.1} ms, p99 {p99:.1} ms, most {most:.1} ms of {}", latencies.count())
}
