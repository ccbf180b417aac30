//! `signalbox team`

use std::{path::Path, process::ExitCode};

use super::{
    key::set,
    managed::{Fields, Why, change, list},
    print::err,
};
use crate::config::{Config, DEFAULT_TEAM, Edit, ManagedKind, managed_fields};

/// What can be done to teams.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the teams of the file and of the store.
    List {
        /// Print one object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Change a team of the store; one of a new name is made.
    Set {
        /// Its name.
        name: String,
        /// Its team above.
        #[arg(long)]
        parent: Option<String>,
        #[command(flatten)]
        fields: Fields,
        /// Take a field away, so that its default holds.
        #[arg(long, value_name = "FIELD")]
        unset: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Remove a team of the store that has no keys and no teams below it.
    Remove {
        /// Its name.
        name: String,
        #[command(flatten)]
        why: Why,
    },
}

/// What a list of teams shows.
const COLUMNS: [(&str, &str); 7] = [
    ("NAME", "name"),
    ("PARENT", "parent"),
    ("SOURCE", "source"),
    ("BUDGET", "budget"),
    ("MODELS", "models"),
    ("CREATED", "created_at"),
    ("BY", "created_by"),
];

/// Runs the command.
pub(super) fn run(path: &Path, command: &Command) -> ExitCode {
    let kind = ManagedKind::Team;
    let done = match command {
        Command::List { json } => return list(path, kind, (*json, false), |_| true, &COLUMNS),
        Command::Set { name, parent, fields, unset, why } => {
            let parent = parent.as_deref().map(Into::into);
            let fields = fields.object(&[("parent", parent)], unset);
            fields.and_then(|fields| match super::load(path) {
                Err(code) => Err(code),
                // `default` is a team without being written down.
                Ok(config) if is_written(&config, name) => set(path, (kind, name), fields, why),
                Ok(_) => made(path, name, &fields, why),
            })
        }
        Command::Remove { name, why } => {
            let edit = Edit::Remove { kind, name: name.as_str().into(), version: None };
            change(path, &[edit], why).map(|_| err!("the team `{name}` is gone"))
        }
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// Whether file or store has a team of this name.
fn is_written(config: &Config, name: &str) -> bool {
    let (kind, read) = (ManagedKind::Team, config.read_from());
    let stored = || read.managed.active(kind).any(|row| *row.name == *name);
    read.in_file(kind, name).is_some() || stored()
}

fn made(
    path: &Path,
    name: &str,
    fields: &serde_json::Map<String, serde_json::Value>,
    why: &Why,
) -> Result<(), ExitCode> {
    let fields = managed_fields(ManagedKind::Team, fields).map_err(|error| {
        err!("signalbox: {error}");
        ExitCode::from(super::WRONG)
    })?;
    let edit = Edit::Create { kind: ManagedKind::Team, name: name.into(), fields, hash: None };
    change(path, &[edit], why).map(|_| match name {
        DEFAULT_TEAM => {
            err!("the team `{name}`, that of keys which name none, is written down now");
        }
        _ => err!("the team `{name}` is made"),
    })
}
