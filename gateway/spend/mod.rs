//! **Spend**: what was spent, from the ledger: the question, its rows, and the documents in which they are
//! handed out. The command and the operators' API both ask here, so that both say the same.
//!
//! It only reads: beside a gateway that runs, or a copy.

mod csv;
mod focus;
mod json;
mod period;
mod query;
mod real;
mod report;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) use self::real::tests::month;

use std::path::Path;

use jiff::{ZonedDateTime, tz::TimeZone};

use self::period::{Day, Window};
pub(crate) use self::{
    json::TOKENS,
    period::{Point, point},
    query::{Query, decoded},
    real::{Real, hours},
    report::{By, Report, decimal},
};
use crate::{
    record::StoreError,
    store::{Apart, Charges, Reader, Span},
};

/// The form of a document that programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON, money as text.
    Json,
    /// Comma-separated values, without the sum.
    Csv,
    /// Comma-separated values in the form of FOCUS 1.2, by day and all labels.
    Focus,
}

impl Form {
    /// Every form.
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Focus];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Focus => "focus",
        }
    }

    /// The media type of its documents.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv | Self::Focus => "text/csv; charset=utf-8",
        }
    }
}

/// What is asked, as it was typed.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What rows are told apart by; nothing for teams.
    pub(crate) by: Vec<By>,
    /// From when.
    pub(crate) since: Point,
    /// Until when; nothing for now.
    pub(crate) until: Option<Point>,
    /// The one team of which it is, with those beneath it.
    pub(crate) team: Option<String>,
    /// Whether the rows of FOCUS are wanted.
    pub(crate) focus: bool,
    /// Whether what own machines really cost is wanted beside what was charged.
    pub(crate) true_cost: bool,
}

/// A wrong parameter of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Its name.
    pub(crate) parameter: String,
    /// What is wrong with it, and what was expected.
    pub(crate) fault: String,
}

impl Wrong {
    fn new(parameter: &str, fault: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), fault: fault.into() }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What was asked has no meaning.
    Wrong(Wrong),
    /// No request of such a team is in the ledger.
    NoTeam(String),
    /// The ledger does not answer.
    Ledger(StoreError),
}

/// The time zone of this name.
///
/// # Errors
/// There is none.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    let unknown = |_| format!("`{name}` is no time zone: expected a name such as Asia/Singapore");
    TimeZone::get(name).map_err(unknown)
}

/// A question that has a meaning.
#[derive(Debug)]
pub(crate) struct Question {
    window: Window,
    by: Vec<By>,
    team: Option<String>,
    focus: bool,
    true_cost: bool,
    /// Whether the team is one that there is, even if it has never asked.
    configured: bool,
}

impl Question {
    /// The question at this moment, whose time zone is that of its days.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn new(asked: Asked, now: &ZonedDateTime) -> Result<Self, Vec<Wrong>> {
        let Asked { by, since, until, team, focus, true_cost } = asked;
        let mut wrong = Vec::new();
        if focus && !by.is_empty() {
            wrong.push(Wrong::new("by", "rows of FOCUS are always by day and all labels"));
        }
        if focus && true_cost {
            let fault = "rows of FOCUS have what was charged: expected table, csv or json";
            wrong.push(Wrong::new("format", fault));
        }
        let by = if by.is_empty() { vec![By::Team] } else { by };
        let twice = by.iter().enumerate().find(|(at, it)| by.iter().take(*at).any(|by| by == *it));
        if let Some((_, twice)) = twice {
            wrong.push(Wrong::new("by", format!("`{}` stands twice", twice.name())));
        }
        match Window::between(since, until, now) {
            Ok(window) if wrong.is_empty() => {
                Ok(Self { window, by, team, focus, true_cost, configured: false })
            }
            Ok(_) => Err(wrong),
            Err(fault) => {
                wrong.push(fault);
                Err(wrong)
            }
        }
    }

    /// The same question where the team in it, if there is one, is held against those that are configured:
    /// one of them that has never asked has spent nothing.
    pub(crate) fn among(self, configured: impl Fn(&str) -> bool) -> Self {
        let configured = self.team.as_deref().is_some_and(configured);
        Self { configured, ..self }
    }

    /// The labels that the ledger has to tell apart.
    fn apart(&self) -> Apart {
        let any = |wanted: &[By]| self.focus || self.by.iter().any(|by| wanted.contains(by));
        Apart {
            caller: self.team.is_some() || any(&[By::Team, By::Key]),
            shape: any(&[By::Language, By::Task, By::Rule]),
            model: self.true_cost || any(&[By::Model]),
        }
    }

    /// The days that are told apart: all of the time is one where none are.
    fn days(&self) -> Result<Vec<Day>, String> {
        if self.focus || self.by.contains(&By::Day) {
            return self.window.days();
        }
        let Window { from, to, zone } = &self.window;
        Ok(vec![Day { date: from.to_zoned_datetime(zone.clone()).date(), from: *from, to: *to }])
    }

    /// What this ledger answers. It reads a file, and may take seconds.
    ///
    /// # Errors
    /// The question is too large or of nobody, or the ledger cannot be read.
    pub(crate) fn answer(self, ledger: &Path) -> Result<Answer, Fault> {
        let wrong = |fault| Fault::Wrong(Wrong::new("since", fault));
        let mut days = self.days().map_err(wrong)?;
        let reader = Reader::open(ledger).map_err(Fault::Ledger)?;
        let mut fleets = Vec::new();
        if self.true_cost {
            fleets = reader.machines().map_err(Fault::Ledger)?;
            days = real::parts(&days, &fleets).map_err(wrong)?;
        }
        let span =
            |day: &Day| Span { from_ms: day.from.as_millisecond(), to_ms: day.to.as_millisecond() };
        let spans: Vec<Span> = days.iter().map(span).collect();
        let mut charges = reader.charges(&spans, self.apart()).map_err(Fault::Ledger)?;
        let unknown = |team: &&String| !self.configured && !charges.teams.contains(*team);
        if let Some(team) = self.team.as_ref().filter(unknown) {
            let known: Vec<&str> = charges.teams.iter().map(|it| &**it).take(20).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Fault::NoTeam(format!(
                "no team `{team}` has ever asked; known are {known}"
            )));
        }
        let real = self.true_cost.then(|| real::real(&mut charges, &days, &fleets));
        Ok(Answer { question: self, charges, real, days, attended: true })
    }
}

/// What the ledger has answered to a question.
#[derive(Debug)]
pub(crate) struct Answer {
    question: Question,
    charges: Charges,
    /// What each sum of the charges really cost, where that is asked.
    real: Option<Vec<Real>>,
    days: Vec<Day>,
    attended: bool,
}

impl Answer {
    /// The same of a ledger on which no gateway runs: what is open there is not ended. Whoever serves has
    /// no need to ask.
    pub(crate) fn unattended(self) -> Self {
        Self { attended: false, ..self }
    }

    /// The rows and sums.
    pub(crate) fn report(&self) -> Report {
        let Question { window, by, team, .. } = &self.question;
        let question = (window.clone(), by.clone());
        let charges = (&self.charges, self.real.as_deref());
        let report = Report::of(question, team.clone(), charges, &self.days);
        Report { attended: self.attended, ..report }
    }

    /// The document in this form.
    ///
    /// # Errors
    /// A month that no calendar has.
    pub(crate) fn document(&self, form: Form) -> Result<String, Wrong> {
        let Question { window, team, .. } = &self.question;
        match form {
            Form::Json => Ok(format!("{:#}\n", json::json(&self.report()))),
            Form::Csv => Ok(csv::csv(&self.report())),
            Form::Focus => focus::focus(window, team.as_deref(), &self.charges, &self.days)
                .map_err(|fault| Wrong::new("since", fault)),
        }
    }
}
