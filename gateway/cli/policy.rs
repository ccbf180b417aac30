//! `signalbox policy`

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use policies::{cases, catalogue};

/// What can be done to policies.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Run the case tables in a folder, or one table.
    Test {
        /// The folder or file.
        #[arg(default_value = "cases")]
        path: PathBuf,
    },
}

/// Runs the command.
pub(super) fn run(command: &Command) -> ExitCode {
    let Command::Test { path } = command;
    let tables = match tables(path) {
        Ok(tables) if !tables.is_empty() => tables,
        Ok(_) => {
            eprintln!("signalbox: there is no table of cases in {}", path.display());
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("signalbox: {}: {error}", path.display());
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
                    println!("{}: {difference}", table.display());
                }
            }
            Err(faults) => {
                failed += 1;
                for fault in faults {
                    println!("{}: {fault}", table.display());
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
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

fn test(table: &Path) -> Result<cases::Report, Vec<policies::Fault>> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| {
            let found = error.to_string();
            vec![policies::Fault::new(path.display().to_string(), found, "a readable file")]
        })
    };
    let document = read(table)?;
    let header = cases::header(&document)?;
    let folder = table.parent().unwrap_or(Path::new(""));
    let policy = read(&folder.join(&header.policy))?;
    let fleet = match header.fleet.as_str() {
        "catalogue" => catalogue(),
        path => crate::config::load(Some(&folder.join(path)))?.policy.fleet().clone(),
    };
    cases::run(&document, &policy, &fleet)
}
