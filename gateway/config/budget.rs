//! `budget` of a team or a key: money over a window.

use std::fmt;

use jiff::tz::TimeZone;
use policies::{
    Fault,
    document::{Faults, Section, items, kind, timezone},
    facts::{Money, Window},
};
use toml::Value;

use super::fields::{amount, word};

/// The largest budget, in units: far enough below what an amount can hold.
const BUDGET_UNITS_MAX: i64 = 4_000_000_000;
/// Shares at which one budget alerts.
const ALERTS_MAX: usize = 8;

/// Money over a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How much.
    pub amount: Money,
    /// Over which window.
    pub window: Window,
    /// Whether requests are refused when it is spent.
    pub hard: bool,
    /// Up to which sum requests are taken, at least the amount; without it, that is the amount.
    pub soft_until: Option<Money>,
    /// The zone in which the window's days begin.
    pub timezone: TimeZone,
    /// The first day of the year of which the window's quarters and years are.
    pub fiscal_year_start: MonthDay,
    /// The shares of the amount at which somebody is told, rising.
    pub alerts: Vec<Share>,
}

impl Budget {
    /// A budget by the calendar's year, without a grace and without alerts.
    #[must_use]
    pub fn plain(amount: Money, window: Window, hard: bool, timezone: TimeZone) -> Self {
        let (fiscal_year_start, alerts) = (MonthDay::default(), Vec::new());
        Self { amount, window, hard, soft_until: None, timezone, fiscal_year_start, alerts }
    }
}

/// A day of any year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthDay {
    /// 1 is January.
    pub month: i8,
    /// From 1.
    pub day: i8,
}

impl Default for MonthDay {
    fn default() -> Self {
        Self { month: 1, day: 1 }
    }
}

impl fmt::Display for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

impl MonthDay {
    /// A day that every year has, as `04-01`.
    fn read(text: &str) -> Option<Self> {
        let digits = |text: &str| {
            let two = text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|_: &i8| two)
        };
        let (month, day) = text.split_once('-')?;
        let (month, day) = (digits(month)?, digits(day)?);
        // 2023 had no 29 February.
        jiff::civil::Date::new(2023, month, day).ok().map(|_| Self { month, day })
    }
}

/// A share of an amount, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// One half is 0.5.
    #[must_use]
    pub fn number(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    const WHOLE: u16 = 10_000;

    /// Whether so much of the amount is spent.
    #[must_use]
    pub fn is_reached(self, spent: Money, amount: Money) -> bool {
        let share = i128::from(amount.nano()) * i128::from(self.0);
        spent > Money::ZERO && i128::from(spent.nano()) * i128::from(Self::WHOLE) >= share
    }

    /// A share above 0 and up to 2, with four decimals at the most.
    #[must_use]
    pub fn of(share: f64) -> Option<Self> {
        let parts = (share * f64::from(Self::WHOLE)).round();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range")]
        let parts = (1.0..=20_000.0).contains(&parts).then_some(parts as u16)?;
        let same = (Self(parts).number() - share).abs() < 1e-9;
        same.then_some(Self(parts))
    }

    fn read(value: &Value) -> Option<Self> {
        #[allow(clippy::cast_precision_loss, reason = "only 1 and 2 are taken")]
        Self::of(value.as_float().or_else(|| value.as_integer().map(|it| it as f64))?)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// Reads one budget, or a list of them.
pub(super) fn budgets(it: &mut Section<'_>, faults: &mut Faults) -> Vec<Budget> {
    let Some(value) = it.get("budget") else { return Vec::new() };
    let mut budgets = Vec::new();
    for (path, item) in items(it.at("budget"), value) {
        if item.as_table().is_none() {
            let expected = "{ amount, window }, or a list of them";
            faults.push(Fault::new(path, kind(item), expected));
            continue;
        }
        let mut it = Section::of(path, item, faults);
        if let Some(budget) = budget(&mut it, faults) {
            // Budgets are told apart by their windows, in metrics and in messages.
            if budgets.iter().any(|other: &Budget| other.window == budget.window) {
                let found = format!("`{}` for the second time", budget.window);
                faults.push(Fault::new(it.at("window"), found, "one budget for each window"));
            }
            budgets.push(budget);
        }
        it.close(faults);
    }
    budgets
}

fn budget(it: &mut Section<'_>, faults: &mut Faults) -> Option<Budget> {
    if it.get("amount").is_none() {
        faults.push(Fault::new(it.at("amount"), "nothing", DECIMAL));
    }
    let amount = money(it, "amount", faults);
    let windows: Vec<_> = Window::ALL.iter().map(|it| (it.code(), *it)).collect();
    let window = word(it, "window", &windows, Window::Month, faults);
    let hard = it.read("hard", "true or false", faults, Value::as_bool).unwrap_or(true);
    let soft_until = soft_until(it, amount, hard, faults);
    let zone = timezone(it, faults).unwrap_or("UTC");
    let fiscal_year_start = fiscal_year_start(it, window, faults);
    let alerts = alerts(it, faults);
    let timezone = TimeZone::get(zone).ok()?;
    Some(Budget { amount: amount?, window, hard, soft_until, timezone, fiscal_year_start, alerts })
}

/// An amount of money; the most is [`BUDGET_UNITS_MAX`].
const DECIMAL: &str =
    "a decimal in text, such as \"500.00\", from 0 to 4000000000, with nine decimals at the most";

fn money(it: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Option<Money> {
    let amount = amount(it, key, DECIMAL, faults);
    let most = Money::from_nano(BUDGET_UNITS_MAX.saturating_mul(1_000_000_000));
    if amount.is_some_and(|amount| amount > most) {
        let expected = format!("at most {BUDGET_UNITS_MAX}: choose a larger ledger currency");
        faults.push(Fault::new(it.at(key), "too large an amount", expected));
    }
    amount
}

fn soft_until(
    it: &mut Section<'_>,
    amount: Option<Money>,
    hard: bool,
    faults: &mut Faults,
) -> Option<Money> {
    let until = money(it, "soft_until", faults)?;
    if !hard {
        let expected = "nothing where `hard = false`: such a budget refuses nobody";
        faults.push(Fault::new(it.at("soft_until"), format!("\"{until}\""), expected));
    }
    if let Some(amount) = amount.filter(|amount| until < *amount) {
        let expected = format!("at least `amount`, \"{amount}\"");
        faults.push(Fault::new(it.at("soft_until"), format!("\"{until}\""), expected));
    }
    Some(until)
}

fn fiscal_year_start(it: &mut Section<'_>, window: Window, faults: &mut Faults) -> MonthDay {
    let expected = "a month and a day that every year has, such as \"04-01\"";
    let read = |value: &Value| MonthDay::read(value.as_str()?);
    let Some(start) = it.read("fiscal_year_start", expected, faults, read) else {
        return MonthDay::default();
    };
    if !matches!(window, Window::Quarter | Window::Year) {
        let expected = "nothing, or `window = \"quarter\"` or `\"year\"` beside it";
        let found = format!("\"{start}\" beside the window `{window}`");
        faults.push(Fault::new(it.at("fiscal_year_start"), found, expected));
    }
    start
}

fn alerts(it: &mut Section<'_>, faults: &mut Faults) -> Vec<Share> {
    let share =
        "a share of the amount above 0 and up to 2, with four decimals at the most, such as 0.8";
    let Some(value) = it.get("alerts") else { return Vec::new() };
    let path = it.at("alerts");
    let Some(list) = value.as_array() else {
        let expected = format!("a list, such as [0.5, 0.8, 1.0], each {share}");
        faults.push(Fault::new(path, kind(value), expected));
        return Vec::new();
    };
    if list.len() > ALERTS_MAX {
        let expected = format!("at most {ALERTS_MAX} shares");
        faults.push(Fault::new(path, format!("{} shares", list.len()), expected));
        return Vec::new();
    }
    let mut shares: Vec<Share> = Vec::with_capacity(list.len());
    for (path, value) in items(path, value) {
        match (Share::read(value), shares.last()) {
            (None, _) => faults.push(Fault::new(path, kind(value), share)),
            (Some(it), Some(last)) if it <= *last => {
                let expected = format!("more than {last}, the share before it: shares rise");
                faults.push(Fault::new(path, it.to_string(), expected));
            }
            (Some(it), _) => shares.push(it),
        }
    }
    shares
}

#[cfg(test)]
mod tests;
