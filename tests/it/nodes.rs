//! Several servers on one PostgreSQL share everything: requests may alternate between them, work is done once, and when
//! one dies the others go on.

use crate::person::{self, Person};
use crate::process::house::{House, Whatsapp, within_a_second};
use crate::world::{Actor, Engine};
use serde_json::{Value, json};
use skylight_test_support::process::ServerProcess;
use skylight_test_support::receiver::Delivery;
use skylight_test_support::script::Behaviour;
use skylight_test_support::wait::{until, until_within};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::task::JoinSet;

const CONTACTS: &str = "/api/v1/contacts";
/// Ten seconds until a dead node's heartbeat is stale, and as long as a slow machine needs for the work itself.
const TAKEOVER: Duration = Duration::from_secs(18);

/// Two servers, started at once on a database that nobody has seen yet.
struct Pair {
    house: House,
    nodes: [ServerProcess; 2],
}

impl Pair {
    async fn start(settings: &[(&'static str, &str)]) -> Self {
        let mut house = House::on(Engine::Postgres).await;
        settings.iter().for_each(|(name, value)| house.set(name, *value));
        let (first, second) = tokio::join!(house.serve(), house.serve());
        Self { house, nodes: [first, second] }
    }

    /// The same caller, calling one of the nodes.
    fn at(&self, node: usize, caller: &Actor) -> Actor {
        Actor { base: self.nodes[node % 2].base(), ..caller.clone() }
    }

    async fn partner(&self) -> Actor {
        self.house.partner(&self.nodes[0].base(), "rawabi").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_does_holds_on_the_other() {
    let pair = Pair::start(&[]).await;
    let partner = pair.partner().await;
    let (client, nakheel) = pair.at(1, &partner).client("Nakheel", "business").await;
    let client = format!("/api/v1/partner/clients/{}", client["id"]);
    let made = pair.at(0, &nakheel).contact("Sarah", "+14155551234").await;
    let read = pair.at(1, &nakheel).get(&format!("{CONTACTS}/{}", made["id"])).await.expect(200);
    assert_eq!(read["data"], made);

    // A request repeated at the other node is answered from what the first one stored.
    let body = json!({"name": "Omar", "phone": "+966502223344", "type": "whatsapp"});
    let mut answers = Vec::new();
    for node in 0..2 {
        let request = pair.house.http.post(pair.nodes[node].url(CONTACTS)).bearer(nakheel.key());
        answers.push(request.header("idempotency-key", "once").json(&body).send().await);
    }
    assert_eq!(answers[0].expect(201), answers[1].expect(201));
    assert_eq!(answers[1].header("idempotent-replayed"), Some("true"));

    for (here, there, verb, status) in [(0, 1, "suspend", 403), (1, 0, "reactivate", 200)] {
        // Both nodes know the key as it was.
        for node in 0..2 {
            pair.at(node, &nakheel).get(CONTACTS).await;
        }
        pair.at(here, &partner).post(&format!("{client}/{verb}"), json!({})).await.expect(200);
        assert_eq!(pair.at(here, &nakheel).get(CONTACTS).await.status, status, "at once where it was said");
        within_a_second("the other node knows", async || pair.at(there, &nakheel).get(CONTACTS).await.status == status)
            .await;
    }
    let keys = pair.at(0, &partner).get(&format!("{client}/api-keys")).await.expect(200);
    pair.at(0, &nakheel).get(CONTACTS).await.expect(200);
    let anew = format!("{client}/api-keys/{}/regenerate", keys["data"][0]["id"]);
    let anew = pair.at(1, &partner).post(&anew, json!({})).await.expect(200);
    within_a_second("the old secret is refused", async || pair.at(0, &nakheel).get(CONTACTS).await.status == 401).await;
    let nakheel = nakheel.with_key("X-Api-Key", anew["data"]["key"].as_str().unwrap());
    pair.at(0, &nakheel).get(CONTACTS).await.expect(200);
    pair.at(1, &partner).delete(&format!("{client}/api-keys/{}", keys["data"][0]["id"])).await.expect(204);
    within_a_second("a revoked key is refused", async || pair.at(0, &nakheel).get(CONTACTS).await.status == 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_signed_in_at_one_node_is_at_the_other_and_is_out_at_both() {
    let pair = Pair::start(&[]).await;
    let partner = pair.partner().await;
    let (client, nakheel) = partner.client("Nakheel", "business").await;
    let client = format!("/api/v1/partner/clients/{}", client["id"]);
    let member = person::member(&nakheel, "Huda", "admin").await;
    let at = |node: usize| Person::at(&pair.house.http, &pair.nodes[node].base());
    for round in 0..3 {
        let (mut here, mut there) = (at(0), at(1));
        here.sign_in(&person::email("Huda"), person::PASSWORD).await;
        there.cookies = here.cookies.clone();
        assert!(here.is_in().await && there.is_in().await);
        match round {
            0 => drop(here.submit("/logout", &[]).await),
            1 => drop(partner.post(&format!("{client}/suspend"), json!({})).await.expect(200)),
            _ => drop(nakheel.put(&format!("/api/v1/team/{}", member["id"]), json!({"status": "inactive"})).await),
        }
        assert!(!here.clone().is_in().await, "at once where it was done");
        within_a_second("the other node knows", async || !there.clone().is_in().await).await;
        partner.post(&format!("{client}/reactivate"), json!({})).await.expect(200);
        assert!(!there.is_in().await);
    }
    // A link into the workspace opens once, whichever node is asked.
    let token = person::link(&partner, nakheel.id).await;
    let mut crowd = JoinSet::new();
    for node in 0..20 {
        let (mut guest, token) = (at(node % 2), token.clone());
        crowd.spawn(async move {
            if guest.get(&format!("/partner-login?token={token}")).await.status != 200 {
                return 404;
            }
            guest.submit("/partner-login", &[("token", &token)]).await.status
        });
    }
    let entered = crowd.join_all().await.into_iter().filter(|status| *status == 303).count();
    assert_eq!(entered, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_do_every_piece_of_work_once() {
    let pair = Pair::start(&[]).await;
    let partner = pair.partner().await;
    let mut shops = Vec::new();
    for number in 0..4 {
        shops.push(Shop::open(&pair, &partner, number).await);
    }
    let mut crowd = JoinSet::new();
    for shop in &shops {
        for part in 0..2 {
            crowd.spawn(shop.clone().talk([pair.nodes[0].base(), pair.nodes[1].base()], part * 25..(part + 1) * 25));
        }
    }
    while let Some(done) = crowd.join_next().await {
        done.unwrap();
    }
    // 200 messages out, 200 in; both nodes had a hand in it.
    let sends = pair.house.meta.wait_for_sends(200).await;
    let references: BTreeSet<_> = sends.iter().map(|send| send.callback_data.clone()).collect();
    assert_eq!((pair.house.meta.attempts().len(), references.len()), (200, 200), "each was sent once");
    for (n, send) in sends.iter().enumerate() {
        let shop = shops.iter().find(|shop| shop.whatsapp.number == send.phone_number_id).unwrap();
        let status = pair.house.meta.webhook(&shop.whatsapp.number).status_of(send, "sent");
        shop.whatsapp.post(&pair.house.http, &pair.nodes[n % 2].base(), &status).send().await.expect(200);
    }
    let expected = BTreeMap::from([("contact.created", 4 * 15), ("message.received", 200), ("message.sent", 200)]);
    let arrived = until("every event is told", async || {
        let deliveries = pair.house.receiver.deliveries();
        let mut counts = BTreeMap::new();
        deliveries.iter().for_each(|delivery| *counts.entry(delivery.event.as_str()).or_default() += 1);
        if counts == expected { Ok(deliveries.clone()) } else { Err(format!("{counts:?}")) }
    })
    .await;
    let ids: BTreeSet<_> = arrived.iter().map(Delivery::id).collect();
    assert_eq!(ids.len(), arrived.len(), "each was told once");
    pair.house.receiver.no_more_than(arrived.len(), Duration::from_millis(300)).await;
    for shop in &shops {
        let usage =
            pair.at(1, &partner).get(&format!("/api/v1/partner/clients/{}/usage", shop.actor.id)).await.expect(200);
        assert_eq!(usage["data"]["messages"], json!({"sent": 50, "received": 50, "failed": 0}));
    }
    assert_eq!(pair.house.count("SELECT COUNT(*) FROM node").await, 2);
    pair.house.cli(&["check"]).await.success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_event_log_is_one_at_every_node() {
    const EACH: usize = 60;
    let pair = Pair::start(&[]).await;
    let partner = pair.partner().await;
    let (_, nakheel) = partner.client("Nakheel", "business").await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let who = pair.at(writer, &nakheel);
        writers.spawn(async move {
            for n in 0..EACH {
                who.contact(&format!("{writer} {n}"), &format!("+9665{writer}{n:07}")).await;
            }
        });
    }
    // One reader stays at a node, the other asks whichever comes next.
    let (there, anywhere) = tokio::join!(
        crate::events::follow(|_| pair.at(1, &nakheel), 50, 4 * EACH),
        crate::events::follow(|turn| pair.at(turn, &nakheel), 7, 4 * EACH),
    );
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let numbers: Vec<_> = there.iter().map(|item| item["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=4 * EACH as u64).collect::<Vec<_>>());
    assert_eq!(there, anywhere);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_node_dies_the_other_takes_its_work_over() {
    let mut pair = Pair::start(&[]).await;
    let partner = pair.partner().await;
    let shop = Shop::open(&pair, &partner, 0).await;
    // One node alone takes all the work, and keeps it while its answers are held.
    assert_eq!(pair.nodes[1].terminate().await.code(), Some(0));
    let (behaviour, sending) = Behaviour::normal().held();
    pair.house.meta.every_send(behaviour);
    let (behaviour, delivering) = Behaviour::status(200).held();
    pair.house.receiver.script().always("*", behaviour);
    shop.clone().talk([pair.nodes[0].base(), pair.nodes[0].base()], 0..40).await;
    sending.wait_for_held(5).await;
    // As many as an endpoint gets before it has answered.
    delivering.wait_for_held(8).await;
    pair.nodes[1].restart().await;
    let held: BTreeSet<_> = pair.house.meta.attempts().iter().map(content).collect();

    pair.nodes[0].kill9();
    sending.release();
    delivering.release();
    let survivor = pair.at(1, &shop.actor);
    until_within(TAKEOVER, "every message has left or is shown as unclear", async || {
        let sent = pair.house.meta.attempts();
        let messages = outbound(&survivor).await;
        let sent: BTreeSet<_> = sent.iter().map(content).collect();
        let open = |m: &&Value| match held.contains(m["content"].as_str().unwrap()) {
            true => m["error"]["class"] != "outcome_unknown",
            false => !sent.contains(m["content"].as_str().unwrap()),
        };
        let open: Vec<_> = messages.iter().filter(open).collect();
        if open.is_empty() && messages.len() == 40 {
            Ok(())
        } else {
            Err(format!("{} of {} open", open.len(), messages.len()))
        }
    })
    .await;
    let all: Vec<_> = pair.house.meta.attempts().iter().map(content).collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (40, 40), "nothing was sent twice");

    // Events that were on their way are told again, under the same ids; the others once.
    let log = survivor.get(&format!("/api/v1/webhooks/{}/deliveries?per_page=1", shop.webhook)).await.expect(200);
    let queued = usize::try_from(log["meta"]["total"].as_i64().unwrap()).unwrap();
    assert_eq!(queued, 40 + 15, "every event has a delivery");
    until_within(TAKEOVER, "every event is told", async || {
        let pending = survivor.get(&format!("/api/v1/webhooks/{}/deliveries?status=pending", shop.webhook)).await;
        let ids: BTreeSet<_> = pair.house.receiver.deliveries().iter().map(|d| d.id().to_owned()).collect();
        let pending = pending.expect(200)["meta"]["total"].as_i64().unwrap();
        if (ids.len(), pending) == (queued, 0) { Ok(()) } else { Err(format!("{} told, {pending} pending", ids.len())) }
    })
    .await;
    pair.house.cli(&["check"]).await.success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_limit_counts_all_nodes_together() {
    let pair = Pair::start(&[("SKYLIGHT_RATE_LIMIT_PER_MINUTE", "20")]).await;
    let partner = pair.partner().await;
    let (_, nakheel) = partner.client("Nakheel", "business").await;
    let (mut allowed, mut refused) = (0, 0);
    for n in 0..40 {
        let answer = pair.at(n, &nakheel).get(CONTACTS).await;
        assert_eq!(answer.header("x-ratelimit-limit"), Some("20"));
        match answer.status {
            200 => allowed += 1,
            429 => {
                refused += 1;
                assert!((1..=60).contains(&answer.header("retry-after").unwrap().parse().unwrap()), "{answer:?}");
            }
            other => panic!("{other}: {answer:?}"),
        }
        assert!(answer.status == 429 || refused == 0, "once it is used up, nobody passes");
    }
    assert!((20..=22).contains(&allowed), "{allowed} of 40 passed");
    // All at once they do not pass either.
    let (_, harbour) = partner.client("Harbour", "business").await;
    let mut crowd = JoinSet::new();
    for n in 0..60 {
        let caller = pair.at(n, &harbour);
        crowd.spawn(async move { caller.get(CONTACTS).await.status });
    }
    let passed = crowd.join_all().await.into_iter().filter(|status| *status == 200).count();
    assert!((20..=22).contains(&passed), "{passed} of 60 passed");
}

/// A workspace with a number and a webhook.
#[derive(Clone)]
struct Shop {
    actor: Actor,
    whatsapp: Whatsapp,
    webhook: i64,
    regulars: Vec<i64>,
    posts: Vec<skylight_test_support::meta_webhook::MetaWebhook>,
}

impl Shop {
    async fn open(pair: &Pair, partner: &Actor, number: usize) -> Self {
        let (_, actor) = pair.at(number, partner).client(&format!("Shop {number}"), "business").await;
        let whatsapp = pair.house.whatsapp(&actor, number).await;
        let webhook =
            actor.webhook(&pair.house.receiver.url(&format!("/shop/{number}")), &["*"]).await["id"].as_i64().unwrap();
        let mut regulars = Vec::new();
        for n in 0..5 {
            let contact = pair.at(n, &actor).contact(&format!("Regular {n}"), &format!("+96650{number}80000{n}")).await;
            regulars.push(contact["id"].as_i64().unwrap());
        }
        let post = |n: usize| {
            let from = format!("96650{number}90000{}", n % 10);
            pair.house.meta.webhook(&whatsapp.number).text(&from, "ليلى", &format!("in {number} {n}"))
        };
        let posts = (0..50).map(post).collect();
        Self { actor, whatsapp, webhook, regulars, posts }
    }

    /// A message out and a message in for every number, each at another node; every post comes twice, as providers do.
    async fn talk(self, bases: [String; 2], numbers: std::ops::Range<usize>) {
        for n in numbers {
            let actor = Actor { base: bases[n % 2].clone(), ..self.actor.clone() };
            let body = json!({"contact_id": self.regulars[n % 5], "content": format!("out {} {n}", self.actor.id)});
            actor.post("/api/v1/messages/send", body).await.expect(201);
            for base in &bases {
                self.whatsapp.post(&actor.http, base, &self.posts[n]).send().await.expect(200);
            }
        }
    }
}

fn content(send: &skylight_test_support::meta::MetaSend) -> String {
    send.body()["text"]["body"].as_str().unwrap().to_owned()
}

async fn outbound(actor: &Actor) -> Vec<Value> {
    let mut messages = Vec::new();
    let conversations = actor.get("/api/v1/conversations?per_page=100").await.expect(200);
    for conversation in conversations["data"].as_array().unwrap() {
        let of = format!("/api/v1/contacts/{}/messages?direction=outbound&per_page=100", conversation["contact_id"]);
        messages.extend(actor.get(&of).await.expect(200)["data"].as_array().unwrap().iter().cloned());
    }
    messages
}
