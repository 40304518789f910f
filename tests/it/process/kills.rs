//! Killed without warning, in the middle of everything: nothing acknowledged is missing, nothing is sent twice, and
//! what was pending goes on.

use super::house::{House, Telegram, Whatsapp};
use crate::on_both_houses;
use crate::world::Actor;
use parking_lot::Mutex;
use serde_json::{Value, json};
use skylight_test_support::http::RequestBuilder;
use skylight_test_support::meta::MetaSend;
use skylight_test_support::wait::{eventually, until_within};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// When a round is cut off.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// While the answers of WhatsApp and Telegram to one send each are awaited.
    AnswersHeld,
    /// While receivers hang.
    ReceiversHang,
    /// After so many calls of the providers.
    Sent(usize),
    /// After so many acknowledged writes.
    Written(usize),
    /// After so many acknowledged posts of the providers.
    Posted(usize),
    /// After so many deliveries.
    Delivered(usize),
}

const POINTS: [Point; 6] = [
    Point::AnswersHeld,
    Point::ReceiversHang,
    Point::Sent(7),
    Point::Written(83),
    Point::Posted(61),
    Point::Delivered(45),
];
/// What each kind of writer does at most in a round.
const MOST: usize = 120;
/// The numbers of the sends whose answers are held: to the first regular by WhatsApp, to the last by Telegram.
const HELD: [usize; 2] = [MOST, MOST + 3];
/// Longer than a dead node's heartbeat counts.
const TAKEOVER: Duration = Duration::from_secs(30);

on_both_houses! {
    async fn killed_anywhere_it_goes_on_where_it_was(house: House) {
        let mut house = house;
        house.set("SKYLIGHT_WEBHOOK_RETRY_SCHEDULE", "1s,1s,1s,1s,1s,1s,1s,1s");
        let mut server = house.serve().await;
        let reseller = house.partner(&server.base(), "rawabi").await;
        let mut shops = Vec::new();
        let mut unclear = Vec::new();
        for (number, point) in POINTS.into_iter().enumerate() {
            let shop = Shop::open(&house, &reseller, number).await;
            let mut holds = Vec::new();
            match point {
                Point::AnswersHeld => {
                    holds.extend([house.meta.hold_next_send(), house.telegram.hold_next("sendMessage")]);
                    for n in HELD {
                        shop.ask(shop.send(n)).await;
                        unclear.push(shop.send(n).name);
                    }
                }
                Point::ReceiversHang => holds.push(house.receiver.hold_next(200)),
                _ => {}
            }
            let (sent, delivered) = (attempts(&house).len(), house.receiver.deliveries().len());
            let mut writers = shop.write(&house);
            for hold in &holds {
                hold.wait_for_held(1).await;
            }
            eventually(&format!("{point:?}"), async || {
                let reached = match point {
                    Point::AnswersHeld | Point::ReceiversHang => shop.told(Kind::Contact).len() >= 20,
                    Point::Sent(count) => attempts(&house).len() >= sent + count,
                    Point::Written(count) => shop.told(Kind::Contact).len() >= count,
                    Point::Posted(count) => shop.told(Kind::Inbound).len() >= count,
                    Point::Delivered(count) => house.receiver.deliveries().len() >= delivered + count,
                };
                reached.then_some(())
            })
            .await;
            server.kill9();
            while let Some(writer) = writers.join_next().await {
                writer.unwrap();
            }
            server.restart().await;
            shop.repeat().await;
            shops.push(shop);
        }

        // Every acknowledged message was given to its provider, or it is shown that nobody knows.
        for shop in &shops {
            until_within(TAKEOVER, "every message has left or is shown as unclear", async || {
                let tried = attempts(&house);
                let messages = shop.messages("outbound").await;
                let waiting = |m: &&Value| !tried.contains_key(text(m, "content")) && !is_unclear(m);
                let open: Vec<_> = messages.iter().filter(waiting).collect();
                if open.is_empty() { Ok(()) } else { Err(json!(open).to_string()) }
            })
            .await;
        }
        until_within(TAKEOVER, "those whose answer was lost are unclear", async || {
            let mut messages = shops[0].messages("outbound").await;
            messages.retain(|message| unclear.iter().any(|name| message["content"] == *name));
            let all = messages.len() == HELD.len() && messages.iter().all(is_unclear);
            if all { Ok(()) } else { Err(json!(messages).to_string()) }
        })
        .await;

        // A later status settles what was unclear.
        for shop in &shops {
            let mut accepted = house.meta.sends();
            accepted.retain(|send| send.phone_number_id == shop.whatsapp.number);
            let post = house.meta.webhook(&shop.whatsapp.number);
            let post = accepted.iter().fold(post, |post, send| post.status_of(send, "delivered"));
            shop.whatsapp.post(&house.http, &shop.actor.base, &post).send().await.expect(200);
            let accepted: BTreeSet<_> = accepted.iter().map(said).collect();
            until_within(TAKEOVER, "what WhatsApp took is shown as delivered", async || {
                let mut messages = shop.messages("outbound").await;
                messages.retain(|m| accepted.contains(text(m, "content")) && m["status"] != "delivered");
                if messages.is_empty() { Ok(()) } else { Err(json!(messages).to_string()) }
            })
            .await;
        }
        for (content, count) in attempts(&house) {
            assert_eq!(count, 1, "{content} was sent twice");
        }
        for shop in &shops {
            shop.check(&house).await;
        }
        house.cli(&["check"]).await.success();
    }
}

fn is_unclear(message: &Value) -> bool {
    message["status"] == "pending" && message["error"]["class"] == "outcome_unknown"
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let found = if name.starts_with('/') { value.pointer(name) } else { value.get(name) };
    found.and_then(Value::as_str).unwrap_or_default()
}

fn said(send: &MetaSend) -> String {
    text(send.body(), "/text/body").to_owned()
}

/// How often each text was given to a provider, in whatever way that ended.
fn attempts(house: &House) -> HashMap<String, usize> {
    let whatsapp = house.meta.attempts().into_iter().map(|send| said(&send));
    let telegram = house.telegram.attempts().into_iter().map(|call| call.text().to_owned());
    let mut counts = HashMap::new();
    whatsapp.chain(telegram).for_each(|content| *counts.entry(content).or_default() += 1);
    counts
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Contact,
    Send,
    Inbound,
}

/// A request that may be repeated until it is answered: it has an idempotency key, or a provider repeats it.
struct Asked {
    kind: Kind,
    name: String,
    request: RequestBuilder,
}

/// A workspace with its own accounts, and what it was told.
struct Shop {
    number: usize,
    actor: Actor,
    whatsapp: Whatsapp,
    telegram: Telegram,
    webhook: i64,
    /// Contacts that are written to.
    regulars: Vec<i64>,
    told: Mutex<Vec<(Kind, String)>>,
    unanswered: Mutex<Vec<Asked>>,
}

impl Shop {
    async fn open(house: &House, reseller: &Actor, number: usize) -> Arc<Self> {
        let (_, actor) = reseller.client(&format!("Shop {number}"), "business").await;
        let whatsapp = house.whatsapp(&actor, number).await;
        let telegram = house.telegram(&actor, number).await;
        let webhook = actor.webhook(&house.receiver.url(&path(number)), &["*"]).await["id"].as_i64().unwrap();
        let mut regulars = Vec::new();
        for n in 0..3 {
            let contact = actor.contact(&format!("Regular {n}"), &format!("+96650{number}80000{n}")).await;
            regulars.push(contact["id"].as_i64().unwrap());
        }
        let update = house.telegram.text_update(chat(number, 9), "Regular", &format!("first {number}"));
        telegram.post(&house.http, &actor.base, &update).send().await.expect(200);
        let chatting = eventually("the chat is a contact", async || {
            let found = actor.get("/api/v1/contacts?type=telegram").await.expect(200);
            found["data"][0]["id"].as_i64()
        });
        regulars.push(chatting.await);
        let told = Mutex::new(vec![(Kind::Inbound, format!("first {number}"))]);
        Arc::new(Self { number, actor, whatsapp, telegram, webhook, regulars, told, unanswered: Mutex::default() })
    }

    /// Everybody writes at once, each until the server is gone.
    fn write(self: &Arc<Self>, house: &House) -> JoinSet<()> {
        let mut writers = JoinSet::new();
        let posts: Vec<_> = (0..MOST).map(|n| self.inbound(house, n)).collect();
        let requests = [
            (0..MOST).map(|n| self.contact(n)).collect(),
            (0..MOST / 2).map(|n| self.send(2 * n)).collect(),
            (0..MOST / 2).map(|n| self.send(2 * n + 1)).collect(),
            posts,
        ];
        for asked in requests {
            let shop = self.clone();
            writers.spawn(async move {
                for one in asked {
                    if !shop.ask(one).await {
                        return;
                    }
                }
            });
        }
        writers
    }

    fn contact(&self, n: usize) -> Asked {
        let name = format!("Contact {} {n}", self.number);
        let body = json!({"name": name, "phone": format!("+96650{}1{n:05}", self.number), "type": "whatsapp"});
        Asked { kind: Kind::Contact, request: self.post("/api/v1/contacts", &format!("c{n}"), &body), name }
    }

    fn send(&self, n: usize) -> Asked {
        let name = format!("out {} {n}", self.number);
        let body = json!({"contact_id": self.regulars[n % self.regulars.len()], "content": name});
        Asked { kind: Kind::Send, request: self.post("/api/v1/messages/send", &format!("s{n}"), &body), name }
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> RequestBuilder {
        let request = self.actor.http.post(format!("{}{path}", self.actor.base)).json(body);
        request.header("x-api-key", self.actor.key()).header("idempotency-key", key)
    }

    fn inbound(&self, house: &House, n: usize) -> Asked {
        let (number, base) = (self.number, &self.actor.base);
        let name = format!("in {number} {n}");
        let request = if n.is_multiple_of(2) {
            let post = house.meta.webhook(&self.whatsapp.number);
            let post = post.text(&format!("96650{number}90000{}", n % 8), "ليلى", &name);
            self.whatsapp.post(&house.http, base, &post)
        } else {
            let update = house.telegram.text_update(chat(number, n % 4), "مارك", &name);
            self.telegram.post(&house.http, base, &update)
        };
        Asked { kind: Kind::Inbound, name, request }
    }

    /// False when no answer came.
    async fn ask(&self, asked: Asked) -> bool {
        match asked.request.clone().limit(Duration::from_secs(15)).try_send().await {
            Ok(answer) => {
                assert!((200..300).contains(&answer.status), "{}: {answer:?}", asked.name);
                self.told.lock().push((asked.kind, asked.name));
                true
            }
            Err(_) => {
                self.unanswered.lock().push(asked);
                false
            }
        }
    }

    /// Asks again what was never answered.
    async fn repeat(&self) {
        let unanswered = std::mem::take(&mut *self.unanswered.lock());
        for asked in unanswered {
            assert!(self.ask(asked).await, "the restarted server answers");
        }
    }

    fn told(&self, kind: Kind) -> Vec<String> {
        self.told.lock().iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.clone()).collect()
    }

    /// All messages of one direction.
    async fn messages(&self, direction: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        for conversation in self.pages("/api/v1/conversations?").await {
            let of = format!("/api/v1/contacts/{}/messages?direction={direction}", conversation["contact_id"]);
            messages.extend(self.pages(&of).await);
        }
        messages
    }

    async fn pages(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = format!("{path}&per_page=100&page={page}").replace("?&", "?");
            let answer = self.actor.get(&path).await.expect(200);
            all.extend(answer["data"].as_array().unwrap().iter().cloned());
            if answer["meta"]["last_page"] == page {
                break;
            }
        }
        all
    }

    /// What was acknowledged is there, once, and was told to the receiver.
    async fn check(&self, house: &House) {
        let contacts = self.pages("/api/v1/contacts?").await;
        let names = sorted(contacts.iter().map(|contact| text(contact, "name").to_owned()));
        let mut expected = self.told(Kind::Contact);
        expected.extend((0..3).map(|n| format!("Regular {n}")));
        expected.push("Regular".into());
        let others = names.iter().filter(|name| ["ليلى", "مارك"].contains(&name.as_str())).cloned();
        expected.extend(others);
        assert_eq!(names, sorted(expected.into_iter()));
        let phones: BTreeSet<_> = contacts.iter().map(|contact| contact["phone"].to_string()).collect();
        let chats = contacts.iter().filter(|contact| contact["phone"].is_null()).count();
        assert_eq!(phones.len() + chats.saturating_sub(1), contacts.len(), "nobody is there twice");

        let inbound = self.messages("inbound").await;
        let contents = sorted(inbound.iter().map(|message| text(message, "content").to_owned()));
        assert_eq!(contents, sorted(self.told(Kind::Inbound).into_iter()), "what was taken from providers, once each");
        let outbound = self.messages("outbound").await;
        let contents = sorted(outbound.iter().map(|message| text(message, "content").to_owned()));
        assert_eq!(contents, sorted(self.told(Kind::Send).into_iter()), "what was accepted for sending, once each");

        let sent = outbound.iter().filter(|message| message["sent_at"].is_string()).count();
        let expected = BTreeMap::from([
            ("contact.created".to_owned(), contacts.len()),
            ("message.received".to_owned(), inbound.len()),
            ("message.sent".to_owned(), sent),
        ]);
        let log = format!("/api/v1/webhooks/{}/deliveries?", self.webhook);
        let deliveries = until_within(TAKEOVER, "every event is delivered", async || {
            let deliveries = self.pages(&log).await;
            let open = deliveries.iter().filter(|delivery| delivery["status"] != "delivered").count();
            let mut counts = BTreeMap::<_, usize>::new();
            deliveries.iter().for_each(|delivery| *counts.entry(text(delivery, "event").to_owned()).or_default() += 1);
            let done = open == 0 && counts == expected;
            if done { Ok(deliveries) } else { Err(format!("{open} open, {counts:?}, expected {expected:?}")) }
        })
        .await;
        let logged: BTreeSet<_> = deliveries.iter().map(|delivery| text(delivery, "delivery_id").to_owned()).collect();
        let (mut arrived, mut of_event) = (BTreeSet::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for delivery in house.receiver.deliveries().iter().filter(|delivery| delivery.path == path(self.number)) {
            let about = if delivery.event == "contact.created" { "/data/contact/id" } else { "/data/message/id" };
            let subject = delivery.json.pointer(about).and_then(Value::as_i64).unwrap();
            arrived.insert(delivery.id().to_owned());
            of_event.entry((delivery.event.clone(), subject)).or_default().insert(delivery.id().to_owned());
        }
        assert_eq!(arrived, logged, "every delivery arrived, and no other");
        assert_eq!(of_event.len(), expected.values().sum::<usize>(), "every event arrived");
        assert!(of_event.values().all(|ids| ids.len() == 1), "under one id: {of_event:?}");
    }
}

fn path(shop: usize) -> String {
    format!("/shop/{shop}")
}

fn chat(shop: usize, n: usize) -> i64 {
    i64::try_from(70_000 + 100 * shop + n).unwrap()
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<_> = texts.collect();
    texts.sort();
    texts
}
