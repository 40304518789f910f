//! How long lists and searches of contacts take, at ten thousand and at a million of them in one workspace.
//!
//! `cargo bench --bench contact_lists [-- --engine sqlite|postgres --seconds N --connections N --sizes 10000,1000000]`
//!
//! Every stage's p99 is shown as a multiple of a point read's p99 of the same run, and the greatest size's as a multiple of
//! the smallest's (a full scan grows a hundredfold). Informs; a target that is missed is no failure. PostgreSQL is the server
//! that `SKYLIGHT_TEST_POSTGRES` names.

#[path = "../main_job/load.rs"]
mod load;
#[path = "../main_job/machine.rs"]
mod machine;
mod people;

use load::Load;
use machine::{Cores, Server};
use people::{People, STAGES, Stage};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Of a point read's p99, and of the smallest size's.
const MOST_READS: f64 = 30.0;
const MOST_GROWTH: f64 = 3.0;

struct Options {
    postgres: bool,
    measured: Duration,
    connections: usize,
    sizes: Vec<usize>,
}

impl Options {
    fn read(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options =
            Self { postgres: false, measured: Duration::from_secs(3), connections: 4, sizes: vec![10_000, 1_000_000] };
        let mut args = args.filter(|arg| arg != "--bench");
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--engine" if value == "sqlite" || value == "postgres" => options.postgres = value == "postgres",
                "--seconds" => options.measured = Duration::from_secs(value.parse()?),
                "--connections" => options.connections = value.parse()?,
                "--sizes" => options.sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                _ => return Err(format!("{name} {value} is not understood").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too, without this word.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("A benchmark: run it by `cargo bench --bench contact_lists`.");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = Options::read(std::env::args().skip(1)).and_then(|options| runtime?.block_on(run(options)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The benchmark could not be run: {error}");
            ExitCode::FAILURE
        }
    }
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
        for (n, stage) in STAGES.iter().enumerate() {
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
    let server = Server::start(people.folder(), &people.settings()).await?;
    people.until_indexed().await?;
    println!("{size} contacts: {}, {:.0} MB resident", people.told(), server.resident()?);
    let mut latencies = Vec::new();
    for stage in STAGES {
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
    let (_, _, others) = Cores::now(server)?.busy_since(before);
    println!("  {}: {:.0}/s (others {others:.2} cores)", stage.name, outcome.per_second);
    Ok((outcome.percentile(50), outcome.percentile(99)))
}
