//! A simulated fleet of open models on loopback: for the demo, for tests and for benchmarks.
//!
//! It speaks what engines speak (`POST /v1/chat/completions`, `/v1/completions`, `/v1/embeddings` and
//! `/v1/rerank`, `GET /v1/models`, `GET /health`), at the pace and with the habits of each model, and its
//! answers depend on the prompt alone. It fails only where it is told to, at an address of its own that
//! serves nothing else:
//!
//! | control address | |
//! |---|---|
//! | `POST /sim/fault` | `{"model", "replica"?, "fault": name or null, "times"?, "one_in"?}` |
//! | `POST /sim/kill`, `/sim/revive` | `{"model", "replica"?}`: the port and all its connections |
//! | `GET /sim/seen` | per model: requests, cancelled, tokens, last request, replicas |
//! | `GET /sim/faults` | each fault by name, and what it does |
//!
//! It refuses to check credentials (it only keeps them for assertions) and to be clever: no network
//! beyond loopback, no model, no state that changes an answer.

mod ask;
mod body;
mod control;
mod engine;
mod fault;
mod listener;
pub mod prompts;
mod reply;
mod script;
mod server;
mod spec;
mod tally;
mod vectors;
mod voice;

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, atomic::Ordering::Relaxed},
};

pub use fault::InjectedFault;
use fault::Order;
pub use reply::Used;
pub use spec::{ModelSpec, Pace, Quirks, UsageReporting, ten};
pub use tally::{Last, Seen};
use tokio::task::JoinSet;

use engine::Engine;
use listener::ListenerState;
use server::Replica;

/// The Python script that serves a real open model by llama.cpp; its head says how to use it.
pub const REAL_SERVER: &str = include_str!("real_server.py");

/// How a fleet listens and how fast its time runs.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The control address takes this port, the replicas the ones after it; `None` takes any.
    pub port_base: Option<u16>,
    /// How many times faster than stated the natural paces are.
    pub speed: f64,
}

impl Default for Setting {
    fn default() -> Self {
        Self { port_base: None, speed: 1.0 }
    }
}

/// A running fleet. It ends when this is dropped.
#[derive(Debug)]
pub struct Fleet {
    cluster: Arc<Cluster>,
    control: SocketAddr,
    tasks: JoinSet<()>,
}

/// What the control address works on.
#[derive(Debug)]
struct Cluster {
    engines: Vec<Arc<Engine>>,
    replicas: Vec<Arc<Replica>>,
}

/// No such model or replica in the fleet.
#[derive(Debug, thiserror::Error)]
#[error("no such model or replica: {0}")]
pub struct Unknown(String);

impl Fleet {
    /// Starts the models, each replica on a loopback port of its own. Called within a runtime.
    ///
    /// # Errors
    /// If a port cannot be had.
    pub fn start(specs: &[ModelSpec], setting: Setting) -> io::Result<Self> {
        let mut port = setting.port_base;
        let mut listen = |stated: Option<SocketAddr>| {
            let next = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0)));
            if stated.is_none() {
                port = port.and_then(|port| port.checked_add(1));
            }
            let addr = stated.unwrap_or(next);
            let listener = TcpListener::bind(addr)
                .map_err(|error| io::Error::new(error.kind(), format!("{addr}: {error}")))?;
            listener.set_nonblocking(true)?;
            io::Result::Ok(listener)
        };
        let control = listen(None)?;
        let mut cluster = Cluster { engines: Vec::new(), replicas: Vec::new() };
        let mut tasks = JoinSet::new();
        for spec in specs {
            let engine = Arc::new(Engine::new(spec, setting.speed));
            let replicas =
                if spec.at.is_empty() { spec.replicas.max(1).into() } else { spec.at.len() };
            for nth in 0..replicas {
                let listener = listen(spec.at.get(nth).copied())?;
                let replica = Arc::new(Replica::new(Arc::clone(&engine), listener.local_addr()?));
                replica.begin(spec.fault);
                tasks.spawn(server::run(Arc::clone(&replica), listener));
                cluster.replicas.push(replica);
            }
            cluster.engines.push(engine);
        }
        let cluster = Arc::new(cluster);
        let address = control.local_addr()?;
        tasks.spawn(server::control(Arc::clone(&cluster), control));
        Ok(Self { cluster, control: address, tasks })
    }

    /// Base URLs of one model's replicas, each ending in `/v1`; empty for a model it has not.
    #[must_use]
    pub fn urls(&self, model: &str) -> Vec<String> {
        self.cluster.of(model).map(|replica| format!("http://{}/v1", replica.addr)).collect()
    }

    /// Ids of the models, in the order of their specifications.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.cluster.engines.iter().map(|engine| &*engine.spec.id)
    }

    /// Where `/sim/…` is served, without a trailing slash.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// Puts a fault in force at one replica or, without one, at each replica of the model, for so
    /// many requests of each or until further notice; `None` mends them and opens their ports.
    ///
    /// # Errors
    /// If there is no such model or replica.
    pub async fn fault(
        &self,
        model: &str,
        replica: Option<usize>,
        fault: Option<InjectedFault>,
        times: Option<u32>,
    ) -> Result<(), Unknown> {
        let order = fault.map(|fault| Order { fault, times, one_in: 1 });
        self.cluster.fault(model, replica, order).await
    }

    /// Closes the port of one replica, or of all, and drops every connection at once.
    ///
    /// # Errors
    /// If there is no such model or replica.
    pub async fn kill(&self, model: &str, replica: Option<usize>) -> Result<(), Unknown> {
        self.cluster.turn(model, replica, ListenerState::Dead).await
    }

    /// Opens the port again.
    ///
    /// # Errors
    /// If there is no such model or replica.
    pub async fn revive(&self, model: &str, replica: Option<usize>) -> Result<(), Unknown> {
        self.cluster.turn(model, replica, ListenerState::Open).await
    }

    /// What a model has seen so far.
    #[must_use]
    pub fn seen(&self, model: &str) -> Option<Seen> {
        let engine = self.cluster.engines.iter().find(|engine| &*engine.spec.id == model)?;
        Some(engine.tally.seen())
    }

    /// Requests of each replica of a model so far.
    #[must_use]
    pub fn requests(&self, model: &str) -> Vec<u64> {
        self.cluster.of(model).map(|replica| replica.requests.load(Relaxed)).collect()
    }

    /// Stops everything and waits for it.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Cluster {
    fn of(&self, model: &str) -> impl Iterator<Item = &Arc<Replica>> {
        self.replicas.iter().filter(move |replica| &*replica.engine.spec.id == model)
    }

    fn chosen(&self, model: &str, replica: Option<usize>) -> Result<Vec<Arc<Replica>>, Unknown> {
        let chosen: Vec<_> = match replica {
            Some(nth) => self.of(model).skip(nth).take(1).cloned().collect(),
            None => self.of(model).cloned().collect(),
        };
        if chosen.is_empty() { Err(Unknown(model.to_owned())) } else { Ok(chosen) }
    }

    async fn fault(
        &self,
        model: &str,
        replica: Option<usize>,
        order: Option<Order>,
    ) -> Result<(), Unknown> {
        for replica in self.chosen(model, replica)? {
            let state = replica.light(order);
            replica.turn(state).await;
        }
        Ok(())
    }

    async fn turn(
        &self,
        model: &str,
        replica: Option<usize>,
        state: ListenerState,
    ) -> Result<(), Unknown> {
        for replica in self.chosen(model, replica)? {
            replica.turn(state).await;
        }
        Ok(())
    }
}
