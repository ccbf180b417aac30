//! A shadow: the request that its caller has been served for already, asked of another model, at the expense
//! of the team that the experiment names. Nobody waits for it, and nobody gets its answer.

use std::{future::poll_fn, sync::Arc, time::Duration};

use http::HeaderMap;
use policies::{
    Skip,
    facts::{Draw, ModelIndex},
};
use uuid::Uuid;

use super::{Gateway, Ids, Served, Tab, affinity, served::KeptAnswer};
use crate::{
    account::{Refusal, Requester},
    config::shadow::key_name,
    dispatch::{Call, CallOptions, Committed, Piece, UpstreamRequest, Upstreams},
    failure::Kind,
    fleet::{Fleet, PickHint, Waiter},
    outcome::{Ending, ShadowPassed},
};

/// After how long at the most a shadow leaves its place to a caller who waits for it.
const YIELD_WITHIN: Duration = Duration::from_millis(20);

/// The answer of a shadow.
pub(crate) struct ShadowAnswer {
    /// The id of its entry.
    pub id: Uuid,
    /// What it wrote.
    pub answer: KeptAnswer,
}

/// Asks the shadow of a request that has been served, and leaves exactly one outcome of it; or says why it
/// is not asked. The answer, where it came whole.
///
/// # Errors
/// Why the shadow is not asked.
pub(crate) async fn shadow(
    gw: &Arc<Gateway>,
    served: &Served,
) -> Result<Option<ShadowAnswer>, ShadowPassed> {
    let Served { request, of, opened, epoch, .. } = served;
    let experiment = of.and_then(|of| epoch.policy.experiment(of.arm.experiment));
    let experiment = experiment.ok_or(ShadowPassed::Superseded)?;
    let shadow = experiment.shadow.as_ref().ok_or(ShadowPassed::Superseded)?;
    runs(gw, served)?;
    let payer = epoch.directory.own(&key_name(&experiment.name)).ok_or(ShadowPassed::Superseded)?;
    let (now, at) = (gw.now(), (gw.sources.timestamp)());
    let permit = payer.account.enter(now).map_err(|_| ShadowPassed::Busy)?;
    let fleet = epoch.upstreams.fleet.view();
    let plan = policies::shadow(&epoch.policy, &opened.signals, &fleet, &opened.plan, shadow.model);
    let plan = Arc::new(plan.map_err(passed)?);
    drop(fleet);
    if request.sayable(epoch.upstreams.dialects(shadow.model), None).is_err() {
        return Err(ShadowPassed::Incapable);
    }
    if is_full(&epoch.upstreams.fleet, shadow.model) {
        return Err(ShadowPassed::Busy);
    }
    let ids = ids(gw, at);
    let key = Arc::clone(&payer.caller.key_name);
    let requester = Requester { id: ids.id(), key, at };
    let admitted = payer.account.admit(requester, &plan, plan.input_tokens, now).await;
    let reservation = admitted.map_err(|it| match it {
        Refusal::Money(_) => ShadowPassed::OverBudget,
        Refusal::Failure(it) if it.kind == Kind::BudgetExceeded => ShadowPassed::OverBudget,
        Refusal::Failure(_) => ShadowPassed::Busy,
    })?;
    let draw = Draw((gw.sources.random)());
    let mut tab = Tab::shadow(gw, served, (ids.clone(), now, at), (payer, permit));
    tab.admitted(&plan, draw, reservation);
    let bound = payer.account.binds();
    let sent = UpstreamRequest::new(
        Box::new(request.clone()),
        &HeaderMap::new(),
        (ids.id(), ids.header(), None),
        bound,
    );
    let near = affinity(&opened.signals, &opened.caller.team_name, request.leading());
    let options = CallOptions {
        hint: PickHint { draw: draw.0, affinity: Some(near) },
        // It takes a place that is free, and no caller's.
        waiter: Waiter {
            class: payer.caller.priority,
            key: payer.caller.key_id.0,
            until: Some(now),
        },
        early_head: gw.early_head,
    };
    let call = Box::new(Upstreams::call(&epoch.upstreams, &plan, sent, options));
    let answer = tokio::select! {
        answer = read_out(call, tab) => answer,
        () = waited_for(&epoch.upstreams.fleet, shadow.model) => None,
    };
    Ok(answer.map(|answer| ShadowAnswer { id: ids.id(), answer }))
}

/// Whether callers need every place of the model.
fn is_full(fleet: &Fleet, model: ModelIndex) -> bool {
    let mut replicas = fleet.endpoints().filter(|it| it.model == model);
    is_waited_for(fleet, model) || replicas.all(|it| it.full())
}

fn is_waited_for(fleet: &Fleet, model: ModelIndex) -> bool {
    fleet.waiting().nth(model.get()).is_some_and(|(_, waiting)| waiting > 0)
}

/// Ends when a caller waits for a place at the model: it is his.
async fn waited_for(fleet: &Fleet, model: ModelIndex) {
    let mut look = tokio::time::interval(YIELD_WITHIN);
    while !is_waited_for(fleet, model) {
        look.tick().await;
    }
}

/// Whether the request's experiment still runs as it did then.
fn runs(gw: &Gateway, served: &Served) -> Result<(), ShadowPassed> {
    let arm = served.of.ok_or(ShadowPassed::Superseded)?.arm;
    // What was tightened meanwhile binds it, and cannot be asked with what the request went by.
    if !Arc::ptr_eq(&served.epoch, &gw.epoch.load()) {
        return Err(ShadowPassed::Superseded);
    }
    let view = served.epoch.experiments.view();
    let state = view.experiments().states.get(usize::from(arm.experiment.0));
    if state.is_some_and(|it| it.stopped || it.rolled_back.contains(&arm.arm)) {
        return Err(ShadowPassed::Stopped);
    }
    if gw.draining.load(std::sync::atomic::Ordering::Relaxed) || gw.recorder.accepts().is_err() {
        return Err(ShadowPassed::Unavailable);
    }
    Ok(())
}

fn passed(skip: Skip) -> ShadowPassed {
    match skip {
        Skip::NotAllowed | Skip::Guard(_) => ShadowPassed::Forbidden,
        Skip::Serves(_) | Skip::Space(_) | Skip::Lacks(_) | Skip::Context { .. } => {
            ShadowPassed::Incapable
        }
        Skip::Unavailable | Skip::SwitchedOff | Skip::Cost | Skip::Enough => {
            ShadowPassed::Unavailable
        }
    }
}

fn ids(gw: &Gateway, at: jiff::Timestamp) -> Ids {
    let unix_ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let random = [(gw.sources.random)(), (gw.sources.random)()];
    Ids::new(&HeaderMap::new(), unix_ms, random, None)
}

/// Takes the whole answer, as fast as it comes, and closes the tab as it ends.
async fn read_out(mut call: Box<Call>, mut tab: Tab) -> Option<KeptAnswer> {
    let mut answer = KeptAnswer::default();
    let failure = match poll_fn(|cx| call.poll_landing(cx, tab.log())).await {
        Ok(Committed::Whole(body)) => {
            answer.push(&body);
            None
        }
        Ok(Committed::Streaming | Committed::Early) => loop {
            match poll_fn(|cx| call.poll_piece(cx, tab.log())).await {
                Some(Ok(Piece::Content(bytes) | Piece::Usage(bytes))) => answer.push(&bytes),
                Some(Ok(_)) => {}
                Some(Err(failure)) => break Some(failure),
                None => break None,
            }
        },
        Err(failure) => Some(failure),
    };
    match failure {
        None => {
            tab.close(Ending::Ok);
            Some(answer)
        }
        Some(failure) => {
            let cut = tab.log().committed.is_some();
            let ending = if cut { Ending::Cut } else { Ending::failed(&failure) };
            tab.failed(ending, &failure);
            None
        }
    }
}
