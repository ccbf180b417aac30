//! `[[key]]`: who may ask, and how a key is recognised.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, OnceLock},
};

use policies::{
    Fault,
    document::{Faults, Path, Section},
    facts::{DataClass, KeyFacts, KeyIndex, TeamIndex},
};
use toml::Value;

use super::{
    Budget, Limits, Secret, Tags,
    fields::own_token,
    outside::Outside,
    owner::Owner,
    team::{DEFAULT, ReadTeam},
};
use crate::outcome::Priority;

/// `[[key]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: Arc<str>,
    /// The team.
    pub team: TeamIndex,
    /// How it is recognised.
    pub credential: Credential,
    /// Money it may spend by itself.
    pub budgets: Vec<Budget>,
    /// How fast it may go by itself.
    pub limits: Limits,
    /// The default class of its requests, if it raises its team's.
    pub data_class: Option<DataClass>,
    /// The highest class it may send, if it lowers its team's.
    pub data_class_max: Option<DataClass>,
    /// Who comes first where requests wait; else the nearest team's counts.
    pub priority: Option<Priority>,
    /// Whether its hint headers are believed.
    pub hints: bool,
    /// Whether it may tell values of its whole team's requests.
    pub feedback: bool,
    /// Whether the end users that it forwards are believed.
    pub frontend: bool,
    /// Who answers for it, in words for operators.
    pub owner: Option<Arc<str>>,
    /// Tags of its requests, over its teams' and the caller's of the same name.
    pub tags: Tags,
    /// Not valid from this moment on.
    pub expires: Option<jiff::Timestamp>,
}

/// How a key is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// HMAC-SHA-256 of the key under the pepper.
    Hash([u8; 32]),
    /// The same of a key that was rotated: the one before opens too, for a while.
    Rotated {
        /// That of the key.
        hash: [u8; 32],
        /// That of the key before.
        previous: [u8; 32],
        /// The one before opens until then.
        until: jiff::Timestamp,
    },
    /// The key itself, by reference; hashed at load.
    Secret(Secret),
    /// By a token of an issuer, all of whose tokens are this key to the policy.
    Token(KeyIndex),
    /// Nobody can ask with it: it pays for what the gateway asks by itself.
    Nobody,
}

/// A key as the policy and as the gateway see it.
pub(super) struct ReadKey {
    pub(super) facts: KeyFacts,
    pub(super) key: Key,
    /// Where it stands, such as `key[2]`.
    pub(super) path: Path,
}

/// The teams of a configuration, found by their names.
pub(super) struct TeamsByName<'a> {
    teams: &'a [ReadTeam],
    places: HashMap<&'a str, usize>,
}

impl<'a> TeamsByName<'a> {
    /// The first of a name counts.
    pub(super) fn of(teams: &'a [ReadTeam]) -> Self {
        let mut places = HashMap::with_capacity(teams.len());
        for (at, read) in teams.iter().enumerate() {
            places.entry(&*read.team.name).or_insert(at);
        }
        Self { teams, places }
    }

    fn find(&self, name: &str) -> Option<(TeamIndex, &'a ReadTeam)> {
        let at = *self.places.get(name)?;
        Some((u16::try_from(at).ok().map_or(TeamIndex(0), TeamIndex), self.teams.get(at)?))
    }
}

/// A key that was read without a fault, and what its reading depended on beside its own fields.
#[derive(Clone, Debug)]
pub(super) struct KeptKey {
    facts: KeyFacts,
    key: Key,
    /// Where it stands.
    path: String,
    /// The name of its team, and the effective classes of that.
    team: (Arc<str>, (DataClass, DataClass)),
}

impl KeptKey {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.key.name
    }

    /// Whether it would be read the same beside these teams.
    pub(super) fn holds(&self, teams: &TeamsByName<'_>) -> bool {
        let (name, classes) = &self.team;
        teams.find(name).is_some_and(|(_, team)| team.classes == *classes)
    }

    /// The key beside these teams.
    fn read(&self, teams: &TeamsByName<'_>) -> ReadKey {
        let team = teams.find(&self.team.0).map_or(TeamIndex(0), |(at, _)| at);
        let key = Key { team, ..self.key.clone() };
        ReadKey { facts: self.facts.clone(), key, path: Path::from(self.path.clone()) }
    }

    fn of(
        ReadKey { facts, key, .. }: &ReadKey,
        path: &str,
        teams: &TeamsByName<'_>,
    ) -> Option<Self> {
        let team = teams.teams.get(key.team.get())?;
        let team = (Arc::clone(&team.team.name), team.classes);
        Some(Self { facts: facts.clone(), key: key.clone(), path: path.into(), team })
    }
}

/// Where a key of the store stands, and where its reading is kept.
pub(super) type Keep<'a> = (&'a str, &'a OnceLock<KeptKey>);

/// Where a key comes from.
pub(super) enum KeyInput<'a> {
    /// It is read from a section, and kept here if there is no fault in it.
    Section(Box<Section<'a>>, Option<Keep<'a>>),
    /// It was read before.
    Kept(&'a KeptKey),
}

/// Reads all keys.
pub(super) fn keys(
    sources: Vec<KeyInput<'_>>,
    teams: &TeamsByName<'_>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Vec<ReadKey> {
    let mut taken = HashSet::new();
    let mut credentials: HashMap<Credential, Arc<str>> = HashMap::with_capacity(sources.len());
    let mut keys = Vec::with_capacity(sources.len());
    for source in sources {
        let (credential, read) = match source {
            KeyInput::Kept(kept) => (Some(kept.key.credential.clone()), kept.read(teams)),
            KeyInput::Section(section, keep) => {
                let before = faults.count();
                let (credential, read) = key(*section, &mut taken, teams, outside, faults);
                if let Some((path, keep)) = keep.filter(|_| faults.count() == before)
                    && let Some(kept) = KeptKey::of(&read, path, teams)
                {
                    // Whoever came first has read the same.
                    let _ = keep.set(kept);
                }
                (credential, read)
            }
        };
        if let Some(credential) = credential {
            // Two names of one credential: the second would never be told from the first.
            match credentials.entry(credential) {
                Entry::Occupied(first) => {
                    let written = first.key().config_key();
                    let found = format!("that of key `{}`", first.get());
                    let expected = format!("a {written} of its own");
                    faults.push(Fault::new(read.path.at(written), found, expected));
                }
                Entry::Vacant(new) => {
                    new.insert(Arc::clone(&read.key.name));
                }
            }
        }
        keys.push(read);
    }
    keys
}

fn key<'a>(
    mut it: Section<'a>,
    taken: &mut HashSet<&'a str>,
    teams: &TeamsByName<'_>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> (Option<Credential>, ReadKey) {
    let path = it.path().clone();
    let owner = Owner::read(&mut it, taken, faults);
    let team = it.text("team", faults).unwrap_or(DEFAULT);
    let found = teams.find(team);
    if found.is_none() {
        let known = teams.teams.iter().map(|read| &*read.team.name);
        faults.push_unknown(it.at("team"), team, "a team", known);
    }
    let above = found.map(|(_, team)| team.classes);
    owner.classes(above, faults);
    let credential = credential(&mut it, "secret", outside, faults);
    let key = Key {
        name: Arc::clone(&owner.name),
        team: found.map_or(TeamIndex(0), |(at, _)| at),
        credential: credential.clone().unwrap_or(Credential::Hash([0; 32])),
        budgets: owner.budgets,
        limits: owner.limits,
        data_class: owner.data_class,
        data_class_max: owner.data_class_max,
        priority: owner.priority,
        hints: it.read("hints", "true or false", faults, Value::as_bool).unwrap_or(true),
        feedback: it.read("feedback", "true or false", faults, Value::as_bool).unwrap_or_default(),
        frontend: it.read("frontend", "true or false", faults, Value::as_bool).unwrap_or_default(),
        owner: owner.owned_by,
        tags: owner.tags,
        expires: expires(&mut it, faults),
    };
    it.close(faults);
    (credential, ReadKey { facts: KeyFacts { name: owner.name, models: owner.models }, key, path })
}

impl Credential {
    /// The name under which it stands in the configuration.
    const fn config_key(&self) -> &'static str {
        match self {
            Self::Hash(_) | Self::Rotated { .. } => "hash",
            Self::Secret(_) => "secret",
            Self::Token(_) | Self::Nobody => "",
        }
    }
}

/// The moment from which on a credential is not valid any more, if there is one.
pub(super) fn expires(it: &mut Section<'_>, faults: &mut Faults) -> Option<jiff::Timestamp> {
    it.read("expires", "a moment such as \"2027-01-31T00:00:00Z\"", faults, moment)
}

/// A moment with its offset, in text or as TOML's own.
fn moment(value: &Value) -> Option<jiff::Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Datetime(date) => date.to_string().parse().ok(),
        _ => None,
    }
}

/// `hash`, or the credential itself by reference, under a key of this name: exactly one of them.
pub(super) fn credential(
    it: &mut Section<'_>,
    plain: &'static str,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Credential> {
    match (it.get("hash"), it.get(plain)) {
        (None, Some(_)) => own_token(it, plain, outside, faults).map(Credential::Secret),
        (Some(value), None) => {
            let hash = value.as_str().and_then(|it| unhex(it.strip_prefix("hmac-sha256:")?));
            if hash.is_none() {
                // Not repeated: somebody may have put the key itself there.
                let expected =
                    "hmac-sha256: and 64 hexadecimal digits, from `signalbox key create`";
                faults.push(Fault::new(it.at("hash"), "something else", expected));
            }
            hash.map(Credential::Hash)
        }
        (hash, _) => {
            let found = if hash.is_some() { "both" } else { "neither" };
            let expected =
                format!("either `hash` (from `signalbox key create`) or `{plain}`, by reference");
            faults.push(Fault::new(it.at("hash"), found, expected));
            None
        }
    }
}

pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}
