//! What decided on a request that has failed, and what the books keep of that.

use std::{borrow::Cow, sync::Arc};

use policies::experiment::Enrolled;

use super::{Failure, Kind, Stage, shown};

/// What decided on a request that has failed, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Why, for the caller who may read that; may be empty.
    pub words: Box<str>,
    /// The rule, or what else chose its models.
    pub rule: Option<Arc<str>>,
    /// The guard that forbids every model left.
    pub guard: Option<Arc<str>>,
    /// The arm of an experiment that the request is.
    pub arm: Option<Enrolled>,
    /// The experiment and the arm, as answers say it.
    pub experiment: Option<Box<str>>,
}

/// What the books keep of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule, or what else chose its models, if it came that far.
    pub rule: Option<Arc<str>>,
    /// The guard that forbids every model left, if one does.
    pub guard: Option<Arc<str>>,
    /// The `code` of the reply.
    pub code: &'static str,
    /// Why, as far as that says nothing of the request's text.
    pub reason: Option<Box<str>>,
}

impl Verdict {
    /// The verdict on a request of which no more is known than this.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self { rule: None, guard: None, code: kind.code(), reason: None }
    }
}

impl From<&Failure> for Verdict {
    /// What the books keep of a failure. Of a request that is read wrongly, the sentence may repeat a part of
    /// its text: then the field alone is kept, where its name is ours.
    fn from(failure: &Failure) -> Self {
        let ours = |param: &&Cow<'static, str>| {
            matches!(param, Cow::Borrowed(_)) || param.starts_with("x-signalbox-")
        };
        let reason = match (failure.kind, failure.stage) {
            (Kind::InvalidRequest, Stage::Receive | Stage::Classify) => {
                let field = failure.param.as_ref().filter(ours);
                field.map(|field| format!("found in `{}`", shown(field)).into())
            }
            _ => Some((*failure.public).into()),
        };
        let why = failure.why.as_deref();
        let rule = why.and_then(|why| why.rule.clone());
        let guard = why.and_then(|why| why.guard.clone());
        Self { rule, guard, code: failure.code, reason }
    }
}
