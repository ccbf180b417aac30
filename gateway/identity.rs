//! Who asks: a credential becomes a [`Caller`], by the keyed hash of the key. Keys themselves are never
//! kept, logged or sent on.

use std::{collections::HashMap, io, path::Path, sync::Arc};

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
    pub(crate) fn new(keys: &[Key], teams: &[Team], pepper: &[u8]) -> Self {
        let keyed = keyed(pepper);
        let known = (0..).zip(keys).map(|(at, key)| {
            let hash = match &key.credential {
                Credential::Hash(hash) => *hash,
                Credential::Secret(secret) => digest(&keyed, secret.expose().as_bytes()),
            };
            let caller = caller(KeyIndex(at), key, teams);
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::config::Limits;

    fn key(credential: Credential) -> Key {
        Key {
            name: "k".into(),
            team: TeamIndex(1),
            credential,
            budgets: Vec::new(),
            limits: Limits::default(),
            data_class: Some(DataClass::Internal),
            data_class_max: None,
            hints: true,
            expires: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        }
    }

    fn team(parent: Option<TeamIndex>, max: DataClass) -> Team {
        Team {
            name: if parent.is_some() { "child" } else { "parent" }.into(),
            parent,
            budgets: Vec::new(),
            limits: Limits::default(),
            data_class: DataClass::Public,
            data_class_max: max,
        }
    }

    fn keys() -> Keys {
        let teams =
            [team(None, DataClass::Confidential), team(Some(TeamIndex(0)), DataClass::Secret)];
        Keys::new(&[key(Credential::Secret(Secret::new("sk-good")))], &teams, b"pepper")
    }

    fn asked(headers: &[(HeaderName, &str)], at: &str) -> Result<Arc<Caller>, (Kind, u16)> {
        let pairs = headers.iter().map(|(n, v)| (n.clone(), HeaderValue::from_str(v).unwrap()));
        let found = keys().authenticate(&pairs.collect(), at.parse().unwrap());
        found.map_err(|failure| {
            let said = failure.to_string();
            assert!(!said.contains("sk-good") && !said.contains("sk-bad"), "{said}");
            (failure.kind, failure.status())
        })
    }

    #[test]
    fn one_good_key_is_enough_however_it_is_sent() {
        let now = "2026-11-24T00:00:00Z";
        let auth = header::AUTHORIZATION;
        for good in [
            vec![(auth.clone(), "Bearer sk-good")],
            vec![(auth.clone(), "bearer sk-good ")],
            vec![(API_KEY, "sk-good")],
            vec![(auth.clone(), "Bearer sk-good"), (API_KEY, "sk-good")],
        ] {
            assert!(asked(&good, now).is_ok(), "{good:?}");
        }
        let unknown = Err((Kind::Unauthenticated, 401));
        for bad in [
            vec![],
            vec![(auth.clone(), "Bearer sk-bad")],
            vec![(auth.clone(), "Basic sk-good")],
            vec![(auth.clone(), "Bearer ")],
            vec![(API_KEY, "")],
        ] {
            assert_eq!(asked(&bad, now), unknown, "{bad:?}");
        }
        let two = [(auth.clone(), "Bearer sk-good"), (API_KEY, "sk-bad")];
        assert_eq!(asked(&two, now), Err((Kind::InvalidRequest, 400)));
        let good = [(auth, "Bearer sk-good")];
        assert_eq!(asked(&good, "2027-01-01T00:00:00Z"), unknown, "expired");
    }

    #[test]
    fn classes_only_tighten_down_the_tree() {
        let caller = keys().named(None).unwrap();
        assert_eq!(caller.data_class, DataClass::Internal);
        assert_eq!(caller.data_class_max, DataClass::Confidential);
        assert_eq!(caller.team_path[..], [TeamIndex(1), TeamIndex(0)]);
        assert_eq!(&*caller.team_name, "child");
    }

    #[test]
    fn a_new_key_is_known_by_its_line() {
        let new = new_key([7; 32]);
        assert_eq!(new.len(), KEY_PREFIX.len() + 43);
        assert_ne!(new, new_key([8; 32]));
        let line = hash_line(b"pepper", &new);
        assert!(line.starts_with("hmac-sha256:") && !line.contains(&new));
        let digest = digest(&keyed(b"pepper"), new.as_bytes());
        let teams = [team(None, DataClass::Secret), team(Some(TeamIndex(0)), DataClass::Secret)];
        let keys = Keys::new(&[key(Credential::Hash(digest))], &teams, b"pepper");
        let bearer = HeaderValue::try_from(format!("Bearer {new}")).unwrap();
        let headers = [(header::AUTHORIZATION, bearer)].into_iter().collect();
        assert!(keys.authenticate(&headers, jiff::Timestamp::UNIX_EPOCH).is_ok());
    }

    #[test]
    fn the_pepper_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("pepper-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = load_or_create_pepper(&folder, [1; 32]).unwrap();
        assert_eq!(load_or_create_pepper(&folder, [2; 32]).unwrap(), made);
        let mode = std::fs::metadata(folder.join("pepper")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
