//! What decided on a request that has failed, and what the books keep of that.

use std::{borrow::Cow, sync::Arc};

use policies::experiment::Enrolled;

use super::{Failure, Kind, Stage, shown};

/// How it begins to be said that every answer was of another form than was asked for.
pub(crate) const NONE_HELD: &str = "no model's answer held to the form that was asked for";

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
    fn from(failure: &Failure) -> Self {
        let reason = kept_reason(failure).map(|it| Box::from(&*it));
        let why = failure.why.as_deref();
        let rule = why.and_then(|why| why.rule.clone());
        let guard = why.and_then(|why| why.guard.clone());
        Self { rule, guard, code: failure.code, reason }
    }
}

/// The reason of a failure as books and log keep it. Of a request that is read wrongly, the sentence may
/// repeat a part of its text: then the field alone is kept, where its name is ours. What a backend calls
/// wrong is said in its own words, which may repeat the prompt: they are the caller's alone.
pub(crate) fn kept_reason(failure: &Failure) -> Option<Cow<'_, str>> {
    let ours = |param: &&Cow<'static, str>| {
        matches!(param, Cow::Borrowed(_)) || param.starts_with("x-signalbox-")
    };
    match (failure.kind, failure.stage) {
        (Kind::InvalidRequest, Stage::Receive | Stage::Classify) => {
            let field = failure.param.as_ref().filter(ours)?;
            Some(format!("found in `{}`", shown(field)).into())
        }
        (Kind::InvalidRequest, Stage::Dispatch) => {
            Some("the model's server calls the request invalid".into())
        }
        // Where it broke is said in the words of the caller's schema.
        _ if failure.public.starts_with(NONE_HELD) => Some(NONE_HELD.into()),
        _ => Some((&*failure.public).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reason_that_is_kept_repeats_a_prompt() {
        let prompt = "tell me a secret";
        for stage in [Stage::Receive, Stage::Classify, Stage::Dispatch] {
            let failure = Failure::new(Kind::InvalidRequest, stage, String::from(prompt));
            let kept = Verdict::from(&failure.at(String::from(prompt)));
            assert!(kept.reason.is_none_or(|it| !it.contains(prompt)), "{stage:?}");
        }
        let public = format!("{NONE_HELD}: the last broke it at `/{prompt}`");
        let failure = Failure::new(Kind::UpstreamError, Stage::Dispatch, public);
        assert_eq!(Verdict::from(&failure).reason.as_deref(), Some(NONE_HELD));
        let failure = Failure::new(Kind::RateLimited, Stage::Admit, "60 requests a minute");
        assert_eq!(Verdict::from(&failure).reason.as_deref(), Some("60 requests a minute"));
    }
}
