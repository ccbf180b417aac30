use policies::{compile, experiment::ArmIndex};

use super::*;
use crate::experiment::view::Change;

/// Two experiments: one ramped up in two steps, one as it is from the beginning.
fn experiments() -> Vec<Experiment> {
    let arms = "arms = [{ name = \"old\", share = 0.5, route = [\"gpt-oss-20b\"] }, \
                { name = \"new\", share = 0.5, route = [\"qwen3.5-397b\"] }]";
    let rule = |name: &str, task: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nwhen = {{ task = [\"{task}\"] }}\nroute = [\"kimi-k2.6\"]\n\
             experiment = \"{name}\"\n"
        )
    };
    let experiment = |name: &str, more: &str| {
        let head = "unit = \"user\"\nprimary = \"error\"\n";
        format!("[[experiment]]\nname = \"{name}\"\n{head}{arms}\n{more}\n")
    };
    let ramp = "ramp = [{ from = \"2026-12-01T09:00:00Z\", enrol = 0.1 }, \
                { from = \"2026-12-03T09:00:00Z\", enrol = 0.5 }]";
    let document = [
        "[default]\nroute = [\"kimi-k2.6\"]\n",
        &rule("ramped", "chat"),
        &rule("whole", "coding"),
        &experiment("ramped", ramp),
        &experiment("whole", ""),
    ]
    .concat();
    let policy = compile(&document, &policies::catalogue());
    policy.unwrap_or_else(|faults| panic!("{faults:#?}")).experiments().to_vec()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn enrol(live: &Experiments) -> Vec<Option<f64>> {
    live.view().experiments().states.iter().map(|state| state.enrol).collect()
}

#[test]
fn a_step_of_a_ramp_begins_when_its_time_has_come() {
    let live = Experiments::new(&experiments(), None, at("2026-11-30T00:00:00Z"));
    assert_eq!(enrol(&live), [Some(0.0), Some(1.0)]);
    for (now, share) in [
        ("2026-12-01T08:59:59Z", 0.0),
        ("2026-12-01T09:00:00Z", 0.1),
        ("2026-12-03T08:59:59.999Z", 0.1),
        ("2026-12-03T09:00:01Z", 0.5),
        ("2027-01-01T00:00:00Z", 0.5),
        // A clock that is set back moves nobody out.
        ("2026-12-02T00:00:00Z", 0.5),
    ] {
        live.look(at(now));
        assert_eq!(enrol(&live), [Some(share), Some(1.0)], "{now}");
    }
    // Nor does it where something is changed in an experiment meanwhile, or the policy is loaded anew.
    let stopped = Change { stopped: true, ..Change::default() };
    live.change(Changes([("whole".into(), stopped)].into()), at("2026-12-02T00:00:00Z"));
    assert_eq!(enrol(&live), [Some(0.5), Some(1.0)]);
    let anew = Experiments::new(&experiments(), Some(&live), at("2026-12-02T00:00:00Z"));
    assert_eq!(enrol(&anew), [Some(0.5), Some(1.0)]);
    // A jump over both steps finds the last one.
    let live = Experiments::new(&experiments(), None, at("2026-11-30T00:00:00Z"));
    live.look(at("2026-12-24T00:00:00Z"));
    assert_eq!(enrol(&live), [Some(0.5), Some(1.0)]);
}

#[test]
fn nothing_is_published_while_nothing_changes() {
    let live = Experiments::new(&experiments(), None, at("2026-12-01T10:00:00Z"));
    let before = live.published.load_full();
    live.look(at("2026-12-01T10:00:01Z"));
    assert!(Arc::ptr_eq(&before, &live.published.load_full()));
    let none = Experiments::new(&[], None, at("2026-12-01T10:00:00Z"));
    none.look(at("2026-12-05T10:00:00Z"));
    assert!(none.view().0.is_none() && none.view().experiments().states.is_empty());
}

#[test]
fn what_was_changed_is_in_force_at_once_and_after_a_reload() {
    let now = at("2026-12-04T00:00:00Z");
    let all = experiments();
    let live = Experiments::new(&all, None, now);
    let rolled = Change { rolled_back: vec!["new".into(), "none".into()], ..Change::default() };
    let shares = [("old".into(), 0.9), ("new".into(), 0.1)].into();
    let stopped = Change { stopped: true, shares, ..Change::default() };
    let changes = Changes([("ramped".into(), rolled), ("whole".into(), stopped)].into());
    live.change(changes, now);
    let expected = |live: &Experiments| {
        let view = live.view();
        let [ramped, whole] = &view.experiments().states[..] else { panic!("two experiments") };
        assert_eq!((ramped.stopped, &*ramped.rolled_back), (false, &[ArmIndex(1)][..]));
        assert!(ramped.shares.is_empty() && ramped.enrol == Some(0.5));
        assert_eq!((whole.stopped, &*whole.shares), (true, &[0.9, 0.1][..]));
    };
    expected(&live);
    // Another version of the policy keeps what was changed; what is changed then reaches both.
    let next = Experiments::new(&all, Some(&live), now);
    expected(&next);
    live.change(Changes::default(), now);
    next.look(now);
    assert!(
        next.view().experiments().states.iter().all(|it| !it.stopped && it.rolled_back.is_empty())
    );
    // Shares of arms of which the policy has another one are not for it.
    let some = Change { shares: [("old".into(), 0.2)].into(), ..Change::default() };
    next.change(Changes([("whole".into(), some)].into()), now);
    assert!(next.view().experiments().states.iter().all(|it| it.shares.is_empty()));
}
