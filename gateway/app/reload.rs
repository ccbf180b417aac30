//! Another policy without a restart: one request sees one version, the one it began with.

use std::{
    fs,
    hash::Hasher,
    path::{Path, PathBuf},
    sync::Arc,
};

use xxhash_rust::xxh3::Xxh3;

use super::{Running, names};
use crate::{
    config::Config,
    pipeline::{Epoch, Stamps},
};

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Another policy is in force.
    Policy {
        /// Its version.
        version: Arc<str>,
        /// Its hash.
        hash: Arc<str>,
    },
    /// It is the policy that was in force.
    Unchanged,
    /// Models, teams, keys or aliases are other ones: these take a restart, and the policy that is judged
    /// against them waits for it too.
    NeedsRestart,
}

impl Running {
    /// Puts the policy of another configuration in force. Requests under way keep theirs; nothing else of
    /// the configuration is taken.
    pub fn reload(&self, config: &Config) -> Reloaded {
        let current = self.gateway.epoch.load_full();
        if config.policy.fleet() != current.policy.fleet() {
            return Reloaded::NeedsRestart;
        }
        let zone = jiff::tz::TimeZone::get(config.policy.timezone());
        let (Ok(timezone), false) = (zone, config.policy.hash() == current.policy.hash()) else {
            return Reloaded::Unchanged;
        };
        let names = Arc::new(names(config));
        let (version, hash) = (Arc::clone(&names.policy_version), Arc::clone(&names.policy_hash));
        self.gateway.epoch.store(Arc::new(Epoch {
            timezone,
            names,
            upstreams: Arc::clone(&current.upstreams),
            limits: current.limits.clone(),
            stamps: Stamps::new(&config.policy),
            policy: config.policy.clone(),
        }));
        Reloaded::Policy { version, hash }
    }
}

/// The files that a policy comes from, and what they held when they were last looked at.
#[derive(Debug)]
pub struct Watched {
    files: Vec<PathBuf>,
    seen: u64,
}

impl Watched {
    /// The configuration's file, and the policy's where it has one.
    #[must_use]
    pub fn new(config: &Path, policy: Option<&Path>) -> Self {
        let files = std::iter::once(config).chain(policy).map(Path::to_owned).collect();
        let mut watched = Self { files, seen: 0 };
        watched.changed();
        watched
    }

    /// Whether they hold something else than at the last look. By content: what replaces files by links, as
    /// a mounted map of a cluster does, is seen as well. A file that cannot be read is an empty one.
    pub fn changed(&mut self) -> bool {
        let mut hasher = Xxh3::new();
        for file in &self.files {
            hasher.write(&fs::read(file).unwrap_or_default());
            hasher.write_u8(0xFF);
        }
        let seen = hasher.finish();
        std::mem::replace(&mut self.seen, seen) != seen
    }
}
