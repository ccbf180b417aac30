//! The examples of `diff`: where two policies decide otherwise by an expression, there is one, it is what it
//! should be when it is pasted into a table of cases, and a person can read it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use policies::{
    Policy, cases, catalogue, compile,
    lint::{Change, diff},
};
use proptest::prelude::*;

fn document(rules: &[String]) -> String {
    format!("version = \"1\"\n{}\n[default]\nroute = [\"qwen3.5-397b\"]\n", rules.concat())
}

fn rule(name: &str, when: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nwhen = {{ {when} }}\nroute = [\"glm-5.2\"]\n")
}

fn compiled(document: &str) -> Policy {
    compile(document, &catalogue()).unwrap_or_else(|faults| panic!("{document}: {faults:?}"))
}

fn changes(before: &str, after: &str) -> Vec<Change> {
    diff(&compiled(before), &compiled(after)).changes
}

/// Whether a rule decides this request.
fn decides(document: &str, rule: &str, given: &str) -> bool {
    let table = format!(
        "policy = \"x\"\nfleet = \"catalogue\"\n[[case]]\nname = \"it\"\ngiven = {given}\n\
         expect = {{ rule = \"{rule}\" }}\n"
    );
    let report = cases::run(&table, document, &catalogue());
    report.unwrap_or_else(|faults| panic!("{given}: {faults:?}")).failed.is_empty()
}

/// The example of a rule that is taken away, which it decides and without it the default does.
fn example(when: &str) -> String {
    let (with, without) = (document(&[rule("it", when)]), document(&[]));
    let all = changes(&with, &without);
    let [change] = &all[..] else { panic!("{when}: {all:?}") };
    let given = change.example.clone().unwrap_or_else(|| panic!("{when}: {change}"));
    assert!(decides(&with, "it", &given), "{when}: {given}");
    assert!(decides(&without, "default", &given), "{when}: {given}");
    given
}

/// Whether every number has at most four digits behind its point.
fn is_round(text: &str) -> bool {
    text.split('.').skip(1).all(|it| it.bytes().take_while(u8::is_ascii_digit).count() <= 4)
}

#[test]
fn every_expression_that_a_request_fulfils_has_an_example() {
    for (when, says) in [
        ("cel = \"complexity == 'hard'\"", "complexity = \"hard\""),
        ("cel = \"complexity != 'easy'\"", "complexity = \"medium\""),
        ("cel = \"'payment_card' in contains\"", "contains = [\"payment_card\"]"),
        ("cel = \"contains.exists(it, it == 'secret')\"", "contains = [\"secret\"]"),
        ("cel = \"size(contains) == 0\"", "{ language"),
        ("cel = \"size(contains) > 2\"", "contains = ["),
        ("cel = \"confidence < 0.5\"", "confidence = 0.49 "),
        ("cel = \"confidence <= 0.5 && confidence > 0.49\"", "confidence = 0.5 "),
        ("cel = \"confidence > 0.49 && confidence < 0.5\"", "confidence = 0.499 "),
        ("cel = \"task_confidence >= 0.6 && task_confidence < 1\"", "confidence = 0.99 "),
        ("confidence = { max = 0.7 }, cel = \"confidence > 0.3\"", "confidence = 0.7 "),
        ("confidence = { min = 0.5 }, cel = \"confidence < 0.6\"", "confidence = 0.59 "),
        (
            "contains = [\"mail\"], cel = \"'phone' in contains && !('secret' in contains)\"",
            "contains = [",
        ),
        ("contains = { not = [\"mail\"] }, cel = \"size(contains) >= 1\"", "contains = ["),
        (
            "cel = \"complexity == 'hard' && 'iban' in contains && confidence < 0.25\"",
            "confidence = 0.24 ",
        ),
        ("cel = \"complexity == 'hard' || confidence < 0.25\"", ""),
        (
            "complexity = [\"hard\"], cel = \"language == 'th' && input_tokens > 4000\"",
            "input_tokens = 4001",
        ),
        ("cel = \"data_class == 'secret' && stream && output_tokens_max > 50\"", "stream = true"),
        ("cel = \"tags.app == 'kiosk' && complexity == 'hard'\"", "tags = [\"app=kiosk\"]"),
        ("tag = [\"a=b\"], cel = \"has(tags.app)\"", "tags = [\"a=b\", \"app="),
        ("cel = \"hour >= 8 && hour < 9\"", "time = \"08:00\""),
        ("cel = \"hour < 8 && weekday == 'sun'\"", "weekday = \"sun\""),
        ("cel = \"coarse_task == 'coding'\"", "task = "),
        ("cel = \"'tools' in needs && confidence < 0.9\"", "needs = [\"tools\"]"),
    ] {
        let given = example(when);
        assert!(given.contains(says), "{when}: {given}");
        assert!(is_round(&given), "{when}: {given}");
    }
}

#[test]
fn an_expression_that_no_request_fulfils_has_no_example() {
    for when in [
        "cel = \"confidence < 0.5 && confidence > 0.6\"",
        "confidence = { min = 0.5 }, cel = \"confidence < 0.5\"",
        "complexity = [\"easy\"], cel = \"complexity == 'hard'\"",
        "contains = [\"secret\"], cel = \"!('secret' in contains)\"",
    ] {
        for change in changes(&document(&[rule("it", when)]), &document(&[])) {
            assert_eq!(change.example, None, "{when}: {change}");
            assert!(change.to_string().ends_with("\n  no example was found"), "{change}");
        }
    }
}

#[test]
fn a_confidence_is_described_by_its_bounds() {
    for (confidence, says) in [
        ("{ min = 0.5 }", "confidence from 0.5"),
        ("{ max = 0.5 }", "confidence up to 0.5"),
        ("{ min = 0.25, max = 0.5 }", "confidence from 0.25 and up to 0.5"),
        ("{ min = 1 }", "confidence from 1"),
    ] {
        let when = format!("confidence = {confidence}");
        let all = changes(&document(&[rule("it", &when)]), &document(&[]));
        assert_eq!(all[0].conditions, [says], "{all:?}");
        example(&when);
    }
    let narrower = changes(
        &document(&[rule("it", "confidence = { min = 0.3, max = 0.7 }")]),
        &document(&[rule("it", "confidence = { min = 0.5, max = 0.5 }")]),
    );
    let says = "confidence from 0.3 and below 0.5 or above 0.5 and up to 0.7";
    assert!(narrower.iter().any(|it| it.conditions == [says]), "{narrower:?}");
    assert!(narrower.iter().all(|it| it.example.as_deref().is_some_and(is_round)), "{narrower:?}");
}

/// Conditions over content, complexity and confidence that some request fulfils, since each part does.
fn expressions() -> impl Strategy<Value = String> {
    let complexity = prop_oneof![
        Just("complexity == 'hard'".to_owned()),
        Just("complexity != 'easy'".to_owned()),
        Just("complexity in ['medium', 'hard']".to_owned()),
    ];
    let kind = prop::sample::select(vec!["mail", "phone", "iban", "secret", "payment_card"]);
    let contains = (kind, 0..3).prop_map(|(kind, form)| match form {
        0 => format!("'{kind}' in contains"),
        1 => format!("contains.exists(it, it == '{kind}')"),
        _ => format!("!('{kind}' in contains)"),
    });
    let confidence = (1_u32..100, any::<bool>()).prop_map(|(parts, below)| {
        let sign = if below { "<" } else { ">=" };
        format!("confidence {sign} {}", f64::from(parts) / 100.0)
    });
    (complexity, contains, confidence, any::<bool>()).prop_map(|(a, b, c, all)| {
        let by = if all { "&&" } else { "||" };
        format!("{a} {by} {b} {by} {c}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn examples_of_expressions_are_possible_and_round(cel in expressions()) {
        let given = example(&format!("cel = \"{cel}\""));
        prop_assert!(is_round(&given), "{cel}: {given}");
    }

    #[test]
    fn an_example_between_two_expressions_is_decided_otherwise(
        one in expressions(), other in expressions()
    ) {
        let with = |cel: &str| document(&[rule("it", &format!("cel = \"{cel}\""))]);
        let (before, after) = (with(&one), with(&other));
        for change in changes(&before, &after) {
            let Some(given) = change.example else { continue };
            let (was, is) = (decides(&before, "it", &given), decides(&after, "it", &given));
            prop_assert!(was != is, "{one} | {other}: {given}");
        }
    }
}
