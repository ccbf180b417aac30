use policies::facts::Money;
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 6] = [
    "UTC",
    "Asia/Singapore",
    "Asia/Kolkata",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn calendar(window: Window, zone: &str, (month, day): (i8, i8)) -> Calendar {
    let timezone = TimeZone::get(zone).unwrap();
    let plain = config::Budget::plain(Money::ZERO, window, true, timezone);
    Calendar::of(&config::Budget { fiscal_year_start: MonthDay { month, day }, ..plain })
}

/// Windows by zone and first day of the year: a moment, the first one of its window, the first after it.
type Row = (Window, &'static str, (i8, i8), [&'static str; 3]);

#[rustfmt::skip]
const ROWS: [Row; 14] = [
    (Window::Hour, "UTC", (1, 1), ["2026-11-23T12:34:56Z", "2026-11-23T12:00Z", "2026-11-23T13:00Z"]),
    // An hour of India begins at half past in London.
    (Window::Hour, "Asia/Kolkata", (1, 1), ["2026-11-23T12:29:59Z", "2026-11-23T11:30Z", "2026-11-23T12:30Z"]),
    // The hour that comes twice is two hours.
    (Window::Hour, "America/New_York", (1, 1), ["2026-11-01T05:30Z", "2026-11-01T05:00Z", "2026-11-01T06:00Z"]),
    (Window::Hour, "America/New_York", (1, 1), ["2026-11-01T06:30Z", "2026-11-01T06:00Z", "2026-11-01T07:00Z"]),
    // At Lord Howe clocks change by half an hour: the hour of the change is an hour and a half.
    (Window::Hour, "Australia/Lord_Howe", (1, 1), ["2026-10-03T15:40Z", "2026-10-03T14:30Z", "2026-10-03T16:00Z"]),
    (Window::Hour, "Australia/Lord_Howe", (1, 1), ["2026-04-04T15:10Z", "2026-04-04T14:00Z", "2026-04-04T15:30Z"]),
    (Window::Quarter, "Asia/Singapore", (1, 1), ["2026-11-23T12:00Z", "2026-09-30T16:00Z", "2026-12-31T16:00Z"]),
    (Window::Quarter, "UTC", (4, 1), ["2026-03-31T23:59Z", "2026-01-01T00:00Z", "2026-04-01T00:00Z"]),
    (Window::Quarter, "UTC", (4, 1), ["2026-04-01T00:00Z", "2026-04-01T00:00Z", "2026-07-01T00:00Z"]),
    // A quarter that would begin on the 31st of a month that has none begins on its last day.
    (Window::Quarter, "UTC", (8, 31), ["2026-12-01T00:00Z", "2026-11-30T00:00Z", "2027-02-28T00:00Z"]),
    (Window::Quarter, "UTC", (8, 31), ["2027-08-30T00:00Z", "2027-05-31T00:00Z", "2027-08-31T00:00Z"]),
    (Window::Year, "UTC", (1, 1), ["2026-11-23T12:00Z", "2026-01-01T00:00Z", "2027-01-01T00:00Z"]),
    (Window::Year, "Asia/Kolkata", (4, 1), ["2026-03-31T18:29Z", "2025-03-31T18:30Z", "2026-03-31T18:30Z"]),
    (Window::Year, "America/New_York", (4, 1), ["2026-11-23T12:00Z", "2026-04-01T04:00Z", "2027-04-01T04:00Z"]),
];

#[test]
fn a_window_is_the_calendars() {
    for (window, zone, start, [moment, first, next]) in ROWS {
        let found = calendar(window, zone, start).bounds(at(moment));
        assert_eq!(found, (at(first), at(next)), "{window} of {moment} in {zone} from {start:?}");
    }
    assert_eq!(
        calendar(Window::Total, "UTC", (1, 1)).bounds(at("2026-11-23T12:00Z")).0,
        Timestamp::MIN
    );
}

#[test]
fn a_budget_is_told_by_its_fiscal_year_too() {
    assert_eq!(calendar(Window::Year, "UTC", (1, 1)).told(), "year");
    assert_eq!(calendar(Window::Year, "UTC", (4, 1)).told(), "year from 04-01");
}

proptest! {
    /// Windows contain their moment, and one begins where the one before it ends.
    #[test]
    fn windows_tile_time(
        zone in prop::sample::select(&ZONES[..]),
        window in prop::sample::select(Window::ALL),
        start in (1_i8..=12, 1_i8..=28),
        second in 0_i64..4_102_444_800,
    ) {
        let calendar = calendar(window, zone, start);
        let moment = Timestamp::from_second(second).unwrap();
        let (first, next) = calendar.bounds(moment);
        prop_assert!(first <= moment && moment < next);
        let ends = window != Window::Total;
        prop_assert_eq!(ends, (first, next) != (Timestamp::MIN, Timestamp::MAX));
        if ends {
            let nano = 1.nanosecond();
            prop_assert_eq!(calendar.bounds(first), (first, next));
            prop_assert_eq!(calendar.bounds(next - nano), (first, next));
            prop_assert_eq!(calendar.bounds(first - nano).1, first);
            prop_assert_eq!(calendar.bounds(next).0, next);
        }
    }

    /// The hours around each change of a clock, which a draw over a century would hardly meet.
    #[test]
    fn hours_tile_the_days_on_which_clocks_change(
        zone in prop::sample::select(&ZONES[..]),
        second in 0_i64..4_102_444_800,
        minutes in -180_i64..180,
    ) {
        let calendar = calendar(Window::Hour, zone, (1, 1));
        let moment = Timestamp::from_second(second).unwrap();
        let change = calendar.timezone.following(moment).next().map_or(moment, |it| it.timestamp());
        let moment = change + minutes.minutes();
        let (first, next) = calendar.bounds(moment);
        prop_assert!(first <= moment && moment < next);
        let length = next.duration_since(first).as_secs();
        prop_assert!((1_800..=2 * 3_600).contains(&length), "{first} {next}");
        prop_assert_eq!(calendar.bounds(first - 1.nanosecond()).1, first);
        prop_assert_eq!(calendar.bounds(next).0, next);
        prop_assert_eq!(calendar.bounds(next - 1.nanosecond()), (first, next));
    }
}
