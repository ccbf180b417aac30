//! A request of the past, explained from the books by its id: by the command, and at the operators' door.

use std::process::Output;

use serde_json::{Value, json};
use signalbox::sim::InjectedFault;

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::Folder,
    sim_backend::quick,
    streamed, wait, with,
};

const POLICY: &str = "version = \"first\"\n\
     [[rule]]\nname = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
     require = { zone = [\"on_prem\"] }\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"far\", \"near\"]\n\
     [default]\nroute = [\"near\"]\n";

/// A model in the cloud before one at home, and an operator's token.
fn setup(far: &SimBackend, near: &SimBackend) -> Setup {
    Setup::new()
        .model_with("far", &far.urls(), "zone = \"cloud\"\n")
        .model_with("near", &near.urls(), "zone = \"on_prem\"\n")
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", POLICY)
        .key("data_class_max = \"confidential\"\n")
}

fn written(setup: &Setup) -> Folder {
    let folder = setup.write();
    guard(&folder);
    folder
}

/// Gives the operators' door a token.
fn guard(folder: &Folder) {
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    let guarded = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
    std::fs::write(folder.config(), guarded).expect("the configuration");
}

async fn why(folder: &Folder, arguments: &[&str]) -> Output {
    binary::run(&folder.config(), &[&["why"], arguments].concat()).await
}

async fn said(folder: &Folder, id: &str) -> String {
    let out = why(folder, &[id]).await;
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}{error}");
    text
}

/// What the operators' door says, and that the command says the same.
async fn account(server: &Server, folder: &Folder, id: &str) -> Value {
    let page = server.page(&format!("/admin/v1/requests/{id}"), KEY).await;
    let page: Value = serde_json::from_str(&page).expect("JSON");
    let out = why(folder, &[id, "--json"]).await;
    let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(said, page);
    page
}

/// Waits until the entry of a request that was answered is closed, and on disk.
async fn settled(server: &Server, id: &str) {
    let state = async || {
        let page = server.page(&format!("/admin/v1/requests/{id}"), KEY).await;
        let page: Value = serde_json::from_str(&page).expect("JSON");
        page["request"]["state"].as_str().unwrap_or_default().to_owned()
    };
    wait::answers("it is settled", "settled".to_owned(), state).await;
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

#[tokio::test]
async fn a_request_that_fell_back_is_explained_with_its_attempts_and_its_money() {
    let (far, near) = (SimBackend::failing(InjectedFault::Status500), SimBackend::start());
    let folder = written(&setup(&far, &near));
    let server = Server::start(&folder.config()).await;
    let request = server.post(&with(ask("auto"), json!({ "max_tokens": 64 })));
    let reply =
        Reply::of(request.header("x-request-id", "mine-1").header("x-signalbox-tags", "a=b")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let id = reply.header("x-signalbox-id");
    settled(&server, id).await;
    let account = account(&server, &folder, id).await;
    let text = said(&folder, id).await;
    holds(
        &text,
        &[
            &format!("request  {id}\nstate    settled: ok\nwhen     20"),
            "key scenario; its caller calls it mine-1\n",
            "asked    auto; openai chat, at most 64 output tokens, tags a=b\n",
            "signals  en (",
            "policy   first (",
            "rule     talk\n",
            "   1.    far                in 1 out 2 per Mtok, cloud, answer ≤ 64\n",
            "   2.    near               in 1 out 2 per Mtok, on_prem, answer ≤ 64\n",
            "nearly   home               but for data_class\n",
            "tried    1. far at 127.0.0.1:",
            ": status 500 after ",
            "tried    2. near at 127.0.0.1:",
            ": ok after ",
            "tokens   reported, at the prices ",
            "input_tokens",
            " × 1 per Mtok = 0.0000",
            "the sum rounded up once to a billionth\n",
            "the gateway's own ",
        ],
    );
    assert!(!text.contains("note ") && !text.contains("at most  "), "{text}");
    let cost = reply.header("x-signalbox-cost");
    assert_eq!((&account["money"]["cost"], &account["money"]["sum"]), (&json!(cost), &json!(cost)));
    assert_eq!(account["attempts"].as_array().map(Vec::len), Some(2));
    let first = &account["attempts"][0];
    assert_eq!((&first["result"], &first["status"]), (&json!("status"), &json!(500)));
    assert_eq!(account["request"]["id"], id);
    assert_eq!(account["request"]["tags"], json!({ "a": "b" }));
    assert_eq!(account["decision"]["rule"], "talk");
    assert_eq!(account["decision"]["plan"][0]["model"], "far");
    // By the caller's own id it is the same; several of one are listed.
    assert_eq!(said(&folder, "mine-1").await, text);
    let again = Reply::of(server.post(&ask("near")).header("x-request-id", "mine-1")).await;
    let again = again.header("x-signalbox-id").to_owned();
    settled(&server, &again).await;
    let listed = said(&folder, "mine-1").await;
    holds(&listed, &["the newest first:\n", id, &again, "Z  settled: ok\n"]);
    let planned = &account["decision"]["plan"][0];
    assert_eq!((&planned["in_flight"], &planned["first_token_ms"]), (&Value::Null, &Value::Null));
    server.terminate().await;
    server.ended().await;
    read_from_copies(&folder, id, &text).await;
}

/// The same is said of a copy, with no gateway, no configuration and no secret; and what is no ledger is said
/// to be none.
async fn read_from_copies(folder: &Folder, id: &str, text: &str) {
    let copy = folder.0.join("copy.db").display().to_string();
    std::fs::copy(folder.ledger(), &copy).expect("a copy");
    let out = binary::run(&folder.0.join("none.toml"), &["why", id, "--ledger", &copy]).await;
    assert_eq!(String::from_utf8_lossy(&out.stdout), text, "{out:?}");
    let none = folder.0.join("none.toml");
    let out = binary::run(&none, &["ledger", "verify", "--ledger", &copy]).await;
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    // Neither need any secret of the configuration be there.
    let config = std::fs::read_to_string(folder.config()).expect("the configuration");
    std::fs::write(folder.config(), config.replace("file:caller.key", "env:NOT_SET_ANYWHERE"))
        .expect("it");
    assert_eq!(said(folder, id).await, text);
    let out = binary::run(&folder.config(), &["ledger", "verify"]).await;
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    // What is no ledger is said to be none, and its name once.
    std::fs::write(&copy, "").expect("a copy without its -wal");
    std::fs::write(folder.0.join("other.db"), "no database ".repeat(99)).expect("another file");
    for (file, cause) in [
        ("copy.db", "there is no ledger in it: it is another file, or a copy without its `-wal`"),
        ("other.db", "there is no ledger in it"),
        ("nowhere.db", "there is no such file"),
    ] {
        let file = folder.0.join(file).display().to_string();
        let out = binary::run(&none, &["why", id, "--ledger", &file]).await;
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), error.matches(&file).count()), (Some(1), 1), "{error}");
        holds(&error, &[cause]);
    }
}

#[tokio::test]
async fn a_refusal_is_explained_by_the_guard_or_the_budget_that_was_in_the_way() {
    let (far, near) = (SimBackend::start(), SimBackend::start());
    let folder = written(&setup(&far, &near));
    let server = Server::start(&folder.config()).await;
    let secret = server.post(&ask("far")).header("x-signalbox-data-class", "confidential");
    let refused = Reply::of(secret).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let id = refused.header("x-signalbox-id");
    let account_of = account(&server, &folder, id).await;
    let message = refused.json()["error"]["message"].as_str().expect("a text").to_owned();
    holds(
        &said(&folder, id).await,
        &[
            "state    refused at decide: forbidden, code policy_forbidden\n",
            "asked    far; openai chat\n",
            "rule     pin\nguard    home\nrefused  rule `home` forbids every model left\n",
            "skipped  far                forbidden by rule `home`\n",
            &format!("told     {message}\n"),
        ],
    );
    let request = &account_of["request"];
    assert_eq!((&request["rule"], &request["guard"]), (&json!("pin"), &json!("home")));
    assert_eq!((&request["reason"], &account_of["money"]), (&json!(message), &Value::Null));

    let budget = "budget = { amount = \"0.000001\", window = \"month\", hard = true }\n";
    let folder = written(&setup(&far, &near).key(budget));
    let server = Server::start(&folder.config()).await;
    let refused = Reply::of(server.post(&ask("auto"))).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let id = refused.header("x-signalbox-id");
    account(&server, &folder, id).await;
    holds(
        &said(&folder, id).await,
        &[
            "state    refused at admit: budget_exceeded, code budget_too_small\n",
            "rule     talk\n",
            "   1.    far ",
            "told     0.000001 USD of the month budget of key `scenario` are left, and this request can",
            "note     the plan was made, and the request refused before anything was sent\n",
        ],
    );
}

#[tokio::test]
async fn the_name_of_a_model_is_bounded_and_moves_no_terminal() {
    let (far, near) = (SimBackend::start(), SimBackend::start());
    let folder = written(&setup(&far, &near));
    let server = Server::start(&folder.config()).await;
    let long = Reply::of(server.post(&ask(&"y".repeat(257)))).await;
    assert_eq!((long.status, &long.json()["error"]["param"]), (400, &json!("model")));
    let longest = Reply::of(server.post(&ask(&"y".repeat(256)))).await;
    assert_eq!(longest.status, 404, "{}", longest.text());
    let name = "far\nstate    settled: ok\u{1b}[8m\u{9b}31m\u{202e}";
    let forged = Reply::of(server.post(&ask(name))).await;
    assert_eq!(forged.status, 404);
    account(&server, &folder, forged.header("x-signalbox-id")).await;
    let text = said(&folder, forged.header("x-signalbox-id")).await;
    holds(
        &text,
        &["asked    far\\nstate    settled: ok\\u{1b}[8m\\u{9b}31m\\u{202e}; openai chat\n"],
    );
    assert!(!text.contains("\nstate    settled"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !policies::acts(c)), "{text:?}");
    server.terminate().await;
}

#[tokio::test]
async fn what_is_refused_early_is_found_and_no_word_of_its_text_is_kept() {
    let (far, near) = (SimBackend::start(), SimBackend::start());
    let folder = written(&setup(&far, &near));
    let server = Server::start(&folder.config()).await;
    let stranger = Reply::of(server.post_with("sk-nobody-0123456789abcdef", &ask("auto"))).await;
    let id = stranger.header("x-signalbox-id");
    account(&server, &folder, id).await;
    holds(
        &said(&folder, id).await,
        &[
            "state    refused at authenticate: unauthenticated, code invalid_api_key\n",
            "who      nobody who is known\n",
            "note     it was refused before anything was decided\n",
        ],
    );
    let word = "Zyzzyva7";
    for wrong in [
        json!({ "stream": word }),
        json!({ word: word, "messages": word }),
        json!({ "messages": [{ "role": word, "content": word }] }),
        json!({ "messages": [{ "role": "user", "content": [{ "type": word, "text": word }] }] }),
        json!({ "response_format": { "type": word } }),
        json!({ "tools": [{ "type": word }] }),
        json!({ "tool_choice": word }),
        json!({ "guided_regex": format!("(({word}+)+)+$") }),
        json!({ "max_tokens": word, "reasoning_effort": word }),
    ] {
        let reply = Reply::of(server.post(&with(ask("auto"), wrong.clone()))).await;
        if reply.status == 400 {
            // At once: what is on its way to the disk is waited for.
            account(&server, &folder, reply.header("x-signalbox-id")).await;
            let text = said(&folder, reply.header("x-signalbox-id")).await;
            assert!(!text.contains(word), "{wrong}: {text}");
        }
    }
    let hint = server.post(&ask("auto")).header("x-signalbox-task", word);
    let hint = Reply::of(hint).await;
    account(&server, &folder, hint.header("x-signalbox-id")).await;
    let text = said(&folder, hint.header("x-signalbox-id")).await;
    holds(&text, &["code invalid_header\n", "told     found in `x-signalbox-task`\n"]);
    server.terminate().await;
    server.ended().await;
    let ledger = std::fs::read(folder.ledger()).expect("the ledger");
    assert!(!ledger.windows(word.len()).any(|it| it == word.as_bytes()), "it is in the ledger");
}

/// How many entries a crash has left open, as the proof of the ledger says beside that nothing is wrong.
async fn left_open(folder: &Folder) -> u64 {
    let out = binary::run(&folder.config(), &["ledger", "verify", "--json"]).await;
    let proof: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!((out.status.code(), &proof["faults"]), (Some(0), &json!([])), "{proof}");
    let left = proof["left_open"].as_u64().expect("a number");
    assert_eq!(proof["notes"].as_array().map(Vec::len), Some(usize::from(left > 0)), "{proof}");
    left
}

#[tokio::test]
async fn what_a_crash_left_open_is_explained_before_and_after_it_is_recovered() {
    let slow = SimBackend::with(quick().paced(0, 5));
    let near = SimBackend::start();
    let folder = written(&setup(&slow, &near));
    let server = Server::start(&folder.config()).await;
    let mut answer = server.post(&streamed("auto")).send().await.expect("a head");
    answer.chunk().await.expect("a chunk").expect("content");
    let id = answer.headers()["x-signalbox-id"].to_str().expect("a text").to_owned();
    holds(&said(&folder, &id).await, &["state    open: it has no end yet\n"]);
    server.kill().await;
    holds(
        &said(&folder, &id).await,
        &[
            "state    open, and no gateway runs: the next start closes it at its reservation\n",
            "rule     talk\n",
        ],
    );
    assert_eq!(left_open(&folder).await, 1);
    let server = Server::start(&folder.config()).await;
    assert_eq!(left_open(&folder).await, 0);
    let account = account(&server, &folder, &id).await;
    holds(
        &said(&folder, &id).await,
        &[
            "state    recovered: its gateway ended before its end was written",
            "   1.    far ",
            " USD, all that was reserved: nothing better is known\n",
        ],
    );
    assert_eq!(account["money"]["cost"], account["money"]["reserved"]);
}

#[tokio::test]
async fn it_is_explained_by_the_policy_and_the_lists_of_then() {
    let (far, near) = (SimBackend::start(), SimBackend::start());
    let first = setup(&far, &near);
    let folder = written(&first);
    let server = Server::start(&folder.config()).await;
    let reply = Reply::of(server.post(&ask("auto"))).await;
    let id = reply.header("x-signalbox-id");
    settled(&server, id).await;
    let before = said(&folder, id).await;
    server.terminate().await;
    server.ended().await;
    let other = "version = \"second\"\n[default]\nroute = [\"near\"]\n";
    let second = first.file("policy.toml", other).key("models = [\"near\"]\n");
    second.write_into(&folder);
    guard(&folder);
    let server = Server::start(&folder.config()).await;
    let reply = Reply::of(server.post(&ask("auto"))).await;
    settled(&server, reply.header("x-signalbox-id")).await;
    let newer = said(&folder, reply.header("x-signalbox-id")).await;
    holds(&newer, &["policy   second (", "rule     default\n", "   1.    near "]);
    holds(&before, &["policy   first (", "   1.    far "]);
    assert_eq!(said(&folder, id).await, before);
    // Of what somebody has removed, the rest is told.
    server.terminate().await;
    server.ended().await;
    let books = rusqlite::Connection::open(folder.ledger()).expect("the ledger");
    books.execute_batch("DELETE FROM policy; DELETE FROM price").expect("it goes");
    let text = said(&folder, id).await;
    holds(
        &text,
        &[
            "rule     talk\n",
            "tried    1. far",
            "note     the policy first (",
            ") is missing here: its row was removed",
            "it cannot be reckoned again, since the prices are missing here: their row was removed\n",
        ],
    );
    assert!(!text.contains("earlier version") && !text.contains("per Mtok"), "{text}");
    let out = binary::run(&folder.config(), &["ledger", "verify"]).await;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(2), "{text}");
    holds(
        &text,
        &["the policy first (", ") is missing: its row was removed\n", "the price of far in "],
    );
    // Of what an earlier version has decided, that is told.
    books.execute_batch("UPDATE meta SET value = 9 WHERE name = 'policies_from'").expect("a mark");
    holds(&said(&folder, id).await, &["is not kept here: an earlier version of signalbox decided"]);
}

#[tokio::test]
async fn where_it_was_decided_otherwise_than_it_is_now_it_says_so() {
    let (far, near) = (SimBackend::start(), SimBackend::start());
    far.kill(0).await;
    let folder = written(&setup(&far, &near));
    let server = Server::start(&folder.config()).await;
    server.ready().await;
    let served_by_near = async || {
        let reply = Reply::of(server.post(&ask("auto"))).await;
        (reply.header("x-signalbox-attempts").to_owned(), reply.header("x-signalbox-id").to_owned())
    };
    let known = async || served_by_near().await.0;
    wait::answers("far is known to be dead", "1".to_owned(), known).await;
    let (_, id) = served_by_near().await;
    settled(&server, &id).await;
    let text = said(&folder, &id).await;
    let note =
        "note     then `near` was asked first; made again with every model healthy it is `far`: ";
    holds(&text, &["   1.    far ", "tried    1. near", note]);
}

#[tokio::test]
async fn what_is_not_there_or_no_id_is_said_plainly() {
    let (far, near) = (SimBackend::start(), SimBackend::start());
    let folder = written(&setup(&far, &near));
    let server = Server::start(&folder.config()).await;
    let nobody = "019b7c4a-9e2f-7000-8000-00000000002a";
    for unknown in [nobody, "nobodys-id"] {
        let out = why(&folder, &[unknown]).await;
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{error}");
        holds(&error, &[unknown, "older than 400 days (`ledger.retention_days`)", "not kept"]);
    }
    for wrong in ["", "a b", "../x", "é", &"x".repeat(65)] {
        let out = why(&folder, &[wrong]).await;
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(64), "{wrong}: {error}");
        holds(&error, &["expected the value of `x-signalbox-id`"]);
    }
    let path = |id: &str| format!("/admin/v1/requests/{id}");
    assert_eq!(server.admin(&path(nobody)).await, 401, "without a token");
    assert_eq!(server.admin(&path("%ff")).await, 401, "first who asks");
    for (path, code) in [
        (path(nobody), "request_not_found"),
        (path("mine-1"), "invalid_value"),
        (path("%ff"), "invalid_value"),
        (path(""), "not_found"),
        (path(&format!("{nobody}/x")), "not_found"),
        ("/admin".to_owned(), "not_found"),
    ] {
        let page: Value = serde_json::from_str(&server.page(&path, KEY).await).expect("JSON");
        assert_eq!(page["error"]["code"], code, "{page}");
        assert!(page["error"]["message"].is_string(), "{page}");
    }
    let page = server.page("/admin/v1/policy", "sk-wrong-0123456789abcdef").await;
    let page: Value = serde_json::from_str(&page).expect("JSON");
    assert_eq!(page["error"]["message"], "the bearer token is that of no operator", "{page}");
    let folder = setup(&far, &near).write();
    let server = Server::start(&folder.config()).await;
    let page = server.page("/admin/v1/policy", KEY).await;
    holds(&page, &["{\"error\":", "neither `admin.token` nor an `[[operator]]` is set"]);
}
