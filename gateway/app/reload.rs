//! Another configuration without a restart: one request sees one version, the one it began with.
//!
//! Operators, teams, keys, their limits and budgets, policy, aliases, models and their replicas, prices, the
//! queue and what a request may ask for are taken over; whatever is fixed by the start (addresses, the
//! ledger) is not. It is all or nothing: a configuration that would need a restart changes nothing.

use std::{
    fs,
    hash::Hasher,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use xxhash_rust::xxh3::Xxh3;

use super::{
    beside::PredecessorMoney,
    changed::{NamesChanged, names_changed, operators_differ},
    epoch::{Before, epoch},
    idle_switches,
    in_force::InForce,
    past, pepper, probes, trail,
};
use crate::{
    account::{Accounts, NewBudgets},
    config::{Config, FixedChange, TwoPersons, fixed_changes},
    fleet::Fleet,
    pipeline::{Epoch, guards},
    record::StoreError,
};

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Another configuration is in force.
    InForce {
        /// The version of its policy.
        version: Arc<str>,
        /// The hash of its policy.
        hash: Arc<str>,
        /// The hash of the policy that was in force.
        before: Arc<str>,
        /// The sections that say something else now.
        changed: Vec<&'static str>,
        /// The hash of its prices.
        prices: Arc<str>,
        /// What became of the models; empty where they are the same.
        models: Vec<Change>,
        /// What became of teams, keys and aliases; empty where they are the same.
        names: Vec<NamesChanged>,
        /// The hash of the configuration, as `signalbox_config_info` has it.
        config_hash: Arc<str>,
    },
    /// It is the configuration that was in force.
    Unchanged,
    /// These keys differ and are read at the start only: nothing of the configuration is taken.
    NeedsRestart(Vec<FixedChange>),
    /// This takes a second person, each in words: nothing of the configuration is taken.
    NeedsSecond(Vec<String>),
}

/// What became of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none of this id.
    Added(Arc<str>),
    /// There is none any more; requests that it serves are served to their end.
    Removed(Arc<str>),
    /// It has other replicas, another price or other properties.
    Changed(Arc<str>),
}

/// Why another configuration comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its files were read anew.
    Files,
    /// What is managed beside them has changed, which stands in the audit trail already.
    Managed,
}

/// Puts another configuration in force.
pub(super) async fn reload(running: &InForce, config: Config) -> io::Result<Reloaded> {
    let mut current = running.config.lock().await;
    let mut fixed = fixed_changes(&current, &config);
    fixed.extend(pepper::changed(&config, &running.gateway.epoch.load().directory.fingerprint()));
    if !fixed.is_empty() {
        return Ok(Reloaded::NeedsRestart(fixed));
    }
    // What is managed may have changed since the files were read.
    let second = current.two_persons.is_some();
    let config = if config.managed.last < current.managed.last
        || second && config.managed.last != current.managed.last
    {
        config.read_from().with_managed(&current.managed).map_err(|faults| {
            io::Error::other(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?
    } else {
        config
    };
    let held = if second { TwoPersons::held(&current, &config) } else { Vec::new() };
    if !held.is_empty() {
        return Ok(Reloaded::NeedsSecond(held));
    }
    if same(&current, &config) {
        return Ok(Reloaded::Unchanged);
    }
    put(running, &mut current, config, Cause::Files).await
}

/// Puts a configuration in the place of the one that is in force. Nothing of it needs a restart.
pub(super) async fn put(
    running: &InForce,
    current: &mut Config,
    config: Config,
    cause: Cause,
) -> io::Result<Reloaded> {
    let gateway = &running.gateway;
    let before = gateway.epoch.load_full();
    let metrics = gateway.recorder.metrics();
    let mut epoch = epoch(&config, metrics, Before::Epoch(&before), gateway.now())?;
    // What managed rows have changed was said when they were written.
    let (changed, named) = match cause {
        Cause::Files => (changed(current, &config), names_changed(current, &config)),
        Cause::Managed => (Vec::new(), Vec::new()),
    };
    let differs = (cause == Cause::Files).then_some((&*changed, &*named));
    admit(running, &config, &mut epoch, differs).await?;
    let (names, fleet) = (Arc::clone(&epoch.names), Arc::clone(&epoch.upstreams.fleet));
    let epoch = Arc::new(epoch);
    // Its requests are written after it.
    gateway.recorder.in_force(&names);
    gateway.epoch.store(Arc::clone(&epoch));
    guards::look(gateway);
    fleet.take_over(gateway.now());
    let live = |fleet: &Fleet| fleet.any_live(gateway.now());
    // Where all are new, whoever asks whether it is ready hears what he heard before, until they have
    // answered.
    if !running.asks || live(&before.upstreams.fleet) == Some(true) && live(&fleet).is_none() {
        fleet.presume();
    }
    if running.asks {
        probes::ask_first(epoch, Some(&before), gateway.sources.now);
    }
    let (models, config_hash) = (changes(current, &config), Arc::clone(&config.hash));
    running.log.apply(&config.log);
    idle_switches::say(Some(&*current), &config);
    running.read.store(Arc::new(config.read_from()));
    *current = config;
    Ok(Reloaded::InForce {
        version: Arc::clone(&names.policy_version),
        hash: Arc::clone(&names.policy_hash),
        before: Arc::clone(&before.names.policy_hash),
        changed,
        prices: Arc::clone(&names.price_version),
        models,
        names: named,
        config_hash,
    })
}

/// Puts keys, teams, limits and budgets in force, last of all that may fail: from here on they bind,
/// requests as well that began before.
/// What differs stands in the audit trail before it binds anybody.
async fn admit(
    running: &InForce,
    config: &Config,
    epoch: &mut Epoch,
    differs: Option<(&[&'static str], &[NamesChanged])>,
) -> io::Result<()> {
    let payers = config.payers();
    let who = (&*config.teams, &*payers);
    let new = Arc::new(epoch.accounts.new_budgets(who, jiff::Timestamp::now()));
    // The others have counted all along.
    if !new.is_empty() {
        begin(running, config, &epoch.accounts, &new).await.map_err(io::Error::other)?;
    }
    if let Some(differs) = differs {
        trail::reloaded(&running.gateway, epoch, differs).await?;
    }
    epoch.accounts = Arc::new(epoch.accounts.after(who, &new, running.gateway.now()));
    let directory = epoch.directory.with(&payers, &config.teams, &epoch.accounts);
    let directory = directory.operated(&config.admin).trusting(&config.oidc, &epoch.directory);
    epoch.directory = Arc::new(directory);
    Ok(())
}

/// Counts in new budgets what was spent before them and what is open: here, and in processes before this one
/// that still end their requests.
async fn begin(
    running: &InForce,
    config: &Config,
    accounts: &Accounts,
    new: &Arc<NewBudgets>,
) -> Result<(), BeginError> {
    let gateway = &running.gateway;
    let now = jiff::Timestamp::now;
    // Whatever is open from here on is counted when it ends, and whatever has ended is on its way to the
    // ledger: it is there once all of that is written.
    accounts.count_in(new, past::counted_for(&config.teams), now());
    gateway.recorder.flushed().await.map_err(|it| BeginError::Unwritten(it.public.to_string()))?;
    let before = past::spent_beside(config, now(), &running.predecessors, || new.joined())?;
    new.begin((&config.teams, &config.payers()), (&before.spent, &before.costs), now());
    let Some(marked) = before.marked else { return Ok(()) };
    let mut beside = PredecessorMoney::new(marked, config.teams.clone()).only_in(new.accounts());
    beside.begin_only(now())?;
    tokio::spawn(beside.follow(Arc::clone(gateway), Duration::ZERO));
    Ok(())
}

/// Why budgets that are new cannot begin.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error("a new budget cannot begin while the ledger is not written: {0}")]
    Unwritten(String),
    #[error("a new budget cannot begin while the ledger is not read: {0}")]
    Unread(#[from] StoreError),
}

/// Whether nothing differs of what is taken over. Secrets and files are not in the hash.
fn same(a: &Config, b: &Config) -> bool {
    a.hash == b.hash
        && a.policy.hash() == b.policy.hash()
        && a.policy.fleet() == b.policy.fleet()
        && a.teams == b.teams
        && a.keys == b.keys
        && a.managed.last == b.managed.last
        && a.admin == b.admin
        && a.oidc == b.oidc
        && a.models == b.models
        && a.queue == b.queue
        && a.feedback == b.feedback
        && a.shield == b.shield
        && a.content == b.content
        && a.media_hosts == b.media_hosts
        && a.log == b.log
}

/// The sections that differ, of those that are taken over.
fn changed(a: &Config, b: &Config) -> Vec<&'static str> {
    let (fleet, other) = (a.policy.fleet(), b.policy.fleet());
    let differ = [
        ("policy", a.policy.document() != b.policy.document()),
        ("models", a.models != b.models || fleet.models != other.models),
        ("aliases", fleet.aliases != other.aliases),
        ("teams", a.teams != b.teams || fleet.teams != other.teams),
        ("keys", a.keys != b.keys || fleet.keys != other.keys),
        ("operators", a.admin != b.admin || operators_differ(a, b)),
        ("oidc", a.oidc != b.oidc),
        ("queue", a.queue != b.queue),
        ("feedback", a.feedback != b.feedback),
        ("media", a.media_hosts != b.media_hosts),
        ("shield", a.shield != b.shield),
        ("content", a.content != b.content),
        ("log", a.log != b.log),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn changes(a: &Config, b: &Config) -> Vec<Change> {
    let find = |it: &Config, id: &str| {
        let at = it.models.iter().position(|model| *model.id == *id)?;
        Some((it.models.get(at)?.clone(), it.policy.fleet().models.get(at)?.clone()))
    };
    let removed = a.models.iter().filter(|it| find(b, &it.id).is_none());
    let removed = removed.map(|it| Change::Removed(Arc::clone(&it.id)));
    let others = b.models.iter().filter_map(|it| match find(a, &it.id) {
        None => Some(Change::Added(Arc::clone(&it.id))),
        before if before != find(b, &it.id) => Some(Change::Changed(Arc::clone(&it.id))),
        _ => None,
    });
    removed.chain(others).collect()
}

/// The files that a configuration comes from, and what they held when they were last read.
#[derive(Debug)]
pub struct Watched {
    config: PathBuf,
    policy: Option<PathBuf>,
    /// The files at the last look.
    stamps: Vec<Option<Stamp>>,
    /// Whether they have been read since they became what they are.
    read: bool,
    /// The hash of what was read.
    seen: u64,
}

/// What tells a file that was written, replaced or led to by another link, without reading it.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);

impl Watched {
    /// The configuration's file, and the policy's where it has one.
    #[must_use]
    pub fn new(config: &Path, policy: Option<&Path>) -> Self {
        let (config, policy) = (config.to_owned(), policy.map(Path::to_owned));
        let mut watched = Self { config, policy, stamps: Vec::new(), read: false, seen: 0 };
        watched.mark();
        watched
    }

    /// The policy may be in another file now.
    pub fn follow(&mut self, policy: Option<&Path>) {
        if self.policy.as_deref() != policy {
            *self = Self::new(&self.config, policy);
        }
    }

    /// Takes the files as they are: they are about to be read.
    pub fn mark(&mut self) {
        (self.stamps, self.read) = (self.stamp(), true);
        self.seen = self.content();
    }

    /// Whether they hold something else than when they were last read, and have been left alone from one
    /// look to the next: an editor that empties a file and writes it anew, or a copy that is half done, may
    /// leave what is a whole configuration by itself, without most of its keys. By content in the end, so
    /// that a file that was only touched is no change. A file that cannot be read is an empty one.
    pub fn changed(&mut self) -> bool {
        let stamps = self.stamp();
        if stamps != self.stamps {
            (self.stamps, self.read) = (stamps, false);
            return false;
        }
        if std::mem::replace(&mut self.read, true) {
            return false;
        }
        let seen = self.content();
        std::mem::replace(&mut self.seen, seen) != seen
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.config).chain(&self.policy)
    }

    /// Where links lead to: what replaces files by links, as a mounted map of a cluster does, is seen.
    fn stamp(&self) -> Vec<Option<Stamp>> {
        let stamp = |file: &PathBuf| {
            let it = fs::metadata(file).ok()?;
            let changed = (it.ctime(), it.ctime_nsec());
            let written = (it.mtime(), it.mtime_nsec());
            Some((it.dev(), it.ino(), it.size(), written.0, written.1, changed.0, changed.1))
        };
        self.files().map(stamp).collect()
    }

    fn content(&self) -> u64 {
        let mut hasher = Xxh3::new();
        for file in self.files() {
            hasher.write(&fs::read(file).unwrap_or_default());
            hasher.write_u8(0xFF);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that is gone when this is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("signalbox-watched-{name}-{}", std::process::id());
            let folder = Self(std::env::temp_dir().join(name));
            let _ = fs::remove_dir_all(&folder.0);
            fs::create_dir_all(&folder.0).unwrap();
            folder
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_counts_when_it_is_left_alone_and_only_once() {
        let folder = Folder::new("left-alone");
        let path = folder.write("a.toml", "one and two");
        let mut watched = Watched::new(&path, None);
        assert!(!watched.changed() && !watched.changed());
        // Emptied, half written, whole: each look finds another file.
        for text in ["", "one", "one and three"] {
            folder.write("a.toml", text);
            assert!(!watched.changed(), "{text:?} may be half a file");
        }
        assert!(watched.changed());
        assert!(!watched.changed() && !watched.changed());
        // The same once more is no change, however it came there.
        folder.write("other", "one and three");
        fs::rename(folder.0.join("other"), &path).unwrap();
        assert!(!watched.changed() && !watched.changed());
    }

    #[test]
    fn files_that_are_replaced_lost_or_led_to_by_another_link_are_seen() {
        let folder = Folder::new("links");
        for version in ["1", "2"] {
            folder.write(&format!("{version}/a.toml"), version);
        }
        let (link, path) = (folder.0.join("data"), folder.0.join("a.toml"));
        symlink("1", &link).unwrap();
        symlink("data/a.toml", &path).unwrap();
        let mut watched = Watched::new(&path, None);
        let mut seen = || !watched.changed() && watched.changed() && !watched.changed();
        symlink("2", folder.0.join("data.new")).unwrap();
        fs::rename(folder.0.join("data.new"), &link).unwrap();
        assert!(seen(), "another link in the way");
        fs::remove_file(&link).unwrap();
        assert!(seen(), "nothing there");
        symlink("1", &link).unwrap();
        assert!(seen(), "there again");
        folder.write("new", "3");
        fs::rename(folder.0.join("new"), &path).unwrap();
        assert!(seen(), "another file of the name");
        watched.mark();
        assert!(!watched.changed());
    }
}
