//! How stand-ins misbehave: a queue of behaviours for coming requests, and lasting ones beneath it.

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::{server::Reply, wait};

/// What to do with one request.
#[derive(Clone, Debug)]
pub struct Behaviour {
    outcome: Outcome,
    gates: Vec<Gate>,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    /// Do the work and answer.
    Normal,
    /// Do no work, answer this.
    Reply(Reply),
    /// Do the work, then hang up without an answer.
    LoseAnswer,
    /// Do no work and hang up.
    HangUp,
}

impl Behaviour {
    fn of(outcome: Outcome) -> Self {
        Self { outcome, gates: Vec::new() }
    }

    pub fn normal() -> Self {
        Self::of(Outcome::Normal)
    }

    /// Refuses with this status and JSON body.
    pub fn answer(status: u16, body: &Value) -> Self {
        Self::of(Outcome::Reply(Reply::json(status, body)))
    }

    /// Refuses with this status and no body.
    pub fn status(status: u16) -> Self {
        Self::of(Outcome::Reply(Reply::empty(status)))
    }

    /// A status that promises an answer, and a body that is none: cut-off HTML instead of JSON.
    pub fn garbage(status: u16) -> Self {
        let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
        Self::of(Outcome::Reply(Reply { status, headers, body: "<html><body>{\"ok\": tr\u{0}".into() }))
    }

    /// The work is done and recorded, but the connection is cut before the answer.
    pub fn lose_answer() -> Self {
        Self::of(Outcome::LoseAnswer)
    }

    /// The connection is cut and nothing is done.
    pub fn hang_up() -> Self {
        Self::of(Outcome::HangUp)
    }

    /// Adds a header to a scripted answer (`answer`, `status`, `garbage`).
    #[track_caller]
    pub fn with_header(mut self, name: &str, value: impl ToString) -> Self {
        match &mut self.outcome {
            Outcome::Reply(reply) => reply.headers.push((name.to_owned(), value.to_string())),
            other => panic!("a header needs a scripted answer, not {other:?}"),
        }
        self
    }

    /// The same behaviour, but the answer (or the hanging up) waits until the test lets it go.
    /// The request is recorded, and its work done, before the wait.
    pub fn held(mut self) -> (Self, Hold) {
        let (open, opened) = watch::channel(false);
        let reached = watch::Sender::new(0);
        let hold = Hold { open, reached: reached.subscribe() };
        self.gates.push(Gate { opened, reached });
        (self, hold)
    }

    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Waits until every hold on this behaviour is released.
    pub async fn pass_gates(&self) {
        for gate in &self.gates {
            gate.reached.send_modify(|count| *count += 1);
            // An error means that the handle is gone, which releases too.
            let _ = gate.opened.clone().wait_for(|open| *open).await;
        }
    }
}

#[derive(Clone, Debug)]
struct Gate {
    opened: watch::Receiver<bool>,
    reached: watch::Sender<usize>,
}

/// The test's handle on held answers. Dropping it releases them.
#[derive(Debug)]
#[must_use = "dropping the handle releases what it holds"]
pub struct Hold {
    open: watch::Sender<bool>,
    reached: watch::Receiver<usize>,
}

impl Hold {
    /// Waits until `count` requests are held here (all that ever were, released or not).
    pub async fn wait_for_held(&self, count: usize) {
        let what = format!("{count} held request(s)");
        wait::watched(&what, self.reached.clone(), |held| (*held >= count).then_some(())).await;
    }

    /// Lets the held answers go, and all later ones of the same behaviour.
    pub fn release(&self) {
        self.open.send_replace(true);
    }
}

/// Which behaviour the next request of a kind gets. Kinds are compared without case; a pattern may end in `*`.
#[derive(Debug, Default)]
pub struct Script {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    next: Vec<(String, Behaviour)>,
    lasting: Vec<(String, Behaviour)>,
}

impl Script {
    /// For the next request that matches; several wait in line, first in, first out.
    pub fn next(&self, pattern: &str, behaviour: Behaviour) {
        self.entries.lock().next.push((pattern.to_owned(), behaviour));
    }

    /// For every matching request that finds nothing in the line. A later call for the same pattern replaces it.
    pub fn always(&self, pattern: &str, behaviour: Behaviour) {
        let mut entries = self.entries.lock();
        entries.lasting.retain(|(known, _)| known != pattern);
        entries.lasting.insert(0, (pattern.to_owned(), behaviour));
    }

    /// Forgets everything: from now on requests are answered normally.
    pub fn clear(&self) {
        *self.entries.lock() = Entries::default();
    }

    /// How many behaviours still wait in line.
    pub fn waiting(&self) -> usize {
        self.entries.lock().next.len()
    }

    /// Takes the behaviour for a request of this kind.
    pub fn take(&self, kind: &str) -> Behaviour {
        let mut entries = self.entries.lock();
        if let Some(at) = entries.next.iter().position(|(pattern, _)| matches(pattern, kind)) {
            return entries.next.remove(at).1;
        }
        let lasting = entries.lasting.iter().find(|(pattern, _)| matches(pattern, kind));
        lasting.map_or_else(Behaviour::normal, |(_, behaviour)| behaviour.clone())
    }
}

fn matches(pattern: &str, kind: &str) -> bool {
    let (pattern, kind) = (pattern.to_ascii_lowercase(), kind.to_ascii_lowercase());
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}
