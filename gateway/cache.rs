//! **Given again**: answers that were whole, kept in memory for those who ask the very same.
//!
//! A key is a hash of all that an answer depends on, made by whoever asks: this room only holds what lies
//! under it, up to so many bytes, and lets one of several equal requests go first. What is kept ends with
//! the process. It refuses to decide what may be kept, and for whom.

mod flight;
mod gathering;
mod shelf;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use bytes::Bytes;
use policies::facts::Money;

use self::{flight::Flights, shelf::Shelf};
pub(crate) use self::{flight::Lead, gathering::Gathering};

/// The hash of all that an answer depends on: SHA-256, so that no two questions ever meet.
pub(crate) type Key = [u8; 32];

/// An answer may take this part of the memory at the most.
const ENTRY_PART: usize = 8;

/// An answer that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Its bytes, alone in their buffer.
    pub(crate) body: Bytes,
    /// The id of the model that wrote it.
    pub(crate) model: Arc<str>,
    /// What it has cost.
    pub(crate) cost: Money,
}

/// The answers that are kept, and the requests that will bring some.
pub(crate) struct Cache {
    shelf: Mutex<Shelf>,
    flights: Flights,
    /// Bytes held by answers that are still coming.
    gathered: AtomicUsize,
    bytes_max: usize,
    entry_bytes_max: usize,
    /// How long a request waits for an equal one.
    wait: Duration,
}

/// What there is for a request.
#[derive(Debug)]
pub(crate) enum Found {
    /// An answer; whether an equal request was waited for.
    Answer(Kept, bool),
    /// None, and whether there was one that is too old. With it the right to go first; nothing where an equal
    /// request has it, and was waited for long enough.
    Nothing(bool, Option<Lead>),
}

/// What lies under a key.
#[derive(Debug)]
pub(crate) enum Look {
    /// An answer.
    Answer(Kept),
    /// One that is too old: it is gone by now.
    Expired,
    /// Nothing.
    Nothing,
}

impl Cache {
    /// An empty one, for so many bytes; answers that are still coming may take as many again.
    pub(crate) fn new(bytes_max: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            shelf: Mutex::new(Shelf::new(bytes_max)),
            flights: Flights::default(),
            gathered: AtomicUsize::new(0),
            bytes_max,
            entry_bytes_max: bytes_max / ENTRY_PART,
            wait,
        })
    }

    /// Whether anything is ever kept.
    pub(crate) fn keeps(&self) -> bool {
        self.entry_bytes_max > 0
    }

    /// The answer under a key, if it is one that the asker may have. Where an equal request is under way,
    /// that is waited for first. May be dropped at any moment: nothing is held by it then.
    pub(crate) async fn find(
        &self,
        key: &Key,
        now: fn() -> Instant,
        may: impl Fn(&Kept) -> bool,
    ) -> Found {
        let mut expired = match self.look(key, now(), &may) {
            Look::Answer(kept) => return Found::Answer(kept, false),
            look => matches!(look, Look::Expired),
        };
        let Some(lead) = self.flights.join(key, self.wait).await else {
            return Found::Nothing(expired, None);
        };
        // Whoever went first may have left it.
        if lead.waited() {
            match self.look(key, now(), &may) {
                Look::Answer(kept) => return Found::Answer(kept, true),
                look => expired |= matches!(look, Look::Expired),
            }
        }
        Found::Nothing(expired, lead.holds().then_some(lead))
    }

    /// What lies under a key, if it is something that the asker may have.
    pub(crate) fn look(&self, key: &Key, now: Instant, may: impl Fn(&Kept) -> bool) -> Look {
        self.shelf().look(key, now, may)
    }

    /// Keeps an answer until a moment; what was asked for the longest ago makes room for it.
    pub(crate) fn put(&self, key: Key, kept: Kept, until: Instant) {
        if shelf::weight(&kept) <= self.entry_bytes_max {
            self.shelf().put(key, kept, until);
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
