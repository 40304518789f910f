//! The rate limit: a fixed window of 60 s per key; requests without a valid key count against their address.

use crate::on_both_engines;
use crate::world::{Actor, Engine, World};
use serde_json::{Value, json};
use skylight::cli::serve::{Server, open};
use skylight::kernel::SystemRandom;
use skylight_test_support::http::HttpResponse;
use std::time::Duration;
use tokio::task::JoinSet;

const CONTACTS: &str = "/api/v1/contacts";

on_both_engines! {
    async fn five_requests_pass_whatever_their_answer_and_the_sixth_waits(world: World) {
        let world = limited(&world, 5, &[]).await;
        let nakheel = workspace(&world, "nakheel").await;
        let kinds = [
            ("GET", CONTACTS, 200),
            ("GET", "/api/v1/contacts/999999", 404),
            ("POST", CONTACTS, 422),
            ("GET", "/api/v1/nothing", 404),
            ("PATCH", CONTACTS, 405),
        ];
        let mut reset = None;
        for (used, (method, path, status)) in kinds.iter().enumerate() {
            let answer = nakheel.call(method, path, None).await;
            assert_eq!(answer.status, *status, "{method} {path}: {answer:?}");
            let window = window(&answer);
            assert_eq!((window.limit, window.remaining), (5, 4 - i64::try_from(used).unwrap()), "{method} {path}");
            assert_eq!(*reset.get_or_insert(window.reset), window.reset, "the window does not move");
        }
        let body = json!({"name": "Sarah", "phone": "+14155551234", "type": "whatsapp"});
        for _ in 0..3 {
            let refused = nakheel.post(CONTACTS, body.clone()).await;
            let problem = refused.expect(429);
            assert_eq!(problem["message"], "Too many requests. Please slow down.");
            assert_eq!((problem["success"].as_bool(), problem["code"].as_str()), (Some(false), Some("rate_limited")));
            assert!(problem.get("errors").is_none());
            let wait = problem["retry_after"].as_i64().unwrap();
            assert!((1..=60).contains(&wait), "{problem}");
            assert_eq!(refused.header("retry-after"), Some(wait.to_string().as_str()));
            let window = window(&refused);
            assert_eq!((window.limit, window.remaining, Some(window.reset)), (5, 0, reset));
        }
        // Not before its time, but then.
        world.clock.advance(Duration::from_secs(50));
        let late = nakheel.get(CONTACTS).await.expect(429);
        assert!(late["retry_after"].as_i64().unwrap() <= 10, "{late}");
        world.clock.advance(Duration::from_secs(10));
        let again = nakheel.get(CONTACTS).await;
        assert_eq!(again.expect(200)["meta"]["total"], 0, "refused requests do nothing else");
        assert_eq!(window(&again).remaining, 4);
        assert!(window(&again).reset >= reset.unwrap() + 60);
    }

    async fn a_key_has_one_bucket_whatever_carries_it_and_to_itself(world: World) {
        let world = limited(&world, 6, &[]).await;
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let second = partner.post(&keys, json!({})).await.expect(201)["data"]["key"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {}", nakheel.key());
        let (as_bearer, in_lower_case) = (nakheel.with_key("Authorization", &bearer), nakheel.with_key("x-api-key", nakheel.key()));
        let lower = nakheel.with_key("authorization", &bearer.replace("Bearer", "bearer"));
        for who in [&nakheel, &as_bearer, &in_lower_case, &lower] {
            who.get(CONTACTS).await.expect(200);
        }
        nakheel.get(&format!("{CONTACTS}?page=2")).await.expect(200);
        // A key that is valid but does not open the route counts for itself.
        nakheel.with_key("X-Partner-Key", nakheel.key()).get("/api/v1/partner/plans").await.expect(403);
        as_bearer.get(CONTACTS).await.expect(429);
        nakheel.get("/api/v1/partner/plans").await.expect(429);
        // Every other key has its own.
        nakheel.with_key("X-Api-Key", &second).get(CONTACTS).await.expect(200);
        let profile = partner.get("/api/v1/partner/profile").await;
        assert_eq!(window(&profile).remaining, 2, "three of the partner's went into this story: {profile:?}");
    }

    async fn requests_without_a_valid_key_count_against_their_address(world: World) {
        let world = limited(&world, 5, &[]).await;
        let nakheel = workspace(&world, "nakheel").await;
        let stranger = world.visitor();
        for who in [stranger.clone(), nakheel.with_key("X-Api-Key", "letmein"), nakheel.with_key("Authorization", "Basic eDp5")] {
            let answer = who.get(CONTACTS).await;
            answer.expect(401);
            window(&answer);
        }
        stranger.get("/api/v1/partner/profile").await.expect(401);
        let last = stranger.get("/api/v1/nothing").await;
        assert_eq!((last.status, window(&last).remaining), (404, 0));
        let refused = stranger.get(CONTACTS).await;
        assert!(refused.expect(429)["retry_after"].is_i64());
        // What the peer says of its address is not believed.
        let forwarded = world.http.get(format!("{}{CONTACTS}", world.base)).header("X-Forwarded-For", "203.0.113.9");
        forwarded.send().await.expect(429);
        nakheel.get(CONTACTS).await.expect(200);
        // Health and the reference are for everybody.
        for _ in 0..7 {
            stranger.get("/health/live").await.expect(200);
        }
        world.clock.advance(Duration::from_secs(60));
        stranger.get(CONTACTS).await.expect(401);
    }

    async fn the_limit_comes_before_plan_and_suspension(world: World) {
        let world = limited(&world, 4, &[]).await;
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "starter").await;
        nakheel.get(CONTACTS).await.expect(403);
        partner.post(&format!("/api/v1/partner/clients/{}/suspend", client["id"]), json!({})).await.expect(200);
        for _ in 0..3 {
            let answer = nakheel.get(CONTACTS).await;
            assert_eq!(answer.expect(403)["code"], "account_suspended");
            window(&answer);
        }
        nakheel.get(CONTACTS).await.expect(429);
    }

    async fn behind_a_proxy_the_client_has_the_bucket(world: World) {
        let world = limited(&world, 2, &[("trusted_proxies", "127.0.0.0/8, 10.0.0.0/8")]).await;
        let from = async |hops: &str| {
            let request = world.http.get(format!("{}{CONTACTS}", world.base)).header("X-Forwarded-For", hops);
            request.send().await.status
        };
        assert_eq!(from("203.0.113.9").await, 401);
        assert_eq!(from("203.0.113.9, 10.1.2.3").await, 401, "trusted hops are passed over from the right");
        assert_eq!(from("198.51.100.1, 203.0.113.9").await, 429, "what stands before the client is its own claim");
        assert_eq!(from("203.0.113.9, 198.51.100.1").await, 401);
        assert_eq!(from("2001:db8::1").await, 401);
    }

    async fn racing_requests_never_pass_more_than_the_limit(world: World) {
        let world = limited(&world, 7, &[]).await;
        let nakheel = workspace(&world, "nakheel").await;
        let statuses = at_once(40, |_| nakheel.clone()).await;
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!((passed, statuses.iter().filter(|status| **status == 429).count()), (7, 33));
    }

    async fn nodes_on_one_database_share_the_limit(world: World) {
        // The embedded database has one node.
        if world.engine == Engine::Sqlite {
            return;
        }
        let world = limited(&world, 40, &[]).await;
        let nakheel = workspace(&world, "nakheel").await;
        let app = open(world.app.config.clone(), Box::new(world.clock.clone()), Box::new(SystemRandom)).await.unwrap();
        let other = Server::start(app).await.unwrap();
        let there = Actor { base: format!("http://{}", other.address), ..nakheel.clone() };
        let statuses = at_once(120, |n| if n % 2 == 0 { nakheel.clone() } else { there.clone() }).await;
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert!((40..=44).contains(&passed), "{passed} of 40 passed");
        other.stop().await;
    }

    async fn a_limit_of_zero_is_none(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for _ in 0..200 {
            let answer = nakheel.get(CONTACTS).await;
            answer.expect(200);
            assert!(answer.header("x-ratelimit-limit").is_none());
        }
    }
}

/// Another installation on the same engine, with a limit.
async fn limited(world: &World, limit: u32, more: &[(&str, &str)]) -> World {
    let limit = limit.to_string();
    let settings: Vec<_> =
        [("rate_limit_per_minute", limit.as_str())].into_iter().chain(more.iter().copied()).collect();
    World::start_with(world.engine, &settings).await
}

async fn workspace(world: &World, name: &str) -> Actor {
    world.partner("rawabi").await.client(name, "business").await.1
}

async fn at_once(count: usize, who: impl Fn(usize) -> Actor) -> Vec<u16> {
    let mut requests = JoinSet::new();
    for n in 0..count {
        let who = who(n);
        requests.spawn(async move { who.get(CONTACTS).await.status });
    }
    requests.join_all().await
}

struct Window {
    limit: i64,
    remaining: i64,
    reset: i64,
}

/// The three headers, which every answer of the API carries.
#[track_caller]
fn window(answer: &HttpResponse) -> Window {
    let number = |name: &str| -> i64 {
        let text = answer.header(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
        text.parse().unwrap()
    };
    let window = Window {
        limit: number("x-ratelimit-limit"),
        remaining: number("x-ratelimit-remaining"),
        reset: number("x-ratelimit-reset"),
    };
    assert!(window.reset > 1_700_000_000, "Unix seconds");
    if answer.status == 429 {
        assert_eq!(answer.json()["data"], Value::Null);
    }
    window
}
