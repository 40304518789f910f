//! Conversations: how they are listed, what is read and what is not, and messages that may not be sent.

use crate::on_both_engines;
use crate::stored;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight_db::args;
use skylight_test_support::postgres;
use skylight_test_support::wait::eventually;
use tokio::task::JoinSet;

const CONVERSATIONS: &str = "/api/v1/conversations";
const SEND: &str = "/api/v1/messages/send";

on_both_engines! {
    async fn conversations_are_listed_by_what_is_new_and_what_is_unread(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let channel = nakheel.sandbox().await;
        let telegram = nakheel.post("/api/v1/channels", json!({"type": "telegram", "provider": "sandbox"})).await.expect(201);
        let telegram = telegram["data"]["id"].as_i64().unwrap();
        for (channel, from, name) in [(channel, "+966500000001", "Sara"), (telegram, "+966500000002", "Omar"), (channel, "+966500000003", "Layla")] {
            write_in(&nakheel, channel, from, name, "hello").await;
        }
        let names = async |query: &str| -> Vec<String> {
            let found = nakheel.get(&format!("{CONVERSATIONS}?{query}")).await.expect(200);
            let names: Vec<String> = found["data"].as_array().unwrap().iter().map(|row| row["contact_name"].as_str().unwrap().to_owned()).collect();
            if let Some(total) = found["meta"]["total"].as_u64() {
                assert_eq!(total, names.len() as u64, "{query}");
            }
            let first = nakheel.get(&format!("{CONVERSATIONS}?{query}&per_page=1")).await.expect(200);
            assert!(first["meta"].get("total").is_none_or(|total| *total == names.len()), "{query}: {first}");
            names
        };
        assert_eq!(names("").await, ["Layla", "Omar", "Sara"]);
        let sara = contact(&nakheel, "Sara").await;
        // What is written to moves up, and being read does not move it.
        nakheel.post(SEND, json!({"contact_id": sara, "content": "at your service"})).await.expect(201);
        assert_eq!(names("").await, ["Sara", "Layla", "Omar"]);
        let read = nakheel.post(&format!("/api/v1/contacts/{sara}/messages/read"), json!({})).await.expect(200);
        assert_eq!((&read["message"], &read["data"]["unread_count"]), (&json!("Messages marked as read."), &json!(0)));
        assert_eq!(names("").await, ["Sara", "Layla", "Omar"]);
        for (query, expected) in [
            ("unread=true", vec!["Layla", "Omar"]),
            ("unread=false", vec!["Sara"]),
            ("channel=whatsapp", vec!["Sara", "Layla"]),
            ("channel=telegram", vec!["Omar"]),
            ("channel=instagram", vec![]),
            ("channel=whatsapp&unread=true", vec!["Layla"]),
            ("channel=telegram&unread=false", vec![]),
            ("unread=true&cursor=", vec!["Layla", "Omar"]),
            (&format!("contact_id={sara}"), vec!["Sara"]),
            (&format!("contact_id={sara}&unread=true"), vec![]),
        ] {
            assert_eq!(names(query).await, expected, "{query}");
        }
        // Conversations go with their contacts, and are counted as they come and go.
        nakheel.delete(&format!("/api/v1/contacts/{sara}")).await.expect(204);
        assert_eq!(names("").await, ["Layla", "Omar"]);
        assert_eq!(names("channel=whatsapp").await, ["Layla"]);
        let differences = skylight::usage::recount(&world.app.db).await.unwrap();
        assert!(differences.is_empty(), "{differences:?}");
    }

    async fn messages_are_read_up_to_what_was_seen(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let channel = nakheel.sandbox().await;
        let silent = nakheel.contact("Silent", "+966509999999").await["id"].clone();
        let state = |id: &Value, unread: i64, through: Value| json!({"contact_id": id, "unread_count": unread, "read_through": through});
        let nothing = nakheel.post(&format!("/api/v1/contacts/{silent}/messages/read"), json!({})).await.expect(200);
        assert_eq!(nothing["data"], state(&silent, 0, Value::Null));

        for n in 1..=4 {
            write_in(&nakheel, channel, "+966500000001", "Sara", &format!("message {n}")).await;
        }
        let sara = contact(&nakheel, "Sara").await;
        let path = format!("/api/v1/contacts/{sara}/messages/read");
        let history = nakheel.get(&format!("/api/v1/contacts/{sara}/messages")).await.expect(200)["data"].clone();
        let id = |n: usize| history[4 - n]["id"].clone();
        let mark = async |body: Value| nakheel.post(&path, body).await.expect(200)["data"].clone();
        assert_eq!(unread(&nakheel, &sara).await, 4);
        assert_eq!(mark(json!({"up_to": id(2)})).await, state(&sara, 2, id(2)));
        assert_eq!(mark(json!({"up_to": id(2)})).await, state(&sara, 2, id(2)), "again is the same");
        assert_eq!(mark(json!({"up_to": id(1)})).await, state(&sara, 2, id(2)), "nothing becomes unread again");
        // One's own messages are never unread.
        let own = nakheel.post(SEND, json!({"contact_id": sara, "content": "yes?"})).await.expect(201)["data"]["id"].clone();
        assert_eq!(unread(&nakheel, &sara).await, 2);
        assert_eq!(mark(json!({})).await, state(&sara, 0, own.clone()));
        assert_eq!(mark(Value::Null).await, state(&sara, 0, own));
        write_in(&nakheel, channel, "+966500000001", "Sara", "one more").await;
        assert_eq!(unread(&nakheel, &sara).await, 1);

        // Messages of others are nobody's here, whoever's they are.
        write_in(&nakheel, channel, "+966500000002", "Omar", "hello").await;
        let omar = contact(&nakheel, "Omar").await;
        let omars = nakheel.get(&format!("/api/v1/contacts/{omar}/messages")).await.expect(200)["data"][0]["id"].clone();
        for wrong in [omars, json!(999_999_999), json!("1"), json!(0)] {
            let refused = nakheel.post(&path, json!({"up_to": wrong})).await.expect(422);
            assert!(refused["errors"]["up_to"].is_array(), "{refused}");
        }
        assert_eq!(unread(&nakheel, &sara).await, 1);
        assert_eq!(rival.post(&path, json!({"up_to": "x"})).await.expect(404)["message"], "Contact not found.");
    }

    async fn what_arrives_while_it_is_read_stays_unread(world: World) {
        const ROUNDS: usize = 8;
        const ARRIVING: usize = 12;
        let nakheel = world.workspace("nakheel").await;
        let channel = nakheel.sandbox().await;
        write_in(&nakheel, channel, "+966500000001", "Sara", "message 0").await;
        let sara = contact(&nakheel, "Sara").await;
        let mut through = 0;
        for round in 1..=ROUNDS {
            let mut racing = JoinSet::new();
            for part in 0..2 {
                let nakheel = nakheel.clone();
                racing.spawn(async move {
                    for n in 0..ARRIVING / 2 {
                        simulate(&nakheel, channel, "+966500000001", "Sara", &format!("message {round} {part} {n}")).await;
                    }
                    0
                });
            }
            for reader in 0..3 {
                racing.spawn(read_on(nakheel.clone(), sara.clone(), reader == 0, ARRIVING));
            }
            through = racing.join_all().await.into_iter().fold(through, i64::max);
            let messages = eventually("every message has arrived", async || {
                let found = nakheel.get(&format!("/api/v1/contacts/{sara}/messages?per_page=100")).await.expect(200)["data"].clone();
                (found.as_array().unwrap().len() == round * ARRIVING + 1).then_some(found)
            }).await;
            let after = messages.as_array().unwrap().iter().filter(|message| message["id"].as_i64().unwrap() > through).count();
            assert_eq!(unread(&nakheel, &sara).await, after as i64, "round {round}, read through {through}");
        }
    }

    async fn a_message_that_commits_while_marking_waits_for_it_stays_unread(world: World) {
        // The embedded database has one writer: nothing there commits meanwhile.
        let Some(database) = world.app.config.database_url.clone() else { return };
        let nakheel = world.workspace("nakheel").await;
        let channel = nakheel.sandbox().await;
        write_in(&nakheel, channel, "+966500000001", "Sara", "message 0").await;
        let sara = contact(&nakheel, "Sara").await;
        let other = postgres::connect(database.reveal()).await;
        let arrives = format!(
            "BEGIN; INSERT INTO message (workspace_id, contact_id, channel_id, direction, channel, kind, content, status, send_state, created_at)
             VALUES ({0}, {sara}, {channel}, 'inbound', 'whatsapp', 'text', 'message 1', 'received', 'none', 0);
             UPDATE conversation SET unread_count = unread_count + 1 WHERE workspace_id = {0} AND contact_id = {sara}", nakheel.id
        );
        other.batch_execute(&arrives).await.unwrap();
        let (who, path) = (nakheel.clone(), format!("/api/v1/contacts/{sara}/messages/read"));
        let marking = tokio::spawn(async move { who.post(&path, json!({})).await });
        let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("the request waits for the message", async || {
            (!other.query(waiting, &[]).await.unwrap().is_empty()).then_some(())
        }).await;
        other.batch_execute("COMMIT").await.unwrap();
        assert_eq!(marking.await.unwrap().expect(200)["data"]["unread_count"], 1);
        assert_eq!(unread(&nakheel, &sara).await, 1);
    }

    async fn a_message_that_may_not_be_sent_is_refused_and_nothing_is_stored(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let channel = nakheel.sandbox().await;
        let idle = nakheel.get("/api/v1/channels").await.expect(200)["data"].as_array().unwrap().iter()
            .find(|channel| channel["type"] == "telegram").unwrap()["id"].clone();
        let sara = nakheel.contact("Sara", "+966500000001").await["id"].clone();
        let barred = nakheel.contact("Barred", "+966500000002").await["id"].clone();
        nakheel.post(&format!("/api/v1/contacts/{barred}/blacklist"), json!({"blacklisted": true})).await.expect(200);
        let telegram = json!({"name": "Tarek", "phone": "+966500000003", "type": "telegram"});
        let tarek = nakheel.post("/api/v1/contacts", telegram).await.expect(201)["data"]["id"].clone();
        let theirs = rival.contact("Eve", "+966500000004").await["id"].clone();
        let their_channel = rival.sandbox().await;
        let before = stored::rows(&world).await;
        for (body, field, told) in [
            (json!({"contact_id": barred, "content": "x"}), "contact_id", "The contact is blacklisted."),
            (json!({"contact_id": theirs, "content": "x"}), "contact_id", "The selected contact id is invalid."),
            (json!({"contact_id": 999_999_999, "content": "x"}), "contact_id", "The selected contact id is invalid."),
            (json!({"contact_id": tarek, "content": "x"}), "channel", "The channel is not connected."),
            (json!({"contact_id": tarek, "content": "x", "channel": "telegram"}), "channel", "The channel is not connected."),
            (json!({"contact_id": tarek, "content": "x", "channel_id": idle}), "channel_id", "The channel is not connected."),
            (json!({"contact_id": sara, "content": "x", "channel": "telegram"}), "channel", "The channel must be the contact's own."),
            (json!({"contact_id": sara, "content": "x", "channel_id": idle}), "channel_id", "The selected channel id is invalid."),
            (json!({"contact_id": sara, "content": "x", "channel_id": their_channel}), "channel_id", "The selected channel id is invalid."),
            (json!({"contact_id": sara, "content": "x", "channel_id": 999_999_999}), "channel_id", "The selected channel id is invalid."),
        ] {
            let refused = nakheel.post(SEND, body.clone()).await.expect(422);
            assert_eq!(refused["message"], "The given data was invalid.");
            assert_eq!(refused["errors"], json!({field: [told]}), "{body}");
        }
        let none = json!(["The selected contact id is invalid."]);
        for (body, errors) in [
            (json!({"contact_id": theirs, "channel_id": their_channel, "content": "x"}), json!({"contact_id": none, "channel_id": ["The selected channel id is invalid."]})),
            (json!({"contact_id": theirs, "channel_id": idle, "content": ""}), json!({"contact_id": none, "content": ["The content field is required."]})),
            (json!({"contact_id": barred}), json!({"contact_id": ["The contact is blacklisted."], "content": ["The content field is required."]})),
            (json!({"contact_id": "x", "channel_id": their_channel}), json!({
                "contact_id": ["The contact id must be an integer."], "channel_id": ["The selected channel id is invalid."], "content": ["The content field is required."],
            })),
            (json!({"contact_id": sara, "channel_id": idle}), json!({"channel_id": ["The selected channel id is invalid."], "content": ["The content field is required."]})),
        ] {
            assert_eq!(nakheel.post(SEND, body.clone()).await.expect(422)["errors"], errors, "{body}");
        }
        stored::assert_same(&before, &stored::rows(&world).await);

        // The month's allowance: what was accepted counts, what is refused leaves nothing.
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET messages_per_month = 1", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let message = json!({"contact_id": sara, "content": "the last one", "channel_id": channel});
        nakheel.post(SEND, message.clone()).await.expect(201);
        let before = stored::rows(&world).await;
        let refused = nakheel.post(SEND, message).await.expect(403);
        assert_eq!(refused["code"], "plan_limit_reached");
        assert_eq!(refused["message"], "You have reached the messages per month limit of your plan.");
        assert!(refused.get("errors").is_none());
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn of_sixteen_sends_with_one_key_one_is_a_message(world: World) {
        let nakheel = world.workspace("nakheel").await;
        nakheel.sandbox().await;
        let sara = nakheel.contact("Sara", "+966500000001").await["id"].clone();
        let mut racing = JoinSet::new();
        for _ in 0..16 {
            let request = nakheel.http.post(format!("{}{SEND}", nakheel.base)).header("X-Api-Key", nakheel.key())
                .header("Idempotency-Key", "order-17").json(&json!({"contact_id": sara, "content": "Your order left."}));
            racing.spawn(request.send());
        }
        let answers = racing.join_all().await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.json()["data"]["id"].clone()).collect();
        assert!(!made.is_empty() && made.iter().all(|id| *id == made[0]), "{made:?}");
        assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)), "{answers:?}");
        assert_eq!(answers.iter().filter(|a| a.status == 201 && a.header("idempotent-replayed").is_none()).count(), 1);
        let history = nakheel.get(&format!("/api/v1/contacts/{sara}/messages")).await.expect(200);
        assert_eq!(history["meta"]["total"], 1);
    }
}

async fn simulate(who: &Actor, channel: i64, from: &str, name: &str, content: &str) {
    let body = json!({"from": from, "name": name, "content": content});
    let answer = who.post(&format!("/api/v1/channels/{channel}/simulate"), body).await;
    assert!(answer.status < 300, "{answer:?}");
}

/// A customer's message, and waits until it is worked in.
async fn write_in(who: &Actor, channel: i64, from: &str, name: &str, content: &str) {
    simulate(who, channel, from, name, content).await;
    eventually("the message has arrived", async || {
        let found = who.get(CONVERSATIONS).await.expect(200);
        let newest = &found["data"][0];
        (newest["contact_name"] == name && newest["last_message"] == content).then_some(())
    })
    .await;
}

/// Marks what was seen as read, or whatever there is; answers how far it came.
async fn read_on(who: Actor, contact: Value, all: bool, times: usize) -> i64 {
    let mut through = 0;
    for _ in 0..times {
        let newest = who.get(&format!("/api/v1/contacts/{contact}/messages?per_page=1")).await.expect(200);
        let body = if all { json!({}) } else { json!({"up_to": newest["data"][0]["id"]}) };
        let state = who.post(&format!("/api/v1/contacts/{contact}/messages/read"), body).await.expect(200);
        through = through.max(state["data"]["read_through"].as_i64().unwrap());
    }
    through
}

async fn contact(who: &Actor, name: &str) -> Value {
    let found = who.get(&format!("/api/v1/contacts?search={name}")).await.expect(200);
    found["data"][0]["id"].clone()
}

async fn unread(who: &Actor, contact: &Value) -> i64 {
    let found = who.get(&format!("{CONVERSATIONS}?contact_id={contact}")).await.expect(200);
    found["data"][0]["unread_count"].as_i64().unwrap()
}
