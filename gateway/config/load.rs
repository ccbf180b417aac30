//! The layers: file, then environment (`SIGNALBOX__SECTION__KEY`). The only use of figment, and the
//! only place that reads files and variables for the configuration.

use std::path::Path;

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use policies::Fault;

use super::{
    Config,
    validate::{Outside, validate},
};

/// Loads and validates the configuration in this file. Relative paths in it start at its folder.
///
/// # Errors
/// Every fault, with its path.
pub fn load(path: Option<&Path>) -> Result<Config, Vec<Fault>> {
    let path = path.unwrap_or(Path::new("signalbox.toml"));
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Fault::new(&name, error.to_string(), "a readable file")])?;
    // figment names no place for a syntax error; toml does.
    if let Err(error) = text.parse::<toml::Table>() {
        return Err(vec![policies::not_toml(&text, &error)]);
    }
    let layers = Figment::from(Toml::string(&text)).merge(Env::prefixed("SIGNALBOX__").split("__"));
    let table: toml::Table = layers
        .extract()
        .map_err(|error| vec![Fault::new("environment", error.to_string(), "a value")])?;
    let folder = path.parent().unwrap_or(Path::new(""));
    validate(
        &table,
        &Outside { folder, secret: &|reference| secret(folder, reference), read: &read },
    )
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Resolves `env:NAME` or `file:path`. Never says what it found.
fn secret(folder: &Path, reference: &str) -> Result<String, String> {
    let value = match reference.split_once(':') {
        Some(("env", name)) => std::env::var(name)
            .map_err(|_| format!("environment variable {name}, which is not set"))?,
        Some(("file", path)) => {
            let text = std::fs::read_to_string(folder.join(path));
            text.map_err(|error| format!("file {path}: {error}"))?
        }
        _ => return Err(String::from("a value that is no reference")),
    };
    let value = value.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(format!("{reference}, which is empty"));
    }
    Ok(value.to_owned())
}
