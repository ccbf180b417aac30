//! Requests as tests need them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{
    Counts, Matched, Plan, Planned, Why,
    facts::{
        DataClass, Draw, FleetFacts, KeyFacts, KeyIndex, Language, ModelFacts, ModelIndex, Money,
        Price, RuleIndex, Signals, Task, TeamFacts, TeamIndex, Timeouts, Tokens,
    },
};
use smallvec::smallvec;
use uuid::Uuid;

use crate::{
    failure::{Kind, Stage, Verdict},
    outcome::{
        AttemptLog, AttemptRecord, AttemptResult, Caller, Charge, Ending, EpochInfo, KeyId, Opened,
        Outcome, PolicyRecord, Refused, TeamId, Usage, UsageSource,
    },
};

/// 2026-01-02T03:04:05.678Z.
pub(crate) const STARTED_MS: i64 = 1_767_323_045_678;

/// Two models, two teams.
pub(crate) fn names() -> Arc<EpochInfo> {
    let price = Price {
        input: Money::from_nano(1_000_000),
        output: Money::from_nano(28_600_000),
        ..Price::default()
    };
    let model = |id: &str, price| ModelFacts {
        id: id.into(),
        zone: Some("on_prem".into()),
        price,
        ..ModelFacts::default()
    };
    let models = vec![model("qwen", Some(price)), model("gemma", None)];
    let team = |name: &str, parent| TeamFacts { name: name.into(), parent, models: Arc::default() };
    let teams = vec![team("bank", None), team("retail", Some(TeamIndex(0)))];
    let key = KeyFacts { name: "chatbot".into(), models: Arc::new([Box::from("qwen")]) };
    let fleet = FleetFacts { models, teams, keys: vec![key], ..FleetFacts::default() };
    let policy = policies::compile("[default]\nroute = [\"*\"]\n", &fleet).unwrap();
    Arc::new(EpochInfo {
        replica: "replica-1".into(),
        currency: "USD".into(),
        policy_version: "2026-01".into(),
        policy_hash: "aabb".into(),
        policy: Some(Arc::new(PolicyRecord::new(&policy, STARTED_MS))),
        price_version: "ccdd".into(),
        fleet: Arc::new(fleet),
        experiments: policy.experiments().into(),
    })
}

/// An id of its own for each number, in order of time.
pub(crate) fn id(number: u64) -> Uuid {
    let stamp = u128::from(STARTED_MS.unsigned_abs()) << 80;
    Uuid::from_u128(stamp | (7 << 76) | (2 << 62) | u128::from(number))
}

pub(crate) fn caller() -> Arc<Caller> {
    Arc::new(Caller {
        key_id: KeyId(0),
        key: KeyIndex(0),
        key_name: "chatbot".into(),
        team_path: smallvec![TeamIndex(1), TeamIndex(0)],
        team_id: TeamId(1),
        team_name: "retail".into(),
        data_class: DataClass::Internal,
        data_class_max: DataClass::Confidential,
        data_class_max_of: None,
        hints: true,
        feedback: false,
        frontend: false,
        tags: Default::default(),
        priority: crate::outcome::Priority::Default,
    })
}

pub(crate) fn signals(language: Language, task: Task) -> Signals {
    Signals {
        stream: true,
        language,
        task,
        language_confidence: 0.9,
        task_confidence: 0.75,
        input_tokens: Tokens(100),
        output_tokens_asked: Some(Tokens(64)),
        data_class: DataClass::Internal,
        ..Signals::chat("auto")
    }
}

pub(crate) fn opened_with(number: u64, names: Arc<EpochInfo>, signals: Signals) -> Arc<Opened> {
    let planned = Planned {
        model: ModelIndex(0),
        timeouts: Timeouts::default(),
        context_tokens_max: Tokens(32_768),
        output_tokens_max: Tokens(64),
        held_tokens_max: Tokens(256),
    };
    let plan = Plan {
        matched: Matched::Rule(RuleIndex(3)),
        arm: None,
        rule: "malay".into(),
        attempts: smallvec![planned],
        retries_max: 1,
        hedge: None,
        slow_stream: None,
        validates: false,
        cache_ttl_s: None,
        last_resort: false,
        cost_max: Money::from_nano(5_000),
        output_tokens_bound: Tokens(64),
        input_tokens: Tokens(0),
        input_tokens_bound: Tokens(0),
        why: Why::default(),
    };
    Arc::new(Opened {
        id: id(number),
        started_at_ms: STARTED_MS,
        caller_request_id: Some("caller-7".into()),
        trace: None,
        caller: caller(),
        signals: Arc::new(signals),
        plan: Arc::new(plan),
        draw: Draw(u64::MAX),
        reserved: Money::from_nano(5_000),
        names,
        arm_shares: None,
        shadow_of: None,
        cached: None,
    })
}

pub(crate) fn opened(number: u64, names: &Arc<EpochInfo>) -> Arc<Opened> {
    opened_with(number, Arc::clone(names), signals(Language::Ms, Task::Banking))
}

/// A stream answered whole by the first model, for 1,234 nano-units.
pub(crate) fn outcome(opened: Arc<Opened>) -> Outcome {
    let started = Instant::now();
    let attempt = AttemptRecord {
        model: ModelIndex(0),
        endpoint: 0,
        endpoint_label: "10.0.0.11:8000".into(),
        started,
        took: Some(Duration::from_millis(500)),
        result: Some(AttemptResult::Ok),
        cause: None,
        sent: true,
        held: Tokens(0),
        used: None,
    };
    let counts = Counts { input: 90, cached_input: 10, output: 40, reasoning: 1, cache_write: 0 };
    Outcome {
        opened,
        ending: Ending::Ok,
        attempt_log: AttemptLog {
            attempts: smallvec![attempt],
            committed: Some(0),
            complete: true,
            ..AttemptLog::default()
        },
        charge: Charge {
            usage: Usage { counts, source: UsageSource::Reported },
            cost: Money::from_nano(1_234),
            served: Some(Usage { counts, source: UsageSource::Reported }),
        },
        started,
        duration: Duration::from_millis(500),
        first_token: Some(Duration::from_millis(100)),
        stages: [Duration::from_micros(10); 8],
    }
}

pub(crate) fn refused(at_ms: i64, names: &Arc<EpochInfo>) -> Refused {
    Refused {
        id: id(u64::try_from(at_ms).unwrap_or(0)),
        caller_request_id: Some("caller-8".into()),
        trace: None,
        at_ms,
        took: Duration::from_millis(1),
        kind: Kind::RateLimited,
        stage: Stage::Admit,
        verdict: Verdict {
            rule: Some("malay".into()),
            guard: Some("home".into()),
            reason: Some("too many".into()),
            ..Verdict::of(Kind::RateLimited)
        },
        draw: Some(Draw(7)),
        arm: None,
        signals: Some(Arc::new(signals(Language::En, Task::Coding))),
        caller: Some(caller()),
        names: Arc::clone(names),
    }
}
