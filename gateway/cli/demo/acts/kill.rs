//! A model is killed under load.

use futures_util::future::try_join_all;
use policies::facts::Task;
use serde_json::{Value, json};

use super::{Scene, Stage, guard::served};
use crate::{
    cli::demo::{
        BoxError,
        gateway::{Gateway, wait},
    },
    store::Entry,
};

/// Requests that wait for the model when it dies.
const REQUESTS: usize = 24;
/// Which model: one of a single replica, so that all of them lose their backend.
const MODEL: &str = "qwen3-coder-next";

pub(super) async fn play(stage: &Stage<'_>, gateway: &Gateway) -> Result<Scene, BoxError> {
    let mut scene = Scene::new("Act 2: a model is killed under load");
    let (staff, request) = (stage.staff()?, stage.request(Task::Coding, false)?);
    let label = format!("model=\"{MODEL}\"");
    let ejected = async || gateway.metric("signalbox_ejections_total", &[&label]).await;
    let before = ejected().await?;
    // It takes requests and answers none, so that none is done before it dies.
    stage.order("/sim/fault", &json!({ "model": MODEL, "fault": "stall_head" })).await?;
    let asked = try_join_all((0..REQUESTS).map(|_| staff.send(&request, &[])));
    let killed = async {
        let all = async || Ok((stage.in_flight(MODEL).await? == REQUESTS as u64).then_some(()));
        wait(all, "the requests in flight").await?;
        stage.order("/sim/kill", &json!({ "model": MODEL })).await
    };
    let (answers, ()) = tokio::try_join!(asked, killed)?;
    scene.done(&format!(
        "{REQUESTS} questions about code wait for {MODEL}, which was told to stall; its port and all \
         connections are closed (POST /sim/kill)"
    ));
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    let mut by: Vec<String> = answers.iter().map(|it| it.header("x-signalbox-model")).collect();
    by.sort();
    by.dedup();
    let by: Vec<String> = by.iter().map(|model| stage.placed(model)).collect();
    scene.caller(&format!("{good} of {REQUESTS} answered 200, by {}", by.join(" and ")));
    scene.must(good == REQUESTS, "all are answered");

    let ids: Vec<String> = answers.iter().map(|it| it.header("x-signalbox-id")).collect();
    let entries = stage.entries(&ids).await?;
    let moved = entries.iter().filter(|it| lost_and_served(it)).count();
    let settled = entries.len();
    let ejections = ejected().await? - before;
    let up = gateway.metric("signalbox_endpoint_up", &[&label]).await?;
    scene.books(&format!(
        "{settled} settled entries, {moved} with an attempt at {MODEL} that failed and one that was ok; \
         signalbox_ejections_total{{{label}}} +{ejections}, signalbox_endpoint_up{{{label}}} {up}"
    ));
    scene.must((settled, moved) == (REQUESTS, REQUESTS), "each attempt is in the books");
    scene.must(ejections >= 1.0 && up == 0.0, "the model is ejected");

    stage.order("/sim/revive", &json!({ "model": MODEL })).await?;
    stage.order("/sim/fault", &json!({ "model": MODEL, "fault": null })).await?;
    let back = async || Ok((staff.route(&request).await? == MODEL).then_some(()));
    wait(back, "the model to be back").await?;
    let again = staff.send(&request, &[]).await?;
    scene.done("POST /sim/revive; as soon as POST /v1/route names it again, one request more");
    scene.caller(&served(stage, &again));
    scene.must(again.header("x-signalbox-model") == MODEL, "it serves again");
    Ok(scene)
}

/// Whether the entry's attempts begin with one that the model lost and end with one that was served.
fn lost_and_served(entry: &Entry) -> bool {
    let attempts: Vec<Value> =
        entry.attempts.as_deref().and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
    let is = |attempt: Option<&Value>, name: &str, text: &str| {
        attempt.and_then(|it| it.get(name)).and_then(Value::as_str) == Some(text)
    };
    let (first, last) = (attempts.first(), attempts.last());
    is(first, "model", MODEL) && !is(first, "result", "ok") && is(last, "result", "ok")
}
