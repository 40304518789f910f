//! Invitations: a link that opens once, the page behind it, and whoever may not use it.

use crate::documented::assert_documents;
use crate::on_both_engines;
use crate::team::{opens, stored_hash};
use crate::world::{Actor, PUBLIC_URL, World};
use serde_json::{Value, json};
use skylight_db::{Read, args};
use skylight_test_support::http::HttpResponse;
use std::time::Duration;
use tokio::task::JoinSet;

const TEAM: &str = "/api/v1/team";
const CLIENTS: &str = "/api/v1/partner/clients";
const PASSWORD: &str = "three wells, one palm";

on_both_engines! {
    async fn a_link_is_shown_once_and_opens_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let member = invited(&nakheel, "Huda Saleh").await;
        let link = member["invitation_url"].as_str().unwrap();
        assert!(link.starts_with(&format!("{PUBLIC_URL}/invite?token=inv_")), "{link}");
        let token = token(&member);
        assert!(token.len() >= 4 + 43 + 6);
        let path = format!("{TEAM}/{}", member["id"]);
        assert!(nakheel.get(&path).await.expect(200)["data"].get("invitation_url").is_none());
        let stored: Vec<u8> = (&world.app.db).one("SELECT hash FROM team_link WHERE member_id = $1", args![member["id"].as_i64().unwrap()]).await.unwrap();
        assert_eq!(stored, skylight::kernel::secret::digest(&token), "only the hash is stored");

        // Looking uses nothing up, however often, by whoever previews links.
        for _ in 0..3 {
            let page = open(&world, &token).await;
            assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
            assert!(page.header("strict-transport-security").is_some(), "the public address is https");
            let policy = page.header("content-security-policy").unwrap();
            for rule in ["default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
                assert!(policy.contains(rule), "{policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
            let html = page.text();
            assert!(html.contains("Huda Saleh") && html.contains("huda-saleh@team.example") && html.contains("nakheel"), "{html}");
            for foreign in ["<script", "<style", " style=", " onload=", "javascript:", "http://", "https://"] {
                assert!(!html.contains(foreign), "{foreign} stands in the page");
            }
            assert!(!html.to_lowercase().contains("skylight"), "{html}");
        }
        world.http.request("HEAD", format!("{}/invite?token={token}", world.base)).send().await.expect(200);

        let done = choose(&world, &token, PASSWORD, PASSWORD).await;
        assert_eq!(done.status, 200, "{done:?}");
        assert!(done.text().contains("Your password is set") && !done.text().contains(PASSWORD));
        assert_eq!(done.header("cache-control"), Some("no-store"));
        let id = member["id"].as_i64().unwrap();
        assert!(opens(&stored_hash(&world, id).await, PASSWORD));
        for dead in [open(&world, &token).await, choose(&world, &token, "another password of mine", "another password of mine").await] {
            assert_dead(&dead);
        }
        assert!(opens(&stored_hash(&world, id).await, PASSWORD));
    }

    async fn of_racing_posts_one_sets_the_password(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for round in 0..3 {
            let member = invited(&nakheel, &format!("Member {round}")).await;
            let mut posts = JoinSet::new();
            for n in 0..8 {
                let (http, base, token) = (world.http.clone(), world.base.clone(), token(&member));
                posts.spawn(async move {
                    let password = format!("{n} camels and {n} wells");
                    let form = [("token", token.as_str()), ("password", &password), ("again", &password)];
                    (password.clone(), http.post(format!("{base}/invite")).form(&form).send().await)
                });
            }
            let answers = posts.join_all().await;
            let winners: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 200).collect();
            assert_eq!(winners.len(), 1, "{answers:?}");
            answers.iter().filter(|(_, answer)| answer.status != 200).for_each(|(_, lost)| assert_dead(lost));
            let hash = stored_hash(&world, member["id"].as_i64().unwrap()).await;
            assert!(opens(&hash, &winners[0].0));
        }
    }

    async fn whatever_makes_a_link_unsafe_voids_it(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let member = invited(&nakheel, "Huda Saleh").await;
        let path = format!("{TEAM}/{}", member["id"]);
        let mut current = token(&member);
        let reissue = async || {
            let issued = nakheel.post(&format!("{path}/invite"), json!({})).await.expect(201);
            assert_eq!(issued["message"], "Invitation issued successfully.");
            let keys: Vec<_> = issued["data"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["id", "email", "expires_at", "invitation_url"]);
            token(&issued["data"])
        };
        // A newer link; another address; a password set otherwise; deactivation.
        let older = std::mem::replace(&mut current, reissue().await);
        assert_dead(&open(&world, &older).await);
        for change in [json!({"email": "huda@elsewhere.example"}), json!({"password": "set by an admin"}), json!({"status": "inactive"})] {
            open(&world, &current).await.expect_page(200);
            nakheel.put(&path, change).await.expect(200);
            assert_dead(&open(&world, &current).await);
            assert_dead(&choose(&world, &current, PASSWORD, PASSWORD).await);
            if nakheel.get(&path).await.expect(200)["data"]["status"] == "active" {
                current = reissue().await;
            }
        }
        let refused = nakheel.post(&format!("{path}/invite"), json!({})).await.expect(409);
        assert_eq!(refused["message"], "An inactive team member cannot be invited.");
        nakheel.put(&path, json!({"status": "active"})).await.expect(200);
        assert_dead(&open(&world, &current).await);
        // What leaves the login as it is leaves the link.
        current = reissue().await;
        nakheel.put(&path, json!({"name": "Huda S.", "role": "admin", "email": "HUDA@elsewhere.example"})).await.expect(200);
        open(&world, &current).await.expect_page(200);
        // While the workspace is suspended nobody comes in; afterwards the link opens again.
        let client = format!("{CLIENTS}/{}", client["id"]);
        partner.post(&format!("{client}/suspend"), json!({})).await.expect(200);
        assert_dead(&choose(&world, &current, PASSWORD, PASSWORD).await);
        partner.post(&format!("{client}/reactivate"), json!({})).await.expect(200);
        open(&world, &current).await.expect_page(200);
        // Seven days.
        world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60 - 60));
        open(&world, &current).await.expect_page(200);
        world.clock.advance(Duration::from_secs(120));
        assert_dead(&open(&world, &current).await);
        assert_dead(&choose(&world, &current, PASSWORD, PASSWORD).await);
        current = reissue().await;
        nakheel.delete(&path).await.expect(204);
        assert_dead(&open(&world, &current).await);
        // Nobody else issues links for one's people.
        let rival = world.workspace("rival").await;
        let own = invited(&nakheel, "Omar").await;
        rival.post(&format!("{TEAM}/{}/invite", own["id"]), json!({})).await.expect(404);
        open(&world, &token(&own)).await.expect_page(200);
    }

    async fn a_password_that_cannot_be_leaves_the_link_open(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let member = invited(&nakheel, "Huda").await;
        let token = token(&member);
        for (password, again, said) in [
            ("short", "short", "The password needs at least 8 characters."),
            ("", "", "The password needs at least 8 characters."),
            ("Password123!", "Password123!", "This password is one of those that are tried first."),
            (&"kfz ".repeat(65), &"kfz ".repeat(65), "The password may have at most 256 characters."),
            (PASSWORD, "three wells, one  palm", "The two passwords differ."),
        ] {
            let page = choose(&world, &token, password, again).await;
            assert_eq!(page.status, 422, "{page:?}");
            assert!(page.text().contains(said), "{}", page.text());
            assert!(password.is_empty() || !page.text().contains(password), "a password is not shown");
        }
        let form = [("token", token.as_str()), ("password", "قصيرة"), ("again", "قصيرة"), ("lang", "ar")];
        let page = world.http.post(format!("{}/invite", world.base)).form(&form).send().await;
        assert!(page.status == 422 && page.text().contains("يجب ألا تقل كلمة المرور عن ثمانية أحرف."));
        // Only the page's own form is read.
        let json = json!({"token": token, "password": PASSWORD, "again": PASSWORD});
        world.http.post(format!("{}/invite", world.base)).json(&json).send().await.expect(415);
        let large = [("token", token.as_str()), ("password", &"x".repeat(20_000))];
        world.http.post(format!("{}/invite", world.base)).form(&large).send().await.expect(413);
        // Accents are composed, so that another keyboard's form of them opens too.
        assert_eq!(choose(&world, &token, "cafe\u{301} con leche", "caf\u{e9} con leche").await.status, 422);
        assert_eq!(choose(&world, &token, "caf\u{e9} con leche", "caf\u{e9} con leche").await.status, 200);
    }

    async fn the_page_speaks_the_readers_language_and_shows_the_brand(world: World) {
        let partner = world.partner("desert-rose").await;
        world.brand(&partner, "Desert <b>Rose</b> & Co").await;
        let (_, nakheel) = partner.client("نخيل للتجارة", "business").await;
        let body = json!({"name": "<script>alert(1)</script> \"x\"", "email": "x@team.example", "role": "agent", "password": PASSWORD});
        let member = nakheel.post(TEAM, body).await.expect(201)["data"].clone();
        let url = format!("{}/invite?token={}", world.base, token(&member));
        let page = world.http.get(&url).header("Accept-Language", "ar-SA,ar;q=0.9,en;q=0.5").send().await.text();
        assert!(page.contains("<html lang=\"ar\" dir=\"rtl\">") && page.contains("اختر كلمة مرور"), "{page}");
        let page = world.http.get(format!("{url}&lang=en")).header("Accept-Language", "ar").send().await.text();
        assert!(page.contains("<html lang=\"en\" dir=\"ltr\">") && page.contains("<bdi class=\"name\">نخيل للتجارة</bdi>"), "{page}");
        assert!(page.contains("Desert &#60;b&#62;Rose&#60;/b&#62; &#38; Co") && !page.contains("<script>"), "{page}");
        assert!(!page.contains("brand-"), "no colour is set");
        // Only #rrggbb is a colour: it becomes a sheet of its own.
        for (stored, sheet) in [("#ffd400", Some("brand-ffd400.css")), ("#FFD400", Some("brand-ffd400.css")), ("red;}*{", None), ("#fff", None)] {
            let mut tx = world.app.db.begin().await.unwrap();
            tx.exec("UPDATE partner SET primary_color = $1", args![stored]).await.unwrap();
            tx.commit().await.unwrap();
            let page = open(&world, &token(&member)).await.text();
            assert_eq!(page.contains("brand-"), sheet.is_some(), "{stored}");
            assert!(sheet.is_none_or(|sheet| page.contains(&format!("static/{sheet}"))), "{page}");
        }
        let sheet = world.visitor().get("/static/brand-ffd400.css").await;
        assert_eq!(sheet.header("content-type"), Some("text/css; charset=utf-8"));
        assert_eq!(sheet.text(), ":root { --brand: #ffd400; --brand-ink: #000000; --brand-text: #1f2937; }\n");
        for unknown in ["brand-fff.css", "brand-ffd40g.css", "brand-.css", "page.js", "brand-ffd400.css.map"] {
            world.visitor().get(&format!("/static/{unknown}")).await.expect(404);
        }
    }

    async fn a_clients_first_admin_is_invited_unless_told_otherwise(world: World) {
        let partner = world.partner("rawabi").await;
        let body = |n: usize| json!({
            "company_name": "Nakheel", "plan": "pro",
            "admin": {"first_name": "Sara", "last_name": "Hassan", "email": format!("sara-{n}@clients.example")},
        });
        let request = world.http.post(format!("{}{CLIENTS}", world.base)).header("X-Partner-Key", partner.key())
            .header("Idempotency-Key", "first").json(&body(1));
        let made = request.clone().send().await.expect(201);
        let again = request.send().await;
        assert_eq!((again.header("idempotent-replayed"), again.json()), (Some("true"), made.clone()), "the stored answer shows it too");
        let data = &made["data"];
        assert!(partner.get(&format!("{CLIENTS}/{}", data["id"])).await.expect(200)["data"].get("invitation_url").is_none());
        let token = token(data);
        assert!(open(&world, &token).await.text().contains("sara-1@clients.example"));
        assert_eq!(choose(&world, &token, PASSWORD, PASSWORD).await.status, 200);
        let hash = stored_hash(&world, data["primary_user"]["id"].as_i64().unwrap()).await;
        assert!(opens(&hash, PASSWORD));
        let mut silent = body(2);
        silent["skip_invite"] = json!(true);
        let made = partner.post(CLIENTS, silent).await;
        assert_documents("create_client", &made);
        let made = made.expect(201);
        assert!(made["data"].get("invitation_url").is_none());
        let links: i64 = (&world.app.db).one("SELECT COUNT(*) FROM team_link WHERE workspace_id = $1", args![made["data"]["id"].as_i64().unwrap()]).await.unwrap();
        assert_eq!(links, 0);
    }

    async fn who_guesses_at_links_is_slowed_down(world: World) {
        let world = World::start_with(world.engine, &[("rate_limit_per_minute", "20")]).await;
        let nakheel = world.workspace("nakheel").await;
        let good = token(&invited(&nakheel, "Huda").await);
        // What opens is not counted.
        for _ in 0..25 {
            open(&world, &good).await.expect_page(200);
        }
        let guess = skylight::kernel::token::make(skylight::kernel::token::TokenKind::Invitation, &skylight::kernel::SystemRandom);
        for n in 0..20 {
            let dead = if n % 2 == 0 { open(&world, guess.reveal()).await } else { choose(&world, "inv_x", PASSWORD, PASSWORD).await };
            assert_dead(&dead);
        }
        for refused in [open(&world, guess.reveal()).await, choose(&world, &good, PASSWORD, PASSWORD).await] {
            assert_eq!(refused.status, 429, "{refused:?}");
            assert!(refused.header("retry-after").is_some());
        }
        world.clock.advance(Duration::from_secs(61));
        assert_eq!(choose(&world, &good, PASSWORD, PASSWORD).await.status, 200);
    }
}

/// A new member, as the answer shows them.
async fn invited(workspace: &Actor, name: &str) -> Value {
    let email = format!("{}@team.example", name.to_lowercase().replace(' ', "-"));
    let body = json!({"name": name, "email": email, "role": "agent", "password": "for the time being"});
    workspace.post(TEAM, body).await.expect(201)["data"].clone()
}

fn token(shown: &Value) -> String {
    shown["invitation_url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()
}

async fn open(world: &World, token: &str) -> HttpResponse {
    world.http.get(format!("{}/invite?token={token}", world.base)).send().await
}

async fn choose(world: &World, token: &str, password: &str, again: &str) -> HttpResponse {
    let form = [("token", token), ("password", password), ("again", again)];
    world.http.post(format!("{}/invite", world.base)).form(&form).send().await
}

/// One page for every link that does not work.
#[track_caller]
fn assert_dead(page: &HttpResponse) {
    assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")), "{page:?}");
    let html = page.text();
    assert!(html.contains("This link does not work") && !html.contains("<form") && !html.contains("inv_"), "{html}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

trait Page {
    fn expect_page(&self, status: u16);
}

impl Page for HttpResponse {
    #[track_caller]
    fn expect_page(&self, status: u16) {
        assert_eq!((self.status, self.header("content-type")), (status, Some("text/html; charset=utf-8")), "{self:?}");
    }
}
