//! Checkpoints of the audit trail: from time to time its newest record is signed. Whoever changes records
//! can make every later hash anew, and cannot make the signatures without the key, which is not in the
//! ledger. Which public keys sign stands in the trail itself.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::audit::{self, Hash, hash_at, hex};
use crate::outcome::{AuditAction, AuditRecord};

/// What every signed text begins with.
const FORM: &[u8] = b"signalbox audit checkpoint 1\n";
/// So many records are not left without a signature.
const RECORDS_MAX: i64 = 64;
/// Nor is any for longer than about this.
const SIGN_EVERY_MS: i64 = 60_000;

/// The signatures.
macro_rules! tables {
    () => {
        "CREATE TABLE audit_checkpoint (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL,
       at_ms INTEGER NOT NULL, \"key\" BLOB NOT NULL, signature BLOB NOT NULL);"
    };
}
pub(super) use tables;

const INSERT: &str = "INSERT INTO audit_checkpoint (seq, hash, at_ms, \"key\", signature) \
     VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING";
const LAST: &str = "SELECT coalesce(max(seq), 0) FROM audit_checkpoint";
const ALL: &str = "SELECT c.seq, c.hash, c.at_ms, c.\"key\", c.signature, a.hash \
     FROM audit_checkpoint AS c LEFT JOIN audit AS a ON a.seq = c.seq ORDER BY c.seq";
/// The newest record that says which key signs.
const KEY_NOW: &str = "SELECT \"after\" FROM audit WHERE what = ? ORDER BY seq DESC LIMIT 1";
const NEWEST: &str = "SELECT \"key\" FROM audit_checkpoint ORDER BY seq DESC LIMIT 1";
/// From which record on a public key may sign.
const KEY_SINCE: &str = "SELECT min(seq) FROM audit WHERE what = ?1 AND json_valid(\"after\") AND \
     json_extract(\"after\", '$.public_key') = ?2";
const TABLE: &str =
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'audit_checkpoint'";

/// The key that signs, and when it last did.
pub struct Signer {
    pair: Ed25519KeyPair,
    now_ms: fn() -> i64,
    signed_ms: Option<i64>,
    /// Whether the last try has failed, which is said once.
    failing: bool,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("public_key", &self.public_key()).finish_non_exhaustive()
    }
}

impl Signer {
    /// The key that this seed makes, and the clock: milliseconds since 1970. Nothing where the seed is none.
    #[must_use]
    pub fn new(seed: &[u8; 32], now_ms: fn() -> i64) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(Self { pair, now_ms, signed_ms: None, failing: false })
    }

    /// What its signatures are checked with, in hexadecimal digits.
    #[must_use]
    pub fn public_key(&self) -> String {
        hex(self.pair.public_key().as_ref())
    }

    /// Signs the newest record if that is due, or at the end if it is not signed yet.
    pub(super) fn step(&mut self, connection: &mut Connection, last: bool) {
        let signed = self.sign(connection, last).map_err(super::failed);
        if let Err(error) = &signed
            && !self.failing
        {
            let ledger = connection.path().unwrap_or_default();
            tracing::warn!(ledger, %error, "the audit trail could not be signed; tried again");
        }
        self.failing = signed.is_err();
    }

    fn sign(&mut self, connection: &mut Connection, last: bool) -> rusqlite::Result<()> {
        let now_ms = (self.now_ms)();
        let waited = |since: i64| !(since..since.saturating_add(SIGN_EVERY_MS)).contains(&now_ms);
        let unsigned = unsigned(connection)?;
        let due = last || unsigned >= RECORDS_MAX || self.signed_ms.is_none_or(waited);
        if unsigned < 1 || !due {
            return Ok(());
        }
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some((seq, hash)) = audit::head(&tx)? else { return Ok(()) };
        let signature = self.pair.sign(&signed_text(seq, &hash, now_ms));
        let key = self.pair.public_key().as_ref();
        tx.execute(INSERT, params![seq, hash, now_ms, key, signature.as_ref()])?;
        tx.commit()?;
        self.signed_ms = Some(now_ms);
        Ok(())
    }
}

/// How many records came after the last that is signed.
fn unsigned(connection: &Connection) -> rusqlite::Result<i64> {
    let signed: i64 = connection.prepare_cached(LAST)?.query_row([], |row| row.get(0))?;
    let head = audit::head(connection)?.map_or(0, |(seq, _)| seq);
    Ok(head.saturating_sub(signed))
}

fn signed_text(seq: i64, hash: &[u8], at_ms: i64) -> Hash {
    let values = [ValueRef::Integer(seq), ValueRef::Blob(hash), ValueRef::Integer(at_ms)];
    audit::sum(FORM, values)
}

/// Appends the record that brings a key in, unless it is the one that signs already.
pub(super) fn introduce(tx: &Transaction<'_>, mut record: AuditRecord) -> rusqlite::Result<()> {
    let what = AuditAction::AuditKeyChanged.name();
    let before = tx.query_row(KEY_NOW, [what], |row| row.get::<_, Option<String>>(0)).optional()?;
    let before = before.flatten();
    if before.as_deref() == record.after.as_deref() {
        return Ok(());
    }
    record.before = before.map(Into::into);
    audit::append(tx, &record)
}

/// The public key of the newest signature, in hexadecimal digits.
pub(super) fn key(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row(NEWEST, [], |row| Ok(hex(&blob(row, 0)?))).optional()
}

/// What the signatures say.
#[derive(Debug, Default)]
pub(super) struct Signed {
    /// What is wrong, each in words.
    pub(super) faults: Vec<String>,
    /// The newest record that is signed, and the key that has done it.
    pub(super) newest: Option<(i64, String)>,
}

/// Checks every signature, and that what it has signed is there.
pub(super) fn verify(connection: &Connection) -> rusqlite::Result<Signed> {
    let mut signed = Signed::default();
    if connection.query_row(TABLE, [], |row| row.get::<_, i64>(0))? == 0 {
        signed.faults.push("the table audit_checkpoint is missing".into());
        return Ok(signed);
    }
    let mut select = connection.prepare(ALL)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, key) = (row.get(0)?, blob(row, 3)?);
        if let Some(fault) = fault(connection, row, (seq, &key))? {
            signed.faults.push(fault);
        }
        signed.newest = Some((seq, hex(&key)));
    }
    Ok(signed)
}

fn fault(
    connection: &Connection,
    row: &Row<'_>,
    (seq, key): (i64, &[u8]),
) -> rusqlite::Result<Option<String>> {
    let (hash, signature) = (blob(row, 1)?, blob(row, 4)?);
    let ValueRef::Integer(at_ms) = row.get_ref(2)? else {
        return Ok(Some(format!("the signature of audit record {seq} has no time")));
    };
    let text = signed_text(seq, &hash, at_ms);
    if UnparsedPublicKey::new(&ED25519, key).verify(&text, &signature).is_err() {
        return Ok(Some(format!("the signature of audit record {seq} is wrong")));
    }
    let what = AuditAction::AuditKeyChanged.name();
    let since = connection.prepare_cached(KEY_SINCE)?;
    let since: Option<i64> = { since }.query_row([what, &hex(key)], |row| row.get(0))?;
    Ok(if since.is_none_or(|since| since > seq) {
        Some(format!("audit record {seq} is signed by a key that the audit trail does not name"))
    } else if row.get_ref(5)? == ValueRef::Null {
        Some(format!("audit record {seq}, which was signed, is missing"))
    } else if hash_at(row, 5)?.is_none_or(|it| it.as_slice() != hash) {
        Some(format!("audit record {seq} is not the one that was signed"))
    } else {
        None
    })
}

/// The bytes of a column; none where it holds something else.
fn blob(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get_ref(column)?.as_blob().unwrap_or_default().to_vec())
}
