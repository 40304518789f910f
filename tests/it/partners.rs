//! The partner API as its documentation tells it. `data/partners.json` holds the documentation's own examples.

use crate::on_both_engines;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::cli::manage;
use skylight::kernel::Month;
use skylight::partners::PartnerPlan;
use skylight_db::{Read, args};
use skylight_test_support::http::HttpResponse;
use skylight_test_support::wait::eventually;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::task::JoinSet;

const CLIENTS: &str = "/api/v1/partner/clients";

static EXAMPLES: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("data/partners.json")).unwrap());

on_both_engines! {
    async fn every_answer_has_what_its_documented_example_has(world: World) {
        let rawabi = world.partner("rawabi-digital").await;
        let made = rawabi.post(CLIENTS, EXAMPLES["create_request"].clone()).await.expect(201);
        assert_like("create", &made);
        assert_eq!(made["message"], EXAMPLES["create"]["message"]);
        let client = &made["data"];
        assert_eq!((&client["company_name"], &client["plan"]), (&json!("Gulf Logistics"), &json!("pro")));
        assert_eq!((&client["status"], &client["primary_user"]["email"]), (&json!("active"), &json!("khalid@gulflogistics.sa")));
        let slug = client["slug"].as_str().unwrap();
        let suffix = slug.strip_prefix("gulf-logistics-").unwrap().as_bytes();
        let is = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_digit, u8::is_ascii_lowercase];
        assert!(suffix.len() == 4 && suffix.iter().zip(is).all(|(b, is)| is(b)), "{slug}");
        assert_eq!(client["dashboard_url"], format!("{}/login?workspace={slug}", crate::world::PUBLIC_URL));

        let path = format!("{CLIENTS}/{}", client["id"]);
        let got = rawabi.get(&path).await.expect(200);
        assert_like("get", &got);
        assert_has("client", &got["data"], &EXAMPLES["client"]);
        assert_eq!(got["data"]["primary_user"]["phone"], "+966507654321");
        assert_eq!((&got["data"]["suspended_at"], &got["data"]["partner_id"]), (&Value::Null, &json!(rawabi.id)));
        assert_eq!(got["data"]["usage"], json!({"contacts": 0, "messages_this_month": 0, "team_members": 1}));
        assert_like("list", &rawabi.get(CLIENTS).await.expect(200));

        let updated = rawabi.patch(&path, EXAMPLES["update_request"].clone()).await.expect(200);
        assert_like("update", &updated);
        assert_eq!(updated["message"], EXAMPLES["update"]["message"]);
        assert_eq!(updated["data"]["company_name"], "Al-Madar Retail International");
        for verb in ["suspend", "reactivate"] {
            let standing = rawabi.post(&format!("{path}/{verb}"), json!({"reason": "Non-payment"})).await.expect(200);
            assert_like(verb, &standing);
            assert_eq!(standing["message"], EXAMPLES[verb]["message"]);
            assert_eq!(standing["data"]["status"], EXAMPLES[verb]["data"]["status"]);
        }
        assert_like("usage", &rawabi.get(&format!("{path}/usage")).await.expect(200));
        assert_like("all_usage", &rawabi.get("/api/v1/partner/usage").await.expect(200));
        let profile = rawabi.get("/api/v1/partner/profile").await.expect(200);
        assert_like("profile", &profile);
        assert_has("partner", &profile["data"], &EXAMPLES["partner"]);
        assert_eq!(profile["data"]["client_seats"], json!({"used": 1, "max": 500}));
        assert_eq!(profile["data"]["slug"], "rawabi-digital");
        assert_eq!(rawabi.get("/api/v1/partner/plans").await.expect(200), EXAMPLES["plans"]);
        let gone = rawabi.delete(&path).await;
        assert_eq!((gone.status, gone.body.len()), (204, 0));
        rawabi.get(&path).await.expect(404);
        rawabi.delete(&path).await.expect(404);
        let seats = rawabi.get("/api/v1/partner/profile").await.expect(200)["data"]["client_seats"].clone();
        assert_eq!(seats["used"], 0);
    }

    async fn keys_of_a_client_are_listed_without_their_secrets_and_revoked(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let keys = format!("{CLIENTS}/{}/api-keys", client["id"]);
        let issued = rawabi.post(&keys, json!({"name": "CRM", "allowed_domains": ["app.nakheel.example"]})).await.expect(201);
        let (id, key) = (&issued["data"]["id"], issued["data"]["key"].as_str().unwrap());
        let listed = rawabi.get(&keys).await.expect(200);
        let listed = listed["data"].as_array().unwrap();
        assert_eq!(listed.len(), 2);
        let crm = listed.iter().find(|shown| shown["id"] == *id).unwrap();
        assert_eq!((&crm["name"], &crm["allowed_domains"]), (&json!("CRM"), &json!(["app.nakheel.example"])));
        assert!(crm["hint"].as_str().unwrap().ends_with(&key[key.len() - 4..]));
        assert!(!json!(listed).to_string().contains(&key[..20]), "no secret is shown twice");
        let crm = nakheel.with_key("X-Api-Key", key);
        crm.get("/api/v1/contacts").await.expect(200);
        rawabi.delete(&format!("{keys}/{id}")).await.expect(204);
        crm.get("/api/v1/contacts").await.expect(401);
        nakheel.get("/api/v1/contacts").await.expect(200);
        rawabi.delete(&format!("{keys}/{id}")).await.expect(404);
    }

    async fn a_creation_is_told_all_its_faults_at_once(world: World) {
        let rawabi = world.partner("rawabi").await;
        rawabi.post(CLIENTS, EXAMPLES["create_request"].clone()).await.expect(201);
        let with = |changes: Value| {
            let mut body = EXAMPLES["create_request"].clone();
            merge(&mut body, &changes);
            body
        };
        // The documentation's own example: plan and e-mail wrong together.
        let both = rawabi.post(CLIENTS, with(json!({"plan": "platinum"}))).await.expect(422);
        assert_like("problem", &both);
        assert_eq!((&both["message"], &both["errors"]), (&EXAMPLES["problem"]["message"], &EXAMPLES["problem"]["errors"]));
        // A taken address alone is a conflict, in whatever case.
        for email in ["khalid@gulflogistics.sa", "Khalid@GulfLogistics.SA", "  khalid@gulflogistics.sa "] {
            let taken = rawabi.post(CLIENTS, with(json!({"admin": {"email": email}}))).await.expect(409);
            assert_eq!(taken["errors"], json!({"admin.email": ["The email has already been taken."]}));
            assert_eq!((&taken["message"], &taken["code"]), (&json!("The email has already been taken."), &json!("email_taken")));
        }
        // A login is one in the whole installation.
        let other = world.partner("other").await;
        other.post(CLIENTS, with(json!({}))).await.expect(409);
        let nothing = rawabi.post(CLIENTS, json!({})).await.expect(422);
        assert_eq!(nothing["errors"], json!({
            "company_name": ["The company name field is required."],
            "plan": ["The plan field is required."],
            "admin.first_name": ["The first name field is required."],
            "admin.last_name": ["The last name field is required."],
            "admin.email": ["The email field is required."],
        }));
        let wrong = json!({
            "company_name": "x".repeat(256), "plan": 7, "timezone": "Asia/Atlantis", "country_id": 99_999, "skip_invite": "no",
            "admin": {"first_name": null, "last_name": ["x"], "email": "khalid@", "phone": "12"},
        });
        let all = rawabi.post(CLIENTS, with(wrong)).await.expect(422);
        assert_eq!(all["errors"], json!({
            "company_name": ["The company name must not be greater than 255 characters."],
            "plan": ["The plan must be a string."],
            "timezone": ["The timezone must be a valid timezone."],
            "country_id": ["The selected country id is invalid."],
            "skip_invite": ["The skip invite field must be true or false."],
            "admin.first_name": ["The first name field is required."],
            "admin.last_name": ["The last name must be a string."],
            "admin.email": ["The email must be a valid email address."],
            "admin.phone": ["The phone must be a valid phone number."],
        }));
        assert_eq!(rawabi.get(CLIENTS).await.expect(200)["meta"]["total"], 1);
        let seats = rawabi.get("/api/v1/partner/profile").await.expect(200)["data"]["client_seats"].clone();
        assert_eq!(seats["used"], 1, "a refused creation takes no seat");
    }

    async fn of_racing_creations_with_one_address_one_wins(world: World) {
        let rawabi = world.partner("rawabi").await;
        let answers = at_once(10, |_| (rawabi.clone(), CLIENTS.to_owned(), EXAMPLES["create_request"].clone())).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(lost.expect(409)["errors"], json!({"admin.email": ["The email has already been taken."]}));
        }
        let seats = rawabi.get("/api/v1/partner/profile").await.expect(200)["data"]["client_seats"].clone();
        assert_eq!(seats["used"], 1);
    }

    async fn clients_are_listed_filtered_and_paged(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (first, _) = rawabi.client("Al-Madar Retail", "business").await;
        let (second, _) = rawabi.client("Gulf Logistics", "pro").await;
        let (third, _) = rawabi.client("Oasis Books", "starter").await;
        let arabic = json!({
            "company_name": "شركة أحمد للتمور", "plan": "pro",
            "admin": {"first_name": "أحمد", "last_name": "سالم", "email": "owner@dates.example"},
        });
        let fourth = rawabi.post(CLIENTS, arabic).await.expect(201)["data"].clone();
        world.partner("other").await.client("Gulf Trading", "pro").await;
        rawabi.post(&format!("{CLIENTS}/{}/suspend", second["id"]), json!({})).await.expect(200);
        let slug = format!("search={}", first["slug"].as_str().unwrap());
        let cases: &[(&str, &[&Value])] = &[
            ("", &[&fourth, &third, &second, &first]),
            ("status=active", &[&fourth, &third, &first]),
            ("status=suspended", &[&second]),
            ("status=pending_setup", &[]),
            ("plan=pro", &[&fourth, &second]),
            ("plan=platinum", &[]),
            ("plan=pro&status=suspended", &[&second]),
            ("search=MADAR", &[&first]),
            ("search=oasis-books%40clients", &[&third]),
            (&slug, &[&first]),
            ("search=%D8%A7%D8%AD%D9%85%D8%AF", &[&fourth]),
            ("search=dates.example", &[&fourth]),
            ("search=%25", &[]),
            ("search=_", &[]),
            ("search=nobody", &[]),
            ("search=", &[&fourth, &third, &second, &first]),
            ("per_page=2", &[&fourth, &third]),
            ("per_page=2&page=2", &[&second, &first]),
            ("per_page=2&page=3", &[]),
            ("search=o&per_page=1&page=2", &[&third]),
        ];
        for (query, expected) in cases {
            let found = rawabi.get(&format!("{CLIENTS}?{query}")).await.expect(200);
            let ids: Vec<_> = found["data"].as_array().unwrap().iter().map(|client| &client["id"]).collect();
            let wanted: Vec<_> = expected.iter().map(|client| &client["id"]).collect();
            assert_eq!(ids, wanted, "{query}");
            let keys: Vec<_> = found["meta"].as_object().unwrap().keys().collect();
            assert_eq!(keys, ["current_page", "last_page", "per_page", "total"], "{query}");
        }
        let page = rawabi.get(&format!("{CLIENTS}?per_page=3")).await.expect(200)["meta"].clone();
        assert_eq!(page, json!({"current_page": 1, "last_page": 2, "per_page": 3, "total": 4}));
        let beyond = rawabi.get(&format!("{CLIENTS}?page=9&search=gulf")).await.expect(200)["meta"].clone();
        assert_eq!(beyond, json!({"current_page": 9, "last_page": 1, "per_page": 15, "total": 1}));
        assert_eq!(rawabi.get(&format!("{CLIENTS}?per_page=1000")).await.expect(200)["meta"]["per_page"], 100);
        for bad in ["status=deleted", "page=0", "per_page=many"] {
            rawabi.get(&format!("{CLIENTS}?{bad}")).await.expect(422);
        }
    }

    async fn of_twenty_racing_creations_three_seats_take_three(world: World) {
        let agency = world.partner_on("agency", PartnerPlan::Agency).await;
        manage::set_partner(&world.app, agency.id, Some(3), None).await.unwrap();
        let answers = at_once(20, |n| (agency.clone(), CLIENTS.to_owned(), new_client(n))).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(made.len(), 3);
        for refused in answers.iter().filter(|answer| answer.status != 201) {
            let problem = refused.expect(403);
            assert_eq!((&problem["code"], &problem["message"]), (&json!("seat_limit_reached"), &json!("Client seat limit reached.")));
        }
        let seats = async || agency.get("/api/v1/partner/profile").await.expect(200)["data"]["client_seats"].clone();
        assert_eq!(seats().await, json!({"used": 3, "max": 3}));
        assert_eq!(agency.get(CLIENTS).await.expect(200)["meta"]["total"], 3);
        // A suspended client gives its seat back, and needs one to return.
        let path = format!("{CLIENTS}/{}", made[0].json()["data"]["id"]);
        agency.post(&format!("{path}/suspend"), json!({})).await.expect(200);
        assert_eq!(seats().await["used"], 2);
        let fourth = agency.post(CLIENTS, new_client(100)).await.expect(201);
        let refused = agency.post(&format!("{path}/reactivate"), json!({})).await.expect(403);
        assert_eq!(refused["code"], "seat_limit_reached");
        assert_eq!(agency.get(&path).await.expect(200)["data"]["status"], "suspended", "a refused return changes nothing");
        agency.delete(&format!("{CLIENTS}/{}", fourth["data"]["id"])).await.expect(204);
        // Two returns race for the one free seat with a creation.
        let races = at_once(6, |n| match n % 2 {
            0 => (agency.clone(), format!("{path}/reactivate"), json!({})),
            _ => (agency.clone(), CLIENTS.to_owned(), new_client(200 + n)),
        }).await;
        assert!(races.iter().all(|answer| [200, 201, 403].contains(&answer.status)), "{races:?}");
        assert_eq!(seats().await["used"], 3);
        agency.delete(&path).await.expect(204);
    }

    async fn of_thirty_racing_contacts_five_places_take_five(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "pro").await;
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET contacts = 5 WHERE slug = 'pro'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let person = |n: usize| json!({"name": format!("Person {n}"), "phone": format!("+141555512{n:02}"), "type": "whatsapp"});
        let answers = at_once(30, |n| (nakheel.clone(), "/api/v1/contacts".to_owned(), person(n))).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(made.len(), 5);
        for refused in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(refused.expect(403)["code"], "plan_limit_reached");
        }
        assert_eq!(nakheel.get("/api/v1/contacts").await.expect(200)["meta"]["total"], 5);
        let usage = rawabi.get(&format!("{CLIENTS}/{}/usage", client["id"])).await.expect(200)["data"]["contacts"].clone();
        assert_eq!(usage, json!({"total": 5, "created_this_period": 5, "blacklisted": 0}));
        // A deletion frees one place.
        nakheel.delete(&format!("/api/v1/contacts/{}", made[0].json()["data"]["id"])).await.expect(204);
        nakheel.post("/api/v1/contacts", person(50)).await.expect(201);
        nakheel.post("/api/v1/contacts", person(51)).await.expect(403);
        assert!(skylight::cli::manage::recount(&world.app.db).await.unwrap().is_empty());
    }

    async fn a_plan_changes_with_the_month_or_at_once(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "starter").await;
        let path = format!("{CLIENTS}/{}", client["id"]);
        let plans = async || {
            let shown = rawabi.get(&path).await.expect(200)["data"].clone();
            (shown["plan"].as_str().unwrap().to_owned(), shown["pending_plan"].as_str().map(str::to_owned))
        };
        nakheel.get("/api/v1/contacts").await.expect(403);
        let later = rawabi.patch(&path, json!({"plan": "pro"})).await.expect(200);
        assert_eq!((&later["data"]["plan"], &later["data"]["pending_plan"]), (&json!("starter"), &json!("pro")));
        assert_eq!(plans().await, ("starter".into(), Some("pro".into())));
        nakheel.get("/api/v1/contacts").await.expect(403);
        // Asking for the plan one has takes it back; at once means at once.
        rawabi.patch(&path, json!({"plan": "starter"})).await.expect(200);
        assert_eq!(plans().await, ("starter".into(), None));
        rawabi.patch(&path, json!({"plan": "business"})).await.expect(200);
        let now = rawabi.patch(&path, json!({"plan": "pro", "immediate": true})).await.expect(200);
        assert_eq!((&now["data"]["plan"], &now["data"]["pending_plan"]), (&json!("pro"), &Value::Null));
        nakheel.get("/api/v1/contacts").await.expect(200);
        // What waits is applied at the month's first moment (UTC), and not before.
        rawabi.patch(&path, json!({"plan": "business"})).await.expect(200);
        let start = world.app.now().month().next().start();
        let due: Vec<i64> = (&world.app.db).all("SELECT DISTINCT run_at FROM job", args![]).await.unwrap();
        assert_eq!(due, [start.micros()]);
        let told = events(&world, rawabi.id).await.len();
        to_month(&world, world.app.now().month().next());
        eventually("the plan is applied", async || {
            (plans().await == ("business".to_owned(), None)).then_some(())
        }).await;
        let events = events(&world, rawabi.id).await;
        assert_eq!((events.len(), events.last().map(String::as_str)), (told + 1, Some("partner.client.updated")));
        rawabi.patch(&path, json!({"plan": "platinum"})).await.expect(422);
        rawabi.patch(&path, json!({"plan": "platinum", "immediate": true})).await.expect(422);
    }

    async fn every_change_of_a_client_is_one_event(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let path = format!("{CLIENTS}/{}", client["id"]);
        let channel = nakheel.sandbox().await;
        nakheel.delete(&format!("/api/v1/channels/{channel}")).await.expect(204);
        rawabi.patch(&path, json!({"company_name": "Palms", "timezone": "Europe/London"})).await.expect(200);
        let mut first = Value::Null;
        for _ in 0..2 {
            let suspended = rawabi.post(&format!("{path}/suspend"), json!({})).await.expect(200)["data"]["suspended_at"].take();
            assert!(first.is_null() || first == suspended, "the first moment stays");
            first = suspended;
        }
        for _ in 0..2 {
            rawabi.post(&format!("{path}/reactivate"), json!({})).await.expect(200);
        }
        rawabi.delete(&path).await.expect(204);
        let expected = [
            "created", "channel.connected", "channel.disconnected", "updated", "suspended", "reactivated", "deleted",
        ];
        assert_eq!(events(&world, rawabi.id).await, expected.map(|event| format!("partner.client.{event}")));
        let data: Vec<String> = (&world.app.db).all("SELECT data FROM event WHERE partner_id = $1 AND kind LIKE 'partner.%'", args![rawabi.id]).await.unwrap();
        for data in data {
            let data: Value = serde_json::from_str(&data).unwrap();
            assert_eq!(data["client_id"], client["id"], "{data}");
            assert!(data["company_name"].is_string(), "{data}");
        }
    }

    async fn usage_is_told_by_calendar_month(world: World) {
        let rawabi = world.partner("rawabi").await;
        // Next month's first day, so that the story does not cross a month by chance.
        let birth = world.app.now().month().next();
        to_month(&world, birth);
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        nakheel.sandbox().await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        nakheel.post("/api/v1/messages/send", json!({"contact_id": sarah, "content": "hello"})).await.expect(201);
        eventually("the message is counted", async || {
            (usage(&rawabi, &client, "current").await["messages"]["sent"] == 1).then_some(())
        }).await;
        to_month(&world, birth.next());
        let omar = nakheel.contact("Omar", "+14155551235").await["id"].clone();
        nakheel.post(&format!("/api/v1/contacts/{omar}/blacklist"), json!({})).await.expect(200);
        let third = birth.next().next().next();
        to_month(&world, third);
        let second = json!({"total": 2, "created_this_period": 1, "blacklisted": 1});
        let later = json!({"total": 2, "created_this_period": 0, "blacklisted": 1});
        let none = json!({"total": 0, "created_this_period": 0, "blacklisted": 0});
        let (sent, silent) = (json!({"sent": 1, "received": 0, "failed": 0}), json!({"sent": 0, "received": 0, "failed": 0}));
        let cases = [
            (birth.to_string(), json!({"total": 1, "created_this_period": 1, "blacklisted": 0}), &sent),
            (birth.next().to_string(), second, &silent),
            // A month in which nothing happened has what was there.
            (birth.next().next().to_string(), later.clone(), &silent),
            (third.to_string(), later.clone(), &silent),
            ("current".into(), later.clone(), &silent),
            ("".into(), later, &silent),
            ("2020-01".into(), none.clone(), &silent),
            ("0001-01".into(), none, &silent),
        ];
        for (period, contacts, messages) in cases {
            let month = usage(&rawabi, &client, &period).await;
            assert_eq!(month["period"], if period.is_empty() { "current" } else { &period });
            assert_eq!((&month["contacts"], &month["messages"]), (&contacts, messages), "{period}");
            let existed = !["2020-01", "0001-01"].contains(&period.as_str());
            let people = (month["team_members"].clone(), month["channels_connected"].clone());
            assert_eq!(people, if existed { (json!(1), json!(["whatsapp"])) } else { (json!(0), json!([])) }, "{period}");
            let all = rawabi.get(&format!("/api/v1/partner/usage?period={period}")).await.expect(200);
            assert_eq!(all["data"]["summary"]["total_contacts"], contacts["total"], "{period}");
            assert_eq!(all["data"]["summary"]["total_messages_sent"], messages["sent"], "{period}");
            assert_eq!(all["data"]["clients"][0]["contacts"], contacts["total"], "{period}");
            assert_eq!(all["data"]["period"], month["period"]);
        }
        for bad in [third.next().to_string().as_str(), "9999-12", "2026-13", "2026-00", "2026-1", "202601", "2026-01-01", "CURRENT", "last", "2026%00"] {
            for path in [format!("{CLIENTS}/{}/usage", client["id"]), "/api/v1/partner/usage".to_owned()] {
                let refused = rawabi.get(&format!("{path}?period={bad}")).await.expect(422);
                assert!(refused["errors"]["period"].is_array(), "{bad}: {refused}");
            }
        }
        assert!(skylight::cli::manage::recount(&world.app.db).await.unwrap().is_empty());
    }

    async fn usage_of_all_clients_is_a_summary_and_a_page(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (first, nakheel) = rawabi.client("Nakheel", "business").await;
        let (second, sahara) = rawabi.client("Sahara", "pro").await;
        world.workspace("stranger").await.contact("Eve", "+14155550000").await;
        nakheel.contact("Sarah", "+14155551234").await;
        nakheel.contact("Omar", "+14155551235").await;
        sahara.contact("Sarah", "+14155551234").await;
        rawabi.post(&format!("{CLIENTS}/{}/suspend", second["id"]), json!({})).await.expect(200);
        let all = rawabi.get("/api/v1/partner/usage").await.expect(200);
        let summary = json!({
            "total_clients": 2, "active_clients": 1, "total_messages_sent": 0, "total_contacts": 3, "total_ai_sessions": 0,
        });
        assert_eq!(all["data"]["summary"], summary);
        assert_eq!(all["meta"], json!({"current_page": 1, "last_page": 1, "per_page": 50, "total": 2}));
        let line = |client: &Value, contacts: i64| json!({
            "client_id": client["id"], "company_name": client["company_name"], "plan": client["plan"],
            "messages_sent": 0, "contacts": contacts, "ai_agent_sessions": 0,
        });
        assert_eq!(all["data"]["clients"], json!([line(&second, 1), line(&first, 2)]));
        let page = rawabi.get("/api/v1/partner/usage?per_page=1&page=2").await.expect(200);
        assert_eq!((&page["data"]["clients"], &page["data"]["summary"]), (&json!([line(&first, 2)]), &summary));
        assert_eq!(page["meta"]["last_page"], 2);
        assert_eq!(rawabi.get("/api/v1/partner/usage?per_page=1000").await.expect(200)["meta"]["per_page"], 200);
    }
}

fn new_client(n: usize) -> Value {
    let admin = json!({"first_name": "A", "last_name": "B", "email": format!("admin-{n}@clients.example")});
    json!({"company_name": format!("Client {n}"), "plan": "pro", "admin": admin})
}

async fn at_once(count: usize, request: impl Fn(usize) -> (Actor, String, Value)) -> Vec<HttpResponse> {
    let mut requests = JoinSet::new();
    for n in 0..count {
        let (who, path, body) = request(n);
        requests.spawn(async move { who.post(&path, body).await });
    }
    requests.join_all().await
}

async fn usage(partner: &Actor, client: &Value, period: &str) -> Value {
    let path = format!("{CLIENTS}/{}/usage?period={period}", client["id"]);
    partner.get(&path).await.expect(200)["data"].clone()
}

/// What a partner was told, oldest first.
async fn events(world: &World, partner: i64) -> Vec<String> {
    (&world.app.db)
        .all("SELECT kind FROM event WHERE partner_id = $1 AND kind LIKE 'partner.%' ORDER BY id", args![partner])
        .await
        .unwrap()
}

/// Moves the clock to a month's second minute.
fn to_month(world: &World, month: Month) {
    world.clock.advance(world.app.now().until(month.start()) + Duration::from_secs(60));
}

/// Lays changes over a body, object by object.
fn merge(body: &mut Value, changes: &Value) {
    match (body, changes) {
        (Value::Object(body), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(body.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
        (body, change) => *body = change.clone(),
    }
}

/// Every key of the example is there, with a value of its type.
#[track_caller]
fn assert_like(example: &str, actual: &Value) {
    assert_has(example, actual, &EXAMPLES[example]);
}

#[track_caller]
fn assert_has(place: &str, actual: &Value, example: &Value) {
    match (example, actual) {
        (Value::Object(example), Value::Object(actual)) => {
            for (name, example) in example {
                let place = format!("{place}.{name}");
                let value = actual.get(name).unwrap_or_else(|| panic!("{place} is missing in {actual:?}"));
                assert_has(&place, value, example);
            }
        }
        (Value::Array(example), Value::Array(actual)) => {
            actual.iter().for_each(|item| assert_has(&format!("{place}[]"), item, &example[0]));
        }
        // A moment looks like a moment.
        (Value::String(example), Value::String(actual)) if example.ends_with("Z") && place.ends_with("_at") => {
            assert!(actual.len() == example.len() && actual.ends_with('Z'), "{place}: {actual}");
        }
        (Value::Null, actual) => assert!(actual.is_null() || actual.is_string(), "{place}: {actual}"),
        // Nothing sets a partner's brand yet.
        (Value::String(_), Value::Null) if place.contains(".branding.") => {}
        (Value::Number(example), Value::Number(actual)) => {
            assert_eq!(example.is_i64(), actual.is_i64(), "{place}: {actual}");
        }
        (example, actual) => {
            assert_eq!(std::mem::discriminant(example), std::mem::discriminant(actual), "{place}: {actual}");
        }
    }
}
