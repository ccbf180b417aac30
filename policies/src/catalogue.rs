//! The models of the demo, compiled in: what they are and what they cost.

use std::sync::Arc;

use toml::{Table, Value};

use crate::facts::{
    FleetFacts, KeyFacts, Language, ModelFacts, ModelKind, Money, Needs, Price, TeamFacts,
    Timeouts, Tokens,
};

/// The catalogue's document: `[[model]]` tables as a configuration has them, without endpoints.
pub const CATALOGUE: &str = include_str!("../catalogue.toml");

/// A fleet of the catalogue's models, one team `default` and one key, both of which may use all.
#[must_use]
pub fn catalogue() -> FleetFacts {
    let table: Table = CATALOGUE.parse().unwrap_or_default();
    let models = table.get("model").and_then(Value::as_array);
    let all = || [Box::from("*")].into();
    FleetFacts {
        models: models.into_iter().flatten().filter_map(model).collect(),
        teams: vec![TeamFacts { name: "default".into(), parent: None, models: all() }],
        keys: vec![KeyFacts { name: "default".into(), models: all() }],
        aliases: Vec::new(),
    }
}

/// `None` where the document is not what the tests make sure it is.
fn model(value: &Value) -> Option<ModelFacts> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let shared = |key: &str| text(key).map(Arc::from);
    let tokens = |key: &str| {
        let number = value.get(key)?.as_integer()?;
        u32::try_from(number).ok().map(Tokens)
    };
    let texts = |key: &str| {
        let list = value.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    };
    let output_tokens_max = tokens("output_tokens_max")?;
    Some(ModelFacts {
        id: shared("id")?,
        kind: ModelKind::Chat,
        vector_space: None,
        family: shared("family"),
        tags: texts("tags").map(Arc::from).collect(),
        zone: shared("zone"),
        licence: shared("licence"),
        languages: texts("languages").filter_map(Language::from_code).collect(),
        capabilities: texts("capabilities")
            .filter_map(Needs::from_code)
            .fold(Needs::NONE, Needs::with),
        context_tokens_max: tokens("context_tokens_max")?,
        output_tokens_max,
        output_tokens_default: tokens("output_tokens_default")
            .unwrap_or(Tokens(8_192))
            .min(output_tokens_max),
        media_tokens_max: tokens("media_tokens_max").unwrap_or(Tokens(4_096)),
        held_tokens_max: tokens("held_tokens_max").unwrap_or(Tokens(256)),
        price: price(value.get("price")?),
        timeouts: Timeouts::default(),
    })
}

fn price(value: &Value) -> Option<Price> {
    let money = |key: &str| Money::parse(value.get(key)?.as_str()?).ok();
    let (input, output) = (money("input_per_mtok")?, money("output_per_mtok")?);
    Some(Price {
        input,
        cached_input: money("cached_input_per_mtok").unwrap_or(input),
        cache_write: money("cache_write_per_mtok").unwrap_or(input),
        output,
        reasoning: money("reasoning_per_mtok").unwrap_or(output),
    })
}
