//! The way out: not ready, still open for a while, then only what runs, and in the end an honest end.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{Running, managed, trail};
use crate::{account::close_shares, edge::accept::Shutdown};

/// After the hard stop, for callers to take their last words; whoever does not read them is dropped.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// For an operator's last request.
const LAST_SCRAPE: Duration = Duration::from_secs(1);

/// Ends a gateway: see [`Running::shutdown`].
pub(super) async fn shutdown(running: Running) {
    let gateway = running.gateway;
    let hard_stop = Instant::now() + running.drain_timeout;
    let grace_end = (Instant::now() + running.drain_grace).min(hard_stop);
    let [mut api, mut admin] = running.listeners;
    gateway.draining.store(true, Ordering::Relaxed);
    running.departure.announce(true);
    let succeeded = match running.incumbent {
        Some(incumbent) => incumbent.stop(grace_end, hard_stop).await,
        None => false,
    };
    if succeeded {
        let _ = running.closing.send(Shutdown::Left);
        let _ = running.admin_closing.send(Shutdown::Left);
    }
    sleep_until(grace_end).await;
    if succeeded {
        // Its successor counts on it.
        close_shares(&gateway.epoch.load().accounts);
    }
    let _ = running.closing.send(Shutdown::Shut);
    if timeout_at(hard_stop, &mut api).await.is_err() {
        let after_ms = u64::try_from(running.drain_timeout.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(after_ms, "the drain timeout has ended: what still runs is cut");
        gateway.stopped.store(true, Ordering::Relaxed);
        let _ = running.closing.send(Shutdown::Hurry);
        if timeout(LAST_WORDS, &mut api).await.is_err() {
            let _ = running.closing.send(Shutdown::Dropped);
            let _ = api.await;
        }
    }
    let _ = running.admin_closing.send(Shutdown::Shut);
    if timeout(LAST_SCRAPE, &mut admin).await.is_err() {
        let _ = running.admin_closing.send(Shutdown::Dropped);
    }
    // What was spent last; the start after this takes it as told.
    running.alerts.look(&gateway);
    running.chores.iter().for_each(JoinHandle::abort);
    running.looker.finish().await;
    trail::denied(&gateway, true);
    managed::note_uses(&running.in_force).await;
    let writer = running.writer;
    let place = running.in_force.ledger.clone();
    // The writer's last flush blocks; it must not block the runtime.
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || writer.finish()).await {
        let ledger = place.display();
        tracing::error!(%ledger, %error, "the ledger is not whole: what could not be written is lost");
    }
    // Nothing more becomes durable, and so no more spans come.
    if let Some(traces) = running.traces {
        traces.finish().await;
    }
}
