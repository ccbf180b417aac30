//! Which providers are asked as the gateway asks an engine: at a base URL, with the key in a header, for
//! chats (chat completions as OpenAI has them, or Messages as Anthropic has them), vectors and ranks.

use super::kind::Kind;

/// A provider that is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Provider {
    /// What the name of a model begins with.
    pub name: &'static str,
    /// The engine, in the words of the configuration, if it has one for it.
    pub engine: Option<&'static str>,
    /// The API that it speaks, where that is not OpenAI's.
    pub dialect: Option<&'static str>,
    /// What it is asked for in a form that the gateway has.
    pub kinds: &'static [Kind],
    /// Where it is, if that is one place.
    pub base: Option<&'static str>,
    /// The variable that has its key where the file names none.
    pub key: Option<&'static str>,
    /// What its base URL ends in, where the file may leave that out.
    pub end: &'static str,
    /// The same where it is asked for ranks.
    pub ranks_end: &'static str,
    /// What the names of its models for chats begin with at its API, where the file may leave that out.
    pub models: &'static str,
}

const CHATS: &[Kind] = &[Kind::Chat];
const RANKS: &[Kind] = &[Kind::Rerank];
const TEXTS: &[Kind] = &[Kind::Chat, Kind::Embedding];
const SEARCH: &[Kind] = &[Kind::Embedding, Kind::Rerank];
const ALL: &[Kind] = &[Kind::Chat, Kind::Embedding, Kind::Rerank];

/// One that is where the file says.
const fn own(name: &'static str, engine: Option<&'static str>) -> Provider {
    let (dialect, base, key, none) = (None, None, None, "");
    let kinds = TEXTS;
    Provider { name, engine, dialect, kinds, base, key, end: none, ranks_end: none, models: none }
}

/// One that is at this place.
const fn hosted(name: &'static str, base: &'static str, key: &'static str) -> Provider {
    Provider { base: Some(base), key: Some(key), ..own(name, None) }
}

/// OpenAI itself, unless the file says where.
const fn openai(name: &'static str) -> Provider {
    let engine = Some("openai");
    Provider { engine, ..hosted(name, "https://api.openai.com/v1", "OPENAI_API_KEY") }
}

/// One at this machine, unless the file says where.
const fn ollama(name: &'static str) -> Provider {
    Provider { base: Some("http://localhost:11434/v1"), end: "/v1", ..own(name, Some("ollama")) }
}

/// Each with the document of its maker that names the place. Places, variables and what `api_base` may leave
/// out were held against LiteLLM's source (github.com/BerriAI/litellm, 2026-11): `litellm_core_utils/
/// get_llm_provider_logic.py`, `main.py`, and the file under `llms/` that is named.
pub(super) const SPOKEN: &[Provider] = &[
    // platform.openai.com/docs/api-reference
    openai("openai"),
    openai("text-completion-openai"),
    // docs.anthropic.com/en/api/messages; main.py: `/v1/messages` is added to what does not end so
    Provider {
        dialect: Some("anthropic"),
        kinds: CHATS,
        end: "/v1",
        ..hosted("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY")
    },
    // docs.vllm.ai, "OpenAI-Compatible Server"; llms/hosted_vllm/rerank/transformation.py
    Provider { kinds: ALL, ..own("hosted_vllm", Some("vllm")) },
    own("vllm", Some("vllm")),
    own("openai_like", None),
    own("custom_openai", None),
    // rerank_api/main.py asks it as it asks Cohere
    Provider { kinds: ALL, ranks_end: "/v2", ..own("litellm_proxy", None) },
    // lmstudio.ai/docs, "OpenAI Compatibility Endpoints"
    own("lm_studio", None),
    // github.com/mozilla-ai/llamafile, "llamafile server"; llms/llamafile/chat/transformation.py has port
    // 8080 of this machine where the file says nothing, which is the gateway's own here
    own("llamafile", Some("llama_cpp")),
    // github.com/ollama/ollama, docs/openai.md
    ollama("ollama"),
    ollama("ollama_chat"),
    // learn.microsoft.com/azure/ai-foundry, "Serverless API deployments": those whose URL ends in /v1;
    // llms/azure_ai/rerank/transformation.py
    Provider { kinds: ALL, ranks_end: "/v1", ..own("azure_ai", None) },
    // docs.together.ai/docs/openai-api-compatibility; llms/together_ai/rerank/handler.py
    Provider {
        kinds: ALL,
        ..hosted("together_ai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY")
    },
    // console.groq.com/docs/openai; llms/groq/chat/transformation.py
    hosted("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    // api-docs.deepseek.com, "Your First API Call"; LiteLLM asks at /beta of the same host
    hosted("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    // docs.mistral.ai/api; llms/mistral/chat/transformation.py adds a /v1 that is missing
    Provider { end: "/v1", ..hosted("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY") },
    // docs.fireworks.ai/tools-sdks/openai-compatibility; llms/fireworks_ai/chat/transformation.py
    Provider {
        models: "accounts/fireworks/models/",
        ..hosted("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY")
    },
    // openrouter.ai/docs/api-reference/overview
    hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    // docs.api.nvidia.com/nim/reference/llm-apis
    hosted("nvidia_nim", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    // docs.x.ai/docs/api-reference; constants.py
    hosted("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    // inference-docs.cerebras.ai/resources/openai
    hosted("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    // docs.sambanova.ai, "OpenAI compatibility"
    hosted("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    // deepinfra.com/docs/openai_api; llms/deepinfra/chat/transformation.py
    hosted("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    // platform.moonshot.ai/docs; llms/moonshot/chat/transformation.py
    hosted("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    // docs.cohere.com/reference/rerank; rerank_api/main.py, llms/cohere/rerank_v2/transformation.py
    Provider {
        kinds: RANKS,
        ranks_end: "/v2",
        ..hosted("cohere", "https://api.cohere.com/v2", "COHERE_API_KEY")
    },
    // jina.ai/embeddings, jina.ai/reranker; llms/jina_ai/{embedding,rerank}/transformation.py
    Provider {
        kinds: SEARCH,
        ranks_end: "/v1",
        ..hosted("jina_ai", "https://api.jina.ai/v1", "JINA_AI_API_KEY")
    },
    // github.com/michaelfeil/infinity; llms/infinity/{embedding,rerank}/transformation.py
    Provider { kinds: SEARCH, ranks_end: "/v1", ..own("infinity", None) },
];

const AZURE: &str = "URLs by deployment and api-version cannot be asked here, but /openai/v1 can: write \
    https://RESOURCE.openai.azure.com/openai/v1 as the url of an endpoint, and the deployment's name as \
    upstream_model";
const AWS: &str = "it is asked with requests that AWS signs, which this version does not speak";
const GOOGLE: &str = "it is asked in a dialect of its own; its place for OpenAI clients can be written as an \
    endpoint by hand";
const OWN: &str =
    "it is asked in a dialect of its own, which this version does not speak to backends";
const WITHOUT: &str = "its model says no provider that is known: write it as provider/name";

/// Those that are asked otherwise, and why they are not carried over.
const UNSPOKEN: &[(&str, &str)] = &[
    ("azure", AZURE),
    ("azure_text", AZURE),
    ("bedrock", AWS),
    ("bedrock_converse", AWS),
    ("sagemaker", AWS),
    ("sagemaker_chat", AWS),
    ("gemini", GOOGLE),
    ("vertex_ai", GOOGLE),
    ("vertex_ai_beta", GOOGLE),
    ("palm", OWN),
    ("anthropic_text", OWN),
    ("cohere_chat", OWN),
    ("huggingface", OWN),
    ("replicate", OWN),
    ("watsonx", OWN),
    ("watsonx_text", OWN),
    ("databricks", OWN),
    ("snowflake", OWN),
    ("cloudflare", OWN),
    ("ai21", OWN),
    ("nlp_cloud", OWN),
    ("petals", OWN),
    ("predibase", OWN),
    ("oci", OWN),
    ("clarifai", OWN),
    ("triton", OWN),
    ("github_copilot", OWN),
    ("voyage", OWN),
    ("aleph_alpha", OWN),
];

/// What names without a provider begin with, where they can be told by that.
const BY_NAME: &[(&str, &str)] = &[
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "gemini"),
    ("command-", "cohere_chat"),
];

/// The provider of a model and the model's name at its API.
///
/// # Errors
/// Why it is not carried over.
pub(super) fn of(
    model: &str,
    stated: Option<&str>,
    kind: Kind,
) -> Result<(&'static Provider, String), String> {
    let (name, rest) = match (stated, model.split_once('/')) {
        (Some(stated), Some((first, rest))) if first == stated => (stated, rest),
        (Some(stated), _) => (stated, model),
        (None, Some((first, rest))) => (first, rest),
        (None, None) => {
            let found = BY_NAME.iter().find(|(begin, _)| model.starts_with(begin));
            (found.ok_or(WITHOUT)?.1, model)
        }
    };
    let Some(provider) = SPOKEN.iter().find(|it| it.name == name) else {
        let why = UNSPOKEN.iter().find(|it| it.0 == name).ok_or(WITHOUT)?.1;
        return Err(format!("{name}: {why}"));
    };
    if !provider.kinds.contains(&kind) {
        return Err(format!(
            "{name}: models of kind \"{}\" are asked there in a dialect of its own, or not at all; `mode` \
             says what a model is for",
            kind.word()
        ));
    }
    let begin = if rest.contains('/') || kind != Kind::Chat { "" } else { provider.models };
    let upstream = format!("{begin}{rest}");
    if upstream.is_empty() || upstream.trim() != upstream || upstream.contains(char::is_control) {
        return Err(String::from("its model has no name"));
    }
    if upstream.contains('*') {
        return Err(String::from(
            "a model here has one name at its engine: write an entry for each that callers ask for",
        ));
    }
    Ok((provider, upstream))
}

/// The beginnings of other variables of a provider.
const STEMS: [(&str, &str); 2] = [("ollama_chat", "OLLAMA"), ("mistral", "MISTRAL_AZURE")];
/// Those whose place stands in `…_BASE_URL` as well.
const BASE_URLS: [&str; 2] = ["OPENAI", "ANTHROPIC"];

impl Provider {
    /// The variables that may say where it is, and of each whether it is known to be read.
    pub(super) fn variables(&self) -> Vec<(String, bool)> {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        let mut stems = vec![name];
        let key = self.key.and_then(|it| it.strip_suffix("_API_KEY"));
        let other = STEMS.iter().filter(|it| it.0 == self.name).map(|it| it.1);
        stems.extend(key.into_iter().chain(other).map(str::to_owned));
        stems.dedup();
        let both = |it: &String| {
            let read = BASE_URLS.contains(&it.as_str());
            [(format!("{it}_API_BASE"), true), (format!("{it}_BASE_URL"), read)]
        };
        stems.iter().flat_map(both).collect()
    }

    /// The base URL of a deployment, by what the file says; that may have the operation at its end.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn url(&self, said: Option<&str>, kind: Kind) -> Result<String, String> {
        let Some(said) = said else {
            let none = "api_base is missing, and nobody else knows where it is";
            return self.base.map(str::to_owned).ok_or_else(|| none.to_owned());
        };
        let said = said.trim().trim_end_matches('/');
        let operation = match (kind, self.dialect) {
            (Kind::Chat, None) => None,
            (Kind::Chat, Some(_)) => Some("/messages"),
            (Kind::Embedding, _) => Some("/embeddings"),
            (Kind::Rerank, _) => Some("/rerank"),
        };
        let whole = operation.and_then(|it| said.strip_suffix(it));
        let base = whole.unwrap_or(said);
        if self.name == "azure_ai" && kind != Kind::Rerank && !base.ends_with("/v1") {
            return Err(format!("azure_ai: {AZURE}"));
        }
        let end = if kind == Kind::Rerank { self.ranks_end } else { self.end };
        let versioned = ["/v1", "/v2"].iter().any(|it| base.ends_with(it));
        let end = if versioned || whole.is_some() { "" } else { end };
        Ok(format!("{base}{end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::single;

    #[test]
    fn a_model_is_asked_at_its_providers_place_by_its_name_there() {
        for (model, stated, said, url, upstream) in [
            ("openai/gpt-4o", None, None, "https://api.openai.com/v1", "gpt-4o"),
            ("gpt-4o", None, None, "https://api.openai.com/v1", "gpt-4o"),
            (
                "hosted_vllm/Qwen/Qwen3-32B",
                None,
                Some("http://a:8000/v1/"),
                "http://a:8000/v1",
                "Qwen/Qwen3-32B",
            ),
            (
                "Qwen/Qwen3-32B",
                Some("openai"),
                Some("http://a/v1"),
                "http://a/v1",
                "Qwen/Qwen3-32B",
            ),
            ("openai/x", Some("openai"), Some("http://a/v1"), "http://a/v1", "x"),
            (
                "ollama_chat/qwen3:32b",
                None,
                Some("http://a:11434"),
                "http://a:11434/v1",
                "qwen3:32b",
            ),
            ("ollama/qwen3", None, None, "http://localhost:11434/v1", "qwen3"),
            (
                "fireworks_ai/glm-5",
                None,
                None,
                "https://api.fireworks.ai/inference/v1",
                "accounts/fireworks/models/glm-5",
            ),
        ] {
            let (provider, name) = of(model, stated, Kind::Chat).unwrap();
            assert_eq!(
                (provider.url(said, Kind::Chat).unwrap().as_str(), name.as_str()),
                (url, upstream),
                "{model}"
            );
        }
    }

    #[test]
    fn each_kind_and_each_dialect_is_asked_at_the_base_of_its_operation() {
        let (chat, vectors, ranks) = (Kind::Chat, Kind::Embedding, Kind::Rerank);
        for (model, kind, said, url) in [
            ("claude-sonnet-4", chat, None, "https://api.anthropic.com/v1"),
            ("anthropic/claude-sonnet-4", chat, Some("https://a"), "https://a/v1"),
            ("anthropic/claude-sonnet-4", chat, Some("https://a/v1/"), "https://a/v1"),
            ("anthropic/claude-sonnet-4", chat, Some("https://a/v1/messages"), "https://a/v1"),
            ("anthropic/claude-sonnet-4", chat, Some("https://a/own/messages"), "https://a/own"),
            ("anthropic/glm", chat, Some("https://a/api/anthropic"), "https://a/api/anthropic/v1"),
            ("mistral/codestral", chat, Some("https://a"), "https://a/v1"),
            ("mistral/mistral-embed", vectors, Some("https://a/v1"), "https://a/v1"),
            ("text-embedding-3-small", vectors, None, "https://api.openai.com/v1"),
            ("jina_ai/jina-embeddings-v3", vectors, None, "https://api.jina.ai/v1"),
            ("infinity/x", vectors, Some("http://a:7997"), "http://a:7997"),
            ("infinity/x", vectors, Some("http://a:7997/embeddings"), "http://a:7997"),
            ("infinity/x", ranks, Some("http://a:7997"), "http://a:7997/v1"),
            ("cohere/rerank-v3.5", ranks, None, "https://api.cohere.com/v2"),
            ("cohere/rerank-v3.5", ranks, Some("https://a"), "https://a/v2"),
            ("cohere/rerank-v3.5", ranks, Some("https://a/v1/rerank"), "https://a/v1"),
            ("hosted_vllm/x", ranks, Some("http://a:8000"), "http://a:8000"),
            ("hosted_vllm/x", ranks, Some("http://a:8000/v1/rerank"), "http://a:8000/v1"),
            ("azure_ai/cohere-rerank", ranks, Some("https://a"), "https://a/v1"),
            ("litellm_proxy/rank", ranks, Some("http://a:4000"), "http://a:4000/v2"),
            ("together_ai/x/y", ranks, None, "https://api.together.xyz/v1"),
        ] {
            let (provider, _) = of(model, None, kind).unwrap();
            assert_eq!(provider.url(said, kind).as_deref(), Ok(url), "{model} {said:?}");
        }
        for (model, kind) in [
            ("cohere/embed-v4", vectors),
            ("anthropic/claude-sonnet-4", vectors),
            ("fireworks_ai/reranker", ranks),
            ("jina_ai/jina-embeddings-v3", chat),
        ] {
            assert!(of(model, None, kind).is_err(), "{model} {kind:?}");
        }
    }

    #[test]
    fn what_is_not_spoken_is_said_by_name() {
        for (model, word) in [
            ("azure/gpt-4o", "azure: "),
            ("bedrock/anthropic.claude", "bedrock: "),
            ("anthropic_text/claude-2", "anthropic_text: "),
            ("cohere/command-r", "cohere: "),
            ("jina_ai/clip", "`mode`"),
            ("voyage/voyage-3", "voyage: "),
            ("vertex_ai/gemini-3", "vertex_ai: "),
            ("mystery", "no provider"),
            ("acme/x", "no provider"),
            ("openai/*", "an entry for each"),
            ("openai/", "no name"),
        ] {
            assert!(of(model, None, Kind::Chat).unwrap_err().contains(word), "{model}");
        }
        let nowhere = of("vllm/x", None, Kind::Chat).unwrap().0.url(None, Kind::Chat);
        assert!(nowhere.unwrap_err().contains("api_base"));
    }

    #[test]
    fn no_provider_stands_twice_and_each_place_is_one() {
        for (nth, provider) in SPOKEN.iter().enumerate() {
            assert!(SPOKEN[..nth].iter().all(|it| it.name != provider.name), "{}", provider.name);
            assert!(UNSPOKEN.iter().all(|it| it.0 != provider.name), "{}", provider.name);
            assert!(
                provider.base.is_none_or(|it| single::base_url(it).is_ok()),
                "{}",
                provider.name
            );
        }
    }
}
