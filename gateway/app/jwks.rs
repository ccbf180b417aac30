//! The keys of issuers of tokens, asked for again and again, beside every request: a token is verified by the
//! keys that are here, and never waits for others. An issuer that is down takes nothing away: its last keys
//! serve on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};

use crate::{
    directory::{Directory, IssuerKeys, KeyClient},
    pipeline::Gateway,
    record::Metrics,
};

/// How often it is looked whether keys are due or wanted.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// An issuer is asked no more often than this, whatever tokens come.
const ASK_EVERY_MIN: Duration = Duration::from_secs(10);
/// How long the start waits for keys.
const START_WAIT: Duration = Duration::from_secs(5);

/// Asks all issuers at the start. One that does not answer keeps nobody from serving: its tokens are refused
/// until it does.
pub(super) async fn first(directory: &Directory, metrics: &Metrics) {
    let all: Vec<_> = directory.issuer_keys().map(|(keys, _)| keys).collect();
    let Some(client) = client(all.is_empty()) else { return };
    let asked = join_all(all.iter().map(|keys| refresh(&client, keys, metrics)));
    let _ = tokio::time::timeout(START_WAIT, asked).await;
    for keys in all.iter().filter(|keys| keys.current().is_none()) {
        tracing::warn!(
            issuer = &*keys.name,
            "its keys are not known: its tokens are refused until they are"
        );
    }
}

/// A client, where there is anybody to ask.
fn client(nobody: bool) -> Option<KeyClient> {
    if nobody {
        return None;
    }
    let client = KeyClient::new();
    client
        .inspect_err(|error| tracing::error!("the keys of issuers cannot be asked for: {error}"))
        .ok()
}

/// Asks an issuer for its keys, and puts them in force. The log hears when that begins to fail, when it is
/// well again, and when the keys are others.
async fn refresh(client: &KeyClient, keys: &IssuerKeys, metrics: &Metrics) {
    let issuer = &*keys.name;
    keys.begin();
    let fetched = client.fetch(keys).await;
    metrics.jwks_refreshed(issuer, fetched.is_ok());
    match fetched {
        Ok(set) => {
            let (count, passed_over) = (set.len(), set.passed_over.join(", "));
            let differ = keys.install(set, jiff::Timestamp::now());
            if differ {
                tracing::info!(issuer, keys = count, "its keys are in force");
            }
            if differ && !passed_over.is_empty() {
                tracing::warn!(issuer, "keys that are of no use are passed over: {passed_over}");
            }
            if keys.note(false) {
                tracing::info!(issuer, "its keys can be had again");
            }
        }
        Err(fault) => {
            if keys.note(true) {
                let serve = if keys.current().is_some() {
                    "the last ones serve on"
                } else {
                    "none are known"
                };
                tracing::warn!(issuer, "its keys cannot be had, {serve}: {fault}");
            }
        }
    }
}

/// An issuer, and when it was last asked.
struct Asked {
    keys: Arc<IssuerKeys>,
    at: Instant,
    asking: bool,
}

impl Asked {
    /// Whether it is to be asked now. Soon, where a token's key is not known or the last answer was none.
    fn is_due(&self, every: Duration, now: Instant) -> bool {
        let soon = self.keys.wanted() || self.keys.failing() || self.keys.current().is_none();
        let wait = if soon { every.min(ASK_EVERY_MIN) } else { every };
        !self.asking && now.saturating_duration_since(self.at) >= wait
    }
}

/// Asks all issuers of the configuration in force when their keys are due, until the process ends. They have
/// been asked just now.
pub(super) async fn run(gateway: Arc<Gateway>) {
    let at = gateway.now();
    let known = gateway.epoch.load_full();
    let known = known.directory.issuer_keys();
    let mut asked: Vec<Asked> =
        known.map(|(keys, _)| Asked { keys: Arc::clone(keys), at, asking: false }).collect();
    let metrics = gateway.recorder.metrics();
    let mut asker: Option<KeyClient> = None;
    let mut asking = FuturesUnordered::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => for keys in due(&gateway, &mut asked) {
                asker = asker.take().or_else(|| client(false));
                let asker = asker.clone();
                asking.push(async move {
                    if let Some(asker) = asker {
                        refresh(&asker, &keys, metrics).await;
                    }
                    keys
                });
            },
            Some(keys) = asking.next(), if !asking.is_empty() => {
                let of = asked.iter_mut().find(|it| Arc::ptr_eq(&it.keys, &keys));
                of.into_iter().for_each(|it| it.asking = false);
            }
        }
    }
}

/// The keys that are to be asked for now, noted as being asked for.
fn due(gateway: &Gateway, asked: &mut Vec<Asked>) -> Vec<Arc<IssuerKeys>> {
    let (epoch, now) = (gateway.epoch.load(), gateway.now());
    let all: Vec<_> = epoch.directory.issuer_keys().collect();
    asked.retain(|it| all.iter().any(|(keys, _)| Arc::ptr_eq(keys, &it.keys)));
    let mut due = Vec::new();
    for (keys, every) in all {
        match asked.iter_mut().find(|it| Arc::ptr_eq(&it.keys, keys)) {
            Some(it) if !it.is_due(every, now) => continue,
            Some(it) => (it.at, it.asking) = (now, true),
            None => asked.push(Asked { keys: Arc::clone(keys), at: now, asking: true }),
        }
        due.push(Arc::clone(keys));
    }
    due
}
