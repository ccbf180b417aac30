//! Whose budget it is and which one: what tells it from others, and what a refusal calls it.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::calendar::Calendar;

/// Whose budgets and limits: by name, which lives longer than a place in the configuration.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// A team.
    Team(Arc<str>),
    /// A key.
    Key(Arc<str>),
}

/// What a budget is called.
pub(super) struct BudgetName {
    /// Who has it.
    pub owner: Owner,
    /// How long its windows are, and when they begin.
    pub calendar: Calendar,
}

impl Owner {
    /// The team's name, or else the key's.
    pub(super) fn named(&self) -> (Option<Arc<str>>, Option<Arc<str>>) {
        match self {
            Self::Team(team) => (Some(Arc::clone(team)), None),
            Self::Key(key) => (None, Some(Arc::clone(key))),
        }
    }
}

impl Owner {
    /// Its name, without what kind of owner it is.
    pub(super) fn name(&self) -> &Arc<str> {
        match self {
            Self::Team(name) | Self::Key(name) => name,
        }
    }

    /// What it is and its name, as data has it: `team cards`.
    pub(super) fn label(&self) -> String {
        let kind = if matches!(self, Self::Team(_)) { "team" } else { "key" };
        format!("{kind} {}", self.name())
    }
}

impl BudgetName {
    /// When the budget begins anew after a window that ends at `until`, as a clause about it.
    pub(super) fn anew(&self, until: Timestamp) -> String {
        if until == Timestamp::MAX {
            return String::from("never begins anew");
        }
        let local = self.calendar.timezone.to_datetime(until);
        format!("begins anew at {} ({})", local.strftime("%Y-%m-%d %H:%M"), self.calendar.zone())
    }
}

impl fmt::Display for BudgetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} budget of {}", self.calendar.window, self.owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Team(name) => ("team", name),
            Self::Key(name) => ("key", name),
        };
        write!(f, "{kind} `{name}`")
    }
}
