//! Web front ends ask with one key for many people, and say in headers for whom.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, Setup, SimBackend, ask, manual_backend::ManualBackend, with};

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn sent(gateway: &Gateway, body: &Value, headers: Headers<'_>) -> Reply {
    let mut request = gateway.post(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::of(request).await
}

/// The hashes of user and session that the ledger has of one request.
async fn kept(
    gateway: &Gateway,
    body: &Value,
    headers: Headers<'_>,
) -> (Option<String>, Option<String>) {
    let reply = sent(gateway, body, headers).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let books = Connection::open(gateway.ledger()).expect("a ledger");
    let sql = "SELECT \"user\", session FROM ledger WHERE id = ?";
    let id = reply.header("x-signalbox-id");
    let hashes = books.query_row(sql, [id], |row| Ok([row.get(0)?, row.get::<_, String>(1)?]));
    let [user, session] =
        hashes.expect("an entry").map(|hash| Some(hash).filter(|it| !it.is_empty()));
    (user, session)
}

#[tokio::test]
async fn a_front_end_s_user_and_chat_are_the_request_s_user_and_session() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).key("frontend = true\n").start().await;
    let (plain, of_ben) = (ask("a"), with(ask("a"), json!({ "user": "ben" })));
    let (nobody, _) = kept(&gateway, &plain, &[]).await;
    assert_eq!(nobody, None);
    let (ben, _) = kept(&gateway, &of_ben, &[]).await;
    let (ann, chat) = kept(
        &gateway,
        &of_ben,
        &[
            ("X-OpenWebUI-User-Email", "ben"),
            ("X-OpenWebUI-User-Id", "ann"),
            ("X-OpenWebUI-User-Role", "admin"),
            ("X-OpenWebUI-Chat-Id", "c-1"),
        ],
    )
    .await;
    assert!(ann.is_some() && ben.is_some() && ann != ben && chat.is_some());
    // Our own header comes first, and who is meant is the same however he is named.
    let ours = [("x-openwebui-user-id", "ben"), ("x-signalbox-user", "ann")];
    assert_eq!(kept(&gateway, &plain, &ours).await, (ann.clone(), None));
    let as_body = with(ask("a"), json!({ "user": "ann" }));
    assert_eq!(kept(&gateway, &as_body, &[]).await, (ann, None));
    // The stated session is the session.
    let both = [("x-signalbox-session", "c-2"), ("x-openwebui-chat-id", "c-1")];
    let (_, stated) = kept(&gateway, &plain, &both).await;
    assert_eq!(stated, kept(&gateway, &plain, &[("x-signalbox-session", "c-2")]).await.1);
    assert_ne!(stated, chat);
    gateway.close().await;
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let theirs = [("x-openwebui-user-id", "ann"), ("x-openwebui-chat-id", "c-1")];
    assert_eq!(kept(&gateway, &ask("a"), &theirs).await, (None, None));
    let reply = sent(&gateway, &ask("a"), &[("x-signalbox-user", "ann-secret")]).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (400, &json!("invalid_header")), "{error}");
    assert_eq!(error["param"], "x-signalbox-user");
    let said = error["message"].as_str().expect("a message");
    assert!(said.contains("no front end") && !said.contains("ann-secret"), "{said}");
    assert_eq!(gateway.close().await.entries.len(), 1);
}

#[tokio::test]
async fn what_no_id_can_be_is_refused_with_its_header() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).key("frontend = true\n").start().await;
    let long = "u".repeat(257);
    for name in ["x-signalbox-user", "x-openwebui-user-email", "x-openwebui-chat-id"] {
        for value in ["", long.as_str(), "é"] {
            let reply = sent(&gateway, &ask("a"), &[(name, value)]).await;
            let error = &reply.json()["error"];
            assert_eq!((reply.status, &error["param"]), (400, &json!(name)), "{error}");
            assert_eq!(error["code"], "invalid_header");
        }
    }
    assert_eq!(up.seen().requests, 0);
}

#[tokio::test]
async fn no_backend_learns_of_it() {
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model("a", &up.urls()).key("frontend = true\n").start().await;
    let request = gateway
        .post(&ask("a"))
        .header("x-signalbox-user", "carol-7788")
        .header("x-openwebui-user-name", "carol-7788")
        .header("x-openwebui-user-email", "carol-7788")
        .header("x-openwebui-chat-id", "chat-7788");
    let asking = tokio::spawn(Reply::of(request));
    let line = up.asked().await;
    let heard = line.heard().to_ascii_lowercase();
    line.say("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert!(!heard.contains("7788") && !heard.contains("openwebui"), "{heard}");
    asking.await.expect("an answer");
}

/// A title, tags and the like go to the small model of the preset; what people ask themselves does not.
#[tokio::test]
async fn what_a_front_end_asks_beside_a_talk_goes_to_a_small_model() {
    let up = [SimBackend::start(), SimBackend::start()];
    let gateway = Setup::new()
        .model_with("large", &up[0].urls(), "tags = [\"flagship\"]\ncapabilities = [\"tools\"]\n")
        .model_with("tiny", &up[1].urls(), "tags = [\"small\"]\ncapabilities = [\"tools\"]\n")
        .and("[policy]\npreset = \"bank\"\n")
        .start()
        .await;
    let letter = "Write a short letter to a customer about a new branch in Clementi.";
    let title =
        "### Task:\nName the talk.\n### Output:\none line\n<chat_history>\nhi\n</chat_history>";
    let tool = json!({ "type": "function", "function": { "name": "f", "parameters": {} } });
    let auto = |text: &str| {
        with(ask("auto"), json!({ "messages": [{ "role": "user", "content": text }] }))
    };
    let cases: [(Value, Headers<'_>, &str, &str); 6] = [
        (auto(title), &[], "tiny", "background"),
        (auto("Generate a title for this conversation: hi"), &[], "tiny", "background"),
        (auto(letter), &[], "large", "english-writing"),
        (auto(letter), &[("x-signalbox-tags", "background=true")], "tiny", "background"),
        (auto(title), &[("x-signalbox-tags", "background=no")], "", ""),
        (with(auto(title), json!({ "tools": [tool] })), &[], "", ""),
    ];
    for (body, headers, model, rule) in cases {
        let reply = sent(&gateway, &body, headers).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        let decided = (reply.header("x-signalbox-model"), reply.header("x-signalbox-rule"));
        match model {
            "" => assert_ne!(decided.1, "background", "{body}"),
            _ => assert_eq!(decided, (model, rule), "{body}"),
        }
    }
    let books = Connection::open(gateway.ledger()).expect("a ledger");
    let sql = "SELECT count(*) FROM ledger WHERE tags LIKE '%background%true%'";
    let tagged: i64 = books.query_row(sql, [], |row| row.get(0)).expect("a count");
    assert_eq!(tagged, 3);
}
