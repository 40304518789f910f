//! Bad samples that each rule must catch, and good ones that look alike.

use crate::rules;
use crate::source::{Source, Tree};

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        if path.ends_with(".sql") {
            tree.migrations.push((path.to_string(), text.to_string()));
        } else {
            tree.rust.push(Source::new(path, text.to_string()));
        }
    }
    tree
}

/// The rule finds something in exactly these lines of the sample.
#[track_caller]
fn finds(rule: fn(&Tree) -> Vec<String>, path: &str, text: &str, lines: &[usize]) {
    let mut found: Vec<usize> = rule(&tree(&[(path, text)]))
        .iter()
        .map(|f| f.split(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(0))
        .collect();
    found.sort();
    found.dedup();
    assert_eq!(found, lines, "{path}:\n{text}");
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = r###"
// use crate::a::store;
/* dbg! /* nested */ todo! */
let s = "// \" not a comment, todo!(";
let r = r#"raw " todo!"#;
let c = ('"', '\'', '\u{1F600}', b'"');
fn f<'a>(x: &'a str) -> char { '{' }
dbg!(1);
let m = "two
lines";
todo!();
"###;
    let source = Source::new("src/x.rs", text.into());
    assert_eq!(source.code.len(), text.len());
    assert_eq!(source.code.matches("todo!").count(), 1);
    assert_eq!(
        source.literals.iter().map(|l| l.text.as_str()).collect::<Vec<_>>()[1..],
        ["raw \" todo!", "two\nlines"]
    );
    finds(rules::leftovers, "src/x.rs", text, &[8, 11]);
}

#[test]
fn a_foreign_store_is_found_in_every_spelling() {
    let text = "use crate::contacts::store;
use crate::{events, contacts::{Contact, store as s}};
fn f() { crate::contacts::store::get() }
use super::super::contacts::store::get;
use super::{super::contacts, store};
use super::store;
use crate::bookings::store::mine;
use crate::contacts::{storefront, create};
// use crate::contacts::store;
mod tests { use super::super::super::contacts::{store}; }
";
    finds(rules::foreign_stores, "src/bookings/api.rs", text, &[1, 2, 3, 4, 10]);
    finds(rules::foreign_stores, "src/contacts/mod.rs", "use crate::contacts::store; use self::store::x;", &[]);
}

#[test]
fn a_room_in_a_room_has_a_store_of_its_own() {
    let outer = "use super::store;\nuse crate::contacts::groups::store::find;\n";
    let inner = "use super::store;\nuse crate::contacts::store;\nuse super::super::store::page;\n";
    let tree = tree(&[
        ("src/contacts/store.rs", ""),
        ("src/contacts/search.rs", outer),
        ("src/contacts/groups/store/mod.rs", ""),
        ("src/contacts/groups/clear.rs", inner),
        ("src/contacts/api/parts.rs", "use crate::contacts::store;\nuse super::super::groups::store;\n"),
    ]);
    assert_eq!(
        rules::foreign_stores(&tree),
        [
            "src/contacts/search.rs:2: crate::contacts::groups::store",
            "src/contacts/groups/clear.rs:2: crate::contacts::store",
            "src/contacts/groups/clear.rs:3: crate::contacts::store",
            "src/contacts/api/parts.rs:2: crate::contacts::groups::store",
        ]
    );
}

#[test]
fn sql_is_found_outside_stores() {
    let text = "let a = \"
        SELECT id FROM contacts\";
let b = r#\"INSERT INTO x VALUES (1)\"#;
let c = \"UPDATE x SET y = 1\"; let route = \"DELETE /contacts/{id}\";
let d = format!(\"DELETE FROM {t}\");
let e = \"WITH a AS (SELECT 1) SELECT\";
let f = \"select id from contacts where id = $1\";
let g = \"Select a contact from the list\"; let h = \"Updated\"; let i = \"with a contact\"; let j = \"UPDATED x\";
// \"SELECT 1\"
";
    for path in ["src/contacts/mod.rs", "src/contacts/storefront.rs", "crates/outbound/src/lib.rs"] {
        finds(rules::sql_outside_stores, path, text, &[1, 3, 4, 5, 6, 7]);
    }
    for path in ["src/contacts/store.rs", "src/contacts/store/list.rs", "crates/db/src/x.rs", "tests/journey.rs"] {
        finds(rules::sql_outside_stores, path, text, &[]);
    }
}

#[test]
fn imports_from_above_are_found() {
    let text = "use crate::kernel::Phone;
use crate::{auth::Caller, webhooks};
fn f(x: crate::http::Page) {}
use super::super::bookings;
use crate::channels::send;
";
    finds(rules::floors, "src/conversations/mod.rs", text, &[2, 3]);
    finds(rules::floors, "src/conversations/jobs.rs", text, &[2, 3, 4]);
    finds(rules::floors, "src/conversations/api.rs", text, &[2, 4]);
    finds(rules::floors, "src/conversations/api/list.rs", "use crate::http::Page;\nuse crate::cli::x;", &[2]);
    finds(rules::floors, "src/contacts/pages.rs", "use crate::dashboard::Layout;\nuse crate::hub::x;", &[2]);
    finds(rules::floors, "src/kernel/mod.rs", "use crate::app::App;", &[1]);
    for path in ["src/lib.rs", "src/main.rs", "src/routes.rs", "src/http/routes.rs", "src/cli/mod.rs"] {
        finds(rules::floors, path, text, &[]);
    }
}

#[test]
fn an_unknown_room_is_found() {
    for path in ["src/helpers.rs", "src/utils/mod.rs", "src/bin/tool.rs"] {
        let broken = rules::floors(&tree(&[(path, "")]));
        assert_eq!(broken.len(), 1, "{path}");
        assert!(broken[0].contains("not in the table"), "{broken:?}");
    }
    let mut rooms: Vec<&str> = rules::FLOORS.concat();
    rooms.sort();
    rooms.dedup();
    assert_eq!(rooms.len(), rules::FLOORS.concat().len(), "a room stands on one floor");
}

#[test]
fn long_files_are_found() {
    for path in ["src/contacts/mod.rs", "crates/db/src/lib.rs", "tests/journey.rs", "benches/load.rs"] {
        assert_eq!(rules::long_files(&tree(&[(path, &"\n".repeat(rules::LONGEST))])).len(), 0);
        assert_eq!(rules::long_files(&tree(&[(path, &"\n".repeat(rules::LONGEST + 1))])).len(), 1);
    }
}

#[test]
fn the_outside_world_is_found() {
    let text = "let a = std::time::SystemTime::now();
let b = jiff::Timestamp::now();
let c = rand::rng();
let d: u8 = rand::random();
let e = thread_rng();
let f = Instant::now(); use rand::rngs::StdRng; let g = \"SystemTime::now\";
let h = TcpStream::connect(x);
use hyper_util::client::legacy::Client;
use reqwest::Client;
#[cfg(test)]
mod tests { fn f() { TcpStream::connect(x); } }
";
    finds(rules::outside_world, "src/webhooks/jobs.rs", text, &[1, 2, 3, 4, 5, 7, 8, 9]);
    finds(rules::outside_world, "src/kernel/clock.rs", text, &[7, 8, 9]);
    finds(rules::outside_world, "src/app/mod.rs", text, &[7, 8, 9]);
    finds(rules::outside_world, "crates/outbound/src/lib.rs", text, &[1, 2, 3, 4, 5]);
    finds(rules::outside_world, "crates/db/src/migrate.rs", text, &[2, 3, 4, 5]);
    finds(rules::outside_world, "tests/journey.rs", text, &[]);
    let clock = "SystemTime::now()";
    let two = tree(&[("crates/db/src/a.rs", clock), ("crates/db/src/b.rs", clock)]);
    assert_eq!(rules::outside_world(&two), ["crates/db/src/b.rs:1: SystemTime::now"]);
}

const SCHEMA: &str = "-- CREATE TABLE nothing (workspace_id BIGINT);
CREATE TABLE workspaces (id BIGINT PRIMARY KEY, partner_id BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS contacts (
    id {{id}},
    workspace_id BIGINT NOT NULL REFERENCES workspaces (id), -- its owner
    name TEXT NOT NULL CHECK (length(name) > 0)
);
create table tags (workspace_id BIGINT, name TEXT);
CREATE INDEX contacts_by_name ON contacts (workspace_id, name);
CREATE TABLE plans (id BIGINT);
ALTER TABLE plans ADD COLUMN price BIGINT;
CREATE TABLE notes (id BIGINT);
ALTER TABLE notes ADD COLUMN workspace_id BIGINT;
";

#[test]
fn tables_of_workspaces_are_read_from_the_migrations() {
    let tables = rules::tenant_tables(&tree(&[("migrations/0001_first.sql", SCHEMA)]));
    assert_eq!(tables.into_iter().collect::<Vec<_>>(), ["contacts", "notes", "tags"]);
}

#[test]
fn statements_without_their_workspace_are_found() {
    let text = "fn one() { q(\"SELECT name FROM contacts WHERE workspace_id = $1 AND id = $2\") }
fn two() { q(\"SELECT workspace_id, name FROM contacts WHERE id = $1\") }
fn three() { q(\"SELECT w.id FROM workspaces w JOIN tags t ON t.name = w.name\") }
fn all_workspaces_four() { q(\"DELETE FROM contacts WHERE id = $1\") }
fn five() { q(\"INSERT INTO tags (workspace_id, name) VALUES ($1, $2)\") }
fn six() { q(\"INSERT INTO tags (name) VALUES ($1)\") }
fn seven() { q(\"UPDATE contacts SET name = $1\") }
fn eight() { q(\"SELECT id FROM workspaces WHERE id = $1\") }
const NINE: &str = \"SELECT 1 FROM plans, contacts\";
const TEN: &str = concat!(\"SELECT name \", \"FROM contacts \", \"WHERE id = $1\");
const ELEVEN: &str = concat!(\"SELECT name FROM contacts \", \"WHERE workspace_id = $1\");
const OLDEST_ALL_WORKSPACES: &str = \"SELECT min(id) FROM contacts\";
static ALL: &'static str = \"SELECT min(id) FROM contacts\";
fn all_workspaces_a(map: fn(&Row) -> [u8; 4]) { q(\"SELECT min(id) FROM contacts\") }
static ALL_WORKSPACES: &'static str = \"SELECT min(id) FROM contacts\";
fn b(hash: [u8; 32]) where X: Fn(u8) { if x { q(\"SELECT min(id) FROM contacts\") } }
fn all_workspaces_c(hash: [u8; 32]) -> X { q(\"SELECT min(id) FROM contacts\") }
fn twelve() { fn all_workspaces() {} q(\"select id from tags where name = $1\") }
fn thirteen() { q(r#\"WITH gone AS (DELETE FROM notes WHERE workspace_id = $1 RETURNING id) SELECT id FROM gone\"#) }
";
    let lines = [2, 3, 6, 7, 9, 10, 13, 16, 18];
    for path in ["src/contacts/store.rs", "src/contacts/store/list.rs"] {
        let broken = rules::unscoped_statements(&tree(&[("migrations/0001_first.sql", SCHEMA), (path, text)]));
        let found: Vec<usize> = broken.iter().filter_map(|f| f.split(':').nth(1)?.parse().ok()).collect();
        assert_eq!(found, lines, "{broken:#?}");
    }
}

#[test]
fn leftovers_are_found_everywhere() {
    let text = "#![allow(dead_code)]
fn f() { todo!() }
fn g() { unimplemented!(\"x\") }
fn h() { dbg!(1); }
#[allow(unused)]
#[expect(unused, reason = \"x\")]
fn my_todo() {}
";
    for path in ["src/lib.rs", "crates/db/src/lib.rs", "tests/journey.rs", "benches/load.rs"] {
        finds(rules::leftovers, path, text, &[1, 2, 3, 4, 5]);
    }
}
