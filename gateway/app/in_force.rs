//! What is in force, and what may put something else in its place: files that were read anew, and changes of
//! what is managed beside them.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::turns::Turns;
use crate::{
    config::{Config, ReadFrom},
    log::Log,
    pipeline::Gateway,
};

/// What is in force in a process that serves.
pub(super) struct InForce {
    pub(super) gateway: Arc<Gateway>,
    /// Whoever holds it decides what comes next.
    pub(super) config: Mutex<Config>,
    /// Whose turn it is to change what is managed.
    pub(super) turns: Turns,
    /// What it was read from, for those who only look.
    pub(super) read: ArcSwap<ReadFrom>,
    /// The ledger's file, for as long as the process lives.
    pub(super) ledger: PathBuf,
    /// The boots of processes that may have requests open yet.
    pub(super) predecessors: Vec<i64>,
    /// Whether backends that are new are asked what they serve.
    pub(super) asks: bool,
    pub(super) log: Log,
}

impl InForce {
    /// This configuration is in force in this gateway.
    pub(super) fn new(
        config: Config,
        gateway: &Arc<Gateway>,
        (predecessors, asks): (Vec<i64>, bool),
        log: &Log,
    ) -> Arc<Self> {
        Arc::new(Self {
            gateway: Arc::clone(gateway),
            ledger: config.ledger.sqlite.clone(),
            read: ArcSwap::from_pointee(config.read_from()),
            config: Mutex::new(config),
            turns: Turns::default(),
            predecessors,
            asks,
            log: log.clone(),
        })
    }
}
