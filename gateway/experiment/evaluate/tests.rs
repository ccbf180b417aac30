mod simulations;

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
