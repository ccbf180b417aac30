//! Whether a ledger could be opened, without making or changing anything.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::Path,
};

use rustix::fs::{Access, access};

use super::{
    boot::{beside, living, locked},
    migrate::{self, NEWEST},
    pepper,
};
use crate::record::StoreError;

/// The number of the schema that this build's ledgers have.
pub const LEDGER_SCHEMA: i64 = NEWEST;

/// What an SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where its head has the number of changes to its tables.
const CHANGES: std::ops::Range<usize> = 40..44;
/// Where its head has the number of the schema, and where it ends.
const VERSION: std::ops::Range<usize> = 60..64;

/// Whether the server could open or make its ledger there. A file of which this process has a part open must
/// not be asked for: closing it would give up the locks on it.
///
/// # Errors
/// What stands in the way.
pub fn usable(path: &Path) -> Result<(), String> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = folder.display();
    match folder.metadata() {
        Err(error) => return Err(format!("the folder {shown}: {error}")),
        Ok(it) if !it.is_dir() => return Err(format!("{shown}, which is no folder")),
        Ok(_) => {}
    }
    if path.is_dir() {
        return Err(format!("{}, which is a folder", path.display()));
    }
    match path.metadata() {
        Ok(it) if !it.is_file() => return Err(format!("{}, which is no file", path.display())),
        // SQLite would follow the link, into a folder that nothing has been said of.
        Err(_) if path.is_symlink() => {
            return Err(format!("{}, a link to nothing that can be read", path.display()));
        }
        _ => {}
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("the folder {shown}: {}", io::Error::from(error)))?;
    // What the server writes beside the ledger.
    for end in ["", ".lock", "-wal", "-shm"] {
        let name = beside(path, end);
        writable(&name).map_err(|error| format!("{}: {error}", name.display()))?;
    }
    ours(path).map_err(|found| format!("{}, {found}", path.display()))?;
    // What is in the log alone, the head does not say.
    match schema(path) {
        Some(found) if found > NEWEST => Err(format!("{}, {}", path.display(), newer(found))),
        _ => Ok(()),
    }
}

/// The number of the schema that the file has by now, where there is a ledger that can be read.
fn schema(path: &Path) -> Option<i64> {
    let connection = pepper::unchanged(path).ok()?;
    migrate::version(&connection).ok()
}

fn newer(found: i64) -> String {
    format!("which has schema {found}: this version knows {NEWEST}")
}

/// The number of the schema of a ledger that a start would bring to this version's; nothing of any other.
#[must_use]
pub fn older(path: &Path) -> Option<i64> {
    schema(path).filter(|found| (1..NEWEST).contains(found))
}

/// Why a start cannot succeed or join whoever has this ledger: it would have to be brought to this version's
/// form under his hands. Nothing where it need not be, or where nobody has it.
#[must_use]
pub fn older_in_use(path: &Path) -> Option<StoreError> {
    older(path).filter(|_| held(path)).and_then(migrate::older_in_use)
}

/// Whether a server has this ledger at the moment, or is about to.
#[must_use]
pub fn held(path: &Path) -> bool {
    living(path).is_ok_and(|living| !living.is_empty())
        || locked(&beside(path, ".lock")).unwrap_or(false)
}

/// A file that is not there can be made where its folder can be written.
fn writable(path: &Path) -> io::Result<()> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.map(drop),
    }
}

/// Whether what stands in the file is a ledger that this program can read.
fn ours(path: &Path) -> Result<(), String> {
    let Ok(file) = File::open(path) else { return Ok(()) };
    let mut head = Vec::new();
    let read = file.take(100).read_to_end(&mut head);
    read.map_err(|error| format!("which cannot be read: {error}"))?;
    if head.is_empty() {
        return Ok(());
    }
    if !head.starts_with(MAGIC) {
        return Err(String::from("which is no SQLite file"));
    }
    let number = |at: std::ops::Range<usize>| {
        head.get(at).and_then(|it| it.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let found = number(VERSION);
    // A ledger gets its tables and the number of their schema at once.
    if found == 0 && number(CHANGES) != 0 {
        return Err(String::from("which holds the tables of another program"));
    }
    match i64::from(found) {
        found if found > NEWEST => Err(newer(found)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_ledger_is_judged_without_being_touched() {
        let folder = std::env::temp_dir().join(format!("signalbox-usable-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        assert_eq!(usable(&at("new.db")), Ok(()));
        assert!(usable(&at("gone/new.db")).unwrap_err().contains("No such file"));
        assert!(usable(&folder).unwrap_err().contains("is a folder"));
        fs::write(at("text"), "not a ledger").unwrap();
        assert!(usable(&at("text")).unwrap_err().contains("no SQLite file"));
        assert!(usable(&at("text/new.db")).unwrap_err().contains("no folder"));
        assert!(usable(Path::new("/dev/null")).unwrap_err().contains("no file"));
        std::os::unix::fs::symlink("gone/new.db", at("link")).unwrap();
        assert!(usable(&at("link")).unwrap_err().contains("link to nothing"));
        fs::remove_file(at("link")).unwrap();
        let foreign = rusqlite::Connection::open(at("foreign")).unwrap();
        foreign.execute("CREATE TABLE t (x)", []).unwrap();
        drop(foreign);
        assert!(usable(&at("foreign")).unwrap_err().contains("another program"));
        fs::remove_file(at("foreign")).unwrap();
        fs::write(at("empty"), "").unwrap();
        assert_eq!(usable(&at("empty")), Ok(()));
        let mut newer = MAGIC.to_vec();
        newer.resize(100, 0);
        newer[VERSION].copy_from_slice(&9_999_u32.to_be_bytes());
        fs::write(at("newer"), newer).unwrap();
        assert!(usable(&at("newer")).unwrap_err().contains("schema 9999"));
        fs::create_dir(at("new.db.lock")).unwrap();
        assert!(usable(&at("new.db")).unwrap_err().contains("new.db.lock"));
        let lock = File::create(at("held.lock")).unwrap();
        assert!(!held(&at("held")) && !held(&at("gone")));
        lock.try_lock().unwrap();
        assert!(held(&at("held")));
        fs::remove_file(at("held.lock")).unwrap();
        let boot = File::create(at("held.boot-7")).unwrap();
        assert!(!held(&at("held")));
        boot.try_lock().unwrap();
        assert!(held(&at("held")) && !held(&at("hel")));
        fs::remove_file(at("held.boot-7")).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "nothing was made");
        fs::remove_dir_all(&folder).unwrap();
    }
}
