//! What leaves an entry in the audit log: every writing operation of the route table, what the second partner API does, and who
//! leaves.

use crate::audit::all;
use crate::cast::{self, Owner};
use crate::on_both_engines;
use crate::person;
use serde_json::{Value, json};
use skylight::cli::manage;
use skylight_db::{Read, args};
use std::collections::BTreeSet;

const PARTNERS: &str = "/api/v1/partner/audit";

on_both_engines! {
    async fn every_write_that_does_something_leaves_an_entry_or_says_why_not(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        cast::unlimited(&world).await;
        let (mut left, mut missing) = (BTreeSet::new(), Vec::new());
        for route in skylight::routes::all().into_iter().filter(|route| route.who.has_key() && route.writes()) {
            let (path, body) = (owner.path(&route).await, owner.body(&route).await);
            for (undone, done) in [("/reactivate", "/suspend"), ("/resume", "/pause")] {
                if path.ends_with(undone) {
                    owner.caller(&route).post(&path.replace(undone, done), json!({})).await.expect(200);
                }
            }
            let answer = owner.caller(&route).call(route.method.as_str(), &path, body).await;
            assert!(answer.status < 300, "{}: {answer:?}", route.operation);
            let request = answer.header("x-request-id").unwrap();
            let count = "SELECT COUNT(*) FROM audit_entry WHERE request_id = $1";
            let entries: i64 = (&world.app.db).one(count, args![request]).await.unwrap();
            match NOT_NOTED.iter().find(|(operation, _)| *operation == route.operation) {
                Some((_, why)) => assert_eq!(entries, 0, "{}: {why}", route.operation),
                None if entries == 0 => missing.push(route.operation),
                None => {}
            }
            left.insert(route.operation);
        }
        assert!(missing.is_empty(), "no entry is left by {missing:?}; record one, or say in NOT_NOTED why not");
        let unknown: Vec<_> = NOT_NOTED.iter().filter(|(operation, _)| !left.contains(operation)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    async fn what_the_second_partner_api_does_stands_in_the_log_too(world: World) {
        let (rawabi, victim) = (world.partner("rawabi").await, world.partner("victim").await);
        victim.client("Nakheel", "business").await;
        let public = async |table: &str| -> String {
            let sql = format!("SELECT public_id FROM {table} ORDER BY id DESC LIMIT 1");
            (&world.app.db).one(&sql, args![]).await.unwrap()
        };
        let own: String = (&world.app.db).one("SELECT public_id FROM partner WHERE id = $1", args![rawabi.id]).await.unwrap();
        let (theirs, their_client) = (public("partner").await, public("workspace").await);
        let (hub, base) = (rawabi.with_key("X-API-Key", rawabi.key()), format!("/api/v2/partners/{own}"));
        let last = async || all(&rawabi, PARTNERS).await.remove(0);

        let redirect = "https://crm.example/back?secret=in-the-query";
        for _ in 0..2 {
            hub.patch(&base, json!({"partner_redirect_url": redirect, "allow_client_to_add_phone_no": false})).await.expect(200);
        }
        let updated = all(&rawabi, &format!("{PARTNERS}?action=partner.updated")).await;
        assert_eq!(updated.len(), 1, "what changes nothing leaves no entry");
        assert_eq!(updated[0]["changes"], json!({"partner_redirect_url_changed": true, "allow_client_to_add_phone_no": false}));
        let receiver = json!({"webhook_url": world.receiver.url("/hub"), "headers": {"Authorization": "Bearer in-a-header"}});
        hub.post(&format!("{base}/webhook_url"), receiver).await.expect(200);
        assert_eq!((&last().await["action"], &last().await["changes"]), (&json!("partner_webhook.set"), &json!({"headers": ["Authorization"]})));
        hub.patch(&base, json!({"webhook_url": ""})).await.expect(200);
        assert_eq!(last().await["action"], "partner_webhook.removed");
        manage::set_partner_defaults(&world.app, rawabi.id, Some("SA"), Some("pro")).await.unwrap();
        assert_eq!(last().await["changes"], json!({"country": "SA", "client_plan": "pro"}));

        // What is not one's own is noted, and told as what is nowhere.
        for (path, action, asked) in [
            (format!("/api/v2/partners/{theirs}"), "partner.asked_for", theirs.as_str()),
            (format!("/api/v2/partners/{theirs}/clients"), "partner.asked_for", theirs.as_str()),
            (format!("{base}/clients/{their_client}"), "client.asked_for", their_client.as_str()),
            (format!("{base}/clients/Zz9Zz9ZzCL"), "client.asked_for", "Zz9Zz9ZzCL"),
        ] {
            let method = if path.ends_with("CL") { "PATCH" } else { "GET" };
            let refused = hub.call(method, &path, (method == "PATCH").then(|| json!({"max_channels": 1}))).await;
            assert_eq!(refused.status, 404, "{path}: {refused:?}");
            let noted = last().await;
            assert_eq!((&noted["action"], &noted["result"], &noted["changes"]["asked_for"]), (&json!(action), &json!("refused"), &json!(asked)));
            assert_eq!(noted["request_id"].as_str(), refused.header("x-request-id"));
        }
        hub.get("/api/v2/partners/%22;--").await.expect(404);
        assert_eq!(last().await["changes"]["asked_for"], "Zz9Zz9ZzCL", "what is no id at all is not noted");
        let text = Value::from(all(&rawabi, PARTNERS).await).to_string();
        assert!(!text.contains("in-the-query") && !text.contains("in-a-header"));
        assert!(!Value::from(all(&victim, PARTNERS).await).to_string().contains("asked_for"));
    }

    async fn who_leaves_stands_in_the_log_once(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (_, nakheel) = rawabi.client("Nakheel", "business").await;
        let (member, mut huda) = person::signed_in(&world, &nakheel, "Huda", "admin").await;
        let mut visitor = person::visitor(&world, &rawabi, nakheel.id).await;
        let mut operations = person::partner_person(&world, &rawabi).await;
        for (who, path, page) in [(&mut huda, "/logout", "/dashboard"), (&mut visitor, "/logout", "/dashboard"), (&mut operations, "/partner/logout", "/partner")] {
            who.get(page).await;
            assert_eq!(who.clone().submit(path, &[]).await.status, 303);
            // The same page in another window: nobody is there any more.
            assert_eq!(who.submit(path, &[]).await.status, 303);
        }
        let entries = all(&rawabi, PARTNERS).await;
        let of = |action: &str| entries.iter().filter(|entry| entry["action"] == action).cloned().collect::<Vec<_>>();
        let out = of("team_member.signed_out");
        assert_eq!((out.len(), &out[0]["actor"]["name"], &out[0]["target"]["id"]), (1, &json!("Huda"), &member["id"]));
        let ended = of("client.visit_ended");
        assert_eq!((ended.len(), &ended[0]["actor"]["type"], &ended[0]["real_actor"]["type"]), (1, &json!("visit"), &json!("partner")));
        let out = of("partner_member.signed_out");
        assert_eq!((out.len(), &out[0]["actor"]["type"]), (1, &json!("partner_member")));
    }
}

const DAILY: &str = "what a workspace does with its customers every day; events and the things themselves tell of it";
const TALK: &str = "the ticket itself tells both sides who wrote what, and when it was closed";

const BOOKED: &str = "a booking's own history tells who did what";

/// Writes that leave no entry, and why.
const NOT_NOTED: &[(&str, &str)] = &[
    ("simulate_message", "a customer of the sandbox writes in, and nothing else"),
    ("test_webhook", "sends a test, and changes nothing"),
    ("test_partner_webhook", "sends a test, and changes nothing"),
    ("create_contact", DAILY),
    ("update_contact", DAILY),
    ("delete_contact", DAILY),
    ("blacklist_contact", DAILY),
    ("create_contact_list", DAILY),
    ("update_contact_list", DAILY),
    ("delete_contact_list", DAILY),
    ("add_list_members", DAILY),
    ("remove_list_members", DAILY),
    ("add_contact_to_list", DAILY),
    ("remove_contact_from_list", DAILY),
    ("create_contact_segment", DAILY),
    ("update_contact_segment", DAILY),
    ("delete_contact_segment", DAILY),
    ("add_segment_members", DAILY),
    ("remove_segment_members", DAILY),
    ("add_contact_to_segment", DAILY),
    ("remove_contact_from_segment", DAILY),
    ("add_contact_note", DAILY),
    ("update_contact_note", DAILY),
    ("delete_contact_note", DAILY),
    ("create_tag", DAILY),
    ("update_tag", DAILY),
    ("delete_tag", DAILY),
    ("tag_contact", DAILY),
    ("untag_contact", DAILY),
    ("mark_messages_read", DAILY),
    ("send_message", DAILY),
    ("create_booking", BOOKED),
    ("update_booking", BOOKED),
    ("cancel_booking", BOOKED),
    ("create_ticket", TALK),
    ("reply_to_ticket", TALK),
    ("close_ticket", TALK),
    ("answer_partner_ticket", TALK),
    ("close_partner_ticket", TALK),
];
