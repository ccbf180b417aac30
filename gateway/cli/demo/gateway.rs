//! The demo's gateway: `signalbox serve` on the demo's folder, as a process of its own, so that it can be
//! reloaded, killed and started again as an operator does.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep},
};

use super::{BoxError, folder::Folder};
use crate::config::VARIABLE_PREFIX;

/// How long whatever is waited for may take, on a slow machine.
const WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// What a gateway says that finds its port taken.
const TAKEN: &str = "already in use";

/// Why a gateway does not serve.
#[derive(Debug)]
pub(super) struct NotServing {
    /// In words.
    pub why: String,
    /// Somebody else has its port.
    pub taken: bool,
}

impl<E: Into<BoxError>> From<E> for NotServing {
    fn from(error: E) -> Self {
        Self { why: error.into().to_string(), taken: false }
    }
}

/// A gateway that serves. Its process ends when this is dropped, and with the demo's own process.
pub(super) struct Gateway {
    child: Child,
    /// It ends when this is closed.
    _stdin: Option<ChildStdin>,
    log: PathBuf,
    admin: String,
    token: String,
    http: Client,
}

impl Gateway {
    /// Starts it and waits until it is ready.
    pub(super) async fn start(folder: &Folder) -> Result<Self, NotServing> {
        let mut gateway = Self::begun(folder)?;
        let started = Instant::now();
        while !gateway.is_ready().await {
            let ended = gateway.child.try_wait()?.is_some();
            if ended || started.elapsed() > WITHIN {
                let why = gateway.last_words();
                let taken = why.contains(TAKEN);
                return Err(NotServing {
                    why: format!("the gateway does not serve: {why}"),
                    taken,
                });
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(gateway)
    }

    fn begun(folder: &Folder) -> Result<Self, BoxError> {
        let log = folder.log();
        let written = fs::OpenOptions::new().create(true).append(true).open(&log);
        let written = written.map_err(|error| format!("{}: {error}", log.display()))?;
        let mut child = itself(&folder.config(), &["serve", "--until-stdin-ends"])?
            // Its lines are read here.
            .envs([("SIGNALBOX__LOG__LEVEL", "info"), ("SIGNALBOX__LOG__FORMAT", "json")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(written)
            // What a terminal sends to its programs is the demo's to pass on.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let http = Client::builder().no_proxy().timeout(WITHIN).build()?;
        let (admin, token) = (folder.admin_url()?, folder.admin_token()?);
        let stdin = child.stdin.take();
        Ok(Self { child, _stdin: stdin, log, admin, token, http })
    }

    /// Whether it serves. Another gateway that has taken its ports does not know the token.
    async fn is_ready(&self) -> bool {
        if self.page("/admin/v1/policy").await.is_err() {
            return false;
        }
        let answer = self.http.get(format!("{}/readyz", self.admin)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let lines = self.log_after(0);
        let last = lines.last().map(ToString::to_string).unwrap_or_default();
        format!("{} says why: {last}", self.log.display())
    }

    /// How long its log is.
    pub(super) fn log_end(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |metadata| metadata.len())
    }

    /// The lines of its log after this place; those that are no JSON as a message.
    fn log_after(&self, start: u64) -> Vec<Value> {
        let mut text = String::new();
        let read = fs::File::open(&self.log).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.read_to_string(&mut text)
        });
        if read.is_err() {
            return Vec::new();
        }
        let line = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|_| serde_json::json!({ "message": line }))
        };
        text.lines().map(line).collect()
    }

    /// The first line after this place that says that a configuration was not taken, and why.
    pub(super) async fn refused(&self, start: u64) -> Result<String, BoxError> {
        let fault = |line: &Value| {
            let message = line.get("message")?.as_str()?;
            message.contains("in force stays").then(|| message.to_owned())
        };
        let found = async || Ok(self.log_after(start).iter().find_map(fault));
        wait(found, &format!("a fault of the configuration in {}", self.log.display())).await
    }

    /// A page of the operators' API as JSON.
    pub(super) async fn page(&self, path: &str) -> Result<Value, BoxError> {
        let asked = self.http.get(format!("{}{path}", self.admin)).bearer_auth(&self.token);
        Ok(asked.send().await?.error_for_status()?.json().await?)
    }

    /// The sum over all series of a metric whose labels hold these texts, such as `model="a"`.
    pub(super) async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64, BoxError> {
        let page = self.http.get(format!("{}/metrics", self.admin)).send().await?.text().await?;
        let series = page.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|it| it.starts_with(['{', ' ']))
                && labels.iter().all(|it| line.contains(it))
        });
        Ok(series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Tells it to read its configuration again.
    pub(super) fn hang_up(&self) -> Result<(), BoxError> {
        self.signal(Signal::HUP)
    }

    fn signal(&self, signal: Signal) -> Result<(), BoxError> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(kill_process(pid.ok_or("the gateway has ended")?, signal)?)
    }

    /// `kill -9`.
    pub(super) async fn kill(mut self) -> Result<(), BoxError> {
        Ok(self.child.kill().await?)
    }

    /// Waits until its process ends: when another one has taken over, for example.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, BoxError> {
        Ok(self.child.wait().await?)
    }

    /// Asks it to stop, and waits for it.
    pub(super) async fn stop(mut self) -> Result<(), BoxError> {
        if self.signal(Signal::TERM).is_ok() {
            self.ended().await?;
        }
        Ok(())
    }
}

/// This program with these arguments and this configuration, not yet started. Whatever the environment asks
/// of a gateway, the demo's goes by its folder alone: elsewhere the demo would find somebody else.
pub(super) fn itself(config: &Path, arguments: &[&str]) -> Result<Command, BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).arg("--config").arg(config).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        let start = name.as_encoded_bytes().get(..VARIABLE_PREFIX.len());
        if start.is_some_and(|it| it.eq_ignore_ascii_case(VARIABLE_PREFIX.as_bytes())) {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Looks again and again until there is something; an error names what was waited for.
pub(super) async fn wait<T>(
    mut look: impl AsyncFnMut() -> Result<Option<T>, BoxError>,
    what: &str,
) -> Result<T, BoxError> {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if started.elapsed() > WITHIN {
            return Err(format!("waited in vain for {what}").into());
        }
        sleep(LOOK_EVERY).await;
    }
}
