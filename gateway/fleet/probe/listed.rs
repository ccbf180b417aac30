//! What a backend's list of models says of each of them.

use serde_json::Value;

/// One model in a backend's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedModel {
    /// The name by which requests ask for it.
    pub id: String,
    /// The name under which its engine loaded it, where it says so: what stands behind several ids.
    pub root: Option<String>,
    /// Whether it is an adapter of another model of the list.
    pub adapter: bool,
    /// Who made the list, in a word of the engine's own such as `vllm`.
    pub owned_by: Option<String>,
    /// Prompt and answer together, in tokens, and the field that says so.
    pub context_tokens_max: Option<(u32, &'static str)>,
    /// The longest answer, in tokens.
    pub output_tokens_max: Option<u32>,
}

/// Where lists say how large a context is: what an engine was started with before what a model was trained
/// for.
const CONTEXT: [(&str, &str); 9] = [
    ("/max_model_len", "max_model_len"),
    ("/loaded_context_length", "loaded_context_length"),
    ("/meta/n_ctx", "meta.n_ctx"),
    ("/context_length", "context_length"),
    ("/context_window", "context_window"),
    ("/max_context_length", "max_context_length"),
    ("/max_input_tokens", "max_input_tokens"),
    ("/inputTokenLimit", "inputTokenLimit"),
    ("/meta/n_ctx_train", "meta.n_ctx_train"),
];

/// No model has room for more; who says so means that there is no limit.
const TOKENS_MAX: u32 = 100_000_000;

/// Where they say how long an answer can be.
const OUTPUT: [&str; 4] = [
    "/max_completion_tokens",
    "/top_provider/max_completion_tokens",
    "/max_output_tokens",
    "/outputTokenLimit",
];

impl ListedModel {
    /// A model of which only its name is known.
    #[must_use]
    pub fn named(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// Reads an entry of a list; `None` where it has no name that can be asked for.
    pub(super) fn read(entry: &Value) -> Option<Self> {
        let text = |key: &str| Some(entry.get(key)?.as_str()?.to_owned());
        let tokens = |at: &str| {
            let number = entry.pointer(at)?.as_u64()?;
            u32::try_from(number).ok().filter(|number| (1..=TOKENS_MAX).contains(number))
        };
        let fits =
            |id: &String| !id.is_empty() && id.trim() == id && !id.contains(char::is_control);
        let id = text("id").filter(fits)?;
        Some(Self {
            adapter: text("parent").is_some_and(|parent| parent != id),
            root: text("root"),
            owned_by: text("owned_by"),
            context_tokens_max: CONTEXT.iter().find_map(|(at, name)| Some((tokens(at)?, *name))),
            output_tokens_max: OUTPUT.iter().find_map(|at| tokens(at)),
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_engine_says_its_context_in_its_own_words() {
        for (entry, tokens, field) in [
            (json!({ "id": "m", "max_model_len": 40_960 }), 40_960, "max_model_len"),
            (json!({ "id": "m", "context_length": 131_072 }), 131_072, "context_length"),
            (json!({ "id": "m", "context_window": 8_192 }), 8_192, "context_window"),
            (json!({ "id": "m", "meta": { "n_ctx_train": 4_096 } }), 4_096, "meta.n_ctx_train"),
            (json!({ "id": "m", "meta": { "n_ctx_train": 9, "n_ctx": 4 } }), 4, "meta.n_ctx"),
            (
                json!({ "id": "m", "max_context_length": 9, "loaded_context_length": 4 }),
                4,
                "loaded_context_length",
            ),
        ] {
            let listed = ListedModel::read(&entry).unwrap();
            assert_eq!(listed.context_tokens_max, Some((tokens, field)), "{entry}");
        }
        for nothing in [json!(null), json!(0), json!(-1), json!("8192"), json!(1e30)] {
            let listed =
                ListedModel::read(&json!({ "id": "m", "max_model_len": nothing })).unwrap();
            assert_eq!(listed.context_tokens_max, None);
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_no_model() {
        let control = json!({ "id": "a\u{1b}[31m" });
        for entry in [json!({}), json!({ "id": 7 }), json!({ "id": " " }), json!("m"), control] {
            assert_eq!(ListedModel::read(&entry), None, "{entry}");
        }
    }
}
