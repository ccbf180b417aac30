//! `[policy]` and `[alias]`: what decides, compiled against the models, teams and keys.

use policies::{
    Fault, Policy,
    document::{Faults, Path, Section},
    facts::{AliasTarget, FleetFacts},
    lint::Finding,
    preset,
};

use super::{PolicyText, fields::path_in, key::ReadKey, outside::Outside, team::ReadTeam};

/// The names that callers may ask for beside those of models.
pub(super) fn aliases(mut it: Section<'_>, faults: &mut Faults) -> Vec<(Box<str>, AliasTarget)> {
    let mut aliases = Vec::new();
    for (alias, value) in it.entries() {
        let path = format!("alias.{alias}");
        if alias.is_empty() || alias.strip_suffix('*').unwrap_or(alias).contains('*') {
            let expected = "a name that callers ask for, or its beginning and one `*`";
            faults.push(Fault::new(path, format!("`{alias}`"), expected));
            continue;
        }
        let target = match (value.as_str(), value.as_array()) {
            (Some("auto"), _) => Some(AliasTarget::Auto),
            (Some(model), _) => Some(AliasTarget::Route(vec![model.into()])),
            (None, Some(list)) if !list.is_empty() => {
                let models: Option<Vec<_>> =
                    list.iter().map(|it| it.as_str().map(Box::from)).collect();
                models.map(AliasTarget::Route)
            }
            _ => None,
        };
        match target {
            Some(target) => aliases.push((alias.as_str().into(), target)),
            None => {
                let expected = "\"auto\", a model, or a list of models";
                faults.push(Fault::new(path, policies::document::kind(value), expected));
            }
        }
    }
    aliases
}

/// A policy that loads.
pub(super) struct Compiled {
    pub(super) policy: Policy,
    /// Which requests end nowhere under it.
    pub(super) dead_ends: Vec<Finding>,
    /// What it was compiled from.
    pub(super) text: PolicyText,
}

/// The policy: the one that two persons have approved, else a preset, a file, or the built-in one.
pub(super) fn compiled(
    (it, approved): (Section<'_>, Option<&str>),
    (fleet, places): (&FleetFacts, Places<'_>),
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Compiled> {
    let (of_file, name) = named(it, approved.is_some(), outside, faults);
    let name = approved.map_or(name, |_| APPROVED.to_owned());
    // Without models every selector of a policy would be a fault of its own.
    if fleet.models.is_empty() {
        return None;
    }
    let overrules_file = approved.is_some() && approved != of_file.as_deref();
    let document = approved.map(str::to_owned).or(of_file)?;
    let proved = policies::compile(&document, fleet).and_then(|policy| {
        let findings = judged(&policy, (&document, &name))?;
        Ok((policy, findings))
    });
    match proved {
        Ok((policy, dead_ends)) => {
            let text = PolicyText { document: document.into(), overrules_file };
            Some(Compiled { policy, dead_ends, text })
        }
        Err(found) => {
            let placed = |it: Fault| match places.own(&it.path) {
                Some(path) => Fault { path, ..it },
                None => it.in_file(&name),
            };
            faults.extend(found.into_iter().map(placed));
            None
        }
    }
}

/// What a policy of the store is called where a fault of it is told.
pub(crate) const APPROVED: &str = "the approved policy";

/// The document that the configuration's file names, and its own name. Where it is not the one in force, a
/// file that cannot be read is no fault.
fn named(
    mut it: Section<'_>,
    overruled: bool,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> (Option<String>, String) {
    let named = it.text("preset", faults);
    let file = it.text("file", faults);
    let name = match (named, file) {
        (Some(preset), _) => format!("preset {preset}"),
        (None, Some(file)) => path_in(outside.folder, file).display().to_string(),
        (None, None) => String::from("preset default"),
    };
    let document = match (named, file) {
        (Some(_), Some(_)) => {
            faults.push(Fault::new(it.at("file"), "a file beside a preset", "only one of them"));
            None
        }
        (Some(named), None) => {
            let found = preset::document(named).map(str::to_owned);
            if found.is_none() {
                let known = preset::NAMES.into_iter();
                faults.push_unknown(it.at("preset"), named, "a preset", known);
            }
            found
        }
        (None, Some(file)) => (outside.read)(&path_in(outside.folder, file))
            .map_err(|error| {
                if overruled {
                    return;
                }
                let found = format!("{file}: {error}");
                faults.push(Fault::new(it.at("file"), found, "a readable policy"));
            })
            .ok(),
        (None, None) => preset::document("default").map(str::to_owned),
    };
    it.close(faults);
    (document, name)
}

/// What is found in a policy that loads, with its place in the document of this name.
fn judged(policy: &Policy, (document, name): (&str, &str)) -> Result<Vec<Finding>, Vec<Fault>> {
    let mut findings = policies::lint::judge(policy).map_err(|mut wrong| {
        policies::document::locate(document, &mut wrong);
        wrong
    })?;
    policies::lint::place(&mut findings, document, name);
    Ok(findings)
}

/// Where the teams and the keys that a policy is compiled against stand in the configuration.
pub(super) struct Places<'a> {
    /// The path of each team: teams are compiled in the order of the tree, and stand in the file in any.
    teams: Vec<&'a Path>,
    /// The path of each key, those of the store behind those of the file; behind them stand issuers.
    keys: Vec<&'a Path>,
}

impl<'a> Places<'a> {
    /// Those of these teams and keys.
    pub(super) fn of(teams: &'a [ReadTeam], keys: &'a [ReadKey]) -> Self {
        Self {
            teams: teams.iter().map(|it| &it.path).collect(),
            keys: keys.iter().map(|it| &it.path).collect(),
        }
    }

    /// The path in this configuration of a fault that was found when the policy was compiled against its
    /// names; none if it is the policy's own.
    fn own(&self, path: &str) -> Option<String> {
        if path.starts_with("alias.") {
            return Some(path.to_owned());
        }
        let (list, at) = path.split_once('[')?;
        let (at, key) = at.split_once("].")?;
        let at = at.parse::<usize>().ok()?;
        match list {
            "team" => Some(self.teams.get(at)?.at(key)),
            "key" => Some(match at.checked_sub(self.keys.len()) {
                Some(issuer) => format!("oidc[{issuer}].{key}"),
                None => self.keys.get(at)?.at(key),
            }),
            _ => None,
        }
    }
}
