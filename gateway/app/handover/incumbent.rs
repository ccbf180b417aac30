//! The one in charge: waits for a successor, and hands over to it.

use std::{
    io,
    os::fd::AsFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Passed,
    channel::Channel,
    place::{Listening, Place, trusted},
    talk::{Answer, Ask, Heard, ListenAddresses, Phase, Quiesced, Step},
};
use crate::{
    account::{give_way, take_back},
    pipeline::Gateway,
    store::Departure,
};

/// How often it is looked whether successors still find this process.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is handed over, and what stops meanwhile.
pub(in crate::app) struct HandoverContext {
    /// Where the configuration listens.
    pub(in crate::app) doors: ListenAddresses,
    /// The sockets that do.
    pub(in crate::app) sockets: Passed,
    /// Says to both doors that they take no connections.
    pub(in crate::app) rest: watch::Sender<bool>,
    /// What admits and records.
    pub(in crate::app) gateway: Arc<Gateway>,
    /// Where it says beside the ledger that another process is in charge.
    pub(in crate::app) departure: Departure,
    /// Whether this process was told to stop, and leaves also where nobody succeeds it.
    pub(in crate::app) stopping: Arc<AtomicBool>,
    /// For how long this process still serves over connections that are open, when it has a successor.
    pub(in crate::app) grace: Duration,
}

/// This process, found by successors.
pub(in crate::app) struct Incumbent {
    successor: watch::Receiver<Option<i32>>,
    stopping: Arc<AtomicBool>,
    leaving: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Incumbent {
    /// Can be found beside the ledger from now on. Where that cannot be, it is logged, and there is no
    /// hand-over.
    pub(in crate::app) fn take(ledger: &Path, context: HandoverContext) -> Option<Self> {
        let place = Place::beside(ledger);
        let listener = match place.listen() {
            Ok(listener) => listener,
            Err(error) => {
                let place = place.shown();
                tracing::warn!(%place, %error, "no successor can take over: cannot listen there");
                return None;
            }
        };
        let (succeeded, successor) = watch::channel(None);
        let (leaving, left) = oneshot::channel();
        let stopping = Arc::clone(&context.stopping);
        let task = tokio::spawn(async move {
            // In one task with what hands over: a successor's place is never cleared.
            match context.wait((&place, listener), left).await {
                None => place.clear(),
                Some(pid) => drop(succeeded.send(Some(pid))),
            }
        });
        Some(Self { successor, stopping, leaving, task })
    }

    /// Waits until a successor serves; its process.
    pub(in crate::app) async fn succeeded(&self) -> i32 {
        let mut successor = self.successor.clone();
        let pid = successor.wait_for(Option::is_some).await.ok().and_then(|it| *it);
        match pid {
            Some(pid) => pid,
            None => std::future::pending().await,
        }
    }

    /// This process was told to stop: until its grace ends, it still hands over to a successor that comes;
    /// whether one has. A hand-over that runs then goes on until the hard stop. In the end it cannot be
    /// found any more, and keeps no socket.
    pub(in crate::app) async fn stop(self, grace_end: Instant, hard_stop: Instant) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        let succeeded = timeout_at(grace_end, self.succeeded()).await.is_ok();
        let Self { successor, leaving, mut task, .. } = self;
        drop(leaving);
        if timeout_at(hard_stop, &mut task).await.is_err() && !succeeded {
            // The successor has copies of the sockets, and finds itself alone.
            task.abort();
            let _ = task.await;
        }
        successor.borrow().is_some()
    }
}

impl HandoverContext {
    /// Waits until it is handed over, to which process, or between two successors until it is left.
    async fn wait(
        &self,
        (place, mut listening): (&Place, Listening),
        mut left: oneshot::Receiver<()>,
    ) -> Option<i32> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let channel = tokio::select! {
                biased;
                _ = &mut left => return None,
                channel = next(&listening.listener) => channel,
                _ = look.tick() => {
                    listening = place.kept(listening);
                    continue;
                }
            };
            let Some(channel) = channel else { continue };
            let pid = channel.peer().unwrap_or_default();
            let handing = self.hand_over(channel, pid);
            if one_at_a_time(handing, &listening.listener).await == Phase::HandedOver {
                return Some(pid);
            }
        }
    }

    async fn hand_over(&self, mut channel: Channel, pid: i32) -> Phase {
        let (mut phase, mut since) = (Phase::Greeting, Instant::now());
        while !phase.ended() {
            let heard = hear(&mut channel, phase).await;
            let (next, step) = phase.hear(heard, self.doors);
            let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(successor = pid, before = ?phase, now = ?next, took_ms, "hand-over");
            since = Instant::now();
            phase = next;
            if let Err(why) = self.does(step, &mut channel).await {
                self.go_on(&mut channel, why).await;
                phase = Phase::Kept;
            }
        }
        phase
    }

    /// An error is why the hand-over ends here.
    async fn does(&self, step: Step, channel: &mut Channel) -> Result<(), String> {
        let lost = |error: io::Error| format!("it cannot be spoken to: {error}");
        match step {
            Step::Offer => {
                let [server, admin] = &self.sockets;
                let offer = Answer::Offer { pid: std::process::id() };
                channel.pass(&offer, [server.as_fd(), admin.as_fd()]).await.map_err(lost)
            }
            Step::Quiesce => {
                self.rest(true);
                let accounts = Arc::clone(&self.gateway.epoch.load().accounts);
                let aside = give_way(&accounts, (self.gateway.sources.timestamp)());
                let grace_ms = u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX);
                let flushed = self.gateway.recorder.flushed().await;
                flushed.map_err(|error| format!("the ledger is not flushed: {}", error.public))?;
                channel.say(&Answer::Quiesced(Quiesced { aside, grace_ms })).await.map_err(lost)
            }
            Step::Yield => {
                // Before the last word: the successor may have one of its own right after it.
                self.departure.announce(true);
                channel.say(&Answer::Yours).await.map_err(lost)
            }
            Step::Tell(None) => {
                channel.say(&Answer::Would { pid: std::process::id() }).await.map_err(lost)
            }
            Step::Tell(Some(why)) => channel.say(&Answer::Refused { why }).await.map_err(lost),
            Step::GoOn(why) => Err(why),
        }
    }

    async fn go_on(&self, channel: &mut Channel, why: String) {
        self.rest(false);
        take_back(&self.gateway.epoch.load().accounts);
        self.departure.announce(self.stopping());
        tracing::warn!(why, "there is no hand-over: serving on");
        // It may have gone.
        let _ = channel.say(&Answer::Refused { why }).await;
    }

    /// Whether connections are taken; while none is, answers send their callers to the successor.
    fn rest(&self, rest: bool) {
        self.rest.send_replace(rest);
        self.gateway.draining.store(rest || self.stopping(), Ordering::Relaxed);
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

async fn hear(channel: &mut Channel, phase: Phase) -> Heard {
    match timeout(phase.patience(), channel.hear::<Ask>()).await {
        Ok(Ok(Some(word))) => Heard::Said(word),
        Ok(Ok(None)) => Heard::Gone,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Heard::Gone,
        Ok(Err(error)) => Heard::Noise(error.to_string()),
        Err(_) => Heard::Silence,
    }
}

/// Turns away whoever else connects meanwhile.
async fn one_at_a_time(handing: impl Future<Output = Phase>, listener: &UnixListener) -> Phase {
    let mut handing = std::pin::pin!(handing);
    loop {
        tokio::select! {
            phase = &mut handing => return phase,
            more = next(listener) => if let Some(mut channel) = more {
                let why = String::from("another process is taking over already");
                tracing::warn!(pid = channel.peer(), why, "a successor is turned away");
                let _ = channel.say(&Answer::Refused { why }).await;
            },
        }
    }
}

async fn next(listener: &UnixListener) -> Option<Channel> {
    let stream: UnixStream = match listener.accept().await {
        Ok((stream, _)) => stream,
        Err(error) => {
            tracing::warn!(%error, "a successor cannot be let in: its connection cannot be accepted");
            tokio::time::sleep(super::ACCEPT_PAUSE).await;
            return None;
        }
    };
    if !trusted(&stream) {
        let pid = stream.peer_cred().ok().and_then(|it| it.pid());
        tracing::warn!(pid, "a process of another user asked to take over: it is turned away");
        return None;
    }
    Some(Channel::new(stream))
}
