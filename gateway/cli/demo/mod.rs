//! `signalbox demo`: ten simulated models, the gateway before them, and a bank's day of prompts.
//!
//! Nothing here is a shortcut: the prompts go through real sockets, the real policy and the real
//! ledger, and the figures of the table come from that ledger. It leaves a complete folder behind,
//! on which every other command works.

mod drive;
mod folder;
mod real;
mod report;
mod table;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use policies::facts::{Money, Price};

use self::{
    drive::{Asked, ChatClient},
    folder::{Folder, KEY_FILE},
    real::RealModel,
    report::Report,
};
use crate::{
    app, config,
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
    /// End after the table instead of serving on.
    #[arg(long)]
    once: bool,
    /// Also start a real open model, Gemma 3 270M by llama.cpp; installed on first use (300 MB).
    #[arg(long)]
    real: bool,
    /// Where configuration, policy and ledger are written.
    #[arg(long, value_name = "DIR", default_value = "signalbox-demo")]
    folder: PathBuf,
    /// How many times faster than real models the simulated ones are.
    #[arg(long, value_name = "X", default_value_t = 10.0)]
    speed: f64,
}

/// How long the ledger may take to settle the last request.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// Why the demo could not go on, in words for whoever ran it.
type BoxError = Box<dyn Error + Send + Sync>;

/// Runs the demo. The code is 0 if every request was answered and has its one settled entry.
pub(super) async fn run(args: Args) -> ExitCode {
    match demo(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "signalbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(args: &Args) -> Result<bool, BoxError> {
    let folder = Folder::open(&args.folder)?;
    let prompts = prompts()?;
    let fleet = Fleet::start(&ten(), Setting { port_base: None, speed: args.speed })?;
    let real = match args.real {
        true => Some(RealModel::start(folder.path()).await?),
        false => None,
    };
    let key = folder.key()?;
    folder.configure(&fleet, real.as_ref())?;
    let config = config::load(Some(&folder.config())).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        format!("{}: {}", folder.config().display(), faults.join("; "))
    })?;
    let models = config.policy.fleet().models.iter();
    let prices = models.filter_map(|model| Some((model.id.to_string(), model.price?))).collect();
    let running = app::start(config).await?;
    let client = ChatClient::new(&format!("http://{}/v1", running.addr), &key)?;

    say(&heading(&prompts, real.as_ref(), args.speed))?;
    let since_ms = jiff::Timestamp::now().as_millisecond();
    let asked = drive::all(&client, &prompts, progress).await;
    let entries = settled(&folder, since_ms, &asked).await?;
    let good = tell(&prompts, &asked, &entries, prices)?;
    if !args.once {
        let admin = running.admin_addr.to_string();
        say(&serving(&folder, &client, &admin, &fleet.control_url()))?;
        tokio::signal::ctrl_c().await?;
    }
    running.shutdown().await;
    fleet.shutdown().await;
    Ok(good)
}

fn heading(prompts: &[Prompt], real: Option<&RealModel>, speed: f64) -> String {
    let mut text = format!(
        "{} prompts to ten simulated models, {speed} times as fast as real ones.\n",
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

/// Prints table and totals; whether all was as it must be.
fn tell(
    prompts: &[Prompt],
    asked: &[Asked],
    entries: &[Entry],
    prices: Vec<(String, Price)>,
) -> io::Result<bool> {
    let report = Report::of(prompts, asked, entries, prices);
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say(&report.table(colours))?;
    say(&report.totals())?;
    Ok(report.is_good())
}

fn serving(folder: &Folder, client: &ChatClient, admin: &str, control: &str) -> String {
    let (base, key, path) = (client.base(), client.key(), folder.path().display());
    let config = folder.config();
    format!(
        "Serving until Ctrl-C.\n\
         \x20 gateway     {base}\n\
         \x20 operators   http://{admin}  (/metrics, /readyz)\n\
         \x20 backends    {control}/sim/seen  (what the simulated models saw)\n\
         \x20 folder      {path}  (configuration, policy, ledger)\n\
         \x20 key         {key}  (also in {KEY_FILE})\n\n\
         Try:\n\
         \x20 curl -N {base}/chat/completions \\\n\
         \x20   -H \"Authorization: Bearer $(cat {path}/{KEY_FILE})\" \\\n\
         \x20   -d '{{\"model\":\"auto\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\
         \"content\":\"Bagaimana saya boleh menukar PIN kad saya?\"}}]}}'\n\
         \x20 signalbox --config {} check\n",
        config.display()
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
