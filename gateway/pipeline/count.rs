//! The tokens of a request, with no answer asked for: `POST /v1/messages/count_tokens` and its like.

use std::{pin::pin, sync::Arc};

use http::{HeaderMap, HeaderValue};
use policies::{
    Plan,
    facts::{Draw, ModelIndex, Money, Signals, Tokens},
};
use tokio::sync::Semaphore;

use super::{
    Asked, Bytes, Decided, Epoch, Failure, Gateway, Inbound, PLANNED, Tab, answer::value, ask,
    decide, edited, name, sayable, until_stopped, wire,
};
use crate::{
    config::{BoundNames, Tokenizer},
    dispatch::{Counting, Target},
    fleet::{Found, InFlight, PickHint, TokenQuestion, Wanted},
};

/// What `x-signalbox-token-count` says of a figure.
const BY_ENGINE: HeaderValue = HeaderValue::from_static("engine");
const ESTIMATED: HeaderValue = HeaderValue::from_static("estimate");

/// Questions for tokens that are under way at once, of this process: they cost nobody anything, and must not
/// take the place of what does.
static UNDER_WAY: Semaphore = Semaphore::const_new(8);
/// Larger bodies are estimated: an estimate of so much text is a good one.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How many tokens a request has.
pub(crate) struct Counted {
    /// The answer, in the form of the surface that was asked.
    pub body: Bytes,
    /// What its head says.
    pub headers: HeaderMap,
}

/// Reads and decides as for a request that is served, and asks the engine of the first model of the plan that
/// is up how many tokens it has; where that one does not say, they are estimated. Nothing is reserved or
/// entered in the ledger; the caller's concurrency limits and rates hold, and those of the engine.
pub(crate) async fn count<B>(gw: &Arc<Gateway>, inbound: Inbound<B>) -> Result<Counted, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let mut tab = Tab::unrecorded(&inbound, gw);
    let counted = until_stopped(gw, pin!(counted(gw, inbound, &mut tab))).await;
    counted.map_err(|failure| tab.of_arm(failure))
}

async fn counted<B>(
    gw: &Arc<Gateway>,
    inbound: Inbound<B>,
    tab: &mut Tab,
) -> Result<Counted, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let epoch = tab.epoch();
    let (surface, ids) = (inbound.surface, inbound.ids.clone());
    let asked = ask(gw, &epoch, inbound, tab, wire::read_to_count).await?;
    let Decided { signals, plan, draw } = decide(gw, &epoch, &asked, tab, PLANNED)?;
    tab.enrolled(plan.arm);
    let arm = edited(&epoch, &plan);
    let plan = sayable(&epoch, &asked.request, plan, arm.as_deref())?;
    let (model, said) = said(gw, &epoch, &asked, (&plan, draw)).await;
    let estimate = || epoch.upstreams.fleet.calibrated(model, signals.input_tokens).0;
    let tokens = said.unwrap_or_else(estimate);
    let mut headers = HeaderMap::new();
    asked.principal.account.limits(gw.now()).write(&mut headers);
    ids.write(&mut headers);
    decided(gw, &epoch, (&signals, &plan), &mut headers);
    headers.extend(tab.arm_header().map(|arm| (name::EXPERIMENT, arm)));
    headers.insert(name::MODEL, value(epoch.upstreams.fleet.id(model)));
    headers.insert(name::TOKEN_COUNT, if said.is_some() { BY_ENGINE } else { ESTIMATED });
    let form = surface.count.as_ref().map(|it| it.answer);
    Ok(Counted { body: form.map_or_else(Bytes::new, |form| form(tokens)), headers })
}

/// Writes what was decided, as in the head of an answer.
fn decided(
    gw: &Gateway,
    epoch: &Epoch,
    (signals, plan): (&Signals, &Plan),
    headers: &mut HeaderMap,
) {
    headers.insert(name::LANGUAGE, HeaderValue::from_static(signals.language.code()));
    headers.insert(name::TASK, HeaderValue::from_static(signals.task.code()));
    headers.insert(name::RULE, value(&plan.rule));
    if gw.why_header {
        headers.insert(name::WHY, value(&policies::plan_in_words(plan, &epoch.policy)));
    }
}

/// The model whose tokens are counted, and what its engine says of them. A model that is full is not asked.
async fn said(
    gw: &Gateway,
    epoch: &Epoch,
    asked: &Asked,
    (plan, draw): (&Plan, Draw),
) -> (ModelIndex, Option<u32>) {
    let first = plan.attempts.first().map_or(ModelIndex(0), |it| it.model);
    let hint = PickHint { draw: draw.0, affinity: None };
    for planned in &plan.attempts {
        let model = planned.model;
        let (again, granted, last_resort) = (false, false, false);
        let wanted = Wanted { model, tried: &[], hint, again, granted, last_resort };
        match epoch.upstreams.fleet.pick(&wanted, gw.now()) {
            Found::Place(place) => return (model, by_engine(epoch, asked, place).await),
            Found::Full => return (model, None),
            Found::Nothing => {}
        }
    }
    (first, None)
}

/// What the engine of a replica says; the request has a place there until it has said it.
async fn by_engine(epoch: &Epoch, asked: &Asked, place: InFlight) -> Option<u32> {
    // Whoever has nothing left to spend has no engine work for him.
    let spent = asked.principal.account.left(asked.at).is_some_and(|it| it.free <= Money::ZERO);
    if spent || asked.request.body().len() > BODY_BYTES_MAX || !place.half_free() {
        return None;
    }
    let _one = UNDER_WAY.try_acquire().ok()?;
    let target = epoch.upstreams.target(place.model, place.index)?;
    let question = question(asked, &target)?;
    epoch.prober.count(&place, question).await
}

fn question(asked: &Asked, target: &Target) -> Option<TokenQuestion> {
    let request = &asked.request;
    let model = &target.upstream_model;
    match target.counting(request.surface())? {
        Counting::Own(path) => {
            let edit = wire::Edit {
                model,
                ask_usage: false,
                output_tokens_max: Tokens(u32::MAX),
                planned: Tokens(u32::MAX),
                told_as: BoundNames::default(),
                arm: None,
                native: true,
                spoken: request.surface(),
            };
            let body = request.to_upstream(&edit).concat();
            let own = request.surface().headers().iter();
            let own = own.filter_map(|name| Some((name.clone(), asked.headers.get(name)?.clone())));
            Some(TokenQuestion::Own { path, headers: own.collect(), body })
        }
        // What it cannot be asked it cannot count.
        Counting::Tokenizer(_) if request.unsayable().is_some() => None,
        Counting::Tokenizer(Tokenizer::Chat) => {
            Some(TokenQuestion::Chat(request.to_tokenizer(model)))
        }
        Counting::Tokenizer(Tokenizer::Template) => {
            Some(TokenQuestion::Template(request.to_tokenizer(model)))
        }
    }
}
