//! What the documents promise is true of the code.

use skylight::config::SETTINGS;
use skylight_test_support::process::ServerProcess;
use skylight_test_support::tempdir::TempDir;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

const BIN: &str = env!("CARGO_BIN_EXE_skylight");

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    let readme = read("README.md");
    for (name, default, _) in SETTINGS {
        let variable = format!("| `SKYLIGHT_{}` | `{name}` |", name.to_uppercase());
        let line = readme.lines().find(|line| line.starts_with(&variable));
        let line = line.unwrap_or_else(|| panic!("README has no row {variable}"));
        let shown = if default.is_empty() { "(empty)".to_owned() } else { format!("`{default}`") };
        assert!(line.contains(&shown), "{line} does not name the default {shown}");
    }
}

#[test]
fn every_error_code_is_in_the_docs() {
    let page = read("docs/api.md");
    let told = |code: &str| page.contains(&format!("`{code}`"));
    let untold: Vec<_> =
        skylight::kernel::Error::CODES.iter().map(|(code, ..)| *code).filter(|code| !told(code)).collect();
    assert!(untold.is_empty(), "docs/api.md does not name {untold:?}");
}

#[test]
fn documents_name_files_that_exist() {
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{page} links to {link}");
        }
    }
}

/// The tour is run as it is pasted, but for the built binary's path and the ports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_of_the_readme_works_as_pasted() {
    let folder = TempDir::new("tour");
    let envs =
        [("SKYLIGHT_WEBHOOK_ALLOW_HTTP", "true".to_owned()), ("SKYLIGHT_OUTBOUND_ALLOW", "127.0.0.1".to_owned())];
    let server = ServerProcess::start(BIN, &envs, folder.path()).await;
    let receiver_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let readme = read("README.md");
    let tour = readme.split("<!-- tour -->").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    let script = tour
        .trim_start_matches("sh\n")
        .replace("cargo run --release -q --", BIN)
        .replace("./tour", &folder.path().display().to_string())
        .replace("http://127.0.0.1:8080", &server.base())
        .replace("9099", &receiver_port.to_string());
    let output = Command::new("bash").args(["-eu", "-c", &script]).stdin(Stdio::null()).output().await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for expected in [
        "whsec_",
        "Message simulated.",
        "message.received",
        "message.sent",
        "Message sent successfully.",
        "\"status\":\"read\"",
        "\"received\":1",
    ] {
        assert!(out.contains(expected), "the tour does not show {expected}:\n{out}\n{err}");
    }
}
