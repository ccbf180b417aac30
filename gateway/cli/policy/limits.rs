//! The data classes of a configuration, for its case tables.

use policies::{
    cases::{Bounds, Classes},
    facts::{Contents, DataClass, TeamIndex},
};

use crate::config::Config;

/// What a configuration lets its keys and teams send.
pub(super) struct Limits<'a>(pub(super) &'a Config);

impl Limits<'_> {
    /// What binds a team and those above it.
    fn path(&self, team: Option<TeamIndex>) -> Bounds {
        let (teams, mut bounds, mut next) = (&self.0.teams, Bounds::default(), team);
        // A parent stands earlier in the list.
        while let Some((at, team)) = next.and_then(|at| Some((at, teams.get(at.get())?))) {
            bounds = bounds.and(Bounds { least: team.data_class, most: team.data_class_max });
            next = team.parent.filter(|parent| parent.get() < at.get());
        }
        bounds
    }
}

impl Classes for Limits<'_> {
    fn raised(&self, contents: &Contents) -> Option<DataClass> {
        self.0.content.classes.raised(contents)
    }

    fn of_key(&self, name: &str) -> Bounds {
        let Some(key) = self.0.keys.iter().find(|it| *it.name == *name) else {
            return Bounds::default();
        };
        let own = Bounds {
            least: key.data_class.unwrap_or(DataClass::Public),
            most: key.data_class_max.unwrap_or(DataClass::Secret),
        };
        own.and(self.path(Some(key.team)))
    }

    fn of_team(&self, name: &str) -> Bounds {
        let at = self.0.teams.iter().position(|it| *it.name == *name);
        self.path(at.and_then(|at| u16::try_from(at).ok()).map(TeamIndex))
    }
}
