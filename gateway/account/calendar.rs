//! When the windows of a budget begin and end: by the calendar of its time zone, without gap or overlap.

use std::borrow::Cow;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use policies::facts::Window;

use crate::config::{self, MonthDay};

/// How long the windows of a budget are, and by which calendar they begin.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Calendar {
    /// How long each of them is.
    pub window: Window,
    /// The zone whose clocks say when one begins.
    pub timezone: TimeZone,
    /// The first day of the year of which quarters and years are.
    fiscal_year_start: MonthDay,
}

/// The first moment of the longest of the windows that run, if there is any.
pub(crate) fn earliest<'a>(
    budgets: impl Iterator<Item = &'a config::Budget>,
    at: Timestamp,
) -> Option<Timestamp> {
    budgets.map(|it| Calendar::of(it).bounds(at).0).min()
}

impl Calendar {
    /// The calendar of a budget as it is stated.
    pub(super) fn of(config: &config::Budget) -> Self {
        let config::Budget { window, timezone, fiscal_year_start, .. } = config;
        let (timezone, fiscal_year_start) = (timezone.clone(), *fiscal_year_start);
        Self { window: *window, timezone, fiscal_year_start }
    }

    /// The name of the time zone.
    pub(super) fn zone(&self) -> &str {
        self.timezone.iana_name().unwrap_or("UTC")
    }

    /// The window's name, with the first day of its year where that is another one than the calendar's: what
    /// tells it from others of its owner, together with the zone.
    pub(super) fn told(&self) -> Cow<'static, str> {
        let code = self.window.code();
        if self.fiscal_year_start == MonthDay::default() {
            return Cow::Borrowed(code);
        }
        Cow::Owned(format!("{code} from {}", self.fiscal_year_start))
    }

    /// How far a clock may be set back behind the beginning of a window without bringing back the one before.
    pub(super) fn slack(&self) -> jiff::Span {
        if self.window == Window::Hour { 1.hour() } else { 24.hours() }
    }

    /// The window around a moment: from its first instant to past its last.
    pub(super) fn bounds(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        let (first, next) = match self.window {
            Window::Hour => (self.hour_begins(at), self.hour_ends(at)),
            _ => {
                let (first, next) = self.days(self.timezone.to_datetime(at).date());
                (self.midnight(first), self.midnight(next))
            }
        };
        (first.unwrap_or(Timestamp::MIN), next.unwrap_or(Timestamp::MAX))
    }

    /// The first day of the window of this day, and the first day after it.
    fn days(&self, today: Date) -> (Option<Date>, Option<Date>) {
        match self.window {
            Window::Hour | Window::Day => (Some(today), today.tomorrow().ok()),
            Window::Week => {
                let back = i64::from(today.weekday().to_monday_zero_offset());
                let first = today.checked_sub(back.days()).ok();
                (first, first.and_then(|first| first.checked_add(7.days()).ok()))
            }
            Window::Month => {
                let first = today.first_of_month();
                (Some(first), first.checked_add(1.month()).ok())
            }
            Window::Quarter => {
                let year = self.year_of(today);
                let begins = |months: i32| year?.checked_add(months.months()).ok();
                let begun = |months: &i32| begins(*months).is_some_and(|first| first <= today);
                let months = [9, 6, 3].into_iter().find(begun).unwrap_or(0);
                (begins(months), begins(months + 3))
            }
            Window::Year => {
                let first = self.year_of(today);
                (first, first.and_then(|first| first.checked_add(1.year()).ok()))
            }
            Window::Total => (None, None),
        }
    }

    /// The first day of the year, calendar or fiscal, in which a day is.
    fn year_of(&self, today: Date) -> Option<Date> {
        let MonthDay { month, day } = self.fiscal_year_start;
        let in_year = |year: i16| Date::new(year, month, day).ok();
        let this = in_year(today.year()).filter(|first| *first <= today);
        this.or_else(|| in_year(today.year().checked_sub(1)?))
    }

    fn midnight(&self, date: Option<Date>) -> Option<Timestamp> {
        self.timezone.to_timestamp(date?.to_datetime(Time::midnight())).ok()
    }

    /// The last moment, up to this one, at which the zone's clocks began an hour. Where they change by a part
    /// of an hour, the hour of the change is longer or shorter by that.
    fn hour_begins(&self, at: Timestamp) -> Option<Timestamp> {
        let mut at = at;
        loop {
            let begins = at.checked_sub(into_hour(self.local(at))).ok()?;
            let mut changes = self.timezone.preceding(at.checked_add(1.nanosecond()).ok()?);
            let Some(change) = changes.next().map(|it| it.timestamp()).filter(|it| *it > begins)
            else {
                return Some(begins);
            };
            at = change.checked_sub(1.nanosecond()).ok()?;
        }
    }

    /// The first moment behind this one at which the zone's clocks begin an hour.
    fn hour_ends(&self, at: Timestamp) -> Option<Timestamp> {
        let mut at = at;
        loop {
            let ends =
                at.checked_sub(into_hour(self.local(at))).ok()?.checked_add(1.hour()).ok()?;
            let change = self.timezone.following(at).next().map(|it| it.timestamp());
            let Some(change) = change.filter(|it| *it <= ends) else { return Some(ends) };
            if into_hour(self.local(change)).is_zero() {
                return Some(change);
            }
            at = change;
        }
    }

    fn local(&self, at: Timestamp) -> DateTime {
        self.timezone.to_datetime(at)
    }
}

/// How long ago the hour began, as the clocks stand now.
fn into_hour(local: DateTime) -> jiff::SignedDuration {
    let seconds = i64::from(local.minute()) * 60 + i64::from(local.second());
    jiff::SignedDuration::new(seconds, local.subsec_nanosecond())
}

#[cfg(test)]
mod tests;
