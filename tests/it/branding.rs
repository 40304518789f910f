//! What a partner's clients see of it: name, colour and logo, set by API and shown on pages.

use crate::on_both_engines;
use crate::person::{self, Person};
use crate::world::PUBLIC_URL;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BRANDING: &str = "/api/v1/partner/branding";
const PROFILE: &str = "/api/v1/partner/profile";
/// A dot, in base64.
pub const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
/// A hundred bytes that say of themselves that they are 60,000 pixels wide and high.
const BOMB: &str =
    "iVBORw0KGgoAAAANSUhEUgAA6mAAAOpgCAYAAACA0nVCAAAAG0lEQVR4nO3BMQEAAADCoPVPbQwfoAAAAIC3AQ+gAAGvoYLMAAAAAElFTkSuQmCC";
/// Where a photograph was taken, as its notes say it.
const PLACE: &[u8] = b"24.7136 N, 46.6753 E";

fn pixels(file: &[u8]) -> image::RgbaImage {
    image::load_from_memory(file).unwrap().into_rgba8()
}

/// A photograph lying on its side, 30 pixels wide and 20 high, with its notes and with something behind its end.
fn photograph() -> Vec<u8> {
    let turned = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
    let notes = [b"MM\0*\0\0\0\x08\0\x01".as_slice(), &turned, &[0; 4], PLACE].concat();
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new(&mut file);
    encoder.set_exif_metadata(notes).unwrap();
    image::DynamicImage::new_rgb8(30, 20).write_with_encoder(encoder).unwrap();
    file.extend_from_slice(b"<script>alert(1)</script>");
    file
}

on_both_engines! {
    async fn a_partner_sets_its_name_colour_and_logo_and_everybody_sees_them(world: World) {
        let rawabi = world.partner("rawabi").await;
        let (client, nakheel) = rawabi.client("Nakheel", "business").await;
        let (_, mut huda) = person::signed_in(&world, &nakheel, "Huda", "agent").await;
        let mut people = person::partner_person(&world, &rawabi).await;
        let brand = json!({"company_name": "Rawabi Digital", "primary_color": "#1A6F4A", "logo": PNG});
        let set = rawabi.patch(BRANDING, brand).await.expect(200);
        assert_eq!(set["message"], "Branding updated successfully.");
        assert_eq!((&set["data"]["company_name"], &set["data"]["branding"]["primary_color"]), (&json!("Rawabi Digital"), &json!("#1a6f4a")));
        assert_eq!(set["data"], rawabi.get(PROFILE).await.expect(200)["data"]);
        let url = set["data"]["branding"]["logo_url"].as_str().unwrap().to_owned();
        let path = url.strip_prefix(PUBLIC_URL).unwrap().to_owned();
        assert!(path.starts_with("/storage/logos/") && path.ends_with(".png") && path.len() > 50, "{path}");
        // Both APIs tell the same.
        let hub = rawabi.with_key("X-API-Key", rawabi.key());
        let id: String = {
            use skylight_db::{Read, args};
            (&world.app.db).one("SELECT public_id FROM partner WHERE id = $1", args![rawabi.id]).await.unwrap()
        };
        let shown = hub.get(&format!("/api/v2/partners/{id}")).await.expect(200);
        assert_eq!((&shown["logo_url"], &shown["brand_name"]), (&json!(url), &json!("Rawabi Digital")));

        // Anybody may have the picture, and it is nothing but a picture.
        let file = world.visitor().get(&path).await;
        assert_eq!((file.status, file.header("content-type")), (200, Some("image/png")), "{file:?}");
        assert_eq!(pixels(&file.body), pixels(&STANDARD.decode(PNG).unwrap()));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("content-disposition", "attachment"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cache-control", "public, max-age=31536000, immutable"),
        ] {
            assert_eq!(file.header(name), Some(value), "{name}");
        }

        // On pages of who is signed in, of who signs in, and of who is invited.
        let slug = client["slug"].as_str().unwrap();
        let token = person::link(&rawabi, nakheel.id).await;
        let picture = format!("<img class=\"logo\" src=\"{path}\" alt=\"\">");
        let mut stranger = Person::new(&world);
        for page in ["/dashboard".to_owned(), format!("/login?workspace={slug}"), format!("/partner-login?token={token}")] {
            let who = if page == "/dashboard" { &mut huda } else { &mut stranger };
            assert_eq!(who.get(&page).await.status, 200, "{page}");
            assert!(who.page.contains(&picture) && who.page.contains("Rawabi Digital") && who.page.contains("brand-1a6f4a.css"), "{page}: {}", who.page);
        }
        for page in ["/partner", "/partner/api", "/partner/webhook"] {
            people.get(page).await;
            assert!(people.page.contains(&picture), "{page}");
        }
        // Whose page it is, is not said to whoever asks.
        stranger.get("/login").await;
        assert!(!stranger.page.contains("/storage/") && !stranger.page.contains("Rawabi"));

        // What is not named stays; null removes.
        rawabi.patch(BRANDING, json!({"primary_color": null})).await.expect(200);
        let branding = rawabi.patch(BRANDING, json!({})).await.expect(200)["data"]["branding"].clone();
        assert_eq!((&branding["primary_color"], &branding["logo_url"]), (&Value::Null, &json!(url)));
        let gone = rawabi.patch(BRANDING, json!({"logo": null})).await.expect(200);
        assert_eq!(gone["data"]["branding"]["logo_url"], Value::Null);
        world.visitor().get(&path).await.expect(404);
        huda.get("/dashboard").await;
        assert!(huda.page.contains("class=\"mark\"") && !huda.page.contains("<img"));

        let entries = rawabi.get("/api/v1/partner/audit?action=partner.updated").await.expect(200)["data"].clone();
        let changes: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["changes"].clone()).collect();
        let first = json!({"company_name": "Rawabi Digital", "primary_color": "#1a6f4a", "logo": path});
        assert_eq!(changes, [json!({"logo": null}), json!({"primary_color": null}), first]);
    }

    async fn a_logo_is_a_picture_of_a_bearable_size(world: World) {
        let (rawabi, other) = (world.partner("rawabi").await, world.partner("other").await);
        let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
        let png = STANDARD.decode(PNG).unwrap();
        let mut wide = png.clone();
        wide[16..20].copy_from_slice(&4096_u32.to_be_bytes());
        let mut cases = vec![
            (encoded(b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"), "The logo must be an image of type PNG, JPEG or WebP."),
            (format!("data:image/png;base64,{}", encoded(b"<html>")), "The logo must be an image of type PNG, JPEG or WebP."),
            (encoded(b"GIF89a"), "The logo must be an image of type PNG, JPEG or WebP."),
            (encoded(&png[..40]), "The logo must be an image of type PNG, JPEG or WebP."),
            (encoded(&wide), "The logo must be an image of type PNG, JPEG or WebP."),
            ("https://cdn.example/logo.png".to_owned(), "The logo must be an image in base64."),
        ];
        cases.push((encoded(&vec![0; 512 * 1024 + 1]), "The logo must not be greater than 512 kilobytes."));
        let before = rawabi.get(PROFILE).await.expect(200)["data"].clone();
        cases.push((BOMB.to_owned(), "The logo must not be wider or higher than 2048 pixels."));
        let since = Instant::now();
        for (logo, fault) in &cases {
            let refused = rawabi.patch(BRANDING, json!({"company_name": "Nobody", "logo": logo})).await.expect(422);
            assert_eq!(refused["errors"], json!({"logo": [fault]}));
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
        let refused = rawabi.patch(BRANDING, json!({"company_name": "", "primary_color": "red", "logo": BOMB})).await.expect(422);
        assert_eq!(refused["errors"].as_object().map(serde_json::Map::len), Some(3), "{refused}");
        for colour in ["red", "#fff", "#12345g", "#1a73e8;}", "1a73e8"] {
            let refused = rawabi.patch(BRANDING, json!({"primary_color": colour})).await.expect(422);
            assert!(refused["errors"]["primary_color"].is_array(), "{colour}: {refused}");
        }
        assert_eq!(rawabi.get(PROFILE).await.expect(200)["data"], before);
        // What a file carries beside its picture is left behind, so the name is the same.
        let carrying = [png.as_slice(), b"<script>alert(1)</script>"].concat();
        let url = async |who: &crate::world::Actor, logo: String| {
            who.patch(BRANDING, json!({"logo": logo})).await.expect(200)["data"]["branding"]["logo_url"].as_str().unwrap().to_owned()
        };
        let first = url(&rawabi, format!("data:image/png;base64,{PNG}")).await;
        assert_eq!(url(&other, encoded(&carrying)).await, first);
        // One partner's goes, the other's stays.
        rawabi.patch(BRANDING, json!({"logo": ""})).await.expect(200);
        let file = world.visitor().get(first.strip_prefix(PUBLIC_URL).unwrap()).await;
        assert_eq!((file.status, pixels(&file.body)), (200, pixels(&png)));
        assert!(!file.body.windows(6).any(|part| part == b"script"));
        // A photograph stands upright, and does not tell where it was taken.
        let upright = url(&rawabi, encoded(&photograph())).await;
        let file = world.visitor().get(upright.strip_prefix(PUBLIC_URL).unwrap()).await;
        assert_eq!((file.header("content-type"), pixels(&file.body).dimensions()), (Some("image/jpeg"), (20, 30)));
        assert!(photograph().windows(PLACE.len()).any(|part| part == PLACE));
        for secret in [PLACE, b"script", b"Exif"] {
            assert!(!file.body.windows(secret.len()).any(|part| part == secret), "{secret:?}");
        }
    }
}
