//! Webhooks: endpoints as documented, deliveries at least once, signed, in order, and nobody waits for a dead receiver.

use crate::on_both_engines;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight_db::{Read, args};
use skylight_test_support::receiver::{assert_signed, verify_product_signature, verify_standard_signature};
use skylight_test_support::script::Behaviour;
use skylight_test_support::wait::eventually;
use std::time::Duration;

const CREATED: &str = "Webhook created. Store the secret securely — it won't be shown again.";

on_both_engines! {
    async fn a_webhook_lives_as_documented(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        let body = json!({"name": "CRM sync", "url": world.receiver.url("/a"), "events": ["contact.created"]});
        let created = nakheel.post("/api/v1/webhooks", body).await.expect(201);
        assert_eq!(created["message"], CREATED);
        let secret = created["data"]["secret"].as_str().unwrap();
        assert!(secret.starts_with("whsec_") && secret.len() == 70, "{secret}");
        let path = format!("/api/v1/webhooks/{}", created["data"]["id"]);

        let listed = nakheel.get("/api/v1/webhooks").await.expect(200);
        assert_eq!(listed["message"], "Webhooks retrieved successfully.");
        assert_eq!((&listed["meta"]["total"], &listed["data"][0]["delivery_logs_count"]), (&json!(1), &json!(0)));
        assert!(listed["data"][0].get("secret").is_none());
        let updated = nakheel.put(&path, json!({"events": ["*"], "name": "All"})).await.expect(200);
        assert_eq!(updated["message"], "Webhook updated successfully.");
        assert_eq!((&updated["data"]["events"], &updated["data"]["url"]), (&json!(["*"]), &json!(world.receiver.url("/a"))));

        let tested = nakheel.post(&format!("{path}/test"), json!({})).await.expect(200);
        assert_eq!(tested["message"], "Test event sent.");
        let arrived = world.receiver.wait_for_event("webhook.test", 1).await.remove(0);
        assert_eq!(arrived.json["delivery_id"], tested["data"]["delivery_id"]);
        assert_signed(secret, &arrived);

        let events = nakheel.get("/api/v1/webhooks/events").await.expect(200);
        assert!(events["data"].as_array().unwrap().iter().any(|e| e["event"] == "message.received" && e["description"].is_string()));
        for answer in [rival.get(&path).await, rival.put(&path, json!({"name": "x"})).await, rival.post(&format!("{path}/test"), json!({})).await, rival.delete(&path).await] {
            assert_eq!(answer.expect(404)["message"], "Webhook not found.");
        }
        nakheel.delete(&path).await.expect(204);
        nakheel.get(&path).await.expect(404);
    }

    async fn what_a_deleted_webhook_delivered_goes_step_by_step(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut hooks = Vec::new();
        for path in ["/going", "/staying"] {
            hooks.push(nakheel.webhook(&world.receiver.url(path), &["contact.deleted"]).await["id"].as_i64().unwrap());
        }
        let mut tx = world.app.db.begin().await.unwrap();
        let now = world.app.now();
        for n in 0..1_700_i64 {
            let hook = hooks[usize::from(n % 17 == 0)];
            let event: i64 = tx.one(
                "INSERT INTO event (workspace_id, kind, subject_id, data, created_at, seq) VALUES ($1, 'contact.deleted', 1, '{}', 1, $2) RETURNING id",
                args![nakheel.id, 1_000_000 + n],
            ).await.unwrap();
            let delivery: i64 = tx.one(
                "INSERT INTO webhook_delivery (workspace_id, webhook_id, event_id, delivery_id, event, status, queued_at, created_at)
                 VALUES ($1, $2, $3, $4, 'contact.deleted', 'delivered', $5, $5) RETURNING id",
                args![nakheel.id, hook, event, format!("delivery {n}"), now],
            ).await.unwrap();
            let attempt = "INSERT INTO webhook_attempt (workspace_id, delivery_id, number, attempted_at, duration_ms) VALUES ($1, $2, 1, 1, 1)";
            tx.exec(attempt, args![nakheel.id, delivery]).await.unwrap();
        }
        tx.commit().await.unwrap();
        nakheel.delete(&format!("/api/v1/webhooks/{}", hooks[0])).await.expect(204);
        eventually("only the other's deliveries are left", async || {
            let sql = "SELECT (SELECT COUNT(*) FROM webhook), (SELECT COUNT(*) FROM webhook_delivery), (SELECT COUNT(*) FROM webhook_attempt)";
            let left: (i64, i64, i64) = (&world.app.db).one(sql, args![]).await.unwrap();
            (left == (1, 100, 100)).then_some(())
        }).await;
        let kept = nakheel.get(&format!("/api/v1/webhooks/{}/deliveries?per_page=100", hooks[1])).await.expect(200);
        assert_eq!(kept["data"].as_array().map(Vec::len), Some(100));
    }

    async fn addresses_and_events_are_checked_when_they_are_saved(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for url in ["ftp://example.com/", "https://user:pw@example.com/", "http://10.0.0.1/", "https://[::ffff:10.0.0.1]/", "http://0x0a.1/", "https://169.254.169.254/latest", "nonsense", "https://example.com:22/"] {
            let refused = nakheel.post("/api/v1/webhooks", json!({"name": "x", "url": url, "events": ["*"]})).await.expect(422);
            assert!(refused["errors"]["url"].is_array(), "{url}: {refused}");
        }
        for (events, field) in [(json!([]), "events"), (json!(["contact.created", "no.such"]), "events.1"), (json!("*"), "events")] {
            let refused = nakheel.post("/api/v1/webhooks", json!({"name": "x", "url": world.receiver.url("/"), "events": events})).await.expect(422);
            assert!(refused["errors"][field].is_array(), "{refused}");
        }
        // Fifty are enough for everybody, also when they race for the last places.
        let racing = (0..55).map(|_| {
            let (nakheel, url) = (nakheel.clone(), world.receiver.url("/"));
            tokio::spawn(async move { nakheel.post("/api/v1/webhooks", json!({"name": "x", "url": url, "events": ["*"]})).await.status })
        });
        let mut made = 0;
        for answer in racing.collect::<Vec<_>>() {
            made += usize::from(answer.await.unwrap() == 201);
        }
        assert_eq!(made, 50);
    }

    async fn every_event_arrives_once_and_in_the_order_of_its_contact(world: World) {
        let nakheel = world.workspace("nakheel").await;
        nakheel.webhook(&world.receiver.url("/all"), &["*"]).await;
        nakheel.webhook(&world.receiver.url("/deleted"), &["contact.deleted"]).await;
        let mut racing = Vec::new();
        for number in 0..20 {
            let nakheel = nakheel.clone();
            racing.push(tokio::spawn(async move {
                let path = format!("/api/v1/contacts/{}", nakheel.contact("c", &format!("+96650000{number:04}")).await["id"]);
                for name in ["1", "2", "3"] {
                    nakheel.put(&path, json!({"name": name})).await.expect(200);
                }
                nakheel.delete(&path).await.expect(204);
            }));
        }
        for story in racing {
            story.await.unwrap();
        }
        world.receiver.wait_for(20 * 5 + 20).await;
        world.receiver.no_more_than(120, Duration::from_millis(300)).await;
        let all: Vec<_> = world.receiver.deliveries().into_iter().filter(|d| d.path == "/all").collect();
        let ids: std::collections::HashSet<_> = all.iter().map(|d| d.json["delivery_id"].to_string()).collect();
        assert_eq!((all.len(), ids.len()), (100, 100));
        for contact in all.iter().map(|d| &d.json["data"]["contact"]["id"]) {
            let of: Vec<_> = all.iter().filter(|d| d.json["data"]["contact"]["id"] == *contact).map(|d| d.event.as_str()).collect();
            assert_eq!(of, ["contact.created", "contact.updated", "contact.updated", "contact.updated", "contact.deleted"]);
        }
    }

    async fn a_dead_receiver_holds_back_nobody(world: World) {
        let nakheel = world.workspace("nakheel").await;
        // Nobody listens on a port that was free a moment ago.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let dead = nakheel.webhook(&format!("http://{closed}/dead"), &["*"]).await;
        world.receiver.script().always("/slow", Behaviour::status(503));
        let slow = nakheel.webhook(&world.receiver.url("/slow"), &["*"]).await;
        let hanging = world.receiver.script();
        let (hang, hold) = Behaviour::status(200).held();
        hanging.always("/hang", hang);
        nakheel.webhook(&world.receiver.url("/hang"), &["*"]).await;
        nakheel.webhook(&world.receiver.url("/well"), &["*"]).await;
        for number in 0..30 {
            nakheel.contact("c", &format!("+96650000{number:04}")).await;
        }
        world.receiver.wait_for_matching("all of the healthy one's", 30, |d| d.path == "/well").await;
        let log = deliveries(&nakheel, &dead, "?status=failed").await;
        assert!(log["data"][0]["error"].is_string() && log["data"][0]["next_retry_at"].is_string(), "{log}");
        let log = eventually("the slow one's failures are listed", async || {
            let log = deliveries(&nakheel, &slow, "?status=failed&per_page=100").await;
            (log["meta"]["total"].as_u64() >= Some(10)).then_some(log)
        }).await;
        assert_eq!((&log["data"][0]["response_status"], &log["data"][0]["attempts"]), (&json!(503), &json!(1)));
        hold.release();
    }

    async fn failures_follow_the_schedule_to_its_end_and_every_attempt_is_listed(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        world.receiver.answer_always(500);
        nakheel.contact("Sarah", "+14155551234").await;
        // The first attempt and nine retries: after 2 min, 10 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each at most 10 % late.
        for (attempt, minutes) in [0, 2, 10, 30, 120, 300, 600, 840, 1200, 1440].into_iter().enumerate() {
            world.clock.advance(Duration::from_secs(minutes * 66));
            world.receiver.wait_for(attempt + 1).await;
            eventually("the attempt is recorded", async || {
                let log = deliveries(&nakheel, &hook, "").await;
                (log["data"][0]["attempts"] == attempt + 1).then_some(())
            }).await;
        }
        let log = deliveries(&nakheel, &hook, "").await;
        let delivery = &log["data"][0];
        assert_eq!((delivery["status"].as_str(), &delivery["next_retry_at"]), (Some("failed"), &Value::Null));
        assert_eq!(delivery["attempt_log"].as_array().map(Vec::len), Some(10), "{delivery}");
        world.clock.advance(Duration::from_secs(48 * 3600));
        world.receiver.no_more_than(10, Duration::from_millis(700)).await;
        let ids: std::collections::HashSet<_> = world.receiver.deliveries().iter().map(|d| d.id().to_owned()).collect();
        assert_eq!(ids.len(), 1);
    }

    async fn a_redirect_is_a_failure_and_gone_switches_off(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        world.receiver.behave_next(Behaviour::status(302).with_header("location", "http://127.0.0.1:1/"));
        nakheel.contact("One", "+14155551234").await;
        eventually("the redirect is a failure", async || {
            let log = deliveries(&nakheel, &hook, "?status=failed").await;
            (log["data"][0]["response_status"] == 302).then_some(())
        }).await;
        world.receiver.answer_next(410);
        nakheel.contact("Two", "+14155551235").await;
        eventually("it is switched off", async || {
            let shown = nakheel.get(&format!("/api/v1/webhooks/{}", hook["id"])).await.expect(200);
            (shown["data"]["is_active"] == false).then_some(())
        }).await;
        nakheel.contact("Three", "+14155551236").await;
        world.clock.advance(Duration::from_secs(24 * 3600));
        world.receiver.no_more_than(2, Duration::from_millis(700)).await;
    }

    async fn after_rotation_both_secrets_sign_for_a_day(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        let old = hook["secret"].as_str().unwrap().to_owned();
        let rotated = nakheel.post(&format!("/api/v1/webhooks/{}/regenerate-secret", hook["id"]), json!({})).await.expect(200);
        let new = rotated["data"]["secret"].as_str().unwrap().to_owned();
        assert_ne!(old, new);
        nakheel.contact("One", "+14155551234").await;
        let first = world.receiver.wait_for(1).await.remove(0);
        assert!(verify_product_signature(&new, &first) && !verify_product_signature(&old, &first));
        assert!(verify_standard_signature(&new, &first) && verify_standard_signature(&old, &first));
        world.clock.advance(Duration::from_secs(25 * 3600));
        // What was known a moment ago is read anew within the second.
        nakheel.put(&format!("/api/v1/webhooks/{}", hook["id"]), json!({"name": "CRM 2"})).await.expect(200);
        nakheel.contact("Two", "+14155551235").await;
        let second = world.receiver.wait_for(2).await.remove(1);
        assert!(verify_standard_signature(&new, &second) && !verify_standard_signature(&old, &second));
    }
}

async fn deliveries(workspace: &Actor, webhook: &Value, query: &str) -> Value {
    workspace.get(&format!("/api/v1/webhooks/{}/deliveries{query}", webhook["id"])).await.expect(200)
}
