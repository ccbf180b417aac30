//! What is promised of an import as a whole: no key is lost, no secret is written, and what is written loads.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

use super::{
    book::Outcome,
    reasons, report,
    translate::{Translation, translate},
};
use crate::config;

const EXAMPLES: [&str; 4] = ["balanced", "budgets", "mixed", "kinds"];

fn translated(text: &str) -> Translation {
    translate(text, &|_| None).unwrap()
}

fn folder() -> PathBuf {
    let name = format!("signalbox-import-{}-{:?}", std::process::id(), std::thread::current().id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Loads what was written, each variable as a file of its own, and looks for errors of its policy.
fn load([config, policy]: &[String; 2]) -> Result<String, String> {
    let folder = folder();
    let mut text = config.clone();
    for name in config.split("\"env:").skip(1).filter_map(|it| it.split('"').next()) {
        fs::write(folder.join(name), format!("a-secret-for-{name}-0123456789")).unwrap();
        text = text.replace(&format!("\"env:{name}\""), &format!("\"file:{name}\""));
    }
    fs::write(folder.join("signalbox.toml"), text).unwrap();
    fs::write(folder.join("policy.toml"), policy).unwrap();
    let loaded = config::load(Some(&folder.join("signalbox.toml")));
    fs::remove_dir_all(&folder).unwrap();
    let loaded = loaded.map_err(|it| format!("{it:?}\n{config}\n{policy}"))?;
    let findings = policies::lint::lint(&loaded.policy);
    Ok(findings.iter().map(|it| format!("{it}\n")).collect())
}

fn shown(name: &str, text: &str) -> String {
    let found = translated(text);
    let [config, policy] = found.texts.as_ref().unwrap();
    let list = report::list(&found);
    let findings = load(found.texts.as_ref().unwrap()).unwrap();
    format!(
        "# What `signalbox import litellm {name}.yaml` writes and says.\n\n--- signalbox.toml\n{config}\n\
         --- policy.toml\n{policy}\n--- the list\n{list}\n--- policy lint\n{findings}"
    )
}

#[test]
fn examples_become_what_stands_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    for name in EXAMPLES {
        let text = fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
        let (shown, golden) = (shown(name, &text), folder.join(format!("{name}.txt")));
        if std::env::var_os("SIGNALBOX_GOLDEN").is_some() {
            fs::write(&golden, &shown).unwrap();
        }
        let kept = fs::read_to_string(golden).unwrap_or_default();
        assert_eq!(shown, kept, "{name}: SIGNALBOX_GOLDEN=1 writes it anew");
        for secret in ["gsk-this", "sk-1234"] {
            assert!(!shown.contains(secret), "{name} repeats a secret");
        }
    }
}

/// Keys that are carried over, each with a value, beside those of which the reason is known.
const CARRIED: [(&str, &str, &str); 63] = [
    ("params", "litellm_credential_name", "c0"),
    ("params", "blocked", "true"),
    ("params", "use_litellm_proxy", "false"),
    ("info", "blocked", "false"),
    ("litellm", "api_base", "http://10.0.0.8:8000/v1"),
    ("params", "api_key", "sk-literal-secret"),
    ("params", "api_key", "os.environ/SOME_KEY"),
    ("params", "api_key", "none"),
    ("params", "api_base", "http://10.0.0.9:8000/v1"),
    ("params", "api_base", "https://me:pw-secret@host/v1"),
    ("params", "api_base", "os.environ/NOWHERE"),
    ("params", "custom_llm_provider", "openai"),
    ("params", "custom_llm_provider", "bedrock"),
    ("params", "rpm", "100"),
    ("params", "tpm", "x"),
    ("params", "weight", "0.7"),
    ("params", "weight", "0"),
    ("params", "order", "2"),
    ("params", "dimensions", "256"),
    ("params", "timeout", "1.5"),
    ("params", "stream_timeout", "60"),
    ("params", "max_tokens", "4000000"),
    ("params", "tags", "[a, b]"),
    ("params", "input_cost_per_token", "2.5e-06"),
    ("params", "output_cost_per_token", "0.00001"),
    ("params", "cache_read_input_token_cost", "1e-30"),
    ("info", "mode", "chat"),
    ("info", "mode", "embedding"),
    ("info", "mode", "rerank"),
    ("info", "mode", "image_generation"),
    ("info", "max_input_tokens", "100"),
    ("info", "max_output_tokens", "200"),
    ("info", "max_tokens", "50000"),
    ("info", "max_tokens", "0"),
    ("info", "supports_vision", "true"),
    ("info", "supports_reasoning", "maybe"),
    ("info", "access_groups", "[x, 'not a name']"),
    ("info", "access_groups", "[x]"),
    ("info", "output_cost_per_token", "5e-06"),
    ("info", "input_cost_per_token", "[1]"),
    ("router", "routing_strategy", "latency-based-routing"),
    ("router", "routing_strategy", "cost-based-routing"),
    ("router", "routing_strategy", "usage-based-routing-v2"),
    ("router", "routing_strategy", "mine"),
    ("router", "num_retries", "9"),
    ("router", "timeout", "20"),
    ("router", "model_group_alias", "{other: m0, m1: m0, third: {model: m1, hidden: true}}"),
    ("router", "fallbacks", "[{m0: [m1, gone]}, {\"*\": [m2]}]"),
    ("router", "context_window_fallbacks", "[{m1: [m0]}]"),
    ("router", "default_fallbacks", "[m2]"),
    ("litellm", "fallbacks", "[{m2: [m0]}]"),
    ("litellm", "num_retries", "1"),
    ("litellm", "request_timeout", "600"),
    ("litellm", "max_budget", "12.5"),
    ("litellm", "budget_duration", "7d"),
    ("litellm", "json_logs", "true"),
    ("litellm", "set_verbose", "false"),
    ("general", "master_key", "sk-master-secret"),
    ("general", "master_key", "os.environ/MASTER"),
    ("general", "max_request_size_mb", "4"),
    ("general", "max_parallel_requests", "5"),
    ("general", "global_max_parallel_requests", "0"),
    ("top", "include", "[more.yaml]"),
];

/// A key of which nobody knows anything, or one of which it is known why it is not carried over.
fn other() -> impl Strategy<Value = (String, String, String)> {
    let known: Vec<_> = reasons::all()
        .filter_map(|(section, key, _)| {
            let section = match section {
                "model_list[].litellm_params" => "params",
                "model_list[].model_info" => "info",
                "router_settings" => "router",
                "litellm_settings" => "litellm",
                "general_settings" => "general",
                _ => return None,
            };
            Some((section.to_owned(), key.to_owned()))
        })
        .collect();
    let unknown = ["params", "info", "router", "litellm", "general", "top"]
        .map(|it| (it.to_owned(), String::from("nobody.knows this")));
    let values =
        ["1", "true", "text", "[a, b]", "{a: 1, b: {c: [d]}}", "[{x: 1}, [2, [3]]]", "{}", "null"];
    (
        prop::sample::select([known, unknown.to_vec()].concat()),
        prop::sample::select(values.to_vec()),
    )
        .prop_map(|((section, key), value)| (section, key, value.to_owned()))
}

fn key() -> impl Strategy<Value = (String, String, String)> {
    let carried = prop::sample::select(CARRIED.to_vec())
        .prop_map(|(section, key, value)| (section.to_owned(), key.to_owned(), value.to_owned()));
    prop_oneof![2 => carried, 1 => other()]
}

/// A mapping in one line, each key once.
fn mapping(keys: &[(String, String, String)], section: &str, own: &str) -> String {
    let mut seen = BTreeSet::new();
    let mut all: Vec<String> = Vec::new();
    all.extend((!own.is_empty()).then(|| own.to_owned()));
    for (of, key, value) in keys {
        if *of == section && !own.contains(&format!("{key}:")) && seen.insert(key) {
            all.push(format!("{key:?}: {value}"));
        }
    }
    format!("{{{}}}", all.join(", "))
}

fn file() -> impl Strategy<Value = String> {
    let model = prop::sample::select(vec![
        "openai/gpt-4o",
        "hosted_vllm/Qwen/Qwen3-32B",
        "groq/openai/gpt-oss-20b",
        "ollama/qwen3:8b",
        "anthropic/claude-sonnet-4",
        "text-embedding-3-small",
        "hosted_vllm/BAAI/bge-embed",
        "ollama/BAAI/bge-embed",
        "openai/an embedding (of ours)",
        "openai/an-embedding--of-ours-",
        "cohere/rerank-v3.5",
        "together_ai/x/reranker",
        "azure/x",
        "nobody",
        "openai/*",
    ]);
    let name = prop::sample::select(vec![
        "m0",
        "m1",
        "m2",
        "m0",
        "a name, \"quoted\"",
        "m/*",
        "auto",
        "tag:x",
    ]);
    let entry = (name, model, prop::collection::vec(key(), 0..8));
    let rest = prop::collection::vec(key(), 0..16);
    (prop::collection::vec(entry, 0..7), rest).prop_map(|(entries, rest)| {
        let mut text = String::from("model_list:\n");
        for (name, model, keys) in entries {
            let params = mapping(&keys, "params", &format!("model: {model:?}"));
            let info = mapping(&keys, "info", "");
            text += &format!(
                "- {{model_name: {name:?}, litellm_params: {params}, model_info: {info}}}\n"
            );
        }
        for (name, section) in [
            ("router_settings", "router"),
            ("litellm_settings", "litellm"),
            ("general_settings", "general"),
        ] {
            text += &format!("{name}: {}\n", mapping(&rest, section, ""));
        }
        let top = mapping(&rest, "top", "");
        let credentials = "[{credential_name: c0, credential_values: {api_key: sk-literal-credential, \
                           api_base: \
                           'http://10.0.0.10:8000/v1', api_version: x}, credential_info: {a: b}}]";
        text + &format!(
            "other: {top}\nenvironment_variables: {{A: secret-a}}\ncredential_list: {credentials}\n"
        )
    })
}

/// The paths of all leaves of a file, found in another way than the book finds them.
fn leaves(path: &str, value: &super::yaml::Node, all: &mut Vec<String>) {
    use super::yaml::Node;
    let flat = |items: &[Node]| items.iter().all(|it| matches!(it, Node::Scalar(..)));
    match value {
        Node::Map(entries) if !entries.is_empty() => {
            for (key, node) in entries {
                let word = key.chars().all(|c| c.is_ascii_alphanumeric() || "_-/*".contains(c));
                let key = if word && !key.is_empty() {
                    key.clone()
                } else {
                    format!("\"{}\"", key.escape_debug())
                };
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{key}"), node, all);
            }
        }
        Node::List(items) if !flat(items) => {
            for (nth, node) in items.iter().enumerate() {
                leaves(&format!("{path}[{nth}]"), node, all);
            }
        }
        _ => all.push(path.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever keys a file has, each leaf has one outcome, none of its secrets is repeated, and what is
    /// written is a configuration whose policy has no error.
    #[test]
    fn each_key_has_one_outcome_and_what_is_written_loads(text in file()) {
        let tree = super::yaml::read(&text).unwrap();
        let mut expected = Vec::new();
        leaves("", &tree, &mut expected);
        let found = translated(&text);
        let listed: Vec<&str> = found.book.in_order().iter().map(|it| it.0).collect();
        prop_assert_eq!(&listed, &expected, "{}", &text);
        for (path, outcome, _) in found.book.in_order() {
            let unknown = path.contains("nobody.knows") || path.starts_with("other");
            let entry_left = matches!(outcome, Outcome::Left(why) if why.contains("is not carried over"));
            prop_assert_eq!(unknown && !entry_left, *outcome == Outcome::Unknown, "{}\n{}", path, &text);
        }
        let said = report::list(&found) + &report::json_lines(&found);
        let texts = found.texts.clone().unwrap_or_default();
        for secret in ["sk-literal", "pw-secret", "sk-master", "secret-a"] {
            prop_assert!(!said.contains(secret) && !texts.concat().contains(secret), "{}", &text);
        }
        if found.texts.is_some() {
            let findings = load(&texts);
            let good = findings.as_ref().is_ok_and(|it| !it.contains("error"));
            prop_assert!(good, "{:?}\n{}", findings, &text);
        }
    }
}

/// The kinds and spaces of models.
type Kinds = BTreeSet<(String, Option<String>)>;

/// What of a file can be asked for by each name: kind and space of all models that it leads to.
fn reached(texts: &[String; 2]) -> Vec<(String, Kinds)> {
    let config: toml::Table = texts[0].parse().unwrap();
    let policy: toml::Table = texts[1].parse().unwrap();
    let tables = |of: &toml::Table, key: &str| -> Vec<toml::Table> {
        let all = of.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        all.map(|it| it.as_table().unwrap().clone()).collect()
    };
    let text = |of: &toml::Table, key: &str| of.get(key)?.as_str().map(str::to_owned);
    let names = |it: &toml::Value| -> Vec<String> {
        let all = it.as_array().into_iter().flatten();
        all.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let models = tables(&config, "model");
    let of = |id: &String| {
        let model = models.iter().find(|it| text(it, "id").as_ref() == Some(id)).unwrap();
        let kind = text(model, "kind").unwrap_or_else(|| String::from("chat"));
        (kind, text(model, "vector_space"))
    };
    let mut found: Vec<_> = models
        .iter()
        .filter_map(|it| text(it, "id"))
        .map(|id| (id.clone(), BTreeSet::from([of(&id)])))
        .collect();
    for (name, stands) in config.get("alias").and_then(toml::Value::as_table).into_iter().flatten()
    {
        found.push((name.clone(), names(stands).iter().map(of).collect()));
    }
    for rule in tables(&policy, "rule") {
        let ids = names(&rule["route"]["among"]);
        found.push((text(&rule, "name").unwrap(), ids.iter().map(of).collect()));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever stands under one name or comes after it, the name leads to models of one kind, and of one
    /// space where they have vectors; a space is of one model at its engines.
    #[test]
    fn no_name_leads_to_two_kinds_or_two_spaces(text in file()) {
        let found = translated(&text);
        let Some(texts) = &found.texts else { return Ok(()) };
        for (name, kinds) in reached(texts) {
            prop_assert!(kinds.len() <= 1, "{}: {:?}\n{}", name, kinds, &text);
        }
        let config: toml::Table = texts[0].parse().unwrap();
        let mut spaces = std::collections::BTreeMap::new();
        for model in config["model"].as_array().unwrap() {
            let Some(space) = model.get("vector_space") else { continue };
            let upstream = model.get("upstream_model").unwrap_or(&model["id"]).as_str().unwrap();
            let first = spaces.entry(space.as_str().unwrap().to_owned()).or_insert(upstream.to_owned());
            prop_assert_eq!(&*first, upstream, "{}", &text);
        }
    }
}

#[test]
fn every_reason_is_a_sentence_and_no_key_has_two() {
    let mut seen = BTreeSet::new();
    for (section, key, why) in reasons::all() {
        assert!(seen.insert((section, key)), "{section}.{key} stands twice");
        assert!(why.len() > 10 && !section.is_empty(), "{section}.{key}: {why}");
        let deeper = if section == "model_list[]" { "" } else { ".deeper[3]" };
        let path = format!("{}.{key}{deeper}", section.replace("[]", "[12]"));
        assert_eq!(reasons::of(&path), Some(why), "{path}");
    }
    assert!(seen.len() > 250, "{}", seen.len());
    assert_eq!(reasons::of("router_settings.redis_hosts"), None);
    assert_eq!(reasons::of("model_list[0].x"), None);
}

/// The list of a file with these entries, and its configuration.
fn listed(entries: &[&str], rest: &str) -> (String, Option<String>) {
    let entries: String = entries.iter().map(|it| format!("- {it}\n")).collect();
    let found = translated(&format!("model_list:\n{entries}{rest}"));
    let list = report::list(&found);
    (list, found.texts.map(|[config, _]| config))
}

#[test]
fn what_is_not_served_to_all_is_not_carried_over() {
    for (at, keys, served) in [
        ("params", "blocked: true", false),
        ("info", "blocked: true", false),
        ("entry", "blocked: yes", false),
        ("info", "blocked: 1", false),
        ("info", "blocked: [x]", false),
        ("info", "team_id: t1", false),
        ("info", "team_id: [t1]", false),
        ("info", "team_public_model_name: gpt", false),
        ("params", "blocked: false", true),
        ("info", "blocked: null", true),
        ("info", "team_id: null, team_public_model_name: ''", true),
    ] {
        let of = |part: &str| if part == at { keys } else { "" };
        let model = "model: openai/x, api_base: 'http://a/v1'";
        let entry = format!(
            "{{model_name: m, litellm_params: {{{model}, {}}}, model_info: {{{}}}, {}}}",
            of("params"),
            of("info"),
            of("entry")
        );
        let (list, config) = listed(&[&entry], "");
        assert_eq!(config.is_some(), served, "{at} {keys}\n{list}");
        assert_eq!(
            list.contains("`m` is not carried over: it is "),
            !served,
            "{at} {keys}\n{list}"
        );
    }
}

#[test]
fn a_group_that_is_no_tag_is_told_with_the_tag_that_it_could_be() {
    for (key, groups, said, tags) in [
        ("info", "[ok, beta testers]", "`beta testers`, which could be `beta-testers`", "[\"ok\"]"),
        ("info", "beta testers", "`beta testers`, which could be `beta-testers`", ""),
        (
            "params",
            "[a b, 'c,d', ok]",
            "`a b`, which could be `a-b`, `c,d`, which could be `c-d`",
            "[\"ok\"]",
        ),
    ] {
        let key_of = if key == "info" { "access_groups" } else { "tags" };
        let part = |it: &str| if it == key { format!("{key_of}: {groups}") } else { String::new() };
        let entry = format!(
            "{{model_name: m, litellm_params: {{model: ollama/x, {}}}, model_info: {{{}}}}}",
            part("params"),
            part("info")
        );
        let (list, config) = listed(&[&entry], "");
        let near = list.split("but not quite the same:").nth(1).unwrap();
        let near = near.split("\n\n").next().unwrap();
        assert!(near.contains(said) && near.contains("No key is kept from the model"), "{list}");
        assert_eq!(config.unwrap().contains(&format!("tags = {tags}")), !tags.is_empty());
    }
}

#[test]
fn prices_are_never_lost_without_a_word() {
    let of = |prices: &str| {
        let entry = format!("{{model_name: m, litellm_params: {{model: ollama/own, {prices}}}}}");
        listed(&[&entry], "")
    };
    let counts = "1 model has no price: budgets count nothing of it: m\n";
    for (prices, written) in [
        ("input_cost_per_token: 1e-17", "input_per_mtok = \"0.000000001\""),
        ("output_cost_per_token: 1.2345678912e-7", "output_per_mtok = \"0.12345679\""),
        ("input_cost_per_token: 0, output_cost_per_token: 0", "input_per_mtok = \"0.00\""),
    ] {
        let (list, config) = of(prices);
        assert!(config.unwrap().contains(written) && !list.contains(counts), "{prices}\n{list}");
        let rounded = list.contains("rounded up to nine decimals");
        assert_eq!(rounded, prices.contains("e-"), "{list}");
    }
    for prices in [
        "",
        "input_cost_per_token: 1e-6, output_cost_per_token: 1000000",
        "input_cost_per_token: x",
    ] {
        let (list, config) = of(prices);
        assert!(config.unwrap().contains("price = \"free\""), "{prices}");
        assert!(list.ends_with(counts), "{prices}\n{list}");
    }
}

#[test]
fn a_fallback_that_loses_shares_is_not_told_as_exact() {
    let entry = |name: &str, model: &str, more: &str| {
        format!("{{model_name: {name}, litellm_params: {{model: ollama/{model}, {more}}}}}")
    };
    let rest = |by: &str, to: &str| {
        format!("router_settings: {{routing_strategy: {by}, fallbacks: [{{a: [{to}]}}]}}")
    };
    let (shuffle, latency) = ("simple-shuffle", "latency-based-routing");
    for (second, by, to, said) in [
        (entry("b", "z", "weight: 9"), shuffle, "b", "the models of `b` are tried in an order"),
        (entry("b", "z", "order: 2"), shuffle, "b", ""),
        (entry("c", "z", ""), shuffle, "b", ""),
        (entry("a", "z", ""), shuffle, "b", ""),
        (entry("a", "z", ""), latency, "b", "the models of `a` are chosen by equal shares"),
        (entry("a", "x", ""), latency, "b", "the models of `a` are chosen by equal shares"),
    ] {
        let entries = [entry("a", "x", ""), entry("b", "y", "weight: 1"), second];
        let entries = entries.each_ref().map(String::as_str);
        let (list, _) = listed(&entries, &rest(by, to));
        let line = list.lines().find(|it| it.contains("fallbacks[0].a")).unwrap();
        // Two of the same model at one place are one model twice.
        assert!(line.contains(said), "{line}");
        assert_eq!(line.ends_with(": the order of the route"), said.is_empty(), "{line}");
    }
}

#[test]
fn models_that_speak_messages_alone_have_the_bound_of_the_file_or_are_told_to_have_one() {
    for (info, written) in [
        ("max_output_tokens: 64000, max_input_tokens: 200000", "\noutput_tokens_max = 64000"),
        ("max_tokens: 4096", "\noutput_tokens_max = 4096"),
        ("max_input_tokens: 200000", "# output_tokens_max = 8192"),
    ] {
        let entry = format!(
            "{{model_name: m, litellm_params: {{model: anthropic/claude-x}}, model_info: {{{info}}}}}"
        );
        let config = listed(&[&entry], "").1.unwrap();
        assert!(config.contains(written), "{config}");
        let told = config.contains("FILL IN: the file does not say how long its answers may be");
        assert_eq!(told, written.starts_with('#'), "{config}");
    }
}
