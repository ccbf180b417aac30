//! What the books name and no longer have: rows that somebody has removed.

use policies::counted;
use rusqlite::{Connection, OptionalExtension};

use super::{experiments, read::unsigned, schema};

/// Entries whose labels stand nowhere.
const NAMELESS: &str = "SELECT count(*) FROM entry AS e LEFT JOIN entry_close AS c USING (seq) \
     WHERE e.caller NOT IN (SELECT id FROM caller) OR e.shape NOT IN (SELECT id FROM shape) OR \
     e.epoch NOT IN (SELECT id FROM epoch) OR \
     (e.boot IS NOT NULL AND e.boot NOT IN (SELECT id FROM boot)) OR \
     (c.result IS NOT NULL AND c.result NOT IN (SELECT id FROM result))";

/// Refusals whose policy stands nowhere.
const NAMELESS_REFUSALS: &str =
    "SELECT count(*) FROM refusal WHERE epoch NOT IN (SELECT id FROM epoch)";

/// Entries and refusals of an experiment whose arm stands nowhere, arms of entries that are not there, and
/// values told of requests that are not.
const ARMLESS: &str = "SELECT (SELECT count(*) FROM enrolled WHERE arm NOT IN (SELECT id FROM arm)) + \
     (SELECT count(*) FROM refusal WHERE arm IS NOT NULL AND arm NOT IN (SELECT id FROM arm)) + \
     (SELECT count(*) FROM shadow WHERE arm NOT IN (SELECT id FROM arm))";
const ARM_OF_NONE: &str = "SELECT count(*) FROM enrolled WHERE seq NOT IN (SELECT seq FROM entry)";
const SHADOW_OF_NONE: &str = "SELECT count(*) FROM shadow WHERE seq NOT IN (SELECT seq FROM entry)";
const CACHED_OF_NONE: &str = "SELECT count(*) FROM cached WHERE seq NOT IN (SELECT seq FROM entry)";
const JUDGED_OF_NONE: &str = "SELECT count(*) FROM judged AS f WHERE NOT EXISTS \
     (SELECT 1 FROM entry WHERE entry.id = f.id)";
const TOLD_OF_NONE: &str = "SELECT count(*) FROM feedback_value AS f WHERE NOT EXISTS \
     (SELECT 1 FROM entry WHERE entry.id = f.id) AND NOT EXISTS \
     (SELECT 1 FROM refusal WHERE refusal.id = f.id)";

/// Epochs whose tree of teams stands nowhere; 0 is none.
const TREELESS: &str = concat!(
    "SELECT count(*) FROM epoch WHERE tree <> 0 AND tree NOT IN (SELECT id FROM tree) AND id >= ",
    schema::policies_from!()
);

/// Tables that are there, of those that are looked into; one that is not is a fault of its own.
const TABLES: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN \
     ('refusal', 'tree', 'policy', 'price', 'key_models', 'arm', 'enrolled', \
     'feedback_value', 'experiment_change', 'shadow', 'judged', 'cached')";

/// Policies by which this version has decided and that are not there.
const POLICIES: &str = concat!(
    "SELECT 'the policy ' || policy_version || ' (' || policy_hash || ') is missing: its row was removed' \
     FROM epoch WHERE id >= ",
    schema::policies_from!(),
    " AND policy_hash NOT IN (SELECT hash FROM policy) GROUP BY policy_hash LIMIT 20"
);

/// Prices that are not there: of the models of such policies, and of the models that served.
const PRICES: &str = concat!(
    "SELECT 'the price of ' || n.model || ' in ' || n.version || ' is missing: its row was removed' FROM \
     (SELECT p.price_version AS version, json_extract(k.fleet, m.fullkey || '.id') AS model \
      FROM epoch AS p JOIN policy AS k ON k.hash = p.policy_hash AND json_valid(k.fleet), \
      json_each(k.fleet, '$.models') AS m WHERE p.id >= ",
    schema::policies_from!(),
    " UNION SELECT p.price_version, r.model FROM entry AS e JOIN entry_close AS c USING (seq) \
      JOIN result AS r ON r.id = c.result JOIN epoch AS p ON p.id = e.epoch WHERE p.id >= ",
    schema::policies_from!(),
    ") AS n WHERE n.model IS NOT NULL AND NOT EXISTS (SELECT 1 FROM price \
      WHERE price.version = n.version AND price.model = n.model) LIMIT 20"
);

/// How many lists of what keys could use are gone.
pub(super) fn lists(connection: &Connection) -> rusqlite::Result<u64> {
    let mut find = connection.prepare(schema::LISTS_REMOVED)?;
    let missing: Vec<i64> = find.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(missing.first().and_then(|it| u64::try_from(*it).ok()).unwrap_or_default())
}

/// All that is named and missing, each in words.
pub(super) fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults = Vec::new();
    let whole = connection.query_row(TABLES, [], |row| unsigned(row, 0))? == 12;
    let counts = [
        (NAMELESS, "entry has lost what it names", "entries have lost what they name"),
        (NAMELESS_REFUSALS, "refusal has lost its policy", "refusals have lost their policy"),
        (TREELESS, "policy has lost its tree of teams", "policies have lost their tree of teams"),
        (
            ARMLESS,
            "request has lost the arm that it was",
            "requests have lost the arms that they were",
        ),
        (ARM_OF_NONE, "row of enrolled belongs to no entry", "rows of enrolled belong to no entry"),
        (SHADOW_OF_NONE, "row of shadow belongs to no entry", "rows of shadow belong to no entry"),
        (CACHED_OF_NONE, "row of cached belongs to no entry", "rows of cached belong to no entry"),
        (JUDGED_OF_NONE, "judgement belongs to no request", "judgements belong to no request"),
        (TOLD_OF_NONE, "feedback belongs to no request", "feedbacks belong to no request"),
    ];
    let all = counts.len();
    let counts = counts.into_iter().take(if whole { all } else { 1 });
    for (sql, one, more) in counts {
        let count = connection.query_row(sql, [], |row| unsigned(row, 0))?;
        faults.extend((count > 0).then(|| counted(count, one, more)));
    }
    if !whole {
        return Ok(faults);
    }
    for sql in [POLICIES, PRICES] {
        let mut find = connection.prepare(sql)?;
        let found = find.query_map([], |row| row.get::<_, String>(0))?;
        faults.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    let lists = lists(connection)?;
    if lists > 0 {
        let said = counted(
            lists,
            "list of what a key could use is missing: its row was removed",
            "lists of what keys could use are missing: their rows were removed",
        );
        faults.push(said);
    }
    for table in experiments::COUNTED {
        faults.extend(uncounted(connection, table)?);
    }
    Ok(faults)
}

/// Rows that have come into a table, or gone from it, without having been counted; in words.
fn uncounted(connection: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM {table}), CAST(value AS INTEGER) FROM meta \
         WHERE name = 'rows_{table}'"
    );
    let found = connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    // Where nothing counts, somebody has removed the count.
    let (there, counted_rows): (i64, i64) = found.unwrap_or((0, -1));
    if counted_rows < 0 {
        return Ok(Some(format!("the count of the rows of {table} is missing")));
    }
    let rows = |more: i64| counted(more.unsigned_abs(), "row", "rows");
    Ok(match counted_rows - there {
        0 => None,
        missing @ 1.. => Some(format!("{table} lacks {}: removed by hand", rows(missing))),
        more => Some(format!("{table} has {} too many: added by hand", rows(more))),
    })
}
