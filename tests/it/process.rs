//! The built binary as a process: its command line, its demo, its end, and what it refuses to start on.

pub mod house;
mod kills;
mod sleeper;
mod storm;

use crate::on_both_houses;
use crate::world::{Actor, Engine};
use house::{BIN, House, MASTER_KEY, OTHER_MASTER_KEY, within_a_second};
use serde_json::{Value, json};
use skylight_db::args;
use skylight_test_support::http::{HttpClient, RawConnection};
use skylight_test_support::process::{CliOutput, ServerProcess, free_port, run_cli};
use skylight_test_support::script::Behaviour;
use skylight_test_support::wait::eventually;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const CONTACTS: &str = "/api/v1/contacts";

on_both_houses! {
    async fn the_command_line_manages_an_installation_while_it_serves(house: House) {
        let server = house.serve().await;

        let args = ["partner", "create", "--company-name", "Rawabi", "--email", "ops@rawabi.example", "--json"];
        let made = house.cli(&args).await.json();
        let (id, key) = (made["id"].as_i64().unwrap(), made["partner_key"].as_str().unwrap());
        assert!(key.starts_with("pk_live_"), "{made}");
        assert_eq!(made["hub_key"], key);
        assert!(made["hub_id"].as_str().unwrap().ends_with("PA"), "{made}");
        let partner = house.actor(&server.base(), id, "X-Partner-Key", key);
        let profile = partner.get("/api/v1/partner/profile").await.expect(200);
        assert_eq!((&profile["data"]["plan"], &profile["data"]["client_seats"]["max"]), (&json!("agency"), &json!(50)));

        let id = id.to_string();
        let nakheel = new_workspace(&house, &server, &id, "ahmad@nakheel.example").await;
        nakheel.contact("Sarah", "+14155551234").await;
        let workspace = nakheel.id.to_string();
        let said = house.cli(&["key", "create", "--workspace", &workspace, "--domains", "shop.example"]).await;
        let shown = said.success().lines().find_map(|line| line.strip_prefix("api_key: ")).unwrap().to_owned();
        for (origin, status) in [("https://shop.example", 200), ("https://evil.example", 403)] {
            let request = house.http.get(server.url(CONTACTS)).bearer(&shown).header("origin", origin);
            assert_eq!(request.send().await.status, status, "{origin}");
        }

        house.cli(&["partner", "set", "--id", &id, "--seats", "1", "--plan", "enterprise"]).await.success();
        let profile = partner.get("/api/v1/partner/profile").await.expect(200);
        assert_eq!(profile["data"]["client_seats"], json!({"used": 1, "max": 1}));
        assert_eq!(profile["data"]["plan"], "enterprise");
        let full = create_workspace(&house, &id, "second@nakheel.example").await;
        assert_failed(&full, "Client seat limit reached.");
        house.cli(&["partner", "set", "--id", &id, "--seats", "5"]).await.success();
        let taken = create_workspace(&house, &id, "AHMAD@nakheel.example").await;
        assert_failed(&taken, "The email has already been taken.");

        // What another process changes holds here within a second.
        for (command, status) in [("suspend", 403), ("reactivate", 200)] {
            for caller in [&partner, &nakheel] {
                caller.get(own_page(caller)).await;
            }
            house.cli(&["partner", command, "--id", &id]).await.success();
            within_a_second(&format!("the keys answer {status}"), async || {
                let told = [partner.get(own_page(&partner)).await.status, nakheel.get(own_page(&nakheel)).await.status];
                told == [status; 2]
            })
            .await;
        }
        assert_failed(&house.cli(&["partner", "suspend", "--id", "999"]).await, "Partner not found.");
        assert_failed(&house.cli(&["key", "create", "--workspace", "999"]).await, "Workspace not found.");

        assert!(house.cli(&["migrate"]).await.success().contains("up to date"));
        let document: Value = serde_json::from_str(house.cli(&["openapi"]).await.success()).unwrap();
        assert_eq!(document, house.http.get(server.url("/api/openapi.json")).send().await.expect(200));
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));

        // `check` agrees with what happened, and says where it does not.
        house.cli(&["check"]).await.success();
        let mut tx = house.db().begin().await.unwrap();
        tx.exec("UPDATE meter SET contacts = contacts + 1", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let differs = house.cli(&["check"]).await;
        assert_eq!(differs.status, 1);
        assert!(differs.stdout.contains("contacts"), "{differs:?}");
        nakheel.get(CONTACTS).await.expect(200);
    }

    async fn a_server_told_to_stop_finishes_what_runs_and_gives_its_leases_back(house: House) {
        let mut server = house.serve().await;
        let nakheel = workspace(&house, &server).await;
        nakheel.webhook(&house.receiver.url("/crm"), &["contact.created"]).await;
        // More deliveries than an endpoint gets at a time before it has answered one.
        let (held, hold) = Behaviour::status(200).held();
        house.receiver.script().always("*", held);
        for n in 0..90 {
            nakheel.contact(&format!("Contact {n}"), &format!("+9665011{n:05}")).await;
        }
        hold.wait_for_held(8).await;

        let port = server.port();
        let body = json!({"name": "Last", "phone": "+966502223344", "type": "whatsapp"}).to_string();
        let writing = half_sent(port, "POST", CONTACTS, Some(nakheel.key()), body.len()).await;
        let asking = half_sent(port, "GET", "/health/ready", None, 2).await;
        server.signal("TERM");
        eventually("nobody is let in any more", async || TcpStream::connect(("127.0.0.1", port)).await.err()).await;
        let ready = finished(asking, "{}").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.to_lowercase().contains("retry-after: "), "{ready}");
        let written = finished(writing, &body).await;
        assert!(written.starts_with("HTTP/1.1 201"), "{written}");

        hold.release();
        let status = server.wait_for_exit(Duration::from_secs(30)).await;
        assert_eq!(status.code(), Some(0));
        assert_eq!(house.count("SELECT COUNT(*) FROM job_lane WHERE leased_by IS NOT NULL").await, 0);
        assert_eq!(house.count("SELECT COUNT(*) FROM node").await, 0);

        // The next one goes on at once: leases that were not given back would hold for ten seconds.
        server.restart().await;
        let restarted = Instant::now();
        let all = house.receiver.wait_for(91).await;
        assert!(restarted.elapsed() < Duration::from_secs(5), "{:?}", restarted.elapsed());
        let ids: BTreeSet<_> = all.iter().map(|delivery| delivery.id().to_owned()).collect();
        assert_eq!((all.len(), ids.len()), (91, 91), "each was delivered once");
        assert_eq!(server.terminate().await.code(), Some(0), "and ends as well with nothing to do");
    }

    async fn wrong_master_keys_and_newer_schemas_are_refused_and_it_is_said_why(house: House) {
        let mut house = house;
        let mut server = house.serve().await;
        let nakheel = workspace(&house, &server).await;
        nakheel.contact("Sarah", "+14155551234").await;
        assert_eq!(server.terminate().await.code(), Some(0));

        house.set("SKYLIGHT_MASTER_KEYS", OTHER_MASTER_KEY);
        for command in ["serve", "migrate"] {
            assert_failed(&on_a_free_port(&house, &[command]).await, "the master keys cannot open this database");
        }
        // A new key in front of the old one is a rotation.
        house.set("SKYLIGHT_MASTER_KEYS", format!("{OTHER_MASTER_KEY},{MASTER_KEY}"));
        house.cli(&["migrate"]).await.success();
        house.set("SKYLIGHT_MASTER_KEYS", MASTER_KEY);

        let mut tx = house.db().begin().await.unwrap();
        let sql = "INSERT INTO schema_migration (version, name, applied_at) VALUES (9999, '9999_from_the_future', 0)";
        tx.exec(sql, args![]).await.unwrap();
        tx.commit().await.unwrap();
        for command in [&["serve"][..], &["migrate"], &["partner", "suspend", "--id", "1"]] {
            assert_failed(&on_a_free_port(&house, command).await, "9999_from_the_future");
        }
        let mut tx = house.db().begin().await.unwrap();
        tx.exec("DELETE FROM schema_migration WHERE version = 9999", args![]).await.unwrap();
        tx.commit().await.unwrap();
        server.restart().await;
        assert_eq!(nakheel.get(CONTACTS).await.expect(200)["meta"]["total"], 1);
    }

    async fn the_demo_prints_keys_and_curl_lines_that_work(house: House) {
        let (house, mut server, tour) = start_demo(house).await;
        assert!(house.engine == Engine::Postgres || house.folder.join("skylight.db").exists());
        let keys: Vec<_> = tour.split_whitespace().filter(|word| word.starts_with("sk_live_")).collect();
        assert!(keys.len() >= 2 && tour.contains("pk_live_") && tour.contains("نخيل"), "{tour}");
        let docs = house.http.get(server.url("/docs")).send().await;
        assert!(tour.contains(&server.url("/docs")) && docs.status == 200);

        let blocks = tour.split("\n\n").map(str::trim).filter(|block| block.starts_with("curl "));
        let lines: Vec<_> = blocks.collect();
        assert_eq!(lines.len(), 4, "{tour}");
        for line in lines {
            let (status, body) = run_curl(line).await;
            assert!((200..300).contains(&status) && body["success"] == true, "{line}\n{status} {body}");
        }
        // The simulated customer is worked in, told to the demo's own receiver, and answered.
        let nakheel = house.actor(&server.base(), 1, "X-Api-Key", keys[0]);
        eventually("the simulated customer is a contact", async || {
            let contacts = nakheel.get("/api/v1/contacts?search=%2B966507778899").await.expect(200);
            (contacts["meta"]["total"] == 1).then_some(())
        })
        .await;
        let is_told = |line: &str| line.contains(" message.received ") && line.contains("هند");
        eventually("its webhook arrives", async || server.log().lines().any(is_told).then_some(())).await;
        let log = server.log();
        let told = log.lines().filter(|line| line.contains(" contact.") || line.contains(" message."));
        let (held, not): (Vec<_>, Vec<_>) = told.partition(|line| line.contains("signature holds"));
        assert!(!held.is_empty() && not.is_empty(), "{log}");

        // Started again on the same data, it adds nothing.
        let before = rows(&house).await;
        assert_eq!(server.terminate().await.code(), Some(0));
        server.restart().await;
        eventually("it says so", async || server.log().contains("nothing was added").then_some(())).await;
        assert_eq!(rows(&house).await, before);
        nakheel.get(CONTACTS).await.expect(200);
    }
}

#[tokio::test]
async fn every_fault_of_configuration_is_listed_at_once() {
    let mut house = House::on(Engine::Sqlite).await;
    house.set("SKYLIGHT_LISTEN", "everywhere");
    house.set("SKYLIGHT_DATABASE_URL", "mysql://here");
    house.set("SKYLIGHT_RATE_LIMIT_PER_MINUTE", "many");
    house.set("SKYLIGHT_MASTER_KEYS", "short");
    house.set("SKYLIGHT_LOG", "skylight=loud");
    std::fs::write(house.folder.join("skylight.toml"), "colour = \"blue\"\nwebhook_retry_schedule = \"soon\"\n")
        .unwrap();
    let file = house.folder.join("skylight.toml").display().to_string();
    for command in ["serve", "migrate"] {
        let refused = house.cli(&["--config", &file, command]).await;
        assert_eq!(refused.status, 2, "{refused:?}");
        let names = [
            "listen",
            "database_url",
            "rate_limit_per_minute",
            "master_keys",
            "log",
            "colour",
            "webhook_retry_schedule",
        ];
        for name in names {
            assert!(refused.stderr.contains(name), "{name} is not in: {}", refused.stderr);
        }
        assert!(!refused.stderr.contains("mysql"), "a setting may hold a password: {}", refused.stderr);
    }
    assert!(!house.folder.join("skylight.db").exists(), "nothing was touched");
    let unknown = house.cli(&["serve", "--dmeo"]).await;
    assert_eq!(unknown.status, 2, "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_file_does_not_start() {
    let house = House::on(Engine::Sqlite).await;
    let server = house.serve().await;
    let nakheel = workspace(&house, &server).await;
    assert_failed(&on_a_free_port(&house, &["serve"]).await, "another server is running on");
    nakheel.contact("Sarah", "+14155551234").await;
    // Killed without warning, it stands in nobody's way.
    drop(server);
    let server = house.serve().await;
    let contacts = house.http.get(server.url(CONTACTS)).bearer(nakheel.key()).send().await;
    assert_eq!(contacts.expect(200)["meta"]["total"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_serving_is_whole_and_restored_elsewhere() {
    let mut house = House::on(Engine::Sqlite).await;
    // The key file stands apart from the database, and from the backup.
    house.unset("SKYLIGHT_MASTER_KEYS");
    let server = house.serve().await;
    let nakheel = workspace(&house, &server).await;
    let number = house.whatsapp(&nakheel, 1).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writer = tokio::spawn(write_until(nakheel.clone(), stopped));
    eventually("somebody writes", async || (total(&nakheel).await > 20).then_some(())).await;
    let file = house.folder.join("backup.db").display().to_string();
    let before = total(&nakheel).await;
    assert!(house.cli(&["backup", &file]).await.success().contains("master key"));
    assert_failed(&house.cli(&["backup", &file]).await, "exists already");
    stop.send_replace(true);
    let after = i64::try_from(writer.await.unwrap()).unwrap();
    assert_eq!(total(&nakheel).await, after, "writing went on");

    assert_failed(&house.cli(&["restore", &file]).await, "a server is running on this database");
    let elsewhere = house.folder.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(house.folder.join("master.key"), elsewhere.join("master.key")).unwrap();
    let damaged = house.folder.join("damaged.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xA5);
    std::fs::write(&damaged, bytes).unwrap();
    let refused = house.cli_in(&elsewhere, &["restore", &damaged.display().to_string()]).await;
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(!elsewhere.join("skylight.db").exists(), "a damaged backup is put nowhere");
    house.cli_in(&elsewhere, &["restore", &file]).await.success();
    house.cli_in(&elsewhere, &["check"]).await.success();

    drop(server);
    let server = ServerProcess::start(BIN, &house.env(), &elsewhere).await;
    let restored = Actor { base: server.base(), ..nakheel };
    let total = total(&restored).await;
    assert!((before..=after).contains(&total), "{before} ≤ {total} ≤ {after}");
    // Sealed secrets open: the channel still speaks.
    let contact = restored.contact("Last", "+966502223344").await["id"].clone();
    let body = json!({"contact_id": contact, "content": "from the backup", "channel_id": number.channel});
    restored.post("/api/v1/messages/send", body).await.expect(201);
    house.meta.wait_for_sends(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_in_the_configuration_a_key_file_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mut house = House::on(Engine::Sqlite).await;
    house.unset("SKYLIGHT_MASTER_KEYS");
    let mut server = house.serve().await;
    let file = house.folder.join("master.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.log().matches("back this file up").count(), 1, "{}", server.log());
    server.terminate().await;
    server.restart().await;
    assert_eq!(server.log().matches("back this file up").count(), 1, "it is said once");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(!server.log().contains(secret.trim()));
}

async fn new_workspace(house: &House, server: &ServerProcess, partner: &str, email: &str) -> Actor {
    let made = create_workspace(house, partner, email).await.json();
    assert!(made["api_key"].as_str().unwrap().starts_with("sk_live_"), "{made}");
    house.actor(&server.base(), made["id"].as_i64().unwrap(), "X-Api-Key", made["api_key"].as_str().unwrap())
}

async fn create_workspace(house: &House, partner: &str, email: &str) -> CliOutput {
    let names = ["--company-name", "Nakheel", "--plan", "business", "--admin-email", email, "--json"];
    house.cli(&[&["workspace", "create", "--partner", partner][..], &names].concat()).await
}

async fn workspace(house: &House, server: &ServerProcess) -> Actor {
    let partner = house.partner(&server.base(), "rawabi").await;
    new_workspace(house, server, &partner.id.to_string(), "ahmad@nakheel.example").await
}

fn own_page(caller: &Actor) -> &'static str {
    if caller.key().starts_with("pk_") { "/api/v1/partner/profile" } else { CONTACTS }
}

#[track_caller]
fn assert_failed(output: &CliOutput, why: &str) {
    assert!(output.status == 1 && output.stderr.contains(why), "not {why:?}: {output:?}");
}

/// A command with a port that no running server has, for those that should not come to use it.
async fn on_a_free_port(house: &House, args: &[&str]) -> CliOutput {
    let mut env = house.env();
    env.push(("SKYLIGHT_DATA_DIR", house.folder.path().display().to_string()));
    env.push(("SKYLIGHT_LISTEN", format!("127.0.0.1:{}", free_port())));
    run_cli(BIN, &env, args).await
}

/// A request whose head the server has read and whose body it asks for.
async fn half_sent(port: u16, method: &str, path: &str, key: Option<&str>, length: usize) -> RawConnection {
    let key = key.map(|key| format!("X-Api-Key: {key}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: here\r\n{key}Content-Type: application/json\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    let mut connection = RawConnection::open(("127.0.0.1", port)).await;
    connection.write(head.as_bytes()).await;
    connection.read_until(b"100 Continue\r\n\r\n").await;
    connection
}

/// Sends the body and reads the answer to the connection's end.
async fn finished(mut connection: RawConnection, body: &str) -> String {
    connection.write(body.as_bytes()).await;
    let (answer, closed) = connection.read_for(Duration::from_secs(10)).await;
    assert!(closed, "a stopping server closes the connection");
    String::from_utf8(answer).unwrap()
}

/// Starts the demo and waits for its tour. Its receiver wants the next port, which another test may have just then.
async fn start_demo(mut house: House) -> (House, ServerProcess, String) {
    for _ in 0..5 {
        let env: Vec<_> = house.env().into_iter().filter(|(name, _)| *name == "SKYLIGHT_DATABASE_URL").collect();
        let server = ServerProcess::start_with(BIN, &["serve", "--demo"], &env, house.folder.path()).await;
        let tour = eventually("the tour is printed", async || {
            let log = server.log();
            log.contains("Reference page:").then_some(log)
        })
        .await;
        if !tour.contains("is taken") {
            return (house, server, tour);
        }
        house = House::on(house.engine).await;
    }
    panic!("the port beside the server's was taken five times");
}

/// Runs a printed line as a newcomer would paste it; answers status and body.
async fn run_curl(line: &str) -> (u16, Value) {
    let command = format!("{line} -w '\\n%{{http_code}}'");
    let output = tokio::process::Command::new("sh").args(["-c", &command]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| panic!("{line}\n{text}")))
}

async fn rows(house: &House) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["partner", "workspace", "api_key", "contact", "channel", "webhook", "message"] {
        counts.push(house.count(&format!("SELECT COUNT(*) FROM {table}")).await);
    }
    counts
}

async fn total(workspace: &Actor) -> i64 {
    workspace.get(CONTACTS).await.expect(200)["meta"]["total"].as_i64().unwrap()
}

/// Creates contacts until told to stop; answers how many.
async fn write_until(workspace: Actor, stopped: tokio::sync::watch::Receiver<bool>) -> usize {
    let workspace = Actor { http: HttpClient::new(), ..workspace };
    let mut written = 0;
    while !*stopped.borrow() {
        workspace.contact(&format!("Contact {written}"), &format!("+9665022{written:05}")).await;
        written += 1;
    }
    written
}
