//! The audit trail: written with what it records, and what is done to it by hand is named.

use std::sync::OnceLock;

use rusqlite::{Connection, types::Value};

use super::*;
use crate::outcome::{AuditAction, AuditRecord, ExperimentAction, ExperimentChange};
use crate::store::sqlite::audit as trail;

/// Records in the trails of these tests.
const RECORDS: i64 = 6;
const COLUMNS: [&str; 11] =
    ["seq", "id", "at_ms", "who", "what", "subject", "reason", "before", "after", "prev", "hash"];

fn changes() -> Vec<ExperimentChange> {
    let action = |number| match number % 3 {
        0 => ExperimentAction::Resumed,
        1 => ExperimentAction::Stopped,
        _ => ExperimentAction::RolledBack,
    };
    (1..=u64::try_from(RECORDS).unwrap()).map(|it| enrolled::change(it, action(it))).collect()
}

/// A ledger with such a trail, written in groups of two.
fn written(folder: &Folder) -> Sqlite {
    let mut store = folder.open();
    for changes in changes().chunks(2) {
        store.write(&Group { changes: changes.to_vec(), ..Group::default() }).unwrap();
    }
    store
}

fn by_hand(folder: &Folder, sql: &str) -> Vec<String> {
    Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
    folder.reader().verify().unwrap().faults
}

fn count(folder: &Folder, table: &str) -> i64 {
    let connection = Connection::open(folder.file()).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn each_change_of_an_experiment_has_its_record_once() {
    let folder = Folder::new("audit-once");
    let mut store = written(&folder);
    store.write(&Group { changes: changes(), ..Group::default() }).unwrap();
    drop(store);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.audit), (Vec::new(), 6));
    let connection = Connection::open(folder.file()).unwrap();
    let sql =
        "SELECT who || ' ' || what || ' ' || subject || ' ' || \"after\" FROM audit WHERE seq = 2";
    let said: String = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let change = &changes()[1];
    let arm = change.arm.as_ref().map_or_else(String::new, |arm| format!("\"arm\":\"{arm}\","));
    let expected = format!(
        "{} experiment.rolled_back {} {{{arm}\"version\":\"{}\"}}",
        change.by, change.experiment, change.version
    );
    assert_eq!(said, expected);
}

#[test]
fn a_change_and_its_record_are_both_written_or_neither_is() {
    let folder = Folder::new("audit-both");
    let mut store = folder.open();
    let group = Group { changes: changes(), ..Group::default() };
    for table in ["audit", "experiment_change"] {
        let other = Connection::open(folder.file()).unwrap();
        other.execute_batch(&format!("ALTER TABLE {table} RENAME TO elsewhere")).unwrap();
        assert!(matches!(store.write(&group), Err(StoreError::Failed(_))));
        other.execute_batch(&format!("ALTER TABLE elsewhere RENAME TO {table}")).unwrap();
        assert_eq!((count(&folder, "audit"), count(&folder, "experiment_change")), (0, 0));
        assert_eq!(folder.reader().verify().unwrap(), Verification::default());
    }
    store.write(&group).unwrap();
    assert_eq!(folder.reader().verify().unwrap().audit, 6);
}

#[test]
fn a_change_without_its_record_is_found() {
    let folder = Folder::new("audit-none");
    drop(written(&folder));
    let faults = by_hand(
        &folder,
        "DELETE FROM audit WHERE seq = 6; UPDATE meta SET value = (SELECT '5 ' || lower(hex(hash)) \
         FROM audit WHERE seq = 5) WHERE name = 'audit_head'",
    );
    let id = changes()[5].id;
    assert_eq!(faults, [format!("the change {id} of the experiment ab has no audit record")]);
}

#[test]
fn processes_on_one_file_continue_one_chain() {
    let folder = Folder::new("audit-two");
    let mut first = folder.open();
    let mut second = Sqlite::join(&folder.file(), Durability::Process).unwrap();
    for (at, change) in changes().into_iter().enumerate() {
        let store = if at % 2 == 0 { &mut first } else { &mut second };
        store.write(&Group { changes: vec![change], ..Group::default() }).unwrap();
    }
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.audit), (Vec::new(), 6));
}

#[test]
fn a_file_of_the_sixth_version_begins_its_trail_after_its_changes() {
    let folder = Folder::new("audit-six");
    drop(written(&folder));
    let older = "DROP TABLE audit; DROP TABLE audit_checkpoint; \
         DELETE FROM meta WHERE name LIKE 'audit%'; PRAGMA user_version = 6";
    let connection = Connection::open(folder.file()).unwrap();
    older::back_to(7, &connection);
    connection.execute_batch(older).unwrap();
    let mut store = folder.open();
    assert_eq!(folder.reader().verify().unwrap(), Verification::default());
    let changes = vec![enrolled::change(9, ExperimentAction::Stopped)];
    store.write(&Group { changes, ..Group::default() }).unwrap();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.audit), (Vec::new(), 1));
}

#[test]
fn what_is_removed_put_there_or_cut_off_is_named_by_its_number() {
    let wrong = |seq| format!("audit record {seq} is not as it was written");
    let ends = "the audit trail ends with record 6, and record 7 stands beyond its end".to_owned();
    for (sql, expected) in [
        ("DELETE FROM audit WHERE seq = 3", vec!["audit record 3 is missing: it was removed".into()]),
        (
            "DELETE FROM audit WHERE seq < 3",
            vec!["audit records 1 to 2 are missing: they were removed".into()],
        ),
        (
            "DELETE FROM audit WHERE seq > 4",
            vec!["audit records 5 to 6 are missing: they were removed".into()],
        ),
        (
            "DELETE FROM audit",
            vec!["audit records 1 to 6 are missing: they were removed".into()],
        ),
        (
            "INSERT INTO audit SELECT 7, 'x', at_ms, who, what, subject, reason, NULL, NULL, hash, hash \
             FROM audit WHERE seq = 6",
            vec![wrong(7), ends],
        ),
        (
            "INSERT INTO audit SELECT 0, 'x', at_ms, who, what, subject, reason, NULL, NULL, hash, hash \
             FROM audit WHERE seq = 6",
            vec![wrong(0), "audit record 0 stands before the audit trail begins".into()],
        ),
        ("UPDATE audit SET seq = 99 WHERE seq = 6", vec![
            wrong(99),
            "audit records 6 to 98 are missing: they were removed".into(),
            "the audit trail ends with record 6, and record 99 stands beyond its end".into(),
        ]),
        ("DELETE FROM meta WHERE name = 'audit_head'", vec![
            "the end of the audit trail is not written down: `audit_head` in `meta` was removed or changed"
                .into(),
        ]),
        ("UPDATE meta SET value = replace(value, '6 ', '06 ') WHERE name = 'audit_head'", vec![
            "the end of the audit trail is not written down: `audit_head` in `meta` was removed or changed"
                .into(),
        ]),
        ("DROP TABLE audit; CREATE TABLE aside (x)", vec!["the table audit is missing".into()]),
    ] {
        let folder = Folder::new("audit-by-hand");
        drop(written(&folder));
        let mut faults = by_hand(&folder, sql);
        faults.retain(|it| !it.contains("has no audit record"));
        assert_eq!(faults, expected, "{sql}");
    }
}

#[test]
fn what_is_cut_off_at_the_end_is_named_after_more_was_written() {
    let folder = Folder::new("audit-cut");
    let mut store = written(&folder);
    by_hand(&folder, "DELETE FROM audit WHERE seq > 4");
    let changes = vec![enrolled::change(9, ExperimentAction::Stopped)];
    store.write(&Group { changes, ..Group::default() }).unwrap();
    let faults = folder.reader().verify().unwrap().faults;
    assert_eq!(faults[0], "audit records 5 to 6 are missing: they were removed");
}

/// A signer, and the record that brings its key in.
pub(super) fn signer(seed: u8) -> (Signer, AuditRecord) {
    let signer = Signer::new(&[seed; 32], || sample::STARTED_MS).unwrap();
    let record = AuditRecord {
        id: sample::id(1_000 + u64::from(seed)),
        at_ms: sample::STARTED_MS,
        who: "gateway".into(),
        what: AuditAction::AuditKeyChanged,
        subject: "audit.key".into(),
        reason: "first".into(),
        before: None,
        after: Some(format!("{{\"public_key\":\"{}\"}}", signer.public_key()).into()),
    };
    (signer, record)
}

/// The same trail after a record that brings a key in, signed with it at the end.
fn signed(folder: &Folder) -> String {
    let mut store = folder.open();
    let (signer, record) = signer(1);
    let key = signer.public_key();
    store.sign(signer, record).unwrap();
    store.write(&Group { changes: changes(), ..Group::default() }).unwrap();
    store.finish().unwrap();
    key
}

#[test]
fn the_newest_record_is_signed_at_the_end_and_from_time_to_time() {
    let folder = Folder::new("audit-signed");
    let key = signed(&folder);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.signed), (Vec::new(), Some((7, key.clone()))));
    // The same key needs no record again; another one does, and says what it comes after.
    let mut store = folder.open();
    let (again, record) = signer(1);
    store.sign(again, AuditRecord { id: sample::id(2_000), ..record }).unwrap();
    assert_eq!(store.upkeep().audit_head, 7);
    let (other, record) = signer(2);
    let other_key = other.public_key();
    store.sign(other, record).unwrap();
    assert_eq!(store.upkeep().audit_head, 8);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.signed), (Vec::new(), Some((8, other_key))));
    let connection = Connection::open(folder.file()).unwrap();
    let sql = "SELECT \"before\" FROM audit WHERE seq = 8";
    let before: String = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(before.contains(&key), "{before}");
}

#[test]
fn what_was_signed_and_is_gone_or_another_one_is_named() {
    // Somebody removes the last records and says that the trail ends before them.
    let cut = "DELETE FROM audit WHERE seq > 5; DELETE FROM experiment_change WHERE seq > 4;
        UPDATE meta SET value = '4' WHERE name = 'rows_experiment_change';
        UPDATE meta SET value = (SELECT '5 ' || lower(hex(hash)) FROM audit WHERE seq = 5)
        WHERE name = 'audit_head'";
    for (sql, expected) in [
        (cut, "audit record 7, which was signed, is missing"),
        (
            "UPDATE audit_checkpoint SET signature = zeroblob(64)",
            "the signature of audit record 7 is wrong",
        ),
        (
            "UPDATE audit_checkpoint SET at_ms = at_ms + 1",
            "the signature of audit record 7 is wrong",
        ),
        ("UPDATE audit_checkpoint SET seq = 6", "the signature of audit record 6 is wrong"),
        ("DROP TABLE audit_checkpoint", "the table audit_checkpoint is missing"),
    ] {
        let folder = Folder::new("audit-signed-by-hand");
        signed(&folder);
        assert_eq!(by_hand(&folder, sql), [expected], "{sql}");
    }
}

#[test]
fn a_trail_that_is_made_anew_without_the_key_is_not_the_one_that_was_signed() {
    let folder = Folder::new("audit-forged");
    signed(&folder);
    let mut connection = Connection::open(folder.file()).unwrap();
    connection.execute("DELETE FROM audit", []).unwrap();
    let head = format!("0 {}", "00".repeat(32));
    connection.execute(schema::SET_META, ["audit_head", &head]).unwrap();
    let tx = connection.transaction().unwrap();
    trail::append(&tx, &signer(1).1).unwrap();
    for change in changes() {
        let record = trail::of_change(&change);
        trail::append(&tx, &AuditRecord { who: "nobody".into(), ..record }).unwrap();
    }
    tx.commit().unwrap();
    let faults = folder.reader().verify().unwrap().faults;
    assert_eq!(faults, ["audit record 7 is not the one that was signed"]);
    // With a key of his own, which nobody has brought in.
    connection.execute("DELETE FROM audit_checkpoint", []).unwrap();
    signer(3).0.step(&mut connection, true);
    let faults = folder.reader().verify().unwrap().faults;
    assert_eq!(faults, ["audit record 7 is signed by a key that the audit trail does not name"]);
}

/// A trail that is written once, and a copy of it to spoil.
fn copied(name: &str) -> (Folder, Connection) {
    static WRITTEN: OnceLock<Folder> = OnceLock::new();
    let written = WRITTEN.get_or_init(|| {
        let folder = Folder::new("audit-template");
        drop(written(&folder));
        folder
    });
    let folder = Folder::new(name);
    fs::copy(written.file(), folder.file()).unwrap();
    let connection = Connection::open(folder.file()).unwrap();
    (folder, connection)
}

/// The value with one bit changed, and what it is written by.
fn flipped(value: Value, bit: usize) -> (Value, &'static str) {
    let flip = |mut bytes: Vec<u8>| {
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        Value::Blob(bytes)
    };
    match value {
        Value::Integer(number) => (Value::Integer(number ^ (1 << (bit % 64))), "?1"),
        Value::Text(text) => (flip(text.into_bytes()), "CAST(?1 AS TEXT)"),
        Value::Blob(bytes) => (flip(bytes), "?1"),
        _ => (Value::Text(String::new()), "?1"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_bit_of_any_column_that_is_changed_is_found(
        seq in 1..=RECORDS, column in 0..COLUMNS.len(), bit in 0..4_096_usize,
    ) {
        let (folder, connection) = copied("audit-bit");
        let column = COLUMNS[column];
        let find = format!("SELECT \"{column}\" FROM audit WHERE seq = ?");
        let value: Value = connection.query_row(&find, [seq], |row| row.get(0)).unwrap();
        let (value, by) = flipped(value, bit);
        let number = match (column, &value) { ("seq", Value::Integer(it)) => *it, _ => seq };
        let sql = format!("UPDATE audit SET \"{column}\" = {by} WHERE seq = ?2");
        // A number that another record has cannot be written.
        prop_assume!(connection.execute(&sql, rusqlite::params![value, seq]).is_ok());
        drop(connection);
        let faults = folder.reader().verify().unwrap().faults;
        let named = format!("audit record {number} is not as it was written");
        prop_assert!(faults.contains(&named), "{column} of {seq}: {faults:?}");
        if column == "seq" {
            let missing = format!("{seq} ");
            prop_assert!(faults.iter().any(|it| it.contains(&missing)), "{faults:?}");
        } else if column == "id" {
            prop_assert_eq!(faults.len(), 2, "and its change has none: {:?}", faults);
        } else {
            prop_assert_eq!(faults, [named]);
        }
    }

    #[test]
    fn records_that_are_removed_or_change_places_are_found(
        a in 1..=RECORDS, b in 1..=RECORDS,
    ) {
        let (first, last) = (a.min(b), a.max(b));
        let (folder, connection) = copied("audit-run");
        connection.execute("DELETE FROM audit WHERE seq BETWEEN ? AND ?", [first, last]).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        let named = match first == last {
            true => format!("audit record {first} is missing: it was removed"),
            false => format!("audit records {first} to {last} are missing: they were removed"),
        };
        prop_assert!(faults.contains(&named), "{:?}", faults);
        drop((folder, connection));
        prop_assume!(first != last);
        let (folder, connection) = copied("audit-swap");
        for (from, to) in [(first, -1), (last, first), (-1, last)] {
            connection.execute("UPDATE audit SET seq = ?2 WHERE seq = ?1", [from, to]).unwrap();
        }
        let expected = [first, last].map(|it| format!("audit record {it} is not as it was written"));
        let faults = folder.reader().verify().unwrap().faults;
        let named: Vec<_> = faults.iter().filter(|it| it.contains("not as it was")).collect();
        prop_assert_eq!(named, expected.iter().collect::<Vec<_>>());
    }
}
