//! The text of a configuration and of a first policy.

use std::fmt::Write;

use toml::Value;

use super::models::Model;

/// What a configuration says beside its models.
#[derive(Debug)]
pub(in crate::cli) struct Head {
    /// The comment it begins with, each line with its `#`.
    pub comment: String,
    /// `[policy]`, as one line.
    pub policy: String,
    /// The lines of `[identity]`, if there are any.
    pub identity: String,
    /// The team of the key.
    pub team: String,
    /// The key's name.
    pub key_name: String,
    /// Its `hash` or `secret`, as one line.
    pub credential: String,
}

/// A price that is none, and what is to be done about it.
const NO_PRICE: &str = "\
# FILL IN: nothing is known of its price. As long as it is free, budgets and reports count nothing for it.
# price = { input_per_mtok = \"0.20\", output_per_mtok = \"0.60\" }
price = \"free\"
";
/// What requests contain raises their class only where somebody says to which.
const CONTENT: &str = "
# What a request contains can raise its data class; above `data_class_max` it is refused.
# [data_class.content]
# payment_card = \"confidential\"
# national_id = \"confidential\"
# secret = \"secret\"
";
/// What nobody but the operator knows of a model.
const NOT_KNOWN: &str = "\
# FILL IN what it can do, or requests that need it are not sent here: of tools, json_schema, vision, audio,
# reasoning, logprobs. `family`, `languages` and `tags` are names that a policy can choose by.
capabilities = []
";

/// What holds where a configuration does not say how large a context is.
const CONTEXT_TOKENS_DEFAULT: u32 = 32_768;

/// The parts of a price, in the order in which they are read.
const PRICE: [&str; 5] = [
    "input_per_mtok",
    "cached_input_per_mtok",
    "cache_write_per_mtok",
    "output_per_mtok",
    "reasoning_per_mtok",
];

/// A configuration.
pub(in crate::cli) fn config(head: &Head, models: &[Model<'_>]) -> String {
    let Head { comment, policy, identity, team, key_name, credential } = head;
    let mut text = format!(
        "{comment}
[server]
listen = \"127.0.0.1:8080\"       # callers: POST /v1/chat/completions, GET /v1/models

[admin]
listen = \"127.0.0.1:9090\"       # operators: /metrics, /livez, /readyz

[policy]
{policy}

[ledger]
sqlite = \"signalbox.db\"         # each request and what it cost, on disk before its first byte leaves
currency = \"USD\"                # of all prices and budgets
{identity}{CONTENT}"
    );
    for model in models {
        text.push('\n');
        text.push_str(&one(model));
    }
    if team != "default" {
        let team = quoted(team);
        let _ = write!(
            text,
            "\n[[team]]\nname = {team}\n\
             # budget = {{ amount = \"500.00\", window = \"month\" }}   # refused beyond it\n\
             # data_class_max = \"confidential\"                       # the highest class it may send\n"
        );
    }
    let (team, key_name) = (quoted(team), quoted(key_name));
    let _ = write!(
        text,
        "\n[[key]]\nname = {key_name}\nteam = {team}\n{credential}\n\
         # limits = {{ requests_per_minute = 60, concurrent = 8 }}\n\
         # budget = {{ amount = \"50.00\", window = \"month\" }}     # `hard = false` only counts\n"
    );
    text
}

/// A model with its endpoints.
fn one(model: &Model<'_>) -> String {
    let mut text = format!("[[model]]\nid = {}\n", quoted(&model.id));
    if model.upstream != model.id {
        let _ = writeln!(text, "upstream_model = {}", quoted(&model.upstream));
    }
    if let Some(engine) = model.engine {
        let _ = writeln!(text, "engine = {}", quoted(engine));
    }
    known_field(&mut text, model, "family");
    room(&mut text, model);
    if model.known.is_some() {
        for key in ["capabilities", "languages", "tags", "licence"] {
            known_field(&mut text, model, key);
        }
    } else {
        text.push_str(NOT_KNOWN);
    }
    match &model.zone {
        Some(zone) => drop(writeln!(text, "zone = {}", quoted(zone))),
        None => text.push_str(
            "# zone = \"on_prem\"   # FILL IN where it runs: guards keep data in zones\n",
        ),
    }
    match model.known.and_then(|known| known.fields.get("price")) {
        Some(price) => {
            let part = |key: &&str| Some(format!("{key} = {}", price.get(*key)?));
            let parts: Vec<String> = PRICE.iter().filter_map(part).collect();
            let parts = parts.join(", ");
            let _ = writeln!(
                text,
                "# An EXAMPLE: what one host asks for it, in USD for a million tokens. Write yours here.\n\
                 price = {{ {parts} }}"
            );
        }
        None => text.push_str(NO_PRICE),
    }
    for (url, api_key) in &model.endpoints {
        let _ = writeln!(text, "[[model.endpoint]]\nurl = {}", quoted(url));
        if let Some(api_key) = api_key {
            let _ = writeln!(text, "api_key = {}", quoted(api_key));
        }
    }
    text
}

/// How much a model can read and write.
fn room(text: &mut String, model: &Model<'_>) {
    let known = model.known.and_then(|known| known.tokens("context_tokens_max"));
    let context = match (model.context, known) {
        (Some((tokens, "meta.n_ctx_train")), _) => {
            let said =
                "what it was trained for (meta.n_ctx_train): its engine may run with less (-c)";
            let _ = writeln!(text, "context_tokens_max = {tokens}   # FILL IN: {said}");
            tokens
        }
        (Some((tokens, field)), _) => {
            let _ = writeln!(text, "context_tokens_max = {tokens}   # its engine's {field}");
            tokens
        }
        (None, Some(tokens)) => {
            let said = "its maker's figure; the engine does not say with how much it runs";
            let _ = writeln!(text, "context_tokens_max = {tokens}   # {said}");
            tokens
        }
        (None, None) => {
            text.push_str(
                "# FILL IN: its engine does not say how much it can read; 32768 holds otherwise.\n",
            );
            text.push_str("# context_tokens_max = 32768\n");
            CONTEXT_TOKENS_DEFAULT
        }
    };
    let known = model.known.and_then(|known| known.tokens("output_tokens_max"));
    if let Some(output) = model.output_tokens_max.or(known) {
        let _ = writeln!(text, "output_tokens_max = {}", output.min(context));
    }
}

fn known_field(text: &mut String, model: &Model<'_>, key: &str) {
    if let Some(value) = model.known.and_then(|known| known.fields.get(key)) {
        let _ = writeln!(text, "{key} = {value}");
    }
}

/// A text as TOML writes it.
pub(in crate::cli) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A first policy: what these models allow, and no more.
pub(super) fn policy(models: &[Model<'_>]) -> String {
    let mut text = String::from(
        "\
# What decides. Rules are read from the top: the first that matches and has a route routes, else the default
# route does. A rule without a route is a guard: it binds every route, and models asked for by name.
version = \"first-1\"

[default]
",
    );
    text.push_str(&default_route(models));
    if let Some(home) = models.iter().find_map(|model| model.zone.as_deref()) {
        let _ = write!(
            text,
            "\n# A guard: data of these classes stays in this zone, whatever else is up or down.\n\
             [[rule]]\nname = \"confidential-stays-home\"\n\
             when = {{ data_class = [\"confidential\", \"secret\"] }}\n\
             require = {{ zone = [{}] }}\n",
            quoted(home)
        );
    }
    let tagged = |tag| {
        let has = move |model: &&Model<'_>| {
            model.known.is_some_and(|known| known.list("tags").any(|it| it == tag))
        };
        models.iter().filter(has).collect::<Vec<_>>()
    };
    let route = |first: &[&Model<'_>]| {
        let ids: Vec<String> = first.iter().map(|it| quoted(&it.id)).collect();
        format!("route = [{}, \"*\"]", ids.join(", "))
    };
    let code = tagged("coding");
    if !code.is_empty() && code.len() < models.len() {
        let route = route(&code);
        let when = "when = { task = [\"coding\"] }";
        let _ = write!(text, "\n[[rule]]\nname = \"code\"\n{when}\n{route}\n");
    }
    let regional = tagged("regional");
    if !regional.is_empty() && regional.len() < models.len() {
        let languages = Value::from(languages(&regional));
        let when = format!("when = {{ language = {languages} }}");
        let route = route(&regional);
        let _ = write!(text, "\n[[rule]]\nname = \"regional-languages\"\n{when}\n{route}\n");
    }
    text.push_str(GO_ON);
    text
}

/// What follows the rules.
const GO_ON: &str = r#"
# To go on, add rules, such as
#
#   [[rule]]
#   name = "long"
#   when = { input_tokens = { min = 30000 } }
#   route = ["…", "*"]
#
# and then: signalbox policy lint                   what it can never do, each with a request that shows it
#           signalbox explain request.json          the decision for one request, nothing is sent
#           signalbox policy replay --policy NEW    what would have changed for the requests of the ledger
# `preset = "bank"` instead of `file` in signalbox.toml is a larger one; docs/POLICY.md has all conditions.
"#;

/// By cost where every price is known; else in an order that a free model does not begin.
fn default_route(models: &[Model<'_>]) -> String {
    let price = |model: &Model<'_>| {
        let price = model.known?.fields.get("price")?;
        let part = |key: &str| price.get(key)?.as_str()?.parse::<f64>().ok();
        Some(part("input_per_mtok")? + part("output_per_mtok")?)
    };
    if let [only] = models {
        return format!("route = [{}]\n", quoted(&only.id));
    }
    let mut priced: Vec<_> = models.iter().map(|model| (price(model), model)).collect();
    if priced.iter().all(|(price, _)| price.is_some()) {
        return "route = { among = [\"*\"], by = \"cost\" }   # the cheapest that can serve it first\n".into();
    }
    priced.sort_by(|(one, _), (other, _)| {
        let last = |price: &Option<f64>| price.unwrap_or(f64::INFINITY);
        last(one).total_cmp(&last(other))
    });
    let ids: Vec<String> = priced.iter().map(|(_, model)| quoted(&model.id)).collect();
    format!(
        "# In this order. Once all have prices: {{ among = [\"*\"], by = \"cost\" }}\nroute = [{}]\n",
        ids.join(", ")
    )
}

/// The languages of these models but English, which all of them read.
fn languages(models: &[&Model<'_>]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for language in
        models.iter().filter_map(|model| model.known).flat_map(|it| it.list("languages"))
    {
        if language != "en" && !all.iter().any(|it| it == language) {
            all.push(language.to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        app::{ListedBackend, ListedModel},
        cli::init::{choice::Backend, known, models::Models},
        config,
    };

    /// Names as engines list them, and as nobody would; never with what no list is read with.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{1,40}",
            "(org/|/m/)?[A-Za-z0-9.:_-]{1,20}(-FP8|-Q4_K_M\\.gguf|:free)?",
            "\\PC{1,12}",
            prop::sample::select(vec![
                "auto",
                "tag:x",
                "family:qwen",
                "*",
                "Qwen/Qwen3.5-397B-A17B",
                "gpt-oss:20b",
                "qwen3-coder-next",
                "aisingapore/Gemma-SEA-LION-v4-27B-IT",
            ])
            .prop_map(str::to_owned),
        ]
    }

    fn listed() -> impl Strategy<Value = ListedModel> {
        let tokens = || prop::option::of(1..100_000_000_u32);
        let model = (name(), tokens(), tokens(), any::<bool>());
        model.prop_map(|(id, context, output_tokens_max, adapter)| ListedModel {
            id: id.trim().to_owned(),
            root: None,
            adapter,
            owned_by: Some("vllm".to_owned()),
            context_tokens_max: context.map(|tokens| (tokens, "max_model_len")),
            output_tokens_max,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever engines list, what is written of it is a configuration, and its policy has no error.
        #[test]
        fn what_is_written_loads(
            lists in prop::collection::vec(prop::collection::vec(listed(), 1..6), 1..4),
            zones in prop::collection::vec(prop::option::of("[a-z_]{1,8}"), 4),
        ) {
            let catalogue = known::catalogue();
            let mut found = Models::default();
            for (nth, (models, zone)) in lists.into_iter().zip(zones).enumerate() {
                let models = models.into_iter().filter(|it| !it.id.is_empty()).collect();
                let base = format!("http://10.0.0.{nth}:8000/v1");
                let backend = Backend { name: None, url: base.clone(), api_key: None, zone };
                // A list with nothing to take is refused, and that is said.
                let _ = found.take(&backend, &ListedBackend { base, models }, &catalogue);
            }
            prop_assume!(!found.models.is_empty());
            let head = Head {
                comment: String::new(),
                policy: "file = \"policy.toml\"".into(),
                identity: String::new(),
                team: "retail".into(),
                key_name: "first".into(),
                credential: format!("hash = \"hmac-sha256:{}\"", "0".repeat(64)),
            };
            let name = format!("signalbox-render-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let (text, policy) = (config(&head, &found.models), policy(&found.models));
            std::fs::write(folder.join("signalbox.toml"), &text).unwrap();
            std::fs::write(folder.join("policy.toml"), &policy).unwrap();
            let loaded = config::load(Some(&folder.join("signalbox.toml")));
            prop_assert!(loaded.is_ok(), "{:?}\n{text}\n{policy}", loaded.err());
            let facts = loaded.unwrap().policy.fleet().models.len();
            prop_assert_eq!(facts, found.models.len());
        }
    }
}
