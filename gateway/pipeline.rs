//! A request's whole way on one screen: eight stages, each in its own room.
//!
//! What a request carries along is its [`Tab`]: opened at receive, moved and never shared, closed
//! exactly once, and whatever ends the request ends in one `Outcome`.

mod answer;
mod arms;
mod ask;
mod basis;
mod cached;
mod contents;
mod count;
mod decide;
mod feedback;
pub(crate) mod guards;
mod ids;
mod preview;
mod readiness;
mod refusal;
mod said;
mod sayable;
mod served;
mod shadow;
mod tab;
mod whoami;

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderMap;
use policies::{
    Plan, Policy, World,
    facts::{Draw, Signals, Tokens},
};

use self::decide::{PLANNED, Way, enrolled, output_within};
use self::{
    answer::Landed,
    ask::ask,
    basis::Basis,
    cached::{Question, Standing},
    sayable::{affinity, edited, sayable},
    served::Keep,
};
pub(crate) use self::{
    answer::{Answer, AnswerBody, HeaderCache, name},
    arms::ArmTable,
    contents::{ContentChecks, ContentHook, ContentModel, FoundFuture},
    count::{Counted, count},
    decide::{Asked, Decided, EXPLAINED, Present},
    feedback::{BODY_BYTES_MAX as FEEDBACK_BYTES_MAX, FindEnrolment, Turn, feedback},
    guards::Guards,
    ids::Ids,
    preview::preview,
    readiness::readiness,
    refusal::unknown_model,
    said::{Failed, failed},
    served::{SERVED_MAX, Served, ServedSender},
    shadow::{ShadowAnswer, shadow},
    tab::Tab,
    whoami::whoami,
};
use crate::{
    account::{Accounts, Requester},
    cache::{Cache, Kept},
    config::{self, Wait},
    directory::{Directory, Principal},
    dispatch::{CallOptions, UpstreamRequest, Upstreams},
    experiment::{Experiments, observe::Watch},
    failure::{Failure, Kind, Stage},
    fleet::{PickHint, Prober, Waiter},
    outcome::{ContentClasses, Ending, EpochInfo, Sampler},
    record::Recorder,
    signals::SignalInputs,
    wire::{self, ReadLimits, Surface},
};

/// The `retry-after` of a process that stops: another replica or the next process may be asked then.
const STOPPED_WAIT: Duration = Duration::from_secs(1);

/// The rooms of the gateway.
pub(crate) struct Gateway {
    /// The version of everything that may change while the process runs.
    pub epoch: ArcSwap<Epoch>,
    /// Metrics and ledger.
    pub recorder: Recorder,
    /// The point of a request by which its entry must be durable.
    pub wait: Wait,
    /// The time after which a silent stream gets its head.
    pub early_head: Duration,
    /// Answers say in a header why it was decided so.
    pub why_header: bool,
    /// The process has been asked to stop.
    pub draining: AtomicBool,
    /// The drain timeout has passed: what still runs is cut.
    pub stopped: AtomicBool,
    /// Which new traces have spans; none where no spans are made.
    pub sampler: Option<Sampler>,
    /// Answers that are given again.
    pub cache: Arc<Cache>,
    /// What a model has found in texts, and how many ask it.
    pub content_checks: ContentChecks,
    /// Answers that are looked at again after their callers have had them.
    pub served: ServedSender,
    /// What guards and operators have done to the experiments.
    pub guards: Guards,
    /// Clock and randomness.
    pub sources: Sources,
}

/// Where time and randomness come from.
pub(crate) struct Sources {
    /// The monotonic clock.
    pub now: fn() -> Instant,
    /// The wall clock.
    pub timestamp: fn() -> jiff::Timestamp,
    /// A source of random numbers.
    pub random: fn() -> u64,
}

/// One version of keys, teams, policy, models and prices: a request keeps the one it began with.
pub(crate) struct Epoch {
    /// The keys and teams, each with what binds it.
    pub directory: Arc<Directory>,
    /// Money and quota: what was spent and what is in use is the same in all epochs.
    pub accounts: Arc<Accounts>,
    /// The compiled policy.
    pub policy: Policy,
    /// The time zone of its calendar.
    pub timezone: jiff::tz::TimeZone,
    /// The names behind the indices of models, teams and keys.
    pub names: Arc<EpochInfo>,
    /// The models and the connections to their replicas.
    pub upstreams: Arc<Upstreams>,
    /// The probes of replicas that are ejected.
    pub prober: Prober,
    /// The limits on what a request may ask for.
    pub limits: ReadLimits,
    /// Which class a request is raised to by what it contains.
    pub content_classes: ContentClasses,
    /// Who is asked what texts contain; nobody without it.
    pub content_hook: Option<ContentHook>,
    /// What callers may tell of answers.
    pub feedback: config::Feedback,
    /// The most that one media part can cost with any model.
    pub media_tokens_max: Tokens,
    /// Header values that many answers share.
    pub header_cache: HeaderCache,
    /// How the policy's experiments are now.
    pub experiments: Experiments,
    /// What their arms have shown.
    pub watch: Watch,
    /// What is written for each of their arms, into requests and answers.
    pub arms: ArmTable,
    /// When each name that callers may ask for came into force, in seconds since 1970: models, aliases and
    /// `auto`.
    pub created: HashMap<Box<str>, i64>,
    /// The hash of the configuration.
    pub config_hash: Arc<str>,
    /// The number of the last change of what is managed beside it.
    pub managed_last: i64,
}

/// A request as it came in. Its body is read when it is awaited: after the caller is known.
pub(crate) struct Inbound<B> {
    /// The ids of the request: ours and its caller's.
    pub ids: Ids,
    /// The moment at which its head was complete.
    pub started: Instant,
    /// The same moment by the wall clock.
    pub at: jiff::Timestamp,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The body, not yet read.
    pub body: B,
    /// The surface that its path named.
    pub surface: &'static Surface,
}

/// Serves one request, and leaves exactly one outcome or one refusal.
pub(crate) async fn serve<B>(gw: &Arc<Gateway>, inbound: Inbound<B>) -> Result<Answer, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let mut tab = Tab::open(&inbound, gw);
    // Pinned where it is made: handed on by value, it would be moved, and kept twice.
    let passed = until_stopped(gw, pin!(pass(gw, inbound, &mut tab))).await;
    match passed {
        Ok(answer) => Ok(answer.carrying(tab)),
        Err(mut failure) => {
            if let Some(why) = tab.why() {
                failure = failure.decided(why);
            }
            failure = tab.of_arm(failure);
            tab.failed(Ending::failed(&failure), &failure);
            Err(failure)
        }
    }
}

/// Answers with a failure what is still without an answer when the process ends. The listener has it polled
/// then.
async fn until_stopped<T>(
    gw: &Gateway,
    mut passing: Pin<&mut impl Future<Output = Result<T, Failure>>>,
) -> Result<T, Failure> {
    poll_fn(|cx| match passing.as_mut().poll(cx) {
        Poll::Pending if gw.stopped() => Poll::Ready(Err(stopping())),
        polled => polled,
    })
    .await
}

/// The failure of a request that the process does not live to answer.
fn stopping() -> Failure {
    let public = "the gateway stops; try again";
    Failure::new(Kind::Unavailable, Stage::Dispatch, public).after(STOPPED_WAIT)
}

/// A request's way: who asks what, the decision, and what is done by it. Each of the eight stages begins
/// where the tab enters it.
async fn pass<B>(
    gw: &Arc<Gateway>,
    inbound: Inbound<B>,
    tab: &mut Tab,
) -> Result<answer::Pending, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let epoch = tab.epoch();
    let asked = ask(gw, &epoch, inbound, tab, wire::read).await?;
    let decided = decide(gw, &epoch, &asked, tab, PLANNED)?;
    serve_decided(gw, &epoch, asked, decided, tab).await
}

/// Decides a request; nothing is reserved or sent by that.
fn decide<P>(
    gw: &Gateway,
    epoch: &Epoch,
    asked: &Asked,
    tab: &mut Tab,
    way: Way<P>,
) -> Result<Decided<P>, Failure> {
    let money = asked.principal.account.left(asked.at);
    let inputs = SignalInputs {
        hash: &|text| epoch.directory.user_hash(&asked.principal.caller.team_name, text),
        subject: asked.subject,
        content_classes: &epoch.content_classes,
        checked: asked.checked,
        media_tokens_max: epoch.media_tokens_max,
        budget_left: money.map(|it| it.amount),
        budget_free: money.map(|it| it.free),
        request: tab.ids().id().as_u128(),
        at: epoch.timezone.to_datetime(asked.at),
    };
    let signals = asked.signals(&inputs)?;
    tab.signals(&signals, None);
    let present = |signals: &Arc<Signals>| {
        let draw = gw.draw(signals);
        tab.signals(signals, Some(draw));
        tab.at(Stage::Decide);
        Present { draw, fleet: epoch.upstreams.fleet.view(), experiments: epoch.experiments.view() }
    };
    asked.decide(&epoch.policy, (signals, &epoch.content_classes), present, way)
}

/// Serves what was decided: reserves its worst case, opens its entry and has it answered.
async fn serve_decided(
    gw: &Gateway,
    epoch: &Epoch,
    asked: Asked,
    decided: Decided<Arc<Plan>>,
    tab: &mut Tab,
) -> Result<answer::Pending, Failure> {
    let Asked { principal, headers, request, at, .. } = asked;
    let Principal { caller, account, .. } = &*principal;
    let Decided { signals, plan, draw } = decided;
    tab.enrolled(plan.arm);
    let arm = edited(epoch, &plan);
    let plan = sayable(epoch, &request, plan, arm.as_deref())?;
    if plan.cache_ttl_s.is_some() && plan.arm.is_none() && arm.is_none() {
        let (team, signals, request) = (&*caller.team_name, &*signals, &*request);
        let question = Question { team, signals, plan: &plan, request, headers: &headers };
        let kept = Box::pin(cached::find(gw, epoch, &question, tab)).await;
        if let Some(kept) = kept {
            return given_again(&principal, (&plan, draw, at), (kept, request), tab).await;
        }
    }
    let now = tab.at(Stage::Admit);
    let requester = Requester { id: tab.ids().id(), key: Arc::clone(&caller.key_name), at };
    let admitted = account.admit(requester, &plan, plan.input_tokens, now).await;
    let reservation = admitted.map_err(|it| {
        let (fleet, experiments) = (epoch.upstreams.fleet.view(), epoch.experiments.view());
        let world = World { fleet: &fleet, experiments: experiments.experiments() };
        it.failure(|left| output_within(&epoch.policy, (&signals, draw), world, &plan, left))
            .by(&plan.rule, None)
    })?;
    tab.admitted(&plan, draw, reservation);
    tab.keep(&request);
    if gw.wait == Wait::Dispatch {
        tab.on_disk().await?;
    }
    tab.at(Stage::Dispatch);
    let bound = account.binds();
    let surface = request.surface();
    let affinity = Some(affinity(&signals, &caller.team_name, request.leading()));
    let ids = tab.ids();
    let sent =
        UpstreamRequest::new(request, &headers, (ids.id(), ids.header(), ids.trace()), bound);
    let sent = UpstreamRequest { arm, ..sent };
    // With the head goes the buffer that its connection has read it into.
    drop(headers);
    let hint = PickHint { draw: draw.0, affinity };
    let waiter = Waiter { class: caller.priority, key: caller.key_id.0, until: None };
    let options = CallOptions { hint, waiter, early_head: gw.early_head };
    let mut call = Box::new(Upstreams::call(&epoch.upstreams, &plan, sent, options));
    let committed = poll_fn(|cx| call.poll_landing(cx, tab.log())).await?;
    let now = tab.at(Stage::Record);
    tab.on_disk().await?;
    let rates = account.limits(now);
    let landed = Landed::Called(committed, call);
    Ok(answer::Pending { landed, surface, rates, bound })
}

/// Gives an answer again that was kept: it costs nothing, and no backend is asked.
async fn given_again(
    Principal { caller, account, .. }: &Principal,
    (plan, draw, at): (&Arc<Plan>, Draw, jiff::Timestamp),
    (kept, request): (Kept, &wire::Request),
    tab: &mut Tab,
) -> Result<answer::Pending, Failure> {
    let now = tab.at(Stage::Admit);
    let requester = Requester { id: tab.ids().id(), key: Arc::clone(&caller.key_name), at };
    tab.admitted(plan, draw, account.admit_free(requester));
    tab.at(Stage::Record);
    tab.on_disk().await?;
    let landed = Landed::Kept(kept.body, request.stream());
    let (surface, rates) = (request.surface(), account.limits(now));
    Ok(answer::Pending { landed, surface, rates, bound: false })
}

impl Gateway {
    /// The time.
    pub(crate) fn now(&self) -> Instant {
        (self.sources.now)()
    }

    /// The number of the last change of what is managed that is in force.
    pub(crate) fn managed_last(&self) -> i64 {
        self.epoch.load().managed_last
    }

    /// Whether what still runs is to end now.
    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// What a session's every request draws alike, and a request without session for itself.
    fn draw(&self, signals: &Signals) -> Draw {
        Draw(signals.session.map_or_else(self.sources.random, |session| session as u64))
    }
}
