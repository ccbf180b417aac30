//! Confidential data meets the guard.

use policies::facts::Task;
use serde_json::json;

use super::{Scene, Stage};
use crate::cli::demo::{BoxError, drive::Answer, gateway::Gateway};

const CONFIDENTIAL: (&str, &str) = ("x-signalbox-data-class", "confidential");

pub(super) async fn play(stage: &Stage<'_>, gateway: &Gateway) -> Result<Scene, BoxError> {
    let mut scene = Scene::new("Act 1: confidential data meets the guard");
    let staff = stage.staff()?;
    let mut request = stage.request(Task::ToolUse, false)?;
    let refusals = ("signalbox_refusals_total", ["kind=\"forbidden\""]);
    let before = gateway.metric(refusals.0, &refusals.1).await?;
    scene.done(&format!(
        "an agent's request; with `{}: {}`; and that for \"model\": \"kimi-k2.6\"",
        CONFIDENTIAL.0, CONFIDENTIAL.1
    ));
    let free = staff.send(&request, &[]).await?;
    scene.caller(&served(stage, &free));
    let bound = staff.send(&request, &[CONFIDENTIAL]).await?;
    scene.caller(&served(stage, &bound));
    let outside = |model: &str| stage.placed(model) != format!("{model} (on_prem)");
    scene.must(outside(&free.header("x-signalbox-model")), "without the header a cloud serves");
    let at_home = bound.status == 200 && !outside(&bound.header("x-signalbox-model"));
    scene.must(at_home, "with it a model on premises does");

    if let Some(fields) = request.as_object_mut() {
        fields.insert("model".into(), json!("kimi-k2.6"));
    }
    let pinned = staff.send(&request, &[CONFIDENTIAL]).await?;
    scene.caller(&refused(&pinned));
    scene.must(pinned.error("code") == "policy_forbidden", "the pin is refused");

    let ids = [&free, &bound].map(|answer| answer.header("x-signalbox-id"));
    let entries = stage.entries(&ids).await?;
    let refused = gateway.metric(refusals.0, &refusals.1).await? - before;
    scene.books(&format!(
        "{} entries, {} USD; none for the refusal, but {}{{{}}} +{refused}",
        entries.len(),
        super::cost(&entries),
        refusals.0,
        refusals.1.join(","),
    ));
    scene.must((entries.len(), refused) == (2, 1.0), "two entries and one refusal");
    Ok(scene)
}

/// An answer by who gave it.
pub(super) fn served(stage: &Stage<'_>, answer: &Answer) -> String {
    let header = |name: &str| answer.header(&format!("x-signalbox-{name}"));
    format!(
        "{} from {}, x-signalbox-rule: {}, x-signalbox-attempts: {}",
        answer.status,
        stage.placed(&header("model")),
        header("rule"),
        header("attempts"),
    )
}

/// A refusal by what it says.
pub(super) fn refused(answer: &Answer) -> String {
    format!("{} {}: {}", answer.status, answer.error("code"), answer.error("message"))
}
