//! What the ledger's writer costs a request: processor time of the thread that writes, fed with the groups
//! that form at a rate of requests. It writes a file of its own and removes it.
//!
//! `cargo run --release --example ledger -- --rate 5000`

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs, io,
    io::Write as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use policies::{
    Counts, Matched, Plan, Planned, Why,
    facts::{
        DataClass, Draw, FleetFacts, KeyIndex, Language, ModelFacts, ModelIndex, Money, Price,
        RuleIndex, Signals, Task, TeamFacts, TeamIndex, Timeouts, Tokens,
    },
};
use signalbox::{
    config::Durability,
    outcome::{
        AttemptLog, AttemptRecord, AttemptResult, Caller, Charge, Ending, EpochInfo, KeyId, Opened,
        Outcome, Priority, TeamId, Usage, UsageSource,
    },
    record::{Group, LedgerStore},
    store::Sqlite,
};
use smallvec::smallvec;
use uuid::Uuid;

/// 2026-01-02T03:04:05.678Z.
const STARTED_MS: u64 = 1_767_323_045_678;

/// Writes entries as the server does and says what one request costs the writer.
#[derive(Parser, Debug)]
struct Args {
    /// Requests a second
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// Milliseconds from one commit to the next
    #[arg(long, default_value_t = 14)]
    period_ms: u64,
    /// The shortest life of a request, in milliseconds
    #[arg(long, default_value_t = 20)]
    life_ms: u64,
    /// The longest
    #[arg(long, default_value_t = 20)]
    life_max_ms: u64,
    /// How many requests
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// Durable against the death of the process only
    #[arg(long)]
    process: bool,
    /// Where the file is made; it is kept where this is given
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn names() -> Arc<EpochInfo> {
    let price = Some(Price { input: Money::from_nano(200_000_000), ..Price::default() });
    let model = |number: u32| ModelFacts {
        id: format!("open-model-{number}-instruct").into(),
        zone: Some("on_prem".into()),
        price,
        ..ModelFacts::default()
    };
    let models = (0..10).map(model).collect();
    let team = |number: u32| TeamFacts {
        name: format!("team-{number}").into(),
        parent: None,
        models: Arc::default(),
    };
    let teams = (0..8).map(team).collect();
    Arc::new(EpochInfo {
        replica: "replica-1".into(),
        currency: "USD".into(),
        policy_version: "2026-01".into(),
        policy_hash: "aabbccddeeff".into(),
        policy: None,
        price_version: "ccddeeff0011".into(),
        fleet: Arc::new(FleetFacts { models, teams, ..FleetFacts::default() }),
        experiments: Arc::default(),
    })
}

fn caller(number: u16) -> Arc<Caller> {
    Arc::new(Caller {
        key_id: KeyId(number.into()),
        key: KeyIndex(number.into()),
        key_name: format!("key-of-service-{number}").into(),
        team_path: smallvec![TeamIndex(number % 8)],
        team_id: TeamId((number % 8).into()),
        team_name: format!("team-{}", number % 8).into(),
        data_class: DataClass::Internal,
        data_class_max: DataClass::Confidential,
        data_class_max_of: None,
        hints: true,
        feedback: false,
        frontend: false,
        tags: Default::default(),
        priority: Priority::Default,
    })
}

/// A number that looks like chance and is the same in every run.
fn mixed(number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

struct Traffic {
    names: Arc<EpochInfo>,
    callers: Vec<Arc<Caller>>,
    endpoints: Vec<Arc<str>>,
}

impl Traffic {
    fn new() -> Self {
        let label = |number: u32| format!("10.0.0.{number}:8000").into();
        Self {
            names: names(),
            callers: (0..40).map(caller).collect(),
            endpoints: (0..20).map(label).collect(),
        }
    }

    fn signals(&self, luck: u64) -> Signals {
        Signals {
            stream: luck.is_multiple_of(2),
            language: match luck / 2 % 4 {
                0 => Language::Ms,
                1 => Language::En,
                2 => Language::Th,
                _ => Language::De,
            },
            task: if (luck / 8).is_multiple_of(2) { Task::Banking } else { Task::Chat },
            language_confidence: 0.93,
            task_confidence: 0.75,
            input_tokens: Tokens(u32::try_from(luck / 16 % 4_000).unwrap_or(0)),
            output_tokens_asked: Some(Tokens(512)),
            data_class: DataClass::Internal,
            session: luck.is_multiple_of(3).then_some(u128::from(luck) << 64 | u128::from(luck)),
            ..Signals::chat("auto")
        }
    }

    fn opened(&self, number: u64, at_ms: u64) -> Arc<Opened> {
        let luck = mixed(number);
        let model = ModelIndex(u16::try_from(luck % 10).unwrap_or(0));
        let planned = Planned {
            context_tokens_max: Tokens(32_768),
            model,
            timeouts: Timeouts::default(),
            output_tokens_max: Tokens(512),
            held_tokens_max: Tokens(512),
        };
        let plan = Plan {
            matched: Matched::Rule(RuleIndex(3)),
            arm: None,
            rule: if luck.is_multiple_of(3) { "malay-banking".into() } else { "default".into() },
            attempts: smallvec![planned],
            retries_max: 1,
            hedge: None,
            slow_stream: None,
            validates: false,
            cache_ttl_s: None,
            last_resort: false,
            cost_max: Money::from_nano(5_000_000),
            output_tokens_bound: Tokens(512),
            input_tokens: Tokens(0),
            input_tokens_bound: Tokens(0),
            why: Why::default(),
        };
        let place = usize::try_from(luck / 7 % 40).unwrap_or(0);
        let caller = self.callers.get(place).cloned().unwrap_or_else(|| caller(0));
        // Ids grow, as those of the server do: in each millisecond a counter, then chance.
        let id = u128::from(at_ms) << 80 | 7 << 76 | 2 << 62 | u128::from(number) << 32;
        Arc::new(Opened {
            id: Uuid::from_u128(id | u128::from(luck & 0xffff_ffff)),
            started_at_ms: at_ms.cast_signed(),
            caller_request_id: None,
            trace: None,
            caller,
            signals: Arc::new(self.signals(luck)),
            plan: Arc::new(plan),
            draw: Draw(luck << 7 | 1 << 63),
            reserved: Money::from_nano(5_000_000 + (luck % 1_000).cast_signed()),
            names: Arc::clone(&self.names),
            arm_shares: None,
            shadow_of: None,
            cached: None,
        })
    }

    fn outcome(&self, opened: Arc<Opened>, life: Duration) -> Outcome {
        let luck =
            mixed(opened.started_at_ms.unsigned_abs() ^ opened.reserved.nano().unsigned_abs());
        let small = |most: u64| u32::try_from(luck % most).unwrap_or(0);
        let model = opened.plan.attempts.first().map_or(ModelIndex(0), |it| it.model);
        let replica = usize::from(model.0) * 2 + usize::try_from(luck % 2).unwrap_or(0);
        let label = self.endpoints.get(replica).cloned().unwrap_or_else(|| "none".into());
        let attempt = AttemptRecord {
            model,
            endpoint: 0,
            endpoint_label: label,
            started: Instant::now(),
            took: Some(life),
            result: Some(AttemptResult::Ok),
            cause: None,
            sent: true,
            held: Tokens(0),
            used: None,
        };
        let counts = Counts {
            input: small(4_000),
            cached_input: small(100),
            output: small(512),
            reasoning: 0,
            cache_write: 0,
        };
        let usage = Usage { counts, source: UsageSource::Reported };
        let price = self.names.fleet.models.get(usize::from(model.0)).and_then(|it| it.price);
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
                usage,
                cost: price.unwrap_or_default().cost(counts),
                served: Some(usage),
            },
            started: Instant::now(),
            duration: life + Duration::from_micros(luck % 900),
            first_token: Some(life / 2 + Duration::from_micros(luck % 700)),
            stages: [Duration::from_micros(10 + luck % 5); 8],
        }
    }
}

/// Nanoseconds that this thread has had a processor.
fn cpu_ns() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let folder = args.keep.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("signalbox-writer-{}", std::process::id()))
    });
    fs::create_dir_all(&folder)?;
    let file = folder.join("signalbox.db");
    let durability = if args.process { Durability::Process } else { Durability::Power };
    let mut store = Sqlite::open(&file, durability)?;
    let (spent_ns, groups) = run(&args, &mut store)?;
    let cost_us = Duration::from_nanos(spent_ns).as_secs_f64() * 1e6;
    let each = |count: u64| cost_us / f64::from(u32::try_from(count).unwrap_or(u32::MAX).max(1));
    let bytes = fs::metadata(&file)?.len() / args.requests.max(1);
    writeln!(
        io::stdout(),
        "{} requests a second, a commit every {} ms, lives of {} to {} ms: \
         {:.2} us a request, {:.0} us a group, {bytes} bytes a request in the file",
        args.rate,
        args.period_ms,
        args.life_ms,
        args.life_max_ms,
        each(args.requests),
        each(groups),
    )?;
    drop(store);
    if args.keep.is_none() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Writes all groups; returns the nanoseconds of writing them and their number.
fn run(args: &Args, store: &mut Sqlite) -> Result<(u64, u64), Box<dyn Error>> {
    let traffic = Traffic::new();
    let (mut number, mut spent, mut groups, mut now_ms) = (0, 0, 0, 0);
    // By the millisecond of its end and its number: those under way.
    let mut ends: BTreeSet<(u64, u64)> = BTreeSet::new();
    let mut under_way: BTreeMap<u64, Arc<Opened>> = BTreeMap::new();
    while number < args.requests || !under_way.is_empty() {
        now_ms += args.period_ms;
        let mut group = Group::default();
        let due = (now_ms * args.rate / 1_000).min(args.requests);
        for number in number..due {
            let began_ms = number * 1_000 / args.rate;
            let opened = traffic.opened(number, STARTED_MS + began_ms);
            let span = args.life_max_ms.saturating_sub(args.life_ms) + 1;
            ends.insert((began_ms + args.life_ms + mixed(number) % span, number));
            under_way.insert(number, Arc::clone(&opened));
            group.opened.insert(opened.id, opened);
        }
        number = due;
        while let Some((end, ended)) = ends.first().copied().filter(|(end, _)| *end <= now_ms) {
            ends.remove(&(end, ended));
            let Some(opened) = under_way.remove(&ended) else { continue };
            let life = Duration::from_millis(end - ended * 1_000 / args.rate);
            let whole = group.opened.remove(&opened.id).is_some();
            let outcome = traffic.outcome(opened, life);
            if whole { group.whole.push(outcome) } else { group.settled.push(outcome) }
        }
        let before = cpu_ns()?;
        store.write(&group)?;
        spent += cpu_ns()?.saturating_sub(before);
        groups += 1;
    }
    Ok((spent, groups))
}
