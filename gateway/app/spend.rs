//! What was spent, for operators: read from the ledger's file beside its writer.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    edge::admin::Spend,
    failure::{Failure, Kind, Stage},
    pipeline::Gateway,
    spend::{Fault, Query, Wrong},
};

/// Reports that are made at once: each takes a thread, and a core for seconds where the ledger is large.
const REPORTS_MAX: usize = 2;
/// How long a question waits for others to be answered.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// When to come back after that.
const COME_BACK_AFTER: Duration = Duration::from_secs(10);

/// What says what was spent by this ledger. Rows on their way to the disk are waited for first; where they do
/// not get there, what is there is read.
pub(super) fn teller(gateway: &Arc<Gateway>, ledger: PathBuf) -> Spend {
    let recorder = gateway.recorder.clone();
    let gateway = Arc::clone(gateway);
    let turns = Arc::new(Semaphore::new(REPORTS_MAX));
    Box::new(move |query: &str| {
        let read =
            Query::read(query, (gateway.sources.timestamp)()).map_err(|wrong| misused(&wrong));
        let names = Arc::clone(&gateway.epoch.load().names);
        let (recorder, ledger, turns) = (recorder.clone(), ledger.clone(), Arc::clone(&turns));
        Box::pin(async move {
            let Query { question, form } = read?;
            let teams = &names.fleet.teams;
            let question = question.among(|team| teams.iter().any(|it| &*it.name == team));
            let turn = turn(turns).await?;
            let _ = recorder.flushed().await;
            let tell = move || {
                // Kept until it has been read, also where nobody waits for it any more.
                let _turn = turn;
                question.answer(&ledger)?.document(form).map_err(Fault::Wrong)
            };
            match tokio::task::spawn_blocking(tell).await {
                Ok(Ok(document)) => Ok((form.media_type(), document)),
                Ok(Err(Fault::Wrong(wrong))) => Err(misused(&[wrong])),
                Ok(Err(Fault::NoTeam(fault))) => {
                    Err(misused(&[Wrong { parameter: "team".to_owned(), fault }]))
                }
                Ok(Err(Fault::Ledger(error))) => Err(unreadable().because(error)),
                Err(error) => Err(unreadable().because(error)),
            }
        })
    })
}

/// Waits until a report may be made, but not for long.
async fn turn(turns: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
    let public = format!("{REPORTS_MAX} reports are being made, and they take their time");
    let busy = |_| Failure::new(Kind::Unavailable, Stage::Record, public).after(COME_BACK_AFTER);
    let turn = timeout(TURN_WITHIN, turns.acquire_owned()).await.map_err(busy)?;
    turn.map_err(|error| unreadable().because(error))
}

/// A question without a meaning: all that is wrong with it, at the first parameter that is.
pub(super) fn misused(wrong: &[Wrong]) -> Failure {
    let fault = |Wrong { parameter, fault }: &Wrong| format!("`{parameter}`: {fault}");
    let public = wrong.iter().map(fault).collect::<Vec<_>>().join("\n");
    let failure = Failure::invalid("invalid_value", public);
    match wrong.first() {
        Some(first) => failure.at(first.parameter.clone()),
        None => failure,
    }
}

pub(super) fn unreadable() -> Failure {
    Failure::new(Kind::Unavailable, Stage::Record, "the ledger cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_a_report_is_told_when_to_come_back() {
        let turns = Arc::new(Semaphore::new(REPORTS_MAX));
        let first = turn(Arc::clone(&turns)).await.unwrap();
        let _second = turn(Arc::clone(&turns)).await.unwrap();
        let failure = turn(Arc::clone(&turns)).await.unwrap_err();
        assert_eq!((failure.status(), failure.retry_after), (503, Some(COME_BACK_AFTER)));
        drop(first);
        assert!(turn(turns).await.is_ok());
    }
}
