//! A second process is started on the same configuration.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixDatagram, UnixStream},
    task::JoinSet,
};

use crate::harness::{
    Books, KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::client,
    sim_backend::quick,
    streamed, wait,
};

const STREAMS: usize = 100;
const CALLERS: usize = 8;

/// Callers who ask again and again, over connections that they keep.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    callers: JoinSet<Vec<String>>,
}

impl Load {
    fn start(server: &Server) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let url = format!("http://{}/v1/chat/completions", server.addr());
        let caller = |_| {
            let (stop, answers, url) = (Arc::clone(&stop), Arc::clone(&answers), url.clone());
            async move {
                let (client, mut ids) = (client(), Vec::new());
                while !stop.load(Relaxed) {
                    let body = ask("fast").to_string();
                    let reply = Reply::of(client.post(&url).bearer_auth(KEY).body(body)).await;
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    ids.push(reply.header("x-signalbox-id").to_owned());
                    answers.fetch_add(1, Relaxed);
                }
                ids
            }
        };
        let callers = (0..CALLERS).map(caller).collect();
        Self { stop, answers, callers }
    }

    /// Waits for so many more answers.
    async fn more(&self, many: usize) {
        let until = self.answers.load(Relaxed) + many;
        wait::until("more answers", || self.answers.load(Relaxed) >= until).await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        self.callers.join_all().await.into_iter().flatten().collect()
    }
}

async fn asked(server: &Server) -> u16 {
    Reply::of(server.post(&ask("fast"))).await.status
}

fn sock(ledger: &Path) -> PathBuf {
    PathBuf::from(format!("{}.sock", ledger.display()))
}

/// A successor that says what a test wants.
struct Impostor(BufReader<UnixStream>);

impl Impostor {
    async fn at(ledger: &Path) -> Self {
        Self(BufReader::new(UnixStream::connect(sock(ledger)).await.expect("somebody is there")))
    }

    async fn hears(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn says(&mut self, word: Value) -> Value {
        let line = format!("{word}\n");
        self.0.get_mut().write_all(line.as_bytes()).await.expect("it listens");
        self.hears().await
    }

    async fn hello(&mut self) -> Value {
        let at = "127.0.0.1:0";
        self.says(json!({ "say": "hello", "version": 1, "server": at, "admin": at })).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_and_with_open_streams_nobody_notices() {
    let slow = SimBackend::with(quick().paced(0, 50));
    let fast = SimBackend::start();
    let setup = Setup::new().model("slow", &slow.urls()).model("fast", &fast.urls());
    let folder = setup.server("drain_grace_ms = 2000\n").write();
    let old = Server::start(&folder.config()).await;
    let mut ids = HashSet::new();
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let mut answer = old.post(&streamed("slow")).send().await.expect("a head");
        assert_eq!(answer.status(), 200);
        ids.insert(answer.headers()["x-signalbox-id"].to_str().unwrap().to_owned());
        streams.spawn(async move {
            let mut text = Vec::new();
            while let Some(chunk) = answer.chunk().await.expect("the stream goes on") {
                text.extend_from_slice(&chunk);
            }
            String::from_utf8(text).expect("UTF-8")
        });
    }
    let load = Load::start(&old);
    load.more(100).await;
    let new = Server::start(&folder.config()).await;
    assert_eq!(new.addr(), old.addr());
    load.more(100).await;
    assert_eq!(new.admin("/readyz").await, 200);
    assert_eq!(old.ended().await.code(), Some(0));
    for text in streams.join_all().await {
        assert!(text.trim_end().ends_with("data: [DONE]"), "cut: {text}");
    }
    load.more(100).await;
    let answered = load.end().await;
    let many = answered.len() + STREAMS;
    ids.extend(answered);
    new.terminate().await;
    assert_eq!(new.ended().await.code(), Some(0));
    assert!(!sock(&folder.ledger()).exists(), "it has left its place");
    let books = Books::read(&folder.ledger());
    assert_eq!(books.verification.faults, Vec::<String>::new());
    assert_eq!(books.verification.open, 0);
    assert_eq!((books.entries.len(), ids.len()), (many, many), "lost or double");
    let kept: HashSet<_> = books.entries.iter().map(|it| it.id.clone()).collect();
    assert_eq!(kept, ids);
    assert!(books.entries.iter().all(|it| it.state == "settled"));
}

#[tokio::test]
async fn one_successor_after_the_other() {
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    let mut server = Server::start(&folder.config()).await;
    for _ in 0..3 {
        assert_eq!(asked(&server).await, 200);
        let next = Server::start(&folder.config()).await;
        assert_eq!(next.addr(), server.addr());
        assert_eq!(server.ended().await.code(), Some(0));
        server = next;
    }
    assert_eq!(asked(&server).await, 200);
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(Books::read(&folder.ledger()).entries.len(), 4);
}

/// It dies at each point of the hand-over, and whoever came meanwhile is served.
#[tokio::test]
async fn a_successor_that_dies_changes_nothing() {
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    let server = Server::start(&folder.config()).await;
    drop(Impostor::at(&folder.ledger()).await);
    let mut prepares = Impostor::at(&folder.ledger()).await;
    assert_eq!(prepares.hello().await["pid"], server.id());
    assert_eq!(asked(&server).await, 200, "it serves while another one prepares");
    let refused = Impostor::at(&folder.ledger()).await.hears().await;
    assert!(refused["why"].as_str().unwrap().contains("already"), "{refused}");
    drop(prepares);

    // The one before has to be noticed to be gone first.
    let mut switches = wait::found("a hand-over", async || {
        let mut it = Impostor::at(&folder.ledger()).await;
        let said = it.hello().await;
        if said["say"] == "offer" { Ok(it) } else { Err(said) }
    })
    .await;
    assert_eq!(switches.says(json!({ "say": "quiesce" })).await["say"], "quiesced");
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let request = client().post(url).bearer_auth(KEY).body(ask("fast").to_string());
    let waiting = tokio::spawn(Reply::of(request));
    wait::turns().await;
    assert!(!waiting.is_finished(), "it was let in");
    drop(switches);
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(server.admin("/readyz").await, 200);
    let next = Server::start(&folder.config()).await;
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(asked(&next).await, 200);
}

#[tokio::test]
async fn who_cannot_take_over_is_told_why_and_the_old_one_serves_on() {
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    let server = Server::start(&folder.config()).await;
    let ledger = format!("sqlite = \"{}\"\n", folder.ledger().display());
    let setup = Setup::new().model("fast", &fast.urls()).ledger(&ledger);
    let other = setup.server("listen = \"127.0.0.2:0\"\n").write();
    let out = binary::run(&other.config(), &["serve"]).await;
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    for part in ["is in use by another signalbox", "server.listen is 127.0.0.2:0", "127.0.0.1:0"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    for (word, expected) in [
        (
            json!({ "say": "hello", "version": 99, "server": "127.0.0.1:0", "admin": "127.0.0.1:0" }),
            "99",
        ),
        (json!({ "say": "serving" }), "out of turn"),
        (json!("nonsense"), "cannot be understood"),
    ] {
        let said = Impostor::at(&folder.ledger()).await.says(word).await;
        assert_eq!(said["say"], "refused");
        assert!(said["why"].as_str().unwrap().contains(expected), "{said}");
    }
    assert_eq!(asked(&server).await, 200);
    assert_eq!(server.admin("/readyz").await, 200);
}

#[tokio::test]
async fn after_a_crash_nobody_is_in_the_place_and_it_starts_alone() {
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    Server::start(&folder.config()).await.kill().await;
    assert!(sock(&folder.ledger()).exists(), "a crash leaves it");
    let server = Server::start(&folder.config()).await;
    assert_eq!(asked(&server).await, 200);
}

/// Opens two sockets as a manager of services does, and becomes the server.
const MANAGER: &str = r#"
import os, socket, sys
program, config = sys.argv[1:]
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
text = open(config).read()
for it in sockets:
    text = text.replace('"127.0.0.1:0"', '"127.0.0.1:%d"' % it.getsockname()[1], 1)
open(config, "w").write(text)
kept = [os.dup2(it.fileno(), 20 + nth) for nth, it in enumerate(sockets)]
for nth, fd in enumerate(kept):
    os.dup2(fd, 3 + nth, inheritable=True)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
os.execv(program, [program, "serve", "--config", config])
"#;

#[tokio::test]
async fn the_sockets_of_a_manager_are_used_where_it_passes_some() {
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    let server = Server::launched(MANAGER, &folder.config()).await;
    let config = std::fs::read_to_string(folder.config()).unwrap();
    assert!(config.contains(&server.addr().to_string()), "{config}");
    assert_eq!(asked(&server).await, 200);
    assert_eq!(server.admin("/readyz").await, 200);
    let next = Server::start(&folder.config()).await;
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(asked(&next).await, 200);
}

#[tokio::test]
async fn a_manager_is_told_which_process_to_watch() {
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    let path = folder.0.join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let hears = async || {
        let mut buffer = [0; 256];
        let read = manager.recv(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    };
    let old = Server::managed(&folder.config(), &path).await;
    assert_eq!(hears().await, format!("READY=1\nMAINPID={}\n", old.id()));
    let new = Server::managed(&folder.config(), &path).await;
    let said = HashSet::from([hears().await, hears().await]);
    let id = new.id();
    let ready = format!("READY=1\nMAINPID={id}\n");
    assert_eq!(said, HashSet::from([ready, format!("MAINPID={id}\n")]));
    assert_eq!(old.ended().await.code(), Some(0));
    new.terminate().await;
    assert_eq!(hears().await, "STOPPING=1\n");
    assert_eq!(new.ended().await.code(), Some(0));
}
