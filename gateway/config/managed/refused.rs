//! Why a change of one row cannot be made, in words for whoever asks for it.

use std::sync::Arc;

use super::ManagedKind;

/// Why a change cannot be made, whatever the rest of the configuration says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditRefused {
    /// There is one of that name.
    #[error("there is a {0} `{1}` already")]
    Exists(ManagedKind, Arc<str>),
    /// The name was a key's that was revoked.
    #[error(
        "the key `{0}` was revoked: its name stays its own, so that the books name one key by it"
    )]
    Revoked(Arc<str>),
    /// It is a key that was revoked.
    #[error("the key `{0}` is revoked; nothing of it can be changed")]
    Ended(Arc<str>),
    /// Keys or teams still name the team: how many, and some of them.
    #[error("the team `{0}` is in use by {1}: give them another one first")]
    InUse(Arc<str>, Box<str>),
    /// There is none of that name.
    #[error("there is no {0} `{1}`")]
    Absent(ManagedKind, Arc<str>),
    /// It stands in the configuration's file.
    #[error("the {0} `{1}` stands in the configuration's file, and is changed there")]
    InFile(ManagedKind, Arc<str>),
    /// The version that was meant is that of something that is not there.
    #[error("there is no {0} `{1}`, and so none of version {2}")]
    Gone(ManagedKind, Arc<str>, i64),
    /// A secret belongs to one key for good: whoever had it once would open another one.
    #[error("hash: it is that of the key `{0}`, which {1}: expected a hash of its own")]
    Used(Arc<str>, &'static str),
    /// Somebody has changed it meanwhile.
    #[error("the {0} `{1}` has version {2} by now: `{3}` has changed it")]
    Version(ManagedKind, Arc<str>, i64, Arc<str>),
    /// The secret before the last rotation opens too, until this moment, and would end at once.
    #[error(
        "the key `{0}` was rotated before, and its secret from then opens until {1}: one more rotation ends \
         that at once, and is made where `end_overlap` (`--end-overlap`) says so"
    )]
    Overlap(Arc<str>, jiff::Timestamp),
    /// A key is taken away that there is not: its path, itself, and what is expected.
    #[error("{0}: found `{1}`, expected {2}")]
    Unknown(Box<str>, Box<str>, Box<str>),
    /// A value that no field can have.
    #[error("{0}: found {1}, expected {2}")]
    Field(Box<str>, Box<str>, &'static str),
}
