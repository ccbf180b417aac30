//! How often the log says the same: a storm of one kind is some lines, and then how many more there were.
//!
//! A kind is a place in the code with the model, the endpoint and the kind of failure that it speaks of: all
//! of them from configuration or from closed sets, so that no caller can make kinds. The clock is handed in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tracing::Level;

/// Lines of one kind in a second, where nothing else is said.
pub(crate) const LINES_PER_SECOND: u32 = 10;
/// After so long it is said how many more there were.
pub(crate) const SUMMED_EVERY: Duration = Duration::from_secs(10);
/// Kinds that are told apart; all further ones count as one.
const KINDS_MAX: usize = 2_048;
/// The kind of those.
const OTHERS: u64 = 0;

/// The kinds of lines that came lately.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    kinds: HashMap<u64, Kind>,
}

#[derive(Debug)]
struct Kind {
    /// When its current second began.
    second: Instant,
    /// Its lines in that second.
    said: u32,
    held: Option<Held>,
}

/// Lines of one kind that were not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The first of them came then.
    pub since: Instant,
    /// How many there were.
    pub more: u64,
    /// What they were about.
    pub about: About,
}

/// What all lines of a kind have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// How much they matter.
    pub level: Level,
    /// The place in the code.
    pub target: &'static str,
    /// The sentence of the first.
    pub message: String,
    /// What tells the kind from others.
    pub fields: Vec<(&'static str, String)>,
}

impl Storm {
    /// Whether a line of this kind is said, of which there are so many in a second; if not, it is counted.
    pub(crate) fn admits(
        &mut self,
        (kind, most): (u64, u32),
        now: Instant,
        about: impl FnOnce() -> About,
    ) -> bool {
        let kind = self.place(kind, now);
        let fresh = || Kind { second: now, said: 0, held: None };
        let it = self.kinds.entry(kind).or_insert_with(fresh);
        if now.saturating_duration_since(it.second) >= Duration::from_secs(1) {
            (it.second, it.said) = (now, 0);
        }
        if it.said < most {
            it.said += 1;
            return true;
        }
        let held = it.held.get_or_insert_with(|| Held { since: now, more: 0, about: about() });
        held.more += 1;
        false
    }

    /// The kind itself while there is room for it.
    fn place(&mut self, kind: u64, now: Instant) -> u64 {
        if self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&kind) {
            return kind;
        }
        self.forget(now);
        if self.kinds.len() < KINDS_MAX { kind } else { OTHERS }
    }

    /// Forgets kinds of which nothing is to be said any more.
    fn forget(&mut self, now: Instant) {
        let second = Duration::from_secs(1);
        self.kinds
            .retain(|_, it| it.held.is_some() || now.saturating_duration_since(it.second) < second);
    }

    /// What was held back for long enough, or at all; it counts from nothing then.
    pub(crate) fn due(&mut self, now: Instant, all: bool) -> Vec<Held> {
        let long =
            |held: &mut Held| all || now.saturating_duration_since(held.since) >= SUMMED_EVERY;
        let due = self.kinds.values_mut().filter_map(|it| it.held.take_if(long)).collect();
        self.forget(now);
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn about(message: &str) -> About {
        let fields = vec![("model", String::from("a"))];
        About { level: Level::WARN, target: "signalbox", message: message.to_owned(), fields }
    }

    #[test]
    fn a_storm_is_ten_lines_a_second_and_then_how_many_more() {
        let (start, mut storm) = (Instant::now(), Storm::default());
        let mut said = 0;
        for ms in 0..2_000 {
            let now = start + Duration::from_millis(ms);
            said += u32::from(storm.admits((7, LINES_PER_SECOND), now, || about("it is down")));
            // Another kind is not silenced by it.
            assert!(ms % 200 > 0 || storm.admits((8, LINES_PER_SECOND), now, || about("else")));
        }
        assert_eq!(said, 2 * LINES_PER_SECOND);
        assert_eq!(storm.due(start + Duration::from_millis(9_000), false), []);
        let due = storm.due(start + Duration::from_millis(10_010), false);
        assert_eq!(due.len(), 1, "{due:?}");
        assert_eq!((due[0].more, &*due[0].about.message), (1_980, "it is down"));
        assert_eq!(storm.due(start + Duration::from_secs(60), true), []);
        assert!(storm.kinds.is_empty());
    }

    #[test]
    fn more_kinds_than_there_is_room_for_count_as_one() {
        let (now, mut storm) = (Instant::now(), Storm::default());
        let many = KINDS_MAX as u64 + 50;
        let said = (1..=many)
            .filter(|kind| storm.admits((*kind, LINES_PER_SECOND), now, || about("x")))
            .count();
        assert_eq!(said, KINDS_MAX + LINES_PER_SECOND as usize);
        assert_eq!(storm.kinds.len(), KINDS_MAX + 1);
        let due = storm.due(now, true);
        assert_eq!(due.iter().map(|it| it.more).sum::<u64>(), 40);
        // They make room when they are over.
        assert!(storm.admits(
            (many + 1, LINES_PER_SECOND),
            now + Duration::from_secs(1),
            || about("x")
        ));
        assert_eq!(storm.kinds.len(), 1);
    }

    proptest! {
        #[test]
        fn every_line_is_said_or_counted(
            steps in proptest::collection::vec((0..4_u64, 0..400_u64), 1..300),
        ) {
            let (start, mut storm) = (Instant::now(), Storm::default());
            let (mut said, mut more, mut ms) = (0, 0, 0);
            for (kind, pause) in &steps {
                ms += pause;
                let now = start + Duration::from_millis(ms);
                said += u64::from(storm.admits((*kind, LINES_PER_SECOND), now, || about("x")));
                more += storm.due(now, false).iter().map(|it| it.more).sum::<u64>();
            }
            more += storm.due(start, true).iter().map(|it| it.more).sum::<u64>();
            prop_assert_eq!(said + more, steps.len() as u64);
        }
    }
}
