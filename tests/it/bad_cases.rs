//! The cases of bad input, as they stand in `data/`: bodies that are no JSON, values that fields cannot have, queries, ids in
//! paths, media types, and frames with their headers and credentials.

use crate::documented::Field;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

fn read(file: &str) -> Value {
    serde_json::from_str(file).unwrap()
}

/// By kind of parameter, what is refused; and what is ignored everywhere.
pub static QUERIES: LazyLock<Value> = LazyLock::new(|| read(include_str!("data/bad_queries.json")));
/// Requests that are wrong outside of their body: `lines` are added to the head, `query` to the path. `frames` says what the
/// body is framed by, in place of its right length.
pub static FRAMES: LazyLock<Value> = LazyLock::new(|| read(include_str!("data/bad_frames.json")));

pub fn media_types() -> Vec<String> {
    serde_json::from_str(include_str!("data/bad_media_types.json")).unwrap()
}

/// Texts that name nothing of one's own, though some look like it.
pub fn unknown_ids(own: &str, foreign: &str) -> Vec<String> {
    let encoded: String = own.bytes().map(|digit| format!("%{digit:02X}")).collect();
    let cases = read(include_str!("data/bad_ids.json"));
    let cases = cases.as_object().unwrap().values().map(|case| case.as_str().unwrap());
    let filled = |case: &str| case.replace("{own}", own).replace("{foreign}", foreign).replace("{encoded}", &encoded);
    cases.map(filled).collect()
}

pub struct BadBody {
    pub status: u16,
    pub code: String,
    pub name: String,
    pub bytes: Vec<u8>,
}

pub fn bad_bodies() -> Vec<BadBody> {
    let lines = include_str!("data/bad_bodies.tsv").lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let [status, code, name, body] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        BadBody { status: status.parse().unwrap(), code: code.into(), name: name.into(), bytes: unescaped(body) }
    };
    lines.map(read).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend(plain.bytes());
        let taken = match escape.as_bytes()[0] {
            b'x' => u8::from_str_radix(&escape[1..3], 16).map(|byte| (byte, 3)).unwrap(),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'\\' => (b'\\', 1),
            other => panic!("unknown escape {other}"),
        };
        bytes.push(taken.0);
        rest = &escape[taken.1..];
    }
    bytes.extend(rest.bytes());
    bytes
}

static WRONG: LazyLock<Value> = LazyLock::new(|| read(include_str!("data/wrong_values.json")));

/// Values of other types, and values that a field of this name cannot have.
pub fn wrong_values(field: &Field) -> Vec<Value> {
    let of = |group: &str, name: &str| WRONG[group][name].as_array().cloned().unwrap_or_default();
    let mut values = of("kinds", &field.kind);
    assert!(!values.is_empty(), "no wrong values for a {}", field.kind);
    values.extend(of("fields", field.name()));
    // Numbers that are words of this field, and arrays of what could be ids, are not wrong.
    let is_word = |value: &Value| field.schema["enum"].as_array().is_some_and(|words| words.contains(value));
    let could_be_ids = |value: &Value| field.schema["items"]["type"] == "integer" && *value == json!([5]);
    let is_least = |value: &Value| field.schema["minimum"] == *value;
    values.retain(|value| !is_word(value) && !could_be_ids(value) && !is_least(value));
    let long = "x".repeat(field.longest.unwrap_or_default().max(19_999) + 1);
    match field.kind.as_str() {
        "string" => values.push(json!(long)),
        "array" => {
            values.push(json!([long]));
            values.push(json!((0..101).map(|n| format!("item-{n}")).collect::<Vec<_>>()));
        }
        _ => {}
    }
    values
}

/// A path with one more piece of a query: some routes cannot be called without one.
pub fn with_query(path: &str, query: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}{query}")
}

pub fn put(body: &mut Value, field: &Field, value: Value) {
    let (parent, name) = parent(body, field);
    parent[name] = value;
}

pub fn remove(body: &mut Value, field: &Field) {
    let (parent, name) = parent(body, field);
    parent.as_object_mut().unwrap().remove(name);
}

fn parent<'a>(body: &'a mut Value, field: &'a Field) -> (&'a mut Value, &'a str) {
    match field.path.rsplit_once('.') {
        Some((parent, name)) => (body.pointer_mut(&format!("/{}", parent.replace('.', "/"))).unwrap(), name),
        None => (body, &field.path),
    }
}

#[test]
fn there_are_many_cases_and_none_twice() {
    let strings = |value: &Value| -> Vec<String> { value.as_array().unwrap().iter().map(Value::to_string).collect() };
    let grouped = |file: &str, value: &Value| -> Vec<String> {
        let groups = value.as_object().unwrap().iter();
        groups
            .flat_map(|(group, cases)| strings(cases).into_iter().map(move |case| format!("{group} {case}")))
            .map(|case| format!("{file} {case}"))
            .collect()
    };
    let ids = read(include_str!("data/bad_ids.json"));
    let files = [
        ("bodies", bad_bodies().into_iter().map(|case| case.name).collect()),
        ("values by kind", grouped("kinds", &WRONG["kinds"])),
        ("values by field", grouped("fields", &WRONG["fields"])),
        ("queries", grouped("refused", &QUERIES["refused"])),
        ("frames", FRAMES.as_array().unwrap().iter().map(|case| case["name"].to_string()).collect::<Vec<_>>()),
        ("media types", media_types()),
        ("ids", ids.as_object().unwrap().keys().cloned().collect()),
    ];
    let mut distinct = BTreeSet::new();
    for (file, cases) in files {
        println!("{:>4} {file}", cases.len());
        for case in cases {
            assert!(distinct.insert(format!("{file}: {case}")), "{file} has {case} twice");
        }
    }
    println!("{:>4} cases of bad input", distinct.len());
    assert!(distinct.len() >= 80, "{} cases", distinct.len());
}
