//! The values that every room may use: who asked, what was tried, what was used, how it ended.

mod attempt;
mod audit;
mod cached;
mod caller;
mod closed;
mod content_classes;
mod ending;
mod epoch_info;
mod experiment;
mod opened;
mod tag;
mod trace;
mod usage;

pub(crate) use self::audit::{REASON_CHARS_MAX, wrong_reason};
pub use self::{
    attempt::{AttemptCause, AttemptLog, AttemptRecord, AttemptResult, Unreached, Used},
    audit::{AuditAction, AuditRecord},
    cached::{CacheResult, Cached, GivenAgain},
    caller::{Caller, KeyId, Priority, TeamId},
    closed::Outcome,
    content_classes::ContentClasses,
    ending::Ending,
    epoch_info::{ByHour, EpochInfo, PolicyRecord},
    experiment::{ArmName, Enrolment, ExperimentAction, ExperimentChange, Feedback, Judged},
    opened::{Opened, Refused, ShadowOf, ShadowPassed},
    tag::{TAG_BYTES_MAX, TAGS_MAX, Tag, Tags, tag},
    trace::{Sampler, TraceContext, TraceParent},
    usage::{Charge, Usage, UsageSource},
};
