//! Whom a reload concerns: the teams, keys, operators and aliases that it added, removed or changed, by name.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::config::{ADMIN, Config, Credential, Key, Oidc, Role, Team};

/// What became of the named parts of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesChanged {
    /// The section: `teams`, `keys`, `operators` or `aliases`.
    pub section: &'static str,
    /// Names of which there was none.
    pub added: Vec<Arc<str>>,
    /// Names of which there is none any more.
    pub removed: Vec<Arc<str>>,
    /// Names that say something else now.
    pub changed: Vec<Arc<str>>,
}

/// The sections of which anything differs.
pub(super) fn names_changed(a: &Config, b: &Config) -> Vec<NamesChanged> {
    let aliases = |it: &Config| -> Vec<(Arc<str>, _)> {
        let aliases = it.policy.fleet().aliases.iter();
        aliases.map(|(name, target)| (Arc::from(&**name), target.clone())).collect()
    };
    let all = [
        compared("teams", teams(a), teams(b)),
        compared("keys", keys(a), keys(b)),
        compared("operators", operators(a), operators(b)),
        compared("aliases", aliases(a), aliases(b)),
    ];
    all.into_iter()
        .filter(|it| !(it.added.is_empty() && it.removed.is_empty() && it.changed.is_empty()))
        .collect()
}

/// Whether others are operators, or by other means.
pub(super) fn operators_differ(a: &Config, b: &Config) -> bool {
    operators(a) != operators(b)
}

fn compared<T: PartialEq>(
    section: &'static str,
    before: Vec<(Arc<str>, T)>,
    after: Vec<(Arc<str>, T)>,
) -> NamesChanged {
    let order: Vec<Arc<str>> = before.iter().map(|(name, _)| Arc::clone(name)).collect();
    let mut before: HashMap<Arc<str>, T> = before.into_iter().collect();
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for (name, now) in after {
        match before.remove(&name) {
            None => added.push(name),
            Some(then) if then != now => changed.push(name),
            Some(_) => {}
        }
    }
    let removed = order.into_iter().filter(|name| before.contains_key(name)).collect();
    NamesChanged { section, added, removed, changed }
}

/// The teams, with their parents by name: a place in the configuration says nothing.
fn teams(config: &Config) -> Vec<(Arc<str>, impl PartialEq + use<'_>)> {
    let facts = |at: usize| config.policy.fleet().teams.get(at).map(|it| &it.models);
    let of = |(at, team): (usize, &'_ Team)| {
        let parent = team.parent.and_then(|it| Some(Arc::clone(&config.teams.get(it.get())?.name)));
        (Arc::clone(&team.name), (parent, Team { parent: None, ..team.clone() }, facts(at)))
    };
    config.teams.iter().enumerate().map(of).collect()
}

/// How an operator is recognised, and what he may do.
#[derive(PartialEq)]
enum Recognised {
    /// By `admin.token`.
    First(Credential),
    /// By a token of his own.
    Named(Credential, (Role, Option<jiff::Timestamp>)),
    /// By whatever this issuer signs. What is for callers alone is left out.
    Issuer(Box<Oidc>),
}

/// The operators, with the one whose token is `admin.token`, and all of an issuer by the name of its key.
fn operators(config: &Config) -> Vec<(Arc<str>, Recognised)> {
    let first = config.admin.token.clone();
    let first = first.map(|it| (Arc::from(ADMIN), Recognised::First(Credential::Secret(it))));
    let named = config.admin.operators.iter().map(|it| {
        let by = Recognised::Named(it.credential.clone(), (it.role, it.expires));
        (Arc::clone(&it.name), by)
    });
    let issuers = config.oidc.iter().filter(|it| !it.operators.rules.is_empty()).map(|it| {
        let (audience, rules, payers) = (Vec::new(), Vec::new(), Vec::new());
        let user = Box::default();
        let by = Oidc { audience, rules, payers, user, refresh: Duration::ZERO, ..it.clone() };
        (format!("oidc({})", it.name).into(), Recognised::Issuer(Box::new(by)))
    });
    first.into_iter().chain(named).chain(issuers).collect()
}

/// The keys, with their teams by name.
fn keys(config: &Config) -> Vec<(Arc<str>, impl PartialEq + use<'_>)> {
    let facts = |at: usize| config.policy.fleet().keys.get(at).map(|it| &it.models);
    let of = |(at, key): (usize, &'_ Key)| {
        let team = config.teams.get(key.team.get()).map(|it| Arc::clone(&it.name));
        let alone = Key { team: policies::facts::TeamIndex(0), ..key.clone() };
        (Arc::clone(&key.name), (team, alone, facts(at)))
    };
    config.keys.iter().enumerate().map(of).collect()
}
