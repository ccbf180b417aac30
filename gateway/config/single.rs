//! Single values that a command takes before there is a file, by the rules of the file.

use std::path::Path;

use http::Uri;
use policies::{
    Fault,
    document::{Faults, Section},
};
use toml::Table;

use super::{Secret, load, names, url};

/// The base URL of an endpoint, without slashes at its end.
///
/// # Errors
/// What is wrong with it, in the words of the configuration.
pub(crate) fn base_url(text: &str) -> Result<Uri, Box<Fault>> {
    read("url", text, url::url)
}

/// Whether a text can name a model, a team, a key or a zone.
///
/// # Errors
/// What is wrong with it, in the words of the configuration.
pub(crate) fn name(text: &str) -> Result<(), Box<Fault>> {
    read("name", text, |it, faults| {
        names::name(it, "name", faults);
        Some(())
    })
}

/// The secret that a reference of a configuration in this folder stands for.
///
/// # Errors
/// What stands there instead, never the secret itself.
pub(crate) fn secret(folder: &Path, reference: &str) -> Result<Secret, String> {
    load::secret(folder, reference).map(Secret::new)
}

fn read<T>(
    key: &str,
    text: &str,
    read: impl Fn(&mut Section<'_>, &mut Faults) -> Option<T>,
) -> Result<T, Box<Fault>> {
    let table = Table::from_iter([(key.to_owned(), text.into())]);
    let mut faults = Faults::default();
    let value = read(&mut Section::root(&table), &mut faults);
    match (value, faults.into_vec().into_iter().next()) {
        (Some(value), None) => Ok(value),
        (_, Some(fault)) => Err(Box::new(fault)),
        (None, None) => Err(Box::new(Fault::new(key, text.to_owned(), "another value"))),
    }
}
