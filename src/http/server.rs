//! Our own accept loop, because the deadlines of rule Q4 hold from the accept on, also for peers that send nothing.

use super::pipeline::Pipeline;
use crate::app::App;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// First byte and whole header, from accept.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// A kept-alive connection without a request.
const IDLE: Duration = Duration::from_secs(75);
const SHUTDOWN: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 20_000;
/// hyper's own bound of a header block; beyond our 16 KiB we still want to answer 431 ourselves.
const HEADER_BUFFER: usize = 64 * 1024;

/// Serves until the app is told to stop, then finishes what is running.
pub async fn serve(app: App, listener: TcpListener, pipeline: Pipeline) {
    let pipeline = Arc::new(pipeline);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stopped() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) if connections.len() < CONNECTIONS => {
                connections.spawn(connection(app.clone(), stream, peer, pipeline.clone()));
            }
            Ok(_) => {}
            Err(error) => {
                // Out of descriptors, most likely: breathe, do not spin.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN, finished).await.is_err() {
        tracing::warn!("some requests did not finish before the shutdown deadline");
    }
}

/// What a connection is doing, for its watchdog.
struct Activity {
    /// Requests in flight, and since when there are none.
    state: Mutex<(usize, Instant)>,
    seen_request: std::sync::atomic::AtomicBool,
}

async fn connection(app: App, stream: TcpStream, peer: SocketAddr, pipeline: Arc<Pipeline>) {
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity { state: Mutex::new((0, Instant::now())), seen_request: false.into() });
    let service = service_fn(|request: Request<Incoming>| {
        let (pipeline, activity) = (pipeline.clone(), activity.clone());
        async move {
            let _running = Running::begin(activity);
            Ok::<_, Infallible>(pipeline.handle(request.map(Body::new), peer).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE).max_buf_size(HEADER_BUFFER);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE).max_concurrent_streams(128);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let mut ending = false;
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            () = expired(&activity) => return,
            () = app.stopped(), if !ending => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

struct Running(Arc<Activity>);

impl Running {
    fn begin(activity: Arc<Activity>) -> Self {
        activity.seen_request.store(true, std::sync::atomic::Ordering::Relaxed);
        activity.state.lock().0 += 1;
        Self(activity)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.0 -= 1;
        state.1 = Instant::now();
    }
}

/// Resolves when the peer has been silent for too long: before its first request, or between two.
async fn expired(activity: &Activity) {
    loop {
        let (in_flight, since) = *activity.state.lock();
        let seen = activity.seen_request.load(std::sync::atomic::Ordering::Relaxed);
        let allowed = if seen { IDLE } else { HEADER_DEADLINE };
        let left = allowed.saturating_sub(since.elapsed());
        if in_flight == 0 && left.is_zero() {
            return;
        }
        tokio::time::sleep(if in_flight == 0 { left } else { HEADER_DEADLINE }).await;
    }
}
