//! The directory: who may ask, and what binds him. A credential becomes a [`Principal`], by the keyed hash
//! of the key, or by a token that an issuer has signed. Neither is ever kept, logged or sent on.
//!
//! One directory is a snapshot, made from a configuration and never changed; an epoch holds the one that
//! goes with its policy. What was spent and what is in use is not in it but in the accounts that it leads
//! to, which live on from one snapshot to the next.

mod claims;
mod credential;
mod issuer_keys;
mod issuers;
mod key;
mod key_client;
mod key_set;
mod operators;
mod pepper;
mod principal;
#[cfg(test)]
mod tests;
mod token;
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
    issuer_keys::IssuerKeys,
    key::{hash_line, new_key},
    key_client::KeyClient,
    operators::{Operator, Stranger},
    pepper::{fingerprint, load_or_create_pepper, load_or_create_secret, load_pepper},
};
use self::{
    credential::{credential, unauthenticated},
    issuers::Issuers,
    operators::Operators,
    pepper::Pepper,
    principal::{Ids, caller},
    token::{TOKEN_BYTES_MAX, TokenFault, is_token},
};
use crate::{
    account::Accounts,
    config::{Admin, Credential, Key, Oidc, Team},
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
    /// Those who ask by the tokens of an issuer, by the name of its key, in the order of the configuration.
    tokens: HashMap<Arc<str>, Vec<Arc<Principal>>>,
    issuers: Issuers,
    /// When keys expire, in order; those that never do are not in it.
    expiries: Box<[jiff::Timestamp]>,
}

/// Who asks.
#[derive(Clone)]
pub struct Authenticated {
    /// By what he asks, and what binds it.
    pub principal: Arc<Principal>,
    /// The keyed hash of the user that his token names. It counts before anything that his request says.
    pub subject: Option<u128>,
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
            tokens: HashMap::new(),
            issuers: Issuers::default(),
            expiries: Box::default(),
        }
    }

    /// A directory of these keys and teams whom nothing binds: for whoever decides and does not serve.
    pub(crate) fn unbound(pepper: &[u8], keys: &[Key], teams: &[Team]) -> Self {
        Self::empty(pepper).with(keys, teams, &Accounts::default())
    }

    /// The directory of these keys and teams, whose accounts are these: numbers, pepper and operators stay.
    /// It takes no tokens of issuers.
    pub(crate) fn with(&self, keys: &[Key], teams: &[Team], accounts: &Accounts) -> Self {
        let mut new = Self { ids: Arc::clone(&self.ids), ..Self::empty(&[]) };
        new.pepper.clone_from(&self.pepper);
        for (at, key) in (0..).zip(keys) {
            let index = match key.credential {
                Credential::Token(index) => index,
                _ => KeyIndex(at),
            };
            let caller = Arc::new(caller(&self.ids, index, key, teams));
            let account = accounts.of_key(KeyIndex(at).get()).cloned().unwrap_or_default();
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
                    new.known.insert(*previous, with(Some(expires)));
                    *hash
                }
                Credential::Secret(secret) => self.pepper.digest(secret.expose().as_bytes()),
                Credential::Token(_) => {
                    new.tokens.entry(Arc::clone(&key.name)).or_default().push(principal);
                    continue;
                }
                Credential::Nobody => {
                    new.own.insert(Arc::clone(&key.name), principal);
                    continue;
                }
            };
            new.known.insert(hash, principal);
        }
        let mut expiries: Box<[_]> = keys.iter().filter_map(|key| key.expires).collect();
        expiries.sort_unstable();
        new.expiries = expiries;
        new.operators = Arc::clone(&self.operators);
        new
    }

    /// The same with the operators of this section.
    pub(crate) fn operated(self, admin: &Admin) -> Self {
        let operators = Arc::new(Operators::new(&self.pepper, admin));
        Self { operators, ..self }
    }

    /// Whether anybody may ask at the operators' door.
    pub(crate) fn has_operators(&self) -> bool {
        self.operators.any() || self.issuers.have_operators()
    }

    /// The operator whose bearer token this is: one of the configuration, or else of an issuer.
    ///
    /// # Errors
    /// When it is nobody's, has expired, or is that of an issuer who makes no operator by it.
    pub(crate) fn operator(
        &self,
        bearer: &[u8],
        now: jiff::Timestamp,
    ) -> Result<Arc<Operator>, Stranger> {
        match self.operators.find(&self.pepper.digest(bearer), now) {
            Err(Stranger::Unknown) if self.issuers.have_operators() && is_token(bearer) => {
                self.issuers.operator(bearer, now).map(Arc::new).map_err(Stranger::Refused)
            }
            found => found,
        }
    }

    /// Whether this bearer token opens the metrics and nothing else.
    pub(crate) fn opens_metrics(&self, bearer: &[u8]) -> bool {
        self.operators.opens_metrics(&self.pepper.digest(bearer))
    }

    /// Whether a token is set that opens the metrics and nothing else.
    pub(crate) fn guards_metrics(&self) -> bool {
        self.operators.guards_metrics()
    }

    /// The same, and it takes the tokens of these issuers, whose payers are among its keys. What `before`
    /// knows of the keys of an issuer that stays is kept.
    pub(crate) fn trusting(mut self, oidc: &[Oidc], before: &Self) -> Self {
        let payers = |it: &Oidc| {
            let name = it.payers.first().map(|it| &it.name);
            name.and_then(|name| self.tokens.get(name)).cloned().unwrap_or_default()
        };
        self.issuers = Issuers::of(oidc, payers, &before.issuers);
        self
    }

    /// The keys of all issuers, each with how often they are to be refreshed.
    pub(crate) fn issuer_keys(&self) -> impl Iterator<Item = (&Arc<IssuerKeys>, Duration)> {
        self.issuers.keys()
    }

    /// How many keys are valid now and are not after this span.
    pub(crate) fn expiring(&self, within: jiff::SignedDuration, now: jiff::Timestamp) -> usize {
        let end = now.saturating_add(within).unwrap_or(jiff::Timestamp::MAX);
        let until = |moment| self.expiries.partition_point(|it| *it <= moment);
        until(end).saturating_sub(until(now))
    }

    /// Who asks with the key or the token in these headers.
    ///
    /// # Errors
    /// When none is there, two differ, or it is unknown, wrong or has expired.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        now: jiff::Timestamp,
    ) -> Result<Authenticated, Failure> {
        let shown = credential(headers)?;
        if shown.bearer && !self.issuers.is_empty() && is_token(shown.text) {
            if shown.text.len() > TOKEN_BYTES_MAX {
                return Err(unauthenticated(TokenFault::TooLong.words()));
            }
            let hash = self.pepper.digest(shown.text);
            let user_hash = |team: &str, user: &str| self.user_hash(team, user);
            return self.issuers.authenticate(shown.text, hash, now, user_hash);
        }
        // The map is asked for a keyed hash: how long that takes tells nothing about any key.
        match self.known.get(&self.pepper.digest(shown.text)) {
            Some(known) if known.expires.is_none_or(|at| now < at) => {
                known.used.note(now);
                Ok(Authenticated { principal: Arc::clone(known), subject: None })
            }
            Some(_) => Err(unauthenticated("the API key has expired")),
            None => Err(unauthenticated("the API key is not known")),
        }
    }

    /// The keys that were used since this was last asked, each with when: milliseconds since 1970.
    pub(crate) fn newly_used(&self) -> Vec<(Arc<str>, i64)> {
        self.ids.newly_used()
    }

    /// These uses could not be kept: they are new again.
    pub(crate) fn not_noted(&self, uses: &[(Arc<str>, i64)]) {
        self.ids.not_noted(uses);
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
