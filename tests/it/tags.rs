//! Tags: titles on contacts, and things with ids of their own.

use crate::contacts::plant;
use crate::on_both_engines;
use crate::world::Engine;
use serde_json::{Value, json};
use skylight_db::{Read, args, list};
use skylight_test_support::wait::until;

on_both_engines! {
    async fn a_tag_is_made_renamed_and_taken_from_everybody(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let body = json!({"name": "Sara", "phone": "+966501234567", "type": "whatsapp", "tags": ["vip", "new"]});
        let sara = nakheel.post("/api/v1/contacts", body).await.expect(201)["data"]["id"].clone();
        let path = format!("/api/v1/contacts/{sara}");

        // What contacts were given are tags, counted.
        let made = nakheel.post("/api/v1/tags", json!({"title": " lead "})).await.expect(201);
        assert_eq!((&made["message"], &made["data"]["title"], &made["data"]["contacts_count"]), (&json!("Tag created successfully."), &json!("lead"), &json!(0)));
        let again = nakheel.post("/api/v1/tags", json!({"title": "lead"})).await.expect(201);
        assert_eq!((&again["message"], &again["data"]), (&json!("Tag already exists."), &made["data"]));
        let all = nakheel.get("/api/v1/tags").await.expect(200);
        assert!(all.get("meta").is_none());
        let shown: Vec<_> = all["data"].as_array().unwrap().iter().map(|tag| (tag["title"].clone(), tag["contacts_count"].clone())).collect();
        assert_eq!(shown, [("new", 1), ("vip", 1), ("lead", 0)].map(|(title, count)| (json!(title), json!(count))));
        let keys: Vec<_> = made["data"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "title", "contacts_count", "created_at"]);

        // Given by id or by title, once.
        nakheel.webhook(&world.receiver.url("/crm"), &["contact.updated"]).await;
        let tags = format!("{path}/tags");
        let lead = made["data"]["id"].clone();
        let given = nakheel.post(&tags, json!({"tag_id": lead})).await.expect(200);
        assert_eq!((&given["message"], &given["data"]["tags"]), (&json!("Tag added successfully."), &json!(["vip", "new", "lead"])));
        nakheel.post(&tags, json!({"title": "lead"})).await.expect(200);
        let given = nakheel.post(&tags, json!({"title": "gold"})).await.expect(200);
        assert_eq!(given["data"]["tags"], json!(["vip", "new", "lead", "gold"]));
        assert_eq!(nakheel.get(&format!("/api/v1/tags/{lead}")).await.expect(200)["data"]["contacts_count"], 1);
        let told = world.receiver.wait_for(2).await;
        assert_eq!(told[1].json["data"]["contact"]["tags"], json!(["vip", "new", "lead", "gold"]));

        // Renamed everywhere, but never to another's title.
        let renamed = nakheel.put(&format!("/api/v1/tags/{lead}"), json!({"title": "customer"})).await.expect(200);
        assert_eq!((&renamed["message"], &renamed["data"]["contacts_count"]), (&json!("Tag updated successfully."), &json!(1)));
        assert_eq!(nakheel.get(&path).await.expect(200)["data"]["tags"], json!(["vip", "new", "customer", "gold"]));
        let taken = nakheel.put(&format!("/api/v1/tags/{lead}"), json!({"title": "vip"})).await.expect(422);
        assert_eq!(taken["errors"]["title"], json!(["The title has already been taken."]));
        nakheel.put(&format!("/api/v1/tags/{lead}"), json!({"title": "customer"})).await.expect(200);

        // Taken from one, then from everybody.
        nakheel.delete(&format!("{tags}/{lead}")).await.expect(204);
        assert_eq!(nakheel.delete(&format!("{tags}/{lead}")).await.expect(404)["message"], "Tag not found.");
        let vip = all["data"][1]["id"].clone();
        nakheel.delete(&format!("/api/v1/tags/{vip}")).await.expect(204);
        nakheel.get(&format!("/api/v1/tags/{vip}")).await.expect(404);
        assert_eq!(nakheel.get(&path).await.expect(200)["data"]["tags"], json!(["new", "gold"]));
        assert_eq!(nakheel.get("/api/v1/contacts?tag=vip").await.expect(200)["data"], json!([]));
        // Its title is free at once, and nothing of it is left.
        let fresh = nakheel.post(&tags, json!({"title": "vip"})).await.expect(200);
        assert_eq!(fresh["data"]["tags"], json!(["new", "gold", "vip"]));
        assert_eq!(nakheel.get("/api/v1/contacts?tag=vip").await.expect(200)["meta"]["total"], 1);
        until("the deleted tag is cleared", async || {
            let left: i64 = (&world.app.db).one("SELECT COUNT(*) FROM tag WHERE deleted_at IS NOT NULL", args![]).await.unwrap();
            if left == 0 { Ok(()) } else { Err(left) }
        }).await;

        // Nobody else's tags and contacts are there.
        let foreign = rival.post("/api/v1/tags", json!({"title": "theirs"})).await.expect(201)["data"]["id"].clone();
        for id in [foreign.clone(), json!(999_999)] {
            assert_eq!(nakheel.get(&format!("/api/v1/tags/{id}")).await.expect(404)["message"], "Tag not found.");
            nakheel.put(&format!("/api/v1/tags/{id}"), json!({"title": "mine"})).await.expect(404);
            nakheel.delete(&format!("/api/v1/tags/{id}")).await.expect(404);
            let unknown = nakheel.post(&tags, json!({"tag_id": id})).await.expect(422);
            assert_eq!(unknown["errors"]["tag_id"], json!(["The selected tag id is invalid."]));
            assert_eq!(nakheel.delete(&format!("{tags}/{id}")).await.expect(404)["message"], "Tag not found.");
        }
        assert_eq!(rival.post(&tags, json!({"tag_id": foreign})).await.expect(404)["message"], "Contact not found.");
    }

    async fn a_tag_for_a_contact_is_said_in_one_way_and_not_too_often(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let many: Vec<String> = (0..50).map(|n| format!("tag {n}")).collect();
        let body = json!({"name": "Sara", "phone": "+966501234567", "type": "whatsapp", "tags": many});
        let sara = nakheel.post("/api/v1/contacts", body).await.expect(201)["data"]["id"].clone();
        let tags = format!("/api/v1/contacts/{sara}/tags");
        for (body, field, message) in [
            (json!({}), "tag_id", "The tag id field is required."),
            (json!({"tag_id": "1"}), "tag_id", "The tag id must be an integer."),
            (json!({"title": "a\tb"}), "title", "The title format is invalid."),
            (json!({"title": "x".repeat(101)}), "title", "The title must not be greater than 100 characters."),
            (json!({"title": "one too many"}), "tags", "The tags must not have more than 50 items."),
        ] {
            let refused = nakheel.post(&tags, body.clone()).await.expect(422);
            assert_eq!(refused["errors"], json!({field: [message]}), "{body}");
        }
        assert_eq!(nakheel.get("/api/v1/tags").await.expect(200)["data"].as_array().map(Vec::len), Some(50));
    }

    async fn a_tag_that_thousands_have_is_gone_at_once_and_taken_from_them_behind(world: World) {
        let nakheel = world.workspace("nakheel").await;
        plant(&world, &[&nakheel], 4_500).await;
        let mut tx = world.app.db.begin().await.unwrap();
        for (title, most) in [("everybody", 9_999_999), ("few", 10)] {
            let tag: i64 = tx.one("INSERT INTO tag (workspace_id, title, created_at) VALUES ($1, $2, 1) RETURNING id", args![nakheel.id, title]).await.unwrap();
            let sql = "INSERT INTO contact_tag (workspace_id, contact_id, tag_id, position)
                       SELECT workspace_id, id, CAST($2 AS BIGINT), 0 FROM contact WHERE workspace_id = $1 ORDER BY id LIMIT $3";
            tx.exec(sql, args![nakheel.id, tag, most]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let tags = nakheel.get("/api/v1/tags").await.expect(200)["data"].clone();
        assert_eq!((&tags[0]["contacts_count"], &tags[1]["contacts_count"]), (&json!(4_500), &json!(10)));
        nakheel.delete(&format!("/api/v1/tags/{}", tags[0]["id"])).await.expect(204);
        assert_eq!(nakheel.get("/api/v1/contacts?tag=everybody").await.expect(200)["meta"]["total"], 0);
        let oldest = nakheel.get("/api/v1/contacts?tag=few").await.expect(200)["data"][0].clone();
        assert_eq!(oldest["tags"], json!(["few"]));
        until("everybody's tag is taken from them", async || {
            let left: i64 = (&world.app.db).one("SELECT COUNT(*) FROM contact_tag", args![]).await.unwrap();
            let tags: i64 = (&world.app.db).one("SELECT COUNT(*) FROM tag", args![]).await.unwrap();
            if (left, tags) == (10, 1) { Ok(()) } else { Err(format!("{left} of {tags} tags")) }
        }).await;
        assert_eq!(nakheel.get("/api/v1/contacts?tag=few").await.expect(200)["meta"]["total"], 10);
    }

    async fn a_workspace_has_so_many_tags_and_no_more_however_they_come(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let mut contacts = Vec::new();
        for n in 0..12 {
            contacts.push(nakheel.contact("Sara", &format!("+96650100{n:04}")).await["id"].clone());
        }
        let titles: Vec<String> = (0..995).map(|n| format!("tag {n}")).collect();
        let rows: Vec<_> = titles.iter().map(|title| list![&nakheel.id, title]).collect();
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec_many("INSERT INTO tag (workspace_id, title, created_at) VALUES ($1, $2, 1)", &rows).await.unwrap();
        tx.commit().await.unwrap();

        // Five places are left for forty new titles that come in four ways at once, some of them twice.
        let asked = (0..48).map(|n| {
            let (nakheel, contact, title) = (nakheel.clone(), contacts[n % 12].clone(), format!("new {}", n % 40));
            tokio::spawn(async move {
                let (path, body) = match n % 4 {
                    0 => ("/api/v1/tags".to_owned(), json!({"title": title})),
                    1 => (format!("/api/v1/contacts/{contact}/tags"), json!({"title": title})),
                    2 => (format!("/api/v1/contacts/{contact}"), json!({"tags": [title, "tag 1"]})),
                    _ => ("/api/v1/contacts".to_owned(), json!({"name": "Huda", "type": "instagram", "tags": ["tag 2", title]})),
                };
                let answer = nakheel.call(if n % 4 == 2 { "PUT" } else { "POST" }, &path, Some(body)).await;
                if answer.status == 422 {
                    let field = if n % 4 == 0 { "title" } else { "tags" };
                    assert_eq!(answer.expect(422)["errors"], json!({field: ["You can have at most 1000 tags."]}));
                    return None;
                }
                assert!([200, 201].contains(&answer.status), "{answer:?}");
                Some(title)
            })
        });
        let mut made = std::collections::BTreeSet::new();
        for task in asked.collect::<Vec<_>>() {
            made.extend(task.await.unwrap());
        }
        assert_eq!(made.len(), 5, "{made:?}");
        let all = nakheel.get("/api/v1/tags").await.expect(200)["data"].as_array().unwrap().clone();
        assert_eq!(all.len(), 1_000);
        // Nothing came of what was refused, and what is there can still be given.
        let few = nakheel.get("/api/v1/contacts?per_page=100").await.expect(200);
        assert!(few["meta"]["total"].as_i64().unwrap() <= 12 + 5 * 2, "{few}");
        let body = json!({"name": "Omar", "type": "instagram", "tags": ["tag 0", "one more"]});
        nakheel.post("/api/v1/contacts", body).await.expect(422);
        let full = json!(["You can have at most 1000 tags."]);
        let body = json!({"name": "", "type": "instagram", "tags": ["tag 0", "one more"]});
        let refused = nakheel.post("/api/v1/contacts", body).await.expect(422);
        assert_eq!(refused["errors"], json!({"name": ["The name field is required."], "tags": full}));
        let refused = nakheel.put(&format!("/api/v1/contacts/{}", contacts[0]), json!({"email": "none", "tags": ["one more"]})).await.expect(422);
        assert_eq!(refused["errors"], json!({"email": ["The email must be a valid email address."], "tags": full}));
        nakheel.post("/api/v1/tags", json!({"title": "tag 7"})).await.expect(201);
        nakheel.post(&format!("/api/v1/contacts/{}/tags", contacts[0]), json!({"title": "tag 7"})).await.expect(200);
        // Others have their own; a place that comes free is taken again.
        rival.post("/api/v1/tags", json!({"title": "one more"})).await.expect(201);
        nakheel.delete(&format!("/api/v1/tags/{}", all[5]["id"])).await.expect(204);
        let made = nakheel.post("/api/v1/tags", json!({"title": "one more"})).await.expect(201);
        assert_eq!(made["message"], "Tag created successfully.");
        nakheel.post("/api/v1/tags", json!({"title": "and another"})).await.expect(422);
    }

    async fn a_renamed_or_deleted_tag_never_comes_back(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for round in 0..20 {
            let (old, new, other) = (format!("old {round}"), format!("new {round}"), format!("other {round}"));
            let body = json!({"name": "Sara", "phone": format!("+96650200{round:04}"), "type": "whatsapp", "tags": [old]});
            let contact = nakheel.post("/api/v1/contacts", body).await.expect(201)["data"]["id"].clone();
            let tags = nakheel.get("/api/v1/tags").await.expect(200);
            let id = tags["data"].as_array().unwrap().iter().find(|tag| tag["title"] == old.as_str()).unwrap()["id"].clone();
            let (mine, path) = (format!("/api/v1/contacts/{contact}/tags"), format!("/api/v1/tags/{id}"));
            let rename = round % 2 == 0;
            let given = async { nakheel.post(&mine, json!({"title": other})).await.expect(200) };
            let changed = async {
                match rename {
                    true => { nakheel.put(&path, json!({"title": new})).await.expect(200); }
                    false => { nakheel.delete(&path).await.expect(204); }
                }
            };
            tokio::join!(given, changed);
            let shown = nakheel.get(&format!("/api/v1/contacts/{contact}")).await.expect(200)["data"]["tags"].clone();
            assert_eq!(shown, if rename { json!([new, other]) } else { json!([other]) }, "round {round}");
            let tags = nakheel.get("/api/v1/tags").await.expect(200);
            assert!(!tags["data"].as_array().unwrap().iter().any(|tag| tag["title"] == old.as_str()), "round {round}");
        }
        assert_eq!(skylight::cli::manage::recount(&world.app.db).await.unwrap(), Vec::<String>::new());
    }

    async fn contacts_retagged_in_every_order_wait_for_each_other_in_one(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let deadlocks = async || -> i64 {
            match world.engine {
                Engine::Sqlite => 0,
                Engine::Postgres => {
                    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
                    (&world.app.db).one(sql, args![]).await.unwrap()
                }
            }
        };
        let writers = (0..6).map(|n| {
            let nakheel = nakheel.clone();
            tokio::spawn(async move {
                let contact = nakheel.contact("Sara", &format!("+96650300{n:04}")).await["id"].clone();
                for round in 0..25 {
                    let mut tags = vec!["a", "b", "c", "d"];
                    tags.rotate_left((n + round) % 4);
                    tags.truncate(2 + round % 3);
                    if n % 2 == 0 { tags.reverse(); }
                    nakheel.put(&format!("/api/v1/contacts/{contact}"), json!({"tags": tags})).await.expect(200);
                }
                nakheel.delete(&format!("/api/v1/contacts/{contact}")).await.expect(204);
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        // The statistics follow within a second, and a deadlock is only seen after one.
        if world.engine == Engine::Postgres {
            let mut tx = world.app.db.begin().await.unwrap();
            tx.exec("SELECT pg_stat_force_next_flush()", args![]).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(deadlocks().await, 0);
        assert_eq!(skylight::cli::manage::recount(&world.app.db).await.unwrap(), Vec::<String>::new());
        let left = nakheel.get("/api/v1/tags").await.expect(200);
        assert!(left["data"].as_array().unwrap().iter().all(|tag| tag["contacts_count"] == 0), "{left}");
    }

    async fn a_tag_that_many_give_at_once_is_one_and_counts_them_all(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut contacts = Vec::new();
        for n in 0..12 {
            contacts.push(nakheel.contact("Sara", &format!("+96650100{n:04}")).await["id"].clone());
        }
        let given = contacts.iter().cycle().take(36).map(|contact| {
            let (nakheel, path) = (nakheel.clone(), format!("/api/v1/contacts/{contact}/tags"));
            tokio::spawn(async move { nakheel.post(&path, json!({"title": "vip"})).await.expect(200) })
        });
        for task in given.collect::<Vec<_>>() {
            let answer: Value = task.await.unwrap();
            assert_eq!(answer["data"]["tags"], json!(["vip"]));
        }
        let tags = nakheel.get("/api/v1/tags").await.expect(200);
        assert_eq!((tags["data"].as_array().map(Vec::len), &tags["data"][0]["contacts_count"]), (Some(1), &json!(12)));
    }
}
