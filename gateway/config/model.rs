//! `[[model]]`: what a model is, and how its replicas are reached.

use std::{collections::HashSet, sync::Arc};

use policies::{
    Fault,
    document::{Faults, Section},
    facts::{Dialect, Language, ModelFacts, Money, Needs, Price, Timeouts, Tokens},
};
use sha2::{Digest, Sha256};
use toml::Value;

use super::{
    BoundNames, Endpoint, Model, ProbeBy, ReasoningField,
    fields::{
        amount, later, millis_or_none, number, optional_number, texts, texts_of, token, word,
    },
    names::{few, names, optional_name, unique},
    outside::Outside,
    url::url,
};
use crate::outcome::ByHour;

/// The dearest million tokens, in units: 32 million of them, the most that a body can hold, then still
/// cost an amount that can be held.
const PRICE_UNITS_MAX: i64 = 100_000_000;
const DECIMAL: &str = "a decimal in text, such as \"0.20\", with at most nine decimals";
/// The most replicas of one model.
const REPLICAS_MAX: u64 = 10_000;
/// The dialects in which engines are asked.
const SPOKEN: &[Dialect] = Dialect::ALL;
/// That of every engine.
const FIRST: Dialect = Dialect::OpenAi;
/// The longest context that can be stated.
const TOKENS_MAX: u64 = 100_000_000;

/// Reads all models, in the order of the file.
pub(super) fn models(
    sections: Vec<Section<'_>>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Vec<(Model, ModelFacts)> {
    if sections.is_empty() {
        faults.push(Fault::new("model", "nothing", "at least one [[model]]"));
    }
    few(sections.len(), "model", faults);
    let mut taken = HashSet::from(["auto"]);
    sections.into_iter().map(|section| model(section, &mut taken, outside, faults)).collect()
}

fn model<'a>(
    mut it: Section<'a>,
    taken: &mut HashSet<&'a str>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> (Model, ModelFacts) {
    let id: Arc<str> = unique(&mut it, "id", taken, faults).into();
    let upstream_model = upstream_model(&mut it, faults).unwrap_or(&id).into();
    let (facts, by_hour) = facts(&mut it, Arc::clone(&id), faults);
    let kinds = [("chat", true), ("embedding", false), ("rerank", false)];
    if !word(&mut it, "kind", &kinds, true, faults) {
        let expected = "\"chat\", the one kind that this version supports";
        faults.push(Fault::new(it.at("kind"), "another kind", expected));
    }
    let engines = ["vllm", "sglang", "llama_cpp", "ollama", "tgi", "openai"].map(|it| (it, ()));
    word(&mut it, "engine", &engines, (), faults);
    let model = Model {
        id,
        upstream_model,
        dialects: dialects(&mut it, faults),
        pool_idle: millis_or_none(&mut it, "pool_idle_ms", 4_000, faults),
        reasoning_field: reasoning_field(&mut it, faults),
        probe: probe(&mut it, faults),
        output_tokens_max: facts.output_tokens_max,
        stream_usage: stream_usage(&mut it, faults),
        output_bound: output_bound(&mut it, faults),
        context_errors: context_errors(&mut it, faults),
        endpoints: endpoints(&mut it, outside, faults),
        by_hour,
    };
    later(&mut it, &["vector_space"], faults);
    it.close(faults);
    (model, facts)
}

/// The engine's name for it: any text that is one.
fn upstream_model<'a>(it: &mut Section<'a>, faults: &mut Faults) -> Option<&'a str> {
    let name = it.text("upstream_model", faults)?;
    if name.trim() == name && !name.is_empty() && !name.contains(char::is_control) {
        return Some(name);
    }
    let expected = "the name its engine knows it by, without white space around it; or no such key";
    faults.push(Fault::new(
        it.at("upstream_model"),
        format!("`{}`", name.escape_debug()),
        expected,
    ));
    None
}

fn reasoning_field(it: &mut Section<'_>, faults: &mut Faults) -> Option<ReasoningField> {
    let fields = [ReasoningField::ReasoningContent, ReasoningField::Reasoning];
    let words = fields.map(|it| (it.name(), Some(it)));
    word(it, "reasoning_field", &words, None, faults)
}

fn probe(it: &mut Section<'_>, faults: &mut Faults) -> ProbeBy {
    let words = [("models", ProbeBy::Models), ("completion", ProbeBy::Completion)];
    word(it, "probe", &words, ProbeBy::Models, faults)
}

fn stream_usage(it: &mut Section<'_>, faults: &mut Faults) -> bool {
    it.read("stream_usage", "true or false", faults, Value::as_bool).unwrap_or(true)
}

fn output_bound(it: &mut Section<'_>, faults: &mut Faults) -> BoundNames {
    let words = [
        ("max_tokens", BoundNames::MAX_TOKENS),
        ("max_completion_tokens", BoundNames::MAX_COMPLETION_TOKENS),
        ("both", BoundNames::BOTH),
    ];
    word(it, "output_bound", &words, BoundNames::MAX_TOKENS, faults)
}

/// Shorter ones could stand in any sentence.
fn context_errors(it: &mut Section<'_>, faults: &mut Faults) -> Box<[Box<str>]> {
    let expected = "a part of a sentence, 8 to 200 bytes";
    let fits = |text: &str| (8..=200).contains(&text.trim().len());
    let found = texts_of(it, "context_errors", (expected, fits), faults);
    found.into_iter().map(|text| text.trim().to_lowercase().into()).collect()
}

fn tokens(
    it: &mut Section<'_>,
    key: &'static str,
    default: u64,
    least: u64,
    faults: &mut Faults,
) -> Tokens {
    let number = number(it, key, default, least..=TOKENS_MAX, faults);
    Tokens(u32::try_from(number).unwrap_or(u32::MAX))
}

fn facts(it: &mut Section<'_>, id: Arc<str>, faults: &mut Faults) -> (ModelFacts, Option<ByHour>) {
    let context = tokens(it, "context_tokens_max", 32_768, 1, faults);
    let output = tokens(it, "output_tokens_max", context.0.into(), 1, faults);
    let default = tokens(it, "output_tokens_default", output.0.min(8_192).into(), 1, faults);
    for (key, value, most, of) in [
        ("output_tokens_max", output, context, "context_tokens_max"),
        ("output_tokens_default", default, output, "output_tokens_max"),
    ] {
        if value > most {
            let expected = format!("at most {of}, which is {most}");
            faults.push(Fault::new(it.at(key), value.to_string(), expected));
        }
    }
    let (price, by_hour) = price(it, faults);
    let facts = ModelFacts {
        id,
        family: optional_name(it, "family", faults).map(Into::into),
        tags: names(it, "tags", faults).into_iter().map(Into::into).collect(),
        zone: optional_name(it, "zone", faults).map(Into::into),
        licence: it.text("licence", faults).map(Arc::from),
        languages: languages(it, faults),
        capabilities: capabilities(it, faults),
        context_tokens_max: context,
        output_tokens_max: output,
        output_tokens_default: default,
        media_tokens_max: tokens(it, "media_tokens_max", 4_096, 0, faults),
        held_tokens_max: tokens(it, "held_tokens_max", 256, 0, faults),
        price,
        timeouts: timeouts(it, faults),
    };
    (facts, by_hour)
}

fn languages(it: &mut Section<'_>, faults: &mut Faults) -> Vec<Language> {
    let mut languages = Vec::new();
    for (path, code) in texts(it, "languages", faults) {
        match Language::from_code(&code) {
            Some(language) => languages.push(language),
            None => {
                let known = Language::ALL.iter().map(|language| language.code());
                faults.push_unknown(path, &code, "a language", known);
            }
        }
    }
    languages
}

fn capabilities(it: &mut Section<'_>, faults: &mut Faults) -> Needs {
    let mut capabilities = Needs::NONE;
    for (path, code) in texts(it, "capabilities", faults) {
        match Needs::from_code(&code).filter(|need| *need != Needs::LONG_CONTEXT) {
            Some(need) => capabilities = capabilities.with(need),
            None => {
                let known = Needs::NAMES.iter().map(|(_, name)| *name);
                let known = known.filter(|name| *name != "long_context");
                faults.push_unknown(path, &code, "a capability", known);
            }
        }
    }
    capabilities
}

fn dialects(it: &mut Section<'_>, faults: &mut Faults) -> Vec<Dialect> {
    let mut dialects = Vec::new();
    let at = it.at("dialects");
    for (path, code) in texts(it, "dialects", faults) {
        match SPOKEN.iter().copied().find(|it| it.code() == code) {
            Some(dialect) => dialects.push(dialect),
            None => {
                let expected = "\"openai\", \"anthropic\" or \"responses\", the dialects this \
                                version speaks to engines";
                faults.push(Fault::new(path, format!("`{code}`"), expected));
            }
        }
    }
    if dialects.is_empty() {
        return vec![FIRST];
    }
    if !dialects.contains(&FIRST) {
        let expected = "\"openai\" among them: what another dialect cannot be asked is asked by it";
        faults.push(Fault::new(at, "a list without it", expected));
    }
    dialects
}

/// `"free"`, or a table. What is not stated costs what its plain kind costs.
fn price(it: &mut Section<'_>, faults: &mut Faults) -> (Option<Price>, Option<ByHour>) {
    let expected = "\"free\", or { input_per_mtok, output_per_mtok } as decimals in text";
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
    let price = rates(&mut it, faults);
    it.close(faults);
    (price, by_hour)
}

/// The rates for tokens: beside `per_hour` they are the running rates, which entries and budgets carry.
fn rates(it: &mut Section<'_>, faults: &mut Faults) -> Option<Price> {
    let input = required(it, "input_per_mtok", faults);
    let output = required(it, "output_per_mtok", faults);
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

fn timeouts(it: &mut Section<'_>, faults: &mut Faults) -> Timeouts {
    let mut it = it.section("timeouts", faults);
    let default = Timeouts::default();
    let mut ms = |key, default: u32| {
        let said = optional_number(&mut it, key, 1..=86_400_000, faults);
        said.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(default)
    };
    let timeouts = Timeouts {
        connect_ms: ms("connect_ms", default.connect_ms),
        first_token_ms: ms("first_token_ms", default.first_token_ms),
        idle_ms: ms("idle_ms", default.idle_ms),
        total_ms: ms("total_ms", default.total_ms),
    };
    it.close(faults);
    timeouts
}

fn endpoints(it: &mut Section<'_>, outside: &Outside<'_>, faults: &mut Faults) -> Vec<Endpoint> {
    let sections = it.tables("endpoint", faults);
    if sections.is_empty() {
        let expected = "at least one [[model.endpoint]]";
        faults.push(Fault::new(it.at("endpoint"), "nothing", expected));
    }
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(sections.len());
    let mut taken = HashSet::new();
    for mut it in sections {
        let url = url(&mut it, faults);
        if url.as_ref().is_some_and(|url| !taken.insert(url.clone())) {
            let expected = "a URL of its own among the model's endpoints";
            faults.push(Fault::new(it.at("url"), "a URL for the second time", expected));
        }
        let weight = number(&mut it, "weight", 1, 1..=1_000, faults);
        let most = number(&mut it, "concurrency_max", 0, 0..=1_000_000, faults);
        let endpoint = Endpoint {
            url: url.unwrap_or_default(),
            api_key: token(&mut it, "api_key", outside, faults),
            weight: u16::try_from(weight).unwrap_or(1),
            concurrency_max: u32::try_from(most).unwrap_or(0),
        };
        later(&mut it, &["ca", "client", "proxy"], faults);
        it.close(faults);
        endpoints.push(endpoint);
    }
    endpoints
}

/// A hash of the price table: entries name it, so that any of them can be recomputed. What machines cost by
/// the hour is not in it: no entry is made of that.
#[must_use]
pub fn price_version(models: &[ModelFacts]) -> String {
    let mut hasher = Sha256::new();
    for model in models {
        let price = model.price.unwrap_or_default();
        let parts =
            [price.input, price.cached_input, price.cache_write, price.output, price.reasoning];
        let line = parts.map(|part| part.nano().to_string()).join(" ");
        hasher.update(format!("{} {line}\n", model.id));
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
