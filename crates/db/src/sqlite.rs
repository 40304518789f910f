//! The embedded engine: pooled inline readers and one writer with group commit.
//!
//! Why savepoints: `synchronous=FULL` costs one disk sync per COMMIT, so transactions that arrive together
//! share one. Each member is a savepoint of the open batch, hence a member that fails takes nothing of its
//! neighbours with it, and `commit()` of every member resolves only after the shared COMMIT is on the disk.
//!
//! Who leaves a batch open when letting go of the writer counts on somebody in the queue to commit it. Both may be
//! cancelled at any point, so everybody who goes looks back once: see `settle`.
//!
//! Constraints must not be DEFERRABLE here: one member's would fail at the shared COMMIT, and so fail them all.

use crate::db::Load;
use crate::error::{Error, Kind, Result};
use crate::row::{FromRow, Row};
use crate::value::Value;
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, Statement};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedMutexGuard, oneshot};

/// Where the embedded database stands.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    pub path: PathBuf,
    /// A cap of the file in pages of 4 KiB; none by default.
    pub max_pages: Option<u32>,
}

impl SqliteSettings {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_pages: None }
    }
}

/// A batch is committed when nobody waits for the writer, when it has this many members, or is this old.
const BATCH_MEMBERS: usize = 256;
const BATCH_AGE: Duration = Duration::from_millis(5);
/// Idle readers kept open; more are opened while more threads read at once, and closed afterwards.
const IDLE_READERS: usize = 16;
const STATEMENT_CACHE: usize = 256;
/// What the one who writes has of its own. Savepoints keep the pages they may have to restore in memory; else they are
/// written to a temporary file, more of them than go to the log. Random rows of large indexes stay in the cache, and what
/// they share with later batches is copied to the database once for several batches. What is deleted is overwritten: nothing
/// of it stays behind in free pages.
const WRITER: &str = "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 4000;
                      PRAGMA secure_delete = ON;";
/// How long another process may hold the file's lock.
const BUSY: Duration = Duration::from_secs(5);
/// How long others may be kept waiting by what is no hurry.
const MOMENT: Duration = Duration::from_millis(50);
/// How long a transaction waits for the writer; as long as one on PostgreSQL waits for a connection.
const WAIT: Duration = Duration::from_secs(5);
/// How long a read may take (rule Q4), and how many steps of SQLite's machine pass between two looks at the clock.
const PATIENCE: Duration = Duration::from_secs(5);
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

#[derive(Debug)]
pub(crate) struct Sqlite {
    settings: SqliteSettings,
    readers: Mutex<Vec<Connection>>,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    waiting: AtomicUsize,
    reading: AtomicUsize,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    batch_since: Option<Instant>,
    /// Members of the open batch that wait for its COMMIT.
    members: Vec<oneshot::Sender<Result<()>>>,
}

/// A place in the queue for the writer, given up when served and also when the waiting future is dropped.
struct Waiting<'a>(&'a Sqlite);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        self.0.settle();
    }
}

impl Sqlite {
    pub(crate) fn open(settings: SqliteSettings) -> Result<Self> {
        if let Some(folder) = settings.path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| Error::new(Kind::Storage, e.to_string()))?;
        }
        let connection = connect(&settings)?;
        use_log(&connection)?;
        connection.busy_timeout(Duration::ZERO)?; // see `open_batch`
        connection.execute_batch(WRITER)?;
        if let Some(pages) = settings.max_pages {
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        let writer = Writer { connection, batch_since: None, members: Vec::new() };
        Ok(Self {
            settings,
            readers: Mutex::new(Vec::new()),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            waiting: AtomicUsize::new(0),
            reading: AtomicUsize::new(0),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.settings.path
    }

    pub(crate) fn read<T: FromRow>(&self, sql: &str, args: &[Value<'_>], limit: usize) -> Result<Vec<T>> {
        self.with_reader(|connection| query(connection, sql, args, limit))
    }

    /// Reads what may take long: other tasks go on meanwhile, and after [`PATIENCE`] it is given up.
    pub(crate) fn read_long<T: FromRow>(&self, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
        let until = Instant::now() + PATIENCE;
        let read = |connection: &mut Connection| {
            connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || Instant::now() > until))?;
            let rows = query(connection, sql, args, usize::MAX);
            connection.progress_handler(0, None::<fn() -> bool>)?;
            rows
        };
        off_the_runtime(|| self.with_reader(read))
    }

    pub(crate) fn load(&self) -> Load {
        // Of the readers alone: whoever so much as tried the writer's lock would be in the way of `settle`.
        let (idle, in_use) = (self.readers.lock().len(), self.reading.load(Ordering::Relaxed));
        Load { waiting: self.waiting.load(Ordering::SeqCst), idle, in_use }
    }

    fn with_reader<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let pooled = self.readers.lock().pop();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => {
                let connection = connect(&self.settings)?;
                connection.pragma_update(None, "query_only", true)?;
                connection
            }
        };
        self.reading.fetch_add(1, Ordering::Relaxed);
        let rows = work(&mut connection);
        self.reading.fetch_sub(1, Ordering::Relaxed);
        let mut readers = self.readers.lock();
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        rows
    }

    pub(crate) async fn begin(self: &Arc<Self>) -> Result<SqliteTx> {
        let Ok(mut writer) = tokio::time::timeout(WAIT, self.lock()).await else {
            return Err(Error::new(Kind::Unavailable, "the writer was taken for too long"));
        };
        let begun = writer.open_batch().and_then(|()| writer.run("SAVEPOINT member"));
        if let Err(error) = begun {
            drop(writer);
            self.settle();
            return Err(error);
        }
        Ok(SqliteTx { sqlite: self.clone(), writer: Some(writer) })
    }

    async fn lock(&self) -> OwnedMutexGuard<Writer> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(self);
        self.writer.clone().lock_owned().await
    }

    /// Commits a batch that nobody is left to commit. Called after letting go of the writer, and after leaving the
    /// queue: of a member and the one it counted on, whoever goes last finds the other gone.
    fn settle(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0
            && let Ok(mut writer) = self.writer.try_lock()
        {
            let _ = writer.flush(); // its members hear the result
        }
    }

    /// Copies the database to `target` while it serves (one consistent state, compacted).
    pub(crate) fn backup(&self, target: &Path) -> Result<()> {
        let connection = connect(&self.settings)?;
        connection.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
        // SQLite leaves it to the system when the copy reaches the disk.
        let synced = std::fs::File::open(target).and_then(|file| file.sync_all());
        synced.map_err(|e| Error::new(Kind::Storage, e.to_string()))
    }

    /// Most of the log is copied while others write; for the rest they wait a moment.
    pub(crate) fn empty_log(&self) -> Result<bool> {
        off_the_runtime(|| {
            let connection = connect(&self.settings)?;
            connection.busy_timeout(MOMENT)?;
            let mut busy = 0;
            for mode in ["PASSIVE", "TRUNCATE"] {
                busy = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
            }
            Ok(busy == 0)
        })
    }

    /// Prepares a statement and throws it away: does the engine accept the text?
    pub(crate) fn check(&self, sql: &str) -> Result<()> {
        let connection = connect(&self.settings)?;
        let statement = connection.prepare(sql)?;
        (1..=statement.parameter_count()).try_for_each(|index| position(&statement, index).map(|_| ()))
    }
}

impl Writer {
    fn run(&self, sql: &str) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn open_batch(&mut self) -> Result<()> {
        if self.batch_since.is_some() {
            return Ok(());
        }
        match self.run("BEGIN IMMEDIATE") {
            // Another process writes. Wait for it, but not at the expense of other tasks.
            Err(error) if *error.kind() == Kind::Retry => off_the_runtime(|| {
                self.connection.busy_timeout(BUSY)?;
                let begun = self.run("BEGIN IMMEDIATE");
                self.connection.busy_timeout(Duration::ZERO)?;
                begun
            })?,
            begun => begun?,
        }
        self.batch_since = Some(Instant::now());
        Ok(())
    }

    /// Undoes what the member at work did. If even that fails the whole batch goes: half of a member must not be
    /// committed with its neighbours.
    fn undo_member(&mut self) {
        let undone = self.run("ROLLBACK TO member").and_then(|()| self.run("RELEASE member"));
        if let Err(error) = undone {
            let _ = self.run("ROLLBACK");
            self.notice_lost_batch(&error);
        }
    }

    fn is_full(&self) -> bool {
        self.members.len() + 1 >= BATCH_MEMBERS || self.batch_since.is_some_and(|since| since.elapsed() > BATCH_AGE)
    }

    /// Commits the open batch; every member hears the same result.
    fn flush(&mut self) -> Result<()> {
        if self.batch_since.take().is_none() {
            return Ok(());
        }
        let committed = off_the_runtime(|| self.run("COMMIT"));
        if let Err(error) = &committed {
            die_if_sync_failed(error);
            let _ = self.run("ROLLBACK");
        }
        self.answer(&committed);
        committed
    }

    fn answer(&mut self, result: &Result<()>) {
        for member in self.members.drain(..) {
            let _ = member.send(result.clone());
        }
    }

    /// A full disk or an I/O error makes SQLite roll back the whole batch by itself: tell its members.
    fn notice_lost_batch(&mut self, error: &Error) -> bool {
        die_if_sync_failed(error);
        if self.batch_since.is_some() && self.connection.is_autocommit() {
            self.batch_since = None;
            self.answer(&Err(error.clone()));
            return true;
        }
        false
    }
}

/// The log's state is unknown after a failed sync; only a restart, which recovers from it, is safe.
fn die_if_sync_failed(error: &Error) {
    if error.is_failed_sync() {
        tracing::error!(%error, "the disk refused to sync; stopping so that the log can be recovered");
        std::process::exit(74);
    }
}

/// Lets other tasks run while the disk syncs.
fn off_the_runtime<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// A member of the open batch. Holds the writer until it commits or is dropped.
#[derive(Debug)]
pub(crate) struct SqliteTx {
    sqlite: Arc<Sqlite>,
    writer: Option<OwnedMutexGuard<Writer>>,
}

impl SqliteTx {
    fn writer(&mut self) -> Result<&mut Writer> {
        self.writer.as_deref_mut().ok_or_else(|| Error::new(Kind::Storage, "the batch of this transaction was lost"))
    }

    fn with<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let writer = self.writer()?;
        let result = work(&writer.connection);
        if let Err(error) = &result
            && writer.notice_lost_batch(error)
        {
            self.writer = None;
        }
        result
    }

    pub(crate) fn query<T: FromRow>(&mut self, sql: &str, args: &[Value<'_>], limit: usize) -> Result<Vec<T>> {
        self.with(|connection| query(connection, sql, args, limit))
    }

    pub(crate) fn exec(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64> {
        self.with(|connection| exec(connection, sql, args))
    }

    pub(crate) async fn commit(mut self) -> Result<()> {
        let sqlite = self.sqlite.clone();
        let writer = self.writer()?;
        writer.run("RELEASE member")?;
        if sqlite.waiting.load(Ordering::SeqCst) == 0 || writer.is_full() {
            let flushed = writer.flush();
            self.writer = None;
            return flushed;
        }
        let (sender, result) = oneshot::channel();
        writer.members.push(sender);
        self.writer = None;
        sqlite.settle();
        result.await.map_err(|_| Error::new(Kind::Storage, "the batch ended without an answer"))?
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        writer.undo_member();
        if self.sqlite.waiting.load(Ordering::SeqCst) == 0 {
            let _ = writer.flush();
        }
        drop(writer);
        self.sqlite.settle();
    }
}

fn connect(settings: &SqliteSettings) -> Result<Connection> {
    let connection = Connection::open(&settings.path)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA mmap_size = 0;
         PRAGMA cache_size = -4000;
         PRAGMA trusted_schema = OFF;",
    )?;
    // Plans do not look at bound values. Otherwise most statements would be planned again on every use, because their
    // bindings are cleared in between.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.create_scalar_function("now_micros", 0, rusqlite::functions::FunctionFlags::SQLITE_UTF8, |_| {
        Ok(clock_micros())
    })?;
    Ok(connection)
}

/// Switches the file to a write-ahead log; once done it stays so. SQLite does not wait here for another process that
/// opens the file at the same time.
fn use_log(connection: &Connection) -> Result<()> {
    let since = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode.map_err(Error::from) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => return Err(Error::new(Kind::Storage, format!("no write-ahead log here, only {mode}"))),
            Err(error) if *error.kind() == Kind::Retry && since.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error),
        }
    }
}

/// The database's own clock, for leases. (On PostgreSQL it is the server's.)
fn clock_micros() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the database, as now_micros() on PostgreSQL")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// SQLite numbers `$n` by first appearance; the name says which argument is meant.
fn position(statement: &Statement<'_>, index: usize) -> Result<usize> {
    let name = statement.parameter_name(index).unwrap_or("?");
    let position = name.strip_prefix('$').and_then(|digits| digits.parse().ok()).filter(|n| *n > 0);
    position.ok_or_else(|| Error::new(Kind::Other, format!("parameters are $1, $2 …, not {name}")))
}

/// As strict as PostgreSQL: every argument is used, and no text holds a NUL.
fn bind(statement: &mut CachedStatement<'_>, args: &[Value<'_>]) -> Result<()> {
    let count = statement.parameter_count();
    if count != args.len() {
        return Err(Error::new(Kind::Other, format!("expected {count} arguments but got {}", args.len())));
    }
    for index in 1..=count {
        let position = position(statement, index)?;
        let arg = args.get(position - 1);
        let arg = arg.ok_or_else(|| Error::new(Kind::Other, format!("no argument for parameter ${position}")))?;
        if matches!(arg, Value::Text(text) if text.contains('\0')) {
            return Err(Error::new(Kind::Other, format!("a NUL character in the text of parameter ${position}")));
        }
        statement.raw_bind_parameter(index, arg)?;
    }
    Ok(())
}

fn query<T: FromRow>(connection: &Connection, sql: &str, args: &[Value<'_>], limit: usize) -> Result<Vec<T>> {
    let named = |e: Error| e.name_index(connection);
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let mut rows = statement.raw_query();
    let mut mapped = Vec::new();
    while let Some(row) = rows.next().map_err(|e| named(e.into()))? {
        mapped.push(T::from_row(&Row::Sqlite(row))?);
        if mapped.len() >= limit {
            break;
        }
    }
    Ok(mapped)
}

fn exec(connection: &Connection, sql: &str, args: &[Value<'_>]) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    if statement.column_count() > 0 {
        // It answers rows that nobody wants: step through them, and count them as PostgreSQL does.
        let mut rows = statement.raw_query();
        let mut count = 0;
        while rows.next().map_err(|e| Error::from(e).name_index(connection))?.is_some() {
            count += 1;
        }
        return Ok(count);
    }
    let changed = statement.raw_execute().map_err(|e| Error::from(e).name_index(connection))?;
    Ok(changed as u64)
}

/// Puts a backup in the place of a database that nobody has open, after checking that it is whole.
pub fn restore(backup: &Path, target: &Path) -> Result<()> {
    let storage = |e: std::io::Error| Error::new(Kind::Storage, e.to_string());
    let source = Connection::open_with_flags(backup, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let verdict: String = source.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Error::new(Kind::Storage, format!("the backup is damaged: {verdict}")));
    }
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(storage)?;
    }
    let lock = std::fs::File::create(target.with_extension("lock")).map_err(storage)?;
    lock.try_lock().map_err(|_| Error::new(Kind::Storage, "a server is running on this database; stop it first"))?;
    let fresh = target.with_extension("restoring");
    std::fs::copy(backup, &fresh).map_err(storage)?;
    std::fs::File::open(&fresh).and_then(|file| file.sync_all()).map_err(storage)?;
    for suffix in ["-wal", "-shm"] {
        let mut leftover = target.as_os_str().to_owned();
        leftover.push(suffix);
        match std::fs::remove_file(&leftover) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(storage(error)),
            _ => {}
        }
    }
    std::fs::rename(&fresh, target).map_err(storage)
}
