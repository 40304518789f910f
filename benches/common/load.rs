//! A load generator that costs little, because it shares the cores with the server: keep-alive connections, requests
//! written into one buffer, answers read just far enough to know where the next one begins.

use super::Result;
use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How hard and how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub address: SocketAddr,
    pub connections: usize,
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What the measured part came to.
#[derive(Debug)]
pub struct Outcome {
    pub per_second: f64,
    pub latencies: Latencies,
}

/// How long things took, in microseconds, sorted.
#[derive(Debug)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    pub fn of(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        Self(micros)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

pub fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

impl Load {
    /// Sends requests as fast as they are answered. `write` makes the request of a serial number, which no other request of
    /// the run has; every answer must have the expected status.
    pub async fn run<W>(&self, expected: u16, write: W) -> Result<Outcome>
    where
        W: Fn(&mut Vec<u8>, usize) + Send + Sync + 'static,
    {
        let write = Arc::new(write);
        let from = Instant::now() + self.warm_up;
        let until = from + self.measured;
        let mut connections = JoinSet::new();
        for first in 0..self.connections {
            let (write, step) = (write.clone(), self.connections);
            let mut connection = Connection::open(self.address).await?;
            connections.spawn(async move {
                let mut latencies = Vec::with_capacity(1 << 16);
                for serial in (first..).step_by(step) {
                    connection.request.clear();
                    write(&mut connection.request, serial);
                    let began = Instant::now();
                    let status = connection.exchange().await?;
                    if status != expected {
                        return Err(format!("expected {expected}, got {}", connection.shown()).into());
                    }
                    let ended = Instant::now();
                    if ended >= until {
                        break;
                    }
                    if ended >= from {
                        latencies.push(micros(ended - began));
                    }
                }
                Ok(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(ended) = connections.join_next().await {
            let of_one: Result<Vec<u32>> = ended?;
            latencies.extend(of_one?);
        }
        let per_second = latencies.len() as f64 / self.measured.as_secs_f64();
        Ok(Outcome { per_second, latencies: Latencies::of(latencies) })
    }
}

/// The floor that others are compared to: a fixed JSON answer.
pub fn floor(request: &mut Vec<u8>, _: usize) {
    request.extend_from_slice(b"GET /health/live HTTP/1.1\r\nhost: bench\r\n\r\n");
}

/// The header comes in two pieces.
pub fn get(request: &mut Vec<u8>, path: impl Display, [name, value]: [&str; 2]) {
    // Writing to a vector cannot fail.
    let _ = write!(request, "GET {path} HTTP/1.1\r\nhost: bench\r\n{name}{value}\r\n\r\n");
}

/// Likewise.
pub fn post(request: &mut Vec<u8>, path: impl Display, [name, value]: [&str; 2], body: &str) {
    let length = body.len();
    let _ = write!(
        request,
        "POST {path} HTTP/1.1\r\nhost: bench\r\n{name}{value}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    pub request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::with_capacity(4096), answer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends the request in the buffer and reads its whole answer; the status of it.
    pub async fn exchange(&mut self) -> Result<u16> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        while self.stream.read_buf(&mut self.answer).await? > 0 {
            if let Some((head, length)) = framing(&self.answer)
                && self.answer.len() >= head + length
            {
                let status = self.answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
                return Ok(status.and_then(|digits| digits.parse().ok()).unwrap_or_default());
            }
        }
        Err(format!("the server closed the connection after: {}", self.shown()).into())
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }
}

/// Once the head of a message is there: its length, and the length of the body that follows.
pub fn framing(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut length = 0;
    for line in bytes[..end].split(|byte| *byte == b'\n') {
        const NAME: &[u8] = b"content-length:";
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let digits = line[NAME.len()..].iter().filter(|byte| byte.is_ascii_digit());
            length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        }
    }
    Some((end + 4, length))
}
