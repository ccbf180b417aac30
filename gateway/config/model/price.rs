//! What a model costs: its rates for tokens, and what its machines cost by the hour.

use policies::{
    Fault,
    document::{Faults, Section},
    facts::{ModelKind, Money, Price},
};
use toml::Value;

use crate::{config::fields::amount, outcome::ByHour};

/// The dearest million tokens, in units: 32 million of them, the most that a body can hold, then still
/// cost an amount that can be held.
const PRICE_UNITS_MAX: i64 = 100_000_000;
const DECIMAL: &str = "a decimal in text, such as \"0.20\", with at most nine decimals";
/// The most replicas of one model.
const REPLICAS_MAX: u64 = 10_000;

/// `"free"`, or a table. What is not stated costs what its plain kind costs.
pub(super) fn price(
    it: &mut Section<'_>,
    kind: ModelKind,
    faults: &mut Faults,
) -> (Option<Price>, Option<ByHour>) {
    let expected = match kind {
        ModelKind::Chat => "\"free\", or { input_per_mtok, output_per_mtok } as decimals in text",
        _ => "\"free\", or { input_per_mtok } as a decimal in text",
    };
    let path = it.at("price");
    let endpoints = it.get("endpoint").and_then(Value::as_array).map_or(0, Vec::len);
    let Some(value) = it.get("price") else {
        faults.push(Fault::new(path, "nothing", expected));
        return (None, None);
    };
    if value.as_str() == Some("free") {
        return (Some(Price::default()), None);
    }
    if value.as_table().is_none() {
        faults.push(Fault::new(path, policies::document::kind(value), expected));
        return (None, None);
    }
    let mut it = Section::of(path, value, faults);
    let by_hour = by_hour(&mut it, endpoints, faults);
    let price = rates(&mut it, kind, faults);
    it.close(faults);
    (price, by_hour)
}

/// The rates for tokens: beside `per_hour` they are the running rates, which entries and budgets carry. What
/// writes no text needs no rate for it.
fn rates(it: &mut Section<'_>, kind: ModelKind, faults: &mut Faults) -> Option<Price> {
    let input = required(it, "input_per_mtok", faults);
    let output = match kind {
        ModelKind::Chat => required(it, "output_per_mtok", faults),
        _ => per_mtok(it, "output_per_mtok", faults).or(Some(Money::ZERO)),
    };
    let cached = per_mtok(it, "cached_input_per_mtok", faults);
    let write = per_mtok(it, "cache_write_per_mtok", faults);
    let reasoning = per_mtok(it, "reasoning_per_mtok", faults);
    let (input, output) = (input?, output?);
    Some(Price {
        input,
        cached_input: cached.unwrap_or(input),
        cache_write: write.unwrap_or(input),
        output,
        reasoning: reasoning.unwrap_or(output),
    })
}

fn required(it: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Option<Money> {
    if it.get(key).is_none() {
        let running = "the running rate that requests are charged by, beside per_hour: ";
        let running = if it.get("per_hour").is_some() { running } else { "" };
        faults.push(Fault::new(it.at(key), "nothing", format!("{running}{DECIMAL}")));
    }
    per_mtok(it, key, faults)
}

/// What an hour of a replica costs, and how many there are: as many as endpoints where it is not stated.
fn by_hour(it: &mut Section<'_>, endpoints: usize, faults: &mut Faults) -> Option<ByHour> {
    let replicas = replicas(it, endpoints, faults);
    if it.get("per_hour").is_none() {
        if it.get("replicas").is_some() {
            let expected = "per_hour beside it, what an hour of one replica costs; or no such key";
            faults.push(Fault::new(it.at("replicas"), "replicas without a price", expected));
        }
        return None;
    }
    let per_hour = per_mtok(it, "per_hour", faults)?;
    if per_hour == Money::ZERO {
        let expected =
            "what an hour of one replica costs; or no such key, where nobody pays for it";
        faults.push(Fault::new(it.at("per_hour"), "0", expected));
    }
    Some(ByHour { per_hour, replicas: replicas? })
}

fn replicas(it: &mut Section<'_>, endpoints: usize, faults: &mut Faults) -> Option<u32> {
    let counted = || u32::try_from(endpoints).ok();
    if it.get("replicas").is_none() {
        return counted();
    }
    let expected = format!("a whole number from 1 to {REPLICAS_MAX}, or \"endpoints\"");
    it.read("replicas", &expected, faults, |value| match value.as_str() {
        Some(word) => counted().filter(|_| word == "endpoints"),
        None => {
            let number = u64::try_from(value.as_integer()?).ok();
            number.filter(|it| (1..=REPLICAS_MAX).contains(it)).and_then(|it| it.try_into().ok())
        }
    })
}

fn per_mtok(it: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Option<Money> {
    let price = amount(it, key, DECIMAL, faults)?;
    let most = Money::from_nano(PRICE_UNITS_MAX.saturating_mul(1_000_000_000));
    if price > most {
        let expected = format!("at most {PRICE_UNITS_MAX}: choose a larger ledger currency");
        faults.push(Fault::new(it.at(key), price.to_string(), expected));
    }
    Some(price)
}
