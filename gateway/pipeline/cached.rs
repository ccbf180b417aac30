//! The cache on a request's way: what an answer depends on, whether the caller wants one that was given
//! before, and whether his is one to be kept.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, header};
use policies::{Plan, facts::Signals};
use sha2::{Digest, Sha256};

use super::{Epoch, Gateway, Tab};
use crate::{
    cache::{Found, Gathering, Kept, Key, Lead},
    failure::Stage,
    outcome::{CacheResult, Cached, GivenAgain, Outcome, UsageSource},
    record::model_of,
    wire::{self, Surface},
};

/// What a request that has been decided asks of the cache.
pub(super) struct Question<'a> {
    /// The name of its caller's team.
    pub(super) team: &'a str,
    pub(super) signals: &'a Signals,
    pub(super) plan: &'a Plan,
    pub(super) request: &'a wire::Request,
    pub(super) headers: &'a HeaderMap,
}

/// What the cache has for a request.
pub(super) struct Standing {
    /// What is recorded of that.
    pub(super) cached: Cached,
    /// The answer that is given again, if there is one.
    answer: Option<Kept>,
    /// What is kept of its own answer, if there is none.
    keeping: Option<Keeping>,
}

/// An answer that may be given again, as far as it has been passed on.
struct Keeping {
    answer: Gathering,
    key: Key,
    ttl: Duration,
    surface: &'static Surface,
    stream: bool,
    /// Where equal requests wait for it.
    lead: Option<Lead>,
}

/// The answer that a request is given again, if one is kept; else the tab knows where its own is.
pub(super) async fn find(
    gw: &Gateway,
    epoch: &Epoch,
    question: &Question<'_>,
    tab: &mut Tab,
) -> Option<Kept> {
    // It is another request's engine that is waited for.
    tab.at(Stage::Dispatch);
    let standing = standing(gw, epoch, question).await?;
    let kept = standing.answer.clone();
    tab.cache = Some(Box::new(standing));
    kept
}

/// Looks for an answer that was given before, once an equal request that is under way has ended; nothing
/// where none is kept for this request.
async fn standing(gw: &Gateway, epoch: &Epoch, question: &Question<'_>) -> Option<Standing> {
    let Question { plan, request, headers, .. } = question;
    let ttl = Duration::from_secs(plan.cache_ttl_s?.into());
    // A stream is held to its form when it is over: none is given again that may have broken it.
    let unjudged = plan.validates && request.stream() && request.json_schema();
    if !gw.cache.keeps() || unjudged || wants(headers, "no-store") {
        return None;
    }
    let key = question.key(epoch.policy.hash());
    let models = &epoch.policy.fleet().models;
    let given = |kept: &Kept| {
        let id = |at: usize| models.get(at).map(|it| &*it.id);
        let planned = plan.attempts.iter().find(|it| id(it.model.get()) == Some(&*kept.model))?;
        Some(GivenAgain { model: planned.model, cost: kept.cost })
    };
    let found = if wants(headers, "no-cache") {
        Found::Nothing(false, None)
    } else {
        gw.cache.find(&key, gw.sources.now, |kept| given(kept).is_some()).await
    };
    Some(match found {
        Found::Answer(kept, waited) => {
            let result = if waited { CacheResult::Waited } else { CacheResult::Hit };
            let cached = Cached { result, answer: given(&kept) };
            Standing { cached, answer: Some(kept), keeping: None }
        }
        Found::Nothing(expired, lead) => {
            let result = if expired { CacheResult::Expired } else { CacheResult::Miss };
            let keeping = Keeping {
                answer: Gathering::new(Arc::clone(&gw.cache)),
                key,
                ttl,
                surface: request.surface(),
                stream: request.stream(),
                lead,
            };
            let cached = Cached { result, answer: None };
            Standing { cached, answer: None, keeping: Some(keeping) }
        }
    })
}

/// Whether the caller says this in `cache-control`.
fn wants(headers: &HeaderMap, directive: &str) -> bool {
    let all = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|it| it.to_str().ok());
    all.flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case(directive))
}

impl Question<'_> {
    /// The hash of all that the answer depends on, each part after its length: who asks, by what it is
    /// decided, and what is asked.
    fn key(&self, policy_hash: &str) -> Key {
        let Self { team, signals, plan, request, headers } = self;
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for text in [team, signals.data_class.code(), policy_hash, &plan.rule] {
            part(text.as_bytes());
        }
        part(request.surface().path.as_bytes());
        for name in request.surface().headers() {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            part(&values.len().to_le_bytes());
            values.iter().for_each(|it| part(it.as_bytes()));
        }
        part(&wire::canonical(request));
        hash.finalize().into()
    }
}

impl Standing {
    /// Whether the answer is kept to be given again.
    pub(super) fn keeps(&self) -> bool {
        self.keeping.is_some()
    }

    /// A piece of the answer has been passed on.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if let Some(keeping) = &mut self.keeping {
            keeping.answer.push(piece);
        }
    }

    /// The caller has had the whole answer. It is kept if it ended by itself and its engine has said what it
    /// used; if it is not, nobody is to wait for the next one.
    pub(super) fn served(self, outcome: &Outcome, now: Instant) {
        let Some(keeping) = self.keeping else { return };
        let Keeping { mut answer, key, ttl, surface, stream, lead } = keeping;
        let served = outcome.charge.served;
        let reported = served.is_some_and(|it| it.source == UsageSource::Reported);
        // Some engines say of an answer that was cut at its bound that it ended.
        let asked = outcome.opened.signals.output_tokens_asked;
        let full = asked.zip(served).is_some_and(|(asked, it)| it.counts.output >= asked.0);
        let ended = |body| surface.own_end(stream, body);
        let whole = reported && !full && answer.body().is_some_and(ended);
        let models = outcome.opened.names.models();
        match models.get(model_of(outcome).get()).filter(|_| whole) {
            Some(model) => {
                let (model, cost) = ((&*model.id).into(), outcome.charge.cost);
                let kept = Kept { body: Bytes::from(answer.take()), model, cost };
                answer.cache().put(key, kept, now + ttl);
            }
            None => lead.into_iter().for_each(Lead::release),
        }
    }
}

#[cfg(test)]
mod tests;
