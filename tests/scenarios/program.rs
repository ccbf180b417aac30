//! The program itself: checking, draining, and dying.

use std::collections::HashSet;

use crate::harness::{
    Books, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    sim_backend::quick,
    streamed, wait,
};

#[tokio::test]
async fn check_prints_every_fault() {
    let wrong = "[audit]\non_failure = \"whatever\"\n[alias]\nx = [\"nobody\"]\n[queue]\nwait_ms = -1\n\
                 [[team]]\nname = \"t\"\nparent = \"missing\"\n";
    let setup = Setup::new().model("a", &["ftp://x".into()]).and(wrong);
    let folder = setup.write();
    let out = binary::run(&folder.config(), &["check"]).await;
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{text}");
    for path in ["audit.on_failure", "alias", "queue.wait_ms", "parent", "url"] {
        assert!(text.contains(path), "{path} is missing: {text}");
    }
    let lines = binary::run(&folder.config(), &["check", "--json"]).await;
    assert_eq!(String::from_utf8_lossy(&lines.stdout).lines().count(), 5, "{lines:?}");
    assert_eq!(lines.status.code(), Some(2));
    for line in String::from_utf8_lossy(&lines.stdout).lines() {
        let fault: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(fault["path"].is_string() && fault["line"].is_u64(), "{line}");
    }
    let refused = binary::run(&folder.config(), &["serve"]).await;
    assert!(!refused.status.success(), "it serves a wrong configuration");

    let good = Setup::new().model("a", &["http://127.0.0.1:9/v1".into()]).write();
    let out = binary::run(&good.config(), &["check"]).await;
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let lines = binary::run(&good.config(), &["check", "--json"]).await;
    assert_eq!((lines.status.code(), &*lines.stdout), (Some(0), &b""[..]), "{lines:?}");
}

#[tokio::test]
async fn asked_to_stop_it_finishes_what_runs() {
    let up = SimBackend::with(quick().paced(0, 30));
    let folder = Setup::new().model("a", &up.urls()).write();
    let server = Server::start(&folder.config()).await;
    server.ready().await;
    let mut answer = server.post(&streamed("a")).send().await.expect("a head");
    let mut text = answer.chunk().await.expect("a chunk").expect("content").to_vec();
    server.terminate().await;
    // It has ended already where nobody answers.
    let drains = async || [0, 503].contains(&server.admin("/readyz").await);
    wait::answers("it is draining", true, drains).await;
    while let Some(chunk) = answer.chunk().await.expect("the stream goes on") {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    assert_eq!(server.ended().await.code(), Some(0));
    let books = Books::read(&folder.ledger());
    assert_eq!((books.outcome(), books.verification.open), ("ok", 0));
}

/// Kills it with streams open, again and again: what a caller has seen a byte of is in the books
/// once, and nothing stays open.
#[tokio::test]
async fn killed_it_loses_no_entry() {
    let kills = if std::env::var_os("SIGNALBOX_TEST_FULL").is_some() { 20 } else { 3 };
    let slow = SimBackend::with(quick().paced(0, 20));
    let fast = SimBackend::start();
    let folder = Setup::new().model("slow", &slow.urls()).model("fast", &fast.urls()).write();
    let (mut open, mut whole) = (HashSet::new(), HashSet::new());
    for round in 0..kills {
        let server = Server::start(&folder.config()).await;
        let before = Books::read(&folder.ledger());
        assert_eq!(before.verification.open, 0, "round {round}: {:?}", before.entries);
        for _ in 0..4 {
            let reply = Reply::of(server.post(&ask("fast"))).await;
            assert_eq!(reply.status, 200);
            whole.insert(reply.header("x-signalbox-id").to_owned());
        }
        let heads = (0..6).map(|_| server.post(&streamed("slow")).send());
        let mut answers = Vec::new();
        for head in futures_util::future::join_all(heads).await {
            let mut answer = head.expect("a head");
            assert!(answer.chunk().await.expect("a chunk").is_some());
            let id = answer.headers()["x-signalbox-id"].to_str().unwrap().to_owned();
            open.insert(id);
            answers.push(answer);
        }
        server.kill().await;
    }
    let server = Server::start(&folder.config()).await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let books = Books::read(&folder.ledger());
    assert_eq!(books.verification.faults, Vec::<String>::new());
    assert_eq!(books.verification.open, 0);
    let ids: HashSet<_> = books.entries.iter().map(|it| it.id.clone()).collect();
    assert_eq!(ids.len(), books.entries.len(), "an entry twice");
    assert_eq!(ids, open.union(&whole).cloned().collect(), "an entry lost, or one too many");
    for entry in &books.entries {
        let killed = open.contains(&entry.id);
        assert!(entry.state == "recovered" || (!killed && entry.state == "settled"), "{entry:?}");
        assert!(entry.cost.unwrap().nano() > 0, "{entry:?}");
    }
}
