use serde_json::{Value, json};

use super::*;
use crate::{
    config::{
        Config,
        load::{Layer, layered},
        outside::Outside,
    },
    outcome::AuditAction,
};

fn author(at_ms: i64) -> Author {
    Author { by: "mei".into(), at_ms, not_before_ms: 0, reason: "".into() }
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn hash(digit: char) -> String {
    String::from(digit).repeat(64)
}

fn create(name: &str, value: Value) -> Edit {
    let fields = fields(ManagedKind::Key, &object(value)).unwrap();
    Edit::Create { kind: ManagedKind::Key, name: name.into(), fields, hash: Some(hash('a')) }
}

fn patch(name: &str, value: Value, version: Option<i64>) -> Edit {
    Edit::Patch { kind: ManagedKind::Key, name: name.into(), patch: object(value), version }
}

fn rotation(name: &str, digit: char, (overlap_ms, end_overlap): (i64, bool)) -> Edit {
    let (name, hash) = (name.into(), hash(digit));
    Edit::Rotate { name, hash, overlap_ms, end_overlap, version: None }
}

fn revoke(name: &str) -> Edit {
    Edit::Revoke { name: name.into(), version: None }
}

/// Makes changes one after the other; the file has the key `old`.
fn made(managed: &Managed, edits: &[Edit]) -> Result<(Managed, AuditAction), EditRefused> {
    let mut last = (managed.clone(), AuditAction::KeyCreated);
    for (at, edit) in (1..).zip(edits) {
        let in_file = |kind, name: &str| kind == ManagedKind::Key && name == "old";
        let (row, action) = edit.apply(&last.0, &author(at), in_file)?;
        last = (last.0.with(at, [row]), action);
    }
    Ok(last)
}

fn refused(edits: &[Edit]) -> String {
    made(&Managed::default(), edits).unwrap_err().to_string()
}

#[test]
fn a_row_is_made_changed_field_by_field_and_ended() {
    let budget = json!({ "amount": "5", "window": "day", "hard": true });
    let first = json!({ "team": "cards", "budget": budget, "owner": null });
    let limits = json!({ "concurrent": 2 });
    let then = json!({ "team": null, "budget": { "amount": "7", "hard": null }, "limits": limits });
    let edits = [create("a", first), patch("a", then, Some(1))];
    let (managed, action) = made(&Managed::default(), &edits).unwrap();
    assert_eq!(action, AuditAction::KeyChanged);
    let row = managed.get(ManagedKind::Key, "a").unwrap();
    let now =
        json!({ "budget": { "amount": "7", "window": "day" }, "limits": { "concurrent": 2 } });
    assert_eq!(serde_json::to_value(&row.fields).unwrap(), now);
    assert_eq!((row.version, row.created.at_ms, row.changed.at_ms), (2, 1, 2));
    let (managed, action) = made(&managed, &[revoke("a")]).unwrap();
    assert_eq!(action, AuditAction::KeyRevoked);
    assert_eq!(managed.active(ManagedKind::Key).count(), 0);
    assert_eq!(managed.after(ManagedKind::Key, "").count(), 1);
}

#[test]
fn a_key_that_is_rotated_has_two_hashes_for_a_while_or_one() {
    let rotate = |digit, overlap_ms| rotation("a", digit, (overlap_ms, false));
    let credential = |edits: &[Edit]| {
        let (managed, _) = made(&Managed::default(), edits).unwrap();
        managed.get(ManagedKind::Key, "a").unwrap().credential.clone().unwrap()
    };
    let first = create("a", json!({}));
    let one = credential(&[first.clone(), rotate('b', 1_000)]);
    assert_eq!((one.hash, one.previous), ([0xbb; 32], Some(([0xaa; 32], 1_002))));
    let at_once = credential(&[first.clone(), rotate('b', 0)]);
    assert_eq!((at_once.hash, at_once.previous), ([0xbb; 32], None));
    // An overlap that runs is ended by who says so alone; one that is over is in nobody's way.
    for overlap_ms in [0, 5, 90_000] {
        let said = refused(&[first.clone(), rotate('b', 1_000), rotate('c', overlap_ms)]);
        let until = "opens until 1970-01-01T00:00:01.002Z";
        assert!(said.contains(until) && said.contains("`end_overlap`"), "{said}");
    }
    let ended = [first.clone(), rotate('b', 1_000), rotation("a", 'c', (5, true))];
    assert_eq!(credential(&ended).previous, Some(([0xbb; 32], 8)), "the oldest is over");
    let over = credential(&[first, rotate('b', 1), rotate('c', 5)]);
    assert_eq!(over.previous, Some(([0xbb; 32], 8)));
}

#[test]
fn what_cannot_be_changed_so_is_refused_with_its_name() {
    let a = || create("a", json!({}));
    assert_eq!(refused(&[a(), a()]), "there is a key `a` already");
    assert_eq!(refused(&[create("old", json!({}))]), "there is a key `old` already");
    let in_file = "the key `old` stands in the configuration's file, and is changed there";
    assert_eq!(refused(&[revoke("old")]), in_file);
    assert_eq!(refused(&[patch("b", json!({}), None)]), "there is no key `b`");
    assert_eq!(refused(&[revoke("b")]), "there is no key `b`");
    for edit in [a(), revoke("a"), patch("a", json!({}), None)] {
        let said = refused(&[a(), revoke("a"), edit]);
        let told = ["the key `a` was revoked: ", "the key `a` is revoked; nothing of it"];
        assert!(told.iter().any(|it| said.starts_with(it)), "{said}");
    }
    let stale = [a(), patch("a", json!({ "hints": false }), None), patch("a", json!({}), Some(1))];
    assert_eq!(refused(&stale), "the key `a` has version 2 by now: `mei` has changed it");
    let wrong = Edit::Rotate {
        name: "a".into(),
        hash: "abc".into(),
        overlap_ms: 0,
        end_overlap: false,
        version: None,
    };
    assert!(refused(&[a(), wrong]).contains("64 hexadecimal digits"));
    assert!(fields(ManagedKind::Key, &object(json!({ "models": [null] }))).is_err());
}

#[test]
fn a_name_of_a_team_that_is_gone_may_be_given_again() {
    let kind = ManagedKind::Team;
    let team = |fields: Value| Edit::Put {
        kind,
        name: "t".into(),
        fields: fields_of(fields),
        version: None,
    };
    let gone = Edit::Remove { kind, name: "t".into(), version: None };
    let edits = [team(json!({ "models": ["a"] })), gone, team(json!({}))];
    let (managed, action) = made(&Managed::default(), &edits).unwrap();
    let row = managed.get(kind, "t").unwrap();
    assert_eq!((action, row.version, row.fields.len()), (AuditAction::TeamCreated, 3, 0));
}

fn fields_of(value: Value) -> Table {
    fields(ManagedKind::Team, &object(value)).unwrap()
}

#[test]
fn a_proposal_is_read_from_its_row_as_it_was_made() {
    let author = Author { by: "mei".into(), at_ms: 5, not_before_ms: 0, reason: "fine".into() };
    let patch = object(json!({ "budget": null, "limits": { "requests_per_minute": 5 } }));
    let edits =
        vec![Edit::Patch { kind: ManagedKind::Key, name: "a".into(), patch, version: Some(3) }];
    let it = Proposal::of_edits(&edits, &json!([{ "before": null }]), ("why", 99));
    let row = it.row("id", &author);
    let read = Proposal::of_row(&row).unwrap();
    assert_eq!((&read, read.edits()), (&it, Some(edits)));
    assert_eq!((read.state, read.expires_ms, &*read.reason), (ProposalState::Open, 99, "why"));
    let closed = read.closed(&row, ProposalState::Approved, &author);
    let again = Proposal::of_row(&closed).unwrap();
    assert_eq!((again.state, closed.version), (ProposalState::Approved, 2));
    // What a later version writes is none, and no panic.
    let other = ManagedRow { fields: Table::new(), ..row };
    assert_eq!(Proposal::of_row(&other), None);
}

const FILE: &str = "[server]\n[[model]]\nid = \"qwen\"\nprice = \"free\"\n\
    [[model.endpoint]]\nurl = \"http://127.0.0.1:8000/v1/\"\n\
    [[key]]\nname = \"old\"\nhash = \"hmac-sha256:\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\n";

/// A configuration with this managed beside its file.
fn read(managed: &Managed) -> Result<Config, Vec<policies::Fault>> {
    let outside = Outside {
        file: "",
        variables: &[],
        folder: std::path::Path::new("/etc/signalbox"),
        secret: &|_| Err("nothing".into()),
        read: &|_| Err("nothing".into()),
        ground: &|_| Vec::new(),
        managed: &|_| Ok(managed.clone()),
    };
    let environment = Layer::environment(std::iter::empty());
    layered(FILE, environment, Layer::overrides(&[]), &outside)
}

/// The same rows, of which none was read yet.
fn unread(managed: &Managed) -> Managed {
    let rows = ManagedKind::ALL.into_iter().flat_map(|kind| managed.after(kind, ""));
    Managed::default().with(managed.last, rows.map(|row| ManagedRow::clone(row)))
}

#[test]
fn keys_that_were_read_before_are_what_they_would_be_read_as() {
    let key = |name: &str, digit: char, value: Value| Edit::Create {
        kind: ManagedKind::Key,
        name: name.into(),
        fields: fields(ManagedKind::Key, &object(value)).unwrap(),
        hash: Some(hash(digit)),
    };
    let team = |name: &str, value: Value| Edit::Put {
        kind: ManagedKind::Team,
        name: name.into(),
        fields: fields_of(value),
        version: None,
    };
    let budget = json!({ "amount": "5", "window": "day" });
    let steps = [
        team("cards", json!({})),
        key("b", 'b', json!({ "team": "cards", "data_class_max": "internal" })),
        key("a", 'a', json!({ "models": ["qwen"], "budget": budget })),
        patch("a", json!({ "team": "cards" }), None),
        // Another place for `cards`, which stands after it in the tree.
        team("bank", json!({})),
        team("cards", json!({ "parent": "bank" })),
        // Above what `b` may send.
        team("bank", json!({ "data_class": "confidential" })),
        team("bank", json!({ "data_class_max": "internal" })),
        rotation("b", 'c', (1_000, false)),
        // The credential of `a`, and a name of the file.
        key("c", 'a', json!({})),
        revoke("c"),
        key("old", 'd', json!({})),
        revoke("old"),
        Edit::Remove { kind: ManagedKind::Team, name: "cards".into(), version: None },
        patch("a", json!({ "team": null }), None),
        revoke("b"),
    ];
    let mut base = read(&Managed::default()).unwrap();
    let (mut managed, mut refused) = (Managed::default(), 0);
    for (at, edit) in (1..).zip(&steps) {
        let (row, _) = edit.apply(&managed, &author(at), |_, _| false).unwrap();
        managed = managed.with(at, [row]);
        let text = |faults: Vec<policies::Fault>| {
            faults.iter().map(|it| format!("{it}\n")).collect::<String>()
        };
        let again = base.read_from().with_managed(&managed).map_err(text);
        match (again, read(&unread(&managed)).map_err(text)) {
            (Ok(again), Ok(anew)) => {
                assert_eq!((&again.keys, &again.teams), (&anew.keys, &anew.teams), "{edit:?}");
                assert_eq!(again.policy.fleet(), anew.policy.fleet(), "{edit:?}");
                base = again;
            }
            (Err(again), Err(anew)) => {
                assert_eq!(again, anew, "{edit:?}");
                refused += 1;
            }
            (again, anew) => panic!("{edit:?}: {:?}, {:?}", again.err(), anew.err()),
        }
    }
    assert!(refused >= 4, "{refused} of them are no configuration");
    assert_eq!(base.keys.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["old", "a"]);
}
