//! What backends list, as models: replicas of one model together, each with what is known of it.

use policies::counted;

use super::{
    choice::Backend,
    known::{KnownModel, id_of, whole_id_of},
};
use crate::app::{ListedBackend, ListedModel};

/// A backend that lists more models than this is a broker: of its models those are taken that the catalogue
/// knows, and those asked for by name.
const LISTED_MAX: usize = 30;
/// So many names are repeated where one has to be chosen.
const NAMED_MAX: usize = 8;
/// What stands in the names of models that write no text, which this version does not serve.
const NO_CHAT: [&str; 14] = [
    "embed",
    "rerank",
    "whisper",
    "tts-",
    "-tts",
    "bge-",
    "gte-",
    "e5-",
    "moderation",
    "dall-e",
    "minilm",
    "colbert",
    "stable-diffusion",
    "kokoro",
];

/// A model as it is written into a configuration.
#[derive(Debug)]
pub(in crate::cli) struct Model<'a> {
    /// Its name for callers.
    pub id: String,
    /// Its name at its engine.
    pub upstream: String,
    /// What the catalogue knows of it.
    pub known: Option<&'a KnownModel>,
    /// The engine, in the words of the configuration.
    pub engine: Option<&'static str>,
    /// Prompt and answer together, and the engine's field that says so.
    pub context: Option<(u32, &'static str)>,
    /// The longest answer, as its engine says.
    pub output_tokens_max: Option<u32>,
    /// Where it runs.
    pub zone: Option<String>,
    /// Base URL and credential of each replica.
    pub endpoints: Vec<(String, Option<String>)>,
}

/// The models of all backends, and what is to be said of them.
#[derive(Debug, Default)]
pub(in crate::cli) struct Models<'a> {
    /// In the order in which backends were named.
    pub models: Vec<Model<'a>>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

impl<'a> Models<'a> {
    /// Takes what a backend lists.
    ///
    /// # Errors
    /// When none of its models is the one meant, or can be served.
    pub(super) fn take(
        &mut self,
        backend: &Backend,
        listed: &ListedBackend,
        catalogue: &'a [KnownModel],
    ) -> Result<(), String> {
        let chosen = match &backend.name {
            Some(name) => {
                let found = named(name, listed, catalogue)?;
                if writes_no_text(found) {
                    let (base, id) = (&listed.base, &found.0.id);
                    let note = format!(
                        "{base}: `{id}` seems to write no text, and this version serves what does; it is \
                         taken, since it was asked for"
                    );
                    self.notes.push(note);
                }
                vec![found]
            }
            None => self.all(listed, catalogue)?,
        };
        for (model, known) in chosen {
            // Whoever writes its maker's name chooses it, and does not give it another name.
            let name = backend.name.clone().filter(|name| *name != model.id || !name.contains('/'));
            self.add(&Backend { name, ..backend.clone() }, &listed.base, model, known)?;
        }
        Ok(())
    }

    /// All models of a backend that can be served, each once.
    fn all<'l>(
        &mut self,
        listed: &'l ListedBackend,
        catalogue: &'a [KnownModel],
    ) -> Result<Vec<Found<'a, 'l>>, String> {
        let base = &listed.base;
        let mut chosen: Vec<Found<'a, 'l>> = Vec::new();
        let (mut unknown, mut silent) = (0, Vec::new());
        for model in &listed.models {
            let known = find(model, catalogue);
            if writes_no_text((model, known)) {
                silent.push(model.id.as_str());
            } else if known.is_none() && listed.models.len() > LISTED_MAX {
                unknown += 1;
            } else if !chosen.iter().any(|before| same(before, (model, known))) {
                chosen.push((model, known));
            }
        }
        if !silent.is_empty() {
            let names = few(silent.into_iter());
            self.notes.push(format!("{base}: left out, since they write no text: {names}"));
        }
        if unknown > 0 {
            let note = format!(
                "{base}: {unknown} models that the catalogue does not know are left out; take one with \
                 --backend NAME={base}"
            );
            self.notes.push(note);
        }
        if chosen.is_empty() {
            let number = counted(listed.models.len(), "model", "models");
            let can = listed.models.iter().filter(|it| !writes_no_text((it, find(it, catalogue))));
            let can: Vec<&str> = can.map(|it| it.id.as_str()).collect();
            let some = few(can.into_iter());
            if some.is_empty() {
                return Err(format!("{base} lists {number}, and none that writes text"));
            }
            return Err(format!(
                "{base} lists {number}, and none that can be taken unasked: say which, with --backend \
                 NAME={base}, such as {some}"
            ));
        }
        Ok(chosen)
    }

    /// A replica of a model that is there, or another model.
    fn add(
        &mut self,
        backend: &Backend,
        base: &str,
        listed: &ListedModel,
        known: Option<&'a KnownModel>,
    ) -> Result<(), String> {
        let endpoint = (base.to_owned(), backend.api_key.clone());
        let one = self.models.iter_mut().find(|it| {
            let called = backend.name.as_ref().is_none_or(|name| *name == it.id);
            called && it.upstream == listed.id && it.zone == backend.zone
        });
        if let Some(model) = one {
            // What holds for all replicas is what the smallest has room for.
            let contexts = [model.context, listed.context_tokens_max];
            model.context = contexts.into_iter().flatten().min_by_key(|(tokens, _)| *tokens);
            if !model.endpoints.iter().any(|(url, _)| url == base) {
                model.endpoints.push(endpoint);
            }
            return Ok(());
        }
        self.models.push(Model {
            id: self.id(backend, listed, known)?,
            upstream: listed.id.clone(),
            known,
            engine: listed.owned_by.as_deref().and_then(engine),
            context: listed.context_tokens_max,
            output_tokens_max: listed.output_tokens_max,
            zone: backend.zone.clone(),
            endpoints: vec![endpoint],
        });
        Ok(())
    }

    /// A name that no model before it has.
    fn id(
        &self,
        backend: &Backend,
        listed: &ListedModel,
        known: Option<&KnownModel>,
    ) -> Result<String, String> {
        let free = |id: &String| !self.models.iter().any(|it| it.id == *id);
        if let Some(name) = &backend.name {
            let other = self.models.iter().find(|it| it.id == *name);
            return match other {
                None => Ok(name.clone()),
                Some(other) => Err(format!(
                    "`{name}` is `{}` at {} and `{}` at {}: replicas of one model are known by one name \
                     and stand in one zone",
                    other.upstream,
                    other.endpoints.first().map_or("", |(url, _)| url),
                    listed.id,
                    backend.url
                )),
            };
        }
        let own = id_of(&listed.id);
        let first = known.map_or_else(|| own.clone(), |known| known.id.clone());
        let zoned = backend.zone.as_ref().map(|zone| format!("{first}-{zone}"));
        let whole = whole_id_of(&listed.id);
        let named = [Some(first), Some(own.clone()), Some(whole), zoned];
        let named = named.into_iter().flatten().find(free);
        let numbered = || (2..).map(|nth| format!("{own}-{nth}")).find(free);
        Ok(named.or_else(numbered).unwrap_or(own))
    }
}

/// A model of a list, and what the catalogue knows of it.
type Found<'a, 'l> = (&'l ListedModel, Option<&'a KnownModel>);

/// Whether a model is by its name one that writes no text.
fn writes_no_text((model, known): Found<'_, '_>) -> bool {
    let small = model.id.to_ascii_lowercase();
    known.is_none() && NO_CHAT.iter().any(|word| small.contains(word))
}

/// Whether two entries of one list are the same model by several names.
fn same(one: &Found<'_, '_>, other: Found<'_, '_>) -> bool {
    let (known, also) = (one.1.map(|it| &it.id), other.1.map(|it| &it.id));
    let root = one.0.root.is_some() && one.0.root == other.0.root;
    (known.is_some() && known == also) || (root && !one.0.adapter && !other.0.adapter)
}

/// The model of this name in a list: by its own name, by another of the same model, or the only one.
fn named<'a, 'l>(
    name: &str,
    listed: &'l ListedBackend,
    catalogue: &'a [KnownModel],
) -> Result<Found<'a, 'l>, String> {
    let wanted = KnownModel::find(catalogue, name).map(|it| &it.id);
    let models = &listed.models;
    let exact = models.iter().find(|it| it.id == name);
    let like = || models.iter().find(|it| it.id.eq_ignore_ascii_case(name));
    let known = || {
        models.iter().find(|it| wanted.is_some() && find(it, catalogue).map(|it| &it.id) == wanted)
    };
    let short = || models.iter().find(|it| id_of(&it.id) == id_of(name));
    let only = || models.first().filter(|_| models.len() == 1);
    let found = exact.or_else(like).or_else(known).or_else(short).or_else(only);
    found.map(|it| (it, find(it, catalogue))).ok_or_else(|| {
        let near = policies::nearest(name, models.iter().map(|it| it.id.as_str()));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let all = few(models.iter().map(|it| it.id.as_str()));
        format!("{} lists no `{name}` among its {} models: {all}{near}", listed.base, models.len())
    })
}

fn find<'a>(listed: &ListedModel, catalogue: &'a [KnownModel]) -> Option<&'a KnownModel> {
    // An adapter makes another model of the one that it stands on.
    let root = listed.root.as_deref().filter(|_| !listed.adapter);
    let by_id = KnownModel::find(catalogue, &listed.id);
    by_id.or_else(|| KnownModel::find(catalogue, root?))
}

/// The engine of a list, by what it says of itself.
fn engine(owned_by: &str) -> Option<&'static str> {
    match owned_by {
        "vllm" => Some("vllm"),
        "sglang" => Some("sglang"),
        "llamacpp" => Some("llama_cpp"),
        "library" => Some("ollama"),
        _ => None,
    }
}

/// A list of names that is not without end, in characters that a terminal only shows.
fn few<'l>(names: impl ExactSizeIterator<Item = &'l str>) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let shown = |name: &str| name.chars().take(100).map(plain).collect::<String>();
    let first: Vec<String> = names.take(NAMED_MAX).map(shown).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init::known::catalogue;

    fn backend(name: Option<&str>, zone: Option<&str>) -> Backend {
        let (name, zone) = (name.map(str::to_owned), zone.map(str::to_owned));
        Backend { name, url: "http://x/v1".into(), api_key: None, zone }
    }

    fn list(base: &str, ids: &[&str]) -> ListedBackend {
        let models = ids.iter().map(|id| ListedModel::named(id)).collect();
        ListedBackend { base: base.into(), models }
    }

    #[test]
    fn backends_of_one_model_are_its_replicas_and_the_smallest_context_holds() {
        let catalogue = catalogue();
        let mut all = Models::default();
        for (base, tokens) in
            [("http://a/v1", 9_000), ("http://b/v1", 4_000), ("http://a/v1", 9_000)]
        {
            let mut listed = list(base, &["openai/gpt-oss-20b"]);
            listed.models[0].context_tokens_max = Some((tokens, "max_model_len"));
            all.take(&backend(None, None), &listed, &catalogue).unwrap();
        }
        assert_eq!(all.models.len(), 1);
        let model = &all.models[0];
        assert_eq!((&*model.id, model.endpoints.len()), ("gpt-oss-20b", 2));
        assert_eq!(model.context, Some((4_000, "max_model_len")));
    }

    #[test]
    fn every_model_has_a_name_of_its_own() {
        let catalogue = catalogue();
        let mut all = Models::default();
        let many = ["openai/gpt-oss-20b", "llama", "org/Llama"];
        all.take(&backend(None, Some("on_prem")), &list("http://a/v1", &many), &catalogue).unwrap();
        let other = ["gpt-oss-20b-fp8", "llama"];
        all.take(&backend(None, Some("cloud")), &list("http://b/v1", &other), &catalogue).unwrap();
        let ids: Vec<&str> = all.models.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(
            ids,
            ["gpt-oss-20b", "llama", "llama-on_prem", "gpt-oss-20b-fp8", "llama-cloud"]
        );
    }

    #[test]
    fn a_name_chooses_among_many_and_names_the_only_one() {
        let catalogue = catalogue();
        let take = |name: &str, ids: &[&str]| {
            let mut all = Models::default();
            all.take(&backend(Some(name), None), &list("http://a/v1", ids), &catalogue)?;
            Ok::<_, String>((all.models[0].id.clone(), all.models[0].upstream.clone()))
        };
        let pair = |id: &str, upstream: &str| Ok((id.to_owned(), upstream.to_owned()));
        assert_eq!(take("house", &["meta/Llama-3"]), pair("house", "meta/Llama-3"));
        let many = ["meta/Llama-3", "openai/gpt-oss-20b"];
        assert_eq!(take("gpt-oss-20b", &many), pair("gpt-oss-20b", "openai/gpt-oss-20b"));
        assert_eq!(take("openai/gpt-oss-20b", &many), pair("gpt-oss-20b", "openai/gpt-oss-20b"));
        assert_eq!(take("llama-3", &many), pair("llama-3", "meta/Llama-3"));
        let wrong = take("meta/Lama-3", &many).unwrap_err();
        assert!(wrong.contains("did you mean `meta/Llama-3`?"), "{wrong}");
    }

    #[test]
    fn of_a_broker_only_what_is_known_is_taken_and_what_writes_no_text_never() {
        let catalogue = catalogue();
        let many: Vec<String> = (0..40).map(|nth| format!("maker/model-{nth}")).collect();
        let mut ids: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut all = Models::default();
        let none = all.take(&backend(None, None), &list("http://a/v1", &ids), &catalogue);
        assert!(none.unwrap_err().contains("--backend NAME=http://a/v1, such as maker/model-0"));
        ids.extend(["openai/gpt-oss-20b:free", "openai/gpt-oss-20b", "BAAI/bge-m3"]);
        let mut all = Models::default();
        all.take(&backend(None, None), &list("http://a/v1", &ids), &catalogue).unwrap();
        assert_eq!(all.models.len(), 1, "{:?}", all.models);
        assert_eq!(all.notes.len(), 2, "{:?}", all.notes);
    }
}
