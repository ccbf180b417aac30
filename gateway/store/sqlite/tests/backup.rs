//! A copy of the ledger, made while it is written.

use std::{
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::*;

/// The names in the folder that begin like the copy's.
fn beside_copy(folder: &Folder) -> Vec<String> {
    let names = fs::read_dir(&folder.0).unwrap();
    let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|it| it.starts_with("copy")).collect();
    names.sort();
    names
}

#[test]
fn a_copy_is_whole_and_of_one_moment_however_much_is_written_meanwhile() {
    let folder = Folder::new("backup");
    let mut store = folder.open();
    let one = |number| sample::outcome(sample::opened(number, &sample::names()));
    store.write(&whole((1..2_000).map(one))).unwrap();
    let (signer, introduced) = audit::signer(1);
    store.sign(signer, introduced).unwrap();
    let over = AtomicBool::new(false);
    let copies = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 2_000;
            while !over.load(Ordering::Relaxed) {
                store.write(&whole([one(number)])).unwrap();
                number += 1;
            }
            number
        });
        let copies: Vec<_> = (0..5)
            .map(|number| {
                let to = folder.0.join(format!("copy-{number}.db"));
                let made = backup(&folder.file(), &to).unwrap();
                (to, made)
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 2_000, "nothing was written meanwhile");
        copies
    });
    let mut settled = 1_998;
    for (to, made) in &copies {
        assert_eq!(fs::metadata(to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(to).unwrap().len(), made.bytes);
        assert_eq!(made.audit_head.as_ref().map(|it| (it.0, it.1.len())), Some((1, 64)));
        let verified = Reader::open(to).unwrap().verify().unwrap();
        assert_eq!(verified.faults, Vec::<String>::new());
        assert!(verified.settled > settled, "{} after {settled}", verified.settled);
        settled = verified.settled.saturating_sub(1);
    }
    let names: Vec<_> = (0..5).map(|number| format!("copy-{number}.db")).collect();
    assert_eq!(beside_copy(&folder), names, "nothing is left beside them");
    // A copy is a ledger, and goes on where it was made.
    drop(Sqlite::open(&copies[0].0, Durability::Process).unwrap());
}

#[test]
fn nothing_is_written_over_and_what_fails_leaves_nothing() {
    let folder = Folder::new("backup-not");
    drop(folder.open());
    let to = folder.0.join("copy.db");
    fs::write(&to, "dear").unwrap();
    for there in [&to, &folder.file(), &folder.0] {
        let told = backup(&folder.file(), there).unwrap_err().to_string();
        assert!(
            told.contains("is there already: expected the name of a file that is not"),
            "{told}"
        );
    }
    assert_eq!(fs::read_to_string(&to).unwrap(), "dear");
    fs::remove_file(&to).unwrap();
    std::os::unix::fs::symlink(folder.0.join("nowhere"), &to).unwrap();
    backup(&folder.file(), &to).unwrap_err();
    fs::remove_file(&to).unwrap();
    fs::write(folder.0.join("plain"), "").unwrap();
    for (to, named) in [("none/copy.db", "the copy "), ("plain/copy.db", "the copy ")] {
        let to = folder.0.join(to);
        let told = backup(&folder.file(), &to).unwrap_err().to_string();
        let named = format!("{named}{} cannot be written: ", to.display());
        assert!(told.starts_with(&named), "{told}");
    }
    let absent = backup(&folder.0.join("none.db"), &to);
    assert!(matches!(absent, Err(StoreError::Absent)), "{absent:?}");
    fs::write(folder.0.join("other.db"), "no ledger, but long enough to be one of another kind")
        .unwrap();
    assert!(matches!(backup(&folder.0.join("other.db"), &to), Err(StoreError::NoLedger)));
    assert_eq!(beside_copy(&folder), Vec::<String>::new());
}

#[test]
fn a_ledger_of_every_older_schema_is_copied_as_it_is_and_goes_on_from_the_copy() {
    let folder = Folder::new("backup-older");
    for (found, tables) in [
        (1, [older::FIRST, "", "PRAGMA user_version = 1"]),
        (2, [older::FIRST, older::SECOND, "PRAGMA user_version = 2"]),
        (3, [older::THIRD, older::THIRD_ROWS, "PRAGMA user_version = 3"]),
        (4, [older::THIRD, older::FOURTH, "PRAGMA user_version = 4"]),
        (7, [""; 3]),
        (8, [""; 3]),
        (9, [""; 3]),
    ] {
        let ledger = folder.0.join(format!("of-{found}.db"));
        if found >= 7 {
            drop(Sqlite::open(&ledger, Durability::Process).unwrap());
        }
        let connection = Connection::open(&ledger).unwrap();
        connection.execute_batch(&tables.concat()).unwrap();
        if found >= 7 {
            older::back_to(found, &connection);
        }
        drop(connection);
        let to = folder.0.join(format!("copy-{found}.db"));
        let made = backup(&ledger, &to).unwrap();
        assert_eq!((made.schema, made.audit_head), (found, None));
        for (file, schema) in [(&to, found), (&ledger, found)] {
            let told = Reader::open(file).unwrap_err();
            assert!(matches!(told, StoreError::Older { found, .. } if found == schema), "{told}");
        }
        drop(Sqlite::open(&to, Durability::Process).unwrap());
        assert_eq!(Reader::open(&to).unwrap().verify().unwrap().faults, Vec::<String>::new());
    }
}
