//! A checksum in each row that is written once: a row that was changed by hand no longer agrees with it.
//!
//! It is no signature: whoever changes a row on purpose can write the checksum anew. Rows of a version that
//! wrote none have none, and such a version may still write beside this one.

use rusqlite::{Connection, Params, Transaction, params, types::ValueRef};

use super::{adjustment, cached, experiments, recognised, schema};

/// Findings that are named one by one; more of a table are counted.
const NAMED_MAX: usize = 20;
/// The name in `meta` that says of a file that it has had checksums from its first row on.
const FROM_THE_FIRST: &str = "checksums";

/// Odd, and half of its bits are set.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The checksum of the values so far. Each step can be undone, so that a single value which is another one
/// always makes another sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checksum(u64);

impl Checksum {
    pub(super) const fn new() -> Self {
        Self(FACTOR)
    }

    const fn word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(FACTOR);
        self.0 = mixed ^ (mixed >> 29);
    }

    fn bytes(&mut self, kind: u64, bytes: &[u8]) {
        self.word(kind ^ u64::try_from(bytes.len()).unwrap_or(0) << 8);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.word(u64::from_le_bytes(last));
    }

    /// Adds a value as SQLite gives it back.
    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.word(1),
            ValueRef::Integer(number) => {
                self.word(2);
                self.word(number.cast_unsigned());
            }
            // What SQLite keeps of it: nothing of what is no number, and one zero.
            ValueRef::Real(number) if number.is_nan() => self.word(1),
            ValueRef::Real(number) => {
                self.word(3);
                self.word((number + 0.0).to_bits());
            }
            ValueRef::Text(text) => self.bytes(4, text),
            ValueRef::Blob(bytes) => self.bytes(5, bytes),
        }
    }

    /// Adds a value of a column that rows of an earlier version lack: nothing, where it is empty, so that
    /// these rows keep their sum.
    pub(super) fn add_later(&mut self, place: usize, value: ValueRef<'_>) {
        if value != ValueRef::Null {
            self.word(u64::try_from(place).unwrap_or(u64::MAX));
            self.add(value);
        }
    }

    /// As the column holds it.
    pub(super) const fn column(self) -> i64 {
        self.0.cast_signed()
    }
}

/// A table whose rows have checksums.
#[derive(Debug)]
pub(super) struct Table {
    name: &'static str,
    /// The columns that the checksum covers, in its order.
    columns: &'static str,
    /// How many of them, the last ones, rows of an earlier version lack.
    later: usize,
    /// What names a row `t`, in SQL.
    key: &'static str,
    /// Whether a row `t` cannot be without one, in SQL.
    required: &'static str,
}

/// Neither did an earlier version make the file, nor has one ever written to it.
const ALWAYS: &str = "EXISTS (SELECT 1 FROM meta WHERE name = 'checksums') AND NOT EXISTS \
     (SELECT 1 FROM boot WHERE checksum IS NULL)";

const fn labels(name: &'static str, columns: &'static str) -> Table {
    Table { name, columns, later: 0, key: "t.id", required: ALWAYS }
}

pub(super) const ENTRY: Table = Table {
    name: "entry",
    columns: concat!(schema::opening!(), ", boot, contains"),
    later: 1,
    key: "t.id",
    required: "t.boot IN (SELECT id FROM boot WHERE checksum IS NOT NULL)",
};
pub(super) const CLOSE: Table = Table {
    name: "entry_close",
    columns: schema::closing!(),
    later: 0,
    key: "coalesce((SELECT id FROM entry WHERE entry.seq = t.seq), t.seq)",
    // An earlier version may have closed as recovered what a dead process of this one had open.
    required: "(SELECT boot FROM entry WHERE entry.seq = t.seq) IN \
               (SELECT id FROM boot WHERE checksum IS NOT NULL) AND \
               t.result NOT IN (SELECT id FROM result WHERE state = 2)",
};
pub(super) const CALLER: Table = labels("caller", "id, team, \"key\"");
pub(super) const SHAPE: Table = Table {
    later: 2,
    ..labels("shape", concat!("id, ", schema::shape!(), ", ", recognised::columns!()))
};
pub(super) const RESULT: Table = labels("result", concat!("id, ", schema::result!()));
pub(super) const EPOCH: Table =
    labels("epoch", "id, replica, currency, policy_version, policy_hash, price_version, tree");
pub(super) const TREE: Table = labels("tree", "id, teams");
pub(super) const BOOT: Table = Table { required: "false", ..labels("boot", "id, started_at") };
pub(super) const PRICE: Table = Table {
    name: "price",
    columns: "version, model, currency, input_nano, cached_input_nano, cache_write_nano, \
              output_nano, reasoning_nano",
    later: 0,
    key: "t.version || ' of ' || t.model",
    required: ALWAYS,
};
pub(super) const REFUSAL: Table = Table {
    name: "refusal",
    columns: concat!(
        schema::refusal!(),
        ", ",
        schema::refusal_decided!(),
        ", ",
        schema::refusal_enrolled!(),
        ", ",
        recognised::columns!()
    ),
    later: 11,
    key: "t.rowid",
    required: ALWAYS,
};
pub(super) const POLICY: Table = Table {
    name: "policy",
    columns: "hash, version, document, fleet",
    later: 0,
    key: "t.hash",
    required: "true",
};
pub(super) const KEY_MODELS: Table = Table {
    name: "key_models",
    columns: "\"key\", since_ms, models",
    later: 0,
    key: "t.\"key\"",
    required: "true",
};
/// No earlier version had the table: each of its rows has a checksum.
const fn always(name: &'static str, columns: &'static str, key: &'static str) -> Table {
    Table { name, columns, later: 0, key, required: "true" }
}
pub(super) const ARM: Table = always("arm", "id, experiment, version, arm, from_seq", "t.id");
const ENROLLED: Table = always(
    "enrolled",
    experiments::enrolled!(),
    "coalesce((SELECT id FROM entry WHERE entry.seq = t.seq), t.seq)",
);
const FEEDBACK: Table =
    always("feedback_value", experiments::feedback!(), "t.name || ' of ' || t.id");
const CHANGE: Table = always("experiment_change", experiments::change!(), "t.id");
const SHADOW: Table = always("shadow", experiments::shadow!(), "t.request");
const JUDGED: Table = always("judged", experiments::judged!(), "t.name || ' of ' || t.id");
pub(super) const ADJUSTMENT: Table = always("adjustment", adjustment::columns!(), "t.request");
const CACHED: Table = always(
    "cached",
    cached::columns!(),
    "coalesce((SELECT id FROM entry WHERE entry.seq = t.seq), t.seq)",
);
/// All of them; `balance` and `gone` change, and are proved by each other and the entries.
pub(super) const TABLES: [Table; 20] = [
    ENTRY, CLOSE, CALLER, SHAPE, RESULT, EPOCH, TREE, BOOT, PRICE, REFUSAL, POLICY, KEY_MODELS,
    ARM, ENROLLED, FEEDBACK, CHANGE, SHADOW, JUDGED, ADJUSTMENT, CACHED,
];

/// Whether a table has the column; nothing where there is no such table.
fn has_column(connection: &Connection, table: &str) -> rusqlite::Result<Option<bool>> {
    let find = "SELECT max(name = 'checksum') FROM pragma_table_info(?)";
    connection.query_row(find, [table], |row| row.get(0))
}

/// Gives the tables the column where they have none; earlier versions leave it empty. Returns whether
/// anything was done.
pub(super) fn add_columns(tx: &Transaction<'_>, new_file: bool) -> rusqlite::Result<bool> {
    let mut added = false;
    for Table { name, .. } in TABLES {
        if has_column(tx, name)? != Some(true) {
            tx.execute_batch(&format!("ALTER TABLE {name} ADD COLUMN checksum INTEGER"))?;
            added = true;
        }
    }
    if new_file {
        tx.execute(schema::SET_META, params![FROM_THE_FIRST, "1"])?;
    }
    Ok(added)
}

/// The checksum of the columns from the first on, of which the last ones came later.
fn sum(
    row: &rusqlite::Row<'_>,
    first: usize,
    (end, later): (usize, usize),
) -> rusqlite::Result<i64> {
    let mut sum = Checksum::new();
    for at in first..end {
        let value = row.get_ref(at)?;
        if at + later < end { sum.add(value) } else { sum.add_later(at - first, value) }
    }
    Ok(sum.column())
}

/// Writes the checksum of one row that was just made: of labels, which are seldom new.
pub(super) fn seal(
    connection: &Connection,
    Table { name, columns, later, .. }: &Table,
    which: &str,
    values: impl Params + Copy,
) -> rusqlite::Result<()> {
    let find = format!("SELECT {columns} FROM {name} WHERE checksum IS NULL AND {which}");
    let mut find = connection.prepare(&find)?;
    let width = find.column_count();
    let sums = find.query_map(values, |row| sum(row, 0, (width, *later)))?;
    let sums: Vec<i64> = sums.collect::<rusqlite::Result<_>>()?;
    let set = format!("UPDATE {name} SET checksum = {{}} WHERE checksum IS NULL AND {which}");
    for sum in sums {
        connection.execute(&set.replace("{}", &sum.to_string()), values)?;
    }
    Ok(())
}

/// What verifying has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Rows that are not as they were written, each in words.
    pub(super) faults: Vec<String>,
    /// Rows of an earlier version, of which nothing is known.
    pub(super) without: u64,
}

/// Compares every row with its checksum.
pub(super) fn compare(connection: &Connection) -> rusqlite::Result<Found> {
    let mut found = Found::default();
    for table in &TABLES {
        match has_column(connection, table.name)? {
            Some(true) => compare_table(connection, table, &mut found)?,
            // No server of this version has opened the file yet.
            Some(false) => {}
            None => found.faults.push(format!("the table {} is missing", table.name)),
        }
    }
    Ok(found)
}

fn compare_table(
    connection: &Connection,
    Table { name, columns, later, key, required }: &Table,
    found: &mut Found,
) -> rusqlite::Result<()> {
    let select =
        format!("SELECT checksum, {required}, CAST({key} AS TEXT), {columns} FROM {name} AS t");
    let mut select = connection.prepare(&select)?;
    let width = select.column_count();
    let mut rows = select.query([])?;
    let mut more = 0;
    while let Some(row) = rows.next()? {
        let written = row.get_ref(0)?;
        if written == ValueRef::Integer(sum(row, 3, (width, *later))?) {
            continue;
        }
        if written == ValueRef::Null && row.get::<_, Option<bool>>(1)? != Some(true) {
            found.without += 1;
        } else if found.faults.len() < NAMED_MAX {
            let key: Option<String> = row.get(2)?;
            let key = key.as_deref().unwrap_or("NULL");
            found.faults.push(format!("the row of {name} {key} is not as it was written"));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        found.faults.push(match more {
            1 => format!("1 more row of {name} is not as it was written"),
            _ => format!("{more} more rows of {name} are not as they were written"),
        });
    }
    Ok(())
}
