//! `signalbox sim` by itself: what it writes serves, it stands in for others, and its page tells the truth.

use std::path::Path;

use serde_json::{Value, json};
use signalbox::sim::InjectedFault;

use crate::harness::{
    Reply, Setup, ask,
    binary::{self, Server, Simulated, run_in},
    gateway::{self, Folder},
};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

async fn post(url: &str, body: &str) -> Reply {
    Reply::of(gateway::client().post(url).body(body.to_owned())).await
}

#[tokio::test]
async fn the_configuration_that_it_writes_serves_at_once() {
    let folder = Folder::empty();
    let arguments = ["--speed", "100", "--unknown-models", "refuse", "--write-config", "ready"];
    let sim = Simulated::start(&folder.0, &arguments).await;
    let config = folder.0.join("ready/signalbox.toml");
    let key = read(&folder.0.join("ready/sim.key"));
    let server = Server::anywhere(&config).await;
    for model in ["auto", "sea-lion-v4", "qwen3.5-397b"] {
        let reply = Reply::of(server.post_with(&key, &ask(model))).await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
    }
    let online = binary::run(&config, &["check", "--online"]).await;
    assert_eq!(online.status.code(), Some(0), "{online:?}");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    // Started anew it has other ports, and the same key opens.
    sim.end().await;
    let sim = Simulated::start(&folder.0, &arguments).await;
    assert!(read(&config).contains(&sim.url("glm-5.2")));
    assert_eq!(read(&folder.0.join("ready/sim.key")), key);
}

#[tokio::test]
async fn a_configuration_of_somebody_else_is_left_alone() {
    let folder = Folder::empty();
    std::fs::write(folder.0.join("mine.toml"), "[server]\n").expect("a file");
    let sim = run_in(&folder.0, &["sim", "--write-config", "mine.toml"]).await;
    assert_eq!(sim.status.code(), Some(1), "{sim:?}");
    let said = String::from_utf8_lossy(&sim.stderr).into_owned();
    assert!(said.contains("mine.toml was not written by the simulated fleet"), "{said}");
    assert_eq!(read(&folder.0.join("mine.toml")), "[server]\n");
}

#[tokio::test]
async fn it_stands_in_for_the_backends_of_a_configuration() {
    let folder = Folder::empty();
    let first = Simulated::start(&folder.0, &["--only", "glm-5.2,gpt-oss-20b"]).await;
    let urls = |model: &str| -> Vec<String> {
        let all = first.models[model].as_array().expect("a list");
        all.iter().map(|it| it.as_str().expect("a URL").to_owned()).collect()
    };
    let setup = Setup::new()
        .model("glm-5.2", &urls("glm-5.2"))
        .model("house", &urls("gpt-oss-20b"))
        .model("away", &["http://192.0.2.1:8000/v1".into()]);
    let config = setup.write();
    let before = (first.url("glm-5.2"), urls("gpt-oss-20b"));
    first.end().await;
    let path = config.config().display().to_string();
    let arguments = ["--config", &path, "--unknown-models", "refuse", "--speed", "100"];
    let second = Simulated::start(&folder.0, &arguments).await;
    assert_eq!(second.models, json!({ "glm-5.2": [before.0], "house": before.1 }));
    for (model, name, status) in
        [("glm-5.2", "scripted", 200), ("house", "house", 200), ("house", "other", 404)]
    {
        let url = format!("{}/chat/completions", second.url(model));
        let reply = post(&url, &ask(name).to_string()).await;
        assert_eq!(reply.status, status, "{model} as {name}: {}", reply.text());
    }
    let server = Server::start(&config.config()).await;
    let reply = Reply::of(server.post(&ask("glm-5.2"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn every_fault_is_documented_and_every_example_works() {
    let page = include_str!("../../docs/SIM.md");
    let help = binary::run(Path::new("x.toml"), &["sim", "--help"]).await;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let faults = InjectedFault::ALL;
    for fault in faults {
        let row = format!("| `{}` | {} |\n", fault.name(), fault.says());
        assert!(page.contains(&row), "docs/SIM.md lacks {row:?}");
        assert!(help.contains(fault.says()), "--help lacks {}", fault.name());
    }
    let documented = page.split("\n## ").filter(|it| it.starts_with("The "));
    let rows: usize = documented.map(|it| it.matches("\n| `").count()).sum();
    assert_eq!(rows, faults.len() + 5, "a row that is no fault or order");
    let sim = Simulated::start(&Folder::empty().0, &[]).await;
    let examples = page.lines().chain(help.lines());
    let examples =
        examples.filter_map(|line| line.trim().strip_prefix("curl http://127.0.0.1:9200"));
    let mut count = 0;
    for example in examples {
        count += 1;
        let (path, body) = example.split_once(" -d ").unwrap_or((example, ""));
        let url = format!("{}{}", sim.control, path.trim());
        let body = body.trim().trim_matches('\'');
        let reply = match body {
            "" => Reply::of(gateway::client().get(url)).await,
            body => post(&url, body).await,
        };
        assert_eq!(reply.status, 200, "{example}: {}", reply.text());
    }
    assert!(count >= 10, "{count} examples");
    let listed = Reply::of(gateway::client().get(format!("{}/sim/faults", sim.control))).await;
    let listed: Value = listed.json();
    assert_eq!(listed.as_object().expect("an object").len(), faults.len());
}
