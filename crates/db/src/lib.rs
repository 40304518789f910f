//! One async API and one SQL text over SQLite and PostgreSQL.
//!
//! Statements are written once, with `$1` placeholders and the portable subset that both engines share.
//! [`Db`] reads and begins; [`Tx`] reads, writes and commits. A [`Tx`] dropped without commit is rolled
//! back before anybody else uses its connection. This crate knows nothing of messaging.
//!
//! * SQLite: reads run inline on pooled connections (a point read is shorter than a thread hop); writes
//!   share one connection, each a savepoint of an open batch that is committed with `synchronous=FULL`
//!   when nobody waits for the writer. Every `commit()` resolves only after its batch is durable.
//! * PostgreSQL: a pool, prepared statements cached per connection, `BEGIN` sent together with the first
//!   statement, [`Tx::exec_many`] pipelined.

mod db;
mod error;
mod migrate;
mod postgres;
mod row;
mod sqlite;
mod value;
mod words;

pub use db::{AsDbError, Db, Engine, Load, Long, Read, Tx};
pub use error::{Error, Kind, Result};
pub use migrate::Migration;
pub use postgres::PostgresSettings;
pub use row::{Cell, Cells, Column, FromRow, Row};
pub use sqlite::{SqliteSettings, restore};
pub use value::{Param, Value, padded, placeholders};
pub use words::{Word, Words};
