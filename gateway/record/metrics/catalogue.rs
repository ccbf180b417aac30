//! Every metric: its name, type, labels, buckets and help text, once.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::{
    money::MoneyVec,
    series::{Family, Series},
};

type Counters<const N: usize> = Family<IntCounterVec, N>;
type Histograms<const N: usize> = Family<HistogramVec, N>;

/// Upper bounds of a histogram; with `+Inf` there are 16.
type Bounds = [f64; 15];

/// Seconds from 1 ms to ten minutes: a refused connection as well as a long answer of a slow model.
const DURATION: Bounds =
    [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 90.0, 240.0, 600.0];
/// Seconds from 5 ms to a minute: finest where people begin to notice.
const FIRST_TOKEN: Bounds =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
/// Seconds from half a millisecond doubling to 8 s.
const COMMIT: Bounds = doubling(0.000_5);
/// Seconds a token: 1,000 tokens a second to one in 2 s.
const PER_TOKEN: Bounds =
    [0.001, 0.002, 0.004, 0.007, 0.01, 0.015, 0.02, 0.03, 0.045, 0.07, 0.1, 0.2, 0.5, 1.0, 2.0];
/// Seconds of the gateway's own work: 5 µs to one second.
const STAGE: Bounds = [
    0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01,
    0.02, 0.05, 0.1, 1.0,
];

/// Labels of what the model's side takes, by the OpenTelemetry names.
const SERVER: [&str; 3] = ["gen_ai_request_model", "gen_ai_operation_name", "signalbox_task"];

#[allow(clippy::indexing_slicing, reason = "a constant's loop, bounded by the array's own length")]
const fn doubling(first: f64) -> Bounds {
    let mut bounds = [first; 15];
    let mut i = 1;
    while i < bounds.len() {
        bounds[i] = bounds[i - 1] * 2.0;
        i += 1;
    }
    bounds
}

/// What a metric is called and what it says.
struct About<const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
}

const ABOUT_FOLDED: About<1> = About {
    name: "signalbox_series_folded_total",
    help: "Number of label sets whose language or task was folded into \"other\" because of series_max.",
    labels: ["metric"],
};
const ABOUT_REQUESTS: About<4> = About {
    name: "signalbox_requests_total",
    help: "Number of accepted requests at their end; the sum is that of closed ledger entries.",
    labels: ["model", "task", "language", "outcome"],
};
const ABOUT_REFUSALS: About<2> = About {
    name: "signalbox_refusals_total",
    help: "Number of requests turned away before they were accepted.",
    labels: ["stage", "kind"],
};
const ABOUT_UNRECORDED: About<0> = About {
    name: "signalbox_refusals_unrecorded_total",
    help: "Number of refusals not kept in the ledger: above 100 a second, or it takes none.",
    labels: [],
};
const ABOUT_DECISIONS: About<2> = About {
    name: "signalbox_decisions_total",
    help: "Number of decisions, by what decided and by the first model of the plan.",
    labels: ["rule", "model"],
};
const ABOUT_CONTAINS: About<2> = About {
    name: "signalbox_contains_total",
    help: "Number of accepted requests that contain something of a kind, by their data class.",
    labels: ["kind", "data_class"],
};
const ABOUT_CONTENT_CHECKS: About<1> = About {
    name: "signalbox_content_checks_total",
    help: "Number of times it was asked what a request's texts contain, by what came of it.",
    labels: ["result"],
};
const ABOUT_CACHE: About<2> = About {
    name: "signalbox_cache_total",
    help: "Number of accepted requests of rules that keep answers, at their end, by what the cache had.",
    labels: ["model", "result"],
};
const ABOUT_ARMS: About<3> = About {
    name: "signalbox_experiment_requests_total",
    help: "Number of accepted requests of an arm of an experiment at their end.",
    labels: ["experiment", "arm", "outcome"],
};
const ABOUT_UNASSIGNED: About<1> = About {
    name: "signalbox_experiment_unassigned_total",
    help: "Number of accepted requests of an experiment's rule without a unit, which take no part.",
    labels: ["experiment"],
};
const ABOUT_SHADOWS: About<2> = About {
    name: "signalbox_shadow_requests_total",
    help: "Number of requests that an experiment's shadow was to get, by what became of them.",
    labels: ["experiment", "result"],
};
const ABOUT_COMPARED: About<3> = About {
    name: "signalbox_shadow_compared_total",
    help: "Number of shadows' answers compared with the ones that were served, by what was compared.",
    labels: ["experiment", "measure", "result"],
};
const ABOUT_COST: About<5> = About {
    name: "signalbox_cost_total",
    help: "Money charged, in units of the ledger's currency.",
    labels: ["team", "model", "task", "language", "currency"],
};
const ABOUT_TOKENS: About<3> = About {
    name: "signalbox_tokens_total",
    help: "Number of tokens used; the types are disjoint, no token is in two of them.",
    labels: ["team", "model", "type"],
};
const ABOUT_DURATION: About<3> = About {
    name: "gen_ai_server_request_duration_seconds",
    help: "Seconds from the first byte of a request to the end of its answer.",
    labels: SERVER,
};
const ABOUT_FIRST_TOKEN: About<3> = About {
    name: "gen_ai_server_time_to_first_token_seconds",
    help: "Seconds from the first byte of a request to the first content of its answer.",
    labels: SERVER,
};
const ABOUT_PER_TOKEN: About<3> = About {
    name: "gen_ai_server_time_per_output_token_seconds",
    help: "Seconds for each output token after the first, of complete streams.",
    labels: SERVER,
};
const ABOUT_STAGE: About<1> = About {
    name: "signalbox_stage_seconds",
    help: "Seconds of the gateway's own work in each stage of a request.",
    labels: ["stage"],
};
const ABOUT_ATTEMPTS: About<3> = About {
    name: "signalbox_attempts_total",
    help: "Number of attempts at endpoints, by how they ended.",
    labels: ["model", "endpoint", "result"],
};
const ABOUT_ATTEMPT_SECONDS: About<2> = About {
    name: "signalbox_attempt_seconds",
    help: "Seconds from the beginning of an attempt at an endpoint to its end, however it ended.",
    labels: ["model", "endpoint"],
};
const ABOUT_EJECTIONS: About<3> = About {
    name: "signalbox_ejections_total",
    help: "Number of times an endpoint was taken out of service, by cause.",
    labels: ["model", "endpoint", "cause"],
};
const ABOUT_LAST_RESORT: About<1> = About {
    name: "signalbox_last_resort_total",
    help: "Number of attempts at an ejected endpoint because no model of the route had another.",
    labels: ["model"],
};
const ABOUT_ESTIMATED: About<1> = About {
    name: "signalbox_usage_estimated_total",
    help: "Number of requests whose usage was counted here because no plausible one came.",
    labels: ["model"],
};
const ABOUT_BOUND_BROKEN: About<1> = About {
    name: "signalbox_bound_broken_total",
    help: "Number of answers longer than the bound that their engine was given.",
    labels: ["model"],
};
const ABOUT_RELOADS: About<1> = About {
    name: "signalbox_config_reloads_total",
    help: "Number of times the configuration was read anew, by what came of it.",
    labels: ["result"],
};
const ABOUT_JWKS: About<2> = About {
    name: "signalbox_jwks_refreshes_total",
    help: "Number of times an issuer of tokens was asked for its keys, by what came of it.",
    labels: ["issuer", "result"],
};
const ABOUT_SPANS: About<1> = About {
    name: "signalbox_spans_total",
    help: "Number of spans of requests, by what became of them on their way to the collector.",
    labels: ["result"],
};
const ABOUT_ALERTS: About<3> = About {
    name: "signalbox_budget_alerts_total",
    help: "Number of alerts of a team's budget, by the share of its amount that was spent.",
    labels: ["team", "window", "share"],
};
const ABOUT_WEBHOOK: About<1> = About {
    name: "signalbox_webhook_total",
    help: "Number of messages to the webhook, by what became of them in the end.",
    labels: ["result"],
};
const ABOUT_FEEDBACK: About<3> = About {
    name: "signalbox_feedback_total",
    help: "Number of values told of answers of an experiment's arm; names it does not mention are \"other\".",
    labels: ["experiment", "arm", "name"],
};
const ABOUT_COMMIT: About<0> = About {
    name: "signalbox_ledger_commit_seconds",
    help: "Seconds to write one group of ledger rows and have it durable.",
    labels: [],
};

/// All metrics whose lines this process makes.
pub(super) struct Catalogue {
    pub(super) requests: Counters<4>,
    pub(super) refusals: Counters<2>,
    pub(super) unrecorded: Counters<0>,
    pub(super) decisions: Counters<2>,
    pub(super) contains: Counters<2>,
    pub(super) content_checks: Counters<1>,
    pub(super) cache: Counters<2>,
    pub(super) arms: Counters<3>,
    pub(super) unassigned: Counters<1>,
    pub(super) shadows: Counters<2>,
    pub(super) compared: Counters<3>,
    pub(super) cost: Family<MoneyVec, 5>,
    pub(super) tokens: Counters<3>,
    pub(super) duration: Histograms<3>,
    pub(super) first_token: Histograms<3>,
    pub(super) per_token: Histograms<3>,
    pub(super) stage: Histograms<1>,
    pub(super) attempts: Counters<3>,
    pub(super) attempt_seconds: Histograms<2>,
    pub(super) ejections: Counters<3>,
    pub(super) last_resort: Counters<1>,
    pub(super) estimated: Counters<1>,
    pub(super) bound_broken: Counters<1>,
    pub(super) reloads: Counters<1>,
    pub(super) jwks: Counters<2>,
    pub(super) spans: Counters<1>,
    pub(super) alerts: Counters<3>,
    pub(super) webhook: Counters<1>,
    pub(super) feedback: Counters<3>,
    pub(super) commit: Histograms<0>,
    pub(super) series: Series,
}

impl Catalogue {
    /// Makes and registers them all.
    pub(super) fn register(registry: &Registry, series_max: usize) -> prometheus::Result<Self> {
        let r = registry;
        Ok(Self {
            requests: counters(r, ABOUT_REQUESTS)?,
            refusals: counters(r, ABOUT_REFUSALS)?,
            unrecorded: counters(r, ABOUT_UNRECORDED)?,
            decisions: counters(r, ABOUT_DECISIONS)?,
            contains: counters(r, ABOUT_CONTAINS)?,
            content_checks: counters(r, ABOUT_CONTENT_CHECKS)?,
            cache: counters(r, ABOUT_CACHE)?,
            arms: counters(r, ABOUT_ARMS)?,
            unassigned: counters(r, ABOUT_UNASSIGNED)?,
            shadows: counters(r, ABOUT_SHADOWS)?,
            compared: counters(r, ABOUT_COMPARED)?,
            cost: money(r, ABOUT_COST)?,
            tokens: counters(r, ABOUT_TOKENS)?,
            duration: histograms(r, ABOUT_DURATION, DURATION)?,
            first_token: histograms(r, ABOUT_FIRST_TOKEN, FIRST_TOKEN)?,
            per_token: histograms(r, ABOUT_PER_TOKEN, PER_TOKEN)?,
            stage: histograms(r, ABOUT_STAGE, STAGE)?,
            attempts: counters(r, ABOUT_ATTEMPTS)?,
            attempt_seconds: histograms(r, ABOUT_ATTEMPT_SECONDS, DURATION)?,
            ejections: counters(r, ABOUT_EJECTIONS)?,
            last_resort: counters(r, ABOUT_LAST_RESORT)?,
            estimated: counters(r, ABOUT_ESTIMATED)?,
            bound_broken: counters(r, ABOUT_BOUND_BROKEN)?,
            reloads: counters(r, ABOUT_RELOADS)?,
            jwks: counters(r, ABOUT_JWKS)?,
            spans: counters(r, ABOUT_SPANS)?,
            alerts: counters(r, ABOUT_ALERTS)?,
            webhook: counters(r, ABOUT_WEBHOOK)?,
            feedback: counters(r, ABOUT_FEEDBACK)?,
            commit: histograms(r, ABOUT_COMMIT, COMMIT)?,
            series: Series::new(series_max, counters(r, ABOUT_FOLDED)?.vec),
        })
    }
}

fn money(registry: &Registry, about: About<5>) -> prometheus::Result<Family<MoneyVec, 5>> {
    let About { name, help, labels } = about;
    let vec = MoneyVec::new(name, help, &labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(Family { name, labels, lines: 1, vec })
}

fn counters<const N: usize>(
    registry: &Registry,
    about: About<N>,
) -> prometheus::Result<Counters<N>> {
    let About { name, help, labels } = about;
    let vec = IntCounterVec::new(Opts::new(name, help), &labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(Family { name, labels, lines: 1, vec })
}

fn histograms<const N: usize>(
    registry: &Registry,
    about: About<N>,
    bounds: Bounds,
) -> prometheus::Result<Histograms<N>> {
    let About { name, help, labels } = about;
    let vec = HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), &labels)?;
    registry.register(Box::new(vec.clone()))?;
    // The bounds, +Inf, sum and count.
    Ok(Family { name, labels, lines: bounds.len() + 3, vec })
}
