//! A policy before it is in force: judged, compared, rehearsed on what the ledger holds.

use crate::harness::{Setup, Upstream, ask, binary};

const NOW: &str = "version = \"now\"\n[default]\nroute = [\"small\"]\n";
const NEW: &str = "version = \"new\"\n[[rule]]\nname = \"all\"\nroute = [\"large\"]\n\
     [default]\nroute = [\"small\"]\n";
/// Its second rule never routes.
const WRONG: &str = "version = \"wrong\"\n\
     [[rule]]\nname = \"chat\"\nwhen = { operation = [\"chat\"] }\nroute = [\"small\"]\n\
     [[rule]]\nname = \"streams\"\nwhen = { operation = [\"chat\"], stream = true }\nroute = [\"large\"]\n\
     [default]\nroute = [\"small\"]\n";

fn setup(up: &Upstream, policy: &str) -> Setup {
    Setup::new()
        .model("small", &up.urls())
        .model_with("large", &[], "[[model.endpoint]]\nurl = \"http://127.0.0.1:9/v1\"\n")
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", policy)
        .file("new.toml", NEW)
}

#[tokio::test]
async fn a_rehearsal_prices_what_would_move_and_guards_a_merge() {
    let up = Upstream::start();
    let folder = setup(&up, NOW).write();
    // `large` costs five times as much: the harness prices all alike, so its table is written again.
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    let dear = text.replacen(
        "id = \"large\"\nupstream_model = \"scripted\"\nprice = { input_per_mtok = \"1.00\", \
         output_per_mtok = \"2.00\" }",
        "id = \"large\"\nupstream_model = \"scripted\"\nprice = { input_per_mtok = \
         \"5.00\", output_per_mtok = \"10.00\" }",
        1,
    );
    assert_ne!(text, dear, "{text}");
    std::fs::write(folder.config(), dear).expect("the configuration");
    let server = binary::Server::start(&folder.config()).await;
    for _ in 0..3 {
        let answer = server.post(&ask("auto")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let new = folder.0.join("new.toml").display().to_string();
    let replay = |more: &'static [&'static str]| {
        let arguments: Vec<String> = ["policy", "replay", "--policy", &new, "--since", "1h"]
            .into_iter()
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect();
        let config = folder.config();
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            binary::run(&config, &arguments).await
        }
    };
    let out = replay(&[]).await;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}");
    assert!(text.contains("on 3 served requests: 3 move, 0 would be refused"), "{text}");
    assert!(text.contains("(+400.0 %)") && text.contains("small → large"), "{text}");
    assert_eq!(replay(&["--max-cost-increase", "5%"]).await.status.code(), Some(3));
    assert_eq!(replay(&["--max-cost-increase", "500%"]).await.status.code(), Some(0));
    let json = replay(&["--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["found"]["moves"]["small → large"]["requests"], 3, "{json}");
    assert_eq!(replay(&["--max-cost-increase", "much"]).await.status.code(), Some(64));

    let diff = binary::run(
        &folder.config(),
        &["policy", "diff", &folder.0.join("policy.toml").display().to_string(), &new],
    )
    .await;
    let text = String::from_utf8_lossy(&diff.stdout).into_owned();
    assert!(text.contains("every request") && text.contains("+ large in order"), "{text}");
}

#[tokio::test]
async fn a_policy_with_a_dead_rule_is_not_loaded() {
    let up = Upstream::start();
    let folder = setup(&up, WRONG).write();
    let out = binary::run(&folder.config(), &["check"]).await;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains("rule[1]") && text.contains("`chat` takes every request"), "{text}");
    let lint = binary::run(&folder.config(), &["policy", "lint", "policy.toml"]).await;
    assert_ne!(lint.status.code(), Some(0));
}
