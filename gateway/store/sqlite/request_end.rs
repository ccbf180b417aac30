//! How a request that took part in an experiment ended, as its entry or its refusal says.

use rusqlite::Row;

use super::schema::{OPEN, SETTLED, corrected};

/// The columns of an entry that [`RequestEnd::read`] reads, in its order. The entry's close is `c`, its
/// result `r`.
pub(super) const OF_ENTRY: &str = concat!(
    "coalesce(r.state, 0), r.outcome, r.failure_kind, ",
    corrected!(),
    ", c.first_token_us, c.duration_us, c.output_tokens + coalesce(c.reasoning_tokens, 0)"
);
/// The same of a refusal.
pub(super) const OF_REFUSAL: &str = "-1, NULL, kind, NULL, NULL, NULL, NULL";

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestEnd<'a> {
    /// `open`, `settled`, `recovered` or `refused`.
    pub state: &'static str,
    /// `ok`, `cut`, `cancelled`, `failed`; nothing of what is open, recovered or refused.
    pub outcome: Option<&'a str>,
    /// The kind of its failure, if it has failed or was refused.
    pub failure_kind: Option<&'a str>,
    /// What it cost, in nano-units of the currency.
    pub cost_nano: Option<i64>,
    /// Microseconds to the first content.
    pub first_token_us: Option<i64>,
    /// Microseconds to the end.
    pub duration_us: Option<i64>,
    /// Output, reasoning included.
    pub output_tokens: Option<i64>,
}

impl<'a> RequestEnd<'a> {
    /// Reads the columns of [`OF_ENTRY`] or [`OF_REFUSAL`], the first of which stands here.
    pub(super) fn read(row: &'a Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let text = |at| row.get_ref(at)?.as_str_or_null().map_err(rusqlite::Error::from);
        Ok(Self {
            state: match row.get(first)? {
                OPEN => "open",
                SETTLED => "settled",
                -1 => "refused",
                _ => "recovered",
            },
            outcome: text(first + 1)?,
            failure_kind: text(first + 2)?,
            cost_nano: row.get(first + 3)?,
            first_token_us: row.get(first + 4)?,
            duration_us: row.get(first + 5)?,
            output_tokens: row.get(first + 6)?,
        })
    }
}
