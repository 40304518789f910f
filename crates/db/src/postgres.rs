//! The server engine: a pool, cached prepared statements, pipelining, and rollback before reuse.

use crate::db::Load;
use crate::error::{Error, Kind, Result};
use crate::row::{FromRow, Row};
use crate::value::Value;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::future::{join, join_all};
use std::time::Duration;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How to reach PostgreSQL.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`
    pub url: String,
    pub connections: usize,
}

impl std::fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSettings").field("url", &"[redacted]").field("connections", &self.connections).finish()
    }
}

/// Sent with every connection. A statement that needs longer (a migration) says so itself. Starting helpers or a compiler takes
/// longer than what is asked here is worth, and the planner, who guesses how much a word index finds, would do both.
const SESSION: &str = "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=30000 \
                       -c synchronous_commit=on -c client_min_messages=warning -c timezone=UTC \
                       -c max_parallel_workers_per_gather=0 -c jit=off";
const WAIT: Duration = Duration::from_secs(5);
/// A server that vanished without a word is noticed after about so long.
const SILENCE: Duration = Duration::from_secs(15);
/// Prepared statements kept per connection; lists of different lengths make texts without end.
const STATEMENT_CACHE: usize = 256;

#[derive(Debug)]
pub(crate) struct Postgres {
    pool: Pool,
}

impl Postgres {
    pub(crate) fn open(settings: &PostgresSettings) -> Result<Self> {
        let mut config: tokio_postgres::Config = settings.url.parse()?;
        let options = config.get_options().map_or(SESSION.to_owned(), |own| format!("{SESSION} {own}"));
        config.options(options).application_name("skylight").connect_timeout(WAIT);
        config.tcp_user_timeout(SILENCE);
        config.keepalives_idle(SILENCE / 3).keepalives_interval(SILENCE / 3).keepalives_retries(2);
        let manager = Manager::from_config(config, tls()?, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(settings.connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .build()
            .map_err(|e| Error::new(Kind::Other, e.to_string()))?;
        Ok(Self { pool })
    }

    pub(crate) async fn connection(&self) -> Result<Object> {
        Ok(self.pool.get().await?)
    }

    pub(crate) fn load(&self) -> Load {
        let status = self.pool.status();
        Load { waiting: status.waiting, idle: status.available, in_use: status.size.saturating_sub(status.available) }
    }

    pub(crate) async fn read<T: FromRow>(&self, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
        let connection = self.connection().await?;
        let mut rows = noted(&connection, query(&connection, sql, args).await);
        if is(&rows, &Kind::Retry) {
            // Most likely a statement from before a migration; a read alone may simply run again.
            rows = query(&connection, sql, args).await;
        }
        if is(&rows, &Kind::Unavailable) {
            // The pool may not know yet that this connection is lost.
            drop(Object::take(connection));
        }
        rows
    }

    pub(crate) async fn begin(&self) -> Result<PostgresTx> {
        Ok(PostgresTx { connection: Some(self.connection().await?), begun: false })
    }

    pub(crate) async fn check(&self, sql: &str) -> Result<()> {
        self.connection().await?.prepare(sql).await?;
        Ok(())
    }
}

fn tls() -> Result<MakeRustlsConnect> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A store may hold a certificate that rustls cannot read; the others still count.
        let _ = roots.add(certificate);
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(Kind::Other, e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// A transaction. `BEGIN` travels together with its first statement.
#[derive(Debug)]
pub(crate) struct PostgresTx {
    connection: Option<Object>,
    begun: bool,
}

impl PostgresTx {
    /// Marks the transaction begun before anything is sent: a future cancelled in between must be rolled back too.
    fn start(&mut self) -> Result<(&Object, bool)> {
        let first = !std::mem::replace(&mut self.begun, true);
        let connection = self.connection.as_ref().ok_or_else(|| Error::new(Kind::Other, "transaction is over"))?;
        Ok((connection, first))
    }

    pub(crate) async fn query<T: FromRow>(&mut self, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
        let (connection, first) = self.start()?;
        let rows = async {
            if !first {
                return query(connection, sql, args).await;
            }
            let statement = prepare(connection, sql).await?;
            let args = refs(args);
            let (begun, rows) = join(connection.batch_execute("BEGIN"), connection.query(&statement, &args)).await;
            begun?;
            rows?.iter().map(|row| T::from_row(&Row::Postgres(row))).collect()
        };
        noted(connection, rows.await)
    }

    pub(crate) async fn exec(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64> {
        let (connection, first) = self.start()?;
        let changed = async {
            let statement = prepare(connection, sql).await?;
            let args = refs(args);
            if !first {
                return Ok(connection.execute(&statement, &args).await?);
            }
            let (begun, changed) = join(connection.batch_execute("BEGIN"), connection.execute(&statement, &args)).await;
            begun?;
            Ok(changed?)
        };
        noted(connection, changed.await)
    }

    /// One statement for many argument lists, sent without waiting in between.
    pub(crate) async fn exec_many(&mut self, sql: &str, lists: &[Vec<Value<'_>>]) -> Result<u64> {
        let (connection, first) = self.start()?;
        let changed = async {
            let statement = prepare(connection, sql).await?;
            let begin = async { if first { connection.batch_execute("BEGIN").await } else { Ok(()) } };
            let each = lists.iter().map(|args| async { connection.execute(&statement, &refs(args)).await });
            let (begun, results) = join(begin, join_all(each)).await;
            begun?;
            let mut changed = 0;
            for result in results {
                changed += result?;
            }
            Ok(changed)
        };
        noted(connection, changed.await)
    }

    /// Cancelled in the middle, it leaves the COMMIT in the connection's queue, before anything its next user sends.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        if !self.begun {
            return Ok(());
        }
        if connection.is_closed() {
            return Err(Error::new(Kind::Unavailable, "the connection was lost before COMMIT"));
        }
        let Err(error) = connection.batch_execute("COMMIT").await else { return Ok(()) };
        drop(Object::take(connection));
        let refused = error.as_db_error().is_some();
        let error = Error::from(error);
        let clear = refused && *error.kind() != Kind::Unavailable;
        Err(if clear { error } else { Error::new(Kind::UnclearCommit, error.to_string()) })
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !self.begun {
            return;
        }
        let connection = InDoubt(Some(connection));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(connection.roll_back());
        }
    }
}

/// A connection with an open transaction. It goes back to the pool after the server confirmed the rollback, and is
/// closed in every other case, also when the runtime stops in the middle.
struct InDoubt(Option<Object>);

impl InDoubt {
    async fn roll_back(mut self) {
        let Some(connection) = &self.0 else { return };
        let done = tokio::time::timeout(WAIT, connection.batch_execute("ROLLBACK")).await;
        if matches!(done, Ok(Ok(()))) {
            self.0 = None;
        }
    }
}

impl Drop for InDoubt {
    fn drop(&mut self) {
        self.0.take().map(Object::take);
    }
}

fn is<T>(result: &Result<T>, kind: &Kind) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == kind)
}

/// Another try must not meet the same stale statements.
fn noted<T>(connection: &Object, result: Result<T>) -> Result<T> {
    if is(&result, &Kind::Retry) {
        connection.statement_cache.clear();
    }
    result
}

async fn prepare(connection: &Object, sql: &str) -> Result<Statement> {
    if connection.statement_cache.size() >= STATEMENT_CACHE {
        connection.statement_cache.clear();
    }
    Ok(connection.prepare_cached(sql).await?)
}

fn refs<'a>(args: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect()
}

async fn query<T: FromRow>(connection: &Object, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
    let statement = prepare(connection, sql).await?;
    let rows = connection.query(&statement, &refs(args)).await?;
    rows.iter().map(|row| T::from_row(&Row::Postgres(row))).collect()
}
