//! The laws of decisions, for any request and any state of the fleet.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use policies::{
    Counts, Plan, Reason, Skip, catalogue, compile, decide,
    facts::{
        DataClass, Draw, FleetFacts, FleetView, KeyIndex, Language, ModelView, Money, Needs,
        Signals, Task, TeamIndex, Tokens,
    },
    preset,
};
use proptest::prelude::*;

fn any_signals() -> impl Strategy<Value = Signals> {
    let labels = (0..Language::COUNT, 0..Task::COUNT, 0..DataClass::ALL.len(), 0..128u32);
    let sizes = (0..1_500_000u32, 0..4u32, prop::option::of(1..300_000u32), 1..4u8);
    let standing = (any::<bool>(), prop::option::of(0..50_000_000i64), 0..12usize, 0.0..1.0f32);
    (labels, sizes, standing).prop_map(|(labels, sizes, standing)| {
        let (language, task, class, needs) = labels;
        let (input, slack, asked, n) = sizes;
        let (stream, left, requested, confidence) = standing;
        let fleet = catalogue();
        let id = fleet.models.get(requested).map_or("auto", |model| &model.id);
        let mut signals = Signals::chat(id);
        signals.language = Language::ALL[language];
        signals.task = Task::ALL[task];
        signals.data_class = DataClass::ALL[class];
        for (at, (need, _)) in Needs::NAMES.iter().enumerate() {
            // Rare things stay rare, so that most requests can be served.
            if needs >> at & 1 == 1 && needs % 5 == 0 {
                signals.needs = signals.needs.with(*need);
            }
        }
        signals.input_tokens = Tokens(input);
        signals.input_tokens_bound = Tokens(input.saturating_mul(1 + slack));
        signals.output_tokens_asked = asked.map(Tokens);
        signals.n = n;
        signals.stream = stream;
        signals.budget_left = left.map(Money::from_nano);
        (signals.language_confidence, signals.task_confidence) = (confidence, confidence);
        signals.team_path.push(TeamIndex(0));
        signals.key = KeyIndex(0);
        signals
    })
}

fn any_view(models: usize) -> impl Strategy<Value = FleetView> {
    let latency = prop::option::of(1.0..5_000.0f32);
    let view = (prop::bool::weighted(0.8), 0..50u32, latency).prop_map(
        |(available, in_flight, first_token_ms)| ModelView {
            switched_off: in_flight % 7 == 3,
            available,
            last_resort: !available && in_flight % 2 == 1,
            in_flight,
            concurrency_max: 0,
            first_token_ms,
            overrun_tokens_max: Tokens(in_flight * 100),
        },
    );
    let models = prop::collection::vec(view, models);
    models.prop_map(|models| FleetView { version: 1, models })
}

/// A fleet whose one key may use only some of the models.
fn fenced(allowed: usize) -> FleetFacts {
    let mut fleet = catalogue();
    let ids = fleet.models.iter().take(allowed.max(1)).map(|model| Box::from(&*model.id));
    let list: Vec<Box<str>> = ids.collect();
    fleet.keys[0].models = list.into();
    fleet
}

fn holds(plan: &Plan, signals: &Signals, fleet: &FleetFacts, view: &FleetView, allowed: usize) {
    assert!(!plan.attempts.is_empty() && plan.attempts.len() <= 4);
    for attempt in &plan.attempts {
        let at = attempt.model.get();
        let facts = &fleet.models[at];
        let needs = signals.needs.without(Needs::LONG_CONTEXT);
        assert!(facts.capabilities.contains(needs), "an incapable model");
        let it = view.models[at];
        assert!(!it.switched_off, "a model that is switched off");
        assert!(it.available || plan.last_resort && it.last_resort, "a model that is down");
        assert!(at < allowed.max(1), "a model that the key may not use");
        assert_eq!(attempt.context_tokens_max, facts.context_tokens_max);
        let fits = signals.input_tokens.0.saturating_add(attempt.output_tokens_max.0)
            <= facts.context_tokens_max.0;
        assert!(fits, "a context that is too small");
        assert!(attempt.output_tokens_max <= facts.output_tokens_max);
        if signals.data_class >= DataClass::Confidential {
            assert_eq!(facts.zone.as_deref(), Some("on_prem"), "confidential data left");
        }
        let again = plan.attempts.iter().filter(|it| it.model == attempt.model).count();
        assert_eq!(again, 1, "a model twice");
    }
}

/// The dearest that can happen: every attempt and every retry reads all input at its dearest and is
/// given up with held output, and the dearest of them commits and writes all it may.
fn dearest(plan: &Plan, signals: &Signals, fleet: &FleetFacts) -> i64 {
    let cost = |at: usize, output: u32| {
        let facts = &fleet.models[plan.attempts[at].model.get()];
        let input = signals.input_tokens_bound.min(facts.context_tokens_max).0;
        let counts = Counts { input, output, ..Counts::default() };
        facts.price.unwrap().cost(counts).nano()
    };
    let held = |at: usize| cost(at, fleet.models[plan.attempts[at].model.get()].held_tokens_max.0);
    let full = |at: usize| {
        let all = plan.attempts[at].output_tokens_max.0 * u32::from(signals.n);
        cost(at, all)
    };
    let attempts = 0..plan.attempts.len();
    let retries: i64 = i64::from(plan.retries_max) * attempts.clone().map(held).max().unwrap();
    let one_commits = attempts.clone().map(|committed| {
        let others = attempts.clone().filter(|at| *at != committed).map(held).sum::<i64>();
        others + full(committed).max(held(committed))
    });
    retries + one_commits.max().unwrap()
}

proptest! {
    /// Never an incapable, forbidden, full or dead model; guards hold for rules and pins alike; and the
    /// plan's cost bounds every path through it.
    #[test]
    fn a_plan_keeps_every_promise(
        signals in any_signals(),
        view in any_view(10),
        preset in 0..preset::NAMES.len(),
        allowed in 1..=10usize,
        draw: u64,
    ) {
        let fleet = fenced(allowed);
        let name = preset::NAMES[preset];
        let policy = compile(preset::document(name).unwrap(), &fleet).unwrap();
        let decided = decide(&policy, &signals, &view, Draw(draw));
        prop_assert_eq!(&decided, &decide(&policy, &signals, &view, Draw(draw)), "not deterministic");
        let mut signals = signals;
        if name != "bank" {
            signals.data_class = DataClass::Public;
        }
        if let Ok(plan) = decide(&policy, &signals, &view, Draw(draw)) {
            holds(&plan, &signals, &fleet, &view, allowed);
            let rounding = i64::try_from(plan.attempts.len()).unwrap() + 5;
            prop_assert!(dearest(&plan, &signals, &fleet) <= plan.cost_max.nano() + rounding);
            if let Some(left) = signals.budget_left {
                prop_assert!(plan.attempts.len() == 1 || plan.cost_max <= left);
            }
        }
    }

    /// A pin is that model or a refusal, never another.
    #[test]
    fn a_pin_is_never_rerouted(signals in any_signals(), view in any_view(10), draw: u64) {
        let fleet = catalogue();
        let policy = compile(preset::document("bank").unwrap(), &fleet).unwrap();
        prop_assume!(&*signals.requested != "auto");
        match decide(&policy, &signals, &view, Draw(draw)) {
            Ok(plan) => {
                prop_assert_eq!(plan.attempts.len(), 1);
                let model = plan.attempts[0].model.get();
                prop_assert_eq!(&fleet.models[model].id, &signals.requested);
                prop_assert_eq!(&*plan.rule, "pin");
            }
            Err(refusal) => prop_assert!(refusal.reason != Reason::UnknownModel),
        }
    }

    /// With room, money and a healthy fleet, a plain request is always served.
    #[test]
    fn a_plain_request_is_always_served(language in 0..Language::COUNT, task in 0..Task::COUNT) {
        let fleet = catalogue();
        let view = FleetView { version: 0, models: vec![ModelView::default(); 10] };
        for name in preset::NAMES {
            let policy = compile(preset::document(name).unwrap(), &fleet).unwrap();
            let mut signals = Signals::chat("auto");
            signals.language = Language::ALL[language];
            signals.task = Task::ALL[task];
            let plan = decide(&policy, &signals, &view, Draw(1));
            prop_assert!(plan.is_ok(), "{name}: {plan:?}");
            let why = plan.unwrap().why;
            prop_assert!(why.skipped.iter().all(|(_, skip)| *skip == Skip::Enough));
        }
    }

    /// Whatever stands in a document, compiling it ends with a policy or with faults.
    #[test]
    fn any_document_compiles_or_says_why(
        preset in 0..preset::NAMES.len(),
        at in 0..2_000usize,
        cut in 0..40usize,
        put in "[ -~\n]{0,20}",
    ) {
        let document = preset::document(preset::NAMES[preset]).unwrap();
        let at = at.min(document.len());
        let end = (at + cut).min(document.len());
        let changed = [&document[..at], &put, &document[end..]].concat();
        if let Err(faults) = compile(&changed, &catalogue()) {
            prop_assert!(!faults.is_empty());
        }
    }
}
