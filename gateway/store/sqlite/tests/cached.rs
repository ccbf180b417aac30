//! Answers that were given again, in the books.

use policies::facts::ModelIndex;
use rusqlite::Connection;

use super::*;
use crate::outcome::{AttemptLog, CacheResult, Cached, GivenAgain};

/// A settled entry of which the cache had this.
fn one(number: u64, result: Option<CacheResult>, saved: Option<i64>) -> Outcome {
    let opened = Opened::clone(&sample::opened(number, &sample::names()));
    let again = |nano| GivenAgain { model: ModelIndex(1), cost: Money::from_nano(nano) };
    let cached = result.map(|result| Cached { result, answer: saved.map(again) });
    let mut outcome = sample::outcome(Arc::new(Opened { cached, ..opened }));
    if saved.is_some() {
        outcome.attempt_log = AttemptLog::default();
        outcome.charge.cost = Money::ZERO;
    }
    outcome
}

/// One of each kind: an answer that was made, and one that was given again.
pub(super) fn both() -> [Outcome; 2] {
    [one(50, Some(CacheResult::Miss), None), one(51, Some(CacheResult::Hit), Some(1_234))]
}

fn written(folder: &Folder) -> Sqlite {
    let mut store = folder.open();
    let all = [
        one(1, None, None),
        one(2, Some(CacheResult::Miss), None),
        one(3, Some(CacheResult::Expired), None),
        one(4, Some(CacheResult::Hit), Some(1_234)),
        one(5, Some(CacheResult::Waited), Some(0)),
    ];
    store.write(&whole(all)).unwrap();
    store
}

type Columns = (Option<String>, Option<i64>, String, String);

fn columns(folder: &Folder) -> Vec<Columns> {
    let view = Connection::open(folder.file()).unwrap();
    let sql = "SELECT cache, saved_nano, model, attempts FROM ledger ORDER BY id";
    let mut select = view.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    select.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn it_says_of_each_entry_what_the_cache_had_and_what_that_saved() {
    let folder = Folder::new("cached");
    let _store = written(&folder);
    let found = columns(&folder);
    let said: Vec<_> = found.iter().map(|it| (it.0.as_deref(), it.1)).collect();
    let hits = [(Some("hit"), Some(1_234)), (Some("hit"), Some(0))];
    assert_eq!(said[..3], [(None, None), (Some("miss"), None), (Some("miss"), None)]);
    assert_eq!(said[3..], hits);
    let models = &sample::names();
    let other = &*models.models()[1].id;
    assert!(found[3..].iter().all(|it| it.2 == other && it.3 == "[]"), "{found:?}");
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.settled), (Vec::<String>::new(), 5));
}

#[test]
fn nobody_bends_it_unseen_and_it_goes_with_its_entry() {
    for (by_hand, told) in [
        ("UPDATE cached SET saved_nano = 9 WHERE seq = 4", "not as it was written"),
        ("UPDATE cached SET result = 'hit' WHERE seq = 2", "not as it was written"),
        ("DELETE FROM cached WHERE seq = 4", "cached lacks 1 row"),
        ("INSERT INTO cached (seq, result) VALUES (1, 'hit')", "cached has 1 row too many"),
        ("UPDATE cached SET seq = 77 WHERE seq = 4", "belongs to no entry"),
        ("DELETE FROM meta WHERE name = 'rows_cached'", "count of the rows of cached is missing"),
    ] {
        let folder = Folder::new("cached-by-hand");
        drop(written(&folder));
        Connection::open(folder.file()).unwrap().execute_batch(by_hand).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        assert!(faults.iter().any(|it| it.contains(told)), "{by_hand}: {faults:?}");
    }
    let folder = Folder::new("cached-goes");
    let mut store = written(&folder);
    store.keep(keeper(3));
    kept(&mut store, sample::STARTED_MS + 40 * 86_400_000);
    let books = Connection::open(folder.file()).unwrap();
    let left: i64 = books.query_row("SELECT count(*) FROM cached", [], |row| row.get(0)).unwrap();
    assert_eq!((left, folder.reader().verify().unwrap().faults), (0, Vec::new()));
}

#[test]
fn a_file_of_the_eighth_version_keeps_all_of_its_rows_and_knows_them_afterwards() {
    let folder = Folder::new("eighth");
    let mut store = folder.open();
    store.write(&whole([one(1, None, None), one(2, None, None)])).unwrap();
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    let before = (rows(&connection), folder.reader().verify().unwrap());
    older::back_to(8, &connection);
    let older = Reader::open(&folder.file());
    assert!(matches!(older, Err(StoreError::Older { found: 8, known: migrate::NEWEST })));
    let mut store = folder.open();
    assert_eq!(
        (rows(&connection), folder.reader().verify().unwrap()),
        (of_the_ninth(before.0), before.1)
    );
    store.write(&whole([one(3, Some(CacheResult::Hit), Some(7))])).unwrap();
    let last = columns(&folder).pop().unwrap();
    assert_eq!((last.0.as_deref(), last.1), (Some("hit"), Some(7)));
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}
