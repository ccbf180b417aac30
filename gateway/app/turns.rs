//! Whose turn it is to change something: one after the other, what closes something before all else, and
//! nobody waits past his deadline. Nothing is held while somebody waits for the ledger's file to be free.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard, watch},
    time::{Instant, timeout_at},
};

/// For how long a change is tried from when it was asked for, its wait for others included: about as long as
/// any reader of the ledger waits for whoever writes it.
pub(super) const CHANGE_WITHIN: Duration = Duration::from_secs(5);

/// How urgent a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It closes something, such as a key that has leaked: it goes before all that do not.
    Closes,
    /// Any other one.
    Waits,
}

/// Those who wait to change something.
pub(super) struct Turns {
    /// Held by the first of those that are not urgent, for as long as it takes.
    waits: Mutex<()>,
    /// How many urgent ones there are, until each has ended.
    urgent: watch::Sender<usize>,
    /// Whether the ledger's file was found locked when it was last tried.
    locked: AtomicBool,
}

/// A place among those who wait.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    until: Instant,
    _place: Place<'a>,
    urgency: Urgency,
}

/// What is given back at a turn's end.
enum Place<'a> {
    Urgent(&'a watch::Sender<usize>),
    First(#[allow(dead_code, reason = "held, not looked at")] MutexGuard<'a, ()>),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Self::Urgent(count) = self {
            count.send_modify(|it| *it = it.saturating_sub(1));
        }
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self { waits: Mutex::default(), urgent: watch::Sender::new(0), locked: false.into() }
    }
}

impl Turns {
    /// Waits until no other one of the same urgency is before it; nothing where that is not before `until`.
    /// Urgent ones do not wait here.
    pub(super) async fn wait(&self, urgency: Urgency, until: Instant) -> Option<Turn<'_>> {
        let place = match urgency {
            Urgency::Closes => {
                self.urgent.send_modify(|it| *it = it.saturating_add(1));
                Place::Urgent(&self.urgent)
            }
            Urgency::Waits => Place::First(timeout_at(until, self.waits.lock()).await.ok()?),
        };
        Some(Turn { turns: self, until, _place: place, urgency })
    }

    /// Keeps whether the ledger's file was found locked.
    pub(super) fn found_locked(&self, locked: bool) {
        self.locked.store(locked, Ordering::Relaxed);
    }

    /// Whether it was found so when it was last tried, by whoever did.
    pub(super) fn locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }
}

impl Turn<'_> {
    /// Takes what all want once nobody more urgent wants it; nothing where that is not before the deadline.
    pub(super) async fn take<'b, T>(&self, wanted: &'b Mutex<T>) -> Option<MutexGuard<'b, T>> {
        self.within(async {
            let mut urgent = self.turns.urgent.subscribe();
            loop {
                if self.urgency == Urgency::Waits {
                    // The sender is there as long as this is.
                    let _ = urgent.wait_for(|it| *it == 0).await;
                }
                let taken = wanted.lock().await;
                if self.urgency == Urgency::Closes || *urgent.borrow() == 0 {
                    return taken;
                }
            }
        })
        .await
    }

    /// Rests for this time, with nothing taken; `false` where the deadline comes before.
    pub(super) async fn rest(&self, pause: Duration) -> bool {
        self.within(tokio::time::sleep(pause)).await.is_some()
    }

    async fn within<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.until, what).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    /// One that came at some moment, and when it had what all want, for how long.
    type Had = (usize, Urgency, Instant);

    const HOLDS: Duration = Duration::from_millis(300);

    async fn one(
        (turns, wanted): (Arc<Turns>, Arc<Mutex<Vec<Had>>>),
        (nth, urgency): (usize, Urgency),
    ) -> Option<Instant> {
        let until = Instant::now() + CHANGE_WITHIN;
        let turn = turns.wait(urgency, until).await;
        let Some(turn) = turn else { return Some(Instant::now()) };
        let Some(mut had) = turn.take(&wanted).await else { return Some(Instant::now()) };
        had.push((nth, urgency, Instant::now()));
        tokio::time::sleep(HOLDS).await;
        None
    }

    /// Lets all come at their moments; who had it, in order, and when who had it not was told so.
    async fn all(came: &[(u64, bool)]) -> (Vec<Had>, Vec<Option<Duration>>) {
        let (turns, wanted) = (Arc::new(Turns::default()), Arc::default());
        let tasks: Vec<_> = came
            .iter()
            .enumerate()
            .map(|(nth, (after_ms, closes))| {
                let urgency = if *closes { Urgency::Closes } else { Urgency::Waits };
                let (after, shared) =
                    (Duration::from_millis(*after_ms), (Arc::clone(&turns), Arc::clone(&wanted)));
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let came = Instant::now();
                    one(shared, (nth, urgency)).await.map(|told| told - came)
                })
            })
            .collect();
        let mut told = Vec::new();
        for task in tasks {
            told.push(task.await.unwrap());
        }
        assert_eq!(*turns.urgent.borrow(), 0, "all have given their places back");
        let had = wanted.lock().await.clone();
        (had, told)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nobody_waits_past_his_deadline_and_none_goes_before_who_closes(
            came in proptest::collection::vec((0_u64..4_000, any::<bool>()), 1..30)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let began = Instant::now();
                let (had, told) = all(&came).await;
                for (nth, told) in told.iter().enumerate() {
                    let once = had.iter().filter(|it| it.0 == nth).count();
                    assert_eq!(once, usize::from(told.is_none()), "done or told, never both");
                    let soon = CHANGE_WITHIN + Duration::from_millis(2);
                    assert!(told.is_none_or(|it| it <= soon), "{told:?}");
                }
                for (at, (_, urgency, when)) in had.iter().enumerate() {
                    let waits = |later: &&Had| {
                        let came = began + Duration::from_millis(came[later.0].0 + 2);
                        *urgency == Urgency::Waits && later.1 == Urgency::Closes && came < *when
                    };
                    assert_eq!(had[at..].iter().find(waits), None, "{had:?}");
                }
            });
        }
    }
}
