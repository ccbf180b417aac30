//! The only wiring: builds the rooms, opens the listeners, drains. The only place with the real clock and
//! the real randomness.

mod alerts;
mod audit;
mod audit_key;
mod beside;
mod books;
mod build;
mod changed;
mod chores;
mod content_model;
mod drain;
mod epoch;
mod experiments;
mod gauges;
mod ground;
mod handover;
mod idle_switches;
mod in_force;
mod inherited;
mod jwks;
mod listen;
mod manage;
mod managed;
mod notify;
mod online;
mod past;
mod pepper;
mod probes;
mod process;
mod proposals;
mod propose;
mod query;
mod reload;
mod requests;
mod rows;
mod served;
mod spend;
mod start_block;
mod start_error;
mod switches;
mod traces;
mod trail;
mod turns;
mod webhook;

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use self::{
    alerts::Alerts,
    build::{Rooms, build, real_now},
    handover::{HandoverContext, Incumbent, ListenAddresses, Predecessor, Sockets},
    in_force::InForce,
    listen::open,
    served::Looker,
    start_block::Started,
    traces::Traces,
};
pub use self::{
    changed::NamesChanged,
    ground::{check, notes, warnings},
    manage::listed,
    managed::{ChangeError, change, load},
    notify::{Notice, notify},
    online::{AskedEndpoint, ListedBackend, ask_backends, list_backend},
    propose::ProposalRefused,
    reload::{Change, Reloaded, Watched},
    start_block::StartWarning,
    start_error::StartError,
    switches::switches,
};
pub(crate) use self::{
    epoch::read_limits,
    pepper::{accepted, pepper, place},
};
pub use crate::fleet::{BackendFault, FaultKind, ListedModel};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    config::Config,
    edge::{
        ApiService, ApiSettings,
        accept::{self, ListenerConfig, Shutdown},
        admin::{Admin, AdminState},
    },
    log::Log,
    pipeline::Gateway,
    record::{ReloadResult, WriterHandle},
    store::Departure,
};

/// A gateway that is serving.
pub struct Running {
    /// Where callers connect.
    pub addr: SocketAddr,
    /// Where operators connect.
    pub admin_addr: SocketAddr,
    closing: watch::Sender<Shutdown>,
    admin_closing: watch::Sender<Shutdown>,
    listeners: [JoinHandle<()>; 2],
    /// Where this process can be succeeded.
    incumbent: Option<Incumbent>,
    chores: Vec<JoinHandle<()>>,
    /// Who tells what of budgets is spent.
    alerts: Alerts,
    /// Who looks at answers again.
    looker: Looker,
    drain_timeout: Duration,
    drain_grace: Duration,
    departure: Departure,
    writer: WriterHandle,
    /// What sends spans, if there are any.
    traces: Option<Traces>,
    gateway: Arc<Gateway>,
    /// How it came to serve.
    started: Started,
    log: Log,
    /// What is in force.
    in_force: Arc<InForce>,
}

impl Running {
    /// Puts another configuration in force. Requests under way keep what they began with.
    ///
    /// # Errors
    /// When a new address or credential cannot be used: then nothing is taken.
    pub async fn reload(&self, config: Config) -> io::Result<Reloaded> {
        let reloaded = reload::reload(&self.in_force, config).await;
        self.gateway.recorder.metrics().reloaded(match &reloaded {
            Ok(Reloaded::InForce { .. }) => ReloadResult::Applied,
            Ok(Reloaded::Unchanged) => ReloadResult::Unchanged,
            Ok(Reloaded::NeedsRestart(_) | Reloaded::NeedsSecond(_)) | Err(_) => {
                ReloadResult::Refused
            }
        });
        reloaded
    }

    /// Counts a reload whose files are no configuration: the one in force stays, and is stale.
    pub fn refuse_reload(&self) {
        self.gateway.recorder.metrics().reloaded(ReloadResult::Refused);
    }

    /// Says in the log how it has come to serve, and by what, with these warnings.
    pub async fn say_started(&self, path: &Path, warnings: &[StartWarning]) {
        let config = self.in_force.config.lock().await;
        start_block::say(self, (&*config, path), warnings);
        idle_switches::say(None, &config);
    }

    /// Waits until a successor serves; its process. This one is to be shut down then.
    pub async fn succeeded(&self) -> i32 {
        let Some(incumbent) = &self.incumbent else { return std::future::pending().await };
        incumbent.succeeded().await
    }

    /// Not ready from now on, but open: for the grace, requests are served as before, and each answer
    /// says that its connection closes. Then nobody comes in, and what runs goes on to its end, or to the
    /// hard stop at the drain timeout: streams are cut honestly, and all else is answered with a failure
    /// that asks to try again. In the end everything is settled and flushed. A process with a successor
    /// accepts nothing even during the grace: its successor does. One without is still found by a successor
    /// until the grace ends; after it, the ledger and the addresses are free for the next process.
    pub async fn shutdown(self) {
        drain::shutdown(self).await;
    }
}

/// Builds the gateway and opens its listeners, as a process without a successor, and takes its backends to
/// serve without asking them: for those who have just started these.
///
/// # Errors
/// When an address, the ledger, the pepper or the root certificates cannot be used.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let sockets = open(&config, [None, None]).await?;
    let terms = Terms { predecessor: None, asks: false, log: Log::none() };
    let (running, ..) = begin(config, sockets, terms).await?;
    Ok(running)
}

/// The same as the successor of the process that is in charge of the ledger, if there is one: with its
/// sockets, and while it serves. The process that is started can be succeeded in the same way. It asks its
/// backends what they serve while it begins to serve, and its requests leave their lines in this log.
///
/// # Errors
/// The same, and when the one in charge does not hand over. It goes on then.
pub async fn succeed_or_start(config: Config, log: Log) -> Result<Running, StartError> {
    let doors = ListenAddresses { server: config.server.listen, admin: config.admin.listen };
    let ledger = config.ledger.sqlite.clone();
    // Nobody is asked for his sockets who could not be succeeded.
    let free = books::of_this_schema_or_free(&ledger).await;
    free.map_err(|error| StartError::Ledger(format!("{}: {error}", ledger.display())))?;
    let found = handover::find(&ledger, doors).await.map_err(|why| in_charge(&config, why))?;
    let (predecessor, sockets) = match found {
        Some((predecessor, sockets)) => (Some(predecessor), sockets),
        None => alone(&config, doors).await?,
    };
    let (server, admin) = (&config.server, &config.admin);
    let passed = |socket: &std::net::TcpListener, addr| {
        socket.try_clone().map_err(|source| StartError::Listen { addr, source })
    };
    let [api_socket, admin_socket] = &sockets;
    let copies = [passed(api_socket, server.listen)?, passed(admin_socket, admin.listen)?];
    let terms = Terms { predecessor, asks: true, log };
    let (mut running, rest) = begin(config, sockets, terms).await?;
    let gateway = Arc::clone(&running.gateway);
    let (departure, stopping) = (running.departure.clone(), Arc::default());
    let grace = running.drain_grace;
    let sockets = copies.map(Into::into);
    let context = HandoverContext { doors, sockets, rest, gateway, departure, stopping, grace };
    running.incumbent = Incumbent::take(&ledger, context);
    Ok(running)
}

/// Sockets of its own where nobody was found who hands some over; whoever comes to be found meanwhile does.
async fn alone(
    config: &Config,
    doors: ListenAddresses,
) -> Result<(Option<Predecessor>, Sockets), StartError> {
    let error = match open(config, inherited::at([doors.server, doors.admin])?).await {
        Ok(sockets) => return Ok((None, sockets)),
        Err(error) => error,
    };
    let found = handover::find(&config.ledger.sqlite, doors).await;
    let found = found.map_err(|why| in_charge(config, why))?;
    found.map(|(it, sockets)| (Some(it), sockets)).ok_or(error)
}

fn in_charge(config: &Config, why: String) -> StartError {
    StartError::InCharge { ledger: config.ledger.sqlite.display().to_string(), why }
}

/// How a gateway begins.
struct Terms {
    /// Who serves until it does.
    predecessor: Option<Predecessor>,
    /// Whether its backends are asked what they serve.
    asks: bool,
    /// Where its requests leave their lines.
    log: Log,
}

/// Serves on these sockets, after the predecessor if there is one, and asks the backends if it is to; the
/// sender pauses and resumes both listeners.
async fn begin(
    config: Config,
    sockets: Sockets,
    terms: Terms,
) -> Result<(Running, watch::Sender<bool>), StartError> {
    // A second provider in the process would be an error of ours; the first one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    classify::warm();
    let Terms { predecessor, asks, log } = terms;
    let built = build(&config, predecessor, &log).await?;
    let Rooms { to_look_at, gateway, writer, traces, departure, predecessors, started } = built;
    let (alerts, webhook) = alerts::begin(&config, &gateway)?;
    probes::begin(&gateway, asks, started.predecessor.is_some());
    let (closing, closed) = watch::channel(Shutdown::Open);
    let (admin_closing, admin_closed) = watch::channel(Shutdown::Open);
    let (rest, resting) = watch::channel(false);
    let [api_socket, admin_socket] = sockets;
    let (api_listener, addr) = adopt(api_socket, config.server.listen)?;
    let (admin_listener, admin_addr) = adopt(admin_socket, config.admin.listen)?;
    let server = config.server.clone();
    let listener_config = |listener| ListenerConfig {
        listener,
        header_timeout: server.header_timeout,
        write_timeout: server.write_timeout,
        connections_max: server.connections_max,
        resting: resting.clone(),
    };
    let api = api(&config, &gateway);
    let in_force = InForce::new(config, &gateway, (predecessors, asks), &log);
    let admin = Admin::new(admin(admin_addr.ip().is_loopback(), &in_force));
    let listeners = [
        tokio::spawn(accept::run(listener_config(api_listener), closed, move |it| {
            api.clone().answer(it)
        })),
        tokio::spawn(accept::run(listener_config(admin_listener), admin_closed, move |it| {
            admin.clone().answer(it)
        })),
    ];
    let running = Running {
        addr,
        admin_addr,
        closing,
        admin_closing,
        listeners,
        incumbent: None,
        looker: Looker::begin(&gateway, to_look_at),
        chores: chores(&in_force, &alerts).into_iter().chain(webhook).collect(),
        alerts,
        drain_timeout: server.drain_timeout,
        drain_grace: server.drain_grace,
        departure,
        writer,
        traces,
        gateway,
        started,
        log,
        in_force,
    };
    Ok((running, rest))
}

fn chores(in_force: &Arc<InForce>, alerts: &Alerts) -> [JoinHandle<()>; 5] {
    let (gateway, ledger) = (&in_force.gateway, in_force.ledger.clone());
    [
        tokio::spawn(chores::run(Arc::clone(gateway), ledger, alerts.clone())),
        tokio::spawn(probes::run(Arc::clone(gateway))),
        tokio::spawn(managed::follow(Arc::clone(in_force))),
        tokio::spawn(proposals::run(Arc::clone(in_force))),
        tokio::spawn(jwks::run(Arc::clone(gateway))),
    ]
}

fn adopt(
    socket: std::net::TcpListener,
    addr: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = accept::adopt(socket).map_err(|source| StartError::Listen { addr, source })?;
    let at = listener.local_addr().unwrap_or(addr);
    Ok((listener, at))
}

fn api(config: &Config, gateway: &Arc<Gateway>) -> ApiService {
    let find_enrolment = requests::enrolments(gateway, config.ledger.sqlite.clone());
    ApiService::new(Arc::clone(gateway), ApiSettings { server: &config.server, find_enrolment })
}

fn admin(on_loopback: bool, in_force: &Arc<InForce>) -> AdminState {
    let InForce { gateway, ledger, .. } = &**in_force;
    AdminState {
        find_request: requests::finder(gateway, ledger.clone()),
        audit: audit::teller(gateway, ledger.clone()),
        spend: spend::teller(gateway, ledger.clone()),
        expose: gauges::exposer(gateway),
        manage: manage::manager(in_force),
        proposals: proposals::proposals(in_force),
        switchboard: switches::switchboard(in_force),
        gateway: Arc::clone(gateway),
        on_loopback,
    }
}
