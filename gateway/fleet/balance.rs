//! Which replica of a model takes a request. Pure.

/// One replica, as a choice sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Requests in flight.
    pub in_flight: u32,
    /// Its share of the load, at least 1.
    pub weight: u16,
    /// Whether it takes requests, was not tried yet and is below its own limit.
    pub usable: bool,
}

/// The usable candidate with the least in flight for its weight. `draw` decides among equals, so that
/// an idle fleet is not always entered by its first door.
pub(crate) fn least_loaded(
    candidates: impl ExactSizeIterator<Item = Candidate> + Clone,
    draw: u64,
) -> Option<usize> {
    let count = candidates.len() as u64;
    let offset = draw.checked_rem(count)?;
    let rank = |at: usize| (at as u64 + count - offset) % count;
    candidates
        .enumerate()
        .filter(|(_, candidate)| candidate.usable)
        .min_by(|(at, a), (bt, b)| {
            let left = u64::from(a.in_flight) * u64::from(b.weight.max(1));
            let right = u64::from(b.in_flight) * u64::from(a.weight.max(1));
            left.cmp(&right).then_with(|| rank(*at).cmp(&rank(*bt)))
        })
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(in_flight: u32, weight: u16, usable: bool) -> Candidate {
        Candidate { in_flight, weight, usable }
    }

    #[test]
    fn the_least_loaded_for_its_weight_wins() {
        let fleet = [of(4, 1, true), of(6, 2, true), of(0, 1, false)];
        assert_eq!(least_loaded(fleet.into_iter(), 0), Some(1));
        assert_eq!(least_loaded([of(0, 1, false)].into_iter(), 0), None);
        assert_eq!(least_loaded([].into_iter(), 7), None);
    }

    #[test]
    fn equals_share_by_the_draw() {
        let fleet = [of(1, 1, true), of(1, 1, true), of(1, 1, true)];
        let mut seen: Vec<_> =
            (0..3).map(|draw| least_loaded(fleet.into_iter(), draw).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }
}
