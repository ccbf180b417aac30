//! The moments at which an experiment is looked at for its picture and for the test of its shares.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// So many looks at the most.
const LOOKS_MAX: i64 = 48;
/// The spaces between looks, in minutes: whole days where the experiment has run for some.
const SPACES: [i64; 9] = [1, 5, 15, 60, 180, 360, 1_440, 2_880, 10_080];

/// The ends of equal spaces from the first request to the last; the last look is at the last request, and has
/// everything in it.
pub(crate) fn looks(since_ms: i64, until_ms: i64) -> Vec<i64> {
    let span = until_ms.saturating_sub(since_ms).max(0);
    let fits = |space: &i64| span / (space * MINUTE_MS) < LOOKS_MAX;
    let space = SPACES.into_iter().find(fits).map_or(span / (LOOKS_MAX - 1), |it| it * MINUTE_MS);
    // From the third day on, a day's rhythm is not to be taken for an effect.
    let space = if span >= 3 * DAY_MS { space.max(DAY_MS) } else { space };
    let mut all = Vec::new();
    let mut at = since_ms.saturating_add(space);
    while at < until_ms && space > 0 {
        all.push(at);
        at = at.saturating_add(space);
    }
    all.push(until_ms);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_days_where_there_are_days_and_never_too_many() {
        assert_eq!(looks(5, 5), [5]);
        assert_eq!(looks(0, 90_000), [60_000, 90_000]);
        assert_eq!(looks(0, 9 * DAY_MS).len(), 9);
        assert_eq!(looks(0, 9 * DAY_MS + 1).last(), Some(&(9 * DAY_MS + 1)));
        for days in [0, 1, 3, 40, 60, 400, 4_000, 90_000] {
            assert!(looks(0, days * DAY_MS).len() <= 48, "{days}");
        }
    }
}
