//! Rows that are changed by hand.

use rusqlite::{Connection, types::Value};

use super::*;

/// What `ledger verify` cannot see, as the page on operations says: columns that change while a gateway
/// runs, by which number processes follow a change, and the checksum of what an earlier version may have
/// written without one.
const UNSEEN: [(&str, &str); 7] = [
    ("boot", "ended_at"),
    ("boot", "checksum"),
    ("entry_close", "checksum"),
    ("key_use", "at_ms"),
    ("key_use", "key"),
    ("managed", "seq"),
    ("meta", "value"),
];

fn now_ms() -> i64 {
    sample::STARTED_MS + 500 * DAY_MS
}

/// A ledger with something in every table, closed.
pub(super) fn written(folder: &Folder) {
    let mut store = folder.open();
    store.write(&opens([on_day(1, 500).opened])).unwrap();
    drop(store);
    let mut store = folder.open();
    let mut other = Opened::clone(&on_day(2, 500).opened);
    let caller = Caller { key_name: "other".into(), ..Caller::clone(&sample::caller()) };
    other.caller = Arc::new(caller);
    other.signals = Arc::new(sample::signals(Language::En, Task::Coding));
    let mut failed = sample::outcome(Arc::new(other));
    failed.ending = Ending::Cancelled;
    let outcomes = (3..6).map(|number| on_day(number, 500));
    let mut group = whole(outcomes.chain([failed]));
    group.refused.push(sample::refused(now_ms(), &sample::names()));
    let trial = enrolled::trial();
    group.refused.push(enrolled::refused_in_arm(now_ms(), &trial));
    for arm in 0..2 {
        let opened = enrolled::in_arm(30 + u64::from(arm), &trial, arm, 0xab);
        let started_at_ms = now_ms();
        group
            .whole
            .push(sample::outcome(Arc::new(Opened { started_at_ms, ..Opened::clone(&opened) })));
        group.feedback.push(enrolled::told(opened.id, "success", f64::from(arm)));
        let shadow = enrolled::shadow(40 + u64::from(arm), &opened);
        group.judged.push(enrolled::judged(shadow.id, "calls_agree"));
        let started_at_ms = now_ms();
        group
            .whole
            .push(sample::outcome(Arc::new(Opened { started_at_ms, ..Opened::clone(&shadow) })));
    }
    group.whole.extend(cached::both().map(|it| {
        let (opened, started_at_ms) = (Opened::clone(&it.opened), now_ms());
        Outcome { opened: Arc::new(Opened { started_at_ms, ..opened }), ..it }
    }));
    group.changes.push(enrolled::change(1, crate::outcome::ExperimentAction::RolledBack));
    store.write(&group).unwrap();
    store.write(&whole((20..22).map(|number| on_day(number, 0)))).unwrap();
    let (signer, introduced) = audit::signer(1);
    store.sign(signer, introduced).unwrap();
    store.keep(Keep::new(400, 0, folder.0.clone(), now_ms));
    store.upkeep();
    managed::two_keys(folder);
    let corrected =
        Correction { request: on_day(3, 500).opened.id, ..adjust::correction(3, 1_000) };
    adjust(&folder.file(), &corrected).unwrap();
    store.upkeep();
    drop(store);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.unchecked), (Vec::new(), 0));
    assert_eq!((verified.settled, verified.recovered), (10, 1));
}

/// The tables with their columns.
fn columns(connection: &Connection) -> Vec<(String, String)> {
    let sql = "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c \
               WHERE m.type = 'table' ORDER BY 1, c.cid";
    let mut select = connection.prepare(sql).unwrap();
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    select.query_map([], pair).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The values of a column, one for each row.
fn values(connection: &Connection, (table, column): (&str, &str)) -> Vec<Value> {
    let sql = format!("SELECT \"{column}\" FROM {table}");
    let mut select = connection.prepare(&sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What a hand might write instead.
fn others(value: &Value) -> Vec<Value> {
    let near = match value {
        Value::Integer(number) => Value::Integer(number.wrapping_add(1)),
        Value::Real(number) => Value::Real(number + 0.000_1),
        Value::Text(text) => Value::Text(format!("{text}x")),
        Value::Blob(bytes) => Value::Blob([bytes.as_slice(), b"x"].concat()),
        Value::Null => Value::Integer(0),
    };
    [near, Value::Null, Value::Real(0.5)].into()
}

/// Each column of each table, of the first row and of the last, changed to each of some values: verifying
/// names it, or the column is one of those that it cannot see.
#[test]
fn a_changed_column_is_found_wherever_it_stands() {
    let folder = Folder::new("every-column");
    written(&folder);
    let changed = folder.0.join("changed.db");
    let connection = Connection::open(folder.file()).unwrap();
    let (mut unseen, mut cases) = (BTreeSet::new(), 0);
    for (table, column) in columns(&connection) {
        let rows = values(&connection, (&table, &column));
        assert!(!rows.is_empty(), "nothing in {table}");
        let ends = [rows.first(), rows.last().filter(|it| Some(*it) != rows.first())];
        for value in ends.into_iter().flatten() {
            for other in others(value).iter().filter(|other| *other != value) {
                fs::copy(folder.file(), &changed).unwrap();
                let by_hand = Connection::open(&changed).unwrap();
                let sql = format!("UPDATE {table} SET \"{column}\" = ?1 WHERE \"{column}\" IS ?2");
                // What the table itself does not take cannot be written by hand either.
                let Ok(1..) = by_hand.execute(&sql, [other, value]) else { continue };
                let faults = Reader::open(&changed).unwrap().verify().unwrap().faults;
                cases += 1;
                if faults.is_empty() {
                    unseen.insert((table.clone(), column.clone()));
                }
            }
        }
    }
    assert!(cases > 150, "{cases} cases");
    let known = UNSEEN.map(|(table, column)| (table.to_owned(), column.to_owned()));
    let more: Vec<_> = unseen.iter().filter(|it| !known.contains(it)).collect();
    assert!(more.is_empty(), "not found: {more:?}");
}

/// Two changes that leave every sum as it was.
#[test]
fn changes_that_cancel_out_are_found_all_the_same() {
    for by_hand in [
        "UPDATE entry_close SET cost_nano = cost_nano + iif(seq = 3, 5, -5) WHERE seq IN (3, 4)",
        "UPDATE entry_close SET input_tokens = 91 - iif(seq = 3, 2, 0) WHERE seq IN (3, 4)",
        "UPDATE entry SET id = iif(seq = 3, 'b', 'a') WHERE seq IN (3, 4)",
        "UPDATE shape SET id = 9 WHERE id = 1; UPDATE shape SET id = 1 WHERE id = 2;
         UPDATE shape SET id = 2 WHERE id = 9;",
        "UPDATE balance SET tree = 9; UPDATE gone SET tree = 9; UPDATE epoch SET tree = 9",
    ] {
        let folder = Folder::new("cancel-out");
        written(&folder);
        Connection::open(folder.file()).unwrap().execute_batch(by_hand).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        assert!(
            faults.iter().any(|it| it.contains("not as it was written")),
            "{by_hand}: {faults:?}"
        );
    }
}

/// What a version that knows no checksums wrote, and still writes beside this one, is no fault.
#[test]
fn rows_of_an_earlier_version_are_counted_and_believed() {
    let folder = Folder::new("unchecked");
    written(&folder);
    let connection = Connection::open(folder.file()).unwrap();
    let without = "UPDATE entry SET checksum = NULL; UPDATE entry_close SET checksum = NULL;
                   UPDATE shape SET checksum = NULL; UPDATE boot SET checksum = NULL";
    connection.execute_batch(without).unwrap();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.unchecked), (Vec::new(), 11 + 11 + 2 + 2));
    let drop_column = "UPDATE entry SET boot = NULL; ALTER TABLE entry DROP COLUMN checksum";
    connection.execute_batch(drop_column).unwrap();
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

/// Whatever row of what decides is removed, it is named; before the mark an earlier version had none.
#[test]
fn what_is_removed_is_named() {
    let removed = "is missing: its row was removed";
    for (by_hand, named) in [
        ("DELETE FROM policy", format!("the policy 2026-01 (aabb) {removed}")),
        (
            "DELETE FROM price WHERE model = 'gemma'",
            format!("the price of gemma in ccdd {removed}"),
        ),
        ("DELETE FROM price; DELETE FROM policy", format!("the price of qwen in ccdd {removed}")),
        (
            "DELETE FROM key_models WHERE \"key\" NOT IN ('', '*')",
            format!("1 list of what a key could use {removed}"),
        ),
        (
            "DELETE FROM key_models",
            "2 lists of what keys could use are missing: their rows were removed".into(),
        ),
        ("DELETE FROM tree", "1 policy has lost its tree of teams".into()),
        ("DELETE FROM epoch", "2 refusals have lost their policy".into()),
    ] {
        let folder = Folder::new("removed");
        written(&folder);
        Connection::open(folder.file()).unwrap().execute_batch(by_hand).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        assert!(faults.contains(&named), "{by_hand}: {faults:?}");
    }
    let folder = Folder::new("removed-before");
    written(&folder);
    let connection = Connection::open(folder.file()).unwrap();
    let earlier =
        "DELETE FROM policy; DELETE FROM price; DELETE FROM meta WHERE name = 'policies_from'";
    connection.execute_batch(earlier).unwrap();
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
    let was_kept =
        || folder.reader().request(on_day(3, 500).opened.id).unwrap().unwrap().policy_was_kept;
    assert_eq!(was_kept(), None);
    drop(folder.open());
    assert_eq!(was_kept(), Some(false), "the mark is made anew, after what is there");
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}
