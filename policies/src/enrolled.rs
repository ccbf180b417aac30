//! What a decision says of the experiment of its rule: the arm, or why there is none.

/// Position of an experiment in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExperimentIndex(pub u16);

/// Position of an arm in its experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArmIndex(pub u8);

/// The arm of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The experiment.
    pub experiment: ExperimentIndex,
    /// The arm.
    pub arm: ArmIndex,
    /// The unit, as it was hashed.
    pub unit: u128,
}

/// Why a request of a rule with an experiment has none of its arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// It has no unit of the experiment's kind.
    NoUnit,
    /// Its unit is not among those that take part.
    HeldOut,
    /// The experiment is stopped.
    Stopped,
    /// Its arm, this one, is rolled back: it gets the control's route.
    RolledBack(ArmIndex),
    /// No model of this arm may and can serve it, so that the arms would be compared by different requests.
    Unservable(ArmIndex),
}

impl Outside {
    /// Its code, as reports spell it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoUnit => "no_unit",
            Self::HeldOut => "held_out",
            Self::Stopped => "stopped",
            Self::RolledBack(_) => "rolled_back",
            Self::Unservable(_) => "unservable",
        }
    }
}
