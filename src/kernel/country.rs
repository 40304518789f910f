//! Countries by the API's own numbering (194 is Saudi Arabia in the contract).

use serde::Serialize;
use std::sync::LazyLock;

/// A row of the numbering; a number that is not in it cannot become a `Country`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Country(&'static Row);

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    id: i64,
    name: &'static str,
    code: &'static str,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = include_str!("countries.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(row).collect()
});

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    Some(Row { id: cells.next()?.parse().ok()?, code: cells.next()?, name: cells.next()? })
}

impl Country {
    pub fn find(id: i64) -> Option<Self> {
        ROWS.iter().find(|row| row.id == id).map(Self)
    }

    /// Every country, in the order of the numbering.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(Self)
    }

    pub fn id(self) -> i64 {
        self.0.id
    }

    /// ISO 3166-1 alpha-2.
    pub fn code(self) -> &'static str {
        self.0.code
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_example_is_saudi_arabia() {
        let country = Country::find(194).unwrap();
        assert_eq!((country.code(), country.name()), ("SA", "Saudi Arabia"));
        assert_eq!(Country::find(0), None);
        assert!(ROWS.len() > 200);
    }
}
