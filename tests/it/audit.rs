//! The audit log: who did what, told to both sides, and not to be changed by anybody.

use crate::on_both_engines;
use crate::person::{self, Person};
use crate::stored;
use crate::world::{Actor, Engine};
use serde_json::{Value, json};
use skylight::audit::Action;
use skylight::cli::manage;
use skylight_db::{Read, args};
use skylight_test_support::wait::eventually;
use std::collections::BTreeSet;
use std::time::Duration;

const OWN: &str = "/api/v1/audit";
const PARTNERS: &str = "/api/v1/partner/audit";
const CLIENTS: &str = "/api/v1/partner/clients";

on_both_engines! {
    async fn every_change_is_one_entry_that_says_who_did_it_by_which_request(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let path = format!("{CLIENTS}/{}", client["id"]);
        let mut done = vec![("client.created", "partner_key"), ("team_member.invited", "partner_key"), ("api_key.created", "partner_key")];
        // By whom, how, and what the log calls it; an entry stands behind an answer by its request id.
        let mut requests = Vec::new();
        let mut secrets = BTreeSet::from([nakheel.key().to_owned(), rawabi.key().to_owned()]);
        let mut last = Value::Null;
        let team = "/api/v1/team".to_owned();
        let hook = world.receiver.url("/crm?token=in-the-query");
        let password = "seven palms, one well";
        let steps: [Step<'_>; 17] = [
            (&rawabi, "POST", "{client}/api-keys", "", json!({"name": "CRM", "allowed_domains": ["app.example.com"]}), &["api_key.created"]),
            (&rawabi, "PATCH", "{client}/api-keys/{last}", "keep", json!({"name": "Shop"}), &["api_key.updated"]),
            (&rawabi, "POST", "{client}/api-keys/{last}/regenerate", "keep", json!({}), &["api_key.regenerated"]),
            (&rawabi, "DELETE", "{client}/api-keys/{last}", "", json!({}), &["api_key.revoked"]),
            (&rawabi, "PATCH", "{client}", "", json!({"company_name": "Palms", "timezone": "Europe/London"}), &["client.updated"]),
            (&rawabi, "PATCH", "{client}", "", json!({"plan": "pro"}), &["client.plan_scheduled"]),
            (&rawabi, "PATCH", "{client}", "", json!({"plan": "pro", "immediate": true}), &["client.plan_changed"]),
            (&nakheel, "PATCH", "/api/v1/account", "", json!({"company_name": "Palms Trading"}), &["account.updated"]),
            (&nakheel, "POST", &team, "", json!({"name": "Huda Saleh", "email": "huda@team.example", "role": "agent", "password": password}), &["team_member.created", "team_member.invited"]),
            (&nakheel, "POST", "/api/v1/team/{last}/invite", "keep", json!({}), &["team_member.invited"]),
            (&nakheel, "PUT", "/api/v1/team/{last}", "keep", json!({"role": "admin", "password": "three wells, one palm"}), &["team_member.updated"]),
            (&nakheel, "DELETE", "/api/v1/team/{last}", "", json!({}), &["team_member.removed"]),
            (&nakheel, "POST", "/api/v1/webhooks", "", json!({"name": "CRM", "url": hook, "events": ["contact.created"]}), &["webhook.created"]),
            (&nakheel, "PUT", "/api/v1/webhooks/{last}", "keep", json!({"is_active": false}), &["webhook.updated"]),
            (&nakheel, "POST", "/api/v1/webhooks/{last}/regenerate-secret", "keep", json!({}), &["webhook.secret_regenerated"]),
            (&nakheel, "DELETE", "/api/v1/webhooks/{last}", "", json!({}), &["webhook.deleted"]),
            (&nakheel, "POST", "/api/v1/channels", "", json!({"type": "whatsapp", "provider": "sandbox"}), &["channel.connected"]),
        ];
        for (who, method, pattern, keep, body, actions) in steps {
            let at = pattern.replace("{client}", &path).replace("{last}", &last.to_string());
            let answer = who.call(method, &at, Some(body)).await;
            assert!(answer.status < 300, "{method} {at}: {answer:?}");
            if keep.is_empty() && answer.status == 201 {
                last = answer.json()["data"]["id"].clone();
            }
            for name in ["key", "secret", "invitation_url"] {
                let shown = (answer.status != 204).then(|| answer.json()["data"][name].as_str().map(str::to_owned));
                secrets.extend(shown.flatten());
            }
            let kind = if who.id == rawabi.id && std::ptr::eq(who, &rawabi) { "partner_key" } else { "workspace_key" };
            done.extend(actions.iter().map(|action| (*action, kind)));
            requests.push((answer.header("x-request-id").unwrap().to_owned(), actions.len()));
        }
        nakheel.delete(&format!("/api/v1/channels/{last}")).await.expect(204);
        done.push(("channel.disconnected", "workspace_key"));
        rawabi.post(&format!("{path}/suspend"), json!({"reason": "Non-payment"})).await.expect(200);
        rawabi.post(&format!("{path}/suspend"), json!({})).await.expect(200);
        rawabi.post(&format!("{path}/reactivate"), json!({})).await.expect(200);
        done.extend([("client.suspended", "partner_key"), ("client.reactivated", "partner_key")]);

        let entries = all(&nakheel, OWN).await;
        let told: Vec<_> = entries.iter().rev().map(|e| (e["action"].as_str().unwrap(), e["actor"]["type"].as_str().unwrap())).collect();
        assert_eq!(told, done);
        for (request, count) in requests {
            assert_eq!(entries.iter().filter(|entry| entry["request_id"] == request.as_str()).count(), count);
        }
        let text = Value::from(entries.clone()).to_string();
        for secret in secrets.iter().map(String::as_str).chain(["in-the-query", password, "three wells", "Non-payment"]) {
            assert!(!text.contains(secret), "{secret} stands in the log");
        }
        for entry in &entries {
            assert_eq!((&entry["address"], &entry["result"], &entry["real_actor"]), (&json!("127.0.0.1"), &json!("success"), &Value::Null), "{entry}");
            assert_eq!(entry["client"]["id"], client["id"], "{entry}");
            assert!(entry["actor"]["id"].is_i64() && entry["actor"]["name"].is_string(), "{entry}");
            assert!(entry["action"].as_str().unwrap().starts_with(entry["target"]["type"].as_str().unwrap()), "{entry}");
        }
        let changes = |action: &str| entries.iter().find(|entry| entry["action"] == action).unwrap()["changes"].clone();
        assert_eq!(changes("client.updated"), json!({"company_name": "Palms", "timezone": "Europe/London"}));
        assert_eq!(changes("client.plan_changed"), json!({"plan": "pro"}));
        assert_eq!(changes("team_member.updated"), json!({"role": "admin", "password_changed": true}));
        assert_eq!(changes("webhook.created")["host"], world.receiver.url("/").split('/').nth(2).unwrap());
        assert_eq!(changes("webhook.updated"), json!({"is_active": false}));
        assert_eq!(changes("client.suspended"), json!({}), "the reason is the partner's own note");
        // A company keeps the name it had.
        let names: BTreeSet<_> = entries.iter().map(|entry| entry["client"]["company_name"].as_str().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(["Nakheel", "Palms", "Palms Trading"]));
    }

    async fn what_was_not_done_leaves_no_entry(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let path = format!("{CLIENTS}/{}", client["id"]);
        let before = all(&rawabi, PARTNERS).await;
        rawabi.patch(&path, json!({"company_name": "Nakheel"})).await.expect(200);
        rawabi.patch(&path, json!({"plan": "business", "immediate": true})).await.expect(200);
        rawabi.patch(&path, json!({"plan": "platinum"})).await.expect(422);
        rawabi.post(&format!("{path}/reactivate"), json!({})).await.expect(200);
        rawabi.delete(&format!("{path}/api-keys/999999999")).await.expect(404);
        nakheel.patch("/api/v1/account", json!({"timezone": "Asia/Riyadh"})).await.expect(200);
        nakheel.post("/api/v1/team", json!({"name": "Huda"})).await.expect(422);
        nakheel.put("/api/v1/webhooks/999999999", json!({"name": "x"})).await.expect(404);
        nakheel.contact("Sarah", "+14155551234").await;
        let idle = nakheel.get("/api/v1/channels").await.expect(200)["data"][0]["id"].clone();
        nakheel.delete(&format!("/api/v1/channels/{idle}")).await.expect(204);
        assert_eq!(all(&rawabi, PARTNERS).await, before);
        // A repetition is answered from the record, and is not done again.
        let url = format!("{}{path}/api-keys", world.base);
        for _ in 0..2 {
            let request = world.http.post(&url).header("X-Partner-Key", rawabi.key()).header("Idempotency-Key", "once");
            request.json(&json!({"name": "CRM"})).send().await.expect(201);
        }
        assert_eq!(all(&rawabi, PARTNERS).await.len(), before.len() + 1);
    }

    async fn both_sides_read_it_and_nobody_else(world: World) {
        let (rawabi, other) = (world.partner("rawabi").await, world.partner("other").await);
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let (sister, harbour) = rawabi.client("Harbour", "business").await;
        let (_, stranger) = other.client("Stranger", "business").await;
        nakheel.patch("/api/v1/account", json!({"company_name": "Palms"})).await.expect(200);
        let ids = |entries: &[Value]| entries.iter().map(|entry| entry["id"].as_i64().unwrap()).collect::<BTreeSet<_>>();
        let [of_nakheel, of_harbour, of_stranger] = [ids(&all(&nakheel, OWN).await), ids(&all(&harbour, OWN).await), ids(&all(&stranger, OWN).await)];
        assert_eq!((of_nakheel.len(), of_harbour.len(), of_stranger.len()), (4, 3, 3));
        assert!(of_nakheel.is_disjoint(&of_harbour) && of_nakheel.is_disjoint(&of_stranger));
        let of_rawabi = all(&rawabi, PARTNERS).await;
        let own: Vec<_> = of_rawabi.iter().filter(|entry| entry["client"].is_null()).map(|e| (e["action"].clone(), e["actor"]["type"].clone())).collect();
        assert_eq!(own, [(json!("partner_key.created"), json!("operator")), (json!("partner.created"), json!("operator")), (json!("ticket_department.created"), json!("operator"))]);
        let shared = of_rawabi.iter().filter(|entry| !entry["client"].is_null()).cloned().collect::<Vec<_>>();
        assert_eq!(ids(&shared), &of_nakheel | &of_harbour, "everything of its clients, word for word");
        let one = all(&rawabi, &format!("{PARTNERS}?client_id={}", client["id"])).await;
        assert_eq!(one, all(&nakheel, OWN).await, "both sides read the same");
        assert_eq!(all(&rawabi, &format!("{PARTNERS}?client_id={}", sister["id"])).await.len(), 3);
        for not_ours in [stranger.id, 999_999_999] {
            assert!(all(&rawabi, &format!("{PARTNERS}?client_id={not_ours}")).await.is_empty());
        }
    }

    async fn filters_narrow_it_and_parts_follow_each_other(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (_, nakheel) = rawabi.client("Nakheel", "business").await;
        let morning = world.app.now();
        world.clock.advance(Duration::from_secs(86_400));
        for n in 0..5 {
            nakheel.patch("/api/v1/account", json!({"company_name": format!("Palms {n}")})).await.expect(200);
        }
        let entries = all(&nakheel, OWN).await;
        let count = async |query: &str| all(&nakheel, &format!("{OWN}?{query}")).await.len();
        assert_eq!(count("action=account.updated").await, 5);
        assert_eq!(count("action=webhook.created").await, 0);
        assert_eq!((count("actor=partner_key").await, count("actor=workspace_key").await), (3, 5));
        let key = &entries[0]["actor"]["id"];
        assert_eq!((count(&format!("actor=workspace_key&actor_id={key}")).await, count(&format!("actor=team_member&actor_id={key}")).await), (5, 0));
        let at = |n: usize| entries[n]["created_at"].as_str().unwrap();
        assert_eq!(count(&format!("from={}", at(2))).await, 3, "a moment belongs to both ends");
        assert_eq!(count(&format!("to={}", at(2))).await, 6);
        assert_eq!(count(&format!("from={}&to={}", at(2), at(2))).await, 1);
        let (first, second) = (morning.to_string(), world.app.now().to_string());
        assert_eq!((count(&format!("to={}", &first[..10])).await, count(&format!("from={}", &second[..10])).await), (3, 5));
        assert_eq!(count(&format!("action=account.updated&from={}&actor=workspace_key", at(1))).await, 2);
        for (query, fault) in [
            ("action=contact.created", "The selected action is invalid."),
            ("actor=nobody", "The selected actor is invalid."),
            ("actor_id=0", "The selected actor id is invalid."),
            ("from=yesterday", "The from must be a valid date."),
            ("to=2026-02-30", "The to must be a valid date."),
        ] {
            let refused = nakheel.get(&format!("{OWN}?{query}")).await.expect(422);
            assert_eq!(refused["errors"][query.split('=').next().unwrap()], json!([fault]));
        }
        // Entries of one moment are walked one by one too.
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec(
            "INSERT INTO audit_entry (workspace_id, partner_id, company_name, of_partner, created_at, actor_type, actor_name,
                 action, target_type, target_id, result, changes)
             SELECT workspace_id, partner_id, company_name, of_partner, $2, actor_type, actor_name, action, target_type,
                 target_id, result, changes FROM audit_entry WHERE workspace_id = $1",
            args![nakheel.id, morning],
        ).await.unwrap();
        tx.commit().await.unwrap();
        let whole = all(&nakheel, OWN).await;
        let (mut cursor, mut walked) = (String::new(), Vec::new());
        loop {
            let part = nakheel.get(&format!("{OWN}?per_page=3&cursor={cursor}")).await.expect(200);
            walked.extend(part["data"].as_array().unwrap().iter().cloned());
            let Some(next) = part["meta"]["next_cursor"].as_str() else { break };
            next.clone_into(&mut cursor);
        }
        assert_eq!((walked.len(), walked), (16, whole));
    }

    async fn nobody_changes_or_removes_an_entry(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        nakheel.patch("/api/v1/account", json!({"company_name": "Palms"})).await.expect(200);
        let before = all(&rawabi, PARTNERS).await;
        let mut tries = vec!["UPDATE audit_entry SET actor_name = 'nobody'", "DELETE FROM audit_entry", "DELETE FROM audit_entry WHERE NOT of_partner"];
        if world.engine == Engine::Postgres {
            tries.push("TRUNCATE audit_entry");
        }
        for sql in &tries {
            let mut tx = world.app.db.begin().await.unwrap();
            let refused = tx.exec(sql, args![]).await.unwrap_err().to_string();
            assert!(refused.contains("entries of the audit log are never"), "{sql}: {refused}");
        }
        assert_eq!(all(&rawabi, PARTNERS).await, before);
        // With the workspace go its own entries, and only these.
        rawabi.delete(&format!("{CLIENTS}/{}", client["id"])).await.expect(204);
        eventually("the workspace's rows are gone", async || {
            let left: i64 = (&world.app.db).one("SELECT COUNT(*) FROM workspace WHERE id = $1", args![nakheel.id]).await.unwrap();
            (left == 0).then_some(())
        }).await;
        let left = all(&rawabi, &format!("{PARTNERS}?client_id={}", client["id"])).await;
        let told: Vec<_> = left.iter().map(|entry| (entry["action"].as_str().unwrap(), entry["client"]["company_name"].as_str().unwrap())).collect();
        assert_eq!(told, [("client.deleted", "Palms"), ("api_key.created", "Nakheel"), ("team_member.invited", "Nakheel"), ("client.created", "Nakheel")]);
        for sql in &tries {
            let mut tx = world.app.db.begin().await.unwrap();
            let outcome = tx.exec(sql, args![]).await;
            // There is nothing left that the third one would touch.
            assert!(outcome.is_err() || outcome.is_ok_and(|touched| touched == 0), "{sql}");
        }
    }

    async fn a_reach_for_what_is_not_ones_own_is_noted_and_not_told(world: World) {
        let (rawabi, victim) = (world.partner("rawabi").await, world.partner("victim").await);
        let (client, nakheel) = victim.client("Nakheel", "business").await;
        let before = stored::rows(&world).await;
        for id in [client["id"].as_i64().unwrap(), 999_999_999] {
            let path = format!("{CLIENTS}/{id}");
            let asked = rawabi.get(&path).await;
            let suspended = rawabi.post(&format!("{path}/suspend"), json!({"reason": 5})).await;
            let used = rawabi.get(&format!("{path}/usage?period=never")).await;
            for answer in [&asked, &suspended, &used] {
                assert_eq!(answer.expect(404)["message"], "Client not found.");
            }
            let noted = all(&rawabi, &format!("{PARTNERS}?action=client.asked_for")).await;
            let of_this: Vec<_> = noted.iter().filter(|entry| entry["target"] == json!({"type": "client", "id": id})).collect();
            let requests: Vec<_> = of_this.iter().map(|entry| entry["request_id"].as_str().unwrap()).collect();
            let expected = [&used, &suspended, &asked].map(|answer| answer.header("x-request-id").unwrap());
            assert_eq!(requests, expected);
            assert!(of_this.iter().all(|entry| entry["result"] == "refused" && entry["client"].is_null()), "{of_this:?}");
        }
        stored::assert_same(&before, &stored::rows(&world).await);
        // Whoever walks through all ids does not fill the log, and is answered as before.
        for id in 0..30 {
            rawabi.get(&format!("{CLIENTS}/{}", 900_000_000 + id)).await.expect(404);
        }
        let noted = async |who: &Actor| all(who, &format!("{PARTNERS}?action=client.asked_for")).await.len();
        assert!((10..=20).contains(&noted(&rawabi).await));
        for nothing in ["0", "abc", "-1", "99999999999999999999"] {
            victim.get(&format!("{CLIENTS}/{nothing}")).await.expect(404);
        }
        assert_eq!((noted(&victim).await, all(&nakheel, OWN).await.len()), (0, 3), "whose it is hears nothing of others");
    }

    async fn who_comes_in_and_who_is_refused_stands_in_the_log(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let (member, mut admin) = person::signed_in(&world, &nakheel, "Huda", "admin").await;
        let mut stranger = Person::new(&world);
        stranger.try_signing_in("/login", &person::email("Huda"), "seven camels, no well").await;
        let refused = eventually("the refusal is noted", async || {
            all(&nakheel, &format!("{OWN}?action=team_member.sign_in_refused")).await.pop()
        }).await;
        assert_eq!((&refused["result"], &refused["actor"]["type"], &refused["target"]["id"]), (&json!("refused"), &json!("anonymous"), &member["id"]));
        assert_eq!(refused["address"], "127.0.0.1");
        let visitor = person::visitor(&world, &rawabi, nakheel.id).await;
        admin.get("/dashboard").await;
        let end = admin.page.split("/visits/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        assert_eq!(admin.submit(&format!("/visits/{end}/end"), &[]).await.status, 303);
        admin.get("/settings/api").await;
        assert_eq!(admin.submit("/settings/api/keys", &[("name", "By hand"), ("domains", "")]).await.status, 200);
        let operations = person::partner_person(&world, &rawabi).await;
        let entries = all(&rawabi, PARTNERS).await;
        let by = |action: &str| entries.iter().find(|entry| entry["action"] == action).map(|entry| entry["actor"].clone()).unwrap();
        let huda = json!({"type": "team_member", "id": member["id"], "name": "Huda"});
        for action in ["team_member.signed_in", "client.visit_ended", "api_key.created"] {
            assert_eq!(by(action), huda, "{action}");
        }
        assert_eq!(by("client.visit_link_issued")["type"], "partner_key");
        assert_eq!(by("client.visit_started"), json!({"type": "partner", "id": rawabi.id, "name": "rawabi"}));
        assert_eq!(by("partner_member.invited")["type"], "operator");
        for action in ["partner_member.joined", "partner_member.signed_in"] {
            assert_eq!((&by(action)["type"], &by(action)["name"]), (&json!("partner_member"), &json!(format!("ops-{}@partner.example", rawabi.id))));
        }
        // The client sees its visitor, and neither side sees a secret.
        let own = all(&nakheel, OWN).await;
        assert!(own.iter().any(|entry| entry["action"] == "client.visit_started" && entry["client"]["id"] == client["id"]));
        assert!(own.iter().all(|entry| !entry["action"].as_str().unwrap().starts_with("partner_member")));
        let text = Value::from(entries).to_string();
        for secret in [admin.session(), visitor.session(), person::PASSWORD, "seven camels", "ipt_"] {
            assert!(!secret.is_empty() && !text.contains(secret), "{secret}");
        }
        assert!(operations.cookies.values().all(|cookie| !text.contains(cookie.as_str())));
    }

    async fn the_command_line_the_invited_and_the_calendar_have_their_names(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "pro").await;
        manage::create_key(&world.app, nakheel.id, Some("By hand".into()), Vec::new(), true).await.unwrap();
        manage::set_partner(&world.app, rawabi.id, Some(7), None).await.unwrap();
        manage::set_partner_active(&world.app, rawabi.id, false).await.unwrap();
        manage::set_partner_active(&world.app, rawabi.id, true).await.unwrap();
        let member = json!({"name": "Huda Saleh", "email": "huda@team.example", "role": "agent", "password": "seven palms, one well"});
        let invited = nakheel.post("/api/v1/team", member).await.expect(201);
        let token = invited["data"]["invitation_url"].as_str().unwrap().split_once("token=").unwrap().1;
        let form = [("token", token), ("password", "three wells, one palm"), ("again", "three wells, one palm")];
        let joined = world.http.post(format!("{}/invite", world.base)).form(&form).send().await;
        assert_eq!(joined.status, 200);
        rawabi.patch(&format!("{CLIENTS}/{}", client["id"]), json!({"plan": "business"})).await.expect(200);
        let next = world.app.now().month().next().start();
        world.clock.advance(world.app.now().until(next) + Duration::from_secs(1));
        let applied = eventually("the plan is applied", async || {
            all(&nakheel, &format!("{OWN}?action=client.plan_changed")).await.pop()
        }).await;
        let who = |entry: &Value| (entry["actor"].clone(), entry["request_id"].is_string(), entry["address"].clone());
        let nameless = |kind: &str, name: &str| (json!({"type": kind, "id": null, "name": name}), false, Value::Null);
        assert_eq!((who(&applied), &applied["changes"]), (nameless("system", "system"), &json!({"plan": "business"})));
        let entries = all(&rawabi, PARTNERS).await;
        let of = |action: &str| entries.iter().filter(|entry| entry["action"] == action).map(who).collect::<Vec<_>>();
        assert_eq!(of("api_key.created")[0], nameless("operator", "command line"));
        for action in ["partner.updated", "partner.suspended", "partner.reactivated"] {
            assert_eq!(of(action), [nameless("operator", "command line")], "{action}");
        }
        let huda = json!({"type": "team_member", "id": invited["data"]["id"], "name": "Huda Saleh"});
        let by_request = joined.header("x-request-id").unwrap();
        let entry = entries.iter().find(|entry| entry["action"] == "team_member.joined").unwrap();
        assert_eq!((who(entry), entry["request_id"].as_str()), ((huda, true, json!("127.0.0.1")), Some(by_request)));
    }
}

#[test]
fn every_action_is_described() {
    let text = include_str!("../../docs/api.md");
    let missing: Vec<_> =
        Action::WORDS.iter().map(|(word, _)| *word).filter(|word| !text.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "docs/api.md does not speak of {missing:?}");
}

/// Who calls what with which body, whether the last id is kept, and what the log calls it.
type Step<'a> = (&'a Actor, &'a str, &'a str, &'a str, Value, &'a [&'a str]);

pub async fn all(who: &Actor, path: &str) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let page = who.get(&format!("{path}{joint}per_page=100")).await.expect(200);
    let entries = page["data"].as_array().unwrap().clone();
    assert_eq!(page["meta"]["total"], entries.len(), "{path}");
    entries
}
