//! The lines that one epoch's requests raise, found by position and filled on first use.
//!
//! A request finds its counters by the small indices it carries anyway: no label is hashed or
//! compared on its way. Indices mean something within one epoch only, so each epoch has its own
//! tables; behind them, equal names are the same line.

use std::sync::{Arc, OnceLock};

use policies::{
    Matched,
    experiment::Enrolled,
    facts::{Content, DataClass, Language, ModelIndex, Operation, Task},
};
use prometheus::{Histogram, IntCounter};

use super::{catalogue::Catalogue, money::MoneyCounter};
use crate::{
    outcome::{
        AttemptRecord, AttemptResult, CacheResult, Cached, Ending, EpochInfo, Opened, Outcome,
    },
    record::model_of,
};

/// Said of an index that its epoch does not know; it would be a mistake of ours, and is counted.
const UNKNOWN: &str = "unknown";
/// Rules, and likewise aliases, whose lines are found by position.
const RULES: usize = 254;

/// The five disjoint types of tokens.
const TOKEN_TYPES: [&str; 5] = ["input", "cached_input", "cache_write", "output", "reasoning"];

/// A row of slots filled on first use, and one more for all that lies beyond.
struct ByIndex<T> {
    slots: Box<[OnceLock<T>]>,
    beyond: OnceLock<T>,
}

impl<T> ByIndex<T> {
    fn new(length: usize) -> Self {
        Self { slots: (0..length).map(|_| OnceLock::new()).collect(), beyond: OnceLock::new() }
    }

    fn at(&self, position: usize, make: impl FnOnce() -> T) -> &T {
        self.slots.get(position).unwrap_or(&self.beyond).get_or_init(make)
    }
}

/// A row that grows with what is put in: teams come while the process runs, and a model has few endpoints or
/// hundreds. It is made of blocks, each twice as long as the one before, so that nothing in it ever moves.
struct Growing<T> {
    blocks: [OnceLock<ByIndex<T>>; BLOCKS],
}

/// With the first block of 32, more teams than a number counts.
const BLOCKS: usize = 28;
/// The binary logarithm of the first block's length.
const FIRST_BLOCK: u32 = 5;

impl<T> Default for Growing<T> {
    fn default() -> Self {
        Self { blocks: std::array::from_fn(|_| OnceLock::new()) }
    }
}

impl<T> Growing<T> {
    fn at(&self, position: usize, make: impl FnOnce() -> T) -> &T {
        let shifted = position.saturating_add(1 << FIRST_BLOCK);
        let block = (shifted.ilog2() - FIRST_BLOCK) as usize;
        let length = 1 << shifted.ilog2();
        let [.., last] = &self.blocks;
        let block = self.blocks.get(block).unwrap_or(last);
        block.get_or_init(|| ByIndex::new(length)).at(shifted - length, make)
    }
}

/// By task, by language.
type Labels<T> = ByIndex<ByIndex<T>>;

fn labels<T>() -> Labels<T> {
    ByIndex::new(Task::COUNT)
}

fn languages<T>() -> ByIndex<T> {
    ByIndex::new(Language::COUNT)
}

/// The tables of one epoch.
pub(super) struct Handles {
    pub(super) names: Arc<EpochInfo>,
    /// By model, task, language, outcome.
    requests: ByIndex<Labels<ByIndex<IntCounter>>>,
    /// By team, model, task, language.
    cost: Growing<ByIndex<Labels<MoneyCounter>>>,
    /// By team, model, type.
    tokens: Growing<ByIndex<ByIndex<IntCounter>>>,
    /// By model, operation, task.
    latency: ByIndex<ByIndex<ByIndex<Latency>>>,
    /// By model, endpoint.
    attempts: ByIndex<Growing<Attempts>>,
    /// By what decided, model.
    decisions: ByIndex<ByIndex<IntCounter>>,
    /// By kind, data class.
    contains: ByIndex<ByIndex<IntCounter>>,
    /// By model, result.
    cache: ByIndex<ByIndex<IntCounter>>,
    /// By experiment, arm, outcome.
    arms: ByIndex<ByIndex<ByIndex<IntCounter>>>,
    /// By experiment.
    unassigned: ByIndex<IntCounter>,
    /// By model.
    estimated: ByIndex<IntCounter>,
    /// By model.
    bound_broken: ByIndex<IntCounter>,
}

struct Latency {
    duration: Histogram,
    first_token: OnceLock<Histogram>,
    per_token: OnceLock<Histogram>,
}

/// What is counted and timed at one endpoint.
struct Attempts {
    /// By result.
    ended: ByIndex<IntCounter>,
    seconds: OnceLock<Histogram>,
}

impl Attempts {
    fn new() -> Self {
        Self { ended: ByIndex::new(AttemptResult::ALL.len()), seconds: OnceLock::new() }
    }
}

impl Handles {
    pub(super) fn new(names: Arc<EpochInfo>) -> Self {
        let models = names.models().len();
        let experiments = names.experiments.len();
        Self {
            names,
            requests: ByIndex::new(models),
            cost: Growing::default(),
            tokens: Growing::default(),
            latency: ByIndex::new(models),
            attempts: ByIndex::new(models),
            decisions: ByIndex::new(2 * RULES + 2),
            contains: ByIndex::new(Content::COUNT),
            cache: ByIndex::new(models),
            arms: ByIndex::new(experiments),
            unassigned: ByIndex::new(experiments),
            estimated: ByIndex::new(models),
            bound_broken: ByIndex::new(models),
        }
    }

    fn model(&self, index: ModelIndex) -> &str {
        self.names.models().get(index.get()).map_or(UNKNOWN, |model| &model.id)
    }

    pub(super) fn opened(&self, catalogue: &Catalogue, opened: &Opened) {
        self.contains(catalogue, opened);
        let plan = &opened.plan;
        let model = plan.attempts.first().map_or(ModelIndex(u16::MAX), |planned| planned.model);
        let make = || catalogue.decisions.of(&catalogue.series, [&plan.rule, self.model(model)]);
        match decided_slot(plan.matched) {
            Some(slot) => self
                .decisions
                .at(slot, || ByIndex::new(self.names.models().len()))
                .at(model.get(), make)
                .inc(),
            None => make().inc(),
        }
        if let Some(at) = plan.unassigned().map(|it| usize::from(it.0)) {
            let name = self.names.experiments.get(at).map_or(UNKNOWN, |it| &it.name);
            let make = || catalogue.unassigned.of(&catalogue.series, [name]);
            self.unassigned.at(at, make).inc();
        }
    }

    /// Counts a request once for each kind that it contains. What a shadow repeats was counted already.
    fn contains(&self, catalogue: &Catalogue, opened: &Opened) {
        if opened.shadow_of.is_some() {
            return;
        }
        let class = opened.signals.data_class;
        for (kind, _) in opened.signals.contains.found() {
            let make = || catalogue.contains.of(&catalogue.series, [kind.code(), class.code()]);
            let classes = || ByIndex::new(DataClass::ALL.len());
            self.contains.at(kind.index(), classes).at(class as usize, make).inc();
        }
    }

    /// Counts a request of an arm, if it is one.
    fn arm(&self, catalogue: &Catalogue, outcome: &Outcome) {
        let Some(enrolled) = &outcome.opened.plan.arm else { return };
        let named = self.names.arm(enrolled);
        let (experiment, arm) = named.map_or((UNKNOWN, UNKNOWN), |(it, arm)| (&it.name, &arm.name));
        let arms = || ByIndex::new(named.map_or(0, |(it, _)| it.arms.len()));
        let labels = [experiment, arm, outcome.ending.name()];
        self.arms
            .at(usize::from(enrolled.experiment.0), arms)
            .at(usize::from(enrolled.arm.0), || ByIndex::new(4))
            .at(ending_slot(outcome.ending), || catalogue.arms.of(&catalogue.series, labels))
            .inc();
    }

    /// Counts what the cache had for a request, if it was asked.
    fn cached(&self, catalogue: &Catalogue, outcome: &Outcome, model: ModelIndex) {
        let Some(Cached { result, .. }) = outcome.opened.cached else { return };
        let make = || catalogue.cache.of(&catalogue.series, [self.model(model), result.name()]);
        let results = || ByIndex::new(CacheResult::ALL.len());
        self.cache.at(model.get(), results).at(result as usize, make).inc();
    }

    pub(super) fn closed(&self, catalogue: &Catalogue, outcome: &Outcome) {
        let model = model_of(outcome);
        self.count(catalogue, outcome, model);
        self.cached(catalogue, outcome, model);
        self.arm(catalogue, outcome);
        self.account(catalogue, outcome, model);
        match &outcome.opened.shadow_of {
            // Nobody has waited for it.
            Some(it) => self.shadow(catalogue, &it.arm, outcome.ending.name()),
            None => self.time(catalogue, outcome, model),
        }
        for attempt in &outcome.attempt_log.attempts {
            self.attempt(catalogue, attempt);
        }
    }

    /// Counts what became of a request of a shadow.
    pub(super) fn shadow(&self, catalogue: &Catalogue, arm: &Enrolled, result: &str) {
        let experiment = self.names.experiments.get(usize::from(arm.experiment.0));
        let experiment = experiment.map_or(UNKNOWN, |it| &it.name);
        catalogue.shadows.of(&catalogue.series, [experiment, result]).inc();
    }

    fn count(&self, catalogue: &Catalogue, outcome: &Outcome, model: ModelIndex) {
        let signals = &outcome.opened.signals;
        let (task, language) = (signals.task, signals.language);
        self.requests
            .at(model.get(), labels)
            .at(task.index(), languages)
            .at(language.index(), || ByIndex::new(4))
            .at(ending_slot(outcome.ending), || {
                let labels =
                    [self.model(model), task.code(), language.code(), outcome.ending.name()];
                catalogue.requests.of(&catalogue.series, labels)
            })
            .inc();
    }

    /// Money and tokens, by the team nearest to the caller.
    fn account(&self, catalogue: &Catalogue, outcome: &Outcome, model: ModelIndex) {
        let (signals, charge) = (&outcome.opened.signals, &outcome.charge);
        let caller = &outcome.opened.caller;
        let (team, place) = (&*caller.team_name, caller.team_id.0 as usize);
        let models = || ByIndex::new(self.names.models().len());
        let (task, language) = (signals.task, signals.language);
        self.cost
            .at(place, || ByIndex::new(self.names.models().len()))
            .at(model.get(), labels)
            .at(task.index(), languages)
            .at(language.index(), || {
                let model = self.model(model);
                let labels = [team, model, task.code(), language.code(), &self.names.currency];
                catalogue.cost.of(&catalogue.series, labels)
            })
            .add(charge.cost);
        let types = self.tokens.at(place, models).at(model.get(), || ByIndex::new(5));
        let c = charge.usage.counts;
        let counts = [c.input, c.cached_input, c.cache_write, c.output, c.reasoning];
        for (slot, (kind, count)) in TOKEN_TYPES.into_iter().zip(counts).enumerate() {
            if count > 0 {
                let labels = [team, self.model(model), kind];
                let make = || catalogue.tokens.of(&catalogue.series, labels);
                types.at(slot, make).inc_by(u64::from(count));
            }
        }
        if charge.usage.source == crate::outcome::UsageSource::Estimated {
            let make = || catalogue.estimated.of(&catalogue.series, [self.model(model)]);
            self.estimated.at(model.get(), make).inc();
        }
        if outcome.bound_broken() {
            let make = || catalogue.bound_broken.of(&catalogue.series, [self.model(model)]);
            self.bound_broken.at(model.get(), make).inc();
        }
    }

    fn time(&self, catalogue: &Catalogue, outcome: &Outcome, model: ModelIndex) {
        let signals = &outcome.opened.signals;
        let series = &catalogue.series;
        let labels = [self.model(model), signals.operation.code(), signals.task.code()];
        let latency = self
            .latency
            .at(model.get(), || ByIndex::new(Operation::ALL.len()))
            .at(signals.operation as usize, || ByIndex::new(Task::COUNT))
            .at(signals.task.index(), || Latency {
                duration: catalogue.duration.of(series, labels),
                first_token: OnceLock::new(),
                per_token: OnceLock::new(),
            });
        latency.duration.observe(outcome.duration.as_secs_f64());
        let Some(first) = outcome.first_token else { return };
        let first_token =
            latency.first_token.get_or_init(|| catalogue.first_token.of(series, labels));
        first_token.observe(first.as_secs_f64());
        let c = outcome.charge.usage.counts;
        let tokens = c.output.saturating_add(c.reasoning);
        if signals.stream && outcome.ending == Ending::Ok && tokens > 1 {
            let rest = outcome.duration.saturating_sub(first).as_secs_f64();
            let per_token =
                latency.per_token.get_or_init(|| catalogue.per_token.of(series, labels));
            per_token.observe(rest / f64::from(tokens - 1));
        }
    }

    fn attempt(&self, catalogue: &Catalogue, attempt: &AttemptRecord) {
        // One that nobody has ended was under way when the request ended.
        let result = attempt.result.unwrap_or(AttemptResult::Cancelled);
        let (model, endpoint) = (self.model(attempt.model), &*attempt.endpoint_label);
        let series = &catalogue.series;
        let attempts = self
            .attempts
            .at(attempt.model.get(), Growing::default)
            .at(usize::from(attempt.endpoint), Attempts::new);
        let make = || catalogue.attempts.of(series, [model, endpoint, result.name()]);
        attempts.ended.at(result as usize, make).inc();
        if let Some(took) = attempt.took {
            let make = || catalogue.attempt_seconds.of(series, [model, endpoint]);
            attempts.seconds.get_or_init(make).observe(took.as_secs_f64());
        }
    }
}

fn ending_slot(ending: Ending) -> usize {
    match ending {
        Ending::Ok => 0,
        Ending::Cut => 1,
        Ending::Cancelled => 2,
        Ending::Failed(_) => 3,
    }
}

/// Where the lines of this decision stand; `None` for positions that no table has room for.
fn decided_slot(matched: Matched) -> Option<usize> {
    let (base, position) = match matched {
        Matched::Default => return Some(0),
        Matched::Pin => return Some(1),
        Matched::Rule(rule) => (2, rule.get()),
        Matched::Alias(alias) => (2 + RULES, usize::from(alias)),
    };
    (position < RULES).then_some(base + position)
}
