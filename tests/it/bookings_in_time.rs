//! What happens to bookings by itself as time goes by: holds lapse, contacts are reminded, what is over is completed, and
//! what was agreed on stays.

use crate::bookings::{holds, with};
use crate::cast::{bookable, bookable_time};
use crate::on_both_engines;
use crate::stored;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::kernel::Instant;
use skylight_db::args;
use skylight_test_support::wait::until;
use std::time::Duration;

const BOOKINGS: &str = "/api/v1/bookings";
const TYPES: &str = "/api/v1/bookings/types";
const RESOURCES: &str = "/api/v1/bookings/resources";

on_both_engines! {
    async fn holds_lapse_and_what_is_over_is_completed_also_while_nobody_was_up(world: World) {
        let mut world = world;
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 1).await;
        let body = |slot: u32| json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
        let held = with(&body(0), &json!({"hold_minutes": 10}));
        let hold = nakheel.post(BOOKINGS, held.clone()).await.expect(201)["data"].clone();
        assert_eq!(hold["status"], "pending");
        nakheel.post(BOOKINGS, body(0)).await.expect(409);
        let kept = nakheel.post(BOOKINGS, with(&body(1), &json!({"hold_minutes": 10}))).await.expect(201)["data"]["id"].clone();
        holds(&nakheel.put(&format!("{BOOKINGS}/{kept}"), json!({"status": "confirmed"})).await.expect(200)["data"], &json!({"status": "confirmed", "held_until": null}));
        let gone = async |nakheel: &Actor, id: &Value| nakheel.get(&format!("{BOOKINGS}/{id}")).await.expect(200)["data"]["status"].clone();
        // One lapses by itself.
        world.clock.advance(Duration::from_secs(10 * 60));
        until("the hold lapses", async || {
            let status = gone(&nakheel, &hold["id"]).await;
            if status == "cancelled" { Ok(()) } else { Err(status.to_string()) }
        }).await;
        nakheel.put(&format!("{BOOKINGS}/{}", hold["id"]), json!({"status": "confirmed"})).await.expect(409);
        let next = nakheel.post(BOOKINGS, held).await.expect(201)["data"]["id"].clone();
        let history = nakheel.get(&format!("{BOOKINGS}/{}/history", hold["id"])).await.expect(200);
        holds(&history["data"][0], &json!({"action": "lapsed", "actor": {"type": "system", "id": null, "name": "system"}}));
        // Others while nobody is up; and so does what is over.
        world.restart_after(Duration::from_secs(4 * 86_400)).await;
        let nakheel = Actor { base: world.base.clone(), ..nakheel };
        for (id, expected) in [(&next, "cancelled"), (&kept, "completed")] {
            until("it is looked after", async || {
                let status = gone(&nakheel, id).await;
                if status == expected { Ok(()) } else { Err(status.to_string()) }
            }).await;
        }
        let seats: i64 = skylight_db::Read::one(&world.app.db, "SELECT COUNT(*) FROM booking_seat", args![]).await.unwrap();
        assert_eq!(seats, 0, "nothing is taken any more");
    }

    async fn a_hold_that_is_over_keeps_nobody_out_even_if_nobody_noticed(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 1).await;
        let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, 0)});
        let hold = nakheel.post(BOOKINGS, with(&body, &json!({"hold_minutes": 10}))).await.expect(201)["data"]["id"].clone();
        // The work that would notice is gone.
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("DELETE FROM job WHERE workspace_id = $1", args![nakheel.id]).await.unwrap();
        tx.commit().await.unwrap();
        world.clock.advance(Duration::from_secs(10 * 60));
        assert_eq!(nakheel.put(&format!("{BOOKINGS}/{hold}"), json!({"status": "confirmed"})).await.expect(409)["message"], "The hold has lapsed.");
        let day = &bookable_time(&world, 0)[..10];
        let free = nakheel.get(&format!("{BOOKINGS}/availability?booking_type_id={kind}&date={day}&timezone=UTC")).await.expect(200);
        assert!(free["data"].as_array().unwrap().iter().any(|slot| slot["starts_at"] == body["starts_at"]));
        nakheel.post(BOOKINGS, body).await.expect(201);
        assert_eq!(nakheel.get(&format!("{BOOKINGS}/{hold}")).await.expect(200)["data"]["status"], "cancelled");
        let history = nakheel.get(&format!("{BOOKINGS}/{hold}/history")).await.expect(200);
        holds(&history["data"][0], &json!({"action": "lapsed", "actor": {"type": "system", "id": null, "name": "system"}}));
    }

    async fn contacts_are_reminded_once_of_what_still_stands(world: World) {
        let nakheel = world.workspace("nakheel").await;
        nakheel.sandbox().await;
        let (kind, resource) = bookable(&nakheel, 5).await;
        let text = "Dear {{contact_name}}: {{booking_type}} with {{resource}}, {{date}} {{time}}.";
        let of_type = format!("{TYPES}/{kind}");
        let reminders = json!({"reminders": [{"minutes_before": 60, "text": text}, {"minutes_before": 14_400, "text": "Too late for this one."}]});
        nakheel.put(&of_type, reminders).await.expect(200);
        let wrong = nakheel.put(&of_type, json!({"reminders": [{"minutes_before": 60, "text": "Dear {{nobody}}"}]})).await.expect(422);
        assert_eq!(wrong["errors"], json!({"reminders.0.text": ["The text names a variable that there is not."]}));
        let mut people = Vec::new();
        for (n, name) in ["Sarah {{time}}", "Omar", "Huda", "Ali", "Nour"].iter().enumerate() {
            people.push(nakheel.contact(name, &format!("+1415555123{n}")).await["id"].clone());
        }
        let book = async |contact: &Value, slot: u32, more: Value| {
            let body = json!({"contact_id": contact, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
            nakheel.post(BOOKINGS, with(&body, &more)).await.expect(201)["data"]["id"].clone()
        };
        let of = |id: &Value| format!("{BOOKINGS}/{id}");
        let begin = Instant::parse_span(&bookable_time(&world, 0)).unwrap().0;
        book(&people[0], 0, json!({})).await;
        let moved = book(&people[1], 0, json!({})).await;
        nakheel.put(&of(&moved), json!({"starts_at": bookable_time(&world, 24)})).await.expect(200);
        let cancelled = book(&people[2], 0, json!({})).await;
        nakheel.post(&format!("{}/cancel", of(&cancelled)), json!({})).await.expect(200);
        book(&people[3], 0, json!({"hold_minutes": 1_440})).await;
        let unwelcome = book(&people[4], 0, json!({})).await;
        nakheel.post(&format!("/api/v1/contacts/{}/blacklist", people[4]), json!({})).await.expect(200);
        let heard = async || {
            let mut heard = Vec::new();
            for contact in &people {
                let messages = nakheel.get(&format!("/api/v1/contacts/{contact}/messages")).await.expect(200);
                heard.push(messages["data"].as_array().unwrap().len());
            }
            heard
        };
        world.clock.advance(world.app.now().until(begin) - Duration::from_secs(50 * 60));
        until("the first one is reminded", async || {
            let told = nakheel.get(&format!("{}/history", of(&unwelcome))).await.expect(200)["data"][0].clone();
            let heard = heard().await;
            if heard == [1, 0, 0, 0, 0] && told["action"] == "not_reminded" { Ok(()) } else { Err(format!("{heard:?} {told}")) }
        }).await;
        let message = nakheel.get(&format!("/api/v1/contacts/{}/messages", people[0])).await.expect(200)["data"][0]["content"].clone();
        assert_eq!(message, format!("Dear Sarah {{{{time}}}}: Call with Switchboard, {} 10:00.", &begin.to_string()[..10]));
        world.clock.advance(Duration::from_secs(2 * 3_600));
        until("the one that moved is reminded of its new time", async || {
            let heard = heard().await;
            if heard == [1, 1, 0, 0, 0] { Ok(()) } else { Err(format!("{heard:?}")) }
        }).await;
        stored::at_rest(&world).await;
        assert_eq!(heard().await, [1, 1, 0, 0, 0]);
    }

    async fn bookings_keep_the_time_on_the_wall_when_the_rules_of_zones_change(world: World) {
        let mut world = world;
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 1).await;
        let body = |slot: u32, more: Value| with(&json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)}), &more);
        let mut ids = Vec::new();
        for slot in 0..70 {
            ids.push(nakheel.post(BOOKINGS, body(slot, json!({}))).await.expect(201)["data"]["id"].clone());
        }
        // In the way of the last of them, and over before anybody looks.
        let hold = nakheel.post(BOOKINGS, body(70, json!({"hold_minutes": 5}))).await.expect(201)["data"]["id"].clone();
        let free = [body(0, json!({})), body(71, json!({}))];
        let agreed: Vec<String> = (0..70).map(|slot| bookable_time(&world, slot + 1)).collect();
        // As if they had been made when the zone's clocks were five minutes behind what they are now.
        shown_on_the_wall(&world, &ids, &agreed).await;
        known_clocks(&world, "2000a").await;
        world.restart_after(Duration::from_secs(10 * 60)).await;
        let nakheel = Actor { base: world.base.clone(), ..nakheel };
        until_begin(&nakheel, &ids, &agreed).await;
        let history = nakheel.get(&format!("{BOOKINGS}/{}/history", ids[0])).await.expect(200);
        holds(&history["data"][0], &json!({"action": "moved", "reason": "The rules of the time zone changed."}));
        holds(&nakheel.get(&format!("{BOOKINGS}/{hold}")).await.expect(200)["data"], &json!({"status": "cancelled"}));
        let [first, behind] = free;
        let begins = first["starts_at"].clone();
        let first = nakheel.post(BOOKINGS, first).await.expect(201)["data"]["id"].clone();
        nakheel.post(BOOKINGS, with(&behind, &json!({"starts_at": agreed[69]}))).await.expect(409);

        // A node of the earlier release has booked meanwhile, by its own clocks.
        let late = vec![bookable_time(&world, 90)];
        shown_on_the_wall(&world, std::slice::from_ref(&first), &late).await;
        // A node whose clocks are the earlier ones leaves it alone.
        known_clocks(&world, "9999z").await;
        world.clock.advance(Duration::from_secs(3_600));
        until("it was left for others", async || {
            let sql = "SELECT COUNT(*) FROM job JOIN job_lane ON job_lane.id = job.lane_id WHERE job_lane.kind = 'bookings.rehang' AND attempt > 0";
            let left: i64 = skylight_db::Read::one(&world.app.db, sql, args![]).await.unwrap();
            if left > 0 { Ok(()) } else { Err(left.to_string()) }
        }).await;
        holds(&nakheel.get(&format!("{BOOKINGS}/{first}")).await.expect(200)["data"], &json!({"starts_at": begins}));
        known_clocks(&world, skylight::kernel::timezone::version()).await;
        world.clock.advance(Duration::from_secs(60));
        until_begin(&nakheel, std::slice::from_ref(&first), &late).await;
        // Started again, by whichever release: nothing moves twice.
        world.restart_after(Duration::ZERO).await;
        stored::at_rest(&world).await;
        let nakheel = Actor { base: world.base.clone(), ..nakheel };
        until_begin(&nakheel, &ids, &agreed).await;
        let told = nakheel.get(&format!("{BOOKINGS}/{first}/history")).await.expect(200);
        assert_eq!(told["meta"]["total"], 2, "{told}");
    }

    async fn a_booking_keeps_the_length_it_was_given_whatever_becomes_of_its_type(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 1).await;
        nakheel.put(&format!("{TYPES}/{kind}"), json!({"duration_minutes": 60, "slot_step_minutes": 5})).await.expect(200);
        let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, 0), "hold_minutes": 600});
        let booking = nakheel.post(BOOKINGS, body.clone()).await.expect(201)["data"]["id"].clone();
        let one = format!("{BOOKINGS}/{booking}");
        nakheel.put(&format!("{TYPES}/{kind}"), json!({"duration_minutes": 5})).await.expect(200);
        holds(&nakheel.put(&one, json!({"status": "confirmed"})).await.expect(200)["data"], &json!({"ends_at": bookable_time(&world, 12)}));
        let moved = nakheel.put(&one, json!({"starts_at": bookable_time(&world, 1)})).await.expect(200);
        holds(&moved["data"], &json!({"ends_at": bookable_time(&world, 13)}));
        // What it may be moved to: beside itself, and as long as it is.
        let day = &bookable_time(&world, 0)[..10];
        let free = format!("{BOOKINGS}/availability?booking_type_id={kind}&date={day}&timezone=UTC");
        let starts = async |query: &str| {
            let slots = nakheel.get(&format!("{free}{query}")).await.expect(200)["data"].clone();
            slots.as_array().unwrap().iter().map(|slot| (slot["starts_at"].clone(), slot["ends_at"].clone())).collect::<Vec<_>>()
        };
        let own = (json!(bookable_time(&world, 2)), json!(bookable_time(&world, 14)));
        assert!(starts(&format!("&booking_id={booking}")).await.contains(&own));
        assert!(starts("").await.iter().all(|(begin, _)| *begin != own.0));
        for wrong in [json!(999_999), json!(null)] {
            let other = nakheel.post(TYPES, json!({"name": "Other", "duration_minutes": 5})).await.expect(201)["data"]["id"].clone();
            let query = match wrong.is_null() {
                true => format!("{BOOKINGS}/availability?booking_type_id={other}&date={day}&booking_id={booking}"),
                false => format!("{free}&booking_id={wrong}"),
            };
            assert_eq!(nakheel.get(&query).await.expect(422)["errors"], json!({"booking_id": ["The selected booking id is invalid."]}));
        }
        // Its type is not offered any more, and served by name alone: it can still be moved.
        nakheel.delete(&format!("{TYPES}/{kind}")).await.expect(204);
        nakheel.post(BOOKINGS, body).await.expect(422);
        nakheel.get(&free).await.expect(422);
        let next = (json!(bookable_time(&world, 3)), json!(bookable_time(&world, 15)));
        assert!(starts(&format!("&booking_id={booking}")).await.contains(&next));
        nakheel.put(&one, json!({"starts_at": bookable_time(&world, 3)})).await.expect(200);
        let end = Instant::parse_span(&bookable_time(&world, 15)).unwrap().0;
        world.clock.advance(world.app.now().until(end) + Duration::from_secs(1));
        until("it is completed when it is over, and not before", async || {
            let status = nakheel.get(&one).await.expect(200)["data"]["status"].clone();
            if status == "completed" { Ok(()) } else { Err(status.to_string()) }
        }).await;
    }

    async fn a_hold_ends_when_its_time_begins(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 1).await;
        let begin = Instant::parse_span(&bookable_time(&world, 0)).unwrap().0;
        world.clock.advance(world.app.now().until(begin) - Duration::from_secs(3_600));
        let at = |slot: i64| Instant::from_seconds(begin.seconds() + slot * 300).to_string();
        let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": at(2), "hold_minutes": 1_440});
        let hold = nakheel.post(BOOKINGS, body).await.expect(201)["data"].clone();
        holds(&hold, &json!({"held_until": at(2)}));
        let one = format!("{BOOKINGS}/{}", hold["id"]);
        holds(&nakheel.put(&one, json!({"starts_at": at(1)})).await.expect(200)["data"], &json!({"held_until": at(1), "status": "pending"}));
        world.clock.advance(Duration::from_secs(3_900));
        until("it lapses", async || {
            let status = nakheel.get(&one).await.expect(200)["data"]["status"].clone();
            if status == "cancelled" { Ok(()) } else { Err(status.to_string()) }
        }).await;
    }

    async fn nobody_is_reminded_twice_at_once_or_of_what_has_begun(world: World) {
        let mut world = world;
        let nakheel = world.workspace("nakheel").await;
        nakheel.sandbox().await;
        let (kind, resource) = bookable(&nakheel, 2).await;
        let reminders = json!([{"minutes_before": 600, "text": "Today."}, {"minutes_before": 60, "text": "In an hour."}]);
        nakheel.put(&format!("{TYPES}/{kind}"), json!({"reminders": reminders, "auto_complete": false})).await.expect(200);
        let mut people = Vec::new();
        for (n, slot) in [0, 120].into_iter().enumerate() {
            let contact = nakheel.contact(&format!("Sarah {n}"), &format!("+1415555123{n}")).await["id"].clone();
            let body = json!({"contact_id": contact, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
            people.push((contact, nakheel.post(BOOKINGS, body).await.expect(201)["data"]["id"].clone()));
        }
        // No server ran until the first one had begun, and the second one was half an hour ahead.
        let later = Instant::parse_span(&bookable_time(&world, 114)).unwrap().0;
        world.restart_after(world.app.now().until(later)).await;
        let nakheel = Actor { base: world.base.clone(), ..nakheel };
        let told = async |booking: &Value| {
            let history = nakheel.get(&format!("{BOOKINGS}/{booking}/history")).await.expect(200)["data"].clone();
            let entry = |entry: &Value| (entry["action"] == "reminded" || entry["action"] == "not_reminded").then(|| entry["reason"].clone());
            history.as_array().unwrap().iter().filter_map(entry).collect::<Vec<_>>()
        };
        let (both, begun) = ("A later reminder was due as well.", "The booking had begun.");
        for ((_, booking), expected) in people.iter().zip([json!([begun, both]), json!([null, both])]) {
            until("the reminders were looked at", async || {
                let told = json!(told(booking).await);
                if told == expected { Ok(()) } else { Err(told.to_string()) }
            }).await;
        }
        for ((contact, _), expected) in people.iter().zip([json!([]), json!(["In an hour."])]) {
            let messages = nakheel.get(&format!("/api/v1/contacts/{contact}/messages")).await.expect(200);
            let texts: Vec<_> = messages["data"].as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
            assert_eq!(json!(texts), expected);
        }
    }

    async fn nothing_of_bookings_is_left_of_a_deleted_workspace(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "pro").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 2).await;
        nakheel.put(&format!("{TYPES}/{kind}"), json!({"reminders": [{"minutes_before": 60, "text": "Soon."}]})).await.expect(200);
        nakheel.post(&format!("{RESOURCES}/{resource}/exceptions"), json!({"date": "2030-01-01", "closed": true})).await.expect(201);
        for slot in 0..3 {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "starts_at": bookable_time(&world, slot)});
            nakheel.post(BOOKINGS, body).await.expect(201);
        }
        rawabi.delete(&format!("/api/v1/partner/clients/{}", client["id"])).await.expect(204);
        until("everything is removed", async || {
            let left = crate::statements::rows_of_workspace(&world, nakheel.id).await;
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        }).await;
    }
}

/// What the clock on the wall shows when these begin, as it was agreed on.
async fn shown_on_the_wall(world: &World, ids: &[Value], agreed: &[String]) {
    let mut tx = world.app.db.begin().await.unwrap();
    for (id, agreed) in ids.iter().zip(agreed) {
        let local = agreed.trim_end_matches(".000000Z");
        let sql = "UPDATE booking SET local_starts_at = $2 WHERE id = $1";
        tx.exec(sql, args![id.as_i64().unwrap(), local]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The latest data of zones that some release has brought.
async fn known_clocks(world: &World, version: &str) {
    let mut tx = world.app.db.begin().await.unwrap();
    tx.exec("UPDATE booking_zone_data SET version = $1", args![version]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn until_begin(nakheel: &Actor, ids: &[Value], expected: &[String]) {
    until("they are where they were agreed on", async || {
        let mut starts = Vec::new();
        for id in ids {
            let booking = nakheel.get(&format!("{BOOKINGS}/{id}")).await.expect(200);
            starts.push(booking["data"]["starts_at"].as_str().unwrap().to_owned());
        }
        if starts == expected { Ok(()) } else { Err(starts.join(", ")) }
    })
    .await;
}
