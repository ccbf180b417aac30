//! What a model of the operator's own finds in the texts of a request, beside what the recognisers count.
//!
//! It is asked before anything is decided, and only where the configuration names it. What it is told are
//! texts, and nothing of who asks. An answer is kept under a hash; no text is.

mod kept;

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use policies::facts::Contents;
use serde_json::json;
use sha2::{Digest, Sha256};

use self::kept::{KeptContents, Key};
use super::Gateway;
use crate::{
    config::{ContentCheck, OnFailure},
    failure::{Failure, Kind, Stage},
    record::ContentCheckResult,
    wire,
};

/// When a caller may try again whose request could not be checked.
const AGAIN: Duration = Duration::from_secs(1);

/// What is found in texts, or why that is not known, without a word of them.
pub(crate) type FoundFuture = Pin<Box<dyn Future<Output = Result<Contents, String>> + Send>>;

/// A model that says what texts contain.
pub(crate) trait ContentModel: Send + Sync {
    /// Asks it, with this body.
    fn ask(&self, body: Bytes) -> FoundFuture;
}

/// Whom an epoch asks what texts contain, and how.
pub(crate) struct ContentHook {
    /// The section of the configuration.
    pub config: ContentCheck,
    /// Who is asked.
    pub model: Arc<dyn ContentModel>,
}

/// What the process knows of checks, whatever configurations come and go.
#[derive(Default)]
pub(crate) struct ContentChecks {
    kept: Mutex<KeptContents>,
    under_way: AtomicUsize,
    failing: AtomicBool,
}

/// A check that is under way, and no more when this is dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl ContentChecks {
    /// A place for one more check, unless so many are under way.
    fn enter(&self, most: usize) -> Option<Place<'_>> {
        let place = Place(&self.under_way);
        (self.under_way.fetch_add(1, Relaxed) < most).then_some(place)
    }

    fn kept<T>(&self, with: impl FnOnce(&mut KeptContents) -> T) -> T {
        with(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the model finds in the texts of a request of this team; nothing where that is not known and the
/// request may go on all the same.
///
/// # Errors
/// When it is not known and the request may not go on.
pub(super) async fn checked(
    gw: &Gateway,
    hook: &ContentHook,
    team: &str,
    request: &wire::Request,
) -> Result<Contents, Failure> {
    let (checks, config) = (&gw.content_checks, &hook.config);
    let texts = wire::texts(request, config.bytes_max);
    if texts.is_empty() {
        return Ok(Contents::NONE);
    }
    let body = json!({ "texts": texts }).to_string();
    drop(texts);
    let key = key(&config.url, team, &body);
    let count = |result| gw.recorder.metrics().content_check(result);
    if let Some(found) = checks.kept(|kept| kept.find(&key)) {
        count(ContentCheckResult::Cached);
        return Ok(found);
    }
    let Some(_place) = checks.enter(config.concurrent_max) else {
        count(ContentCheckResult::Busy);
        return failed(config, "as many checks as there may be are under way".to_owned());
    };
    match hook.model.ask(body.into()).await {
        Ok(found) => {
            count(ContentCheckResult::Ok);
            checks.kept(|kept| kept.put(key, found, config.cache_entries));
            if checks.failing.swap(false, Relaxed) {
                tracing::info!("the model of [content] answers again");
            }
            Ok(found)
        }
        Err(why) => {
            count(ContentCheckResult::Failed);
            if !checks.failing.swap(true, Relaxed) {
                tracing::warn!("the model of [content] does not say what texts contain: {why}");
            }
            failed(config, why)
        }
    }
}

fn failed(config: &ContentCheck, why: String) -> Result<Contents, Failure> {
    match config.on_failure {
        OnFailure::Open => Ok(Contents::NONE),
        OnFailure::Closed => {
            let public = "what the request contains could not be checked; try again";
            let failure = Failure::new(Kind::Unavailable, Stage::Classify, public);
            Err(failure.coded("content_check_failed").after(AGAIN).because(why))
        }
    }
}

/// Teams are told apart: how fast a request is answered tells nobody what another team has asked.
fn key(url: &str, team: &str, body: &str) -> Key {
    let mut hash = Sha256::new();
    for part in [url, team] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.update(body);
    hash.finalize().into()
}
