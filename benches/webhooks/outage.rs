//! A receiver that is dead for 72 hours of simulated time while 10,000 deliveries wait for it: what that costs.

use crate::common::machine::{processor, resident};
use crate::common::place::Place;
use crate::receiver::{Receiver, refusing};
use crate::world::{Caller, WORKSPACES, World};
use crate::{EVENTS_IN_OUTAGE as EVENTS, Result};
use skylight::app::App;
use skylight::cli::serve::Server;
use skylight::kernel::{Clock, Instant, SystemClock};
use skylight_db::{Read, args};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The machine's clock, set forward by hours.
#[derive(Clone, Debug, Default)]
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn now(&self) -> Instant {
        SystemClock.now().after(Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }
}

/// What an outage came to.
#[derive(Debug)]
pub struct Outage {
    /// Resident memory, in MB (10⁶ bytes): with a healthy receiver, and the most of the 72 hours.
    pub memory: (f64, f64),
    /// Requests to the dead receiver.
    pub attempts: i64,
    /// Processor seconds of this process during the 72 hours.
    pub seconds: f64,
}

/// The server runs in this process, because only here can its clock be moved.
pub async fn endured(postgres: bool) -> Result<Outage> {
    let place = Place::make(postgres).await;
    let world = World::fill(&place, WORKSPACES).await?;
    let clock = Ahead::default();
    let settings = [("listen", "127.0.0.1:0"), ("webhook_allow_http", "true"), ("outbound_allow", "127.0.0.0/8")];
    let app = place.open_with(Box::new(clock.clone()), &settings).await?;
    let server = Server::start(app.clone()).await?;
    let receiver = Receiver::start().await?;
    let workspace = &world.workspaces[..1];
    let hook = Caller::default().hook(server.address, &workspace[0].key, &receiver.url()).await;
    world.record_events(workspace, EVENTS).await?;
    receiver.all_of(EVENTS, Duration::from_secs(120)).await?;
    world.settled().await?;
    let this = std::process::id();
    let healthy = resident(this)?;

    point(&app, hook, &refusing()?).await?;
    world.record_events(workspace, EVENTS).await?;
    let (mut most, before) = (healthy, processor(this)?);
    for hour in 1..=72 {
        clock.0.store(hour * 3600, Ordering::Relaxed);
        let known = attempts(&app, hook).await?;
        while attempts(&app, hook).await? == known || !rests(&app, hook).await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most = most.max(resident(this)?);
    }
    let (seconds, attempts) = (processor(this)? - before, attempts(&app, hook).await?);

    point(&app, hook, &receiver.url()).await?;
    clock.0.fetch_add(3600, Ordering::Relaxed);
    receiver.all_of(EVENTS, Duration::from_secs(300)).await?;
    world.settled().await?;
    let twice = receiver.all_of(1, Duration::from_millis(500)).await;
    server.stop().await;
    match twice {
        Err(_) => Ok(Outage { memory: (healthy, most), attempts, seconds }),
        Ok(_) => Err("something arrived twice".into()),
    }
}

/// The receiver moves: the address is changed past the API, which would give it another chance at once.
async fn point(app: &App, hook: i64, url: &str) -> Result<()> {
    let mut unit = app.begin().await?;
    unit.tx.exec("UPDATE webhook SET url = $2 WHERE id = $1", args![hook, url]).await?;
    unit.changed();
    Ok(unit.commit().await?)
}

async fn rests(app: &App, hook: i64) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM job_lane WHERE kind = 'webhooks.deliver' AND key = $1 AND leased_by IS NULL AND not_before > $2)";
    Ok((&app.db).one(sql, args![hook, app.now()]).await?)
}

async fn attempts(app: &App, hook: i64) -> Result<i64> {
    let sql = "SELECT CAST(COALESCE(SUM(attempts), 0) AS BIGINT) FROM webhook_delivery WHERE webhook_id = $1 AND error IS NOT NULL";
    Ok((&app.db).one(sql, args![hook]).await?)
}
