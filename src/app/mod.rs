//! What a verb may use: the database, the clock, randomness, the sealing keys, the outside world. Nothing else in the
//! house reaches for these by itself.

mod keys;
pub mod metrics;
mod origin;
mod store;
mod unit;

pub use origin::{Actor, ActorKind, Origin, Trace};
pub use unit::Unit;

use crate::config::Config;
use crate::kernel::cache::{Caches, Rooms};
use crate::kernel::seal::{DataKey, MasterKeys};
use crate::kernel::{Clock, Error, Instant, Random, Result, Secret};
use metrics::Metrics;
use skylight_db::{Db, PostgresSettings, SqliteSettings};
use skylight_outbound::{Client, Guard, Resolve};
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// A cheap handle; every task has one.
#[derive(Clone)]
pub struct App(Arc<Services>);

pub struct Services {
    pub config: Config,
    pub db: Db,
    pub random: Box<dyn Random>,
    /// HTTP to addresses that strangers chose.
    pub strangers: Client,
    /// HTTP to the providers' fixed hosts.
    pub providers: Client,
    /// Rung after a commit that recorded events.
    pub events_recorded: Notify,
    /// Rung after a commit that queued jobs.
    pub jobs_queued: Notify,
    /// What rooms read a moment ago; forgotten after every commit that carried a change.
    pub caches: Caches,
    /// State that rooms share between their tasks.
    pub rooms: Rooms,
    /// What is counted for whoever watches.
    pub metrics: Metrics,
    clock: Box<dyn Clock>,
    masters: MasterKeys,
    stopping: watch::Sender<bool>,
}

impl Deref for App {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl App {
    /// Opens the database, brings its schema up to date and checks that the master keys fit it. `names` says where the
    /// names lead that strangers chose.
    pub async fn open(
        config: Config,
        clock: Box<dyn Clock>,
        random: Box<dyn Random>,
        names: impl Resolve,
    ) -> Result<Self> {
        let db = open_database(&config)?;
        db.migrate(crate::migrations::ALL).await?;
        let masters = keys::load(&config, &*random)?;
        keys::check_probe(&db, &masters, &*random).await?;
        let guard = Guard::strangers(config.outbound_allow.clone(), vec![config.listen]);
        let strangers = Client::builder(guard).resolver(names).extra_ca(config.extra_ca_file.clone());
        let strangers = strangers.build().map_err(Error::internal)?;
        let providers = Client::builder(Guard::operator()).extra_ca(config.extra_ca_file.clone());
        let providers = providers.build().map_err(Error::internal)?;
        Ok(Self(Arc::new(Services {
            config,
            db,
            random,
            strangers,
            providers,
            events_recorded: Notify::new(),
            jobs_queued: Notify::new(),
            clock,
            masters,
            caches: Caches::default(),
            rooms: Rooms::default(),
            metrics: Metrics::default(),
            stopping: watch::Sender::new(false),
        })))
    }

    /// Begins a unit of background work: one transaction, one moment.
    pub async fn begin(&self) -> Result<Unit> {
        self.begin_by(Origin::system()).await
    }

    /// Likewise, on somebody's behalf.
    pub async fn begin_by(&self, origin: Origin) -> Result<Unit> {
        let now = self.now();
        Ok(Unit::new(self.db.begin().await?, self.clone(), now, origin))
    }
}

impl Services {
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A new data key for a workspace, with its sealed form.
    pub fn new_data_key(&self, context: &str) -> Result<(DataKey, String)> {
        self.masters.new_data_key(context, &*self.random)
    }

    pub fn open_data_key(&self, context: &str, sealed: &str) -> Result<DataKey> {
        self.masters.open_data_key(context, sealed)
    }

    /// Tells every loop to finish what it holds and end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when the server is told to stop.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives as long as these services, so waiting cannot fail.
        let _ = stopping.wait_for(|stop| *stop).await;
    }
}

fn open_database(config: &Config) -> Result<Db> {
    match &config.database_url {
        Some(url) => {
            let settings = PostgresSettings { url: url.reveal().to_owned(), connections: config.database_connections };
            Ok(Db::postgres(&settings)?)
        }
        None => Ok(Db::sqlite(SqliteSettings::at(config.data_dir.join("skylight.db")))?),
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// The name of the master key file, for messages.
pub fn key_file(config: &Config) -> std::path::PathBuf {
    config.data_dir.join("master.key")
}

/// A secret of configuration as text lines, never shown.
pub(crate) fn reveal_all(keys: &[Secret]) -> Vec<&str> {
    keys.iter().map(Secret::reveal).collect()
}
