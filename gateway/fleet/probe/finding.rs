//! What is wrong with a backend that was asked for its models, in words for whoever has to mend it.

use std::fmt::{self, Display, Formatter};

/// The most of a backend's own words that is repeated.
const QUOTED_CHARS_MAX: usize = 120;
/// So many names of a list are named.
const NAMED_MAX: usize = 5;

/// What a backend was asked for, and how.
pub(crate) struct Asked<'a> {
    /// Its base URL.
    pub base: &'a str,
    /// Whether it was shown a credential.
    pub with_key: bool,
}

/// The kind of fault of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nobody listens there.
    Refused,
    /// The host's name has no address.
    Unresolved,
    /// There is no way to the host.
    Unreachable,
    /// It says nothing in time.
    Timeout,
    /// No TLS with it.
    Tls,
    /// It speaks another protocol.
    NotHttp,
    /// It closes the connection.
    Closed,
    /// It wants a credential, or another one.
    Unauthorized,
    /// The credential may not do this.
    Forbidden,
    /// Nothing stands at this path.
    NotFound,
    /// It leads elsewhere.
    Redirect,
    /// It fails.
    ServerError,
    /// It answers with another status than 200.
    Status,
    /// It answers with a web page.
    Html,
    /// It answers with something else than JSON.
    NotJson,
    /// It answers with JSON that is no list of models.
    NoList,
    /// Its list has no end.
    TooLong,
    /// Its list is without the model.
    ModelMissing,
}

impl FaultKind {
    /// Its name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::NotHttp => "not_http",
            Self::Closed => "closed",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Redirect => "redirect",
            Self::ServerError => "server_error",
            Self::Status => "status",
            Self::Html => "html",
            Self::NotJson => "not_json",
            Self::NoList => "no_list",
            Self::TooLong => "too_long",
            Self::ModelMissing => "model_missing",
        }
    }

    /// Whether it answers, and leaves open whether it serves: not every engine has a list of models, or lists
    /// all the names that it takes.
    pub(crate) fn open(self) -> bool {
        matches!(self, Self::NotFound | Self::NoList | Self::TooLong | Self::ModelMissing)
    }

    /// Whether nobody can be served there: nobody answers, or a failure does.
    pub(crate) fn dead(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::Unresolved
                | Self::Unreachable
                | Self::Timeout
                | Self::Tls
                | Self::NotHttp
                | Self::Closed
                | Self::ServerError
        )
    }
}

/// A fault of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendFault {
    /// The kind.
    pub kind: FaultKind,
    /// What was found.
    pub found: String,
    /// Where to look.
    pub hint: String,
    /// The name in its list that is probably meant.
    pub did_you_mean: Option<String>,
}

impl Display for BackendFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.found)?;
        match &self.did_you_mean {
            Some(name) => write!(f, "; did you mean `{name}`?")?,
            None if self.hint.is_empty() => {}
            None => write!(f, "; {}", self.hint)?,
        }
        Ok(())
    }
}

/// A fault with its hint.
pub(super) fn fault(kind: FaultKind, found: impl Into<String>, hint: &str) -> BackendFault {
    BackendFault { kind, found: found.into(), hint: hint.to_owned(), did_you_mean: None }
}

/// A backend's own words, on one line and not without end.
pub(super) fn quoted(words: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = words.chars().take(QUOTED_CHARS_MAX).map(plain).collect();
    if words.chars().nth(QUOTED_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// The fault of an answer with another status than 200; `location` is where it leads.
pub(super) fn by_status(status: u16, location: Option<&str>, asked: &Asked<'_>) -> BackendFault {
    use FaultKind::{Forbidden, NotFound, Redirect, ServerError, Status, Unauthorized};
    let url = format!("{}/models", asked.base);
    match status {
        300..=399 => {
            // What follows the path may be a secret.
            let to = location.unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
            let found = match to {
                "" => format!("{status}: {url} leads elsewhere"),
                to => format!("{status}: {url} leads to {}", quoted(to)),
            };
            fault(Redirect, found, "nobody follows it: write the url that it leads to")
        }
        401 if !asked.with_key => {
            fault(Unauthorized, "401: it wants a credential", "its api_key is not set")
        }
        401 => fault(Unauthorized, "401: it does not know the credential", "is its api_key right?"),
        403 => fault(
            Forbidden,
            "403: it does not let the gateway in",
            "may its api_key do this, and is this address let in?",
        ),
        404 | 405 => {
            let hint = if versioned(asked.base) {
                "is the url right? (one that serves no list of models: probe = \"completion\")"
            } else {
                "no /v1 at its end?"
            };
            fault(NotFound, format!("{status}: nothing at {url}"), hint)
        }
        500 | 502..=599 => fault(
            ServerError,
            format!("{status}: it fails"),
            "does its engine still load? its log says more",
        ),
        _ => fault(Status, format!("{status} instead of a list of models"), "is the url right?"),
    }
}

/// Whether a version stands in the path of a URL: what OpenAI's paths begin with, or another's prefix of it.
pub(crate) fn versioned(url: &str) -> bool {
    let version = |part: &str| {
        let number = part.strip_prefix('v').and_then(|it| it.bytes().next());
        number.is_some_and(|it| it.is_ascii_digit())
    };
    url.splitn(4, '/').nth(3).is_some_and(|path| path.split('/').any(version))
}

/// The entries of the list that a body is.
pub(super) fn entries(body: &[u8], html: bool) -> Result<Vec<serde_json::Value>, BackendFault> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if html || first == Some(&b'<') {
        let hint = "another service's port, or no /v1 at the end of its url?";
        return Err(fault(FaultKind::Html, "a web page instead of a list of models", hint));
    }
    if first.is_none() {
        return Err(fault(FaultKind::NotJson, "an empty answer", "another service's port?"));
    }
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else {
        let begins = quoted(&String::from_utf8_lossy(body.get(..QUOTED_CHARS_MAX).unwrap_or(body)));
        let found = format!("no JSON, but `{begins}`");
        return Err(fault(FaultKind::NotJson, found, "another service's port?"));
    };
    let list = match &json {
        serde_json::Value::Array(list) => Some(list.as_slice()),
        json => match json.get("data") {
            Some(serde_json::Value::Array(list)) => Some(list.as_slice()),
            // An engine with no model says it so.
            Some(serde_json::Value::Null) => Some([].as_slice()),
            _ => None,
        },
    };
    let Some(list) = list else {
        let hint = "expected `{\"data\": [{\"id\": …}]}`: no /v1 at the end of its url?";
        return Err(fault(FaultKind::NoList, "JSON that is no list of models", hint));
    };
    Ok(list.to_vec())
}

/// The names in a list, each where its entry says one.
pub(super) fn names(entries: &[serde_json::Value]) -> Vec<String> {
    let id = |it: &serde_json::Value| Some(it.get("id")?.as_str()?.to_owned());
    entries.iter().filter_map(id).collect()
}

/// Whether an engine with this list serves the model; some know it by a shorter name than they list.
pub(super) fn serves(model: &str, listed: &[String]) -> bool {
    let base = model.rsplit_once(':').map_or(model, |(base, _)| base);
    listed.iter().any(|id| {
        let id = id.strip_prefix("models/").unwrap_or(id);
        let latest = id.strip_suffix(":latest").unwrap_or(id);
        id == model || latest == model || id == base
    })
}

/// The fault of a list without the model.
pub(super) fn missing(model: &str, listed: &[String]) -> BackendFault {
    let near = policies::nearest(model, listed.iter().map(String::as_str)).or_else(|| {
        let plain = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let wanted = plain(model);
        let like = |id: &&str| plain(id).contains(&wanted) || wanted.contains(&plain(id));
        listed.iter().map(String::as_str).filter(|id| !id.is_empty()).find(like)
    });
    let hint = match listed {
        [] => String::from("does its engine still load?"),
        listed => {
            let named: Vec<_> = listed.iter().take(NAMED_MAX).map(|id| quoted(id)).collect();
            let more = match listed.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("it serves {}{more}", named.join(", "))
        }
    };
    let found = match listed.len() {
        0 => format!("no upstream_model `{model}`: its list of models is empty"),
        1 => format!("no upstream_model `{model}` in its list of one model"),
        n => format!("no upstream_model `{model}` in its list of {n} models"),
    };
    let did_you_mean = near.map(quoted);
    BackendFault { kind: FaultKind::ModelMissing, found, hint, did_you_mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_path_is_told_by_what_the_url_lacks() {
        for (base, hint) in [
            ("http://h:1", "no /v1 at its end?"),
            ("http://v1.example", "no /v1 at its end?"),
            ("http://h/openai", "no /v1 at its end?"),
            ("http://h/v1", "is the url right?"),
            ("https://h/v1beta/openai", "is the url right?"),
            ("https://h/api/v1", "is the url right?"),
        ] {
            let fault = by_status(404, None, &Asked { base, with_key: true });
            assert!(fault.hint.starts_with(hint), "{base}: {fault}");
            assert_eq!(fault.kind, FaultKind::NotFound);
        }
        let keyless = by_status(401, None, &Asked { base: "http://h/v1", with_key: false });
        assert_eq!(keyless.to_string(), "401: it wants a credential; its api_key is not set");
    }

    #[test]
    fn a_model_may_be_listed_by_a_longer_or_shorter_name() {
        for (model, listed, good) in [
            ("qwen3", "qwen3", true),
            ("qwen3", "qwen3:latest", true),
            ("qwen3:free", "qwen3", true),
            ("gemini-2.5-flash", "models/gemini-2.5-flash", true),
            ("qwen3:32b", "qwen3:8b", false),
            ("qwen3", "qwen3-32b", false),
            ("Qwen3", "qwen3", false),
            ("qwen3", "", false),
        ] {
            assert_eq!(serves(model, &[listed.to_owned()]), good, "{model} {listed}");
        }
    }

    #[test]
    fn a_backends_own_words_are_one_short_line() {
        let words = format!("a\r\nb\u{1b}[31m{}", "x".repeat(10_000));
        let said = quoted(&words);
        assert!(said.starts_with("a  b [31mxx") && said.ends_with("x…"), "{said}");
        assert!(said.chars().count() == QUOTED_CHARS_MAX + 1 && !said.contains('\n'));
    }

    #[test]
    fn statuses_have_kinds_and_only_failures_are_dead() {
        let asked = Asked { base: "http://h/v1", with_key: true };
        for status in 100..=599 {
            let kind = by_status(status, None, &asked).kind;
            let fails = status >= 500 && status != 501;
            assert_eq!(kind.dead(), fails, "{status}");
        }
    }
}
