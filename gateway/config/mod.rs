//! Configuration, valid by its types: whatever stands here has been checked as a whole.
//!
//! `load.rs` reads the layers (file, environment, command line) into one table; `validate.rs` and its
//! parts read that table leaf by leaf and collect every fault. Nothing else in the gateway looks at text
//! from a file.

mod algorithm;
mod alone;
mod bound;
mod budget;
mod cache;
mod content;
mod engine;
mod feedback;
mod fields;
mod fixed;
mod identity;
mod key;
mod key_source;
mod listener;
mod load;
mod log;
mod managed;
mod misplaced;
mod model;
mod names;
mod new_key;
mod oidc;
mod operator;
mod otlp;
mod outside;
mod owner;
mod policy;
mod secret;
mod series;
pub(crate) mod shadow;
mod signing_key;
pub(crate) mod single;
mod source;
mod switches;
mod tags;
mod team;
#[cfg(test)]
mod tests;
mod two_persons;
mod unread;
mod url;
mod validate;
mod webhook;
mod when;
mod whole;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};
use policies::{
    Policy,
    facts::{DataClass, Dialect, TeamIndex, Tokens},
};

use crate::outcome::{ByHour, Priority, Tags};

pub use self::{
    algorithm::TokenAlgorithm,
    bound::BoundNames,
    budget::{Budget, MonthDay, Share},
    cache::Cache,
    content::{ContentCheck, ContentRules, OnFailure},
    engine::{ENGINES, Engine, Native, Tokenizer},
    feedback::Feedback,
    fixed::FixedChange,
    identity::Identity,
    key::{Credential, Key},
    key_source::KeySource,
    load::{check, identity, ledger, load, load_managed, load_with, new_key},
    log::{Log, LogFormat},
    managed::{
        Author, Done, Edit, EditRefused, Managed, ManagedCredential, ManagedKind, ManagedRow,
        ManagedState, OPEN_MAX, OVERLAP_MS_MAX, POLICY, Proposal, ProposalState, shown_change,
    },
    model::{ProbeBy, price_version},
    new_key::NewKey,
    oidc::{Oidc, OperatorRule, TokenOperators, TokenRule},
    operator::{ADMIN, Admin, Operator, Role},
    otlp::Tracing,
    outside::ManagedFn,
    owner::Limits,
    secret::Secret,
    source::ReadFrom,
    two_persons::{PolicyText, TwoPersons, moves_money},
    webhook::Webhook,
    when::Condition,
};
pub(crate) use self::{
    alone::load_alone,
    fixed::fixed_changes,
    key_source::is_key_url,
    load::{admin, read_text},
    log::{filter as log_filter, variable as log_variable},
    managed::{as_written, fields as managed_fields, over, settable},
    policy::APPROVED as APPROVED_POLICY,
    series::series_alone,
    switches::{NotSwitchable, Switchable, Switches, Switching},
    team::DEFAULT as DEFAULT_TEAM,
    unread::PREFIX as VARIABLE_PREFIX,
};

/// Everything the gateway runs by.
#[derive(Debug)]
pub struct Config {
    /// A hash of all that file, environment and command line say, the policy included; of secrets only
    /// where they are.
    pub hash: Arc<str>,
    /// The listener for callers.
    pub server: Server,
    /// The listener for operators, and who they are.
    pub admin: Admin,
    /// The compiled policy; its `fleet()` holds the facts of all of these, by the indices of the lists below.
    pub policy: Policy,
    /// The policy's file, where it comes from one.
    pub policy_file: Option<PathBuf>,
    /// Which requests end nowhere under the policy, whatever is up: found when it is loaded.
    pub dead_ends: Vec<policies::lint::Finding>,
    /// What is written to the log.
    pub log: Log,
    /// Where spans go; none are made without it.
    pub tracing: Option<Tracing>,
    /// Who is told of alerts; nobody without it.
    pub webhook: Option<Webhook>,
    /// A sentence for each variable of the environment that looks like one of ours and that nothing reads.
    pub unread_variables: Vec<String>,
    /// The ledger.
    pub ledger: Ledger,
    /// How keys are hashed.
    pub identity: Identity,
    /// The key that signs the audit trail, in digits; `None` where the gateway makes its own.
    pub audit_key: Option<Secret>,
    /// Whether a change of policy, money or operators takes a second person; nothing where it does not.
    pub two_persons: Option<TwoPersons>,
    /// What the policy was compiled from.
    pub policy_text: PolicyText,
    /// How long an admit waits for open reservations.
    pub budget_wait: Duration,
    /// What waits for a full model.
    pub queue: Queue,
    /// What is kept of answers.
    pub cache: Cache,
    /// What is done about what requests contain.
    pub content: ContentRules,
    /// What callers may tell of answers.
    pub feedback: Feedback,
    /// Exposed lines at the most.
    pub series_max: usize,
    /// Hosts from which remote media may come, exact.
    pub media_hosts: Vec<Box<str>>,
    /// Limits on what a request may ask for.
    pub shield: Shield,
    /// How each model is reached; by `ModelIndex`.
    pub models: Vec<Model>,
    /// Teams; by `TeamIndex`, parents first. The first is always `default`.
    pub teams: Vec<Team>,
    /// Keys; by `KeyIndex`.
    pub keys: Vec<Key>,
    /// Whose tokens are taken in place of a key.
    pub oidc: Vec<Oidc>,
    /// The keys that pay for the shadows of the policy's experiments.
    pub shadow_keys: Vec<Key>,
    /// What of it is managed beside the file.
    pub managed: Managed,
    /// What it was read from, to read it again when that changes.
    source: Arc<source::Source>,
}

/// What of a configuration the machine must have a place for, whether the rest of it is right or not.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The listener for callers.
    pub server: &'a Server,
    /// The listener for operators.
    pub admin: &'a Admin,
    /// The ledger.
    pub ledger: &'a Ledger,
    /// How keys are hashed.
    pub identity: &'a Identity,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where callers connect; port 0 takes any.
    pub listen: SocketAddr,
    /// The largest body.
    pub body_bytes_max: usize,
    /// For the whole head of a request.
    pub header_timeout: Duration,
    /// For the whole body of a request.
    pub body_timeout: Duration,
    /// How long a caller may take nothing of what is written to him.
    pub write_timeout: Duration,
    /// The time for what still runs when the process is asked to stop.
    pub drain_timeout: Duration,
    /// For so long after that, new connections are still served.
    pub drain_grace: Duration,
    /// All bodies being held, for the process.
    pub body_in_flight_bytes_max: usize,
    /// A silent stream gets its head and a comment after this.
    pub early_head: Duration,
    /// Answers say in a header why it was decided so.
    pub why_header: bool,
    /// Open connections at the most.
    pub connections_max: usize,
    /// Origins whose pages may ask from within a browser, in lower case.
    pub cors_origins: Vec<Box<str>>,
}

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The one currency.
    pub currency: Arc<str>,
    /// The SQLite file.
    pub sqlite: PathBuf,
    /// What a commit survives.
    pub durability: Durability,
    /// When the entry must be durable.
    pub wait: Wait,
    /// How long entries are kept.
    pub retention_days: u32,
    /// Below this much free disk nothing is accepted.
    pub disk_free_bytes_min: u64,
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: every group is flushed to the disk.
    Power,
    /// The end of the process, `kill -9` included.
    Process,
}

/// When an entry must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Before the first byte of the answer.
    FirstByte,
    /// Before anything goes to a backend.
    Dispatch,
}

/// `[queue]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How long a request waits for a full model.
    pub wait: Duration,
    /// How many may wait for one model.
    pub length_max: usize,
}

/// `[shield]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shield {
    /// Choices of one request.
    pub n_max: u8,
    /// Tools of one request.
    pub tools_max: usize,
    /// Bytes of one schema.
    pub schema_bytes_max: usize,
    /// Alternatives for each token.
    pub logprobs_max: u32,
    /// Bytes of one pattern, grammar or list of choices.
    pub grammar_bytes_max: usize,
}

/// `[[model]]`, as far as it is about reaching it; what it *is* stands in its `ModelFacts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The id.
    pub id: Arc<str>,
    /// The name its engine knows it by.
    pub upstream_model: Box<str>,
    /// Its engine, where that is stated.
    pub engine: Option<&'static Engine>,
    /// The APIs its engine speaks.
    pub dialects: Vec<Dialect>,
    /// Where its replicas are.
    pub endpoints: Vec<Endpoint>,
    /// Idle connections are dropped after this.
    pub pool_idle: Duration,
    /// Where callers get its reasoning, wherever its engine puts it; `None` is as it comes.
    pub reasoning_field: Option<ReasoningField>,
    /// What a replica that is ejected is asked, to see whether it is back.
    pub probe: ProbeBy,
    /// The most output of one choice: larger bounds of callers are lowered to it.
    pub output_tokens_max: Tokens,
    /// Whether it is asked for usage in streams.
    pub stream_usage: bool,
    /// The names under which its engine is given a bound on the output.
    pub output_bound: BoundNames,
    /// What its engine says of prompts that are too long, beyond what is known; lower case.
    pub context_errors: Box<[Box<str>]>,
    /// What its own machines cost by the hour; `None` where nobody pays by the hour.
    pub by_hour: Option<ByHour>,
}

impl Model {
    /// The header with an endpoint's credential, if it has one, or an error where that cannot stand in one.
    /// What speaks no chat completions takes it as Anthropic does.
    pub fn credential(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<(HeaderName, HeaderValue)>, InvalidHeaderValue> {
        if self.dialects.contains(&model::FIRST) {
            return Ok(endpoint.authorization()?.map(|it| (AUTHORIZATION, it)));
        }
        let Some(key) = &endpoint.api_key else { return Ok(None) };
        let mut value = HeaderValue::try_from(key.expose())?;
        value.set_sensitive(true);
        Ok(Some((HeaderName::from_static("x-api-key"), value)))
    }

    /// Whether its engine counts the tokens of requests of a dialect, where most that speak it do or do not.
    #[must_use]
    pub fn counts(&self, dialect: Dialect, usual: bool) -> bool {
        let known = self.engine.map(|it| it.native(dialect.code()).is_some_and(|it| it.counts));
        self.dialects.contains(&dialect) && known.unwrap_or(usual)
    }
}

/// A field for reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningField {
    /// `reasoning_content`
    ReasoningContent,
    /// `reasoning`
    Reasoning,
}

impl ReasoningField {
    /// As it stands in answers and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning_content",
            Self::Reasoning => "reasoning",
        }
    }
}

/// `[[model.endpoint]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Base URL, checked: `http` or `https`, a host, no query; without a trailing slash.
    pub url: http::Uri,
    /// Its own credential.
    pub api_key: Option<Secret>,
    /// Its share of the load, at least 1.
    pub weight: u16,
    /// Requests in flight at the most, of each gateway replica; 0 is no limit.
    pub concurrency_max: u32,
}

impl Endpoint {
    /// The `authorization` header with its credential, if it has one; never shown in logs.
    ///
    /// # Errors
    /// When the credential cannot stand in a header.
    pub fn authorization(&self) -> Result<Option<HeaderValue>, InvalidHeaderValue> {
        let bearer = self.api_key.as_ref().map(|key| format!("Bearer {}", key.expose()));
        let header = bearer.map(|text| {
            HeaderValue::try_from(text).map(|mut value| {
                value.set_sensitive(true);
                value
            })
        });
        header.transpose()
    }
}

/// `[[team]]`, and the part of a key that is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// The name.
    pub name: Arc<str>,
    /// The parent, which stands earlier in the list.
    pub parent: Option<TeamIndex>,
    /// Money it may spend.
    pub budgets: Vec<Budget>,
    /// How fast it may go.
    pub limits: Limits,
    /// The default class of its requests.
    pub data_class: DataClass,
    /// The highest class it may send.
    pub data_class_max: DataClass,
    /// Who comes first where requests wait, for keys that do not say.
    pub priority: Option<Priority>,
    /// Who answers for it, in words for operators.
    pub owner: Option<Arc<str>>,
    /// Tags of its keys' requests, over the caller's of the same name.
    pub tags: Tags,
}
