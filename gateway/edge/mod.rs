//! **Edge**: the only HTTP server, with the only sockets that callers and operators connect to.

pub(crate) mod accept;
pub(crate) mod admin;
mod api;
mod body;
mod cors;
mod framing;
mod openapi;
mod paths;
mod receive;
mod render;
mod write_timeout;

pub(crate) use self::{
    api::{ApiService, ApiSettings},
    body::EdgeBody,
};
