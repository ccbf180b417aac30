//! Whether the ledger's files still stand where they were opened: what is written to a file that has been
//! removed or replaced is gone with the process.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::Access;

use super::boot::beside;
use crate::record::StoreError;

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

/// Whether there is a file at this path that this process may read, and write where that is asked for. It is
/// not opened for that: closing it again would drop every lock that this process holds on it, and the next
/// program to look into the ledger would take the log beside it away.
pub(super) fn openable(path: &Path, write: bool) -> Result<(), StoreError> {
    let told = |what: &str, error: io::Error| Err(StoreError::Unusable(format!("{what}{error}")));
    match fs::metadata(path) {
        // SQLite would follow the link, into a folder that nothing has been said of.
        Err(_) if path.is_symlink() => return Err(StoreError::Unusable(LINK.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Absent),
        Err(error) => return told("it cannot be found: ", error),
        Ok(it) if it.is_dir() => return Err(StoreError::Unusable(FOLDER.into())),
        Ok(it) if !it.is_file() => return Err(StoreError::Unusable(NO_FILE.into())),
        Ok(_) => {}
    }
    let may = |access: Access| rustix::fs::access(path, access).map_err(io::Error::from);
    match (may(Access::READ_OK), write) {
        (Err(error), _) => told("it cannot be read: ", error),
        (Ok(()), true) => may(Access::WRITE_OK).or_else(|it| told("it cannot be written: ", it)),
        (Ok(()), false) => Ok(()),
    }
}

/// What is told of something that stands at a ledger's path and is none.
const FOLDER: &str = "it is a folder: expected the ledger's file, as `ledger.sqlite` names it";
const NO_FILE: &str = "it is no regular file: expected the ledger's, as `ledger.sqlite` names it";

const LINK: &str = "it is a link to nothing that can be read";

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
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    use super::*;

    #[test]
    fn what_stands_at_a_ledgers_path_and_is_no_file_is_told_as_what_it_is() {
        let folder =
            std::env::temp_dir().join(format!("signalbox-openable-{}", std::process::id()));
        fs::create_dir_all(folder.join("folder")).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        let socket = UnixListener::bind(folder.join("socket")).unwrap();
        for (name, expected) in [
            ("file", None),
            ("none", Some("there is no such file")),
            ("folder", Some("it is a folder: expected the ledger's file")),
            ("socket", Some("it is no regular file")),
            ("file/ledger.db", Some("it cannot be found: Not a directory")),
        ] {
            for write in [false, true] {
                let told = openable(&folder.join(name), write).err().map(|it| it.to_string());
                let fits =
                    told.as_deref().zip(expected).is_none_or(|(it, all)| it.starts_with(all));
                assert!(fits && told.is_some() == expected.is_some(), "{name}: {told:?}");
            }
        }
        drop(socket);
        fs::remove_dir_all(&folder).unwrap();
    }

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
