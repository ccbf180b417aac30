//! Who asks: a credential becomes a [`Caller`], by the keyed hash of the key. Keys themselves are never
//! kept, logged or sent on.

use std::{collections::HashMap, io, path::Path, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, header};
use policies::facts::{DataClass, KeyIndex, TeamIndex};
use sha2::Sha256;
use smallvec::SmallVec;

use crate::{
    config::{Config, Credential, Secret, Team},
    failure::{Failure, Kind, Stage},
    outcome::Caller,
};

/// What keys begin with, so that scanners for leaked secrets know them.
const KEY_PREFIX: &str = "sk-sb-";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

type Keyed = Hmac<Sha256>;

/// All keys, by their hashes.
pub(crate) struct Keys {
    /// The keyed state: computed once, cloned for each hash.
    keyed: Keyed,
    callers: HashMap<[u8; 32], Known>,
}

struct Known {
    caller: Arc<Caller>,
    expires: Option<jiff::Timestamp>,
}

impl Keys {
    /// The keys of a configuration.
    pub(crate) fn new(config: &Config, pepper: &[u8]) -> Self {
        let keyed = keyed(pepper);
        let known = (0..).zip(&config.keys).map(|(at, key)| {
            let hash = match &key.credential {
                Credential::Hash(hash) => *hash,
                Credential::Secret(secret) => digest(&keyed, secret.expose().as_bytes()),
            };
            let caller = caller(KeyIndex(at), key, &config.teams);
            (hash, Known { caller: Arc::new(caller), expires: key.expires })
        });
        Self { callers: known.collect(), keyed }
    }

    /// The caller whose key stands in these headers.
    ///
    /// # Errors
    /// When no key is there, two differ, or the key is unknown or has expired.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        now: jiff::Timestamp,
    ) -> Result<Arc<Caller>, Failure> {
        let key = credential(headers)?;
        // The map is asked for a keyed hash: how long that takes tells nothing about any key.
        let known = self.callers.get(&digest(&self.keyed, key));
        match known {
            Some(known) if known.expires.is_none_or(|at| now < at) => Ok(Arc::clone(&known.caller)),
            Some(_) => Err(unauthenticated("the API key has expired")),
            None => Err(unauthenticated("the API key is not known")),
        }
    }

    /// The caller of the key with this name, or of the first key.
    pub(crate) fn named(&self, name: Option<&str>) -> Option<Arc<Caller>> {
        let mut callers = self.callers.values().map(|known| &known.caller);
        let found = match name {
            Some(name) => callers.find(|caller| *caller.key_name == *name),
            None => callers.min_by_key(|caller| caller.key),
        };
        found.cloned()
    }

    /// A keyed hash of an end user or a session, within a team: it links requests, and tells nobody who
    /// it is.
    pub(crate) fn user_hash(&self, team: &str, text: &str) -> u128 {
        let mut keyed = self.keyed.clone();
        keyed.update(team.as_bytes());
        keyed.update(&[0]);
        keyed.update(text.as_bytes());
        let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            <[u8; 32]>::from(keyed.finalize().into_bytes());
        u128::from_be_bytes(hash)
    }
}

fn keyed(pepper: &[u8]) -> Keyed {
    // HMAC takes keys of any length; the fallback is never taken.
    Keyed::new_from_slice(pepper)
        .unwrap_or_else(|_| Keyed::new(&hmac::digest::Key::<Keyed>::default()))
}

fn digest(keyed: &Keyed, text: &[u8]) -> [u8; 32] {
    let mut keyed = keyed.clone();
    keyed.update(text);
    keyed.finalize().into_bytes().into()
}

fn unauthenticated(public: &'static str) -> Failure {
    Failure::new(Kind::Unauthenticated, Stage::Authenticate, public)
}

/// The one key of a request.
fn credential(headers: &HeaderMap) -> Result<&[u8], Failure> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    let plain = headers.get(API_KEY).map(|value| value.as_bytes().trim_ascii());
    match (bearer, plain) {
        (Some(None), None) => {
            Err(unauthenticated("the authorization header is not of the form `Bearer sk-…`"))
        }
        (Some(Some(bearer)), Some(plain)) if bearer != plain => {
            let public = "authorization and x-api-key hold different keys";
            Err(Failure::new(Kind::InvalidRequest, Stage::Authenticate, public)
                .coded("conflicting_credentials"))
        }
        (Some(Some(key)), _) | (_, Some(key)) if !key.is_empty() => Ok(key),
        _ => Err(unauthenticated("an API key is required: `Authorization: Bearer sk-…`")),
    }
}

/// A key resolved with all that a request needs to know of it: classes only ever tighten down the tree.
fn caller(index: KeyIndex, key: &crate::config::Key, teams: &[Team]) -> Caller {
    let mut team_path: SmallVec<[TeamIndex; 4]> = SmallVec::new();
    let mut next = Some(key.team);
    while let Some(at) = next.filter(|_| team_path.len() < teams.len()) {
        team_path.push(at);
        next = teams.get(at.get()).and_then(|team| team.parent);
    }
    let path = || team_path.iter().filter_map(|at| teams.get(at.get()));
    let classes = path().map(|team| team.data_class).chain(key.data_class);
    let ceilings = path().map(|team| team.data_class_max).chain(key.data_class_max);
    Caller {
        key: index,
        key_name: Arc::clone(&key.name),
        team_name: path().next().map_or_else(|| "default".into(), |team| Arc::clone(&team.name)),
        data_class: classes.max().unwrap_or(DataClass::Public),
        data_class_max: ceilings.min().unwrap_or(DataClass::Secret),
        hints: key.hints,
        team_path,
    }
}

/// A new key from 32 random bytes.
#[must_use]
pub(crate) fn new_key(random: [u8; 32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut key = String::from(KEY_PREFIX);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in random {
        held = held << 8 | u32::from(byte);
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            let at = (held >> bits) & 63;
            key.push(ALPHABET.get(at as usize).copied().map_or('A', char::from));
        }
        held &= (1 << bits) - 1;
    }
    let last = (held << (6 - bits)) & 63;
    key.push(ALPHABET.get(last as usize).copied().map_or('A', char::from));
    key
}

/// How the configuration states a key: its keyed hash.
pub(crate) fn hash_line(pepper: &[u8], key: &str) -> String {
    let hash = digest(&keyed(pepper), key.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hmac-sha256:{hex}")
}

/// The pepper beside the ledger: read, or made on first use, readable by its owner alone.
///
/// # Errors
/// When it can be neither read nor made, or is too short to be one.
pub(crate) fn load_or_create_pepper(folder: &Path, random: [u8; 32]) -> io::Result<Secret> {
    use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};
    let path = folder.join("pepper");
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    match new {
        Ok(mut file) => {
            let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            file.write_all(hex.as_bytes())?;
            file.sync_all()?;
            Ok(Secret::new(hex))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = std::fs::read_to_string(&path)?;
            let text = text.trim();
            if text.len() < 32 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the pepper is too short"));
            }
            Ok(Secret::new(text))
        }
        Err(error) => Err(error),
    }
}
