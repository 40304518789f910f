//! Support tickets: a workspace asks, its partner answers, and nobody else hears of it.

use crate::on_both_engines;
use crate::statements::rows_of_workspace;
use crate::stored;
use crate::world::Actor;
use serde_json::{Value, json};
use skylight_db::args;
use skylight_test_support::http::HttpResponse;
use skylight_test_support::wait::until;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

const TICKETS: &str = "/api/v1/tickets";
const DESK: &str = "/api/v1/partner/tickets";
const DEPARTMENTS: &str = "/api/v1/partner/ticket-departments";

on_both_engines! {
    async fn a_ticket_goes_back_and_forth_until_it_is_closed(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        nakheel.webhook(&world.receiver.url("/crm"), &["ticket.created"]).await;
        let departments = nakheel.get("/api/v1/tickets/departments").await.expect(200);
        assert_eq!(departments["data"].as_array().unwrap().len(), 1, "a partner begins with one department");
        let support = departments["data"][0].clone();
        assert_eq!(support["title"], "Support");

        let question = json!({"subject": "  الفاتورة مفقودة ", "body": "We cannot find it.", "priority": "high"});
        let opened = nakheel.post(TICKETS, question).await.expect(201);
        assert_eq!(opened["message"], "Ticket created successfully.");
        let ticket = &opened["data"];
        let keys: Vec<_> = ticket.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "ticket_id", "subject", "priority", "status", "department", "last_reply_at", "created_at", "updated_at"]);
        assert_eq!((&ticket["subject"], &ticket["priority"], &ticket["status"]), (&json!("الفاتورة مفقودة"), &json!("high"), &json!("open")));
        assert_eq!((&ticket["department"], &ticket["last_reply_at"]), (&support, &Value::Null));
        let reference = ticket["ticket_id"].as_str().unwrap();
        assert!(reference.len() == 8 && reference.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{reference}");
        // The whole object is told.
        let told = world.receiver.wait_for_event("ticket.created", 1).await;
        assert_eq!(told[0].json["data"], json!({"ticket": ticket}));

        let (path, desk) = (format!("{TICKETS}/{}", ticket["id"]), format!("{DESK}/{}", ticket["id"]));
        let seen = nakheel.get(&path).await.expect(200)["data"].clone();
        assert_eq!(seen["replies"].as_array().unwrap().len(), 1);
        let first = &seen["replies"][0];
        assert_eq!((&first["body"], &first["author"], &first["created_at"]), (&json!("We cannot find it."), &json!("client"), &ticket["created_at"]));
        assert_eq!(first.as_object().unwrap().len(), 4);

        // Support answers; the client asks again; support answers again.
        let waiting = partner.get(&format!("{DESK}?status=open")).await.expect(200);
        assert_eq!(waiting["data"][0]["ticket_id"], reference);
        assert_eq!((&waiting["data"][0]["client_id"], &waiting["data"][0]["company_name"]), (&client["id"], &client["company_name"]));
        for (who, path, author, status) in [
            (&partner, &desk, "support", "answered"),
            (&nakheel, &path, "client", "open"),
            (&nakheel, &path, "client", "open"),
            (&partner, &desk, "support", "answered"),
        ] {
            let written = who.post(&format!("{path}/replies"), json!({"body": format!("by {author}")})).await.expect(201);
            assert_eq!((&written["message"], &written["data"]["author"]), (&json!("Reply added successfully."), &json!(author)));
            let now = nakheel.get(&path_of(ticket)).await.expect(200)["data"].clone();
            assert_eq!(now["status"], status);
            assert_eq!(now["last_reply_at"], written["data"]["created_at"]);
            assert_eq!(now["replies"].as_array().unwrap().last(), Some(&written["data"]));
        }
        let from_both_sides = (nakheel.get(&path).await.expect(200)["data"].clone(), partner.get(&desk).await.expect(200)["data"].clone());
        assert_eq!(from_both_sides.0["replies"], from_both_sides.1["replies"]);
        assert_eq!(from_both_sides.0["replies"].as_array().unwrap().len(), 5);

        let closed = nakheel.post(&format!("{path}/close"), json!({})).await.expect(200);
        assert_eq!((&closed["message"], &closed["data"]["status"]), (&json!("Ticket closed successfully."), &json!("closed")));
        let before = stored::rows(&world).await;
        for (who, path, body, message) in [
            (&nakheel, format!("{path}/close"), json!({}), "The ticket is already closed."),
            (&partner, format!("{desk}/close"), json!({}), "The ticket is already closed."),
            (&nakheel, format!("{path}/replies"), json!({"body": "and now?"}), "The ticket is closed."),
            (&partner, format!("{desk}/replies"), json!({"body": "bye"}), "The ticket is closed."),
        ] {
            let refused = who.post(&path, body).await.expect(409);
            assert_eq!((&refused["code"], &refused["message"]), (&json!("ticket_closed"), &json!(message)));
            // What is wrong with a body comes before what is wrong with the ticket.
            if path.ends_with("replies") {
                assert_eq!(who.post(&path, json!({"body": ""})).await.expect(422)["errors"], json!({"body": ["The body field is required."]}));
            }
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn tickets_are_listed_newest_first_and_filtered(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let (other, sahara) = partner.client("Sahara", "pro").await;
        let rival = world.workspace("rival").await;
        let mut ids = Vec::new();
        for n in 0..27 {
            let priority = ["low", "medium", "high"][n % 3];
            ids.push(open(&nakheel, json!({"subject": format!("t{n}"), "body": "x", "priority": priority})).await["id"].clone());
        }
        ids.reverse();
        let theirs = open(&sahara, json!({"subject": "sand", "body": "everywhere"})).await["id"].clone();
        open(&rival, json!({"subject": "none of yours", "body": "x"})).await;
        partner.post(&format!("{DESK}/{}/replies", ids[0]), json!({"body": "yes"})).await.expect(201);
        partner.post(&format!("{DESK}/{}/close", ids[3]), json!({})).await.expect(200);

        let first = nakheel.get(TICKETS).await.expect(200);
        assert_eq!(first["meta"], json!({"current_page": 1, "last_page": 2, "per_page": 25, "total": 27}));
        assert_eq!(listed(&first), ids[..25]);
        assert_eq!(listed(&nakheel.get(&format!("{TICKETS}?page=2")).await.expect(200)), ids[25..]);
        assert_eq!(nakheel.get(&format!("{TICKETS}?per_page=500")).await.expect(200)["meta"]["per_page"], 100);
        for (query, expected) in [
            ("status=answered", vec![ids[0].clone()]),
            ("status=closed", vec![ids[3].clone()]),
            ("status=closed&priority=low", vec![]),
            ("priority=high&status=answered", vec![ids[0].clone()]),
            ("priority=low", ids.iter().skip(2).step_by(3).cloned().collect()),
        ] {
            let found = nakheel.get(&format!("{TICKETS}?{query}")).await.expect(200);
            assert_eq!((listed(&found), &found["meta"]["total"]), (expected.clone(), &json!(expected.len())), "{query}");
            let mut desk = partner.get(&format!("{DESK}?{query}&client_id={}", client["id"])).await.expect(200);
            assert_eq!((listed(&desk), &desk["meta"]["total"]), (expected.clone(), &json!(expected.len())), "{query}");
            desk = partner.get(&format!("{DESK}?{query}&per_page=1")).await.expect(200);
            assert_eq!(desk["meta"]["total"], json!(expected.len()), "{query}: the other client has none of these");
        }
        let desk = partner.get(&format!("{DESK}?per_page=100")).await.expect(200);
        assert_eq!(listed(&desk), [std::slice::from_ref(&theirs), &ids[..]].concat(), "of all clients, and of nobody else's");
        assert_eq!(listed(&partner.get(&format!("{DESK}?client_id={}", other["id"])).await.expect(200)), [theirs]);
        // A client that is somebody else's, or nobody's, has no tickets here.
        for client in [rival.id, 999_999_999] {
            assert_eq!(partner.get(&format!("{DESK}?client_id={client}")).await.expect(200)["data"], json!([]));
        }
        for wrong in ["status=new", "priority=urgent", "client_id=x", "page=0"] {
            partner.get(&format!("{DESK}?{wrong}")).await.expect(422);
        }
    }

    async fn departments_are_the_partners_own(world: World) {
        let (partner, rival) = (world.partner("rawabi").await, world.partner("rival").await);
        let (_, nakheel) = partner.client("Nakheel", "business").await;
        let support = partner.get(DEPARTMENTS).await.expect(200)["data"][0].clone();
        let made = partner.post(DEPARTMENTS, json!({"title": "Billing"})).await.expect(201);
        assert_eq!(made["message"], "Department created successfully.");
        let billing = format!("{DEPARTMENTS}/{}", made["data"]["id"]);
        let taken = json!({"title": ["The title has already been taken."]});
        assert_eq!(partner.post(DEPARTMENTS, json!({"title": "Billing"})).await.expect(422)["errors"], taken);
        assert_eq!(partner.put(&billing, json!({"title": "Support"})).await.expect(422)["errors"], taken);
        let renamed = partner.put(&billing, json!({"title": "المحاسبة"})).await.expect(200);
        assert_eq!((&renamed["message"], &renamed["data"]["title"]), (&json!("Department updated successfully."), &json!("المحاسبة")));
        partner.put(&billing, json!({"title": "المحاسبة"})).await.expect(200);
        rival.post(DEPARTMENTS, json!({"title": "المحاسبة"})).await.expect(201);
        for answer in [rival.put(&billing, json!({"title": "x"})).await, rival.delete(&billing).await] {
            assert_eq!(answer.expect(404)["message"], "Department not found.");
        }
        let shown = nakheel.get("/api/v1/tickets/departments").await.expect(200);
        let id = |department: &Value| department["id"].clone();
        assert_eq!(shown["data"], json!([{"id": id(&support), "title": "Support"}, {"id": id(&made["data"]), "title": "المحاسبة"}]));

        let question = |department: Value| json!({"subject": "s", "body": "b", "department_id": department});
        let ticket = open(&nakheel, question(id(&made["data"]))).await;
        assert_eq!(ticket["department"], shown["data"][1]);
        let default = open(&nakheel, question(Value::Null)).await;
        assert_eq!(default["department"], shown["data"][0]);
        let theirs = rival.get(DEPARTMENTS).await.expect(200)["data"][0]["id"].clone();
        let before = stored::rows(&world).await;
        for wrong in [theirs, json!(999_999_999)] {
            let refused = nakheel.post(TICKETS, question(wrong)).await.expect(422);
            assert_eq!(refused["errors"], json!({"department_id": ["The selected department id is invalid."]}));
        }
        let all = nakheel.post(TICKETS, json!({"body": "b", "department_id": 999_999_999})).await.expect(422);
        assert_eq!(all["errors"], json!({"subject": ["The subject field is required."], "department_id": ["The selected department id is invalid."]}));
        stored::assert_same(&before, &stored::rows(&world).await);

        // Removed, it leaves its tickets in none; without any, new tickets are in none either.
        partner.delete(&billing).await.expect(204);
        partner.delete(&billing).await.expect(404);
        let path = path_of(&ticket);
        assert_eq!(nakheel.get(&path).await.expect(200)["data"]["department"], Value::Null);
        partner.delete(&format!("{DEPARTMENTS}/{}", support["id"])).await.expect(204);
        assert_eq!(open(&nakheel, question(Value::Null)).await["department"], Value::Null);
        assert_eq!(partner.get(&format!("{DESK}/{}", default["id"])).await.expect(200)["data"]["department"], Value::Null);
    }

    async fn of_a_reply_and_a_closing_at_once_one_comes_first(world: World) {
        let partner = world.partner("rawabi").await;
        let (_, nakheel) = partner.client("Nakheel", "business").await;
        for _ in 0..6 {
            let ticket = open(&nakheel, json!({"subject": "race", "body": "0"})).await;
            let (own, desk) = (path_of(&ticket), format!("{DESK}/{}", ticket["id"]));
            let mut racing = JoinSet::new();
            for n in 0..4 {
                racing.spawn(call(nakheel.clone(), format!("{own}/replies"), json!({"body": format!("c{n}")}), "reply"));
                racing.spawn(call(partner.clone(), format!("{desk}/replies"), json!({"body": format!("s{n}")}), "reply"));
            }
            racing.spawn(call(nakheel.clone(), format!("{own}/close"), json!({}), "close"));
            racing.spawn(call(partner.clone(), format!("{desk}/close"), json!({}), "close"));
            let answers = racing.join_all().await;
            let of = |kind: &str, status: u16| answers.iter().filter(|(k, answer)| *k == kind && answer.status == status).count();
            assert_eq!((of("close", 200), of("close", 409)), (1, 1), "one closes it");
            assert_eq!(of("reply", 201) + of("reply", 409), 8, "{answers:?}");
            let seen = nakheel.get(&own).await.expect(200)["data"].clone();
            assert_eq!(seen["status"], "closed", "no reply opens it again");
            assert_eq!(seen["replies"].as_array().unwrap().len(), 1 + of("reply", 201), "what was told to be added is there");
        }
    }

    async fn a_department_is_removed_while_tickets_are_opened(world: World) {
        let partner = world.partner("rawabi").await;
        let (_, nakheel) = partner.client("Nakheel", "business").await;
        let mut departments = vec![partner.get(DEPARTMENTS).await.expect(200)["data"][0]["id"].clone()];
        for n in 0..3 {
            let made = partner.post(DEPARTMENTS, json!({"title": format!("d{n}")})).await.expect(201);
            departments.push(made["data"]["id"].clone());
        }
        let mut racing = JoinSet::new();
        for n in 0..24 {
            let department = if n % 2 == 0 { Value::Null } else { departments[n % 4].clone() };
            let body = json!({"subject": format!("t{n}"), "body": "x", "department_id": department});
            racing.spawn(call(nakheel.clone(), TICKETS.to_owned(), body, "open"));
        }
        for department in &departments[..2] {
            let (partner, path) = (partner.clone(), format!("{DEPARTMENTS}/{department}"));
            racing.spawn(async move { ("remove", partner.delete(&path).await) });
        }
        for (what, answer) in racing.join_all().await {
            match what {
                "remove" => assert_eq!(answer.status, 204, "{answer:?}"),
                _ => assert!([201, 422].contains(&answer.status), "{answer:?}"),
            }
        }
        let left: BTreeSet<_> = departments[2..].iter().map(Value::to_string).collect();
        let all = nakheel.get(&format!("{TICKETS}?per_page=100")).await.expect(200);
        for ticket in all["data"].as_array().unwrap() {
            let department = &ticket["department"];
            assert!(department.is_null() || left.contains(&department["id"].to_string()), "{ticket}");
        }
    }

    async fn a_ticket_holds_so_many_replies_and_no_more(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let ticket = open(&nakheel, json!({"subject": "long", "body": "0"})).await;
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE ticket SET replies = 498", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let path = format!("{}/replies", path_of(&ticket));
        let mut racing = JoinSet::new();
        for n in 0..6 {
            racing.spawn(call(nakheel.clone(), path.clone(), json!({"body": format!("r{n}")}), "reply"));
        }
        let answers = racing.join_all().await;
        assert_eq!(answers.iter().filter(|(_, answer)| answer.status == 201).count(), 2);
        let (_, full) = answers.iter().find(|(_, answer)| answer.status != 201).unwrap();
        assert_eq!(full.expect(409)["message"], "A ticket has at most 500 messages. Please open a new one.");
    }

    async fn what_is_asked_stays_between_a_client_and_its_partner(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let (_, beside) = partner.client("Sahara", "business").await;
        let rival = world.partner("rival").await;
        let ticket = open(&nakheel, json!({"subject": "ours", "body": "x"})).await;
        let (path, desk) = (path_of(&ticket), format!("{DESK}/{}", ticket["id"]));
        let before = stored::rows(&world).await;
        for (who, path) in [(&beside, &path), (&rival, &desk)] {
            let answers = [
                who.get(path).await,
                who.post(&format!("{path}/replies"), json!({"body": "x"})).await,
                who.post(&format!("{path}/replies"), json!({"body": 5})).await,
                who.post(&format!("{path}/close"), json!({})).await,
            ];
            for answer in answers {
                assert_eq!(answer.expect(404)["message"], "Ticket not found.");
            }
        }
        stored::assert_same(&before, &stored::rows(&world).await);
        // A suspended client's question is still on the desk; a deleted one's is gone with everything else.
        let suspend = format!("/api/v1/partner/clients/{}", client["id"]);
        partner.post(&format!("{suspend}/suspend"), json!({})).await.expect(200);
        partner.post(&format!("{desk}/replies"), json!({"body": "what is wrong?"})).await.expect(201);
        partner.delete(&suspend).await.expect(204);
        assert_eq!(partner.get(&desk).await.expect(404)["message"], "Ticket not found.");
        assert_eq!(partner.get(DESK).await.expect(200)["meta"]["total"], 0);
        until("its rows are gone", async || {
            let left = rows_of_workspace(&world, nakheel.id).await;
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        }).await;
    }
}

async fn open(who: &Actor, body: Value) -> Value {
    who.post(TICKETS, body).await.expect(201)["data"].clone()
}

async fn call(who: Actor, path: String, body: Value, what: &'static str) -> (&'static str, HttpResponse) {
    (what, who.post(&path, body).await)
}

fn path_of(ticket: &Value) -> String {
    format!("{TICKETS}/{}", ticket["id"])
}

fn listed(list: &Value) -> Vec<Value> {
    list["data"].as_array().unwrap().iter().map(|ticket| ticket["id"].clone()).collect()
}
