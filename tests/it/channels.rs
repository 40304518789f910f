//! Connecting accounts, and what providers post: proved, whole, once.

use crate::on_both_engines;
use crate::world::{Actor, Engine, World};
use serde_json::{Value, json};
use skylight_db::{Read, args};
use skylight_test_support::wait::eventually;

const APP_SECRET: &str = "meta-app-secret";
const TOKEN: &str = "EAAG-token";
const NUMBER: &str = "208877665544332";
const WABA: &str = "330011223344";
const BOT: &str = "8001:AAE_test-token-of-the-harbour-bot";

on_both_engines! {
    async fn credentials_are_checked_with_the_provider_before_anything_is_stored(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        world.telegram.add_bot(BOT, "NakheelSupport");
        let nakheel = world.workspace("nakheel").await;
        let faults = [
            (json!({}), "type"),
            (json!({"type": "fax"}), "type"),
            (json!({"type": "telegram"}), "credentials.bot_token"),
            (json!({"type": "telegram", "credentials": {"bot_token": "no token"}}), "credentials.bot_token"),
            (json!({"type": "telegram", "credentials": {"bot_token": "9:unknown-to-telegram"}}), "credentials.bot_token"),
            (json!({"type": "telegram", "provider": "cloud", "credentials": {"bot_token": BOT}}), "provider"),
            (json!({"type": "whatsapp", "credentials": {"phone_number_id": NUMBER}}), "credentials.access_token"),
            (whatsapp("wrong-token", NUMBER, WABA), "credentials.access_token"),
            (whatsapp(TOKEN, "999", WABA), "credentials.phone_number_id"),
            (whatsapp(TOKEN, NUMBER, "111"), "credentials.phone_number_id"),
        ];
        for (body, field) in faults {
            let answer = nakheel.post("/api/v1/channels", body.clone()).await;
            assert_eq!(answer.status, 422, "{body}: {}", answer.text());
            assert!(answer.json()["errors"][field].is_array(), "{body}: {}", answer.text());
        }
        let shown = nakheel.get("/api/v1/channels").await.expect(200);
        assert!(shown["data"].as_array().unwrap().iter().all(|channel| channel["is_connected"] == false));
        assert!(world.telegram.hook(BOT).is_none(), "nothing was registered");
    }

    async fn an_account_is_connected_once_in_an_installation(world: World) {
        world.telegram.add_bot(BOT, "NakheelSupport");
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let connected = nakheel.post("/api/v1/channels", telegram()).await.expect(201);
        let hook = world.telegram.hook(BOT);
        for other in [&nakheel, &rival] {
            let refused = other.post("/api/v1/channels", telegram()).await.expect(409);
            assert_eq!(refused["code"], "channel_already_connected");
        }
        assert_eq!(format!("{:?}", world.telegram.hook(BOT)), format!("{hook:?}"), "nobody stole its webhook");

        // Once it is given up, it may be connected again; the setting keeps its id and its conversations.
        let path = format!("/api/v1/channels/{}", connected["data"]["id"]);
        nakheel.delete(&path).await.expect(204);
        nakheel.delete(&path).await.expect(204);
        assert_eq!(nakheel.get(&path).await.expect(200)["data"]["is_connected"], false);
        let again = nakheel.post("/api/v1/channels", telegram()).await.expect(201);
        let listed = nakheel.get("/api/v1/channels").await.expect(200);
        let connected_ones: Vec<_> = listed["data"].as_array().unwrap().iter().filter(|c| c["is_connected"] == true).collect();
        assert_eq!(connected_ones, [&nakheel.get(&path).await.expect(200)["data"]]);
        assert_eq!(again["data"]["id"], connected["data"]["id"]);
    }

    async fn of_many_racing_connections_within_the_plan_only_the_plans_number_wins(world: World) {
        let partner = world.partner("rawabi").await;
        let (_, pro) = partner.client("Pro Shop", "pro").await;
        let body = || json!({"type": "whatsapp", "provider": "sandbox"});
        let racing = (0..12).map(|_| { let pro = pro.clone(); tokio::spawn(async move { pro.post("/api/v1/channels", body()).await.status }) });
        let mut won = 0;
        for attempt in racing.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                201 => won += 1,
                status => assert_eq!(status, 403),
            }
        }
        assert_eq!(won, 3, "the plan has three channels");
    }

    async fn every_element_of_a_batch_is_worked_in_once(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let nakheel = world.workspace("nakheel").await;
        let hook = hook(&world, &nakheel).await;
        // Two entries, one for a number that is not ours, an unknown type, and a person without a profile.
        let post = world.meta.webhook(NUMBER)
            .text("966501112233", "ليلى", "أولى").id("wamid.1")
            .text("966501112233", "ليلى", "ثانية").id("wamid.2")
            .unsupported("966504445566").id("wamid.3")
            .entry("999").change("777", "1555000111").text("15550001111", "Stranger", "not yours").id("wamid.4")
            .entry(WABA).change(NUMBER, "966512345678").text("447700900555", "Ines", "last").id("wamid.5").without_contacts();
        for _ in 0..3 {
            post.post(&world.http, &hook, APP_SECRET).await.expect(200);
        }
        eventually("four messages arrived", async || (total_messages(&nakheel).await >= 4).then_some(())).await;
        // Broken JSON under a good signature is taken and left; the next one is not held back by it.
        let broken = b"{\"object\":";
        let signature = skylight_test_support::meta_webhook::sign(APP_SECRET, broken);
        let taken = world.http.post(&hook).header("X-Hub-Signature-256", signature.as_str()).bytes(broken.to_vec()).send().await;
        assert_eq!(taken.status, 200);
        world.meta.webhook(NUMBER).text("447700900555", "Ines", "after").id("wamid.6").post(&world.http, &hook, APP_SECRET).await.expect(200);
        eventually("the next one arrived", async || (total_messages(&nakheel).await >= 5).then_some(())).await;
        assert_eq!(total_messages(&nakheel).await, 5);
        let contacts = nakheel.get("/api/v1/contacts").await.expect(200);
        assert_eq!(contacts["meta"]["total"], 3, "{contacts}");
    }

    async fn a_status_that_overtakes_the_answer_is_not_lost(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let nakheel = world.workspace("nakheel").await;
        let hook = hook(&world, &nakheel).await;
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].as_i64().unwrap();
        let held = world.meta.hold_next_send();
        nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "hello"})).await.expect(201);
        held.wait_for_held(1).await;
        let sent = world.meta.wait_for_sends(1).await.remove(0);
        // The status comes while the call is still running, and without our reference in it.
        world.meta.webhook(NUMBER).status(sent.wamid(), "delivered", "14155551234").post(&world.http, &hook, APP_SECRET).await.expect(200);
        eventually("the status waits for the answer", async || {
            let waiting: i64 = (&world.app.db).one("SELECT COUNT(*) FROM early_status", &[]).await.unwrap();
            (waiting == 1).then_some(())
        }).await;
        held.release();
        eventually("the status is shown", async || {
            let history = nakheel.get(&format!("/api/v1/contacts/{contact}/messages")).await.expect(200);
            (history["data"][0]["status"] == "delivered").then_some(())
        }).await;
    }

    async fn replies_keep_the_order_of_their_conversation(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let nakheel = world.workspace("nakheel").await;
        hook(&world, &nakheel).await;
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].as_i64().unwrap();
        for number in 1..=10 {
            let body = json!({"contact_id": contact, "content": format!("{number}")});
            nakheel.post("/api/v1/messages/send", body).await.expect(201);
        }
        let sends = world.meta.wait_for_sends(10).await;
        let texts: Vec<_> = sends.iter().map(|sent| sent.body()["text"]["body"].as_str().unwrap().to_owned()).collect();
        assert_eq!(texts, (1..=10).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    async fn another_account_never_takes_over_a_setting_its_queue_or_its_message_ids(world: World) {
        const OTHER: &str = "8002:AAE_another-bot-of-the-same-house";
        world.telegram.add_bot(BOT, "FirstBot");
        world.telegram.add_bot(OTHER, "SecondBot");
        let nakheel = world.workspace("nakheel").await;
        let first = nakheel.post("/api/v1/channels", telegram()).await.expect(201);
        let update = world.telegram.text_update(555, "Marek", "to the first bot");
        world.telegram.deliver_to(BOT, &update).await.expect(200);
        eventually("it arrived", async || (total_messages(&nakheel).await == 1).then_some(())).await;
        nakheel.delete(&format!("/api/v1/channels/{}", first["data"]["id"])).await.expect(204);

        let second = json!({"type": "telegram", "credentials": {"bot_token": OTHER}});
        let second = nakheel.post("/api/v1/channels", second).await.expect(201);
        assert_ne!(first["data"]["id"], second["data"]["id"]);
        // Each bot counts its messages for itself: the same number from another bot is another message.
        world.telegram.deliver_to(OTHER, &update).await.expect(200);
        eventually("it arrived too", async || (total_messages(&nakheel).await == 2).then_some(())).await;
    }

    async fn after_a_change_of_number_nobody_writes_to_the_old_one(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let nakheel = world.workspace("nakheel").await;
        let hook = hook(&world, &nakheel).await;
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let send = || nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "hello"}));
        send().await.expect(201);
        assert_eq!(world.meta.wait_for_sends(1).await[0].body()["to"], "+14155551234");
        nakheel.put(&format!("/api/v1/contacts/{contact}"), json!({"phone": "+14155559999"})).await.expect(200);
        send().await.expect(201);
        assert_eq!(world.meta.wait_for_sends(2).await[1].body()["to"], "+14155559999");
        // Whoever has the old number now is somebody else.
        world.meta.webhook(NUMBER).text("14155551234", "Stranger", "who is this?").post(&world.http, &hook, APP_SECRET).await.expect(200);
        eventually("a new contact", async || {
            let contacts = nakheel.get("/api/v1/contacts").await.expect(200);
            (contacts["data"][0]["name"] == "Stranger").then_some(())
        }).await;
    }

    async fn a_body_of_three_megabytes_is_taken_whole(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        let nakheel = world.workspace("nakheel").await;
        let hook = hook(&world, &nakheel).await;
        let mut post = world.meta.webhook(NUMBER);
        for number in 0..750 {
            post = post.text(&format!("9665011{number:05}"), "Crowd", &"word ".repeat(800));
        }
        assert!(post.bytes().len() > 3_000_000);
        post.post(&world.http, &hook, APP_SECRET).await.expect(200);
        eventually("every message arrived", async || {
            let conversations = nakheel.get("/api/v1/conversations").await.expect(200);
            (conversations["meta"]["total"] == 750).then_some(())
        }).await;
        let usage = skylight::cli::manage::recount(&world.app.db).await.unwrap();
        assert!(usage.is_empty(), "{usage:?}");
    }

    async fn odd_elements_are_taken_as_far_as_they_go(world: World) {
        world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
        world.telegram.add_bot(BOT, "NakheelSupport");
        let nakheel = world.workspace("nakheel").await;
        let hook = hook(&world, &nakheel).await;
        nakheel.post("/api/v1/channels", telegram()).await.expect(201);
        let long = "x".repeat(4000);
        let odd = json!({"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": {
            "metadata": {"phone_number_id": NUMBER.parse::<i64>().unwrap()},
            "messages": [
                {"from": "14155551234", "id": "wamid.\u{0}nul", "timestamp": "1790002000", "type": "text", "text": {"body": "a"}},
                {"from": "14155551234", "id": long, "timestamp": "1790002000", "type": "text", "text": {"body": "b"}},
                {"from": "14155551234", "id": "wamid.T", "type": "text", "text": {"body": "no time\u{0}"}},
                {"from": 14155551234_i64, "id": 7, "timestamp": 1790002000, "type": "hologram"},
                {"id": "wamid.nobody", "type": "text", "text": {"body": "from nobody"}},
                "not even an object",
            ],
            "statuses": [{"id": "wamid.?", "status": "teleported"}, 5, {"id": null}],
        }}]}]});
        let bytes = odd.to_string().into_bytes();
        let signature = skylight_test_support::meta_webhook::sign(APP_SECRET, &bytes);
        world.http.post(&hook).header("X-Hub-Signature-256", signature.as_str()).bytes(bytes).send().await.expect(200);
        // A tap on a button of a message that Telegram no longer shows.
        let tap = world.telegram.update("callback_query", json!({
            "id": "2383", "data": "dept-billing", "from": {"id": 77, "is_bot": false, "first_name": "Marek"},
            "message": {"message_id": 1, "date": 0, "chat": {"id": 77, "type": "private"}},
        }));
        world.telegram.deliver(&tap).await.expect(200);
        eventually("what can be read is there", async || (total_messages(&nakheel).await == 3).then_some(())).await;
        let conversations = nakheel.get("/api/v1/conversations").await.expect(200);
        let texts: Vec<_> = conversations["data"].as_array().unwrap().iter().map(|c| c["last_message"].as_str().unwrap()).collect();
        assert!(texts.contains(&"dept-billing"), "{texts:?}");
    }

    async fn a_message_that_cannot_go_anywhere_is_refused_at_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let foreign = rival.contact("Omar", "+14155550000").await["id"].clone();
        let refused = |body: Value, field: &'static str| { let nakheel = nakheel.clone(); async move {
            let answer = nakheel.post("/api/v1/messages/send", body).await.expect(422);
            assert!(answer["errors"][field].is_array(), "{answer}");
        }};
        refused(json!({"contact_id": contact, "content": "x"}), "channel").await;
        nakheel.sandbox().await;
        refused(json!({"contact_id": foreign, "content": "x"}), "contact_id").await;
        refused(json!({"contact_id": 999_999, "content": "x"}), "contact_id").await;
        refused(json!({"contact_id": contact, "content": "x", "channel": "telegram"}), "channel").await;
        refused(json!({"contact_id": contact, "content": "x", "channel_id": 999}), "channel_id").await;
        refused(json!({"contact_id": contact, "content": "x".repeat(4097)}), "content").await;
        nakheel.post(&format!("/api/v1/contacts/{contact}/blacklist"), json!({})).await.expect(200);
        refused(json!({"contact_id": contact, "content": "x"}), "contact_id").await;
    }
}

/// A toggle of the blacklist holds a contact and then wants its block; on PostgreSQL others write meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_holds_whom_it_knows_before_it_makes_others() {
    let world = World::start(Engine::Postgres).await;
    world.meta.add_number(NUMBER, WABA, "+966 51 234 5678", "Nakheel", TOKEN, APP_SECRET);
    let nakheel = world.workspace("nakheel").await;
    let hook = hook(&world, &nakheel).await;
    let omar = nakheel.contact("Omar", "+966501110000").await["id"].as_i64().unwrap();
    // Known by number, then by address.
    for round in 1..=2 {
        let mut toggle = world.app.db.begin().await.unwrap();
        let held = "UPDATE contact SET updated_at = updated_at WHERE workspace_id = $1 AND id = $2";
        toggle.exec(held, args![nakheel.id, omar]).await.unwrap();
        let batch = world.meta.webhook(NUMBER).text(&format!("96650111000{round}"), "Sara", "hello");
        batch.text("966501110000", "Omar", "hello").post(&world.http, &hook, APP_SECRET).await.expect(200);
        eventually("the batch waits for Omar", async || {
            let waiting =
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            ((&world.app.db).one::<i64>(waiting, args![]).await.unwrap() == 1).then_some(())
        })
        .await;
        // Sooner than the server looks for a circle.
        toggle.exec("SET LOCAL lock_timeout = 500", args![]).await.unwrap();
        let sql = "UPDATE contact SET blacklisted = NOT blacklisted WHERE workspace_id = $1 AND id = $2";
        toggle.exec(sql, args![nakheel.id, omar]).await.expect("nobody holds the block");
        toggle.commit().await.unwrap();
        eventually("both messages arrived", async || (total_messages(&nakheel).await == 2 * round).then_some(())).await;
    }
}

fn telegram() -> Value {
    json!({"type": "telegram", "credentials": {"bot_token": BOT}})
}

fn whatsapp(token: &str, number: &str, waba: &str) -> Value {
    let credentials =
        json!({"phone_number_id": number, "waba_id": waba, "access_token": token, "app_secret": APP_SECRET});
    json!({"type": "whatsapp", "credentials": credentials})
}

async fn hook(world: &World, workspace: &Actor) -> String {
    let connected = workspace.post("/api/v1/channels", whatsapp(TOKEN, NUMBER, WABA)).await.expect(201);
    world.local(connected["data"]["webhook_url"].as_str().unwrap())
}

async fn total_messages(workspace: &Actor) -> i64 {
    let conversations = workspace.get("/api/v1/conversations").await.expect(200);
    let unread = conversations["data"].as_array().unwrap().iter().map(|c| c["unread_count"].as_i64().unwrap());
    unread.sum()
}
