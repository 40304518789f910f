//! Paging: `page` and `per_page` in, four documented keys out.

use super::Fields;
use serde::Serialize;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub number: i64,
    pub size: i64,
}

impl Page {
    /// Reads the query: above the maximum is clamped, below one or not a number is a fault.
    pub fn read(query: &mut Fields<'_>, default: i64, max: i64) -> Self {
        let number = query.at("page").integer_between(1, i64::MAX / 1_000).unwrap_or(1);
        let size = query.at("per_page").integer_between(1, i64::MAX).unwrap_or(default).min(max);
        Self { number, size }
    }

    pub fn offset(self) -> i64 {
        (self.number - 1) * self.size
    }
}

/// One page of a list, and how many rows the whole list has.
#[derive(Debug)]
pub struct Listing<T> {
    pub items: Vec<T>,
    pub total: i64,
    pub page: Page,
}

/// The documented `meta`: exactly these four keys.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Meta {
    #[schema(example = 1)]
    pub current_page: i64,
    #[schema(example = 4)]
    pub last_page: i64,
    #[schema(example = 15)]
    pub per_page: i64,
    #[schema(example = 52)]
    pub total: i64,
}

/// The `meta` of the event log: how to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FeedMeta {
    /// The `after` of the next request.
    #[schema(example = 1041)]
    pub next_after: i64,
    /// Whether there is more already.
    pub has_more: bool,
}

impl<T> Listing<T> {
    pub fn meta(&self) -> Meta {
        let Page { number, size } = self.page;
        Meta {
            current_page: number,
            last_page: ((self.total + size - 1) / size).max(1),
            per_page: size,
            total: self.total,
        }
    }
}
