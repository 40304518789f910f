//! Receivers in trouble: one that is down is asked now and then and gets everything when it is back; one that is overloaded
//! is left alone for a while; one that is gone for good is switched off, and its owner told.

use crate::on_both_engines;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::{events, webhooks};
use skylight_db::{Read, args, list};
use skylight_test_support::receiver::Delivery;
use skylight_test_support::script::Behaviour;
use skylight_test_support::smtp::SmtpStandIn;
use skylight_test_support::wait::{eventually, until};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than a lane needs to do something that it must not do.
const A_WHILE: Duration = Duration::from_millis(700);

on_both_engines! {
    async fn a_receiver_that_was_down_for_three_days_gets_everything_once(world: World) {
        const EVENTS: usize = 10_000;
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        world.receiver.answer_always(503);
        record(&world, &nakheel, 0..EVENTS).await;
        eventually("every event has its delivery", async || (shown(&nakheel, &hook).await["delivery_logs_count"] == EVENTS).then_some(())).await;
        world.receiver.wait_for(10).await;
        // Ten failures in a row tell that it is down: who waits then costs nobody anything.
        world.receiver.no_more_than(20, A_WHILE).await;
        resting(&world, &hook).await;
        for step in 1..=36 {
            let before = world.receiver.deliveries().len();
            world.clock.advance(2 * HOUR);
            eventually(&format!("it is asked again in step {step}"), async || (world.receiver.deliveries().len() > before).then_some(())).await;
            resting(&world, &hook).await;
        }
        let asked = world.receiver.deliveries().len();
        assert!(asked <= 20 + 2 * 36, "{asked} requests to a receiver that is down");

        world.receiver.script().clear();
        world.clock.advance(HOUR);
        until("everything has arrived", async || {
            let arrived = accepted(&world).len();
            if arrived == EVENTS { Ok(()) } else { Err(arrived) }
        }).await;
        world.receiver.no_more_than(world.receiver.deliveries().len(), A_WHILE).await;
        let twice = accepted(&world).into_values().filter(|times| *times > 1).count();
        assert_eq!(twice, 0);
        let log = nakheel.get(&format!("/api/v1/webhooks/{}/deliveries?status=delivered", hook["id"])).await.expect(200);
        assert_eq!(log["meta"]["total"], EVENTS);
    }

    async fn five_days_of_failures_switch_off_and_the_owner_is_told(world: World) {
        let smtp = SmtpStandIn::start().await;
        let world = World::start_with(world.engine, &[("smtp_url", &smtp.url()), ("mail_from", "no-reply@desert-rose.example")]).await;
        let partner = world.partner("desert-rose").await;
        world.brand(&partner, "Desert Rose").await;
        let (_, nakheel) = partner.client("nakheel", "business").await;
        let invited = smtp.wait_for(1).await.remove(0);
        let hook = nakheel.webhook(&world.receiver.url("/crm?token=secret"), &["*"]).await;
        let other = nakheel.webhook(&world.receiver.url("/well"), &["contact.created"]).await;
        world.receiver.script().always("/crm", Behaviour::status(500));
        record(&world, &nakheel, 0..12).await;
        failing(&nakheel, &hook, 10).await;
        resting(&world, &hook).await;
        world.clock.advance(5 * DAY - 2 * HOUR);
        failing(&nakheel, &hook, 11).await;
        resting(&world, &hook).await;
        assert_eq!(shown(&nakheel, &hook).await["is_active"], true, "not yet");
        world.clock.advance(3 * HOUR);
        let off = eventually("it is switched off", async || {
            let hook = shown(&nakheel, &hook).await;
            (hook["is_active"] == false).then_some(hook)
        }).await;
        assert_eq!(off["disabled_reason"], "Nothing but failures for five days.");
        assert_eq!(shown(&nakheel, &other).await["is_active"], true);

        let mail = smtp.wait_for(2).await.remove(1);
        assert_eq!(mail.to, invited.to, "to the admin");
        let letter = mail.letter();
        assert_eq!(letter.subject, "A webhook was switched off · تم إيقاف أحد خطافات الويب");
        for part in [&letter.text, &letter.html] {
            assert!(part.contains("CRM") && part.contains("127.0.0.1") && !part.contains("token=secret"), "{part}");
            assert!(part.contains("For five days") && part.contains("منذ خمسة أيام") && part.contains("Desert Rose"), "{part}");
        }
        let audit = nakheel.get("/api/v1/audit?action=webhook.disabled").await.expect(200);
        assert_eq!((&audit["data"][0]["target"]["id"], &audit["data"][0]["actor"]["type"]), (&hook["id"], &json!("system")), "{audit}");

        // Switched on again it starts afresh: one more failure is not five days of them.
        nakheel.put(&format!("/api/v1/webhooks/{}", hook["id"]), json!({"is_active": true})).await.expect(200);
        let before = world.receiver.deliveries().iter().filter(|delivery| delivery.path.starts_with("/crm")).count();
        record(&world, &nakheel, 12..40).await;
        failing(&nakheel, &hook, u64::try_from(before).unwrap() + 10).await;
        assert_eq!(shown(&nakheel, &hook).await["is_active"], true);
        smtp.no_more_than(2, A_WHILE).await;
    }

    async fn a_partner_whose_endpoint_is_gone_is_told_too(world: World) {
        let smtp = SmtpStandIn::start().await;
        let world = World::start_with(world.engine, &[("smtp_url", &smtp.url()), ("mail_from", "no-reply@desert-rose.example")]).await;
        let partner = world.partner("desert-rose").await;
        partner.put("/api/v1/partner/webhook", json!({"url": world.receiver.url("/gone")})).await.expect(200);
        world.receiver.script().always("/gone", Behaviour::status(410));
        partner.client("nakheel", "business").await;
        let mails = smtp.wait_for(2).await;
        let mail = mails.iter().find(|mail| mail.to == ["desert-rose@partners.example"]).unwrap();
        let letter = mail.letter();
        assert!(letter.text.contains("Partner webhook") && letter.text.contains("(410)") && letter.text.contains("/partner/webhook"), "{}", letter.text);
        let shown = partner.get("/api/v1/partner/webhook").await.expect(200);
        assert_eq!((&shown["data"]["is_active"], &shown["data"]["disabled_reason"]), (&json!(false), &json!("The endpoint answered 410 Gone.")));
        let audit = partner.get("/api/v1/partner/audit?action=partner_webhook.disabled").await.expect(200);
        assert_eq!(audit["meta"]["total"], 1, "{audit}");
    }

    async fn one_success_is_enough_to_stay(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        world.receiver.answer_always(500);
        record(&world, &nakheel, 0..12).await;
        failing(&nakheel, &hook, 10).await;
        resting(&world, &hook).await;
        world.receiver.script().clear();
        world.clock.advance(4 * DAY);
        eventually("all have arrived", async || (accepted(&world).len() == 12).then_some(())).await;
        world.receiver.answer_always(500);
        record(&world, &nakheel, 12..24).await;
        let before = world.receiver.deliveries().len();
        world.receiver.wait_for(before + 10).await;
        resting(&world, &hook).await;
        world.clock.advance(4 * DAY);
        world.receiver.wait_for(before + 11).await;
        resting(&world, &hook).await;
        assert_eq!(shown(&nakheel, &hook).await["is_active"], true, "failing for four days, not for eight");
    }

    async fn whoever_says_that_it_is_repaired_the_first_success_brings_everything(world: World) {
        world.receiver.answer_always(503);
        let mut hooks = Vec::new();
        for wish in ["redeliver", "resume", "address"] {
            let nakheel = world.workspace(&format!("nakheel-{wish}")).await;
            let hook = nakheel.webhook(&world.receiver.url(&format!("/{wish}")), &["*"]).await;
            record(&world, &nakheel, 0..12).await;
            failing(&nakheel, &hook, 10).await;
            resting(&world, &hook).await;
            hooks.push((nakheel, hook, wish));
        }
        world.receiver.script().clear();
        for (nakheel, hook, wish) in hooks {
            let one = format!("/api/v1/webhooks/{}", hook["id"]);
            let path = format!("/{wish}");
            match wish {
                "redeliver" => {
                    let id = log(&nakheel, &hook).await["data"][3]["id"].clone();
                    nakheel.post(&format!("{one}/deliveries/{id}/redeliver"), json!({})).await.expect(200);
                }
                "resume" => drop(nakheel.post(&format!("{one}/resume"), json!({})).await.expect(200)),
                _ => drop(nakheel.put(&one, json!({"url": world.receiver.url("/address?moved")})).await.expect(200)),
            }
            // Most of them have their next attempt minutes ahead.
            world.receiver.wait_for_matching("all that waited", 12, |delivery| {
                delivery.path.starts_with(&path) && delivery.answered.is_some_and(|status| status < 300)
            }).await;
        }
    }

    async fn what_waits_for_an_endpoint_that_is_down_is_given_up_soon_once_it_is_switched_off(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        world.receiver.answer_always(503);
        record(&world, &nakheel, 0..100).await;
        failing(&nakheel, &hook, 10).await;
        resting(&world, &hook).await;
        nakheel.put(&format!("/api/v1/webhooks/{}", hook["id"]), json!({"is_active": false})).await.expect(200);
        world.clock.advance(HOUR);
        left_in_lane(&world, &hook, 0).await;
        let failed = nakheel.get(&format!("/api/v1/webhooks/{}/deliveries?status=failed", hook["id"])).await.expect(200);
        assert_eq!(failed["meta"]["total"], 100);
    }

    async fn switched_on_while_a_try_is_under_way_an_endpoint_starts_afresh(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        let one = format!("/api/v1/webhooks/{}", hook["id"]);
        world.receiver.answer_always(500);
        record(&world, &nakheel, 0..12).await;
        failing(&nakheel, &hook, 10).await;
        resting(&world, &hook).await;
        world.receiver.script().clear();
        let (hang, hold) = Behaviour::status(500).held();
        world.receiver.script().always("/crm", hang);
        world.clock.advance(5 * DAY);
        hold.wait_for_held(1).await;
        for is_active in [false, true] {
            nakheel.put(&one, json!({"is_active": is_active})).await.expect(200);
        }
        hold.release();
        // What came from it before, and what is given up now, does not count; the one tried waits for its turn to be given up.
        left_in_lane(&world, &hook, 1).await;
        assert_eq!(shown(&nakheel, &hook).await["is_active"], true);
        assert_eq!(count(&world, "SELECT failures FROM job_lane WHERE kind = 'webhooks.deliver'").await, 1);
    }

    async fn asking_for_a_delivery_again_does_not_make_a_dead_endpoint_younger(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        let one = format!("/api/v1/webhooks/{}", hook["id"]);
        world.receiver.answer_always(500);
        record(&world, &nakheel, 0..40).await;
        failing(&nakheel, &hook, 10).await;
        resting(&world, &hook).await;
        let tried = log(&nakheel, &hook).await["data"][39].clone();
        world.clock.advance(4 * DAY);
        failing(&nakheel, &hook, 11).await;
        resting(&world, &hook).await;
        let asked = world.receiver.deliveries().len();
        nakheel.post(&format!("{one}/deliveries/{}/redeliver", tried["id"]), json!({})).await.expect(200);
        let told = world.receiver.wait_for(asked + 1).await;
        assert_eq!(told[asked].id(), tried["delivery_id"], "it is this one that is tried");
        failing(&nakheel, &hook, 12).await;
        resting(&world, &hook).await;
        assert!(world.receiver.deliveries().len() <= asked + 2, "it is down still");
        world.clock.advance(DAY + HOUR);
        eventually("it is switched off", async || (shown(&nakheel, &hook).await["is_active"] == false).then_some(())).await;
    }

    async fn an_overloaded_receiver_is_left_alone_as_long_as_it_asks(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        world.receiver.behave_next(Behaviour::status(429).with_header("retry-after", 90));
        nakheel.contact("One", "+14155550001").await;
        failing(&nakheel, &hook, 1).await;
        nakheel.contact("Two", "+14155550002").await;
        world.clock.advance(Duration::from_secs(80));
        world.receiver.no_more_than(1, A_WHILE).await;
        world.clock.advance(Duration::from_secs(15));
        let second = world.receiver.wait_for(2).await.remove(1);
        assert_eq!(second.json["data"]["contact"]["name"], "Two", "the first one's own time has not come");
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.receiver.wait_for(3).await[2].attempt(), 2);
    }

    async fn a_test_does_not_wait_for_a_receiver_to_be_back(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["contact.created"]).await;
        world.receiver.answer_always(503);
        record(&world, &nakheel, 0..100).await;
        failing(&nakheel, &hook, 10).await;
        resting(&world, &hook).await;
        let tested = nakheel.post(&format!("/api/v1/webhooks/{}/test", hook["id"]), json!({})).await.expect(200);
        let arrived = world.receiver.wait_for_event("webhook.test", 1).await.remove(0);
        assert_eq!(arrived.json["delivery_id"], tested["data"]["delivery_id"]);
        // Repaired and tested again, it gets everything at once.
        resting(&world, &hook).await;
        world.receiver.script().clear();
        nakheel.post(&format!("/api/v1/webhooks/{}/test", hook["id"]), json!({})).await.expect(200);
        eventually("all have arrived", async || (accepted(&world).len() == 102).then_some(())).await;

        let metrics = world.visitor().get("/metrics").await.text();
        let of = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert_eq!(of("skylight_webhook_attempt_seconds_count{outcome=\"delivered\"}"), Some(102.0), "{metrics}");
        assert!(of("skylight_webhook_attempt_seconds_count{outcome=\"refused\"}") >= Some(11.0));
        eventually("all are recorded", async || {
            let metrics = world.visitor().get("/metrics").await.text();
            metrics.contains("skylight_webhook_deliveries_total{status=\"delivered\"} 102\n").then_some(())
        }).await;
    }

    async fn a_receiver_that_hangs_holds_few_places(world: World) {
        let nakheel = world.workspace("nakheel").await;
        nakheel.webhook(&world.receiver.url("/hang"), &["*"]).await;
        let (hang, hold) = Behaviour::status(200).held();
        world.receiver.script().always("/hang", hang);
        record(&world, &nakheel, 0..200).await;
        hold.wait_for_held(8).await;
        world.receiver.no_more_than(8, A_WHILE).await;
        // Once it answers it gets more at a time.
        hold.release();
        world.receiver.wait_for(200).await;
    }

    async fn what_is_past_its_time_is_forgotten_and_what_waits_is_not(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hook = nakheel.webhook(&world.receiver.url("/crm"), &["*"]).await;
        record(&world, &nakheel, 0..1200).await;
        eventually("all are delivered", async || (log(&nakheel, &hook).await["data"][0]["status"] == "delivered" && accepted(&world).len() == 1200).then_some(())).await;
        let numbers = feed(&nakheel, 0).await;
        // Not so a delivery that still waits: its workspace sleeps.
        let sleeping = world.workspace("sleeping").await;
        sleeping.webhook(&world.receiver.url("/sleeping"), &["*"]).await;
        plan(&world, &sleeping, "starter").await;
        record(&world, &sleeping, 0..1).await;
        eventually("it is queued", async || (count(&world, "SELECT COUNT(*) FROM webhook_delivery WHERE status = 'pending'").await == 1).then_some(())).await;

        world.clock.advance(29 * DAY);
        forget(&world).await;
        assert_eq!(shown(&nakheel, &hook).await["delivery_logs_count"], 1200);
        world.clock.advance(2 * DAY);
        forget(&world).await;
        assert_eq!(shown(&nakheel, &hook).await["delivery_logs_count"], 0);
        assert_eq!(log(&nakheel, &hook).await["meta"]["total"], 0);
        assert_eq!(feed(&nakheel, 0).await, numbers, "events are kept longer");
        world.clock.advance(60 * DAY);
        forget(&world).await;
        assert_eq!(feed(&nakheel, 0).await, Vec::<i64>::new());
        assert_eq!(count(&world, "SELECT COUNT(*) FROM webhook_delivery").await, 1);
        assert_eq!(count(&world, "SELECT COUNT(*) FROM event WHERE kind = 'contact.created'").await, 1, "a delivery that waits keeps its event");
        // Numbers go on where they were.
        record(&world, &nakheel, 0..1).await;
        let next = eventually("the next event is numbered", async || feed(&nakheel, 0).await.pop()).await;
        assert_eq!(next, numbers.last().unwrap() + 1);
        plan(&world, &sleeping, "business").await;
        world.clock.advance(Duration::from_secs(60));
        world.receiver.wait_for_matching("the delivery that waited", 1, |delivery| delivery.path == "/sleeping").await;
    }
}

/// Records events of as many contacts, as their verbs would.
async fn record(world: &World, workspace: &Actor, contacts: std::ops::Range<usize>) {
    let now = world.app.now();
    let contacts = contacts
        .map(|n| (i64::try_from(n).unwrap(), json!({"contact": {"id": n, "name": format!("سارة {n}")}}).to_string()));
    let contacts: Vec<_> = contacts.collect();
    let rows: Vec<_> =
        contacts.iter().map(|(id, data)| list![&workspace.id, &"contact.created", id, data, &now]).collect();
    let mut tx = world.app.db.begin().await.unwrap();
    let sql = "INSERT INTO event (workspace_id, kind, subject_id, data, created_at) VALUES ($1, $2, $3, $4, $5)";
    tx.exec_many(sql, &rows).await.unwrap();
    tx.commit().await.unwrap();
}

/// How often each delivery was taken.
fn accepted(world: &World) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    let taken = |delivery: &Delivery| delivery.answered.is_some_and(|status| status < 300);
    for delivery in world.receiver.deliveries().iter().filter(|delivery| taken(delivery)) {
        *times.entry(delivery.id().to_owned()).or_default() += 1;
    }
    times
}

async fn shown(workspace: &Actor, hook: &Value) -> Value {
    workspace.get(&format!("/api/v1/webhooks/{}", hook["id"])).await.expect(200)["data"].clone()
}

async fn log(workspace: &Actor, hook: &Value) -> Value {
    workspace.get(&format!("/api/v1/webhooks/{}/deliveries?per_page=100", hook["id"])).await.expect(200)
}

/// Waits until attempts of this webhook have failed.
async fn failing(workspace: &Actor, hook: &Value, attempts: u64) {
    eventually("attempts have failed", async || {
        let log = log(workspace, hook).await;
        let made: u64 = log["data"].as_array().unwrap().iter().map(|entry| entry["attempts"].as_u64().unwrap()).sum();
        (made >= attempts).then_some(())
    })
    .await;
}

/// Waits until the lane of an endpoint rests.
async fn resting(world: &World, hook: &Value) {
    eventually("its lane rests", async || {
        let sql = "SELECT COUNT(*) FROM job_lane WHERE kind = 'webhooks.deliver' AND key = $1 AND leased_by IS NULL AND not_before > $2";
        let resting: i64 = (&world.app.db).one(sql, args![hook["id"].as_i64(), world.app.now()]).await.unwrap();
        (resting == 1).then_some(())
    })
    .await;
}

/// Waits until no more of an endpoint's jobs stand in its lane.
async fn left_in_lane(world: &World, hook: &Value, jobs: i64) {
    eventually("its lane is empty", async || {
        let sql = "SELECT COUNT(*) FROM job WHERE lane_id IN
                       (SELECT id FROM job_lane WHERE kind = 'webhooks.deliver' AND key = $1)";
        let waiting: i64 = (&world.app.db).one(sql, args![hook["id"].as_i64()]).await.unwrap();
        (waiting == jobs).then_some(())
    })
    .await;
}

/// The numbers of a workspace's events.
async fn feed(workspace: &Actor, after: i64) -> Vec<i64> {
    let mut numbers = Vec::new();
    loop {
        let from = numbers.last().copied().unwrap_or(after);
        let page = workspace.get(&format!("/api/v1/events?after={from}&per_page=500&limit=500")).await.expect(200);
        let found: Vec<i64> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|event| event["number"].as_i64().or(event["seq"].as_i64()).or(event["id"].as_i64()))
            .collect();
        if found.is_empty() {
            return numbers;
        }
        numbers.extend(found);
    }
}

/// The installation's chores, until nothing is left of them.
async fn forget(world: &World) {
    let readers: Vec<Arc<dyn events::Reader>> = vec![Arc::new(webhooks::FanOut)];
    while webhooks::forget_old(&world.app).await.unwrap() + events::forget_old(&world.app, &readers).await.unwrap() > 0
    {
    }
}

async fn count(world: &World, sql: &str) -> i64 {
    (&world.app.db).one(sql, args![]).await.unwrap()
}

async fn plan(world: &World, workspace: &Actor, plan: &str) {
    let mut unit = world.app.begin().await.unwrap();
    let sql = "UPDATE workspace SET plan_id = (SELECT id FROM plan WHERE slug = $2) WHERE id = $1";
    unit.tx.exec(sql, args![workspace.id, plan]).await.unwrap();
    unit.changed();
    unit.commit().await.unwrap();
}
