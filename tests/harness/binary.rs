//! The real program, as an operator runs it.

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use super::KEY;

/// `signalbox` with these arguments, run to its end.
pub(crate) async fn run(config: &Path, arguments: &[&str]) -> Output {
    command(config, arguments).output().await.expect("it runs")
}

/// The same with these variables and this text on its standard input.
pub(crate) async fn run_with(
    config: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    input: &[u8],
) -> Output {
    let mut command = command(config, arguments);
    command.envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    // It may end without having read anything.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    child.wait_with_output().await.expect("it runs")
}

/// Another build than the one that is tested, such as an optimized one, for the bars.
pub(crate) fn other_build() -> Option<std::ffi::OsString> {
    std::env::var_os("SIGNALBOX_BAR_PROGRAM")
}

fn program() -> std::ffi::OsString {
    other_build().unwrap_or_else(|| env!("CARGO_BIN_EXE_signalbox").into())
}

fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).arg("--config").arg(config);
    logging(&mut command);
    command.kill_on_drop(true);
    command
}

/// What `signalbox serve` with these variables says, up to the line with these words; its log comes as it
/// does by itself.
pub(crate) async fn said(config: &Path, variables: &[(&str, &str)], last: &str) -> String {
    let mut command = command(config, &["serve"]);
    command.env_remove("SIGNALBOX__LOG__FORMAT").envs(variables.iter().copied());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let read = async {
        let mut all = String::new();
        while let Some(line) = lines.next_line().await.expect("text") {
            all += &format!("{line}\n");
            if line.contains(last) {
                return all;
            }
        }
        panic!("it ended: {all}");
    };
    let all = tokio::time::timeout(Duration::from_secs(30), read).await;
    all.expect("it says so in time")
}

/// Its log comes as JSON, and says what a log says by itself; variables of who runs the tests do not count.
fn logging(command: &mut Command) {
    command.env_remove("RUST_LOG").env("SIGNALBOX__LOG__FORMAT", "json");
}

/// `signalbox` with these arguments and no others, in this folder, run to its end.
pub(crate) async fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.expect("it runs")
}

/// `signalbox sim`, serving. It ends when this is dropped.
pub(crate) struct Simulated {
    child: Child,
    /// Where it is told what to do.
    pub(crate) control: String,
    /// The base URLs of its models.
    pub(crate) models: Value,
}

impl Simulated {
    /// Starts it in this folder and waits until it says where it serves.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(["sim", "--json"]).args(arguments).current_dir(folder).kill_on_drop(true);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stdout.take().expect("its words")).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), said.next_line()).await;
        let line = line.expect("in time").expect("text").expect("a line");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let control = said["control"].as_str().expect("an address").to_owned();
        Self { child, control, models: said["models"].clone() }
    }

    /// The base URL of a model's first replica.
    pub(crate) fn url(&self, model: &str) -> String {
        self.models[model][0].as_str().expect("a model").to_owned()
    }

    /// Ends it, and waits until its ports are free.
    pub(crate) async fn end(mut self) {
        self.child.kill().await.expect("it is killed");
    }
}

/// `signalbox serve`, serving.
pub(crate) struct Server {
    child: Child,
    addr: String,
    admin: String,
    client: reqwest::Client,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Starts it and waits until it says where it serves.
    pub(crate) async fn start(config: &Path) -> Self {
        Self::started(command(config, &["serve"]), true).await
    }

    /// The same, but nobody reads its log after it has said that.
    pub(crate) async fn unread(config: &Path) -> Self {
        Self::started(command(config, &["serve"]), false).await
    }

    /// The same at any free ports, whatever the configuration says.
    pub(crate) async fn anywhere(config: &Path) -> Self {
        let mut command = command(config, &["serve"]);
        for listen in ["SIGNALBOX__SERVER__LISTEN", "SIGNALBOX__ADMIN__LISTEN"] {
            command.env(listen, "127.0.0.1:0");
        }
        command.env("SIGNALBOX__SERVER__DRAIN_GRACE_MS", "0");
        Self::started(command, true).await
    }

    /// The same with a manager of services that wants to be told at this socket.
    pub(crate) async fn managed(config: &Path, notify: &Path) -> Self {
        let mut command = command(config, &["serve"]);
        command.env("NOTIFY_SOCKET", notify);
        Self::started(command, true).await
    }

    /// The same by this program, which becomes the server in the end.
    pub(crate) async fn launched(python: &str, config: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", python, env!("CARGO_BIN_EXE_signalbox")]).arg(config);
        command.kill_on_drop(true);
        logging(&mut command);
        Self::started(command, true).await
    }

    async fn started(mut command: Command, reads: bool) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        let said = async {
            let mut all: Vec<String> = Vec::new();
            while let Some(line) = log.next_line().await.expect("text") {
                let fields: Value = serde_json::from_str(&line).unwrap_or_default();
                all.push(line);
                if let (Some(addr), Some(admin)) =
                    (fields["addr"].as_str(), fields["admin"].as_str())
                {
                    return (addr.to_owned(), admin.to_owned(), all);
                }
            }
            panic!("it ended: {all:?}");
        };
        let said = tokio::time::timeout(Duration::from_secs(30), said).await;
        let (addr, admin, before) = said.expect("it serves in time");
        // Its log must go on being read, or it would block one day.
        let before = before.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let lines: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new(before));
        let read = Arc::clone(&lines);
        tokio::spawn(async move {
            if !reads {
                std::future::pending::<()>().await;
            }
            while let Ok(Some(line)) = log.next_line().await {
                read.lock().unwrap().extend(serde_json::from_str::<Value>(&line).ok());
            }
        });
        Self { child, addr, admin, client: super::gateway::client(), log: lines }
    }

    /// A chat request with the key, not yet sent.
    pub(crate) fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        self.post_with(KEY, body)
    }

    /// The same with another key.
    pub(crate) fn post_with(&self, key: &str, body: &Value) -> reqwest::RequestBuilder {
        let url = format!("http://{}/v1/chat/completions", self.addr);
        self.client.post(url).bearer_auth(key).body(body.to_string())
    }

    /// The status of a page at the operators' door; 0 when nobody answers.
    pub(crate) async fn admin(&self, path: &str) -> u16 {
        let answer = self.client.get(format!("http://{}{path}", self.admin)).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }

    /// What stands on a page at the operators' door, with this token.
    pub(crate) async fn page(&self, path: &str, token: &str) -> String {
        let page = self.client.get(format!("http://{}{path}", self.admin)).bearer_auth(token);
        page.send().await.expect("a page").text().await.expect("a text")
    }

    /// The answer of the operators' door, to one with this token.
    pub(crate) async fn reply(&self, path: &str, token: &str) -> super::Reply {
        let page = self.client.get(format!("http://{}{path}", self.admin)).bearer_auth(token);
        super::Reply::of(page).await
    }

    /// Where operators connect.
    pub(crate) fn admin_addr(&self) -> &str {
        &self.admin
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) {
        super::wait::answers("ready", 200, async || self.admin("/readyz").await).await;
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// Where callers connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr.parse().expect("an address")
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory_kib(&self) -> i64 {
        self.measure("VmRSS:")
    }

    /// The most resident memory that it has had, in KiB.
    pub(crate) fn memory_peak_kib(&self) -> i64 {
        self.measure("VmHWM:")
    }

    fn measure(&self, name: &str) -> i64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a measure");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Asks it to end.
    pub(crate) async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Asks it to look at its policy again.
    pub(crate) async fn hangup(&self) {
        self.signal("-HUP").await;
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args([name, &id]).status().await.expect("kill");
        assert!(told.success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("it ends in time").expect("a status")
    }

    /// `kill -9`
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }
}
