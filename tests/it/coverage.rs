//! `docs/api-coverage.md`: every documented endpoint, where it is documented, whether it is there, and the story that tells of
//! it. Made from `docs/api-inventory.tsv`, the route table and `data/stories.tsv`; `RENEW=1` writes it.

use skylight::http::Route;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty())
}

/// The story of each operation.
fn stories() -> BTreeMap<String, String> {
    let mut stories = BTreeMap::new();
    for line in lines(include_str!("data/stories.tsv")).filter(|line| !line.starts_with('#')) {
        let (story, operations) = line.split_once('\t').unwrap_or_else(|| panic!("two columns: {line}"));
        for operation in operations.split_whitespace() {
            let other = stories.insert(operation.to_owned(), story.to_owned());
            assert!(other.is_none(), "{operation} has two stories in tests/it/data/stories.tsv");
        }
    }
    stories
}

/// The source that a story stands in.
fn source(story: &str) -> (String, String) {
    let (module, test) = story.split_once("::").unwrap_or_else(|| panic!("{story} is no module::test"));
    let path = format!("tests/it/{module}.rs");
    let text = fs::read_to_string(file(&path)).unwrap_or_else(|_| panic!("{story}: there is no {path}"));
    assert!(text.contains(&format!("fn {test}(")), "{story}: {path} has no such test");
    (path, text)
}

#[test]
fn every_route_has_a_story_and_every_story_names_what_its_route_does() {
    let mut stories = stories();
    for route in skylight::routes::all() {
        let story = stories.remove(route.operation);
        let story =
            story.unwrap_or_else(|| panic!("who tells of {}? Say it in tests/it/data/stories.tsv", route.operation));
        let (path, text) = source(&story);
        let said = route.path.split('/').filter(|segment| !segment.is_empty() && !segment.starts_with('{'));
        // The examples of a page stand beside their story.
        let text = if path.ends_with("/examples.rs") { text + &examples() } else { text };
        for segment in said {
            assert!(text.contains(segment), "{story} is said to tell of {}, but {path} has no {segment}", route.path);
        }
    }
    assert!(stories.is_empty(), "tests/it/data/stories.tsv names operations that are not there: {stories:?}");
}

fn examples() -> String {
    let files = fs::read_dir(file("tests/it/data/examples")).unwrap();
    files.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_table_of_coverage_is_up_to_date() {
    let table = written();
    let path = file("docs/api-coverage.md");
    if env::var("RENEW").is_ok_and(|renew| renew == "1") {
        fs::write(&path, &table).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == table,
        "docs/api-coverage.md is stale; renew it with\n\n    RENEW=1 cargo test --test it -- coverage::\n"
    );
}

fn written() -> String {
    let routes = skylight::routes::all();
    let stories = stories();
    let mut documented = BTreeSet::new();
    let (mut table, mut count, mut there) = (String::new(), 0, 0);
    let inventory = fs::read_to_string(file("docs/api-inventory.tsv")).unwrap();
    for line in lines(&inventory).filter(|line| !line.starts_with("##")) {
        if let Some(group) = line.strip_prefix("# ") {
            let _ = write!(table, "\n## {group}\n\n| endpoint | | documented in | story |\n|---|---|---|---|\n");
            continue;
        }
        let [method, path, origin, purpose] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        assert!(["seed", "changelog", "docs"].contains(&origin), "{line}");
        assert!(documented.insert((method.to_owned(), shape(path))), "twice: {line}");
        let route = routes.iter().find(|route| route.method == method && shape(route.path) == shape(path));
        count += 1;
        there += usize::from(route.is_some());
        let story = route.map_or_else(|| "not here yet".to_owned(), |route| told(route, &stories));
        let _ = writeln!(table, "| `{method} {path}` | {purpose} | {origin} | {story} |");
    }
    let _ = write!(table, "\n## Ours\n\nWhat the documentation leaves to a dashboard, and what operating needs.\n\n");
    let _ = write!(table, "| endpoint | | story |\n|---|---|---|\n");
    let ours = routes.iter().filter(|route| !documented.contains(&(route.method.to_string(), shape(route.path))));
    let mut ours: Vec<_> = ours.collect();
    ours.sort_by_key(|route| (route.path, route.method.to_string()));
    for route in &ours {
        let _ =
            writeln!(table, "| `{} {}` | {} | {} |", route.method, route.path, route.summary, told(route, &stories));
    }
    format!(
        "# What of the API is here\n\n\
         Written by `tests/it/coverage.rs` from `api-inventory.tsv` and the route table; `RENEW=1 cargo test --test it -- \
         coverage::` renews it.\n\n\
         {there} of {count} documented endpoints are here, and {} of our own. `seed` is described in full by the pages that this \
         product answers to, `changelog` is named by their changelog of v1.0.0, `docs` stands only in the wider documentation.\n\
         {table}",
        ours.len()
    )
}

/// A path without the names of what stands in it.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn told(route: &Route, stories: &BTreeMap<String, String>) -> String {
    match stories.get(route.operation) {
        Some(story) => {
            let module = story.split("::").next().unwrap_or_default();
            format!("[`{story}`](../tests/it/{module}.rs)")
        }
        None => "none".to_owned(),
    }
}
