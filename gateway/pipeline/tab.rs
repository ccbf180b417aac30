//! What one request leaves behind: opened at receive, closed exactly once, whatever ends it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Basis, Epoch, Failed, Gateway, Ids, Inbound, Keep, Served, Standing, guards, said};
use crate::{
    account::{ConcurrencyPermit, Reservation, price},
    directory::Principal,
    failure::{Failure, Kind, Stage, Verdict},
    outcome::{AttemptLog, Cached, Caller, Charge, Ending, Opened, Outcome, Refused, ShadowOf},
    record::CommitNumber,
    wire,
};
use bytes::Bytes;
use http::HeaderValue;
use policies::{
    Plan,
    experiment::Enrolled,
    facts::{Draw, Signals},
};

/// The record of one request. Each field is set once, by its stage; only `close` reads them all.
pub(crate) struct Tab {
    gateway: Arc<Gateway>,
    epoch: Arc<Epoch>,
    ids: Ids,
    started: Instant,
    started_at_ms: i64,
    caller: Option<Arc<Caller>>,
    permit: Option<ConcurrencyPermit>,
    signals: Option<Arc<Signals>>,
    draw: Option<Draw>,
    arm: Option<Enrolled>,
    accepted: Option<Accepted>,
    /// What this request repeats, where no caller has sent it.
    shadow_of: Option<ShadowOf>,
    /// What is kept of request and answer for those who look at them again; nearly always nothing.
    keep: Option<Box<Keep>>,
    /// What the cache has for it, if it was asked.
    pub(super) cache: Option<Box<Standing>>,
    log: AttemptLog,
    /// The cost that the caller of a stream has been sent, and the figures behind it.
    told: Option<(Basis, Charge)>,
    stage: Stage,
    since: Instant,
    stages: [Duration; 8],
    closed: bool,
}

/// The facts of an accepted request.
struct Accepted {
    opened: Arc<Opened>,
    reservation: Reservation,
    commit: CommitNumber,
}

impl Tab {
    /// Opens a tab: from here on exactly one outcome or refusal will be recorded.
    pub(crate) fn open<B>(inbound: &Inbound<B>, gateway: &Arc<Gateway>) -> Self {
        let epoch = gateway.epoch.load_full();
        Self::new((gateway, epoch), inbound.ids.clone(), (inbound.started, inbound.at))
    }

    fn new(
        (gateway, epoch): (&Arc<Gateway>, Arc<Epoch>),
        ids: Ids,
        (started, at): (Instant, jiff::Timestamp),
    ) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            epoch,
            ids,
            started,
            started_at_ms: at.as_millisecond(),
            caller: None,
            permit: None,
            signals: None,
            draw: None,
            arm: None,
            accepted: None,
            shadow_of: None,
            keep: None,
            cache: None,
            log: AttemptLog::default(),
            told: None,
            stage: Stage::Receive,
            since: started,
            stages: [Duration::ZERO; 8],
            closed: false,
        }
    }

    /// Opens the tab of a request that is only decided: no outcome and no refusal is recorded of it.
    pub(crate) fn unrecorded<B>(inbound: &Inbound<B>, gateway: &Arc<Gateway>) -> Self {
        let mut tab = Self::open(inbound, gateway);
        tab.closed = true;
        tab
    }

    /// Opens the tab of a shadow that is about to be admitted, for the one who pays.
    pub(super) fn shadow(
        gateway: &Arc<Gateway>,
        served: &Served,
        (ids, now, at): (Ids, Instant, jiff::Timestamp),
        (payer, permit): (&Principal, ConcurrencyPermit),
    ) -> Self {
        let epoch = Arc::clone(&served.epoch);
        let mut tab = Self::new((gateway, epoch), ids, (now, at));
        tab.caller(&payer.caller);
        tab.permit(permit);
        tab.signals = Some(Arc::clone(&served.opened.signals));
        tab.shadow_of = served.of;
        tab.stage = Stage::Dispatch;
        tab
    }

    /// Whether what this tab leaves behind can be recorded.
    pub(crate) fn recordable(&self) -> Result<(), Failure> {
        if self.closed { Ok(()) } else { self.gateway.recorder.accepts() }
    }

    /// The version of everything that this request goes by.
    pub(crate) fn epoch(&self) -> Arc<Epoch> {
        Arc::clone(&self.epoch)
    }

    /// How the request is called.
    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The request enters a stage, at the time that is returned.
    pub(crate) fn at(&mut self, stage: Stage) -> Instant {
        let now = self.gateway.now();
        if let Some(spent) = self.stages.get_mut(self.stage as usize) {
            *spent += now.saturating_duration_since(self.since);
        }
        self.stage = stage;
        self.since = now;
        now
    }

    /// Notes the caller.
    pub(crate) fn caller(&mut self, caller: &Arc<Caller>) {
        self.caller = Some(Arc::clone(caller));
    }

    /// Notes that it counts among the requests at once of its key and teams.
    pub(crate) fn permit(&mut self, permit: ConcurrencyPermit) {
        self.permit = Some(permit);
    }

    /// Notes the signals, and the draw that they are decided with, once there is one.
    pub(crate) fn signals(&mut self, signals: &Arc<Signals>, draw: Option<Draw>) {
        self.signals = Some(Arc::clone(signals));
        self.draw = draw;
    }

    /// Notes the arm of an experiment that the request is.
    pub(crate) fn enrolled(&mut self, arm: Option<Enrolled>) {
        self.arm = arm;
    }

    /// The request is accepted: its entry is handed to the ledger's writer.
    pub(crate) fn admitted(&mut self, plan: &Arc<Plan>, draw: Draw, reservation: Reservation) {
        let (Some(caller), Some(signals)) = (&self.caller, &self.signals) else { return };
        let opened = Arc::new(Opened {
            id: self.ids.id(),
            started_at_ms: self.started_at_ms,
            caller_request_id: self.ids.callers().map(Box::from),
            trace: self.ids.trace(),
            caller: Arc::clone(caller),
            signals: Arc::clone(signals),
            plan: Arc::clone(plan),
            draw,
            reserved: reservation.reserved(),
            names: Arc::clone(&self.epoch.names),
            shadow_of: self.shadow_of,
            cached: self.cached(),
            arm_shares: plan.arm.and_then(|it| self.epoch.experiments.shares(it.experiment)),
        });
        let commit = self.gateway.recorder.opened(Arc::clone(&opened));
        self.accepted = Some(Accepted { opened, reservation, commit });
    }

    /// Keeps request and answer if anybody is to look at them again.
    pub(super) fn keep(&mut self, request: &wire::Request) {
        let Some((plan, signals)) = self.plan().zip(self.signals.as_deref()) else { return };
        self.keep = Keep::of(&self.epoch, (self.ids.id(), signals.request), plan, request);
    }

    /// A piece of the answer has been passed on.
    pub(super) fn passed_on(&mut self, piece: &Bytes) {
        if let Some(keep) = &mut self.keep {
            keep.push(piece);
        }
        if let Some(cache) = &mut self.cache {
            cache.push(piece);
        }
    }

    /// What the cache had to do with it.
    pub(super) fn cached(&self) -> Option<Cached> {
        self.cache.as_ref().map(|it| it.cached)
    }

    /// Waits until the entry is as durable as the configuration asks.
    pub(crate) async fn on_disk(&self) -> Result<(), Failure> {
        match &self.accepted {
            Some(accepted) => self.gateway.recorder.durable(accepted.commit).await,
            None => Ok(()),
        }
    }

    /// Whether the process ends and does not wait for the answer's end.
    pub(crate) fn stopped(&self) -> bool {
        self.gateway.stopped()
    }

    /// The log of attempts, which dispatch writes.
    pub(crate) fn log(&mut self) -> &mut AttemptLog {
        &mut self.log
    }

    /// The signals, once known.
    pub(crate) fn known(&self) -> Option<&Arc<Signals>> {
        self.signals.as_ref()
    }

    /// The plan, once accepted.
    pub(crate) fn plan(&self) -> Option<&Arc<Plan>> {
        self.accepted.as_ref().map(|accepted| &accepted.opened.plan)
    }

    /// Why it was decided so, in words, where answers say that.
    pub(crate) fn why(&self) -> Option<String> {
        let plan = self.plan().filter(|_| self.gateway.why_header)?;
        Some(policies::plan_in_words(plan, &self.epoch.policy))
    }

    /// The arm in the header of the answer.
    pub(crate) fn arm_header(&self) -> Option<HeaderValue> {
        self.epoch.arms.header(&self.arm?).cloned()
    }

    /// A failure of this request, which says its arm.
    pub(crate) fn of_arm(&self, failure: Failure) -> Failure {
        super::enrolled(failure, &self.epoch.policy, self.arm)
    }

    /// The gateway's own time so far: all but the wait for backends.
    pub(crate) fn overhead(&self) -> Duration {
        let dispatch = Stage::Dispatch as usize;
        self.stages.iter().enumerate().filter(|(at, _)| *at != dispatch).map(|(_, it)| *it).sum()
    }

    /// What the request costs as its log stands; what has been sent of it before, where that still holds.
    fn charge(&self) -> Option<Charge> {
        let opened = &self.accepted.as_ref()?.opened;
        if let Some((basis, charge)) = self.told
            && basis == Basis::of(&self.log)
        {
            return Some(charge);
        }
        Some(price::charge(&self.log, &opened.signals, &opened.plan, &opened.names))
    }

    /// What the request costs if its stream, which is about to end, ends well.
    pub(crate) fn charge_when_whole(&mut self) -> Option<Charge> {
        let known = self.log.complete;
        // What was ended at its bound has no last figure of its engine.
        self.log.complete |= !self.log.bound_passed;
        let charge = self.charge();
        self.told = charge.map(|charge| (Basis::of(&self.log), charge));
        self.log.complete = known;
        charge
    }

    /// Says in the log what failed, and closes the tab.
    pub(crate) fn failed(&mut self, ending: Ending, failure: &Failure) {
        let tried = self.log.attempts.last();
        let model = tried.and_then(|it| self.epoch.names.models().get(it.model.get()));
        said::failed(
            failure,
            &Failed {
                id: self.ids.id(),
                caller: self.caller.as_deref(),
                model: model.map(|it| &*it.id),
                endpoint: tried.map(|it| &*it.endpoint_label),
                cut: ending == Ending::Cut,
            },
        );
        self.end(ending, Some(failure));
    }

    /// Closes the tab: settles what was reserved and records how it ended. Returns what an accepted
    /// request was charged. Later calls do nothing, and return nothing.
    pub(crate) fn close(&mut self, ending: Ending) -> Option<Charge> {
        self.end(ending, None)
    }

    fn end(&mut self, ending: Ending, failure: Option<&Failure>) -> Option<Charge> {
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let seen_at = self.stage;
        let now = self.at(Stage::Settle);
        self.log.end(now);
        let charge = self.charge();
        match (self.accepted.take(), charge) {
            (Some(accepted), Some(charge)) => self.settle(accepted, charge, ending, now),
            _ => self.refuse(ending, seen_at, failure),
        }
        self.permit = None;
        charge
    }

    fn settle(&mut self, accepted: Accepted, charge: Charge, ending: Ending, now: Instant) {
        let Accepted { opened, reservation, .. } = accepted;
        let log = std::mem::take(&mut self.log);
        let since = |at: Instant| at.saturating_duration_since(self.started);
        let mut outcome = Outcome {
            first_token: log.first_content.map(since),
            started: self.started,
            duration: since(now),
            stages: self.stages,
            opened,
            ending,
            attempt_log: log,
            charge,
        };
        if let Some((model, estimated, reported)) = outcome.counted_input() {
            self.epoch.upstreams.fleet.counted(model, estimated, reported);
        }
        // Before the money is free again: who takes it next reserves what this engine may write.
        if let Some((model, beyond)) = outcome.overrun() {
            self.epoch.upstreams.fleet.overran(model, beyond, now);
        }
        self.at(Stage::Record);
        outcome.stages = self.stages;
        // Dispatch is the wait for backends, which is not the gateway's own time.
        if let Some(waited) = outcome.stages.get_mut(Stage::Dispatch as usize) {
            *waited = Duration::ZERO;
        }
        if let Some(it) = self.epoch.watch.ended(&outcome) {
            guards::broken(&self.gateway, &it);
        }
        // On its way to the ledger first: a budget that begins meanwhile finds it open here or closed there.
        let again = self.keep.take().filter(|_| ending == Ending::Ok);
        let again = again.map(|it| (it, Arc::clone(&outcome.opened)));
        if let Some(cache) = self.cache.take().filter(|_| ending == Ending::Ok) {
            cache.served(&outcome, now);
        }
        self.gateway.recorder.closed(outcome);
        reservation.settle(charge.cost, charge.usage.counts);
        if let Some((keep, opened)) = again {
            keep.served(opened, Arc::clone(&self.epoch), &self.gateway.served);
        }
    }

    fn refuse(&self, ending: Ending, stage: Stage, failure: Option<&Failure>) {
        let kind = ending.failure().unwrap_or(Kind::Cancelled);
        let refused = Refused {
            id: self.ids.id(),
            caller_request_id: self.ids.callers().map(Box::from),
            trace: self.ids.trace(),
            verdict: failure.map_or(Verdict::of(kind), Verdict::from),
            draw: self.draw,
            arm: self.arm.or_else(|| failure?.why.as_ref()?.arm),
            at_ms: self.started_at_ms,
            took: self.since.saturating_duration_since(self.started),
            kind,
            stage,
            signals: self.signals.clone(),
            caller: self.caller.clone(),
            names: Arc::clone(&self.epoch.names),
        };
        if let Some(it) =
            refused.arm.and_then(|it| self.epoch.watch.refused(it, kind, self.started))
        {
            guards::broken(&self.gateway, &it);
        }
        self.gateway.recorder.refused(refused, failure);
    }
}

impl Drop for Tab {
    /// The caller hung up, at whichever await this was; or the process ends, and the caller did not take
    /// its last words.
    fn drop(&mut self) {
        let _ = self.close(match (self.stopped(), self.log.committed) {
            (false, _) => Ending::Cancelled,
            (true, Some(_)) => Ending::Cut,
            (true, None) => Ending::Failed(Kind::Unavailable),
        });
    }
}
