//! How long lists and searches of contacts take, at ten thousand and at a million of them in one workspace.
//!
//! `cargo bench --bench contact_lists [-- --engine sqlite|postgres --seconds N --connections N --sizes 10000,1000000 --only NAME]`
//!
//! Every stage's p99 is shown as a multiple of a point read's p99 of the same run, and the greatest size's as a multiple of
//! the smallest's (a full scan grows a hundredfold). Informs; a target that is missed is no failure. PostgreSQL is the server
//! that `SKYLIGHT_TEST_POSTGRES` names.

#[expect(dead_code, reason = "no benchmark needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod people;

use common::Result;
use common::given::{Given, Only};
use common::load::Load;
use common::machine::{Cores, Server};
use people::{People, STAGES, Stage};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;

/// Of a point read's p99, and of the smallest size's.
const MOST_READS: f64 = 30.0;
const MOST_GROWTH: f64 = 3.0;

struct Options {
    postgres: bool,
    measured: Duration,
    connections: usize,
    sizes: Vec<usize>,
    only: Only,
}

impl Options {
    fn read(given: &mut Given) -> Result<Self> {
        Ok(Self {
            postgres: given.postgres()?,
            measured: given.seconds(3)?,
            connections: given.one("--connections", 4)?,
            sizes: given.many("--sizes", vec![10_000, 1_000_000])?,
            only: given.only(),
        })
    }

    /// The read that all are compared with comes first, whatever else is wanted.
    fn stages(&self) -> impl Iterator<Item = &'static Stage> {
        STAGES.iter().enumerate().filter(|(n, stage)| *n == 0 || self.only.wants(stage.name)).map(|(_, stage)| stage)
    }
}

fn main() -> ExitCode {
    common::main(&mut Builder::new_current_thread(), Options::read, run)
}

/// Medians and 99th percentiles of all stages in milliseconds, the point read first.
type Latencies = Vec<(f64, f64)>;

async fn run(options: Options) -> Result<()> {
    let mut sizes: Vec<(usize, Latencies)> = Vec::new();
    for size in &options.sizes {
        sizes.push((*size, measure(&options, *size).await?));
    }
    let Some((_, smallest)) = sizes.first() else { return Ok(()) };
    for (size, latencies) in &sizes {
        println!("\n{size} contacts in one workspace, {} connections", options.connections);
        println!("{:<44} {:>8} {:>8} {:>9} {:>8}", "", "p50 ms", "p99 ms", "of a read", "growth");
        for (n, stage) in options.stages().enumerate() {
            let ((p50, p99), reads) = (latencies[n], latencies[n].1 / latencies[0].1);
            let growth = p99 / smallest[n].1;
            let verdict = match stage.judged && (reads > MOST_READS || growth > MOST_GROWTH) {
                true => "NOT REACHED",
                false => "",
            };
            println!("{:<44} {p50:>8.2} {p99:>8.2} {reads:>8.1}x {growth:>7.1}x {verdict}", stage.name);
        }
    }
    println!("\nat most {MOST_READS} times a read, and {MOST_GROWTH} times the smallest size");
    Ok(())
}

async fn measure(options: &Options, size: usize) -> Result<Latencies> {
    let people = Arc::new(People::settle(options.postgres, size).await?);
    let server = Server::start(&people.place, &[]).await?;
    people.until_indexed().await?;
    println!("{size} contacts: {}, {:.0} MB resident", people.told(), server.resident()?);
    let mut latencies = Vec::new();
    for stage in options.stages() {
        people.check(&server, stage).await?;
        latencies.push(one_stage(options, &server, &people, stage).await?);
    }
    Ok(latencies)
}

async fn one_stage(
    options: &Options,
    server: &Server,
    people: &Arc<People>,
    stage: &'static Stage,
) -> Result<(f64, f64)> {
    let Options { connections, measured, .. } = *options;
    let load = Load { address: server.address, connections, warm_up: Duration::from_secs(1), measured };
    let before = Cores::now(server)?;
    let asked = people.clone();
    let outcome = load.run(200, move |request, serial| asked.ask(request, stage, serial)).await?;
    let others = Cores::now(server)?.busy_since(before).others;
    println!("  {}: {:.0}/s (others {others:.2} cores)", stage.name, outcome.per_second);
    Ok((outcome.latencies.percentile(50), outcome.latencies.percentile(99)))
}
