//! In which order the usable models of a route are tried.

use std::cmp::{Ordering, Reverse};

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Moment, Usable, Usables};
use crate::{facts::Tokens, money::Counts, policy::By};

/// What an answer is taken to be long where the caller does not say, to compare costs by.
const OUTPUT_EXPECTED: Tokens = Tokens(500);

/// Orders usable models as the route says.
pub(super) fn order(world: &Moment<'_>, by: &By, mut usable: Usables) -> Usables {
    match by {
        By::Order => usable,
        By::Cost => {
            usable.sort_by_cached_key(|it| (expected_cost(world, it), it.at));
            usable
        }
        By::Latency => {
            let typical = typical_latency(world, &usable);
            let ms = |it: &Usable| latency(world, it).unwrap_or(typical);
            better_of_two(world, &usable, |a, b| ms(a).total_cmp(&ms(b)))
        }
        By::Load => better_of_two(world, &usable, |a, b| load(world, a).cmp(&load(world, b))),
        By::Weight(weights) => {
            by_weight(world.draw.0, weights, &mut usable);
            usable
        }
    }
}

/// Cost of the estimated input and of a typical answer, in nano-units.
fn expected_cost(world: &Moment<'_>, it: &Usable) -> i64 {
    let output = world.signals.output_tokens_asked.unwrap_or(OUTPUT_EXPECTED);
    let choices = u32::from(world.signals.n.max(1));
    let output = output.min(it.output_tokens_max).saturating_mul(choices);
    let input = world.signals.input_tokens.0;
    let counts = Counts { input, output: output.0, ..Counts::default() };
    let price = world.facts(it.model).and_then(|facts| facts.price).unwrap_or_default();
    price.cost(counts).nano()
}

fn latency(world: &Moment<'_>, it: &Usable) -> Option<f32> {
    world.fleet.models.get(it.model.get())?.first_token_ms
}

/// The mean of what is known: a model nobody has tried yet is neither preferred nor shunned.
fn typical_latency(world: &Moment<'_>, usable: &Usables) -> f32 {
    let known = usable.iter().filter_map(|it| latency(world, it));
    #[allow(clippy::cast_precision_loss, reason = "a handful of models")]
    let count = known.clone().count().max(1) as f32;
    known.sum::<f32>() / count
}

/// Whether it is full, then its requests in flight.
fn load(world: &Moment<'_>, it: &Usable) -> (bool, u32) {
    world.fleet.models.get(it.model.get()).map_or((true, u32::MAX), |view| {
        let full = view.concurrency_max > 0 && view.in_flight >= view.concurrency_max;
        (full, view.in_flight)
    })
}

/// Draws two and puts the better of them first; the rest follow, the best first. Taking the best of
/// all would send everyone to it until the next look at the fleet.
///
/// The two are those with the highest lots, and lots also decide between equals: no model is preferred
/// for where it stands, and another model that comes or goes moves nobody else's lot. A request of a
/// session takes the highest lot alone, so that the session stays where its cache is.
fn better_of_two(
    world: &Moment<'_>,
    usable: &Usables,
    compare: impl Fn(&Usable, &Usable) -> Ordering,
) -> Usables {
    let lot = |it: &Usable| {
        let id = world.facts(it.model).map_or(&[][..], |facts| facts.id.as_bytes());
        xxh3_64_with_seed(id, world.draw.0)
    };
    let mut drawn: SmallVec<[(u64, Usable); 8]> = usable.iter().map(|it| (lot(it), *it)).collect();
    drawn.sort_unstable_by_key(|(lot, it)| (Reverse(*lot), it.at));
    let picked = if world.signals.session.is_some() { 1 } else { 2 };
    let by_lot = |a: &&(u64, Usable), b: &&(u64, Usable)| compare(&a.1, &b.1);
    // Of equals `min_by` takes the first, which has the higher lot.
    let first = drawn.iter().take(picked).min_by(by_lot).map(|(_, it)| it.at);
    // Sorting is stable: equals stay in the order of their lots.
    drawn.sort_by(|a, b| {
        (Some(a.1.at) != first).cmp(&(Some(b.1.at) != first)).then_with(|| compare(&a.1, &b.1))
    });
    drawn.into_iter().map(|(_, it)| it).collect()
}

/// Draws the first by weight; the others follow, the heaviest first.
fn by_weight(draw: u64, weights: &[u32], usable: &mut Usables) {
    let weight = |it: &Usable| u64::from(weights.get(it.at).copied().unwrap_or(1));
    usable.sort_by_key(|it| (Reverse(weight(it)), it.at));
    let total: u64 = usable.iter().map(weight).sum();
    let Some(mut left) = draw.checked_rem(total) else { return };
    let drawn = usable.iter().position(|it| {
        let mine = weight(it);
        let hit = left < mine;
        left = left.saturating_sub(mine);
        hit
    });
    if let Some(front) = drawn.and_then(|at| usable.get_mut(..=at)) {
        front.rotate_right(1);
    }
}
