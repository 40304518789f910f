//! Lists of the second partner API: `filters`, `limit`, `offset` and `sort` in, an envelope that echoes them out.

use crate::kernel::fields::{Field, Fields, Input};
use crate::kernel::json;
use crate::workspaces::hub::{Client, FILTERS, SORTS, Wanted};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

const DEFAULT: i64 = 50;
const MOST: i64 = 1_000;
/// Values that one key may have at once.
const MOST_VALUES: usize = 100;
const LONGEST: usize = 8_000;

/// Which clients are asked for, as it was said and as it is meant.
#[derive(Debug)]
pub struct ClientQuery {
    pub wanted: Wanted,
    filters: Map<String, Value>,
    sort: Vec<String>,
}

impl Input for ClientQuery {
    fn read(query: &mut Fields<'_>) -> Option<Self> {
        let limit = query.at("limit").integer_between(0, i64::MAX).unwrap_or(DEFAULT).min(MOST);
        let offset = query.at("offset").integer_between(0, i64::MAX).unwrap_or(0);
        let (filters, meant) = read_filters(&query.at("filters"));
        let (sort, order) = read_sort(&query.at("sort"));
        Some(Self { wanted: Wanted { filters: meant, sort: order, limit, offset }, filters, sort })
    }
}

type Filters = Vec<(&'static str, Vec<Value>)>;

/// A JSON object: a key with the value it must have, or with an array of which it must have one.
fn read_filters(field: &Field<'_>) -> (Map<String, Value>, Filters) {
    let Some(text) = field.text(LONGEST) else { return Default::default() };
    let parsed = json::parse(text.as_bytes());
    let Some(Value::Object(said)) = parsed else {
        field.wrong::<()>("must be a JSON object");
        return Default::default();
    };
    let mut meant = Vec::new();
    for (key, value) in &said {
        let known = FILTERS.iter().find(|known| *known == key);
        match (known, values(value)) {
            (Some(known), Some(values)) => meant.push((*known, values)),
            (Some(_), None) => drop(field.wrong::<()>(&format!("cannot compare {key} with this"))),
            (None, _) => drop(field.refused::<()>("The filters have a key that is not one of them.")),
        }
    }
    (said, meant)
}

fn values(value: &Value) -> Option<Vec<Value>> {
    let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
    match value {
        Value::Array(values) if values.len() <= MOST_VALUES && values.iter().all(is_scalar) => Some(values.clone()),
        value if is_scalar(value) => Some(vec![value.clone()]),
        _ => None,
    }
}

/// Keys with commas between them, a minus before each that is descending.
fn read_sort(field: &Field<'_>) -> (Vec<String>, Vec<(&'static str, bool)>) {
    let default = || (vec![SORTS[0].to_owned()], vec![(SORTS[0], false)]);
    let Some(text) = field.text(500) else { return default() };
    let mut sort = (Vec::new(), Vec::new());
    for word in text.split(',').map(str::trim) {
        let (name, descending) = word.strip_prefix('-').map_or((word, false), |name| (name, true));
        let Some(key) = SORTS.iter().find(|key| **key == name) else {
            field.selected_is_invalid::<()>();
            return default();
        };
        sort.0.push(word.to_owned());
        sort.1.push((*key, descending));
    }
    sort
}

/// One part of a partner's clients.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HubClientList)]
pub struct ClientList {
    /// In this answer.
    #[schema(example = 1)]
    pub count: usize,
    #[schema(example = json!({"status": "active"}))]
    pub filters: Map<String, Value>,
    #[schema(example = 50)]
    pub limit: i64,
    #[schema(example = 0)]
    pub offset: i64,
    #[schema(example = json!(["-created_at"]))]
    pub sort: Vec<String>,
    /// In all.
    #[schema(example = 1)]
    pub total: i64,
    pub clients: Vec<Client>,
}

impl ClientList {
    pub fn of(query: ClientQuery, (clients, total): (Vec<Client>, i64)) -> Self {
        let ClientQuery { wanted, filters, sort } = query;
        Self { count: clients.len(), filters, limit: wanted.limit, offset: wanted.offset, sort, total, clients }
    }
}
