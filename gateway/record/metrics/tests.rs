use std::time::Duration;

use policies::{
    Matched,
    experiment::{ArmIndex, Enrolled, ExperimentIndex},
    facts::{Content, DataClass, Language, ModelFacts, ModelIndex, Money, Task},
};

use super::*;
use crate::{
    outcome::{AttemptRecord, AttemptResult, Caller, ShadowOf, TeamId, UsageSource},
    record::sample,
};

fn lines<'a>(text: &'a str, metric: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(metric)).collect()
}

/// Without the lines of histograms' buckets, help and type.
fn plain(text: &str) -> String {
    let plain = |line: &&str| !line.starts_with('#') && !line.contains("_bucket");
    text.lines().filter(plain).map(|line| format!("{line}\n")).collect()
}

/// One reading of each gauge, one that comes twice and one that is wrong.
fn readings() -> Vec<GaugeReading> {
    let label = |text: &str| Arc::<str>::from(text);
    let endpoint = || [label("qwen"), label("10.0.0.11:8000")];
    let budget = || [label("retail"), label("month"), label("USD")];
    let half = Money::from_nano(500_000_000);
    vec![
        GaugeReading::count(Gauge::EndpointUp, endpoint(), 1),
        GaugeReading::count(Gauge::EndpointInFlight, endpoint(), 2),
        GaugeReading::count(Gauge::EndpointInFlight, endpoint(), 3),
        GaugeReading::money(Gauge::BudgetLimit, budget(), half),
        GaugeReading::money(Gauge::BudgetSpent, budget(), Money::from_nano(1_234)),
        GaugeReading::money(Gauge::BudgetReserved, budget(), Money::ZERO),
        GaugeReading::info(Gauge::PolicyInfo, label("2026-01"), label("aabb")),
        GaugeReading::count(Gauge::ConfigInfo, [label("ffee")], 1),
        GaugeReading::count(Gauge::QueueWaiting, [label("qwen")], 6),
        GaugeReading::count(Gauge::LedgerPending, [], 4),
        GaugeReading::count(Gauge::LedgerPending, [label("one too many")], 5),
        GaugeReading::count(Gauge::BudgetHard, budget(), 1),
        GaugeReading::number(Gauge::BudgetWindowStart, budget(), 1_767_225_600.0),
        GaugeReading::number(Gauge::BudgetWindowEnd, budget(), 1_769_904_000.0),
        GaugeReading::money(Gauge::Price, [label("qwen"), label("output")], half),
        GaugeReading::money(Gauge::GpuCost, [label("qwen"), label("USD")], half),
        GaugeReading::count(
            Gauge::ModelInfo,
            [label("qwen"), label("qwen3"), label("on_prem"), label("")],
            1,
        ),
        GaugeReading::number(Gauge::LedgerDiskFree, [], 5e10),
        GaugeReading::count(Gauge::KeysExpiring, [label("7d")], 2),
        GaugeReading::count(Gauge::Ready, [label("ledger")], 1),
        GaugeReading::number(Gauge::ProcessStart, [], 1_767_323_045.678),
        GaugeReading::number(Gauge::ProcessCpu, [], 1.5),
        GaugeReading::number(Gauge::ProcessResident, [], 73_728.0),
        GaugeReading::number(Gauge::ProcessVirtual, [], 147_456.0),
        GaugeReading::number(Gauge::ProcessThreads, [], 5.0),
        GaugeReading::number(Gauge::ProcessOpenFds, [], 12.0),
        GaugeReading::number(Gauge::ProcessMaxFds, [], 1_024.0),
    ]
}

/// The labels of what is measured as the conventions for generative AI have it.
const SERVER: &str = "gen_ai_operation_name=\"chat\",gen_ai_request_model=\"qwen\",\
                      signalbox_task=\"banking\"";

/// The lines up to those of the stages.
fn expected_head() -> String {
    let server = SERVER;
    format!(
        "gen_ai_server_request_duration_seconds_sum{{{server}}} 0.5
gen_ai_server_request_duration_seconds_count{{{server}}} 1
gen_ai_server_time_per_output_token_seconds_sum{{{server}}} 0.01
gen_ai_server_time_per_output_token_seconds_count{{{server}}} 1
gen_ai_server_time_to_first_token_seconds_sum{{{server}}} 0.1
gen_ai_server_time_to_first_token_seconds_count{{{server}}} 1
process_cpu_seconds_total 1.5
process_max_fds 1024
process_open_fds 12
process_resident_memory_bytes 73728
process_start_time_seconds 1767323045.678
process_threads 5
process_virtual_memory_bytes 147456
signalbox_attempt_seconds_sum{{endpoint=\"10.0.0.11:8000\",model=\"gemma\"}} 0.5
signalbox_attempt_seconds_count{{endpoint=\"10.0.0.11:8000\",model=\"gemma\"}} 1
signalbox_attempt_seconds_sum{{endpoint=\"10.0.0.11:8000\",model=\"qwen\"}} 0.5
signalbox_attempt_seconds_count{{endpoint=\"10.0.0.11:8000\",model=\"qwen\"}} 1
signalbox_attempts_total{{endpoint=\"10.0.0.11:8000\",model=\"gemma\",result=\"cancelled\"}} 1
signalbox_attempts_total{{endpoint=\"10.0.0.11:8000\",model=\"qwen\",result=\"ok\"}} 1
signalbox_budget_hard{{currency=\"USD\",team=\"retail\",window=\"month\"}} 1
signalbox_budget_limit{{currency=\"USD\",team=\"retail\",window=\"month\"}} 0.5
signalbox_budget_reserved{{currency=\"USD\",team=\"retail\",window=\"month\"}} 0
signalbox_budget_spent{{currency=\"USD\",team=\"retail\",window=\"month\"}} 0.000001234
signalbox_budget_window_end_timestamp_seconds{{currency=\"USD\",team=\"retail\",\
window=\"month\"}} 1769904000
signalbox_budget_window_start_timestamp_seconds{{currency=\"USD\",team=\"retail\",\
window=\"month\"}} 1767225600
signalbox_build_info{{hash=\"\",version=\"{version}\"}} 1
signalbox_config_info{{hash=\"ffee\"}} 1
signalbox_config_reloads_total{{result=\"applied\"}} 0
signalbox_config_reloads_total{{result=\"refused\"}} 0
signalbox_config_reloads_total{{result=\"unchanged\"}} 0
signalbox_config_stale 0
signalbox_cost_total{{currency=\"USD\",language=\"ms\",model=\"qwen\",task=\"banking\",\
team=\"retail\"}} 0.000001234
signalbox_decisions_total{{model=\"qwen\",rule=\"malay\"}} 1
signalbox_ejections_total{{cause=\"timeout\",endpoint=\"10.0.0.11:8000\",model=\"qwen\"}} 1
signalbox_endpoint_in_flight{{endpoint=\"10.0.0.11:8000\",model=\"qwen\"}} 3
signalbox_endpoint_up{{endpoint=\"10.0.0.11:8000\",model=\"qwen\"}} 1
signalbox_gpu_cost_per_hour{{currency=\"USD\",model=\"qwen\"}} 0.5
signalbox_keys_expiring{{within=\"7d\"}} 2
signalbox_ledger_commit_seconds_sum 0.002
signalbox_ledger_commit_seconds_count 1
signalbox_ledger_disk_free_bytes 50000000000
signalbox_ledger_pending 4
signalbox_model_info{{family=\"qwen3\",licence=\"\",model=\"qwen\",zone=\"on_prem\"}} 1
signalbox_policy_info{{hash=\"aabb\",version=\"2026-01\"}} 1
signalbox_price{{model=\"qwen\",type=\"output\"}} 0.5
signalbox_queue_waiting{{model=\"qwen\"}} 6
signalbox_ready{{check=\"ledger\"}} 1
signalbox_refusals_total{{kind=\"rate_limited\",stage=\"admit\"}} 1
signalbox_refusals_unrecorded_total 0
signalbox_requests_total{{language=\"ms\",model=\"qwen\",outcome=\"ok\",task=\"banking\"}} 1
",
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[test]
fn one_request_is_exposed_under_the_names_promised() {
    let metrics = Metrics::new(20_000).unwrap();
    let names = sample::names();
    let mut outcome = sample::outcome(sample::opened(1, &names));
    outcome.charge.usage.source = UsageSource::Estimated;
    outcome.stages = [Duration::ZERO; 8];
    outcome.stages[Stage::Decide as usize] = Duration::from_micros(30);
    let mut failed = outcome.attempt_log.attempts[0].clone();
    (failed.model, failed.endpoint, failed.result) = (ModelIndex(1), 40, None);
    outcome.attempt_log.attempts.push(failed);
    metrics.opened(&outcome.opened);
    metrics.closed(&outcome);
    metrics.refused(&sample::refused(0, &names), true);
    metrics.ejected("qwen", "10.0.0.11:8000", "timeout");
    metrics.commit_seen()(Duration::from_millis(2));
    metrics.register_gauges(Box::new(readings));
    let text = metrics.expose().unwrap();
    let plain = plain(&text);
    let (head, tail) = plain.split_at(plain.find("signalbox_stage_seconds_sum").unwrap());
    assert_eq!(head, expected_head());
    let stage = "signalbox_stage_seconds_count{stage=\"decide\"} 1\n";
    assert!(tail.contains(stage), "{tail}");
    assert!(!tail.contains("stage=\"dispatch\""), "it is never the gateway's own time");
    assert!(tail.contains("signalbox_stage_seconds_count{stage=\"admit\"} 0\n"), "not reached");
    let end = "signalbox_tokens_total{model=\"qwen\",team=\"retail\",type=\"cached_input\"} 10
signalbox_tokens_total{model=\"qwen\",team=\"retail\",type=\"input\"} 90
signalbox_tokens_total{model=\"qwen\",team=\"retail\",type=\"output\"} 40
signalbox_tokens_total{model=\"qwen\",team=\"retail\",type=\"reasoning\"} 1
signalbox_usage_estimated_total{model=\"qwen\"} 1
";
    assert!(tail.ends_with(end), "{tail}");
}

#[test]
fn every_metric_has_help_and_a_histogram_has_at_most_16_buckets() {
    let metrics = Metrics::new(20_000).unwrap();
    metrics.closed(&sample::outcome(sample::opened(1, &sample::names())));
    let text = metrics.expose().unwrap();
    let types = lines(&text, "# TYPE");
    assert_eq!(types.len(), lines(&text, "# HELP").len());
    for line in types {
        let name = line.split(' ').nth(2).unwrap();
        let counter = line.ends_with(" counter");
        assert_eq!(counter, name.ends_with("_total"), "{line}");
        assert!(lines(&text, &format!("# HELP {name} ")).iter().all(|help| help.ends_with('.')));
    }
}

/// The least and the largest bound of a histogram's buckets, and how many there are with `+Inf`.
fn buckets(text: &str, (histogram, labels): (&str, &str)) -> (f64, f64, usize) {
    let bound = |line: &&str| {
        let (_, from) = line.split_once("le=\"").unwrap();
        from.split('"').next().unwrap().parse::<f64>().unwrap()
    };
    let bounds: Vec<f64> =
        lines(text, &format!("{histogram}_bucket{labels}")).iter().map(bound).collect();
    assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
    (bounds[0], bounds[bounds.len() - 2], bounds.len())
}

#[test]
fn buckets_fit_the_times_of_models_that_write_token_by_token() {
    let metrics = Metrics::new(20_000).unwrap();
    metrics.closed(&sample::outcome(sample::opened(1, &sample::names())));
    let text = metrics.expose().unwrap();
    let of = |histogram| buckets(&text, (histogram, ""));
    assert_eq!(of("gen_ai_server_request_duration_seconds"), (0.001, 600.0, 16));
    assert_eq!(of("signalbox_attempt_seconds"), (0.001, 600.0, 16));
    assert_eq!(of("gen_ai_server_time_to_first_token_seconds"), (0.005, 60.0, 16));
    assert_eq!(of("gen_ai_server_time_per_output_token_seconds"), (0.001, 2.0, 16));
    assert_eq!(of("signalbox_ledger_commit_seconds").2, 16);
    assert_eq!(buckets(&text, ("signalbox_stage_seconds", "{stage=\"decide\"")).2, 16);
}

#[test]
fn an_attempt_is_timed_at_its_endpoint_however_many_there_are() {
    let metrics = Metrics::new(200_000).unwrap();
    let mut outcome = sample::outcome(sample::opened(1, &sample::names()));
    let attempt = outcome.attempt_log.attempts[0].clone();
    outcome.attempt_log.attempts = [0, 1, 31, 32, 95, 96, 700]
        .map(|endpoint| {
            let label = format!("10.0.0.{endpoint}:8000").into();
            AttemptRecord { endpoint, endpoint_label: label, ..attempt.clone() }
        })
        .into_iter()
        .collect();
    for _ in 0..3 {
        metrics.closed(&outcome);
    }
    let text = metrics.expose().unwrap();
    for metric in ["signalbox_attempt_seconds_count", "signalbox_attempts_total"] {
        let counts = lines(&text, metric);
        assert_eq!(counts.len(), 7, "{counts:?}");
        assert!(counts.iter().all(|line| line.ends_with(" 3")), "{counts:?}");
    }
}

#[test]
fn times_that_contradict_each_other_are_never_below_nothing() {
    let metrics = Metrics::new(20_000).unwrap();
    let mut outcome = sample::outcome(sample::opened(1, &sample::names()));
    // As if the clock had been set back between the first token and the end.
    outcome.first_token = Some(Duration::from_secs(3_600));
    outcome.duration = Duration::ZERO;
    outcome.attempt_log.attempts[0].took = Some(Duration::ZERO);
    outcome.stages = [Duration::ZERO; 8];
    metrics.closed(&outcome);
    let text = metrics.expose().unwrap();
    assert!(!text.lines().any(|line| line.contains(" -")), "{text}");
    let per_token = lines(&text, "gen_ai_server_time_per_output_token_seconds_sum");
    assert!(per_token[0].ends_with(" 0"), "{per_token:?}");
}

#[test]
fn whatever_stands_in_a_label_is_one_value_of_one_line() {
    let metrics = Metrics::new(20_000).unwrap();
    let nasty = "MIT \"or\" \\so\nup 1\r\u{2028}模型 \u{202e}{le=\"1\"} 7 # HELP";
    let info = [Arc::from("qwen"), Arc::from(""), Arc::from(""), Arc::from(nasty)];
    metrics.register_gauges(Box::new(move || {
        vec![GaugeReading::count(Gauge::ModelInfo, info.clone(), 1)]
    }));
    let text = metrics.expose().unwrap();
    let escaped =
        "licence=\"MIT \\\"or\\\" \\\\so\\nup 1\r\u{2028}模型 \u{202e}{le=\\\"1\\\"} 7 # HELP\",";
    let line = lines(&text, "signalbox_model_info{")[0];
    assert!(line.contains(escaped) && line.ends_with(" 1"), "{line:?}");
    assert!(lines(&text, "up").is_empty());
}

#[test]
fn money_is_exposed_as_the_exact_decimal() {
    let metrics = Metrics::new(20_000).unwrap();
    let names = sample::names();
    let mut sum = Money::ZERO;
    for nano in [1, 99, 8_388_606_999_999_999, 700_000_001] {
        let mut outcome = sample::outcome(sample::opened(1, &names));
        outcome.charge.cost = Money::from_nano(nano);
        metrics.closed(&outcome);
        sum = sum.saturating_add(outcome.charge.cost);
        let text = metrics.expose().unwrap();
        let line = lines(&text, "signalbox_cost_total")[0];
        assert_eq!(line.rsplit(' ').next().unwrap(), sum.to_string());
    }
}

#[test]
fn a_new_epoch_keeps_the_lines_of_the_old_one() {
    let metrics = Metrics::new(20_000).unwrap();
    let old = sample::names();
    let mut names = EpochInfo::clone(&old);
    // The same model at another position, and a team of another name.
    Arc::make_mut(&mut names.fleet).models.reverse();
    let new = Arc::new(names);
    for names in [&old, &new, &old, &new] {
        let mut opened = sample::opened(1, names);
        if Arc::ptr_eq(names, &new) {
            let wholesale = ("wholesale".into(), TeamId(70_000));
            let (team_name, team_id) = wholesale;
            let caller = Caller::clone(&opened.caller);
            let caller = Arc::new(Caller { team_name, team_id, ..caller });
            opened = Arc::new(Opened { caller, ..Opened::clone(&opened) });
        }
        let mut outcome = sample::outcome(opened);
        let qwen = names.models().iter().position(|model| &*model.id == "qwen").unwrap();
        outcome.attempt_log.attempts[0].model = ModelIndex(u16::try_from(qwen).unwrap());
        metrics.closed(&outcome);
    }
    let text = metrics.expose().unwrap();
    let requests = lines(&text, "signalbox_requests_total");
    assert_eq!(requests.len(), 1);
    assert!(requests[0].ends_with(" 4"), "{requests:?}");
    let cost = lines(&text, "signalbox_cost_total");
    assert_eq!(cost.len(), 2, "{cost:?}");
    assert!(cost.iter().all(|line| line.ends_with(" 0.000002468")), "{cost:?}");
    for _ in 0..2 * EPOCHS {
        metrics.closed(&sample::outcome(sample::opened(1, &sample::names())));
    }
    assert_eq!(metrics.inner.epochs.load().len(), EPOCHS, "old epochs are let go");
}

#[test]
fn when_full_the_language_folds_first_then_the_task_and_never_the_team_or_model() {
    let metrics = Metrics::new(2_000).unwrap();
    let mut names = EpochInfo::clone(&sample::names());
    Arc::make_mut(&mut names.fleet).models = (0..3)
        .map(|n| ModelFacts { id: format!("model-{n}").into(), ..ModelFacts::default() })
        .collect();
    let names = Arc::new(names);
    let mut requests = 0;
    for model in 0..3 {
        for &task in Task::ALL {
            for &language in Language::ALL {
                let opened = sample::opened_with(
                    requests,
                    Arc::clone(&names),
                    sample::signals(language, task),
                );
                let mut outcome = sample::outcome(opened);
                outcome.attempt_log.attempts[0].model = ModelIndex(model);
                metrics.closed(&outcome);
                requests += 1;
            }
        }
    }
    let text = metrics.expose().unwrap();
    let exposed = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(exposed <= 2_000, "{exposed} lines");
    let cost = lines(&text, "signalbox_cost_total");
    let with = |labels: &[&str]| {
        cost.iter().filter(|line| labels.iter().all(|label| line.contains(label))).count()
    };
    let both = with(&["language=\"other\"", "task=\"other\""]);
    assert!(with(&["language=\"other\""]) > both, "the language alone, at first");
    assert!(both > 0, "then the task");
    assert_eq!(with(&["task=\"other\""]), both, "never the task alone");
    for model in 0..3 {
        assert!(with(&[&format!("model=\"model-{model}\""), "team=\"retail\""]) > 0);
    }
    assert!(!text.contains("team=\"other\"") && !text.contains("model=\"other\""));
    let sum = |metric: &str| -> f64 {
        let value = |line: &&str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        lines(&text, metric).iter().map(value).sum()
    };
    assert!((sum("signalbox_requests_total") - requests as f64).abs() < 0.5, "none is lost");
    assert!(sum("signalbox_series_folded_total") > 0.0);
}

#[test]
fn positions_beyond_any_table_are_counted_under_their_names() {
    let metrics = Metrics::new(20_000).unwrap();
    let names = sample::names();
    let mut opened = Opened::clone(&sample::opened(1, &names));
    let mut plan = policies::Plan::clone(&opened.plan);
    for (matched, rule) in [
        (Matched::Default, "default"),
        (Matched::Pin, "pin"),
        (Matched::Alias(0), "alias:a"),
        (Matched::Alias(400), "alias:b"),
        (Matched::Alias(401), "alias:c"),
        (Matched::Rule(policies::facts::RuleIndex(900)), "late"),
    ] {
        plan.matched = matched;
        plan.rule = rule.into();
        opened.plan = Arc::new(plan.clone());
        metrics.opened(&opened);
        let line = format!("signalbox_decisions_total{{model=\"qwen\",rule=\"{rule}\"}} 1");
        assert_eq!(lines(&metrics.expose().unwrap(), &line).len(), 1, "{line}");
    }
    let mut outcome = sample::outcome(Arc::new(opened));
    outcome.attempt_log.attempts[0].model = ModelIndex(77);
    outcome.attempt_log.attempts[0].result = Some(AttemptResult::Timeout);
    metrics.closed(&outcome);
    let text = metrics.expose().unwrap();
    assert_eq!(lines(&text, "signalbox_requests_total{language=\"ms\",model=\"unknown\"").len(), 1);
}

#[test]
fn a_request_is_counted_once_for_each_kind_that_it_contains_whatever_their_number() {
    let metrics = Metrics::new(20_000).unwrap();
    let mut signals = sample::signals(Language::En, Task::Chat);
    metrics.opened(&sample::opened_with(1, sample::names(), signals.clone()));
    signals.contains.add_many(Content::Phone, 7);
    for class in [DataClass::Internal, DataClass::Internal, DataClass::Secret] {
        signals.data_class = class;
        signals.contains.add(Content::PaymentCard);
        let opened = sample::opened_with(2, sample::names(), signals.clone());
        metrics.opened(&opened);
        // What a shadow repeats is no other request.
        let enrolled = Enrolled { experiment: ExperimentIndex(0), arm: ArmIndex(0), unit: 1 };
        let shadow_of = Some(ShadowOf { request: opened.id, arm: enrolled });
        metrics.opened(&Arc::new(Opened { shadow_of, ..Opened::clone(&opened) }));
    }
    let line = |kind: &str, class: &str, count: u32| {
        format!("signalbox_contains_total{{data_class=\"{class}\",kind=\"{kind}\"}} {count}")
    };
    assert_eq!(
        lines(&metrics.expose().unwrap(), "signalbox_contains_total"),
        [
            line("payment_card", "internal", 2),
            line("phone", "internal", 2),
            line("payment_card", "secret", 1),
            line("phone", "secret", 1),
        ]
    );
}

proptest::proptest! {
    /// The cap holds in whatever order label sets come, as long as what cannot fold has its room.
    #[test]
    fn the_lines_that_are_made_stay_under_the_cap(
        seed in proptest::collection::vec((0_u16..4, 0_usize..200, 0_usize..200), 1..1_200),
    ) {
        // Of four models and one team: 4 × (4 + 3 × 18 + 1 + 5 + 1 + 8 + 18), and what is always there.
        let (cap, alone) = (1_000, 4 * 91 + 200);
        let metrics = Metrics::new(cap).unwrap();
        metrics.keep_free(alone);
        let mut names = EpochInfo::clone(&sample::names());
        Arc::make_mut(&mut names.fleet).models = (0..4)
            .map(|n| ModelFacts { id: format!("model-{n}").into(), ..ModelFacts::default() })
            .collect();
        let names = Arc::new(names);
        for (model, task, language) in seed {
            let task = Task::ALL[task % Task::COUNT];
            let language = Language::ALL[language % Language::COUNT];
            let signals = sample::signals(language, task);
            let opened = sample::opened_with(1, Arc::clone(&names), signals);
            metrics.opened(&opened);
            let mut outcome = sample::outcome(opened);
            outcome.attempt_log.attempts[0].model = ModelIndex(model);
            metrics.closed(&outcome);
        }
        let text = metrics.expose().unwrap();
        let exposed = text.lines().filter(|line| !line.starts_with('#')).count();
        proptest::prop_assert!(exposed <= cap, "{} lines", exposed);
    }
}
