//! `Idempotency-Key`: the record and the effect commit together, so a repetition gets the stored answer (rule D7).

mod store;

use super::{Http, Reply};
use crate::app::{App, Unit};
use crate::kernel::{Error, Result};
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

/// Answers may show a secret once; what is kept of them is sealed, each under a key of its own.
fn seal(app: &App, owner: &str, key: &str, body: &str) -> Result<String> {
    let context = context(owner, key);
    let (data_key, sealed_key) = app.new_data_key(&context)?;
    Ok(format!("{sealed_key} {}", data_key.seal(&context, body, &*app.random)?))
}

fn open(app: &App, owner: &str, key: &str, sealed: &str) -> Result<String> {
    let context = context(owner, key);
    let (sealed_key, body) = sealed.split_once(' ').unwrap_or_default();
    Ok(app.open_data_key(&context, sealed_key)?.open(&context, body)?.reveal().to_owned())
}

fn context(owner: &str, key: &str) -> String {
    format!("idempotency.body:{owner}:{key}")
}

async fn stored(app: &App, owner: &str, key: &str, digest: &[u8; 32]) -> Result<Option<Reply>> {
    let row: Option<(Vec<u8>, i64, String)> = store::find(&app.db, owner, key).await?;
    match row {
        None => Ok(None),
        Some((of, _, _)) if of != digest => {
            Err(Error::field("Idempotency-Key", "The Idempotency-Key was used for another request."))
        }
        Some((_, status, sealed)) => {
            let body = open(app, owner, key, &sealed)?;
            Ok(Some(Reply { status: u16::try_from(status).unwrap_or(200), body }))
        }
    }
}

impl Claim {
    /// Stores the answer in the transaction of its effect.
    pub async fn record(&self, unit: &mut Unit, reply: &Reply) -> Result<()> {
        let now = unit.now();
        let held = &self.0;
        let body = seal(unit.app(), &held.owner, &held.key, &reply.body)?;
        let row =
            store::Answered { owner: &held.owner, key: &held.key, digest: &held.digest, status: reply.status, body };
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
