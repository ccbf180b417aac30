//! One transaction: the rows of a group, and the sums that they change.

use std::{collections::BTreeMap, sync::Arc};

use foldhash::HashMap;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use policies::experiment::Enrolled;

use super::{
    audit, cached, checksum, decisions, entry::Row, experiments, labels::Labels, recover, schema,
    started_at, trees,
};
use crate::{
    outcome::{Cached, EpochInfo, Opened, Outcome, ShadowOf},
    record::Group,
};

/// Epochs whose row is remembered: requests of the last few may still be under way.
const EPOCHS: usize = 8;

/// After so many new entries the mark below which all are closed is moved: what a start after a crash has
/// to look through.
const MARK_EVERY: i64 = 4_096;

/// The rows of an epoch: its own, and that of how its teams hang.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    epoch: i64,
    tree: i64,
    /// Those of these very names; no others get the same for as long as anything is remembered.
    names: u32,
}

/// What is remembered from one transaction to the next. All of it can be read again, and none of it
/// changes when another process writes meanwhile: rows of labels stay, and only this boot closes its
/// own entries as long as it lives.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Rows of `epoch`, the newest last.
    epochs: Vec<(Arc<EpochInfo>, Numbers)>,
    /// How many epochs have been remembered.
    names: u32,
    labels: Labels,
    /// The numbers of this boot's open entries.
    open: HashMap<Uuid, i64>,
    /// Whether `open` and `mark` are known.
    loaded: bool,
    /// Every entry with a smaller number is closed, whosever it is.
    mark: i64,
    /// The number of the next entry when it was last tried to move the mark.
    tried: i64,
    /// The last time that was written as text.
    started: (i64, String),
}

impl Memory {
    /// After a transaction that failed nobody knows what of it has reached the disk.
    fn forget(&mut self) {
        *self = Self::default();
    }

    fn load(&mut self, transaction: &Transaction<'_>, boot: i64) -> rusqlite::Result<()> {
        if self.loaded {
            return Ok(());
        }
        self.mark = recover::open_from(transaction)?;
        let mut find = transaction.prepare_cached(schema::FIND_OWN_OPEN)?;
        let rows = find.query_map([self.mark, boot], |row| {
            let id: String = row.get(1)?;
            Ok((Uuid::try_parse(&id).unwrap_or_default(), row.get(0)?))
        })?;
        self.open = rows.collect::<rusqlite::Result<_>>()?;
        self.loaded = true;
        Ok(())
    }

    fn started_at(&mut self, at_ms: i64) -> &str {
        let (known, text) = &mut self.started;
        if *known != at_ms || text.is_empty() {
            (*known, *text) = (at_ms, started_at(at_ms));
        }
        text
    }
}

/// Writes a group, all of it or nothing.
pub(super) fn write(
    connection: &mut Connection,
    (memory, boot): (&mut Memory, i64),
    group: &Group,
) -> rusqlite::Result<()> {
    let written = transact(connection, (memory, boot), group);
    if written.is_err() {
        memory.forget();
    }
    written
}

fn transact(
    connection: &mut Connection,
    (memory, boot): (&mut Memory, i64),
    group: &Group,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    memory.load(&transaction, boot)?;
    let next = transaction.prepare_cached(schema::NEXT_SEQ)?.query_row([], |row| row.get(0))?;
    let balance = BTreeMap::new();
    let rows = [0; experiments::COUNTED.len()];
    let mut page = Page { transaction: &transaction, memory, boot, next, balance, rows };
    for names in &group.in_force {
        decisions::in_force(&transaction, names)?;
    }
    page.open(group)?;
    page.close(group)?;
    page.add_balance()?;
    page.refuse(group)?;
    page.tell(group)?;
    page.count_rows()?;
    page.mark()?;
    transaction.commit()
}

/// What one transaction is writing.
struct Page<'a> {
    transaction: &'a Transaction<'a>,
    memory: &'a mut Memory,
    boot: i64,
    /// The number of the next entry.
    next: i64,
    /// By quarter of an hour, tree and the caller's number.
    balance: BTreeMap<(i64, i64, i64), Cell<'a>>,
    /// How many rows more there are in each of the tables that are counted.
    rows: [i64; experiments::COUNTED.len()],
}

/// What a group adds to one row of the balance.
struct Cell<'a> {
    team: &'a str,
    key: &'a str,
    nano: i64,
    requests: i64,
}

impl<'a> Page<'a> {
    fn open(&mut self, group: &Group) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(schema::INSERT_ENTRY)?;
        for opened in group.opened.values() {
            if let Some(seq) = self.append(&mut insert, opened)? {
                self.memory.open.insert(opened.id, seq);
            }
        }
        Ok(())
    }

    /// Appends an entry; its number, or nothing where it stands already.
    fn append(
        &mut self,
        insert: &mut rusqlite::CachedStatement<'_>,
        opened: &Opened,
    ) -> rusqlite::Result<Option<i64>> {
        let labels = [
            self.epoch(&opened.names)?.epoch,
            self.memory.labels.caller(self.transaction, opened)?,
            self.memory.labels.shape(self.transaction, opened)?,
        ];
        let mut row = Row::of(insert);
        let started_at = self.memory.started_at(opened.started_at_ms);
        row.opening(opened, (self.next, started_at, self.boot), labels)?;
        let seq = self.next;
        let appended = row.insert()? > 0;
        self.next += i64::from(appended);
        if let Some(enrolled) = opened.plan.arm.filter(|_| appended) {
            self.enrol(opened, enrolled, seq)?;
        }
        if let Some(of) = opened.shadow_of.filter(|_| appended) {
            self.shadow(opened, of, seq)?;
        }
        opened.cached.filter(|_| appended).map_or(Ok(()), |it| self.cached(it, seq))?;
        Ok(appended.then_some(seq))
    }

    fn enrol(&mut self, opened: &Opened, enrolled: Enrolled, seq: i64) -> rusqlite::Result<()> {
        let Some(arm) = self.arm(&opened.names, enrolled, seq)? else { return Ok(()) };
        let mut insert = self.transaction.prepare_cached(experiments::INSERT_ENROLLED)?;
        let mut row = Row::of(&mut insert);
        row.enrolled((seq, arm), enrolled.unit, opened.arm_shares.as_deref())?;
        let [_, rows, ..] = &mut self.rows;
        *rows += i64::from(row.insert()? > 0);
        Ok(())
    }

    fn shadow(&mut self, opened: &Opened, of: ShadowOf, seq: i64) -> rusqlite::Result<()> {
        let Some(arm) = self.arm(&opened.names, of.arm, seq)? else { return Ok(()) };
        let mut insert = self.transaction.prepare_cached(experiments::INSERT_SHADOW)?;
        let mut row = Row::of(&mut insert);
        row.shadow((seq, arm), of.request)?;
        let [.., rows, _, _] = &mut self.rows;
        *rows += i64::from(row.insert()? > 0);
        Ok(())
    }

    fn cached(&mut self, it: Cached, seq: i64) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(cached::INSERT)?;
        let mut row = Row::of(&mut insert);
        row.cached(seq, it)?;
        let [.., rows] = &mut self.rows;
        *rows += i64::from(row.insert()? > 0);
        Ok(())
    }

    /// The row of an arm; nothing where the names have no such arm.
    fn arm(
        &mut self,
        names: &Arc<EpochInfo>,
        enrolled: Enrolled,
        next: i64,
    ) -> rusqlite::Result<Option<i64>> {
        let named = (&**names, self.epoch(names)?.names);
        let found = self.memory.labels.arm(self.transaction, named, enrolled, next)?;
        let [rows, ..] = &mut self.rows;
        *rows += i64::from(found.is_some_and(|(_, new)| new));
        Ok(found.map(|(arm, _)| arm))
    }

    fn close(&mut self, group: &'a Group) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(schema::INSERT_ENTRY)?;
        let mut close = self.transaction.prepare_cached(schema::INSERT_CLOSE)?;
        for outcome in group.whole.iter().chain(&group.settled) {
            let opened = &*outcome.opened;
            let seq = match self.memory.open.remove(&opened.id) {
                Some(seq) => Some(seq),
                None => match self.append(&mut insert, opened)? {
                    Some(seq) => Some(seq),
                    None => self.find(opened.id)?,
                },
            };
            // The row that stood in the way of the insert is there.
            let Some(seq) = seq else { continue };
            let Numbers { tree, names, .. } = self.epoch(&opened.names)?;
            let result = self.memory.labels.result(self.transaction, outcome, names)?;
            let mut row = Row::of(&mut close);
            row.closing(outcome, (seq, result))?;
            if row.insert()? > 0 {
                self.charge(outcome, tree)?;
            }
        }
        Ok(())
    }

    fn find(&self, id: Uuid) -> rusqlite::Result<Option<i64>> {
        let mut find = self.transaction.prepare_cached(schema::FIND_ENTRY)?;
        find.query_row([id.to_string()], |row| row.get(0)).optional()
    }

    fn charge(&mut self, outcome: &'a Outcome, tree: i64) -> rusqlite::Result<()> {
        let opened = &*outcome.opened;
        let quarter = opened.started_at_ms.div_euclid(schema::QUARTER_MS);
        let caller = self.memory.labels.caller(self.transaction, opened)?;
        let cell = self.balance.entry((quarter, tree, caller)).or_insert_with(|| Cell {
            team: &opened.caller.team_name,
            key: &opened.caller.key_name,
            nano: 0,
            requests: 0,
        });
        cell.nano = cell.nano.saturating_add(outcome.charge.cost.nano());
        cell.requests += 1;
        Ok(())
    }

    fn add_balance(&mut self) -> rusqlite::Result<()> {
        let mut add = self.transaction.prepare_cached(schema::ADD_BALANCE)?;
        for ((quarter, tree, _), Cell { team, key, nano, requests }) in &self.balance {
            add.execute(params![quarter, tree, team, key, nano, requests])?;
        }
        Ok(())
    }

    fn refuse(&mut self, group: &Group) -> rusqlite::Result<()> {
        if group.refused.is_empty() {
            return Ok(());
        }
        let mut insert = self.transaction.prepare_cached(schema::INSERT_REFUSAL)?;
        for refused in &group.refused {
            let epoch = self.epoch(&refused.names)?.epoch;
            let arm = match refused.arm {
                Some(arm) => self.arm(&refused.names, arm, self.next)?,
                None => None,
            };
            let mut row = Row::of(&mut insert);
            row.refusal(refused, (epoch, arm))?;
            row.insert()?;
        }
        Ok(())
    }

    /// What callers have told, what was found about answers, what has become of experiments, and the trail.
    fn tell(&mut self, group: &Group) -> rusqlite::Result<()> {
        let [_, _, values, changes, _, found, _] = &mut self.rows;
        for told in &group.feedback {
            let before = (told.request.to_string(), &*told.name);
            let mut remove = self.transaction.prepare_cached(experiments::REMOVE_FEEDBACK)?;
            let removed = i64::from(remove.execute(before)? > 0);
            let mut insert = self.transaction.prepare_cached(experiments::INSERT_FEEDBACK)?;
            let mut row = Row::of(&mut insert);
            row.feedback(told)?;
            *values += i64::from(row.insert()? > 0) - removed;
        }
        for judged in &group.judged {
            let mut insert = self.transaction.prepare_cached(experiments::INSERT_JUDGED)?;
            let mut row = Row::of(&mut insert);
            row.judged(judged)?;
            *found += i64::from(row.insert()? > 0);
        }
        for change in &group.changes {
            let mut next = self.transaction.prepare_cached(experiments::NEXT_CHANGE)?;
            let next = next.query_row([], |row| row.get(0))?;
            let mut insert = self.transaction.prepare_cached(experiments::INSERT_CHANGE)?;
            let mut row = Row::of(&mut insert);
            row.change(next, change)?;
            if row.insert()? > 0 {
                *changes += 1;
                audit::append(self.transaction, &audit::of_change(change))?;
            }
        }
        for record in &group.audit {
            audit::append(self.transaction, record)?;
        }
        Ok(())
    }

    fn count_rows(&self) -> rusqlite::Result<()> {
        for (table, more) in experiments::COUNTED.iter().zip(self.rows) {
            if more != 0 {
                let mut count = self.transaction.prepare_cached(experiments::COUNT_ROWS)?;
                count.execute(params![table, more])?;
            }
        }
        Ok(())
    }

    /// Moves the mark, from time to time, to the first entry that anybody has open.
    fn mark(&mut self) -> rusqlite::Result<()> {
        let memory = &mut *self.memory;
        if self.next - memory.mark.max(memory.tried) < MARK_EVERY {
            return Ok(());
        }
        memory.tried = self.next;
        let own = memory.open.values().min().copied().unwrap_or(self.next);
        if own - memory.mark < MARK_EVERY {
            return Ok(());
        }
        let first = recover::first_open(self.transaction, (memory.mark, own), self.boot)?;
        if first - memory.mark >= MARK_EVERY {
            recover::set_open_from(self.transaction, first)?;
            memory.mark = first;
        }
        Ok(())
    }

    /// The row of these names; made, with their price table, when they are new.
    fn epoch(&mut self, names: &Arc<EpochInfo>) -> rusqlite::Result<Numbers> {
        if let Some((_, numbers)) =
            self.memory.epochs.iter().rev().find(|(known, _)| Arc::ptr_eq(known, names))
        {
            return Ok(*numbers);
        }
        let tree = trees::number(self.transaction, &names.fleet.teams)?;
        let versions = params![
            names.replica,
            names.currency,
            names.policy_version,
            names.policy_hash,
            names.price_version,
            tree
        ];
        let find = |tx: &Transaction<'_>| {
            tx.query_row(schema::FIND_EPOCH, versions, |row| row.get(0)).optional()
        };
        let epoch = match find(self.transaction)? {
            Some(epoch) => epoch,
            None => {
                self.transaction.execute(schema::INSERT_EPOCH, versions)?;
                let epoch = self.transaction.last_insert_rowid();
                checksum::seal(self.transaction, &checksum::EPOCH, "id = ?", [epoch])?;
                epoch
            }
        };
        decisions::prices(self.transaction, names)?;
        decisions::keep(self.transaction, names)?;
        if self.memory.epochs.len() == EPOCHS {
            self.memory.epochs.remove(0);
        }
        self.memory.names = self.memory.names.wrapping_add(1);
        let numbers = Numbers { epoch, tree, names: self.memory.names };
        self.memory.epochs.push((Arc::clone(names), numbers));
        Ok(numbers)
    }
}
