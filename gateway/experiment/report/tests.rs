use policies::compile;

use super::{
    document::{GuardState, Role},
    *,
};

/// The first request of the sample: 2 March 2026, 00:00 UTC.
pub(crate) const SINCE_MS: i64 = 1_772_409_600_000;

/// Numbers that are the same in every run (SplitMix64).
pub(crate) struct Seeded(pub u64);

impl Seeded {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// About normal, with mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

const ARMS: [&str; 3] = ["gpt-oss", "qwen", "deepseek"];
const LANGUAGES: [&str; 3] = ["th", "ms", "en"];

pub(crate) fn experiment(rest: &str) -> Experiment {
    let arms: Vec<_> = ARMS
        .iter()
        .zip([0.4, 0.4, 0.2])
        .map(|(arm, share)| {
            format!("{{ name = \"{arm}\", share = {share}, params = {{ temperature = {share} }} }}")
        })
        .collect();
    let document = format!(
        "[[experiment]]\nname = \"chat-ab\"\nunit = \"user\"\nprimary = \"success\"\nbetter = \"higher\"\n\
         metrics = [\"cost\", \"first_token_ms\", \"error\"]\narms = [{}]\n{rest}\n\
         [default]\nroute = [\"kimi-k2.6\"]\n",
        arms.join(", ")
    );
    let policy = compile(&document, &policies::catalogue()).unwrap();
    let mut experiment = policy.experiments()[0].clone();
    experiment.version = "v1".into();
    experiment
}

pub(crate) const GUARD: &str =
    "guard = { error_rate_max = 0.1, first_token_p95_ms_max = 900, cost_mean_max = \"0.004\" }";

pub(crate) fn setup(experiment: Experiment, days: i64) -> Setup {
    Setup {
        experiment,
        state: State::Running,
        rolled_back: Vec::new(),
        ever_rolled_back: Vec::new(),
        guard_from_ms: Vec::new(),
        since_ms: Some(SINCE_MS),
        until_ms: SINCE_MS + days * DAY_MS,
        past_until_ms: SINCE_MS,
        feedback: vec!["success".into()],
        currency: "USD".into(),
    }
}

/// How the units of a sample differ.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub units: u32,
    pub days: i64,
    /// By how much each arm adds to the rate of success.
    pub adds: [f64; 3],
    pub seed: u64,
    /// The share of units with a past.
    pub past: f64,
}

pub(crate) const SAMPLE: Sample =
    Sample { units: 6_000, days: 9, adds: [0.0, 0.09, -0.02], seed: 7, past: 0.6 };

/// Requests of many users over some days, in the order of units and time.
pub(crate) fn sample(it: Sample) -> Vec<Observation<'static>> {
    const TOLD: [&[(usize, f64)]; 2] = [&[(0, 0.0)], &[(0, 1.0)]];
    let (mut random, mut all) = (Seeded(it.seed), Vec::new());
    for unit in 0..it.units {
        let place = random.unit();
        let arm = usize::from(place >= 0.4) + usize::from(place >= 0.8);
        let content = (0.55 + 0.25 * random.normal()).clamp(0.02, 0.88);
        let language = LANGUAGES[(random.unit() * 3.0) as usize];
        let mut request = |at_ms: i64, arm: Option<usize>| {
            let rate = content + arm.map_or(0.0, |arm| it.adds[arm]);
            let told = TOLD[usize::from(random.unit() < rate)];
            let slow = 300.0 + 200.0 * random.unit() + arm.map_or(0.0, |arm| 40.0 * arm as f64);
            let tokens = (80.0 + 200.0 * random.unit()).round();
            all.push(Observation {
                unit: u128::from(unit),
                at_ms,
                arm: arm.map(|arm| ARMS[arm]),
                language: Some(language),
                task: Some("chat"),
                team: Some(if unit % 3 == 0 { "private" } else { "retail" }),
                error: Some(random.unit() < 0.03),
                cost: Some(tokens * (1.0 + arm.unwrap_or(0) as f64 * 0.3) * 1e-6),
                first_token_ms: Some(slow),
                duration_ms: Some(slow + tokens * 9.0),
                output_tokens: Some(tokens),
                schema_valid: None,
                feedback: told,
            });
        };
        if Seeded(u64::from(unit) ^ it.seed << 32).unit() < it.past {
            (1..=6).for_each(|day| request(SINCE_MS - day * DAY_MS, None));
        }
        let span = (it.days * DAY_MS) as f64;
        let mut from = Seeded(u64::from(unit));
        let mut at = SINCE_MS + (from.unit() * span) as i64;
        let end = SINCE_MS + it.days * DAY_MS;
        for _ in 0..4 {
            if at <= end {
                request(at, Some(arm));
            }
            at += 20_000 + (from.unit() * 0.2 * span) as i64;
        }
    }
    all.sort_by_key(|it| (it.unit, it.at_ms));
    all
}

pub(crate) fn report(setup: Setup, all: &[Observation<'_>]) -> Report {
    let mut tally = Tally::new(setup);
    all.iter().for_each(|it| tally.read(it));
    compared::report(tally)
}

/// The sample's report.
pub(crate) fn golden() -> Report {
    report(setup(experiment(GUARD), SAMPLE.days), &sample(SAMPLE))
}

fn primary<'a>(report: &'a Report, arm: &str) -> &'a Difference {
    report.comparisons.iter().find(|it| it.primary && *it.arm == *arm).unwrap()
}

#[test]
fn a_better_arm_is_shipped_with_its_cost() {
    let it = golden();
    assert_eq!(it.verdict.decision, Decision::Ship, "{}", it.verdict.text);
    assert_eq!(it.verdict.arm.as_deref(), Some("qwen"));
    assert!(it.verdict.text.contains("It costs") && it.srm.ok);
    let qwen = primary(&it, "qwen");
    assert!((qwen.low.unwrap()..qwen.high.unwrap()).contains(&0.09), "{qwen:?}");
    assert!((qwen.alpha - 0.025).abs() < 1e-12);
    let cost = it.comparisons.iter().find(|it| &*it.metric == "cost").unwrap();
    assert_eq!((cost.role, cost.alpha), (Role::Secondary, 0.05 / 6.0));
    // The last look of the picture is the report's own interval.
    let last = it.looks[0].points.last().unwrap();
    assert_eq!((last.low, last.high), (qwen.low, qwen.high));
    assert!(it.guard.iter().all(|it| it.state == GuardState::Holds), "{:?}", it.guard);
    assert!(it.segments.iter().all(|it| it.exploratory && it.alpha < 0.025));
    // A task that all requests share tells nothing apart.
    assert!(it.segments.iter().any(|it| it.by == "language"));
    assert!(it.segments.iter().all(|it| it.by != "task"));
}

#[test]
fn the_order_of_units_changes_no_figure() {
    let all = sample(Sample { units: 900, ..SAMPLE });
    let mut turned = all.clone();
    turned.sort_by_key(|it| (u128::MAX - it.unit, it.at_ms));
    let [one, other] = [&all, &turned]
        .map(|all| serde_json::to_value(report(setup(experiment(GUARD), 9), all)).unwrap());
    assert!(alike(&one, &other), "{one}\n{other}");
    let again = serde_json::to_value(report(setup(experiment(GUARD), 9), &all)).unwrap();
    assert_eq!(one, again);
}

/// Whether two documents are the same but for what adding up in another order rounds.
fn alike(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * (1.0 + a.abs())
        }
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Object(a), Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| alike(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn twins_show_nothing_and_move_no_one_elses_figures() {
    let alike = Sample { adds: [0.0; 3], ..SAMPLE };
    let it = report(setup(experiment(GUARD), 9), &sample(alike));
    assert!(it.comparisons.iter().filter(|it| it.primary).all(|it| !it.significant));
    assert!(matches!(it.verdict.decision, Decision::Continue | Decision::Stop));
    // What another arm's units do is nothing to an arm's difference from the control.
    let other = report(
        setup(experiment(GUARD), 9),
        &sample(alike).into_iter().filter(|it| it.arm != Some("deepseek")).collect::<Vec<_>>(),
    );
    assert_eq!(primary(&it, "qwen").difference, primary(&other, "qwen").difference);
    assert!(!other.srm.ok, "an arm without a unit is a mismatch: {:?}", other.srm);
}

#[test]
fn the_past_narrows_and_does_not_bias() {
    let (mut sum, mut covered, runs) = (0.0, 0, 40);
    for seed in 0..runs {
        let it = Sample { units: 2_000, past: 1.0, seed: 1_000 + seed, ..SAMPLE };
        let all = sample(it);
        let with = report(setup(experiment(""), 9), &all);
        let without: Vec<_> = all.into_iter().filter(|it| it.at_ms >= SINCE_MS).collect();
        let without = report(setup(experiment(""), 9), &without);
        let (with, without) = (primary(&with, "qwen"), primary(&without, "qwen"));
        let width = |it: &Difference| it.high.unwrap() - it.low.unwrap();
        assert!(width(with) < 0.93 * width(without), "{with:?} {without:?}");
        let narrowed = with.past.unwrap().narrowed.unwrap();
        assert!((1.0 - narrowed - width(with) / width(without)).abs() < 1e-9);
        assert!(without.past.is_none());
        sum += with.difference.unwrap();
        covered += i32::from((with.low.unwrap()..with.high.unwrap()).contains(&0.09));
    }
    // 40 runs with a deviation of about 0.012 each: the mean is within 0.006 of the truth.
    let mean = sum / runs as f64;
    assert!((mean - 0.09).abs() < 0.006, "{mean}");
    assert!(covered >= 39, "{covered}");
}

#[test]
fn a_few_units_with_a_past_are_too_few() {
    let it =
        report(setup(experiment(""), 9), &sample(Sample { past: 0.01, units: 2_000, ..SAMPLE }));
    assert!(it.comparisons.iter().all(|it| it.past.is_none()));
}

#[test]
fn too_early_says_how_long_it_takes() {
    let mut early = experiment("units_min = 5000\ndays_min = 14");
    let all = sample(Sample { units: 2_000, ..SAMPLE });
    let it = report(setup(early.clone(), 9), &all);
    assert_eq!(it.verdict.decision, Decision::Continue);
    let words = &it.verdict.text;
    assert!(
        words.contains("5000 are wanted")
            && words.contains("it has run for 9 days, and 14 days are wanted"),
        "{words}"
    );
    assert!(words.contains("units a day that takes"), "{words}");
    early.judged.units_min = 10;
    let words = report(setup(early, 9), &all).verdict.text;
    assert!(words.contains("that takes 5 days more."), "{words}");
}

#[test]
fn a_few_seconds_foretell_no_day() {
    let mut all = sample(Sample { units: 2_000, ..SAMPLE });
    all.retain(|it| it.arm.is_some());
    let from = all.iter().map(|it| it.at_ms).min().unwrap();
    all.retain(|it| it.at_ms < from + 59 * 60_000);
    let mut setup = setup(experiment(""), 9);
    setup.since_ms = Some(from);
    setup.until_ms = from + 59 * 60_000;
    let words = report(setup, &all).verdict.text;
    assert!(words.contains("Too early") && !words.contains("a day that takes"), "{words}");
}

#[test]
fn a_mismatch_of_the_shares_takes_back_everything() {
    let mut all = sample(SAMPLE);
    all.retain(|it| it.arm != Some("qwen") || it.unit % 8 != 0);
    let it = report(setup(experiment(""), 9), &all);
    assert!(!it.srm.ok);
    assert_eq!(it.verdict.decision, Decision::Stop);
    assert!(it.verdict.text.contains("do not believe"), "{}", it.verdict.text);
}

#[test]
fn an_arm_that_is_rolled_back_is_out_of_the_comparison() {
    let mut setup = setup(experiment(GUARD), 9);
    setup.state = State::RolledBack;
    setup.rolled_back = vec![ArmIndex(1)];
    setup.ever_rolled_back = vec![ArmIndex(1)];
    let mut all = sample(Sample { adds: [0.1, 0.0, 0.0], ..SAMPLE });
    // From the third day on its units get the control's route, and no arm.
    for it in &mut all {
        if it.arm == Some("qwen") && it.at_ms > SINCE_MS + 2 * DAY_MS {
            it.arm = None;
        }
    }
    let it = report(setup, &all);
    assert!(it.srm.ok, "{:?}", it.srm);
    assert!(it.comparisons.iter().all(|it| &*it.arm == "deepseek") && it.looks.len() == 1);
    assert!(it.arms[1].rolled_back && it.holdout.requests > 0);
    assert_eq!(it.verdict.decision, Decision::KeepControl, "{}", it.verdict.text);
    assert!((primary(&it, "deepseek").alpha - 0.025).abs() < 1e-12, "its part stays what it was");
}

#[test]
fn a_guard_that_an_arm_breaks_is_named() {
    let mut all = sample(Sample { units: 1_500, ..SAMPLE });
    for (at, it) in all.iter_mut().enumerate().filter(|(_, it)| it.arm == Some("qwen")) {
        it.error = Some(at % 3 == 0);
    }
    let it = report(setup(experiment(GUARD), 9), &all);
    let state = |arm: &str, metric: &str| {
        let found = it.guard.iter().find(|it| *it.arm == *arm && *it.metric == *metric).unwrap();
        (found.state, found.value.unwrap())
    };
    let (broken, share) = state("qwen", "error");
    assert!(broken == GuardState::Broken && (share - 1.0 / 3.0).abs() < 0.02);
    let (holds, p95) = state("qwen", "first_token_ms");
    assert!(holds == GuardState::Holds && (p95 / 530.0 - 1.0).abs() < 0.02, "{p95}");
    assert_eq!(state("gpt-oss", "error").0, GuardState::Holds);
}

#[test]
fn a_unit_that_asks_again_within_a_minute_retries() {
    let at = |at_ms, arm| Observation {
        unit: 1,
        at_ms: SINCE_MS + at_ms,
        arm,
        error: Some(false),
        duration_ms: Some(5_000.0),
        ..Observation::default()
    };
    let qwen = Some("qwen");
    // Asked again: after 60 s; after 61 s; before the answer's end; by a request without an arm.
    let asked =
        [at(0, qwen), at(65_000, qwen), at(131_001, qwen), at(133_000, qwen), at(140_000, None)];
    let it = report(setup(experiment(""), 1), &asked);
    let retried = it.arms[1].metrics.iter().find(|(name, _)| &**name == "retried").unwrap().1;
    assert_eq!((retried.n, retried.mean), (1, Some(0.5)));
    assert_eq!((it.arms[1].requests, it.holdout.requests), (4, 0));
}

#[test]
fn the_cost_of_a_success_is_what_was_paid_for_it() {
    let it = golden();
    let metric = |arm: usize, name: &str| {
        it.arms[arm].metrics.iter().find(|(metric, _)| &**metric == name).unwrap().1
    };
    for arm in 0..3 {
        let (cost, success) =
            (metric(arm, "cost").mean.unwrap(), metric(arm, "success").mean.unwrap());
        let each = metric(arm, "cost_per_success");
        assert!((each.mean.unwrap() / (cost / success) - 1.0).abs() < 0.03, "{each:?}");
        assert!(each.low.unwrap() < each.mean.unwrap() && each.mean.unwrap() < each.high.unwrap());
    }
}

#[test]
fn what_is_odd_does_no_harm() {
    let none = Setup { since_ms: None, until_ms: 0, ..setup(experiment(GUARD), 0) };
    let it = report(none, &[]);
    assert_eq!(it.verdict.decision, Decision::Continue);
    assert!(it.verdict.text.starts_with("No request has got an arm"));
    // A unit in two arms, an arm that is none, values that are none, a clock that jumps.
    let at = |at_ms, arm| Observation { unit: 1, at_ms, arm, ..Observation::default() };
    let odd = [
        at(SINCE_MS, Some("qwen")),
        at(SINCE_MS + 1, Some("deepseek")),
        at(SINCE_MS + 2, Some("none")),
        Observation { cost: Some(f64::NAN), ..at(SINCE_MS - 1, Some("qwen")) },
        Observation {
            duration_ms: Some(1e300),
            feedback: &[(9, 1.0)],
            ..at(i64::MAX, Some("qwen"))
        },
    ];
    let it = report(setup(experiment(GUARD), 0), &odd);
    assert_eq!((it.astray, it.arms[1].requests), (2, 3));
    picture::picture(&it);
}

#[test]
fn a_picture_is_the_same_for_the_same_report() {
    let it = golden();
    let drawn = picture::picture(&it);
    assert_eq!(drawn, picture::picture(&golden()));
    assert!(drawn.starts_with("<svg ") && drawn.matches("<polygon").count() == 2);
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"));
}
