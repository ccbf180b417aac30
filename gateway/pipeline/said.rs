//! What the log says of a request that came to no good end: once, where all that an operator needs is known.

use uuid::Uuid;

use crate::{
    failure::{Failure, Kind, Stage, kept_reason},
    outcome::Caller,
};

/// The request that failed, as far as it was known by then.
#[derive(Default)]
pub(crate) struct Failed<'a> {
    /// Our id.
    pub id: Uuid,
    /// Who asked.
    pub caller: Option<&'a Caller>,
    /// The model that was tried last.
    pub model: Option<&'a str>,
    /// And its endpoint.
    pub endpoint: Option<&'a str>,
    /// The caller has had content already.
    pub cut: bool,
}

/// Says it: as a warning where it is a backend's fault or the gateway's, as an error where it is a mistake of
/// ours; for whoever looks closer where it is the caller's.
pub(crate) fn failed(failure: &Failure, it: &Failed<'_>) {
    let cause = failure.cause.as_deref().map(tracing::field::display);
    let (kind, stage) = (failure.kind.name(), failure.stage.name());
    let (team, key) = (it.caller.map(|it| &*it.team_name), it.caller.map(|it| &*it.key_name));
    let Failed { id, model, endpoint, .. } = *it;
    // A name that a caller has said may stand in it: it is a field, and no part of the sentence.
    let reason = kept_reason(failure);
    let reason = reason.as_deref();
    macro_rules! say {
        ($level:ident, $sentence:literal) => {
            tracing::$level!(
                %id, team, key, model, endpoint, kind, stage, reason, cause, $sentence
            )
        };
    }
    match failure.kind {
        Kind::Bug => say!(error, "a mistake of the gateway: the request has no answer"),
        // The ledger's fault is said once, where it is found: not for each request of a storm.
        Kind::Unavailable if failure.stage == Stage::Record => {
            say!(debug, "the request was turned away");
        }
        Kind::Unavailable | Kind::UpstreamError | Kind::UpstreamTimeout | Kind::NoCapacity => {
            match it.cut {
                true => say!(warn, "an answer broke off after its first content"),
                false => say!(warn, "no model answered the request"),
            }
        }
        _ => say!(debug, "the request was turned away"),
    }
}
