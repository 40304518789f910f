//! Bookings: set-up, slots, the life of an appointment, and what is refused.

use crate::cast::{bookable, bookable_time};
use crate::on_both_engines;
use crate::stored;
use serde_json::{Value, json};
use skylight::kernel::Instant;
use skylight_db::args;
use skylight_test_support::wait::until;
use std::collections::BTreeSet;

const BOOKINGS: &str = "/api/v1/bookings";
const TYPES: &str = "/api/v1/bookings/types";
const RESOURCES: &str = "/api/v1/bookings/resources";

on_both_engines! {
    async fn types_resources_and_their_days_are_set_up(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let made = nakheel.post(TYPES, json!({"name": "Consultation", "duration_minutes": 45})).await.expect(201);
        assert_eq!(made["message"], "Booking type created successfully.");
        let kind = made["data"].clone();
        let defaults = json!({
            "duration_minutes": 45, "slot_step_minutes": 45, "buffer_before_minutes": 0, "buffer_after_minutes": 0,
            "min_notice_minutes": 0, "max_days_ahead": 365, "auto_complete": true, "is_active": true, "description": null,
        });
        holds(&kind, &defaults);
        let of_type = format!("{TYPES}/{}", kind["id"]);
        let changed = nakheel.put(&of_type, json!({"buffer_after_minutes": 15, "description": "With tea."})).await.expect(200);
        holds(&changed["data"], &json!({"name": "Consultation", "buffer_after_minutes": 15, "description": "With tea."}));
        assert_eq!(nakheel.get(TYPES).await.expect(200)["data"], json!([changed["data"]]));

        let hours = json!([{"weekday": 7, "from": "10:00", "to": "24:00"}, {"weekday": 1, "from": "09:00", "to": "12:00"}, {"weekday": 1, "from": "12:00", "to": "13:30"}]);
        let body = json!({"name": "Dr. Huda", "type": "staff", "booking_type_ids": [kind["id"]], "hours": hours});
        let huda = nakheel.post(RESOURCES, body).await.expect(201)["data"].clone();
        holds(&huda, &json!({"timezone": "Asia/Riyadh", "capacity": 1, "booking_type_ids": [kind["id"]], "is_active": true}));
        assert_eq!(huda["hours"][0], json!({"weekday": 1, "from": "09:00", "to": "12:00"}), "in the order of the week");
        let of_huda = format!("{RESOURCES}/{}", huda["id"]);
        let all = nakheel.put(&of_huda, json!({"booking_type_ids": null, "timezone": "Europe/Berlin"})).await.expect(200);
        holds(&all["data"], &json!({"booking_type_ids": null, "timezone": "Europe/Berlin", "hours": huda["hours"]}));
        assert_eq!(nakheel.get(&of_huda).await.expect(200)["data"], all["data"]);
        assert_eq!(nakheel.get(RESOURCES).await.expect(200)["data"], json!([all["data"]]));

        let days = format!("{of_huda}/exceptions");
        let feast = nakheel.post(&days, json!({"date": "2030-09-23", "closed": true})).await.expect(201)["data"].clone();
        holds(&feast, &json!({"date": "2030-09-23", "closed": true, "from": null, "to": null}));
        let again = nakheel.post(&days, json!({"date": "2030-09-23", "from": "10:00", "to": "11:00"})).await.expect(422);
        assert_eq!(again["errors"], json!({"date": ["The date has already been taken."]}));
        let unclear = nakheel.post(&days, json!({"date": "2030-09-24", "closed": "x"})).await.expect(422);
        assert_eq!(unclear["errors"], json!({"closed": ["The closed field must be true or false."]}));
        let short = nakheel.post(&days, json!({"date": "2030-09-22", "from": "10:00", "to": "14:00"})).await.expect(201)["data"].clone();
        let of_short = format!("{days}/{}", short["id"]);
        nakheel.put(&of_short, json!({"date": "2030-09-23", "closed": true})).await.expect(422);
        let later = nakheel.put(&of_short, json!({"date": "2030-09-21", "from": "10:00", "to": "15:30"})).await.expect(200);
        assert_eq!(nakheel.get(&days).await.expect(200)["data"], json!([later["data"], feast]), "by date");
        assert_eq!(nakheel.get(&of_short).await.expect(200)["data"], later["data"]);
        nakheel.delete(&of_short).await.expect(204);
        assert_eq!(nakheel.get(&of_short).await.expect(404)["message"], "Exception not found.");

        for (body, fault) in [
            (json!({"hours": [{"weekday": 1, "from": "09:00", "to": "12:00"}, {"weekday": 1, "from": "11:59", "to": "13:00"}]}), "hours"),
            (json!({"hours": [{"weekday": 8, "from": "09:00", "to": "12:00"}]}), "hours.0.weekday"),
            (json!({"hours": [{"weekday": 1, "from": "12:00", "to": "12:00"}]}), "hours.0.to"),
            (json!({"timezone": "Mars/Olympus"}), "timezone"),
            (json!({"booking_type_ids": [kind["id"], 999_999]}), "booking_type_ids.1"),
            (json!({"capacity": 0}), "capacity"),
        ] {
            let refused = nakheel.put(&of_huda, body).await.expect(422);
            assert_eq!(refused["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), [fault], "{refused}");
        }
        nakheel.delete(&of_type).await.expect(204);
        assert_eq!(nakheel.get(&of_type).await.expect(404)["message"], "Booking type not found.");
        nakheel.delete(&of_huda).await.expect(204);
        assert_eq!(nakheel.get(&days).await.expect(404)["message"], "Resource not found.");
        let noted = nakheel.get("/api/v1/audit?per_page=100").await.expect(200);
        let noted: BTreeSet<_> = noted["data"].as_array().unwrap().iter().filter_map(|entry| entry["action"].as_str()).filter(|action| action.starts_with("booking_")).map(str::to_owned).collect();
        assert_eq!(noted.len(), 9, "{noted:?}");
    }

    async fn a_booking_is_made_moved_confirmed_cancelled_and_tells_of_it(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (kind, resource) = bookable(&nakheel, 1).await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await;
        let body = json!({"contact_id": sarah["id"], "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, 0), "notes": "By the window."});
        let made = nakheel.post(BOOKINGS, body.clone()).await.expect(201);
        assert_eq!(made["message"], "Booking created successfully.");
        let booking = made["data"].clone();
        holds(&booking, &json!({
            "contact_id": sarah["id"], "booking_type_id": kind, "resource_id": resource, "title": "Call – Sarah", "status": "confirmed",
            "starts_at": bookable_time(&world, 0), "ends_at": bookable_time(&world, 1), "notes": "By the window.", "held_until": null,
            "timezone": "UTC",
        }));
        assert_eq!(format!("{}.000000Z", booking["starts_at_local"].as_str().unwrap()), bookable_time(&world, 0));
        let one = format!("{BOOKINGS}/{}", booking["id"]);
        assert_eq!(nakheel.get(&one).await.expect(200)["data"], booking);

        // The time is somebody's.
        let before = stored::rows(&world).await;
        let late = nakheel.post(BOOKINGS, body.clone()).await.expect(409);
        assert_eq!((&late["code"], &late["message"]), (&json!("slot_taken"), &json!("The time is no longer available.")));
        stored::assert_same(&before, &stored::rows(&world).await);

        let moved = nakheel.put(&one, json!({"starts_at": bookable_time(&world, 3)})).await.expect(200);
        assert_eq!(moved["message"], "Booking updated successfully.");
        holds(&moved["data"], &json!({"starts_at": bookable_time(&world, 3), "ends_at": bookable_time(&world, 4)}));
        nakheel.post(BOOKINGS, body.clone()).await.expect(201);
        nakheel.put(&one, json!({"starts_at": bookable_time(&world, 0)})).await.expect(409);
        // Nothing new is nothing.
        nakheel.put(&one, json!({"starts_at": bookable_time(&world, 3), "status": "confirmed"})).await.expect(200);
        nakheel.put(&one, json!({"notes": null})).await.expect(200);
        nakheel.put(&one, json!({"status": "pending"})).await.expect(409);

        let cancelled = nakheel.post(&format!("{one}/cancel"), json!({"reason": "Ill."})).await.expect(200);
        assert_eq!(cancelled["message"], "Booking cancelled successfully.");
        holds(&cancelled["data"], &json!({"status": "cancelled", "cancel_reason": "Ill.", "notes": null}));
        let twice = nakheel.post(&format!("{one}/cancel"), json!({})).await.expect(409);
        assert_eq!(twice["message"], "The booking is already cancelled.");
        for change in [json!({"status": "confirmed"}), json!({"status": "completed"}), json!({"starts_at": bookable_time(&world, 9)})] {
            nakheel.put(&one, change).await.expect(409);
        }
        let other = nakheel.post(BOOKINGS, at(&body, bookable_time(&world, 3))).await.expect(201)["data"]["id"].clone();
        let other = format!("{BOOKINGS}/{other}");
        holds(&nakheel.put(&other, json!({"status": "completed"})).await.expect(200)["data"], &json!({"status": "completed"}));
        nakheel.put(&other, json!({"starts_at": bookable_time(&world, 9)})).await.expect(409);
        holds(&nakheel.put(&other, json!({"status": "no_show"})).await.expect(200)["data"], &json!({"status": "no_show", "completed_at": null}));
        nakheel.put(&other, json!({"status": "completed"})).await.expect(200);
        nakheel.post(&format!("{other}/cancel"), json!({})).await.expect(409);

        let history = nakheel.get(&format!("{one}/history")).await.expect(200);
        let actions: Vec<_> = history["data"].as_array().unwrap().iter().map(|entry| (entry["action"].as_str().unwrap(), &entry["reason"])).collect();
        assert_eq!(actions, [("cancelled", &json!("Ill.")), ("moved", &json!(null)), ("created", &json!(null))]);
        assert_eq!(history["data"][0]["actor"]["type"], "workspace_key");

        let log = until("the log has everything", async || {
            let log = nakheel.get("/api/v1/events?limit=1000").await.expect(200)["data"].clone();
            let told: Vec<_> = log.as_array().unwrap().iter().filter(|item| item["event"].as_str().unwrap().starts_with("booking.")).cloned().collect();
            if told.len() == 11 { Ok(told) } else { Err(format!("{} events", told.len())) }
        }).await;
        let names: Vec<_> = log.iter().map(|item| item["event"].as_str().unwrap().trim_start_matches("booking.")).collect();
        assert_eq!(names, ["created", "updated", "created", "updated", "cancelled", "created", "updated", "completed", "updated", "updated", "completed"]);
        assert_eq!(log[0]["data"]["booking"], booking);
        holds(&log[0]["data"]["contact"], &json!({"id": sarah["id"], "name": "Sarah", "phone": "+14155551234", "type": "whatsapp"}));
        assert_eq!(log[4]["data"]["booking"], cancelled["data"]);
    }

    async fn what_cannot_be_booked_is_refused_and_leaves_nothing(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sahara = world.workspace("sahara").await;
        let (kind, resource) = bookable(&nakheel, 1).await;
        let (their_kind, their_resource) = bookable(&sahara, 1).await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let eve = sahara.contact("Eve", "+14155551234").await["id"].clone();
        let strict = json!({"name": "Strict", "duration_minutes": 60, "slot_step_minutes": 30, "min_notice_minutes": 120, "max_days_ahead": 30});
        let strict = nakheel.post(TYPES, strict).await.expect(201)["data"]["id"].clone();
        let unserved = nakheel.post(TYPES, json!({"name": "Unserved", "duration_minutes": 60})).await.expect(201)["data"]["id"].clone();
        let week: Vec<Value> = (1..=7).map(|day| json!({"weekday": day, "from": "09:00", "to": "12:00"})).collect();
        let berlin = json!({"name": "Berlin", "type": "room", "timezone": "Europe/Berlin", "booking_type_ids": [strict], "hours": week});
        let berlin = nakheel.post(RESOURCES, berlin).await.expect(201)["data"]["id"].clone();
        let asleep = json!({"name": "Asleep", "type": "room", "hours": week, "is_active": false});
        let asleep = nakheel.post(RESOURCES, asleep).await.expect(201)["data"]["id"].clone();
        let body = json!({"contact_id": sarah, "booking_type_id": strict, "resource_id": berlin});
        let day = |ahead: i64| Instant::from_seconds(world.app.now().seconds() + ahead * 86_400).to_string()[..10].to_owned();
        let local = |ahead: i64, time: &str| json!({"starts_at": format!("{}T{time}", day(ahead)), "timezone": "Europe/Berlin"});
        let before = stored::rows(&world).await;
        for (change, fault, sentence) in [
            (local(3, "08:30:00"), "starts_at", "The starts at is outside of the opening hours."),
            (local(3, "11:30:00"), "starts_at", "The starts at is outside of the opening hours."),
            (local(3, "09:15:00"), "starts_at", "The starts at is not the start of a slot."),
            (local(3, "09:00:01"), "starts_at", "The starts at is not the start of a slot."),
            (local(33, "09:00:00"), "starts_at", "The starts at must not be more than 30 days ahead."),
            (local(-2, "09:00:00"), "starts_at", "The starts at must be at least 120 minutes from now."),
            (json!({"starts_at": "2027-03-28T02:30:00", "timezone": "Europe/Berlin"}), "starts_at", "The starts at does not exist in Europe/Berlin."),
            (json!({"starts_at": "2027-10-31T02:30:00", "timezone": "Europe/Berlin"}), "starts_at", "The starts at happens twice in Europe/Berlin: say it with its offset from UTC."),
            (json!({"starts_at": "9999-01-01T00:00:00Z"}), "starts_at", "The starts at must not be more than 30 days ahead."),
            (json!({"starts_at": "0001-01-01T00:00:00Z"}), "starts_at", "The starts at must be at least 120 minutes from now."),
            (json!({"starts_at": "tomorrow"}), "starts_at", "The starts at must be a valid date."),
            (json!({"starts_at": format!("{}[Mars/Base]", bookable_time(&world, 0))}), "starts_at", "The starts at must be a valid date."),
            (json!({"starts_at": format!("{}[u-ca=hebrew]", bookable_time(&world, 0))}), "starts_at", "The starts at must be a valid date."),
            (json!({"starts_at": bookable_time(&world, 0), "timezone": "Mars/Olympus"}), "timezone", "The timezone must be a valid timezone."),
            (json!({"starts_at": bookable_time(&world, 0), "contact_id": eve}), "contact_id", "The selected contact id is invalid."),
            (json!({"starts_at": bookable_time(&world, 0), "booking_type_id": their_kind}), "booking_type_id", "The selected booking type id is invalid."),
            (json!({"starts_at": bookable_time(&world, 0), "resource_id": their_resource}), "resource_id", "The selected resource id is invalid."),
            (json!({"starts_at": bookable_time(&world, 0), "resource_id": resource}), "resource_id", "The selected resource id is invalid."),
            (json!({"starts_at": bookable_time(&world, 0), "resource_id": asleep}), "resource_id", "The selected resource id is invalid."),
            (json!({"starts_at": bookable_time(&world, 0), "resource_id": null, "booking_type_id": unserved}), "booking_type_id", "No resource takes bookings of this type."),
            (json!({"starts_at": bookable_time(&world, 0), "hold_minutes": 0}), "hold_minutes", "The hold minutes must be at least 1."),
        ] {
            let refused = nakheel.post(BOOKINGS, with(&body, &change)).await.expect(422);
            assert_eq!(refused["errors"], json!({fault: [sentence]}), "{change}");
        }
        let all = json!({"contact_id": eve, "booking_type_id": their_kind, "resource_id": their_resource, "starts_at": bookable_time(&world, 0)});
        let refused = nakheel.post(BOOKINGS, all).await.expect(422);
        assert_eq!(refused["errors"].as_object().unwrap().len(), 3, "all at once: {refused}");
        let gap = json!({"starts_at": "2027-03-28T02:30:00", "timezone": "Europe/Berlin", "resource_id": their_resource, "contact_id": eve});
        let refused = nakheel.post(BOOKINGS, with(&body, &gap)).await.expect(422);
        assert_eq!(refused["errors"], json!({
            "contact_id": ["The selected contact id is invalid."], "resource_id": ["The selected resource id is invalid."],
            "starts_at": ["The starts at does not exist in Europe/Berlin."],
        }));
        stored::assert_same(&before, &stored::rows(&world).await);
        // So it was the change that was refused.
        nakheel.post(BOOKINGS, with(&body, &local(3, "11:00:00"))).await.expect(201);
        // What is there is refused alike when it moves.
        let booking = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, 0)});
        let one = nakheel.post(BOOKINGS, booking).await.expect(201)["data"]["id"].clone();
        for change in [json!({"starts_at": "2020-01-01T10:00:00Z"}), json!({"resource_id": berlin}), json!({"resource_id": their_resource})] {
            nakheel.put(&format!("{BOOKINGS}/{one}"), change).await.expect(422);
        }
        let busy = nakheel.delete(&format!("{RESOURCES}/{resource}")).await.expect(409);
        assert_eq!(busy["message"], "The resource has bookings to come. Move or cancel them first.");
    }

    async fn every_listed_slot_can_be_booked_and_no_other(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let kind = json!({"name": "Visit", "duration_minutes": 30, "slot_step_minutes": 15, "buffer_before_minutes": 10, "buffer_after_minutes": 20});
        let kind = nakheel.post(TYPES, kind).await.expect(201)["data"]["id"].clone();
        let week: Vec<Value> = (1..=7).map(|day| json!({"weekday": day, "from": "09:00", "to": "11:00"})).collect();
        let mut resources = Vec::new();
        for (zone, capacity) in [("Asia/Kolkata", 1), ("America/St_Johns", 2)] {
            let body = json!({"name": zone, "type": "room", "timezone": zone, "capacity": capacity, "hours": week});
            resources.push(nakheel.post(RESOURCES, body).await.expect(201)["data"]["id"].clone());
        }
        let date = &bookable_time(&world, 0)[..10];
        let next = Instant::parse_span(date).unwrap().1.to_string()[..10].to_owned();
        let ask = format!("{BOOKINGS}/availability?booking_type_id={kind}&date={date}&timezone=UTC");
        let free = async |more: &str| nakheel.get(&format!("{ask}{more}")).await.expect(200)["data"].as_array().unwrap().clone();
        // 09:00 to 10:30, every quarter of an hour.
        assert_eq!(free("").await.len(), 14);
        assert_eq!(free(&format!("&to={next}")).await.len(), 28);
        assert_eq!(free(&format!("&resource_id={}", resources[1])).await.len(), 7);
        let first = free("").await[0].clone();
        assert_eq!(first, json!({"starts_at": format!("{date}T03:30:00.000000Z"), "ends_at": format!("{date}T04:00:00.000000Z"), "resource_id": resources[0]}));
        let mut booked = 0;
        while let Some(slot) = free("").await.get(booked % 3).cloned() {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": slot["resource_id"], "starts_at": slot["starts_at"]});
            nakheel.post(BOOKINGS, body).await.expect(201);
            booked += 1;
        }
        while let Some(slot) = free("").await.first().cloned() {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": slot["resource_id"], "starts_at": slot["starts_at"]});
            nakheel.post(BOOKINGS, body).await.expect(201);
            booked += 1;
        }
        // Each keeps an hour free, of two.
        assert!((3..=6).contains(&booked), "{booked}");
        for minute in (0..24 * 60).step_by(15) {
            for resource in &resources {
                let starts_at = format!("{date}T{:02}:{:02}:00Z", minute / 60, minute % 60);
                let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": starts_at});
                let refused = nakheel.post(BOOKINGS, body).await;
                assert!(refused.status == 409 || refused.status == 422, "{refused:?}");
            }
        }
        for (query, fault) in [
            (format!("booking_type_id=999999&date={date}"), "booking_type_id"),
            (format!("booking_type_id={kind}"), "date"),
            (format!("booking_type_id={kind}&date={next}&to={date}"), "to"),
            (format!("booking_type_id={kind}&date={date}&to=2099-01-01"), "to"),
            (format!("booking_type_id={kind}&date={date}&timezone=Mars/Olympus"), "timezone"),
            (format!("booking_type_id={kind}&date={date}&resource_id=999999"), "resource_id"),
        ] {
            let refused = nakheel.get(&format!("{BOOKINGS}/availability?{query}")).await.expect(422);
            assert!(refused["errors"][fault].is_array(), "{query}: {refused}");
        }
    }

    async fn who_has_least_to_do_that_day_is_chosen(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let kind = nakheel.post(TYPES, json!({"name": "Call", "duration_minutes": 5})).await.expect(201)["data"]["id"].clone();
        let week: Vec<Value> = (1..=7).map(|day| json!({"weekday": day, "from": "00:00", "to": "24:00"})).collect();
        let mut resources = Vec::new();
        for name in ["one", "two", "three"] {
            let body = json!({"name": name, "type": "staff", "timezone": "UTC", "hours": week});
            resources.push(nakheel.post(RESOURCES, body).await.expect(201)["data"]["id"].clone());
        }
        let book = async |slot: u32, resource: Value| {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
            nakheel.post(BOOKINGS, body).await
        };
        let chosen = async |slot: u32| book(slot, Value::Null).await.expect(201)["data"]["resource_id"].clone();
        for (slot, expected) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)] {
            assert_eq!(chosen(slot).await, resources[expected], "{slot}");
        }
        book(5, resources[2].clone()).await.expect(201);
        let extra = book(6, resources[2].clone()).await.expect(201)["data"]["id"].clone();
        assert_eq!(chosen(7).await, resources[0]);
        nakheel.post(&format!("{BOOKINGS}/{extra}/cancel"), json!({})).await.expect(200);
        assert_eq!(chosen(7).await, resources[1]);
        assert_eq!(chosen(7).await, resources[2]);
        book(7, Value::Null).await.expect(409);

        let listed = async |query: &str| {
            let page = nakheel.get(&format!("{BOOKINGS}?per_page=100&{query}")).await.expect(200);
            let starts: Vec<_> = page["data"].as_array().unwrap().iter().map(|item| item["starts_at"].as_str().unwrap().to_owned()).collect();
            assert_eq!(page["meta"]["total"], starts.len());
            starts
        };
        assert_eq!(listed("").await.len(), 10);
        assert_eq!(listed("status=cancelled").await, [bookable_time(&world, 6)]);
        assert_eq!(listed(&format!("contact_id={sarah}&status=confirmed")).await.len(), 9);
        assert_eq!(listed(&format!("booking_type_id={kind}&status=cancelled")).await.len(), 1);
        assert_eq!(listed(&format!("contact_id={sarah}&booking_type_id=999")).await.len(), 0);
        let of_three = listed(&format!("resource_id={}", resources[2])).await;
        assert_eq!(of_three, [7, 6, 5, 0].map(|slot| bookable_time(&world, slot)), "the latest first");
        let (from, to) = (bookable_time(&world, 1), bookable_time(&world, 5));
        assert_eq!(listed(&format!("from={from}&to={to}")).await, [5, 1, 1].map(|slot| bookable_time(&world, slot)));
        let day = &from[..10];
        assert_eq!(listed(&format!("from={day}&to={day}&status=confirmed")).await.len(), 9);
        for query in [String::new(), format!("from={day}&"), format!("contact_id={sarah}&"), "status=confirmed&".to_owned()] {
            let (mut cursor, mut seen) = (String::new(), Vec::new());
            loop {
                let part = nakheel.get(&format!("{BOOKINGS}?{query}per_page=3&cursor={cursor}")).await.expect(200);
                seen.extend(part["data"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()));
                let Some(next) = part["meta"]["next_cursor"].as_str() else { break };
                cursor = next.to_owned();
            }
            let whole = nakheel.get(&format!("{BOOKINGS}?{query}per_page=100")).await.expect(200);
            let whole: Vec<_> = whole["data"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect();
            assert_eq!(seen, whole, "{query}");
        }
    }

    async fn those_around_a_booking_change_places_where_none_is_free_all_the_time(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (short, resource) = bookable(&nakheel, 2).await;
        let long = json!({"name": "Long", "duration_minutes": 10, "slot_step_minutes": 5});
        let long = nakheel.post(TYPES, long).await.expect(201)["data"]["id"].clone();
        nakheel.put(&format!("{RESOURCES}/{resource}"), json!({"booking_type_ids": [short, long]})).await.expect(200);
        let book = async |kind: &Value, slot: u32| {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
            nakheel.post(BOOKINGS, body).await
        };
        let first = book(&short, 0).await.expect(201)["data"]["id"].clone();
        book(&short, 0).await.expect(201);
        book(&short, 1).await.expect(201);
        nakheel.post(&format!("{BOOKINGS}/{first}/cancel"), json!({})).await.expect(200);
        book(&long, 0).await.expect(201);
        for (kind, slot) in [(&short, 0), (&short, 1), (&long, 0), (&long, 1)] {
            book(kind, slot).await.expect(409);
        }
        // With less room than is taken, nobody is put out and nobody comes in.
        nakheel.put(&format!("{RESOURCES}/{resource}"), json!({"capacity": 1})).await.expect(200);
        book(&short, 1).await.expect(409);
        book(&short, 2).await.expect(201);
    }

    async fn more_times_than_can_be_looked_at_are_refused(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let hours: Vec<Value> = (1..=7).map(|day| json!({"weekday": day, "from": "00:00", "to": "24:00"})).collect();
        // None of them is free: a year's notice is asked for.
        let kind = json!({"name": "Call", "duration_minutes": 5, "slot_step_minutes": 1, "min_notice_minutes": 525_600});
        let kind = nakheel.post(TYPES, kind).await.expect(201)["data"]["id"].clone();
        let day = &bookable_time(&world, 0)[..10];
        let last = Instant::from_seconds(world.app.now().seconds() + 31 * 86_400).to_string();
        let slots = format!("{BOOKINGS}/availability?booking_type_id={kind}&date={day}&to={}", &last[..10]);
        for room in 0..12 {
            let body = json!({"name": format!("Room {room}"), "type": "room", "hours": hours});
            assert_eq!(nakheel.get(&slots).await.expect(200)["data"], json!([]));
            nakheel.post(RESOURCES, body).await.expect(201);
        }
        let refused = nakheel.get(&slots).await.expect(422);
        assert_eq!(refused["errors"], json!({"to": ["There are too many slots. Ask for fewer days, or for one resource."]}));
    }

    async fn the_database_itself_refuses_two_on_one_place(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 3).await;
        for slot in [0, 5] {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
            nakheel.post(BOOKINGS, body).await.expect(201);
        }
        let begin = Instant::parse_span(&bookable_time(&world, 0)).unwrap().0.micros();
        let minute = 60_000_000;
        for (seat, from, to, fits) in [(1, 0, 5, false), (1, 4, 9, false), (1, -3, 1, false), (1, -60, 60, false), (2, 0, 5, true), (1, 5, 10, true), (1, -5, 0, true)] {
            let mut tx = world.app.db.begin().await.unwrap();
            // The second one asks for another seat, whatever the room would say.
            tx.exec("DELETE FROM booking_seat WHERE booking_id = (SELECT MAX(id) FROM booking)", args![]).await.unwrap();
            let given = "INSERT INTO booking_seat (workspace_id, booking_id, resource_id, seat, starts_at, ends_at)
                         SELECT workspace_id, id, resource_id, CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT)
                         FROM booking WHERE id = (SELECT MAX(id) FROM booking)";
            let given = tx.exec(given, args![seat, begin + from * minute, begin + to * minute]).await;
            assert_eq!(given.is_ok(), fits, "{seat} {from} {to}: {given:?}");
        }
    }

    async fn bookings_count_for_the_partner_go_with_their_contact_and_need_their_feature(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "pro").await;
        let (kind, resource) = bookable(&nakheel, 1).await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let body = |slot: u32| json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
        let mut ids = Vec::new();
        for slot in 0..4 {
            ids.push(nakheel.post(BOOKINGS, body(slot)).await.expect(201)["data"]["id"].clone());
        }
        for (id, status) in ids.iter().zip(["cancelled", "completed", "no_show"]) {
            nakheel.put(&format!("{BOOKINGS}/{id}"), json!({"status": status})).await.expect(200);
        }
        let usage = async || rawabi.get(&format!("/api/v1/partner/clients/{}/usage", client["id"])).await.expect(200)["data"]["bookings"].clone();
        assert_eq!(usage().await, json!({"total": 4, "completed": 1, "cancelled": 1}));
        nakheel.put(&format!("{BOOKINGS}/{}", ids[1]), json!({"status": "no_show"})).await.expect(200);
        assert_eq!(usage().await, json!({"total": 4, "completed": 0, "cancelled": 1}));
        assert!(skylight::cli::manage::recount(&world.app.db).await.unwrap().is_empty());
        nakheel.delete(&format!("/api/v1/contacts/{sarah}")).await.expect(204);
        assert_eq!(nakheel.get(BOOKINGS).await.expect(200)["data"], json!([]));
        assert!(skylight::cli::manage::recount(&world.app.db).await.unwrap().is_empty());
        let omar = nakheel.contact("Omar", "+14155551234").await["id"].clone();
        nakheel.post(BOOKINGS, with(&body(3), &json!({"contact_id": omar}))).await.expect(201);

        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET booking = FALSE WHERE slug = 'business'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let plain = rawabi.client("Plain", "business").await.1;
        for path in [BOOKINGS, TYPES, RESOURCES] {
            assert_eq!(plain.get(path).await.expect(403)["code"], "feature_not_in_plan");
        }
    }
}

/// That an object has at least these values.
#[track_caller]
pub fn holds(object: &Value, values: &Value) {
    for (name, value) in values.as_object().unwrap() {
        assert_eq!(object[name], *value, "{name} of {object}");
    }
}

pub fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn at(body: &Value, starts_at: String) -> Value {
    with(body, &json!({"starts_at": starts_at}))
}
