//! `[identity]`: by what callers, users and sessions are hashed.

use super::Secret;

/// `[identity]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The key of all keyed hashes: from the configuration, or `None` and made once beside the SQLite
    /// file (mode 0600) when the gateway starts.
    pub pepper: Option<Secret>,
    /// The reference by which the configuration names it, such as `env:PEPPER`.
    pub source: Option<Box<str>>,
}
