//! The API that rooms use: [`Db`] for reads, [`Tx`] for writes, [`Read`] for code that serves both.

use crate::error::{Error, Kind, Result};
use crate::postgres::{Postgres, PostgresSettings, PostgresTx};
use crate::row::FromRow;
use crate::sqlite::{Sqlite, SqliteSettings, SqliteTx};
use crate::value::Value;
use crate::words::Words;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

/// Which engine stands behind a [`Db`]; a room never needs to ask, operators like to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// What follows `FROM` to read each of a few `rows` (a query, called `name`) with the row of `table` that `of_row` says:
    /// up to and with a condition, so that others follow by `AND`. PostgreSQL is kept from any other way than from the few
    /// to their rows: it cannot know how few they are, and of a queue it believes what it counted when it last looked.
    pub(crate) fn each_with(self, name: &str, rows: &str, table: &str, of_row: &str) -> String {
        match self {
            Self::Sqlite => format!("({rows}) AS {name} CROSS JOIN {table} WHERE {of_row}"),
            Self::Postgres => format!(
                "({rows} OFFSET 0) AS {name} CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {of_row} OFFSET 0) AS {table} WHERE TRUE"
            ),
        }
    }
}

/// A handle to the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

/// A transaction: reads and writes that become durable together at [`Tx::commit`], or never.
#[derive(Debug)]
pub struct Tx {
    inner: TxInner,
    /// After a failed statement PostgreSQL takes no other; so that both engines behave alike, neither does SQLite. Set
    /// while a statement runs, so that one whose future was dropped counts as failed: nobody saw how it ended.
    failed: bool,
}

#[derive(Debug)]
enum TxInner {
    Sqlite(SqliteTx),
    Postgres(Box<PostgresTx>),
}

/// How busy a process keeps its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Transactions that wait for the one writer, or for a connection.
    pub waiting: usize,
    /// Connections, by whether somebody uses them.
    pub idle: usize,
    pub in_use: usize,
}

/// See [`Db::long`].
#[derive(Clone, Copy, Debug)]
pub struct Long<'a>(&'a Db);

/// How often [`Db::again`] runs a unit of work whose engine asks for another try.
const TRIES: usize = 5;

/// Reads, inside a transaction (`&mut tx`) or outside of one (`&db`).
pub trait Read: Send + Sized {
    /// All rows.
    fn all<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> impl Future<Output = Result<Vec<T>>> + Send;

    /// The first row, if there is one.
    fn opt<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> impl Future<Output = Result<Option<T>>> + Send;

    /// The first row; [`Kind::NoRow`] if there is none.
    fn one<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> impl Future<Output = Result<T>> + Send {
        async move { self.opt(sql, args).await?.ok_or_else(|| Error::new(Kind::NoRow, "no row")) }
    }
}

impl Db {
    pub fn sqlite(settings: SqliteSettings) -> Result<Self> {
        Ok(Self { backend: Backend::Sqlite(Arc::new(Sqlite::open(settings)?)) })
    }

    pub fn postgres(settings: &PostgresSettings) -> Result<Self> {
        Ok(Self { backend: Backend::Postgres(Arc::new(Postgres::open(settings)?)) })
    }

    pub fn engine(&self) -> Engine {
        match self.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// The clause that lets workers pass over rows that another worker is claiming; who only refers to such a row need not
    /// wait. SQLite has one writer.
    pub fn skip_locked(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite(_) => "",
            Backend::Postgres(_) => "FOR NO KEY UPDATE SKIP LOCKED",
        }
    }

    /// How this engine's word indexes are asked.
    pub fn words(&self) -> Words {
        Words(self.engine())
    }

    /// What follows `FROM` to read each of a few `rows` with its row of another table: PostgreSQL takes this way and no other.
    pub fn each_with(&self, name: &str, rows: &str, table: &str, of_row: &str) -> String {
        self.engine().each_with(name, rows, table, of_row)
    }

    /// The condition that cuts a list, sorted descending by all these columns, out of the index that begins with them: rows
    /// in which the first columns equal the values given, and whose last column is below its value. SQLite looks up equal
    /// columns and nothing else; PostgreSQL, told that they are equal, would walk the primary key backwards in the hope
    /// that such rows come soon, through everybody else's.
    pub fn below(&self, columns: &[(&str, &str)]) -> String {
        let Some(((last, below), equal)) = columns.split_last() else { return String::new() };
        match self.backend {
            Backend::Sqlite(_) => {
                let equal = equal.iter().map(|(column, value)| format!("{column} = {value} AND "));
                format!("{}{last} < {below}", equal.collect::<String>())
            }
            Backend::Postgres(_) => {
                let row = columns.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ");
                let values = equal.iter().map(|(_, value)| format!("{value}, ")).collect::<String>();
                // What is equal belongs to both sides, because PostgreSQL judges by the first column how much such a
                // comparison leaves over: nothing, and it would take any index.
                format!("({row}) >= ({values}0) AND ({row}) <= ({values}CAST({below} AS BIGINT) - 1)")
            }
        }
    }

    /// For reads that may take more than a millisecond: they hold up no other task, and are given up after five seconds.
    pub fn long(&self) -> Long<'_> {
        Long(self)
    }

    pub async fn begin(&self) -> Result<Tx> {
        let inner = match &self.backend {
            Backend::Sqlite(sqlite) => TxInner::Sqlite(sqlite.begin().await?),
            Backend::Postgres(postgres) => TxInner::Postgres(Box::new(postgres.begin().await?)),
        };
        Ok(Tx { inner, failed: false })
    }

    /// Runs a unit of work, and runs it again when the engine says that this is right.
    pub async fn again<T, E, F>(&self, mut work: impl FnMut() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: AsDbError,
    {
        let mut tries = 1;
        loop {
            match work().await {
                Err(error) if tries < TRIES && error.as_db_error().is_some_and(|e| *e.kind() == Kind::Retry) => {
                    tries += 1
                }
                result => return result,
            }
        }
    }

    /// How busy this process keeps it; costs nothing.
    pub fn load(&self) -> Load {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.load(),
            Backend::Postgres(postgres) => postgres.load(),
        }
    }

    /// Whether the database answers at all.
    pub async fn ping(&self) -> Result<()> {
        Read::one::<i64>(self, "SELECT CAST(1 AS BIGINT)", &[]).await.map(|_| ())
    }

    /// Whether the engine accepts this statement; for the test that prepares every one of them.
    pub async fn check(&self, sql: &str) -> Result<()> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.check(sql),
            Backend::Postgres(postgres) => postgres.check(sql).await,
        }
    }

    /// Copies the embedded database to a file while it serves.
    pub fn backup(&self, target: &Path) -> Result<()> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.backup(target),
            Backend::Postgres(_) => Err(Error::new(Kind::Other, "back up PostgreSQL with its own tools (pg_dump)")),
        }
    }

    /// Copies the embedded database's log into its file and empties it, so that neither knows what was deleted; false when
    /// somebody reads or writes just now.
    pub fn empty_log(&self) -> Result<bool> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.empty_log(),
            Backend::Postgres(_) => Ok(true),
        }
    }

    /// The file of the embedded database.
    pub fn file(&self) -> Option<&Path> {
        match &self.backend {
            Backend::Sqlite(sqlite) => Some(sqlite.path()),
            Backend::Postgres(_) => None,
        }
    }

    /// A connection outside of the pool, for what holds a session-wide lock (migrations): however its user ends, it is
    /// closed and the lock with it.
    pub(crate) async fn session(&self) -> Result<Option<deadpool_postgres::ClientWrapper>> {
        match &self.backend {
            Backend::Sqlite(_) => Ok(None),
            Backend::Postgres(postgres) => Ok(Some(deadpool_postgres::Object::take(postgres.connection().await?))),
        }
    }
}

/// An error that may carry a database error; lets [`Db::again`] look inside a caller's own type.
pub trait AsDbError {
    fn as_db_error(&self) -> Option<&Error>;
}

impl AsDbError for Error {
    fn as_db_error(&self) -> Option<&Error> {
        Some(self)
    }
}

impl Read for &Db {
    async fn all<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(sql, args, usize::MAX),
            Backend::Postgres(postgres) => postgres.read(sql, args).await,
        }
    }

    async fn opt<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> Result<Option<T>> {
        let rows: Vec<T> = match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(sql, args, 1)?,
            Backend::Postgres(postgres) => postgres.read(sql, args).await?,
        };
        Ok(rows.into_iter().next())
    }
}

impl Read for Long<'_> {
    async fn all<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.read_long(sql, args),
            // The server works elsewhere, and gives every statement up after five seconds.
            Backend::Postgres(postgres) => postgres.read(sql, args).await,
        }
    }

    async fn opt<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> Result<Option<T>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }
}

impl Read for &mut Tx {
    async fn all<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
        self.enter()?;
        let rows = match &mut self.inner {
            TxInner::Sqlite(tx) => tx.query(sql, args, usize::MAX),
            TxInner::Postgres(tx) => tx.query(sql, args).await,
        };
        self.failed = rows.is_err();
        rows
    }

    async fn opt<T: FromRow + Send>(self, sql: &str, args: &[Value<'_>]) -> Result<Option<T>> {
        // Every row is stepped through: a writing statement with RETURNING must run to its end.
        Ok(self.all(sql, args).await?.into_iter().next())
    }
}

impl Tx {
    /// Runs a writing statement; answers how many rows it changed.
    pub async fn exec(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64> {
        self.enter()?;
        let changed = match &mut self.inner {
            TxInner::Sqlite(tx) => tx.exec(sql, args),
            TxInner::Postgres(tx) => tx.exec(sql, args).await,
        };
        self.failed = changed.is_err();
        changed
    }

    /// Runs one statement for many argument lists: no round trip in between on PostgreSQL.
    pub async fn exec_many(&mut self, sql: &str, lists: &[Vec<Value<'_>>]) -> Result<u64> {
        self.usable()?;
        if lists.is_empty() {
            return Ok(0);
        }
        self.enter()?;
        let changed = match &mut self.inner {
            TxInner::Sqlite(tx) => lists.iter().try_fold(0, |sum, args| Ok(sum + tx.exec(sql, args)?)),
            TxInner::Postgres(tx) => tx.exec_many(sql, lists).await,
        };
        self.failed = changed.is_err();
        changed
    }

    /// The clause that locks the rows a statement reads. On SQLite the writer is alone anyway.
    pub fn for_update(&self) -> &'static str {
        match self.inner {
            TxInner::Sqlite(_) => "",
            TxInner::Postgres(_) => "FOR UPDATE",
        }
    }

    /// Likewise; who only refers to these rows does not wait.
    pub fn for_no_key_update(&self) -> &'static str {
        match self.inner {
            TxInner::Sqlite(_) => "",
            TxInner::Postgres(_) => "FOR NO KEY UPDATE",
        }
    }

    /// The clause that keeps the rows a statement reads as they are; others may keep them too.
    pub fn for_share(&self) -> &'static str {
        match self.inner {
            TxInner::Sqlite(_) => "",
            TxInner::Postgres(_) => "FOR SHARE",
        }
    }

    /// Likewise, only from being deleted.
    pub fn for_key_share(&self) -> &'static str {
        match self.inner {
            TxInner::Sqlite(_) => "",
            TxInner::Postgres(_) => "FOR KEY SHARE",
        }
    }

    /// Takes an installation-wide lock until the end of the transaction, or answers that somebody else has it. On SQLite
    /// the writer is that lock.
    pub async fn try_lock(&mut self, key: i64) -> Result<bool> {
        match &self.inner {
            TxInner::Sqlite(_) => Ok(true),
            TxInner::Postgres(_) => self.one("SELECT pg_try_advisory_xact_lock($1)", &[Value::Int(key)]).await,
        }
    }

    /// Puts pieces of a word index together, about so many pages of them; false when nothing is left to do. PostgreSQL has one
    /// index in one piece.
    pub async fn join_words(&mut self, index: &str, pages: i64) -> Result<bool> {
        if matches!(self.inner, TxInner::Postgres(_)) {
            return Ok(false);
        }
        let changes = "SELECT total_changes()";
        let before: i64 = self.one(changes, &[]).await?;
        self.exec(&format!("INSERT INTO {index} ({index}, rank) VALUES ('merge', $1)"), &[Value::Int(pages)]).await?;
        let after: i64 = self.one(changes, &[]).await?;
        // The statement itself counts as one.
        Ok(after - before > 1)
    }

    /// Likewise, puts all of them together, so that the index forgets the words of deleted rows. The first of several calls
    /// says so. What was being put together then is gone on with as it was, deleted words and all: whoever is at the end
    /// begins once more, and has come to it when that finds nothing to do. PostgreSQL forgets by itself, when it vacuums.
    pub async fn forget_words(&mut self, index: &str, pages: i64, is_first: bool) -> Result<bool> {
        Ok(!is_first && self.join_words(index, pages).await? || self.join_words(index, -pages).await?)
    }

    /// Makes the work durable. After an error nothing of it is stored, except [`Kind::UnclearCommit`]: then nobody knows.
    pub async fn commit(self) -> Result<()> {
        self.usable()?;
        match self.inner {
            TxInner::Sqlite(tx) => tx.commit().await,
            TxInner::Postgres(tx) => tx.commit().await,
        }
    }

    fn enter(&mut self) -> Result<()> {
        self.usable()?;
        self.failed = true;
        Ok(())
    }

    fn usable(&self) -> Result<()> {
        if self.failed {
            return Err(Error::new(Kind::Other, "a statement of this transaction failed before"));
        }
        Ok(())
    }
}
