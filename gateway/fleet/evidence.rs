//! Whether a replica is known to serve: what its first question, its probes and real answers have shown.

use std::sync::atomic::{AtomicU8, Ordering};

/// What is known of a replica, beside what its breaker holds against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Known {
    /// It has not answered yet.
    Nothing,
    /// It is taken to serve: a predecessor that served vouches for it, or nobody is to be asked.
    Presumed,
    /// It has answered as it should.
    Serves,
    /// It did not, and has not done so since.
    Wrong,
}

/// [`Known`], shared by the epochs of the replica.
#[derive(Debug)]
pub(super) struct Evidence(AtomicU8);

impl Evidence {
    /// There is none.
    pub(super) fn none() -> Self {
        Self(AtomicU8::new(Known::Nothing as u8))
    }

    fn is(&self, known: Known) -> bool {
        self.0.load(Ordering::Relaxed) == known as u8
    }

    /// Whether it is known to serve, if anything is known.
    pub(super) fn serves(&self) -> Option<bool> {
        (!self.is(Known::Nothing)).then(|| !self.is(Known::Wrong))
    }

    /// It is taken to serve, where nothing is known.
    pub(super) fn presume(&self) {
        let (from, to) = (Known::Nothing as u8, Known::Presumed as u8);
        let _ = self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It is asked anew, under another credential or name: what it showed before no longer proves it.
    pub(super) fn doubt(&self) {
        let (from, to) = (Known::Serves as u8, Known::Presumed as u8);
        let _ = self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It answered as it should. True if it had not before.
    pub(super) fn answered(&self) -> bool {
        // Almost always it has: reading is enough then.
        !self.is(Known::Serves)
            && self.0.swap(Known::Serves as u8, Ordering::Relaxed) == Known::Wrong as u8
    }

    /// It did not answer as it should. False if a real answer has come meanwhile: that proves more.
    pub(super) fn failed(&self) -> bool {
        let wrong = |known| (known != Known::Serves as u8).then_some(Known::Wrong as u8);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, wrong).is_ok()
    }
}
