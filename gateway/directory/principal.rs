//! Who asks, with what binds him: a key resolved at load, so that a request looks nothing up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use policies::facts::{DataClass, KeyIndex, TeamIndex};
use smallvec::SmallVec;

use super::used::LastUse;
use crate::{
    account::Account,
    config::{Key, Team},
    outcome::{Caller, KeyId, Tags, TeamId},
};

/// Who asks, and what binds him.
pub struct Principal {
    /// Who: as outcomes and the ledger know him.
    pub caller: Arc<Caller>,
    /// His limits and budgets, and those of his teams.
    pub(crate) account: Arc<Account>,
    /// When his key was last used.
    pub(super) used: Arc<LastUse>,
    /// His key is not valid from this moment on.
    pub(crate) expires: Option<jiff::Timestamp>,
}

/// Numbers of keys and teams by their names. A number is never given to another name while the process
/// lives, whatever configurations come and go.
#[derive(Default)]
pub(super) struct Ids(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    keys: HashMap<Arc<str>, KeyId>,
    teams: HashMap<Arc<str>, TeamId>,
    used: HashMap<Arc<str>, Arc<LastUse>>,
}

impl Ids {
    fn key(&self, name: &Arc<str>) -> KeyId {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = KeyId(u32::try_from(numbers.keys.len()).unwrap_or(u32::MAX));
        *numbers.keys.entry(Arc::clone(name)).or_insert(next)
    }

    /// When the key of this name was last used, whatever snapshots come and go.
    pub(super) fn used(&self, key: &Arc<str>) -> Arc<LastUse> {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(numbers.used.entry(Arc::clone(key)).or_default())
    }

    /// See [`super::Directory::newly_used`].
    pub(super) fn newly_used(&self) -> Vec<(Arc<str>, i64)> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newly =
            |(key, used): (&Arc<str>, &Arc<LastUse>)| Some((Arc::clone(key), used.newly()?));
        numbers.used.iter().filter_map(newly).collect()
    }

    /// See [`super::Directory::not_noted`].
    pub(super) fn not_noted(&self, uses: &[(Arc<str>, i64)]) {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = uses.iter().filter_map(|(key, _)| numbers.used.get(key));
        used.for_each(|it| it.not_told());
    }

    /// See [`super::Directory::last_used`].
    pub(super) fn last_used(&self, key: &str) -> Option<i64> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.used.get(key)?.at_ms()
    }

    fn team(&self, name: &Arc<str>) -> TeamId {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = TeamId(u32::try_from(numbers.teams.len()).unwrap_or(u32::MAX));
        *numbers.teams.entry(Arc::clone(name)).or_insert(next)
    }
}

/// A key resolved with all that a request needs to know of it: classes only ever tighten down the tree.
pub(super) fn caller(ids: &Ids, index: KeyIndex, key: &Key, teams: &[Team]) -> Caller {
    let mut team_path: SmallVec<[TeamIndex; 4]> = SmallVec::new();
    let mut next = Some(key.team);
    while let Some(at) = next.filter(|_| team_path.len() < teams.len()) {
        team_path.push(at);
        next = teams.get(at.get()).and_then(|team| team.parent);
    }
    let path = || team_path.iter().filter_map(|at| teams.get(at.get()));
    let classes = path().map(|team| team.data_class).chain(key.data_class);
    let own = key.data_class_max.map(|most| (most, None));
    let teams_own = path().map(|team| (team.data_class_max, Some(&team.name)));
    // Of equal limits the nearest is the one that is spoken of.
    let (most, whose) = own
        .into_iter()
        .chain(teams_own)
        .min_by_key(|(most, _)| *most)
        .unwrap_or((DataClass::Secret, None));
    let team_name = path().next().map_or_else(|| "default".into(), |team| Arc::clone(&team.name));
    Caller {
        key_id: ids.key(&key.name),
        key: index,
        key_name: Arc::clone(&key.name),
        team_id: ids.team(&team_name),
        team_name,
        data_class: classes.max().unwrap_or(DataClass::Public),
        data_class_max: most,
        data_class_max_of: whose.cloned(),
        hints: key.hints,
        feedback: key.feedback,
        frontend: key.frontend,
        tags: tags([&key.tags].into_iter().chain(path().map(|team| &team.tags))),
        priority: key
            .priority
            .or_else(|| path().find_map(|team| team.priority))
            .unwrap_or_default(),
        team_path,
    }
}

/// The tags of a key and its teams together: those that come first hold. Lists are shared where only one of
/// them has any, for there may be many keys.
fn tags<'a>(lists: impl Iterator<Item = &'a Tags>) -> Tags {
    let mut all = Tags::default();
    for list in lists.filter(|it| !it.is_empty()) {
        if all.is_empty() {
            all = Arc::clone(list);
            continue;
        }
        let new = list.iter().filter(|(name, _)| all.iter().all(|(has, _)| has != name));
        all = all.iter().chain(new).cloned().collect();
    }
    all
}
