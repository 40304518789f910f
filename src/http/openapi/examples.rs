//! Examples of answers, put together from what the schemas say of their fields. A field says its own
//! (`#[schema(example = …)]`), so that a row of the route table needs none.

use serde_json::{Map, Value, json};

const SCHEMAS: &str = "#/components/schemas/";

/// A value that the schema describes. Answers the place that has no example where there is none.
pub fn of(schema: &Value, schemas: &Map<String, Value>) -> Result<Value, String> {
    if let Some(own) = own_example(schema) {
        return Ok(own.clone());
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|at| at.strip_prefix(SCHEMAS)) {
        let referred = schemas.get(name).ok_or_else(|| format!("{name} (no such schema)"))?;
        return of(referred, schemas).map_err(|place| format!("{name}{place}"));
    }
    if let Some(word) = schema["enum"].get(0) {
        return Ok(word.clone());
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return merged(parts, schemas);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let said = choices.iter().find(|choice| choice["type"] != "null");
        return said.map_or(Ok(Value::Null), |choice| of(choice, schemas));
    }
    of_type(schema, schemas)
}

/// An answer's example with other values in its data; in each item, if the data is a list.
pub fn showing(mut answer: Value, shown: &[Value]) -> Value {
    for values in shown {
        match &mut answer["data"] {
            Value::Array(items) => items.iter_mut().for_each(|item| overlay(item, values)),
            data => overlay(data, values),
        }
    }
    answer
}

/// Puts other values into an example.
pub fn overlay(target: &mut Value, values: &Value) {
    match (target, values) {
        (Value::Object(target), Value::Object(values)) => {
            for (name, value) in values {
                overlay(target.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (target, value) => *target = value.clone(),
    }
}

fn own_example(schema: &Value) -> Option<&Value> {
    schema.get("example").or_else(|| schema.get("examples")?.get(0)).or_else(|| schema.get("const"))
}

fn of_type(schema: &Value, schemas: &Map<String, Value>) -> Result<Value, String> {
    let may_be_null = schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"));
    match schema["type"].as_str() {
        Some("object") if schema["properties"].is_object() => object(schema, schemas),
        Some("array") => {
            let item = of(&schema["items"], schemas).map_err(|place| format!("[]{place}"))?;
            Ok(json!([item]))
        }
        Some("boolean") => Ok(Value::Bool(true)),
        _ if may_be_null => Ok(Value::Null),
        _ => Err(String::new()),
    }
}

fn object(schema: &Value, schemas: &Map<String, Value>) -> Result<Value, String> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let fields = properties.map(|(name, field)| match of(field, schemas) {
        Ok(value) => Ok((name.clone(), value)),
        Err(place) => Err(format!(".{name}{place}")),
    });
    fields.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn merged(parts: &[Value], schemas: &Map<String, Value>) -> Result<Value, String> {
    let mut whole = Map::new();
    for part in parts {
        if let Value::Object(fields) = of(part, schemas)? {
            whole.extend(fields);
        }
    }
    Ok(Value::Object(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(schema: Value) -> Result<Value, String> {
        let tag = json!({"type": "object", "properties": {"id": {"type": "integer", "example": 3}, "title": {"type": "string", "examples": ["vip"]}}});
        let bare = json!({"type": "object", "properties": {"title": {"type": "string"}}});
        of(&schema, json!({"Tag": tag, "Bare": bare}).as_object().unwrap())
    }

    #[test]
    fn an_example_is_put_together_from_its_fields() {
        let tag = json!({"$ref": "#/components/schemas/Tag"});
        let kinds = json!({"type": "string", "enum": ["open", "closed"]});
        let optional = json!({"oneOf": [{"type": "null"}, tag]});
        let schema = json!({"type": "object", "properties": {
            "tags": {"type": "array", "items": tag}, "kind": kinds, "first": optional, "is_new": {"type": "boolean"},
            "note": {"type": ["string", "null"]},
        }});
        let vip = json!({"id": 3, "title": "vip"});
        assert_eq!(
            example(schema),
            Ok(json!({"tags": [vip], "kind": "open", "first": vip, "is_new": true, "note": null}))
        );
        let more =
            json!({"allOf": [tag, {"type": "object", "properties": {"count": {"type": "integer", "example": 0}}}]});
        assert_eq!(example(more), Ok(json!({"id": 3, "title": "vip", "count": 0})));
    }

    #[test]
    fn a_route_shows_other_values_in_its_data() {
        let answer = json!({"success": true, "data": [{"id": 3, "user": {"id": 1, "name": "Sara"}, "at": "now"}]});
        let shown = showing(answer, &[json!({"user": {"name": "Omar"}, "at": null}), json!({"id": 4})]);
        assert_eq!(shown, json!({"success": true, "data": [{"id": 4, "user": {"id": 1, "name": "Omar"}, "at": null}]}));
    }

    #[test]
    fn a_field_without_an_example_is_named() {
        let schema = json!({"type": "object", "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Bare"}}}});
        assert_eq!(example(schema), Err(".data[]Bare.title".to_owned()));
        assert_eq!(example(json!({"type": "object"})), Err(String::new()));
    }
}
