//! A restart that nobody notices: a second process of the same configuration takes over from the first.
//!
//! Whoever is in charge of a ledger listens on a Unix socket beside it ([`place`]). A successor connects
//! there and is given the very sockets that listen: whoever waits in their queues waits on, where two
//! sockets of one address would each have a queue, and the closed one's would be reset. It then makes
//! ready whatever takes time, while the incumbent serves on; then the incumbent stops taking connections,
//! its entries are flushed, the successor reads the ledger and serves, and the incumbent drains as if it
//! had been told to stop. Until the last word the incumbent keeps its sockets: a successor that dies
//! costs nothing. One that was told to stop is still found until its grace ends. What is said, and in which
//! order, is in [`talk`].

mod channel;
mod incumbent;
mod place;
mod successor;
mod talk;

use std::{net::TcpListener, os::fd::OwnedFd, time::Duration};

pub(super) use self::{
    incumbent::{HandoverContext, Incumbent},
    successor::{Predecessor, find, found, look},
    talk::{ListenAddresses, Quiesced},
};

/// The sockets that callers and operators connect to, in this order.
pub(super) type Sockets = [TcpListener; 2];

/// The same as they travel from one process to another.
type Passed = [OwnedFd; 2];

/// After an error of `accept`, how long to wait.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
