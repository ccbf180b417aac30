//! Two hundred requests a second while one of three models has a bad day: callers do not notice.

use std::time::Duration;

use futures_util::future::join_all;
use signalbox::sim::Fault;

use crate::harness::{Gateway, Setup, Upstream, ask, gateway::results, streamed};

const HASTY: &str = "timeouts = { first_token_ms = 150, idle_ms = 150, total_ms = 3000 }\n";

/// Half a second of steady traffic, every other request streamed. What the callers saw that they should
/// not have.
async fn traffic(gateway: &Gateway) -> Vec<String> {
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let mut asked = Vec::new();
    for at in 0..100 {
        beat.tick().await;
        let request = if at % 2 == 0 { streamed("all") } else { ask("all") };
        asked.push(tokio::spawn(gateway.post(&request).send()));
    }
    let wrong = |asked: tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>| async move {
        let answer = match asked.await.expect("a task") {
            Ok(answer) => answer,
            Err(error) => return Some(format!("{error:?}")),
        };
        let status = answer.status();
        match answer.bytes().await {
            Ok(body) if status == 200 && !body.is_empty() => None,
            body => Some(format!("{status} {body:?}")),
        }
    };
    join_all(asked.into_iter().map(wrong)).await.into_iter().flatten().collect()
}

async fn bad_day(fault: Option<Fault>) -> Option<String> {
    let ups = [(); 3].map(|()| Upstream::start());
    let named = ["a", "b", "c"].iter().zip(&ups);
    let setup = named.fold(Setup::new(), |it, (id, up)| it.model_with(id, &up.urls(), HASTY));
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\", \"c\"]\n").start().await;
    let mut wrong = traffic(&gateway).await;
    match fault {
        Some(fault) => ups[0].fail(fault).await,
        None => ups[0].kill(0).await,
    }
    wrong.extend(traffic(&gateway).await);
    wrong.extend(traffic(&gateway).await);
    ups[0].mend().await;
    if fault.is_none() {
        ups[0].revive(0).await;
    }
    wrong.extend(traffic(&gateway).await);
    gateway.until(|books| books.verification.open == 0).await;
    let books = gateway.close().await;
    let met = books.entries.iter().flat_map(results).filter(|it| it != "ok").count();
    if books.entries.len() != 400 || books.verification.settled != 400 {
        return Some(format!("{fault:?}: {} entries for 400 requests", books.entries.len()));
    }
    if !wrong.is_empty() {
        return Some(format!("{fault:?}: {} callers noticed: {}", wrong.len(), wrong[0]));
    }
    // Silence is known only after its time: what came meanwhile has met it too.
    let silent = matches!(fault, Some(Fault::StallHead | Fault::StallContent));
    (met > 8 && !silent).then(|| format!("{fault:?}: {met} callers met it"))
}

#[tokio::test]
async fn callers_do_not_notice_a_models_bad_day() {
    let faults = [
        None,
        Some(Fault::Reset),
        Some(Fault::StallHead),
        Some(Fault::StallContent),
        Some(Fault::Status500),
        Some(Fault::Status429),
        Some(Fault::Garbage),
    ];
    let mut wrong = Vec::new();
    for fault in faults {
        wrong.extend(bad_day(fault).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
