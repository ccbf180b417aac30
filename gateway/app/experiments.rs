//! What the books know of the experiments: what operators and guards have changed, at the start and while the
//! process serves, and the evidence that arms had left.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use policies::facts::Money;
use tokio::time::MissedTickBehavior;

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

/// How often the ledger is asked what other processes have changed in experiments. Within 10 seconds a change
/// has to be in force everywhere.
const CHANGES_EVERY: Duration = Duration::from_secs(2);

/// All that has become of experiments, in its order, and the number of the last change.
pub(super) fn changes(ledger: &Path) -> Result<(i64, Vec<ExperimentChange>), StoreError> {
    Reader::open(ledger)?.experiment_changes_after(0)
}

/// Takes in what becomes of experiments by other processes on the same ledger, until this one ends.
pub(super) async fn follow(gateway: &Gateway, ledger: PathBuf) {
    let mut looks = tokio::time::interval(CHANGES_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unread = false;
    loop {
        looks.tick().await;
        if gateway.epoch.load().policy.experiments().is_empty() {
            continue;
        }
        let (ledger, after) = (ledger.clone(), gateway.guards.last_read());
        let read = move || Reader::open(&ledger)?.experiment_changes_after(after);
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok((last, changes))) => {
                guards::read(gateway, last, changes);
                unread = false;
            }
            Ok(Err(error)) if !std::mem::replace(&mut unread, true) => tracing::warn!(
                %error,
                "experiment: the ledger is not read: what other processes change in experiments is not \
                 in force here until it is"
            ),
            _ => {}
        }
    }
}

/// Puts in force what has become of experiments, and takes up the evidence of the arms where the process
/// before has left it, beside everything else: what came in after the last resume of its experiment.
pub(super) fn take_up(gateway: &Arc<Gateway>, ledger: &Path, changes: &[ExperimentChange]) {
    guards::look(gateway);
    let epoch = gateway.epoch.load_full();
    let resumed_ms = |name: &str| {
        let mut resumed = changes.iter().rev().filter(|it| it.change == ExperimentAction::Resumed);
        resumed.find(|it| *it.experiment == *name).map_or(i64::MIN, |it| it.at_ms)
    };
    let all: Vec<(Arc<Watched>, i64)> =
        epoch.watch.all().map(|it| (Arc::clone(it), resumed_ms(&it.experiment.name))).collect();
    if all.is_empty() {
        return;
    }
    all.iter().for_each(|(it, from_ms)| it.began(*from_ms));
    // What comes in from here on is seen as it ends. No clock says which that is: somebody may have set it.
    let held = Reader::open(ledger).and_then(|reader| reader.hold().map(|()| reader));
    let gateway = Arc::clone(gateway);
    tokio::task::spawn_blocking(move || {
        let read = |reader: Reader| {
            all.iter().try_for_each(|(it, from_ms)| past(&gateway, &reader, it, *from_ms))
        };
        if let Err(error) = held.and_then(read) {
            tracing::warn!(%error, "experiment: evidence of before the start is not read: it begins anew");
        }
    });
}

fn past(
    gateway: &Gateway,
    reader: &Reader,
    watched: &Watched,
    from_ms: i64,
) -> Result<(), StoreError> {
    let names = watched.told_names();
    let names: Vec<&str> = names.iter().map(|it| &**it).collect();
    let experiment = &watched.experiment;
    reader.enrolled(&experiment.name, &names, |row| {
        if row.version != &*experiment.version {
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
