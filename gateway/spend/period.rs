//! Moments and days as they are typed: `30d`, `yesterday`, `last-month`, a date, a moment. Pure: the present
//! and the time zone come in.

use jiff::{SignedDuration, Span, Timestamp, ZonedDateTime, civil, tz::TimeZone};

use super::Wrong;

/// Days that one question may reach over: a century and a little.
const DAYS_MAX: usize = 40_000;
/// What is said of a time that cannot be reckoned with.
pub(super) const BEYOND: &str = "it lies outside of the years that a calendar has: expected a time from 1970 \
     until now, such as 30d or 2026-11-01";

/// What is typed for a beginning or an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// So many minutes before now.
    Minutes(i64),
    /// So many days of the calendar before now, at the same time of day.
    Days(i64),
    /// A day counted from today: 0 is today, -1 yesterday.
    Day(i64),
    /// A month counted from this one.
    Month(i64),
    /// A date.
    Date(civil::Date),
    /// A time of day on a date, in the time zone of the question.
    Local(civil::DateTime),
    /// A moment that says its offset.
    Moment(Timestamp),
}

/// Time from a moment up to another one, which is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The beginning.
    pub(crate) from: Timestamp,
    /// The end.
    pub(crate) to: Timestamp,
    /// Whose days they are.
    pub(crate) zone: TimeZone,
}

/// A day of a window, or the part of it that the window has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    /// The date.
    pub(crate) date: civil::Date,
    /// The beginning.
    pub(crate) from: Timestamp,
    /// The end.
    pub(crate) to: Timestamp,
}

/// Reads a point.
pub(crate) fn point(text: &str) -> Result<Point, String> {
    let named = match text {
        "today" => Some(Point::Day(0)),
        "yesterday" => Some(Point::Day(-1)),
        "this-month" => Some(Point::Month(0)),
        "last-month" => Some(Point::Month(-1)),
        _ => back(text),
    };
    let date = || text.parse().ok().filter(|_| text.len() == 10).map(Point::Date);
    let moment = || text.parse().ok().map(Point::Moment);
    let local = || text.parse().ok().filter(|_| !text.ends_with(']')).map(Point::Local);
    named.or_else(date).or_else(moment).or_else(local).ok_or_else(|| {
        format!(
            "`{text}` is none of: a number and `m`, `h`, `d` or `w` such as 30d, today, yesterday, \
             this-month, last-month, a date such as 2026-11-01, a moment such as 2026-11-01T08:00 or \
             2026-11-01T08:00:00+08:00"
        )
    })
}

/// A number and a unit.
fn back(text: &str) -> Option<Point> {
    let unit = text.chars().next_back().filter(char::is_ascii)?;
    let digits = text.get(..text.len() - 1)?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // One that is too large for a number is one all the same, and beyond every calendar.
    let count = plain.then(|| digits.parse().unwrap_or(i64::MAX)).filter(|count| *count > 0)?;
    match unit {
        'm' => Some(Point::Minutes(count)),
        'h' => Some(Point::Minutes(count.saturating_mul(60))),
        'd' => Some(Point::Days(count)),
        'w' => Some(Point::Days(count.saturating_mul(7))),
        _ => None,
    }
}

impl Point {
    /// The moment at which it begins, as seen from now and there, which must have come.
    ///
    /// # Errors
    /// It has not come yet, or no calendar has it.
    pub(crate) fn past(self, now: &ZonedDateTime) -> Result<Timestamp, String> {
        let begin = self.begin(now).map_err(|_| BEYOND.to_owned())?;
        if begin <= now.timestamp() {
            return Ok(begin);
        }
        let zone = now.time_zone();
        let (begin, present) = (shown(begin, zone), shown(now.timestamp(), zone));
        Err(format!("{begin} has not come yet: it is {present} ({})", name_of(zone)))
    }

    /// The day that is typed, if one is.
    fn day(self, now: &ZonedDateTime) -> Option<civil::Date> {
        match self {
            Self::Date(date) => Some(date),
            Self::Day(days) => now.date().checked_add(Span::new().try_days(days).ok()?).ok(),
            _ => None,
        }
    }

    fn begin(self, now: &ZonedDateTime) -> Result<Timestamp, jiff::Error> {
        let zone = now.time_zone();
        let day = |days: i64| now.date().checked_add(Span::new().try_days(days)?);
        let month =
            |months: i64| now.date().first_of_month().checked_add(Span::new().try_months(months)?);
        Ok(match self {
            Self::Minutes(count) => {
                let back = SignedDuration::from_secs(count.saturating_mul(60));
                now.timestamp().checked_sub(back)?
            }
            Self::Days(count) => now.checked_sub(Span::new().try_days(count)?)?.timestamp(),
            Self::Day(days) => start_of(day(days)?, zone)?,
            Self::Month(months) => start_of(month(months)?, zone)?,
            Self::Date(date) => start_of(date, zone)?,
            Self::Local(at) => at.to_zoned_datetime(zone.clone())?.timestamp(),
            Self::Moment(at) => at,
        })
    }

    /// The moment at which it ends: a day or a month is meant to its end, and what has not come yet ends now.
    fn end(self, now: &ZonedDateTime) -> Result<Timestamp, jiff::Error> {
        let zone = now.time_zone();
        let end = match self {
            Self::Day(days) => Self::Day(days + 1).begin(now)?,
            Self::Month(months) => Self::Month(months + 1).begin(now)?,
            Self::Date(date) => start_of(date.tomorrow()?, zone)?,
            _ => self.begin(now)?,
        };
        Ok(end.min(now.timestamp()))
    }
}

/// The first moment of a day: not midnight where a clock that is put forward leaves it out.
fn start_of(date: civil::Date, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    Ok(date.to_zoned_datetime(zone.clone())?.start_of_day()?.timestamp())
}

/// A moment as it is shown there.
fn shown(at: Timestamp, zone: &TimeZone) -> String {
    let shown = at.to_zoned_datetime(zone.clone());
    let form = if shown.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    shown.strftime(form).to_string()
}

fn name_of(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// What is said of a time without a moment in it.
fn empty(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    let (begin, end, name) = (shown(from, zone), shown(to, zone), name_of(zone));
    let said = match begin == end {
        true => format!("the time begins and ends at {end} ({name}), and nothing lies in it"),
        false => format!("the time ends at {end} ({name}), before it begins at {begin}"),
    };
    format!("{said}: expected an end after the beginning")
}

impl Window {
    /// The time between two points.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub(crate) fn between(
        since: Point,
        until: Option<Point>,
        now: &ZonedDateTime,
    ) -> Result<Self, Wrong> {
        let from = since.past(now).map_err(|fault| Wrong::new("since", fault))?;
        let to = until.map_or(Ok(now.timestamp()), |it| it.end(now));
        let to = to.map_err(|_| Wrong::new("until", BEYOND))?;
        let zone = now.time_zone();
        if from >= to {
            let missing = since
                .day(now)
                .filter(|day| from == to && from.to_zoned_datetime(zone.clone()).date() > *day);
            return Err(match missing {
                // A place that has moved over the date line has left a whole day out.
                Some(day) => {
                    Wrong::new("since", format!("there was no {day} in {}", name_of(zone)))
                }
                None => Wrong::new("until", empty(from, to, zone)),
            });
        }
        if to <= Timestamp::UNIX_EPOCH {
            let to = shown(to, zone);
            return Err(Wrong::new("until", format!("{to}: expected an end after 1970")));
        }
        Ok(Self { from: from.max(Timestamp::UNIX_EPOCH), to, zone: zone.clone() })
    }

    /// A moment as it is shown.
    pub(crate) fn local(&self, at: Timestamp) -> String {
        shown(at, &self.zone)
    }

    /// The name of the time zone.
    pub(crate) fn zone_name(&self) -> &str {
        name_of(&self.zone)
    }

    /// The days of the window, in order: together they are the window. A day has 23 or 25 hours where clocks
    /// are changed.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn days(&self) -> Result<Vec<Day>, String> {
        let mut days = Vec::new();
        let mut date = self.from.to_zoned_datetime(self.zone.clone()).date();
        let mut from = self.from;
        while from < self.to {
            if days.len() == DAYS_MAX {
                return Err(format!("more than {DAYS_MAX} days"));
            }
            let next = date.tomorrow().map_err(|_| BEYOND)?;
            let end = start_of(next, &self.zone).map_err(|_| BEYOND)?;
            let to = end.min(self.to);
            // A place that has moved over the date line has left a whole day out.
            if to > from {
                days.push(Day { date, from, to });
            }
            (date, from) = (next, to.max(from));
        }
        Ok(days)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now(text: &str) -> ZonedDateTime {
        text.parse().unwrap()
    }

    fn between(
        since: &str,
        until: Option<&str>,
        now: &ZonedDateTime,
    ) -> Result<[String; 2], String> {
        let until = until.map(|it| point(it).unwrap());
        let window = Window::between(point(since).unwrap(), until, now)
            .map_err(|Wrong { parameter, fault }| format!("{parameter}: {fault}"))?;
        Ok([window.local(window.from), window.local(window.to)])
    }

    #[test]
    fn what_is_typed_is_meant_so() {
        let now = now("2026-11-29T16:05:07+08:00[Asia/Singapore]");
        let end = "2026-11-29 16:05:07";
        for (since, until, from, to) in [
            ("30d", None, "2026-10-30 16:05:07", end),
            ("24h", None, "2026-11-28 16:05:07", end),
            ("90m", None, "2026-11-29 14:35:07", end),
            ("2w", Some("1w"), "2026-11-15 16:05:07", "2026-11-22 16:05:07"),
            ("today", None, "2026-11-29 00:00", end),
            ("yesterday", None, "2026-11-28 00:00", end),
            ("yesterday", Some("yesterday"), "2026-11-28 00:00", "2026-11-29 00:00"),
            ("this-month", Some("this-month"), "2026-11-01 00:00", end),
            ("last-month", Some("last-month"), "2026-10-01 00:00", "2026-11-01 00:00"),
            ("2026-11-01", Some("2026-11-02"), "2026-11-01 00:00", "2026-11-03 00:00"),
            ("2026-11-01T08:30", Some("2026-11-01 09:00"), "2026-11-01 08:30", "2026-11-01 09:00"),
            ("2026-11-01T00:00:00Z", None, "2026-11-01 08:00", end),
            ("2026-11-01T08:00:00+09:00", None, "2026-11-01 07:00", end),
        ] {
            assert_eq!(between(since, until, &now), Ok([from.into(), to.into()]), "{since}");
        }
    }

    #[test]
    fn what_means_no_past_time_is_said() {
        let now = now("2026-11-29T16:05:07+00:00[UTC]");
        for (since, until, fault) in [
            (
                "2026-12-01",
                None,
                "since: 2026-12-01 00:00 has not come yet: it is 2026-11-29 16:05:07 (UTC)",
            ),
            (
                "2027-01-01",
                Some("2027-01-02"),
                "since: 2027-01-01 00:00 has not come yet: it is 2026-11-29 16:05:07 (UTC)",
            ),
            // Yesterday is meant to its end, which is where today begins.
            (
                "today",
                Some("yesterday"),
                "until: the time begins and ends at 2026-11-29 00:00 (UTC), and nothing lies in it: \
                 expected an end after the beginning",
            ),
            (
                "1h",
                Some("2h"),
                "until: the time ends at 2026-11-29 14:05:07 (UTC), before it begins at 2026-11-29 \
                 15:05:07: expected an end after the beginning",
            ),
            (
                "1960-01-01",
                Some("1965-01-01"),
                "until: 1965-01-02 00:00: expected an end after 1970",
            ),
        ] {
            assert_eq!(between(since, until, &now).unwrap_err(), fault, "{since}");
        }
    }

    #[test]
    fn what_no_calendar_has_is_said() {
        let now = now("2026-11-29T16:05:07+00:00[UTC]");
        // Samoa has moved over the date line.
        let apia = self::now("2012-01-05T00:00:00+14:00[Pacific/Apia]");
        let fault = between("2011-12-30", Some("2011-12-30"), &apia).unwrap_err();
        assert_eq!(fault, "since: there was no 2011-12-30 in Pacific/Apia");
        let beyond = |parameter: &str| Err(format!("{parameter}: {BEYOND}"));
        for since in ["99999999999999d", "999999999999m", "99999999999999999999d"] {
            assert_eq!(between(since, None, &now), beyond("since"));
            assert_eq!(between("30d", Some(since), &now), beyond("until"));
        }
        for text in
            ["", "d", "0d", "-3d", "+3d", "3", "3y", "3 d", "30dd", "Today", "2026-13-01", "é"]
        {
            assert!(point(text).unwrap_err().contains("is none of"), "{text}");
        }
        // What no calendar has room for is a fault, not a panic.
        for text in ["99999999999999999w", "9223372036854775807d", "9223372036854775807m"] {
            assert_eq!(point(text).unwrap().past(&now), Err(BEYOND.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_day_has_23_or_25_hours_where_clocks_change() {
        for (date, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)] {
            let now = now("2026-11-29T16:05:07+01:00[Europe/Berlin]");
            let only = point(date).unwrap();
            let days = Window::between(only, Some(only), &now).unwrap().days().unwrap();
            assert_eq!(days.len(), 1);
            assert_eq!(days[0].to.duration_since(days[0].from).as_hours(), hours, "{date}");
        }
        // Clocks that go from midnight to one leave the midnight out.
        let now = now("2019-01-01T00:00:00-02:00[America/Sao_Paulo]");
        let begin = point("2018-11-04").unwrap().begin(&now).unwrap();
        assert_eq!(begin.to_string(), "2018-11-04T03:00:00Z");
        // Samoa had no 30 December 2011.
        let now = self::now("2012-01-05T00:00:00+14:00[Pacific/Apia]");
        let since = point("2011-12-28").unwrap();
        let days = Window::between(since, None, &now).unwrap().days().unwrap();
        let dates: Vec<_> = days.iter().map(|day| day.date.to_string()).collect();
        assert_eq!(
            dates,
            [
                "2011-12-28",
                "2011-12-29",
                "2011-12-31",
                "2012-01-01",
                "2012-01-02",
                "2012-01-03",
                "2012-01-04"
            ]
        );
    }

    proptest! {
        /// The days are the window, without a gap and in order, and each moment lies in the day that a
        /// calendar there shows.
        #[test]
        fn the_days_are_the_window(
            zone in prop::sample::select(vec![
                "UTC", "Asia/Singapore", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe",
                "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca",
            ]),
            from in 1_200_000_000_i64..1_900_000_000,
            seconds in 1_i64..100 * 86_400,
            within in 0.0..1.0_f64,
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let at = |second| Timestamp::from_second(second).unwrap();
            let window = Window { from: at(from), to: at(from + seconds), zone: zone.clone() };
            let days = window.days().unwrap();
            prop_assert_eq!(days[0].from, window.from);
            prop_assert_eq!(days[days.len() - 1].to, window.to);
            for pair in days.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
                prop_assert!(pair[0].date < pair[1].date);
            }
            let moment = at(from + (seconds as f64 * within) as i64);
            let day = days.iter().find(|day| (day.from..day.to).contains(&moment)).unwrap();
            prop_assert_eq!(day.date, moment.to_zoned_datetime(zone).date());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9dhmwTZ:+. a-z]{0,24}") {
            let now: ZonedDateTime = "2026-11-29T16:05:07+08:00[Asia/Singapore]".parse().unwrap();
            if let Ok(point) = point(&text) {
                let _ = Window::between(point, Some(point), &now).map(|it| it.days());
            }
        }
    }
}
