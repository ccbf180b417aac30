//! How much a request asks and what it contains: entries, refusals, and a file of the ninth version.

use policies::facts::{Complexity, Content, Signals};

use super::*;

/// Hard, with an identity number and two of telephones.
pub(super) fn in_full(signals: &mut Signals) {
    signals.complexity = Complexity::Hard;
    signals.contains.add_many(Content::Phone, 2);
    signals.contains.add(Content::NationalId);
}

fn one(number: u64, full: bool) -> Outcome {
    let mut signals = sample::signals(Language::En, Task::Chat);
    if full {
        in_full(&mut signals);
    }
    sample::outcome(sample::opened_with(number, sample::names(), signals))
}

fn refused(number: u64, known: bool) -> Refused {
    let mut it = sample::refused(sample::STARTED_MS, &sample::names());
    it.id = sample::id(number);
    it.stage = crate::failure::Stage::Decide;
    let mut signals = sample::signals(Language::En, Task::Chat);
    in_full(&mut signals);
    it.signals = known.then(|| Arc::new(signals));
    it
}

/// The two columns of this request, as JSON.
fn columns(folder: &Folder, number: u64) -> [String; 2] {
    let found = folder.reader().request(sample::id(number)).unwrap().unwrap();
    ["complexity", "contains"].map(|name| found.columns[name].to_string())
}

const FULL: [&str; 2] = ["\"hard\"", r#"{"national_id":1,"phone":2}"#];

/// Complexities and contents by which a rehearsal decides again.
fn rehearsed(folder: &Folder) -> Vec<(String, u16)> {
    let mut past = Vec::new();
    let each = |row: PastRow| past.push((row.complexity, row.contains.count(Content::Phone)));
    folder.reader().past(0, each).unwrap();
    past
}

#[test]
fn entries_and_refusals_say_how_much_was_asked_and_what_was_contained() {
    let folder = Folder::new("recognised");
    let mut store = folder.open();
    let group = whole([one(1, true), one(2, false), one(3, true)]);
    store.write(&Group { refused: vec![refused(4, true), refused(5, false)], ..group }).unwrap();
    drop(store);
    let shapes = "SELECT count(*) FROM shape";
    let connection = Connection::open(folder.file()).unwrap();
    assert_eq!(
        connection.query_row(shapes, [], |row| row.get(0)),
        Ok(2),
        "equal labels stand once"
    );
    for (number, expected) in
        [(1, FULL), (2, ["\"easy\"", "{}"]), (3, FULL), (4, FULL), (5, ["null", "null"])]
    {
        assert_eq!(columns(&folder, number), expected, "{number}");
    }
    let (hard, easy) = (("hard".to_owned(), 2), ("easy".to_owned(), 0));
    assert_eq!(rehearsed(&folder), [hard.clone(), easy, hard.clone(), hard]);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.unchecked), (Vec::new(), 0));
    // The sets stand again where a process of later has to find them.
    folder.open().write(&whole([one(6, true)])).unwrap();
    assert_eq!(connection.query_row(shapes, [], |row| row.get(0)), Ok(2));
}

#[test]
fn a_set_of_labels_stands_once_whatever_the_counts_and_is_found_by_its_kinds() {
    let folder = Folder::new("recognised-many");
    let many = (1..=200_u16).map(|number| {
        let mut signals = sample::signals(Language::En, Task::Chat);
        signals.contains.add_many(Content::Phone, number);
        sample::outcome(sample::opened_with(number.into(), sample::names(), signals))
    });
    folder.open().write(&whole(many)).unwrap();
    let connection = Connection::open(folder.file()).unwrap();
    let explained = format!("EXPLAIN QUERY PLAN {}", schema::FIND_SHAPE);
    let nothing = rusqlite::params_from_iter([const { None::<i64> }; 13]);
    let plan: String =
        connection.query_row(&explained, nothing, |row| row.get::<_, String>(3)).unwrap();
    assert!(plan.contains("INDEX shape_labels") && plan.contains("contains=?"), "{plan}");
    assert_eq!(folder.reader().verify().unwrap().settled, 200);
    let kinds = "SELECT group_concat(contains, ';') FROM shape";
    assert_eq!(connection.query_row(kinds, [], |row| row.get(0)), Ok("phone".to_owned()));
    for number in [1, 2, 200] {
        let [_, contains] = columns(&folder, number);
        assert_eq!(contains, format!("{{\"phone\":{number}}}"));
    }
}

#[test]
fn a_file_of_the_ninth_version_keeps_all_of_its_rows_and_their_checksums() {
    let folder = Folder::new("ninth");
    let mut store = folder.open();
    let group = whole([one(1, true), one(2, false)]);
    store.write(&Group { refused: vec![refused(3, true)], ..group }).unwrap();
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    let before = (of_the_ninth(rows(&connection)), folder.reader().verify().unwrap());
    older::back_to(9, &connection);
    let older = Reader::open(&folder.file());
    assert!(matches!(older, Err(StoreError::Older { found: 9, known: migrate::NEWEST })));
    let mut store = folder.open();
    assert_eq!((rows(&connection), folder.reader().verify().unwrap()), before);
    assert_eq!((&before.1.faults[..], before.1.unchecked), (&[][..], 0));
    assert_eq!(columns(&folder, 1), ["null", "null"]);
    assert_eq!(rehearsed(&folder), [const { (String::new(), 0) }; 3]);
    // What comes now stands beside it.
    store.write(&Group { refused: vec![refused(5, true)], ..whole([one(4, true)]) }).unwrap();
    assert_eq!(
        (columns(&folder, 4), columns(&folder, 5)),
        (FULL.map(Into::into), FULL.map(Into::into))
    );
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.unchecked), (Vec::new(), 0));
    // A row of the ninth is proved all the same, and had nothing there.
    drop((store, connection));
    let changed = folder.0.join("changed.db");
    for by_hand in [
        "UPDATE shape SET complexity = 'hard' WHERE complexity IS NULL",
        "UPDATE shape SET contains = '' WHERE contains IS NULL",
        "UPDATE refusal SET complexity = 'easy' WHERE complexity IS NULL",
        "UPDATE refusal SET contains = '' WHERE contains IS NULL",
        "UPDATE shape SET complexity = NULL WHERE complexity = 'hard'",
        "UPDATE shape SET contains = 'phone' WHERE contains <> ''",
        "UPDATE entry SET contains = 'phone=2' WHERE contains IS NOT NULL",
        "UPDATE entry SET contains = NULL WHERE contains IS NOT NULL",
        "UPDATE refusal SET contains = NULL WHERE contains <> ''",
    ] {
        fs::copy(folder.file(), &changed).unwrap();
        let rows = Connection::open(&changed).unwrap().execute(by_hand, []).unwrap();
        let faults = Reader::open(&changed).unwrap().verify().unwrap().faults;
        assert!(rows > 0 && faults.len() == rows, "{by_hand}: {faults:?}");
    }
}
