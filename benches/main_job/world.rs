//! What the server serves: 50 workspaces with keys and 200,000 contacts, written past the API in big transactions, and
//! everything else made through it.

use crate::Result;
use crate::common::machine::Server;
use crate::common::place::{Place, exec, new_client, new_partner};
use serde_json::{Value, json};
use skylight::app::App;
use skylight::auth::WorkspaceScope;
use skylight::cli::manage;
use skylight_db::{Read, args, list};
use skylight_test_support::http::HttpClient;
use skylight_test_support::meta::MetaStandIn;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const WORKSPACES: usize = 50;

/// A workspace, the key to it, and its contacts, whose ids have no gaps.
#[derive(Clone, Debug)]
pub struct Workspace {
    pub id: i64,
    pub key: String,
    pub first_contact: i64,
    pub contacts: usize,
}

/// The database's content; its `App` looks into the database beside the server.
#[derive(Debug)]
pub struct World {
    pub workspaces: Vec<Workspace>,
    app: App,
}

impl World {
    pub async fn fill(place: &Place, contacts: usize) -> Result<Self> {
        let app = place.open().await?;
        let mut world = Self { workspaces: Vec::new(), app };
        let (partner, _) = new_partner(&world.app).await?;
        for number in 0..WORKSPACES {
            let (scope, key) = new_client(&world.app, partner, &format!("Client {number}")).await?;
            let workspace = world.fill_workspace(scope, key, contacts / WORKSPACES).await?;
            world.workspaces.push(workspace);
        }
        world.count().await?;
        place.tidy_up().await?;
        Ok(world)
    }

    /// Contacts with e-mail addresses, every second of them with a tag.
    async fn fill_workspace(&self, scope: WorkspaceScope, key: String, contacts: usize) -> Result<Workspace> {
        let now = self.app.now();
        let mut tx = self.app.db.begin().await?;
        let texts = |n: usize| {
            let phone = format!("+9665{n:08}");
            let (name, email) = (format!("Customer {n}"), format!("customer{n}@mail.example"));
            let search = format!("customer {n}\n{email}\n{}", &phone[1..]);
            (name, email, phone, search)
        };
        let texts: Vec<_> = (0..contacts).map(texts).collect();
        let rows: Vec<_> =
            texts.iter().map(|(name, email, phone, search)| list![&scope, name, email, phone, search, &now]).collect();
        tx.exec_many(
            "INSERT INTO contact (workspace_id, name, email, phone, type, status, blacklisted, search_text, created_at, updated_at)
             VALUES ($1, $2, $3, $4, 'whatsapp', 'active', FALSE, $5, $6, $6)",
            &rows,
        )
        .await?;
        let tag: i64 = tx
            .one(
                "INSERT INTO tag (workspace_id, title, created_at) VALUES ($1, 'vip', $2) RETURNING id",
                args![scope, now],
            )
            .await?;
        tx.exec(
            "INSERT INTO contact_tag (workspace_id, contact_id, tag_id, position)
             SELECT workspace_id, id, CAST($2 AS BIGINT), 0 FROM contact WHERE workspace_id = $1 AND id % 2 = 0",
            args![scope, tag],
        )
        .await?;
        let first_contact = tx.one("SELECT MIN(id) FROM contact WHERE workspace_id = $1", args![scope]).await?;
        tx.commit().await?;
        Ok(Workspace { id: scope.id(), key, first_contact, contacts })
    }

    /// Brings the kept counters up to what was written past them, and makes the plan large enough for the run.
    async fn count(&self) -> Result<()> {
        let counted = "UPDATE meter SET contacts = (SELECT COUNT(*) FROM contact WHERE contact.workspace_id = meter.workspace_id)";
        exec(&self.app, counted, args![]).await?;
        let unlimited = "UPDATE plan SET contacts = -1, messages_per_month = -1, channels = -1 WHERE slug = 'business'";
        exec(&self.app, unlimited, args![]).await
    }

    /// Counters that do not agree with the rows.
    pub async fn differences(&self) -> Result<Vec<String>> {
        Ok(manage::recount(&self.app.db).await?)
    }

    /// Waits until everything recorded was numbered and worked in; how long that took.
    pub async fn settled(&self) -> Result<Duration> {
        let began = Instant::now();
        let waiting = "SELECT EXISTS (SELECT 1 FROM event WHERE seq IS NULL) OR EXISTS (SELECT 1 FROM job)";
        while self.app.db.one::<bool>(waiting, args![]).await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(began.elapsed())
    }

    pub async fn received_messages(&self) -> Result<i64> {
        Ok(self.app.db.one("SELECT COUNT(*) FROM message", args![]).await?)
    }

    /// Records events past the API: what verbs would record, all in one moment.
    pub async fn record_events(&self, workspaces: &[Workspace], count: usize) -> Result<()> {
        let (kind, now) = ("contact.created", self.app.now());
        let data = |n: usize| {
            let contact = json!({
                "id": n, "name": format!("Customer {n}"), "email": null, "phone": format!("+9665{n:08}"),
                "type": "whatsapp", "status": "active", "blacklisted": false, "tags": ["vip"], "created_at": now,
            });
            let subject = i64::try_from(n).unwrap_or_default();
            (workspaces[n % workspaces.len()].id, subject, json!({"contact": contact}).to_string())
        };
        let data: Vec<_> = (0..count).map(data).collect();
        let rows: Vec<_> =
            data.iter().map(|(workspace, subject, data)| list![workspace, &kind, subject, data, &now]).collect();
        let mut tx = self.app.db.begin().await?;
        tx.exec_many(
            "INSERT INTO event (workspace_id, kind, subject_id, data, created_at) VALUES ($1, $2, $3, $4, $5)",
            &rows,
        )
        .await?;
        Ok(tx.commit().await?)
    }
}

/// Somebody who sets things up through the API.
#[derive(Debug, Default)]
pub struct Caller(HttpClient);

impl Caller {
    pub async fn get(&self, server: &Server, workspace: &Workspace, path: &str) -> Value {
        self.0.get(server.url(path)).bearer(&workspace.key).send().await.expect(200)
    }

    async fn create(&self, server: &Server, workspace: &Workspace, path: &str, body: &Value) -> Value {
        self.0.post(server.url(path)).bearer(&workspace.key).json(body).send().await.expect(201)
    }

    pub async fn add_webhook(&self, server: &Server, workspace: &Workspace, url: &str) -> i64 {
        self.hook(server.address, &workspace.key, url).await
    }

    pub async fn hook(&self, server: SocketAddr, key: &str, url: &str) -> i64 {
        let body = json!({"name": "Bench", "url": url, "events": ["*"]});
        let request = self.0.post(format!("http://{server}/api/v1/webhooks")).bearer(key).json(&body);
        request.send().await.expect(201)["data"]["id"].as_i64().unwrap_or_default()
    }

    pub async fn remove_webhook(&self, server: &Server, workspace: &Workspace, id: i64) {
        let gone = self.0.delete(server.url(&format!("/api/v1/webhooks/{id}"))).bearer(&workspace.key).send().await;
        assert!(gone.status < 300, "{gone:?}");
    }

    /// Connects a WhatsApp number; answers the path that its provider posts to.
    pub async fn connect(&self, server: &Server, workspace: &Workspace, meta: &MetaStandIn, number: &str) -> String {
        let (token, secret) = (format!("token-{number}"), app_secret(number));
        meta.add_number(number, "330011223344", "+966 51 234 5678", "Bench", &token, &secret);
        let credentials = json!({"phone_number_id": number, "access_token": token, "app_secret": secret});
        let body = json!({"type": "whatsapp", "credentials": credentials});
        let made = self.create(server, workspace, "/api/v1/channels", &body).await;
        let url = made["data"]["webhook_url"].as_str().unwrap_or_default().to_owned();
        url.find("/hooks/").map(|at| url[at..].to_owned()).unwrap_or_default()
    }
}

/// What the posts of a number are signed with.
pub fn app_secret(number: &str) -> String {
    format!("app-secret-of-{number}")
}
