//! The requests of an experiment, as its report reads them.

use policies::experiment::UnitKind;

use super::{
    enrolled::{in_arm, refused_in_arm, told, trial},
    *,
};

/// A request that took part in nothing, of this user, so many milliseconds after the sample's beginning.
fn apart(number: u64, names: &Arc<EpochInfo>, user: u128, after_ms: i64) -> Arc<Opened> {
    let opened = Opened::clone(&sample::opened(number, names));
    let signals = policies::facts::Signals {
        unit_user: Some(user),
        ..policies::facts::Signals::clone(&opened.signals)
    };
    let started_at_ms = opened.started_at_ms + after_ms;
    Arc::new(Opened { signals: Arc::new(signals), started_at_ms, ..opened })
}

/// What is read: unit, milliseconds after the beginning, arm, state, and the values told.
type Read = (u128, i64, Option<String>, &'static str, Vec<(usize, f64)>);

fn read(reader: &Reader, version: &str, unit: UnitKind) -> (Observed, Vec<Read>) {
    let observed = reader.observed("ab", version).unwrap();
    let asked = Asked { experiment: "ab", version, unit, past_ms: 1_000 };
    let mut all = Vec::new();
    reader
        .observations(asked, &observed, |row| {
            let (after_ms, arm) = (row.at_ms - sample::STARTED_MS, row.arm.map(Into::into));
            all.push((row.unit, after_ms, arm, row.end.state, row.feedback.to_vec()));
        })
        .unwrap();
    (observed, all)
}

#[test]
fn requests_come_by_unit_and_time_with_their_past_and_what_took_no_part() {
    let folder = Folder::new("observed");
    let names = trial();
    let entries = [
        in_arm(3, &names, 1, 0xab),
        in_arm(1, &names, 1, 0xab),
        in_arm(2, &names, 0, 0xaa),
        // Of before the experiment; too old to count; while it ran; after its last entry.
        apart(11, &names, 0xab, -500),
        apart(12, &names, 0xab, -1_500),
        apart(13, &names, 0xad, 2),
        apart(14, &names, 0xad, 4),
    ];
    let mut group = whole(entries.map(sample::outcome));
    group.feedback = vec![told(sample::id(3), "success", 0.0), told(sample::id(3), "success", 1.0)];
    group.refused = vec![refused_in_arm(sample::STARTED_MS + 2, &names)];
    folder.open().write(&group).unwrap();
    let version = &*names.experiments[0].version;
    let (observed, all) = read(&folder.reader(), version, UnitKind::User);
    let at = |ms| sample::STARTED_MS + ms;
    assert_eq!(
        (observed.since_ms, observed.until_ms, observed.first_ms),
        (Some(at(1)), at(3), at(1))
    );
    assert_eq!(
        (observed.feedback, observed.currency.as_deref()),
        (vec!["success".into()], Some("USD"))
    );
    let arm = |name: &str| Some(name.to_owned());
    let expected = vec![
        (7, 2, arm("new"), "refused", vec![]),
        (0xaa, 2, arm("old"), "settled", vec![]),
        (0xab, -500, None, "settled", vec![]),
        (0xab, 1, arm("new"), "settled", vec![]),
        (0xab, 3, arm("new"), "settled", vec![(0, 1.0)]),
        (0xad, 2, None, "settled", vec![]),
    ];
    assert_eq!(all, expected);
    // By key they are one unit; by request each is one, and none has a past.
    let (_, by_key) = read(&folder.reader(), version, UnitKind::Key);
    assert!(by_key.iter().all(|it| it.0 == by_key[0].0) && by_key.len() == 6, "{by_key:?}");
    let (_, by_request) = read(&folder.reader(), version, UnitKind::Request);
    assert!(by_request.iter().all(|it| it.1 >= 0), "{by_request:?}");
    // Nothing is read of a version that nobody got an arm of.
    let (none, nothing) = read(&folder.reader(), "another", UnitKind::User);
    assert_eq!((none.since_ms, nothing.len()), (None, 0));
}
