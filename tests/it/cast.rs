//! Who and what stories over the whole route table need: for every row a path that names real things, and a body that is
//! right. A new kind of thing in a path is taught to [`Owner::thing`], a new kind of body to [`Owner::body`].

use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::http::{Route, Who};
use skylight_db::args;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// A partner and one of its clients, with what routes speak of.
pub struct Owner<'a> {
    world: &'a World,
    pub partner: Actor,
    pub workspace: Actor,
}

static COUNT: AtomicU32 = AtomicU32::new(1);

tokio::task_local! {
    static OWN_COUNT: Cell<u32>;
}

/// A number that nobody else has.
fn count() -> u32 {
    let own = OWN_COUNT.try_with(|count| {
        count.set(count.get() + 1);
        count.get()
    });
    own.unwrap_or_else(|_| COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Makes things with the numbers behind this one, so that two worlds can be given the same; answers the last one too.
pub async fn counting_from<T>(number: u32, work: impl Future<Output = T>) -> (T, u32) {
    OWN_COUNT.scope(Cell::new(number), async { (work.await, OWN_COUNT.with(Cell::get)) }).await
}

fn phone() -> String {
    format!("+96650{:07}", count())
}

const META_APP_SECRET: &str = "meta-app-secret";
const META_TOKEN: &str = "EAAG-token";

impl<'a> Owner<'a> {
    /// With a sandbox channel, so that messages can be sent.
    pub async fn new(world: &'a World, name: &str) -> Owner<'a> {
        let partner = world.partner(&format!("partner-{name}")).await;
        let (_, workspace) = partner.client(name, "business").await;
        workspace.sandbox().await;
        Owner { world, partner, workspace }
    }

    /// Whoever may call this route.
    pub fn caller(&self, route: &Route) -> &Actor {
        if route.who == Who::Partner { &self.partner } else { &self.workspace }
    }

    /// The route's path with things of this owner in it, made for it.
    pub async fn path(&self, route: &Route) -> String {
        let mut path: Vec<String> = Vec::new();
        for segment in route.path.split('/') {
            let thing = match segment.strip_prefix('{') {
                Some(_) => self.thing(&path).await,
                None => segment.to_owned(),
            };
            path.push(thing);
        }
        path.join("/")
    }

    /// Makes three rows for a list, where its path or [`Owner::new`] has not made them.
    pub async fn fill(&self, route: &Route, path: &str) {
        for _ in 0..3 {
            match route.operation {
                "list_contacts" => {
                    self.workspace.contact("Sarah", &phone()).await;
                }
                "list_conversations" => {
                    let contact = self.workspace.contact("Omar", &phone()).await;
                    self.send(&contact["id"]).await;
                }
                "list_messages" => {
                    let contact = path.split('/').nth(4).unwrap().parse::<i64>().unwrap();
                    self.send(&contact.into()).await;
                }
                "list_webhook_deliveries" => {
                    self.workspace.post(&path.replace("/deliveries", "/test"), json!({})).await.expect(200);
                }
                "list_clients" | "get_partner_usage" => {
                    self.partner.client(&format!("client {}", count()), "pro").await;
                }
                other => panic!("what fills {other}? Teach it to `Owner::fill` in tests/it/cast.rs"),
            }
        }
    }

    async fn send(&self, contact: &Value) {
        let message = json!({"contact_id": contact, "content": "Your table is booked."});
        self.workspace.post("/api/v1/messages/send", message).await.expect(201);
    }

    /// What stands in a path after these segments.
    async fn thing(&self, path: &[String]) -> String {
        let id = |made: Value| made["id"].to_string();
        match path.last().map_or("", String::as_str) {
            "contacts" => id(self.workspace.contact("Sarah", &phone()).await),
            "channels" => self.workspace.sandbox().await.to_string(),
            "webhooks" => id(self.workspace.webhook(&self.world.receiver.url("/crm"), &["contact.deleted"]).await),
            "clients" => id(self.partner.client(&format!("client {}", count()), "pro").await.0),
            "api-keys" => {
                let keys = path.join("/");
                id(self.partner.post(&keys, json!({"name": "made for a story"})).await.expect(201)["data"].clone())
            }
            "whatsapp" => self.hook(self.whatsapp()).await,
            "telegram" => self.hook(self.telegram()).await,
            "docs" => "boot.js".to_owned(),
            other => panic!("what does a path name after /{other}/? Teach it to `Owner::thing` in tests/it/cast.rs"),
        }
    }

    /// Connects a channel and answers the unguessable part of its inbound address.
    async fn hook(&self, channel: Value) -> String {
        let connected = self.workspace.post("/api/v1/channels", channel).await.expect(201);
        let url = connected["data"]["webhook_url"].as_str().unwrap().to_owned();
        url.rsplit('/').next().unwrap().to_owned()
    }

    fn whatsapp(&self) -> Value {
        let (number, waba) = (format!("2088{:08}", count()), "330011223344");
        self.world.meta.add_number(&number, waba, &phone(), "Nakheel", META_TOKEN, META_APP_SECRET);
        let credentials = json!({"phone_number_id": number, "access_token": META_TOKEN, "app_secret": META_APP_SECRET});
        json!({"type": "whatsapp", "credentials": credentials})
    }

    fn telegram(&self) -> Value {
        let bot = format!("{}:AAE_test-token-of-the-harbour-bot", 8000 + count());
        self.world.telegram.add_bot(&bot, "NakheelSupport");
        json!({"type": "telegram", "credentials": {"bot_token": bot}})
    }

    /// A body that this route takes: its documented example, speaking of things that are there.
    pub async fn body(&self, route: &Route) -> Option<Value> {
        let mut body = route.request_example.clone()?;
        if route.operation == "connect_channel" {
            body = self.telegram();
        }
        if body.get("contact_id").is_some() {
            body["contact_id"] = self.workspace.contact("Omar", &phone()).await["id"].clone();
        }
        if body.get("phone").is_some() {
            body["phone"] = phone().into();
        }
        if body.pointer("/admin/email").is_some() {
            body["admin"]["email"] = format!("admin-{}@clients.example", count()).into();
        }
        Some(body)
    }
}

/// Lets plans give everything, for stories that need many things.
pub async fn unlimited(world: &World) {
    let mut tx = world.app.db.begin().await.unwrap();
    tx.exec("UPDATE plan SET contacts = -1, channels = -1, messages_per_month = -1", args![]).await.unwrap();
    tx.commit().await.unwrap();
}
