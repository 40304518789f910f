//! What a partner's monthly report costs when its clients have written a million messages, and how long a large client takes
//! to disappear.
//!
//! `cargo bench --bench usage [-- --engine sqlite|postgres --seconds N --clients N --messages 1000,1000000 --rows N --only report|deletion]`
//!
//! The report is measured with few messages and with many, and shown as a multiple of the first: the counters are kept as
//! things happen, so it must not grow. Then a workspace is deleted while another one writes. Informs; a target that is missed
//! is no failure. PostgreSQL is the server that `SKYLIGHT_TEST_POSTGRES` names.

#[expect(dead_code, reason = "no benchmark needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod world;

use common::given::{Given, Only};
use common::load::{Load, Outcome, get, post};
use common::machine::{Cores, Server};
use common::{Result, verdict};
use skylight_test_support::http::HttpClient;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use world::{Workspace, World};

const MONTHS: i64 = 120;
/// Of the report with the fewest messages.
const MOST_GROWTH: f64 = 1.2;
const MOST_SECONDS: f64 = 60.0;

struct Options {
    postgres: bool,
    measured: Duration,
    connections: usize,
    clients: i64,
    messages: Vec<i64>,
    rows: i64,
    only: Only,
}

impl Options {
    fn read(given: &mut Given) -> Result<Self> {
        Ok(Self {
            postgres: given.postgres()?,
            measured: given.seconds(2)?,
            connections: given.one("--connections", 4)?,
            clients: given.one("--clients", 5_000)?,
            messages: given.many("--messages", vec![1_000, 1_000_000])?,
            rows: given.one("--rows", 1_000_000)?,
            only: given.only(),
        })
    }
}

fn main() -> ExitCode {
    common::main(&mut Builder::new_current_thread(), Options::read, run)
}

async fn run(options: Options) -> Result<()> {
    if options.only.wants("report") {
        report(&options).await?;
    }
    if options.only.wants("deletion") {
        deletion(&options).await?;
    }
    Ok(())
}

/// Paths of the report that are measured.
const REPORTS: [(&str, &str); 3] = [
    ("the running month", "/api/v1/partner/usage"),
    ("a month five years ago, the last page", "/api/v1/partner/usage?period=PAST&per_page=200&page=25"),
    ("the running month, by cursor", "/api/v1/partner/usage?per_page=200&cursor="),
];

/// The sizes take turns, and each one's best round counts: a machine that others use too is not the same from second to
/// second.
const ROUNDS: usize = 3;

async fn report(options: &Options) -> Result<()> {
    let mut sizes = Vec::new();
    for messages in &options.messages {
        let (world, began) = (Arc::new(World::make(options.postgres).await?), Instant::now());
        world.settle(options.clients, MONTHS).await?;
        world.add_messages(*messages).await?;
        world.tidy_up().await?;
        println!("{} clients, {MONTHS} months, {messages} messages: {:.1?}", options.clients, began.elapsed());
        let server = Server::start(&world.place, &[]).await?;
        // In the order in which they are to end.
        sizes.push((*messages, server, world));
    }
    let mut best = vec![[(f64::MAX, f64::MAX, f64::MAX); REPORTS.len()]; sizes.len()];
    for _ in 0..ROUNDS {
        for (size, (_, server, world)) in sizes.iter().enumerate() {
            for (report, (_, path)) in REPORTS.iter().enumerate() {
                let cores = Cores::now(server)?;
                let outcome = ask(options, server, world, path.replace("PAST", &world.past())).await?;
                let busy = Cores::now(server)?.busy_since(cores);
                let (p50, p99) = (outcome.latencies.percentile(50), outcome.latencies.percentile(99));
                // The embedded database works inside of the server: what a report takes of a core is its cost, whoever else
                // wants the core. PostgreSQL works elsewhere.
                let cost = if options.postgres { p50 } else { busy.server * 1000.0 / outcome.per_second };
                println!("  p50 {p50:.2} ms, p99 {p99:.2} ms, cost {cost:.2} ms (others {:.2} cores)", busy.others);
                let best = &mut best[size][report];
                *best = (best.0.min(p50), best.1.min(p99), best.2.min(cost));
            }
        }
    }
    println!("\n{:<12} {:<40} {:>8} {:>8} {:>8} {:>8}", "messages", "", "p50 ms", "p99 ms", "cost ms", "growth");
    for ((messages, ..), reports) in sizes.iter().zip(&best) {
        for (n, (p50, p99, cost)) in reports.iter().enumerate() {
            let growth = cost / best[0][n].2;
            let verdict = verdict(growth <= MOST_GROWTH);
            println!("{messages:<12} {:<40} {p50:>8.2} {p99:>8.2} {cost:>8.2} {growth:>7.2}x {verdict}", REPORTS[n].0);
        }
    }
    println!("at most {MOST_GROWTH} times the cost with the fewest messages\n");
    Ok(())
}

async fn ask(options: &Options, server: &Server, world: &Arc<World>, path: String) -> Result<Outcome> {
    let Options { connections, measured, .. } = *options;
    let load = Load { address: server.address, connections, warm_up: Duration::from_secs(1), measured };
    let world = world.clone();
    load.run(200, move |request, _| {
        get(request, &path, ["x-partner-key: ", &world.partner_key]);
    })
    .await
}

async fn deletion(options: &Options) -> Result<()> {
    let world = Arc::new(World::make(options.postgres).await?);
    let (large, neighbour) = (world.workspace("Large").await?, world.workspace("Neighbour").await?);
    let began = Instant::now();
    let written = world.fill(&large, options.rows).await?;
    println!("a client with {written}, written in {:.1?}", began.elapsed());
    let server = Server::start(&world.place, &[]).await?;
    world.until_indexed().await?;
    world.tidy_up().await?;
    println!("indexed after {:.1?}, {:.0} MB resident", began.elapsed(), server.resident()?);
    let writer = Writer { address: server.address, key: neighbour.key, serial: Arc::default() };
    writer.write(Duration::from_secs(1)).await?;
    let alone = writer.write(options.measured).await?;
    let began = Instant::now();
    delete(&server, &world, &large).await;
    let during = until_gone(&world, &large, &writer, began).await?;
    let took = began.elapsed().as_secs_f64();
    let verdict = verdict(took <= MOST_SECONDS);
    println!("\ngone after {took:.1} s, to be at most {MOST_SECONDS:.0}: {verdict}");
    compare(&alone, &during);
    Ok(())
}

/// A client that goes on making contacts.
struct Writer {
    address: SocketAddr,
    key: String,
    serial: Arc<AtomicUsize>,
}

impl Writer {
    async fn write(&self, measured: Duration) -> Result<Outcome> {
        let load = Load { address: self.address, connections: 4, warm_up: Duration::from_millis(10), measured };
        let (serial, key) = (self.serial.clone(), self.key.clone());
        load.run(201, move |request, _| {
            let n = serial.fetch_add(1, Ordering::Relaxed);
            let body = format!("{{\"name\":\"Somebody {n}\",\"phone\":\"+9665{n:08}\",\"type\":\"whatsapp\"}}");
            post(request, "/api/v1/contacts", ["x-api-key: ", &key], &body);
        })
        .await
    }
}

async fn delete(server: &Server, world: &World, client: &Workspace) {
    let url = server.url(&format!("/api/v1/partner/clients/{}", client.id));
    let request = HttpClient::new().request("DELETE", url).header("X-Partner-Key", world.partner_key.as_str());
    request.send().await.expect(204);
}

/// What the writer reaches in each second until nothing of a client is left.
async fn until_gone(world: &World, client: &Workspace, writer: &Writer, began: Instant) -> Result<Vec<Outcome>> {
    let mut during = Vec::new();
    while world.has(client).await? {
        let table = world.at(client).await?;
        let outcome = writer.write(Duration::from_secs(1)).await?;
        let (seconds, p99) = (began.elapsed().as_secs_f64(), outcome.latencies.percentile(99));
        println!("  {seconds:>4.1} s, at {table}: {:.0}/s, p99 {p99:.1} ms", outcome.per_second);
        during.push(outcome);
        if began.elapsed() > Duration::from_secs(300) {
            return Err(format!("not gone after five minutes: {}", world.left(client).await?).into());
        }
    }
    Ok(during)
}

fn compare(alone: &Outcome, during: &[Outcome]) {
    let row = |what: &str, per_second: &str, p50: f64, p99: f64| {
        println!("{what:<40} {per_second:>9} {p50:>8.2} {p99:>8.2}");
    };
    let mean = |of: fn(&Outcome) -> f64| during.iter().map(of).sum::<f64>() / during.len().max(1) as f64;
    let worst = |of: fn(&Outcome) -> f64| during.iter().map(of).fold(0.0, f64::max);
    let (p50, p99) =
        (|outcome: &Outcome| outcome.latencies.percentile(50), |outcome: &Outcome| outcome.latencies.percentile(99));
    let shown = |per_second: f64| format!("{per_second:.0}");
    println!("{:<40} {:>9} {:>8} {:>8}", "another client's creations", "per sec", "p50 ms", "p99 ms");
    row("before", &shown(alone.per_second), p50(alone), p99(alone));
    row("meanwhile, the mean of its seconds", &shown(mean(|outcome| outcome.per_second)), mean(p50), mean(p99));
    row("meanwhile, the worst of its seconds", "", worst(p50), worst(p99));
}
