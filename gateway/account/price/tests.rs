use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use policies::{
    Matched, Planned, Policy, Why, catalogue,
    facts::{
        Draw, FleetFacts, FleetView, ModelFacts, ModelIndex, ModelView, Needs, Price, Timeouts,
        Tokens,
    },
};
use proptest::prelude::*;
use smallvec::smallvec;

use super::*;

fn price(input: i64, output: i64) -> Price {
    let per_token = |nano: i64| Money::from_nano(nano * 1_000_000);
    Price {
        input: per_token(input),
        cached_input: per_token(1),
        cache_write: per_token(input),
        output: per_token(output),
        reasoning: per_token(output),
    }
}

/// Two models: 10 and 100 nano-units a token of input and output, and 20 and 400.
fn names() -> EpochInfo {
    let model =
        |id: &str, price| ModelFacts { id: id.into(), price: Some(price), ..ModelFacts::default() };
    let models = vec![model("cheap", price(10, 100)), model("dear", price(20, 400))];
    EpochInfo {
        replica: "r".into(),
        currency: "USD".into(),
        policy_version: "1".into(),
        policy_hash: "".into(),
        policy: None,
        price_version: "".into(),
        fleet: Arc::new(FleetFacts { models, ..FleetFacts::default() }),
        experiments: Arc::default(),
    }
}

fn plan() -> Plan {
    let planned = |model, most| Planned {
        model: ModelIndex(model),
        timeouts: Timeouts::default(),
        context_tokens_max: Tokens(200_000),
        output_tokens_max: Tokens(most),
        held_tokens_max: Tokens(20),
    };
    Plan {
        matched: Matched::Default,
        arm: None,
        rule: "default".into(),
        attempts: smallvec![planned(0, 1_000), planned(1, 200)],
        retries_max: 1,
        hedge: None,
        slow_stream: None,
        validates: false,
        cache_ttl_s: None,
        last_resort: false,
        cost_max: Money::MAX,
        output_tokens_bound: Tokens(1_000),
        input_tokens: Tokens(50),
        input_tokens_bound: Tokens(80),
        why: Why::default(),
    }
}

/// 50 tokens of input by estimate, 80 at the most.
fn signals() -> Signals {
    let mut signals = Signals::chat("auto");
    (signals.input_tokens, signals.input_tokens_bound) = (Tokens(50), Tokens(80));
    signals
}

fn attempt(model: u16, sent: bool, result: AttemptResult) -> AttemptRecord {
    AttemptRecord {
        model: ModelIndex(model),
        endpoint: 0,
        endpoint_label: "host:1".into(),
        started: Instant::now(),
        took: None,
        result: Some(result),
        cause: None,
        sent,
        held: Tokens(0),
        used: None,
    }
}

#[test]
fn an_answer_that_came_whole_and_was_not_passed_on_costs_what_it_used() {
    let used = Used { reported: reported(10, 0, 5), counted_output: Tokens(5) };
    let failed = AttemptRecord { used: Some(used), ..attempt(0, true, AttemptResult::Invalid) };
    let cost = |attempt: AttemptRecord| {
        let log = AttemptLog { attempts: smallvec![attempt], ..AttemptLog::default() };
        charge(&log, &signals(), &plan(), &names())
    };
    let charged = cost(failed.clone());
    assert_eq!(charged.usage.counts, used.reported.unwrap());
    assert_eq!(charged.usage.source, UsageSource::Reported);
    assert!(charged.cost > Money::ZERO && charged.served.is_none());
    let counted = Used { reported: None, ..used };
    let counted = cost(AttemptRecord { used: Some(counted), ..failed.clone() });
    assert_eq!((counted.usage.counts.output, counted.usage.source), (5, UsageSource::Estimated));
    assert_eq!(cost(AttemptRecord { used: None, ..failed }).cost, Money::ZERO);
}

fn reported(input: u32, cached_input: u32, output: u32) -> Option<Counts> {
    Some(Counts { input, cached_input, output, ..Counts::default() })
}

/// What a log costs, in nano-units, and by whose figures.
fn cost(log: &AttemptLog) -> (i64, UsageSource) {
    let charge = charge(log, &signals(), &plan(), &names());
    (charge.cost.nano(), charge.usage.source)
}

fn log(attempts: &[AttemptRecord]) -> AttemptLog {
    AttemptLog { attempts: attempts.into(), ..AttemptLog::default() }
}

#[test]
fn what_failed_before_content_is_free() {
    use AttemptResult as R;
    for result in [R::Connect, R::Status, R::Invalid] {
        assert_eq!(cost(&log(&[attempt(0, true, result)])), (0, UsageSource::Reported));
    }
    for result in [R::Timeout, R::Cancelled, R::LostHedge, R::Connect] {
        assert_eq!(cost(&log(&[attempt(0, false, result)])).0, 0, "not wholly sent");
    }
    assert_eq!(cost(&log(&[])).0, 0);
}

#[test]
fn what_was_sent_and_given_up_costs_its_input() {
    use AttemptResult as R;
    for result in [R::Timeout, R::Cancelled, R::LostHedge] {
        let log = log(&[attempt(0, true, result)]);
        assert_eq!(cost(&log), (500, UsageSource::Estimated), "{result:?}");
    }
    let running = AttemptRecord { result: None, ..attempt(1, true, AttemptResult::Ok) };
    assert_eq!(cost(&log(&[running])), (1_000, UsageSource::Estimated));
}

#[test]
fn what_was_given_up_while_it_was_held_costs_its_output_up_to_what_is_reserved() {
    use AttemptResult as R;
    let held = |tokens, result| {
        let given_up = AttemptRecord { held: Tokens(tokens), ..attempt(0, true, result) };
        cost(&log(&[given_up])).0
    };
    for result in [R::Timeout, R::Cancelled, R::LostHedge] {
        assert_eq!(held(3, result), 500 + 300, "{result:?}");
        assert_eq!(held(20, result), 500 + 2_000, "{result:?}");
        assert_eq!(held(u32::MAX, result), 500 + 2_000, "{result:?}");
    }
    assert_eq!(held(3, R::Invalid), 0, "it failed");
    let committed = AttemptRecord { held: Tokens(3), ..attempt(0, true, R::Ok) };
    let mut log = log(&[committed]);
    (log.committed, log.complete, log.reported) = (Some(0), true, reported(40, 0, 7));
    assert_eq!(cost(&log), (400 + 700, UsageSource::Reported), "nothing twice");
}

#[test]
fn a_complete_answer_costs_what_was_reported() {
    let mut log = log(&[attempt(0, true, AttemptResult::Ok)]);
    (log.committed, log.complete) = (Some(0), true);
    log.reported = reported(40, 10, 300);
    assert_eq!(cost(&log), (400 + 10 + 30_000, UsageSource::Reported));
    log.reported = None;
    log.counted_output = Tokens(7);
    assert_eq!(cost(&log), (500 + 700, UsageSource::Estimated), "nothing reported: we count");
}

#[test]
fn figures_that_cannot_be_are_replaced_by_ours() {
    for counts in [
        reported(200_000, 0, 1),
        reported(100_000, 100_000, 1),
        reported(1, 0, 200_000),
        reported(u32::MAX, u32::MAX, 1),
    ] {
        let mut log = log(&[attempt(0, true, AttemptResult::Ok)]);
        (log.committed, log.complete) = (Some(0), true);
        (log.reported, log.counted_output) = (counts, Tokens(9));
        assert_eq!(cost(&log), (500 + 900, UsageSource::Estimated), "{counts:?}");
    }
}

#[test]
fn a_report_that_the_bytes_bear_out_is_believed_above_a_context() {
    let mut log = log(&[attempt(0, true, AttemptResult::Ok)]);
    (log.committed, log.complete) = (Some(0), true);
    (log.reported, log.counted_output) = (reported(80, 0, 300_000), Tokens(75_000));
    assert_eq!(cost(&log), (800 + 30_000_000, UsageSource::Reported));
    log.counted_output = Tokens(74_999);
    assert_eq!(cost(&log).1, UsageSource::Estimated, "less than a byte a token");
    (log.reported, log.counted_output) = (reported(200_001, 0, 3), Tokens(3));
    assert_eq!(cost(&log).1, UsageSource::Estimated, "more than the prompt can be");
}

#[test]
fn what_is_above_the_plans_bound_is_a_fact() {
    let mut log = log(&[attempt(1, true, AttemptResult::Ok)]);
    (log.committed, log.complete) = (Some(0), true);
    log.reported = reported(10, 0, 1_000);
    assert_eq!(cost(&log), (200 + 1_000 * 400, UsageSource::Reported));
    (log.reported, log.counted_output) = (reported(90, 0, 12_000), Tokens(12_000));
    assert_eq!(cost(&log), (1_800 + 12_000 * 400, UsageSource::Reported));
    log.reported = None;
    assert_eq!(cost(&log), (1_000 + 12_000 * 400, UsageSource::Estimated), "and so is text");
}

#[test]
fn every_choice_has_a_context_of_its_own() {
    let mut signals = signals();
    let mut log = log(&[attempt(0, true, AttemptResult::Ok)]);
    (log.committed, log.complete) = (Some(0), true);
    (log.reported, log.counted_output) = (reported(50, 0, 300_000), Tokens(0));
    for (n, source) in [(1, UsageSource::Estimated), (2, UsageSource::Reported)] {
        signals.n = n;
        assert_eq!(charge(&log, &signals, &plan(), &names()).usage.source, source, "{n}");
    }
}

#[test]
fn an_answer_cut_off_costs_what_came() {
    let mut log = log(&[attempt(0, true, AttemptResult::Cut)]);
    log.committed = Some(0);
    log.counted_output = Tokens(12);
    assert_eq!(cost(&log), (500 + 1_200, UsageSource::Estimated));
    log.reported = reported(60, 0, 10);
    assert_eq!(cost(&log), (600 + 1_200, UsageSource::Estimated), "a running figure is behind");
    log.reported = reported(60, 0, 20);
    assert_eq!(cost(&log), (600 + 2_000, UsageSource::Estimated));
    log.counted_output = Tokens(5_000);
    assert_eq!(cost(&log), (600 + 500_000, UsageSource::Estimated), "whatever was planned");
}

#[test]
fn every_attempt_has_its_own_price() {
    let first = attempt(0, true, AttemptResult::Timeout);
    let mut log = log(&[first, attempt(1, true, AttemptResult::Ok)]);
    (log.committed, log.complete) = (Some(1), true);
    log.reported = reported(40, 0, 10);
    assert_eq!(cost(&log), (500 + 800 + 4_000, UsageSource::Estimated));
}

/// How attempts end (whether sent, which result, and what was held), which one committed, what its
/// backend reported, what was counted, and whether the answer was whole.
type End = (Vec<(bool, usize, u32)>, Option<usize>, [u32; 5], u32, bool);

/// All attempts that an envelope allows, with any ends.
fn any_trail() -> impl Strategy<Value = End> {
    // Figures near a bound are the ones that can break a law.
    let tokens = || prop_oneof![0_u32..3, 90_u32..110, 0_u32..400_000, Just(u32::MAX)];
    let end = (any::<bool>(), 0..AttemptResult::ALL.len(), tokens());
    // All that can be given up, and each with all it can have written, is the dearest end.
    let given_up = Just((true, AttemptResult::Timeout as usize, u32::MAX));
    let ends = proptest::collection::vec(end, 1..8);
    let ends = prop_oneof![ends, proptest::collection::vec(given_up, 1..8)];
    let counts = [tokens(), tokens(), tokens(), tokens(), tokens()];
    (ends, proptest::option::of(0_usize..8), counts, tokens(), any::<bool>())
}

/// What the attempt that served cost beyond its part of the reservation.
fn beyond(counts: Counts, most: Counts, (names, log): (&EpochInfo, &AttemptLog)) -> i64 {
    let served = &log.attempts[usize::from(log.committed.unwrap())];
    let price = names.models()[served.model.get()].price.unwrap_or_default();
    (price.cost(counts).nano() - price.cost(most).nano()).max(0)
}

static DECIDED: LazyLock<(Policy, FleetView)> = LazyLock::new(|| {
    let fleet = catalogue();
    let models = vec![ModelView::default(); fleet.models.len()];
    let document = "version = \"1\"\n[default]\nroute = [\"*\"]\n";
    (policies::compile(document, &fleet).unwrap(), FleetView { version: 1, models })
});

proptest! {
    /// No settle exceeds its reservation while engines keep to their bounds, or pass them as far as they did
    /// before, however attempts end. What one writes beyond is charged as it says, and nothing more.
    #[test]
    fn no_charge_is_above_the_reservation_but_by_what_was_written_beyond_it(
        (ends, committed, counts, counted, complete) in any_trail(),
        (bound, below, n) in (1_u32..200_000, 0_u32..100, 1_u8..4),
        asked in proptest::option::of(1_u32..5_000),
        overrun in prop_oneof![Just(0_u32), 0_u32..200_000],
        draw in any::<u64>(),
    ) {
        let (policy, view) = &*DECIDED;
        let mut view = view.clone();
        view.models.iter_mut().for_each(|it| it.overrun_tokens_max = Tokens(overrun));
        let mut signals = Signals::chat("auto");
        signals.input_tokens_bound = Tokens(bound);
        signals.input_tokens = Tokens(bound.saturating_sub(below));
        (signals.n, signals.output_tokens_asked) = (n, asked.map(Tokens));
        signals.needs = Needs::NONE;
        let plan = policies::decide(policy, &signals, &view, Draw(draw));
        prop_assume!(plan.is_ok());
        let plan = plan.unwrap();
        let names = EpochInfo {
            fleet: Arc::clone(policy.fleet()),
            experiments: Arc::default(),
            ..names()
        };
        // The envelope: each model once, then retries of the first.
        let first = plan.attempts.iter().take(1).cycle().take(plan.retries_max.into());
        let models = first.chain(&plan.attempts).map(|planned| planned.model.0);
        let attempts: Vec<_> = models.zip(&ends)
            .map(|(model, (sent, end, held))| AttemptRecord {
                held: Tokens(*held),
                used: None,
                ..attempt(model, *sent, AttemptResult::ALL[*end])
            })
            .collect();
        let [input, cached_input, cache_write, output, reasoning] = counts;
        let log = AttemptLog {
            committed: committed.filter(|at| *at < attempts.len()).map(|at| at as u8),
            attempts: attempts.into(),
            reported: Some(Counts { input, cached_input, cache_write, output, reasoning }),
            counted_output: Tokens(counted),
            complete,
            ..AttemptLog::default()
        };
        let cost = charge(&log, &signals, &plan, &names).cost;
        let served = log.committed.map(|at| {
            let used = Used { reported: log.reported, counted_output: log.counted_output };
            let context = context(&log.attempts[usize::from(at)], &plan);
            whole((used, log.complete), &signals, &plan, context)
        });
        let output = plan.output_tokens_bound.0 + overrun;
        let most = Counts { input: bound, output, ..Counts::default() };
        let beyond = served.map_or(0, |it| beyond(it.counts, most, (&names, &log)));
        prop_assert!(cost >= Money::ZERO);
        prop_assert!(cost.nano() <= plan.cost_max.nano() + beyond, "{cost} > {}", plan.cost_max);
        if let Some(Usage { counts, source: UsageSource::Reported }) = served {
            prop_assert_eq!(Some(counts), log.reported, "as it was said");
        }
    }
}
