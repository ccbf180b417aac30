//! Answers that are kept: who says so, for how long, and what is no such thing.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

use policies::{
    Policy, catalogue, compile, decide, explain,
    facts::{Draw, FleetFacts, FleetView, ModelView, Signals},
    lint::diff,
};

fn fleet() -> FleetFacts {
    FleetFacts {
        models: vec![catalogue().models[0].clone()],
        teams: Vec::new(),
        keys: Vec::new(),
        aliases: Vec::new(),
    }
}

const RULE: &str = "[[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\n";

fn policy(rule: &str, default: &str) -> Policy {
    let document = format!("{rule}\n[default]\nroute = \"*\"\n{default}\n");
    compile(&document, &fleet()).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

/// For how long the answer to a chat is kept, and what is said of that.
fn kept(policy: &Policy, model: &str) -> (Option<u32>, Option<u32>) {
    let model_view = ModelView { available: true, ..ModelView::default() };
    let view = FleetView { version: 0, models: vec![model_view] };
    let signals = Signals::chat(model);
    let plan = decide(policy, &signals, &view, Draw(1)).unwrap();
    let explained = explain(policy, &signals, &view, Draw(1));
    let says = explained.to_string().contains("the answer is kept for");
    assert_eq!(says, plan.cache_ttl_s.is_some(), "{explained}");
    (plan.cache_ttl_s, explained.cache_ttl_s)
}

#[test]
fn what_decides_says_how_long_and_nothing_else_does() {
    let cache = |seconds: u32| format!("cache = {{ ttl_s = {seconds} }}\n");
    let rule = |cache: &str| format!("{RULE}route = \"*\"\n{cache}");
    for (rule, default, ttl) in [
        (rule(&cache(1)), String::new(), Some(1)),
        (rule(""), cache(5), None),
        (String::new(), cache(604_800), Some(604_800)),
        (rule(&cache(7)), cache(5), Some(7)),
        (String::new(), String::new(), None),
    ] {
        let policy = policy(&rule, &default);
        assert_eq!(kept(&policy, "auto"), (ttl, ttl), "{rule} {default}");
        let own = fleet().models[0].id.to_string();
        assert_eq!(kept(&policy, &own), (None, None), "one model by its name");
    }
    let (before, after) = (policy(&rule(&cache(1)), ""), policy(&rule(&cache(2)), ""));
    assert_ne!(before.hash(), after.hash());
    let found = diff(&before, &after);
    let change = &found.changes[0];
    assert!(change.before.contains(", kept for 1 s") && change.after.contains(", kept for 2 s"));
}

#[test]
fn what_cannot_be_is_told_with_its_path() {
    let ttl = "a number of seconds from 1 to 604800";
    let table = "a table: { ttl_s = 3600 }";
    for (cache, path, expected) in [
        ("{ ttl_s = 0 }", "rule[0].cache.ttl_s", ttl),
        ("{ ttl_s = 604801 }", "rule[0].cache.ttl_s", ttl),
        ("{ ttl_s = 1.5 }", "rule[0].cache.ttl_s", ttl),
        ("{}", "rule[0].cache.ttl_s", ttl),
        ("3600", "rule[0].cache", table),
        ("true", "rule[0].cache", table),
        ("{ ttl_s = 1, for = 2 }", "rule[0].cache.for", "a known key"),
    ] {
        let document = format!("{RULE}route = \"*\"\ncache = {cache}\n[default]\nroute = \"*\"\n");
        let faults = compile(&document, &fleet()).unwrap_err();
        assert_eq!(faults.len(), 1, "{cache}");
        assert_eq!(faults[0].path, path);
        assert!(faults[0].to_string().contains(expected), "{}", faults[0]);
    }
    let guard = format!("{RULE}require = {{ zone = [\"on_prem\"] }}\ncache = {{ ttl_s = 1 }}\n");
    let faults = compile(&format!("{guard}[default]\nroute = \"*\"\n"), &fleet()).unwrap_err();
    assert!(faults.iter().any(|it| it.path == "rule[0].cache"), "{faults:?}");
}
