//! A partner's webhook: one endpoint, set by API, that hears of every client exactly once, also of one that is gone.

use crate::on_both_engines;
use crate::statements::rows_of_workspace;
use crate::stored;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight::cli::manage;
use skylight_test_support::receiver::{assert_signed, verify_product_signature, verify_standard_signature};
use skylight_test_support::script::Behaviour;
use skylight_test_support::wait::{eventually, until};
use std::time::Duration;

const ENDPOINT: &str = "/api/v1/partner/webhook";

on_both_engines! {
    async fn a_partner_sets_one_endpoint_and_sees_its_secret_once(world: World) {
        let (rawabi, rival) = (world.partner("rawabi").await, world.partner("rival").await);
        for (method, path) in [("GET", ""), ("POST", "/regenerate-secret"), ("POST", "/test"), ("GET", "/deliveries"), ("GET", "/deliveries?per_page=0")] {
            let missing = rawabi.call(method, &format!("{ENDPOINT}{path}"), None).await.expect(404);
            assert_eq!(missing["message"], "Webhook not found.");
        }
        let first = rawabi.put(ENDPOINT, json!({"url": world.receiver.url("/a")})).await.expect(200);
        let secret = first["data"]["secret"].as_str().unwrap().to_owned();
        assert_eq!((&first["data"]["events"], &first["data"]["is_active"]), (&json!(["*"]), &json!(true)));
        let later = rawabi.put(ENDPOINT, json!({"url": world.receiver.url("/b"), "events": ["partner.client.created"]})).await.expect(200);
        assert!(later["data"].get("secret").is_none(), "{later}");
        let shown = rawabi.get(ENDPOINT).await.expect(200);
        assert_eq!(shown["data"], later["data"]);
        assert_eq!(shown["data"]["url"], json!(world.receiver.url("/b")));
        rival.get(ENDPOINT).await.expect(404);

        let tested = rawabi.post(&format!("{ENDPOINT}/test"), json!({})).await.expect(200);
        let arrived = world.receiver.wait_for_event("webhook.test", 1).await.remove(0);
        assert_eq!((arrived.path.as_str(), &arrived.json["delivery_id"]), ("/b", &tested["data"]["delivery_id"]));
        assert_eq!(arrived.json["partner_id"], rawabi.id);
        assert_signed(&secret, &arrived);

        let rotated = rawabi.post(&format!("{ENDPOINT}/regenerate-secret"), json!({})).await.expect(200);
        let new = rotated["data"]["secret"].as_str().unwrap();
        rawabi.post(&format!("{ENDPOINT}/test"), json!({})).await.expect(200);
        let second = world.receiver.wait_for(2).await.remove(1);
        assert_signed(new, &second);
        assert!(!verify_product_signature(&secret, &second) && verify_standard_signature(&secret, &second));
        let log = eventually("both are recorded", async || {
            let log = rawabi.get(&format!("{ENDPOINT}/deliveries?status=delivered")).await.expect(200);
            (log["meta"]["total"] == 2).then_some(log)
        }).await;
        assert_eq!(log["data"][0]["attempt_log"][0]["response_status"], 200);
    }

    async fn what_an_endpoint_cannot_be_is_refused(world: World) {
        let rawabi = world.partner("rawabi").await;
        for (body, field) in [
            (json!({}), "url"),
            (json!({"url": "ftp://example.com/"}), "url"),
            (json!({"url": "https://10.0.0.1/"}), "url"),
            (json!({"url": "https://a.example/", "events": []}), "events"),
            (json!({"url": "https://a.example/", "events": ["partner.client.created", "contact.created"]}), "events.1"),
            (json!({"url": "https://a.example/", "events": ["client_created"]}), "events.0"),
            (json!({"url": "https://a.example/", "is_active": null}), "is_active"),
        ] {
            let refused = rawabi.put(ENDPOINT, body).await.expect(422);
            assert!(refused["errors"][field].is_array(), "{field}: {refused}");
        }
        rawabi.get(ENDPOINT).await.expect(404);
    }

    async fn of_twenty_who_set_it_at_once_one_is_shown_the_secret(world: World) {
        let rawabi = world.partner("rawabi").await;
        let racing: Vec<_> = (0..20).map(|_| {
            let (rawabi, url) = (rawabi.clone(), world.receiver.url("/a"));
            tokio::spawn(async move { rawabi.put(ENDPOINT, json!({"url": url})).await.expect(200) })
        }).collect();
        let mut secrets = Vec::new();
        for answer in racing {
            secrets.extend(answer.await.unwrap()["data"]["secret"].as_str().map(str::to_owned));
        }
        assert_eq!(secrets.len(), 1);
        rawabi.post(&format!("{ENDPOINT}/test"), json!({})).await.expect(200);
        assert_signed(&secrets[0], &world.receiver.wait_for(1).await.remove(0));
    }

    async fn all_seven_events_arrive_once_each_in_order_and_with_what_changed(world: World) {
        let (rawabi, rival) = (world.partner("rawabi").await, world.partner("rival").await);
        let secret = rawabi.put(ENDPOINT, json!({"url": world.receiver.url("/rawabi")})).await.expect(200)["data"]["secret"].clone();
        rival.put(ENDPOINT, json!({"url": world.receiver.url("/rival")})).await.expect(200);
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let path = format!("/api/v1/partner/clients/{}", client["id"]);
        rawabi.patch(&path, json!({"plan": "pro"})).await.expect(200);
        rawabi.patch(&path, json!({"plan": "pro"})).await.expect(200);
        rawabi.patch(&path, json!({"company_name": "Nakheel Group"})).await.expect(200);
        nakheel.patch("/api/v1/account", json!({"timezone": "Europe/London"})).await.expect(200);
        let channel = nakheel.sandbox().await;
        for _ in 0..2 {
            nakheel.delete(&format!("/api/v1/channels/{channel}")).await.expect(204);
        }
        for step in ["suspend", "suspend", "reactivate", "reactivate"] {
            rawabi.post(&format!("{path}/{step}"), json!({})).await.expect(200);
        }
        world.receiver.wait_for(8).await;
        // The month ends, and the plan changes.
        world.clock.advance(Duration::from_secs(31 * 24 * 3600));
        world.receiver.wait_for(9).await;
        rawabi.delete(&path).await.expect(204);
        let all = world.receiver.wait_for(10).await;
        world.receiver.no_more_than(10, Duration::from_millis(700)).await;

        let told: Vec<_> = all.iter().map(|delivery| delivery.event.trim_start_matches("partner.client.")).collect();
        let expected = [
            "created", "updated", "updated", "updated", "channel.connected", "channel.disconnected", "suspended", "reactivated",
            "updated", "deleted",
        ];
        assert_eq!(told, expected);
        for delivery in &all {
            assert_eq!(delivery.path, "/rawabi");
            assert_signed(secret.as_str().unwrap(), delivery);
            assert_eq!(keys(&delivery.json), ["data", "delivery_id", "event", "partner_id", "timestamp"]);
            assert_eq!((&delivery.json["partner_id"], &delivery.json["delivery_id"]), (&json!(rawabi.id), &json!(delivery.id())));
            assert_eq!(delivery.json["data"]["client_id"], client["id"]);
        }
        let data = |index: usize| all[index].json["data"].clone();
        assert_eq!(data(0), json!({
            "client_id": client["id"], "company_name": "Nakheel", "plan": "business", "primary_email": "Nakheel@clients.example",
        }));
        let updated = |name: &str, plan: &str, pending: Value, zone: &str| json!({
            "client_id": client["id"], "company_name": name, "plan": plan, "pending_plan": pending, "timezone": zone,
        });
        assert_eq!(data(1), updated("Nakheel", "business", json!("pro"), "Asia/Riyadh"));
        assert_eq!(data(2), updated("Nakheel Group", "business", json!("pro"), "Asia/Riyadh"));
        assert_eq!(data(3), updated("Nakheel Group", "business", json!("pro"), "Europe/London"));
        for index in [4, 5] {
            assert_eq!((&data(index)["company_name"], &data(index)["channel"]["type"]), (&json!("Nakheel Group"), &json!("whatsapp")));
            assert_eq!((keys(&data(index)["channel"]), &data(index)["channel"]["id"]), (vec!["id".into(), "type".into(), "username".into()], &json!(channel)));
        }
        assert_eq!(data(6)["status"], "suspended");
        assert!(data(6)["suspended_at"].is_string());
        assert_eq!((&data(7)["status"], &data(7)["suspended_at"]), (&json!("active"), &Value::Null));
        assert_eq!(data(8), updated("Nakheel Group", "pro", Value::Null, "Europe/London"));
        assert_eq!(data(9), json!({"client_id": client["id"], "company_name": "Nakheel Group"}));
    }

    async fn a_deletion_is_told_though_nothing_of_the_client_is_left(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, _) = rawabi.client("Nakheel", "business").await;
        rawabi.put(ENDPOINT, json!({"url": world.receiver.url("/a"), "events": ["partner.client.deleted"]})).await.expect(200);
        world.receiver.behave_next(Behaviour::status(503));
        rawabi.delete(&format!("/api/v1/partner/clients/{}", client["id"])).await.expect(204);
        let failed = world.receiver.wait_for(1).await.remove(0);
        until("nothing of the client is left", async || {
            let left = rows_of_workspace(&world, client["id"].as_i64().unwrap()).await;
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        }).await;
        recorded(&rawabi, "failed").await;
        world.clock.advance(Duration::from_secs(150));
        let told = world.receiver.wait_for(2).await.remove(1);
        assert_eq!((told.event.as_str(), told.attempt()), ("partner.client.deleted", 2));
        assert_eq!(told.body, failed.body, "the same bytes on every attempt");
        recorded(&rawabi, "delivered").await;
    }

    async fn nothing_goes_out_while_the_endpoint_or_the_partner_is_off(world: World) {
        let rawabi = world.partner("rawabi").await;
        rawabi.put(ENDPOINT, json!({"url": world.receiver.url("/a"), "is_active": false})).await.expect(200);
        rawabi.client("Unheard", "pro").await;
        stored::at_rest(&world).await;
        rawabi.put(ENDPOINT, json!({"url": world.receiver.url("/a"), "is_active": true})).await.expect(200);
        manage::set_partner_active(&world.app, rawabi.id, false).await.unwrap();
        rawabi.get(ENDPOINT).await.expect(403);
        manage::set_partner_active(&world.app, rawabi.id, true).await.unwrap();
        rawabi.client("Heard", "pro").await;
        let heard = world.receiver.wait_for(1).await;
        assert_eq!(heard[0].json["data"]["company_name"], "Heard");
        // Gone switches it off, and says so.
        world.receiver.answer_next(410);
        rawabi.client("Last", "pro").await;
        eventually("it is switched off", async || {
            let shown = rawabi.get(ENDPOINT).await.expect(200);
            (shown["data"]["is_active"] == false && shown["data"]["disabled_reason"].is_string()).then_some(())
        }).await;
        rawabi.client("Lost", "pro").await;
        world.receiver.no_more_than(2, Duration::from_millis(700)).await;
    }
}

fn keys(object: &Value) -> Vec<String> {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

/// Waits until the log has one delivery of this status.
async fn recorded(partner: &Actor, status: &str) -> Value {
    eventually("the attempt is recorded", async || {
        let log = partner.get(&format!("{ENDPOINT}/deliveries?status={status}")).await.expect(200);
        (log["meta"]["total"] == 1).then_some(log)
    })
    .await
}
