//! What own machines really cost: each hour's price, spread over what they served in it. Pure.
//!
//! Entries carry the running rates and never change. Beside them stands what the machines cost whether they
//! served anybody or not: an hour of each replica. It is spread over the requests that began in the hour, in
//! the proportion of their charges, since the running rates say what a token of each kind is worth; where
//! these are all 0, in the proportion of their tokens. An hour in which a model served nobody is nobody's.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use jiff::Timestamp;
use policies::facts::{ModelFacts, Price};

use super::period::{BEYOND, Day};
use crate::store::{ChargeLabels, ChargeSum, Charged, Charges, HourlyFleet, Machines};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// Hours that one question may reach over: a little more than three years.
const HOURS_MAX: i64 = 27_000;
/// Tokens of the unit that prices are said for.
const MTOK: i128 = 1_000_000;
/// The currency of the catalogue's prices.
const LIST_CURRENCY: &str = "USD";

/// What some requests really cost, or hours in which there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Real {
    /// Nano-units: their part of the machines that are paid by the hour, and the charge of what is not.
    pub(crate) cost_nano: i128,
    /// Nano-units of these that no charge has covered.
    pub(crate) idle_nano: i128,
    /// Milliseconds of a replica that were paid for.
    pub(crate) machine_ms: i128,
    /// Millionths of a nano-unit, which a token's price is a whole number of, that the same tokens would have
    /// cost at the catalogue's prices; nothing where any of them has none.
    list_parts: Option<i128>,
}

impl Default for Real {
    fn default() -> Self {
        Self { cost_nano: 0, idle_nano: 0, machine_ms: 0, list_parts: Some(0) }
    }
}

impl Real {
    /// Adds what others really cost.
    pub(crate) fn add(&mut self, other: &Self) {
        self.cost_nano += other.cost_nano;
        self.idle_nano += other.idle_nano;
        self.machine_ms += other.machine_ms;
        self.list_parts = self.list_parts.zip(other.list_parts).map(|(a, b)| a + b);
    }

    /// Nano-units that the same tokens would have cost at the catalogue's prices, rounded up once; nothing
    /// where any of them has none.
    pub(crate) fn list_nano(&self) -> Option<i128> {
        let up = |parts: i128| parts.div_euclid(MTOK) + i128::from(parts.rem_euclid(MTOK) != 0);
        self.list_parts.map(up)
    }

    /// What a million of so many tokens really cost, in nano-units and to a step of so many, half of one
    /// rounded up; nothing where there are no tokens.
    pub(crate) fn per_mtok(&self, tokens: u64, step_nano: i128) -> Option<i128> {
        each(self.cost_nano.saturating_mul(MTOK), tokens, step_nano)
    }

    /// The same at the catalogue's prices; nothing where any of them has none either.
    pub(crate) fn list_per_mtok(&self, tokens: u64, step_nano: i128) -> Option<i128> {
        self.list_parts.and_then(|parts| each(parts, tokens, step_nano))
    }

    /// What is idle of all that it cost, in tenths of a percent: half of one is rounded up, but all of it
    /// only where no charge has covered any.
    pub(crate) fn idle_share(&self) -> u64 {
        if self.cost_nano <= 0 {
            return 0;
        }
        let share = (self.idle_nano * 2_000 + self.cost_nano) / (2 * self.cost_nano);
        let most = if self.idle_nano < self.cost_nano { 999 } else { 1_000 };
        u64::try_from(share.min(most)).unwrap_or(0)
    }
}

/// What one of so many has of a total, to a step, half of one rounded up; nothing where there is none.
fn each(total: i128, count: u64, step: i128) -> Option<i128> {
    let steps = i128::from(count) * step;
    (steps > 0).then(|| total.saturating_mul(2).saturating_add(steps).div_euclid(2 * steps) * step)
}

/// Milliseconds as hours with three digits, half of one rounded up.
pub(crate) fn hours(ms: i128) -> String {
    let thousandths = (ms * 2_000 + i128::from(HOUR_MS)) / (2 * i128::from(HOUR_MS));
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

/// Cuts days at the hours of UTC, and where other machines were paid for from then on: in none of the parts
/// does any price change.
///
/// # Errors
/// There are too many hours.
pub(super) fn parts(days: &[Day], fleets: &[HourlyFleet]) -> Result<Vec<Day>, String> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Vec::new()) };
    let reach = last.to.as_millisecond() - first.from.as_millisecond();
    if reach / HOUR_MS > HOURS_MAX {
        return Err(format!("more than {HOURS_MAX} hours, the most that a true cost is asked of"));
    }
    let mut changes = fleets.iter().map(|it| it.since_ms).peekable();
    let mut parts = Vec::new();
    for day in days {
        let (mut from, to) = (day.from.as_millisecond(), day.to.as_millisecond());
        while from < to {
            while changes.next_if(|at| *at <= from).is_some() {}
            let hour = (from.div_euclid(HOUR_MS) + 1) * HOUR_MS;
            let end = changes.peek().map_or(hour, |change| hour.min(*change)).min(to);
            let at = |ms| Timestamp::from_millisecond(ms).map_err(|_| BEYOND.to_owned());
            parts.push(Day { date: day.date, from: at(from)?, to: at(end)? });
            from = end;
        }
    }
    Ok(parts)
}

/// What each of the sums really cost, in their order. Hours of a model that served nobody are added to the
/// sums, without any request.
pub(super) fn real(charges: &mut Charges, parts: &[Day], fleets: &[HourlyFleet]) -> Vec<Real> {
    // Nobody's nano-unit may depend on an order that is none.
    charges.sums.sort_by(|a, b| order(a).cmp(&order(b)));
    let list = policies::catalogue().models;
    let mut reals: Vec<Real> = charges.sums.iter().map(|sum| charged(sum, &list)).collect();
    let mut at: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    for (place, sum) in charges.sums.iter().enumerate() {
        if let Some(model) = sum.labels.model.as_deref().filter(|_| sum.charged.requests > 0) {
            at.entry((sum.span, model)).or_default().push(place);
        }
    }
    let mut nobodys = Vec::new();
    let mut fleet = fleets.iter().peekable();
    let mut machines: &[Machines] = &[];
    for (span, part) in parts.iter().enumerate() {
        while let Some(it) = fleet.next_if(|it| it.since_ms <= part.from.as_millisecond()) {
            machines = &it.machines;
        }
        for machine in machines {
            let places = at.get(&(span, &*machine.model)).map_or(&[][..], Vec::as_slice);
            let sums = places.iter().filter_map(|at| Some((*at, charges.sums.get(*at)?)));
            let sums: Vec<_> =
                sums.filter(|(_, sum)| sum.labels.currency == machine.currency).collect();
            let left = share(machine, part, &sums, &mut reals);
            nobodys.extend(left.map(|real| (span, machine, real)));
        }
    }
    let (sums, more): (Vec<_>, Vec<_>) = nobodys.into_iter().map(nobodys_sum).unzip();
    charges.sums.extend(sums);
    reals.extend(more);
    reals
}

/// Shares a part of an hour among those whom it served. What is returned is nobody's.
fn share(
    machine: &Machines,
    part: &Day,
    sums: &[(usize, &ChargeSum)],
    reals: &mut [Real],
) -> Option<Real> {
    let (cost_nano, machine_ms) = price(machine, part);
    let weights = weights(sums.iter().map(|(_, sum)| &sum.charged));
    let Some((costs, times)) = spread(cost_nano, &weights).zip(spread(machine_ms, &weights)) else {
        return Some(Real { cost_nano, idle_nano: cost_nano, machine_ms, ..Real::default() });
    };
    for ((at, sum), (cost_nano, machine_ms)) in sums.iter().zip(costs.into_iter().zip(times)) {
        // In this proportion nobody's part is less than his charge while anything is idle.
        let idle_nano = (cost_nano - sum.charged.cost_nano).max(0);
        if let Some(real) = reals.get_mut(*at) {
            *real = Real { cost_nano, idle_nano, machine_ms, ..*real };
        }
    }
    None
}

/// A sum without a request, and what it cost.
fn nobodys_sum((span, machine, real): (usize, &Machines, Real)) -> (ChargeSum, Real) {
    let labels = Arc::new(ChargeLabels {
        currency: machine.currency.clone(),
        model: Some(machine.model.clone()),
        ..ChargeLabels::default()
    });
    (ChargeSum { span, labels, charged: Charged::default() }, real)
}

/// By what sums are told apart, in order.
fn order(sum: &ChargeSum) -> (usize, &[String], [&str; 6], Option<&str>) {
    let ChargeLabels { currency, price_version, teams, key, language, task, rule, model } =
        &*sum.labels;
    (sum.span, teams, [currency, price_version, key, language, task, rule], model.as_deref())
}

/// What a sum cost where nothing is paid by the hour: what was charged.
fn charged(sum: &ChargeSum, list: &[ModelFacts]) -> Real {
    let known = list.iter().find(|it| sum.labels.model.as_deref() == Some(&*it.id));
    let price = known.and_then(|it| it.price).filter(|_| sum.labels.currency == LIST_CURRENCY);
    let list_parts = match sum.charged.tokens {
        [0, 0, 0, 0, 0] => Some(0),
        tokens => price.map(|price| at_list(tokens, price)),
    };
    Real { cost_nano: sum.charged.cost_nano, list_parts, ..Real::default() }
}

/// What tokens cost at these prices, in millionths of a nano-unit.
fn at_list(tokens: [u64; 5], price: Price) -> i128 {
    let Price { input, cached_input, cache_write, output, reasoning } = price;
    let prices = [input, cached_input, cache_write, output, reasoning];
    let costs = tokens
        .iter()
        .zip(prices)
        .map(|(tokens, price)| i128::from(*tokens).saturating_mul(i128::from(price.nano())));
    costs.fold(0, i128::saturating_add)
}

/// Nano-units and milliseconds of a replica for a part of an hour. The parts of an hour come to its price.
fn price(machine: &Machines, part: &Day) -> (i128, i128) {
    let replicas = i128::from(machine.replicas);
    let hour_nano = i128::from(machine.per_hour_nano) * replicas;
    let (from, to) = (part.from.as_millisecond(), part.to.as_millisecond());
    let hour = from.div_euclid(HOUR_MS) * HOUR_MS;
    let until = |ms: i64| hour_nano * i128::from(ms - hour) / i128::from(HOUR_MS);
    (until(to) - until(from), i128::from(to - from) * replicas)
}

/// In which proportion an hour is theirs.
fn weights<'a>(all: impl Iterator<Item = &'a Charged> + Clone) -> Vec<u128> {
    let costs: Vec<u128> =
        all.clone().map(|it| u128::try_from(it.cost_nano).unwrap_or(0)).collect();
    if costs.iter().any(|cost| *cost > 0) {
        return costs;
    }
    all.map(|it| it.tokens.iter().copied().map(u128::from).sum()).collect()
}

/// Spreads a total in this proportion: the parts come to it exactly, those with the largest remainders are
/// rounded up. Nothing where nobody has any weight.
fn spread(total: i128, weights: &[u128]) -> Option<Vec<i128>> {
    let total = u128::try_from(total).unwrap_or(0);
    let most = weights.iter().copied().max().unwrap_or(0);
    let bits = u128::BITS - most.leading_zeros() + usize::BITS - weights.len().leading_zeros();
    // Beyond a billion units an hour, weights lose the digits that no product of two has room for.
    let excess = bits.saturating_sub(u64::BITS);
    let weights: Vec<u128> = weights.iter().map(|it| it >> excess).collect();
    let sum: u128 = weights.iter().sum();
    if sum == 0 {
        return None;
    }
    let (each, rest) = (total / sum, total % sum);
    let products: Vec<u128> = weights.iter().map(|it| rest * it).collect();
    let wholes = weights.iter().zip(&products).map(|(it, product)| each * it + product / sum);
    let mut parts: Vec<u128> = wholes.collect();
    let left = total - parts.iter().sum::<u128>();
    let mut largest: Vec<usize> = (0..parts.len()).collect();
    largest.sort_by_key(|at| Reverse(products.get(*at).map_or(0, |it| it % sum)));
    for at in largest.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        if let Some(part) = parts.get_mut(at) {
            *part += 1;
        }
    }
    Some(parts.into_iter().map(|part| i128::try_from(part).unwrap_or(i128::MAX)).collect())
}

#[cfg(test)]
pub(super) mod tests;
