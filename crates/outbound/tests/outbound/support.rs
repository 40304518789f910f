//! Peers on loopback that do what a test tells them to.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use skylight_outbound::{Addresses, Client, Guard, Limits, Request, Resolve};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

pub type Wire = BufReader<TcpStream>;

/// A server that counts its connections and requests.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Counts {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Adds a connection and says which one it is, from 0.
    pub fn connected(&self) -> usize {
        self.connections.fetch_add(1, Ordering::SeqCst)
    }

    pub fn requested(&self) -> usize {
        self.requests.fetch_add(1, Ordering::SeqCst)
    }

    /// Reads one request; `None` when the client has closed the connection.
    pub async fn read(&self, wire: &mut Wire) -> Option<String> {
        let request = read_request(wire).await?;
        self.requested();
        Some(request)
    }
}

/// Runs `script` for every connection, with its number.
pub async fn serve<F, Run>(script: F) -> (SocketAddr, Counts)
where
    F: Fn(Wire, usize, Counts) -> Run + Send + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    serve_on(listener, script)
}

pub fn serve_on<F, Run>(listener: TcpListener, script: F) -> (SocketAddr, Counts)
where
    F: Fn(Wire, usize, Counts) -> Run + Send + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let addr = listener.local_addr().expect("a bound socket has an address");
    let counts = Counts::default();
    let seen = counts.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let number = counts.connected();
            tokio::spawn(script(BufReader::new(tcp), number, counts.clone()));
        }
    });
    (addr, seen)
}

/// A peer that answers every request with `answer` and keeps the connection.
pub async fn serve_always(answer: &'static str) -> (SocketAddr, Counts) {
    serve(move |mut wire, _, counts| async move {
        while counts.read(&mut wire).await.is_some() {
            if write(&mut wire, answer).await.is_err() {
                return;
            }
        }
    })
    .await
}

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub async fn write(wire: &mut Wire, text: &str) -> io::Result<()> {
    wire.get_mut().write_all(text.as_bytes()).await
}

/// Head and body of one request.
async fn read_request(wire: &mut Wire) -> Option<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if wire.read_line(&mut text).await.ok()? == 0 {
            return None;
        }
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
    wire.read_exact(&mut body).await.ok()?;
    text.push_str(&String::from_utf8(body).expect("tests send text"));
    Some(text)
}

/// Waits until the client has closed its side.
pub async fn until_closed(wire: &mut Wire) {
    let mut rest = Vec::new();
    // A reset is an end as well.
    drop(wire.read_to_end(&mut rest).await);
}

/// Whether nobody has connected: a connection would stand in the queue, because connecting ends before the client goes
/// on.
pub fn untouched(listener: &std::net::TcpListener) -> bool {
    listener.set_nonblocking(true).expect("a socket can be told not to block");
    matches!(listener.accept(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

pub fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("a network")
}

/// The guard of strangers with loopback allowed, as an operator might name a private range.
pub fn loopback() -> Guard {
    Guard::strangers(vec![net("127.0.0.0/8"), net("::1/128")], vec![])
}

/// A client under `guard` that spares the test the system's certificates.
pub fn client(guard: Guard) -> Client {
    Client::builder(guard).system_roots(false).build().expect("a client")
}

pub fn client_with(guard: Guard, resolver: impl Resolve) -> Client {
    Client::builder(guard).system_roots(false).resolver(resolver).build().expect("a client")
}

pub fn url(text: impl AsRef<str>) -> Url {
    Url::parse(text.as_ref()).expect("a URL")
}

pub fn post(addr: SocketAddr, body: &'static str) -> Request {
    post_to(url(format!("http://{addr}/hook")), body)
}

pub fn post_to(url: Url, body: &'static str) -> Request {
    Request { method: Method::POST, url, headers: HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) }
}

/// Long enough for a busy machine; only a failing test waits for it.
pub fn patient() -> Limits {
    Limits { connect: Duration::from_secs(20), total: Duration::from_secs(20), ..Limits::default() }
}

/// For tests in which the time does run out.
pub fn hasty() -> Limits {
    Limits { total: Duration::from_millis(200), ..patient() }
}

/// A resolver that gives one answer after another, the last one for ever, and counts how often it was asked.
#[derive(Clone, Debug)]
pub struct Script {
    answers: Arc<Mutex<VecDeque<Vec<SocketAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Script {
    pub fn new<const N: usize>(answers: [Vec<SocketAddr>; N]) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into())), asked: Arc::default() }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Script {
    fn resolve(&self, _: &str, _: u16) -> Addresses {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("nobody panics with the lock");
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(Ok(answer.unwrap_or_default())))
    }
}
