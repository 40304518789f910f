//! Contacts as the seed documents them: to the letter, to the last race, and found as people search.

use crate::cast::unlimited;
use crate::on_both_engines;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight_db::{Read, args, list};
use skylight_test_support::wait::until;

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
        let other = nakheel.contact("Other", "+966507654321").await["id"].clone();
        let both = json!({"email": ["The email must be a valid email address."], "phone": ["The phone has already been taken."]});
        let wrong = json!({"email": "no address", "phone": "0501234567"});
        assert_eq!(nakheel.put(&format!("/api/v1/contacts/{other}"), wrong.clone()).await.expect(422)["errors"], both);
        let own = json!({"email": "no address", "phone": "+966507654321"});
        assert_eq!(nakheel.put(&format!("/api/v1/contacts/{other}"), own).await.expect(422)["errors"], json!({"email": both["email"]}));
        let mut wrong = wrong;
        wrong["name"] = json!("New");
        wrong["type"] = json!("whatsapp");
        assert_eq!(nakheel.post("/api/v1/contacts", wrong).await.expect(422)["errors"], both);
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
        let differences = skylight::cli::manage::recount(&world.app.db).await.unwrap();
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

on_both_engines! {
    async fn contacts_that_change_sides_at_once_wait_for_each_other_in_one_order(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let togglers = (0..6).map(|n| {
            let nakheel = nakheel.clone();
            tokio::spawn(async move {
                let contact = nakheel.contact("Sara", &format!("+96650400{n:04}")).await["id"].clone();
                for round in 0..31 + n {
                    let toggled = nakheel.post(&format!("/api/v1/contacts/{contact}/blacklist"), json!({})).await.expect(200);
                    assert_eq!(toggled["data"]["blacklisted"], round % 2 == 0);
                }
            })
        });
        for toggler in togglers.collect::<Vec<_>>() {
            toggler.await.unwrap();
        }
        assert_eq!(nakheel.get("/api/v1/contacts?blacklisted=true").await.expect(200)["meta"]["total"], 3);
        assert_eq!(skylight::cli::manage::recount(&world.app.db).await.unwrap(), Vec::<String>::new());
    }

    async fn pages_far_down_a_long_list_are_the_rows_that_stand_there(world: World) {
        // Thousands of contacts with ids of several blocks, two workspaces among each other, some gone again.
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        unlimited(&world).await;
        plant(&world, &[&nakheel, &rival], 26_000).await;
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("DELETE FROM contact WHERE workspace_id = $1 AND id % 7 = 3", args![nakheel.id]).await.unwrap();
        tx.exec("UPDATE contact SET blacklisted = TRUE WHERE workspace_id = $1 AND id % 5 = 1", args![nakheel.id]).await.unwrap();
        tx.commit().await.unwrap();
        for (query, condition) in [
            ("", "TRUE"), ("&type=telegram", "type = 'telegram'"), ("&blacklisted=true", "blacklisted"),
            ("&blacklisted=false", "NOT blacklisted"), ("&type=whatsapp&blacklisted=false", "type = 'whatsapp' AND NOT blacklisted"),
        ] {
            let sql = format!("SELECT id FROM contact WHERE workspace_id = $1 AND {condition} ORDER BY id DESC");
            let ids: Vec<i64> = (&world.app.db).all(&sql, args![nakheel.id]).await.unwrap();
            let last = ids.len().div_ceil(10);
            for number in [1, 2, last / 3, last / 2, last - 1, last, last + 1, last + 1000] {
                let page = nakheel.get(&format!("/api/v1/contacts?per_page=10&page={number}{query}")).await.expect(200);
                let shown: Vec<i64> = page["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
                let expected: Vec<i64> = ids.iter().skip((number - 1) * 10).take(10).copied().collect();
                assert_eq!(shown, expected, "page {number} of {last} with {query:?}");
                assert_eq!((&page["meta"]["total"], &page["meta"]["last_page"]), (&json!(ids.len()), &json!(last)), "{query:?}");
            }
        }
        assert_eq!(rival.get("/api/v1/contacts").await.expect(200)["meta"]["total"], 13_000);
        let differences = skylight::cli::manage::recount(&world.app.db).await.unwrap();
        assert!(differences.iter().all(|sentence| sentence.contains(": contacts is kept") || sentence.contains(": blacklisted is kept")), "{differences:?}");
    }

    async fn a_search_finds_the_same_before_and_after_the_index_knows(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let people = [
            ("سارة الأحمد", "+966501234567", "sara@nakheel.sa"), ("Sarah O'Neil", "+966501234568", "s.oneil@x-y.com"),
            ("مُحَمَّد عليّ", "+966551112222", "m_ali@nakheel.sa"), ("José 100%", "+4915112345678", "jose@example.de"), ("بو", "+97150000111", "bo@b.ae"),
        ];
        for (name, phone, email) in people {
            let body = json!({"name": name, "phone": phone, "email": email, "type": "whatsapp"});
            nakheel.post("/api/v1/contacts", body.clone()).await.expect(201);
            rival.post("/api/v1/contacts", body).await.expect(201);
        }
        let searches = [
            ("ساره", vec![0]), ("الاحمد", vec![0]), ("sarah", vec![1]), ("o'n", vec![1]), ("SARA", vec![1, 0]), ("محمد على", vec![2]),
            ("nakheel.sa", vec![2, 0]), ("m_ali@", vec![2]), ("100%", vec![3]), ("jose", vec![3]), ("0501234567", vec![0]),
            ("٠٥٠١٢٣٤٥٦", vec![1, 0]), ("1 50 123", vec![]), ("5 012 3", vec![1, 0]), ("+49 151", vec![3]), ("بو", vec![4]), ("e", vec![4, 3, 2, 1, 0]),
            ("b.", vec![4]), ("z", vec![]), ("ae", vec![4]), ("%", vec![3]), ("_", vec![2]), ("\n", vec![]), ("sarah neil", vec![]),
        ];
        for indexed in [false, true] {
            if indexed {
                until_indexed(&world).await;
            }
            for (search, expected) in &searches {
                let found = nakheel.get(&format!("/api/v1/contacts?search={}", encoded(search))).await.expect(200);
                let names: Vec<_> = found["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
                let expected: Vec<_> = expected.iter().map(|n| people[*n].0).collect();
                let expected = if *search == "\n" { people.iter().rev().map(|person| person.0).collect() } else { expected };
                assert_eq!(names, expected, "{search:?}, indexed: {indexed}");
                assert_eq!(found["meta"]["total"], expected.len(), "{search:?}");
            }
        }

        // A rewritten contact is found by its new name at once and no longer by the old one; a deleted one not at all.
        let sarah = nakheel.get("/api/v1/contacts?search=sarah").await.expect(200)["data"][0]["id"].clone();
        nakheel.put(&format!("/api/v1/contacts/{sarah}"), json!({"name": "Huda"})).await.expect(200);
        for _ in 0..2 {
            for (search, count) in [("sarah", 0), ("huda", 1), ("s.oneil", 1)] {
                let found = nakheel.get(&format!("/api/v1/contacts?search={search}&type=whatsapp&blacklisted=false")).await.expect(200);
                assert_eq!(found["meta"]["total"], count, "{search}");
            }
            until_indexed(&world).await;
        }
        nakheel.delete(&format!("/api/v1/contacts/{sarah}")).await.expect(204);
        assert_eq!(nakheel.get("/api/v1/contacts?search=huda").await.expect(200)["data"], json!([]));
        assert_eq!(rival.get("/api/v1/contacts?search=sarah").await.expect(200)["meta"]["total"], 1);
    }

    async fn tags_are_counted_as_they_are_given_and_taken(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut paths = Vec::new();
        for n in 0..6 {
            let body = json!({"name": format!("Sara {n}"), "phone": format!("+96650100{n:04}"), "type": "whatsapp", "tags": ["vip", format!("n{}", n % 2)]});
            let made = nakheel.post("/api/v1/contacts", body).await.expect(201);
            paths.push(format!("/api/v1/contacts/{}", made["data"]["id"]));
        }
        nakheel.put(&paths[0], json!({"tags": ["n1"]})).await.expect(200);
        nakheel.delete(&paths[1]).await.expect(204);
        nakheel.post(&format!("{}/blacklist", paths[2]), json!({})).await.expect(200);
        for (query, total) in [("tag=vip", 4), ("tag=n0", 2), ("tag=n1", 3), ("tag=vip&blacklisted=true", 1), ("tag=nobody", 0), ("tag=vip&search=sara", 4)] {
            for page in [1, 2, 9] {
                let found = nakheel.get(&format!("/api/v1/contacts?{query}&per_page=2&page={page}")).await.expect(200);
                assert_eq!(found["meta"]["total"], total, "{query}");
                let shown = found["data"].as_array().unwrap().len();
                assert_eq!(shown, usize::try_from(total - 2 * (page - 1)).unwrap_or(0).min(2), "{query} page {page}");
            }
        }
        assert_eq!(skylight::cli::manage::recount(&world.app.db).await.unwrap(), Vec::<String>::new());
    }
}

/// Puts contacts into the table, in turns for each workspace.
pub async fn plant(world: &World, owners: &[&Actor], count: usize) {
    let (kinds, now) = (["whatsapp", "telegram", "whatsapp"], world.app.now());
    let rows: Vec<_> =
        (0..count).map(|n| (owners[n % owners.len()].id, format!("contact {n}"), kinds[n % 3])).collect();
    let mut tx = world.app.db.begin().await.unwrap();
    for rows in rows.chunks(500) {
        let lists: Vec<_> = rows.iter().map(|(id, name, kind)| list![id, name, kind, &now]).collect();
        tx.exec_many(
            "INSERT INTO contact (workspace_id, name, type, status, blacklisted, search_text, created_at, updated_at)
             VALUES ($1, $2, $3, 'active', FALSE, $2, $4, $4)",
            &lists,
        )
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

pub async fn until_indexed(world: &World) {
    until("the search index knows every contact", async || {
        let waiting: i64 = (&world.app.db).one("SELECT COUNT(*) FROM contact_unindexed", args![]).await.unwrap();
        if waiting == 0 { Ok(()) } else { Err(waiting) }
    })
    .await;
}

pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
