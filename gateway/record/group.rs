//! What the ledger asks of a store: to write a group of rows, all or nothing.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::outcome::{
    AuditRecord, EpochInfo, ExperimentChange, Feedback, Judged, Opened, Outcome, Refused,
};

/// A store of ledger entries.
pub trait LedgerStore {
    /// Writes all of a group, or nothing of it. A group may come again after an error, even when
    /// the first time reached the disk; no entry may stand twice because of it.
    ///
    /// # Errors
    /// The group is kept by the caller and will come again.
    fn write(&mut self, group: &Group) -> Result<(), StoreError>;

    /// Does a small piece of what has to be done from time to time, such as removing old entries. The
    /// writer calls it at its own pace, between two groups.
    fn upkeep(&mut self) -> Upkeep {
        Upkeep::default()
    }

    /// The name of the replica that writes it, and the number by which its entries name this process; nothing
    /// where entries name none.
    fn writer(&self) -> Option<(Arc<str>, i64)> {
        None
    }

    /// Where it stands, as the log shall name it.
    fn place(&self) -> String {
        String::from("the ledger")
    }

    /// Called once, after the last group.
    ///
    /// # Errors
    /// What was written does not stand where it is looked for.
    fn finish(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What a store says after a piece of its upkeep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Too little space is left for new entries.
    pub low: bool,
    /// Bytes free where it stands; `None` if nobody says.
    pub free_bytes: Option<u64>,
    /// There is more to do soon.
    pub more: bool,
    /// The number of the newest record of the audit trail; 0 is before the first.
    pub audit_head: i64,
    /// What is written does not stand where it is looked for: its files were removed or replaced.
    pub lost: bool,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes to it.
    #[error("{0} is in use by another signalbox")]
    InUse(String),
    /// It was made by a newer version.
    #[error("the store has schema {found}, this version knows {known}")]
    Newer {
        /// The schema found.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// It was made by an older version, and no server of this version has opened it yet.
    #[error(
        "the store has schema {found}, this version reads {known}: start the server on it once"
    )]
    Older {
        /// The schema found.
        found: i64,
        /// The one that is read.
        known: i64,
    },
    /// It was made by an older version, and cannot become this version's while another process has it open.
    #[error(
        "it has schema {found}, and this build needs {known}: no ledger is brought there while another \
         signalbox has it open. Stop that one, wait until it has ended, then start this build, which takes \
         {takes} for it. An older build cannot read it afterwards: make a copy first, by `signalbox ledger \
         backup`"
    )]
    OlderInUse {
        /// The schema found.
        found: i64,
        /// The one that is needed.
        known: i64,
        /// How long it takes to bring it there, in words.
        takes: &'static str,
    },
    /// There is no file of its name.
    #[error("there is no such file: the ledger is made at the first start of the server")]
    Absent,
    /// The file has no ledger in it.
    #[error(
        "there is no ledger in it: it is another file, or a copy without its `-wal`; a copy is made by \
         `sqlite3 LEDGER \".backup COPY\"`, also while the gateway runs"
    )]
    NoLedger,
    /// Its bytes are not as they were written; in words, what was found.
    #[error("{0}")]
    Damaged(String),
    /// There is a file where a copy of it should be made.
    #[error("{0} is there already: expected the name of a file that is not there yet")]
    Exists(String),
    /// Its files were removed or replaced while it was written.
    #[error("its files are gone; all that was in them has been copied to {0}")]
    Lost(String),
    /// There is no space left on its disk.
    #[error("the disk is full")]
    Full,
    /// Another process holds a lock on it, and has not let go of it in time.
    #[error(
        "another process holds a lock on the ledger's file and has not let go of it in time: find that \
         process, such as by `fuser`, and end it"
    )]
    Locked,
    /// What stands at its path cannot be opened as a file; in words, why.
    #[error("{0}")]
    Unusable(String),
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// The thread that writes has ended by a fault of ours.
    #[error("the ledger's writer has ended")]
    WriterGone,
}

/// What one transaction writes. An entry is in one of the first three lists only.
#[derive(Debug, Default)]
pub struct Group {
    /// Entries to open, by id and so in order of time.
    pub opened: BTreeMap<Uuid, Arc<Opened>>,
    /// Entries that were opened and closed within this group.
    pub whole: Vec<Outcome>,
    /// Entries to close; an earlier group has opened them, or tried to.
    pub settled: Vec<Outcome>,
    /// Requests turned away.
    pub refused: Vec<Refused>,
    /// What callers have told of answers, in the order in which it came.
    pub feedback: Vec<Feedback>,
    /// What was found about answers.
    pub judged: Vec<Judged>,
    /// What has become of experiments. The store writes the record of the audit trail of each beside it.
    pub changes: Vec<ExperimentChange>,
    /// Further records of the audit trail.
    pub audit: Vec<AuditRecord>,
    /// Configurations that have come into force, in their order, with the machines that each pays for.
    pub in_force: Vec<Arc<EpochInfo>>,
    /// Whether a write of this group has failed before.
    pub repeated: bool,
}

impl Group {
    pub(super) fn take_in(&mut self, rows: &mut Rows) {
        self.opened.extend(rows.opened.drain(..).map(|opened| (opened.id, opened)));
        for outcome in rows.closed.drain(..) {
            let opened_here = self.opened.remove(&outcome.opened.id).is_some();
            // After a failed write nobody knows whether the opening row has reached the disk.
            if opened_here && !self.repeated {
                self.whole.push(outcome);
            } else {
                self.settled.push(outcome);
            }
        }
        self.refused.append(&mut rows.refused);
        self.feedback.append(&mut rows.feedback);
        self.judged.append(&mut rows.judged);
        self.changes.append(&mut rows.changes);
        self.audit.append(&mut rows.audit);
        self.in_force.append(&mut rows.in_force);
    }

    pub(super) fn failed(&mut self) {
        self.repeated = true;
        self.settled.append(&mut self.whole);
    }

    pub(super) fn clear(&mut self) {
        self.opened.clear();
        self.whole.clear();
        self.settled.clear();
        self.refused.clear();
        self.feedback.clear();
        self.judged.clear();
        self.changes.clear();
        self.audit.clear();
        self.in_force.clear();
        self.repeated = false;
    }
}

/// Rows as requests append them.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) opened: Vec<Arc<Opened>>,
    pub(super) closed: Vec<Outcome>,
    pub(super) refused: Vec<Refused>,
    pub(super) feedback: Vec<Feedback>,
    pub(super) judged: Vec<Judged>,
    pub(super) changes: Vec<ExperimentChange>,
    pub(super) audit: Vec<AuditRecord>,
    pub(super) in_force: Vec<Arc<EpochInfo>>,
}

/// What is called after each commit, with what was written and how long that took.
pub(super) type OnCommit = Box<dyn Fn(&Group, Duration) + Send + Sync>;

/// How long rows are gathered: in any case, and on top while nobody waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) gather: Duration,
    pub(super) patience: Duration,
    /// How often the store is asked for its upkeep.
    pub(super) upkeep: Duration,
}
