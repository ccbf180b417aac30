//! What follows from a report, in words: which arm, by how much, how sure, at what cost, what to do.

use std::{fmt::Write as _, sync::Arc};

use policies::counted;

use super::{
    DAY_MS, State,
    document::{Decision, Difference, Report, Verdict},
    tally::Tally,
};
use crate::experiment::stats::{Moments, sizes};

/// Days of traffic beyond which it is not worth waiting for a difference to show.
const DAYS_MAX: f64 = 90.0;
/// The probability with which a difference of the seen size is to be found by then.
const POWER: f64 = 0.8;

/// What follows from a report.
pub(super) fn verdict(it: &Tally, report: &Report) -> Verdict {
    let said = |decision, arm: Option<Arc<str>>, text: String| Verdict { decision, arm, text };
    if report.arms.iter().all(|arm| arm.units == 0) {
        return said(Decision::Continue, None, nobody(report));
    }
    if !report.srm.ok {
        return said(Decision::Stop, None, unbelievable(report));
    }
    let judged = &it.setup.experiment.judged;
    let primaries: Vec<_> = report.comparisons.iter().filter(|it| it.primary).collect();
    if primaries.is_empty() {
        return said(Decision::KeepControl, None, nothing_left(report));
    }
    let early = too_early(it, report);
    let is_better =
        |it: &Difference| it.difference.is_some_and(|it| (it > 0.0) == judged.higher_is_better);
    let (better, worse): (Vec<_>, Vec<_>) =
        primaries.iter().copied().filter(|it| it.significant).partition(|it| is_better(it));
    let size = |it: &Difference| it.difference.unwrap_or(0.0).abs();
    if let Some(words) = early {
        let decision =
            if report.state == State::Stopped { Decision::Stop } else { Decision::Continue };
        return said(decision, None, words);
    }
    if let Some(best) = better.iter().max_by(|a, b| size(a).total_cmp(&size(b))) {
        let next =
            format!("Next: route all to `{0}`, and take the experiment out of its rule.", best.arm);
        let text = format!("Ship `{}`. {} {next}", best.arm, found(report, best));
        return said(Decision::Ship, Some(Arc::clone(&best.arm)), text);
    }
    if worse.len() == primaries.len() {
        let text: Vec<_> = worse.iter().map(|it| found(report, it)).collect();
        let control = control(report);
        let text = format!(
            "Keep `{control}`. {} Next: take the experiment out of its rule.",
            text.join(" ")
        );
        return said(Decision::KeepControl, Some(control), text);
    }
    let (decision, text) = undecided(it, report, &primaries);
    said(decision, None, text)
}

fn control(report: &Report) -> Arc<str> {
    let control = report.arms.iter().find(|arm| arm.control);
    control.map_or_else(|| "".into(), |arm| Arc::clone(&arm.name))
}

fn nobody(report: &Report) -> String {
    let stopped = match report.state {
        State::Stopped => " It is stopped: `signalbox experiment resume` lets units in again.",
        _ => {
            " Look whether a rule names the experiment, whether its share is above 0, and whether \
              requests have a unit."
        }
    };
    format!("No request has got an arm of version `{}` yet.{stopped}", report.version)
}

fn unbelievable(report: &Report) -> String {
    let units: Vec<_> = report
        .arms
        .iter()
        .map(|arm| format!("{} in `{}` at a share of {}", arm.units, arm.name, figure(arm.share)))
        .collect();
    format!(
        "Stop, and do not believe any figure here: the units are not in the arms' shares ({}; p = {:.1e}). \
         Something gives or loses units by their arm: requests that fail before they are counted, a \
         retry under another name, a filter behind the gateway. Next: find it, mend it, and start a new \
         experiment.",
        units.join(", "),
        report.srm.p.unwrap_or(0.0)
    )
}

fn nothing_left(report: &Report) -> String {
    let rolled_back = report.arms.iter().filter(|arm| arm.rolled_back);
    let names: Vec<_> = rolled_back.map(|arm| format!("`{}`", arm.name)).collect();
    if names.is_empty() {
        return format!(
            "Keep `{}`: nobody has told of `{}` yet, so that nothing can be judged. Next: have the \
             application send it to `POST /v1/feedback`.",
            control(report),
            report.primary
        );
    }
    format!(
        "Keep `{}`: the guard has rolled back {}. Next: find out why before you resume it.",
        control(report),
        names.join(", ")
    )
}

/// Why there is no verdict yet, and when there will be one.
fn too_early(it: &Tally, report: &Report) -> Option<String> {
    let judged = &it.setup.experiment.judged;
    let active = report.arms.iter().filter(|arm| !arm.rolled_back);
    let least = active.map(|arm| primary_units(it, report, &arm.name)).min().unwrap_or(0);
    let ran = days(it);
    let missing = judged.units_min.saturating_sub(least);
    let wait = f64::from(judged.days_min) - ran;
    if missing == 0 && wait <= 0.0 {
        return None;
    }
    let mut why = Vec::new();
    if missing > 0 {
        why.push(format!(
            "the smallest arm has {} of which `{}` is known, and {} are wanted",
            counted(usize::try_from(least).unwrap_or(usize::MAX), "unit", "units"),
            report.primary,
            judged.units_min
        ));
    }
    if wait > 0.0 {
        let wanted = counted(usize::try_from(judged.days_min).unwrap_or(usize::MAX), "day", "days");
        why.push(format!("it has run for {}, and {wanted} are wanted", in_days(ran)));
    }
    let pace = pace(it);
    let arms = f64::from(u32::try_from(report.arms.len()).unwrap_or(u32::MAX));
    let needed = Moments::of_sums(missing, [0.0; 3]).n() * arms;
    let text = format!("Too early for a verdict: {}.", why.join("; "));
    if report.state == State::Stopped {
        return Some(format!("{text} The experiment is stopped: no more will come."));
    }
    Some(match pace {
        Some(pace) => {
            let left = (needed / pace).max(wait);
            format!(
                "{text} At the present {} units a day that takes {} more.",
                figure(pace),
                in_days(left)
            )
        }
        None if missing > 0 => format!("{text} No new units come at present."),
        None => format!("{text} That takes {} more.", in_days(wait)),
    })
}

/// The units of an arm of which the primary is known.
fn primary_units(it: &Tally, report: &Report, name: &str) -> u64 {
    let arm = report.arms.iter().position(|arm| *arm.name == *name).and_then(|at| it.arms.get(at));
    let values = arm.and_then(|arm| arm.metrics.get(it.metrics.primary?));
    values.map_or(0, |it| it.all.count())
}

/// A finding, with how sure it is and what it costs.
fn found(report: &Report, it: &Difference) -> String {
    let (direction, far) = match it.difference {
        Some(by) if by > 0.0 => ("higher", by),
        by => ("lower", -by.unwrap_or(0.0)),
    };
    let mut text = format!("`{}` is {direction} by {} with `{}`", it.metric, figure(far), it.arm);
    if let (Some(low), Some(high)) = (it.low, it.high) {
        let (least, most) = if low > 0.0 { (low, high) } else { (-high, -low) };
        let _ = write!(text, ", at least {} and at most {}", figure(least), figure(most));
    }
    let mean = |name: &str| {
        let arm = report.arms.iter().find(|arm| *arm.name == *name)?;
        arm.metrics.iter().find(|(metric, _)| *metric == it.metric)?.1.mean
    };
    if let (Some(arm), Some(control)) = (mean(&it.arm), mean(&it.control)) {
        let _ =
            write!(text, " ({} against {} with `{}`)", figure(arm), figure(control), it.control);
    }
    let _ = write!(
        text,
        ". The probability that this experiment says so of arms that are alike is {} % at the most, however \
         often one looks.",
        figure(report.alpha * 100.0)
    );
    text + &costs(report, &it.arm)
}

/// What an arm costs beside the control.
fn costs(report: &Report, arm: &str) -> String {
    let of = |metric: &str| {
        let all = report.comparisons.iter();
        all.clone().find(|it| *it.arm == *arm && *it.metric == *metric && !it.primary)
    };
    let mut text = String::new();
    for (metric, what) in [("cost", "a request"), ("cost_per_success", "a success")] {
        let Some(it) = of(metric) else { continue };
        let Some(by) = it.difference else { continue };
        let currency = &report.currency;
        let more = if by >= 0.0 { "more" } else { "less" };
        let _ = match (it.significant, it.low, it.high) {
            (true, Some(low), Some(high)) => write!(
                text,
                " It costs {} {currency} {more} {what} ({} to {}).",
                figure(by.abs()),
                figure(low.abs().min(high.abs())),
                figure(low.abs().max(high.abs()))
            ),
            (_, Some(low), Some(high)) => write!(
                text,
                " Whether it costs more {what} is open: {} to {} {currency}.",
                figure(low),
                figure(high)
            ),
            _ => write!(text, " It seems to cost {} {currency} {more} {what}.", figure(by.abs())),
        };
    }
    text
}

/// Nothing is shown: whether to wait.
fn undecided(it: &Tally, report: &Report, primaries: &[&Difference]) -> (Decision, String) {
    let mut text = String::from("Nothing is shown yet.");
    let mut shortest: Option<f64> = None;
    for found in primaries.iter().filter(|it| !it.significant) {
        if let (Some(low), Some(high), Some(by)) = (found.low, found.high, found.difference) {
            let _ = write!(
                text,
                " `{}` with `{}` less that with `{}` is {}, somewhere between {} and {}.",
                found.metric,
                found.arm,
                found.control,
                figure(by),
                figure(low),
                figure(high)
            );
        }
        let days = more_days(it, report, found);
        shortest = match (shortest, days) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    if report.state == State::Stopped {
        return (Decision::Stop, text + " The experiment is stopped: no more will come.");
    }
    match shortest {
        Some(days) if days <= DAYS_MAX => {
            let _ = write!(
                text,
                " Next: wait. If the difference is what it seems, it takes about {} more.",
                in_days(days)
            );
            (Decision::Continue, text)
        }
        Some(_) => {
            let _ = write!(
                text,
                " At the present traffic a difference as small as this takes more than {DAYS_MAX} days to \
                 show. Next: stop, and choose by what the arms cost."
            );
            (Decision::Stop, text)
        }
        None => (Decision::Continue, text + " Next: wait."),
    }
}

/// How many days more it takes to find the difference that is seen.
fn more_days(it: &Tally, report: &Report, found: &Difference) -> Option<f64> {
    let (low, high) = (found.low?, found.high?);
    let values = |name: &str| {
        let at = report.arms.iter().position(|arm| *arm.name == *name)?;
        Some(it.arms.get(at)?.metrics.get(it.metrics.primary?)?.all)
    };
    let (arm, control) = (values(&found.arm)?, values(&found.control)?);
    // The part of the spread that is left where the units' past is used.
    let left = found.past.and_then(|it| it.narrowed).map_or(1.0, |it| (1.0 - it).powi(2));
    let variances = (arm.variance() * left, control.variance() * left);
    // A difference that is nothing beside its own uncertainty would take forever.
    let effect = found.difference?.abs().max((high - low) / 1_000.0);
    let wanted = sizes(effect, variances, found.alpha, POWER)?.sequential;
    let arms = f64::from(u32::try_from(report.arms.len()).unwrap_or(u32::MAX));
    let missing = (wanted - arm.n().min(control.n())).max(1.0) * arms;
    Some(missing / pace(it)?)
}

/// How long it has run, in days.
fn days(it: &Tally) -> f64 {
    let since = it.setup.since_ms.unwrap_or(it.setup.until_ms);
    in_f64(it.setup.until_ms - since) / in_f64(DAY_MS)
}

/// New units a day, over the last week or since the beginning; nothing in the first hour, from which no day
/// can be told.
fn pace(it: &Tally) -> Option<f64> {
    let units = |look: usize| {
        let all = it.arms.iter().filter_map(|arm| arm.looks.get(look));
        Moments::of_sums(all.map(|it| it.units).sum(), [0.0; 3]).n()
    };
    let last = it.looks.len().checked_sub(1)?;
    let week = it.setup.until_ms.saturating_sub(7 * DAY_MS);
    let before = it.looks.iter().rposition(|at| *at <= week);
    let (from, had) = match before {
        Some(look) => (*it.looks.get(look)?, units(look)),
        None => (it.setup.since_ms?, 0.0),
    };
    let span = in_f64(it.setup.until_ms - from) / in_f64(DAY_MS);
    Some((units(last) - had) / span).filter(|it| it.is_finite() && *it > 0.0 && span * 24.0 >= 1.0)
}

fn in_f64(ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of years are far below 2^53")]
    let ms = ms as f64;
    ms
}

/// A span in days, or in hours where it is short.
fn in_days(days: f64) -> String {
    let hours = (days * 24.0).ceil();
    if hours < 48.0 {
        return format!("{hours} {}", if hours == 1.0 { "hour" } else { "hours" });
    }
    format!("{} days", figure((days * 10.0).ceil() / 10.0))
}

/// A number at a length that can be read: four digits that say something.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() {
        return "0".into();
    }
    if !(1e-6..1e9).contains(&size) {
        return format!("{value:.2e}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "-6 to 9")]
    let places = (3.0 - size.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.places$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
