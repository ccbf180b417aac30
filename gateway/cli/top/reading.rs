//! One read of `/metrics`: what is of interest in it, by model and by team. Pure.

use std::collections::BTreeMap;

use super::exposition::{Sample, samples};

/// Observations by the upper bound of their bucket, each bucket with those beneath it. Bounds are kept by
/// their bits: none is negative, so that these stand in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets(BTreeMap<u64, f64>);

/// What was counted of a model, and how it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    /// Requests that have ended.
    pub(super) requests: f64,
    /// Of these, those that were served whole.
    pub(super) ok: f64,
    /// Of these, those that failed or were cut; what callers cancelled is in neither.
    pub(super) errors: f64,
    /// Money charged.
    pub(super) cost: f64,
    /// Tokens made, reasoning included.
    pub(super) tokens: f64,
    /// Seconds to the first token.
    pub(super) first_token: Buckets,
    /// Requests in flight.
    pub(super) in_flight: f64,
    /// Requests that wait for a place.
    pub(super) queue: f64,
    /// Endpoints that serve.
    pub(super) up: usize,
    /// Endpoints.
    pub(super) endpoints: usize,
}

/// A budget in its current window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Budget {
    /// Its amount.
    pub(super) limit: f64,
    /// What of it is spent.
    pub(super) spent: f64,
    /// What open requests have reserved.
    pub(super) reserved: f64,
}

/// What was counted of a team, and how its budgets stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Team {
    /// Money charged.
    pub(super) cost: f64,
    /// Tokens made, reasoning included.
    pub(super) tokens: f64,
    /// Budgets by their windows.
    pub(super) budgets: BTreeMap<String, Budget>,
}

/// One read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// When it was read, in seconds of the clock that is only put forward.
    pub(super) at: f64,
    /// The program.
    pub(super) version: String,
    /// The policy in force.
    pub(super) policy: String,
    /// The currency of all money.
    pub(super) currency: String,
    /// The beginning of the gateway's process, in seconds since 1970.
    pub(super) start: f64,
    /// Checks of `/readyz` that do not pass.
    pub(super) failing: Vec<String>,
    /// Requests turned away.
    pub(super) refused: f64,
    /// Rows of the ledger on their way to the disk.
    pub(super) pending: f64,
    /// By model.
    pub(super) models: BTreeMap<String, Model>,
    /// By team.
    pub(super) teams: BTreeMap<String, Team>,
    /// Seconds of the gateway's own work, by stage.
    pub(super) stages: BTreeMap<String, Buckets>,
}

impl Buckets {
    fn add(&mut self, sample: &Sample<'_>) {
        if let Some(bound) = sample.label("le").parse::<f64>().ok().filter(|it| *it >= 0.0) {
            *self.0.entry(bound.to_bits()).or_default() += sample.value;
        }
    }

    /// What was observed since an earlier read of the same.
    pub(super) fn since(&self, before: Option<&Self>) -> Self {
        let was = |bound| before.and_then(|it| it.0.get(bound)).copied().unwrap_or_default();
        Self(self.0.iter().map(|(bound, now)| (*bound, rise(was(bound), *now))).collect())
    }

    /// The value beneath which this share of the observations is, between two bounds in proportion. Nothing
    /// of nothing; above the last bound, that bound itself.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.0.last_key_value().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let wanted = all * share;
        let (mut bound_before, mut count_before) = (0.0, 0.0);
        for (bound, count) in self.0.iter().map(|(bound, count)| (f64::from_bits(*bound), *count)) {
            if count >= wanted {
                let within = count - count_before;
                let part = if within > 0.0 { (wanted - count_before) / within } else { 1.0 };
                let width = bound - bound_before;
                return Some(if bound.is_finite() {
                    bound_before + width * part
                } else {
                    bound_before
                });
            }
            (bound_before, count_before) = (bound, count);
        }
        Some(bound_before)
    }
}

/// How much a counter has grown. One that has fallen began anew at nothing.
pub(super) fn rise(before: f64, now: f64) -> f64 {
    if now < before { now } else { now - before }
}

impl Reading {
    /// What this text says, read at this moment; nothing where it is not that of a Signalbox.
    pub(super) fn of(text: &str, at: f64) -> Option<Self> {
        let mut reading = Self { at, ..Self::default() };
        samples(text).for_each(|sample| reading.take(&sample));
        (!reading.version.is_empty()).then_some(reading)
    }

    fn take(&mut self, it: &Sample<'_>) {
        let text = |label| it.label(label).to_owned();
        match it.name {
            "signalbox_build_info" => self.version = text("version"),
            "signalbox_policy_info" => self.policy = text("version"),
            "process_start_time_seconds" => self.start = it.value,
            "signalbox_ready" if it.value == 0.0 => self.failing.push(text("check")),
            "signalbox_refusals_total" => self.refused += it.value,
            "signalbox_ledger_pending" => self.pending += it.value,
            "signalbox_stage_seconds_bucket" => {
                self.stages.entry(text("stage")).or_default().add(it);
            }
            "signalbox_cost_total" => {
                self.currency = text("currency");
                self.model("model", it).cost += it.value;
                self.team(it).cost += it.value;
            }
            "signalbox_tokens_total" if ["output", "reasoning"].contains(&it.label("type")) => {
                self.model("model", it).tokens += it.value;
                self.team(it).tokens += it.value;
            }
            "gen_ai_server_time_to_first_token_seconds_bucket" => {
                self.model("gen_ai_request_model", it).first_token.add(it);
            }
            _ => {
                self.take_of_model(it);
                self.take_of_budget(it);
            }
        }
    }

    fn take_of_model(&mut self, it: &Sample<'_>) {
        match it.name {
            // Each model of the configuration has a row, asked for or not.
            "signalbox_model_info" => _ = self.model("model", it),
            "signalbox_requests_total" => {
                let model = self.model("model", it);
                model.requests += it.value;
                match it.label("outcome") {
                    "ok" => model.ok += it.value,
                    "failed" | "cut" => model.errors += it.value,
                    _ => {}
                }
            }
            "signalbox_queue_waiting" => self.model("model", it).queue += it.value,
            "signalbox_endpoint_in_flight" => {
                let model = self.model("model", it);
                model.endpoints += 1;
                model.in_flight += it.value;
            }
            "signalbox_endpoint_up" if it.value > 0.0 => self.model("model", it).up += 1,
            _ => {}
        }
    }

    fn take_of_budget(&mut self, it: &Sample<'_>) {
        let Some(part) = it.name.strip_prefix("signalbox_budget_") else { return };
        if !["limit", "spent", "reserved"].contains(&part) {
            return;
        }
        let currency = it.label("currency").to_owned();
        let budget = self.team(it).budgets.entry(it.label("window").to_owned()).or_default();
        match part {
            "limit" => budget.limit = it.value,
            "spent" => budget.spent = it.value,
            _ => budget.reserved = it.value,
        }
        self.currency = currency;
    }

    fn model(&mut self, label: &str, it: &Sample<'_>) -> &mut Model {
        self.models.entry(it.label(label).to_owned()).or_default()
    }

    fn team(&mut self, it: &Sample<'_>) -> &mut Team {
        self.teams.entry(it.label("team").to_owned()).or_default()
    }
}
