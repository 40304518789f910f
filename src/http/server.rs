//! Our own accept loop, because the deadlines of rule Q4 hold from the accept on, also for peers that send nothing.

use super::pipeline::Pipeline;
use super::watch::{Activity, IDLE, Watched};
use crate::app::App;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

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

async fn connection(app: App, stream: TcpStream, peer: SocketAddr, pipeline: Arc<Pipeline>) {
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (pipeline, activity) = (pipeline.clone(), activity.clone());
        async move {
            let _running = activity.begin_request();
            Ok::<_, Infallible>(pipeline.handle(request.map(Body::new), peer).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper's own header timer also runs while a kept-alive connection idles, so it is off: the watchdog knows when a head
    // begins.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEADER_BUFFER);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE).max_concurrent_streams(128);
    let stream = Watched::new(stream, activity.clone());
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let mut ending = false;
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            () = activity.expired() => return,
            () = app.stopped(), if !ending => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}
