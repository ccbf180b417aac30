//! Outcomes as Prometheus counters and histograms, under the names of the contract.
//!
//! Every label value comes from configuration or from a closed set, never from a caller's text.

mod catalogue;
mod gauges;
mod handles;
mod money;
mod series;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use policies::experiment::Enrolled;
use prometheus::{Histogram, IntCounter, Registry, TextEncoder};

pub use self::gauges::{Gauge, GaugeReading};
use self::{catalogue::Catalogue, gauges::Gauges, handles::Handles};
use crate::{
    failure::{Kind, Stage},
    outcome::{EpochInfo, Opened, Outcome, Refused, ShadowPassed},
};

/// Epochs whose lines are found by position: requests of the last few may still be under way.
const EPOCHS: usize = 4;

/// The metrics could not be made: a mistake of ours in a name or a label.
#[derive(Debug, thiserror::Error)]
#[error("the metrics are wrong: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// All metrics of this process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    catalogue: Catalogue,
    gauges: Gauges,
    epochs: ArcSwap<Vec<Arc<Handles>>>,
    adopting: Mutex<()>,
    /// None of *dispatch*: that is the wait for backends, not the gateway's own time.
    stages: [Option<Histogram>; 8],
    commit: Histogram,
    refusals: Box<[[OnceLock<IntCounter>; Kind::ALL.len()]; Stage::ALL.len()]>,
    unrecorded: IntCounter,
    reloads: [IntCounter; ReloadResult::ALL.len()],
    stale: Arc<AtomicBool>,
}

/// What came of reading the configuration's files anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReloadResult {
    /// They are in force.
    Applied,
    /// They say what is in force.
    Unchanged,
    /// They are no configuration, or one that takes a restart: the one before stays.
    Refused,
}

impl ReloadResult {
    const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// What became of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SpanResult {
    /// The collector has taken them.
    Sent,
    /// There was no room for them.
    Dropped,
    /// The collector did not take them, or refused them.
    Failed,
}

impl SpanResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Sent, Self::Dropped, Self::Failed];

    /// The spelling in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

/// What became of a message to the webhook in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookResult {
    /// The receiver has taken it.
    Ok,
    /// The receiver has not taken it, however often it was tried.
    Failed,
    /// There was no room for it.
    Dropped,
}

impl WebhookResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Failed, Self::Dropped];

    /// The spelling in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// What came of asking what a request's texts contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCheckResult {
    /// The model has said it.
    Ok,
    /// It was known from before.
    Cached,
    /// The model has not said it.
    Failed,
    /// As many as may be were asking.
    Busy,
}

impl ContentCheckResult {
    /// Every result.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Cached, Self::Failed, Self::Busy];

    /// The spelling in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cached => "cached",
            Self::Failed => "failed",
            Self::Busy => "busy",
        }
    }
}

impl Metrics {
    /// Metrics that expose at most `series_max` lines, as long as what never folds (teams, models, endpoints)
    /// needs no more than was said to [`Self::keep_free`]; a quarter of them before that.
    ///
    /// # Errors
    /// A name or label is wrong, or stands twice.
    pub fn new(series_max: usize) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let catalogue = Catalogue::register(&registry, series_max)?;
        let gauges = Gauges::new()?;
        registry.register(Box::new(gauges.clone()))?;
        let build = (Arc::from(env!("CARGO_PKG_VERSION")), Arc::from(""));
        gauges.register(Box::new(move || {
            vec![GaugeReading::info(Gauge::BuildInfo, Arc::clone(&build.0), Arc::clone(&build.1))]
        }));
        let stale = Arc::<AtomicBool>::default();
        let is = Arc::clone(&stale);
        gauges.register(Box::new(move || {
            vec![GaugeReading::count(Gauge::ConfigStale, [], is.load(Ordering::Relaxed).into())]
        }));
        let stage = |stage: Stage| {
            let own = stage != Stage::Dispatch;
            own.then(|| catalogue.stage.of(&catalogue.series, [stage.name()]))
        };
        let inner = Inner {
            stages: Stage::ALL.map(stage),
            commit: catalogue.commit.of(&catalogue.series, []),
            unrecorded: catalogue.unrecorded.of(&catalogue.series, []),
            reloads: ReloadResult::ALL
                .map(|it| catalogue.reloads.of(&catalogue.series, [it.name()])),
            stale,
            refusals: Box::default(),
            epochs: ArcSwap::default(),
            adopting: Mutex::new(()),
            registry,
            catalogue,
            gauges,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps so many lines free for what never folds: all that the configuration in force can make by itself.
    pub fn keep_free(&self, lines: usize) {
        self.inner.catalogue.series.keep_free(lines);
    }

    /// Asks this source for its gauges at every scrape.
    pub fn register_gauges(&self, source: Box<dyn Fn() -> Vec<GaugeReading> + Send + Sync>) {
        self.inner.gauges.register(source);
    }

    /// Counts an endpoint taken out of service. `model`, `endpoint` (its label `host:port`) and
    /// `cause` come from configuration and a closed set.
    pub fn ejected(&self, model: &str, endpoint: &str, cause: &'static str) {
        let catalogue = &self.inner.catalogue;
        catalogue.ejections.of(&catalogue.series, [model, endpoint, cause]).inc();
    }

    /// Counts an attempt at an ejected endpoint of this model, where nothing better was left.
    pub fn last_resort(&self, model: &str) {
        let catalogue = &self.inner.catalogue;
        catalogue.last_resort.of(&catalogue.series, [model]).inc();
    }

    /// Counts a reload. After one that was refused the configuration in force is stale until another one
    /// succeeds, or finds what is in force.
    pub fn reloaded(&self, result: ReloadResult) {
        if let Some(counter) = self.inner.reloads.get(result as usize) {
            counter.inc();
        }
        self.inner.stale.store(result == ReloadResult::Refused, Ordering::Relaxed);
    }

    /// Counts an alert of a team's budget. `window` and `share` come from the configuration.
    pub fn budget_alert(&self, team: &str, window: &str, share: &str) {
        let catalogue = &self.inner.catalogue;
        catalogue.alerts.of(&catalogue.series, [team, window, share]).inc();
    }

    /// Counts a message to the webhook by what became of it.
    pub fn webhook(&self, result: WebhookResult) {
        let catalogue = &self.inner.catalogue;
        catalogue.webhook.of(&catalogue.series, [result.name()]).inc();
    }

    /// Shows the counters of the webhook, all zero so far.
    pub fn begin_webhook(&self) {
        let catalogue = &self.inner.catalogue;
        let zero = |it: WebhookResult| catalogue.webhook.of(&catalogue.series, [it.name()]);
        WebhookResult::ALL.into_iter().for_each(|it| zero(it).inc_by(0));
    }

    /// Counts a check of what texts contain by what came of it.
    pub fn content_check(&self, result: ContentCheckResult) {
        let catalogue = &self.inner.catalogue;
        catalogue.content_checks.of(&catalogue.series, [result.name()]).inc();
    }

    /// Shows the counters of checks as they are: all zero at the start.
    pub fn begin_content_checks(&self) {
        let catalogue = &self.inner.catalogue;
        let of =
            |it: ContentCheckResult| catalogue.content_checks.of(&catalogue.series, [it.name()]);
        ContentCheckResult::ALL.into_iter().for_each(|it| of(it).inc_by(0));
    }

    /// Counts that an issuer of tokens, by the name of its section, was asked for its keys.
    pub fn jwks_refreshed(&self, issuer: &str, good: bool) {
        let catalogue = &self.inner.catalogue;
        let result = if good { "ok" } else { "failed" };
        catalogue.jwks.of(&catalogue.series, [issuer, result]).inc();
    }

    /// Counts a value that was told of an answer of an experiment's arm.
    pub fn feedback(&self, experiment: &str, arm: &str, name: &str) {
        let catalogue = &self.inner.catalogue;
        catalogue.feedback.of(&catalogue.series, [experiment, arm, name]).inc();
    }

    /// Counts a request that an experiment's shadow did not get.
    pub(super) fn shadow_passed(&self, names: &Arc<EpochInfo>, arm: &Enrolled, why: ShadowPassed) {
        let catalogue = &self.inner.catalogue;
        self.with(names, |handles| handles.shadow(catalogue, arm, why.name()));
    }

    /// Counts an answer of a shadow that was compared, in one respect.
    pub(super) fn shadow_compared(&self, experiment: &str, measure: &str, same: bool) {
        let catalogue = &self.inner.catalogue;
        let result = if same { "same" } else { "differs" };
        catalogue.compared.of(&catalogue.series, [experiment, measure, result]).inc();
    }

    /// Counts spans by what became of them.
    pub(super) fn spans(&self, result: SpanResult, spans: u64) {
        let catalogue = &self.inner.catalogue;
        catalogue.spans.of(&catalogue.series, [result.name()]).inc_by(spans);
    }

    /// Shows the counters of spans, all zero so far.
    pub(super) fn begin_spans(&self) {
        SpanResult::ALL.into_iter().for_each(|result| self.spans(result, 0));
    }

    /// All metrics in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    /// A metric without name or lines; a mistake of ours.
    pub fn expose(&self) -> Result<String, MetricsError> {
        Ok(TextEncoder::new().encode_to_string(&self.inner.registry.gather())?)
    }

    pub(super) fn opened(&self, opened: &Opened) {
        self.with(&opened.names, |handles| handles.opened(&self.inner.catalogue, opened));
    }

    pub(super) fn closed(&self, outcome: &Outcome) {
        self.with(&outcome.opened.names, |handles| handles.closed(&self.inner.catalogue, outcome));
        if outcome.opened.shadow_of.is_some() {
            return;
        }
        for (stage, took) in self.inner.stages.iter().zip(outcome.stages) {
            // A stage that the request never reached took nothing.
            if let Some(stage) = stage.as_ref().filter(|_| !took.is_zero()) {
                stage.observe(took.as_secs_f64());
            }
        }
    }

    pub(super) fn refused(&self, refused: &Refused, kept: bool) {
        let row = self.inner.refusals.get(refused.stage as usize);
        if let Some(slot) = row.and_then(|row| row.get(refused.kind as usize)) {
            let labels = [refused.stage.name(), refused.kind.name()];
            let catalogue = &self.inner.catalogue;
            slot.get_or_init(|| catalogue.refusals.of(&catalogue.series, labels)).inc();
        }
        if !kept {
            self.inner.unrecorded.inc();
        }
    }

    /// What the ledger calls with the time of each commit.
    pub(super) fn commit_seen(&self) -> Box<dyn Fn(Duration) + Send + Sync> {
        let commit = self.inner.commit.clone();
        Box::new(move |took| commit.observe(took.as_secs_f64()))
    }

    fn with(&self, names: &Arc<EpochInfo>, count: impl FnOnce(&Handles)) {
        let epochs = self.inner.epochs.load();
        match epochs.iter().find(|handles| Arc::ptr_eq(&handles.names, names)) {
            Some(handles) => count(handles),
            None => count(&self.adopt(names)),
        }
    }

    /// Tables for an epoch not seen yet; the oldest make room.
    fn adopt(&self, names: &Arc<EpochInfo>) -> Arc<Handles> {
        let _one = self.inner.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let epochs = self.inner.epochs.load();
        if let Some(known) = epochs.iter().find(|handles| Arc::ptr_eq(&handles.names, names)) {
            return Arc::clone(known);
        }
        let new = Arc::new(Handles::new(Arc::clone(names)));
        let older = epochs.iter().take(EPOCHS - 1).cloned();
        let all = [Arc::clone(&new)].into_iter().chain(older).collect();
        self.inner.epochs.store(Arc::new(all));
        new
    }
}
