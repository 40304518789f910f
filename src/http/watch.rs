//! The watchdog of a connection: a whole header within ten seconds of its first byte (of the accept, for the first one),
//! and no idling for ever (rule Q4). It watches the bytes, so it holds for every version of HTTP.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// First byte and whole header from accept; later, a whole header from its first byte.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// A kept-alive connection without a request.
pub const IDLE: Duration = Duration::from_secs(75);

/// What a connection is doing.
#[derive(Debug)]
pub struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// Since when no request is in flight.
    idle_since: Instant,
    /// Since when bytes of the next header arrive; the accept counts as the first one's.
    head_since: Option<Instant>,
}

impl Default for Activity {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(State { in_flight: 0, idle_since: now, head_since: Some(now) }))
    }
}

impl Activity {
    /// A request has begun; it ends when the answer is made.
    pub fn begin_request(self: Arc<Self>) -> Running {
        let mut state = self.0.lock();
        state.in_flight += 1;
        state.head_since = None;
        drop(state);
        Running(self)
    }

    fn bytes_arrived(&self) {
        let mut state = self.0.lock();
        if state.in_flight == 0 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// Resolves when the peer has taken too long.
    pub async fn expired(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            // A head that begins meanwhile is noticed in time: its deadline is as long as this nap at most.
            tokio::time::sleep(left.min(HEADER_DEADLINE)).await;
        }
    }

    fn left(&self) -> Duration {
        let state = self.0.lock();
        match state.head_since {
            _ if state.in_flight > 0 => HEADER_DEADLINE,
            Some(since) => HEADER_DEADLINE.saturating_sub(since.elapsed()),
            None => IDLE.saturating_sub(state.idle_since.elapsed()),
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.in_flight -= 1;
        state.idle_since = Instant::now();
    }
}

/// A stream that tells its watchdog when bytes arrive.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_arrived();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
