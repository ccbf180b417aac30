//! A shadow is asked after the caller has been served, within its own money and number, under every guard;
//! whatever becomes of it, no caller notices.

use std::time::Duration;

use serde_json::{Value, json};
use signalbox::store::Reader;

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    engine::{self, Engine},
    gateway::{Folder, Gateway, client},
    manual_backend::ManualBackend,
    streamed, wait, with,
};

const SHADOW: &str = "model = \"third\", share = 1.0, bill_to = \"platform\"";

/// A policy whose experiment has a shadow that these lines say, under these rules.
fn policy(shadow: &str, guards: &str) -> String {
    format!(
        "version = \"1\"\n\
         [[experiment]]\nname = \"chat-ab\"\nunit = \"user\"\nprimary = \"schema_valid\"\n\
         units_min = 1\ndays_min = 0\n\
         arms = [\n  {{ name = \"old\", share = 0.5, route = [\"good\"] }},\n\
         \x20 {{ name = \"new\", share = 0.5, route = [\"other\"], system_suffix = \"Be brief.\" }},\n]\n\
         shadow = {{ {shadow} }}\n{guards}\
         [[rule]]\nname = \"talk\"\nwhen = {{ operation = [\"chat\"] }}\nroute = [\"good\"]\n\
         experiment = \"chat-ab\"\n\
         [default]\nroute = [\"good\"]\n"
    )
}

const ABLE: &str = "capabilities = [\"json_schema\"]\n";

fn setup(backends: [&[String]; 3], shadow: &str, guards: &str) -> Setup {
    setup_with(backends, "zone = \"cloud\"\n", &policy(&format!("{SHADOW}, {shadow}"), guards))
}

/// The same by a policy, with these lines of the model that is the shadow.
fn setup_with([good, other, third]: [&[String]; 3], lines: &str, policy: &str) -> Setup {
    Setup::new()
        .model_with("good", good, ABLE)
        .model_with("other", other, ABLE)
        .model_with("third", third, &format!("{ABLE}{lines}"))
        .and(
            "[[team]]\nname = \"staff\"\n[[team]]\nname = \"platform\"\n\
             [policy]\nfile = \"policy.toml\"\n",
        )
        .key("team = \"staff\"\n")
        .file("policy.toml", policy)
}

const WITHIN: &str = "cost_per_day_max = \"1\"";

fn of_user(user: usize) -> Value {
    with(ask("auto"), json!({ "user": format!("u{user}") }))
}

/// A column of the entries, in their order.
fn column(folder: &std::path::Path, name: &str) -> Vec<Option<String>> {
    let books = rusqlite::Connection::open(folder).expect("a ledger");
    let sql = format!("SELECT {name} FROM ledger ORDER BY id");
    let mut select = books.prepare(&sql).expect("a column");
    let rows = select.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}

async fn passed(gateway: &Gateway, result: &str, times: f64) {
    let look = async || {
        let found = gateway.metrics().await.sum("signalbox_shadow_requests_total", &[result]);
        if found >= times { Ok(()) } else { Err(found) }
    };
    wait::found(result, look).await;
}

/// An answer with its head.
fn said(stream: bool) -> String {
    let usage = engine::usage(10, 5);
    let (_, said) =
        if stream { engine::stream(&["y", "es"], &usage) } else { engine::answer("yes", &usage) };
    let kind = if stream { "text/event-stream" } else { "application/json" };
    let length = said.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{said}"
    )
}

#[tokio::test]
async fn it_is_asked_once_the_caller_has_the_answer_and_billed_to_the_team_that_pays() {
    let third = ManualBackend::start().await;
    let (good, other) = (SimBackend::start(), SimBackend::start());
    let scene = setup([&good.urls(), &other.urls(), &third.urls()], WITHIN, "");
    let gateway = scene.start().await;
    for (nth, body) in
        [of_user(1), with(streamed("auto"), json!({ "user": "u2" }))].iter().enumerate()
    {
        let reply = gateway.ask(body).await;
        assert_eq!(reply.status, 200);
        assert!(reply.header("x-signalbox-experiment").starts_with("chat-ab="));
        let shadow = third.asked().await;
        assert!(shadow.has(&format!("\"u{}\"", nth + 1)), "{}", shadow.heard());
        assert!(!shadow.has("Be brief."), "no arm writes into it: {}", shadow.heard());
        assert!(!shadow.heard().to_lowercase().contains("x-signalbox-experiment"));
        shadow.say(said(body["stream"] == json!(true)));
        passed(&gateway, "ok", f64::from(u32::try_from(nth + 1).unwrap())).await;
    }
    let samples = gateway.metrics().await;
    assert!(samples.sum("signalbox_cost_total", &["team=\"platform\"", "model=\"third\""]) > 0.0);
    assert_eq!(samples.sum("gen_ai_server_request_duration_seconds_count", &["third"]), 0.0);
    assert_eq!(samples.sum("signalbox_experiment_requests_total", &[]), 2.0);
    let ledger = gateway.ledger();
    let at = ledger.clone();
    gateway
        .until(|books| books.entries.iter().filter(|it| it.state == "settled").count() == 4)
        .await;
    let of = |name: &str| column(&at, name);
    let shadows: Vec<usize> =
        of("shadow_of").iter().enumerate().filter_map(|(at, of)| of.as_ref().map(|_| at)).collect();
    assert_eq!(shadows.len(), 2);
    for at in shadows {
        let value = |name: &str| of(name)[at].clone().unwrap_or_default();
        let served =
            of("id").iter().position(|id| *id == of("shadow_of")[at]).expect("what it repeats");
        assert_eq!(value("team"), "platform");
        assert_eq!(value("\"key\""), "shadow(chat-ab)");
        assert_eq!(value("model"), "third");
        assert_eq!(
            (value("experiment"), value("arm"), value("unit")),
            ("chat-ab".into(), String::new(), String::new())
        );
        assert_eq!(of("\"user\"")[at], of("\"user\"")[served]);
        assert_eq!(of("data_class")[at], of("data_class")[served]);
        assert_eq!(of("team")[served].as_deref(), Some("staff"));
        assert!(of("arm")[served].is_some());
    }
    let books = gateway.close().await;
    assert_eq!(books.entries.len(), 4);
}

#[tokio::test]
async fn it_is_not_asked_what_its_engine_has_no_words_for() {
    let third = ManualBackend::start().await;
    let good = SimBackend::start();
    let urls = [good.urls(), good.urls(), third.urls()];
    let policy = policy(&format!("{SHADOW}, {WITHIN}"), "");
    let scene =
        setup_with(urls.each_ref().map(|it| &**it), "dialects = [\"anthropic\"]\n", &policy);
    let gateway = scene.start().await;
    let penalty = with(of_user(1), json!({ "presence_penalty": 0.5 }));
    assert_eq!(gateway.ask(&penalty).await.status, 200);
    passed(&gateway, "incapable", 1.0).await;
    assert_eq!(third.connections(), 0);
    assert_eq!(gateway.ask(&of_user(2)).await.status, 200);
    let shadow = third.asked().await;
    shadow.hears("POST /v1/messages ").await;
    shadow.hang_up();
    let books = gateway.close().await;
    assert_eq!(books.entries.len(), 3, "none of the one that was not asked");
}

#[tokio::test]
async fn while_it_hangs_callers_are_served_and_no_more_of_it_run_than_may() {
    let third = ManualBackend::start().await;
    let (good, other) = (SimBackend::start(), SimBackend::start());
    let within = format!("{WITHIN}, concurrency_max = 2");
    let scene = setup([&good.urls(), &other.urls(), &third.urls()], &within, "");
    let gateway = scene.start().await;
    for user in 0..20 {
        let reply = gateway.ask(&of_user(user)).await;
        assert_eq!(reply.status, 200);
        if user < 2 {
            third.asked().await;
        }
    }
    passed(&gateway, "busy", 18.0).await;
    assert_eq!(third.connections(), 2);
    // The process ends without them, and the books are whole.
    let began = std::time::Instant::now();
    let books = gateway.close().await;
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(books.entries.len(), 22);
    let ended = books.entries.iter().filter(|it| it.key == "shadow(chat-ab)");
    let ended: Vec<_> = ended.map(|it| it.outcome.clone().unwrap_or_default()).collect();
    assert_eq!(ended, ["cancelled", "cancelled"]);
}

#[tokio::test]
async fn a_caller_who_waits_for_its_place_gets_it() {
    let third = ManualBackend::start().await;
    let good = Engine::start(|_| engine::answer("{\"mood\": 1}", &engine::usage(10, 5))).await;
    let scene = setup([&good.urls(), &good.urls(), &third.urls()], WITHIN, "");
    let scene = scene.endpoint("concurrency_max = 1\n");
    let gateway = scene.start().await;
    let form = json!({ "response_format": { "type": "json_object" } });
    assert_eq!(gateway.ask(&with(of_user(1), form)).await.status, 200);
    let shadow = third.asked().await;
    // What was served is judged while the shadow hangs.
    let at = gateway.ledger();
    wait::until("the answer that was served judged", || judged(&at) == 1).await;
    // A second one finds no place free.
    assert_eq!(gateway.ask(&of_user(2)).await.status, 200);
    passed(&gateway, "busy", 1.0).await;
    let request = gateway.post(&ask("third"));
    let caller = tokio::spawn(Reply::of(request));
    third.asked().await.say(said(false));
    assert_eq!(caller.await.expect("a reply").status, 200);
    wait::until("the shadow gone", || shadow.closed()).await;
    passed(&gateway, "cancelled", 1.0).await;
    gateway.close().await;
}

fn judged(ledger: &std::path::Path) -> i64 {
    let books = rusqlite::Connection::open(ledger).expect("a ledger");
    let sql = "SELECT count(*) FROM judged WHERE name = 'schema_valid' AND value = 1";
    books.query_row(sql, [], |row| row.get(0)).expect("a count")
}

#[tokio::test]
async fn its_money_is_its_own_and_is_known_after_a_restart() {
    let (good, other, third) = (SimBackend::start(), SimBackend::start(), SimBackend::start());
    let scene =
        setup([&good.urls(), &other.urls(), &third.urls()], "cost_per_day_max = \"0.02\"", "");
    let folder = scene.write();
    let server = Server::anywhere(&folder.config()).await;
    server.ready().await;
    let dear = |user: usize| with(of_user(user), json!({ "max_tokens": 4000 }));
    let mut users = 0;
    let spent = || {
        let reader = Reader::open(&folder.ledger()).expect("a ledger");
        let entries = reader.entries(Default::default()).expect("entries");
        let own = entries.iter().filter(|it| it.key == "shadow(chat-ab)");
        own.filter_map(|it| Some(it.cost?.nano())).sum::<i64>()
    };
    while shadows(&server, "over_budget").await < 3.0 {
        assert_eq!(Reply::of(server.post(&dear(users))).await.status, 200, "callers have money");
        users += 1;
        assert!(users < 5_000);
    }
    assert!(spent() <= 20_000_000, "{}", spent());
    let asked = third.seen().requests;
    assert!(asked > 0);
    server.kill().await;
    let server = Server::anywhere(&folder.config()).await;
    server.ready().await;
    assert_eq!(Reply::of(server.post(&dear(1))).await.status, 200);
    wait::found("a refusal of the shadow's money", async || {
        let over = shadows(&server, "over_budget").await;
        if over >= 1.0 { Ok(()) } else { Err(over) }
    })
    .await;
    assert_eq!(third.seen().requests, asked);
}

async fn shadows(server: &Server, result: &str) -> f64 {
    let all = server.page("/metrics", KEY).await;
    let name =
        format!("signalbox_shadow_requests_total{{experiment=\"chat-ab\",result=\"{result}\"}}");
    let value = all.lines().find_map(|it| it.strip_prefix(&*name));
    value.map_or(0.0, |it| it.trim().parse().expect("a number"))
}

#[tokio::test]
async fn every_guard_binds_it_and_a_stopped_experiment_asks_nobody() {
    let (good, other, third) = (SimBackend::start(), SimBackend::start(), SimBackend::start());
    let guards = "[[rule]]\nname = \"not-third\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
                  avoid = { zone = [\"cloud\"] }\n";
    let scene = setup([&good.urls(), &other.urls(), &third.urls()], WITHIN, guards);
    let folder = guarded(&scene);
    let server = Server::anywhere(&folder.config()).await;
    server.ready().await;
    let secret = server.post(&of_user(1)).header("x-signalbox-data-class", "confidential");
    assert_eq!(Reply::of(secret).await.status, 200);
    until(&server, "forbidden", 1.0).await;
    assert_eq!(third.seen().requests, 0);
    assert_eq!(Reply::of(server.post(&of_user(1))).await.status, 200);
    until(&server, "ok", 1.0).await;
    let url = format!("http://{}/admin/v1/experiments/chat-ab/stop", server.admin_addr());
    let stop = client().post(url).bearer_auth(KEY).body("{\"reason\":\"enough\"}");
    assert_eq!(Reply::of(stop).await.status, 200);
    assert_eq!(Reply::of(server.post(&of_user(1))).await.status, 200);
    wait::turns().await;
    assert_eq!(third.seen().requests, 1, "who takes no part has no shadow");
}

async fn until(server: &Server, result: &str, times: f64) {
    wait::found(result, async || {
        let found = shadows(server, result).await;
        if found >= times { Ok(()) } else { Err(found) }
    })
    .await;
}

fn guarded(setup: &Setup) -> Folder {
    let folder = setup.write();
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    let guarded = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
    std::fs::write(folder.config(), guarded).expect("the configuration");
    folder
}

#[tokio::test]
async fn answers_are_judged_and_compared_and_no_word_of_them_is_kept() {
    let good =
        Engine::start(|_| engine::answer("{\"mood\": \"glad\"}", &engine::usage(10, 5))).await;
    let third = Engine::start(|_| engine::answer("marker-7f3a", &engine::usage(10, 50))).await;
    let scene = setup([&good.urls(), &good.urls(), &third.urls()], WITHIN, "");
    let folder = guarded(&scene);
    let server = Server::anywhere(&folder.config()).await;
    server.ready().await;
    let mood = json!({ "mood": { "type": "string" } });
    let schema = json!({ "type": "object", "required": ["mood"], "properties": mood });
    let form = json!({ "type": "json_schema", "json_schema": { "name": "m", "schema": schema } });
    for user in 0..60 {
        let body = with(of_user(user), json!({ "response_format": form }));
        assert_eq!(Reply::of(server.post(&body)).await.status, 200);
    }
    until(&server, "ok", 50.0).await;
    let compared = async |measure: &str, result: &str| {
        let name = "signalbox_shadow_compared_total{experiment=\"chat-ab\",";
        let name = format!("{name}measure=\"{measure}\",result=\"{result}\"}}");
        let all = server.page("/metrics", KEY).await;
        let value = all.lines().find_map(|it| it.strip_prefix(&*name).map(str::to_owned));
        value.map_or(0.0, |it| it.trim().parse::<f64>().expect("a number"))
    };
    wait::found("all of them compared", async || {
        let found = compared("form", "differs").await;
        if found >= 50.0 { Ok(()) } else { Err(found) }
    })
    .await;
    assert_eq!(compared("refusal", "differs").await, 0.0);
    let config = folder.config();
    let report = async || {
        let out = binary::run(&config, &["experiment", "report", "chat-ab", "--json"]).await;
        serde_json::from_slice::<Value>(&out.stdout).expect("JSON")
    };
    let report = wait::found("the figures in the books", async || {
        let report = report().await;
        let found = report["shadow"]["found"]["form_shadow"]["n"].as_u64();
        if found.is_some_and(|n| n >= 50) { Ok(report) } else { Err(report) }
    })
    .await;
    let shadow = &report["shadow"];
    assert_eq!(shadow["failed"], 0);
    assert_eq!(shadow["found"]["form_served"]["mean"], 1.0);
    assert_eq!(shadow["found"]["form_shadow"]["mean"], 0.0);
    assert_eq!(shadow["differences"]["output_tokens"]["mean"], 45.0);
    for arm in report["arms"].as_array().expect("arms") {
        let valid = &arm["metrics"]["schema_valid"];
        assert_eq!(
            (valid["mean"].as_f64(), valid["n"].as_u64()),
            (Some(1.0), arm["units"].as_u64())
        );
    }
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    for file in std::fs::read_dir(folder.config().parent().expect("a folder")).expect("files") {
        let bytes = std::fs::read(file.expect("a file").path()).unwrap_or_default();
        assert!(!bytes.windows(11).any(|it| it == b"marker-7f3a"), "an answer is kept");
    }
}
