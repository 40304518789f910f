//! How fast the main job runs, on the cores that are here, load generator included.
//!
//! `cargo bench --bench main_job [-- --engine sqlite|postgres --seconds N --connections N --contacts N --events N --only …]`
//!
//! Starts the built server on a temporary folder and drives it over real sockets. Numbers of different machines do not
//! compare, so every stage is also shown as its share of the floor: a fixed JSON answer of the same server in the same
//! run. Informs; a target that is missed is no failure. PostgreSQL is the server that `SKYLIGHT_TEST_POSTGRES` names.

#[expect(dead_code, reason = "no benchmark needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod receiver;
mod report;
mod world;

use common::Result;
use common::given::{Given, Only};
use common::load::{Load, Outcome, floor, get, post};
use common::machine::{Cores, Server};
use common::place::Place;
use receiver::Receiver;
use report::{Report, Row};
use skylight_test_support::meta::MetaStandIn;
use skylight_test_support::meta_webhook::sign;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use world::{Caller, WORKSPACES, Workspace, World, app_secret};

#[derive(Clone, Debug)]
struct Options {
    postgres: bool,
    measured: Duration,
    connections: usize,
    contacts: usize,
    events: usize,
    /// For profiling some stages.
    only: Only,
}

impl Options {
    fn read(given: &mut Given) -> Result<Self> {
        Ok(Self {
            postgres: given.postgres()?,
            measured: given.seconds(5)?,
            connections: given.one("--connections", 64)?,
            contacts: given.one("--contacts", 200_000)?,
            events: given.one("--events", 20_000)?,
            only: given.only(),
        })
    }
}

fn main() -> ExitCode {
    common::main(&mut Builder::new_current_thread(), Options::read, run)
}

async fn run(options: Options) -> Result<()> {
    let mut report = Report::default();
    let empty = Place::make(options.postgres).await;
    let server = Server::start(&empty, &[]).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    report.memory("after a start on an empty database", server.resident()?, Some(40.0));
    drop((server, empty));

    let place = Place::make(options.postgres).await;
    let began = Instant::now();
    let world = World::fill(&place, options.contacts).await?;
    println!("{} contacts in {WORKSPACES} workspaces, written in {:.1?}", options.contacts, began.elapsed());
    let meta = MetaStandIn::start().await;
    let receiver = Receiver::start().await?;
    let base = meta.base();
    let settings = [
        ("SKYLIGHT_WHATSAPP_API_URL", base.as_str()),
        ("SKYLIGHT_WEBHOOK_ALLOW_HTTP", "true"),
        ("SKYLIGHT_OUTBOUND_ALLOW", "127.0.0.0/8"),
    ];
    let server = Server::start(&place, &settings).await?;
    report.note(format!("ready after {} ms on {} contacts", server.ready_after.as_millis(), options.contacts));

    let mut bench = Bench { options, server, world, meta, receiver, caller: Caller::default(), report };
    bench.check_totals().await?;
    bench.stages().await?;
    bench.report.memory("after the load", bench.server.resident()?, None);
    let differences = bench.world.differences().await?;
    bench.report.note(match differences.len() {
        0 => "every counter agrees with the rows".to_owned(),
        count => format!("{count} COUNTERS DIFFER FROM THE ROWS, first: {}", differences[0]),
    });
    bench.report.print();
    Ok(())
}

const BEARER: &str = "authorization: Bearer ";

struct Bench {
    options: Options,
    server: Server,
    world: World,
    meta: MetaStandIn,
    receiver: Receiver,
    caller: Caller,
    report: Report,
}

impl Bench {
    async fn stages(&mut self) -> Result<()> {
        self.floor().await?;
        let workspaces = self.world.workspaces.clone();
        self.stage("get: GET /contacts/{id}", Some(0.5), 200, move |request, serial| {
            let workspace = &workspaces[serial % WORKSPACES];
            // Any of them, without a pattern that a cache could follow.
            let nth = serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
            let id = workspace.first_contact + i64::try_from(nth % workspace.contacts).unwrap_or_default();
            get(request, format_args!("/api/v1/contacts/{id}"), [BEARER, &workspace.key]);
        })
        .await?;
        let workspaces = self.world.workspaces.clone();
        self.stage("list: GET /contacts?per_page=15", Some(0.12), 200, move |request, serial| {
            get(request, "/api/v1/contacts?per_page=15", [BEARER, &workspaces[serial % WORKSPACES].key]);
        })
        .await?;
        let workspaces = self.world.workspaces.clone();
        self.stage("create: POST /contacts, durable", Some(0.15), 201, move |request, serial| {
            let phone = 20_000_000 + serial;
            let body = format!(
                "{{\"name\":\"Visitor {serial}\",\"phone\":\"+9665{phone:08}\",\"email\":\"v{serial}@mail.example\",\"type\":\"whatsapp\"}}"
            );
            post(request, "/api/v1/contacts", [BEARER, &workspaces[serial % WORKSPACES].key], &body);
        })
        .await?;
        self.settle("events of the creates").await?;
        self.inbound().await?;
        self.deliveries("deliveries, 50 workspaces", WORKSPACES).await?;
        self.deliveries("deliveries, one webhook", 1).await?;
        self.floor().await
    }

    async fn floor(&mut self) -> Result<()> {
        self.stage(report::FLOOR, None, 200, floor).await
    }

    async fn inbound(&mut self) -> Result<()> {
        const NUMBERS: usize = 8;
        let name = "inbound: signed WhatsApp POSTs";
        if !self.options.only.wants(name) {
            return Ok(());
        }
        let mut hooks = Vec::new();
        for (n, workspace) in self.world.workspaces.iter().enumerate().take(NUMBERS) {
            let number = format!("10098765432{n:04}");
            hooks.push((self.caller.connect(&self.server, workspace, &self.meta, &number).await, number));
        }
        let before = self.world.received_messages().await?;
        let began = Instant::now();
        self.stage(name, None, 200, move |request, serial| {
            let (path, number) = &hooks[serial % NUMBERS];
            let body = inbound_body(number, serial);
            let signature = sign(&app_secret(number), body.as_bytes());
            post(request, path, ["x-hub-signature-256: ", &signature], &body);
        })
        .await?;
        self.settle("inbound messages").await?;
        let received = self.world.received_messages().await? - before;
        let rate = received as f64 / began.elapsed().as_secs_f64();
        self.report.note(format!("{received} inbound messages accepted and worked in at {rate:.0}/s"));
        Ok(())
    }

    async fn deliveries(&mut self, name: &'static str, workspaces: usize) -> Result<()> {
        if !self.options.only.wants(name) {
            return Ok(());
        }
        // Others than those of the stage before, so that every event has one receiver.
        let chosen: Vec<Workspace> = match workspaces {
            1 => self.world.workspaces[..1].to_vec(),
            _ => self.world.workspaces.clone(),
        };
        let mut added = Vec::new();
        for workspace in &chosen {
            let url = format!("http://{}/hook", self.receiver.address);
            added.push((workspace, self.caller.add_webhook(&self.server, workspace, &url).await));
        }
        self.world.settled().await?;
        let events = self.options.events;
        let before = Cores::now(&self.server)?;
        self.world.record_events(&chosen, events).await?;
        let took = self.receiver.all_of(events, Duration::from_secs(300)).await?;
        let cores = Cores::now(&self.server)?.busy_since(before);
        self.settle("deliveries").await?;
        for (workspace, webhook) in added {
            self.caller.remove_webhook(&self.server, workspace, webhook).await;
        }
        self.world.settled().await?;
        let per_second = events as f64 / took.as_secs_f64();
        self.report.row(Row { name, per_second, latency: None, target: Some(0.02), cores });
        Ok(())
    }

    /// Runs one kind of request and enters it into the report.
    async fn stage<W>(&mut self, name: &'static str, target: Option<f64>, status: u16, write: W) -> Result<()>
    where
        W: Fn(&mut Vec<u8>, usize) + Send + Sync + 'static,
    {
        if !self.options.only.wants(name) {
            return Ok(());
        }
        let Options { connections, measured, .. } = self.options;
        let load = Load { address: self.server.address, connections, warm_up: Duration::from_secs(1), measured };
        let before = Cores::now(&self.server)?;
        let outcome: Outcome = load.run(status, write).await?;
        let cores = Cores::now(&self.server)?.busy_since(before);
        let latency = Some((outcome.latencies.percentile(50), outcome.latencies.percentile(99)));
        self.report.row(Row { name, per_second: outcome.per_second, latency, target, cores });
        Ok(())
    }

    async fn settle(&mut self, what: &str) -> Result<()> {
        let took = self.world.settled().await?;
        if self.options.only.0.is_empty() {
            self.report.note(format!("the {what} were worked off {:.1} s after the last of them", took.as_secs_f64()));
        }
        Ok(())
    }

    /// What was written past the API is counted as if it had come through it.
    async fn check_totals(&self) -> Result<()> {
        for workspace in [0, WORKSPACES - 1].map(|n| &self.world.workspaces[n]) {
            let page = self.caller.get(&self.server, workspace, "/api/v1/contacts?per_page=15").await;
            let (total, shown) = (page["meta"]["total"].as_u64(), page["data"].as_array().map(Vec::len));
            if total != u64::try_from(workspace.contacts).ok() || shown != Some(15) {
                return Err(format!("a list of {} contacts says: {page}", workspace.contacts).into());
            }
        }
        Ok(())
    }
}

/// One text message as Meta posts it, from one of 20,000 customers.
fn inbound_body(number: &str, serial: usize) -> String {
    let (from, second) = (966_550_000_000 + serial % 20_000, 1_790_000_000 + serial / 1000);
    format!(
        "{{\"object\":\"whatsapp_business_account\",\"entry\":[{{\"id\":\"330011223344\",\"changes\":[{{\"field\":\"messages\",\
         \"value\":{{\"messaging_product\":\"whatsapp\",\"metadata\":{{\"display_phone_number\":\"966512345678\",\
         \"phone_number_id\":\"{number}\"}},\"contacts\":[{{\"profile\":{{\"name\":\"\\u0633\\u0627\\u0631\\u0629\"}},\
         \"wa_id\":\"{from}\"}}],\"messages\":[{{\"from\":\"{from}\",\"id\":\"wamid.HBgM{serial:030}\",\
         \"timestamp\":\"{second}\",\"text\":{{\"body\":\"\\u0645\\u0631\\u062d\\u0628\\u0627 {serial}\"}},\
         \"type\":\"text\"}}]}}}}]}}]}}"
    )
}
