//! The commands, one file each. Only here does anything go to standard output.

mod asking;
mod audit;
mod check;
mod classify;
mod demo;
mod experiment;
mod explain;
mod import;
mod init;
mod key;
mod ledger;
mod managed;
mod operator;
mod policy;
mod print;
mod proposal;
mod serve;
mod sim;
mod spend;
mod switch;
mod team;
mod top;
mod user;
mod why;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::LazyLock,
};

use clap::{CommandFactory, Parser, Subcommand};
use policies::{Fault, counted};

use self::print::err;
use crate::{
    app,
    config::{self, Config},
    store,
};

/// Exit code: the checked thing is wrong.
const WRONG: u8 = 2;
/// Requests that end nowhere, as `check` and `serve` list them at the most.
const DEAD_ENDS_MAX: usize = 20;
/// Exit code: wrong usage.
const USAGE: u8 = 64;

/// The configuration that commands take where none is named.
const CONFIG: &str = "signalbox.toml";

/// The version, and whose ledgers are read: builds between two versions differ in these.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!("{}, ledger schema {}", env!("CARGO_PKG_VERSION"), store::LEDGER_SCHEMA)
});

/// One door to many open models: routed by policy, kept within limits, accounted for exactly.
#[derive(Debug, Parser)]
#[command(name = "signalbox", version = VERSION.as_str(), arg_required_else_help = true)]
struct Args {
    /// The configuration file [default: signalbox.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway before ten simulated models and send it real prompts; needs no configuration.
    Demo(demo::Args),
    /// Write a configuration, a policy and a first key from what backends say of themselves.
    Init(init::Args),
    /// Write a configuration and a policy from the configuration of another gateway.
    #[command(subcommand)]
    Import(import::Command),
    /// Run the gateway.
    Serve(serve::Args),
    /// Validate the whole configuration and print every fault.
    Check(check::Args),
    /// Say language and task of each request on standard input (JSON lines in, JSON lines out).
    Classify(classify::Args),
    /// Print the decision for one request, without sending anything.
    ///
    /// Exit code 0 where there is a decision, a refusal included (JSON has it as `refusal`); 1 where the
    /// request cannot be read; 2 where the configuration is wrong.
    Explain(explain::Args),
    /// Explain a request of the past, served or refused, from the ledger.
    Why(why::Args),
    /// Test, judge, compare and rehearse policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Make, list, change, rotate and revoke keys, also while a gateway serves: it follows within a second.
    #[command(subcommand)]
    Key(key::Command),
    /// List, make, change and remove teams, likewise.
    #[command(subcommand)]
    Team(team::Command),
    /// List, show, approve and reject what waits for a second person, in a gateway that runs.
    #[command(subcommand)]
    Proposal(proposal::Command),
    /// List models, and switch them off and on, also while a gateway serves: it follows within a second.
    #[command(subcommand)]
    Model(switch::ModelCommand),
    /// Drain an endpoint of a model, and let it get requests again, likewise.
    #[command(subcommand)]
    Endpoint(switch::EndpointCommand),
    /// Say what was spent, from the ledger.
    Spend(spend::Args),
    /// Show what a gateway does right now, by model and by team.
    Top(top::Args),
    /// Prove the ledger, copy it, correct an entry, or follow its entries.
    Ledger(ledger::Args),
    /// Say what was changed, by whom and why, from the audit trail in the ledger.
    Audit(audit::Args),
    /// Judge arms by the ledger or by other data, plan experiments, and stop or resume those that run.
    #[command(subcommand)]
    Experiment(experiment::Command),
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
    let named = args.config;
    let config = named.clone().unwrap_or_else(|| PathBuf::from(CONFIG));
    match args.command {
        Command::Init(args) => asynchronous(init::run(args, named)),
        Command::Import(command) => import::run(&command),
        Command::Demo(args) => asynchronous(demo::run(args)),
        Command::Serve(args) => asynchronous(serve::run(config, args)),
        Command::Check(args) => check::run(&config, &args),
        Command::Classify(args) => classify::run(&args),
        Command::Explain(args) => explain::run(&config, &args),
        Command::Why(args) => why::run(&config, &args),
        Command::Policy(command) => policy::run(&config, &command),
        Command::Key(command) => key::run(&config, &command),
        Command::Team(command) => team::run(&config, &command),
        Command::Proposal(command) => asynchronous(proposal::run(named, command)),
        Command::Model(command) => switch::model(&config, &command),
        Command::Endpoint(command) => switch::endpoint(&config, &command),
        Command::Spend(args) => spend::run(&config, &args),
        Command::Top(args) => asynchronous(top::run(named, args)),
        Command::Ledger(args) => ledger::run(&config, &args),
        Command::Audit(args) => audit::run(&config, &args),
        Command::Experiment(command) => experiment::run((&config, named), command),
        Command::Sim(args) => asynchronous(sim::run(args, named)),
        Command::Completions { shell } => {
            let name = "signalbox";
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), name, &mut script);
            print::answer(format_args!("{}", String::from_utf8_lossy(&script)));
            ExitCode::SUCCESS
        }
    }
}

fn asynchronous(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            err!("signalbox: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The ledger to read: this file, or the configuration's.
fn ledger_of(named: Option<&Path>, config: &Path) -> Result<PathBuf, ExitCode> {
    match named {
        Some(file) => Ok(file.to_owned()),
        None => load_ledger(config).map(|ledger| ledger.sqlite),
    }
}

/// A command for this configuration, as it is typed.
fn command_of(config: &Path, command: &str) -> String {
    if config.as_os_str() == CONFIG {
        return format!("signalbox {command}");
    }
    format!("signalbox --config {} {command}", typed(config))
}

/// A path as it is typed into a shell.
fn typed(path: &Path) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let path = path.display().to_string();
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Loads the configuration, or prints every fault of it.
fn load(path: &Path) -> Result<Config, ExitCode> {
    app::load(path).map_err(|faults| {
        print_faults(&faults);
        ExitCode::from(WRONG)
    })
}

/// The section `[ledger]` alone, for what only reads the ledger; or prints every fault of it.
fn load_ledger(path: &Path) -> Result<config::Ledger, ExitCode> {
    config::ledger(path).map_err(|faults| {
        print_faults(&faults);
        ExitCode::from(WRONG)
    })
}

/// The sections `[identity]` and `[ledger]` alone, for what only hashes; or prints every fault of them.
fn load_identity(path: &Path) -> Result<(config::Identity, config::Ledger), ExitCode> {
    config::identity(path).map_err(|faults| {
        print_faults(&faults);
        ExitCode::from(WRONG)
    })
}

fn print_faults(faults: &[Fault]) {
    for fault in faults {
        err!("{fault}");
        if let Some(shown) = shown(fault) {
            err!("{shown}");
        }
    }
    let all: usize = faults.iter().map(|fault| 1 + fault.more).sum();
    err!("{}", counted(all, "fault", "faults"));
}

/// The line of a document that is not TOML, with a caret where reading ended.
fn shown(fault: &Fault) -> Option<String> {
    let (line, column) = (fault.line?, fault.column?);
    let text = config::read_text(Path::new(fault.file.as_deref()?)).ok()?;
    let text = text.lines().nth(line.checked_sub(1)?)?;
    // A secret that was pasted is not shown, nor what stands beside one, nor a password in a URL. The
    // header of a table is none.
    let is_header =
        |it: &str| it.starts_with('[') && it.ends_with(']') && !it.contains(['"', '\'', ' ']);
    let hidden = !is_header(text.trim());
    if hidden
        && ["key", "secret", "token", "pepper", "hash", "@"].iter().any(|word| text.contains(word))
    {
        return None;
    }
    let (margin, before) = (" ".repeat(line.to_string().len()), " ".repeat(column.checked_sub(1)?));
    Some(format!("  {line} | {text}\n  {margin} | {before}^"))
}

/// Where the rest of the requests that end nowhere is listed, if there are more.
fn more_dead_ends(all: &[policies::lint::Finding]) -> Option<String> {
    let more = all.len().checked_sub(DEAD_ENDS_MAX).filter(|more| *more > 0)?;
    let more = counted(more, "warning more", "warnings more");
    Some(format!("{more}: `signalbox policy lint` lists them"))
}
