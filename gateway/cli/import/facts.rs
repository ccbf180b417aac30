//! What the keys of an entry say of its model: how much it reads, what it costs and what it can do.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    book::{Book, View},
    kind::Kind,
    number,
};
use crate::config::single;

/// What all endpoints of a model have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The name at its engine.
    pub upstream: String,
    /// The engine, in the words of the configuration, if it is known.
    pub engine: Option<&'static str>,
    /// What it is for.
    pub kind: Kind,
    /// The API of its engine, where that is not OpenAI's.
    pub dialect: Option<&'static str>,
    /// Prompt and answer together.
    pub context: Option<u32>,
    /// The longest answer.
    pub output: Option<u32>,
    /// The bound for callers who state none.
    pub output_default: Option<u32>,
    /// What the file says that it can or cannot do.
    pub said: BTreeMap<&'static str, bool>,
    /// Prices in billionth units of a million tokens, by their key.
    pub price: BTreeMap<&'static str, i128>,
    /// What policies and keys can choose it by.
    pub tags: BTreeSet<String>,
    /// Models of a name with a lower one come first.
    pub order: Option<u64>,
    /// `timeouts` of the model.
    pub timeouts: BTreeMap<&'static str, u32>,
}

const PRICES: [(&str, &str); 5] = [
    ("input_cost_per_token", "input_per_mtok"),
    ("output_cost_per_token", "output_per_mtok"),
    ("cache_read_input_token_cost", "cached_input_per_mtok"),
    ("cache_creation_input_token_cost", "cache_write_per_mtok"),
    ("output_cost_per_reasoning_token", "reasoning_per_mtok"),
];
const ABILITIES: [(&str, &str); 5] = [
    ("supports_function_calling", "tools"),
    ("supports_response_schema", "json_schema"),
    ("supports_vision", "vision"),
    ("supports_audio_input", "audio"),
    ("supports_reasoning", "reasoning"),
];
/// The longest context that a configuration can state.
const TOKENS_MAX: u64 = 100_000_000;

impl Facts {
    /// Reads all that the keys of an entry say.
    pub(super) fn fill(&mut self, (params, info): (&View<'_>, &View<'_>), book: &mut Book) {
        room(self, (params, info), book);
        prices(self, [params, info], book);
        abilities(self, info, book);
        tags(self, (params, info), book);
        rest(self, params, book);
    }
}

/// A number of tokens, or what is wrong with it.
fn tokens(view: Option<View<'_>>, book: &mut Book) -> Option<(u32, String)> {
    let view = view?;
    let found = view.text().and_then(number::whole).filter(|it| (1..=TOKENS_MAX).contains(it));
    let found = found.and_then(|it| u32::try_from(it).ok());
    if found.is_none() {
        book.left(&view.path, "a number of tokens is 1 to 100,000,000");
    }
    found.map(|it| (it, view.path))
}

fn room(facts: &mut Facts, (params, info): (&View<'_>, &View<'_>), book: &mut Book) {
    if let Some((found, path)) = tokens(info.get("max_input_tokens"), book) {
        facts.context = Some(found);
        let why = match facts.kind {
            Kind::Chat => "context_tokens_max, which holds prompt and answer together",
            _ => "context_tokens_max, of each text",
        };
        book.near(&path, why);
    }
    let (output, all) = (info.get("max_output_tokens"), info.get("max_tokens"));
    if facts.kind != Kind::Chat {
        // Such models write nothing: what is left of these bounds is that on what they read.
        let reads = if facts.context.is_none() { all.clone() } else { None };
        if let Some((found, path)) = tokens(reads, book) {
            facts.context = Some(found);
            book.near(&path, "context_tokens_max: models of this kind write nothing");
        }
        for it in [output, all, params.get("max_tokens")].iter().flatten() {
            book.left(&it.path, "models of this kind write nothing");
        }
        return;
    }
    let most = |it: u32| it.min(facts.context.unwrap_or(u32::MAX));
    if let (Some(_), Some(all)) = (&output, &all) {
        book.left(&all.path, "max_output_tokens says it");
    }
    if let Some((found, path)) = tokens(output.or(all), book) {
        facts.output = Some(most(found));
        book.carried(&path, "output_tokens_max");
    }
    if let Some((found, path)) = tokens(params.get("max_tokens"), book) {
        facts.output_default = Some(most(found).min(facts.output.unwrap_or(u32::MAX)));
        book.near(
            &path,
            "output_tokens_default: the bound for callers who state none, where one is needed",
        );
    }
}

fn prices(facts: &mut Facts, from: [&View<'_>; 2], book: &mut Book) {
    let stated = |key: &str| from.iter().filter_map(|it| it.get(key)).collect::<Vec<_>>();
    // What is stated and cannot be read is not none: without it there is no price.
    let of = |key: &str| {
        let stated = stated(key);
        stated.first().map(|it| it.text().is_some_and(|it| number::per_mtok(it).is_ok()))
    };
    let both: Vec<bool> = PRICES.iter().take(2).filter_map(|(key, _)| of(key)).collect();
    let base = !both.is_empty() && both.iter().all(|it| *it);
    for (key, ours) in PRICES {
        for (nth, view) in stated(key).iter().enumerate() {
            match number::per_mtok(view.text().unwrap_or_default()) {
                _ if nth > 0 => book.left(&view.path, "litellm_params says it"),
                Ok(_) if !base => {
                    book.left(
                        &view.path,
                        "there is no price without those of input and output that can be read",
                    );
                }
                Ok((price, exact)) => {
                    facts.price.insert(ours, price);
                    let to = format!("price.{ours}, for a million tokens");
                    if exact {
                        book.carried(&view.path, to);
                    } else {
                        book.near(&view.path, to + ", rounded up to nine decimals");
                    }
                }
                Err(why) => book.left(&view.path, why),
            }
        }
    }
    if base {
        // What writes nothing needs no price for it.
        let needed = if facts.kind == Kind::Chat { 2 } else { 1 };
        for (_, ours) in PRICES.iter().take(needed) {
            facts.price.entry(ours).or_insert(0);
        }
    }
}

fn abilities(facts: &mut Facts, info: &View<'_>, book: &mut Book) {
    for (key, ours) in ABILITIES {
        let Some(view) = info.get(key) else { continue };
        match view.yes() {
            Some(_) if facts.kind != Kind::Chat => {
                book.left(&view.path, "models of this kind are asked for one thing alone");
            }
            Some(yes) => {
                facts.said.insert(ours, yes);
                let with = if yes { "with" } else { "without" };
                book.carried(&view.path, format!("capabilities, {with} \"{ours}\""));
            }
            None => book.left(&view.path, "it is true or false"),
        }
    }
}

fn tags(facts: &mut Facts, (params, info): (&View<'_>, &View<'_>), book: &mut Book) {
    let places = [
        (params.get("tags"), "tags of the model: a rule or a key chooses it by \"tag:NAME\""),
        (
            info.get("access_groups"),
            "tags of the model: `models = [\"tag:NAME\"]` of a team or key",
        ),
    ];
    for (view, to) in places {
        let Some(view) = view else { continue };
        let (tags, others): (Vec<_>, Vec<_>) =
            view.texts().into_iter().partition(|it| single::name(it).is_ok());
        facts.tags.extend(tags.into_iter().map(str::to_owned));
        let others: Vec<String> = others.into_iter().map(nearest).collect();
        if others.is_empty() {
            book.near(&view.path, to);
        } else {
            book.near(&view.path, format!("{to}, without {}: {OPEN}", others.join(", ")));
        }
    }
}

/// What is true of a model that lacks a tag.
const OPEN: &str = "a tag is of letters, digits, `.`, `_`, `-`, `:` and `/`. No key is kept from the model \
    by it: write it in `tags` by that name, and say `models` of the keys that may not use it";

/// A text that is no tag, and the tag that it could be.
fn nearest(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    let name: String =
        text.trim().chars().map(|c| if fits(c) { c } else { '-' }).take(60).collect();
    let shown: String = text.chars().take(60).collect();
    let shown = shown.escape_debug();
    if single::name(&name).is_ok() {
        format!("`{shown}`, which could be `{name}`")
    } else {
        format!("`{shown}`")
    }
}

fn rest(facts: &mut Facts, params: &View<'_>, book: &mut Book) {
    if let Some(view) = params.get("order") {
        facts.order = view.text().and_then(number::whole);
        match facts.order {
            Some(_) => book.carried(&view.path, "the order of the models of this name"),
            None => book.left(&view.path, "it is no whole number"),
        }
    }
    for (key, ours, exact) in
        [("timeout", "total_ms", true), ("stream_timeout", "first_token_ms", false)]
    {
        let Some(view) = params.get(key) else { continue };
        match view.text().and_then(number::millis) {
            Some(ms) => {
                facts.timeouts.insert(ours, ms);
                let to = format!("timeouts.{ours}");
                if exact { book.carried(&view.path, to) } else { book.near(&view.path, to) }
            }
            None => book.left(&view.path, "it is no number of seconds above 0"),
        }
    }
}
