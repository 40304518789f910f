//! The built binary as a process: started on a free port, waited for, killed without warning, started again on the
//! same data. Nothing survives the handle.

use std::{
    fs::{File, OpenOptions},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use super::{fresh, http::HttpClient, tempdir::TempDir, wait};

const READY_WITHIN: Duration = Duration::from_secs(60);
const CLI_WITHIN: Duration = Duration::from_secs(120);

/// A server in a process of its own. Dropping it kills the process and waits for its end.
#[derive(Debug)]
pub struct ServerProcess {
    bin: PathBuf,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    data_dir: PathBuf,
    port: u16,
    logs: TempDir,
    child: Option<Child>,
    client: HttpClient,
}

impl ServerProcess {
    /// `bin serve` with these variables, `SKYLIGHT_LISTEN` on a free port and `SKYLIGHT_DATA_DIR`; other
    /// `SKYLIGHT_*` variables of the test are not passed on. Returns once `/health/ready` answers 200.
    pub async fn start(bin: &str, envs: &[(&str, String)], data_dir: &Path) -> Self {
        Self::start_with(bin, &["serve"], envs, data_dir).await
    }

    /// [`Self::start`] with other arguments, for example `["serve", "--demo"]`.
    pub async fn start_with(bin: &str, args: &[&str], envs: &[(&str, String)], data_dir: &Path) -> Self {
        let mut server = Self {
            bin: bin.into(),
            args: args.iter().map(ToString::to_string).collect(),
            envs: owned(envs),
            data_dir: data_dir.to_owned(),
            port: free_port(),
            logs: TempDir::new("skylight_server_log"),
            child: None,
            client: HttpClient::new(),
        };
        for _ in 0..3 {
            match server.try_start().await {
                Ok(()) => return server,
                // Somebody was faster with this port.
                Err(_) if server.log().to_lowercase().contains("in use") => server.port = free_port(),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("three ports in a row were taken:\n{}", server.log_tail());
    }

    async fn try_start(&mut self) -> Result<(), String> {
        self.spawn();
        let mut seen = String::new();
        let ready = tokio::time::timeout(READY_WITHIN, async {
            loop {
                if let Some(status) = self.exited() {
                    return Err(format!("the server ended with {status} before it was ready"));
                }
                let request = self.client.get(self.url("/health/ready")).limit(Duration::from_secs(5));
                match request.try_send().await {
                    Ok(answer) if answer.status == 200 => return Ok(()),
                    Ok(answer) => seen = format!("{answer:?}"),
                    Err(error) => seen = error,
                }
                tokio::time::sleep(wait::POLL).await;
            }
        })
        .await;
        let ready = ready.unwrap_or_else(|_| Err(format!("not ready after {READY_WITHIN:?}, last saw: {seen}")));
        ready.map_err(|error| format!("{error}\n{}", self.log_tail()))
    }

    fn spawn(&mut self) {
        let log = self.open_log();
        let errors = log.try_clone().expect("a file handle can be cloned");
        let mut command = Command::new(&self.bin);
        command.args(&self.args).stdin(Stdio::null()).stdout(log).stderr(errors);
        clear(|name| {
            command.env_remove(name);
        });
        command.env("SKYLIGHT_DATA_DIR", &self.data_dir).envs(self.envs.clone());
        command.env("SKYLIGHT_LISTEN", format!("127.0.0.1:{}", self.port));
        let child = command.spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", self.bin.display())));
    }

    /// `http://127.0.0.1:PORT`, the same for the whole life of this handle.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process id, while it runs.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal by name: `TERM`, `STOP`, `CONT`, `HUP`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.as_ref().is_ok_and(ExitStatus::success), "kill -s {name} {pid}: {status:?}");
    }

    /// Puts the process to sleep; back when none of its threads runs any more, because they stop one after the other.
    pub async fn fall_asleep(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.pid());
        crate::wait::eventually("all threads sleep", async || {
            let tasks = std::fs::read_dir(&tasks).ok()?;
            let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
                let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
                // The state follows the name, which may hold anything.
                stat.rsplit_once(") ")?.1.starts_with('T').then_some(())
            };
            tasks.map(is_stopped).collect::<Option<Vec<_>>>().map(|_| ())
        })
        .await;
    }

    /// SIGTERM, and waits up to 40 s (30 s is the server's own limit) for the end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_exit(Duration::from_secs(40)).await
    }

    /// Waits for the process to end by itself.
    pub async fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let end = async {
            loop {
                if let Some(status) = self.exited() {
                    return status;
                }
                tokio::time::sleep(wait::POLL).await;
            }
        };
        let ended = tokio::time::timeout(limit, end).await;
        let status = ended.unwrap_or_else(|_| panic!("still running after {limit:?}:\n{}", self.log_tail()));
        self.child = None;
        status
    }

    /// Starts again on the same port, data and variables; kills the running process first, if there is one.
    pub async fn restart(&mut self) {
        self.kill9();
        if let Err(error) = self.try_start().await {
            panic!("{error}");
        }
    }

    /// Changes or adds a variable for the next start.
    pub fn set_env(&mut self, name: &str, value: impl Into<String>) {
        self.envs.retain(|(known, _)| known != name);
        self.envs.push((name.to_owned(), value.into()));
    }

    /// Everything written to stdout and stderr by all processes of this handle.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.logs.join("server.log")
    }

    fn open_log(&self) -> File {
        let path = self.log_path();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()))
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("the end of the log of {}:\n{}", self.base(), self.log_tail());
        }
    }
}

/// What a command said.
#[derive(Clone, Debug)]
pub struct CliOutput {
    /// The exit code; -1 when a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CliOutput {
    /// The standard output of a command that succeeded; panics with everything otherwise.
    #[track_caller]
    pub fn success(&self) -> &str {
        assert!(self.status == 0, "exit code {}\n{}\n{}", self.status, self.stdout, self.stderr);
        &self.stdout
    }

    /// The JSON a succeeding `--json` command printed.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let text = self.success();
        serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
    }
}

/// Runs the binary to its end with these variables (other `SKYLIGHT_*` variables of the test are not passed on).
pub async fn run_cli(bin: &str, envs: &[(&str, String)], args: &[&str]) -> CliOutput {
    let mut command = tokio::process::Command::new(bin);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    clear(|name| {
        command.env_remove(name);
    });
    command.envs(owned(envs));
    let output = tokio::time::timeout(CLI_WITHIN, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{args:?} has not ended after {CLI_WITHIN:?}"));
    let output = output.unwrap_or_else(|error| panic!("cannot start {bin}: {error}"));
    CliOutput {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn owned(envs: &[(&str, String)]) -> Vec<(String, String)> {
    envs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn clear(mut remove: impl FnMut(&str)) {
    for (name, _) in std::env::vars_os() {
        if let Some(name) = name.to_str().filter(|name| name.starts_with("SKYLIGHT_")) {
            remove(name);
        }
    }
}

/// A port nobody listens on, below the range that systems hand out by themselves, so that neither outgoing
/// connections nor servers on port 0 take it between now and the server's start.
pub fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 16_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes run side by side: each begins elsewhere.
    static BEGIN: std::sync::OnceLock<u16> = std::sync::OnceLock::new();
    let begin = *BEGIN.get_or_init(|| u16::try_from(fresh::random() % u64::from(COUNT)).unwrap_or_default());
    for _ in 0..COUNT {
        let offset = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
    panic!("no port is free between {FIRST} and {}", FIRST + COUNT);
}
