//! Keys that are known in another section than the one in which they stand, or by another name.

use policies::Fault;

/// The section whose key is not known, the keys, and where they belong.
const ELSEWHERE: &[(&str, &[&str], &str)] = &[
    ("model", &["url", "weight", "concurrency_max", "api_key"], "[[model.endpoint]]"),
    (
        "model.endpoint",
        &[
            "capabilities",
            "context_tokens_max",
            "licence",
            "output_tokens_max",
            "price",
            "probe",
            "timeouts",
            "upstream_model",
            "zone",
        ],
        "[[model]]",
    ),
    ("", &["listen", "body_bytes_max", "cors_origins"], "[server]"),
    ("", &["currency", "sqlite", "retention_days"], "[ledger]"),
    ("", &["rule", "default", "guard", "set", "route"], "the file that [policy] names"),
    ("policy", &["rule", "default", "guard", "set", "route"], "the file that it names"),
    ("server", &["token", "metrics_token"], "[admin]"),
    ("key", &["parent"], "[[team]]"),
    ("team", &["secret", "hash", "expires"], "[[key]]"),
];

/// Words of other gateways and of engines: the section, the keys, and what is meant here.
const FOREIGN: &[(&str, &[&str], &str)] = &[
    (
        "model",
        &["max_output_tokens", "max_tokens", "max_completion_tokens", "max_new_tokens"],
        "`output_tokens_max`, the longest answer",
    ),
    (
        "model",
        &[
            "max_model_len",
            "max_input_tokens",
            "max_context_tokens",
            "max_seq_len",
            "context_window",
            "context_length",
            "context_size",
            "num_ctx",
            "n_ctx",
        ],
        "`context_tokens_max`, prompt and answer together",
    ),
    ("model", &["name", "model_name"], "`id`, by which callers ask for it"),
    ("model", &["model", "served_model_name"], "`upstream_model`, the name its engine knows it by"),
    ("model", &["base_url", "api_base", "endpoints"], "`url` in [[model.endpoint]]"),
    (
        "model",
        &["rpm", "tpm", "rate_limit", "limits", "requests_per_minute", "tokens_per_minute"],
        "`limits` of a [[team]] or [[key]], such as { requests_per_minute = 60, tokens_per_minute = 100000 \
         }, or `concurrency_max` in [[model.endpoint]]",
    ),
    (
        "model",
        &["max_parallel_requests", "max_concurrency"],
        "`concurrency_max` in [[model.endpoint]]",
    ),
    (
        "model",
        &["temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty"],
        "nothing: callers say it, and it reaches the model as they say it",
    ),
    (
        "model",
        &["input_cost_per_token", "output_cost_per_token", "cost", "input_price", "output_price"],
        "`price = { input_per_mtok = \"0.60\", output_per_mtok = \"2.40\" }`, for a million tokens",
    ),
    (
        "model",
        &["timeout", "request_timeout", "timeout_ms", "stream_timeout"],
        "`timeouts = { first_token_ms = 30000, total_ms = 600000 }`",
    ),
    ("model", &["provider", "custom_llm_provider", "backend"], "`engine`, such as \"vllm\""),
    (
        "model",
        &["supports_vision", "supports_function_calling", "supports_tools", "features"],
        "`capabilities`, such as [\"vision\", \"tools\"]",
    ),
    ("model.endpoint", &["base_url", "api_base", "address", "host"], "`url`"),
    ("model.endpoint", &["key", "token", "auth"], "`api_key`, as env:NAME or file:path"),
    (
        "model.endpoint",
        &["max_parallel_requests", "max_concurrency", "max_num_seqs", "rpm", "tpm"],
        "`concurrency_max`, requests at a time",
    ),
    (
        "key",
        &["rpm", "rpm_limit", "requests_per_minute"],
        "`limits = { requests_per_minute = 60 }`",
    ),
    (
        "key",
        &["tpm", "tpm_limit", "tokens_per_minute"],
        "`limits = { tokens_per_minute = 100000 }`",
    ),
    ("key", &["max_parallel_requests", "concurrent"], "`limits = { concurrent = 4 }`"),
    (
        "key",
        &["max_budget", "budget_duration", "spend"],
        "`budget = { amount = \"50.00\", window = \"month\" }`",
    ),
    (
        "server",
        &["host", "port", "bind", "addr", "address"],
        "`listen`, such as \"127.0.0.1:8080\"",
    ),
    (
        "",
        &["model_list", "litellm_settings", "router_settings", "general_settings", "providers"],
        "[[model]], [[key]] and the sections of docs/CONFIG.md: this is a word of another gateway",
    ),
];

/// Says of an unknown key where it belongs, if it is one of another section.
pub(super) fn tell(fault: &mut Fault) {
    let Some(key) = fault.found.strip_prefix('`').and_then(|it| it.strip_suffix('`')) else {
        return;
    };
    let (section, last) = fault.path.rsplit_once('.').unwrap_or(("", &fault.path));
    // Only of what is not known; a value that is wrong is none of this.
    if last != key || !fault.expected.starts_with("a known key") {
        return;
    }
    let section = without_numbers(section);
    let there = ELSEWHERE.iter().find(|(of, keys, _)| *of == section && keys.contains(&key));
    if let Some((_, _, there)) = there {
        fault.expected = format!("`{key}` to stand in {there}");
        return;
    }
    // What a team says, a key says in the same words.
    let of = if section == "team" { "key" } else { section.as_str() };
    let meant = FOREIGN.iter().find(|(section, keys, _)| *section == of && keys.contains(&key));
    if let Some((_, _, meant)) = meant {
        fault.expected = (*meant).to_owned();
    }
}

/// A path without the numbers of its lists.
fn without_numbers(path: &str) -> String {
    let parts = path.split('.').map(|part| part.split('[').next().unwrap_or_default());
    parts.collect::<Vec<_>>().join(".")
}
