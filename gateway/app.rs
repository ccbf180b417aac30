//! The only wiring: builds the rooms, opens the doors, drains. The only place with the real clock and
//! the real randomness.

mod drain;
mod probes;
mod reload;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::reload::{Reloaded, Watched};
use arc_swap::ArcSwap;
use policies::facts::{KeyIndex, TeamIndex};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    account::{Accounts, Spent},
    config::{self, Config, Secret},
    dispatch::{Fate, Upstreams},
    edge::{
        Front, FrontSettings,
        accept::{self, Closing, Door},
        admin::{Admin, Desk},
    },
    fleet::{Bounds, EndpointSeed, Fleet, ReplicasSeed},
    identity::{self, Keys},
    outcome::{ModelName, Names},
    pipeline::{Epoch, Gateway, Stamps, World},
    record::{self, Gauge, GaugeReading, Ledger, Metrics, Recorder, WriterHandle},
    store::{self, Reader, Sqlite},
    wire::ReadLimits,
};

/// How often decisions get a new view of the fleet.
const VIEW_EVERY: Duration = Duration::from_millis(100);
/// How often idle connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How deep a body may nest.
const DEPTH_MAX: usize = 128;
/// How long the ledger's writer gathers a group.
const GATHER: Duration = Duration::from_millis(2);

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Which.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The ledger could not be opened.
    #[error("cannot open the ledger: {0}")]
    Ledger(String),
    /// The pepper could not be read or made.
    #[error("cannot read or make the pepper beside the ledger: {0}")]
    Pepper(io::Error),
    /// The metrics could not be registered.
    #[error("cannot register the metrics: {0}")]
    Metrics(record::MetricsError),
    /// A backend's address or the system's root certificates cannot be used.
    #[error("cannot prepare connections to backends: {0}")]
    Backends(io::Error),
}

/// A gateway that is serving.
pub struct Running {
    /// Where callers connect.
    pub addr: SocketAddr,
    /// Where operators connect.
    pub admin_addr: SocketAddr,
    closing: watch::Sender<Closing>,
    admin_closing: watch::Sender<Closing>,
    doors: [JoinHandle<()>; 2],
    chores: [JoinHandle<()>; 2],
    drain_timeout: Duration,
    drain_grace: Duration,
    writer: WriterHandle,
    gateway: Arc<Gateway>,
}

/// Builds the rooms and opens the doors.
///
/// # Errors
/// When an address, the ledger, the pepper or the root certificates cannot be used.
pub async fn start(config: Config) -> Result<Running, StartError> {
    // A second provider in the process would be an error of ours; the first one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    classify::warm();
    let front_listener = listen(config.server.listen)?;
    let admin_listener = listen(config.admin.listen)?;
    let (gateway, writer) = build(&config)?;
    let prober = probes::prober(&config).map_err(StartError::Backends)?;
    let desk = desk(&config.admin, Arc::clone(&gateway));
    let (closing, closed) = watch::channel(Closing::Open);
    let (admin_closing, admin_closed) = watch::channel(Closing::Open);
    let addr = front_listener.local_addr().unwrap_or(config.server.listen);
    let admin_addr = admin_listener.local_addr().unwrap_or(config.admin.listen);
    let door = |listener| Door {
        listener,
        header_timeout: config.server.header_timeout,
        write_timeout: config.server.write_timeout,
        connections_max: config.server.connections_max,
    };
    let front = Front::new(Arc::clone(&gateway), &FrontSettings { server: &config.server });
    let admin = Admin::new(desk);
    let doors = [
        tokio::spawn(accept::run(door(front_listener), closed, move |it| front.clone().answer(it))),
        tokio::spawn(accept::run(door(admin_listener), admin_closed, move |it| {
            admin.clone().answer(it)
        })),
    ];
    Ok(Running {
        addr,
        admin_addr,
        closing,
        admin_closing,
        doors,
        chores: [
            tokio::spawn(chores(Arc::clone(&gateway))),
            tokio::spawn(probes::run(Arc::clone(&gateway), prober)),
        ],
        drain_timeout: config.server.drain_timeout,
        drain_grace: config.server.drain_grace,
        writer,
        gateway,
    })
}

fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    accept::listen(addr).map_err(|source| StartError::Listen { addr, source })
}

fn desk(admin: &config::Admin, gateway: Arc<Gateway>) -> Desk {
    Desk {
        gateway,
        metrics_guarded: !admin.listen.ip().is_loopback() || admin.metrics_token.is_some(),
        token: admin.token.clone(),
        metrics_token: admin.metrics_token.clone(),
    }
}

fn build(config: &Config) -> Result<(Arc<Gateway>, WriterHandle), StartError> {
    let ledger_error = |error: record::StoreError| StartError::Ledger(error.to_string());
    let pepper = pepper(config)?;
    let store = Sqlite::open(&config.ledger.sqlite, config.ledger.durability);
    let store = store.map_err(ledger_error)?;
    let names = Arc::new(names(config));
    let spent = spent(config).map_err(ledger_error)?;
    let (ledger, writer) = Ledger::start(store, GATHER).map_err(ledger_error)?;
    let metrics = Metrics::new(config.series_max).map_err(StartError::Metrics)?;
    let recorder = Recorder::new(metrics, ledger);
    let epoch = epoch(config, &names, &recorder).map_err(StartError::Backends)?;
    let accounts = Arc::new(Accounts::new(
        &config.teams,
        &config.keys,
        config.budget_wait,
        (&spent, jiff::Timestamp::now()),
    ));
    register_gauges(&recorder, &epoch);
    register_budgets(&recorder, &accounts, Arc::clone(&config.ledger.currency));
    let gateway = Gateway {
        keys: Keys::new(&config.keys, &config.teams, pepper.expose().as_bytes()),
        accounts,
        recorder,
        wait: config.ledger.wait,
        early_head: config.server.early_head,
        draining: false.into(),
        stopped: false.into(),
        epoch: ArcSwap::from_pointee(epoch),
        world: World { now: real_now, timestamp: jiff::Timestamp::now, random: rand::random },
    };
    let gateway = Arc::new(gateway);
    register_policy(&gateway);
    Ok((gateway, writer))
}

/// Which policy is in force; it may change while the process runs.
fn register_policy(gateway: &Arc<Gateway>) {
    let known = Arc::downgrade(gateway);
    gateway.recorder.metrics().register_gauges(Box::new(move || {
        let names = known.upgrade().map(|gateway| Arc::clone(&gateway.epoch.load().names));
        let info = |names: Arc<Names>| {
            let (version, hash) =
                (Arc::clone(&names.policy_version), Arc::clone(&names.policy_hash));
            GaugeReading::info(Gauge::PolicyInfo, version, hash)
        };
        names.map(info).into_iter().collect()
    }));
}

fn real_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What the ledger says was spent before: as far back as any window reaches.
fn spent(config: &Config) -> Result<Vec<Spent>, record::StoreError> {
    let budgets = config.teams.iter().map(|team| &team.budgets);
    let mut budgets = budgets.chain(config.keys.iter().map(|key| &key.budgets));
    if budgets.all(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let found = Reader::open(&config.ledger.sqlite)?.spendings()?;
    let of = |(at_ms, it): (i64, store::Spent)| {
        let team = config.teams.iter().position(|team| *team.name == *it.team)?;
        let key = config.keys.iter().position(|key| *key.name == *it.key)?;
        Some(Spent {
            team: TeamIndex(u16::try_from(team).ok()?),
            key: KeyIndex(u32::try_from(key).ok()?),
            at: jiff::Timestamp::from_millisecond(at_ms).ok()?,
            cost: it.cost,
        })
    };
    Ok(found.into_iter().filter_map(of).collect())
}

/// The key of all keyed hashes.
pub(crate) fn pepper(config: &Config) -> Result<Secret, StartError> {
    if let Some(pepper) = &config.identity.pepper {
        return Ok(pepper.clone());
    }
    let folder = config.ledger.sqlite.parent().unwrap_or(std::path::Path::new("."));
    identity::load_or_create_pepper(folder, rand::random()).map_err(StartError::Pepper)
}

fn names(config: &Config) -> Names {
    let fleet = config.policy.fleet();
    let model = |it: &policies::facts::ModelFacts| ModelName {
        id: Arc::clone(&it.id),
        zone: it.zone.clone(),
        price: it.price,
    };
    let replica = format!("{}-{}", hostname(), std::process::id());
    Names {
        replica: replica.into(),
        currency: Arc::clone(&config.ledger.currency),
        policy_version: config.policy.version().into(),
        policy_hash: config.policy.hash().into(),
        price_version: config::price_version(&fleet.models).into(),
        models: fleet.models.iter().map(model).collect(),
        teams: fleet.teams.iter().map(|team| Arc::clone(&team.name)).collect(),
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { String::from("signalbox") } else { name.to_owned() }
}

fn epoch(config: &Config, names: &Arc<Names>, recorder: &Recorder) -> io::Result<Epoch> {
    let seeds = config.models.iter().map(|model| ReplicasSeed {
        id: Arc::clone(&model.id),
        endpoints: model.endpoints.iter().map(seed).collect(),
    });
    let fleet = Arc::new(Fleet::new(seeds.collect(), None, real_now()));
    let facts = &config.policy.fleet().models;
    let rooms = facts.iter().map(|model| model.context_tokens_max).collect();
    let (told, known) = (recorder.metrics().clone(), Arc::clone(names));
    let fate = Box::new(move |endpoint: &crate::fleet::Endpoint, fate: Fate| {
        let model = known.models.get(endpoint.model.get()).map_or("", |model| &model.id);
        match fate {
            Fate::Ejected(cause) => {
                tracing::warn!(model, endpoint = &*endpoint.label, cause, "ejected");
                told.ejected(model, &endpoint.label, cause);
            }
            Fate::LastResort => {
                tracing::debug!(model, endpoint = &*endpoint.label, "asked as the last resort");
                told.last_resort(model);
            }
        }
    });
    let queue = Bounds { wait: config.queue.wait, length_max: config.queue.length_max };
    let upstreams = Upstreams::new(&config.models, rooms, fleet, fate, queue)?;
    Ok(Epoch {
        timezone: jiff::tz::TimeZone::get(config.policy.timezone()).map_err(io::Error::other)?,
        names: Arc::clone(names),
        upstreams: Arc::new(upstreams),
        limits: read_limits(config),
        stamps: Stamps::new(&config.policy),
        policy: config.policy.clone(),
    })
}

/// What a request may ask for.
pub(crate) fn read_limits(config: &Config) -> ReadLimits {
    ReadLimits {
        depth_max: DEPTH_MAX,
        n_max: config.shield.n_max,
        tools_max: config.shield.tools_max,
        schema_bytes_max: config.shield.schema_bytes_max,
        media_hosts: config.media_hosts.clone(),
    }
}

fn seed(endpoint: &config::Endpoint) -> EndpointSeed {
    let authority = endpoint.url.authority().map_or("", http::uri::Authority::as_str);
    EndpointSeed {
        label: authority.into(),
        url: endpoint.url.to_string().into(),
        weight: endpoint.weight,
        concurrency_max: endpoint.concurrency_max,
    }
}

/// What other rooms know and a scrape asks for.
fn register_gauges(recorder: &Recorder, epoch: &Epoch) {
    let (fleet, names) = (Arc::clone(&epoch.upstreams.fleet), Arc::clone(&epoch.names));
    let info = [GaugeReading::info(Gauge::ConfigInfo, "".into(), Arc::clone(&names.price_version))];
    recorder.metrics().register_gauges(Box::new(move || {
        let now = real_now();
        let mut readings = info.to_vec();
        for endpoint in fleet.endpoints() {
            let Some(model) = names.models.get(endpoint.model.get()) else { continue };
            let labels = || [Arc::clone(&model.id), Arc::clone(&endpoint.label)];
            let up = usize::from(endpoint.up(now));
            readings.push(GaugeReading::count(Gauge::EndpointUp, labels(), up));
            let in_flight = endpoint.in_flight() as usize;
            readings.push(GaugeReading::count(Gauge::EndpointInFlight, labels(), in_flight));
        }
        for (model, waiting) in fleet.waiting() {
            readings.push(GaugeReading::count(Gauge::QueueWaiting, [Arc::clone(model)], waiting));
        }
        readings
    }));
}

/// How the budgets of teams stand.
fn register_budgets(recorder: &Recorder, accounts: &Arc<Accounts>, currency: Arc<str>) {
    let accounts = Arc::clone(accounts);
    recorder.metrics().register_gauges(Box::new(move || {
        let mut readings = Vec::new();
        for it in accounts.budgets(jiff::Timestamp::now()) {
            let labels = || [Arc::clone(&it.team), Arc::from(it.window), Arc::clone(&currency)];
            readings.push(GaugeReading::money(Gauge::BudgetLimit, labels(), it.limit));
            readings.push(GaugeReading::money(Gauge::BudgetSpent, labels(), it.spent));
            readings.push(GaugeReading::money(Gauge::BudgetReserved, labels(), it.reserved));
        }
        readings
    }));
}

/// What has to happen again and again.
async fn chores(gateway: Arc<Gateway>) {
    let mut view = tokio::time::interval(VIEW_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            _ = view.tick() => gateway.epoch.load().upstreams.look(gateway.now()),
            _ = sweep.tick() => gateway.epoch.load().upstreams.sweep(gateway.now()),
        }
    }
}
