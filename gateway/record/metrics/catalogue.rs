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

/// Seconds from 40 ms doubling to 655 s: long answers of slow models stay inside.
const DURATION: Bounds = doubling(0.04);
/// Seconds from 10 ms doubling to 164 s.
const FIRST_TOKEN: Bounds = doubling(0.01);
/// Seconds from half a millisecond doubling to 8 s.
const COMMIT: Bounds = doubling(0.000_5);
/// Seconds a token: 400 tokens a second to one in 2.5 s.
const PER_TOKEN: Bounds =
    [0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 2.5];
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

/// All metrics whose lines this process makes.
pub(super) struct Catalogue {
    pub(super) requests: Counters<4>,
    pub(super) refusals: Counters<2>,
    pub(super) unrecorded: Counters<0>,
    pub(super) decisions: Counters<2>,
    pub(super) cost: Family<MoneyVec, 5>,
    pub(super) tokens: Counters<3>,
    pub(super) duration: Histograms<3>,
    pub(super) first_token: Histograms<3>,
    pub(super) per_token: Histograms<3>,
    pub(super) stage: Histograms<1>,
    pub(super) attempts: Counters<3>,
    pub(super) ejections: Counters<3>,
    pub(super) estimated: Counters<1>,
    pub(super) price_missing: Counters<1>,
    pub(super) commit: Histograms<0>,
    pub(super) series: Series,
}

impl Catalogue {
    /// Makes and registers them all.
    pub(super) fn register(registry: &Registry, series_max: usize) -> prometheus::Result<Self> {
        let r = registry;
        let folded = counters(
            r,
            "signalbox_series_folded_total",
            "Label sets whose language or task was folded into \"other\" because of series_max.",
            ["metric"],
        )?;
        Ok(Self {
            requests: counters(
                r,
                "signalbox_requests_total",
                "Accepted requests at their end; the sum is the number of closed ledger entries.",
                ["model", "task", "language", "outcome"],
            )?,
            refusals: counters(
                r,
                "signalbox_refusals_total",
                "Requests turned away before they were accepted.",
                ["stage", "kind"],
            )?,
            unrecorded: counters(
                r,
                "signalbox_refusals_unrecorded_total",
                "Refusals counted but not kept in the ledger, above 100 a second.",
                [],
            )?,
            decisions: counters(
                r,
                "signalbox_decisions_total",
                "Decisions in force, by what decided and by the first model of the plan.",
                ["rule", "model"],
            )?,
            cost: cost(r)?,
            tokens: counters(
                r,
                "signalbox_tokens_total",
                "Tokens used; the types are disjoint, no token is in two of them.",
                ["team", "model", "type"],
            )?,
            duration: histograms(
                r,
                "gen_ai_server_request_duration_seconds",
                "From the first byte of a request to the end of its answer.",
                (SERVER, DURATION),
            )?,
            first_token: histograms(
                r,
                "gen_ai_server_time_to_first_token_seconds",
                "From the first byte of a request to the first content of its answer.",
                (SERVER, FIRST_TOKEN),
            )?,
            per_token: histograms(
                r,
                "gen_ai_server_time_per_output_token_seconds",
                "Time per output token after the first, of complete streams.",
                (SERVER, PER_TOKEN),
            )?,
            stage: histograms(
                r,
                "signalbox_stage_seconds",
                "The gateway's own time in each stage of a request.",
                (["stage"], STAGE),
            )?,
            attempts: counters(
                r,
                "signalbox_attempts_total",
                "Attempts at endpoints, by how they ended.",
                ["model", "endpoint", "result"],
            )?,
            ejections: counters(
                r,
                "signalbox_ejections_total",
                "Times an endpoint was taken out of service, by cause.",
                ["model", "endpoint", "cause"],
            )?,
            estimated: counters(
                r,
                "signalbox_usage_estimated_total",
                "Requests whose usage was counted by the gateway because no plausible one came.",
                ["model"],
            )?,
            price_missing: counters(
                r,
                "signalbox_price_missing_total",
                "Requests served by a model that has no price.",
                ["model"],
            )?,
            commit: histograms(
                r,
                "signalbox_ledger_commit_seconds",
                "Time to write one group of ledger rows and have it durable.",
                ([], COMMIT),
            )?,
            series: Series::new(series_max, folded.vec),
        })
    }
}

fn cost(registry: &Registry) -> prometheus::Result<Family<MoneyVec, 5>> {
    let name = "signalbox_cost_total";
    let help = "Money charged, in units of the ledger's currency.";
    let labels = ["team", "model", "task", "language", "currency"];
    let vec = MoneyVec::new(name, help, &labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(Family { name, labels, lines: 1, vec })
}

fn counters<const N: usize>(
    registry: &Registry,
    name: &'static str,
    help: &str,
    labels: [&'static str; N],
) -> prometheus::Result<Counters<N>> {
    let vec = IntCounterVec::new(Opts::new(name, help), &labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(Family { name, labels, lines: 1, vec })
}

fn histograms<const N: usize>(
    registry: &Registry,
    name: &'static str,
    help: &str,
    (labels, bounds): ([&'static str; N], Bounds),
) -> prometheus::Result<Histograms<N>> {
    let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    let vec = HistogramVec::new(opts, &labels)?;
    registry.register(Box::new(vec.clone()))?;
    // The bounds, +Inf, sum and count.
    Ok(Family { name, labels, lines: bounds.len() + 3, vec })
}
