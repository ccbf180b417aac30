//! Kinds of models: each request by those of its kind alone, and vectors of one space.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use policies::{
    FleetSnapshot, Policy, Reason, Refusal, Skip, catalogue, compile, decide,
    facts::{
        AliasTarget, Draw, FleetFacts, FleetView, KeyFacts, KeyIndex, ModelFacts, ModelIndex,
        ModelKind, ModelView, Operation, Signals, TeamFacts, TeamIndex, Tokens,
    },
    lint::{Kind, Severity, judge, lint},
    preset,
};

const CHAT: ModelIndex = ModelIndex(0);
const ONE: ModelIndex = ModelIndex(1);
const SAME: ModelIndex = ModelIndex(2);
const OTHER: ModelIndex = ModelIndex(3);
const RANKS: ModelIndex = ModelIndex(4);

/// A chat model, three of vectors in two spaces, and one that ranks; two teams with a key each.
fn fleet() -> FleetFacts {
    let model = |id: &str, kind: ModelKind, space: Option<&str>| ModelFacts {
        id: id.into(),
        kind,
        vector_space: space.map(Into::into),
        context_tokens_max: Tokens(8_192),
        output_tokens_max: Tokens(if kind == ModelKind::Chat { 4_096 } else { 0 }),
        output_tokens_default: Tokens(if kind == ModelKind::Chat { 1_024 } else { 0 }),
        ..ModelFacts::default()
    };
    let all = || [Box::from("*")].into();
    let team = |name: &str| TeamFacts { name: name.into(), parent: None, models: all() };
    let key = |name: &str| KeyFacts { name: name.into(), models: all() };
    FleetFacts {
        models: vec![
            model("chat", ModelKind::Chat, None),
            model("one", ModelKind::Embedding, Some("a")),
            model("same", ModelKind::Embedding, Some("a")),
            model("other", ModelKind::Embedding, Some("b")),
            model("ranks", ModelKind::Rerank, None),
        ],
        teams: vec![team("left"), team("right")],
        keys: vec![key("k0"), key("k1")],
        aliases: Vec::new(),
    }
}

fn aliased(name: &str, models: &[&str]) -> FleetFacts {
    let models = models.iter().map(|it| Box::from(*it)).collect();
    FleetFacts { aliases: vec![(name.into(), AliasTarget::Route(models))], ..fleet() }
}

fn view(down: &[ModelIndex]) -> FleetView {
    let up = ModelView { available: true, last_resort: false, ..ModelView::default() };
    let view = |at: u16| ModelView { available: !down.contains(&ModelIndex(at)), ..up };
    FleetView { version: 0, models: (0..5).map(view).collect() }
}

fn policy(document: &str) -> Policy {
    compile(document, &fleet()).unwrap()
}

fn asked(operation: Operation, name: &str) -> Signals {
    Signals { operation, input_tokens: Tokens(100), ..Signals::chat(name) }
}

fn by(policy: &Policy, signals: &Signals, down: &[ModelIndex]) -> Result<Vec<ModelIndex>, Refusal> {
    let plan = decide(policy, signals, &view(down), Draw(0))?;
    Ok(plan.attempts.iter().map(|it| it.model).collect())
}

const ALL: &str = "[default]\nroute = [\"*\"]\n";

#[test]
fn every_operation_is_served_by_models_of_its_kind_alone() {
    for by_what in
        ["[\"*\"]", "{ among = [\"*\"], by = \"cost\" }", "{ among = [\"*\"], by = \"load\" }"]
    {
        let policy = policy(&format!("[default]\nroute = {by_what}\n"));
        for operation in Operation::ALL {
            let models = by(&policy, &asked(*operation, "auto"), &[]).unwrap();
            let kinds = models.iter().map(|it| fleet().models[it.get()].kind);
            assert!(kinds.clone().all(|it| it == operation.kind()), "{operation}: {models:?}");
            assert!(!models.is_empty());
        }
    }
    let plan = decide(&policy(ALL), &asked(Operation::Chat, "auto"), &view(&[]), Draw(0)).unwrap();
    assert!(
        plan.why.skipped.contains(&(ONE, Skip::Serves(ModelKind::Embedding))),
        "{:?}",
        plan.why
    );
}

#[test]
fn a_model_that_is_asked_by_its_name_refuses_what_is_not_its_kind() {
    let policy = policy(ALL);
    for operation in Operation::ALL {
        for (at, model) in (0..).zip(fleet().models) {
            let found = by(&policy, &asked(*operation, &model.id), &[]);
            if model.kind == operation.kind() {
                assert_eq!(found.unwrap(), [ModelIndex(at)]);
            } else {
                let reason = found.unwrap_err().reason;
                assert_eq!(
                    reason,
                    Reason::NoModelOfKind(operation.kind()),
                    "{operation} {}",
                    model.id
                );
            }
        }
    }
}

#[test]
fn a_rule_without_a_model_of_the_kind_passes_the_request_on() {
    let rules = "[[rule]]\nname = \"all\"\nwhen = {}\nroute = [\"chat\"]\n\
                 [[rule]]\nname = \"vectors\"\nwhen = { operation = \"embeddings\" }\nroute = [\"other\"]\n";
    let policy = policy(&format!("{ALL}{rules}"));
    assert_eq!(by(&policy, &asked(Operation::Embeddings, "auto"), &[]).unwrap(), [OTHER]);
    assert_eq!(by(&policy, &asked(Operation::Chat, "auto"), &[]).unwrap(), [CHAT]);
    assert_eq!(by(&policy, &asked(Operation::Rerank, "auto"), &[]).unwrap(), [RANKS]);
    let dead = lint(&policy).into_iter().filter(|it| it.kind == Kind::Dead).count();
    assert_eq!(dead, 0, "the second rule gets what the first cannot serve: {:?}", lint(&policy));
}

#[test]
fn vectors_stay_in_one_space_whatever_is_down_and_however_long_they_are() {
    let policy = policy(ALL);
    let mut signals = asked(Operation::Embeddings, "auto");
    for tokens in [1, 8_000, 9_000, 1_000_000] {
        signals.input_tokens = Tokens(tokens);
        assert_eq!(by(&policy, &signals, &[]).unwrap(), [ONE, SAME]);
        assert_eq!(by(&policy, &signals, &[ONE]).unwrap(), [SAME]);
        let refusal = by(&policy, &signals, &[ONE, SAME]).unwrap_err();
        assert_eq!(refusal.reason, Reason::NoneAvailable);
        assert!(refusal.why.skipped.contains(&(OTHER, Skip::Space(ONE))), "{:?}", refusal.why);
    }
}

#[test]
fn an_alias_of_two_spaces_is_served_by_the_first_and_does_not_load() {
    let fleet = aliased("embed", &["other", "one"]);
    let policy = compile("[default]\nroute = [\"chat\"]\n", &fleet).unwrap();
    let signals = asked(Operation::Embeddings, "embed");
    assert_eq!(by(&policy, &signals, &[]).unwrap(), [OTHER]);
    assert!(by(&policy, &signals, &[OTHER]).is_err());
    let faults = judge(&policy).unwrap_err();
    let text = faults.iter().map(ToString::to_string).collect::<String>();
    assert!(text.contains("alias.embed") && text.contains("`a` and `b`"), "{text}");
    let one_space = compile("[default]\nroute = [\"chat\"]\n", &aliased("embed", &["same", "one"]));
    assert!(judge(&one_space.unwrap()).is_ok());
}

/// What rules and default route are, and whether some name reaches two spaces by them.
const POLICIES: [(&str, &str, bool); 12] = [
    ("*", "", true),
    ("chat", "", false),
    ("one", "", false),
    ("one", "when = { team = \"left\" }\nroute = [\"other\"]", false),
    ("one", "when = { team = \"left\", operation = \"embeddings\" }\nroute = [\"other\"]", false),
    ("one", "when = { model = \"auto\" }\nroute = [\"other\"]", false),
    ("one", "when = { model = \"auto\", team = \"left\" }\nroute = [\"other\"]", false),
    ("one", "when = { language = \"th\" }\nroute = [\"other\"]", true),
    ("one", "when = { team = \"left\", language = \"th\" }\nroute = [\"other\"]", true),
    ("one", "when = { language = \"th\" }\nroute = [\"same\"]", false),
    ("one", "when = { operation = \"chat\", language = \"th\" }\nroute = [\"*\"]", false),
    ("chat", "when = { team = \"left\" }\nroute = [\"one\", \"other\"]", true),
];

#[test]
fn a_policy_by_which_one_name_reaches_two_spaces_does_not_load() {
    for (default, rule, mixed) in POLICIES {
        let rule = if rule.is_empty() {
            String::new()
        } else {
            format!("[[rule]]\nname = \"r\"\n{rule}\n")
        };
        let policy = policy(&format!("[default]\nroute = [\"{default}\"]\n{rule}"));
        let found = lint(&policy);
        let spaces: Vec<_> = found.iter().filter(|it| it.kind == Kind::VectorSpaces).collect();
        assert_eq!(!spaces.is_empty(), mixed, "{default} {rule}: {found:?}");
        assert!(spaces.iter().all(|it| it.severity == Severity::Error));
        assert!(spaces.iter().all(|it| it.says.contains("`a` and `b`")), "{spaces:?}");
        assert_eq!(judge(&policy).is_err(), mixed);
    }
}

#[test]
fn what_lint_lets_through_gives_each_team_and_name_one_space() {
    for (default, rule, mixed) in POLICIES.iter().filter(|it| !it.2) {
        let rule = if rule.is_empty() {
            String::new()
        } else {
            format!("[[rule]]\nname = \"r\"\n{rule}\n")
        };
        let policy = policy(&format!("[default]\nroute = [\"{default}\"]\n{rule}"));
        for team in [TeamIndex(0), TeamIndex(1)] {
            let mut spaces = std::collections::BTreeSet::new();
            for language in policies::facts::Language::ALL {
                for (tokens, down) in [(1, &[][..]), (100_000, &[ONE]), (5, &[SAME]), (5, &[OTHER])]
                {
                    let signals = Signals {
                        language: *language,
                        team_path: [team].into_iter().collect(),
                        key: KeyIndex(0),
                        input_tokens: Tokens(tokens),
                        ..asked(Operation::Embeddings, "auto")
                    };
                    let models = by(&policy, &signals, down).unwrap_or_default();
                    spaces.extend(
                        models.iter().map(|it| fleet().models[it.get()].vector_space.clone()),
                    );
                }
            }
            assert!(spaces.len() <= 1, "{default} {rule} {mixed}: {spaces:?}");
        }
    }
}

#[test]
fn the_arms_of_an_experiment_are_of_one_space() {
    for (arms, mixed) in [(["one", "same"], false), (["one", "other"], true)] {
        let arm = |name: &str, model: &str| {
            format!("{{ name = \"{name}\", share = 0.5, route = [\"{model}\"] }}")
        };
        let document = format!(
            "[default]\nroute = [\"chat\"]\n[[rule]]\nname = \"ab\"\nwhen = {{ operation = \
             \"embeddings\" }}\nroute = [\"one\"]\nexperiment = \"ab\"\n[[experiment]]\nname = \"ab\"\n\
             unit = \"request\"\narms = [{}, {}]\nprimary = \"cost\"\n",
            arm("old", arms[0]),
            arm("new", arms[1]),
        );
        let policy = policy(&document);
        let found = lint(&policy);
        let spaces = found.iter().any(|it| it.kind == Kind::VectorSpaces);
        assert_eq!(spaces, mixed, "{found:?}");
        let arms = [Kind::ArmUnable, Kind::NeverEnrols, Kind::ArmForbidden];
        assert!(!found.iter().any(|it| arms.contains(&it.kind)), "{found:?}");
    }
}

#[test]
fn every_preset_serves_vectors_and_ranks_where_there_are_models_for_them() {
    for name in preset::NAMES {
        let mut fleet = catalogue();
        let document = preset::document(name).unwrap();
        let before = judge(&compile(document, &fleet).unwrap()).unwrap();
        let home = fleet.models.iter().find_map(|it| it.zone.clone());
        for model in self::fleet().models.into_iter().filter(|it| it.kind != ModelKind::Chat) {
            if model.id != "other".into() {
                fleet.models.push(ModelFacts { zone: home.clone(), ..model });
            }
        }
        let policy = compile(document, &fleet).unwrap();
        assert_eq!(judge(&policy).unwrap(), before, "{name}: what is said of chats stays");
        let views = vec![ModelView::default(); fleet.models.len()];
        let view = FleetView { version: 0, models: views };
        for operation in Operation::ALL {
            let plan = decide(&policy, &asked(*operation, "auto"), &view, Draw(0));
            let plan = plan.unwrap_or_else(|it| panic!("{name} {operation}: {it:?}"));
            let kinds = plan.attempts.iter().map(|it| fleet.models[it.model.get()].kind);
            assert!(kinds.into_iter().all(|it| it == operation.kind()), "{name} {operation}");
        }
    }
}

#[test]
fn kinds_and_spaces_are_kept_with_a_policy_and_chats_as_before() {
    let policy = policy(ALL);
    let kept = serde_json::to_string(&FleetSnapshot::of(&policy)).unwrap();
    let again: FleetSnapshot = serde_json::from_str(&kept).unwrap();
    assert_eq!(again.fleet("k0", &["*".to_owned()]).0.models, fleet().models);
    assert!(!kept.contains("\"chat\",\"kind\"") && kept.matches("\"kind\"").count() == 4, "{kept}");
}

#[test]
fn a_model_of_vectors_is_not_too_small_for_many_texts_at_once() {
    let rule = "[[rule]]\nname = \"long\"\nwhen = { input_tokens = { min = 100000 } }\n\
                route = [\"one\"]\n";
    let Ok(policy) = compile(&format!("[default]\nroute = [\"one\", \"chat\"]\n{rule}"), &fleet())
    else {
        panic!("no policy")
    };
    let found = lint(&policy);
    assert!(!found.iter().any(|it| it.kind == Kind::Context), "{found:?}");
}
