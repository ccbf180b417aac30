//! Whether the ledger takes entries: the last write succeeded, and there is free space. One atomic, read by
//! every request and written by the ledger's writer when something changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{StoreError, Upkeep};
use crate::failure::{Failure, Kind, Stage};

/// The last write failed, or there is no writer any more.
const BROKEN: u8 = 1;
/// It failed because the disk is full.
const FULL: u8 = 2;
/// There is less free space than has to stay free.
const LOW: u8 = 4;
/// The files that are written are not those that stand there.
const LOST: u8 = 8;
/// Whoever waits for a write waits in vain: the disk is full, or the write has failed twice in a row.
const STUCK: u8 = 16;

/// No disk has so many free bytes.
const UNKNOWN: u64 = u64::MAX;

/// When to come again after a failed write: a flush takes milliseconds.
const BROKEN_WAIT: Duration = Duration::from_secs(2);
/// When to come again after the disk was found full.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// What keeps the ledger from taking entries. Each fault is logged when it begins and when it ends, not for
/// each request that is refused meanwhile.
pub(super) struct Health {
    /// The faults, in bits; 0 is none.
    faults: AtomicU8,
    /// Bytes free on the ledger's disk when it was last looked at; [`UNKNOWN`] if nobody has said.
    free_bytes: AtomicU64,
    /// The number of the newest record of the audit trail when it was last looked at.
    audit_head: AtomicI64,
    /// Where the ledger stands, for the log.
    place: String,
    /// The replica that writes it, and the number of this process in it.
    writer: Option<(Arc<str>, i64)>,
}

impl Health {
    /// The health of a ledger that stands there, and of which no fault is known.
    pub(super) fn of(place: String, writer: Option<(Arc<str>, i64)>) -> Self {
        Self {
            faults: AtomicU8::new(0),
            free_bytes: UNKNOWN.into(),
            audit_head: AtomicI64::new(0),
            place,
            writer,
        }
    }

    /// The replica that writes the ledger, and the number by which its entries name this process.
    pub(super) fn writer(&self) -> Option<(Arc<str>, i64)> {
        self.writer.clone()
    }

    /// Where the ledger stands.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// A write has failed, for the first time or again. Whether to wait for the next try has become useless
    /// by it.
    pub(super) fn failed(&self, error: &StoreError, again: bool) -> bool {
        let full = matches!(error, StoreError::Full);
        self.set(FULL, full);
        if self.set(BROKEN, true) {
            let ledger = &self.place;
            tracing::error!(
                ledger,
                %error,
                "the ledger cannot be written: nothing is accepted until it can be; its rows are kept"
            );
        }
        (full || again) && self.set(STUCK, true)
    }

    /// A write has succeeded.
    pub(super) fn written(&self) {
        if self.set(BROKEN | FULL | STUCK, false) {
            let ledger = &self.place;
            tracing::info!(ledger, "the ledger can be written again: requests are accepted");
        }
    }

    /// There is no writer any more.
    pub(super) fn ended(&self) {
        self.set(BROKEN | STUCK, true);
    }

    /// Whether it is useless to wait for a write.
    pub(super) fn stuck(&self) -> bool {
        self.faults.load(Ordering::Acquire) & STUCK != 0
    }

    /// Sets or clears some of these faults; returns whether that changed anything.
    fn set(&self, faults: u8, are: bool) -> bool {
        let before = if are {
            self.faults.fetch_or(faults, Ordering::AcqRel)
        } else {
            self.faults.fetch_and(!faults, Ordering::AcqRel)
        };
        (before & faults != 0) != are
    }

    /// The number of the newest record of the audit trail, as of the last upkeep.
    pub(super) fn audit_head(&self) -> i64 {
        self.audit_head.load(Ordering::Relaxed)
    }

    /// What the store's upkeep has found.
    pub(super) fn upkeep(&self, Upkeep { low, lost, free_bytes, audit_head, .. }: Upkeep) {
        self.set(LOST, lost);
        // A chain does not get shorter: what says so knows nothing of it.
        self.audit_head.fetch_max(audit_head, Ordering::Relaxed);
        self.free_bytes.store(free_bytes.unwrap_or(UNKNOWN), Ordering::Relaxed);
        // Of a disk on which the ledger stands no more nothing is known.
        if !lost {
            self.space(low);
        }
    }

    /// Whether there is too little free space.
    fn space(&self, low: bool) {
        let ledger = &self.place;
        match (self.set(LOW, low), low) {
            (false, _) => {}
            (true, true) => tracing::error!(
                ledger,
                "the ledger's disk has less free space than `disk_free_bytes_min`: nothing is \
                 accepted until it has more"
            ),
            (true, false) => tracing::info!(
                ledger,
                "the ledger's disk has enough free space again: requests are accepted"
            ),
        }
    }

    /// Bytes free on the ledger's disk when it was last looked at, if the system says.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        Some(self.free_bytes.load(Ordering::Relaxed)).filter(|free| *free != UNKNOWN)
    }

    /// Why nothing is accepted, in words; `None` while all is well.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self.faults.load(Ordering::Acquire) {
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
        if self.faults.load(Ordering::Acquire) & (FULL | LOW) != 0 {
            let public = "the disk of the gateway's ledger is full; nothing is accepted until \
                          there is room again";
            return new(public).after(FULL_WAIT);
        }
        new("the ledger cannot be written at the moment").after(BROKEN_WAIT)
    }
}
