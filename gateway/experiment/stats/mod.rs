//! Statistics that hold at every look: intervals for means and for differences between arms, a test of the
//! shares, and how many units an experiment takes.

mod compare;
mod moments;
mod pairs;
mod sequence;
mod shares;
mod size;

pub(crate) use self::{
    compare::{Comparison, compare, mean_interval},
    moments::Moments,
    pairs::{Pairs, with_past},
    sequence::Sequence,
    shares::{ShareTest, shares_are_ok},
    size::sizes,
};
