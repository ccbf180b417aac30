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
    net::{TcpStream, UnixDatagram, UnixStream},
    process::Command,
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::harness::{
    Books, KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    byte_backend::{ByteBackend, Step},
    gateway::{Folder, client},
    manual_backend::{CONTENT, DONE, STREAM},
    raw,
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
        // One that is refused at once is told why, and may find the other end closed.
        let _ = self.0.get_mut().write_all(line.as_bytes()).await;
        self.hears().await
    }

    /// One that is offered the sockets, and the offer: the one before has to be noticed to be gone first.
    async fn offered(ledger: &Path) -> (Self, Value) {
        let greet = async || {
            let mut it = Self::at(ledger).await;
            let said = it.hello().await;
            if said["say"] == "offer" { Ok((it, said)) } else { Err(said) }
        };
        wait::found("a hand-over", greet).await
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
    let (prepares, offer) = Impostor::offered(&folder.ledger()).await;
    assert_eq!(offer["pid"], server.id());
    assert_eq!(asked(&server).await, 200, "it serves while another one prepares");
    let refused = Impostor::at(&folder.ledger()).await.hears().await;
    assert!(refused["why"].as_str().unwrap().contains("already"), "{refused}");
    drop(prepares);

    let (mut switches, _) = Impostor::offered(&folder.ledger()).await;
    assert_eq!(switches.says(json!({ "say": "quiesce" })).await["say"], "quiesced");
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let request = client().post(url).bearer_auth(KEY).body(ask("fast").to_string());
    let waiting = tokio::spawn(Reply::of(request));
    wait::turns().await;
    assert!(!waiting.is_finished(), "it was let in");
    drop(switches);
    assert_eq!(waiting.await.unwrap().status, 200);
    server.ready().await;
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
    server.ready().await;
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

#[tokio::test]
async fn a_removed_socket_is_made_anew_and_the_next_one_takes_over() {
    let fast = SimBackend::start();
    // An address of its own, so that nobody else is given its port.
    let free = std::net::TcpListener::bind("127.0.24.1:0").unwrap().local_addr().unwrap();
    let setup = Setup::new().model("fast", &fast.urls()).server(&format!("listen = \"{free}\"\n"));
    let folder = setup.write();
    let old = Server::start(&folder.config()).await;
    std::fs::remove_file(sock(&folder.ledger())).unwrap();
    wait::until("a socket", || sock(&folder.ledger()).exists()).await;
    let told = || old.log().iter().any(|it| it.to_string().contains("made anew"));
    wait::until("a word of it", told).await;
    std::fs::remove_file(sock(&folder.ledger())).unwrap();
    // It finds nobody, waits for the address, and finds somebody then.
    let new = Server::start(&folder.config()).await;
    assert_eq!(new.addr(), old.addr());
    assert!(old.ended().await.success());
    assert_eq!(asked(&new).await, 200);
}

#[tokio::test]
async fn who_finds_the_address_in_use_says_by_whom() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = \"{}\"", other.local_addr().unwrap());
    let fast = SimBackend::start();
    let folder = Setup::new().model("fast", &fast.urls()).write();
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let fixed = text.replacen("listen = \"127.0.0.1:0\"", &listen, 1);
    assert_ne!(fixed, text);
    std::fs::write(folder.config(), fixed).unwrap();
    let out = binary::run(&folder.config(), &["serve"]).await;
    let said = String::from_utf8_lossy(&out.stderr);
    for part in ["no signalbox on", "signalbox.db.sock is missing", "another process listens"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(out.status.code(), Some(1));
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
    server.ready().await;
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

/// A model whose streams go on when they are told to, and a quick one.
struct Held {
    folder: Folder,
    release: watch::Sender<bool>,
    _models: (ByteBackend, SimBackend),
}

impl Held {
    async fn with(server: &str) -> Self {
        let (release, held) = watch::channel(false);
        let first = format!("{STREAM}{CONTENT}").into_bytes();
        let last = format!("{CONTENT}{DONE}").into_bytes();
        let steps = vec![Step::Send(first), Step::Hold(held), Step::Send(last), Step::Close];
        let (slow, fast) = (ByteBackend::listing(vec![steps.into()]).await, SimBackend::start());
        let setup = Setup::new().model("slow", &slow.urls()).model("fast", &fast.urls());
        let folder = setup.server(server).write();
        Self { folder, release, _models: (slow, fast) }
    }

    async fn start(&self) -> Server {
        Server::start(&self.folder.config()).await
    }

    /// A stream that has begun; its whole text, or as much as came.
    async fn stream(&self, server: &Server) -> JoinHandle<String> {
        let mut answer = server.post(&streamed("slow")).send().await.expect("a head");
        assert_eq!(answer.status(), 200);
        let mut text = answer.chunk().await.expect("a chunk").expect("content").to_vec();
        tokio::spawn(async move {
            while let Ok(Some(chunk)) = answer.chunk().await {
                text.extend_from_slice(&chunk);
            }
            String::from_utf8(text).expect("UTF-8")
        })
    }

    /// Ends the last server; what the books say: settled, recovered.
    async fn books(&self, last: Server) -> (u64, u64) {
        last.terminate().await;
        assert_eq!(last.ended().await.code(), Some(0));
        let verified = Books::read(&self.folder.ledger()).verification;
        assert_eq!((verified.open, &verified.faults[..]), (0, &[][..]));
        (verified.settled, verified.recovered)
    }
}

async fn whole(stream: JoinHandle<String>) {
    let text = stream.await.expect("a task");
    assert!(text.trim_end().ends_with("data: [DONE]"), "cut: {text}");
}

#[tokio::test]
async fn while_two_before_it_still_stream_a_third_takes_over() {
    let held = Held::with("").await;
    let first = held.start().await;
    let one = held.stream(&first).await;
    let second = held.start().await;
    let (two, killed) = (held.stream(&second).await, held.stream(&second).await);
    let third = held.start().await;
    let three = held.stream(&third).await;
    let fourth = held.start().await;
    assert_eq!(asked(&fourth).await, 200);
    wait::until("only the streams are open", || {
        let books = Books::read(&held.folder.ledger()).verification;
        assert_eq!(books.faults, Vec::<String>::new());
        books.open == 4
    })
    .await;
    // One of those between ends before its time: the one in charge closes what it has left.
    second.kill().await;
    for cut in [two, killed] {
        assert!(!cut.await.expect("a task").contains("[DONE]"));
    }
    wait::until("what it left open is closed", || {
        Books::read(&held.folder.ledger()).verification.recovered == 2
    })
    .await;
    held.release.send(true).expect("they are held");
    whole(one).await;
    whole(three).await;
    assert_eq!(first.ended().await.code(), Some(0));
    assert_eq!(third.ended().await.code(), Some(0));
    assert_eq!(asked(&fourth).await, 200);
    assert_eq!(held.books(fourth).await, (4, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_told_to_stop_still_hands_over() {
    let held = Held::with("drain_grace_ms = 5000\n").await;
    let old = held.start().await;
    let stream = held.stream(&old).await;
    let load = Load::start(&old);
    load.more(20).await;
    old.terminate().await;
    wait::answers("not ready", 503, async || old.admin("/readyz").await).await;
    let new = held.start().await;
    assert_eq!((new.addr(), new.admin("/readyz").await), (old.addr(), 200));
    held.release.send(true).expect("they are held");
    whole(stream).await;
    assert_eq!(old.ended().await.code(), Some(0));
    load.more(20).await;
    let answered = load.end().await.len() as u64;
    assert_eq!(held.books(new).await, (answered + 1, 0));
}

#[tokio::test]
async fn one_that_drains_behind_closed_doors_leaves_the_place_to_the_next() {
    let held = Held::with("").await;
    let old = held.start().await;
    let stream = held.stream(&old).await;
    old.terminate().await;
    wait::answers("nobody is taken in any more", true, async || {
        TcpStream::connect(old.addr()).await.is_err()
    })
    .await;
    let new = held.start().await;
    assert_eq!(asked(&new).await, 200);
    let next = held.start().await;
    assert_eq!(asked(&next).await, 200);
    assert_eq!(new.ended().await.code(), Some(0));
    held.release.send(true).expect("they are held");
    whole(stream).await;
    assert_eq!(old.ended().await.code(), Some(0));
    assert_eq!(held.books(next).await, (3, 0));
}

/// Stands between an incumbent and its successor, and kills the incumbent when it has answered a word:
/// the answer is passed on, or lost. Where nobody takes connections then, it connects before that, and
/// prints what it is answered.
const KILLER: &str = r#"
import os, signal, socket, sys
path, pid, word, passed, request = sys.argv[1:]
os.rename(path, path + ".real")
place = socket.socket(socket.AF_UNIX)
place.bind(path)
place.listen()
print("there", flush=True)
successor, _ = place.accept()
incumbent = socket.socket(socket.AF_UNIX)
incumbent.connect(path + ".real")

def line(end):
    text, sockets = b"", []
    while not text.endswith(b"\n"):
        more, new, _, _ = socket.recv_fds(end, 4096, 4)
        if not more:
            sys.exit("closed after %r" % text)
        text, sockets = text + more, sockets + new
    return text, sockets

caller = None
while True:
    said, _ = line(successor)
    incumbent.sendall(said)
    answer, sockets = line(incumbent)
    if sockets:
        at = socket.socket(fileno=os.dup(sockets[0])).getsockname()
    if b'"offer"' not in answer and caller is None:
        caller = socket.create_connection(at)
        caller.sendall(request.encode())
    dies = b'"%s"' % word.encode() in said
    if dies:
        os.kill(int(pid), signal.SIGKILL)
        while os.path.exists("/proc/%s/fd/0" % pid):
            pass
    if not dies or passed == "passed":
        socket.send_fds(successor, [answer], sockets)
    if dies:
        break
    for it in sockets:
        os.close(it)
for it in sockets:
    os.close(it)
successor.close()
place.close()
print(caller.makefile().readline() if caller else "")
"#;

#[tokio::test]
async fn an_incumbent_that_is_killed_on_the_way_leaves_its_sockets_to_the_successor() {
    for (word, answer) in [
        ("hello", "lost"),
        ("hello", "passed"),
        ("quiesce", "lost"),
        ("quiesce", "passed"),
        ("serving", "lost"),
        ("serving", "passed"),
    ] {
        let held = Held::with("").await;
        let old = held.start().await;
        let cut = held.stream(&old).await;
        let sock = sock(&held.folder.ledger()).display().to_string();
        let request = raw::chat("", ask("fast").to_string().as_bytes());
        let request = String::from_utf8(request).expect("UTF-8");
        let mut killer = Command::new("python3");
        killer.args(["-c", KILLER, &sock, &old.id().to_string(), word, answer, &request]);
        killer.stdout(std::process::Stdio::piped()).kill_on_drop(true);
        let mut killer = killer.spawn().expect("python3");
        let mut says = BufReader::new(killer.stdout.take().expect("its output")).lines();
        assert_eq!(says.next_line().await.unwrap().as_deref(), Some("there"));
        let new = held.start().await;
        let waited = says.next_line().await.unwrap().expect("a line");
        assert!(killer.wait().await.expect("it ends").success(), "{word} {answer}");
        if word != "hello" {
            assert!(waited.starts_with("HTTP/1.1 200"), "{word} {answer}: {waited}");
        }
        if (word, answer) != ("hello", "lost") {
            assert_eq!(new.addr(), old.addr(), "{word} {answer}");
        }
        assert_eq!(asked(&new).await, 200, "{word} {answer}");
        assert_eq!(old.ended().await.code(), None, "it was killed");
        assert!(!cut.await.expect("a task").contains("[DONE]"));
        wait::until("what it left open is closed", || {
            Books::read(&held.folder.ledger()).verification.recovered == 1
        })
        .await;
        let next = held.start().await;
        assert_eq!(new.ended().await.code(), Some(0));
        let settled = if word == "hello" { 1 } else { 2 };
        assert_eq!(held.books(next).await, (settled, 1), "{word} {answer}");
    }
}
