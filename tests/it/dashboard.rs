//! The dashboard's pages: who may open which, what they show, and that they do what the API does.

use crate::on_both_engines;
use crate::person::{PASSWORD, Person, hidden, invitation, partner_person, signed_in, visitor};
use crate::sessions::assert_page;
use crate::world::World;
use http::Method;
use serde_json::json;
use skylight::http::Who;
use skylight::http::route::Permission;
use skylight_db::args;
use skylight_test_support::wait;

const CONTACTS: &str = "/api/v1/contacts";

on_both_engines! {
    async fn every_page_is_for_whom_its_row_names(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let (_, admin) = signed_in(&world, &nakheel, "Admin", "admin").await;
        let (_, agent) = signed_in(&world, &nakheel, "Agent", "agent").await;
        let guest = visitor(&world, &partner, client["id"].as_i64().unwrap()).await;
        let ops = partner_person(&world, &partner).await;
        let pages = skylight::routes::pages();
        assert!(pages.len() > 15);
        for route in pages.iter().filter(|route| route.who != Who::Public) {
            assert!(route.is_page, "{}", route.operation);
            let path = route.path.replace("{id}", "999999");
            let is_partners = route.who == Who::PartnerSession;
            for (name, person, may) in [
                ("nobody", Person::new(&world), None),
                ("an admin", admin.clone(), (!is_partners).then_some(true)),
                ("an agent", agent.clone(), (!is_partners).then_some(route.permission == Permission::Anybody)),
                ("a visitor", guest.clone(), (!is_partners).then_some(route.permission != Permission::AdminsInPerson)),
                ("a partner", ops.clone(), is_partners.then_some(true)),
            ] {
                // Without a form's token: whoever may use the page is told so, and nothing happens.
                let answer = person.request(route.method.as_str(), &path).header("origin", crate::world::PUBLIC_URL).form(&[]).send().await;
                let what = format!("{} {path} by {name}: {answer:?}", route.method);
                match may {
                    None => {
                        let login = if is_partners { "/partner/login" } else { "/login" };
                        assert_eq!(answer.status, 303, "{what}");
                        assert!(answer.header("location").unwrap().starts_with(login), "{what}");
                    }
                    Some(true) if route.method == Method::GET => assert_page(&answer, 200),
                    Some(allowed) => {
                        assert_page(&answer, 403);
                        let said = if allowed { "This form was not accepted" } else { "You may not do this" };
                        assert!(answer.text().contains(said), "{what}");
                    }
                }
                // Beside a key, even a good one, a session is refused; and a key alone opens no page.
                for (header, key) in [("X-Api-Key", nakheel.key()), ("X-Partner-Key", partner.key()), ("Authorization", "Bearer x")] {
                    assert_page(&person.request(route.method.as_str(), &path).header(header, key).send().await, 401);
                }
            }
        }
        // A session opens no API.
        assert_eq!(admin.request("GET", CONTACTS).send().await.status, 401);
        assert_eq!(ops.request("GET", "/api/v1/partner/profile").send().await.status, 401);
    }

    async fn home_shows_the_figures(world: World) {
        let partner = world.partner("rawabi").await;
        let (_, nakheel) = partner.client("Nakheel", "business").await;
        nakheel.patch("/api/v1/account", json!({"company_name": "نخيل <i>للتجارة</i>"})).await.expect(200);
        let (_, mut huda) = signed_in(&world, &nakheel, "Huda", "admin").await;
        let page = huda.get("/dashboard").await;
        assert_page(&page, 200);
        assert!(page.text().contains("<bdi>نخيل &#60;i&#62;للتجارة&#60;/i&#62;</bdi>"), "{}", page.text());
        assert_eq!(figure(&page.text(), "contacts"), "0");
        assert!(page.text().contains("None yet. They come with their first message"));
        assert!(page.text().contains("None connected yet."));
        nakheel.sandbox().await;
        for n in 0..3 {
            nakheel.contact("Sarah", &format!("+96650111000{n}")).await;
        }
        let contact = nakheel.get(CONTACTS).await.expect(200)["data"][0]["id"].clone();
        nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "Hello"})).await.expect(201);
        let page = huda.get("/dashboard").await.text();
        let shown = ["contacts", "messages", "team", "channels"].map(|name| figure(&page, name));
        assert_eq!(shown, ["3", "1", "2", "1"]);
        assert!(!page.contains("None yet."));
        let plan = partner.get("/api/v1/partner/plans").await.expect(200);
        let business = plan["data"].as_array().unwrap().iter().find(|plan| plan["slug"] == "business").unwrap().clone();
        let messages = business["limits"]["messages_per_month"].as_i64().unwrap();
        assert!(page.contains(&format!("<progress max=\"{messages}\" value=\"1\"")), "{page}");
        let arabic = huda.get("/dashboard?lang=ar").await.text();
        assert!(arabic.contains("<html lang=\"ar\" dir=\"rtl\">") && arabic.contains("جهات الاتصال"));
        assert!(huda.get("/settings/api").await.text().contains("dir=\"rtl\""), "it stays chosen");
    }

    async fn keys_are_made_changed_and_revoked_as_by_the_api(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let (_, mut huda) = signed_in(&world, &nakheel, "Huda", "admin").await;
        assert_page(&huda.get("/settings/api").await, 200);
        let fields = [("name", "Shop <b>1</b>"), ("domains", "app.example.com\r\n*.shop.example, بيت.example\r\n")];
        let made = huda.submit("/settings/api/keys", &fields).await;
        assert_page(&made, 200);
        let key = between(&made.text(), "id=\"new-key\" dir=\"ltr\" tabindex=\"0\">", "<");
        let holder = nakheel.with_key("X-Api-Key", &key);
        holder.get(CONTACTS).await.expect(200);
        let from = async |origin: &str| world.http.get(format!("{}{CONTACTS}", world.base)).header("x-api-key", &key).header("origin", origin).send().await.status;
        assert_eq!((from("https://app.example.com").await, from("https://evil.example").await), (200, 403));
        // Shown once, and its name is text.
        let page = huda.get("/settings/api").await.text();
        assert!(!page.contains(&key) && page.contains(&key[key.len() - 4..]));
        assert!(page.contains("Shop &#60;b&#62;1&#60;/b&#62;") && page.contains("*.shop.example") && page.contains("xn--"), "{page}");
        let id = between(&page, "action=\"/settings/api/keys/", "\"");
        // Changed.
        let fields = [("name", "Shop"), ("domains", "")];
        assert_page(&huda.submit(&format!("/settings/api/keys/{id}"), &fields).await, 200);
        assert!(huda.page.contains("Saved.") && huda.page.contains("<bdi>Shop</bdi>"));
        assert_eq!(from("https://evil.example").await, 200, "none allows all");
        // Regenerated: the one before is void at once.
        let anew = huda.submit(&format!("/settings/api/keys/{id}/regenerate"), &[]).await.text();
        let anew = between(&anew, "id=\"new-key\" dir=\"ltr\" tabindex=\"0\">", "<");
        holder.get(CONTACTS).await.expect(401);
        let holder = nakheel.with_key("X-Api-Key", &anew);
        holder.get(CONTACTS).await.expect(200);
        // What is wrong is said, and typed text is not lost.
        for (name, domains, said) in [
            ("", "", "A name has 1 to 255 characters."),
            (&*"x".repeat(256), "", "A name has 1 to 255 characters."),
            ("X", "https://app.example\nok.example", "https://app.example</bdi>"),
            ("X", &*"a.example ".repeat(101), "at most 100 domains"),
        ] {
            for path in ["/settings/api/keys", &format!("/settings/api/keys/{id}")] {
                let refused = huda.submit(path, &[("name", name), ("domains", domains)]).await;
                assert_eq!(refused.status, 422, "{name} {domains}");
                assert!(refused.text().contains(said), "{}", refused.text());
            }
        }
        // Somebody else's key is not there.
        let (_, mut other) = signed_in(&world, &rival, "Other", "admin").await;
        other.get("/settings/api").await;
        for path in ["", "/regenerate", "/revoke"] {
            let answer = other.submit(&format!("/settings/api/keys/{id}{path}"), &[("name", "Mine now")]).await;
            assert_page(&answer, 404);
            other.get("/settings/api").await;
        }
        assert_page(&other.submit("/settings/api/keys/abc/revoke", &[]).await, 404);
        holder.get(CONTACTS).await.expect(200);
        // Revoked.
        huda.get("/settings/api").await;
        assert_page(&huda.submit(&format!("/settings/api/keys/{id}/revoke"), &[]).await, 200);
        holder.get(CONTACTS).await.expect(401);
    }

    async fn a_plan_without_the_api_says_so(world: World) {
        let partner = world.partner("rawabi").await;
        let (_, starter) = partner.client("Starter", "starter").await;
        let (client, pro) = partner.client("Pro", "business").await;
        let (_, mut huda) = signed_in(&world, &pro, "Huda", "admin").await;
        assert!(!huda.get("/settings/api").await.text().contains("id=\"not-in-plan\""));
        partner.patch(&format!("/api/v1/partner/clients/{}", client["id"]), json!({"plan": "starter", "immediate": true})).await.expect(200);
        assert!(huda.get("/settings/api").await.text().contains("id=\"not-in-plan\""));
        assert_eq!(starter.get(CONTACTS).await.status, 403);
    }

    async fn a_role_holds_from_the_next_request_on(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (member, mut huda) = signed_in(&world, &nakheel, "Huda", "admin").await;
        assert_eq!(huda.get("/settings/api").await.status, 200);
        nakheel.put(&format!("/api/v1/team/{}", member["id"]), json!({"role": "agent"})).await.expect(200);
        assert_page(&huda.get("/settings/api").await, 403);
        assert!(huda.is_in().await && !huda.page.contains("/settings/api"));
    }

    async fn a_partner_has_a_home_and_keys(world: World) {
        let partner = world.partner("rawabi").await;
        world.brand(&partner, "Rawabi Digital").await;
        let mut ops = partner_person(&world, &partner).await;
        let page = ops.get("/partner").await;
        assert_page(&page, 200);
        assert!(page.text().contains("There is no client yet.") && figure(&page.text(), "seats") == "0");
        let (_, nakheel) = partner.client("نخيل للتجارة", "business").await;
        nakheel.contact("Sarah", "+966501110000").await;
        let (client, _) = partner.client("Harbour", "pro").await;
        partner.post(&format!("/api/v1/partner/clients/{}/suspend", client["id"]), json!({})).await.expect(200);
        let page = ops.get("/partner").await.text();
        assert_eq!(figure(&page, "seats"), "1");
        assert!(page.contains("<bdi>نخيل للتجارة</bdi>") && page.contains("<td>suspended</td>"), "{page}");
        // Nobody else's clients.
        let stranger = world.partner("stranger").await;
        let mut strange = partner_person(&world, &stranger).await;
        assert!(!strange.get("/partner").await.text().contains("Harbour"));
        for odd in ["0", "-1", "x", "99999999999999999999", "2"] {
            assert_page(&ops.get(&format!("/partner?page={odd}")).await, 200);
        }
        // Keys.
        assert_page(&ops.get("/partner/api").await, 200);
        let made = ops.submit("/partner/api/keys", &[("name", "Billing")]).await.text();
        let key = between(&made, "id=\"new-key\" dir=\"ltr\" tabindex=\"0\">", "<");
        let holder = partner.with_key("X-Partner-Key", &key);
        holder.get("/api/v1/partner/profile").await.expect(200);
        assert!(!ops.get("/partner/api").await.text().contains(&key));
        let id = between(&ops.page, "/partner/api/keys/", "/");
        strange.get("/partner").await;
        assert_page(&strange.submit(&format!("/partner/api/keys/{id}/revoke"), &[]).await, 404);
        holder.get("/api/v1/partner/profile").await.expect(200);
        assert_page(&ops.submit(&format!("/partner/api/keys/{id}/revoke"), &[]).await, 200);
        holder.get("/api/v1/partner/profile").await.expect(401);
        partner.get("/api/v1/partner/profile").await.expect(200);
        assert_eq!(ops.submit("/partner/api/keys", &[("name", " ")]).await.status, 422);
        let out = ops.submit("/partner/logout", &[]).await;
        assert_eq!((out.status, out.header("location")), (303, Some("/partner/login")));
        assert_eq!(ops.get("/partner").await.status, 303);
    }

    async fn a_partner_sets_up_its_webhook_in_the_browser(world: World) {
        let (partner, rival) = (world.partner("rawabi").await, world.partner("rival").await);
        let mut ops = partner_person(&world, &partner).await;
        let fresh = ops.get("/partner/webhook").await;
        assert_page(&fresh, 200);
        assert!(fresh.text().contains("name=\"partner.client.created\" checked") && !fresh.text().contains("id=\"deliveries\""));
        // What cannot be is said, with what was typed; nothing is stored.
        for (fields, text) in [
            (vec![("url", "ftp://x.example/"), ("partner.client.created", "on")], "The address must begin with"),
            (vec![("url", "http://10.0.0.1/"), ("partner.client.created", "on")], "The address must begin with"),
            (vec![("url", "https://crm.example/hook")], "Choose at least one event."),
        ] {
            let refused = ops.submit("/partner/webhook", &fields).await;
            assert_eq!(refused.status, 422);
            assert!(refused.text().contains(text) && refused.text().contains(fields[0].1), "{}", refused.text());
        }
        partner.get("/api/v1/partner/webhook").await.expect(404);
        // Some events, then the secret, shown once.
        let url = world.receiver.url("/partner");
        let chosen = [("url", url.as_str()), ("partner.client.created", "on"), ("is_active", "on")];
        let saved = ops.submit("/partner/webhook", &chosen).await.text();
        let secret = between(&saved, "id=\"new-secret\" dir=\"ltr\" tabindex=\"0\">", "<");
        assert!(secret.starts_with("whsec_") && saved.contains("Saved."));
        assert!(!ops.get("/partner/webhook").await.text().contains(&secret));
        let stored = partner.get("/api/v1/partner/webhook").await.expect(200);
        assert_eq!((&stored["data"]["events"], &stored["data"]["is_active"]), (&json!(["partner.client.created"]), &json!(true)));
        // It hears of a client, and the page says that it did.
        let (client, _) = partner.client("Nakheel", "business").await;
        let told = world.receiver.wait_for(1).await;
        assert_eq!((&told[0].json["event"], &told[0].json["data"]["client_id"]), (&json!("partner.client.created"), &client["id"]));
        assert_eq!(ops.submit("/partner/webhook/test", &[]).await.status, 200);
        world.receiver.wait_for(2).await;
        let page = wait::until("both deliveries are shown", async || {
            let page = ops.clone().get("/partner/webhook").await.text();
            if page.matches("<li class=\"good\">").count() == 2 { Ok(page) } else { Err(page) }
        }).await;
        assert!(page.contains("webhook.test") && page.contains("partner.client.created"));
        // Another secret; switched off; all events are heard of by one name.
        let renewed = ops.submit("/partner/webhook/secret", &[]).await.text();
        assert_ne!(between(&renewed, "id=\"new-secret\" dir=\"ltr\" tabindex=\"0\">", "<"), secret);
        let mut all: Vec<(&str, &str)> = skylight::events::PARTNER_EVENTS.iter().map(|(name, _)| (*name, "on")).collect();
        all.push(("url", &url));
        assert_eq!(ops.submit("/partner/webhook", &all).await.status, 200);
        let stored = partner.get("/api/v1/partner/webhook").await.expect(200);
        assert_eq!((&stored["data"]["events"], &stored["data"]["is_active"]), (&json!(["*"]), &json!(false)));
        // Nobody else's, and not without the form's token.
        let mut stranger = partner_person(&world, &rival).await;
        assert!(!stranger.get("/partner/webhook").await.text().contains(&url));
        assert_page(&stranger.submit("/partner/webhook/test", &[]).await, 404);
    }

    async fn a_partners_link_opens_once(world: World) {
        let (partner, rival) = (world.partner("rawabi").await, world.partner("rival").await);
        let token = invitation(&world, &partner, "ops@rawabi.example").await;
        let path = format!("/partner/invite?token={token}");
        let mut person = Person::new(&world);
        for _ in 0..2 {
            let page = person.get(&path).await;
            assert_page(&page, 200);
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(hidden(&page.text(), "token"), token);
        }
        let choose = |token: &str, password: &str| {
            world.http.post(format!("{}/partner/invite", world.base)).form(&[("token", token), ("password", password), ("again", password)])
        };
        assert_eq!(choose(&token, "short").send().await.status, 422);
        // A newer link voids the older one, and an e-mail is one partner's.
        let newer = invitation(&world, &partner, "OPS@rawabi.example").await;
        assert_page(&choose(&token, PASSWORD).send().await, 404);
        assert!(skylight::cli::manage::invite_person(&world.app, rival.id, "ops@rawabi.example").await.is_err());
        let (first, second) = tokio::join!(choose(&newer, PASSWORD).send(), choose(&newer, PASSWORD).send());
        let mut statuses = [first.status, second.status];
        statuses.sort();
        assert_eq!(statuses, [200, 404]);
        assert_eq!(person.try_signing_in("/partner/login", "ops@rawabi.example", PASSWORD).await.status, 303);
        assert_eq!(person.get("/partner").await.status, 200);
        // Choosing another password ends what is open.
        let again = invitation(&world, &partner, "ops@rawabi.example").await;
        assert_eq!(choose(&again, "another password of ours").send().await.status, 200);
        assert_eq!(person.get("/partner").await.status, 303);
        assert_eq!(person.try_signing_in("/partner/login", "ops@rawabi.example", PASSWORD).await.status, 422);
        // One e-mail may be both a partner's and a member's login.
        let (_, nakheel) = partner.client("Nakheel", "business").await;
        let member = json!({"name": "Ops", "email": "ops@rawabi.example", "role": "agent", "password": PASSWORD});
        nakheel.post("/api/v1/team", member).await.expect(201);
        person.sign_in("ops@rawabi.example", PASSWORD).await;
        assert!(person.is_in().await);
    }

    async fn who_is_signed_in_is_limited_like_a_key(world: World) {
        let world = World::start_with(world.engine, &[("rate_limit_per_minute", "20")]).await;
        let nakheel = world.workspace("nakheel").await;
        let (_, mut huda) = signed_in(&world, &nakheel, "Huda", "agent").await;
        let mut statuses = Vec::new();
        for _ in 0..25 {
            statuses.push(huda.get("/dashboard").await.status);
        }
        assert!(statuses.starts_with(&[200; 10]) && statuses.ends_with(&[429; 3]), "{statuses:?}");
        let refused = huda.get("/dashboard").await;
        assert_page(&refused, 429);
        assert!(refused.header("retry-after").is_some());
    }

    async fn a_brands_colour_is_a_sheet_of_its_own(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (_, mut huda) = signed_in(&world, &nakheel, "Huda", "agent").await;
        for (stored, sheet) in [("#ffd400", Some("brand-ffd400.css")), ("red;}*{", None)] {
            let mut unit = world.app.begin().await.unwrap();
            unit.tx.exec("UPDATE partner SET primary_color = $1", args![stored]).await.unwrap();
            unit.changed();
            unit.commit().await.unwrap();
            let page = huda.get("/dashboard").await.text();
            assert_eq!(page.contains("brand-"), sheet.is_some(), "{stored}");
            assert!(sheet.is_none_or(|sheet| page.contains(sheet)));
        }
        for sheet in ["page.css", "dashboard.css", "brand-ffd400.css"] {
            let answer = world.visitor().get(&format!("/static/{sheet}")).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/css; charset=utf-8")));
        }
    }
}

/// The number of a figure on a home page.
fn figure(page: &str, id: &str) -> String {
    let part = page.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id} in {page}"));
    between(part, "<bdi dir=\"ltr\">", "<")
}

#[track_caller]
fn between(text: &str, start: &str, end: &str) -> String {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    rest.split_once(end).unwrap().0.to_owned()
}
