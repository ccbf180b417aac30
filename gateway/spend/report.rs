//! What was spent, grouped as it was asked for. Pure: sums of the ledger come in, rows go out.

use std::collections::BTreeMap;

use super::{
    period::{Day, Window},
    real::Real,
};
use crate::store::{ChargeLabels, ChargeSum, Charged, Charges, Removed};

/// What rows are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The team of the key, by its name of then.
    Team,
    /// The key's name.
    Key,
    /// The model that served.
    Model,
    /// The language's code.
    Language,
    /// The task's code.
    Task,
    /// What decided: a rule of the policy, a pin, an alias.
    Rule,
    /// The day on which the request began.
    Day,
}

impl By {
    /// Everything by which rows can be told apart.
    pub(crate) const ALL: [Self; 7] =
        [Self::Team, Self::Key, Self::Model, Self::Language, Self::Task, Self::Rule, Self::Day];

    /// Its name, as a heading too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Key => "key",
            Self::Model => "model",
            Self::Language => "language",
            Self::Task => "task",
            Self::Rule => "rule",
            Self::Day => "day",
        }
    }

    /// What it is, in a sentence.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Team => "The team of the key, by its name of then",
            Self::Key => "The key's name",
            Self::Model => "The model that served",
            Self::Language => "The language's code",
            Self::Task => "The task's code",
            Self::Rule => "What decided: a rule of the policy, a pin, an alias",
            Self::Day => "The day on which the request began",
        }
    }

    /// What a sum is by this; nothing where there is no such thing, as a model that has not answered.
    fn of(self, labels: &ChargeLabels, day: &Day) -> Option<String> {
        match self {
            Self::Team => labels.teams.first().cloned(),
            Self::Key => Some(labels.key.clone()),
            Self::Model => labels.model.clone(),
            Self::Language => Some(labels.language.clone()),
            Self::Task => Some(labels.task.clone()),
            Self::Rule => Some(labels.rule.clone()),
            Self::Day => Some(day.date.to_string()),
        }
    }
}

/// What a row is of, and its currency.
type Labels = (Vec<Option<String>>, String);

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What it is of, in the order that was asked for.
    pub(crate) labels: Vec<Option<String>>,
    /// The currency of its money.
    pub(crate) currency: String,
    /// What it comes to.
    pub(crate) charged: Charged,
    /// What it really cost; nothing of it where that was not asked.
    pub(crate) real: Real,
}

/// What retention has removed of the time and the team that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Requests of this time.
    pub(crate) requests: u64,
    /// Nano-units of theirs.
    pub(crate) cost_nano: i128,
    /// Requests of which the time is no longer known: of this time, or of before.
    pub(crate) older_requests: u64,
    /// Nano-units of theirs.
    pub(crate) older_cost_nano: i128,
}

/// The rows, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The time.
    pub(crate) window: Window,
    /// What the rows are told apart by.
    pub(crate) by: Vec<By>,
    /// The team of which it is, with those beneath it; nothing for all.
    pub(crate) team: Option<String>,
    /// The days in order where they are told apart, then the dearest first.
    pub(crate) rows: Vec<Row>,
    /// What all rows come to, for each currency, with what is open beside it.
    pub(crate) sums: BTreeMap<String, Charged>,
    /// What all rows really cost, for each currency; nothing where that was not asked.
    pub(crate) real: Option<BTreeMap<String, Real>>,
    /// What is no longer kept.
    pub(crate) gone: Gone,
    /// Whether a gateway runs that ends what is open.
    pub(crate) attended: bool,
}

/// Whether a sum is of a team, or of one beneath it, as they hung then.
fn beneath(team: Option<&str>, teams: &[String]) -> bool {
    team.is_none_or(|team| teams.iter().any(|it| it == team))
}

impl Report {
    /// Groups the sums of spans that are these days.
    pub(crate) fn of(
        (window, by): (Window, Vec<By>),
        team: Option<String>,
        (charges, real): (&Charges, Option<&[Real]>),
        days: &[Day],
    ) -> Self {
        let mut rows: BTreeMap<Labels, (Charged, Real)> = BTreeMap::new();
        let mut real_sums: BTreeMap<String, Real> = BTreeMap::new();
        let mut sums: BTreeMap<String, Charged> = BTreeMap::new();
        for (at, (sum, day)) in of_team(charges, team.as_deref(), days) {
            let ChargeSum { labels, charged, .. } = sum;
            let real = real.and_then(|it| it.get(at)).copied().unwrap_or_default();
            real_sums.entry(labels.currency.clone()).or_default().add(&real);
            sums.entry(labels.currency.clone()).or_default().add(charged);
            if charged.requests > 0 || real.cost_nano > 0 {
                // An hour that served nobody has a model and a day, and else no name.
                let named = |label: &String| charged.requests > 0 || !label.is_empty();
                let group = by.iter().map(|by| by.of(labels, day).filter(named)).collect();
                let row = rows.entry((group, labels.currency.clone())).or_default();
                row.0.add(charged);
                row.1.add(&real);
            }
        }
        let row = |((labels, currency), (charged, real))| Row { labels, currency, charged, real };
        let mut rows: Vec<Row> = rows.into_iter().map(row).collect();
        let day = by.iter().position(|by| *by == By::Day);
        let day = |row: &Row| day.and_then(|at| row.labels.get(at).cloned());
        // Those that cost the same stay in the order of their names.
        rows.sort_by_cached_key(|row| {
            let cost = row.real.cost_nano.max(row.charged.cost_nano);
            (row.currency.clone(), day(row), std::cmp::Reverse(cost))
        });
        let gone = gone(&charges.removed, team.as_deref());
        let real = real.map(|_| real_sums);
        Self { window, by, team, rows, sums, real, gone, attended: true }
    }

    /// What a row has of all that was spent in its currency, in tenths of a percent.
    pub(crate) fn share(&self, row: &Row) -> u64 {
        let all = self.sums.get(&row.currency).map_or(0, |it| it.cost_nano);
        if all <= 0 {
            return 0;
        }
        // Half of one is rounded up.
        u64::try_from((row.charged.cost_nano * 2_000 + all) / (2 * all)).unwrap_or(0)
    }

    /// Requests that are open, in no sum, and that no gateway ends.
    pub(crate) fn left_open(&self) -> u64 {
        if self.attended { 0 } else { self.sums.values().map(|it| it.open).sum() }
    }

    /// What must be said beside the rows, a sentence each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let requests = |count| policies::counted(count, "request", "requests");
        let end = match self.attended {
            true => "they are charged at their end",
            false => "no gateway runs here that would end them",
        };
        for (currency, Charged { open, reserved_nano, .. }) in &self.sums {
            if *open > 0 {
                let (open, reserved) = (requests(*open), decimal(*reserved_nano));
                notes.push(format!(
                    "open: {open} beside these, with {reserved} {currency} reserved; {end}"
                ));
            }
        }
        for (currency, Charged { recovered, recovered_nano, .. }) in &self.sums {
            if *recovered > 0 {
                let (recovered, cost) = (requests(*recovered), decimal(*recovered_nano));
                notes.push(format!(
                    "recovered: {recovered} of these, charged after a crash with all that was reserved, \
                     {cost} {currency}"
                ));
            }
        }
        if self.real.is_some() {
            notes.extend(self.of_true_cost());
        }
        let Gone { requests: gone, cost_nano, older_requests: older, older_cost_nano } = self.gone;
        if gone > 0 {
            let (gone, cost) = (requests(gone), decimal(cost_nano));
            notes.push(format!(
                "removed: {gone} of this time are beyond ledger.retention_days and in no row; they cost \
                 {cost}"
            ));
        }
        if older > 0 {
            let (older, cost) = (requests(older), decimal(older_cost_nano));
            notes.push(format!(
                "removed: {older} of this time or of before it are beyond ledger.retention_days, of which \
                 only the sum is kept: {cost}"
            ));
        }
        notes
    }

    /// What must be said of what it really cost.
    fn of_true_cost(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (currency, idle_nano) in self.nobodys() {
            let idle = decimal(idle_nano);
            notes.push(format!(
                "idle: rows without a request are hours of own machines that served nobody, {idle} {currency}"
            ));
        }
        let Gone { requests, older_requests, .. } = self.gone;
        if requests + older_requests > 0 {
            notes.push(
                "idle: hours whose requests are removed count as idle: ask from the oldest entry on"
                    .to_owned(),
            );
        }
        let unknown =
            self.real.iter().flat_map(|it| it.values()).any(|it| it.list_nano().is_none());
        if unknown {
            notes.push(
                "list: the catalogue has no price of some of these models, or none in this currency"
                    .to_owned(),
            );
        }
        notes
    }

    /// What hours cost that served nobody, by currency.
    fn nobodys(&self) -> BTreeMap<&str, i128> {
        let mut all = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.charged.requests == 0) {
            *all.entry(&*row.currency).or_default() += row.real.cost_nano;
        }
        all
    }
}

/// The sums of a team and those beneath it, with their places and their days.
pub(crate) fn of_team<'a>(
    charges: &'a Charges,
    team: Option<&'a str>,
    days: &'a [Day],
) -> impl Iterator<Item = (usize, (&'a ChargeSum, &'a Day))> {
    let sums = charges.sums.iter().enumerate();
    let sums = sums.filter(move |(_, sum)| beneath(team, &sum.labels.teams));
    sums.filter_map(|(at, sum)| Some((at, (sum, days.get(sum.span)?))))
}

fn gone(removed: &[Removed], team: Option<&str>) -> Gone {
    let mut gone = Gone::default();
    for it in removed.iter().filter(|it| beneath(team, &it.teams)) {
        if it.at_ms > 0 {
            gone.requests += it.requests;
            gone.cost_nano += it.cost_nano;
        } else {
            gone.older_requests += it.requests;
            gone.older_cost_nano += it.cost_nano;
        }
    }
    gone
}

/// Nano-units as an exact decimal, without zeros at its end.
pub(crate) fn decimal(nano: i128) -> String {
    let (sign, nano) = (if nano < 0 { "-" } else { "" }, nano.unsigned_abs());
    let text = format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
