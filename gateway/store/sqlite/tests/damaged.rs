//! Bits of the file that are not as they were written: proving finds them, and no copy is made of them.

use rusqlite::Connection;

use super::*;

/// The bytes of a closed ledger with something in every table.
fn bytes(folder: &Folder) -> Vec<u8> {
    by_hand::written(folder);
    let connection = Connection::open(folder.file()).unwrap();
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).unwrap();
    drop(connection);
    fs::read(folder.file()).unwrap()
}

/// Verifying and copying a file of these bytes, of which one is another.
fn tried(
    folder: &Folder,
    bytes: &[u8],
    (at, mask): (usize, u8),
) -> (Result<Vec<String>, StoreError>, Result<(), StoreError>) {
    let (file, to) = (folder.0.join("damaged.db"), folder.0.join("copy.db"));
    let mut bytes = bytes.to_vec();
    bytes[at] ^= mask;
    fs::write(&file, bytes).unwrap();
    let verified = Reader::open(&file).and_then(|it| it.verify()).map(|it| it.faults);
    let copied = backup(&file, &to).map(drop);
    assert_eq!(copied.is_ok(), to.exists());
    let _ = fs::remove_file(&to);
    (verified, copied)
}

fn damaged(told: &str) -> bool {
    told.starts_with("the file is damaged: ")
}

/// The last byte of the root page of each index belongs to an entry of it, if it has any.
#[test]
fn a_flipped_bit_in_any_index_is_found_and_is_not_copied() {
    let folder = Folder::new("damaged-index");
    let bytes = bytes(&folder);
    let connection = Connection::open(folder.file()).unwrap();
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    let sql = "SELECT name, tbl_name, rootpage FROM sqlite_master WHERE type = 'index'";
    let mut select = connection.prepare(sql).unwrap();
    let all = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let all: Vec<(String, String, u32)> = all.collect::<Result<_, _>>().unwrap();
    let whole = tried(&folder, &bytes, (0, 0));
    assert!(whole.0.unwrap().is_empty() && whole.1.is_ok());
    let mut found = 0;
    for (index, table, root) in all {
        let rows = format!("SELECT count(*) FROM {table}");
        if connection.query_row(&rows, [], |row| row.get::<_, i64>(0)).unwrap() == 0 {
            continue;
        }
        let (verified, copied) = tried(&folder, &bytes, ((root * page - 1) as usize, 1));
        let faults = verified.unwrap();
        assert!(faults.iter().any(|it| damaged(it)), "{index}: {faults:?}");
        assert!(matches!(copied, Err(StoreError::Damaged(_))), "{index}: {copied:?}");
        found += 1;
    }
    assert!(found > 9, "{found} indexes");
}

/// Whatever bit of the schema is flipped: the file is right, wrong, or not a ledger of this version, and is
/// never said to have failed.
#[test]
fn a_flipped_bit_in_the_schema_is_told_as_damage() {
    let folder = Folder::new("damaged-schema");
    let bytes = bytes(&folder);
    for at in (100..4 * 4096).step_by(149) {
        let (verified, copied) = tried(&folder, &bytes, (at, 1));
        assert!(!matches!(verified, Err(StoreError::Failed(_))), "{at}: {verified:?}");
        assert!(!matches!(copied, Err(StoreError::Failed(_))), "{at}: {copied:?}");
    }
    let places = bytes.windows(9).enumerate();
    let column = places.filter(|(_, it)| it == b"cost_nano").map(|(at, _)| at);
    let mut told = 0;
    for at in column.take(12) {
        let (verified, _) = tried(&folder, &bytes, (at, 1));
        let faults = verified.unwrap_or_else(|error| vec![error.to_string()]);
        told += u32::from(faults.iter().any(|it| damaged(it)));
    }
    assert!(told > 0, "no column was missed");
}
