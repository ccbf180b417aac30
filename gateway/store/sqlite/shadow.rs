//! The shadows of an experiment beside the requests that they repeat, as its report reads them: one unit's
//! after the other's, none of them kept.

use rusqlite::{Connection, Row};

use super::request_end::{self, RequestEnd};
use crate::outcome::Judged;

/// A request of a shadow, and the one that it repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShadowRow<'a> {
    /// The unit of the request that was served, as it was hashed.
    pub unit: u128,
    /// How the shadow's ended.
    pub shadow: RequestEnd<'a>,
    /// How the one that was served ended.
    pub served: RequestEnd<'a>,
    /// What was found about both answers, by [`Judged::OF_SHADOWS`].
    pub found: [Option<f64>; 6],
}

/// `SHADOW` and `SERVED` stand for how both ended, `FOUND` for what was found.
const ROWS: &str = "SELECT x.unit, SHADOW, SERVED, FOUND \
     FROM shadow AS h JOIN arm AS a ON a.id = h.arm JOIN entry AS e ON e.seq = h.seq \
     LEFT JOIN entry_close AS c ON c.seq = e.seq LEFT JOIN result AS r ON r.id = c.result \
     JOIN entry AS o ON o.id = h.request JOIN enrolled AS x ON x.seq = o.seq \
     LEFT JOIN entry_close AS d ON d.seq = o.seq LEFT JOIN result AS q ON q.id = d.result \
     WHERE a.experiment = ?1 AND a.version = ?2 ORDER BY x.unit, h.seq";

/// The columns of how a request ended.
const END: usize = 7;

/// Calls `each` with every shadow of an experiment's version.
pub(super) fn shadows(
    connection: &Connection,
    (experiment, version): (&str, &str),
    mut each: impl FnMut(&ShadowRow<'_>),
) -> rusqlite::Result<()> {
    let served = request_end::OF_ENTRY.replace("c.", "d.").replace("r.", "q.");
    let found = Judged::OF_SHADOWS.map(|name| {
        format!("(SELECT value FROM judged AS j WHERE j.id = e.id AND j.name = '{name}')")
    });
    let sql = ROWS.replace("SHADOW", request_end::OF_ENTRY);
    let sql = sql.replace("SERVED", &served).replace("FOUND", &found.join(", "));
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query([experiment, version])?;
    while let Some(row) = rows.next()? {
        each(&read(row)?);
    }
    Ok(())
}

fn read<'a>(row: &'a Row<'_>) -> rusqlite::Result<ShadowRow<'a>> {
    let mut found = [None; Judged::OF_SHADOWS.len()];
    for (at, value) in (1 + 2 * END..).zip(&mut found) {
        *value = row.get(at)?;
    }
    Ok(ShadowRow {
        unit: row.get(0).map(u128::from_be_bytes)?,
        shadow: RequestEnd::read(row, 1)?,
        served: RequestEnd::read(row, 1 + END)?,
        found,
    })
}
