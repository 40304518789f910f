//! What the OpenAPI document says, for stories that hold the server to it.

use serde_json::Value;
use skylight::http::Route;
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
}

impl Field {
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap()
    }
}

pub fn operation(route: &Route) -> &'static Value {
    &DOCUMENT["paths"][route.path][route.method.as_str().to_lowercase()]
}

/// The documented fields of a route's body. What the document leaves open is read off an example.
pub fn fields(route: &Route, example: &Value) -> Vec<Field> {
    let schema = &operation(route)["requestBody"]["content"]["application/json"]["schema"];
    let mut fields = Vec::new();
    collect(schema, example, "", true, &mut fields);
    fields
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
        let required = parent_required && required.map_or(properties.is_none(), |all| all.iter().any(|n| n == name));
        let path = format!("{prefix}{name}");
        fields.push(Field { path: path.clone(), kind: kind.to_owned(), required });
        if kind == "object" {
            collect(described, &example[name], &format!("{path}."), required || properties.is_none(), fields);
        }
    }
}

/// Behind references, and without the null that says that a field may be left out.
fn resolved(schema: &Value) -> &Value {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').unwrap();
        return resolved(DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{name} is not in the document")));
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
