//! Refusals come in two dialects: the documented envelope, and the `meta` body of the second partner API. Stories over the
//! whole route table hear both in the words of the first.

use serde_json::{Map, Value, json};

/// Status and body of a refusal as the documented envelope has them.
#[track_caller]
pub fn in_the_envelope(status: u16, body: Value) -> (u16, Value) {
    let Some(meta) = body.get("meta").filter(|_| body.get("success").is_none()) else { return (status, body) };
    let mut keys: Vec<_> = meta.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["details", "developer_message", "error", "http_code", "request_id", "success"], "{body}");
    assert_eq!(meta["http_code"], status, "{body}");
    match body.get("error") {
        // Tokens are refused in the words of OAuth, too.
        Some(error) => {
            assert!(error.is_string() && body["error_description"] == meta["developer_message"], "{body}");
            assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
        }
        None => assert_eq!(body.as_object().unwrap().len(), 1, "{body}"),
    }
    let told = meta["developer_message"].as_str().unwrap();
    let mut errors = Map::new();
    for detail in meta["details"].as_array().unwrap().iter().map(|detail| detail.as_str().unwrap()) {
        assert!(told.contains(detail), "what integrations print says everything: {body}");
        let (field, sentence) = detail.split_once(": ").unwrap_or_else(|| panic!("{body}"));
        let of_field = errors.entry(field).or_insert_with(|| json!([]));
        of_field.as_array_mut().unwrap().push(sentence.into());
    }
    let details = meta["details"].as_array().unwrap().iter().map(|detail| detail.as_str().unwrap());
    let message = details.fold(told.to_owned(), |told, detail| told.replace(&format!(" {detail}"), ""));
    let status = if meta["error"] == "invalid" { 422 } else { status };
    let mut problem = json!({
        "success": meta["success"], "message": message, "code": meta["error"], "request_id": meta["request_id"],
    });
    if !errors.is_empty() {
        problem["errors"] = errors.into();
    }
    (status, problem)
}
