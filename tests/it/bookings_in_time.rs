//! What happens to bookings by itself as time goes by: holds lapse, contacts are reminded, what is over is completed, and
//! what was agreed on stays.

use crate::bookings::{holds, with};
use crate::cast::{bookable, bookable_time};
use crate::on_both_engines;
use crate::stored;
use crate::world::Actor;
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
        let mut ids = Vec::new();
        for slot in 0..4 {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
            ids.push(nakheel.post(BOOKINGS, body).await.expect(201)["data"]["id"].clone());
        }
        // As if they had been made when the zone's clocks were five minutes behind what they are now.
        let agreed: Vec<String> = (0..4).map(|slot| bookable_time(&world, slot + 1)).collect();
        let mut tx = world.app.db.begin().await.unwrap();
        for (id, agreed) in ids.iter().zip(&agreed) {
            let local = agreed.trim_end_matches(".000000Z");
            tx.exec("UPDATE booking SET local_starts_at = $2 WHERE id = $1", args![id.as_i64().unwrap(), local]).await.unwrap();
        }
        tx.exec("UPDATE booking_zone_data SET version = 'before'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        world.restart_after(Duration::ZERO).await;
        let nakheel = Actor { base: world.base.clone(), ..nakheel };
        until("they are where they were agreed on", async || {
            let mut starts = Vec::new();
            for id in &ids {
                starts.push(nakheel.get(&format!("{BOOKINGS}/{id}")).await.expect(200)["data"]["starts_at"].as_str().unwrap().to_owned());
            }
            if starts == agreed { Ok(()) } else { Err(starts.join(", ")) }
        }).await;
        let history = nakheel.get(&format!("{BOOKINGS}/{}/history", ids[0])).await.expect(200);
        holds(&history["data"][0], &json!({"action": "moved", "reason": "The rules of the time zone changed."}));
        let body = |slot: u32| json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
        nakheel.post(BOOKINGS, body(4)).await.expect(409);
        nakheel.post(BOOKINGS, body(0)).await.expect(201);
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
