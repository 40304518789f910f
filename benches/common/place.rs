//! Where the measured server keeps its data, and how a benchmark writes there past the API.

use super::Result;
use skylight::app::App;
use skylight::auth::{PartnerScope, WorkspaceScope};
use skylight::cli::{manage, serve};
use skylight::config::Config;
use skylight::kernel::{Clock, Email, SystemClock, SystemRandom, Timezone};
use skylight::partners::PartnerPlan;
use skylight::team::NewAdmin;
use skylight::workspaces::NewClient;
use skylight_db::Value;
use skylight_test_support::postgres::TestDatabase;
use skylight_test_support::tempdir::TempDir;
use std::path::Path;
use tokio_postgres::NoTls;

/// A fresh folder, and a fresh database where the engine needs one.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl Place {
    pub async fn make(postgres: bool) -> Self {
        let database = if postgres { Some(TestDatabase::create().await) } else { None };
        Self { folder: TempDir::new("bench"), database }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn database_url(&self) -> Option<String> {
        self.database.as_ref().map(TestDatabase::url)
    }

    pub async fn open(&self) -> Result<App> {
        self.open_with(Box::new(SystemClock), &[]).await
    }

    pub async fn open_with(&self, clock: Box<dyn Clock>, settings: &[(&str, &str)]) -> Result<App> {
        let mut flags = vec![("data_dir".to_owned(), self.folder().display().to_string())];
        flags.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        flags.extend(self.database_url().map(|url| ("database_url".to_owned(), url)));
        let config = Config::load(None, [], flags).map_err(|faults| faults.join("; "))?;
        Ok(serve::open(config, clock, Box::new(SystemRandom)).await?)
    }

    /// What autovacuum and the next checkpoint would do in the minutes to come, after so much was written.
    pub async fn tidy_up(&self) -> Result<()> {
        let Some(url) = self.database_url() else { return Ok(()) };
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        let connection = tokio::spawn(connection);
        for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
            client.batch_execute(statement).await?;
        }
        drop(client);
        Ok(connection.await??)
    }
}

/// A partner, and the key to its API.
pub async fn new_partner(app: &App) -> Result<(PartnerScope, String)> {
    let email = Email::parse("bench@partners.example").ok_or("an address")?;
    let (partner, key) = manage::new_partner(app, "Bench", &email, PartnerPlan::Enterprise).await?;
    Ok((partner.scope, key.reveal().to_owned()))
}

/// A workspace, and the key to it.
pub async fn new_client(app: &App, partner: PartnerScope, name: &str) -> Result<(WorkspaceScope, String)> {
    let email = Email::parse(&format!("{}@clients.example", name.replace(' ', "-"))).ok_or("an address")?;
    let admin = NewAdmin { first_name: "Sara".into(), last_name: "Hassan".into(), email, phone: None };
    let (company_name, plan) = (name.to_owned(), "business".to_owned());
    let new = NewClient { company_name, plan, admin, timezone: Timezone::utc(), country: None, skip_invite: true };
    let (scope, key) = manage::new_workspace(app, partner, &new).await?;
    Ok((scope, key.reveal().to_owned()))
}

pub async fn exec(app: &App, sql: &str, values: &[Value<'_>]) -> Result<()> {
    let mut tx = app.db.begin().await?;
    tx.exec(sql, values).await?;
    Ok(tx.commit().await?)
}
