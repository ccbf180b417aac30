//! Which machines were paid by the hour, and from when on: what each configuration said when it came into
//! force, whether anybody ever asked under it or not.

use std::sync::Arc;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::outcome::{ByHour, EpochInfo};

/// The machines of one model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Machines {
    /// The model's id.
    pub model: String,
    /// The currency of what they cost.
    pub currency: String,
    /// Nano-units for an hour of one replica.
    pub per_hour_nano: i64,
    /// How many replicas are paid for.
    pub replicas: u32,
}

/// All machines that were paid for from a moment on, until the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourlyFleet {
    /// Milliseconds since 1970.
    pub since_ms: i64,
    /// What was paid for.
    pub machines: Vec<Machines>,
}

/// No machines at all, as they are written down. Earlier versions knew none.
pub(super) const NONE: &str = "[]";

/// The rows of no key.
const FLEETS: &str =
    "SELECT since_ms, models FROM key_models WHERE \"key\" = '' ORDER BY since_ms, rowid";

/// The machines of a configuration as they are written down, in the order of their models: in whichever order
/// the configuration names them, they are the same.
pub(super) fn written(names: &EpochInfo, by_hour: &[(Arc<str>, ByHour)]) -> String {
    let machines = by_hour.iter().map(|(model, it)| Machines {
        model: model.to_string(),
        currency: names.currency.to_string(),
        per_hour_nano: it.per_hour.nano(),
        replicas: it.replicas,
    });
    let mut machines: Vec<Machines> = machines.collect();
    machines.sort_unstable();
    // Plain values without maps: there is nothing that could not be written.
    serde_json::to_string(&machines).unwrap_or_else(|_| NONE.to_owned())
}

/// What was paid for, in the order of time; none where nothing ever was. Each differs from the one before it:
/// earlier versions have written rows that do not.
pub(super) fn fleets(connection: &Connection) -> rusqlite::Result<Vec<HourlyFleet>> {
    let mut select = connection.prepare(FLEETS)?;
    let rows = select.query_map([], |row| {
        let text: String = row.get(1)?;
        let mut machines: Vec<Machines> = serde_json::from_str(&text).map_err(|error| {
            let kind = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(1, kind, Box::new(error))
        })?;
        machines.sort_unstable();
        Ok(HourlyFleet { since_ms: row.get(0)?, machines })
    })?;
    let mut fleets: Vec<HourlyFleet> = Vec::new();
    for fleet in rows {
        let fleet = fleet?;
        let before = fleets.last().map_or(&[][..], |it| &it.machines);
        if before != fleet.machines {
            fleets.push(fleet);
        }
    }
    Ok(fleets)
}
