//! A refused decision as a failure: the one mapping from reasons to kinds.

use std::time::Duration;

use policies::{
    Policy, Reason, Refusal,
    facts::{Needs, Signals},
    nearest,
};

use crate::failure::{Failure, Kind, Stage, shown};

/// The failure for the caller of a refused request.
pub(super) fn failure(refusal: &Refusal, policy: &Policy, signals: &Signals) -> Failure {
    let new = |kind, public: String| Failure::new(kind, Stage::Decide, public);
    match &refusal.reason {
        Reason::UnknownModel => {
            let allowed = policy.allowed(&signals.team_path, signals.key);
            unknown_model(&signals.requested, policy, &allowed, Stage::Decide)
        }
        Reason::ModelForbidden => new(Kind::Forbidden, "this key may not use the model".into())
            .coded("model_forbidden")
            .at("model"),
        Reason::PolicyForbidden(rule) => {
            let name = policy.rule_name(*rule);
            new(Kind::Forbidden, format!("the policy's rule `{name}` forbids every model left"))
        }
        Reason::NoCapableModel(needs) => {
            let public = format!("no model of rule `{}` can do {}", refusal.rule, list(*needs));
            new(Kind::InvalidRequest, public).coded("no_capable_model")
        }
        Reason::ContextTooLong { needed, largest } => {
            let public = format!(
                "the request needs a context of about {needed} tokens; the largest of rule `{}` \
                 has {largest}",
                refusal.rule
            );
            new(Kind::InvalidRequest, public).coded("context_length_exceeded").at("messages")
        }
        Reason::NoneAvailable => {
            let public = format!("no model of rule `{}` takes requests right now", refusal.rule);
            new(Kind::NoCapacity, public).after(Duration::from_secs(1))
        }
    }
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
