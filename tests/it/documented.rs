//! What the OpenAPI document says, for stories that hold the server to it.

use serde_json::{Value, json};
use skylight::http::Route;
use skylight_test_support::http::HttpResponse;
use std::sync::LazyLock;

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let routes = skylight::routes::all();
    serde_json::from_str(&skylight::routes::document(&routes)).unwrap()
});

/// One field of a body.
#[derive(Clone, Debug)]
pub struct Field {
    /// Dotted.
    pub path: String,
    /// `string`, `integer`, `boolean`, `array` or `object`.
    pub kind: String,
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// The most characters that a text may have.
    pub longest: Option<usize>,
    /// What its schema says beyond that.
    pub schema: Value,
}

impl Field {
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap()
    }
}

pub fn operation(route: &Route) -> &'static Value {
    &DOCUMENT["paths"][route.path][route.method.as_str().to_lowercase()]
}

/// [`assert_documented`] of the route with this operation's name.
#[track_caller]
pub fn assert_documents(operation: &str, answer: &HttpResponse) {
    let routes = skylight::routes::all();
    let route = routes.iter().find(|route| route.operation == operation);
    assert_documented(route.unwrap_or_else(|| panic!("no operation is called {operation}")), answer);
}

/// Whether the document says that this route may answer so, and what the answer then looks like.
#[track_caller]
pub fn assert_documented(route: &Route, answer: &HttpResponse) {
    let described = response(route, answer.status);
    assert!(described.is_object(), "{} does not document {}: {answer:?}", route.operation, answer.status);
    match described["content"]["application/json"].get("schema") {
        Some(schema) => {
            let mut faults = Vec::new();
            compare(schema, &answer.json(), "body", &mut faults);
            assert!(faults.is_empty(), "{} {}: {}\n{answer:?}", route.operation, answer.status, faults.join(", "));
        }
        None => assert_ne!(answer.header("content-type"), Some("application/json"), "{}: {answer:?}", route.operation),
    }
}

/// The answer with this status, as the document describes it; refusals are shared by the routes.
pub fn response(route: &Route, status: u16) -> &'static Value {
    let described = &operation(route)["responses"][status.to_string()];
    described["$ref"].as_str().map_or(described, referred)
}

/// Where a value is not what its schema says, down to keys that nobody documented.
pub fn compare(schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return compare(referred(name), value, place, faults);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |choice: &Value| {
            let mut faults = Vec::new();
            compare(choice, value, place, &mut faults);
            faults.is_empty()
        };
        if !choices.iter().any(fits) {
            faults.push(format!("{place} is none of its choices: {value}"));
        }
        return;
    }
    let mut known = serde_json::Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten().chain([schema]) {
        let part = resolved(part);
        known.extend(part["properties"].as_object().cloned().unwrap_or_default());
        for name in part["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                faults.push(format!("{place}.{name} is missing"));
            }
        }
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        faults.push(format!("{place} is not one of its words: {value}"));
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "integer" => value.is_i64(),
        kind => kind_of(value) == kind && !value.is_null(),
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        faults.push(format!("{place} is no {kinds:?}: {value}"));
    }
    let open = known.is_empty() || schema.get("additionalProperties").is_some();
    for (name, value) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match known.get(name) {
            Some(schema) => compare(schema, value, &place, faults),
            None if open => {}
            None => faults.push(format!("{place} is not documented")),
        }
    }
    for item in value.as_array().into_iter().flatten() {
        compare(&schema["items"], item, &format!("{place}[]"), faults);
    }
}

fn referred(name: &str) -> &'static Value {
    let pointer = name.strip_prefix('#').unwrap();
    DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{name} is not in the document"))
}

/// The documented fields of a route's body. What the document leaves open is read off an example.
pub fn fields(route: &Route, example: &Value) -> Vec<Field> {
    let schema = &operation(route)["requestBody"]["content"]["application/json"]["schema"];
    let mut fields = Vec::new();
    collect(schema, example, "", true, &mut fields);
    fields
}

/// Whether the object that the field belongs to is in the body.
pub fn can_hold(body: &Value, field: &Field) -> bool {
    match field.path.rsplit_once('.') {
        Some((parent, _)) => body.pointer(&format!("/{}", parent.replace('.', "/"))).is_some_and(Value::is_object),
        None => true,
    }
}

fn collect(schema: &Value, example: &Value, prefix: &str, parent_required: bool, fields: &mut Vec<Field>) {
    let schema = resolved(schema);
    let open = serde_json::Map::new();
    let properties = schema["properties"].as_object();
    // Without documented properties those of the example count, and are needed.
    let (named, required) = match properties {
        Some(properties) => (properties, schema["required"].as_array()),
        None => (example.as_object().unwrap_or(&open), None),
    };
    for (name, described) in named {
        let described = if properties.is_some() { resolved(described) } else { &Value::Null };
        let kind = kind(described).unwrap_or_else(|| kind_of(&example[name]));
        let nullable = properties.is_some_and(|properties| may_be_null(&properties[name]));
        let longest = described["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok());
        let required = parent_required && required.map_or(properties.is_none(), |all| all.iter().any(|n| n == name));
        let path = format!("{prefix}{name}");
        let schema = described.clone();
        fields.push(Field { path: path.clone(), kind: kind.to_owned(), required, nullable, longest, schema });
        if kind == "object" {
            collect(described, &example[name], &format!("{path}."), required || properties.is_none(), fields);
        }
    }
}

fn may_be_null(schema: &Value) -> bool {
    if ["type", "oneOf", "$ref"].iter().all(|key| schema.get(key).is_none()) {
        return true; // It is left open.
    }
    let says_null = |schema: &Value| schema["type"] == "null" || schema["type"] == json!(["null"]);
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    let kinds = schema["type"].as_array().into_iter().flatten();
    choices.chain([schema]).any(says_null) || kinds.into_iter().any(|kind| kind == "null")
}

/// Behind references, and without the null that says that a field may be left out.
fn resolved(schema: &Value) -> &Value {
    if let Some(name) = schema["$ref"].as_str() {
        return resolved(referred(name));
    }
    match schema["oneOf"].as_array() {
        Some(choices) => resolved(choices.iter().find(|choice| choice["type"] != "null").unwrap()),
        None => schema,
    }
}

fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

fn kind_of(example: &Value) -> &'static str {
    match example {
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        _ => "object",
    }
}
