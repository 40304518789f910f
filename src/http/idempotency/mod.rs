//! `Idempotency-Key`: the record and the effect commit together, so a repetition gets the stored answer (rule D7).

mod store;

use super::{Http, Reply};
use crate::app::{App, Unit};
use crate::kernel::{Error, Result, secret};
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 255;
/// Twice what is promised.
const KEPT: Duration = Duration::from_secs(48 * 60 * 60);

/// Keys of requests that are running on this node.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashSet<(String, String)>>);

/// A request that holds its key until it ends.
#[derive(Clone, Debug)]
pub struct Claim(Arc<Held>);

#[derive(Debug)]
struct Held {
    running: Arc<Running>,
    owner: String,
    key: String,
    digest: [u8; 32],
}

impl Drop for Held {
    fn drop(&mut self) {
        self.running.0.lock().remove(&(self.owner.clone(), self.key.clone()));
    }
}

/// What a key in the headers leads to.
#[derive(Debug)]
pub enum Outcome {
    /// No key was sent.
    None,
    /// Run the request, and record its answer.
    Run(Claim),
    /// The request ran before: this was its answer.
    Replay(Reply),
}

/// Reads the key of a request and decides whether it may run.
pub async fn check(
    http: &Http,
    owner: String,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Outcome> {
    if !headers.contains_key(HEADER) {
        return Ok(Outcome::None);
    }
    let key = only_key(headers).ok_or_else(|| {
        Error::field("Idempotency-Key", "The Idempotency-Key must be 1 to 255 printable ASCII characters.")
    })?;
    let digest = digest(method, path, body);
    if let Some(reply) = stored(&http.app, &owner, key, &digest).await? {
        return Ok(Outcome::Replay(reply));
    }
    if !http.running.0.lock().insert((owner.clone(), key.to_owned())) {
        return Err(Error::request_in_progress().retry_after(1));
    }
    let held = Held { running: http.running.clone(), owner, key: key.to_owned(), digest };
    let claim = Claim(Arc::new(held));
    // Another request may have finished between the look and the claim.
    match stored(&http.app, &claim.0.owner, &claim.0.key, &digest).await? {
        Some(reply) => Ok(Outcome::Replay(reply)),
        None => Ok(Outcome::Run(claim)),
    }
}

/// The one key that was given; none if it is not well formed, or if there are several.
fn only_key(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(HEADER).iter();
    let key = given.next()?.to_str().ok()?;
    let good = (1..=LONGEST).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b));
    (good && given.next().is_none()).then_some(key)
}

/// Removes answers that are older than a repetition may come; answers how many.
pub async fn forget_old(app: &App) -> Result<u64> {
    let before = app.now().before(KEPT);
    let mut unit = app.begin().await?;
    let removed = store::delete_before(&mut unit.tx, before).await?;
    unit.commit().await?;
    Ok(removed)
}

fn digest(method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Answers may show a secret once, and requests may hold a password: what is kept of both is sealed, or digested, under
/// a key of its own.
fn seal(app: &App, held: &Held, body: &str) -> Result<(String, [u8; 32])> {
    let context = context(&held.owner, &held.key);
    let (data_key, sealed_key) = app.new_data_key(&context)?;
    let sealed = format!("{sealed_key} {}", data_key.seal(&context, body, &*app.random)?);
    Ok((sealed, data_key.mac(&held.digest)))
}

/// The body of a stored answer; none if it answered another request.
fn open(app: &App, owner: &str, key: &str, row: &(Vec<u8>, String), digest: &[u8; 32]) -> Result<Option<String>> {
    let context = context(owner, key);
    let (of, sealed) = row;
    let (sealed_key, body) = sealed.split_once(' ').unwrap_or_default();
    let data_key = app.open_data_key(&context, sealed_key)?;
    if !secret::equal(of, &data_key.mac(digest)) {
        return Ok(None);
    }
    Ok(Some(data_key.open(&context, body)?.reveal().to_owned()))
}

fn context(owner: &str, key: &str) -> String {
    format!("idempotency.body:{owner}:{key}")
}

async fn stored(app: &App, owner: &str, key: &str, digest: &[u8; 32]) -> Result<Option<Reply>> {
    let row: Option<(Vec<u8>, i64, String)> = store::find(&app.db, owner, key).await?;
    let Some((of, status, sealed)) = row else { return Ok(None) };
    match open(app, owner, key, &(of, sealed), digest)? {
        Some(body) => Ok(Some(Reply { status: u16::try_from(status).unwrap_or(200), body })),
        None => Err(Error::field("Idempotency-Key", "The Idempotency-Key was used for another request.")),
    }
}

impl Claim {
    /// Stores the answer in the transaction of its effect.
    pub async fn record(&self, unit: &mut Unit, reply: &Reply) -> Result<()> {
        let now = unit.now();
        let held = &self.0;
        let (body, digest) = seal(unit.app(), held, &reply.body)?;
        let row = store::Answered { owner: &held.owner, key: &held.key, digest: &digest, status: reply.status, body };
        let stored = store::insert(&mut unit.tx, &row, now).await;
        match stored {
            // Another node ran the same request at the same time and was first: nothing of ours is kept.
            Err(error) if matches!(error.kind(), skylight_db::Kind::Unique(_)) => {
                Err(Error::request_in_progress().retry_after(1))
            }
            other => Ok(other?),
        }
    }
}
