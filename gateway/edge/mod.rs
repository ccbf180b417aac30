//! The doors: the only HTTP server, the only sockets to callers and operators.

pub(crate) mod accept;
pub(crate) mod admin;
mod api;
mod body;
mod cors;
mod framing;
mod receive;
mod render;
mod write_timeout;

pub(crate) use self::{
    api::{ApiService, ApiSettings},
    body::EdgeBody,
};
