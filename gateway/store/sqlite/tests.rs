mod adjust;
mod audit;
mod backup;
mod boots;
mod by_hand;
mod cached;
mod charges;
mod damaged;
mod enrolled;
mod managed;
mod observed;
mod older;
mod priced;
mod recognised;

use std::{cell::Cell, collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use policies::facts::{Draw, Language, Money, Task, TeamFacts, TeamIndex};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    failure::Kind,
    outcome::{Caller, Ending, EpochInfo, Opened, Outcome, Refused},
    record::sample,
};

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signalbox-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("signalbox.db")
    }

    fn open(&self) -> Sqlite {
        Sqlite::open(&self.file(), Durability::Process).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.file()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn opens(opened: impl IntoIterator<Item = Arc<Opened>>) -> Group {
    let opened = opened.into_iter().map(|opened| (opened.id, opened)).collect();
    Group { opened, ..Group::default() }
}

fn settles(settled: impl IntoIterator<Item = Outcome>) -> Group {
    Group { settled: settled.into_iter().collect(), ..Group::default() }
}

fn whole(whole: impl IntoIterator<Item = Outcome>) -> Group {
    Group { whole: whole.into_iter().collect(), ..Group::default() }
}

/// The one row of the view, as text.
fn row(folder: &Folder) -> Vec<(String, Option<String>)> {
    let connection = Connection::open(folder.file()).unwrap();
    let mut select = connection.prepare("SELECT * FROM ledger").unwrap();
    let columns: Vec<String> = select.column_names().map(Into::into).collect();
    let text = |value| match value {
        rusqlite::types::Value::Null => None,
        rusqlite::types::Value::Integer(number) => Some(number.to_string()),
        rusqlite::types::Value::Real(number) => Some(number.to_string()),
        rusqlite::types::Value::Text(text) => Some(text),
        rusqlite::types::Value::Blob(_) => panic!("a blob in the view"),
    };
    let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect();
    let values: Vec<rusqlite::types::Value> = select.query_row([], row).unwrap();
    columns.into_iter().zip(values.into_iter().map(text)).collect()
}

#[test]
fn the_view_has_exactly_the_columns_promised() {
    let folder = Folder::new("columns");
    drop(folder.open());
    let connection = Connection::open(folder.file()).unwrap();
    let select = connection.prepare("SELECT * FROM ledger").unwrap();
    assert_eq!(select.column_names().collect::<Vec<_>>(), LEDGER_COLUMNS);
    let promised = "id state started_at replica caller_request_id team key user session tags \
        dialect operation stream requested_model hinted language task language_confidence \
        task_confidence needs complexity contains data_class input_tokens_estimate output_tokens_asked \
        output_tokens_bound n draw rule policy_version policy_hash experiment experiment_version \
        unit arm shadow_of cache model endpoint zone attempts input_tokens cached_input_tokens \
        cache_write_tokens output_tokens reasoning_tokens usage_source price_version reserved_nano \
        cost_nano cost saved_nano currency first_token_ms duration_ms gateway_us outcome \
        failure_kind";
    assert_eq!(promised.split_whitespace().collect::<Vec<_>>(), LEDGER_COLUMNS);
}

/// What the sample's entry says, column by column; the others are null.
fn whole_entry(outcome: &Outcome) -> [(&'static str, String); 50] {
    [
        ("id", outcome.opened.id.to_string()),
        ("state", "settled".into()),
        ("started_at", "2026-01-02T03:04:05.678Z".into()),
        ("replica", "replica-1".into()),
        ("caller_request_id", "caller-7".into()),
        ("team", "retail".into()),
        ("key", "chatbot".into()),
        ("user", format!("{:032x}", 0xab)),
        ("session", "f".repeat(32)),
        ("tags", r#"{"team \"x\"":"y"}"#.into()),
        ("dialect", "openai".into()),
        ("operation", "chat".into()),
        ("stream", "1".into()),
        ("requested_model", "auto".into()),
        ("hinted", "task".into()),
        ("language", "ms".into()),
        ("task", "banking".into()),
        ("language_confidence", "0.9".into()),
        ("task_confidence", "0.75".into()),
        ("needs", "tools,vision".into()),
        ("complexity", "hard".into()),
        ("contains", "national_id=1,phone=2".into()),
        ("data_class", "internal".into()),
        ("input_tokens_estimate", "100".into()),
        ("output_tokens_asked", "64".into()),
        ("output_tokens_bound", "64".into()),
        ("n", "1".into()),
        ("draw", u64::MAX.to_string()),
        ("rule", "malay".into()),
        ("policy_version", "2026-01".into()),
        ("policy_hash", "aabb".into()),
        ("model", "qwen".into()),
        ("endpoint", "10.0.0.11:8000".into()),
        ("zone", "on_prem".into()),
        (
            "attempts",
            r#"[{"model":"qwen","endpoint":"10.0.0.11:8000","result":"ok","ms":500}]"#.into(),
        ),
        ("input_tokens", "90".into()),
        ("cached_input_tokens", "10".into()),
        ("cache_write_tokens", "0".into()),
        ("output_tokens", "40".into()),
        ("reasoning_tokens", "1".into()),
        ("usage_source", "reported".into()),
        ("price_version", "ccdd".into()),
        ("reserved_nano", "5000".into()),
        ("cost_nano", "1234".into()),
        ("cost", "0.000001234".into()),
        ("currency", "USD".into()),
        ("first_token_ms", "100".into()),
        ("duration_ms", "500".into()),
        ("gateway_us", "80".into()),
        ("outcome", "ok".into()),
    ]
}

#[test]
fn an_entry_says_all_of_its_outcome() {
    let folder = Folder::new("entry");
    let mut signals = sample::signals(Language::Ms, Task::Banking);
    signals.unit_user = Some(0xab);
    signals.session = Some(u128::MAX);
    signals.tags.push(("team \"x\"".into(), "y".into()));
    signals.hinted.task = true;
    signals.needs = policies::facts::Needs::TOOLS.with(policies::facts::Needs::VISION);
    recognised::in_full(&mut signals);
    let outcome = sample::outcome(sample::opened_with(1, sample::names(), signals));
    folder.open().write(&whole([outcome.clone()])).unwrap();
    let found = row(&folder);
    let expected = whole_entry(&outcome);
    let said: Vec<_> = found
        .into_iter()
        .filter_map(|(column, value)| value.map(|value| (column, value)))
        .collect();
    let expected: Vec<_> =
        expected.into_iter().map(|(column, value)| (column.to_owned(), value)).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_request_has_one_entry_whether_its_rows_come_together_or_apart() {
    let folder = Folder::new("apart");
    let names = sample::names();
    let mut store = folder.open();
    let (apart, together) = (sample::opened(1, &names), sample::opened(2, &names));
    store.write(&opens([Arc::clone(&apart)])).unwrap();
    assert_eq!(folder.reader().verify().unwrap().open, 1);
    store.write(&settles([sample::outcome(apart)])).unwrap();
    store.write(&whole([sample::outcome(together)])).unwrap();
    let verified = folder.reader().verify().unwrap();
    let cost = Money::from_nano(2_468);
    assert_eq!(verified, Verification { settled: 2, priced: 2, cost, ..Verification::default() });
    let entries = folder.reader().entries(Filter::default()).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].id, sample::id(2).to_string(), "the newest first");
    assert_eq!((entries[1].input_tokens, entries[1].output_tokens), (100, 41));
}

#[test]
fn a_group_that_comes_again_changes_nothing() {
    let folder = Folder::new("again");
    let names = sample::names();
    let mut store = folder.open();
    let opened = sample::opened(1, &names);
    for _ in 0..3 {
        store.write(&opens([Arc::clone(&opened)])).unwrap();
    }
    for _ in 0..3 {
        store.write(&settles([sample::outcome(Arc::clone(&opened))])).unwrap();
    }
    let verified = folder.reader().verify().unwrap();
    let cost = Money::from_nano(1_234);
    assert_eq!(verified, Verification { settled: 1, priced: 1, cost, ..Verification::default() });
}

#[test]
fn what_a_crash_left_open_is_closed_at_its_reservation() {
    let folder = Folder::new("crash");
    let names = sample::names();
    let mut store = folder.open();
    store.write(&opens([sample::opened(1, &names), sample::opened(2, &names)])).unwrap();
    store.write(&settles([sample::outcome(sample::opened(2, &names))])).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(store.recovered(), Recovered { entries: 1, cost: Money::from_nano(5_000) });
    let verified = folder.reader().verify().unwrap();
    let cost = Money::from_nano(5_000 + 1_234);
    let expected =
        Verification { settled: 1, recovered: 1, priced: 2, cost, ..Verification::default() };
    assert_eq!(verified, expected);
    let entries = folder.reader().entries(Filter::default()).unwrap();
    assert_eq!(entries[1].state, "recovered");
    assert_eq!(entries[1].cost, Some(Money::from_nano(5_000)));
    drop(store);
    assert_eq!(folder.open().recovered().entries, 0, "once");
}

#[test]
fn a_second_server_is_kept_away_and_a_newer_file_is_left_alone() {
    let folder = Folder::new("second");
    let store = folder.open();
    let second = Sqlite::open(&folder.file(), Durability::Power);
    assert!(matches!(second, Err(StoreError::InUse(_))), "{second:?}");
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let newer = Sqlite::open(&folder.file(), Durability::Power);
    assert!(
        matches!(newer, Err(StoreError::Newer { found: 99, known: migrate::NEWEST })),
        "{newer:?}"
    );
}

#[test]
fn durability_is_what_was_asked_for() {
    for (durability, synchronous) in [(Durability::Power, 2), (Durability::Process, 1)] {
        let folder = Folder::new("durability");
        let store = Sqlite::open(&folder.file(), durability).unwrap();
        let pragma = |name| {
            store
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        };
        assert_eq!(pragma("synchronous").unwrap(), i64::from(synchronous).into());
        assert_eq!(pragma("journal_mode").unwrap(), String::from("wal").into());
    }
}

#[test]
fn a_balance_that_differs_from_its_entries_is_found() {
    let folder = Folder::new("verify");
    let names = sample::names();
    let mut store = folder.open();
    store.write(&whole([sample::outcome(sample::opened(1, &names))])).unwrap();
    store.write(&opens([sample::opened(2, &names)])).unwrap();
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch("UPDATE balance SET cost_nano = cost_nano + 1").unwrap();
    let by_hand = "INSERT INTO entry_close (seq, result, cost_nano) VALUES (99, 1, 0);
                   UPDATE entry SET shape = 99 WHERE seq = 2;";
    connection.execute_batch(by_hand).unwrap();
    let faults = folder.reader().verify().unwrap().faults;
    assert_eq!(faults.len(), 4, "{faults:#?}");
    assert_eq!(faults[0], "1 end belongs to no entry");
    assert_eq!(faults[1], "1 entry has lost what it names");
    let text = faults.join("\n");
    assert!(
        text.contains("1 entry costs 0.000001234, the balance says 1 and 0.000001235"),
        "{text}"
    );
    assert!(text.contains("from 2026-01-02T03:00:00Z"), "{text}");
}

/// Whatever is changed by hand is a finding that names it, and no failure to look.
#[test]
fn what_no_writer_writes_is_found_and_named() {
    for (by_hand, expected) in [
        ("UPDATE entry_close SET cost_nano = 'x'", " is 'x'"),
        ("UPDATE entry_close SET cost_nano = 9223372036854775807", " is 9223372036854775807"),
        ("UPDATE entry_close SET cost_nano = -1", " is -1"),
        ("UPDATE entry_close SET cost_nano = 0.5", " is 0.5"),
        ("UPDATE entry SET reserved_nano = 'much' WHERE seq = 1", "has reserved 'much'"),
        ("UPDATE result SET state = 9", "is in the state 9"),
        ("UPDATE result SET state = 'done'", "is in the state 'done'"),
        ("UPDATE balance SET cost_nano = 'x'", "is 'x' of"),
        ("UPDATE balance SET requests = 1.5", "of 1.5 requests"),
        ("UPDATE entry SET boot = 99 WHERE seq = 1", "has lost what it names"),
    ] {
        let folder = Folder::new("by-hand");
        let mut store = folder.open();
        let outcomes =
            (1..3).map(|number| sample::outcome(sample::opened(number, &sample::names())));
        store.write(&whole(outcomes)).unwrap();
        let sound = folder.reader().verify().unwrap();
        assert_eq!((sound.faults, sound.settled), (Vec::new(), 2));
        let connection = Connection::open(folder.file()).unwrap();
        connection.execute_batch(by_hand).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{by_hand}: {faults:?}");
    }
}

#[test]
fn spent_and_sums_are_those_of_the_entries() {
    let folder = Folder::new("sums");
    let names = sample::names();
    let mut store = folder.open();
    let later = |number: u64, minutes: i64| {
        let mut opened = Opened::clone(&sample::opened(number, &names));
        opened.started_at_ms += minutes * 60_000;
        sample::outcome(Arc::new(opened))
    };
    store.write(&whole([later(1, 0), later(2, 0), later(3, 60 * 24)])).unwrap();
    let reader = folder.reader();
    let spent = |since_ms| reader.spent(since_ms).unwrap().pop().unwrap();
    assert_eq!(spent(0).cost, Money::from_nano(3 * 1_234));
    assert_eq!((&*spent(0).team, &*spent(0).key), ("retail", "chatbot"));
    assert_eq!(spent(sample::STARTED_MS + 900_000).cost, Money::from_nano(1_234));
    let by_day = reader.sums(&[Dimension::Day, Dimension::Language], 0).unwrap();
    let group = |sum: &Sum| sum.group.join(" ");
    assert_eq!(by_day.iter().map(group).collect::<Vec<_>>(), ["2026-01-02 ms", "2026-01-03 ms"]);
    assert_eq!((by_day[0].requests, by_day[0].cost), (2, Money::from_nano(2_468)));
    let all = reader.sums(&[], 0).unwrap();
    assert_eq!((all[0].requests, all[0].input_tokens, all[0].output_tokens), (3, 300, 123));
    let entries = reader.entries(Filter { since_ms: sample::STARTED_MS + 1, limit: 5 }).unwrap();
    assert_eq!(entries.len(), 1);
}

/// What is spent, by the teams of then: total nano-units for each path, and whether it is whole.
fn by_path(folder: &Folder, since_ms: i64) -> Vec<(String, bool, i64)> {
    let found = folder.reader().spendings(since_ms).unwrap();
    let line = |it: &Spending| (it.teams.join("<"), it.whole, it.cost.nano());
    found.iter().map(line).collect()
}

/// An epoch in which these teams hang.
fn hung(teams: &[(&str, Option<u16>)]) -> Arc<EpochInfo> {
    let mut names = EpochInfo::clone(&sample::names());
    let team = |(name, parent): &(&str, Option<u16>)| TeamFacts {
        name: (*name).into(),
        parent: parent.map(TeamIndex),
        models: Arc::default(),
    };
    Arc::make_mut(&mut names.fleet).teams = teams.iter().map(team).collect();
    Arc::new(names)
}

/// A reload moves teams while requests are under way: each counts where its team hung when it came in.
#[test]
fn a_request_counts_for_the_teams_of_its_own_epoch() {
    let folder = Folder::new("epochs");
    let mut store = folder.open();
    let before = hung(&[("group", None), ("retail", Some(0))]);
    let after = hung(&[("bank", None), ("retail", Some(0))]);
    let open = sample::opened(1, &before);
    store.write(&opens([Arc::clone(&open)])).unwrap();
    store.write(&whole([sample::outcome(sample::opened(2, &after))])).unwrap();
    let settled = vec![sample::outcome(open)];
    store.write(&Group { settled, ..Group::default() }).unwrap();
    let expected = |path: &str| (path.to_owned(), true, 1_234);
    assert_eq!(by_path(&folder, 0), [expected("retail<group"), expected("retail<bank")]);
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn what_is_spent_stays_with_the_teams_of_then() {
    let folder = Folder::new("trees");
    let write = |number, teams: &[(&str, Option<u16>)]| {
        let mut store = folder.open();
        let names = hung(teams);
        store.write(&whole([sample::outcome(sample::opened(number, &names))])).unwrap();
        // A crash leaves one open; the tree is that of its own process.
        store.write(&opens([sample::opened(number + 100, &names)])).unwrap();
    };
    let first = [("group", None), ("bank", Some(0)), ("retail", Some(1))];
    write(1, &first);
    write(2, &[("group", None), ("retail", Some(0))]);
    write(3, &first);
    drop(folder.open());
    let expected = |path: &str, times: i64| (path.to_owned(), true, times * (1_234 + 5_000));
    let found = by_path(&folder, 0);
    assert_eq!(found, [expected("retail<bank<group", 2), expected("retail<group", 1)]);
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn a_file_of_the_first_version_is_brought_up_to_date() {
    let folder = Folder::new("first");
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch(older::FIRST).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let entry = "INSERT INTO epoch VALUES (7, 'r', 'USD', 'v', 'h', 'p');
         INSERT INTO entry (id, epoch, started_at_ms, team, \"key\", reserved_nano, state, cost_nano)
           VALUES (x'019B0000000070008000000000000001', 7, 1800000, 'retail', 'k', 9, 1, 5);
         INSERT INTO entry_open (id, epoch, started_at_ms, team, \"key\", reserved_nano)
           VALUES (x'019B0000000070008000000000000002', 7, 1800000, 'retail', 'k', 9);
         INSERT INTO balance VALUES (2, 'retail', 'k', 5, 1);";
    connection.execute_batch(entry).unwrap();
    drop(connection);
    let mut store = folder.open();
    assert_eq!(store.recovered().entries, 1);
    store.write(&whole([sample::outcome(sample::opened(1, &sample::names()))])).unwrap();
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
    let retail = |whole, nano| ("retail".to_owned(), whole, nano);
    assert_eq!(by_path(&folder, 0), [retail(false, 14), ("retail<bank".into(), true, 1_234)]);
    let view = Connection::open(folder.file()).unwrap();
    let rows: i64 = view.query_row("SELECT count(*) FROM ledger", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 3);
}

/// Every row of the view, every value as SQLite's own literal, in the order of the ids.
fn rows(connection: &Connection) -> Vec<Vec<String>> {
    let columns: Vec<_> = LEDGER_COLUMNS.iter().map(|name| format!("quote(\"{name}\")")).collect();
    let sql = format!("SELECT {} FROM ledger ORDER BY id", columns.join(", "));
    let mut select = connection.prepare(&sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect();
    select.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The same rows as an earlier version than the tenth would have written them.
fn of_the_ninth(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let later = ["complexity", "contains"];
    let places = LEDGER_COLUMNS.iter().enumerate().filter(|(_, name)| later.contains(name));
    for (at, _) in places {
        rows.iter_mut().for_each(|row| row[at] = "NULL".into());
    }
    rows
}

/// A file as the second version has left it when its process died.
fn older_file(folder: &Folder) -> Connection {
    let connection = Connection::open(folder.file()).unwrap();
    for sql in [older::FIRST, older::SECOND, older::ROWS, "PRAGMA user_version = 2"] {
        connection.execute_batch(sql).unwrap();
    }
    connection
}

#[test]
fn a_file_of_the_second_version_shows_the_same_rows_afterwards() {
    let folder = Folder::new("older");
    let mut connection = older_file(&folder);
    let before = rows(&connection);
    assert_eq!(before.len(), 460);
    migrate::migrate(&mut connection).unwrap();
    let after = rows(&connection);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    let open = connection.query_row("SELECT count(*) FROM ledger WHERE state = 'open'", [], |it| {
        it.get::<_, i64>(0)
    });
    let open = u64::try_from(open.unwrap()).unwrap();
    let left = format!(
        "{open} entries are open and no gateway runs: the next start closes them at their reservations"
    );
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.left_open, verified.notes), (open, vec![left]));
    assert_eq!(verified.faults, Vec::<String>::new());
    // The order of the numbers is that of the ids.
    let ids =
        "SELECT count(*) FROM entry AS a JOIN entry AS b ON b.seq = a.seq + 1 WHERE b.id <= a.id";
    assert_eq!(connection.query_row(ids, [], |row| row.get::<_, i64>(0)), Ok(0));
    drop(connection);
    let store = folder.open();
    assert_eq!(store.recovered().entries, open);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.open, verified.settled + verified.recovered), (0, 460));
    assert_eq!(verified.faults, Vec::<String>::new());
}

#[test]
fn a_file_of_the_third_version_keeps_its_rows_and_has_nothing_open_that_runs() {
    let folder = Folder::new("third");
    let connection = Connection::open(folder.file()).unwrap();
    for sql in [older::THIRD, older::THIRD_ROWS, "PRAGMA user_version = 3"] {
        connection.execute_batch(sql).unwrap();
    }
    let before = rows(&connection);
    let store = folder.open();
    assert_eq!(store.recovered().entries, 200 / 7);
    let after = rows(&connection);
    let closed = |row: &&Vec<String>| row[1] != "'open'";
    assert_eq!(before.len(), 200);
    for (before, after) in before.iter().zip(&after).filter(|(before, _)| closed(before)) {
        assert_eq!(before, after);
    }
    assert!(after.iter().all(|row| closed(&row)));
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.open, verified.settled + verified.recovered), (0, 200));
    assert_eq!(verified.faults, Vec::<String>::new());
    assert!(by_path(&folder, 0).iter().any(|(path, whole, _)| path == "cards<bank" && *whole));
}

#[test]
fn a_file_of_the_fourth_version_keeps_its_refusals_and_their_checksums() {
    let folder = Folder::new("fourth");
    let connection = Connection::open(folder.file()).unwrap();
    for sql in [older::THIRD, older::FOURTH, older::FOURTH_ROWS, "PRAGMA user_version = 4"] {
        connection.execute_batch(sql).unwrap();
    }
    let mut store = folder.open();
    let empty = "SELECT count(*) FROM refusal WHERE coalesce(id, caller_request_id, rule, guard, \
                 code, reason, draw) IS NULL";
    assert_eq!(connection.query_row(empty, [], |row| row.get::<_, i64>(0)), Ok(1));
    let mut past = Vec::new();
    folder.reader().past(0, |row| past.push((row.team, row.language))).unwrap();
    assert_eq!(past, [("cards".to_owned(), "th".to_owned())], "what is rehearsed");
    // What comes now stands beside it, and all of it is as it was written.
    let names = sample::names();
    let refused = vec![sample::refused(sample::STARTED_MS, &names)];
    store.write(&Group { refused, ..whole([sample::outcome(sample::opened(1, &names))]) }).unwrap();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.unchecked), (Vec::new(), 0));
    // The older row is proved all the same.
    connection.execute_batch("UPDATE refusal SET reason = 'x' WHERE reason IS NULL").unwrap();
    assert_eq!(folder.reader().verify().unwrap().faults.len(), 1);
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let folder = Folder::new("half");
    let mut connection = older_file(&folder);
    let before = rows(&connection);
    // A table that is in the way: the step fails after it has begun.
    connection.execute_batch("CREATE TABLE entry_close (x)").unwrap();
    migrate::migrate(&mut connection).unwrap_err();
    assert_eq!(rows(&connection), before);
    connection.execute_batch("DROP TABLE entry_close").unwrap();
    migrate::migrate(&mut connection).unwrap();
    assert_eq!(rows(&connection), before);
}

#[test]
fn an_older_file_is_not_read_before_it_is_brought_up_to_date() {
    let folder = Folder::new("unread");
    drop(older_file(&folder));
    let older = Reader::open(&folder.file());
    assert!(
        matches!(older, Err(StoreError::Older { found: 2, known: migrate::NEWEST })),
        "{older:?}"
    );
    drop(folder.open());
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn the_view_finds_an_id_and_a_span_of_time_by_an_index() {
    let folder = Folder::new("plans");
    let names = sample::names();
    let mut store = folder.open();
    store.write(&whole((0..50).map(|it| sample::outcome(sample::opened(it, &names))))).unwrap();
    let plan = |sql: &str| {
        let mut select = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = select.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let one = format!("SELECT * FROM ledger WHERE id = '{}'", sample::id(7));
    for (sql, index) in [
        (&*one, "SEARCH e USING INDEX entry_id (id=?)"),
        ("SELECT * FROM ledger WHERE started_at >= '2026-01-02'", "entry_started (started_at>?)"),
        (
            "SELECT team, sum(cost_nano) FROM ledger WHERE started_at BETWEEN '2026' AND '2027'
             GROUP BY team",
            "entry_started (started_at>? AND started_at<?)",
        ),
        (
            "SELECT count(*) FROM ledger WHERE started_at >= '2026-01-01' AND started_at < '2026-01-02'",
            "INDEX entry_started (started_at>? AND started_at<?)",
        ),
        ("SELECT * FROM ledger ORDER BY started_at DESC LIMIT 10", "entry_started"),
        ("SELECT * FROM ledger WHERE id > 'a' AND state <> 'open' ORDER BY id", "entry_id (id>?)"),
    ] {
        let plan = plan(sql);
        assert!(plan.contains(index), "{sql}: {plan}");
        assert!(!plan.contains("SCAN c") && !plan.contains("AUTOMATIC"), "{sql}: {plan}");
        assert!(index == "entry_started" || !plan.contains("SCAN"), "{sql}: {plan}");
    }
}

#[test]
fn a_crash_is_recovered_from_the_mark_on_with_the_oldest_that_is_open() {
    let folder = Folder::new("mark");
    let names = sample::names();
    let mut store = folder.open();
    let some = |from: u64| {
        whole((from..from + 5_000).map(|it| sample::outcome(sample::opened(it, &names))))
    };
    let mark = |store: &Sqlite| -> i64 {
        let sql = "SELECT value FROM meta WHERE name = 'open_from'";
        store.connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap().parse().unwrap()
    };
    store.write(&some(0)).unwrap();
    assert_eq!(mark(&store), 5_001);
    store.write(&opens([sample::opened(9_999, &names)])).unwrap();
    store.write(&some(20_000)).unwrap();
    store.write(&opens([sample::opened(99_999, &names)])).unwrap();
    assert_eq!(mark(&store), 5_001, "one is open");
    drop(store);
    let mut store = folder.open();
    assert_eq!((store.recovered().entries, mark(&store)), (2, 10_003));
    // No number comes again when the newest entries are gone.
    store.keep(keeper(1));
    kept(&mut store, sample::STARTED_MS + 3 * DAY_MS);
    store.write(&whole([on_day(1, 3)])).unwrap();
    let sql = "SELECT min(seq) FROM entry";
    assert_eq!(store.connection.query_row(sql, [], |row| row.get(0)), Ok(10_003));
}

#[test]
fn a_single_attempt_reads_as_it_was_whatever_its_names_hold() {
    let folder = Folder::new("percent");
    let mut names = EpochInfo::clone(&sample::names());
    Arc::make_mut(&mut names.fleet).models[0].id = "100% \"open\" %d".into();
    let outcome = sample::outcome(sample::opened(1, &Arc::new(names)));
    folder.open().write(&whole([outcome])).unwrap();
    let (_, attempts) = row(&folder).into_iter().find(|(name, _)| name == "attempts").unwrap();
    let expected =
        r#"[{"model":"100% \"open\" %d","endpoint":"10.0.0.11:8000","result":"ok","ms":500}]"#;
    assert_eq!(attempts.as_deref(), Some(expected));
}

#[test]
fn labels_are_those_of_the_requests_own_epoch_and_caller() {
    let folder = Folder::new("labels");
    let mut store = folder.open();
    // More epochs than are remembered, each with another model, zone and team at the same places; every
    // caller is dropped before the next one is made.
    for round in 0..2_u64 {
        for epoch in 0..12_u64 {
            let mut names = EpochInfo::clone(&sample::names());
            let fleet = Arc::make_mut(&mut names.fleet);
            fleet.keys[0].models = Arc::new([Box::from("*")]);
            let model = &mut fleet.models[0];
            model.id = format!("model-{epoch}").into();
            model.zone = Some(format!("zone-{epoch}").into());
            let policy = policies::compile("[default]\nroute = [\"*\"]\n", &names.fleet).unwrap();
            names.policy_hash = policy.hash().into();
            let record = crate::outcome::PolicyRecord::new(&policy, sample::STARTED_MS);
            names.policy = Some(Arc::new(record));
            let mut opened = Opened::clone(&sample::opened(round * 12 + epoch, &Arc::new(names)));
            let caller = Caller::clone(&opened.caller);
            opened.caller =
                Arc::new(Caller { team_name: format!("team-{epoch}").into(), ..caller });
            store.write(&whole([sample::outcome(Arc::new(opened))])).unwrap();
        }
    }
    let sql = "SELECT count(*) FROM ledger WHERE substr(model, 7) = substr(zone, 6) AND
         substr(model, 7) = substr(team, 6) AND attempts LIKE '%\"' || model || '\"%'";
    let count = |sql| store.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    assert_eq!(count(sql), Ok(24));
    assert_eq!(count("SELECT count(*) FROM result"), Ok(12));
    assert_eq!(count("SELECT count(*) FROM caller"), Ok(12));
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn a_replica_keeps_its_name() {
    let folder = Folder::new("replica");
    assert_eq!(folder.open().replica("host-1").unwrap(), "host-1");
    assert_eq!(folder.open().replica("host-2").unwrap(), "host-1");
}

thread_local! {
    static NOW_MS: Cell<i64> = const { Cell::new(0) };
}

/// A keeper of entries for so many days, with as much disk as one likes; its time is `NOW_MS`.
fn keeper(days: u32) -> Keep {
    Keep::new(days, 0, std::env::temp_dir(), || NOW_MS.get())
}

/// Lets a day go by, and the store do its upkeep until it has nothing more to do; returns the number of steps
/// that it takes in the end.
fn kept(store: &mut Sqlite, now_ms: i64) -> usize {
    for hour in (1..=24).rev() {
        NOW_MS.set(now_ms - hour * DAY_MS / 24);
        store.upkeep();
    }
    NOW_MS.set(now_ms);
    let steps = (1..1_000).find(|_| !store.upkeep().more);
    steps.expect("an end")
}

const DAY_MS: i64 = 86_400_000;

/// The request of this number, so many days after the first.
fn on_day(number: u64, day: i64) -> Outcome {
    let mut opened = Opened::clone(&sample::opened(number, &sample::names()));
    opened.started_at_ms += day * DAY_MS;
    let shifted = opened.id.as_u128() + (u128::try_from(day * DAY_MS).unwrap() << 80);
    opened.id = Uuid::from_u128(shifted);
    sample::outcome(Arc::new(opened))
}

#[test]
fn old_entries_go_in_steps_and_every_sum_stays() {
    let folder = Folder::new("retention");
    let mut store = folder.open();
    store.keep(keeper(3));
    store.write(&whole((0..1_500).map(|number| on_day(number, 0)))).unwrap();
    store.write(&whole((0..10).map(|number| on_day(number, 2)))).unwrap();
    let refused = sample::refused(sample::STARTED_MS, &sample::names());
    store.write(&Group { refused: vec![refused], ..Group::default() }).unwrap();
    let whole_sum = 1_510 * 1_234;
    let state = |now_day: i64| {
        let reader = folder.reader();
        let verified = reader.verify().unwrap();
        assert_eq!(verified.faults, Vec::<String>::new(), "day {now_day}");
        let total: i64 = by_path(&folder, i64::MIN).iter().map(|it| it.2).sum();
        assert_eq!(total, whole_sum, "the total of day {now_day}");
        assert!(by_path(&folder, i64::MIN).iter().all(|it| it.0 == "retail<bank"));
        let since = sample::STARTED_MS - 900_000;
        let window: i64 = by_path(&folder, since).iter().map(|it| it.2).sum();
        (verified.settled, window)
    };
    assert_eq!(kept(&mut store, sample::STARTED_MS + 2 * DAY_MS), 1, "nothing is too old");
    assert_eq!(state(2), (1_510, whole_sum));
    assert_eq!(kept(&mut store, sample::STARTED_MS + 4 * DAY_MS), 3, "512 rows at a time");
    assert_eq!(state(4), (10, whole_sum), "the windows that run have all of it");
    let rows = |table: &str| -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        store.connection.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows("refusal"), 0);
    assert_eq!((rows("balance"), rows("gone")), (2, 1));
    kept(&mut store, sample::STARTED_MS + 400 * DAY_MS);
    assert_eq!(state(400), (0, 0), "no window reaches back so far; the total has it");
    // What comes later counts on top, also after a restart.
    store.write(&whole([on_day(1, 400)])).unwrap();
    drop(store);
    drop(folder.open());
    assert_eq!(by_path(&folder, i64::MIN).iter().map(|it| it.2).sum::<i64>(), whole_sum + 1_234);
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn a_clock_that_leaps_ahead_and_is_set_right_removes_nothing() {
    let folder = Folder::new("leap");
    let mut store = folder.open();
    store.keep(keeper(90));
    store.write(&whole((0..10).map(|number| on_day(number, 0)))).unwrap();
    let second = |store: &mut Sqlite, at: i64| {
        NOW_MS.set(sample::STARTED_MS + at);
        store.upkeep();
        folder.reader().verify().unwrap().settled
    };
    let years = 3_650 * DAY_MS;
    for at in [0, 1_000, years, years + 1_000, years + DAY_MS / 24, 2_000, 3_000] {
        assert_eq!(second(&mut store, at), 10, "{at}");
    }
    // The right time goes on as it did: what becomes too old goes.
    assert_eq!(kept(&mut store, sample::STARTED_MS + 91 * DAY_MS), 1);
    assert_eq!(folder.reader().verify().unwrap().settled, 0);
}

#[test]
fn a_quarter_that_goes_in_part_is_proved_all_the_same() {
    let folder = Folder::new("part");
    let mut store = folder.open();
    store.keep(keeper(400));
    store.write(&whole((0..700).map(|number| on_day(number, 0)))).unwrap();
    NOW_MS.set(sample::STARTED_MS + 500 * DAY_MS);
    assert!(store.upkeep().more);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.settled, verified.faults), (188, Vec::new()));
    assert!(!store.upkeep().more);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.settled, verified.faults), (0, Vec::new()));
    let found = folder.reader().spendings(i64::MIN).unwrap();
    assert_eq!((found.len(), found[0].at_ms, found[0].cost.nano()), (1, 0, 700 * 1_234));
}

#[test]
fn too_little_free_space_is_seen_at_every_look() {
    let folder = Folder::new("space");
    let mut store = folder.open();
    let free = Arc::new(std::sync::atomic::AtomicU64::new(5));
    let seen = Arc::clone(&free);
    let mut keep = keeper(400);
    keep.free_bytes_min = 5;
    keep.free_bytes = Box::new(move || Some(seen.load(std::sync::atomic::Ordering::Relaxed)));
    store.keep(keep);
    for (bytes, low) in [(5, false), (4, true), (4, true), (6, false)] {
        free.store(bytes, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(store.upkeep().low, low, "{bytes} bytes");
    }
    store.keep(Keep::new(400, 1 << 60, folder.0.clone(), || 0));
    assert!(store.upkeep().low, "no disk has so much");
    store.keep(Keep::new(400, 1, folder.0.clone(), || 0));
    assert!(!store.upkeep().low);
}

#[test]
fn a_full_disk_is_told_from_other_failures_and_the_group_is_written_later() {
    let folder = Folder::new("full");
    let mut store = folder.open();
    store.connection.pragma_update(None, "max_page_count", 1).unwrap();
    let group = whole((0..2_000).map(|number| on_day(number, 0)));
    let full = store.write(&group);
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    store.connection.pragma_update(None, "max_page_count", 1 << 20).unwrap();
    store.write(&group).unwrap();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.settled, verified.faults), (2_000, Vec::new()));
}

#[test]
fn each_price_table_is_kept_under_its_hash() {
    let folder = Folder::new("prices");
    let mut store = folder.open();
    let mut newer = EpochInfo::clone(&sample::names());
    newer.price_version = "eeff".into();
    let newer = Arc::new(newer);
    for (number, names) in [(1, sample::names()), (2, sample::names()), (3, newer)] {
        store.write(&whole([sample::outcome(sample::opened(number, &names))])).unwrap();
    }
    let connection = Connection::open(folder.file()).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM price"), 4);
    assert_eq!(count("SELECT count(*) FROM epoch"), 2, "equal names are one epoch");
    assert_eq!(count("SELECT count(*) FROM price WHERE input_nano = 1000000"), 2);
    assert_eq!(count("SELECT count(*) FROM ledger WHERE price_version = 'eeff'"), 1);
}

/// The column of a request that is found by its id.
fn told(folder: &Folder, id: Uuid, name: &str) -> String {
    let kept = folder.reader().request(id).unwrap().unwrap();
    kept.columns[name].to_string()
}

/// Names of this policy's hash that came into force so many milliseconds after the sample's time, with the
/// models that its key may use.
fn with(hash: &str, since_ms: i64, models: &[&str]) -> Arc<EpochInfo> {
    let mut names = EpochInfo::clone(&sample::names());
    names.policy_hash = hash.into();
    let mut policy = crate::outcome::PolicyRecord::clone(names.policy.as_ref().unwrap());
    policy.since_ms = sample::STARTED_MS + since_ms;
    names.policy = Some(Arc::new(policy));
    let mut fleet = policies::facts::FleetFacts::clone(&names.fleet);
    fleet.keys[0].models = models.iter().map(|it| Box::from(*it)).collect();
    names.fleet = Arc::new(fleet);
    Arc::new(names)
}

/// The same, of which so many replicas of a model are paid by the hour.
fn paying(replicas: u32, since_ms: i64, models: &[&str]) -> Arc<EpochInfo> {
    let mut names = EpochInfo::clone(&with("a", since_ms, models));
    let policy = crate::outcome::PolicyRecord::clone(names.policy.as_ref().unwrap());
    let per_hour = Money::from_nano(31_200_000_000);
    let machine = crate::outcome::ByHour { per_hour, replicas };
    let machines = (replicas > 0).then(|| ("qwen".into(), machine));
    names.policy = Some(Arc::new(policy.with_machines(machines.into_iter().collect())));
    Arc::new(names)
}

#[test]
fn machines_are_paid_for_under_configurations_of_which_nothing_was_ever_asked() {
    let folder = Folder::new("idle-machines");
    let mut store = folder.open();
    let configured = |all: &[(u32, i64)]| {
        let in_force = all.iter().map(|(replicas, since)| paying(*replicas, *since, &["*"]));
        Group { in_force: in_force.collect(), ..Group::default() }
    };
    let known = || -> Vec<(i64, u32)> {
        let all = folder.reader().machines().unwrap();
        let shown = |it: &HourlyFleet| {
            let replicas = it.machines.first().map_or(0, |it| it.replicas);
            (it.since_ms - sample::STARTED_MS, replicas)
        };
        all.iter().map(shown).collect()
    };
    // Nothing is written where nothing is paid for.
    store.write(&configured(&[(0, -90)])).unwrap();
    assert_eq!(known(), []);
    // A group that comes again, a restart and a successor write no row twice.
    for _ in 0..2 {
        store.write(&configured(&[(1, -80), (2, -70), (2, -60), (1, -50)])).unwrap();
    }
    drop(store);
    let mut store = folder.open();
    store.write(&configured(&[(1, -40)])).unwrap();
    let changes = [(-80, 1), (-70, 2), (-50, 1)];
    assert_eq!(known(), changes);
    // The first request of a configuration finds its row.
    let names = paying(1, -50, &["*"]);
    store.write(&whole([sample::outcome(sample::opened(1, &names))])).unwrap();
    assert_eq!(known(), changes);
    store.write(&configured(&[(0, -30)])).unwrap();
    assert_eq!(known(), [&changes[..], &[(-30, 0)]].concat());
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Whatever was asked under which configurations, and in whatever order it is written: the machines of
    /// each moment are those of the configuration then in force, and each request is explained by the list
    /// of its own time.
    #[test]
    fn machines_and_lists_are_those_of_their_configuration(
        all in prop::collection::vec((0..3u32, 0..3usize, prop::collection::vec(0..6usize, 0..4)), 1..6),
    ) {
        let lists: [&[&str]; 3] = [&["*"], &["qwen"], &["gemma"]];
        let since = |at: usize| i64::try_from(at).unwrap() * 100;
        let names = |at: usize| paying(all[at].0, since(at), lists[all[at].1]);
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut connection).unwrap();
        let tx = connection.transaction().unwrap();
        let mut asked = BTreeSet::new();
        for (at, (.., requests)) in all.iter().enumerate() {
            decisions::in_force(&tx, &names(at)).unwrap();
            for request in requests.iter().map(|it| it % (at + 1)) {
                decisions::keep(&tx, &names(request)).unwrap();
                asked.insert(request);
            }
        }
        let fleets = machines::fleets(&tx).unwrap();
        let said: Vec<String> = tx
            .prepare("SELECT models FROM key_models WHERE \"key\" = '' ORDER BY since_ms, rowid")
            .and_then(|mut it| it.query_map([], |row| row.get(0))?.collect())
            .unwrap();
        prop_assert!(said.windows(2).all(|it| it[0] != it[1]), "the same machines twice: {said:?}");
        prop_assert_eq!(fleets.len(), said.len());
        for (at, (replicas, list, _)) in all.iter().enumerate() {
            let when = sample::STARTED_MS + since(at) + 50;
            let fleet = fleets.iter().rfind(|it| it.since_ms <= when);
            let known = fleet.and_then(|it| it.machines.first()).map_or(0, |it| it.replicas);
            prop_assert_eq!(known, *replicas);
            if asked.contains(&at) {
                let said = request::key_models(&tx, "chatbot", &started_at(when)).unwrap();
                let own = serde_json::to_string(lists[*list]).unwrap();
                prop_assert_eq!(said.unwrap_or_else(|| "[\"*\"]".into()), own);
            }
        }
    }
}

#[test]
fn machines_paid_by_the_hour_are_known_from_their_configuration_on() {
    let folder = Folder::new("machines");
    let mut store = folder.open();
    let paying = |since_ms, replicas| paying(replicas, since_ms, &["*"]);
    // The first request of a configuration may be written after one of the next.
    let all = [with("a", -50, &["*"]), paying(-10, 4), paying(-30, 2), with("a", 10, &["*"])];
    for (number, names) in (0..).zip(all) {
        store.write(&whole([sample::outcome(sample::opened(number, &names))])).unwrap();
    }
    let known = folder.reader().machines().unwrap();
    let shown: Vec<_> = known
        .iter()
        .map(|it| (it.since_ms - sample::STARTED_MS, it.machines.first().map(|it| it.replicas)))
        .collect();
    assert_eq!(shown, [(-30, Some(2)), (-10, Some(4)), (10, None)]);
    let machine = &known[0].machines[0];
    assert_eq!((&*machine.model, &*machine.currency), ("qwen", "USD"));
    assert_eq!(machine.per_hour_nano, 31_200_000_000);
    assert!(folder.reader().verify().unwrap().faults.is_empty());
}

#[test]
fn what_decides_is_kept_once_for_each_hash_and_what_a_key_could_use_for_each_change() {
    let folder = Folder::new("decisions");
    let mut store = folder.open();
    for (number, names) in [
        with("a", -50, &["*"]),
        with("a", -40, &["*"]),
        with("b", -30, &["qwen"]),
        with("a", -20, &["qwen"]),
        with("a", 10, &["*"]),
    ]
    .into_iter()
    .enumerate()
    {
        let number = u64::try_from(number).unwrap();
        store.write(&whole([sample::outcome(sample::opened(number, &names))])).unwrap();
    }
    let connection = Connection::open(folder.file()).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM policy"), 2);
    assert_eq!(
        count("SELECT count(*) FROM key_models WHERE \"key\" NOT IN ('', '*')"),
        2,
        "who may use all has no list at first"
    );
    let kept = folder.reader().request(sample::id(2)).unwrap().unwrap();
    assert_eq!(kept.key_models.as_deref(), Some("[\"qwen\"]"));
    let (document, fleet) = kept.policy.unwrap();
    assert_eq!(document, "[default]\nroute = [\"*\"]\n");
    let fleet: policies::FleetSnapshot = serde_json::from_str(&fleet).unwrap();
    assert_eq!(fleet, sample::names().policy.as_ref().unwrap().fleet);
    assert_eq!(kept.price.unwrap().output.nano(), 28_600_000);
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

/// In whatever order the first requests of configurations are written, each is explained by the list of its
/// own time.
#[test]
fn a_late_request_of_an_older_configuration_changes_no_other_list() {
    let lists: [&[&str]; 3] = [&["*"], &["qwen"], &["gemma"]];
    let orders =
        [[0, 1, 2, 3], [1, 0, 2, 3], [1, 0, 3, 2], [2, 1, 0, 3], [3, 1, 2, 0], [3, 2, 1, 0]];
    for (order, code) in orders.into_iter().flat_map(|it| (0..81usize).map(move |code| (it, code)))
    {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut connection).unwrap();
        let list = |at: usize| lists[code / 3usize.pow(u32::try_from(at).unwrap()) % 3];
        let since = |at: usize| i64::try_from(at).unwrap() * 100;
        let tx = connection.transaction().unwrap();
        for at in order {
            decisions::keep(&tx, &with("a", since(at), list(at))).unwrap();
        }
        for at in 0..4 {
            let when = started_at(sample::STARTED_MS + since(at) + 50);
            let said = request::key_models(&tx, "chatbot", &when).unwrap();
            let said = said.unwrap_or_else(|| "[\"*\"]".into());
            let own = serde_json::to_string(list(at)).unwrap();
            assert_eq!(said, own, "{order:?} {code} at {at}");
        }
    }
}

#[test]
fn a_request_is_found_by_its_id_whether_it_was_served_or_refused() {
    let folder = Folder::new("found");
    let names = sample::names();
    let mut store = folder.open();
    let refused = sample::refused(sample::STARTED_MS, &names);
    let (id, served) = (refused.id, sample::opened(1, &names));
    let group = whole([sample::outcome(Arc::clone(&served))]);
    store.write(&Group { refused: vec![refused], ..group }).unwrap();
    assert_eq!(told(&folder, served.id, "state"), "\"settled\"");
    assert_eq!(told(&folder, served.id, "draw"), format!("\"{}\"", u64::MAX));
    for (name, value) in [
        ("state", "refused"),
        ("rule", "malay"),
        ("guard", "home"),
        ("code", "rate_limit_exceeded"),
        ("reason", "too many"),
        ("draw", "7"),
        ("started_at", "2026-01-02T03:04:05.678Z"),
        ("policy_hash", "aabb"),
    ] {
        assert_eq!(told(&folder, id, name), format!("\"{value}\""), "{name}");
    }
    assert!(folder.reader().request(Uuid::nil()).unwrap().is_none());
    let named = |name: &str| folder.reader().called(name, 9).unwrap();
    assert_eq!((named("caller-7").len(), named("nobody").len()), (1, 0));
    assert_eq!(named("caller-8")[0].id, id.to_string());
    let plan = |sql: &str| {
        let mut select = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = select.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let by_id = plan(
        "SELECT r.id FROM refusal AS r LEFT JOIN epoch AS p ON p.id = r.epoch \
                      WHERE r.id = 'x'",
    );
    assert!(by_id.contains("USING INDEX refusal_id (id=?)"), "{by_id}");
}

#[test]
fn a_refusal_keeps_what_was_known() {
    let folder = Folder::new("refusal");
    let names = sample::names();
    let mut store = folder.open();
    let known = sample::refused(sample::STARTED_MS, &names);
    let unknown = Refused { signals: None, caller: None, ..known.clone() };
    store.write(&Group { refused: vec![known, unknown], ..Group::default() }).unwrap();
    let connection = Connection::open(folder.file()).unwrap();
    let mut select = connection
        .prepare("SELECT stage, kind, team, language, n, tags FROM refusal ORDER BY team")
        .unwrap();
    let text = |row: &rusqlite::Row<'_>, at| -> String {
        row.get::<_, rusqlite::types::Value>(at).map(|value| format!("{value:?}")).unwrap()
    };
    let rows: Vec<_> = select
        .query_map([], |row| Ok((0..6).map(|at| text(row, at)).collect::<Vec<_>>().join(" ")))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(
        rows,
        [
            "Text(\"admit\") Text(\"rate_limited\") Null Null Null Null",
            "Text(\"admit\") Text(\"rate_limited\") Text(\"retail\") Text(\"en\") Integer(1) Null",
        ]
    );
}

#[test]
fn a_failed_request_says_its_kind() {
    let folder = Folder::new("failed");
    let names = sample::names();
    let mut outcome = sample::outcome(sample::opened(1, &names));
    outcome.ending = Ending::Failed(Kind::UpstreamTimeout);
    outcome.attempt_log = Default::default();
    folder.open().write(&whole([outcome])).unwrap();
    let entry = folder.reader().entries(Filter::default()).unwrap().remove(0);
    assert_eq!(entry.outcome.as_deref(), Some("failed"));
    assert_eq!(entry.failure_kind.as_deref(), Some("upstream_timeout"));
    assert_eq!(entry.model.as_deref(), Some("qwen"), "the planned one");
    assert_eq!((entry.endpoint, entry.attempts.as_deref()), (None, Some("[]")));
}

#[test]
fn a_failed_transaction_leaves_nothing_behind_and_the_next_one_is_whole() {
    let folder = Folder::new("rollback");
    let names = sample::names();
    let mut store = folder.open();
    let other = Connection::open(folder.file()).unwrap();
    let group = Group {
        whole: vec![sample::outcome(sample::opened(1, &names))],
        refused: vec![sample::refused(sample::STARTED_MS, &names)],
        ..Group::default()
    };
    other.execute_batch("ALTER TABLE refusal RENAME TO elsewhere").unwrap();
    assert!(matches!(store.write(&group), Err(StoreError::Failed(_))));
    let faults = vec![String::from("the table refusal is missing")];
    let verified = Verification { faults, ..Verification::default() };
    assert_eq!(folder.reader().verify().unwrap(), verified);
    other.execute_batch("ALTER TABLE elsewhere RENAME TO refusal").unwrap();
    store.write(&group).unwrap();
    let entries = other.query_row("SELECT count(*) FROM ledger", [], |row| row.get::<_, i64>(0));
    assert_eq!(entries, Ok(1), "with its epoch");
}

/// What may happen to one of a few requests, or to the process.
#[derive(Clone, Copy, Debug)]
enum Event {
    Open(u64),
    Close(u64),
    Crash,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..6u64).prop_map(Event::Open),
        4 => (0..6u64).prop_map(Event::Close),
        1 => Just(Event::Crash),
    ];
    prop::collection::vec(event, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is written, written again or cut short by a crash: one entry each, sums agree.
    #[test]
    fn a_request_never_has_two_entries(events in events()) {
        let folder = Folder::new("laws");
        let names = sample::names();
        let (mut seen, mut open) = (BTreeSet::new(), BTreeSet::new());
        let mut store = Some(folder.open());
        for event in events {
            match (event, &mut store) {
                (Event::Open(number), Some(store)) => {
                    // No request opens again after its end.
                    if seen.insert(number) || open.contains(&number) {
                        open.insert(number);
                        store.write(&opens([sample::opened(number, &names)])).unwrap();
                    }
                }
                (Event::Close(number), Some(store)) => {
                    seen.insert(number);
                    open.remove(&number);
                    let outcome = sample::outcome(sample::opened(number, &names));
                    store.write(&settles([outcome])).unwrap();
                }
                (_, store) => {
                    drop(store.take());
                    *store = Some(folder.open());
                    open.clear();
                }
            }
            let verified = folder.reader().verify().unwrap();
            prop_assert_eq!(verified.faults, Vec::<String>::new());
            prop_assert_eq!(verified.open, open.len() as u64);
            let all = verified.open + verified.settled + verified.recovered;
            prop_assert_eq!(all, seen.len() as u64);
        }
    }

    /// Money, time and draw are written by SQL; they must read as our own types write them.
    #[test]
    fn the_view_writes_what_we_would_write(
        nano in 0..i64::MAX, ms in 0..4_102_444_800_000i64, draw: u64, scale in 0..12u32,
    ) {
        let folder = Folder::new("written");
        let mut opened = Opened::clone(&sample::opened(1, &sample::names()));
        opened.started_at_ms = ms;
        opened.draw = Draw(draw);
        let mut outcome = sample::outcome(Arc::new(opened));
        outcome.charge.cost = Money::from_nano(nano / 10i64.pow(scale) * 10i64.pow(scale));
        folder.open().write(&whole([outcome.clone()])).unwrap();
        let row = row(&folder);
        let said = |column: &str| {
            row.iter().find(|(name, _)| name == column).and_then(|(_, value)| value.clone())
        };
        let time = jiff::Timestamp::from_millisecond(ms).unwrap();
        prop_assert_eq!(said("cost"), Some(outcome.charge.cost.to_string()));
        prop_assert_eq!(said("draw"), Some(draw.to_string()));
        prop_assert_eq!(said("started_at"), Some(format!("{time:.3}")));
    }
}
