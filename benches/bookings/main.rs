//! How long it takes to say what is free in a month, for twenty resources with two thousand bookings, and whether past
//! bookings make it slower.
//!
//! `cargo bench --bench bookings [-- --engine sqlite|postgres --seconds N --connections N --rounds N]`
//!
//! Two workspaces have the same month to come; one has ten times more behind it. They are asked in turns, and a point read in
//! between: the p99 of each is the median of its rounds. Informs; a target that is missed is no failure. PostgreSQL is the
//! server that `SKYLIGHT_TEST_POSTGRES` names.

#[expect(dead_code, reason = "no benchmark needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod practice;

use common::given::Given;
use common::load::{self, Latencies, Load};
use common::machine::{Cores, Server};
use common::place::{self, Place};
use common::{Result, verdict};
use practice::Practice;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Builder;

/// Of a point read's p99, and of the p99 with a tenth of the past.
const MOST_READS: f64 = 40.0;
const MOST_GROWTH: f64 = 1.2;
const BOOKINGS: usize = 2_000;
const PAST: [i64; 2] = [2_000, 20_000];

struct Options {
    postgres: bool,
    measured: Duration,
    connections: usize,
    rounds: usize,
}

impl Options {
    fn read(given: &mut Given) -> Result<Self> {
        Ok(Self {
            postgres: given.postgres()?,
            measured: given.seconds(3)?,
            connections: given.one("--connections", 4)?,
            rounds: given.one("--rounds", 5)?,
        })
    }
}

fn main() -> ExitCode {
    common::main(&mut Builder::new_current_thread(), Options::read, run)
}

async fn run(options: Options) -> Result<()> {
    let place = Place::make(options.postgres).await;
    let app = place.open().await?;
    let (partner, _) = place::new_partner(&app).await?;
    let server = Server::start(&place, &[]).await?;
    let [few, many] = PAST;
    let few = Practice::settle(&app, &server, partner, few, BOOKINGS).await?;
    let many = Practice::settle(&app, &server, partner, many, BOOKINGS).await?;
    place.tidy_up().await?;
    println!("each with {BOOKINGS} bookings to come: {}; {}", few.told(), many.told());

    let stages =
        [("point read", few.booking()), ("a month", few.month()), ("a month, with ten times the past", many.month())];
    let keys = [&few.key, &few.key, &many.key];
    let mut rounds: [Vec<Latencies>; 3] = Default::default();
    let before = Cores::now(&server)?;
    for _ in 0..options.rounds {
        for (n, (_, path)) in stages.iter().enumerate() {
            rounds[n].push(one_round(&options, &server, path, keys[n]).await?);
        }
    }
    println!(
        "others {:.2} cores, {:.0} MB resident\n",
        Cores::now(&server)?.busy_since(before).others,
        server.resident()?
    );
    let shown: Vec<(f64, f64)> = rounds.iter().map(|rounds| (median(rounds, 50), median(rounds, 99))).collect();
    println!("{:<36} {:>8} {:>8} {:>10}", "", "p50 ms", "p99 ms", "of a read");
    for ((name, _), (p50, p99)) in stages.iter().zip(&shown) {
        println!("{name:<36} {p50:>8.2} {p99:>8.2} {:>9.1}x", p99 / shown[0].1);
    }
    let (reads, growth) = (shown[1].1 / shown[0].1, shown[2].1 / shown[1].1);
    println!("\nat most {MOST_READS} times a read: {}", verdict(reads <= MOST_READS));
    println!(
        "at most {MOST_GROWTH} times as long with ten times the past: {growth:.2}, {}",
        verdict(growth <= MOST_GROWTH)
    );
    Ok(())
}

async fn one_round(options: &Options, server: &Server, path: &str, key: &str) -> Result<Latencies> {
    let Options { connections, measured, .. } = *options;
    let load = Load { address: server.address, connections, warm_up: Duration::from_millis(500), measured };
    let (path, key) = (path.to_owned(), key.to_owned());
    let outcome = load.run(200, move |request, _| load::get(request, &path, ["authorization: Bearer ", &key])).await?;
    Ok(outcome.latencies)
}

/// The median of the rounds' percentiles.
fn median(rounds: &[Latencies], percent: usize) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(|round| round.percentile(percent)).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
