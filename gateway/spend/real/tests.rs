//! A month of own machines, and what always holds of it.

use jiff::civil::Weekday;
use policies::facts::Money;
use proptest::prelude::*;

use super::*;
use crate::spend::{
    Answer, By, Form, Question,
    tests::{charges, sum, window},
};

const DAY_MS: i64 = 24 * HOUR_MS;
const RATES: [(&str, &str, &str, &str); 3] = [
    ("qwen3.5-397b", "31.20", "0.90", "6.00"),
    ("qwen3-coder-next", "8.40", "0.40", "3.00"),
    ("gpt-oss-20b", "2.10", "0.10", "0.40"),
];

fn machine(model: &str, per_hour_nano: i64, replicas: u32) -> Machines {
    Machines { model: model.into(), currency: "USD".into(), per_hour_nano, replicas }
}

/// What so many tokens of input and output are charged.
fn served(requests: u64, [input, output]: [u64; 2], rates: [&str; 2]) -> Charged {
    let [dear_in, dear_out] = rates.map(|it| i128::from(Money::parse(it).unwrap().nano()));
    let cost = i128::from(input) * dear_in + i128::from(output) * dear_out;
    let tokens = [input, 0, 0, output, 0];
    Charged { requests, tokens, cost_nano: cost / 1_000_000, ..Charged::default() }
}

/// What a ledger answers that has a month of three models: one is busy on working days, one at night too, one
/// hardly ever; on the sixteenth another replica is rented for the first.
pub(crate) fn month(by: &[By], team: Option<&str>) -> Answer {
    let window = window("2026-10-01", Some("2026-10-31"), "2026-11-02T09:00:00+00:00[UTC]");
    let from_ms = window.from.as_millisecond();
    let fleet = |at_ms, replicas: u32| HourlyFleet {
        since_ms: at_ms,
        machines: RATES
            .iter()
            .zip([replicas, 1, 1])
            .map(|((model, per_hour, ..), replicas)| {
                machine(model, Money::parse(per_hour).unwrap().nano(), replicas)
            })
            .collect(),
    };
    let fleets = [fleet(from_ms - DAY_MS, 1), fleet(from_ms + 15 * DAY_MS + HOUR_MS / 2, 2)];
    let days = window.days().unwrap();
    let days = parts(&days, &fleets).unwrap();
    let mut sums = Vec::new();
    for (span, part) in days.iter().enumerate() {
        let hour = (part.from.as_millisecond() / HOUR_MS) % 24;
        let weekend = matches!(part.date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let works = !weekend && (1..11).contains(&hour);
        for (busy, (model, _, dear_in, dear_out), team, tokens) in [
            (works, RATES[0], &["retail", "bank"][..], [11_000_000, 2_500_000]),
            (works, RATES[0], &["platform"], [4_000_000, 1_200_000]),
            (hour % 2 == 0, RATES[1], &["platform"], [9_000_000, 1_500_000]),
            (weekend && hour == 12, RATES[2], &["retail", "bank"], [400_000, 90_000]),
        ] {
            if busy {
                let charged = served(tokens[1] / 500, tokens, [dear_in, dear_out]);
                sums.push(sum(span, team, Some(model), charged));
            }
        }
    }
    let mut charges = charges(sums);
    let real = real(&mut charges, &days, &fleets);
    let (by, team) = (by.to_vec(), team.map(ToOwned::to_owned));
    let question = Question { window, by, team, focus: false, true_cost: true, configured: false };
    Answer { question, charges, real: Some(real), days, attended: true }
}

#[test]
fn a_month_costs_its_hours_whoever_asks() {
    // 15 days and half an hour of one replica, and two for the rest of 31 days.
    let hours = 31 * 24 * 2 - 15 * 24;
    let real = month(&[By::Model], None).report().real.unwrap()["USD"];
    assert_eq!(real.machine_ms, i128::from((hours + 2 * 31 * 24) * HOUR_MS - HOUR_MS / 2));
    let cents = i128::from(hours) * 3_120 - 1_560 + 31 * 24 * (840 + 210);
    assert_eq!(real.cost_nano, cents * 10_000_000);
    for by in [&[By::Team][..], &[By::Day], &[By::Day, By::Team, By::Model]] {
        let report = month(by, None).report();
        assert_eq!(report.real.as_ref().unwrap()["USD"], real);
        let mut rows = Real::default();
        report.rows.iter().for_each(|row| rows.add(&row.real));
        assert_eq!(rows, real);
    }
    // A team has no part in hours that served nobody.
    let of_team = month(&[By::Model], Some("bank")).report();
    assert!(of_team.rows.iter().all(|row| row.charged.requests > 0));
}

#[test]
fn every_form_says_what_a_month_really_cost() {
    let text = month(&[By::Model], None).document(Form::Csv).unwrap();
    let mut lines = text.lines();
    let heading = lines.next().unwrap();
    assert!(
        heading.ends_with(
            ",cost,currency,share_percent,gpu_hours,real_cost,real_per_mtok,idle_cost,\
             idle_percent,list_cost,list_per_mtok"
        ),
        "{heading}"
    );
    let first = lines.next().unwrap();
    assert!(first.starts_with("qwen3.5-397b,") && first.contains(",1127.500,35178,"), "{first}");
    let text = month(&[By::Model], None).document(Form::Json).unwrap();
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["rows"][0]["gpu_hours"], "1127.500");
    assert_eq!(said["rows"][0]["real_cost"], "35178");
    let csv = |column: usize| first.split(',').nth(column).unwrap().to_owned();
    for (name, column) in
        [("real_per_mtok", 12), ("idle_cost", 13), ("list_cost", 15), ("list_per_mtok", 16)]
    {
        assert_eq!(said["rows"][0][name], csv(column), "{name}");
    }
    // 35178 for 4114 million tokens.
    assert_eq!(said["rows"][0]["real_per_mtok"], "8.550802139");
    assert!(said["sums"][0]["real_per_mtok"].is_string());
    assert_eq!(said["sums"][0]["gpu_hours"], "2615.500");
}

#[test]
fn tokens_without_a_rate_share_by_their_number_and_hours_without_a_price_cost_their_charge() {
    let window = window("2026-10-01", Some("2026-10-01"), "2026-11-02T09:00:00+00:00[UTC]");
    let from_ms = window.from.as_millisecond();
    let fleets =
        [HourlyFleet { since_ms: from_ms + HOUR_MS, machines: vec![machine("m", 100, 1)] }];
    let days = parts(&window.days().unwrap(), &fleets).unwrap();
    assert_eq!(days.len(), 24);
    let free = |span, team, tokens| {
        let charged = Charged { requests: 1, tokens: [tokens, 0, 0, 0, 0], ..Charged::default() };
        sum(span, &[team], Some("m"), charged)
    };
    let paid = Charged { requests: 1, cost_nano: 70, ..Charged::default() };
    let mut all = charges(vec![
        free(1, "a", 1),
        free(1, "b", 2),
        sum(0, &["a"], Some("m"), paid),
        sum(1, &["a"], Some("other"), paid),
        sum(1, &["a"], None, paid),
    ]);
    let reals = real(&mut all, &days, &fleets);
    let of = |span, team: &str, model: Option<&str>| {
        let at = all.sums.iter().position(|it| {
            it.span == span && it.labels.teams[0] == team && it.labels.model.as_deref() == model
        });
        let real = reals[at.unwrap()];
        (real.cost_nano, real.idle_nano)
    };
    assert_eq!((of(1, "a", Some("m")), of(1, "b", Some("m"))), ((33, 33), (67, 67)));
    assert_eq!(of(0, "a", Some("m")), (70, 0), "nobody paid by the hour then");
    assert_eq!((of(1, "a", Some("other")), of(1, "a", None)), ((70, 0), (70, 0)));
    // No list has the model: only what has no tokens costs nothing there.
    let list = |tokens: u64| {
        let at = all.sums.iter().position(|it| it.charged.tokens[0] == tokens);
        reals[at.unwrap()].list_nano()
    };
    assert_eq!((list(1), list(0)), (None, Some(0)));
    assert!(parts(&[Day { from: Timestamp::UNIX_EPOCH, ..days[0].clone() }], &[]).is_err());
}

#[test]
fn the_list_is_rounded_once_and_idle_is_all_only_where_it_is() {
    let price = Price { input: Money::from_nano(200_000), ..Price::default() };
    // Three tokens cost 0.6 nano-units; each by itself would have been rounded up to one.
    let one = Real { list_parts: Some(at_list([1, 0, 0, 0, 0], price)), ..Real::default() };
    let mut all = Real::default();
    for _ in 0..3 {
        all.add(&one);
    }
    assert_eq!((one.list_nano(), all.list_nano()), (Some(1), Some(1)));
    all.add(&Real { list_parts: None, ..Real::default() });
    assert_eq!(all.list_nano(), None);
    let idle = |idle_nano, cost_nano| Real { idle_nano, cost_nano, ..Real::default() }.idle_share();
    assert_eq!([idle(9_999, 10_000), idle(10_000, 10_000), idle(0, 0)], [999, 1_000, 0]);
    assert_eq!([idle(1_500, 2_000_000), idle(999, 2_000_000), idle(-5, 10)], [1, 0, 0]);
}

#[test]
fn a_million_tokens_cost_what_all_of_them_do_in_proportion() {
    let real = |cost_nano, list_parts| Real { cost_nano, list_parts, ..Real::default() };
    let of = |cost_nano, tokens, step| real(cost_nano, None).per_mtok(tokens, step);
    assert_eq!(of(5, 0, 1), None, "hours that served nobody have no price a token");
    assert_eq!(of(0, 7, 1), Some(0));
    // Two thirds of a unit, and half of a step.
    assert_eq!(
        [of(2, 3_000_000, 1), of(1, 3_000_000, 1), of(1, 2_000_000, 1)].map(Option::unwrap),
        [1, 0, 1]
    );
    assert_eq!(of(8_550_802_139, 1_000_000, 100_000), Some(8_550_800_000));
    assert_eq!(of(150_000, 1_000_000, 100_000), Some(200_000));
    assert_eq!(of(149_999, 1_000_000, 100_000), Some(100_000), "rounded once");
    let listed = real(0, Some(600_000 * 3));
    assert_eq!((listed.list_per_mtok(3, 1), listed.list_per_mtok(0, 1)), (Some(600_000), None));
    assert_eq!(real(1, None).list_per_mtok(3, 1), None);
}

proptest! {
    /// A price a token is what all of them cost by their number, to half of a step.
    #[test]
    fn a_price_a_token_is_within_half_a_step(
        cost_nano in 0..i128::from(u64::MAX),
        tokens in 1..u64::MAX,
        step in prop_oneof![Just(1_i128), Just(100_000), Just(1_000_000_000)],
    ) {
        let real = Real { cost_nano, ..Real::default() };
        let said = real.per_mtok(tokens, step).unwrap();
        let off = said * i128::from(tokens) - cost_nano * MTOK;
        prop_assert_eq!(said % step, 0);
        prop_assert!(2 * off.abs() <= step * i128::from(tokens));
    }

    /// The parts of a total are the total, and each is what is due to it, to less than one.
    #[test]
    fn what_is_spread_adds_up(
        total in 0..i128::MAX,
        small in any::<bool>(),
        weights in prop::collection::vec(prop_oneof![0..10_u128, any::<u128>()], 0..12),
    ) {
        let total = if small { total % 1_000 } else { total };
        match spread(total, &weights) {
            None => prop_assert!(weights.iter().all(|it| *it == 0)),
            Some(parts) => {
                prop_assert_eq!(parts.iter().sum::<i128>(), total);
                prop_assert!(parts.iter().all(|part| *part >= 0));
                let sum: u128 = weights.iter().fold(0, |sum, it| sum.saturating_add(*it));
                if sum < 1 << 58 && total < 1 << 60 {
                    for (part, weight) in parts.iter().zip(&weights) {
                        let due = total * weight.cast_signed();
                        prop_assert!((part * sum.cast_signed() - due).abs() < sum.cast_signed());
                    }
                }
            }
        }
    }

    /// However hours are cut, their parts come to their price; what is idle is what no charge has covered.
    #[test]
    fn an_hour_costs_its_price_however_it_is_cut(
        cuts in prop::collection::btree_set(0..3 * HOUR_MS, 0..6),
        per_hour in prop_oneof![1..1_000_i64, Just(i64::MAX)],
        replicas in prop_oneof![1..9_u32, Just(u32::MAX)],
        costs in prop::collection::vec(
            (0..8_usize, prop_oneof![0..2_000_i128, Just(i128::from(i64::MAX))]),
            0..9,
        ),
    ) {
        let window = window("2026-10-01", Some("2026-10-01"), "2026-10-01T03:00:00+00:00[UTC]");
        let from_ms = window.from.as_millisecond();
        let machines = vec![machine("m", per_hour, replicas)];
        let fleet = |since_ms| HourlyFleet { since_ms, machines: machines.clone() };
        let mut fleets = vec![fleet(0)];
        fleets.extend(cuts.iter().map(|cut| fleet(from_ms + cut)));
        let days = parts(&window.days().unwrap(), &fleets).unwrap();
        let sums = costs.iter().map(|(span, cost_nano)| {
            let charged = Charged { requests: 1, cost_nano: *cost_nano, ..Charged::default() };
            sum(span % days.len(), &["t"], Some("m"), charged)
        });
        let mut all = charges(sums.collect());
        let reals = real(&mut all, &days, &fleets);
        let mut whole = Real::default();
        reals.iter().for_each(|it| whole.add(it));
        let hour = i128::from(per_hour) * i128::from(replicas);
        prop_assert_eq!(whole.cost_nano, 3 * hour);
        prop_assert_eq!(whole.machine_ms, i128::from(3 * HOUR_MS) * i128::from(replicas));
        prop_assert_eq!(all.sums.len(), reals.len());
        prop_assert!(reals.iter().all(|it| it.cost_nano >= 0 && (0..=it.cost_nano).contains(&it.idle_nano)));
        for (span, part) in days.iter().enumerate() {
            let of = all.sums.iter().zip(&reals).filter(|(sum, _)| sum.span == span);
            let (charged, idle) = of.fold((0, 0), |(charged, idle), (sum, real)| {
                (charged + sum.charged.cost_nano, idle + real.idle_nano)
            });
            let (cost, _) = price(&machines[0], part);
            if charged < 1 << 58 {
                prop_assert_eq!(idle, (cost - charged).max(0));
            }
        }
    }
}
