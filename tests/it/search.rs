//! Searches and filtered lists: every text as it stands, every part of every list, whatever the index is doing meanwhile.

use crate::contacts::{encoded, plant, until_indexed};
use crate::on_both_engines;
use crate::statements::rows_of_workspace;
use crate::world::{Actor, Engine, World};
use serde_json::{Value, json};
use skylight::contacts::indexing::index_some;
use skylight::kernel::text::is_invisible;
use skylight_db::{Read, args};
use skylight_test_support::wait::{eventually, until};

const CONTACTS: &str = "/api/v1/contacts";

on_both_engines! {
    async fn every_text_is_looked_for_as_it_stands(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let long = "longest name of all ".repeat(13)[..255].to_owned();
        let people = [
            "Sara 🌴👩‍👩‍👧 X", "\"Sara\" 'O''Neil'", "C:\\temp\\new", "100% sure", "a_b%c!d", "AND OR NOT NEAR(x, y)", "x* ^y col:z {q}",
            "' OR 1=1 --", "a & b | !c <-> d", "\u{E000}\u{E02D}\u{E100}\u{E0FF}pua", "e-f", "a\u{E02D}c", "\u{202B}شركة النخيل\u{202C}", "ﷺ ﻻ", "Ǆ ß İ", long.as_str(),
        ];
        for name in people {
            let body = json!({"name": name, "type": "instagram"});
            nakheel.post(CONTACTS, body.clone()).await.expect(201);
            rival.post(CONTACTS, body).await.expect(201);
        }
        for indexed in [false, true] {
            if indexed {
                until_indexed(&world).await;
            }
            for name in people {
                let chars: Vec<char> = name.chars().collect();
                assert_eq!(names(&nakheel, name).await, [name.trim_matches(['\u{202B}', '\u{202C}'])], "indexed: {indexed}");
                let steps = if chars.len() > 100 { 41 } else { 1 };
                for (size, at) in [1, 2, 3, 4, 5, 9, 250].into_iter().flat_map(|size| (0..chars.len()).step_by(steps).map(move |at| (size, at))) {
                    let Some(part) = chars.get(at..at + size) else { continue };
                    let part: String = part.iter().collect();
                    if part.chars().all(is_invisible) { continue; }
                    let found = names(&nakheel, &part).await;
                    assert!(found.iter().any(|found| name.contains(found.as_str())), "{part:?} of {name:?}, indexed: {indexed}: {found:?}");
                }
            }
            // What stands for a sign in the index is not that sign.
            for (search, expected) in [("\u{E02D}f", vec![]), ("e\u{E02D}", vec![]), ("e\u{E02D}f", vec![]), ("a-c", vec![]), ("a\u{E02D}c", vec![people[11]]), ("-f", vec!["e-f"]), ("\u{E100}", vec![people[9]]), ("\u{200F}e-\u{200E}f", vec!["e-f"])] {
                assert_eq!(names(&nakheel, search).await, expected, "{search:?}");
            }
            for search in ["\"", "'", "\\", "100%\\", "\" OR \"a", "a* OR b", "(", "x".repeat(255).as_str(), "🌴🌴"] {
                names(&nakheel, search).await;
            }
            nakheel.get(&format!("{CONTACTS}?search={}", "x".repeat(256))).await.expect(422);
            // What is no text is no search for something else.
            for broken in ["search=%ff", "tag=%C3%28", "search=Sara&search%FF=1"] {
                nakheel.get(&format!("{CONTACTS}?{broken}")).await.expect(400);
            }
        }
    }

    async fn every_filter_is_walked_to_its_end_in_pages_and_by_cursor(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        plant(&world, &[&nakheel, &rival], 500).await;
        let mut tx = world.app.db.begin().await.unwrap();
        for sql in [
            "UPDATE contact SET blacklisted = TRUE WHERE workspace_id = $1 AND id % 5 = 1",
            "INSERT INTO tag (workspace_id, title, created_at) VALUES ($1, 'vip', 1)",
            "INSERT INTO contact_tag (workspace_id, contact_id, tag_id, position)
             SELECT contact.workspace_id, contact.id, tag.id, 0 FROM contact JOIN tag ON tag.workspace_id = contact.workspace_id
             WHERE contact.workspace_id = $1 AND contact.id % 3 <> 0",
        ] {
            tx.exec(sql, args![nakheel.id]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let (vip, ones) = ("id % 3 <> 0", "name LIKE '%contact 1%'");
        for indexed in [false, true] {
            if indexed {
                until_indexed(&world).await;
            }
            for (query, conditions) in [
                ("type=telegram", vec!["type = 'telegram'"]), ("blacklisted=true", vec!["blacklisted"]), ("blacklisted=false", vec!["NOT blacklisted"]),
                ("type=telegram&blacklisted=true", vec!["type = 'telegram'", "blacklisted"]),
                ("type=whatsapp&blacklisted=false", vec!["type = 'whatsapp'", "NOT blacklisted"]),
                ("tag=vip", vec![vip]), ("tag=vip&type=telegram", vec![vip, "type = 'telegram'"]), ("tag=vip&blacklisted=true", vec![vip, "blacklisted"]),
                ("search=contact%201", vec![ones]), ("search=c", vec!["TRUE"]), ("search=1", vec!["name LIKE '%1%'"]),
                ("search=contact%201&tag=vip&blacklisted=false", vec![ones, vip, "NOT blacklisted"]), ("search=contact%201&type=telegram", vec![ones, "type = 'telegram'"]),
            ] {
                let sql = format!("SELECT id FROM contact WHERE workspace_id = $1 AND {} ORDER BY id DESC", conditions.join(" AND "));
                let ids: Vec<i64> = (&world.app.db).all(&sql, args![nakheel.id]).await.unwrap();
                let pages = ids.len().div_ceil(13);
                for number in [1, 2, pages / 2 + 1, pages, pages + 1] {
                    let page = nakheel.get(&format!("{CONTACTS}?{query}&per_page=13&page={number}")).await.expect(200);
                    let expected: Vec<i64> = ids.iter().skip((number - 1) * 13).take(13).copied().collect();
                    assert_eq!((shown(&page), &page["meta"]["total"]), (expected, &json!(ids.len())), "page {number} of {query}, indexed: {indexed}");
                    assert_eq!(page["meta"]["last_page"], pages, "{query}");
                }
                let (mut walked, mut cursor) = (Vec::new(), Some(String::new()));
                while let Some(at) = cursor {
                    let part = nakheel.get(&format!("{CONTACTS}?{query}&per_page=13&cursor={at}")).await.expect(200);
                    walked.extend(shown(&part));
                    assert!(walked.len() <= ids.len(), "{query}");
                    cursor = part["meta"]["next_cursor"].as_str().map(str::to_owned);
                }
                assert_eq!(walked, ids, "{query}, indexed: {indexed}");
            }
        }
    }

    async fn the_index_follows_contacts_that_change_and_go_while_it_is_written(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let changing = (0..24).map(|n| {
            let nakheel = nakheel.clone();
            tokio::spawn(async move {
                let contact = nakheel.contact(&format!("first {n:02}"), &format!("+96650500{n:04}")).await["id"].clone();
                let path = format!("{CONTACTS}/{contact}");
                for round in 0..6 {
                    nakheel.put(&path, json!({"name": format!("round {round} of {n:02}")})).await.expect(200);
                }
                if n % 2 == 0 {
                    nakheel.delete(&path).await.expect(204);
                }
            })
        });
        let changing: Vec<_> = changing.collect();
        // Beside the server's own indexer.
        while !changing.iter().all(tokio::task::JoinHandle::is_finished) {
            index_some(&world.app).await.unwrap();
        }
        for change in changing {
            change.await.unwrap();
        }
        until_indexed(&world).await;
        assert_eq!(indexed(&world).await, 12);
        for n in 0..24 {
            let expected = if n % 2 == 0 { vec![] } else { vec![format!("round 5 of {n:02}")] };
            assert_eq!(names(&nakheel, &format!("of {n:02}")).await, expected);
            assert_eq!(names(&nakheel, &format!("round 4 of {n:02}")).await, Vec::<String>::new());
            assert_eq!(names(&nakheel, &format!("first {n:02}")).await, Vec::<String>::new());
        }
        let rest = nakheel.get(CONTACTS).await.expect(200);
        for id in shown(&rest) {
            nakheel.delete(&format!("{CONTACTS}/{id}")).await.expect(204);
        }
        assert_eq!(indexed(&world).await, 0);
    }

    async fn what_the_index_was_told_in_many_pieces_is_put_together(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for n in 0..15 {
            nakheel.contact(&format!("Zaynab {n:02}"), &format!("+96650700{n:04}")).await;
            index_some(&world.app).await.unwrap();
        }
        // The one who is told of this contact finds the index in pieces.
        nakheel.contact("Zaynab 15", "+966507000015").await;
        until_indexed(&world).await;
        if world.engine == Engine::Sqlite {
            until("the index is in few pieces", async || {
                let pieces: i64 = (&world.app.db).one("SELECT COUNT(DISTINCT segid) FROM contact_gram_idx", args![]).await.unwrap();
                if pieces <= 2 { Ok(()) } else { Err(pieces) }
            }).await;
        }
        for search in ["zay", "ayna", "aynab", "zaynab", "zaynab 0", "9665070000"] {
            let expected = if search.ends_with(" 0") { 10 } else { 16 };
            assert_eq!(nakheel.get(&format!("{CONTACTS}?search={}", encoded(search))).await.expect(200)["meta"]["total"], expected, "{search}");
        }
    }

    async fn nothing_of_a_deleted_client_is_left_in_the_index_or_on_the_disk(world: World) {
        let partner = world.partner("rawabi").await;
        let ((doomed, leaving), (_, staying)) = (partner.client("Nakheel", "business").await, partner.client("Sahel", "business").await);
        // Letters that nothing else in the file is made of.
        let name = "ቅኔማኅሌትዐቢይ";
        let channel = leaving.sandbox().await;
        for n in 0..60 {
            let contact = leaving.contact(&format!("{name} {n}"), &format!("+96650600{n:04}")).await["id"].clone();
            staying.contact(&format!("Sara {n}"), &format!("+96650600{n:04}")).await;
            let path = format!("{CONTACTS}/{contact}");
            leaving.post(&format!("{path}/tags"), json!({"title": name})).await.expect(200);
            leaving.post(&format!("{path}/notes"), json!({"content": name})).await.expect(201);
            leaving.post("/api/v1/messages/send", json!({"contact_id": contact, "content": name, "channel_id": channel})).await.expect(201);
            // Several pieces of the index, some of which know what is gone by now.
            if n % 20 == 7 {
                until_indexed(&world).await;
                leaving.put(&path, json!({"name": format!("{n} {name}")})).await.expect(200);
            }
            if n % 20 == 9 {
                leaving.delete(&path).await.expect(204);
            }
        }
        until_indexed(&world).await;
        assert_eq!(indexed(&world).await, 57 + 60);
        let has_file = world.engine == Engine::Sqlite;
        assert!(!has_file || !on_the_disk(&world, name).is_empty(), "else this proves nothing");
        partner.delete(&format!("/api/v1/partner/clients/{}", doomed["id"])).await.expect(204);
        eventually("the client is gone", async || rows_of_workspace(&world, leaving.id).await.is_empty().then_some(())).await;
        assert_eq!(indexed(&world).await, 60);
        until("the disk knows nothing of the client", async || {
            let left = if has_file { on_the_disk(&world, name) } else { Vec::new() };
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        }).await;
        if has_file {
            let copy = world.app.db.file().unwrap().with_extension("copy");
            world.app.db.backup(&copy).unwrap();
            assert_eq!(times(&std::fs::read(copy).unwrap(), name), 0, "a backup knows of the client");
        }
        assert_eq!(names(&staying, "sara 59").await, ["Sara 59"]);
        assert_eq!(staying.get(&format!("{CONTACTS}?search=sara")).await.expect(200)["meta"]["total"], 60);
    }
}

/// How many contacts the index knows.
async fn indexed(world: &World) -> i64 {
    (&world.app.db).one("SELECT COUNT(*) FROM contact_gram", args![]).await.unwrap()
}

/// The files that know three letters of a text, and how often. What SQLite moves within the file leaves its copy in the
/// unused middle of the page where it stood: that part of a page is not looked at (`docs/operations.md` says so).
fn on_the_disk(world: &World, text: &str) -> Vec<(&'static str, usize)> {
    let file = world.app.db.file().unwrap();
    let mut database = std::fs::read(file).unwrap();
    let size = usize::from(u16::from_be_bytes([database[16], database[17]]));
    assert!(size.is_power_of_two() && size >= 512, "pages of {size} bytes");
    database.chunks_mut(size).for_each(clear_unused_middle);
    let log = std::fs::read(file.with_extension("db-wal")).unwrap();
    let found = [("database", times(&database, text)), ("log", times(&log, text))];
    found.into_iter().filter(|(_, times)| *times > 0).collect()
}

/// How often three letters of a text stand together.
fn times(bytes: &[u8], text: &str) -> usize {
    let letters: Vec<char> = text.chars().collect();
    let parts = letters.windows(3).map(|part| part.iter().collect::<String>());
    parts.map(|part| bytes.windows(part.len()).filter(|window| *window == part.as_bytes()).count()).sum()
}

/// A page of a tree begins with its kind, the number of its cells and where their content begins; their addresses follow.
/// (The first page of the file has another head; it holds the schema.)
fn clear_unused_middle(page: &mut [u8]) {
    let at = |place: usize| usize::from(u16::from_be_bytes([page[place], page[place + 1]]));
    let head = match page[0] {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return,
    };
    let unused = head + 2 * at(3)..at(5);
    if let Some(unused) = page.get_mut(unused) {
        unused.fill(0);
    }
}

async fn names(workspace: &Actor, search: &str) -> Vec<String> {
    let found = workspace.get(&format!("{CONTACTS}?per_page=100&search={}", encoded(search))).await.expect(200);
    found["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn shown(list: &Value) -> Vec<i64> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}
