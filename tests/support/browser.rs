//! A real Chromium without a window, driven by its own debugging protocol over a pipe: it loads pages, and clicks and types
//! like a person, at the place where a thing stands on the screen.

use std::{
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{tempdir::TempDir, wait};

/// The browser's name on the machine; `SKYLIGHT_TEST_CHROMIUM` names another program.
const PROGRAM: &str = "chromium";
/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(30);

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-crash-reporter",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

/// One page of a browser of its own, with cookies of its own. The browser ends with it.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    next: AtomicU64,
    session: String,
    /// What the page complained of: errors of scripts, resources that its policy refused.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser; panics if there is none, because a page that no browser has seen is not tested.
    pub async fn start() -> Self {
        let profile = TempDir::new("chromium");
        let program = std::env::var("SKYLIGHT_TEST_CHROMIUM").unwrap_or_else(|_| PROGRAM.to_owned());
        // The browser reads commands from its third descriptor and answers on its fourth.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null", &program])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start a shell: {error}"));
        let commands = child.stdin.take().expect("stdin was piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout was piped"));
        let next = AtomicU64::new(1);
        let session = String::new();
        let mut browser = Self { child, commands, answers, next, session, complaints: Vec::new(), _profile: profile };
        let targets = browser.call("Target.getTargets", json!({})).await;
        let page = targets["targetInfos"].as_array().into_iter().flatten().find(|target| target["type"] == "page");
        let page = page.unwrap_or_else(|| panic!("{program} has no page: {targets}"))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": page, "flatten": true})).await;
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// Sends a command and waits for its answer.
    #[track_caller]
    fn call<'a>(&'a mut self, method: &'a str, params: Value) -> impl Future<Output = Value> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let answer = tokio::time::timeout(PATIENCE, self.exchange(method, params)).await;
            answer.unwrap_or_else(|_| panic!("{place}: the browser does not answer {method}"))
        }
    }

    async fn exchange(&mut self, method: &str, params: Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = self.session.clone().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).await.unwrap_or_else(|error| panic!("the browser is gone: {error}"));
        loop {
            let heard = self.hear().await;
            if heard["id"] == id {
                // A page that goes takes its answers along.
                let gone = heard["error"]["message"] == "Inspected target navigated or closed";
                assert!(gone || heard["error"].is_null(), "{method}: {}", heard["error"]);
                return heard["result"].clone();
            }
        }
    }

    /// The next thing the browser says; what it complains of is kept.
    async fn hear(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = self.answers.read_until(0, &mut bytes).await;
        assert!(read.is_ok_and(|count| count > 0), "the browser went away; is {PROGRAM} installed?");
        bytes.pop();
        let heard: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let params = &heard["params"];
        match heard["method"].as_str() {
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(format!("{} {}", params["entry"]["text"], params["entry"]["url"]));
            }
            Some("Runtime.exceptionThrown") => self.complaints.push(params.to_string()),
            _ => {}
        }
        heard
    }

    /// The size of the window, in its own pixels.
    pub async fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Opens an address and waits until its page stands.
    pub async fn open(&mut self, url: &str) {
        self.mark().await;
        let answer = self.call("Page.navigate", json!({"url": url})).await;
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait_for_another_page(url).await;
    }

    /// Marks the page that stands now, to know it from the next one.
    async fn mark(&mut self) {
        self.run("window.skylightMark = true").await;
    }

    async fn wait_for_another_page(&mut self, what: &str) {
        self.wait(&format!("another page after {what}"), "!window.skylightMark && document.readyState === 'complete'")
            .await;
    }

    /// Waits until an expression is true.
    async fn wait(&mut self, what: &str, expression: &str) {
        let started = std::time::Instant::now();
        loop {
            if self.run(expression).await == Value::Bool(true) {
                return;
            }
            let text = self.run("document.documentElement ? document.documentElement.outerHTML : ''").await;
            assert!(started.elapsed() < wait::DEADLINE, "{what} never came; the page: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The value of an expression in the page. While one page goes and the next comes there is none.
    pub async fn run(&mut self, expression: &str) -> Value {
        let call = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", call).await;
        answer["result"]["value"].clone()
    }

    /// What people can read on the page.
    pub async fn text(&mut self) -> String {
        self.run("document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Where the page is, without its host.
    pub async fn path(&mut self) -> String {
        self.run("location.pathname + location.search").await.as_str().unwrap_or_default().to_owned()
    }

    /// The text of one thing.
    pub async fn text_of(&mut self, selector: &str) -> String {
        let found = self.run(&format!("document.querySelector({})?.textContent", json!(selector))).await;
        found.as_str().unwrap_or_else(|| panic!("nothing is {selector}")).trim().to_owned()
    }

    pub async fn has(&mut self, selector: &str) -> bool {
        self.run(&format!("document.querySelector({}) !== null", json!(selector))).await == Value::Bool(true)
    }

    /// Clicks with the mouse in the middle of a thing that can be seen there.
    pub async fn click(&mut self, selector: &str) {
        let name = json!(selector);
        let place = format!(
            "(() => {{ const it = document.querySelector({name}); if (!it) return null;
               it.scrollIntoView({{block: 'center'}}); const box = it.getBoundingClientRect();
               const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
               const top = document.elementFromPoint(x, y);
               return [x, y, !!top && (it === top || it.contains(top) || top.contains(it))]; }})()"
        );
        let place = self.run(&place).await;
        assert_eq!(place[2], true, "{selector} cannot be clicked: {place}");
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Clicks what leads to another page.
    pub async fn follow(&mut self, selector: &str) {
        self.mark().await;
        self.click(selector).await;
        self.wait_for_another_page(selector).await;
    }

    /// Clicks into a field and types.
    pub async fn type_into(&mut self, selector: &str, text: &str) {
        self.click(selector).await;
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Whether the page is wider than the window: on a phone one would have to scroll sideways.
    pub async fn overflows(&mut self) -> bool {
        self.run("document.documentElement.scrollWidth > window.innerWidth").await == Value::Bool(true)
    }

    /// A picture of the whole page, as PNG.
    pub async fn picture(&mut self) -> Vec<u8> {
        // Without a frame of its own a page from right to left is taken from the middle of nowhere.
        let size =
            self.run("[window.innerWidth, Math.max(window.innerHeight, document.documentElement.scrollHeight)]").await;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let call = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let answer = self.call("Page.captureScreenshot", call).await;
        STANDARD.decode(answer["data"].as_str().unwrap_or_default()).unwrap_or_default()
    }

    /// Ends the browser, and waits until it is gone.
    pub async fn close(mut self) {
        self.session.clear();
        let _ = tokio::time::timeout(PATIENCE, self.exchange("Browser.close", json!({}))).await;
        let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
    }
}
