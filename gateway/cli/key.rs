//! `signalbox key`

mod lines;
mod port;

use std::{path::Path, process::ExitCode, sync::Arc};

use serde_json::{Map, Value};

use super::{
    managed::{Expires, Fields, Why, change, changed, list, span, waits},
    print::{err, out},
};
use crate::{
    app,
    config::{Edit, ManagedKind, ManagedRow, OVERLAP_MS_MAX, managed_fields, over},
    directory,
};

/// What can be done to keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key: it is printed once, alone on standard output, and kept as a keyed hash beside the ledger.
    Create(Create),
    /// List the keys of the file and of the store.
    List {
        /// Those of this team alone.
        #[arg(long)]
        team: Option<String>,
        /// Print one object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Change what binds a key, or what it may do.
    Set {
        /// Its name.
        name: String,
        /// Another team.
        #[arg(long)]
        team: Option<String>,
        #[command(flatten)]
        fields: Fields,
        #[command(flatten)]
        expires: Expires,
        /// Take a field away, so that its default holds.
        #[arg(long, value_name = "FIELD")]
        unset: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Let a key open nothing any more, at once.
    Revoke {
        /// Its name.
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Give a key another secret, which is printed once; the old one opens for a while yet.
    Rotate {
        /// Its name.
        name: String,
        /// For so long the old one opens too, 90d at the most; 0s ends it at once.
        #[arg(
            long,
            value_name = "SPAN",
            default_value = "24h",
            value_parser = overlap,
            allow_hyphen_values = true
        )]
        overlap: i64,
        /// End the overlap of the rotation before, if it runs yet: that secret opens nothing any more.
        #[arg(long)]
        end_overlap: bool,
        #[command(flatten)]
        why: Why,
    },
    /// Print all keys of the store with their hashes, one object of JSON a line.
    Export,
    /// Make the keys of such lines, all or none; those without a hash get a secret, which is printed.
    Import(port::Import),
}

/// Options of `key create`.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// The team it belongs to.
    #[arg(long, default_value = "default")]
    team: String,
    /// Its name.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    expires: Expires,
    /// Keep nothing: print the lines that make the configuration's file know it, on standard error. The
    /// configuration need not be whole for that.
    #[arg(long, conflicts_with_all = ["budget", "models", "expires", "set", "data_class"])]
    lines: bool,
    #[command(flatten)]
    why: Why,
}

/// Runs the command.
pub(super) fn run(path: &Path, command: &Command) -> ExitCode {
    let done = match command {
        // Without a configuration there is no store either.
        Command::Create(it) if it.lines || !path.exists() => {
            return lines::run(path, (&it.team, &it.name));
        }
        Command::Create(it) => create(path, it),
        Command::List { team, json } => {
            let of_team = |it: &Value| {
                team.as_ref()
                    .is_none_or(|team| it.get("team").and_then(Value::as_str) == Some(team))
            };
            return list(path, ManagedKind::Key, (*json, false), of_team, &COLUMNS);
        }
        Command::Set { name, team, fields, expires, unset, why } => {
            let fields = all(fields, expires, team.as_deref(), unset);
            fields.and_then(|it| set(path, (ManagedKind::Key, name), it, why))
        }
        Command::Revoke { name, why } => {
            let edit = Edit::Revoke { name: name.as_str().into(), version: None };
            let done = change(path, &[edit], why);
            done.map(|rows| err!("the key `{name}` opens nothing any more{}", as_before(&rows)))
        }
        Command::Rotate { name, overlap, end_overlap, why } => {
            rotate(path, name, (*overlap, *end_overlap), why)
        }
        Command::Export => return port::export(path),
        Command::Import(import) => return port::import(path, import),
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// What a list of keys shows.
const COLUMNS: [(&str, &str); 8] = [
    ("NAME", "name"),
    ("TEAM", "team"),
    ("SOURCE", "source"),
    ("STATE", "state"),
    ("EXPIRES", "expires"),
    ("LAST USED", "last_used_at"),
    ("CREATED", "created_at"),
    ("BY", "created_by"),
];

/// The time for which an old secret opens too, in milliseconds.
fn overlap(text: &str) -> Result<i64, String> {
    let most = OVERLAP_MS_MAX / 86_400_000;
    let fits = span(text)?;
    if fits > OVERLAP_MS_MAX { Err(format!("expected {most}d at the most")) } else { Ok(fits) }
}

/// What all options of a command say.
fn all(
    fields: &Fields,
    expires: &Expires,
    team: Option<&str>,
    unset: &[String],
) -> Result<Map<String, Value>, ExitCode> {
    let expires = expires.expires.map(|at| at.to_string().into());
    fields.object(&[("team", team.map(Into::into)), ("expires", expires)], unset)
}

/// Changes the fields that are said; those that are `null` are taken away.
pub(super) fn set(
    path: &Path,
    (kind, name): (ManagedKind, &str),
    patch: Map<String, Value>,
    why: &Why,
) -> Result<(), ExitCode> {
    if patch.is_empty() {
        err!("signalbox: nothing to change: name a field, such as --budget 50/month");
        return Err(ExitCode::from(super::USAGE));
    }
    let edit = Edit::Patch { kind, name: name.into(), patch, version: None };
    change(path, &[edit], why).map(|rows| match rows.as_slice() {
        [] => err!("the {kind} `{name}` is as it was: it says all of this already"),
        _ => err!("the {kind} `{name}` is changed"),
    })
}

/// What is said of a change that was so already.
const fn as_before(rows: &[ManagedRow]) -> &'static str {
    if rows.is_empty() { ": as before" } else { "" }
}

fn create(path: &Path, it: &Create) -> Result<(), ExitCode> {
    let Create { team, name, fields, expires, why, .. } = it;
    let fields = all(fields, expires, Some(team), &[])?;
    let (key, hash) = minted(path)?;
    let fields = refused(managed_fields(ManagedKind::Key, &fields))?;
    refused(over(&fields, jiff::Timestamp::now().as_millisecond()))?;
    let (kind, name): (_, Arc<str>) = (ManagedKind::Key, name.as_str().into());
    let edit = Edit::Create { kind, name: Arc::clone(&name), fields, hash: Some(hash) };
    let rows = changed(path, &[edit], why)?;
    if waits(&rows) {
        err!("# The key opens nothing until then.");
    }
    err!("# The key `{name}` is shown once: give it to who is to use it.");
    out!("{key}");
    Ok(())
}

fn rotate(
    path: &Path,
    name: &str,
    (overlap_ms, end_overlap): (i64, bool),
    why: &Why,
) -> Result<(), ExitCode> {
    let (key, hash) = minted(path)?;
    let edit = Edit::Rotate { name: name.into(), hash, overlap_ms, end_overlap, version: None };
    let rows = change(path, &[edit], why)?;
    let previous = rows.first().and_then(|row| row.credential.as_ref()?.previous);
    let until = previous.and_then(|(_, ms)| jiff::Timestamp::from_millisecond(ms).ok());
    match until {
        Some(until) => err!("# The new key is shown once; the old one opens until {until}."),
        None => err!("# The new key is shown once; the old one opens nothing any more."),
    }
    out!("{key}");
    Ok(())
}

/// A new key and its keyed hash.
fn minted(path: &Path) -> Result<(String, String), ExitCode> {
    let config = super::load_identity(path)?;
    let pepper = app::pepper(&config.0, &config.1).map_err(|error| {
        err!("signalbox: {error}");
        ExitCode::FAILURE
    })?;
    let key = directory::new_key(rand::random());
    let hash = directory::hash_line(pepper.expose().as_bytes(), &key);
    Ok((key, hash))
}

fn refused<T>(it: Result<T, crate::config::EditRefused>) -> Result<T, ExitCode> {
    it.map_err(|error| {
        err!("signalbox: {error}");
        ExitCode::from(super::WRONG)
    })
}
