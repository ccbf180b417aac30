//! The documents of the two APIs by OpenAPI 3.1, made from the tables by which requests are routed, read and
//! refused. They say what this build serves and nothing of its configuration, and are made once.
//!
//! They are written as JSON values: a builder of another crate would be another dependency, and its types say
//! no more than the checker that reads the document.

mod callers;
pub(super) mod form;
mod refusals;

use std::sync::LazyLock;

use bytes::Bytes;

static CALLERS: LazyLock<Bytes> = LazyLock::new(|| callers::document().to_string().into());

/// The document of the callers' API.
pub(super) fn callers() -> Bytes {
    Bytes::clone(&CALLERS)
}
