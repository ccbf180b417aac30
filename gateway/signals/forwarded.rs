//! For whom a front end asks: the end user and the chat that it forwards in headers, believed of those keys
//! that the configuration calls front ends. They are hashed at once, and no message repeats them.

use http::{HeaderMap, HeaderName};

use super::{header::USER, wrong};
use crate::{failure::Failure, outcome::Caller};

/// The longest id of a user or a chat.
const BYTES_MAX: usize = 256;

/// What says the user, the first that is there: our own header, then those that Open WebUI forwards.
static USERS: [HeaderName; 3] = [
    USER,
    HeaderName::from_static("x-openwebui-user-id"),
    HeaderName::from_static("x-openwebui-user-email"),
];
/// What says the chat.
const CHAT: HeaderName = HeaderName::from_static("x-openwebui-chat-id");

/// What a front end forwards of its end user.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Forwarded<'a> {
    /// The end user's id.
    pub(super) user: Option<&'a str>,
    /// The id of his chat.
    pub(super) chat: Option<&'a str>,
}

impl<'a> Forwarded<'a> {
    /// What these headers forward; nothing of a caller who is no front end.
    ///
    /// # Errors
    /// When a caller who is no front end names a user in our header, or a value is none that can be.
    pub(super) fn of(headers: &'a HeaderMap, caller: &Caller) -> Result<Self, Failure> {
        if caller.frontend {
            let user = USERS.iter().find(|it| headers.contains_key(*it));
            let user = user.map(|it| value(headers, it)).transpose()?.flatten();
            return Ok(Self { user, chat: value(headers, &CHAT)? });
        }
        if headers.contains_key(USER) {
            let found = "a user from a key that is no front end";
            return Err(wrong(&USER, found, "none: only keys with `frontend = true` are believed"));
        }
        Ok(Self::default())
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut all = headers.get_all(name).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let expected = format!("one id of 1 to {BYTES_MAX} visible ASCII characters");
    let wrong = |found: &str| Err(wrong(name, found, &expected));
    if all.any(|it| it != first) {
        return wrong("two values");
    }
    let Ok(text) = first.to_str().map(str::trim) else { return wrong("other characters") };
    match text.len() {
        1..=BYTES_MAX => Ok(Some(text)),
        long => wrong(&format!("{long} characters")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(frontend: bool) -> Caller {
        Caller { frontend, ..(*crate::record::sample::caller()).clone() }
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in all.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn the_first_header_that_is_there_says_the_user() {
        let all = [
            ("x-openwebui-user-email", "a@b.example"),
            ("x-openwebui-user-id", "u-1"),
            ("x-signalbox-user", " carol "),
            ("x-openwebui-user-name", "Carol"),
            ("x-openwebui-user-role", "admin"),
        ];
        for (some, user) in [(&all[..], "carol"), (&all[..2], "u-1"), (&all[..1], "a@b.example")] {
            let headers = headers(some);
            let found = Forwarded::of(&headers, &caller(true)).unwrap();
            assert_eq!((found.user, found.chat), (Some(user), None));
        }
        let headers = headers(&[all[3], all[4], ("x-openwebui-chat-id", "c-1")]);
        let found = Forwarded::of(&headers, &caller(true)).unwrap();
        assert_eq!(found, Forwarded { user: None, chat: Some("c-1") }, "a name or a role is no id");
    }

    #[test]
    fn only_a_front_end_is_believed() {
        let theirs = headers(&[("x-openwebui-user-id", "u"), ("x-openwebui-chat-id", "")]);
        assert_eq!(Forwarded::of(&theirs, &caller(false)).unwrap(), Forwarded::default());
        let ours = headers(&[("x-signalbox-user", "carol")]);
        let failure = Forwarded::of(&ours, &caller(false)).unwrap_err();
        assert_eq!((failure.status(), failure.code), (400, "invalid_header"));
        assert!(failure.public.contains("no front end") && !failure.public.contains("carol"));
    }

    #[test]
    fn what_cannot_be_is_refused_and_not_repeated() {
        let long = "carol".repeat(52);
        for name in ["x-signalbox-user", "x-openwebui-user-id", "x-openwebui-chat-id"] {
            for values in [&["carol", "carl"][..], &[""], &[" "], &[&long], &["caröl"]] {
                let all: Vec<_> = values.iter().map(|value| (name, *value)).collect();
                let failure = Forwarded::of(&headers(&all), &caller(true)).unwrap_err();
                assert_eq!((failure.status(), failure.param.as_deref()), (400, Some(name)));
                assert!(!failure.public.contains("car"), "{}", failure.public);
            }
            let same = headers(&[(name, "carol"), (name, "carol")]);
            assert!(Forwarded::of(&same, &caller(true)).is_ok());
            assert!(Forwarded::of(&headers(&[(name, &long[..256])]), &caller(true)).is_ok());
        }
    }
}
