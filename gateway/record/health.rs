//! Whether the ledger takes entries: the last write succeeded, and there is free space. One atomic, read by
//! every request and written by the ledger's writer when something changes.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use super::Upkeep;
use crate::failure::{Failure, Kind, Stage};

/// The last write failed, or there is no writer any more.
pub(super) const BROKEN: u8 = 1;
/// It failed because the disk is full.
pub(super) const FULL: u8 = 2;
/// There is less free space than has to stay free.
const LOW: u8 = 4;
/// The files that are written are not those that stand there.
const LOST: u8 = 8;

/// When to come again after a failed write: a flush takes milliseconds.
const BROKEN_WAIT: Duration = Duration::from_secs(2);
/// When to come again after the disk was found full.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// What keeps the ledger from taking entries, in bits; 0 is nothing.
#[derive(Default)]
pub(super) struct Health(AtomicU8);

impl Health {
    /// Sets or clears some of these faults; returns whether that changed anything.
    pub(super) fn set(&self, faults: u8, are: bool) -> bool {
        let before = if are {
            self.0.fetch_or(faults, Ordering::AcqRel)
        } else {
            self.0.fetch_and(!faults, Ordering::AcqRel)
        };
        (before & faults != 0) != are
    }

    /// What the store's upkeep has found.
    pub(super) fn upkeep(&self, Upkeep { low, lost, .. }: Upkeep) {
        self.set(LOST, lost);
        // Of a disk on which the ledger stands no more nothing is known.
        if !lost {
            self.space(low);
        }
    }

    /// Whether there is too little free space.
    fn space(&self, low: bool) {
        match (self.set(LOW, low), low) {
            (false, _) => {}
            (true, true) => tracing::error!("too little free disk: nothing is accepted"),
            (true, false) => tracing::info!("there is enough free disk again"),
        }
    }

    /// Why nothing is accepted, in words; `None` while all is well.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            it if it & LOST != 0 => Some("the ledger's files were removed or replaced"),
            it if it & FULL != 0 => Some("the disk of the ledger is full"),
            it if it & BROKEN != 0 => Some("the ledger cannot be written"),
            _ => Some("the disk of the ledger has less free space than `disk_free_bytes_min`"),
        }
    }

    /// The failure of a request whose entry cannot be kept.
    pub(super) fn failure(&self) -> Failure {
        let new = |public: &'static str| Failure::new(Kind::Unavailable, Stage::Record, public);
        if self.0.load(Ordering::Acquire) & (FULL | LOW) != 0 {
            let public = "the disk of the gateway's ledger is full; nothing is accepted until \
                          there is room again";
            return new(public).after(FULL_WAIT);
        }
        new("the ledger cannot be written at the moment").after(BROKEN_WAIT)
    }
}
