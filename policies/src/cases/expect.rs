//! What a case expects. What names nothing that could ever come is a fault, not a case that fails.

use crate::{
    document::{Faults, Section, kind},
    facts::{Money, Needs, Tokens},
    fault::Fault,
    index::RuleIndex,
    plan::Reason,
    policy::Policy,
};

/// What must stand in an expectation.
pub(super) const SOMETHING: &str =
    "what should come out: rule, model, then, skipped, cost_max, experiment, arm or refusal";
/// The code of what is refused for its data class, before anything is decided.
pub(super) const DATA_CLASS_FORBIDDEN: &str = "data_class_forbidden";
/// What stands for the experiment and the arm of a request that has none.
pub(super) const NO_ARM: &str = "none";

/// What should come out; absent is what is not looked at.
#[derive(Default)]
pub(super) struct Expect {
    pub(super) rule: Option<String>,
    pub(super) model: Option<String>,
    pub(super) then: Option<Vec<String>>,
    pub(super) skipped: Option<Vec<String>>,
    pub(super) cost_max: Option<String>,
    pub(super) refusal: Option<&'static str>,
    pub(super) experiment: Option<String>,
    pub(super) arm: Option<String>,
}

pub(super) fn expect(mut it: Section<'_>, policy: &Policy, faults: &mut Faults) -> Expect {
    if it.is_empty() {
        faults.push(Fault::new(it.path().at("").trim_end_matches('.'), "nothing in it", SOMETHING));
    }
    let money = |value: &toml::Value| Money::parse(value.as_str()?).ok();
    let cost_max = it.read("cost_max", "money such as \"0.005\"", faults, money);
    let expect = Expect {
        rule: rule(&mut it, policy, faults),
        model: models(&mut it, "model", policy, faults).and_then(|it| it.into_iter().next()),
        then: models(&mut it, "then", policy, faults),
        skipped: models(&mut it, "skipped", policy, faults),
        cost_max: cost_max.map(|it| it.to_string()),
        refusal: refusal(&mut it, faults),
        experiment: experiment(&mut it, policy, faults),
        arm: arm(&mut it, policy, faults),
    };
    it.close(faults);
    expect
}

/// An experiment of the policy, or none.
fn experiment(it: &mut Section<'_>, policy: &Policy, faults: &mut Faults) -> Option<String> {
    let name = it.text("experiment", faults)?;
    let known = policy.experiments().iter().map(|it| &*it.name).chain([NO_ARM]);
    if !known.clone().any(|it| it == name) {
        faults.push_unknown(it.at("experiment"), name, "an experiment of the policy", known);
    }
    Some(name.to_owned())
}

/// An arm of any experiment of the policy, or none.
fn arm(it: &mut Section<'_>, policy: &Policy, faults: &mut Faults) -> Option<String> {
    let name = it.text("arm", faults)?;
    let arms = policy.experiments().iter().flat_map(|it| &it.arms);
    let known = arms.map(|it| &*it.name).chain([NO_ARM]);
    if !known.clone().any(|it| it == name) {
        faults.push_unknown(it.at("arm"), name, "an arm of the policy's experiments", known);
    }
    Some(name.to_owned())
}

/// The name of what can decide: a rule, the default route, a pin, an alias.
fn rule(it: &mut Section<'_>, policy: &Policy, faults: &mut Faults) -> Option<String> {
    let name = it.text("rule", faults)?;
    let mut known: Vec<String> = policy.rule_names().map(ToString::to_string).collect();
    known.extend(["default", "pin"].map(str::to_owned));
    known.extend(policy.fleet().aliases.iter().map(|(name, _)| format!("alias:{name}")));
    // Nothing decides where there is no model of that name.
    if !name.is_empty() && !known.iter().any(|it| it == name) {
        let known = known.iter().map(String::as_str);
        faults.push_unknown(it.at("rule"), name, "a rule of the policy", known);
    }
    Some(name.to_owned())
}

/// Models of the fleet; one alone is a list of one.
fn models(
    it: &mut Section<'_>,
    key: &'static str,
    policy: &Policy,
    faults: &mut Faults,
) -> Option<Vec<String>> {
    let known = policy.fleet().models.iter().map(|it| &*it.id);
    let mut models = Vec::new();
    for (path, value) in it.list(key)? {
        match value.as_str() {
            Some(id) if known.clone().any(|it| it == id) => models.push(id.to_owned()),
            Some(id) => faults.push_unknown(path, id, "a model of the fleet", known.clone()),
            None => faults.push(Fault::new(path, kind(value), "a model's id")),
        }
    }
    Some(models)
}

fn refusal(it: &mut Section<'_>, faults: &mut Faults) -> Option<&'static str> {
    let found = it.text("refusal", faults)?;
    let codes = every_reason().map(|reason| reason_code(&reason)).into_iter();
    let mut codes = codes.chain([DATA_CLASS_FORBIDDEN]);
    let known = codes.clone();
    let code = codes.find(|code| *code == found);
    if code.is_none() {
        faults.push_unknown(it.at("refusal"), found, "a refusal", known);
    }
    code
}

/// One reason of each code.
fn every_reason() -> [Reason; 6] {
    [
        Reason::PolicyForbidden(RuleIndex(0)),
        Reason::ModelForbidden,
        Reason::NoCapableModel(Needs::NONE),
        Reason::ContextTooLong { needed: Tokens(0), largest: Tokens(0) },
        Reason::NoneAvailable,
        Reason::UnknownModel,
    ]
}

/// The code of a reason, as case tables spell it and as callers read it.
pub(super) fn reason_code(reason: &Reason) -> &'static str {
    match reason {
        Reason::UnknownModel => "model_not_found",
        Reason::ModelForbidden => "model_forbidden",
        Reason::PolicyForbidden(_) => "policy_forbidden",
        Reason::NoCapableModel(_) | Reason::NoModelOfKind(_) | Reason::NoModel => {
            "no_capable_model"
        }
        Reason::ContextTooLong { .. } => "context_length_exceeded",
        Reason::NoneAvailable | Reason::SwitchedOff => "no_capacity",
    }
}
