//! `signalbox key`

use std::{path::Path, process::ExitCode};

use super::print::{err, out};
use crate::{app, config, directory};

/// What can be done to keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key: prints it once, alone on standard output, and on standard error the lines that make the
    /// configuration know it. The configuration need not be whole yet.
    Create(Create),
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
    #[arg(long, hide = true)]
    budget: Option<String>,
    #[arg(long, hide = true)]
    models: Option<String>,
    #[arg(long, hide = true)]
    expires: Option<String>,
}

/// Runs the command.
pub(super) fn run(path: &Path, command: &Command) -> ExitCode {
    let Command::Create(create) = command;
    if let Some((option, instead)) = create.later() {
        err!(
            "signalbox: --{option}: not supported by this version; make the key without it, and write \
             `{instead}` into its [[key]]"
        );
        return ExitCode::from(super::USAGE);
    }
    let Create { team, name, .. } = create;
    let new = match config::new_key(path, (team, name)) {
        Ok(new) => new,
        Err(faults) => {
            let usage = faults.iter().all(|it| it.path.starts_with("--"));
            faults.iter().for_each(|fault| err!("signalbox: {fault}"));
            return ExitCode::from(if usage { super::USAGE } else { super::WRONG });
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

impl Create {
    /// The first option that this version does not have, and what stands in for it.
    fn later(&self) -> Option<(&'static str, String)> {
        let amount = |text: &str| {
            let (amount, window) = text.split_once('/').unwrap_or((text, "month"));
            format!("budget = {{ amount = {amount:?}, window = {window:?} }}")
        };
        let models = |text: &str| {
            let models: Vec<&str> = text.split(',').map(str::trim).collect();
            format!("models = {models:?}")
        };
        let budget = self.budget.as_deref().map(|it| ("budget", amount(it)));
        let models = self.models.as_deref().map(|it| ("models", models(it)));
        let expires = || String::from("expires = \"2027-01-31T00:00:00Z\"");
        budget.or(models).or_else(|| self.expires.is_some().then(|| ("expires", expires())))
    }
}
