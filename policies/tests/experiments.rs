//! Experiments: who takes part, who gets which arm, and what a document may say of them.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use std::{collections::BTreeMap, sync::LazyLock};

use policies::{
    Fault, Plan, Policy, Refusal, World, cases, catalogue, compile, decide,
    experiment::{ArmIndex, ExperimentIndex, ExperimentState, ExperimentView, UnitKind},
    explain,
    facts::{
        DataClass, Draw, FleetFacts, FleetView, KeyFacts, ModelView, Needs, Signals, TeamFacts,
        Tokens,
    },
    lint::{Finding, Kind, Severity, diff, judge, lint},
};

const ARMS: &str = r#"[{ name = "old", share = 0.5, route = ["gpt-oss-20b"] },
        { name = "new", share = 0.5, route = ["qwen3.5-397b"] }]"#;

fn fleet() -> FleetFacts {
    let all: std::sync::Arc<[Box<str>]> = ["*".into()].into();
    let team = TeamFacts { name: "platform".into(), parent: None, models: all };
    FleetFacts { teams: vec![team], ..catalogue() }
}

fn view() -> FleetView {
    static VIEW: LazyLock<FleetView> = LazyLock::new(healthy);
    VIEW.clone()
}

fn healthy() -> FleetView {
    FleetView { version: 0, models: vec![ModelView::default(); fleet().models.len()] }
}

/// A policy of one rule and these experiments.
fn document(experiments: &str) -> String {
    format!(
        r#"
        [default]
        route = ["kimi-k2.6"]
        [[rule]]
        name = "confidential-stays-home"
        when = {{ data_class = ["confidential"] }}
        require = {{ zone = ["on_prem"] }}
        [[rule]]
        name = "chat"
        when = {{ operation = ["chat"] }}
        route = ["gpt-oss-120b"]
        experiment = "ab"
        {experiments}
        "#
    )
}

fn experiment(rest: &str) -> String {
    format!("[[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n{rest}\n")
}

fn policy(rest: &str) -> Policy {
    let document = document(&experiment(rest));
    compile(&document, &fleet()).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn faults(experiments: &str) -> Vec<Fault> {
    compile(&document(experiments), &fleet()).err().unwrap_or_default()
}

fn user(unit: u128) -> Signals {
    Signals { unit_user: Some(unit), ..Signals::chat("auto") }
}

fn at(policy: &Policy, signals: &Signals, state: ExperimentState) -> Result<Plan, Refusal> {
    let (fleet, experiments) = (view(), ExperimentView { states: vec![state] });
    let world = World { fleet: &fleet, experiments: &experiments };
    decide(policy, signals, world, Draw(1))
}

/// The arm and the first model.
fn given(policy: &Policy, signals: &Signals, state: ExperimentState) -> (Option<u8>, String) {
    let plan = at(policy, signals, state).unwrap();
    let first = policy.fleet().models[plan.attempts[0].model.get()].id.to_string();
    (plan.arm.map(|it| it.arm.0), first)
}

fn enrolled(share: f64) -> ExperimentState {
    ExperimentState { enrol: Some(share), ..ExperimentState::default() }
}

#[test]
fn a_unit_keeps_its_arm_and_an_arm_is_its_route() {
    let policy = policy(&format!("arms = {ARMS}"));
    let mut counts = [0; 2];
    for unit in 0..2_000 {
        let (arm, model) = given(&policy, &user(unit), ExperimentState::default());
        let arm = usize::from(arm.unwrap());
        counts[arm] += 1;
        assert_eq!(model, ["gpt-oss-20b", "qwen3.5-397b"][arm]);
        let again = decide(&policy, &user(unit), &view(), Draw(unit as u64)).unwrap();
        assert_eq!(again.arm.unwrap().arm, ArmIndex(arm as u8));
        assert_eq!((again.arm.unwrap().unit, &*again.rule), (unit, "chat"));
    }
    assert!((900..1_100).contains(&counts[0]), "{counts:?}");
}

#[test]
fn a_ramp_moves_units_in_and_none_between_arms() {
    let policy = policy(&format!("arms = {ARMS}"));
    let arms = |share| -> Vec<Option<u8>> {
        (0..3_000).map(|unit| given(&policy, &user(unit), enrolled(share)).0).collect()
    };
    let steps = [0.0, 0.1, 0.5, 1.0].map(arms);
    for (step, share) in steps.iter().zip([0.0, 0.1, 0.5, 1.0]) {
        let part = step.iter().flatten().count() as f64 / 3_000.0;
        assert!((part - share).abs() < 0.03, "{part} of {share}");
    }
    for pair in steps.windows(2) {
        for (before, after) in pair[0].iter().zip(&pair[1]) {
            assert!(before.is_none() || before == after);
        }
    }
}

/// How many units moved from where to where: the arm before, `None` outside, and the arm after.
fn moved(before: &[Option<u8>], after: &[Option<u8>]) -> BTreeMap<(Option<u8>, Option<u8>), usize> {
    let mut moved = BTreeMap::new();
    for pair in before.iter().copied().zip(after.iter().copied()).filter(|(a, b)| a != b) {
        *moved.entry(pair).or_default() += 1;
    }
    moved
}

#[test]
fn from_10_to_50_per_cent_no_unit_moves_but_into_the_treatment() {
    let is_full = std::env::var_os("SIGNALBOX_TEST_FULL").is_some();
    let units: u128 = if is_full { 100_000 } else { 10_000 };
    let fleet = view();
    let arms = |policy: &Policy, share: Option<f64>| -> Vec<Option<u8>> {
        let state = ExperimentState { enrol: share, ..ExperimentState::default() };
        let experiments = ExperimentView { states: vec![state] };
        let world = World { fleet: &fleet, experiments: &experiments };
        let arm = |unit| decide(policy, &user(unit), world, Draw(1)).unwrap().arm;
        (0..units).map(|unit| arm(unit).map(|it| it.arm.0)).collect()
    };
    let about = |count: usize, share: f64| {
        let off = count as f64 / units as f64 - share;
        assert!(off.abs() < 0.015, "{count} of {units} are not {share}");
    };
    // More units take part: those outside come in, to both arms alike, and nobody else moves.
    let half = policy(&format!("arms = {ARMS}"));
    let steps = moved(&arms(&half, Some(0.1)), &arms(&half, Some(0.5)));
    assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [(None, Some(0)), (None, Some(1))]);
    steps.values().for_each(|count| about(*count, 0.2));
    println!("ramp: {units} units, {steps:?} (arm before, arm after); none moves but in");
    // The treatment's share grows, by an edited policy: it takes from the control, and nobody else moves.
    let shares = |old: &str, new: &str| {
        let arms =
            ARMS.replacen("0.5", old, 1).replacen("share = 0.5", &format!("share = {new}"), 1);
        policy(&format!("arms = {arms}"))
    };
    let (before, after) = (shares("0.9", "0.1"), shares("0.5", "0.5"));
    let steps = moved(&arms(&before, None), &arms(&after, None));
    assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [(Some(0), Some(1))]);
    steps.values().for_each(|count| about(*count, 0.4));
    println!(
        "ramp: {units} units, {steps:?} (arm before, arm after); none moves but to the treatment"
    );
}

#[test]
fn experiments_are_independent_and_those_of_one_layer_share_no_unit() {
    let two = |layer: &str| {
        let one = |name: &str| {
            format!(
                "[[experiment]]\nname = \"{name}\"\nunit = \"user\"\nprimary = \"error\"\n\
                 enrol = 0.5\narms = {ARMS}\n{layer}\n"
            )
        };
        let document = format!("{}{}", one("ab"), one("cd"));
        compile(&self::document(&document), &fleet()).unwrap()
    };
    let assigned = |policy: &Policy| -> Vec<[Option<u8>; 2]> {
        let other = policy.document().replace("experiment = \"ab\"", "experiment = \"cd\"");
        let other = compile(&other, &fleet()).unwrap();
        let arm = |policy, unit| given(policy, &user(unit), ExperimentState::default()).0;
        (0..400).map(|unit| [arm(policy, unit), arm(&other, unit)]).collect()
    };
    let apart = assigned(&two("layer = \"chat\""));
    assert!(apart.iter().all(|arms| arms.iter().flatten().count() == 1), "{apart:?}");
    let free = assigned(&two(""));
    let both = free.iter().filter(|arms| arms.iter().flatten().count() == 2).count();
    let none = free.iter().filter(|arms| arms.iter().flatten().count() == 0).count();
    assert!((60..140).contains(&both) && (60..140).contains(&none), "{both} {none}");
    let equal = free.iter().filter(|it| it[0].is_some() && it[0] == it[1]).count();
    assert!((both / 4..both * 3 / 4 + 1).contains(&equal), "{equal} of {both}");
}

#[test]
fn who_lacks_the_unit_or_what_an_arm_cannot_serve_takes_no_part() {
    let policy = policy(&format!("arms = {ARMS}"));
    let gets = |signals: &Signals| given(&policy, signals, ExperimentState::default());
    assert_eq!(gets(&Signals::chat("auto")), (None, "gpt-oss-120b".into()));
    // A pin and another rule's request are nobody's experiment.
    let pinned = Signals { unit_user: Some(1), ..Signals::chat("kimi-k2.6") };
    assert_eq!(gets(&pinned), (None, "kimi-k2.6".into()));
    // qwen sees, gpt-oss does not: the arms would be compared by different requests.
    for unit in 0..50 {
        let seeing = Signals { needs: Needs::VISION, ..user(unit) };
        assert_eq!(gets(&seeing).0, None);
    }
}

#[test]
fn guards_bind_every_arm() {
    let arms = r#"[{ name = "home", share = 0.5, route = ["gpt-oss-20b"] },
        { name = "away", share = 0.5, route = ["kimi-k2.6"] }]"#;
    let document = document(&experiment(&format!("arms = {arms}")));
    let policy = compile(&document, &fleet()).unwrap();
    let away = policy.fleet().models.iter().position(|it| &*it.id == "kimi-k2.6").unwrap();
    let zone = policy.fleet().models[away].zone.clone();
    assert_ne!(zone.as_deref(), Some("on_prem"), "the catalogue has changed");
    for unit in 0..100 {
        let secret = Signals { data_class: DataClass::Confidential, ..user(unit) };
        let plan = at(&policy, &secret, ExperimentState::default()).unwrap();
        assert!(plan.arm.is_none() && plan.attempts.iter().all(|it| it.model.get() != away));
    }
}

#[test]
fn a_rolled_back_arm_gets_the_controls_route_and_no_name() {
    let policy = policy(&format!("arms = {ARMS}"));
    let back = || ExperimentState { rolled_back: vec![ArmIndex(1)], ..ExperimentState::default() };
    let stopped = || ExperimentState { stopped: true, ..ExperimentState::default() };
    for unit in 0..200 {
        let (arm, _) = given(&policy, &user(unit), ExperimentState::default());
        let (now, model) = given(&policy, &user(unit), back());
        assert_eq!((now, &*model), (arm.filter(|it| *it == 0), "gpt-oss-20b"));
        assert_eq!(given(&policy, &user(unit), stopped()), (None, "gpt-oss-120b".into()));
    }
}

#[test]
fn an_arm_that_is_down_is_refused_and_remains_that_arms_evidence() {
    let policy = policy(&format!("arms = {ARMS}"));
    let mut fleet = view();
    let down = policy.fleet().models.iter().position(|it| &*it.id == "qwen3.5-397b").unwrap();
    fleet.models[down].available = false;
    let refused = (0..100).filter_map(|unit| {
        let refusal = decide(&policy, &user(unit), &fleet, Draw(1)).err()?;
        assert_eq!(refusal.arm.unwrap().arm, ArmIndex(1));
        Some(refusal)
    });
    assert!((30..70).contains(&refused.count()));
}

#[test]
fn shares_of_the_moment_replace_those_of_the_policy() {
    let policy = policy(&format!("arms = {ARMS}"));
    let state = || ExperimentState { shares: vec![0.9, 0.1], ..ExperimentState::default() };
    let new = (0..2_000).filter(|unit| given(&policy, &user(*unit), state()).0 == Some(1)).count();
    assert!((140..260).contains(&new), "{new}");
}

#[test]
fn steps_of_a_ramp_begin_at_their_moments() {
    let policy = policy(&format!(
        "arms = {ARMS}\nramp = [{{ from = \"2026-12-01T09:00:00+08:00\", enrol = 0.01 }}, \
         {{ from = 2026-12-03T09:00:00+08:00, enrol = 0.5 }}]"
    ));
    let it = policy.experiment(ExperimentIndex(0)).unwrap();
    let first = 1_796_086_800;
    assert_eq!(it.enrol_at(first - 1), 0.0);
    assert_eq!(it.enrol_at(first), 0.01);
    assert_eq!(it.enrol_at(first + 2 * 86_400), 0.5);
    assert_eq!(it.next_change(0), Some(first));
    assert_eq!(it.next_change(first), Some(first + 2 * 86_400));
    assert_eq!(it.next_change(first + 2 * 86_400), None);
}

#[test]
fn the_version_changes_with_arms_unit_and_control_alone() {
    let version = |rest: &str| policy(rest).experiments()[0].version.clone();
    let base = version(&format!("arms = {ARMS}"));
    for same in ["enrol = 0.3", "alpha = 0.01", "units_min = 10", "layer = \"x\"", "days_min = 1"] {
        assert_eq!(version(&format!("arms = {ARMS}\n{same}")), base, "{same}");
    }
    let other = ARMS.replace("qwen3.5-397b", "kimi-k2.6");
    let shares = ARMS.replacen("0.5", "0.4", 1).replacen("share = 0.5", "share = 0.6", 1);
    for rest in [
        format!("arms = {ARMS}\ncontrol = \"new\""),
        format!("arms = {other}"),
        format!("arms = {shares}"),
    ] {
        assert_ne!(version(&rest), base, "{rest}");
    }
    assert_eq!(policy(&format!("arms = {ARMS}")).experiments()[0].unit, UnitKind::User);
}

#[test]
fn an_arm_may_set_parameters_and_a_suffix() {
    let arms = r#"[{ name = "a", share = 0.5 },
        { name = "b", share = 0.5, params = { temperature = 0.3, reasoning_effort = "low", top_k = 4 },
        system_suffix = "Be brief." }]"#;
    let policy = policy(&format!("arms = {arms}"));
    let arm = &policy.experiments()[0].arms[1];
    let params: Vec<_> = arm.params.iter().map(|(name, json)| (&**name, &**json)).collect();
    assert_eq!(params, [("reasoning_effort", "\"low\""), ("temperature", "0.3"), ("top_k", "4")]);
    assert_eq!(arm.system_suffix.as_deref(), Some("Be brief."));
    // Without a route of its own, an arm has the rule's.
    assert_eq!(given(&policy, &user(1), ExperimentState::default()).1, "gpt-oss-120b");
}

/// Each of these experiments has a fault at its path.
fn are_faults(all: &[(String, &str)]) {
    for (document, path) in all {
        let found = faults(document);
        assert!(found.iter().any(|it| it.path == *path), "{path}: {document}\n{found:#?}");
    }
}

#[test]
fn what_arms_may_not_say_is_a_fault_with_its_path() {
    let arms = |arms: &str| experiment(&format!("arms = {arms}"));
    are_faults(&[
        (String::new(), "rule[1].experiment"),
        (experiment(""), "experiment[0].arms"),
        (arms("[]"), "experiment[0].arms"),
        (arms(r#"[{ name = "a", share = 0.5 }]"#), "experiment[0].arms"),
        (
            arms(r#"[{ name = "a", share = 0.5 }, { name = "b", share = 0.4 }]"#),
            "experiment[0].arms",
        ),
        (
            arms(r#"[{ name = "a", share = 0.5 }, { name = "a", share = 0.5 }]"#),
            "experiment[0].arms[1].name",
        ),
        (
            arms(r#"[{ name = "a", share = 1.0 }, { name = "b", share = 0.5 }]"#),
            "experiment[0].arms[0].share",
        ),
        (
            arms(r#"[{ name = "a", share = 0.5, route = ["nope"] }, { name = "b", share = 0.5 }]"#),
            "experiment[0].arms[0].route[0]",
        ),
        (
            arms(
                r#"[{ name = "a", share = 0.5, params = { model = "x" } }, { name = "b", share = 0.5 }]"#,
            ),
            "experiment[0].arms[0].params.model",
        ),
        (
            arms(
                r#"[{ name = "a", share = 0.5, params = { temperature = "hot" } },
        { name = "b", share = 0.5 }]"#,
            ),
            "experiment[0].arms[0].params.temperature",
        ),
        (
            arms(r#"[{ name = "a", share = 0.5, wieght = 1 }, { name = "b", share = 0.5 }]"#),
            "experiment[0].arms[0].wieght",
        ),
    ]);
}

#[test]
fn what_an_enrolment_may_not_say_is_a_fault_with_its_path() {
    let with = |rest: &str| experiment(&format!("arms = {ARMS}\n{rest}"));
    are_faults(&[
        (with("control = \"olt\""), "experiment[0].control"),
        (with("enrol = 1.5"), "experiment[0].enrol"),
        (
            with("enrol = 0.5\nramp = [{ from = \"2026-12-01T00:00:00Z\", enrol = 0.5 }]"),
            "experiment[0].ramp",
        ),
        (with("ramp = []"), "experiment[0].ramp"),
        (with("ramp = [{ from = \"tomorrow\", enrol = 0.5 }]"), "experiment[0].ramp[0].from"),
        (
            with(
                "ramp = [{ from = \"2026-12-03T00:00:00Z\", enrol = 0.1 }, \
                 { from = \"2026-12-01T00:00:00Z\", enrol = 0.5 }]",
            ),
            "experiment[0].ramp[1].from",
        ),
        (
            with(
                "ramp = [{ from = \"2026-12-01T00:00:00Z\", enrol = 0.5 }, \
                 { from = \"2026-12-03T00:00:00Z\", enrol = 0.1 }]",
            ),
            "experiment[0].ramp[1].enrol",
        ),
    ]);
}

#[test]
fn what_an_experiment_may_not_say_is_a_fault_with_its_path() {
    let with = |rest: &str| experiment(&format!("arms = {ARMS}\n{rest}"));
    are_faults(&[
        (with("alpha = 0"), "experiment[0].alpha"),
        (with("units_min = 0"), "experiment[0].units_min"),
        (with("days_min = -1"), "experiment[0].days_min"),
        (with("better = \"more\""), "experiment[0].better"),
        (with("metrics = [\"cost\", \"cost\"]"), "experiment[0].metrics[1]"),
        (with("metrics = [\"Thumbs Up\"]"), "experiment[0].metrics[0]"),
        (with("guard = {}"), "experiment[0].guard"),
        (with("guard = { error_rate_max = 2 }"), "experiment[0].guard.error_rate_max"),
        (with("guard = { cost_mean_max = 0.004 }"), "experiment[0].guard.cost_mean_max"),
        (
            with("guard = { feedback_min = { success = 4 } }"),
            "experiment[0].guard.feedback_min.success",
        ),
        (with("allocation = \"bandit\""), "experiment[0].allocation"),
        (with("allocation = { thompson = {} }"), "experiment[0].allocation.thompson.floor"),
        (with("allocation = { thompson = { floor = 0.1 } }"), "experiment[0].allocation.thompson"),
        (with("").replace("\"error\"", "\"cost_per_success\""), "experiment[0].primary"),
        (with("metrics = [\"cost_per_success\"]"), "experiment[0].metrics[0]"),
        (
            with("guard = { feedback_min = { error = 0.4 } }"),
            "experiment[0].guard.feedback_min.error",
        ),
        (with("shadow = { share = 0.1 }"), "experiment[0].shadow.model"),
        (
            with(
                "shadow = { model = \"nope\", share = 0.1, \
                 bill_to = \"platform\", cost_per_day_max = \"5\" }",
            ),
            "experiment[0].shadow.model",
        ),
        (
            with(
                "shadow = { model = \"kimi-k2.6\", share = 0.1, \
                 bill_to = \"nobody\", cost_per_day_max = \"5\" }",
            ),
            "experiment[0].shadow.bill_to",
        ),
        (with("colour = 1"), "experiment[0].colour"),
        (format!("{}{}", with(""), with("")), "experiment[1].name"),
        (with("").replace("unit = \"user\"", "unit = \"team\""), "experiment[0].unit"),
        (with("").replace("primary = \"error\"", ""), "experiment[0].primary"),
        (with("").replace("name = \"ab\"", "name = \"a b\""), "experiment[0].name"),
    ]);
}

#[test]
fn experiments_of_one_layer_fit_into_it() {
    let one = |name: &str, enrol: f64| {
        format!(
            "[[experiment]]\nname = \"{name}\"\nunit = \"user\"\nprimary = \"error\"\n\
             enrol = {enrol}\nlayer = \"chat\"\narms = {ARMS}\n"
        )
    };
    let found = faults(&format!("{}{}", one("ab", 0.6), one("cd", 0.5)));
    assert!(found.iter().any(|it| it.path == "experiment[1].layer"), "{found:#?}");
    assert_eq!(faults(&format!("{}{}", one("ab", 0.6), one("cd", 0.4))), Vec::new());
}

/// What `lint` says of the experiment `ab`, whose rule and the rest are these.
fn findings(rules: &str, rest: &str, fleet: &FleetFacts) -> Vec<Finding> {
    let head = "[default]\nroute = [\"gpt-oss-120b\", \"kimi-k2.6\"]\n";
    let document = format!("{head}{rules}\n{}", experiment(rest));
    let policy = compile(&document, fleet).unwrap_or_else(|it| panic!("{it:#?}\n{document}"));
    lint(&policy).into_iter().filter(|it| it.path.starts_with("experiment")).collect()
}

/// Its kinds and paths.
fn found(rules: &str, rest: &str) -> Vec<(Kind, String)> {
    let all = findings(rules, rest, &fleet()).into_iter();
    all.map(|it| (it.kind, it.path)).collect()
}

const CHAT: &str = "[[rule]]\nname = \"chat\"\nroute = [\"gpt-oss-120b\"]\nexperiment = \"ab\"\n";
const AWAY: &str = r#"arms = [{ name = "home", share = 0.5 },
        { name = "away", share = 0.5, route = ["kimi-k2.6"] }]"#;

#[test]
fn an_arm_that_guards_forbid_wherever_its_rules_route_is_a_fault_with_an_example() {
    let own = CHAT.replace("experiment", "require = { zone = [\"on_prem\"] }\nexperiment");
    let guard = |when: &str| {
        format!("[[rule]]\nname = \"home\"\n{when}\nrequire = {{ zone = [\"on_prem\"] }}\n{CHAT}")
    };
    let secret = guard("when = { data_class = [\"confidential\", \"secret\"] }");
    let both = secret.replace("route =", "when = { data_class = [\"secret\"] }\nroute =");
    let forbidden = vec![(Kind::ArmForbidden, "experiment[0].arms[1].route".to_owned())];
    for rules in [&own, &guard(""), &both] {
        assert_eq!(found(rules, AWAY), forbidden, "{rules}");
    }
    // A guard that leaves some of the rule's requests alone forbids no arm.
    let some = own.replace("require", "when = { stream = true }\nrequire");
    for rules in [CHAT, &secret, &format!("{some}{}", CHAT.replace("chat", "more"))] {
        assert_eq!(found(rules, AWAY), Vec::new(), "{rules}");
    }
    let document = format!("[default]\nroute = [\"*\"]\n{both}\n{}", experiment(AWAY));
    let faults = judge(&compile(&document, &fleet()).unwrap()).unwrap_err();
    let said = faults.iter().find(|it| it.path.starts_with("experiment")).unwrap().to_string();
    let wanted = "`home` forbids kimi-k2.6 wherever `chat` routes; for example given = { language = \
                  \"en\", task = \"open_qa\", data_class = \"secret\" }";
    assert!(said.contains(wanted), "{said}");
}

#[test]
fn an_experiment_that_can_enrol_nobody_is_told() {
    let never = vec![(Kind::NeverEnrols, "experiment[0]".to_owned())];
    let arms = format!("arms = {ARMS}");
    // Nobody names it, or only a rule behind one that takes all.
    let unnamed = CHAT.replace("experiment = \"ab\"\n", "");
    assert_eq!(found(&unnamed, &arms), never);
    let narrower = CHAT.replace("experiment", "when = { stream = true }\nexperiment");
    let dead = format!("{}{narrower}", unnamed.replace("chat", "all"));
    assert_eq!(found(&dead, &arms), never);
    // Behind one with the same conditions, which is an error of its own, it is not worked out.
    let twice = format!("{}{CHAT}", unnamed.replace("chat", "all"));
    assert_eq!(found(&twice, &arms), Vec::new());
    assert_eq!(found(CHAT, &arms), Vec::new());
    // What the rule demands, an arm cannot do.
    let seeing = "when = { needs = [\"vision\"] }\nroute = [\"qwen3.5-397b\"]";
    let seeing = CHAT.replace("route = [\"gpt-oss-120b\"]", seeing);
    let unable = vec![(Kind::ArmUnable, "experiment[0].arms[0].route".to_owned())];
    assert_eq!(found(&seeing, &arms), unable);
    // Each arm has its requests, and both have none in common.
    let apart = r#"arms = [{ name = "a", share = 0.5, route = ["qwen3-coder-next"] },
        { name = "b", share = 0.5, route = ["kimi-k2.6"] }]"#;
    let guards = "[[rule]]\nname = \"home\"\nwhen = { stream = true }\navoid = { zone = [\"on_prem\"] }\n\
                  [[rule]]\nname = \"away\"\nwhen = { stream = false }\nrequire = { zone = [\"on_prem\"] }\n";
    assert_eq!(found(&format!("{guards}{CHAT}"), apart), never);
}

#[test]
fn arms_that_are_the_same_are_a_note_and_few_units_a_warning() {
    let same = vec![(Kind::SameArms, "experiment[0].arms[1]".to_owned())];
    let arm = |name: &str, rest: &str| format!("{{ name = \"{name}\", share = 0.5{rest} }}");
    let arms = |one: &str, other: &str| format!("arms = [{}, {}]", arm("a", one), arm("b", other));
    let old = ", route = [\"gpt-oss-120b\"]";
    for rest in [arms("", ""), arms(old, old), arms(old, "")] {
        assert_eq!(found(CHAT, &rest), same, "{rest}");
    }
    let hot = ", params = { temperature = 1.2 }";
    let new = ", route = [\"gpt-oss-20b\"]";
    for rest in [arms("", hot), arms("", ", system_suffix = \"x\""), arms(old, new)] {
        assert_eq!(found(CHAT, &rest), Vec::new(), "{rest}");
    }
    assert_eq!(Kind::SameArms.severity(), Severity::Note);
    // Three keys can settle nothing between arms that wait for two hundred each.
    let key = |name: &str| KeyFacts { name: name.into(), models: ["*".into()].into() };
    let keys = FleetFacts { keys: ["a", "b", "c"].map(key).into(), ..fleet() };
    let by_key = |rest: &str| {
        let rules = CHAT.replace("ab", "by-key");
        let of = format!(
            "[[experiment]]\nname = \"by-key\"\nunit = \"key\"\nprimary = \"error\"\narms = {ARMS}\n{rest}"
        );
        let document = format!("[default]\nroute = [\"gpt-oss-120b\"]\n{rules}{of}");
        let found = lint(&compile(&document, &keys).unwrap());
        found.iter().any(|it| it.kind == Kind::FewUnits)
    };
    assert!(by_key(""));
    assert!(by_key("units_min = 3"));
}

#[test]
fn a_shadow_that_guards_forbid_is_told() {
    let home = CHAT.replace("experiment", "require = { zone = [\"on_prem\"] }\nexperiment");
    let shadow = |model: &str| {
        format!(
            "arms = {ARMS}\nshadow = {{ model = \"{model}\", share = 0.1, bill_to = \"platform\", \
             cost_per_day_max = \"5\" }}"
        )
    };
    let told = vec![(Kind::ShadowForbidden, "experiment[0].shadow.model".to_owned())];
    assert_eq!(found(&home, &shadow("kimi-k2.6")), told);
    assert_eq!(found(&home, &shadow("gemma-4-31b")), Vec::new());
}

#[test]
fn a_diff_says_whether_an_experiment_goes_on_or_starts_anew() {
    let base = policy(&format!("arms = {ARMS}"));
    let said = |rest: &str| {
        let changes = diff(&base, &policy(rest)).experiments;
        changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(said(&format!("arms = {ARMS}")), "");
    assert_eq!(
        said(&format!("arms = {ARMS}\nenrol = 0.5")),
        "experiment `ab` keeps its version: the comparison goes on\n  enrolment: 1 → 0.5"
    );
    let other = ARMS.replace("qwen3.5-397b", "kimi-k2.6");
    assert_eq!(
        said(&format!("arms = {other}")),
        "experiment `ab` has a new version: the comparison starts anew\n  arm `new`: share 0.5, \
         qwen3.5-397b in order → share 0.5, kimi-k2.6 in order"
    );
    let none = document("").replace("experiment = \"ab\"", "");
    let none = compile(&none, &fleet()).unwrap();
    let gone = diff(&base, &none);
    assert_eq!(gone.experiments[0].to_string(), "experiment `ab` is gone");
    assert!(gone.changes[0].before.ends_with("experiment ab"), "{gone:#?}");
    assert_eq!(diff(&none, &base).experiments[0].to_string(), "experiment `ab` is new");
}

#[test]
fn units_keep_their_arms_where_arms_remain() {
    let arm = |name: &str, share: f64| {
        format!("{{ name = \"{name}\", share = {share}, system_suffix = \"{name}\" }}")
    };
    let arms = |all: &[(&str, f64)]| {
        let all: Vec<String> = all.iter().map(|(name, share)| arm(name, *share)).collect();
        let policy = policy(&format!("arms = [{}]\ncontrol = \"a\"", all.join(", ")));
        let name = |unit| {
            let plan = at(&policy, &user(unit), ExperimentState::default()).unwrap();
            let arm = plan.arm.and_then(|it| policy.experiments()[0].arm(it.arm)).unwrap();
            arm.name.to_string()
        };
        (0..2_000).map(name).collect::<Vec<String>>()
    };
    let two = arms(&[("a", 0.5), ("b", 0.5)]);
    assert_eq!(two, arms(&[("b", 0.5), ("a", 0.5)]), "the order of arms is nothing");
    let three = arms(&[("a", 0.4), ("b", 0.4), ("c", 0.2)]);
    let moved = two.iter().zip(&three).filter(|(was, is)| was != is);
    assert!(moved.clone().all(|(_, is)| is == "c") && (320..480).contains(&moved.count()));
    let more = arms(&[("a", 0.6), ("b", 0.4)]);
    let moved = two.iter().zip(&more).filter(|(was, is)| was != is);
    assert!(moved.clone().all(|(_, is)| is == "a") && (140..260).contains(&moved.count()));
}

#[test]
fn arms_have_the_shares_that_are_said() {
    let arms = r#"[{ name = "a", share = 0.7 },
        { name = "b", share = 0.2, system_suffix = "b" },
        { name = "c", share = 0.1, system_suffix = "c" }]"#;
    let policy = policy(&format!("arms = {arms}"));
    let mut counts = [0_f64; 3];
    for unit in 0..20_000 {
        let plan = at(&policy, &user(unit), ExperimentState::default()).unwrap();
        counts[usize::from(plan.arm.unwrap().arm.0)] += 1.0;
    }
    // Four standard deviations.
    for (count, share) in counts.iter().zip([0.7, 0.2, 0.1]) {
        let off = (count / 20_000.0 - share).abs();
        assert!(off < 4.0 * (share * (1.0 - share) / 20_000.0_f64).sqrt(), "{counts:?}");
    }
}

#[test]
fn an_experiment_takes_no_more_of_its_layer_than_its_last_step() {
    let policy = policy(&format!("arms = {ARMS}\nlayer = \"chat\"\nenrol = 0.2"));
    let took = (0..1_000).filter(|unit| given(&policy, &user(*unit), enrolled(1.0)).0.is_some());
    assert!((150..250).contains(&took.count()));
}

#[test]
fn a_version_is_of_models_and_not_of_their_places() {
    let version = |fleet: &FleetFacts| {
        let document = document(&experiment(&format!("arms = {ARMS}")));
        compile(&document, fleet).unwrap().experiments()[0].version.clone()
    };
    let mut turned = fleet();
    turned.models.reverse();
    assert_eq!(version(&fleet()), version(&turned));
}

#[test]
fn explain_says_the_arm_and_what_it_sets_or_why_there_is_none() {
    let arms = r#"[{ name = "old", share = 0.5, route = ["gpt-oss-20b"] },
        { name = "new", share = 0.5, route = ["qwen3.5-397b"], 
        params = { temperature = 0.3, top_k = 4, reasoning_effort = "low" },
        system_suffix = "Be brief." }]"#;
    let policy = policy(&format!("arms = {arms}\nenrol = 0.5"));
    let fleet = view();
    let said = |signals: &Signals, state: ExperimentState| {
        let experiments = ExperimentView { states: vec![state] };
        let world = World { fleet: &fleet, experiments: &experiments };
        explain(&policy, signals, world, Draw(1))
    };
    let line = |signals: &Signals, state: ExperimentState| {
        let text = said(signals, state).to_string();
        text.lines().find_map(|it| it.strip_prefix("in       ")).map(str::to_owned)
    };
    let of = |arm| ExperimentState::of_arm(&policy.experiments()[0], ArmIndex(arm));
    let taking = (0..).find(|unit| given(&policy, &user(*unit), of(1)).0.is_some()).unwrap();
    let held = (0..).find(|unit| given(&policy, &user(*unit), of(1)).0.is_none()).unwrap();
    let says = |text: &str| Some(format!("ab, by user: {text}"));
    assert_eq!(line(&user(taking), of(0)), says("arm old, the control"));
    assert_eq!(
        line(&user(taking), of(1)),
        says(
            "arm new, reasoning_effort low, temperature 0.3, top_k 4, 9 characters more of system message"
        )
    );
    assert_eq!(line(&Signals::chat("auto"), of(1)), says("no arm, the request names no user"));
    let code = |signals: &Signals, state| said(signals, state).experiment.unwrap().outside;
    assert_eq!(code(&user(held), of(1)), Some("held_out"));
    let stopped = ExperimentState { stopped: true, ..of(1) };
    assert_eq!(code(&user(taking), stopped), Some("stopped"));
    let back = ExperimentState { rolled_back: vec![ArmIndex(1)], ..of(1) };
    assert_eq!(
        line(&user(taking), back),
        says("no arm, its arm `new` is rolled back: it is served as `old` is")
    );
    let seeing = Signals { needs: Needs::VISION, ..user(taking) };
    // The rule's own model cannot see: the rule is passed over, and what decides has no experiment.
    assert_eq!(said(&seeing, of(1)).experiment, None);
    let long = Signals { input_tokens: Tokens(200_000), ..user(taking) };
    assert_eq!(said(&long, of(1)).experiment, None);
    let json = serde_json::to_value(said(&user(taking), of(1))).unwrap();
    assert_eq!(json["experiment"]["params"]["temperature"], 0.3);
    assert_eq!(json["experiment"]["params"]["top_k"], 4);
    assert_eq!(json["experiment"]["params"]["reasoning_effort"], "low");
    assert_eq!(
        (&json["experiment"]["arm"], &json["experiment"]["unit"]),
        (&"new".into(), &"user".into())
    );
}

#[test]
fn the_table_of_cases_with_experiments_holds() {
    let (table, policy) =
        (include_str!("../cases/experiments.toml"), include_str!("../cases/experiments/chat.toml"));
    let report = cases::run(table, policy, &catalogue()).unwrap_or_else(|it| panic!("{it:#?}"));
    let failed: Vec<String> = report.failed.iter().map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let wrong = table.replace("arm = \"gpt-oss\", model", "arm = \"gpt-osss\", model");
    let faults = cases::run(&wrong, policy, &catalogue()).unwrap_err();
    assert!(faults[0].to_string().contains("`gpt-oss`"), "{}", faults[0]);
    let wrong = table.replace("user = 1, arm = \"qwen\" }", "user = 1, arm = \"gwen\" }");
    let faults = cases::run(&wrong, policy, &catalogue()).unwrap_err();
    assert!(faults[0].path.ends_with("given.arm"), "{}", faults[0]);
    let wrong = table.replacen("arm = \"gpt-oss\"", "arm = \"none\"", 1);
    let report = cases::run(&wrong, policy, &catalogue()).unwrap();
    assert_eq!(report.failed[0].fields, [("arm".into(), "none".into(), "gpt-oss".into())]);
}

/// The plan of a user in this arm, of two that are asked otherwise.
fn asked(arm: u8, state: ExperimentState, signals: &Signals) -> Plan {
    let arms = "arms = [{ name = \"old\", share = 0.5, system_suffix = \"Short.\" }, \
                { name = \"new\", share = 0.5, route = [\"gpt-oss-120b\"], system_suffix = \"THAI\" }]";
    let arms = arms.replace("THAI", "ตอบเป็นภาษาไทยอย่างสุภาพ");
    let policy = policy(&arms);
    let shares = ExperimentState::of_arm(&policy.experiments()[0], ArmIndex(arm)).shares;
    at(&policy, signals, ExperimentState { shares, ..state }).unwrap()
}

#[test]
fn what_an_arm_adds_to_the_prompt_is_reckoned_with() {
    let signals = Signals { input_tokens: Tokens(100), input_tokens_bound: Tokens(400), ..user(1) };
    let none = Signals { unit_user: None, ..signals.clone() };
    let plain = asked(0, ExperimentState::default(), &none);
    assert_eq!((plain.input_tokens, plain.input_tokens_bound), (Tokens(100), Tokens(400)));
    let old = asked(0, ExperimentState::default(), &signals);
    assert_eq!((old.input_tokens, old.input_tokens_bound), (Tokens(106), Tokens(472)));
    let new = asked(1, ExperimentState::default(), &signals);
    let bytes = "ตอบเป็นภาษาไทยอย่างสุภาพ".len() as u32;
    assert_eq!(new.input_tokens_bound, Tokens(400 + bytes + 66));
    assert!(new.input_tokens > Tokens(100 + bytes / 4), "{}", new.input_tokens);
    assert!(plain.cost_max < old.cost_max && old.cost_max < new.cost_max);
    // A prompt that fits without what one arm adds is in neither arm: both would not be asked the same.
    let room = |input| Signals {
        input_tokens: Tokens(input),
        input_tokens_bound: Tokens(input),
        ..user(1)
    };
    let full = (120_000..140_000)
        .find(|input| asked(0, ExperimentState::default(), &room(*input)).arm.is_none());
    let full = room(full.unwrap());
    assert_eq!(asked(1, ExperimentState::default(), &full).arm, None);
    assert_eq!(&*asked(1, ExperimentState::default(), &full).rule, "chat");
}

#[test]
fn a_rolled_back_arm_is_asked_as_the_control_and_one_without_a_unit_is_counted() {
    let experiments = policy(&format!("arms = {ARMS}")).experiments().to_vec();
    let signals = user(1);
    let back = || ExperimentState { rolled_back: vec![ArmIndex(1)], ..ExperimentState::default() };
    let as_arm = |plan: &Plan| {
        plan.asked_as(|at| Some(experiments[usize::from(at.0)].control)).map(|(_, arm)| arm.0)
    };
    let new = asked(1, ExperimentState::default(), &signals);
    assert_eq!((as_arm(&new), new.unassigned()), (Some(1), None));
    let rolled = asked(1, back(), &signals);
    assert_eq!((rolled.arm, as_arm(&rolled), rolled.unassigned()), (None, Some(0), None));
    let control = asked(0, back(), &signals);
    assert_eq!(rolled.input_tokens_bound, control.input_tokens_bound);
    let nobody = asked(0, ExperimentState::default(), &Signals::chat("auto"));
    assert_eq!((as_arm(&nobody), nobody.unassigned()), (None, Some(ExperimentIndex(0))));
    let stopped = ExperimentState { stopped: true, ..ExperimentState::default() };
    let stopped = asked(0, stopped, &Signals::chat("auto"));
    assert_eq!((as_arm(&stopped), stopped.unassigned()), (None, None));
}
