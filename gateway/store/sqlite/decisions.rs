//! What decides, written once when its first request is: the policy with its fleet by the policy's hash, the
//! price table, and what each key may use from when on. Which machines are paid for is written before, when a
//! configuration with others comes into force.

use std::collections::HashMap;

use policies::facts::KeyFacts;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{checksum, machines, schema};
use crate::outcome::{EpochInfo, PolicyRecord};

/// The list of a key that may use everything.
const EVERY_MODEL: &str = "[\"*\"]";

/// Keeps what the requests of this epoch are decided by.
pub(super) fn keep(transaction: &Transaction<'_>, names: &EpochInfo) -> rusqlite::Result<()> {
    let Some(policy) = &names.policy else { return Ok(()) };
    let known = transaction.query_row(schema::FIND_POLICY, [&*names.policy_hash], |_| Ok(()));
    if known.optional()?.is_none() {
        // Plain values without maps: there is nothing that could not be written.
        let fleet = serde_json::to_string(&policy.fleet).unwrap_or_default();
        let row = params![names.policy_hash, names.policy_version, policy.document, fleet];
        transaction.execute(schema::INSERT_POLICY, row)?;
        checksum::seal(transaction, &checksum::POLICY, "hash = ?", [&*names.policy_hash])?;
    }
    // `in_force` may have written its row. Of two configurations of one moment the later one's stays.
    let since_ms = policy.since_ms;
    if !listed(transaction, ("", since_ms))?
        && !keep_machines(transaction, (names, policy))?
        && !listed(transaction, (schema::MOMENT, since_ms))?
    {
        insert(transaction, (schema::MOMENT, since_ms), machines::NONE)?;
    }
    keep_lists(transaction, &names.fleet.keys, since_ms)
}

/// Keeps which machines a configuration pays for that comes into force, unless those before it were the same.
/// A group that comes again finds its own row, and a successor of the same configuration its predecessor's.
pub(super) fn in_force(tx: &Transaction<'_>, names: &EpochInfo) -> rusqlite::Result<()> {
    let Some(policy) = &names.policy else { return Ok(()) };
    if !keep_machines(tx, (names, policy))? {
        return Ok(());
    }
    // A row of no key says that the lists of its moment are written too.
    keep_lists(tx, &names.fleet.keys, policy.since_ms)
}

/// Keeps which machines are paid for from this moment on, where those before were others; says whether they
/// were. What was true from the next moment on stays so, by a row of its own.
fn keep_machines(
    tx: &Transaction<'_>,
    (names, policy): (&EpochInfo, &PolicyRecord),
) -> rusqlite::Result<bool> {
    let since_ms = policy.since_ms;
    let machines = machines::written(names, &policy.by_hour);
    let before = tx.query_row(schema::MACHINES_AT, [since_ms], |row| row.get(0)).optional()?;
    let before = before.unwrap_or_else(|| machines::NONE.to_owned());
    if before == machines {
        return Ok(false);
    }
    let next: Option<i64> = tx.query_row(schema::NEXT_LISTS, [since_ms], |row| row.get(0))?;
    if let Some(next) = next
        && !listed(tx, ("", next))?
    {
        insert(tx, ("", next), &before)?;
    }
    insert(tx, ("", since_ms), &machines)?;
    Ok(true)
}

/// Keeps the price table of these names.
pub(super) fn prices(transaction: &Transaction<'_>, names: &EpochInfo) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(schema::INSERT_PRICE)?;
    for model in names.models() {
        let price = model.price.as_ref();
        let made = insert.execute(params![
            names.price_version,
            model.id,
            names.currency,
            price.map(|price| price.input.nano()),
            price.map(|price| price.cached_input.nano()),
            price.map(|price| price.cache_write.nano()),
            price.map(|price| price.output.nano()),
            price.map(|price| price.reasoning.nano()),
        ])?;
        if made > 0 {
            let key = [&*names.price_version, &*model.id];
            let which = "version = ? AND model = ?";
            checksum::seal(transaction, &checksum::PRICE, which, key)?;
        }
    }
    Ok(())
}

/// Keeps the lists of keys that are others than they were. Most keys may use everything, and have no row.
///
/// The first request of a configuration may be written after one of the next configuration: what was true
/// from that one on stays so, by a row of its own.
fn keep_lists(tx: &Transaction<'_>, keys: &[KeyFacts], since_ms: i64) -> rusqlite::Result<()> {
    let mut known = tx.prepare(schema::LISTS_AT)?;
    let known = known.query_map([since_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let known: HashMap<String, String> = known.collect::<rusqlite::Result<_>>()?;
    let next: Option<i64> = tx.query_row(schema::NEXT_LISTS, [since_ms], |row| row.get(0))?;
    for key in keys {
        let name = &*key.name;
        let known = known.get(name).map_or(EVERY_MODEL, String::as_str);
        let models = serde_json::to_string(&*key.models).unwrap_or_default();
        if known == models {
            continue;
        }
        if let Some(next) = next
            && !listed(tx, (name, next))?
        {
            insert(tx, (name, next), known)?;
        }
        insert(tx, (name, since_ms), &models)?;
    }
    Ok(())
}

fn listed(tx: &Transaction<'_>, (key, since_ms): (&str, i64)) -> rusqlite::Result<bool> {
    let found = tx.query_row(schema::FIND_LIST, params![key, since_ms], |_| Ok(()));
    Ok(found.optional()?.is_some())
}

fn insert(
    tx: &Transaction<'_>,
    (key, since_ms): (&str, i64),
    models: &str,
) -> rusqlite::Result<()> {
    tx.execute(schema::INSERT_LIST, params![key, since_ms, models])?;
    checksum::seal(tx, &checksum::KEY_MODELS, "rowid = ?", [tx.last_insert_rowid()])?;
    tx.execute(schema::COUNT_LIST, [])?;
    Ok(())
}
