//! What a text contains is found, and what only looks like it is not: numbers are made by the arithmetic of
//! their schemes, which is written here once more, and stand in sentences of the languages in which they are
//! told.
//!
//! `SIGNALBOX_TEST_FULL=1` makes 10,000 of each scheme instead of 1,000; `--nocapture` prints the table.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that is surprised should fail at the spot, and one prints a table"
)]

mod apart;
mod beside;
mod cards;
mod columns;
mod draw;
mod fixed;
mod form;
mod hidden;
mod identity;
mod identity_east;
mod laws;
mod makers;
mod money;
mod named;
mod neighbours;
mod rates;
mod scheme;
mod secrets;
mod tax;
mod withheld;
