//! What is to be written: by flags, or by the answers of whoever sits at the terminal.

use std::io;

use crate::config::single;

/// A backend, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    /// Which of its models is meant, and what it is to be called.
    pub name: Option<String>,
    /// Its base URL, or that without `/v1`.
    pub url: String,
    /// Where its credential stands: `env:NAME` or `file:path`.
    pub api_key: Option<String>,
    /// Where it runs.
    pub zone: Option<String>,
}

/// All that is to be known before backends are asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// At least one, in the order in which they were named.
    pub backends: Vec<Backend>,
    /// The team of the first key.
    pub team: String,
    /// The first key.
    pub key_name: String,
}

/// What flags say; where they say nothing, it is asked or has a default.
#[derive(Clone, Debug, Default)]
pub(super) struct Flags {
    /// `--backend`
    pub backends: Vec<String>,
    /// `--api-key`
    pub api_keys: Vec<String>,
    /// `--zone`
    pub zones: Vec<String>,
    /// `--team`
    pub team: Option<String>,
    /// `--key-name`
    pub key_name: Option<String>,
}

/// What is asked and how: a question out, a line in; `None` where the answers end.
pub(super) type Ask<'a> = &'a mut dyn FnMut(&str) -> io::Result<Option<String>>;
/// Says what is wrong with a reference to a secret.
pub(super) type Resolves<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// Asks a backend for its models, and says what is wrong with it.
pub(super) type Probe<'a> = &'a dyn Fn(&Backend) -> Result<(), String>;

/// What is said where nobody names a backend.
const NO_BACKEND: &str = "no backend, no gateway: `signalbox init` needs the URL of an engine that serves \
                          models, such as http://127.0.0.1:8000/v1; `signalbox demo` needs none";
const TEAM: &str = "default";
const KEY_NAME: &str = "first";
/// No credential, or no zone, among several of them.
const NONE: &str = "none";

/// The choice that flags make: nothing is asked.
///
/// # Errors
/// What is wrong with which flag.
pub(super) fn by_flags(flags: &Flags, resolves: Resolves<'_>) -> Result<Choice, String> {
    fn wrong(flag: &'static str) -> impl Fn(String) -> String {
        move |wrong| format!("{flag}: {wrong}")
    }
    let number = flags.backends.len();
    let api_keys = spread(&flags.api_keys, number).map_err(wrong("--api-key"))?;
    let zones = spread(&flags.zones, number).map_err(wrong("--zone"))?;
    let mut backends: Vec<Backend> = Vec::with_capacity(number);
    for (text, (api_key, zone)) in flags.backends.iter().zip(api_keys.into_iter().zip(zones)) {
        let (name, url) = named_url(text).map_err(wrong("--backend"))?;
        if let Some(api_key) = &api_key {
            reference(api_key, resolves).map_err(wrong("--api-key"))?;
        }
        if let Some(zone) = &zone {
            is_name(zone).map_err(wrong("--zone"))?;
        }
        if backends.iter().any(|it| it.url == url && it.name == name) {
            return Err(format!("--backend: {url} for the second time"));
        }
        backends.push(Backend { name, url, api_key, zone });
    }
    let or = |said: &Option<String>, default: &str| said.as_deref().unwrap_or(default).to_owned();
    let (team, key_name) = (or(&flags.team, TEAM), or(&flags.key_name, KEY_NAME));
    is_name(&team).map_err(wrong("--team"))?;
    is_name(&key_name).map_err(wrong("--key-name"))?;
    Ok(Choice { backends, team, key_name })
}

/// The choice that answers make, with flags for what they say already.
///
/// # Errors
/// Where the answers end too early, or flags are wrong.
pub(super) fn by_answers(
    flags: &Flags,
    (resolves, probe): (Resolves<'_>, Probe<'_>),
    ask: Ask<'_>,
) -> Result<Choice, String> {
    let mut said = flags.clone();
    let once = |values: &[String]| values.len() == 1;
    let mut before = String::new();
    loop {
        let question = match said.backends.len() {
            0 => "Base URL of a backend, such as http://127.0.0.1:8000/v1: ",
            _ => "Another backend (Enter: no more): ",
        };
        let taken = said.backends.clone();
        let fits = |text: &str| match named_url(text) {
            Err(_) if text.is_empty() => Ok(()),
            Ok(_) if taken.iter().any(|it| it == text) => Err("it is there already".to_owned()),
            found => found.map(drop),
        };
        let url = answer(&format!("{before}{question}"), &fits, ask)?;
        before.clear();
        match (url.is_empty(), taken.is_empty()) {
            (true, true) => return Err(NO_BACKEND.to_owned()),
            (true, false) => break,
            (false, _) => {}
        }
        let mut backend =
            Backend { name: None, url: named_url(&url)?.1, api_key: None, zone: None };
        said.backends.push(url);
        if !once(&flags.api_keys) {
            let fits = |text: &str| nothing_or(text, |it| reference(it, resolves));
            let question = "  its API key, as env:NAME or file:path (Enter: none): ";
            said.api_keys.push(answer(question, &fits, ask)?);
        }
        // One for all of them is the last one too.
        backend.api_key = said.api_keys.last().cloned().filter(|it| !it.is_empty() && it != NONE);
        if let Err(wrong) = probe(&backend) {
            before = format!("  WRONG: {wrong}\n  Say it again, or another one.\n");
            said.backends.pop();
            if !once(&flags.api_keys) {
                said.api_keys.pop();
            }
            continue;
        }
        if !once(&flags.zones) {
            let fits = |text: &str| nothing_or(text, is_name);
            let question = "  its zone, such as on_prem or cloud_sg (Enter: none): ";
            said.zones.push(answer(question, &fits, ask)?);
        }
    }
    named(&mut said.team, "Team of the first key (Enter: default): ", ask)?;
    named(&mut said.key_name, "Name of the first key (Enter: first): ", ask)?;
    by_flags(&said, resolves)
}

/// Asks for a name that no flag says; none is a choice.
fn named(said: &mut Option<String>, question: &str, ask: Ask<'_>) -> Result<(), String> {
    if said.is_none() {
        let text = answer(question, &|text| nothing_or(text, is_name), ask)?;
        *said = Some(text).filter(|text| !text.is_empty());
    }
    Ok(())
}

/// The first answer that fits; what is wrong with another stands before the question when it is asked again.
fn answer(
    question: &str,
    fits: &dyn Fn(&str) -> Result<(), String>,
    ask: Ask<'_>,
) -> Result<String, String> {
    let mut before = String::new();
    loop {
        let line = ask(&format!("{before}{question}")).map_err(|error| error.to_string())?;
        let question = question.trim().trim_end_matches(':');
        let line = line.ok_or_else(|| format!("no answer to: {question}"))?;
        let line = line.trim();
        match fits(line) {
            Ok(()) => return Ok(line.to_owned()),
            Err(wrong) => before = format!("  {wrong}\n"),
        }
    }
}

fn nothing_or(text: &str, fits: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { fits(text) }
}

/// One value for each backend: none at all, one for all of them, or one for each.
fn spread(values: &[String], number: usize) -> Result<Vec<Option<String>>, String> {
    let read = |text: &String| Some(text.clone()).filter(|it| !it.is_empty() && it != NONE);
    match values {
        [] => Ok(vec![None; number]),
        [one] => Ok(vec![read(one); number]),
        each if each.len() == number => Ok(each.iter().map(read).collect()),
        each => {
            let found = each.len();
            Err(format!(
                "{found} times beside {number} --backend: expected once for all of them, or once for \
                 each in their order (`none` for one without)"
            ))
        }
    }
}

/// `URL`, or `NAME=URL`.
fn named_url(text: &str) -> Result<(Option<String>, String), String> {
    let named = text.split_once('=').filter(|(name, _)| !name.contains("://"));
    let (name, url) = named.map_or((None, text), |(name, url)| (Some(name), url));
    if let Some(name) = name {
        is_name(name)?;
        if name == "auto" || name.starts_with("family:") || name.starts_with("tag:") {
            return Err(format!("`{name}` is for what policies choose, and names no model"));
        }
    }
    let uri = single::base_url(url)
        .map_err(|fault| format!("found {}, expected {}", fault.found, fault.expected))?;
    Ok((name.map(str::to_owned), uri.to_string().trim_end_matches('/').to_owned()))
}

fn is_name(text: &str) -> Result<(), String> {
    single::name(text)
        .map_err(|fault| format!("found {}, expected {}", fault.found, fault.expected))
}

/// A reference to a secret that is there. What is none is not repeated: it may be the secret.
fn reference(text: &str, resolves: Resolves<'_>) -> Result<(), String> {
    if !text.starts_with("env:") && !text.starts_with("file:") {
        return Err("expected env:NAME or file:path, where the key stands, not the key".to_owned());
    }
    resolves(text).map_err(|found| format!("found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolves(text: &str) -> Result<(), String> {
        if text == "env:SET" { Ok(()) } else { Err(format!("{text}, which is not set")) }
    }

    fn probe(backend: &Backend) -> Result<(), String> {
        if backend.url.contains("dead") { Err("nobody answers".to_owned()) } else { Ok(()) }
    }

    #[test]
    fn a_backend_that_is_dead_is_asked_for_again_at_once() {
        let answers = ["http://dead/v1", "env:SET", "http://a/v1", "", "", "", "", ""];
        let (choice, asked) = interviewed(&Flags::default(), &answers);
        assert_eq!(choice.unwrap().backends, [backend("http://a/v1", None, None)]);
        assert!(asked[2].contains("WRONG: nobody answers"), "{asked:?}");
        assert!(asked[2].ends_with("such as http://127.0.0.1:8000/v1: "), "{asked:?}");
    }

    #[test]
    fn who_names_no_backend_is_told_what_is_needed_and_let_go() {
        let (choice, asked) = interviewed(&Flags::default(), &["", ""]);
        assert!(choice.unwrap_err().contains("signalbox demo"));
        assert_eq!(asked.len(), 1);
    }

    /// The choice of these answers, and what was asked.
    fn interviewed(flags: &Flags, answers: &[&str]) -> (Result<Choice, String>, Vec<String>) {
        let (mut answers, mut asked) = (answers.iter(), Vec::new());
        let mut ask = |question: &str| {
            asked.push(question.to_owned());
            Ok(answers.next().map(|it| (*it).to_owned()))
        };
        let choice = by_answers(flags, (&resolves, &probe), &mut ask);
        (choice, asked)
    }

    fn backend(url: &str, api_key: Option<&str>, zone: Option<&str>) -> Backend {
        let (api_key, zone) = (api_key.map(str::to_owned), zone.map(str::to_owned));
        Backend { name: None, url: url.to_owned(), api_key, zone }
    }

    #[test]
    fn answers_make_a_choice() {
        let answers =
            ["http://a:1/v1", "", "on_prem", "http://b:2", "env:SET", "cloud_sg", "", "retail", ""];
        let (choice, asked) = interviewed(&Flags::default(), &answers);
        let backends = vec![
            backend("http://a:1/v1", None, Some("on_prem")),
            backend("http://b:2", Some("env:SET"), Some("cloud_sg")),
        ];
        let (team, key_name) = ("retail".to_owned(), "first".to_owned());
        assert_eq!(choice, Ok(Choice { backends, team, key_name }));
        assert_eq!(asked.len(), answers.len(), "{asked:?}");
    }

    #[test]
    fn an_answer_that_does_not_fit_is_asked_for_again_with_what_is_wrong() {
        let answers = [
            "nonsense",
            "localhost:8000",
            "http://a:1/v1/chat/completions",
            "http://a:1/v1",
            "sk-itself",
            "env:UNSET",
            "env:SET",
            "on prem",
            "on_prem",
            "http://a:1/v1",
            "",
            "",
            "",
        ];
        let (choice, asked) = interviewed(&Flags::default(), &answers);
        let backends = vec![backend("http://a:1/v1", Some("env:SET"), Some("on_prem"))];
        assert_eq!(choice.unwrap().backends, backends);
        for (at, said) in [
            (1, "an http or https URL"),
            (2, "an http or https URL"),
            (3, "without `/chat/completions`"),
            (5, "env:NAME or file:path"),
            (6, "env:UNSET, which is not set"),
            (8, "a name of letters"),
            (10, "there already"),
        ] {
            assert!(asked[at].contains(said), "{at}: {asked:?}");
        }
        assert!(!asked.concat().contains("sk-itself"), "a secret is not repeated");
    }

    #[test]
    fn flags_that_are_given_are_not_asked_for() {
        let one = |text: &str| vec![text.to_owned()];
        let flags = Flags {
            api_keys: one("env:SET"),
            zones: one("on_prem"),
            team: Some("retail".to_owned()),
            key_name: Some("app".to_owned()),
            ..Flags::default()
        };
        let (choice, asked) = interviewed(&flags, &["http://a:1", "http://b:2", ""]);
        assert_eq!(asked.len(), 3, "{asked:?}");
        let choice = choice.unwrap();
        assert!(choice.backends.iter().all(|it| it.zone.as_deref() == Some("on_prem")));
        assert_eq!((&*choice.team, &*choice.key_name), ("retail", "app"));
    }

    #[test]
    fn answers_that_end_early_are_an_error() {
        for answers in [&[][..], &["http://a:1"], &["http://a:1", "", "", ""]] {
            let (choice, _) = interviewed(&Flags::default(), answers);
            assert!(choice.unwrap_err().starts_with("no answer to: "));
        }
    }

    #[test]
    fn one_value_is_for_all_backends_and_several_are_for_each() {
        let texts = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let flags = |zones: &[&str]| Flags {
            backends: texts(&["m=http://a:1/v1/", "http://b:2"]),
            zones: texts(zones),
            ..Flags::default()
        };
        let zones = |zones: &[&str]| {
            let choice = by_flags(&flags(zones), &resolves)?;
            Ok::<_, String>(choice.backends.into_iter().map(|it| it.zone).collect::<Vec<_>>())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(zones(&[]), Ok(vec![None, None]));
        assert_eq!(zones(&["x"]), Ok(vec![some("x"), some("x")]));
        assert_eq!(zones(&["none", "x"]), Ok(vec![None, some("x")]));
        assert!(zones(&["x", "y", "z"]).unwrap_err().starts_with("--zone: 3 times beside 2"));
        let choice = by_flags(&flags(&[]), &resolves).unwrap();
        assert_eq!(choice.backends[0].name.as_deref(), Some("m"));
        assert_eq!(choice.backends[0].url, "http://a:1/v1");
    }
}
