//! Forgotten passwords: a link by mail, the same answer to everybody, and what ends with a new password.

use crate::on_both_engines;
use crate::person::{self, PASSWORD, Person};
use crate::team::{opens, stored_hash};
use crate::world::{Actor, Engine, PUBLIC_URL, World};
use serde_json::json;
use skylight_db::{Read, args};
use skylight_test_support::http::HttpResponse;
use skylight_test_support::smtp::SmtpStandIn;
use std::time::Duration;
use tokio::task::JoinSet;

const FROM: &str = "no-reply@desert-rose.example";
const NEW: &str = "seven palms, no camel";
/// Longer than any test waits for something that must not happen.
const A_WHILE: Duration = Duration::from_millis(700);

on_both_engines! {
    async fn a_member_who_forgot_chooses_anew(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let partner = world.partner("desert-rose").await;
        partner.patch("/api/v1/partner/branding", json!({"company_name": "Desert Rose", "primary_color": "#1a6f4a"})).await.expect(200);
        let (_, nakheel) = partner.client("نخيل للتجارة", "business").await;
        let (member, mut elsewhere) = person::signed_in(&world, &nakheel, "Huda Saleh", "admin").await;
        let before = smtp.wait_for(2).await.len();
        let mut huda = Person::new(&world);
        huda.get("/login").await;
        assert!(huda.page.contains("href=\"/forgot\""));
        let asked = ask(&mut huda, "/forgot", " Huda-Saleh@Team.example ").await;
        assert!(asked.status == 200 && asked.text().contains("a link is on its way"), "{asked:?}");
        let letter = smtp.wait_for(before + 1).await[before].letter();
        assert_eq!((letter.from.0.as_str(), letter.to.1.as_str()), ("Desert Rose", person::email("Huda Saleh").as_str()));
        assert_eq!(letter.subject, "A new password · كلمة مرور جديدة");
        for part in [&letter.text, &letter.html] {
            assert!(part.contains("نخيل للتجارة") && part.contains("within thirty minutes") && part.contains("خلال ثلاثين دقيقة"), "{part}");
            assert!(!part.to_lowercase().contains("skylight"), "{part}");
        }
        let link = link_in(&letter.text, "/reset?token=");
        assert!(letter.html.contains(&link) && link.starts_with(PUBLIC_URL));
        let token = link.split_once("token=").unwrap().1.to_owned();
        let stored: Vec<u8> = (&world.app.db).one("SELECT hash FROM team_link WHERE purpose = 'reset'", args![]).await.unwrap();
        assert_eq!(stored, skylight::kernel::secret::digest(&token), "only the hash is stored");

        // Looking uses nothing up, and nobody is signed out by it.
        for language in ["en", "ar"] {
            let page = huda.get(&format!("/reset?token={token}&lang={language}")).await;
            assert_eq!((page.status, page.header("referrer-policy"), page.header("cache-control")), (200, Some("no-referrer"), Some("no-store")));
            assert!(page.text().contains("brand-1a6f4a.css") && page.text().contains("huda-saleh@team.example"));
        }
        assert!(huda.page.contains("dir=\"rtl\"") && huda.page.contains("كلمة مرور جديدة"));
        assert!(elsewhere.is_in().await);
        assert_eq!(choose(&world, "/reset", &token, "short", "short").await.status, 422);
        assert_eq!(choose(&world, "/reset", &token, NEW, PASSWORD).await.status, 422);

        // Of many who send the form at once, one is heard.
        let mut crowd = JoinSet::new();
        for n in 0..20 {
            let (http, url, token) = (world.http.clone(), format!("{}/reset", world.base), token.clone());
            let password = format!("{NEW} {n}");
            crowd.spawn(async move {
                let form = [("token", token.as_str()), ("password", &password), ("again", &password)];
                (http.post(url).form(&form).send().await.status, password)
            });
        }
        let answers = crowd.join_all().await;
        let set: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
        assert_eq!((set.len(), answers.iter().filter(|(status, _)| *status == 404).count()), (1, 19));
        let password = &set[0].1;
        assert!(opens(&stored_hash(&world, member["id"].as_i64().unwrap()).await, password));
        assert!(!elsewhere.is_in().await, "whoever was signed in is not any more");
        assert_eq!(huda.try_signing_in("/login", &person::email("Huda Saleh"), PASSWORD).await.status, 422);
        huda.sign_in(&person::email("Huda Saleh"), password).await;
        assert_eq!(world.http.get(world.local(&link)).send().await.status, 404, "used up");

        let log = nakheel.get("/api/v1/audit?per_page=100").await.expect(200)["data"].clone();
        let of = |action: &str| log.as_array().unwrap().iter().find(|entry| entry["action"] == action).unwrap().clone();
        assert_eq!((&of("team_member.reset_issued")["actor"]["type"], &of("team_member.reset_issued")["target"]["id"]), (&json!("anonymous"), &member["id"]));
        assert_eq!((&of("team_member.password_reset")["actor"]["type"], &of("team_member.password_reset")["actor"]["id"]), (&json!("team_member"), &member["id"]));
        assert!(!log.to_string().contains("rst_") && !log.to_string().contains(NEW));
    }

    async fn nobody_learns_who_is_known(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let (_, _) = person::signed_in(&world, &nakheel, "Huda", "agent").await;
        person::member(&nakheel, "Omar", "agent").await;
        let omar = nakheel.get("/api/v1/team").await.expect(200)["data"].as_array().unwrap().iter().find(|m| m["name"] == "Omar").unwrap()["id"].clone();
        nakheel.put(&format!("/api/v1/team/{omar}"), json!({"status": "inactive"})).await.expect(200);
        let before = smtp.wait_for(3).await.len();
        // Known, inactive, never joined, unknown, a partner's person at the wrong door.
        let _ = person::partner_person(&world, &partner).await;
        let invited = client["primary_user"]["email"].as_str().unwrap();
        let wrong_door = format!("ops-{}@partner.example", partner.id);
        let mut pages = Vec::new();
        for email in [person::email("Huda").as_str(), &person::email("Omar"), invited, "nobody@nowhere.example", &wrong_door] {
            let mut somebody = Person::new(&world);
            let asked = ask(&mut somebody, "/forgot", email).await;
            assert_eq!(asked.status, 200, "{email}");
            pages.push(asked.text());
        }
        assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "one page for all");
        let mails = smtp.wait_for(before + 1).await;
        assert_eq!(mails[before].to, [person::email("Huda")]);
        smtp.no_more_than(before + 1, A_WHILE).await;
        // What is no e-mail is said to be none; a form of nobody's page is none of ours.
        let mut somebody = Person::new(&world);
        assert_eq!(ask(&mut somebody, "/forgot", "huda").await.status, 422);
        let bare = world.http.post(format!("{}/forgot", world.base)).form(&[("email", "huda@team.example")]).send().await;
        assert_eq!(bare.status, 403);
        // Whoever asks again and again waits, known or not; a mailbox is not filled.
        for email in [person::email("Huda"), "stranger@nowhere.example".to_owned()] {
            let mut statuses = Vec::new();
            for _ in 0..8 {
                statuses.push(ask(&mut somebody, "/forgot", &email).await.status);
            }
            assert!(statuses.starts_with(&[200; 4]) && statuses.ends_with(&[429]), "{statuses:?}");
        }
    }

    async fn a_link_ends_by_time_by_a_newer_one_and_by_what_makes_it_unsafe(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let member = person::member(&nakheel, "Huda", "agent").await;
        let mut count = smtp.wait_for(2).await.len();
        let mut huda = Person::new(&world);
        let mut issued = async |path: &str, email: &str| {
            // What was asked before is not counted against this.
            world.clock.advance(Duration::from_secs(25 * 60 * 60));
            assert_eq!(ask(&mut huda, path, email).await.status, 200);
            count += 1;
            let text = smtp.wait_for(count).await[count - 1].letter().text;
            link_in(&text, "token=").split_once("token=").unwrap().1.to_owned()
        };
        let opens = async |page: &str, token: &str| world.http.get(format!("{}{page}?token={token}", world.base)).send().await.status == 200;
        let email = person::email("Huda");
        let first = issued("/forgot", &email).await;
        assert!(opens("/reset", &first).await);
        let second = issued("/forgot", &email).await;
        assert!(!opens("/reset", &first).await && opens("/reset", &second).await, "a newer one voids it");
        world.clock.advance(Duration::from_secs(30 * 60 + 1));
        assert!(!opens("/reset", &second).await, "its time is over");
        let path = format!("/api/v1/team/{}", member["id"]);
        let third = issued("/forgot", &email).await;
        nakheel.put(&path, json!({"password": "another one by an admin"})).await.expect(200);
        assert!(!opens("/reset", &third).await, "an admin has set another password");
        let fourth = issued("/forgot", &email).await;
        let client = format!("/api/v1/partner/clients/{}", client["id"]);
        partner.post(&format!("{client}/suspend"), json!({})).await.expect(200);
        assert!(!opens("/reset", &fourth).await && choose(&world, "/reset", &fourth, NEW, NEW).await.status == 404);
        partner.post(&format!("{client}/reactivate"), json!({})).await.expect(200);
        assert!(opens("/reset", &fourth).await);
        for (page, wrong) in [("/invite", &fourth), ("/partner/reset", &fourth), ("/partner-login", &fourth)] {
            assert!(!opens(page, wrong).await, "{page} takes links of its own alone");
        }

        // A partner's people likewise, by mail of the partner's own.
        let mut people = person::partner_person(&world, &partner).await;
        let address = format!("ops-{}@partner.example", partner.id);
        let login = json!({"username": address, "password": PASSWORD});
        let bearer = world.visitor().post("/api/v2/token", login).await.expect(200)["access_token"].as_str().unwrap().to_owned();
        let token = issued("/partner/forgot", &address).await;
        people = { let mut again = people; again.try_signing_in("/partner/login", &address, PASSWORD).await; again };
        assert_eq!(people.get("/partner").await.status, 200);
        assert_eq!(choose(&world, "/partner/reset", &token, NEW, NEW).await.status, 200);
        assert!(!opens("/partner/reset", &token).await);
        assert_eq!(people.get("/partner").await.status, 303, "whoever was signed in is not any more");
        let with_token = world.http.get(format!("{}/api/v2/partners/x", world.base)).header("authorization", format!("Bearer {bearer}"));
        assert_eq!(with_token.send().await.status, 401, "tokens end, too");
        assert_eq!(people.try_signing_in("/partner/login", &address, NEW).await.status, 303);
        let sql = "SELECT COUNT(*) FROM partner_mail";
        let left: i64 = (&world.app.db).one(sql, args![]).await.unwrap();
        assert_eq!(left, 0, "nothing of a mail is left once it is sent");
        let log = partner.get("/api/v1/partner/audit?per_page=100").await.expect(200)["data"].to_string();
        assert!(log.contains("partner_member.reset_issued") && log.contains("partner_member.password_reset"));
    }

    async fn without_mail_the_page_says_whom_to_ask(world: World) {
        let nakheel: Actor = world.workspace("nakheel").await;
        person::member(&nakheel, "Huda", "agent").await;
        for path in ["/forgot", "/partner/forgot"] {
            let mut huda = Person::new(&world);
            assert_eq!(huda.get(path).await.status, 200);
            assert!(huda.page.contains("This installation sends no mail") && !huda.page.contains("<form"));
        }
        let links: i64 = (&world.app.db).one("SELECT COUNT(*) FROM team_link WHERE purpose = 'reset'", args![]).await.unwrap();
        assert_eq!(links, 0);
    }
}

async fn mailing(engine: Engine) -> (SmtpStandIn, World) {
    let smtp = SmtpStandIn::start().await;
    let world = World::start_with(engine, &[("smtp_url", &smtp.url()), ("mail_from", FROM)]).await;
    (smtp, world)
}

async fn ask(somebody: &mut Person, path: &str, email: &str) -> HttpResponse {
    somebody.get(path).await;
    somebody.submit(path, &[("email", email)]).await
}

async fn choose(world: &World, path: &str, token: &str, password: &str, again: &str) -> HttpResponse {
    let form = [("token", token), ("password", password), ("again", again)];
    world.http.post(format!("{}{path}", world.base)).form(&form).send().await
}

fn link_in(text: &str, mark: &str) -> String {
    text.split_whitespace().find(|word| word.contains(mark)).unwrap().to_owned()
}
