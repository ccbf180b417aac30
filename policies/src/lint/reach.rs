//! Which requests a rule keeps and which it passes on to the next: for proofs of what comes after it.

use std::{cell::RefCell, collections::HashMap};

use super::{
    ANSWER_MIN,
    space::{Area, Space},
};
use crate::{
    facts::{ModelFacts, ModelIndex, ModelKind, Needs},
    policy::{Policy, Rule},
    set::BitSet,
};

/// What each rule with a route keeps of what it matches.
pub(super) struct Reach<'a> {
    policy: &'a Policy,
    /// By rule, the requests that it serves or refuses; none of a guard.
    keeps: Vec<Option<Area>>,
    /// By rule, which of the sets its models are.
    group: Vec<usize>,
    /// Models that a rule can serve with: those of its route that its own limits let through.
    sets: Vec<BitSet>,
    /// Of two sets, whether whatever the second can serve the first can as well.
    known: RefCell<HashMap<(usize, usize), bool>>,
}

impl<'a> Reach<'a> {
    /// Looks at every rule; `areas` are the requests that each matches.
    pub(super) fn new(policy: &'a Policy, space: &Space, areas: &[Area]) -> Self {
        let fleet = &policy.fleet().models;
        // What no model at all can serve is refused wherever it ends.
        let somewhere = |needs| fleet.iter().any(|model| can(model, needs));
        let mut ids: HashMap<BitSet, usize> = HashMap::new();
        let mut sets = Vec::new();
        let (mut keeps, mut group) = (Vec::new(), Vec::new());
        for (rule, area) in policy.rules.iter().zip(areas) {
            let models = own_models(rule, fleet.len());
            let serves = |needs| {
                let mut own = models.iter().filter_map(|at| fleet.get(at));
                own.any(|model| can(model, needs)) || !somewhere(needs)
            };
            keeps.push(match rule.route {
                None => None,
                Some(_) if rule.refuses => Some(area.clone()),
                Some(_) if models.is_empty() => None,
                Some(_) => {
                    let kinds = Kinds::of(&models, fleet);
                    kinds.keeps(space, area, serves)
                }
            });
            group.push(*ids.entry(models.clone()).or_insert_with(|| {
                sets.push(models);
                sets.len() - 1
            }));
        }
        Self { policy, keeps, group, sets, known: RefCell::default() }
    }

    /// The requests that a rule serves or refuses, as far as their needs say: whatever else it matches goes
    /// on to the next.
    pub(super) fn keeps(&self, at: usize) -> Option<&Area> {
        self.keeps.get(at)?.as_ref()
    }

    /// Whether an earlier rule leaves a later one nothing to serve of what both match: it refuses what it
    /// cannot serve, or can serve whatever the later one could, for whoever asks and however long it is.
    pub(super) fn leaves_nothing(&self, earlier: usize, later: usize) -> bool {
        if self.policy.rules.get(earlier).is_some_and(|rule| rule.refuses) {
            return true;
        }
        let (Some(one), Some(other)) = (self.group.get(earlier), self.group.get(later)) else {
            return false;
        };
        let known = self.known.borrow().get(&(*one, *other)).copied();
        known.unwrap_or_else(|| {
            let as_good = self.as_good(*one, *other);
            self.known.borrow_mut().insert((*one, *other), as_good);
            as_good
        })
    }

    fn as_good(&self, one: usize, other: usize) -> bool {
        let (Some(ones), Some(others)) = (self.sets.get(one), self.sets.get(other)) else {
            return false;
        };
        // A rule without a model may still refuse.
        !others.is_empty()
            && (others.within(ones)
                || others.iter().all(|less| ones.iter().any(|more| self.covers(more, less))))
    }

    /// Whether one model can serve whatever another can.
    fn covers(&self, more: usize, less: usize) -> bool {
        let index = |at: usize| u16::try_from(at).map(ModelIndex).ok();
        let (Some(one), Some(other)) = (index(more), index(less)) else { return false };
        let fleet = &self.policy.fleet().models;
        let (Some(more), Some(less)) = (fleet.get(more), fleet.get(less)) else { return false };
        // What an answer may need beyond the other's, where a longer one is asked for or none is.
        let room = |it: &ModelFacts| {
            let least = it.output_tokens_default.min(it.output_tokens_max);
            (it.context_tokens_max.0, it.output_tokens_max.0, least.0.min(ANSWER_MIN))
        };
        let ((context, longest, least), (context_of_less, longest_of_less, least_of_less)) =
            (room(more), room(less));
        let needed =
            longest.saturating_sub(longest_of_less).max(least.saturating_sub(least_of_less));
        more.kind == less.kind
            && more.vector_space == less.vector_space
            && more.capabilities.contains(less.capabilities)
            && context >= context_of_less.saturating_add(needed)
            && self.policy.admits(other, one)
    }

    /// Requests of one need for which a rule has no model pass it by, unless it refuses them.
    pub(super) fn passes(&self, at: Option<usize>) -> bool {
        let rule = at.and_then(|at| self.policy.rules.get(at));
        rule.is_some_and(|rule| !rule.refuses)
    }

    /// Whether a rule keeps what somebody asks who may use only these models.
    pub(super) fn keeps_of(&self, at: usize, models: &BitSet) -> bool {
        let refuses = self.policy.rules.get(at).is_some_and(|rule| rule.refuses);
        let set = self.group.get(at).and_then(|at| self.sets.get(*at));
        refuses || set.is_some_and(|set| set.meets(models))
    }
}

/// The kinds of models that a rule has, among those that there are.
struct Kinds {
    has: [bool; ModelKind::ALL.len()],
    lacks: [bool; ModelKind::ALL.len()],
}

impl Kinds {
    fn of(models: &BitSet, fleet: &[ModelFacts]) -> Self {
        let (mut has, mut lacks) = ([false; 3], [false; 3]);
        for (at, model) in (0..).zip(fleet) {
            let kind = model.kind as usize;
            has.get_mut(kind).into_iter().for_each(|it| *it |= models.contains(at));
            lacks.get_mut(kind).into_iter().for_each(|it| *it = true);
        }
        lacks.iter_mut().zip(has).for_each(|(lacks, has)| *lacks &= !has);
        Self { has, lacks }
    }

    /// What of an area is kept: requests for a kind of which only others have a model go on to the next rule.
    fn keeps(&self, space: &Space, area: &Area, serves: impl Fn(Needs) -> bool) -> Option<Area> {
        let [chat, ..] = self.has;
        let lacks = |kind: ModelKind| self.lacks.get(kind as usize).copied().unwrap_or(false);
        let kept = if !chat && lacks(ModelKind::Chat) {
            Some(area.clone())
        } else {
            space.serving(area, serves)
        };
        if !self.lacks.contains(&true) {
            return kept;
        }
        kept?.meet(&space.asking(|operation| !lacks(operation.kind())))
    }
}

/// The models of a rule's route that its own limits let through.
fn own_models(rule: &Rule, models: usize) -> BitSet {
    let mut set = BitSet::empty(models);
    rule.route.iter().flat_map(|it| &it.models).for_each(|model| set.insert(model.get()));
    set.retain(&rule.permitted);
    set
}

/// What of a rule's area it keeps, to compare two policies by.
pub(super) fn kept(policy: &Policy, space: &Space) -> Vec<Option<Area>> {
    let areas: Vec<Area> = policy.rules.iter().map(|rule| space.area(&rule.when)).collect();
    Reach::new(policy, space, &areas).keeps
}

/// Whether a chat model can do this; one of another kind serves no chat.
pub(super) fn can(model: &ModelFacts, needs: Needs) -> bool {
    model.kind == ModelKind::Chat && able(model, needs)
}

/// Whether a model can do this, whatever it is for.
pub(super) fn able(model: &ModelFacts, needs: Needs) -> bool {
    let long =
        !needs.contains(Needs::LONG_CONTEXT) || model.context_tokens_max.0 > 32_769 + ANSWER_MIN;
    long && needs.without(Needs::LONG_CONTEXT).without(model.capabilities).is_empty()
}
