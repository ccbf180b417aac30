//! What the demo shows after its table, one file an act: what is done, what the caller sees, what the books
//! say. Every line is made from real answers of a real gateway; what is not as it must be is said, and the
//! demo ends with an error.

mod budget;
mod crash;
mod guard;
mod kill;
mod policy;
pub(super) mod scene;

use policies::facts::{Language, Money, Task};
use reqwest::Client;
use serde_json::{Value, json};

use self::scene::Scene;
use super::{
    BoxError,
    drive::ChatClient,
    folder::{Folder, STAFF},
    gateway::{Gateway, wait},
    say,
};
use crate::{
    sim::prompts::Prompt,
    store::{Entry, Filter, Reader},
};

/// What the acts are played on.
pub(super) struct Stage<'a> {
    /// The demo's folder.
    pub folder: &'a Folder,
    /// The control address of the simulated models.
    pub control: String,
    /// Their zones, by model.
    pub zones: Vec<(String, String)>,
    /// What is asked.
    pub prompts: &'a [Prompt],
}

/// Plays all acts. The gateway that serves in the end is another one; whether all was as it must be is told.
pub(super) async fn play(stage: &Stage<'_>, gateway: Gateway) -> Result<(Gateway, bool), BoxError> {
    let mut good = tell(guard::play(stage, &gateway).await?)?;
    good &= tell(kill::play(stage, &gateway).await?)?;
    good &= tell(budget::play(stage, &gateway).await?)?;
    good &= tell(policy::play(stage, &gateway).await?)?;
    let (gateway, scene) = crash::play(stage, gateway).await?;
    good &= tell(scene)?;
    Ok((gateway, good))
}

fn tell(scene: Scene) -> Result<bool, BoxError> {
    say(&scene.text)?;
    Ok(scene.good)
}

impl Stage<'_> {
    pub(super) fn client(&self, key: &str) -> Result<ChatClient, BoxError> {
        ChatClient::new(&self.folder.api_url()?, &self.folder.key(key)?)
    }

    fn staff(&self) -> Result<ChatClient, BoxError> {
        self.client(STAFF)
    }

    /// The first English prompt of this task, as a request.
    fn request(&self, task: Task, stream: bool) -> Result<Value, BoxError> {
        let fits = |it: &&Prompt| it.task == task && it.language == Language::En;
        let prompt = self.prompts.iter().find(fits).ok_or("no such prompt")?;
        let mut body = prompt.body.clone();
        let fields = body.as_object_mut().ok_or("a prompt that is no object")?;
        fields.remove("stream_options");
        fields.insert("stream".into(), json!(stream));
        Ok(body)
    }

    /// A model with its zone.
    fn placed(&self, model: &str) -> String {
        let zone = self.zones.iter().find(|(id, _)| id == model).map(|(_, zone)| zone.as_str());
        format!("{model} ({})", zone.unwrap_or("no zone"))
    }

    /// Tells the simulated models something, at their control address.
    pub(super) async fn order(&self, path: &str, order: &Value) -> Result<(), BoxError> {
        let asked = Client::builder().no_proxy().build()?;
        let asked = asked.post(format!("{}{path}", self.control)).json(order);
        asked.send().await?.error_for_status()?;
        Ok(())
    }

    /// How many requests a simulated model has under way.
    async fn in_flight(&self, model: &str) -> Result<u64, BoxError> {
        let asked = Client::builder().no_proxy().build()?.get(format!("{}/sim/seen", self.control));
        let seen: Value = asked.send().await?.json().await?;
        Ok(seen.pointer(&format!("/{model}/in_flight")).and_then(Value::as_u64).unwrap_or(0))
    }

    /// The ledger's entries of these requests, once none of them is open.
    async fn entries(&self, ids: &[String]) -> Result<Vec<Entry>, BoxError> {
        let closed = async || {
            let filter = Filter { since_ms: 0, limit: 2_000 };
            let all = Reader::open(&self.folder.ledger()).and_then(|it| it.entries(filter))?;
            let theirs: Vec<_> = all.into_iter().filter(|it| ids.contains(&it.id)).collect();
            let done = theirs.iter().filter(|it| it.state != "open").count() == ids.len();
            Ok(done.then_some(theirs))
        };
        wait(closed, "the ledger's entries").await
    }
}

/// What entries cost together.
fn cost(entries: &[Entry]) -> Money {
    let nano = entries.iter().filter_map(|it| it.cost).map(Money::nano);
    Money::from_nano(nano.fold(0, i64::saturating_add))
}
