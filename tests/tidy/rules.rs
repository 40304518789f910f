//! The rules. Each takes the tree and answers where it is broken; `WHY` says what to do instead.

use crate::source::{Source, Tree, is_word};
use std::collections::BTreeSet;

/// From the ground. A room imports from its own floor and from those below.
pub const FLOORS: &[&[&str]] = &[
    &["kernel"],
    &["config", "app", "migrations"],
    &["events", "jobs", "auth"],
    &["plans", "partners", "workspaces", "mail", "team"],
    &["contacts"],
    &["channels", "conversations"],
    &["bookings", "campaigns", "tickets", "agents", "knowledge", "media", "webchat", "voice"],
    &["webhooks", "usage"],
    &["http", "hub", "dashboard"],
    &["cli", "demo"],
];

/// The one exception: these parts of a room hold its routes and pages, so they may import the named faces.
const FACES: &[(&str, &[&str])] = &[("api", &["http"]), ("pages", &["http", "dashboard"])];

/// Where everything is put together.
const IMPORTS_ALL: &[&str] = &["src/lib.rs", "src/main.rs", "src/routes.rs", "src/http/routes.rs"];

pub const LONGEST: usize = 500;

pub const WHY_STORE: &str = "a room's tables are its own: ask the other room's verb, or let it grow one";
pub const WHY_SQL: &str = "SQL stands in store.rs (or store/) of a room, in crates/db and in migrations/, where each statement is prepared on both engines and checked for its workspace";
pub const WHY_FLOORS: &str = "imports go down or sideways, never up: let the upper room read the event log, or move the shared part down; a new room enters the table in tests/tidy/rules.rs";
pub const WHY_LONG: &str = "a file over 500 lines holds two things: split it by what a reader looks for";
pub const WHY_OUTSIDE: &str = "the clock and randomness come from `App` (src/app.rs, src/kernel/clock.rs, src/kernel/random.rs), so that a test can hold them still; calls out go through crates/outbound, which filters addresses";
pub const WHY_TENANT: &str = "a statement on a table of workspaces names `workspace_id` in its condition (or its columns, if it inserts); one that means all of them stands in a function whose name says `all_workspaces`";
pub const WHY_LEFTOVERS: &str =
    "unfinished code is not committed, and a lint is silenced with #[expect(…, reason = \"…\")]";

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

pub fn foreign_stores(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for source in tree.under("src/") {
        let home = source.home(tree);
        for (at, path) in source.paths() {
            if let Some(depth) = path.iter().position(|part| part == "store").filter(|depth| *depth > 0)
                && path[..depth] != home
            {
                broken.push(format!("{}: crate::{}::store", source.place(at), path[..depth].join("::")));
            }
        }
    }
    broken
}

pub fn sql_outside_stores(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for source in tree.under("src/").chain(tree.under("crates/")) {
        if source.path.starts_with("crates/db/") || source.is_part("store") {
            continue;
        }
        for literal in source.literals.iter().filter(|l| is_sql(&l.text)) {
            let start: String = literal.text.trim_start().chars().take(50).collect();
            broken.push(format!("{}: {}", source.place(literal.at), start.replace('\n', " ")));
        }
    }
    broken
}

/// Upper-case SQL by its first word; lower-case SQL only when its shape leaves no doubt that it is no sentence.
fn is_sql(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((&first, rest)) = words.split_first() else { return false };
    let second = rest.first().copied().unwrap_or("");
    match first {
        "SELECT" | "INSERT" | "UPDATE" | "WITH" => !rest.is_empty() || text.ends_with(char::is_whitespace),
        "DELETE" => second == "FROM" || text.ends_with(char::is_whitespace), // "DELETE /contacts" is a route
        "CREATE" | "ALTER" | "DROP" => matches!(second, "TABLE" | "INDEX" | "UNIQUE" | "VIEW" | "TRIGGER"),
        "PRAGMA" => true,
        "insert" => second == "into",
        "delete" => second == "from",
        "select" => rest.contains(&"from") && (rest.contains(&"where") || text.contains('$')),
        "update" => rest.contains(&"set") && (rest.contains(&"where") || text.contains('$')),
        _ => false,
    }
}

pub fn floors(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let mut unknown = BTreeSet::new();
    for source in tree.under("src/") {
        let Some(room) = source.room() else { continue };
        if IMPORTS_ALL.contains(&source.path.as_str()) {
            continue;
        }
        let Some(own) = floor(room) else {
            unknown.insert(format!("{}: the room `{room}` is not in the table of floors", source.path));
            continue;
        };
        for (at, path) in source.paths() {
            let Some(other) = path.first().filter(|first| floor(first).is_some_and(|f| f > own)) else { continue };
            let face = FACES.iter().any(|(part, faces)| source.is_part(part) && faces.contains(&other.as_str()));
            if !face {
                broken.push(format!("{}: `{room}` imports crate::{other} from above", source.place(at)));
            }
        }
    }
    broken.extend(unknown);
    broken
}

pub fn long_files(tree: &Tree) -> Vec<String> {
    let lines = |s: &Source| s.text.lines().count();
    tree.rust.iter().filter(|s| lines(s) > LONGEST).map(|s| format!("{}: {} lines", s.path, lines(s))).collect()
}

pub fn outside_world(tree: &Tree) -> Vec<String> {
    const AMBIENT: &[&str] = &[
        "SystemTime::now",
        "Timestamp::now",
        "Zoned::now",
        "rand::rng",
        "rand::make_rng",
        "rand::random",
        "thread_rng",
    ];
    const SOCKETS: &[&str] =
        &["TcpStream::connect", "UnixStream::connect", "hyper_util::client", "hyper::client", "reqwest"];
    let mut broken = Vec::new();
    let mut database_clocks = BTreeSet::new();
    for source in tree.under("src/").chain(tree.under("crates/").filter(|s| s.path.contains("/src/"))) {
        let path = source.path.as_str();
        let owns_ambient = matches!(path, "src/app.rs" | "src/kernel/clock.rs" | "src/kernel/random.rs");
        if !owns_ambient && !path.starts_with("src/app/") {
            for what in AMBIENT {
                for at in source.find(what) {
                    // The database stamps its migrations, in one file.
                    if path.starts_with("crates/db/") && *what == "SystemTime::now" {
                        database_clocks.insert(path);
                        if database_clocks.len() == 1 {
                            continue;
                        }
                    }
                    broken.push(format!("{}: {what}", source.place(at)));
                }
            }
        }
        if path.starts_with("src/") {
            for what in SOCKETS {
                let outside_tests = source.find(what).filter(|&at| !source.in_tests(at));
                broken.extend(outside_tests.map(|at| format!("{}: {what}", source.place(at))));
            }
        }
    }
    broken
}

pub fn unscoped_statements(tree: &Tree) -> Vec<String> {
    let tables = tenant_tables(tree);
    let mut broken = Vec::new();
    for source in tree.under("src/").filter(|s| s.is_part("store")) {
        for (at, text) in statements(source) {
            let words = sql_words(&text);
            let touched = words.iter().zip(words.iter().skip(1)).find_map(|(before, word)| {
                let named =
                    matches!(before.to_ascii_uppercase().as_str(), "FROM" | "JOIN" | "INTO" | "UPDATE" | "USING" | ",");
                (named && tables.contains(word)).then_some(word)
            });
            let Some(table) = touched else { continue };
            if !names_workspace(&words) && !source.holder(at).to_lowercase().contains("all_workspaces") {
                broken.push(format!(
                    "{}: `{}` reaches `{table}` of every workspace",
                    source.place(at),
                    source.holder(at)
                ));
            }
        }
    }
    broken
}

/// The statements of a file; the pieces of a `concat!` are one.
fn statements(source: &Source) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut joined_until = 0;
    for literal in &source.literals {
        let between = &source.code[joined_until.min(literal.at)..literal.at];
        let continues = joined_until > 0 && between.chars().all(|c| c.is_whitespace() || matches!(c, '"' | ','));
        let opens = source.code[..literal.at].trim_end().ends_with("concat!(");
        match found.last_mut() {
            Some((_, text)) if continues => text.push_str(&literal.text),
            _ => found.push((literal.at, literal.text.clone())),
        }
        let end = literal.at + 1 + source.code[literal.at + 1..].find('"').map_or(0, |i| i + 1);
        joined_until = if opens || continues { end } else { 0 };
    }
    found.retain(|(_, text)| is_sql(text));
    found
}

fn sql_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut fresh = true;
    for c in text.chars() {
        if is_word(c) {
            if fresh {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(c);
            }
        } else if c == ',' || c == '(' {
            words.push(c.to_string());
        }
        fresh = !is_word(c);
    }
    words
}

fn names_workspace(words: &[String]) -> bool {
    let is = |word: &String, options: &[&str]| options.contains(&word.to_ascii_uppercase().as_str());
    let names = |words: &[String]| words.iter().any(|w| w == "workspace_id");
    match words.iter().position(|w| is(w, &["WHERE", "ON", "USING"])) {
        _ if words.iter().any(|w| is(w, &["INSERT"])) => names(words),
        Some(condition) => names(&words[condition..]),
        None => false,
    }
}

/// Tables whose CREATE TABLE (or a later ADD COLUMN) has a column `workspace_id`.
pub fn tenant_tables(tree: &Tree) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for (_, text) in &tree.migrations {
        let plain: String = text.lines().map(|l| l.split("--").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
        for statement in plain.split(';') {
            let words = sql_words(statement);
            let upper: Vec<String> = words.iter().map(|w| w.to_ascii_uppercase()).collect();
            let is_table = upper.first().is_some_and(|w| w == "CREATE" || w == "ALTER")
                && upper.get(1).is_some_and(|w| w == "TABLE");
            let name =
                words.iter().zip(&upper).skip(2).find(|(_, u)| !["IF", "NOT", "EXISTS", "ONLY"].contains(&u.as_str()));
            // A column's name opens the body, or follows a comma, or ADD [COLUMN].
            let column = upper
                .windows(2)
                .any(|w| w[1] == "WORKSPACE_ID" && matches!(w[0].as_str(), "(" | "," | "ADD" | "COLUMN"));
            if let (true, Some((name, _))) = (is_table && column, name) {
                tables.insert(name.clone());
            }
        }
    }
    tables
}

pub fn leftovers(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for source in &tree.rust {
        for what in ["todo!", "unimplemented!", "dbg!", "#[allow", "#![allow"] {
            broken.extend(source.find(what).map(|at| format!("{}: {what}", source.place(at))));
        }
    }
    broken
}
