//! What an entry cost is corrected beside it, with a record, and nobody bends that unseen.

use rusqlite::Connection;

use super::*;

/// A correction of the entry of this number.
pub(super) fn correction(number: u64, nano: i64) -> Correction<'static> {
    Correction {
        id: Uuid::now_v7(),
        request: sample::id(number),
        cost: Money::from_nano(nano),
        now_ms: || sample::STARTED_MS + 5_000,
        who: "cli:ann",
        reason: "the backend counted twice",
    }
}

/// Two settled entries, an open one and a refusal.
fn written(folder: &Folder) -> Sqlite {
    let mut store = folder.open();
    let one = |number| sample::outcome(sample::opened(number, &sample::names()));
    let mut group = whole((1..3).map(one));
    group.opened = opens([sample::opened(3, &sample::names())]).opened;
    group.refused.push(sample::refused(sample::STARTED_MS, &sample::names()));
    store.write(&group).unwrap();
    let (signer, introduced) = audit::signer(1);
    store.sign(signer, introduced).unwrap();
    store
}

/// What the view says that an entry costs.
fn cost(folder: &Folder, number: u64) -> (i64, String) {
    let view = Connection::open(folder.file()).unwrap();
    let find = "SELECT cost_nano, cost FROM ledger WHERE id = ?";
    let both = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    view.query_row(find, [sample::id(number).to_string()], both).unwrap()
}

fn right(folder: &Folder) -> Verification {
    let verified = folder.reader().verify().unwrap();
    assert_eq!(verified.faults, Vec::<String>::new());
    verified
}

#[test]
fn a_correction_is_what_the_entry_costs_from_then_on_wherever_it_is_asked() {
    let folder = Folder::new("adjust");
    let mut store = written(&folder);
    let done = |nano| adjust(&folder.file(), &correction(1, nano)).unwrap();
    let before = |nano| Corrected::Done { before: Money::from_nano(nano), currency: "USD".into() };
    assert_eq!(done(1_000), before(1_234));
    assert_eq!(done(1_000), Corrected::Same, "by its value, whoever asks");
    assert_eq!(done(2_000_000_000), before(1_000));
    // The one that writes goes on, and its sums come to the corrected ones.
    store.write(&whole([sample::outcome(sample::opened(4, &sample::names()))])).unwrap();
    assert_eq!(cost(&folder, 1), (2_000_000_000, "2".into()));
    assert_eq!(cost(&folder, 2), (1_234, "0.000001234".into()));
    let verified = right(&folder);
    assert_eq!((verified.adjusted, verified.cost.nano()), (2, 2_000_002_468));
    assert_eq!(verified.priced, 3, "the entry itself is as it was charged");
    let reader = folder.reader();
    assert_eq!(reader.spent(0).unwrap()[0].cost.nano(), 2_000_002_468);
    let span = [Span { from_ms: 0, to_ms: sample::STARTED_MS * 2 }];
    let charges = reader.charges(&span, Apart::default()).unwrap();
    assert_eq!(charges.sums[0].charged.cost_nano, 2_000_002_468);
    assert_eq!(reader.sums(&[], 0).unwrap()[0].cost.nano(), 2_000_002_468);
    let kept = reader.request(sample::id(1)).unwrap().unwrap();
    let steps: Vec<_> =
        kept.adjustments.iter().map(|it| (it.before.nano(), it.after.nano())).collect();
    assert_eq!(steps, [(1_234, 1_000), (1_000, 2_000_000_000)]);
    assert_eq!(
        (&*kept.adjustments[0].who, kept.columns["cost_nano"].as_i64()),
        ("cli:ann", Some(2_000_000_000))
    );
    let trail = reader.audit((0, i64::MIN), 10).unwrap();
    let last = trail.last().unwrap();
    assert_eq!(
        (last["what"].as_str(), last["who"].as_str()),
        (Some("ledger.adjusted"), Some("cli:ann"))
    );
    assert_eq!(last["subject"].as_str(), Some(&*sample::id(1).to_string()));
    assert_eq!(last["after"]["cost"], "2");
}

#[test]
fn what_has_no_cost_yet_or_never_had_one_is_not_corrected() {
    let folder = Folder::new("adjust-none");
    let store = written(&folder);
    let of = |request| Correction { request, ..correction(1, 5) };
    let refused = sample::refused(sample::STARTED_MS, &sample::names()).id;
    for (request, told) in [
        (sample::id(3), Corrected::Open),
        (refused, Corrected::Refused),
        (Uuid::from_u128(7), Corrected::Unknown),
    ] {
        assert_eq!(adjust(&folder.file(), &of(request)).unwrap(), told);
    }
    drop(store);
    drop(folder.open());
    assert_eq!(right(&folder).adjusted, 0);
    let recovered = || {
        let span = [Span { from_ms: 0, to_ms: sample::STARTED_MS * 2 }];
        let sums = folder.reader().charges(&span, Apart::default()).unwrap().sums;
        (sums[0].charged.recovered, sums[0].charged.recovered_nano, sums[0].charged.requests)
    };
    let reserved = i128::from(sample::opened(3, &sample::names()).reserved.nano());
    assert_eq!(recovered(), (1, reserved, 3));
    let done = adjust(&folder.file(), &of(sample::id(3))).unwrap();
    assert!(matches!(done, Corrected::Done { .. }), "recovered by now: {done:?}");
    assert_eq!(recovered(), (0, 0, 3), "it is no longer charged with what was reserved");
    right(&folder);
    let absent = adjust(&folder.0.join("none.db"), &of(sample::id(1)));
    assert!(matches!(absent, Err(StoreError::Absent)), "{absent:?}");
}

/// Corrections outlive their entries: what is gone has cost what it was corrected to.
#[test]
fn a_corrected_entry_goes_with_what_it_cost_in_the_end() {
    let folder = Folder::new("adjust-gone");
    let mut store = folder.open();
    store.write(&whole([on_day(1, 0), on_day(2, 500)])).unwrap();
    let it = Correction { request: on_day(1, 0).opened.id, ..correction(1, 9_999) };
    adjust(&folder.file(), &it).unwrap();
    store.keep(Keep::new(400, 0, folder.0.clone(), || sample::STARTED_MS + 500 * DAY_MS));
    store.upkeep();
    let verified = right(&folder);
    assert_eq!((verified.settled, verified.adjusted), (1, 1));
    assert_eq!(folder.reader().spent(0).unwrap()[0].cost.nano(), 9_999 + 1_234);
    assert_eq!(adjust(&folder.file(), &it).unwrap(), Corrected::Unknown);
}

/// Each way to bend a correction by hand, its checksum and the balance made to fit where that helps.
#[test]
fn a_correction_that_was_bent_by_hand_is_named() {
    let unsealed = "UPDATE adjustment SET checksum = NULL; ";
    let other = "is not what the audit trail says of it";
    let by_hands = [
        ("UPDATE adjustment SET cost_nano_after = 7; UPDATE balance SET cost_nano = 1241", other),
        ("UPDATE adjustment SET cost_nano_before = 7", "does not go on from what the entry cost"),
        ("UPDATE adjustment SET who = 'cli:eve'", other),
        ("UPDATE adjustment SET reason = ''", other),
        ("UPDATE adjustment SET at_ms = 0", other),
        ("UPDATE adjustment SET id = 'x'", "has no audit record"),
        ("UPDATE adjustment SET entry = 3", "is of another entry"),
        ("UPDATE adjustment SET request = 'x'", "is of another entry"),
        (
            "DELETE FROM adjustment; UPDATE balance SET cost_nano = 2468",
            "has recorded is missing: its row was removed",
        ),
        ("UPDATE balance SET cost_nano = 2468", "the balance says"),
        (
            "INSERT INTO adjustment VALUES (9, 'y', 3, (SELECT id FROM entry WHERE seq = 3), 1,
               1234, 1, 'w', 'r', NULL);
             UPDATE balance SET cost_nano = cost_nano - 1233",
            "has no audit record",
        ),
        ("DELETE FROM audit WHERE what = 'ledger.adjusted'", "has no audit record"),
        (
            "UPDATE entry_close SET cost_nano = 1235; UPDATE balance SET cost_nano = cost_nano + 1",
            "does not go on from",
        ),
    ];
    for (by_hand, told) in by_hands {
        let folder = Folder::new("adjust-bent");
        let store = written(&folder);
        adjust(&folder.file(), &correction(1, 1_000)).unwrap();
        drop(store);
        let connection = Connection::open(folder.file()).unwrap();
        connection.execute_batch(&format!("{by_hand}; {unsealed}")).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        assert!(faults.iter().any(|it| it.contains(told)), "{by_hand}: {faults:?}");
    }
}

#[test]
fn a_file_of_the_seventh_version_takes_corrections_afterwards() {
    let folder = Folder::new("seventh");
    drop(written(&folder));
    let connection = Connection::open(folder.file()).unwrap();
    older::back_to(7, &connection);
    let before = rows(&connection);
    let older = adjust(&folder.file(), &correction(1, 1));
    assert!(
        matches!(older, Err(StoreError::Older { found: 7, known: migrate::NEWEST })),
        "{older:?}"
    );
    drop(folder.open());
    let after = rows(&connection);
    assert_eq!(before.len(), 3);
    let closed = before.iter().zip(&after).filter(|(before, _)| before[1] != "'open'");
    assert!(closed.map(|(before, after)| assert_eq!(before, after)).count() == 2);
    right(&folder);
    adjust(&folder.file(), &correction(1, 1)).unwrap();
    assert_eq!(cost(&folder, 1).0, 1);
    right(&folder);
}
