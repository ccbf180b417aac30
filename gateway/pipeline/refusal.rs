//! A refused decision as a failure: the one mapping from reasons to kinds.

use std::time::Duration;

use policies::{Policy, Reason, Refusal, facts::Needs};

use crate::failure::{Failure, Kind, Stage};

/// The failure for the caller of a refused request.
pub(super) fn failure(refusal: &Refusal, policy: &Policy) -> Failure {
    let new = |kind, public: String| Failure::new(kind, Stage::Decide, public);
    match &refusal.reason {
        Reason::UnknownModel => {
            let public = "there is no model and no alias of this name; `GET /v1/models` lists them";
            new(Kind::UnknownModel, public.into()).at("model")
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

fn list(needs: Needs) -> String {
    needs.names().collect::<Vec<_>>().join(", ")
}
