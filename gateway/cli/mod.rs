//! The commands, one file each. Only here does anything go to standard output.

// A command speaks to a person or a pipe: that is its job.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod check;
mod classify;
mod demo;
mod explain;
mod key;
mod ledger;
mod policy;
mod serve;
mod sim;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{self, Config};

/// Exit code: the checked thing is wrong.
const WRONG: u8 = 2;
/// Requests that end nowhere, as `check` and `serve` list them at the most.
const DEAD_ENDS_MAX: usize = 20;
/// Exit code: wrong usage.
const USAGE: u8 = 64;

/// One door to many open models: routed by policy, kept within limits, accounted for exactly.
#[derive(Debug, Parser)]
#[command(name = "signalbox", version, arg_required_else_help = true)]
struct Args {
    /// The configuration file.
    #[arg(long, global = true, default_value = "signalbox.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway before ten simulated models and send it real prompts; needs no configuration.
    Demo(demo::Args),
    /// Run the gateway.
    Serve(serve::Args),
    /// Validate the whole configuration and print every fault.
    Check(check::Args),
    /// Say language and task of each request on standard input (JSON lines in, JSON lines out).
    Classify,
    /// Print the decision for one request, without sending anything.
    Explain(explain::Args),
    /// Test, judge, compare and rehearse policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Make keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Prove the ledger.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Run the simulated fleet alone.
    Sim(sim::Args),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let config = args.config;
    match args.command {
        Command::Demo(args) => asynchronous(demo::run(args)),
        Command::Serve(args) => asynchronous(serve::run(config, args)),
        Command::Check(args) => check::run(&config, &args),
        Command::Classify => classify::run(),
        Command::Explain(args) => explain::run(&config, &args),
        Command::Policy(command) => policy::run(&config, &command),
        Command::Key(command) => key::run(&config, &command),
        Command::Ledger(command) => ledger::run(&config, &command),
        Command::Sim(args) => asynchronous(sim::run(args)),
        Command::Completions { shell } => {
            let name = "signalbox";
            clap_complete::generate(shell, &mut Args::command(), name, &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

fn asynchronous(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            eprintln!("signalbox: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Loads the configuration, or prints every fault of it.
fn load(path: &std::path::Path) -> Result<Config, ExitCode> {
    config::load(Some(path)).map_err(|faults| {
        print_faults(path, &faults);
        ExitCode::from(WRONG)
    })
}

fn print_faults(path: &std::path::Path, faults: &[policies::Fault]) {
    for fault in faults {
        eprintln!("{}: {fault}", path.display());
        if let Some(shown) = shown(path, fault) {
            eprintln!("{shown}");
        }
    }
    let all: usize = faults.iter().map(|fault| 1 + fault.more).sum();
    let plural = if all == 1 { "" } else { "s" };
    eprintln!("{all} fault{plural}");
}

/// The line of a document that is not TOML, with a caret where reading ended.
fn shown(path: &std::path::Path, fault: &policies::Fault) -> Option<String> {
    let (line, column) = fault.path.strip_prefix("line ")?.split_once(", column ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let text = config::read_text(path).ok()?;
    let text = text.lines().nth(line.checked_sub(1)?)?;
    // A secret that was pasted is not shown, nor what stands beside one.
    if ["key", "secret", "token", "pepper"].iter().any(|word| text.contains(word)) {
        return None;
    }
    let (margin, before) = (" ".repeat(line.to_string().len()), " ".repeat(column.checked_sub(1)?));
    Some(format!("  {line} | {text}\n  {margin} | {before}^"))
}

/// Logs go to standard error: as text to a terminal, as JSON elsewhere; `RUST_LOG` chooses the level.
fn log_to_stderr() {
    use std::io::IsTerminal;

    use tracing_subscriber::{EnvFilter, fmt};
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // It would repeat with each probe what is said once of a backend whose certificate is wrong.
    if let Ok(quiet) = "rustls_platform_verifier=off".parse() {
        filter = filter.add_directive(quiet);
    }
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if std::io::stderr().is_terminal() {
        log.try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
}

/// Where the rest of the requests that end nowhere is listed, if there are more.
fn more_dead_ends(all: &[policies::lint::Finding]) -> Option<String> {
    let more = all.len().checked_sub(DEAD_ENDS_MAX).filter(|more| *more > 0)?;
    Some(format!("{more} warnings more: `signalbox policy lint` lists them"))
}
