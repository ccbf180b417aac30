//! `[[team]]` and `[[key]]`: who may ask, how much and how fast.

use std::sync::Arc;

use policies::{
    Fault,
    document::{Faults, Section, items, kind, timezone},
    facts::{DataClass, KeyFacts, Money, TeamFacts, TeamIndex, Tokens, Window},
};
use toml::Value;

use super::{
    Budget, Credential, Key, Limits, Team,
    fields::{data_class, later, money, optional_number, texts, token, word},
    validate::{Outside, few, unique},
};
use crate::outcome::Priority;

/// The team of keys that name none.
const DEFAULT: &str = "default";
/// The largest budget, in units: far enough below what an amount can hold.
const BUDGET_UNITS_MAX: i64 = 4_000_000_000;

/// A team as the policy and as the gateway see it.
pub(super) struct ReadTeam {
    /// Where it stands in the file, such as `team[2].`: the order there is another.
    pub(super) path: String,
    pub(super) facts: TeamFacts,
    pub(super) team: Team,
    /// Its effective default class and its effective ceiling.
    classes: (DataClass, DataClass),
}

/// A key as the policy and as the gateway see it.
pub(super) struct ReadKey {
    pub(super) facts: KeyFacts,
    pub(super) key: Key,
}

/// A team as it stands in the file.
struct Stated {
    path: String,
    name: String,
    parent: Option<String>,
    shared: Shared,
}

/// What teams and keys have in common.
#[derive(Default)]
struct Shared {
    budgets: Vec<Budget>,
    limits: Limits,
    models: Vec<Box<str>>,
    data_class: Option<DataClass>,
    data_class_max: Option<DataClass>,
    priority: Option<Priority>,
}

fn shared(it: &mut Section<'_>, faults: &mut Faults) -> Shared {
    let models = it.get("models").is_some().then(|| texts(it, "models", faults));
    let priorities = Priority::ALL.map(|it| (it.name(), Some(it)));
    Shared {
        priority: word(it, "priority", &priorities, None, faults),
        budgets: budgets(it, faults),
        limits: limits(it, faults),
        models: models.map_or_else(
            || vec!["*".into()],
            |list| list.into_iter().map(|(_, model)| model.into()).collect(),
        ),
        data_class: data_class(it, "data_class", faults),
        data_class_max: data_class(it, "data_class_max", faults),
    }
}

/// Reads all teams: `default` first, parents before their children.
pub(super) fn teams(sections: Vec<Section<'_>>, faults: &mut Faults) -> Vec<ReadTeam> {
    few(sections.len(), "team", faults);
    let mut taken = Vec::new();
    let mut stated = Vec::new();
    for mut it in sections {
        let name = unique(&mut it, "name", &mut taken, faults);
        let mut parent = it.text("parent", faults).map(str::to_owned);
        if name == DEFAULT && parent.take().is_some() {
            let expected = "nothing: `default` is the team of keys without one, and has no parent";
            faults.push(Fault::new(it.at("parent"), "a parent", expected));
        }
        let shared = shared(&mut it, faults);
        stated.push(Stated { path: it.at(""), name, parent, shared });
        it.close(faults);
    }
    if !taken.iter().any(|name| name == DEFAULT) {
        let shared = Shared { models: vec!["*".into()], ..Shared::default() };
        let (path, name) = (String::new(), DEFAULT.to_owned());
        stated.push(Stated { path, name, parent: None, shared });
    }
    for team in &stated {
        let unknown = team.parent.as_deref().filter(|it| !taken.iter().any(|name| name == it));
        // The team `default` stands even where nobody wrote it down.
        if let Some(parent) = unknown.filter(|it| *it != DEFAULT) {
            let known = taken.iter().map(String::as_str);
            faults.push(Fault::unknown(format!("{}parent", team.path), parent, "a team", known));
        }
    }
    stated.sort_by_key(|team| team.name != DEFAULT);
    placed(stated, faults)
}

/// Places each team whose parent is placed. What cannot be placed hangs in a circle, or below something
/// that is a fault already; it is placed without its parent, so that nothing else is blamed for it.
fn placed(mut stated: Vec<Stated>, faults: &mut Faults) -> Vec<ReadTeam> {
    let mut placed: Vec<ReadTeam> = Vec::with_capacity(stated.len());
    loop {
        let before = placed.len();
        let mut waiting = Vec::new();
        for team in stated {
            let position = |wanted: &str| placed.iter().position(|it| *it.team.name == *wanted);
            match team.parent.as_deref().map(position) {
                Some(None) => waiting.push(team),
                at => place(team, at.flatten(), &mut placed, faults),
            }
        }
        stated = waiting;
        if placed.len() == before {
            break;
        }
    }
    for team in &stated {
        if let Some(circle) = circle(team, &stated) {
            let expected = format!("a parent above it: {circle} is a circle");
            let found = format!("`{}`", team.parent.as_deref().unwrap_or_default());
            faults.push(Fault::new(format!("{}parent", team.path), found, expected));
        }
    }
    stated.into_iter().for_each(|team| place(team, None, &mut placed, faults));
    placed
}

/// The way from a team up to itself, if there is one.
fn circle(from: &Stated, among: &[Stated]) -> Option<String> {
    let mut way = from.name.clone();
    let mut at = from;
    for _ in among {
        at = among.iter().find(|team| at.parent.as_deref() == Some(&*team.name))?;
        way = format!("{way} → {}", at.name);
        if at.name == from.name {
            return Some(way);
        }
    }
    None
}

fn place(stated: Stated, at: Option<usize>, placed: &mut Vec<ReadTeam>, faults: &mut Faults) {
    let Stated { path, name, shared, .. } = stated;
    let above = at.and_then(|at| placed.get(at)).map(|parent| parent.classes);
    let classes = classes(above, &shared, &path, faults);
    let name: Arc<str> = name.into();
    let parent = at.and_then(|at| u16::try_from(at).ok()).map(TeamIndex);
    placed.push(ReadTeam {
        path,
        facts: TeamFacts { name: Arc::clone(&name), parent, models: shared.models },
        team: Team {
            name,
            parent,
            budgets: shared.budgets,
            limits: shared.limits,
            data_class: shared.data_class.unwrap_or(DataClass::Public),
            data_class_max: shared.data_class_max.unwrap_or(DataClass::Secret),
            priority: shared.priority,
        },
        classes,
    });
}

/// The effective default class and ceiling below these. A default above the ceiling would refuse every
/// request; it is said where it begins.
fn classes(
    above: Option<(DataClass, DataClass)>,
    shared: &Shared,
    path: &str,
    faults: &mut Faults,
) -> (DataClass, DataClass) {
    let (class, most) = above.unwrap_or((DataClass::Public, DataClass::Secret));
    let fine = class <= most;
    let class = shared.data_class.map_or(class, |own| own.max(class));
    let most = shared.data_class_max.map_or(most, |own| own.min(most));
    if fine && class > most {
        let key = if shared.data_class.is_some() { "data_class" } else { "data_class_max" };
        let found = format!("requests of class {class}, and a ceiling of {most}");
        let expected = "a default class up to the lowest `data_class_max` of key and teams";
        faults.push(Fault::new(format!("{path}{key}"), found, expected));
    }
    (class, most)
}

/// Reads all keys.
pub(super) fn keys(
    sections: Vec<Section<'_>>,
    teams: &[ReadTeam],
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Vec<ReadKey> {
    if sections.is_empty() {
        faults.push(Fault::new("key", "nothing", "at least one [[key]]"));
    }
    let (mut taken, mut credentials) = (Vec::new(), Vec::new());
    let mut keys = Vec::with_capacity(sections.len());
    for section in sections {
        let path = section.at("");
        let key = key(section, &mut taken, teams, outside, faults);
        if let Some(credential) = key.0 {
            // Two names of one credential: the second would never be told from the first.
            if credentials.contains(&credential) {
                let expected = "a `hash` or `secret` of its own";
                faults.push(Fault::new(format!("{path}hash"), "another key's", expected));
            }
            credentials.push(credential);
        }
        keys.push(key.1);
    }
    keys
}

fn key(
    mut it: Section<'_>,
    taken: &mut Vec<String>,
    teams: &[ReadTeam],
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> (Option<Credential>, ReadKey) {
    let name: Arc<str> = unique(&mut it, "name", taken, faults).into();
    let team = it.text("team", faults).unwrap_or(DEFAULT);
    let found = teams.iter().position(|read| *read.team.name == *team);
    if found.is_none() {
        let known = teams.iter().map(|read| &*read.team.name);
        faults.push(Fault::unknown(it.at("team"), team, "a team", known));
    }
    let shared = shared(&mut it, faults);
    let above = found.and_then(|at| teams.get(at)).map(|team| team.classes);
    classes(above, &shared, &it.at(""), faults);
    let credential = credential(&mut it, outside, faults);
    let key = Key {
        name: Arc::clone(&name),
        team: found.and_then(|at| u16::try_from(at).ok()).map_or(TeamIndex(0), TeamIndex),
        credential: credential.clone().unwrap_or(Credential::Hash([0; 32])),
        budgets: shared.budgets,
        limits: shared.limits,
        data_class: shared.data_class,
        data_class_max: shared.data_class_max,
        priority: shared.priority,
        hints: it.read("hints", "true or false", faults, Value::as_bool).unwrap_or(true),
        expires: it.read("expires", "a moment such as \"2027-01-31T00:00:00Z\"", faults, moment),
    };
    later(&mut it, &["frontend"], faults);
    it.close(faults);
    (credential, ReadKey { facts: KeyFacts { name, models: shared.models }, key })
}

/// A moment with its offset, in text or as TOML's own.
fn moment(value: &Value) -> Option<jiff::Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Datetime(date) => date.to_string().parse().ok(),
        _ => None,
    }
}

/// `hash`, or `secret` by reference: exactly one of them.
fn credential(
    it: &mut Section<'_>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Credential> {
    match (it.get("hash"), it.get("secret")) {
        (None, Some(_)) => token(it, "secret", outside, faults).map(Credential::Secret),
        (Some(value), None) => {
            let hash = value.as_str().and_then(|it| unhex(it.strip_prefix("hmac-sha256:")?));
            if hash.is_none() {
                // Not repeated: somebody may have put the key itself there.
                let expected =
                    "hmac-sha256: and 64 hexadecimal digits, from `signalbox key create`";
                faults.push(Fault::new(it.at("hash"), "something else", expected));
            }
            hash.map(Credential::Hash)
        }
        (hash, _) => {
            let found = if hash.is_some() { "both" } else { "neither" };
            let expected = "either `hash` (from `signalbox key create`) or `secret`, by reference";
            faults.push(Fault::new(it.at("hash"), found, expected));
            None
        }
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}

fn limits(it: &mut Section<'_>, faults: &mut Faults) -> Limits {
    let mut it = it.section("limits", faults);
    let mut number = |key| {
        let said = optional_number(&mut it, key, 1..=u64::from(u32::MAX), faults);
        said.and_then(|number| u32::try_from(number).ok())
    };
    let limits = Limits {
        requests_per_minute: number("requests_per_minute"),
        tokens_per_minute: number("tokens_per_minute").map(Tokens),
        concurrent: number("concurrent"),
    };
    it.close(faults);
    limits
}

/// One budget, or a list of them.
fn budgets(it: &mut Section<'_>, faults: &mut Faults) -> Vec<Budget> {
    let Some(value) = it.get("budget") else { return Vec::new() };
    let mut budgets = Vec::new();
    for (path, item) in items(it.at("budget"), value) {
        if item.as_table().is_none() {
            let expected = "{ amount, window }, or a list of them";
            faults.push(Fault::new(path, kind(item), expected));
            continue;
        }
        let mut it = Section::of(path, item, faults);
        if let Some(budget) = budget(&mut it, faults) {
            // Budgets are told apart by their windows, in metrics and in messages.
            if budgets.iter().any(|other: &Budget| other.window == budget.window) {
                let found = format!("`{}` for the second time", budget.window);
                faults.push(Fault::new(it.at("window"), found, "one budget for each window"));
            }
            budgets.push(budget);
        }
        it.close(faults);
    }
    budgets
}

fn budget(it: &mut Section<'_>, faults: &mut Faults) -> Option<Budget> {
    let decimal = "a decimal in text, such as \"500.00\"";
    if it.get("amount").is_none() {
        faults.push(Fault::new(it.at("amount"), "nothing", decimal));
    }
    let amount = it.read("amount", decimal, faults, money);
    let most = Money::from_nano(BUDGET_UNITS_MAX.saturating_mul(1_000_000_000));
    if amount.is_some_and(|amount| amount > most) {
        let expected = format!("at most {BUDGET_UNITS_MAX}: choose a larger ledger currency");
        faults.push(Fault::new(it.at("amount"), "too large an amount", expected));
    }
    let windows = [Window::Day, Window::Week, Window::Month, Window::Total];
    let window = word(it, "window", &windows.map(|it| (it.code(), it)), Window::Month, faults);
    let hard = it.read("hard", "true or false", faults, Value::as_bool);
    let zone = timezone(it, faults).unwrap_or("UTC");
    let timezone = jiff::tz::TimeZone::get(zone);
    Some(Budget { amount: amount?, window, hard: hard.unwrap_or(true), timezone: timezone.ok()? })
}
