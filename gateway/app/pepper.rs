//! The pepper with which a process hashes. One that is not the ledger's is refused: with it, every key that
//! is given by its hash would open nothing, and no user or session would be recognised, in silence.

use std::{io, path::Path};

use policies::Fault;

use super::StartError;
use crate::{
    config::{Config, FixedChange, Identity, Ledger, Secret},
    directory,
    store::{self, PepperKnown, Reader, Sqlite},
};

/// The folder that the ledger stands in, and the pepper where the configuration has none.
pub(super) fn folder(ledger: &Ledger) -> &Path {
    let folder = ledger.sqlite.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Where the pepper of a configuration stands, in words.
pub(crate) fn place(identity: &Identity, ledger: &Ledger) -> String {
    match (&identity.pepper, &identity.source) {
        (None, _) => format!("the file {}", folder(ledger).join("pepper").display()),
        (Some(_), Some(source)) => format!("`{source}`"),
        (Some(_), None) => String::from("the configuration"),
    }
}

/// The pepper that there is; none where it is to be made.
pub(super) fn present(identity: &Identity, ledger: &Ledger) -> io::Result<Option<Secret>> {
    match &identity.pepper {
        Some(pepper) => Ok(Some(pepper.clone())),
        None => directory::load_pepper(folder(ledger)),
    }
}

/// Why this pepper, or none, is not the one of a ledger that was written with the one of this fingerprint.
fn other(identity: &Identity, ledger: &Ledger, found: Option<&Secret>, known: &str) -> Fault {
    let place = place(identity, ledger);
    let found = match found {
        Some(pepper) => {
            format!("in {place} a pepper with the fingerprint {}", directory::fingerprint(pepper))
        }
        None => format!("no pepper: {place} is gone"),
    };
    let ledger = ledger.sqlite.display();
    let expected = format!(
        "the pepper with which {ledger} was written, whose fingerprint is {known}: with another one, \
         every key that is given by `hash` is refused with 401, and users and sessions are not \
         recognised. Restore it from the backup; if it is lost, or was changed on purpose, run \
         `signalbox ledger accept-pepper` and create those keys anew"
    );
    Fault::new("identity.pepper", found, expected)
}

/// What is wrong with the pepper, as far as that can be seen before the ledger is opened.
pub(super) fn fault(identity: &Identity, ledger: &Ledger, found: Option<&Secret>) -> Option<Fault> {
    let known = store::pepper_fingerprint(&ledger.sqlite)?;
    let same = found.is_some_and(|pepper| directory::fingerprint(pepper) == known);
    (!same).then(|| other(identity, ledger, found, &known))
}

/// The key of all keyed hashes: read, or made where there is none and the ledger knows of none.
///
/// # Errors
/// When it can be neither read nor made, and when the ledger was written with another one.
pub(crate) fn pepper(identity: &Identity, ledger: &Ledger) -> Result<Secret, StartError> {
    let found = present(identity, ledger).map_err(StartError::Pepper)?;
    if let Some(fault) = fault(identity, ledger, found.as_ref()) {
        return Err(StartError::OtherPepper(fault.to_string()));
    }
    found.map_or_else(|| made(ledger), Ok)
}

/// The pepper, made where there is none, whatever the ledger says.
///
/// # Errors
/// When it can be neither read nor made.
pub(crate) fn accepted(config: &Config) -> Result<Secret, StartError> {
    let found = present(&config.identity, &config.ledger).map_err(StartError::Pepper)?;
    found.map_or_else(|| made(&config.ledger), Ok)
}

fn made(ledger: &Ledger) -> Result<Secret, StartError> {
    directory::load_or_create_pepper(folder(ledger), rand::random()).map_err(StartError::Pepper)
}

/// A place as a field of the log has it: without the quotes that it has in a sentence.
fn bare(place: &str) -> &str {
    place.strip_prefix('`').and_then(|it| it.strip_suffix('`')).unwrap_or(place)
}

/// Keeps the pepper's fingerprint in a ledger that has none.
///
/// # Errors
/// When the ledger has another one, or cannot be written.
pub(super) fn keep(store: &Sqlite, config: &Config, pepper: &Secret) -> Result<(), StartError> {
    let fingerprint = directory::fingerprint(pepper);
    let path = config.ledger.sqlite.display();
    let known = store.pepper(&fingerprint);
    match known.map_err(|error| StartError::Ledger(format!("{path}: {error}")))? {
        PepperKnown::Same => {}
        PepperKnown::New => {
            let place = place(&config.identity, &config.ledger);
            let message =
                "the ledger had no fingerprint of a pepper, and takes that of the present one";
            tracing::info!(ledger = %path, pepper = bare(&place), fingerprint, "{message}");
        }
        PepperKnown::Other(known) => {
            let fault = other(&config.identity, &config.ledger, Some(pepper), &known);
            return Err(StartError::OtherPepper(fault.to_string()));
        }
    }
    Ok(())
}

/// What a reload finds: that another pepper was accepted in the ledger, or stands beside it, takes a restart,
/// for keys that are made with it would open nothing here. One that is gone is said, and keeps nobody from
/// taking a key away: this process has it yet.
pub(super) fn changed(config: &Config, in_force: &str) -> Option<FixedChange> {
    let (identity, ledger) = (&config.identity, &config.ledger);
    let place = place(identity, ledger);
    let other = |found: &str, what: &str| FixedChange {
        path: String::from("identity.pepper"),
        before: format!("fingerprint {in_force}"),
        after: format!("fingerprint {found}, {what}"),
    };
    let known = Reader::open(&ledger.sqlite).and_then(|reader| reader.pepper_fingerprint());
    if let Some(known) = known.ok().flatten().filter(|known| known != in_force) {
        return Some(other(&known, "as accepted in the ledger"));
    }
    // One of the configuration was compared with it.
    match present(identity, ledger) {
        Ok(Some(found)) => {
            let found = directory::fingerprint(&found);
            let differs = identity.pepper.is_none() && found != in_force;
            return differs.then(|| other(&found, &format!("in {place}")));
        }
        Ok(None) => tracing::error!(
            pepper = bare(&place),
            "{place} is gone: restore it, for the next process needs it"
        ),
        Err(error) => tracing::error!(
            pepper = bare(&place),
            %error,
            "{place} cannot be read: the next process needs it"
        ),
    }
    None
}
