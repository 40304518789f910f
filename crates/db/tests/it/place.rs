//! A database for one test, and what its stories need around it.

use skylight_db::{Db, Engine, PostgresSettings, SqliteSettings, Tx};
use std::fmt::Display;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use tokio_postgres::NoTls;

/// Tells one story on both engines.
macro_rules! both {
    ($(#[$note:meta])* $name:ident, |$db:ident| $story:block) => {
        only!(sqlite and postgres, $(#[$note])* $name, |$db| $story);
    };
}

/// Tells one story on the engine it is about.
macro_rules! only {
    ($first:ident $(and $other:ident)?, $(#[$note:meta])* $name:ident, |$db:ident| $story:block) => {
        $(#[$note])*
        async fn $name($db: std::sync::Arc<$crate::place::Place>) -> $crate::place::Outcome {
            $story
            Ok(())
        }

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $first() {
                $crate::place::tell($crate::place::$first, super::$name).await;
            }
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $other() {
                    $crate::place::tell($crate::place::$other, super::$name).await;
                }
            )?
        }
    };
}

pub type Outcome = Result<(), Failed>;

/// What `?` turns any error into: a panic at the line of the `?`.
#[derive(Debug)]
pub enum Failed {}

impl<E: Display> From<E> for Failed {
    #[track_caller]
    fn from(error: E) -> Self {
        panic!("{error}")
    }
}

/// A fresh database and a handle to it.
pub struct Place {
    db: Db,
    home: Home,
}

enum Home {
    Folder(Folder),
    Database(String),
}

impl std::ops::Deref for Place {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.db
    }
}

#[expect(non_upper_case_globals, reason = "the engine's name is the test's")]
pub const sqlite: Engine = Engine::Sqlite;
#[expect(non_upper_case_globals, reason = "the engine's name is the test's")]
pub const postgres: Engine = Engine::Postgres;

pub async fn tell<F>(engine: Engine, story: impl FnOnce(Arc<Place>) -> F)
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let place = Arc::new(Place::new(engine).await);
    let name = match &place.home {
        Home::Database(name) => Some(name.clone()),
        Home::Folder(_) => None,
    };
    let told = tokio::spawn(story(place)).await;
    if let Some(name) = name {
        let dropped = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
        connect("postgres").await.batch_execute(&dropped).await.expect("drop the test's database");
    }
    if let Err(panic) = told {
        std::panic::resume_unwind(panic.into_panic());
    }
}

impl Place {
    async fn new(engine: Engine) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("skylight_db_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = match engine {
            Engine::Sqlite => Home::Folder(Folder::new(&name)),
            Engine::Postgres => {
                let create = format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
                connect("postgres").await.batch_execute(&create).await.expect("create the test's database");
                Home::Database(name)
            }
        };
        Self { db: open(&home, 16, None), home }
    }

    /// Another handle to the same database, as a second process would have it.
    pub fn another(&self) -> Db {
        open(&self.home, 16, None)
    }

    /// A handle that has a single connection on PostgreSQL.
    pub fn narrow(&self) -> Db {
        open(&self.home, 1, None)
    }

    /// A handle whose file may not grow over so many pages (SQLite).
    pub fn capped(&self, pages: u32) -> Db {
        open(&self.home, 16, Some(pages))
    }

    pub async fn table(&self, columns: &str) -> Outcome {
        self.script(&format!("CREATE TABLE t ({columns})")).await
    }

    /// Runs statements in one transaction.
    pub async fn script(&self, script: &str) -> Outcome {
        let mut tx = self.begin().await?;
        for statement in script.split(';') {
            tx.exec(statement, &[]).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The file of the embedded database.
    pub fn sqlite_file(&self) -> PathBuf {
        match &self.home {
            Home::Folder(folder) => folder.0.join("test.db"),
            Home::Database(_) => panic!("this story is about SQLite"),
        }
    }

    /// A connection past the crate.
    pub async fn postgres(&self) -> tokio_postgres::Client {
        match &self.home {
            Home::Folder(_) => panic!("this story is about PostgreSQL"),
            Home::Database(name) => connect(name).await,
        }
    }

    /// A connection past the crate, which does not wait for locks.
    pub fn sqlite(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.sqlite_file()).expect("open the file");
        connection.busy_timeout(std::time::Duration::ZERO).expect("set the timeout");
        connection
    }

    /// Fails when a transaction is still open although nobody uses the database any more. PostgreSQL may still be
    /// undoing what was cancelled: that must come to an end.
    pub async fn expect_no_open_transaction(&self) {
        match &self.home {
            Home::Folder(_) => {
                self.sqlite().execute_batch("BEGIN IMMEDIATE; COMMIT").expect("the write lock is free");
            }
            Home::Database(name) => {
                let outside = connect(name).await;
                let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                            AND pid <> pg_backend_pid() AND state <> 'idle'";
                let quiet = async {
                    while outside.query_one(open, &[]).await.expect("look").get::<_, i64>(0) > 0 {
                        tokio::task::yield_now().await;
                    }
                };
                let quiet = tokio::time::timeout(std::time::Duration::from_secs(20), quiet).await;
                quiet.expect("every transaction comes to an end");
            }
        }
    }
}

fn open(home: &Home, connections: usize, max_pages: Option<u32>) -> Db {
    let opened = match home {
        Home::Folder(folder) => Db::sqlite(SqliteSettings { path: folder.0.join("test.db"), max_pages }),
        Home::Database(name) => Db::postgres(&PostgresSettings { url: address(name), connections }),
    };
    opened.expect("open the test's database")
}

fn address(database: &str) -> String {
    let server = std::env::var("SKYLIGHT_TEST_POSTGRES")
        .expect("SKYLIGHT_TEST_POSTGRES is not set: start one with scripts/test or scripts/postgres start");
    let (server, _) = server.rsplit_once('/').expect("SKYLIGHT_TEST_POSTGRES is postgres://user@host:port/postgres");
    format!("{server}/{database}")
}

async fn connect(database: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&address(database), NoTls).await.expect("reach PostgreSQL");
    tokio::spawn(connection);
    client
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("make the test's folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all::<&Path>(&self.0);
    }
}

/// Polls a future at most so many times and drops it where it then stands: a request whose caller went away.
pub async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = skylight_db::Result<T>> + Send + 'a>>;

/// SQLite: a commit that counts on the next one in the queue, and that one. `insert` may run more than once: a batch is
/// also cut by time, and then the commit is made at once.
pub async fn left_to_the_next<'a>(db: &'a Db, insert: &str) -> (Waiting<'a, ()>, Waiting<'a, Tx>) {
    for _ in 0..100 {
        let mut tx = db.begin().await.expect("begin");
        tx.exec(insert, &[]).await.expect("insert");
        let mut next: Waiting<'a, Tx> = Box::pin(db.begin());
        assert!(futures_util::poll!(&mut next).is_pending(), "the writer is taken");
        let mut commit: Waiting<'a, ()> = Box::pin(tx.commit());
        if futures_util::poll!(&mut commit).is_pending() {
            return (commit, next);
        }
    }
    panic!("no commit was ever left to the next one")
}
