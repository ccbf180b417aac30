//! One entry of `model_list`: a backend under a name that callers ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    book::{Book, View},
    number,
    provider::{self, Provider},
    secret::{Reference, Secrets, variable},
};
use crate::config::single;

/// What is read with, and what is said of it.
pub(super) struct Reading<'a> {
    /// What became of each key.
    pub book: Book,
    /// The variables that are to be set.
    pub secrets: Secrets,
    /// The value of a variable that is no secret.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// A backend, as a configuration can say it.
#[derive(Debug)]
pub(super) struct Deployment {
    /// Where it stands in the file.
    pub path: String,
    /// What callers ask for.
    pub name: String,
    /// Its base URL.
    pub url: String,
    /// Where its key stands.
    pub api_key: Option<String>,
    /// What makes it another model.
    pub facts: Facts,
    /// `weight`, `rpm` and `tpm`, by which its share of the load is said.
    pub weights: [Option<u64>; 3],
}

/// What all endpoints of a model have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The name at its engine.
    pub upstream: String,
    /// The engine, in the words of the configuration.
    pub engine: &'static str,
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

/// Keys that say how the load is shared, the first that a name has.
pub(super) const WEIGHTS: [&str; 3] = ["weight", "rpm", "tpm"];
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
/// The longest name.
const NAME_BYTES_MAX: usize = 100;

/// Whether models of this mode are carried over: the one place that knows which kinds there are.
pub(super) fn kind_is_carried(mode: &str) -> bool {
    matches!(mode, "chat" | "completion")
}

/// Reads an entry; of one that is not carried over that is said, by name.
pub(super) fn read(view: &View<'_>, reading: &mut Reading<'_>) -> Option<Deployment> {
    let (params, info) = (view.get("litellm_params"), view.get("model_info"));
    match placed(view, params.as_ref(), info.as_ref(), reading) {
        Ok(found) => {
            let none =
                View { path: format!("{}.", view.path), node: &super::yaml::Node::Map(Vec::new()) };
            let (params, info) = (params.unwrap_or_else(|| none.clone()), info.unwrap_or(none));
            Some(described((view, &params, &info), found, reading))
        }
        Err(why) => {
            let name = view.get("model_name").and_then(|it| it.text());
            let name = name.map_or_else(String::new, |it| format!("`{}` ", it.escape_debug()));
            reading.book.left(&view.path, format!("{name}is not carried over: {why}"));
            None
        }
    }
}

/// Who is asked, where and by which names.
struct Placed {
    name: String,
    provider: &'static Provider,
    upstream: String,
    url: String,
}

fn placed(
    view: &View<'_>,
    params: Option<&View<'_>>,
    info: Option<&View<'_>>,
    reading: &Reading<'_>,
) -> Result<Placed, String> {
    let text = |key: &str| params?.get(key)?.text();
    let name = view.get("model_name").and_then(|it| it.text()).unwrap_or_default();
    let model = text("model").unwrap_or_default();
    if name.is_empty() || model.is_empty() {
        return Err(String::from("model_name or litellm_params.model is missing"));
    }
    let mode = info.and_then(|it| it.get("mode")).and_then(|it| it.text()).unwrap_or("chat");
    if !kind_is_carried(mode) {
        return Err(match mode {
            "embedding" => String::from(
                "only you know which models share a vector space: add it with kind = \"embedding\" and \
                 vector_space",
            ),
            "rerank" => {
                String::from("add it with kind = \"rerank\": it is not carried over by itself")
            }
            _ => format!("models of the mode {} are not served", mode.escape_debug()),
        });
    }
    is_askable(name)?;
    let (provider, upstream) = provider::of(model, text("custom_llm_provider"))?;
    let said = match text("api_base").or_else(|| text("base_url")) {
        Some(said) => match variable(said) {
            Some(from) => Some((reading.variable)(from).ok_or_else(|| {
                format!("its URL stands in {from}, which is not set here: set it, and import again")
            })?),
            None => Some(said.to_owned()),
        },
        None => None,
    };
    let url = provider.url(said.as_deref())?;
    single::base_url(&url).map_err(|it| {
        format!("its api_base is no base URL that can be asked: expected {}", it.expected)
    })?;
    Ok(Placed { name: name.to_owned(), provider, upstream, url })
}

/// Whether callers can ask for this name here as well.
pub(super) fn is_askable(name: &str) -> Result<(), String> {
    if name.contains('*') {
        return Err(String::from(
            "callers cannot ask for a pattern here: write an entry for each name",
        ));
    }
    if name == "auto" {
        return Err(String::from("`auto` lets the rules decide here, and names no model"));
    }
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) {
        return Err(String::from("a name here has 1 to 100 bytes and no control character"));
    }
    Ok(())
}

/// The deployment with all that is said of it.
fn described(
    (view, params, info): (&View<'_>, &View<'_>, &View<'_>),
    found: Placed,
    reading: &mut Reading<'_>,
) -> Deployment {
    let Placed { name, provider, upstream, url } = found;
    let book = &mut reading.book;
    book.carried(&format!("{}.model_name", view.path), "the name that callers ask for");
    for (key, to) in [
        ("model", "upstream_model and engine of the model"),
        ("custom_llm_provider", "engine of the model"),
        ("api_base", "url of the endpoint"),
        ("base_url", "url of the endpoint"),
    ] {
        params.get(key).iter().for_each(|it| book.carried(&it.path, to));
    }
    info.get("mode").iter().for_each(|it| book.carried(&it.path, "kind of the model"));
    let mut facts = Facts { upstream, engine: provider.engine, ..Facts::default() };
    room(&mut facts, (params, info), book);
    prices(&mut facts, [params, info], book);
    abilities(&mut facts, info, book);
    tags(&mut facts, (params, info), book);
    rest(&mut facts, params, book);
    let weights = WEIGHTS.map(|key| params.get(key).and_then(|it| number::weight(it.text()?)));
    let api_key = api_key(params, provider, reading);
    Deployment { path: view.path.clone(), name, url, api_key, facts, weights }
}

fn api_key(params: &View<'_>, provider: &Provider, reading: &mut Reading<'_>) -> Option<String> {
    let Some(view) = params.get("api_key") else {
        // A place of somebody else's own gets no key of the provider's.
        let own = params.get("api_base").or_else(|| params.get("base_url")).is_some();
        return provider.key.filter(|_| !own).map(|name| reading.secrets.kept(name));
    };
    let wanted = provider.key.map_or_else(
        || format!("{}_API_KEY", provider.name.to_ascii_uppercase().replace('-', "_")),
        str::to_owned,
    );
    let value = view.text()?;
    match reading.secrets.reference(value, &view.path, &wanted) {
        Reference::Kept(it) => {
            reading.book.carried(&view.path, format!("api_key = \"{it}\""));
            Some(it)
        }
        Reference::Moved(it) => {
            let said =
                format!("api_key = \"{it}\": the key itself is not written, set the variable");
            reading.book.near(&view.path, said);
            Some(it)
        }
        Reference::Placeholder => {
            reading.book.near(&view.path, "no api_key: it is a text for clients that want one");
            None
        }
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
        book.near(&path, "context_tokens_max, which holds prompt and answer together");
    }
    let most = |it: u32| it.min(facts.context.unwrap_or(u32::MAX));
    let (output, all) = (info.get("max_output_tokens"), info.get("max_tokens"));
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
    let base = PRICES.iter().take(2).any(|(key, _)| {
        stated(key).first().and_then(|it| number::per_mtok(it.text()?).ok()).is_some()
    });
    for (key, ours) in PRICES {
        for (nth, view) in stated(key).iter().enumerate() {
            match number::per_mtok(view.text().unwrap_or_default()) {
                _ if nth > 0 => book.left(&view.path, "litellm_params says it"),
                Ok(_) if !base => {
                    book.left(&view.path, "there is no price without that of input and output");
                }
                Ok(price) => {
                    facts.price.insert(ours, price);
                    book.carried(&view.path, format!("price.{ours}, for a million tokens"));
                }
                Err(why) => book.left(&view.path, why),
            }
        }
    }
    if base {
        for (_, ours) in PRICES.iter().take(2) {
            facts.price.entry(ours).or_insert(0);
        }
    }
}

fn abilities(facts: &mut Facts, info: &View<'_>, book: &mut Book) {
    for (key, ours) in ABILITIES {
        let Some(view) = info.get(key) else { continue };
        match view.yes() {
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
        let tags = view.texts();
        if tags.iter().all(|it| single::name(it).is_ok()) {
            facts.tags.extend(tags.into_iter().map(str::to_owned));
            book.near(&view.path, to);
        } else {
            book.left(&view.path, "a tag is of letters, digits, `.`, `_`, `-`, `:` and `/`");
        }
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
