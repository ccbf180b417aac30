//! The statistics on experiments of which the truth is known: how often they say what is not so, and how
//! often what is. Each says its figure and the bar in one line; `tests/run` shows them. A tenth of the
//! experiments are simulated unless all are asked for.

#![allow(clippy::print_stdout, reason = "the figures are what is wanted")]

use std::{num::NonZero, thread};

use super::super::*;
use crate::experiment::stats::{shares_are_ok, sizes};

const ALPHA: f64 = 0.05;
/// Units between two looks.
const LOOK_EVERY: u64 = 100;

/// Numbers in [0, 1) that are the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x5851_f42d_4c95_7f2d))
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One, as often as this says; else nothing.
    fn rate(&mut self, rate: f64) -> f64 {
        f64::from(u8::from(self.next() < rate))
    }

    /// A standard normal number (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.next().max(1e-300), self.next());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    fn exponential(&mut self) -> f64 {
        -self.next().max(1e-300).ln()
    }
}

fn is_full() -> bool {
    std::env::var_os("SIGNALBOX_TEST_FULL").is_some()
}

/// How many experiments are simulated.
fn runs() -> u64 {
    if is_full() { 1_000 } else { 100 }
}

/// The share of experiments that may err. Of 100 experiments with a true 5 % more than ten do in one of 35
/// runs.
fn err_max() -> f64 {
    if is_full() { ALPHA } else { 2.0 * ALPHA }
}

/// How many of so many simulated experiments are each of these, on all cores.
fn count<const N: usize>(runs: u64, one: impl Fn(u64) -> [bool; N] + Sync) -> [f64; N] {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let part = |first: usize| {
        let seeds = (first as u64..runs).step_by(threads);
        seeds.fold([0_u32; N], |sums, seed| {
            let found = one(seed);
            std::array::from_fn(|at| sums[at] + u32::from(found[at]))
        })
    };
    let sums = thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads).map(|at| scope.spawn(move || part(at))).collect();
        spawned.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
    });
    let all = |at: usize| sums.iter().map(|it| f64::from(it[at])).sum::<f64>();
    std::array::from_fn(|at| all(at) / runs as f64)
}

/// Says a figure beside its bar.
fn said(what: &str, runs: u64, figure: f64, words: &str, bar: &str) {
    println!("simulated {what}: {runs} runs, {:.1} % {words}; bar {bar}", 100.0 * figure);
}

/// An experiment with two arms.
#[derive(Clone, Copy)]
struct Simulated {
    units: u64,
    /// The share of the arm that is no control.
    share: f64,
}

/// What was seen of an experiment at its looks: a significant one, and an interval that leaves the truth out.
#[derive(Default)]
struct Ever {
    significant: bool,
    missed: bool,
}

impl Ever {
    fn look(&mut self, running: &mut Running, options: &Options, truth: f64) {
        running.look(options);
        let look = &running.held[0];
        self.significant |= look.significant;
        let is_out = |(low, high): (f64, f64)| truth < low || high < truth;
        self.missed |= look.low.zip(look.high).is_some_and(is_out);
    }
}

impl Simulated {
    fn options(self) -> Options {
        let shares = vec![("a".to_owned(), 1.0 - self.share), ("b".to_owned(), self.share)];
        Options { alpha: ALPHA, shares, ..Options::default() }
    }

    /// The share of experiments that are ever significant, and of those with an interval somewhere that
    /// leaves the true difference out.
    fn ever(self, draw: impl Fn(&mut Numbers, bool) -> f64 + Sync, truth: f64) -> [f64; 2] {
        let options = self.options();
        count(runs(), |seed| {
            let (mut numbers, mut ever) = (Numbers::of(seed), Ever::default());
            let mut running = Running::new(None, &options);
            for unit in 1..=self.units {
                let is_arm = numbers.next() < self.share;
                let value = draw(&mut numbers, is_arm);
                // No unit comes again, so that none has to be known.
                running.arms[usize::from(is_arm)].moments.add(value);
                if unit % LOOK_EVERY == 0 {
                    ever.look(&mut running, &options, truth);
                }
            }
            [ever.significant, ever.missed]
        })
    }

    /// The same where each unit has twenty lines, whose order `unit_of` says, and arms that do not differ.
    fn twenty_lines(
        self,
        unit_of: impl Fn(&mut Numbers, u64) -> u64 + Sync,
        own: impl Fn(&mut Numbers) -> f64 + Sync,
    ) -> f64 {
        let options = self.options();
        let [significant] = count(runs(), |seed| {
            let (mut numbers, mut ever) = (Numbers::of(seed), Ever::default());
            let mut running = Running::new(None, &options);
            let arms: Vec<_> = (0..self.units).map(|_| numbers.next() < self.share).collect();
            let rates: Vec<_> = (0..self.units).map(|_| own(&mut numbers)).collect();
            let names: Vec<_> = (0..self.units).map(|unit| unit.to_string()).collect();
            for line in 0..20 * self.units {
                let unit = unit_of(&mut numbers, line) as usize;
                let row = Row {
                    line: line + 1,
                    experiment: None,
                    unit: names[unit].as_str().into(),
                    arm: if arms[unit] { "b" } else { "a" }.into(),
                    value: numbers.rate(rates[unit]),
                };
                running.take(&row, &options).unwrap();
                if (line + 1) % LOOK_EVERY == 0 {
                    ever.look(&mut running, &options, 0.0);
                }
            }
            [ever.significant]
        });
        significant
    }
}

/// Draws the value of a unit of either arm.
type DrawAlike = fn(&mut Numbers) -> f64;

#[test]
fn arms_that_do_not_differ_are_seldom_found_to_differ_at_any_look() {
    let kinds: [(&str, DrawAlike); 6] = [
        ("rate 0.05", |it| it.rate(0.05)),
        ("rate 0.5", |it| it.rate(0.5)),
        ("rate 0.9", |it| it.rate(0.9)),
        ("exponential cost", Numbers::exponential),
        ("lognormal cost", |it| it.normal().exp()),
        ("lognormal cost, heavy", |it| (1.5 * it.normal()).exp()),
    ];
    for share in [0.5, 0.1] {
        for (kind, draw) in kinds {
            let it = Simulated { units: if is_full() { 10_000 } else { 2_000 }, share };
            let [significant, _] = it.ever(|numbers, _| draw(numbers), 0.0);
            let what = format!("A/A, {kind}, {share} in the arm, {} units", it.units);
            said(&what, runs(), significant, "ever significant", "at most 5 %");
            assert!(significant <= err_max(), "{what}: {significant}");
        }
    }
}

#[test]
fn a_true_difference_is_found_within_twice_the_units_of_a_single_look() {
    let (effect, variances) = (0.05, (0.5 * 0.5, 0.55 * 0.45));
    let fixed = 2.0 * sizes(effect, variances, ALPHA, 0.8).unwrap().fixed;
    for (times, least) in [(1.8, 0.8), (2.0, 0.8)] {
        let it = Simulated { units: (times * fixed).floor() as u64, share: 0.5 };
        let draw = |numbers: &mut Numbers, is_arm| numbers.rate(if is_arm { 0.55 } else { 0.5 });
        let [found, _] = it.ever(draw, effect);
        let what = format!("power, 0.50 → 0.55 within {times:.1} × {fixed:.0} units");
        said(&what, runs(), found, "found", "at least 80 % within 2.0 ×");
        let least = if times < 2.0 && !is_full() { 0.7 } else { least };
        assert!(found >= least, "{what}: {found}");
    }
}

/// Draws the value of a unit of the arm, or of the control.
type Draw = fn(&mut Numbers, bool) -> f64;

#[test]
fn every_interval_at_every_look_holds_the_true_difference() {
    let kinds: [(&str, f64, f64, Draw); 4] = [
        ("0.50 → 0.55", 0.5, 0.05, |it, arm| it.rate(if arm { 0.55 } else { 0.5 })),
        ("0.05 → 0.10", 0.5, 0.05, |it, arm| it.rate(if arm { 0.10 } else { 0.05 })),
        ("0.90 → 0.95", 0.2, 0.05, |it, arm| it.rate(if arm { 0.95 } else { 0.9 })),
        ("exponential cost 1.0 → 1.3", 0.5, 0.3, |it, arm| {
            it.exponential() * if arm { 1.3 } else { 1.0 }
        }),
    ];
    for (kind, share, truth, draw) in kinds {
        let it = Simulated { units: 6_200, share };
        let [_, missed] = it.ever(draw, truth);
        let what = format!("coverage, {kind}, {share} in the arm");
        said(&what, runs(), 1.0 - missed, "hold it at every look", "at least 95 %");
        assert!(missed <= err_max(), "{what}: {missed}");
    }
}

#[test]
fn twenty_lines_of_a_unit_inflate_nothing() {
    let it = Simulated { units: 1_000, share: 0.5 };
    let in_turn = |_: &mut Numbers, line: u64| line / 20;
    let back = |numbers: &mut Numbers, _| (numbers.next() * 1_000.0) as u64;
    for (what, significant) in [
        ("all the same, one unit after the other", it.twenty_lines(in_turn, |it| it.rate(0.5))),
        ("all the same, units come back", it.twenty_lines(back, |it| it.rate(0.5))),
        ("a rate for each unit, units come back", it.twenty_lines(back, Numbers::next)),
    ] {
        let what = format!("20 lines a unit, {what}");
        said(&what, runs(), significant, "ever significant", "at most 5 %");
        assert!(significant <= err_max(), "{what}: {significant}");
    }
}

#[test]
fn units_that_do_not_fall_in_their_shares_are_found() {
    let found = |share: f64| {
        let [found] = count(runs(), |seed| {
            let (mut numbers, mut test) = (Numbers::of(seed), ShareTest::default());
            let mut units = [0.0; 2];
            for unit in 1..=100_000_u64 {
                units[usize::from(numbers.next() < share)] += 1.0;
                if unit % LOOK_EVERY == 0 {
                    test.look(units.into_iter().map(|it| (it, 0.5)));
                }
            }
            [!shares_are_ok(test.p())]
        });
        found
    };
    let (right, wrong) = (found(0.5), found(0.51));
    let what = "shares at 100,000 units";
    said(&format!("{what}, 0.5 of 0.5"), runs(), right, "ever found", "none at exact shares");
    said(&format!("{what}, 0.51 of 0.5"), runs(), wrong, "found", "found");
    // The test errs once in a thousand experiments, looked at a thousand times each.
    assert!(right <= 0.002 && wrong >= 0.95, "{right} {wrong}");
    let mut exact = ShareTest::default();
    (1..=1_000)
        .for_each(|at| exact.look([0.5; 2].into_iter().map(|it| (50.0 * f64::from(at), it))));
    assert_eq!(exact.p(), 1.0);
}
