//! In which order the usable models of a route are tried.

use super::{Usable, Usables, World};
use crate::{facts::Tokens, money::Counts, policy::By};

/// What an answer is taken to be long where the caller does not say, to compare costs by.
const OUTPUT_EXPECTED: Tokens = Tokens(500);

/// Orders usable models as the route says.
pub(super) fn order(world: &World<'_>, by: &By, mut usable: Usables) -> Usables {
    match by {
        By::Order => {}
        By::Cost => usable.sort_by_key(|it| (expected_cost(world, it), it.at)),
        By::Latency => {
            let typical = typical_latency(world, &usable);
            usable.sort_by(|a, b| {
                let ms = |it: &Usable| latency(world, it).unwrap_or(typical);
                ms(a).total_cmp(&ms(b)).then(a.at.cmp(&b.at))
            });
            better_of_two(world.draw.0, &mut usable);
        }
        By::Load => {
            usable.sort_by_key(|it| (load(world, it), it.at));
            better_of_two(world.draw.0, &mut usable);
        }
        By::Weight(weights) => by_weight(world.draw.0, weights, &mut usable),
    }
    usable
}

/// Cost of the estimated input and of a typical answer, in nano-units.
fn expected_cost(world: &World<'_>, it: &Usable) -> i64 {
    let output = world.signals.output_tokens_asked.unwrap_or(OUTPUT_EXPECTED);
    let output = output.min(it.output_tokens_max).saturating_mul(u32::from(world.signals.n));
    let input = world.signals.input_tokens.0;
    let counts = Counts { input, output: output.0, ..Counts::default() };
    let price = world.facts(it.model).and_then(|facts| facts.price).unwrap_or_default();
    price.cost(counts).nano()
}

fn latency(world: &World<'_>, it: &Usable) -> Option<f32> {
    world.fleet.models.get(it.model.get())?.first_token_ms
}

/// The mean of what is known: a model nobody has tried yet is neither preferred nor shunned.
fn typical_latency(world: &World<'_>, usable: &Usables) -> f32 {
    let known = usable.iter().filter_map(|it| latency(world, it));
    #[allow(clippy::cast_precision_loss, reason = "a handful of models")]
    let count = known.clone().count().max(1) as f32;
    known.sum::<f32>() / count
}

fn load(world: &World<'_>, it: &Usable) -> u32 {
    world.fleet.models.get(it.model.get()).map_or(0, |view| view.in_flight)
}

/// Draws two and puts the better of them (the earlier: they are sorted) first. Taking the best of all
/// would send everyone to it until the next look at the fleet.
fn better_of_two(draw: u64, usable: &mut Usables) {
    let count = usable.len() as u64;
    if count < 3 {
        return;
    }
    let first = draw % count;
    let second = (first + 1 + (draw >> 32) % (count - 1)) % count;
    let best = usize::try_from(first.min(second)).unwrap_or(0);
    if let Some(front) = usable.get_mut(..=best) {
        front.rotate_right(1);
    }
}

/// Draws the first by weight; the others follow, the heaviest first.
fn by_weight(draw: u64, weights: &[u32], usable: &mut Usables) {
    let weight = |it: &Usable| u64::from(weights.get(it.at).copied().unwrap_or(1));
    usable.sort_by_key(|it| (std::cmp::Reverse(weight(it)), it.at));
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
