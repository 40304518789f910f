//! Paging: `page` and `per_page` in, four documented keys out; or `cursor` in, and the next one out.
//!
//! Pages are the documented way, and count the whole list. A cursor names the place where the last part ended, so that
//! walking a list of any length costs the same at every step and neither skips nor repeats rows when others come and go.

use super::{Fields, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// Which part of a list is asked for. The list is sorted descending by two numbers: what it is sorted by, then the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    start: Start,
    /// The most items it may have.
    pub size: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Number(i64),
    Before(Cursor),
}

/// A place in a list: right behind the row with these two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is sorted by, where that is not the id.
    pub key: i64,
    pub id: i64,
}

impl Cursor {
    /// Before everything.
    const FIRST: Self = Self { key: i64::MAX, id: i64::MAX };

    /// Behind a row of a list that is sorted by id alone.
    pub fn id(id: i64) -> Self {
        Self { key: 0, id }
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (key, id) = bytes.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok().filter(|n| *n >= 0);
        Some(Self { key: number(key)?, id: number(id)? })
    }

    fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode([self.key.to_be_bytes(), self.id.to_be_bytes()].concat())
    }
}

impl Page {
    /// Reads the query: above the maximum is clamped, below one or not a number is a fault. A `cursor`, be it empty, walks
    /// from the beginning.
    pub fn read(query: &mut Fields<'_>, default: i64, max: i64) -> Self {
        let size = query.at("per_page").integer_between(1, i64::MAX).unwrap_or(default).min(max);
        let (page, cursor) = (query.at("page"), query.at("cursor"));
        let number = page.integer_between(1, i64::MAX / 1_000).unwrap_or(1);
        if !cursor.is_present() {
            return Self { start: Start::Number(number), size };
        }
        if page.is_given() {
            page.wrong::<()>("must not be given together with a cursor");
        }
        let place = cursor.text(64).and_then(|text| Cursor::parse(&text).or_else(|| cursor.selected_is_invalid()));
        Self { start: Start::Before(place.unwrap_or(Cursor::FIRST)), size }
    }

    /// The first page.
    pub fn first(size: i64) -> Self {
        Self { start: Start::Number(1), size }
    }

    /// The page of this number, from one.
    pub fn numbered(number: i64, size: i64) -> Self {
        Self { start: Start::Number(number.max(1)), size }
    }

    /// Only rows below this place are asked for; every row is below the place of a numbered page.
    pub fn before(self) -> Cursor {
        match self.start {
            Start::Number(_) => Cursor::FIRST,
            Start::Before(place) => place,
        }
    }

    /// How many rows to read: with a cursor one more than is shown, because it tells whether there is a next part.
    pub fn limit(self) -> i64 {
        match self.start {
            Start::Number(_) => self.size,
            Start::Before(_) => self.size + 1,
        }
    }

    /// How many rows to skip.
    pub fn offset(self) -> i64 {
        match self.start {
            Start::Number(number) => (number - 1) * self.size,
            Start::Before(_) => 0,
        }
    }

    pub fn is_counted(self) -> bool {
        matches!(self.start, Start::Number(_))
    }
}

/// One part of a list.
#[derive(Debug)]
pub struct Listing<T> {
    pub items: Vec<T>,
    pub meta: Meta,
}

/// What is said of a part of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Meta {
    Page(PageMeta),
    Cursor(CursorMeta),
}

/// The documented `meta`: exactly these four keys.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PageMeta {
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

/// The `meta` of a list that is walked with `cursor`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CursorMeta {
    #[schema(example = 15)]
    pub per_page: i64,
    /// The `cursor` of what comes next; none at the end of the list.
    #[schema(example = "AAAAAAAAAAAAAAAAAAAAKg")]
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// The part that these rows are, as [`Page::limit`] and [`Page::offset`] cut them out. `total` is only run when the
    /// rows do not tell it themselves.
    pub async fn of(
        page: Page,
        mut items: Vec<T>,
        place: impl Fn(&T) -> Cursor,
        total: impl Future<Output = Result<i64>>,
    ) -> Result<Self> {
        let found = i64::try_from(items.len()).unwrap_or(page.size);
        if !page.is_counted() {
            items.truncate(usize::try_from(page.size).unwrap_or(usize::MAX));
            let next_cursor = items.last().filter(|_| found > page.size).map(|last| place(last).to_text());
            return Ok(Self { items, meta: Meta::Cursor(CursorMeta { per_page: page.size, next_cursor }) });
        }
        let is_last = found < page.size && (found > 0 || page.offset() == 0);
        let total = if is_last { page.offset() + found } else { total.await? };
        Ok(Self::counted(page, items, total))
    }

    /// A numbered page of a list whose length is known.
    pub fn counted(page: Page, items: Vec<T>, total: i64) -> Self {
        let meta = PageMeta {
            current_page: page.offset() / page.size + 1,
            last_page: ((total + page.size - 1) / page.size).max(1),
            per_page: page.size,
            total,
        };
        Self { items, meta: Meta::Page(meta) }
    }

    /// Whether there is more behind this part.
    pub fn has_more(&self) -> bool {
        match &self.meta {
            Meta::Page(meta) => meta.current_page < meta.last_page,
            Meta::Cursor(meta) => meta.next_cursor.is_some(),
        }
    }

    /// The same part, its rows shown otherwise.
    pub fn map<U>(self, show: impl FnMut(T) -> U) -> Listing<U> {
        Listing { items: self.items.into_iter().map(show).collect(), meta: self.meta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out_and_nothing_else_is_one() {
        for cursor in [Cursor { key: 0, id: 1 }, Cursor { key: 1_767_225_600_000_000, id: i64::MAX }, Cursor::FIRST] {
            assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
        }
        for other in
            ["", "x", "42", "AAAA", "////////////////////_w", "_____________________w", "AAAAAAAAAAAAAAAAAAAAKg=="]
        {
            assert_eq!(Cursor::parse(other), None, "{other}");
        }
    }
}
