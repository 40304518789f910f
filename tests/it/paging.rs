//! Lists in parts: every list of the route table walks by pages and by cursor alike.

use crate::cast::{self, Owner};
use crate::on_both_engines;
use serde_json::Value;

on_both_engines! {
    async fn every_list_is_walked_by_cursor_as_it_is_by_pages(world: World) {
        cast::unlimited(&world).await;
        let owner = Owner::new(&world, "nakheel").await;
        let mut walked = Vec::new();
        for route in skylight::routes::all() {
            if !route.parameters.iter().any(|parameter| parameter.name == "cursor") {
                continue;
            }
            let path = owner.path(&route).await;
            let caller = owner.caller(&route);
            owner.fill(&route, &path).await;
            // By what names them: messages and deliveries go on while they are listed.
            let rows = |answer: &Value| -> Vec<i64> {
                let data = answer["data"].as_array().or(answer["data"]["clients"].as_array());
                let data = data.unwrap_or_else(|| panic!("{} has no list: {answer}", route.operation));
                data.iter().map(|row| ["id", "contact_id", "client_id"].iter().find_map(|name| row[name].as_i64()).unwrap()).collect()
            };
            let whole = caller.get(&format!("{path}?per_page=100")).await.expect(200);
            let all = rows(&whole);
            assert!(all.len() >= 3, "{} has only {} rows to walk", route.operation, all.len());
            let keys: Vec<_> = whole["meta"].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, ["current_page", "last_page", "per_page", "total"], "{}", route.operation);
            for size in [1, 2, all.len()] {
                let (mut cursor, mut found) = (String::new(), Vec::new());
                loop {
                    let part = caller.get(&format!("{path}?per_page={size}&cursor={cursor}")).await.expect(200);
                    assert!(rows(&part).len() <= size);
                    found.extend(rows(&part));
                    let keys: Vec<_> = part["meta"].as_object().unwrap().keys().map(String::as_str).collect();
                    assert_eq!(keys, ["per_page", "next_cursor"], "{}", route.operation);
                    match part["meta"]["next_cursor"].as_str() {
                        Some(next) => next.clone_into(&mut cursor),
                        None => break,
                    }
                    assert!(found.len() < all.len(), "{}: there is no next part after the last row", route.operation);
                }
                assert_eq!(found, all, "{} in parts of {size}", route.operation);
            }
            let both = caller.get(&format!("{path}?page=1&cursor=")).await.expect(422);
            assert_eq!(both["errors"]["page"][0], "The page must not be given together with a cursor.");
            walked.push(route.operation);
        }
        assert!(walked.len() >= 6, "{walked:?}");
    }

    async fn a_walk_neither_skips_nor_repeats_while_rows_come_and_go(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut ids = Vec::new();
        for n in 0..12 {
            ids.push(nakheel.contact(&format!("Sara {n}"), &format!("+96650100{n:04}")).await["id"].as_i64().unwrap());
        }
        let first = nakheel.get("/api/v1/contacts?per_page=5&cursor=").await.expect(200);
        // Between two parts somebody comes, somebody who was shown goes, and so does the one the cursor stands at.
        nakheel.contact("Newcomer", "+966501999999").await;
        for gone in [ids[9], ids[7]] {
            nakheel.delete(&format!("/api/v1/contacts/{gone}")).await.expect(204);
        }
        let next = first["meta"]["next_cursor"].as_str().unwrap();
        let second = nakheel.get(&format!("/api/v1/contacts?per_page=100&cursor={next}")).await.expect(200);
        let seen: Vec<i64> = [&first, &second]
            .iter()
            .flat_map(|part| part["data"].as_array().unwrap())
            .map(|row| row["id"].as_i64().unwrap())
            .collect();
        assert_eq!(seen, ids.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(second["meta"]["next_cursor"], Value::Null);
    }
}
