//! The models that the catalogue knows, found by whatever name an engine gives them.

use toml::{Table, Value};

/// A model of the catalogue.
#[derive(Debug)]
pub(in crate::cli) struct KnownModel {
    /// Its id there.
    pub id: String,
    /// What is known of it, by the keys of a configuration.
    pub fields: Table,
    /// Its names without what differs between engines.
    plain: [Vec<String>; 2],
}

/// What the name of a model ends in when its weights were made smaller or stand in another format.
const QUANTISED: [&str; 27] = [
    "gguf",
    "awq",
    "gptq",
    "bnb",
    "mlx",
    "exl2",
    "qat",
    "quantized",
    "fp4",
    "fp8",
    "fp16",
    "bf16",
    "f16",
    "f32",
    "nvfp4",
    "mxfp4",
    "int4",
    "int8",
    "w4a16",
    "w8a8",
    "w8a16",
    "4bit",
    "8bit",
    "6bit",
    "ud",
    "latest",
    "free",
];
/// What stands between such words, and means nothing alone.
const BETWEEN: [&str; 13] =
    ["k", "m", "s", "l", "xl", "xs", "xxs", "nl", "0", "1", "dynamic", "block", "a8"];

/// All models of the catalogue.
pub(in crate::cli) fn catalogue() -> Vec<KnownModel> {
    let table: Table = policies::CATALOGUE.parse().unwrap_or_default();
    let models = table.get("model").and_then(Value::as_array).into_iter().flatten();
    models.filter_map(Value::as_table).filter_map(KnownModel::read).collect()
}

impl KnownModel {
    fn read(fields: &Table) -> Option<Self> {
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        let (id, upstream) = (text("id")?, text("upstream_model")?);
        Some(Self {
            id: id.to_owned(),
            fields: fields.clone(),
            plain: [plain(id), plain(upstream)],
        })
    }

    /// The model of this name at an engine.
    pub(in crate::cli) fn find<'a>(all: &'a [Self], name: &str) -> Option<&'a Self> {
        let name = plain(name);
        all.iter().find(|known| known.plain.contains(&name))
    }

    /// A list of texts, such as its tags.
    pub(in crate::cli) fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        let list = self.fields.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }

    /// A number of tokens.
    pub(in crate::cli) fn tokens(&self, key: &str) -> Option<u32> {
        u32::try_from(self.fields.get(key)?.as_integer()?).ok()
    }
}

/// The parts of a model's name in small letters, without its maker, the form of its weights and the ending
/// of its file.
fn plain(name: &str) -> Vec<String> {
    let name = short(name).to_ascii_lowercase();
    let mut parts: Vec<String> = name.split(['-', '_', ':', ' ']).map(str::to_owned).collect();
    let bits = |part: &str| {
        let rest = part.strip_prefix('i').unwrap_or(part).strip_prefix('q');
        rest.is_some_and(|it| it.len() == 1 && it.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut end = parts.len();
    for (at, part) in parts.iter().enumerate().skip(1).rev() {
        match part.as_str() {
            part if QUANTISED.contains(&part) || bits(part) => end = at,
            part if BETWEEN.contains(&part) => {}
            _ => break,
        }
    }
    parts.truncate(end);
    parts
}

/// A model's name without its maker or the folder it stands in, and without the ending of its file.
fn short(name: &str) -> &str {
    let name = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
    name.strip_suffix(".gguf").unwrap_or(name)
}

/// The name by which a model that nobody knows is called here: its engine's, in small letters, of what
/// names are made of.
pub(in crate::cli) fn id_of(upstream: &str) -> String {
    let shown = match plain(upstream) {
        // Such names keep their colon: `qwen3:32b`.
        parts if upstream.contains(':') && parts.len() == 2 => parts.join(":"),
        parts => parts.join("-"),
    };
    fitting(&shown)
}

/// The same with all that it ends in.
pub(super) fn whole_id_of(upstream: &str) -> String {
    fitting(&short(upstream).to_ascii_lowercase())
}

fn fitting(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    let id: String = name.chars().map(|c| if fits(c) { c } else { '-' }).take(90).collect();
    match id.split_once(':') {
        // What policies choose several models by.
        Some((selector @ ("family" | "tag"), rest)) => format!("{selector}-{rest}"),
        _ if id.is_empty() || id == "auto" => format!("model-{id}"),
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_whatever_name_its_engine_gives_it() {
        let all = catalogue();
        for (name, id) in [
            ("Qwen/Qwen3.5-397B-A17B", Some("qwen3.5-397b")),
            ("Qwen/Qwen3.5-397B-A17B-FP8", Some("qwen3.5-397b")),
            ("qwen3.5-397b", Some("qwen3.5-397b")),
            ("QWEN3.5-397B-A17B-AWQ", Some("qwen3.5-397b")),
            ("gpt-oss:120b", Some("gpt-oss-120b")),
            ("openai/gpt-oss-120b", Some("gpt-oss-120b")),
            ("openai/gpt-oss-20b:free", Some("gpt-oss-20b")),
            ("/models/gpt-oss-20b-MXFP4.gguf", Some("gpt-oss-20b")),
            ("unsloth/gemma-4-31B-it-UD-Q4_K_XL.gguf", Some("gemma-4-31b")),
            ("gemma-4-31b-it-qat-q4_0", Some("gemma-4-31b")),
            ("deepseek-ai/DeepSeek-V3.2", Some("deepseek-v3.2")),
            ("deepseek-ai/DeepSeek-V3.2-Exp", None),
            ("deepseek-ai/DeepSeek-V3.2-FP8-legal", None),
            ("Qwen/Qwen3-Coder-Next-2512", None),
            ("meta-llama/Llama-3.3-70B-Instruct", None),
            ("", None),
            ("fp8", None),
        ] {
            let found = KnownModel::find(&all, name).map(|known| known.id.as_str());
            assert_eq!(found, id, "{name}");
        }
    }

    #[test]
    fn an_unknown_model_gets_a_short_name() {
        for (upstream, id) in [
            ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b-instruct"),
            ("/models/Qwen3-8B-Q4_K_M.gguf", "qwen3-8b"),
            ("qwen3:32b", "qwen3:32b"),
            ("Haus Modell (neu)", "haus-modell--neu-"),
            ("auto", "model-auto"),
            ("tag:7b", "tag-7b"),
            ("日本", "--"),
        ] {
            assert_eq!(id_of(upstream), id);
            assert!(crate::config::single::name(&id_of(upstream)).is_ok());
        }
    }
}
