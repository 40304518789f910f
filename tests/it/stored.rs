//! What the database holds, row by row, for stories that claim "and nothing was stored".

use crate::world::{Engine, World};
use skylight_db::{Read, args};
use skylight_test_support::wait::until;
use std::collections::{BTreeMap, BTreeSet};

/// The rows of every table, as text.
pub type Rows = BTreeMap<String, BTreeSet<String>>;

/// Rows that come and go by themselves: heartbeats, leases, counted requests (which refused ones are, too), and pieces of
/// SQLite's search index, which are put together; `contact_gram_docsize` says which contacts are in it.
const RESTLESS: &[&str] = &["node", "job_lane", "rate_window", "contact_gram_data", "contact_gram_idx"];

/// Likewise: when keys were last used is noted whoever calls.
const RESTLESS_COLUMNS: &[&str] = &["last_used_at"];

/// Waits until the background has nothing left to do that answers show.
pub async fn at_rest(world: &World) {
    let read = &world.app.db;
    until("the background is at rest", async || {
        let unnumbered: i64 = read.one("SELECT COUNT(*) FROM event WHERE seq IS NULL", args![]).await.unwrap();
        let due = world.app.now();
        // Lanes that rest (their webhook is paused, say) are at rest.
        let jobs = "SELECT COUNT(*) FROM job JOIN job_lane ON job_lane.id = job.lane_id
             WHERE job.run_at <= $1 AND job_lane.not_before <= $1";
        let jobs: i64 = read.one(jobs, args![due]).await.unwrap();
        if unnumbered + jobs == 0 { Ok(()) } else { Err(format!("{unnumbered} events, {jobs} jobs")) }
    })
    .await;
}

/// Waits until the background has nothing to do, and reads all rows.
pub async fn rows(world: &World) -> Rows {
    at_rest(world).await;
    let read = &world.app.db;
    // Whether a contact is indexed shows in the rows, but in no answer.
    until("every contact is indexed", async || {
        let unindexed: i64 = read.one("SELECT COUNT(*) FROM contact_unindexed", args![]).await.unwrap();
        if unindexed == 0 { Ok(()) } else { Err(format!("{unindexed} contacts to be indexed")) }
    })
    .await;
    let mut rows = Rows::new();
    for (table, columns) in tables(world).await {
        let text = match world.engine {
            Engine::Sqlite => columns.iter().map(|c| format!("quote({c})")).collect::<Vec<_>>().join(" || ' | ' || "),
            Engine::Postgres => format!("CAST(ROW({}) AS TEXT)", columns.join(", ")),
        };
        // That somebody was refused is noted, whatever they asked for.
        let kept = if table == "audit_entry" { " WHERE result <> 'refused'" } else { "" };
        let found: Vec<String> = read.all(&format!("SELECT {text} FROM {table}{kept}"), args![]).await.unwrap();
        rows.insert(table, found.into_iter().collect());
    }
    rows
}

async fn tables(world: &World) -> Vec<(String, Vec<String>)> {
    let sql = match world.engine {
        Engine::Sqlite => {
            "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid"
        }
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
             WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        }
    };
    let all: Vec<(String, String)> = (&world.app.db).all(sql, args![]).await.unwrap();
    let mut tables = BTreeMap::<String, Vec<String>>::new();
    for (table, column) in all.into_iter().filter(|(_, column)| !RESTLESS_COLUMNS.contains(&column.as_str())) {
        tables.entry(table).or_default().push(column);
    }
    assert!(tables.contains_key("contact") && tables.contains_key("idempotency"), "the tables are listed");
    tables.into_iter().filter(|(table, _)| !RESTLESS.contains(&table.as_str())).collect()
}

/// Panics with the rows that came or went.
#[track_caller]
pub fn assert_same(before: &Rows, after: &Rows) {
    let mut changes = Vec::new();
    for (table, rows) in after {
        let known = &before[table];
        changes.extend(rows.difference(known).map(|row| format!("+ {table}: {row}")));
        changes.extend(known.difference(rows).map(|row| format!("- {table}: {row}")));
    }
    assert!(changes.is_empty(), "something was stored:\n{}", changes.join("\n"));
}
