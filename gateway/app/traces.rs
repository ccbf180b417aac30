//! What sends spans: a task from the start to the end of the process.

use std::time::Duration;

use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::StartError;
use crate::{
    config::Config,
    log::Log,
    record::{
        Ledger, Metrics, Recorder,
        trace::{Exporter, Tracer, tracer},
    },
};

/// What the last spans may take at the end of the process.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The task that sends spans.
pub(super) struct Traces {
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A recorder by this configuration, and what sends its spans, where there are any.
pub(super) fn recorder(
    config: &Config,
    ledger: Ledger,
    replica: &str,
    log: &Log,
) -> Result<(Recorder, Option<Traces>), StartError> {
    let metrics = Metrics::new(config.series_max).map_err(StartError::Metrics)?;
    let (tracer, traces) = Traces::begin(config, &metrics, replica)?;
    Ok((Recorder::traced(metrics, ledger, log.clone(), tracer), traces))
}

impl Traces {
    /// Begins to send spans, where the configuration says so, and gives what takes them.
    fn begin(
        config: &Config,
        metrics: &Metrics,
        replica: &str,
    ) -> Result<(Option<Tracer>, Option<Self>), StartError> {
        let Some(tracing) = &config.tracing else { return Ok((None, None)) };
        let (tracer, queue) = tracer(metrics);
        let exporter = Exporter::new(tracing, replica, queue, metrics);
        let exporter = exporter.map_err(StartError::Traces)?;
        let (closing, closed) = watch::channel(false);
        let task = tokio::spawn(exporter.run(closed));
        Ok((Some(tracer), Some(Self { closing, task })))
    }

    /// Sends what is left, when nothing more comes; what takes too long is lost.
    pub(super) async fn finish(mut self) {
        let _ = self.closing.send(true);
        if timeout(LAST_SPANS, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("the last spans are lost: the collector did not take them in time");
        }
    }
}

impl Drop for Traces {
    /// A start that has failed leaves no task behind.
    fn drop(&mut self) {
        self.task.abort();
    }
}
