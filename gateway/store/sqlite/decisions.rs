//! What decides, written once when its first request is: the policy with its fleet by the policy's hash, and
//! what each key may use from when on.

use std::collections::HashMap;

use policies::facts::KeyFacts;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{checksum, schema};
use crate::outcome::EpochInfo;

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
    keep_lists(transaction, &names.fleet.keys, policy.since_ms)
}

/// Keeps the lists of keys that are others than they were. Most keys may use everything, and have no row.
fn keep_lists(
    transaction: &Transaction<'_>,
    keys: &[KeyFacts],
    since_ms: i64,
) -> rusqlite::Result<()> {
    let mut last = transaction.prepare(schema::LAST_LISTS)?;
    let last = last.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last: HashMap<String, String> = last.collect::<rusqlite::Result<_>>()?;
    for key in keys {
        let known = last.get(&*key.name);
        let all = matches!(&*key.models, [one] if &**one == "*");
        if all && known.is_none() {
            continue;
        }
        let models = serde_json::to_string(&*key.models).unwrap_or_default();
        if known != Some(&models) {
            transaction.execute(schema::INSERT_LIST, params![key.name, since_ms, models])?;
            let row = [transaction.last_insert_rowid()];
            checksum::seal(transaction, &checksum::KEY_MODELS, "rowid = ?", row)?;
        }
    }
    Ok(())
}
