//! What scenarios are made of: scripted backends, a gateway in process, callers, its books.

pub(crate) mod binary;
pub(crate) mod byte_backend;
pub(crate) mod clock;
pub(crate) mod collector;
pub(crate) mod engine;
pub(crate) mod exposition;
pub(crate) mod gateway;
pub(crate) mod issuer;
pub(crate) mod manual_backend;
pub(crate) mod raw;
pub(crate) mod receiver;
pub(crate) mod sim_backend;
pub(crate) mod trial;
pub(crate) mod wait;
pub(crate) mod wiretap;

pub(crate) use self::{
    gateway::{Books, Gateway, KEY, Reply, Setup},
    sim_backend::SimBackend,
};

use serde_json::{Value, json};

/// A request of one sentence to this model or alias.
pub(crate) fn ask(model: &str) -> Value {
    let text = "Say in one sentence what a signal box is for.";
    json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

/// The same with these fields added or replaced.
pub(crate) fn with(mut request: Value, fields: Value) -> Value {
    let more = fields.as_object().expect("an object").clone();
    request.as_object_mut().expect("an object").extend(more);
    request
}

/// The same as a stream.
pub(crate) fn streamed(model: &str) -> Value {
    with(ask(model), json!({ "stream": true }))
}
