//! The only wiring: builds the rooms, opens the listeners, drains. The only place with the real clock and
//! the real randomness.

mod drain;
mod epoch;
mod gauges;
mod ground;
mod past;
mod probes;
mod reload;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use self::epoch::Before;
pub(crate) use self::epoch::read_limits;
pub use self::{
    ground::{check, notes},
    reload::{Change, Reloaded, Watched},
};
use arc_swap::ArcSwap;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    account::Accounts,
    config::{self, Config, Secret},
    directory::{self, Directory},
    edge::{
        ApiService, ApiSettings,
        accept::{self, ListenerConfig, Shutdown},
        admin::{Admin, AdminState},
    },
    pipeline::{Gateway, Sources},
    record::{self, Ledger, Metrics, Recorder, WriterHandle},
    store::{Keep, Sqlite},
};

/// How often decisions get a new view of the fleet.
const VIEW_EVERY: Duration = Duration::from_millis(100);
/// How often idle connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
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
    closing: watch::Sender<Shutdown>,
    admin_closing: watch::Sender<Shutdown>,
    listeners: [JoinHandle<()>; 2],
    chores: [JoinHandle<()>; 2],
    drain_timeout: Duration,
    drain_grace: Duration,
    writer: WriterHandle,
    gateway: Arc<Gateway>,
    /// What is in force.
    config: Mutex<Config>,
}

/// Builds the rooms and opens the listeners.
///
/// # Errors
/// When an address, the ledger, the pepper or the root certificates cannot be used.
pub async fn start(config: Config) -> Result<Running, StartError> {
    // A second provider in the process would be an error of ours; the first one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    classify::warm();
    let api_listener = listen(config.server.listen)?;
    let admin_listener = listen(config.admin.listen)?;
    let (gateway, writer) = build(&config)?;
    let admin = admin(&config.admin, Arc::clone(&gateway));
    let (closing, closed) = watch::channel(Shutdown::Open);
    let (admin_closing, admin_closed) = watch::channel(Shutdown::Open);
    let addr = api_listener.local_addr().unwrap_or(config.server.listen);
    let admin_addr = admin_listener.local_addr().unwrap_or(config.admin.listen);
    let listener_config = |listener| ListenerConfig {
        listener,
        header_timeout: config.server.header_timeout,
        write_timeout: config.server.write_timeout,
        connections_max: config.server.connections_max,
    };
    let api = ApiService::new(Arc::clone(&gateway), &ApiSettings { server: &config.server });
    let admin = Admin::new(admin);
    let listeners = [
        tokio::spawn(accept::run(listener_config(api_listener), closed, move |it| {
            api.clone().answer(it)
        })),
        tokio::spawn(accept::run(listener_config(admin_listener), admin_closed, move |it| {
            admin.clone().answer(it)
        })),
    ];
    Ok(Running {
        addr,
        admin_addr,
        closing,
        admin_closing,
        listeners,
        chores: [
            tokio::spawn(chores(Arc::clone(&gateway))),
            tokio::spawn(probes::run(Arc::clone(&gateway))),
        ],
        drain_timeout: config.server.drain_timeout,
        drain_grace: config.server.drain_grace,
        writer,
        gateway,
        config: Mutex::new(config),
    })
}

fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    accept::listen(addr).map_err(|source| StartError::Listen { addr, source })
}

fn admin(admin: &config::Admin, gateway: Arc<Gateway>) -> AdminState {
    AdminState {
        gateway,
        metrics_guarded: !admin.listen.ip().is_loopback() || admin.metrics_token.is_some(),
        token: admin.token.clone(),
        metrics_token: admin.metrics_token.clone(),
    }
}

fn build(config: &Config) -> Result<(Arc<Gateway>, WriterHandle), StartError> {
    let ledger_error = |error: record::StoreError| StartError::Ledger(error.to_string());
    let pepper = pepper(config)?;
    let (store, replica) = books(config).map_err(ledger_error)?;
    let now = jiff::Timestamp::now();
    let spent = past::spent(config, now).map_err(ledger_error)?;
    let (ledger, writer) = Ledger::start(store, GATHER).map_err(ledger_error)?;
    let metrics = Metrics::new(config.series_max).map_err(StartError::Metrics)?;
    let recorder = Recorder::new(metrics, ledger);
    let epoch = epoch::epoch(config, recorder.metrics(), Before::Start(replica), real_now());
    let mut epoch = epoch.map_err(StartError::Backends)?;
    let who = (&*config.teams, &*config.keys);
    let terms = (config.budget_wait, &config.ledger.currency);
    epoch.accounts = Arc::new(Accounts::new(who, terms, (&spent, now), real_now()));
    let nobody = Directory::empty(pepper.expose().as_bytes());
    epoch.directory = Arc::new(nobody.with(&config.keys, &config.teams, &epoch.accounts));
    let gateway = Gateway {
        recorder,
        wait: config.ledger.wait,
        early_head: config.server.early_head,
        draining: false.into(),
        stopped: false.into(),
        epoch: ArcSwap::from_pointee(epoch),
        sources: Sources { now: real_now, timestamp: jiff::Timestamp::now, random: rand::random },
    };
    let gateway = Arc::new(gateway);
    gauges::register(&gateway);
    Ok((gateway, writer))
}

fn real_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The ledger's file, ready to be written by this process, and the replica's name in it.
fn books(config: &Config) -> Result<(Sqlite, Arc<str>), record::StoreError> {
    let config::Ledger { sqlite, durability, retention_days, disk_free_bytes_min, .. } =
        &config.ledger;
    let mut store = Sqlite::open(sqlite, *durability)?;
    let replica = store.replica(&epoch::replica(rand::random()))?;
    let now_ms = || jiff::Timestamp::now().as_millisecond();
    let folder = ground::folder(&config.ledger).to_owned();
    store.keep(Keep::new(*retention_days, *disk_free_bytes_min, folder, now_ms));
    Ok((store, replica.into()))
}

/// The key of all keyed hashes.
pub(crate) fn pepper(config: &Config) -> Result<Secret, StartError> {
    if let Some(pepper) = &config.identity.pepper {
        return Ok(pepper.clone());
    }
    let folder = ground::folder(&config.ledger);
    directory::load_or_create_pepper(folder, rand::random()).map_err(StartError::Pepper)
}

/// What has to happen again and again.
async fn chores(gateway: Arc<Gateway>) {
    let mut view = tokio::time::interval(VIEW_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            _ = view.tick() => gateway.epoch.load().upstreams.look(VIEW_EVERY, gateway.now()),
            _ = sweep.tick() => gateway.epoch.load().upstreams.sweep(gateway.now()),
        }
    }
}
