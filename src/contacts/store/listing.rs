//! Lists of contacts: which ids stand on a page, and how many there are, by the index that serves the filter.
//!
//! Lists are cut out of their index by [`Db::below`], their ids first, so that no row is read that is only skipped.

use super::super::search::Asked;
use super::super::{Contact, Filter, Search};
use super::{COLUMNS, SEPARATOR, TAGS};
use crate::auth::WorkspaceScope;
use crate::kernel::Page;
use skylight_db::{Db, FromRow, Param, Read, Result, Row, Value, args, from_row};

/// A tag by its title.
#[derive(Debug)]
pub struct Tagged {
    pub id: i64,
    pub contacts_count: i64,
}

from_row!(Tagged { id, contacts_count });

pub async fn tag_named(db: &Db, scope: WorkspaceScope, title: &str) -> Result<Option<Tagged>> {
    db.opt(
        "SELECT id, contacts_count FROM tag WHERE workspace_id = $1 AND title = $2 AND deleted_at IS NULL",
        args![scope, title],
    )
    .await
}

/// A filter whose tag was found, and what the search index is asked.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub filter: &'a Filter,
    pub tag: Option<i64>,
    pub words: Option<Asked>,
}

impl Wanted<'_> {
    /// Whether many rows may be passed over for each that is shown: no index has them alone, or the part begins far down.
    fn passes_over_many(&self, part: Part) -> bool {
        let Filter { channel_type, blacklisted, .. } = self.filter;
        let is_picked_from = match self.tag {
            Some(_) => channel_type.is_some() || blacklisted.is_some(),
            None => *blacklisted == Some(false),
        };
        self.words.is_some() || is_picked_from || part.offset >= SOON
    }
}

/// So many rows of an index are passed over in no time.
const SOON: i64 = 1_000;

/// Which rows of a list are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub before: i64,
    pub limit: i64,
    pub offset: i64,
}

/// Ids of one row of `contact_block`.
const BLOCK: i64 = 8_192;

impl Part {
    /// So many rows hold this part: one of few numbers.
    fn most(self) -> i64 {
        let rows = self.limit.saturating_add(self.offset).unsigned_abs();
        rows.checked_next_power_of_two().and_then(|most| i64::try_from(most).ok()).unwrap_or(i64::MAX)
    }

    /// The same rows, counted from the end of a block that stands before them with everything above it.
    pub fn below_block(self, block: i64, passed: i64) -> Self {
        Self { before: self.before.min(block * BLOCK), offset: self.offset - passed, ..self }
    }
}

impl From<Page> for Part {
    fn from(page: Page) -> Self {
        Self { before: page.before().id, limit: page.limit(), offset: page.offset() }
    }
}

/// How many contacts tell a search what is rare.
const SAMPLE: i64 = 100;

/// The search texts of the newest contacts.
pub async fn newest_texts(db: &Db, scope: WorkspaceScope) -> Result<Vec<String>> {
    let below = db.below(&[("workspace_id", "$1"), ("id", "$2")]);
    let sql =
        format!("SELECT search_text FROM contact WHERE {below} ORDER BY workspace_id DESC, id DESC LIMIT {SAMPLE}");
    db.all(&sql, args![scope, i64::MAX]).await
}

pub async fn page(db: &Db, scope: WorkspaceScope, wanted: &Wanted<'_>, part: Part) -> Result<Vec<Contact>> {
    let mut sql = Text { db, values: vec![scope.value(), SEPARATOR.value()] };
    let text = match (&wanted.words, wanted.tag) {
        (None, None) if part.offset == 0 => sql.narrowed(&format!("{COLUMNS}, {TAGS}"), wanted.filter, part),
        _ => {
            let ids = sql.ids(wanted, part);
            format!("SELECT {COLUMNS}, {TAGS} FROM contact WHERE workspace_id = $1 AND id IN ({ids}) ORDER BY id DESC")
        }
    };
    match wanted.passes_over_many(part) {
        true => db.long().all(&text, &sql.values).await,
        false => db.all(&text, &sql.values).await,
    }
}

/// What a search finds is counted on the way as far as this.
const COUNTED: i64 = 1_024;

/// A page of what a search finds, and how many it finds if they are few: looking for them once is enough then.
pub async fn page_and_total(
    db: &Db,
    scope: WorkspaceScope,
    wanted: &Wanted<'_>,
    words: &Asked,
    part: Part,
) -> Result<(Vec<Contact>, Option<i64>)> {
    let mut sql = Text { db, values: vec![scope.value(), SEPARATOR.value()] };
    let counted = Part { limit: part.limit.max(COUNTED - part.offset), ..part };
    let found = sql.newest_found(wanted.filter, wanted.tag, words, counted);
    let limit = part.limit.unsigned_abs().next_power_of_two();
    let offset = sql.bind(Value::Int(part.offset));
    let text = format!(
        "WITH found (id) AS MATERIALIZED ({found})
         SELECT {COLUMNS}, {TAGS}, (SELECT COUNT(*) FROM found) FROM contact
         WHERE workspace_id = $1 AND id IN (SELECT id FROM found ORDER BY id DESC LIMIT {limit} OFFSET {offset})
         ORDER BY id DESC"
    );
    let mut rows: Vec<Counted> = db.long().all(&text, &sql.values).await?;
    rows.truncate(usize::try_from(part.limit).unwrap_or(usize::MAX));
    let total = rows.first().map(|row| row.of).filter(|total| *total < counted.most());
    Ok((rows.into_iter().map(|row| row.contact).collect(), total))
}

/// A contact, and of how many it is one.
struct Counted {
    contact: Contact,
    of: i64,
}

impl FromRow for Counted {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let mut cells = row.cells();
        Ok(Self { contact: super::contact(&mut cells)?, of: cells.next()? })
    }
}

pub async fn count(db: &Db, scope: WorkspaceScope, wanted: &Wanted<'_>) -> Result<i64> {
    let mut sql = Text { db, values: vec![scope.value()] };
    let found = match (&wanted.words, wanted.tag) {
        (Some(words), tag) => sql.found(wanted.filter, tag, words, i64::MAX).join(" UNION ALL "),
        (None, Some(tag)) => sql.tagged(wanted.filter, tag, i64::MAX),
        (None, None) => return count_blocks(sql, wanted.filter).await,
    };
    db.long().one(&format!("SELECT COUNT(*) FROM ({found}) AS found"), &sql.values).await
}

async fn count_blocks(mut sql: Text<'_>, filter: &Filter) -> Result<i64> {
    let conditions = sql.conditions(filter);
    let sum = "SELECT CAST(COALESCE(SUM(contacts), 0) AS BIGINT) FROM contact_block WHERE workspace_id = $1";
    sql.db.one(&format!("{sum}{conditions}"), &sql.values).await
}

/// The last block that stands whole before a place far down a list, and how many contacts stand before its end.
pub async fn skip_blocks(db: &Db, scope: WorkspaceScope, filter: &Filter, offset: i64) -> Result<Option<(i64, i64)>> {
    let mut sql = Text { db, values: vec![scope.value(), offset.value()] };
    let conditions = sql.conditions(filter);
    let text = format!(
        "SELECT block, CAST(passed AS BIGINT) FROM (
             SELECT block, SUM(SUM(contacts)) OVER (ORDER BY block DESC) AS passed
             FROM contact_block WHERE workspace_id = $1{conditions} GROUP BY block
         ) AS blocks
         WHERE passed <= CAST($2 AS BIGINT) ORDER BY block LIMIT 1"
    );
    db.opt(&text, &sql.values).await
}

/// Pieces of fixed SQL, and the values they compare with. `$1` is the workspace.
struct Text<'a> {
    db: &'a Db,
    values: Vec<Value<'a>>,
}

impl<'a> Text<'a> {
    fn bind(&mut self, value: Value<'a>) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    fn ids(&mut self, wanted: &'a Wanted<'a>, part: Part) -> String {
        match (&wanted.words, wanted.tag) {
            (Some(words), tag) => {
                let found = self.newest_found(wanted.filter, tag, words, part);
                let limit = self.limit(part);
                format!("SELECT id FROM ({found}) AS found ORDER BY id DESC {limit}")
            }
            (None, Some(tag)) => {
                let tagged = self.tagged(wanted.filter, tag, part.before);
                let limit = self.limit(part);
                format!(
                    "{tagged} ORDER BY contact_tag.workspace_id DESC, contact_tag.tag_id DESC, contact_tag.contact_id DESC {limit}"
                )
            }
            (None, None) => self.narrowed("id", wanted.filter, part),
        }
    }

    /// What a search finds, at least as far as a part of it goes. Each side stops by itself when it has enough. How much that
    /// is stands in the text: who plans it without knowing would plan it anew each time, which takes longer than it does.
    fn newest_found(&mut self, filter: &'a Filter, tag: Option<i64>, words: &'a Asked, part: Part) -> String {
        let sides = self.found(filter, tag, words, part.before);
        let most = part.most();
        let newest = sides.iter().map(|side| format!("SELECT id FROM ({side} ORDER BY id DESC LIMIT {most}) AS side"));
        newest.collect::<Vec<_>>().join(" UNION ALL ")
    }

    fn limit(&mut self, part: Part) -> String {
        let (limit, offset) = (self.bind(Value::Int(part.limit)), self.bind(Value::Int(part.offset)));
        format!("LIMIT {limit} OFFSET {offset}")
    }

    /// A list that neither a tag nor a search narrows.
    fn narrowed(&mut self, columns: &str, filter: &'a Filter, part: Part) -> String {
        let before = self.bind(Value::Int(part.before));
        let (blacklisted, limit) = (blacklisted(filter), self.limit(part));
        match &filter.channel_type {
            Some(channel_type) => {
                // The words of `contact_type_blacklisted`.
                let of_index =
                    filter.blacklisted.filter(|wanted| *wanted).map(|_| " AND CAST(blacklisted AS INTEGER) = 1");
                let blacklisted = of_index.unwrap_or(blacklisted);
                let of_type = self.bind(channel_type.value());
                let below = self.db.below(&[("workspace_id", "$1"), ("type", &of_type), ("id", &before)]);
                format!(
                    "SELECT {columns} FROM contact WHERE {below}{blacklisted}
                     ORDER BY workspace_id DESC, type DESC, id DESC {limit}"
                )
            }
            None => {
                let below = self.db.below(&[("workspace_id", "$1"), ("id", &before)]);
                format!(
                    "SELECT {columns} FROM contact WHERE {below}{blacklisted} ORDER BY workspace_id DESC, id DESC {limit}"
                )
            }
        }
    }

    /// Contacts with a tag.
    fn tagged(&mut self, filter: &'a Filter, tag: i64, before: i64) -> String {
        let (tag, before) = (self.bind(Value::Int(tag)), self.bind(Value::Int(before)));
        let conditions = self.conditions(filter);
        let below = self.db.below(&[
            ("contact_tag.workspace_id", "$1"),
            ("contact_tag.tag_id", &tag),
            ("contact_tag.contact_id", &before),
        ]);
        // Where nothing is asked of the contacts themselves, both engines leave them out.
        format!(
            "SELECT contact_tag.contact_id FROM contact_tag
             LEFT JOIN contact ON contact.workspace_id = contact_tag.workspace_id AND contact.id = contact_tag.contact_id
             WHERE {below}{conditions}"
        )
    }

    /// Contacts that a search finds: those of whom the index tells, those whose text must be looked at, and those the index
    /// does not know yet.
    fn found(&mut self, filter: &'a Filter, tag: Option<i64>, words: &'a Asked, before: i64) -> Vec<String> {
        let conditions = self.conditions(filter) + &self.with_tag(tag);
        let held = self.holding(filter);
        let told = words.told.as_ref().map(|asked| {
            self.bind(asked.value());
            match conditions.is_empty() {
                true => format!("{} WHERE TRUE", self.db.words().found("contact_gram", "grams", self.values.len())),
                false => self.known() + &conditions,
            }
        });
        let looked_at = words.looked_at.as_ref().map(|asked| {
            self.bind(asked.value());
            self.known() + &conditions + &held
        });
        let queue = "SELECT contact_id FROM contact_unindexed WHERE workspace_id = $1";
        let waiting = "contact.workspace_id = $1 AND contact.id = contact_unindexed.contact_id";
        let waiting = self.db.each_with("contact_unindexed", queue, "contact", waiting) + &conditions + &held;
        // Only a cursor begins somewhere: who plans a place without knowing it takes it for one far down.
        let place = (before < i64::MAX).then(|| self.bind(Value::Int(before)));
        let side = |id: &str, rows: String| {
            let behind = place.as_ref().map(|place| format!(" AND {id} < {place}")).unwrap_or_default();
            format!("SELECT {id} AS id FROM {rows}{behind}")
        };
        let indexed = told.into_iter().chain(looked_at).map(|rows| side("contact_gram.rowid", rows));
        indexed.chain([side("contact.id", waiting)]).collect()
    }

    /// Those of whom the index knows what the last value asks for, with their rows.
    fn known(&self) -> String {
        let of_row = "contact.workspace_id = $1 AND contact.id = contact_gram.rowid";
        self.db.words().joined("contact_gram", "grams", self.values.len(), "contact", of_row)
    }

    fn with_tag(&mut self, tag: Option<i64>) -> String {
        let Some(tag) = tag else { return String::new() };
        let tag = self.bind(Value::Int(tag));
        format!(
            " AND EXISTS (SELECT 1 FROM contact_tag WHERE contact_tag.workspace_id = $1
              AND contact_tag.contact_id = contact.id AND contact_tag.tag_id = {tag})"
        )
    }

    /// The search text itself is compared: the index knows a few characters at a time, in any order.
    fn holding(&mut self, filter: &'a Filter) -> String {
        let texts = filter.search.iter().flat_map(Search::texts);
        let held: Vec<_> = texts
            .map(|text| {
                let name = self.bind(text.value());
                self.db.words().holding("contact.search_text", &name)
            })
            .collect();
        format!(" AND ({})", held.join(" OR "))
    }

    /// What a filter says of the contact alone; blocks have these columns too.
    fn conditions(&mut self, filter: &'a Filter) -> String {
        let of_type = filter.channel_type.as_ref().map(|channel_type| self.bind(channel_type.value()));
        let of_type = of_type.map(|given| format!(" AND type = {given}")).unwrap_or_default();
        of_type + blacklisted(filter)
    }
}

fn blacklisted(filter: &Filter) -> &'static str {
    match filter.blacklisted {
        Some(true) => " AND blacklisted",
        Some(false) => " AND NOT blacklisted",
        None => "",
    }
}
