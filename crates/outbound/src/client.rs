//! Sending a request within limits, and saying honestly what became of it.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{self, Client as Pool};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time;
use url::Url;

use crate::address::{as_uri, has_user_info};
use crate::body;
use crate::dial::{CONNECT_LIMIT, Connector, DEFAULT_CONNECT_LIMIT, DialError, Dialer};
use crate::error::{ConnectFault, Error};
use crate::guard::Guard;
use crate::headers::strip_framing;
use crate::resolve::{Resolve, SystemResolver};
use crate::stream::Count;
use crate::tls::{self, BuildError};

/// What to send. Headers that frame the message (`Host`, `Content-Length`, `Connection` …) are taken out: they follow
/// from the rest.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What came back. The body is as the peer sent it; nothing is decompressed.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most `Limits::read` bytes.
    pub body: Bytes,
    /// There was more than `body` holds. The rest was not read.
    pub truncated: bool,
}

/// How much time and memory one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands: resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// Everything, from the call to the last byte of the body.
    pub total: Duration,
    /// How many bytes of the body are read.
    pub read: usize,
    /// Fail with [`Error::TooLarge`] instead of cutting a larger body off.
    pub strict: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: DEFAULT_CONNECT_LIMIT, total: Duration::from_secs(30), read: 64 * 1024, strict: false }
    }
}

/// A pool of connections under one [`Guard`]. Cloning gives another handle to the same pool.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<Connector, Full<Bytes>>,
    connector: Connector,
    max_standing: usize,
}

/// Settings of a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder {
    guard: Guard,
    resolver: Arc<dyn Resolve>,
    system_roots: bool,
    extra_ca: Option<PathBuf>,
    max_idle_per_host: usize,
    max_standing: usize,
    idle_timeout: Duration,
    retry_unwritten: bool,
}

/// About the largest head of an HTTP/1 response (hyper checks between reads), and how much of a response is buffered at
/// once.
const READ_BUFFER: usize = 64 * 1024;
/// How much of a body an HTTP/2 peer may send ahead of our reading.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;

impl ClientBuilder {
    /// Certificates to trust beside the system's, as a PEM file.
    #[must_use]
    pub fn extra_ca(mut self, file: Option<PathBuf>) -> Self {
        self.extra_ca = file;
        self
    }

    /// Whether the system's certificate store is trusted (default: yes). Without it, only `extra_ca` is.
    #[must_use]
    pub fn system_roots(mut self, trusted: bool) -> Self {
        self.system_roots = trusted;
        self
    }

    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// How many idle connections are kept per origin (default: 64; fewer than requests run side by side means connecting anew all
    /// the time).
    #[must_use]
    pub fn max_idle_per_host(mut self, count: usize) -> Self {
        self.max_idle_per_host = count;
        self
    }

    /// From how many connections on, used and idle ones to all origins together, none is kept any longer than its request
    /// (default: 1024). So there are never many more than requests run side by side.
    #[must_use]
    pub fn max_standing(mut self, count: usize) -> Self {
        self.max_standing = count;
        self
    }

    /// How long an idle connection is kept (default: 60 seconds).
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// What happens when a kept connection turns out to be closed before anything of the request was written to it.
    /// With `true`, the request goes out on another connection; with `false`, the call fails with `Broken { sent: false
    /// }`. hyper gives the request back untouched in this case and in no other, so neither ever repeats a request that
    /// a peer may have seen.
    ///
    /// Default: `true` for strangers; `false` for [`Guard::operator`], whose callers count their attempts themselves.
    #[must_use]
    pub fn retry_unwritten(mut self, retry: bool) -> Self {
        self.retry_unwritten = retry;
        self
    }

    /// Reads the certificates, which is why it can fail and why it should be done once.
    #[expect(clippy::disallowed_methods, reason = "everybody is sent here; here is where it is called")]
    pub fn build(self) -> Result<Client, BuildError> {
        let tls = tls::connector(self.system_roots, self.extra_ca.as_deref())?;
        let connector =
            Connector::new(Dialer { guard: self.guard, resolver: self.resolver, tls, standing: Count::default() });
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.idle_timeout)
            .pool_max_idle_per_host(self.max_idle_per_host)
            .retry_canceled_requests(self.retry_unwritten)
            .http1_max_buf_size(READ_BUFFER)
            .http2_initial_stream_window_size(H2_STREAM_WINDOW)
            .http2_initial_connection_window_size(H2_CONNECTION_WINDOW)
            .build(connector.clone());
        Ok(Client { pool, connector, max_standing: self.max_standing })
    }
}

impl Client {
    #[must_use]
    pub fn builder(guard: Guard) -> ClientBuilder {
        ClientBuilder {
            retry_unwritten: guard.restricts(),
            guard,
            resolver: Arc::new(SystemResolver::default()),
            system_roots: true,
            extra_ca: None,
            max_idle_per_host: 64,
            max_standing: 1024,
            idle_timeout: Duration::from_secs(60),
        }
    }

    /// The guard every connection of this client passes, for [`check_url`](crate::check_url).
    #[must_use]
    pub fn guard(&self) -> &Guard {
        self.connector.guard()
    }

    /// Sends one request once. Redirects are answers like any other.
    pub async fn send(&self, request: Request, limits: Limits) -> Result<Response, Error> {
        let mut request = prepare(request)?;
        if self.connector.standing() >= self.max_standing {
            // hyper closes it afterwards, whatever the peer thinks of it.
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let given = capture_connection(&mut request);
        let exchange = CONNECT_LIMIT.scope(limits.connect, self.exchange(request, &given, limits));
        match time::timeout(limits.total, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(out_of_time(&given)),
        }
    }

    async fn exchange(
        &self,
        request: http::Request<Full<Bytes>>,
        given: &CaptureConnection,
        limits: Limits,
    ) -> Result<Response, Error> {
        let answer = self.pool.request(request).await.map_err(|error| classify(&error, given))?;
        let (head, incoming) = answer.into_parts();
        let (body, truncated) = body::read(incoming, limits).await?;
        Ok(Response { status: head.status, headers: head.headers, body, truncated })
    }
}

fn prepare(request: Request) -> Result<http::Request<Full<Bytes>>, Error> {
    if request.method == Method::CONNECT {
        return Err(Error::Invalid("CONNECT would open a tunnel"));
    }
    if has_user_info(&request.url) {
        return Err(Error::Invalid("the URL has a user name or password"));
    }
    if !matches!(request.url.scheme(), "http" | "https") {
        return Err(Error::Invalid("neither http nor https"));
    }
    let uri = as_uri(&request.url).ok_or(Error::Invalid("the URL cannot be sent"))?;
    let mut prepared = http::Request::new(Full::new(request.body));
    *prepared.method_mut() = request.method;
    *prepared.uri_mut() = uri;
    *prepared.headers_mut() = request.headers;
    strip_framing(prepared.headers_mut());
    Ok(prepared)
}

/// hyper-util tells `given` about the connection in the same step in which it passes the request on, and on our own
/// task. So while it has told nothing, nothing was sent.
fn was_given(given: &CaptureConnection) -> bool {
    given.connection_metadata().is_some()
}

fn out_of_time(given: &CaptureConnection) -> Error {
    // A connection on which something hung is not offered to others. HTTP/2 shares connections, and a dead one looks
    // alive for minutes.
    if let Some(connection) = given.connection_metadata().as_ref() {
        connection.poison();
    }
    Error::Timeout { sent: was_given(given) }
}

fn classify(error: &legacy::Error, given: &CaptureConnection) -> Error {
    if error.is_connect() {
        let cause = error.source().and_then(|source| source.downcast_ref::<DialError>());
        // Without a cause of ours, the request waited for somebody else's HTTP/2 connection, which did not come about.
        return cause.map_or(Error::Connect(ConnectFault::Unreachable), |cause| cause.0.clone());
    }
    Error::Broken { sent: was_given(given) && !was_returned(error) }
}

/// hyper calls a request canceled if it left the queue of its connection unread, and only then: nothing of it was
/// written.
fn was_returned(error: &legacy::Error) -> bool {
    error.source().and_then(|source| source.downcast_ref::<hyper::Error>()).is_some_and(hyper::Error::is_canceled)
}
