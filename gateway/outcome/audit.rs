//! What is changed by people, files and guards, as the audit trail keeps it.

use uuid::Uuid;

/// Characters of a reason at the most.
pub(crate) const REASON_CHARS_MAX: usize = 500;

/// What is wrong with the words by which somebody says why, if anything: they are kept in the books and
/// printed on one line.
pub(crate) fn wrong_reason(reason: &str) -> Option<String> {
    match reason.chars().count() {
        count if count > REASON_CHARS_MAX => Some(format!("has {count} characters")),
        _ if reason.chars().any(char::is_control) => Some("has control characters in it".into()),
        _ => None,
    }
}

/// One record of the audit trail. Names and hashes stand in it, never a secret or a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// UUIDv7 of what is recorded: one that is written again stands once.
    pub id: Uuid,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Who has done it: `admin`, `guard`, the gateway itself, or `cli:` and the user of a command.
    pub who: Box<str>,
    /// What was done.
    pub what: AuditAction,
    /// The name of what it was done to.
    pub subject: Box<str>,
    /// Why, in words.
    pub reason: Box<str>,
    /// What it was before, as a JSON object of names and hashes; `None` where it was nothing.
    pub before: Option<Box<str>>,
    /// What it is afterwards, likewise.
    pub after: Option<Box<str>>,
}

/// What the audit trail records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// Somebody was turned away who may not ask, or not for that.
    AccessRefused,
    /// Another key signs the trail from here on.
    AuditKeyChanged,
    /// A process serves by a configuration from its start on.
    ConfigLoaded,
    /// A configuration that was read anew takes the place of the one in force.
    ConfigReloaded,
    /// The one that the record before names has not come into force.
    ConfigNotTaken,
    /// Another policy comes into force with a configuration.
    PolicyChanged,
    /// Another policy comes into force that two persons have approved.
    PolicyApproved,
    /// A change waits for a second person.
    ProposalMade,
    /// A second person has approved a change, and it came into force.
    ProposalApproved,
    /// Somebody has rejected a change.
    ProposalRejected,
    /// Nobody has approved a change in time.
    ProposalExpired,
    /// A policy that waited is of no effect any more: another one was approved.
    ProposalSuperseded,
    /// A key was made.
    KeyCreated,
    /// What binds a key, or what it may do, is another.
    KeyChanged,
    /// A key opens nothing any more.
    KeyRevoked,
    /// A key has another secret.
    KeyRotated,
    /// A team was made.
    TeamCreated,
    /// What binds a team is another.
    TeamChanged,
    /// A team is gone.
    TeamRemoved,
    /// A model is switched off.
    ModelDisabled,
    /// A model is switched on again.
    ModelEnabled,
    /// An endpoint gets no further requests.
    EndpointDrained,
    /// An endpoint gets requests again.
    EndpointUndrained,
    /// All units of an experiment get the rule's own route.
    ExperimentStopped,
    /// A stop or a rollback of an experiment is undone.
    ExperimentResumed,
    /// An arm's units get the control's route.
    ExperimentRolledBack,
    /// What an entry of the ledger cost is corrected.
    LedgerAdjusted,
    /// The ledger was copied into a file.
    LedgerBackedUp,
}

impl AuditAction {
    /// The spelling in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessRefused => "access.refused",
            Self::AuditKeyChanged => "audit.key_changed",
            Self::ConfigLoaded => "config.loaded",
            Self::ConfigReloaded => "config.reloaded",
            Self::ConfigNotTaken => "config.not_taken",
            Self::PolicyChanged => "policy.changed",
            Self::PolicyApproved => "policy.approved",
            Self::ProposalMade => "proposal.made",
            Self::ProposalApproved => "proposal.approved",
            Self::ProposalRejected => "proposal.rejected",
            Self::ProposalExpired => "proposal.expired",
            Self::ProposalSuperseded => "proposal.superseded",
            Self::KeyCreated => "key.created",
            Self::KeyChanged => "key.changed",
            Self::KeyRevoked => "key.revoked",
            Self::KeyRotated => "key.rotated",
            Self::TeamCreated => "team.created",
            Self::TeamChanged => "team.changed",
            Self::TeamRemoved => "team.removed",
            Self::ModelDisabled => "model.disabled",
            Self::ModelEnabled => "model.enabled",
            Self::EndpointDrained => "endpoint.drained",
            Self::EndpointUndrained => "endpoint.undrained",
            Self::ExperimentStopped => "experiment.stopped",
            Self::ExperimentResumed => "experiment.resumed",
            Self::ExperimentRolledBack => "experiment.rolled_back",
            Self::LedgerAdjusted => "ledger.adjusted",
            Self::LedgerBackedUp => "ledger.backed_up",
        }
    }
}
