//! The webhook: alerts go to an address of the configuration, signed, and again where it does not take them.
//!
//! One task holds what waits and tries one message at a time, so that a receiver who hangs costs nothing but
//! this task. What waits when the process ends is lost.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::{Client, header::CONTENT_TYPE, redirect};
use serde_json::json;
use sha2::Sha256;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    time::{Instant, sleep_until},
};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::StartError;
use crate::{
    account::BudgetAlert,
    config::{self, Secret},
    record::{Metrics, WebhookResult},
};

/// Messages that wait at the most.
const WAITING_MAX: usize = 1_000;
/// How long after a try that failed the next one comes.
const RETRIES_AFTER: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];
/// The header in which the signature stands.
const SIGNATURE: &str = "x-signalbox-signature";

/// Where messages are handed in. It never waits.
#[derive(Clone)]
pub(super) struct Outbox {
    queue: UnboundedSender<Message>,
    room: Arc<Semaphore>,
    metrics: Metrics,
}

/// What delivers them.
pub(super) struct Webhook {
    client: Client,
    url: String,
    secret: Secret,
    timestamp: fn() -> Timestamp,
    metrics: Metrics,
    incoming: UnboundedReceiver<Message>,
    /// By the moment of the next try, and by the order in which they came.
    waiting: BTreeMap<(Instant, u64), Message>,
    came: u64,
}

/// A message that waits for its receiver.
struct Message {
    id: Uuid,
    body: String,
    /// Tries that have failed.
    failed: usize,
    _room: OwnedSemaphorePermit,
}

/// Both ends of what goes to this webhook.
///
/// # Errors
/// No client can be made, as where the system's root certificates cannot be read.
pub(super) fn webhook(
    config: &config::Webhook,
    timestamp: fn() -> Timestamp,
    metrics: &Metrics,
) -> Result<(Outbox, Webhook), StartError> {
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(config.timeout)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("signalbox/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| StartError::Webhook(io::Error::other(error)))?;
    metrics.begin_webhook();
    let (queue, incoming) = unbounded_channel();
    let room = Arc::new(Semaphore::new(WAITING_MAX));
    let outbox = Outbox { queue, room, metrics: metrics.clone() };
    let webhook = Webhook {
        client,
        url: config.url.clone(),
        secret: config.secret.clone(),
        timestamp,
        metrics: metrics.clone(),
        incoming,
        waiting: BTreeMap::new(),
        came: 0,
    };
    Ok((outbox, webhook))
}

impl Outbox {
    /// Hands in an alert of this moment; where too many wait already, it is dropped and counted.
    pub(super) fn send(&self, alert: &BudgetAlert, at: Timestamp, currency: &str) {
        let (id, body) = message(alert, at, currency);
        let room = Arc::clone(&self.room).try_acquire_owned();
        let sent = room.is_ok_and(|room| {
            self.queue.send(Message { id, body, failed: 0, _room: room }).is_ok()
        });
        if !sent {
            self.metrics.webhook(WebhookResult::Dropped);
            tracing::warn!(%id, "the webhook is behind: a message is dropped");
        }
    }
}

impl Webhook {
    /// Delivers what comes, until nobody hands in anything any more.
    pub(super) async fn run(mut self) {
        loop {
            let due = self.waiting.first_key_value().map(|((due, _), _)| *due);
            tokio::select! {
                message = self.incoming.recv() => match message {
                    Some(message) => self.wait(message, Instant::now()),
                    None => return,
                },
                () = until(due) => self.deliver().await,
            }
        }
    }

    fn wait(&mut self, message: Message, until: Instant) {
        self.came += 1;
        self.waiting.insert((until, self.came), message);
    }

    /// Tries the first of those that wait.
    async fn deliver(&mut self) {
        let Some((_, mut message)) = self.waiting.pop_first() else { return };
        let id = message.id;
        let Err(why) = self.attempt(&message).await else {
            self.metrics.webhook(WebhookResult::Ok);
            tracing::debug!(%id, "the webhook has taken a message");
            return;
        };
        let Some(after) = RETRIES_AFTER.get(message.failed) else {
            self.metrics.webhook(WebhookResult::Failed);
            let tries = message.failed + 1;
            tracing::warn!(%id, tries, why, "the webhook does not take a message: it is given up");
            return;
        };
        message.failed += 1;
        self.wait(message, Instant::now() + *after);
    }

    /// The error says why it was not taken, and nothing of where.
    async fn attempt(&self, message: &Message) -> Result<(), String> {
        let signature = signature(&self.secret, (self.timestamp)().as_second(), &message.body);
        let request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json");
        let request = request.header(SIGNATURE, signature).body(message.body.clone());
        let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        // Its body is not read, however long it is; its connection goes with it.
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What a receiver can prove: the moment, and the keyed hash of it and the body.
fn signature(secret: &Secret, second: i64, body: &str) -> String {
    // HMAC takes keys of any length; the fallback is never taken.
    let mut keyed = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
    keyed.update(format!("{second}.{body}").as_bytes());
    let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
    let hash = keyed.finalize().into_bytes().iter().fold(String::new(), digits);
    format!("t={second},v1={hash}")
}

/// The id and the body of an alert. The same share of the same amount in the same window has the same id,
/// whichever process tells it.
fn message(alert: &BudgetAlert, at: Timestamp, currency: &str) -> (Uuid, String) {
    let BudgetAlert { team, key, window, window_start, share, spent, limit } = alert;
    let owner = match (team, key) {
        (Some(team), _) => json!({ "team": team }),
        (None, key) => json!({ "key": key }),
    };
    let told = json!([
        &owner,
        window.code(),
        window_start.map(Timestamp::as_second),
        share.number(),
        limit.nano()
    ]);
    let id = uuid::Builder::from_custom_bytes(xxh3_128(told.to_string().as_bytes()).to_be_bytes());
    let id = id.into_uuid();
    let body = json!({
        "id": id.to_string(),
        "type": "budget.alert",
        "at": at.to_string(),
        "owner": owner,
        "window": window.code(),
        "window_start": window_start.map(|it| it.to_string()),
        "share": share.number(),
        "spent": spent.to_string(),
        "limit": limit.to_string(),
        "currency": currency,
    });
    (id, body.to_string())
}

#[cfg(test)]
mod tests;
