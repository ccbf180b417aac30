//! A configuration as its file alone says it.

use std::path::Path;

use policies::Fault;

use super::{Config, Ledger, Managed, load::read_layers};

/// Loads the configuration in this file as a process has it whose environment says nothing of ours.
///
/// # Errors
/// Every fault, with its path.
pub(crate) fn load_alone(path: &Path) -> Result<Config, Vec<Fault>> {
    let nothing = |_: &Ledger| Ok(Managed::default());
    read_layers(path, &[], Vec::new(), (&|_| Vec::new(), &nothing))
}
