//! The rooms of a gateway, and the order in which they come about.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{self, Receiver};

use super::{
    beside::PredecessorMoney,
    books::books,
    epoch::{self, Before},
    experiments, gauges,
    handover::{self, Predecessor, Quiesced},
    in_charge, jwks, past,
    pepper::{self, pepper},
    start_block::Started,
    start_error::StartError,
    traces::{self, Traces},
    trail,
};
use crate::{
    account::Accounts,
    cache::Cache,
    config::Config,
    directory::Directory,
    log::Log,
    outcome::Sampler,
    pipeline::{ContentChecks, Epoch, Gateway, Guards, SERVED_MAX, Served, ServedSender, Sources},
    record::{self, Ledger, Recorder, WriterHandle},
    store::{Departure, Reader},
};

/// How long the ledger's writer gathers a group.
const GATHER: Duration = Duration::from_millis(2);

/// A gateway that is built, and what its ledger needs to its end.
pub(super) struct Rooms {
    pub(super) to_look_at: Receiver<Served>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) writer: WriterHandle,
    pub(super) traces: Option<Traces>,
    pub(super) departure: Departure,
    pub(super) predecessors: Vec<i64>,
    pub(super) started: Started,
}

/// The rooms. What takes time is made ready while a predecessor serves; what depends on what it has
/// admitted, when it admits no more. It leaves when all is ready.
pub(super) async fn build(
    config: &Config,
    mut predecessor: Option<Predecessor>,
    log: &Log,
) -> Result<Rooms, StartError> {
    let ledger = config.ledger.sqlite.display();
    let ledger_error = |error| StartError::Ledger(format!("{ledger}: {error}"));
    let stays = |why| in_charge(config, why);
    let pepper = pepper(&config.identity, &config.ledger)?;
    let opened = books(config, predecessor.is_some()).await;
    let (store, replica) = opened.map_err(|error| match error {
        record::StoreError::InUse(_) => stays(handover::found(&config.ledger.sqlite)),
        error => ledger_error(error),
    })?;
    pepper::keep(&store, config, &pepper)?;
    let departure = store.departure();
    let started = Started::after(predecessor.as_ref(), &store);
    let boots = store.predecessors().map_or_else(Vec::new, |it| it.boots().to_vec());
    let (ledger, writer) = Ledger::start(store, GATHER).map_err(ledger_error)?;
    let (recorder, traces) = traces::recorder(config, ledger, &replica, log)?;
    let epoch = epoch::epoch(config, recorder.metrics(), Before::Start(replica), real_now());
    let mut epoch = epoch.map_err(StartError::Backends)?;
    let now = jiff::Timestamp::now();
    let past = past::spent_beside(config, now, &boots, Default::default).map_err(ledger_error)?;
    let mut before = past.marked.map(|mark| PredecessorMoney::new(mark, config.teams.clone()));
    let payers = config.payers();
    let (who, terms) = ((&*config.teams, &*payers), (config.budget_wait, &config.ledger.currency));
    epoch.accounts = Arc::new(Accounts::new(who, terms, (&past.spent, now), real_now()));
    let nobody = Directory::empty(pepper.expose().as_bytes());
    let directory = nobody.with(&payers, &config.teams, &epoch.accounts);
    let directory = directory.operated(&config.admin).trusting(&config.oidc, &nobody);
    epoch.directory = Arc::new(directory);
    jwks::first(&epoch.directory, recorder.metrics()).await;
    let said = match &mut predecessor {
        Some(predecessor) => predecessor.quiesce().await.map_err(stays)?,
        None => Quiesced::default(),
    };
    if let Some(before) = &mut before {
        let begun = before.begin(&epoch.accounts, &said.aside, jiff::Timestamp::now());
        begun.map_err(ledger_error)?;
    }
    let (last, changes) = experiments::changes(&config.ledger.sqlite).map_err(ledger_error)?;
    let (served, to_look_at) = mpsc::channel(SERVED_MAX);
    let guards = Guards::new(last, &changes);
    let gateway = Arc::new(rooms(config, recorder, epoch, (guards, served)));
    experiments::take_up(&gateway, &config.ledger.sqlite, &changes);
    let last = Reader::open(&config.ledger.sqlite).and_then(|reader| reader.audited_config());
    let last = last.map_err(ledger_error)?;
    gauges::register(&gateway);
    if let Some(predecessor) = predecessor {
        predecessor.leave().await.map_err(stays)?;
    }
    trail::loaded(&gateway, last.as_deref());
    gateway.recorder.in_force(&gateway.epoch.load().names);
    if let Some(before) = before {
        let grace = Duration::from_millis(said.grace_ms);
        tokio::spawn(before.follow(Arc::clone(&gateway), grace));
    }
    Ok(Rooms { to_look_at, gateway, writer, traces, departure, predecessors: boots, started })
}

fn rooms(
    config: &Config,
    recorder: Recorder,
    epoch: Epoch,
    (guards, served): (Guards, ServedSender),
) -> Gateway {
    Gateway {
        served,
        guards,
        content_checks: ContentChecks::default(),
        cache: Cache::new(config.cache.bytes_max, config.cache.wait),
        recorder,
        wait: config.ledger.wait,
        early_head: config.server.early_head,
        why_header: config.server.why_header,
        draining: false.into(),
        stopped: false.into(),
        sampler: config.tracing.as_ref().map(|it| Sampler::new(it.sample)),
        epoch: ArcSwap::from_pointee(epoch),
        sources: Sources { now: real_now, timestamp: jiff::Timestamp::now, random: rand::random },
    }
}

/// The monotonic clock.
pub(super) fn real_now() -> Instant {
    tokio::time::Instant::now().into_std()
}
