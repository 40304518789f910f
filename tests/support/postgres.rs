//! A fresh PostgreSQL database per test, on the server that `SKYLIGHT_TEST_POSTGRES` names, dropped with its guard.

use std::{env, fmt::Display, future::Future, thread, time::Duration};

use tokio_postgres::{Client, NoTls, error::SqlState};

use super::{fresh, wait};

pub const VARIABLE: &str = "SKYLIGHT_TEST_POSTGRES";
const PREFIX: &str = "skylight_t";
/// `C` sorts by bytes, as SQLite does.
const EMPTY: &str = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";

/// A database of one test. Dropping it drops the database, cutting whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    admin_url: String,
    name: String,
}

impl TestDatabase {
    /// An empty database with C collation.
    pub async fn create() -> Self {
        Self::make(EMPTY).await
    }

    /// A copy of a database on the same server (see [`template`]). Nobody may be connected to that one.
    pub async fn from_template(template: &str) -> Self {
        Self::make(&format!("TEMPLATE {}", quoted(template))).await
    }

    async fn make(source: &str) -> Self {
        let admin_url = admin_url();
        let name = fresh::unique(PREFIX);
        let admin = connect(&admin_url).await;
        create(&admin, &name, source).await;
        Self { admin_url, name }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `SKYLIGHT_DATABASE_URL` should be.
    pub fn url(&self) -> String {
        url_of(&self.admin_url, &self.name)
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await
    }

    /// Cuts every connection to the database, as a restart of the database server would.
    pub async fn cut_connections(&self) {
        let admin = connect(&self.admin_url).await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        ok("cut connections", admin.execute(sql, &[&self.name]).await);
    }

    /// Refuses new connections, or takes them again: a database that is away, when combined with `cut_connections`.
    pub async fn allow_connections(&self, allowed: bool) {
        let admin = connect(&self.admin_url).await;
        let sql = format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {allowed}", quoted(&self.name));
        ok(&sql, admin.batch_execute(&sql).await);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (url, name) = (self.admin_url.clone(), self.name.clone());
        // A thread of its own: the test's runtime may be shutting down, and cannot be blocked on from here.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let (admin, connection) = tokio_postgres::connect(&url, NoTls).await.map_err(text)?;
                tokio::spawn(connection);
                let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name));
                let dropped = tokio::time::timeout(Duration::from_secs(20), admin.batch_execute(&sql)).await;
                dropped.map_err(|_| "no answer".to_owned())?.map_err(text)
            })
        });
        match dropping.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("leaving database {} behind: {error}", self.name),
            Err(_) => eprintln!("leaving database {} behind", self.name),
        }
    }
}

/// Makes sure that a database of this name exists and was set up, once for all test processes on the server, and
/// returns the name for [`TestDatabase::from_template`]. Put into the name what the content depends on (a digest of
/// the migrations), so that a changed content is another template. `set_up` gets the URL of the empty database and
/// must leave no connection open.
pub async fn template<F: Future<Output = ()>>(name: &str, set_up: impl FnOnce(String) -> F) -> String {
    let admin_url = admin_url();
    let admin = connect(&admin_url).await;
    let lock = "SELECT pg_advisory_lock(hashtextextended($1, 0))";
    ok(lock, admin.execute(lock, &[&name]).await);
    let exists = "SELECT 1 FROM pg_database WHERE datname = $1";
    if ok(exists, admin.query_opt(exists, &[&name]).await).is_none() {
        let draft = fresh::unique(PREFIX);
        create(&admin, &draft, EMPTY).await;
        set_up(url_of(&admin_url, &draft)).await;
        let rename = format!("ALTER DATABASE {} RENAME TO {}", quoted(&draft), quoted(name));
        patiently(&admin, &rename).await;
    }
    name.to_owned()
}

async fn create(admin: &Client, name: &str, source: &str) {
    patiently(admin, &format!("CREATE DATABASE {} {source}", quoted(name))).await;
}

/// Runs a statement again while somebody is still connected to the database it needs for itself.
async fn patiently(admin: &Client, sql: &str) {
    let run = async {
        loop {
            match admin.batch_execute(sql).await {
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => tokio::time::sleep(wait::POLL).await,
                done => return ok(sql, done),
            }
        }
    };
    let done = tokio::time::timeout(wait::DEADLINE, run).await;
    done.unwrap_or_else(|_| panic!("PostgreSQL: somebody else stayed connected: {sql}"));
}

fn admin_url() -> String {
    env::var(VARIABLE).ok().filter(|url| !url.is_empty()).unwrap_or_else(|| {
        panic!(
            "{VARIABLE} is not set, and this test needs a PostgreSQL server: \
             start one with scripts/test or scripts/postgres start"
        )
    })
}

/// A connection, its work spawned on the current runtime.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = ok(url, tokio_postgres::connect(url, NoTls).await);
    tokio::spawn(connection);
    client
}

/// The same server and user, another database. The URL may end in parameters, which stay.
fn url_of(admin_url: &str, name: &str) -> String {
    let (address, parameters) = admin_url.split_once('?').unwrap_or((admin_url, ""));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    let mark = if parameters.is_empty() { "" } else { "?" };
    format!("{}/{name}{mark}{parameters}", &address[..end])
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn ok<T>(what: &str, result: Result<T, tokio_postgres::Error>) -> T {
    result.unwrap_or_else(|error| panic!("PostgreSQL: {what}: {}", text(error)))
}

/// The error with the server's own words, which its display leaves out.
fn text(error: tokio_postgres::Error) -> String {
    let detail: &dyn Display = match error.as_db_error() {
        Some(detail) => detail,
        None => &"",
    };
    format!("{error} {detail}")
}
