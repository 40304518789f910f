//! The other ends of deliveries: one that answers and notes how long each event was on its way, one that hangs, and ports
//! where nobody listens.

use crate::Result;
use crate::common::load::{Latencies, framing, micros};
use parking_lot::Mutex;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers 200 at once.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub address: SocketAddr,
    notes: Arc<Notes>,
}

#[derive(Debug)]
struct Notes {
    began: Instant,
    arrived: AtomicUsize,
    first_and_last: Mutex<Option<(Instant, Instant)>>,
    /// In microseconds; of events whose contact's name says when it was sent.
    on_the_way: Mutex<Vec<u32>>,
}

/// What stands before the moment in a contact's name.
const SENT: &str = "sent at ";

impl Receiver {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let notes = Arc::new(Notes {
            began: Instant::now(),
            arrived: AtomicUsize::new(0),
            first_and_last: Mutex::default(),
            on_the_way: Mutex::default(),
        });
        let receiver = Self { address: listener.local_addr()?, notes };
        let notes = receiver.notes.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream, notes.clone()));
            }
        });
        Ok(receiver)
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The name of a contact that is made now.
    pub fn stamp(&self) -> String {
        format!("{SENT}{}.", self.notes.began.elapsed().as_micros())
    }

    /// Waits for this many deliveries, then forgets them: how long from the first to the last of them, and how long those
    /// with a stamp were on their way.
    pub async fn all_of(&self, count: usize, limit: Duration) -> Result<(Duration, Latencies)> {
        let began = Instant::now();
        while self.notes.arrived.load(Ordering::Relaxed) < count {
            if began.elapsed() > limit {
                let arrived = self.notes.arrived.load(Ordering::Relaxed);
                return Err(format!("only {arrived} of {count} deliveries came").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.notes.arrived.store(0, Ordering::Relaxed);
        let took = self.notes.first_and_last.lock().take().map_or(Duration::ZERO, |(first, last)| last - first);
        let on_the_way = std::mem::take(&mut *self.notes.on_the_way.lock());
        Ok((took, Latencies::of(on_the_way)))
    }
}

impl Notes {
    fn note(&self, body: &[u8]) {
        let now = Instant::now();
        let mut first_and_last = self.first_and_last.lock();
        let first = first_and_last.map_or(now, |(first, _)| first);
        *first_and_last = Some((first, now));
        drop(first_and_last);
        if let Some(sent) = stamp_in(body) {
            self.on_the_way.lock().push(micros((now - self.began).saturating_sub(sent)));
        }
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }
}

fn stamp_in(body: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, after) = text.split_once(SENT)?;
    after.split_once('.')?.0.parse().ok().map(Duration::from_micros)
}

async fn answer_all(mut stream: TcpStream, notes: Arc<Notes>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        if let Some((head, length)) = framing(&buffer).filter(|(head, length)| buffer.len() >= head + length) {
            notes.note(&buffer[head..head + length]);
            buffer.drain(..head + length);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
            continue;
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}

/// Takes every connection and never answers.
pub async fn hanging() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    Ok(format!("http://{address}/hang"))
}

/// An address where nobody listens: its port was free a moment ago.
pub fn refusing() -> Result<String> {
    let closed = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    Ok(format!("http://{closed}/refused"))
}
