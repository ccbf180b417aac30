//! `signalbox experiment`: what data say about arms, how many units it takes to say it, and the switches of
//! those that run.

mod evaluate;
mod list;
mod plan;
mod report;
mod switch;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;

/// What is asked of experiments.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Judge data from elsewhere, by statistics that may be looked at any time; needs no gateway.
    ///
    /// The data are JSON lines in the order of time: `{"unit": "u1", "arm": "a", "value": 0.7}`, with true or
    /// false as value for what is or is not, and with `experiment` where several stand in one file. Several
    /// lines of a unit count as one unit with their mean. Exit code 2 where a line is wrong.
    Evaluate(evaluate::Args),
    /// Say how many units and days an experiment takes.
    Plan(plan::Args),
    /// List the policy's experiments, with what was done about each.
    List(list::Args),
    /// Say what an experiment's requests and what callers told of them say about its arms, and what to do.
    ///
    /// The ledger is only read, beside a gateway that runs or as a copy. Exit code 2 where the
    /// configuration is wrong or its policy has no such experiment.
    Report(report::Args),
    /// Stop an experiment: all its units get the rule's own route, at once and until it is resumed.
    Stop(switch::SwitchArgs),
    /// Resume an experiment that is stopped, or whose arms are rolled back; guards begin anew.
    Resume(switch::SwitchArgs),
}

/// Runs a command on this configuration, which was named or is the one that commands take by themselves.
pub(super) fn run((config, named): (&Path, Option<PathBuf>), command: Command) -> ExitCode {
    match command {
        Command::List(args) if args.live => {
            super::asynchronous(switch::live(named, &args.at, args.json))
        }
        Command::List(args) => list::run(config, &args),
        Command::Report(args) => report::run(config, &args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Stop(args) => {
            super::asynchronous(switch::switch(named, switch::Switch::Stop, args))
        }
        Command::Resume(args) => {
            super::asynchronous(switch::switch(named, switch::Switch::Resume, args))
        }
    }
}

/// A probability that is neither impossible nor certain.
fn probability(text: &str) -> Result<f64, String> {
    let within = |it: &f64| *it > 0.0 && *it < 1.0;
    let read = text.parse().ok().filter(within);
    read.ok_or_else(|| "a number between 0 and 1, such as 0.05, is expected".into())
}
