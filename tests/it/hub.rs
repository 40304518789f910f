//! The second partner API: the same partners and clients under other ids, as an existing integration calls it.

use crate::on_both_engines;
use crate::person::{PASSWORD, invitation, partner_person};
use crate::stored;
use crate::world::{Actor, World};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use skylight::cli::manage;
use skylight_db::{Read, args};
use skylight_test_support::http::raw;
use skylight_test_support::receiver::{Delivery, verify_standard_signature};
use skylight_test_support::wait::eventually;
use std::time::Duration;

/// A partner that calls the second API, and where its own things stand there.
struct Hub {
    v1: Actor,
    v2: Actor,
    id: String,
    at: String,
}

impl Hub {
    async fn of(world: &World, name: &str) -> Self {
        let v1 = world.partner(name).await;
        let id: String =
            (&world.app.db).one("SELECT public_id FROM partner WHERE id = $1", args![v1.id]).await.unwrap();
        let v2 = v1.with_key("X-API-Key", v1.key());
        Self { v1, v2, at: format!("/api/v2/partners/{id}"), id }
    }

    /// A client as the list shows it, found by its e-mail as integrations do.
    async fn client(&self, email: &str) -> Value {
        let filters = json!({"contact_user.email": email}).to_string();
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("filters", &filters).finish();
        let found = self.v2.get(&format!("{}/clients?{query}", self.at)).await.expect(200);
        assert_eq!((&found["total"], &found["count"]), (&json!(1), &json!(1)), "{found}");
        found["clients"][0].clone()
    }
}

/// What is said of a request that cannot be taken.
#[track_caller]
fn refused(answer: Value, code: u16) -> String {
    assert_eq!((&answer["meta"]["success"], &answer["meta"]["http_code"]), (&json!(false), &json!(code)), "{answer}");
    answer["meta"]["developer_message"].as_str().unwrap().to_owned()
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Whether `x-360dialog-signature` is that of the raw body: lower-case hex without a prefix.
fn is_signed(secret: &str, delivery: &Delivery) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&delivery.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    delivery.header("x-360dialog-signature") == hex
}

type Form = fn(&Value) -> bool;

/// Every documented attribute with the form of its value.
const ATTRIBUTES: &[(&str, Form)] = &[
    ("id", Value::is_string),
    ("brand_name", Value::is_string),
    ("payment_required", Value::is_boolean),
    ("logo_url", |value| value.is_string() || value.is_null()),
    ("onboarding_deeplink_add_params", Value::is_boolean),
    ("webhook_url", Value::is_string),
    ("partner_redirect_url", Value::is_string),
    ("country", Value::is_string),
    ("blocked_new_submission", Value::is_boolean),
    ("allow_client_to_add_phone_no", Value::is_boolean),
    ("settings", |value| value.is_object() || value.is_null()),
    ("billing_system", Value::is_string),
    ("publishable_key", Value::is_null),
];

on_both_engines! {
    async fn a_partner_has_every_documented_attribute_and_changes_some(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        let bare = rawabi.v2.get(&rawabi.at).await.expect(200);
        let unset = ["webhook_url", "partner_redirect_url", "country"];
        for (name, fits) in ATTRIBUTES {
            match bare.get(name) {
                Some(value) => assert!(fits(value) && !unset.contains(name), "{name} is {value}"),
                None => assert!(unset.contains(name), "{name} is missing: {bare}"),
            }
        }
        assert_eq!((&bare["id"], &bare["brand_name"], &bare["allow_client_to_add_phone_no"]), (&json!(rawabi.id), &json!("rawabi"), &json!(true)));
        manage::set_partner_defaults(&world.app, rawabi.v1.id, Some("sa"), None).await.unwrap();

        let change = json!({"webhook_url": "https://company.com/webhook", "partner_redirect_url": "https://company.com/onboarding-redirect", "allow_client_to_add_phone_no": false});
        let full = rawabi.v2.patch(&rawabi.at, change.clone()).await.expect(200);
        assert_eq!(keys(&full).len(), ATTRIBUTES.len(), "{full}");
        assert!(ATTRIBUTES.iter().all(|(name, fits)| fits(&full[name])), "{full}");
        for (name, value) in change.as_object().unwrap() {
            assert_eq!(&full[name], value);
        }
        assert_eq!(full["country"], "SA");
        // One field at a time, and nothing: what is left out stays.
        for (patch, name, value) in [
            (json!({"allow_client_to_add_phone_no": true}), "allow_client_to_add_phone_no", json!(true)),
            (json!({"webhook_url": "https://company.com/other"}), "webhook_url", json!("https://company.com/other")),
            (json!({"unknown": 5, "brand_name": "Hacked", "id": "xPA"}), "brand_name", json!("rawabi")),
        ] {
            let before = rawabi.v2.get(&rawabi.at).await.expect(200);
            let mut expected = before.clone();
            expected[name] = value;
            assert_eq!(rawabi.v2.patch(&rawabi.at, patch).await.expect(200), expected);
        }
        for (patch, field) in [
            (json!({"webhook_url": "ftp://company.com/"}), "webhook_url"),
            (json!({"webhook_url": 5}), "webhook_url"),
            (json!({"partner_redirect_url": "javascript:alert(1)"}), "partner_redirect_url"),
            (json!({"allow_client_to_add_phone_no": "maybe"}), "allow_client_to_add_phone_no"),
        ] {
            let before = stored::rows(&world).await;
            let told = refused(rawabi.v2.patch(&rawabi.at, patch).await.expect(400), 400);
            assert!(told.contains(field), "{told}");
            stored::assert_same(&before, &stored::rows(&world).await);
        }
        let emptied = rawabi.v2.patch(&rawabi.at, json!({"webhook_url": "", "partner_redirect_url": null})).await.expect(200);
        assert!(emptied.get("webhook_url").is_none() && emptied.get("partner_redirect_url").is_none(), "{emptied}");
        assert_eq!(rawabi.v2.get(&format!("{}/balance", rawabi.at)).await.expect(200), json!([{"total": 0, "currency": "eur"}]));
    }

    async fn one_key_opens_both_apis_and_neither_knows_the_others_ids(world: World) {
        let (rawabi, rival) = (Hub::of(&world, "rawabi").await, Hub::of(&world, "rival").await);
        let (client, nakheel) = rawabi.v1.client("Nakheel", "pro").await;
        let hub_client = rawabi.client("nakheel@clients.example").await;
        let id = hub_client["id"].as_str().unwrap();
        assert!(id.ends_with("CL") && rawabi.id.ends_with("PA"));
        let numbers: Vec<_> = hub_client.as_object().unwrap().iter().filter(|(_, value)| value.is_number()).collect();
        assert_eq!(numbers, [(&"max_channels".to_owned(), &json!(3))], "no id of the other API is in it");
        for path in [
            format!("/api/v1/partner/clients/{id}"), format!("/api/v1/partner/clients/{}", &id[..id.len() - 2]),
        ] {
            assert_eq!(rawabi.v1.get(&path).await.expect(404)["message"], "Client not found.");
        }
        for other in [rawabi.v1.id.to_string(), rival.id.clone(), "xPA".into(), rawabi.id.to_lowercase(), "%6b".into()] {
            let told = refused(rawabi.v2.get(&format!("/api/v2/partners/{other}")).await.expect(404), 404);
            assert_eq!(told, "Partner not found.");
        }
        for other in [client["id"].to_string(), rawabi.id.clone(), "xCL".into()] {
            let path = format!("{}/clients/{other}", rawabi.at);
            assert_eq!(refused(rawabi.v2.patch(&path, json!({})).await.expect(404), 404), "Client not found.");
        }
        assert_eq!(refused(rival.v2.patch(&format!("{}/clients/{id}", rival.at), json!({})).await.expect(404), 404), "Client not found.");
        // Whose key, and in which header, is decided by the path.
        let told = refused(world.visitor().get(&rawabi.at).await.expect(401), 401);
        assert!(told.contains("X-API-Key"), "{told}");
        refused(world.visitor().with_key("D360-API-KEY", rawabi.v1.key()).get(&rawabi.at).await.expect(401), 401);
        refused(world.visitor().with_key("x-api-key", nakheel.key()).get(&rawabi.at).await.expect(403), 403);
        refused(rawabi.v1.get(&rawabi.at).await.expect(403), 403);
        refused(rawabi.v2.get("/api/v2/nothing").await.expect(404), 404);
        refused(rawabi.v2.call("DELETE", &rawabi.at, None).await.expect(405), 405);
        manage::set_partner_active(&world.app, rawabi.v1.id, false).await.unwrap();
        assert_eq!(refused(rawabi.v2.get(&rawabi.at).await.expect(403), 403), "Your partner account is suspended.");
    }

    async fn clients_are_listed_filtered_sorted_and_cut(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        for name in ["Dune", "Atlas", "Cedar"] {
            rawabi.v1.client(name, "pro").await;
        }
        let suspended = rawabi.v1.client("Basil", "starter").await.0["id"].clone();
        rawabi.v1.post(&format!("/api/v1/partner/clients/{suspended}/suspend"), json!({})).await.expect(200);
        Hub::of(&world, "rival").await.v1.client("Eden", "pro").await;
        let list = async |query: &str| rawabi.v2.get(&format!("{}/clients?{query}", rawabi.at)).await.expect(200);
        let names = |answer: &Value| -> Vec<String> {
            answer["clients"].as_array().unwrap().iter().map(|client| client["name"].as_str().unwrap().to_owned()).collect()
        };
        let whole = list("").await;
        assert_eq!(names(&whole), ["Dune", "Atlas", "Cedar", "Basil"]);
        assert_eq!(keys(&whole), ["clients", "count", "filters", "limit", "offset", "sort", "total"]);
        assert_eq!(
            [&whole["count"], &whole["filters"], &whole["limit"], &whole["offset"], &whole["sort"], &whole["total"]],
            [&json!(4), &json!({}), &json!(50), &json!(0), &json!(["created_at"]), &json!(4)]
        );
        let dune = &whole["clients"][0];
        assert_eq!(keys(dune), [
            "contact_info", "contact_user", "created_at", "created_by", "id", "max_channels", "meta_info", "modified_at",
            "modified_by", "name", "organisation", "partner_payload", "status", "suspicious",
        ]);
        assert_eq!((&dune["status"], &whole["clients"][3]["status"]), (&json!("active"), &json!("inactive")));
        assert_eq!((&dune["max_channels"], &dune["contact_info"]["country"], &dune["meta_info"]["timezone"]), (&json!(3), &json!("SA"), &json!("Asia/Riyadh")));
        assert_eq!(dune["created_at"].as_str().unwrap().len(), "2026-02-03T10:15:00Z".len());

        let part = list("limit=1&offset=1&sort=-created_at").await;
        assert_eq!((names(&part), &part["sort"], &part["total"]), (vec!["Cedar".into()], &json!(["-created_at"]), &json!(4)));
        assert_eq!(names(&list("sort=name").await), ["Atlas", "Basil", "Cedar", "Dune"]);
        assert_eq!(names(&list("sort=-name&limit=2").await), ["Dune", "Cedar"]);
        assert_eq!(names(&list("sort=status,-name").await), ["Dune", "Cedar", "Atlas", "Basil"]);
        assert_eq!((names(&list("limit=0").await).len(), list("limit=100000").await["limit"].clone()), (0, json!(1000)));
        let filtered = async |filters: Value| {
            let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("filters", &filters.to_string()).finish();
            let found = list(&query).await;
            assert_eq!(found["filters"], filters);
            names(&found)
        };
        assert_eq!(filtered(json!({"status": "inactive"})).await, ["Basil"]);
        assert_eq!(filtered(json!({"id": dune["id"]})).await, ["Dune"]);
        assert_eq!(filtered(json!({"id": [dune["id"], "xCL"], "name": "Dune"})).await, ["Dune"]);
        assert_eq!(filtered(json!({"name": ["Cedar", "Atlas"]})).await, ["Atlas", "Cedar"]);
        assert_eq!(filtered(json!({"contact_user.email": "ATLAS@clients.example"})).await, ["Atlas"]);
        assert_eq!(filtered(json!({"contact_info.city": null, "status": "inactive"})).await, ["Basil"]);
        assert_eq!(filtered(json!({"name": "Eden"})).await.len(), 0);
        // Some build their query by hand: braces pass as they are.
        let head = format!("GET {}/clients?filters={{%22name%22:%22Dune%22}} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nConnection: close\r\n\r\n", rawabi.at, rawabi.v1.key());
        let answer = String::from_utf8(raw(world.base.strip_prefix("http://").unwrap(), head.as_bytes()).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"total\":1"), "{answer}");
        // A quote as it is does not pass the library that reads requests; it is refused before anything is looked at.
        let answer = String::from_utf8(raw(world.base.strip_prefix("http://").unwrap(), head.replace("%22", "\"").as_bytes()).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        for query in ["filters=x", "filters=%7B%22plan%22:%22pro%22%7D", "sort=plan", "limit=-1"] {
            refused(rawabi.v2.get(&format!("{}/clients?{query}", rawabi.at)).await.expect(400), 400);
        }
    }

    async fn a_client_keeps_a_payload_and_may_have_fewer_numbers_than_its_plan(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        let (_, dune) = rawabi.v1.client("Dune", "pro").await;
        let id = rawabi.client("dune@clients.example").await["id"].clone();
        let path = format!("{}/clients/{}", rawabi.at, id.as_str().unwrap());
        world.clock.advance(Duration::from_secs(5));
        let changed = rawabi.v2.patch(&path, json!({"partner_payload": "crm:4711", "max_channels": 1})).await.expect(200);
        assert_eq!((&changed["partner_payload"], &changed["max_channels"]), (&json!("crm:4711"), &json!(1)));
        assert!(changed["modified_at"].as_str() > changed["created_at"].as_str(), "{changed}");
        assert_eq!(rawabi.v2.patch(&path, json!({})).await.expect(200)["partner_payload"], "crm:4711");
        let told = refused(rawabi.v2.patch(&path, json!({"max_channels": 4})).await.expect(400), 400);
        assert!(told.contains("must not be greater than 3"), "{told}");
        // It holds when numbers are connected, and a removed one makes room.
        dune.sandbox().await;
        let body = json!({"type": "whatsapp", "provider": "sandbox"});
        assert_eq!(dune.post("/api/v1/channels", body.clone()).await.expect(403)["code"], "plan_limit_reached");
        rawabi.v2.patch(&path, json!({"max_channels": null, "partner_payload": ""})).await.expect(200);
        let second = dune.post("/api/v1/channels", body.clone()).await.expect(201)["data"]["id"].clone();
        // A partner may keep its clients from connecting numbers; those they had come back.
        rawabi.v2.patch(&rawabi.at, json!({"allow_client_to_add_phone_no": false})).await.expect(200);
        assert_eq!(dune.post("/api/v1/channels", body.clone()).await.expect(403)["code"], "numbers_not_allowed");
        dune.delete(&format!("/api/v1/channels/{second}")).await.expect(204);
        assert_eq!(dune.post("/api/v1/channels", body).await.expect(201)["data"]["id"], second);
    }

    async fn a_client_is_made_with_its_user_and_is_the_same_in_both_apis(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        let path = format!("{}/account_sharing/clients", rawabi.at);
        let body = json!({"name": "Dune Bakery", "email": "owner@dune.example", "user_name": "Lina Aziz", "send_invite": true, "is_first": false});
        let made = rawabi.v2.post(&path, body.clone()).await.expect(200);
        assert_eq!((&made["id"], &made["organisation"]), (&made["client_id"], &json!("Dune Bakery")));
        assert!(made["invitation_url"].as_str().unwrap().contains("/invite?token="), "{made}");
        let (user, info) = (&made["contact_user"], &made["contact_info"]);
        assert_eq!((&user["name"], &user["email"], &info["full_name"]), (&json!("Lina Aziz"), &json!("owner@dune.example"), &json!("Lina Aziz")));
        let listed = rawabi.v1.get("/api/v1/partner/clients").await.expect(200);
        let client = &listed["data"][0];
        assert_eq!((&client["company_name"], &client["plan"], &client["primary_user"]["last_name"]), (&json!("Dune Bakery"), &json!("starter"), &json!("Aziz")));
        let told = refused(rawabi.v2.post(&path, body).await.expect(400), 400);
        assert!(told.contains("email: The email has already been taken."), "{told}");
        manage::set_partner_defaults(&world.app, rawabi.v1.id, None, Some("business")).await.unwrap();
        let single = rawabi.v2.post(&path, json!({"name": "Atlas", "email": "a@atlas.example"})).await.expect(200);
        assert_eq!((&single["max_channels"], &single["contact_user"]["name"]), (&json!(5), &json!("Atlas")));
        let told = refused(rawabi.v2.post(&path, json!({"email": "no"})).await.expect(400), 400);
        assert!(told.contains("name: The name field is required.") && told.contains("email: The email must be"), "{told}");
        manage::set_partner(&world.app, rawabi.v1.id, Some(2), None).await.unwrap();
        let full = rawabi.v2.post(&path, json!({"name": "Cedar", "email": "c@cedar.example"})).await.expect(403);
        assert_eq!(refused(full, 403), "Client seat limit reached.");
    }

    async fn the_webhook_url_is_one_wherever_it_is_set(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        let path = format!("{}/webhook_url", rawabi.at);
        assert_eq!(rawabi.v2.get(&path).await.expect(200), json!({"webhook_url": ""}));
        let url = world.receiver.url("/hub");
        let first = rawabi.v2.post(&path, json!({"webhook_url": url})).await.expect(200);
        let secret = first["platform_secret"].as_str().unwrap().to_owned();
        assert_eq!((&first["webhook_url"], keys(&first)), (&json!(url), vec!["platform_secret", "webhook_url"]));
        assert_eq!(rawabi.v2.post(&path, json!({"webhook_url": url})).await.expect(200), json!({"webhook_url": url}));
        assert_eq!(rawabi.v2.get(&rawabi.at).await.expect(200)["webhook_url"], json!(url));
        rawabi.v2.patch(&rawabi.at, json!({"webhook_url": world.receiver.url("/patched")})).await.expect(200);
        assert_eq!(rawabi.v2.get(&path).await.expect(200)["webhook_url"], json!(world.receiver.url("/patched")));
        // The product's own endpoint is another one.
        rawabi.v1.get("/api/v1/partner/webhook").await.expect(404);
        // A form is read like JSON.
        let form = [("webhook_url", url.as_str()), ("regenerate_secret", "true")];
        let request = world.http.post(format!("{}{path}", world.base)).header("x-api-key", rawabi.v1.key());
        let rotated = request.form(&form).send().await.expect(200);
        let new = rotated["platform_secret"].as_str().unwrap();
        assert_ne!(new, secret);
        let headers = json!({"Authorization": "Bearer of-the-receiver", "X-Team": "blue"});
        rawabi.v2.post(&path, json!({"webhook_url": url, "headers": headers})).await.expect(200);
        for bad in [json!({"Host": "x"}), json!({"x-360dialog-signature": "x"}), json!({"X": 5}), json!({"X": "a\nb"}), json!([])] {
            refused(rawabi.v2.post(&path, json!({"webhook_url": url, "headers": bad})).await.expect(400), 400);
        }
        rawabi.v1.client("Dune", "pro").await;
        let told = world.receiver.wait_for(1).await.remove(0);
        assert!(is_signed(new, &told) && !is_signed(&secret, &told), "{told:?}");
        assert!(verify_standard_signature(new, &told) && verify_standard_signature(&secret, &told));
        assert_eq!((told.header("authorization"), told.header("x-team")), ("Bearer of-the-receiver", "blue"));
        assert!(!told.headers.iter().any(|(name, _)| name.to_string().contains("skylight")), "{:?}", told.headers);
    }

    async fn the_hub_is_told_of_clients_and_of_every_stage_of_their_numbers(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        let url = world.receiver.url("/hub");
        let set = rawabi.v2.post(&format!("{}/webhook_url", rawabi.at), json!({"webhook_url": url})).await.expect(200);
        rawabi.v1.put("/api/v1/partner/webhook", json!({"url": world.receiver.url("/product")})).await.expect(200);
        let (_, dune) = rawabi.v1.client("Dune", "pro").await;
        let channel = dune.sandbox().await;
        let path = format!("/api/v1/channels/{channel}");
        dune.delete(&path).await.expect(204);
        assert_eq!(dune.sandbox().await, channel);
        let expected = [
            "client_created", "channel_created", "channel_ready", "channel_running", "channel_live", "channel_status_changed",
            "channel_ready", "channel_running", "channel_live",
        ];
        let all = world.receiver.wait_for_matching("what the hub tells", expected.len(), |d| d.path == "/hub").await;
        assert_eq!(all.iter().map(|delivery| delivery.event.as_str()).collect::<Vec<_>>(), expected);
        let mut ids = std::collections::BTreeSet::new();
        for delivery in &all {
            assert!(is_signed(set["platform_secret"].as_str().unwrap(), delivery));
            assert_eq!(keys(&delivery.json), ["data", "event", "id"]);
            assert!(ids.insert(delivery.json["id"].to_string()), "each has an id of its own");
        }
        let client = rawabi.client("dune@clients.example").await;
        assert_eq!(all[0].json["data"], client, "the client as the list shows it");
        for delivery in &all[1..] {
            let number = &delivery.json["data"];
            assert_eq!((&number["client_id"], &number["client"]["id"], &number["type"]), (&client["id"], &client["id"], &json!("whatsapp")));
            assert_eq!((&number["id"], &number["account_mode"]), (&all[1].json["data"]["id"], &json!("sandbox")));
            assert!(number["id"].as_str().unwrap().ends_with("CH"), "{number}");
            let works = delivery.event != "channel_status_changed";
            assert_eq!(number["status"], if works { "ready" } else { "error" });
            assert!(number["setup_info"]["phone_number"].as_str().unwrap().bytes().all(|b| b.is_ascii_digit()), "{number}");
        }
        // The product's endpoint hears of the same in its own words, and of nothing else.
        let product = world.receiver.wait_for_matching("what the product tells", 4, |d| d.path == "/product").await;
        let told: Vec<_> = product.iter().map(|delivery| delivery.event.trim_start_matches("partner.client.")).collect();
        assert_eq!(told, ["created", "channel.connected", "channel.disconnected", "channel.connected"]);
        // Without an address nobody is told, and an address that comes back hears of what comes then.
        rawabi.v2.patch(&rawabi.at, json!({"webhook_url": ""})).await.expect(200);
        rawabi.v1.client("Unheard", "pro").await;
        stored::at_rest(&world).await;
        rawabi.v2.patch(&rawabi.at, json!({"webhook_url": url})).await.expect(200);
        rawabi.v1.client("Heard", "pro").await;
        let heard = world.receiver.wait_for_matching("the next client", expected.len() + 1, |d| d.path == "/hub").await;
        assert_eq!(heard.last().unwrap().json["data"]["name"], "Heard");
    }

    async fn a_login_becomes_a_token_that_opens_what_the_key_opens(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        let mut person = partner_person(&world, &rawabi.v1).await;
        let address = format!("ops-{}@partner.example", rawabi.v1.id);
        let nobody = world.visitor();
        let token = async |username: &str, password: &str| {
            nobody.post("/api/v2/token", json!({"username": username, "password": password})).await
        };
        let told = token(&address, PASSWORD).await.expect(200);
        assert_eq!((&told["token_type"], &told["expires_in"]), (&json!("bearer"), &json!(86_400)));
        let holder = |told: &Value| nobody.with_key("Authorization", &format!("Bearer {}", told["access_token"].as_str().unwrap()));
        assert_eq!(holder(&told).get(&rawabi.at).await.expect(200)["id"], json!(rawabi.id));
        holder(&told).patch(&rawabi.at, json!({"allow_client_to_add_phone_no": true})).await.expect(200);
        // Nothing else, and nobody else's.
        holder(&told).get("/api/v1/partner/profile").await.expect(403);
        holder(&told).get("/api/v1/contacts").await.expect(403);
        let rival = Hub::of(&world, "rival").await;
        refused(holder(&told).get(&rival.at).await.expect(404), 404);

        for (username, password) in [(address.as_str(), "wrong"), ("nobody@partner.example", PASSWORD), ("no e-mail", PASSWORD)] {
            let no = token(username, password).await.expect(401);
            assert_eq!((&no["error"], &no["error_description"]), (&json!("invalid_grant"), &json!("The username or the password is wrong.")));
            assert_eq!(no["error_description"], no["meta"]["developer_message"]);
        }
        let no = nobody.post("/api/v2/token", json!({"username": address})).await.expect(400);
        assert_eq!(no["error"], "invalid_request");
        assert!(no["error_description"].as_str().unwrap().contains("The password field is required."), "{no}");
        // A form is read too, and a new token voids the one before.
        let form = [("username", address.as_str()), ("password", PASSWORD)];
        let second = world.http.post(format!("{}/api/v2/token", world.base)).form(&form).send().await.expect(200);
        refused(holder(&told).get(&rawabi.at).await.expect(401), 401);
        holder(&second).get(&rawabi.at).await.expect(200);
        // It ends after a day, with another password, and with the partner's suspension; never with another status than 401.
        world.clock.advance(Duration::from_secs(86_401));
        eventually("it is over", async || (holder(&second).get(&rawabi.at).await.status == 401).then_some(())).await;
        let third = token(&address, PASSWORD).await.expect(200);
        let link = invitation(&world, &rawabi.v1, &address).await;
        person.get(&format!("/partner/invite?token={link}")).await;
        let other = "another seven palms";
        let fields = [("token", link.as_str()), ("password", other), ("again", other)];
        assert_eq!(person.request("POST", "/partner/invite").form(&fields).send().await.status, 200);
        refused(holder(&third).get(&rawabi.at).await.expect(401), 401);
        token(&address, PASSWORD).await.expect(401);
        let fourth = token(&address, other).await.expect(200);
        manage::set_partner_active(&world.app, rawabi.v1.id, false).await.unwrap();
        refused(holder(&fourth).get(&rawabi.at).await.expect(401), 401);
        token(&address, other).await.expect(401);
    }

    async fn whoever_guesses_at_a_login_waits(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        partner_person(&world, &rawabi.v1).await;
        let guess = json!({"username": format!("ops-{}@partner.example", rawabi.v1.id), "password": "a guess at it"});
        let mut answers = Vec::new();
        for _ in 0..8 {
            answers.push(world.visitor().post("/api/v2/token", guess.clone()).await);
        }
        let last = answers.pop().unwrap();
        assert_eq!((last.status, &last.json()["error"]), (429, &json!("temporarily_unavailable")), "{last:?}");
        assert!(last.header("retry-after").is_some());
        assert!(answers[..5].iter().all(|answer| answer.status == 401));
    }

    async fn a_repeated_write_of_the_hub_is_done_once(world: World) {
        let rawabi = Hub::of(&world, "rawabi").await;
        let url = format!("{}{}/account_sharing/clients", world.base, rawabi.at);
        let request = world.http.post(&url).header("X-API-Key", rawabi.v1.key()).header("Idempotency-Key", "one");
        let body = json!({"name": "Dune", "email": "owner@dune.example"});
        let first = request.clone().json(&body).send().await;
        let again = request.clone().json(&body).send().await;
        assert_eq!((first.status, &first.body), (200, &again.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let other = request.json(&json!({"name": "Other", "email": "owner@other.example"})).send().await.expect(400);
        assert!(refused(other, 400).contains("The Idempotency-Key was used for another request."));
    }
}
