//! What a decision has to do with an experiment, in words.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    experiment::{Arm, ArmIndex, Enrolled, Experiment, ExperimentIndex, Outside, UnitKind},
    policy::Policy,
};

/// The experiment of the rule that decided, and what it is for this request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// The experiment's name.
    pub experiment: String,
    /// Its version.
    pub version: String,
    /// Whose requests get one arm together: `user`, `key`, `session` or `request`.
    pub unit: &'static str,
    /// The arm; absent if the request has none.
    pub arm: Option<String>,
    /// Whether that is the control.
    pub control: bool,
    /// Why it has none, as a code: `no_unit`, `held_out`, `stopped`, `rolled_back` or `unservable`.
    pub outside: Option<&'static str>,
    /// The same in words.
    pub reason: Option<String>,
    /// The members of the request that the arm sets.
    pub params: BTreeMap<String, Param>,
    /// What the arm adds to the system message.
    pub system_suffix: Option<String>,
}

/// A value that an arm sets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Param {
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// A word.
    Word(String),
}

impl Param {
    fn of(json: &str) -> Self {
        let whole = || json.parse().ok().map(Self::Whole);
        let number = || json.parse().ok().map(Self::Number);
        let word = || Self::Word(json.trim_matches('"').to_owned());
        whole().or_else(number).unwrap_or_else(word)
    }
}

impl Part {
    /// What a decision says of it, if the rule that decided has an experiment.
    pub(super) fn of(
        policy: &Policy,
        arm: Option<Enrolled>,
        outside: Option<(ExperimentIndex, Outside)>,
    ) -> Option<Self> {
        let at = arm.map(|it| it.experiment).or(outside.map(|(at, _)| at))?;
        let experiment = policy.experiment(at)?;
        let has = arm.and_then(|it| experiment.arm(it.arm));
        Some(Self {
            experiment: experiment.name.to_string(),
            version: experiment.version.to_string(),
            unit: experiment.unit.code(),
            arm: has.map(|it| it.name.to_string()),
            control: arm.is_some_and(|it| it.arm == experiment.control),
            outside: outside.map(|(_, why)| why.code()),
            reason: outside.map(|(_, why)| reason(experiment, why)),
            params: has.map(params).unwrap_or_default(),
            system_suffix: has.and_then(|it| it.system_suffix.as_deref()).map(str::to_owned),
        })
    }
}

fn params(arm: &Arm) -> BTreeMap<String, Param> {
    arm.params.iter().map(|(name, json)| (name.to_string(), Param::of(json))).collect()
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

fn reason(experiment: &Experiment, outside: Outside) -> String {
    let name = |arm: ArmIndex| experiment.arm(arm).map_or("", |it| &*it.name);
    match outside {
        Outside::NoUnit => match experiment.unit {
            UnitKind::User => "the request names no user".into(),
            UnitKind::Session => "the request names no session".into(),
            UnitKind::Key | UnitKind::Request => {
                format!("its {} is not known here", experiment.unit.code())
            }
        },
        Outside::HeldOut => format!(
            "its {} is held out: it is not among those that take part, and the rule's own route applies",
            experiment.unit.code()
        ),
        Outside::Stopped => "it is stopped: the rule's own route applies".into(),
        Outside::RolledBack(arm) => {
            let control = name(experiment.control);
            format!("its arm `{}` is rolled back: it is served as `{control}` is", name(arm))
        }
        Outside::Unservable(arm) => {
            format!("no model of arm `{}` may and can serve this request", name(arm))
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, by {}: ", self.experiment, self.unit)?;
        match (&self.arm, &self.reason) {
            (Some(arm), _) => write!(f, "arm {arm}")?,
            (None, Some(reason)) => write!(f, "no arm, {reason}")?,
            (None, None) => write!(f, "no arm")?,
        }
        if self.control {
            write!(f, ", the control")?;
        }
        for (name, value) in &self.params {
            write!(f, ", {name} {value}")?;
        }
        match self.system_suffix.as_ref().map(|it| it.chars().count()) {
            Some(1) => write!(f, ", 1 character more of system message"),
            Some(more) => write!(f, ", {more} characters more of system message"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(it) => write!(f, "{it}"),
            Self::Number(it) => write!(f, "{it}"),
            Self::Word(it) => f.write_str(it),
        }
    }
}
