//! The demo, as somebody sees it who has just built the program.

use std::{
    collections::HashSet,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
};
use unicode_width::UnicodeWidthStr;

use crate::harness::{Books, binary, wait};

/// Everything is played by real processes: so this is the test of the whole of it.
#[tokio::test]
async fn it_plays_its_acts_survives_a_hangup_and_leaves_a_folder_behind() {
    let folder = fresh();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_signalbox"))
        .args(["demo", "--speed", "20", "--folder"])
        .arg(&folder)
        // What a shell was left with for another gateway is nothing to the demo's.
        .envs([("SIGNALBOX__SERVER__LISTEN", "127.0.0.1:1"), ("RUST_LOG", "off")])
        .envs([("signalbox__admin__listen", "nowhere"), ("SIGNALBOX__LEDGER__CURRENCY", "CHF")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("its output")).lines();
    let mut told = Vec::new();
    while let Some(line) = lines.next_line().await.expect("text") {
        let serves = line.starts_with("Serving until");
        told.push(line);
        if serves {
            break;
        }
    }
    is_alone_in(&folder).await;
    is_told_on_screens(&told.join("\n"));
    is_what_the_readme_shows(&told);
    for secret in ["demo.key", "staff.key", "kiosk.key", "admin.token", "pepper"] {
        let file = std::fs::metadata(folder.join(secret)).expect(secret);
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{secret}");
    }

    // What is edited is in force, and whoever hangs up on the demo means its gateway.
    let policy = folder.join("policy.toml");
    let text = std::fs::read_to_string(&policy).expect("the policy");
    std::fs::write(&policy, text.replace("bank-2026-11.3", "mine")).expect("the policy");
    tell(&demo, "-HUP").await;
    let log = folder.join("gateway.log");
    wait::found("another policy in force", async || {
        let log = std::fs::read_to_string(&log).expect("the log");
        if log.contains("\"policy_version\":\"mine\"") { Ok(()) } else { Err(log) }
    })
    .await;
    tell(&demo, "-TERM").await;
    let mut rest = String::new();
    lines.into_inner().read_to_string(&mut rest).await.expect("text");
    let ended = demo.wait().await.expect("a status");
    assert_eq!(ended.code(), Some(0), "{rest}");
    let config = folder.join("signalbox.toml").display().to_string();
    for command in ["sim", "serve"] {
        assert!(rest.contains(&format!("signalbox {command} --config {config}")), "{rest}");
    }

    is_complete(&folder).await;
    std::fs::remove_dir_all(folder).expect("the folder");
}

/// A second demo is told at once that one runs there, and touches nothing.
async fn is_alone_in(folder: &Path) {
    let config = folder.join("signalbox.toml");
    let before = std::fs::read(&config).expect("the configuration");
    let program = env!("CARGO_BIN_EXE_signalbox");
    let run = Command::new(program).args(["demo", "--once", "--folder"]).arg(folder).output();
    let run = run.await.expect("it runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!((run.status.code(), run.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("another demo runs in") && said.contains("--folder"), "{said}");
    assert_eq!(std::fs::read(&config).expect("the configuration"), before);
}

/// A screen with all ten models, and five acts in which nothing was otherwise than it must be.
fn is_told_on_screens(text: &str) {
    let screen = text.split("\nAct 1").next().expect("a screen");
    assert!(screen.lines().count() <= 40, "{screen}");
    let wide = text.lines().find(|line| line.width() > 110);
    assert_eq!(wide, None, "{text}");
    for model in policies::catalogue().models {
        assert!(screen.lines().any(|line| line.starts_with(&*model.id)), "{}: {screen}", model.id);
    }
    for act in ["Act 1", "Act 2", "Act 3", "Act 4", "Act 5", "the ledger is right", "Serving until"]
    {
        assert!(text.contains(act), "{act} is missing: {text}");
    }
    assert!(!text.contains("WRONG") && !text.contains("failed:"), "{text}");
}

/// What README shows of the demo is what it prints, line by line and in this order.
fn is_what_the_readme_shows(told: &[String]) {
    let page = include_str!("../../README.md");
    let shown = page.split("```text\n").nth(1).and_then(|it| it.split("```").next());
    let mut told = told.iter();
    for line in shown.expect("a block").lines() {
        assert!(told.any(|it| it == line), "README shows what does not come: {line}");
    }
}

/// Books in which nothing is open, and a configuration on which other commands work.
async fn is_complete(folder: &Path) {
    let books = Books::read(&folder.join("signalbox.db"));
    assert_eq!((books.verification.open, books.verification.faults.len()), (0, 0));
    let states: HashSet<&str> = books.entries.iter().map(|it| it.state).collect();
    assert_eq!(states, HashSet::from(["settled", "recovered"]));
    let check = binary::run(&folder.join("signalbox.toml"), &["check"]).await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let server = binary::Server::start(&folder.join("signalbox.toml")).await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

/// Two hours of the day, with the model that is away: the ledger says the same, and what watches it is there.
#[tokio::test]
async fn a_day_is_replayed_and_can_be_watched() {
    let folder = std::env::temp_dir().join(format!("signalbox-day-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder");
    std::fs::write(folder.join("alerts.yml"), "groups: []\n").expect("a file of somebody else");
    let run = Command::new(env!("CARGO_BIN_EXE_signalbox"))
        .args(["demo", "--hours", "2", "--pace", "1000", "--once", "--folder"])
        .arg(&folder)
        .output();
    let run = run.await.expect("it runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(!said.contains("WRONG") && said.lines().all(|line| line.width() <= 110), "{said}");
    for told in
        ["\n10:00 ", "\n10:20  outage", "\n10:40  outage is over", "\n11:00 ", "by\n  prometheus "]
    {
        assert!(said.contains(told), "{told}: {said}");
    }

    let text = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let day: serde_json::Value = serde_json::from_str(&text("day.json")).expect("JSON");
    assert_eq!(
        (&day["hours"], &day["pace"], &day["first_hour"]),
        (&2.into(), &1000.into(), &9.into())
    );
    let moment = |name: &str| day[name].as_i64().expect("a moment");
    let took = moment("ended_unix_ms") - moment("begins_unix_ms");
    assert!((7_200..60_000).contains(&took), "{day}");
    assert_eq!(day["troubles"][0]["from_minute"], 80, "{day}");

    let books = Books::read(&folder.join("signalbox.db"));
    assert_eq!((books.verification.open, books.verification.faults.len()), (0, 0));
    let requests = format!("caller {0} requests: {0} ok, 0 failed, 0 refused", books.entries.len());
    assert!(books.entries.len() > 60 && said.contains(&requests), "{requests}: {said}");
    assert!(books.entries.iter().all(|entry| entry.state == "settled"));
    let tried = |it: &&signalbox::store::Entry| {
        it.attempts.as_deref().is_some_and(|all| all.contains("qwen3.5-397b"))
            && it.model.as_deref() != Some("qwen3.5-397b")
    };
    assert!(books.entries.iter().any(|it| tried(&it)), "the model was never away");

    can_be_watched(&folder);
    std::fs::remove_dir_all(folder).expect("the folder");
}

/// Half a day with its experiment: all arms are compared, and the one that breaks is rolled back by itself.
#[tokio::test]
async fn the_experiment_of_the_day_is_reported_and_the_arm_that_breaks_is_rolled_back() {
    let folder = std::env::temp_dir().join(format!("signalbox-trial-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let run = Command::new(env!("CARGO_BIN_EXE_signalbox"))
        .args(["demo", "--hours", "4", "--pace", "1000", "--once", "--folder"])
        .arg(&folder)
        .output();
    let run = run.await.expect("it runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.lines().all(|line| line.width() <= 110), "{said}");
    for told in ["  rolled back: minimax of chat-ab, error: 0.", "minimax", "(rolled back)"] {
        assert!(said.contains(told), "{told}: {said}");
    }

    let config = folder.join("signalbox.toml");
    let read = async |arguments: &[&str]| -> serde_json::Value {
        let run = binary::run(&config, arguments).await;
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        serde_json::from_slice(&run.stdout).expect("JSON")
    };
    let listed = read(&["experiment", "list", "--json"]).await;
    assert_eq!((&listed["state"], &listed["primary"]), (&"rolled_back".into(), &"success".into()));
    let report = read(&["experiment", "report", "chat-ab", "--json"]).await;
    let arms = report["arms"].as_array().expect("arms");
    let names: Vec<_> = arms.iter().map(|it| it["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["gpt-oss", "qwen", "deepseek", "minimax"]);
    for arm in arms {
        let is_broken = arm["name"] == "minimax";
        assert_eq!(arm["rolled_back"], is_broken, "{arm}");
        let known = |metric: &str| arm["metrics"][metric]["n"].as_u64().expect("a number");
        assert!(arm["units"].as_u64() >= Some(25), "{arm}");
        for metric in ["success", "cost", "first_token_ms", "error"] {
            assert!(known(metric) >= 25, "{metric}: {arm}");
        }
    }
    assert_eq!(report["srm"]["ok"], true, "{report}");
    let qwen = &report["comparisons"][0];
    assert_eq!((&qwen["arm"], &qwen["metric"]), (&"qwen".into(), &"success".into()));
    assert!(qwen["difference"].as_f64() > Some(0.1), "{qwen}");
    assert!(said.contains("signalbox experiment report chat-ab: "), "{said}");
    let reader = signalbox::store::Reader::open(&folder.join("signalbox.db")).expect("a ledger");
    let changes = reader.experiment_changes().expect("changes");
    let [change] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((change.arm.as_deref(), &*change.by), (Some("minimax"), "guard"), "{change:?}");
    assert!(change.reason.starts_with("error: 0."), "{change:?}");
    std::fs::remove_dir_all(folder).expect("the folder");
}

/// What Prometheus and Grafana need is there, and what somebody else wrote is as it was.
fn can_be_watched(folder: &Path) {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    assert_eq!(text("alerts.yml"), "groups: []\n");
    let (scrape, config) = (text("prometheus.yml"), text("signalbox.toml"));
    let target = scrape.split("targets: [\"").nth(1).and_then(|it| it.split('"').next());
    assert!(config.contains(&format!("listen = \"{}\"", target.expect("a target"))), "{scrape}");
    // On this machine nobody needs a token for metrics, and the operators' own is nothing for Prometheus.
    assert!(!scrape.contains("admin.token") && folder.join("admin.token").exists());
    assert!(text("rules.yml").contains("record: team:signalbox_cost:increase1h"));
    let provider = text("grafana/provisioning/dashboards/signalbox.yml");
    let boards = folder.join("grafana/dashboards");
    assert!(provider.contains(&format!("path: \"{}\"", boards.display())), "{provider}");
    assert!(text("grafana/provisioning/datasources/signalbox.yml").contains("127.0.0.1:9091"));
    for board in ["cost", "latency", "routing", "fleet", "experiments"] {
        let board: serde_json::Value =
            serde_json::from_str(&text(&format!("grafana/dashboards/{board}.json"))).expect("JSON");
        assert!(board["panels"].as_array().is_some_and(|it| !it.is_empty()), "{board}");
    }
}

/// What cannot be replayed is said before anything is written.
#[tokio::test]
async fn a_day_that_is_none_is_refused() {
    for (arguments, said) in [
        (&["--hours", "0"][..], "0 is not in 1..=24"),
        (&["--hours", "25"][..], "25 is not in 1..=24"),
        (&["--hours", "8", "--pace", "0"][..], "0 is not in 1..=1000"),
        (&["--hours", "8", "--pace", "1001"][..], "1001 is not in 1..=1000"),
        (&["--hours", "eight"][..], "invalid digit"),
        (&["--pace", "60"][..], "--hours"),
        (&["--hours", "8", "--real"][..], "--real"),
    ] {
        let program = env!("CARGO_BIN_EXE_signalbox");
        let run =
            Command::new(program).arg("demo").args(arguments).output().await.expect("it runs");
        let error = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(64), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

async fn tell(demo: &tokio::process::Child, signal: &str) {
    let id = demo.id().expect("it runs").to_string();
    let told = Command::new("kill").args([signal, &id]).status().await.expect("kill");
    assert!(told.success());
}

fn fresh() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("signalbox-demo-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
