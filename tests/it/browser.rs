//! The dashboard in a real browser: people sign in, make a key, use it, visit, and leave; in English and Arabic, on a wide
//! screen and on a phone.

use crate::person::{PASSWORD, email, invitation, link, member};
use crate::world::{Engine, World};
use serde_json::json;
use skylight_test_support::browser::Browser;
use std::net::TcpListener;
use std::path::PathBuf;

const WIDE: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_use_the_dashboard_sqlite() {
    people_use_the_dashboard(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_use_the_dashboard_postgres() {
    people_use_the_dashboard(Engine::Postgres).await;
}

async fn people_use_the_dashboard(engine: Engine) {
    let world = reachable(engine).await;
    let partner = world.partner("rawabi").await;
    world.brand(&partner, "Rawabi Digital").await;
    partner.patch("/api/v1/partner/branding", json!({"primary_color": "#1a6f4a"})).await.expect(200);
    let (client, nakheel) = partner.client("نخيل للتجارة", "business").await;
    member(&nakheel, "Huda Saleh", "admin").await;
    let mut browser = Browser::start().await;
    browser.resize(WIDE.0, WIDE.1).await;

    // Where one is sent, and what a wrong password does.
    browser.open(&world.local(&format!("{}/settings/api", world.base))).await;
    assert_eq!(browser.path().await, "/login?next=%2Fsettings%2Fapi");
    look(&mut browser, "login").await;
    sign_in(&mut browser, &email("Huda Saleh"), "not the password").await;
    assert!(browser.text_of("#fault").await.contains("password is wrong"));
    browser.type_into("#password", PASSWORD).await;
    browser.follow("button[type=submit]").await;
    assert_eq!(browser.path().await, "/settings/api", "and back to where one wanted to be");
    look(&mut browser, "keys-first").await;

    // Home, in both languages.
    browser.follow("nav a[href='/dashboard']").await;
    assert_eq!(browser.text_of("h1").await, "نخيل للتجارة");
    assert!(browser.text().await.contains("Messages this month"));
    look(&mut browser, "home-empty").await;
    fill(&nakheel).await;
    browser.follow("#other-language").await;
    assert_eq!(browser.run("document.documentElement.dir").await, "rtl");
    assert!(browser.text().await.contains("رسائل هذا الشهر"));
    let right = browser.run("document.querySelector('.brand').getBoundingClientRect().x > window.innerWidth / 2").await;
    assert_eq!(right, true, "the brand stands at the right");
    look(&mut browser, "home-ar").await;
    browser.follow("#other-language").await;
    look(&mut browser, "home").await;

    // A key is generated, and works.
    browser.follow("nav a[href='/settings/api']").await;
    browser.type_into("#name", "Our shop").await;
    browser.type_into("#domains", "shop.example").await;
    browser.follow("#generate").await;
    let key = browser.text_of("#new-key").await;
    look(&mut browser, "key-shown").await;
    let holder = nakheel.with_key("X-Api-Key", &key);
    holder.get("/api/v1/contacts").await.expect(200);
    // Regenerated, behind a disclosure that says what it does.
    let newest = browser.run("document.querySelector('.keys > li').id").await.as_str().unwrap().to_owned();
    browser.click(&format!("#{newest} details:nth-of-type(2) summary")).await;
    look(&mut browser, "key-regenerate").await;
    browser.follow(&format!("#{newest} details:nth-of-type(2) button")).await;
    holder.get("/api/v1/contacts").await.expect(401);
    nakheel.with_key("X-Api-Key", &browser.text_of("#new-key").await).get("/api/v1/contacts").await.expect(200);
    browser.follow("#other-language").await;
    look(&mut browser, "keys-ar").await;
    browser.follow("#other-language").await;

    // A logo of every kind that a browser draws, on a wide screen and on a phone, in both directions.
    browser.follow("nav a[href='/dashboard']").await;
    for (kind, width, height) in [("image/png", 512, 512), ("image/webp", 900, 200), ("image/jpeg", 120, 400)] {
        let file = browser.run(&drawn(kind, width, height)).await.as_str().unwrap().to_owned();
        assert!(file.starts_with(&format!("data:{kind};base64,")), "{file}");
        let set = partner.patch("/api/v1/partner/branding", json!({"logo": file})).await.expect(200);
        let url = set["data"]["branding"]["logo_url"].as_str().unwrap().to_owned();
        browser.open(&format!("{}/dashboard", world.base)).await;
        let drawn = browser.run("(() => { const logo = document.querySelector('.top .logo'); return [logo.src, logo.complete, logo.naturalWidth, logo.naturalHeight] })()").await;
        assert_eq!(drawn, json!([url, true, width, height]));
        let name = kind.rsplit('/').next().unwrap();
        look(&mut browser, &format!("logo-{name}")).await;
        browser.follow("#other-language").await;
        look(&mut browser, &format!("logo-{name}-ar")).await;
        browser.follow("#other-language").await;
    }

    // Out, and the way back is closed.
    browser.follow("#sign-out").await;
    assert_eq!(browser.path().await, "/login");
    browser.open(&format!("{}/dashboard", world.base)).await;
    assert_eq!(browser.path().await, "/login?next=%2Fdashboard");

    // Where one signs in it stands, too, if one knows where one wants to be.
    for language in ["ar", "en"] {
        let slug = client["slug"].as_str().unwrap();
        browser.open(&format!("{}/login?workspace={slug}&lang={language}", world.base)).await;
        assert!(browser.has(".card .logo").await);
        look(&mut browser, &format!("login-logo-{language}")).await;
        browser.follow("#forgot").await;
        look(&mut browser, &format!("forgot-{language}")).await;
    }

    // The partner comes by its link; everybody sees that it is there.
    let token = link(&partner, client["id"].as_i64().unwrap()).await;
    browser.open(&format!("{}/partner-login?token={token}", world.base)).await;
    look(&mut browser, "visit-link").await;
    browser.follow("button[type=submit]").await;
    assert_eq!(browser.path().await, "/dashboard");
    assert!(browser.text_of("#visit").await.contains("Rawabi Digital"));
    look(&mut browser, "visit").await;
    browser.follow("nav a[href='/settings/api']").await;
    assert!(browser.has("#visit").await && !browser.has("#generate").await);
    browser.follow("#end-visit").await;
    assert_eq!(browser.path().await, "/login");
    browser.open(&format!("{}/partner-login?token={token}", world.base)).await;
    assert!(browser.text().await.contains("This link does not work"));

    // The partner's own place.
    let token = invitation(&world, &partner, "ops@rawabi.example").await;
    browser.open(&format!("{}/partner/invite?token={token}", world.base)).await;
    look(&mut browser, "choose").await;
    browser.type_into("#password", PASSWORD).await;
    browser.type_into("#again", PASSWORD).await;
    browser.follow("button[type=submit]").await;
    browser.follow("a.button").await;
    sign_in(&mut browser, "ops@rawabi.example", PASSWORD).await;
    assert_eq!(browser.path().await, "/partner");
    assert!(browser.text_of("#clients").await.contains("نخيل للتجارة"));
    let id = browser.text_of("#partner-id").await;
    partner.with_key("X-API-Key", partner.key()).get(&format!("/api/v2/partners/{id}")).await.expect(200);
    look(&mut browser, "partner").await;
    browser.follow("nav a[href='/partner/api']").await;
    browser.type_into("#name", "Billing").await;
    browser.follow("#generate").await;
    let key = browser.text_of("#new-key").await;
    partner.with_key("X-Partner-Key", &key).get("/api/v1/partner/profile").await.expect(200);
    look(&mut browser, "partner-keys").await;
    browser.follow("#other-language").await;
    look(&mut browser, "partner-keys-ar").await;
    browser.follow("nav a[href='/partner/webhook']").await;
    look(&mut browser, "partner-webhook-ar").await;
    browser.follow("#other-language").await;
    browser.type_into("#url", &world.receiver.url("/partner")).await;
    browser.follow("#save").await;
    assert!(browser.text_of("#new-secret").await.starts_with("whsec_"));
    browser.follow("#test").await;
    world.receiver.wait_for(1).await;
    look(&mut browser, "partner-webhook").await;
    browser.follow("#sign-out").await;

    // Wrong passwords and dead links are answers that browsers note; nothing else was wrong.
    let refused = |complaint: &&String| !complaint.contains("status of 4");
    let complaints: Vec<_> = browser.complaints.iter().filter(refused).cloned().collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    browser.close().await;
}

/// A world whose public address is where it listens.
async fn reachable(engine: Engine) -> World {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (listen, url) = (free.to_string(), format!("http://{free}"));
    World::start_with(engine, &[("listen", &listen), ("public_url", &url)]).await
}

/// A script that draws a picture and answers it as a file.
fn drawn(kind: &str, width: u32, height: u32) -> String {
    format!(
        "(() => {{ const canvas = document.createElement('canvas'); canvas.width = {width}; canvas.height = {height};
         const pen = canvas.getContext('2d'); pen.fillStyle = '#1a6f4a'; pen.fillRect(0, 0, {width}, {height});
         pen.fillStyle = '#ffd400'; pen.fillRect({width} / 4, {height} / 4, {width} / 2, {height} / 2);
         return canvas.toDataURL('{kind}') }})()"
    )
}

async fn fill(nakheel: &crate::world::Actor) {
    nakheel.sandbox().await;
    let contact = nakheel.contact("Sarah", "+966501110000").await["id"].clone();
    nakheel.post("/api/v1/messages/send", json!({"contact_id": contact, "content": "Hello"})).await.expect(201);
}

async fn sign_in(browser: &mut Browser, email: &str, password: &str) {
    browser.type_into("#email", email).await;
    browser.type_into("#password", password).await;
    browser.follow("button[type=submit]").await;
}

/// The page as it stands fits a wide screen and a phone. `SKYLIGHT_TEST_PICTURES` names a folder for pictures of it.
async fn look(browser: &mut Browser, name: &str) {
    let folder = std::env::var("SKYLIGHT_TEST_PICTURES").map(PathBuf::from).ok();
    for (size, kind) in [(PHONE, "phone"), (WIDE, "wide")] {
        browser.resize(size.0, size.1).await;
        assert!(!browser.overflows().await, "{name} is wider than a {kind}");
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}-{kind}.png")), browser.picture().await).unwrap();
        }
    }
}
