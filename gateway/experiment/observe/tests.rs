use std::time::Duration;

use policies::compile;

use super::*;

fn experiments(guard: &str, more: &str) -> Vec<Experiment> {
    let primary = if more.contains("primary") { "" } else { "primary = \"error\"" };
    let document = format!(
        "[[experiment]]\nname = \"ab\"\nunit = \"request\"\n{primary}\n{more}\narms = [\n\
         {{ name = \"a\", share = 0.5, params = {{ temperature = 0.1 }} }},\n\
         {{ name = \"b\", share = 0.5, params = {{ temperature = 0.9 }} }},\n]\nguard = {guard}\n\
         [default]\nroute = [\"*?\"]\n"
    );
    compile(&document, &policies::catalogue()).expect("a policy").experiments().to_vec()
}

const GUARD: &str = "{ error_rate_max = 0.02, requests_min = 10, feedback_min = { good = 0.5 } }";

fn enrolled(arm: u8, unit: u128) -> Enrolled {
    Enrolled { experiment: ExperimentIndex(0), arm: ArmIndex(arm), unit }
}

/// Fails the arm so many times; what came of it the last time.
fn fail(watch: &Watch, arm: u8, times: u128) -> Option<Broken> {
    let now = Instant::now();
    let refused = |unit| watch.refused(enrolled(arm, unit), Kind::NoCapacity, now);
    (0..times).fold(None, |_, at| refused(at))
}

#[test]
fn an_arm_breaks_once_until_its_evidence_begins_anew() {
    let watch = Watch::new(&experiments(GUARD, ""), None);
    assert_eq!(fail(&watch, 1, 9), None);
    let broken = fail(&watch, 1, 1).unwrap();
    assert_eq!((&*broken.arm, broken.is_control, broken.requests), ("b", false, 10));
    assert_eq!(fail(&watch, 1, 30), None, "it is said once");
    let readings = watch.find("ab").unwrap().readings();
    assert_eq!((readings[0].requests, readings[0].broken.as_deref()), (0, None));
    assert_eq!((readings[1].units, readings[1].broken.as_deref()), (30, Some("error")));
    assert!(fail(&watch, 0, 10).unwrap().is_control);
    let it = watch.find("ab").unwrap();
    assert!(it.is_broken());
    let now = Instant::now();
    it.restart(now, 5_000);
    // What came in before the resume says nothing of what comes after it.
    let before = now.checked_sub(Duration::from_secs(1)).unwrap();
    (0..20).for_each(|unit| {
        assert_eq!(watch.refused(enrolled(1, unit), Kind::NoCapacity, before), None);
    });
    assert!(!it.is_broken() && it.readings()[1].requests == 0);
    assert!(fail(&watch, 1, 10).is_some());
}

#[test]
fn what_a_caller_has_no_right_or_no_money_for_is_no_evidence() {
    let watch = Watch::new(&experiments(GUARD, ""), None);
    for kind in [Kind::Cancelled, Kind::RateLimited, Kind::BudgetExceeded] {
        assert_eq!(watch.refused(enrolled(1, 1), kind, Instant::now()), None);
    }
    assert_eq!(watch.find("ab").unwrap().readings()[1].requests, 0);
    // An experiment that this policy does not have is none.
    let other = Enrolled { experiment: ExperimentIndex(7), ..enrolled(0, 0) };
    assert_eq!(watch.refused(other, Kind::NoCapacity, Instant::now()), None);
}

#[test]
fn what_callers_tell_breaks_an_arm_as_well() {
    let watch = Watch::new(&experiments(GUARD, "primary = \"good\""), None);
    let it = watch.find("ab").unwrap();
    (0..40).for_each(|unit| {
        let known = Some((Seen::default(), None));
        assert_eq!(it.past("b", unit, known, &[("good", 1.0)]), None);
    });
    let told = |_| it.feedback(("b", 0), "good", (Some(1.0), 0.0));
    let broken = (0..40).find_map(told).unwrap();
    assert_eq!((&*broken.reading.metric, broken.reading.bound), ("good", 0.5));
    assert_eq!(it.feedback(("c", 0), "good", (None, 0.0)), None);
    // What is told after a resume of requests from before it is of the evidence that is gone.
    it.restart(Instant::now(), 5_000);
    let told = |at_ms| it.feedback(("b", at_ms), "good", (None, 0.0));
    assert!((0..40).all(|_| told(4_999).is_none()));
    let value = |it: &Watched| {
        it.readings()[1].bounds.iter().find(|it| &*it.metric == "good").unwrap().value
    };
    assert_eq!(value(it), None);
    assert_eq!(told(5_000), None);
    assert_eq!(value(it), Some(0.0));
    assert_eq!(it.told_names().len(), 1);
}

#[test]
fn an_edit_of_the_enrolment_keeps_the_evidence_and_one_of_the_arms_does_not() {
    let watch = Watch::new(&experiments(GUARD, ""), None);
    assert_eq!(fail(&watch, 1, 5), None);
    let kept = Watch::new(&experiments(GUARD, "enrol = 0.5"), Some(&watch));
    // A request that began under the old policy counts in the new one.
    assert_eq!(fail(&watch, 1, 1), None);
    assert_eq!(kept.find("ab").unwrap().readings()[1].requests, 6);
    let other = GUARD.replace("0.02", "0.03");
    let anew = Watch::new(&experiments(&other, ""), Some(&kept));
    assert_eq!(anew.find("ab").unwrap().readings()[1].requests, 0);
    let anew = Watch::new(&experiments(GUARD, "control = \"b\""), Some(&kept));
    assert_eq!(anew.find("ab").unwrap().readings()[1].requests, 0);
}

#[test]
fn shares_follow_the_primary() {
    let more = "primary = \"cost\"\nallocation = { thompson = { floor = 0.1 } }";
    let watch = Watch::new(&experiments(GUARD, more), None);
    let it = watch.find("ab").unwrap();
    assert_eq!(it.shares(1), Some(vec![0.5, 0.5]));
    for unit in 0..100 {
        for (arm, nano) in [("a", 5_000), ("b", 1_000)] {
            let cost = Some(policies::facts::Money::from_nano(nano + i64::from(unit % 7)));
            it.past(
                arm,
                u128::from(unit as u8),
                Some((Seen { cost, ..Seen::default() }, None)),
                &[],
            );
        }
    }
    let shares = it.shares(2).unwrap();
    assert!(shares[1] > 0.89 && shares[0] >= 0.1, "the cheaper one is better: {shares:?}");
    assert_eq!(it.shares(2), Some(shares));
    let fixed = Watch::new(&experiments(GUARD, ""), None);
    assert_eq!(fixed.find("ab").unwrap().shares(1), None);
}
