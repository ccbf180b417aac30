use proptest::prelude::*;

use super::*;

fn options() -> Options {
    Options { alpha: 0.05, ..Options::default() }
}

fn read(options: Options, lines: &[&str]) -> Result<Vec<Look>, RowFault> {
    let mut evaluation = Evaluation::new(options);
    let mut looks = Vec::new();
    for (number, line) in (1..).zip(lines) {
        looks.extend(evaluation.read(number, line)?);
    }
    looks.extend(evaluation.end()?);
    Ok(looks)
}

fn line(unit: u64, arm: &str, value: f64) -> String {
    format!(r#"{{"unit":"u{unit}","arm":"{arm}","value":{value}}}"#)
}

/// Numbers in [0, 1) that are the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn a_look_every_so_many_lines_and_one_at_the_end() {
    let lines: Vec<_> = (0..7).map(|at| line(at, ["a", "b"][at as usize % 2], 1.0)).collect();
    for (count, every, expected) in [
        (7, Some(3), vec![(1, false), (2, false), (3, true)]),
        (6, Some(3), vec![(1, false), (2, true)]),
        (2, Some(3), vec![(1, true)]),
        (7, None, vec![(1, true)]),
    ] {
        let lines: Vec<_> = lines.iter().take(count).map(String::as_str).collect();
        let looks = read(Options { look_every: every, ..options() }, &lines).unwrap();
        let seen: Vec<_> = looks.iter().map(|it| (it.look, it.is_final)).collect();
        assert_eq!(seen, expected, "{count} {every:?}");
    }
    assert_eq!(read(options(), &[]), Ok(Vec::new()));
}

#[test]
fn experiments_mixed_in_one_file_are_told_apart() {
    let line = |experiment: &str, unit: u64, arm: &str| {
        format!(r#"{{"experiment":"{experiment}","unit":{unit},"arm":"{arm}","value":true}}"#)
    };
    let lines = [line("x", 1, "a"), line("y", 1, "c"), line("x", 2, "b"), line("y", 2, "d")];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let looks = read(options(), &lines).unwrap();
    let named: Vec<_> =
        looks.iter().map(|it| (it.experiment.as_deref(), it.arm.as_deref())).collect();
    assert_eq!(named, [(Some("x"), Some("b")), (Some("y"), Some("d"))]);
    assert_eq!(looks[0].units, Counts(vec![("a".into(), 1), ("b".into(), 1)]));
    let json = serde_json::to_string(&looks[0]).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"experiment":"x","look":1,"units":{"a":1,"b":1},"arm":"b","control":"a","#,
            r#""difference":0.0,"low":null,"high":null,"significant":false,"srm_p":1.0,"final":true}"#
        )
    );
}

#[test]
fn a_fault_names_line_and_field() {
    let good = line(1, "a", 1.0);
    for (bad, field) in [
        ("[]", ""),
        ("7", ""),
        ("{", ""),
        (r#"{"arm":"b","value":1}"#, "unit"),
        (r#"{"unit":null,"arm":"b","value":1}"#, "unit"),
        (r#"{"unit":"","arm":"b","value":1}"#, "unit"),
        (r#"{"unit":1.5,"arm":"b","value":1}"#, "unit"),
        (r#"{"unit":["u"],"arm":"b","value":1}"#, "unit"),
        (r#"{"unit":"u","value":1}"#, "arm"),
        (r#"{"unit":"u","arm":true,"value":1}"#, "arm"),
        (r#"{"unit":"u","arm":"b"}"#, "value"),
        (r#"{"unit":"u","arm":"b","value":null}"#, "value"),
        (r#"{"unit":"u","arm":"b","value":"1"}"#, "value"),
        (r#"{"unit":"u","arm":"b","value":1e400}"#, ""),
        (r#"{"unit":"u","arm":"b","value":1e300}"#, "value"),
        (r#"{"unit":"u","arm":"b","value":NaN}"#, ""),
        (r#"{"unit":"u","unit":"u","arm":"b","value":1}"#, ""),
        (r#"{"experiment":{},"unit":"u","arm":"b","value":1}"#, "experiment"),
        (r#"{"unit":"u1","arm":"b","value":1}"#, "unit"),
    ] {
        let fault = read(options(), &[&good, bad]).unwrap_err();
        let fields = if field.is_empty() { vec!["", "value"] } else { vec![field] };
        assert!(fault.line == 2 && fields.contains(&fault.field), "{bad}: {fault}");
    }
}

#[test]
fn the_control_is_the_named_one_or_it_is_missed() {
    let lines = [line(1, "a", 1.0), line(2, "b", 0.0)];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let with = |control: Option<&str>, shares: &[(&str, f64)]| Options {
        control: control.map(str::to_owned),
        shares: shares.iter().map(|(arm, share)| ((*arm).to_owned(), *share)).collect(),
        ..options()
    };
    let arms = |options| {
        let looks = read(options, &lines).unwrap();
        (looks[0].arm.clone().unwrap(), looks[0].control.clone().unwrap(), looks[0].difference)
    };
    assert_eq!(arms(with(None, &[])), ("b".into(), "a".into(), Some(-1.0)));
    assert_eq!(arms(with(Some("b"), &[])), ("a".into(), "b".into(), Some(1.0)));
    assert_eq!(arms(with(None, &[("b", 0.5), ("a", 0.5)])), ("a".into(), "b".into(), Some(1.0)));
    for options in [with(Some("c"), &[]), with(None, &[("c", 0.2), ("a", 0.4), ("b", 0.4)])] {
        let fault = read(options, &lines).unwrap_err();
        assert_eq!((fault.line, fault.field), (2, "arm"), "{fault}");
    }
    let fault = read(with(None, &[("a", 1.0)]), &lines).unwrap_err();
    assert_eq!((fault.line, fault.field), (2, "arm"), "{fault}");
}

#[test]
fn several_lines_of_a_unit_are_one_unit_with_their_mean() {
    let lines = [
        line(1, "a", 1.0),
        line(2, "b", 4.0),
        line(1, "a", 3.0),
        line(2, "b", 4.0),
        line(3, "a", 5.0),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let looks = read(options(), &lines).unwrap();
    assert_eq!(looks[0].units, Counts(vec![("a".into(), 2), ("b".into(), 1)]));
    // (1 + 3) / 2 and 5 are 3.5 in the mean.
    assert_eq!(looks[0].difference, Some(0.5));
}

/// Draws the value of a unit.
type Draw = fn(&mut Numbers) -> f64;

/// How often experiments of so many units are ever significant, looked at after every 100 units.
struct Simulated {
    experiments: u64,
    units: u64,
    share: f64,
    /// Lines of a unit.
    lines: u64,
}

impl Simulated {
    /// The share of experiments with a significant look, and of those with an interval somewhere that leaves
    /// the true difference out.
    fn ever(&self, draw: impl Fn(&mut Numbers, bool) -> f64, truth: f64) -> (f64, f64) {
        let (mut significant, mut missed) = (0, 0);
        for seed in 0..self.experiments {
            let mut numbers = Numbers(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
            let evaluated = Options { look_every: Some(100 * self.lines), ..options() };
            let shares = vec![("a".to_owned(), 1.0 - self.share), ("b".to_owned(), self.share)];
            let evaluated = Options { shares, ..evaluated };
            let mut running = Running::new(None, &evaluated);
            let (mut is_significant, mut is_missed) = (false, false);
            for unit in 0..self.units {
                let is_arm = numbers.next() < self.share;
                let value = draw(&mut numbers, is_arm);
                if self.lines == 1 {
                    // The units need not be known again.
                    running.arms[usize::from(is_arm)].moments.add(value);
                }
                for line in 0..if self.lines == 1 { 0 } else { self.lines } {
                    let row = Row {
                        line: unit * self.lines + line + 1,
                        experiment: None,
                        unit: unit.to_string().into(),
                        arm: if is_arm { "b" } else { "a" }.into(),
                        value,
                    };
                    running.take(&row, &evaluated).unwrap();
                }
                if (unit + 1) % 100 == 0 {
                    running.look(&evaluated);
                    let look = &running.held[0];
                    is_significant |= look.significant;
                    let holds = |it: (f64, f64)| it.0 <= truth && truth <= it.1;
                    is_missed |= look.low.zip(look.high).is_some_and(|it| !holds(it));
                }
            }
            significant += u64::from(is_significant);
            missed += u64::from(is_missed);
        }
        let share = |it: u64| it as f64 / self.experiments as f64;
        (share(significant), share(missed))
    }
}

/// The counts of a plain run and of a full one.
fn counts(plain: u64, full: u64) -> u64 {
    if std::env::var_os("SIGNALBOX_TEST_FULL").is_some() { full } else { plain }
}

#[test]
fn arms_that_do_not_differ_are_seldom_found_to_differ_at_any_look() {
    let kinds: [(&str, Draw); 6] = [
        ("rate 0.05", |it| f64::from(u8::from(it.next() < 0.05))),
        ("rate 0.5", |it| f64::from(u8::from(it.next() < 0.5))),
        ("rate 0.9", |it| f64::from(u8::from(it.next() < 0.9))),
        ("exponential cost", |it| -it.next().max(1e-300).ln()),
        ("lognormal cost", |it| normal(it).exp()),
        ("lognormal cost, heavy", |it| (1.5 * normal(it)).exp()),
    ];
    for share in [0.5, 0.1] {
        for (kind, draw) in kinds {
            let it = Simulated {
                experiments: counts(100, 1_000),
                units: counts(2_000, 10_000),
                share,
                lines: 1,
            };
            let (significant, _) = it.ever(|numbers, _| draw(numbers), 0.0);
            println!("share {share}, {kind}: {:.1} % ever significant", 100.0 * significant);
            // Of 100 experiments with a true 5 % more than ten are significant in one of 35 runs.
            assert!(significant <= counts(10, 5) as f64 / 100.0, "{kind} {significant}");
        }
    }
}

/// A standard normal number (Box and Muller).
fn normal(numbers: &mut Numbers) -> f64 {
    let (radius, angle) = (numbers.next().max(1e-300), numbers.next());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[test]
fn a_true_difference_is_found_and_every_interval_holds_it() {
    for (rates, share) in [((0.5, 0.55), 0.5), ((0.05, 0.10), 0.5), ((0.9, 0.95), 0.2)] {
        let units = if rates.0 == 0.5 { 6_200 } else { 4_000 };
        let it = Simulated { experiments: counts(100, 1_000), units, share, lines: 1 };
        let draw = |numbers: &mut Numbers, is_arm: bool| {
            let rate = if is_arm { rates.1 } else { rates.0 };
            f64::from(u8::from(numbers.next() < rate))
        };
        let (found, missed) = it.ever(draw, rates.1 - rates.0);
        println!("{rates:?}: found {:.1} %, missed {:.1} %", 100.0 * found, 100.0 * missed);
        assert!(missed <= counts(10, 5) as f64 / 100.0, "{rates:?} {missed}");
        // 6,200 units are less than 2.0 times the 3,124 of a single look.
        assert!(found >= if rates.0 == 0.5 { 0.8 } else { 0.5 }, "{rates:?} {found}");
    }
}

#[test]
fn twenty_lines_of_a_unit_that_say_the_same_inflate_nothing() {
    let it = Simulated { experiments: counts(50, 1_000), units: 1_000, share: 0.5, lines: 20 };
    let (significant, _) = it.ever(|numbers, _| f64::from(u8::from(numbers.next() < 0.5)), 0.0);
    assert!(significant <= counts(10, 5) as f64 / 100.0, "{significant}");
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(text in ".{0,80}", line in 1..1_000_u64) {
        if let Err(fault) = Evaluation::new(options()).read(line, &text) {
            prop_assert_eq!(fault.line, line);
        }
    }

    #[test]
    fn the_arms_may_be_called_anything(arm in "[^\"\\\\\\x00-\\x1f]{1,20}") {
        let text = line(1, &arm, 0.5);
        let mut evaluation = Evaluation::new(options());
        prop_assert!(evaluation.read(1, &text).is_ok());
        let looks = evaluation.end().unwrap();
        prop_assert_eq!(&*looks[0].units.0[0].0, arm.as_str());
    }
}
