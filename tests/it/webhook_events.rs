//! What receivers are told: the catalogue of events says what is sent, and what is sent stays the same bytes in Node.

use crate::documented::compare;
use crate::on_both_engines;
use crate::world::World;
use serde_json::{Value, json};
use skylight_test_support::receiver::{assert_signed, node_roundtrip};
use std::collections::BTreeMap;
use std::time::Duration;

const WORKSPACE: [&str; 10] = [
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "message.received",
    "message.sent",
    "booking.created",
    "booking.updated",
    "booking.cancelled",
    "booking.completed",
    "ticket.created",
];

/// Texts that writers of JSON disagree about.
const ODD: [&str; 9] = [
    "مرحبا بكم في متجرنا",
    "👋🏽 👨‍👩‍👧‍👦 🇸🇦",
    "line\u{2028}paragraph\u{2029}end",
    "tab\tnewline\nreturn\rback\u{8}feed\u{c}bell\u{7}escape\u{1b}unit\u{1f}",
    "delete\u{7f}next\u{85}nbsp\u{a0}bom\u{feff}",
    "quote\" slash/ backslash\\ </script> <!-- &amp;",
    "\u{10ffff}\u{e000}\u{fffd}",
    "__proto__",
    "1e21 1.0 -0 9007199254740993",
];

on_both_engines! {
    async fn the_catalogue_says_what_is_sent(world: World) {
        let rawabi = world.partner("rawabi").await;
        rawabi.put("/api/v1/partner/webhook", json!({"url": world.receiver.url("/partner")})).await.expect(200);
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let listed = nakheel.get("/api/v1/webhooks/events").await.expect(200)["data"].clone();
        let of_partner = rawabi.get("/api/v1/partner/webhook/events").await.expect(200)["data"].clone();
        let names: Vec<_> = listed.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(names, WORKSPACE);
        assert_eq!(of_partner.as_array().unwrap().len(), 7);
        let all: BTreeMap<_, _> = listed.as_array().unwrap().iter().chain(of_partner.as_array().unwrap())
            .map(|event| (event["event"].as_str().unwrap().to_owned(), event.clone())).collect();
        for event in all.values() {
            assert_eq!(event["sample"]["event"], event["event"]);
            assert!(event["description"].as_str().unwrap().ends_with('.'));
            fits(event, &event["sample"]);
            // Nothing of it is open: a key that nobody sends, or one that is missing, is told.
            for place in ["", "/data"] {
                let mut more = event["sample"].clone();
                more.pointer_mut(place).unwrap()["unheard_of"] = json!(1);
                assert!(!faults(event, &more).is_empty(), "{event}");
            }
            let mut less = event["sample"].clone();
            less.as_object_mut().unwrap().remove("delivery_id");
            assert!(!faults(event, &less).is_empty());
        }

        // Each that happens, as it is sent.
        nakheel.webhook(&world.receiver.url("/all"), &["*"]).await;
        let channel = nakheel.sandbox().await;
        let contact = nakheel.contact("ليلى", "+14155551234").await;
        let path = format!("/api/v1/contacts/{}", contact["id"]);
        nakheel.put(&path, json!({"email": "leila@example.com", "tags": ["vip"]})).await.expect(200);
        nakheel.post(&format!("/api/v1/channels/{channel}/simulate"), json!({"from": "+14155551234", "content": "?"})).await.expect(201);
        nakheel.post("/api/v1/messages/send", json!({"contact_id": contact["id"], "content": "!"})).await.expect(201);
        nakheel.post("/api/v1/tickets", json!({"subject": "Invoice", "body": "?"})).await.expect(201);
        let (kind, resource) = crate::cast::bookable(&nakheel, 2).await;
        for end in ["cancelled", "completed"] {
            let booking = json!({
                "contact_id": contact["id"], "booking_type_id": kind, "resource_id": resource,
                "starts_at": crate::cast::bookable_time(&world, 0),
            });
            let booking = nakheel.post("/api/v1/bookings", booking).await.expect(201)["data"]["id"].clone();
            nakheel.put(&format!("/api/v1/bookings/{booking}"), json!({"status": end})).await.expect(200);
        }
        world.receiver.wait_for_event("booking.completed", 1).await;
        world.receiver.wait_for_event("message.sent", 1).await;
        nakheel.delete(&path).await.expect(204);
        world.receiver.wait_for_event("contact.deleted", 1).await;
        let of_client = format!("/api/v1/partner/clients/{}", client["id"]);
        nakheel.delete(&format!("/api/v1/channels/{channel}")).await.expect(204);
        rawabi.patch(&of_client, json!({"plan": "pro"})).await.expect(200);
        rawabi.post(&format!("{of_client}/suspend"), json!({})).await.expect(200);
        rawabi.post(&format!("{of_client}/reactivate"), json!({})).await.expect(200);
        rawabi.delete(&of_client).await.expect(204);
        world.receiver.wait_for_event("partner.client.deleted", 1).await;
        let mut heard: Vec<_> = world.receiver.deliveries().into_iter().map(|delivery| {
            fits(&all[&delivery.event], &delivery.json);
            delivery.event.clone()
        }).collect();
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), 10 + 7, "{heard:?}");
    }

    async fn what_is_sent_stays_the_same_bytes_in_node(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rawabi = world.partner("rawabi").await;
        let channel = nakheel.sandbox().await;
        let hook = nakheel.webhook(&world.receiver.url("/nested"), &["*"]).await;
        let flat = json!({"name": "flat", "url": world.receiver.url("/flat"), "events": ["*"], "payload_version": "2026-04"});
        nakheel.post("/api/v1/webhooks", flat).await.expect(201);
        rawabi.put("/api/v1/partner/webhook", json!({"url": world.receiver.url("/partner")})).await.expect(200);
        for (number, text) in ODD.iter().enumerate() {
            let phone = format!("+96650000{number:04}");
            let body = json!({"name": format!("x{text}x"), "phone": phone, "type": "whatsapp", "tags": [format!("t{number}"), "7", "1"]});
            nakheel.post("/api/v1/contacts", body).await.expect(201);
            let said = json!({"from": phone, "content": format!("x{text}x")});
            nakheel.post(&format!("/api/v1/channels/{channel}/simulate"), said).await.expect(201);
        }
        let admin = json!({"first_name": "Sara", "last_name": "Hassan", "email": "sara@clients.example"});
        let client = json!({"company_name": "شركة \u{2028} \"النخيل\" 👋", "plan": "pro", "admin": admin});
        rawabi.post("/api/v1/partner/clients", client).await.expect(201);
        let told = world.receiver.wait_for(ODD.len() * 4 + 1).await;
        for delivery in &told {
            assert_eq!(
                String::from_utf8_lossy(&node_roundtrip(&delivery.body).await), String::from_utf8_lossy(&delivery.body),
                "JSON.stringify(JSON.parse(body)) of {}", delivery.event
            );
            if delivery.path == "/nested" {
                assert_signed(hook["secret"].as_str().unwrap(), delivery);
            }
        }
        let names: Vec<_> = told.iter().filter(|d| d.path == "/nested" && d.event == "contact.created").map(|d| d.json["data"]["contact"]["name"].as_str().unwrap()).collect();
        assert!(names.iter().any(|name| name.contains('\u{2028}')) && names.iter().any(|name| name.contains('\u{1f}')), "{names:?}");
        world.receiver.no_more_than(ODD.len() * 4 + 1, Duration::from_millis(200)).await;
    }
}

#[track_caller]
fn fits(event: &Value, payload: &Value) {
    let found = faults(event, payload);
    assert!(found.is_empty(), "{}: {found:?}\n{payload}\n{event}", event["event"]);
}

fn faults(event: &Value, payload: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    compare(&event["schema"], payload, "payload", &mut faults);
    faults
}

/// The schemas are what the world's validators take them for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_are_listed_in_the_document() {
    let world = World::start(crate::world::Engine::Sqlite).await;
    let nakheel = world.workspace("nakheel").await;
    let listed = nakheel.get("/api/v1/webhooks/events").await.expect(200)["data"].clone();
    for event in listed.as_array().unwrap() {
        let name = event["event"].as_str().unwrap();
        let shown = &crate::documented::DOCUMENT["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]
            ["example"];
        assert_eq!(*shown, event["sample"], "{name}");
    }
}
