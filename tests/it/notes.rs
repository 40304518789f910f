//! Notes about contacts.

use crate::on_both_engines;
use serde_json::{Value, json};

on_both_engines! {
    async fn a_note_lives_as_documented(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let rival = world.workspace("rival").await;
        let sarah = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let omar = nakheel.contact("Omar", "+14155551235").await["id"].clone();
        let notes = format!("/api/v1/contacts/{sarah}/notes");
        assert_eq!(nakheel.get(&notes).await.expect(200)["meta"], json!({"current_page": 1, "last_page": 1, "per_page": 15, "total": 0}));

        let added = nakheel.post(&notes, json!({"content": " Called today — interested in Pro plan. "})).await.expect(201);
        assert_eq!(added["message"], "Note added successfully.");
        let note = &added["data"];
        let keys: Vec<_> = note.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "content", "author", "created_at", "updated_at"]);
        assert_eq!(note["content"], "Called today — interested in Pro plan.");
        assert_eq!(note["author"], json!({"type": "api_key", "name": "API key"}));

        // Whoever wrote it stays its author, when the key is gone and when somebody else changes it.
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let issued = partner.post(&keys, json!({"name": "CRM"})).await.expect(201)["data"].clone();
        let crm = nakheel.with_key("X-Api-Key", issued["key"].as_str().unwrap());
        let by_crm = crm.post(&notes, json!({"content": "First line\nsecond line"})).await.expect(201)["data"].clone();
        assert_eq!((&by_crm["author"]["name"], &by_crm["content"]), (&json!("CRM"), &json!("First line\nsecond line")));
        partner.delete(&format!("{keys}/{}", issued["id"])).await.expect(204);
        let one = format!("{notes}/{}", by_crm["id"]);
        world.clock.advance(std::time::Duration::from_secs(60));
        let updated = nakheel.put(&one, json!({"content": "Took the Pro plan."})).await.expect(200);
        assert_eq!(updated["message"], "Note updated successfully.");
        let changed = &updated["data"];
        assert_eq!((&changed["content"], &changed["author"]["name"]), (&json!("Took the Pro plan."), &json!("CRM")));
        assert_eq!(changed["created_at"], by_crm["created_at"]);
        assert!(changed["updated_at"].as_str() > by_crm["updated_at"].as_str());

        // The newest first, in pages.
        let listed = nakheel.get(&notes).await.expect(200);
        assert_eq!(listed["data"], json!([changed, note]));
        let second = nakheel.get(&format!("{notes}?per_page=1&page=2")).await.expect(200);
        assert_eq!(second["data"], json!([note]));
        assert_eq!(second["meta"], json!({"current_page": 2, "last_page": 2, "per_page": 1, "total": 2}));
        assert_eq!(nakheel.get(&format!("{notes}?per_page=1")).await.expect(200)["meta"]["total"], 2);
        assert_eq!(nakheel.get(&format!("{notes}?per_page=101")).await.expect(200)["meta"]["per_page"], 100);
        nakheel.get(&format!("{notes}?page=0")).await.expect(422);

        // A note is found through its own contact and workspace only; the contact is looked for first.
        let elsewhere = format!("/api/v1/contacts/{omar}/notes/{}", by_crm["id"]);
        for answer in [nakheel.put(&elsewhere, json!({"content": "x"})).await, nakheel.put(&elsewhere, json!({})).await, nakheel.delete(&elsewhere).await] {
            assert_eq!(answer.expect(404)["message"], "Note not found.");
        }
        for answer in [
            rival.get(&notes).await,
            rival.get(&format!("{notes}?page=x")).await,
            rival.post(&notes, json!({"content": "x"})).await,
            rival.post(&notes, json!({})).await,
            rival.put(&one, json!({"content": "x"})).await,
            rival.delete(&one).await,
        ] {
            assert_eq!(answer.expect(404)["message"], "Contact not found.");
        }

        nakheel.delete(&one).await.expect(204);
        assert_eq!(nakheel.delete(&one).await.expect(404)["message"], "Note not found.");
        assert_eq!(nakheel.get(&notes).await.expect(200)["data"], json!([note]));

        // Notes go with their contact.
        nakheel.delete(&format!("/api/v1/contacts/{sarah}")).await.expect(204);
        nakheel.get(&notes).await.expect(404);
        assert_eq!(nakheel.get(&format!("/api/v1/contacts/{omar}/notes")).await.expect(200)["data"], json!([]));
    }

    async fn a_note_is_a_text_of_bounded_length(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let notes = format!("/api/v1/contacts/{}/notes", nakheel.contact("Sarah", "+14155551234").await["id"]);
        let longest = "م".repeat(65_535);
        let note = nakheel.post(&notes, json!({"content": longest})).await.expect(201)["data"].clone();
        assert_eq!(note["content"], json!(longest));
        let one = format!("{notes}/{}", note["id"]);
        for (content, told) in [
            (json!(format!("{longest}م")), "The content must not be greater than 65535 characters."),
            (json!(" \n "), "The content field is required."),
            (Value::Null, "The content field is required."),
            (json!(["Called"]), "The content must be a string."),
            (json!("Called\u{0}"), "The content format is invalid."),
        ] {
            for refused in [nakheel.post(&notes, json!({"content": content})).await, nakheel.put(&one, json!({"content": content})).await] {
                assert_eq!(refused.expect(422)["errors"], json!({"content": [told]}));
            }
        }
        assert_eq!(nakheel.get(&notes).await.expect(200)["meta"]["total"], 1);
    }

    async fn a_note_about_somebody_who_just_goes_is_404(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let mut racing = tokio::task::JoinSet::new();
        for n in 0..20 {
            let contact = nakheel.contact("Sarah", &format!("+1415555{n:04}")).await["id"].clone();
            for _ in 0..2 {
                let (nakheel, path) = (nakheel.clone(), format!("/api/v1/contacts/{contact}/notes"));
                racing.spawn(async move { nakheel.post(&path, json!({"content": "Called."})).await });
            }
            let (nakheel, path) = (nakheel.clone(), format!("/api/v1/contacts/{contact}"));
            racing.spawn(async move { nakheel.delete(&path).await });
        }
        for answer in racing.join_all().await {
            assert!(matches!(answer.status, 201 | 204 | 404), "{answer:?}");
        }
    }
}
