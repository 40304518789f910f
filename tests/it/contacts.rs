//! Contacts as the seed documents them: to the letter, to the last race, and found as people search.

use crate::on_both_engines;
use crate::world::Actor;
use serde_json::{Value, json};

on_both_engines! {
    async fn a_contact_lives_as_documented(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        nakheel.webhook(&world.receiver.url("/crm"), &["contact.created", "contact.updated", "contact.deleted"]).await;

        let new = json!({"name": "Sarah Johnson", "phone": "+1 (415) 555-1234", "email": "sarah@example.com", "type": "whatsapp", "tags": ["vip", "newsletter"]});
        let created = nakheel.post("/api/v1/contacts", new).await.expect(201);
        assert_eq!(created["message"], "Contact created successfully.");
        let contact = &created["data"];
        let path = format!("/api/v1/contacts/{}", contact["id"]);
        let keys: Vec<_> = contact.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "name", "email", "phone", "type", "status", "blacklisted", "tags", "last_message_at", "created_at", "updated_at"]);
        assert_eq!((&contact["phone"], &contact["tags"]), (&json!("+14155551234"), &json!(["vip", "newsletter"])));
        assert_eq!((&contact["status"], &contact["blacklisted"]), (&json!("active"), &json!(false)));
        assert_eq!(nakheel.get(&path).await.expect(200)["data"], *contact);

        // Only what is given changes; tags are replaced.
        let updated = nakheel.put(&path, json!({"name": "Sarah M. Johnson", "tags": ["vip", "priority"]})).await.expect(200);
        assert_eq!(updated["message"], "Contact updated successfully.");
        assert_eq!(updated["data"]["name"], "Sarah M. Johnson");
        assert_eq!((&updated["data"]["tags"], &updated["data"]["email"]), (&json!(["vip", "priority"]), &json!("sarah@example.com")));
        let cleared = nakheel.put(&path, json!({"email": null})).await.expect(200);
        assert_eq!(cleared["data"]["email"], Value::Null);
        for (change, field) in [(json!({"type": "telegram"}), "type"), (json!({"phone": null}), "phone"), (json!({"name": ""}), "name")] {
            let refused = nakheel.put(&path, change).await.expect(422);
            assert!(refused["errors"][field].is_array(), "{refused}");
        }

        // The blacklist toggles, or is set.
        let toggle = format!("{path}/blacklist");
        for (body, blacklisted, message) in [
            (json!({}), true, "Contact blacklisted successfully."),
            (json!({}), false, "Contact removed from blacklist successfully."),
            (json!({"blacklisted": true}), true, "Contact blacklisted successfully."),
            (json!({"blacklisted": true}), true, "Contact blacklisted successfully."),
        ] {
            let answer = nakheel.post(&toggle, body).await.expect(200);
            assert_eq!((&answer["data"]["blacklisted"], answer["message"].as_str()), (&json!(blacklisted), Some(message)));
        }

        // Nobody else sees it, and no body is needed to delete it.
        for answer in [rival.get(&path).await, rival.put(&path, json!({"name": "x"})).await, rival.delete(&path).await] {
            assert_eq!(answer.expect(404)["message"], "Contact not found.");
        }
        nakheel.delete(&path).await.expect(204);
        nakheel.get(&path).await.expect(404);
        nakheel.delete(&path).await.expect(404);

        // Everything that changed was told once, in order: created, name, e-mail, three changes of the blacklist, deleted.
        let told = world.receiver.wait_for(7).await;
        let events: Vec<_> = told.iter().map(|delivery| delivery.event.as_str()).collect();
        assert_eq!(events, [&["contact.created"][..], &["contact.updated"; 5], &["contact.deleted"]].concat());
        let first = &told[0].json["data"]["contact"];
        let keys: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "name", "email", "phone", "type", "status", "blacklisted", "tags", "created_at"]);
        let last = &told[6].json["data"]["contact"];
        assert_eq!((&last["id"], last["deleted_at"].is_string()), (&contact["id"], true));
    }

    async fn a_number_is_taken_once_per_workspace_and_type(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        let racing = (0..20).map(|n| {
            let nakheel = nakheel.clone();
            // The same number in different notations.
            let phone = if n % 2 == 0 { "+966501234567" } else { "٠٥٠ ١٢٣ ٤٥٦٧" };
            tokio::spawn(async move { nakheel.post("/api/v1/contacts", whatsapp("Racer", phone)).await })
        });
        let mut created = 0;
        for answer in racing.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            if answer.status == 201 {
                created += 1;
            } else {
                assert_eq!(answer.expect(422)["errors"], json!({"phone": ["The phone has already been taken."]}));
            }
        }
        assert_eq!(created, 1);
        rival.post("/api/v1/contacts", whatsapp("Neighbour", "+966501234567")).await.expect(201);
        nakheel.post("/api/v1/contacts", json!({"name": "T", "phone": "+966501234567", "type": "telegram"})).await.expect(201);
        nakheel.post("/api/v1/contacts", json!({"name": "I", "type": "instagram"})).await.expect(201);
        let without = nakheel.post("/api/v1/contacts", json!({"name": "W", "type": "whatsapp"})).await.expect(422);
        assert_eq!(without["errors"], json!({"phone": ["The phone field is required."]}));
    }

    async fn people_are_found_as_people_search(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for (name, phone, email) in [
            ("أحمد القحطاني", "+966501112233", "ahmad@nakheel.sa"),
            ("فاطمة الزهراء", "+966502223344", "fatima@nakheel.sa"),
            ("إِيمان", "+966503334455", "iman@nakheel.sa"),
            ("José 100% Müller", "+14155551234", "JOSE@example.com"),
            ("Under_score", "+14155559999", "under@example.com"),
        ] {
            let body = json!({"name": name, "phone": phone, "email": email, "type": "whatsapp"});
            nakheel.post("/api/v1/contacts", body).await.expect(201);
        }
        for (search, expected) in [
            ("احمد", vec!["أحمد القحطاني"]),
            ("فاطمه", vec!["فاطمة الزهراء"]),
            ("ايمان", vec!["إِيمان"]),
            ("jose", vec!["José 100% Müller"]),
            ("MÜLLER", vec!["José 100% Müller"]),
            ("0501112233", vec!["أحمد القحطاني"]),
            ("٠٥٠١١١", vec!["أحمد القحطاني"]),
            ("+966 50 222", vec!["فاطمة الزهراء"]),
            ("nakheel.sa", vec!["إِيمان", "فاطمة الزهراء", "أحمد القحطاني"]),
            ("100%", vec!["José 100% Müller"]),
            ("r_s", vec!["Under_score"]),
            ("nobody", vec![]),
        ] {
            let found = list(&nakheel, &[("search", search)]).await;
            assert_eq!(names(&found), expected, "{search}");
            assert_eq!(found["meta"]["total"], expected.len(), "{search}");
        }
    }

    async fn lists_are_paged_and_filtered(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for number in 0..17 {
            let tags = if number % 4 == 0 { json!(["vip", "عميل مميز"]) } else { json!([]) };
            let body = json!({"name": format!("c{number:02}"), "phone": format!("+96650000{number:04}"), "type": "whatsapp", "tags": tags});
            nakheel.post("/api/v1/contacts", body).await.expect(201);
        }
        nakheel.post("/api/v1/contacts", json!({"name": "insta", "type": "instagram"})).await.expect(201);
        let first = list(&nakheel, &[]).await;
        assert_eq!(first["meta"], json!({"current_page": 1, "last_page": 2, "per_page": 15, "total": 18}));
        assert_eq!(names(&first)[..2], ["insta", "c16"], "the newest first");
        let second = list(&nakheel, &[("page", "2")]).await;
        assert_eq!(names(&second), ["c02", "c01", "c00"]);
        let beyond = list(&nakheel, &[("page", "9")]).await;
        assert_eq!((names(&beyond).len(), &beyond["meta"]["total"]), (0, &json!(18)));
        assert_eq!(list(&nakheel, &[("per_page", "1000")]).await["meta"]["per_page"], 100);
        assert_eq!(names(&list(&nakheel, &[("tag", "عميل مميز")]).await), ["c16", "c12", "c08", "c04", "c00"]);
        assert_eq!(list(&nakheel, &[("tag", "vip"), ("search", "c1")]).await["meta"]["total"], 2);
        assert_eq!(names(&list(&nakheel, &[("type", "instagram")]).await), ["insta"]);
        let id = first["data"][0]["id"].clone();
        nakheel.post(&format!("/api/v1/contacts/{id}/blacklist"), json!({})).await.expect(200);
        assert_eq!(names(&list(&nakheel, &[("blacklisted", "true")]).await), ["insta"]);
        assert_eq!(list(&nakheel, &[("blacklisted", "false")]).await["meta"]["total"], 17);
        for bad in ["page=0", "page=x", "per_page=-1", "type=fax", "blacklisted=maybe"] {
            nakheel.get(&format!("/api/v1/contacts?{bad}")).await.expect(422);
        }
    }

    async fn racing_changes_all_arrive_and_are_counted_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let path = format!("/api/v1/contacts/{}", nakheel.contact("Sarah", "+14155551234").await["id"]);
        // Changes of different fields do not undo each other; toggles are each a toggle.
        let mut racing = Vec::new();
        for body in [json!({"name": "Renamed"}), json!({"email": "new@example.com"}), json!({"tags": ["a", "b"]}), json!({"status": "inactive"})] {
            let (nakheel, path) = (nakheel.clone(), path.clone());
            racing.push(tokio::spawn(async move { nakheel.put(&path, body).await.expect(200) }));
        }
        for _ in 0..21 {
            let (nakheel, path) = (nakheel.clone(), format!("{path}/blacklist"));
            racing.push(tokio::spawn(async move { nakheel.post(&path, json!({})).await.expect(200) }));
        }
        for change in racing {
            change.await.unwrap();
        }
        let contact = nakheel.get(&path).await.expect(200)["data"].clone();
        assert_eq!((contact["name"].as_str(), contact["email"].as_str()), (Some("Renamed"), Some("new@example.com")));
        assert_eq!((&contact["tags"], &contact["status"]), (&json!(["a", "b"]), &json!("inactive")));
        assert_eq!(contact["blacklisted"], true, "an odd number of toggles");
        let differences = skylight::usage::recount(&world.app.db).await.unwrap();
        assert!(differences.is_empty(), "{differences:?}");
    }
}

fn whatsapp(name: &str, phone: &str) -> Value {
    json!({"name": name, "phone": phone, "type": "whatsapp"})
}

async fn list(workspace: &Actor, query: &[(&str, &str)]) -> Value {
    let (header, key) = workspace.credential.as_ref().unwrap();
    let mut request = workspace.http.get(format!("{}/api/v1/contacts", workspace.base)).header(*header, key.as_str());
    for (name, value) in query {
        request = request.query(name, value);
    }
    request.send().await.expect(200)
}

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|contact| contact["name"].as_str().unwrap()).collect()
}
