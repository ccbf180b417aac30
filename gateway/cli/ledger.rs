//! `signalbox ledger`

use std::{path::Path, process::ExitCode};

use super::print::{err, out};
use crate::{
    app,
    config::{Config, Credential, Key},
    directory,
    store::{self, Reader, Verification},
};

/// What can be done to the ledger.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Prove that each request has one entry, that the balances are the sums of the entries, and that
    /// nothing is open but what runs. Changes nothing; the gateway may be running.
    Verify {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take the present pepper as the ledger's, where another one was lost or is replaced on purpose; one
    /// is made where there is none. Keys that are given by `hash` must be created anew then.
    AcceptPepper,
}

/// Runs the command.
pub(super) fn run(path: &Path, command: &Command) -> ExitCode {
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match command {
        Command::Verify { json } => verify(&config, *json),
        Command::AcceptPepper => accept_pepper(&config),
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

fn verify(config: &Config, json: bool) -> ExitCode {
    let file = &config.ledger.sqlite;
    let verified = Reader::open(file).and_then(|reader| reader.verify());
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => {
            err!("signalbox: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    if json {
        out!("{}", as_json(&verified));
    } else {
        print(&verified);
    }
    if verified.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::WRONG) }
}

fn as_json(it: &Verification) -> serde_json::Value {
    serde_json::json!({
        "open": it.open, "settled": it.settled, "recovered": it.recovered,
        "unchecked": it.unchecked, "cost": it.cost.to_string(), "faults": it.faults,
    })
}

fn print(it: &Verification) {
    for fault in &it.faults {
        out!("{fault}");
    }
    if it.unchecked > 0 {
        let rows = policies::counted(it.unchecked, "row is", "rows are");
        out!("{rows} of an earlier version, without a checksum");
    }
    let said = if it.faults.is_empty() { "the ledger is right" } else { "the ledger is wrong" };
    out!(
        "{said}: {} settled, {} recovered, {} open, cost {}",
        it.settled,
        it.recovered,
        it.open,
        it.cost
    );
}
