//! Sending again: one delivery, what failed since a moment, a span of the log. And finding it in the delivery log.

use crate::process::house::House;
use crate::stored;
use crate::world::{Actor, World};
use crate::{on_both_engines, on_both_houses};
use serde_json::{Value, json};
use skylight_db::{Db, Read, Value as DbValue, args};
use skylight_test_support::receiver::{Delivery, assert_signed};
use skylight_test_support::wait::{eventually, until, until_within};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HOOKS: &str = "/api/v1/webhooks";

on_both_engines! {
    async fn the_log_is_filtered_by_status_event_and_time_and_every_part_of_it_is_reached(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        let path = format!("{HOOKS}/{}/deliveries", hook["id"]);
        let started = world.app.now();
        world.clock.hold_at(started);
        let mut moments = Vec::new();
        for number in 0..6 {
            if number % 3 == 0 {
                world.receiver.answer_next(500);
            }
            let contact = nakheel.contact("c", &format!("+96650000{number:04}")).await;
            stored::at_rest(&world).await;
            nakheel.delete(&format!("/api/v1/contacts/{}", contact["id"])).await.expect(204);
            stored::at_rest(&world).await;
            moments.push(world.app.now().to_string());
            world.clock.advance(Duration::from_secs(1));
        }
        let read = async |query: &str| nakheel.get(&format!("{path}?per_page=100{query}")).await.expect(200);
        let total = async |query: &str| read(query).await["meta"]["total"].as_i64().unwrap();
        assert_eq!(total("").await, 12);
        assert_eq!((total("&status=failed").await, total("&status=delivered").await, total("&status=pending").await), (2, 10, 0));
        assert_eq!((total("&event=contact.created").await, total("&event=contact.updated").await), (6, 0));
        assert_eq!(total("&event=contact.created&status=failed").await, 2);
        // From then on, and before then.
        let span = async |from: usize, to: usize, more: &str| {
            let listed = read(&format!("&from={}&to={}{more}", moments[from], moments[to])).await;
            assert!(listed["data"].as_array().unwrap().iter().all(|d| d["created_at"].as_str().unwrap() >= moments[from].as_str() && d["created_at"].as_str().unwrap() < moments[to].as_str()));
            listed["meta"]["total"].as_i64().unwrap()
        };
        assert_eq!((span(0, 6 - 1, "").await, span(2, 4, "").await, span(3, 3, "").await), (10, 4, 0));
        assert_eq!((span(0, 5, "&status=failed").await, span(1, 5, "&status=failed&event=contact.created").await), (2, 1));
        assert_eq!(total("&from=2026-01-01&to=2026-01-02").await, 0);
        for (query, field) in [("from=yesterday", "from"), ("to=2026-13-01", "to"), ("status=lost", "status")] {
            let refused = nakheel.get(&format!("{path}?{query}")).await.expect(422);
            assert!(refused["errors"][field].is_array(), "{refused}");
        }
        // Pages and cursors walk the same list.
        let ids = |listed: &Value| listed["data"].as_array().unwrap().iter().map(|d| d["id"].as_i64().unwrap()).collect::<Vec<_>>();
        for filter in ["", "&status=failed", "&status=delivered", "&event=contact.deleted", "&status=delivered&event=contact.created"] {
            let whole = ids(&read(filter).await);
            let (mut paged, mut walked, mut cursor) = (Vec::new(), Vec::new(), String::new());
            for page in 1..=4 {
                paged.extend(ids(&nakheel.get(&format!("{path}?per_page=3&page={page}{filter}")).await.expect(200)));
            }
            loop {
                let part = nakheel.get(&format!("{path}?per_page=5&cursor={cursor}{filter}")).await.expect(200);
                walked.extend(ids(&part));
                let Some(next) = part["meta"]["next_cursor"].as_str() else { break };
                cursor = next.to_owned();
            }
            assert_eq!((&paged, &walked), (&whole, &whole), "{filter}");
        }
        // What waits when the webhook is switched off has failed for everybody who looks.
        let one = format!("{HOOKS}/{}", hook["id"]);
        nakheel.post(&format!("{one}/pause"), json!({})).await.expect(200);
        nakheel.contact("waits", "+966500009999").await;
        stored_deliveries(&world, &hook, 13).await;
        assert_eq!(total("&status=pending").await, 1);
        nakheel.put(&one, json!({"is_active": false})).await.expect(200);
        assert_eq!((total("&status=pending").await, total("&status=failed").await), (0, 3));
        assert_eq!(read("&status=failed").await["data"][0]["error"], "webhook disabled");
    }

    async fn a_delivery_is_sent_again_as_it_was_whatever_became_of_it(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        let one = format!("{HOOKS}/{}", hook["id"]);
        nakheel.contact("ليلى", "+14155551234").await;
        let first = world.receiver.wait_for(1).await.remove(0);
        let delivery = recorded(&nakheel, &one, "delivered", 1).await;
        let again = format!("{one}/deliveries/{}/redeliver", delivery["id"]);

        // Also of one that was delivered; and of ten who ask at once nobody sends it twice.
        let asked: Vec<_> = (0..10).map(|_| {
            let (nakheel, again) = (nakheel.clone(), again.clone());
            tokio::spawn(async move { nakheel.post(&again, json!({})).await.expect(200) })
        }).collect();
        for answer in asked {
            let answer = answer.await.unwrap();
            assert_eq!((&answer["message"], &answer["data"]["delivery_id"]), (&json!("Delivery queued again."), &delivery["delivery_id"]));
        }
        let told = eventually("it is recorded", async || {
            let log = nakheel.get(&format!("{one}/deliveries")).await.expect(200);
            let attempts = log["data"][0]["attempts"].as_u64().unwrap() as usize;
            (log["data"][0]["status"] == "delivered" && attempts == world.receiver.deliveries().len() && attempts > 1).then(|| world.receiver.deliveries())
        }).await;
        for (number, same) in told.iter().enumerate() {
            assert_eq!((same.attempt() as usize, &same.body, same.id()), (number + 1, &first.body, first.id()));
            assert_signed(hook["secret"].as_str().unwrap(), same);
        }
        assert!(told.len() <= 11);
        let log = nakheel.get(&format!("{one}/deliveries/{}", delivery["id"])).await.expect(200);
        assert_eq!(log["data"]["attempt_log"].as_array().unwrap().len(), told.len());
        assert_eq!(log["data"]["payload"].as_str().unwrap().as_bytes(), &first.body[..]);

        // One that waits for its next attempt is tried at once, and its schedule begins anew.
        let before = told.len();
        world.receiver.answer_next(500);
        nakheel.contact("Two", "+14155551235").await;
        let failed = recorded(&nakheel, &one, "failed", 1).await;
        world.receiver.answer_next(500);
        nakheel.post(&format!("{one}/deliveries/{}/redeliver", failed["id"]), json!({})).await.expect(200);
        world.receiver.wait_for(before + 2).await;
        let next = eventually("the second failure is recorded", async || {
            let shown = nakheel.get(&format!("{one}/deliveries/{}", failed["id"])).await.expect(200)["data"].clone();
            (shown["attempts"] == 2 && shown["status"] == "failed").then(|| shown["next_retry_at"].clone())
        }).await;
        let in_four_minutes = world.app.now().after(Duration::from_secs(240)).to_string();
        assert!(next.as_str().unwrap() < in_four_minutes.as_str(), "the first step again: {next}");
        world.clock.advance(Duration::from_secs(150));
        assert_eq!(world.receiver.wait_for(before + 3).await[before + 2].attempt(), 3);

        rival.post(&again, json!({})).await.expect(404);
        rival.get(&format!("{one}/deliveries/{}", delivery["id"])).await.expect(404);
        let other = rival.webhook(&world.receiver.url("/rival"), &["*"]).await;
        let foreign = format!("{HOOKS}/{}/deliveries/{}", other["id"], delivery["id"]);
        assert_eq!(rival.get(&foreign).await.expect(404)["message"], "Delivery not found.");
        nakheel.put(&one, json!({"is_active": false})).await.expect(200);
        assert_eq!(nakheel.post(&again, json!({})).await.expect(409)["message"], "The webhook is switched off.");
    }

    async fn what_failed_since_a_moment_is_sent_again_and_nothing_else(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        let one = format!("{HOOKS}/{}", hook["id"]);
        nakheel.contact("well", "+966500001000").await;
        world.receiver.wait_for(1).await;
        world.receiver.answer_always(500);
        nakheel.contact("too early", "+966500001001").await;
        world.receiver.wait_for(2).await;
        stored::at_rest(&world).await;
        world.clock.advance(Duration::from_secs(2));
        let since = world.app.now().to_string();
        for number in 0..5 {
            nakheel.contact("lost", &format!("+96650000{number:04}")).await;
        }
        world.receiver.wait_for(7).await;
        stored::at_rest(&world).await;
        // Some have come to the end of their schedule, one was given up unsent.
        give_up(&world, &hook, 3).await;
        nakheel.put(&one, json!({"is_active": false})).await.expect(200);
        nakheel.put(&one, json!({"is_active": true})).await.expect(200);
        world.receiver.script().clear();

        let begun = nakheel.post(&format!("{one}/recover"), json!({"since": since})).await.expect(202);
        assert_eq!(begun["message"], "Recovery started.");
        let done = finished(&nakheel, &one, &begun).await;
        assert_eq!((&done["status"], &done["queued"], &done["kind"]), (&json!("completed"), &json!(5), &json!("recover")));
        let told = world.receiver.wait_for(12).await;
        world.receiver.no_more_than(12, Duration::from_millis(400)).await;
        let again: BTreeSet<_> = told[7..].iter().map(|d| (d.json["data"]["contact"]["name"].as_str().unwrap(), d.attempt())).collect();
        assert_eq!(again, [("lost", 2)].into());
        assert_eq!(told[7..].iter().map(Delivery::id).collect::<BTreeSet<_>>().len(), 5);
        recorded(&nakheel, &one, "delivered", 6).await;
        let listed = nakheel.get(&format!("{one}/recoveries")).await.expect(200);
        assert_eq!((&listed["meta"]["total"], &listed["data"][0]), (&json!(1), &done));
    }

    async fn a_span_of_the_log_goes_to_one_endpoint_with_one_delivery_for_each_event(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut contacts = Vec::new();
        for number in 0..4 {
            contacts.push(nakheel.contact(&format!("before {number}"), &format!("+96650000{number:04}")).await);
        }
        stored::at_rest(&world).await;
        world.clock.advance(Duration::from_secs(10));
        let middle = world.app.now().to_string();
        let hook = nakheel.webhook(&world.receiver.url("/new"), &["contact.created", "contact.updated"]).await;
        let deaf = nakheel.webhook(&world.receiver.url("/other"), &["ticket.created"]).await;
        let one = format!("{HOOKS}/{}", hook["id"]);
        for contact in &contacts {
            nakheel.put(&format!("/api/v1/contacts/{}", contact["id"]), json!({"name": "changed"})).await.expect(200);
        }
        let live = world.receiver.wait_for(4).await;
        recorded(&nakheel, &one, "delivered", 4).await;

        // Everything, by number: what it never heard is told now, what it heard is told again.
        let begun = nakheel.post(&format!("{one}/replay"), json!({"through": 8})).await.expect(202);
        assert_eq!(begun["message"], "Replay started.");
        let done = finished(&nakheel, &one, &begun).await;
        assert_eq!((&done["status"], &done["examined"], &done["queued"]), (&json!("completed"), &json!(8), &json!(8)));
        let told = world.receiver.wait_for(12).await;
        world.receiver.no_more_than(12, Duration::from_millis(300)).await;
        for contact in &contacts {
            let of: Vec<_> = told[4..].iter().filter(|d| d.json["data"]["contact"]["id"] == contact["id"]).map(|d| d.event.as_str()).collect();
            assert_eq!(of, ["contact.created", "contact.updated"], "in the order of the log");
        }
        let ids = |told: &[Delivery]| told.iter().map(|d| d.id().to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(ids(&told).len(), 8, "one delivery for each event");
        assert!(ids(&told[4..]).is_superset(&ids(&live)));
        recorded(&nakheel, &one, "delivered", 8).await;
        assert_eq!(nakheel.get(&one).await.expect(200)["data"]["delivery_logs_count"], 8);

        // By time, and only some events.
        let by_time = async |body: Value| {
            let before = world.receiver.deliveries().len();
            let begun = nakheel.post(&format!("{one}/replay"), body).await.expect(202);
            let queued = finished(&nakheel, &one, &begun).await["queued"].as_u64().unwrap();
            world.receiver.wait_for(before + queued as usize).await;
            recorded(&nakheel, &one, "delivered", 8).await;
            queued
        };
        assert_eq!(by_time(json!({"to": middle})).await, 4);
        assert_eq!(by_time(json!({"from": middle})).await, 4);
        assert_eq!(by_time(json!({"from": "2020-01-01", "events": ["contact.created"]})).await, 4);
        assert_eq!(by_time(json!({"after": 6, "events": ["*"]})).await, 2);
        assert_eq!(by_time(json!({"from": "2020-01-01", "to": "2020-01-02"})).await, 0);
        assert_eq!(nakheel.get(&format!("{HOOKS}/{}", deaf["id"])).await.expect(200)["data"]["delivery_logs_count"], 0);

        for (body, field) in [
            (json!({}), "from"),
            (json!({"from": middle, "after": 1}), "after"),
            (json!({"from": middle, "to": middle}), "to"),
            (json!({"after": 3, "through": 3}), "through"),
            (json!({"through": 99}), "through"),
            (json!({"after": 99}), "after"),
            (json!({"after": 1, "events": []}), "events"),
            (json!({"after": 1, "events": ["no.such"]}), "events.0"),
            (json!({"from": "soon"}), "from"),
        ] {
            let refused = nakheel.post(&format!("{one}/replay"), body).await.expect(422);
            assert!(refused["errors"][field].is_array(), "{field}: {refused}");
        }
        nakheel.post(&format!("{one}/recover"), json!({})).await.expect(422);
    }

    async fn one_runs_at_a_time_and_ends_when_the_webhook_is_switched_off(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        let one = format!("{HOOKS}/{}", hook["id"]);
        fill_log(&world.app.db, nakheel.id, 3_000).await;
        nakheel.post(&format!("{one}/pause"), json!({})).await.expect(200);
        let racing: Vec<_> = (0..8).map(|_| {
            let (nakheel, one) = (nakheel.clone(), one.clone());
            tokio::spawn(async move { nakheel.post(&format!("{one}/replay"), json!({"through": 3000, "events": ["*"]})).await })
        }).collect();
        let mut said = BTreeMap::<u16, usize>::new();
        for answer in racing {
            *said.entry(answer.await.unwrap().status).or_default() += 1;
        }
        assert!(said[&202] >= 1 && said[&202] + said[&409] == 8, "{said:?}");
        let running = nakheel.get(&format!("{one}/recoveries")).await.expect(200)["data"][0].clone();
        nakheel.put(&one, json!({"is_active": false})).await.expect(200);
        let ended = finished(&nakheel, &one, &json!({"data": running})).await;
        assert!(ended["status"] == "cancelled" || ended["examined"] == 3000, "{ended}");
        let refused = nakheel.post(&format!("{one}/recover"), json!({"since": "2026-01-01"})).await.expect(409);
        assert_eq!(refused["message"], "The webhook is switched off.");
        let rival = world.workspace("rival").await;
        for (method, path) in [("POST", "recover"), ("POST", "replay"), ("GET", "recoveries")] {
            rival.call(method, &format!("{one}/{path}"), Some(json!({"after": "x"}))).await.expect(404);
        }
    }

    async fn a_partner_recovers_and_replays_its_own_log(world: World) {
        let rawabi = world.partner("rawabi").await;
        let one = "/api/v1/partner/webhook";
        let (client, _) = rawabi.client("Nakheel", "business").await;
        stored::at_rest(&world).await;
        rawabi.put(one, json!({"url": world.receiver.url("/p")})).await.expect(200);
        let begun = rawabi.post(&format!("{one}/replay"), json!({"from": "2020-01-01"})).await.expect(202);
        let done = finished(&rawabi, one, &begun).await;
        assert_eq!(done["queued"], 1, "the hub's events are none of it: {done}");
        let told = world.receiver.wait_for(1).await.remove(0);
        assert_eq!((told.event.as_str(), &told.json["data"]["client_id"]), ("partner.client.created", &client["id"]));
        rawabi.post(&format!("{one}/pause"), json!({})).await.expect(200);
        rawabi.post(&format!("/api/v1/partner/clients/{}/suspend", client["id"]), json!({})).await.expect(200);
        world.receiver.no_more_than(1, Duration::from_millis(700)).await;
        rawabi.post(&format!("{one}/resume"), json!({})).await.expect(200);
        world.receiver.wait_for(2).await;
        let log = recorded(&rawabi, one, "delivered", 2).await;
        let detail = rawabi.get(&format!("{one}/deliveries/{}", log["id"])).await.expect(200);
        assert_eq!(detail["data"]["payload"].as_str().unwrap().as_bytes(), &world.receiver.deliveries()[1].body[..]);
        rawabi.post(&format!("{one}/deliveries/{}/redeliver", log["id"]), json!({})).await.expect(200);
        assert_eq!(world.receiver.wait_for(3).await[2].attempt(), 2);
        let begun = rawabi.post(&format!("{one}/recover"), json!({"since": "2020-01-01"})).await.expect(202);
        assert_eq!(finished(&rawabi, one, &begun).await["queued"], 0);
    }
}

/// Waits until the log has so many of this status; answers the newest.
async fn recorded(who: &Actor, hook: &str, status: &str, count: i64) -> Value {
    eventually("the attempts are recorded", async || {
        let log = who.get(&format!("{hook}/deliveries?status={status}")).await.expect(200);
        (log["meta"]["total"] == count).then(|| log["data"][0].clone())
    })
    .await
}

async fn finished(who: &Actor, hook: &str, begun: &Value) -> Value {
    let path = format!("{hook}/recoveries/{}", begun["data"]["id"]);
    eventually("the recovery has come to its end", async || {
        let shown = who.get(&path).await.expect(200)["data"].clone();
        shown["finished_at"].is_string().then_some(shown)
    })
    .await
}

async fn stored_deliveries(world: &World, hook: &Value, count: i64) {
    let sql = "SELECT COUNT(*) FROM webhook_delivery WHERE webhook_id = $1";
    until("the deliveries are stored", async || {
        let stored: i64 = (&world.app.db).one(sql, args![hook["id"].as_i64().unwrap()]).await.unwrap();
        if stored == count { Ok(()) } else { Err(format!("{stored} of {count}")) }
    })
    .await;
}

/// Takes some failed deliveries to the end of their schedule.
async fn give_up(world: &World, hook: &Value, count: i64) {
    let mut tx = world.app.db.begin().await.unwrap();
    let hook = hook["id"].as_i64().unwrap();
    let ids: Vec<i64> = (&mut tx)
        .all(
            "SELECT id FROM webhook_delivery WHERE webhook_id = $1 AND status = 'failed' ORDER BY id DESC LIMIT $2",
            args![hook, count],
        )
        .await
        .unwrap();
    for id in ids {
        tx.exec("UPDATE webhook_delivery SET next_retry_at = NULL WHERE id = $1", args![id]).await.unwrap();
        tx.exec("DELETE FROM job WHERE subject_id = $1 AND group_id IN (SELECT e.subject_id FROM event AS e JOIN webhook_delivery AS d ON d.event_id = e.id WHERE d.id = $1)", args![id]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Gives a workspace a long log.
async fn fill_log(db: &Db, workspace: i64, count: usize) {
    let mut tx = db.begin().await.unwrap();
    let number = |n| DbValue::Int(i64::try_from(n).unwrap());
    let rows: Vec<_> = (0..count).map(|n| vec![DbValue::Int(workspace), number(n)]).collect();
    let quiet = "INSERT INTO event (workspace_id, kind, subject_id, data, created_at)
         VALUES ($1, 'contact.updated', $2, '{}', 1000000)";
    tx.exec_many(quiet, &rows).await.unwrap();
    tx.commit().await.unwrap();
    eventually("every event is numbered", async || {
        let waiting: i64 = db.one("SELECT COUNT(*) FROM event WHERE seq IS NULL", args![]).await.unwrap();
        (waiting == 0).then_some(())
    })
    .await;
}

on_both_houses! {
    async fn a_replay_that_is_killed_again_and_again_doubles_nothing_and_misses_nothing(house: House) {
        const EVENTS: usize = 3_000;
        let mut server = house.serve().await;
        let rawabi = house.partner(&server.base(), "rawabi").await;
        let (_, nakheel) = rawabi.client("Nakheel", "business").await;
        // Some are heard at once, by an endpoint that is switched off later and forgets nothing.
        let hook = nakheel.webhook(&house.receiver.url("/crm"), &["contact.updated"]).await;
        let one = format!("{HOOKS}/{}", hook["id"]);
        let db = house.db();
        fill_log(&db, nakheel.id, 500).await;
        house.receiver.wait_for(500).await;
        recorded(&nakheel, &one, "delivered", 500).await;
        nakheel.put(&one, json!({"events": ["ticket.created"]})).await.expect(200);
        fill_log(&db, nakheel.id, EVENTS - 500).await;
        // Nothing goes out until all is queued, so that what is queued twice is sent twice.
        nakheel.post(&format!("{one}/pause"), json!({})).await.expect(200);
        let body = json!({"from": "1970-01-01", "events": ["contact.updated"]});
        let begun = nakheel.post(&format!("{one}/replay"), body).await.expect(202);
        for _ in 0..3 {
            let before: i64 = house.count("SELECT MAX(examined) FROM webhook_recovery").await;
            until_within(TAKEOVER, "it has come further", async || {
                let now = house.count("SELECT MAX(examined) FROM webhook_recovery").await;
                if now > before || now == EVENTS as i64 { Ok(()) } else { Err(format!("{now} of {EVENTS}")) }
            }).await;
            server.kill9();
            server.restart().await;
        }
        let path = format!("{one}/recoveries/{}", begun["data"]["id"]);
        let mut done = Value::Null;
        until_within(TAKEOVER, "the replay has come to its end", async || {
            done = nakheel.get(&path).await.expect(200)["data"].clone();
            if done["status"] == "completed" { Ok(()) } else { Err(done.to_string()) }
        }).await;
        assert_eq!((&done["examined"], &done["queued"]), (&json!(EVENTS), &json!(EVENTS)));
        let rows = house.count("SELECT COUNT(*) FROM webhook_delivery WHERE status = 'pending'").await;
        let jobs = house.count("SELECT COUNT(*) FROM job WHERE lane_id IN (SELECT id FROM job_lane WHERE kind = 'webhooks.deliver')").await;
        assert_eq!((rows, jobs), (EVENTS as i64, EVENTS as i64), "one row and one job for each event");
        assert_eq!(nakheel.get(&one).await.expect(200)["data"]["delivery_logs_count"], EVENTS);
        nakheel.post(&format!("{one}/resume"), json!({})).await.expect(200);
        let told = house.receiver.wait_for(EVENTS + 500).await;
        let ids: BTreeSet<_> = told[500..].iter().map(|delivery| delivery.id().to_owned()).collect();
        assert_eq!(ids.len(), EVENTS);
        house.receiver.no_more_than(EVENTS + 500, Duration::from_millis(500)).await;
    }
}

/// Longer than a dead node's heartbeat counts.
const TAKEOVER: Duration = Duration::from_secs(40);
