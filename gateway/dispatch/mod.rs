//! Plan and request to an answer: connections to backends, attempts at them, and the relay.
//!
//! What may be tried, and in which order, is the pure machine in [`attempts`]; a [`call::Call`]
//! carries it out. Nothing of the caller's ever chooses where a connection goes: a [`target::Target`]
//! comes from configuration alone, and redirects are never followed.

mod attempt;
mod attempts;
mod call;
mod connect_queue;
mod connection;
mod judge;
mod outbound;
mod own;
mod pool;
mod retry_after;
mod target;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{Plan, facts::ModelIndex};

use self::connection::Connector;
pub(crate) use self::{
    call::{Call, Committed},
    outbound::Piece,
    target::{Counting, Target, UpstreamRequest},
};
use crate::{
    config,
    fleet::{Endpoint, Fleet, PickHint, QueueLimits, Waiter},
    wire::Surface,
};

/// The observer of ejections and recoveries of endpoints.
pub(crate) type EndpointObserver = Box<dyn Fn(&Endpoint, EndpointEvent) + Send + Sync>;

/// A change of an endpoint that is counted and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointEvent {
    /// The endpoint is taken out of service, for this cause.
    Ejected(&'static str),
    /// The endpoint is in service again, after so long.
    Back(Duration),
    /// It is ejected, and asked all the same: no model of the route has another.
    LastResort,
}

/// The connections to all replicas of an epoch.
pub(crate) struct Upstreams {
    /// The state of the replicas.
    pub fleet: Arc<Fleet>,
    connector: Connector,
    targets: Vec<Vec<Arc<Target>>>,
    observer: EndpointObserver,
    queue: QueueLimits,
    all_chat: bool,
}

/// The configuration that the connections of an epoch are made from.
pub(crate) struct UpstreamsConfig<'a> {
    /// The models, by `ModelIndex`.
    pub models: &'a [config::Model],
    /// Their replicas, likewise.
    pub fleet: Arc<Fleet>,
    /// The observer of ejections and recoveries of endpoints.
    pub observer: EndpointObserver,
    /// The bounds of the wait for a full model.
    pub queue: QueueLimits,
}

impl Upstreams {
    /// New ways; idle connections that the epoch `before` has to the same address serve on.
    ///
    /// # Errors
    /// When an address or a credential cannot be used.
    pub(crate) fn new(config: UpstreamsConfig<'_>, before: Option<&Self>) -> io::Result<Self> {
        let UpstreamsConfig { models, fleet, observer, queue } = config;
        let known = |model: &config::Model, it: &config::Endpoint| {
            let mut all = before?.targets.iter().flatten();
            let same =
                |old: &&Arc<Target>| old.uri == it.url && old.pool.idle_max() == model.pool_idle;
            all.find(same).map(|old| &old.pool)
        };
        let of = |model: &config::Model| -> io::Result<Vec<Arc<Target>>> {
            let target = |it| Target::new(model, it, known(model, it)).map(Arc::new);
            model.endpoints.iter().map(target).collect()
        };
        let targets = models.iter().map(of).collect::<io::Result<_>>()?;
        let connector = match before {
            Some(before) => before.connector.clone(),
            None => Connector::new()?,
        };
        let all_chat = models.iter().all(|it| Surface::all_chat(&it.dialects));
        Ok(Self { fleet, connector, targets, observer, queue, all_chat })
    }

    /// Whether every model can be asked by chat completions.
    pub(crate) fn all_chat(&self) -> bool {
        self.all_chat
    }

    /// The dialects that a model's engine speaks.
    pub(crate) fn dialects(&self, model: ModelIndex) -> &[policies::facts::Dialect] {
        let target = self.targets.get(model.get()).and_then(|all| all.first());
        target.map_or(&[], |it| it.dialects())
    }

    /// A call by this plan. Nothing is sent before it is polled; dropping it drops what was sent.
    pub(crate) fn call(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        request: UpstreamRequest,
        options: CallOptions,
    ) -> Call {
        Call::new(Arc::clone(self), Arc::clone(plan), request, options)
    }

    /// Looks at the fleet again, so long after the last time: a new view for decisions, and replicas far
    /// slower than their peers out.
    pub(crate) fn look(&self, passed: Duration, now: Instant) {
        self.fleet.passed(passed);
        self.fleet.publish(now);
        for endpoint in self.fleet.eject_slow(now) {
            (self.observer)(&endpoint, EndpointEvent::Ejected("slow"));
        }
    }

    /// Closes connections that were idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        for target in self.targets.iter().flatten() {
            target.pool.sweep(now);
        }
    }

    /// One replica of a model.
    pub(crate) fn target(&self, model: ModelIndex, endpoint: u16) -> Option<Arc<Target>> {
        self.targets.get(model.get())?.get(usize::from(endpoint)).cloned()
    }
}

/// The options of one call.
pub(crate) struct CallOptions {
    /// The hint that decides among replicas.
    pub hint: PickHint,
    /// Its class and key, by which it waits where a model is full.
    pub waiter: Waiter,
    /// The time after which a silent stream gets its head.
    pub early_head: Duration,
}
