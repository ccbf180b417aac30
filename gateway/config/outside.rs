//! What the validation of a configuration asks of the world around it.

use std::path::Path;

use policies::Fault;

use super::{Ground, Ledger, Managed};

/// What validation needs from outside.
pub(super) struct Outside<'a> {
    /// The configuration's file, as it was named; empty where it has no name.
    pub file: &'a str,
    /// Where relative paths start.
    pub folder: &'a Path,
    /// The variables of the environment that are none of its keys.
    pub variables: &'a [(String, String)],
    /// Resolves a reference to a secret; an error says what was found instead.
    pub secret: &'a dyn Fn(&str) -> Result<String, String>,
    /// Reads a file.
    pub read: &'a dyn Fn(&Path) -> Result<String, String>,
    /// Says what of the listeners and the ledger this machine cannot hold.
    pub ground: &'a GroundFn<'a>,
    /// What is managed beside the file, in the store of this ledger.
    pub managed: &'a ManagedFn<'a>,
}

/// What reads, of a ledger, what is managed beside the file; an error says in words why it cannot be read.
pub type ManagedFn<'a> = dyn Fn(&Ledger) -> Result<Managed, String> + 'a;

/// What says what of the listeners and the ledger this machine cannot hold.
pub(super) type GroundFn<'a> = dyn Fn(&Ground<'_>) -> Vec<Fault> + 'a;
