//! `signalbox serve`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{self, Reloaded, Running, Watched};

/// How often the files of the configuration are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(900);

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends it at once.
pub(super) async fn run(path: PathBuf) -> ExitCode {
    super::log_to_stderr();
    let config = match app::check(&path) {
        Ok(config) => config,
        Err(faults) => {
            super::print_faults(&path, &faults);
            return ExitCode::from(super::WRONG);
        }
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
    let Ok(mut stop) = Stop::listen() else { return deaf() };
    tokio::select! {
        () = stop.told() => {}
        _ = reloading(&path, &running, watched) => return deaf(),
    }
    tracing::info!("draining; a second signal ends it at once");
    tokio::select! {
        () = running.shutdown() => ExitCode::SUCCESS,
        () = stop.told() => {
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

fn deaf() -> ExitCode {
    eprintln!("signalbox: cannot listen for signals");
    ExitCode::FAILURE
}

/// The signals that end the process. One listener for all of them: none is lost between two waits.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
