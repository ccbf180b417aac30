//! What holds of an endpoint's places and of what is held against it, in every order in which requests can
//! race for them. The files are the gateway's own; the types they share between threads are loom's.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should fail at the spot")]

#[path = "../../gateway/fleet/breaker.rs"]
#[allow(dead_code, reason = "not all of it races")]
mod breaker;
#[path = "../../gateway/fleet/outlier.rs"]
mod outlier;

/// In the gateway these are the standard library's.
mod sync {
    pub(super) use loom::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    };
}

mod races;
