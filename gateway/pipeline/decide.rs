//! The decision for a request, in one place for the request that is served, for `POST /v1/route`, which only
//! asks, and for `signalbox explain`, which has no gateway. Pure: what it depends on is handed in.

use std::{ops::Deref, sync::Arc};

use http::HeaderMap;
use policies::{
    Explanation, Plan, Policy, Reason, World,
    experiment::Enrolled,
    facts::{Contents, Draw, FleetView, Money, Signals, Tokens},
};

use super::{arms, refusal};
use crate::{
    directory::Principal,
    experiment::{Experiments, View},
    failure::{Failure, Stage},
    outcome::ContentClasses,
    signals::{self, SignalInputs},
    wire,
};

/// A request that has been read, and who asks.
pub(crate) struct Asked {
    /// The caller, with the account that binds him.
    pub principal: Arc<Principal>,
    /// The keyed hash of the user that his token names, if he came by one that does.
    pub subject: Option<u128>,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The body, read.
    pub request: Box<wire::Request>,
    /// What a model has found in its texts, where one was asked.
    pub checked: Contents,
    /// The moment at which all of it was read, by the wall clock.
    pub at: jiff::Timestamp,
}

/// What came of a request when it was decided: a plan, or an account of the decision.
pub(crate) struct Decided<P> {
    /// The signals of the request.
    pub signals: Arc<Signals>,
    /// The plan, or the account of the decision.
    pub plan: P,
    /// The random number that it was decided with.
    pub draw: Draw,
}

/// A way to decide: for a plan, or for an account of the decision.
#[derive(Clone, Copy)]
pub(crate) struct Way<P> {
    decide: fn(&Policy, &Signals, World<'_>, Draw) -> Result<P, Failure>,
    /// What comes of a request that no rule is asked for, since its caller may not send such data.
    turned_away: fn(&Policy, Failure) -> Result<P, Failure>,
}

/// For the plan by which a request is served, or the failure for its caller.
pub(super) const PLANNED: Way<Arc<Plan>> =
    Way { decide: planned, turned_away: |_, failure| Err(failure) };

/// For the decision with its reasons; that it is a refusal is no failure here.
pub(crate) const EXPLAINED: Way<Explanation> = Way {
    decide: explained,
    turned_away: |policy, failure| Ok(Explanation::refused(policy, failure.public.into_owned())),
};

/// The moment of a decision: its random number, how the fleet is, and how the experiments are.
pub(crate) struct Present<V> {
    /// The random number.
    pub draw: Draw,
    /// How the fleet is.
    pub fleet: V,
    /// How the experiments are.
    pub experiments: View,
}

impl<V> Present<V> {
    /// The moment at this time where there is no gateway: neither an operator nor a guard has changed
    /// anything in the policy's experiments.
    pub(crate) fn at(at: jiff::Timestamp, policy: &Policy, (draw, fleet): (Draw, V)) -> Self {
        let experiments = Experiments::new(policy.experiments(), None, at).view();
        Self { draw, fleet, experiments }
    }
}

impl Asked {
    /// The signals of this request.
    ///
    /// # Errors
    /// When a header of ours says what cannot be.
    pub(crate) fn signals(&self, inputs: &SignalInputs<'_>) -> Result<Arc<Signals>, Failure> {
        let caller = &self.principal.caller;
        signals::of(&self.request, &self.headers, caller, inputs).map(Arc::new)
    }

    /// Decides this request by its signals. `present` is called where its caller may send such data, for the
    /// draw and for the fleet and the experiments as they are at that moment.
    ///
    /// # Errors
    /// Whatever `way` refuses.
    pub(crate) fn decide<P, V>(
        &self,
        policy: &Policy,
        (signals, classes): (Arc<Signals>, &ContentClasses),
        present: impl FnOnce(&Arc<Signals>) -> Present<V>,
        way: Way<P>,
    ) -> Result<Decided<P>, Failure>
    where
        V: Deref<Target = Arc<FleetView>>,
    {
        let (headers, caller) = (&self.headers, &self.principal.caller);
        if let Some(failure) = signals::class::forbidden(&signals, headers, caller, classes) {
            let plan = (way.turned_away)(policy, failure)?;
            return Ok(Decided { signals, plan, draw: Draw(0) });
        }
        let Present { draw, fleet, experiments } = present(&signals);
        let world = World { fleet: &fleet, experiments: experiments.experiments() };
        let plan = (way.decide)(policy, &signals, world, draw)?;
        Ok(Decided { signals, plan, draw })
    }
}

/// The plan by which a request is served, or the failure for its caller.
fn planned(
    policy: &Policy,
    signals: &Signals,
    world: World<'_>,
    draw: Draw,
) -> Result<Arc<Plan>, Failure> {
    let decided = policies::decide(policy, signals, world, draw);
    decided.map(Arc::new).map_err(|it| {
        let why = policies::refusal_in_words(&it, policy);
        let guard = match it.reason {
            Reason::PolicyForbidden(rule) => Some(policy.rule_name(rule).into()),
            _ => None,
        };
        let failure = refusal::failure(&it, policy, signals).decided(why).by(&it.rule, guard);
        enrolled(failure, policy, it.arm)
    })
}

/// The same failure, which says the arm that its request is.
pub(super) fn enrolled(failure: Failure, policy: &Policy, arm: Option<Enrolled>) -> Failure {
    let named = |it: &Enrolled| {
        let experiment = policy.experiment(it.experiment)?;
        Some(arms::named(experiment, experiment.arm(it.arm)?))
    };
    match arm.and_then(|it| Some((it, named(&it)?))) {
        Some((arm, named)) => failure.of_arm(arm, named),
        None => failure,
    }
}

/// The largest output that one choice may be asked for, so that all that the request can cost is within
/// `left`: found by deciding it anew with less, since another bound may lead to another plan. `None` where
/// the smallest does not fit.
pub(super) fn output_within(
    policy: &Policy,
    (signals, draw): (&Signals, Draw),
    world: World<'_>,
    plan: &Plan,
    left: Money,
) -> Option<Tokens> {
    let mut smaller = signals.clone();
    let mut fits = |asked| {
        smaller.output_tokens_asked = Some(Tokens(asked));
        let decided = policies::decide(policy, &smaller, world, draw);
        decided.is_ok_and(|plan| plan.cost_max <= left)
    };
    let too_many = plan.attempts.iter().map(|it| it.output_tokens_max.0).max()?;
    let (mut least, mut most) = (1, too_many);
    if too_many <= least || !fits(least) {
        return None;
    }
    while most - least > 1 {
        let middle = least.midpoint(most);
        if fits(middle) { least = middle } else { most = middle }
    }
    Some(Tokens(least))
}

/// The same decision with its reasons; that it is a refusal is no failure here.
fn explained(
    policy: &Policy,
    signals: &Signals,
    world: World<'_>,
    draw: Draw,
) -> Result<Explanation, Failure> {
    let mut explanation = policies::explain(policy, signals, world, draw);
    if explanation.rule.is_none() && explanation.refusal.is_some() {
        // No name of a model: the nearest is said here as it is to who asks for an answer.
        let allowed = policy.allowed(&signals.team_path, signals.key);
        let failure = refusal::unknown_model(&signals.requested, policy, &allowed, Stage::Decide);
        explanation.refusal = Some(failure.public.to_string());
    }
    Ok(explanation)
}

impl Decided<Explanation> {
    /// As JSON: what was recognised, and why it was decided so.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "signals": signals::known(&self.signals), "decision": self.plan })
    }
}
