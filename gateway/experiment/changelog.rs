//! What has become of experiments, by the ledger and by what is on its way there. Several processes write
//! one ledger while one hands over to another, so that a change may come from any of them; the order in which
//! they stand in the ledger is the one that counts. A plain value.

use policies::experiment::Experiment;
use uuid::Uuid;

use super::status::Statuses;
use crate::outcome::ExperimentChange;

/// The changes that this process knows of, and what they have made of the experiments.
#[derive(Debug, Default)]
pub(crate) struct Changelog {
    /// What the ledger's changes make of them, up to the one of the number `read`.
    written: Statuses,
    read: i64,
    /// Changes of this process that were not in the ledger at the last look, in their order.
    own: Vec<Own>,
    /// What both together make of them, with the shares of the moment.
    statuses: Statuses,
}

#[derive(Debug)]
struct Own {
    change: ExperimentChange,
    /// Whether it holds before the ledger is seen to have it.
    in_force: bool,
}

impl Changelog {
    /// The changes that the ledger had at a look, in its order, and the number of the last.
    pub(crate) fn new<'a>(
        read: i64,
        changes: impl IntoIterator<Item = &'a ExperimentChange>,
    ) -> Self {
        let mut written = Statuses::default();
        for it in changes {
            let _ = written.apply(it);
        }
        Self { statuses: written.clone(), written, read, own: Vec::new() }
    }

    /// What has become of the experiments.
    pub(crate) fn statuses(&self) -> &Statuses {
        &self.statuses
    }

    /// The number of the last change that was read from the ledger.
    pub(crate) fn last_read(&self) -> i64 {
        self.read
    }

    /// The arms of an experiment have these shares from now on.
    pub(crate) fn share(&mut self, experiment: &Experiment, shares: Vec<f64>) {
        self.statuses.share(experiment, shares);
    }

    /// Puts a change of this process in force that is yet to be written. Says whether anything is other than
    /// it was; if nothing is, it need not be written.
    pub(crate) fn put(&mut self, change: &ExperimentChange) -> bool {
        let new = self.statuses.apply(change);
        if new {
            self.own.push(Own { change: change.clone(), in_force: true });
        }
        new
    }

    /// Expects a change of this process in the ledger. It is in force as soon as it is there.
    pub(crate) fn expect(&mut self, change: &ExperimentChange) {
        self.own.push(Own { change: change.clone(), in_force: false });
    }

    /// Puts a change that was expected in force: it is in the ledger, whether or not that was seen.
    pub(crate) fn is_written(&mut self, id: Uuid) {
        if let Some(own) = self.own.iter_mut().find(|it| it.change.id == id) {
            own.in_force = true;
            self.renew();
        }
    }

    /// Takes in what the ledger has after the last look, in its order. Gives the changes that were not in
    /// force here yet, and whether each is one that this process has written.
    pub(crate) fn read(
        &mut self,
        last: i64,
        changes: Vec<ExperimentChange>,
    ) -> Vec<(ExperimentChange, bool)> {
        if last <= self.read {
            return Vec::new();
        }
        self.read = last;
        let mut new = Vec::new();
        for change in changes {
            let _ = self.written.apply(&change);
            let own = self.own.iter().position(|it| it.change.id == change.id);
            let own = own.map(|at| self.own.remove(at));
            if own.as_ref().is_none_or(|it| !it.in_force) {
                new.push((change, own.is_some()));
            }
        }
        self.renew();
        new
    }

    fn renew(&mut self) {
        let mut statuses = self.written.clone();
        for own in self.own.iter().filter(|it| it.in_force) {
            let _ = statuses.apply(&own.change);
        }
        statuses.keep_shares(&self.statuses);
        self.statuses = statuses;
    }
}

#[cfg(test)]
mod tests {
    use policies::{compile, experiment::Experiment};

    use super::*;
    use crate::outcome::ExperimentAction::{self, Resumed, RolledBack, Stopped};

    fn experiment() -> Experiment {
        let document = "[[experiment]]\nname = \"ab\"\nunit = \"request\"\nprimary = \"error\"\narms = [\n\
             { name = \"a\", share = 0.5, params = { temperature = 0.1 } },\n\
             { name = \"b\", share = 0.5, params = { temperature = 0.9 } },\n]\n\
             [default]\nroute = [\"*?\"]\n";
        compile(document, &policies::catalogue()).unwrap().experiments()[0].clone()
    }

    fn change(id: u128, change: ExperimentAction) -> ExperimentChange {
        ExperimentChange {
            id: Uuid::from_u128(id),
            // A clock that somebody sets says nothing of their order.
            at_ms: 1_000 - i64::try_from(id).unwrap(),
            experiment: "ab".into(),
            version: experiment().version,
            arm: (change == RolledBack).then(|| "b".into()),
            change,
            reason: format!("{id}").into(),
            by: "admin".into(),
        }
    }

    fn state(it: &Changelog) -> &'static str {
        it.statuses().of("ab").name(&experiment())
    }

    fn ids(new: &[(ExperimentChange, bool)]) -> Vec<(u128, bool)> {
        new.iter().map(|(it, own)| (it.id.as_u128(), *own)).collect()
    }

    #[test]
    fn changes_of_others_are_taken_once_and_in_their_order() {
        let mut it = Changelog::new(1, [&change(1, Stopped)]);
        assert_eq!((state(&it), it.last_read()), ("stopped", 1));
        let new = it.read(3, vec![change(2, Resumed), change(3, RolledBack)]);
        assert_eq!(ids(&new), [(2, false), (3, false)]);
        assert_eq!((state(&it), it.last_read()), ("rolled_back", 3));
        // Another look that began before it.
        assert_eq!(ids(&it.read(2, vec![change(2, Resumed)])), []);
        assert_eq!(state(&it), "rolled_back");
    }

    #[test]
    fn changes_of_its_own_hold_before_they_are_read_and_are_recognised() {
        let mut it = Changelog::default();
        assert!(it.put(&change(1, RolledBack)));
        assert!(!it.put(&change(2, RolledBack)), "it is rolled back already");
        assert_eq!(state(&it), "rolled_back");
        assert_eq!(ids(&it.read(1, vec![change(1, RolledBack)])), []);
        assert_eq!(state(&it), "rolled_back");
        // Another process resumes it; it was written before a rollback of this one that is on its way.
        it.expect(&change(4, Stopped));
        assert_eq!(state(&it), "rolled_back");
        assert_eq!(ids(&it.read(2, vec![change(3, Resumed)])), [(3, false)]);
        assert_eq!(state(&it), "running");
        it.is_written(Uuid::from_u128(4));
        assert_eq!(state(&it), "stopped");
        assert_eq!(ids(&it.read(3, vec![change(4, Stopped)])), []);
        // One that nobody has heard to be written is, at the next look.
        it.expect(&change(5, Resumed));
        assert_eq!(ids(&it.read(4, vec![change(5, Resumed)])), [(5, true)]);
        assert_eq!(state(&it), "running");
        it.is_written(Uuid::from_u128(5));
        assert_eq!(state(&it), "running");
    }

    #[test]
    fn what_the_ledger_says_last_holds() {
        let mut it = Changelog::default();
        assert!(it.put(&change(1, RolledBack)));
        // The other one's resume stands before it, though it came to be known after it.
        let _ = it.read(1, vec![change(2, Resumed)]);
        assert_eq!(state(&it), "rolled_back");
        let _ = it.read(2, vec![change(1, RolledBack)]);
        assert_eq!(state(&it), "rolled_back");
        it.share(&experiment(), vec![0.9, 0.1]);
        let _ = it.read(3, vec![change(3, Resumed)]);
        assert_eq!(state(&it), "running");
        assert!(it.statuses().of("ab").shares.is_some(), "shares go on");
    }
}
