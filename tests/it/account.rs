//! The account as its documentation tells it: profile, change, subscription, channels, and the lists of what is accepted.

use crate::on_both_engines;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::kernel::{Country, Timezone};
use skylight_db::{Read, args};
use std::time::Duration;

const ACCOUNT: &str = "/api/v1/account";
const SUBSCRIPTION: &str = "/api/v1/account/subscription";

on_both_engines! {
    async fn the_profile_is_the_documented_one_and_changes_by_field(world: World) {
        let (partner, nakheel) = client(&world, "business").await;
        let account = nakheel.get(ACCOUNT).await.expect(200)["data"].clone();
        assert_eq!(keys(&account), [
            "id", "company_name", "slug", "address", "timezone", "country", "primary_user", "status", "created_at",
        ]);
        assert_eq!((&account["id"], &account["status"], &account["address"]), (&json!(nakheel.id), &json!(1), &Value::Null));
        assert_eq!(account["country"], json!({"id": 194, "name": "Saudi Arabia", "code": "SA"}));
        assert_eq!(keys(&account["primary_user"]), ["id", "first_name", "last_name", "email", "phone"]);
        let born = account["created_at"].as_str().unwrap();
        assert!(born.len() == 25 && born.ends_with("+03:00") && !born.contains('.'), "{born}");

        // The documentation's own body; the answer has no data.
        let body = json!({
            "company_name": "Nakheel Trading International", "address": "طريق الأمير محمد بن سلمان، جدة",
            "timezone": "America/New_York", "country_id": 194,
        });
        let changed = nakheel.patch(ACCOUNT, body.clone()).await;
        assert_eq!(changed.text(), r#"{"success":true,"message":"Account updated successfully."}"#);
        let account = nakheel.get(ACCOUNT).await.expect(200)["data"].clone();
        for name in ["company_name", "address", "timezone"] {
            assert_eq!(account[name], body[name]);
        }
        let born = account["created_at"].as_str().unwrap();
        assert!(born.ends_with("-05:00") || born.ends_with("-04:00"), "{born}");
        // What is so already is no change, and the partner is told of changes only.
        nakheel.patch(ACCOUNT, body).await.expect(200);
        nakheel.patch(ACCOUNT, json!({})).await.expect(200);
        nakheel.patch(ACCOUNT, json!({"address": null, "country_id": null})).await.expect(200);
        let account = nakheel.get(ACCOUNT).await.expect(200)["data"].clone();
        assert_eq!((&account["address"], &account["country"]), (&Value::Null, &Value::Null));
        assert_eq!(account["company_name"], "Nakheel Trading International");
        let told = told(&world, partner.id).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!((&told[0]["company_name"], &told[0]["timezone"]), (&account["company_name"], &json!("America/New_York")));
        assert_eq!(partner.get(&format!("/api/v1/partner/clients/{}", nakheel.id)).await.expect(200)["data"]["company_name"], account["company_name"]);
    }

    async fn a_change_is_told_all_its_faults_and_then_changes_nothing(world: World) {
        let (_, nakheel) = client(&world, "business").await;
        let before = nakheel.get(ACCOUNT).await.expect(200);
        let wrong = json!({"company_name": null, "address": "x".repeat(256), "timezone": "", "country_id": 9_999});
        assert_eq!(nakheel.patch(ACCOUNT, wrong).await.expect(422)["errors"], json!({
            "company_name": ["The company name field is required."],
            "address": ["The address must not be greater than 255 characters."],
            "timezone": ["The timezone field is required."],
            "country_id": ["The selected country id is invalid."],
        }));
        for zone in ["Mars/Olympus", "asia/riyadh", "+03:00", "GMT+3"] {
            let refused = nakheel.patch(ACCOUNT, json!({"company_name": "Other", "timezone": zone})).await.expect(422);
            assert_eq!(refused["errors"], json!({"timezone": ["The timezone must be a valid timezone."]}));
        }
        assert_eq!(nakheel.get(ACCOUNT).await.expect(200), before);
    }

    async fn a_new_country_reads_national_numbers_at_once(world: World) {
        let (_, nakheel) = client(&world, "business").await;
        assert_eq!(nakheel.contact("Ahmad", "050 123 4567").await["phone"], "+966501234567");
        let jordan = Country::all().find(|country| country.code() == "JO").unwrap();
        nakheel.patch(ACCOUNT, json!({"country_id": jordan.id()})).await.expect(200);
        assert_eq!(nakheel.contact("Rania", "079 123 4567").await["phone"], "+962791234567");
        nakheel.patch(ACCOUNT, json!({"country_id": null})).await.expect(200);
        let unknown = nakheel.post("/api/v1/contacts", json!({"name": "X", "type": "whatsapp", "phone": "079 123 4568"})).await;
        assert!(unknown.expect(422)["errors"]["phone"].is_array());
    }

    async fn the_subscription_shows_limits_and_what_is_used_of_them(world: World) {
        let (partner, nakheel) = client(&world, "pro").await;
        nakheel.sandbox().await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        nakheel.contact("Omar", "+14155551235").await;
        nakheel.post("/api/v1/messages/send", json!({"contact_id": sarah, "content": "hello"})).await.expect(201);
        let month = world.app.now().month();
        let subscription = nakheel.get(SUBSCRIPTION).await.expect(200);
        assert_eq!(subscription, json!({"success": true, "data": {
            "plan": {"id": 3, "name": "Pro", "slug": "pro"},
            "status": "active",
            "expires_at": month.next().start().to_string(),
            "limits": {
                "contacts": {"max": 5000, "used": 2},
                "team_members": {"max": 10, "used": 1},
                "messages_per_month": {"max": 25000, "used": 1},
            },
            "features": {"webhooks": true, "api_access": true, "booking": true, "omni_channel": true, "advanced_analytics": true},
        }}));
        // A new month begins with no message; unlimited is -1.
        world.clock.advance(world.app.now().until(month.next().start()) + Duration::from_secs(60));
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET messages_per_month = -1 WHERE slug = 'pro'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let data = nakheel.get(SUBSCRIPTION).await.expect(200)["data"].clone();
        assert_eq!(data["limits"]["messages_per_month"], json!({"max": -1, "used": 0}));
        assert_eq!(data["expires_at"], month.next().next().start().to_string());
        assert!(data["expires_at"].as_str().unwrap().ends_with("-01T00:00:00.000000Z"));
        // The plan applies at use.
        let path = format!("/api/v1/partner/clients/{}", nakheel.id);
        partner.patch(&path, json!({"plan": "starter", "immediate": true})).await.expect(200);
        for path in [ACCOUNT, SUBSCRIPTION, "/api/v1/account/channels"] {
            assert_eq!(nakheel.get(path).await.expect(403)["code"], "feature_not_in_plan");
        }
    }

    async fn channels_are_listed_with_exactly_the_documented_keys(world: World) {
        let (_, nakheel) = client(&world, "business").await;
        nakheel.sandbox().await;
        let channels = nakheel.get("/api/v1/account/channels").await.expect(200);
        assert_eq!(keys(&channels), ["success", "data"]);
        let channels = channels["data"].as_array().unwrap();
        let types: Vec<_> = channels.iter().map(|channel| channel["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["whatsapp", "telegram", "instagram"]);
        for channel in channels {
            assert_eq!(keys(channel), ["id", "type", "name", "username", "is_connected", "status", "last_synced_at"]);
        }
        assert_eq!((&channels[0]["is_connected"], &channels[0]["status"]), (&json!(true), &json!("active")));
        let synced = channels[0]["last_synced_at"].as_str().unwrap();
        assert!(synced.len() == 20 && synced.ends_with('Z'), "{synced}");
        let idle = channels[2].as_object().unwrap();
        assert_eq!((&idle["is_connected"], &idle["status"]), (&json!(false), &json!("inactive")));
        assert!(["name", "username", "last_synced_at"].iter().all(|name| idle[*name].is_null()));
    }

    async fn what_is_accepted_is_listed(world: World) {
        let countries = world.visitor().get("/api/v1/countries").await;
        assert_eq!(countries.header("cache-control"), Some("public, max-age=3600"));
        let countries = countries.expect(200)["data"].as_array().unwrap().clone();
        assert!(countries.contains(&json!({"id": 194, "name": "Saudi Arabia", "code": "SA"})));
        assert!(countries.iter().all(|country| Country::find(country["id"].as_i64().unwrap()).is_some()));
        assert_eq!(countries.len(), Country::all().count());

        let zones = world.visitor().get("/api/v1/timezones").await;
        assert_eq!(zones.header("cache-control"), Some("public, max-age=3600"));
        let zones = zones.expect(200)["data"].as_array().unwrap().clone();
        assert!(zones.iter().all(|zone| Timezone::parse(zone["name"].as_str().unwrap()).is_some()));
        assert!(zones.contains(&json!({"name": "Asia/Riyadh", "offset": "+03:00"})));
        assert!(zones.contains(&json!({"name": "UTC", "offset": "+00:00"})));
        let (_, nakheel) = client(&world, "business").await;
        for zone in zones.iter().step_by(29) {
            nakheel.patch(ACCOUNT, json!({"timezone": zone["name"]})).await.expect(200);
        }
    }
}

async fn client(world: &World, plan: &str) -> (Actor, Actor) {
    let partner = world.partner("rawabi").await;
    let (_, holder) = partner.client("Nakheel Trading", plan).await;
    (partner, holder)
}

/// What the partner was told of changed clients, oldest first.
async fn told(world: &World, partner: i64) -> Vec<Value> {
    let sql = "SELECT data FROM event WHERE partner_id = $1 AND kind = 'partner.client.updated' ORDER BY id";
    let rows: Vec<String> = (&world.app.db).all(sql, args![partner]).await.unwrap();
    rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

#[track_caller]
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
