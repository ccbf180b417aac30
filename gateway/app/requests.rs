//! Requests of the past, for operators: read from the ledger's file beside its writer.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{Mutex, Semaphore};
use uuid::Uuid;

use crate::{
    edge::admin::FindRequest,
    failure::{Failure, Kind, Stage},
    outcome::Enrolment,
    pipeline::{FindEnrolment, Gateway, Turn},
    record::StoreError,
    store::Reader,
    why::Account,
};

/// Requests that are looked for at once: each takes a thread and reads the file, beside what is served.
const LOOKUPS_MAX: usize = 4;
/// Values that callers tell at once: each holds its body, and looks up whose its request was.
const WAITING_MAX: usize = 512;
/// Milliseconds after which the entry of a request is on disk, or nowhere; clocks of hosts differ by less.
const NEW_MS: i64 = 60_000;

/// What looks for a request in this ledger. Rows on their way to the disk are waited for first; where they
/// do not get there, what is there is read.
pub(super) fn finder(gateway: &Arc<Gateway>, ledger: PathBuf) -> FindRequest {
    let recorder = gateway.recorder.clone();
    let turns = Arc::new(Semaphore::new(LOOKUPS_MAX));
    Box::new(move |id: Uuid| {
        let (recorder, ledger, turns) = (recorder.clone(), ledger.clone(), Arc::clone(&turns));
        Box::pin(async move {
            let _ = recorder.flushed().await;
            let turn = turns.acquire_owned().await.map_err(|error| unreadable().because(error))?;
            let read = move || -> Result<_, StoreError> {
                // Kept until it has been read, also where nobody waits for it any more.
                let _turn = turn;
                let found = Reader::open(&ledger)?.request(id)?;
                Ok(found.map(|kept| Account::of(kept).json()))
            };
            match tokio::task::spawn_blocking(read).await {
                Ok(Ok(found)) => Ok(found),
                Ok(Err(error)) => Err(unreadable().because(error)),
                Err(error) => Err(unreadable().because(error)),
            }
        })
    })
}

/// What finds whose a request was, of which a caller tells something, in this ledger. One that has only just
/// come in may be on its way to the disk: it is waited for.
pub(super) fn enrolments(gateway: &Arc<Gateway>, ledger: PathBuf) -> FindEnrolment {
    let (recorder, timestamp) = (gateway.recorder.clone(), gateway.sources.timestamp);
    let desk = Arc::new(Desk {
        ledger,
        turns: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        waiting: Semaphore::new(WAITING_MAX),
        one_by_one: Default::default(),
    });
    Box::new(move |id: Uuid, name: Box<str>| {
        let (recorder, desk) = (recorder.clone(), Arc::clone(&desk));
        let now_ms = timestamp().as_millisecond();
        Box::pin(async move {
            let _waits = desk.waiting.try_acquire().map_err(|_| busy())?;
            let turn = desk.turn(id).await;
            let mut found = desk.enrolment(id, name.clone()).await?;
            if found.is_none() && is_new(id, now_ms) {
                recorder.flushed().await?;
                found = desk.enrolment(id, name).await?;
            }
            Ok(found.map(|found| (found, turn)))
        })
    })
}

/// Whether a request of this id came in so lately that its entry may not be on disk.
fn is_new(id: Uuid, now_ms: i64) -> bool {
    let made_ms = i64::try_from(id.as_u128() >> 80).unwrap_or(0);
    now_ms.saturating_sub(made_ms).abs() < NEW_MS
}

/// Where whose a request was is looked up.
struct Desk {
    ledger: PathBuf,
    turns: Arc<Semaphore>,
    /// Those who are looked up, and those who wait for that.
    waiting: Semaphore,
    /// What is told of one request is taken one after the other; by a part of its id, so that others seldom
    /// wait for it.
    one_by_one: [Arc<Mutex<()>>; 32],
}

impl Desk {
    async fn turn(&self, id: Uuid) -> Turn {
        let at = id.as_bytes().last().map_or(0, |last| usize::from(*last) % self.one_by_one.len());
        let lock = self.one_by_one.get(at).cloned().unwrap_or_default();
        lock.lock_owned().await
    }

    async fn enrolment(&self, id: Uuid, name: Box<str>) -> Result<Option<Enrolment>, Failure> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| unreadable().because(error))?;
        let ledger = self.ledger.clone();
        let read = move || -> Result<_, StoreError> {
            // Kept until it has been read, also where nobody waits for it any more.
            let _turn = turn;
            Reader::open(&ledger)?.enrolment(id, &name)
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(unreadable().because(error)),
            Err(error) => Err(unreadable().because(error)),
        }
    }
}

fn busy() -> Failure {
    let public = "the gateway takes as many values as it may; try again";
    Failure::new(Kind::Unavailable, Stage::Record, public).after(Duration::from_secs(1))
}

fn unreadable() -> Failure {
    Failure::new(Kind::Unavailable, Stage::Record, "the ledger cannot be read")
}
