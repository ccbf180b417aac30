//! How long a scrape of two thousand lines takes while all goes well, and while it does not; and whether
//! requests notice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use signalbox::sim::ModelSpec;

use super::{full, ms, quantile, traffic};
use crate::harness::{Setup, SimBackend, exposition::Exposition, sim_backend::MODEL};

/// Teams with a budget in each of two windows: six lines each.
const TEAMS: usize = 160;
/// What half of the scrapes may take on a build without optimizations, whose callers and backends are in the
/// same process, on a machine that is busy; 20 ms where the run is alone.
fn scrape_max() -> Duration {
    Duration::from_millis(if full() { 20 } else { 200 })
}

/// Places at the model; each is taken for some 50 ms.
const PLACES: u32 = 4;
/// Requests a second that it can take, and far more.
const CALM: u32 = 40;
const OVERLOAD: u32 = 400;

fn setup(up: &SimBackend, amount: u32) -> Setup {
    let team = |at: usize| {
        format!(
            "[[team]]\nname = \"team-{at}\"\nbudget = [{{ amount = \"{amount}\", window = \"month\" }}, \
             {{ amount = \"{amount}\", window = \"day\" }}]\n"
        )
    };
    let teams: String = (0..TEAMS).map(team).collect();
    Setup::new()
        .model("a", &up.urls())
        .endpoint(&format!("concurrency_max = {PLACES}\n"))
        .and(&teams)
}

/// Scrapes back to back until told to stop, over a connection of its own.
async fn scrapes(url: String, stop: Arc<AtomicBool>) -> (Vec<Duration>, String) {
    let client = crate::harness::gateway::client();
    let (mut took, mut last) = (Vec::new(), String::new());
    while !stop.load(Relaxed) {
        let from = Instant::now();
        let Ok(answer) = client.get(&url).send().await else { break };
        last = answer.text().await.expect("a whole scrape");
        took.push(from.elapsed());
        // Back to back it would be a load of its own.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (took, last)
}

/// The middle and the longest.
fn figures(took: &[Duration]) -> [Duration; 2] {
    let mut took = took.to_vec();
    took.sort_unstable();
    [took.len() / 2, took.len().saturating_sub(1)]
        .map(|at| took.get(at).copied().unwrap_or_default())
}

fn said(took: &[Duration]) -> String {
    let [middle, longest] = figures(took).map(ms);
    format!("{middle} ms ({longest} at most, of {})", took.len())
}

/// Scrapes while something goes on.
async fn during<T>(url: &str, what: impl Future<Output = T>) -> (Vec<Duration>, String) {
    let stop = Arc::<AtomicBool>::default();
    let scrapes = tokio::spawn(scrapes(url.to_owned(), Arc::clone(&stop)));
    what.await;
    stop.store(true, Relaxed);
    scrapes.await.expect("a task")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_is_answered_in_overload_reload_and_drain_and_holds_nobody_up() {
    let up = SimBackend::with(ModelSpec::plain(MODEL).paced(20, 2_000));
    let (grace, span) =
        ("drain_grace_ms = 1000\n", Duration::from_secs(if full() { 10 } else { 3 }));
    let gateway = setup(&up, 500).server(grace).start().await;
    let url = format!("http://{}/metrics", gateway.admin_addr());
    let calm = || traffic(&gateway, "a", CALM, span);
    calm().await;
    let (idle, _) = during(&url, tokio::time::sleep(span / 3)).await;
    let alone = calm().await;
    let (mut with, mut crowd) = (Vec::new(), Vec::new());
    let (beside, _) = during(&url, async { with = calm().await }).await;
    let overload = async { crowd = traffic(&gateway, "a", OVERLOAD, span).await };
    let (overload, _) = during(&url, overload).await;
    let (reload, text) = during(&url, async {
        for amount in 501..507 {
            gateway.reload(&setup(&up, amount).server(grace)).await;
        }
    })
    .await;
    let (drain, _) = during(&url, gateway.close()).await;
    let lines = Exposition::of(&text).lines.len();
    let refused = crowd.iter().filter(|it| it.status == 503).count();
    let [before, after] = [&alone, &with].map(|it| quantile(it, 0.95));
    println!(
        "bar scrape: {lines} lines, {} bytes: {} idle, {} beside {CALM} requests a second, {} beside \
         {OVERLOAD} ({refused} of {} refused), {} in reloads, {} in the drain; p95 of requests {} ms without \
         scrapes, {} ms with",
        text.len(),
        said(&idle),
        said(&beside),
        said(&overload),
        crowd.len(),
        said(&reload),
        said(&drain),
        ms(before),
        ms(after),
    );
    assert!(lines >= 2_000, "{lines} lines");
    assert!(refused > 0, "it was no overload");
    assert!(alone.iter().chain(&with).all(|it| it.status == 200), "all are served");
    for took in [&idle, &beside, &overload, &reload, &drain] {
        assert!(!took.is_empty() && figures(took)[0] < scrape_max(), "{took:?}");
    }
    assert!(after < before * 2 + Duration::from_millis(50), "{before:?} became {after:?}");
}
