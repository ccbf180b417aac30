//! From a document to a [`Policy`]: names become indices, conditions become sets of rules, and every
//! fault is reported at once.

mod alias;
mod allow;
mod cel;
mod conditions;
mod experiments;
mod hash;
mod index;
mod landmarks;
mod limits;
mod names;
pub(crate) mod route;

use std::{collections::HashMap, sync::Arc};

use toml::{Table, Value};

use self::{
    alias::{Alias, aliases},
    allow::AllowLists,
    hash::hash,
    limits::Limits,
    names::Names,
};
pub(crate) use self::{
    cel::Expression,
    conditions::{DAYS, When, minute},
    index::{Index, named_keys},
    landmarks::{Landmarks, hintable},
    route::{By, Route},
};
use crate::{
    document::{self, Faults, Section, locate},
    experiment::{Experiment, ExperimentIndex},
    facts::{FleetFacts, KeyIndex, ModelIndex, Money, RuleIndex, TeamIndex},
    fault::Fault,
    not_toml::not_toml,
    plan::{Hedge, SlowStream},
    set::BitSet,
};

/// Rules of one policy at the most.
const RULES_MAX: usize = 5_000;
/// How often a plan may try another replica of the same model, where no rule says otherwise.
pub(crate) const RETRIES: u8 = 1;
/// The most that a rule can say.
const RETRIES_MAX: u8 = 5;

/// Models of a fleet, and aliases, at the most: far beyond any fleet, and what an index can count.
const NAMES_MAX: usize = 4_096;

/// A compiled policy: which model serves which request, against one fleet.
#[derive(Clone, Debug)]
pub struct Policy {
    version: Arc<str>,
    hash: Arc<str>,
    document: Arc<str>,
    timezone: Arc<str>,
    fleet: Arc<FleetFacts>,
    names: HashMap<Arc<str>, ModelIndex>,
    /// All models in order: a pin is a part of it.
    every: Vec<ModelIndex>,
    pub(crate) default_name: Arc<str>,
    pub(crate) pin_name: Arc<str>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) index: Index,
    pub(crate) default: Route,
    pub(crate) experiments: Vec<Experiment>,
    teams: AllowLists,
    keys: AllowLists,
}

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) when: When,
    /// `None` makes it a guard.
    pub(crate) route: Option<Route>,
    /// The models that its `require` and `avoid` let through.
    pub(crate) permitted: BitSet,
    /// These, for words.
    pub(crate) limits: Limits,
    /// Whether a zone is among what they name.
    pub(crate) zoned: bool,
    /// Whether a request that none of its models can serve is refused, and not passed on to the next rule.
    pub(crate) refuses: bool,
    pub(crate) retries: u8,
    pub(crate) timeouts: route::TimeoutsSaid,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) slow_stream: Option<SlowStream>,
    pub(crate) cost_max: Option<Money>,
    /// The experiment in which its requests take part.
    pub(crate) experiment: Option<ExperimentIndex>,
}

/// Compiles a document against a fleet.
///
/// # Errors
/// Every fault of the document, each with its path.
pub fn compile(document: &str, fleet: &FleetFacts) -> Result<Policy, Vec<Fault>> {
    let table: Table = document.parse().map_err(|error| vec![not_toml(document, &error)])?;
    too_many(fleet)?;
    read(document, &table, fleet).map_err(|mut faults| {
        locate(document, &mut faults);
        faults
    })
}

/// Nothing is compiled against a fleet that its indices cannot count.
fn too_many(fleet: &FleetFacts) -> Result<(), Vec<Fault>> {
    let counts = [("model", fleet.models.len()), ("alias", fleet.aliases.len())];
    let above = counts.into_iter().filter(|(_, count)| *count > NAMES_MAX);
    let fault =
        |(what, count)| Fault::new(what, format!("{count}"), format!("at most {NAMES_MAX}"));
    let faults: Vec<Fault> = above.map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn read(document: &str, table: &Table, fleet: &FleetFacts) -> Result<Policy, Vec<Fault>> {
    let mut faults = Faults::new();
    let mut root = Section::root(table);
    let version = root.text("version", &mut faults).unwrap_or("unversioned");
    let timezone = document::timezone(&mut root, &mut faults).unwrap_or("UTC");
    let default = default_route(&mut root, fleet, &mut faults);
    let experiments = experiments::experiments(&mut root, fleet, &mut faults);
    let rules = rules(&mut root, fleet, &experiments, &mut faults);
    root.close(&mut faults);
    let aliases = aliases(fleet, &mut faults);
    let lists = fleet.teams.iter().map(|it| &*it.models);
    let teams = AllowLists::read("team", lists, fleet, &mut faults);
    let lists = fleet.keys.iter().map(|it| &*it.models);
    let keys = AllowLists::read("key", lists, fleet, &mut faults);
    let (Some(default), true) = (default, faults.is_empty()) else { return Err(faults.into_vec()) };
    let every: Vec<ModelIndex> = (0..).zip(&fleet.models).map(|(at, _)| ModelIndex(at)).collect();
    let models = fleet.models.iter().zip(&every);
    Ok(Policy {
        version: version.into(),
        hash: hash(document, fleet).into(),
        document: document.into(),
        timezone: timezone.into(),
        names: models.map(|(model, at)| (Arc::clone(&model.id), *at)).collect(),
        every,
        default_name: "default".into(),
        pin_name: "pin".into(),
        index: Index::new(&rules, fleet),
        fleet: Arc::new(fleet.clone()),
        aliases,
        rules,
        default,
        experiments,
        teams,
        keys,
    })
}

impl Policy {
    /// The version that the document gives itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Hash of the document, the models, teams and aliases, in hexadecimal. Keys are left out: they
    /// come and go without the policy being another one.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The document that it was compiled from, word for word.
    #[must_use]
    pub fn document(&self) -> &Arc<str> {
        &self.document
    }

    /// The names of the keys that its rules mention.
    pub fn named_keys(&self) -> impl Iterator<Item = &str> {
        let named = named_keys(self.rules.iter()).into_iter();
        named.filter_map(|at| self.fleet.keys.get(at.get()).map(|key| &*key.name))
    }

    /// The IANA name of the time zone of its calendar: one that there is.
    #[must_use]
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// What it was compiled against.
    #[must_use]
    pub fn fleet(&self) -> &Arc<FleetFacts> {
        &self.fleet
    }

    /// The name of a rule; empty for an index of another policy.
    #[must_use]
    pub fn rule_name(&self, rule: RuleIndex) -> &str {
        self.rules.get(rule.get()).map_or("", |rule| &rule.name)
    }

    /// The names of all rules, in order.
    pub fn rule_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.iter().map(|rule| &rule.name)
    }

    /// Its experiments, in order.
    #[must_use]
    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments
    }

    /// One of its experiments.
    #[must_use]
    pub fn experiment(&self, at: ExperimentIndex) -> Option<&Experiment> {
        self.experiments.get(usize::from(at.0))
    }

    /// How many pairs there are of what can decide (a rule, an alias, the default route, a model's own name)
    /// and a model that it can decide for.
    #[must_use]
    pub fn decisions(&self) -> usize {
        let rules = self.rules.iter().filter_map(|rule| rule.route.as_ref());
        let compared = self.rules.iter().filter_map(|rule| self.experiment(rule.experiment?));
        let arms = compared.flat_map(|it| &it.arms).filter_map(|arm| arm.route.as_ref());
        let aliases = self.aliases.iter().filter_map(|alias| alias.route.as_ref());
        let routes = rules.chain(arms).chain(aliases).chain([&self.default]);
        routes.map(|route| route.models.len()).sum::<usize>() + self.every.len()
    }

    /// Whether key and teams may use each model, by `ModelIndex`.
    #[must_use]
    pub fn allowed(&self, team_path: &[TeamIndex], key: KeyIndex) -> Vec<bool> {
        let set = self.allowed_set(team_path, key);
        (0..self.fleet.models.len()).map(|at| set.contains(at)).collect()
    }

    /// The aliases that are whole names and lead, for whom these models are allowed, to one of them at
    /// least or wherever the rules say.
    pub fn aliases<'a>(&'a self, allowed: &'a [bool]) -> impl Iterator<Item = &'a str> {
        let whole = self.aliases.iter().filter(|it| !it.any_end);
        whole.filter(|it| it.leads(allowed)).map(|it| &*it.pattern)
    }

    /// Whether a name is served as an alias, whole or by how it begins, for whom these models are allowed.
    #[must_use]
    pub fn is_alias(&self, name: &str, allowed: &[bool]) -> bool {
        self.alias(name).is_some_and(|(_, alias)| alias.leads(allowed))
    }

    /// The alias of a name, and its place: a whole name before patterns, then the longest pattern.
    pub(crate) fn alias(&self, name: &str) -> Option<(u16, &Alias)> {
        let aliases = (0..).zip(&self.aliases);
        let matching = aliases.filter_map(|(at, alias)| Some((alias.matches(name)?, at, alias)));
        matching.max_by_key(|(specific, ..)| *specific).map(|(_, at, alias)| (at, alias))
    }

    pub(crate) fn allowed_set(&self, team_path: &[TeamIndex], key: KeyIndex) -> BitSet {
        let mut set = BitSet::full(self.fleet.models.len());
        team_path.iter().for_each(|team| self.teams.bind(team.get(), &mut set));
        self.keys.bind(key.get(), &mut set);
        set
    }

    /// Whether every key and team that may use one model may use the other.
    pub(crate) fn admits(&self, one: ModelIndex, other: ModelIndex) -> bool {
        let lists = [&self.teams, &self.keys];
        lists.into_iter().all(|it| it.admit(one.get(), other.get()))
    }

    /// The different lists of teams: the first team that has each, and its models.
    pub(crate) fn team_lists(&self) -> impl Iterator<Item = (TeamIndex, &BitSet)> {
        let lists = self.teams.each();
        lists.filter_map(|(at, set)| Some((TeamIndex(u16::try_from(at).ok()?), set)))
    }

    /// The different lists of keys: the first key that has each, and its models.
    pub(crate) fn key_lists(&self) -> impl Iterator<Item = (KeyIndex, &BitSet)> {
        let lists = self.keys.each();
        lists.filter_map(|(at, set)| Some((KeyIndex(u32::try_from(at).ok()?), set)))
    }

    /// A model's id.
    pub(crate) fn model_id(&self, model: ModelIndex) -> &str {
        self.fleet.models.get(model.get()).map_or("", |it| &it.id)
    }

    /// The model with this id, as a route of one.
    pub(crate) fn pinned(&self, id: &str) -> Option<&[ModelIndex]> {
        let at = self.names.get(id)?.get();
        self.every.get(at..=at)
    }
}

fn default_route(root: &mut Section<'_>, fleet: &FleetFacts, faults: &mut Faults) -> Option<Route> {
    let Some(value) = root.get("default") else {
        faults.push(Fault::new("default", "nothing", "a table with the route of last resort"));
        return None;
    };
    let mut section = Section::of("default".into(), value, faults);
    let route = route::of_rule(&mut section, fleet, faults);
    if route.as_ref().is_none_or(|route| route.models.is_empty()) {
        let expected = "a route with at least one model of the fleet";
        faults.push(Fault::new("default.route", "no model", expected));
    }
    section.close(faults);
    route
}

fn rules(
    root: &mut Section<'_>,
    fleet: &FleetFacts,
    experiments: &[Experiment],
    faults: &mut Faults,
) -> Vec<Rule> {
    let sections = root.tables("rule", faults);
    if sections.len() > RULES_MAX {
        let found = format!("{} rules", sections.len());
        faults.push(Fault::new("rule", found, format!("at most {RULES_MAX}")));
        return Vec::new();
    }
    let names = Names::new(fleet);
    let mut rules: Vec<Rule> = Vec::with_capacity(sections.len());
    for (at, mut section) in sections.into_iter().enumerate() {
        let read = rule(&mut section, &names, experiments, faults);
        if rules.iter().any(|earlier| earlier.name == read.name) {
            let found = format!("`{}` for the second time", read.name);
            faults.push(Fault::new(format!("rule[{at}].name"), found, "a name of its own"));
        }
        section.close(faults);
        rules.push(read);
    }
    cel::bounded(rules.iter().filter_map(|rule| rule.when.cel.as_ref()), faults);
    rules
}

fn rule(
    section: &mut Section<'_>,
    names: &Names<'_>,
    experiments: &[Experiment],
    faults: &mut Faults,
) -> Rule {
    let fleet = names.fleet;
    let name = name(section, faults);
    let mut when = conditions::when(section, names, faults);
    let route = route::of_rule(section, fleet, faults);
    if route.is_none() {
        when.binds_when_in_doubt();
    }
    let zoned = route::names_a_zone(section);
    let limits = Limits::read(section, fleet, faults);
    let permitted = limits.permitted(fleet);
    if route.is_none() && permitted.is_none() {
        let expected = "a `route`, or `require` or `avoid` to make it a guard";
        faults.push(Fault::new(section.at("route"), "nothing", expected));
    }
    let retries = section.read("retry", "a number from 0 to 5", faults, |value| {
        u8::try_from(value.as_integer()?).ok().filter(|it| *it <= RETRIES_MAX)
    });
    let bound = permitted.is_some() || when.names_data_class();
    let refuses = route::refuses(section, (route.is_some(), bound), faults);
    let experiment = experiments::of_rule(section, route.is_some(), experiments, faults);
    Rule {
        experiment,
        name,
        when,
        route,
        zoned,
        refuses,
        permitted: permitted.unwrap_or_else(|| BitSet::full(fleet.models.len())),
        limits,
        retries: retries.unwrap_or(RETRIES),
        timeouts: route::timeouts(section, faults),
        hedge: route::hedge(section, faults),
        slow_stream: route::slow_stream(section, faults),
        cost_max: section.read("cost_max", "money such as \"0.50\"", faults, |value| {
            Money::parse(value.as_str()?).ok()
        }),
    }
}

/// A name that can stand in a header and in a metric.
fn name(section: &mut Section<'_>, faults: &mut Faults) -> Arc<str> {
    let expected = "a name of letters, digits, `.`, `_` and `-`, at most 64";
    let plain = |text: &str| plain_name(text) && !matches!(text, "default" | "pin");
    if section.get("name").is_none() {
        faults.push(Fault::new(section.at("name"), "nothing", expected));
    }
    let read = |value: &Value| value.as_str().filter(|text| plain(text)).map(Arc::from);
    section.read("name", expected, faults, read).unwrap_or_else(|| "".into())
}

/// Whether a name can stand in a header and in a metric.
fn plain_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
