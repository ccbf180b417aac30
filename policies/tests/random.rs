//! Policies drawn at random, decided by the compiled policy and by a slow reading of the same rules.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use std::fmt::Write as _;

use policies::{
    Counts, FleetSnapshot, Matched, Plan, Refusal, Why, World, cases, catalogue, compile, decide,
    experiment::{Enrolled, ExperimentState, ExperimentView},
    explain,
    facts::{
        AliasTarget, DataClass, Draw, FleetFacts, FleetView, KeyFacts, KeyIndex, Language,
        ModelFacts, ModelView, Money, Needs, RuleIndex, Signals, Task, TeamFacts, TeamIndex,
        Tokens,
    },
    lint::{Finding, Kind, lint},
};
use proptest::{prelude::*, sample::select};

const LANGUAGES: [Language; 4] = [Language::En, Language::Ms, Language::Th, Language::ZhHans];
const TASKS: [Task; 4] = [Task::Chat, Task::Coding, Task::Writing, Task::Rewriting];
const NEEDS: [(Needs, &str); 3] =
    [(Needs::TOOLS, "tools"), (Needs::VISION, "vision"), (Needs::REASONING, "reasoning")];
const SELECTORS: [&str; 7] =
    ["*", "family:qwen", "tag:flagship", "glm-5.2", "gpt-oss-20b", "gemma-4-31b", "nobody?"];
/// Each requested name, and what it may be.
const NAMES: [&str; 6] = ["auto", "glm-5.2", "gpt-oss-20b", "fast", "claude-4", "nobody"];

/// A condition that takes values from a list, or all others.
type Listed<T> = Option<(Vec<T>, bool)>;

#[derive(Clone, Debug)]
struct When {
    languages: Listed<Language>,
    tasks: Listed<Task>,
    class_min: Option<usize>,
    needs: Listed<usize>,
    stream: Option<bool>,
    input: Option<(u32, u32)>,
    confidence_min: Option<u8>,
    team: Listed<usize>,
    budget_min: Option<u32>,
    hours: Option<(u16, u16)>,
    /// What `cel` can say is said in it.
    spelled: bool,
}

#[derive(Clone, Debug, Default)]
struct Limits {
    require_zone: Option<&'static str>,
    avoid_family: Option<&'static str>,
    require_vision: bool,
    context_min: Option<u32>,
}

#[derive(Clone, Debug)]
struct Rule {
    when: When,
    limits: Limits,
    route: Option<(Vec<&'static str>, Option<&'static str>)>,
    cost_max: Option<u32>,
    retry: u8,
    on_unservable: Option<&'static str>,
}

fn listed<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = Listed<T>> {
    let some = proptest::sample::subsequence(all.clone(), 1..=all.len().min(3));
    prop::option::weighted(0.4, (some, prop::bool::weighted(0.3)))
}

fn any_when() -> impl Strategy<Value = When> {
    let lists = (
        listed(LANGUAGES.to_vec()),
        listed(TASKS.to_vec()),
        listed((0..NEEDS.len()).collect()),
        listed(vec![0, 1, 2]),
    );
    let rest = (
        prop::option::weighted(0.2, 0..4usize),
        prop::option::weighted(0.2, any::<bool>()),
        prop::option::weighted(0.2, (0..200u32, 200..40_000u32)),
        prop::option::weighted(0.2, 0..=10u8),
        prop::option::weighted(0.1, 0..20u32),
        prop::option::weighted(0.2, (0..24u16, 0..24u16)),
        prop::bool::weighted(0.3),
    );
    (lists, rest).prop_map(|((languages, tasks, needs, team), rest)| {
        let (class_min, stream, input, confidence_min, budget_min, hours, spelled) = rest;
        let hours = hours.filter(|(from, to)| from != to);
        When {
            languages,
            tasks,
            class_min,
            needs,
            stream,
            input,
            confidence_min,
            team,
            budget_min,
            hours,
            spelled,
        }
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let limits = (
        prop::option::weighted(0.3, select(vec!["on_prem", "cloud_sg", "moon?"])),
        prop::option::weighted(0.3, select(vec!["qwen", "gpt-oss", "gemma"])),
        prop::bool::weighted(0.1),
        prop::option::weighted(0.2, 100_000..300_000u32),
    )
        .prop_map(|(require_zone, avoid_family, require_vision, context_min)| Limits {
            require_zone,
            avoid_family,
            require_vision,
            context_min,
        });
    let by = prop::option::of(select(vec!["cost", "latency", "load", "weight"]));
    let route = prop::collection::vec(select(SELECTORS.to_vec()), 1..4);
    let route = prop::option::weighted(0.7, (route, by));
    let money = prop::option::weighted(0.3, 0..200_000_000u32);
    let unservable = prop::option::weighted(0.3, select(vec!["next", "refuse"]));
    (any_when(), limits, route, money, 0..=5u8, unservable).prop_map(
        |(when, limits, route, cost_max, retry, on_unservable)| Rule {
            when,
            limits,
            route,
            cost_max,
            retry,
            on_unservable,
        },
    )
}

fn quoted<T>(list: &Listed<T>, text: impl Fn(&T) -> String) -> Option<String> {
    let (values, not) = list.as_ref()?;
    let values: Vec<String> = values.iter().map(|it| format!("\"{}\"", text(it))).collect();
    let values = format!("[{}]", values.join(", "));
    Some(if *not { format!("{{ not = {values} }}") } else { values })
}

impl When {
    fn document(&self) -> String {
        let classes = self.class_min.map(|least| {
            let names: Vec<_> = DataClass::ALL[least..].iter().map(|it| it.code()).collect();
            format!("{names:?}")
        });
        let parts = [
            ("language", quoted(&self.languages, |it| it.code().into())),
            ("task", quoted(&self.tasks, |it| it.code().into())),
            ("data_class", classes),
            ("needs", quoted(&self.needs, |at| NEEDS[*at].1.into())),
            ("stream", self.stream.map(|it| it.to_string())),
            ("input_tokens", self.input.map(|(a, b)| format!("{{ min = {a}, max = {b} }}"))),
            ("confidence", self.confidence_min.map(|it| format!("{{ min = {} }}", tenth(it)))),
            ("team", quoted(&self.team, |at| format!("team-{at}"))),
            ("budget_left", self.budget_min.map(|it| format!("{{ min = \"0.00{it:02}\" }}"))),
            ("hours", self.hours.map(|(a, b)| format!("\"{a:02}:30-{b:02}:30\""))),
        ];
        let cel = self.spelled.then(|| self.cel()).filter(|cel| !cel.is_empty());
        let spelled = |key: &&str| {
            ["language", "needs", "stream", "input_tokens", "confidence", "team"].contains(key)
        };
        let parts = parts.into_iter().filter(|(key, _)| cel.is_none() || !spelled(key));
        let parts = parts.filter_map(|(key, it)| Some(format!("{key} = {}", it?)));
        let cel = cel.iter().map(|cel| format!("cel = \"{cel}\""));
        format!("when = {{ {} }}\n", parts.chain(cel).collect::<Vec<_>>().join(", "))
    }

    /// The conditions that an expression can say too.
    fn cel(&self) -> String {
        fn any<T>(list: &Listed<T>, says: impl Fn(&T) -> String) -> Option<String> {
            let (values, not) = list.as_ref()?;
            let values: Vec<String> = values.iter().map(says).collect();
            Some(format!("{}({})", if *not { "!" } else { "" }, values.join(" || ")))
        }
        let parts = [
            any(&self.languages, |it| format!("language == '{}'", it.code())),
            any(&self.needs, |at| format!("'{}' in needs", NEEDS[*at].1)),
            any(&self.team, |at| format!("teams.exists(it, it == 'team-{at}')")),
            self.stream.map(|it| format!("stream == {it}")),
            self.input.map(|(a, b)| format!("input_tokens >= {a} && !(input_tokens > {b})")),
            self.confidence_min.map(|it| format!("confidence >= {}", tenth(it))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" && ")
    }

    /// The slow reading.
    fn holds(&self, signals: &Signals) -> bool {
        fn takes<T>(list: &Listed<T>, is: impl Fn(&T) -> bool) -> bool {
            list.as_ref().is_none_or(|(values, not)| values.iter().any(is) != *not)
        }
        let within = |(from, to): (u16, u16)| {
            let (from, to, now) = (from * 60 + 30, to * 60 + 30, signals.at.minute);
            if from < to { from <= now && now < to } else { from <= now || now < to }
        };
        takes(&self.languages, |it| *it == signals.language)
            && takes(&self.tasks, |it| *it == signals.task)
            && self.class_min.is_none_or(|least| signals.data_class >= DataClass::ALL[least])
            && takes(&self.needs, |at| signals.needs.contains(NEEDS[*at].0))
            && self.stream.is_none_or(|it| it == signals.stream)
            && self.input.is_none_or(|(a, b)| (a..=b).contains(&signals.input_tokens.0))
            && self
                .confidence_min
                .is_none_or(|it| signals.confidence() >= tenth(it).parse::<f32>().unwrap())
            && takes(&self.team, |at| signals.team_path.iter().any(|team| team.get() == *at))
            && self.budget_min.is_none_or(|it| {
                signals.budget_left.is_none_or(|left| left.nano() >= i64::from(it) * 100_000)
            })
            && self.hours.is_none_or(within)
    }
}

/// `0.0` to `1.0`.
fn tenth(tenths: u8) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

impl Rule {
    fn document(&self, at: usize) -> String {
        let mut text = format!("[[rule]]\nname = \"r{at}\"\n{}", self.when.document());
        if let Some((route, by)) = &self.route {
            match by {
                None => writeln!(text, "route = {route:?}"),
                Some(by) => writeln!(text, "route = {{ among = {route:?}, by = \"{by}\" }}"),
            }
            .unwrap();
            if let Some(most) = self.cost_max {
                writeln!(text, "cost_max = \"0.{most:09}\"").unwrap();
            }
            writeln!(text, "retry = {}", self.retry).unwrap();
            if let Some(what) = self.on_unservable {
                writeln!(text, "on_unservable = \"{what}\"").unwrap();
            }
        }
        let mut require = Vec::new();
        require.extend(self.limits.require_zone.map(|zone| format!("zone = \"{zone}\"")));
        require.extend(self.limits.require_vision.then(|| "capability = [\"vision\"]".into()));
        require.extend(self.limits.context_min.map(|min| format!("context_min = {min}")));
        if require.is_empty() && self.route.is_none() && self.limits.avoid_family.is_none() {
            require.push("context_min = 0".to_owned());
        }
        if !require.is_empty() {
            writeln!(text, "require = {{ {} }}", require.join(", ")).unwrap();
        }
        if let Some(family) = self.limits.avoid_family {
            writeln!(text, "avoid = {{ family = [\"{family}\"] }}").unwrap();
        }
        text
    }

    /// The slow reading.
    fn permits(&self, model: &ModelFacts) -> bool {
        let Limits { require_zone, avoid_family, require_vision, context_min } = &self.limits;
        require_zone.is_none_or(|zone| model.zone.as_deref() == Some(zone))
            && avoid_family.is_none_or(|family| model.family.as_deref() != Some(family))
            && (!require_vision || model.capabilities.contains(Needs::VISION))
            && context_min.is_none_or(|min| model.context_tokens_max.0 >= min)
    }

    /// Whether it speaks of a data class, or has limits of its own.
    fn is_bound(&self) -> bool {
        let Limits { require_zone, avoid_family, require_vision, context_min } = self.limits;
        self.when.class_min.is_some()
            || require_zone.is_some()
            || avoid_family.is_some()
            || require_vision
            || context_min.is_some()
    }

    /// Whether it refuses what none of its models can serve.
    fn refuses(&self) -> bool {
        self.on_unservable.map_or(self.is_bound(), |what| what == "refuse")
    }

    /// Whether a model stands in its route.
    fn names(&self, model: &ModelFacts) -> bool {
        self.route.as_ref().is_some_and(|(route, _)| route.iter().any(|it| selects(it, model)))
    }

    /// The slow reading of who decides: whether this rule does, if it is the next that holds.
    fn decides(&self, signals: &Signals, fleet: &FleetFacts) -> bool {
        let serves = |it: &&ModelFacts| self.names(it) && self.permits(it) && able(it, signals);
        self.route.is_some() && (self.refuses() || fleet.models.iter().any(|it| serves(&it)))
    }
}

/// Whether a selector finds a model.
fn selects(selector: &str, model: &ModelFacts) -> bool {
    match selector.split_once(':') {
        Some(("family", family)) => model.family.as_deref() == Some(family),
        Some(("tag", tag)) => model.tags.iter().any(|it| &**it == tag),
        _ => selector == "*" || selector == &*model.id,
    }
}

/// An experiment: its unit, its arms by what they route to, and how many twentieths of the units take part.
#[derive(Clone, Debug)]
struct Trial {
    unit: &'static str,
    arms: Vec<Option<&'static str>>,
    enrol: u8,
    layer: bool,
}

fn any_trial() -> impl Strategy<Value = Trial> {
    let arms = prop::collection::vec(prop::option::of(select(SELECTORS[..6].to_vec())), 2..5);
    let unit = select(vec!["user", "key", "session", "request"]);
    (unit, arms, 0..=10u8, any::<bool>()).prop_map(|(unit, arms, enrol, layer)| Trial {
        unit,
        arms,
        enrol: if layer { enrol } else { enrol * 2 },
        layer,
    })
}

impl Trial {
    fn document(&self, at: usize) -> String {
        let shares: &[f64] = match self.arms.len() {
            2 => &[0.5, 0.5],
            3 => &[0.3, 0.3, 0.4],
            _ => &[0.25, 0.25, 0.25, 0.25],
        };
        let arm = |(at, (share, route)): (usize, (&f64, &Option<&str>))| {
            let route = route.map_or_else(String::new, |it| format!(", route = [\"{it}\"]"));
            format!("{{ name = \"a{at}\", share = {share}{route} }}")
        };
        let arms: Vec<String> = shares.iter().zip(&self.arms).enumerate().map(arm).collect();
        format!(
            "[[experiment]]\nname = \"e{at}\"\nunit = \"{}\"\nprimary = \"error\"\n\
             enrol = {}\n{}arms = [{}]\n",
            self.unit,
            f64::from(self.enrol) / 20.0,
            if self.layer { "layer = \"all\"\n" } else { "" },
            arms.join(", ")
        )
    }
}

/// The whole policy, in which some rules name one of these experiments.
fn tried(rules: &[Rule], default: &str, trials: &[Trial], named: &[Option<usize>]) -> String {
    let mut document = format!("version = \"any\"\n[default]\nroute = [\"{default}\"]\n");
    for (at, rule) in rules.iter().enumerate() {
        document += &rule.document(at);
        let trial = named.get(at).copied().flatten().filter(|_| rule.route.is_some());
        if let Some(trial) = trial.filter(|it| *it < trials.len()) {
            writeln!(document, "experiment = \"e{trial}\"").unwrap();
        }
    }
    trials.iter().enumerate().for_each(|(at, trial)| document += &trial.document(at));
    document
}

fn arm_of(decided: &Result<Plan, Refusal>) -> Option<Enrolled> {
    decided.as_ref().map_or_else(|refusal| refusal.arm, |plan| plan.arm)
}

fn why_of(decided: &Result<Plan, Refusal>) -> &Why {
    decided.as_ref().map_or_else(|refusal| &refusal.why, |plan| &plan.why)
}

/// A request with an arm is of a rule that names the experiment, could be served by the rule and by every
/// arm, and is tried by models of its own arm alone.
fn takes_part(
    decided: &Result<Plan, Refusal>,
    arm: Enrolled,
    (rules, trials, named): (&[Rule], &[Trial], &[Option<usize>]),
    (signals, fleet, view): (&Signals, &FleetFacts, &FleetView),
) {
    let matched = decided.as_ref().map_or_else(|it| it.matched, |it| Some(it.matched));
    let Some(Matched::Rule(at)) = matched else { panic!("no rule enrols") };
    let (own, trial) = (&rules[at.get()], &trials[usize::from(arm.experiment.0)]);
    assert_eq!(named[at.get()], Some(usize::from(arm.experiment.0)));
    assert_eq!(Some(Matched::Rule(at)), Some(decider(rules, signals, fleet)));
    let guards = || rules.iter().filter(|it| it.route.is_none() && it.when.holds(signals));
    let permits = |it: &ModelFacts| own.permits(it) && guards().all(|guard| guard.permits(it));
    let stands = |arm: &Option<&str>, it: &ModelFacts| {
        arm.map_or_else(|| own.names(it), |selector| selects(selector, it))
    };
    for each in trial.arms.iter().chain([&None]) {
        let serves = |it: &&ModelFacts| stands(each, it) && permits(it) && able(it, signals);
        assert!(fleet.models.iter().any(|it| serves(&it)), "{each:?} cannot");
    }
    if let Ok(plan) = decided {
        usable(plan, signals, fleet, view);
        for attempt in &plan.attempts {
            let model = &fleet.models[attempt.model.get()];
            let route = &trial.arms[usize::from(arm.arm.0)];
            assert!(stands(route, model) && permits(model), "{} is not its arm's", model.id);
        }
    }
}

/// Whether the key may use the model.
fn allowed(model: &ModelFacts, signals: &Signals) -> bool {
    signals.key != KeyIndex(1)
        || model.family.as_deref() == Some("gpt-oss")
        || ["glm-5.2", "gemma-4-31b"].contains(&&*model.id)
}

/// The slow reading of what a model can serve, whatever guards bind and whatever is down.
fn able(model: &ModelFacts, signals: &Signals) -> bool {
    let longest = model.output_tokens_max.0;
    let answer = signals.output_tokens_asked.map_or_else(
        || model.output_tokens_default.0.min(longest).min(256),
        |asked| asked.0.min(longest),
    );
    allowed(model, signals)
        && model.capabilities.contains(signals.needs.without(Needs::LONG_CONTEXT))
        && u64::from(signals.input_tokens.0) + u64::from(answer)
            <= u64::from(model.context_tokens_max.0)
}

/// Three teams, each under the one before, and two keys.
fn fleet() -> FleetFacts {
    let all = || [Box::from("*")].into();
    let team = |at: u16| TeamFacts {
        name: format!("team-{at}").into(),
        parent: at.checked_sub(1).map(TeamIndex),
        models: all(),
    };
    let narrow = ["family:gpt-oss".into(), "glm-5.2".into(), "gemma-4-31b".into()].into();
    let route = AliasTarget::Route(vec!["gpt-oss-20b".into(), "glm-5.2".into(), "*".into()]);
    FleetFacts {
        teams: (0..3).map(team).collect(),
        keys: vec![
            KeyFacts { name: "wide".into(), models: all() },
            KeyFacts { name: "narrow".into(), models: narrow },
        ],
        aliases: vec![("fast".into(), route), ("claude-*".into(), AliasTarget::Auto)],
        ..catalogue()
    }
}

fn any_signals() -> impl Strategy<Value = Signals> {
    let labels =
        (select(LANGUAGES.to_vec()), select(TASKS.to_vec()), 0..4usize, select(NAMES.to_vec()));
    let sizes = (1..60_000u32, 1..5u32, prop::option::of(1..40_000u32), 1..4u8);
    let whose = (0..4u16, 0..2u32, prop::option::of(0..400_000_000i64), prop::option::of(0..9u128));
    let rest = (any::<bool>(), 0..48u16, 0..=10u8, prop::collection::vec(0..12usize, 0..3));
    (labels, sizes, whose, rest).prop_map(|(labels, sizes, whose, rest)| {
        let mut signals = Signals::chat(labels.3);
        (signals.language, signals.task) = (labels.0, labels.1);
        signals.data_class = DataClass::ALL[labels.2];
        signals.input_tokens = Tokens(sizes.0);
        signals.input_tokens_bound = Tokens(sizes.0 * sizes.1);
        signals.output_tokens_asked = sizes.2.map(Tokens);
        signals.n = sizes.3;
        // Team 3 is none.
        signals.team_path = (0..=whose.0).rev().map(TeamIndex).filter(|_| whose.0 < 3).collect();
        signals.key = KeyIndex(whose.1);
        signals.budget_left = whose.2.map(Money::from_nano);
        signals.session = whose.3;
        signals.stream = rest.0;
        signals.at.minute = rest.1 * 30;
        let confidence = tenth(rest.2).parse().unwrap();
        (signals.language_confidence, signals.task_confidence) = (confidence, 1.0);
        let needs = rest.3.iter().filter_map(|at| NEEDS.get(*at));
        signals.needs = needs.fold(Needs::NONE, |all, (need, _)| all.with(*need));
        signals
    })
}

fn any_view() -> impl Strategy<Value = FleetView> {
    let latency = prop::option::of(select(vec![1.0, 100.0, 100.0, 5_000.0, f32::NAN]));
    let model = (prop::bool::weighted(0.8), 0..4u32, 0..4u32, latency).prop_map(
        |(available, in_flight, concurrency_max, first_token_ms)| ModelView {
            switched_off: in_flight == 3,
            available,
            last_resort: !available && in_flight % 2 == 1,
            in_flight,
            concurrency_max,
            first_token_ms,
            overrun_tokens_max: Tokens(in_flight * 1_000),
        },
    );
    // Shorter than the fleet: a model without a view takes no requests.
    let models = prop::collection::vec(model, 8..=10);
    models.prop_map(|models| FleetView { version: 1, models })
}

/// A way through a plan: for each attempt and retry how it went, as parts of what it may use.
type Walk = (usize, Vec<(bool, u8, u8)>);

fn any_walk() -> impl Strategy<Value = Walk> {
    // All that is allowed, more often than not: bounds are tested at their edges.
    let share = || prop_oneof![3 => Just(u8::MAX), 1 => any::<u8>()];
    (0..4usize, prop::collection::vec((any::<bool>(), share(), share()), 1..10))
}

/// What settling charges for the walk: attempts given up have read their input and begun to write, the
/// last one committed and writes up to the plan's bound.
fn charged(plan: &Plan, signals: &Signals, fleet: &FleetFacts, walk: &Walk) -> i64 {
    let part = |of: u32, share: u8| u32::try_from(u64::from(of) * u64::from(share) / 255).unwrap();
    let mut tried: Vec<&ModelFacts> = Vec::new();
    let mut retries = usize::from(plan.retries_max);
    for (at, planned) in plan.attempts.iter().enumerate() {
        let again =
            if at == walk.0 % plan.attempts.len() { std::mem::take(&mut retries) } else { 0 };
        tried.extend(std::iter::repeat_n(&fleet.models[planned.model.get()], 1 + again));
    }
    let last = walk.1.len().min(tried.len()) - 1;
    let mut sum = 0;
    for (at, (model, (cached, input, output))) in tried.iter().zip(&walk.1).enumerate() {
        let most = if at == last { plan.output_tokens_bound } else { model.held_tokens_max };
        let bound = signals.input_tokens_bound.min(model.context_tokens_max);
        let read = part(bound.0, *input);
        let (cache_write, input) = if *cached { (read, 0) } else { (0, read) };
        let written = part(most.0, *output);
        let (output, reasoning) = if *cached { (0, written) } else { (written, 0) };
        let counts = Counts { input, cache_write, output, reasoning, ..Counts::default() };
        sum += model.price.unwrap().cost(counts).nano();
    }
    sum
}

fn usable(plan: &Plan, signals: &Signals, fleet: &FleetFacts, view: &FleetView) {
    assert!((1..=4).contains(&plan.attempts.len()));
    for attempt in &plan.attempts {
        let at = attempt.model.get();
        let facts = &fleet.models[at];
        assert!(facts.capabilities.contains(signals.needs.without(Needs::LONG_CONTEXT)));
        let there = |it: &ModelView| {
            !it.switched_off && (it.available || plan.last_resort && it.last_resort)
        };
        assert!(view.models.get(at).is_some_and(there), "{} is down", facts.id);
        let room = facts.context_tokens_max.0 - signals.input_tokens.0;
        assert!(attempt.output_tokens_max.0 <= room.min(facts.output_tokens_max.0));
        assert!(allowed(facts, signals), "{} is forbidden to the key", facts.id);
        let again = plan.attempts.iter().filter(|it| it.model == attempt.model).count();
        assert_eq!(again, 1, "{} stands twice", facts.id);
    }
}

/// Who decides, by the slow reading.
fn decider(rules: &[Rule], signals: &Signals, fleet: &FleetFacts) -> Matched {
    let holding = (0..).zip(rules).filter(|(_, rule)| rule.when.holds(signals));
    match &*signals.requested {
        "auto" | "claude-4" => {
            let mut deciding = holding.filter(|(_, rule)| rule.decides(signals, fleet));
            deciding.next().map_or(Matched::Default, |(at, _)| Matched::Rule(RuleIndex(at)))
        }
        "fast" => Matched::Alias(0),
        _ => Matched::Pin,
    }
}

/// Guards are those of the slow reading, and bind.
fn bound(plan: &Plan, rules: &[Rule], signals: &Signals, fleet: &FleetFacts) {
    let holding = || (0..).zip(rules).filter(|(_, rule)| rule.when.holds(signals));
    let guards: Vec<_> = holding().filter(|(_, rule)| rule.route.is_none()).collect();
    let named: Vec<_> = guards.iter().map(|(at, _)| RuleIndex(*at)).collect();
    assert_eq!(plan.why.guards.as_slice(), named);
    let own = match plan.matched {
        Matched::Rule(at) => rules.get(at.get()),
        _ => None,
    };
    for attempt in &plan.attempts {
        let model = &fleet.models[attempt.model.get()];
        assert!(guards.iter().all(|(_, rule)| rule.permits(model)), "a guard let {} by", model.id);
        assert!(own.is_none_or(|rule| rule.permits(model)), "the rule forbids {}", model.id);
        assert!(own.is_none_or(|rule| rule.names(model)), "the rule never named {}", model.id);
        if plan.matched == Matched::Pin {
            assert_eq!(model.id, signals.requested);
        }
    }
    if let Some(most) = own.and_then(|rule| rule.cost_max) {
        let within = plan.cost_max.nano() <= i64::from(most);
        assert!(within || plan.attempts.len() == 1, "above the rule's cost_max");
    }
    if let Some(left) = signals.budget_left {
        assert!(plan.cost_max <= left || plan.attempts.len() == 1, "above the budget left");
    }
}

/// The whole policy.
fn whole(rules: &[Rule], default: &str) -> String {
    let mut document = format!("version = \"any\"\n[default]\nroute = [\"{default}\"]\n");
    rules.iter().enumerate().for_each(|(at, rule)| document += &rule.document(at));
    document
}

proptest! {
    /// Written down and read again, a policy and its fleet have the same hash and decide as they did.
    #[test]
    fn a_policy_that_was_kept_decides_as_it_did(
        rules in prop::collection::vec(any_rule(), 0..6),
        default in select(SELECTORS[..6].to_vec()),
        signals in any_signals(),
        view in any_view(),
        draw: u64,
    ) {
        let fleet = fleet();
        let policy = compile(&whole(&rules, default), &fleet)
            .map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        let kept = serde_json::to_string(&FleetSnapshot::of(&policy)).unwrap();
        let kept: FleetSnapshot = serde_json::from_str(&kept).unwrap();
        let key = &fleet.keys[signals.key.get()];
        let models: Vec<String> = key.models.iter().map(ToString::to_string).collect();
        let (again, key) = kept.fleet(&key.name, &models);
        let again = compile(policy.document(), &again).unwrap();
        prop_assert_eq!(again.hash(), policy.hash());
        let by_key = Signals { key, ..signals.clone() };
        prop_assert_eq!(
            decide(&again, &by_key, &view, Draw(draw)),
            decide(&policy, &signals, &view, Draw(draw))
        );
    }

    /// For any policy, request, fleet and draw: the rule is the one that a slow reading finds, every
    /// guard binds pins, aliases and routes alike, no model is incapable, forbidden or down, and no way
    /// through the plan costs more than it says. Explaining says the same.
    #[test]
    fn any_decision_of_any_policy_keeps_the_laws(
        rules in prop::collection::vec(any_rule(), 0..8),
        default in select(SELECTORS[..6].to_vec()),
        signals in any_signals(),
        (view, walk) in (any_view(), any_walk()),
        draw: u64,
    ) {
        let fleet = fleet();
        let document = whole(&rules, default);
        let policy = compile(&document, &fleet)
            .unwrap_or_else(|faults| panic!("{}\n{document}", faults[0]));
        let decided = decide(&policy, &signals, &view, Draw(draw));
        prop_assert_eq!(&decided, &decide(&policy, &signals, &view, Draw(draw)));
        let said = explain(&policy, &signals, &view, Draw(draw));
        let dead = lint(&policy).into_iter().filter(|it| it.kind == Kind::Dead);
        let dead: Vec<String> = dead.map(|it| it.rule).collect();
        match decided {
            Ok(plan) => {
                // A proof takes it that every request has a team where there are any.
                let teamless = signals.team_path.is_empty();
                let called = dead.iter().any(|rule| **rule == *plan.rule);
                prop_assert!(teamless || !called, "{} routes:\n{document}", plan.rule);
                usable(&plan, &signals, &fleet, &view);
                bound(&plan, &rules, &signals, &fleet);
                let charged = charged(&plan, &signals, &fleet, &walk);
                prop_assert!(charged <= plan.cost_max.nano(), "{} > {}", charged, plan.cost_max.nano());
                prop_assert_eq!(plan.matched, decider(&rules, &signals, &fleet));
                prop_assert_eq!(said.rule.as_deref(), Some(&*plan.rule));
                prop_assert_eq!(said.passed.len(), plan.why.passed.len());
                prop_assert_eq!(said.plan.len(), plan.attempts.len());
                prop_assert!(said.refusal.is_none());
            }
            Err(refusal) => {
                prop_assert!(said.refusal.is_some() && said.plan.is_empty());
                let known = &*signals.requested != "nobody";
                let decider = known.then(|| decider(&rules, &signals, &fleet));
                prop_assert_eq!(refusal.matched, decider);
            }
        }
    }

    /// Of any policy with experiments: an arm follows from the unit alone, whatever the draw and the fleet's
    /// health; a request has one only where every arm and the rule itself could serve it under every
    /// guard; its models are its arm's; without an arm the decision is that of the same rules without
    /// experiments; and what was kept decides the same.
    #[test]
    fn an_experiment_changes_the_route_of_whom_it_enrols_and_nothing_else(
        rules in prop::collection::vec(any_rule(), 1..6),
        (default, key) in (select(SELECTORS[..6].to_vec()), any::<u128>()),
        (trials, named) in (
            prop::collection::vec(any_trial(), 1..3),
            prop::collection::vec(prop::option::weighted(0.8, 0..2usize), 6),
        ),
        (signals, user, request) in (any_signals(), prop::option::of(any::<u128>()), any::<u128>()),
        (view, draw, other) in (any_view(), any::<u64>(), any::<u64>()),
    ) {
        let fleet = fleet();
        let signals = Signals { unit_user: user, unit_key: Some(key), request, ..signals };
        let document = tried(&rules, default, &trials, &named);
        let policy = compile(&document, &fleet)
            .unwrap_or_else(|faults| panic!("{}\n{document}", faults[0]));
        let plain = compile(&whole(&rules, default), &fleet).unwrap();
        let decided = decide(&policy, &signals, &view, Draw(draw));
        let arm = arm_of(&decided);
        let healthy = vec![ModelView::default(); fleet.models.len()];
        let healthy = FleetView { version: 0, models: healthy };
        prop_assert_eq!(arm_of(&decide(&policy, &signals, &healthy, Draw(other))), arm);
        // A state that says nothing is no state.
        let experiments = ExperimentView { states: vec![ExperimentState::default(); trials.len()] };
        let world = World { fleet: &view, experiments: &experiments };
        prop_assert_eq!(&decide(&policy, &signals, world, Draw(draw)), &decided);
        // With fewer that take part, an arm is the same or gone.
        let state = ExperimentState { enrol: Some(0.2), ..ExperimentState::default() };
        let experiments = ExperimentView { states: vec![state; trials.len()] };
        let fewer = decide(&policy, &signals, World { fleet: &view, experiments: &experiments }, Draw(draw));
        prop_assert!(arm_of(&fewer).is_none() || arm_of(&fewer) == arm);
        let said = explain(&policy, &signals, &view, Draw(draw));
        let outside = why_of(&decided).outside;
        let part = arm.map(|it| it.experiment).or(outside.map(|(at, _)| at));
        prop_assert_eq!(said.experiment.is_some(), part.is_some());
        let kept = FleetSnapshot::of(&policy);
        let key = &fleet.keys[signals.key.get()];
        let models: Vec<String> = key.models.iter().map(ToString::to_string).collect();
        let (again, key) = kept.fleet(&key.name, &models);
        let again = compile(policy.document(), &again).unwrap();
        prop_assert_eq!(&decide(&again, &Signals { key, ..signals.clone() }, &view, Draw(draw)), &decided);
        let Some(arm) = arm else {
            let same = decide(&plain, &signals, &view, Draw(draw));
            let mut decided = decided;
            match &mut decided {
                Ok(plan) => plan.why.outside = None,
                Err(refusal) => refusal.why.outside = None,
            }
            prop_assert_eq!(decided, same);
            return Ok(());
        };
        takes_part(&decided, arm, (&rules, &trials, &named), (&signals, &fleet, &view));
    }

    /// What is said of an experiment is so: where nobody can take part, nobody does.
    #[test]
    fn an_experiment_that_is_said_to_enrol_nobody_does(
        rules in prop::collection::vec(any_rule(), 1..6),
        default in select(SELECTORS[..6].to_vec()),
        trials in prop::collection::vec(any_trial(), 1..3),
        named in prop::collection::vec(prop::option::weighted(0.8, 0..2usize), 6),
        requests in prop::collection::vec((any_signals(), any::<u128>()), 1..40),
    ) {
        let fleet = fleet();
        let policy = compile(&tried(&rules, default, &trials, &named), &fleet).unwrap();
        let never = [Kind::NeverEnrols, Kind::ArmForbidden, Kind::ArmUnable];
        let found = lint(&policy).into_iter().filter(|it| never.contains(&it.kind));
        let dead: Vec<String> = found.map(|it| it.rule).collect();
        let healthy = vec![ModelView::default(); fleet.models.len()];
        let healthy = FleetView { version: 0, models: healthy };
        for (signals, unit) in requests.into_iter().filter(|(it, _)| !it.team_path.is_empty()) {
            let units = (Some(unit), Some(unit), Some(unit));
            let (unit_user, unit_key, session) = units;
            let signals = Signals { unit_user, unit_key, session, request: unit, ..signals };
            let arm = arm_of(&decide(&policy, &signals, &healthy, Draw(0)));
            let name = arm.map(|it| policy.experiment(it.experiment).unwrap().name.to_string());
            prop_assert!(name.is_none_or(|it| !dead.contains(&it)), "{}", policy.document());
        }
    }

    /// Falling through never widens where data may go: nothing passes a rule that speaks of a data class or
    /// has limits of its own unless it says `next`, what is passed over could serve nothing of the request
    /// with all models healthy and no guard, and neither guards nor outages say who decides.
    #[test]
    fn what_a_rule_cannot_serve_goes_on_and_nothing_else(
        rules in prop::collection::vec(any_rule(), 1..8),
        default in select(SELECTORS[..6].to_vec()),
        mut signals in any_signals(),
        view in any_view(),
        draw: u64,
    ) {
        signals.requested = "auto".into();
        let fleet = fleet();
        let policy = compile(&whole(&rules, default), &fleet).unwrap();
        let decided = decide(&policy, &signals, &view, Draw(draw));
        let (matched, name, why) = match &decided {
            Ok(plan) => (plan.matched, &plan.rule, &plan.why),
            Err(refusal) => (refusal.matched.unwrap(), &refusal.rule, &refusal.why),
        };
        let last = if let Matched::Rule(at) = matched { at.get() } else { rules.len() };
        for rule in rules.iter().take(last).filter(|rule| rule.when.holds(&signals)) {
            let stays = rule.is_bound() && rule.on_unservable != Some("next");
            prop_assert!(rule.route.is_none() || !stays, "{rule:?} was passed over");
        }
        for rule in &why.passed {
            let rule = &rules[rule.get()];
            let mut named = fleet.models.iter().filter(|it| rule.names(it) && rule.permits(it));
            prop_assert!(rule.when.holds(&signals) && named.all(|it| !able(it, &signals)));
        }
        let free: Vec<Rule> = rules
            .iter()
            .map(|rule| match rule.route {
                Some(_) => rule.clone(),
                // A guard that lets everything through.
                None => Rule { limits: Limits::default(), ..rule.clone() },
            })
            .collect();
        let policy = compile(&whole(&free, default), &fleet).unwrap();
        let healthy = FleetView { version: 0, models: vec![ModelView::default(); 10] };
        let other = match decide(&policy, &signals, &healthy, Draw(draw)) {
            Ok(plan) => plan.rule,
            Err(refusal) => refusal.rule,
        };
        prop_assert_eq!(name, &other);
    }

    /// Whatever is said to end nowhere is refused, with every model healthy.
    #[test]
    fn what_is_said_to_end_nowhere_does(
        rules in prop::collection::vec(any_rule(), 1..6),
        default in select(SELECTORS[..6].to_vec()),
    ) {
        let fleet = fleet();
        let document = whole(&rules, default);
        let found = lint(&compile(&document, &fleet).unwrap());
        let ends = |it: &&Finding| matches!(it.kind, Kind::Gap | Kind::EmptyRoute);
        // Which requests an expression holds for, a proof does not know.
        for finding in found.iter().filter(ends).filter(|it| !it.says.contains("(where")) {
            // A table takes no budget below nothing.
            if finding.example.as_deref().is_some_and(|it| it.contains("budget_left = \"-")) {
                continue;
            }
            let table = format!(
                "policy = \"p\"\nfleet = \"f\"\n[[case]]\nname = \"it\"\ngiven = {}\n\
                 expect = {{ rule = \"default\" }}\n",
                finding.example.as_deref().unwrap(),
            );
            let report = cases::run(&table, &document, &fleet).unwrap();
            let refused = report.failed[0].fields.iter().any(|(field, ..)| field == "refusal");
            prop_assert!(refused, "{finding}\n{:?}\n{document}", report.failed[0]);
        }
    }

    /// Compiling any text at all ends with a policy or with faults, and never otherwise.
    #[test]
    fn any_text_is_compiled_or_refused(text in "\\PC{0,200}") {
        if let Err(faults) = compile(&text, &fleet()) {
            prop_assert!(!faults.is_empty());
        }
    }

    /// Any value under any key of the language is taken or refused.
    #[test]
    fn any_value_under_any_key_is_taken_or_refused(
        key in select(vec![
            "when.language", "when.task", "when.coarse_task", "when.confidence", "when.data_class",
            "when.team", "when.key", "when.tag", "when.model", "when.operation", "when.stream",
            "when.input_tokens", "when.output_tokens_max", "when.needs", "when.budget_left",
            "when.hours", "when.weekday", "when.cel", "route", "require", "require.zone", "avoid",
            "require.context_min", "retry", "timeouts", "timeouts.idle_ms", "cost_max", "hedge",
            "slow_stream", "slow_stream.hold_ms", "validate", "cache", "cache.ttl_s",
            "experiment", "name",
        ]),
        value in select(vec![
            "1", "-1", "0.5", "nan", "inf", "true", "[]", "{}", "\"\"", "\"en\"", "\"?\"", "[1]",
            "[[]]", "[{}]", "{ not = [] }", "{ not = {} }", "{ min = nan }", "{ max = -1 }",
            "{ min = 9223372036854775807 }", "{ min = \"9\", max = \"1\" }", "\"99:99-99:99\"",
            "\"-\"", "\"65535:00-0:0\"", "{ among = [] }", "{ among = [\"*\"], by = \"weight\", \
            weights = { \"glm-5.2\" = -1 } }", "1979-05-27", "9223372036854775807", "\"family:\"",
            "{ zone = [] }", "{ among = \"*\", by = 3 }", "\"99999999999.9\"", "[\"*\", \"*\"]",
        ]),
    ) {
        let document = format!("version = \"1\"\n[default]\nroute = \"*\"\n[[rule]]\n{key} = {value}\n");
        match compile(&document, &fleet()) {
            Ok(policy) => {
                let view = FleetView { version: 0, models: vec![ModelView::default(); 10] };
                let _ = decide(&policy, &Signals::chat("auto"), &view, Draw(1));
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    prop_assert!(fault.line.is_none_or(|line| (1..=5).contains(&line)), "{}", fault);
                }
            }
        }
    }
}
