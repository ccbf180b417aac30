//! `signalbox ledger`

mod adjust;
mod backup;
mod counters;
mod follow;
mod verify;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::print::{err, out};
use crate::{
    app,
    config::{Config, Credential, Key},
    directory, spend, store,
};

/// Options of `ledger`, and what can be done.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    /// Print entries as they settle, one line each, until Ctrl-C. Only reads; the gateway may be restarted.
    #[arg(short, long, required = true)]
    follow: bool,
    /// Begin with those that began then: 10m, 24h, 7d, today, yesterday, a date, a moment (UTC). Without
    /// it, with those that settle from now on.
    #[arg(long, value_name = "TIME", value_parser = spend::point)]
    since: Option<spend::Point>,
    /// The ledger to follow, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Print all columns of each entry, as JSON on one line.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What can be done to the ledger.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prove that each request has one entry, that it costs what its tokens and its prices make, that the
    /// balances are the sums of the entries, and that nothing is open but what runs. Changes nothing; the
    /// gateway may be running.
    Verify(verify::Args),
    /// Copy the ledger into a file, all of one moment; the gateway may be serving. The pepper and the key
    /// of the audit trail are not in it.
    Backup(backup::Args),
    /// Correct what an entry cost, with a record in the audit trail. The entry stays as it was written; its
    /// newest correction counts. The gateway may be running.
    Adjust(adjust::Args),
    /// Take the present pepper as the ledger's, where another one was lost or is replaced on purpose; one
    /// is made where there is none. Keys that are given by `hash` must be created anew then.
    AcceptPepper,
}

/// Runs the command.
pub(super) fn run(path: &Path, args: &Args) -> ExitCode {
    let Some(command) = &args.command else {
        return match super::ledger_of(args.ledger.as_deref(), path) {
            Ok(file) => super::asynchronous(follow::run(&file, args.since, args.json)),
            Err(code) => code,
        };
    };
    match command {
        Command::Verify(args) => verify::run(path, args),
        Command::Backup(args) => backup::run(path, args),
        Command::Adjust(args) => adjust::run(path, args),
        Command::AcceptPepper => match super::load(path) {
            Ok(config) => accept_pepper(&config),
            Err(code) => code,
        },
    }
}

/// Takes the present pepper as the ledger's, and says what it costs.
fn accept_pepper(config: &Config) -> ExitCode {
    let file = config.ledger.sqlite.display();
    if !config.ledger.sqlite.exists() {
        out!("{file} is not there yet, and takes the pepper of the first start: nothing to accept");
        return ExitCode::SUCCESS;
    }
    let pepper = match app::accepted(config) {
        Ok(pepper) => pepper,
        Err(error) => {
            err!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let fingerprint = directory::fingerprint(&pepper);
    let before = match store::accept_pepper(&config.ledger.sqlite, &fingerprint) {
        Ok(before) => before,
        Err(error) => {
            err!("signalbox: {file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let place = app::place(&config.identity, &config.ledger);
    if before.as_ref() == Some(&fingerprint) {
        out!("{file} was written with the pepper in {place} ({fingerprint}): nothing to accept");
        return ExitCode::SUCCESS;
    }
    let instead = before.map_or_else(String::new, |it| format!(", in place of {it}"));
    out!("{file} takes the pepper in {place}, fingerprint {fingerprint}{instead}.");
    let hashed = |key: &&Key| matches!(key.credential, Credential::Hash(_));
    let keys: Vec<_> = config.keys.iter().filter(hashed).map(|key| &*key.name).collect();
    if !keys.is_empty() {
        out!(
            "These keys stand in the configuration by a hash: create each anew with `signalbox key \
             create`, unless that was done with this pepper: {}.",
            keys.join(", ")
        );
    }
    out!("Users and sessions of before are other ones from now on.");
    ExitCode::SUCCESS
}
