//! All replicas of all models are out, and three times as much is asked: nothing multiplies it.

use std::time::{Duration, Instant};

use signalbox::sim::InjectedFault;

use super::{full, ms, quantile, traffic};
use crate::harness::{Setup, SimBackend, sim_backend::quick};

const RATE: u32 = 200;

async fn outage(name: &str, fault: Option<InjectedFault>) -> Option<String> {
    let ups = [(); 3].map(|()| SimBackend::with(quick().replicas(2)));
    let named = ["a", "b", "c"].iter().zip(&ups);
    let setup = named.fold(Setup::new(), |it, (id, up)| it.model(id, &up.urls()));
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\", \"c\"]\n").start().await;
    let good = traffic(&gateway, "all", RATE, Duration::from_secs(1)).await;
    let attempts = async || gateway.metrics().await.sum("signalbox_attempts_total", &[]);
    gateway.until(|books| books.verification.open == 0).await;
    let before = attempts().await;
    for up in &ups {
        match fault {
            Some(fault) => up.fail(fault).await,
            None => (up.kill(0).await, up.kill(1).await).0,
        }
    }
    let lasting = Duration::from_secs(if full() { 20 } else { 3 });
    let bad = traffic(&gateway, "all", 3 * RATE, lasting).await;
    gateway.until(|books| books.verification.open == 0).await;
    let made = attempts().await - before;
    for up in &ups {
        up.mend().await;
        if fault.is_none() {
            up.revive(0).await;
            up.revive(1).await;
        }
    }
    let from = Instant::now();
    while traffic(&gateway, "all", RATE, Duration::from_millis(50))
        .await
        .iter()
        .any(|it| it.status != 200)
    {
        assert!(from.elapsed() < Duration::from_secs(40), "{name}: it never ends");
    }
    let each = made / bad.len() as f64;
    let served = bad.iter().filter(|it| it.status == 200).count();
    println!(
        "bar outage: {name}: {} requests, {made} attempts, {each:.3} each; p50 of the refusals {} ms, p99 {} \
         ms; all served again after {} ms",
        bad.len(),
        ms(quantile(&bad, 0.5)),
        ms(quantile(&bad, 0.99)),
        ms(from.elapsed())
    );
    gateway.close().await;
    let kept = each <= 1.2 && served == 0 && good.iter().all(|it| it.status == 200);
    (!kept).then(|| format!("{name}: {each} attempts a request, {served} served"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_outage_at_three_times_the_load_is_not_multiplied() {
    let mut wrong = Vec::new();
    wrong.extend(outage("all answer 500", Some(InjectedFault::Status500)).await);
    wrong.extend(outage("all are dead", None).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
