//! The doors: the only HTTP server, the only sockets to callers and operators.

pub(crate) mod accept;
pub(crate) mod admin;
mod body;
mod cors;
mod framing;
mod front;
mod patience;
mod receive;
mod render;

pub(crate) use self::{
    body::EdgeBody,
    front::{Front, FrontSettings},
};
