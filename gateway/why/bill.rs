//! What a request has cost, so that whoever reads it can reckon it again: tokens times price, line by line.

use policies::{
    Counts,
    facts::{Money, Price},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::store::{Adjustment, KeptRequest};

/// The money of one accepted request.
#[derive(Debug, Serialize)]
pub(super) struct Bill {
    /// The currency of all of it.
    pub(super) currency: String,
    /// The price table by which it was charged.
    pub(super) price_version: String,
    /// The model whose prices the lines have: the one that served.
    pub(super) model: Option<String>,
    /// `reported`, `estimated` or `reserved`; none while it is open.
    pub(super) usage_source: Option<String>,
    /// What was reserved.
    pub(super) reserved: String,
    /// Tokens by kind. They are those of all attempts that cost anything.
    pub(super) lines: Vec<Line>,
    /// The sum of the lines, rounded up once to a billionth of the currency; none where no price is known.
    pub(super) sum: Option<String>,
    /// Whether the prices of that model were removed from the books.
    pub(super) prices_missing: bool,
    /// What it costs, as its newest correction says, else as it was charged; none while it is open.
    pub(super) cost: Option<String>,
    /// What was corrected since it was charged, the newest last.
    pub(super) adjustments: Vec<Adjustment>,
}

/// Tokens of one kind.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// The column in which they stand.
    pub(super) tokens_of: &'static str,
    /// How many.
    pub(super) tokens: u32,
    /// What a million of them costs; none where no price is known.
    pub(super) price_per_mtok: Option<String>,
    /// The exact product.
    pub(super) cost: Option<String>,
}

impl Bill {
    /// That of an entry; a refusal has none.
    pub(super) fn of(kept: &KeptRequest) -> Option<Self> {
        let columns = &kept.columns;
        let nano = |name: &str| columns.get(name).and_then(Value::as_i64).map(Money::from_nano);
        let text = |name: &str| super::column(columns, name).map(str::to_owned);
        let reserved = nano("reserved_nano")?;
        let counts = counts(columns);
        let model = text("model");
        Some(Self {
            currency: text("currency").unwrap_or_default(),
            price_version: text("price_version").unwrap_or_default(),
            prices_missing: model.is_some() && kept.price.is_none(),
            model,
            usage_source: text("usage_source"),
            reserved: reserved.to_string(),
            lines: lines(counts, kept.price),
            sum: kept.price.map(|price| price.cost(counts).to_string()),
            cost: nano("cost_nano").map(|it| it.to_string()),
            adjustments: kept.adjustments.clone(),
        })
    }
}

fn counts(columns: &Map<String, Value>) -> Counts {
    let count = |name: &str| {
        let count = columns.get(name).and_then(Value::as_u64).unwrap_or_default();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    Counts {
        input: count("input_tokens"),
        cached_input: count("cached_input_tokens"),
        cache_write: count("cache_write_tokens"),
        output: count("output_tokens"),
        reasoning: count("reasoning_tokens"),
    }
}

fn lines(counts: Counts, known: Option<Price>) -> Vec<Line> {
    let price = known.unwrap_or_default();
    let all = [
        ("input_tokens", counts.input, price.input),
        ("cached_input_tokens", counts.cached_input, price.cached_input),
        ("cache_write_tokens", counts.cache_write, price.cache_write),
        ("output_tokens", counts.output, price.output),
        ("reasoning_tokens", counts.reasoning, price.reasoning),
    ];
    let line = |(tokens_of, tokens, price): (&'static str, u32, Money)| Line {
        tokens_of,
        tokens,
        price_per_mtok: known.map(|_| price.to_string()),
        cost: known.map(|_| exact(u128::from(tokens) * u128::from(price.nano().unsigned_abs()))),
    };
    all.into_iter().filter(|(_, tokens, _)| *tokens > 0).map(line).collect()
}

/// A product of tokens and nano-units a million, as an exact decimal of the currency.
fn exact(product: u128) -> String {
    const UNIT: u128 = 1_000_000_000_000_000;
    let text = format!("{}.{:015}", product / UNIT, product % UNIT);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A decimal in units of 10⁻¹⁵.
    fn read(text: &str) -> u128 {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<15}").parse().unwrap()
    }

    proptest! {
        /// Whoever adds up the lines and rounds up once has the cost that the gateway charges.
        #[test]
        fn the_lines_add_up_to_the_cost(
            tokens: [u32; 5],
            nano in prop::array::uniform5(0..4_000_000_000i64),
        ) {
            let [input, cached_input, cache_write, output, reasoning] = tokens;
            let counts = Counts { input, cached_input, cache_write, output, reasoning };
            let [input, cached_input, cache_write, output, reasoning] = nano.map(Money::from_nano);
            let price = Price { input, cached_input, cache_write, output, reasoning };
            let sum: u128 = lines(counts, Some(price))
                .iter()
                .map(|line| read(line.cost.as_deref().unwrap()))
                .sum();
            let cost = price.cost(counts).nano().unsigned_abs();
            prop_assert_eq!(sum.div_ceil(1_000_000), u128::from(cost));
        }
    }
}
