//! Correcting what a closed entry cost: a row beside it, the balance moved by the difference, and a record of
//! the audit trail, all in one transaction.

use std::path::Path;

use policies::facts::Money;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::{adjustment, audit, checksum, command, schema};
use crate::{
    outcome::{AuditAction, AuditRecord},
    record::StoreError,
};

/// A correction as it is asked for.
#[derive(Clone, Debug)]
pub struct Correction<'a> {
    /// The id of the correction and of its record in the audit trail.
    pub id: Uuid,
    /// The entry's id.
    pub request: Uuid,
    /// What the entry costs from now on.
    pub cost: Money,
    /// The clock, milliseconds since 1970: it is recorded when it is written.
    pub now_ms: fn() -> i64,
    /// Who corrects it.
    pub who: &'a str,
    /// Why, in words.
    pub reason: &'a str,
}

/// What has become of a correction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corrected {
    /// The entry cost something else before, and is corrected.
    Done {
        /// What it cost before.
        before: Money,
        /// The currency of the entry.
        currency: String,
    },
    /// The entry costs this much already: nothing was written.
    Same,
    /// The request is under way, or its end was not found yet.
    Open,
    /// The request was refused, and cost nothing.
    Refused,
    /// There is no entry of this id, or it was too old to be kept.
    Unknown,
}

const FIND: &str = concat!(
    "SELECT e.seq, unixepoch(e.started_at) / 900, p.tree, w.team, w.\"key\", p.currency, ",
    schema::corrected!(),
    " FROM entry AS e JOIN caller AS w ON w.id = e.caller JOIN epoch AS p ON p.id = e.epoch \
     LEFT JOIN entry_close AS c ON c.seq = e.seq WHERE e.id = ?"
);
const REFUSAL: &str = "SELECT 1 FROM refusal WHERE id = ?";
const INSERT: &str = concat!(
    "INSERT INTO adjustment (",
    adjustment::columns!(),
    ") SELECT coalesce(max(seq), 0) + 1, ?,?,?,?,?,?,?,? FROM adjustment"
);

/// Corrects what an entry cost. A server may be writing to the ledger meanwhile.
///
/// # Errors
/// The file is no ledger of this version, or cannot be written.
pub fn adjust(ledger: &Path, correction: &Correction<'_>) -> Result<Corrected, StoreError> {
    command::write(ledger, |tx| corrected(tx, correction))
}

/// An entry as a correction needs it.
struct Found {
    seq: i64,
    /// The cell of the balance: quarter of an hour, tree, team and key.
    cell: (i64, i64, String, String),
    currency: String,
    cost: Option<i64>,
}

fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Found>> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Found {
            seq: row.get(0)?,
            cell: (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?),
            currency: row.get(5)?,
            cost: row.get(6)?,
        })
    };
    connection.query_row(FIND, [id], read).optional()
}

fn corrected(tx: &Transaction<'_>, it: &Correction<'_>) -> rusqlite::Result<Corrected> {
    let request = it.request.hyphenated().to_string();
    let Some(found) = find(tx, &request)? else {
        let refused = tx.prepare(REFUSAL)?.exists([&request])?;
        return Ok(if refused { Corrected::Refused } else { Corrected::Unknown });
    };
    let Some(before) = found.cost else { return Ok(Corrected::Open) };
    let after = it.cost.nano();
    if before == after {
        return Ok(Corrected::Same);
    }
    let id = it.id.to_string();
    let at_ms = (it.now_ms)().max(audit::newest_ms(tx)?);
    let row = params![id, found.seq, request, at_ms, before, after, it.who, it.reason];
    tx.execute(INSERT, row)?;
    checksum::seal(tx, &checksum::ADJUSTMENT, "id = ?", [&*id])?;
    let (quarter, tree, team, key) = &found.cell;
    let more = after.saturating_sub(before);
    tx.execute(schema::ADD_BALANCE, params![quarter, tree, team, key, more, 0])?;
    audit::append(tx, &recorded((it, at_ms), request, before))?;
    Ok(Corrected::Done { before: Money::from_nano(before), currency: found.currency })
}

fn recorded((it, at_ms): (&Correction<'_>, i64), request: String, before: i64) -> AuditRecord {
    let cost = |cost: Money| {
        let json = serde_json::json!({ "cost": cost.to_string(), "cost_nano": cost.nano() });
        Some(json.to_string().into())
    };
    AuditRecord {
        id: it.id,
        at_ms,
        who: it.who.into(),
        what: AuditAction::LedgerAdjusted,
        subject: request.into(),
        reason: it.reason.into(),
        before: cost(Money::from_nano(before)),
        after: cost(it.cost),
    }
}
