use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use http::HeaderValue;
use policies::facts::Tokens;

use policies::facts::{DataClass, TeamIndex};

use super::*;
use crate::{
    config::{Limits, Secret},
    failure::Stage,
    outcome::Caller,
};

const PEPPER: &[u8] = b"0123456789abcdef0123456789abcdef";

fn team(name: &str, parent: Option<u16>, classes: (DataClass, DataClass)) -> Team {
    Team {
        name: name.into(),
        parent: parent.map(TeamIndex),
        budgets: Vec::new(),
        limits: Limits { tokens_per_minute: Some(Tokens(1)), ..Limits::default() },
        data_class: classes.0,
        data_class_max: classes.1,
        priority: None,
        owner: None,
        tags: Default::default(),
    }
}

fn key(name: &str, team: u16, secret: &str) -> Key {
    Key {
        name: name.into(),
        team: TeamIndex(team),
        credential: Credential::Secret(Secret::new(secret)),
        budgets: Vec::new(),
        limits: Limits::default(),
        data_class: None,
        data_class_max: None,
        priority: None,
        hints: true,
        feedback: false,
        frontend: false,
        owner: None,
        tags: Default::default(),
        expires: None,
    }
}

fn keys(keys: &[Key]) -> Directory {
    use DataClass as C;
    let teams = [
        team("default", None, (C::Public, C::Secret)),
        team("bank", None, (C::Internal, C::Confidential)),
        team("cards", Some(1), (C::Public, C::Secret)),
    ];
    Directory::empty(PEPPER).with(keys, &teams, &Accounts::default())
}

fn named(keys: &Directory, name: Option<&str>) -> Option<Arc<Caller>> {
    keys.named(name).map(|it| Arc::clone(&it.caller))
}

fn now() -> jiff::Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// The name of the key that these headers hold, or the code of the refusal.
fn asked(pairs: &[(&'static str, &str)]) -> Result<String, (u16, &'static str)> {
    let keys = keys(&[key("one", 0, "sk-sb-one"), key("two", 2, "sk-sb-two")]);
    let caller = keys.authenticate(&headers(pairs), now());
    caller.map(|it| it.principal.caller.key_name.to_string()).map_err(|failure| {
        assert!(!failure.public.contains("sk-sb"), "{failure}");
        assert_eq!(failure.stage, Stage::Authenticate);
        (failure.status(), failure.code)
    })
}

#[test]
fn a_key_stands_in_either_header() {
    for value in ["Bearer sk-sb-one", "bearer sk-sb-one", "BEARER  sk-sb-one "] {
        assert_eq!(asked(&[("authorization", value)]), Ok("one".into()), "{value:?}");
    }
    assert_eq!(asked(&[("x-api-key", "sk-sb-two")]), Ok("two".into()));
    let both = [("authorization", "Bearer sk-sb-one"), ("x-api-key", "sk-sb-one")];
    assert_eq!(asked(&both), Ok("one".into()));
    let empty = [("authorization", "Bearer sk-sb-one"), ("x-api-key", "")];
    assert_eq!(asked(&empty), Ok("one".into()), "clients send empty headers");
    let foreign = [("authorization", "Basic abc"), ("x-api-key", "sk-sb-one")];
    assert_eq!(asked(&foreign), Ok("one".into()), "another scheme holds no key of ours");
}

#[test]
fn keys_that_differ_are_refused() {
    let conflict = Err((400, "conflicting_credentials"));
    for (one, two) in [
        (("authorization", "Bearer sk-sb-one"), ("x-api-key", "sk-sb-two")),
        (("authorization", "Bearer sk-sb-one"), ("authorization", "Bearer sk-sb-two")),
        (("x-api-key", "sk-sb-one"), ("x-api-key", "sk-sb-two")),
        (("authorization", "Bearer sk-sb-one"), ("x-api-key", "unknown")),
    ] {
        assert_eq!(asked(&[one, two]), conflict);
    }
}

#[test]
fn whoever_has_no_key_of_ours_is_unauthenticated() {
    let refused = Err((401, "invalid_api_key"));
    for pairs in [
        &[][..],
        &[("authorization", "Bearer sk-sb-three")],
        &[("authorization", "Bearer sk-sb-on")],
        &[("authorization", "Bearer sk-sb-one-more")],
        &[("authorization", "sk-sb-one")],
        &[("authorization", "Bearersk-sb-one")],
        &[("authorization", "Basic sk-sb-one")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bear")],
        &[("authorization", "")],
        &[("x-api-key", "SK-SB-ONE")],
        &[("x-api-key", "\u{e9}")],
    ] {
        assert_eq!(asked(pairs), refused, "{pairs:?}");
    }
}

#[test]
fn a_key_is_valid_until_it_expires() {
    let until =
        |text: &str| Key { expires: Some(text.parse().unwrap()), ..key("one", 0, "sk-sb-one") };
    let asked = headers(&[("x-api-key", "sk-sb-one")]);
    let later = keys(&[until("2026-11-24T00:00:00.001Z")]);
    assert!(later.authenticate(&asked, now()).is_ok());
    let over = keys(&[until("2026-11-24T00:00:00Z")]);
    let failure = over.authenticate(&asked, now()).map(drop).unwrap_err();
    assert_eq!((failure.status(), failure.code), (401, "invalid_api_key"));
}

#[test]
fn tags_of_the_key_hold_over_its_teams_and_the_nearest_team_s_over_the_others() {
    use DataClass as C;
    let tags = |all: &[(&str, &str)]| -> crate::outcome::Tags {
        all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let tagged = |team: Team, all: &[(&str, &str)]| Team { tags: tags(all), ..team };
    let teams = [
        team("default", None, (C::Public, C::Secret)),
        tagged(team("bank", None, (C::Public, C::Secret)), &[("env", "prod"), ("floor", "1")]),
        tagged(team("cards", Some(1), (C::Public, C::Secret)), &[("floor", "2"), ("desk", "a")]),
    ];
    let own = Key { tags: tags(&[("desk", "b")]), ..key("own", 2, "sk-sb-own") };
    let all =
        [own, key("cards", 2, "sk-sb-cards"), key("bank", 1, "sk-sb-bank"), key("free", 0, "x")];
    let keys = Directory::empty(PEPPER).with(&all, &teams, &Accounts::default());
    let of = |name| named(&keys, Some(name)).unwrap().tags.clone();
    assert_eq!(of("own"), tags(&[("desk", "b"), ("floor", "2"), ("env", "prod")]));
    assert_eq!(of("cards"), tags(&[("floor", "2"), ("desk", "a"), ("env", "prod")]));
    assert!(Arc::ptr_eq(&of("bank"), &teams[1].tags), "one list is shared");
    assert!(of("free").is_empty());
}

#[test]
fn a_caller_is_resolved_up_its_teams() {
    use DataClass as C;
    let strict = Key {
        data_class: Some(C::Confidential),
        data_class_max: Some(C::Internal),
        hints: false,
        feedback: false,
        ..key("strict", 2, "sk-sb-strict")
    };
    let keys = keys(&[key("plain", 2, "sk-sb-plain"), strict, key("free", 0, "sk-sb-free")]);
    let plain = named(&keys, Some("plain")).unwrap();
    assert_eq!((plain.key, &*plain.team_name), (KeyIndex(0), "cards"));
    assert_eq!(plain.team_path.as_slice(), [TeamIndex(2), TeamIndex(1)]);
    assert_eq!((plain.data_class, plain.data_class_max), (C::Internal, C::Confidential));
    assert!(plain.hints);
    let strict = named(&keys, Some("strict")).unwrap();
    assert_eq!((strict.data_class, strict.data_class_max), (C::Confidential, C::Internal));
    assert!(!strict.hints);
    let free = named(&keys, Some("free")).unwrap();
    assert_eq!((free.data_class, free.data_class_max), (C::Public, C::Secret));
    assert_eq!(named(&keys, None).unwrap().key_name, plain.key_name, "the first");
    assert!(named(&keys, Some("nobody")).is_none());
}

#[test]
fn hashes_are_what_they_were() {
    // HMAC-SHA-256, so that any tool can make the line of a key.
    let line = hash_line(PEPPER, "sk-sb-one");
    assert_eq!(
        line,
        "hmac-sha256:65753a22501fbfa113459dee39b3c2062347b9105bbe0fde4756a4c95b2aa0f5"
    );
    let digits = line.strip_prefix("hmac-sha256:").unwrap();
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap();
    }
    let hashed = Key { credential: Credential::Hash(hash), ..key("one", 0, "") };
    let keys = keys(&[hashed]);
    assert!(keys.authenticate(&headers(&[("x-api-key", "sk-sb-one")]), now()).is_ok());
    let user = keys.user_hash("bank", "ann");
    assert_eq!(user, keys.user_hash("bank", "ann"));
    assert_ne!(user, keys.user_hash("cards", "ann"), "teams cannot be linked");
    assert_ne!(keys.user_hash("ab", "c"), keys.user_hash("a", "bc"));
}

#[test]
fn new_keys_say_all_of_their_randomness() {
    let zero = new_key([0; 32]);
    assert_eq!(zero, format!("sk-sb-{}", "A".repeat(43)));
    assert_eq!(new_key([255; 32]), format!("sk-sb-{}8", "_".repeat(42)));
    let mut bytes = [0; 32];
    for at in 0..256 {
        bytes[at / 8] ^= 1 << (at % 8);
        assert_ne!(new_key(bytes), zero, "bit {at}");
        bytes[at / 8] = 0;
    }
}

fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("signalbox-pepper-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_pepper_is_made_once() {
    let folder = folder("once");
    let made = load_or_create_pepper(&folder, [7; 32]).unwrap();
    assert_eq!(made.expose(), "07".repeat(32));
    let again = load_or_create_pepper(&folder, [8; 32]).unwrap();
    assert_eq!(again.expose(), made.expose());
    let mode = fs::metadata(folder.join("pepper")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
    fs::write(folder.join("pepper"), "short\n").unwrap();
    assert!(load_or_create_pepper(&folder, [8; 32]).is_err(), "never replaced");
    fs::remove_dir_all(&folder).unwrap();
    assert!(load_or_create_pepper(&folder, [8; 32]).is_err());
}
