//! The only place that opens sockets: resolve once, check, connect to what was checked.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{self, Instant};
use tokio_rustls::TlsConnector;
use tower::Service;

use crate::error::{ConnectFault, Error};
use crate::guard::Guard;
use crate::resolve::Resolve;
use crate::stream::{Count, Kind, Stream};
use crate::tls;

tokio::task_local! {
    /// How long the request being sent may take to connect. hyper hands a connector the URL and nothing else, but calls
    /// it within the future of the request, so the limit reaches it this way. The connector keeps the time itself,
    /// because hyper lets a connection finish in the background when another became free first.
    pub(crate) static CONNECT_LIMIT: Duration;
}

/// S4's limit, for a connection that no request claims.
pub(crate) const DEFAULT_CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Nobody waits longer for a connection, whatever was asked for; this keeps the sum below in range, too.
const LONGEST_CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// How many addresses of one name are tried. A name may have thousands, and each try is a packet to somebody.
const TRIES: usize = 4;

/// Why there is no connection. Nothing was sent in any of these cases.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct DialError(pub(crate) Error);

impl From<Error> for DialError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Connector(Arc<Dialer>);

pub(crate) struct Dialer {
    pub(crate) guard: Guard,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) standing: Count,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("guard", &self.guard).field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

impl Connector {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self(Arc::new(dialer))
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// How many connections stand, used or kept.
    pub(crate) fn standing(&self) -> usize {
        self.0.standing.now()
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = Arc::clone(&self.0);
        let limit = CONNECT_LIMIT.try_with(|limit| *limit).unwrap_or(DEFAULT_CONNECT_LIMIT);
        Box::pin(async move {
            let until = Instant::now() + limit.min(LONGEST_CONNECT_LIMIT);
            let dialed = time::timeout_at(until, dialer.dial(&uri, until)).await;
            let stream = dialed.unwrap_or(Err(Error::Timeout { sent: false }))?;
            Ok(TokioIo::new(stream))
        })
    }
}

impl Dialer {
    async fn dial(&self, uri: &Uri, until: Instant) -> Result<Stream, Error> {
        let target = Target::of(uri)?;
        let addresses = self.checked(&target).await?;
        let tcp = first_that_answers(&addresses, until).await.map_err(|error| from_tcp(&error))?;
        self.check_standing(&tcp)?;
        // Small writes go out at once; every request is written whole.
        tcp.set_nodelay(true).map_err(|error| from_tcp(&error))?;
        let kind = if target.secure { self.handshake(target.host, tcp).await? } else { Kind::Plain(tcp) };
        Ok(Stream::new(kind, &self.standing))
    }

    /// The addresses that may be connected to. A literal goes through the same check as an answer of the resolver.
    async fn checked(&self, target: &Target<'_>) -> Result<Vec<SocketAddr>, Error> {
        let mut addresses = match target.host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, target.port)],
            Err(_) => {
                self.resolver.resolve(target.host, target.port).await.map_err(|_| Error::Connect(ConnectFault::Dns))?
            }
        };
        if addresses.is_empty() {
            return Err(Error::Connect(ConnectFault::Dns));
        }
        // The port is the URL's, whatever the resolver says.
        addresses.iter_mut().for_each(|address| address.set_port(target.port));
        addresses.retain(|address| self.guard.permits(*address));
        addresses.truncate(TRIES);
        if addresses.is_empty() { Err(Error::Blocked) } else { Ok(addresses) }
    }

    fn check_standing(&self, tcp: &TcpStream) -> Result<(), Error> {
        let ends = tcp.local_addr().and_then(|local| Ok((local, tcp.peer_addr()?)));
        let (local, peer) = ends.map_err(|error| from_tcp(&error))?;
        if self.guard.leads_home(local, peer) { Err(Error::Blocked) } else { Ok(()) }
    }

    async fn handshake(&self, host: &str, tcp: TcpStream) -> Result<Kind, Error> {
        let Some(tls) = &self.tls else {
            return Err(Error::Tls(
                "no trusted root certificates: install the system's CA certificates or name a CA file".to_owned(),
            ));
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::Tls("the host's name cannot stand in a certificate".to_owned()))?;
        let stream = tls.connect(name, tcp).await.map_err(|error| Error::Tls(tls::describe(&error)))?;
        Ok(Kind::Tls(Box::new(stream)))
    }
}

/// Tries one address after another. Each gets its share of the time that is left, so that one which swallows packets
/// leaves some for the next; the last may use all of it.
async fn first_that_answers(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / left;
        match time::timeout(share, TcpStream::connect(*address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = error,
            Err(elapsed) => last = elapsed.into(),
        }
    }
    Err(last)
}

fn from_tcp(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::Timeout { sent: false },
        io::ErrorKind::ConnectionRefused => Error::Connect(ConnectFault::Refused),
        _ => Error::Connect(ConnectFault::Unreachable),
    }
}

struct Target<'a> {
    /// Without the brackets of an IPv6 literal.
    host: &'a str,
    port: u16,
    secure: bool,
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Result<Self, Error> {
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(Error::Invalid("neither http nor https")),
        };
        let host = uri.host().ok_or(Error::Invalid("no host"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: bare, port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }), secure })
    }
}
