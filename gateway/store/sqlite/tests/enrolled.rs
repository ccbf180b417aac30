//! Arms of experiments, what is told of answers, and what becomes of experiments.

use policies::{
    Plan,
    experiment::{ArmIndex, Enrolled, ExperimentIndex},
};

use super::*;
use crate::outcome::{ArmName, ExperimentAction, ExperimentChange, Feedback, Judged, ShadowOf};

const TRIAL: &str = "[default]\nroute = [\"*\"]\n\
     [[rule]]\nname = \"chat\"\nwhen = { operation = [\"chat\"] }\nroute = [\"*\"]\n\
     experiment = \"ab\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"success\"\n\
     arms = [{ name = \"old\", share = 0.5, route = [\"qwen\"] }, \
             { name = \"new\", share = 0.5, route = [\"gemma\"] }]\n";

/// The sample's names, with an experiment of two arms.
pub(super) fn trial() -> Arc<EpochInfo> {
    let names = sample::names();
    let policy = policies::compile(TRIAL, &names.fleet).unwrap();
    Arc::new(EpochInfo { experiments: policy.experiments().into(), ..EpochInfo::clone(&names) })
}

fn enrolled(arm: u8, unit: u128) -> Enrolled {
    Enrolled { experiment: ExperimentIndex(0), arm: ArmIndex(arm), unit }
}

pub(super) fn in_arm(number: u64, names: &Arc<EpochInfo>, arm: u8, unit: u128) -> Arc<Opened> {
    let opened = Opened::clone(&sample::opened(number, names));
    let plan = Plan { arm: Some(enrolled(arm, unit)), ..Plan::clone(&opened.plan) };
    let arm_shares = (arm == 1).then(|| [0.1, 0.9].into());
    let started_at_ms = opened.started_at_ms + i64::try_from(number).unwrap();
    Arc::new(Opened { plan: Arc::new(plan), arm_shares, started_at_ms, ..opened })
}

/// A shadow of a request in an arm.
pub(super) fn shadow(number: u64, of: &Opened) -> Arc<Opened> {
    let arm = of.plan.arm.unwrap();
    let opened = Opened::clone(&sample::opened(number, &of.names));
    Arc::new(Opened { shadow_of: Some(ShadowOf { request: of.id, arm }), ..opened })
}

pub(super) fn judged(request: Uuid, name: &'static str) -> Judged {
    Judged { request, name, value: 1.0 }
}

pub(super) fn refused_in_arm(at_ms: i64, names: &Arc<EpochInfo>) -> Refused {
    Refused { arm: Some(enrolled(1, 7)), ..sample::refused(at_ms, names) }
}

pub(super) fn told(request: Uuid, name: &str, value: f64) -> Feedback {
    Feedback {
        request,
        name: name.into(),
        value,
        is_bool: false,
        comment: Some("good".into()),
        key: "chatbot".into(),
        at_ms: sample::STARTED_MS + 5_000,
        arm: None,
    }
}

pub(super) fn change(number: u64, change: ExperimentAction) -> ExperimentChange {
    ExperimentChange {
        id: sample::id(number),
        at_ms: sample::STARTED_MS,
        experiment: "ab".into(),
        version: "v".into(),
        arm: (change == ExperimentAction::RolledBack).then(|| "new".into()),
        change,
        reason: "too many errors".into(),
        by: "guard".into(),
    }
}

fn cell(folder: &Folder, sql: &str) -> Option<String> {
    let connection = Connection::open(folder.file()).unwrap();
    connection.query_row(&format!("SELECT CAST(({sql}) AS TEXT)"), [], |row| row.get(0)).unwrap()
}

/// Everything there is of an experiment, in one ledger.
fn written(folder: &Folder) -> Sqlite {
    let names = trial();
    let mut store = folder.open();
    let entries = (1..4).map(|number| in_arm(number, &names, u8::from(number == 3), 0xab));
    let entries: Vec<_> = entries.collect();
    let repeated = shadow(10, &entries[2]);
    let entries = entries.into_iter().chain([sample::opened(9, &names), repeated]);
    let mut group = whole(entries.map(sample::outcome));
    group.judged = vec![
        judged(sample::id(1), "schema_valid"),
        judged(sample::id(10), "calls_agree"),
        judged(sample::id(77), "schema_valid"),
    ];
    group.refused = vec![refused_in_arm(sample::STARTED_MS + 2, &names)];
    group.feedback = vec![told(sample::id(1), "success", 1.0), told(sample::id(1), "stars", 4.5)];
    group.changes = vec![change(1, ExperimentAction::RolledBack)];
    store.write(&group).unwrap();
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
    store
}

#[test]
fn an_entry_says_its_arm_and_another_one_costs_no_row() {
    let folder = Folder::new("arm");
    drop(written(&folder));
    let view = "SELECT group_concat(experiment || ' ' || arm || ' ' || unit || ' ' || \
                (experiment_version = (SELECT version FROM arm LIMIT 1)), char(10)) FROM ledger";
    let unit = format!("{:032x}", 0xab);
    let expected = format!("ab old {unit} 1\nab old {unit} 1\nab new {unit} 1");
    assert_eq!(cell(&folder, view), Some(expected));
    let none = "SELECT count(*) FROM ledger WHERE arm IS NULL AND unit IS NULL \
                AND experiment IS NULL AND experiment_version IS NULL";
    assert_eq!(cell(&folder, none).as_deref(), Some("1"));
    assert_eq!(cell(&folder, "SELECT count(*) FROM enrolled").as_deref(), Some("3"));
    let shares = "SELECT group_concat(coalesce(shares, '-'), ' ') FROM enrolled";
    assert_eq!(cell(&folder, shares).as_deref(), Some("- - [0.1,0.9]"));
    let refusal = "SELECT a.experiment || ' ' || a.arm || ' ' || hex(unit) FROM refusal \
                   JOIN arm AS a ON a.id = refusal.arm";
    assert_eq!(cell(&folder, refusal), Some(format!("ab new {:032X}", 7)));
}

#[test]
fn a_shadow_is_an_entry_that_says_what_it_repeats_and_has_no_arm() {
    let folder = Folder::new("shadow");
    drop(written(&folder));
    let view = "SELECT experiment || ' ' || coalesce(arm, '-') || ' ' || coalesce(unit, '-') || ' ' || \
                shadow_of FROM ledger WHERE shadow_of IS NOT NULL";
    assert_eq!(cell(&folder, view), Some(format!("ab - - {}", sample::id(3))));
    let version = cell(&folder, "SELECT version FROM arm LIMIT 1").unwrap();
    let mut found = Vec::new();
    let reader = folder.reader();
    reader
        .shadows(("ab", &version), |row| {
            found.push((row.unit, row.shadow.state, row.served.state, row.found.to_vec()));
        })
        .unwrap();
    let calls_agree = vec![None, None, Some(1.0), None, None, None];
    assert_eq!(found, [(0xab, "settled", "settled", calls_agree)]);
    reader.shadows(("ab", "another"), |_| panic!("of another version")).unwrap();
    // Neither a rehearsal nor the arms know it.
    let mut past = 0;
    reader.past(0, |_| past += 1).unwrap();
    assert_eq!(past, 4);
    let mut arms = 0;
    reader
        .enrolled("ab", &["schema_valid"], |row| {
            arms += 1;
            assert_eq!(row.feedback, [(row.at_ms == sample::STARTED_MS + 1).then_some(1.0)]);
        })
        .unwrap();
    assert_eq!(arms, 4);
}

#[test]
fn the_last_value_of_a_name_counts_and_none_is_kept_of_what_is_not_there() {
    let folder = Folder::new("told");
    let mut store = written(&folder);
    let again = vec![
        told(sample::id(1), "success", 0.0),
        told(sample::id(1), "success", 0.5),
        told(sample::id(77), "success", 1.0),
    ];
    store.write(&Group { feedback: again, ..Group::default() }).unwrap();
    let view = "SELECT group_concat(id || ' ' || name || ' ' || value || ' ' || at || ' ' || \"key\", \
                char(10)) FROM (SELECT * FROM feedback ORDER BY id, name)";
    let (id, at) = (sample::id(1), "2026-01-02T03:04:10.678Z chatbot");
    assert_eq!(cell(&folder, view), Some(format!("{id} stars 4.5 {at}\n{id} success 0.5 {at}")),);
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn an_experiment_is_read_in_the_order_of_time_with_its_refusals_and_values() {
    let folder = Folder::new("read");
    drop(written(&folder));
    let reader = folder.reader();
    let mut found = Vec::new();
    reader
        .enrolled("ab", &["success", "stars"], |row| {
            let cost = row.end.cost_nano.unwrap_or_default();
            let at_ms = row.at_ms - sample::STARTED_MS;
            found.push((at_ms, row.arm.to_owned(), row.end.state, cost, row.feedback.to_vec()));
        })
        .unwrap();
    let row = |at, arm: &str, state, cost, told| (at, arm.to_owned(), state, cost, told);
    let all = [
        row(1, "old", "settled", 1_234, vec![Some(1.0), Some(4.5)]),
        row(2, "new", "refused", 0, vec![None, None]),
        row(2, "old", "settled", 1_234, vec![None, None]),
        row(3, "new", "settled", 1_234, vec![None, None]),
    ];
    assert_eq!(found, all);
    reader.enrolled("other", &[], |_| panic!("of another one")).unwrap();
    let mut last = None;
    reader
        .enrolled("ab", &[], |row| {
            let RequestEnd { outcome, output_tokens, first_token_us, duration_us, .. } = row.end;
            let outcome = outcome.map(str::to_owned);
            last = Some((row.unit, outcome, output_tokens, (first_token_us, duration_us)));
        })
        .unwrap();
    let took = (Some(100_000), Some(500_000));
    assert_eq!(last, Some((0xab, Some("ok".into()), Some(41), took)));
}

#[test]
fn whose_a_request_was_is_found_also_of_a_refusal_that_was_an_arm() {
    let folder = Folder::new("whose");
    let mut store = written(&folder);
    let plain = sample::refused(sample::STARTED_MS + 9, &trial());
    let plain_id = plain.id;
    store.write(&Group { refused: vec![plain], ..Group::default() }).unwrap();
    let reader = folder.reader();
    let find = |id, name| reader.enrolment(id, name).unwrap();
    let first = find(sample::id(1), "success").unwrap();
    assert_eq!((&*first.team, &*first.key, first.others), ("retail", "chatbot", 1));
    let arm = first.arm.unwrap();
    assert_eq!((&*arm.experiment, &*arm.arm), ("ab", "old"));
    assert_eq!(find(sample::id(9), "success").unwrap().arm, None);
    let refused = refused_in_arm(sample::STARTED_MS + 2, &trial()).id;
    let of = find(refused, "x").unwrap().arm.unwrap();
    assert_eq!(of, ArmName { arm: "new".into(), ..arm });
    assert_eq!((find(plain_id, "x"), find(sample::id(5), "x")), (None, None));
}

#[test]
fn changes_of_experiments_stand_once_and_in_their_order() {
    let folder = Folder::new("changes");
    let mut store = written(&folder);
    let changes =
        vec![change(2, ExperimentAction::Resumed), change(1, ExperimentAction::RolledBack)];
    for _ in 0..2 {
        store.write(&Group { changes: changes.clone(), ..Group::default() }).unwrap();
    }
    drop(store);
    drop(folder.open());
    let found = folder.reader().experiment_changes().unwrap();
    assert_eq!(found, [changes[1].clone(), changes[0].clone()]);
    let reader = folder.reader();
    let after = |seq| reader.experiment_changes_after(seq).unwrap();
    assert_eq!(after(0), (2, found));
    assert_eq!(after(1), (2, vec![changes[0].clone()]));
    assert_eq!(after(2), (2, Vec::new()), "the number stays where nothing is new");
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn a_row_of_an_experiment_that_is_removed_or_added_is_found() {
    for (by_hand, named) in [
        ("DELETE FROM enrolled WHERE seq = 2", "enrolled lacks 1 row: removed by hand"),
        ("DELETE FROM arm WHERE arm = 'old'", "arm lacks 1 row: removed by hand"),
        ("DELETE FROM arm WHERE arm = 'new'", "3 requests have lost the arms that they were"),
        ("DELETE FROM feedback_value", "feedback_value lacks 2 rows: removed by hand"),
        ("DELETE FROM experiment_change", "experiment_change lacks 1 row: removed by hand"),
        (
            "INSERT INTO enrolled SELECT seq, 1, x'00', NULL, 1 FROM entry WHERE id NOT IN \
             (SELECT id FROM entry JOIN enrolled USING (seq)) LIMIT 1",
            "enrolled has 1 row too many: added by hand",
        ),
        ("UPDATE enrolled SET seq = 99 WHERE seq = 1", "1 row of enrolled belongs to no entry"),
        (
            "UPDATE feedback_value SET id = 'x' WHERE name = 'stars'",
            "1 feedback belongs to no request",
        ),
        ("DELETE FROM shadow", "shadow lacks 1 row: removed by hand"),
        ("UPDATE shadow SET seq = 99", "1 row of shadow belongs to no entry"),
        ("UPDATE shadow SET arm = 99", "1 request has lost the arm that it was"),
        ("DELETE FROM judged WHERE name = 'calls_agree'", "judged lacks 1 row: removed by hand"),
        (
            "UPDATE judged SET id = 'x' WHERE name = 'calls_agree'",
            "1 judgement belongs to no request",
        ),
        ("DELETE FROM meta WHERE name = 'rows_arm'", "the count of the rows of arm is missing"),
        ("DROP TABLE feedback_value", "the table feedback_value is missing"),
    ] {
        let folder = Folder::new("removed-of-experiment");
        drop(written(&folder));
        Connection::open(folder.file()).unwrap().execute_batch(by_hand).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        assert!(faults.iter().any(|it| it == named), "{by_hand}: {faults:?}");
    }
}

#[test]
fn what_is_told_and_the_arm_go_with_their_entry() {
    let folder = Folder::new("goes");
    let mut store = written(&folder);
    let refused = refused_in_arm(sample::STARTED_MS + 2, &trial()).id;
    let feedback = vec![told(refused, "success", 0.0)];
    store.write(&Group { feedback, ..Group::default() }).unwrap();
    store.keep(keeper(3));
    kept(&mut store, sample::STARTED_MS + 4 * DAY_MS);
    for table in ["entry", "enrolled", "refusal", "feedback_value"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(cell(&folder, &count).as_deref(), Some("0"), "{table}");
    }
    assert_eq!(folder.reader().experiment_changes().unwrap().len(), 1, "this stays");
    let found = folder.reader().verify().unwrap();
    assert_eq!((found.faults, found.settled), (Vec::new(), 0));
}

/// Makes a file of the fifth schema of one of the sixth in which no experiment was.
const AS_FIFTH: &str = "DROP VIEW feedback; DROP VIEW ledger; DROP TABLE arm; DROP TABLE enrolled;
     DROP TABLE feedback_value; DROP TABLE experiment_change; DROP TABLE shadow;
     DROP TABLE judged; DROP TABLE audit; DROP TABLE audit_checkpoint; DROP INDEX refusal_arm;
     DELETE FROM meta WHERE name LIKE 'audit%';
     ALTER TABLE refusal DROP COLUMN arm; ALTER TABLE refusal DROP COLUMN unit;
     DELETE FROM meta WHERE name LIKE 'rows_%'; CREATE VIEW ledger AS SELECT 1;
     PRAGMA user_version = 5;";

#[test]
fn a_file_of_the_fifth_version_keeps_all_of_its_rows_and_their_checksums() {
    let folder = Folder::new("fifth");
    let names = sample::names();
    let mut store = folder.open();
    let mut group = whole((1..4).map(|number| sample::outcome(sample::opened(number, &names))));
    group.refused = vec![sample::refused(sample::STARTED_MS, &names)];
    store.write(&group).unwrap();
    let connection = Connection::open(folder.file()).unwrap();
    drop(store);
    let before = (rows(&connection), folder.reader().verify().unwrap());
    older::back_to(7, &connection);
    connection.execute_batch(AS_FIFTH).unwrap();
    assert!(matches!(
        Reader::open(&folder.file()),
        Err(StoreError::Older { found: 5, known: migrate::NEWEST })
    ));
    let mut store = folder.open();
    assert_eq!(
        (rows(&connection), folder.reader().verify().unwrap()),
        (of_the_ninth(before.0), before.1.clone())
    );
    assert_eq!((before.1.settled, before.1.unchecked), (3, 0));
    // What comes now stands beside it.
    let mut group = whole([sample::outcome(in_arm(5, &trial(), 0, 1))]);
    group.feedback = vec![told(sample::id(1), "success", 1.0)];
    store.write(&group).unwrap();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.settled), (Vec::new(), 4));
    connection.execute_batch("UPDATE refusal SET arm = 1").unwrap();
    assert_eq!(folder.reader().verify().unwrap().faults.len(), 1, "an older refusal had no arm");
}
