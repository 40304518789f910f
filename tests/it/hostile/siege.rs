//! A server that may reach one address of this machine and no other, and traps at those it must not reach.

use crate::world::{Actor, Engine, World};
use parking_lot::Mutex;
use serde_json::{Value, json};
use skylight_outbound::{Addresses, Resolve};
use skylight_test_support::process::free_port;
use skylight_test_support::receiver::Receiver;
use skylight_test_support::wait::eventually;
use std::collections::{HashMap, VecDeque};
use std::future::ready;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The one address that the operator allows.
pub const FRIEND: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

/// Where names lead. One that nobody mentioned leads to this machine: nothing may rest on a name not resolving.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>>);

impl Names {
    /// What a host's name leads to, one answer after the other; the last one stays. Addresses are separated by spaces.
    pub fn lead(&self, host: &str, answers: &[&str]) {
        let addresses = |answer: &&str| answer.split_ascii_whitespace().map(|ip| ip.parse().unwrap()).collect();
        let answers = answers.iter().map(addresses).collect();
        self.0.lock().insert(host.trim_end_matches('.').to_owned(), answers);
    }
}

impl Resolve for Names {
    fn resolve(&self, host: &str, port: u16) -> Addresses {
        let mut known = self.0.lock();
        let answer = match known.get_mut(host.trim_end_matches('.')) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap_or_default(),
            Some(answers) => answers.front().cloned().unwrap_or_default(),
            None => vec![Ipv4Addr::LOCALHOST.into()],
        };
        Box::pin(ready(Ok(answer.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())))
    }
}

/// Notes every connection, and cuts it.
pub struct Trap {
    pub port: u16,
    caught: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl Trap {
    /// On a port of every address of this machine.
    pub async fn everywhere() -> Self {
        let six = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).await;
        let trap = match six {
            Ok(listener) => Self::at(listener),
            Err(_) => Self::at(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap()),
        };
        // It works.
        for ip in [Ipv4Addr::LOCALHOST, FRIEND] {
            drop(TcpStream::connect((ip, trap.port)).await.unwrap());
        }
        eventually("the trap notes who comes", async || (trap.caught.lock().len() == 2).then_some(())).await;
        trap.caught.lock().clear();
        trap
    }

    pub fn at(listener: TcpListener) -> Self {
        let port = listener.local_addr().unwrap().port();
        let caught = Arc::<Mutex<Vec<_>>>::default();
        let notes = caught.clone();
        let task = tokio::spawn(async move {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    notes.lock().extend(stream.local_addr());
                }
            }
        });
        Self { port, caught, task }
    }

    #[track_caller]
    pub fn caught_nobody(&self) {
        assert_eq!(*self.caught.lock(), [], "connections to forbidden addresses");
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub struct Siege {
    pub world: World,
    pub names: Names,
    pub trap: Trap,
    /// At the address that is allowed.
    pub friend: Receiver,
    own: u16,
}

impl Siege {
    pub async fn lay(engine: Engine) -> Self {
        Self::allowing(engine, &FRIEND.to_string()).await
    }

    pub async fn allowing(engine: Engine, allowed: &str) -> Self {
        let (own, names) = (free_port(), Names::default());
        let settings = [("listen", &*format!("127.0.0.1:{own}")), ("outbound_allow", allowed)];
        let world = World::start_among(engine, &settings, names.clone()).await;
        Self { world, names, trap: Trap::everywhere().await, friend: Receiver::start_at(FRIEND).await, own }
    }

    /// A URL of the table, in full.
    pub fn url(&self, text: &str) -> String {
        let text = text.replace("{trap}", &self.trap.port.to_string()).replace("{own}", &self.own.to_string());
        let text = text.replace("{long spaces}", &"a b".repeat(600)).replace("{long}", &"a".repeat(2048));
        text.replace("{label}", &"a".repeat(64))
    }

    /// One group of the table: why it is hostile, the URL, and where its name leads if that matters.
    pub fn table(&self, group: &str) -> Vec<(String, String)> {
        let table: Value = serde_json::from_str(include_str!("../data/hostile_urls.json")).unwrap();
        let rows = table[group].as_object().unwrap().iter().map(|(why, row)| {
            let url = self.url(row.as_str().or(row[0].as_str()).unwrap());
            if let Some(leads) = row[1].as_str() {
                self.names.lead(url::Url::parse(&url).unwrap().host_str().unwrap(), &[leads]);
            }
            (why.clone(), url)
        });
        rows.collect()
    }
}

/// The log of one webhook, the newest first.
pub async fn log(workspace: &Actor, hook: &Value) -> Vec<Value> {
    let page = workspace.get(&format!("/api/v1/webhooks/{}/deliveries?per_page=100", hook["id"])).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

/// Waits until so many deliveries of a webhook were tried so many times, and answers them.
pub async fn tried(workspace: &Actor, hook: &Value, deliveries: usize, attempts: u64) -> Vec<Value> {
    eventually(&format!("{deliveries} deliveries of {} are tried {attempts} times", hook["url"]), async || {
        let log = log(workspace, hook).await;
        let done = log.iter().filter(|entry| entry["attempts"].as_u64() >= Some(attempts)).count();
        (done >= deliveries).then_some(log)
    })
    .await
}

/// Queues a test event.
pub async fn test(workspace: &Actor, hook: &Value) {
    workspace.post(&format!("/api/v1/webhooks/{}/test", hook["id"]), json!({})).await.expect(200);
}
