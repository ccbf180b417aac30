//! What an experiment can never do: enrol anybody, give one of its arms, ask its shadow.

use super::{Kind, Proof, example, finding::Finding, reach::able, space::Area};
use crate::{
    experiment::{ArmIndex, Assigned, Experiment, ExperimentIndex, UnitKind, unit_of_key},
    facts::{ModelIndex, Signals},
    fault::counted,
    policy::{Route, Rule},
};

/// One experiment of a policy, and the rules by which requests can come to it.
struct ExperimentCheck<'a> {
    proof: &'a Proof<'a>,
    at: usize,
    experiment: &'a Experiment,
    /// Rules that name it.
    named: Vec<&'a Rule>,
    /// Those of them that route something, each with what it gets.
    live: Vec<(&'a Rule, &'a [Area])>,
}

/// Judges all experiments of the policy.
pub(super) fn all(proof: &Proof<'_>) -> Vec<Finding> {
    let experiments = (0..).zip(proof.policy.experiments());
    let judged = experiments.flat_map(|(at, experiment)| {
        let index = u16::try_from(at).ok().map(ExperimentIndex);
        let named = proof.policy.rules.iter().filter(|rule| rule.experiment == index).collect();
        let live = proof.gets.iter().filter_map(|(rule, gets)| {
            let rule = proof.policy.rules.get(*rule).filter(|it| it.experiment == index)?;
            Some((rule, &**gets))
        });
        ExperimentCheck { proof, at, experiment, named, live: live.collect() }.judge()
    });
    judged.collect()
}

impl ExperimentCheck<'_> {
    fn judge(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.is_twice() {
            // Nothing is said of what is not worked out.
        } else if let Some(says) = self.never_named() {
            found.push(self.finding(Kind::NeverEnrols, "", says, None));
        } else if !self.live.is_empty() {
            let arms: Vec<Finding> =
                (0..self.experiment.arms.len()).filter_map(|place| self.arm(place)).collect();
            if arms.is_empty() {
                found.extend(self.nobody());
            }
            found.extend(arms);
            found.extend(self.shadow());
        }
        found.extend(self.same_arms());
        found.extend(self.few_keys());
        found
    }

    fn finding(&self, kind: Kind, path: &str, says: String, area: Option<&Area>) -> Finding {
        let Proof { policy, space, .. } = self.proof;
        Finding {
            severity: kind.severity(),
            kind,
            rule: self.experiment.name.to_string(),
            file: None,
            line: None,
            path: format!("experiment[{}]{path}", self.at),
            says,
            example: area.map(|area| example::given(&space.example(area), policy.fleet())),
        }
    }

    /// That no rule which routes anything names it.
    fn never_named(&self) -> Option<String> {
        match &*self.named {
            [] => Some(format!(
                "no rule says `experiment = \"{}\"`: nobody takes part",
                self.experiment.name
            )),
            _ if !self.live.is_empty() || self.proof.given_up.get() => None,
            [only] => Some(format!(
                "only `{}` names it, which never routes: nobody takes part",
                only.name
            )),
            _ => Some("the rules that name it never route: nobody takes part".into()),
        }
    }

    /// Whether a rule that names it has the conditions of an earlier one: what it routes beside that one was
    /// not worked out.
    fn is_twice(&self) -> bool {
        let twice = self.proof.findings.iter().filter(|it| it.kind == Kind::SameConditions);
        let mut twice = twice.map(|it| &*it.rule);
        twice.any(|name| self.named.iter().any(|rule| *rule.name == *name))
    }

    /// What of an area a model may serve under a rule and under every guard and, if they are asked for, its
    /// needs; `None` where that could not be worked out.
    fn serves(
        &self,
        (rule, parts): (&Rule, &[Area]),
        model: ModelIndex,
        needs: bool,
    ) -> Option<Vec<Area>> {
        let Proof { policy, space, .. } = self.proof;
        let facts = policy.fleet().models.get(model.get())?;
        if !rule.permitted.contains(model.get()) {
            return Some(Vec::new());
        }
        let forbids = |at: &usize| {
            let guard = policy.rules.get(*at).filter(|it| it.route.is_none());
            guard.is_some_and(|it| !it.permitted.contains(model.get()))
                && !self.proof.is_opaque(*at)
        };
        let guards = (0..policy.rules.len()).filter(forbids);
        let guards = guards.filter_map(|at| self.proof.areas.get(at));
        let left = self.proof.left(parts.to_vec(), guards)?;
        if !needs {
            return Some(left);
        }
        let others = policy.fleet().models.iter().any(|it| it.kind != facts.kind);
        let asked = others.then(|| space.asking(|it| it.kind() == facts.kind));
        let left = left.into_iter().filter_map(|it| match &asked {
            Some(asked) => it.meet(asked),
            None => Some(it),
        });
        Some(left.filter_map(|it| space.serving(&it, |needs| able(facts, needs))).collect())
    }

    /// Whether some request of a rule can be served by each of these routes.
    fn served_by_all(&self, of: (&Rule, &[Area]), routes: &[&[ModelIndex]], needs: bool) -> bool {
        let Some((first, rest)) = routes.split_first() else { return !of.1.is_empty() };
        first.iter().any(|model| match self.serves(of, *model, needs) {
            Some(left) => !left.is_empty() && self.served_by_all((of.0, &left), rest, needs),
            // Nothing is said of what is not proved.
            None => true,
        })
    }

    /// An arm, by its place, that no request can ever have.
    fn arm(&self, place: usize) -> Option<Finding> {
        let arm = self.experiment.arms.get(place)?;
        let route = arm.route.as_ref()?;
        let path = format!(".arms[{place}].route");
        let (kind, says) = self.never(&route.models, Kind::ArmForbidden, Kind::ArmUnable)?;
        let says = format!("arm `{}` is never given, and so nobody takes part: {says}", arm.name);
        Some(self.finding(kind, &path, says, self.example()))
    }

    /// Why none of these models serves anything that the rules route: the kind of what stands in the way,
    /// guards or needs, and words.
    fn never(&self, models: &[ModelIndex], guards: Kind, needs: Kind) -> Option<(Kind, String)> {
        let some = |needs| self.live.iter().any(|of| self.served_by_all(*of, &[models], needs));
        let ids: Vec<&str> = models.iter().map(|it| self.proof.policy.model_id(*it)).collect();
        let ids = ids.join(", ");
        let rules: Vec<String> =
            self.live.iter().map(|(rule, _)| format!("`{}`", rule.name)).collect();
        let rules = rules.join(" and ");
        if !some(false) {
            let by = self.forbidding(models);
            let forbids = if by.len() == 1 { "forbids" } else { "forbid" };
            let by = by.join(" and ");
            return Some((guards, format!("{by} {forbids} {ids} wherever {rules} routes")));
        }
        let says = || format!("{ids} cannot do what every request that {rules} routes needs");
        (!some(true)).then(|| (needs, says()))
    }

    /// The guards, and the rules themselves, that forbid some of these models.
    fn forbidding(&self, models: &[ModelIndex]) -> Vec<String> {
        let forbids = |rule: &Rule| models.iter().any(|it| !rule.permitted.contains(it.get()));
        let rules = self.proof.policy.rules.iter().zip(&self.proof.areas);
        let guards = rules.filter(|(rule, area)| {
            let binds = |gets: &[Area]| gets.iter().any(|part| part.meets(area));
            rule.route.is_none() && forbids(rule) && self.live.iter().any(|(_, it)| binds(it))
        });
        let own = self.live.iter().map(|(rule, _)| *rule).filter(|rule| forbids(rule));
        let all = guards.map(|(rule, _)| rule).chain(own);
        all.map(|rule| format!("`{}`", rule.name)).collect()
    }

    /// That each arm can be given, and yet no request can be served by all of them.
    fn nobody(&self) -> Option<Finding> {
        let arms = self.experiment.arms.iter().filter_map(|arm| arm.route.as_ref());
        let arms: Vec<&[ModelIndex]> = arms.map(|route| &*route.models).collect();
        let somebody = self.live.iter().any(|(rule, gets)| {
            let own = rule.route.iter().map(|route| &*route.models);
            let routes: Vec<&[ModelIndex]> = own.chain(arms.iter().copied()).collect();
            self.served_by_all((rule, gets), &routes, true)
        });
        let says =
            "no request can be served by the rule's own route and by every arm: nobody takes part";
        (!somebody).then(|| self.finding(Kind::NeverEnrols, "", says.into(), self.example()))
    }

    /// A shadow that is never asked.
    fn shadow(&self) -> Option<Finding> {
        let shadow = self.experiment.shadow.as_ref()?;
        let none = [
            (shadow.share <= 0.0, ".shadow.share", "its share is 0"),
            (
                shadow.cost_per_day_max.nano() <= 0,
                ".shadow.cost_per_day_max",
                "it may cost nothing",
            ),
        ];
        if let Some((_, at, why)) = none.into_iter().find(|(is, ..)| *is) {
            let says = format!("the shadow is never asked: {why}");
            return Some(self.finding(Kind::ShadowForbidden, at, says, self.example()));
        }
        let model = shadow.model;
        let (kind, says) = self.never(&[model], Kind::ShadowForbidden, Kind::ShadowForbidden)?;
        let says = format!("the shadow is never asked: {says}");
        Some(self.finding(kind, ".shadow.model", says, self.example()))
    }

    fn example(&self) -> Option<&Area> {
        self.live.iter().find_map(|(_, gets)| gets.first())
    }

    /// Two arms that are the same.
    fn same_arms(&self) -> Option<Finding> {
        let arms = &self.experiment.arms;
        let own: Vec<&Route> = self.named.iter().filter_map(|it| it.route.as_ref()).collect();
        let route = |at: usize| arms.get(at).map(|arm| arm.route.as_ref());
        let same = |one: Option<&Route>, other: Option<&Route>| match (one, other) {
            (None, Some(said)) | (Some(said), None) => own.iter().all(|it| *it == said),
            (one, other) => one == other,
        };
        for (at, arm) in arms.iter().enumerate() {
            let alike = |before: &usize| {
                arms.get(*before).is_some_and(|it| {
                    it.params == arm.params && it.system_suffix == arm.system_suffix
                }) && route(*before).zip(route(at)).is_some_and(|(one, other)| same(one, other))
            };
            let Some(before) = (0..at).find(alike).and_then(|it| arms.get(it)) else { continue };
            let says = format!(
                "arms `{}` and `{}` are the same: it can only find that nothing differs",
                before.name, arm.name
            );
            return Some(self.finding(Kind::SameArms, &format!(".arms[{at}]"), says, None));
        }
        None
    }

    /// Arms that get none of the keys that there are.
    fn few_keys(&self) -> Option<Finding> {
        let it = self.experiment;
        let keys = &self.proof.policy.fleet().keys;
        if it.unit != UnitKind::Key || keys.is_empty() {
            return None;
        }
        let mut units = vec![0_u64; it.arms.len()];
        for key in keys {
            let unit_key = Some(unit_of_key(&key.name));
            let signals = Signals { unit_key, ..Signals::chat("auto") };
            if let Assigned::Arm(ArmIndex(arm), _) = it.assign(&signals, None) {
                units.get_mut(usize::from(arm)).into_iter().for_each(|count| *count += 1);
            }
        }
        let (fewest, arm) = units.iter().zip(&it.arms).min_by_key(|(count, _)| **count)?;
        let least = it.judged.units_min;
        (*fewest < least).then(|| {
            let says = format!(
                "of {} arm `{}` gets {fewest}, and a verdict waits for {least} of each (`units_min`)",
                counted(keys.len(), "key", "keys"),
                arm.name
            );
            self.finding(Kind::FewUnits, ".unit", says, None)
        })
    }
}
