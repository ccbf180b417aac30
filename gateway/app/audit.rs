//! The audit trail, for operators: read from the ledger's file beside its writer, page by page.

use std::{path::PathBuf, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use super::{
    query,
    spend::{misused, unreadable},
};
use crate::{
    edge::admin::Audit,
    pipeline::Gateway,
    spend::{Wrong, point},
    store::Reader,
};

/// Records of a page where nobody says how many.
const LIMIT: u32 = 100;
/// Records of a page at the most.
const LIMIT_MAX: u32 = 1_000;
/// The parameters that there are.
const KNOWN: &str = "`since`, `after` and `limit`";

/// Which records are asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// Those after the record of this number.
    after: i64,
    /// Those from this moment on, in milliseconds since 1970.
    since_ms: i64,
    /// How many at the most.
    limit: u32,
}

impl Asked {
    fn read(query: &str, now: Timestamp) -> Result<Self, Vec<Wrong>> {
        let mut asked = Self { after: 0, since_ms: i64::MIN, limit: LIMIT };
        query::read(query, |name, value| asked.take(name, value, now))?;
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: &str, now: Timestamp) -> Result<(), String> {
        match name {
            "since" => {
                let since = point(value)?.past(&now.to_zoned_datetime(TimeZone::UTC))?;
                self.since_ms = since.as_millisecond();
            }
            "after" => {
                let after = value.parse().ok().filter(|after| *after >= 0);
                self.after = after.ok_or("expected the `seq` of a record, or `next` of a page")?;
            }
            "limit" => {
                let limit = value.parse().ok().filter(|it| (1..=LIMIT_MAX).contains(it));
                self.limit =
                    limit.ok_or_else(|| format!("expected a number from 1 to {LIMIT_MAX}"))?;
            }
            _ => return Err(format!("there is no such parameter: expected {KNOWN}")),
        }
        Ok(())
    }
}

/// What says a page of this ledger's audit trail. Rows on their way to the disk are waited for first; where
/// they do not get there, what is there is read.
pub(super) fn teller(gateway: &Arc<Gateway>, ledger: PathBuf) -> Audit {
    let gateway = Arc::clone(gateway);
    Box::new(move |query: &str| {
        let asked =
            Asked::read(query, (gateway.sources.timestamp)()).map_err(|wrong| misused(&wrong));
        let (recorder, ledger) = (gateway.recorder.clone(), ledger.clone());
        Box::pin(async move {
            let Asked { after, since_ms, limit } = asked?;
            let _ = recorder.flushed().await;
            let read = move || Reader::open(&ledger)?.audit((after, since_ms), limit + 1);
            let mut records = match tokio::task::spawn_blocking(read).await {
                Ok(Ok(records)) => records,
                Ok(Err(error)) => return Err(unreadable().because(error)),
                Err(error) => return Err(unreadable().because(error)),
            };
            let most = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = records.len() > most;
            records.truncate(most);
            let last = records.last().and_then(|it| it.get("seq")).filter(|_| more).cloned();
            Ok(json!({ "records": records, "next": last }))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_by_a_moment_a_number_and_a_length() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let read = |query: &str| Asked::read(query, now);
        let all = Asked { after: 0, since_ms: i64::MIN, limit: 100 };
        assert_eq!(read("").unwrap(), all);
        let since_ms = now.as_millisecond() - 3_600_000;
        let asked = Asked { after: 7, since_ms, limit: 2 };
        assert_eq!(read("since=1h&after=7&limit=2").unwrap(), asked);
        for (query, parameter, told) in [
            ("limit=0", "limit", "1 to 1000"),
            ("limit=1001", "limit", "1 to 1000"),
            ("limit=", "limit", "1 to 1000"),
            ("after=-1", "after", "`seq`"),
            ("after=x", "after", "`seq`"),
            ("since=never", "since", ""),
            ("since=%zz", "since", "hexadecimal"),
            ("after=1&after=2", "after", "twice"),
            ("until=1h", "until", "`since`, `after` and `limit`"),
        ] {
            let wrong = read(query).unwrap_err();
            assert_eq!((wrong.len(), &*wrong[0].parameter), (1, parameter), "{query}");
            assert!(wrong[0].fault.contains(told), "{query}: {}", wrong[0].fault);
        }
    }
}
