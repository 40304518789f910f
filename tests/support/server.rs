//! The ground under every stand-in: a real HTTP/1.1 server on 127.0.0.1 that records requests and can hang up.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle, task::JoinSet};
use url::form_urlencoded;

use super::http::clip;

/// One request as it arrived.
#[derive(Clone)]
pub struct Recorded {
    /// The order of arrival at this server, from 0.
    pub seq: usize,
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: http::HeaderMap,
    pub body: Bytes,
    /// The body as JSON; null when it is none.
    pub json: Value,
}

impl Recorded {
    /// A header's value, empty when missing or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization").strip_prefix("Bearer ")
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "#{} {} {}", self.seq, self.method, self.path)?;
        if !self.query.is_empty() {
            write!(out, " {:?}", self.query)?;
        }
        write!(out, " {}", clip(&self.body))
    }
}

/// What a stand-in says back.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=UTF-8".to_owned())];
        Self { status, headers, body: body.to_string().into() }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    fn into_response(self) -> Result<http::Response<Full<Bytes>>, HangUp> {
        let mut response = http::Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Full::new(self.body)).map_err(|_| HangUp)
    }
}

/// The connection is closed without an answer.
#[derive(Debug)]
pub struct HangUp;

impl fmt::Display for HangUp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("hung up on purpose")
    }
}

impl std::error::Error for HangUp {}

/// Serves until dropped; dropping cuts every open connection.
#[derive(Debug)]
pub struct StandInServer {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl StandInServer {
    /// `handler` answers each request, or hangs up on it.
    pub async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Recorded) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, HangUp>> + Send + 'static,
    {
        Self::start_at(Ipv4Addr::LOCALHOST, handler).await
    }

    /// On another of this machine's addresses.
    pub async fn start_at<H, F>(ip: Ipv4Addr, handler: H) -> Self
    where
        H: Fn(Recorded) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, HangUp>> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.expect("the address has a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let task = tokio::spawn(accept(listener, Arc::new(handler)));
        Self { addr, task }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDRESS:PORT`, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for StandInServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<H, F>(listener: TcpListener, handler: Arc<H>)
where
    H: Fn(Recorded) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, HangUp>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let seq = Arc::new(AtomicUsize::new(0));
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (handler, seq) = (handler.clone(), seq.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (handler, seq) = (handler.clone(), seq.clone());
                async move {
                    let recorded = record(request, &seq).await?;
                    handler(recorded).await?.into_response()
                }
            });
            // An error here is a peer that went away, or our own hanging up.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn record(request: http::Request<Incoming>, seq: &AtomicUsize) -> Result<Recorded, HangUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
    let query = head.uri.query().unwrap_or_default();
    Ok(Recorded {
        seq: seq.fetch_add(1, Ordering::SeqCst),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: head.headers,
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        body,
    })
}

/// Prefixes of public URLs and where they really lead in this test.
#[derive(Debug, Default)]
pub struct Rewrites {
    pairs: Mutex<Vec<(String, String)>>,
}

impl Rewrites {
    /// From now on URLs under `from` lead to `to`; a later pair for the same prefix replaces the earlier.
    pub fn set(&self, from: &str, to: &str) {
        let mut pairs = self.pairs.lock();
        pairs.retain(|(known, _)| known != from);
        pairs.push((from.to_owned(), to.to_owned()));
    }

    pub fn apply(&self, url: &str) -> String {
        let pairs = self.pairs.lock();
        pairs
            .iter()
            .find_map(|(from, to)| url.strip_prefix(from.as_str()).map(|rest| format!("{to}{rest}")))
            .unwrap_or_else(|| url.to_owned())
    }
}
