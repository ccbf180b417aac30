//! A new build is put in charge again and again: nobody is refused, and nothing is lost or double.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{interval, sleep},
};

use super::{full, ms};
use crate::harness::{
    Books, KEY, Setup, SimBackend, ask,
    binary::Server,
    manual_backend::{CONTENT, DONE, Line, ManualBackend, STREAM},
    raw,
    sim_backend::quick,
    streamed,
};

const STREAMS: usize = 100;
const HAND_OVERS: usize = 3;

/// Requests a second; a machine that cannot make so many itself may be asked for less.
fn rate() -> u32 {
    let asked = std::env::var("SIGNALBOX_BAR_RATE").ok();
    asked.map_or(200, |it| it.parse().expect("a number"))
}

/// Nobody takes connections for so long, at the most. A full run is alone on its own.
fn pause_max() -> Duration {
    Duration::from_millis(if full() { 500 } else { 2_000 })
}

/// A caller who waits as long as it takes.
pub(super) fn patient() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// What a caller saw.
struct Asked {
    at: Instant,
    /// Of a new connection.
    connect: Option<Duration>,
    /// With the connecting.
    took: Duration,
    /// The entry, or what went wrong.
    id: Result<String, String>,
}

async fn by_kept(client: reqwest::Client, url: String) -> Result<String, String> {
    let request = client.post(url).bearer_auth(KEY).body(ask("fast").to_string());
    let answer = request.send().await.map_err(|error| format!("kept: {error:?}"))?;
    let (status, id) = (answer.status(), answer.headers().get("x-signalbox-id").cloned());
    let text = answer.text().await.map_err(|error| format!("kept, the answer: {error:?}"))?;
    let id = id.and_then(|it| it.to_str().ok().map(str::to_owned));
    id.filter(|_| status == 200).ok_or(format!("kept: {status} {text}"))
}

async fn by_new(addr: SocketAddr, connect: &mut Duration) -> Result<String, String> {
    let from = Instant::now();
    let wrong = |error: std::io::Error| format!("new: {error}");
    let mut stream = TcpStream::connect(addr).await.map_err(wrong)?;
    *connect = from.elapsed();
    let request = raw::chat("", ask("fast").to_string().as_bytes());
    stream.write_all(&request).await.map_err(wrong)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(wrong)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let mut lines = answer.lines();
    let good = lines.next().is_some_and(|it| it.starts_with("HTTP/1.1 200"));
    let id = lines.find_map(|it| it.strip_prefix("x-signalbox-id: "));
    id.filter(|_| good).map(str::to_owned).ok_or(format!("new: {answer:?}"))
}

/// Asks at the rate until it is stopped, whatever becomes of those before: every other one over a kept
/// connection.
async fn load(addr: SocketAddr, stop: Arc<AtomicBool>) -> Vec<Asked> {
    let (client, url) = (patient(), format!("http://{addr}/v1/chat/completions"));
    let mut beat = interval(Duration::from_secs(1) / rate());
    let mut asked = JoinSet::new();
    while !stop.load(Relaxed) {
        beat.tick().await;
        let (client, url) = (client.clone(), url.clone());
        let kept = asked.len().is_multiple_of(2);
        asked.spawn(async move {
            let (at, mut connect) = (Instant::now(), Duration::ZERO);
            let id = match kept {
                true => by_kept(client, url).await,
                false => by_new(addr, &mut connect).await,
            };
            Asked { at, connect: (!kept).then_some(connect), took: at.elapsed(), id }
        });
    }
    asked.join_all().await
}

/// A backend's ends of the streams: a word on each again and again until they are to end, however long that
/// takes.
async fn talk(lines: Vec<Arc<Line>>, end: Arc<AtomicBool>) {
    let mut beat = interval(Duration::from_millis(100));
    while !end.load(Relaxed) {
        beat.tick().await;
        lines.iter().for_each(|it| it.say(CONTENT));
    }
    for it in lines {
        it.say(DONE);
        it.hang_up();
    }
}

/// A stream that has begun, and the backend's end of it.
async fn begun(addr: SocketAddr, slow: &ManualBackend) -> (Stream, Arc<Line>) {
    let answer = async {
        let line = slow.asked().await;
        line.say(STREAM);
        line.say(CONTENT);
        line
    };
    tokio::join!(stream(addr), answer)
}

type Stream = tokio::task::JoinHandle<Result<String, String>>;

/// A stream and its entry.
async fn stream(addr: SocketAddr) -> Stream {
    let url = format!("http://{addr}/v1/chat/completions");
    let request = patient().post(url).bearer_auth(KEY).body(streamed("slow").to_string());
    let mut answer = request.send().await.expect("a head");
    assert_eq!(answer.status(), 200);
    let id = answer.headers()["x-signalbox-id"].to_str().expect("text").to_owned();
    tokio::spawn(async move {
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| format!("{error:?}"))? {
            text.extend_from_slice(&chunk);
        }
        let whole = text.ends_with(b"data: [DONE]\n\n");
        whole.then_some(id).ok_or(format!("cut: {}", String::from_utf8_lossy(&text)))
    })
}

/// How long nobody took connections, by the log of the one before.
fn pause(log: &[Value]) -> Duration {
    let switched = log.iter().find(|it| it["before"] == "Switching" && it["now"] == "HandedOver");
    let took_ms = switched.and_then(|it| it["took_ms"].as_u64());
    Duration::from_millis(took_ms.expect("it has handed over"))
}

fn longest(of: impl Iterator<Item = Duration>) -> String {
    ms(of.max().unwrap_or_default())
}

/// From the start of another process until it serves.
struct HandOver {
    from: Instant,
    until: Instant,
}

/// Says what callers saw from a second before to a second after.
fn tell(nth: usize, HandOver { from, until }: &HandOver, pause: Duration, asked: &[Asked]) {
    let second = Duration::from_secs(1);
    let near = |it: &&Asked| it.at + second >= *from && it.at <= *until + second;
    let near: Vec<&Asked> = asked.iter().filter(near).collect();
    println!(
        "bar restart: hand-over {nth}: {} requests around it, connect at most {} ms, answer at most {} ms \
         over new connections and {} ms over kept ones; no connection was taken for {} ms",
        near.len(),
        longest(near.iter().filter_map(|it| it.connect)),
        longest(near.iter().filter(|it| it.connect.is_some()).map(|it| it.took)),
        longest(near.iter().filter(|it| it.connect.is_none()).map(|it| it.took)),
        ms(pause),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_restarts_under_load_lose_nothing() {
    let between = Duration::from_secs(if full() { 15 } else { 2 });
    let slow = ManualBackend::start().await;
    let fast = SimBackend::with(quick().fixed(5, 4, 1_000));
    let setup = Setup::new().model("slow", &slow.urls()).model("fast", &fast.urls());
    let folder = setup.server("drain_grace_ms = 3000\n").write();
    let mut server = Server::start(&folder.config()).await;
    let begun = join_all((0..STREAMS).map(|_| begun(server.addr(), &slow))).await;
    let (streams, lines): (Vec<_>, Vec<_>) = begun.into_iter().unzip();
    let end = Arc::new(AtomicBool::new(false));
    let talk = tokio::spawn(talk(lines, Arc::clone(&end)));
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(server.addr(), Arc::clone(&stop)));
    let (mut before, mut hand_overs) = (Vec::new(), Vec::new());
    for _ in 0..HAND_OVERS {
        sleep(between).await;
        let from = Instant::now();
        let next = Server::start(&folder.config()).await;
        hand_overs.push(HandOver { from, until: Instant::now() });
        before.push(std::mem::replace(&mut server, next));
    }
    sleep(between).await;
    let outlive = streams.iter().filter(|it| !it.is_finished()).count();
    stop.store(true, Relaxed);
    end.store(true, Relaxed);
    talk.await.expect("a task");
    let asked = load.await.expect("a task");
    let mut ids: Vec<Result<String, String>> = Vec::new();
    for it in streams {
        ids.push(it.await.expect("a task"));
    }
    let pauses: Vec<Duration> = before.iter().map(|it| pause(&it.log())).collect();
    server.terminate().await;
    before.push(server);
    for it in before {
        assert_eq!(it.ended().await.code(), Some(0));
    }
    for (nth, (hand_over, pause)) in (1..).zip(hand_overs.iter().zip(&pauses)) {
        tell(nth, hand_over, *pause, &asked);
    }
    ids.extend(asked.into_iter().map(|it| it.id));
    judge(ids, outlive, &Books::read(&folder.ledger()), &pauses);
}

fn judge(ids: Vec<Result<String, String>>, outlive: usize, books: &Books, pauses: &[Duration]) {
    let requests = ids.len();
    let (good, failed): (Vec<_>, Vec<_>) = ids.into_iter().partition(Result::is_ok);
    let good: HashSet<String> = good.into_iter().flatten().collect();
    let mut entries: HashMap<&str, usize> = HashMap::new();
    for it in &books.entries {
        *entries.entry(&it.id).or_default() += 1;
    }
    let lost = good.iter().filter(|id| !entries.contains_key(id.as_str())).count();
    let double = entries.values().filter(|it| **it > 1).count();
    let unknown = entries.keys().filter(|id| !good.contains(**id)).count();
    let verified = &books.verification;
    println!(
        "bar restart: {requests} requests at {}/s, {outlive} of {STREAMS} streams outlived {HAND_OVERS} \
         hand-overs: {} failed; {} entries: {lost} lost, {double} double, {unknown} of nobody; verify: {} \
         settled, {} open, {} recovered, {} faults",
        rate(),
        failed.len(),
        books.entries.len(),
        verified.settled,
        verified.open,
        verified.recovered,
        verified.faults.len(),
    );
    let mut kinds: HashMap<String, usize> = HashMap::new();
    for why in failed.into_iter().filter_map(Result::err) {
        *kinds.entry(why.chars().take(200).collect()).or_default() += 1;
    }
    assert!(kinds.is_empty(), "{kinds:#?}");
    assert_eq!((lost, double, unknown, outlive), (0, 0, 0, STREAMS));
    assert_eq!((verified.open, verified.recovered, &verified.faults[..]), (0, 0, &[][..]));
    assert_eq!(verified.settled as usize, requests);
    assert!(pauses.iter().all(|it| *it <= pause_max()), "{pauses:?}");
}

/// What a month of this many keys has left in the balances, each quarter of an hour of each.
fn fill(ledger: &std::path::Path, keys: u32) -> i64 {
    let books = rusqlite::Connection::open(ledger).expect("a ledger");
    let quarter = jiff::Timestamp::now().as_second() / 900;
    let fill = "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ?1), \
         q(at) AS (SELECT ?2 - 2880 UNION ALL SELECT at + 1 FROM q WHERE at < ?2 - 1) \
         INSERT INTO balance (quarter, tree, team, \"key\", cost_nano, requests) \
         SELECT q.at, b.tree, b.team, 'key-' || k.n, 1000, 10 FROM q, k, \
         (SELECT tree, team FROM balance LIMIT 1) AS b";
    books.execute(fill, rusqlite::params![keys, quarter]).expect("balances");
    books.query_row("SELECT count(*) FROM balance", [], |row| row.get(0)).expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_many_keys_does_not_make_callers_wait() {
    let keys = if full() { 1_000 } else { 100 };
    let fast = SimBackend::start();
    let setup = Setup::new().model("fast", &fast.urls());
    let folder = setup.key("budget = { amount = \"1000\", window = \"month\" }\n").write();
    let old = Server::start(&folder.config()).await;
    assert_eq!(old.post(&ask("fast")).send().await.expect("an answer").status(), 200);
    let look = || Books::read(&folder.ledger()).verification.open == 0;
    crate::harness::wait::until("it is settled", look).await;
    let balances = fill(&folder.ledger(), keys);
    let from = Instant::now();
    let new = Server::start(&folder.config()).await;
    let took = from.elapsed();
    let pause = pause(&old.log());
    println!(
        "bar restart: {balances} balances of {keys} keys and a month: no connection was taken for {} ms, \
         ready after {} ms",
        ms(pause),
        ms(took)
    );
    assert_eq!(old.ended().await.code(), Some(0));
    assert_eq!(new.post(&ask("fast")).send().await.expect("an answer").status(), 200);
}
