//! What was spent, as the books, the counters and the command say it; and entries followed as they settle.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use rusqlite::Connection;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::Folder,
    sim_backend::quick,
    streamed, wait,
};

const OTHER: &str = "sk-other-0123456789abcdef0123456789abcdef01";

/// Two teams under one, each with a key.
fn written(model: &SimBackend) -> Folder {
    setup(model).write()
}

fn setup(model: &SimBackend) -> Setup {
    let teams = "[[team]]\nname = \"bank\"\n[[team]]\nname = \"retail\"\nparent = \"bank\"\n\
         [[team]]\nname = \"kiosk\"\n[[key]]\nname = \"other\"\nteam = \"kiosk\"\n\
         secret = \"file:other.key\"\n";
    Setup::new()
        .model("m", &model.urls())
        .and(teams)
        .file("other.key", OTHER)
        .key("team = \"retail\"\n")
}

async fn asked(server: &Server, key: &str) {
    let reply = Reply::of(server.post_with(key, &ask("m"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Waits until so many entries are closed, and on disk.
async fn closed(folder: &Folder, entries: i64) {
    let count = async || {
        let connection = Connection::open(folder.ledger()).expect("the ledger");
        let select = "SELECT count(*) FROM ledger WHERE state = 'settled'";
        connection.query_row(select, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    wait::answers("they are settled", entries, count).await;
}

async fn spend(folder: &Folder, arguments: &[&str]) -> (String, String, Option<i32>) {
    let out = binary::run(&folder.config(), &[&["spend"], arguments].concat()).await;
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(out.stdout), text(out.stderr), out.status.code())
}

/// The money of each team as the view has it, in nano-units.
fn viewed(folder: &Folder) -> BTreeMap<String, i64> {
    let connection = Connection::open(folder.ledger()).expect("the ledger");
    let select = "SELECT team, sum(cost_nano) FROM ledger GROUP BY team";
    let mut select = connection.prepare(select).expect("a question");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("an answer");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// The same as the counter has it.
async fn counted(server: &Server) -> BTreeMap<String, i64> {
    let mut counted = BTreeMap::new();
    let page = server.page("/metrics", "").await;
    for line in page.lines().filter(|line| line.starts_with("signalbox_cost_total{")) {
        let team = line.split("team=\"").nth(1).and_then(|it| it.split('"').next());
        let value: f64 = line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a value");
        *counted.entry(team.expect("a team").to_owned()).or_default() +=
            (value * 1e9).round() as i64;
    }
    counted
}

fn nano(cost: &Value) -> i64 {
    let cost = cost.as_str().expect("money as text");
    let (whole, fraction) = cost.split_once('.').unwrap_or((cost, ""));
    format!("{whole}{fraction:0<9}").parse().expect("an amount")
}

#[tokio::test]
async fn what_two_teams_have_spent_is_the_same_in_the_books_the_counters_and_the_command() {
    let model = SimBackend::start();
    let folder = written(&model);
    let server = Server::start(&folder.config()).await;
    for key in [KEY, KEY, OTHER] {
        asked(&server, key).await;
    }
    closed(&folder, 3).await;
    let (text, _, code) = spend(&folder, &["--json", "--by", "team"]).await;
    assert_eq!(code, Some(0), "{text}");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let rows = report["rows"].as_array().expect("rows").iter();
    let rows: BTreeMap<String, i64> =
        rows.map(|row| (row["team"].as_str().unwrap().to_owned(), nano(&row["cost"]))).collect();
    assert_eq!(rows, viewed(&folder));
    assert_eq!(rows, counted(&server).await);
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["kiosk", "retail"]);
    assert_eq!(nano(&report["sums"][0]["cost"]), rows.values().sum::<i64>());
    assert_eq!((&report["sums"][0]["requests"], &report["timezone"]), (&3.into(), &"UTC".into()));
    // The team above has what the one beneath it spent, and one that never asked has nothing.
    let (text, _, code) = spend(&folder, &["--team", "bank", "--by", "team,key,day"]).await;
    assert_eq!(code, Some(0));
    assert!(text.contains("retail  scenario  2") && !text.contains("kiosk"), "{text}");
    // FOCUS says the same money, on a copy that needs no configuration.
    server.terminate().await;
    server.ended().await;
    let copy = folder.0.join("copy.db").display().to_string();
    std::fs::copy(folder.ledger(), &copy).expect("a copy");
    let focus = ["spend", "--format", "focus", "--tz", "Asia/Singapore", "--ledger", &copy];
    let out = binary::run(&folder.0.join("none.toml"), &focus).await;
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    let cost = |line: &str| nano(&Value::from(line.split(',').next().expect("a cost")));
    let costs: i64 = text.lines().skip(1).map(cost).sum();
    assert_eq!(costs, rows.values().sum::<i64>(), "{text}");
    let (_, fault, code) = spend(&folder, &["--team", "nobody"]).await;
    assert_eq!(code, Some(1));
    assert!(fault.contains("no team `nobody` has ever asked; known are bank, "), "{fault}");
    // A team that is configured and has never asked has spent nothing, until somebody of it asks.
    setup(&model).and("[[team]]\nname = \"fresh\"\n").write_into(&folder);
    for more in [&[][..], &["--true-cost"], &["--format", "csv"], &["--json"]] {
        let (text, fault, code) = spend(&folder, &[&["--team", "fresh"], more].concat()).await;
        assert_eq!((code, text.contains("retail")), (Some(0), false), "{more:?}: {text}{fault}");
        let (_, fault, code) = spend(&folder, &[&["--team", "nobody"], more].concat()).await;
        assert_eq!((code, fault.contains("known are bank, ")), (Some(1), true), "{fault}");
    }
    let (_, fault, code) = spend(&folder, &["--since", "someday"]).await;
    assert_eq!(code, Some(64));
    assert!(fault.contains("`someday` is none of"), "{fault}");
}

#[tokio::test]
async fn what_is_open_where_no_gateway_runs_is_said_beside_every_form() {
    let model = SimBackend::with(quick().paced(0, 5));
    let folder = written(&model);
    let server = Server::start(&folder.config()).await;
    let mut answer = server.post(&streamed("m")).send().await.expect("a head");
    answer.chunk().await.expect("a chunk").expect("content");
    let left = |text: &str| {
        let report: Value = serde_json::from_str(text).expect("JSON");
        (report["sums"][0]["open_requests"].clone(), report["left_open_requests"].clone())
    };
    // While a gateway runs on it, it will be ended.
    let (text, beside, _) = spend(&folder, &["--json"]).await;
    assert_eq!((left(&text), &*beside), ((1.into(), 0.into()), ""));
    // Not so in a copy.
    let copy = folder.0.join("copy.db").display().to_string();
    let connection = Connection::open(folder.ledger()).expect("the ledger");
    connection.execute("VACUUM INTO ?1", [&copy]).expect("a copy");
    drop(connection);
    let words = "1 entry is open and in no sum, and no gateway runs on this file";
    let (text, beside, code) = spend(&folder, &["--json", "--ledger", &copy]).await;
    assert_eq!((left(&text), code), ((1.into(), 1.into()), Some(0)));
    assert!(beside.contains(words) && beside.contains(".backup"), "{beside}");
    server.kill().await;
    for form in ["table", "csv", "focus"] {
        let (_, beside, code) = spend(&folder, &["--format", form]).await;
        assert!(code == Some(0) && beside.contains(words), "{form}: {beside}");
    }
}

#[tokio::test]
async fn what_has_not_come_yet_is_neither_summed_nor_followed() {
    let model = SimBackend::start();
    let folder = written(&model);
    for command in [&["spend"][..], &["ledger", "-f"]] {
        for (since, words) in [
            ("2999-01-01", "--since: 2999-01-01 00:00 has not come yet: it is "),
            ("99999999999999d", "--since: it lies outside of the years that a calendar has"),
        ] {
            let arguments = [command, &["--since", since]].concat();
            let out = binary::run(&folder.config(), &arguments).await;
            let said = String::from_utf8(out.stderr).expect("UTF-8");
            assert!(out.status.code() == Some(64) && said.contains(words), "{arguments:?}: {said}");
        }
    }
}

/// `signalbox ledger -f` with these arguments.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
        command.args(["ledger", "-f"]).args(arguments).arg("--config").arg(folder.config());
        command.kill_on_drop(true).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("its words")).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
        line.expect("in time").expect("text").expect("a line")
    }
}

#[tokio::test]
async fn entries_are_followed_as_they_settle_also_over_a_restart() {
    let model = SimBackend::start();
    let folder = written(&model);
    let server = Server::start(&folder.config()).await;
    asked(&server, KEY).await;
    closed(&folder, 1).await;
    let mut follower = Follower::start(&folder, &["--since", "10m"]);
    let line = follower.line().await;
    assert!(line.contains("  ok  retail/scenario  ") && line.contains(" USD  "), "{line}");
    asked(&server, OTHER).await;
    let line = follower.line().await;
    assert!(line.contains("  ok  kiosk/other  "), "{line}");
    server.terminate().await;
    server.ended().await;
    let server = Server::start(&folder.config()).await;
    asked(&server, KEY).await;
    let line = follower.line().await;
    assert!(line.contains("  retail/scenario  "), "{line}");
    let mut all = Follower::start(&folder, &["--json", "--since", "today"]);
    let line: Value = serde_json::from_str(&all.line().await).expect("JSON");
    assert_eq!((&line["team"], &line["state"]), (&"retail".into(), &"settled".into()));
    let id = follower.child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.expect("kill").success());
    let ended = tokio::time::timeout(Duration::from_secs(30), follower.child.wait()).await;
    assert_eq!(ended.expect("it ends in time").expect("a status").code(), Some(0));
}

/// The same with a token for operators.
fn guarded(model: &SimBackend) -> Folder {
    let folder = written(model);
    let text = std::fs::read_to_string(folder.config()).expect("a configuration");
    let text = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
    let by_hour = "price = { per_hour = \"7.20\", replicas = 3, ";
    let text = text.replacen("price = { ", by_hour, 1);
    std::fs::write(folder.config(), text).expect("written");
    folder
}

/// What the configuration pays for beyond the charges is idle, though it has been in force for a moment only.
async fn machines_cost_by_the_hour(server: &Server, until: &str) {
    let query = format!("/admin/v1/spend?since=2h&until={until}&true_cost=true");
    let whole: Value = serde_json::from_str(&server.page(&query, KEY).await).expect("JSON");
    let money = |name: &str| {
        let text = whole["sums"][0][name].as_str().expect("money as text");
        policies::facts::Money::parse(text).expect("money").nano()
    };
    let (real, idle, cost) = (money("real_cost"), money("idle_cost"), money("cost"));
    assert!(real > 0 && idle >= real - cost, "{whole}");
}

#[tokio::test]
async fn operators_read_over_http_what_the_command_prints() {
    let model = SimBackend::start();
    let folder = guarded(&model);
    let server = Server::start(&folder.config()).await;
    for key in [KEY, OTHER, KEY] {
        asked(&server, key).await;
    }
    closed(&folder, 3).await;
    // An end that is past, so that both mean the same time.
    let end = jiff::Timestamp::now().to_string();
    let since = ["--since", "2h", "--until", &end];
    let until = end.replace(':', "%3A");
    for (query, arguments, media_type) in [
        ("format=csv", &["--format", "csv"][..], "text/csv; charset=utf-8"),
        (
            "format=csv&by=team,model,task,language,day&tz=Asia%2FSingapore",
            &["--format", "csv", "--by", "team,model,task,language,day", "--tz", "Asia/Singapore"],
            "text/csv; charset=utf-8",
        ),
        (
            "team=bank&by=key&format=csv&true_cost=true",
            &["--team", "bank", "--by", "key", "--format", "csv", "--true-cost"],
            "text/csv; charset=utf-8",
        ),
        ("format=focus", &["--format", "focus"], "text/csv; charset=utf-8"),
        ("by=rule", &["--json", "--by", "rule"], "application/json"),
    ] {
        let reply =
            server.reply(&format!("/admin/v1/spend?since=2h&until={until}&{query}"), KEY).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, media_type), "{query}");
        let (printed, _, code) = spend(&folder, &[arguments, &since].concat()).await;
        assert_eq!(code, Some(0), "{arguments:?}");
        let (told, printed) = (reply.text(), printed);
        if media_type.starts_with("text/csv") {
            assert_eq!(told, printed, "{query}");
            assert!(told.lines().count() > 1, "{told}");
            continue;
        }
        // Only the beginning is reckoned from each one's own present.
        let read = |text: &str| {
            let mut report: Value = serde_json::from_str(text).expect("JSON");
            report["from"].take();
            report
        };
        assert_eq!(read(&told), read(&printed));
        assert_eq!(read(&told)["sums"][0]["requests"], 3);
    }
    let whole: Value =
        serde_json::from_str(&server.page("/admin/v1/spend", KEY).await).expect("JSON");
    assert_eq!(whole["rows"].as_array().map(Vec::len), Some(2), "{whole}");
    machines_cost_by_the_hour(&server, &until).await;
    // The ledger's locks are whole: it is still written beside all that reading.
    asked(&server, KEY).await;
    closed(&folder, 4).await;
    server.terminate().await;
    server.ended().await;
}

#[tokio::test]
async fn a_question_over_http_that_has_no_meaning_is_told_with_each_parameter() {
    let model = SimBackend::start();
    let folder = guarded(&model);
    let server = Server::start(&folder.config()).await;
    assert_eq!(server.reply("/admin/v1/spend?by=colour", "").await.status, 401, "first who asks");
    let reply = server.reply("/admin/v1/spend?by=colour&since=soon&limit=3", KEY).await;
    assert_eq!((reply.status, reply.header("content-type")), (400, "application/json"));
    let error = &reply.json()["error"];
    assert_eq!((&error["param"], &error["type"]), (&"by".into(), &"invalid_request_error".into()));
    let message = error["message"].as_str().expect("words");
    for words in [
        "`by`: `colour` is none of team, key, model, language, task, rule, day",
        "`since`: `soon` is none of",
        "`limit`: there is no such parameter: expected `by`, `since`, `until`, `tz`, `team`, `true_cost` and \
         `format`",
    ] {
        assert!(message.contains(words), "{message}");
    }
    // Nobody has asked yet: a team that there is has spent nothing.
    for form in ["format=json", "true_cost=true"] {
        let reply = server.reply(&format!("/admin/v1/spend?team=retail&{form}"), KEY).await;
        assert_eq!((reply.status, &reply.json()["rows"]), (200, &Value::Array(Vec::new())));
    }
    let reply = server.reply("/admin/v1/spend?team=nobody", KEY).await;
    assert_eq!(reply.status, 400);
    let error = &reply.json()["error"];
    assert_eq!(error["param"], "team");
    assert!(
        error["message"].as_str().is_some_and(|it| it.contains("no team `nobody` has ever asked"))
    );
    server.terminate().await;
    server.ended().await;
}
