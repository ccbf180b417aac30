//! The error that a caller gets if no attempt of the race succeeds.

use std::time::Duration;

use crate::{
    dispatch::{attempts::Event, judge::AttemptError},
    failure::{Failure, Kind, Retry, Stage},
};

/// The error of the attempt that failed last.
#[derive(Default)]
pub(super) struct LastError(Option<Failure>);

impl LastError {
    /// Notes a failure.
    pub(super) fn set(&mut self, failure: Failure) {
        self.0 = Some(failure);
    }

    /// Notes that the time for the whole request is over.
    pub(super) fn late(&mut self) {
        self.set(AttemptError::timeout("the model took too long").failure);
    }

    /// Notes that there was no place, and when there may be, if that is known.
    pub(super) fn turned_away(&mut self, wait: Option<Duration>) {
        let mut none = AttemptError::none_free().failure;
        none.retry_after = wait.or(none.retry_after);
        self.set(none);
    }

    /// Notes, if nothing better is known, that an attempt found no replica that answers, or none that has a
    /// place; returns the event for the machine.
    pub(super) fn none_found(&mut self, number: u8, full: bool) -> Event {
        let none = AttemptError::none_free().failure;
        let failed = Event::Failed(number, none.kind, none.retry);
        self.0.get_or_insert(none);
        if full { Event::Full(number) } else { failed }
    }

    /// The error for the caller when nothing is left to try.
    pub(super) fn take(&mut self, kind: Kind) -> Failure {
        self.0.take().unwrap_or_else(|| {
            Failure::new(kind, Stage::Dispatch, "no model could answer").retry(Retry::Never)
        })
    }
}
