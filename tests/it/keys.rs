//! A workspace's keys: several of them, changed, made anew, revoked, and when each was last used.

use crate::on_both_engines;
use crate::on_both_houses;
use crate::process::house::House;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight::auth::write_uses;
use skylight_test_support::wait::eventually;
use std::time::Duration;

const CONTACTS: &str = "/api/v1/contacts";

on_both_engines! {
    async fn a_key_is_changed_and_the_next_request_knows(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let new = json!({"name": "Shop", "allowed_domains": ["Shop.Example", "shop.example", "*.nakheel.sa"]});
        let issued = partner.post(&keys, new).await.expect(201);
        assert_eq!(issued["message"], "API key created. Store it securely — it won't be shown again.");
        let (secret, path) = (issued["data"]["key"].as_str().unwrap().to_owned(), format!("{keys}/{}", issued["data"]["id"]));
        let from = async |origin: &str| {
            let request = world.http.get(format!("{}{CONTACTS}", world.base)).bearer(&secret).header("Origin", origin);
            request.send().await
        };
        from("https://shop.example").await.expect(200);
        let refused = from("https://new.example").await.expect(403);
        assert_eq!((&refused["message"], &refused["code"]), (&json!("Request origin is not allowed."), &json!("origin_not_allowed")));

        let renamed = partner.patch(&path, json!({"name": "Storefront"})).await.expect(200);
        assert_eq!(renamed["message"], "API key updated successfully.");
        let key = &renamed["data"];
        assert_eq!((&key["name"], &key["allowed_domains"]), (&json!("Storefront"), &json!(["shop.example", "*.nakheel.sa"])));
        assert_eq!(*key, listed(&partner, &keys, &key["id"]).await);
        assert!(!renamed.to_string().contains(&secret) && key["hint"].as_str().unwrap().ends_with(&secret[44..]));
        partner.patch(&path, json!({"allowed_domains": ["new.example"]})).await.expect(200);
        from("https://new.example").await.expect(200);
        from("https://shop.example").await.expect(403);
        partner.patch(&path, json!({"allowed_domains": []})).await.expect(200);
        from("https://anything.example").await.expect(200);
        assert_eq!(partner.patch(&path, json!({})).await.expect(200)["data"]["name"], "Storefront", "nothing said, nothing changed");

        for (body, field) in [
            (json!({"name": ""}), "name"),
            (json!({"name": null}), "name"),
            (json!({"allowed_domains": null}), "allowed_domains"),
            (json!({"allowed_domains": ["a.example", "https://b.example"]}), "allowed_domains.1"),
        ] {
            let refused = partner.patch(&path, body).await.expect(422);
            assert_eq!(refused["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), [field]);
        }
        // Another partner's, and another client's key are nobody's.
        let (other, _) = partner.client("Sahara", "business").await;
        let beside = format!("/api/v1/partner/clients/{}/api-keys/{}", other["id"], key["id"]);
        for (who, path) in [(&world.partner("rival").await, &path), (&partner, &beside)] {
            let expected = if path == &beside { "API key not found." } else { "Client not found." };
            assert_eq!(who.patch(path, json!({"name": "x"})).await.expect(404)["message"], expected);
            assert_eq!(who.post(&format!("{path}/regenerate"), json!({})).await.expect(404)["message"], expected);
        }
        nakheel.get(CONTACTS).await.expect(200);
    }

    async fn a_key_made_anew_voids_the_old_secret_at_once(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let issued = partner.post(&keys, json!({"name": "CRM", "allowed_domains": ["crm.example"]})).await.expect(201)["data"].clone();
        let path = format!("{keys}/{}", issued["id"]);
        let old = nakheel.with_key("X-Api-Key", issued["key"].as_str().unwrap());
        old.get(CONTACTS).await.expect(200);
        let again = partner.post(&format!("{path}/regenerate"), json!({})).await.expect(200);
        assert_eq!(again["message"], "API key regenerated. Store it securely — it won't be shown again.");
        let made = &again["data"];
        assert_eq!((&made["id"], &made["name"], &made["created_at"]), (&issued["id"], &issued["name"], &issued["created_at"]));
        assert_ne!(made["key"], issued["key"]);
        let refused = old.get(CONTACTS).await.expect(401);
        assert_eq!(refused["message"], "Unauthenticated. Please provide a valid API key.");
        let new = nakheel.with_key("X-Api-Key", made["key"].as_str().unwrap());
        new.get(CONTACTS).await.expect(200);
        let info = listed(&partner, &keys, &issued["id"]).await;
        assert_eq!(info["allowed_domains"], json!(["crm.example"]));
        assert!(info["regenerated_at"].is_string() && made["key"].as_str().unwrap().ends_with(&info["hint"].as_str().unwrap()[info["hint"].as_str().unwrap().len() - 4..]));
        // Of many at once, one secret opens the door in the end, and only one.
        let racing = (0..8).map(|_| {
            let (partner, path) = (partner.clone(), format!("{path}/regenerate"));
            tokio::spawn(async move { partner.post(&path, json!({})).await.expect(200)["data"]["key"].as_str().unwrap().to_owned() })
        });
        let mut opened = 0;
        for key in racing.collect::<Vec<_>>() {
            opened += usize::from(nakheel.with_key("X-Api-Key", &key.await.unwrap()).get(CONTACTS).await.status == 200);
        }
        assert!(opened >= 1, "the last one opens");
        new.get(CONTACTS).await.expect(401);
        partner.delete(&path).await.expect(204);
        partner.post(&format!("{path}/regenerate"), json!({})).await.expect(404);
        nakheel.get(CONTACTS).await.expect(200);
    }

    async fn a_keys_last_use_is_told_to_the_minute(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let second = partner.post(&keys, json!({})).await.expect(201)["data"].clone();
        let last = async |id: &Value| listed(&partner, &keys, id).await["last_used_at"].clone();
        let first = partner.get(&keys).await.expect(200)["data"][1]["id"].clone();
        assert_eq!((last(&first).await, last(&second["id"]).await), (Value::Null, Value::Null));
        // Written without anybody's doing, soon after the first use.
        nakheel.get(CONTACTS).await.expect(200);
        let noted = eventually("the first use is written", async || Some(last(&first).await).filter(Value::is_string)).await;
        assert_eq!(last(&second["id"]).await, Value::Null, "each key has its own");
        // Not more than once a minute, and never back.
        world.clock.advance(Duration::from_secs(20));
        forget(&world);
        nakheel.get(CONTACTS).await.expect(200);
        write_uses(&world.app, false).await.unwrap();
        assert_eq!(last(&first).await, noted);
        world.clock.advance(Duration::from_secs(41));
        write_uses(&world.app, false).await.unwrap();
        let later = last(&first).await;
        assert!(later.as_str() > noted.as_str(), "the use of half a minute ago is written now: {later}");
        // Made anew, it has not been used, whatever was noted of the old secret.
        forget(&world);
        nakheel.get(CONTACTS).await.expect(200);
        partner.post(&format!("{keys}/{first}/regenerate"), json!({})).await.expect(200);
        write_uses(&world.app, true).await.unwrap();
        assert_eq!(last(&first).await, Value::Null);
        nakheel.get(CONTACTS).await.expect(401);
        write_uses(&world.app, true).await.unwrap();
        assert_eq!(last(&first).await, Value::Null, "a void secret is nobody's use");
    }
}

on_both_houses! {
    async fn keys_are_managed_from_the_command_line_too(house: House) {
        let server = house.serve().await;
        let partner = house.partner(&server.base(), "rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let workspace = client["id"].to_string();
        nakheel.get(CONTACTS).await.expect(200);
        // The server ends before it had to write: the last uses are written then.
        let mut server = server;
        assert_eq!(server.terminate().await.code(), Some(0));
        let listed = house.cli(&["key", "list", "--workspace", &workspace, "--json"]).await.json();
        assert!(listed[0]["last_used_at"].is_string(), "{listed}");
        assert_eq!(house.count("SELECT COUNT(*) FROM partner_key WHERE last_used_at IS NOT NULL").await, 1);
        server.restart().await;
        let actor = Actor { base: server.base(), ..nakheel.clone() };
        actor.get(CONTACTS).await.expect(200);
        let wrong = house.cli(&["key", "create", "--workspace", &workspace, "--domains", "a.example,https://b.example"]).await;
        assert!(wrong.status == 1 && wrong.stderr.contains("https://b.example is not a host name"), "{wrong:?}");
        let made = house.cli(&["key", "create", "--workspace", &workspace, "--name", "CLI", "--domains", "*.A.example,*", "--json"]).await.json();
        let listing = house.cli(&["key", "list", "--workspace", &workspace]).await;
        assert!(listing.success().contains("*.a.example,*"), "{listing:?}");
        house.cli(&["key", "revoke", "--workspace", &workspace, "--id", &listed[0]["id"].to_string()]).await.success();
        eventually("the revoked key is refused", async || (actor.get(CONTACTS).await.status == 401).then_some(())).await;
        actor.with_key("X-Api-Key", made["api_key"].as_str().unwrap()).get(CONTACTS).await.expect(200);
        let gone = house.cli(&["key", "revoke", "--workspace", &workspace, "--id", "999"]).await;
        assert!(gone.status == 1 && gone.stderr.contains("API key not found."), "{gone:?}");
    }
}

/// As if a second had passed: the next request looks its key up again.
fn forget(world: &crate::world::World) {
    world.app.caches.forget_all();
}

async fn listed(partner: &Actor, keys: &str, id: &Value) -> Value {
    let all = partner.get(keys).await.expect(200);
    all["data"].as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap().clone()
}
