//! `signalbox serve`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, Reloaded, Running, Watched};

/// How often the files of the configuration are looked at.
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

/// Reloads at SIGHUP and whenever the files have changed. Ends only where signals cannot be heard.
async fn reloading(path: &Path, running: &Running, mut watched: Watched) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                watched.changed();
                reload(path, running, &mut watched);
            }
            _ = look.tick() => {
                if watched.changed() {
                    reload(path, running, &mut watched);
                }
            }
        }
    }
}

/// Whatever is wrong with the files, the configuration in force stays.
fn reload(path: &Path, running: &Running, watched: &mut Watched) {
    let config = match crate::config::load(Some(path)) {
        Ok(config) => config,
        Err(faults) => {
            for fault in &faults {
                tracing::error!(%fault, "the configuration in force stays");
            }
            return;
        }
    };
    watched.follow(config.policy_file.as_deref());
    match running.reload(config) {
        Ok(Reloaded::InForce { version, hash, prices, models }) => {
            tracing::info!(%version, %hash, %prices, ?models, "another configuration is in force");
        }
        Ok(Reloaded::Unchanged) => tracing::info!("the configuration is the same"),
        Ok(Reloaded::NeedsRestart(sections)) => tracing::error!(
            sections = sections.join(", "),
            "these take a restart; all of the configuration in force stays"
        ),
        Err(error) => tracing::error!(%error, "the configuration in force stays"),
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
