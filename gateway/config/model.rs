//! `[[model]]`: what a model is, and how its replicas are reached.

mod price;

use std::{collections::HashSet, sync::Arc};

use policies::{
    Fault,
    document::{Faults, Section},
    facts::{Dialect, Language, ModelFacts, ModelKind, Needs, Timeouts, Tokens},
};
use sha2::{Digest, Sha256};
use toml::Value;

use self::price::price;
use super::{
    BoundNames, ENGINES, Endpoint, Engine, Model, ReasoningField,
    fields::{later, millis_or_none, number, optional_number, texts, texts_of, token, word},
    names::{few, names, optional_name, unique},
    outside::Outside,
    url::url,
};
use crate::outcome::ByHour;

/// The dialects in which engines are asked.
const SPOKEN: &[Dialect] = Dialect::ALL;
/// That of every engine.
pub(super) const FIRST: Dialect = Dialect::OpenAi;
/// Those in which an engine can be asked what came in by another one.
const ASKED: [Dialect; 2] = [FIRST, Dialect::Anthropic];
/// The longest context that can be stated.
const TOKENS_MAX: u64 = 100_000_000;

/// What an ejected replica is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeBy {
    /// For its models: it is there.
    Models,
    /// For one token: it serves.
    Completion,
}

/// Reads all models, in the order of the file.
pub(super) fn models(
    sections: Vec<Section<'_>>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> (Vec<Model>, Vec<ModelFacts>) {
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
    let engines = ENGINES.each_ref().map(|it| (it.name, Some(it)));
    let engine = word(&mut it, "engine", &engines, None, faults);
    let model = Model {
        id,
        upstream_model,
        engine,
        dialects: dialects(&mut it, engine, faults),
        pool_idle: millis_or_none(&mut it, "pool_idle_ms", 4_000, faults),
        reasoning_field: reasoning_field(&mut it, faults),
        probe: probe(&mut it, facts.kind, faults),
        output_tokens_max: facts.output_tokens_max,
        stream_usage: stream_usage(&mut it, engine, faults),
        output_bound: output_bound(&mut it, engine, faults),
        context_errors: context_errors(&mut it, faults),
        endpoints: endpoints(&mut it, outside, faults),
        by_hour,
    };
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

fn probe(it: &mut Section<'_>, kind: ModelKind, faults: &mut Faults) -> ProbeBy {
    let words = [("models", ProbeBy::Models), ("completion", ProbeBy::Completion)];
    let probe = word(it, "probe", &words, ProbeBy::Models, faults);
    if kind != ModelKind::Chat && matches!(probe, ProbeBy::Completion) {
        let expected = "\"models\": a completion is asked of models of kind \"chat\" alone";
        faults.push(Fault::new(it.at("probe"), "`completion`", expected));
    }
    probe
}

fn stream_usage(it: &mut Section<'_>, engine: Option<&Engine>, faults: &mut Faults) -> bool {
    let usual = engine.is_none_or(|it| it.stream_usage);
    it.read("stream_usage", "true or false", faults, Value::as_bool).unwrap_or(usual)
}

fn output_bound(it: &mut Section<'_>, engine: Option<&Engine>, faults: &mut Faults) -> BoundNames {
    let words = [
        ("max_tokens", BoundNames::MAX_TOKENS),
        ("max_completion_tokens", BoundNames::MAX_COMPLETION_TOKENS),
        ("both", BoundNames::BOTH),
    ];
    let usual = engine.map_or(BoundNames::MAX_TOKENS, |it| it.output_bound);
    word(it, "output_bound", &words, usual, faults)
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

/// What a model is for.
fn kind(it: &mut Section<'_>, faults: &mut Faults) -> ModelKind {
    let [chat, embedding, rerank] = [ModelKind::Chat, ModelKind::Embedding, ModelKind::Rerank];
    let kinds = [chat, embedding, rerank].map(|it| (it.code(), it));
    word(it, "kind", &kinds, ModelKind::Chat, faults)
}

/// The space of a model's vectors: an embedding model has one, and nothing else has.
fn vector_space(it: &mut Section<'_>, kind: ModelKind, faults: &mut Faults) -> Option<Arc<str>> {
    let stated = it.get("vector_space").is_some();
    let space = optional_name(it, "vector_space", faults).map(Into::into);
    if kind == ModelKind::Embedding && !stated {
        let expected = "the name of the space of its vectors: models share one only if their vectors can \
                        be compared";
        faults.push(Fault::new(it.at("vector_space"), "nothing", expected));
    }
    if kind != ModelKind::Embedding && stated {
        let expected = "no such key: only models of kind \"embedding\" have vectors";
        faults.push(Fault::new(it.at("vector_space"), "a name", expected));
    }
    space
}

/// The longest answer, and that for callers who state none.
fn outputs(
    it: &mut Section<'_>,
    (kind, context): (ModelKind, Tokens),
    faults: &mut Faults,
) -> (Tokens, Tokens) {
    if kind != ModelKind::Chat {
        for key in ["output_tokens_max", "output_tokens_default"] {
            if it.get(key).is_some() {
                let expected = "no such key: only models of kind \"chat\" write answers";
                faults.push(Fault::new(it.at(key), "a number", expected));
            }
        }
        return (Tokens(0), Tokens(0));
    }
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
    (output, default)
}

fn facts(it: &mut Section<'_>, id: Arc<str>, faults: &mut Faults) -> (ModelFacts, Option<ByHour>) {
    let kind = kind(it, faults);
    let context = tokens(it, "context_tokens_max", 32_768, 1, faults);
    let (output, default) = outputs(it, (kind, context), faults);
    let (price, by_hour) = price(it, kind, faults);
    let held = if kind == ModelKind::Chat { 256 } else { 0 };
    let facts = ModelFacts {
        id,
        kind,
        vector_space: vector_space(it, kind, faults),
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
        held_tokens_max: tokens(it, "held_tokens_max", held, 0, faults),
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

fn dialects(it: &mut Section<'_>, engine: Option<&Engine>, faults: &mut Faults) -> Vec<Dialect> {
    let mut dialects = Vec::new();
    let at = it.at("dialects");
    for (path, code) in texts(it, "dialects", faults) {
        match SPOKEN.iter().copied().find(|it| it.code() == code) {
            Some(dialect) => {
                let lacks = |it: &&Engine| dialect != FIRST && it.native(dialect.code()).is_none();
                if let Some(engine) = engine.filter(lacks) {
                    let expected =
                        format!("an API that `{}` serves: it has none such", engine.name);
                    faults.push(Fault::new(path, format!("`{code}`"), expected));
                }
                dialects.push(dialect);
            }
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
    if !dialects.iter().any(|it| ASKED.contains(it)) {
        let expected =
            "\"openai\" or \"anthropic\" among them: callers of all dialects ask by these";
        faults.push(Fault::new(at, "a list without them", expected));
    }
    dialects
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
