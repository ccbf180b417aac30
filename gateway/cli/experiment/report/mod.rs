//! `signalbox experiment report`: what the ledger says of an experiment. Only reads it.

mod markdown;
mod read;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use policies::Fault;

pub(super) use self::read::{done, reader};
use crate::{
    cli::{
        WRONG, load,
        print::{self, err},
    },
    experiment::report::{Report, picture::picture},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The experiment's name.
    name: String,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// A folder that gets the decision paper as markdown, and its picture beside it.
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    out: Option<PathBuf>,
    /// A copy of the ledger to read, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Tables, the verdict first.
    Table,
    /// One JSON object.
    Json,
    /// A decision paper; with --out, a picture stands beside it.
    Markdown,
}

pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let config = match load(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let experiments = config.policy.experiments();
    let Some(experiment) = experiments.iter().find(|it| *it.name == *args.name) else {
        let known = experiments.iter().map(|it| &*it.name);
        err!(
            "signalbox: {}",
            Fault::unknown("NAME", &args.name, "an experiment of the policy", known)
        );
        return ExitCode::from(WRONG);
    };
    let file = args.ledger.as_deref().unwrap_or(&config.ledger.sqlite);
    let read = reader(file).and_then(|it| read::report(&it, experiment, &config.ledger.currency));
    match read.map_err(|error| error.to_string()).and_then(|report| said(&report, args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            err!("signalbox: {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

/// Prints the report as it was asked for, or writes it into a folder.
fn said(report: &Report, args: &Args) -> Result<(), String> {
    let text = match args.format {
        _ if args.json => json(report)?,
        Format::Json => json(report)?,
        _ if args.out.is_some() => String::new(),
        Format::Table => table::table(report),
        Format::Markdown => markdown::markdown(report, None),
    };
    print::answer(format_args!("{text}"));
    let Some(folder) = &args.out else { return Ok(()) };
    let written = written(report, folder);
    let paths =
        written.map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
    paths.iter().for_each(|path| err!("written: {}", path.display()));
    Ok(())
}

fn json(report: &Report) -> Result<String, String> {
    serde_json::to_string(report).map(|it| it + "\n").map_err(|error| error.to_string())
}

/// Writes the decision paper and its picture into a folder, which is made where it is not there.
fn written(report: &Report, folder: &Path) -> io::Result<[PathBuf; 2]> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = report.experiment.chars().map(plain).collect();
    let drawn = format!("{name}.svg");
    let paths = [folder.join(format!("{name}.md")), folder.join(&drawn)];
    let [paper, svg] = &paths;
    fs::create_dir_all(folder)?;
    fs::write(svg, picture(report))?;
    fs::write(paper, markdown::markdown(report, Some(&drawn)))?;
    Ok(paths)
}
