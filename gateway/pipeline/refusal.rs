//! A refused decision as a failure: the one mapping from reasons to kinds.

use std::time::Duration;

use policies::{
    Matched, Policy, Reason, Refusal, Skip, counted,
    facts::{ModelIndex, Needs, Signals},
    forbidden_in_words, left_out, nearest,
};

use crate::{
    failure::{Failure, Kind, Stage, shown},
    wire::Surface,
};

/// Rules that were passed over, and models that were left out, that a message names.
const NAMED_MAX: usize = 6;

/// The failure for the caller of a refused request.
pub(super) fn failure(refusal: &Refusal, policy: &Policy, signals: &Signals) -> Failure {
    let new = |kind, public: String| Failure::new(kind, Stage::Decide, public);
    let incapable = |public| new(Kind::InvalidRequest, public).coded("no_capable_model");
    let considered = || considered(refusal, policy);
    let left_out = || models(refusal, policy, signals);
    match &refusal.reason {
        Reason::UnknownModel => {
            let allowed = policy.allowed(&signals.team_path, signals.key);
            unknown_model(&signals.requested, policy, &allowed, Stage::Decide)
        }
        Reason::ModelForbidden => {
            let all = || format!("this key may use no model of {}: {}", considered(), left_out());
            let pinned = refusal.matched == Some(Matched::Pin);
            let public = if pinned { not_yours(signals) } else { all() };
            new(Kind::Forbidden, public).coded("model_forbidden").at("model")
        }
        Reason::PolicyForbidden(rule) => {
            let words = forbidden_in_words(policy, signals, &refusal.why);
            let words = words.unwrap_or_else(|| {
                format!("the policy's rule `{}` forbids every model left", policy.rule_name(*rule))
            });
            new(Kind::Forbidden, words)
        }
        Reason::NoModel => incapable(format!("{} has no model of this gateway", considered())),
        Reason::NoModelOfKind(_) | Reason::NoCapableModel(_) | Reason::ContextTooLong { .. }
            if refusal.matched == Some(Matched::Pin) =>
        {
            unable(refusal, (policy, signals), new)
        }
        Reason::NoModelOfKind(kind) => {
            let (models, serves) = (considered(), kind.serves());
            let public = format!("no model of {models} serves {serves}: {}", left_out());
            incapable(public).at("model")
        }
        Reason::NoCapableModel(_) => {
            let needs = list(signals.needs.without(Needs::LONG_CONTEXT));
            let public = format!(
                "the request needs {needs}, and no model of {} can serve it: {}",
                considered(),
                left_out()
            );
            incapable(public)
        }
        Reason::ContextTooLong { needed, largest } => {
            let public = format!(
                "the request needs a context of about {needed} tokens; the largest of {} that could \
                 serve it has {largest}: {}",
                considered(),
                left_out()
            );
            too_long(new(Kind::InvalidRequest, public), signals)
        }
        Reason::NoneAvailable | Reason::SwitchedOff => {
            let off = refusal.why.skipped.iter().any(|(_, skip)| *skip == Skip::SwitchedOff);
            let which = off.then(left_out);
            let public = none_available(refusal, signals, which);
            new(Kind::NoCapacity, public).after(Duration::from_secs(1))
        }
    }
}

fn not_yours(signals: &Signals) -> String {
    format!("this key may not use the model `{}`", shown(&signals.requested))
}

fn too_long(failure: Failure, signals: &Signals) -> Failure {
    failure.coded("context_length_exceeded").at(Surface::content(signals.operation))
}

/// That nothing takes the request right now; with each model that was left out, where operators have switched
/// some off.
fn none_available(refusal: &Refusal, signals: &Signals, which: Option<String>) -> String {
    match (refusal.matched, &refusal.reason, which) {
        (Some(Matched::Pin), Reason::SwitchedOff, _) => {
            format!("the model `{}` is switched off", shown(&signals.requested))
        }
        (_, _, Some(which)) => {
            format!("no model of {} takes requests right now: {which}", own(refusal))
        }
        _ => format!("no model of {} takes requests right now", own(refusal)),
    }
}

/// The failure of a request for one model, which cannot do what is asked of it.
fn unable(
    refusal: &Refusal,
    (policy, signals): (&Policy, &Signals),
    new: impl Fn(Kind, String) -> Failure,
) -> Failure {
    let skipped = refusal.why.skipped.first();
    let id = |model: &ModelIndex| policy.fleet().models.get(model.get()).map(|it| &*it.id);
    let id = skipped.and_then(|(model, _)| id(model)).unwrap_or("the model");
    match skipped {
        Some((_, Skip::Context { needed, has })) => {
            let public = format!(
                "{id} has a context of {has} tokens, and the request needs about {needed}, its answer \
                 included"
            );
            let failure = new(Kind::InvalidRequest, public);
            too_long(failure, signals)
        }
        Some((_, Skip::Serves(kind))) => {
            let asked = signals.operation.kind().serves();
            let public = format!("{id} serves {}, and the request asks for {asked}", kind.serves());
            new(Kind::InvalidRequest, public).coded("no_capable_model").at("model")
        }
        Some((_, Skip::Lacks(needs))) => {
            let public = format!("{id} cannot {}", needs.in_words(" or "));
            new(Kind::InvalidRequest, public).coded("no_capable_model")
        }
        _ => new(Kind::InvalidRequest, format!("{id} cannot serve the request"))
            .coded("no_capable_model"),
    }
}

/// What refused the request, in words.
fn own(refusal: &Refusal) -> String {
    match refusal.matched {
        Some(Matched::Default) => "the default route".into(),
        Some(Matched::Pin) => "this name".into(),
        _ => format!("rule `{}`", refusal.rule),
    }
}

/// The rules that were passed over, and what refused the request at last.
fn considered(refusal: &Refusal, policy: &Policy) -> String {
    let passed = &refusal.why.passed;
    let named = passed.iter().take(NAMED_MAX);
    let mut text: String =
        named.map(|rule| format!("rule `{}`, ", policy.rule_name(*rule))).collect();
    if passed.len() > NAMED_MAX {
        text += &counted(passed.len() - NAMED_MAX, "rule more, ", "rules more, ");
    }
    if !text.is_empty() {
        text.truncate(text.len() - 2);
        text += " or ";
    }
    text + &own(refusal)
}

/// The models that were considered, each with what it was left out for.
fn models(refusal: &Refusal, policy: &Policy, signals: &Signals) -> String {
    let all = left_out(policy, signals, &refusal.why);
    let named = all.iter().take(NAMED_MAX).map(|it| format!("{} ({})", it.model, it.reason));
    let mut text = named.collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX {
        text += &format!(" and {} more", all.len() - NAMED_MAX);
    }
    text
}

/// The failure of a name that is none for this caller, who may use these models; with the nearest of those
/// that are.
pub(crate) fn unknown_model(
    name: &str,
    policy: &Policy,
    allowed: &[bool],
    stage: Stage,
) -> Failure {
    let models = policy.fleet().models.iter().zip(allowed).filter(|(_, allowed)| **allowed);
    let models = models.map(|(model, _)| &*model.id);
    let known: Vec<&str> = models.chain(policy.aliases(allowed)).chain(["auto"]).collect();
    let same = || known.iter().copied().find(|it| it.eq_ignore_ascii_case(name));
    // Where others sell a model, its maker stands before it.
    let own = |name: &str| nearest(name.rsplit('/').next()?, known.iter().copied());
    let near = same().or_else(|| nearest(name, known.iter().copied())).or_else(|| own(name));
    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let public = format!(
        "there is no model and no alias `{}` that this key may use; {near}`GET /v1/models` lists them",
        shown(name)
    );
    Failure::new(Kind::UnknownModel, stage, public).at("model")
}

fn list(needs: Needs) -> String {
    needs.names().collect::<Vec<_>>().join(", ")
}
