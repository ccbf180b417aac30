//! First-token times with peaks remembered. Pure.
//!
//! The peak-EWMA of Finagle and linkerd: a time above the mean is taken over at once, one below it draws
//! the mean down slowly, and what nobody has confirmed for a while fades, so that a replica that was slow
//! once is looked at again.

use std::time::Duration;

/// After this long a figure weighs a third (1/e) of what it did.
const DECAY: Duration = Duration::from_secs(10);

/// A mean, in milliseconds, as it was some time ago.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    /// The mean.
    pub ms: f32,
    /// The age of the reading.
    pub age: Duration,
}

impl Peak {
    /// The mean, faded by its age.
    pub(crate) fn faded(self) -> f32 {
        self.ms * (-self.age.as_secs_f32() / DECAY.as_secs_f32()).exp()
    }

    /// The mean with a new time.
    pub(crate) fn with(before: Option<Self>, newest: f32) -> f32 {
        let Some(before) = before else { return newest };
        if newest >= before.faded() {
            return newest;
        }
        let weight = (-before.age.as_secs_f32() / DECAY.as_secs_f32()).exp();
        newest + (before.ms - newest) * weight
    }
}

/// Streams that must have been measured before a replica is compared with its peers.
const STREAMS_MIN: u32 = 10;
/// Further above the median of its peers than this is no bad luck any more …
const BEHIND: f32 = 5.0;
/// … unless it is a time that nobody notices, in milliseconds.
const UNNOTICED_MS: f32 = 250.0;

/// Whether a replica whose first tokens take this long, over so many streams, is far slower than its
/// peers are.
pub(crate) fn behind(ms: f32, streams: u32, peers: &mut [f32]) -> bool {
    peers.sort_unstable_by(f32::total_cmp);
    let median = peers.get(peers.len() / 2).copied();
    streams >= STREAMS_MIN && median.is_some_and(|median| ms > (BEHIND * median).max(UNNOTICED_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_behind_its_peers_is_behind_and_less_is_not() {
        assert!(behind(2_000.0, 10, &mut [90.0, 2_500.0, 110.0]));
        assert!(!behind(2_000.0, 9, &mut [90.0, 110.0]), "too few streams");
        assert!(!behind(400.0, 99, &mut [90.0, 110.0]));
        assert!(!behind(200.0, 99, &mut [3.0]), "nobody notices");
        assert!(!behind(9_000.0, 99, &mut []), "nobody to hold it to");
    }

    fn ago(ms: f32, seconds: u64) -> Peak {
        Peak { ms, age: Duration::from_secs(seconds) }
    }

    #[test]
    fn peaks_are_taken_over_and_fade() {
        assert!((Peak::with(None, 40.0) - 40.0).abs() < f32::EPSILON);
        assert!((Peak::with(Some(ago(40.0, 1)), 900.0) - 900.0).abs() < f32::EPSILON);
        let soon = Peak::with(Some(ago(900.0, 1)), 40.0);
        let later = Peak::with(Some(ago(900.0, 30)), 40.0);
        assert!((780.0..850.0).contains(&soon), "{soon}");
        assert!((40.0..90.0).contains(&later), "{later}");
        assert!(ago(900.0, 60).faded() < 3.0);
    }
}
