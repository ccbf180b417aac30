//! `signalbox policy replay`: a policy rehearsed on the ledger's requests.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::Timestamp;
use policies::{
    Policy, counted,
    experiment::{Experiment, ExperimentView},
    facts::{FleetView, ModelView, Money},
    replay::{Part, Rehearsal},
};

use super::super::print::{self, err, out};
use crate::{
    experiment::{
        status::Statuses,
        view::{Changes, view},
    },
    outcome::ExperimentChange,
    store::Reader,
    why::Callers,
};

/// Exit code: a stated limit was passed.
const PASSED: u8 = 3;
/// Rows of a table on a terminal.
const ROWS_MAX: usize = 20;

/// Options of `policy replay`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The policy to rehearse.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// How far back: a number and `m`, `h` or `d`.
    #[arg(long, default_value = "7d", value_parser = since)]
    since: i64,
    /// Ends with exit code 3 if the cost would rise by more than this.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_cost_increase: Option<f64>,
    /// Ends with exit code 3 if more of the requests that were served would be refused.
    #[arg(long, value_name = "COUNT")]
    max_refused: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Milliseconds of a span such as `7d`.
fn since(text: &str) -> Result<i64, String> {
    let expected = || format!("`{text}` is not a number and `m`, `h` or `d`");
    let unit = match text.chars().last() {
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(expected()),
    };
    let count: i64 =
        text.get(..text.len() - 1).and_then(|it| it.parse().ok()).ok_or_else(expected)?;
    count.checked_mul(unit).filter(|it| *it > 0).ok_or_else(expected)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    let fits = number.ok().filter(|it| it.is_finite() && *it >= 0.0);
    fits.ok_or_else(|| format!("`{text}` is not a percentage such as 5%"))
}

/// Decides the ledger's past requests again and says what would change.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let config = match crate::cli::load(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let policy = match super::compiled_for(&args.policy, config.policy.fleet()) {
        Ok(policy) => policy,
        Err(faults) => {
            crate::cli::print_faults(&faults);
            return ExitCode::from(crate::cli::WRONG);
        }
    };
    let rehearsed = match rehearse(&config.ledger.sqlite, &policy, args.since) {
        Ok(rehearsed) => rehearsed,
        Err(error) => {
            err!("signalbox: {}: {error}", config.ledger.sqlite.display());
            return ExitCode::FAILURE;
        }
    };
    let passed = passed(&rehearsed.found, args);
    if args.json {
        let found = serde_json::json!({
            "policy_version": policy.version(), "policy_hash": policy.hash(),
            "unknown_callers": rehearsed.unknown, "limits_passed": passed, "found": rehearsed.found,
        });
        out!("{found:#}");
    } else {
        print::answer(format_args!("{}", report(&rehearsed, &policy, &config.ledger.currency)));
        passed.iter().for_each(|limit| out!("limit passed: {limit}"));
    }
    if passed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PASSED) }
}

/// The limits that were stated and passed.
fn passed(found: &Rehearsal, args: &Args) -> Vec<String> {
    let cost = args.max_cost_increase.and_then(|limit| {
        let change = found.cost_change_percent()?;
        (change > limit).then(|| format!("cost rises by {change:.1} %, more than {limit} %"))
    });
    let refused = args.max_refused.filter(|limit| found.all.refused > *limit);
    let refused = refused.map(|limit| {
        format!("{} would be refused, more than {limit}", requests(found.all.refused))
    });
    cost.into_iter().chain(refused).collect()
}

struct Rehearsed {
    found: Rehearsal,
    /// Requests of teams or keys that the configuration no longer has.
    unknown: u64,
}

/// How a policy's experiments were at each time, by its ramps and by what operators and guards had changed.
struct Moments<'a> {
    experiments: &'a [Experiment],
    /// The changes in force from so many milliseconds since 1970 on, in the order of time.
    changes: Vec<(i64, Changes)>,
}

impl<'a> Moments<'a> {
    fn of(policy: &'a Policy, changes: &[ExperimentChange]) -> Self {
        let experiments = policy.experiments();
        let (mut statuses, mut latest) = (Statuses::default(), i64::MIN);
        let in_force = |change: &ExperimentChange| {
            let _ = statuses.apply(change);
            // Their order is what counts, also where somebody has set the clock.
            latest = latest.max(change.at_ms);
            (latest, statuses.changes(experiments))
        };
        Self { experiments, changes: changes.iter().map(in_force).collect() }
    }

    fn at(&self, ms: i64) -> ExperimentView {
        let begun = self.changes.partition_point(|(from, _)| *from <= ms);
        let changes = begun.checked_sub(1).and_then(|at| self.changes.get(at));
        let none = Changes::default();
        let changes = changes.map_or(&none, |(_, it)| it);
        view(self.experiments, changes, ms.div_euclid(1_000))
    }
}

fn rehearse(ledger: &Path, policy: &Policy, span_ms: i64) -> Result<Rehearsed, Box<dyn Error>> {
    let reader = Reader::open(ledger)?;
    let since_ms = Timestamp::now().as_millisecond().saturating_sub(span_ms);
    let medians: BTreeMap<String, f64> =
        reader.first_token_medians(since_ms)?.into_iter().collect();
    let model = |id: &str| {
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds")]
        let first_token_ms = medians.get(id).map(|ms| *ms as f32);
        ModelView { first_token_ms, ..ModelView::default() }
    };
    let models = policy.fleet().models.iter().map(|it| model(&it.id)).collect();
    let view = FleetView { version: 0, models };
    let callers = Callers::of(policy)?;
    let mut rehearsed = Rehearsed { found: Rehearsal::default(), unknown: 0 };
    let moments = Moments::of(policy, &reader.experiment_changes()?);
    reader.past(since_ms, |row| match callers.past(policy, moments.at(row.at_ms), row) {
        Some(past) => rehearsed.found.add(policy, &view, &past),
        None => rehearsed.unknown += 1,
    })?;
    Ok(rehearsed)
}

fn money(nano: i128) -> Money {
    Money::from_nano(i64::try_from(nano).unwrap_or(i64::MAX))
}

fn change(part: &Part) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a percentage")]
    let of = |nano: i128| nano as f64;
    if part.cost_nano <= 0 {
        return "-".into();
    }
    format!("{:+.1} %", (of(part.new_cost_nano) / of(part.cost_nano) - 1.0) * 100.0)
}

fn report(rehearsed: &Rehearsed, policy: &Policy, currency: &str) -> String {
    let found = &rehearsed.found;
    let all = &found.all;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "policy {} ({}) on {}: {}, {} would be refused, {} their model",
        policy.version(),
        policy.hash(),
        counted(all.requests, "served request", "served requests"),
        counted(all.moved, "moves", "move"),
        all.refused,
        counted(all.requests - all.moved - all.refused, "keeps", "keep"),
    );
    let _ = writeln!(
        out,
        "cost    {} → {} {currency} ({})",
        money(all.cost_nano),
        money(all.new_cost_nano),
        change(all),
    );
    let (before, after, known) = found.first_token_ms;
    if known > 0 {
        #[allow(clippy::cast_precision_loss, reason = "a mean")]
        let mean = |sum: f64| sum / known as f64;
        let (before, after) = (mean(before), mean(after));
        let _ = writeln!(
            out,
            "expected first token {before:.0} → {after:.0} ms, over {}",
            requests(known)
        );
    }
    let arms: u64 = found.arms.values().map(|part| part.requests).sum();
    if arms > 0 {
        let _ = writeln!(out, "{} another arm", counted(arms, "request has", "requests have"));
    }
    let _ = writeln!(
        out,
        "refusals of the past: {} would be served now, {} again refused",
        found.refusals_lost, found.refusals_kept,
    );
    if rehearsed.unknown > 0 {
        let _ = writeln!(
            out,
            "left out: {} of teams or keys that are gone",
            requests(rehearsed.unknown)
        );
    }
    table(&mut out, "from → to", &found.moves);
    table(&mut out, "arm → arm", &found.arms);
    table(&mut out, "team", &found.teams);
    table(&mut out, "language", &found.languages);
    table(&mut out, "task", &found.tasks);
    out
}

fn requests(number: u64) -> String {
    counted(number, "request", "requests")
}

/// The largest parts first.
fn table(out: &mut String, what: &str, parts: &BTreeMap<String, Part>) {
    if parts.is_empty() {
        return;
    }
    let mut rows: Vec<_> = parts.iter().collect();
    rows.sort_by_key(|(name, part)| (std::cmp::Reverse(part.requests), *name));
    let _ = writeln!(
        out,
        "\n{what:<44} {:>8} {:>8} {:>8} {:>14} {:>14} {:>9}",
        "requests", "moved", "refused", "cost", "would cost", "change",
    );
    for (name, part) in rows.iter().take(ROWS_MAX) {
        let _ = writeln!(
            out,
            "{name:<44} {:>8} {:>8} {:>8} {:>14} {:>14} {:>9}",
            part.requests,
            part.moved,
            part.refused,
            money(part.cost_nano).to_string(),
            money(part.new_cost_nano).to_string(),
            change(part),
        );
    }
    if rows.len() > ROWS_MAX {
        let _ = writeln!(out, "… and {} more", rows.len() - ROWS_MAX);
    }
}
