use std::sync::LazyLock;

use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::json;

use super::*;

const ISSUER: &str = "https://login.example.com/realms/bank";
const NOW: i64 = 1_800_000_000;

/// Tokens and the public keys of their issuer, made by libraries that share nothing with this one: the file
/// says which.
static MADE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("made.json")).unwrap());

/// A key of this test, and the set in which it is called `k`.
static OWN: LazyLock<(EcdsaKeyPair, KeySet)> = LazyLock::new(|| {
    let (random, by) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let document = EcdsaKeyPair::generate_pkcs8(by, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(by, document.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref();
    let part = |at: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[at]);
    let key =
        json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": part(1..33), "y": part(33..65) });
    let set = KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    (pair, set)
});

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn claims(with: Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "aud": "signalbox", "sub": "ann", "exp": NOW + 100 });
    claims.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    claims
}

fn part(value: &str) -> String {
    URL_SAFE_NO_PAD.encode(value)
}

/// A token with this header and these claims, signed by the key of this test.
fn signed(header: &Value, claims: &str) -> String {
    let text = format!("{}.{}", part(&header.to_string()), part(claims));
    let signature = OWN.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn es256() -> Value {
    json!({ "alg": "ES256", "kid": "k" })
}

fn token(with: Value) -> String {
    signed(&es256(), &claims(with).to_string())
}

fn ask_at(
    token: &str,
    keys: &KeySet,
    algorithms: &[TokenAlgorithm],
    now: i64,
) -> Result<Verified, TokenFault> {
    let audience = ["other".into(), "signalbox".into()];
    let leeway = SignedDuration::from_secs(60);
    let terms = TokenTerms { issuer: ISSUER, audience: &audience, algorithms, leeway };
    verify(Token::read(token.as_bytes())?, &terms, keys, at(now))
}

fn fault(token: &str) -> Option<TokenFault> {
    ask_at(token, &OWN.1, &TokenAlgorithm::ALL, NOW).err()
}

fn made_keys() -> KeySet {
    let keys = json!({ "keys": MADE["keys"] }).to_string();
    let keys = KeySet::read(keys.as_bytes()).unwrap();
    assert_eq!((keys.len(), &keys.passed_over[..]), (4, &[][..]));
    keys
}

#[test]
fn what_other_libraries_sign_is_right_by_every_algorithm() {
    let keys = made_keys();
    let mut seen = Vec::new();
    for it in MADE["tokens"].as_array().unwrap() {
        let algorithm = TokenAlgorithm::named(it["algorithm"].as_str().unwrap()).unwrap();
        let token = it["token"].as_str().unwrap();
        let verified = ask_at(token, &keys, &[algorithm], NOW).unwrap();
        assert_eq!(verified.claims.user("sub").unwrap().unwrap(), "ann");
        assert!(verified.claims.has("realm_access.roles", &["user".into()]));
        assert_eq!(verified.until, at(4_000_000_060));
        seen.push(algorithm);
        // One that is not allowed is refused, however right it is.
        let others: Vec<_> =
            TokenAlgorithm::ALL.into_iter().filter(|it| *it != algorithm).collect();
        let refused = ask_at(token, &keys, &others, NOW).err();
        assert_eq!(refused, Some(TokenFault::Algorithm));
        // Another byte anywhere is another token.
        let dots: Vec<_> = token.match_indices('.').map(|(at, _)| at).collect();
        for place in [dots[0] + 10, dots[1] - 5, dots[1] + 7, token.len() - 20] {
            let other = if &token[place..=place] == "A" { "B" } else { "A" };
            let wrong = format!("{}{other}{}", &token[..place], &token[place + 1..]);
            assert!(ask_at(&wrong, &keys, &[algorithm], NOW).is_err(), "{algorithm:?} {place}");
        }
    }
    assert!(TokenAlgorithm::ALL.iter().all(|it| seen.contains(it)), "{seen:?}");
}

#[test]
fn a_token_that_names_its_own_algorithm_gets_nowhere_by_it() {
    // HMAC with the public key as its secret.
    let forged = MADE["forged"].as_str().unwrap();
    let refused = ask_at(forged, &made_keys(), &TokenAlgorithm::ALL, NOW).err();
    assert_eq!(refused, Some(TokenFault::Algorithm));
    let body = claims(json!({})).to_string();
    for none in ["none", "None", "NONE", "nOnE", "", "HS256", "es256", "ES512", "RS1"] {
        let token = signed(&json!({ "alg": none, "kid": "k" }), &body);
        assert_eq!(fault(&token), Some(TokenFault::Algorithm), "{none}");
        let bare = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(fault(&bare), Some(TokenFault::Algorithm), "{none}, not signed");
    }
    let bare = format!("{}.", token(json!({})).rsplit_once('.').unwrap().0);
    assert_eq!(fault(&bare), Some(TokenFault::Signature));
    // A key serves its own kind alone.
    for other in ["RS256", "PS256", "ES384", "EdDSA"] {
        let token = signed(&json!({ "alg": other, "kid": "k" }), &body);
        assert_eq!(fault(&token), Some(TokenFault::KeyOfAnotherAlgorithm), "{other}");
    }
}

#[test]
fn what_a_token_says_twice_is_not_taken_wherever_it_stands() {
    let own = claims(json!({ "realm_access": { "roles": ["user"] } })).to_string();
    let more = |text: &str| format!("{},{text}}}", own.strip_suffix('}').unwrap());
    assert_eq!(fault(&signed(&es256(), &own)), None);
    for twice in [
        r#""iss":"https://login.example.com/realms/bank""#,
        r#""aud":"signalbox""#,
        r#""exp":1800000100"#,
        r#""sub":"raj""#,
        r#""s\u0075b":"raj""#,
        r#""realm_access":null"#,
        r#""groups":[{"a":1,"a":1}]"#,
        r#""deep":{"x":[{"y":{"z":1,"z":2}}]}"#,
    ] {
        assert_eq!(fault(&signed(&es256(), &more(twice))), Some(TokenFault::Twice), "{twice}");
    }
    for header in
        [r#"{"alg":"none","alg":"ES256","kid":"k"}"#, r#"{"alg":"ES256","kid":"k","kid":"k"}"#]
    {
        let text = format!("{}.{}", part(header), part(&own));
        let signature = OWN.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        assert_eq!(fault(&token), Some(TokenFault::Twice), "{header}");
    }
}

#[test]
fn the_clock_is_held_to_the_second_with_the_leeway() {
    let ask =
        |claims: Value, now: i64| ask_at(&token(claims), &OWN.1, &TokenAlgorithm::ALL, now).err();
    let until = |now| ask(json!({ "exp": NOW }), now);
    assert_eq!((until(NOW - 1), until(NOW + 59)), (None, None));
    assert_eq!(
        (until(NOW + 60), until(NOW + 61)),
        (Some(TokenFault::Expired), Some(TokenFault::Expired))
    );
    let from = |now| ask(json!({ "nbf": NOW, "exp": NOW + 1_000 }), now);
    assert_eq!((from(NOW), from(NOW - 60)), (None, None));
    assert_eq!(from(NOW - 61), Some(TokenFault::TooEarly));
    let half = |now| ask(json!({ "exp": 1_800_000_000.5 }), now);
    assert_eq!((half(NOW + 60), half(NOW + 61)), (None, Some(TokenFault::Expired)));
}

#[test]
fn claims_of_odd_types_are_refused_by_name() {
    for (with, expected) in [
        (json!({ "exp": null }), TokenFault::NoExpiry),
        (json!({ "exp": "1900000000" }), TokenFault::NoExpiry),
        (json!({ "exp": [1_900_000_000] }), TokenFault::NoExpiry),
        (json!({ "exp": true }), TokenFault::NoExpiry),
        (json!({ "exp": -1 }), TokenFault::Expired),
        (json!({ "exp": -1e300 }), TokenFault::Expired),
        (json!({ "exp": 0 }), TokenFault::Expired),
        (json!({ "nbf": "0" }), TokenFault::NotBefore),
        (json!({ "nbf": null }), TokenFault::NotBefore),
        (json!({ "nbf": 1e300 }), TokenFault::TooEarly),
        (json!({ "aud": null }), TokenFault::Audience),
        (json!({ "aud": [] }), TokenFault::Audience),
        (json!({ "aud": "Signalbox" }), TokenFault::Audience),
        (json!({ "aud": ["account"] }), TokenFault::Audience),
        (json!({ "aud": ["signalbox", 7] }), TokenFault::Audience),
        (json!({ "aud": { "signalbox": true } }), TokenFault::Audience),
        (json!({ "iss": "https://login.example.com/realms/bank/" }), TokenFault::Issuer),
        (json!({ "iss": [ISSUER] }), TokenFault::Issuer),
        (json!({ "iss": null }), TokenFault::Issuer),
    ] {
        assert_eq!(fault(&token(with.clone())), Some(expected), "{with}");
    }
    for with in [json!({ "exp": 1e300 }), json!({ "aud": ["x", "other"] }), json!({ "nbf": 0 })] {
        assert_eq!(fault(&token(with.clone())), None, "{with}");
    }
    let no_end = json!({ "iss": ISSUER, "aud": "signalbox" }).to_string();
    assert_eq!(fault(&signed(&es256(), &no_end)), Some(TokenFault::NoExpiry));
}

#[test]
fn the_header_names_a_key_or_there_is_but_one() {
    let body = claims(json!({})).to_string();
    let by = |header: Value| fault(&signed(&header, &body));
    assert_eq!(by(json!({ "alg": "ES256" })), None);
    assert_eq!(by(json!({ "alg": "ES256", "kid": "other" })), Some(TokenFault::UnknownKey));
    assert_eq!(by(json!({ "alg": "ES256", "kid": 7 })), Some(TokenFault::Malformed));
    assert_eq!(by(json!({ "alg": "ES384" })), Some(TokenFault::UnknownKey));
    assert_eq!(by(json!({ "alg": 256, "kid": "k" })), Some(TokenFault::Malformed));
    assert_eq!(by(json!({ "kid": "k" })), Some(TokenFault::Malformed));
    for crit in [json!(["exp"]), json!([]), json!(null), json!("b64")] {
        let header = json!({ "alg": "ES256", "kid": "k", "crit": crit, "b64": false });
        assert_eq!(by(header), Some(TokenFault::Critical), "{crit}");
    }
    // Where there are two, none is guessed.
    let mut keys = MADE["keys"].as_array().unwrap().clone();
    let mut second = keys.iter().find(|it| it["kid"] == "p256").unwrap().clone();
    second["kid"] = json!("second");
    keys.push(second);
    let two = KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    let token = signed(&json!({ "alg": "ES256" }), &body);
    let refused = ask_at(&token, &two, &TokenAlgorithm::ALL, NOW).err();
    assert_eq!(refused, Some(TokenFault::NoKeyNamed));
}

#[test]
fn what_is_no_token_is_said_to_be_none() {
    let good = token(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    let padded = format!("{}.{body}.{signature}", format_args!("{header}="));
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "eyJ.eyJ.x",
        &format!("{header}.{body}"),
        &format!("{header}.{body}.{signature}.{signature}"),
        &format!("{header}..{signature}"),
        &format!(".{body}.{signature}"),
        &format!("{header}.{body}.{signature}=="),
        &format!("{header}.{body}.{}+", &signature[1..]),
        &format!("{}.{body}.{signature}", part("[]")),
        &format!("{header}.{}.{signature}", part("\"text\"")),
        &format!("{header}.{}.{signature}", part("{\"iss\":")),
        &format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
        &padded,
    ] {
        assert_eq!(fault(text), Some(TokenFault::Malformed), "{text}");
    }
    assert_eq!(fault(&"x".repeat(TOKEN_BYTES_MAX + 1)), Some(TokenFault::TooLong));
    let long = token(json!({ "groups": vec!["g"; 4_500] }));
    assert!(long.len() > TOKEN_BYTES_MAX);
    assert_eq!(fault(&long), Some(TokenFault::TooLong));
}

#[test]
fn a_credential_is_a_token_or_a_key() {
    assert!(is_token(token(json!({})).as_bytes()) && is_token(b"eyJ.."));
    for key in ["sk-sb-x", "eyJ", "eyJ.x", "eyJ.x.y.z", "sk.a.b", "", " eyJ.a.b"] {
        assert!(!is_token(key.as_bytes()), "{key}");
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_is_right_or_panics(text in "[ -~]{0,200}", cut in 0_usize..400, byte: u8) {
        prop_assert!(fault(&text).is_some());
        let good = token(json!({}));
        let mut bytes = good.clone().into_bytes();
        let cut = cut % bytes.len();
        bytes[cut] = byte;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // The last sign of a part has bits that say nothing; strict decoding refuses them.
        prop_assert!(text == good || fault(&text).is_some());
    }
}
