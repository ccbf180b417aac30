//! Changes of what is managed while the gateway serves: keys, teams, switches. One way for all of them,
//! whoever asks: the row that it makes, the whole read with it as a configuration, both it and its audit
//! record written in one transaction, and then in force, here and in every other process on the ledger.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use policies::Fault;
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    in_force::InForce,
    propose::{ProposalRefused, instead},
    reload,
    rows::{Made, RefusedAt, rows},
    turns::{CHANGE_WITHIN, Urgency},
};
use crate::{
    config::{self, Author, Config, Edit, Ledger, Managed, ManagedRow, ReadFrom},
    record::StoreError,
    store::{self, ManagedError, Reader},
};

/// How often the ledger is asked whether somebody else has changed something: a change is in force within a
/// second everywhere.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it is written when keys were last used.
const USES_EVERY: Duration = Duration::from_secs(20);
/// How long one try of a change waits for whoever writes to the ledger: its writer takes milliseconds.
const WAIT_MAX: Duration = Duration::from_millis(250);
/// For how long a change rests between two tries, at first and at the most.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(25);

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The row cannot be changed so.
    #[error(transparent)]
    Refused(#[from] RefusedAt),
    /// With it, the whole would be no configuration.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Faults(Vec<Fault>),
    /// It waits for a second person, or cannot.
    #[error(transparent)]
    Proposal(#[from] ProposalRefused),
    /// Others change something all the time.
    #[error("others change something all the time, and this has not had its turn")]
    Busy,
    /// The ledger in this file cannot be read or written.
    #[error("{}: {}", .0.display(), .1)]
    Store(PathBuf, #[source] StoreError),
    /// It is written all the same: what it makes is not in force in this process yet.
    #[error("it is written, and not in force here yet, which is tried until it is: {0}")]
    Written(String),
}

/// What is managed beside the file, for the configuration: nothing where there is no ledger yet, or an older
/// version's. What is wrong with the ledger otherwise, whoever opens it says.
pub(super) fn stored(ledger: &Ledger) -> Result<Managed, String> {
    store::stored_managed(&ledger.sqlite).map_err(|error| error.to_string())
}

/// Loads the configuration in this file, with what is managed beside it in its ledger.
///
/// # Errors
/// Every fault, with its path.
pub fn load(path: &Path) -> Result<Config, Vec<Fault>> {
    config::load_managed(path, &stored)
}

/// Makes these changes, all or none, where no process serves or beside one that does: it follows within a
/// second. What asks for what is so already is left out. The changes are held against the whole; where they
/// take a second person, the proposal that is made in their place is the only row.
///
/// # Errors
/// See [`ChangeError`]: then nothing was changed.
pub fn change(
    path: &Path,
    edits: &[Edit],
    author: &Author,
) -> Result<Vec<ManagedRow>, ChangeError> {
    let ledger = config::ledger(path).map_err(ChangeError::Faults)?.sqlite;
    // What stands already may be what is to be mended: the whole counts as it is afterwards.
    let alone = config::load(Some(path)).ok().map(|it| it.read_from());
    let began = std::time::Instant::now();
    let left = || CHANGE_WITHIN.saturating_sub(began.elapsed());
    let now_ms = || Timestamp::now().as_millisecond();
    loop {
        let managed = store::stored_managed(&ledger).map_err(|error| of(&ledger, error))?;
        let author = &Moment { now_ms: now_ms(), newest_ms: store::audited_ms(&ledger) }.of(author);
        let (after, made) = rows((edits, author), &managed, alone.as_ref())?;
        if made.is_empty() {
            return Ok(Vec::new());
        }
        let whole = config::load_managed(path, &|_| Ok(after.clone()));
        let whole = whole.map_err(ChangeError::Faults)?;
        let waits = instead(&whole, (edits, author), (&managed, &after), &made)?;
        let made = waits.map_or(made, |it| vec![it]);
        match store::write_managed(&ledger, managed.last, &made, left().min(WAIT_MAX)) {
            Ok(_) => return Ok(made.into_iter().map(|(row, _)| row).collect()),
            Err(ManagedError::Store(StoreError::Locked)) if !left().is_zero() => {}
            Err(ManagedError::Conflict) if left().is_zero() => return Err(ChangeError::Busy),
            Err(ManagedError::Conflict) => {}
            Err(ManagedError::Store(error)) => return Err(of(&ledger, error)),
        }
    }
}

/// The same in a process that serves: the changes are in force here when this returns, or the proposal that
/// is made in their place is the only row. What closes something goes before all that waits.
///
/// # Errors
/// See [`ChangeError`]: then nothing was changed, but for one.
pub(super) async fn change_here(
    in_force: &Arc<InForce>,
    edits: Vec<Edit>,
    author: Author,
) -> Result<Vec<ManagedRow>, ChangeError> {
    let closes = !edits.is_empty() && edits.iter().all(Edit::closes);
    let urgency = if closes { Urgency::Closes } else { Urgency::Waits };
    commit(in_force, urgency, move |base, managed, moment| {
        let author = moment.of(&author);
        let (after, made) = rows((&edits, &author), managed, Some(base))?;
        let whole = base.with_managed(&after).map_err(ChangeError::Faults)?;
        let Some(it) = instead(&whole, (&edits, &author), (managed, &after), &made)? else {
            return Ok((whole, made));
        };
        let waits = base.with_managed(&managed.with(managed.last, [it.0.clone()]));
        Ok((waits.map_err(ChangeError::Faults)?, vec![it]))
    })
    .await
}

/// Writes the rows that are planned from what was read, and puts the whole with them in force; where somebody
/// else was quicker, they are planned anew. Where none are planned, nothing is done. All of it has one
/// deadline from here on, whatever it waits for.
///
/// # Errors
/// See [`ChangeError`]: then nothing was changed, but for one.
pub(super) async fn commit<F>(
    in_force: &Arc<InForce>,
    urgency: Urgency,
    plan: F,
) -> Result<Vec<ManagedRow>, ChangeError>
where
    F: Fn(&ReadFrom, &Managed, Moment) -> Result<(Config, Vec<Made>), ChangeError>
        + Send
        + Sync
        + 'static,
{
    let until = Instant::now() + CHANGE_WITHIN;
    // Whoever asks may vanish meanwhile: what is written is put in force all the same. It answers when it has
    // ended, and so nothing is written of which somebody was told that it was not.
    let ends = tokio::spawn(committed(Arc::clone(in_force), (urgency, until), plan));
    ends.await.map_err(|error| of(&in_force.ledger, StoreError::Failed(Box::new(error))))?
}

async fn committed<F>(
    in_force: Arc<InForce>,
    (urgency, until): (Urgency, Instant),
    plan: F,
) -> Result<Vec<ManagedRow>, ChangeError>
where
    F: Fn(&ReadFrom, &Managed, Moment) -> Result<(Config, Vec<Made>), ChangeError>
        + Send
        + Sync
        + 'static,
{
    let turns = &in_force.turns;
    let late = || match turns.locked() {
        true => of(&in_force.ledger, StoreError::Locked),
        false => ChangeError::Busy,
    };
    let turn = turns.wait(urgency, until).await.ok_or_else(late)?;
    let (plan, mut pause) = (Arc::new(plan), PAUSE_MIN);
    loop {
        let mut current = turn.take(&in_force.config).await.ok_or_else(late)?;
        let (plan, ledger) = (Arc::clone(&plan), in_force.ledger.clone());
        let clock = in_force.gateway.sources.timestamp;
        let (base, left) = (current.read_from(), until.saturating_duration_since(Instant::now()));
        let tried = tokio::task::spawn_blocking(move || {
            attempt((&ledger, clock), &base, left.min(WAIT_MAX), &*plan)
        });
        let tried = tried.await.map_err(|error| StoreError::Failed(Box::new(error)));
        let tried = tried.map_err(|error| of(&in_force.ledger, error))?;
        turns.found_locked(matches!(tried, Ok(Tried::Locked)));
        match tried? {
            Tried::Done(whole, made) => {
                if let Some(whole) = whole {
                    let put = put(&in_force, &mut current, *whole).await;
                    put.map_err(|error| ChangeError::Written(error.to_string()))?;
                }
                return Ok(made.into_iter().map(|(row, _)| row).collect());
            }
            Tried::Overtaken => pause = PAUSE_MIN,
            Tried::Locked => pause = PAUSE_MAX.min(pause * 2),
        }
        drop(current);
        if !turn.rest(pause).await {
            return Err(late());
        }
    }
}

/// When a change is tried, which is when it is recorded as made: however long it had to wait, and never
/// before the newest record of the audit trail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    now_ms: i64,
    newest_ms: i64,
}

impl Moment {
    /// The same author, at this moment.
    pub(super) fn of(self, author: &Author) -> Author {
        Author { at_ms: self.now_ms, not_before_ms: self.newest_ms, ..author.clone() }
    }
}

/// What has become of a change that was tried.
enum Tried {
    /// It is written, or there was nothing to write. The whole with it is to be in force, if it is another.
    Done(Option<Box<Config>>, Vec<Made>),
    /// Somebody else was quicker: nothing is written.
    Overtaken,
    /// Another process holds a lock on the file: nothing is written.
    Locked,
}

/// Tries a change. Whoever writes to the ledger is waited for so long once it is planned, and not before: a
/// plan of many keys takes its time.
fn attempt<F>(
    (ledger, clock): (&Path, fn() -> Timestamp),
    base: &ReadFrom,
    wait: Duration,
    plan: &F,
) -> Result<Tried, ChangeError>
where
    F: Fn(&ReadFrom, &Managed, Moment) -> Result<(Config, Vec<Made>), ChangeError>,
{
    let told = |error| match error {
        StoreError::Locked => Ok(Tried::Locked),
        error => Err(of(ledger, error)),
    };
    let read = || {
        let reader = Reader::open_within(ledger, wait)?;
        store::free_to_write(ledger)?;
        // What is recorded in between makes the change be planned anew.
        let moment = Moment { now_ms: clock().as_millisecond(), newest_ms: reader.audited_ms()? };
        Ok((reader.managed(&base.managed)?, moment))
    };
    let (managed, moment) = match read() {
        Ok(read) => read,
        Err(error) => return told(error),
    };
    let (whole, made) = plan(base, &managed, moment)?;
    if made.is_empty() {
        // Where somebody else was quicker, it is in force here too when this returns.
        let newer = managed.last != base.managed.last;
        return Ok(Tried::Done(newer.then(|| Box::new(whole)), made));
    }
    match store::write_managed(ledger, managed.last, &made, wait) {
        Ok(last) => Ok(Tried::Done(Some(Box::new(whole.dated(last))), made)),
        Err(ManagedError::Conflict) => Ok(Tried::Overtaken),
        Err(ManagedError::Store(error)) => told(error),
    }
}

/// What the ledger in this file has failed in.
fn of(ledger: &Path, error: StoreError) -> ChangeError {
    ChangeError::Store(ledger.to_owned(), error)
}

async fn put(in_force: &InForce, current: &mut Config, whole: Config) -> io::Result<()> {
    reload::put(in_force, current, whole, reload::Cause::Managed).await.map(|_| ())
}

/// Puts in force what other processes change, and keeps when keys were used, until this process ends.
pub(super) async fn follow(in_force: Arc<InForce>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut uses = tokio::time::interval(USES_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    uses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut reader, mut said) = (None, None);
    loop {
        tokio::select! {
            _ = looks.tick() => {
                let told = look(&in_force, &mut reader).await.err();
                if told != said {
                    say(told.as_deref());
                    said = told;
                }
            }
            _ = uses.tick() => note_uses(&in_force).await,
        }
    }
}

fn say(told: Option<&str>) {
    match told {
        Some(error) => tracing::error!(
            "managed: what others have changed in keys, teams and switches is not in force here: {error}"
        ),
        None => tracing::info!("managed: what others have changed is in force here again"),
    }
}

/// One look at the ledger; an error says in words why what it has is not in force.
async fn look(in_force: &Arc<InForce>, kept: &mut Option<Reader>) -> Result<(), String> {
    let (ledger, had) = (in_force.ledger.clone(), kept.take());
    let read = move || {
        let reader = had.map_or_else(|| Reader::open(&ledger), Ok)?;
        let last = reader.managed_last()?;
        Ok::<_, StoreError>((reader, last))
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
    let (reader, last) = read.map_err(|error| error.to_string())?;
    let reader = kept.insert(reader);
    if in_force.gateway.managed_last() == last {
        return Ok(());
    }
    let mut current = in_force.config.lock().await;
    if current.managed.last == last {
        return Ok(());
    }
    let managed = reader.managed(&current.managed).map_err(|error| error.to_string())?;
    let base = current.read_from();
    let whole = tokio::task::spawn_blocking(move || base.with_managed(&managed));
    let whole = whole.await.map_err(|error| error.to_string())?;
    let whole = whole.map_err(|faults| ChangeError::Faults(faults).to_string())?;
    put(in_force, &mut current, whole).await.map_err(|error| error.to_string())
}

/// Keeps when keys were last used, of those that were.
pub(super) async fn note_uses(in_force: &InForce) {
    let uses = in_force.gateway.epoch.load().directory.newly_used();
    if uses.is_empty() {
        return;
    }
    let ledger = in_force.ledger.clone();
    let note = move || store::note_uses(&ledger, &uses).map_err(|error| (error, uses));
    if let Ok(Err((error, uses))) = tokio::task::spawn_blocking(note).await {
        in_force.gateway.epoch.load().directory.not_noted(&uses);
        tracing::debug!(%error, "when keys were last used is not written down; tried again");
    }
}
