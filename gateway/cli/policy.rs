//! `signalbox policy`

mod limits;
mod replay;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use policies::{Fault, Policy, cases, catalogue, counted, facts::FleetFacts, lint::Severity};

use self::limits::Limits;
use super::print::{err, out};
use crate::{app, config};

/// What can be done to policies.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Look for rules that never route, leaks, gaps and empty routes, each with a request that shows it.
    Lint {
        /// The policy's file; that of the configuration where none is named. Without a configuration it
        /// is judged against the demo's models.
        policy: Option<PathBuf>,
        /// Print a line of JSON for each finding.
        #[arg(long)]
        json: bool,
    },
    /// Say which requests another policy decides otherwise, as conditions.
    Diff {
        /// The policy that is in force.
        before: PathBuf,
        /// The one that would be.
        after: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Rehearse a policy on the ledger's past requests: what moves, what it would cost, who is refused.
    Replay(replay::Args),
    /// Run the case tables in a folder, or one table.
    Test {
        /// The folder or file.
        #[arg(default_value = "cases")]
        path: PathBuf,
    },
}

/// Runs the command.
pub(super) fn run(config: &Path, command: &Command) -> ExitCode {
    match command {
        Command::Lint { policy, json } => lint(config, policy.as_deref(), *json),
        Command::Diff { before, after, json } => diff(config, [before, after], *json),
        Command::Replay(args) => replay::run(config, args),
        Command::Test { path } => test_all(path),
    }
}

fn lint(config: &Path, file: Option<&Path>, json: bool) -> ExitCode {
    let (policy, source) = match compiled(config, file) {
        Ok(both) => both,
        Err(faults) => {
            super::print_faults(&faults);
            return ExitCode::from(super::WRONG);
        }
    };
    let mut findings = policies::lint::lint(&policy);
    if let Some((name, document)) = source {
        policies::lint::place(&mut findings, &document, &name);
    }
    let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
    let (errors, notes) = (count(Severity::Error), count(Severity::Note));
    for finding in &findings {
        match serde_json::to_string(finding) {
            Ok(line) if json => out!("{line}"),
            _ => out!("{finding}"),
        }
    }
    if !json {
        let rules = policy.rule_names().count();
        let warnings = count(Severity::Warning);
        let notes = if notes > 0 {
            format!(", {}", counted(notes, "note", "notes"))
        } else {
            String::new()
        };
        out!(
            "{}: {}, {}{notes}",
            counted(rules, "rule", "rules"),
            counted(errors, "error", "errors"),
            counted(warnings, "warning", "warnings"),
        );
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::WRONG) }
}

fn diff(config: &Path, [before, after]: [&Path; 2], json: bool) -> ExitCode {
    let both = fleet(config)
        .and_then(|fleet| Ok((compiled_for(before, &fleet)?, compiled_for(after, &fleet)?)));
    let (before, after) = match both {
        Ok(both) => both,
        Err(faults) => {
            super::print_faults(&faults);
            return ExitCode::from(super::WRONG);
        }
    };
    let found = policies::lint::diff(&before, &after);
    match serde_json::to_string_pretty(&found) {
        Ok(text) if json => out!("{text}"),
        _ => {
            found.changes.iter().for_each(|change| out!("{change}\n"));
            found.experiments.iter().for_each(|change| out!("{change}\n"));
            let count = found.changes.len() + found.experiments.len();
            let more = if found.cut { ", and maybe more: too large to compare whole" } else { "" };
            out!("{}{more}", counted(count, "change", "changes"));
        }
    }
    ExitCode::SUCCESS
}

/// A document's name and text.
type Source = (String, String);

/// A policy of a file or, where none is named, of the configuration; and its document, if it has a file.
fn compiled(config: &Path, file: Option<&Path>) -> Result<(Policy, Option<Source>), Vec<Fault>> {
    match file {
        None => {
            let config = app::load(config)?;
            let read = |file: &PathBuf| {
                let text = config::read_text(file).ok()?;
                Some((file.display().to_string(), text))
            };
            let source = config.policy_file.as_ref().and_then(read);
            Ok((config.policy, source))
        }
        Some(file) => {
            let (name, document) = source(file)?;
            let policy = policies::compile(&document, &fleet(config)?);
            let policy = policy.map_err(|faults| in_file(faults, &name))?;
            Ok((policy, Some((name, document))))
        }
    }
}

/// The document of a file; the name of a preset will do.
fn source(file: &Path) -> Result<Source, Vec<Fault>> {
    let preset = file.to_str().filter(|_| !file.exists()).and_then(policies::preset::document);
    match preset {
        Some(document) => Ok((format!("preset {}", file.display()), document.to_owned())),
        None => Ok((file.display().to_string(), read(file)?)),
    }
}

/// The models of the configuration, or of the catalogue where there is none.
fn fleet(config: &Path) -> Result<FleetFacts, Vec<Fault>> {
    if config.exists() {
        return Ok(FleetFacts::clone(app::load(config)?.policy.fleet()));
    }
    Ok(catalogue())
}

/// A policy's file against these models; the name of a preset will do.
pub(super) fn compiled_for(file: &Path, fleet: &FleetFacts) -> Result<Policy, Vec<Fault>> {
    let (name, document) = source(file)?;
    policies::compile(&document, fleet).map_err(|faults| in_file(faults, &name))
}

/// Faults of a document that was read from this file, as it was named.
fn in_file(faults: Vec<Fault>, name: &str) -> Vec<Fault> {
    faults.into_iter().map(|fault| fault.in_file(name)).collect()
}

fn read(path: &Path) -> Result<String, Vec<Fault>> {
    config::read_text(path).map_err(|error| {
        let fault = Fault::new("", error.to_string(), "a readable file");
        vec![fault.in_file(&path.display().to_string())]
    })
}

fn test_all(path: &Path) -> ExitCode {
    let tables = match tables(path) {
        Ok(tables) if !tables.is_empty() => tables,
        Ok(_) => {
            let path = path.display();
            err!("signalbox: there is no table of cases (a file that ends in .toml) in {path}");
            return ExitCode::from(super::WRONG);
        }
        Err(error) => {
            err!("signalbox: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut failed) = (0, 0);
    for table in tables {
        match test(&table) {
            Ok(report) => {
                passed += report.passed;
                failed += report.failed.len();
                for difference in report.failed {
                    let line = difference.line.map(|line| format!(":{line}")).unwrap_or_default();
                    out!("{}{line}: {difference}", table.display());
                }
            }
            Err(faults) => {
                failed += 1;
                faults.iter().for_each(|fault| out!("{fault}"));
            }
        }
    }
    out!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::WRONG) }
}

fn tables(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut tables = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "toml") {
            tables.push(path);
        }
    }
    tables.sort();
    Ok(tables)
}

fn test(table: &Path) -> Result<cases::Report, Vec<Fault>> {
    let (document, name) = (read(table)?, table.display().to_string());
    let header = cases::header(&document).map_err(|faults| in_file(faults, &name))?;
    let folder = table.parent().unwrap_or(Path::new(""));
    let file = folder.join(&header.policy);
    let policy = read(&file)?;
    let (fleet, config) = match header.fleet.as_str() {
        "catalogue" => (catalogue(), None),
        path => {
            let config = app::load(&folder.join(path))?;
            (FleetFacts::clone(config.policy.fleet()), Some(config))
        }
    };
    let classes: &dyn cases::Classes = match &config {
        Some(config) => &Limits(config),
        None => &cases::NoClasses,
    };
    cases::run_classed(&document, &policy, &fleet, classes).map_err(|faults| {
        // Where the table names its policy, the reader wants to know how to open it from here.
        let opened = |fault: Fault| match fault.file.as_deref() {
            Some(named) if named == header.policy => {
                Fault { file: None, ..fault }.in_file(&file.display().to_string())
            }
            _ => fault.in_file(&name),
        };
        faults.into_iter().map(opened).collect()
    })
}
