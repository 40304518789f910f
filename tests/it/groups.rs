//! Lists and segments: as documented, counted to the last race, and fast to get rid of.

use crate::on_both_engines;
use crate::statements::rows_of_workspace;
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::contacts::groups;
use skylight_db::{Read, args};
use skylight_test_support::wait::until;

const KINDS: [(&str, &str); 2] = [("list", "List"), ("segment", "Segment")];

on_both_engines! {
    async fn a_group_lives_as_documented(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        for (kind, noun) in KINDS {
            let all = format!("/api/v1/contacts/{kind}s");
            let created = nakheel.post(&all, json!({"name": " Newsletter "})).await.expect(201);
            assert_eq!(created["message"], format!("{noun} created successfully."));
            let group = &created["data"];
            let keys: Vec<_> = group.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, ["id", "name", "status", "contacts_count", "created_at", "updated_at"]);
            assert_eq!((&group["name"], &group["status"], &group["contacts_count"]), (&json!("Newsletter"), &json!(1), &json!(0)));
            let one = format!("{all}/{}", group["id"]);
            assert_eq!(nakheel.get(&one).await.expect(200), json!({"success": true, "data": group}));
            let paused = nakheel.post(&all, json!({"name": "Paused", "status": 0})).await.expect(201)["data"].clone();
            assert_eq!(paused["status"], 0);

            // A name is taken once per workspace and kind, and is told beside the other faults.
            let taken = json!({"name": ["The name has already been taken."]});
            assert_eq!(nakheel.post(&all, json!({"name": "Newsletter"})).await.expect(422)["errors"], taken);
            let both = nakheel.post(&all, json!({"name": "Newsletter", "status": 2})).await.expect(422);
            assert_eq!(both["errors"], json!({"status": ["The selected status is invalid."], "name": taken["name"]}));
            let none = nakheel.post(&all, json!({"status": true})).await.expect(422);
            assert_eq!(none["errors"], json!({"name": ["The name field is required."], "status": ["The status must be an integer."]}));
            rival.post(&all, json!({"name": "Newsletter"})).await.expect(201);

            // All of them, the oldest first, without meta.
            let listed = nakheel.get(&all).await.expect(200);
            assert_eq!(listed, json!({"success": true, "data": [group, paused]}));

            // Only what is given changes.
            let updated = nakheel.put(&one, json!({"status": 0})).await.expect(200);
            assert_eq!(updated["message"], format!("{noun} updated successfully."));
            assert_eq!((&updated["data"]["name"], &updated["data"]["status"]), (&json!("Newsletter"), &json!(0)));
            let updated = nakheel.put(&one, json!({"name": "Monthly"})).await.expect(200);
            assert_eq!((&updated["data"]["name"], &updated["data"]["status"]), (&json!("Monthly"), &json!(0)));
            nakheel.put(&one, json!({"name": "Monthly", "status": 1})).await.expect(200);
            assert_eq!(nakheel.put(&one, json!({"name": "Paused"})).await.expect(422)["errors"], taken);
            let both = nakheel.put(&one, json!({"name": "Paused", "status": 7})).await.expect(422);
            assert_eq!(both["errors"], json!({"status": ["The selected status is invalid."], "name": taken["name"]}));
            let own = nakheel.put(&one, json!({"name": "Monthly", "status": 7})).await.expect(422);
            assert_eq!(own["errors"], json!({"status": ["The selected status is invalid."]}), "its own name is not taken");
            let emptied = nakheel.put(&one, json!({"name": null, "status": null})).await.expect(422);
            assert_eq!(emptied["errors"], json!({"name": ["The name field is required."], "status": ["The status field is required."]}));

            // Nobody else sees it, nor does the other kind's path.
            let other = if kind == "list" { "segment" } else { "list" };
            let crossed = format!("/api/v1/contacts/{other}s/{}", group["id"]);
            nakheel.get(&crossed).await.expect(404);
            for answer in [
                rival.get(&one).await,
                rival.put(&one, json!({"name": 5})).await,
                rival.delete(&one).await,
                rival.get(&format!("{one}/members")).await,
                rival.post(&format!("{one}/members"), json!({"contact_ids": []})).await,
                rival.call("DELETE", &format!("{one}/members"), Some(json!({"contact_ids": [1]}))).await,
                nakheel.get(&format!("{all}/abc")).await,
            ] {
                assert_eq!(answer.expect(404)["message"], format!("{noun} not found."));
            }

            nakheel.delete(&one).await.expect(204);
            for gone in [nakheel.get(&one).await, nakheel.delete(&one).await, nakheel.put(&one, json!({"status": 1})).await] {
                assert_eq!(gone.expect(404)["message"], format!("{noun} not found."));
            }
            assert_eq!(nakheel.get(&all).await.expect(200)["data"], json!([paused]));
            nakheel.post(&all, json!({"name": "Monthly"})).await.expect(201);
        }
        // The words stand beside ids.
        assert_eq!(nakheel.get("/api/v1/contacts/abc").await.expect(404)["message"], "Contact not found.");
        assert_eq!(nakheel.get("/api/v1/contacts/listss").await.expect(404)["message"], "Contact not found.");
    }

    async fn contacts_join_and_leave_groups(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let omar = nakheel.contact("Omar", "+14155551235").await["id"].clone();
        let eve = rival.contact("Eve", "+14155551236").await["id"].clone();
        for (kind, noun) in KINDS {
            let field = format!("{kind}_id");
            let group = group(&nakheel, kind, "Newsletter").await;
            let theirs = self::group(&rival, kind, "Newsletter").await;
            let of_other_kind = self::group(&nakheel, if kind == "list" { "segment" } else { "list" }, "Other").await;
            let groups = |contact: &Value| format!("/api/v1/contacts/{contact}/{kind}s");
            let one = format!("/api/v1/contacts/{kind}s/{group}");

            // Twice is once.
            for _ in 0..2 {
                let joined = nakheel.post(&groups(&sarah), json!({&field: group})).await.expect(200);
                assert_eq!(joined["message"], format!("Contact added to {kind} successfully."));
                assert_eq!(joined["data"], json!({"id": sarah, &field: group}));
                assert_eq!(nakheel.get(&one).await.expect(200)["data"]["contacts_count"], 1);
            }
            nakheel.post(&groups(&omar), json!({&field: group})).await.expect(200);
            let members = nakheel.get(&format!("{one}/members")).await.expect(200);
            let member = |id: &Value, name: &str, phone: &str| json!({"id": id, "name": name, "phone": phone, "type": "whatsapp"});
            assert_eq!(members["data"], json!([member(&omar, "Omar", "+14155551235"), member(&sarah, "Sarah", "+14155551234")]));
            assert_eq!(members["meta"], json!({"current_page": 1, "last_page": 1, "per_page": 25, "total": 2}));
            let second = nakheel.get(&format!("{one}/members?per_page=1&page=2")).await.expect(200);
            assert_eq!((&second["data"][0]["name"], &second["meta"]["total"]), (&json!("Sarah"), &json!(2)));
            assert_eq!(nakheel.get(&format!("{one}/members?per_page=500")).await.expect(200)["meta"]["per_page"], 100);
            nakheel.get(&format!("{one}/members?per_page=0")).await.expect(422);

            // What a body names is 422, what a path names is 404 and comes first.
            for unknown in [&theirs, &json!(999_999_999), &of_other_kind, &json!(0)] {
                let refused = nakheel.post(&groups(&sarah), json!({&field: unknown})).await.expect(422);
                assert_eq!(refused["errors"], json!({&field: [format!("The selected {kind} id is invalid.")]}));
            }
            let missing = nakheel.post(&groups(&sarah), json!({})).await.expect(422);
            assert_eq!(missing["errors"], json!({&field: [format!("The {kind} id field is required.")]}));
            for nobody in [&eve, &json!(999_999_999)] {
                for body in [json!({&field: group}), json!({&field: "x"})] {
                    assert_eq!(nakheel.post(&groups(nobody), body).await.expect(404)["message"], "Contact not found.");
                }
                let left = nakheel.delete(&format!("{}/{group}", groups(nobody))).await;
                assert_eq!(left.expect(404)["message"], "Contact not found.");
            }
            for unknown in [&theirs, &json!(999_999_999), &of_other_kind] {
                let left = nakheel.delete(&format!("{}/{unknown}", groups(&sarah))).await;
                assert_eq!(left.expect(404)["message"], format!("{noun} not found."));
            }
            // A stranger reaches neither the contact nor the group.
            rival.post(&groups(&sarah), json!({&field: group})).await.expect(404);
            rival.post(&groups(&eve), json!({&field: group})).await.expect(422);
            rival.delete(&format!("{}/{group}", groups(&sarah))).await.expect(404);
            assert_eq!(nakheel.get(&one).await.expect(200)["data"]["contacts_count"], 2);

            let membership = format!("{}/{group}", groups(&omar));
            nakheel.delete(&membership).await.expect(204);
            assert_eq!(nakheel.delete(&membership).await.expect(404)["message"], "Membership not found.");
            assert_eq!(nakheel.get(&one).await.expect(200)["data"]["contacts_count"], 1);
        }

        // Whoever goes, goes from everywhere.
        nakheel.delete(&format!("/api/v1/contacts/{sarah}")).await.expect(204);
        for (kind, _) in KINDS {
            for group in nakheel.get(&format!("/api/v1/contacts/{kind}s")).await.expect(200)["data"].as_array().unwrap() {
                assert_eq!(group["contacts_count"], 0, "{group}");
                let members = nakheel.get(&format!("/api/v1/contacts/{kind}s/{}/members", group["id"])).await.expect(200);
                assert_eq!((&members["data"], &members["meta"]["total"]), (&json!([]), &json!(0)));
            }
        }
        counted(&world).await;
    }

    async fn many_contacts_come_and_go_at_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let rival = world.workspace("rival").await;
        let eve = rival.contact("Eve", "+14155551236").await["id"].as_i64().unwrap();
        let ids = people(&world, &nakheel, 1_000).await;
        for (kind, _) in KINDS {
            let group = group(&nakheel, kind, "Newsletter").await;
            let members = format!("/api/v1/contacts/{kind}s/{group}/members");
            let remove = async |ids: Value| nakheel.call("DELETE", &members, Some(json!({"contact_ids": ids}))).await;

            let added = nakheel.post(&members, json!({"contact_ids": [ids[1], ids[0], ids[1]]})).await.expect(200);
            assert_eq!(added["message"], format!("Contacts added to {kind} successfully."));
            assert_eq!(added["data"], json!({"id": group, "added": 2, "contacts_count": 2}));
            let added = nakheel.post(&members, json!({"contact_ids": ids})).await.expect(200);
            assert_eq!(added["data"], json!({"id": group, "added": 998, "contacts_count": 1000}));
            let added = nakheel.post(&members, json!({"contact_ids": ids})).await.expect(200);
            assert_eq!(added["data"], json!({"id": group, "added": 0, "contacts_count": 1000}));
            let last = nakheel.get(&format!("{members}?page=40")).await.expect(200);
            assert_eq!(last["meta"], json!({"current_page": 40, "last_page": 40, "per_page": 25, "total": 1000}));
            assert_eq!(last["data"][24]["id"], ids[0]);

            // All or none: who is not there is told by place.
            let unknown = json!([ids[3], eve, ids[4], 999_999_999]);
            let told = json!(["The selected contact ids is invalid."]);
            for refused in [nakheel.post(&members, json!({"contact_ids": unknown})).await, remove(unknown.clone()).await] {
                assert_eq!(refused.expect(422)["errors"], json!({"contact_ids.1": told, "contact_ids.3": told}));
            }
            let both = json!({"contact_ids.0": told, "contact_ids.1": ["The contact ids must be an integer."]});
            for refused in [nakheel.post(&members, json!({"contact_ids": [eve, "a"]})).await, remove(json!([eve, "a", ids[3]])).await] {
                assert_eq!(refused.expect(422)["errors"], both);
            }
            let none = nakheel.post(&members, json!({"contact_ids": []})).await.expect(422);
            assert_eq!(none["errors"], json!({"contact_ids": ["The contact ids field is required."]}));
            let mut too_many = ids.clone();
            too_many.push(ids[0]);
            nakheel.post(&members, json!({"contact_ids": too_many})).await.expect(422);

            let removed = remove(json!([ids[0], ids[1], ids[0]])).await.expect(200);
            assert_eq!(removed["message"], format!("Contacts removed from {kind} successfully."));
            assert_eq!(removed["data"], json!({"id": group, "removed": 2, "contacts_count": 998}));
            let removed = remove(json!(ids)).await.expect(200);
            assert_eq!(removed["data"], json!({"id": group, "removed": 998, "contacts_count": 0}));
        }
        counted(&world).await;
    }

    async fn racing_changes_of_members_are_counted_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let ids = people(&world, &nakheel, 40).await;
        let lists = [group(&nakheel, "list", "A").await, group(&nakheel, "list", "B").await];
        let mut racing = tokio::task::JoinSet::new();
        let mut spawn = |method: &'static str, path: String, body: Value| {
            let nakheel = nakheel.clone();
            racing.spawn(async move { (method, nakheel.call(method, &path, Some(body)).await) });
        };
        let backwards: Vec<_> = ids.iter().rev().collect();
        for list in &lists {
            let members = format!("/api/v1/contacts/lists/{list}/members");
            for contact in &ids[..20] {
                // The same contact by itself, and among others in either order; some of them leave or disappear meanwhile.
                spawn("POST", format!("/api/v1/contacts/{contact}/lists"), json!({"list_id": list}));
                spawn("POST", format!("/api/v1/contacts/{contact}/lists"), json!({"list_id": list}));
                spawn("DELETE", format!("/api/v1/contacts/{contact}/lists/{list}"), Value::Null);
            }
            for _ in 0..4 {
                spawn("POST", members.clone(), json!({"contact_ids": ids[..30]}));
                spawn("POST", members.clone(), json!({"contact_ids": backwards[10..]}));
                spawn("DELETE", members.clone(), json!({"contact_ids": ids[15..30]}));
                spawn("DELETE", members.clone(), json!({"contact_ids": backwards}));
            }
        }
        for contact in &ids[30..] {
            spawn("DELETE", format!("/api/v1/contacts/{contact}"), Value::Null);
        }
        for (method, answer) in racing.join_all().await {
            assert!(matches!((method, answer.status), (_, 200 | 204 | 404 | 422)), "{method}: {answer:?}");
        }
        counted(&world).await;
        // The last word of every list: all that are left join at once, by many.
        let ids = &ids[..30];
        for list in &lists {
            let mut racing = tokio::task::JoinSet::new();
            for contact in ids.iter().chain(ids) {
                let (nakheel, path) = (nakheel.clone(), format!("/api/v1/contacts/{contact}/lists"));
                let body = json!({"list_id": list});
                racing.spawn(async move { nakheel.post(&path, body).await.expect(200) });
            }
            racing.join_all().await;
            let found = nakheel.get(&format!("/api/v1/contacts/lists/{list}/members?per_page=100")).await.expect(200);
            assert_eq!((found["meta"]["total"].as_u64(), found["data"].as_array().unwrap().len()), (Some(30), 30));
        }
        counted(&world).await;
    }

    async fn a_contact_that_goes_while_it_joins_is_not_counted(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let list = group(&nakheel, "list", "Newsletter").await;
        let ids = people(&world, &nakheel, 30).await;
        let mut racing = tokio::task::JoinSet::new();
        for contact in ids {
            let (one, path) = (nakheel.clone(), format!("/api/v1/contacts/{contact}"));
            let (other, join, body) = (nakheel.clone(), format!("{path}/lists"), json!({"list_id": list}));
            racing.spawn(async move { one.delete(&path).await.expect(204) });
            racing.spawn(async move {
                let joined = other.post(&join, body).await;
                assert!(matches!(joined.status, 200 | 404), "{joined:?}");
                Value::Null
            });
        }
        racing.join_all().await;
        assert_eq!(nakheel.get(&format!("/api/v1/contacts/lists/{list}")).await.expect(200)["data"]["contacts_count"], 0);
        counted(&world).await;
    }

    async fn a_large_group_is_gone_at_once_and_cleared_behind(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (large, small) = (group(&nakheel, "list", "Large").await, group(&nakheel, "list", "Small").await);
        let ids = people(&world, &nakheel, 5_000).await;
        for part in ids.chunks(1_000) {
            nakheel.post(&format!("/api/v1/contacts/lists/{large}/members"), json!({"contact_ids": part})).await.expect(200);
        }
        nakheel.post(&format!("/api/v1/contacts/lists/{small}/members"), json!({"contact_ids": ids[..3]})).await.expect(200);
        nakheel.delete(&format!("/api/v1/contacts/lists/{large}")).await.expect(204);
        nakheel.get(&format!("/api/v1/contacts/lists/{large}/members")).await.expect(404);
        nakheel.post(&format!("/api/v1/contacts/{}/lists", ids[0]), json!({"list_id": large})).await.expect(422);
        nakheel.delete(&format!("/api/v1/contacts/{}/lists/{large}", ids[0])).await.expect(404);
        // A contact can go while its group is being cleared.
        nakheel.delete(&format!("/api/v1/contacts/{}", ids[4_999])).await.expect(204);
        until("the members of the deleted list are gone", async || {
            let left: i64 = (&world.app.db).one("SELECT COUNT(*) FROM contact_group_member", args![]).await.unwrap();
            let groups: i64 = (&world.app.db).one("SELECT COUNT(*) FROM contact_group", args![]).await.unwrap();
            if (left, groups) == (3, 1) { Ok(()) } else { Err(format!("{left} members of {groups} groups")) }
        })
        .await;
        counted(&world).await;
    }

    async fn a_workspace_has_at_most_a_thousand_groups_of_a_kind(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut tx = world.app.db.begin().await.unwrap();
        for n in 0..999 {
            let sql = "INSERT INTO contact_group (workspace_id, kind, name, status, created_at, updated_at) VALUES ($1, 'list', $2, 1, 1, 1)";
            tx.exec(sql, args![nakheel.id, format!("List {n}")]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for n in 0..10 {
            let nakheel = nakheel.clone();
            racing.spawn(async move { nakheel.post("/api/v1/contacts/lists", json!({"name": format!("Racer {n}")})).await });
        }
        let answers = racing.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        for answer in answers.into_iter().filter(|answer| answer.status != 201) {
            assert_eq!(answer.expect(422)["errors"], json!({"name": ["You can have at most 1000 lists."]}));
        }
        assert_eq!(nakheel.get("/api/v1/contacts/lists").await.expect(200)["data"].as_array().unwrap().len(), 1_000);
        group(&nakheel, "segment", "Of another kind").await;
    }

    async fn a_name_that_two_want_at_once_is_given_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let nakheel = nakheel.clone();
            racing.spawn(async move { nakheel.post("/api/v1/contacts/segments", json!({"name": "VIP"})).await });
        }
        let answers = racing.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        for answer in answers.into_iter().filter(|answer| answer.status != 201) {
            assert_eq!(answer.expect(422)["errors"], json!({"name": ["The name has already been taken."]}));
        }
    }

    async fn a_counter_that_differs_from_the_members_is_told(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let segment = group(&nakheel, "segment", "VIP").await;
        let ids = people(&world, &nakheel, 2).await;
        nakheel.post(&format!("/api/v1/contacts/segments/{segment}/members"), json!({"contact_ids": ids})).await.expect(200);
        counted(&world).await;
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE contact_group SET contacts_count = 5", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let told = groups::recount(&world.app.db).await.unwrap();
        let expected = format!("workspace {}: the contacts of segment {segment} are kept as 5, but there are 2", nakheel.id);
        assert_eq!(told, [expected]);
    }

    async fn groups_and_notes_go_with_their_workspace(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let ids = people(&world, &nakheel, 3).await;
        for (kind, _) in KINDS {
            let group = group(&nakheel, kind, "VIP").await;
            nakheel.post(&format!("/api/v1/contacts/{kind}s/{group}/members"), json!({"contact_ids": ids})).await.expect(200);
        }
        nakheel.post(&format!("/api/v1/contacts/{}/notes", ids[0]), json!({"content": "Called."})).await.expect(201);
        partner.delete(&format!("/api/v1/partner/clients/{}", client["id"])).await.expect(204);
        until("everything of the workspace is gone", async || {
            let left = rows_of_workspace(&world, nakheel.id).await;
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        })
        .await;
    }
}

/// A list or segment; its id.
async fn group(workspace: &Actor, kind: &str, name: &str) -> Value {
    let path = format!("/api/v1/contacts/{kind}s");
    workspace.post(&path, json!({"name": name})).await.expect(201)["data"]["id"].clone()
}

/// Many contacts, put into the table and its counters by hand; their ids, ascending.
async fn people(world: &World, workspace: &Actor, count: usize) -> Vec<i64> {
    let mut tx = world.app.db.begin().await.unwrap();
    let mut ids = Vec::with_capacity(count);
    for n in 0..count {
        let sql =
            "INSERT INTO contact (workspace_id, name, type, status, blacklisted, search_text, created_at, updated_at)
                   VALUES ($1, $2, 'instagram', 'active', FALSE, '', 1, 1) RETURNING id";
        ids.push(tx.one::<i64>(sql, args![workspace.id, format!("Person {n}")]).await.unwrap());
    }
    let count = i64::try_from(count).unwrap();
    tx.exec("UPDATE meter SET contacts = contacts + $2 WHERE workspace_id = $1", args![workspace.id, count])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    ids
}

/// Every counter says what the rows say.
async fn counted(world: &World) {
    let differences = skylight::cli::manage::recount(&world.app.db).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
}
