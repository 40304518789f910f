//! What an owner asks of its endpoint beyond the documentation: headers, a limit, another form, keys, a pause.

use crate::on_both_engines;
use crate::stored;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight_db::{Read, args};
use skylight_test_support::receiver::{
    Delivery, assert_signed, verify_ed25519_by_node, verify_ed25519_by_python, verify_product_signature,
};
use skylight_test_support::wait::until;
use std::time::Duration;

const HOOKS: &str = "/api/v1/webhooks";

on_both_engines! {
    async fn headers_are_sent_with_every_delivery_and_their_values_never_shown(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let headers = json!({"Authorization": "Bearer of-the-receiver", "X-Team": "blue"});
        let body = json!({"name": "CRM", "url": world.receiver.url("/crm"), "events": ["*"], "headers": headers});
        let created = nakheel.post(HOOKS, body).await.expect(201)["data"].clone();
        assert_eq!(created["header_names"], json!(["Authorization", "X-Team"]));
        let path = format!("{HOOKS}/{}", created["id"]);
        nakheel.contact("One", "+14155551234").await;
        let first = world.receiver.wait_for(1).await.remove(0);
        assert_eq!((first.header("authorization"), first.header("x-team")), ("Bearer of-the-receiver", "blue"));
        assert_signed(created["secret"].as_str().unwrap(), &first);
        for answer in [nakheel.get(&path).await, nakheel.get(HOOKS).await, nakheel.put(&path, json!({"name": "x"})).await] {
            let shown = answer.expect(200).to_string();
            assert!(shown.contains("X-Team") && !shown.contains("blue") && !shown.contains("of-the-receiver"), "{shown}");
        }
        let audit = nakheel.get("/api/v1/audit?action=webhook.created").await.expect(200).to_string();
        assert!(audit.contains("X-Team") && !audit.contains("blue"), "{audit}");
        let stored: String = (&world.app.db).one("SELECT headers FROM webhook WHERE id = $1", args![created["id"].as_i64().unwrap()]).await.unwrap();
        assert!(stored.starts_with("v1.") && !stored.contains("blue"), "{stored}");

        let other = nakheel.put(&path, json!({"headers": {"X-Team": "red"}})).await.expect(200);
        assert_eq!(other["data"]["header_names"], json!(["X-Team"]));
        nakheel.contact("Two", "+14155551235").await;
        let second = world.receiver.wait_for(2).await.remove(1);
        assert_eq!((second.header("authorization"), second.header("x-team")), ("", "red"));
        let none = nakheel.put(&path, json!({"headers": null})).await.expect(200);
        assert_eq!(none["data"]["header_names"], json!([]));

        for (headers, field) in [
            (json!({"Host": "x"}), "headers.Host"),
            (json!({"content-length": "1"}), "headers.content-length"),
            (json!({"X-SkyLight-Signature": "x"}), "headers.X-SkyLight-Signature"),
            (json!({"webhook_signature": "x"}), "headers.webhook_signature"),
            (json!({"X-Team": "a\r\nHost: b"}), "headers.X-Team"),
            (json!({"X-Team": 5}), "headers.X-Team"),
            (json!({"X-Team": "a", "x-team": "b"}), "headers.x-team"),
            (json!({"a b": "x"}), "headers.a b"),
            (json!(["X-Team"]), "headers"),
            ((0..21).map(|n| (format!("X-{n}"), json!("x"))).collect::<serde_json::Map<_, _>>().into(), "headers"),
        ] {
            let refused = nakheel.put(&path, json!({"headers": headers})).await.expect(422);
            assert!(refused["errors"][field].is_array(), "{field}: {refused}");
        }
    }

    async fn settings_are_shown_as_they_were_set_and_stay_when_nothing_is_said(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let made = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        let fresh = ["header_names", "rate_limit", "payload_version", "signing", "public_key", "paused_at"].map(|key| made[key].clone());
        assert_eq!(json!(fresh), json!([[], null, null, "hmac", null, null]));
        let path = format!("{HOOKS}/{}", made["id"]);
        let set = nakheel.put(&path, json!({"rate_limit": 600, "payload_version": "2026-04"})).await.expect(200);
        assert_eq!((&set["data"]["rate_limit"], &set["data"]["payload_version"]), (&json!(600), &json!("2026-04")));
        let kept = nakheel.put(&path, json!({"name": "CRM 2"})).await.expect(200);
        assert_eq!((&kept["data"]["rate_limit"], &kept["data"]["payload_version"]), (&json!(600), &json!("2026-04")));
        let unset = nakheel.put(&path, json!({"rate_limit": null, "payload_version": null})).await.expect(200);
        assert_eq!((&unset["data"]["rate_limit"], &unset["data"]["payload_version"]), (&Value::Null, &Value::Null));
        for (body, field) in [
            (json!({"rate_limit": 0}), "rate_limit"),
            (json!({"rate_limit": 60_001}), "rate_limit"),
            (json!({"payload_version": "2025-01"}), "payload_version"),
            (json!({"signing": "rsa"}), "signing"),
            (json!({"signing": null}), "signing"),
        ] {
            let refused = nakheel.put(&path, body).await.expect(422);
            assert!(refused["errors"][field].is_array(), "{field}: {refused}");
        }

        // A partner's endpoint knows the same, but for the form: partners are told in one.
        let rawabi = world.partner("rawabi").await;
        let body = json!({"url": world.receiver.url("/p"), "headers": {"X-Team": "blue"}, "rate_limit": 60, "signing": "ed25519", "payload_version": "2026-04"});
        let saved = rawabi.put("/api/v1/partner/webhook", body).await.expect(200)["data"].clone();
        assert_eq!((&saved["header_names"], &saved["rate_limit"], &saved["signing"]), (&json!(["X-Team"]), &json!(60), &json!("ed25519")));
        rawabi.post("/api/v1/partner/webhook/test", json!({})).await.expect(200);
        let told = world.receiver.wait_for_matching("the partner's test", 1, |d| d.path == "/p").await.remove(0);
        assert!(told.json["timestamp"].is_string() && told.header("x-team") == "blue", "{told:?}");
        assert!(verify_ed25519_by_python(saved["public_key"].as_str().unwrap(), &told).await);
    }

    async fn the_flat_form_is_made_of_what_was_recorded_and_never_changes_between_attempts(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let channel = nakheel.sandbox().await;
        let body = json!({"name": "CRM", "url": world.receiver.url("/flat"), "events": ["*"], "payload_version": "2026-04"});
        let hook = nakheel.post(HOOKS, body).await.expect(201)["data"].clone();
        let contact = nakheel.contact("ليلى 👋", "+14155551234").await;
        let simulate = json!({"from": "+14155551234", "content": "مرحبا"});
        nakheel.post(&format!("/api/v1/channels/{channel}/simulate"), simulate).await.expect(201);
        world.receiver.wait_for_event("message.received", 1).await;
        nakheel.delete(&format!("/api/v1/contacts/{}", contact["id"])).await.expect(204);
        nakheel.post("/api/v1/tickets", json!({"subject": "Invoice", "body": "?"})).await.expect(201);
        let told = world.receiver.wait_for(4).await;
        for delivery in &told {
            assert_signed(hook["secret"].as_str().unwrap(), delivery);
            assert!(delivery.json["timestamp"].is_i64() && delivery.json["data"]["id"].is_i64(), "{delivery:?}");
        }
        let of = |event: &str| told.iter().find(|d| d.event == event).unwrap_or_else(|| panic!("{event}: {told:?}")).json["data"].clone();
        let keys = |data: &Value| data.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let created = of("contact.created");
        let documented = ["id", "name", "email", "phone", "type", "status", "is_blacklist", "source", "company", "address", "country_id", "created_at", "updated_at"];
        assert_eq!(keys(&created)[..13], documented);
        assert_eq!((&created["name"], &created["is_blacklist"]), (&json!("ليلى 👋"), &json!(false)));
        let received = of("message.received");
        let documented = ["id", "contact_id", "value", "message_type", "message_by", "status", "source", "header_image", "header_video", "header_document", "header_audio", "campaign_id", "created_at"];
        assert_eq!(keys(&received)[..13], documented);
        let said = ["contact_id", "value", "message_type", "message_by", "status", "source"].map(|key| received[key].clone());
        assert_eq!(json!(said), json!([contact["id"], "مرحبا", "text", "contact", "received", "whatsapp"]));
        let gone = of("contact.deleted");
        assert_eq!(keys(&gone), ["id", "name", "phone", "email", "type", "deleted_at"]);
        assert_eq!((&gone["phone"], &gone["type"]), (&json!("+14155551234"), &json!("whatsapp")));
        assert_eq!(of("ticket.created")["subject"], "Invoice");

        // One that failed keeps its form, whatever the owner asks for meanwhile.
        world.receiver.answer_next(500);
        nakheel.contact("Two", "+14155551235").await;
        let failed = world.receiver.wait_for(5).await.remove(4);
        let path = format!("{HOOKS}/{}", hook["id"]);
        nakheel.put(&path, json!({"payload_version": null})).await.expect(200);
        stored::at_rest(&world).await;
        world.clock.advance(Duration::from_secs(150));
        let again = world.receiver.wait_for(6).await.remove(5);
        assert_eq!((again.attempt(), &again.body), (2, &failed.body));
        let log = nakheel.get(&format!("{path}/deliveries")).await.expect(200);
        let one = nakheel.get(&format!("{path}/deliveries/{}", log["data"][0]["id"])).await.expect(200);
        assert_eq!(one["data"]["payload"].as_str().unwrap().as_bytes(), &failed.body[..]);
        nakheel.contact("Three", "+14155551236").await;
        assert!(world.receiver.wait_for(7).await[6].json["timestamp"].is_string());
    }

    async fn a_public_key_alone_verifies_and_the_old_one_for_a_day_more(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let body = json!({"name": "CRM", "url": world.receiver.url("/crm"), "events": ["*"], "signing": "ed25519"});
        let created = nakheel.post(HOOKS, body).await.expect(201)["data"].clone();
        let path = format!("{HOOKS}/{}", created["id"]);
        let old = created["public_key"].as_str().unwrap().to_owned();
        assert!(old.starts_with("whpk_"), "{old}");
        let shown = nakheel.get(&path).await.expect(200);
        assert_eq!(shown["data"]["public_key"], old.as_str());
        assert!(!shown.to_string().contains("whsk_") && shown["data"].get("private_key").is_none());
        nakheel.contact("ليلى 👋", "+14155551234").await;
        let first = world.receiver.wait_for(1).await.remove(0);
        assert_signed(created["secret"].as_str().unwrap(), &first);
        verified(&old, &first, true).await;

        let rotated = nakheel.post(&format!("{path}/regenerate-secret"), json!({})).await.expect(200)["data"].clone();
        let new = rotated["public_key"].as_str().unwrap().to_owned();
        assert_ne!(old, new);
        nakheel.contact("Two", "+14155551235").await;
        let second = world.receiver.wait_for(2).await.remove(1);
        assert_signed(rotated["secret"].as_str().unwrap(), &second);
        verified(&new, &second, true).await;
        verified(&old, &second, true).await;
        verified(&new, &first, false).await;
        world.clock.advance(Duration::from_secs(25 * 3600));
        nakheel.put(&path, json!({"name": "CRM 2"})).await.expect(200);
        nakheel.contact("Three", "+14155551236").await;
        let third = world.receiver.wait_for(3).await.remove(2);
        verified(&new, &third, true).await;
        verified(&old, &third, false).await;

        // Without it the HMAC signatures are what there is; asked for again, the key is the same.
        let without = nakheel.put(&path, json!({"signing": "hmac"})).await.expect(200);
        assert_eq!(without["data"]["public_key"], Value::Null);
        nakheel.contact("Four", "+14155551237").await;
        let fourth = world.receiver.wait_for(4).await.remove(3);
        assert!(!fourth.header("webhook-signature").contains("v1a,") && verify_product_signature(rotated["secret"].as_str().unwrap(), &fourth));
        let again = nakheel.put(&path, json!({"signing": "ed25519"})).await.expect(200);
        assert_eq!(again["data"]["public_key"], new.as_str());
    }

    async fn a_paused_webhook_loses_nothing_and_goes_on_in_order(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        let path = format!("{HOOKS}/{}", hook["id"]);
        let paused = nakheel.post(&format!("{path}/pause"), json!({})).await.expect(200);
        assert_eq!(paused["message"], "Webhook paused.");
        let since = paused["data"]["paused_at"].clone();
        assert!(since.is_string());
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(nakheel.post(&format!("{path}/pause"), json!({})).await.expect(200)["data"]["paused_at"], since);
        let contact = nakheel.contact("c", "+14155551234").await;
        for name in ["1", "2", "3"] {
            nakheel.put(&format!("/api/v1/contacts/{}", contact["id"]), json!({"name": name})).await.expect(200);
        }
        lane_sleeps(&world, &hook).await;
        // Days pass, and nothing is given up.
        world.clock.advance(Duration::from_secs(50 * 3600));
        world.receiver.no_more_than(0, Duration::from_millis(700)).await;
        let log = nakheel.get(&format!("{path}/deliveries?status=pending")).await.expect(200);
        assert_eq!(log["meta"]["total"], 4);
        let resumed = nakheel.post(&format!("{path}/resume"), json!({})).await.expect(200);
        assert_eq!((&resumed["message"], &resumed["data"]["paused_at"]), (&json!("Webhook resumed."), &Value::Null));
        let told = world.receiver.wait_for(4).await;
        let names: Vec<_> = told.iter().map(|d| d.json["data"]["contact"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["c", "1", "2", "3"]);
        world.receiver.no_more_than(4, Duration::from_millis(300)).await;
    }

    async fn a_limit_is_kept_and_nothing_is_lost_by_it(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let body = json!({"name": "CRM", "url": world.receiver.url("/slow"), "events": ["*"], "rate_limit": 6});
        let hook = nakheel.post(HOOKS, body).await.expect(201)["data"].clone();
        for number in 0..4 {
            nakheel.contact("c", &format!("+96650000{number:04}")).await;
        }
        // One every ten seconds.
        for count in 1..=4 {
            world.receiver.wait_for(count).await;
            world.receiver.no_more_than(count, Duration::from_millis(700)).await;
            recorded(&nakheel, &hook, count).await;
            world.clock.advance(Duration::from_secs(10));
        }
        let log = nakheel.get(&format!("{HOOKS}/{}/deliveries?status=delivered", hook["id"])).await.expect(200);
        assert_eq!(log["meta"]["total"], 4);
    }

    async fn a_limit_is_nearly_reached_while_more_waits(world: World) {
        const WAITING: usize = 30;
        let nakheel = world.workspace("nakheel").await;
        // Ten in a second.
        let body = json!({"name": "CRM", "url": world.receiver.url("/crm"), "events": ["contact.created"], "rate_limit": 600});
        let hook = nakheel.post(HOOKS, body).await.expect(201)["data"].clone();
        let path = format!("{HOOKS}/{}", hook["id"]);
        nakheel.post(&format!("{path}/pause"), json!({})).await.expect(200);
        for number in 0..WAITING {
            nakheel.contact("c", &format!("+96650000{number:04}")).await;
        }
        queued(&world, &hook, WAITING).await;
        nakheel.post(&format!("{path}/resume"), json!({})).await.expect(200);
        let began = std::time::Instant::now();
        world.receiver.wait_for(WAITING).await;
        let took = began.elapsed();
        assert!((2.5..5.5).contains(&took.as_secs_f64()), "three seconds' worth took {took:?}");
    }

    async fn a_contacts_events_keep_their_order_although_clocks_differ(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        let path = format!("{HOOKS}/{}", hook["id"]);
        nakheel.post(&format!("{path}/pause"), json!({})).await.expect(200);
        let now = world.app.now();
        // The first is numbered by a node whose clock is ahead, the second by one whose clock is right.
        world.clock.hold_at(now.after(Duration::from_secs(1)));
        let contact = nakheel.contact("first", "+14155551234").await;
        queued(&world, &hook, 1).await;
        world.clock.hold_at(now);
        nakheel.put(&format!("/api/v1/contacts/{}", contact["id"]), json!({"name": "second"})).await.expect(200);
        queued(&world, &hook, 2).await;
        world.clock.hold_at(now.after(Duration::from_secs(3)));
        nakheel.post(&format!("{path}/resume"), json!({})).await.expect(200);
        let told = world.receiver.wait_for(2).await;
        let names: Vec<_> = told.iter().map(|d| d.json["data"]["contact"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["first", "second"]);

        // A clock that is far ahead holds up nobody.
        nakheel.post(&format!("{path}/pause"), json!({})).await.expect(200);
        world.clock.hold_at(now.after(Duration::from_secs(3600)));
        nakheel.contact("from the future", "+14155551235").await;
        queued(&world, &hook, 1).await;
        world.clock.hold_at(now.after(Duration::from_secs(4)));
        nakheel.contact("now", "+14155551236").await;
        queued(&world, &hook, 2).await;
        nakheel.post(&format!("{path}/resume"), json!({})).await.expect(200);
        assert_eq!(world.receiver.wait_for(3).await[2].json["data"]["contact"]["name"], "now");
    }

    async fn a_webhook_that_is_paused_and_resumed_all_the_time_never_sleeps_on(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        let path = format!("{HOOKS}/{}", hook["id"]);
        for turn in 0..25 {
            nakheel.post(&format!("{path}/pause"), json!({})).await.expect(200);
            // The worker looks at the lane just when it is resumed.
            let ((), ()) = tokio::join!(
                async { drop(nakheel.contact("c", &format!("+96650000{turn:04}")).await) },
                async { drop(nakheel.post(&format!("{path}/resume"), json!({})).await.expect(200)) },
            );
            world.receiver.wait_for(turn + 1).await;
        }
    }
}

/// Waits until so many jobs stand in a webhook's lane.
async fn queued(world: &crate::world::World, hook: &Value, count: usize) {
    let sql = "SELECT COUNT(*) FROM job JOIN job_lane ON job_lane.id = job.lane_id
         WHERE job_lane.kind = 'webhooks.deliver' AND job_lane.key = $1";
    until("the deliveries are queued", async || {
        let jobs: i64 = (&world.app.db).one(sql, args![hook["id"].as_i64().unwrap()]).await.unwrap();
        if jobs == i64::try_from(count).unwrap() { Ok(()) } else { Err(jobs) }
    })
    .await;
}

/// Waits until so many deliveries are recorded as delivered.
async fn recorded(who: &Actor, hook: &Value, count: usize) {
    until("the deliveries are recorded", async || {
        let log = who.get(&format!("{HOOKS}/{}/deliveries?status=delivered", hook["id"])).await.expect(200);
        if log["meta"]["total"] == count { Ok(()) } else { Err(log.to_string()) }
    })
    .await;
}

/// By two implementations that are not ours.
async fn verified(public_key: &str, delivery: &Delivery, expected: bool) {
    assert_eq!(verify_ed25519_by_python(public_key, delivery).await, expected, "{public_key}: {delivery:?}");
    assert_eq!(verify_ed25519_by_node(public_key, delivery).await, expected, "{public_key}: {delivery:?}");
}

/// A paused lane is one row that nobody looks at for a long time.
async fn lane_sleeps(world: &crate::world::World, hook: &Value) {
    let sql = "SELECT not_before, COALESCE(leased_by, 0) FROM job_lane WHERE kind = 'webhooks.deliver' AND key = $1";
    let soon = world.app.now().after(Duration::from_secs(50 * 60)).micros();
    until("the lane sleeps", async || {
        let lane: Option<(i64, i64)> = (&world.app.db).opt(sql, args![hook["id"].as_i64().unwrap()]).await.unwrap();
        if lane.is_some_and(|(until, by)| until > soon && by == 0) { Ok(()) } else { Err(format!("{lane:?}")) }
    })
    .await;
}

/// Somebody else's endpoint is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_can_neither_pause_nor_resume() {
    let world = crate::world::World::start(crate::world::Engine::Sqlite).await;
    let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
    let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
    for verb in ["pause", "resume"] {
        let answer = call(&rival, &hook, verb).await;
        assert_eq!(answer["message"], "Webhook not found.");
    }
}

async fn call(who: &Actor, hook: &Value, verb: &str) -> Value {
    who.post(&format!("{HOOKS}/{}/{verb}", hook["id"]), json!({})).await.expect(404)
}
