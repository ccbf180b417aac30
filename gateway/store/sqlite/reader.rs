//! The ledger as a file that is only read, by commands and for the budgets of a process that starts. Each
//! question has its file beside this one, with its SQL.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Apart, Asked, BUSY_TIMEOUT, Balances, BootMark, Charges, Dimension, EnrolledRow, Entry, Filter,
    Following, HourlyFleet, KeptRequest, Named, Observed, ObservedRow, PastRow, Settled, ShadowRow,
    Span, Spending, Spent, Sum, Verification, audit, boot, charges, checkpoint, enrolled, failed,
    files, machines, managed,
    migrate::{self, NEWEST},
    observed, past, pepper, read, request, shadow, spent, verify,
};
use crate::{
    config::Managed,
    outcome::{Enrolment, ExperimentChange},
    record::StoreError,
};

/// A connection that only reads the ledger; the server may be writing meanwhile.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// A connection that only reads a ledger of this version or an older one, and the number of its schema.
pub(super) fn connected(path: &Path, wait: Duration) -> Result<(Connection, i64), StoreError> {
    // SQLite would say no more than that it cannot open it.
    files::openable(path, false)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(wait).map_err(failed)?;
    match migrate::version(&connection).map_err(failed)? {
        found if found > NEWEST => Err(StoreError::Newer { found, known: NEWEST }),
        i64::MIN..=0 => Err(StoreError::NoLedger),
        found => Ok((connection, found)),
    }
}

impl Reader {
    /// Opens the file for reading; it must exist.
    ///
    /// # Errors
    /// There is no such file, it is no ledger, or another version's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_within(path, BUSY_TIMEOUT)
    }

    /// The same with another time for which it waits for whoever holds a lock on the file.
    ///
    /// # Errors
    /// As there.
    pub fn open_within(path: &Path, wait: Duration) -> Result<Self, StoreError> {
        match connected(path, wait)? {
            (connection, NEWEST) => Ok(Self { connection, path: path.to_owned() }),
            (_, found) => Err(StoreError::Older { found, known: NEWEST }),
        }
    }

    /// The connection, for what is asked beside these questions.
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The fingerprint of the pepper by which the hashes of this ledger are made, or are to be made from the
    /// next start on.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pepper_fingerprint(&self) -> Result<Option<String>, StoreError> {
        pepper::find(&self.connection).map_err(failed)
    }

    /// The number of the last change of what is managed; 0 is before the first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn managed_last(&self) -> Result<i64, StoreError> {
        managed::last(&self.connection).map_err(failed)
    }

    /// What is managed, with what was changed after what is known of it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn managed(&self, known: &Managed) -> Result<Managed, StoreError> {
        managed::read(&self.connection, known).map_err(failed)
    }

    /// When these keys were last used, by their names, in milliseconds since 1970.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn key_uses(&self, keys: &[String]) -> Result<BTreeMap<String, i64>, StoreError> {
        managed::uses(&self.connection, keys).map_err(failed)
    }

    /// Entries, the newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn entries(&self, filter: Filter) -> Result<Vec<Entry>, StoreError> {
        read::entries(&self.connection, filter).map_err(failed)
    }

    /// Sums over closed entries that started at or after `since_ms`, in the order of the groups.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sums(&self, by: &[Dimension], since_ms: i64) -> Result<Vec<Sum>, StoreError> {
        read::sums(&self.connection, by, since_ms).map_err(failed)
    }

    /// What was charged in each of these spans, told apart by labels; all as of one moment. The spans are in
    /// the order of time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn charges(&self, spans: &[Span], apart: Apart) -> Result<Charges, StoreError> {
        let read = || charges::charges(&*self.connection.unchecked_transaction()?, spans, apart);
        read().map_err(failed)
    }

    /// Which machines were paid by the hour, and from when on, in the order of time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn machines(&self) -> Result<Vec<HourlyFleet>, StoreError> {
        machines::fleets(&self.connection).map_err(failed)
    }

    /// Begins to follow entries as they settle: from now on, or with those that began at a moment.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn follow(&self, since_ms: Option<i64>) -> Result<Following, StoreError> {
        let read = || Following::begin(&*self.connection.unchecked_transaction()?, since_ms);
        read().map_err(failed)
    }

    /// The entries that have ended since the last such read.
    ///
    /// # Errors
    /// The file cannot be read; it can be asked again.
    pub fn settled(&self, following: &mut Following) -> Result<Settled, StoreError> {
        let mut read = || following.read_on(&*self.connection.unchecked_transaction()?);
        read().map_err(failed)
    }

    /// Holds the moment: [`Self::enrolled`] reads everything as it is now, whatever is written meanwhile.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn hold(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("BEGIN; SELECT 1 FROM meta LIMIT 1;").map_err(failed)
    }

    /// What each key has spent from this moment on, by the start of its requests, to the quarter of
    /// an hour in which the moment lies. Open entries are not in it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn spent(&self, since_ms: i64) -> Result<Vec<Spent>, StoreError> {
        spent::spent(&self.connection, since_ms).map_err(failed)
    }

    /// What each key has spent from this moment on, by the quarter of an hour in which its requests
    /// started, and by the teams of then: enough to know any window's sum again.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn spendings(&self, since_ms: i64) -> Result<Vec<Spending>, StoreError> {
        let read = || spent::spendings(&*self.connection.unchecked_transaction()?, since_ms);
        read().map_err(failed)
    }

    /// What each key has spent, as [`Self::spendings`] has it, and what some requests have in it: of those
    /// that `requests` names once the moment is fixed. Nothing ends in between.
    ///
    /// With it comes a mark of the same moment: what the entries of these boots cost that are not in it is
    /// read by [`Self::of_boots`] from there on. Nothing is in both, and nothing in neither.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn balances(
        &self,
        since_ms: i64,
        boots: &[i64],
        requests: impl FnOnce() -> HashSet<Uuid>,
    ) -> Result<Balances, StoreError> {
        let read = || {
            let tx = self.connection.unchecked_transaction()?;
            let spendings = spent::spendings(&tx, since_ms)?;
            let costs = spent::costs(&tx, requests())?;
            Ok(Balances { spendings, costs, mark: BootMark::new(&tx, boots)? })
        };
        read().map_err(failed)
    }

    /// Reads on from a mark: afterwards it says what the boots' entries reserve and have cost since. It
    /// looks at what is open and what is new, so that it may be asked again and again.
    ///
    /// # Errors
    /// The file cannot be read; the mark is as it was, and can be asked for again.
    pub fn of_boots(&self, mark: &mut BootMark) -> Result<(), StoreError> {
        let mut read = || mark.read_on(&*self.connection.unchecked_transaction()?);
        read().map_err(failed)
    }

    /// Calls `each` with every served entry since a moment, then with every refusal of a decision.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn past(&self, since_ms: i64, each: impl FnMut(PastRow)) -> Result<(), StoreError> {
        past::past(&self.connection, since_ms, each).map_err(failed)
    }

    /// The median time to first token of each model since a moment, in milliseconds.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn first_token_medians(&self, since_ms: i64) -> Result<Vec<(String, f64)>, StoreError> {
        past::first_token_medians(&self.connection, since_ms).map_err(failed)
    }

    /// The entry or the refusal with this id, and what it was decided by.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn request(&self, id: Uuid) -> Result<Option<KeptRequest>, StoreError> {
        let boot = request::open_boot(&self.connection, id).map_err(failed)?;
        let living: Vec<i64> = match boot {
            Some(_) => boot::living(&self.path)?.into_iter().map(|it| it.number).collect(),
            None => Vec::new(),
        };
        // Read after that: one whose process has ended since it was seen open is closed by now.
        let read = || request::find(&*self.connection.unchecked_transaction()?, id);
        let mut found = read().map_err(failed)?;
        if let (Some(kept), Some(boot)) = (&mut found, boot) {
            let open = kept.columns.get("state").is_some_and(|it| it == "open");
            let left = open && !living.contains(&boot);
            kept.left_open = left.then(|| verify::until(&living, true));
        }
        Ok(found)
    }

    /// The newest entries and refusals that their callers called so, at most this many. No index leads to
    /// them: all are looked through.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn called(&self, name: &str, most: u32) -> Result<Vec<Named>, StoreError> {
        request::called(&self.connection, name, most).map_err(failed)
    }

    /// Calls `each` with every request of an experiment, refusals included, in the order of time, and with
    /// the latest values that were told of it under these names. All is as of one moment; nobody who writes
    /// waits for it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn enrolled(
        &self,
        experiment: &str,
        feedback: &[&str],
        each: impl FnMut(&EnrolledRow<'_>),
    ) -> Result<(), StoreError> {
        let read = || {
            // Where the moment is held, it is the one.
            let free = self.connection.is_autocommit();
            let _tx = free.then(|| self.connection.unchecked_transaction()).transpose()?;
            enrolled::enrolled(&self.connection, experiment, feedback, each)
        };
        read().map_err(failed)
    }

    /// What there is of an experiment's version: from when to when, and what was told of it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn observed(&self, experiment: &str, version: &str) -> Result<Observed, StoreError> {
        observed::observed(&self.connection, experiment, version).map_err(failed)
    }

    /// Calls `each` with every request that a report is made of, in the order of units and time: those with
    /// an arm of this version, those before the experiment, and those that its rules have left without an
    /// arm.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn observations(
        &self,
        asked: Asked<'_>,
        observed: &Observed,
        each: impl FnMut(&ObservedRow<'_>),
    ) -> Result<(), StoreError> {
        observed::observations(&self.connection, asked, observed, each).map_err(failed)
    }

    /// Calls `each` with every shadow of an experiment's version, in the order of units.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn shadows(
        &self,
        of: (&str, &str),
        each: impl FnMut(&ShadowRow<'_>),
    ) -> Result<(), StoreError> {
        shadow::shadows(&self.connection, of, each).map_err(failed)
    }

    /// Whose the request with this id was, and the arm that it was: of an entry, or of a refusal that was an
    /// arm. `name` is that of a value that is to be told of it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn enrolment(&self, id: Uuid, name: &str) -> Result<Option<Enrolment>, StoreError> {
        enrolled::enrolment(&self.connection, id, name).map_err(failed)
    }

    /// All that has become of experiments, in the order in which it was written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn experiment_changes(&self) -> Result<Vec<ExperimentChange>, StoreError> {
        Ok(self.experiment_changes_after(0)?.1)
    }

    /// The changes of experiments after the one of this number, in the order in which they were written, and
    /// the number of the last; 0 is before all of them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn experiment_changes_after(
        &self,
        seq: i64,
    ) -> Result<(i64, Vec<ExperimentChange>), StoreError> {
        enrolled::changes_after(&self.connection, seq).map_err(failed)
    }

    /// At most so many records of the audit trail after the one of this number and from this moment on, in
    /// milliseconds since 1970; the newest last, with all columns by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audit(
        &self,
        after: (i64, i64),
        limit: u32,
    ) -> Result<Vec<Map<String, Value>>, StoreError> {
        audit::page(&self.connection, after, limit).map_err(failed)
    }

    /// The public key of the newest signature of the audit trail, in hexadecimal digits, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audit_key(&self) -> Result<Option<String>, StoreError> {
        checkpoint::key(&self.connection).map_err(failed)
    }

    /// What the newest record of the audit trail says of the configuration in force, as JSON; nothing where
    /// there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audited_config(&self) -> Result<Option<String>, StoreError> {
        audit::config(&self.connection).map_err(failed)
    }

    /// When the newest record of the audit trail was made, in milliseconds since 1970; 0 where there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audited_ms(&self) -> Result<i64, StoreError> {
        audit::newest_ms(&self.connection).map_err(failed)
    }

    /// Recomputes what the ledger must agree on: each request has one entry, the balances are the sums
    /// of the entries, and nothing is open but what runs.
    ///
    /// # Errors
    /// The file cannot be read; what is wrong *in* it is in the result.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        verify::verify(&self.connection, &self.path)
    }
}
