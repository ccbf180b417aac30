//! A budget runs out.

use policies::facts::Task;
use serde_json::json;

use super::{Scene, Stage, guard::refused};
use crate::cli::demo::{BoxError, drive::Answer, folder::KIOSK, gateway::Gateway};

/// Words of one answer at the most, as the kiosk asks at first.
const OUTPUT_TOKENS: u64 = 1_000;
/// And as it asks in the end.
const FEW_TOKENS: u64 = 120;
/// More requests than the budget can last for.
const REQUESTS_MAX: usize = 200;

pub(super) async fn play(stage: &Stage<'_>, gateway: &Gateway) -> Result<Scene, BoxError> {
    let mut scene = Scene::new("Act 3: a budget runs out");
    let team = ["team=\"kiosk\""];
    let limit = gateway.metric("signalbox_budget_limit", &team).await?;
    let before = gateway.metric("signalbox_budget_spent", &team).await?;
    scene.done(&format!(
        "the team `kiosk` has {:.6} USD left, and asks with max_tokens of {OUTPUT_TOKENS} until it \
         is refused",
        limit - before
    ));
    let mut ids = Vec::new();
    let refusal = until_refused(stage, OUTPUT_TOKENS, &mut ids).await?;
    scene.caller(&format!("{} answered, then {}", ids.len(), refused(&refusal)));
    let few = refusal.error("code") == "budget_too_small" && !ids.is_empty();
    scene.must(few, "some are served, then what is left is too little");

    let fits = advised(refusal.error("message")).ok_or("the refusal names no max_tokens")?;
    let answer = ask(stage, fits).await?;
    scene.done(&format!(
        "once more, with max_tokens of {fits}; then with {FEW_TOKENS}, until that is refused"
    ));
    scene.caller(&format!("{}, as the refusal said", answer.status));
    scene.must(answer.status == 200, "what the refusal advises is served");
    ids.push(answer.header("x-signalbox-id"));
    let before_last = ids.len();
    let last = until_refused(stage, FEW_TOKENS, &mut ids).await?;
    scene.caller(&format!("{} answered, then {}", ids.len() - before_last, refused(&last)));

    let entries = stage.entries(&ids).await?;
    let spent = gateway.metric("signalbox_budget_spent", &team).await?;
    scene.books(&format!(
        "{} entries, {} USD; signalbox_budget_spent{{{}}} +{:.6}: never a nano over",
        entries.len(),
        super::cost(&entries),
        team.join(","),
        spent - before,
    ));
    scene.must(spent <= limit, "no more is spent than there is");
    Ok(scene)
}

/// Asks the same again and again; the ids of those that were served, and the first refusal.
async fn until_refused(
    stage: &Stage<'_>,
    max_tokens: u64,
    ids: &mut Vec<String>,
) -> Result<Answer, BoxError> {
    for _ in 0..REQUESTS_MAX {
        let answer = ask(stage, max_tokens).await?;
        if answer.status != 200 {
            return Ok(answer);
        }
        ids.push(answer.header("x-signalbox-id"));
    }
    Err("the budget does not run out".into())
}

async fn ask(stage: &Stage<'_>, max_tokens: u64) -> Result<Answer, BoxError> {
    let mut request = stage.request(Task::OpenQa, false)?;
    if let Some(fields) = request.as_object_mut() {
        fields.insert("max_tokens".into(), json!(max_tokens));
    }
    stage.client(KIOSK)?.send(&request, &[]).await
}

/// The number that follows `max_tokens of` in a refusal.
fn advised(message: &str) -> Option<u64> {
    let rest = message.split_once("max_tokens of ")?.1;
    rest.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_read_from_the_refusal() {
        assert_eq!(advised("… it fits with max_tokens of 88 or less; the budget …"), Some(88));
        assert_eq!(advised("its input alone can cost more"), None);
    }
}
