//! Every kind of mistake, and the request that shows it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use policies::{
    catalogue, compile,
    facts::FleetFacts,
    lint::{Finding, Kind, Severity, lint},
    preset,
};

fn findings(rules: &str) -> Vec<Finding> {
    of(rules, &catalogue())
}

fn of(rules: &str, fleet: &FleetFacts) -> Vec<Finding> {
    let document = format!("version = \"1\"\n{rules}\n[default]\nroute = [\"*\"]\n");
    lint(&compile(&document, fleet).unwrap())
}

fn only(rules: &str, kind: Kind, rule: &str) -> Finding {
    let found = findings(rules);
    let [finding] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((finding.kind, finding.rule.as_str()), (kind, rule), "{finding}");
    finding.clone()
}

const ROUTED: &str = "route = [\"qwen3.5-397b\", \"deepseek-v3.2\"]";

#[test]
fn a_rule_behind_one_that_takes_all_of_it_is_dead() {
    let rules = format!(
        "[[rule]]\nname = \"thai\"\nwhen = {{ language = [\"th\", \"vi\"] }}\n{ROUTED}\n\
         [[rule]]\nname = \"thai-code\"\nwhen = {{ language = [\"th\"], task = [\"coding\"] }}\n{ROUTED}\n"
    );
    let finding = only(&rules, Kind::Dead, "thai-code");
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(finding.path, "rule[1]");
    assert!(finding.says.contains("`thai` takes every request"), "{}", finding.says);
    assert_eq!(finding.example.as_deref(), Some("{ language = \"th\", task = \"coding\" }"));
}

#[test]
fn rules_that_only_together_take_all_of_another_make_it_dead() {
    let rules = format!(
        "[[rule]]\nname = \"small\"\nwhen = {{ input_tokens = {{ max = 1000 }} }}\n{ROUTED}\n\
         [[rule]]\nname = \"large\"\nwhen = {{ input_tokens = {{ min = 1001 }}, stream = true }}\n{ROUTED}\n\
         [[rule]]\nname = \"streams\"\nwhen = {{ stream = true }}\n{ROUTED}\n"
    );
    only(&rules, Kind::Dead, "streams");
    // One token between them, and it lives.
    assert!(findings(&rules.replace("1001", "1002")).is_empty());
}

#[test]
fn a_rule_with_a_tag_lives_behind_one_that_excludes_another() {
    let rules = format!(
        "[[rule]]\nname = \"not-a\"\nwhen = {{ tag = {{ not = [\"app=a\"] }} }}\n{ROUTED}\n\
         [[rule]]\nname = \"b\"\nwhen = {{ tag = [\"app=b\"] }}\n{ROUTED}\n"
    );
    assert!(findings(&rules).is_empty());
}

#[test]
fn the_same_conditions_twice_are_a_mistake() {
    let rules = format!(
        "[[rule]]\nname = \"one\"\nwhen = {{ coarse_task = [\"math\"] }}\n{ROUTED}\n\
         [[rule]]\nname = \"two\"\nwhen = {{ task = [\"math\"] }}\nroute = [\"glm-5.2\"]\n"
    );
    let finding = only(&rules, Kind::SameConditions, "two");
    assert_eq!(finding.severity, Severity::Error);
}

#[test]
fn what_the_second_of_two_with_the_same_conditions_serves_does_not_come_to_the_default() {
    let kinds = |second: &str| {
        let document = format!(
            "version = \"1\"\n[[rule]]\nname = \"one\"\nroute = [\"glm-5.2\"]\n\
             [[rule]]\nname = \"two\"\nroute = {second}\n[default]\nroute = [\"glm-5.2\"]\n"
        );
        let found = lint(&compile(&document, &catalogue()).unwrap());
        found.into_iter().map(|it| it.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds("[\"*\"]"), [Kind::SameConditions]);
    assert_eq!(kinds("[\"deepseek-v3.2\"]"), [Kind::SameConditions, Kind::Gap]);
}

#[test]
fn confidential_data_leaks_where_a_higher_class_or_a_way_around_is_forgotten() {
    let guard = |when: &str| {
        format!(
            "[[rule]]\nname = \"home\"\nwhen = {{ {when} }}\nrequire = {{ zone = [\"on_prem\"] }}\n\
             [[rule]]\nname = \"all\"\nroute = {{ among = [\"*\"], by = \"cost\" }}\n"
        )
    };
    let leaks = |when: &str| {
        let found = findings(&guard(when));
        let leak = found.into_iter().find(|it| it.kind == Kind::Leak);
        leak.map(|it| (it.severity, it.says, it.example.unwrap()))
    };
    assert_eq!(leaks("data_class = [\"confidential\", \"secret\"]"), None);
    let (severity, says, example) = leaks("data_class = [\"confidential\"]").unwrap();
    assert_eq!(severity, Severity::Error);
    assert!(says.starts_with("secret data can reach `"), "{says}");
    assert!(example.contains("data_class = \"secret\""), "{example}");
    let (_, says, example) =
        leaks("data_class = [\"confidential\", \"secret\"], stream = false").unwrap();
    assert!(says.starts_with("confidential data can reach `"), "{says}");
    assert!(example.contains("stream = true"), "{example}");
}

#[test]
fn a_guard_that_a_header_evades_is_told() {
    let rules = "[[rule]]\nname = \"no-glm\"\nwhen = { language = [\"ms\"] }\n\
                 avoid = { family = [\"glm\"] }\n";
    let finding = only(rules, Kind::Hintable, "no-glm");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.says.contains("language"), "{}", finding.says);
}

#[test]
fn constraints_that_leave_a_route_nothing_are_told_with_the_guards() {
    let rules = "[[rule]]\nname = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
         require = { zone = [\"on_prem\"] }\n\
         [[rule]]\nname = \"cheap\"\nwhen = { task = [\"chat\"] }\nroute = [\"minimax-m2.5\"]\n";
    let fleet = catalogue();
    let zone = fleet.models.iter().find(|it| &*it.id == "minimax-m2.5").unwrap().zone.clone();
    assert_ne!(zone.as_deref(), Some("on_prem"));
    let found = findings(rules);
    let empty = found.iter().find(|it| it.kind == Kind::EmptyRoute && it.rule == "cheap").unwrap();
    assert!(empty.says.contains("`home` leaves this route no model"), "{}", empty.says);
    assert!(empty.example.as_deref().unwrap().contains("data_class = \"confidential\""), "{empty}");
}

#[test]
fn a_need_that_only_other_models_meet_is_a_gap() {
    let mut fleet = catalogue();
    let blind = fleet.models.iter_mut().find(|it| &*it.id == "gpt-oss-20b").unwrap();
    blind.capabilities = blind.capabilities.without(policies::facts::Needs::VISION);
    let rules =
        "[[rule]]\nname = \"cheap\"\nwhen = { task = [\"chat\"] }\nroute = [\"gpt-oss-20b\"]\n";
    // The default route has models that see.
    assert!(of(rules, &fleet).iter().all(|it| it.kind != Kind::Gap));
    let found = of(&format!("{rules}on_unservable = \"refuse\"\n"), &fleet);
    let gap = found.iter().find(|it| it.kind == Kind::Gap && it.rule == "cheap").unwrap();
    assert!(gap.example.as_deref().unwrap().contains("needs = ["), "{gap}");
}

#[test]
fn a_fallback_that_is_too_small_for_all_it_gets_is_told() {
    let rules = "[[rule]]\nname = \"long\"\nwhen = { input_tokens = { min = 150000 } }\n\
         route = [\"minimax-m2.5\", \"gpt-oss-20b\"]\n";
    let found = findings(rules);
    let small = found.iter().find(|it| it.kind == Kind::Context).unwrap();
    assert!(small.says.contains("`gpt-oss-20b`") && small.rule == "long", "{small}");
}

#[test]
fn presets_have_no_errors() {
    for name in ["bank", "best", "cheapest", "default", "fastest"] {
        let policy = compile(preset::document(name).unwrap(), &catalogue()).unwrap();
        let found = lint(&policy);
        let errors: Vec<_> = found.iter().filter(|it| it.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn five_thousand_rules_are_judged_in_bounded_time() {
    let rule = |at: usize| {
        format!(
            "[[rule]]\nname = \"r{at}\"\nwhen = {{ language = [\"{}\"], task = [\"{}\"], \
             input_tokens = {{ min = {}, max = {} }}, confidence = {{ min = 0.{} }} }}\n{ROUTED}\n",
            ["en", "ms", "th", "vi", "zh-Hans", "ta"][at % 6],
            ["chat", "coding", "math", "banking"][at % 4],
            at * 3,
            at * 7 + 1,
            at % 89 + 10,
        )
    };
    let rules: String = (0..4_990).map(rule).collect();
    let begun = std::time::Instant::now();
    let found = findings(&rules);
    let took = begun.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
    assert!(found.len() < 10_000);
}
