//! A partner enters a client's workspace: by a link that opens once, for an hour, seen by both sides.

use crate::on_both_engines;
use crate::person::{Person, link, partner_person, signed_in, visitor};
use crate::sessions::assert_page;
use crate::world::PUBLIC_URL;
use serde_json::json;
use skylight::cli::manage;
use skylight_db::{Read, args};
use std::time::Duration;
use tokio::task::JoinSet;

const CLIENTS: &str = "/api/v1/partner/clients";
const MINUTE: Duration = Duration::from_secs(60);

on_both_engines! {
    async fn a_link_is_as_documented(world: World) {
        let (partner, rival) = (world.partner("rawabi").await, world.partner("rival").await);
        let (client, _) = partner.client("Nakheel", "business").await;
        let path = format!("{CLIENTS}/{}/impersonate", client["id"]);
        let before = world.app.now();
        let issued = partner.post(&path, json!({})).await.expect(200);
        let keys: Vec<_> = issued.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["success", "data"], "no message");
        let keys: Vec<_> = issued["data"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["login_url", "expires_at"]);
        let url = issued["data"]["login_url"].as_str().unwrap();
        let token = url.strip_prefix(&format!("{PUBLIC_URL}/partner-login?token=")).unwrap();
        assert!(token.strip_prefix("ipt_").is_some_and(|rest| rest.len() == 40 && rest.bytes().all(|b| b.is_ascii_alphanumeric())));
        let (hash, expires_at): (Vec<u8>, i64) = (&world.app.db).one("SELECT hash, expires_at FROM visit_link", args![]).await.unwrap();
        assert_eq!(hash, skylight::kernel::secret::digest(token), "only the hash is stored");
        let minutes = (expires_at - before.micros()) / 60_000_000;
        assert!((14..=15).contains(&minutes) && issued["data"]["expires_at"].as_str().unwrap().ends_with('Z'));
        // Repeated with its key it is the same link; without, another.
        let request = world.http.post(format!("{}{path}", world.base)).header("X-Partner-Key", partner.key()).header("Idempotency-Key", "one");
        assert_eq!(request.clone().send().await.expect(200), request.send().await.expect(200));
        assert_ne!(link(&partner, client["id"].as_i64().unwrap()).await, token);
        // Somebody else's client, and none.
        assert_eq!(rival.post(&path, json!({})).await.expect(404)["message"], "Client not found.");
        partner.post(&format!("{CLIENTS}/999999/impersonate"), json!({})).await.expect(404);
        partner.post(&format!("{CLIENTS}/{}/suspend", client["id"]), json!({})).await.expect(200);
        let refused = partner.post(&path, json!({})).await.expect(403);
        assert_eq!(refused["code"], "account_suspended");
        partner.delete(&format!("{CLIENTS}/{}", client["id"])).await.expect(204);
        partner.post(&path, json!({})).await.expect(404);
    }

    async fn looking_uses_nothing_up_and_of_a_hundred_one_enters(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, _) = partner.client("Nakheel", "business").await;
        let token = link(&partner, client["id"].as_i64().unwrap()).await;
        let path = format!("/partner-login?token={token}");
        let mut person = Person::new(&world);
        for _ in 0..3 {
            let page = person.get(&path).await;
            assert_page(&page, 200);
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
            assert!(page.text().contains("Nakheel") && page.text().contains("name=\"token\""));
            assert_eq!(person.request("HEAD", &path).send().await.status, 200);
        }
        // A form that is not this browser's does not use it up either.
        let answer = world.http.post(format!("{}/partner-login", world.base)).header("origin", PUBLIC_URL).form(&[("token", &token)]).send().await;
        assert_page(&answer, 403);
        let mut crowd = JoinSet::new();
        for n in 0..100 {
            // Browsers say `null` of a page that keeps its address to itself.
            let origin = if n % 2 == 0 { "null" } else { PUBLIC_URL };
            let request = person.request("POST", "/partner-login").header("origin", origin).header("sec-fetch-site", "same-origin");
            let request = request.form(&[("form", &person.form()), ("token", &token)]);
            crowd.spawn(async move { request.send().await });
        }
        let answers = crowd.join_all().await;
        let (winners, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 303);
        assert_eq!(winners.len(), 1);
        for answer in &others {
            assert_page(answer, 404);
            assert!(answer.text().contains("This link does not work") && !answer.text().contains("Nakheel"));
        }
        person.look(&winners[0]);
        assert!(person.is_in().await);
        assert_page(&person.get(&path).await, 404);
        let sessions: i64 = (&world.app.db).one("SELECT COUNT(*) FROM workspace_session", args![]).await.unwrap();
        assert_eq!(sessions, 1);
    }

    async fn a_link_dies_with_what_it_stands_on(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, _) = partner.client("Nakheel", "business").await;
        let id = client["id"].as_i64().unwrap();
        let opens = async |token: &str| Person::new(&world).get(&format!("/partner-login?token={token}")).await.status == 200;
        let token = link(&partner, id).await;
        world.clock.advance(MINUTE * 14);
        assert!(opens(&token).await);
        world.clock.advance(MINUTE * 2);
        assert!(!opens(&token).await, "after fifteen minutes");
        let token = link(&partner, id).await;
        partner.post(&format!("{CLIENTS}/{id}/suspend"), json!({})).await.expect(200);
        assert!(!opens(&token).await);
        partner.post(&format!("{CLIENTS}/{id}/reactivate"), json!({})).await.expect(200);
        assert!(!opens(&token).await, "it does not come back");
        let token = link(&partner, id).await;
        manage::set_partner_active(&world.app, partner.id, false).await.unwrap();
        assert!(!opens(&token).await);
        manage::set_partner_active(&world.app, partner.id, true).await.unwrap();
        assert!(!opens(&token).await, "it does not come back");
        for wrong in ["", "ipt_", "ipt_1a2b3c4d5e6f", "inv_x", "%00", "%3Cscript%3E"] {
            let page = Person::new(&world).get(&format!("/partner-login?token={wrong}")).await;
            assert_page(&page, 404);
        }
        // A key of another kind is no link, and a link is no key.
        let token = link(&partner, id).await;
        assert!(!opens(partner.key()).await);
        partner.with_key("X-Partner-Key", &token).get("/api/v1/partner/profile").await.expect(401);
        // Its key is revoked.
        let mut ops = partner_person(&world, &partner).await;
        ops.get("/partner/api").await;
        let key = ops.page.split("/partner/api/keys/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        assert!(opens(&token).await);
        assert_page(&ops.submit(&format!("/partner/api/keys/{key}/revoke"), &[]).await, 200);
        assert!(!opens(&token).await);
    }

    async fn a_visit_is_seen_and_changes_neither_keys_nor_people(world: World) {
        let partner = world.partner("rawabi").await;
        world.brand(&partner, "Rawabi Digital").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let mut guest = visitor(&world, &partner, client["id"].as_i64().unwrap()).await;
        for path in ["/dashboard", "/settings/api"] {
            let page = guest.get(path).await;
            assert_page(&page, 200);
            assert!(page.text().contains("id=\"visit\"") && page.text().contains("Rawabi Digital"), "{}", page.text());
        }
        assert!(!guest.page.contains("id=\"generate\"") && guest.page.contains("On a visit keys are shown"));
        let keys = partner.get(&format!("{CLIENTS}/{}/api-keys", client["id"])).await.expect(200);
        let key = keys["data"][0]["id"].to_string();
        let forms = ["".to_owned(), format!("/{key}"), format!("/{key}/regenerate"), format!("/{key}/revoke")];
        for path in forms.map(|path| format!("/settings/api/keys{path}")).iter().map(String::as_str).chain(["/visits/1/end"]) {
            guest.get("/dashboard").await;
            assert_page(&guest.submit(path, &[("name", "theirs")]).await, 403);
        }
        let after = partner.get(&format!("{CLIENTS}/{}/api-keys", client["id"])).await.expect(200);
        assert_eq!(keys["data"][0]["id"], after["data"][0]["id"]);
        nakheel.get("/api/v1/contacts").await.expect(200);
        // Who it is, is recorded with the session.
        let recorded: (i64, i64) = (&world.app.db).one("SELECT workspace_id, partner_id FROM workspace_session", args![]).await.unwrap();
        assert_eq!(recorded, (client["id"].as_i64().unwrap(), partner.id));
        // Nor does it lead anywhere else.
        assert_eq!(guest.get("/partner").await.status, 303);
    }

    async fn either_side_ends_a_visit_and_so_does_time(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let id = client["id"].as_i64().unwrap();
        let (_, mut huda) = signed_in(&world, &nakheel, "Huda", "admin").await;
        let (_, mut agent) = signed_in(&world, &nakheel, "Agent", "agent").await;
        let mut ops = partner_person(&world, &partner).await;
        // An hour at most, however busy.
        let mut guest = visitor(&world, &partner, id).await;
        world.clock.advance(MINUTE * 59);
        assert!(guest.is_in().await);
        world.clock.advance(MINUTE * 2);
        assert!(!guest.is_in().await);
        // The visitor leaves; whoever kept the cookie is out, too.
        let mut guest = visitor(&world, &partner, id).await;
        let mut thief = guest.clone();
        guest.get("/dashboard").await;
        assert_eq!(guest.submit("/logout", &[]).await.status, 303);
        assert!(!thief.is_in().await);
        // The workspace sends them away; agents do not.
        let mut guest = visitor(&world, &partner, id).await;
        assert!(huda.get("/dashboard").await.text().contains("id=\"visits\""));
        let end = huda.page.split("action=\"/visits/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert!(!agent.get("/dashboard").await.text().contains("id=\"visits\""));
        assert_page(&agent.submit(&format!("/visits/{end}"), &[]).await, 403);
        let (rival_client, rival) = partner.client("Rival", "business").await;
        let (_, mut other) = signed_in(&world, &rival, "Other", "admin").await;
        assert_page(&other.submit(&format!("/visits/{end}"), &[]).await, 404);
        assert!(guest.is_in().await);
        assert_eq!(huda.submit(&format!("/visits/{end}"), &[]).await.status, 303);
        assert!(!guest.is_in().await);
        assert!(huda.is_in().await && !huda.page.contains("id=\"visits\""));
        // The partner ends its own, and nobody else's.
        let mut guest = visitor(&world, &partner, id).await;
        ops.get("/partner").await;
        let end = ops.page.split("action=\"/partner/visits/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let stranger = world.partner("stranger").await;
        let mut strange = partner_person(&world, &stranger).await;
        strange.get("/partner").await;
        assert_page(&strange.submit(&format!("/partner/visits/{end}"), &[]).await, 404);
        assert!(guest.is_in().await);
        assert_eq!(ops.submit(&format!("/partner/visits/{end}"), &[]).await.status, 303);
        assert!(!guest.is_in().await);
        // Revoking the key, suspending the client or the partner.
        let mut guest = visitor(&world, &partner, rival_client["id"].as_i64().unwrap()).await;
        partner.post(&format!("{CLIENTS}/{}/suspend", rival_client["id"]), json!({})).await.expect(200);
        assert!(!guest.is_in().await);
        let mut guest = visitor(&world, &partner, id).await;
        ops.get("/partner/api").await;
        let key = ops.page.split("/partner/api/keys/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        assert_page(&ops.submit(&format!("/partner/api/keys/{key}/revoke"), &[]).await, 200);
        assert!(!guest.is_in().await);
        assert!(huda.is_in().await && ops.get("/partner").await.status == 200, "people stay");
    }
}
