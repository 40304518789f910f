//! An installation whose servers are processes of the built binary: the providers, the receiver and the database
//! outlive them, as they do in real life.

use crate::world::{Actor, Engine, PUBLIC_URL};
use serde_json::{Value, json};
use skylight_db::{Db, PostgresSettings, Read, SqliteSettings, args};
use skylight_test_support::http::{HttpClient, RequestBuilder};
use skylight_test_support::meta::MetaStandIn;
use skylight_test_support::meta_webhook::{self, MetaWebhook};
use skylight_test_support::postgres::TestDatabase;
use skylight_test_support::process::{CliOutput, ServerProcess, run_cli};
use skylight_test_support::receiver::Receiver;
use skylight_test_support::telegram::{SECRET_HEADER, TelegramStandIn};
use skylight_test_support::tempdir::TempDir;
use skylight_test_support::wait::POLL;
use std::path::Path;
use std::time::{Duration, Instant};

pub const BIN: &str = env!("CARGO_BIN_EXE_skylight");
pub const APP_SECRET: &str = "meta-app-secret";
/// Any two keys of the right form.
pub const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub const OTHER_MASTER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// Tells a story of processes once per engine.
#[macro_export]
macro_rules! on_both_houses {
    ($(async fn $name:ident($house:ident: House) $story:block)+) => { $(
        mod $name {
            use super::*;
            async fn story($house: House) $story
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() { story(House::on($crate::world::Engine::Sqlite).await).await }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() { story(House::on($crate::world::Engine::Postgres).await).await }
        }
    )+ };
}

pub struct House {
    pub engine: Engine,
    pub http: HttpClient,
    pub meta: MetaStandIn,
    pub telegram: TelegramStandIn,
    pub receiver: Receiver,
    pub folder: TempDir,
    pub database: Option<TestDatabase>,
    settings: Vec<(&'static str, String)>,
}

impl House {
    pub async fn on(engine: Engine) -> Self {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(TestDatabase::create().await),
        };
        let (meta, telegram) = (MetaStandIn::start().await, TelegramStandIn::start().await);
        let mut settings = vec![
            ("SKYLIGHT_PUBLIC_URL", PUBLIC_URL.to_owned()),
            ("SKYLIGHT_RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("SKYLIGHT_WEBHOOK_ALLOW_HTTP", "true".to_owned()),
            ("SKYLIGHT_OUTBOUND_ALLOW", "127.0.0.0/8".to_owned()),
            ("SKYLIGHT_WHATSAPP_API_URL", meta.base()),
            ("SKYLIGHT_TELEGRAM_API_URL", telegram.base()),
            ("SKYLIGHT_MASTER_KEYS", MASTER_KEY.to_owned()),
        ];
        settings.extend(database.as_ref().map(|database| ("SKYLIGHT_DATABASE_URL", database.url())));
        Self {
            engine,
            http: HttpClient::new(),
            meta,
            telegram,
            receiver: Receiver::start().await,
            folder: TempDir::new("house"),
            database,
            settings,
        }
    }

    /// Another value of a setting, for the servers and commands that are started from now on.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.into()));
    }

    pub fn unset(&mut self, name: &str) {
        self.settings.retain(|(known, _)| *known != name);
    }

    /// The variables of a server.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        self.settings.clone()
    }

    /// A server on this house's database, ready.
    pub async fn serve(&self) -> ServerProcess {
        ServerProcess::start(BIN, &self.env(), self.folder.path()).await
    }

    /// Runs a command on this house's database.
    pub async fn cli(&self, args: &[&str]) -> CliOutput {
        self.cli_in(self.folder.path(), args).await
    }

    /// Likewise with another data folder.
    pub async fn cli_in(&self, folder: &Path, args: &[&str]) -> CliOutput {
        let mut env = self.env();
        env.push(("SKYLIGHT_DATA_DIR", folder.display().to_string()));
        run_cli(BIN, &env, args).await
    }

    /// A partner made from the command line, calling this server.
    pub async fn partner(&self, base: &str, name: &str) -> Actor {
        let email = format!("{name}@partners.example");
        let args = ["partner", "create", "--company-name", name, "--email", &email, "--plan", "enterprise", "--json"];
        let made = self.cli(&args).await.json();
        self.actor(base, made["id"].as_i64().unwrap(), "X-Partner-Key", made["partner_key"].as_str().unwrap())
    }

    pub fn actor(&self, base: &str, id: i64, header: &'static str, key: &str) -> Actor {
        Actor { id, base: base.to_owned(), http: self.http.clone(), credential: Some((header, key.to_owned())) }
    }

    /// Connects a WhatsApp number that nobody has yet.
    pub async fn whatsapp(&self, workspace: &Actor, number: usize) -> Whatsapp {
        let (id, waba) = (format!("2088776655{number:05}"), format!("3300112{number:05}"));
        let token = format!("EAAG-token-{number}");
        self.meta.add_number(&id, &waba, &format!("+966 51 2{number:06}"), "Nakheel", &token, APP_SECRET);
        let credentials =
            json!({"phone_number_id": id, "waba_id": waba, "access_token": token, "app_secret": APP_SECRET});
        let body = json!({"type": "whatsapp", "credentials": credentials});
        let connected = workspace.post("/api/v1/channels", body).await.expect(201);
        let hook = connected["data"]["webhook_url"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
        Whatsapp { number: id, hook, channel: connected["data"]["id"].as_i64().unwrap() }
    }

    /// Connects a Telegram bot that nobody has yet.
    pub async fn telegram(&self, workspace: &Actor, number: usize) -> Telegram {
        let token = format!("{}:AAE_test-token-of-a-bot-with-number-{number}", 8001 + number);
        self.telegram.add_bot(&token, &format!("Bot{number}"));
        let body = json!({"type": "telegram", "credentials": {"bot_token": token}});
        workspace.post("/api/v1/channels", body).await.expect(201);
        let hook = self.telegram.hook(&token).unwrap();
        let secret = hook.secret_token.unwrap();
        Telegram { hook: hook.url.strip_prefix(PUBLIC_URL).unwrap().to_owned(), secret }
    }

    /// The database itself, for what no API shows.
    pub fn db(&self) -> Db {
        match &self.database {
            Some(database) => Db::postgres(&PostgresSettings { url: database.url(), connections: 2 }).unwrap(),
            None => Db::sqlite(SqliteSettings::at(self.folder.join("skylight.db"))).unwrap(),
        }
    }

    /// One number out of the database.
    pub async fn count(&self, sql: &str) -> i64 {
        (&self.db()).one(sql, args![]).await.unwrap()
    }
}

/// What one process changes holds on the others within a second: no request that begins later is answered otherwise.
pub async fn within_a_second(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    loop {
        let began = since.elapsed();
        if holds().await {
            return;
        }
        assert!(began < Duration::from_secs(1), "not so after {began:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// A connected number: where Meta posts to, as a path.
#[derive(Clone, Debug)]
pub struct Whatsapp {
    pub number: String,
    pub hook: String,
    pub channel: i64,
}

impl Whatsapp {
    /// A signed POST of Meta's to this server.
    pub fn post(&self, http: &HttpClient, base: &str, body: &MetaWebhook) -> RequestBuilder {
        let bytes = body.bytes();
        let signature = meta_webhook::sign(APP_SECRET, &bytes);
        let request = http.post(format!("{base}{}", self.hook)).header("content-type", "application/json");
        request.header(meta_webhook::SIGNATURE, signature).bytes(bytes)
    }
}

/// A connected bot: where Telegram posts to, as a path.
#[derive(Clone, Debug)]
pub struct Telegram {
    pub hook: String,
    pub secret: String,
}

impl Telegram {
    pub fn post(&self, http: &HttpClient, base: &str, update: &Value) -> RequestBuilder {
        http.post(format!("{base}{}", self.hook)).header(SECRET_HEADER, self.secret.as_str()).json(update)
    }
}
