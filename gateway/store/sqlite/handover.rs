//! What the requests of some boots cost from a moment on: read again and again by their successor, whose
//! budgets must count what those before it still reserve and settle.
//!
//! A read looks at the entries that are new since the last one and at those that were open then, not at
//! the whole file.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use policies::facts::Money;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{recover, schema::QUARTER_MS, trees::Trees};

/// What the boots' requests of one key and one quarter of an hour cost since the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootMoney {
    /// Milliseconds since 1970 at which the quarter began in which the requests started.
    pub at_ms: i64,
    /// The team and those above it, the nearest first, as they hung then.
    pub teams: Arc<[String]>,
    /// Whether it is known what hung above the team.
    pub whole: bool,
    /// The key's name.
    pub key: String,
    /// The cost of the entries that were closed since the mark.
    pub settled: Money,
    /// What the entries that are open reserve.
    pub reserved: Money,
}

/// A moment of the file, and what has become since of the entries that some boots had open then or have
/// opened later. What they had closed before is in the balances of that moment.
#[derive(Debug)]
pub struct BootMark {
    boots: Vec<i64>,
    /// Those of them that have ended.
    ended: Vec<i64>,
    /// Every entry with a smaller number has been looked at.
    next: i64,
    /// The entries that were open when last looked at.
    open: BTreeMap<i64, Open>,
    money: Vec<BootMoney>,
    /// Places in `money` by quarter, tree, team and key.
    places: HashMap<(i64, i64, String, String), usize>,
    trees: Trees,
}

/// An open entry.
#[derive(Clone, Copy, Debug)]
struct Open {
    boot: i64,
    /// In `money`.
    place: usize,
    /// Nano-units.
    reserved: i64,
}

/// Entries from a number on, with their ends: of the boots that stand in the place of `BOOTS`.
const ENTRIES: &str = "SELECT e.seq, unixepoch(e.started_at) / 900, p.tree, w.team, w.\"key\", \
     e.reserved_nano, c.cost_nano, e.boot FROM entry AS e LEFT JOIN entry_close AS c ON c.seq = e.seq \
     CROSS JOIN caller AS w ON w.id = e.caller CROSS JOIN epoch AS p ON p.id = e.epoch \
     WHERE e.seq >= ? AND e.boot IN (BOOTS) AND (? OR c.seq IS NULL)";
const NEXT: &str = "SELECT coalesce(max(seq) + 1, 1) FROM entry";
const COST: &str = "SELECT cost_nano FROM entry_close WHERE seq = ?";
const ENDED: &str = "SELECT ended_at IS NOT NULL FROM boot WHERE id = ?";

struct Found {
    seq: i64,
    place: (i64, i64, String, String),
    reserved: i64,
    cost: Option<i64>,
    boot: i64,
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        seq: row.get(0)?,
        place: (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?),
        reserved: row.get(5)?,
        cost: row.get(6)?,
        boot: row.get(7)?,
    })
}

fn add(money: &mut Money, nano: i64) {
    *money = Money::from_nano(money.nano().saturating_add(nano));
}

impl BootMark {
    /// The entries that the boots have open in this transaction's view of the file.
    pub(super) fn new(transaction: &Connection, boots: &[i64]) -> rusqlite::Result<Self> {
        let mut mark = Self {
            boots: boots.to_vec(),
            ended: Vec::new(),
            next: recover::open_from(transaction)?,
            open: BTreeMap::new(),
            money: Vec::new(),
            places: HashMap::new(),
            trees: Trees::default(),
        };
        mark.read(transaction, false)?;
        Ok(mark)
    }

    /// Reads on, in one transaction's view of the file.
    pub(super) fn read_on(&mut self, transaction: &Connection) -> rusqlite::Result<()> {
        let mut select = transaction.prepare_cached(COST)?;
        let mut closed = Vec::new();
        for seq in self.open.keys() {
            let cost = select.query_row([seq], |row| row.get::<_, i64>(0)).optional()?;
            closed.extend(cost.map(|cost| (*seq, cost)));
        }
        // What can fail comes first: a read that fails has changed nothing, and is done again.
        self.read(transaction, true)?;
        for (seq, cost) in closed {
            self.close(seq, cost);
        }
        // A boot that has ended has nothing open. An end that has become too old to be kept is gone with its
        // entry: it counts as reserved.
        let left = self.open.iter().filter(|(_, open)| self.ended.contains(&open.boot));
        let left: Vec<_> = left.map(|(seq, open)| (*seq, open.reserved)).collect();
        left.into_iter().for_each(|(seq, nano)| self.close(seq, nano));
        Ok(())
    }

    fn close(&mut self, seq: i64, cost: i64) {
        let Some(Open { place, reserved, .. }) = self.open.remove(&seq) else { return };
        let Some(money) = self.money.get_mut(place) else { return };
        add(&mut money.reserved, -reserved);
        add(&mut money.settled, cost);
    }

    /// Takes in the entries that are new, or only the open ones.
    fn read(&mut self, transaction: &Connection, closed_too: bool) -> rusqlite::Result<()> {
        let boots = self.boots.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let mut select = transaction.prepare_cached(&ENTRIES.replace("BOOTS", &boots))?;
        let rows = select.query_map(params![self.next, closed_too], found)?;
        let rows: Vec<Found> = rows.collect::<rusqlite::Result<_>>()?;
        let next: i64 = transaction.query_row(NEXT, [], |row| row.get(0))?;
        let mut ended = Vec::new();
        for boot in &self.boots {
            let has = transaction.query_row(ENDED, [boot], |row| row.get(0)).optional()?;
            ended.extend(has.unwrap_or(true).then_some(*boot));
        }
        let mut placed = Vec::with_capacity(rows.len());
        for row in rows {
            let place = match self.places.get(&row.place) {
                Some(place) => *place,
                None => self.place(transaction, row.place)?,
            };
            let open = Open { boot: row.boot, place, reserved: row.reserved };
            placed.push((row.seq, open, row.cost));
        }
        for (seq, open, cost) in placed {
            let Some(money) = self.money.get_mut(open.place) else { continue };
            match cost {
                Some(cost) => add(&mut money.settled, cost),
                None => {
                    add(&mut money.reserved, open.reserved);
                    self.open.insert(seq, open);
                }
            }
        }
        self.next = self.next.max(next);
        self.ended = ended;
        Ok(())
    }

    fn place(
        &mut self,
        transaction: &Connection,
        at: (i64, i64, String, String),
    ) -> rusqlite::Result<usize> {
        let (quarter, tree, team, key) = at.clone();
        let (teams, whole) = self.trees.path(transaction, tree, team)?;
        let (settled, reserved) = (Money::ZERO, Money::ZERO);
        let at_ms = quarter * QUARTER_MS;
        self.money.push(BootMoney { at_ms, teams, whole, key, settled, reserved });
        let place = self.money.len() - 1;
        self.places.insert(at, place);
        Ok(place)
    }

    /// The numbers of the boots.
    #[must_use]
    pub fn boots(&self) -> &[i64] {
        &self.boots
    }

    /// The boots' money as of the last read, in the order in which keys and quarters were met. A row
    /// keeps its place.
    #[must_use]
    pub fn money(&self) -> &[BootMoney] {
        &self.money
    }

    /// Whether all of the boots have ended, with all of their entries closed: the money changes no more.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended.len() == self.boots.len()
    }
}
