//! Proving that the books are right: each request has one entry, and the sums agree.

use std::path::Path;

use policies::{counted, facts::Money};
use rusqlite::Connection;

use super::{
    adjustment, audit, boot, checkpoint, checksum, damage, failed, managed, priced, read::unsigned,
    removed,
};
use crate::record::StoreError;

/// What the books say about themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Entries open: of requests under way, or left by a crash until that is found.
    pub open: u64,
    /// Entries settled.
    pub settled: u64,
    /// Entries closed at their reservation after a crash.
    pub recovered: u64,
    /// Rows of an earlier version, which carry no checksum: a change of them is only found where a sum or
    /// a name no longer agrees.
    pub unchecked: u64,
    /// Records of the audit trail.
    pub audit: u64,
    /// The newest of them that is signed, and the public key that checks it; `None` where none is.
    pub signed: Option<(i64, String)>,
    /// Entries whose cost was reckoned again from their tokens and the price table that they name, or from
    /// their reservation; each other one than that is a fault.
    pub priced: u64,
    /// Entries of which no one cost follows, since several attempts at several prices may have cost
    /// something, or since their prices are not kept.
    pub unpriced: u64,
    /// Corrections of entries' costs.
    pub adjusted: u64,
    /// The sum of all closed entries that are kept.
    pub cost: Money,
    /// Entries that are open without a process that could end them, as a crash leaves them: the next start
    /// closes them.
    pub left_open: u64,
    /// What is not wrong and is to be known, in words.
    pub notes: Vec<String>,
    /// What is wrong, in words; empty when the books are right.
    pub faults: Vec<String>,
}

impl Verification {
    /// Of a file of which no more can be said than this.
    #[must_use]
    pub fn damaged(fault: String) -> Self {
        Self { faults: vec![fault], ..Self::default() }
    }
}

/// Cells in which the entries' sum, those that are gone included, and the balance differ.
const DIFFERENCES: &str = "SELECT coalesce(e.team, b.team, '?'), coalesce(e.k, b.\"key\", '?'), \
     coalesce(e.quarter, b.quarter, 0) * 900, coalesce(e.cost, 0), coalesce(b.cost_nano, 0), \
     coalesce(e.requests, 0), coalesce(b.requests, 0) \
     FROM (SELECT quarter, tree, team, k, sum(cost) AS cost, sum(requests) AS requests FROM ( \
           SELECT unixepoch(started_at) / 900 AS quarter, tree, team, \"key\" AS k, \
           cost_nano AS cost, 1 AS requests FROM line WHERE state > 0 \
           UNION ALL SELECT quarter, tree, team, \"key\", cost_nano, requests FROM gone) \
           GROUP BY 1, 2, 3, 4) AS e \
     FULL JOIN balance AS b ON b.quarter = e.quarter AND b.tree = e.tree AND b.team = e.team \
     AND b.\"key\" = e.k \
     WHERE e.cost IS NOT b.cost_nano OR e.requests IS NOT b.requests";

/// Values that no writer writes, each in words: with them, no sum says anything.
const UNSOUND: &str = "\
     SELECT 'the cost of entry ' || coalesce(e.id, c.seq) || ' is ' || quote(c.cost_nano) \
     FROM entry_close AS c LEFT JOIN entry AS e USING (seq) \
     WHERE typeof(c.cost_nano) <> 'integer' OR c.cost_nano NOT BETWEEN 0 AND ?1 \
     UNION ALL SELECT 'entry ' || id || ' has reserved ' || quote(reserved_nano) FROM entry \
     WHERE typeof(reserved_nano) <> 'integer' OR reserved_nano NOT BETWEEN 0 AND ?1 \
     UNION ALL SELECT 'entry ' || e.id || ' is in the state ' || quote(r.state) \
     FROM result AS r JOIN entry_close AS c ON c.result = r.id JOIN entry AS e USING (seq) \
     WHERE r.state NOT IN (1, 2) \
     UNION ALL SELECT 'a balance of team ' || quote(team) || ' is ' || quote(cost_nano) || ' of ' || \
     quote(requests) || ' requests' FROM (SELECT * FROM balance UNION ALL SELECT * FROM gone) \
     WHERE typeof(cost_nano) <> 'integer' OR typeof(requests) <> 'integer' OR \
     typeof(quarter) <> 'integer' OR typeof(tree) <> 'integer' OR \
     cost_nano NOT BETWEEN 0 AND ?1 \
     UNION ALL SELECT 'the correction of entry ' || quote(request) || ' is from ' || \
     quote(cost_nano_before) || ' to ' || quote(cost_nano_after) FROM adjustment \
     WHERE typeof(cost_nano_before) <> 'integer' OR typeof(cost_nano_after) <> 'integer' OR \
     typeof(entry) <> 'integer' OR cost_nano_before NOT BETWEEN 0 AND ?1 OR \
     cost_nano_after NOT BETWEEN 0 AND ?1 LIMIT 20";
/// What all closed entries that are kept cost, corrections included.
const SUM: &str = "SELECT coalesce((SELECT sum(cost_nano) FROM entry_close), 0) + \
     coalesce((SELECT sum(cost_nano_after - cost_nano_before) FROM adjustment \
     WHERE entry IN (SELECT seq FROM entry_close)), 0)";
/// Nano-units: no budget, and no sum of a request, is larger.
pub(super) const SOUND_MAX: i64 = 4_000_000_000_000_000_000;

/// Open entries from the mark on by the boot that has opened them, 0 where it is none, of an earlier version;
/// and whether it is one that lives or whose end is to be written yet.
const OPEN_BY_BOOT: &str = "SELECT coalesce(e.boot, 0), e.boot IS NULL OR \
     b.id IS NOT NULL AND b.ended_at IS NULL, count(*) FROM entry AS e LEFT JOIN boot AS b ON b.id = e.boot \
     WHERE e.seq >= coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'open_from'), 1) \
     AND NOT EXISTS (SELECT 1 FROM entry_close WHERE entry_close.seq = e.seq) GROUP BY 1, 2 ORDER BY 1, 2";

/// Entries below the mark under which everything has been closed, and that have no end all the same.
const REOPENED: &str = "SELECT count(*) FROM entry WHERE seq < (SELECT CAST(value AS INTEGER) \
     FROM meta WHERE name = 'open_from') AND NOT EXISTS \
     (SELECT 1 FROM entry_close WHERE entry_close.seq = entry.seq)";

/// Recomputes what the ledger in `file` must agree on.
pub(super) fn verify(connection: &Connection, file: &Path) -> Result<Verification, StoreError> {
    // Whoever runs at either moment may have entries open in between.
    let numbers = || Ok(boot::living(file)?.into_iter().map(|it| it.number));
    let mut living: Vec<i64> = numbers()?.collect();
    let (mut verification, open) = match verified(connection) {
        Ok(verified) => verified,
        // Where a question has no answer, the others would say nothing either.
        Err(error) => match damage::told(&error) {
            Some(fault) => return Ok(Verification::damaged(fault)),
            None => return Err(failed(error)),
        },
    };
    living.extend(numbers()?);
    let left = LeftOpen::of(&open, &living);
    verification.left_open = left.to_close;
    verification.notes.extend(left.note(&living));
    verification.faults.extend(left.fault());
    Ok(verification)
}

fn verified(connection: &Connection) -> rusqlite::Result<(Verification, Vec<Open>)> {
    // One transaction, so that all figures are of one moment.
    let tx = connection.unchecked_transaction()?;
    let count = |sql: &str| tx.query_row(sql, [], |row| unsigned(row, 0));
    let mut verification = Verification {
        open: count("SELECT count(*) FROM line WHERE state = 0")?,
        settled: count("SELECT count(*) FROM line WHERE state = 1")?,
        recovered: count("SELECT count(*) FROM line WHERE state = 2")?,
        unchecked: 0,
        audit: 0,
        signed: None,
        priced: 0,
        unpriced: 0,
        adjusted: count("SELECT count(*) FROM adjustment")?,
        cost: Money::ZERO,
        left_open: 0,
        notes: Vec::new(),
        faults: Vec::new(),
    };
    let faults = &mut verification.faults;
    let mut unsound = tx.prepare(UNSOUND)?;
    let unsound = unsound.query_map([SOUND_MAX], |row| row.get::<_, String>(0))?;
    faults.extend(unsound.collect::<rusqlite::Result<Vec<_>>>()?);
    let sound = faults.is_empty();
    let lost = count("SELECT count(*) FROM entry_close WHERE seq NOT IN (SELECT seq FROM entry)")?;
    if lost > 0 {
        faults.push(counted(lost, "end belongs", "ends belong") + " to no entry");
    }
    let reopened = count(REOPENED)?;
    if reopened > 0 {
        let entries = (
            "entry was closed and has lost its end",
            "entries were closed and have lost their ends",
        );
        faults.push(counted(reopened, entries.0, entries.1));
    }
    faults.extend(removed::faults(&tx)?);
    if sound {
        verification.cost = Money::from_nano(tx.query_row(SUM, [], |row| row.get(0))?);
        let mut differences = tx.prepare(DIFFERENCES)?;
        let rows = differences.query_map([], difference)?;
        faults.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    prove_rows(&tx, &mut verification)?;
    verification.faults.extend(damage::names(&tx)?);
    verification.faults.extend(damage::found(&tx)?);
    let mut open = tx.prepare(OPEN_BY_BOOT)?;
    let open = open.query_map([], |row| {
        Ok(Open { boot: row.get(0)?, unended: row.get(1)?, entries: unsigned(row, 2)? })
    })?;
    let open = open.collect::<rusqlite::Result<_>>()?;
    Ok((verification, open))
}

/// Proves each row by itself: its checksum, the cost by its price table, the records of the trail.
fn prove_rows(tx: &Connection, verification: &mut Verification) -> rusqlite::Result<()> {
    let changed = checksum::compare(tx)?;
    verification.unchecked = changed.without;
    let reckoned = priced::verify(tx)?;
    (verification.priced, verification.unpriced) = (reckoned.priced, reckoned.unpriced);
    let trail = audit::verify(tx)?;
    verification.audit = trail.records;
    let faults = &mut verification.faults;
    for found in [changed.faults, reckoned.faults, trail.faults] {
        faults.extend(found);
    }
    // Without a trail there is nothing that a signature, a key or a correction could be of.
    if trail.is_there {
        faults.extend(managed::verify(tx)?);
        faults.extend(adjustment::verify(tx)?);
        let signed = checkpoint::verify(tx)?;
        faults.extend(signed.faults);
        verification.signed = signed.newest;
    }
    Ok(())
}

/// Entries that a boot has open.
#[derive(Clone, Copy, Debug)]
struct Open {
    boot: i64,
    /// Whether no start has closed yet what it left.
    unended: bool,
    entries: u64,
}

/// What is open without a process that could end it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOpen {
    /// What a crash leaves, and the next start closes, or whoever runs beside.
    to_close: u64,
    /// What nobody can have left so: all that their gateways had open was closed.
    wrong: u64,
}

impl LeftOpen {
    /// What these boots have open while those live.
    fn of(open: &[Open], living: &[i64]) -> Self {
        let mut left = Self::default();
        for it in open.iter().filter(|it| !living.contains(&it.boot)) {
            // One that runs has closed at its start what has no boot.
            let closes = it.unended && (it.boot > 0 || living.is_empty());
            let count = if closes { &mut left.to_close } else { &mut left.wrong };
            *count = count.saturating_add(it.entries);
        }
        left
    }

    /// That something is left to be closed, in words.
    fn note(self, living: &[i64]) -> Option<String> {
        let entries = counted(self.to_close, "entry is open", "entries are open");
        let told = until(living, self.to_close == 1);
        (self.to_close > 0).then(|| format!("{entries} {told}"))
    }

    /// What is wrong with the others, in words.
    fn fault(self) -> Option<String> {
        let entries = counted(self.wrong, "entry is open", "entries are open");
        let told = "although all that was open of its gateway has been closed";
        (self.wrong > 0).then(|| format!("{entries} {told}"))
    }
}

/// Who ends what is open without a process of its own, while these live.
pub(super) const fn until(living: &[i64], one: bool) -> &'static str {
    match (living.is_empty(), one) {
        (true, true) => "and no gateway runs: the next start closes it at its reservation",
        (true, false) => "and no gateway runs: the next start closes them at their reservations",
        (false, true) => {
            "of a gateway that runs no more: the one that runs closes it at its reservation within seconds"
        }
        (false, false) => {
            "of a gateway that runs no more: the one that runs closes them at their reservations within \
             seconds"
        }
    }
}

fn difference(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    let (team, key): (String, String) = (row.get(0)?, row.get(1)?);
    let from = jiff::Timestamp::from_second(row.get(2)?).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let (entries, balance) = (Money::from_nano(row.get(3)?), Money::from_nano(row.get(4)?));
    let (closed, balanced): (i64, i64) = (row.get(5)?, row.get(6)?);
    let cost = counted(closed, "entry costs", "entries cost");
    Ok(format!(
        "team {team}, key {key}, quarter of an hour from {from}: {cost} {entries}, the balance says \
         {balanced} and {balance}"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open() -> impl Strategy<Value = Vec<Open>> {
        let one = (0_i64..5, any::<bool>(), 1_u64..4);
        proptest::collection::vec(one, 0..6).prop_map(|all| {
            all.into_iter()
                .map(|(boot, unended, entries)| Open { boot, unended, entries })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_open_is_under_way_or_to_be_closed_or_wrong_and_never_two_of_these(
            open in open(), living in proptest::collection::vec(1_i64..5, 0..3)
        ) {
            let left = LeftOpen::of(&open, &living);
            let sum = |fits: &dyn Fn(&Open) -> bool| -> u64 {
                open.iter().filter(|it| fits(it)).map(|it| it.entries).sum()
            };
            let runs = sum(&|it| living.contains(&it.boot));
            prop_assert_eq!(left.to_close + left.wrong + runs, sum(&|_| true));
            let ended = sum(&|it| !living.contains(&it.boot) && !it.unended);
            prop_assert!(left.wrong >= ended, "whose end is written has nothing open");
            prop_assert!(!living.is_empty() || left.wrong == ended, "a crash is no fault");
            prop_assert_eq!(left.note(&living).is_some(), left.to_close > 0);
            prop_assert_eq!(left.fault().is_some(), left.wrong > 0);
        }
    }

    #[test]
    fn what_a_crash_leaves_is_told_with_who_closes_it() {
        let note = |to_close, living: &[i64]| LeftOpen { to_close, wrong: 0 }.note(living);
        let told = |end: &str| Some(end.to_owned());
        assert_eq!(note(0, &[]), None);
        assert_eq!(
            note(1, &[]),
            told(
                "1 entry is open and no gateway runs: the next start closes it at its reservation"
            )
        );
        assert_eq!(
            note(1_200, &[]),
            told(
                "1200 entries are open and no gateway runs: the next start closes them at their \
                 reservations"
            )
        );
        assert!(note(2, &[3]).unwrap().contains("the one that runs closes them"));
    }
}
