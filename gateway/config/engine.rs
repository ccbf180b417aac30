//! What the engines are like that `model.engine` names: one row each, and nothing that an operator could not
//! say otherwise.
//!
//! Every row was looked up in November 2026 at its sources; what these do not say is `not found` here, and
//! decides nothing.

use policies::facts::ModelKind::{self, Chat, Embedding, Rerank};

use super::BoundNames;

/// What is known of one engine.
#[derive(Debug, PartialEq, Eq)]
pub struct Engine {
    /// Its word in the configuration.
    pub name: &'static str,
    /// The APIs that it serves beside chat completions.
    pub native: &'static [Native],
    /// How it counts the tokens of a chat, beside these APIs.
    pub tokenizer: Option<Tokenizer>,
    /// The kinds of models that it serves.
    pub kinds: &'static [ModelKind],
    /// The names under which it is given a bound on the answer: newer models of its maker refuse the older
    /// one, and those who only speak as it does may not know the newer one.
    pub output_bound: BoundNames,
    /// Whether its streams say what was used when they are asked.
    pub stream_usage: bool,
    /// Whether an answer can be held to a JSON schema; nothing where that was not found.
    pub json_schema: Option<bool>,
    /// What is its own in how it meets prompts that are too long.
    pub too_long: &'static str,
    /// Where that stands.
    pub sources: &'static [&'static str],
}

/// An API that an engine serves beside chat completions.
#[derive(Debug, PartialEq, Eq)]
pub struct Native {
    /// The code of its dialect.
    pub dialect: &'static str,
    /// The release, or the change, from which on it is there.
    pub since: &'static str,
    /// Whether it counts the tokens of such a request as well.
    pub counts: bool,
}

/// How an engine counts the tokens of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokenizer {
    /// `POST /tokenize` beside `/v1`, of messages and tools; the answer says `count`.
    Chat,
    /// `POST /apply-template` beside `/v1`, and `POST /tokenize` of the `prompt` that it gives; the answer
    /// lists `tokens`.
    Template,
}

/// Every engine that has a word.
pub static ENGINES: [Engine; 6] = [
    Engine {
        name: "vllm",
        native: &[
            Native { dialect: "anthropic", since: "release not found", counts: true },
            Native { dialect: "responses", since: "release not found", counts: false },
        ],
        tokenizer: Some(Tokenizer::Chat),
        kinds: &[Chat, Embedding, Rerank],
        output_bound: BoundNames::MAX_TOKENS,
        stream_usage: true,
        json_schema: Some(true),
        too_long: "nothing found",
        sources: &[
            "https://docs.vllm.ai/en/stable/serving/openai_compatible_server/",
            "https://docs.vllm.ai/en/latest/features/structured_outputs/",
            "https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/serve/tokenize/protocol.py",
            "https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/anthropic/api_router.py",
            "https://github.com/vllm-project/vllm/issues/49533",
        ],
    },
    Engine {
        name: "sglang",
        native: &[
            Native { dialect: "anthropic", since: "pull request 18630, 2026-02", counts: true },
            Native { dialect: "responses", since: "release not found", counts: false },
        ],
        tokenizer: Some(Tokenizer::Chat),
        kinds: &[Chat, Embedding, Rerank],
        output_bound: BoundNames::MAX_TOKENS,
        stream_usage: true,
        json_schema: Some(true),
        too_long: "nothing found",
        sources: &[
            "https://docs.sglang.io/docs/basic_usage/openai_api",
            "https://github.com/sgl-project/sglang/pull/18630",
            "https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/entrypoints/openai/\
             serving_tokenize.py",
        ],
    },
    Engine {
        name: "llama_cpp",
        native: &[
            Native { dialect: "anthropic", since: "pull request 17570, 2025-11", counts: true },
            Native { dialect: "responses", since: "release not found", counts: false },
        ],
        tokenizer: Some(Tokenizer::Template),
        kinds: &[Chat, Embedding, Rerank],
        output_bound: BoundNames::MAX_TOKENS,
        stream_usage: true,
        json_schema: Some(true),
        too_long: "nothing found",
        sources: &[
            "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
            "https://github.com/ggml-org/llama.cpp/pull/17570",
            "https://github.com/ggml-org/llama.cpp/pull/11489",
        ],
    },
    Engine {
        name: "ollama",
        native: &[
            Native { dialect: "anthropic", since: "0.14.0", counts: false },
            Native { dialect: "responses", since: "0.13.3", counts: false },
        ],
        tokenizer: None,
        kinds: &[Chat, Embedding],
        output_bound: BoundNames::MAX_TOKENS,
        stream_usage: true,
        json_schema: None,
        too_long: "nothing found",
        sources: &[
            "https://docs.ollama.com/api/anthropic-compatibility",
            "https://docs.ollama.com/api/openai-compatibility",
            "https://github.com/ollama/ollama/releases/tag/v0.14.0",
        ],
    },
    Engine {
        name: "tgi",
        native: &[],
        tokenizer: None,
        kinds: &[Chat],
        output_bound: BoundNames::MAX_TOKENS,
        stream_usage: true,
        json_schema: None,
        too_long: "it counts `inputs` and `max_new_tokens` together",
        sources: &[
            "https://raw.githubusercontent.com/huggingface/text-generation-inference/main/docs/openapi.json",
        ],
    },
    Engine {
        name: "openai",
        native: &[Native { dialect: "responses", since: "hosted", counts: true }],
        tokenizer: None,
        kinds: &[Chat, Embedding],
        output_bound: BoundNames::BOTH,
        stream_usage: true,
        json_schema: Some(true),
        too_long: "the code `context_length_exceeded`",
        sources: &[
            "https://platform.openai.com/docs/api-reference/chat/create",
            "https://raw.githubusercontent.com/openai/openai-node/main/src/resources/beta/responses/\
             input-tokens.ts",
        ],
    },
];

impl Engine {
    /// What it serves of a dialect beside chat completions.
    #[must_use]
    pub fn native(&self, dialect: &str) -> Option<&'static Native> {
        self.native.iter().find(|it| it.dialect == dialect)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// A list in words.
    fn listed<'a>(all: impl Iterator<Item = String> + 'a) -> String {
        let all: Vec<_> = all.collect();
        if all.is_empty() { String::from("none") } else { all.join(", ") }
    }

    fn row(it: &Engine) -> String {
        let native = it.native.iter().map(|it| format!("`{}` ({})", it.dialect, it.since));
        let own = it.native.iter().filter(|it| it.counts).map(|it| format!("as `{}`", it.dialect));
        let tokenizer = it.tokenizer.map(|it| match it {
            Tokenizer::Chat => String::from("`/tokenize`"),
            Tokenizer::Template => String::from("`/apply-template`, `/tokenize`"),
        });
        let bound = if it.output_bound.max_completion_tokens { "both" } else { "max_tokens" };
        let said = |holds| if holds { "yes" } else { "no" };
        let mut row = String::new();
        let _ = write!(
            row,
            "| `{}` | {} | {} | {} | `{bound}` | {} | {} | {} | {} |",
            it.name,
            listed(native),
            listed(own.chain(tokenizer)),
            listed(it.kinds.iter().map(|it| format!("`{}`", it.code()))),
            said(it.stream_usage),
            it.json_schema.map_or("not found", said),
            it.too_long,
            listed((1..).zip(it.sources).map(|(at, it)| format!("[{at}]({it})"))),
        );
        row
    }

    #[test]
    fn the_page_has_this_table() {
        let page = include_str!("../../docs/CONFIG.md");
        let rows: Vec<_> = ENGINES.iter().map(row).collect();
        assert!(page.contains(&rows.join("\n")), "the page should have:\n{}", rows.join("\n"));
    }

    #[test]
    fn a_row_is_whole_and_names_what_there_is() {
        for (at, it) in ENGINES.iter().enumerate() {
            assert!(ENGINES.iter().skip(at + 1).all(|other| other.name != it.name), "{}", it.name);
            assert!(!it.sources.is_empty() && it.kinds.contains(&Chat), "{}", it.name);
            assert!(it.sources.iter().all(|it| it.starts_with("https://")), "{}", it.name);
            for native in it.native {
                let known = policies::facts::Dialect::ALL.iter().skip(1).map(|it| it.code());
                assert!(known.into_iter().any(|it| it == native.dialect), "{}", native.dialect);
            }
        }
    }
}
