//! A report as a decision paper.

use std::fmt::Write as _;

use super::table::{
    comparisons_heading, heading, mean, notes, role, shadow_figures, shadow_heading, sure,
};
use crate::experiment::report::{Decision, Report, figure};

/// The report as markdown; the picture stands under this name beside it, or nowhere.
pub(super) fn markdown(report: &Report, picture: Option<&str>) -> String {
    let decision = match report.verdict.decision {
        Decision::Ship => "ship",
        Decision::KeepControl => "keep the control",
        Decision::Continue => "continue",
        Decision::Stop => "stop",
    };
    let arm = match (&report.verdict.arm, report.verdict.decision) {
        (Some(arm), Decision::Ship) => format!(" {}", code(arm)),
        _ => String::new(),
    };
    let mut text = format!(
        "# Experiment {}: {decision}{arm}\n\n{}\n\n{}\n",
        code(&report.experiment),
        report.verdict.text,
        escaped(&heading(report))
    );
    if let Some(picture) = picture {
        let _ = write!(
            text,
            "\n![{} less the control over time, with intervals that hold at every look]({picture})\n",
            escaped(&report.primary)
        );
    }
    arms(report, &mut text);
    comparisons(report, &mut text);
    guard(report, &mut text);
    shadow(report, &mut text);
    segments(report, &mut text);
    let _ = writeln!(text, "\n## What to know beside it\n");
    for note in notes(report) {
        let _ = writeln!(text, "- {note}");
    }
    let _ = writeln!(
        text,
        "- Intervals hold at every look together. Those of the primary share alpha = {} among the arms, the \
         metrics that the policy names share it among metrics and arms, and what is exploratory is no \
         finding.",
        figure(report.alpha)
    );
    text
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// A text in a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('_', "\\_")
}

fn head(text: &mut String, title: &str, columns: &[&str]) {
    let rule: Vec<_> = columns.iter().map(|_| "---").collect();
    let _ = write!(text, "\n## {title}\n\n| {} |\n|{}|\n", columns.join(" | "), rule.join("|"));
}

fn row(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn arms(report: &Report, text: &mut String) {
    let Some(first) = report.arms.first() else { return };
    let names: Vec<_> = first.metrics.iter().map(|(name, _)| escaped(name)).collect();
    let mut columns = vec!["arm", "share", "units", "requests"];
    columns.extend(names.iter().map(String::as_str));
    head(text, "Arms", &columns);
    for arm in &report.arms {
        let note = match (arm.control, arm.rolled_back) {
            (_, true) => ", rolled back",
            (true, _) => ", control",
            _ => "",
        };
        let mut cells = vec![
            format!("{}{note}", code(&arm.name)),
            figure(arm.share),
            arm.units.to_string(),
            arm.requests.to_string(),
        ];
        cells.extend(arm.metrics.iter().map(|(_, it)| mean(it)));
        row(text, &cells);
    }
}

fn comparisons(report: &Report, text: &mut String) {
    if report.comparisons.is_empty() {
        return;
    }
    let columns = ["arm", "metric", "kind", "difference", "low", "high", "so it is"];
    head(text, &comparisons_heading(report), &columns);
    for it in &report.comparisons {
        let number = |it: Option<f64>| it.map_or_else(|| "–".into(), figure);
        let cells = [
            code(&it.arm),
            code(&it.metric),
            role(it),
            number(it.difference),
            number(it.low),
            number(it.high),
            sure(it.significant, it.low).to_owned(),
        ];
        row(text, &cells);
    }
}

fn guard(report: &Report, text: &mut String) {
    if report.guard.is_empty() {
        return;
    }
    head(text, "Guard", &["arm", "metric", "value", "bound", "state"]);
    for it in &report.guard {
        let value = it.value.map_or_else(|| "–".into(), figure);
        let state = it.state.words().to_owned();
        row(text, &[code(&it.arm), code(&it.metric), value, figure(it.bound), state]);
    }
}

fn shadow(report: &Report, text: &mut String) {
    let figures = shadow_figures(report);
    if figures.is_empty() {
        return;
    }
    head(text, &shadow_heading(report), &["metric", "units", "mean"]);
    for (name, it) in figures {
        row(text, &[escaped(&name), it.n.to_string(), mean(it)]);
    }
}

fn segments(report: &Report, text: &mut String) {
    if report.segments.is_empty() {
        return;
    }
    let columns = ["by", "value", "arm", "units", "difference", "low", "high"];
    head(text, "Exploratory: segments", &columns);
    for it in &report.segments {
        let number = |it: Option<f64>| it.map_or_else(|| "–".into(), figure);
        let units: u64 = it.units.iter().sum();
        let cells = [
            it.by.to_owned(),
            code(&it.value),
            code(&it.arm),
            units.to_string(),
            number(it.difference),
            number(it.low),
            number(it.high),
        ];
        row(text, &cells);
    }
}
