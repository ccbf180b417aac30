//! `[audit]`: whether a change of money or policy takes a second person, and how long it waits for one.

use std::sync::Arc;

use policies::document::{Faults, Section};
use toml::{Table, Value};

use super::{
    Config, ManagedKind,
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
        if before.admin != after.admin {
            held.push("who are operators: it takes a restart".to_owned());
        }
        if before.oidc != after.oidc {
            let what = "whose tokens are taken, on which budget, and who are operators by them";
            held.push(format!("{what}: it takes a restart"));
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
