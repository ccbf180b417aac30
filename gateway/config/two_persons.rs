//! `[audit]`: whether a change of money or policy takes a second person, and how long it waits for one.

use std::sync::Arc;

use policies::document::{Faults, Section};
use toml::{Table, Value};

use super::{
    Config, ManagedKind, Oidc, Operator,
    fields::number,
    managed::{has_budget, same_budget},
    team::DEFAULT,
};

/// Hours in which a proposal expires where nothing says how many.
const EXPIRE_HOURS: u64 = 72;
/// The longest time that one waits: a month.
const EXPIRE_HOURS_MAX: u64 = 720;
const HOUR_MS: i64 = 3_600_000;

/// A change of a policy, a budget or an operator takes a second person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoPersons {
    /// For so many milliseconds a proposal waits for its second person.
    pub expire_ms: i64,
}

/// The document that the policy in force was compiled from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyText {
    /// The document.
    pub document: Arc<str>,
    /// Whether two persons have approved it and the file has another one.
    pub overrules_file: bool,
}

/// Nothing where one person is enough.
pub(super) fn two_persons(it: &mut Section<'_>, faults: &mut Faults) -> Option<TwoPersons> {
    let needed = it.read("two_persons", "true or false", faults, Value::as_bool).unwrap_or(false);
    let range = 1..=EXPIRE_HOURS_MAX;
    let hours = number(it, "proposals_expire_hours", EXPIRE_HOURS, range, faults);
    let expire_ms = i64::try_from(hours).unwrap_or(1).saturating_mul(HOUR_MS);
    needed.then_some(TwoPersons { expire_ms })
}

/// Whether a change of a team or a key moves money: its budget becomes another one, or it comes below another
/// team. What is made without a budget moves none, and neither does a key that is ended.
#[must_use]
pub fn moves_money(kind: ManagedKind, before: Option<&Table>, after: Option<&Table>) -> bool {
    let text = |it: &Table, field: &str| it.get(field).and_then(Value::as_str).map(str::to_owned);
    match (kind, before, after) {
        (ManagedKind::Key, Some(before), Some(after)) => {
            let team = |it| text(it, "team").unwrap_or_else(|| DEFAULT.to_owned());
            !same_budget(before, after) || team(before) != team(after)
        }
        (ManagedKind::Team, Some(before), Some(after)) => {
            !same_budget(before, after) || text(before, "parent") != text(after, "parent")
        }
        (ManagedKind::Team | ManagedKind::Key, None, Some(after)) => has_budget(after),
        (ManagedKind::Team, Some(before), None) => has_budget(before),
        _ => false,
    }
}

impl TwoPersons {
    /// What of a configuration whose files were read anew takes a second person or a restart, each in words.
    #[must_use]
    pub fn held(before: &Config, after: &Config) -> Vec<String> {
        let mut held = Vec::new();
        // An approved document is the same in both, whatever the file says.
        if before.policy_text.document != after.policy_text.document {
            held.push("the policy: propose it by `POST /admin/v1/policy/proposals`".to_owned());
        }
        let (old, new) = (before.read_from(), after.read_from());
        for kind in [ManagedKind::Team, ManagedKind::Key] {
            let mut names: Vec<&str> = old.file_names(kind, "").collect();
            names.extend(new.file_names(kind, "").filter(|it| old.in_file(kind, it).is_none()));
            let moved = names
                .into_iter()
                .filter(|name| moves_money(kind, old.in_file(kind, name), new.in_file(kind, name)));
            held.extend(moved.map(|name| {
                format!(
                    "the money of the {kind} `{name}` of the file: it takes a restart, or a {kind} of the \
                     store and a proposal"
                )
            }));
        }
        let restarts = |sections: Vec<String>, what: &'static str| {
            sections.into_iter().map(move |it| format!("{it}, {what}: it takes a restart"))
        };
        held.extend(restarts(operators(before, after), "by which somebody is an operator"));
        let what = "whose tokens are taken, on which budget, and who are operators by them";
        held.extend(restarts(issuers(before, after), what));
        held
    }
}

/// The sections that say who are operators and differ, such as `[[operator]] mei`.
fn operators(before: &Config, after: &Config) -> Vec<String> {
    let (a, b) = (&before.admin, &after.admin);
    let tokens = [
        ("`admin.token`", a.token != b.token),
        ("`admin.metrics_token`", a.metrics_token != b.metrics_token),
    ];
    let tokens = tokens.into_iter().filter(|(_, differs)| *differs);
    let mut all: Vec<String> = tokens.map(|(path, _)| path.to_owned()).collect();
    all.extend(differing(("operator", |it: &Operator| &*it.name), &a.operators, &b.operators));
    match all.is_empty() && a != b {
        true => vec!["the order of `[[operator]]`".to_owned()],
        false => all,
    }
}

/// The issuers that differ, such as `[[oidc]] corp`.
fn issuers(before: &Config, after: &Config) -> Vec<String> {
    let all = differing(("oidc", |it: &Oidc| &*it.name), &before.oidc, &after.oidc);
    match all.is_empty() && before.oidc != after.oidc {
        true => vec!["the order of `[[oidc]]`".to_owned()],
        false => all,
    }
}

/// The sections of a list that only one has, or that say something else, each by its name.
fn differing<T: PartialEq>(
    (section, name): (&str, fn(&T) -> &str),
    before: &[T],
    after: &[T],
) -> Vec<String> {
    let find = |all: &'_ [T], it: &T| all.iter().position(|other| name(other) == name(it));
    let gone = before.iter().filter(|it| find(after, it).is_none());
    let other =
        after.iter().filter(|it| find(before, it).and_then(|at| before.get(at)) != Some(it));
    gone.chain(other).map(|it| format!("`[[{section}]] {}`", name(it))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_differ_are_named() {
        let all = |text: &'static str| text.split(' ').collect::<Vec<_>>();
        let named = |before, after| {
            let name = |it: &&'static str| it.split('=').next().unwrap_or_default();
            differing(("oidc", name), &all(before), &all(after))
        };
        let found = named("a=1 b=1 c=1", "c=1 b=2 d=1");
        assert_eq!(found, ["`[[oidc]] a`", "`[[oidc]] b`", "`[[oidc]] d`"]);
        assert!(named("a=1 b=1", "b=1 a=1").is_empty());
    }

    #[test]
    fn what_moves_money() {
        let table = |text: &str| Some(text.parse::<Table>().unwrap());
        let with = "budget = { amount = \"5\" }\nteam = \"a\"";
        for (kind, before, after, moves) in [
            (ManagedKind::Key, table(with), table("team = \"a\""), true),
            (
                ManagedKind::Key,
                table(with),
                table("budget = { amount = \"6\" }\nteam = \"a\""),
                true,
            ),
            (ManagedKind::Key, table("team = \"a\""), table("team = \"b\""), true),
            (ManagedKind::Key, table("hints = true"), table("hints = false"), false),
            (ManagedKind::Key, None, table("team = \"a\""), false),
            (ManagedKind::Key, None, table(with), true),
            (ManagedKind::Key, table(with), None, false),
            (ManagedKind::Team, table(with), None, true),
            (ManagedKind::Team, table(""), None, false),
            (ManagedKind::Team, table(""), table("parent = \"b\""), true),
            // The same, however it is written.
            (ManagedKind::Key, table(""), table("budget = []\nteam = \"default\""), false),
            (ManagedKind::Key, None, table("budget = []"), false),
            (ManagedKind::Team, table("budget = []"), None, false),
            (
                ManagedKind::Key,
                table(with),
                table("budget = [{ amount = \"5.00\", window = \"month\" }]\nteam = \"a\""),
                false,
            ),
            // What cannot be read may be anything.
            (ManagedKind::Key, table(""), table("budget = 5"), true),
            (ManagedKind::Model, None, table(with), false),
        ] {
            let found = moves_money(kind, before.as_ref(), after.as_ref());
            assert_eq!(found, moves, "{kind}: {before:?} to {after:?}");
        }
    }
}
