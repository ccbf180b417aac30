//! The list of models as callers see it.

use bytes::Bytes;
use policies::facts::{Needs, Price, Tokens};
use serde::Serialize;

/// One model, or `auto`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelCard<'a> {
    /// The name to ask for.
    pub id: &'a str,
    /// When it came into force here, in seconds since 1970.
    pub created: i64,
    /// The family; `owned_by` in the list.
    pub family: Option<&'a str>,
    /// Prompt and answer together; `auto` has none.
    pub context_tokens_max: Option<Tokens>,
    /// The longest answer.
    pub output_tokens_max: Option<Tokens>,
    /// What it can do.
    pub capabilities: Needs,
    /// What it costs; `None` is free or, for `auto`, that of whoever serves.
    pub price: Option<Price>,
    /// The ledger's currency, in which the price is.
    pub currency: &'a str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<ItemPrice<'a>>,
}

/// Decimals of the ledger's currency for a million tokens.
#[derive(Serialize)]
struct ItemPrice<'a> {
    currency: &'a str,
    input_per_mtok: String,
    cached_input_per_mtok: String,
    output_per_mtok: String,
}

fn item<'a>(card: &ModelCard<'a>) -> Item<'a> {
    Item {
        id: card.id,
        object: "model",
        created: card.created,
        owned_by: card.family.unwrap_or("signalbox"),
        context_length: card.context_tokens_max.map(|tokens| tokens.0),
        max_output_tokens: card.output_tokens_max.map(|tokens| tokens.0),
        capabilities: card.capabilities.names().collect(),
        price: card.price.map(|price| ItemPrice {
            currency: card.currency,
            input_per_mtok: price.input.to_string(),
            cached_input_per_mtok: price.cached_input.to_string(),
            output_per_mtok: price.output.to_string(),
        }),
    }
}

/// The body of `GET /v1/models`, in the order of the cards.
#[must_use]
pub fn models_list(cards: &[ModelCard<'_>]) -> Bytes {
    let list = List { object: "list", data: cards.iter().map(item).collect() };
    serde_json::to_vec(&list).map(Bytes::from).unwrap_or_default()
}

/// The body of `GET /v1/models/{id}`.
#[must_use]
pub fn model(card: &ModelCard<'_>) -> Bytes {
    serde_json::to_vec(&item(card)).map(Bytes::from).unwrap_or_default()
}

/// The same in the form of Anthropic's API.
#[derive(Serialize)]
struct AnthropicList<'a> {
    data: Vec<AnthropicItem<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AnthropicItem<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
}

fn anthropic_item<'a>(card: &ModelCard<'a>) -> AnthropicItem<'a> {
    let created = jiff::Timestamp::from_second(card.created).unwrap_or_default();
    AnthropicItem {
        r#type: "model",
        id: card.id,
        display_name: card.id,
        created_at: created.to_string(),
        max_input_tokens: card.context_tokens_max.map(|tokens| tokens.0),
        max_tokens: card.output_tokens_max.map(|tokens| tokens.0),
    }
}

/// The body of `GET /v1/models` for clients of Anthropic's API: all of it is one page.
#[must_use]
pub fn anthropic_models_list(cards: &[ModelCard<'_>]) -> Bytes {
    let list = AnthropicList {
        data: cards.iter().map(anthropic_item).collect(),
        has_more: false,
        first_id: cards.first().map(|card| card.id),
        last_id: cards.last().map(|card| card.id),
    };
    serde_json::to_vec(&list).map(Bytes::from).unwrap_or_default()
}

/// The body of `GET /v1/models/{id}` for clients of Anthropic's API.
#[must_use]
pub fn anthropic_model(card: &ModelCard<'_>) -> Bytes {
    serde_json::to_vec(&anthropic_item(card)).map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use policies::facts::Money;

    use super::*;

    #[test]
    fn the_list_has_the_form_clients_read() {
        let price = Price { input: Money::parse("0.20").unwrap(), ..Price::default() };
        let cards = [
            ModelCard { id: "auto", created: 1_700_000_000, ..ModelCard::default() },
            ModelCard {
                id: "qwen",
                created: 1_700_000_001,
                family: Some("qwen"),
                context_tokens_max: Some(Tokens(4096)),
                output_tokens_max: Some(Tokens(1024)),
                capabilities: Needs::TOOLS.with(Needs::VISION),
                price: Some(price),
                currency: "USD",
            },
        ];
        let expected = concat!(
            r#"{"object":"list","data":[{"id":"auto","object":"model","#,
            r#""created":1700000000,"owned_by":"signalbox","capabilities":[]},"#,
            r#"{"id":"qwen","object":"model","#,
            r#""created":1700000001,"owned_by":"qwen","context_length":4096,"max_output_tokens":1024,"#,
            r#""capabilities":["tools","vision"],"price":{"currency":"USD","#,
            r#""input_per_mtok":"0.2","cached_input_per_mtok":"0","output_per_mtok":"0"}}]}"#
        );
        assert_eq!(models_list(&cards), expected);
        assert!(expected.contains(std::str::from_utf8(&model(&cards[1])).unwrap()));
        let expected = concat!(
            r#"{"data":[{"type":"model","id":"auto","display_name":"auto","#,
            r#""created_at":"2023-11-14T22:13:20Z"},{"type":"model","id":"qwen","#,
            r#""display_name":"qwen","created_at":"2023-11-14T22:13:21Z","max_input_tokens":4096,"#,
            r#""max_tokens":1024}],"has_more":false,"first_id":"auto","last_id":"qwen"}"#
        );
        assert_eq!(anthropic_models_list(&cards), expected);
        assert!(expected.contains(std::str::from_utf8(&anthropic_model(&cards[1])).unwrap()));
    }
}
