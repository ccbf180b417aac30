//! Ten times as much as a model can take, nearly all of it from one key: the others hardly notice, and as
//! much is served as ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use signalbox::sim::ModelSpec;

use super::{Seen, by, call, full, ms, quantile};
use crate::harness::{Gateway, KEY, Setup, SimBackend, ask, sim_backend::MODEL, with};

/// Places at the model.
const PLACES: u32 = 16;
/// What it can take in a second, about.
const PEAK: u32 = 50;
/// Keys beside the flooding one, and how often each asks.
const OTHERS: usize = 4;
const OTHERS_EVERY: Duration = Duration::from_millis(250);

/// A request that takes as long as it takes: no two prompts take the same time, or begin alike.
fn body() -> Value {
    static NTH: AtomicU32 = AtomicU32::new(0);
    let text = format!("{}: what is a signal box for?", NTH.fetch_add(1, Relaxed));
    with(ask("a"), json!({ "messages": [{ "role": "user", "content": text }] }))
}

fn other(at: usize) -> String {
    format!("sk-other-{at}-0123456789abcdef0123456789abcdef")
}

async fn gateway(up: &SimBackend) -> Gateway {
    let setup = Setup::new().model("a", &up.urls());
    let setup = setup.endpoint(&format!("concurrency_max = {PLACES}\n"));
    let setup = (0..OTHERS).fold(setup, |setup, at| {
        let name = format!("other-{at}");
        let key = format!("[[key]]\nname = \"{name}\"\nsecret = \"file:{name}.key\"\n");
        setup.and(&key).file(&format!("{name}.key"), &other(at))
    });
    setup.start().await
}

/// As many callers as there are places, twice over, each asking again as soon as it is answered: what is
/// served in a second.
async fn peak(gateway: &Gateway, lasting: Duration) -> f64 {
    let from = Instant::now();
    let caller = async || {
        let mut served = 0;
        while from.elapsed() < lasting {
            served += u32::from(call(by(gateway, KEY, &body()), false).await.status == 200);
        }
        served
    };
    let served: u32 = join_all((0..2 * PLACES).map(|_| caller())).await.into_iter().sum();
    f64::from(served) / from.elapsed().as_secs_f64()
}

/// The other keys, each at its own slow pace.
async fn others(gateway: &Gateway, lasting: Duration) -> Vec<Seen> {
    let key = async |at: usize| {
        let mut beat = tokio::time::interval(OTHERS_EVERY);
        let (from, mut seen, key) = (Instant::now(), Vec::new(), other(at));
        // Not all in the same moment.
        tokio::time::sleep(OTHERS_EVERY / OTHERS as u32 * at as u32).await;
        while from.elapsed() < lasting {
            beat.tick().await;
            seen.push(call(by(gateway, &key, &body()), false).await);
        }
        seen
    };
    join_all((0..OTHERS).map(key)).await.concat()
}

/// One key at ten times the peak until told to stop.
async fn flood(gateway: &Gateway, stop: Arc<AtomicBool>) -> Vec<Seen> {
    let mut beat = tokio::time::interval(Duration::from_secs(1) / (10 * PEAK));
    let mut asked = Vec::new();
    while !stop.load(Relaxed) {
        beat.tick().await;
        asked.push(tokio::spawn(call(by(gateway, KEY, &body()), false)));
    }
    join_all(asked).await.into_iter().map(|it| it.expect("a task")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_load_from_one_key_costs_neither_goodput_nor_the_others() {
    let up = SimBackend::with(ModelSpec::plain(MODEL).paced(200, 400));
    let gateway = gateway(&up).await;
    let lasting = Duration::from_secs(if full() { 30 } else { 5 });
    peak(&gateway, Duration::from_millis(500)).await;
    let peak = peak(&gateway, lasting / 2).await;
    let alone = others(&gateway, lasting).await;
    let stop = Arc::new(AtomicBool::new(false));
    let flooded = flood(&gateway, Arc::clone(&stop));
    let beside = async {
        // The line is long by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let from = Instant::now();
        let seen = others(&gateway, lasting).await;
        stop.store(true, Relaxed);
        (from, from.elapsed(), seen)
    };
    let (flooded, (from, span, beside)) = tokio::join!(flooded, beside);
    let within = |it: &&Seen| (from..from + span).contains(&(it.at + it.took));
    let all = flooded.iter().chain(&beside).filter(within);
    let served = all.filter(|it| it.status == 200).count();
    let goodput = served as f64 / span.as_secs_f64();
    let offered = flooded.iter().filter(within).count() as f64 / span.as_secs_f64();
    let refused: Vec<&Seen> = flooded.iter().filter(|it| it.status == 503).collect();
    // A busy machine is given some more; a full run is alone on its own.
    let (at_once, part) = if full() { (10, 0.9) } else { (100, 0.85) };
    let quick = refused.iter().filter(|it| it.took < Duration::from_millis(at_once)).count();
    let [alone_p99, beside_p99] = [&alone, &beside].map(|it| quantile(it, 0.99));
    println!(
        "bar overload: peak {peak:.1} a second; {offered:.0} a second from one key: goodput {goodput:.1}, \
         {:.1} %; {} of {} others served, p99 {} ms alone, {} ms \
         beside it; {} refusals, {:.1} % \
         within {at_once} ms, p50 {} ms",
        100.0 * goodput / peak,
        beside.iter().filter(|it| it.status == 200).count(),
        beside.len(),
        ms(alone_p99),
        ms(beside_p99),
        refused.len(),
        100.0 * quick as f64 / refused.len() as f64,
        ms(quantile(refused.iter().copied(), 0.5))
    );
    assert!(offered >= 8.0 * peak, "it was no overload: {offered} a second");
    assert!(goodput >= 0.9 * peak, "{goodput} of {peak} a second");
    assert!(beside.iter().all(|it| it.status == 200), "{beside:?}");
    assert!(beside_p99 < 2 * alone_p99, "{alone_p99:?} became {beside_p99:?}");
    let enough = quick as f64 >= part * refused.len() as f64;
    assert!(enough, "{quick} of {} refusals came within {at_once} ms", refused.len());
    gateway.close().await;
}
