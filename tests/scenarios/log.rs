//! What operators read: the block at the start, a line of each request, refusals, storms, reloads.

use std::time::Duration;

use serde_json::{Value, json};
use signalbox::{sim::InjectedFault, store::LEDGER_COLUMNS};

use crate::harness::{
    Books, KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    byte_backend::{ByteBackend, Step},
    gateway::Folder,
    manual_backend::{CONTENT, STREAM},
    streamed, wait, with,
};

const ACCESS: &str = "[log]\naccess = true\n";

/// The lines of requests.
fn requests(server: &Server) -> Vec<Value> {
    let mut log = server.log();
    log.retain(|it| it["target"] == "signalbox::access");
    log
}

async fn until(server: &Server, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let look = async || server.log().into_iter().find(|it| is(it)).ok_or_else(|| server.log());
    wait::found(what, look).await
}

async fn line_of(server: &Server, id: &str) -> Value {
    until(server, "the line of a request", |it| {
        it["id"] == id && it["target"] == "signalbox::access"
    })
    .await
}

fn id_of(reply: &Reply) -> String {
    reply.header("x-signalbox-id").to_owned()
}

#[tokio::test]
async fn the_block_says_by_what_it_serves_and_no_secret() {
    let good = SimBackend::start();
    let setup = Setup::new().model("a", &good.urls()).model("b", &["http://127.0.0.1:9/".into()]);
    let folder = setup.and("[[team]]\nname = \"retail\"\n").write();
    let server = Server::start(&folder.config()).await;
    let block = until(&server, "the block", |it| it["message"] == "serving").await;
    assert_eq!(
        (&block["version"], &block["level"]),
        (&env!("CARGO_PKG_VERSION").into(), &"INFO".into())
    );
    assert_eq!(block["config"], folder.config().display().to_string());
    assert_eq!(block["ledger"], folder.ledger().display().to_string());
    assert_eq!(block["models"], 2);
    assert_eq!(block["model"][0], json!({ "id": "a", "endpoints": good.urls() }));
    assert_eq!(block["model"][1], json!({ "id": "b", "endpoints": ["http://127.0.0.1:9"] }));
    assert_eq!((&block["recovered"], &block["currency"]), (&0.into(), &"USD".into()));
    assert_eq!((&block["rust_log"], &block["log_level"]), (&false.into(), &"info".into()));
    for name in ["replica", "config_hash", "policy_hash", "price_version", "addr", "admin", "rules"]
    {
        assert!(!block[name].is_null(), "{name}: {block}");
    }
    let warned = until(&server, "a warning of check", |it| {
        it["level"] == "WARN" && it["target"] == "signalbox::start"
    })
    .await;
    let said = warned["message"].as_str().unwrap();
    assert!(said.starts_with("check: model b: ") && said.contains("has no path"), "{said}");
    let all = format!("{:?}", server.log());
    assert!(!all.contains(KEY) && !all.contains("backend-secret"), "a secret");
    server.terminate().await;
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn what_a_crash_left_open_is_in_the_block_with_its_sum() {
    let silent = ByteBackend::listing(vec![vec![Step::Silence].into()]).await;
    let folder = Setup::new().model("a", &silent.urls()).write();
    let server = Server::start(&folder.config()).await;
    let request = with(ask("a"), json!({ "max_tokens": 1_000 }));
    let asked = tokio::spawn(server.post(&request).send());
    let open = || Books::read(&folder.ledger()).entries.iter().any(|it| it.state == "open");
    wait::until("it is open", open).await;
    server.kill().await;
    asked.abort();
    let server = Server::start(&folder.config()).await;
    let block = until(&server, "the block", |it| it["message"] == "serving").await;
    let cost = Books::read(&folder.ledger()).only().cost.expect("recovered").to_string();
    assert!(cost != "0");
    assert_eq!((&block["recovered"], &block["recovered_cost"]), (&1.into(), &cost.into()));
}

/// The program's own words, until its log has come to these.
async fn text_log(folder: &Folder, variables: &[(&str, &str)], last: &str) -> String {
    binary::said(&folder.config(), variables, last).await
}

#[tokio::test]
async fn as_text_the_block_is_some_lines_and_rust_log_wins() {
    let good = SimBackend::start();
    let setup = Setup::new().model("a", &good.urls()).and("[log]\nlevel = \"warn\"\n");
    let folder = setup.write();
    let log = text_log(&folder, &[("RUST_LOG", "info")], "log: level").await;
    let lines: Vec<&str> = log.lines().collect();
    let at = lines.iter().position(|it| it.contains("signalbox 0")).expect("the block");
    let begins = [
        "signalbox ",
        "configuration /",
        "policy of the program",
        "1 model at the prices ",
        "model a: http://",
        "callers at 127.0.0.1:",
        "ledger /",
        "hand-over: no process",
        "log: level `info` by RUST_LOG, which wins over `warn`",
    ];
    for (line, begin) in lines[at..].iter().zip(begins) {
        let (head, said) = line.split_once("signalbox::start: ").expect(line);
        assert!(head.ends_with(" INFO  ") && said.starts_with(begin), "{line}: {begin}");
    }
    assert!(!log.contains('{'), "{log}");
}

#[tokio::test]
async fn a_level_that_is_none_is_a_fault() {
    let good = SimBackend::start();
    let with_level = |level: &str| {
        let log = format!("[log]\nlevel = \"{level}\"\naccess = 1\n");
        Setup::new().model("a", &good.urls()).and(&log).write()
    };
    let checked = binary::run(&with_level("signalbox::fleet=debugg").config(), &["check"]).await;
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(2));
    for part in ["log.level", "`debugg`, which is no level", "did you mean `debug`?", "log.access"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn the_line_of_a_request_has_the_trace_that_its_caller_states() {
    let good = SimBackend::start();
    let folder = Setup::new().model("a", &good.urls()).and(ACCESS).write();
    let server = Server::start(&folder.config()).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for model in ["a", "nobody"] {
        let stated = Reply::of(server.post(&ask(model)).header("traceparent", trace)).await;
        let line = line_of(&server, &id_of(&stated)).await;
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736", "{line}");
    }
    // Where no spans are made, no trace is.
    for wrong in ["nonsense", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let none = Reply::of(server.post(&ask("a")).header("traceparent", wrong)).await;
        let line = line_of(&server, &id_of(&none)).await;
        assert!(line["trace_id"].is_null(), "{line}");
    }
}

#[tokio::test]
async fn every_request_leaves_a_line_under_the_ledgers_names() {
    let good = SimBackend::start();
    let dead = ["http://127.0.0.1:9/v1".to_owned()];
    let setup = Setup::new().model("a", &good.urls()).model("dead", &dead);
    let folder = setup.and(ACCESS).and("[alias]\nboth = [\"dead\", \"a\"]\n").write();
    let server = Server::start(&folder.config()).await;
    let plain = server.post(&ask("a")).header("x-request-id", "caller-7");
    let plain = Reply::of(plain).await;
    let stream = Reply::of(server.post(&streamed("a"))).await;
    let other = Reply::of(server.post(&ask("both"))).await;
    let failed = Reply::of(server.post(&ask("dead"))).await;
    assert_eq!((plain.status, stream.done(), other.status), (200, true, 200));
    let mut lines = Vec::new();
    for reply in [&plain, &stream, &other] {
        lines.push(line_of(&server, &id_of(reply)).await);
    }
    let books = Books::read(&folder.ledger());
    for line in &lines {
        let entry = books.entries.iter().find(|it| line["id"] == it.id.as_str()).expect("an entry");
        assert_eq!(
            (&line["outcome"], &line["team"], &line["key"]),
            (&"ok".into(), &"default".into(), &"scenario".into())
        );
        assert_eq!(line["model"], "a");
        let tokens =
            |one: &str, other: &str| line[one].as_u64().unwrap() + line[other].as_u64().unwrap();
        assert_eq!(tokens("input_tokens", "cached_input_tokens"), entry.input_tokens);
        assert_eq!(tokens("output_tokens", "reasoning_tokens"), entry.output_tokens);
        assert_eq!(line["cost"], entry.cost.expect("closed").to_string());
        assert!(line["duration_ms"].as_f64() >= line["first_token_ms"].as_f64(), "{line}");
        assert!(line["gateway_us"].as_u64() > Some(0), "{line}");
        // Every name is a column of the ledger's.
        let own = ["timestamp", "level", "target", "message"];
        let names = line.as_object().unwrap().keys().map(String::as_str);
        let wrong: Vec<_> =
            names.filter(|it| !own.contains(it) && !LEDGER_COLUMNS.contains(it)).collect();
        assert_eq!(wrong, Vec::<&str>::new());
    }
    assert_eq!(
        (&lines[0]["caller_request_id"], &lines[0]["stream"]),
        (&"caller-7".into(), &false.into())
    );
    assert_eq!((&lines[1]["stream"], &lines[1]["attempts"]), (&true.into(), &1.into()));
    assert_eq!(
        (&lines[2]["rule"], &lines[2]["requested_model"]),
        (&"alias:both".into(), &"both".into())
    );
    // Nobody is there: it never came to an entry, or to one that failed.
    assert!(failed.status >= 500, "{failed:?}");
    let line = line_of(&server, &id_of(&failed)).await;
    assert!(
        ["no_capacity", "upstream_error"].contains(&line["failure_kind"].as_str().unwrap()),
        "{line}"
    );
    let warned =
        until(&server, "a warning", |it| it["id"] == id_of(&failed) && it["level"] == "WARN").await;
    assert_eq!((&warned["team"], &warned["key"]), (&"default".into(), &"scenario".into()));
    let text = "what a signal box is for";
    assert!(!server.log().iter().any(|it| it.to_string().contains(text)), "content");
}

#[tokio::test]
async fn a_request_that_is_cut_or_whose_caller_leaves_has_its_line_and_its_warning() {
    let broken = vec![Step::Send(format!("{STREAM}{CONTENT}").into_bytes()), Step::Close];
    let cut = ByteBackend::listing(vec![broken.into()]).await;
    let silent = ByteBackend::listing(vec![vec![Step::Silence].into()]).await;
    let setup = Setup::new().model("cut", &cut.urls()).model("silent", &silent.urls());
    let folder = setup.and(ACCESS).write();
    let server = Server::start(&folder.config()).await;
    let reply = Reply::of(server.post(&streamed("cut"))).await;
    assert!(!reply.done());
    let line = line_of(&server, &id_of(&reply)).await;
    assert_eq!((&line["outcome"], &line["model"]), (&"cut".into(), &"cut".into()));
    let warned =
        until(&server, "a warning", |it| it["id"] == id_of(&reply) && it["level"] == "WARN").await;
    let said = "an answer broke off after its first content";
    assert_eq!(
        (&warned["message"], &warned["model"], &warned["team"]),
        (&said.into(), &"cut".into(), &"default".into())
    );
    assert_eq!(warned["endpoint"], cut.addr.to_string());
    let asked = tokio::spawn(server.post(&ask("silent")).send());
    wait::until("it is asked", || silent.requests() > 0).await;
    asked.abort();
    let left = until(&server, "its line", |it| it["outcome"] == "cancelled").await;
    assert_eq!((&left["model"], &left["key"]), (&"silent".into(), &"scenario".into()));
}

#[tokio::test]
async fn a_refusal_says_stage_kind_code_and_reason_and_no_text_makes_a_second_line() {
    let good = SimBackend::start();
    let policy = "version = \"1\"\n[default]\nroute = [\"a\"]\n[[rule]]\nname = \"wall\"\n\
                  when = { data_class = [\"secret\"] }\nrequire = { zone = [\"vault?\"] }\n";
    let setup = Setup::new().model("a", &good.urls());
    let setup =
        setup.file("policy.toml", policy).and("[policy]\nfile = \"policy.toml\"\n").and(ACCESS);
    let folder = setup.write();
    let server = Server::start(&folder.config()).await;
    let forged = "x\n2026-01-01T00:00:00Z ERROR signalbox: forged\u{2028}\u{1b}[31m\" team=\"other";
    let unknown = Reply::of(server.post(&ask(forged))).await;
    let line = line_of(&server, &id_of(&unknown)).await;
    assert_eq!(
        (&line["message"], &line["stage"], &line["failure_kind"]),
        (&"refused".into(), &"decide".into(), &"unknown_model".into())
    );
    assert_eq!((&line["code"], &line["status"]), (&"model_not_found".into(), &404.into()));
    assert_eq!((&line["requested_model"], &line["team"]), (&forged.into(), &"default".into()));
    assert!(line["reason"].as_str().is_some_and(|it| it.contains("forged")), "{line}");
    let long = Reply::of(server.post(&ask(&"y".repeat(256)))).await;
    let line = line_of(&server, &id_of(&long)).await;
    assert!(line["requested_model"].as_str().unwrap().chars().count() <= 129, "{line}");
    let guarded = server.post(&ask("a")).header("x-signalbox-data-class", "secret");
    let guarded = Reply::of(guarded).await;
    let line = line_of(&server, &id_of(&guarded)).await;
    assert_eq!((&line["code"], &line["status"]), (&"policy_forbidden".into(), &403.into()));
    assert!(line["why"].as_str().is_some_and(|it| it.contains("wall")), "{line}");
    let stranger = Reply::of(server.post_with("sk-nobody-0123456789abcdef", &ask("a"))).await;
    let line = line_of(&server, &id_of(&stranger)).await;
    assert_eq!((&line["stage"], line.get("team")), (&"authenticate".into(), None));
    assert!(requests(&server).iter().all(|it| it["message"] != "request"));
    assert!(!server.log().iter().any(|it| it["level"] == "ERROR"), "{:?}", server.log());
}

#[tokio::test]
async fn a_storm_is_some_lines_and_then_how_many_more() {
    let dead = ["http://127.0.0.1:9/v1".to_owned()];
    let folder = Setup::new().model("a", &dead).and(ACCESS).write();
    let server = Server::start(&folder.config()).await;
    let asked = (0..120).map(|_| Reply::of(server.post(&ask("a"))));
    let replies = futures_util::future::join_all(asked).await;
    assert!(replies.iter().all(|it| it.status >= 500));
    server.terminate().await;
    // What was held back is said at the end, at the latest.
    let sum = async || {
        let warned = server.log().into_iter().filter(|it| {
            it["level"] == "WARN" && it["team"] == "default" && it["key"] == "scenario"
        });
        let more = server.log().into_iter().filter_map(|it| {
            let of = it["message"].as_str()?.starts_with("no model answered the request: ");
            of.then(|| it["more"].as_u64()).flatten()
        });
        let (said, more) = (warned.count() as u64, more.sum::<u64>());
        if said + more == 120 { Ok((said, more)) } else { Err((said, more)) }
    };
    let (said, more) = wait::found("all of them", sum).await;
    assert!(more > 0 && said < 120, "{said} and {more}");
}

#[tokio::test]
async fn a_reload_says_in_one_line_what_has_changed_or_what_is_wrong_and_is_counted() {
    let good = SimBackend::start();
    let plain = || Setup::new().model("a", &good.urls());
    let folder = plain().write();
    let server = Server::start(&folder.config()).await;
    let counts = async || {
        let page = server.page("/metrics", "").await;
        let of = |name: &str| {
            let line = page.lines().find(|it| it.starts_with(name)).expect(name);
            line.rsplit_once(' ').expect("a sample").1.parse::<f64>().expect("a number") as u64
        };
        let result = |it| of(&format!("signalbox_config_reloads_total{{result=\"{it}\"}}"));
        (result("applied"), result("unchanged"), result("refused"), of("signalbox_config_stale "))
    };
    assert_eq!(counts().await, (0, 0, 0, 0));
    plain().model("b", &good.urls()).and(OTHER).write_into(&folder);
    let said = |it: &Value| it["message"].as_str().unwrap_or_default().to_owned();
    let line = until(&server, "it is in force", |it| said(it).contains("is in force")).await;
    assert_eq!(
        (&line["changed"], &line["models_added"]),
        (&"models,aliases,teams,log".into(), &"b".into())
    );
    assert!(
        said(&line).contains(&format!(" -> {}", line["policy_hash"].as_str().unwrap())),
        "{line}"
    );
    let named = ["teams_added", "aliases_added", "teams_changed", "keys_changed"];
    let told = json!([&line[named[0]], &line[named[1]], &line[named[2]], &line[named[3]]]);
    assert_eq!(told, json!(["new", "bee", null, null]));
    let page = server.page("/metrics", "").await;
    let hash = line["config_hash"].as_str().expect("a hash");
    assert!(
        page.contains(&format!("signalbox_config_info{{hash=\"{hash}\"}} 1")),
        "{hash}: {page}"
    );
    assert_eq!(counts().await, (1, 0, 0, 0));
    // The log goes by the new settings at once.
    let reply = Reply::of(server.post(&ask("b"))).await;
    line_of(&server, &id_of(&reply)).await;
    std::fs::write(folder.config(), "[server]\nlisten = 7\n[log]\nlevel = \"loud\"\n").unwrap();
    let line = until(&server, "it is refused", |it| said(it).contains("in force stays")).await;
    for part in ["server.listen", "log.level", "`loud`, which is no level"] {
        assert!(said(&line).contains(part), "{part}: {line}");
    }
    assert!(line["faults"].as_u64() >= Some(2), "{line}");
    assert_eq!(counts().await, (1, 0, 1, 1));
    plain().model("b", &good.urls()).server("listen = \"127.0.0.1:1\"\n").write_into(&folder);
    until(&server, "it takes a restart", |it| said(it).contains("takes a restart")).await;
    assert_eq!(counts().await, (1, 0, 2, 1));
    // What is in force, once more: nothing is stale.
    plain().model("b", &good.urls()).and(OTHER).write_into(&folder);
    let again = "what is on disk is in force again: the configuration is the same";
    until(&server, "it is the same", |it| said(it).contains(again)).await;
    assert_eq!(counts().await, (1, 1, 2, 0));
}

#[tokio::test]
async fn without_the_access_log_a_request_leaves_no_line() {
    let good = SimBackend::start();
    let folder = Setup::new().model("a", &good.urls()).write();
    let server = Server::start(&folder.config()).await;
    for model in ["a", "nothing"] {
        Reply::of(server.post(&ask(model))).await;
    }
    let settled = || Books::read(&folder.ledger()).entries.iter().any(|it| it.state == "settled");
    wait::until("it is settled", settled).await;
    server.terminate().await;
    until(&server, "it drains", |it| {
        it["message"].as_str().is_some_and(|it| it.contains("draining"))
    })
    .await;
    assert_eq!(requests(&server), Vec::<Value>::new());
}

/// What a reload brings beside a model.
const OTHER: &str = "[log]\nlevel = \"debug\"\naccess = true\n[alias]\nbee = [\"b\"]\n\
                     [[team]]\nname = \"new\"\n";

/// More than a pipe holds.
const LINES_BYTES: usize = 200_000;

#[tokio::test]
async fn whoever_does_not_read_the_log_keeps_no_request_waiting_and_no_process_from_its_end() {
    let good = SimBackend::start();
    let folder = Setup::new().model("a", &good.urls()).and(ACCESS).write();
    let server = Server::unread(&folder.config()).await;
    for _ in 0..LINES_BYTES / 500 / 20 {
        let asked =
            (0..20).map(|_| Reply::of(server.post(&ask("a")).timeout(Duration::from_secs(10))));
        let replies = futures_util::future::join_all(asked).await;
        assert!(replies.iter().all(|it| it.status == 200));
    }
    server.terminate().await;
    assert!(server.ended().await.success());
    let books = Books::read(&folder.ledger());
    assert_eq!(books.entries.len(), LINES_BYTES / 500 / 20 * 20);
    assert!(books.entries.iter().all(|it| it.state == "settled"));
}

#[tokio::test]
async fn an_endpoint_that_is_out_is_said_and_counted_once_and_said_to_be_back() {
    let flaky = SimBackend::start();
    let folder = Setup::new().model("a", &flaky.urls()).write();
    let server = Server::start(&folder.config()).await;
    flaky.fail_times(InjectedFault::Status500, 9).await;
    // The first three take it out of service; the others are the last resort's.
    let mut asked = 0;
    let served = async || {
        asked += 1;
        Reply::of(server.post(&ask("a"))).await.status
    };
    wait::answers("it serves again", 200, served).await;
    let back = until(&server, "it is back", |it| it["message"] == "an endpoint is back").await;
    assert_eq!((&back["level"], &back["model"]), (&"INFO".into(), &"a".into()));
    assert!(back["endpoint"].is_string() && back["out_ms"].is_u64(), "{back}");
    let said = |it: &Value| it["message"].as_str().is_some_and(|it| it.contains("is ejected"));
    assert_eq!(server.log().iter().filter(|it| said(it)).count(), 1, "of {asked} requests");
    let page = server.page("/metrics", "").await;
    let counted = page.lines().filter(|it| it.starts_with("signalbox_ejections_total{"));
    let counted: Vec<_> = counted.map(|it| it.rsplit_once(' ').expect("a sample").1).collect();
    assert_eq!(counted, ["1"], "{page}");
}
