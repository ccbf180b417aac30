//! `signalbox experiment report`.

mod markdown;
mod table;
#[cfg(test)]
mod tests;
