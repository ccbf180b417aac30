//! What was charged in spans of time, summed by labels.
//!
//! Entries are read in one pass for each span and summed here, by the numbers of their labels: SQLite would
//! sort them all for a sum by groups. The labels themselves are looked up once for each sum.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rusqlite::{Connection, Row, params};

use super::{
    schema::{self, QUARTER_MS, SETTLED},
    started_at,
    trees::{self, Trees},
};

/// A span of time, by the start of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Milliseconds since 1970 at which it begins.
    pub from_ms: i64,
    /// Milliseconds since 1970 at which it has ended.
    pub to_ms: i64,
}

/// The labels by which sums are told apart, beside currency and prices, which always do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Teams and key.
    pub caller: bool,
    /// Language, task and rule.
    pub shape: bool,
    /// The model.
    pub model: bool,
}

/// What some requests used and cost. Those that are open are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charged {
    /// Requests that have ended.
    pub requests: u64,
    /// Their tokens, disjoint: input, cached input, written to the cache, output, reasoning.
    pub tokens: [u64; 5],
    /// Nano-units that they cost. A sum of many amounts can be more than one amount may be.
    pub cost_nano: i128,
    /// How many of them were recovered after a crash, and are charged with what was reserved: those whose
    /// cost was corrected since are not among them.
    pub recovered: u64,
    /// Nano-units of these.
    pub recovered_nano: i128,
    /// Requests that are open: in none of the above.
    pub open: u64,
    /// Nano-units that these reserve.
    pub reserved_nano: i128,
}

impl Charged {
    /// Adds what other requests used and cost.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        for (sum, tokens) in self.tokens.iter_mut().zip(other.tokens) {
            *sum = sum.saturating_add(tokens);
        }
        self.cost_nano += other.cost_nano;
        self.recovered += other.recovered;
        self.recovered_nano += other.recovered_nano;
        self.open += other.open;
        self.reserved_nano += other.reserved_nano;
    }

    /// Their tokens of all kinds.
    #[must_use]
    pub fn tokens_total(&self) -> u64 {
        self.tokens.iter().copied().fold(0, u64::saturating_add)
    }
}

/// The labels of a sum; empty where it is not told apart by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChargeLabels {
    /// The currency.
    pub currency: String,
    /// The version of the prices.
    pub price_version: String,
    /// The team and those above it, the nearest first, as they hung then.
    pub teams: Arc<[String]>,
    /// The key's name.
    pub key: String,
    /// The language's code.
    pub language: String,
    /// The task's code.
    pub task: String,
    /// What decided.
    pub rule: String,
    /// The model that served; none where none has, or where it is not known.
    pub model: Option<String>,
}

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeSum {
    /// The place of its span in the list that was asked for.
    pub span: usize,
    /// Its labels, the same ones for each span.
    pub labels: Arc<ChargeLabels>,
    /// What it comes to.
    pub charged: Charged,
}

/// What entries have cost that are no longer kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Milliseconds since 1970 at which their quarter of an hour began; 0 where only the sum is left.
    pub at_ms: i64,
    /// The team and those above it.
    pub teams: Arc<[String]>,
    /// How many they were.
    pub requests: u64,
    /// Nano-units.
    pub cost_nano: i128,
}

/// The answer to one question, as of one moment of the file.
#[derive(Debug, Default)]
pub struct Charges {
    /// The sums, in no order.
    pub sums: Vec<ChargeSum>,
    /// What of the time from the first span's beginning to the last one's end is no longer kept as entries.
    pub removed: Vec<Removed>,
    /// Every team that the ledger has ever known.
    pub teams: BTreeSet<String>,
}

const ENTRIES: &str = concat!(
    "SELECT e.epoch, e.caller, e.shape, e.reserved_nano, c.result, ",
    schema::corrected!(),
    ", c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens, \
     c.reasoning_tokens FROM entry AS e LEFT JOIN entry_close AS c ON c.seq = e.seq \
     WHERE e.started_at >= ?1 AND e.started_at < ?2"
);

const NOT_SETTLED: &str = "SELECT id FROM result WHERE state > ?";
const EPOCH: &str = "SELECT currency, price_version, tree FROM epoch WHERE id = ?";
const CALLER: &str = "SELECT team, \"key\" FROM caller WHERE id = ?";
const SHAPE: &str = "SELECT language, task, rule FROM shape WHERE id = ?";
const MODEL: &str = "SELECT model FROM result WHERE id = ?";
const TEAMS: &str = "SELECT DISTINCT team FROM caller";

/// Retention takes the oldest entries first: what has lost its time began before the oldest kept one.
const OLDEST: &str = "SELECT min(started_at) FROM entry";
const REMOVED: &str = "SELECT quarter, tree, team, sum(cost_nano), sum(requests) FROM gone \
     WHERE (quarter = 0 AND ?3) OR (quarter > 0 AND quarter >= ?1 AND quarter <= ?2) GROUP BY 1, 2, 3";

/// The numbers of a sum's labels: epoch, caller, shape and result; 0 where it is not told apart by them, or
/// there are none.
type Numbers = [i64; 4];

/// Sums over the entries that started in each span.
pub(super) fn charges(
    connection: &Connection,
    spans: &[Span],
    apart: Apart,
) -> rusqlite::Result<Charges> {
    let mut not_settled = connection.prepare(NOT_SETTLED)?;
    let recovered = not_settled.query_map([SETTLED], |row| row.get(0))?;
    // There is one, if any: most files have none, and it is looked for at each entry.
    let recovered = recovered.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut trees = Trees::default();
    let mut sums = Vec::new();
    let mut known: HashMap<Numbers, Arc<ChargeLabels>> = HashMap::new();
    for (span, Span { from_ms, to_ms }) in spans.iter().enumerate() {
        let mut groups: HashMap<Numbers, Charged> = HashMap::new();
        let mut select = connection.prepare_cached(ENTRIES)?;
        let mut rows = select.query([started_at(*from_ms), started_at(*to_ms)])?;
        while let Some(row) = rows.next()? {
            let asked = |asked: bool, at| if asked { number(row, at) } else { Ok(0) };
            let result = number(row, 4)?;
            let (caller, shape) = (asked(apart.caller, 1)?, asked(apart.shape, 2)?);
            let numbers = [row.get(0)?, caller, shape, if apart.model { result } else { 0 }];
            count(groups.entry(numbers).or_default(), row, recovered.contains(&result))?;
        }
        for (numbers, charged) in groups {
            let labels = match known.get(&numbers) {
                Some(labels) => Arc::clone(labels),
                None => Arc::new(labels(connection, &mut trees, numbers)?),
            };
            known.entry(numbers).or_insert_with(|| Arc::clone(&labels));
            sums.push(ChargeSum { span, labels, charged });
        }
    }
    let removed = removed(connection, &mut trees, spans)?;
    Ok(Charges { sums, removed, teams: teams(connection)? })
}

/// A number, or 0 where there is none.
fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<i64> {
    Ok(row.get::<_, Option<i64>>(at)?.unwrap_or(0))
}

/// Counts one entry.
fn count(sum: &mut Charged, row: &Row<'_>, recovered: bool) -> rusqlite::Result<()> {
    let Some(cost) = row.get::<_, Option<i64>>(5)? else {
        sum.open += 1;
        sum.reserved_nano += i128::from(row.get::<_, i64>(3)?);
        return Ok(());
    };
    sum.requests += 1;
    sum.cost_nano += i128::from(cost);
    for (at, tokens) in (6..).zip(&mut sum.tokens) {
        *tokens = tokens.saturating_add(u64::try_from(number(row, at)?).unwrap_or(0));
    }
    // One that was corrected costs what somebody has found.
    if recovered && cost == row.get::<_, i64>(3)? {
        sum.recovered += 1;
        sum.recovered_nano += i128::from(cost);
    }
    Ok(())
}

/// The labels that have these numbers.
fn labels(
    connection: &Connection,
    trees: &mut Trees,
    [epoch, caller, shape, result]: Numbers,
) -> rusqlite::Result<ChargeLabels> {
    let mut labels = ChargeLabels::default();
    let mut find = connection.prepare_cached(EPOCH)?;
    let all = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let tree;
    (labels.currency, labels.price_version, tree) = find.query_row([epoch], all)?;
    if caller > 0 {
        let mut find = connection.prepare_cached(CALLER)?;
        let both = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (team, key) = find.query_row([caller], both)?;
        labels.teams = trees.path(connection, tree, team)?.0;
        labels.key = key;
    }
    if shape > 0 {
        let mut find = connection.prepare_cached(SHAPE)?;
        let text =
            |row: &Row<'_>, at| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
        let all = |row: &Row<'_>| Ok((text(row, 0)?, text(row, 1)?, text(row, 2)?));
        (labels.language, labels.task, labels.rule) = find.query_row([shape], all)?;
    }
    if result > 0 {
        let mut find = connection.prepare_cached(MODEL)?;
        labels.model = find.query_row([result], |row| row.get(0))?;
    }
    Ok(labels)
}

/// What the spans reach of that is gone. Where only the sum is left, it may be of before them.
fn removed(
    connection: &Connection,
    trees: &mut Trees,
    spans: &[Span],
) -> rusqlite::Result<Vec<Removed>> {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(Vec::new()) };
    let oldest: Option<String> = connection.query_row(OLDEST, [], |row| row.get(0))?;
    let before_oldest = oldest.is_none_or(|oldest| started_at(first.from_ms) < oldest);
    let quarter = |at_ms: i64| at_ms.div_euclid(QUARTER_MS);
    let mut select = connection.prepare(REMOVED)?;
    let bounds = params![quarter(first.from_ms), quarter(last.to_ms - 1), before_oldest];
    let rows = select.query_map(bounds, |row| {
        let (teams, _) = trees.path(connection, row.get(1)?, row.get(2)?)?;
        let at_ms = row.get::<_, i64>(0)? * QUARTER_MS;
        let cost_nano = i128::from(row.get::<_, i64>(3)?);
        Ok(Removed { at_ms, teams, requests: super::read::unsigned(row, 4)?, cost_nano })
    })?;
    rows.collect()
}

/// Every team that has asked or stood above one that has.
fn teams(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut select = connection.prepare(TEAMS)?;
    let rows = select.query_map([], |row| row.get(0))?;
    let mut teams = rows.collect::<rusqlite::Result<BTreeSet<String>>>()?;
    teams.extend(trees::teams(connection)?);
    Ok(teams)
}
