//! The one integration binary: the house rules and, beside them, what the gateway promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that is surprised should fail at the spot"
)]

mod bars;
mod fuzz;
mod harness;
mod scenarios;
mod tidy;
