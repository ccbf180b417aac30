//! `signalbox serve`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, Reloaded, Running, Watched};

/// How often the files of the policy are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends it at once.
pub(super) async fn run(path: PathBuf) -> ExitCode {
    super::log_to_stderr();
    let config = match super::load(&path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let watched = Watched::new(&path, config.policy_file.as_deref());
    let running = match app::start(config).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    tracing::info!(addr = %running.addr, admin = %running.admin_addr, "serving");
    let stopped = tokio::select! {
        stopped = told_to_stop() => stopped,
        failed = reloading(&path, &running, watched) => failed,
    };
    if stopped.is_err() {
        eprintln!("signalbox: cannot listen for signals");
        return ExitCode::FAILURE;
    }
    tracing::info!("draining");
    tokio::select! {
        () = running.shutdown() => ExitCode::SUCCESS,
        _ = told_to_stop() => {
            tracing::warn!("told to stop twice: not waiting");
            ExitCode::FAILURE
        }
    }
}

/// Reloads the policy at SIGHUP and whenever its files have changed. Ends only where signals cannot be heard.
async fn reloading(path: &Path, running: &Running, mut watched: Watched) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                watched.changed();
                reload(path, running);
            }
            _ = look.tick() => {
                if watched.changed() {
                    reload(path, running);
                }
            }
        }
    }
}

/// Whatever is wrong with the files, the policy in force stays.
fn reload(path: &Path, running: &Running) {
    let config = match crate::config::load(Some(path)) {
        Ok(config) => config,
        Err(faults) => {
            for fault in &faults {
                tracing::error!(%fault, "the policy in force stays");
            }
            return;
        }
    };
    match running.reload(&config) {
        Reloaded::Policy { version, hash } => {
            tracing::info!(%version, %hash, "another policy is in force");
        }
        Reloaded::Unchanged => tracing::info!("the policy is the same"),
        Reloaded::NeedsRestart => {
            tracing::error!("models, teams, keys or aliases changed: these take a restart");
        }
    }
}

async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
