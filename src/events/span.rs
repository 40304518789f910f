//! A span of a log, for those who look back: by its numbers, or by time.

use super::store;
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Instant, Result};
use skylight_db::{Param, Tx, Value};
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

/// A log with numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Workspace(WorkspaceScope),
    Partner(PartnerScope),
}

impl Stream {
    /// A statement that names `workspace_id`, for the rows of this log.
    pub(super) fn sql(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Workspace(_) => Cow::Borrowed(text),
            Self::Partner(_) => Cow::Owned(text.replace("workspace_id", "partner_id")),
        }
    }

    /// Workspace and partner, 0 for the one that it is not: a log's head is kept under both.
    pub(super) fn ids(self) -> (i64, i64) {
        match self {
            Self::Workspace(scope) => (scope.id(), 0),
            Self::Partner(scope) => (0, scope.id()),
        }
    }
}

impl Param for Stream {
    fn value(&self) -> Value<'_> {
        let (workspace, partner) = self.ids();
        Value::Int(workspace + partner)
    }
}

/// An event of a log.
#[derive(Clone, Debug)]
pub struct Numbered {
    pub seq: i64,
    pub id: i64,
    pub kind: String,
    pub subject_id: i64,
    pub created_at: Instant,
}

skylight_db::from_row!(Numbered { seq, id, kind, subject_id, created_at });

/// Numbers are given after the commit, so that events stand nearly in the order of their moments. A change and its number
/// are never this far apart.
const NEARLY: Duration = Duration::from_secs(60 * 60);

/// The last number of a log.
pub async fn head(tx: &mut Tx, stream: Stream) -> Result<i64> {
    Ok(store::head_of(tx, stream).await?)
}

/// The first events with numbers behind the start, through the end.
pub async fn span(tx: &mut Tx, stream: Stream, numbers: Range<i64>, limit: i64) -> Result<Vec<Numbered>> {
    Ok(store::span(tx, stream, numbers, limit).await?)
}

/// A number behind which everything stands that happened since a moment. Found by halving: the log needs no index by time.
pub async fn number_before(tx: &mut Tx, stream: Stream, moment: Instant) -> Result<i64> {
    let moment = moment.before(NEARLY);
    let (mut before, mut within) = (0, head(&mut *tx, stream).await?);
    while before < within {
        let middle = before + (within - before) / 2;
        match store::span(&mut *tx, stream, middle..within, 1).await?.first() {
            Some(event) if event.created_at < moment => before = event.seq,
            _ => within = middle,
        }
    }
    Ok(before)
}

/// Whether a log that has come to an event of this moment has nothing left from before the other one.
pub fn is_past(at: Instant, moment: Instant) -> bool {
    at > moment.after(NEARLY)
}
