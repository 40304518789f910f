//! The event log, read by its numbers: complete, in order, and the same for ever.

use crate::on_both_engines;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight_db::{Read, Value as Param, args};
use skylight_test_support::wait::{eventually, until};
use tokio::task::JoinSet;

const EVENTS: &str = "/api/v1/events";

on_both_engines! {
    async fn the_log_is_read_in_order_with_the_bytes_that_webhooks_carry(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let webhook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        nakheel.sandbox().await;
        let empty = nakheel.get(EVENTS).await.expect(200);
        assert_eq!((&empty["data"], &empty["meta"]), (&json!([]), &json!({"next_after": 0, "has_more": false})));

        let body = json!({"name": "ليلى \"الشمري\" 👋 </script>", "phone": "+14155551234", "type": "whatsapp", "tags": ["vip"]});
        let contact = nakheel.post("/api/v1/contacts", body).await.expect(201)["data"]["id"].clone();
        let path = format!("/api/v1/contacts/{contact}");
        nakheel.put(&path, json!({"email": "layla@example.com"})).await.expect(200);
        nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "مرحبا / hello"})).await.expect(201);
        let told = world.receiver.wait_for(3).await;
        nakheel.post(&format!("/api/v1/webhooks/{}/test", webhook["id"]), json!({})).await.expect(200);
        nakheel.delete(&path).await.expect(204);
        let told = [told, world.receiver.wait_for(5).await.split_off(3)].concat();

        let log = nakheel.get(EVENTS).await;
        let page = log.expect(200);
        assert_eq!(page["meta"], json!({"next_after": 5, "has_more": false}));
        let items = page["data"].as_array().unwrap();
        let seen: Vec<_> = items.iter().map(|item| (item["seq"].as_i64().unwrap(), item["event"].as_str().unwrap())).collect();
        let expected = ["contact.created", "contact.updated", "message.sent", "webhook.test", "contact.deleted"];
        assert_eq!(seen, (1..).zip(expected).collect::<Vec<_>>());
        let bytes = log.text();
        for delivery in &told {
            let item = items.iter().find(|item| item["event"] == delivery.event.as_str()).unwrap();
            assert_eq!((&item["timestamp"], &item["data"]), (&delivery.json["timestamp"], &delivery.json["data"]));
            // Byte by byte, from the timestamp to the end of the data.
            let sent = String::from_utf8(delivery.body.to_vec()).unwrap();
            let same = &sent[sent.find(",\"timestamp\":").unwrap()..];
            assert!(bytes.contains(&format!("{{\"seq\":{},\"event\":\"{}\"{same}", item["seq"], delivery.event)), "{bytes}");
        }

        // A page at a time, from any place, and for some events only: the numbers say how to go on.
        let second = nakheel.get(&format!("{EVENTS}?after=1&limit=2")).await.expect(200);
        assert_eq!(second["data"], json!(items[1..3]));
        assert_eq!(second["meta"], json!({"next_after": 3, "has_more": true}));
        let some = nakheel.get(&format!("{EVENTS}?types=contact.created,%20contact.deleted,contact.deleted&limit=1")).await.expect(200);
        assert_eq!((&some["data"], &some["meta"]), (&json!([items[0]]), &json!({"next_after": 1, "has_more": true})));
        let some = nakheel.get(&format!("{EVENTS}?types=contact.created,contact.deleted&after=1&limit=5000")).await.expect(200);
        assert_eq!((&some["data"], &some["meta"]), (&json!([items[4]]), &json!({"next_after": 5, "has_more": false})));
        let none = nakheel.get(&format!("{EVENTS}?types=booking.created")).await.expect(200);
        assert_eq!((&none["data"], &none["meta"]), (&json!([]), &json!({"next_after": 5, "has_more": false})));

        let beyond = nakheel.get(&format!("{EVENTS}?after=6")).await.expect(422);
        assert_eq!(beyond["errors"], json!({"after": ["The after must not be greater than the number of the last event."]}));
        let wrong = nakheel.get(&format!("{EVENTS}?types=contact.created,contact.exploded&limit=0")).await.expect(422);
        assert_eq!(wrong["errors"]["types"], json!(["The selected types is invalid."]));
        assert!(wrong["errors"]["limit"].is_array());
        // Everybody reads their own log.
        assert_eq!(world.workspace("rival").await.get(EVENTS).await.expect(200)["data"], json!([]));
    }

    async fn who_follows_the_log_sees_every_number_once(world: World) {
        const WRITERS: usize = 6;
        const EACH: usize = 40;
        let nakheel = world.workspace("nakheel").await;
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let nakheel = nakheel.clone();
            writers.spawn(async move {
                for n in 0..EACH {
                    nakheel.contact(&format!("{writer} {n}"), &format!("+9665{writer}{n:07}")).await;
                }
            });
        }
        // Three readers with pages of different sizes, while it grows.
        let read = |limit| follow(|_| nakheel.clone(), limit, WRITERS * EACH);
        let (one, seven, all) = tokio::join!(read(1), read(7), read(1000));
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        let logs = [one, seven, all];
        for log in &logs {
            let numbers: Vec<_> = log.iter().map(|item| item["seq"].as_u64().unwrap()).collect();
            assert_eq!(numbers, (1..=(WRITERS * EACH) as u64).collect::<Vec<_>>());
            assert_eq!(log, &logs[0], "what was read by one never changes for another");
        }
        let again = nakheel.get(&format!("{EVENTS}?limit=1000")).await.expect(200);
        assert_eq!(again["data"], json!(logs[0]));
        let mut contacts: Vec<_> = logs[0].iter().map(|item| item["data"]["contact"]["id"].as_i64().unwrap()).collect();
        contacts.sort_unstable();
        contacts.dedup();
        assert_eq!(contacts.len(), WRITERS * EACH, "every contact was told of");
    }

    async fn a_filter_that_little_passes_is_answered_in_parts(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut tx = world.app.db.begin().await.unwrap();
        let rows: Vec<_> = (0..12_000).map(|_| vec![Param::Int(nakheel.id)]).collect();
        let quiet = "INSERT INTO event (workspace_id, kind, subject_id, data, created_at) VALUES ($1, 'contact.updated', 1, '{}', 0)";
        tx.exec_many(quiet, &rows).await.unwrap();
        tx.commit().await.unwrap();
        nakheel.contact("Sarah", "+14155551234").await;
        eventually("every event is numbered", async || {
            let waiting: i64 = (&world.app.db).one("SELECT COUNT(*) FROM event WHERE seq IS NULL", args![]).await.unwrap();
            (waiting == 0).then_some(())
        }).await;
        let first = nakheel.get(&format!("{EVENTS}?types=contact.created")).await.expect(200);
        assert_eq!((&first["data"], &first["meta"]), (&json!([]), &json!({"next_after": 10_000, "has_more": true})));
        let second = nakheel.get(&format!("{EVENTS}?types=contact.created&after=10000")).await.expect(200);
        assert_eq!((&second["data"][0]["seq"], &second["meta"]), (&json!(12_001), &json!({"next_after": 12_001, "has_more": false})));
    }
}

/// Reads on until so many events were seen, as the documentation says; each time by somebody else, perhaps.
pub async fn follow(who: impl Fn(usize) -> Actor, limit: usize, count: usize) -> Vec<Value> {
    let mut log: Vec<Value> = Vec::new();
    let (mut after, mut turn) = (0, 0);
    until("the log is read", async || {
        loop {
            turn += 1;
            let page = who(turn).get(&format!("{EVENTS}?after={after}&limit={limit}")).await.expect(200);
            log.extend(page["data"].as_array().unwrap().iter().cloned());
            after = page["meta"]["next_after"].as_i64().unwrap();
            if page["meta"]["has_more"] == false {
                break;
            }
        }
        if log.len() >= count { Ok(()) } else { Err(format!("{} of {count}", log.len())) }
    })
    .await;
    log
}
