//! Keys that are known in another section than the one in which they stand.

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
    }
}

/// A path without the numbers of its lists.
fn without_numbers(path: &str) -> String {
    let parts = path.split('.').map(|part| part.split('[').next().unwrap_or_default());
    parts.collect::<Vec<_>>().join(".")
}
