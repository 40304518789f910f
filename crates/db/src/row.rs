//! What comes out of a statement: cells read by position into types, never a bag of values.

use crate::error::{Error, Result};
use tokio_postgres::types::{FromSql, Type};

/// One row of either engine, valid while it is being mapped.
#[derive(Debug)]
pub enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

/// One cell as both engines can say it. Booleans are `Int(0 | 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// A type that one cell can become.
pub trait Column: Sized {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String>;
}

/// A type that one row can become. See [`from_row!`](crate::from_row).
pub trait FromRow: Sized {
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

impl Row<'_> {
    pub fn get<T: Column>(&self, index: usize) -> Result<T> {
        let cell = match self {
            Row::Sqlite(row) => sqlite_cell(row.get_ref(index)?)?,
            Row::Postgres(row) => row.try_get::<_, PgCell<'_>>(index)?.0,
        };
        T::from_cell(cell).map_err(|e| Error::mapping(format!("column {index}: {e}")))
    }

    /// Reads the cells from left to right.
    pub fn cells(&self) -> Cells<'_> {
        Cells { row: self, next: 0 }
    }
}

/// A reader that walks along a row.
#[derive(Debug)]
pub struct Cells<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl Cells<'_> {
    #[expect(clippy::should_implement_trait, reason = "each step reads another type, so it cannot be an Iterator")]
    pub fn next<T: Column>(&mut self) -> Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }
}

/// Maps rows to a struct by position: `from_row!(Contact { id, name, phone })` names the select list in its order.
#[macro_export]
macro_rules! from_row {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::FromRow for $type {
            fn from_row(row: &$crate::Row<'_>) -> $crate::Result<Self> {
                let mut cells = row.cells();
                Ok(Self { $($field: cells.next()?),+ })
            }
        }
    };
}

fn sqlite_cell(value: rusqlite::types::ValueRef<'_>) -> Result<Cell<'_>> {
    use rusqlite::types::ValueRef;
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(n) => Cell::Int(n),
        ValueRef::Real(r) => Cell::Real(r),
        ValueRef::Text(t) => Cell::Text(std::str::from_utf8(t).map_err(|e| Error::mapping(e.to_string()))?),
        ValueRef::Blob(b) => Cell::Blob(b),
    })
}

struct PgCell<'a>(Cell<'a>);

impl<'a> FromSql<'a> for PgCell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(PgCell(match *ty {
            Type::INT8 => Cell::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Cell::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Cell::Int(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => Cell::Int(bool::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Cell::Real(f64::from_sql(ty, raw)?),
            Type::BYTEA => Cell::Blob(raw),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN => {
                Cell::Text(std::str::from_utf8(raw)?)
            }
            ref other => return Err(format!("a column of type {other} is outside the portable subset").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(PgCell(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Column for i64 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Int(n) => Ok(n),
            other => Err(format!("expected a whole number, found {other:?}")),
        }
    }
}
impl Column for i32 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        i64::from_cell(cell).and_then(|n| Self::try_from(n).map_err(|e| e.to_string()))
    }
}
impl Column for u32 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        i64::from_cell(cell).and_then(|n| Self::try_from(n).map_err(|e| e.to_string()))
    }
}

impl Column for u16 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        i64::from_cell(cell).and_then(|n| Self::try_from(n).map_err(|e| e.to_string()))
    }
}
impl Column for bool {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        i64::from_cell(cell).map(|n| n != 0)
    }
}
impl Column for f64 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Real(r) => Ok(r),
            other => Err(format!("expected a number, found {other:?}")),
        }
    }
}
impl Column for String {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Text(t) => Ok(t.to_owned()),
            other => Err(format!("expected text, found {other:?}")),
        }
    }
}
impl Column for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Blob(b) => Ok(b.to_vec()),
            other => Err(format!("expected bytes, found {other:?}")),
        }
    }
}
impl<T: Column> Column for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Null => Ok(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

macro_rules! scalar_rows {
    ($($t:ty),*) => { $(impl FromRow for $t { fn from_row(row: &Row<'_>) -> Result<Self> { row.get(0) } })* };
}
scalar_rows!(i64, bool, String, Vec<u8>, Option<i64>, Option<String>);

macro_rules! tuple_rows {
    ($($name:ident)+) => {
        impl<$($name: Column),+> FromRow for ($($name,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                let mut cells = row.cells();
                Ok(($(cells.next::<$name>()?,)+))
            }
        }
    };
}
tuple_rows!(A);
tuple_rows!(A B);
tuple_rows!(A B C);
tuple_rows!(A B C D);
tuple_rows!(A B C D E);
tuple_rows!(A B C D E F);
tuple_rows!(A B C D E F G);
tuple_rows!(A B C D E F G H);
