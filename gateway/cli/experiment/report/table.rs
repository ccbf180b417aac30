//! A report for people at a terminal.

use std::fmt::Write as _;

use policies::printable;

use crate::{
    cli::demo::table::{Cell, Side, draw},
    experiment::report::{ArmReport, Difference, Mean, Report, figure},
};

/// The report as text: the verdict first, then what it rests on.
pub(super) fn table(report: &Report) -> String {
    let mut text = format!("{}\n\n{}\n", heading(report), report.verdict.text);
    let parts = [
        (String::new(), arms(report)),
        (comparisons_heading(report), comparisons(report)),
        ("Guard".into(), guard(report)),
        (shadow_heading(report), shadow(report)),
        ("Exploratory: segments, none of them a finding".into(), segments(report)),
    ];
    for (heading, (columns, rows)) in parts {
        if rows.is_empty() {
            continue;
        }
        text.push('\n');
        if !heading.is_empty() {
            let _ = writeln!(text, "{heading}");
        }
        text.push_str(&draw(&columns, &rows, false));
    }
    for note in notes(report) {
        let _ = write!(text, "\n{note}");
    }
    text.push('\n');
    text
}

/// A table's columns and rows.
pub(super) type Table = (Vec<(&'static str, Side)>, Vec<Vec<Cell>>);

/// What the report is about, in a line.
pub(super) fn heading(report: &Report) -> String {
    let when = match (report.since, report.until) {
        (Some(since), Some(until)) => format!(", {} to {}", since.text(), until.text()),
        _ => String::new(),
    };
    format!(
        "{} ({}, version {}, by {}){when}",
        printable(&report.experiment),
        report.state.name().replace('_', " "),
        report.version,
        report.unit
    )
}

/// What stands above the comparisons.
pub(super) fn comparisons_heading(report: &Report) -> String {
    let control = report.arms.iter().find(|arm| arm.control).map_or("", |arm| &*arm.name);
    format!("Less `{control}`")
}

/// A mean with its interval.
pub(super) fn mean(it: &Mean) -> String {
    let Some(mean) = it.mean else { return "-".into() };
    match (it.low, it.high) {
        (Some(low), Some(high)) => {
            format!("{} ({} to {})", figure(mean), figure(low), figure(high))
        }
        _ => figure(mean),
    }
}

fn arms(report: &Report) -> Table {
    let mut columns = vec![("arm", Side::Left)];
    columns.extend(["share", "units", "requests"].map(|name| (name, Side::Right)));
    columns.push(("primary", Side::Left));
    let row = |arm: &ArmReport| {
        let primary = arm.metrics.iter().find(|(name, _)| *name == report.primary);
        let note = match (arm.control, arm.rolled_back) {
            (_, true) => " (rolled back)",
            (true, _) => " (control)",
            _ => "",
        };
        vec![
            Cell::plain(format!("{}{note}", arm.name)),
            Cell::plain(figure(arm.share)),
            Cell::plain(arm.units.to_string()),
            Cell::plain(arm.requests.to_string()),
            Cell::plain(
                primary.map_or_else(|| "-".into(), |(name, it)| format!("{name} {}", mean(it))),
            ),
        ]
    };
    (columns, report.arms.iter().map(row).collect())
}

fn comparisons(report: &Report) -> Table {
    let mut columns: Vec<_> = ["arm", "metric", ""].map(|name| (name, Side::Left)).into();
    columns.extend(["difference", "low", "high"].map(|name| (name, Side::Right)));
    columns.push(("", Side::Left));
    let row = |it: &Difference| {
        let number = |it: Option<f64>| it.map_or_else(|| "-".into(), figure);
        vec![
            Cell::plain(&*it.arm),
            Cell::plain(&*it.metric),
            Cell::plain(role(it)),
            Cell::plain(number(it.difference)),
            Cell::plain(number(it.low)),
            Cell::plain(number(it.high)),
            Cell::plain(sure(it.significant, it.low)),
        ]
    };
    (columns, report.comparisons.iter().map(row).collect())
}

/// What a comparison may claim, in a word.
pub(super) fn role(it: &Difference) -> String {
    format!("{:?}", it.role).to_lowercase()
}

/// What an interval says, in a word.
pub(super) fn sure(significant: bool, low: Option<f64>) -> &'static str {
    match (significant, low) {
        (true, Some(low)) if low > 0.0 => "higher",
        (true, _) => "lower",
        (false, Some(_)) => "open",
        (false, None) => "too little",
    }
}

fn guard(report: &Report) -> Table {
    let mut columns: Vec<_> = ["arm", "metric"].map(|name| (name, Side::Left)).into();
    columns.extend(["value", "bound"].map(|name| (name, Side::Right)));
    columns.push(("", Side::Left));
    let rows = report.guard.iter().map(|it| {
        vec![
            Cell::plain(&*it.arm),
            Cell::plain(&*it.metric),
            Cell::plain(it.value.map_or_else(|| "-".into(), figure)),
            Cell::plain(figure(it.bound)),
            Cell::plain(it.state.words()),
        ]
    });
    (columns, rows.collect())
}

/// What stands above the figures of the shadow.
pub(super) fn shadow_heading(report: &Report) -> String {
    report.shadow.as_ref().map_or_else(String::new, |it| {
        format!(
            "Shadow: {} requests, {} of them failed, {} {}",
            it.requests,
            it.failed,
            figure(it.cost),
            report.currency
        )
    })
}

/// The figures of the shadow with their names: differences from what was served first, then what was found
/// about both answers.
pub(super) fn shadow_figures(report: &Report) -> Vec<(String, &Mean)> {
    let Some(it) = &report.shadow else { return Vec::new() };
    let less =
        it.differences.iter().map(|(name, mean)| (format!("{name}, less what was served"), mean));
    let found = it.found.iter().map(|(name, mean)| (name.to_string(), mean));
    less.chain(found).filter(|(_, mean)| mean.n > 0).collect()
}

fn shadow(report: &Report) -> Table {
    let columns = vec![("metric", Side::Left), ("units", Side::Right), ("mean", Side::Left)];
    let row = |(name, it): (String, &Mean)| {
        vec![Cell::plain(name), Cell::plain(it.n.to_string()), Cell::plain(mean(it))]
    };
    (columns, shadow_figures(report).into_iter().map(row).collect())
}

fn segments(report: &Report) -> Table {
    let mut columns: Vec<_> = ["by", "value", "arm"].map(|name| (name, Side::Left)).into();
    columns.extend(["units", "difference", "low", "high"].map(|name| (name, Side::Right)));
    let rows = report.segments.iter().map(|it| {
        let number = |it: Option<f64>| Cell::plain(it.map_or_else(|| "-".into(), figure));
        let [arm, control] = it.units;
        vec![
            Cell::plain(it.by),
            Cell::plain(printable(&it.value).to_string()),
            Cell::plain(&*it.arm),
            Cell::plain((arm + control).to_string()),
            number(it.difference),
            number(it.low),
            number(it.high),
        ]
    });
    (columns, rows.collect())
}

/// What has to be known beside the figures.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut all = Vec::new();
    if report.arms.iter().all(|arm| arm.units == 0) {
        return all;
    }
    all.push(match report.srm.p {
        Some(p) if report.srm.ok => {
            format!("The units fall to the arms as they should (p = {}).", figure(p))
        }
        Some(p) => format!("The units do NOT fall to the arms as they should (p = {p:.1e})."),
        None => "The shares move with the outcomes: they are not tested.".into(),
    });
    let primary = report.comparisons.iter().filter(|it| it.primary);
    let narrowed: Vec<_> = primary
        .filter_map(|it| {
            let past = it.past?;
            let by = past.narrowed? * 100.0;
            Some(format!("{by:.0} % narrower for `{}` ({} units have one)", it.arm, past.units))
        })
        .collect();
    all.push(match narrowed.is_empty() {
        true => "The units' own past was not used: too few have one.".into(),
        false => format!("The units' own past makes the interval {}.", narrowed.join(", ")),
    });
    let held = report.holdout;
    if held.requests > 0 {
        all.push(format!(
            "{} requests of {} units took no part while it ran.",
            held.requests, held.units
        ));
    }
    if report.astray > 0 {
        all.push(format!(
            "{} requests are left out: their unit had another arm before.",
            report.astray
        ));
    }
    all
}
