//! Sessions: how people come in, what ends them, and what nobody else can do with them.

use crate::on_both_engines;
use crate::person::{PASSWORD, Person, email, member, partner_person, signed_in};
use crate::world::{PUBLIC_URL, World};
use serde_json::json;
use skylight::cli::manage;
use skylight_db::{Read, args};
use skylight_test_support::http::HttpResponse;
use std::time::Duration;
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_secs(60 * 60);
const CLIENTS: &str = "/api/v1/partner/clients";

on_both_engines! {
    async fn one_signs_in_and_out(world: World) {
        let nakheel = world.workspace("nakheel").await;
        member(&nakheel, "Huda Saleh", "admin").await;
        let mut huda = Person::new(&world);
        let entrance = huda.get("/").await;
        assert_eq!((entrance.status, entrance.header("location")), (303, Some("/dashboard")));
        let sent = huda.get("/dashboard").await;
        assert_eq!((sent.status, sent.header("location")), (303, Some("/login?next=%2Fdashboard")));
        let page = huda.get("/login").await;
        assert_page(&page, 200);
        assert!(page.text().contains("autocomplete=\"current-password\""));
        let entered = huda.try_signing_in("/login", " HUDA-Saleh@Team.example ", PASSWORD).await;
        assert_eq!((entered.status, entered.header("location")), (303, Some("/dashboard")), "{entered:?}");
        assert_eq!(entered.header("cache-control"), Some("no-store"));
        let token = huda.session().to_owned();
        let stored: Vec<u8> = (&world.app.db).one("SELECT hash FROM workspace_session", args![]).await.unwrap();
        assert_eq!(stored, skylight::kernel::secret::digest(&token), "only the hash is stored");
        let home = huda.get("/dashboard").await;
        assert_page(&home, 200);
        assert!(home.text().contains("nakheel") && home.text().contains("Huda Saleh"), "{}", home.text());
        assert!(!home.text().contains(&token));

        // Out: over at once, whoever kept the cookie.
        let mut thief = huda.clone();
        assert!(thief.is_in().await);
        let out = huda.submit("/logout", &[]).await;
        assert_eq!((out.status, out.header("location")), (303, Some("/login")));
        assert_eq!(huda.session(), "");
        assert!(!thief.is_in().await);
    }

    async fn a_session_is_new_at_every_sign_in(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (_, mut huda) = signed_in(&world, &nakheel, "Huda", "admin").await;
        member(&nakheel, "Omar", "agent").await;
        // Somebody else's session in the browser, before somebody signs in: it does not become theirs, and is over.
        let planted = huda.session().to_owned();
        let mut omar = huda.clone();
        omar.sign_in(&email("Omar"), PASSWORD).await;
        assert_ne!(omar.session(), planted);
        assert!(omar.is_in().await && omar.page.contains("Omar"));
        assert!(!huda.is_in().await);
        // A made-up one, and a mistyped one, are nobody's.
        let mut other = omar.session().to_owned();
        other.pop();
        for made_up in ["ses_x", "", &other, "../../x", &planted] {
            let mut person = Person::new(&world);
            person.cookies.insert("__Host-session".into(), made_up.into());
            assert!(!person.is_in().await, "{made_up}");
        }
        // Two sessions in one request are none; without the prefix it is no cookie of ours.
        let twice = format!("__Host-session={}; __Host-session={planted}", omar.session());
        for cookie in [twice, format!("session={}", omar.session())] {
            let answer = world.http.get(format!("{}/dashboard", world.base)).header("cookie", cookie).send().await;
            assert_eq!(answer.status, 303);
        }
    }

    async fn whatever_makes_a_session_unsafe_ends_it(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let client = format!("{CLIENTS}/{}", client["id"]);
        let (staying, mut stays) = signed_in(&world, &nakheel, "Stays", "admin").await;
        for (n, change) in [json!({"password": "a new one by an admin"}), json!({"email": "elsewhere@team.example"}), json!({"status": "inactive"})].into_iter().enumerate() {
            let (member, mut person) = signed_in(&world, &nakheel, &format!("Member {n}"), "agent").await;
            nakheel.put(&format!("/api/v1/team/{}", member["id"]), change.clone()).await.expect(200);
            assert!(!person.is_in().await, "{change}");
        }
        let (member, mut person) = signed_in(&world, &nakheel, "Removed", "agent").await;
        nakheel.delete(&format!("/api/v1/team/{}", member["id"])).await.expect(204);
        assert!(!person.is_in().await);
        // A password chosen behind a link.
        let (member, mut person) = signed_in(&world, &nakheel, "Chooser", "agent").await;
        let issued = nakheel.post(&format!("/api/v1/team/{}/invite", member["id"]), json!({})).await.expect(201);
        let token = issued["data"]["invitation_url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
        assert!(person.is_in().await, "a link alone changes nothing");
        let fields = [("token", token.as_str()), ("password", "another one of mine"), ("again", "another one of mine")];
        let done = world.http.post(format!("{}/invite", world.base)).form(&fields).send().await;
        assert!(done.status == 200 && done.text().contains("href=\"/login\""), "{done:?}");
        assert!(!person.is_in().await);
        // Nobody else was touched.
        assert!(stays.is_in().await);
        nakheel.put(&format!("/api/v1/team/{}", staying["id"]), json!({"name": "Stays Here"})).await.expect(200);
        assert!(stays.is_in().await && stays.page.contains("Stays Here"));
        // Suspension of the workspace, of its partner; and lifting it does not bring a session back.
        partner.post(&format!("{client}/suspend"), json!({})).await.expect(200);
        assert!(!stays.is_in().await);
        assert_eq!(stays.try_signing_in("/login", &email("Stays"), PASSWORD).await.status, 422);
        partner.post(&format!("{client}/reactivate"), json!({})).await.expect(200);
        assert!(!stays.is_in().await);
        stays.sign_in(&email("Stays"), PASSWORD).await;
        let mut ops = partner_person(&world, &partner).await;
        assert_eq!(ops.get("/partner").await.status, 200);
        manage::set_partner_active(&world.app, partner.id, false).await.unwrap();
        assert!(!stays.is_in().await);
        assert_eq!(ops.get("/partner").await.status, 303);
        manage::set_partner_active(&world.app, partner.id, true).await.unwrap();
        assert!(!stays.is_in().await);
        assert_eq!(ops.get("/partner").await.status, 303);
        // Deletion.
        stays.sign_in(&email("Stays"), PASSWORD).await;
        partner.delete(&client).await.expect(204);
        assert!(!stays.is_in().await);
    }

    async fn a_session_ends_by_itself(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (_, mut busy) = signed_in(&world, &nakheel, "Busy", "agent").await;
        let (_, mut idle) = signed_in(&world, &nakheel, "Idle", "agent").await;
        world.clock.advance(HOUR * 11);
        assert!(busy.is_in().await);
        world.clock.advance(HOUR + Duration::from_secs(1));
        assert!(!idle.is_in().await, "twelve hours without a request");
        assert!(busy.is_in().await);
        // Fourteen days, however busy.
        for _ in 0..29 {
            world.clock.advance(HOUR * 11);
            assert!(busy.is_in().await);
        }
        world.clock.advance(HOUR * 6);
        assert!(!busy.is_in().await);
        skylight::auth::sessions::forget_old(&world.app).await.unwrap();
        let left: i64 = (&world.app.db).one("SELECT COUNT(*) FROM workspace_session WHERE expires_at < $1", args![world.app.now()]).await.unwrap();
        assert_eq!(left, 0);
    }

    async fn a_form_must_come_from_a_page_of_ours(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let (_, mut huda) = signed_in(&world, &nakheel, "Huda", "admin").await;
        let (_, mut omar) = signed_in(&world, &nakheel, "Omar", "admin").await;
        huda.get("/settings/api").await;
        omar.get("/settings/api").await;
        let (own, other) = (huda.form(), omar.form());
        assert_ne!(own, other);
        let same = ("sec-fetch-site", "same-origin");
        let refused: &[(&str, &[(&str, &str)])] = &[
            ("", &[("origin", PUBLIC_URL), same]),
            (&other, &[("origin", PUBLIC_URL), same]),
            (&own, &[("origin", "https://evil.example"), same]),
            (&own, &[("origin", "https://chat.example.test.evil.example"), same]),
            (&own, &[("origin", "http://chat.example.test"), same]),
            (&own, &[("origin", "https://chat.example.test:8443"), same]),
            (&own, &[("origin", "null"), same]),
            (&own, &[("origin", PUBLIC_URL), ("origin", "https://evil.example"), same]),
            (&own, &[("origin", PUBLIC_URL), ("sec-fetch-site", "cross-site")]),
            (&own, &[("origin", PUBLIC_URL), ("sec-fetch-site", "same-site")]),
            (&own, &[("sec-fetch-site", "none")]),
            (&own, &[("referer", "https://chat.example.test/settings/api")]),
            (&own, &[]),
        ];
        let before: i64 = (&world.app.db).one("SELECT COUNT(*) FROM api_key", args![]).await.unwrap();
        for (token, headers) in refused {
            for path in ["/settings/api/keys", "/logout"] {
                let mut request = huda.request("POST", path).form(&[("form", token), ("name", "X")]);
                for (name, value) in *headers {
                    request = request.header(*name, *value);
                }
                let answer = request.send().await;
                assert_page(&answer, 403);
                assert!(answer.text().contains("This form was not accepted") && answer.text().contains(PUBLIC_URL), "{headers:?}");
            }
        }
        // Another type of body, and a token in the address, are no form.
        let json = huda.request("POST", "/logout").header("origin", PUBLIC_URL).json(&json!({"form": own})).send().await;
        assert_page(&json, 415);
        let in_address = huda.request("POST", &format!("/logout?form={own}")).header("origin", PUBLIC_URL).form(&[]).send().await;
        assert_page(&in_address, 403);
        assert!(huda.is_in().await);
        let after: i64 = (&world.app.db).one("SELECT COUNT(*) FROM api_key", args![]).await.unwrap();
        assert_eq!(before, after);
        // Either header alone is enough beside the token.
        for header in [("origin", PUBLIC_URL), same] {
            let answer = huda.request("POST", "/settings/api/keys").header(header.0, header.1).form(&[("form", &own), ("name", "X")]).send().await;
            assert_page(&answer, 200);
        }

        // The form of the sign-in page, likewise: nobody is signed in as somebody else without knowing.
        let mut person = Person::new(&world);
        person.get("/login").await;
        let (token, address) = (person.form(), email("Huda"));
        let mut stranger = Person::new(&world);
        stranger.get("/login").await;
        let foreign = stranger.form();
        for (token, origin) in [("", PUBLIC_URL), (&foreign, PUBLIC_URL), (&token, "https://evil.example"), (&token, "null")] {
            let fields = [("form", token), ("email", &address), ("password", PASSWORD)];
            let answer = person.request("POST", "/login").header("origin", origin).form(&fields).send().await;
            assert_page(&answer, 403);
            assert!(answer.header("set-cookie").is_none());
        }
        let cookieless = world.http.post(format!("{}/login", world.base)).header("origin", PUBLIC_URL)
            .form(&[("form", &token), ("email", &address), ("password", PASSWORD)]).send().await;
        assert_page(&cookieless, 403);
    }

    async fn after_signing_in_one_goes_to_a_path_of_ours(world: World) {
        let nakheel = world.workspace("nakheel").await;
        member(&nakheel, "Huda", "admin").await;
        for (next, location) in [
            ("/settings/api", "/settings/api"),
            ("/dashboard?lang=ar", "/dashboard?lang=ar"),
            ("/", "/"),
            ("", "/dashboard"),
            ("//evil.example", "/dashboard"),
            ("///evil.example", "/dashboard"),
            ("/\\evil.example", "/dashboard"),
            ("\\\\evil.example", "/dashboard"),
            ("/x\\y", "/dashboard"),
            ("https://evil.example/", "/dashboard"),
            ("https:evil.example", "/dashboard"),
            ("javascript:alert(1)", "/dashboard"),
            ("settings/api", "/dashboard"),
            (" /settings/api", "/dashboard"),
            ("\t//evil.example", "/dashboard"),
            ("/\t/evil.example", "/dashboard"),
            ("/\n/evil.example", "/dashboard"),
            ("/\r\nSet-Cookie: x=y", "/dashboard"),
            ("/\u{0}", "/dashboard"),
            ("/نخيل", "/dashboard"),
            ("@evil.example", "/dashboard"),
            (".evil.example", "/dashboard"),
        ] {
            let mut person = Person::new(&world);
            let address = email("Huda");
            person.get("/login").await;
            let answer = person.submit("/login", &[("email", &address), ("password", PASSWORD), ("next", next)]).await;
            assert_eq!((answer.status, answer.header("location")), (303, Some(location)), "{next:?}");
            // The page itself carries on only what is good.
            let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let page = Person::new(&world).get(&format!("/login?next={encoded}")).await.text();
            let kept = crate::person::hidden(&page, "next");
            assert!(kept.is_empty() || kept == location, "{next:?}: {kept}");
        }
        // Whoever is sent to sign in comes back.
        let sent = Person::new(&world).get("/settings/api?lang=en").await;
        assert_eq!(sent.header("location"), Some("/login?next=%2Fsettings%2Fapi%3Flang%3Den"));
    }

    async fn all_failures_look_alike(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        member(&nakheel, "Huda", "admin").await;
        let inactive = member(&nakheel, "Inactive", "agent").await;
        nakheel.put(&format!("/api/v1/team/{}", inactive["id"]), json!({"status": "inactive"})).await.expect(200);
        let (suspended, other) = partner.client("Suspended", "business").await;
        member(&other, "Locked Out", "admin").await;
        partner.post(&format!("{CLIENTS}/{}/suspend", suspended["id"]), json!({})).await.expect(200);
        let never_chose = client["primary_user"]["email"].as_str().unwrap().to_owned();
        let mut pages = Vec::new();
        for (address, password) in [
            (email("Huda"), "not the password"),
            (email("Huda"), ""),
            (email("Huda"), &"x".repeat(3000)),
            ("nobody@team.example".to_owned(), PASSWORD),
            ("not an address".to_owned(), PASSWORD),
            (email("Inactive"), PASSWORD),
            (email("Locked Out"), PASSWORD),
            (never_chose, ""),
        ] {
            let mut person = Person::new(&world);
            let answer = person.try_signing_in("/login", &address, password).await;
            assert_page(&answer, 422);
            assert!(answer.header("set-cookie").is_none());
            let page = answer.text().replace(&person.form(), "").replace(&format!("value=\"{address}\""), "");
            assert!(!page.contains(PASSWORD) && page.contains("The e-mail or the password is wrong"), "{page}");
            pages.push(page);
        }
        assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
        // Nobody costs a hash, too. What a busy machine measures may mislead, but not again and again.
        let mut measured = Vec::new();
        for round in 0..5 {
            let name = format!("Timed {round}");
            member(&nakheel, &name, "agent").await;
            let mut quickest = [Duration::MAX; 2];
            for _ in 0..3 {
                for (n, address) in [email(&name), format!("nobody-{round}@team.example")].iter().enumerate() {
                    let mut person = Person::new(&world);
                    person.get("/login").await;
                    let began = std::time::Instant::now();
                    person.submit("/login", &[("email", address), ("password", "a guess")]).await;
                    quickest[n] = quickest[n].min(began.elapsed());
                }
            }
            measured.push(quickest);
            if quickest[1] * 3 > quickest[0] * 2 {
                break;
            }
        }
        assert!(measured.len() < 5, "{measured:?}");
        // The two doors know different people.
        let mut huda = Person::new(&world);
        assert_eq!(huda.try_signing_in("/partner/login", &email("Huda"), PASSWORD).await.status, 422);
    }

    async fn guessing_takes_longer_and_longer(world: World) {
        let nakheel = world.workspace("nakheel").await;
        member(&nakheel, "Huda", "admin").await;
        let mut guesser = Person::new(&world);
        for address in [email("Huda"), "nobody@team.example".to_owned()] {
            let mut waits = Vec::new();
            for _ in 0..9 {
                loop {
                    let answer = guesser.try_signing_in("/login", &address, "a guess").await;
                    match answer.status {
                        422 => break,
                        429 => {
                            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                            assert!(answer.text().contains("Too many attempts"));
                            waits.push(seconds);
                            // Whoever comes too early waits no longer for it.
                            world.clock.advance(Duration::from_secs(seconds));
                        }
                        other => panic!("{other}: {answer:?}"),
                    }
                }
            }
            assert_eq!(waits, [1, 2, 4], "{address}: five are free, then it doubles; the same for nobody");
        }
        // While one must wait, the right password does not help; afterwards it does, and the count begins anew.
        let blocked = guesser.try_signing_in("/login", &email("Huda"), PASSWORD).await;
        if blocked.status == 429 {
            world.clock.advance(Duration::from_secs(16));
        }
        guesser.sign_in(&email("Huda"), PASSWORD).await;
        let left: i64 = (&world.app.db).one("SELECT COUNT(*) FROM guess WHERE failures > 5", args![]).await.unwrap();
        assert_eq!(left, 3, "of nobody, here and anywhere, and of this address");

        // A crowd at one moment gets no more tries than one after another.
        member(&nakheel, "Omar", "agent").await;
        let mut crowd = JoinSet::new();
        for n in 0..30 {
            let mut person = Person::new(&world);
            crowd.spawn(async move { person.try_signing_in("/login", &email("Omar"), &format!("guess {n}")).await.status });
        }
        let tried = crowd.join_all().await.into_iter().filter(|status| *status == 422).count();
        assert!(tried <= 8, "{tried} were tried");
    }

    async fn one_address_tries_few_accounts_and_an_owner_far_away_is_not_locked_out(world: World) {
        let world = World::start_with(world.engine, &[("trusted_proxies", "127.0.0.0/8")]).await;
        let nakheel = world.workspace("nakheel").await;
        member(&nakheel, "Huda", "admin").await;
        let from = async |address: &str, login: &str, password: &str| {
            let mut person = Person::new(&world);
            person.get("/login").await;
            let fields = [("form", person.form()), ("email", login.to_owned()), ("password", password.to_owned())];
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let request = person.request("POST", "/login").header("origin", PUBLIC_URL).header("x-forwarded-for", address);
            request.form(&fields).send().await.status
        };
        let mut last = 0;
        for n in 0..42 {
            last = from("198.51.100.7", &format!("somebody-{n}@team.example"), "a guess").await;
        }
        assert_eq!(last, 429, "another account each time");
        assert_eq!(from("198.51.100.8", "somebody-0@team.example", "a guess").await, 422);
        for _ in 0..12 {
            from("203.0.113.9", &email("Huda"), "a guess").await;
        }
        assert_eq!(from("203.0.113.9", &email("Huda"), PASSWORD).await, 429);
        assert_eq!(from("192.0.2.1", &email("Huda"), PASSWORD).await, 303, "its owner, elsewhere");
    }

    async fn the_sign_in_page_shows_whose_it_is(world: World) {
        let partner = world.partner("rawabi").await;
        world.brand(&partner, "Desert <b>Rose</b>").await;
        let (client, _) = partner.client("Nakheel", "business").await;
        let url = client["dashboard_url"].as_str().unwrap();
        let path = url.strip_prefix(PUBLIC_URL).unwrap();
        let page = Person::new(&world).get(path).await;
        assert_page(&page, 200);
        assert!(page.text().contains("Desert &#60;b&#62;Rose&#60;/b&#62;") && !page.text().contains("<b>"), "{}", page.text());
        let arabic = world.http.get(world.local(url)).header("accept-language", "ar").send().await;
        assert!(arabic.text().contains("dir=\"rtl\"") && arabic.text().contains("تسجيل الدخول"));
        for nobody in ["/login", "/login?workspace=", "/login?workspace=nobody-1a2b", "/login?workspace=%00", "/login?workspace=%3Cscript%3E"] {
            let page = Person::new(&world).get(nobody).await;
            assert_page(&page, 200);
            assert!(!page.text().contains("class=\"brand\"") && !page.text().contains("<script"), "{nobody}");
        }
        // A language that was chosen stays.
        let mut person = Person::new(&world);
        person.get("/login?lang=ar").await;
        assert!(person.get("/login").await.text().contains("dir=\"rtl\""));
        assert!(person.get("/login?lang=en").await.text().contains("dir=\"ltr\""));
    }
}

/// A page with all its headers, and nothing that its policy would have to refuse.
#[track_caller]
pub fn assert_page(answer: &HttpResponse, status: u16) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("text/html; charset=utf-8")),
        "{answer:?}"
    );
    let policy = answer.header("content-security-policy").unwrap_or_default();
    for rule in [
        "default-src 'none'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
    assert!(answer.header("referrer-policy").is_some_and(|policy| ["same-origin", "no-referrer"].contains(&policy)));
    assert!(answer.header("strict-transport-security").is_some(), "the public address is https");
    let html = answer.text();
    for foreign in ["<script", "<style", " style=", " onload=", " onclick=", "javascript:", "http://"] {
        assert!(!html.contains(foreign), "{foreign} stands in the page: {html}");
    }
    assert!(!html.to_lowercase().contains("skylight"), "the brand is data: {html}");
}
