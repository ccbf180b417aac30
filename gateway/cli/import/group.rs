//! Deployments under one name, as models with endpoints, and how each name is served.

mod fallback;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    book::Book,
    deployment::{Deployment, WEIGHTS, is_askable},
    facts::Facts,
    kind::Kind,
    number,
    settings::{By, Settings},
};
use crate::{cli::init::known, config::single};

/// A model of the configuration.
#[derive(Debug)]
pub(super) struct Model {
    /// Its name for policies, and for callers where no alias has theirs.
    pub id: String,
    /// What its endpoints have in common.
    pub facts: Facts,
    /// The space of its vectors, if it has any.
    pub space: Option<String>,
    /// Base URL, key and weight of each.
    pub endpoints: Vec<(String, Option<String>, u32)>,
    /// Its share beside others of its name.
    share: u64,
}

/// How a name that callers ask for is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By the model whose id it is.
    Own,
    /// By these models, in this order.
    Ordered(Vec<String>),
    /// By one of these as a rule says, by its way and shares.
    Among(Vec<String>, By, Vec<(String, u32)>),
}

/// A name that callers ask for.
#[derive(Debug)]
pub(super) struct Group {
    /// The name.
    pub name: String,
    /// Other names that stand for it.
    pub others: Vec<String>,
    /// Its models, the first to be tried first.
    pub models: Vec<Model>,
    /// How it is served.
    pub route: Route,
}

impl Group {
    /// What its first model is; all others are of its kind, and of its space.
    pub(super) fn facts(&self) -> Option<&Facts> {
        self.models.first().map(|it| &it.facts)
    }

    /// Whether there are several of its models of which one is chosen, and not the first.
    pub(super) fn is_chosen_from(&self) -> bool {
        self.models.windows(2).any(|it| matches!(it, [a, b] if a.facts.order == b.facts.order))
    }
}

/// All names, in the order of the file, each with its route.
pub(super) fn groups(found: Vec<Deployment>, settings: &Settings, book: &mut Book) -> Vec<Group> {
    let mut by_name: Vec<(String, Vec<Deployment>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for it in found {
        let at = *places.entry(it.name.clone()).or_insert(by_name.len());
        match by_name.get_mut(at) {
            Some((_, all)) => all.push(it),
            None => by_name.push((it.name.clone(), vec![it])),
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for (name, all) in by_name {
        let models = models(&all, settings.by, book);
        groups.push(Group { name, others: Vec::new(), models, route: Route::Own });
    }
    others(&mut groups, settings, book);
    let after = fallback::after(&groups, settings, book);
    name_all(&mut groups, &after);
    space_all(&mut groups);
    let ids: Vec<Vec<String>> =
        groups.iter().map(|it| it.models.iter().map(|model| model.id.clone()).collect()).collect();
    for at in 0..groups.len() {
        let mut more: Vec<String> = Vec::new();
        for next in follow(at, &after) {
            more.extend(ids.get(next).into_iter().flatten().cloned());
        }
        if let Some(group) = groups.get_mut(at) {
            group.route = route(group, more, settings.by);
        }
    }
    groups
}

/// The models of one name: replicas of the same are endpoints of one.
fn models(all: &[Deployment], by: By, book: &mut Book) -> Vec<Model> {
    let basis = basis(all, by, book);
    let raw = |it: &Deployment| match basis {
        Some(nth) => it.weights.get(nth).copied().flatten().unwrap_or(0),
        None => 1,
    };
    let mut models: Vec<(Model, Vec<u64>)> = Vec::new();
    for it in all {
        let fits = |(model, _): &&mut (Model, Vec<u64>)| {
            model.facts == it.facts && model.endpoints.iter().all(|has| has.0 != it.url)
        };
        let endpoint = (it.url.clone(), it.api_key.clone(), 1);
        if let Some((model, weights)) = models.iter_mut().find(fits) {
            model.endpoints.push(endpoint);
            model.share = model.share.saturating_add(raw(it));
            weights.push(raw(it));
        } else {
            let facts = it.facts.clone();
            let (id, space, endpoints) = (String::new(), None, vec![endpoint]);
            let model = Model { id, facts, space, endpoints, share: raw(it) };
            models.push((model, vec![raw(it)]));
        }
    }
    let mut found: Vec<Model> = Vec::new();
    for (mut model, weights) in models {
        for (endpoint, share) in model.endpoints.iter_mut().zip(number::shares(&weights)) {
            endpoint.2 = share.max(1);
        }
        found.push(model);
    }
    found.sort_by_key(|it| it.facts.order.unwrap_or(u64::MAX));
    found
}

/// By which of `weight`, `rpm` and `tpm` the load is shared, if by one; what is said of each.
fn basis(all: &[Deployment], by: By, book: &mut Book) -> Option<usize> {
    let has = |nth: usize| all.iter().any(|it| it.weights.get(nth).is_some_and(Option::is_some));
    let shared = by == By::Weight && all.len() > 1;
    let basis = (0..WEIGHTS.len()).find(|nth| shared && has(*nth));
    let order = |it: &Deployment| it.facts.order.unwrap_or(u64::MAX);
    let first = all.iter().map(order).min();
    for it in all {
        let later = Some(order(it)) > first;
        for (nth, key) in WEIGHTS.iter().enumerate() {
            let path = format!("{}.litellm_params.{key}", it.path);
            let stated = it.weights.get(nth).is_some_and(Option::is_some);
            match (basis, *key) {
                _ if !stated => {}
                (Some(basis), _) if basis == nth && later => book.near(
                    &path,
                    "its share among replicas of its model; models of a later `order` are tried in turn",
                ),
                (Some(basis), "weight") if basis == nth => book.carried(&path, "its share of the load"),
                (Some(basis), _) if basis == nth => book.near(
                    &path,
                    "its share of the load; the limit is not carried: see concurrency_max of endpoints",
                ),
                (_, "weight") => book.left(&path, "nothing is shared here by weight"),
                _ => book.left(
                    &path,
                    "limits bind teams and keys; an endpoint has concurrency_max",
                ),
            }
        }
    }
    basis
}

/// Gives the groups their other names.
fn others(groups: &mut [Group], settings: &Settings, book: &mut Book) {
    let taken: BTreeSet<String> = groups.iter().map(|it| it.name.clone()).collect();
    for (path, name, of) in &settings.aliases {
        let group = groups.iter_mut().find(|it| it.name == *of);
        match (group, is_askable(name)) {
            (_, Err(why)) => book.left(path, why),
            (None, _) => book.left(path, "the name that it stands for is not carried over"),
            (Some(_), _) if taken.contains(name) => {
                book.left(path, "a model of model_list has this name");
            }
            (Some(group), Ok(())) => {
                group.others.push(name.clone());
                book.carried(path, "an alias");
            }
        }
    }
}

/// The groups that come after one, and after those, each once.
fn follow(at: usize, after: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = BTreeSet::from([at]);
    let mut all = Vec::new();
    let next = |at: usize| after.get(at).into_iter().flatten().rev().copied();
    let mut stack: Vec<usize> = next(at).collect();
    while let Some(one) = stack.pop() {
        if seen.insert(one) {
            all.push(one);
            stack.extend(next(one));
        }
    }
    all
}

/// Names the models: as callers ask for them where that is enough, else as their engines do.
fn name_all(groups: &mut [Group], after: &[Vec<usize>]) {
    let mut taken: BTreeSet<String> = groups.iter().map(|it| it.name.clone()).collect();
    taken.extend(groups.iter().flat_map(|it| it.others.iter().cloned()));
    taken.insert(String::from("auto"));
    for (group, after) in groups.iter_mut().zip(after) {
        let selector = ["family:", "tag:"].iter().any(|it| group.name.starts_with(it));
        let plain = single::name(&group.name).is_ok() && !selector && after.is_empty();
        match group.models.as_mut_slice() {
            [only] if plain => only.id.clone_from(&group.name),
            models => {
                for model in models {
                    let base = known::id_of(&model.facts.upstream);
                    let name = |n: usize| if n == 1 { base.clone() } else { format!("{base}-{n}") };
                    model.id = (1..).map(name).find(|it| !taken.contains(it)).unwrap_or_default();
                    taken.insert(model.id.clone());
                }
            }
        }
    }
}

/// Names the spaces of vectors: each model at an engine has one, which all that have its name there share.
fn space_all(groups: &mut [Group]) {
    let models = || groups.iter().flat_map(|it| &it.models);
    let mut spaces: BTreeMap<String, String> = BTreeMap::new();
    let with: Vec<String> = models()
        .filter(|it| it.facts.kind == Kind::Embedding)
        .map(|it| it.facts.upstream.clone())
        .collect();
    // Its own name is the space's where it can be written; no other space gets that name.
    let (plain, others): (Vec<_>, Vec<_>) =
        with.into_iter().partition(|it| single::name(it).is_ok());
    spaces.extend(plain.into_iter().map(|it| (it.clone(), it)));
    for upstream in others {
        let base = known::id_of(&upstream);
        let name = |n: usize| if n == 1 { base.clone() } else { format!("{base}-{n}") };
        let free = |it: &String| spaces.values().all(|has| has != it);
        if !spaces.contains_key(&upstream)
            && let Some(space) = (1..).map(name).find(free)
        {
            spaces.insert(upstream, space);
        }
    }
    for model in groups.iter_mut().flat_map(|it| &mut it.models) {
        if model.facts.kind == Kind::Embedding {
            model.space = spaces.get(&model.facts.upstream).cloned();
        }
    }
}

/// How a name is served: by its own models, then by those that come after.
fn route(group: &Group, more: Vec<String>, by: By) -> Route {
    let ids = || group.models.iter().map(|it| it.id.clone());
    if let [only] = group.models.as_slice() {
        if only.id == group.name {
            return Route::Own;
        }
        return Route::Ordered(ids().chain(more).collect());
    }
    let first = group.models.first().and_then(|it| it.facts.order);
    let level = group.models.iter().take_while(|it| it.facts.order == first).count();
    let later = level < group.models.len() || !more.is_empty();
    if level == 1 {
        return Route::Ordered(ids().chain(more).collect());
    }
    match by {
        By::Cost if later => {
            let price = |it: &&Model| {
                let known = !it.facts.price.is_empty();
                (it.facts.order.unwrap_or(u64::MAX), !known, it.facts.price.values().sum::<i128>())
            };
            let mut models: Vec<&Model> = group.models.iter().collect();
            models.sort_by_key(price);
            Route::Ordered(models.into_iter().map(|it| it.id.clone()).chain(more).collect())
        }
        By::Weight => shared(group, level, more, true),
        _ if later => shared(group, level, more, false),
        by => Route::Among(ids().collect(), by, Vec::new()),
    }
}

/// One of the first by shares; what weighs nothing comes after them, in order.
fn shared(group: &Group, level: usize, more: Vec<String>, weighed: bool) -> Route {
    let share = |it: &Model| if weighed { it.share } else { 1 };
    let raw: Vec<u64> = group.models.iter().take(level).map(share).collect();
    let mut shares = number::shares(&raw);
    if shares.iter().all(|it| *it == 0) {
        shares.iter_mut().for_each(|it| *it = 1);
    }
    let ids: Vec<String> = group.models.iter().map(|it| it.id.clone()).chain(more).collect();
    let shares = shares.into_iter().chain(std::iter::repeat(0));
    let weights = ids.iter().cloned().zip(shares).collect();
    Route::Among(ids, By::Weight, weights)
}
