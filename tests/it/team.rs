//! The people of a workspace: as documented, with an admin at all times, and passwords that nobody reads.

use crate::on_both_engines;
use crate::world::{Actor, World};
use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use serde_json::{Value, json};
use skylight_db::{Read, args};
use skylight_test_support::http::HttpResponse;
use tokio::task::JoinSet;

const TEAM: &str = "/api/v1/team";
const PASSWORD: &str = "seven palms, one well";

on_both_engines! {
    async fn a_member_lives_as_documented(world: World) {
        let (nakheel, rival) = (world.workspace("nakheel").await, world.workspace("rival").await);
        let created = nakheel.post(TEAM, huda()).await.expect(201);
        assert_eq!(created["message"], "Team member created successfully.");
        let path = format!("{TEAM}/{}", created["data"]["id"]);
        let member = nakheel.get(&path).await.expect(200)["data"].clone();
        assert_eq!(keys(&member), ["id", "name", "email", "role", "status", "created_at", "updated_at"]);
        assert_eq!((&member["name"], &member["email"]), (&json!("Huda bint Saleh"), &json!("Huda@Nakheel.example")));
        assert_eq!((&member["role"], &member["status"]), (&json!("agent"), &json!("active")));
        assert!(!created.to_string().contains("palms") && !created.to_string().contains("argon2"));

        let updated = nakheel.put(&path, json!({"name": "سارة", "role": "admin"})).await.expect(200);
        assert_eq!(updated["message"], "Team member updated successfully.");
        assert_eq!((&updated["data"]["name"], &updated["data"]["role"]), (&json!("سارة"), &json!("admin")));
        assert_eq!(updated["data"]["email"], member["email"]);
        assert_ne!(updated["data"]["updated_at"], member["updated_at"]);
        let same = nakheel.put(&path, json!({"name": "سارة"})).await.expect(200);
        assert_eq!(same["data"], updated["data"], "saying what is so changes nothing");
        nakheel.put(&path, json!({"email": "sara@nakheel.example", "status": "inactive"})).await.expect(200);
        let member = nakheel.get(&path).await.expect(200)["data"].clone();
        assert_eq!((&member["email"], &member["status"]), (&json!("sara@nakheel.example"), &json!("inactive")));

        for answer in [rival.get(&path).await, rival.put(&path, json!({"name": 5})).await, rival.delete(&path).await] {
            assert_eq!(answer.expect(404)["message"], "Team member not found.");
        }
        nakheel.delete(&path).await.expect(204);
        nakheel.get(&path).await.expect(404);
        nakheel.delete(&path).await.expect(404);
        // The e-mail and the place are free again.
        nakheel.post(TEAM, json!({"name": "Sara", "email": "sara@nakheel.example", "role": "agent", "password": PASSWORD})).await.expect(201);
        assert!(skylight::usage::recount(&world.app.db).await.unwrap().is_empty());
    }

    async fn members_are_listed_by_page_and_role(world: World) {
        let nakheel = world.workspace("nakheel").await;
        world.workspace("rival").await.post(TEAM, member(99, "agent")).await.expect(201);
        for n in 0..4 {
            nakheel.post(TEAM, member(n, if n == 2 { "admin" } else { "agent" })).await.expect(201);
        }
        let all = nakheel.get(TEAM).await.expect(200);
        assert_eq!(names(&all), ["Member 3", "Member 2", "Member 1", "Member 0", "Sara Hassan"]);
        assert_eq!(all["meta"], json!({"current_page": 1, "last_page": 1, "per_page": 15, "total": 5}));
        assert_eq!(names(&nakheel.get(&format!("{TEAM}?role=admin")).await.expect(200)), ["Member 2", "Sara Hassan"]);
        let page = nakheel.get(&format!("{TEAM}?role=agent&per_page=2&page=2")).await.expect(200);
        assert_eq!(names(&page), ["Member 0"]);
        assert_eq!(page["meta"], json!({"current_page": 2, "last_page": 2, "per_page": 2, "total": 3}));
        nakheel.get(&format!("{TEAM}?role=owner")).await.expect(422);
    }

    async fn a_member_is_told_all_faults_at_once(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let taken = world.workspace("rival").await.post(TEAM, huda()).await.expect(201)["data"]["email"].clone();
        assert_eq!(nakheel.post(TEAM, json!({})).await.expect(422)["errors"], json!({
            "name": ["The name field is required."],
            "email": ["The email field is required."],
            "role": ["The role field is required."],
            "password": ["The password field is required."],
        }));
        // A login is one in the whole installation, whatever its case.
        for email in [taken.as_str().unwrap(), "huda@nakheel.example", " HUDA@nakheel.EXAMPLE "] {
            let refused = nakheel.post(TEAM, json!({"name": "H", "email": email, "role": "agent", "password": PASSWORD})).await;
            assert_eq!(refused.expect(422)["errors"], json!({"email": ["The email has already been taken."]}));
            let refused = nakheel.post(TEAM, json!({"name": "x".repeat(256), "email": email, "role": "owner", "password": "short"})).await;
            assert_eq!(refused.expect(422)["errors"], json!({
                "name": ["The name must not be greater than 255 characters."],
                "role": ["The selected role is invalid."],
                "password": ["The password must be at least 8 characters."],
                "email": ["The email has already been taken."],
            }));
        }
        for (password, fault) in [
            ("1234567", "The password must be at least 8 characters."),
            ("Password123!", "The given password has appeared in a data leak. Please choose a different password."),
            (&"kfz ".repeat(65), "The password must not be greater than 256 characters."),
        ] {
            let refused = nakheel.post(TEAM, json!({"name": "H", "email": "h@nakheel.example", "role": "agent", "password": password})).await;
            assert_eq!(refused.expect(422)["errors"], json!({"password": [fault]}));
        }
        let path = format!("{TEAM}/{}", nakheel.post(TEAM, member(1, "agent")).await.expect(201)["data"]["id"]);
        let refused = nakheel.put(&path, json!({"name": "", "email": taken, "role": null, "status": "gone", "password": null})).await;
        assert_eq!(refused.expect(422)["errors"], json!({
            "name": ["The name field is required."],
            "role": ["The role field is required."],
            "status": ["The selected status is invalid."],
            "password": ["The password field is required."],
            "email": ["The email has already been taken."],
        }));
        assert_eq!(nakheel.put(&path, json!({"email": taken})).await.expect(422)["errors"]["email"][0], "The email has already been taken.");
        // One's own address is not taken.
        nakheel.put(&path, json!({"email": "MEMBER-1@team.example"})).await.expect(200);
        let own = nakheel.put(&path, json!({"email": "member-1@team.example", "role": "owner"})).await.expect(422);
        assert!(own["errors"]["email"].is_null(), "{own}");
        // A client's first admin is told the same of a member's address.
        let partner = world.partner("rawabi").await;
        let admin = json!({"first_name": "A", "last_name": "B", "email": "HUDA@nakheel.example"});
        partner.post("/api/v1/partner/clients", json!({"company_name": "X", "plan": "pro", "admin": admin})).await.expect(409);
    }

    async fn passwords_are_stored_as_salted_hashes_and_nowhere_else(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let first = nakheel.post(TEAM, huda()).await.expect(201)["data"]["id"].as_i64().unwrap();
        let second = nakheel.post(TEAM, member(2, "agent")).await.expect(201)["data"]["id"].as_i64().unwrap();
        let (hash, other) = (stored_hash(&world, first).await, stored_hash(&world, second).await);
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && hash != other, "{hash}");
        assert!(opens(&hash, PASSWORD) && opens(&other, PASSWORD) && !opens(&hash, "seven palms, one wel"));
        nakheel.put(&format!("{TEAM}/{first}"), json!({"name": "Huda"})).await.expect(200);
        assert_eq!(stored_hash(&world, first).await, hash, "a change without a password keeps it");
        // As typed, spaces and all.
        nakheel.put(&format!("{TEAM}/{first}"), json!({"password": "  eight camels  "})).await.expect(200);
        let hash = stored_hash(&world, first).await;
        assert!(opens(&hash, "  eight camels  ") && !opens(&hash, "eight camels"));
    }

    async fn the_last_active_admin_stays(world: World) {
        let (partner, nakheel) = client(&world).await;
        let primary = primary(&partner, &nakheel).await;
        let path = format!("{TEAM}/{}", primary["id"]);
        let agent = nakheel.post(TEAM, member(1, "agent")).await.expect(201)["data"]["id"].clone();
        let idle = nakheel.post(TEAM, member(2, "admin")).await.expect(201)["data"]["id"].clone();
        nakheel.put(&format!("{TEAM}/{idle}"), json!({"status": "inactive"})).await.expect(200);
        for refused in [
            nakheel.delete(&path).await,
            nakheel.put(&path, json!({"role": "agent"})).await,
            nakheel.put(&path, json!({"status": "inactive", "name": "Nobody"})).await,
        ] {
            let problem = refused.expect(409);
            assert_eq!(problem["code"], "last_admin");
            assert_eq!(problem["message"], "The last active admin can be neither removed, demoted nor deactivated.");
        }
        assert_eq!(nakheel.get(&path).await.expect(200)["data"]["name"], "Sara Hassan");
        // What keeps them an active admin is allowed, and so is what concerns others.
        nakheel.put(&path, json!({"role": "admin", "name": "Sara H."})).await.expect(200);
        nakheel.delete(&format!("{TEAM}/{agent}")).await.expect(204);
        nakheel.put(&format!("{TEAM}/{idle}"), json!({"role": "agent"})).await.expect(200);
        assert!(skylight::usage::recount(&world.app.db).await.unwrap().is_empty());
    }

    async fn the_oldest_active_admin_follows_the_primary_user(world: World) {
        let (partner, nakheel) = client(&world).await;
        let mut ids = vec![primary(&partner, &nakheel).await["id"].clone()];
        for n in 1..=3 {
            ids.push(nakheel.post(TEAM, member(n, "admin")).await.expect(201)["data"]["id"].clone());
        }
        let at = |n: usize| format!("{TEAM}/{}", ids[n]);
        // Demoted: the next in age leads. Promoted again, the old one does not come back.
        nakheel.put(&at(0), json!({"role": "agent"})).await.expect(200);
        assert_eq!(primary(&partner, &nakheel).await["id"], ids[1]);
        nakheel.put(&at(0), json!({"role": "admin"})).await.expect(200);
        assert_eq!(primary(&partner, &nakheel).await["id"], ids[1]);
        nakheel.put(&at(0), json!({"status": "inactive"})).await.expect(200);
        nakheel.put(&at(1), json!({"status": "inactive"})).await.expect(200);
        assert_eq!(primary(&partner, &nakheel).await["id"], ids[2]);
        nakheel.delete(&at(2)).await.expect(204);
        let last = primary(&partner, &nakheel).await;
        assert_eq!((&last["id"], last["first_name"].as_str(), last["last_name"].as_str()), (&ids[3], Some("Member"), Some("3")));
        assert_eq!(nakheel.get("/api/v1/account").await.expect(200)["data"]["primary_user"]["id"], ids[3]);
        nakheel.delete(&at(3)).await.expect(409);
    }

    async fn of_racing_departures_one_admin_remains(world: World) {
        let (partner, nakheel) = client(&world).await;
        for round in 0..12 {
            let first = primary(&partner, &nakheel).await["id"].clone();
            let made = nakheel.post(TEAM, member(100 + round, "admin")).await.expect(201);
            let second = made["data"]["id"].clone();
            let leave = |id: &Value, how: usize| {
                let (who, path) = (nakheel.clone(), format!("{TEAM}/{id}"));
                async move {
                    match how % 3 {
                        0 => who.delete(&path).await,
                        1 => who.put(&path, json!({"role": "agent"})).await,
                        _ => who.put(&path, json!({"status": "inactive"})).await,
                    }
                }
            };
            let both = both_at_once(leave(&first, round), leave(&second, round / 3)).await;
            let refused: Vec<_> = both.iter().filter(|answer| answer.status == 409).collect();
            assert_eq!(refused.len(), 1, "{both:?}");
            assert_eq!(refused[0].json()["code"], "last_admin");
            assert!(both.iter().all(|answer| [200, 204, 409].contains(&answer.status)), "{both:?}");
            let active = nakheel.get(&format!("{TEAM}?role=admin&per_page=100")).await.expect(200);
            let active = active["data"].as_array().unwrap().iter().filter(|member| member["status"] == "active").count();
            assert_eq!(active, 1);
            // Whoever remains leads, and the others leave, for the next round.
            let leader = primary(&partner, &nakheel).await["id"].clone();
            for id in [first, second].into_iter().filter(|id| *id != leader) {
                nakheel.delete(&format!("{TEAM}/{id}")).await;
            }
        }
        assert!(skylight::usage::recount(&world.app.db).await.unwrap().is_empty());
    }

    async fn of_racing_members_the_plan_takes_as_many_as_it_has_places(world: World) {
        let (_, nakheel) = client(&world).await;
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET team_members = 4 WHERE slug = 'business'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let mut requests = JoinSet::new();
        for n in 0..8 {
            let nakheel = nakheel.clone();
            // Two of each address: of those one finds it taken, or the plan full.
            requests.spawn(async move { nakheel.post(TEAM, member(n / 2, "agent")).await });
        }
        let answers = requests.join_all().await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(201), count(403) + count(422)), (3, 5), "{answers:?}");
        for full in answers.iter().filter(|answer| answer.status == 403) {
            assert_eq!(full.json()["code"], "plan_limit_reached");
            assert_eq!(full.json()["message"], "You have reached the team members limit of your plan.");
        }
        let newest = nakheel.get(TEAM).await.expect(200)["data"][0]["id"].clone();
        nakheel.delete(&format!("{TEAM}/{newest}")).await.expect(204);
        nakheel.post(TEAM, member(50, "agent")).await.expect(201);
        nakheel.post(TEAM, member(51, "agent")).await.expect(403);
        assert_eq!(nakheel.get("/api/v1/account/subscription").await.expect(200)["data"]["limits"]["team_members"], json!({"max": 4, "used": 4}));
        assert!(skylight::usage::recount(&world.app.db).await.unwrap().is_empty());
    }
}

fn huda() -> Value {
    json!({"name": " Huda bint Saleh ", "email": "Huda@Nakheel.example", "role": "agent", "password": PASSWORD})
}

fn member(n: usize, role: &str) -> Value {
    let email = format!("member-{n}@team.example");
    json!({"name": format!("Member {n}"), "email": email, "role": role, "password": PASSWORD})
}

async fn client(world: &World) -> (Actor, Actor) {
    let partner = world.partner("rawabi").await;
    let (_, nakheel) = partner.client("Nakheel", "business").await;
    (partner, nakheel)
}

async fn primary(partner: &Actor, client: &Actor) -> Value {
    let path = format!("/api/v1/partner/clients/{}", client.id);
    partner.get(&path).await.expect(200)["data"]["primary_user"].clone()
}

async fn both_at_once(
    one: impl Future<Output = HttpResponse> + Send + 'static,
    other: impl Future<Output = HttpResponse> + Send + 'static,
) -> [HttpResponse; 2] {
    let (one, other) = (tokio::spawn(one), tokio::spawn(other));
    [one.await.unwrap(), other.await.unwrap()]
}

/// What is stored of a member's password.
pub async fn stored_hash(world: &World, id: i64) -> String {
    (&world.app.db).one("SELECT password FROM team_member WHERE id = $1", args![id]).await.unwrap()
}

/// Whether a password is the one behind a hash.
pub fn opens(hash: &str, password: &str) -> bool {
    let hash = PasswordHash::new(hash).unwrap();
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|member| member["name"].as_str().unwrap()).collect()
}

#[track_caller]
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
