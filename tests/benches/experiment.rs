//! What an experiment costs: a decision of a rule with one beside the same decision without it, and the
//! evaluation of a file of a million lines by the program. It works in a folder of its own, removes it, and
//! fails if a bar does not hold.
//!
//! `cargo run --release --example experiment`

use std::{
    error::Error,
    fs::{self, File},
    hint::black_box,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use clap::Parser;
use policies::{
    Policy, compile, decide,
    facts::{Draw, FleetFacts, FleetView, ModelView, Signals, TeamFacts},
};

/// The same allocator as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Decides requests with and without an experiment, evaluates a file, and says what each costs.
#[derive(Parser, Debug)]
struct Args {
    /// The program that evaluates; without it, that part is left out
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Lines of the file
    #[arg(long, default_value_t = 1_000_000)]
    lines: u64,
    /// Bar: nanoseconds of an assignment, which is what a decision takes more
    #[arg(long, default_value_t = 100.0)]
    assignment_ns_max: f64,
    /// Bar: seconds of the evaluation
    #[arg(long, default_value_t = 5.0)]
    evaluate_s_max: f64,
    /// Says the figures and judges nothing
    #[arg(long)]
    unjudged: bool,
}

/// Arms of an experiment: each draws a number for the unit, and all must be able to serve the request. The
/// bar is that of the first.
const ARMS: [usize; 3] = [3, 2, 5];
/// The models of the arms, one each.
const MODELS: [&str; 5] =
    ["gpt-oss-120b", "qwen3.5-397b", "deepseek-v3.2", "kimi-k2.6", "gpt-oss-20b"];
/// Units that are asked for: more than the caches of a prediction remember.
const UNITS: usize = 4_096;
const ROUNDS: usize = 40;

/// A policy whose only rule has an experiment of so many arms, each a route of one model as the rule's own
/// is; none is no experiment.
fn policy(arms: usize, fleet: &FleetFacts) -> Result<Policy, Box<dyn Error>> {
    let arm = |(at, model): (usize, &str)| {
        let share = 1.0 / arms as f64;
        format!("{{ name = \"arm-{at}\", share = {share}, route = [\"{model}\"] }}")
    };
    let all: Vec<String> = MODELS.into_iter().enumerate().take(arms).map(arm).collect();
    let experiment = match arms {
        0 => String::new(),
        _ => format!(
            "experiment = \"ab\"\n[[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n\
             arms = [{}]\n",
            all.join(", ")
        ),
    };
    let document = format!(
        "[default]\nroute = [\"kimi-k2.6\"]\n[[rule]]\nname = \"chat\"\nwhen = {{ operation = [\"chat\"] }}\n\
         route = [\"gpt-oss-120b\"]\n{experiment}"
    );
    compile(&document, fleet).map_err(|faults| format!("{faults:?}").into())
}

/// Nanoseconds of a decision by each policy: the least of many rounds, in each of which all take turns.
fn decided(policies: &[Policy], fleet: &FleetFacts) -> Result<Vec<f64>, Box<dyn Error>> {
    let unit = |nth: u128| Some(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let signals: Vec<Signals> = (0..UNITS as u128)
        .map(|nth| Signals { unit_user: unit(nth), ..Signals::chat("auto") })
        .collect();
    let view = FleetView { version: 1, models: vec![ModelView::default(); fleet.models.len()] };
    let mut least = vec![f64::INFINITY; policies.len()];
    for _ in 0..ROUNDS {
        for (policy, least) in policies.iter().zip(&mut least) {
            let has_experiment = !policy.experiments().is_empty();
            let decide = |it| {
                let plan = black_box(decide(policy, black_box(it), &view, Draw(1)));
                plan.is_ok_and(|plan| plan.arm.is_some() == has_experiment)
            };
            let began = Instant::now();
            let right = signals.iter().filter(|it| decide(it)).count();
            *least = least.min(began.elapsed().as_secs_f64() * 1e9 / UNITS as f64);
            if right != UNITS {
                return Err("a request was refused, or got no arm".into());
            }
        }
    }
    Ok(least)
}

/// Writes so many lines, one for each unit.
fn data(file: &Path, lines: u64) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for unit in 0..lines {
        let arm = if unit % 2 == 0 { "gpt-oss" } else { "qwen" };
        let value = unit * 7_919 % 100 < 52;
        writeln!(out, "{{\"unit\":\"customer-{unit:08}\",\"arm\":\"{arm}\",\"value\":{value}}}")?;
    }
    out.flush()
}

/// Seconds in which the program evaluates a file of so many lines, looked at a hundred times.
fn evaluated(program: &Path, lines: u64) -> Result<f64, Box<dyn Error>> {
    let name = format!("signalbox-experiment-{}.jsonl", std::process::id());
    let file = std::env::temp_dir().join(name);
    data(&file, lines)?;
    let mut command = Command::new(program);
    command.args(["experiment", "evaluate", "--json", "--look-every"]);
    command.arg((lines / 100).max(1).to_string()).arg(&file).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status();
    let took = began.elapsed().as_secs_f64();
    fs::remove_file(&file)?;
    if status?.success() { Ok(took) } else { Err("it is not evaluated".into()) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut out = io::stdout();
    let all: std::sync::Arc<[Box<str>]> = ["*".into()].into();
    let team = TeamFacts { name: "platform".into(), parent: None, models: all };
    let fleet = FleetFacts { teams: vec![team], ..policies::catalogue() };
    let mut policies = vec![policy(0, &fleet)?];
    for arms in ARMS {
        policies.push(policy(arms, &fleet)?);
    }
    let costs = decided(&policies, &fleet)?;
    let plain = costs.first().copied().unwrap_or(f64::NAN);
    let mut broken = 0;
    for (nth, (arms, cost)) in ARMS.iter().zip(costs.iter().skip(1)).enumerate() {
        let (added, most) = (cost - plain, args.assignment_ns_max);
        writeln!(
            out,
            "assignment among {arms} arms: {added:.0} ns of a decision of {cost:.0} (without an experiment \
             {plain:.0}); bar {most} ns among {}",
            ARMS[0]
        )?;
        broken += usize::from(nth == 0 && (added.is_nan() || added > most));
    }
    if let Some(program) = &args.program {
        let (took, most) = (evaluated(program, args.lines)?, args.evaluate_s_max);
        writeln!(out, "evaluate: {} lines in {took:.2} s; bar {most} s", args.lines)?;
        broken += usize::from(took > most);
    }
    if broken > 0 && !args.unjudged {
        return Err(format!("{broken} bars do not hold").into());
    }
    Ok(())
}
