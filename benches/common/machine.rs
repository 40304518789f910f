//! The measured process, and who else used the cores meanwhile.

use super::Result;
use super::load::Connection;
use super::place::Place;
use skylight_test_support::process::free_port;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The built server in a process of its own; killed with its handle.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the start of the process to the first 200 of `/health/ready`.
    pub ready_after: Duration,
}

impl Server {
    pub async fn start(place: &Place, settings: &[(&str, &str)]) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_skylight"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SKYLIGHT_")) {
            command.env_remove(name);
        }
        command.arg("serve").stdin(Stdio::null()).env("SKYLIGHT_LISTEN", address.to_string());
        command.env("SKYLIGHT_LOG", "warn").env("SKYLIGHT_RATE_LIMIT_PER_MINUTE", "0").envs(settings.iter().copied());
        command.env("SKYLIGHT_DATA_DIR", place.folder());
        command.envs(place.database_url().map(|url| ("SKYLIGHT_DATABASE_URL", url)));
        let began = Instant::now();
        let mut server = Self { child: command.spawn()?, address, ready_after: Duration::ZERO };
        while !is_ready(address).await {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended with {status} before it was ready").into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.ready_after = began.elapsed();
        Ok(server)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn resident(&self) -> Result<f64> {
        resident(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    connection.request.extend_from_slice(b"GET /health/ready HTTP/1.1\r\nhost: bench\r\n\r\n");
    matches!(connection.exchange().await, Ok(200))
}

/// Resident memory of a process in MB (10⁶ bytes).
pub fn resident(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// Processor seconds that a process used so far.
pub fn processor(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which may hold anything: fields 3 and on; user and system time are the 14th and 15th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS)
}

/// Processor seconds used so far: by the server, by this process, by the whole machine.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    at: Instant,
    server: f64,
    load: f64,
    all: f64,
}

impl Cores {
    pub fn now(server: &Server) -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let times: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|ticks| ticks.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal
        let idle: f64 = times.iter().skip(3).take(2).sum();
        let all = (times.iter().sum::<f64>() - idle) / TICKS;
        let (server, load) = (processor(server.child.id())?, processor(std::process::id())?);
        Ok(Self { at: Instant::now(), server, load, all })
    }

    pub fn busy_since(self, before: Self) -> Busy {
        let seconds = (self.at - before.at).as_secs_f64();
        let (server, load) = ((self.server - before.server) / seconds, (self.load - before.load) / seconds);
        Busy { server, load, others: ((self.all - before.all) / seconds - server - load).max(0.0) }
    }
}

/// How many cores the server, the load and everybody else kept busy.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    pub server: f64,
    load: f64,
    pub others: f64,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, load, others } = self;
        write!(f, "{server:.2} + {load:.2} + {others:.2}")
    }
}

/// Ticks per second in `/proc`, on every Linux.
const TICKS: f64 = 100.0;
