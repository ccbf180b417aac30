//! Who may send which data class, as the fleet of a table and the table itself say.

use crate::facts::{Contents, DataClass, FleetFacts, Signals};

/// The class that a request has at least, and the most that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The default class of the caller.
    pub least: DataClass,
    /// The highest class that the caller may send.
    pub most: DataClass,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { least: DataClass::Public, most: DataClass::Secret }
    }
}

impl Bounds {
    /// Both bounds: the higher default and the lower limit.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.min(other.most) }
    }
}

/// What a fleet says of data classes beside its facts.
pub trait Classes {
    /// The class that contents raise a request to.
    fn raised(&self, contents: &Contents) -> Option<DataClass>;
    /// What binds the requests of a key, the teams above it included.
    fn of_key(&self, name: &str) -> Bounds;
    /// What binds the requests of a team by itself.
    fn of_team(&self, name: &str) -> Bounds;
}

/// A fleet without data classes, such as the catalogue.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClasses;

impl Classes for NoClasses {
    fn raised(&self, _: &Contents) -> Option<DataClass> {
        None
    }

    fn of_key(&self, _: &str) -> Bounds {
        Bounds::default()
    }

    fn of_team(&self, _: &str) -> Bounds {
        Bounds::default()
    }
}

/// What keys and teams that a table adds may send, each by its place in the fleet.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) keys: Vec<(usize, DataClass)>,
    pub(super) teams: Vec<(usize, DataClass)>,
}

/// The classes of the fleet and of what the table adds to it.
pub(super) struct Owned<'a> {
    pub(super) classes: &'a dyn Classes,
    pub(super) own: Own,
}

impl Owned<'_> {
    /// Gives a request its class, and says whether its key or a team may not send that.
    pub(super) fn forbids(&self, signals: &mut Signals, fleet: &FleetFacts) -> bool {
        let mut bounds = Bounds::default();
        // A case that names no key has the place of the first, but is nobody's in particular.
        let named = signals.unit_key.map(|_| signals.key.get());
        if let Some((at, key)) = named.and_then(|at| Some((at, fleet.keys.get(at)?))) {
            let own = own(&self.own.keys, at);
            bounds = bounds.and(own.unwrap_or_else(|| self.classes.of_key(&key.name)));
        }
        for at in signals.team_path.iter().map(|it| usize::from(it.0)) {
            if let Some(team) = fleet.teams.get(at) {
                let own = own(&self.own.teams, at);
                bounds = bounds.and(own.unwrap_or_else(|| self.classes.of_team(&team.name)));
            }
        }
        let raised = self.classes.raised(&signals.contains).unwrap_or(DataClass::Public);
        signals.data_class = signals.data_class.max(bounds.least).max(raised);
        signals.data_class > bounds.most
    }
}

fn own(all: &[(usize, DataClass)], at: usize) -> Option<Bounds> {
    let (_, most) = all.iter().find(|(it, _)| *it == at)?;
    Some(Bounds { most: *most, ..Bounds::default() })
}
