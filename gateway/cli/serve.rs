//! `signalbox serve`

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use policies::lint::Finding;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{self, Notice, Reloaded, Running, Watched, notify};

/// How often the files of the configuration are looked at. What has changed at one look is read at the
/// next, so that it is in force within a second.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ends at once when its standard input does: for a program that starts it and must not be outlived.
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// Serves until SIGTERM or SIGINT, or until a successor does, then drains. A second signal ends it at once.
pub(super) async fn run(path: PathBuf, args: Args) -> ExitCode {
    super::log_to_stderr();
    if args.until_stdin_ends {
        end_with_stdin();
    }
    // Whoever tells all gateways to reload means those that are starting as well.
    let Ok(hangup) = signal(SignalKind::hangup()) else { return deaf() };
    let config = match app::check(&path) {
        Ok(config) => config,
        Err(faults) => {
            super::print_faults(&path, &faults);
            return ExitCode::from(super::WRONG);
        }
    };
    let watched = Watched::new(&path, config.policy_file.as_deref());
    let dead_ends = config.dead_ends.clone();
    let running = match app::succeed_or_start(config).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    tracing::info!(addr = %running.addr, admin = %running.admin_addr, "serving");
    warn_of(&dead_ends);
    let Ok(mut stop) = Stop::listen() else { return deaf() };
    notify(Notice::Ready);
    let succeeded = tokio::select! {
        () = stop.told() => None,
        pid = running.succeeded() => Some(pid),
        never = reloading(&path, &running, (hangup, watched)) => match never {},
    };
    drain(running, stop, succeeded).await
}

async fn drain(running: Running, mut stop: Stop, succeeded: Option<i32>) -> ExitCode {
    if let Some(successor) = succeeded {
        notify(Notice::Succeeded(successor));
        tracing::info!(successor, "draining: another process serves");
    } else {
        notify(Notice::Stopping);
        tracing::info!("draining; a second signal ends it at once");
    }
    let told = async {
        if succeeded.is_some() {
            // Whoever stops a service signals all of it: the first one says what is done already.
            stop.told().await;
            tracing::info!("draining already; a second signal ends it at once");
        }
        stop.told().await;
    };
    tokio::select! {
        () = running.shutdown() => ExitCode::SUCCESS,
        () = told => {
            tracing::warn!("told to stop twice: not waiting");
            ExitCode::FAILURE
        }
    }
}

/// Reloads at SIGHUP and whenever the files have changed.
async fn reloading(
    path: &Path,
    running: &Running,
    (mut hangup, mut watched): (Signal, Watched),
) -> Infallible {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                watched.mark();
                reload(path, running, &mut watched).await;
            }
            _ = look.tick() => {
                if watched.changed() {
                    reload(path, running, &mut watched).await;
                }
            }
        }
    }
}

/// Whatever is wrong with the files, the configuration in force stays.
async fn reload(path: &Path, running: &Running, watched: &mut Watched) {
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
    let dead_ends = config.dead_ends.clone();
    match running.reload(config).await {
        Ok(Reloaded::InForce { version, hash, prices, models }) => {
            tracing::info!(%version, %hash, %prices, ?models, "another configuration is in force");
            warn_of(&dead_ends);
        }
        Ok(Reloaded::Unchanged) => tracing::info!("the configuration is the same"),
        Ok(Reloaded::NeedsRestart(changes)) => {
            for change in changes {
                tracing::error!(%change, "this takes a restart; all of the configuration in force stays");
            }
        }
        Err(error) => tracing::error!(%error, "the configuration in force stays"),
    }
}

/// Says which requests end nowhere under the policy that is in force.
fn warn_of(dead_ends: &[Finding]) {
    for Finding { path, rule, says, example, .. } in dead_ends.iter().take(super::DEAD_ENDS_MAX) {
        tracing::warn!(path, rule, example, "policy: {says}");
    }
    if let Some(more) = super::more_dead_ends(dead_ends) {
        tracing::warn!("policy: {more}");
    }
}

/// What is open then is recovered at the next start, as after any crash.
fn end_with_stdin() {
    // A thread of its own: the runtime would wait for one of its threads that reads.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(1);
    });
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
