//! The picture of a report: where the primary's difference is, look by look, as an SVG that a page can show.
//! The same report makes the same bytes.

use std::fmt::Write as _;

use super::{
    Report,
    document::{Path, Point},
    figure,
};

/// The picture's width and height, and the margins around the plot: left, right, top, bottom.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 320.0;
const MARGINS: [f64; 4] = [72.0, 16.0, 40.0, 44.0];
/// Colours that are told apart on white and on black, and without red and green.
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"];
/// The least share of the plot's height that the last intervals fill: early ones are cut where they are
/// wider.
const LAST_FILLS: f64 = 0.25;

/// The intervals over time as an SVG; each arm beside the control has its band.
pub(crate) fn picture(report: &Report) -> String {
    let mut text = String::new();
    let title = format!(
        "{}: {} less the control, with intervals that hold at every look",
        report.experiment, report.primary
    );
    let _ = writeln!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>{0}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\">{0}</text>",
        escaped(&title)
    );
    match Frame::around(report) {
        Some(frame) => frame.draw(report, &mut text),
        None => {
            let _ = writeln!(text, "<text x=\"12\" y=\"60\">Too little to draw yet.</text>");
        }
    }
    text.push_str("</svg>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What of the data the plot shows.
struct Frame {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn around(report: &Report) -> Option<Self> {
        let points = || report.looks.iter().flat_map(|path| &path.points);
        let shown = || points().filter_map(|it| Some((it.low?, it.high?)));
        let moments = || points().map(at);
        let last = report.looks.iter().filter_map(|path| path.points.last());
        let last: Vec<_> = last.filter_map(|it| Some((it.low?, it.high?))).collect();
        let span = |all: &[(f64, f64)]| {
            let low = all.iter().fold(0.0_f64, |low, it| low.min(it.0));
            let high = all.iter().fold(0.0_f64, |high, it| high.max(it.1));
            (low, high)
        };
        let all: Vec<_> = shown().collect();
        let ((low, high), (last_low, last_high)) = (span(&all), span(&last));
        let most = if last.is_empty() { f64::MAX } else { (last_high - last_low) / LAST_FILLS };
        let middle = f64::midpoint(last_low, last_high);
        let (low, high) = (low.max(middle - most / 2.0), high.min(middle + most / 2.0));
        let from = moments().fold(f64::MAX, f64::min);
        let from = report.since.map_or(from, |since| from.min(in_f64(since.0)));
        let to = moments().fold(f64::MIN, f64::max);
        (high > low && to > from).then_some(Self { from, to, low, high })
    }

    fn x(&self, at: f64) -> f64 {
        let [left, right, ..] = MARGINS;
        left + (at - self.from) / (self.to - self.from) * (WIDTH - left - right)
    }

    fn y(&self, value: f64) -> f64 {
        let [.., top, bottom] = MARGINS;
        let value = value.clamp(self.low, self.high);
        top + (self.high - value) / (self.high - self.low) * (HEIGHT - top - bottom)
    }

    fn draw(&self, report: &Report, text: &mut String) {
        self.axes(report, text);
        for (path, colour) in report.looks.iter().zip(COLOURS.iter().cycle()) {
            self.band(path, colour, text);
        }
        for ((at, path), colour) in (0_u16..).zip(&report.looks).zip(COLOURS.iter().cycle()) {
            let x = MARGINS[0] + 12.0 + f64::from(at) * 150.0;
            let name = escaped(&format!("{} − {}", path.arm, path.control));
            let _ = writeln!(
                text,
                "<rect x=\"{x:.1}\" y=\"28\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"37\">{name}</text>",
                x + 14.0
            );
        }
    }

    fn axes(&self, report: &Report, text: &mut String) {
        let [left, right, ..] = MARGINS;
        let mut values: Vec<f64> =
            (0_u8..5).map(|it| self.low + (self.high - self.low) * f64::from(it) / 4.0).collect();
        values.push(0.0);
        for value in values {
            let y = self.y(value);
            let (colour, width) = if value == 0.0 { ("#000000", 1.5) } else { ("#dddddd", 1.0) };
            let near = value != 0.0 && (y - self.y(0.0)).abs() < 14.0;
            let label = if near { String::new() } else { figure(value) };
            let _ = writeln!(
                text,
                "<line x1=\"{left}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" \
                 stroke-width=\"{width}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - right,
                left - 6.0,
                y + 4.0
            );
        }
        let (since, until) = (report.since, report.until);
        let day = |it: Option<super::document::Moment>| {
            it.map_or_else(String::new, super::document::Moment::day)
        };
        let units: u64 = report.arms.iter().map(|arm| arm.units).sum();
        let _ = writeln!(
            text,
            "<text x=\"{left}\" y=\"{0:.1}\">{1}</text><text x=\"{2:.1}\" y=\"{0:.1}\" \
             text-anchor=\"end\">{3}, {units} units</text>",
            HEIGHT - 14.0,
            day(since),
            WIDTH - right,
            day(until)
        );
    }

    /// The interval of each look, and the estimates through them.
    fn band(&self, path: &Path, colour: &str, text: &mut String) {
        let known: Vec<_> =
            path.points.iter().filter(|it| it.low.is_some() && it.high.is_some()).collect();
        let edge = |of: fn(&Point) -> Option<f64>| {
            let known = known.iter().filter_map(move |it| Some((self.x(at(it)), self.y(of(it)?))));
            known.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>()
        };
        let (high, mut low) = (edge(|it| it.high), edge(|it| it.low));
        low.reverse();
        let _ = writeln!(
            text,
            "<polygon points=\"{} {}\" fill=\"{colour}\" fill-opacity=\"0.18\"/>\n\
             <polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            high.join(" "),
            low.join(" "),
            edge(|it| it.difference).join(" ")
        );
        for (x, (low, high)) in
            known.iter().filter_map(|it| Some((self.x(at(it)), (it.low?, it.high?))))
        {
            let _ = writeln!(
                text,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
                self.y(low),
                self.y(high)
            );
        }
    }
}

/// When a look was.
fn at(it: &Point) -> f64 {
    in_f64(it.at.0)
}

fn in_f64(ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of years are far below 2^53")]
    let ms = ms as f64;
    ms
}
