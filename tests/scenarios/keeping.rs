//! What is kept across restarts, and what is not kept for ever: money, names, hashes, entries, space.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;
use signalbox::app::Reloaded;

use crate::harness::{
    Books, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::Folder,
    wait, with,
};

/// A request at a price that is easy to see, answered.
async fn spend(server: &Server) {
    let reply = Reply::of(server.post(&with(ask("a"), json!({ "max_tokens": 20 })))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// The one line of this metric that has these labels.
async fn line(server: &Server, metric: &str, labels: &[&str]) -> String {
    let page = server.page("/metrics", "").await;
    let fits = |line: &&str| {
        line.starts_with(metric)
            && line[metric.len()..].starts_with('{')
            && labels.iter().all(|it| line.contains(it))
    };
    let found: Vec<_> = page.lines().filter(fits).collect();
    assert_eq!(found.len(), 1, "{metric} {labels:?}: {page}");
    found[0].to_owned()
}

async fn spent(server: &Server, team: &str) -> f64 {
    let team = format!("team=\"{team}\"");
    let line = line(server, "signalbox_budget_spent", &[&team]).await;
    line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number")
}

fn edit(folder: &Folder, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.config()).expect("a configuration");
    assert!(text.contains(from), "{from}: {text}");
    std::fs::write(folder.config(), text.replace(from, to)).expect("a file");
}

async fn end(server: Server) {
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

const TEAMS: &str = "[[team]]\nname = \"bank\"\nbudget = { amount = \"5.00\" }\n\
     [[team]]\nname = \"cards\"\nparent = \"bank\"\nbudget = { amount = \"5.00\", window = \"total\" }\n";

#[tokio::test]
async fn no_change_of_keys_and_teams_gives_a_budget_back() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).and(TEAMS).key("team = \"cards\"\n");
    let folder = setup.write();
    let server = Server::start(&folder.config()).await;
    spend(&server).await;
    // The end of a process that nobody told: what is open is charged at its reservation.
    let before = (spent(&server, "bank").await, spent(&server, "cards").await);
    assert!(before.0 > 0.0, "{before:?}");
    assert_eq!(before.0, before.1);
    end(server).await;
    let changes = [
        // The key is gone, another one has its place.
        ("name = \"scenario\"", "name = \"another\""),
        // The key is another team's.
        ("team = \"cards\"", "team = \"bank\""),
        // The file's order is another, and there is one team more.
        ("[[team]]\nname = \"bank\"", "[[team]]\nname = \"aside\"\n[[team]]\nname = \"bank\""),
        // The team hangs elsewhere: what it has spent below the bank stays the bank's.
        ("parent = \"bank\"", "parent = \"aside\""),
        // The model and its prices are others.
        ("id = \"a\"", "id = \"b\""),
    ];
    for (from, to) in changes {
        edit(&folder, from, to);
        let server = Server::start(&folder.config()).await;
        let after = (spent(&server, "bank").await, spent(&server, "cards").await);
        assert_eq!(after, before, "{from} → {to}");
        server.kill().await;
    }
    // The team itself is gone: its parent has paid all the same.
    edit(&folder, "name = \"cards\"", "name = \"loans\"");
    let server = Server::start(&folder.config()).await;
    assert_eq!((spent(&server, "bank").await, spent(&server, "loans").await), (before.0, 0.0));
    end(server).await;
}

#[tokio::test]
async fn a_replica_and_a_configuration_are_known_again() {
    let up = SimBackend::start();
    let folder = Setup::new().model("a", &up.urls()).write();
    let mut hashes = Vec::new();
    for _ in 0..2 {
        let server = Server::start(&folder.config()).await;
        spend(&server).await;
        hashes.push(line(&server, "signalbox_config_info", &[]).await);
        end(server).await;
    }
    assert_eq!(hashes[0], hashes[1]);
    let file = Connection::open(folder.ledger()).expect("a ledger");
    let count = "SELECT count(DISTINCT replica) || ' ' || count(*) FROM ledger";
    let said: String = file.query_row(count, [], |row| row.get(0)).expect("a row");
    assert_eq!(said, "1 2", "one replica, two entries");
}

#[tokio::test]
async fn the_hash_is_that_of_the_configuration_in_force() {
    let up = SimBackend::start();
    let setup = || Setup::new().model("a", &up.urls());
    let gateway = setup().start().await;
    let hash = async || {
        let page = gateway.admin("/metrics").await.text();
        let line = page.lines().find(|it| it.starts_with("signalbox_config_info"));
        line.expect("a line").to_owned()
    };
    let before = hash().await;
    assert_eq!(gateway.reload(&setup()).await, Reloaded::Unchanged);
    assert_eq!(hash().await, before);
    let other = gateway.reload(&setup().and("[queue]\nwait_ms = 7\n")).await;
    assert!(matches!(other, Reloaded::InForce { .. }), "{other:?}");
    assert_ne!(hash().await, before);
    let back = gateway.reload(&setup()).await;
    assert!(matches!(back, Reloaded::InForce { .. }), "{back:?}");
    assert_eq!(hash().await, before);
}

#[tokio::test]
async fn with_too_little_disk_nothing_is_accepted() {
    let up = SimBackend::start();
    let low = format!("disk_free_bytes_min = {}\n", 1_u64 << 50);
    let gateway = Setup::new().model("a", &up.urls()).ledger(&low).start().await;
    let reply = gateway.ask(&ask("a")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), "5");
    assert!(reply.text().contains("disk"), "{}", reply.text());
    assert_eq!(up.seen().requests, 0);
    let ready = gateway.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("disk_free_bytes_min"), "{}", ready.text());
    let metrics = gateway.metrics().await;
    let labels = ["kind=\"unavailable\"", "stage=\"record\""];
    assert_eq!(metrics.sum("signalbox_refusals_total", &labels), 1.0);
    assert!(gateway.close().await.entries.is_empty());
}

/// Lets this process write no file beyond its first byte, or as much as it likes again.
async fn may_write(server: &Server, may: bool) {
    let program = "import resource, sys; resource.prlimit(int(sys.argv[1]), resource.RLIMIT_FSIZE, \
                   (resource.RLIM_INFINITY if sys.argv[2] == 'true' else 1, resource.RLIM_INFINITY))";
    let pid = server.id().to_string();
    let mut command = tokio::process::Command::new("python3");
    let status = command.args(["-c", program, &pid, &may.to_string()]).status().await;
    assert!(status.expect("python3 runs").success());
}

/// However many requests are turned away while the disk takes nothing, each comes back at once, and the log
/// has one line when it begins, with path and cause, and one when it ends.
#[tokio::test]
async fn a_disk_that_takes_nothing_is_said_once_and_nobody_waits_for_it() {
    let up = SimBackend::start();
    let folder = Setup::new().model("a", &up.urls()).write();
    let ignoring = "import os, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); \
                    os.execv(sys.argv[1], [sys.argv[1], 'serve', '--config', sys.argv[2]])";
    let server = Server::launched(ignoring, &folder.config()).await;
    spend(&server).await;
    may_write(&server, false).await;
    let began = std::time::Instant::now();
    let first = (0..4).map(|_| async { Reply::of(server.post(&ask("a"))).await.status });
    assert_eq!(futures_util::future::join_all(first).await, [503; 4], "those who find it");
    for _ in 0..20 {
        let reply = Reply::of(server.post(&ask("a"))).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(!reply.header("retry-after").is_empty());
    }
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    may_write(&server, true).await;
    let status = async || Reply::of(server.post(&ask("a"))).await.status;
    wait::answers("requests are served again", 200, status).await;
    let again = |it: &&serde_json::Value| {
        it["message"].as_str().is_some_and(|it| it.contains("can be written again"))
    };
    wait::until("it is said", || server.log().iter().any(|it| again(&it))).await;
    let log = server.log();
    let told = |level: &str| log.iter().filter(|it| it["level"] == level).collect::<Vec<_>>();
    let (errors, warnings) = (told("ERROR"), told("WARN"));
    let ([line], []) = (&*errors, &*warnings) else { panic!("{errors:?} {warnings:?}") };
    assert_eq!(line["ledger"], json!(folder.ledger()), "{line}");
    assert!(line["error"].as_str().is_some_and(|it| !it.is_empty()), "{line}");
    assert_eq!(log.iter().filter(again).count(), 1, "{log:?}");
    end(server).await;
    let books = Books::read(&folder.ledger());
    assert_eq!(books.verification.faults, Vec::<String>::new());
    assert_eq!(books.verification.open, 0, "nothing is lost");
}

#[tokio::test]
async fn old_entries_go_and_the_money_stays_spent() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).and(TEAMS).key("team = \"cards\"\n");
    let folder = setup.ledger("retention_days = 5\n").write();
    let server = Server::start(&folder.config()).await;
    spend(&server).await;
    let before = spent(&server, "cards").await;
    end(server).await;
    // Forty days go by; the rows become those of a version without checksums, which may be changed.
    let file = Connection::open(folder.ledger()).expect("a ledger");
    let older =
        "UPDATE entry SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '-40 days'),
                   boot = NULL, checksum = NULL;
                 UPDATE balance SET quarter = quarter - 3840;";
    file.execute_batch(older).expect("an edit");
    assert_eq!(Books::read(&folder.ledger()).verification.faults, Vec::<String>::new());
    for _ in 0..2 {
        let server = Server::start(&folder.config()).await;
        wait::until("it is gone", || Books::read(&folder.ledger()).entries.is_empty()).await;
        assert_eq!(spent(&server, "cards").await, before, "a window without end");
        assert_eq!(spent(&server, "bank").await, 0.0, "a month");
        end(server).await;
        assert_eq!(Books::read(&folder.ledger()).verification.faults, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_ledger_is_proved_while_it_is_written_and_a_row_changed_by_hand_is_found() {
    let up = SimBackend::start();
    let folder = Setup::new().model("a", &up.urls()).write();
    let verify = async |code: i32, says: &str| {
        let out = binary::run(&folder.config(), &["ledger", "verify"]).await;
        let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{text}");
        assert!(text.contains(says), "{says}: {text}");
    };
    verify(1, "signalbox.db").await;
    let server = Server::start(&folder.config()).await;
    spend(&server).await;
    spend(&server).await;
    verify(0, "the ledger is right").await;
    end(server).await;
    verify(0, "0 open").await;
    let file = Connection::open(folder.ledger()).expect("a ledger");
    for (change, back, says) in [
        (
            "UPDATE entry_close SET cost_nano = cost_nano + 1 WHERE seq = 1",
            "UPDATE entry_close SET cost_nano = cost_nano - 1 WHERE seq = 1",
            "the balance says",
        ),
        (
            "UPDATE balance SET requests = requests + 1",
            "UPDATE balance SET requests = requests - 1",
            "the balance says",
        ),
        (
            "CREATE TABLE aside AS SELECT * FROM entry_close WHERE seq = 2;
             DELETE FROM entry_close WHERE seq = 2",
            "INSERT INTO entry_close SELECT * FROM aside; DROP TABLE aside",
            "the balance says 2",
        ),
        (
            "CREATE TABLE aside AS SELECT * FROM entry WHERE seq = 1; DELETE FROM entry WHERE seq = 1",
            "INSERT INTO entry SELECT * FROM aside; DROP TABLE aside",
            "1 end belongs to no entry",
        ),
        (
            "UPDATE entry SET caller = caller + 100 WHERE seq = 2",
            "UPDATE entry SET caller = caller - 100 WHERE seq = 2",
            "has lost what it names",
        ),
    ] {
        file.execute_batch(change).expect("a change");
        verify(2, says).await;
        file.execute_batch(back).expect("a change");
        verify(0, "the ledger is right").await;
    }
    let out = binary::run(&folder.config(), &["ledger", "verify", "--json"]).await;
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert!(
        said["settled"].as_u64() > Some(1) && said["faults"] == serde_json::json!([]),
        "{said}"
    );
}

/// Puts another file in the place of one, or nothing; returns where the old one is now.
fn taken_away(file: &Path, other: Option<&str>) -> PathBuf {
    let away = file.with_extension("away");
    std::fs::rename(file, &away).unwrap();
    if let Some(text) = other {
        std::fs::write(file, text).unwrap();
    }
    away
}

#[tokio::test]
async fn a_ledger_whose_files_are_gone_takes_no_request_until_they_are_back() {
    let up = SimBackend::start();
    let folder = Setup::new().model("a", &up.urls()).write();
    let server = Server::start(&folder.config()).await;
    let status = async || Reply::of(server.post(&ask("a"))).await.status;
    let ready = async |code: u16| {
        let look = async || match server.admin("/readyz").await {
            found if found == code => Ok(()),
            other => Err(other),
        };
        wait::found("readiness", look).await;
    };
    assert_eq!(status().await, 200);
    let beside = |end: &str| PathBuf::from(format!("{}{end}", folder.ledger().display()));
    for (end, other) in [("", None), ("", Some("")), ("-wal", None), ("-shm", Some("x"))] {
        let away = taken_away(&beside(end), other);
        ready(503).await;
        let page = server.page("/readyz", "").await;
        assert!(page.contains("files were removed or replaced"), "{page}");
        assert_eq!(status().await, 503);
        std::fs::rename(away, beside(end)).unwrap();
        ready(200).await;
        assert_eq!(status().await, 200);
    }
    let gone = server.log().iter().filter(|it| it.to_string().contains("file is gone")).count();
    assert_eq!(gone, 4);
    // Nobody brings them back: what the process holds is copied at its end.
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(beside(end)).unwrap();
    }
    ready(503).await;
    end(server).await;
    let names = std::fs::read_dir(&folder.0).unwrap().map(|it| it.unwrap().path());
    let copies: Vec<_> = names.filter(|it| it.to_string_lossy().contains(".rescued-")).collect();
    let [copy] = &*copies else { panic!("{copies:?}") };
    let books = Books::read(copy);
    assert_eq!((books.entries.len(), books.verification.faults), (5, Vec::new()));
}
