//! Which providers are asked as the gateway asks an engine: chat completions as OpenAI has them, at a base
//! URL, with the key as a bearer token.

/// A provider that is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Provider {
    /// What the name of a model begins with.
    pub name: &'static str,
    /// The engine, in the words of the configuration.
    pub engine: &'static str,
    /// Where it is, if that is one place.
    pub base: Option<&'static str>,
    /// The variable that has its key where the file names none.
    pub key: Option<&'static str>,
    /// What its base URL ends in, where the file may leave that out.
    pub end: &'static str,
    /// What the names of its models begin with at its API, where the file may leave that out.
    pub models: &'static str,
}

/// One that is where the file says.
const fn own(name: &'static str, engine: &'static str) -> Provider {
    Provider { name, engine, base: None, key: None, end: "", models: "" }
}

/// One that is at this place.
const fn hosted(name: &'static str, base: &'static str, key: &'static str) -> Provider {
    Provider { name, engine: "openai", base: Some(base), key: Some(key), end: "", models: "" }
}

/// One at this machine, unless the file says where.
const fn ollama(name: &'static str) -> Provider {
    // Of github.com/ollama/ollama, docs/openai.md.
    let base = Some("http://localhost:11434/v1");
    Provider { name, engine: "ollama", base, key: None, end: "/v1", models: "" }
}

/// Each with where its maker says so.
const SPOKEN: &[Provider] = &[
    // platform.openai.com/docs/api-reference
    hosted("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    hosted("text-completion-openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    // docs.vllm.ai, "OpenAI-Compatible Server"
    own("hosted_vllm", "vllm"),
    own("vllm", "vllm"),
    own("openai_like", "openai"),
    own("custom_openai", "openai"),
    own("litellm_proxy", "openai"),
    // lmstudio.ai/docs, "OpenAI Compatibility Endpoints"
    own("lm_studio", "openai"),
    // github.com/mozilla-ai/llamafile, "llamafile server"
    own("llamafile", "llama_cpp"),
    ollama("ollama"),
    ollama("ollama_chat"),
    // learn.microsoft.com/azure/ai-foundry, "Serverless API deployments": those whose URL ends in /v1
    own("azure_ai", "openai"),
    // docs.together.ai/docs/openai-api-compatibility
    hosted("together_ai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    // console.groq.com/docs/openai
    hosted("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    // api-docs.deepseek.com, "Your First API Call"
    hosted("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    // docs.mistral.ai/api
    hosted("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    // docs.fireworks.ai/tools-sdks/openai-compatibility
    Provider {
        models: "accounts/fireworks/models/",
        ..hosted("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY")
    },
    // openrouter.ai/docs/api-reference/overview
    hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    // docs.api.nvidia.com/nim/reference/llm-apis
    hosted("nvidia_nim", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    // docs.x.ai/docs/api-reference
    hosted("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    // inference-docs.cerebras.ai/resources/openai
    hosted("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    // docs.sambanova.ai, "OpenAI compatibility"
    hosted("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    // deepinfra.com/docs/openai_api
    hosted("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    // platform.moonshot.ai/docs
    hosted("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
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
    ("anthropic", OWN),
    ("anthropic_text", OWN),
    ("cohere", OWN),
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
    ("jina_ai", OWN),
    ("infinity", OWN),
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
pub(super) fn of(model: &str, stated: Option<&str>) -> Result<(&'static Provider, String), String> {
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
    let begin = if rest.contains('/') { "" } else { provider.models };
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

impl Provider {
    /// The base URL of a deployment, by what the file says.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn url(&self, said: Option<&str>) -> Result<String, String> {
        let Some(said) = said else {
            let none = "api_base is missing, and nobody else knows where it is";
            return self.base.map(str::to_owned).ok_or_else(|| none.to_owned());
        };
        let said = said.trim().trim_end_matches('/');
        if self.name == "azure_ai" && !said.ends_with("/v1") {
            return Err(format!("azure_ai: {AZURE}"));
        }
        let end = if said.ends_with(self.end) { "" } else { self.end };
        Ok(format!("{said}{end}"))
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
            let (provider, name) = of(model, stated).unwrap();
            assert_eq!(
                (provider.url(said).unwrap().as_str(), name.as_str()),
                (url, upstream),
                "{model}"
            );
        }
    }

    #[test]
    fn what_is_not_spoken_is_said_by_name() {
        for (model, word) in [
            ("azure/gpt-4o", "azure: "),
            ("bedrock/anthropic.claude", "bedrock: "),
            ("claude-sonnet-4", "anthropic: "),
            ("vertex_ai/gemini-3", "vertex_ai: "),
            ("mystery", "no provider"),
            ("acme/x", "no provider"),
            ("openai/*", "an entry for each"),
            ("openai/", "no name"),
        ] {
            assert!(of(model, None).unwrap_err().contains(word), "{model}");
        }
        assert!(of("vllm/x", None).unwrap().0.url(None).unwrap_err().contains("api_base"));
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
