//! The tests' HTTP client: pooled keep-alive requests, and raw bytes for what no client would send.

use std::{fmt, future::Future, panic::Location, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
};
use url::form_urlencoded;

use super::wait::DEADLINE;

/// Cheap to clone; clones share the connection pool. Make one per test: the pool belongs to the test's runtime.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: Client<HttpConnector, Full<Bytes>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    #[expect(clippy::disallowed_methods, reason = "tests call the server and the stand-ins, which are on loopback")]
    pub fn new() -> Self {
        Self { inner: Client::builder(TokioExecutor::new()).build(HttpConnector::new()) }
    }

    pub fn request(&self, method: &str, url: impl Into<String>) -> RequestBuilder {
        RequestBuilder {
            client: self.clone(),
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            content_type: None,
            body: Bytes::new(),
            limit: Duration::from_secs(60),
        }
    }

    pub fn get(&self, url: impl Into<String>) -> RequestBuilder {
        self.request("GET", url)
    }

    pub fn post(&self, url: impl Into<String>) -> RequestBuilder {
        self.request("POST", url)
    }

    pub fn put(&self, url: impl Into<String>) -> RequestBuilder {
        self.request("PUT", url)
    }

    pub fn patch(&self, url: impl Into<String>) -> RequestBuilder {
        self.request("PATCH", url)
    }

    pub fn delete(&self, url: impl Into<String>) -> RequestBuilder {
        self.request("DELETE", url)
    }
}

#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    client: HttpClient,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    content_type: Option<&'static str>,
    body: Bytes,
    limit: Duration,
}

impl RequestBuilder {
    /// Adds a header; the same name may be given several times. A `host` replaces the one of the URL.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Appends a percent-encoded query parameter.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&pair);
        self
    }

    /// A JSON body, with its content type unless a header sets another.
    pub fn json(mut self, value: &Value) -> Self {
        self.body = value.to_string().into();
        self.content_type = Some("application/json");
        self
    }

    /// A form body, with its content type unless a header sets another.
    pub fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into();
        self.content_type = Some("application/x-www-form-urlencoded");
        self
    }

    /// A body as it stands, without a content type of its own.
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.content_type = None;
        self
    }

    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends, and panics when no answer comes.
    #[track_caller]
    pub fn send(self) -> impl Future<Output = HttpResponse> + Send {
        let place = Location::caller();
        let line = format!("{} {}", self.method, self.url);
        let sending = self.try_send();
        async move { sending.await.unwrap_or_else(|error| panic!("{place}: {line}: {error}")) }
    }

    /// Sends; an error when no answer comes (refused, cut off, too late).
    pub async fn try_send(self) -> Result<HttpResponse, String> {
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.url);
        if let Some(kind) = self.content_type
            && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            request = request.header("content-type", kind);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body)).map_err(|error| format!("not a request: {error}"))?;
        let exchange = async {
            let response = self.client.inner.request(request).await.map_err(|error| chain(&error))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| chain(&error))?.to_bytes();
            Ok(HttpResponse { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(self.limit, exchange)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {:?}", self.limit)))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[derive(Clone)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl HttpResponse {
    /// The body as JSON; panics with the answer when it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}): {self:?}"),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Panics with the whole answer unless the status is this one. Returns the JSON, or null for an empty body.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert!(self.status == status, "expected {status}, got {self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(out, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(out, "\n{}", clip(&self.body))
    }
}

/// Bytes for a panic message: text, cut after 4,000 characters.
pub fn clip(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(4_000) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &text[..end], bytes.len()),
        None => text.into_owned(),
    }
}

/// Writes these bytes to a fresh connection and reads until the peer closes; panics when it has not after 20 s.
pub async fn raw(addr: impl ToSocketAddrs, bytes: &[u8]) -> Vec<u8> {
    let mut connection = RawConnection::open(addr).await;
    connection.write(bytes).await;
    let (read, closed) = connection.read_for(DEADLINE).await;
    assert!(closed, "the peer kept the connection open for {DEADLINE:?} after: {}", clip(&read));
    read
}

/// A connection that writes bytes in the steps a test wants.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
}

impl RawConnection {
    pub async fn open(addr: impl ToSocketAddrs) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap_or_else(|error| panic!("cannot connect: {error}"));
        stream.set_nodelay(true).expect("a fresh socket takes the option");
        Self { stream }
    }

    /// Writes as much as the peer takes. Whether it took everything; a peer may answer and close early.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Says that nothing more will be written, and keeps reading.
    pub async fn finish_writing(&mut self) -> bool {
        self.stream.shutdown().await.is_ok()
    }

    /// Reads until the peer closes or the limit passes: what came, and whether the peer closed.
    pub async fn read_for(&mut self, limit: Duration) -> (Vec<u8>, bool) {
        let mut read = Vec::new();
        let all = async {
            let mut buffer = [0_u8; 8_192];
            loop {
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => read.extend_from_slice(&buffer[..count]),
                }
            }
        };
        let closed = tokio::time::timeout(limit, all).await.is_ok();
        (read, closed)
    }

    /// Reads until these bytes have come; panics after 20 s or when the peer closes before.
    pub async fn read_until(&mut self, mark: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        let search = async {
            let mut buffer = [0_u8; 8_192];
            while !read.windows(mark.len()).any(|window| window == mark) {
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return false,
                    Ok(count) => read.extend_from_slice(&buffer[..count]),
                }
            }
            true
        };
        let found = tokio::time::timeout(DEADLINE, search).await;
        assert!(matches!(found, Ok(true)), "{:?} never came, only: {}", clip(mark), clip(&read));
        read
    }
}
