//! Calendar feeds: subscribed to by an address, read by a parser that others wrote, and closed when they should be.

mod parser;

use crate::bookings::{holds, with};
use crate::cast::{bookable, bookable_time};
use crate::on_both_engines;
use crate::on_both_houses;
use crate::process::house::House;
use crate::world::{Engine, PUBLIC_URL, World};
use ical::parser::ical::component::{IcalCalendar, IcalEvent};
use parser::{as_shown, compact, parsed, said_by, tag, text, value};
use serde_json::{Value, json};
use skylight::kernel::Instant;
use skylight_db::{Read, args};
use skylight_test_support::wait::until;
use std::collections::BTreeSet;
use std::time::Duration;

const BOOKINGS: &str = "/api/v1/bookings";
const FEEDS: &str = "/api/v1/bookings/feeds";
const RESOURCES: &str = "/api/v1/bookings/resources";
const DAY: u64 = 24 * 60 * 60;

on_both_engines! {
    async fn a_calendar_is_subscribed_to_and_read_without_a_key(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah Johnson", "+14155551234").await["id"].clone();
        let (kind, desk) = bookable(&nakheel, 1).await;
        let room = json!({"name": "Majlis, 2nd floor", "type": "room", "timezone": "Asia/Riyadh", "hours": every_hour(), "booking_type_ids": [kind]});
        let room = nakheel.post(RESOURCES, room).await.expect(201)["data"]["id"].clone();
        let book = async |resource: &Value, slot: u32, notes: Value| {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot), "notes": notes});
            nakheel.post(BOOKINGS, body).await.expect(201)["data"].clone()
        };
        let in_room = book(&room, 3, "Comes with her sister.".into()).await;
        let at_desk = book(&desk, 0, Value::Null).await;

        let made = nakheel.post(FEEDS, json!({"name": "Nakheel: who comes, and when"})).await.expect(201);
        let feed = made["data"].clone();
        holds(&feed, &json!({"name": "Nakheel: who comes, and when", "resource_id": null, "last_read_at": null}));
        let url = feed["url"].as_str().unwrap();
        let token = url.strip_prefix(PUBLIC_URL).unwrap().strip_prefix("/calendars/").unwrap().strip_suffix(".ics").unwrap();
        assert!(token.starts_with("cal_") && token.len() == 4 + 43 + 6, "256 random bits and a check: {token}");
        let of_feed = format!("{FEEDS}/{}", feed["id"]);
        let shown = nakheel.get(&of_feed).await.expect(200)["data"].clone();
        assert!(shown.get("url").is_none(), "{shown}");
        assert_eq!(nakheel.get(FEEDS).await.expect(200)["data"], json!([shown]));

        let answer = world.http.get(world.local(url)).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for (name, value) in [
            ("content-type", "text/calendar; charset=utf-8"),
            ("content-disposition", "inline; filename=\"nakheel-who-comes-and-when.ics\""),
            ("cache-control", "private, max-age=300"),
            ("x-robots-tag", "noindex, nofollow"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; sandbox"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert_eq!((answer.header("set-cookie"), answer.header("access-control-allow-origin")), (None, None));
        let calendar = parsed(&answer);
        let said: Vec<_> = calendar.properties.iter().map(|property| (property.name.as_str(), text(property))).collect();
        let expected = [
            ("VERSION", "2.0"), ("PRODID", "-//partner-of-nakheel//Bookings//EN"), ("CALSCALE", "GREGORIAN"), ("METHOD", "PUBLISH"),
            ("NAME", "Nakheel: who comes, and when"), ("X-WR-CALNAME", "Nakheel: who comes, and when"), ("X-WR-TIMEZONE", "Asia/Riyadh"),
            ("REFRESH-INTERVAL", "PT15M"), ("X-PUBLISHED-TTL", "PT15M"),
        ];
        assert_eq!(said, expected.map(|(name, value)| (name, value.to_owned())));
        let refresh = calendar.properties.iter().find(|property| property.name == "REFRESH-INTERVAL").unwrap();
        assert_eq!(refresh.params, Some(vec![("VALUE".to_owned(), vec!["DURATION".to_owned()])]));

        let workspace: String = (&world.app.db).one("SELECT public_id FROM workspace WHERE id = $1", args![nakheel.id]).await.unwrap();
        let [first, second] = &calendar.events[..] else { panic!("{} events", calendar.events.len()) };
        for (event, booking) in [(first, &at_desk), (second, &in_room)] {
            assert_eq!(value(event, "UID"), format!("booking-{}@{workspace}", booking["id"]));
            for (name, field) in [("DTSTART", "starts_at"), ("DTEND", "ends_at"), ("CREATED", "created_at")] {
                assert_eq!(value(event, name), compact(&booking[field]), "{name}");
            }
            assert_eq!(value(event, "DTSTAMP"), value(event, "LAST-MODIFIED"));
            assert!(value(event, "DTSTAMP") >= compact(&booking["updated_at"]));
            let fixed = [("SEQUENCE", "0"), ("SUMMARY", "Call – Sarah Johnson"), ("STATUS", "CONFIRMED"), ("CATEGORIES", "Call"), ("TRANSP", "OPAQUE")];
            assert!(fixed.iter().all(|(name, expected)| value(event, name) == *expected), "{event:?}");
        }
        assert_eq!(value(first, "DESCRIPTION"), "Sarah Johnson\n+14155551234\nSwitchboard");
        assert_eq!(value(second, "DESCRIPTION"), "Sarah Johnson\n+14155551234\nMajlis, 2nd floor\n\nComes with her sister.");
        assert_eq!(value(second, "LOCATION"), "Majlis, 2nd floor");
        assert!(first.properties.iter().all(|property| property.name != "LOCATION"), "people are no places");

        // Without a name, a calendar is called like what it shows; each resource has its own bookings.
        for (resource, name, zone, shown) in [(&room, "Majlis, 2nd floor", "Asia/Riyadh", &in_room), (&desk, "Switchboard", "UTC", &at_desk)] {
            let feed = nakheel.post(FEEDS, json!({"resource_id": resource})).await.expect(201)["data"].clone();
            holds(&feed, &json!({"name": null, "resource_id": resource}));
            let calendar = read(&world, &feed["url"]).await;
            assert_eq!([said_by(&calendar, "NAME"), said_by(&calendar, "X-WR-CALNAME"), said_by(&calendar, "X-WR-TIMEZONE")], [name, name, zone]);
            let uids: Vec<_> = calendar.events.iter().map(|event| value(event, "UID")).collect();
            assert_eq!(uids, [format!("booking-{}@{workspace}", shown["id"])]);
        }
        let unnamed = nakheel.post(FEEDS, json!({})).await.expect(201)["data"].clone();
        assert_eq!(said_by(&read(&world, &unnamed["url"]).await, "NAME"), "nakheel");

        // When it was read is kept to the hour, behind the answer.
        let read_at = async || nakheel.get(&of_feed).await.expect(200)["data"]["last_read_at"].clone();
        let noted = until("it is noted", async || {
            let at = read_at().await;
            if at.is_null() { Err("not yet".to_owned()) } else { Ok(at) }
        }).await;
        world.clock.advance(Duration::from_secs(30 * 60));
        read(&world, &feed["url"]).await;
        world.clock.advance(Duration::from_secs(31 * 60));
        assert_eq!(read_at().await, noted);
        read(&world, &feed["url"]).await;
        until("it is noted again", async || {
            let at = read_at().await;
            if at == noted { Err("not yet".to_owned()) } else { Ok(()) }
        }).await;
        let log = nakheel.get("/api/v1/audit").await.expect(200).to_string();
        assert!(log.contains("booking_feed.created") && !log.contains(token) && !log.contains("/calendars/"), "{log}");
    }

    async fn whoever_knows_a_calendar_is_told_only_of_changes(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 5).await;
        let url = nakheel.post(FEEDS, json!({})).await.expect(201)["data"]["url"].clone();
        let at = world.local(url.as_str().unwrap());
        let empty = world.http.get(&at).send().await;
        assert!(parsed(&empty).events.is_empty());
        let mut tags = BTreeSet::from([tag(&empty)]);
        let mut changed = async |what: &str| {
            let answer = world.http.get(&at).header("if-none-match", tags.last().unwrap().as_str()).send().await;
            assert!(answer.status == 200 && tags.insert(tag(&answer)), "{what}: {answer:?}");
            let known = tag(&answer);
            for named in [known.clone(), format!("W/{known}"), format!("\"other\", {known}"), "*".to_owned()] {
                let same = world.http.get(&at).header("if-none-match", &named).send().await;
                assert_eq!((same.status, same.body.len(), same.header("content-type")), (304, 0, None), "{what}: {same:?}");
                assert_eq!((tag(&same), same.header("cache-control")), (known.clone(), Some("private, max-age=300")));
            }
            let head = world.http.request("HEAD", &at).send().await;
            assert_eq!((head.status, head.body.len(), tag(&head)), (200, 0, known.clone()), "{what}: {head:?}");
            assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
            let head = world.http.request("HEAD", &at).header("if-none-match", known).send().await;
            assert_eq!(head.status, 304, "{what}");
            parsed(&answer)
        };
        let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, 0)});
        let booking = nakheel.post(BOOKINGS, body).await.expect(201)["data"].clone();
        let of_booking = format!("{BOOKINGS}/{}", booking["id"]);
        assert_eq!(changed("a booking").await.events.len(), 1);
        let mut last = booking["updated_at"].clone();
        for (what, path, change) in [
            ("another time", &of_booking, json!({"starts_at": bookable_time(&world, 4)})),
            ("notes", &of_booking, json!({"notes": "Comes alone."})),
            ("the contact's name", &format!("/api/v1/contacts/{sarah}"), json!({"name": "Sarah Johnson"})),
            ("the resource's name", &format!("{RESOURCES}/{resource}"), json!({"name": "Front desk"})),
            ("the type's name", &format!("{BOOKINGS}/types/{kind}"), json!({"name": "Visit"})),
        ] {
            world.clock.advance(Duration::from_secs(2));
            let updated_at = nakheel.put(path, change).await.expect(200)["data"]["updated_at"].clone();
            assert!(updated_at.as_str() > last.as_str());
            let calendar = changed(what).await;
            assert_eq!(value(&calendar.events[0], "LAST-MODIFIED"), compact(&updated_at), "{what}");
            last = updated_at;
        }
        nakheel.patch("/api/v1/account", json!({"company_name": "Nakheel Dates"})).await.expect(200);
        assert_eq!(said_by(&changed("the company's name").await, "NAME"), "Nakheel Dates");
    }

    async fn a_calendar_follows_what_becomes_of_bookings(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (kind, resource) = bookable(&nakheel, 9).await;
        let url = nakheel.post(FEEDS, json!({})).await.expect(201)["data"]["url"].clone();
        let book = async |slot: u32, more: Value| {
            let body = json!({"contact_id": sarah, "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, slot)});
            nakheel.post(BOOKINGS, with(&body, &more)).await.expect(201)["data"]["id"].clone()
        };
        let put = async |id: &Value, change: Value| nakheel.put(&format!("{BOOKINGS}/{id}"), change).await.expect(200)["data"].clone();
        let event = async |id: &Value| {
            let calendar = read(&world, &url).await;
            calendar.events.into_iter().find(|event| value(event, "UID").starts_with(&format!("booking-{id}@")))
        };
        let sequence = |event: &Option<IcalEvent>| value(event.as_ref().unwrap(), "SEQUENCE").parse::<u32>().unwrap();

        let moving = book(0, json!({})).await;
        let mut before = event(&moving).await;
        assert_eq!(sequence(&before), 0);
        for slot in [2, 1] {
            let moved = put(&moving, json!({"starts_at": bookable_time(&world, slot)})).await;
            let after = event(&moving).await;
            assert_eq!(value(after.as_ref().unwrap(), "DTSTART"), compact(&moved["starts_at"]));
            assert!(sequence(&after) > sequence(&before), "a program must know which one is newer");
            before = after;
        }
        put(&moving, json!({"notes": "Comes alone."})).await;
        assert_eq!(sequence(&event(&moving).await), sequence(&before), "it takes place as it did");

        let cancelled = book(3, json!({})).await;
        assert!(event(&cancelled).await.is_some());
        nakheel.post(&format!("{BOOKINGS}/{cancelled}/cancel"), json!({})).await.expect(200);
        assert!(event(&cancelled).await.is_none());

        let (held, kept) = (book(4, json!({"hold_minutes": 10})).await, book(5, json!({"hold_minutes": 10})).await);
        for id in [&held, &kept] {
            assert_eq!(value(event(id).await.as_ref().unwrap(), "STATUS"), "TENTATIVE");
        }
        put(&kept, json!({"status": "confirmed"})).await;
        let confirmed = event(&kept).await;
        assert_eq!((value(confirmed.as_ref().unwrap(), "STATUS").as_str(), sequence(&confirmed)), ("CONFIRMED", 1));
        // What would notice that the hold is over is gone.
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("DELETE FROM job WHERE workspace_id = $1", args![nakheel.id]).await.unwrap();
        tx.commit().await.unwrap();
        world.clock.advance(Duration::from_secs(11 * 60));
        assert!(event(&held).await.is_none(), "lapsed, whoever has noticed");

        for (slot, status) in [(6, "completed"), (7, "no_show")] {
            let over = book(slot, json!({})).await;
            put(&over, json!({"status": status})).await;
            assert_eq!(value(event(&over).await.as_ref().unwrap(), "STATUS"), "CONFIRMED", "{status}");
        }
        // What is over stays for 30 days, counted by whole days.
        let ends_at = |id: Value| { let world = &world; async move {
            let ends: i64 = (&world.app.db).one("SELECT ends_at FROM booking WHERE id = $1", args![id.as_i64().unwrap()]).await.unwrap();
            Instant::from_micros(ends)
        } };
        let after_last = ends_at(moving.clone()).await.after(Duration::from_secs(30 * DAY));
        world.clock.advance(world.app.now().until(after_last));
        assert!(event(&moving).await.is_some(), "the thirtieth day is not over");
        world.clock.advance(Duration::from_secs(DAY));
        assert!(event(&moving).await.is_none());
        assert!(read(&world, &url).await.events.is_empty());

        // One that takes a week is to come until it ends.
        let week = json!({"name": "Week", "duration_minutes": 10_080, "slot_step_minutes": 5});
        let week = nakheel.post(&format!("{BOOKINGS}/types"), week).await.expect(201)["data"]["id"].clone();
        let place = json!({"name": "Hall", "type": "room", "timezone": "UTC", "hours": every_hour(), "booking_type_ids": [week]});
        let place = nakheel.post(RESOURCES, place).await.expect(201)["data"]["id"].clone();
        let long = book(0, json!({"booking_type_id": week, "resource_id": place})).await;
        let end = ends_at(long.clone()).await;
        world.clock.advance(world.app.now().until(end.before(Duration::from_secs(60))));
        assert!(event(&long).await.is_some());
        world.clock.advance(Duration::from_secs(29 * DAY));
        assert!(event(&long).await.is_some());
    }

    async fn whatever_people_write_stays_in_its_line(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (kind, resource) = bookable(&nakheel, 50).await;
        let forged = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:forged\r\nSUMMARY:forged";
        let long = "سارة تأتي مع أختها إلى الموعد، ".repeat(300);
        let texts = [
            "a, b; c\\ d: \"e\" = f", "ends with \\", "\\n is no line break", "one\ntwo\r\nthree", "سارة الأحمد – موعدها غدًا", "لَيْلَى\u{200f}ـ\u{200e} مَرْوان",
            "👩🏽‍💻👨‍👩‍👧‍👦🇸🇦", &"x".repeat(300), &"é ".repeat(200), &"👋🏽".repeat(60), forged, "BEGIN:VALARM", "a\u{b}b\u{c}c\u{85}d\u{2028}e\u{2029}f",
            "tab\there", "bell\u{7} escape\u{1b}[31m delete\u{7f}", "\u{feff}edge 漢字", &long,
        ];
        let mut feeds = Vec::new();
        for (n, text) in (0_u32..).zip(texts) {
            let name: String = text.chars().take(200).collect();
            let contact = nakheel.contact(&name, &format!("+1415555{n:04}")).await;
            let body = json!({"contact_id": contact["id"], "booking_type_id": kind, "resource_id": resource, "starts_at": bookable_time(&world, n), "notes": text});
            let booking = nakheel.post(BOOKINGS, body).await.expect(201)["data"].clone();
            let feed = nakheel.post(FEEDS, json!({"name": name})).await.expect(201)["data"].clone();
            feeds.push((booking, contact, feed));
        }
        let calendar = read(&world, &feeds[0].2["url"]).await;
        assert_eq!(calendar.events.len(), texts.len());
        for (event, (booking, contact, feed)) in calendar.events.iter().zip(&feeds) {
            let shown = |text: &Value| as_shown(text.as_str().unwrap());
            assert_eq!(value(event, "SUMMARY"), shown(&booking["title"]));
            let who = format!("{}\n{}\nSwitchboard", shown(&contact["name"]), contact["phone"].as_str().unwrap());
            assert_eq!(value(event, "DESCRIPTION"), format!("{who}\n\n{}", cut(shown(&booking["notes"]))));
            let named = read(&world, &feed["url"]).await;
            assert_eq!([said_by(&named, "NAME"), said_by(&named, "X-WR-CALNAME")], [shown(&feed["name"]), shown(&feed["name"])]);
        }
        // A type's, a resource's and a partner's name stand in lines of their own.
        let odd = "Room; \"2\", North\\South 👋🏽 غرفة";
        let of = |path: &str, id: &Value| format!("{BOOKINGS}/{path}/{id}");
        nakheel.put(&of("resources", &resource), json!({"name": odd, "type": "room"})).await.expect(200);
        nakheel.put(&of("types", &kind), json!({"name": odd})).await.expect(200);
        let calendar = read(&world, &feeds[0].2["url"]).await;
        assert_eq!([value(&calendar.events[0], "LOCATION"), value(&calendar.events[0], "CATEGORIES")], [odd, odd]);
    }

    async fn an_address_that_opens_nothing_any_more_is_like_one_that_never_did(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("nakheel", "business").await;
        let other = world.workspace("other").await;
        let (_, resource) = bookable(&nakheel, 1).await;
        let make = async |body: Value| nakheel.post(FEEDS, body).await.expect(201)["data"].clone();
        let closed = async |url: &str, why: &str| {
            for method in ["GET", "HEAD"] {
                let answer = world.http.request(method, world.local(url)).header("if-none-match", "*").send().await;
                assert_eq!((answer.status, answer.header("etag")), (404, None), "{why}: {answer:?}");
                if method == "GET" {
                    let mut problem = answer.json();
                    problem.as_object_mut().unwrap().remove("request_id");
                    assert_eq!(problem, json!({"success": false, "message": "Resource not found.", "code": "not_found"}), "{why}");
                }
            }
        };
        let open = async |url: &str| assert_eq!(world.http.get(world.local(url)).send().await.status, 200);
        let feed = make(json!({"name": "Ours"})).await;
        let url = feed["url"].as_str().unwrap().to_owned();
        open(&url).await;
        let swapped = url.replace(".ics", "").chars().rev().collect::<String>();
        let odd = [
            url.replace(".ics", ""), url.replace(".ics", ".ICS"), url.replace(".ics", ".ics/"), url.replace("cal_", "CAL_"), url.replace("cal_", "inv_"),
            url.replace("cal_", "cal%5F"), format!("{PUBLIC_URL}/calendars/.ics"), format!("{PUBLIC_URL}/calendars/%00.ics"), format!("{PUBLIC_URL}/calendars/{}.ics", nakheel.key()),
            format!("{PUBLIC_URL}/calendars/{swapped}.ics"),
        ];
        for odd in &odd {
            closed(odd, odd).await;
        }
        let posted = world.http.post(world.local(&url)).send().await;
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET,HEAD")), "{posted:?}");

        // Somebody else's feed is nobody's.
        let of_feed = format!("{FEEDS}/{}", feed["id"]);
        for answer in [other.get(&of_feed).await, other.post(&format!("{of_feed}/regenerate"), json!({})).await, other.delete(&of_feed).await] {
            assert_eq!(answer.expect(404)["message"], "Calendar feed not found.");
        }
        let foreign = other.post(FEEDS, json!({"resource_id": resource})).await.expect(422);
        assert_eq!(foreign["errors"], json!({"resource_id": ["The selected resource id is invalid."]}));
        open(&url).await;

        let again = nakheel.post(&format!("{of_feed}/regenerate"), json!({})).await.expect(200)["data"].clone();
        holds(&again, &json!({"id": feed["id"], "name": "Ours", "last_read_at": null}));
        closed(&url, "it has another address").await;
        let url = again["url"].as_str().unwrap().to_owned();
        open(&url).await;
        let deleted = make(json!({})).await;
        nakheel.delete(&format!("{FEEDS}/{}", deleted["id"])).await.expect(204);
        nakheel.delete(&format!("{FEEDS}/{}", deleted["id"])).await.expect(404);
        closed(deleted["url"].as_str().unwrap(), "it is deleted").await;

        let of_resource = make(json!({"resource_id": resource})).await;
        open(of_resource["url"].as_str().unwrap()).await;
        nakheel.delete(&format!("{RESOURCES}/{resource}")).await.expect(204);
        closed(of_resource["url"].as_str().unwrap(), "its resource is gone").await;
        assert_eq!(nakheel.get(FEEDS).await.expect(200)["data"].as_array().unwrap().len(), 1, "and so is it");
        nakheel.post(FEEDS, json!({"resource_id": resource})).await.expect(422);

        let booking = async |has: bool| {
            let mut tx = world.app.db.begin().await.unwrap();
            tx.exec("UPDATE plan SET booking = $1 WHERE slug = 'business'", args![has]).await.unwrap();
            tx.commit().await.unwrap();
        };
        booking(false).await;
        closed(&url, "the plan has no bookings").await;
        booking(true).await;
        open(&url).await;
        let of_client = format!("/api/v1/partner/clients/{}", client["id"]);
        rawabi.post(&format!("{of_client}/suspend"), json!({})).await.expect(200);
        closed(&url, "the workspace is suspended").await;
        rawabi.post(&format!("{of_client}/reactivate"), json!({})).await.expect(200);
        open(&url).await;
        rawabi.delete(&of_client).await.expect(204);
        closed(&url, "the workspace is deleted").await;
    }

    async fn a_workspace_has_a_hundred_feeds_and_no_more(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let makers: Vec<_> = (0..104).map(|n| {
            let nakheel = nakheel.clone();
            tokio::spawn(async move { nakheel.post(FEEDS, json!({"name": format!("Feed {n}")})).await })
        }).collect();
        let mut made = 0;
        for maker in makers {
            let answer = maker.await.unwrap();
            if answer.status == 201 {
                made += 1;
            } else {
                assert_eq!(answer.expect(422)["errors"], json!({"name": ["You can have at most 100 calendar feeds."]}));
            }
        }
        assert_eq!((made, nakheel.get(FEEDS).await.expect(200)["data"].as_array().unwrap().len()), (100, 100));
    }

    async fn a_calendar_shows_what_is_nearest_when_there_is_too_much(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].as_i64().unwrap();
        let (kind, resource) = bookable(&nakheel, 1).await;
        let (kind, resource) = (kind.as_i64().unwrap(), resource.as_i64().unwrap());
        let url = nakheel.post(FEEDS, json!({})).await.expect(201)["data"]["url"].clone();
        // One every quarter of an hour, in no order: 8,000 that are over, and 5,000 to come.
        let (hour, now) = (3_600_000_000_i64, world.app.now().micros());
        let mut tx = world.app.db.begin().await.unwrap();
        let insert = "WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 12999)
            INSERT INTO booking (workspace_id, contact_id, booking_type_id, resource_id, title, starts_at, ends_at, timezone, local_starts_at, status, created_at, updated_at)
            SELECT $1, $2, $3, $4, 'Call', CAST($5 AS BIGINT) + (i * 7919 % 13000 - 8000) * CAST($6 AS BIGINT), $5 + (i * 7919 % 13000 - 8000) * $6 + CAST($7 AS BIGINT), 'UTC', '', CASE WHEN i * 7919 % 13000 < 8000 THEN 'completed' ELSE 'confirmed' END, $5, $5 FROM n";
        tx.exec(insert, args![nakheel.id, sarah, kind, resource, now, hour / 4, hour / 8]).await.unwrap();
        tx.commit().await.unwrap();
        let began = std::time::Instant::now();
        let answer = world.http.get(world.local(url.as_str().unwrap())).send().await;
        println!("{:?}: {} KiB of calendar in {:?}", world.engine, answer.body.len() / 1024, began.elapsed());
        let calendar = parsed(&answer);
        let starts: Vec<String> = calendar.events.iter().map(|event| value(event, "DTSTART")).collect();
        assert!(starts.is_sorted(), "by start");
        let at = |quarters: i64| compact(&Instant::from_micros(now + quarters * (hour / 4)).to_string().into());
        assert_eq!((starts.len(), &starts[0], &starts[4999]), (5_000, &at(-1_000), &at(3_999)));
    }
}

on_both_houses! {
    async fn what_opens_a_calendar_is_not_in_the_log(house: House) {
        let mut house = house;
        house.set("SKYLIGHT_LOG", "trace");
        let server = house.serve().await;
        let partner = house.partner(&server.base(), "rawabi").await;
        let (_, nakheel) = partner.client("nakheel", "business").await;
        let url = nakheel.post(FEEDS, json!({})).await.expect(201)["data"]["url"].as_str().unwrap().replace(PUBLIC_URL, &server.base());
        let hook = house.whatsapp(&nakheel, 1).await.hook;
        let token = url.rsplit('/').next().unwrap().strip_suffix(".ics").unwrap();
        for (address, status) in [(url.clone(), 200), (format!("{url}/more"), 404), (url.replace(".ics", ""), 404), (server.url(&hook), 403)] {
            assert_eq!(house.http.get(address).send().await.status, status);
        }
        let metrics = house.http.get(server.url("/metrics")).send().await.text();
        assert!(metrics.contains("/calendars/{file}"), "{metrics}");
        let log = until("the log tells of the last request", async || {
            let log = server.log();
            if log.contains("/metrics") { Ok(log) } else { Err("not yet".to_owned()) }
        }).await;
        assert!(log.contains("/calendars/cal_…"), "requests are logged");
        for secret in [token, hook.rsplit('/').next().unwrap()] {
            // A good part of it would do for who wants to guess the rest.
            for part in secret.as_bytes().chunks(16).filter(|part| part.len() == 16) {
                let part = std::str::from_utf8(part).unwrap();
                let line = [log.as_str(), &metrics].iter().flat_map(|text| text.lines()).find(|line| line.contains(part)).map(str::to_owned);
                assert_eq!(line, None, "{part}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_and_greed_are_limited() {
    let world = World::start_with(Engine::Sqlite, &[("rate_limit_per_minute", "20")]).await;
    let nakheel = world.workspace("nakheel").await;
    let url = nakheel.post(FEEDS, json!({})).await.expect(201)["data"]["url"].clone();
    let at = world.local(url.as_str().unwrap());
    for _ in 0..20 {
        assert_eq!(world.http.get(&at).send().await.status, 200);
    }
    let refused = world.http.get(&at).send().await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true), "{refused:?}");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.http.get(&at).send().await.status, 200);
    for _ in 0..20 {
        assert_eq!(world.http.get(at.replace("cal_", "cal_x")).send().await.status, 404);
    }
    assert_eq!(world.http.get(at.replace("cal_", "cal_x")).send().await.status, 429, "who guesses waits");
}

/// Notes as calendars show them.
fn cut(notes: String) -> String {
    let shown: String = notes.chars().take(2_000).collect();
    if shown == notes { notes } else { shown + "…" }
}

fn every_hour() -> Value {
    (1..=7).map(|day| json!({"weekday": day, "from": "00:00", "to": "24:00"})).collect()
}

async fn read(world: &World, url: &Value) -> IcalCalendar {
    parsed(&world.http.get(world.local(url.as_str().unwrap())).send().await)
}
