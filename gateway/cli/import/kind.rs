//! What a model is for, by what the file says of it.

/// What a model is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Chats and completions.
    #[default]
    Chat,
    /// Vectors of texts.
    Embedding,
    /// The order of documents by a query.
    Rerank,
}

/// What the names of models say where the file states no `mode`: a part of the name after its last `/`.
const BY_NAME: [(&str, Kind); 2] = [("rerank", Kind::Rerank), ("embed", Kind::Embedding)];

impl Kind {
    /// Its word in a configuration.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embedding => "embedding",
            Self::Rerank => "rerank",
        }
    }

    /// The kind of a model: its `mode`, else what its name says, else it is for chats.
    ///
    /// # Errors
    /// Why models of this mode are not carried over.
    pub(super) fn of(mode: Option<&str>, model: &str) -> Result<Self, String> {
        match mode {
            Some("chat" | "completion") => Ok(Self::Chat),
            Some("embedding") => Ok(Self::Embedding),
            Some("rerank") => Ok(Self::Rerank),
            Some(mode) => Err(format!("models of the mode {} are not served", mode.escape_debug())),
            None => Ok(Self::by_name(model)),
        }
    }

    fn by_name(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let found = BY_NAME.iter().find(|(part, _)| name.contains(part));
        found.map_or(Self::Chat, |it| it.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_says_what_a_model_is_for_and_without_one_its_name_does() {
        for (mode, model, kind) in [
            (None, "openai/gpt-4o", Kind::Chat),
            (None, "text-embedding-3-small", Kind::Embedding),
            (None, "cohere/rerank-v3.5", Kind::Rerank),
            (None, "hosted_vllm/BAAI/bge-reranker-v2-m3", Kind::Rerank),
            (None, "hosted_vllm/Qwen/Qwen3-Embedding-8B", Kind::Embedding),
            (None, "ollama/nomic-embed-text", Kind::Embedding),
            (None, "hosted_vllm/embedders/llama", Kind::Chat),
            (None, "hosted_vllm/BAAI/bge-m3", Kind::Chat),
            (Some("embedding"), "hosted_vllm/BAAI/bge-m3", Kind::Embedding),
            (Some("rerank"), "text-embedding-3-small", Kind::Rerank),
            (Some("chat"), "text-embedding-3-small", Kind::Chat),
            (Some("completion"), "x", Kind::Chat),
        ] {
            assert_eq!(Kind::of(mode, model), Ok(kind), "{mode:?} {model}");
        }
        let refused = Kind::of(Some("image_generation"), "openai/x").unwrap_err();
        assert!(refused.contains("image_generation"), "{refused}");
    }
}
