//! Another configuration without a restart: one request sees one version, the one it began with.
//!
//! Teams, keys, their limits and budgets, policy, aliases, models and their replicas, prices, the queue
//! and what a request may ask for are taken over; whatever is fixed by the start (addresses, the ledger)
//! is not. It is all or nothing: a configuration that would need a restart changes nothing.

use std::{
    fs,
    hash::Hasher,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Instant,
};

use xxhash_rust::xxh3::Xxh3;

use super::{
    Running,
    epoch::{Before, epoch},
    past,
};
use crate::{config::Config, pipeline::Epoch};

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Another configuration is in force.
    InForce {
        /// The version of its policy.
        version: Arc<str>,
        /// The hash of its policy.
        hash: Arc<str>,
        /// The hash of its prices.
        prices: Arc<str>,
        /// What became of the models; empty where they are the same.
        models: Vec<Change>,
    },
    /// It is the configuration that was in force.
    Unchanged,
    /// These sections differ and are read at the start only: nothing of the configuration is taken.
    NeedsRestart(Vec<&'static str>),
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

impl Running {
    /// Puts another configuration in force. Requests under way keep what they began with.
    ///
    /// # Errors
    /// When a new address or credential cannot be used: then nothing is taken.
    pub fn reload(&self, config: Config) -> io::Result<Reloaded> {
        let mut current = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let fixed = fixed(&current, &config);
        if !fixed.is_empty() {
            return Ok(Reloaded::NeedsRestart(fixed));
        }
        if same(&current, &config) {
            return Ok(Reloaded::Unchanged);
        }
        let before = self.gateway.epoch.load_full();
        let metrics = self.gateway.recorder.metrics();
        let mut epoch = epoch(&config, metrics, Before::Epoch(&before), self.gateway.now())?;
        admit(&config, &mut epoch, self.gateway.now())?;
        let (names, fleet) = (Arc::clone(&epoch.names), Arc::clone(&epoch.upstreams.fleet));
        self.gateway.epoch.store(Arc::new(epoch));
        fleet.take_over(self.gateway.now());
        let models = changes(&current, &config);
        *current = config;
        Ok(Reloaded::InForce {
            version: Arc::clone(&names.policy_version),
            hash: Arc::clone(&names.policy_hash),
            prices: Arc::clone(&names.price_version),
            models,
        })
    }
}

/// Puts keys, teams, limits and budgets in force, last of all that may fail: from here on they bind,
/// requests as well that began before.
fn admit(config: &Config, epoch: &mut Epoch, now: Instant) -> io::Result<()> {
    let at = jiff::Timestamp::now();
    // Only a budget that is new has to be told what was spent: the others have counted it.
    let spent = if epoch.accounts.lacks(&config.teams, &config.keys) {
        past::spent(config, at).map_err(io::Error::other)?
    } else {
        Vec::new()
    };
    let who = (&*config.teams, &*config.keys);
    epoch.accounts = Arc::new(epoch.accounts.after(who, (&spent, at), now));
    let directory = epoch.directory.with(&config.keys, &config.teams, &epoch.accounts);
    epoch.directory = Arc::new(directory);
    Ok(())
}

/// The sections that differ and are read at the start only.
fn fixed(a: &Config, b: &Config) -> Vec<&'static str> {
    let sections = [
        ("server", a.server == b.server),
        ("admin", a.admin == b.admin),
        ("ledger", a.ledger == b.ledger),
        ("identity", a.identity == b.identity),
        ("budget", a.budget_wait == b.budget_wait),
        ("metrics", a.series_max == b.series_max),
    ];
    sections.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

/// Whether nothing differs of what is taken over. Secrets and files are not in the hash.
fn same(a: &Config, b: &Config) -> bool {
    a.hash == b.hash
        && a.policy.hash() == b.policy.hash()
        && a.policy.fleet() == b.policy.fleet()
        && a.teams == b.teams
        && a.keys == b.keys
        && a.models == b.models
        && a.queue == b.queue
        && a.shield == b.shield
        && a.media_hosts == b.media_hosts
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

/// The files that a configuration comes from, and what they held when they were last looked at.
#[derive(Debug)]
pub struct Watched {
    config: PathBuf,
    policy: Option<PathBuf>,
    seen: u64,
}

impl Watched {
    /// The configuration's file, and the policy's where it has one.
    #[must_use]
    pub fn new(config: &Path, policy: Option<&Path>) -> Self {
        let (config, policy) = (config.to_owned(), policy.map(Path::to_owned));
        let mut watched = Self { config, policy, seen: 0 };
        watched.changed();
        watched
    }

    /// The policy may be in another file now.
    pub fn follow(&mut self, policy: Option<&Path>) {
        if self.policy.as_deref() != policy {
            *self = Self::new(&self.config, policy);
        }
    }

    /// Whether they hold something else than at the last look. By content: what replaces files by links, as
    /// a mounted map of a cluster does, is seen as well. A file that cannot be read is an empty one.
    pub fn changed(&mut self) -> bool {
        let mut hasher = Xxh3::new();
        for file in std::iter::once(&self.config).chain(&self.policy) {
            hasher.write(&fs::read(file).unwrap_or_default());
            hasher.write_u8(0xFF);
        }
        let seen = hasher.finish();
        std::mem::replace(&mut self.seen, seen) != seen
    }
}
