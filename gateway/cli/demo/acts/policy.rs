//! A policy is edited, broken, rehearsed and taken over while the gateway serves.

use policies::facts::{Money, Task};
use serde_json::Value;

use super::{Scene, Stage, guard::served};
use crate::cli::demo::{
    BoxError,
    drive::Answer,
    folder::Folder,
    gateway::{Gateway, itself, wait},
    six_decimals,
};

/// The rule that is edited, its route, and what is written instead.
const ROUTE: &str = "route = [\"gemma-4-31b?\",";
const WRONG: (&str, &str) = ("task = [\"summarization\"]", "task = [\"summarisation\"]");
const OTHER: &str = "route = [\"gpt-oss-20b?\", \"gemma-4-31b?\",";

pub(super) async fn play(stage: &Stage<'_>, gateway: &Gateway) -> Result<Scene, BoxError> {
    let mut scene =
        Scene::new("Act 4: a policy is broken, rehearsed and taken over while it serves");
    let folder = stage.folder;
    let preset = std::fs::read_to_string(folder.policy())?;
    let played = acts(stage, gateway, &preset, &mut scene).await;
    folder.restore_policy()?;
    played?;
    let hash = |page: &Value| page.get("hash").and_then(Value::as_str).map(str::to_owned);
    let now = hash(&gateway.page("/admin/v1/policy").await?);
    gateway.hang_up()?;
    let back = async || {
        let hash = hash(&gateway.page("/admin/v1/policy").await?);
        Ok((hash != now).then_some(()))
    };
    wait(back, "the preset to be in force again").await?;
    let last = ask(stage).await?;
    scene.done("policy.toml is put back as it was, and SIGHUP sent once more");
    scene.caller(&served(stage, &last));
    scene.must(last.header("x-signalbox-model") == "gemma-4-31b", "the preset is in force again");
    Ok(scene)
}

async fn acts(
    stage: &Stage<'_>,
    gateway: &Gateway,
    preset: &str,
    scene: &mut Scene,
) -> Result<(), BoxError> {
    let folder = stage.folder;
    let version = |page: &Value| page.get("version").and_then(Value::as_str).map(str::to_owned);
    let log = gateway.log_end();
    folder.write_policy(&folder.policy(), &edited(preset, WRONG.0, WRONG.1)?)?;
    gateway.hang_up()?;
    scene.done(&format!("policy.toml is edited, {} for {}; SIGHUP", WRONG.1, WRONG.0));
    let fault = gateway.refused(log).await?;
    let fault = fault.replace(&format!("{}/", folder.path().display()), "");
    scene.books(&format!("the log: {fault}"));
    scene.must(fault.contains("did you mean `summarization`"), "the fault says what is wrong");
    let kept = ask(stage).await?;
    scene.caller(&served(stage, &kept));
    scene.must(kept.header("x-signalbox-model") == "gemma-4-31b", "the old policy serves on");

    folder.restore_policy()?;
    let other = edited(preset, ROUTE, OTHER)?.replace("bank-2026-11.3", "bank-next");
    folder.write_policy(&folder.next_policy(), &other)?;
    scene.done(
        "policy.toml is mended; policy-next.toml, with summaries for gpt-oss-20b first, is rehearsed: \
         signalbox policy replay --policy policy-next.toml --since 1h",
    );
    for line in rehearsed(folder).await? {
        scene.books(&line);
    }

    folder.write_policy(&folder.policy(), &other)?;
    gateway.hang_up()?;
    let taken = async || {
        let version = version(&gateway.page("/admin/v1/policy").await?);
        Ok(version.filter(|it| it == "bank-next"))
    };
    let version = wait(taken, "the new policy to be in force").await?;
    scene.done("it is copied to policy.toml; SIGHUP");
    scene.books(&format!("GET /admin/v1/policy, with the token: version {version}"));
    let moved = ask(stage).await?;
    scene.caller(&served(stage, &moved));
    scene.must(moved.header("x-signalbox-model") == "gpt-oss-20b", "the new policy decides");
    Ok(())
}

async fn ask(stage: &Stage<'_>) -> Result<Answer, BoxError> {
    stage.staff()?.send(&stage.request(Task::Summarization, false)?, &[]).await
}

fn edited(policy: &str, from: &str, to: &str) -> Result<String, BoxError> {
    match policy.matches(from).count() {
        1 => Ok(policy.replace(from, to)),
        found => Err(format!("the preset has `{from}` {found} times, and not once").into()),
    }
}

/// What the rehearsal found: how many requests move and what that costs, and then each move.
async fn rehearsed(folder: &Folder) -> Result<Vec<String>, BoxError> {
    let next = folder.next_policy().display().to_string();
    let arguments = ["policy", "replay", "--policy", &next, "--since", "1h", "--json"];
    let run = itself(&folder.config(), &arguments)?.output().await?;
    if !run.status.success() {
        return Err(format!("policy replay: {}", String::from_utf8_lossy(&run.stderr)).into());
    }
    let told: Value = serde_json::from_slice(&run.stdout)?;
    let found = told.get("found").ok_or("policy replay: nothing found")?;
    let all = found.get("all").ok_or("policy replay: no sum")?;
    let count = |part: &Value, name: &str| part.get(name).and_then(Value::as_i64).unwrap_or(0);
    let cost = |part: &Value| {
        let cost = |name| six_decimals(Money::from_nano(count(part, name)));
        format!("{} → {} USD", cost("cost_nano"), cost("new_cost_nano"))
    };
    let mut lines = vec![format!(
        "{} requests of the ledger, every model healthy: {} move, {} would be refused; cost {}",
        count(all, "requests"),
        count(all, "moved"),
        count(all, "refused"),
        cost(all),
    )];
    let moves = found.get("moves").and_then(Value::as_object).into_iter().flatten();
    lines.extend(
        moves.map(|(way, part)| format!("{way}: {}, {}", count(part, "requests"), cost(part))),
    );
    Ok(lines)
}
