//! What has become of experiments: stopped, resumed, arms rolled back, and the shares that follow the
//! outcomes. A plain value, made from changes in their order, wherever they come from.

use std::{collections::HashMap, sync::Arc};

use policies::experiment::Experiment;

use super::view::{Change, Changes};
use crate::outcome::{ExperimentAction, ExperimentChange};

/// What has become of each experiment, by name. One without a change runs as the policy says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Statuses(HashMap<Arc<str>, Status>);

/// What has become of one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Status {
    /// The stop that holds, of whatever version: an edit does not start what was stopped.
    pub stopped: Option<ExperimentChange>,
    /// The rollbacks that hold, each for its version: other arms are other evidence.
    pub rolled_back: Vec<ExperimentChange>,
    /// The shares of the arms of a version, in their order, where they follow the outcomes.
    pub shares: Option<(Arc<str>, Vec<f64>)>,
}

impl Statuses {
    /// Takes a change in, after those before it. Says whether anything is other than it was.
    pub(crate) fn apply(&mut self, change: &ExperimentChange) -> bool {
        let it = self.0.entry(Arc::clone(&change.experiment)).or_default();
        match change.change {
            ExperimentAction::Stopped => it.stopped.replace(change.clone()).is_none(),
            ExperimentAction::Resumed => {
                let stood = it.stopped.take().is_some() || !it.rolled_back.is_empty();
                it.rolled_back.clear();
                stood
            }
            ExperimentAction::RolledBack => {
                let same = |known: &ExperimentChange| {
                    known.version == change.version && known.arm == change.arm
                };
                let new = !it.rolled_back.iter().any(same);
                if new {
                    it.rolled_back.push(change.clone());
                }
                new
            }
        }
    }

    /// The arms of a version have these shares from now on.
    pub(crate) fn share(&mut self, experiment: &Experiment, shares: Vec<f64>) {
        let it = self.0.entry(Arc::clone(&experiment.name)).or_default();
        it.shares = Some((Arc::clone(&experiment.version), shares));
    }

    /// Goes on with the shares that there were.
    pub(crate) fn keep_shares(&mut self, before: &Self) {
        for (name, status) in before.0.iter().filter(|(_, it)| it.shares.is_some()) {
            self.0.entry(Arc::clone(name)).or_default().shares.clone_from(&status.shares);
        }
    }

    /// What has become of the experiment of this name.
    pub(crate) fn of(&self, name: &str) -> Status {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// What decisions on these experiments go by.
    pub(crate) fn changes(&self, experiments: &[Experiment]) -> Changes {
        let changed = |it: &Experiment| Some((Arc::clone(&it.name), self.0.get(&it.name)?.of(it)));
        Changes(experiments.iter().filter_map(changed).collect())
    }
}

impl Status {
    /// What decisions on this version of the experiment go by.
    fn of(&self, experiment: &Experiment) -> Change {
        let names = || experiment.arms.iter().map(|arm| &arm.name);
        let shares = self.shares.as_ref().filter(|(version, _)| *version == experiment.version);
        let shares = shares.map(|(_, shares)| names().cloned().zip(shares.iter().copied()));
        Change {
            stopped: self.stopped.is_some(),
            rolled_back: names()
                .filter(|it| self.rollback(experiment, it).is_some())
                .cloned()
                .collect(),
            shares: shares.into_iter().flatten().collect(),
        }
    }

    /// The rollback of an arm, if it holds.
    pub(crate) fn rollback(&self, experiment: &Experiment, arm: &str) -> Option<&ExperimentChange> {
        let same = |it: &&ExperimentChange| {
            it.version == experiment.version && it.arm.as_deref() == Some(arm)
        };
        self.rolled_back.iter().find(same)
    }

    /// `running`, `rolled_back` where an arm is, or `stopped`.
    pub(crate) fn name(&self, experiment: &Experiment) -> &'static str {
        match (&self.stopped, self.of(experiment).rolled_back.is_empty()) {
            (Some(_), _) => "stopped",
            (None, false) => "rolled_back",
            (None, true) => "running",
        }
    }
}

#[cfg(test)]
mod tests {
    use policies::{compile, experiment::ArmIndex};
    use uuid::Uuid;

    use super::*;

    fn experiment(share: &str) -> Experiment {
        let document = format!(
            "[[experiment]]\nname = \"ab\"\nunit = \"request\"\nprimary = \"error\"\narms = [\n\
             {{ name = \"a\", share = {share}, params = {{ temperature = 0.1 }} }},\n\
             {{ name = \"b\", share = {share}, params = {{ temperature = 0.9 }} }},\n]\n\
             [default]\nroute = [\"*?\"]\n"
        );
        let policy = compile(&document, &policies::catalogue());
        policy.unwrap().experiments()[0].clone()
    }

    fn change(change: ExperimentAction, version: &str, arm: Option<&str>) -> ExperimentChange {
        ExperimentChange {
            id: Uuid::nil(),
            at_ms: 5,
            experiment: "ab".into(),
            version: version.into(),
            arm: arm.map(Into::into),
            change,
            reason: "why".into(),
            by: "admin".into(),
        }
    }

    #[test]
    fn the_last_change_holds() {
        use ExperimentAction::{Resumed, RolledBack, Stopped};
        let it = experiment("0.5");
        let mut statuses = Statuses::default();
        let said = |statuses: &Statuses| {
            let change = statuses.changes(std::slice::from_ref(&it)).0.remove("ab");
            let change = change.unwrap_or_default();
            let arms: Vec<String> = change.rolled_back.iter().map(ToString::to_string).collect();
            (statuses.of("ab").name(&it), change.stopped, arms.join(" "))
        };
        assert_eq!(said(&statuses), ("running", false, String::new()));
        assert!(statuses.apply(&change(RolledBack, &it.version, Some("b"))));
        assert!(!statuses.apply(&change(RolledBack, &it.version, Some("b"))));
        assert_eq!(statuses.of("ab").rolled_back.len(), 1);
        // An arm of another version is another arm.
        statuses.apply(&change(RolledBack, "other", Some("a")));
        assert_eq!(said(&statuses), ("rolled_back", false, "b".into()));
        statuses.apply(&change(Stopped, "other", None));
        assert_eq!(said(&statuses), ("stopped", true, "b".into()));
        statuses.apply(&change(Resumed, &it.version, None));
        assert_eq!(said(&statuses), ("running", false, String::new()));
    }

    #[test]
    fn shares_are_those_of_their_version() {
        let it = experiment("0.5");
        let mut statuses = Statuses::default();
        statuses.share(&it, vec![0.9, 0.1]);
        let shares = |it: &Experiment| {
            let changes = statuses.changes(std::slice::from_ref(it));
            let view = super::super::view::view(std::slice::from_ref(it), &changes, 0);
            view.states[0].shares.clone()
        };
        assert_eq!(shares(&it), [0.9, 0.1]);
        let mut other = it.clone();
        other.version = "other".into();
        assert_eq!(shares(&other), Vec::<f64>::new());
        assert_eq!(it.arm(ArmIndex(1)).unwrap().share, 0.5);
    }
}
