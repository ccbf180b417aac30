//! The way out: not ready, still open for a while, then only what runs, and in the end an honest end.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::Running;
use crate::edge::accept::Shutdown;

/// After the hard stop, for callers to take their last words; whoever does not read them is dropped.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// For an operator's last request.
const LAST_SCRAPE: Duration = Duration::from_secs(1);

impl Running {
    /// Waits until a successor serves; its process. This one is to be shut down then.
    pub async fn succeeded(&self) -> i32 {
        match &self.incumbent {
            Some(incumbent) => incumbent.succeeded().await,
            None => std::future::pending().await,
        }
    }

    /// Not ready from now on, but open: for the grace, requests are served as before, and each answer
    /// says that its connection closes. Then nobody comes in, and what runs goes on to its end, or to the
    /// hard stop at the drain timeout: streams are cut honestly, and all else is answered with a failure
    /// that asks to try again. In the end everything is settled and flushed. A process with a successor
    /// accepts nothing even during the grace: its successor does. One without is still found by a successor
    /// until the grace ends; after it, the ledger and the addresses are free for the next process.
    pub async fn shutdown(self) {
        let gateway = self.gateway;
        let hard_stop = Instant::now() + self.drain_timeout;
        let grace_end = (Instant::now() + self.drain_grace).min(hard_stop);
        let [mut api, mut admin] = self.listeners;
        gateway.draining.store(true, Ordering::Relaxed);
        self.departure.announce(true);
        let succeeded = match self.incumbent {
            Some(incumbent) => incumbent.stop(grace_end, hard_stop).await,
            None => false,
        };
        if succeeded {
            let _ = self.closing.send(Shutdown::Left);
            let _ = self.admin_closing.send(Shutdown::Left);
        }
        sleep_until(grace_end).await;
        let _ = self.closing.send(Shutdown::Shut);
        if timeout_at(hard_stop, &mut api).await.is_err() {
            tracing::warn!("the drain timeout has ended: what still runs is cut");
            gateway.stopped.store(true, Ordering::Relaxed);
            let _ = self.closing.send(Shutdown::Hurry);
            if timeout(LAST_WORDS, &mut api).await.is_err() {
                let _ = self.closing.send(Shutdown::Dropped);
                let _ = api.await;
            }
        }
        let _ = self.admin_closing.send(Shutdown::Shut);
        if timeout(LAST_SCRAPE, &mut admin).await.is_err() {
            let _ = self.admin_closing.send(Shutdown::Dropped);
        }
        self.chores.iter().for_each(JoinHandle::abort);
        let writer = self.writer;
        // The writer's last flush blocks; it must not block the runtime.
        let _ = tokio::task::spawn_blocking(move || writer.finish()).await;
    }
}
