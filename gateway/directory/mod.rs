//! The directory: who may ask, and what binds him. A credential becomes a [`Principal`], by the keyed hash
//! of the key. Keys themselves are never kept, logged or sent on.
//!
//! One directory is a snapshot, made from a configuration and never changed; an epoch holds the one that
//! goes with its policy. What was spent and what is in use is not in it but in the accounts that it leads
//! to, which live on from one snapshot to the next.

mod credential;
mod key;
mod operators;
mod pepper;
mod principal;
#[cfg(test)]
mod tests;
mod used;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;
use policies::facts::KeyIndex;

pub use self::principal::Principal;
pub(crate) use self::{
    credential::bearer,
    key::{hash_line, new_key},
    operators::{Operator, Stranger},
    pepper::{fingerprint, load_or_create_pepper, load_or_create_secret, load_pepper},
};
use self::{
    credential::{credential, unauthenticated},
    operators::Operators,
    pepper::Pepper,
    principal::{Ids, caller},
};
use crate::{
    account::Accounts,
    config::{Admin, Credential, Key, Team},
    failure::Failure,
};

/// Everybody who may ask, by the hash of his key.
pub struct Directory {
    pepper: Pepper,
    ids: Arc<Ids>,
    known: HashMap<[u8; 32], Arc<Principal>>,
    /// Those whom nobody can ask as, by the names of their keys.
    own: HashMap<Arc<str>, Arc<Principal>>,
    /// Who may ask at the operators' door.
    operators: Arc<Operators>,
    /// When keys expire, in order; those that never do are not in it.
    expiries: Box<[jiff::Timestamp]>,
}

impl Directory {
    /// The directory of these teams and keys, hashing with this pepper, with accounts of its own in which
    /// nothing was spent.
    #[must_use]
    pub fn of(
        (teams, keys): (&[Team], &[Key]),
        terms: (Duration, &Arc<str>),
        pepper: &[u8],
        now: (Instant, jiff::Timestamp),
    ) -> Self {
        let accounts = Accounts::new((teams, keys), terms, (&[], now.1), now.0);
        Self::empty(pepper).with(keys, teams, &accounts)
    }

    /// The keyed hash of a key, as the configuration states it.
    pub(crate) fn hash_line(&self, key: &str) -> String {
        key::hash_line_of(&self.pepper, key)
    }

    /// The fingerprint of its pepper.
    pub(crate) fn fingerprint(&self) -> String {
        self.pepper.fingerprint()
    }

    /// A directory of nobody, which hashes with this pepper.
    pub(crate) fn empty(pepper: &[u8]) -> Self {
        Self {
            pepper: Pepper::new(pepper),
            ids: Arc::default(),
            known: HashMap::new(),
            own: HashMap::new(),
            operators: Arc::default(),
            expiries: Box::default(),
        }
    }

    /// A directory of these keys and teams whom nothing binds: for whoever decides and does not serve.
    pub(crate) fn unbound(pepper: &[u8], keys: &[Key], teams: &[Team]) -> Self {
        Self::empty(pepper).with(keys, teams, &Accounts::default())
    }

    /// The directory of these keys and teams, whose accounts are these: numbers, pepper and operators stay.
    pub(crate) fn with(&self, keys: &[Key], teams: &[Team], accounts: &Accounts) -> Self {
        let (mut known, mut own) = (HashMap::new(), HashMap::new());
        for (at, key) in (0..).zip(keys) {
            let index = KeyIndex(at);
            let caller = Arc::new(caller(&self.ids, index, key, teams));
            let account = accounts.of_key(index.get()).cloned().unwrap_or_default();
            let used = self.ids.used(&key.name);
            let with = |expires| {
                let (caller, account) = (Arc::clone(&caller), Arc::clone(&account));
                Arc::new(Principal { caller, account, used: Arc::clone(&used), expires })
            };
            let principal = with(key.expires);
            let hash = match &key.credential {
                Credential::Hash(hash) => *hash,
                Credential::Rotated { hash, previous, until } => {
                    let expires = key.expires.map_or(*until, |at| at.min(*until));
                    known.insert(*previous, with(Some(expires)));
                    *hash
                }
                Credential::Secret(secret) => self.pepper.digest(secret.expose().as_bytes()),
                Credential::Nobody => {
                    own.insert(Arc::clone(&key.name), principal);
                    continue;
                }
            };
            known.insert(hash, principal);
        }
        let mut expiries: Box<[_]> = keys.iter().filter_map(|key| key.expires).collect();
        expiries.sort_unstable();
        let operators = Arc::clone(&self.operators);
        let (pepper, ids) = (self.pepper.clone(), Arc::clone(&self.ids));
        Self { pepper, ids, known, own, operators, expiries }
    }

    /// The same with the operators of this section.
    pub(crate) fn operated(self, admin: &Admin) -> Self {
        let operators = Arc::new(Operators::new(&self.pepper, admin));
        Self { operators, ..self }
    }

    /// Whether anybody may ask at the operators' door.
    pub(crate) fn has_operators(&self) -> bool {
        self.operators.any()
    }

    /// The operator whose bearer token this is.
    ///
    /// # Errors
    /// When it is nobody's, or has expired.
    pub(crate) fn operator(
        &self,
        bearer: &[u8],
        now: jiff::Timestamp,
    ) -> Result<Arc<Operator>, Stranger> {
        self.operators.find(&self.pepper.digest(bearer), now)
    }

    /// Whether this bearer token opens the metrics and nothing else.
    pub(crate) fn opens_metrics(&self, bearer: &[u8]) -> bool {
        self.operators.opens_metrics(&self.pepper.digest(bearer))
    }

    /// Whether a token is set that opens the metrics and nothing else.
    pub(crate) fn guards_metrics(&self) -> bool {
        self.operators.guards_metrics()
    }

    /// How many keys are valid now and are not after this span.
    pub(crate) fn expiring(&self, within: jiff::SignedDuration, now: jiff::Timestamp) -> usize {
        let end = now.saturating_add(within).unwrap_or(jiff::Timestamp::MAX);
        let until = |moment| self.expiries.partition_point(|it| *it <= moment);
        until(end).saturating_sub(until(now))
    }

    /// Who asks with the key in these headers.
    ///
    /// # Errors
    /// When no key is there, two differ, or the key is unknown or has expired.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        now: jiff::Timestamp,
    ) -> Result<Arc<Principal>, Failure> {
        let key = credential(headers)?;
        // The map is asked for a keyed hash: how long that takes tells nothing about any key.
        match self.known.get(&self.pepper.digest(key)) {
            Some(known) if known.expires.is_none_or(|at| now < at) => {
                known.used.note(now);
                Ok(Arc::clone(known))
            }
            Some(_) => Err(unauthenticated("the API key has expired")),
            None => Err(unauthenticated("the API key is not known")),
        }
    }

    /// The keys that were used since this was last asked, each with when that was, in milliseconds since 1970.
    pub(crate) fn newly_used(&self) -> Vec<(Arc<str>, i64)> {
        self.ids.newly_used()
    }

    /// When the key of this name was last used in this process, in milliseconds since 1970.
    pub(crate) fn last_used(&self, name: &str) -> Option<i64> {
        self.ids.last_used(name)
    }

    /// The principal of a key that nobody can ask with.
    pub(crate) fn own(&self, name: &str) -> Option<&Arc<Principal>> {
        self.own.get(name)
    }

    /// The principal of the key with this name, or of the first key.
    pub(crate) fn named(&self, name: Option<&str>) -> Option<Arc<Principal>> {
        let mut all = self.known.values();
        let found = match name {
            Some(name) => all.find(|it| *it.caller.key_name == *name),
            None => all.min_by_key(|it| it.caller.key),
        };
        found.cloned()
    }

    /// A keyed hash of an end user or a session, within a team: it links requests, and tells nobody who
    /// it is.
    pub(crate) fn user_hash(&self, team: &str, text: &str) -> u128 {
        let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            self.pepper.digest_of(&[team.as_bytes(), &[0], text.as_bytes()]);
        u128::from_be_bytes(hash)
    }
}
