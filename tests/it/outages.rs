//! A full disk and a lost database: what is refused, what goes on, and that it passes without a restart.

use crate::process::house::{BIN, House, Whatsapp};
use crate::world::{Actor, Engine};
use serde_json::{Value, json};
use skylight_test_support::http::HttpResponse;
use skylight_test_support::process::ServerProcess;
use skylight_test_support::wait::{POLL, eventually, until_within};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CONTACTS: &str = "/api/v1/contacts";
/// Longer than anybody should wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The system refuses every byte that this process writes into a file beyond `limit`: to it, the disk is full. Lifted
/// by `unlimited`.
fn set_room(server: &ServerProcess, limit: &str) {
    let pid = server.pid().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:unlimited")]).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "prlimit (util-linux): {status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_writes_are_refused_reads_go_on_and_room_brings_everything_back() {
    let house = House::on(Engine::Sqlite).await;
    // A write beyond the limit is to fail as on a full disk, not to end the process.
    let command = format!("trap '' XFSZ; exec '{BIN}' serve");
    let server = ServerProcess::start_with("sh", &["-c", &command], &house.env(), house.folder.path()).await;
    let partner = house.partner(&server.base(), "rawabi").await;
    let (_, nakheel) = partner.client("Nakheel", "business").await;
    let whatsapp = house.whatsapp(&nakheel, 1).await;
    nakheel.webhook(&house.receiver.url("/crm"), &["*"]).await;

    // The disk fills up.
    let log = size(&house.folder.join("skylight.db-wal"));
    set_room(&server, &(log + 96 * 1024).to_string());
    let mut stored = BTreeSet::new();
    let refused = loop {
        let answer = create(&nakheel, stored.len()).await;
        if answer.status != 201 {
            break answer;
        }
        stored.insert(answer.json()["data"]["name"].as_str().unwrap().to_owned());
        assert!(stored.len() < 10_000, "the disk never fills up");
    };
    assert_outage(&refused);
    assert!(!stored.is_empty());
    assert_eq!(names(&nakheel).await, stored, "what was acknowledged is there, and nothing else");

    // Then not a byte can be written, into the server's own log neither.
    set_room(&server, "0");
    eventually("it says that it is not ready", async || (ready(&house, &server).await.status == 503).then_some(()))
        .await;
    assert_eq!(house.http.get(server.url("/health/live")).send().await.status, 200);
    let post = house.meta.webhook(&whatsapp.number).text("966501112233", "ليلى", "مرحبا");
    assert_outage(&whatsapp.post(&house.http, &server.base(), &post).send().await);
    let began = Instant::now();
    let mut asked = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let mut crowd = JoinSet::new();
        for n in 0..8 {
            let nakheel = nakheel.clone();
            crowd.spawn(async move { create(&nakheel, 10_000 + n).await });
        }
        crowd.join_all().await.iter().for_each(assert_outage);
        assert_eq!(names(&nakheel).await, stored);
        assert_outage(&ready(&house, &server).await);
        asked += 1;
    }
    assert!(asked > 2);

    // With room again it goes on by itself: with writing, with what was posted again, with the events of before.
    let pid = server.pid();
    set_room(&server, "unlimited");
    eventually("it is ready again", async || (ready(&house, &server).await.status == 200).then_some(())).await;
    create(&nakheel, 20_000).await.expect(201);
    stored.insert("Contact 20000".into());
    whatsapp.post(&house.http, &server.base(), &post).send().await.expect(200);
    let told = house.receiver.wait_for_event("contact.created", stored.len() + 1).await;
    house.receiver.wait_for_event("message.received", 1).await;
    stored.insert("ليلى".into());
    let of: BTreeSet<_> = told.iter().map(|d| d.json["data"]["contact"]["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(of, stored);
    assert_eq!(names(&nakheel).await, stored);
    let body = json!({"contact_id": told[0].json["data"]["contact"]["id"], "content": "we are back"});
    nakheel.post("/api/v1/messages/send", body).await.expect(201);
    house.meta.wait_for_sends(1).await;
    assert_eq!(server.pid(), pid);
    house.cli(&["check"]).await.success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_is_told_at_once_and_found_again_without_a_restart() {
    let house = House::on(Engine::Postgres).await;
    let database = house.database.as_ref().unwrap();
    let server = house.serve().await;
    let partner = house.partner(&server.base(), "rawabi").await;
    let (_, nakheel) = partner.client("Nakheel", "business").await;
    let whatsapp = house.whatsapp(&nakheel, 1).await;
    let webhook = nakheel.webhook(&house.receiver.url("/crm"), &["*"]).await["id"].clone();

    // When it goes, a send and a delivery are under way, and an event was just recorded.
    let (delivering, sending) = (house.receiver.hold_next(200), house.meta.hold_next_send());
    let contact = nakheel.contact("Before", "+966501110001").await["id"].clone();
    nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "held"})).await.expect(201);
    delivering.wait_for_held(1).await;
    sending.wait_for_held(1).await;
    nakheel.contact("Just before", "+966501110002").await;
    database.allow_connections(false).await;
    database.cut_connections().await;

    // Everything is refused, soon and honestly, also when it takes longer than a heartbeat is believed.
    let post = house.meta.webhook(&whatsapp.number).text("966501112233", "ليلى", "مرحبا");
    let lost = Instant::now();
    while lost.elapsed() < Duration::from_secs(12) {
        let began = Instant::now();
        assert_outage(&create(&nakheel, 1).await);
        assert_outage(&nakheel.get(CONTACTS).await);
        assert_outage(&partner.get("/api/v1/partner/profile").await);
        assert_outage(&whatsapp.post(&house.http, &server.base(), &post).send().await);
        assert_outage(&ready(&house, &server).await);
        assert_eq!(house.http.get(server.url("/health/live")).send().await.status, 200);
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        // What comes to its end meanwhile is remembered.
        delivering.release();
        sending.release();
    }

    database.allow_connections(true).await;
    eventually("it is ready again", async || (ready(&house, &server).await.status == 200).then_some(())).await;
    create(&nakheel, 2).await.expect(201);
    whatsapp.post(&house.http, &server.base(), &post).send().await.expect(200);
    house.receiver.wait_for_event("contact.created", 4).await;
    house.receiver.wait_for_event("message.received", 1).await;
    let log = format!("/api/v1/webhooks/{webhook}/deliveries");
    let deliveries = until_within(Duration::from_secs(15), "every delivery is recorded", async || {
        let deliveries = nakheel.get(&log).await.expect(200);
        let open = deliveries["data"].as_array().unwrap().iter().filter(|d| d["status"] != "delivered").count();
        if open == 0 { Ok(deliveries) } else { Err(format!("{open} open")) }
    })
    .await;
    assert_eq!(deliveries["meta"]["total"], 5);
    assert_eq!(house.receiver.deliveries().len(), 5, "none was made twice");

    // The send's outcome was kept, so its message is not in doubt; and the channel goes on.
    nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "we are back"})).await.expect(201);
    assert_eq!(house.meta.wait_for_sends(2).await.len(), 2);
    let history = nakheel.get(&format!("/api/v1/contacts/{contact}/messages")).await.expect(200);
    assert!(history["data"].as_array().unwrap().iter().all(|message| message["error"].is_null()), "{history}");
    house.cli(&["check"]).await.success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_lost_again_and_again_stops_nothing_for_good() {
    let mut house = House::on(Engine::Postgres).await;
    house.set("SKYLIGHT_WEBHOOK_RETRY_SCHEDULE", "1s,1s,1s,1s,1s,1s,1s,1s");
    let database = house.database.as_ref().unwrap();
    let server = house.serve().await;
    let partner = house.partner(&server.base(), "rawabi").await;
    let mut shops = Vec::new();
    for number in 0..4 {
        let (_, actor) = partner.client(&format!("Shop {number}"), "business").await;
        let whatsapp = house.whatsapp(&actor, number).await;
        let webhook = actor.webhook(&house.receiver.url("/crm"), &["*"]).await["id"].as_i64().unwrap();
        let contact = actor.contact("Regular", &format!("+96650{number}800000")).await["id"].as_i64().unwrap();
        shops.push(Shop { actor, whatsapp, webhook, contact });
    }
    let mut crowd = JoinSet::new();
    for shop in &shops {
        let posts = (0..40).map(|n| {
            let from = format!("9665011{:05}", n % 8);
            house.meta.webhook(&shop.whatsapp.number).text(&from, "ليلى", &format!("in {n}"))
        });
        crowd.spawn(shop.clone().talk(server.base(), posts.collect()));
    }
    // Each time it is away for a moment, so that everybody notices.
    let mut outages = 0;
    while !crowd.is_empty() {
        database.allow_connections(false).await;
        database.cut_connections().await;
        eventually("it is noticed", async || (ready(&house, &server).await.status == 503).then_some(())).await;
        database.allow_connections(true).await;
        eventually("it is found", async || (shops[0].actor.get(CONTACTS).await.status == 200).then_some(())).await;
        outages += 1;
        let more = shops[outages % 4].actor.get(CONTACTS);
        tokio::join!(more, tokio::time::timeout(Duration::from_millis(150), crowd.join_next())).0.expect(200);
    }
    assert!(outages > 3, "only {outages} outages");

    let mut expected = 0;
    for shop in &shops {
        until_within(Duration::from_secs(25), "all work is done", async || {
            let log = format!("/api/v1/webhooks/{}/deliveries?per_page=100", shop.webhook);
            let deliveries = shop.actor.get(&log).await.expect(200)["data"].as_array().unwrap().clone();
            let mut counts = BTreeMap::<_, usize>::new();
            deliveries
                .iter()
                .for_each(|d| *counts.entry((d["event"].to_string(), d["status"].to_string())).or_default() += 1);
            let done =
                |event: &str, count| counts.get(&(json!(event).to_string(), "\"delivered\"".into())) == Some(&count);
            let sends = shop.outbound().await;
            let tried: BTreeSet<_> = house.meta.attempts().into_iter().filter_map(|send| send.callback_data).collect();
            let waiting =
                |m: &&Value| !tried.contains(&format!("m{}", m["id"])) && m["error"]["class"] != "outcome_unknown";
            let waiting = sends.iter().filter(waiting).count();
            let done = done("contact.created", 9) && done("message.received", 40) && counts.len() == 2 && waiting == 0;
            if done { Ok(()) } else { Err(format!("{counts:?}, {waiting} of {} sends wait", sends.len())) }
        })
        .await;
        expected += 49;
    }
    let mut of_event = HashMap::<_, BTreeSet<_>>::new();
    for delivery in house.receiver.deliveries() {
        let data = &delivery.json["data"];
        let subject = (delivery.event.clone(), data["message"]["id"].as_i64(), data["contact"]["id"].as_i64());
        of_event.entry(subject).or_default().insert(delivery.id().to_owned());
    }
    assert_eq!(of_event.len(), expected);
    assert!(of_event.values().all(|ids| ids.len() == 1), "the same id on every attempt");
    let attempts: Vec<_> = house.meta.attempts().into_iter().map(|send| send.callback_data.unwrap()).collect();
    assert_eq!(attempts.len(), attempts.iter().collect::<BTreeSet<_>>().len(), "nothing was sent twice");
    house.cli(&["check"]).await.success();
}

#[derive(Clone)]
struct Shop {
    actor: Actor,
    whatsapp: Whatsapp,
    webhook: i64,
    contact: i64,
}

impl Shop {
    /// Sends and receives until everything was acknowledged, however often it is refused.
    async fn talk(self, base: String, posts: Vec<skylight_test_support::meta_webhook::MetaWebhook>) {
        for (n, post) in posts.iter().enumerate() {
            let body = json!({"contact_id": self.contact, "content": format!("out {n}")});
            let send = self.actor.http.post(format!("{base}/api/v1/messages/send")).json(&body);
            let send = send.bearer(self.actor.key()).header("idempotency-key", format!("s{n}"));
            for request in [send, self.whatsapp.post(&self.actor.http, &base, post)] {
                let mut answer = request.clone().send().await;
                while answer.status >= 300 {
                    assert!([409, 503].contains(&answer.status), "{answer:?}");
                    tokio::time::sleep(POLL).await;
                    answer = request.clone().send().await;
                }
            }
        }
    }

    async fn outbound(&self) -> Vec<Value> {
        let of = format!("/api/v1/contacts/{}/messages?direction=outbound&per_page=100", self.contact);
        let messages = self.actor.get(&of).await.expect(200)["data"].as_array().unwrap().clone();
        assert_eq!(messages.len(), 40, "each is there once");
        messages
    }
}

async fn create(workspace: &Actor, n: usize) -> HttpResponse {
    let body = json!({"name": format!("Contact {n}"), "phone": format!("+9665022{n:05}"), "type": "whatsapp"});
    let began = Instant::now();
    let answer = workspace.post(CONTACTS, body).await;
    assert!(began.elapsed() < PATIENCE, "{:?} until {answer:?}", began.elapsed());
    answer
}

async fn names(workspace: &Actor) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for page in 1.. {
        let contacts = workspace.get(&format!("{CONTACTS}?per_page=100&page={page}")).await.expect(200);
        names.extend(contacts["data"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()));
        if contacts["meta"]["last_page"] == page {
            break;
        }
    }
    names
}

async fn ready(house: &House, server: &ServerProcess) -> HttpResponse {
    house.http.get(server.url("/health/ready")).send().await
}

#[track_caller]
fn assert_outage(answer: &HttpResponse) {
    let body = answer.expect(503);
    assert_eq!((&body["success"], &body["code"]), (&json!(false), &json!("storage_unavailable")), "{answer:?}");
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{answer:?}");
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).len()
}
