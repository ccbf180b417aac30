//! Configurations: what is enough, and that every fault is told at once, without a secret in it.

use std::path::Path;

use policies::{Fault, facts::Tokens};
use proptest::prelude::*;

use super::{
    Config,
    validate::{Outside, validate},
};

const BARE: &str = r#"
    [server]
    [[model]]
    id = "small"
    price = "free"
    [[model.endpoint]]
    url = "http://127.0.0.1:8000/v1/"
    [[key]]
    name = "me"
    secret = "env:KEY"
"#;

fn read(text: &str) -> Result<Config, Vec<Fault>> {
    let table = text.parse().unwrap();
    let secret = |reference: &str| match reference {
        "env:KEY" | "env:QWEN_KEY" | "env:CHATBOT_KEY" => Ok(String::from("sk-do-not-tell")),
        other if other.starts_with("env:") => Err(format!("{other}, which is not set")),
        _ => Err(String::from("a value that is no reference")),
    };
    let file = |path: &Path| match path.ends_with("good.toml") {
        true => Ok(String::from("version = \"f\"\n[default]\nroute = [\"*\"]")),
        false => Err(String::from("no such file")),
    };
    validate(&table, &Outside { folder: Path::new("/etc/sb"), secret: &secret, read: &file })
}

fn faults(text: &str) -> Vec<Fault> {
    read(text).unwrap_err()
}

#[test]
fn a_bare_start_is_enough() {
    let config = read(BARE).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.ledger.sqlite, Path::new("/etc/sb/signalbox.db"));
    assert_eq!(config.policy.version(), "default-1");
    assert_eq!(&*config.teams[0].name, "default");
    assert_eq!(config.models[0].endpoints[0].url.path(), "/v1");
    assert_eq!(config.policy.fleet().models[0].output_tokens_default, Tokens(8_192));
}

#[test]
fn the_example_is_good() {
    let config = read(include_str!("../../deploy/signalbox.toml")).unwrap();
    assert_eq!((config.models.len(), config.teams.len(), config.keys.len()), (2, 3, 1));
    assert!(!format!("{config:?}").contains("do-not-tell"), "a secret was printed");
}

#[test]
fn a_policy_file_is_read_and_only_one_policy_is_named() {
    let with = |policy: &str| read(&format!("{BARE}\n[policy]\n{policy}"));
    assert_eq!(with("file = \"good.toml\"").unwrap().policy.version(), "f");
    let path = |policy: &str| with(policy).unwrap_err()[0].path.clone();
    assert_eq!(path("file = \"gone.toml\""), "policy.file");
    assert_eq!(path("preset = \"bnak\""), "policy.preset");
    assert_eq!(path("preset = \"bank\"\nfile = \"good.toml\""), "policy.file");
}

const WRONG: &str = r#"
    surprise = 1
    [server]
    listen = "nowhere"
    body_bytes_max = -1
    tls = { cert = "x" }
    [admin]
    listen = "0.0.0.0:9090"
    [ledger]
    currency = "dollars"
    durability = "pwer"
    [shield]
    n_max = 0
    [alias]
    fast = 7
    gone = ["nobody"]
    [[model]]
    id = "a b"
    capabilities = ["tols"]
    languages = ["zz"]
    context_tokens_max = 100
    output_tokens_max = 200
    price = { input_per_mtok = 0.2 }
    [[model.endpoint]]
    url = "ftp://x"
    [[model.endpoint]]
    url = "http://user@host/v1"
    api_key = "env:NOT_SET"
    [[model]]
    id = "auto"
    [[team]]
    name = "x"
    parent = "y"
    budget = { amount = "5000000000", timezone = "Mars/Base" }
    [[team]]
    name = "y"
    parent = "x"
    [[key]]
    name = "k"
    team = "z"
    hash = "sha1:00"
    [[key]]
    name = "k"
    secret = "sk-plain"
    hash = "hmac-sha256:00"
"#;

#[test]
fn every_fault_is_told_at_once() {
    let faults = faults(WRONG);
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    for path in [
        "surprise",
        "server.listen",
        "server.body_bytes_max",
        "server.tls",
        "admin.token",
        "ledger.currency",
        "ledger.durability",
        "shield.n_max",
        "alias.fast",
        "model[0].id",
        "model[0].capabilities[0]",
        "model[0].languages[0]",
        "model[0].output_tokens_max",
        "model[0].price.input_per_mtok",
        "model[0].price.output_per_mtok",
        "model[0].endpoint[0].url",
        "model[0].endpoint[1].url",
        "model[0].endpoint[1].api_key",
        "model[1].id",
        "model[1].price",
        "model[1].endpoint",
        "team[0].budget.amount",
        "team[0].budget.timezone",
        "team[0].parent",
        "key[0].team",
        "key[0].hash",
        "key[1].name",
        "key[1].hash",
    ] {
        assert!(paths.contains(&path), "{path} is not among {paths:#?}");
    }
    let of = |path: &str| faults.iter().find(|fault| fault.path == path).unwrap();
    assert!(of("ledger.durability").expected.contains("did you mean `power`?"));
    assert!(of("model[0].capabilities[0]").expected.contains("did you mean `tools`?"));
    assert!(of("server.tls").expected.contains("not supported by this version"));
    assert!(of("team[0].budget.amount").expected.contains("larger ledger currency"));
}

#[test]
fn a_secret_that_stands_in_the_file_is_refused_and_not_repeated() {
    let text = BARE.replace("env:KEY", "sk-this-is-the-key");
    let faults = faults(&text);
    assert_eq!(faults[0].path, "key[0].secret");
    assert!(!format!("{faults:?}").contains("sk-this-is-the-key"));
}

#[test]
fn children_may_stand_before_their_parents() {
    let text =
        format!("{BARE}\n[[team]]\nname = \"child\"\nparent = \"bank\"\n[[team]]\nname = \"bank\"");
    let config = read(&text).unwrap();
    let names: Vec<&str> = config.teams.iter().map(|team| &*team.name).collect();
    assert_eq!(names, ["default", "bank", "child"]);
    assert_eq!(config.teams[2].parent.map(policies::facts::TeamIndex::get), Some(1));
}

proptest! {
    /// Whatever is cut out of the example or put into it: a configuration or faults, never a panic.
    #[test]
    fn any_change_is_read_or_told(at in 0..2_000usize, cut in 0..30usize, put in "[ -~]{0,12}") {
        let text = include_str!("../../deploy/signalbox.toml");
        let at = at.min(text.len());
        let changed = [&text[..at], &put, &text[(at + cut).min(text.len())..]].concat();
        if changed.parse::<toml::Table>().is_ok()
            && let Err(faults) = read(&changed)
        {
            prop_assert!(!faults.is_empty());
        }
    }
}
