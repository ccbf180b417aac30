//! A copy of the ledger while it is written: all of one moment, checked before it has its name.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::{
    BUSY_TIMEOUT, audit, boot::beside, damage, failed, files, migrate::AUDITED, reader::connected,
};
use crate::record::StoreError;

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Its size.
    pub bytes: u64,
    /// The number and the hash, in hexadecimal digits, of the newest record of its audit trail, if any.
    pub audit_head: Option<(i64, String)>,
    /// The number of its schema, which is the ledger's: a copy of an older one is as old.
    pub schema: i64,
}

/// A file that is taken away again unless it comes to have its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        for end in ["", "-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&self.0, end));
        }
    }
}

/// Copies the ledger, of this version or an older one, into a file that is not there yet, for its owner
/// alone, in the form that it has. Whoever writes to the ledger
/// goes on; what is written after the beginning is not in the copy.
///
/// # Errors
/// There is such a file already, the ledger cannot be read, or the copy cannot be written or is damaged: then
/// there is no copy.
pub fn backup(ledger: &Path, to: &Path) -> Result<BackedUp, StoreError> {
    absent(to)?;
    let (source, schema) = connected(ledger, BUSY_TIMEOUT)?;
    let unwritable = |error: io::Error| unwritten(to, &error);
    let unfinished = Unfinished(beside(to, &format!(".{}.unfinished", std::process::id())));
    let _ = fs::remove_file(&unfinished.0);
    files::create(&unfinished.0).map_err(unwritable)?;
    let audit_head = copy((&source, schema), &unfinished.0, to)?;
    let file = File::open(&unfinished.0).map_err(unwritable)?;
    file.sync_all().map_err(unwritable)?;
    let bytes = file.metadata().map_err(unwritable)?.len();
    absent(to)?;
    fs::rename(&unfinished.0, to).map_err(unwritable)?;
    let folder = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|it| it.sync_all()).map_err(unwritable)?;
    Ok(BackedUp { bytes, audit_head, schema })
}

/// Nothing is ever written over.
fn absent(to: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unwritten(to, &error)),
        Ok(_) => Err(StoreError::Exists(to.display().to_string())),
    }
}

/// Copies all pages in one step, which is of one moment however much is written meanwhile: in several, each
/// write would begin the copy anew.
fn copy(
    (source, schema): (&Connection, i64),
    unfinished: &Path,
    to: &Path,
) -> Result<Option<(i64, String)>, StoreError> {
    // Room and rights are the copy's: the ledger is only read.
    let failed = |error: rusqlite::Error| match failed(error) {
        error @ (StoreError::Full | StoreError::Unusable(_)) => unwritten(to, &error),
        error => error,
    };
    let mut copy = Connection::open(unfinished).map_err(failed)?;
    copy.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let step = Backup::new(source, &mut copy).and_then(|it| it.step(-1));
    if step.map_err(failed)? != StepResult::Done {
        return Err(StoreError::Locked);
    }
    // One file by itself, that can be read where nothing can be written.
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failed)?;
    let found = damage::found(&copy).or_else(|error| match damage::told(&error) {
        Some(fault) => Ok(vec![fault]),
        None => Err(failed(error)),
    });
    if let Some(fault) = found?.first() {
        let told = "there is no copy, since it would be as the ledger is";
        return Err(StoreError::Damaged(format!("{fault}; {told}")));
    }
    let head = match schema {
        AUDITED.. => audit::head(&copy).map_err(failed)?,
        _ => None,
    };
    copy.close().map_err(|(_, error)| failed(error))?;
    Ok(head.map(|(seq, hash)| (seq, audit::hex(&hash))))
}

/// Why the copy cannot be written, which is no fault of the ledger's.
fn unwritten(to: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!("the copy {} cannot be written: {error}", to.display()))
}
