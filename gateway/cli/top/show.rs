//! Figures in words, each as short as it can be read. Pure.

use policies::printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::figures::Figures;

/// What stands where nothing is known.
const NONE: &str = "-";

/// As much of a text as so many cells hold; one that does not fit ends with an ellipsis.
pub(super) fn fit(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut width = 1;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= most
    };
    let mut start: String = text.chars().take_while(fits).collect();
    if most > 0 {
        start.push('…');
    }
    start
}

/// A number in about four characters: `0`, `0.04`, `3.2`, `417`, `12k`, `3.4M`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 999.5 {
        let (value, unit) = match size {
            1e9.. => (value / 1e9, "G"),
            999_500.0.. => (value / 1e6, "M"),
            _ => (value / 1e3, "k"),
        };
        let places = usize::from(value.abs() < 9.95);
        return format!("{value:.places$}{unit}");
    }
    match size {
        0.0 => "0".to_owned(),
        99.95.. => format!("{value:.0}"),
        // Less than can be shown is still more than nothing.
        ..0.005 => "<0.01".to_owned(),
        ..0.995 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

/// How many there are: whole, as long as that can be read.
pub(super) fn count(value: f64) -> String {
    if value.abs() < 999.5 { format!("{value:.0}") } else { number(value) }
}

/// A number, or that it is not known.
pub(super) fn rate(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), number)
}

/// An amount of money: small ones to where they begin.
pub(super) fn money(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        ..0.000_001 => "<0.000001".to_owned(),
        ..0.01 => format!("{value:.6}"),
        ..100.0 => format!("{value:.4}"),
        ..100_000.0 => format!("{value:.2}"),
        _ => number(value),
    }
}

/// Seconds as a latency: `85 ms`, `1.2 s`.
pub(super) fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => NONE.to_owned(),
        Some(seconds) if seconds < 0.000_999_5 => format!("{:.0} us", seconds * 1e6),
        Some(seconds) if seconds < 0.009_95 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) if seconds < 0.999_5 => format!("{:.0} ms", seconds * 1e3),
        Some(seconds) if seconds < 9.95 => format!("{seconds:.1} s"),
        Some(seconds) => format!("{seconds:.0} s"),
    }
}

/// A share as percent: `0 %`, `0.3 %`, `12 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        ..0.05 => "<0.1 %".to_owned(),
        ..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// A span of time in its two largest units.
pub(super) fn span(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let all = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (all / 86_400, all / 3_600 % 24, all / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{all} s"),
        (0, 0, minutes) => format!("{minutes} m {} s", all % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} m"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Who answers: program, policy and since when. The clocks of two machines may differ, and who answers no
/// more may be up no more.
pub(super) fn identity(figures: &Figures, wall: f64, answers: bool) -> String {
    let now = &figures.now;
    let mut text = format!("signalbox {}", printable(&now.version));
    if !now.policy.is_empty() {
        text += &format!("   policy {}", printable(&now.policy));
    }
    if now.start > 0.0 && answers {
        text += &format!("   up {}", span(wall - now.start));
    }
    if figures.seconds > 0.0 {
        text += &format!("   rates of the last {}", span(figures.seconds.round()));
    }
    text
}

/// Whether it is ready, which nobody knows of one that answers no more, and where its own time goes.
pub(super) fn standing(figures: &Figures, answers: bool) -> String {
    let failing: Vec<_> = figures.now.failing.iter().map(|it| printable(it)).collect();
    let mut parts = Vec::new();
    match failing.is_empty() {
        _ if !answers => {}
        true => parts.push("ready".to_owned()),
        false => parts.push(format!("not ready: {}", failing.join(", "))),
    }
    let mut slowest: Vec<_> = figures.stages.iter().collect();
    slowest.sort_by(|a, b| b.1.total_cmp(&a.1));
    if !slowest.is_empty() {
        let stage = |(stage, seconds): &&(String, f64)| {
            format!(" {} {}", printable(stage), latency(Some(*seconds)))
        };
        parts.push(format!("own p99:{}", slowest.iter().take(3).map(stage).collect::<String>()));
    }
    parts.join("   ")
}

/// What all models and teams come to; the last of it goes where there is no room.
pub(super) fn totals(figures: &Figures, width: usize) -> String {
    let (requests, errors) = (figures.sum(|it| it.requests), figures.sum(|it| it.errors));
    let share = requests.zip(errors).filter(|(all, _)| *all > 0.0).map(|(all, bad)| bad / all);
    let states =
        |of: fn(&super::figures::ModelRow) -> f64| -> f64 { figures.models.iter().map(of).sum() };
    let currency = printable(&figures.now.currency);
    let parts = [
        format!("{} req/s", rate(requests)),
        format!("{} errors", share.map_or_else(|| NONE.to_owned(), percent)),
        format!("{} {currency}/min", money_or_none(figures.sum(|it| it.cost))),
        format!("{} in flight", count(states(|it| it.in_flight))),
        format!("{} waiting", count(states(|it| it.queue))),
        format!("{} tok/s", rate(figures.sum(|it| it.tokens))),
        format!("{} refused/s", rate(figures.refused)),
        format!("{} ledger rows pending", count(figures.now.pending)),
    ];
    let mut text = String::new();
    for part in parts {
        if text.width() + 3 + part.width() > width {
            break;
        }
        text += if text.is_empty() { "" } else { "   " };
        text += &part;
    }
    text
}

/// Money, or that it is not known.
pub(super) fn money_or_none(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), money)
}

/// A bar of so many cells, filled to this share.
pub(super) fn bar(share: f64, cells: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the cells")]
    let filled = (share.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
    let part = EIGHTHS.get(filled % 8).copied().unwrap_or_default();
    format!("{}{part}", "█".repeat(filled / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_as_short_as_it_can_be_read() {
        for (value, text) in [
            (0.0, "0"),
            (0.001, "<0.01"),
            (0.04, "0.04"),
            (3.21, "3.2"),
            (99.94, "99.9"),
            (417.2, "417"),
            (999.4, "999"),
            (999.9, "1.0k"),
            (12_345.0, "12k"),
            (3_400_000.0, "3.4M"),
            (2e9, "2.0G"),
        ] {
            assert_eq!(number(value), text);
        }
        for (value, text) in [
            (0.000_02, "20 us"),
            (0.0042, "4.2 ms"),
            (0.085, "85 ms"),
            (0.9996, "1.0 s"),
            (1.23, "1.2 s"),
            (60.0, "60 s"),
        ] {
            assert_eq!(latency(Some(value)), text);
        }
        for (value, text) in [(0.0, "0 %"), (0.0001, "<0.1 %"), (0.003, "0.3 %"), (0.12, "12 %")] {
            assert_eq!(percent(value), text);
        }
        for (value, text) in [
            (0.0, "0"),
            (1e-9, "<0.000001"),
            (0.004_5, "0.004500"),
            (12.5, "12.5000"),
            (1_234.5, "1234.50"),
            (2_500_000.0, "2.5M"),
        ] {
            assert_eq!(money(value), text);
        }
        let spans = [0.4, 59.0, 61.0, 3_660.0, 90_000.0].map(span);
        assert_eq!((&*count(3.0), &*count(12_345.0)), ("3", "12k"));
        assert_eq!(spans, ["0 s", "59 s", "1 m 1 s", "1 h 1 m", "1 d 1 h"]);
    }

    #[test]
    fn a_text_is_cut_where_its_cells_end() {
        assert_eq!(fit("qwen", 4), "qwen");
        assert_eq!(fit("qwen3", 4), "qwe…");
        assert_eq!(fit("模型模型", 5), "模型…");
        assert_eq!(fit("x", 0), "");
        assert_eq!(
            (bar(0.5, 4), bar(9.0, 2), bar(0.0, 4)),
            ("██".into(), "██".into(), String::new())
        );
    }
}
