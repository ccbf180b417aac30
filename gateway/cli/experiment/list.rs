//! `signalbox experiment list`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use policies::experiment::Experiment;
use serde_json::{Value, json};

use super::report::{done, reader};
use crate::{
    cli::{
        demo::table::{Cell, Side, draw},
        load,
        operator::Operator,
        print::{self, err},
    },
    experiment::report::Moment,
    outcome::ExperimentChange,
    record::StoreError,
    store::Reader,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// One JSON object for each experiment.
    #[arg(long)]
    pub(super) json: bool,
    /// A copy of the ledger to read, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Ask the gateway that runs how they stand: units, bounds of guards, shares of the moment.
    #[arg(long, conflicts_with = "ledger")]
    pub(super) live: bool,
    #[command(flatten)]
    pub(super) at: Operator,
}

pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let config = match load(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let file = args.ledger.as_deref().unwrap_or(&config.ledger.sqlite);
    let listed = || {
        let reader = reader(file)?;
        let changes = reader.experiment_changes()?;
        let all = config.policy.experiments().iter();
        all.map(|it| line(it, &reader, &changes)).collect::<Result<Vec<_>, StoreError>>()
    };
    match listed() {
        Ok(lines) if args.json => {
            lines.iter().for_each(|line| print::answer(format_args!("{line}\n")));
            ExitCode::SUCCESS
        }
        Ok(lines) if lines.is_empty() => {
            err!("the policy has no experiments");
            ExitCode::SUCCESS
        }
        Ok(lines) => {
            print::answer(format_args!("{}", table(&lines)));
            ExitCode::SUCCESS
        }
        Err(error) => {
            err!("signalbox: {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

const COLUMNS: [&str; 6] = ["experiment", "state", "arms", "primary", "since", "until"];

fn line(
    it: &Experiment,
    reader: &Reader,
    changes: &[ExperimentChange],
) -> Result<Value, StoreError> {
    let observed = reader.observed(&it.name, &it.version)?;
    let arms: Vec<_> = it.arms.iter().map(|arm| &*arm.name).collect();
    Ok(json!({
        "experiment": &*it.name,
        "version": &*it.version,
        "state": done(it, changes).state().name(),
        "arms": arms,
        "primary": &*it.judged.primary,
        "since": observed.since_ms.map(Moment),
        "until": observed.since_ms.map(|_| Moment(observed.until_ms)),
    }))
}

fn table(lines: &[Value]) -> String {
    let columns = COLUMNS.map(|name| (name, Side::Left));
    let cell = |line: &Value, name: &str| {
        Cell::plain(match line.get(name) {
            Some(Value::String(text)) => text.replace('_', " "),
            Some(Value::Array(all)) => {
                all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            _ => "-".into(),
        })
    };
    let row = |line: &Value| COLUMNS.map(|name| cell(line, name)).to_vec();
    draw(&columns, &lines.iter().map(row).collect::<Vec<_>>(), false)
}
