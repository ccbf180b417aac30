//! Some sections of a configuration alone, for commands that need no more: no other fault of the file stands
//! in their way, and no secret of it need be there.

use std::{io, path::Path};

use policies::{
    Fault,
    document::{Faults, Section},
};

use super::{Laid, Layer, READABLE, laid, placed, read, read_text, secret, variables};
use crate::config::{
    Admin, Ground, Identity, Ledger, Managed, NewKey,
    listener::admin as read_admin,
    new_key as key_to_be,
    outside::Outside,
    validate::{identity as read_identity, ledger as read_ledger},
};

/// Hands the layers of this file, or of none where there is none, to `of`, and places the faults that it
/// finds.
fn some<T>(
    path: &Path,
    text: Option<&str>,
    of: impl FnOnce(&Laid, &Outside<'_>) -> Result<T, Vec<Fault>>,
) -> Result<T, Vec<Fault>> {
    let name = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    let (secret, ground) = (|it: &str| secret(folder, it), |_: &Ground<'_>| Vec::new());
    let outside = Outside {
        file: &name,
        folder,
        variables: &[],
        secret: &secret,
        read: &read,
        ground: &ground,
        managed: &|_: &Ledger| Ok(Managed::default()),
    };
    let document = text.unwrap_or_default();
    let environment = Layer::environment(variables().into_iter());
    let all = laid(document, environment, Layer::overrides(&[]), &outside)?;
    if !all.faults.is_empty() {
        return Err(all.faults);
    }
    let [environment, overrides] = &all.layers;
    of(&all, &outside).map_err(|faults| {
        let (options, faults) = faults.into_iter().partition(|it| it.path.starts_with("--"));
        let placed = placed(faults, (document, &outside), [overrides, environment]);
        [options, placed].concat()
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Vec<Fault> {
    vec![Fault::new("", error.to_string(), READABLE).in_file(&path.display().to_string())]
}

/// What the making of a key of this name in this team needs of the configuration in this file, which need not
/// be whole, nor be there.
///
/// # Errors
/// Every fault of that, with its path.
pub fn new_key(path: &Path, named: (&str, &str)) -> Result<NewKey, Vec<Fault>> {
    let text = match read_text(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(path, &error)),
    };
    some(path, text.as_deref(), |all, outside| {
        // Without a file, what the environment says alone is the configuration.
        let table = text.as_ref().map(|_| &all.table);
        key_to_be::new_key(table, &all.spelled, outside, named)
    })
}

/// The section `[ledger]` of the configuration in this file, for what only reads the ledger.
///
/// # Errors
/// Every fault of that section, with its path.
pub fn ledger(path: &Path) -> Result<Ledger, Vec<Fault>> {
    one(path, "ledger", read_ledger)
}

/// The sections `[identity]` and `[ledger]` of the configuration in this file, for what only hashes.
///
/// # Errors
/// Every fault of these sections, with its path.
pub fn identity(path: &Path) -> Result<(Identity, Ledger), Vec<Fault>> {
    Ok((one(path, "identity", read_identity)?, ledger(path)?))
}

/// The section `[admin]` of the configuration in this file, for what only asks the operators' API.
///
/// # Errors
/// Every fault of that section, with its path.
pub(crate) fn admin(path: &Path) -> Result<Admin, Vec<Fault>> {
    one(path, "admin", read_admin)
}

/// One section, as it is read in the whole.
fn one<T>(
    path: &Path,
    name: &'static str,
    read: impl FnOnce(Section<'_>, &Outside<'_>, &mut Faults) -> T,
) -> Result<T, Vec<Fault>> {
    let text = read_text(path).map_err(|error| unreadable(path, &error))?;
    some(path, Some(&text), |all, outside| {
        let mut faults = Faults::new();
        let mut root = Section::root_with(&all.table, &all.spelled);
        let section = read(root.section(name, &mut faults), outside, &mut faults);
        if faults.is_empty() { Ok(section) } else { Err(faults.into_vec()) }
    })
}
