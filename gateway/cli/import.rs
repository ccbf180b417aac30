//! `signalbox import`: from the configuration of another gateway to one of this.
//!
//! What the file says is written as a configuration and a policy, and each key that cannot be is said with
//! its path and what to do about it. It refuses to write a secret, to guess, and to touch what is there
//! without `--force`. This file alone reads and writes files; all else are functions of texts.

mod book;
mod deployment;
mod facts;
mod group;
mod kind;
mod number;
mod place;
mod provider;
mod reasons;
mod render;
mod report;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod translate;
mod yaml;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use policies::counted;

use self::translate::Translation;
use super::{
    init::files::{self, NewFile},
    print::{answer, err},
};

/// What can be imported.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Write a configuration and a policy from the config.yaml of a `LiteLLM` proxy.
    ///
    /// Says of each key what became of it: the list stands on standard output, all else on standard error.
    /// Exit code 0 where the files are written, 1 where a file cannot be read or is in the way, 2 where the
    /// file is wrong or has no model that can be carried over.
    Litellm(Args),
}

/// Options of `import litellm`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to import
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder for signalbox.toml and policy.toml
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Replace files that are there; they are kept as <name>.old, <name>.old.2, …
    #[arg(long)]
    force: bool,
    /// Print a line of JSON for each key, and for each variable that is to be set
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> ExitCode {
    let Command::Litellm(args) = command;
    match import(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => {
            err!("Nothing was written.");
            ExitCode::from(code)
        }
    }
}

/// Exit code: it could not be run.
const FAILED: u8 = 1;

fn import(args: &Args) -> Result<(), u8> {
    let paths = [super::CONFIG, "policy.toml"].map(|name| args.out.join(name));
    if !args.force {
        is_free(&paths)?;
    }
    let text = text(&args.file)?;
    let variable = |name: &str| std::env::var(name).ok();
    let found = translate::translate(&text, &variable).map_err(|fault| {
        err!("{}", fault.in_file(&args.file.display().to_string()));
        super::WRONG
    })?;
    let list = if args.json { report::json_lines(&found) } else { report::list(&found) };
    let Translation { texts: Some(texts), counts: [models, names], .. } = found else {
        answer(format_args!("{list}"));
        err!("signalbox: {}: none of its models can be carried over", args.file.display());
        return Err(super::WRONG);
    };
    let file =
        |(path, text): (&PathBuf, String)| NewFile { path: path.clone(), text, secret: false };
    let new: Vec<NewFile> = paths.iter().zip(texts).map(file).collect();
    files::write(&new, args.force).map_err(|wrong| {
        err!("signalbox: {wrong}");
        FAILED
    })?;
    answer(format_args!("{list}"));
    let [config, policy] = &paths;
    err!(
        "Written: {}, {}: {} under {}",
        super::typed(config),
        super::typed(policy),
        counted(models, "model", "models"),
        counted(names, "name", "names"),
    );
    err!("Next, with the variables set:");
    for command in ["check", "policy lint", "serve"] {
        err!("  {}", super::command_of(&plain(config), command));
    }
    Ok(())
}

/// The same without `./` before it.
fn plain(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}

/// Whether nothing stands where something is to be written.
fn is_free(paths: &[PathBuf]) -> Result<(), u8> {
    let taken = paths.iter().find(|it| std::fs::symlink_metadata(it).is_ok());
    let Some(path) = taken else { return Ok(()) };
    let (old, path) = (files::free_old(path), path.display());
    err!("signalbox: {path} is already there: --force replaces it, and keeps {}", old.display());
    Err(FAILED)
}

/// The text of a file; of one that is too large, enough to see that.
fn text(path: &Path) -> Result<String, u8> {
    let most = u64::try_from(yaml::BYTES_MAX + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|it| it.take(most).read_to_end(&mut bytes));
    read.map_err(|error| {
        err!("signalbox: {}: {error}", path.display());
        FAILED
    })?;
    // A file that is cut may end within a character: it is too large, and that is said.
    if bytes.len() > yaml::BYTES_MAX {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|_| {
        err!("signalbox: {}: it is no text in UTF-8", path.display());
        super::WRONG
    })
}
