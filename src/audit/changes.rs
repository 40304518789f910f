//! What an entry says of a change.

use serde::Serialize;
use serde_json::{Map, Value};

/// Fields with their new values. Nothing secret belongs here, and no text that somebody wrote to somebody.
#[derive(Debug, Default)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// For actions that their name tells whole.
    pub fn none() -> Self {
        Self::default()
    }

    pub fn of(field: &str, value: impl Serialize) -> Self {
        Self::none().and(field, value)
    }

    pub fn and(mut self, field: &str, value: impl Serialize) -> Self {
        self.0.insert(field.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// A field that may have been left as it was.
    pub fn and_if_given(self, field: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.and(field, value),
            None => self,
        }
    }

    pub(super) fn written(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }
}
