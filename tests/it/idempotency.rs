//! `Idempotency-Key`: what a client may repeat when it does not know whether it was heard.

use crate::on_both_engines;
use crate::stored;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight::http::idempotency::forget_old;
use skylight_db::{Read, args};
use skylight_test_support::http::HttpResponse;
use skylight_test_support::postgres;
use skylight_test_support::wait::eventually;
use std::time::Duration;
use tokio::task::JoinSet;

const CONTACTS: &str = "/api/v1/contacts";

on_both_engines! {
    async fn a_repetition_gets_the_stored_answer_and_does_nothing(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let contact = nakheel.contact("Omar", "+14155550001").await["id"].clone();
        let gone = nakheel.contact("Gone", "+14155550002").await["id"].clone();
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let admin = json!({"first_name": "Khalid", "last_name": "Nasser", "email": "khalid@gulflogistics.sa"});
        let webhook = json!({"name": "CRM", "url": world.receiver.url("/crm"), "events": ["contact.deleted"]});
        let writes = [
            (&nakheel, "POST", CONTACTS.to_owned(), person("+14155551234"), 201),
            (&nakheel, "POST", "/api/v1/webhooks".to_owned(), webhook, 201),
            (&nakheel, "PUT", format!("{CONTACTS}/{contact}"), json!({"name": "Omar Ali"}), 200),
            (&nakheel, "POST", format!("{CONTACTS}/{contact}/blacklist"), Value::Null, 200),
            (&nakheel, "DELETE", format!("{CONTACTS}/{gone}"), Value::Null, 204),
            (&partner, "POST", keys, json!({"name": "CRM"}), 201),
            (&partner, "POST", "/api/v1/partner/clients".to_owned(), json!({"company_name": "Gulf", "plan": "pro", "admin": admin}), 201),
            (&partner, "PATCH", format!("/api/v1/partner/clients/{}", client["id"]), json!({"company_name": "Palms"}), 200),
        ];
        for (number, (who, method, path, body, status)) in writes.iter().enumerate() {
            let key = format!("write-{number}");
            let first = keyed(who, method, path, body, &key).await;
            assert_eq!(first.status, *status, "{method} {path}: {first:?}");
            assert!(first.header("idempotent-replayed").is_none());
            let before = stored::rows(&world).await;
            for _ in 0..2 {
                let again = keyed(who, method, path, body, &key).await;
                assert_eq!((again.status, &again.body), (first.status, &first.body), "{method} {path}");
                assert_eq!(again.header("idempotent-replayed"), Some("true"));
                assert_eq!(again.header("content-type"), first.header("content-type"));
                assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
            }
            stored::assert_same(&before, &stored::rows(&world).await);
        }
    }

    async fn another_request_with_the_same_key_is_refused(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let first = keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "one").await.expect(201)["data"]["id"].clone();
        let others = [
            ("POST", CONTACTS.to_owned(), person("+14155551235")),
            ("POST", format!("{CONTACTS}?x=1"), person("+14155551234")),
            ("POST", "/api/v1/webhooks".to_owned(), person("+14155551234")),
            ("PUT", format!("{CONTACTS}/{first}"), person("+14155551234")),
            ("DELETE", format!("{CONTACTS}/{first}"), Value::Null),
        ];
        let before = stored::rows(&world).await;
        for (method, path, body) in others {
            let refused = keyed(&nakheel, method, &path, &body, "one").await.expect(422);
            assert_eq!(refused["errors"]["Idempotency-Key"], json!(["The Idempotency-Key was used for another request."]));
            assert_eq!(refused["code"], "invalid");
        }
        // Reading is always safe, and no business of the key.
        keyed(&nakheel, "GET", CONTACTS, &Value::Null, "one").await.expect(200);
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn of_twenty_requests_at_once_one_is_carried_out(world: World) {
        let partner = world.partner("rawabi").await;
        let (_, nakheel) = partner.client("Nakheel", "business").await;
        let answers = at_once(&nakheel, CONTACTS, &person("+14155551234"), "race").await;
        let made = agreed(&answers);
        let found = nakheel.get(CONTACTS).await.expect(200);
        assert_eq!((found["meta"]["total"].as_i64(), &found["data"][0]["id"]), (Some(1), &made["data"]["id"]));

        let admin = json!({"first_name": "Khalid", "last_name": "Nasser", "email": "khalid@gulflogistics.sa"});
        let body = json!({"company_name": "Gulf Logistics", "plan": "pro", "admin": admin});
        let answers = at_once(&partner, "/api/v1/partner/clients", &body, "race").await;
        agreed(&answers);
        assert_eq!(partner.get("/api/v1/partner/clients").await.expect(200)["meta"]["total"], 2);
        // Whoever was told to wait gets the answer now.
        let late = keyed(&partner, "POST", "/api/v1/partner/clients", &body, "race").await;
        assert_eq!(late.header("idempotent-replayed"), Some("true"));
        late.expect(201);
    }

    async fn what_was_refused_may_be_sent_again_better(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let path = format!("/api/v1/partner/clients/{}", client["id"]);
        keyed(&nakheel, "POST", CONTACTS, &json!({"name": "Sarah"}), "a").await.expect(422);
        keyed(&nakheel, "PUT", "/api/v1/contacts/999999", &json!({"name": "Sarah"}), "a").await.expect(404);
        let text = nakheel.http.post(format!("{}{CONTACTS}", nakheel.base)).header("X-Api-Key", nakheel.key())
            .header("Idempotency-Key", "a");
        text.clone().header("content-type", "text/plain").bytes("name").send().await.expect(415);
        text.header("content-type", "application/json").bytes("{").send().await.expect(400);
        partner.post(&format!("{path}/suspend"), json!({})).await.expect(200);
        keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "a").await.expect(403);
        partner.post(&format!("{path}/reactivate"), json!({})).await.expect(200);
        let made = keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "a").await;
        assert!(made.header("idempotent-replayed").is_none());
        made.expect(201);
        // Since then the key stands for that answer, also when the request would fail now.
        keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "a").await.expect(201);
        keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "b").await.expect(422);
        // A suspended workspace is refused before its key is looked at.
        partner.post(&format!("{path}/suspend"), json!({})).await.expect(200);
        keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "a").await.expect(403);
    }

    async fn keys_belong_to_the_workspace_or_partner_that_uses_them(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let (_, sahara) = partner.client("Sahara", "business").await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let second = partner.post(&keys, json!({})).await.expect(201)["data"]["key"].as_str().unwrap().to_owned();
        let body = person("+14155551234");
        let here = keyed(&nakheel, "POST", CONTACTS, &body, "same").await;
        let there = keyed(&sahara, "POST", CONTACTS, &body, "same").await;
        assert!(there.header("idempotent-replayed").is_none());
        assert_ne!(here.expect(201)["data"]["id"], there.expect(201)["data"]["id"]);
        let named = keyed(&partner, "POST", &keys, &json!({"name": "X"}), "same").await;
        assert!(named.header("idempotent-replayed").is_none());
        // Two keys of one workspace are one owner.
        let shared = keyed(&nakheel.with_key("X-Api-Key", &second), "POST", CONTACTS, &body, "same").await;
        assert_eq!((shared.header("idempotent-replayed"), &shared.body), (Some("true"), &here.body));
    }

    async fn a_message_sent_with_a_key_goes_out_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        world.meta.add_number("208877665544332", "330011223344", "+966 51 234 5678", "Nakheel", "EAAG-token", "meta-app-secret");
        let credentials = json!({"phone_number_id": "208877665544332", "access_token": "EAAG-token", "app_secret": "meta-app-secret"});
        nakheel.post("/api/v1/channels", json!({"type": "whatsapp", "credentials": credentials})).await.expect(201);
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let body = json!({"contact_id": contact, "content": "Your table is booked for 19:30."});
        let answers = at_once(&nakheel, "/api/v1/messages/send", &body, "booking-77").await;
        let message = agreed(&answers);
        assert_eq!(message["data"]["contact_id"].as_i64().or(contact.as_i64()), contact.as_i64());
        world.meta.wait_for_sends(1).await;
        keyed(&nakheel, "POST", "/api/v1/messages/send", &body, "booking-77").await.expect(201);
        stored::rows(&world).await;
        assert_eq!(world.meta.sends().len(), 1);
        let history = nakheel.get(&format!("{CONTACTS}/{contact}/messages")).await.expect(200);
        assert_eq!(history["meta"]["total"], 1);
    }

    async fn a_key_is_up_to_255_printable_characters(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for (number, good) in ["x", "0c9d7f0e-1111-4222-8333-abcdefabcdef", "a b/c:~!", &"k".repeat(255)].iter().enumerate() {
            keyed(&nakheel, "POST", CONTACTS, &person(&format!("+1415555000{number}")), good).await.expect(201);
        }
        let before = stored::rows(&world).await;
        for bad in ["", &"k".repeat(256), "sch\u{f6}n", "\u{645}", "a\tb"] {
            let refused = keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), bad).await;
            assert_eq!(refused.status, 422, "{bad:?}: {refused:?}");
            assert!(refused.json()["errors"]["Idempotency-Key"].is_array(), "{bad:?}");
        }
        let twice = nakheel.http.post(format!("{}{CONTACTS}", nakheel.base)).header("X-Api-Key", nakheel.key())
            .header("Idempotency-Key", "a").header("Idempotency-Key", "b").json(&person("+14155551234"));
        assert!(twice.send().await.expect(422)["errors"]["Idempotency-Key"].is_array());
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn answers_are_kept_for_a_day_at_least_and_not_for_ever(world: World) {
        let nakheel = world.workspace("nakheel").await;
        keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "old").await.expect(201);
        world.clock.advance(Duration::from_secs(24 * 60 * 60));
        forget_old(&world.app).await.unwrap();
        keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "old").await.expect(201);
        world.clock.advance(Duration::from_secs(48 * 60 * 60));
        forget_old(&world.app).await.unwrap();
        keyed(&nakheel, "POST", CONTACTS, &person("+14155551234"), "old").await.expect(422);
    }

    async fn a_request_that_gives_way_to_another_is_run_again(world: World) {
        // The embedded database has one writer: nobody there waits in a circle.
        let Some(database) = world.app.config.database_url.clone() else { return };
        let partner = world.partner("rawabi").await;
        let (client, _) = partner.client("Nakheel", "pro").await;
        let (id, path) = (client["id"].clone(), format!("/api/v1/partner/clients/{}", client["id"]));
        partner.patch(&path, json!({"plan": "business"})).await.expect(200);
        let other = postgres::connect(database.reveal()).await;
        let lane = format!("BEGIN; UPDATE job_lane SET fence = fence WHERE kind = 'workspaces.plan_change' AND key = {id}");
        let circle = format!("UPDATE workspace SET slug = slug WHERE id = {id}");
        let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut gave_way = false;
        let mut changes = 1;
        while !gave_way {
            changes += 1;
            assert!(changes < 12, "the request never gave way");
            // Somebody holds the lane of the plan change, which the request takes after the workspace …
            other.batch_execute(&lane).await.unwrap();
            let (who, path, name) = (partner.clone(), path.clone(), format!("Palms {changes}"));
            // Another plan than the one that waits: only then is the lane taken.
            let plan = if changes % 2 == 0 { "starter" } else { "business" };
            let change = json!({"company_name": name, "plan": plan});
            let key = format!("change-{changes}");
            let request = tokio::spawn(async move { keyed(&who, "PATCH", &path, &change, &key).await });
            eventually("the request waits for the lane", async || {
                (!other.query(waiting, &[]).await.unwrap().is_empty()).then_some(())
            }).await;
            // … and now wants the workspace: the circle is closed. PostgreSQL sends away one of the two.
            gave_way = other.batch_execute(&circle).await.is_ok();
            other.batch_execute("COMMIT").await.unwrap();
            assert_eq!(request.await.unwrap().expect(200)["data"]["company_name"], name);
        }
        let told = "SELECT COUNT(*) FROM event WHERE kind = 'partner.client.updated'";
        assert_eq!((&world.app.db).one::<i64>(told, args![]).await.unwrap(), changes, "nothing of a first try was kept");
    }

    async fn secrets_in_stored_answers_are_sealed(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, _) = partner.client("Nakheel", "business").await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let issued = keyed(&partner, "POST", &keys, &json!({}), "once").await.expect(201);
        let bodies: Vec<String> = (&world.app.db).all("SELECT body FROM idempotency", args![]).await.unwrap();
        assert_eq!(bodies.len(), 1);
        assert!(!bodies[0].contains(issued["data"]["key"].as_str().unwrap()) && !bodies[0].contains("sk_live_"));
        assert_eq!(keyed(&partner, "POST", &keys, &json!({}), "once").await.expect(201), issued);
    }

    async fn what_is_kept_of_a_request_tells_nothing_of_its_password(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let body = json!({"name": "Huda", "email": "huda@nakheel.example", "role": "agent", "password": "weak enough"});
        let made = keyed(&nakheel, "POST", "/api/v1/team", &body, "join").await;
        made.expect(201);
        let digest = async || -> Vec<u8> { (&world.app.db).one("SELECT digest FROM idempotency", args![]).await.unwrap() };
        let first = digest().await;
        assert_eq!(keyed(&nakheel, "POST", "/api/v1/team", &body, "join").await.body, made.body);
        keyed(&nakheel, "POST", "/api/v1/team", &json!({"name": "Huda"}), "join").await.expect(422);
        // The same request under the same key is digested otherwise each time it is stored: there is nothing to guess by.
        nakheel.delete(&format!("/api/v1/team/{}", made.json()["data"]["id"])).await.expect(204);
        world.clock.advance(Duration::from_secs(72 * 60 * 60));
        forget_old(&world.app).await.unwrap();
        keyed(&nakheel, "POST", "/api/v1/team", &body, "join").await.expect(201);
        assert_ne!(digest().await, first);
    }
}

fn person(phone: &str) -> Value {
    json!({"name": "Sarah", "phone": phone, "type": "whatsapp"})
}

async fn keyed(who: &Actor, method: &str, path: &str, body: &Value, key: &str) -> HttpResponse {
    let (header, credential) = who.credential.as_ref().unwrap();
    let mut request = who.http.request(method, format!("{}{path}", who.base)).header(*header, credential.as_str());
    if !body.is_null() {
        request = request.json(body);
    }
    request.header("Idempotency-Key", key).send().await
}

async fn at_once(who: &Actor, path: &str, body: &Value, key: &str) -> Vec<HttpResponse> {
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let (who, path, body, key) = (who.clone(), path.to_owned(), body.clone(), key.to_owned());
        requests.spawn(async move { keyed(&who, "POST", &path, &body, &key).await });
    }
    requests.join_all().await
}

/// Everybody got the one answer, or was told to come back; one of the answers is the first.
#[track_caller]
fn agreed(answers: &[HttpResponse]) -> Value {
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count(), 1);
    for answer in answers {
        if answer.status == 201 {
            assert_eq!(answer.body, made[0].body);
        } else {
            assert_eq!(answer.expect(409)["code"], "request_in_progress");
            assert!(answer.header("retry-after").is_some());
        }
    }
    made[0].json()
}
