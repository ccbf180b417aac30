//! The gateway is killed and comes back.

use futures_util::future::try_join_all;
use policies::facts::Task;
use serde_json::json;

use super::{Scene, Stage};
use crate::{
    cli::demo::{
        BoxError,
        folder::Folder,
        gateway::{Gateway, itself},
    },
    store::{Reader, Verification},
};

/// The model that is asked.
const MODEL: &str = "deepseek-v3.2";
/// Streams that are open when it dies.
const STREAMS: usize = 6;

pub(super) async fn play(
    stage: &Stage<'_>,
    gateway: Gateway,
) -> Result<(Gateway, Scene), BoxError> {
    let mut scene = Scene::new("Act 5: the gateway is killed and comes back");
    let (staff, request) = (stage.staff()?, stage.request(Task::Math, true)?);
    // Silent after a third of the answer: the streams are open for as long as it takes.
    stage.order("/sim/fault", &json!({ "model": MODEL, "fault": "stall_mid" })).await?;
    let open = try_join_all((0..STREAMS).map(|_| staff.open(&request))).await?;
    let before = verified(stage.folder)?;
    gateway.kill().await?;
    stage.order("/sim/fault", &json!({ "model": MODEL, "fault": null })).await?;
    scene.done(&format!(
        "{STREAMS} streams of {MODEL}, told to stall after their first words, are being read; kill -9 of \
         the gateway's process"
    ));
    let mut ids = Vec::new();
    let mut broken = 0;
    for (id, mut response) in open {
        ids.push(id);
        let mut rest = String::new();
        let end = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => rest.push_str(&String::from_utf8_lossy(&bytes)),
                end => break end,
            }
        };
        broken += usize::from(end.is_err() && !rest.contains("[DONE]"));
    }
    scene.caller(&format!("{broken} of {STREAMS} streams break off, none says [DONE]"));
    scene.must(broken == STREAMS, "no stream pretends to be whole");
    scene.books(&format!("{} settled, {} open", before.settled, before.open));

    let gateway = Gateway::start(stage.folder).await.map_err(|it| it.why)?;
    scene.done("signalbox serve, on the same folder");
    let entries = stage.entries(&ids).await?;
    let recovered = entries.iter().filter(|it| it.state == "recovered").count();
    scene.books(&format!(
        "{recovered} entries recovered, charged what was reserved for them: {} USD",
        super::cost(&entries)
    ));
    scene.must(recovered == STREAMS, "what was open is recovered");
    let run = itself(&stage.folder.config(), &["ledger", "verify"])?.output().await?;
    let said = String::from_utf8_lossy(&run.stdout);
    let more = |it: &&str| ["prices", "audit trail"].iter().any(|name| it.starts_with(name));
    let of_ledger: Vec<_> = said.lines().filter(|it| !more(it)).collect();
    scene.books(&format!("signalbox ledger verify: {}", of_ledger.join("; ")));
    scene.must(run.status.success(), "the ledger is right");
    Ok((gateway, scene))
}

fn verified(folder: &Folder) -> Result<Verification, BoxError> {
    Ok(Reader::open(&folder.ledger()).and_then(|it| it.verify())?)
}
