//! Errors, classified by what a caller can do about them.

use tokio_postgres::error::SqlState;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the words of both engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A unique index refused the row. The name is the index's, on both engines.
    Unique(String),
    ForeignKey,
    Check,
    /// `one` found no row.
    NoRow,
    /// Serialization failure, deadlock or a busy database: running the whole unit of work again is right.
    Retry,
    /// No space or an I/O error: nothing was stored, reads go on.
    Storage,
    /// The database cannot be reached, or answers too slowly.
    Unavailable,
    /// The connection was lost while committing: the change may or may not be stored.
    UnclearCommit,
    /// The database was migrated by a newer release.
    NewerSchema,
    Other,
}

/// A database error: its class, and the engine's own words for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind:?}: {detail}")]
pub struct Error {
    kind: Kind,
    detail: String,
    failed_sync: bool,
}

impl Error {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), failed_sync: false }
    }

    /// Whether the disk refused to sync: what SQLite's log holds is then unknown until it is read again.
    pub(crate) fn is_failed_sync(&self) -> bool {
        self.failed_sync
    }

    pub(crate) fn mapping(detail: String) -> Self {
        Self::new(Kind::Other, detail)
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether the unique index of this name refused the row.
    pub fn is_unique(&self, index: &str) -> bool {
        matches!(&self.kind, Kind::Unique(name) if name == index)
    }

    /// Whether the trouble is the storage's, and passes: the caller answers 503.
    pub fn is_outage(&self) -> bool {
        matches!(self.kind, Kind::Storage | Kind::Unavailable | Kind::UnclearCommit | Kind::Retry)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{ErrorCode, ffi};
        let detail = error.to_string();
        let kind = match &error {
            rusqlite::Error::QueryReturnedNoRows => Kind::NoRow,
            rusqlite::Error::SqliteFailure(failure, _) => match (failure.code, failure.extended_code) {
                (_, ffi::SQLITE_CONSTRAINT_UNIQUE) => Kind::Unique(unique_columns(&detail).to_owned()),
                (_, ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                    Kind::Unique(format!("{}_pkey", table(unique_columns(&detail))))
                }
                (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Kind::ForeignKey,
                // ON DELETE RESTRICT is a trigger inside of SQLite.
                (_, ffi::SQLITE_CONSTRAINT_TRIGGER) if detail.starts_with("FOREIGN KEY") => Kind::ForeignKey,
                (ErrorCode::ConstraintViolation, _) => Kind::Check,
                (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Kind::Retry,
                (ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly, _) => Kind::Storage,
                (ErrorCode::CannotOpen, _) => Kind::Storage,
                (ErrorCode::OperationInterrupted, _) => Kind::Unavailable,
                _ => Kind::Other,
            },
            _ => Kind::Other,
        };
        let code = error.sqlite_extended_error_code();
        let failed_sync = matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC));
        Self { kind, detail, failed_sync }
    }
}

/// `UNIQUE constraint failed: contact.workspace_id, contact.phone` → the part after the colon. The caller, who has
/// the connection, turns it into the index's name.
fn unique_columns(detail: &str) -> &str {
    detail.split_once(": ").map_or(detail, |(_, columns)| columns)
}

fn table(columns: &str) -> &str {
    columns.split('.').next().unwrap_or_default()
}

impl Error {
    /// Replaces SQLite's list of columns by the name of the index that stands on them. Indexes on the same columns that
    /// differ only in their WHERE cannot be told apart.
    pub(crate) fn name_index(mut self, connection: &rusqlite::Connection) -> Self {
        if let Kind::Unique(columns) = &self.kind
            && let Ok(Some(name)) = index_on(connection, columns)
        {
            self.kind = Kind::Unique(name);
        }
        self
    }
}

fn index_on(connection: &rusqlite::Connection, columns: &str) -> rusqlite::Result<Option<String>> {
    if let Some(name) = columns.strip_prefix("index '") {
        return Ok(Some(name.trim_end_matches('\'').to_owned()));
    }
    let wanted: Vec<&str> = columns.split(", ").filter_map(|c| c.split_once('.')).map(|(_, column)| column).collect();
    let table = table(columns);
    let mut list = connection.prepare("SELECT name, origin FROM pragma_index_list(?1) WHERE \"unique\" = 1")?;
    let mut info = connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
    let indexes = list.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for index in indexes.collect::<rusqlite::Result<Vec<(String, String)>>>()? {
        let (name, origin) = index;
        let on: Vec<Option<String>> = info.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        if on.iter().map(|c| c.as_deref().unwrap_or_default()).eq(wanted.iter().copied()) {
            // One that stands in CREATE TABLE has no name of its own: it gets the one PostgreSQL would give.
            let unnamed = origin == "u";
            return Ok(Some(if unnamed { format!("{table}_{}_key", wanted.join("_")) } else { name }));
        }
    }
    Ok(None)
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let kind = if error.is_closed() || std::error::Error::source(&error).is_some_and(is_io) {
                Kind::Unavailable
            } else {
                Kind::Other
            };
            return Self::new(kind, with_source(&error));
        };
        let detail = format!("{} {} {}", db.code().code(), db.message(), db.detail().unwrap_or_default());
        let constraint = || db.constraint().unwrap_or_default().to_owned();
        let kind = match db.code() {
            &SqlState::UNIQUE_VIOLATION | &SqlState::EXCLUSION_VIOLATION => Kind::Unique(constraint()),
            &SqlState::FOREIGN_KEY_VIOLATION | &SqlState::RESTRICT_VIOLATION => Kind::ForeignKey,
            &SqlState::CHECK_VIOLATION | &SqlState::NOT_NULL_VIOLATION => Kind::Check,
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE => {
                Kind::Retry
            }
            // A statement prepared before a migration ("cached plan must not change result type").
            _ if db.routine() == Some("RevalidateCachedQuery") => Kind::Retry,
            code if code.code().starts_with("53") && *code != SqlState::TOO_MANY_CONNECTIONS => Kind::Storage,
            code if code.code().starts_with("58") => Kind::Storage,
            code if ["08", "57", "53", "25006", "25P03"].iter().any(|class| code.code().starts_with(class)) => {
                Kind::Unavailable
            }
            _ => Kind::Other,
        };
        Self::new(kind, detail)
    }
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>() || error.source().is_some_and(is_io)
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(backend) => {
                let inner = Self::from(backend);
                let kind = if matches!(inner.kind, Kind::Other) { Kind::Unavailable } else { inner.kind };
                Self::new(kind, inner.detail)
            }
            other => Self::new(Kind::Unavailable, other.to_string()),
        }
    }
}
