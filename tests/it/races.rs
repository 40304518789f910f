//! Limits under a hundred requests at once: on one node with the embedded database, on three nodes with PostgreSQL.

use crate::on_both_engines;
use crate::person::{self, Person};
use crate::world::{Actor, Engine, World};
use serde_json::{Value, json};
use skylight::cli::manage;
use skylight::cli::serve::{Server, open};
use skylight::kernel::SystemRandom;
use skylight_db::{Read, args};
use skylight_test_support::http::HttpResponse;
use skylight_test_support::smtp::SmtpStandIn;
use skylight_test_support::wait::eventually;
use std::time::Duration;
use tokio::task::JoinSet;

const CLIENTS: &str = "/api/v1/partner/clients";
const CROWD: usize = 100;

on_both_engines! {
    async fn five_free_seats_are_taken_by_five_whether_they_come_or_return(world: World) {
        let nodes = Nodes::on(&world).await;
        let rawabi = world.partner("rawabi").await;
        let mut away = Vec::new();
        for n in 0..10 {
            let id = rawabi.post(CLIENTS, new_client(n)).await.expect(201)["data"]["id"].clone();
            rawabi.post(&format!("{CLIENTS}/{id}/suspend"), json!({})).await.expect(200);
            away.push(id);
        }
        manage::set_partner(&world.app, rawabi.id, Some(5), None).await.unwrap();
        let answers = nodes.at_once(|n| match n % 2 {
            0 => (&rawabi, "POST", CLIENTS.to_owned(), new_client(100 + n)),
            _ => (&rawabi, "POST", format!("{CLIENTS}/{}/reactivate", away[n / 2 % 10]), json!({})),
        }).await;
        for answer in answers.iter().filter(|answer| answer.status != 200 && answer.status != 201) {
            assert_eq!(answer.expect(403)["code"], "seat_limit_reached");
        }
        assert_eq!(seats(&world, &rawabi).await, (5, 5));
        // Leaving, returning and being deleted at once, the count follows the clients.
        let all: Vec<Value> = rawabi.get(&format!("{CLIENTS}?per_page=100")).await.expect(200)["data"]
            .as_array().unwrap().iter().map(|client| client["id"].clone()).collect();
        let answers = nodes.at_once(|n| {
            let path = format!("{CLIENTS}/{}", all[n % all.len()]);
            match n % 7 {
                0..=2 => (&rawabi, "POST", format!("{path}/suspend"), json!({})),
                3..=5 => (&rawabi, "POST", format!("{path}/reactivate"), json!({})),
                _ => (&rawabi, "DELETE", path, json!({})),
            }
        }).await;
        assert!(answers.iter().all(|answer| [200, 204, 403, 404].contains(&answer.status)), "{answers:?}");
        let (used, active) = seats(&world, &rawabi).await;
        assert_eq!(used, active);
        assert!(used <= 5);
        nodes.stop().await;
    }

    async fn with_five_left_exactly_five_are_made(world: World) {
        let nodes = Nodes::on(&world).await;
        let rawabi = world.partner("rawabi").await;
        let (_, nakheel) = rawabi.client("Nakheel", "pro").await;
        nakheel.sandbox().await;
        let sarah = nakheel.contact("Sarah", "+14155550000").await["id"].clone();
        // What is there counts already: a contact, a channel, the primary user.
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET contacts = 6, channels = 6, team_members = 6, messages_per_month = 5 WHERE slug = 'pro'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let password = "seven palms, one well";
        type Making<'a> = (&'a str, Box<dyn Fn(usize) -> Value + 'a>);
        let makings: [Making<'_>; 4] = [
            ("/api/v1/contacts", Box::new(|n| json!({"name": "Somebody", "phone": format!("+1415555{:04}", n + 1), "type": "whatsapp"}))),
            ("/api/v1/messages/send", Box::new(|_| json!({"contact_id": sarah, "content": "hello"}))),
            ("/api/v1/channels", Box::new(|_| json!({"type": "whatsapp", "provider": "sandbox"}))),
            ("/api/v1/team", Box::new(|n| json!({"name": "Huda", "email": format!("huda-{n}@team.example"), "role": "agent", "password": password}))),
        ];
        for (path, body) in makings {
            let answers = nodes.at_once(|n| (&nakheel, "POST", path.to_owned(), body(n))).await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5, "{path}: {answers:?}");
            for refused in answers.iter().filter(|answer| answer.status != 201) {
                assert_eq!(refused.expect(403)["code"], "plan_limit_reached", "{path}");
            }
        }
        let limits = nakheel.get("/api/v1/account/subscription").await.expect(200)["data"]["limits"].clone();
        let full = |max: i64| json!({"max": max, "used": max});
        assert_eq!(limits, json!({"contacts": full(6), "team_members": full(6), "messages_per_month": full(5)}));
        assert!(manage::recount(&world.app.db).await.unwrap().is_empty());
        nodes.stop().await;
    }

    async fn an_address_is_one_persons_wherever_it_is_asked_for(world: World) {
        let nodes = Nodes::on(&world).await;
        let (rawabi, other) = (world.partner("rawabi").await, world.partner("other").await);
        let (_, nakheel) = rawabi.client("Nakheel", "business").await;
        let huda = |n: usize| if n.is_multiple_of(3) { "Huda@Team.example" } else { "huda@team.example" };
        let answers = nodes.at_once(|n| match n % 4 {
            0 => (&nakheel, "POST", "/api/v1/team".to_owned(), json!({"name": "Huda", "email": huda(n), "role": "agent", "password": "seven palms, one well"})),
            rest => {
                let mut body = new_client(n);
                body["admin"]["email"] = huda(n).into();
                (if rest == 1 { &other } else { &rawabi }, "POST", CLIENTS.to_owned(), body)
            }
        }).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert!(answer.status == 409 || answer.status == 422, "{answer:?}");
            assert!(answer.text().contains("The email has already been taken."), "{answer:?}");
        }
        let holders: i64 = (&world.app.db).one("SELECT COUNT(*) FROM team_member WHERE email_key = 'huda@team.example'", args![]).await.unwrap();
        assert_eq!(holders, 1);
        for partner in [&rawabi, &other] {
            let (used, active) = seats(&world, partner).await;
            assert_eq!(used, active, "a refused creation takes no seat");
        }
        nodes.stop().await;
    }

    async fn a_login_link_lets_one_of_a_hundred_in(world: World) {
        let nodes = Nodes::on(&world).await;
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let token = person::link(&rawabi, nakheel.id).await;
        // Everybody has the page before anybody sends its form.
        let mut guests = Vec::new();
        for n in 0..CROWD {
            let mut guest = Person::at(&world.http, &nodes.bases[n % nodes.bases.len()]);
            assert_eq!(guest.get(&format!("/partner-login?token={token}")).await.status, 200);
            guests.push(guest);
        }
        let mut crowd = JoinSet::new();
        for mut guest in guests {
            let token = token.clone();
            crowd.spawn(async move { (guest.submit("/partner-login", &[("token", &token)]).await.status, guest) });
        }
        let mut came = Vec::new();
        for (status, guest) in crowd.join_all().await {
            match status {
                303 => came.push(guest),
                other => assert_eq!(other, 404),
            }
        }
        assert_eq!(came.len(), 1);
        assert!(came[0].clone().is_in().await);
        let started = changes(&rawabi, "client.visit_started").await;
        assert_eq!(started.len(), 1);
        // A hundred links are a hundred visits; with the suspension all of them are over, whoever is on the way.
        let issued = nodes.at_once(|_| (&rawabi, "POST", format!("{CLIENTS}/{}/impersonate", client["id"]), json!({}))).await;
        let tokens: Vec<String> = issued.iter().map(|answer| {
            let url = answer.expect(200)["data"]["login_url"].clone();
            url.as_str().unwrap().split_once("token=").unwrap().1.to_owned()
        }).collect();
        let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
        assert_eq!(distinct.len(), CROWD);
        let mut crowd = JoinSet::new();
        for (n, token) in tokens.into_iter().enumerate() {
            let mut guest = Person::at(&world.http, &nodes.bases[n % nodes.bases.len()]);
            crowd.spawn(async move {
                guest.get(&format!("/partner-login?token={token}")).await;
                if guest.page.contains("name=\"form\"") {
                    guest.submit("/partner-login", &[("token", &token)]).await;
                }
            });
        }
        rawabi.post(&format!("{CLIENTS}/{}/suspend", client["id"]), json!({})).await.expect(200);
        crowd.join_all().await;
        rawabi.post(&format!("{CLIENTS}/{}/reactivate", client["id"]), json!({})).await.expect(200);
        let left: i64 = (&world.app.db).one("SELECT COUNT(*) FROM workspace_session WHERE workspace_id = $1", args![nakheel.id]).await.unwrap();
        assert_eq!(left, 0, "nobody stays");
        nodes.stop().await;
    }

    async fn a_link_to_a_new_password_sets_one_of_a_hundred(world: World) {
        let smtp = SmtpStandIn::start().await;
        let world = World::start_with(world.engine, &[("smtp_url", &smtp.url()), ("mail_from", "no-reply@brand.example")]).await;
        let nodes = Nodes::on(&world).await;
        let nakheel = world.workspace("nakheel").await;
        person::member(&nakheel, "Huda", "agent").await;
        let before = smtp.wait_for(2).await.len();
        let mut huda = Person::new(&world);
        huda.get("/forgot").await;
        assert_eq!(huda.submit("/forgot", &[("email", &person::email("Huda"))]).await.status, 200);
        let text = smtp.wait_for(before + 1).await[before].letter().text;
        let token = text.split_whitespace().find_map(|word| word.split_once("/reset?token=")).unwrap().1.to_owned();
        let mut crowd = JoinSet::new();
        for n in 0..CROWD {
            let (http, url, token) = (world.http.clone(), format!("{}/reset", nodes.bases[n % nodes.bases.len()]), token.clone());
            crowd.spawn(async move {
                let password = format!("seven palms, {n} wells");
                let form = [("token", token.as_str()), ("password", &password), ("again", &password)];
                (http.post(url).form(&form).send().await.status, password)
            });
        }
        let answers = crowd.join_all().await;
        let set: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
        // Hashing takes turns; whoever waits too long for theirs is told that the server is busy.
        assert!(answers.iter().all(|(status, _)| [200, 404, 503].contains(status)), "{answers:?}");
        assert_eq!(set.len(), 1);
        huda.sign_in(&person::email("Huda"), &set[0].1).await;
        nodes.stop().await;
    }

    async fn plans_change_once_and_hold_from_then_on(world: World) {
        let nodes = Nodes::on(&world).await;
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let path = format!("{CLIENTS}/{}", client["id"]);
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET contacts = 5 WHERE slug = 'pro'", args![]).await.unwrap();
        tx.exec("UPDATE plan SET contacts = 60 WHERE slug = 'business'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let person = |n: usize| json!({"name": "Somebody", "phone": format!("+1415556{n:04}"), "type": "whatsapp"});
        // Twenty say the same while eighty create.
        let answers = nodes.at_once(|n| match n % 5 {
            0 => (&rawabi, "PATCH", path.clone(), json!({"plan": "pro", "immediate": true})),
            _ => (&nakheel, "POST", "/api/v1/contacts".to_owned(), person(n)),
        }).await;
        assert!(answers.iter().all(|answer| [200, 201, 403].contains(&answer.status)), "{answers:?}");
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(nakheel.get("/api/v1/contacts").await.expect(200)["meta"]["total"], made);
        assert!(made <= 60, "{made}");
        if made >= 5 {
            nakheel.post("/api/v1/contacts", person(5_000)).await.expect(403);
        }
        assert_eq!(changes(&rawabi, "client.plan_changed").await.len(), 1, "twenty said the same");
        assert!(manage::recount(&world.app.db).await.unwrap().is_empty());
        // All kinds of changes at once leave one plan, at most one that waits for its turn, and as many entries as events.
        let answers = nodes.at_once(|n| {
            let plan = if n % 3 == 0 { "pro" } else { "business" };
            (&rawabi, "PATCH", path.clone(), json!({"plan": plan, "immediate": n % 2 == 0}))
        }).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let left = rawabi.get(&path).await.expect(200)["data"].clone();
        assert_ne!(left["plan"], left["pending_plan"]);
        let noted = changes(&rawabi, "client.plan_changed").await.len() + changes(&rawabi, "client.plan_scheduled").await.len();
        let told: i64 = (&world.app.db).one("SELECT COUNT(*) FROM event WHERE kind = 'partner.client.updated'", args![]).await.unwrap();
        assert_eq!(noted, usize::try_from(told).unwrap());
        // What waits comes with the month, once, whichever node is first.
        let (now, next) = if left["plan"] == "pro" { ("pro", "business") } else { ("business", "pro") };
        rawabi.patch(&path, json!({"plan": now, "immediate": true})).await.expect(200);
        nodes.at_once(|_| (&rawabi, "PATCH", path.clone(), json!({"plan": next}))).await;
        let before = changes(&rawabi, "client.plan_changed").await.len();
        world.clock.advance(world.app.now().until(world.app.now().month().next().start()) + Duration::from_secs(1));
        eventually("the plan is applied", async || (rawabi.get(&path).await.expect(200)["data"]["plan"] == next).then_some(())).await;
        eventually("nothing is due", async || {
            let due = world.app.now();
            let jobs: i64 = (&world.app.db).one("SELECT COUNT(*) FROM job WHERE run_at <= $1", args![due]).await.unwrap();
            (jobs == 0).then_some(())
        }).await;
        let after = changes(&rawabi, "client.plan_changed").await;
        assert_eq!((after.len(), &after[0]["actor"]["type"], &after[0]["changes"]["plan"]), (before + 1, &json!("system"), &json!(next)));
        nodes.stop().await;
    }

    async fn a_plan_is_applied_although_no_node_saw_the_month_begin(world: World) {
        let mut world = world;
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "pro").await;
        let path = format!("{CLIENTS}/{}", client["id"]);
        rawabi.patch(&path, json!({"plan": "business"})).await.expect(200);
        let months_end = world.app.now().until(world.app.now().month().next().start());
        world.restart_after(months_end + Duration::from_secs(40 * 86_400)).await;
        let [rawabi, nakheel] = [rawabi, nakheel].map(|who| Actor { base: world.base.clone(), ..who });
        eventually("the plan is applied", async || {
            let client = rawabi.get(&path).await.expect(200)["data"].clone();
            (client["plan"] == "business" && client["pending_plan"].is_null()).then_some(())
        }).await;
        let entries = nakheel.get("/api/v1/audit?action=client.plan_changed").await.expect(200)["data"].clone();
        assert_eq!((entries.as_array().unwrap().len(), &entries[0]["actor"]["type"]), (1, &json!("system")));
    }
}

fn new_client(n: usize) -> Value {
    let admin = json!({"first_name": "Sara", "last_name": "Hassan", "email": format!("sara-{n}@clients.example")});
    json!({"company_name": format!("Client {n}"), "plan": "business", "admin": admin, "skip_invite": true})
}

/// Seats in use as they are counted, and clients that are active.
async fn seats(world: &World, partner: &Actor) -> (i64, i64) {
    let used = partner.get("/api/v1/partner/profile").await.expect(200)["data"]["client_seats"]["used"].as_i64();
    let sql = "SELECT COUNT(*) FROM workspace WHERE partner_id = $1 AND status = 'active'";
    (used.unwrap(), (&world.app.db).one(sql, args![partner.id]).await.unwrap())
}

async fn changes(partner: &Actor, action: &str) -> Vec<Value> {
    let page = partner.get(&format!("/api/v1/partner/audit?per_page=100&action={action}")).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

/// All nodes on one database: one on SQLite, three on PostgreSQL.
pub struct Nodes {
    pub bases: Vec<String>,
    others: Vec<Server>,
}

impl Nodes {
    pub async fn on(world: &World) -> Self {
        let mut nodes = Self { bases: vec![world.base.clone()], others: Vec::new() };
        let more = if world.engine == Engine::Postgres { 2 } else { 0 };
        for _ in 0..more {
            let (clock, random) = (Box::new(world.clock.clone()), Box::new(SystemRandom));
            let app = open(world.app.config.clone(), clock, random).await.unwrap();
            let server = Server::start(app).await.unwrap();
            nodes.bases.push(format!("http://{}", server.address));
            nodes.others.push(server);
        }
        nodes
    }

    /// A hundred requests that begin together, each at another node than the one before.
    async fn at_once<'a>(
        &self,
        request: impl Fn(usize) -> (&'a Actor, &'static str, String, Value),
    ) -> Vec<HttpResponse> {
        let mut crowd = JoinSet::new();
        for n in 0..CROWD {
            let (who, method, path, body) = request(n);
            let who = Actor { base: self.bases[n % self.bases.len()].clone(), ..who.clone() };
            crowd.spawn(async move { who.call(method, &path, Some(body)).await });
        }
        crowd.join_all().await
    }

    pub async fn stop(self) {
        for server in self.others {
            server.stop().await;
        }
    }
}
