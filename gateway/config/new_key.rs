//! What the making of a key needs of a configuration, which need not be whole yet: the place of the pepper,
//! and the names that there are. No other fault of the file stands in its way.

use policies::{
    Fault,
    document::{Faults, Section, Spelled},
};
use toml::{Table, Value};

use super::{
    Identity, Ledger,
    names::{NAME, is_name},
    outside::Outside,
    team::DEFAULT,
    validate::{identity, ledger},
};

/// Where a new key is hashed, and whether its team is yet to be written down.
#[derive(Debug)]
pub struct NewKey {
    /// Where the pepper may be.
    pub identity: Identity,
    /// The ledger, beside which it stands otherwise.
    pub ledger: Ledger,
    /// Whether the team stands nowhere yet: there is no configuration.
    pub team_is_new: bool,
}

/// What is needed to make a key of this name in this team; `table` is absent where there is no file.
pub(super) fn new_key(
    table: Option<&Table>,
    spelled: &Spelled,
    outside: &Outside<'_>,
    (team, name): (&str, &str),
) -> Result<NewKey, Vec<Fault>> {
    let mut faults = Faults::new();
    let empty = Table::new();
    let mut root = Section::root_with(table.unwrap_or(&empty), spelled);
    let ledger = ledger(root.section("ledger", &mut faults), outside, &mut faults);
    let identity = identity(root.section("identity", &mut faults), outside, &mut faults);
    for (option, text) in [("--name", name), ("--team", team)] {
        if !is_name(text) {
            faults.push(Fault::new(option, format!("`{}`", text.escape_debug()), NAME));
        }
    }
    let names = |list: &str| {
        let list = table.and_then(|it| it.get(list)).and_then(Value::as_array);
        let named = |it: &Value| it.get("name").and_then(Value::as_str).map(str::to_owned);
        list.into_iter().flatten().filter_map(named).collect::<Vec<String>>()
    };
    if names("key").iter().any(|it| it == name) {
        let found = format!("`{name}` for the second time");
        faults.push(Fault::new("--name", found, "a name of its own"));
    }
    let mut teams = names("team");
    teams.push(DEFAULT.to_owned());
    let known = teams.iter().any(|it| it == team);
    if table.is_some() && is_name(team) && !known {
        faults.push_unknown("--team", team, "a team", teams.iter().map(String::as_str));
    }
    if faults.is_empty() {
        Ok(NewKey { identity, ledger, team_is_new: !known })
    } else {
        Err(faults.into_vec())
    }
}
