//! What is managed: written with its audit record or not at all, and what is done to it by hand is named.

use rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::{
    config::{Author, Edit, Managed, ManagedKind, ManagedRow, Proposal, ProposalState},
    outcome::{AuditAction, AuditRecord},
    store::{ManagedError, managed_sum, note_uses, write_managed},
};

/// How long whoever writes is waited for.
const WAIT: Duration = Duration::from_secs(5);
/// When keys are changed: after whatever else is recorded.
const AT_MS: i64 = sample::STARTED_MS + 1_000 * DAY_MS;

fn key(name: &str, managed: &Managed) -> (ManagedRow, AuditRecord) {
    let fields = toml::Table::from_iter([("team".to_owned(), "cards".into())]);
    let hash = Some("ab".repeat(32));
    let edit = match managed.get(ManagedKind::Key, name) {
        None => Edit::Create { kind: ManagedKind::Key, name: name.into(), fields, hash },
        Some(_) => Edit::Revoke { name: name.into(), version: None },
    };
    let author = Author { by: "mei".into(), at_ms: AT_MS, not_before_ms: 0, reason: "".into() };
    let (row, what) = edit.apply(managed, &author, |_, _| false).unwrap();
    let after = json!({ "row": managed_sum(&row) }).to_string();
    let record = AuditRecord {
        id: Uuid::now_v7(),
        at_ms: AT_MS,
        who: "mei".into(),
        what,
        subject: name.into(),
        reason: "".into(),
        before: None,
        after: Some(after.into()),
    };
    (row, record)
}

fn managed(folder: &Folder) -> Managed {
    folder.reader().managed(&Managed::default()).unwrap()
}

/// A ledger with the keys `a` and `b`, of which `b` is revoked.
fn written(name: &str) -> Folder {
    let folder = Folder::new(name);
    two_keys(&folder);
    folder
}

/// Writes the keys `a` and `b`, revokes `b`, and notes a use of `a`.
pub(super) fn two_keys(folder: &Folder) {
    let nothing = Managed::default();
    let both = [key("a", &nothing), key("b", &nothing)];
    assert_eq!(write_managed(&folder.file(), 0, &both, WAIT).unwrap(), 1);
    assert_eq!(write_managed(&folder.file(), 1, &[key("b", &managed(folder))], WAIT).unwrap(), 2);
    note_uses(&folder.file(), &[("a".into(), 1)]).unwrap();
}

#[test]
fn rows_are_read_as_they_were_written_and_only_what_is_new() {
    let folder = written("managed-read");
    let all = managed(&folder);
    assert_eq!(all.last, 2);
    let (row, _) = key("a", &Managed::default());
    assert_eq!(**all.get(ManagedKind::Key, "a").unwrap(), row);
    assert_eq!(all.active(ManagedKind::Key).count(), 1);
    // Who knows the first change reads the second alone.
    let first = all.with(1, []);
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute("UPDATE managed SET fields = '{}' WHERE name = 'a'", []).unwrap();
    let then = folder.reader().managed(&first).unwrap();
    assert_eq!(then.get(ManagedKind::Key, "a"), all.get(ManagedKind::Key, "a"));
    assert_eq!(folder.reader().managed_last().unwrap(), 2);
}

#[test]
fn a_change_made_from_what_is_not_so_any_more_is_not_written() {
    let folder = written("managed-conflict");
    let nothing = Managed::default();
    let late = write_managed(&folder.file(), 1, &[key("c", &nothing)], WAIT);
    assert!(matches!(late, Err(ManagedError::Conflict)));
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.audit), (Vec::new(), 3));
    assert_eq!(managed(&folder).get(ManagedKind::Key, "c"), None);
}

#[test]
fn what_is_done_to_a_row_by_hand_is_named() {
    for (sql, told) in [
        ("UPDATE managed SET hash = zeroblob(32) WHERE name = 'a'", "`a` is not as it was written"),
        ("UPDATE managed SET fields = '{}' WHERE name = 'a'", "`a` is not as it was written"),
        ("UPDATE managed SET state = 'active' WHERE name = 'b'", "`b` is not as it was written"),
        ("UPDATE managed SET name = 'c' WHERE name = 'a'", "`a` is missing"),
        ("DELETE FROM managed WHERE name = 'b'", "`b` is missing: it was removed without a record"),
        (
            "INSERT INTO managed SELECT kind, 'c', fields, hash, previous_hash, previous_until_ms, state, \
          version, created_ms, created_by, changed_ms, changed_by, seq, audit_id FROM managed \
          WHERE name = 'a'",
            "`c` is not the one of its last audit record",
        ),
        (
            "UPDATE managed SET audit_id = (SELECT id FROM audit WHERE seq = 2) WHERE name = 'b'",
            "`b` is not the one of its last audit record",
        ),
    ] {
        let folder = written("managed-by-hand");
        Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        assert!(faults.iter().any(|it| it.contains(told)), "{sql}: {faults:?}");
    }
}

/// A row with the record that its writer keeps of it.
fn recorded(row: ManagedRow, what: AuditAction) -> (ManagedRow, AuditRecord) {
    let after = json!({ "row": managed_sum(&row) }).to_string();
    let record = AuditRecord {
        id: Uuid::now_v7(),
        at_ms: AT_MS,
        who: "mei".into(),
        what,
        subject: (&*row.name).into(),
        reason: "".into(),
        before: None,
        after: Some(after.into()),
    };
    (row, record)
}

#[test]
fn proposals_are_held_against_the_trail_as_keys_are() {
    for (sql, told) in [
        ("SELECT 1", None),
        (
            "UPDATE managed SET fields = replace(fields, 'rejected', 'open')",
            Some("the proposal `7` is not as it was written"),
        ),
        ("DELETE FROM managed", Some("the proposal `7` is missing")),
    ] {
        let folder = Folder::new("managed-proposal");
        let author =
            Author { by: "mei".into(), at_ms: AT_MS, not_before_ms: 0, reason: "no".into() };
        let it = Proposal::of_policy("version = \"1\"", &json!([]), ("why", 99));
        let row = it.row("7", &author);
        let first = recorded(row.clone(), AuditAction::ProposalMade);
        assert_eq!(write_managed(&folder.file(), 0, &[first], WAIT).unwrap(), 1);
        assert_eq!(managed(&folder).open_proposals().count(), 1);
        let closed = it.closed(&row, ProposalState::Rejected, &author);
        let second = recorded(closed, AuditAction::ProposalRejected);
        assert_eq!(write_managed(&folder.file(), 1, &[second], WAIT).unwrap(), 2);
        assert_eq!(managed(&folder).open_proposals().count(), 0);
        Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
        let faults = folder.reader().verify().unwrap().faults;
        let found = told.map(|told| faults.iter().any(|it| it.contains(told)));
        assert!(found.unwrap_or(faults.is_empty()), "{sql}: {faults:?}");
    }
}

/// What was planned before something else was recorded is planned anew, so that the trail and the rows go
/// forward in time; what is recorded by a server after waiting is of no moment before.
#[test]
fn what_is_recorded_is_never_of_before_what_was_recorded_already() {
    let folder = written("managed-late");
    let (mut late, mut record) = key("c", &managed(&folder));
    (late.changed.at_ms, record.at_ms) = (AT_MS - 1, AT_MS - 1);
    let told = write_managed(&folder.file(), 2, &[(late, record.clone())], WAIT);
    assert!(matches!(told, Err(ManagedError::Conflict)), "{told:?}");
    assert_eq!(write_managed(&folder.file(), 2, &[key("c", &managed(&folder))], WAIT).unwrap(), 3);
    record.what = AuditAction::LedgerBackedUp;
    record.id = Uuid::now_v7();
    record.after = None;
    super::super::record(&folder.file(), record.clone(), || 5).unwrap();
    let mut store = folder.open();
    record.id = Uuid::now_v7();
    let one = sample::outcome(sample::opened(1, &sample::names()));
    store.write(&Group { audit: vec![record], ..whole([one]) }).unwrap();
    let corrected = adjust(&folder.file(), &adjust::correction(1, 1_000)).unwrap();
    assert!(matches!(corrected, Corrected::Done { .. }), "{corrected:?}");
    let trail = folder.reader().audit((0, i64::MIN), 20).unwrap();
    let moments: Vec<_> = trail.iter().map(|it| it["at"].as_str().unwrap().to_owned()).collect();
    assert_eq!(moments.len(), 7);
    assert!(moments.is_sorted() && moments[0] == moments[6], "{moments:?}");
    assert_eq!(folder.reader().audited_ms().unwrap(), AT_MS);
    assert_eq!(audited_ms(&folder.file()), AT_MS);
    assert_eq!(folder.reader().verify().unwrap().faults, Vec::<String>::new());
}

/// What stands at a ledger's path and is none is told in the same words by whoever writes.
#[test]
fn no_ledger_is_made_through_a_link_to_nothing_or_found_in_another_file() {
    let folder = Folder::new("managed-none");
    std::os::unix::fs::symlink(folder.0.join("target.db"), folder.file()).unwrap();
    let first = || [key("a", &Managed::default())];
    let told = write_managed(&folder.file(), 0, &first(), WAIT).unwrap_err().to_string();
    assert!(told.contains("a link to nothing that can be read"), "{told}");
    assert!(!folder.0.join("target.db").exists());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing was made");
    let text = folder.0.join("text.db");
    fs::write(&text, "these are words, and no ledger; more of them than a header has\n".repeat(9))
        .unwrap();
    let told = [
        write_managed(&text, 0, &first(), WAIT).unwrap_err().to_string(),
        note_uses(&text, &[]).unwrap_err().to_string(),
        accept_pepper(&text, "x").unwrap_err().to_string(),
        free_to_write(&text).unwrap_err().to_string(),
        Reader::open(&text).unwrap_err().to_string(),
    ];
    assert!(told.iter().all(|it| it.starts_with("there is no ledger in it")), "{told:?}");
}

#[test]
fn the_latest_use_of_a_key_is_kept() {
    let folder = written("managed-uses");
    for at_ms in [5, 9, 7] {
        note_uses(&folder.file(), &[("a".into(), at_ms)]).unwrap();
    }
    let uses = folder.reader().key_uses(&["a".into(), "b".into()]).unwrap();
    assert_eq!(uses.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 9)]);
}

#[test]
fn a_full_disk_changes_nothing() {
    let folder = written("managed-full");
    // No page more than there are.
    let mut connection = Connection::open(folder.file()).unwrap();
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let nothing = Managed::default();
    let many: Vec<_> = (0..2_000).map(|at| key(&format!("key-{at}"), &nothing)).collect();
    let full = super::super::managed::write_on(&mut connection, 2, &many);
    assert!(matches!(full, Err(ManagedError::Store(StoreError::Full))), "{full:?}");
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.faults, verified.audit), (Vec::new(), 3));
    assert_eq!(managed(&folder).last, 2);
}

/// A start reads keys and teams before it brings an older file to its own form: none of them is away then.
#[test]
fn what_an_earlier_version_has_is_read_before_its_file_is_brought_up_to_date() {
    let folder = written("managed-earlier");
    let known = managed(&folder);
    let connection = Connection::open(folder.file()).unwrap();
    older::back_to(8, &connection);
    drop(connection);
    let earlier = stored_managed(&folder.file()).unwrap();
    assert_eq!(
        (earlier.last, earlier.get(ManagedKind::Key, "a")),
        (known.last, known.get(ManagedKind::Key, "a"))
    );
    assert!(earlier.get(ManagedKind::Key, "b").is_some());
}
