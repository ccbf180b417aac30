//! The case tables of the presets, and what compiling reports.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use policies::{Fault, cases, catalogue, compile, facts, preset};

#[test]
fn every_case_of_every_preset_holds() {
    let mut passed = 0;
    for (table, preset) in [
        (include_str!("../cases/bank.toml"), "bank"),
        (include_str!("../cases/cheapest.toml"), "cheapest"),
        (include_str!("../cases/fastest.toml"), "fastest"),
        (include_str!("../cases/best.toml"), "best"),
    ] {
        let header = cases::header(table).unwrap();
        assert_eq!(header.policy, format!("../presets/{preset}.toml"));
        let report = cases::run(table, preset::document(preset).unwrap(), &catalogue()).unwrap();
        let failed: Vec<String> = report.failed.iter().map(ToString::to_string).collect();
        assert!(failed.is_empty(), "{preset}\n{}", failed.join("\n"));
        passed += report.passed;
    }
    assert!(passed >= 100, "{passed}");
}

#[test]
fn a_case_that_comes_out_otherwise_says_how() {
    let table = r#"
        policy = "x"
        fleet = "catalogue"
        [[case]]
        name = "wrong"
        given = { language = "th", task = "chat" }
        expect = { rule = "code", model = "glm-5.2" }
    "#;
    let report = cases::run(table, preset::document("bank").unwrap(), &catalogue()).unwrap();
    let difference = report.failed[0].to_string();
    assert_eq!(
        difference,
        "wrong\n  rule: expected code, came regional-languages\n  model: expected glm-5.2, came \
         qwen3.5-397b"
    );
    assert_eq!(report.failed[0].line, Some(5));
}

#[test]
fn a_table_that_tests_nothing_does_not_pass() {
    let head = "policy = \"x\"\nfleet = \"catalogue\"\n";
    let one = |name: &str, expect: &str| format!("[[case]]\n{name}\nexpect = {{ {expect} }}\n");
    for (table, told) in [
        (String::new(), "case: found no [[case]]"),
        (one("name = \"a\"", ""), "case[0] \"a\".expect (line 5): found nothing in it"),
        (one("", "rule = \"code\""), "case[0].name (line 3): found nothing"),
        (
            one("name = \"a\"", "rule = \"cod\""),
            "found `cod`, expected a rule of the policy; did you mean `code`?",
        ),
        (
            one("name = \"a\"", "model = \"kimi\""),
            "found `kimi`, expected a model of the fleet; did you mean `kimi-k2.6`?",
        ),
        (
            one("name = \"a\"", "then = [\"glm-5.2\", \"glm-5.3\"]"),
            "then[1] (line 5): found `glm-5.3`",
        ),
        (one("name = \"a\"", "skipped = [\"qwen\"]"), "skipped[0] (line 5): found `qwen`"),
        (
            one("name = \"a\"", "refusal = \"forbidden\""),
            "found `forbidden`, expected a refusal; did you mean",
        ),
        (one("name = \"a\"", "cost_max = \"cheap\""), "found `cheap`, expected money"),
        (
            one("name = \"a\"", "rule = \"code\"") + &one("name = \"a\"", "rule = \"pin\""),
            "case[1] \"a\".name (line 7): found `a` for the second time",
        ),
    ] {
        let faults = cases::run(
            &(head.to_owned() + &table),
            preset::document("bank").unwrap(),
            &catalogue(),
        );
        let faults = faults.expect_err(&table);
        let [fault] = &faults[..] else { panic!("{table}: {faults:?}") };
        assert!(fault.to_string().contains(told), "{fault}");
    }
}

/// Contents raise to `secret`; the key `narrow` and the team `default` may send less.
struct Raising;

impl cases::Classes for Raising {
    fn raised(&self, contents: &facts::Contents) -> Option<facts::DataClass> {
        (!contents.is_empty()).then_some(facts::DataClass::Secret)
    }

    fn of_key(&self, _: &str) -> cases::Bounds {
        let (least, most) = (facts::DataClass::Internal, facts::DataClass::Confidential);
        cases::Bounds { least, most }
    }

    fn of_team(&self, _: &str) -> cases::Bounds {
        cases::Bounds { most: facts::DataClass::Internal, ..cases::Bounds::default() }
    }
}

#[test]
fn what_a_key_or_a_team_may_not_send_is_refused_in_a_table_as_it_is_by_the_gateway() {
    let policy = "[default]\nroute = [\"gpt-oss-20b\"]\n\
        [[rule]]\nname = \"inner\"\nwhen = { data_class = \"internal\" }\nroute = [\"gpt-oss-120b\"]\n";
    let (free, narrow) = ("key = \"free\"", "key = \"narrow\"");
    for (given, expect) in [
        ("data_class = \"secret\"".to_owned(), "rule = \"default\""),
        ("key = \"default\"".to_owned(), "rule = \"inner\""),
        ("key = \"default\", data_class = \"confidential\"".to_owned(), "rule = \"default\""),
        ("key = \"default\", data_class = \"secret\"".to_owned(), FORBIDDEN),
        ("key = \"default\", contains = [\"secret\"]".to_owned(), FORBIDDEN),
        ("team = \"default\", data_class = \"confidential\"".to_owned(), FORBIDDEN),
        ("team = \"default\", data_class = \"internal\"".to_owned(), "rule = \"inner\""),
        ("team = \"below\", data_class = \"confidential\"".to_owned(), FORBIDDEN),
        (format!("{narrow}, data_class = \"internal\""), FORBIDDEN),
        (format!("{narrow}, contains = [\"phone\"]"), FORBIDDEN),
        (format!("{free}, data_class = \"secret\""), "rule = \"default\""),
    ] {
        let table = format!(
            "policy = \"p\"\nfleet = \"f\"\n[[team]]\nname = \"below\"\nparent = \"default\"\n\
             [[key]]\nname = \"narrow\"\ndata_class_max = \"public\"\n\
             [[key]]\nname = \"free\"\ndata_class_max = \"secret\"\n\
             [[case]]\nname = \"a\"\ngiven = {{ {given} }}\nexpect = {{ {expect} }}\n"
        );
        let report = cases::run_classed(&table, policy, &catalogue(), &Raising).unwrap();
        assert_eq!((report.passed, &report.failed[..]), (1, &[][..]), "{given}");
    }
}

const FORBIDDEN: &str = "refusal = \"data_class_forbidden\"";

#[test]
fn the_catalogue_is_whole() {
    let fleet = catalogue();
    assert_eq!(fleet.models.len(), 10);
    assert!(fleet.models.iter().all(|model| model.price.is_some() && model.zone.is_some()));
    let tables = policies::CATALOGUE.matches("[[model]]").count();
    assert_eq!(tables, fleet.models.len());
}

fn faults(document: &str) -> Vec<Fault> {
    compile(document, &catalogue()).unwrap_err()
}

#[test]
fn all_faults_are_reported_at_once() {
    let faults = faults(
        r#"
        version = 7
        langage = "x"
        [default]
        route = ["gpt-oss-120"]
        [[rule]]
        name = "a b"
        when = { language = ["ms", "zz"], task = "codng", confidence = { min = 2 } }
        route = { among = ["family:nobody"], by = "price" }
        [[rule]]
        name = "guard"
        when = { team = "nobody" }
        [[rule]]
        name = "guard"
        require = { zone = ["moon"] }
        retry = 9
        experiment = "later"
        "#,
    );
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    for path in [
        "version",
        "langage",
        "default.route[0]",
        "rule[0].name",
        "rule[0].when.language[1]",
        "rule[0].when.task",
        "rule[0].when.confidence.min",
        "rule[0].route.among[0]",
        "rule[0].route.by",
        "rule[1].when.team",
        "rule[1].route",
        "rule[2].name",
        "rule[2].require.zone[0]",
        "rule[2].retry",
        "rule[2].experiment",
    ] {
        assert!(paths.contains(&path), "{path} is not among {paths:?}");
    }
    let near = faults.iter().find(|fault| fault.path == "rule[0].when.task").unwrap();
    assert!(near.expected.contains("did you mean `coding`?"), "{near}");
    let near = faults.iter().find(|fault| fault.path == "default.route[0]").unwrap();
    assert!(near.expected.contains("did you mean `gpt-oss-120b`?"), "{near}");
}

#[test]
fn a_document_that_is_no_toml_says_where() {
    let faults = faults("version = \"1\"\n[default\n");
    assert!(faults[0].to_string().starts_with("line 2, column 9"), "{}", faults[0]);
}

#[test]
fn the_hash_tells_policies_and_fleets_apart() {
    let fleet = catalogue();
    let hash = |name: &str, fleet| {
        compile(preset::document(name).unwrap(), fleet).unwrap().hash().to_owned()
    };
    assert_eq!(hash("bank", &fleet), hash("bank", &fleet));
    assert_ne!(hash("bank", &fleet), hash("best", &fleet));
    let mut dearer = fleet.clone();
    dearer.models[0].price = None;
    assert_ne!(hash("bank", &fleet), hash("bank", &dearer));
}
