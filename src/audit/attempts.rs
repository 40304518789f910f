//! Refused reaches for what is somebody else's. They are noted after the answer is made, whether the id exists or not, so
//! that neither the answer nor its time tells which.

use super::store::{self, Line};
use super::{Action, Changes, Outcome};
use crate::app::{App, Origin, Trace};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::error::Asked;
use crate::kernel::{Instant, Result};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Of one partner, in a minute, on one node: a loop over all ids must not fill the log.
const MOST: u32 = 10;

#[derive(Debug, Default)]
struct Attempts(Mutex<(i64, HashMap<i64, u32>)>);

impl Attempts {
    fn has_room(&self, partner: PartnerScope, now: Instant) -> bool {
        let minute = now.seconds() / 60;
        let mut noted = self.0.lock();
        if noted.0 != minute {
            *noted = (minute, HashMap::new());
        }
        let count = noted.1.entry(partner.id()).or_default();
        *count += 1;
        *count <= MOST
    }
}

/// Notes that a partner asked for what is not its own. Never a reason to fail what was answered.
pub async fn refused(app: &App, partner: PartnerScope, origin: Origin, asked: &Asked) {
    if !could_be(asked) || !app.rooms.of::<Attempts>().has_room(partner, app.now()) {
        return;
    }
    if let Err(error) = note(app, partner, origin, asked).await {
        tracing::warn!(%error, partner = partner.id(), ?asked, "a refused request could not be noted");
    }
}

/// Whether it is an id at all. One that was written wrong reads as 0, which nobody has.
fn could_be(asked: &Asked) -> bool {
    match asked {
        Asked::Client(id) => *id >= 1,
        Asked::ClientNamed(id) | Asked::PartnerNamed(id) => {
            (3..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    }
}

/// Whose log an entry stands in.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    Workspace(WorkspaceScope),
    Partner(PartnerScope),
}

/// Notes that somebody did not know a member's password. In the background: whoever guesses is not to learn from the time
/// that there is a member. How many guesses there can be is limited where they are made.
pub fn sign_in_refused(app: &App, trace: &Trace, whose: Whose, action: Action, member: i64) {
    let (app, origin) = (app.clone(), Origin::anonymous(trace.clone()));
    tokio::spawn(async move {
        if let Err(error) = note_refusal(&app, origin, whose, action, member).await {
            tracing::warn!(%error, "a refused login could not be noted");
        }
    });
}

async fn note_refusal(app: &App, origin: Origin, whose: Whose, action: Action, member: i64) -> Result<()> {
    let mut unit = app.begin_by(origin).await?;
    let (origin, now, changes) = (unit.origin().clone(), unit.now(), Changes::none().written());
    let line = Line { origin: &origin, action, target: member, outcome: Outcome::Refused, changes: &changes };
    match whose {
        Whose::Workspace(scope) => store::insert(&mut unit.tx, scope, false, &line, now).await?,
        Whose::Partner(scope) => store::insert_for_partner(&mut unit.tx, scope, &line, now).await?,
    }
    unit.commit().await
}

async fn note(app: &App, partner: PartnerScope, origin: Origin, asked: &Asked) -> Result<()> {
    let mut unit = app.begin_by(origin).await?;
    let (origin, now) = (unit.origin().clone(), unit.now());
    // What is called by a word has no number that the partner may know.
    let (action, target, changes) = match asked {
        Asked::Client(id) => (Action::ClientAsked, *id, Changes::none()),
        Asked::ClientNamed(id) => (Action::ClientAsked, 0, Changes::of("asked_for", id)),
        Asked::PartnerNamed(id) => (Action::PartnerAsked, 0, Changes::of("asked_for", id)),
    };
    let changes = changes.written();
    let line = Line { origin: &origin, action, target, outcome: Outcome::Refused, changes: &changes };
    store::insert_for_partner(&mut unit.tx, partner, &line, now).await?;
    unit.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_fills_no_log_and_keeps_nobody_from_it() {
        let (attempts, at) = (Attempts::default(), Instant::from_seconds(1_767_225_600));
        let [eager, other] = [1, 2].map(PartnerScope::named_by_operator);
        let noted = (0..50).filter(|_| attempts.has_room(eager, at)).count();
        assert_eq!(noted, 10);
        assert!(attempts.has_room(other, at));
        assert!(attempts.has_room(eager, Instant::from_seconds(1_767_225_660)), "a minute later");
    }
}
