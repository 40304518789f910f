//! What goes into a statement: a handful of plain values that both engines bind the same way.

use bytes::{BufMut, BytesMut};
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// One bound value. Borrowed, so that binding copies nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// Anything that can be bound. Newtypes implement it by lending what they hold.
pub trait Param {
    fn value(&self) -> Value<'_>;
}

/// The arguments of a statement: `args![scope, id, &name]`.
#[macro_export]
macro_rules! args {
    () => { &[] as &[$crate::Value<'_>] };
    ($($arg:expr),+ $(,)?) => { &[$($crate::Param::value(&$arg)),+][..] };
}

/// One argument list of many, for [`Tx::exec_many`](crate::Tx::exec_many): every item is a reference.
#[macro_export]
macro_rules! list {
    ($($arg:expr),+ $(,)?) => { vec![$($crate::Param::value($arg)),+] };
}

/// `$from, $from+1, …`: the inside of an `IN (…)` for `count` values.
pub fn placeholders(from: usize, count: usize) -> String {
    let names: Vec<String> = (from..from + count).map(|n| format!("${n}")).collect();
    names.join(", ")
}

/// The inside of an `IN (…)` and its values, filled up with the last one to one of few lengths: few different texts are
/// prepared.
pub fn padded<T: Param>(from: usize, ids: &[T]) -> (String, Vec<Value<'_>>) {
    let length = [1, 8, 64].into_iter().find(|length| ids.len() <= *length).unwrap_or(ids.len().next_multiple_of(256));
    let mut values: Vec<_> = ids.iter().map(Param::value).collect();
    values.resize(length, values.last().copied().unwrap_or(Value::Null));
    (placeholders(from, length), values)
}

macro_rules! int_param {
    ($($t:ty),*) => { $(impl Param for $t { fn value(&self) -> Value<'_> { Value::Int(i64::from(*self)) } })* };
}
int_param!(i64, i32, i16, u32, u16, u8);

impl Param for Value<'_> {
    fn value(&self) -> Value<'_> {
        *self
    }
}
impl Param for bool {
    fn value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}
impl Param for f64 {
    fn value(&self) -> Value<'_> {
        Value::Real(*self)
    }
}
impl Param for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}
impl Param for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}
impl Param for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}
impl Param for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}
impl<const N: usize> Param for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}
impl<T: Param + ?Sized> Param for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}
impl<T: Param> Param for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Param::value)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Bool(b) => ValueRef::Integer(i64::from(*b)),
            Value::Real(r) => ValueRef::Real(*r),
            Value::Text(t) => ValueRef::Text(t.as_bytes()),
            Value::Blob(b) => ValueRef::Blob(b),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => return Ok(IsNull::Yes),
            Value::Int(n) => put_int(*n, ty, out)?,
            Value::Bool(b) if *ty == Type::BOOL => out.put_u8(u8::from(*b)),
            Value::Bool(b) => put_int(i64::from(*b), ty, out)?,
            Value::Real(r) if *ty == Type::FLOAT8 => out.put_f64(*r),
            Value::Text(t) if is_text(ty) => out.put_slice(t.as_bytes()),
            Value::Blob(b) if *ty == Type::BYTEA => out.put_slice(b),
            // Sent all the same, the bytes would be read as a value of the other type.
            other => return Err(format!("{other:.20?} was bound where the statement wants {ty}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true // `to_sql` says what goes where
    }

    to_sql_checked!();
}

fn is_text(ty: &Type) -> bool {
    matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN)
}

/// PostgreSQL infers `int4` here and there (`LIMIT`, `SUBSTRING` …): encode what the statement asks for.
fn put_int(n: i64, ty: &Type, out: &mut BytesMut) -> Result<(), Box<dyn std::error::Error + Sync + Send>> {
    match *ty {
        Type::INT8 => out.put_i64(n),
        Type::INT4 => out.put_i32(i32::try_from(n)?),
        Type::INT2 => out.put_i16(i16::try_from(n)?),
        ref other => return Err(format!("a whole number was bound where the statement wants {other}").into()),
    }
    Ok(())
}
