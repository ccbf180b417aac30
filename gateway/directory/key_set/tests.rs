use serde_json::json;

use super::*;

fn made() -> Vec<Value> {
    let made: Value = serde_json::from_str(include_str!("../token/made.json")).unwrap();
    made["keys"].as_array().unwrap().clone()
}

fn read(keys: &[Value]) -> Result<KeySet, KeySetFault> {
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
}

fn with(key: &Value, fields: Value) -> Value {
    let mut key = key.clone();
    for (name, value) in fields.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

#[test]
fn keys_that_are_of_no_use_are_passed_over_and_said() {
    let keys = made();
    let by = |kid: &str| keys.iter().find(|it| it["kid"] == kid).unwrap();
    let (rsa, p256, ed) = (by("rsa"), by("p256"), by("ed25519"));
    let bytes = |number: usize| URL_SAFE_NO_PAD.encode(vec![0xff; number]);
    for (key, why) in [
        (with(rsa, json!({ "use": "enc" })), "not for signatures"),
        (with(rsa, json!({ "use": 7 })), "not for signatures"),
        (with(rsa, json!({ "key_ops": ["encrypt"] })), "not for verifying"),
        (with(rsa, json!({ "key_ops": "verify" })), "not for verifying"),
        (with(rsa, json!({ "alg": "RSA-OAEP" })), "of an algorithm"),
        (with(rsa, json!({ "alg": "ES256" })), "its `alg`"),
        (with(rsa, json!({ "alg": "HS256" })), "of an algorithm"),
        (with(rsa, json!({ "n": bytes(128) })), "fewer than 2048 bits"),
        (with(rsa, json!({ "n": bytes(255) })), "fewer than 2048 bits"),
        (with(rsa, json!({ "n": bytes(1_025) })), "more than 8192"),
        (with(rsa, json!({ "n": "" })), "a part of it"),
        (with(rsa, json!({ "e": null })), "a part of it"),
        (with(rsa, json!({ "n": "a+b/" })), "a part of it"),
        (with(p256, json!({ "crv": "P-521" })), "of a kind or a curve"),
        (with(p256, json!({ "crv": "P-384" })), "of another length"),
        (with(p256, json!({ "x": bytes(31) })), "of another length"),
        (with(ed, json!({ "crv": "X25519" })), "of a kind or a curve"),
        (with(ed, json!({ "x": bytes(33) })), "of another length"),
        (json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "s" }), "of a kind or a curve"),
        (json!({}), "of a kind or a curve"),
        (json!("text"), "no object"),
    ] {
        let set = read(&[key.clone(), p256.clone()]).unwrap();
        assert_eq!(set.len(), 1, "{key}");
        assert!(set.passed_over[0].contains(why), "{key}: {:?}", set.passed_over);
        assert!(matches!(read(std::slice::from_ref(&key)), Err(KeySetFault::NoKey(_))), "{key}");
    }
    // Leading zeros make no key longer, and none another.
    let n = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
    let zeros = URL_SAFE_NO_PAD.encode([&[0, 0][..], &n].concat());
    let same = read(&[with(rsa, json!({ "n": zeros }))]).unwrap();
    assert_eq!(same, read(std::slice::from_ref(rsa)).unwrap());
    let short = URL_SAFE_NO_PAD.encode([&[0; 128][..], &[0xff; 128]].concat());
    assert!(read(&[with(rsa, json!({ "n": short }))]).is_err());
    let fine = json!({ "key_ops": ["verify"], "alg": "PS384" });
    assert!(read(&[with(rsa, fine)]).unwrap().passed_over.is_empty());
}

#[test]
fn a_key_for_one_algorithm_is_for_no_other() {
    let keys = made();
    let rsa = with(keys.iter().find(|it| it["kid"] == "rsa").unwrap(), json!({ "alg": "RS512" }));
    let set = read(&[rsa]).unwrap();
    for algorithm in TokenAlgorithm::ALL {
        let found = matches!(set.find(Some("rsa"), algorithm), Found::Key(_));
        assert_eq!(found, algorithm == TokenAlgorithm::Rs512, "{algorithm:?}");
    }
}

#[test]
fn what_is_no_set_of_keys_is_refused() {
    for text in
        ["", "<html>sign in</html>", "[]", "{}", "{\"keys\": 7}", "{\"keys\": {}}", "null", "7"]
    {
        assert_eq!(KeySet::read(text.as_bytes()), Err(KeySetFault::Malformed), "{text}");
    }
    assert!(matches!(KeySet::read(b"{\"keys\": []}"), Err(KeySetFault::NoKey(_))));
    let key = made().remove(1);
    assert_eq!(read(&vec![key.clone(); KEYS_MAX]).map(|it| it.len()), Ok(KEYS_MAX));
    assert_eq!(read(&vec![key; KEYS_MAX + 1]), Err(KeySetFault::TooMany(KEYS_MAX + 1)));
    let large = vec![b' '; KEY_SET_BYTES_MAX + 1];
    assert_eq!(KeySet::read(&large), Err(KeySetFault::TooLarge));
    let deep = "[".repeat(100_000);
    assert_eq!(KeySet::read(deep.as_bytes()), Err(KeySetFault::Malformed));
}

#[test]
fn a_set_is_within_another_that_has_all_of_its_keys() {
    let keys = made();
    let (all, two) = (read(&keys).unwrap(), read(&keys[..2]).unwrap());
    assert!(two.within(&all) && all.within(&all) && !all.within(&two));
    // The same name with other parts is another key.
    let renamed = with(&keys[0], json!({ "kid": keys[1]["kid"] }));
    assert!(!read(&[renamed]).unwrap().within(&all));
}
