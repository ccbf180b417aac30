//! Who decides a request: the caller by the name he asks for, else the first rule that can serve it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    facts::{ModelIndex, RuleIndex, Signals},
    plan::Matched,
    policy::{By, Policy, Route, Rule},
    set::BitSet,
};

/// What decided, and the models it names.
pub(super) struct Chosen<'a> {
    pub(super) matched: Matched,
    pub(super) name: &'a Arc<str>,
    pub(super) models: &'a [ModelIndex],
    pub(super) by: &'a By,
    /// For how many seconds the answer is kept.
    pub(super) cache_ttl_s: Option<u32>,
    pub(super) rule: Option<RuleIndex>,
    /// Rules before it that matched, none of whose models can serve the request.
    pub(super) passed: SmallVec<[RuleIndex; 8]>,
}

impl<'a> Chosen<'a> {
    fn route(matched: Matched, name: &'a Arc<str>, route: &'a Route) -> Self {
        let Route { models, by, cache_ttl_s, .. } = route;
        let cache_ttl_s = *cache_ttl_s;
        Self { matched, name, models, by, cache_ttl_s, rule: None, passed: SmallVec::new() }
    }
}

/// The rules that may match a request.
pub(super) struct Matching<'a, 's> {
    pub(super) policy: &'a Policy,
    pub(super) signals: &'s Signals,
    pub(super) candidates: &'s BitSet,
}

impl<'a> Matching<'a, '_> {
    /// Who decides, as far as names and conditions say: `auto` by the rules, then pin, then alias.
    pub(super) fn choose(&self) -> Option<Chosen<'a>> {
        let (policy, requested) = (self.policy, &*self.signals.requested);
        if requested == "auto" {
            return Some(self.first());
        }
        if let Some(models) = policy.pinned(requested) {
            let (matched, name) = (Matched::Pin, &policy.pin_name);
            let (by, passed) = (&By::Order, SmallVec::new());
            let cache_ttl_s = None;
            return Some(Chosen { matched, name, models, by, cache_ttl_s, rule: None, passed });
        }
        let (at, alias) = policy.alias(requested)?;
        let Some(route) = &alias.route else { return Some(self.first()) };
        Some(Chosen::route(Matched::Alias(at), &alias.name, route))
    }

    /// The first matching rule with a route, else the default. A route whose optional names find no model
    /// is passed over, unless its rule refuses what it cannot serve.
    fn first(&self) -> Chosen<'a> {
        self.from(0, SmallVec::new(), |_, route| !route.models.is_empty())
    }

    /// Instead of a rule none of whose models can serve the request, the next matching rule that has one or
    /// that refuses what it cannot serve, else the default. `able` says whether a model can: that depends
    /// on the request and on who asks alone, never on a guard or on how the fleet is.
    pub(super) fn instead(
        &self,
        chosen: Chosen<'a>,
        able: impl Fn(ModelIndex) -> bool,
    ) -> Chosen<'a> {
        let Some(at) = chosen.rule else { return chosen };
        let serves = |rule: &Rule, route: &Route| {
            route.models.iter().any(|it| rule.permitted.contains(it.get()) && able(*it))
        };
        self.from(at.get(), chosen.passed, serves)
    }

    /// The first matching rule from a position on that takes the request, else the default.
    fn from(
        &self,
        position: usize,
        mut passed: SmallVec<[RuleIndex; 8]>,
        takes: impl Fn(&Rule, &Route) -> bool,
    ) -> Chosen<'a> {
        let policy = self.policy;
        for at in self.candidates.iter().filter(|at| *at >= position) {
            let Some(rule) = policy.rules.get(at) else { continue };
            let (Some(route), Ok(index)) = (&rule.route, u16::try_from(at)) else { continue };
            if !rule.when.rest_holds(self.signals) {
                continue;
            }
            let index = RuleIndex(index);
            if rule.refuses || takes(rule, route) {
                let chosen = Chosen::route(Matched::Rule(index), &rule.name, route);
                return Chosen { rule: Some(index), passed, ..chosen };
            }
            passed.push(index);
        }
        let default = Chosen::route(Matched::Default, &policy.default_name, &policy.default);
        Chosen { passed, ..default }
    }
}
