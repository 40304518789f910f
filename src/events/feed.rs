//! Reading a workspace's log by its numbers.

use super::{WORKSPACE_EVENTS, store};
use crate::auth::WorkspaceScope;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::page::FeedMeta;
use crate::kernel::{Error, Instant, Result};
use skylight_db::Db;
use std::collections::BTreeSet;

/// The kind of the event that a webhook's test sends. It stands in the log, but nobody can subscribe to it.
pub const TEST: &str = "webhook.test";

/// Where in the log somebody reads on.
#[derive(Clone, Debug)]
pub struct FeedQuery {
    after: i64,
    limit: i64,
    types: Option<Vec<String>>,
}

const DEFAULT: i64 = 100;
const MOST: i64 = 1_000;
/// Numbers that one answer looks at: a filter that hardly anything passes must not read a long log in one go.
const WINDOW: i64 = 10_000;

impl Input for FeedQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let after = fields.at("after").integer_between(0, i64::MAX);
        let limit = fields.at("limit").integer_between(1, i64::MAX);
        let types = fields.at("types");
        let names: Option<BTreeSet<String>> =
            types.text(500).map(|text| text.split(',').map(|name| name.trim().to_owned()).collect());
        if names.iter().flatten().any(|name| !is_known(name)) {
            types.selected_is_invalid::<()>();
        }
        let types = names.map(Vec::from_iter);
        Some(Self { after: after.unwrap_or(0), limit: limit.unwrap_or(DEFAULT).min(MOST), types })
    }
}

fn is_known(name: &str) -> bool {
    name == TEST || WORKSPACE_EVENTS.iter().any(|(event, _)| *event == name)
}

/// A part of the log, written out.
#[derive(Debug)]
pub struct Feed {
    pub items: Vec<String>,
    pub meta: FeedMeta,
}

/// A numbered event as it is stored.
#[derive(Debug)]
pub struct Numbered {
    pub seq: i64,
    pub kind: String,
    pub created_at: Instant,
    pub data: String,
}

skylight_db::from_row!(Numbered { seq, kind, created_at, data });

/// The events after a number. Numbers are given in one transaction at a time, which moves the head with them: what is
/// read up to a head is complete, and stays as it is.
pub async fn feed(db: &Db, scope: WorkspaceScope, query: &FeedQuery) -> Result<Feed> {
    let FeedQuery { after, limit, types } = query;
    let head = store::head(db, scope).await?;
    if *after > head {
        return Err(Error::field("after", "The after must not be greater than the number of the last event."));
    }
    let through = head.min(after.saturating_add(WINDOW));
    let found = store::numbered(db.long(), scope, *after, through, types.as_deref(), *limit).await?;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == *limit);
    let next_after = found.last().filter(|_| is_full).map_or(through, |last| last.seq);
    let meta = FeedMeta { next_after, has_more: next_after < head };
    Ok(Feed { items: found.iter().map(Numbered::written).collect(), meta })
}

impl Numbered {
    fn written(&self) -> String {
        written(&format!("\"seq\":{},\"event\":\"{}\"", self.seq, self.kind), self.created_at, &self.data)
    }
}

/// An event as others are told of it, by webhook and in the feed: what it is called there, when it happened, and its data
/// as it was recorded, compact, so that every telling has the same bytes, and parsing and writing it again changes nothing
/// either.
pub fn written(called: &str, at: Instant, data: &str) -> String {
    ["{", called, ",\"timestamp\":\"", &at.to_string(), "\",\"data\":", data, "}"].concat()
}
