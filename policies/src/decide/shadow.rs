//! The decision about a shadow: the same model for each, and every guard.

use smallvec::SmallVec;

use super::{Chosen, Filter, Moment, Usable, guards};
use crate::{
    experiment::{Added, ExperimentView},
    facts::{Draw, FleetView, ModelIndex, Signals},
    plan::{Matched, Plan, Skip, Why},
    policy::{By, Policy},
};

/// The plan by which a model is asked beside another one, after that has served the request by `served`:
/// once, whatever its rule says of retries and hedges. Every guard binds it, what caller and rule may use as
/// well.
///
/// # Errors
/// What keeps the model from serving it.
pub fn shadow(
    policy: &Policy,
    signals: &Signals,
    fleet: &FleetView,
    served: &Plan,
    model: ModelIndex,
) -> Result<Plan, Skip> {
    let candidates = policy.index.candidates(signals);
    let guards = guards(policy, signals, &candidates);
    let allowed = policy.allowed_set(&signals.team_path, signals.key);
    let rule = match served.matched {
        Matched::Rule(rule) => Some(rule),
        _ => None,
    };
    let filter = Filter { allowed, guards: &guards, rule };
    let moment = Moment {
        policy,
        signals,
        fleet,
        experiments: &ExperimentView::default(),
        draw: Draw(0),
        adds: Added::default(),
        last_resort: false,
    };
    let output_tokens_max = moment.sift(model, &filter)?;
    let models = &[model];
    let chosen = Chosen {
        matched: served.matched,
        rule,
        name: &served.rule,
        models,
        by: &By::Order,
        cache_ttl_s: None,
        passed: SmallVec::new(),
    };
    let usable = SmallVec::from_iter([Usable { model, at: 0, output_tokens_max }]);
    let plan = moment.plan(&chosen, usable, Why::default());
    let (validates, cache_ttl_s) = (false, None);
    Ok(Plan { retries_max: 0, hedge: None, slow_stream: None, validates, cache_ttl_s, ..plan })
}
