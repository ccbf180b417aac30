//! Who asks on a replayed day, each with a key and a client, and the light traffic when the day is over.

use std::{sync::Arc, time::Duration};

use reqwest::StatusCode;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use super::{
    BoxError,
    acts::Stage,
    day::{Arrival, Caller, Day},
    drive::{Asked, ChatClient, Stranger},
    experiment,
    folder::{CUSTOMERS, KIOSK, STAFF},
};
use crate::sim::prompts::Prompt;

/// The model that the kiosk asks for by name. What is set aside of its budget for a request is then little
/// more than what the request costs: with a choice of models it would be what the dearest of them could cost.
const KIOSK_MODEL: &str = "gpt-oss-20b";
/// The most tokens of an answer that the kiosk asks for.
const KIOSK_TOKENS: u32 = 160;
/// Between two requests when the day is over.
const LIVE_EVERY: Duration = Duration::from_secs(2);
/// Of these requests an hour would have, live traffic takes the sequence, not the times.
const LIVE_PEAK: u32 = 500;

/// A client for each caller.
pub(super) struct Callers {
    customers: Arc<ChatClient>,
    staff: Arc<ChatClient>,
    kiosk: Arc<ChatClient>,
}

impl Callers {
    /// The callers of this gateway.
    pub(super) fn new(stage: &Stage<'_>) -> Result<Self, BoxError> {
        let client = |key| Ok::<_, BoxError>(Arc::new(stage.client(key)?));
        Ok(Self { customers: client(CUSTOMERS)?, staff: client(STAFF)?, kiosk: client(KIOSK)? })
    }

    /// The client of whoever asks, and the prompt as it is sent.
    pub(super) fn of(
        &self,
        arrival: Arrival,
        prompts: &[Prompt],
    ) -> Option<(Arc<ChatClient>, Prompt)> {
        let mut prompt = prompts.get(arrival.prompt)?.clone();
        let fields = prompt.body.as_object_mut()?;
        let client = match arrival.caller {
            Caller::Customers => {
                let user = experiment::user(prompt.language, arrival.draw);
                fields.insert("user".into(), json!(user));
                &self.customers
            }
            Caller::Staff => &self.staff,
            Caller::Kiosk => {
                fields.insert("model".into(), json!(KIOSK_MODEL));
                fields.insert("max_tokens".into(), json!(KIOSK_TOKENS));
                &self.kiosk
            }
        };
        Some((Arc::clone(client), prompt))
    }
}

/// Asks, and tells whether the answer has helped where it is one of an experiment.
pub(super) async fn asked(
    client: &ChatClient,
    prompt: &Prompt,
    draw: u64,
) -> Result<Asked, Stranger> {
    let mut asked = client.ask(prompt).await?;
    if let (Some(id), Some(_)) = (&asked.id, &asked.experiment) {
        let helped = asked.error.is_none() && experiment::is_content(asked.model.as_deref(), draw);
        let told = client.tell(id, experiment::PRIMARY, helped).await;
        asked.told = Some(told.is_ok_and(|status| status == StatusCode::ACCEPTED));
    }
    Ok(asked)
}

/// Asks one thing after another, as in the hours after this many, until the task is dropped.
pub(super) fn live(stage: &Stage<'_>, hours: u32, seed: u64) -> Result<JoinSet<()>, BoxError> {
    let callers = Callers::new(stage)?;
    let prompts: Arc<[Prompt]> = stage.prompts.into();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for hour in hours.. {
            let day = Day { prompts: &prompts, peak: LIVE_PEAK, chat_peak: LIVE_PEAK, seed };
            let mut arrivals = day.hour(hour);
            arrivals.extend(day.chat(hour));
            arrivals.sort_by_key(|it| it.at_ms);
            for arrival in arrivals {
                sleep(LIVE_EVERY).await;
                let Some((client, prompt)) = callers.of(arrival, &prompts) else { continue };
                // Somebody else listens there now: nothing more is sent.
                if asked(&client, &prompt, arrival.draw).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(tasks)
}
