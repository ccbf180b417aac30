//! `signalbox key create --lines`: a key for the configuration's file.

use std::{path::Path, process::ExitCode};

use crate::{
    app,
    cli::print::{err, out},
    config, directory,
};

/// Prints a new key, and the lines that make the file know it.
pub(super) fn run(path: &Path, (team, name): (&str, &str)) -> ExitCode {
    let new = match config::new_key(path, (team, name)) {
        Ok(new) => new,
        Err(faults) => {
            let usage = faults.iter().all(|it| it.path.starts_with("--"));
            faults.iter().for_each(|fault| err!("signalbox: {fault}"));
            return ExitCode::from(if usage { crate::cli::USAGE } else { crate::cli::WRONG });
        }
    };
    let pepper = match app::pepper(&new.identity, &new.ledger) {
        Ok(pepper) => pepper,
        Err(error) => {
            err!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let key = directory::new_key(rand::random());
    let hash = directory::hash_line(pepper.expose().as_bytes(), &key);
    // All of it may be appended to the file as it comes.
    err!("\n# The key is shown once, on standard output: give it to who is to use it.");
    err!("# These lines stand at the end of {}:", path.display());
    if new.team_is_new {
        err!("[[team]]\nname = {team:?}\n");
    }
    err!("[[key]]\nname = {name:?}\nteam = {team:?}\nhash = \"{hash}\"");
    out!("{key}");
    ExitCode::SUCCESS
}
