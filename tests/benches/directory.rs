//! What a directory of many keys costs: reading the configuration, building what a request asks of it,
//! memory, and a request itself, whose cost must not depend on how many keys there are. It works in a
//! folder of its own, removes it, and fails if a bar does not hold.
//!
//! `cargo run --release --example directory`

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    hint::black_box,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Parser;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header};
use policies::facts::{Draw, FleetView, ModelView, Signals};
use sha2::Sha256;
use signalbox::{
    app::{self, Reloaded},
    config::{self, Config},
    directory::Directory,
};

/// The same allocator as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reads, builds, reloads and asks directories of several sizes and says what each costs.
#[derive(Parser, Debug)]
struct Args {
    /// Numbers of keys; the bars are those of the last beside the first
    #[arg(long, value_delimiter = ',', default_value = "1,1000,50000")]
    keys: Vec<usize>,
    /// How often each is loaded: the fastest counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Bar: milliseconds of loading the largest
    #[arg(long, default_value_t = 300.0)]
    load_ms_max: f64,
    /// Bar: MiB that the largest takes more than the smallest
    #[arg(long, default_value_t = 64.0)]
    memory_mib_max: f64,
    /// Bar: how many times as much a request may cost in the largest as in the smallest, with room for
    /// what caches of the processor do not hold
    #[arg(long, default_value_t = 1.5)]
    request_ratio_max: f64,
    /// Measures one size alone, in this process, and says so in one line
    #[arg(long, hide = true)]
    only: Option<usize>,
}

const TEAMS: usize = 1_000;
/// How many teams each level of the tree has.
const LEVELS: [usize; 4] = [10, 90, 300, 600];
const PEPPER: &str = "0123456789abcdef0123456789abcdef";

const HEAD: &str = r#"[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[identity]
pepper = "file:pepper"
[policy]
file = "policy.toml"
"#;

/// A key of this number; its secret looks like chance.
fn secret(number: usize) -> String {
    format!("sk-sb-{:032x}{number:08x}", (number as u128 + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060)
}

fn hash(secret: &str) -> Result<String, Box<dyn Error>> {
    let mut keyed = Hmac::<Sha256>::new_from_slice(PEPPER.as_bytes())?;
    keyed.update(secret.as_bytes());
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    Ok(keyed.finalize().into_bytes().iter().fold(String::new(), hex))
}

/// Writes the configuration. `changed` gives the last key other limits and another budget.
fn write(folder: &Path, keys: usize, changed: bool) -> Result<PathBuf, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("pepper"), PEPPER)?;
    let mut policy =
        String::from("version = \"bench\"\n[default]\nroute = [\"fast\", \"large\"]\n");
    for number in (0..20).filter(|number| *number < keys) {
        let rule = "route = [\"large\", \"fast\"]\nretry = 2";
        writeln!(
            policy,
            "[[rule]]\nname = \"r{number}\"\nwhen = {{ key = [\"service-{number}\"] }}"
        )?;
        writeln!(policy, "{rule}")?;
    }
    fs::write(folder.join("policy.toml"), policy)?;
    let mut text = String::from(HEAD);
    for (port, id) in [(9, "fast"), (10, "large"), (11, "code")] {
        writeln!(text, "[[model]]\nid = \"{id}\"\nupstream_model = \"{id}\"")?;
        writeln!(text, "price = {{ input_per_mtok = \"1\", output_per_mtok = \"2\" }}")?;
        writeln!(text, "[[model.endpoint]]\nurl = \"http://127.0.0.1:{port}/v1\"")?;
    }
    teams(&mut text)?;
    for number in 0..keys {
        let hash = hash(&secret(number))?;
        writeln!(text, "[[key]]\nname = \"service-{number}\"\nhash = \"hmac-sha256:{hash}\"")?;
        writeln!(text, "team = \"team-{}\"", number * 7 % TEAMS)?;
        let last = number + 1 == keys && changed;
        if number % 10 == 0 || last {
            let (limit, amount) = if last { (61, "101.00") } else { (600, "250.00") };
            writeln!(text, "limits = {{ requests_per_minute = {limit}, concurrent = 50 }}")?;
            writeln!(text, "budget = {{ amount = \"{amount}\", window = \"month\" }}")?;
        }
        if number % 100 == 0 {
            writeln!(text, "models = [\"fast\", \"large\"]")?;
        }
    }
    let path = folder.join("signalbox.toml");
    fs::write(&path, text)?;
    Ok(path)
}

/// The teams: each third of them with a budget and limits.
fn teams(text: &mut String) -> Result<(), Box<dyn Error>> {
    let (mut number, mut above) = (0, 0..0);
    for size in LEVELS {
        let level = number..number + size;
        for at in level.clone() {
            writeln!(text, "[[team]]\nname = \"team-{at}\"")?;
            if !above.is_empty() {
                writeln!(text, "parent = \"team-{}\"", above.start + at % above.len())?;
            }
            if at % 3 == 0 {
                writeln!(text, "budget = {{ amount = \"5000.00\", window = \"month\" }}")?;
                writeln!(text, "limits = {{ tokens_per_minute = 10000000 }}")?;
            }
        }
        (number, above) = (level.end, level);
    }
    Ok(())
}

/// What a directory of one size costs.
#[derive(Default)]
struct Cost {
    load_ms: f64,
    build_ms: f64,
    reload_ms: f64,
    memory_mib: f64,
    authenticate_ns: f64,
    decide_ns: f64,
}

impl Cost {
    fn numbers(&self) -> [f64; 6] {
        let Self { load_ms, build_ms, reload_ms, memory_mib, authenticate_ns, decide_ns } = self;
        [*load_ms, *build_ms, *reload_ms, *memory_mib, *authenticate_ns, *decide_ns]
    }

    fn read(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            load_ms: next()?,
            build_ms: next()?,
            reload_ms: next()?,
            memory_mib: next()?,
            authenticate_ns: next()?,
            decide_ns: next()?,
        })
    }
}

/// Resident memory of this process, in MiB, once what is free has been given back.
fn resident_mib() -> io::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kib.unwrap_or(f64::NAN) / 1024.0)
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn load(path: &Path) -> Result<Config, Box<dyn Error>> {
    config::load(Some(path)).map_err(|faults| {
        let said: Vec<String> = faults.iter().take(5).map(ToString::to_string).collect();
        said.join("; ").into()
    })
}

/// Measures one size. The memory is that of a gateway that serves, before anything else is built here.
fn measure(args: &Args, keys: usize) -> Result<Cost, Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("signalbox-directory-{}", std::process::id()));
    let path = write(&folder, keys, false)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cost = runtime.block_on(async {
        let running = app::start(load(&path)?).await?;
        let memory_mib = settled_mib().await?;
        let mut reload_ms = f64::INFINITY;
        for round in 0..args.rounds {
            write(&folder, keys, round % 2 == 0)?;
            let began = Instant::now();
            let reloaded = running.reload(load(&path)?).await?;
            reload_ms = reload_ms.min(ms(began.elapsed()));
            if !matches!(reloaded, Reloaded::InForce { .. }) {
                return Err(format!("{reloaded:?}").into());
            }
        }
        running.shutdown().await;
        Ok::<_, Box<dyn Error>>(Cost { memory_mib, reload_ms, ..Cost::default() })
    })?;
    let mut cost = Cost { load_ms: f64::INFINITY, build_ms: f64::INFINITY, ..cost };
    for _ in 0..args.rounds {
        let began = Instant::now();
        let config = load(&path)?;
        cost.load_ms = cost.load_ms.min(ms(began.elapsed()));
        let began = Instant::now();
        let who = (&*config.teams, &*config.keys);
        let terms = (config.budget_wait, &config.ledger.currency);
        let directory = Directory::of(who, terms, PEPPER.as_bytes(), now());
        cost.build_ms = cost.build_ms.min(ms(began.elapsed()));
        asked(&config, &directory, &mut cost)?;
    }
    fs::remove_dir_all(&folder)?;
    Ok(cost)
}

fn now() -> (Instant, jiff::Timestamp) {
    (Instant::now(), jiff::Timestamp::now())
}

/// The resident memory as soon as it stays the same.
async fn settled_mib() -> io::Result<f64> {
    let mut before = f64::INFINITY;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let at = resident_mib()?;
        if (at - before).abs() < 0.1 {
            break;
        }
        before = at;
    }
    Ok(before)
}

/// Calls of one kind that are measured together.
const CALLS: usize = 2_000;

/// What a request costs that comes with any of the keys.
fn asked(config: &Config, directory: &Directory, cost: &mut Cost) -> Result<(), Box<dyn Error>> {
    let keys = config.keys.len();
    // As many different keys for each size, so that the caches of the processor do not make the difference.
    let headers = (0..64).map(|nth| {
        let value = HeaderValue::from_str(&format!("Bearer {}", secret(nth * 7_919 % keys)))?;
        Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
    });
    let headers = headers.collect::<Result<Vec<HeaderMap>, Box<dyn Error>>>()?;
    let (_, at) = now();
    let mut signals = Vec::with_capacity(headers.len());
    for it in &headers {
        let principal = directory.authenticate(it, at).map_err(|failure| failure.to_string())?;
        let mut signal = Signals::chat("auto");
        signal.key = principal.principal.caller.key;
        signal.team_path.clone_from(&principal.principal.caller.team_path);
        signals.push(signal);
    }
    let view = FleetView { version: 1, models: vec![ModelView::default(); config.models.len()] };
    let authenticate = per_call(|nth| {
        headers.get(nth % 64).is_some_and(|it| directory.authenticate(it, at).is_ok())
    });
    let decide = per_call(|nth| {
        let decided = |it| policies::decide(&config.policy, it, &view, Draw(nth as u64)).is_ok();
        signals.get(nth % 64).is_some_and(decided)
    });
    let least = |before: f64, now: f64| if before == 0.0 { now } else { before.min(now) };
    cost.authenticate_ns = least(cost.authenticate_ns, authenticate?);
    cost.decide_ns = least(cost.decide_ns, decide?);
    Ok(())
}

/// Nanoseconds of a call, the least of several measurements.
fn per_call(call: impl Fn(usize) -> bool) -> Result<f64, Box<dyn Error>> {
    let mut least = f64::INFINITY;
    for _ in 0..20 {
        let began = Instant::now();
        let right = (0..CALLS).filter(|nth| black_box(call(black_box(*nth)))).count();
        least = least.min(began.elapsed().as_secs_f64() * 1e9 / CALLS as f64);
        if right != CALLS {
            return Err("a call was refused".into());
        }
    }
    Ok(least)
}

/// One size in a process of its own, so that no size profits from what another has left behind.
fn apart(args: &Args, keys: usize) -> Result<Cost, Box<dyn Error>> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["--only", &keys.to_string(), "--rounds", &args.rounds.to_string()]);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let line = String::from_utf8(output.stdout)?;
    Cost::read(&line).ok_or_else(|| format!("{keys} keys: {}", output.status).into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut out = io::stdout();
    if let Some(keys) = args.only {
        let numbers = measure(&args, keys)?.numbers().map(|it| it.to_string());
        writeln!(out, "{}", numbers.join(" "))?;
        return Ok(());
    }
    writeln!(
        out,
        "    keys   load ms  build ms  reload ms  memory MiB  authenticate ns  decide ns"
    )?;
    let mut costs = Vec::new();
    for keys in &args.keys {
        let cost = apart(&args, *keys)?;
        let [load, build, reload, memory, authenticate, decide] = cost.numbers();
        writeln!(
            out,
            "{keys:>8}  {load:>8.1}  {build:>8.1}  {reload:>9.1}  {memory:>10.1}  \
             {authenticate:>15.0}  {decide:>9.0}"
        )?;
        costs.push(cost);
    }
    let (Some(small), Some(large)) = (costs.first(), costs.last()) else { return Ok(()) };
    let bars = [
        ("load, ms", large.load_ms, args.load_ms_max),
        ("more memory, MiB", large.memory_mib - small.memory_mib, args.memory_mib_max),
        (
            "authenticate, times",
            large.authenticate_ns / small.authenticate_ns,
            args.request_ratio_max,
        ),
        ("decide, times", large.decide_ns / small.decide_ns, args.request_ratio_max),
    ];
    let mut holds = true;
    for (what, is, most) in bars {
        let said = if is <= most { "PASS" } else { "FAIL" };
        holds &= is <= most;
        writeln!(out, "{said}  {what}: {is:.2}, at most {most:.2}")?;
    }
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}
