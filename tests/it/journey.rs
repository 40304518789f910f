//! The main job, end to end: a reseller provisions a client, the client connects Telegram and WhatsApp, a customer writes
//! in, the client's system hears of it, answers, sees the message delivered, and the reseller sees it counted.

use crate::on_both_engines;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight_db::Read;
use skylight_test_support::meta_errors;
use skylight_test_support::receiver::{
    assert_signed, node_roundtrip, verify_product_signature, verify_product_signature_over,
};
use skylight_test_support::wait::eventually;
use std::time::Duration;

const APP_SECRET: &str = "meta-app-secret";
const TOKEN: &str = "EAAG-token";
const NUMBER: &str = "208877665544332";
const WABA: &str = "330011223344";
const BOT: &str = "8001:AAE_test-token-of-the-harbour-bot";

on_both_engines! {
    async fn the_main_job_runs_end_to_end(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        world.telegram.add_bot(BOT, "NakheelSupport");

        // 1. A reseller provisions a client and issues a key for it.
        let reseller = world.partner("rawabi").await;
        let (client, nakheel) = reseller.client("Nakheel Trading", "business").await;
        assert_eq!(client["status"], "active");
        assert_eq!(client["plan"], "business");
        assert!(client["dashboard_url"].as_str().unwrap().starts_with("https://chat.example.test/login?workspace=nakheel-trading-"));

        // 2. The client connects its accounts.
        let born = nakheel.get("/api/v1/account/channels").await.expect(200);
        let kinds: Vec<_> = born["data"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["whatsapp", "telegram", "instagram"]);
        let telegram = connect_telegram(&nakheel).await;
        let hook = world.telegram.hook(BOT);
        assert_eq!(telegram["username"], "@NakheelSupport");
        assert!(hook.is_some(), "the webhook was registered");
        let whatsapp = connect_whatsapp(&nakheel).await;
        let hook = world.local(whatsapp["webhook_url"].as_str().unwrap());
        let token = whatsapp["verify_token"].as_str().unwrap();
        let echoed = world.http.get(&hook).query("hub.mode", "subscribe").query("hub.verify_token", token)
            .query("hub.challenge", "1158733920").send().await;
        assert_eq!((echoed.status, echoed.text().as_str()), (200, "1158733920"));
        let wrong = world.http.get(&hook).query("hub.mode", "subscribe").query("hub.verify_token", "wrong")
            .query("hub.challenge", "1").send().await;
        assert_eq!(wrong.status, 403);
        let shown = nakheel.get("/api/v1/account/channels").await.expect(200);
        assert_eq!(shown["data"][0]["is_connected"], true);
        assert_eq!(shown["data"][0]["username"], "+966512345678");
        assert_eq!(shown["data"][1]["status"], "active");
        assert_eq!(shown["data"][2]["is_connected"], false);
        assert!(!shown.to_string().contains(TOKEN), "credentials are never shown");
        let sealed: Vec<String> =
            (&world.app.db).all("SELECT credentials FROM channel WHERE credentials IS NOT NULL", &[]).await.unwrap();
        assert_eq!(sealed.len(), 2);
        for text in sealed {
            assert!(text.starts_with("v1.") && ![TOKEN, APP_SECRET, BOT].iter().any(|secret| text.contains(secret)), "sealed at rest");
        }

        // 3. Its system registers for events.
        let webhook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        let secret = webhook["secret"].as_str().unwrap().to_owned();
        let again = nakheel.get(&format!("/api/v1/webhooks/{}", webhook["id"])).await.expect(200);
        assert!(again["data"].get("secret").is_none(), "the secret is shown once");

        // 4. Customers write in: several messages in one signed POST, and a Telegram update.
        let post = world.meta.webhook(NUMBER).text("966501112233", "ليلى", "السلام عليكم، هل وصل التمر؟").id("wamid.IN1")
            .text("966504445566", "Omar", "Price list please").id("wamid.IN2");
        post.post(&world.http, &hook, APP_SECRET).await.expect(200);
        world.telegram.deliver(&world.telegram.text_update(55501122, "مارك", "مرحبا")).await.expect(200);
        let arrived = world.receiver.wait_for_event("message.received", 3).await;
        let created = world.receiver.wait_for_event("contact.created", 3).await;

        // 5. With the documented headers, and a signature that survives a JSON library.
        for delivery in arrived.iter().chain(&created) {
            assert_signed(&secret, delivery);
            assert_eq!(delivery.header("x-skylight-event"), delivery.event);
            let body = &delivery.json;
            assert_eq!(delivery.header("x-skylight-delivery"), body["delivery_id"]);
            assert_eq!(delivery.header("content-type"), "application/json");
        }
        let laila = arrived.iter().find(|d| d.json["data"]["contact"]["name"] == "ليلى").unwrap();
        assert!(verify_product_signature_over(&secret, laila, &node_roundtrip(&laila.body).await));
        assert!(!verify_product_signature("whsec_wrong", laila));
        let data = &laila.json["data"];
        assert_eq!(data["message"]["content"], "السلام عليكم، هل وصل التمر؟");
        assert_eq!(data["message"]["direction"], "inbound");
        assert_eq!(data["message"]["status"], "received");
        assert_eq!(data["contact"]["phone"], "+966501112233");

        // The same POST again, and a wrong signature, change nothing.
        post.post(&world.http, &hook, APP_SECRET).await.expect(200);
        post.post_wrongly_signed(&world.http, &hook).await.expect(401);
        post.post_unsigned(&world.http, &hook).await.expect(401);
        let contacts = nakheel.get("/api/v1/contacts").await.expect(200);
        assert_eq!(contacts["meta"]["total"], 3);

        // 6. The system answers, and the provider gets exactly the documented request.
        let contact = data["contact"]["id"].as_i64().unwrap();
        let message = send(&nakheel, contact, "وعليكم السلام، نعم وصل").await;
        assert_eq!(message["status"], "pending");
        let sent = world.meta.wait_for_sends(1).await.remove(0);
        assert_eq!(sent.request.headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(*sent.body(), json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+966501112233", "type": "text",
            "text": {"body": "وعليكم السلام، نعم وصل", "preview_url": false},
            "biz_opaque_callback_data": format!("m{}", message["id"]),
        }));
        // Statuses in a wild order only move forward.
        for status in ["delivered", "sent", "read", "delivered"] {
            world.meta.webhook(NUMBER).status_of(&sent, status).post(&world.http, &hook, APP_SECRET).await.expect(200);
        }
        let message = wait_for_status(&nakheel, contact, "read").await;
        assert!(message["delivered_at"].is_string() && message["sent_at"].is_string());
        let told = world.receiver.wait_for_event("message.sent", 1).await;
        assert_eq!(told[0].json["data"]["contact"]["id"], contact);
        let conversations = nakheel.get("/api/v1/conversations").await.expect(200);
        assert_eq!(conversations["meta"]["total"], 3);
        assert_eq!(conversations["data"][0]["contact_id"], contact);
        assert_eq!(conversations["data"][0]["last_message"], "وعليكم السلام، نعم وصل");
        assert_eq!(conversations["data"][0]["unread_count"], 1);
        assert_eq!(told.len(), 1, "message.sent is told once");

        // 7. The reseller sees it counted.
        let usage = reseller.get(&format!("/api/v1/partner/clients/{}/usage", nakheel.id)).await.expect(200);
        assert_eq!(usage["data"]["messages"], json!({"sent": 1, "received": 3, "failed": 0}));
        assert_eq!(usage["data"]["contacts"], json!({"total": 3, "created_this_period": 3, "blacklisted": 0}));
        assert_eq!(usage["data"]["channels_connected"], json!(["whatsapp", "telegram"]));
        assert_eq!(usage["data"]["period"], "current");
        assert_eq!(world.meta.sends().len(), 1, "nothing was sent twice");
        assert!(skylight::usage::recount(&world.app.db).await.unwrap().is_empty());
    }

    async fn a_receiver_that_fails_is_tried_again_on_schedule_with_the_same_id(world: World) {
        let nakheel = world.workspace("nakheel").await;
        nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        world.receiver.answer_next(500);
        nakheel.contact("Sarah", "+14155551234").await;
        let first = world.receiver.wait_for(1).await.remove(0);
        // Not before its time …
        world.receiver.no_more_than(1, Duration::from_millis(700)).await;
        // … but then.
        world.clock.advance(Duration::from_secs(140));
        let second = world.receiver.wait_for(2).await.remove(1);
        assert_eq!(first.id(), second.id());
        assert_eq!(first.body, second.body);
        assert_eq!((first.header("x-skylight-attempt"), second.header("x-skylight-attempt")), ("1", "2"));
    }

    async fn telegram_replies_go_to_the_chat_that_wrote(world: World) {
        world.telegram.add_bot(BOT, "NakheelSupport");
        let nakheel = world.workspace("nakheel").await;
        connect_telegram(&nakheel).await;
        world.telegram.deliver(&world.telegram.text_update(55501122, "مارك", "مرحبا")).await.expect(200);
        let contact = wait_for_contact(&nakheel, "مارك").await;
        send(&nakheel, contact, "أهلا").await;
        let sent = world.telegram.wait_for_sends(1).await.remove(0);
        assert_eq!(sent.params, json!({"chat_id": 55501122, "text": "أهلا"}));
        let message = wait_for_status(&nakheel, contact, "sent").await;
        assert!(message["sent_at"].is_string());
    }

    async fn a_hook_without_its_secret_is_refused(world: World) {
        world.telegram.add_bot(BOT, "NakheelSupport");
        let nakheel = world.workspace("nakheel").await;
        connect_telegram(&nakheel).await;
        let update = world.telegram.text_update(1, "Eve", "forged");
        world.telegram.deliver_with_secret(&update, Some("wrong")).await.expect(401);
        world.telegram.deliver_with_secret(&update, None).await.expect(401);
        let unknown = world.http.post(format!("{}/hooks/telegram/nobody", world.base)).json(&update).send().await;
        assert_eq!(unknown.status, 404);
        world.telegram.deliver(&world.telegram.text_update(2, "Marek", "real")).await.expect(200);
        wait_for_contact(&nakheel, "Marek").await;
        assert_eq!(nakheel.get("/api/v1/contacts").await.expect(200)["meta"]["total"], 1);
    }

    async fn provider_errors_are_shown_and_rate_limits_waited_out(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let nakheel = world.workspace("nakheel").await;
        connect_whatsapp(&nakheel).await;
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].as_i64().unwrap();

        // A closed window is final.
        world.meta.next_send(meta_errors::error(131_047));
        send(&nakheel, contact, "too late").await;
        let failed = wait_for_status(&nakheel, contact, "failed").await;
        assert_eq!(failed["error"]["code"], "131047");
        assert_eq!(failed["error"]["class"], "window_closed");

        // A rate limit is shown, waited out, and the message goes out once.
        world.meta.next_send(meta_errors::rate_limited(30));
        send(&nakheel, contact, "patience").await;
        let waiting = eventually("the rate limit is shown", async || {
            let newest = newest(&nakheel, contact).await;
            newest["error"].is_object().then_some(newest)
        }).await;
        assert_eq!((waiting["status"].as_str(), waiting["error"]["class"].as_str()), (Some("pending"), Some("rate_channel")));
        world.clock.advance(Duration::from_secs(31));
        let sent = world.meta.wait_for_sends(1).await;
        assert_eq!(sent[0].body()["text"]["body"], "patience");

        // An expired token fails the message that met it, disconnects the channel and keeps what waits.
        world.meta.set_token(NUMBER, "another-token");
        send(&nakheel, contact, "no token").await;
        let failed = wait_for_status(&nakheel, contact, "failed").await;
        assert_eq!((failed["error"]["code"].as_str(), failed["error"]["class"].as_str()), (Some("190"), Some("auth")));
        eventually("the channel is shown disconnected", async || {
            let channels = nakheel.get("/api/v1/channels").await.expect(200);
            (channels["data"][0]["sync_status"] == "CREDENTIALS").then_some(())
        }).await;
        let refused = nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "x"})).await.expect(422);
        assert!(refused["errors"]["channel"].is_array());
        let usage = recounted(&world.app.db).await;
        assert!(usage.is_empty(), "{usage:?}");
    }

    async fn a_lost_answer_is_never_sent_again_and_settled_by_the_status(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let nakheel = world.workspace("nakheel").await;
        let hook = world.local(connect_whatsapp(&nakheel).await["webhook_url"].as_str().unwrap());
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].as_i64().unwrap();
        world.meta.next_send(skylight_test_support::script::Behaviour::lose_answer());
        send(&nakheel, contact, "did it arrive?").await;
        let unclear = eventually("the outcome is shown as unknown", async || {
            let newest = newest(&nakheel, contact).await;
            (newest["error"]["class"] == "outcome_unknown").then_some(newest)
        }).await;
        assert_eq!(unclear["status"], "pending");
        world.clock.advance(Duration::from_secs(3600));
        world.meta.no_more_attempts_than(1, Duration::from_millis(700)).await;
        let sent = world.meta.wait_for_sends(1).await.remove(0);
        world.meta.webhook(NUMBER).status_of(&sent, "delivered").post(&world.http, &hook, APP_SECRET).await.expect(200);
        let settled = wait_for_status(&nakheel, contact, "delivered").await;
        assert!(settled["error"].is_null());
    }

    async fn suspension_refuses_the_key_at_once_and_still_stores_what_customers_write(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let reseller = world.partner("rawabi").await;
        let (_, nakheel) = reseller.client("Nakheel", "business").await;
        let hook = world.local(connect_whatsapp(&nakheel).await["webhook_url"].as_str().unwrap());
        let client = format!("/api/v1/partner/clients/{}", nakheel.id);
        nakheel.get("/api/v1/contacts").await.expect(200);

        let suspended = reseller.post(&format!("{client}/suspend"), json!({"reason": "Non-payment"})).await.expect(200);
        assert_eq!(suspended["message"], "Client workspace suspended.");
        assert_eq!(suspended["data"]["status"], "suspended");
        let refused = nakheel.get("/api/v1/contacts").await.expect(403);
        assert_eq!(refused["code"], "account_suspended");
        let twice = reseller.post(&format!("{client}/suspend"), json!({})).await.expect(200);
        assert_eq!(twice["data"]["suspended_at"], suspended["data"]["suspended_at"]);
        world.meta.webhook(NUMBER).text("966501112233", "ليلى", "مرحبا").post(&world.http, &hook, APP_SECRET).await.expect(200);

        let back = reseller.post(&format!("{client}/reactivate"), json!({})).await.expect(200);
        assert_eq!(back["data"], json!({"id": nakheel.id, "status": "active", "suspended_at": null}));
        wait_for_contact(&nakheel, "ليلى").await;

        // Deleting leaves nothing, and tells nobody that it was ever there.
        reseller.delete(&client).await.expect(204);
        nakheel.get("/api/v1/contacts").await.expect(401);
        reseller.get(&client).await.expect(404);
        reseller.delete(&client).await.expect(404);
        assert_eq!(world.meta.webhook(NUMBER).text("966501112233", "ليلى", "؟").post(&world.http, &hook, APP_SECRET).await.status, 404);
        eventually("every row is gone", async || {
            crate::statements::rows_of_workspace(&world, nakheel.id).await.is_empty().then_some(())
        }).await;
        let profile = reseller.get("/api/v1/partner/profile").await.expect(200);
        assert_eq!(profile["data"]["client_seats"]["used"], 0);
    }

    async fn the_sandbox_runs_the_whole_journey_offline(world: World) {
        let nakheel = world.workspace("nakheel").await;
        nakheel.webhook(&world.receiver.url("/crm"), &["message.received", "message.sent"]).await;
        let channel = nakheel.sandbox().await;
        let path = format!("/api/v1/channels/{channel}/simulate");
        nakheel.post(&path, json!({"from": "+966501112233", "name": "هند", "content": "هل لديكم عجوة؟"})).await.expect(201);
        let contact = wait_for_contact(&nakheel, "هند").await;
        send(&nakheel, contact, "نعم").await;
        let read = wait_for_status(&nakheel, contact, "read").await;
        assert_eq!(read["direction"], "outbound");
        world.receiver.wait_for(2).await;
        let history = nakheel.get(&format!("/api/v1/contacts/{contact}/messages")).await.expect(200);
        assert_eq!(history["meta"]["total"], 2);
        assert_eq!(history["data"][1]["content"], "هل لديكم عجوة؟");
    }
}

async fn recounted(db: &skylight_db::Db) -> Vec<String> {
    skylight::usage::recount(db).await.unwrap()
}

async fn connect_telegram(workspace: &Actor) -> Value {
    let body = json!({"type": "telegram", "credentials": {"bot_token": BOT}});
    workspace.post("/api/v1/channels", body).await.expect(201)["data"].clone()
}

async fn connect_whatsapp(workspace: &Actor) -> Value {
    let credentials =
        json!({"phone_number_id": NUMBER, "waba_id": WABA, "access_token": TOKEN, "app_secret": APP_SECRET});
    let body = json!({"type": "whatsapp", "credentials": credentials});
    workspace.post("/api/v1/channels", body).await.expect(201)["data"].clone()
}

async fn send(workspace: &Actor, contact: i64, content: &str) -> Value {
    let body = json!({"contact_id": contact, "content": content});
    workspace.post("/api/v1/messages/send", body).await.expect(201)["data"].clone()
}

async fn newest(workspace: &Actor, contact: i64) -> Value {
    let history = workspace.get(&format!("/api/v1/contacts/{contact}/messages")).await.expect(200);
    history["data"][0].clone()
}

async fn wait_for_status(workspace: &Actor, contact: i64, status: &str) -> Value {
    eventually(&format!("the newest message is {status}"), async || {
        let message = newest(workspace, contact).await;
        (message["status"] == status).then_some(message)
    })
    .await
}

async fn wait_for_contact(workspace: &Actor, name: &str) -> i64 {
    eventually(&format!("{name} is a contact"), async || {
        let contacts = workspace.get("/api/v1/contacts").await.expect(200);
        let found = contacts["data"].as_array().unwrap().iter().find(|contact| contact["name"] == name);
        found.and_then(|contact| contact["id"].as_i64())
    })
    .await
}
