//! `[[team]]`: the tree of teams.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use policies::{
    Fault,
    document::{Faults, Path, Section},
    facts::{DataClass, TeamFacts, TeamIndex},
};

use super::{Team, names::few, owner::Owner};

/// The team of keys that name none.
pub(crate) const DEFAULT: &str = "default";

/// A team as the policy and as the gateway see it.
pub(super) struct ReadTeam {
    /// Where it stands in the file, such as `team[2]`: the order there is another.
    pub(super) path: Path,
    pub(super) facts: TeamFacts,
    pub(super) team: Team,
    /// Its effective default class and its effective ceiling.
    pub(super) classes: (DataClass, DataClass),
}

/// A team as it stands in the file.
struct Stated<'a> {
    owner: Owner,
    parent: Option<&'a str>,
}

/// Reads all teams: `default` first, parents before their children.
pub(super) fn teams(sections: Vec<Section<'_>>, faults: &mut Faults) -> Vec<ReadTeam> {
    few(sections.len(), "team", faults);
    let mut taken = HashSet::new();
    let mut stated = Vec::new();
    for mut it in sections {
        let owner = Owner::read(&mut it, &mut taken, faults);
        let mut parent = it.text("parent", faults);
        if *owner.name == *DEFAULT && parent.take().is_some() {
            let expected = "nothing: `default` is the team of keys without one, and has no parent";
            faults.push(Fault::new(it.at("parent"), "a parent", expected));
        }
        stated.push(Stated { owner, parent });
        it.close(faults);
    }
    if !taken.contains(DEFAULT) {
        stated.push(Stated { owner: Owner::unbound(DEFAULT), parent: None });
    }
    for team in &stated {
        let unknown = team.parent.filter(|it| !taken.contains(*it));
        // The team `default` stands even where nobody wrote it down.
        if let Some(parent) = unknown.filter(|it| *it != DEFAULT) {
            let own = &*team.owner.name;
            let known = stated.iter().map(|team| &*team.owner.name);
            let known = known.filter(|it| taken.contains(*it) && *it != own);
            let known = known.chain((!taken.contains(DEFAULT)).then_some(DEFAULT));
            faults.push_unknown(team.owner.path.at("parent"), parent, "a team", known);
        }
    }
    stated.sort_by_key(|team| *team.owner.name != *DEFAULT);
    placed(stated, faults)
}

/// Places each team whose parent is placed. What cannot be placed hangs in a circle, or below something
/// that is a fault already; it is placed without its parent, so that nothing else is blamed for it.
fn placed(mut stated: Vec<Stated<'_>>, faults: &mut Faults) -> Vec<ReadTeam> {
    let mut placed: Vec<ReadTeam> = Vec::with_capacity(stated.len());
    // The first of a name counts.
    let mut places: HashMap<Arc<str>, usize> = HashMap::with_capacity(stated.len());
    loop {
        let before = placed.len();
        let mut waiting = Vec::new();
        for team in stated {
            match team.parent.map(|parent| places.get(parent).copied()) {
                Some(None) => waiting.push(team),
                at => {
                    places.entry(Arc::clone(&team.owner.name)).or_insert(placed.len());
                    place(team, at.flatten(), &mut placed, faults);
                }
            }
        }
        stated = waiting;
        if placed.len() == before {
            break;
        }
    }
    let among: HashMap<&str, &Stated<'_>> =
        stated.iter().rev().map(|team| (&*team.owner.name, team)).collect();
    for team in in_circles(&stated, &among) {
        let (path, parent) = (team.owner.path.at("parent"), team.parent.unwrap_or_default());
        let what = "a parent above it";
        faults.push_worded(path, parent, what, || format!("{what}: {}", circle(team, &among)));
    }
    stated.into_iter().for_each(|team| place(team, None, &mut placed, faults));
    placed
}

/// The teams that are above themselves. Each is walked over once, however long the ways are.
fn in_circles<'s, 'a>(
    stated: &'s [Stated<'a>],
    among: &HashMap<&str, &'s Stated<'a>>,
) -> Vec<&'s Stated<'a>> {
    let parent = |name: &str| among.get(among.get(name)?.parent?).map(|it| &*it.owner.name);
    let (mut walked, mut circles) = (HashMap::new(), HashSet::new());
    for (walk, team) in stated.iter().enumerate() {
        let mut at = Some(&*team.owner.name);
        while let Some(name) = at.filter(|name| !walked.contains_key(name)) {
            walked.insert(name, walk);
            at = parent(name);
        }
        // A walk that comes to its own steps has gone round.
        while let Some(name) = at.filter(|name| walked.get(name) == Some(&walk)) {
            if !circles.insert(name) {
                break;
            }
            at = parent(name);
        }
    }
    stated.iter().filter(|team| circles.contains(&*team.owner.name)).collect()
}

/// Names of a circle that a message lists.
const CIRCLE_MAX: usize = 20;

/// The way from a team up to itself, in words.
fn circle(from: &Stated<'_>, among: &HashMap<&str, &Stated<'_>>) -> String {
    let mut way = from.owner.name.to_string();
    let mut at = from;
    for _ in 0..CIRCLE_MAX {
        let Some(parent) = at.parent.and_then(|parent| among.get(parent)) else { break };
        at = parent;
        way = format!("{way} → {}", at.owner.name);
        if at.owner.name == from.owner.name {
            return format!("{way} is a circle");
        }
    }
    format!("{way} → … is a circle")
}

fn place(stated: Stated<'_>, at: Option<usize>, placed: &mut Vec<ReadTeam>, faults: &mut Faults) {
    let Stated { owner, .. } = stated;
    let above = at.and_then(|at| placed.get(at)).map(|parent| parent.classes);
    let classes = owner.classes(above, faults);
    let parent = at.and_then(|at| u16::try_from(at).ok()).map(TeamIndex);
    placed.push(ReadTeam {
        path: owner.path,
        facts: TeamFacts { name: Arc::clone(&owner.name), parent, models: owner.models },
        team: Team {
            name: owner.name,
            parent,
            budgets: owner.budgets,
            limits: owner.limits,
            data_class: owner.data_class.unwrap_or(DataClass::Public),
            data_class_max: owner.data_class_max.unwrap_or(DataClass::Secret),
            priority: owner.priority,
            owner: owner.owned_by,
            tags: owner.tags,
        },
        classes,
    });
}
