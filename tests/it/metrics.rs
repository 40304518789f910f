//! What a node counts, and who may look.

use crate::on_both_engines;
use crate::world::World;
use skylight_db::{Read, args};
use skylight_test_support::wait::eventually;
use std::collections::BTreeMap;
use std::time::Duration;

on_both_engines! {
    async fn what_a_node_does_is_counted(world: World) {
        let nakheel = world.workspace("nakheel").await;
        for n in 0..3 {
            nakheel.contact("Sarah", &format!("+1415555000{n}")).await;
        }
        nakheel.get("/api/v1/contacts/999999999").await.expect(404);
        world.visitor().get("/wp-login.php").await.expect(404);
        world.visitor().get("/api/v1/nothing/of/the/sort").await.expect(404);
        let seen = look(&world).await;
        let requests = |route: &str, method: &str, status: &str| {
            let labels = format!("{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
            seen.get(&format!("skylight_http_request_duration_seconds_count{labels}")).copied()
        };
        assert_eq!(requests("/api/v1/contacts", "POST", "2xx"), Some(3.0));
        assert_eq!(requests("/api/v1/contacts/{id}", "GET", "4xx"), Some(1.0));
        assert_eq!(requests("none", "GET", "4xx"), Some(2.0), "strangers make no labels");
        let engine = format!("{:?}", world.engine).to_lowercase();
        assert_eq!(seen[&format!("skylight_build_info{{version=\"{}\",engine=\"{engine}\"}}", env!("CARGO_PKG_VERSION"))], 1.0);
        assert_eq!(seen["skylight_http_requests_in_flight"], 1.0, "this one");
        assert!(seen["skylight_start_time_seconds"] > 1.7e9 && seen["skylight_database_waiting"] >= 0.0);
        // Buckets are cumulative, and the last one has everything.
        let of_buckets = seen.iter().filter(|(name, _)| name.starts_with("skylight_http_request_duration_seconds_bucket{route=\"/api/v1/contacts\",method=\"POST\""));
        let mut counts: Vec<f64> = of_buckets.map(|(_, count)| *count).collect();
        counts.sort_by(f64::total_cmp);
        assert_eq!((counts.len(), counts.last()), (15, Some(&3.0)));
        let text = world.visitor().get("/metrics").await.text();
        for tenant in ["nakheel", "Sarah", "+1415"] {
            assert!(!text.contains(tenant), "{tenant} is in {text}");
        }
    }

    async fn what_waits_is_told_by_kind_and_age(world: World) {
        let nakheel = world.workspace("nakheel").await;
        eventually("nothing waits", async || {
            let seen = look(&world).await;
            let waits = seen.iter().any(|(name, value)| name.starts_with("skylight_jobs_waiting") && *value > 0.0);
            (!waits && seen["skylight_events_unnumbered"] == 0.0).then_some(())
        }).await;
        // Work that no worker of this node takes: it is due, and leased by a node that is alive.
        let mut tx = world.app.db.begin().await.unwrap();
        let now = world.app.now();
        tx.exec("INSERT INTO node (seen_at) VALUES ($1)", args![now.after(Duration::from_secs(3600))]).await.unwrap();
        let node: i64 = (&mut tx).one("SELECT MAX(id) FROM node", args![]).await.unwrap();
        let due = now.before(Duration::from_secs(90));
        let lane: i64 = (&mut tx).one(
            "INSERT INTO job_lane (workspace_id, kind, key, due_at, leased_by) VALUES ($1, 'mail', $1, $2, $3) RETURNING id",
            args![nakheel.id, due, node],
        ).await.unwrap();
        for (n, at) in [due, now, now.after(Duration::from_secs(60))].into_iter().enumerate() {
            let n = i64::try_from(n).unwrap();
            tx.exec("INSERT INTO job (lane_id, workspace_id, subject_id, group_id, run_at) VALUES ($1, $2, $3, $3, $4)", args![lane, nakheel.id, n, at]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let seen = eventually("it is told, once what was read before is old", async || {
            let seen = look(&world).await;
            (seen["skylight_jobs_waiting{kind=\"mail\"}"] > 0.0).then_some(seen)
        }).await;
        assert_eq!(seen["skylight_jobs_waiting{kind=\"mail\"}"], 2.0, "what is not due does not wait");
        let age = seen["skylight_jobs_oldest_seconds{kind=\"mail\"}"];
        assert!((90.0..150.0).contains(&age), "{age}");
        assert_eq!(seen["skylight_jobs_waiting{kind=\"partner_mail\"}"], 0.0, "kinds without work are told, too");
    }

    async fn who_comes_from_elsewhere_shows_the_token(world: World) {
        let token = "a-token-of-the-operator";
        let world = World::start_with(world.engine, &[("metrics_token", token), ("trusted_proxies", "127.0.0.1")]).await;
        let ask = async |headers: &[(&'static str, &str)]| {
            let mut request = world.http.get(format!("{}/metrics", world.base));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.send().await.status
        };
        let there = ("x-forwarded-for", "203.0.113.9");
        let bearer = format!("Bearer {token}");
        assert_eq!(ask(&[]).await, 200);
        assert_eq!(ask(&[there]).await, 401);
        assert_eq!(ask(&[("x-forwarded-for", "127.0.0.1")]).await, 401, "through a proxy nobody is local");
        assert_eq!(ask(&[("via", "1.1 proxy")]).await, 401);
        assert_eq!(ask(&[there, ("authorization", &bearer)]).await, 200);
        for wrong in ["Bearer another-token-of-nobody", "Basic YTpi", "Bearer ", token] {
            assert_eq!(ask(&[there, ("authorization", wrong)]).await, 401, "{wrong}");
        }
        let closed = World::start_with(world.engine, &[]).await;
        let request = closed.http.get(format!("{}/metrics", closed.base)).header("x-forwarded-for", "203.0.113.9");
        assert_eq!(request.header("authorization", "Bearer ").send().await.status, 401, "without a token nobody has one");
    }
}

/// Every value by its name and labels.
async fn look(world: &World) -> BTreeMap<String, f64> {
    let answer = world.visitor().get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}

#[test]
fn every_metric_is_in_the_manual() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let (mut folders, mut names) = (vec![root.join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|end| end == "rs") => {
                    let text = std::fs::read_to_string(path).unwrap();
                    let literals = text.split("\"skylight_").skip(1);
                    let words = literals.filter_map(|rest| rest.split('"').next());
                    let is_name = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                    names.extend(words.filter(is_name).map(|word| format!("skylight_{word}")));
                }
                _ => {}
            }
        }
    }
    assert!(names.len() >= 10, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !manual.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/operations.md does not list {missing:?}");
}
