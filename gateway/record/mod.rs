//! **Record**: what became of a request, as metrics and as an entry in the ledger.
//!
//! Nothing here ever blocks a caller: a row is appended to a buffer, a counter is raised, and one
//! thread of its own does the writing. Nothing here decides, prices or formats for a caller, and
//! no text of a prompt, an answer or a key ever comes in.

mod access;
mod denied;
mod group;
mod health;
mod ledger;
mod metrics;
#[cfg(test)]
pub(crate) mod sample;
mod semconv;
#[cfg(test)]
mod tests;
pub mod trace;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use policies::{experiment::Enrolled, facts::ModelIndex};

use self::trace::Tracer;
pub use self::{
    denied::Denied,
    group::{Group, LedgerStore, StoreError, Upkeep},
    ledger::{Ledger, WriterHandle},
    metrics::{
        ContentCheckResult, Gauge, GaugeReading, Metrics, MetricsError, ReloadResult, SpanResult,
        WebhookResult,
    },
};
use crate::{
    failure::{Failure, Kind},
    log::Log,
    outcome::{
        AttemptRecord, AuditRecord, EpochInfo, ExperimentChange, Feedback, Judged, Opened, Outcome,
        Refused, ShadowPassed,
    },
};

/// The number of a row in the ledger's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitNumber(u64);

/// Refused requests that the ledger keeps in one second, and of one kind the log: a flood must not grow them.
const REFUSALS_PER_SECOND: u32 = 100;

/// The name of the ledger's chain of audit records.
const AUDIT_CHAIN: &str = "ledger";

/// Takes every outcome, once. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    metrics: Metrics,
    ledger: Ledger,
    log: Log,
    refusals: Arc<Allowance>,
    denied: Arc<denied::Fold>,
}

impl Recorder {
    /// A recorder into these metrics, this ledger and this log; exposes the ledger's state among the first.
    #[must_use]
    pub fn new(metrics: Metrics, ledger: Ledger, log: Log) -> Self {
        Self::traced(metrics, ledger, log, None)
    }

    /// The same, with spans of requests if there is a tracer.
    #[must_use]
    pub fn traced(metrics: Metrics, ledger: Ledger, log: Log, tracer: Option<Tracer>) -> Self {
        let (seen, lines) = (metrics.commit_seen(), log.clone());
        ledger.on_commit(Box::new(move |group, took| {
            seen(took);
            access::written(&lines, group);
            tracer.iter().for_each(|it| it.written(group));
        }));
        let asked = ledger.clone();
        metrics.register_gauges(Box::new(move || gauges(&asked)));
        Self { metrics, ledger, log, refusals: Arc::default(), denied: Arc::default() }
    }

    /// Opens the entry of an accepted request. Its number says when it is durable.
    #[must_use]
    pub fn opened(&self, opened: Arc<Opened>) -> CommitNumber {
        self.metrics.opened(&opened);
        self.ledger.open(opened)
    }

    /// Waits until the row is on disk; usually it is there already.
    ///
    /// # Errors
    /// `unavailable` when it is not there in time.
    pub async fn durable(&self, commit: CommitNumber) -> Result<(), Failure> {
        self.ledger.durable(commit).await
    }

    /// Waits until every row that there is now is on disk.
    ///
    /// # Errors
    /// `unavailable` when they are not there in time.
    pub async fn flushed(&self) -> Result<(), Failure> {
        self.ledger.durable(self.ledger.last()).await
    }

    /// Whether a request may come in: its entry could be kept.
    ///
    /// # Errors
    /// `unavailable` while the ledger cannot be written or its disk is full.
    pub fn accepts(&self) -> Result<(), Failure> {
        self.ledger.accepts()
    }

    /// Closes the entry of an accepted request. Never waits.
    pub fn closed(&self, outcome: Outcome) {
        self.metrics.closed(&outcome);
        self.ledger.close(outcome);
    }

    /// Counts a request that was turned away, and keeps what was known of it if there is room: not
    /// while the ledger takes nothing, or they would pile up in memory.
    /// Where requests leave lines in the log, it leaves one, with what its caller was told.
    pub fn refused(&self, refused: Refused, told: Option<&Failure>) {
        access::turned_away(&self.log, &refused, told);
        let key = refused.caller.as_ref().map(|caller| &caller.key_name);
        self.denied.add(refused.kind, key, refused.at_ms);
        let kept = self.ledger.fault().is_none() && self.refusals.take(refused.at_ms);
        self.metrics.refused(&refused, kept);
        if kept {
            self.ledger.append(|rows| rows.refused.push(refused));
        }
    }

    /// Keeps what a caller tells of an answer. Its number says when it is durable; it is not taken while the
    /// ledger takes nothing.
    ///
    /// # Errors
    /// `unavailable` while the ledger cannot be written or its disk is full.
    pub fn feedback(&self, feedback: Feedback) -> Result<CommitNumber, Failure> {
        self.ledger.accepts()?;
        Ok(self.ledger.append(|rows| rows.feedback.push(feedback)))
    }

    /// Keeps what was found about an answer; nothing while the ledger takes nothing.
    pub fn judged(&self, judged: Vec<Judged>) {
        if self.ledger.fault().is_none() && !judged.is_empty() {
            self.ledger.append(|rows| rows.judged.extend(judged));
        }
    }

    /// Counts a request that the shadow of its experiment did not get.
    pub fn shadow_passed(&self, opened: &Opened, arm: &Enrolled, why: ShadowPassed) {
        self.metrics.shadow_passed(&opened.names, arm, why);
    }

    /// Counts an answer of a shadow that was compared with the one that was served.
    pub fn shadow_compared(&self, experiment: &str, measure: &'static str, same: bool) {
        self.metrics.shadow_compared(experiment, measure, same);
    }

    /// Keeps what has become of an experiment. Its number says when it is durable.
    #[must_use]
    pub fn experiment_changed(&self, change: ExperimentChange) -> CommitNumber {
        self.ledger.append(|rows| rows.changes.push(change))
    }

    /// Counts who was turned away at the operators' door, by his name where he is known, at that time in
    /// milliseconds since 1970.
    pub fn operator_refused(&self, kind: Kind, who: Option<&Arc<str>>, at_ms: i64) {
        self.denied.add_operator(kind, who, at_ms);
    }

    /// Takes the counts of what was refused for authorisation, once a minute has passed since the first of
    /// them; or at the end.
    #[must_use]
    pub fn denied(&self, now_ms: i64, end: bool) -> Vec<Denied> {
        self.denied.take(now_ms, end)
    }

    /// Keeps records of the audit trail, in their order. The number says when they are durable.
    #[must_use]
    pub fn audited(&self, records: Vec<AuditRecord>) -> CommitNumber {
        self.ledger.append(|rows| rows.audit.extend(records))
    }

    /// Keeps that a configuration has come into force, for the machines that it pays for. Never waits: what
    /// is appended after it is not durable before it.
    pub fn in_force(&self, names: &Arc<EpochInfo>) {
        let _ = self.ledger.append(|rows| rows.in_force.push(Arc::clone(names)));
    }

    /// The ledger, for `readyz` and *enter*: nothing should be accepted while it is not healthy.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The metrics, to expose them and to hand in gauges.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// What is behind in the ledger, and what room there is for more.
#[allow(clippy::cast_precision_loss, reason = "bytes and records, told to the nearest few of 2^53")]
fn gauges(ledger: &Ledger) -> Vec<GaugeReading> {
    let pending = GaugeReading::count(Gauge::LedgerPending, [], ledger.pending());
    let health = ledger.health();
    let (free, head) = (health.free_bytes().map(|it| it as f64), health.audit_head());
    let free = free.map(|free| GaugeReading::number(Gauge::LedgerDiskFree, [], free));
    let head = GaugeReading::number(Gauge::AuditHead, [AUDIT_CHAIN.into()], head as f64);
    let boot = health.writer();
    let boot = boot.map(|(of, it)| GaugeReading::number(Gauge::LedgerBoot, [of], it as f64));
    [Some(pending), free, Some(head), boot].into_iter().flatten().collect()
}

/// The attempt that counts: the committed one, else the last.
#[must_use]
pub fn served(outcome: &Outcome) -> Option<&AttemptRecord> {
    let attempts = &outcome.attempt_log.attempts;
    outcome
        .attempt_log
        .committed
        .and_then(|position| attempts.get(usize::from(position)))
        .or_else(|| attempts.last())
}

/// The model that metrics and ledger name: the one that served, or whose answer was given again; else the
/// last tried, else the first planned.
#[must_use]
pub fn model_of(outcome: &Outcome) -> ModelIndex {
    served(outcome)
        .map(|attempt| attempt.model)
        .or_else(|| Some(outcome.opened.cached?.answer?.model))
        .or_else(|| outcome.opened.plan.attempts.first().map(|planned| planned.model))
        .unwrap_or(ModelIndex(u16::MAX))
}

/// At most [`REFUSALS_PER_SECOND`] in each second of the rows' own clock: the second in the upper
/// bits, how many it has had in the lower ten.
#[derive(Default)]
struct Allowance(AtomicU64);

impl Allowance {
    fn take(&self, at_ms: i64) -> bool {
        let second = u64::try_from(at_ms / 1_000).unwrap_or(0);
        let next = |state: u64| {
            let (its_second, taken) = (state >> 10, state & 1_023);
            match (its_second == second, taken < u64::from(REFUSALS_PER_SECOND)) {
                (false, _) => Some((second << 10) | 1),
                (true, true) => Some(state + 1),
                (true, false) => None,
            }
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}
