//! A new build meets the ledger of an older one, served or not.

use std::{path::Path, process::Output};

use serde_json::Value;

use crate::harness::{
    Books, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::Folder,
    sim_backend::quick,
    streamed, wait,
};

/// What makes a file of schema 10 one of schema 9 again. The rows that lose columns lose their checksums with
/// them, as if a version without any had made the file.
const NINTH: &str = "DROP VIEW ledger; DROP VIEW line; DROP INDEX shape_labels; \
     UPDATE shape SET checksum = NULL; UPDATE refusal SET checksum = NULL; \
     ALTER TABLE shape DROP COLUMN complexity; ALTER TABLE shape DROP COLUMN contains; \
     ALTER TABLE refusal DROP COLUMN complexity; ALTER TABLE refusal DROP COLUMN contains; \
     CREATE INDEX shape_labels ON shape (requested_model, language, task, rule, needs, stream); \
     DELETE FROM meta WHERE name = 'checksums'; CREATE VIEW line AS SELECT NULL AS seq; \
     CREATE VIEW ledger AS SELECT NULL AS cache; PRAGMA user_version = 9;";

fn made_older(ledger: &Path) {
    let books = rusqlite::Connection::open(ledger).expect("a ledger");
    books.execute_batch(NINTH).expect("an older form");
}

/// Takes from entries what this build writes into each: as long as the older one writes, which is this build
/// too, it has to be there.
fn without_contents(ledger: &Path) {
    let books = rusqlite::Connection::open(ledger).expect("a ledger");
    books.execute_batch("ALTER TABLE entry DROP COLUMN contains").expect("an older form");
}

fn schema(ledger: &Path) -> i64 {
    let books = rusqlite::Connection::open(ledger).expect("a ledger");
    books.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number")
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

async fn check(folder: &Folder) -> String {
    let out = binary::run(&folder.config(), &["check"]).await;
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    said(&out)
}

async fn asked(server: &Server, model: &str) -> u16 {
    Reply::of(server.post(&ask(model))).await.status
}

/// Why no process succeeds one that has an older ledger open.
const WHY: &str = "it has schema 9, and this build needs 10: no ledger is brought there while another \
     signalbox has it open. Stop that one, wait until it has ended, then start this build, which takes \
     milliseconds for it.";

/// `serve` is refused with the true reason, and `check` has said so.
async fn refused(folder: &Folder, who: &str) {
    let ledger = folder.ledger().display().to_string();
    let told = check(folder).await;
    let note = format!("note: ledger.sqlite: {ledger} is in use, by a gateway that runs{who}");
    let note = format!("{note}, which `serve` could not take over from: {WHY}");
    assert!(told.contains(&note), "{told}");
    assert!(!told.contains("would take over"), "{told}");
    let serve = binary::run(&folder.config(), &["serve"]).await;
    let told = said(&serve);
    assert_eq!(serve.status.code(), Some(1), "{told}");
    let reason = format!("signalbox: cannot open the ledger {ledger}: {WHY}");
    assert!(told.contains(&reason), "{told}");
}

#[tokio::test]
async fn nobody_takes_over_where_the_ledger_would_have_to_change_its_form() {
    let slow = SimBackend::with(quick().paced(0, 50));
    let fast = SimBackend::start();
    let setup = Setup::new().model("slow", &slow.urls()).model("fast", &fast.urls());
    let folder = setup.server("drain_grace_ms = 0\n").write();
    let old = Server::start(&folder.config()).await;
    assert_eq!(asked(&old, "fast").await, 200);
    // Its shape stands by then: the older build would write it without the columns that it does not know.
    assert_eq!(Reply::of(old.post(&streamed("slow"))).await.status, 200);
    made_older(&folder.ledger());
    refused(&folder, &format!(" (process {})", old.id())).await;
    let log = serde_json::to_string(&old.log()).expect("JSON");
    assert!(!log.contains("Preparing"), "it was not asked for its sockets: {log}");
    assert_eq!(asked(&old, "fast").await, 200);

    // One that ends its streams has the ledger still.
    let mut stream = old.post(&streamed("slow")).send().await.expect("a head");
    assert!(stream.chunk().await.expect("a chunk").is_some());
    old.terminate().await;
    wait::answers("nobody can ask it any more", true, async || {
        !folder.0.join("signalbox.db.sock").exists()
    })
    .await;
    let serve = binary::run(&folder.config(), &["serve"]).await;
    assert!(said(&serve).contains(WHY), "{}", said(&serve));
    while stream.chunk().await.expect("the stream goes on").is_some() {}
    assert_eq!(old.ended().await.code(), Some(0));
    assert_eq!(schema(&folder.ledger()), 9);

    without_contents(&folder.ledger());
    let new = Server::start(&folder.config()).await;
    assert_eq!((asked(&new, "fast").await, schema(&folder.ledger())), (200, 10));
    new.terminate().await;
    assert_eq!(new.ended().await.code(), Some(0));
    let verified = Books::read(&folder.ledger()).verification;
    assert_eq!((verified.settled, &verified.faults[..]), (5, &[][..]));
}

#[tokio::test]
async fn before_a_ledger_changes_its_form_check_says_so_and_a_copy_can_be_made() {
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    let server = Server::start(&folder.config()).await;
    let reply = Reply::of(server.post(&ask("fast"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(!check(&folder).await.contains("schema"), "it has this build's form");
    made_older(&folder.ledger());
    without_contents(&folder.ledger());
    let ledger = folder.ledger().display().to_string();
    let note = format!(
        "note: ledger.sqlite: {ledger} has schema 9, and `serve` brings it to schema 10, after which an \
         older build cannot read it: make a copy first, by `signalbox ledger backup FILE`\n"
    );
    let told = check(&folder).await;
    assert!(told.contains(&note) && told.contains(": good: "), "{told}");
    let copy = folder.0.join("copy.db");
    let arguments = ["ledger", "backup", copy.to_str().expect("text"), "--json"];
    let made = binary::run(&folder.config(), &arguments).await;
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let of_copy: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(of_copy["schema"], 9);
    assert!(String::from_utf8_lossy(&made.stderr).contains("not recorded in the audit trail"));
    assert_eq!((schema(&copy), schema(&folder.ledger())), (9, 9));
    let server = Server::start(&folder.config()).await;
    assert_eq!((schema(&copy), schema(&folder.ledger())), (9, 10));
    drop(server);
    // Of what the older build did not write nothing is said.
    let why = binary::run(&folder.config(), &["why", reply.header("x-signalbox-id")]).await;
    assert!(said(&why).contains(", public, about "), "{}", said(&why));
}

#[tokio::test]
async fn the_version_says_whose_ledgers_are_read() {
    let folder = Setup::new().model("fast", &["http://127.0.0.1:9/v1".into()]).write();
    let out = binary::run_in(&folder.0, &["--version"]).await;
    let version = concat!("signalbox ", env!("CARGO_PKG_VERSION"), ", ledger schema 10\n");
    assert_eq!(said(&out), version);
}
