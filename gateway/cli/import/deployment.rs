//! One entry of `model_list`: a backend under a name that callers ask for.

use std::collections::BTreeMap;

use super::{
    book::{Book, View},
    facts::Facts,
    kind::Kind,
    number,
    place::{BASES, Own, Places, Said},
    provider::{self, Provider},
    secret::{Reference, Secrets},
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
    /// What says where models are asked.
    pub places: Places<'a>,
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
pub(super) fn read<'a>(view: &View<'a>, reading: &mut Reading<'a>) -> Option<Deployment> {
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
struct Placed<'a> {
    own: Own<'a>,
    by: Option<(String, Option<String>)>,
    name: String,
    kind: Kind,
    provider: &'static Provider,
    upstream: String,
    url: String,
}

fn placed<'a>(
    view: &View<'a>,
    params: Option<&View<'a>>,
    info: Option<&View<'a>>,
    reading: &Reading<'a>,
) -> Result<Placed<'a>, String> {
    let text = |key: &str| params?.get(key)?.text();
    let name = view.get("model_name").and_then(|it| it.text()).unwrap_or_default();
    let model = text("model").unwrap_or_default();
    if name.is_empty() || model.is_empty() {
        return Err(String::from("model_name or litellm_params.model is missing"));
    }
    let mode = info.and_then(|it| it.get("mode")).and_then(|it| it.text());
    let kind = Kind::of(mode, model)?;
    is_askable(name)?;
    is_for_all([Some(view), params, info])?;
    let own = reading.places.own(params)?;
    let (provider, upstream) = provider::of(model, own.text("custom_llm_provider")?, kind)?;
    let shape = SHAPES
        .iter()
        .find(|it| kind == Kind::Embedding && params.is_some_and(|all| all.get(it).is_some()));
    if let Some(key) = shape {
        return Err(format!(
            "{key} is set here for callers who do not send it, and without it they get other vectors: have \
             them send it, strike it here, and import again"
        ));
    }
    let Said { url, by } = reading.places.said(&own, provider)?;
    let url = provider.url(url.as_deref(), kind)?;
    single::base_url(&url).map_err(|it| {
        format!("its api_base is no base URL that can be asked: expected {}", it.expected)
    })?;
    Ok(Placed { own, by, name: name.to_owned(), kind, provider, upstream, url })
}

/// The deployment, if it can stand beside the first of its name.
fn as_its_name<'a>(
    found: Placed<'a>,
    firsts: &mut BTreeMap<String, (Kind, String)>,
) -> Result<Placed<'a>, String> {
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

/// Whether an entry serves whoever may ask for its name: one that is blocked serves nobody, and one of a team
/// that team alone.
fn is_for_all(parts: [Option<&View<'_>>; 3]) -> Result<(), String> {
    for part in parts.into_iter().flatten() {
        if part.get("blocked").is_some_and(|it| it.yes() != Some(false)) {
            return Err(String::from("it is blocked: strike `blocked` where it is to be served"));
        }
        let of = ["team_id", "team_public_model_name"].into_iter().find(|key| {
            part.get(key).is_some_and(|it| it.text().is_none_or(|text| !text.is_empty()))
        });
        if let Some(key) = of {
            return Err(format!(
                "it is of one team alone ({key}), and would be open to all: write it by hand with a tag, \
                 and `models = [\"tag:NAME\"]` at that team, and say `models` of the others"
            ));
        }
    }
    Ok(())
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
    found: Placed<'_>,
    reading: &mut Reading<'_>,
) -> Deployment {
    told(view, info, &found, &mut reading.book);
    let api_key = api_key(&found, reading);
    let Placed { name, kind, provider, upstream, url, .. } = found;
    // Whoever speaks OpenAI's API is reached as `openai/…` too.
    let itself = provider.base == Some(url.as_str());
    let engine = provider.engine.filter(|it| *it != "openai" || itself);
    let dialect = provider.dialect;
    let mut facts = Facts { upstream, engine, kind, dialect, ..Facts::default() };
    facts.fill((params, info), &mut reading.book);
    let weights = WEIGHTS.map(|key| params.get(key).and_then(|it| number::weight(it.text()?)));
    Deployment { path: view.path.clone(), name, url, api_key, facts, weights }
}

/// Says what the keys became that say who is asked, and where.
fn told(view: &View<'_>, info: &View<'_>, found: &Placed<'_>, book: &mut Book) {
    let Placed { own, kind, by, .. } = found;
    book.carried(&format!("{}.model_name", view.path), "the name that callers ask for");
    let path = format!("{}.litellm_params.model", view.path);
    let mut model = String::from("upstream_model and engine of the model");
    let by_name = *kind != Kind::Chat && info.get("mode").is_none();
    if by_name {
        let kind = kind.word();
        model += &format!(", kind = \"{kind}\" by its name: `mode` is not stated");
    }
    if let Some((variable, stands)) = by {
        model += &format!("; url of the endpoint by {variable}");
        stands.iter().for_each(|it| book.carried(it, "url of endpoints whose entries say none"));
    }
    if by_name || by.is_some() {
        book.near(&path, model);
    } else {
        book.carried(&path, model);
    }
    for (key, to) in [
        ("custom_llm_provider", "engine of the model"),
        (BASES[0], "url of the endpoint"),
        (BASES[1], "url of the endpoint"),
    ] {
        own.get(key).iter().for_each(|it| book.carried(&it.path, to));
    }
    if let Some(name) = own.credential() {
        let named = own.get("litellm_credential_name");
        named.iter().for_each(|it| book.carried(&it.path, "what its credential says"));
        book.carried(&name, "what the entries say that name it");
    }
    for it in [view.get("blocked"), own.get("blocked"), info.get("blocked")].iter().flatten() {
        book.carried(&it.path, "as it is without the key");
    }
    info.get("mode").iter().for_each(|it| book.carried(&it.path, "kind of the model"));
}

fn api_key(found: &Placed<'_>, reading: &mut Reading<'_>) -> Option<String> {
    let (own, provider) = (&found.own, found.provider);
    let wanted = provider.key.map_or_else(
        || format!("{}_API_KEY", provider.name.to_ascii_uppercase().replace('-', "_")),
        str::to_owned,
    );
    let Some(view) = own.get("api_key") else {
        // A place of somebody else's own gets no key of the provider's; one that a variable names has its key
        // in the variable beside it.
        let placed = BASES.iter().any(|key| own.get(key).is_some());
        let beside = found.by.is_some() && reading.places.is_set(&wanted);
        let name = provider.key.map(str::to_owned).or_else(|| beside.then_some(wanted));
        return name.filter(|_| !placed).map(|name| reading.secrets.kept(&name));
    };
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
