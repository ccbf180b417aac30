//! One entry of `model_list`: a backend under a name that callers ask for.

use std::collections::BTreeMap;

use super::{
    book::{Book, View},
    facts::Facts,
    kind::Kind,
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
    /// What the first entry of each name is: all others of it are of that kind, and of that model where
    /// vectors are asked for.
    pub firsts: BTreeMap<String, (Kind, String)>,
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

/// Keys that say how the load is shared, the first that a name has.
pub(super) const WEIGHTS: [&str; 3] = ["weight", "rpm", "tpm"];
/// The longest name.
const NAME_BYTES_MAX: usize = 100;

/// What makes other vectors of the same model, where it is set for callers who do not send it.
const SHAPES: [&str; 3] = ["dimensions", "output_dimension", "input_type"];

/// Reads an entry; of one that is not carried over that is said, by name.
pub(super) fn read(view: &View<'_>, reading: &mut Reading<'_>) -> Option<Deployment> {
    let (params, info) = (view.get("litellm_params"), view.get("model_info"));
    let found = placed(view, params.as_ref(), info.as_ref(), reading);
    match found.and_then(|it| as_its_name(it, &mut reading.firsts)) {
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
    kind: Kind,
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
    let mode = info.and_then(|it| it.get("mode")).and_then(|it| it.text());
    let kind = Kind::of(mode, model)?;
    is_askable(name)?;
    let (provider, upstream) = provider::of(model, text("custom_llm_provider"), kind)?;
    let shape = SHAPES
        .iter()
        .find(|it| kind == Kind::Embedding && params.is_some_and(|all| all.get(it).is_some()));
    if let Some(key) = shape {
        return Err(format!(
            "{key} is set here for callers who do not send it, and without it they get other vectors: have \
             them send it, strike it here, and import again"
        ));
    }
    let said = match text("api_base").or_else(|| text("base_url")) {
        Some(said) => match variable(said) {
            Some(from) => Some((reading.variable)(from).ok_or_else(|| {
                format!("its URL stands in {from}, which is not set here: set it, and import again")
            })?),
            None => Some(said.to_owned()),
        },
        None => None,
    };
    let url = provider.url(said.as_deref(), kind)?;
    single::base_url(&url).map_err(|it| {
        format!("its api_base is no base URL that can be asked: expected {}", it.expected)
    })?;
    Ok(Placed { name: name.to_owned(), kind, provider, upstream, url })
}

/// The deployment, if it can stand beside the first of its name.
fn as_its_name(
    found: Placed,
    firsts: &mut BTreeMap<String, (Kind, String)>,
) -> Result<Placed, String> {
    let own = || (found.kind, found.upstream.clone());
    let (kind, upstream) = firsts.entry(found.name.clone()).or_insert_with(own);
    if *kind != found.kind {
        return Err(format!(
            "its name stands for models of kind \"{}\", as the first entry of it does: give it another",
            kind.word()
        ));
    }
    if *kind == Kind::Embedding && *upstream != found.upstream {
        return Err(format!(
            "callers of its name have vectors of `{upstream}`, the first entry of it, and those of two \
             models cannot be compared: give it another name"
        ));
    }
    Ok(found)
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
    let Placed { name, kind, provider, upstream, url } = found;
    let book = &mut reading.book;
    book.carried(&format!("{}.model_name", view.path), "the name that callers ask for");
    if kind != Kind::Chat && info.get("mode").is_none() {
        let said = "upstream_model and engine of the model, kind";
        let path = format!("{}.litellm_params.model", view.path);
        book.near(&path, format!("{said} = \"{}\" by its name: `mode` is not stated", kind.word()));
    }
    for (key, to) in [
        ("model", "upstream_model and engine of the model"),
        ("custom_llm_provider", "engine of the model"),
        ("api_base", "url of the endpoint"),
        ("base_url", "url of the endpoint"),
    ] {
        params.get(key).iter().for_each(|it| book.carried(&it.path, to));
    }
    info.get("mode").iter().for_each(|it| book.carried(&it.path, "kind of the model"));
    // Whoever speaks OpenAI's API is reached as `openai/…` too.
    let itself = provider.base == Some(url.as_str());
    let engine = provider.engine.filter(|it| *it != "openai" || itself);
    let dialect = provider.dialect;
    let mut facts = Facts { upstream, engine, kind, dialect, ..Facts::default() };
    facts.fill((params, info), book);
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
