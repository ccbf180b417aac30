//! `signalbox spend`: what was spent, from the ledger. Only reads it: beside a gateway that runs, or a copy.

mod table;
#[cfg(test)]
mod tests;
mod true_cost;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::builder::PossibleValue;
use jiff::{ZonedDateTime, tz::TimeZone};

use super::print::{self, err};
use crate::{
    app,
    spend::{Answer, Asked, By, Fault, Form, Point, Question, Report, Wrong, point, zone},
    store,
};

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
    /// Adds what own machines really cost by the hour, what of it was idle, and the catalogue's list price of
    /// the same tokens; the real and the list price of a million tokens too.
    #[arg(long)]
    true_cost: bool,
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

impl clap::ValueEnum for By {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.meaning()))
    }
}

impl Args {
    /// How it is printed.
    fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// What is asked.
    fn question(&self) -> Result<Question, Vec<Wrong>> {
        self.question_at(&ZonedDateTime::now().with_time_zone(self.tz.clone()))
    }

    fn question_at(&self, now: &ZonedDateTime) -> Result<Question, Vec<Wrong>> {
        let asked = Asked {
            by: self.by.clone(),
            since: self.since,
            until: self.until,
            team: self.team.clone(),
            focus: self.format() == Format::Focus,
            true_cost: self.true_cost,
        };
        Question::new(asked, now)
    }
}

/// Says what was spent.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let question = match args.question() {
        Ok(question) => question,
        Err(wrong) => return misused(&wrong),
    };
    let file = match super::ledger_of(args.ledger.as_deref(), config) {
        Ok(file) => file,
        Err(code) => return code,
    };
    let question = match &args.ledger {
        // A copy may be another gateway's.
        Some(_) => question,
        None => question.among(|team| configured(config, team)),
    };
    // Whoever runs at either moment may have ended in between what is open.
    let held = store::held(&file);
    let answer = question.answer(&file);
    let attended = held || store::held(&file);
    let answer = answer.map(|it| if attended { it } else { it.unattended() });
    let printed = answer.and_then(|answer| {
        let left = left(&answer.report(), &file);
        Ok((print(&answer, args.format()).map_err(Fault::Wrong)?, left))
    });
    let fault = match printed {
        Ok(((text, notes), left)) => {
            print::answer(format_args!("{text}"));
            notes.iter().chain(&left).for_each(|note| err!("{note}"));
            return ExitCode::SUCCESS;
        }
        Err(Fault::Wrong(wrong)) => return misused(&[wrong]),
        Err(Fault::NoTeam(fault)) => fault,
        Err(Fault::Ledger(error)) => error.to_string(),
    };
    err!("signalbox: {}: {fault}", file.display());
    ExitCode::FAILURE
}

/// Whether the configuration, with what is managed beside it, has such a team; one that cannot be read has
/// none, of which other commands say more.
fn configured(config: &Path, team: &str) -> bool {
    app::load(config).is_ok_and(|it| it.teams.iter().any(|it| &*it.name == team))
}

/// What is said of entries that nobody ends: a file that was copied as it stood, or a gateway that a crash
/// has ended. Pure.
fn left(report: &Report, file: &Path) -> Option<String> {
    let open = report.left_open();
    (open > 0).then(|| {
        let open = policies::counted(open, "entry is", "entries are");
        let file = file.display();
        format!(
            "signalbox: {file}: {open} open and in no sum, and no gateway runs on this file. In the ledger \
             of a gateway, the next start closes them. A copy of one that runs is whole if it is made with \
             `sqlite3 LEDGER \".backup COPY\"`: what is new stands beside the file, in LEDGER-wal"
        )
    })
}

fn misused(wrong: &[Wrong]) -> ExitCode {
    for Wrong { parameter, fault } in wrong {
        err!("signalbox: --{parameter}: {fault}");
    }
    ExitCode::from(super::USAGE)
}

/// The answer as it was asked for, and what is said beside it on standard error. Pure.
fn print(answer: &Answer, format: Format) -> Result<(String, Vec<String>), Wrong> {
    Ok(match format {
        Format::Table => (table::table(&answer.report()), Vec::new()),
        // It has in itself what is said beside the others.
        Format::Json => (answer.document(Form::Json)?, Vec::new()),
        Format::Csv => (answer.document(Form::Csv)?, answer.report().notes()),
        Format::Focus => (answer.document(Form::Focus)?, answer.report().notes()),
    })
}
