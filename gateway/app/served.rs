//! Looks at answers again after their callers have had them: beside everything else, and never in its way.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc::Receiver, watch},
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::timeout,
};

use crate::{
    experiment::{judge, judged},
    pipeline::{self, Gateway, Served, ShadowAnswer, guards},
    schema,
    wire::Transcript,
};

/// Answers that are read at once: reading takes the processor's time.
const READ_AT_ONCE: usize = 1;
/// Answers of shadows that wait to be read; more are not compared: nothing that waits grows with the load.
const COMPARED_MAX: usize = 64;
/// For the answers that are still to be read when the process ends.
const LAST_READ: Duration = Duration::from_secs(2);

/// The one that looks.
pub(super) struct Looker {
    ends: watch::Sender<bool>,
    looks: JoinHandle<()>,
}

impl Looker {
    /// Looks at what comes, until it is told to end.
    pub(super) fn begin(gateway: &Arc<Gateway>, served: Receiver<Served>) -> Self {
        let (ends, ended) = watch::channel(false);
        let look = Look {
            gateway: Arc::clone(gateway),
            reading: Semaphore::new(READ_AT_ONCE),
            comparing: Semaphore::new(COMPARED_MAX),
            ended,
        };
        Self { ends, looks: tokio::spawn(run(Arc::new(look), served)) }
    }

    /// Ends it: what shadows are still asked is over, and recorded; answers that were served are read.
    pub(super) async fn finish(self) {
        let _ = self.ends.send(true);
        let _ = self.looks.await;
    }
}

/// What every look needs.
struct Look {
    gateway: Arc<Gateway>,
    reading: Semaphore,
    comparing: Semaphore,
    ended: watch::Receiver<bool>,
}

async fn run(look: Arc<Look>, mut served: Receiver<Served>) {
    let mut all = JoinSet::new();
    let mut ended = look.ended.clone();
    loop {
        tokio::select! {
            // Read before the next one is taken: what waits for that waits in the channel, which has an end.
            Some(it) = served.recv() => {
                let it = Arc::new(it);
                let answer = look.served(&it).await;
                if it.to_shadow {
                    all.spawn(Arc::clone(&look).shadow(it, answer));
                }
            }
            Some(_) = all.join_next() => {}
            () = told(&mut ended) => break,
        }
    }
    let rest = async {
        while let Ok(it) = served.try_recv() {
            look.served(&Arc::new(it)).await;
        }
        while all.join_next().await.is_some() {}
    };
    let _ = timeout(LAST_READ, rest).await;
    all.shutdown().await;
}

/// Waits until it is to end.
async fn told(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|it| *it).await;
}

impl Look {
    /// Looks at what was served: that waits for no shadow.
    async fn served(&self, it: &Arc<Served>) -> Option<Transcript> {
        let (gateway, it) = (Arc::clone(&self.gateway), Arc::clone(it));
        self.in_turn(move || judge(&gateway, &it)).await.flatten()
    }

    async fn shadow(self: Arc<Self>, it: Arc<Served>, answer: Option<Transcript>) {
        let mut ended = self.ended.clone();
        let shadow = tokio::select! {
            biased;
            () = told(&mut ended) => return,
            shadow = pipeline::shadow(&self.gateway, &it) => shadow,
        };
        let shadow = match shadow {
            Ok(shadow) => shadow,
            Err(why) => {
                let arm = it.of.map(|of| of.arm);
                arm.iter().for_each(|arm| {
                    self.gateway.recorder.shadow_passed(&it.opened, arm, why);
                });
                return;
            }
        };
        let Some((answer, shadow)) = answer.zip(shadow) else { return };
        let Ok(_place) = self.comparing.try_acquire() else { return };
        let look = Arc::clone(&self);
        // One that cannot be read leaves nothing.
        let _ = self.in_turn(move || compare(&look.gateway, (&it, &answer), &shadow)).await;
    }

    /// Reads something, when it is its turn; nothing where that fails.
    async fn in_turn<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self.reading.acquire().await.ok()?;
        spawn_blocking(read).await.ok()
    }
}

/// Reads the answer that was served, and keeps whether it is of the form that was asked for.
fn judge(gateway: &Gateway, it: &Served) -> Option<Transcript> {
    let answer = it.answer.transcript(&it.request)?;
    let form = it.request.format();
    if let Some(valid) = form.and_then(|form| schema::schema_valid(&form, &answer)) {
        gateway.recorder.judged(vec![judged::form(it.id, valid)]);
        guards::judged(gateway, &it.opened, valid);
    }
    Some(answer)
}

/// Reads the shadow's answer, and keeps how it compares with the one that was served.
fn compare(gateway: &Gateway, (it, answer): (&Served, &Transcript), shadow: &ShadowAnswer) {
    let Some(beside) = shadow.answer.transcript(&it.request) else { return };
    let experiment = it.of.and_then(|of| it.epoch.policy.experiment(of.arm.experiment));
    let Some(experiment) = experiment else { return };
    let compared = judge::compare(it.request.format().as_ref(), answer, &beside);
    gateway.recorder.judged(judged::compared(shadow.id, &compared));
    for (measure, same) in judged::agreements(&compared) {
        gateway.recorder.shadow_compared(&experiment.name, measure, same);
    }
}
