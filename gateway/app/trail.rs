//! What the audit trail says of configurations, by which a process began and which took another one's place,
//! and of those who were turned away.
//! Hashes and names stand there, and nothing that a secret could be made of.

use std::{io, sync::Arc};

use policies::preset;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::changed::NamesChanged;
use crate::{
    outcome::{AuditAction, AuditRecord},
    pipeline::{Epoch, Gateway},
    record::Denied,
};

/// Who changes files; nobody knows more.
const BY_FILE: &str = "file";
/// Who does what no person does.
const BY_GATEWAY: &str = "gateway";
/// The name of what is changed.
const SUBJECT: &str = "configuration";
/// Names of a section that a record lists; more are counted.
const NAMES_MAX: usize = 50;

/// What is in force, by its hashes.
const STANDING: [&str; 5] = ["config", "policy", DOCUMENT, VERSION, "prices"];
/// What the policy calls itself.
const VERSION: &str = "policy_version";
/// The hash of the policy's document: that of the policy is another one with another team, model or alias.
const DOCUMENT: &str = "policy_document";

fn hashed(document: &str) -> String {
    format!("{:016x}", xxh3_64(document.as_bytes()))
}

fn standing(epoch: &Epoch) -> Map<String, Value> {
    let names = &epoch.names;
    let document = Arc::from(hashed(epoch.policy.document()));
    let values = [
        &epoch.config_hash,
        &names.policy_hash,
        &document,
        &names.policy_version,
        &names.price_version,
    ];
    let pair = |(name, value): (&str, &Arc<str>)| (name.to_owned(), Value::from(&**value));
    STANDING.into_iter().zip(values).map(pair).collect()
}

fn record(
    gateway: &Gateway,
    what: AuditAction,
    (before, after): (Option<&Map<String, Value>>, &Map<String, Value>),
) -> AuditRecord {
    let text = |it: &Map<String, Value>| Value::Object(it.clone()).to_string().into();
    let (who, reason) = match what {
        AuditAction::ConfigLoaded => (BY_GATEWAY, "the process has started"),
        AuditAction::ConfigNotTaken => (
            BY_GATEWAY,
            "the record before was not durable in time: what was before stays in force",
        ),
        _ => (BY_FILE, "the files were read anew"),
    };
    AuditRecord {
        id: Uuid::now_v7(),
        at_ms: (gateway.sources.timestamp)().as_millisecond(),
        who: who.into(),
        what,
        subject: SUBJECT.into(),
        reason: reason.into(),
        before: before.map(text),
        after: Some(text(after)),
    }
}

/// Whether the policies of two states are one preset, as two builds have it: no file has changed then.
fn own_preset((before, after): &(Option<&Map<String, Value>>, &Map<String, Value>)) -> bool {
    let of = |it: &Map<String, Value>| preset::of_version(it.get(VERSION)?.as_str()?);
    let text = |name| preset::document(name).map(hashed);
    let now = of(after)
        .filter(|name| text(name).as_deref() == after.get(DOCUMENT).and_then(Value::as_str));
    now.is_some() && before.and_then(of) == now
}

/// Whether the policies of two states are of different documents. A record of an earlier version has the hash
/// of the whole alone.
fn other_policy(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let by = if before.contains_key(DOCUMENT) { DOCUMENT } else { "policy" };
    before.get(by) != after.get(by)
}

/// Records by which configuration this process serves, after the one that the trail says was the last. No
/// request has an entry before they are durable: entries come after them in the same order.
pub(super) fn loaded(gateway: &Gateway, last: Option<&str>) {
    let after = standing(&gateway.epoch.load());
    let last = last.and_then(|it| serde_json::from_str::<Map<String, Value>>(it).ok());
    let before = last.map(|mut it| {
        it.retain(|name, _| STANDING.contains(&name.as_str()));
        it
    });
    let states = (before.as_ref(), &after);
    let mut records = vec![record(gateway, AuditAction::ConfigLoaded, states)];
    if before.as_ref().is_some_and(|before| other_policy(before, &after)) {
        let changed = record(gateway, AuditAction::PolicyChanged, states);
        let (who, reason) = match own_preset(&states) {
            true => (BY_GATEWAY, "the program's own preset is another one"),
            false => (BY_FILE, "the files name another policy than at the last start or reload"),
        };
        records.push(AuditRecord { who: who.into(), reason: reason.into(), ..changed });
    }
    let _ = gateway.recorder.audited(records);
}

/// Records that this epoch takes the place of the one in force, and waits until that is durable.
///
/// # Errors
/// It is not durable in time, and the epoch must not come into force. Where the record reaches the disk all
/// the same, another one after it says so.
pub(super) async fn reloaded(
    gateway: &Gateway,
    epoch: &Epoch,
    (changed, names): (&[&'static str], &[NamesChanged]),
) -> io::Result<()> {
    let failed = |it: crate::failure::Failure| {
        io::Error::other(format!("it cannot be recorded in the audit trail: {}", it.public))
    };
    gateway.recorder.accepts().map_err(failed)?;
    let (before, after) = (standing(&gateway.epoch.load()), standing(epoch));
    let mut told = after.clone();
    told.insert("changed".into(), json!(changed));
    for it in names {
        let lists = [("added", &it.added), ("removed", &it.removed), ("changed", &it.changed)];
        let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
        let lists = lists.map(|(what, names)| (what.to_owned(), listed(names)));
        told.insert(it.section.into(), Value::Object(lists.collect()));
    }
    let states = (Some(&before), &told);
    let mut records = vec![record(gateway, AuditAction::ConfigReloaded, states)];
    if other_policy(&before, &after) {
        records.push(record(gateway, AuditAction::PolicyChanged, (Some(&before), &after)));
    }
    let commit = gateway.recorder.audited(records);
    let durable = gateway.recorder.durable(commit).await;
    if durable.is_err() {
        let states = (Some(&after), &before);
        let _ =
            gateway.recorder.audited(vec![record(gateway, AuditAction::ConfigNotTaken, states)]);
    }
    durable.map_err(failed)
}

/// Names as a record lists them.
fn listed(names: &[Arc<str>]) -> Value {
    let mut list: Vec<String> = names.iter().take(NAMES_MAX).map(ToString::to_string).collect();
    if let Some(more) = names.len().checked_sub(NAMES_MAX).filter(|more| *more > 0) {
        list.push(format!("and {more} more"));
    }
    list.into()
}

/// Records who was refused for authorisation, with how often, once a minute has passed or at the end.
pub(super) fn denied(gateway: &Gateway, end: bool) {
    let at_ms = (gateway.sources.timestamp)().as_millisecond();
    let record = |it: Denied| {
        let after = json!({
            "kind": it.kind, "door": it.door, "count": it.count, "from_ms": it.from_ms,
            "until_ms": it.until_ms,
        });
        AuditRecord {
            id: Uuid::now_v7(),
            at_ms,
            who: (&*it.who).into(),
            what: AuditAction::AccessRefused,
            subject: it.kind.into(),
            reason: "refused for authorisation".into(),
            before: None,
            after: Some(after.to_string().into()),
        }
    };
    let records: Vec<_> = gateway.recorder.denied(at_ms, end).into_iter().map(record).collect();
    if !records.is_empty() {
        let _ = gateway.recorder.audited(records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_preset_of_the_program_is_told_from_another_policy_of_the_files() {
        let state = |version: &str, document: &str| {
            let hash = hashed(document);
            let pairs = [(VERSION, version), (DOCUMENT, &hash)];
            pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).into_iter().collect()
        };
        let bank = preset::document("bank").unwrap_or_default();
        let version = "bank-2026-11.3";
        for (before, after, own) in [
            (("bank-2026-11", "as it was"), (version, bank), true),
            // An earlier build has changed its text and not its version.
            ((version, "as it was"), (version, bank), true),
            (("best-1", "as it was"), (version, bank), false),
            (("mine", "as it was"), (version, bank), false),
            // A copy in a file, which somebody has edited.
            (("bank-2026-11", bank), (version, "edited"), false),
            ((version, bank), ("mine", "edited"), false),
        ] {
            let (before, after): (Map<_, _>, Map<_, _>) =
                (state(before.0, before.1), state(after.0, after.1));
            assert_eq!(own_preset(&(Some(&before), &after)), own, "{before:?} {after:?}");
            assert!(!own_preset(&(None, &after)), "nothing was before");
        }
    }
}
