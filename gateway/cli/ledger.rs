//! `signalbox ledger`

use std::{path::Path, process::ExitCode};

use crate::store::{Reader, Verification};

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
}

/// Runs the command.
pub(super) fn run(path: &Path, command: &Command) -> ExitCode {
    let Command::Verify { json } = command;
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let file = &config.ledger.sqlite;
    let verified = Reader::open(file).and_then(|reader| reader.verify());
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => {
            eprintln!("signalbox: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    if *json {
        println!("{}", as_json(&verified));
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
        println!("{fault}");
    }
    if it.unchecked > 0 {
        println!("{} rows are of an earlier version, without a checksum", it.unchecked);
    }
    let said = if it.faults.is_empty() { "the ledger is right" } else { "the ledger is wrong" };
    println!(
        "{said}: {} settled, {} recovered, {} open, cost {}",
        it.settled, it.recovered, it.open, it.cost
    );
}
