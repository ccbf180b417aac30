//! What is done to the ledger while the gateway serves: it is copied, corrected and proved.

use std::{fs, process::Output};

use serde_json::{Value, json};

use crate::harness::{
    Books, KEY, Reply, Setup, SimBackend, ask,
    binary::{Server, run},
    gateway::Folder,
    wait, with,
};

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it)).concat()
}

fn read(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn priced(up: &SimBackend) -> Setup {
    Setup::new().operated().model("a", &up.urls())
}

/// Asks once; the id of the answer and what it cost.
async fn asked(server: &Server) -> (String, String) {
    let reply = Reply::of(server.post(&with(ask("a"), json!({ "max_tokens": 16 })))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    (reply.header("x-signalbox-id").to_owned(), reply.header("x-signalbox-cost").to_owned())
}

/// An entry is settled after its caller has been answered, on a slow disk long after.
async fn settled(folder: &Folder) {
    let none_open = || Books::read(&folder.ledger()).verification.open == 0;
    wait::until("all are settled", none_open).await;
}

async fn verified(folder: &Folder, of: &[&str]) -> Value {
    let arguments = [&["ledger", "verify", "--json"][..], of].concat();
    read(&run(&folder.config(), &arguments).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_made_under_load_is_whole_and_recorded() {
    let up = SimBackend::start();
    let folder = priced(&up).write();
    let server = Server::start(&folder.config()).await;
    asked(&server).await;
    settled(&folder).await;
    let copy = folder.0.join("copy.db");
    let copy = copy.to_str().expect("text");
    let load = async {
        for _ in 0..40 {
            asked(&server).await;
        }
    };
    let (config, arguments) = (folder.config(), ["ledger", "backup", copy, "--json"]);
    let ((), made) = tokio::join!(load, run(&config, &arguments));
    let made = read(&made);
    assert_eq!(made["file"], copy);
    assert!(made["audit_head"].as_i64() >= Some(2), "{made}");
    let of_copy = run(&folder.config(), &["ledger", "verify", "--json", "--ledger", copy]).await;
    let of_copy: Value = serde_json::from_slice(&of_copy.stdout).expect("JSON");
    let settled = of_copy["settled"].as_u64().expect("a number");
    assert!((1..=41).contains(&settled), "{of_copy}");
    assert_eq!(of_copy["priced"], of_copy["settled"]);
    // Whatever was under way is open in it, which is no fault.
    assert_eq!(of_copy["faults"], json!([]), "{of_copy}");
    assert_eq!(of_copy["left_open"], of_copy["open"]);
    let notes = of_copy["notes"].as_array().expect("a list");
    assert_eq!(notes.len(), usize::from(of_copy["open"] != 0), "{of_copy}");
    let again = run(&folder.config(), &["ledger", "backup", copy]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("is there already: expected the name of a file"), "{again:?}");
    let trail = server.reply("/admin/v1/audit", KEY).await.json();
    let last = trail["records"].as_array().and_then(|it| it.last()).expect("a record").clone();
    assert_eq!((&last["what"], &last["subject"]), (&json!("ledger.backed_up"), &json!("copy.db")));
    assert_eq!(last["after"]["audit_head_hash"], made["audit_head_hash"]);
    assert!(last["who"].as_str().is_some_and(|it| it.starts_with("cli:")), "{last}");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let all = verified(&folder, &[]).await;
    assert_eq!((&all["settled"], &all["priced"]), (&json!(41), &json!(41)));
}

#[tokio::test]
async fn a_cost_is_corrected_beside_a_gateway_that_goes_on() {
    let up = SimBackend::start();
    let folder = priced(&up).write();
    let server = Server::start(&folder.config()).await;
    let (id, before) = asked(&server).await;
    settled(&folder).await;
    assert_ne!(before, "0");
    let adjust = async |id: &str, cost: &str, reason: &str| {
        let arguments = ["ledger", "adjust", id, "--cost", cost, "--reason", reason, "--json"];
        run(&folder.config(), &arguments).await
    };
    let done = read(&adjust(&id, "1.25", "the backend counted twice").await);
    let told =
        json!({ "id": id, "changed": true, "before": before, "cost": "1.25", "currency": "USD" });
    assert_eq!(done, told);
    assert_eq!(read(&adjust(&id, "1.250", "again").await)["changed"], false);
    for (id, cost, reason, code) in [
        (&*id, "-1", "x", 64),
        (&*id, "4000000001", "x", 64),
        (&*id, "1", " ", 64),
        ("x", "1", "x", 64),
        ("00000000-0000-7000-8000-000000000000", "1", "x", 1),
    ] {
        let out = adjust(id, cost, reason).await;
        assert_eq!(out.status.code(), Some(code), "{id} {cost}: {}", text(&out));
    }
    asked(&server).await;
    let why = text(&run(&folder.config(), &["why", &id]).await);
    let line = format!("adjusted from {before} to 1.25 USD, ");
    assert!(why.contains(&line) && why.contains(": the backend counted twice"), "{why}");
    assert!(why.contains(&format!("cost     {before} USD")), "{why}");
    let spent = text(&run(&folder.config(), &["spend", "--since", "1h"]).await);
    assert!(spent.contains("1.25"), "{spent}");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let all = verified(&folder, &[]).await;
    assert_eq!(
        (&all["adjusted"], &all["priced"], &all["faults"]),
        (&json!(1), &json!(2), &json!([]))
    );
}

#[tokio::test]
async fn a_key_of_ones_own_signs_the_trail_and_a_wrong_one_is_a_fault() {
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    let up = SimBackend::start();
    let setup = priced(&up);
    let folder = setup.write();
    let served = async || {
        let server = Server::start(&folder.config()).await;
        server.terminate().await;
        assert_eq!(server.ended().await.code(), Some(0));
        text(&run(&folder.config(), &["audit", "--key"]).await).trim().to_owned()
    };
    let own = served().await;
    let setup = setup.and("[audit]\nsigning_key = \"file:audit.pem\"\n").file("audit.pem", PEM);
    setup.write_into(&folder);
    assert_ne!(own, PUBLIC);
    assert_eq!(served().await, PUBLIC);
    let trail = text(&run(&folder.config(), &["audit"]).await);
    let changes: Vec<_> = trail.lines().filter(|it| it.contains("audit.key_changed")).collect();
    assert_eq!(changes.len(), 2, "{trail}");
    assert!(changes[1].contains("audit.signing_key"), "{trail}");
    assert_eq!(verified(&folder, &[]).await["audit_key"], PUBLIC);
    fs::write(folder.0.join("audit.pem"), "no key").expect("a file");
    let check = run(&folder.config(), &["check"]).await;
    assert_eq!(check.status.code(), Some(2));
    let told = text(&check);
    assert!(told.contains("audit.signing_key") && told.contains("ed25519"), "{told}");
    assert!(!told.contains("no key"), "{told}");
}

/// The proof with the counters of the gateway at this address.
async fn with_counters(folder: &Folder, server: &Server) -> Output {
    let url = format!("http://{}", server.admin_addr());
    run(&folder.config(), &["ledger", "verify", "--json", "--metrics", &url]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_held_against_the_entries_of_their_process_while_they_grow() {
    let up = SimBackend::start();
    let folder = priced(&up).write();
    let before = Server::start(&folder.config()).await;
    asked(&before).await;
    before.terminate().await;
    assert_eq!(before.ended().await.code(), Some(0));
    let server = Server::start(&folder.config()).await;
    let begun = read(&with_counters(&folder, &server).await);
    assert_eq!(begun["metrics"], json!({ "boot": 2, "figures": 0, "compared": true }), "{begun}");
    let load = async {
        for _ in 0..40 {
            asked(&server).await;
        }
    };
    let proofs = async {
        for _ in 0..4 {
            let proof = read(&with_counters(&folder, &server).await);
            assert_eq!(proof["faults"], json!([]), "{proof}");
        }
    };
    tokio::join!(load, proofs);
    // Requests, cost, and two types of tokens.
    let proof = read(&with_counters(&folder, &server).await);
    assert_eq!(proof["metrics"]["figures"], 4, "{proof}");
    let file = rusqlite::Connection::open(folder.ledger()).expect("a ledger");
    let last = "seq = (SELECT max(seq) FROM entry_close)";
    for (by_hand, back, named) in [
        ("cost_nano = cost_nano - 1", "cost_nano = cost_nano + 1", "signalbox_cost_total{"),
        (
            "input_tokens = input_tokens + 1",
            "input_tokens = input_tokens - 1",
            "signalbox_tokens_total{",
        ),
    ] {
        let set = |what: &str| format!("UPDATE entry_close SET {what} WHERE {last}");
        file.execute_batch(&set(by_hand)).expect("a change");
        let wrong = with_counters(&folder, &server).await;
        assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
        let wrong: Value = serde_json::from_slice(&wrong.stdout).expect("JSON");
        let faults = wrong["faults"].as_array().expect("a list");
        let named = |it: &Value| it.as_str().is_some_and(|it| it.starts_with(named));
        assert_eq!(faults.iter().filter(|it| named(it)).count(), 1, "{wrong}");
        file.execute_batch(&set(back)).expect("a change");
    }
    let other = priced(&up).write();
    Server::start(&other.config()).await.terminate().await;
    let copy = with_counters(&other, &server).await;
    assert_eq!(copy.status.code(), Some(1));
    assert!(text(&copy).contains("this gateway writes another ledger than"), "{}", text(&copy));
}
