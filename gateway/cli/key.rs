//! `signalbox key`

use std::{path::Path, process::ExitCode};

use crate::directory;

/// What can be done to keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key: prints it once, and the lines that make the configuration know it.
    Create {
        /// The team it belongs to.
        #[arg(long, default_value = "default")]
        team: String,
        /// Its name.
        #[arg(long)]
        name: String,
    },
}

/// Runs the command.
pub(super) fn run(path: &Path, command: &Command) -> ExitCode {
    let Command::Create { team, name } = command;
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if !config.teams.iter().any(|known| *known.name == **team) {
        let known = config.teams.iter().map(|team| &*team.name);
        let fault = policies::Fault::unknown("--team", team, "a team", known);
        eprintln!("signalbox: {fault}");
        return ExitCode::from(super::USAGE);
    }
    let pepper = match crate::app::pepper(&config) {
        Ok(pepper) => pepper,
        Err(error) => {
            eprintln!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let key = directory::new_key(rand::random());
    let hash = directory::hash_line(pepper.expose().as_bytes(), &key);
    println!("{key}");
    eprintln!("This key is shown once. Put this into the configuration:\n");
    println!("[[key]]\nname = {name:?}\nteam = {team:?}\nhash = \"{hash}\"");
    ExitCode::SUCCESS
}
