//! What each entry should cost by the price table that it names, reckoned again from what it keeps.
//!
//! An entry keeps the sum of the tokens of all attempts that cost anything, and of each attempt its model and
//! how it ended. Where these were attempts of one model, or of models at one price, the cost follows from
//! that, to a nano-unit for each further attempt, which was rounded up by itself. Where they may have been of
//! several prices it lies between the cheapest and the dearest of them, and no more can be said.

use std::collections::HashMap;

use policies::{
    Counts, counted,
    facts::{Money, Price},
};
use rusqlite::{Connection, OptionalExtension, Row, types::ValueRef};
use serde::Deserialize;

use super::schema::SETTLED;
use crate::outcome::{AttemptCause, AttemptResult};

/// Entries that are named one by one; more are counted.
const NAMED_MAX: usize = 20;

/// Closed entries in the order of their numbers, each found by its number: no sorting and no index.
const CLOSED: &str = "SELECT c.result, e.epoch, c.attempts, c.cost_nano, e.reserved_nano, e.id, \
     c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens, c.reasoning_tokens \
     FROM entry_close AS c CROSS JOIN entry AS e ON e.seq = c.seq";
const RESULT: &str = "SELECT state, attempts_form FROM result WHERE id = ?";
const VERSION: &str = "SELECT price_version FROM epoch WHERE id = ?";
const PRICES: &str = "SELECT version, model, input_nano, cached_input_nano, cache_write_nano, \
     output_nano, reasoning_nano FROM price";

/// What reckoning has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Entries with another cost than they can have, each in words.
    pub(super) faults: Vec<String>,
    /// Entries whose cost follows from what they keep, right or wrong.
    pub(super) priced: u64,
    /// Entries of which no one cost follows: attempts at several prices may have cost something, or the
    /// price is not kept.
    pub(super) unpriced: u64,
}

/// Between which prices the tokens of an entry were charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rates {
    low: Price,
    high: Price,
    /// Nano-units by which rounding up each attempt by itself can make it dearer.
    rounding: i64,
}

/// One attempt as the column `attempts` has it.
#[derive(Debug, Deserialize)]
struct Attempt {
    model: String,
    result: String,
    cause: Option<String>,
}

/// How an entry ended: its state, and the form of its attempts if it had one.
type End = (i64, Option<String>);

/// What is known of labels and prices.
#[derive(Default)]
struct Tables {
    /// By the price table's version, then by the model.
    prices: HashMap<String, HashMap<String, Price>>,
    ends: HashMap<i64, Option<End>>,
    versions: HashMap<i64, Option<String>>,
    /// By the numbers of the result and the epoch, of entries with a single attempt.
    single: HashMap<(i64, i64), Option<Rates>>,
}

/// Reckons the cost of every closed entry again.
pub(super) fn verify(connection: &Connection) -> rusqlite::Result<Found> {
    let mut tables = Tables { prices: prices(connection)?, ..Tables::default() };
    let (mut found, mut more) = (Found::default(), 0);
    let mut select = connection.prepare(CLOSED)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        // A cost that is no number is named by others.
        let Some(cost) = integer(row, 3)? else { continue };
        let expected = tables.expected(connection, row)?;
        match expected.as_ref().filter(|it| it.exact) {
            Some(_) => found.priced += 1,
            None => found.unpriced += 1,
        }
        let Some(wrong) = expected.filter(|it| cost < it.low || cost > it.high) else { continue };
        if found.faults.len() < NAMED_MAX {
            let id = row.get_ref(5)?.as_str().unwrap_or("?");
            found.faults.push(format!("entry {id} costs {}, {wrong}", Money::from_nano(cost)));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let entries = counted(more, "more entry costs", "more entries cost");
        found.faults.push(entries + " something else than by their price tables");
    }
    Ok(found)
}

/// What an entry can cost, in nano-units.
#[derive(Debug)]
struct Expected {
    low: i64,
    high: i64,
    /// Whether there is one cost that it can have, but for rounding.
    exact: bool,
    /// By which price table; none where it costs what was reserved.
    version: Option<String>,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (low, high) = (Money::from_nano(self.low), Money::from_nano(self.high));
        match &self.version {
            None => write!(f, "and was recovered at its reservation, which was {low}"),
            Some(version) if low == high => {
                write!(f, "and by its tokens and the price table {version} it costs {low}")
            }
            Some(version) => write!(
                f,
                "and by its tokens and the price table {version} it costs from {low} to {high}"
            ),
        }
    }
}

impl Tables {
    /// What the entry of this row can cost; nothing where that cannot be said.
    fn expected(
        &mut self,
        connection: &Connection,
        row: &Row<'_>,
    ) -> rusqlite::Result<Option<Expected>> {
        let (Some(result), Some(epoch)) = (integer(row, 0)?, integer(row, 1)?) else {
            return Ok(None);
        };
        let Some(end) = self.end(connection, result)? else { return Ok(None) };
        if end.0 != SETTLED {
            let reserved = integer(row, 4)?;
            let whole = |nano| Expected { low: nano, high: nano, exact: true, version: None };
            return Ok(reserved.map(whole));
        }
        let (Some(counts), Some(version)) = (counts(row)?, self.version(connection, epoch)?) else {
            return Ok(None);
        };
        let rates = match row.get_ref(2)? {
            ValueRef::Integer(_) => match self.single.get(&(result, epoch)) {
                Some(known) => *known,
                None => {
                    let form = end.1.unwrap_or_default();
                    let json = form.strip_suffix("%d}]").map(|it| it.replace("%%", "%") + "0}]");
                    let rates = self.rates(&json.unwrap_or_default(), &version);
                    self.single.insert((result, epoch), rates);
                    rates
                }
            },
            ValueRef::Text(text) => {
                std::str::from_utf8(text).ok().and_then(|text| self.rates(text, &version))
            }
            _ => None,
        };
        Ok(rates.map(|Rates { low, high, rounding }| Expected {
            low: low.cost(counts).nano(),
            high: high.cost(counts).nano().saturating_add(rounding),
            exact: low == high,
            version: Some(version),
        }))
    }

    fn end(&mut self, connection: &Connection, result: i64) -> rusqlite::Result<Option<End>> {
        if let Some(known) = self.ends.get(&result) {
            return Ok(known.clone());
        }
        let read = |row: &Row<'_>| {
            let form = row.get_ref(1)?.as_str().ok().map(str::to_owned);
            Ok(integer(row, 0)?.map(|state| (state, form)))
        };
        let end = connection.query_row(RESULT, [result], read).optional()?.flatten();
        self.ends.insert(result, end.clone());
        Ok(end)
    }

    fn version(&mut self, connection: &Connection, epoch: i64) -> rusqlite::Result<Option<String>> {
        if let Some(known) = self.versions.get(&epoch) {
            return Ok(known.clone());
        }
        let read = |row: &Row<'_>| Ok(row.get_ref(0)?.as_str().ok().map(str::to_owned));
        let version = connection.query_row(VERSION, [epoch], read).optional()?.flatten();
        self.versions.insert(epoch, version.clone());
        Ok(version)
    }

    /// Between which prices these attempts cost something; nothing where that is not known of one of them.
    fn rates(&self, attempts: &str, version: &str) -> Option<Rates> {
        let prices = self.prices.get(version)?;
        let attempts: Vec<Attempt> = serde_json::from_str(attempts).ok()?;
        let mut rates: Option<Rates> = None;
        for attempt in attempts.iter().filter(|it| may_cost(it)) {
            let price = *prices.get(&attempt.model)?;
            rates = Some(match rates {
                None => Rates { low: price, high: price, rounding: 0 },
                Some(Rates { low, high, rounding }) => Rates {
                    low: each(low, price, Money::min),
                    high: each(high, price, Money::max),
                    rounding: rounding + 1,
                },
            });
        }
        let free = Price::default();
        Some(rates.unwrap_or(Rates { low: free, high: free, rounding: 0 }))
    }
}

/// Whether an attempt that ended so can have cost anything: its answer was passed on, it had left whole and
/// was not waited for, or its answer came whole in another form than was asked for.
fn may_cost(attempt: &Attempt) -> bool {
    let free = [AttemptResult::Connect, AttemptResult::Status, AttemptResult::Invalid];
    let form = attempt.cause.as_deref() == Some(AttemptCause::FORM);
    form || free.iter().all(|it| it.name() != attempt.result)
}

fn each(a: Price, b: Price, which: fn(Money, Money) -> Money) -> Price {
    Price {
        input: which(a.input, b.input),
        cached_input: which(a.cached_input, b.cached_input),
        cache_write: which(a.cache_write, b.cache_write),
        output: which(a.output, b.output),
        reasoning: which(a.reasoning, b.reasoning),
    }
}

/// The tokens of a row; nothing where they are not all known, or are more than could be counted.
fn counts(row: &Row<'_>) -> rusqlite::Result<Option<Counts>> {
    let mut counts = [0; 5];
    for (at, count) in (6..).zip(&mut counts) {
        let known = integer(row, at)?.and_then(|it| u32::try_from(it).ok());
        let Some(known) = known.filter(|it| *it < u32::MAX) else { return Ok(None) };
        *count = known;
    }
    let [input, cached_input, cache_write, output, reasoning] = counts;
    Ok(Some(Counts { input, cached_input, cache_write, output, reasoning }))
}

/// The number in a column; nothing where it holds something else, which others name.
fn integer(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Integer(number) => Some(number),
        _ => None,
    })
}

fn prices(connection: &Connection) -> rusqlite::Result<HashMap<String, HashMap<String, Price>>> {
    let mut all: HashMap<String, HashMap<String, Price>> = HashMap::new();
    let mut select = connection.prepare(PRICES)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let text = |at| row.get_ref(at).map(|it| it.as_str().ok().map(str::to_owned));
        let (Some(version), Some(model)) = (text(0)?, text(1)?) else { continue };
        let nano = |at| integer(row, at).map(|it| Money::from_nano(it.unwrap_or_default()));
        let price = Price {
            input: nano(2)?,
            cached_input: nano(3)?,
            cache_write: nano(4)?,
            output: nano(5)?,
            reasoning: nano(6)?,
        };
        all.entry(version).or_default().insert(model, price);
    }
    Ok(all)
}
