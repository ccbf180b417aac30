//! Why a gateway could not start.

use std::{io, net::SocketAddr};

use crate::record;

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
    /// A socket that was passed to the process cannot be used.
    #[error("a socket that was passed cannot be used: {0}")]
    Passed(String),
    /// Another process is in charge of the ledger and stays so.
    #[error("{ledger} is in use by another signalbox, which does not hand over: {why}")]
    InCharge {
        /// Of which.
        ledger: String,
        /// Why.
        why: String,
    },
    /// The ledger could not be opened.
    #[error("cannot open the ledger {0}")]
    Ledger(String),
    /// The pepper could not be read or made.
    #[error("cannot read or make the pepper beside the ledger: {0}")]
    Pepper(io::Error),
    /// The pepper is not the one with which the ledger was written.
    #[error("{0}")]
    OtherPepper(String),
    /// The metrics could not be registered.
    #[error("cannot register the metrics: {0}")]
    Metrics(record::MetricsError),
    /// A backend's address or the system's root certificates cannot be used.
    #[error("cannot prepare connections to backends: {0}")]
    Backends(io::Error),
    /// The system's root certificates cannot be used for the collector of spans.
    #[error("cannot prepare connections to the collector of spans: {0}")]
    Traces(io::Error),
    /// The system's root certificates cannot be used for the webhook.
    #[error("cannot prepare connections to the webhook: {0}")]
    Webhook(io::Error),
}
