//! `[[team]]` and `[[key]]`: who may ask, how much and how fast.

use std::sync::Arc;

use policies::{
    Fault,
    document::{Faults, Section, items, kind},
    facts::{DataClass, KeyFacts, Money, TeamFacts, TeamIndex, Tokens, Window},
};
use toml::Value;

use super::{
    Budget, Credential, Key, Limits, Team,
    leaf::{data_class, later, money, optional_number, secret, texts, word},
    validate::{Outside, unique},
};

/// The team of keys that name none.
const DEFAULT: &str = "default";
/// The largest budget, in units: far enough below what an amount can hold.
const BUDGET_UNITS_MAX: i64 = 4_000_000_000;

/// A team as the policy and as the gateway see it.
pub(super) struct ReadTeam {
    pub(super) facts: TeamFacts,
    pub(super) team: Team,
}

/// A key as the policy and as the gateway see it.
pub(super) struct ReadKey {
    pub(super) facts: KeyFacts,
    pub(super) key: Key,
}

/// What teams and keys have in common.
struct Shared {
    budgets: Vec<Budget>,
    limits: Limits,
    models: Vec<Box<str>>,
    data_class: Option<DataClass>,
    data_class_max: Option<DataClass>,
}

fn shared(it: &mut Section<'_>, faults: &mut Faults) -> Shared {
    let models = it.get("models").is_some().then(|| texts(it, "models", faults));
    // Queues come with priorities; the words are checked from now on.
    let priorities = ["interactive", "default", "batch"].map(|it| (it, ()));
    word(it, "priority", &priorities, (), faults);
    Shared {
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
    let mut taken = Vec::new();
    let mut read: Vec<(String, Option<String>, String, Shared)> = Vec::new();
    for mut it in sections {
        let name = unique(&mut it, "name", &mut taken, faults);
        let parent = it.text("parent", faults).map(str::to_owned);
        let shared = shared(&mut it, faults);
        read.push((name, parent, it.at("parent"), shared));
        it.close(faults);
    }
    if !taken.iter().any(|name| name == DEFAULT) {
        let shared = Shared {
            budgets: Vec::new(),
            limits: Limits::default(),
            models: vec!["*".into()],
            data_class: None,
            data_class_max: None,
        };
        read.insert(0, (DEFAULT.into(), None, String::new(), shared));
    }
    // `default` first, then whatever has its parent placed; what is left over hangs in a circle.
    read.sort_by_key(|(name, ..)| name != DEFAULT);
    let mut placed: Vec<ReadTeam> = Vec::with_capacity(read.len());
    while !read.is_empty() {
        let before = read.len();
        let mut waiting = Vec::new();
        for (name, parent, path, shared) in read {
            let position = |wanted: &str| placed.iter().position(|it| *it.team.name == *wanted);
            let at = parent.as_deref().map(position);
            match at {
                Some(None) => waiting.push((name, parent, path, shared)),
                at => {
                    let index = at.flatten().and_then(|at| u16::try_from(at).ok()).map(TeamIndex);
                    placed.push(team(name.into(), index, shared));
                }
            }
        }
        if waiting.len() == before {
            for (_, parent, path, _) in waiting {
                let found = parent.unwrap_or_default();
                let known = taken.iter().map(String::as_str);
                if taken.contains(&found) {
                    let found = format!("`{found}`, which is below this team");
                    faults.push(Fault::new(path, found, "a parent above it"));
                } else {
                    faults.push(Fault::unknown(path, &found, "a team", known));
                }
            }
            break;
        }
        read = waiting;
    }
    placed
}

fn team(name: Arc<str>, parent: Option<TeamIndex>, shared: Shared) -> ReadTeam {
    ReadTeam {
        facts: TeamFacts { name: Arc::clone(&name), parent, models: shared.models },
        team: Team {
            name,
            parent,
            budgets: shared.budgets,
            limits: shared.limits,
            data_class: shared.data_class.unwrap_or(DataClass::Public),
            data_class_max: shared.data_class_max.unwrap_or(DataClass::Secret),
        },
    }
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
    let mut taken = Vec::new();
    sections.into_iter().map(|it| key(it, &mut taken, teams, outside, faults)).collect()
}

fn key(
    mut it: Section<'_>,
    taken: &mut Vec<String>,
    teams: &[ReadTeam],
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> ReadKey {
    let name: Arc<str> = unique(&mut it, "name", taken, faults).into();
    let team = it.text("team", faults).unwrap_or(DEFAULT);
    let found = teams.iter().position(|read| *read.team.name == *team);
    if found.is_none() {
        let known = teams.iter().map(|read| &*read.team.name);
        faults.push(Fault::unknown(it.at("team"), team, "a team", known));
    }
    let index = found.and_then(|at| u16::try_from(at).ok()).map_or(TeamIndex(0), TeamIndex);
    let shared = shared(&mut it, faults);
    let key = Key {
        name: Arc::clone(&name),
        team: index,
        credential: credential(&mut it, outside, faults),
        budgets: shared.budgets,
        limits: shared.limits,
        data_class: shared.data_class,
        data_class_max: shared.data_class_max,
        hints: it.read("hints", "true or false", faults, Value::as_bool).unwrap_or(true),
        expires: it.read("expires", "a moment such as \"2027-01-31T00:00:00Z\"", faults, |value| {
            value.as_str()?.parse().ok()
        }),
    };
    later(&mut it, &["frontend"], faults);
    it.close(faults);
    ReadKey { facts: KeyFacts { name, models: shared.models }, key }
}

/// `hash`, or `secret` by reference: exactly one of them.
fn credential(it: &mut Section<'_>, outside: &Outside<'_>, faults: &mut Faults) -> Credential {
    let hashed = it.get("hash").is_some();
    let plain = it.get("secret").is_some();
    if hashed == plain {
        let found = if hashed { "both" } else { "neither" };
        let expected = "either `hash` (from `signalbox key create`) or `secret`, by reference";
        faults.push(Fault::new(it.at("hash"), found, expected));
        return Credential::Hash([0; 32]);
    }
    if plain {
        let value = secret(it, "secret", outside, faults);
        return value.map_or(Credential::Hash([0; 32]), Credential::Secret);
    }
    let expected = "hmac-sha256: and 64 hexadecimal digits";
    let hash = it.read("hash", expected, faults, |value| {
        unhex(value.as_str()?.strip_prefix("hmac-sha256:")?)
    });
    Credential::Hash(hash.unwrap_or([0; 32]))
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
        budgets.extend(budget(&mut it, faults));
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
    let zone = it.text("timezone", faults).unwrap_or("UTC");
    let timezone = jiff::tz::TimeZone::get(zone);
    if timezone.is_err() {
        let expected = "a time zone such as \"Asia/Singapore\"";
        faults.push(Fault::new(it.at("timezone"), format!("`{zone}`"), expected));
    }
    Some(Budget { amount: amount?, window, hard: hard.unwrap_or(true), timezone: timezone.ok()? })
}
