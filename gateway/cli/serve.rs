//! `signalbox serve`

use std::{path::PathBuf, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};

use crate::app;

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends it at once.
pub(super) async fn run(path: PathBuf) -> ExitCode {
    super::log_to_stderr();
    let config = match super::load(&path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let running = match app::start(config).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    tracing::info!(addr = %running.addr, admin = %running.admin_addr, "serving");
    if told_to_stop().await.is_err() {
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

async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
