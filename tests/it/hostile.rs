//! Hostile URLs (rules S1 to S4): whatever a tenant enters, wherever its name leads, no connection goes to an address that
//! is not public or is our own, at no point of a webhook's life. The URLs stand in `data/hostile_urls.json`.

mod siege;

use crate::on_both_engines;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use siege::{FRIEND, Siege, Trap, log, test, tried};
use skylight_db::{Read, args};
use skylight_test_support::script::Behaviour;
use skylight_test_support::wait::{eventually, until};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpListener;

const WEBHOOKS: &str = "/api/v1/webhooks";
const PARTNERS: &str = "/api/v1/partner/webhook";
const BLOCKED: &str = "blocked address";
const NOWHERE: &str = "could not connect: the name does not resolve";
/// What is said of URLs that could not be saved, if they were stored all the same.
const NEVER_SENT: [&str; 4] = [
    BLOCKED,
    "bad request: neither http nor https",
    "bad request: the URL has a user name or password",
    "bad request: the URL cannot be sent",
];
/// Webhooks of one workspace.
const MOST: usize = 45;

on_both_engines! {
    async fn a_hostile_url_is_refused_wherever_it_is_entered_and_nothing_of_it_is_stored(world: World) {
        let siege = Siege::lay(world.engine).await;
        let world = &siege.world;
        let (nakheel, friend) = (world.workspace("nakheel").await, siege.friend.url("/well"));
        let hook = nakheel.webhook(&friend, &["*"]).await;
        let (rawabi, rival) = (Partner::of(world, "rawabi").await, Partner::of(world, "rival").await);
        rawabi.v1.put(PARTNERS, json!({"url": friend})).await.expect(200);
        rawabi.v2.post(&rawabi.hub, json!({"webhook_url": friend})).await.expect(200);

        let table = siege.table("refused");
        assert!(table.len() >= 60, "{}", table.len());
        let mut accepted = Vec::new();
        for (why, url) in table {
            let body = json!({"name": "CRM", "url": url, "events": ["*"]});
            for answer in [
                nakheel.post(WEBHOOKS, body).await,
                nakheel.put(&format!("{WEBHOOKS}/{}", hook["id"]), json!({"url": url})).await,
                rawabi.v1.put(PARTNERS, json!({"url": url})).await,
                rival.v1.put(PARTNERS, json!({"url": url})).await,
            ] {
                if answer.status != 422 {
                    accepted.push(format!("{why}: {url}: {answer:?}"));
                    continue;
                }
                let fields: Vec<_> = answer.json()["errors"].as_object().unwrap().keys().cloned().collect();
                assert_eq!(fields, ["url"], "{why}: {url}: {answer:?}");
            }
            for partner in [&rawabi, &rival] {
                let set = partner.v2.post(&partner.hub, json!({"webhook_url": url})).await;
                let patched = partner.v2.patch(&partner.at, json!({"webhook_url": url})).await;
                if (set.status, patched.status) != (400, 400) {
                    accepted.push(format!("{why}: {url}: {set:?} {patched:?}"));
                }
            }
        }
        assert!(accepted.is_empty(), "{}", accepted.join("\n"));

        let listed = nakheel.get(WEBHOOKS).await.expect(200);
        assert_eq!((&listed["meta"]["total"], &listed["data"][0]["url"]), (&json!(1), &json!(friend)), "{listed}");
        assert_eq!(rawabi.v1.get(PARTNERS).await.expect(200)["data"]["url"], json!(friend));
        assert_eq!(rawabi.v2.get(&rawabi.hub).await.expect(200)["webhook_url"], json!(friend));
        rival.v1.get(PARTNERS).await.expect(404);
        assert_eq!(rival.v2.get(&rival.hub).await.expect(200)["webhook_url"], "");
        let others = "SELECT COUNT(*) FROM webhook WHERE url <> $1";
        assert_eq!((&world.app.db).one::<i64>(others, args![friend]).await.unwrap(), 0);

        // What is fair goes on.
        test(&nakheel, &hook).await;
        rawabi.v1.post(&format!("{PARTNERS}/test"), json!({})).await.expect(200);
        siege.friend.wait_for(2).await;
        siege.trap.caught_nobody();
    }

    async fn a_forbidden_address_is_never_connected_to_however_its_url_came_to_be_stored(world: World) {
        let siege = Siege::lay(world.engine).await;
        let world = &siege.world;
        let mut cases: Vec<(String, &[&str], bool)> = Vec::new();
        let rows = |group| siege.table(group).into_iter().map(|(_, url)| url);
        cases.extend(rows("blocked").map(|url| (url, &[BLOCKED][..], true)));
        cases.extend(rows("nowhere").map(|url| (url, &[NOWHERE][..], true)));
        // Saved before the rules were what they are, or under others.
        let parsed = rows("refused").filter(|url| url::Url::parse(url).is_ok());
        cases.extend(parsed.map(|url| (url, &NEVER_SENT[..], false)));
        assert!(cases.len() >= 60, "{}", cases.len());

        let mut hooks: Vec<(Actor, Value, &[&str])> = Vec::new();
        for (part, cases) in cases.chunks(MOST).enumerate() {
            let workspace = world.workspace(&format!("workspace-{part}")).await;
            for (number, (url, errors, is_accepted)) in cases.iter().enumerate() {
                let hook = match (is_accepted, number % 2) {
                    (true, 0) => workspace.webhook(url, &["*"]).await,
                    (true, _) => {
                        let hook = workspace.webhook(&siege.friend.url("/before"), &["*"]).await;
                        workspace.put(&format!("{WEBHOOKS}/{}", hook["id"]), json!({"url": url})).await.expect(200);
                        hook
                    }
                    (false, _) => stored_by_force(world, &workspace, &siege.friend.url("/before"), url).await,
                };
                hooks.push((workspace.clone(), hook, *errors));
            }
            for (workspace, hook, _) in &hooks[part * MOST..] {
                test(workspace, hook).await;
            }
            workspace.contact("Sarah", "+14155551234").await;
        }
        for round in 1..=2 {
            for (workspace, hook, errors) in &hooks {
                for entry in tried(workspace, hook, 2, round).await {
                    assert_eq!((&entry["status"], &entry["response_status"], &entry["response_body"]), (&json!("failed"), &Value::Null, &Value::Null), "{entry}");
                    for attempt in entry["attempt_log"].as_array().unwrap() {
                        assert!(errors.contains(&attempt["error"].as_str().unwrap()), "{hook}: {entry}");
                    }
                }
            }
            world.clock.advance(Duration::from_secs(150));
        }
        assert_eq!(siege.friend.deliveries().len(), 0);
        siege.trap.caught_nobody();
    }

    async fn a_partners_endpoints_are_guarded_alike(world: World) {
        let siege = Siege::lay(world.engine).await;
        let rawabi = Partner::of(&siege.world, "rawabi").await;
        for (number, (why, url)) in siege.table("blocked").into_iter().enumerate() {
            rawabi.v1.put(PARTNERS, json!({"url": url})).await.expect(200);
            let test = rawabi.v1.post(&format!("{PARTNERS}/test"), json!({})).await.expect(200);
            let page = format!("{PARTNERS}/deliveries?per_page=5&event=webhook.test");
            let entry = eventually(&format!("{why} is tried"), async || {
                let log = rawabi.v1.get(&page).await.expect(200);
                let entry = log["data"][0].clone();
                assert_eq!(entry["delivery_id"], test["data"]["delivery_id"]);
                (entry["status"] == "failed").then_some(entry)
            }).await;
            assert_eq!((&entry["error"], &entry["response_status"]), (&json!(BLOCKED), &Value::Null), "{why}: {url}: {entry}");
            if number % 5 == 0 {
                rawabi.v2.post(&rawabi.hub, json!({"webhook_url": url})).await.expect(200);
                rawabi.v1.client(&format!("Client {number}"), "business").await;
                let told = "SELECT COUNT(*) FROM webhook_delivery WHERE event = 'client_created' AND attempts > 0 AND error = $1";
                until(&format!("{why} is tried for the hub"), async || {
                    let count: i64 = (&siege.world.app.db).one(told, args![BLOCKED]).await.unwrap();
                    if count == i64::try_from(number / 5).unwrap() + 1 { Ok(()) } else { Err(count) }
                }).await;
            }
        }
        siege.trap.caught_nobody();
    }

    async fn a_name_that_changes_its_mind_gains_nothing(world: World) {
        let siege = Siege::lay(world.engine).await;
        let port = url::Url::parse(&siege.friend.url("/")).unwrap().port().unwrap();
        // Whoever connects to another address under the friend's port is caught too.
        let beside = Trap::at(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap());
        let nakheel = siege.world.workspace("nakheel").await;
        let friend = FRIEND.to_string();
        let changes: [(&str, &[&str], &[&str]); 4] = [
            ("first-fair", &[&friend, "127.0.0.1"], &["delivered", "failed", "failed"]),
            ("first-forbidden", &["127.0.0.1", &friend], &["failed", "delivered", "delivered"]),
            ("to-and-fro", &[&friend, "127.0.0.1", &friend], &["delivered", "failed", "delivered"]),
            ("both", &[&format!("127.0.0.1 10.0.0.1 {friend} ::1")], &["delivered", "delivered", "delivered"]),
        ];
        // A kept connection leads where it was checked; the name is asked anew only without one.
        siege.friend.script().always("*", Behaviour::status(200).with_header("connection", "close"));
        for (name, answers, expected) in changes {
            siege.names.lead(&format!("{name}.example"), answers);
            let hook = nakheel.webhook(&format!("http://{name}.example:{port}/{name}"), &["message.sent"]).await;
            for (number, outcome) in expected.iter().enumerate() {
                test(&nakheel, &hook).await;
                let entry = tried(&nakheel, &hook, number + 1, 1).await.remove(0);
                let error = if *outcome == "failed" { json!(BLOCKED) } else { Value::Null };
                assert_eq!((&entry["status"], &entry["error"]), (&json!(outcome), &error), "{name}: {entry}");
            }
        }
        assert_eq!(siege.friend.deliveries().len(), 1 + 2 + 2 + 3);
        siege.trap.caught_nobody();
        beside.caught_nobody();
    }

    async fn a_redirect_leads_nowhere(world: World) {
        let siege = Siege::lay(world.engine).await;
        let nakheel = siege.world.workspace("nakheel").await;
        let rawabi = siege.world.partner("rawabi").await;
        let mut made = 0;
        for target in ["http://127.0.0.1:{trap}/", "//[::1]:{trap}/", "http://169.254.169.254/", "http://loopback.example:{trap}/", "http://127.0.0.1:{own}/", "file:///etc/passwd"] {
            for status in [301, 302, 303, 307, 308] {
                let path = format!("/moved/{made}");
                let moved = Behaviour::status(status).with_header("location", siege.url(target)).with_header("refresh", format!("0; url={}", siege.url(target)));
                siege.friend.script().always(&path, moved);
                let hook = nakheel.webhook(&siege.friend.url(&path), &["*"]).await;
                test(&nakheel, &hook).await;
                let entry = tried(&nakheel, &hook, 1, 1).await.remove(0);
                assert_eq!((&entry["status"], &entry["response_status"]), (&json!("failed"), &json!(status)), "{target}: {entry}");
                assert!(entry["error"].as_str().unwrap().ends_with("redirects are not followed"), "{entry}");
                made += 1;
            }
        }
        siege.friend.script().always("/partner", Behaviour::status(307).with_header("location", siege.url("http://127.0.0.1:{trap}/")));
        rawabi.put(PARTNERS, json!({"url": siege.friend.url("/partner")})).await.expect(200);
        rawabi.post(&format!("{PARTNERS}/test"), json!({})).await.expect(200);
        siege.friend.wait_for(made + 1).await;
        eventually("it is noted", async || {
            let log = rawabi.get(&format!("{PARTNERS}/deliveries?status=failed")).await.expect(200);
            (log["data"][0]["response_status"] == 307).then_some(())
        }).await;
        siege.trap.caught_nobody();
    }

    async fn our_own_address_stays_forbidden_where_the_operator_allows_its_network(world: World) {
        let siege = Siege::allowing(world.engine, "127.0.0.0/8,::/0,0.0.0.0/8").await;
        let nakheel = siege.world.workspace("nakheel").await;
        for url in [
            "http://127.0.0.1:{own}/", "http://127.1:{own}/", "http://2130706433:{own}/", "http://0:{own}/", "http://[::ffff:127.0.0.1]:{own}/",
        ] {
            let url = siege.url(url);
            let refused = nakheel.post(WEBHOOKS, json!({"name": "CRM", "url": url, "events": ["*"]})).await;
            assert_eq!((refused.status, &refused.json()["errors"]["url"]), (422, &json!(["The URL's address is not allowed."])), "{url}: {refused:?}");
        }
        for (host, leads) in [("chat.example.test", "127.0.0.1"), ("mapped.example", "::ffff:127.0.0.1"), ("any.example", "0.0.0.0")] {
            siege.names.lead(host, &[leads]);
            let hook = nakheel.webhook(&siege.url(&format!("http://{host}:{{own}}/api/v1/contacts")), &["*"]).await;
            test(&nakheel, &hook).await;
            let entry = tried(&nakheel, &hook, 1, 1).await.remove(0);
            assert_eq!((&entry["error"], &entry["response_status"]), (&json!(BLOCKED), &Value::Null), "{host}: {entry}");
        }
        // Another port of the same address is somebody else's.
        let hook = nakheel.webhook(&siege.world.receiver.url("/neighbour"), &["*"]).await;
        test(&nakheel, &hook).await;
        siege.world.receiver.wait_for(1).await;
        assert_eq!(log(&nakheel, &hook).await.len(), 1);
    }
}

/// A partner with its endpoints in both of its APIs.
struct Partner {
    v1: Actor,
    v2: Actor,
    at: String,
    hub: String,
}

impl Partner {
    async fn of(world: &World, name: &str) -> Self {
        let v1 = world.partner(name).await;
        let sql = "SELECT public_id FROM partner WHERE id = $1";
        let id: String = (&world.app.db).one(sql, args![v1.id]).await.unwrap();
        let at = format!("/api/v2/partners/{id}");
        Self { v2: v1.with_key("X-API-Key", v1.key()), v1, hub: format!("{at}/webhook_url"), at }
    }
}

/// A webhook whose URL no request could have set.
async fn stored_by_force(world: &World, workspace: &Actor, before: &str, url: &str) -> Value {
    let mut hook = workspace.webhook(before, &["*"]).await;
    let mut tx = world.app.db.begin().await.unwrap();
    tx.exec("UPDATE webhook SET url = $2 WHERE id = $1", args![hook["id"].as_i64(), url]).await.unwrap();
    tx.commit().await.unwrap();
    hook["url"] = json!(url);
    hook
}
