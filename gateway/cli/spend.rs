//! `signalbox spend`: what was spent, from the ledger. Only reads it: beside a gateway that runs, or a copy.

mod csv;
mod focus;
mod period;
mod report;
mod table;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::{ZonedDateTime, tz::TimeZone};

pub(super) use self::period::{Point, point};
use self::{
    period::{Day, Window},
    report::{By, Report},
};
use super::print::{self, err};
use crate::store::{Apart, Charges, Reader, Span};

/// Options of `spend`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What rows are told apart by: any of team, key, model, language, task, rule, day, between commas
    /// [default: team].
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    by: Vec<By>,
    /// From when: 30d, 24h, today, yesterday, this-month, last-month, a date, a moment.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = point)]
    since: Point,
    /// Until when, days and months to their end [default: now].
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Point>,
    /// The time zone of days and months, such as Asia/Singapore.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    tz: TimeZone,
    /// Only this team and those beneath it, as they hung when it was spent.
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// A copy of the ledger to read, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table with its sum.
    Table,
    /// Comma-separated values, without the sum.
    Csv,
    /// JSON, money as text.
    Json,
    /// Comma-separated values in the form of FOCUS 1.2, by day and all labels.
    Focus,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    let unknown = |_| format!("`{name}` is no time zone: expected a name such as Asia/Singapore");
    TimeZone::get(name).map_err(unknown)
}

/// What is printed, and what is said beside it on standard error.
type Printed = (String, Vec<String>);

/// Why nothing is printed.
enum Fault {
    /// What was typed has no meaning.
    Usage(String),
    /// The ledger does not answer.
    Ledger(String),
}

/// Says what was spent.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let now = ZonedDateTime::now().with_time_zone(args.tz.clone());
    let (question, file) = match Question::of(args, &now) {
        Ok(question) => match super::ledger_of(args.ledger.as_deref(), config) {
            Ok(file) => (question, file),
            Err(code) => return code,
        },
        Err(fault) => {
            err!("signalbox: {fault}");
            return ExitCode::from(super::USAGE);
        }
    };
    match answer(question, &file) {
        Ok((text, notes)) => {
            print::answer(format_args!("{text}"));
            notes.iter().for_each(|note| err!("{note}"));
            ExitCode::SUCCESS
        }
        Err(Fault::Usage(fault)) => {
            err!("signalbox: {fault}");
            ExitCode::from(super::USAGE)
        }
        Err(Fault::Ledger(fault)) => {
            err!("signalbox: {}: {fault}", file.display());
            ExitCode::FAILURE
        }
    }
}

/// What is asked.
struct Question {
    window: Window,
    by: Vec<By>,
    team: Option<String>,
    format: Format,
}

impl Question {
    fn of(args: &Args, now: &ZonedDateTime) -> Result<Self, String> {
        let window = Window::between(args.since, args.until, now)?;
        let format = if args.json { Format::Json } else { args.format };
        if format == Format::Focus && !args.by.is_empty() {
            return Err("--by: rows of FOCUS are always by day and all labels".to_owned());
        }
        let by = if args.by.is_empty() { vec![By::Team] } else { args.by.clone() };
        let twice = by.iter().enumerate().find(|(at, it)| by.iter().take(*at).any(|by| by == *it));
        if let Some((_, twice)) = twice {
            return Err(format!("--by: `{}` stands twice", twice.name()));
        }
        Ok(Self { window, by, team: args.team.clone(), format })
    }

    /// The labels that the ledger has to tell apart.
    fn apart(&self) -> Apart {
        let any = |wanted: &[By]| {
            self.format == Format::Focus || self.by.iter().any(|by| wanted.contains(by))
        };
        Apart {
            caller: self.team.is_some() || any(&[By::Team, By::Key]),
            shape: any(&[By::Language, By::Task, By::Rule]),
            model: any(&[By::Model]),
        }
    }

    /// The days that are told apart: all of the time is one where none are.
    fn days(&self) -> Result<Vec<Day>, String> {
        if self.format == Format::Focus || self.by.contains(&By::Day) {
            return self.window.days();
        }
        let Window { from, to, zone } = &self.window;
        Ok(vec![Day { date: from.to_zoned_datetime(zone.clone()).date(), from: *from, to: *to }])
    }
}

fn answer(question: Question, file: &Path) -> Result<Printed, Fault> {
    let days = question.days().map_err(Fault::Usage)?;
    let span =
        |day: &Day| Span { from_ms: day.from.as_millisecond(), to_ms: day.to.as_millisecond() };
    let spans: Vec<Span> = days.iter().map(span).collect();
    let charges = Reader::open(file).and_then(|reader| reader.charges(&spans, question.apart()));
    let charges = charges.map_err(|error| Fault::Ledger(error.to_string()))?;
    if let Some(team) = question.team.as_ref().filter(|team| !charges.teams.contains(*team)) {
        let known: Vec<&str> = charges.teams.iter().map(|it| &**it).take(20).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Fault::Ledger(format!("no team `{team}` has ever asked; known are {known}")));
    }
    print(question, &charges, &days).map_err(Fault::Usage)
}

/// The answer as it was asked for. Pure.
fn print(question: Question, charges: &Charges, days: &[Day]) -> Result<Printed, String> {
    let Question { window, by, team, format } = question;
    let report = Report::of((window, by), team, charges, days);
    Ok(match format {
        Format::Table => (table::table(&report), Vec::new()),
        Format::Json => (format!("{:#}\n", table::json(&report)), Vec::new()),
        Format::Csv => (csv::csv(&report), report.notes()),
        Format::Focus => {
            let text = focus::focus(&report.window, report.team.as_deref(), charges, days)?;
            (text, report.notes())
        }
    })
}
