//! Looks at answers again after their callers have had them: beside everything else, and never in its way.

use std::sync::Arc;

use tokio::{
    sync::{Semaphore, mpsc::Receiver, oneshot},
    task::{JoinHandle, JoinSet},
};

use crate::{
    experiment::{judge, judged},
    pipeline::{self, Gateway, Served, ShadowAnswer, guards},
};

/// Answers that are read at once: reading takes the processor's time.
const READ_AT_ONCE: usize = 1;

/// The one that looks.
pub(super) struct Looker {
    end: oneshot::Sender<()>,
    looks: JoinHandle<()>,
}

impl Looker {
    /// Looks at what comes, until it is told to end.
    pub(super) fn begin(gateway: &Arc<Gateway>, served: Receiver<Served>) -> Self {
        let (end, ended) = oneshot::channel();
        Self { end, looks: tokio::spawn(run(Arc::clone(gateway), served, ended)) }
    }

    /// Ends it: what shadows are still asked is over, and recorded.
    pub(super) async fn finish(self) {
        drop(self.end);
        let _ = self.looks.await;
    }
}

async fn run(
    gateway: Arc<Gateway>,
    mut served: Receiver<Served>,
    mut ended: oneshot::Receiver<()>,
) {
    let reading = Arc::new(Semaphore::new(READ_AT_ONCE));
    let mut all = JoinSet::new();
    loop {
        tokio::select! {
            Some(it) = served.recv() => {
                all.spawn(look(Arc::clone(&gateway), it, Arc::clone(&reading)));
            }
            Some(_) = all.join_next() => {}
            _ = &mut ended => break,
        }
    }
    all.shutdown().await;
}

async fn look(gateway: Arc<Gateway>, it: Served, reading: Arc<Semaphore>) {
    let shadow = if it.to_shadow {
        match pipeline::shadow(&gateway, &it).await {
            Ok(answer) => answer,
            Err(why) => {
                gateway.recorder.shadow_passed(&it.opened, &it.of.arm, why);
                None
            }
        }
    } else {
        None
    };
    let Ok(_turn) = reading.acquire_owned().await else { return };
    let done = tokio::task::spawn_blocking(move || read(&gateway, &it, shadow.as_ref()));
    // One that cannot be read leaves nothing.
    let _ = done.await;
}

/// Reads the answers, and keeps what is found about them.
fn read(gateway: &Gateway, it: &Served, shadow: Option<&ShadowAnswer>) {
    let Some(answer) = it.answer.transcript(&it.request) else { return };
    let form = it.request.format();
    let Some(experiment) = it.epoch.policy.experiment(it.of.arm.experiment) else { return };
    if let Some(valid) = form.as_ref().and_then(|form| judge::schema_valid(form, &answer)) {
        gateway.recorder.judged(vec![judged::form(it.of.request, valid)]);
        guards::judged(gateway, &it.opened, valid);
    }
    let Some(shadow) = shadow else { return };
    let Some(beside) = shadow.answer.transcript(&it.request) else { return };
    let compared = judge::compare(form.as_ref(), &answer, &beside);
    gateway.recorder.judged(judged::compared(shadow.id, &compared));
    for (measure, same) in judged::agreements(&compared) {
        gateway.recorder.shadow_compared(&experiment.name, measure, same);
    }
}
