//! The other end of webhook deliveries: answers 200 to whatever comes, and notes when.

use crate::Result;
use crate::common::load::framing;
use parking_lot::Mutex;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Debug)]
pub struct Receiver {
    pub address: SocketAddr,
    arrived: Arc<Mutex<Vec<Instant>>>,
}

impl Receiver {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let receiver = Self { address: listener.local_addr()?, arrived: Arc::default() };
        let arrived = receiver.arrived.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream, arrived.clone()));
            }
        });
        Ok(receiver)
    }

    /// Waits for `count` deliveries and forgets them; how long they took from the first to the last.
    pub async fn all_of(&self, count: usize, limit: Duration) -> Result<Duration> {
        let began = Instant::now();
        while self.arrived.lock().len() < count {
            if began.elapsed() > limit {
                return Err(format!("only {} of {count} deliveries came", self.arrived.lock().len()).into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let arrived = std::mem::take(&mut *self.arrived.lock());
        Ok(arrived.last().zip(arrived.first()).map_or(Duration::ZERO, |(last, first)| *last - *first))
    }
}

async fn answer_all(mut stream: TcpStream, arrived: Arc<Mutex<Vec<Instant>>>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let whole = framing(&buffer).map(|(head, length)| head + length);
        if let Some(whole) = whole.filter(|whole| buffer.len() >= *whole) {
            buffer.drain(..whole);
            arrived.lock().push(Instant::now());
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
