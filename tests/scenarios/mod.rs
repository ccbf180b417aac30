//! What the gateway promises, one scene each: given a fleet, when a caller asks, then …

mod answers;
mod callers;
mod choice;
mod cut;
mod departure;
mod door;
mod drain;
mod fallback;
mod full;
mod habits;
mod hedge;
mod hostile;
mod hostile_streams;
mod limits;
mod moments;
mod pressure;
mod program;
mod queue;
mod reasoning;
mod rehearse;
mod reload;
mod slow_stream;
mod sums;
mod usage;
mod wrong;
