//! Who asks: a credential becomes a [`Caller`], by the keyed hash of the key. Keys themselves are never
//! kept, logged or sent on.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, header};
use policies::facts::{DataClass, KeyIndex, TeamIndex};
use sha2::Sha256;
use smallvec::SmallVec;

use crate::{
    config::{Credential, Key, Secret, Team},
    failure::{Failure, Kind, Stage},
    outcome::Caller,
};

/// What keys begin with, so that scanners for leaked secrets know them.
const KEY_PREFIX: &str = "sk-sb-";
/// A pepper is as long as the hashes that it keys.
const PEPPER_BYTES_MIN: usize = 32;
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
    /// These keys of these teams.
    pub(crate) fn new(keys: &[Key], teams: &[Team], pepper: &[u8]) -> Self {
        Self { keyed: keyed(pepper), callers: HashMap::new() }.after(keys, teams)
    }

    /// Other keys of other teams, hashed with the same pepper.
    pub(crate) fn after(&self, keys: &[Key], teams: &[Team]) -> Self {
        let keyed = self.keyed.clone();
        let known = (0..).zip(keys).map(|(at, key)| {
            let hash = match &key.credential {
                Credential::Hash(hash) => *hash,
                Credential::Secret(secret) => digest(&keyed, secret.expose().as_bytes()),
            };
            let caller = Arc::new(caller(KeyIndex(at), key, teams));
            (hash, Known { caller, expires: key.expires })
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

/// The one key of a request: wherever keys stand, they must be the same.
fn credential(headers: &HeaderMap) -> Result<&[u8], Failure> {
    let mut found: Option<&[u8]> = None;
    let mut foreign = false;
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let bearer = bearer(value.as_bytes());
        foreign |= bearer.is_none();
        bearer.unwrap_or_default()
    });
    let plain = headers.get_all(API_KEY).iter().map(|value| value.as_bytes().trim_ascii());
    for key in bearers.chain(plain).filter(|key| !key.is_empty()) {
        if found.is_some_and(|other| other != key) {
            let public = "the request holds two different API keys";
            return Err(Failure::new(Kind::InvalidRequest, Stage::Authenticate, public)
                .coded("conflicting_credentials"));
        }
        found = Some(key);
    }
    found.ok_or_else(|| {
        unauthenticated(if foreign {
            "the authorization header is not of the form `Bearer sk-…`"
        } else {
            "an API key is required: `Authorization: Bearer sk-…`"
        })
    })
}

/// The key after the scheme, which is written in any case; none of another scheme.
pub(crate) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.trim_ascii().split_at_checked(6)?;
    let apart = key.first().is_none_or(u8::is_ascii_whitespace);
    (scheme.eq_ignore_ascii_case(b"bearer") && apart).then(|| key.trim_ascii())
}

/// A key resolved with all that a request needs to know of it: classes only ever tighten down the tree.
fn caller(index: KeyIndex, key: &Key, teams: &[Team]) -> Caller {
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
        priority: key
            .priority
            .or_else(|| path().find_map(|team| team.priority))
            .unwrap_or_default(),
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
    format!("hmac-sha256:{}", hex(&hash))
}

/// The pepper beside the ledger: read, or made on first use, readable by its owner alone. It is there
/// whole or not at all, whatever happens meanwhile; who comes second reads what the first has made.
///
/// # Errors
/// When it can be neither read nor made, or is too short to be one.
pub(crate) fn load_or_create_pepper(folder: &Path, random: [u8; 32]) -> io::Result<Secret> {
    if let Some(pepper) = load_pepper(folder)? {
        return Ok(pepper);
    }
    create_pepper(folder, &folder.join("pepper"), &hex(&random))?;
    load_pepper(folder)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The pepper beside the ledger, if one was made.
///
/// # Errors
/// When it cannot be read, or is too short to be one.
pub(crate) fn load_pepper(folder: &Path) -> io::Result<Option<Secret>> {
    let text = match fs::read_to_string(folder.join("pepper")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let text = text.trim();
    if text.len() < PEPPER_BYTES_MIN {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the pepper is too short"));
    }
    Ok(Some(Secret::new(text)))
}

fn create_pepper(folder: &Path, path: &Path, pepper: &str) -> io::Result<()> {
    // A name that no other process has, in whatever container, and that says nothing of the pepper.
    let name = digest(&keyed(pepper.as_bytes()), b"name of the file while it is written");
    let half = folder.join(format!("pepper.{}", hex(&name)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    let made = file
        .write_all(pepper.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&half, path));
    fs::remove_file(&half)?;
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // The name must outlive a power cut as well: without it, hashes of keys would be worth nothing.
        Ok(()) => {
            fs::File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?
                .sync_all()
        }
        error => error,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
