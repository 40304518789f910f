//! Putting the server together: the app, the readers of the event log, the workers, the listener.

use crate::app::App;
use crate::auth::{self, Limiter, guesses, sessions};
use crate::config::Config;
use crate::http::{idempotency, metrics, server};
use crate::jobs::{self, Workers};
use crate::kernel::{Clock, Error, Random, Result, SystemClock, SystemRandom};
use crate::{
    bookings, channels, contacts, conversations, demo, events, mail, partners, routes, tickets, webhooks, workspaces,
};
use skylight_outbound::{Resolve, SystemResolver};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Opens the database and lets the rooms introduce themselves to each other.
pub async fn open(config: Config, clock: Box<dyn Clock>, random: Box<dyn Random>) -> Result<App> {
    open_among(config, clock, random, SystemResolver::default()).await
}

/// Likewise, where names lead elsewhere than the system says.
pub async fn open_among(
    config: Config,
    clock: Box<dyn Clock>,
    random: Box<dyn Random>,
    names: impl Resolve,
) -> Result<App> {
    let app = App::open(config, clock, random, names).await?;
    workspaces::on_birth(&app, channels::open_settings);
    workspaces::on_purge(&app, contacts::indexing::forget);
    mail::open(&app)?;
    metrics::measure(&app);
    jobs::measure(&app);
    events::measure(&app);
    partners::on_birth(&app, tickets::open_desk);
    Ok(app)
}

/// A running server.
pub struct Server {
    pub app: App,
    pub address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts serving and working on an opened app.
    pub async fn start(app: App) -> Result<Self> {
        let workers = Workers::join(app.clone())
            .await?
            .with(webhooks::Deliver)
            .with_chore::<webhooks::Purge>()
            .with(webhooks::Recover)
            .with_chore::<contacts::groups::Clear>()
            .with_chore::<contacts::tags::Clear>()
            .with_steps::<bookings::Due>()
            .with(bookings::Remind)
            .with_chore::<bookings::Rehang>()
            .with(conversations::ProcessInbound)
            .with(conversations::SendMessages)
            .with(mail::SendMail)
            .with_steps::<workspaces::PlanChange>()
            .with(mail::SendPartnerMail)
            .with(workspaces::Purge);
        bookings::check_zones(&app).await?;
        let listen = app.config.listen;
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|error| Error::internal(format!("cannot listen on {listen}: {error}")))?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let pipeline = routes::pipeline(&app);
        let tasks = vec![
            tokio::spawn(events::run(app.clone(), readers())),
            tokio::spawn(workers.run()),
            tokio::spawn(contacts::indexing::run(app.clone())),
            tokio::spawn(keep_house(app.clone())),
            tokio::spawn(auth::keep_uses(app.clone())),
            tokio::spawn(server::serve(app.clone(), listener, pipeline)),
        ];
        Ok(Self { app, address, tasks })
    }

    /// Stops accepting, finishes what runs, gives leases back.
    pub async fn stop(self) {
        self.app.stop();
        for task in self.tasks {
            if let Err(panic) = task.await {
                tracing::error!(%panic, "a task of the server panicked");
            }
        }
        if let Err(error) = auth::write_uses(&self.app, true).await {
            tracing::warn!(%error, "the last uses of keys were not written");
        }
    }
}

/// `skylight serve`.
pub async fn run(mut config: Config, with_demo: bool) -> Result<()> {
    if with_demo {
        demo::allow(&mut config);
    }
    let app = open(config, Box::new(SystemClock), Box::new(SystemRandom)).await?;
    let told_to_stop = told_to_stop()?;
    let server = Server::start(app.clone()).await?;
    tracing::info!(address = %server.address, engine = ?app.db.engine(), "serving");
    if with_demo {
        let receiver = demo::Receiver::start(server.address.port()).await?;
        demo::fill(&app, receiver.as_ref()).await?;
    }
    told_to_stop.await;
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}

/// Resolves when the operator wants the server to end. From the call on, and not only once it is awaited, the signals no
/// longer end the process by themselves.
fn told_to_stop() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Small regular chores; harmless when several nodes do them.
async fn keep_house(app: App) {
    const EVERY: Duration = Duration::from_secs(60);
    while !app.is_stopping() {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = app.stopped() => return,
        }
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "a chore failed; trying again in a minute");
        }
    }
}

/// Who reads the event log.
fn readers() -> Vec<Arc<dyn events::Reader>> {
    vec![Arc::new(webhooks::FanOut)]
}

/// Removes what is past its time, in batches, until nothing is left of it.
async fn sweep(app: &App) -> Result<()> {
    while !app.is_stopping() {
        let removed = idempotency::forget_old(app).await?
            + conversations::forget_early_statuses(app).await?
            + sessions::forget_old(app).await?
            + guesses::forget_old(app).await?
            + workspaces::visits::forget_old(app).await?
            + webhooks::forget_old(app).await?
            + events::forget_old(app, &readers()).await?
            + Limiter::forget_old(app).await?;
        if removed == 0 {
            return Ok(());
        }
    }
    Ok(())
}
