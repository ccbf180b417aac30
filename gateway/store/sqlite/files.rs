//! Whether the ledger's files still stand where they were opened: what is written to a file that has been
//! removed or replaced is gone with the process.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::boot::beside;

/// Makes the file of a ledger that is not there yet, for its owner alone: SQLite would let everybody read
/// it, and gives the files beside it the mode that this one has. One that is there is not opened: closing
/// it would drop the locks that SQLite holds on it.
pub(super) fn create(path: &Path) -> io::Result<()> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_ledger_is_its_owners_alone_and_an_old_one_stays_as_it_is() {
        let folder = std::env::temp_dir().join(format!("signalbox-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (new, old) = (folder.join("new.db"), folder.join("old.db"));
        fs::write(&old, "kept").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        create(&new).unwrap();
        create(&old).unwrap();
        assert_eq!((mode(&new), mode(&old)), (0o600, 0o640));
        assert_eq!(fs::read_to_string(&old).unwrap(), "kept");
        // SQLite gives what it writes beside it the same mode.
        let connection = rusqlite::Connection::open(&new).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
        assert_eq!(mode(&beside(&new, "-wal")), 0o600);
        drop(connection);
        assert!(create(&folder.join("none").join("new.db")).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
