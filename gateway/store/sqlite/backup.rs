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

use super::{BUSY_TIMEOUT, Reader, audit, boot::beside, failed, files};
use crate::record::StoreError;

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Its size.
    pub bytes: u64,
    /// The number and the hash, in hexadecimal digits, of the newest record of its audit trail, if any.
    pub audit_head: Option<(i64, String)>,
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

/// Copies the ledger into a file that is not there yet, for its owner alone. Whoever writes to the ledger
/// goes on; what is written after the beginning is not in the copy.
///
/// # Errors
/// There is such a file already, the ledger cannot be read, or the copy cannot be written or is damaged: then
/// there is no copy.
pub fn backup(ledger: &Path, to: &Path) -> Result<BackedUp, StoreError> {
    absent(to)?;
    let source = Reader::open(ledger)?;
    let unfinished = Unfinished(beside(to, &format!(".{}.unfinished", std::process::id())));
    let _ = fs::remove_file(&unfinished.0);
    files::create(&unfinished.0).map_err(io_failed)?;
    let audit_head = copy(&source, &unfinished.0)?;
    let file = File::open(&unfinished.0).map_err(io_failed)?;
    file.sync_all().map_err(io_failed)?;
    let bytes = file.metadata().map_err(io_failed)?.len();
    absent(to)?;
    fs::rename(&unfinished.0, to).map_err(io_failed)?;
    let folder = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|it| it.sync_all()).map_err(io_failed)?;
    Ok(BackedUp { bytes, audit_head })
}

/// Nothing is ever written over.
fn absent(to: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_failed(error)),
        Ok(_) => Err(StoreError::Exists(to.display().to_string())),
    }
}

/// Copies all pages in one step, which is of one moment however much is written meanwhile: in several, each
/// write would begin the copy anew.
fn copy(source: &Reader, to: &Path) -> Result<Option<(i64, String)>, StoreError> {
    let mut copy = Connection::open(to).map_err(failed)?;
    copy.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let step = Backup::new(source.connection(), &mut copy).and_then(|it| it.step(-1));
    if step.map_err(failed)? != StepResult::Done {
        return Err(StoreError::Locked);
    }
    // One file by itself, that can be read where nothing can be written.
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failed)?;
    let check = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let found = copy.query_row("PRAGMA quick_check(1)", [], check).map_err(failed)?;
    if found != "ok" {
        return Err(damaged(&format!("the copy is damaged, as the ledger may be: {found}")));
    }
    let head = audit::head(&copy).map_err(failed)?;
    copy.close().map_err(|(_, error)| failed(error))?;
    Ok(head.map(|(seq, hash)| (seq, audit::hex(&hash))))
}

fn damaged(told: &str) -> StoreError {
    StoreError::Failed(told.into())
}

fn io_failed(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Failed(Box::new(error)),
    }
}
