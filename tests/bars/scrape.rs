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
/// CPU of one scrape, with its reader's and what ticks meanwhile; more where others share the cores.
fn cpu_max() -> Duration {
    Duration::from_millis(if full() { 20 } else { 100 })
}

/// What half of the scrapes may take where callers and backends are in the same process, on a build without
/// optimizations: on a machine that may be busy, and in a full run, which is alone on its own.
fn scrape_max() -> Duration {
    Duration::from_millis(if full() { 50 } else { 1_000 })
}

/// The same in overload, when most of the CPU is the callers'.
fn overload_max() -> Duration {
    scrape_max() * 4
}

/// By how much requests may be slower while somebody scrapes.
fn slower_max(before: Duration) -> Duration {
    before * 2 + scrape_max()
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

/// How long each took, and what the first and the last said.
#[derive(Default)]
struct Scrapes {
    took: Vec<Duration>,
    first: String,
    last: String,
}

impl Scrapes {
    /// CPU of the process for each scrape, where nothing else goes on.
    fn cpu(&self) -> Duration {
        let [first, last] = [&self.first, &self.last].map(|text| {
            Exposition::of(text).value("process_cpu_seconds_total", &[]).expect("a figure")
        });
        Duration::from_secs_f64((last - first) / (self.took.len() - 1) as f64)
    }
}

/// Scrapes again and again until told to stop, over a connection of its own.
async fn scrapes(url: String, stop: Arc<AtomicBool>) -> Scrapes {
    let client = crate::harness::gateway::client();
    let mut all = Scrapes::default();
    while !stop.load(Relaxed) {
        let from = Instant::now();
        let Ok(answer) = client.get(&url).send().await else { break };
        all.last = answer.text().await.expect("a whole scrape");
        all.took.push(from.elapsed());
        if all.first.is_empty() {
            all.first = all.last.clone();
        }
        // Back to back it would be a load of its own.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    all
}

/// The middle and the longest.
fn figures(took: &[Duration]) -> [Duration; 2] {
    let mut took = took.to_vec();
    took.sort_unstable();
    [took.len() / 2, took.len().saturating_sub(1)]
        .map(|at| took.get(at).copied().unwrap_or_default())
}

fn said(Scrapes { took, .. }: &Scrapes) -> String {
    let [middle, longest] = figures(took).map(ms);
    format!("{middle} ms ({longest} at most, of {})", took.len())
}

/// Scrapes while something goes on.
async fn during<T>(url: &str, what: impl Future<Output = T>) -> Scrapes {
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
    let idle = during(&url, tokio::time::sleep(span / 3)).await;
    let alone = calm().await;
    let (mut with, mut crowd) = (Vec::new(), Vec::new());
    let beside = during(&url, async { with = calm().await }).await;
    let overload = async { crowd = traffic(&gateway, "a", OVERLOAD, span).await };
    let overload = during(&url, overload).await;
    let reload = during(&url, async {
        for amount in 501..507 {
            gateway.reload(&setup(&up, amount).server(grace)).await;
        }
    })
    .await;
    let drain = during(&url, gateway.close()).await;
    let lines = Exposition::of(&reload.last).lines.len();
    let refused = crowd.iter().filter(|it| it.status == 503).count();
    let [before, after] = [&alone, &with].map(|it| quantile(it, 0.95));
    println!(
        "bar scrape: {lines} lines, {} bytes: {} ms of CPU; {} idle, {} beside {CALM} requests a second, \
         {} beside {OVERLOAD} ({refused} of {} refused), {} in reloads, {} in the drain; p95 of requests {} \
         ms without scrapes, {} ms with",
        reload.last.len(),
        ms(idle.cpu()),
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
    assert!(idle.cpu() < cpu_max(), "{:?}", idle.cpu());
    for (Scrapes { took, .. }, max) in [
        (&idle, scrape_max()),
        (&beside, scrape_max()),
        (&overload, overload_max()),
        (&reload, scrape_max()),
        (&drain, scrape_max()),
    ] {
        assert!(!took.is_empty() && figures(took)[0] < max, "{took:?}");
    }
    assert!(after < slower_max(before), "{before:?} became {after:?}");
}
