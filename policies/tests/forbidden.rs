//! Why a guard forbids a model, in words: each thing that it can require or avoid.

#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests are tests")]

use policies::{
    Plan, Refusal, compile, decide,
    facts::{
        DataClass, Draw, FleetFacts, FleetView, Language, ModelFacts, ModelView, Needs, Signals,
        Tokens,
    },
    forbidden_in_words,
};

fn fleet() -> FleetFacts {
    let model = |id: &str, zone: Option<&str>| ModelFacts {
        id: id.into(),
        zone: zone.map(Into::into),
        family: Some("gemma".into()),
        licence: Some("Gemma".into()),
        capabilities: Needs::TOOLS,
        context_tokens_max: Tokens(8_192),
        output_tokens_max: Tokens(1_024),
        output_tokens_default: Tokens(1_024),
        ..ModelFacts::default()
    };
    let models = vec![
        model("gemma-4-31b", Some("cloud_sg")),
        model("bare", None),
        ModelFacts {
            family: Some("qwen".into()),
            licence: Some("Apache-2.0".into()),
            capabilities: Needs::VISION,
            context_tokens_max: Tokens(65_536),
            ..model("qwen3-32b", Some("on_prem"))
        },
    ];
    FleetFacts { models, ..FleetFacts::default() }
}

/// What a request of confidential Thai is told under this guard.
fn said(requested: &str, when: &str, guard: &str) -> String {
    let document = format!(
        "version = \"1\"\n[default]\nroute = [\"gemma-4-31b\", \"bare\"]\n\
         [[rule]]\nname = \"g\"\nwhen = {{ {when} }}\n{guard}\n"
    );
    let policy = compile(&document, &fleet()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let signals = Signals {
        data_class: DataClass::Confidential,
        language: Language::Th,
        input_tokens: Tokens(100),
        ..Signals::chat(requested)
    };
    let models = vec![ModelView::default(); 3];
    let view = FleetView { version: 0, models };
    let refused: Result<Plan, Refusal> = decide(&policy, &signals, &view, Draw(0));
    forbidden_in_words(&policy, &signals, &refused.unwrap_err().why).unwrap()
}

#[test]
fn each_kind_of_constraint_is_told_in_words() {
    let when = "data_class = [\"confidential\"]";
    for (guard, is, keeps) in [
        ("require = { zone = [\"on_prem\"] }", "runs in zone cloud_sg", "in zone on_prem"),
        ("avoid = { zone = [\"cloud_sg\"] }", "runs in zone cloud_sg", "out of zone cloud_sg"),
        ("require = { family = [\"qwen\"] }", "is of family gemma", "to family qwen"),
        ("avoid = { family = [\"gemma\"] }", "is of family gemma", "away from family gemma"),
        (
            "require = { licence = [\"Apache-2.0\", \"MIT?\"] }",
            "has the licence Gemma",
            "to models of licence Apache-2.0 or MIT",
        ),
        (
            "avoid = { licence = \"Gemma\" }",
            "has the licence Gemma",
            "away from models of licence Gemma",
        ),
        (
            "require = { capability = [\"vision\", \"tools\"] }",
            "cannot read images",
            "to models that can call tools and read images",
        ),
        (
            "avoid = { capability = \"tools\" }",
            "can call tools",
            "away from models that can call tools",
        ),
        (
            "require = { context_min = 32768 }",
            "has a context of 8192 tokens",
            "to models with a context of 32768 tokens or more",
        ),
        (
            "avoid = { context_min = 4096 }",
            "has a context of 8192 tokens",
            "away from models with a context of 4096 tokens or more",
        ),
    ] {
        let expected = format!(
            "gemma-4-31b {is}, and the guard `g` keeps requests of data class confidential {keeps}"
        );
        assert_eq!(said("gemma-4-31b", when, guard), expected);
    }
}

#[test]
fn a_guard_is_told_by_what_the_request_is_in_its_respects() {
    let home = "require = { zone = [\"on_prem\"] }";
    for (when, requests) in [
        ("", "all requests"),
        (
            "language = [\"th\"], data_class = { not = [\"public\"] }",
            "requests in language th of data class confidential",
        ),
        ("stream = false", "requests that do not stream"),
        ("model = [\"bare\"]", "requests for `bare`"),
        ("input_tokens = { max = 1000 }", "requests of about 100 input tokens"),
    ] {
        let keeps = format!(
            "bare runs in no stated zone, and the guard `g` keeps {requests} in zone on_prem"
        );
        let said = said("bare", when, home);
        assert_eq!(sorted(&said), sorted(&keeps), "{said}");
    }
}

/// In which order the respects of a guard are told is no promise.
fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.sort_unstable();
    words
}

#[test]
fn the_models_of_a_route_stand_together() {
    let home = "require = { zone = [\"on_prem\"] }";
    assert_eq!(
        said("auto", "", home),
        "gemma-4-31b runs in zone cloud_sg, bare runs in no stated zone, and the guard `g` keeps all \
         requests in zone on_prem"
    );
}
