//! What the books know of the experiments when the process begins: what operators and guards have changed,
//! and the evidence that arms had left.

use std::{path::Path, sync::Arc};

use policies::facts::Money;

use crate::{
    experiment::{
        guard::Seen,
        observe::{Watched, refusal},
    },
    outcome::{ExperimentAction, ExperimentChange},
    pipeline::{Gateway, guards},
    record::StoreError,
    store::{Reader, RequestEnd},
};

/// All that has become of experiments, in its order.
pub(super) fn changes(ledger: &Path) -> Result<Vec<ExperimentChange>, StoreError> {
    Reader::open(ledger)?.experiment_changes()
}

/// Takes up the evidence of the arms where the process before has left it, beside everything else: what
/// came in before now, and after the last resume of its experiment.
pub(super) fn take_up(gateway: &Arc<Gateway>, ledger: &Path, changes: &[ExperimentChange]) {
    let now_ms = (gateway.sources.timestamp)().as_millisecond();
    let epoch = gateway.epoch.load_full();
    let resumed_ms = |name: &str| {
        let resumed = changes.iter().filter(|it| it.change == ExperimentAction::Resumed);
        resumed.filter(|it| *it.experiment == *name).map(|it| it.at_ms).max().unwrap_or(i64::MIN)
    };
    let all: Vec<(Arc<Watched>, i64)> =
        epoch.watch.all().map(|it| (Arc::clone(it), resumed_ms(&it.experiment.name))).collect();
    if all.is_empty() {
        return;
    }
    let (gateway, ledger) = (Arc::clone(gateway), ledger.to_owned());
    tokio::task::spawn_blocking(move || {
        let read = || {
            let reader = Reader::open(&ledger)?;
            all.iter().try_for_each(|(it, from_ms)| past(&gateway, &reader, it, (*from_ms, now_ms)))
        };
        if let Err(error) = read() {
            tracing::warn!(%error, "experiment: evidence of before the start is not read: it begins anew");
        }
    });
}

fn past(
    gateway: &Gateway,
    reader: &Reader,
    watched: &Watched,
    (from_ms, until_ms): (i64, i64),
) -> Result<(), StoreError> {
    let names = watched.told_names();
    let names: Vec<&str> = names.iter().map(|it| &**it).collect();
    let experiment = &watched.experiment;
    reader.enrolled(&experiment.name, &names, |row| {
        if row.version != &*experiment.version || row.at_ms >= until_ms {
            return;
        }
        let known = (row.at_ms >= from_ms).then(|| known(&row.end)).flatten();
        let told = names.iter().copied().zip(row.feedback);
        let told: Vec<(&str, f64)> = told.filter_map(|(name, it)| Some((name, (*it)?))).collect();
        if let Some(it) = watched.past(row.arm, row.unit, known, &told) {
            guards::broken(gateway, &it);
        }
    })
}

/// What an entry or a refusal says of its arm; nothing of one that its own process did not close.
fn known(end: &RequestEnd<'_>) -> Option<(Seen, Option<f64>)> {
    if end.state == "refused" {
        return refusal(end.failure_kind?);
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds and tokens of one request")]
    let ms = |it: i64| it as f64 / 1e3;
    let seen = Seen {
        failed: matches!(end.outcome?, "failed" | "cut"),
        first_token_ms: end.first_token_us.map(ms),
        took_ms: end.duration_us.map(ms),
        cost: end.cost_nano.map(Money::from_nano),
    };
    Some((seen, end.output_tokens.map(|it| ms(it) * 1e3)))
}
