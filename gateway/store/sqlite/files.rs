//! Whether the ledger's files still stand where they were opened: what is written to a file that has been
//! removed or replaced is gone with the process.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::boot::beside;

/// Which file a path leads to: its device, and its number there.
type Id = (u64, u64);

pub(super) fn id(path: &Path) -> io::Result<Id> {
    fs::metadata(path).map(|it| (it.dev(), it.ino()))
}

/// The files of a ledger that is open, and what they were then.
#[derive(Debug)]
pub(super) struct Files {
    opened: Vec<(PathBuf, Id)>,
    /// What was last said of them.
    lost: bool,
}

impl Files {
    /// Those that there are now: the ledger, its log and the index of that.
    pub(super) fn of(ledger: &Path) -> Self {
        let paths = ["", "-wal", "-shm"].map(|end| beside(ledger, end));
        let opened = paths.into_iter().filter_map(|path| Some((id(&path).ok()?, path)));
        Self { opened: opened.map(|(id, path)| (path, id)).collect(), lost: false }
    }

    /// Whether one of them stands there no more; says so when that changes.
    pub(super) fn lost(&mut self) -> bool {
        let other = self.opened.iter().find_map(|(path, opened)| match id(path) {
            Ok(found) if found == *opened => None,
            Ok(_) => Some((path, String::from("another file is in its place"))),
            Err(error) => Some((path, error.to_string())),
        });
        match (&other, self.lost) {
            (Some((path, found)), false) => {
                let file = path.display();
                tracing::error!(%file, found, "the ledger's file is gone: nothing is accepted");
            }
            (None, true) => {
                let file =
                    self.opened.first().map(|(path, _)| tracing::field::display(path.display()));
                tracing::info!(file, "the ledger's files stand in their place again");
            }
            _ => {}
        }
        self.lost = other.is_some();
        self.lost
    }
}
