//! A whole installation in a test: a server with its database, the providers it speaks to, a webhook receiver, and the
//! people who call it.

use serde_json::{Value, json};
use skylight::app::App;
use skylight::cli::manage;
use skylight::cli::serve::{Server, open, open_among};
use skylight::config::Config;
use skylight::kernel::{Clock, Email, Instant, SystemClock, SystemRandom};
use skylight::partners::PartnerPlan;
use skylight_db::args;
use skylight_outbound::{Resolve, SystemResolver};
use skylight_test_support::http::{HttpClient, HttpResponse};
use skylight_test_support::meta::MetaStandIn;
use skylight_test_support::postgres::TestDatabase;
use skylight_test_support::receiver::Receiver;
use skylight_test_support::telegram::TelegramStandIn;
use skylight_test_support::tempdir::TempDir;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Tells a story once per engine.
#[macro_export]
macro_rules! on_both_engines {
    ($(async fn $name:ident($world:ident: World) $story:block)+) => { $(
        async fn $name($world: $crate::world::World) $story

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::world::World::start($crate::world::Engine::Sqlite).await).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name($crate::world::World::start($crate::world::Engine::Postgres).await).await
            }
        }
    )+ };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The machine's clock, moved forward by the test; or a clock that only the test moves.
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    ahead: Arc<AtomicI64>,
    /// Where it stands still; 0 while it goes by itself.
    held: Arc<AtomicI64>,
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// From now on it moves with [`TestClock::advance`] alone.
    pub fn hold_at(&self, instant: Instant) {
        self.held.store(instant.micros(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        let ahead = Duration::from_micros(u64::try_from(self.ahead.load(Ordering::SeqCst)).unwrap());
        match self.held.load(Ordering::SeqCst) {
            0 => SystemClock.now().after(ahead),
            held => Instant::from_micros(held).after(ahead),
        }
    }
}

pub const PUBLIC_URL: &str = "https://chat.example.test";

/// The installation. Everything ends with it.
pub struct World {
    pub app: App,
    pub base: String,
    pub http: HttpClient,
    pub meta: MetaStandIn,
    pub telegram: TelegramStandIn,
    pub receiver: Receiver,
    pub clock: TestClock,
    pub engine: Engine,
    server: Option<Server>,
    _database: Option<TestDatabase>,
    _folder: TempDir,
}

impl World {
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, &[]).await
    }

    /// With settings of its own, over those every test has.
    pub async fn start_with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        Self::start_among(engine, settings, SystemResolver::default()).await
    }

    /// Likewise, where names lead elsewhere than the system says.
    pub async fn start_among(engine: Engine, settings: &[(&str, &str)], names: impl Resolve) -> Self {
        let meta = MetaStandIn::start().await;
        let telegram = TelegramStandIn::start().await;
        let receiver = Receiver::start().await;
        let folder = TempDir::new("world");
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(TestDatabase::create().await),
        };
        let mut all = vec![
            ("listen", "127.0.0.1:0".to_owned()),
            ("public_url", PUBLIC_URL.to_owned()),
            ("data_dir", folder.path().display().to_string()),
            ("rate_limit_per_minute", "0".to_owned()),
            ("webhook_allow_http", "true".to_owned()),
            ("outbound_allow", "127.0.0.0/8".to_owned()),
            ("whatsapp_api_url", meta.base()),
            ("telegram_api_url", telegram.base()),
            ("database_connections", "8".to_owned()),
        ];
        if let Some(database) = &database {
            all.push(("database_url", database.url()));
        }
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let flags = all.into_iter().map(|(name, value)| (name.to_owned(), value));
        let config = Config::load(None, [], flags).unwrap();
        let clock = TestClock::default();
        let app = open_among(config, Box::new(clock.clone()), Box::new(SystemRandom), names).await.unwrap();
        let server = Server::start(app.clone()).await.unwrap();
        let base = format!("http://{}", server.address);
        telegram.set_hook_rewrite(PUBLIC_URL, &base);
        meta.set_hook_rewrite(PUBLIC_URL, &base);
        let http = HttpClient::new();
        Self {
            app,
            base,
            http,
            meta,
            telegram,
            receiver,
            clock,
            engine,
            server: Some(server),
            _database: database,
            _folder: folder,
        }
    }

    /// Stops the server, and starts another one on what it left behind when some time has passed. It has another address.
    pub async fn restart_after(&mut self, pause: Duration) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        self.clock.advance(pause);
        let (clock, random) = (Box::new(self.clock.clone()), Box::new(SystemRandom));
        self.app = open(self.app.config.clone(), clock, random).await.unwrap();
        let server = Server::start(self.app.clone()).await.unwrap();
        self.base = format!("http://{}", server.address);
        self.server = Some(server);
    }

    pub async fn partner(&self, name: &str) -> Actor {
        self.partner_on(name, PartnerPlan::Enterprise).await
    }

    pub async fn partner_on(&self, name: &str, plan: PartnerPlan) -> Actor {
        let email = Email::parse(&format!("{name}@partners.example")).unwrap();
        let (made, key) = manage::new_partner(&self.app, name, &email, plan).await.unwrap();
        let id = made.scope.id();
        Actor {
            id,
            base: self.base.clone(),
            http: self.http.clone(),
            credential: Some(("X-Partner-Key", key.reveal().into())),
        }
    }

    /// Gives a partner the name that its clients' people see.
    pub async fn brand(&self, partner: &Actor, name: &str) {
        let mut tx = self.app.db.begin().await.unwrap();
        tx.exec("UPDATE partner SET company_name = $2 WHERE id = $1", args![partner.id, name]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A workspace with a key, under a partner of its own.
    pub async fn workspace(&self, name: &str) -> Actor {
        let partner = self.partner(&format!("partner-of-{name}")).await;
        partner.client(name, "business").await.1
    }

    pub fn visitor(&self) -> Actor {
        Actor { id: 0, base: self.base.clone(), http: self.http.clone(), credential: None }
    }

    /// The address behind a public one.
    pub fn local(&self, url: &str) -> String {
        url.replace(PUBLIC_URL, &self.base)
    }
}

/// Somebody who calls the API.
#[derive(Clone)]
pub struct Actor {
    pub id: i64,
    pub base: String,
    pub http: HttpClient,
    pub credential: Option<(&'static str, String)>,
}

impl Actor {
    pub fn key(&self) -> &str {
        &self.credential.as_ref().unwrap().1
    }

    pub fn with_key(&self, header: &'static str, key: &str) -> Self {
        Self { credential: Some((header, key.to_owned())), ..self.clone() }
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> HttpResponse {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some((header, key)) = &self.credential {
            request = request.header(*header, key.as_str());
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await
    }

    pub async fn get(&self, path: &str) -> HttpResponse {
        self.call("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> HttpResponse {
        self.call("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> HttpResponse {
        self.call("PUT", path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> HttpResponse {
        self.call("PATCH", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> HttpResponse {
        self.call("DELETE", path, None).await
    }

    /// Provisions a client of this partner with a key; answers what was said of it, and the one who holds the key.
    pub async fn client(&self, name: &str, plan: &str) -> (Value, Self) {
        let body = json!({
            "company_name": name, "plan": plan, "timezone": "Asia/Riyadh", "country_id": 194,
            "admin": {"first_name": "Sara", "last_name": "Hassan", "email": format!("{}@clients.example", name.replace(' ', "-"))},
        });
        let client = self.post("/api/v1/partner/clients", body).await.expect(201)["data"].clone();
        let id = client["id"].as_i64().unwrap();
        let issued = self.post(&format!("/api/v1/partner/clients/{id}/api-keys"), json!({})).await.expect(201);
        let key = issued["data"]["key"].as_str().unwrap().to_owned();
        let holder =
            Self { id, base: self.base.clone(), http: self.http.clone(), credential: Some(("X-Api-Key", key)) };
        (client, holder)
    }

    /// A contact of this workspace.
    pub async fn contact(&self, name: &str, phone: &str) -> Value {
        let body = json!({"name": name, "phone": phone, "type": "whatsapp"});
        self.post("/api/v1/contacts", body).await.expect(201)["data"].clone()
    }

    /// A webhook of this workspace; answers it with its secret.
    pub async fn webhook(&self, url: &str, events: &[&str]) -> Value {
        let body = json!({"name": "CRM", "url": url, "events": events});
        self.post("/api/v1/webhooks", body).await.expect(201)["data"].clone()
    }

    /// Connects a sandbox channel and answers its id.
    pub async fn sandbox(&self) -> i64 {
        let body = json!({"type": "whatsapp", "provider": "sandbox"});
        self.post("/api/v1/channels", body).await.expect(201)["data"]["id"].as_i64().unwrap()
    }
}
