//! What a verified token says, by the names of claims. A name's dots lead into objects; a claim whose own
//! name has dots, as a URL has, is found all the same.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The longest text by which a claim names a user.
const USER_BYTES_MAX: usize = 1_024;

/// The longest name of an operator: as long as those that are configured may be.
const NAME_BYTES_MAX: usize = 100;

/// What a claim must be to name an operator, in words.
pub(super) const NAME_EXPECTED: &str =
    "1 to 100 letters and digits of ASCII, `.`, `_`, `-`, `:`, `/`, `@`, `+` and `|`";

/// The claims of a token.
#[derive(Debug)]
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn of(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// The claim of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        find(&self.0, name)
    }

    /// Whether the claim of this name is one of these texts, a number that is written so, or a list with one
    /// of them.
    pub(crate) fn has(&self, name: &str, wanted: &[Box<str>]) -> bool {
        let is = |it: &Value| word(it).is_some_and(|it| wanted.iter().any(|word| **word == *it));
        match self.get(name) {
            Some(Value::Array(all)) => all.iter().any(is),
            Some(one) => is(one),
            None => false,
        }
    }

    /// Who the claim of this name says that the user is; `None` where it says nothing.
    ///
    /// # Errors
    /// When it is neither a text of 1 to 1,024 bytes nor a number.
    pub(crate) fn user(&self, name: &str) -> Result<Option<Cow<'_, str>>, OddUser> {
        let Some(claim) = self.get(name).filter(|it| !it.is_null()) else { return Ok(None) };
        let fits = |it: &Cow<'_, str>| (1..=USER_BYTES_MAX).contains(&it.len());
        word(claim).filter(fits).map(Some).ok_or(OddUser)
    }

    /// What the claim of this name calls an operator: a text that can stand on one line of a log and beside
    /// other names in a trail, and that does not look like another one. Nothing where it is no such text.
    pub(super) fn name(&self, name: &str) -> Option<Cow<'_, str>> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-:/@+|".contains(&b);
        let name = self.get(name).and_then(word)?;
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits);
        fits.then_some(name)
    }
}

/// A claim that names a user by something that is no name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OddUser;

/// A text, or a number as it is written.
fn word(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// The value under a name: the whole of it as one key, or its beginning up to a dot as one that leads on.
fn find<'a>(within: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(found) = within.get(name) {
        return Some(found);
    }
    let dots = memchr::memchr_iter(b'.', name.as_bytes());
    dots.filter_map(|at| Some((within.get(name.get(..at)?)?.as_object()?, name.get(at + 1..)?)))
        .find_map(|(within, rest)| find(within, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        Claims::of(value.as_object().unwrap().clone())
    }

    #[test]
    fn a_claim_is_found_by_its_name_and_by_the_way_to_it() {
        let it = claims(json!({
            "groups": ["retail", 7, true, null, ["x"]], "level": 3, "team": "cards", "flag": true,
            "realm_access": { "roles": ["admin"] }, "https://bank.example/claims": { "unit.id": "u1" },
            "a.b": "whole", "a": { "b": "inside" }, "none": null, "empty": [],
        }));
        let has = |name: &str, value: &str| it.has(name, &["never".into(), value.into()]);
        for (name, value) in [
            ("groups", "retail"),
            ("groups", "7"),
            ("level", "3"),
            ("team", "cards"),
            ("realm_access.roles", "admin"),
            ("https://bank.example/claims.unit.id", "u1"),
            ("a.b", "whole"),
        ] {
            assert!(has(name, value), "{name} = {value}");
        }
        for (name, value) in [
            ("groups", "Retail"),
            ("groups", "true"),
            ("groups", "x"),
            ("groups", "null"),
            ("flag", "true"),
            ("none", "null"),
            ("empty", ""),
            ("team", "card"),
            ("realm_access", "roles"),
            ("realm_access.roles.admin", "admin"),
            ("a.b", "inside"),
            ("nothing", ""),
            ("", ""),
            (".", ""),
        ] {
            assert!(!has(name, value), "{name} = {value}");
        }
    }

    #[test]
    fn an_operator_is_named_by_what_can_be_read_as_one_name() {
        let longest = "x".repeat(NAME_BYTES_MAX);
        for name in [
            "a",
            "mei.tan",
            "mei.tan+admin@bank.example",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "f:1b2c/mei_tan-2",
            longest.as_str(),
        ] {
            assert_eq!(claims(json!({ "sub": name })).name("sub").as_deref(), Some(name));
        }
        let number = claims(json!({ "user": { "id": 42 } }));
        assert_eq!(number.name("user.id").as_deref(), Some("42"));
        let longer = "x".repeat(NAME_BYTES_MAX + 1);
        for odd in [
            json!(""),
            json!(longer),
            json!(" "),
            json!("mei tan"),
            json!("mei\nadmin"),
            json!("mei\u{0}"),
            json!("mei\u{202e}nat"),
            json!("m\u{435}i"),
            json!("mei)"),
            json!("\"mei\""),
            json!(["mei"]),
            json!({ "mei": 1 }),
            json!(true),
            json!(null),
        ] {
            assert_eq!(claims(json!({ "sub": odd })).name("sub"), None, "{odd}");
        }
        assert_eq!(claims(json!({})).name("sub"), None);
    }

    #[test]
    fn a_user_is_a_text_or_a_number() {
        let long = "x".repeat(USER_BYTES_MAX + 1);
        let it = claims(json!({
            "sub": "ann", "id": 42, "none": null, "list": ["ann"], "object": {}, "empty": "", "long": long,
            "flag": false,
        }));
        assert_eq!(it.user("sub").unwrap().as_deref(), Some("ann"));
        assert_eq!(it.user("id").unwrap().as_deref(), Some("42"));
        for nothing in ["none", "absent"] {
            assert_eq!(it.user(nothing), Ok(None));
        }
        for odd in ["list", "object", "empty", "long", "flag"] {
            assert_eq!(it.user(odd), Err(OddUser), "{odd}");
        }
    }
}
