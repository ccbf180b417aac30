//! `signalbox check`

use std::{path::Path, process::ExitCode};

use crate::app;

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print faults as JSON lines, and nothing else: none is no line.
    #[arg(long)]
    json: bool,
}

/// Validates everything and prints every fault with path, found and expected.
pub(super) fn run(path: &Path, args: &Args) -> ExitCode {
    match app::check(path) {
        Ok(config) => {
            for note in app::notes(&config) {
                eprintln!("note: {note}");
            }
            for finding in config.dead_ends.iter().take(super::DEAD_ENDS_MAX) {
                eprintln!("policy: {finding}");
            }
            if let Some(more) = super::more_dead_ends(&config.dead_ends) {
                eprintln!("policy: {more}");
            }
            let fleet = config.policy.fleet();
            let good = format!(
                "{}: good: {} models, {} teams, {} keys, policy {}",
                path.display(),
                fleet.models.len(),
                fleet.teams.len(),
                fleet.keys.len(),
                config.policy.version(),
            );
            if args.json {
                eprintln!("{good}");
            } else {
                println!("{good}");
            }
            ExitCode::SUCCESS
        }
        Err(faults) if args.json => {
            for fault in &faults {
                println!(
                    "{}",
                    serde_json::json!({
                        "path": fault.path, "line": fault.line,
                        "found": fault.found, "expected": fault.expected, "more": fault.more,
                    })
                );
            }
            ExitCode::from(super::WRONG)
        }
        Err(faults) => {
            super::print_faults(path, &faults);
            ExitCode::from(super::WRONG)
        }
    }
}
