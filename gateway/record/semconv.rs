//! The names of spans' attributes, once.
//!
//! Those that begin with `gen_ai` are of OpenTelemetry's semantic conventions for generative AI (repository
//! `semantic-conventions-genai`, `docs/gen-ai`, at commit 024a4f9 of August 2026, all of status
//! "Development"). They change: another version is another table here, with its [`VERSION`].

/// The version of this table, as spans state it: what reads them can tell it from a later one.
pub(super) const VERSION: &str = "genai-2026-08";

/// What is asked of a model, such as `chat`.
pub(super) const OPERATION: &str = "gen_ai.operation.name";
/// Who serves models: a value of our own, as the conventions allow.
pub(super) const PROVIDER: &str = "gen_ai.provider.name";
/// The model that was asked for.
pub(super) const REQUEST_MODEL: &str = "gen_ai.request.model";
/// Whether the answer is a stream.
pub(super) const REQUEST_STREAM: &str = "gen_ai.request.stream";
/// The bound on the output that the caller stated.
pub(super) const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
/// The model that answered.
pub(super) const RESPONSE_MODEL: &str = "gen_ai.response.model";
/// Seconds to the first content.
pub(super) const FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
/// Tokens of the prompt, cached ones included.
pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Those of them that an engine had in its cache.
pub(super) const CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Tokens of the answer, reasoning included.
pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Those of them that are reasoning.
pub(super) const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
/// The kind of a failure.
pub(super) const ERROR_TYPE: &str = "error.type";
/// The status that a backend answered with.
pub(super) const HTTP_STATUS: &str = "http.response.status_code";
/// The host of a backend.
pub(super) const SERVER_ADDRESS: &str = "server.address";
/// Its port.
pub(super) const SERVER_PORT: &str = "server.port";
/// The name of the program that makes spans.
pub(super) const SERVICE_NAME: &str = "service.name";
/// Its version.
pub(super) const SERVICE_VERSION: &str = "service.version";
/// Which of several processes it is.
pub(super) const SERVICE_INSTANCE: &str = "service.instance.id";

/// The version of this table.
pub(super) const TABLE: &str = "signalbox.semconv.version";
/// Our id of a request.
pub(super) const REQUEST_ID: &str = "signalbox.request.id";
/// The caller's team.
pub(super) const TEAM: &str = "signalbox.team";
/// What a request wants done.
pub(super) const TASK: &str = "signalbox.task";
/// The language that it is written in.
pub(super) const LANGUAGE: &str = "signalbox.language";
/// How much a request asks of a model.
pub(super) const COMPLEXITY: &str = "signalbox.complexity";
/// The kinds of what a request contains, between commas.
pub(super) const CONTAINS: &str = "signalbox.contains";
/// What decided.
pub(super) const RULE: &str = "signalbox.rule";
/// The guard that forbade every model left.
pub(super) const GUARD: &str = "signalbox.guard";
/// The version of the policy.
pub(super) const POLICY_VERSION: &str = "signalbox.policy.version";
/// The hash of the policy.
pub(super) const POLICY_HASH: &str = "signalbox.policy.hash";
/// Nano-units of money charged.
pub(super) const COST_NANO: &str = "signalbox.cost.nano";
/// The currency of these.
pub(super) const COST_CURRENCY: &str = "signalbox.cost.currency";
/// Where the figures of tokens come from.
pub(super) const USAGE_SOURCE: &str = "signalbox.usage.source";
/// How a request ended: as in the ledger, or `refused`.
pub(super) const OUTCOME: &str = "signalbox.outcome";
/// The stage that refused a request.
pub(super) const REFUSAL_STAGE: &str = "signalbox.refusal.stage";
/// The kind of failure that its caller was told.
pub(super) const REFUSAL_KIND: &str = "signalbox.refusal.kind";
/// The number of attempts of a request.
pub(super) const ATTEMPTS: &str = "signalbox.attempts";
/// Which attempt it was, from 1.
pub(super) const ATTEMPT: &str = "signalbox.attempt.number";
/// The result of an attempt, as in metrics.
pub(super) const ATTEMPT_RESULT: &str = "signalbox.attempt.result";
/// Whether the caller got its content.
pub(super) const ATTEMPT_COMMITTED: &str = "signalbox.attempt.committed";
/// Why there was no connection.
pub(super) const CONNECT_ERROR: &str = "signalbox.attempt.connect_error";
/// The name of a stage.
pub(super) const STAGE: &str = "signalbox.stage";
