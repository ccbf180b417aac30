//! `signalbox key export` and `import`: keys by their hashes, one object of JSON a line.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::Value;

use super::minted;
use crate::{
    cli::{
        managed::{Why, changed_at, list, waits},
        print::{err, out},
    },
    config::{Edit, ManagedKind, managed_fields, settable},
    wire::strict,
};

/// Options of `key import`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Import {
    /// The file, `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    why: Why,
}

/// Prints the keys of the store that open something, with their hashes.
pub(super) fn export(path: &Path) -> ExitCode {
    let fits = |it: &Value| {
        let is = |field, text| it.get(field).and_then(Value::as_str) == Some(text);
        is("source", "store") && !is("state", "revoked")
    };
    list(path, ManagedKind::Key, (true, true), fits, &[])
}

/// Makes the keys of the lines, all or none.
pub(super) fn import(path: &Path, import: &Import) -> ExitCode {
    let done = text(&import.file).and_then(|text| {
        let (edits, secrets, lines) = edits(path, &text)?;
        let place = |nth| lines.get(nth).map_or_else(String::new, |line| format!("line {line}: "));
        let waits = waits(&changed_at(path, &edits, &import.why, place)?);
        Ok((if waits { 0 } else { edits.len() }, secrets))
    });
    let (count, secrets) = match done {
        Ok(done) => done,
        Err(code) => return code,
    };
    for (name, key) in secrets {
        out!("{}", serde_json::json!({ "name": name, "key": key }));
    }
    err!("{} made", policies::counted(count, "key is", "keys are"));
    ExitCode::SUCCESS
}

fn text(file: &Path) -> Result<String, ExitCode> {
    let read = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
        }
        _ => std::fs::read_to_string(file),
    };
    read.map_err(|error| {
        err!("signalbox: {}: {error}", file.display());
        ExitCode::FAILURE
    })
}

/// The names of keys that were given a secret, with it.
type Secrets = Vec<(String, String)>;

/// The changes of the lines, the secrets of those that bring no hash, and the number of the line of each.
fn edits(path: &Path, text: &str) -> Result<(Vec<Edit>, Secrets, Vec<usize>), ExitCode> {
    let (mut edits, mut secrets, mut wrong) = (Vec::new(), Secrets::new(), 0_usize);
    let mut lines = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()).filter(|(_, it)| !it.trim().is_empty()) {
        match fields(line) {
            Ok((name, hash, fields)) => {
                let hash = match hash {
                    Some(hash) => hash,
                    None => {
                        let (key, hash) = minted(path)?;
                        secrets.push((name.clone(), key));
                        hash
                    }
                };
                lines.push(number);
                let (kind, name) = (ManagedKind::Key, name.into());
                edits.push(Edit::Create { kind, name, fields, hash: Some(hash) });
            }
            Err(found) => {
                err!("line {number}: {found}");
                wrong += 1;
            }
        }
    }
    match (wrong, edits.is_empty()) {
        (0, false) => Ok((edits, secrets, lines)),
        (0, true) => {
            err!("signalbox: there is no key in it");
            Err(ExitCode::from(crate::cli::WRONG))
        }
        _ => Err(ExitCode::from(crate::cli::WRONG)),
    }
}

/// The name, the hash if there is one, and the fields of a line.
type Line = (String, Option<String>, toml::Table);

/// Reads a line.
fn fields(line: &str) -> Result<Line, String> {
    let mut fields = match strict(line.as_bytes()) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err("expected an object of JSON".into()),
        Err(error) => return Err(format!("expected an object of JSON: {error}")),
    };
    let mut taken = |field: &str| match fields.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{field}`: expected a text")),
    };
    let (name, hash) = (taken("name")?, taken("hash")?);
    let name = name.ok_or("`name` is missing")?;
    settable(&mut fields).map_err(|wrong| format!("`state`: {wrong}"))?;
    let fields = managed_fields(ManagedKind::Key, &fields).map_err(|error| error.to_string())?;
    Ok((name, hash, fields))
}
