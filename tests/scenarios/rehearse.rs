//! A policy before it is in force: judged, compared, rehearsed on what the ledger holds.

use serde_json::{Value, json};

use crate::harness::{KEY, Reply, Setup, SimBackend, ask, binary, wait, with};

const NOW: &str = "version = \"now\"\n[default]\nroute = [\"small\"]\n";
const NEW: &str = "version = \"new\"\n[[rule]]\nname = \"all\"\nroute = [\"large\"]\n\
     [default]\nroute = [\"small\"]\n";
/// Its second rule never routes.
const WRONG: &str = "version = \"wrong\"\n\
     [[rule]]\nname = \"chat\"\nwhen = { operation = [\"chat\"] }\nroute = [\"small\"]\n\
     [[rule]]\nname = \"streams\"\nwhen = { operation = [\"chat\"], stream = true }\nroute = [\"large\"]\n\
     [default]\nroute = [\"small\"]\n";

fn setup(up: &SimBackend, policy: &str) -> Setup {
    Setup::new()
        .model("small", &up.urls())
        .model_with("large", &[], "[[model.endpoint]]\nurl = \"http://127.0.0.1:9/v1\"\n")
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", policy)
        .file("new.toml", NEW)
}

#[tokio::test]
async fn a_rehearsal_prices_what_would_move_and_guards_a_merge() {
    let up = SimBackend::start();
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
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
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
async fn another_policy_takes_over_without_a_restart_and_a_wrong_one_never() {
    let up = SimBackend::start();
    let folder = Setup::new()
        .model("small", &up.urls())
        .model("large", &up.urls())
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", NOW)
        .write();
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    let guarded = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
    std::fs::write(folder.config(), guarded).expect("the configuration");
    let server = binary::Server::start(&folder.config()).await;
    let served = async || {
        let answer = server.post(&ask("auto")).send().await.expect("an answer");
        answer.headers()["x-signalbox-model"].to_str().expect("a name").to_owned()
    };
    assert_eq!(served().await, "small");
    assert_eq!(server.admin("/admin/v1/policy").await, 401);
    std::fs::write(folder.0.join("policy.toml"), NEW).expect("a policy");
    server.hangup().await;
    let new = async || version_is(&server, "new").await;
    wait::answers("the new policy is in force", true, new).await;
    assert_eq!(served().await, "large");
    let metrics = server.page("/metrics", KEY).await;
    assert!(metrics.contains("signalbox_policy_info{") && metrics.contains("\"new\""), "{metrics}");
    std::fs::write(folder.0.join("policy.toml"), WRONG).expect("a policy");
    server.hangup().await;
    for _ in 0..40 {
        assert!(!version_is(&server, "wrong").await, "a wrong policy is in force");
        assert_eq!(served().await, "large");
    }
    assert_eq!(served().await, "large");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_decision_for_a_request_is_shown_and_nothing_is_sent() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("small", &up.urls()).start().await;
    let url = gateway.url("/v1/route");
    let request = gateway.client.post(&url).bearer_auth(KEY).body(ask("auto").to_string());
    let said = Reply::of(request).await;
    assert_eq!(said.status, 200, "{}", said.text());
    let said = said.json();
    assert_eq!(said["decision"]["plan"][0]["model"], "small", "{said}");
    assert_eq!(said["signals"]["requested"], "auto");
    let nobody = gateway.client.post(&url).body(ask("auto").to_string());
    assert_eq!(Reply::of(nobody).await.status, 401);
    let books = gateway.close().await;
    assert!(books.entries.is_empty(), "a question has an entry");
}

/// A question needs no entry, so that an operator may ask even while nothing can be entered.
#[tokio::test]
async fn the_decision_is_shown_while_the_ledger_takes_no_entry() {
    let up = SimBackend::start();
    let low = format!("disk_free_bytes_min = {}\n", 1_u64 << 50);
    let gateway = Setup::new().model("small", &up.urls()).ledger(&low).start().await;
    assert_eq!(gateway.ask(&ask("auto")).await.status, 503, "nothing is accepted");
    let request = gateway.client.post(gateway.url("/v1/route")).bearer_auth(KEY);
    let said = Reply::of(request.body(ask("auto").to_string())).await;
    assert_eq!(said.status, 200, "{}", said.text());
    assert_eq!(said.json()["decision"]["plan"][0]["model"], "small");
    assert_eq!(up.seen().requests, 0);
    assert!(gateway.close().await.entries.is_empty());
}

async fn version_is(server: &binary::Server, version: &str) -> bool {
    server.page("/admin/v1/policy", KEY).await.contains(&format!("\"version\":\"{version}\""))
}

#[tokio::test]
async fn a_policy_with_a_dead_rule_is_not_loaded() {
    let up = SimBackend::start();
    let folder = setup(&up, WRONG).write();
    let out = binary::run(&folder.config(), &["check"]).await;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains("rule[1]") && text.contains("`chat` takes every request"), "{text}");
    let lint = binary::run(&folder.config(), &["policy", "lint", "policy.toml"]).await;
    assert_ne!(lint.status.code(), Some(0));
}

/// A rule and an experiment for each kind of unit, told apart by a tag.
fn by_unit(arms: &str) -> String {
    let one = |unit: &str| {
        format!(
            "[[rule]]\nname = \"{unit}\"\nwhen = {{ tag = [\"unit={unit}\"] }}\nroute = [\"small\"]\n\
             experiment = \"by-{unit}\"\n\
             [[experiment]]\nname = \"by-{unit}\"\nunit = \"{unit}\"\nprimary = \"error\"\n{arms}\n"
        )
    };
    let all: String = ["user", "key", "session", "request"].map(one).concat();
    format!("version = \"now\"\n{all}[default]\nroute = [\"small\"]\n")
}

fn two(names: [&str; 2]) -> String {
    let [one, two] = names;
    format!(
        "arms = [{{ name = \"{one}\", share = 0.5, route = [\"small\"] }}, \
         {{ name = \"{two}\", share = 0.5, route = [\"large\"] }}]"
    )
}

#[tokio::test]
async fn a_rehearsal_gives_each_past_request_the_arm_that_its_unit_had() {
    let up = SimBackend::start();
    let folder = Setup::new()
        .model("small", &up.urls())
        .model("large", &up.urls())
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", &by_unit(&two(["old", "new"])))
        .file("renamed.toml", &by_unit(&two(["old", "newer"])))
        .file("without.toml", NOW)
        .write();
    let server = binary::Server::start(&folder.config()).await;
    let mut arms = std::collections::BTreeMap::<String, u64>::new();
    // Of so many units, each arm and each move has some: fewer leave one out by chance, one run in thirty.
    let rounds = 48_u64;
    for at in 0..rounds {
        for unit in ["user", "key", "session", "request"] {
            let body = with(ask("auto"), json!({ "user": format!("u{at}") }));
            let request = server.post(&body).header("x-signalbox-tags", format!("unit={unit}"));
            let reply = Reply::of(request.header("x-signalbox-session", format!("s{at}"))).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            *arms.entry(reply.header("x-signalbox-experiment").to_owned()).or_default() += 1;
        }
    }
    assert_eq!(arms.len(), 7, "both arms of all but the one key: {arms:?}");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let replay = async |policy: &str| -> (Value, String) {
        let policy = folder.0.join(policy).display().to_string();
        let arguments = ["policy", "replay", "--since", "1h", "--policy", &policy];
        let text = binary::run(&folder.config(), &arguments).await;
        let json = binary::run(&folder.config(), &[&arguments[..], &["--json"]].concat()).await;
        let found: Value = serde_json::from_slice(&json.stdout).expect("JSON");
        (found["found"].clone(), String::from_utf8_lossy(&text.stdout).into_owned())
    };
    let (found, text) = replay("policy.toml").await;
    assert_eq!(
        (&found["all"]["requests"], &found["all"]["moved"]),
        (&json!(4 * rounds), &json!(0)),
        "{found}"
    );
    assert_eq!(found["arms"], json!({}), "{found}");
    assert!(!text.contains("another arm"), "{text}");
    let (found, text) = replay("renamed.toml").await;
    for unit in ["user", "session", "request"] {
        let moved = format!("by-{unit}=new → by-{unit}=newer");
        assert!(found["arms"][&moved]["requests"].as_u64() >= Some(1), "{moved}: {found}");
        assert!(text.contains(&moved) && text.contains("requests have another arm"), "{text}");
    }
    // Without experiments, each loses the arm that it had.
    let (found, _) = replay("without.toml").await;
    for (arm, requests) in &arms {
        assert_eq!(found["arms"][format!("{arm} → -")]["requests"], *requests, "{found}");
    }
}
