//! Who and what stories over the whole route table need: for every row a path that names real things, and a body that is
//! right. A new kind of thing in a path is taught to [`Owner::thing`], a new kind of body to [`Owner::body`].

use crate::person;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::http::{Route, Who};
use skylight_db::{Read, args};
use skylight_test_support::wait::until;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

/// A partner and one of its clients, with what routes speak of.
pub struct Owner<'a> {
    world: &'a World,
    /// Stands in the names of what is made for it.
    name: String,
    partner_name: String,
    pub partner: Actor,
    pub workspace: Actor,
    /// The partner, as it calls the second partner API.
    pub hub: Actor,
    /// A booking type, and a resource with much room.
    bookable: OnceCell<(Value, Value)>,
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
        Self::on(world, name, "business").await
    }

    pub async fn on(world: &'a World, name: &str, plan: &str) -> Owner<'a> {
        let partner = world.partner(&format!("partner-{name}")).await;
        Self::of(world, partner, [name, name], plan).await
    }

    async fn of(world: &'a World, partner: Actor, [partner_name, name]: [&str; 2], plan: &str) -> Owner<'a> {
        let (_, workspace) = partner.client(name, plan).await;
        workspace.sandbox().await;
        let hub = partner.with_key("X-API-Key", partner.key());
        let [partner_name, name] = [partner_name, name].map(str::to_owned);
        Owner { world, name, partner_name, partner, workspace, hub, bookable: OnceCell::new() }
    }

    /// Another client of the same partner.
    pub async fn sister(&self, name: &str) -> Owner<'a> {
        Self::of(self.world, self.partner.clone(), [&self.partner_name, name], "business").await
    }

    /// Something of this owner that a field or parameter of this name refers to; none where others may refer to it too.
    pub async fn referred(&self, field: &str, by: &Owner<'_>) -> Option<Value> {
        let first = async |path: &str| self.workspace.get(path).await.expect(200)["data"][0]["id"].clone();
        Some(match field {
            "contact_id" | "contact_ids" => self.workspace.contact(&self.name, &phone()).await["id"].clone(),
            "list_id" => self.group("list").await,
            "segment_id" => self.group("segment").await,
            "tag_id" => self.thing(&["tags".to_owned()]).await.parse::<i64>().unwrap().into(),
            "channel_id" => first("/api/v1/channels").await,
            // A partner's departments are all its clients'.
            "department_id" if by.partner.id == self.partner.id => return None,
            "department_id" => first("/api/v1/tickets/departments").await,
            "client_id" => self.workspace.id.into(),
            "booking_type_id" | "booking_type_ids" => self.bookable().await.0.clone(),
            "resource_id" => self.bookable().await.1.clone(),
            "booking_id" => self.booking().await["id"].clone(),
            other => panic!("what does {other} refer to? Teach it to `Owner::referred` in tests/it/cast.rs"),
        })
    }

    /// Whoever may call this route.
    pub fn caller(&self, route: &Route) -> &Actor {
        match route.who {
            Who::Partner => &self.partner,
            Who::Hub => &self.hub,
            _ => &self.workspace,
        }
    }

    /// The route's path with things of this owner in it, made for it.
    pub async fn path(&self, route: &Route) -> String {
        // There is one partner webhook, and no id of it in a path.
        if route.path.starts_with("/api/v1/partner/webhook") && route.operation != "set_partner_webhook" {
            let endpoint = json!({"url": self.world.receiver.url("/partner"), "events": ["partner.client.deleted"]});
            self.partner.put("/api/v1/partner/webhook", endpoint).await.expect(200);
        }
        if ["recover_partner_webhook", "replay_partner_webhook"].contains(&route.operation) {
            no_recovery_runs(&self.partner, "/api/v1/partner/webhook/recoveries").await;
        }
        let mut path: Vec<String> = Vec::new();
        for segment in route.path.split('/') {
            let thing = match segment.strip_prefix('{') {
                Some(_) => self.thing(&path).await,
                None => segment.to_owned(),
            };
            path.push(thing);
        }
        match route.operation {
            "invitation_page" => format!("/invite?token={}", self.invitation().await),
            "booking_availability" => {
                let (kind, _) = self.bookable().await;
                let date = &bookable_time(self.world, 0)[..10];
                format!("{}?booking_type_id={kind}&date={date}", path.join("/"))
            }
            _ => path.join("/"),
        }
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
                // Making an owner fills it.
                "list_audit" | "list_partner_audit" => {}
                "list_team" => drop(self.member().await),
                "list_tickets" | "list_partner_tickets" => {
                    self.ticket().await;
                }
                "list_webhook_deliveries" => {
                    self.workspace.post(&path.replace("/deliveries", "/test"), json!({})).await.expect(200);
                }
                "list_partner_webhook_deliveries" => {
                    self.partner.post("/api/v1/partner/webhook/test", json!({})).await.expect(200);
                }
                "list_bookings" => drop(self.booking().await),
                "list_booking_history" => {
                    let moved = json!({"starts_at": bookable_time(self.world, count())});
                    self.workspace.put(path.trim_end_matches("/history"), moved).await.expect(200);
                }
                "list_webhook_recoveries" => drop(recovery(&self.workspace, path).await),
                "list_partner_webhook_recoveries" => drop(recovery(&self.partner, path).await),
                "list_list_members" | "list_segment_members" => {
                    let contact = self.workspace.contact("Sarah", &phone()).await;
                    self.workspace.post(path, json!({"contact_ids": [contact["id"]]})).await.expect(200);
                }
                "list_contact_notes" => {
                    self.workspace.post(path, json!({"content": "Called today."})).await.expect(201);
                }
                "list_clients" | "get_partner_usage" => {
                    self.partner.client(&format!("client {}", count()), "pro").await;
                }
                other => panic!("what fills {other}? Teach it to `Owner::fill` in tests/it/cast.rs"),
            }
        }
    }

    /// A booking type and a resource that serves it at all hours.
    async fn bookable(&self) -> &(Value, Value) {
        self.bookable.get_or_init(|| bookable(&self.workspace, 1_000)).await
    }

    async fn booking(&self) -> Value {
        let (kind, resource) = self.bookable().await;
        let contact = self.workspace.contact(&format!("Sarah of {}", self.name), &phone()).await["id"].clone();
        let starts_at = bookable_time(self.world, 0);
        let booking =
            json!({"contact_id": contact, "booking_type_id": kind, "resource_id": resource, "starts_at": starts_at});
        self.workspace.post("/api/v1/bookings", booking).await.expect(201)["data"].clone()
    }

    /// Somebody new in the team.
    async fn member(&self) -> Value {
        let email = format!("member-{}@clients.example", count());
        let body = json!({"name": "Huda Saleh", "email": email, "role": "agent", "password": "seven palms, one well"});
        self.workspace.post("/api/v1/team", body).await.expect(201)["data"].clone()
    }

    /// The token of an invitation that nobody has opened.
    async fn invitation(&self) -> String {
        let path = format!("/api/v1/team/{}/invite", self.member().await["id"]);
        let issued = self.workspace.post(&path, json!({})).await.expect(201);
        issued["data"]["invitation_url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()
    }

    /// A calendar feed, with its address.
    async fn feed(&self) -> Value {
        let feed = json!({"name": format!("Calendar of {}", self.name)});
        self.workspace.post("/api/v1/bookings/feeds", feed).await.expect(201)["data"].clone()
    }

    async fn ticket(&self) -> Value {
        let question = json!({"subject": "The invoice of March is missing", "body": "We cannot find it."});
        self.workspace.post("/api/v1/tickets", question).await.expect(201)["data"].clone()
    }

    async fn send(&self, contact: &Value) {
        let message = json!({"contact_id": contact, "content": "Your table is booked."});
        self.workspace.post("/api/v1/messages/send", message).await.expect(201);
    }

    /// What stands in a path after these segments.
    async fn thing(&self, path: &[String]) -> String {
        let id = |made: Value| made["id"].to_string();
        match path.last().map_or("", String::as_str) {
            "contacts" => id(self.workspace.contact(&format!("Sarah of {}", self.name), &phone()).await),
            kind @ ("lists" | "segments") => self.group_in(path, kind.trim_end_matches('s')).await,
            "tags" => {
                let all = if path.len() > 4 { path.join("/") } else { "/api/v1/tags".to_owned() };
                let title = format!("tag {} {}", self.name, count());
                self.workspace.post(&all, json!({"title": title})).await;
                let tags = self.workspace.get("/api/v1/tags").await.expect(200)["data"].clone();
                id(tags.as_array().unwrap().iter().find(|tag| tag["title"] == title.as_str()).unwrap().clone())
            }
            "notes" => id(self
                .workspace
                .post(&path.join("/"), json!({"content": format!("Called {}.", self.name)}))
                .await
                .expect(201)["data"]
                .clone()),
            "bookings" => id(self.booking().await),
            "types" => {
                let kind = json!({"name": format!("Type {} {}", self.name, count()), "duration_minutes": 30});
                id(self.workspace.post(&path.join("/"), kind).await.expect(201)["data"].clone())
            }
            "resources" => {
                let resource = json!({"name": format!("Room {} {}", self.name, count()), "type": "room", "hours": []});
                id(self.workspace.post(&path.join("/"), resource).await.expect(201)["data"].clone())
            }
            "exceptions" => {
                let day = json!({"date": some_date(), "closed": true});
                id(self.workspace.post(&path.join("/"), day).await.expect(201)["data"].clone())
            }
            "feeds" => id(self.feed().await),
            "calendars" => self.feed().await["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(),
            "channels" => self.workspace.sandbox().await.to_string(),
            "tickets" => id(self.ticket().await),
            "ticket-departments" => {
                let title = json!({"title": format!("Department {} {}", self.partner_name, count())});
                id(self.partner.post("/api/v1/partner/ticket-departments", title).await.expect(201)["data"].clone())
            }
            "webhooks" => id(self.workspace.webhook(&self.world.receiver.url("/crm"), &["contact.deleted"]).await),
            "deliveries" if path[3] == "webhooks" => delivery(&self.workspace, &path.join("/")).await.to_string(),
            "deliveries" => delivery(&self.partner, &path.join("/")).await.to_string(),
            "recoveries" if path[3] == "webhooks" => recovery(&self.workspace, &path.join("/")).await.to_string(),
            "recoveries" => recovery(&self.partner, &path.join("/")).await.to_string(),
            "team" => id(self.member().await),
            "partners" => self.public_id("partner", self.partner.id).await,
            "clients" if path[2] == "v2" => {
                let (client, _) = self.partner.client(&format!("client {} {}", self.name, count()), "pro").await;
                self.public_id("workspace", client["id"].as_i64().unwrap()).await
            }
            "clients" => id(self.partner.client(&format!("client {} {}", self.name, count()), "pro").await.0),
            "api-keys" => {
                let keys = path.join("/");
                id(self.partner.post(&keys, json!({"name": format!("made for {}", self.name)})).await.expect(201)["data"].clone())
            }
            "whatsapp" => self.hook(self.whatsapp()).await,
            "telegram" => self.hook(self.telegram()).await,
            "logos" => {
                let brand = json!({"logo": crate::branding::PNG});
                let set = self.partner.patch("/api/v1/partner/branding", brand).await.expect(200);
                set["data"]["branding"]["logo_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
            }
            "docs" => "boot.js".to_owned(),
            "static" => "page.css".to_owned(),
            other => panic!("what does a path name after /{other}/? Teach it to `Owner::thing` in tests/it/cast.rs"),
        }
    }

    /// What the second partner API calls a partner or a client.
    async fn public_id(&self, table: &str, id: i64) -> String {
        let sql = format!("SELECT public_id FROM {table} WHERE id = $1");
        (&self.world.app.db).one(&sql, args![id]).await.unwrap()
    }

    /// A list or segment of this owner; its id.
    pub async fn group(&self, kind: &str) -> Value {
        let body = json!({"name": format!("Group {} {}", self.name, count())});
        self.workspace.post(&format!("/api/v1/contacts/{kind}s"), body).await.expect(201)["data"]["id"].clone()
    }

    /// Behind a contact, one that the contact is in.
    async fn group_in(&self, path: &[String], kind: &str) -> String {
        let group = self.group(kind).await;
        if path[path.len() - 2] != "contacts" {
            self.workspace.post(&path.join("/"), json!({format!("{kind}_id"): group})).await.expect(200);
        }
        group.to_string()
    }

    /// Connects a channel and answers the unguessable part of its inbound address.
    async fn hook(&self, channel: Value) -> String {
        let connected = self.workspace.post("/api/v1/channels", channel).await.expect(201);
        let url = connected["data"]["webhook_url"].as_str().unwrap().to_owned();
        url.rsplit('/').next().unwrap().to_owned()
    }

    pub fn whatsapp(&self) -> Value {
        let (number, waba) = (format!("2088{:08}", count()), "330011223344");
        self.world.meta.add_number(&number, waba, &phone(), "Nakheel", META_TOKEN, META_APP_SECRET);
        let credentials = json!({"phone_number_id": number, "access_token": META_TOKEN, "app_secret": META_APP_SECRET});
        json!({"type": "whatsapp", "credentials": credentials})
    }

    pub fn telegram(&self) -> Value {
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
        if body.get("contact_ids").is_some() {
            body["contact_ids"] = json!([self.workspace.contact("Omar", &phone()).await["id"]]);
        }
        for kind in ["list", "segment"] {
            if body.get(format!("{kind}_id")).is_some() {
                body[format!("{kind}_id")] = self.group(kind).await;
            }
        }
        if body.get("name").is_some() && route.tag == "Lists and segments" {
            body["name"] = format!("Named {}", count()).into();
        }
        if body.get("phone").is_some() {
            body["phone"] = phone().into();
        }
        if route.operation == "accept_invitation" {
            body["token"] = self.invitation().await.into();
        }
        if route.tag == "Team" && body.get("email").is_some() {
            body["email"] = format!("member-{}@clients.example", count()).into();
        }
        if route.operation == "hub_create_token" {
            person::partner_person(self.world, &self.partner).await;
            body["username"] = format!("ops-{}@partner.example", self.partner.id).into();
            body["password"] = person::PASSWORD.into();
        }
        if route.operation == "hub_share_account" {
            body["email"] = format!("owner-{}@clients.example", count()).into();
        }
        if body.get("booking_type_id").is_some() {
            let (kind, resource) = self.bookable().await;
            (body["booking_type_id"], body["resource_id"]) = (kind.clone(), resource.clone());
        }
        if route.operation == "create_booking_feed" {
            body["resource_id"] = self.bookable().await.1.clone();
        }
        if body.get("booking_type_ids").is_some() {
            body["booking_type_ids"] = json!([self.bookable().await.0]);
        }
        if body.get("starts_at").is_some() {
            body["starts_at"] = bookable_time(self.world, 12).into();
        }
        if route.tag == "Booking set-up" && body.get("date").is_some() {
            body["date"] = some_date().into();
        }
        if body.get("title").is_some() {
            body["title"] = format!("Title {}", count()).into();
        }
        if body.pointer("/admin/email").is_some() {
            body["admin"]["email"] = format!("admin-{}@clients.example", count()).into();
        }
        Some(body)
    }
}

/// A booking type of five minutes, and a resource that serves it at all hours to so many at once.
pub async fn bookable(workspace: &Actor, capacity: i64) -> (Value, Value) {
    let kind = json!({"name": "Call", "duration_minutes": 5});
    let kind = workspace.post("/api/v1/bookings/types", kind).await.expect(201)["data"]["id"].clone();
    let hours: Vec<Value> = (1..=7).map(|day| json!({"weekday": day, "from": "00:00", "to": "24:00"})).collect();
    let resource = json!({
        "name": "Switchboard", "type": "staff", "timezone": "UTC", "capacity": capacity, "hours": hours,
        "booking_type_ids": [kind],
    });
    let resource = workspace.post("/api/v1/bookings/resources", resource).await.expect(201)["data"]["id"].clone();
    (kind, resource)
}

/// The start of a slot of such a resource, the day after tomorrow; the next ones follow by number.
pub fn bookable_time(world: &World, slot: u32) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let day = (world.app.now().seconds() / DAY + 2) * DAY;
    skylight::kernel::Instant::from_seconds(day + 10 * 3_600 + 300 * i64::from(slot)).to_string()
}

/// A day that nobody else has.
fn some_date() -> String {
    let n = count();
    format!("20{:02}-{:02}-{:02}", 30 + n / 336 % 60, n / 28 % 12 + 1, n % 28 + 1)
}

/// A test delivery in this log; its id.
async fn delivery(of: &Actor, log: &str) -> Value {
    of.post(&log.replace("/deliveries", "/test"), json!({})).await.expect(200);
    of.get(log).await.expect(200)["data"][0]["id"].clone()
}

/// A recovery in this list, which has come to its end; its id.
async fn recovery(of: &Actor, list: &str) -> Value {
    no_recovery_runs(of, list).await;
    let begun = of.post(&list.replace("/recoveries", "/recover"), json!({"since": "2026-03-04"})).await.expect(202);
    no_recovery_runs(of, list).await;
    begun["data"]["id"].clone()
}

async fn no_recovery_runs(of: &Actor, list: &str) {
    until("no recovery runs", async || {
        let latest = of.get(list).await.expect(200)["data"][0].clone();
        if latest["status"] == "running" { Err(latest.to_string()) } else { Ok(()) }
    })
    .await;
}

/// Lets plans give everything, for stories that need many things.
pub async fn unlimited(world: &World) {
    let mut tx = world.app.db.begin().await.unwrap();
    tx.exec("UPDATE plan SET contacts = -1, channels = -1, messages_per_month = -1, team_members = -1", args![])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
